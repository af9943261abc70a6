//! A walk as people ask for it: run by run, with names instead of numbers.

mod by_now;
mod folded;
mod repeated;

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::error::Result;
use crate::model::{
    Artifact, ArtifactPath, CaptureLevel, Evidence, NodeId, Remark, Remarks, Role, Run, RunId, RunKind,
    RunStatus, Step, Timestamp,
};
use crate::query::ancestry::{Cut, Direction, Trace, TraceEdge, TraceStep};
use crate::query::history::{RunView, run_view, unique_tail};
use crate::query::labels::shown_label;
use crate::query::origin::{Origin, lost, origin};
use crate::query::registry::holding;
use crate::query::removal::removed_by_its_run;
use crate::store::{ArtifactNo, RunNo, Snapshot, StepNo};

use repeated::{OncePerStep, without_repeated};

pub use by_now::{ByNow, report_by_now};
pub use folded::{Folded, folded};

/// A run as it is named to people.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RunHead {
    /// The run and what became of it; its label is the one that is shown, which tells it from others after a merge.
    pub view: RunView,
    /// The label that it was recorded with, which its folders and files are named by.
    pub recorded_label: RunId,
    /// The shortest tail of its key that names it alone.
    pub tail: String,
    /// Whether it has no end and is at work; decided by whoever sees processes.
    pub alive: bool,
    /// Which of the commits that it was at are not in their repositories any more; looked for by whoever sees those.
    pub commits_gone: Vec<String>,
}

impl RunHead {
    /// Reads the head of a run; `None` where only others speak of it.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub(crate) fn read(snapshot: &Snapshot, number: RunNo) -> Result<Option<Self>> {
        let Some(mut view) = run_view(snapshot, number)? else {
            return Ok(None);
        };
        let shown = shown_label(snapshot, number, &view.run.run_id)?;
        let recorded_label = std::mem::replace(&mut view.run.run_id, shown);
        let tail = unique_tail(snapshot, view.run.id)?;
        Ok(Some(RunHead { view, recorded_label, tail, alive: false, commits_gone: Vec::new() }))
    }

    /// Returns what the run is now.
    pub fn status(&self) -> RunStatus {
        self.view.status_now(self.alive)
    }
}

/// The walk from a file or a run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TraceReport {
    /// Which way it goes.
    pub direction: Direction,
    /// The runs on the way, in the order of the walk; not more than were asked for.
    pub runs: Vec<TraceRun>,
    /// How many runs are on the way.
    pub runs_total: u64,
    /// How many steps.
    pub steps_total: u64,
    /// How many files, each version counted.
    pub artifacts_total: u64,
    /// Files that nobody recorded wrote, going up; files that nobody recorded read, going down.
    pub ends: Vec<Artifact>,
    /// How many such files there are, where not all are listed.
    pub ends_total: u64,
    /// Inputs whose bytes nobody recorded wrote although the path had a writer.
    pub gaps: Vec<Gap>,
    /// How many edges are known in which way, in the order of [`Evidence::ALL`].
    pub evidence: [u64; 5],
    /// How many edges are copies rather than writes.
    pub copies: u64,
    /// How many of the files that were read are of commands at work: these are neither sources nor gaps.
    pub at_work: u64,
    /// On how many of the runs, named or not, something is not recorded.
    pub lacking: HashMap<RunLack, u64>,
    /// What the bound on depth left out.
    pub cut: Cut,
    /// What lies behind files that steps read and wrote on, where that was not asked for.
    pub folded: Option<Folded>,
}

/// An input whose bytes came from nowhere recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// What was read.
    pub artifact: Artifact,
    /// What a recorded step had written there before.
    pub written: Artifact,
    /// When.
    pub written_at: Timestamp,
    /// The tail of that step's run.
    pub run: String,
}

