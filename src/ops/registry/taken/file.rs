//! A file of a registry as it is read: what lineage itself projected elsewhere, or another program wrote in its likeness.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::model::{
    Artifact, ArtifactPath, LinkText, MetricValue, ModelVersion, NamedArtifact, NodeId, Parameter, Stage,
    TakenEntry, Timestamp, check_model_name, check_version, from_printed,
};
use crate::ops::registry::entry::{check_field_name, shown};
use crate::ops::registry::entry_file::{metrics_of, tags_of};
use crate::ops::registry::secrets;
use crate::ops::taken::derived_id;

/// What a file says of a version.
pub(super) struct FileEntry {
    /// The version as it stood when the file was written.
    pub model: ModelVersion,
    /// Whether the file names the version's key, as those of lineage do.
    pub has_id: bool,
    pub aliases: Vec<String>,
    pub deleted: Option<Deleted>,
    /// What is unsure in it, one line each.
    pub remarks: Vec<String>,
}

/// That the version was withdrawn.
pub(super) struct Deleted {
    pub at: Timestamp,
    pub by: String,
    pub reason: Option<String>,
}

#[derive(Deserialize)]
struct RegistryFile {
    format: Option<u64>,
    model_name: Option<String>,
    version: Option<String>,
    id: Option<String>,
    status: Option<String>,
    description: Option<String>,
    model_type: Option<String>,
    base_model: Option<String>,
    git_sha: Option<String>,
    git_dirty: Option<bool>,
    branch: Option<String>,
    created_at: Option<String>,
    updated_at: Option<String>,
    registered_at: Option<String>,
    registered_by: Option<String>,
    #[serde(alias = "run")]
    training_run: Option<Value>,
    metrics: Option<Map<String, Value>>,
    training_config: Option<Value>,
    dataset_info: Option<Value>,
    inputs: Option<Vec<Value>>,
    inputs_total: Option<u64>,
    artifact_paths: Option<Map<String, Value>>,
    tags: Option<Value>,
    aliases: Option<Vec<String>>,
    promoted_from: Option<String>,
    notes: Option<String>,
    fields: Option<Map<String, Value>>,
    clashes: Option<Vec<String>>,
    deleted: Option<DeletedFile>,
    /// What only other programs write.
    #[serde(flatten)]
    more: Map<String, Value>,
}

#[derive(Deserialize)]
struct DeletedFile {
    at: String,
    by: Option<String>,
    reason: Option<String>,
}

/// Reads a file of a registry. Where it does not say when the version was made, it was at `now`.
///
/// # Errors
/// A request error where it is none, or says what cannot be.
pub(super) fn read(text: &[u8], now: Timestamp) -> Result<FileEntry> {
    let file: RegistryFile =
        serde_json::from_slice(text).map_err(|cause| Error::request("it is no entry").because(cause))?;
    if file.format.is_some_and(|format| format != 1) {
        return Err(Error::request("it is of a format this `lineage` does not know"));
    }
    file.into_entry(now)
}

