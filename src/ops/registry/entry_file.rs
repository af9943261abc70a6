//! Entries written as JSON: the fields of the registry's `metadata.json`, read from a file.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use serde_saphyr::options::NonFiniteFloatPolicy;

use crate::error::{Error, Result};
use crate::model::{Timestamp, repeated_word};
use crate::ops::named::place_on_disk;
use crate::ops::registry::entry::{ENTRY_MAX_BYTES, Entry, EntryArtifact, shown, too_large};
use crate::ops::run::{Form, yaml};

/// An entry as JSON. Fields that only the registry decides are accepted, so that its own `metadata.json` can be read, and
/// passed over; fields that are none are refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryFile {
    format: Option<u64>,
    model_name: Option<String>,
    version: Option<String>,
    description: Option<String>,
    model_type: Option<String>,
    base_model: Option<String>,
    status: Option<String>,
    git_sha: Option<String>,
    branch: Option<String>,
    created_at: Option<String>,
    metrics: Option<Map<String, Value>>,
    metrics_path: Option<PathBuf>,
    training_config: Option<Map<String, Value>>,
    training_config_path: Option<PathBuf>,
    dataset_info: Option<Map<String, Value>>,
    artifact_paths: Option<Map<String, Value>>,
    tags: Option<Value>,
    promoted_from: Option<String>,
    notes: Option<String>,
    #[serde(alias = "run")]
    training_run: Option<Value>,
    inputs: Option<Vec<Value>>,
    // Decided by the registry.
    id: Option<IgnoredAny>,
    updated_at: Option<IgnoredAny>,
    registered_at: Option<IgnoredAny>,
    registered_by: Option<IgnoredAny>,
    git_dirty: Option<IgnoredAny>,
    repositories: Option<IgnoredAny>,
    inputs_total: Option<IgnoredAny>,
    aliases: Option<IgnoredAny>,
    fields: Option<IgnoredAny>,
    clashes: Option<IgnoredAny>,
    deleted: Option<IgnoredAny>,
}

/// Reads an entry from a file of JSON; files that it names are seen from `folder`. Returns beside it the fields that were
/// passed over.
///
/// # Errors
/// A request error where the file cannot be read, is too large, has an unknown field, or a field of another sort.
pub fn read_entry(folder: &Path, path: &Path) -> Result<(Entry, Vec<&'static str>)> {
    let text = read_text(folder, path, "the entry")?;
    let file: EntryFile = serde_json::from_str(&text).map_err(|cause| {
        Error::request(format!("`{}` is no entry of the registry", repeated_word(path)))
            .because(cause)
            .hint("`lineage schema entry` prints what an entry may hold")
    })?;
    file.into_entry(folder)
}

/// Reads metrics from a file of JSON or YAML: an object of numbers, or one with such an object under `metrics`; a number in an
/// object in it is named by both, `val.loss`.
///
/// # Errors
/// As [`read_entry`].
pub fn read_metrics(folder: &Path, path: &Path) -> Result<Vec<(String, f64)>> {
    let document = read_object(folder, path, "the metrics")?;
    match document.get("metrics") {
        Some(Value::Object(metrics)) => metrics_of(metrics),
        _ => metrics_of(&document),
    }
}

/// Reads an object from a file of JSON, or of YAML where its name ends so.
///
/// # Errors
/// As [`read_entry`].
pub fn read_object(folder: &Path, path: &Path, what: &str) -> Result<Map<String, Value>> {
    let text = read_text(folder, path, what)?;
    let failed = || Error::request(format!("cannot take {what} from `{}`", repeated_word(path)));
    match Form::of(path) {
        Form::Json => parse_object(&text).map_err(|cause| {
            failed().because(cause).hint("it must be a JSON object; JSON has no NaN and no Infinity")
        }),
        Form::Yaml => yaml(text.as_bytes(), NonFiniteFloatPolicy::Reject).map_err(|cause| {
            failed().because(cause).hint("it must be a map from names to values, whose numbers are finite")
        }),
    }
}

