//! What was done in another workspace, and is known here since its facts were taken over.

use std::collections::HashMap;

use super::Looking;
use crate::error::Result;
use crate::query::NewestFile;
use crate::store::{GO_ON, RunNo, StepNo};

impl Looking<'_> {
    /// Returns true where the newest version of a file was written, or of a source was read, by no run that was recorded here.
    pub(super) fn is_of_elsewhere(&mut self, file: &NewestFile) -> Result<bool> {
        if let Some(write) = &file.writer {
            return Ok(!self.is_recorded_here(write.step)?);
        }
        // One step of each run tells.
        let mut steps: HashMap<RunNo, StepNo> = HashMap::new();
        self.snapshot.reads_between(file.number, i64::MIN, i64::MAX, |_, step| {
            if let Some(run) = self.snapshot.run_of(step)? {
                steps.entry(run).or_insert(step);
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
        self.here.has_step(self.snapshot, step)
    }

    /// Takes for the writer of each file the last run of this workspace that wrote those bytes there, where there is one: another
    /// workspace's run made its own file.
    pub(super) fn prefer_own_writers(&mut self, targets: &[usize]) -> Result<()> {
        for at in targets {
            let Some(write) = self.files[*at].writer else { continue };
            if !self.is_recorded_here(write.step)?
                && let (Some(own), _) = self.here.last_write(self.snapshot, write.artifact)?
            {
                self.files[*at].writer = Some(own);
            }
        }
        Ok(())
    }
}
