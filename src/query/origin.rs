//! Where the bytes that somebody read came from: one step back, by time.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::model::NodeId;
use crate::store::{ArtifactNo, Snapshot, StepNo};

/// One write of an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Write {
    /// What was written.
    pub artifact: ArtifactNo,
    /// Microseconds of the last write.
    pub at: i64,
    /// The step that wrote.
    pub step: StepNo,
    /// That step's key, which orders simultaneous writes the same way in every store.
    pub id: NodeId,
}

/// Where an artifact that was read came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A step wrote those bytes at that path.
    Written(Write),
    /// Nobody wrote them there, but a step wrote the same bytes at another path before: copied or moved.
    Copied(Write),
    /// Nobody wrote those bytes, but a step wrote other bytes at that path before: something unrecorded came between.
    Gap(Write),
    /// Nobody recorded wrote there before.
    Source,
}

/// Finds the origin of an artifact as `reader` read it at `read_at` microseconds.
///
/// The writer is the last step that finished writing those bytes at that path before they were read: not the last writer of
/// the path, and not a later writer of the same bytes. Cost: a few index look-ups, however often the artifact was used.
///
/// # Errors
/// A store error where a record is damaged.
pub fn origin(
    snapshot: &Snapshot,
    artifact: ArtifactNo,
    read_at: i64,
    reader: Option<StepNo>,
) -> Result<Origin> {
    if let Some(write) = last_write(snapshot, artifact, read_at, reader)? {
        return Ok(Origin::Written(write));
    }
    if let Some(write) = copied_from(snapshot, artifact, read_at, reader)? {
        return Ok(Origin::Copied(write));
    }
    Ok(match last_write_at_path(snapshot, artifact, read_at, reader)? {
        Some(write) => Origin::Gap(write),
        None => Origin::Source,
    })
}

/// Finds the last write of an artifact up to `until`, not by `reader` itself.
fn last_write(
    snapshot: &Snapshot,
    artifact: ArtifactNo,
    until: i64,
    reader: Option<StepNo>,
) -> Result<Option<Write>> {
    let mut last = Last::default();
    snapshot.writes_until(artifact, until, |at, step| last.offer(at, step, artifact, reader))?;
    last.choose(snapshot)
}

/// Finds the last write of the same bytes at another path.
fn copied_from(
    snapshot: &Snapshot,
    artifact: ArtifactNo,
    until: i64,
    reader: Option<StepNo>,
) -> Result<Option<Write>> {
    let this = snapshot.artifact(artifact)?;
    // All empty files are equal; that says nothing on where they came from.
    if this.size_bytes == 0 {
        return Ok(None);
    }
    let mut best: Option<Write> = None;
    for other in snapshot.artifacts_with(&this.digest)? {
        if other == artifact {
            continue;
        }
        let Some(write) = last_write(snapshot, other, until, reader)? else {
            continue;
        };
        let later = match &best {
            None => true,
            Some(best) if (write.at, write.id) == (best.at, best.id) => {
                snapshot.artifact(write.artifact)?.path < snapshot.artifact(best.artifact)?.path
            }
            Some(best) => (write.at, write.id) > (best.at, best.id),
        };
        if later {
            best = Some(write);
        }
    }
    Ok(best)
}

/// Finds the last write of any bytes at the artifact's path.
fn last_write_at_path(
    snapshot: &Snapshot,
    artifact: ArtifactNo,
    until: i64,
    reader: Option<StepNo>,
) -> Result<Option<Write>> {
    let mut last = Last::default();
    let path = snapshot.path_of(artifact)?;
    snapshot.path_writes_until(path, until, |at, step, written| last.offer(at, step, written, reader))?;
    last.choose(snapshot)
}

/// Returns every write of an artifact, the last first.
///
/// # Errors
/// A store error where a record is damaged.
pub fn writers(snapshot: &Snapshot, artifact: ArtifactNo) -> Result<Vec<Write>> {
    let mut found = Vec::new();
    snapshot.writes_until(artifact, i64::MAX, |at, step| {
        found.push((at, step));
        Ok(ControlFlow::Continue(()))
    })?;
    let mut writes = Vec::with_capacity(found.len());
    for (at, step) in found {
        if let Some(edges) = snapshot.edges(step)? {
            writes.push(Write { artifact, at, step, id: edges.id });
        }
    }
    writes.sort_by_key(|write| std::cmp::Reverse((write.at, write.id)));
    Ok(writes)
}

/// Gathers the writes of the latest moment that are not the reader's own.
#[derive(Default)]
struct Last {
    found: Vec<(i64, StepNo, ArtifactNo)>,
}

impl Last {
    fn offer(
        &mut self,
        at: i64,
        step: StepNo,
        artifact: ArtifactNo,
        reader: Option<StepNo>,
    ) -> Result<ControlFlow<()>> {
        if self.found.first().is_some_and(|(latest, ..)| *latest != at) {
            return Ok(ControlFlow::Break(()));
        }
        if Some(step) != reader {
            self.found.push((at, step, artifact));
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Of simultaneous writes, takes the step whose key is greatest, and of its artifacts the one with the greatest digest.
    fn choose(self, snapshot: &Snapshot) -> Result<Option<Write>> {
        let mut best: Option<Write> = None;
        for (at, step, artifact) in self.found {
            let Some(edges) = snapshot.edges(step)? else {
                continue;
            };
            let write = Write { artifact, at, step, id: edges.id };
            let better = match &best {
                None => true,
                Some(best) if best.id == write.id => {
                    snapshot.artifact(artifact)?.digest > snapshot.artifact(best.artifact)?.digest
                }
                Some(best) => write.id > best.id,
            };
            if better {
                best = Some(write);
            }
        }
        Ok(best)
    }
}
