//! What `lineage show` says of commands at work: what they have read and written so far.

use std::path::Path;

use super::{Direction, Showing};
use crate::error::Result;
use crate::model::{ArtifactPath, NodeId, RunKind, Timestamp};
use crate::ops::locate::named_place;
use crate::ops::run::{SoFar, so_far};
use crate::query::{Folded, RunHead, TraceRun};

/// What a command at work has to do with a file.
#[derive(Debug, Clone)]
pub struct WaySoFar {
    /// Until when that is known.
    pub until: Timestamp,
    /// The run, and what of it is on the way.
    pub run: TraceRun,
    /// What lies behind files that its steps read and wrote on, where that was not asked for.
    pub folded: Option<Folded>,
}

/// A file of which nothing is recorded yet, and which a command at work has read or written.
#[derive(Debug, Clone)]
pub struct AtWorkReport {
    /// Where it lies.
    pub path: ArtifactPath,
    /// Which way was gone: down where nobody has written it.
    pub direction: Direction,
    /// Who has read or written it, the latest first.
    pub so_far: Vec<WaySoFar>,
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
        let found = self.so_far_with(&path)?;
        let up = match self.request.direction {
            Direction::Up => self.ways(&found, &path, Direction::Up),
            Direction::Down => Vec::new(),
        };
        let (direction, so_far) = match up.is_empty() {
            true => (Direction::Down, self.ways(&found, &path, Direction::Down)),
            false => (Direction::Up, up),
        };
        Ok((!so_far.is_empty()).then_some(AtWorkReport { path, direction, so_far }))
    }

    /// Finds what commands at work have made a file of so far, or made of it.
    pub(super) fn so_far_of_file(&self, path: &ArtifactPath, direction: Direction) -> Result<Vec<WaySoFar>> {
        Ok(self.ways(&self.so_far_with(path)?, path, direction))
    }

    /// Returns what the commands at work have done so far that have read or written a file.
    fn so_far_with(&self, path: &ArtifactPath) -> Result<Vec<SoFar>> {
        let mut found = so_far(self.workspace, self.snapshot)?;
        found.retain(|so_far| so_far.by_now.has(path));
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
            .find(|so_far| so_far.by_now.run.head.view.run.id == id))
    }

    /// Returns what of each went into a file, or came of it, where there is anything.
    fn ways(&self, found: &[SoFar], path: &ArtifactPath, direction: Direction) -> Vec<WaySoFar> {
        let ways = found.iter().map(|SoFar { until, by_now }| {
            let (run, folded) = by_now.way(path, direction, self.request.carried);
            WaySoFar { until: *until, run, folded }
        });
        ways.filter(|so_far| !so_far.run.steps.is_empty()).collect()
    }
}
