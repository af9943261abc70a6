//! Which model versions learned from a file, and what a model version learned from.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::ControlFlow;

use crate::error::Result;
use crate::model::{Artifact, ModelVersion, NodeId};
use crate::query::ancestry::Trace;
use crate::query::origin::{Origin, Write, lost, origin_and_others};
use crate::query::pairs::Pairs;
use crate::query::together::{Runs, written_along};
use crate::store::{ArtifactNo, Edge, RunNo, Snapshot, StepNo};

/// A model version that learned from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learned {
    /// The version.
    pub model: NodeId,
    /// How that is known.
    pub how: LearnedHow,
}

/// How it is known that a model version learned from a file; the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LearnedHow {
    /// One of its files was made from it.
    File,
    /// Its entry says that it was trained on it, or on what was made from it.
    Input,
    /// The run that its entry names read it, or what was made from it; that run's files are not known to be the model's.
    Run,
}

impl LearnedHow {
    /// Returns the words for it.
    pub fn as_str(self) -> &'static str {
        match self {
            LearnedHow::File => "its file",
            LearnedHow::Input => "its entry",
            LearnedHow::Run => "its run",
        }
    }
}

/// Finds the model versions that learned from files, given the walk down from them, `starts`: each once, by key.
///
/// Cost: that of the walk.
///
/// # Errors
/// A store error where a record is damaged.
pub fn learned_from(snapshot: &Snapshot, starts: &[ArtifactNo], trace: &Trace) -> Result<Vec<Learned>> {
    let made = trace.steps.iter().flat_map(|step| &step.generated).map(|edge| edge.artifact);
    let made: BTreeSet<ArtifactNo> = made.collect();
    let read: BTreeSet<ArtifactNo> = made.iter().chain(starts).copied().collect();
    let (made, read): (Vec<_>, Vec<_>) = (made.into_iter().collect(), read.into_iter().collect());
    let mut found: BTreeMap<NodeId, LearnedHow> = BTreeMap::new();
    let mut meet = |id: NodeId, how: LearnedHow| {
        found.entry(id).and_modify(|known| *known = how.min(*known)).or_insert(how);
    };
    for (_, id) in snapshot.models_with_any(&made)? {
        meet(id, LearnedHow::File);
    }
    for (_, id) in snapshot.models_with_any_input(&read)? {
        meet(id, LearnedHow::Input);
    }
    let runs: HashSet<RunNo> = trace.steps.iter().map(|step| step.run).collect();
    for number in runs {
        let Some(run) = snapshot.run(number)? else {
            continue;
        };
        for id in snapshot.models_of_run(run.id)? {
            if let Some(model) = snapshot.model(id)?
                && !is_written_by(snapshot, &model, number)?
            {
                meet(id, LearnedHow::Run);
            }
        }
    }
    Ok(found.into_iter().map(|(model, how)| Learned { model, how }).collect())
}

/// Returns true where a run is recorded to have written one of the files of a model version.
pub(crate) fn is_written_by(snapshot: &Snapshot, model: &ModelVersion, run: RunNo) -> Result<bool> {
    Ok(!writes_by(snapshot, model, run)?.is_empty())
}

/// Lists the writes by which a run made the files of a model version: time, step and what was written. Of several at the same moment, none is the
/// last: all are listed, and those of the steps that wrote together with them.
fn writes_by(
    snapshot: &Snapshot,
    model: &ModelVersion,
    run: RunNo,
) -> Result<Vec<(i64, StepNo, ArtifactNo)>> {
    let mut writes = Vec::new();
    // Whoever made a link made nothing of what it leads to.
    for held in model.artifacts.iter().filter(|held| held.link.is_none()) {
        let path = snapshot.path_no(&held.artifact.path)?;
        let number = path.map_or(Ok(None), |path| snapshot.artifact_no(path, &held.artifact.digest))?;
        let Some(number) = number else { continue };
        let mut last: Vec<(i64, StepNo, ArtifactNo)> = Vec::new();
        let _earlier = snapshot.content_writes_until(number, i64::MAX, |at, step, artifact| {
            if last.first().is_some_and(|(last, ..)| at < *last) {
                return Ok(ControlFlow::Break(()));
            }
            if snapshot.run_of(step)? == Some(run) {
                last.push((at, step, artifact));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        for (at, step, artifact) in last {
            let id = snapshot.step_head(step)?.ok_or_else(|| lost(step))?.id;
            let others = written_along(snapshot, &Write { artifact, at, step, id }, &mut Runs::default())?;
            writes.push((at, step, artifact));
            writes.extend(others.into_iter().map(|(step, at)| (at, step, artifact)));
        }
    }
    Ok(writes)
}

/// Lists the data that a model version's run read on the way to its files and did not write itself; where none of them is
/// known to be that run's, all the data it read. By path, each once.
///
/// # Errors
/// A store error where a record is damaged.
pub fn run_inputs(snapshot: &Snapshot, model: &ModelVersion) -> Result<Vec<Artifact>> {
    let number = snapshot.run_of_model(model)?;
    let Some(run) = number else {
        return Ok(Vec::new());
    };
    let mut frontier: Vec<(i64, StepNo, Option<ArtifactNo>)> =
        writes_by(snapshot, model, run)?.into_iter().map(|(at, step, file)| (at, step, Some(file))).collect();
    if frontier.is_empty() {
        frontier = snapshot.steps_of(run)?.into_iter().map(|step| (i64::MAX, step, None)).collect();
    }
    let mut bounds: BTreeMap<StepNo, i64> = BTreeMap::new();
    let mut renamed: HashSet<(ArtifactNo, i64, StepNo)> = HashSet::new();
    let mut versions: HashSet<(ArtifactNo, i64, StepNo)> = HashSet::new();
    let (mut runs, mut pairs) = (Runs::default(), Pairs::default());
    let mut inputs: BTreeSet<Artifact> = BTreeSet::new();
    while let Some((bound, step, wanted)) = frontier.pop() {
        let reads: Vec<Edge> = match (pairs.of(snapshot, step)?, wanted) {
            (Some(paired), Some(file)) => {
                if !renamed.insert((file, bound, step)) {
                    continue;
                }
                let places = paired.places(file, bound).iter();
                places.flat_map(|place| paired.read_for(*place)).copied().collect()
            }
            // A step met again under a wider bound may have read more by then.
            _ if bounds.get(&step).is_some_and(|known| *known >= bound) => continue,
            _ => {
                bounds.insert(step, bound);
                let used = snapshot.edges(step)?.map(|edges| edges.used).unwrap_or_default();
                used.into_iter().filter(|edge| edge.at <= bound).collect()
            }
        };
        for edge in reads {
            let (from, may_have_others) = origin_and_others(snapshot, edge.artifact, edge.at, Some(step))?;
            let within = match from {
                Origin::Written(write) | Origin::Copied(write)
                    if snapshot.run_of(write.step)? == Some(run) =>
                {
                    Some(write)
                }
                _ => None,
            };
            match within {
                Some(write) => {
                    frontier.push((write.at, write.step, Some(write.artifact)));
                    if may_have_others && versions.insert((write.artifact, write.at, write.step)) {
                        let others = written_along(snapshot, &write, &mut runs)?;
                        frontier
                            .extend(others.into_iter().map(|(step, at)| (at, step, Some(write.artifact))));
                    }
                }
                None if edge.role.is_data() => {
                    inputs.insert(snapshot.artifact(edge.artifact)?);
                }
                None => {}
            }
        }
    }
    Ok(inputs.into_iter().collect())
}
