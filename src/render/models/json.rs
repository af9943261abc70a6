//! Versions of models as JSON.

use serde_json::{Map, Value, json};

use crate::model::{Artifact, Evidence, LinkText, NamedArtifact, NodeId, Timestamp};
use crate::ops::registry::{Changed, CheckReport, Kept, ModelCard, ModelList, ModelOverview, Registered};
use crate::query::RunHead;
use crate::query::filter::Lack;
use crate::query::registry::{HistoryAct, HistoryEntry, ModelView};
use crate::render::show_json::{artifact_json, run_head_json, state_name};
use crate::render::status::cause_json;

/// Writes a version and where it stands, without what belongs to it.
pub fn view_json(view: &ModelView) -> Value {
    let model = &view.model;
    let document = |text: &Option<String>| -> Value {
        text.as_ref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
    };
    let metrics = view.metrics.iter().map(|metric| (metric.name.clone(), json!(metric.value.get())));
    let tags = view.tags.iter().map(|(name, value)| (name.clone(), json!(value)));
    json!({
        "id": model.id.to_string(),
        "label": view.label(),
        "name": model.name,
        "version": model.version,
        "stage": view.stage.as_str(),
        "aliases": view.aliases,
        "description": view.description,
        "model_type": model.model_type,
        "base_model": model.base_model,
        "promoted_from": view.promoted_from,
        "notes": view.notes,
        "tags": tags.collect::<Map<_, _>>(),
        "metrics": metrics.collect::<Map<_, _>>(),
        "training_config": document(&model.training_config),
        "dataset_info": document(&model.dataset_info),
        "git_sha": model.git_sha,
        "git_dirty": (model.git_sha.is_some() || view.git_dirty).then_some(view.git_dirty),
        "branch": model.branch,
        "run": model.run.map(|run| run.to_string()),
        "taken": model.taken.as_ref().map(|taken| json!({
            "as_of": taken.as_of.rfc3339(), "run_id": taken.run_label, "run_name": taken.run_name,
        })),
        "created_at": model.created_at.rfc3339(),
        "registered_at": model.registered_at.rfc3339(),
        "registered_by": model.by,
        "updated_at": view.updated_at.rfc3339(),
        "clash_with": view.clash_with.map(|id| id.to_string()),
        "deleted": view.deleted.as_ref().map(|deleted| json!({
            "at": deleted.at.rfc3339(), "by": deleted.by, "reason": deleted.reason,
        })),
        "artifacts": model.artifacts.iter().map(|held| {
            named_json(held)
        }).collect::<Vec<_>>(),
    })
}

/// Writes a file of a version under the name it has there; of a symbolic link, what it says it leads to.
fn named_json(held: &NamedArtifact) -> Value {
    let mut value = artifact_json(&held.artifact);
    value["name"] = json!(held.name);
    value["link_to"] = json!(held.link.as_ref().map(LinkText::to_string));
    value
}

/// Writes what a version was trained on, and how that is known.
fn input_json((artifact, evidence): &(Artifact, Evidence)) -> Value {
    let mut value = artifact_json(artifact);
    value["evidence"] = json!(evidence.as_str());
    value
}

fn row_json(view: &ModelView, run: Option<&RunHead>) -> Value {
    let mut value = view_json(view);
    value["run_id"] = json!(run.map(|run| run.view.run.run_id.as_str()));
    value
}

/// Writes versions as a list.
pub fn list_json(list: &ModelList) -> Value {
    let models = list.rows.iter().map(|(view, run)| row_json(view, run.as_ref()));
    json!({
        "format": 1,
        "models": models.collect::<Vec<_>>(),
        "more": list.more,
        "lack": list.lack.map(Lack::as_str),
    })
}

/// Writes what is registered under one name.
pub fn overview_json(overview: &ModelOverview) -> Value {
    let id = |id: Option<NodeId>| id.map(|id| id.to_string());
    let models = overview.versions.iter().map(|(view, run)| row_json(view, run.as_ref()));
    json!({
        "format": 1,
        "name": overview.name,
        "production": id(overview.production),
        "latest": id(overview.latest),
        "models": models.collect::<Vec<_>>(),
    })
}

/// Writes one version with all that belongs to it.
pub fn card_json(card: &ModelCard) -> Value {
    json!({"format": 1, "model": card_value(card)})
}

