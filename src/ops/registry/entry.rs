//! The entry of a model version as users give it: its fields, and what they may hold.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::model::{
    CodeState, Digest, MetricValue, NodeId, Stage, Timestamp, check_model_name, check_version,
};
use crate::query::RunSelector;

/// A model version to be registered. What is `None` or empty is taken from the run, or left out.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Entry {
    /// The model's name.
    pub name: String,
    /// The semantic version.
    pub version: String,
    /// The run that trained it.
    pub(crate) run: Option<RunSelector>,
    /// Its files.
    pub artifacts: Vec<EntryArtifact>,
    /// Its metrics by name. Those that are not given are taken from the run.
    pub metrics: Vec<(String, f64)>,
    /// What it is, in a sentence.
    pub description: Option<String>,
    /// What sort of model it is.
    pub model_type: Option<String>,
    /// The model it was made from.
    pub base_model: Option<String>,
    /// How it was trained.
    pub training_config: Option<Map<String, Value>>,
    /// What it was trained on.
    pub dataset_info: Option<Map<String, Value>>,
    /// What it was trained on: files and folders of the workspace, or names outside this machine such as `hf://…`.
    pub inputs: Vec<String>,
    /// Words to find it by.
    pub tags: Vec<(String, String)>,
    /// Remarks.
    pub notes: Option<String>,
    /// The stage it begins in; development where none is given.
    pub stage: Option<Stage>,
    /// The version whose place it takes.
    pub promoted_from: Option<String>,
    /// The commit of the code that trained it.
    pub git_sha: Option<String>,
    /// The branch.
    pub branch: Option<String>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// Whether its files are left where they lie, and nowhere else: by default their bytes are kept, whatever their size.
    pub no_keep: bool,
    /// Whether it may have a run although no recorded run wrote any of its files: that they are of that run is declared then.
    pub force: bool,
}

/// A file of a model version to be registered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntryArtifact {
    /// What it is to the model.
    pub name: String,
    /// Where it lies, seen from the folder of whoever registers it. Of a folder, every file in it is taken.
    pub path: PathBuf,
    /// What it must hold, where that is known.
    pub digest: Option<Digest>,
}

/// As many bytes of text has an entry at most.
pub(crate) const ENTRY_MAX_BYTES: usize = 4 << 20;
/// As many metrics, tags and inputs has it at most.
const FIELDS_MAX: usize = 10_000;
/// The longest name of a metric, tag or file, in bytes.
const NAME_MAX_BYTES: usize = 250;

/// The metrics whose values lie between 0 and 1.
const SHARES: [&str; 4] = ["accuracy", "f1_score", "precision", "recall"];

