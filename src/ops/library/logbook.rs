//! One journal segment for all runs of a process: cheap to add to, forced to the disk for all of them at once.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::journal::Writer;
use crate::model::{Fact, Metric, NodeId};
use crate::ops::library::edges::Edges;
use crate::ops::{Clock, Workspace};

/// What was added is on the disk after this time at the latest, and the time that forcing it there takes.
const SYNC_AFTER: Duration = Duration::from_millis(250);
/// A disk that failed is tried again after this time.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// After so many looks in a row at which there was nothing to do, nobody looks any more until there is.
const IDLE_LOOKS: u32 = 8;
/// As many points go into one record.
const POINTS_MAX: usize = 1024;
/// As many bytes are held in memory for a disk that takes nothing; more are refused.
const HELD_MAX_BYTES: usize = 64 << 20;
/// As many bytes may wait to be applied to the store before the one who added them does it.
const UNAPPLIED_MAX_BYTES: u64 = 4 << 20;

/// The segment, shared by everybody in this process who records runs.
///
/// Any number of threads add facts. What is added is handed to the system at once (points of metrics within
/// [`SYNC_AFTER`]), so that other processes see it and the end of this one does not harm it; it survives a power cut when
/// [`Logbook::commit`] has returned, for which threads wait together: one forces it to the disk for all.
#[derive(Debug)]
pub(super) struct Logbook {
    shared: Arc<Shared>,
    ticker: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    workspace: Workspace,
    clock: Clock,
    /// The process this belongs to. In a fork of it the locks below may be held by threads that are not there.
    process: u32,
    state: Mutex<State>,
    /// Somebody has come to the end of forcing facts to the disk.
    settled: Condvar,
    /// There is something to do for the ticker.
    woken: Condvar,
}

#[derive(Default)]
struct State {
    writer: Option<Writer>,
    points: Vec<Metric>,
    /// Edges of runs in progress, by run.
    open: Vec<(NodeId, Edges)>,
    /// Facts added so far, and how many of them are on the disk.
    added: u64,
    safe: u64,
    syncing: bool,
    idle: bool,
    closed: bool,
    /// Bytes of the segment that the store had when it was last brought up to date.
    applied: u64,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Logbook of process {} in {}", self.process, self.workspace.root().display())
    }
}

impl Logbook {
    /// Begins a segment.
    ///
    /// # Errors
    /// A store error where the journal cannot be written.
    pub fn create(workspace: &Workspace, clock: &Clock) -> Result<Self> {
        let segment = NodeId::new(clock.now()).as_u128();
        let writer = Writer::create(workspace.disk(), &workspace.journal(), segment)?;
        let shared = Arc::new(Shared {
            workspace: workspace.clone(),
            clock: clock.clone(),
            process: std::process::id(),
            state: Mutex::new(State { writer: Some(writer), idle: true, ..State::default() }),
            settled: Condvar::new(),
            woken: Condvar::new(),
        });
        Ok(Logbook { shared, ticker: Mutex::new(None) })
    }

    /// Returns true in the process that made it, and false in a fork of that.
    pub fn is_ours(&self) -> bool {
        self.shared.process == std::process::id()
    }

    /// Returns the segment.
    ///
    /// # Errors
    /// A request error in a forked process.
    pub fn segment(&self) -> Result<u128> {
        let state = self.shared.lock()?;
        state.writer.as_ref().map(Writer::segment).ok_or_else(closed)
    }

    /// Adds facts and hands them to the system.
    ///
    /// # Errors
    /// A store error where the journal cannot be written; they are tried again with whatever is added or committed next. Where
    /// [`HELD_MAX_BYTES`] wait already, they are not added.
    pub fn add(&self, facts: &[Fact]) -> Result<()> {
        let mut state = self.shared.lock()?;
        state.make_room()?;
        let added = state.add(facts);
        self.wake(state)?;
        added
    }

    /// Adds a point of a metric.
    ///
    /// # Errors
    /// As [`Logbook::add`].
    pub fn add_point(&self, point: Metric) -> Result<()> {
        let mut state = self.shared.lock()?;
        state.make_room()?;
        state.points.push(point);
        if state.points.len() >= POINTS_MAX {
            state.add_points()?;
        }
        if state.idle { self.wake(state) } else { Ok(()) }
    }