/// A run on the way, with its steps on the way.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TraceRun {
    /// The run.
    pub head: RunHead,
    /// Its steps, in the order of the walk.
    pub steps: Vec<TraceRunStep>,
}

impl TraceRun {
    /// Returns the run as it started.
    pub fn run(&self) -> &Run {
        &self.head.view.run
    }

    /// Says what of its steps is not recorded, and may have been.
    pub fn lacks(&self) -> Vec<RunLack> {
        lacks(self.head.view.run.kind, &self.head.view.remarks)
    }
}

/// Says what of a run's steps is not recorded, and may have been.
fn lacks(kind: RunKind, said: &[Remarks]) -> Vec<RunLack> {
    let level = said.iter().filter_map(|said| said.level).max();
    let has = |is_it: fn(&Remark) -> bool| said.iter().flat_map(|said| &said.remarks).any(is_it);
    let knows_reads = kind != RunKind::Import && level.is_none_or(|level| level == CaptureLevel::Net);
    let has_ignored = has(Remark::is_of_ignored_files);
    let is_unseen = has(Remark::is_of_unseen_reads);
    let lacks = [
        (!knows_reads, RunLack::Reads),
        (has_ignored, RunLack::IgnoredFiles),
        (knows_reads && is_unseen, RunLack::Unseen),
    ];
    lacks.into_iter().filter_map(|(lacks, what)| lacks.then_some(what)).collect()
}

/// What is not recorded of the steps of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunLack {
    /// All that they read: what is there was inferred from the files before and after, or others wrote it down elsewhere.
    Reads,
    /// Files that they read or wrote and that `.lineageignore` names.
    IgnoredFiles,
    /// What a process did that could not be looked into, or that went ways nobody can see.
    Unseen,
}

impl RunLack {
    /// Returns the words for it.
    pub fn as_str(self) -> &'static str {
        match self {
            RunLack::Reads => "reads",
            RunLack::IgnoredFiles => "ignored files",
            RunLack::Unseen => "unseen",
        }
    }
}

/// A step on the way.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TraceRunStep {
    /// The step, without its edges.
    pub step: Step,
    /// How many steps lie between it and the start.
    pub depth: u32,
    /// What it read, as far as it is on the way.
    pub used: Vec<TraceFile>,
    /// What it wrote, as far as it is on the way.
    pub generated: Vec<TraceFile>,
    /// Whether it wrote anything, on the way or not.
    pub wrote: bool,
}

/// A file on the way.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TraceFile {
    /// The file.
    pub artifact: Artifact,
    /// When it was first read, or last written.
    pub at: Timestamp,
    /// How that is known.
    pub evidence: Evidence,
    /// What it is to the step.
    pub role: Role,
    /// Where it came from; `None` where that was not asked.
    pub from: Option<CameFrom>,
    /// Of what was read, the model versions that hold it, by label.
    pub models: Vec<String>,
    /// Of what was written on the way down, the names that it has by recorded symbolic links, which lead there still.
    pub link_names: Vec<ArtifactPath>,
    /// Of what was written and taken away again in one run, the name of the step that took it away.
    pub removed_by: Option<String>,
}

/// Where a file came from, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CameFrom {
    /// Written by a step of the run with this key.
    Run(NodeId),
    /// Written by a command at work, the run with this key, of which nothing is recorded yet but that it began.
    SoFar(NodeId),
    /// The same bytes as this file, written by a step of the run with this key.
    CopyOf(Artifact, NodeId),
    /// A gap.
    Gap,
    /// A source.
    Source,
    /// A source, of the same few bytes as this file, written by a step of the run with this key: that proves nothing.
    Alike(Artifact, NodeId),
}

/// As many ends and gaps are listed by name.
const ENDS_MAX: usize = 100_000;