impl Entry {
    /// Makes the entry of a version of a model that says nothing else yet.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Entry { name: name.into(), version: version.into(), ..Entry::default() }
    }

    /// Names the run that trained it.
    #[must_use]
    pub fn run(mut self, run: NodeId) -> Self {
        self.run = Some(RunSelector::Tail(run.hex()));
        self
    }

    /// Adds a file, or all files of a folder. A relative path is seen from the current folder.
    #[must_use]
    pub fn artifact(mut self, name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        self.artifacts.push(EntryArtifact { name: name.into(), path: path.into(), digest: None });
        self
    }

    /// Adds a metric. Where none is given, those of the run are taken.
    #[must_use]
    pub fn metric(mut self, name: impl Into<String>, value: f64) -> Self {
        self.metrics.push((name.into(), value));
        self
    }

    /// Adds a word to find it by.
    #[must_use]
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push((name.into(), value.into()));
        self
    }

    /// Says what it is, in a sentence.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// Checks all that can be checked without looking at the workspace.
    ///
    /// # Errors
    /// A request error for the first field that is wrong.
    pub fn check(&self) -> Result<()> {
        for (what, text) in [("model", &self.name), ("version", &self.version)] {
            if text.is_empty() {
                return Err(Error::request(format!("the entry has no {what}")).hint(
                    "`lineage register NAME VERSION` names both, or `model_name` and `version` in its file",
                ));
            }
        }
        check_model_name(&self.name)?;
        check_version(&self.version)?;
        self.check_sizes()?;
        self.check_says_something()?;
        for (name, value) in &self.metrics {
            check_metric(name, *value)?;
        }
        unique("metric", self.metrics.iter().map(|(name, _)| name))?;
        unique("tag", self.tags.iter().map(|(name, _)| name))?;
        unique("artifact", self.artifacts.iter().map(|artifact| &artifact.name))?;
        for (name, _) in &self.tags {
            check_field_name("a tag", name)?;
        }
        for artifact in &self.artifacts {
            check_field_name("an artifact", &artifact.name)?;
        }
        match &self.git_sha {
            Some(sha) if !CodeState::is_commit(sha) => {
                Err(Error::request(format!("`{}` is no commit", shown(sha)))
                    .hint("a commit is 7 to 64 hexadecimal digits"))
            }
            _ => Ok(()),
        }
    }

    /// Refuses an entry of nothing but a name: the version would be taken by it for good.
    fn check_says_something(&self) -> Result<()> {
        let texts = [&self.description, &self.model_type, &self.base_model, &self.notes, &self.git_sha];
        let says = self.run.is_some()
            || !self.artifacts.is_empty()
            || !self.metrics.is_empty()
            || !self.inputs.is_empty()
            || !self.tags.is_empty()
            || self.training_config.is_some()
            || self.dataset_info.is_some()
            || texts.iter().any(|text| text.is_some());
        if says {
            return Ok(());
        }
        Err(Error::request(format!(
            "nothing is said of `{}` {} but its name",
            shown(&self.name),
            shown(&self.version)
        ))
        .hint("name its files with `--artifact NAME=PATH`, or the run that trained it with `--run`"))
    }

    fn check_sizes(&self) -> Result<()> {
        let texts = [
            &self.description,
            &self.model_type,
            &self.base_model,
            &self.notes,
            &self.promoted_from,
            &self.git_sha,
            &self.branch,
        ];
        let documents = [&self.training_config, &self.dataset_info];
        let written = documents.iter().map(|document| document.as_ref().map_or(0, json_bytes));
        let tags = self.tags.iter().map(|(name, value)| name.len() + value.len());
        let sizes = texts.iter().map(|text| text.as_ref().map_or(0, String::len)).chain(written).chain(tags);
        let total: usize = sizes.sum();
        if total > ENTRY_MAX_BYTES {
            return Err(too_large(&format!("the entry has {total} bytes of text")));
        }
        for (what, count) in [
            ("metrics", self.metrics.len()),
            ("tags", self.tags.len()),
            ("inputs", self.inputs.len()),
            ("artifacts", self.artifacts.len()),
        ] {
            if count > FIELDS_MAX {
                return Err(too_large(&format!(
                    "the entry has {count} {what}; at most {FIELDS_MAX} are taken"
                )));
            }
        }
        Ok(())
    }
}

fn json_bytes(document: &Map<String, Value>) -> usize {
    serde_json::to_string(document).map_or(usize::MAX / 8, |text| text.len())
}

pub(crate) fn too_large(what: &str) -> Error {
    Error::request(what.to_owned())
        .because(format!("an entry is text for people, at most {} MiB of it", ENTRY_MAX_BYTES >> 20))
        .hint("keep what is large in a file, and name that with `--artifact NAME=PATH`")
}

pub(super) fn unique<'a>(what: &str, names: impl Iterator<Item = &'a String>) -> Result<()> {
    let mut known = BTreeSet::new();
    for name in names {
        if !known.insert(name) {
            return Err(Error::request(format!("the {what} `{}` is given twice", shown(name))));
        }
    }
    Ok(())
}