    /// Opens the edges of a run, which are recorded in time if nobody closes them.
    ///
    /// # Errors
    /// A request error in a forked process.
    pub fn open(&self, run: NodeId, edges: Edges) -> Result<()> {
        self.shared.lock()?.open.push((run, edges));
        Ok(())
    }

    /// Calls `change` on the open edges of a run.
    ///
    /// # Errors
    /// A request error in a forked process, and where they are closed.
    pub fn with_edges<T>(&self, run: NodeId, change: impl FnOnce(&mut Edges) -> T) -> Result<T> {
        let mut state = self.shared.lock()?;
        let open = state.open.iter_mut().find(|(id, _)| *id == run);
        let open = open.ok_or_else(|| Error::request("what has ended cannot be told of files"))?;
        let changed = change(&mut open.1);
        self.wake(state)?;
        Ok(changed)
    }

    /// Adds the edges of a run and its steps that are not recorded yet, as far as they are open here.
    ///
    /// # Errors
    /// As [`Logbook::add`].
    pub fn add_edges_of(&self, run: NodeId) -> Result<()> {
        let mut state = self.shared.lock()?;
        let at = self.shared.clock.now();
        let open = state.open.iter_mut().filter(|(_, edges)| edges.run() == run);
        let steps = open.filter_map(|(_, edges)| edges.step(at, Instant::now())).map(Fact::StepDone);
        let steps: Vec<Fact> = steps.collect();
        let added = state.add(&steps);
        self.wake(state)?;
        added
    }

    /// Records the edges of a run that are not recorded yet, and `last`, and forgets the run.
    ///
    /// # Errors
    /// A store error where the journal cannot be written; all of it is tried again with whatever is added or committed next.
    pub fn close(&self, run: NodeId, last: impl FnOnce(&mut Edges) -> Vec<Fact>) -> Result<()> {
        let mut state = self.shared.lock()?;
        let Some(position) = state.open.iter().position(|(id, _)| *id == run) else {
            return Ok(());
        };
        let (_, mut edges) = state.open.swap_remove(position);
        let added = state.add(&last(&mut edges));
        self.wake(state)?;
        added
    }

    /// Makes everything added so far survive a crash.
    ///
    /// # Errors
    /// A store error where the disk does not take it.
    pub fn commit(&self) -> Result<()> {
        self.shared.commit()
    }

    /// Brings the store up to date when much waits for it and nobody else is at it.
    pub fn apply_if_much(&self) -> Vec<String> {
        let Ok(mut state) = self.shared.lock() else {
            return Vec::new();
        };
        let length = state.writer.as_ref().map_or(0, Writer::length);
        // What could not be forced to the disk counts anew when it is written again.
        if length.saturating_sub(state.applied) < UNAPPLIED_MAX_BYTES {
            return Vec::new();
        }
        state.applied = length;
        drop(state);
        self.shared.workspace.apply_if_free()
    }

    /// Sees to it that what was added is forced to the disk in time.
    fn wake(&self, mut state: MutexGuard<'_, State>) -> Result<()> {
        if !std::mem::take(&mut state.idle) {
            return Ok(());
        }
        drop(state);
        self.shared.woken.notify_all();
        let mut ticker = self.ticker.lock().unwrap_or_else(PoisonError::into_inner);
        if ticker.is_none() {
            let shared = Arc::clone(&self.shared);
            let thread = std::thread::Builder::new().name("lineage".to_owned()).spawn(move || shared.tick());
            *ticker = Some(thread.map_err(|cause| {
                if let Ok(mut state) = self.shared.lock() {
                    // Whoever adds something next tries again.
                    state.idle = true;
                }
                Error::store("cannot start the thread that forces records to the disk").because(cause)
            })?);
        }
        Ok(())
    }
}

