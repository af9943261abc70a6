//! Files that were made from what is no longer so, or from what is not certain.

use std::collections::HashSet;

use super::files::OnDisk;
use super::{DoubtfulFile, Looking, StaleCause, StaleFile};
use crate::error::Result;
use crate::model::{Artifact, Digest};
use crate::query::{Ancestry, Write, claimed_by_others, unique_tail};
use crate::store::PathNo;

impl Looking<'_> {
    /// Returns the digest of what lies at a path now; where it is gone and was written, that of what can be written again.
    fn now(&self, path: PathNo) -> Option<Digest> {
        let at = self.places.get(&path)?;
        let file = &self.files[*at];
        match self.disk.get(at)? {
            OnDisk::Other(digest) => Some(*digest),
            // What is no file, such as the environment of a program, is another thing to each of its readers.
            OnDisk::Gone | OnDisk::Elsewhere if file.read_since.is_some() => None,
            OnDisk::Gone | OnDisk::Elsewhere => file.writer.map(|_| file.artifact.digest),
            // What is not known may be what it was.
            OnDisk::Same | OnDisk::Unknown | OnDisk::Unreadable(_) => Some(file.artifact.digest),
        }
    }

    pub(super) fn find_stale(&mut self, current: &[(usize, Write)], ancestry: &Ancestry) -> Result<()> {
        let outdated = ancestry.outdated(self.snapshot, &|path| self.now(path))?;
        for ((at, _), outdated) in current.iter().zip(outdated) {
            // What was altered or lost itself is listed as that.
            if outdated.is_empty() || !self.is_as_recorded(*at) {
                continue;
            }
            let mut causes = Vec::with_capacity(outdated.len());
            for cause in outdated {
                let used = self.snapshot.artifact(cause.used)?;
                let Some(now) = self.now(cause.path) else { continue };
                let newest = self.files[self.places[&cause.path]].clone();
                let write = newest.writer.filter(|_| newest.artifact.digest == now);
                let run = match write {
                    Some(write) => self.writer(write)?.map(|writer| writer.tail),
                    None => None,
                };
                causes.push(StaleCause { used, now, run });
            }
            causes.sort();
            let file = self.files[*at].clone();
            let file = self.recorded(&file)?;
            self.report.stale.push(StaleFile { file, causes });
        }
        Ok(())
    }

    fn is_as_recorded(&self, at: usize) -> bool {
        let is_pending = self.kept.contains(&at) && !self.removed.contains_key(&at);
        matches!(self.disk[&at], OnDisk::Same | OnDisk::Unknown)
            || (is_pending && self.files[at].read_since.is_none())
    }

    /// Finds files whose inputs were changed while they were read, and files that two runs at once claim to have written. What is
    /// stale is to be made again in any case.
    pub(super) fn find_doubtful(&mut self, current: &[(usize, Write)], ancestry: &Ancestry) -> Result<()> {
        let stale: HashSet<Artifact> =
            self.report.stale.iter().map(|stale| stale.file.artifact.clone()).collect();
        for ((at, write), inputs) in current.iter().zip(ancestry.doubtful()) {
            let file = self.files[*at].clone();
            if !self.is_as_recorded(*at) || stale.contains(&file.artifact) {
                continue;
            }
            let others = claimed_by_others(self.snapshot, write)?;
            if inputs.is_empty() && others.is_empty() {
                continue;
            }
            let inputs = inputs.into_iter().map(|input| self.snapshot.artifact(input));
            let mut changed_while_read = inputs.collect::<Result<Vec<_>>>()?;
            changed_while_read.sort();
            let mut also_written_by = Vec::with_capacity(others.len());
            for other in others {
                if let Some(run) = self.snapshot.run(other)? {
                    also_written_by.push(unique_tail(self.snapshot, run.id)?);
                }
            }
            also_written_by.sort();
            let file = self.recorded(&file)?;
            self.report.doubtful.push(DoubtfulFile { file, changed_while_read, also_written_by });
        }
        Ok(())
    }
}