pub(super) fn check_field_name(what: &str, name: &str) -> Result<()> {
    let fits = !name.is_empty() && name.len() <= NAME_MAX_BYTES && !name.chars().any(char::is_control);
    if fits {
        return Ok(());
    }
    Err(Error::request(format!("`{}` cannot be the name of {what}", shown(name)))
        .hint(format!("it has 1 to {NAME_MAX_BYTES} bytes and no control characters")))
}

/// Checks a metric of a model version: a finite number, in the range that its name promises.
///
/// # Errors
/// A request error where it is not.
pub(crate) fn check_metric(name: &str, value: f64) -> Result<MetricValue> {
    check_field_name("a metric", name)?;
    if !value.is_finite() {
        return Err(Error::request(format!(
            "metric `{}` is {value}: metrics are finite numbers",
            shown(name)
        )));
    }
    if SHARES.contains(&name) && !(0.0..=1.0).contains(&value) {
        let per_cent = if (1.0..=100.0).contains(&value) {
            format!("a share is meant, not per cent: `--metric {name}={}`", value / 100.0)
        } else {
            format!("{} lie between 0 and 1", SHARES.join(", "))
        };
        return Err(Error::request(format!("metric `{name}` is {value}, outside 0 to 1")).hint(per_cent));
    }
    if name == "loss" && value < 0.0 {
        return Err(Error::request(format!("metric `loss` is {value}, below 0")));
    }
    MetricValue::new(value)
}

/// Returns the front of a text, for messages.
pub(crate) fn shown(text: &str) -> String {
    let front: String = text.chars().take(80).collect();
    let more = if front.len() < text.len() { "…" } else { "" };
    format!("{}{more}", front.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        let inputs = vec!["data".to_owned()];
        Entry { name: "risk".to_owned(), version: "1.0.0".to_owned(), inputs, ..Entry::default() }
    }

    fn refused(change: impl FnOnce(&mut Entry)) -> String {
        let mut entry = entry();
        change(&mut entry);
        let error = entry.check().unwrap_err();
        assert_eq!(error.kind().exit_code(), 2);
        error.message().to_owned()
    }

    #[test]
    fn metrics_are_finite_and_in_their_range() {
        for (name, value, right) in [
            ("accuracy", 0.0, true),
            ("accuracy", 1.0, true),
            ("accuracy", 93.0, false),
            ("f1_score", -0.1, false),
            ("loss", 12.5, true),
            ("loss", -1e-9, false),
            ("perplexity", -3.0, true),
            ("perplexity", f64::NAN, false),
            ("perplexity", f64::INFINITY, false),
            ("", 1.0, false),
            ("a\nb", 1.0, false),
        ] {
            assert_eq!(check_metric(name, value).is_ok(), right, "{name} {value}");
        }
    }

    #[test]
    fn an_entry_has_a_name_and_a_version() {
        assert_eq!(refused(|entry| entry.name.clear()), "the entry has no model");
        assert_eq!(refused(|entry| entry.version.clear()), "the entry has no version");
    }

    #[test]
    fn a_name_alone_is_no_version() {
        assert_eq!(refused(|entry| entry.inputs.clear()), "nothing is said of `risk` 1.0.0 but its name");
    }

    #[test]
    fn what_is_given_twice_or_is_too_large_is_refused() {
        entry().check().unwrap();
        let twice = vec![("f1".to_owned(), 0.1), ("f1".to_owned(), 0.2)];
        assert_eq!(refused(|e| e.metrics = twice), "the metric `f1` is given twice");
        let many = (0..1_000_000).map(|n| (format!("p{n}"), Value::from(n))).collect();
        assert!(refused(|e| e.training_config = Some(many)).contains("bytes of text"));
        assert!(refused(|e| e.notes = Some("x".repeat(100 << 20))).contains("104857600 bytes of text"));
        assert!(refused(|e| e.git_sha = Some("HEAD".to_owned())).contains("no commit"));
        assert!(refused(|e| e.name = "../x".to_owned()).contains("cannot be the name of a model"));
        assert!(refused(|e| e.version = "1.0".to_owned()).contains("no semantic version"));
    }
}