impl Drop for Logbook {
    /// Forces what is left to the disk and ends the segment.
    fn drop(&mut self) {
        if !self.is_ours() {
            return;
        }
        let _ = self.shared.commit();
        if let Ok(mut state) = self.shared.lock() {
            state.closed = true;
            if let (Some(writer), Some(now)) = (&state.writer, self.shared.clock.now_if_ahead()) {
                writer.date(now);
            }
            // The segment is closed before it is applied, so that whoever applies it sees it as closed.
            state.writer = None;
        }
        self.shared.woken.notify_all();
        let ticker = self.ticker.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ticker) = ticker {
            let _ = ticker.join();
        }
        let _ = self.shared.workspace.apply_if_worth();
    }
}

impl State {
    /// Refuses what is to be added where too much waits for the disk already. What was taken once is never refused.
    fn make_room(&mut self) -> Result<()> {
        let writer = self.writer.as_mut().ok_or_else(closed)?;
        if writer.unsynced_bytes() > HELD_MAX_BYTES {
            // So much is waiting only when the disk takes nothing; trying it once more tells why.
            writer.commit()?;
        }
        Ok(())
    }

    /// Returns true where nothing waits to be recorded, or to be forced to the disk.
    fn has_nothing_to_do(&self) -> bool {
        let is_safe = self.points.is_empty() && self.safe >= self.added;
        is_safe && self.open.iter().all(|(_, edges)| !edges.is_waiting())
    }

    fn add_points(&mut self) -> Result<()> {
        if self.points.is_empty() {
            return Ok(());
        }
        let points = std::mem::take(&mut self.points);
        self.append(&Fact::Metrics(points))
    }

    /// Adds facts after the points that wait, and hands all of it to the system. After an error all of them are added
    /// nevertheless (but for one that is too long); the error is the first.
    fn add(&mut self, facts: &[Fact]) -> Result<()> {
        let mut added = self.add_points();
        for fact in facts {
            added = added.and(self.append(fact));
        }
        added.and(self.writer.as_mut().ok_or_else(closed)?.hand_over())
    }

    fn append(&mut self, fact: &Fact) -> Result<()> {
        let writer = self.writer.as_mut().ok_or_else(closed)?;
        self.added += 1;
        writer.append(fact)
    }
}

fn closed() -> Error {
    Error::bug("the journal segment of this process is closed")
}

