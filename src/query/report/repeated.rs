//! What a walk has twice: what programs said and was seen as well, and what a run inside of another one did, which both have.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::error::Result;
use crate::model::{DECLARED_STEP, NodeId, Role, Timestamp};
use crate::query::ancestry::{Trace, TraceEdge, TraceStep};
use crate::query::together::runs_around;
use crate::store::{ArtifactNo, RunNo, Snapshot, StepNo};

/// A walk in which each edge of a step stands once.
pub(super) struct OncePerStep<'t> {
    pub trace: Cow<'t, Trace>,
    /// How many of its steps stand there again, as a run inside of theirs has them.
    pub doubled: u64,
}

/// Leaves out what stands in a walk twice.
///
/// # Errors
/// A store error where a record is damaged.
pub(super) fn without_repeated<'t>(snapshot: &Snapshot, trace: &'t Trace) -> Result<OncePerStep<'t>> {
    without_doubled(snapshot, without_said(snapshot, trace)?)
}

/// Leaves out what programs said of their run while it went on, where the steps that were seen have all of it.
fn without_said<'t>(snapshot: &Snapshot, trace: &'t Trace) -> Result<Cow<'t, Trace>> {
    let mut said = HashSet::new();
    for step in &trace.steps {
        // Such a step has only the one or the other.
        if (step.used.is_empty() || step.generated.is_empty())
            && snapshot.step_without_edges(step.step)?.is_some_and(|step| step.name == DECLARED_STEP)
        {
            said.insert(step.step);
        }
    }
    if said.is_empty() {
        return Ok(Cow::Borrowed(trace));
    }
    let edges = |step: &TraceStep| {
        let (run, used, generated) = (step.run, step.used.clone(), step.generated.clone());
        let used = used.into_iter().map(move |edge| (run, edge.artifact, true));
        used.chain(generated.into_iter().map(move |edge| (run, edge.artifact, false)))
    };
    let seen: HashSet<_> =
        trace.steps.iter().filter(|step| !said.contains(&step.step)).flat_map(edges).collect();
    let mut trace = trace.clone();
    trace.steps.retain(|step| !said.contains(&step.step) || edges(step).any(|edge| !seen.contains(&edge)));
    Ok(Cow::Owned(trace))
}

/// Leaves out of the steps of a run what a run inside of it has as well: the outer one sees the processes of the inner one too. What the
/// outer one alone knows stays, such as what it told the inner one.
fn without_doubled<'t>(snapshot: &Snapshot, trace: Cow<'t, Trace>) -> Result<OncePerStep<'t>> {
    let doubles = Doubles::of(snapshot, &trace)?;
    if doubles.inner.is_empty() {
        return Ok(OncePerStep { trace, doubled: 0 });
    }
    let edges = |step: &TraceStep| -> HashSet<(ArtifactNo, bool)> {
        let used = step.used.iter().map(|edge| (edge.artifact, true));
        used.chain(step.generated.iter().map(|edge| (edge.artifact, false))).collect()
    };
    let inner: HashSet<StepNo> = doubles.inner.values().flatten().copied().collect();
    let of_inner: HashMap<StepNo, HashSet<(ArtifactNo, bool)>> = trace
        .steps
        .iter()
        .filter(|step| inner.contains(&step.step))
        .map(|step| (step.step, edges(step)))
        .collect();
    let mut trace = trace.into_owned();
    let mut doubled = 0;
    trace.steps.retain_mut(|step| {
        let Some(inner) = doubles.inner.get(&step.step) else { return true };
        let has = |edge: &TraceEdge, is_used| {
            inner.iter().any(|inner| of_inner[inner].contains(&(edge.artifact, is_used)))
        };
        step.used.retain(|edge| !has(edge, true));
        step.generated.retain(|edge| !has(edge, false));
        // The list of what each worked with may differ, which tells nothing.
        let is_left =
            step.used.iter().any(|edge| edge.role != Role::Environment) || !step.generated.is_empty();
        doubled += u64::from(is_left);
        is_left
    });
    Ok(OncePerStep { trace: Cow::Owned(trace), doubled })
}

/// The steps of a walk that runs inside of theirs have as well.
struct Doubles {
    /// By the step of the outer run.
    inner: HashMap<StepNo, Vec<StepNo>>,
}

impl Doubles {
    fn of(snapshot: &Snapshot, trace: &Trace) -> Result<Self> {
        let mut doubles = Doubles { inner: HashMap::new() };
        let mut parents: HashMap<RunNo, Option<NodeId>> = HashMap::new();
        let mut numbers: HashMap<NodeId, RunNo> = HashMap::new();
        for step in &trace.steps {
            if !parents.contains_key(&step.run)
                && let Some(origin) = snapshot.run_origin(step.run)?
            {
                parents.insert(step.run, origin.parent);
                numbers.insert(origin.id, step.run);
            }
        }
        let mut around: HashMap<RunNo, Vec<RunNo>> = HashMap::new();
        for (run, parent) in parents.into_iter().filter(|(_, parent)| parent.is_some()) {
            let outer = runs_around(snapshot, parent)?.into_iter();
            let outer: Vec<RunNo> = outer.filter_map(|id| numbers.get(&id).copied()).collect();
            if !outer.is_empty() {
                around.insert(run, outer);
            }
        }
        if around.is_empty() {
            return Ok(doubles);
        }
        let outer: HashSet<RunNo> = around.values().flatten().copied().collect();
        let mut alike: HashMap<(Timestamp, String), Vec<(StepNo, RunNo)>> = HashMap::new();
        for step in
            trace.steps.iter().filter(|step| around.contains_key(&step.run) || outer.contains(&step.run))
        {
            if let Some(record) = snapshot.step_without_edges(step.step)? {
                alike.entry((record.started_at, record.name)).or_default().push((step.step, step.run));
            }
        }
        for steps in alike.values() {
            for (inner, run) in steps {
                let around = around.get(run).map_or(&[][..], Vec::as_slice);
                for (outer, _) in steps.iter().filter(|(_, other)| around.contains(other)) {
                    doubles.inner.entry(*outer).or_default().push(*inner);
                }
            }
        }
        Ok(doubles)
    }
}