/// Writes one version with all that belongs to it, as a part of a document.
pub(crate) fn card_value(card: &ModelCard) -> Value {
    let mut value = view_json(&card.view);
    value["training_run"] = card.run.as_ref().map_or(Value::Null, run_head_json);
    value["inputs"] = card.inputs.iter().map(input_json).collect();
    value["documents"] = card.documents.iter().map(|note| json!(note.artifact.path.in_json())).collect();
    value["inputs_evidence"] = json!(if card.inputs_said { "declared" } else { "recorded" });
    value["changed_since"] =
        card.changed_since.as_ref().map_or(Value::Null, |causes| causes.iter().map(cause_json).collect());
    value["artifacts"] = card
        .files
        .iter()
        .map(|(held, state)| {
            let mut file = named_json(held);
            file["on_disk"] = json!(state_name(*state));
            file["declared"] = json!(card.declared.contains(&held.artifact.path));
            file
        })
        .collect();
    value
}

/// Writes that a version was registered.
pub fn registered_json(registered: &Registered) -> Value {
    json!({
        "format": 1,
        "model": row_json(&registered.view, registered.run.as_ref()),
        "displaced": registered.displaced.as_ref().map(view_json),
        "remarks": registered.remarks,
    })
}

/// Writes what a change came to.
pub fn changed_json(changed: &Changed) -> Value {
    json!({
        "format": 1,
        "changed": changed.changed,
        "model": view_json(&changed.view),
        "before": {"stage": changed.before.stage.as_str(), "aliases": changed.before.aliases},
        "displaced": changed.displaced.as_ref().map(view_json),
    })
}

/// Writes the history of a model.
pub fn history_json(name: &str, entries: &[HistoryEntry]) -> Value {
    let changes = entries.iter().map(|entry| {
        let mut value = json!({
            "at": Timestamp::rfc3339(entry.at),
            "by": entry.by,
            "model": entry.model.map(|id| id.to_string()),
            "version": entry.version,
            "reason": entry.reason,
            "void": entry.void,
        });
        let displaced = |displaced: &Option<(NodeId, String)>| {
            displaced.as_ref().map(|(id, version)| json!({"id": id.to_string(), "version": version}))
        };
        let (what, more) = match &entry.act {
            HistoryAct::Registered { stage, displaced: other } => {
                ("registered", json!({"to": stage.as_str(), "displaced": displaced(other)}))
            }
            HistoryAct::TakenOver { stage, registered_at, displaced: other } => (
                "taken over",
                json!({
                    "to": stage.as_str(), "registered_at": registered_at.rfc3339(), "displaced": displaced(other),
                }),
            ),
            HistoryAct::Staged { from, to, displaced: other } => (
                "staged",
                json!({"from": from.as_str(), "to": to.as_str(), "displaced": displaced(other)}),
            ),
            HistoryAct::Edited(edit) => (
                "edited",
                json!({
                    "description": edit.description, "notes": edit.notes, "tags_removed": edit.tags_removed,
                    "tags_set": edit.tags_set.iter().map(|(k, v)| (k.clone(), json!(v))).collect::<Map<_, _>>(),
                }),
            ),
            HistoryAct::Deleted => ("deleted", json!({})),
            HistoryAct::Named { alias, before } => ("alias set", json!({"alias": alias, "before": before})),
            HistoryAct::Unnamed(alias) => ("alias removed", json!({"alias": alias})),
        };
        value["what"] = json!(what);
        if let (Value::Object(all), Value::Object(more)) = (&mut value, more) {
            all.extend(more);
        }
        value
    });
    json!({"format": 1, "name": name, "changes": changes.collect::<Vec<_>>()})
}

/// Writes what a check of files came to.
pub fn check_json(report: &CheckReport) -> Value {
    let files = report.files.iter().map(|file| {
        let mut value = named_json(&file.held);
        value["model"] = json!(file.label);
        value["on_disk"] = json!(state_name(file.state));
        value["sound"] = json!(file.is_sound());
        value["kept"] = json!(file.kept == Kept::Whole);
        value
    });
    json!({
        "format": 1,
        "sound": report.is_sound(),
        "versions": report.versions,
        "without_files": report.without_files,
        "artifacts": files.collect::<Vec<_>>(),
        "code_lost": report.code_lost.iter().map(|lost| {
            let mut value = artifact_json(&lost.artifact);
            value["model"] = json!(lost.label);
            value["commit"] = json!(lost.commit);
            value
        }).collect::<Vec<_>>(),
    })
}
