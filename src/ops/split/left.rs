//! Lists of parts that a split no longer has.

use crate::error::{Error, Result};
use crate::model::ArtifactPath;
use crate::ops::Workspace;
use crate::ops::split::{is_ours, manifest, manifest::Plan};
use crate::projection;
use crate::query::last_write_at_path;
use crate::store::{PathNo, Snapshot};

/// Finds the lists in a folder that lie there from an earlier split, of parts that this one has not: what they name is in other
/// parts now.
///
/// # Errors
/// A request error where the folder cannot be read; a store error where the store cannot.
pub(super) fn left_lists(
    workspace: &Workspace,
    folder: &ArtifactPath,
    plan: &Plan,
) -> Result<Vec<ArtifactPath>> {
    let view = workspace.view()?;
    let mut left = Vec::new();
    // What lies in the folder is few; what is recorded below it may be all of a workspace.
    for path in lists_in(workspace, folder)? {
        let number = if is_ours(plan, &path) { None } else { view.snapshot.path_no(&path)? };
        if number.map_or(Ok(false), |number| is_list(&view.snapshot, &path, number))? {
            left.push(path);
        }
    }
    left.sort();
    Ok(left)
}

/// Lists the files in a folder that have the name of a list.
fn lists_in(workspace: &Workspace, folder: &ArtifactPath) -> Result<Vec<ArtifactPath>> {
    let failed = |cause| Error::request(format!("cannot read the folder `{folder}`")).because(cause);
    let place = projection::place(workspace.root(), folder)?;
    let mut lists = Vec::new();
    for entry in std::fs::read_dir(place).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        if manifest::is_list_name(name.as_encoded_bytes()) && entry.file_type().map_err(failed)?.is_file() {
            lists
                .push(ArtifactPath::from_bytes([folder.as_bytes(), b"/", name.as_encoded_bytes()].concat())?);
        }
    }
    Ok(lists)
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
