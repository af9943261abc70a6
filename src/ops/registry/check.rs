//! `lineage models verify`: do the files of model versions still hold what was registered?

use rayon::prelude::*;

use crate::model::NamedArtifact;
use crate::ops::{DiskState, Workspace};
use crate::query::registry::ModelView;

/// A file of a version, as it lies on disk.
#[derive(Debug, Clone)]
pub struct CheckedFile {
    /// `name@version`.
    pub label: String,
    /// The file as it was registered.
    pub held: NamedArtifact,
    /// How it lies on disk.
    pub state: DiskState,
    /// Whether its bytes are kept, so that they can be had again.
    pub kept: bool,
}

impl CheckedFile {
    /// Returns true where it holds what was registered.
    pub fn is_sound(&self) -> bool {
        self.state == DiskState::Unchanged
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
}

impl CheckReport {
    /// Returns true where every file holds what was registered.
    pub fn is_sound(&self) -> bool {
        self.files.iter().all(CheckedFile::is_sound)
    }
}

/// Reads every file of the versions and compares it with what was registered.
pub fn check(workspace: &Workspace, views: &[ModelView]) -> CheckReport {
    let wanted: Vec<(String, NamedArtifact)> = views
        .iter()
        .flat_map(|view| view.model.artifacts.iter().map(|held| (view.label(), held.clone())))
        .collect();
    // What is remembered of a file says nothing of a disk that forgets.
    let digests = workspace.digests().reading_all();
    let files = wanted.into_par_iter().map(|(label, held)| {
        let place = held.artifact.path.on_disk(workspace.root());
        let state = match place.map(|place| digests.of(&place)) {
            None => DiskState::Elsewhere,
            Some(Ok(digest)) if digest == held.artifact.digest => DiskState::Unchanged,
            Some(Ok(_)) if !held.artifact.has_content() => DiskState::NotRecorded,
            Some(Ok(digest)) => DiskState::Changed(digest),
            Some(Err(_)) => DiskState::Gone,
        };
        let kept = state != DiskState::Unchanged && workspace.contents().holds(&held.artifact.digest);
        CheckedFile { label, held, state, kept }
    });
    let without = views.iter().filter(|view| view.model.artifacts.is_empty());
    CheckReport {
        versions: views.len() as u64,
        without_files: without.map(ModelView::label).collect(),
        files: files.collect(),
    }
}
