//! Which model versions learned from a file, and what a model version learned from.

#[cfg(test)]
mod tests;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;

use crate::error::Result;
use crate::model::{Artifact, ArtifactPath, Evidence, ModelVersion, NodeId};
use crate::query::ancestry::{Far, Start, Trace, TraceStep, downstream_of};
use crate::query::carried::{Whole, WrittenOn};
use crate::query::origin::{Origin, Write, lost, origin, origin_and_others};
use crate::query::pairs::Pairs;
use crate::query::together::{Along, Runs, WriteKey, written_along};
use crate::store::{ArtifactNo, Edge, RunNo, Snapshot, StepNo};

/// A model version that learned from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learned {
    /// The version.
    pub model: NodeId,
    /// By what it is known; of several, by the surest.
    pub how: LearnedHow,
    /// The least sure edge on that way; of several ways, on the surest.
    pub evidence: Evidence,
}

/// By what it is known that a model version learned from a file; the surest first.
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

    /// Returns how it is known that the version goes with that which is known to have learned.
    fn evidence(self) -> Evidence {
        match self {
            LearnedHow::File => Evidence::Observed,
            LearnedHow::Input | LearnedHow::Run => Evidence::Declared,
        }
    }
}

/// Finds the model versions that learned from what a walk down began with, given that walk, which took at most `depth_max` steps in
/// a row: each once, by key.
///
/// A way is as sure as its least sure edge: what an entry says is declared, and that something is a copy is inferred.
///
/// Cost: that of the walk, and of one more for each sort of evidence on it but one.
///
/// # Errors
/// A store error where a record is damaged.
pub fn learned_from(
    snapshot: &Snapshot,
    start: Start<'_>,
    trace: &Trace,
    depth_max: u32,
) -> Result<Vec<Learned>> {
    let starts = match start {
        Start::Files(files) => files,
        Start::Steps(_) => &[],
    };
    let on_the_way = evidence_on(trace, starts);
    let mut found: BTreeMap<NodeId, (Evidence, LearnedHow)> = BTreeMap::new();
    let mut walked: Option<Trace> = None;
    for evidence in Evidence::ALL {
        // What an entry says itself is declared, whatever edges there are.
        if !on_the_way.contains(&evidence) && evidence != Evidence::Declared {
            continue;
        }
        let known = match on_the_way.last() {
            Some(weakest) if evidence < *weakest => {
                // Without edges of this sort, it is the same walk again.
                if on_the_way.contains(&evidence) || walked.is_none() {
                    walked = Some(downstream_of(snapshot, start, Far { depth_max, weakest: evidence })?);
                }
                walked.as_ref().unwrap_or(trace)
            }
            _ => trace,
        };
        for (model, how) in learned_by(snapshot, starts, known, evidence)? {
            let way = (evidence.max(how.evidence()), how);
            found.entry(model).and_modify(|known| *known = way.min(*known)).or_insert(way);
        }
    }
    Ok(found.into_iter().map(|(model, (evidence, how))| Learned { model, how, evidence }).collect())
}

/// Returns the sorts of evidence that there are on a walk down.
fn evidence_on(trace: &Trace, starts: &[ArtifactNo]) -> BTreeSet<Evidence> {
    let steps = || trace.steps.iter();
    let edges = steps().flat_map(|step| step.used.iter().chain(&step.generated));
    let mut found: BTreeSet<Evidence> = edges.map(|edge| edge.evidence).collect();
    let made: HashSet<ArtifactNo> = steps()
        .flat_map(|step| &step.generated)
        .map(|edge| edge.artifact)
        .chain(starts.iter().copied())
        .collect();
    if steps().flat_map(|step| &step.used).any(|edge| !made.contains(&edge.artifact)) {
        found.insert(Evidence::Inferred);
    }
    if trace.steps.iter().any(|step| !step.leads_elsewhere) {
        found.insert(Evidence::Carried);
    }
    found
}