impl RegistryFile {
    fn into_entry(self, now: Timestamp) -> Result<FileEntry> {
        let mut remarks = Vec::new();
        let name = self.model_name.ok_or_else(|| Error::request("it names no model"))?;
        let version = self.version.ok_or_else(|| Error::request("it has no version"))?;
        check_model_name(&name)?;
        check_version(&version)?;
        let mut time = |field: &str, text: Option<&String>| {
            text.map(|text| time_of(field, text, now, &mut remarks)).transpose()
        };
        let created_at = time("created_at", self.created_at.as_ref())?;
        let registered_at = time("registered_at", self.registered_at.as_ref())?;
        let updated_at = time("updated_at", self.updated_at.as_ref())?;
        let deleted = match &self.deleted {
            Some(deleted) => Some(Deleted {
                at: time("deleted", Some(&deleted.at))?.unwrap_or(now),
                by: deleted.by.clone().unwrap_or_default(),
                reason: deleted.reason.clone(),
            }),
            None => None,
        };
        let registered_at = registered_at.or(created_at).or(updated_at).unwrap_or(now);
        let id = match &self.id {
            Some(id) => id_of(id)?,
            None => derived_id("registry", &format!("{name}\0{version}"), registered_at),
        };
        let run = RunWords::of(self.training_run.as_ref())?;
        let inputs = self.inputs.unwrap_or_default();
        let inputs: Vec<Artifact> = inputs.iter().map(artifact_of).collect::<Result<_>>()?;
        let artifacts = self.artifact_paths.unwrap_or_default().into_iter().map(|(name, value)| {
            check_field_name("artifact", &name)?;
            named_artifact(name, &value)
        });
        let artifacts: Vec<NamedArtifact> = artifacts.collect::<Result<_>>()?;
        let unknown = artifacts.iter().filter(|held| !held.artifact.has_content()).count();
        if unknown > 0 {
            remarks.push(format!("of {unknown} of its files it does not say which bytes they held"));
        }
        let metrics = metrics_of(&self.metrics.unwrap_or_default())?.into_iter().map(|(name, value)| {
            check_field_name("metric", &name)?;
            Ok((name, MetricValue::new(value)?))
        });
        if let Some(clashes) = self.clashes.filter(|clashes| !clashes.is_empty()) {
            let count = clashes.len();
            remarks.push(format!("{count} others that were registered under this version are not in it"));
        }
        let further = self.fields.unwrap_or_default().into_iter().chain(self.more);
        let mut model = ModelVersion {
            run: run.id,
            created_at: created_at.unwrap_or(registered_at),
            by: self.registered_by.unwrap_or_default(),
            stage: self.status.map_or(Ok(Stage::Development), |stage| stage.parse())?,
            description: self.description.unwrap_or_default(),
            model_type: self.model_type,
            base_model: self.base_model,
            training_config: document(self.training_config),
            dataset_info: document(self.dataset_info),
            promoted_from: self.promoted_from,
            notes: self.notes,
            git_sha: self.git_sha,
            git_dirty: self.git_dirty.unwrap_or(false),
            branch: self.branch,
            metrics: metrics.collect::<Result<_>>()?,
            artifacts,
            tags: tags_of(self.tags.as_ref())?,
            fields: further.map(|(name, value)| (name, value.to_string())).collect::<Vec<Parameter>>(),
            taken: Some(TakenEntry {
                as_of: updated_at.unwrap_or(registered_at),
                run_label: run.label,
                run_name: run.name,
                inputs_total: self.inputs_total.unwrap_or(0).max(inputs.len() as u64),
            }),
            inputs,
            ..ModelVersion::new(id, name, version, registered_at)
        };
        if secrets::mask(&mut model) {
            remarks.push("what looks like a credential is masked".to_owned());
        }
        Ok(FileEntry {
            model,
            has_id: self.id.is_some(),
            aliases: self.aliases.unwrap_or_default(),
            deleted,
            remarks,
        })
    }
}

/// What an entry says of the run that trained a version.
#[derive(Default)]
struct RunWords {
    id: Option<NodeId>,
    label: Option<String>,
    name: Option<String>,
}

impl RunWords {
    fn of(value: Option<&Value>) -> Result<Self> {
        let text = |object: &Value, key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
        Ok(match value {
            None | Some(Value::Null) => RunWords::default(),
            Some(Value::String(word)) => match NodeId::parse(word) {
                Some(id) => RunWords { id: Some(id), ..RunWords::default() },
                None => RunWords { label: Some(word.clone()), ..RunWords::default() },
            },
            Some(object @ Value::Object(_)) => RunWords {
                id: text(object, "id").map(|id| id_of(&id)).transpose()?,
                label: text(object, "run_id"),
                name: text(object, "name"),
            },
            Some(_) => {
                return Err(Error::request("`training_run` is neither a run's id nor an object with `id`"));
            }
        })
    }
}

fn id_of(text: &str) -> Result<NodeId> {
    NodeId::parse(text).ok_or_else(|| Error::request(format!("`{}` is no key", shown(text))))
}

/// Reads a time; one without a zone is of UTC, and that is said. None lies ahead: what is recorded later would seem to be earlier.
fn time_of(field: &str, text: &str, now: Timestamp, remarks: &mut Vec<String>) -> Result<Timestamp> {
    let zoned = Timestamp::from_rfc3339(text);
    let at = match zoned {
        Some(at) => at,
        None => Timestamp::parse(text)
            .map_err(|cause| Error::request(format!("`{field}` is no time")).because(cause))?,
    };
    if at > now.plus_micros(AHEAD_MAX_US) {
        return Err(Error::request(format!("`{field}` lies ahead: {at}")));
    }
    if zoned.is_none() {
        remarks.push(format!("`{field}` names no zone: read as {at}"));
    }
    Ok(at)
}

