//! Lists of parts that a split no longer has.

use crate::error::Result;
use crate::model::ArtifactPath;
use crate::ops::Workspace;
use crate::ops::split::{is_ours, manifest, manifest::Plan};
use crate::projection::{self, Lies};
use crate::query::last_write_at_path;
use crate::store::{GO_ON, PathNo, Snapshot};

/// Finds the lists in a folder that lie there from an earlier split, of parts that this one has not: what they name is in other
/// parts now.
pub(super) fn left_lists(
    workspace: &Workspace,
    folder: &ArtifactPath,
    plan: &Plan,
) -> Result<Vec<ArtifactPath>> {
    let view = workspace.view()?;
    let snapshot = &view.snapshot;
    let mut recorded = Vec::new();
    let _all = snapshot.paths_from(&[folder.as_bytes(), b"/"].concat(), |path, number| {
        recorded.push((path.to_vec(), number));
        Ok(GO_ON)
    })?;
    let mut left = Vec::new();
    for (path, number) in recorded {
        let path = ArtifactPath::from_bytes(path)?;
        if path.folder() != folder.as_bytes() || is_ours(plan, &path) || !is_list(snapshot, &path, number)? {
            continue;
        }
        let place = projection::place(workspace.root(), &path)?;
        if matches!(projection::look(&place, workspace.digests()), Lies::File(_)) {
            left.push(path);
        }
    }
    Ok(left)
}

/// Tells whether a split was the last to write at a path, the list of one of its parts.
fn is_list(snapshot: &Snapshot, path: &ArtifactPath, number: PathNo) -> Result<bool> {
    let Some(write) = last_write_at_path(snapshot, number, i64::MAX, None)? else { return Ok(false) };
    let Some(step) = snapshot.step_without_edges(write.step)? else { return Ok(false) };
    let Some(run) = snapshot.run_of(write.step)?.map_or(Ok(None), |run| snapshot.run(run))? else {
        return Ok(false);
    };
    let parts = run.parameters.iter().find(|(name, _)| name == "names");
    let has_part = parts.is_some_and(|(_, names)| names.split(',').any(|name| name == step.subject));
    let is_its_list = manifest::list_name(&step.subject).as_bytes() == path.file_name();
    Ok(step.name == "split" && has_part && is_its_list)
}
