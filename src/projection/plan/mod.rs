//! What is to lie where: for each projection one pure function of what is recorded.
//!
//! A planner gives every file that its projection wants, whether it lies there already or not. A content that is kept is
//! named by its digest, so that ten thousand outputs are planned without reading one of them.

mod config;
mod metrics;
mod registry;
mod report;
mod research;
mod run_folder;

use std::collections::BTreeMap;

use crate::error::Result;
use crate::model::{Artifact, ArtifactPath, Digest};
use crate::store::Snapshot;

pub use metrics::metrics_json;
pub use registry::{is_registry_file, metadata_schema, registry, registry_file};
pub use research::{INDEX_NAME, is_own_index, research_index, research_indexes};
pub use run_folder::{run_folders, run_papers};

/// A file that the store can write again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Where it is to lie, inside the workspace.
    pub path: ArtifactPath,
    /// What is to be in it.
    pub content: PlannedContent,
}

/// What is to be in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlannedContent {
    /// These bytes, made from facts.
    Bytes(Vec<u8>),
    /// A kept content.
    Kept {
        /// Its digest.
        digest: Digest,
        /// How many bytes it has.
        size_bytes: u64,
    },
}

impl Planned {
    /// Plans bytes made from facts.
    pub fn bytes(path: ArtifactPath, bytes: Vec<u8>) -> Self {
        Planned { path, content: PlannedContent::Bytes(bytes) }
    }

    /// Plans a kept content.
    pub fn kept(artifact: Artifact) -> Self {
        let content = PlannedContent::Kept { digest: artifact.digest, size_bytes: artifact.size_bytes };
        Planned { path: artifact.path, content }
    }

    /// Returns the digest of what is to be in the file.
    pub fn digest(&self) -> Digest {
        match &self.content {
            PlannedContent::Bytes(bytes) => Digest::of(bytes),
            PlannedContent::Kept { digest, .. } => *digest,
        }
    }

    /// Returns how many bytes the file is to have.
    pub fn size_bytes(&self) -> u64 {
        match &self.content {
            PlannedContent::Bytes(bytes) => bytes.len() as u64,
            PlannedContent::Kept { size_bytes, .. } => *size_bytes,
        }
    }
}

/// Plans the files of one projection.
type Planner = fn(&Snapshot) -> Result<Vec<Planned>>;

/// Every projection. Where two want the same path, the one that stands first has it.
const PLANNERS: &[Planner] = &[run_folders, registry, research_indexes];

/// Plans all files of all projections, by path, each path once.
///
/// # Errors
/// A store error where a record is damaged.
pub fn plan(snapshot: &Snapshot) -> Result<Vec<Planned>> {
    let mut files: BTreeMap<ArtifactPath, PlannedContent> = BTreeMap::new();
    for planner in PLANNERS {
        for planned in planner(snapshot)? {
            files.entry(planned.path).or_insert(planned.content);
        }
    }
    Ok(files.into_iter().map(|(path, content)| Planned { path, content }).collect())
}

/// Returns true for a path where a projection puts a file that no step is recorded to have written.
///
/// # Errors
/// A store error where a record is damaged.
pub fn is_projected(snapshot: &Snapshot, path: &ArtifactPath) -> Result<bool> {
    Ok(run_folder::is_paper(snapshot, path)? || is_registry_file(snapshot, path)?)
}
