//! Sources that somebody gave another name by hand: they are known by their bytes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::ControlFlow;

use super::files::{OnDisk, on_disk};
use crate::error::Result;
use crate::model::{ArtifactPath, Digest};
use crate::ops::Workspace;
use crate::query::NewestFile;
use crate::store::{ArtifactNo, Snapshot};

/// The file on disk that was first read last, of those with the same bytes that no recorded step wrote: by digest.
#[derive(Default)]
pub(super) struct Renamings {
    newest: HashMap<Digest, Option<(ArtifactPath, i64)>>,
}

impl Renamings {
    /// Returns where a source that is gone lies now: at a path where its bytes were read for the first time after they were read for the
    /// last time at its own. All empty files are equal; that makes none of them another's new name.
    pub(super) fn of(
        &mut self,
        workspace: &Workspace,
        snapshot: &Snapshot,
        file: &NewestFile,
    ) -> Result<Option<ArtifactPath>> {
        if file.writer.is_some() || file.artifact.size_bytes == 0 {
            return Ok(None);
        }
        let newest = match self.newest.entry(file.artifact.digest) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(newest(workspace, snapshot, &file.artifact.digest)?),
        };
        let Some((path, since)) = newest else { return Ok(None) };
        let read =
            snapshot.reads_between(file.number, *since, i64::MAX, |_, _| Ok(ControlFlow::Break(())))?;
        Ok(read.is_continue().then(|| path.clone()))
    }
}

fn newest(
    workspace: &Workspace,
    snapshot: &Snapshot,
    digest: &Digest,
) -> Result<Option<(ArtifactPath, i64)>> {
    let mut found: Option<(ArtifactPath, i64)> = None;
    for number in snapshot.artifacts_with(digest)? {
        let Some(since) = first_read(snapshot, number)? else { continue };
        let artifact = snapshot.artifact(number)?;
        let is_later = found.as_ref().is_none_or(|(_, known)| *known < since);
        if is_later && on_disk(workspace, &artifact) == OnDisk::Same {
            found = Some((artifact.path, since));
        }
    }
    Ok(found)
}

/// Returns when a version was first read; `None` where a recorded step wrote it.
fn first_read(snapshot: &Snapshot, version: ArtifactNo) -> Result<Option<i64>> {
    if snapshot.is_written(version)? {
        return Ok(None);
    }
    let first = snapshot.reads_between(version, i64::MIN, i64::MAX, |at, _| Ok(ControlFlow::Break(at)))?;
    Ok(first.break_value())
}