/// Reads an object out of JSON text.
///
/// # Errors
/// Where it is none.
pub fn parse_object(text: &str) -> Result<Map<String, Value>, serde_json::Error> {
    serde_json::from_str(text)
}

fn read_text(folder: &Path, path: &Path, what: &str) -> Result<String> {
    let failed = |cause: std::io::Error| {
        Error::request(format!("cannot read {what} from `{}`", repeated_word(path))).because(cause)
    };
    let place = place_on_disk(folder, path)?;
    if std::fs::metadata(&place).map_err(failed)?.is_dir() {
        return Err(Error::request(format!("`{}` is a folder", repeated_word(path))));
    }
    let mut text = String::new();
    let file = std::fs::File::open(&place).map_err(failed)?;
    file.take(ENTRY_MAX_BYTES as u64 + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() > ENTRY_MAX_BYTES {
        return Err(too_large(&format!("{what} in `{}` is too large", repeated_word(path))));
    }
    Ok(text)
}

impl EntryFile {
    fn into_entry(self, folder: &Path) -> Result<(Entry, Vec<&'static str>)> {
        if self.format.is_some_and(|format| format != 1) {
            return Err(Error::request("the entry is of a format this `lineage` does not know")
                .hint("use the newer `lineage` that wrote it"));
        }
        let passed_over = [
            ("id", self.id.is_some()),
            ("updated_at", self.updated_at.is_some()),
            ("registered_at", self.registered_at.is_some()),
            ("registered_by", self.registered_by.is_some()),
            ("git_dirty", self.git_dirty.is_some()),
            ("repositories", self.repositories.is_some()),
            ("inputs_total", self.inputs_total.is_some()),
            ("aliases", self.aliases.is_some()),
            ("fields", self.fields.is_some()),
            ("clashes", self.clashes.is_some()),
            ("deleted", self.deleted.is_some()),
        ];
        let passed_over = passed_over.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect();
        let metrics = match (self.metrics, self.metrics_path) {
            (Some(_), Some(_)) => return Err(both("metrics", "metrics_path")),
            (Some(metrics), None) => metrics_of(&metrics)?,
            (None, Some(path)) => read_metrics(folder, &path)?,
            (None, None) => Vec::new(),
        };
        let training_config = match (self.training_config, self.training_config_path) {
            (Some(_), Some(_)) => return Err(both("training_config", "training_config_path")),
            (given @ Some(_), None) => given,
            (None, Some(path)) => Some(read_object(folder, &path, "the training configuration")?),
            (None, None) => None,
        };
        let artifacts = self.artifact_paths.unwrap_or_default().into_iter();
        let inputs = self.inputs.unwrap_or_default().into_iter();
        let entry = Entry {
            name: self.model_name.unwrap_or_default(),
            version: self.version.unwrap_or_default(),
            run: self.training_run.map_or(Ok(None), run_of)?,
            artifacts: artifacts.map(|(name, value)| artifact_of(name, &value)).collect::<Result<_>>()?,
            metrics,
            description: self.description,
            model_type: self.model_type,
            base_model: self.base_model,
            training_config,
            dataset_info: self.dataset_info,
            inputs: inputs.map(|value| path_in(&value, "inputs")).collect::<Result<_>>()?,
            tags: tags_of(self.tags.as_ref())?,
            notes: self.notes,
            stage: self.status.map(|stage| stage.parse()).transpose()?,
            promoted_from: self.promoted_from,
            git_sha: self.git_sha,
            branch: self.branch,
            created_at: self.created_at.map(|text| time_of(&text)).transpose()?,
            no_keep: false,
            force: false,
        };
        Ok((entry, passed_over))
    }
}

fn both(one: &str, other: &str) -> Error {
    Error::request(format!("the entry has both `{one}` and `{other}`")).hint("give one of them")
}

pub(super) fn metrics_of(metrics: &Map<String, Value>) -> Result<Vec<(String, f64)>> {
    let mut found = Vec::with_capacity(metrics.len());
    let in_order = |metrics: &Map<String, Value>, front: &str| {
        let named = metrics.iter().rev().map(|(name, value)| (format!("{front}{name}"), value.clone()));
        named.collect::<Vec<_>>()
    };
    // Groups of metrics are named as those are that a run measures: `val.loss`.
    let mut frontier = in_order(metrics, "");
    while let Some((name, value)) = frontier.pop() {
        match value {
            Value::Object(group) => frontier.extend(in_order(&group, &format!("{name}."))),
            value => {
                let number = value.as_f64().ok_or_else(|| {
                    Error::request(format!("metric `{}` is no number", shown(&name)))
                        .hint("metrics are finite numbers by name")
                })?;
                found.push((name, number));
            }
        }
    }
    Ok(found)
}

fn run_of(value: Value) -> Result<Option<crate::query::RunSelector>> {
    match &value {
        Value::Null => Ok(None),
        Value::String(word) => word.parse().map(Some),
        Value::Object(run) => match run.get("id").and_then(Value::as_str) {
            Some(id) => id.parse().map(Some),
            None => Err(wrong("training_run", "a run's id, or an object with `id`")),
        },
        _ => Err(wrong("training_run", "a run's id, or an object with `id`")),
    }
}

fn artifact_of(name: String, value: &Value) -> Result<EntryArtifact> {
    let digest = value.get("digest").and_then(Value::as_str).map(str::parse).transpose()?;
    let path = PathBuf::from(path_in(value, "artifact_paths")?);
    Ok(EntryArtifact { name, path, digest })
}

fn path_in(value: &Value, field: &str) -> Result<String> {
    let path = value.as_str().or_else(|| value.get("path").and_then(Value::as_str));
    path.map(str::to_owned).ok_or_else(|| wrong(field, "paths, or objects with `path`"))
}

pub(super) fn tags_of(tags: Option<&Value>) -> Result<Vec<(String, String)>> {
    let text = |value: &Value| match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        _ => Err(wrong("tags", "words, or texts by name")),
    };
    match tags {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(words)) => words.iter().map(|word| Ok((text(word)?, String::new()))).collect(),
        Some(Value::Object(pairs)) => {
            pairs.iter().map(|(name, value)| Ok((name.clone(), text(value)?))).collect()
        }
        Some(_) => Err(wrong("tags", "words, or texts by name")),
    }
}

