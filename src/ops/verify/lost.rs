//! What the journal has lost and a store still has.

use std::collections::HashSet;

use crate::error::Result;
use crate::journal;
use crate::model::RunStatus;
use crate::ops::verify::{Area, Verifying};
use crate::query;
use crate::store::{GO_ON, LostSegment, Snapshot, Store};

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

    /// Speaks of runs that have no end and whose segment is packed: nobody writes it any more, and if it had lost its last facts,
    /// store and journal would agree on that.
    pub(super) fn without_an_end(&mut self, rebuilt: &Snapshot) -> Result<()> {
        let Ok(listing) = journal::list(&self.workspace.journal(), &|_| false) else {
            // Said already.
            return Ok(());
        };
        let packed: HashSet<u128> =
            listing.segments.iter().filter(|segment| segment.packed).map(|segment| segment.segment).collect();
        rebuilt.runs_newest_first(|number| {
            let view = query::run_view(rebuilt, number)?;
            if let Some(view) = view.filter(|view| view.status() == RunStatus::Running)
                && packed.contains(&view.live_segment())
            {
                let name = format!("run {}", view.run.run_id);
                self.remark(Area::Journal, name, "it has no end: it was killed, or its last facts are lost");
            }
            Ok(GO_ON)
        })?;
        Ok(())
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
                    let error = error.in_full();
                    let what = format!("it may have facts that the journal has lost, but {error}{hint}");
                    self.fault(Area::Journal, name, what);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RunKind, Timestamp};
    use crate::ops::verify::verify;
    use crate::ops::{Clock, Recording, RunRequest, Workspace};

    #[test]
    fn a_run_that_has_no_end_and_lies_in_a_pack_is_remarked() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::init(folder.path()).unwrap();
        let clock = Clock::new(|| Timestamp::from_micros(1_765_561_338_400_000));
        let start = || Recording::start(&workspace, &clock, RunRequest::new("x", RunKind::Command)).unwrap();
        let killed = start().run().run_id.to_string();
        let ends = || {
            let report = verify(&workspace).unwrap();
            assert_eq!(report.faults, []);
            report.remarks.into_iter().filter(|remark| remark.what.starts_with("it has no end"))
        };
        assert_eq!(ends().count(), 0, "of a loose one, somebody may still be at it");
        for _ in 0..150 {
            start().finish(RunStatus::Succeeded, Some(0), None).unwrap();
        }
        let subjects: Vec<String> = ends().map(|remark| remark.subject).collect();
        assert_eq!(subjects, [format!("run {killed}")]);
    }
}
