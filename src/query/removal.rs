//! Files that a run took away from their paths.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::error::Result;
use crate::model::{Artifact, NodeId, StepAct, Timestamp};
use crate::query::origin::{last_write_at_path, last_write_by, lost};
use crate::query::report::RunHead;
use crate::query::together::Runs;
use crate::store::{ArtifactNo, PathNo, RunNo, Snapshot, StepNo};

/// A removal after which nothing was recorded at its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    /// Microseconds.
    pub at: i64,
    /// The step that did it.
    pub step: StepNo,
    /// That step's key, which orders removals of one moment the same way in every store.
    pub id: NodeId,
    /// What lay there, where it is known.
    pub artifact: Option<ArtifactNo>,
}

/// Who took a file away.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RemovedBy {
    /// When.
    pub at: Timestamp,
    /// The name of the step.
    pub step: String,
    /// The run.
    pub run: Arc<RunHead>,
    /// Where the file went, if it was given another name.
    pub moved_to: Option<Artifact>,
}

/// Finds the removal by which a path came to be empty: the last one there, if nobody wrote or read anything at the path since.
/// Whoever did so found something there again. What a repetition read was given to it in its copy.
///
/// # Errors
/// A store error where a record is damaged.
pub fn removed(snapshot: &Snapshot, path: PathNo) -> Result<Option<Removal>> {
    removed_as_known_to(snapshot, path, &mut |_| Ok(true))
}

/// As [`removed`], as far as those steps know it that `counts` accepts.
///
/// # Errors
/// A store error where a record is damaged.
pub fn removed_as_known_to(
    snapshot: &Snapshot,
    path: PathNo,
    counts: &mut dyn FnMut(StepNo) -> Result<bool>,
) -> Result<Option<Removal>> {
    let mut last: Option<Removal> = None;
    let _earlier = snapshot.removals_until(path, i64::MAX, |at, step, artifact| {
        if !counts(step)? {
            return Ok(ControlFlow::Continue(()));
        }
        if last.is_some_and(|last| at < last.at) {
            return Ok(ControlFlow::Break(()));
        }
        let id = snapshot.step_head(step)?.ok_or_else(|| lost(step))?.id;
        if last.is_none_or(|last| last.id < id) {
            last = Some(Removal { at, step, id, artifact });
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let Some(removal) = last else { return Ok(None) };
    let written = last_write_by(snapshot, path, i64::MAX, counts)?.is_some_and(|write| write.at > removal.at);
    Ok((!written && !is_read_since(snapshot, path, removal.at, counts)?).then_some(removal))
}

/// Finds the step by which a run took away at the end what it had written at a path and read at some moment: what lies there since is
/// another matter.
///
/// # Errors
/// A store error where a record is damaged.
pub(crate) fn removed_by_its_run(
    snapshot: &Snapshot,
    path: PathNo,
    read_at: i64,
    run: RunNo,
) -> Result<Option<StepNo>> {
    if !snapshot.removals_until(path, i64::MAX, |_, _, _| Ok(ControlFlow::Break(())))?.is_break() {
        return Ok(None);
    }
    let ended_at = snapshot.outcomes(run)?.iter().map(|outcome| outcome.at.micros()).max();
    let ended_at = ended_at.unwrap_or(i64::MAX);
    let is_its = |step| Ok(snapshot.run_of(step)? == Some(run));
    let removal = snapshot.removals_until(path, ended_at, |at, step, _| {
        Ok(match at < read_at || is_its(step)? {
            true => ControlFlow::Break((at, step)),
            false => ControlFlow::Continue(()),
        })
    })?;
    let Some((at, step)) = removal.break_value().filter(|(at, _)| *at >= read_at) else { return Ok(None) };
    let written = last_write_at_path(snapshot, path, ended_at, None)?.filter(|write| write.at > at);
    let is_there_again = written.map_or(Ok(false), |write| is_its(write.step))?;
    Ok((!is_there_again).then_some(step))
}

fn is_read_since(
    snapshot: &Snapshot,
    path: PathNo,
    at: i64,
    counts: &mut dyn FnMut(StepNo) -> Result<bool>,
) -> Result<bool> {
    let Some(since) = at.checked_add(1) else { return Ok(false) };
    let mut runs = Runs::default();
    for version in snapshot.versions(path)? {
        let read = snapshot.reads_between(version, since, i64::MAX, |_, step| {
            let counts = !runs.is_repeated(snapshot, step)? && counts(step)?;
            Ok(if counts { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if read.is_break() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The steps that took files away, each read once.
#[derive(Default)]
pub struct Removers {
    steps: HashMap<StepNo, Option<Remover>>,
}

struct Remover {
    step: String,
    run: Arc<RunHead>,
    /// Where what it gave another name went, by the path before.
    moved: HashMap<PathNo, ArtifactNo>,
}

impl Removers {
    /// Tells who did a removal at a path, and where the file went; `None` where the start of the run is not recorded.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn of(&mut self, snapshot: &Snapshot, path: PathNo, removal: &Removal) -> Result<Option<RemovedBy>> {
        let remover = match self.steps.entry(removal.step) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(Remover::read(snapshot, removal.step)?),
        };
        let Some(remover) = remover else { return Ok(None) };
        let moved_to = remover.moved.get(&path).map(|to| snapshot.artifact(*to)).transpose()?;
        let at = Timestamp::from_micros(removal.at);
        Ok(Some(RemovedBy { at, step: remover.step.clone(), run: remover.run.clone(), moved_to }))
    }
}

impl Remover {
    fn read(snapshot: &Snapshot, number: StepNo) -> Result<Option<Self>> {
        let step = snapshot.step_without_edges(number)?.ok_or_else(|| lost(number))?;
        let run = snapshot.run_of(number)?.map_or(Ok(None), |run| RunHead::read(snapshot, run))?;
        let mut moved = HashMap::new();
        if step.act == StepAct::Moved {
            let edges = snapshot.edges(number)?.ok_or_else(|| lost(number))?;
            let pairs = edges.used.iter().zip(&edges.generated);
            moved.extend(pairs.map(|(from, to)| (snapshot.path_of(from.artifact), to.artifact)));
        }
        Ok(run.map(|run| Remover { step: step.name, run: Arc::new(run), moved }))
    }
}
