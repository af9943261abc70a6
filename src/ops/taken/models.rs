//! Registered models of MLflow as model versions, with their stages and aliases.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use crate::error::Result;
use crate::model::{
    Fact, ModelAct, ModelAlias, ModelChange, ModelEdit, ModelVersion, NamedArtifact, NodeId, Stage,
    Timestamp, check_alias, check_model_name, recorded_word,
};
use crate::ops::registry::secrets;
use crate::ops::taken::mlflow::{Logged, MlModel, folder_of, local_path, moment};
use crate::ops::taken::{Taking, derived_id, files_below, is_derived};
use crate::store::Order;

/// As much of a name is taken as leaves room for a number behind it.
const NAME_MAX_BYTES: usize = 100;

/// Who is said to have done what was done in MLflow.
const MLFLOW: &str = "mlflow";

/// The stage of what MLflow keeps of a version that was deleted: no more than its number.
const DELETED: &str = "Deleted_Internal";

/// Records versions that are not recorded yet, and what became of the others since they were last taken over.
pub(super) fn take(taking: &mut Taking<'_>, mut models: Vec<MlModel>, logged: &Logged) -> Result<()> {
    models.retain(|model| model.stage != DELETED);
    let names = names_of(&models);
    let mut taken: BTreeMap<String, Vec<(MlModel, NodeId)>> = BTreeMap::new();
    for mut model in models {
        let created_at = moment(model.created_ms);
        // The key is that of the name in MLflow, whatever it is called here.
        let id = derived_id("model", &format!("{}\0{}", model.name, model.version), created_at);
        let name_there = model.name.clone();
        match names.get(&model.name) {
            Some(name) => model.name.clone_from(name),
            None => {
                taking.report.leave_out(format!("`{}` is no name of a model", model.name.escape_debug()));
                continue;
            }
        }
        let last = moment(model.updated_ms).max(created_at);
        if taking.is_ahead(last) {
            let (name, version) = (name_there.escape_debug(), model.version.escape_debug());
            taking.report.leave_out(format!("{name} {version} lies ahead: {last}"));
            continue;
        }
        if model.name != name_there {
            taking.report.called.insert(name_there.clone(), model.name.clone());
        }
        let known = taking.view().snapshot.model(id)?;
        let is_new = known.is_none();
        let known = match known {
            Some(known) => known,
            None => {
                taking.report.models += 1;
                let mut version = version_of(taking, &model, logged, id, created_at);
                if model.name != name_there {
                    let name = serde_json::json!(name_there).to_string();
                    version.fields.push(("mlflow_name".to_owned(), name));
                }
                taking.put(&Fact::ModelRegistered(version.clone()))?;
                version
            }
        };
        changes(taking, &model, &known, is_new)?;
        taken.entry(model.name.clone()).or_default().push((model, id));
    }
    for (name, versions) in &taken {
        aliases(taking, name, versions)?;
        name_gone(taking, name, versions)?;
    }
    Ok(())
}

/// Finds a name for each model: its own where it can be one here, else that with `_` for what cannot stand in it; of two that
/// would be called alike, the second has a number behind it. `None` for a name in which nothing can stand.
fn names_of(models: &[MlModel]) -> BTreeMap<String, String> {
    let all: BTreeSet<&String> = models.iter().map(|model| &model.name).collect();
    let (own, others): (Vec<&String>, Vec<&String>) =
        all.into_iter().partition(|name| check_model_name(name).is_ok());
    let mut names: BTreeMap<String, String> =
        own.iter().map(|name| ((*name).clone(), (*name).clone())).collect();
    let mut taken: BTreeSet<String> = names.keys().cloned().collect();
    for name in others {
        let right = |c: char| if check_model_name(&format!("m{c}")).is_ok() { c } else { '_' };
        let plain: String = name.chars().map(right).collect();
        let mut plain = plain.trim_start_matches(['.', '-']).to_owned();
        plain.truncate(plain.floor_char_boundary(NAME_MAX_BYTES));
        let numbered = (2..).map(|number| format!("{plain}_{number}"));
        let found = std::iter::once(plain.clone()).chain(numbered).find(|name| !taken.contains(name));
        if let Some(found) = found.filter(|found| check_model_name(found).is_ok()) {
            taken.insert(found.clone());
            names.insert(name.clone(), found);
        }
    }
    names
}

