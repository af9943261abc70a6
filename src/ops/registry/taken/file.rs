//! A file of a registry as it is read: what lineage itself projected elsewhere, or another program wrote in its likeness.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::model::{
    Artifact, ArtifactPath, CodeState, LinkText, MetricValue, ModelVersion, NamedArtifact, NodeId, Parameter,
    Stage, TakenEntry, Timestamp, check_model_name, check_version, from_printed,
};
use crate::ops::lies_ahead;
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
            check_file_name(&name)?;
            named_artifact(name, &value)
        });
        let artifacts: Vec<NamedArtifact> = artifacts.collect::<Result<_>>()?;
        let unknown = artifacts.iter().filter(|held| !held.artifact.has_content()).count();
        if unknown > 0 {
            remarks.push(format!("of {unknown} of its files it does not say which bytes they held"));
        }
        let metrics = metrics_of(&self.metrics.unwrap_or_default())?.into_iter().map(|(name, value)| {
            check_field_name("a metric", &name)?;
            Ok((name, MetricValue::new(value)?))
        });
        if let Some(clashes) = self.clashes.filter(|clashes| !clashes.is_empty()) {
            let count = clashes.len();
            remarks.push(format!("{count} others that were registered under this version are not in it"));
        }
        let (code, mut others) = (CodeWords::of(self.git_sha), Map::new());
        // What cannot be what its field is for is as good as a field of another program's.
        let mut object = |name: &str, value: Option<Value>| match value {
            Some(Value::Object(_)) => value.map(|value| value.to_string()),
            None | Some(Value::Null) => None,
            Some(value) => {
                others.insert(name.to_owned(), value);
                None
            }
        };
        let training_config = object("training_config", self.training_config);
        let dataset_info = object("dataset_info", self.dataset_info);
        others.extend(code.other.map(|text| ("git_sha".to_owned(), Value::from(text))));
        for name in others.keys() {
            remarks.push(format!("its `{name}` cannot be one, and is taken as a field of its own"));
        }
        others.extend(self.more);
        others.extend(self.fields.unwrap_or_default());
        let mut model = ModelVersion {
            run: run.id,
            created_at: created_at.unwrap_or(registered_at),
            by: self.registered_by.unwrap_or_default(),
            stage: self.status.map_or(Ok(Stage::Development), |stage| stage.parse())?,
            description: self.description.unwrap_or_default(),
            model_type: self.model_type,
            base_model: self.base_model,
            training_config,
            dataset_info,
            promoted_from: self.promoted_from,
            notes: self.notes,
            git_sha: code.commit,
            git_dirty: self.git_dirty.unwrap_or(code.is_dirty),
            branch: self.branch,
            metrics: metrics.collect::<Result<_>>()?,
            artifacts,
            tags: tags_of(self.tags.as_ref())?,
            fields: others
                .into_iter()
                .map(|(name, value)| (name, value.to_string()))
                .collect::<Vec<Parameter>>(),
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

/// What an entry says of the commit of the code.
#[derive(Default)]
struct CodeWords {
    commit: Option<String>,
    is_dirty: bool,
    /// What cannot be a commit.
    other: Option<String>,
}

impl CodeWords {
    /// Reads a commit, which other programs write with `-dirty` behind it where files differed.
    fn of(text: Option<String>) -> Self {
        let Some(text) = text else { return CodeWords::default() };
        match text.strip_suffix("-dirty") {
            Some(commit) if CodeState::is_commit(commit) => {
                CodeWords { commit: Some(commit.to_owned()), is_dirty: true, other: None }
            }
            _ if CodeState::is_commit(&text) => CodeWords { commit: Some(text), ..CodeWords::default() },
            _ => CodeWords { other: Some(text), ..CodeWords::default() },
        }
    }
}

fn id_of(text: &str) -> Result<NodeId> {
    NodeId::parse(text).ok_or_else(|| Error::request(format!("`{}` is no key", shown(text))))
}

/// Reads a time that does not lie ahead; one without a zone is of UTC, and that is said.
fn time_of(field: &str, text: &str, now: Timestamp, remarks: &mut Vec<String>) -> Result<Timestamp> {
    let zoned = Timestamp::from_rfc3339(text);
    let at = match zoned {
        Some(at) => at,
        None => Timestamp::parse(text)
            .map_err(|cause| Error::request(format!("`{field}` is no time")).because(cause))?,
    };
    if lies_ahead(at, now) {
        return Err(Error::request(format!("`{field}` lies ahead: {at}")));
    }
    if zoned.is_none() {
        remarks.push(format!("`{field}` names no zone: read as {at}"));
    }
    Ok(at)
}

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

/// Checks the name of a file of a version: that of an artifact and, in a folder, the way to the file in it.
fn check_file_name(name: &str) -> Result<()> {
    if (1..=FILE_NAME_MAX_BYTES).contains(&name.len()) {
        return Ok(());
    }
    Err(Error::request(format!("`{}` cannot be the name of a file of it", shown(name)))
        .hint(format!("it has 1 to {FILE_NAME_MAX_BYTES} bytes")))
}

/// So long is a path at most where each of its bytes is escaped, with the name of the artifact in front.
const FILE_NAME_MAX_BYTES: usize = 4 * 4_096 + 250;

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
            "training_run": "20240505_100000", "git_sha": "abc1234-dirty", "artifact_paths": {"model": "out/m.pt"},
            "metrics": {"accuracy": 93}, "tags": ["a"], "framework": {"name": "torch"}}"#;
        let entry = read(json.as_bytes(), NOW).unwrap_or_else(|error| panic!("{error}"));
        let (model, taken) = (&entry.model, entry.model.taken.as_ref().unwrap());
        assert_eq!(model.registered_at.rfc3339(), "2024-05-05T10:00:00.500000Z");
        assert_eq!(model.run, None);
        assert_eq!((model.git_sha.as_deref(), model.git_dirty), (Some("abc1234"), true));
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
    fn what_cannot_be_what_its_field_is_for_is_taken_as_a_field_of_another_program() {
        let json = r#"{"model_name": "risk", "version": "1.0.0", "created_at": "2024-05-05T10:00:00Z",
            "git_sha": "HEAD", "training_config": ["a"], "dataset_info": null}"#;
        let entry = read(json.as_bytes(), NOW).unwrap_or_else(|error| panic!("{error}"));
        let model = &entry.model;
        assert_eq!((&model.git_sha, &model.training_config, &model.dataset_info), (&None, &None, &None));
        let fields = [("training_config", r#"["a"]"#), ("git_sha", r#""HEAD""#)];
        assert_eq!(model.fields, fields.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(entry.remarks.len(), 2, "{:?}", entry.remarks);
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