/// So far may the clock of another machine be ahead.
const AHEAD_MAX_US: i64 = 60 * 60 * 1_000_000;

/// Reads a file that an entry names: its path, and digest and size where they are given.
fn artifact_of(value: &Value) -> Result<Artifact> {
    let text = value.as_str().or_else(|| value.get("path").and_then(Value::as_str));
    let text =
        text.ok_or_else(|| Error::request("a file in it is neither a path nor an object with `path`"))?;
    let path = ArtifactPath::from_bytes(from_printed(text).unwrap_or_else(|| text.as_bytes().to_vec()))?;
    let digest = value.get("digest").and_then(Value::as_str).map(str::parse).transpose()?;
    let size_bytes = value.get("size_bytes").and_then(Value::as_u64);
    Ok(match digest.zip(size_bytes) {
        Some((digest, size_bytes)) => Artifact { path, digest, size_bytes },
        None => {
            let version = path.as_bytes().to_vec();
            Artifact::without_content(path, &version)
        }
    })
}

/// Reads a file of a version, which may be a link.
fn named_artifact(name: String, value: &Value) -> Result<NamedArtifact> {
    let artifact = artifact_of(value)?;
    match value.get("link_to").and_then(Value::as_str) {
        None => Ok(NamedArtifact::file(name, artifact)),
        Some(text) => {
            let text = from_printed(text).unwrap_or_else(|| text.as_bytes().to_vec());
            NamedArtifact::link(name, artifact, LinkText::new(text)?)
        }
    }
}

fn document(value: Option<Value>) -> Option<String> {
    value.filter(|value| !value.is_null()).map(|value| value.to_string())
}

/// Names an entry in messages that may have come from anywhere.
pub(super) fn label(model: &ModelVersion) -> String {
    format!("{}@{}", shown(&model.name), shown(&model.version))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_765_561_338_000_000);

    fn refused(json: &str) -> String {
        read(json.as_bytes(), NOW).err().expect(json).in_full()
    }

    #[test]
    fn an_entry_of_another_program_is_taken_as_far_as_it_goes() {
        let json = r#"{"model_name": "risk", "version": "1.0.0", "created_at": "2024-05-05T10:00:00.5",
            "training_run": "20240505_100000", "git_sha": "abc1234", "artifact_paths": {"model": "out/m.pt"},
            "metrics": {"accuracy": 93}, "tags": ["a"], "framework": {"name": "torch"}}"#;
        let entry = read(json.as_bytes(), NOW).unwrap_or_else(|error| panic!("{error}"));
        let (model, taken) = (&entry.model, entry.model.taken.as_ref().unwrap());
        assert_eq!(model.registered_at.rfc3339(), "2024-05-05T10:00:00.500000Z");
        assert_eq!(model.run, None);
        assert_eq!(taken.run_label.as_deref(), Some("20240505_100000"));
        assert!(!model.artifacts[0].artifact.has_content());
        assert_eq!(model.fields, [("framework".to_owned(), r#"{"name":"torch"}"#.to_owned())]);
        assert_eq!(entry.remarks.len(), 2, "no zone, no digest: {:?}", entry.remarks);
        assert_eq!(
            model.id,
            read(json.as_bytes(), NOW.plus_micros(1)).unwrap_or_else(|e| panic!("{e}")).model.id
        );
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let of = |more: &str| refused(&format!(r#"{{"model_name": "risk", "version": "1.0.0"{more}}}"#));
        assert!(refused("{}").contains("it names no model"));
        assert!(refused("[").contains("it is no entry"));
        assert!(refused(r#"{"model_name": "../x", "version": "1.0.0"}"#).contains("cannot be the name"));
        assert!(of(r#", "format": 2"#).contains("of a format"));
        assert!(of(r#", "id": "7""#).contains("no key"));
        assert!(of(r#", "updated_at": "2025-12-12T20:00:00Z""#).contains("lies ahead"));
        assert!(of(r#", "created_at": "once""#).contains("no time"));
        assert!(of(r#", "artifact_paths": {"model": "../../etc/passwd"}"#).contains("cannot be the path"));
        assert!(of(r#", "metrics": {"f1": "good"}"#).contains("no number"));
        assert!(of(r#", "training_run": 7"#).contains("training_run"));
        assert!(of(r#", "version": "2.0.0""#).contains("duplicate field"));
    }
}
