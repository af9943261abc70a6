//! The `metadata.json` of each registered model version, and the JSON Schema that all of them follow.

use serde_json::{Map, Value, json};

use crate::error::Result;
use crate::model::{
    Artifact, ArtifactPath, ModelVersion, NamedArtifact, NodeId, check_model_name, check_version,
};
use crate::projection::names;
use crate::projection::plan::{Planned, number};
use crate::query::registry::{ModelView, inputs, model_names, model_view};
use crate::query::{RunView, run_view};
use crate::store::{GO_ON, Order, Snapshot};

/// As many inputs are listed; the number of all stands beside them.
const INPUTS_MAX: usize = 1_000;

/// Plans the `metadata.json` of every version of every model.
///
/// # Errors
/// A store error where a record is damaged.
pub fn registry(snapshot: &Snapshot) -> Result<Vec<Planned>> {
    let mut planned = Vec::new();
    for name in model_names(snapshot)? {
        let mut ids = Vec::new();
        snapshot.model_versions(&name, Order::Rising, |model| {
            ids.push(model.id);
            Ok(GO_ON)
        })?;
        for id in ids {
            planned.extend(registry_file(snapshot, id)?);
        }
    }
    Ok(planned)
}

/// Plans the `metadata.json` of one version; none where another version has its name and number, and none where these make no
/// path.
///
/// # Errors
/// A store error where a record is damaged.
pub fn registry_file(snapshot: &Snapshot, id: NodeId) -> Result<Option<Planned>> {
    let Some(view) = model_view(snapshot, id)?.filter(|view| view.clash_with.is_none()) else {
        return Ok(None);
    };
    let Some(path) = path_of(&view.model.name, &view.model.version) else {
        return Ok(None);
    };
    let mut bytes = serde_json::to_vec_pretty(&metadata(snapshot, &view)?)
        .expect("a JSON value of strings and finite numbers can be written");
    bytes.push(b'\n');
    Ok(Some(Planned::bytes(path, bytes)))
}

/// Returns the version whose file lies at a path.
pub(super) fn version_of_file(snapshot: &Snapshot, path: &ArtifactPath) -> Result<Option<NodeId>> {
    let Some(text) = std::str::from_utf8(path.as_bytes()).ok() else {
        return Ok(None);
    };
    let parts: Vec<&str> = text.split('/').collect();
    let [.., name, version, _] = parts.as_slice() else {
        return Ok(None);
    };
    if path_of(name, version).as_ref() != Some(path) {
        return Ok(None);
    }
    Ok(snapshot.models_named(name, version)?.first().copied())
}

/// Returns where the file of a version lies. What other programs recorded may be no name for a folder.
fn path_of(name: &str, version: &str) -> Option<ArtifactPath> {
    check_model_name(name).and_then(|()| check_version(version)).ok()?;
    names::model_metadata_file(name, version).ok()
}