fn version_of(
    taking: &mut Taking<'_>,
    model: &MlModel,
    logged: &Logged,
    id: NodeId,
    created_at: Timestamp,
) -> ModelVersion {
    let mut report = std::mem::take(&mut taking.report);
    let folder = match logged.named(&model.source) {
        Some(logged) => logged.folder(),
        None => local_path(&model.source).and_then(|folder| folder_of(model.run_uuid.as_deref()?, folder)),
    };
    if folder.is_none() && !model.source.is_empty() {
        let (name, version) = (model.name.escape_debug(), &model.version);
        report.leave_out(format!("the files of {name} {version} lie at {}", model.source.escape_debug()));
    }
    let files = folder.as_ref().map(|folder| files_below(taking.workspace(), folder, &mut report));
    taking.report = report;
    let named = files.into_iter().flatten().map(|(path, artifact)| {
        let inside = folder.as_ref().and_then(|folder| path.strip_prefix(folder).ok());
        let name = recorded_word(inside.unwrap_or(&path));
        NamedArtifact::file(name, artifact)
    });
    let mut fields = vec![("mlflow_version".to_owned(), serde_json::json!(model.version).to_string())];
    if !model.source.is_empty() {
        fields.push(("mlflow_source".to_owned(), serde_json::json!(model.source).to_string()));
    }
    let mut version = ModelVersion {
        run: model.run_uuid.as_deref().and_then(|uuid| taking.id_of(uuid)),
        by: MLFLOW.to_owned(),
        description: model.description.clone(),
        metrics: logged.metrics(model),
        artifacts: named.collect(),
        tags: model.tags.clone(),
        fields,
        ..ModelVersion::new(id, &model.name, semantic(&model.version), created_at)
    };
    secrets::mask(&mut version);
    version
}

/// MLflow counts versions: its third is 3.0.0.
fn semantic(version: &str) -> String {
    if version.bytes().all(|byte| byte.is_ascii_digit()) && !version.is_empty() {
        let number = version.trim_start_matches('0');
        format!("{}.0.0", if number.is_empty() { "0" } else { number })
    } else {
        version.to_owned()
    }
}

/// Records what became of a version in MLflow since it was last taken over. What was changed here, and not there, stays as it is.
fn changes(taking: &mut Taking<'_>, model: &MlModel, known: &ModelVersion, is_new: bool) -> Result<()> {
    let said = Said::of(taking, known)?;
    if said.is_withdrawn {
        return Ok(());
    }
    let edit = said.edit(model, known);
    if edit != ModelEdit::default() {
        // When it was described anew, MLflow does not say.
        let at = taking.moment_of_change();
        let id = derived_id("edit", &known.id.to_string(), at);
        taking.put_change(&change(known, id, at, ModelAct::Edited(edit)))?;
    }
    let stage = match model.stage.as_str() {
        "Staging" => Stage::Staging,
        "Production" => Stage::Production,
        "Archived" => Stage::Archived,
        _ => Stage::Development,
    };
    if stage == said.stage {
        return Ok(());
    }
    let at = moment(model.updated_ms.max(model.created_ms));
    let id = derived_id("stage", &format!("{}\0{}", known.id, model.stage), at);
    let fact = change(known, id, at, ModelAct::Staged { stage, displaced: None });
    if is_new { taking.put(&fact) } else { taking.put_change(&fact) }
}

fn change(model: &ModelVersion, id: NodeId, at: Timestamp, act: ModelAct) -> Fact {
    let (model, name) = (model.id, model.name.clone());
    Fact::ModelChanged(ModelChange { id, model, name, at, by: MLFLOW.to_owned(), reason: None, act })
}

/// How a version stood in MLflow when it was last taken over.
struct Said {
    description: String,
    tags: BTreeMap<String, String>,
    stage: Stage,
    is_withdrawn: bool,
}

