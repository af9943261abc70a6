//! What is to lie where: for each projection one pure function of what is recorded.
//!
//! A planner gives every file that its projection wants, whether it lies there already or not. A content that is kept is
//! named by its digest, so that ten thousand outputs are planned without reading one of them.

mod config;
mod metrics;
mod registry;
mod report;
mod report_quality;
mod research;
mod run_folder;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::error::Result;
use crate::model::{Artifact, ArtifactPath, Digest, MetricValue, NodeId, Note};
use crate::query;
use crate::store::{RunNo, Snapshot};

pub use metrics::metrics_json;
pub use registry::{entry_schema, metadata_schema, registry, registry_file};
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

    /// Returns the bytes that are to be in the file, where they are made from facts.
    pub fn made_bytes(&self) -> Option<&[u8]> {
        match &self.content {
            PlannedContent::Bytes(bytes) => Some(bytes),
            PlannedContent::Kept { .. } => None,
        }
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

/// What a file is projected from, where no step is recorded to have written it.
#[derive(Debug, Clone, PartialEq)]
pub enum ProjectedFrom {
    /// A pipeline run: its configuration or its report.
    Run(RunNo),
    /// A version of a model.
    Model(NodeId),
    /// The documents that an index lists, by path.
    Documents(Vec<Note>),
}

/// Returns what a projection writes the file at `path` from; `None` for a path where no projection puts a file, and for one that a
/// step is recorded to write.
///
/// # Errors
/// A store error where a record is damaged.
pub fn projected_from(snapshot: &Snapshot, path: &ArtifactPath) -> Result<Option<ProjectedFrom>> {
    if let Some(run) = run_folder::run_of_paper(snapshot, path)? {
        return Ok(Some(ProjectedFrom::Run(run)));
    }
    if let Some(model) = registry::version_of_file(snapshot, path)? {
        return Ok(Some(ProjectedFrom::Model(model)));
    }
    let documents = research::documents_of_index(snapshot, path)?;
    Ok(Some(documents).filter(|documents| !documents.is_empty()).map(ProjectedFrom::Documents))
}

/// Plans the file at `path` as it is written from `from`; `None` where it is not wanted.
///
/// # Errors
/// A store error where a record is damaged.
pub fn plan_one(snapshot: &Snapshot, path: &ArtifactPath, from: &ProjectedFrom) -> Result<Option<Planned>> {
    let planned = match from {
        ProjectedFrom::Run(run) => match query::run_view(snapshot, *run)? {
            Some(view) => run_papers(snapshot, &view)?,
            None => Vec::new(),
        },
        ProjectedFrom::Model(id) => registry_file(snapshot, *id)?.into_iter().collect(),
        ProjectedFrom::Documents(notes) => match notes.first().and_then(|note| note.folder.as_ref()) {
            Some(folder) => vec![research_index(folder, notes.iter().collect())?],
            None => Vec::new(),
        },
    };
    Ok(planned.into_iter().find(|planned| planned.path == *path))
}

/// Writes whole numbers without a fraction, as people expect counts.
fn number(value: MetricValue) -> Value {
    let float = value.get();
    if float.fract() == 0.0 && float.abs() < 9e15 { json!(float as i64) } else { json!(float) }
}