/// Writes all that is known of a version.
fn metadata(snapshot: &Snapshot, view: &ModelView) -> Result<Value> {
    let model = &view.model;
    let trained = snapshot.run_of_model(model)?.map_or(Ok(None), |number| run_view(snapshot, number))?;
    let run = trained.as_ref().map(|view| &view.run);
    let inputs = inputs_of(snapshot, model)?;
    let clashes = snapshot.models_named(&model.name, &model.version)?;
    let tags = view.tags.iter().map(|(name, value)| (name.clone(), json!(value)));
    let metrics = view.metrics.iter().map(|metric| (metric.name.clone(), number(metric.value)));
    let files = model.artifacts.iter().map(|held| (held.name.clone(), named_file(held)));
    let mut fields: Map<_, _> =
        model.fields.iter().map(|(name, text)| (name.clone(), document(Some(text)))).collect();
    // Taken over from another registry, an entry keeps what that knew of a run that is not recorded here.
    let is_said = trained.is_none() && fields.get(REPOSITORIES).is_some_and(are_repositories);
    let said = if is_said { fields.remove(REPOSITORIES) } else { None };
    let repositories = trained.as_ref().map(repositories).filter(|all| !all.is_empty()).map(Value::from);
    let mut document = json!({
        "format": 1,
        "model_name": model.name,
        "version": model.version,
        "id": model.id.to_string(),
        "status": view.stage.as_str(),
        "description": view.description,
        "model_type": model.model_type,
        "base_model": model.base_model,
        "git_sha": model.git_sha,
        "git_dirty": view.git_dirty,
        "branch": model.branch,
        "created_at": model.created_at.rfc3339(),
        "updated_at": view.updated_at.rfc3339(),
        "registered_at": model.registered_at.rfc3339(),
        "registered_by": model.by,
        "training_run": run.map_or_else(|| said_run(model), |run| json!({
            "id": run.id.to_string(), "run_id": run.run_id.as_str(), "name": run.name,
        })),
        "metrics": metrics.collect::<Map<_, _>>(),
        "training_config": document(model.training_config.as_ref()),
        "dataset_info": document(model.dataset_info.as_ref()),
        "inputs": inputs.iter().take(INPUTS_MAX).map(file).collect::<Vec<_>>(),
        "inputs_total": inputs_total(model, inputs.len()),
        "artifact_paths": files.collect::<Map<_, _>>(),
        "tags": tags.collect::<Map<_, _>>(),
        "aliases": view.aliases,
        "promoted_from": view.promoted_from,
        "notes": view.notes,
        "fields": fields,
        "clashes": clashes.iter().filter(|id| **id != model.id).map(|id| id.to_string()).collect::<Vec<_>>(),
        "deleted": view.deleted.as_ref().map(|deleted| json!({
            "at": deleted.at.rfc3339(), "by": deleted.by, "reason": deleted.reason,
        })),
    });
    // Entries that have none stay as they were.
    if let Some(repositories) = repositories.or(said) {
        document[REPOSITORIES] = repositories;
    }
    Ok(document)
}

/// The field for the repositories besides its own that the run read files of.
const REPOSITORIES: &str = "repositories";

/// What is said of each of them.
const REPOSITORY: [&str; 4] = ["root", "commit", "branch", "dirty"];

/// Returns true for what [`repositories`] may have written. Other programs may have a field of that name.
fn are_repositories(value: &Value) -> bool {
    let is_text = |value: &Value| value.is_string() || value.is_null();
    let is_one = |value: &Value| {
        let [texts @ .., dirty] = REPOSITORY.map(|name| value.get(name));
        value.as_object().is_some_and(|object| object.len() == REPOSITORY.len())
            && texts.into_iter().all(|text| text.is_some_and(is_text))
            && dirty.is_some_and(|dirty| dirty.is_boolean() || dirty.is_null())
    };
    value.as_array().is_some_and(|all| !all.is_empty() && all.iter().all(is_one))
}

/// Writes which code a run read of other repositories than its own.
fn repositories(view: &RunView) -> Vec<Value> {
    let others = view.other_repositories().map(|(repository, code)| {
        json!({
            "root": repository.root.as_ref().map(ToString::to_string),
            "commit": code.commit,
            "branch": code.branch,
            "dirty": view.is_dirty_in(repository),
        })
    });
    others.collect()
}

/// Writes the run that trained a version as the entry says from which it was taken.
fn said_run(model: &ModelVersion) -> Value {
    match &model.taken {
        Some(taken) if model.run.is_some() || taken.run_label.is_some() || taken.run_name.is_some() => {
            json!({
                "id": model.run.map(|id| id.to_string()), "run_id": taken.run_label, "name": taken.run_name,
            })
        }
        _ => Value::Null,
    }
}

fn inputs_total(model: &ModelVersion, listed: usize) -> u64 {
    model.taken.as_ref().map_or(0, |taken| taken.inputs_total).max(listed as u64)
}