/// Finds the runs that a walk down leads to as a whole, by what is known as surely as `weakest`.
fn runs_on(snapshot: &Snapshot, trace: &Trace, weakest: Evidence) -> Result<HashSet<RunNo>> {
    let is_sure = |step: &&TraceStep| weakest == Evidence::Carried || step.leads_elsewhere;
    let mut runs: HashSet<RunNo> = trace.steps.iter().filter(is_sure).map(|step| step.run).collect();
    let mut wholes: HashMap<RunNo, Whole> = HashMap::new();
    for step in &trace.steps {
        if runs.contains(&step.run) {
            continue;
        }
        let whole = match wholes.entry(step.run) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(Whole::of(snapshot, snapshot.steps_of(step.run)?)?),
        };
        let edges = snapshot.edges(step.step)?.ok_or_else(|| lost(step.step))?;
        let written_on = WrittenOn::of(snapshot, step.step, &edges)?;
        let led_to: HashSet<(ArtifactNo, i64)> =
            step.used.iter().map(|edge| (edge.artifact, edge.at)).collect();
        let mut led_to = edges.used.iter().filter(|edge| led_to.contains(&(edge.artifact, edge.at)));
        if led_to.any(|edge| whole.is_made_from(&edges, &written_on, edge)) {
            runs.insert(step.run);
        }
    }
    Ok(runs)
}

/// Finds the model versions that a walk down leads to by what is known as surely as `weakest`, and each by all that it is known by.
fn learned_by(
    snapshot: &Snapshot,
    starts: &[ArtifactNo],
    trace: &Trace,
    weakest: Evidence,
) -> Result<BTreeSet<(NodeId, LearnedHow)>> {
    let writes = trace
        .steps
        .iter()
        .flat_map(|step| step.generated.iter().map(|edge| (edge.artifact, edge.at, step.step)));
    let writes: HashSet<WriteKey> = writes.collect();
    let made: BTreeSet<ArtifactNo> = writes.iter().map(|(artifact, ..)| *artifact).collect();
    let read: BTreeSet<ArtifactNo> = made.iter().chain(starts).copied().collect();
    let (made, read): (Vec<_>, Vec<_>) = (made.into_iter().collect(), read.into_iter().collect());
    let mut found = BTreeSet::new();
    found.extend(snapshot.models_with_any_input(&read)?.into_iter().map(|(_, id)| (id, LearnedHow::Input)));
    let mut models: BTreeSet<NodeId> =
        snapshot.models_with_any(&made)?.into_iter().map(|(_, id)| id).collect();
    for number in runs_on(snapshot, trace, weakest)? {
        let Some(run) = snapshot.run_key(number)? else {
            continue;
        };
        for id in snapshot.models_of_run(run)? {
            models.insert(id);
            if let Some(model) = snapshot.model(id)?
                && !is_written_by(snapshot, &model, number)?
            {
                found.insert((id, LearnedHow::Run));
            }
        }
    }
    for id in models {
        let Some(model) = snapshot.model(id)? else { continue };
        if made_by(snapshot, &model)?.iter().any(|write| writes.contains(write)) {
            found.insert((id, LearnedHow::File));
        }
    }
    Ok(found)
}

/// Lists the writes by which the files of a model version came to be: those by its run, at whatever path; of a file that this is not
/// known to have written, the last one of those bytes there up to its registration. Who wrote the same bytes later did not make them.
///
/// # Errors
/// A store error where a record is damaged.
pub(crate) fn made_by(snapshot: &Snapshot, model: &ModelVersion) -> Result<Vec<WriteKey>> {
    let (mut writes, mut runs) = (Vec::new(), Runs::default());
    for file in files_as_made(snapshot, model, &mut runs)? {
        if !file.by_its_run.is_empty() {
            writes.extend(file.by_its_run);
        } else if let Origin::Written(last) = origin(snapshot, file.artifact, file.at, None)? {
            let others = written_along(snapshot, &last, &mut runs)?;
            writes.push(last.key());
            writes.extend(others.into_iter().map(|(step, at)| (last.artifact, at, step)));
        }
    }
    Ok(writes)
}