/// Puts names to a walk; of its runs, the first `runs_max`.
///
/// # Errors
/// A store error where a record is damaged.
pub fn report(snapshot: &Snapshot, trace: &Trace, runs_max: usize) -> Result<TraceReport> {
    let OncePerStep { trace, doubled } = without_repeated(snapshot, trace)?;
    let trace = &*trace;
    let mut names = Names { snapshot, runs: HashMap::new() };
    let mut report = TraceReport {
        direction: trace.direction,
        runs: Vec::new(),
        runs_total: 0,
        steps_total: trace.steps.len() as u64 - doubled,
        artifacts_total: 0,
        ends: Vec::new(),
        ends_total: 0,
        gaps: Vec::new(),
        evidence: [0; 5],
        copies: 0,
        at_work: 0,
        lacking: HashMap::new(),
        cut: trace.cut,
        folded: None,
    };
    let mut place: HashMap<RunNo, usize> = HashMap::new();
    for step in &trace.steps {
        let next = place.len();
        let at = *place.entry(step.run).or_insert(next);
        if at >= runs_max {
            continue;
        }
        if at == report.runs.len() {
            match RunHead::read(snapshot, step.run)? {
                Some(head) => report.runs.push(TraceRun { head, steps: Vec::new() }),
                // Steps of a run whose start has not arrived yet are counted, not shown.
                None => continue,
            }
        }
        if let Some(run) = report.runs.get_mut(at) {
            run.steps.push(names.step(step)?);
        }
    }
    report.runs_total = place.len() as u64;
    for (run, at) in place {
        let lacks = match report.runs.get(at) {
            Some(named) if named.head.view.number == run => named.lacks(),
            _ => match snapshot.run_origin(run)? {
                Some(origin) => lacks(origin.kind, &snapshot.remarks(run)?),
                None => Vec::new(),
            },
        };
        lacks.into_iter().for_each(|lack| *report.lacking.entry(lack).or_default() += 1);
    }
    count_edges(snapshot, trace, &mut report)?;
    find_ends(snapshot, trace, &mut report)?;
    name_models(snapshot, &mut report.runs)?;
    Ok(report)
}

/// Names the model versions that were read on the way.
fn name_models(snapshot: &Snapshot, runs: &mut [TraceRun]) -> Result<()> {
    let steps = || runs.iter().flat_map(|run| &run.steps);
    let held = holding(snapshot, steps().flat_map(|step| &step.used).map(|file| &file.artifact))?;
    for file in runs.iter_mut().flat_map(|run| &mut run.steps).flat_map(|step| &mut step.used) {
        file.models.extend(held.get(&file.artifact).into_iter().flatten().cloned());
    }
    Ok(())
}

fn count_edges(snapshot: &Snapshot, trace: &Trace, report: &mut TraceReport) -> Result<()> {
    let mut artifacts: HashSet<ArtifactNo> = HashSet::new();
    let mut gaps: BTreeSet<(ArtifactNo, ArtifactNo, i64, StepNo)> = BTreeSet::new();
    for edge in trace.steps.iter().flat_map(|step| on_the_way(&step.used).chain(&step.generated)) {
        artifacts.insert(edge.artifact);
        report.evidence[edge.evidence as usize] += 1;
        match edge.origin {
            Some(Origin::Copied(_)) => report.copies += 1,
            Some(Origin::Gap(write) | Origin::Unknown(write)) => {
                gaps.insert((edge.artifact, write.artifact, write.at, write.step));
            }
            _ => {}
        }
    }
    report.artifacts_total = artifacts.len() as u64;
    for (artifact, written, at, step) in gaps.into_iter().take(ENDS_MAX) {
        report.gaps.push(gap(snapshot, artifact, (written, at, step))?);
    }
    report.gaps.sort_by(|a, b| (&a.artifact, a.written_at).cmp(&(&b.artifact, b.written_at)));
    Ok(())
}

