//! Which run ids are taken, kept up to date for a process that starts many runs.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::error::Result;
use crate::journal::{self, Listing, Reader, SegmentRef};
use crate::model::{Fact, RunId, Timestamp};
use crate::ops::recording::SECOND_MICROS;
use crate::ops::{Clock, Workspace};
use crate::store::{GO_ON, Store};

/// The run ids that are taken from some second on, and how far the journal has been read for them.
///
/// To choose a run id takes all of them, and the store and the journal hold more than a process that starts thousands of runs
/// should read each time. So the store is asked once, and of the journal only what is new is read from then on.
#[derive(Debug, Default)]
pub(super) struct Labels {
    /// All labels from this second on are in `taken`; `None` where nothing is known yet.
    from: Option<Timestamp>,
    taken: BTreeSet<String>,
    /// Every second from the first of these to the second, without it, is taken.
    full: Option<(i64, i64)>,
    read: HashMap<u128, u64>,
    packs: HashSet<u128>,
}

impl Labels {
    /// Chooses the run id of a run that starts now: that of the current second, or of the next free one. To be called by the
    /// holder of the lock for starts. `own` is the segment of which the caller tells every label itself.
    ///
    /// The clock goes on after all that was read.
    ///
    /// # Errors
    /// A store error where the journal or the store cannot be read.
    pub fn choose(&mut self, workspace: &Workspace, clock: &Clock, own: Option<u128>) -> Result<RunId> {
        let wall = clock.wall();
        let known = self.from.is_some_and(|from| from <= wall);
        if !known || !self.read_new(workspace, clock, own)? {
            self.read_all(workspace, clock, wall)?;
        }
        let first = wall.micros().div_euclid(SECOND_MICROS) * SECOND_MICROS;
        let (start, end) =
            self.full.filter(|(start, end)| (*start..=*end).contains(&first)).unwrap_or((first, first));
        let is_taken = |label: &RunId| self.taken.contains(label.as_str());
        let (second, label) = first_free(Timestamp::from_micros(end), is_taken);
        self.full = Some((start, second.micros()));
        Ok(label)
    }

    /// Takes note of a run id that the caller has recorded.
    pub fn take(&mut self, label: &RunId) {
        self.taken.insert(label.as_str().to_owned());
    }

    /// Reads what the store holds and what the journal holds beyond that.
    fn read_all(&mut self, workspace: &Workspace, clock: &Clock, wall: Timestamp) -> Result<()> {
        *self = Labels::default();
        let snapshot = workspace.store().snapshot()?;
        let listing = Store::listing(snapshot.as_ref(), &workspace.journal())?;
        if let Some(snapshot) = &snapshot {
            clock.not_before(snapshot.latest());
            snapshot.labels_from(RunId::at(wall).as_str(), |label| {
                self.taken.insert(label.to_owned());
                GO_ON
            })?;
            for segment in &listing.segments {
                self.read.insert(segment.segment, snapshot.applied_bytes(segment.segment)?);
            }
        }
        self.packs.extend(&listing.packs);
        self.read_segments(&listing, clock, None);
        self.from = Some(wall);
        Ok(())
    }

    /// Reads what is new in the journal; false where packs are new, of which the store knows better how much of them is.
    fn read_new(&mut self, workspace: &Workspace, clock: &Clock, own: Option<u128>) -> Result<bool> {
        let listing = journal::list(&workspace.journal(), &|pack| self.packs.contains(&pack))?;
        if !listing.packs.iter().all(|pack| self.packs.contains(pack)) {
            return Ok(false);
        }
        self.read_segments(&listing, clock, own);
        Ok(true)
    }

    fn read_segments(&mut self, listing: &Listing, clock: &Clock, own: Option<u128>) {
        for segment in listing.segments.iter().filter(|segment| Some(segment.segment) != own) {
            let start = self.read.get(&segment.segment).copied().unwrap_or(0);
            if start < segment.length {
                let end = self.read_segment(segment, start, clock);
                self.read.insert(segment.segment, end);
            }
        }
    }

    /// Reads a segment from `start` on; returns how far. What cannot be read is left to whoever applies it.
    fn read_segment(&mut self, segment: &SegmentRef, start: u64, clock: &Clock) -> u64 {
        let Ok(Some(bytes)) = journal::read_segment(segment, start, u64::MAX) else {
            return start;
        };
        let Ok(Some(mut reader)) = Reader::new("labels", &bytes) else {
            return start;
        };
        let mut latest = Timestamp::default();
        while let Ok(Some(frame)) = reader.next() {
            match frame.fact {
                Fact::RunStarted(run) => {
                    latest = latest.max(run.started_at);
                    self.taken.insert(run.run_id.as_str().to_owned());
                }
                Fact::RunOutcome(outcome) => latest = latest.max(outcome.at),
                Fact::StepDone(step) => {
                    let edges = step.used.iter().map(|edge| edge.at);
                    let edges = edges.chain(step.generated.iter().map(|edge| edge.at));
                    latest = edges.fold(latest.max(step.ended_at), Timestamp::max);
                }
                _ => {}
            }
        }
        clock.not_before(latest);
        reader.offset()
    }
}

/// Walks from the second of `at` to the first one whose label is not taken.
fn first_free(at: Timestamp, is_taken: impl Fn(&RunId) -> bool) -> (Timestamp, RunId) {
    let mut second = at;
    loop {
        let label = RunId::at(second);
        if !is_taken(&label) {
            return (second, label);
        }
        second = second.plus_micros(SECOND_MICROS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RunKind;
    use crate::ops::library::{Library, LibraryRequest};
    use crate::ops::{Recording, RunRequest};

    fn start_elsewhere(workspace: &Workspace, clock: &Clock) -> RunId {
        let request = RunRequest::new("x", RunKind::Library);
        Recording::start(workspace, clock, request).unwrap().run().run_id.clone()
    }

    #[test]
    fn no_run_id_is_chosen_twice_whoever_starts_runs_in_between() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::init(folder.path()).unwrap();
        let clock = Clock::new(|| Timestamp::from_micros(1_765_561_338_400_000));
        let library = Library::new(workspace.clone(), clock.clone());
        let start_here = || {
            let request = LibraryRequest {
                name: "x".to_owned(),
                folder: folder.path().to_owned(),
                ..LibraryRequest::default()
            };
            library.start(request).unwrap().run().run_id.clone()
        };
        let mut given = Vec::new();
        for round in 0..30 {
            given.push(match round % 3 {
                0 => start_elsewhere(&workspace, &clock),
                _ => start_here(),
            });
            if round % 10 == 9 {
                // What is applied and packed meanwhile is known as well.
                drop(workspace.view().unwrap());
            }
        }
        assert_eq!(given[0].as_str(), "20251212_174218");
        assert_eq!(given[29].as_str(), "20251212_174247");
        let all: BTreeSet<RunId> = given.iter().cloned().collect();
        assert_eq!(all.len(), given.len());
    }
}
