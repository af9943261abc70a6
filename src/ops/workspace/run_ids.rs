//! Run ids: which are free, and taking one without waiting for anybody.
//!
//! Whoever starts a run makes an empty file with the name of its run id, which only one process can do. The file stays until
//! the store has the run, so that what it has not is told by these files, and no segment needs to be read for it.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::error::{Error, Result};
use crate::model::{RunId, Timestamp};
use crate::ops::Workspace;
use crate::store::Snapshot;

/// A second, in microseconds.
const SECOND_MICROS: i64 = 1_000_000;
/// So many seconds may a run id run ahead of the clock before it takes a number.
const AHEAD_MAX_SECONDS: i64 = 3;
/// A taken run id whose run is recorded nowhere after so long belongs to a process that died before it could.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Chooses the run id of a run that starts at `at`: that of its second or of one of the next few; where all of these are taken,
/// as in a burst, that of its second with the next number behind it.
///
/// The end of the numbers is looked for in leaps, so that the thousandth run of a burst does not ask for each of the thousand
/// before it.
///
/// # Errors
/// Those of `is_taken`.
pub(crate) fn free_label(at: Timestamp, is_taken: &dyn Fn(&RunId) -> Result<bool>) -> Result<RunId> {
    for ahead in 0..=AHEAD_MAX_SECONDS {
        let label = RunId::at(at.plus_micros(ahead * SECOND_MICROS));
        if !is_taken(&label)? {
            return Ok(label);
        }
    }
    let label = |number: usize| RunId::at(at).numbered(number);
    let (mut last_taken, mut free) = (1, 2);
    while is_taken(&label(free))? {
        (last_taken, free) = (free, free * 2);
    }
    while free - last_taken > 1 {
        let middle = last_taken.midpoint(free);
        if is_taken(&label(middle))? { last_taken = middle } else { free = middle }
    }
    Ok(label(free))
}

impl Workspace {
    /// Takes the run id of a run that starts at `at`; returns a state of the store, too, where there is one.
    ///
    /// # Errors
    /// A store error where the workspace cannot be written, or the store not be read.
    pub(crate) fn take_run_id(&self, at: Timestamp) -> Result<(RunId, Option<Snapshot>)> {
        let mut snapshot: Option<Snapshot> = None;
        loop {
            let run_id = free_label(at, &|label| match &snapshot {
                _ if self.place_of(label).exists() => Ok(true),
                Some(snapshot) => snapshot.has_label(label),
                None => Ok(false),
            })?;
            if !self.mark_as_taken(&run_id)? {
                continue;
            }
            // Asked behind that: the file of somebody else's goes once the store has their run, and not before.
            snapshot = self.store().snapshot().ok().flatten();
            let is_known = snapshot.as_ref().map_or(Ok(false), |snapshot| snapshot.has_label(&run_id))?;
            if !is_known {
                return Ok((run_id, snapshot));
            }
            self.give_back_run_id(&run_id);
        }
    }

    /// Gives back a run id that was taken, where no run was recorded with it.
    pub(crate) fn give_back_run_id(&self, run_id: &RunId) {
        let _ = fs::remove_file(self.place_of(run_id));
    }

    /// Makes the file of a run id; false where somebody else has.
    fn mark_as_taken(&self, run_id: &RunId) -> Result<bool> {
        let place = self.place_of(run_id);
        let make = || self.disk().create_new(&place);
        let made = make().or_else(|cause| match cause.kind() {
            io::ErrorKind::NotFound => self.disk().create_folders(&self.run_ids()).and_then(|()| make()),
            _ => Err(cause),
        });
        match made {
            Ok(_) => Ok(true),
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(cause) => {
                Err(Error::store(format!("cannot take a run id in `{}`", self.run_ids().display()))
                    .because(cause)
                    .hint("nothing was recorded, and nothing was changed"))
            }
        }
    }

    /// Removes the files of run ids that the store has by now, and of those whose processes died before they recorded anything.
    ///
    /// # Errors
    /// A store error where the store cannot be read.
    pub(super) fn let_run_ids_go(&self, snapshot: &Snapshot) -> Result<()> {
        let now = SystemTime::now();
        for file in fs::read_dir(self.run_ids()).into_iter().flatten().flatten() {
            let name = file.file_name();
            let Some(run_id) = name.to_str().and_then(|name| name.parse::<RunId>().ok()) else {
                continue;
            };
            let age =
                || now.duration_since(file.metadata().and_then(|metadata| metadata.modified()).ok()?).ok();
            if snapshot.has_label(&run_id)? || age().is_some_and(|age| age > ABANDONED_AFTER) {
                let _ = fs::remove_file(file.path());
            }
        }
        Ok(())
    }

    fn run_ids(&self) -> PathBuf {
        self.folder().join("run_ids")
    }

