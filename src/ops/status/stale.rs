//! Files that were made from what is no longer so.

use super::files::OnDisk;
use super::{Looking, StaleCause, StaleFile};
use crate::error::Result;
use crate::model::Digest;
use crate::query::{Ancestry, Write};
use crate::store::PathNo;

impl Looking<'_> {
    /// Returns the digest of what lies at a path now; where it is gone and was written, that of what can be written again.
    fn now(&self, path: PathNo) -> Option<Digest> {
        let at = self.places.get(&path)?;
        let file = &self.files[*at];
        match self.disk.get(at)? {
            OnDisk::Other(digest) => Some(*digest),
            // What is no file, such as the environment of a program, is another thing to each of its readers.
            OnDisk::Gone | OnDisk::Elsewhere => file.writer.map(|_| file.artifact.digest),
            OnDisk::Same | OnDisk::Unreadable(_) => Some(file.artifact.digest),
        }
    }

    pub(super) fn find_stale(&mut self, current: &[(usize, Write)], ancestry: &Ancestry) -> Result<()> {
        let outdated = ancestry.outdated(&|path| self.now(path));
        for ((at, _), outdated) in current.iter().zip(outdated) {
            // What was altered or lost itself is listed as that.
            let is_as_recorded = self.disk[at] == OnDisk::Same || self.kept.contains(at);
            if outdated.is_empty() || !is_as_recorded {
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
}