/// Lists what the files of a model version were made as: the recorded version and the moment by which it was made. That is what its
/// run wrote, unless somebody is recorded to have brought that to where it was registered from.
///
/// # Errors
/// A store error where a record is damaged.
pub fn made_as(snapshot: &Snapshot, model: &ModelVersion) -> Result<Vec<(ArtifactNo, i64)>> {
    let registered_at = model.registered_at.micros();
    let mut made = Vec::new();
    for file in files_as_made(snapshot, model, &mut Runs::default())? {
        let own = file.by_its_run.iter().max_by_key(|(artifact, at, _)| (*at, *artifact == file.artifact));
        made.push(match own {
            Some((artifact, at, _)) if *artifact == file.artifact => (*artifact, *at),
            Some((artifact, at, _)) => match origin(snapshot, file.artifact, registered_at, None)? {
                Origin::Written(brought) if brought.at >= *at => (file.artifact, registered_at),
                _ => (*artifact, *at),
            },
            None => (file.artifact, file.at),
        });
    }
    Ok(made)
}

/// Lists the files of a model version whose bytes no recorded step is known to have written, where its entry names a run: that they came
/// of that run is said, and no more.
///
/// # Errors
/// A store error where a record is damaged.
pub fn declared(snapshot: &Snapshot, model: &ModelVersion) -> Result<BTreeSet<ArtifactPath>> {
    let mut declared = BTreeSet::new();
    if snapshot.run_of_model(model)?.is_none() {
        return Ok(declared);
    }
    for file in files_as_made(snapshot, model, &mut Runs::default())? {
        if file.by_its_run.is_empty()
            && !matches!(
                origin(snapshot, file.artifact, file.at, None)?,
                Origin::Written(_) | Origin::Copied(_)
            )
        {
            declared.insert(snapshot.artifact_path(file.artifact)?);
        }
    }
    Ok(declared)
}

/// A file of a model version.
struct MadeFile {
    artifact: ArtifactNo,
    /// The writes of those bytes by the version's run.
    by_its_run: Vec<WriteKey>,
    /// Microseconds: when its run had written it, else when it was registered.
    at: i64,
}

fn files_as_made(snapshot: &Snapshot, model: &ModelVersion, runs: &mut Runs) -> Result<Vec<MadeFile>> {
    let run = snapshot.run_of_model(model)?;
    let mut files = Vec::new();
    for artifact in files_of(snapshot, model)? {
        let by_its_run = run.map_or(Ok(Vec::new()), |run| writes_of(snapshot, artifact, run, runs))?;
        let registered_at = model.registered_at.micros();
        let at = match by_its_run.iter().map(|(_, at, _)| *at).max() {
            Some(at) => at,
            None if snapshot.is_written_until(artifact, registered_at)? => registered_at,
            // An entry from elsewhere may be older than all that is recorded of its file.
            None => i64::MAX,
        };
        files.push(MadeFile { artifact, by_its_run, at });
    }
    Ok(files)
}

/// Returns the recorded files of a model version. Whoever made a link made nothing of what it leads to.
fn files_of(snapshot: &Snapshot, model: &ModelVersion) -> Result<Vec<ArtifactNo>> {
    let held = model.artifacts.iter().filter(|held| held.link.is_none());
    snapshot.artifact_nos(held.map(|held| &held.artifact))
}

/// Returns true where a run is recorded to have written one of the files of a model version.
pub(crate) fn is_written_by(snapshot: &Snapshot, model: &ModelVersion, run: RunNo) -> Result<bool> {
    Ok(!writes_by(snapshot, model, run)?.is_empty())
}

/// Lists the writes by which a run made the files of a model version.
fn writes_by(snapshot: &Snapshot, model: &ModelVersion, run: RunNo) -> Result<Vec<WriteKey>> {
    let (mut writes, mut runs) = (Vec::new(), Runs::default());
    for file in files_of(snapshot, model)? {
        writes.extend(writes_of(snapshot, file, run, &mut runs)?);
    }
    Ok(writes)
}

/// Lists the writes by which a run made the bytes of a file. Of several at the same moment, none is the last: all are listed, and
/// those of the steps that wrote together with them.
fn writes_of(snapshot: &Snapshot, file: ArtifactNo, run: RunNo, runs: &mut Runs) -> Result<Vec<WriteKey>> {
    let mut writes = Vec::new();
    for (at, step, artifact) in last_writes(snapshot, file, run, OTHERS_FEW)? {
        let id = snapshot.step_head(step)?.ok_or_else(|| lost(step))?.id;
        let others = written_along(snapshot, &Write { artifact, at, step, id }, runs)?;
        writes.push((artifact, at, step));
        writes.extend(others.into_iter().map(|(step, at)| (artifact, at, step)));
    }
    Ok(writes)
}