impl Shared {
    fn lock(&self) -> Result<MutexGuard<'_, State>> {
        if self.process != std::process::id() {
            return Err(Error::request(
                "a run that another process started cannot be written to in a fork of it",
            )
            .hint("open the workspace anew there, and `join` the run by its id"));
        }
        Ok(self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn commit(&self) -> Result<()> {
        let mut state = self.lock()?;
        state.add(&[])?;
        let wanted = state.added;
        while state.safe < wanted {
            if state.syncing {
                // Who is at it will be through in a moment, but may have begun before the last of ours was added.
                state = self.settled.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let upto = state.added;
            let mut point = state.writer.as_mut().ok_or_else(closed)?.sync_point()?;
            state.syncing = true;
            drop(state);
            let outcome = point.sync();
            state = self.lock()?;
            state.syncing = false;
            let settled = state.writer.as_mut().ok_or_else(closed).and_then(|w| w.settle(&point, outcome));
            if settled.is_ok() {
                state.safe = state.safe.max(upto);
            }
            self.settled.notify_all();
            settled?;
        }
        Ok(())
    }

    /// Forces what is added to the disk, in time, as long as the logbook is open.
    fn tick(&self) {
        let mut looks = 0;
        while let Ok(mut state) = self.lock() {
            if state.closed {
                return;
            }
            if looks >= IDLE_LOOKS && state.has_nothing_to_do() {
                state.idle = true;
                looks = 0;
                drop(self.woken.wait(state).unwrap_or_else(PoisonError::into_inner));
                continue;
            }
            let (state, _) =
                self.woken.wait_timeout(state, SYNC_AFTER).unwrap_or_else(PoisonError::into_inner);
            match self.commit_waiting(state) {
                Ok(true) => looks = 0,
                Ok(false) => looks += 1,
                // Whoever commits next is told; until then it is tried again.
                Err(_) => {
                    looks = 0;
                    if let Ok(state) = self.lock()
                        && !state.closed
                    {
                        drop(self.woken.wait_timeout(state, RETRY_AFTER));
                    }
                }
            }
        }
    }

    /// Records edges whose time has come, and commits; false where there was nothing to do.
    fn commit_waiting(&self, mut state: MutexGuard<'_, State>) -> Result<bool> {
        if state.closed {
            return Ok(false);
        }
        let (now, clock) = (Instant::now(), &self.clock);
        let steps: Vec<Fact> = state
            .open
            .iter_mut()
            .filter(|(_, edges)| edges.is_due(now))
            .filter_map(|(_, edges)| edges.step(clock.now(), now))
            .map(Fact::StepDone)
            .collect();
        if !steps.is_empty() {
            state.add(&steps)?;
        }
        let waits = !state.points.is_empty() || state.safe < state.added;
        drop(state);
        if waits {
            self.commit()?;
        }
        Ok(waits)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::disk::Disk;
    use crate::disk::tests::Full;
    use crate::journal::{Reader, list, read_segment};
    use crate::model::{MetricValue, Remark, RemarkKind, Remarks, Timestamp};

    const RUN: NodeId = NodeId::from_u128(7);

    fn logbook_on(full: &Arc<Full>, root: &Path) -> Logbook {
        Workspace::init(root).unwrap();
        let workspace = Workspace::at(root, Disk::with_faults(full.clone()));
        Logbook::create(&workspace, &Clock::new(|| Timestamp::from_micros(1_765_561_338_000_000))).unwrap()
    }

    fn point(step: i64) -> Metric {
        let value = MetricValue::new(0.5).unwrap();
        Metric { owner: RUN, name: "loss".to_owned(), step, at: Timestamp::from_micros(step), value }
    }

    /// A fact of more than a MiB.
    fn large(number: i64) -> Fact {
        Fact::Metrics(vec![Metric { name: "x".repeat(1 << 20), ..point(-1 - number) }])
    }

    /// Fills what may be held for a disk that takes nothing; returns how many large facts were taken.
    fn fill(logbook: &Logbook) -> i64 {
        (0..)
            .find(|number| {
                let before = logbook.shared.lock().unwrap().added;
                let _ = logbook.add(&[large(*number)]);
                logbook.shared.lock().unwrap().added == before
            })
            .unwrap()
    }

    fn facts(root: &Path) -> Vec<Fact> {
        let mut facts = Vec::new();
        for segment in list(&root.join(".lineage/journal"), &|_| false).unwrap().segments {
            let bytes = read_segment(&segment, 0, u64::MAX).unwrap().unwrap();
            let mut reader = Reader::new("s.seg", &bytes).unwrap().unwrap();
            while let Some(fact) = reader.next().unwrap() {
                facts.push(fact);
            }
        }
        facts
    }

    #[test]
    fn what_was_taken_is_recorded_when_a_full_disk_has_room_again_and_what_was_not_was_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let full = Full::with_room(4096);
        let logbook = logbook_on(&full, &root);
        logbook
            .open(RUN, Edges::new(RUN, "train".to_owned(), Timestamp::from_micros(0), Instant::now()))
            .unwrap();
        for step in 0..10 {
            logbook.add_point(point(step)).unwrap();
        }
        let taken = fill(&logbook);
        assert!(taken > 60, "{taken}");
        logbook.add_point(point(10)).unwrap_err();
        let said = Remark { kind: RemarkKind::Fault, text: "at the end".to_owned(), count: 1 };
        let last = Remarks {
            run: RUN,
            at: Timestamp::from_micros(99),
            level: None,
            remarks: vec![said],
            omitted: 0,
        };
        logbook.close(RUN, |_| vec![Fact::Remarked(last.clone())]).unwrap_err();
        logbook.commit().unwrap_err();
        full.give(1 << 30);
        logbook.commit().unwrap();
        drop(logbook);
        let mut steps: Vec<i64> = Vec::new();
        let mut ends = 0;
        for fact in facts(&root) {
            match fact {
                Fact::Metrics(points) => steps.extend(points.iter().map(|point| point.step)),
                Fact::Remarked(remarks) => ends += usize::from(remarks == last),
                other => panic!("{other:?}"),
            }
        }
        steps.sort_unstable();
        assert_eq!((steps, ends), ((-taken..10).collect(), 1));
    }
}
