//! What `lineage show` says of commands at work: what they have read and written so far.

use std::path::Path;

use super::{Direction, Showing};
use crate::error::Result;
use crate::model::{ArtifactPath, NodeId, RunKind};
use crate::ops::locate::named_place;
use crate::ops::run::{SoFar, so_far};
use crate::query::{RunHead, TraceFile, TraceRunStep};

/// A file of which nothing is recorded yet, and which a command at work has read or written.
#[derive(Debug, Clone)]
pub struct AtWorkReport {
    /// Where it lies.
    pub path: ArtifactPath,
    /// Which way was asked for.
    pub direction: Direction,
    /// Who has read or written it, the latest first.
    pub so_far: Vec<SoFar>,
}

impl Showing<'_> {
    /// Finds who has had to do with a file of which nothing is recorded; `None` where nobody has.
    pub(super) fn at_work(&self, folder: &Path) -> Result<Option<AtWorkReport>> {
        let direction = self.request.direction;
        let place = named_place(self.workspace, self.snapshot, folder, &self.request.word);
        let Some(path) =
            place.ok().and_then(|place| ArtifactPath::within(self.workspace.root(), &place).ok())
        else {
            return Ok(None);
        };
        let with = |step: &TraceRunStep| names(&step.used, &path) || names(&step.generated, &path);
        let so_far = self.so_far_with(&with)?;
        Ok((!so_far.is_empty()).then_some(AtWorkReport { path, direction, so_far }))
    }

    /// Finds who has written a file so far, or read it where the way goes down.
    pub(super) fn so_far_of_file(&self, path: &ArtifactPath) -> Result<Vec<SoFar>> {
        self.so_far_with(&|step| match self.request.direction {
            Direction::Up => names(&step.generated, path),
            // That somebody has read it and written nothing yet leads nowhere.
            Direction::Down => names(&step.used, path) && !step.generated.is_empty(),
        })
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

    /// Returns of each command at work the steps that `is_wanted`, where there are any.
    fn so_far_with(&self, is_wanted: &dyn Fn(&TraceRunStep) -> bool) -> Result<Vec<SoFar>> {
        let mut found = so_far(self.workspace, self.snapshot)?;
        for so_far in &mut found {
            so_far.run.steps.retain(is_wanted);
        }
        found.retain(|so_far| !so_far.run.steps.is_empty());
        Ok(found)
    }
}

fn names(files: &[TraceFile], path: &ArtifactPath) -> bool {
    files.iter().any(|file| file.artifact.path == *path)
}
