//! Model versions: registered results, and what becomes of them.

use std::str::FromStr;

use crate::error::{Error, Result};
use crate::model::{Artifact, ArtifactPath, LinkText, Metric, MetricValue, NodeId, Parameter, Timestamp};

/// The longest name of a model or an alias, in bytes.
const NAME_MAX_BYTES: usize = 120;

/// Checks the name of a model as it is taken from a user; it becomes the name of a folder.
///
/// # Errors
/// A request error where it is empty, too long, begins with `.` or `-`, or holds anything but letters, digits and `_ - . + =`.
pub fn check_model_name(name: &str) -> Result<()> {
    check_name(name, "a model")
}

/// Checks a name for a version of a model.
///
/// # Errors
/// A request error where [`check_model_name`] would refuse it, and where it means something else: a version, a stage, or
/// `latest`.
pub fn check_alias(alias: &str) -> Result<()> {
    check_name(alias, "a version")?;
    let is_stage = Stage::ALL.iter().any(|stage| stage.as_str() == alias);
    if alias == "latest" || is_stage || crate::model::check_version(alias).is_ok() {
        return Err(Error::request(format!("`{alias}` cannot be an alias: it means something already"))
            .hint("an alias is neither a version nor a stage nor `latest`; take a name such as `champion`"));
    }
    Ok(())
}

fn check_name(name: &str, of: &str) -> Result<()> {
    let right = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+' | '=');
    let fits = !name.is_empty() && name.len() <= NAME_MAX_BYTES && !name.starts_with(['.', '-']);
    if fits && name.chars().all(right) {
        return Ok(());
    }
    let shown: String = name.chars().take(NAME_MAX_BYTES).collect();
    Err(Error::request(format!("`{}` cannot be the name of {of}", shown.escape_debug())).hint(format!(
        "names are made of letters, digits and `_ - . + =`, begin with none of `. -`, and have at most {NAME_MAX_BYTES} bytes"
    )))
}

/// A registered result: name, version, run and files. It is never replaced; what changes is said by [`ModelChange`]s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelVersion {
    /// Its key.
    pub id: NodeId,
    /// The model's name.
    pub name: String,
    /// The semantic version.
    pub version: String,
    /// The run that trained it.
    pub run: Option<NodeId>,
    /// When the model was made, as its entry says.
    pub created_at: Timestamp,
    /// When it was registered; decides which of two registrations of one version counts.
    pub registered_at: Timestamp,
    /// Who registered it.
    pub by: String,
    /// The stage it was registered in.
    pub stage: Stage,
    /// What it is, in a sentence.
    pub description: String,
    /// What sort of model it is.
    pub model_type: Option<String>,
    /// The model it was made from.
    pub base_model: Option<String>,
    /// How it was trained, as JSON text.
    pub training_config: Option<String>,
    /// What it was trained on, as JSON text.
    pub dataset_info: Option<String>,
    /// The version whose place it was made to take.
    pub promoted_from: Option<String>,
    /// Remarks.
    pub notes: Option<String>,
    /// The commit of the code that trained it.
    pub git_sha: Option<String>,
    /// Whether tracked files differed from that commit.
    pub git_dirty: bool,
    /// The branch.
    pub branch: Option<String>,
    /// Its metrics, by name.
    pub metrics: Vec<(String, MetricValue)>,
    /// What it was trained on, where that was said rather than recorded.
    pub inputs: Vec<Artifact>,
    /// Its files, each under the name it has for the model (`model`, `tokenizer`).
    pub artifacts: Vec<NamedArtifact>,
    /// Words to find it by.
    pub tags: Vec<Parameter>,
    /// Further fields of the entry, by name, each as JSON text.
    pub fields: Vec<Parameter>,
    /// Says that it was registered elsewhere, and that all of this was read from its entry.
    pub taken: Option<TakenEntry>,
}

/// What an entry says of a version that was registered elsewhere: how it stood at a moment, whatever became of it until then.
/// Where the registration itself is recorded as well, that counts, with all that followed; of several entries the newest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenEntry {
    /// When something last became of the version, as the entry says.
    pub as_of: Timestamp,
    /// The label of the run that trained it.
    pub run_label: Option<String>,
    /// That run's name.
    pub run_name: Option<String>,
    /// How many inputs there were; an entry lists the first of them.
    pub inputs_total: u64,
}

impl ModelVersion {
    /// Makes a version of which nothing is said but its name and when it was registered: in development, without files.
    pub fn new(
        id: NodeId,
        name: impl Into<String>,
        version: impl Into<String>,
        registered_at: Timestamp,
    ) -> Self {
        ModelVersion {
            id,
            name: name.into(),
            version: version.into(),
            run: None,
            created_at: registered_at,
            registered_at,
            by: String::new(),
            stage: Stage::Development,
            description: String::new(),
            model_type: None,
            base_model: None,
            training_config: None,
            dataset_info: None,
            promoted_from: None,
            notes: None,
            git_sha: None,
            git_dirty: false,
            branch: None,
            metrics: Vec::new(),
            inputs: Vec::new(),
            artifacts: Vec::new(),
            tags: Vec::new(),
            fields: Vec::new(),
            taken: None,
        }
    }