impl Said {
    fn of(taking: &Taking<'_>, known: &ModelVersion) -> Result<Said> {
        let mut said = Said {
            description: known.description.clone(),
            tags: known.tags.iter().cloned().collect(),
            stage: known.stage,
            is_withdrawn: false,
        };
        for change in taking.view().snapshot.model_changes(known.id)? {
            match change.act {
                ModelAct::Deleted => said.is_withdrawn = true,
                _ if !is_taken(change.id, &change.by) => {}
                ModelAct::Staged { stage, .. } => said.stage = stage,
                ModelAct::Edited(edit) => {
                    said.description = edit.description.unwrap_or(said.description);
                    said.tags.retain(|name, _| !edit.tags_removed.contains(name));
                    said.tags.extend(edit.tags_set);
                }
            }
        }
        Ok(said)
    }

    fn edit(&self, model: &MlModel, known: &ModelVersion) -> ModelEdit {
        let mut now = ModelVersion {
            description: model.description.clone(),
            tags: model.tags.clone(),
            ..ModelVersion::new(known.id, &known.name, known.version.clone(), known.created_at)
        };
        secrets::mask(&mut now);
        let gone = self.tags.keys().filter(|name| !now.tags.iter().any(|(tag, _)| tag == *name));
        ModelEdit {
            tags_removed: gone.cloned().collect(),
            description: (now.description != self.description).then_some(now.description),
            notes: None,
            tags_set: now
                .tags
                .into_iter()
                .filter(|(name, value)| self.tags.get(name) != Some(value))
                .collect(),
        }
    }
}

/// Returns true for a statement that an import of MLflow made, whatever a user is called.
fn is_taken(id: NodeId, by: &str) -> bool {
    by == MLFLOW && is_derived(id)
}

/// Records the aliases of the models that are called `name` here, as far as MLflow said other of them before.
fn aliases(taking: &mut Taking<'_>, name: &str, versions: &[(MlModel, NodeId)]) -> Result<()> {
    let mut before: BTreeMap<String, Option<NodeId>> = BTreeMap::new();
    let mut are_said = BTreeSet::new();
    for said in taking.view().snapshot.aliases_of(name)? {
        if is_taken(said.id, &said.by) {
            before.insert(said.alias.clone(), said.model);
        }
        are_said.insert(said.alias);
    }
    let mut gone = before.clone();
    for (model, id) in versions {
        for alias in &model.aliases {
            if let Err(error) = check_alias(alias) {
                taking.report.leave_out(error.in_full());
                continue;
            }
            gone.remove(alias);
            if before.get(alias) == Some(&Some(*id)) {
                continue;
            }
            // When an alias went over to another version, MLflow does not say.
            let (is_first, updated) =
                (!are_said.contains(alias), moment(model.updated_ms.max(model.created_ms)));
            let at = if is_first { updated } else { taking.moment_of_change() };
            let fact = named(name, alias, Some(*id), at, *id);
            if is_first { taking.put(&fact)? } else { taking.put_change(&fact)? }
        }
    }
    for (alias, id) in gone {
        // A version that is not there any more is told of by itself.
        if let Some(id) = id.filter(|id| versions.iter().any(|(_, version)| version == id)) {
            let at = taking.moment_of_change();
            taking.put_change(&named(name, &alias, None, at, id))?;
        }
    }
    Ok(())
}

/// Names the versions that were taken over before and are not there any more.
fn name_gone(taking: &mut Taking<'_>, name: &str, versions: &[(MlModel, NodeId)]) -> Result<()> {
    let mut gone = Vec::new();
    let snapshot = &taking.view().snapshot;
    let _ = snapshot.model_versions::<()>(name, Order::Rising, |known| {
        let is_there = versions.iter().any(|(_, version)| *version == known.id);
        if !is_there && is_taken(known.id, &known.by) && !Said::of(taking, &known)?.is_withdrawn {
            gone.push(format!("{}@{}", known.name, known.version));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    for label in gone {
        taking.report.leave_out(format!(
            "{label} is not there any more, and stays here; `lineage models delete {label}` withdraws it"
        ));
    }
    Ok(())
}

fn named(name: &str, alias: &str, model: Option<NodeId>, at: Timestamp, of: NodeId) -> Fact {
    Fact::ModelNamed(ModelAlias {
        id: derived_id("alias", &format!("{of}\0{alias}"), at),
        name: name.to_owned(),
        alias: alias.to_owned(),
        model,
        at,
        by: MLFLOW.to_owned(),
    })
}
