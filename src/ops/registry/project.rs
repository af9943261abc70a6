//! Writing the `metadata.json` of versions that changed.

use std::collections::BTreeMap;
use std::io;

use crate::error::Result;
use crate::model::{ArtifactPath, NodeId};
use crate::ops::Workspace;
use crate::projection::{self, Planned, PlannedContent, registry_file};
use crate::store::Snapshot;

/// The files of versions before they change.
pub(super) fn planned(snapshot: &Snapshot, ids: &[NodeId]) -> Result<BTreeMap<ArtifactPath, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for id in ids {
        if let Some(Planned { path, content: PlannedContent::Bytes(bytes) }) = registry_file(snapshot, *id)? {
            files.insert(path, bytes);
        }
    }
    Ok(files)
}

/// Writes the files of versions as they are now, where nobody edited what was there; returns what was left undone, one line
/// each.
///
/// # Errors
/// A store error where a record is damaged. A file that cannot be written is a warning: the change itself is recorded.
pub(super) fn project(
    workspace: &Workspace,
    before: &BTreeMap<ArtifactPath, Vec<u8>>,
    snapshot: &Snapshot,
    ids: &[NodeId],
) -> Result<Vec<String>> {
    let files = planned(snapshot, ids)?;
    let mut warnings = Vec::new();
    let mut due: Vec<(&ArtifactPath, &[u8])> = Vec::new();
    for (path, bytes) in &files {
        let there = projection::place(workspace.root(), path).map(std::fs::read);
        match there {
            Ok(Ok(there)) if there == *bytes => {}
            Ok(Ok(there)) if before.get(path) != Some(&there) => warnings.push(format!(
                "{path} was written or edited by somebody else and is left as it is; `lineage project --force {path}` writes it anew"
            )),
            Ok(Err(cause)) if cause.kind() != io::ErrorKind::NotFound => {
                warnings.push(format!("{path} is not written: {cause}"));
            }
            Err(error) => warnings.push(format!("{path} is not written: {error}")),
            Ok(_) => due.push((path, bytes)),
        }
    }
    let written = projection::write_files(workspace.disk(), workspace.root(), &due);
    warnings.extend(written.into_iter().filter_map(|result| result.err().map(|error| error.to_string())));
    Ok(warnings)
}