    fn place_of(&self, run_id: &RunId) -> PathBuf {
        self.run_ids().join(run_id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::journal::Writer;
    use crate::model::{Fact, NodeId, Run, RunKind};
    use crate::ops::library::{Library, LibraryRequest};
    use crate::ops::{Clock, Recording, RunRequest};
    use crate::query::{find_run, shown_label};

    const AT: Timestamp = Timestamp::from_micros(1_765_561_338_900_000);

    #[test]
    fn a_burst_takes_the_next_few_seconds_and_then_numbers_without_a_gap() {
        let mut taken = BTreeSet::new();
        let mut given = Vec::new();
        for _ in 0..70 {
            let label = free_label(AT, &|label| Ok(taken.contains(label))).unwrap();
            assert!(taken.insert(label.clone()), "{label}");
            given.push(label.to_string());
        }
        let seconds = ["20251212_174218", "20251212_174219", "20251212_174220", "20251212_174221"];
        assert_eq!(given[..4], seconds);
        let numbered: Vec<String> = (2..68).map(|number| format!("20251212_174218_{number}")).collect();
        assert_eq!(given[4..], numbered);
    }

    #[test]
    fn processes_that_start_at_once_take_different_run_ids_though_others_apply_facts_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::init(folder.path()).unwrap();
        let start = || {
            let clock = Clock::new(|| AT);
            let request = RunRequest::new("x", RunKind::Command);
            let recording = Recording::start_soon(&workspace, &clock, request).unwrap();
            let run_id = recording.run().run_id.clone();
            recording.finish(crate::model::RunStatus::Succeeded, Some(0), None).unwrap();
            run_id
        };
        let given = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| [(); 12].map(|()| start()))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        let all: BTreeSet<&RunId> = given.iter().collect();
        assert_eq!(all.len(), 96);
        drop(workspace.view().unwrap());
        assert_eq!(fs::read_dir(workspace.run_ids()).unwrap().count(), 0, "the store has them all");
    }

    #[test]
    fn a_run_starts_while_somebody_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::init(folder.path()).unwrap();
        let held = workspace.lock_to_change().unwrap();
        let clock = Clock::new(|| AT);
        for _ in 0..40 {
            let request = RunRequest::new("x", RunKind::Command);
            let recording = Recording::start(&workspace, &clock, request).unwrap();
            recording.finish(crate::model::RunStatus::Succeeded, Some(0), None).unwrap();
        }
        assert!(workspace.store().snapshot().unwrap().is_none(), "nobody could apply anything");
        drop(held);
        assert_eq!(workspace.view().unwrap().snapshot.counts().unwrap().0, 40);
    }

    #[test]
    fn no_run_id_is_chosen_twice_whoever_starts_runs_in_between() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::init(folder.path()).unwrap();
        let clock = Clock::new(|| AT);
        let library = Library::new(workspace.clone(), clock.clone());
        let start_here = || {
            let request = LibraryRequest {
                name: "x".to_owned(),
                folder: folder.path().to_owned(),
                ..LibraryRequest::default()
            };
            library.start(request).unwrap().run().run_id.clone()
        };
        let start_elsewhere = || {
            let request = RunRequest::new("x", RunKind::Library);
            Recording::start(&workspace, &clock, request).unwrap().run().run_id.clone()
        };
        let mut given = Vec::new();
        for round in 0..30 {
            given.push(if round % 3 == 0 { start_elsewhere() } else { start_here() });
            if round % 10 == 9 {
                // What is applied and packed meanwhile is known as well.
                drop(workspace.view().unwrap());
            }
        }
        assert_eq!(given[0].as_str(), "20251212_174218");
        assert_eq!(given[29].as_str(), "20251212_174218_27");
        let all: BTreeSet<RunId> = given.iter().cloned().collect();
        assert_eq!(all.len(), given.len());
    }

    #[test]
    fn every_run_is_shown_with_a_label_of_its_own_and_found_by_it() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::init(folder.path()).unwrap();
        // As merges bring them: by key, those that began first.
        let recorded = ["", "", "_2", "_2", "", "_4"].map(|number| format!("20251212_174218{number}"));
        let segment = NodeId::new(AT).as_u128();
        let mut writer = Writer::create(workspace.disk(), &workspace.journal(), segment).unwrap();
        let mut runs = Vec::new();
        for (label, later) in recorded.iter().zip(0..) {
            let at = AT.plus_micros(later);
            let run = Run::new(NodeId::new(at), label.parse().unwrap(), "x", RunKind::Command, at, segment);
            writer.append(&Fact::RunStarted(run.clone())).unwrap();
            runs.push(run);
        }
        writer.commit().unwrap();
        let snapshot = workspace.view().unwrap().snapshot;
        let mut shown = Vec::new();
        for run in runs {
            let number = snapshot.run_no(run.id).unwrap().unwrap();
            let label = shown_label(&snapshot, number, &run.run_id).unwrap();
            let selector = label.as_str().parse().unwrap();
            assert_eq!(find_run(&snapshot, &selector).unwrap(), number, "{label}");
            shown.push(label.number());
        }
        assert_eq!(shown, [1, 3, 2, 6, 5, 4]);
    }
}