/// Lists the data that a model version's run read on the way to its files and did not write itself; where none of them is
/// known to be that run's, all the data it read. By path, each once, with the least sure edge on its way; of several ways, on the
/// surest. Where its entry alone says that it goes with the run, that is declared.
///
/// # Errors
/// A store error where a record is damaged.
fn run_inputs(snapshot: &Snapshot, model: &ModelVersion) -> Result<Vec<(Artifact, Evidence)>> {
    let Some(run) = snapshot.run_of_model(model)? else {
        return Ok(Vec::new());
    };
    let mut start: Vec<Wanted> =
        writes_by(snapshot, model, run)?.into_iter().map(|(file, at, step)| (at, step, Some(file))).collect();
    let mut how = LearnedHow::File;
    let mut whole = Whole::default();
    if start.is_empty() {
        how = LearnedHow::Run;
        let steps = snapshot.steps_of(run)?;
        start = steps.iter().map(|step| (i64::MAX, *step, None)).collect();
        whole = Whole::of(snapshot, steps)?;
    }
    let known = |weakest| inputs_known(snapshot, run, &whole, start.clone(), weakest);
    let (all, met) = known(Evidence::WEAKEST)?;
    let mut inputs: BTreeMap<Artifact, Evidence> = BTreeMap::new();
    for evidence in met.iter().filter(|evidence| Some(*evidence) != met.last()) {
        for input in known(*evidence)?.0 {
            inputs.entry(input).or_insert(how.evidence().max(*evidence));
        }
    }
    for input in all {
        let evidence = met.last().map_or(how.evidence(), |weakest| how.evidence().max(*weakest));
        inputs.entry(input).or_insert(evidence);
    }
    Ok(inputs.into_iter().collect())
}

/// So many writes of the same bytes by others are gone through before the run's own steps are looked at.
const OTHERS_FEW: usize = 64;

/// Lists the writes of the bytes of `file` by `run`, at whatever path, at the last moment at which there is one.
///
/// They are looked for among all writes of those bytes, of which there may be one by each run there is; where there come more by
/// others than the run has steps, and more than `few`, among what these wrote.
fn last_writes(
    snapshot: &Snapshot,
    file: ArtifactNo,
    run: RunNo,
    few: usize,
) -> Result<Vec<(i64, StepNo, ArtifactNo)>> {
    let mut last: Vec<(i64, StepNo, ArtifactNo)> = Vec::new();
    let mut others = 0;
    let mut own: Option<Vec<StepNo>> = None;
    let flow = snapshot.content_writes_until(file, i64::MAX, |at, step, artifact| {
        if last.first().is_some_and(|(last, ..)| at < *last) {
            return Ok(ControlFlow::Break(None));
        }
        if snapshot.run_of(step)? == Some(run) {
            last.push((at, step, artifact));
            return Ok(ControlFlow::Continue(()));
        }
        others += 1;
        if !last.is_empty() || others <= few {
            return Ok(ControlFlow::Continue(()));
        }
        let steps = match own.take() {
            Some(steps) => steps,
            None => snapshot.steps_of(run)?,
        };
        if others > steps.len() {
            return Ok(ControlFlow::Break(Some(steps)));
        }
        own = Some(steps);
        Ok(ControlFlow::Continue(()))
    })?;
    let ControlFlow::Break(Some(mut steps)) = flow else {
        return Ok(last);
    };
    steps.sort_unstable();
    for (step, edges) in steps.iter().zip(snapshot.edges_of(&steps)?) {
        let generated = edges.ok_or_else(|| lost(*step))?.generated;
        let of_bytes = generated.iter().filter(|edge| edge.artifact.content_no() == file.content_no());
        last.extend(of_bytes.map(|edge| (edge.at, *step, edge.artifact)));
    }
    let latest = last.iter().map(|(at, ..)| *at).max();
    last.retain(|(at, ..)| Some(*at) == latest);
    Ok(last)
}

