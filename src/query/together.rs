//! The steps that wrote one version of a file together.
//!
//! A shell and the programs it starts write to one stream; a program is started by another one that holds its output open: several
//! steps of a run then are recorded as having written the same bytes at the same path, each with the time at which it ended. None
//! of them is *the* writer: the bytes may have come through any of them.
//!
//! **Definition.** The writes of an artifact, in the order of time, are parted after each moment at which another run wrote it;
//! those of one run within a part are of one version. Whoever reads it has it from all of them up to the last one before it
//! read. A run and the runs inside it are one here: the outer one sees of the inner one only what it writes. A step of a pipeline
//! makes its outputs alone: where a run of one is taken up again and comes to the same bytes anew, nobody had a part in both.

use std::collections::{BTreeSet, HashMap, hash_map::Entry};
use std::ops::ControlFlow;

use crate::error::{Error, Result};
use crate::model::{NodeId, Run, RunKind, Step, Timestamp};
use crate::query::history::ended_at;
use crate::query::origin::{Write, lost};
use crate::query::report::RunHead;
use crate::store::{ArtifactNo, GO_ON, RunNo, Snapshot, StepNo, Term};

/// Lists the other writes of the version whose last write is `last`: step and time.
///
/// # Errors
/// A store error where a record is damaged.
pub(crate) fn written_along(
    snapshot: &Snapshot,
    last: &Write,
    runs: &mut Runs,
) -> Result<Vec<(StepNo, i64)>> {
    let mut maker: Option<Maker> = None;
    let mut found = Vec::new();
    let mut moment = Moment { at: last.at, ours: 0, is_anothers: false };
    let parted = snapshot.writes_until(last.artifact, last.at, |at, step| {
        if at != moment.at {
            if moment.is_anothers && moment.at < last.at {
                return Ok(ControlFlow::Break(()));
            }
            moment = Moment { at, ours: found.len(), is_anothers: false };
        }
        if (step, at) == (last.step, last.at) {
            return Ok(ControlFlow::Continue(()));
        }
        let own = match maker {
            Some(maker) => maker,
            None => *maker.insert(runs.maker_of_step(snapshot, last.step)?),
        };
        if runs.maker_of_step(snapshot, step)? == own {
            found.push((step, at));
        } else {
            moment.is_anothers = true;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if parted.is_break() || (moment.is_anothers && moment.at < last.at) {
        // What was written at the moment at which another run wrote is before the parting.
        found.truncate(moment.ours);
    }
    Ok(found)
}

/// What a write is known by: what was written, when, by whom.
pub(crate) type WriteKey = (ArtifactNo, i64, StepNo);

/// The other writes of the versions that a walk comes to, by the last one; it goes to each of them once.
///
/// What a reader itself wrote is no origin of what it read: those writes are left for other readers.
#[derive(Default)]
pub(crate) struct Along {
    versions: HashMap<WriteKey, Others>,
    runs: Runs,
}

struct Others {
    writes: Vec<(StepNo, i64)>,
    left: Left,
}

/// Which of the writes no reader has led to yet.
enum Left {
    All,
    Of(StepNo),
    None,
}

impl Along {
    /// Returns the other writes of the version whose last write is `last` that a reader leads to and no earlier one did; without
    /// a reader, what the version itself leads to.
    ///
    /// # Errors
    /// As [`written_along`].
    pub fn not_yet_led_to(
        &mut self,
        snapshot: &Snapshot,
        last: &Write,
        reader: Option<StepNo>,
    ) -> Result<Vec<(StepNo, i64)>> {
        let others = match self.versions.entry(last.key()) {
            Entry::Occupied(place) => place.into_mut(),
            Entry::Vacant(place) => {
                let writes = written_along(snapshot, last, &mut self.runs)?;
                place.insert(Others { writes, left: Left::All })
            }
        };
        Ok(others.not_yet_led_to(reader))
    }

    /// All other writes of the versions that were come to, by the last one: step and time.
    pub fn writes(&self) -> impl Iterator<Item = (WriteKey, &[(StepNo, i64)])> {
        self.versions.iter().map(|(last, others)| (*last, others.writes.as_slice()))
    }
}

impl Others {
    fn not_yet_led_to(&mut self, reader: Option<StepNo>) -> Vec<(StepNo, i64)> {
        match self.left {
            Left::All => {
                let is_readers = |write: &&(StepNo, i64)| Some(write.0) == reader;
                let own = self.writes.iter().find(is_readers);
                self.left = own.map_or(Left::None, |write| Left::Of(write.0));
                self.writes.iter().filter(|write| !is_readers(write)).copied().collect()
            }
            Left::Of(step) if Some(step) != reader => {
                self.left = Left::None;
                self.writes.iter().filter(|write| write.0 == step).copied().collect()
            }
            Left::Of(_) | Left::None => Vec::new(),
        }
    }
}

/// Lists the runs that wrote the version whose last write is `last` while the run that did it was at work, or that were at work
/// when it did: either may have met the other's bytes. Not its own parts, nor what it is a part of.
///
/// # Errors
/// A store error where a record is damaged.
pub fn also_claimed_by(snapshot: &Snapshot, last: &Write) -> Result<Vec<RunNo>> {
    let number = run_of(snapshot, last.step)?;
    let own_ended_at = ended_at(&snapshot.outcomes(number)?).map(Timestamp::micros);
    let mut others = BTreeSet::new();
    let _earlier = snapshot.writes_until(last.artifact, i64::MAX, |at, step| {
        let run = run_of(snapshot, step)?;
        if run == number || others.contains(&run) {
            return Ok(ControlFlow::Continue(()));
        }
        let (Some(own), Some(other)) = (snapshot.run_origin(number)?, snapshot.run_origin(run)?) else {
            return Ok(ControlFlow::Break(()));
        };
        let had_ended = || {
            let ended_at = ended_at(&snapshot.outcomes(run)?);
            Ok::<bool, Error>(ended_at.is_none_or(|ended_at| ended_at.micros() < last.at))
        };
        if at < own.started_at.micros() && had_ended()? {
            return Ok(ControlFlow::Break(()));
        }
        if at > last.at && other.started_at.micros() > last.at && own_ended_at.is_some_and(|ended| ended < at)
        {
            return Ok(ControlFlow::Continue(()));
        }
        if !is_part_of(snapshot, other.parent, own.id)? && !is_part_of(snapshot, own.parent, other.id)? {
            others.insert(run);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(others.into_iter().collect())
}

/// Finds a step among those that wrote a version with it, as the innermost run has it: what a process of a run inside of another
/// one did, both have, as of one moment.
///
/// # Errors
/// A store error where a record is damaged.
pub fn as_its_own_run_has_it(snapshot: &Snapshot, step: StepNo, writes: &[(StepNo, i64)]) -> Result<StepNo> {
    let mut found = step;
    let Some(record) = snapshot.step_without_edges(step)? else { return Ok(step) };
    for (other, _) in writes {
        let is_it = |other: Step| (other.started_at, other.name) == (record.started_at, record.name.clone());
        if !snapshot.step_without_edges(*other)?.is_some_and(is_it) {
            continue;
        }
        let [outer, inner] = [found, *other].map(|step| run_of(snapshot, step));
        let (outer, inner) = (snapshot.run_origin(outer?)?, snapshot.run_origin(inner?)?);
        if let (Some(outer), Some(inner)) = (outer, inner)
            && is_part_of(snapshot, inner.parent, outer.id)?
        {
            found = *other;
        }
    }
    Ok(found)
}

/// Returns the first `limit` of the runs that name a run as the one they are parts of, in the order of their start, and how many
/// there are. Looked up in an index.
///
/// # Errors
/// A store error where a record is damaged.
pub fn own_parts(snapshot: &Snapshot, whole: NodeId, limit: usize) -> Result<(Vec<RunHead>, u64)> {
    let mut numbers = Vec::new();
    let _all = snapshot.runs_with(&Term::Parent(whole.hex().into()), |number| {
        numbers.push(number);
        Ok(GO_ON)
    })?;
    let mut parts = Vec::new();
    for number in numbers.iter().rev().take(limit) {
        parts.extend(RunHead::read(snapshot, *number)?);
    }
    Ok((parts, numbers.len() as u64))
}

/// Lists the runs inside of a run, and of those inside of it, newest first.
///
/// # Errors
/// A store error where a record is damaged.
pub fn parts_of(snapshot: &Snapshot, whole: &Run) -> Result<Vec<NodeId>> {
    let mut parts = Vec::new();
    let _earlier = snapshot.runs_newest_first(|number| {
        let Some(run) = snapshot.run(number)? else { return Ok(ControlFlow::Continue(())) };
        if run.started_at < whole.started_at {
            return Ok(ControlFlow::Break(()));
        }
        if is_part_of(snapshot, run.parent, whole.id)? {
            parts.push(run.id);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(parts)
}

/// Runs inside runs are followed so deep.
const PARENTS_MAX: usize = 32;

/// Lists the runs around one whose parent is `parent`, the nearest first.
///
/// # Errors
/// A store error where a record is damaged.
pub(crate) fn runs_around(snapshot: &Snapshot, parent: Option<NodeId>) -> Result<Vec<NodeId>> {
    let mut around = Vec::new();
    let mut above = parent;
    while let Some(id) = above.filter(|_| around.len() < PARENTS_MAX) {
        around.push(id);
        let number = snapshot.run_no(id)?;
        above = number.map_or(Ok(None), |number| snapshot.run_origin(number))?.and_then(|run| run.parent);
    }
    Ok(around)
}

/// Says whether a run whose parent is `parent` is a part of `whole`.
///
/// # Errors
/// A store error where a record is damaged.
pub(crate) fn is_part_of(snapshot: &Snapshot, parent: Option<NodeId>, whole: NodeId) -> Result<bool> {
    Ok(runs_around(snapshot, parent)?.contains(&whole))
}

/// Says whether a run began inside of another one, which was at work then: who names the latest run means that one.
///
/// # Errors
/// A store error where a record is damaged.
pub(crate) fn began_inside(snapshot: &Snapshot, number: RunNo) -> Result<bool> {
    let Some(run) = snapshot.run_origin(number)? else { return Ok(false) };
    let mut above = run.parent;
    for _ in 0..PARENTS_MAX {
        let Some(number) = above.map_or(Ok(None), |id| snapshot.run_no(id))? else { break };
        let Some(around) = snapshot.run_origin(number)? else { break };
        // What a run left behind may start others long after it.
        if ended_at(&snapshot.outcomes(number)?).is_none_or(|ended_at| ended_at >= run.started_at) {
            return Ok(true);
        }
        above = around.parent;
    }
    Ok(false)
}

/// The writes of one moment.
struct Moment {
    at: i64,
    /// Where its writes by the run itself begin.
    ours: usize,
    is_anothers: bool,
}

/// Returns the run of a step that an index names.
fn run_of(snapshot: &Snapshot, step: StepNo) -> Result<RunNo> {
    snapshot.run_of(step)?.ok_or_else(|| lost(step))
}

/// Who makes a version as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Maker {
    /// All steps of a run, and of the runs inside it.
    Run(RunNo),
    /// A step of a pipeline.
    Step(StepNo),
}

/// One part of the writes of an artifact by a maker: which artifact, which maker, and the moment that ends it.
pub(crate) type Part = (ArtifactNo, Maker, i64);

/// The parts that a walk has met, so that each is gone through once.
#[derive(Default)]
pub(crate) struct Parts {
    /// Of each artifact and maker, from when to when parts are known.
    known: HashMap<(ArtifactNo, Maker), Vec<(i64, i64)>>,
    pub(crate) runs: Runs,
}

impl Parts {
    /// Finds the part of a write of `artifact` by `maker` at `at`. It ends when another one writes the same, or never.
    pub(crate) fn of(
        &mut self,
        snapshot: &Snapshot,
        artifact: ArtifactNo,
        maker: Maker,
        at: i64,
    ) -> Result<Part> {
        let Parts { known, runs } = self;
        let known = known.entry((artifact, maker)).or_default();
        if let Some((_, end)) = known.iter().find(|(from, end)| (*from..=*end).contains(&at)) {
            return Ok((artifact, maker, *end));
        }
        let next = known.iter_mut().filter(|(from, _)| *from > at).min_by_key(|(from, _)| *from);
        let next_from = next.as_ref().map(|(from, _)| *from);
        let found = snapshot.writes_from(artifact, at, |written_at, step| {
            if next_from.is_some_and(|from| written_at >= from) {
                return Ok(ControlFlow::Break(None));
            }
            let is_anothers = runs.maker_of_step(snapshot, step)? != maker;
            Ok(if is_anothers { ControlFlow::Break(Some(written_at)) } else { ControlFlow::Continue(()) })
        })?;
        let end = match (found, next) {
            (ControlFlow::Break(Some(end)), _) => end,
            (_, Some(next)) => {
                // The same part, known from later on.
                next.0 = at;
                return Ok((artifact, maker, next.1));
            }
            (_, None) => i64::MAX,
        };
        known.push((at, end));
        Ok((artifact, maker, end))
    }
}

/// The runs of steps, and what of them decides where versions come from, as far as they were looked up.
#[derive(Default)]
pub(crate) struct Runs {
    of_steps: HashMap<StepNo, RunNo>,
    /// The outermost run that a run is a part of; `None` for one of a pipeline that is a part of no other.
    wholes: HashMap<RunNo, Option<RunNo>>,
}

impl Runs {
    /// Returns who made what a step wrote.
    pub(crate) fn maker_of_step(&mut self, snapshot: &Snapshot, step: StepNo) -> Result<Maker> {
        let run = self.run_of(snapshot, step)?;
        self.maker_of(snapshot, step, run)
    }

    /// Returns true for a step of a repetition: it was given the old bytes again, in a copy of the workspace, and what it read
    /// says nothing on what lies at a path.
    pub(crate) fn is_repeated(&mut self, snapshot: &Snapshot, step: StepNo) -> Result<bool> {
        let run = self.run_of(snapshot, step)?;
        Ok(snapshot.run_origin(run)?.is_some_and(|run| run.is_repetition))
    }

    fn run_of(&mut self, snapshot: &Snapshot, step: StepNo) -> Result<RunNo> {
        match self.of_steps.get(&step) {
            Some(run) => Ok(*run),
            None => Ok(*self.of_steps.entry(step).or_insert(run_of(snapshot, step)?)),
        }
    }

    /// Returns who made what `step`, of `run`, wrote.
    pub(crate) fn maker_of(&mut self, snapshot: &Snapshot, step: StepNo, run: RunNo) -> Result<Maker> {
        let whole = match self.wholes.get(&run) {
            Some(whole) => *whole,
            None => *self.wholes.entry(run).or_insert(whole_of(snapshot, run)?),
        };
        Ok(whole.map_or(Maker::Step(step), Maker::Run))
    }
}

/// Returns the outermost run that `run` is a part of, mostly itself; `None` for one of a pipeline that is a part of no other.
fn whole_of(snapshot: &Snapshot, run: RunNo) -> Result<Option<RunNo>> {
    let mut whole = run;
    for _ in 0..PARENTS_MAX {
        let record = snapshot.run_origin(whole)?;
        let above = record.as_ref().and_then(|run| run.parent);
        let Some(above) = above.map_or(Ok(None), |above| snapshot.run_no(above))? else {
            let is_pipeline = record.is_some_and(|run| run.kind == RunKind::Pipeline);
            return Ok((whole != run || !is_pipeline).then_some(whole));
        };
        whole = above;
    }
    Ok(Some(whole))
}

/// Which writes of a part a walk has met, as far as that decides what leads on: the earliest one, and the earliest one by any
/// other step, since a step does not read its own writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Met {
    first: (i64, StepNo),
    by_another: Option<i64>,
}

impl Met {
    pub(crate) fn new(at: i64, step: StepNo) -> Self {
        Met { first: (at, step), by_another: None }
    }

    pub(crate) fn add(&mut self, at: i64, step: StepNo) {
        let (first_at, first_step) = self.first;
        if step != first_step {
            let later = at.max(first_at);
            self.by_another = Some(self.by_another.map_or(later, |known| known.min(later)));
        }
        self.first = self.first.min((at, step));
    }

    /// Returns from when on `reader` has what was written by one of the steps that were met.
    fn from(&self, reader: StepNo) -> Option<i64> {
        if self.first.1 == reader { self.by_another } else { Some(self.first.0) }
    }

    /// Returns true where a version last written, or read, at `at` leads on to `reader` now, and did not `before`.
    pub(crate) fn newly_leads_to(&self, before: Option<&Met>, reader: StepNo, at: i64) -> bool {
        let led = before.and_then(|before| before.from(reader)).is_some_and(|from| from <= at);
        !led && self.from(reader).is_some_and(|from| from <= at)
    }

    /// Returns the time from which, and that before which, something may newly lead on.
    pub(crate) fn news(&self, before: Option<&Met>) -> (i64, Option<i64>) {
        match before {
            None => (self.first.0, None),
            Some(before) if before.first == self.first => {
                (self.by_another.unwrap_or(i64::MAX), before.by_another)
            }
            Some(before) => (self.first.0, before.by_another),
        }
    }
}
