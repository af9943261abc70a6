//! What was done in another workspace, and is known here since its facts were taken over.

use std::collections::HashMap;

use super::Looking;
use super::files::{OnDisk, on_disk};
use crate::error::Result;
use crate::query::{self, NewestFile, Removal};
use crate::store::{ArtifactNo, GO_ON, RunNo, StepNo};

impl Looking<'_> {
    /// Returns true where the newest version of a file was written, or of a source was read, by no run that was recorded here.
    pub(super) fn is_of_elsewhere(&self, file: &NewestFile) -> Result<bool> {
        if let Some(write) = &file.writer {
            return Ok(!self.is_recorded_here(write.step)?);
        }
        Ok(self.is_read_here(file.number)? == Some(false))
    }

    /// Tells whether a run that was recorded here read a version; `None` where none did anywhere.
    fn is_read_here(&self, version: ArtifactNo) -> Result<Option<bool>> {
        // One step of each run tells.
        let mut steps: HashMap<RunNo, StepNo> = HashMap::new();
        self.snapshot.reads_between(version, i64::MIN, i64::MAX, |_, step| {
            if let Some(run) = self.snapshot.run_of(step)? {
                steps.entry(run).or_insert(step);
            }
            Ok(GO_ON)
        })?;
        for step in steps.values() {
            if self.is_recorded_here(*step)? {
                return Ok(Some(true));
            }
        }
        Ok((!steps.is_empty()).then_some(false))
    }

    /// Takes for the newest version of a file the newest that runs of this workspace know, where the newest of all is another
    /// workspace's and does not lie here: what was made here is judged as if nothing had been taken over. What was brought here
    /// by hand as another workspace knows it is left as it is.
    pub(super) fn take_as_here(&mut self, looked: &[usize]) -> Result<()> {
        for at in looked {
            let now = match &self.disk[at] {
                OnDisk::Other(now) => Some(*now),
                OnDisk::Gone => None,
                _ => continue,
            };
            let newest = self.files[*at].clone();
            if newest.superseded || !self.is_of_elsewhere(&newest)? {
                continue;
            }
            let own = query::newest_file_known_to(self.snapshot, newest.path_no, &mut |step| {
                self.is_recorded_here(step)
            })?;
            let Some(own) = own else { continue };
            let lies = now.map_or(Ok(None), |now| self.snapshot.artifact_no(newest.path_no, &now))?;
            if let Some(lies) = lies
                && self.here.last_write(self.snapshot, lies)?.0.is_none()
                && self.is_read_here(lies)? != Some(true)
            {
                continue;
            }
            self.disk.insert(*at, on_disk(self.workspace, &own.artifact));
            self.files[*at] = own;
            self.newer_elsewhere.insert(*at, newest);
        }
        Ok(())
    }

    /// Finds who took a file away; of one that is judged by what runs of this workspace know, whoever of them did.
    pub(super) fn removal(&self, at: usize) -> Result<Option<Removal>> {
        let path_no = self.files[at].path_no;
        if !self.newer_elsewhere.contains_key(&at) {
            return query::removed(self.snapshot, path_no);
        }
        query::removed_as_known_to(self.snapshot, path_no, &mut |step| self.is_recorded_here(step))
    }

    fn is_recorded_here(&self, step: StepNo) -> Result<bool> {
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
