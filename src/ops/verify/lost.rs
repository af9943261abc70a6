//! What the journal has lost and a store still has.

use std::path::Path;

use crate::error::Result;
use crate::journal;
use crate::ops::verify::facts::{digests, only_in};
use crate::ops::verify::{Area, Verifying};
use crate::store::{LostSegment, Snapshot, Store};

impl Verifying<'_> {
    /// Finds segments of which the store has applied more than there is; false where there are some.
    pub(super) fn has_lost_nothing(&mut self, copy: &Store) -> Result<bool> {
        let Some(snapshot) = copy.snapshot()? else {
            return Ok(true);
        };
        let Ok(listing) = journal::list(&self.workspace.journal(), &|_| false) else {
            // Said already.
            return Ok(true);
        };
        let lost = Store::lost_segments(&snapshot, &listing)?;
        for LostSegment { segment, applied, left } in &lost {
            let place = listing.segments.iter().find(|listed| listed.segment == *segment);
            let gone = || self.named(&self.workspace.journal().join(journal::segment_name(*segment)));
            let name = place.map_or_else(gone, |place| self.segment_name(place));
            let what = match left {
                Some(left) => {
                    format!("it has {left} bytes, and had {applied} when it was applied to the store")
                }
                None => format!("it is gone, and had {applied} bytes when it was applied to the store"),
            };
            self.fault(Area::Journal, name, what);
        }
        Ok(lost.is_empty())
    }

    /// Holds the facts of old stores that were set aside against those of the journal.
    pub(super) fn set_aside(&mut self, place: &Path, rebuilt: &Snapshot) -> Result<()> {
        for path in self.workspace.store().set_aside() {
            let name = self.named(&path);
            let old = Store::at(&path).nameless_copy(place)?.snapshot().ok().flatten();
            let Some(lost) = old.and_then(|old| Some(only_in(&old, &digests(rebuilt).ok()?).ok()?.len()))
            else {
                let what = "it may have facts that the journal has lost, and this program cannot read it";
                self.fault(Area::Journal, name, what);
                continue;
            };
            if lost == 0 {
                self.remark(Area::Journal, name, "the journal has all of its facts again; it can be deleted");
            } else {
                let facts = if lost == 1 { "1 fact".to_owned() } else { format!("{lost} facts") };
                let what = format!(
                    "it has {facts} that the journal has lost: `lineage merge {}` brings them back",
                    path.display()
                );
                self.fault(Area::Journal, name, what);
            }
        }
        Ok(())
    }
}
