//! What `lineage show` says of commands at work: what they have read and written so far.

use std::path::Path;

use super::{Direction, Showing};
use crate::error::Result;
use crate::model::{ArtifactPath, NodeId, RunKind};
use crate::ops::locate::named_place;
use crate::ops::run::{SoFar, so_far};
use crate::query::RunHead;

/// A file of which nothing is recorded yet, and which a command at work has read or written.
#[derive(Debug, Clone)]
pub struct AtWorkReport {
    /// Where it lies.
    pub path: ArtifactPath,
    /// Which way was gone: down where nobody has written it.
    pub direction: Direction,
    /// Who has read or written it, the latest first.
    pub so_far: Vec<SoFar>,
}

impl Showing<'_> {
    /// Finds who has had to do with a file of which nothing is recorded; `None` where nobody has.
    pub(super) fn at_work(&self, folder: &Path) -> Result<Option<AtWorkReport>> {
        let place = named_place(self.workspace, self.snapshot, folder, &self.request.word);
        let Some(path) =
            place.ok().and_then(|place| ArtifactPath::within(self.workspace.root(), &place).ok())
        else {
            return Ok(None);
        };
        for direction in [self.request.direction, Direction::Down] {
            let so_far = self.so_far_of_file(&path, direction)?;
            if !so_far.is_empty() {
                return Ok(Some(AtWorkReport { path, direction, so_far }));
            }
        }
        Ok(None)
    }

    /// Finds what commands at work have made a file of so far, or made of it.
    pub(super) fn so_far_of_file(&self, path: &ArtifactPath, direction: Direction) -> Result<Vec<SoFar>> {
        let mut found = so_far(self.workspace, self.snapshot)?;
        found.retain(|so_far| so_far.run.has(path));
        for so_far in &mut found {
            so_far.run = match direction {
                Direction::Up => so_far.run.way_to(path),
                Direction::Down => so_far.run.way_from(path),
            };
        }
        found.retain(|so_far| !so_far.run.steps.is_empty());
        Ok(found)
    }

    /// Returns what a run has done so far, if it is a command at work.
    pub(super) fn so_far_of_run(&self, head: &RunHead) -> Result<Option<SoFar>> {
        if !head.alive || head.view.run.kind != RunKind::Command {
            return Ok(None);
        }
        let id: NodeId = head.view.run.id;
        Ok(so_far(self.workspace, self.snapshot)?
            .into_iter()
            .find(|so_far| so_far.run.head.view.run.id == id))
    }
}
