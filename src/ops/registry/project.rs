//! Writing the `metadata.json` of versions that changed.

use crate::error::Result;
use crate::model::NodeId;
use crate::ops::Workspace;
use crate::ops::project::{Fault, ProjectRequest, ProjectedFile, project_these};
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

/// Brings the files of versions up to date, where nobody edited what was there; returns what was left undone, one line each.
/// The change itself is recorded by then, so that nothing here is an error. `before` are the files as they were planned
/// before the change.
pub(super) fn project(workspace: &Workspace, before: &[Planned], ids: &[NodeId]) -> Vec<String> {
    let plan = |snapshot: &Snapshot| planned(snapshot, ids);
    match project_these(workspace, &ProjectRequest::default(), before, &plan) {
        Ok(report) => {
            let left = report.files.iter().filter(|file| !file.mended).map(left_undone);
            report.warnings.iter().cloned().chain(left).collect()
        }
        Err(error) => {
            vec![format!(
                "the metadata.json of the version is not written: {error}; `lineage project` writes it"
            )]
        }
    }
}

fn left_undone(file: &ProjectedFile) -> String {
    let path = &file.path;
    match &file.fault {
        Fault::Edited { .. } => format!(
            "{path} was written or edited by somebody else and is left as it is; `lineage project --force {path}` writes it anew"
        ),
        Fault::Lost(reason) | Fault::Blocked(reason) => format!("{path} is not written: {reason}"),
        Fault::Missing | Fault::Outdated | Fault::Unwanted { .. } => {
            format!("{path} is not written: it is {}", file.state())
        }
    }
}