/// Returns what a version was trained on: as its entry says, else as its run is recorded. How that is known is not written: who takes
/// the file over has no place to keep it, and would write another one.
fn inputs_of(snapshot: &Snapshot, model: &ModelVersion) -> Result<Vec<Artifact>> {
    Ok(inputs(snapshot, model)?.into_iter().map(|(input, _)| input).collect())
}

fn file(artifact: &Artifact) -> Value {
    json!({
        "path": artifact.path.to_string(),
        "digest": artifact.known_digest().map(|digest| digest.to_string()),
        "size_bytes": artifact.known_size(),
    })
}

/// Writes a file of a version. Only of a link it is said what it is: entries that have none stay as they were.
fn named_file(held: &NamedArtifact) -> Value {
    let mut value = file(&held.artifact);
    if let Some(text) = &held.link {
        value["link_to"] = json!(text.to_string());
    }
    value
}

/// Reads JSON text; what is none stays a text.
fn document(text: Option<&String>) -> Value {
    text.map_or(Value::Null, |text| serde_json::from_str(text).unwrap_or_else(|_| json!(text)))
}

/// Returns the JSON Schema (draft 2020-12) of `metadata.json`.
pub fn metadata_schema() -> Value {
    let text = json!({"type": "string"});
    let optional_text = json!({"type": ["string", "null"]});
    let optional_object = json!({"type": ["object", "null"]});
    let texts = json!({"type": "array", "items": {"type": "string"}});
    let time = json!({"type": "string", "format": "date-time", "pattern": "Z$"});
    let mut properties = json!({
        "format": {"const": 1},
        "model_name": {"type": "string", "minLength": 1, "pattern": "^[^./-][^/]*$"},
        "version": {"type": "string", "pattern": SEMANTIC_VERSION},
        "id": {"type": "string", "pattern": "^[0-9a-f-]{36}$"},
        "status": {"enum": ["development", "staging", "production", "archived"]},
        "description": text,
        "model_type": optional_text,
        "base_model": optional_text,
        "git_sha": {"type": ["string", "null"], "pattern": "^[0-9a-fA-F]{7,64}$"},
        "git_dirty": {"type": "boolean"},
        "branch": optional_text,
        "created_at": time,
        "updated_at": time,
        "registered_at": time,
        "registered_by": text,
        "training_run": {
            "type": ["object", "null"],
            "required": ["id", "run_id", "name"],
            "properties": {"id": optional_text, "run_id": optional_text, "name": optional_text},
            "additionalProperties": false,
        },
        "metrics": {"type": "object", "additionalProperties": {"type": "number"}},
        "training_config": optional_object,
        "dataset_info": optional_object,
        "inputs": {"type": "array", "items": {"$ref": "#/$defs/file"}, "maxItems": INPUTS_MAX},
        "inputs_total": {"type": "integer", "minimum": 0},
        "artifact_paths": {"type": "object", "additionalProperties": {"$ref": "#/$defs/named_file"}},
        "tags": {"type": "object", "additionalProperties": text},
        "aliases": texts,
        "promoted_from": optional_text,
        "notes": optional_text,
        "fields": {"type": "object"},
        "clashes": texts,
        "deleted": {
            "type": ["object", "null"],
            "required": ["at", "by", "reason"],
            "properties": {"at": time, "by": text, "reason": optional_text},
            "additionalProperties": false,
        },
    });
    let required: Vec<String> =
        properties.as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default();
    properties[REPOSITORIES] = json!({
        "type": "array",
        "minItems": 1,
        "description": "git repositories besides that of `git_sha` that the run read tracked files of; without `root`, the one around the workspace",
        "items": {
            "type": "object",
            "required": REPOSITORY,
            "properties": {
                "root": optional_text,
                "commit": optional_text,
                "branch": optional_text,
                "dirty": {"type": ["boolean", "null"], "description": "whether what it read there differed from the commit"},
            },
            "additionalProperties": false,
        },
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "models/registry/{model_name}/{version}/metadata.json",
        "description": "A version of a model, as lineage projects it. Digests are `blake3:` and 64 hexadecimal digits; times are UTC.",
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": false,
        "$defs": {"file": described_file(json!({})), "named_file": described_file(json!({
            "link_to": {
                "type": "string",
                "minLength": 1,
                "description": "of a symbolic link, its text: that is what digest and size are of",
            },
        }))},
    })
}

