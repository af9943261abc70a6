//! What the journal has lost and a store still has.

use crate::error::Result;
use crate::journal;
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

    /// Holds the facts that were set aside against those of the journal.
    pub(super) fn set_aside(&mut self, rebuilt: &Snapshot) {
        for file in self.workspace.store().set_aside() {
            let name = self.named(file.path());
            match file.facts_beyond(rebuilt) {
                Ok(0) => {
                    let what = "the journal has all of its facts again; it can be deleted";
                    self.remark(Area::Journal, name, what);
                }
                Ok(lost) => {
                    let facts = if lost == 1 { "1 fact".to_owned() } else { format!("{lost} facts") };
                    let what = format!(
                        "it has {facts} that the journal has lost: `lineage merge {}` brings them back",
                        file.path().display()
                    );
                    self.fault(Area::Journal, name, what);
                }
                Err(error) => {
                    let hint = error.hint_text().map_or_else(String::new, |hint| format!(" ({hint})"));
                    let what = format!("it may have facts that the journal has lost, but {error}{hint}");
                    self.fault(Area::Journal, name, what);
                }
            }
        }
    }
}
