//! Notes: research documents with front matter.

use crate::model::{Artifact, NodeId, Parameter, Timestamp};

/// A research document as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its key.
    pub id: NodeId,
    /// The document.
    pub artifact: Artifact,
    /// When it was read.
    pub at: Timestamp,
    /// Its front matter by key, each value as text.
    pub fields: Vec<Parameter>,
    /// What it names: the sort of reference (`run`, `commit`, `file`, `note`) and the reference as written.
    pub references: Vec<(String, String)>,
}
