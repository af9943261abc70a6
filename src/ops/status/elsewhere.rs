//! What was done in another workspace, and is known here since its facts were taken over.

use std::collections::HashMap;

use super::Looking;
use crate::error::Result;
use crate::journal;
use crate::query::NewestFile;
use crate::store::{GO_ON, RunNo, StepNo};

impl Looking<'_> {
    /// Returns true where the newest version of a file was written, or of a source was read, by no run that was recorded here.
    ///
    /// A run names the segment of the journal that it was recorded in, and what is taken over stands in a segment of its own.
    pub(super) fn is_of_elsewhere(&mut self, file: &NewestFile) -> Result<bool> {
        if let Some(write) = &file.writer {
            return Ok(!self.is_recorded_here(write.step)?);
        }
        // One step of each run tells.
        let mut steps: HashMap<RunNo, StepNo> = HashMap::new();
        self.snapshot.reads_between(file.number, i64::MIN, i64::MAX, |_, step| {
            if let Some(edges) = self.snapshot.edges(step)? {
                steps.entry(edges.run).or_insert(step);
            }
            Ok(GO_ON)
        })?;
        for step in steps.values() {
            if self.is_recorded_here(*step)? {
                return Ok(false);
            }
        }
        Ok(!steps.is_empty())
    }

    fn is_recorded_here(&mut self, step: StepNo) -> Result<bool> {
        let edges = self.snapshot.edges(step)?;
        let run = edges.map_or(Ok(None), |edges| self.snapshot.run(edges.run))?;
        // Of a run whose start is not known nothing is known.
        let Some(run) = run else { return Ok(true) };
        let segments = match self.segments.take() {
            Some(segments) => segments,
            None => {
                let listing = journal::list(&self.workspace.journal(), &|_| false)?;
                listing.segments.into_iter().map(|segment| segment.segment).collect()
            }
        };
        let here = segments.contains(&run.segment);
        self.segments = Some(segments);
        Ok(here)
    }
}