fn time_of(text: &str) -> Result<Timestamp> {
    Timestamp::from_rfc3339(text).ok_or_else(|| {
        Error::request(format!("`created_at` is `{}`, which is no time with its zone", shown(text)))
            .hint("write it like 2025-12-12T17:42:18Z")
    })
}

fn wrong(field: &str, expected: &str) -> Error {
    Error::request(format!("`{field}` of the entry is of the wrong sort"))
        .hint(format!("it holds {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: Result<(), &str>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("entry.json"), json).unwrap();
        std::fs::write(folder.path().join("m.json"), r#"{"metrics": {"loss": 0.5}}"#).unwrap();
        std::fs::write(folder.path().join("c.json"), r#"{"lr": 0.1}"#).unwrap();
        let found = read_entry(folder.path(), Path::new("entry.json"));
        match expected {
            Ok(()) => drop(found.unwrap_or_else(|error| panic!("{json}: {error}"))),
            Err(words) => {
                let error = found.map(|_| ()).expect_err(json);
                assert_eq!(error.kind().exit_code(), 2);
                assert!(error.in_full().contains(words), "{json}: {error}");
            }
        }
    }

    #[test]
    fn an_entry_has_the_fields_of_the_registry_and_no_others() {
        let entry = r#"{"model_name": "risk", "version": "1.0.0", "git_sha": "ea45dd2", "branch": "main",
            "created_at": "2025-12-12T18:42:18+01:00", "updated_at": "x", "description": "d", "model_type": "t",
            "base_model": "b", "metrics_path": "m.json", "training_config_path": "c.json", "dataset_info": {"rows": 7},
            "artifact_paths": {"model": "m.json", "config": {"path": "c.json"}}, "tags": ["a", "b"],
            "status": "staging", "promoted_from": "0.9.0", "notes": "n", "training_run": null, "inputs": ["m.json"]}"#;
        check(entry, Ok(()));
        check(r#"{"model_name": "risk", "verzion": "1.0.0"}"#, Err("unknown field `verzion`"));
        check(r#"{"version": "1.0.0", "version": "2.0.0"}"#, Err("duplicate field"));
        check(r#"{"metrics": {"f1": NaN}}"#, Err("expected value"));
        check(r#"{"metrics": {"f1": 1e999}}"#, Err("number out of range"));
        check(r#"{"metrics": {"f1": "0.9"}}"#, Err("metric `f1` is no number"));
        check(r#"{"metrics": {}, "metrics_path": "m.json"}"#, Err("both `metrics` and `metrics_path`"));
        check(r#"{"created_at": "2025-12-12 17:42:18"}"#, Err("no time with its zone"));
        check(r#"{"status": "prod"}"#, Err("`prod` is no stage"));
        check(r#"{"tags": 7}"#, Err("`tags` of the entry is of the wrong sort"));
        check(r#"{"format": 2}"#, Err("format"));
        check(r#"{"artifact_paths": {"model": 7}}"#, Err("artifact_paths"));
        check("[]", Err("no entry of the registry"));
        check(&format!("{}1{}", "[".repeat(5000), "]".repeat(5000)), Err("no entry"));
        check(&format!("{{\"notes\": \"{}\"}}", "x".repeat(ENTRY_MAX_BYTES)), Err("too large"));
    }

    fn object(name: &str, text: &str) -> Result<Map<String, Value>, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), text).unwrap();
        read_object(folder.path(), Path::new(name), "the training configuration").map_err(|error| {
            assert_eq!(error.kind().exit_code(), 2);
            error.in_full()
        })
    }

    #[test]
    fn a_configuration_is_read_as_yaml_where_its_name_says_so() {
        let yaml = "# as trained\nlr: 1e-3\nseed: 42\nlayers: [64, 32]\nmodel: {name: bert, frozen: no, head: ~}\ndate: 2025-12-01\n";
        let json = r#"{"lr": 0.001, "seed": 42, "layers": [64, 32],
            "model": {"name": "bert", "frozen": false, "head": null}, "date": "2025-12-01"}"#;
        for name in ["c.yaml", "c.YML"] {
            assert_eq!(object(name, yaml).unwrap(), object("c.json", json).unwrap(), "{name}");
        }
        assert!(object("c.json", yaml).unwrap_err().contains("cannot take the training configuration"));
        assert_eq!(object("c.yaml", "").unwrap(), Map::new());
        for text in ["- a\n- b\n", "lr: .nan\n", "a: 1\na: 2\n", "a: 1\n---\nb: 2\n"] {
            let error = object("c.yaml", text).expect_err(text);
            assert!(error.contains("cannot take the training configuration"), "{text}: {error}");
        }
        let mut bomb = "a0: &a0 [x]\n".to_owned();
        for level in 1..60 {
            let below = level - 1;
            bomb.push_str(&format!("a{level}: &a{level} [*a{below}, *a{below}]\n"));
        }
        assert!(object("c.yaml", &bomb).is_err());
        assert!(object("c.yaml", &"[".repeat(100_000)).is_err());
    }

    #[test]
    fn metrics_are_read_from_yaml_as_from_json() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("m.yaml"), "run: 7\nmetrics:\n  f1_score: 0.91\n  loss: 2\n")
            .unwrap();
        let found = read_metrics(folder.path(), Path::new("m.yaml")).unwrap();
        assert_eq!(found, [("f1_score".to_owned(), 0.91), ("loss".to_owned(), 2.0)]);
        std::fs::write(
            folder.path().join("m.json"),
            r#"{"a": 1, "val": {"loss": 2, "of": {"f1": 0.5}}, "b": 3}"#,
        )
        .unwrap();
        let found = read_metrics(folder.path(), Path::new("m.json")).unwrap();
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "val.loss", "val.of.f1", "b"], "as a run names them");
        std::fs::write(folder.path().join("m.yaml"), "f1_score: high\n").unwrap();
        let error = read_metrics(folder.path(), Path::new("m.yaml")).unwrap_err();
        assert_eq!(error.message(), "metric `f1_score` is no number");
    }
}