/// Describes a file, and what more may be said of it.
fn described_file(more: Value) -> Value {
    let mut properties = json!({
        "path": {"type": "string", "minLength": 1},
        "digest": {"type": ["string", "null"], "pattern": "^blake3:[0-9a-f]{64}$"},
        "size_bytes": {"type": ["integer", "null"], "minimum": 0},
    });
    if let (Value::Object(all), Value::Object(more)) = (&mut properties, more) {
        all.extend(more);
    }
    json!({
        "type": "object",
        "required": ["path", "digest", "size_bytes"],
        "properties": properties,
        "additionalProperties": false,
    })
}

/// Returns the JSON Schema (draft 2020-12) of what `lineage register --from-file` reads: the fields of `metadata.json` that
/// are not the registry's to decide, and other ways to give some of them.
pub fn entry_schema() -> Value {
    let optional_text = json!({"type": ["string", "null"]});
    let optional_object = json!({"type": ["object", "null"]});
    let file = json!({"anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "object", "required": ["path"], "properties": {
            "path": {"type": "string", "minLength": 1},
            "digest": {"type": ["string", "null"], "pattern": "^blake3:[0-9a-f]{64}$"},
        }},
    ]});
    let share = json!({"type": "number", "minimum": 0, "maximum": 1});
    let words = json!({"type": ["string", "number", "boolean", "null"]});
    let mut properties = json!({
        "format": {"const": 1},
        "model_name": {"type": "string", "minLength": 1, "pattern": "^[^./-][^/]*$"},
        "version": {"type": "string", "pattern": SEMANTIC_VERSION},
        "description": optional_text,
        "model_type": optional_text,
        "base_model": optional_text,
        "status": {"enum": ["development", "staging", "production", "archived", null]},
        "git_sha": {"type": ["string", "null"], "pattern": "^[0-9a-fA-F]{7,64}$"},
        "branch": optional_text,
        "created_at": {"type": ["string", "null"], "format": "date-time"},
        "metrics": {
            "type": ["object", "null"],
            "description": "numbers, or objects of numbers",
            "properties": {
                "accuracy": share, "f1_score": share, "precision": share, "recall": share,
                "loss": {"type": "number", "minimum": 0},
            },
        },
        "metrics_path": {"type": "string", "description": "a file of metrics in their place"},
        "training_config": optional_object,
        "training_config_path": {"type": "string", "description": "a file of JSON or YAML in its place"},
        "dataset_info": optional_object,
        "artifact_paths": {"type": ["object", "null"], "additionalProperties": file},
        "tags": {"anyOf": [
            {"type": "array", "items": words}, {"type": "object", "additionalProperties": words}, {"type": "null"},
        ]},
        "promoted_from": optional_text,
        "notes": optional_text,
        "training_run": {"anyOf": [
            {"type": "string"}, {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
            {"type": "null"},
        ]},
        "run": {"description": "another name of `training_run`"},
        "inputs": {"type": ["array", "null"], "items": file},
    });
    // The registry's own files are entries, too.
    for name in [
        "id",
        "updated_at",
        "registered_at",
        "registered_by",
        "git_dirty",
        REPOSITORIES,
        "inputs_total",
        "aliases",
        "fields",
        "clashes",
        "deleted",
    ] {
        properties[name] = json!({"description": "decided by the registry, and passed over"});
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "an entry of the registry, for `lineage register --from-file`",
        "description": "Name and version may be given on the command line instead.",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}

/// The pattern that the specification of semantic versions, 2.0.0, gives for them.
const SEMANTIC_VERSION: &str = r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?$";
