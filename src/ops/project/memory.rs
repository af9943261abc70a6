//! What was projected, as this machine remembers it: tells what is out of date from what somebody edited.

use std::path::PathBuf;

use rayon::prelude::*;

use crate::disk::read_regular;
use crate::error::Result;
use crate::model::{ArtifactPath, Digest};
use crate::ops::Workspace;
use crate::projection::{self, Lies, Places, Record};
use crate::store::Snapshot;

/// Returns the file that remembers what was projected.
pub(super) fn path(workspace: &Workspace) -> PathBuf {
    workspace.folder().join("projected")
}

/// Reads what was projected; nothing where nothing is remembered.
pub(crate) fn load(workspace: &Workspace) -> Record {
    Record::load(&path(workspace))
}

/// Returns true where what was projected is remembered, and every file of it that lies there holds what was projected last. Costs a look at
/// each, where a plan reads what is recorded of all that is projected.
pub(super) fn is_as_projected(workspace: &Workspace) -> bool {
    let record = load(workspace);
    let mut places = Places::new(workspace.root());
    let files: Vec<_> = record
        .files()
        .filter_map(|(path, digest)| places.find(path).ok().map(|place| (place, *digest)))
        .collect();
    let is_right = |(place, digest): &(PathBuf, Digest)| match projection::look(place, workspace.digests()) {
        Lies::File(found) => found == *digest,
        Lies::Nothing | Lies::Blocked(_) => true,
    };
    !files.is_empty() && files.par_iter().all(is_right)
}

/// Returns true where the content of a file that is not as planned was projected there earlier, so that nobody edited it.
pub(crate) fn was_projected(
    workspace: &Workspace,
    snapshot: &Snapshot,
    record: &Record,
    path: &ArtifactPath,
    digest: &Digest,
) -> Result<bool> {
    if record.knows(path, digest) || was_written(snapshot, path, digest)? {
        return Ok(true);
    }
    // An index says of itself whether anybody edited it.
    if path.file_name() != projection::INDEX_NAME.as_bytes() {
        return Ok(false);
    }
    let bytes = path.on_disk(workspace.root()).and_then(|place| read_regular(&place).ok());
    Ok(bytes.is_some_and(|bytes| projection::is_own_index(&bytes)))
}

/// Returns true where a step is recorded to have written these bytes there.
fn was_written(snapshot: &Snapshot, path: &ArtifactPath, digest: &Digest) -> Result<bool> {
    snapshot.version_no(path, digest)?.map_or(Ok(false), |version| snapshot.is_written(version))
}
