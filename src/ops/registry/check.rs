//! `lineage models verify`: can the bytes of model versions still be had as they were registered?

use rayon::prelude::*;

use crate::error::Result;
use crate::model::{Digest, NamedArtifact};
use crate::ops::registry::{LostCode, lost_code};
use crate::ops::{DiskState, Workspace, disk_state_by};
use crate::query::registry::ModelView;
use crate::store::Snapshot;

/// A file of a version, as it lies on disk.
#[derive(Debug, Clone)]
pub struct CheckedFile {
    /// `name@version`.
    pub label: String,
    /// The file as it was registered.
    pub held: NamedArtifact,
    /// How it lies on disk.
    pub state: DiskState,
    /// Whether its bytes are kept, so that they can be had again. Of a file in its place that is not asked.
    pub kept: Kept,
}

/// Whether the bytes of a file are kept: a stored copy is never trusted unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// They are, and whole.
    Whole,
    /// What is kept is damaged, or cannot be read.
    Damaged,
    /// They are not.
    Nowhere,
    /// Whether they are, only the owner of the workspace's contents can see.
    Hidden,
    /// Nobody looked.
    NotAsked,
}

impl CheckedFile {
    /// Returns true where what was registered lies in its place.
    pub fn is_in_place(&self) -> bool {
        self.state == DiskState::Unchanged
    }

    /// Returns true where what was registered can be had: it lies in its place, or is kept. The next version of a model is mostly
    /// trained into the same file.
    pub fn is_sound(&self) -> bool {
        self.is_in_place() || self.kept == Kept::Whole
    }
}

/// What a check came to.
#[derive(Debug, Clone, Default)]
pub struct CheckReport {
    /// How many versions were looked at.
    pub versions: u64,
    /// Versions that have no files.
    pub without_files: Vec<String>,
    /// Every file, in the order of the versions.
    pub files: Vec<CheckedFile>,
    /// What is not to be had any more of the code that they were made by.
    pub code_lost: Vec<LostCode>,
}

impl CheckReport {
    /// Returns true where what was registered of every file can be had, and the code that it was made by.
    pub fn is_sound(&self) -> bool {
        self.files.iter().all(CheckedFile::is_sound) && self.code_lost.is_empty()
    }
}

/// Reads every file of the versions, or what is kept of it, and compares that with what was registered; looks for their code, too.
///
/// # Errors
/// A store error where a record is damaged.
pub fn check(workspace: &Workspace, snapshot: &Snapshot, views: &[ModelView]) -> Result<CheckReport> {
    let wanted: Vec<(String, NamedArtifact)> = views
        .iter()
        .flat_map(|view| view.model.artifacts.iter().map(|held| (view.label(), held.clone())))
        .collect();
    // What is remembered of a file says nothing of a disk that forgets.
    let digests = workspace.digests().reading_all();
    let files = wanted.into_par_iter().map(|(label, held)| {
        let state = disk_state_by(workspace, &digests, &held.artifact);
        let kept = match state {
            DiskState::Unchanged => Kept::NotAsked,
            // Its text is recorded with it.
            _ if held.link.is_some() => Kept::Whole,
            _ => kept(workspace, &held.artifact.digest),
        };
        CheckedFile { label, held, state, kept }
    });
    let without = views.iter().filter(|view| view.model.artifacts.is_empty());
    Ok(CheckReport {
        versions: views.len() as u64,
        without_files: without.map(ModelView::label).collect(),
        files: files.collect(),
        code_lost: lost_code(workspace, snapshot, views)?,
    })
}

fn kept(workspace: &Workspace, digest: &Digest) -> Kept {
    let contents = workspace.contents();
    match contents.check(digest) {
        Ok(Some(_)) => Kept::Whole,
        Ok(None) => Kept::Nowhere,
        Err(_) if contents.hides(digest) => Kept::Hidden,
        Err(_) => Kept::Damaged,
    }
}