    /// Returns the moment that it speaks of: that of its registration, or of the entry it was taken from.
    pub fn as_of(&self) -> Timestamp {
        self.taken.as_ref().map_or(self.registered_at, |taken| taken.as_of)
    }

    /// Returns the labels of what its entry says it was made from, or made to take the place of.
    pub fn bases(&self) -> impl Iterator<Item = String> + '_ {
        let before = self.promoted_from.as_ref().map(|version| format!("{}@{version}", self.name));
        self.base_model.iter().cloned().chain(before)
    }

    /// Returns its metrics as the points they are: of no training step, measured by the moment that it speaks of.
    pub fn points(&self) -> impl Iterator<Item = Metric> {
        self.metrics.iter().map(|(name, value)| Metric {
            owner: self.id,
            name: name.clone(),
            step: 0,
            at: self.as_of(),
            value: *value,
        })
    }
}

/// A file of a model version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedArtifact {
    /// What it is to the model.
    pub name: String,
    /// The file.
    pub artifact: Artifact,
    /// Of a symbolic link, its text: that is what its bytes are.
    pub link: Option<LinkText>,
}

impl NamedArtifact {
    /// Names a plain file.
    pub fn file(name: impl Into<String>, artifact: Artifact) -> Self {
        NamedArtifact { name: name.into(), artifact, link: None }
    }

    /// Names a symbolic link.
    ///
    /// # Errors
    /// A request error where the artifact is no link with this text.
    pub fn link(name: impl Into<String>, artifact: Artifact, text: LinkText) -> Result<Self> {
        if artifact != text.artifact(artifact.path.clone()) {
            return Err(Error::request(format!(
                "`{}` is said to be a link, and has other bytes",
                artifact.path
            )));
        }
        Ok(NamedArtifact { name: name.into(), artifact, link: Some(text) })
    }

    /// Names the symbolic link at `path`.
    pub fn of_link(name: impl Into<String>, path: ArtifactPath, text: LinkText) -> Self {
        NamedArtifact { name: name.into(), artifact: text.artifact(path), link: Some(text) }
    }
}

/// Where a model version stands on its way into use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Being worked on.
    Development,
    /// Being tried.
    Staging,
    /// In use; at most one version of a model.
    Production,
    /// Put away.
    Archived,
}

impl Stage {
    /// Every value, in the order of its code.
    pub const ALL: [Stage; 4] = [Stage::Development, Stage::Staging, Stage::Production, Stage::Archived];

    /// Returns the word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Stage::Development => "development",
            Stage::Staging => "staging",
            Stage::Production => "production",
            Stage::Archived => "archived",
        }
    }
}

impl FromStr for Stage {
    type Err = Error;

    /// Reads the word for a stage.
    ///
    /// # Errors
    /// A request error where it is none.
    fn from_str(text: &str) -> Result<Self> {
        Stage::ALL.into_iter().find(|stage| stage.as_str() == text).ok_or_else(|| {
            let shown: String = text.chars().take(NAME_MAX_BYTES).collect();
            Error::request(format!("`{}` is no stage", shown.escape_debug()))
                .hint("stages are development, staging, production and archived")
        })
    }
}

/// Something became of a model version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelChange {
    /// Its key.
    pub id: NodeId,
    /// The model version.
    pub model: NodeId,
    /// The model's name; empty where an older program wrote this down.
    pub name: String,
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// What.
    pub act: ModelAct,
}

/// What became of a model version.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelAct {
    /// It was moved to a stage.
    Staged {
        /// Where it stands since then.
        stage: Stage,
        /// The version that left `stage` by the same fact, as far as its writer knew.
        displaced: Option<NodeId>,
    },
    /// It was described anew.
    Edited(ModelEdit),
    /// It was withdrawn: it can be used no more, and stays in history and lineage.
    Deleted,
}

/// A new description of a model version; what is `None` or empty stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelEdit {
    /// What it is, in a sentence.
    pub description: Option<String>,
    /// Remarks.
    pub notes: Option<String>,
    /// Tags that it has since then.
    pub tags_set: Vec<Parameter>,
    /// Names of tags that it has no more.
    pub tags_removed: Vec<String>,
}

/// A name was given to a version of a model, or taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelAlias {
    /// Its key.
    pub id: NodeId,
    /// The model's name.
    pub name: String,
    /// The name for the version: `champion`.
    pub alias: String,
    /// The version it names since then; `None` where it names none.
    pub model: Option<NodeId>,
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub by: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_refused() {
        for name in ["risk_classifier", "bert-base.v2", "größe"] {
            check_model_name(name).unwrap();
            check_alias(name).unwrap();
        }
        for name in ["", ".", "../x", "a/b", "a\\b", "a b", "a@1", "a\n", "-x", "a\0", &"x".repeat(121)] {
            assert_eq!(check_model_name(name).unwrap_err().kind().exit_code(), 2, "{name}");
        }
        for alias in ["latest", "production", "archived", "1.2.0"] {
            assert!(check_alias(alias).unwrap_err().message().contains("means something"), "{alias}");
        }
    }
}