fn gap(
    snapshot: &Snapshot,
    artifact: ArtifactNo,
    (written, at, step): (ArtifactNo, i64, StepNo),
) -> Result<Gap> {
    let run = match snapshot.run_of(step)? {
        Some(run) => RunHead::read(snapshot, run)?.map(|head| head.tail),
        None => None,
    };
    Ok(Gap {
        artifact: snapshot.artifact(artifact)?,
        written: snapshot.artifact(written)?,
        written_at: Timestamp::from_micros(at),
        run: run.unwrap_or_default(),
    })
}

/// What is known of a version that no step wrote.
#[derive(Debug, Clone)]
pub enum Unwritten {
    /// Nobody recorded wrote there before.
    Source,
    /// A step wrote other bytes there before.
    Gap(Gap),
    /// A step wrote the same bytes as this file, before they were first seen here.
    CopyOf {
        /// That file.
        artifact: Artifact,
        /// When it was written.
        at: Timestamp,
        /// The tail of the run that wrote it.
        run: String,
    },
    /// Nobody recorded wrote there before; a step wrote the same bytes as this file, and they are so few that it proves nothing.
    Alike {
        /// That file.
        artifact: Artifact,
        /// The tail of the run that wrote it.
        run: String,
    },
}

/// Finds out what is known of a version that lies there now; `None` where a step wrote it.
///
/// # Errors
/// A store error where a record is damaged.
pub fn unwritten(snapshot: &Snapshot, artifact: ArtifactNo) -> Result<Option<Unwritten>> {
    Ok(match origin(snapshot, artifact, i64::MAX, None)? {
        Origin::Written(_) => None,
        Origin::Source => Some(Unwritten::Source),
        Origin::Gap(write) | Origin::Unknown(write) => {
            let gap = gap(snapshot, artifact, (write.artifact, write.at, write.step))?;
            Some(Unwritten::Gap(gap))
        }
        from @ (Origin::Copied(write) | Origin::Alike(write)) => {
            let run = snapshot.run_of(write.step)?.map_or(Ok(None), |run| RunHead::read(snapshot, run))?;
            let run = run.map(|head| head.tail).unwrap_or_default();
            let artifact = snapshot.artifact(write.artifact)?;
            let at = Timestamp::from_micros(write.at);
            Some(match from {
                Origin::Alike(_) => Unwritten::Alike { artifact, run },
                _ => Unwritten::CopyOf { artifact, at, run },
            })
        }
    })
}

fn find_ends(snapshot: &Snapshot, trace: &Trace, report: &mut TraceReport) -> Result<()> {
    let mut ends: HashSet<ArtifactNo> = HashSet::new();
    match trace.direction {
        Direction::Up => {
            let used = trace.steps.iter().flat_map(|step| on_the_way(&step.used));
            ends.extend(used.filter(|edge| edge.is_source()).map(|edge| edge.artifact));
        }
        Direction::Down => {
            let read: HashSet<ArtifactNo> =
                trace.steps.iter().flat_map(|step| &step.used).map(|edge| edge.artifact).collect();
            let written = trace.steps.iter().flat_map(|step| &step.generated).map(|edge| edge.artifact);
            ends.extend(written.filter(|artifact| !read.contains(artifact)));
        }
    }
    report.ends_total = ends.len() as u64;
    // Naming a hundred thousand results takes longer than finding them; who wants them all asks for the files.
    if ends.len() <= ENDS_MAX && (trace.direction == Direction::Up || ends.len() <= 1_000) {
        for end in ends {
            report.ends.push(snapshot.artifact(end)?);
        }
        report.ends.sort();
    }
    Ok(())
}

