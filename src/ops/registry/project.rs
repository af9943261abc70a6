//! Writing the `metadata.json` of versions that changed.

use crate::error::Result;
use crate::model::NodeId;
use crate::ops::Workspace;
use crate::ops::project::{ProjectRequest, project_these, say_left_undone};
use crate::projection::{Planned, registry_file};
use crate::store::Snapshot;

/// The files of versions.
pub(super) fn planned(snapshot: &Snapshot, ids: &[NodeId]) -> Result<Vec<Planned>> {
    let mut files = Vec::new();
    for id in ids {
        files.extend(registry_file(snapshot, *id)?);
    }
    Ok(files)
}

/// Brings the files of versions up to date, where nobody edited what was there, and says what was left undone. The change itself
/// is recorded by then, so that nothing here is an error. `before` are the files as they were planned before the change.
pub(super) fn project(workspace: &Workspace, before: &[Planned], ids: &[NodeId], said: &mut Vec<String>) {
    let plan = |snapshot: &Snapshot| planned(snapshot, ids);
    let projected = project_these(workspace, &ProjectRequest::default(), before, &plan);
    say_left_undone(projected, "the metadata.json of the version", said);
}

/// The versions of models that a run trained, with their files as they were planned at some moment.
pub(crate) struct VersionsOfRun {
    ids: Vec<NodeId>,
    before: Vec<Planned>,
}

impl VersionsOfRun {
    /// Reads what there is now.
    ///
    /// # Errors
    /// A store error where it cannot be read.
    pub(crate) fn read(workspace: &Workspace, run: NodeId) -> Result<Self> {
        let snapshot = workspace.view_as_it_is()?.snapshot;
        let ids = snapshot.models_of_run(run)?;
        Ok(VersionsOfRun { before: planned(&snapshot, &ids)?, ids })
    }

    /// Brings the files to what is recorded by now; returns what was left undone, one line each.
    pub(crate) fn project(self, workspace: &Workspace) -> Vec<String> {
        let mut said = Vec::new();
        if !self.ids.is_empty() {
            project(workspace, &self.before, &self.ids, &mut said);
        }
        said
    }
}
