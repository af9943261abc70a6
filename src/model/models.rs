//! Model versions: registered results, and what becomes of them.

use crate::model::{Artifact, NodeId, Parameter, Timestamp};

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
    /// When it was registered.
    pub created_at: Timestamp,
    /// What it is, in a sentence.
    pub description: String,
    /// Further fields of the entry, by name, each as JSON text.
    pub fields: Vec<Parameter>,
    /// Its files, each under the name it has for the model (`model`, `tokenizer`).
    pub artifacts: Vec<NamedArtifact>,
    /// Words to find it by.
    pub tags: Vec<Parameter>,
}

/// A file of a model version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedArtifact {
    /// What it is to the model.
    pub name: String,
    /// The file.
    pub artifact: Artifact,
}

/// Where a model version stands on its way into use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Development => "development",
            Stage::Staging => "staging",
            Stage::Production => "production",
            Stage::Archived => "archived",
        }
    }
}

/// A model version was moved to a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelChange {
    /// Its key.
    pub id: NodeId,
    /// The model version.
    pub model: NodeId,
    /// Where it stands since then.
    pub stage: Stage,
    /// The version that left `stage` by the same fact.
    pub displaced: Option<NodeId>,
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
}