/// Lists every file of a walk once: what was read and written on the way. Going up, the sources come first, data before code, then
/// what was made on the way; each by path.
///
/// # Errors
/// A store error where a record is damaged.
pub fn files(snapshot: &Snapshot, trace: &Trace) -> Result<Vec<Artifact>> {
    let edges = trace.steps.iter().flat_map(|step| match trace.direction {
        Direction::Up => on_the_way(&step.used),
        Direction::Down => on_the_way(&step.generated),
    });
    let mut places: HashMap<ArtifactNo, u8> = HashMap::new();
    for edge in edges {
        let place = match (trace.direction, edge.is_source()) {
            (Direction::Up, true) => u8::from(!edge.role.is_data()),
            _ => 2,
        };
        places.entry(edge.artifact).and_modify(|known| *known = place.min(*known)).or_insert(place);
    }
    let named = places.into_iter().map(|(number, place)| Ok((place, snapshot.artifact(number)?)));
    let mut files = named.collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files.into_iter().map(|(_, file)| file).collect())
}

/// Passes over the environment: it is a list of its own, not one of the files on the way.
fn on_the_way(edges: &[TraceEdge]) -> impl Iterator<Item = &TraceEdge> {
    edges.iter().filter(|edge| edge.role != Role::Environment)
}

struct Names<'a> {
    snapshot: &'a Snapshot,
    runs: HashMap<RunNo, Option<NodeId>>,
}

impl Names<'_> {
    fn step(&mut self, step: &TraceStep) -> Result<TraceRunStep> {
        let record = self.snapshot.step_without_edges(step.step)?;
        let record = record.ok_or_else(|| lost(step.step))?;
        let used = on_the_way(&step.used).map(|edge| self.file(edge)).collect::<Result<_>>()?;
        let generated = step.generated.iter().map(|edge| self.written(edge, step.run));
        let generated: Vec<TraceFile> = generated.collect::<Result<_>>()?;
        let wrote_else =
            || Ok(self.snapshot.edges(step.step)?.is_some_and(|edges| !edges.generated.is_empty()));
        let wrote = !generated.is_empty() || wrote_else()?;
        Ok(TraceRunStep { step: record, depth: step.depth, used, generated, wrote })
    }

    fn written(&mut self, edge: &TraceEdge, run: RunNo) -> Result<TraceFile> {
        let path = self.snapshot.path_of(edge.artifact);
        let removed_by = match removed_by_its_run(self.snapshot, path, edge.at, run)? {
            Some(step) => self.snapshot.step_without_edges(step)?.map(|step| step.name),
            None => None,
        };
        Ok(TraceFile { removed_by, ..self.file(edge)? })
    }

    fn file(&mut self, edge: &TraceEdge) -> Result<TraceFile> {
        Ok(TraceFile {
            artifact: self.snapshot.artifact(edge.artifact)?,
            at: Timestamp::from_micros(edge.at),
            evidence: edge.evidence,
            role: edge.role,
            from: edge.origin.map_or(Ok(None), |origin| self.came_from(origin))?,
            models: Vec::new(),
            link_names: Vec::new(),
            removed_by: None,
        })
    }

    fn came_from(&mut self, origin: Origin) -> Result<Option<CameFrom>> {
        Ok(match origin {
            Origin::Written(write) => self.run_of(write.step)?.map(CameFrom::Run),
            Origin::Copied(write) => {
                let artifact = self.snapshot.artifact(write.artifact)?;
                self.run_of(write.step)?.map(|run| CameFrom::CopyOf(artifact, run))
            }
            Origin::Alike(write) => {
                let artifact = self.snapshot.artifact(write.artifact)?;
                let run = self.run_of(write.step)?;
                Some(run.map_or(CameFrom::Source, |run| CameFrom::Alike(artifact, run)))
            }
            Origin::Gap(_) | Origin::Unknown(_) => Some(CameFrom::Gap),
            Origin::Source => Some(CameFrom::Source),
        })
    }

    fn run_of(&mut self, step: StepNo) -> Result<Option<NodeId>> {
        let Some(run) = self.snapshot.run_of(step)? else {
            return Ok(None);
        };
        if let Some(known) = self.runs.get(&run) {
            return Ok(*known);
        }
        let id = self.snapshot.run(run)?.map(|run| run.id);
        self.runs.insert(run, id);
        Ok(id)
    }
}