/// Lists what a model version was trained on, and how that is known: as its entry says, else as its run is recorded.
///
/// # Errors
/// As [`run_inputs`].
pub fn inputs(snapshot: &Snapshot, model: &ModelVersion) -> Result<Vec<(Artifact, Evidence)>> {
    if model.inputs.is_empty() {
        return run_inputs(snapshot, model);
    }
    Ok(model.inputs.iter().map(|input| (input.clone(), Evidence::Declared)).collect())
}

/// The moment of a write, the step, and what it wrote then; without that, all that it wrote until then.
type Wanted = (i64, StepNo, Option<ArtifactNo>);

/// Finds what `run` read on the way to what is wanted, by what is known as surely as `weakest`; and what evidence there was. Where
/// all that steps did is wanted, it is as parts of a `whole`.
fn inputs_known(
    snapshot: &Snapshot,
    run: RunNo,
    whole: &Whole,
    mut frontier: Vec<Wanted>,
    weakest: Evidence,
) -> Result<(BTreeSet<Artifact>, BTreeSet<Evidence>)> {
    // By step, whether all that it did was wanted or a file, and by that where it is not the same for all.
    let mut bounds: BTreeMap<(StepNo, Option<Option<ArtifactNo>>), i64> = BTreeMap::new();
    let mut renamed: HashSet<WriteKey> = HashSet::new();
    let (mut along, mut pairs) = (Along::default(), Pairs::default());
    let mut inputs: BTreeSet<Artifact> = BTreeSet::new();
    let mut met: BTreeSet<Evidence> = BTreeSet::new();
    while let Some((bound, step, wanted)) = frontier.pop() {
        let reads: Vec<Edge> = match (pairs.of(snapshot, step)?, wanted) {
            (Some(paired), Some(file)) => {
                if !renamed.insert((file, bound, step)) {
                    continue;
                }
                let mut reads = Vec::new();
                for place in paired.places(file, bound) {
                    let written = paired.edges.generated[*place].evidence;
                    met.insert(written);
                    reads.extend(paired.read_for(*place).filter(|_| written <= weakest));
                }
                reads
            }
            _ => {
                let edges = snapshot.edges(step)?.ok_or_else(|| lost(step))?;
                let is_it = |edge: &&Edge| Some(edge.artifact) == wanted && edge.at == bound;
                let written = edges.generated.iter().filter(is_it).map(|edge| edge.evidence).min();
                met.extend(written);
                if written.is_some_and(|written| written > weakest) {
                    continue;
                }
                let written_on = WrittenOn::of(snapshot, step, &edges)?;
                let is_state = |edge: &Edge| written_on.is_state(edge.artifact, edge.at);
                let differs = edges.used.iter().any(is_state);
                let file = wanted.map(|file| differs.then_some(file));
                // A step met again under a wider bound may have read more by then.
                if bounds.get(&(step, file)).is_some_and(|known| *known >= bound) {
                    continue;
                }
                bounds.insert((step, file), bound);
                let mut reads = Vec::new();
                for edge in edges.used.iter().filter(|edge| edge.at <= bound) {
                    let went_in = match wanted {
                        Some(file) => written_on.leads_to(edge.artifact, edge.at, file),
                        None => whole.is_made_from(&edges, &written_on, edge),
                    };
                    let evidence = if went_in { edge.evidence } else { Evidence::Carried };
                    reads.push(Edge { evidence, ..*edge });
                }
                reads
            }
        };
        met.extend(reads.iter().map(|edge| edge.evidence));
        for edge in reads.into_iter().filter(|edge| edge.evidence <= weakest) {
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
                Some(_) if matches!(from, Origin::Copied(_)) && weakest < Evidence::Inferred => {}
                Some(write) => {
                    if matches!(from, Origin::Copied(_)) {
                        met.insert(Evidence::Inferred);
                    }
                    frontier.push((write.at, write.step, Some(write.artifact)));
                    if may_have_others {
                        let others = along.not_yet_led_to(snapshot, &write, Some(step))?.into_iter();
                        frontier.extend(others.map(|(step, at)| (at, step, Some(write.artifact))));
                    }
                }
                None if edge.role.is_data() => {
                    inputs.insert(snapshot.artifact(edge.artifact)?);
                }
                None => {}
            }
        }
    }
    Ok((inputs, met))
}
