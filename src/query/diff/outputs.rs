//! The outputs of two runs, paired by the steps that wrote them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;

use crate::error::Result;
use crate::model::{Artifact, ArtifactPath, Passing, Role, RunKind, RunStatus, Timestamp};
use crate::query::diff::counterparts::Counterparts;
use crate::query::diff::levels::FileKey;
use crate::query::diff::pattern;
use crate::query::diff::side::{Side, StepKey};
use crate::store::Snapshot;

/// How the outputs of two runs differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutputsDiff {
    /// How many have the same bytes.
    pub same: u64,
    /// How many are metrics files of the pipeline: they name their run, so their bytes always differ; their values, which are all
    /// else that they hold, are compared as metrics.
    pub metrics_files: u64,
    /// How many were paired under paths that differ, in bytes or not, by how.
    pub paired: BTreeMap<PairedBy, u64>,
    /// Outputs with other bytes, and outputs that only one of the runs has, by path.
    pub differing: Vec<OutputDiff>,
    /// Outputs that only one of the runs made, by path, and that the other found there: it read the same bytes, or it does the same and
    /// had no step that makes them. A build saw that they were up to date.
    pub standing: Vec<StandingOutput>,
}

/// An output that one of the runs made, and that the other found there and did not make anew.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StandingOutput {
    /// The name of the step that wrote it.
    pub step: String,
    /// What was written.
    pub artifact: Artifact,
    /// Whether the second run made it.
    pub is_of_b: bool,
}

/// What makes two outputs of different runs each other's counterpart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PairedBy {
    /// The path, but for names of the runs.
    Path,
    /// The path, but for time stamps, ids and counters.
    Pattern,
    /// The name of the file and its bytes.
    Content,
    /// The step, and what sort of file the name says it is: nothing else that the step wrote can be meant.
    Step,
}

impl PairedBy {
    /// Every value, in order.
    pub const ALL: [PairedBy; 4] = [PairedBy::Path, PairedBy::Pattern, PairedBy::Content, PairedBy::Step];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            PairedBy::Path => "path",
            PairedBy::Pattern => "pattern",
            PairedBy::Content => "name and content",
            PairedBy::Step => "step",
        }
    }
}

impl OutputsDiff {
    /// Returns true where both runs wrote the same.
    pub fn is_equal(&self) -> bool {
        self.differing.is_empty() && self.standing.is_empty()
    }
}

/// An output that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutputDiff {
    /// The name of the step that wrote it.
    pub step: String,
    /// What that step was about.
    pub subject: String,
    /// What the first run wrote.
    pub a: Option<Artifact>,
    /// What the second run wrote.
    pub b: Option<Artifact>,
    /// How the two were found to belong together; `None` where only one is there.
    pub paired_by: Option<PairedBy>,
    /// Which of the explanations it has; `None` where the runs are unlike, and nothing is explained.
    pub explanation: Option<usize>,
    /// When each run last wrote it.
    pub(super) written_at: [Option<Timestamp>; 2],
}

impl OutputDiff {
    /// Returns both paths where the output is called otherwise in the two runs: what differs may be two files.
    pub fn renamed(&self) -> Option<[&ArtifactPath; 2]> {
        let (a, b) = self.a.as_ref().zip(self.b.as_ref())?;
        (self.paired_by == Some(PairedBy::Step)).then_some([&a.path, &b.path])
    }

    /// Returns what both paths have in common, where they were paired by it: `out/{time}/model.bin`.
    pub fn pattern(&self) -> Option<String> {
        let (a, b) = self.a.as_ref().zip(self.b.as_ref())?;
        let is_pattern = self.paired_by == Some(PairedBy::Pattern);
        is_pattern.then(|| pattern::as_one(&a.path.to_string(), &b.path.to_string()))
    }
}

/// The outputs that both runs have.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    /// The number of each pair, by neutral path.
    of: [HashMap<String, usize>; 2],
    /// What either run wrote, and when it did last.
    pub versions: Vec<[(Artifact, Timestamp); 2]>,
    /// All that either run wrote, by neutral path.
    pub written: [HashSet<String>; 2],
    /// The steps that are each other's.
    pub counterparts: Counterparts,
}

impl Pairs {
    /// Returns what names a file of one run in both.
    pub fn key(&self, side: usize, path: String) -> FileKey {
        self.of[side].get(&path).map_or_else(|| FileKey::Path(path), |number| FileKey::Pair(*number))
    }
}

/// The last write of a path.
struct Output {
    /// Its path without what names the run.
    path: String,
    /// Its path, in which a time stamp may be the run id by chance.
    name: String,
    artifact: Artifact,
    step: usize,
    at: Timestamp,
    role: Role,
    key: StepKey,
    /// The run took it away again: what it read there leads on, but it is nothing that the run made.
    is_passing: bool,
}

/// Compares the outputs of two runs.
///
/// Those are paired that have the same path. What is left is paired by what its path says beside time stamps, ids and counters;
/// by name and content; and by the ending of its name and by name, subject and parameters of its step, where both steps wrote no
/// other such file; each where that is clear.
///
/// # Errors
/// A store error where a record is damaged.
pub(super) fn compare(snapshot: &Snapshot, a: &Side, b: &Side) -> Result<(OutputsDiff, Pairs)> {
    let outputs = [outputs(a), outputs(b)];
    let [of_a, of_b] = &outputs;
    let mut found = OutputsDiff::default();
    let mut known = Pairs::default();
    let mut taken = [vec![false; of_a.len()], vec![false; of_b.len()]];
    for (at_a, at_b, paired_by) in pair(of_a, of_b) {
        (taken[0][at_a], taken[1][at_b]) = (true, true);
        let (output_a, output_b) = (&of_a[at_a], &of_b[at_b]);
        for (of, output) in known.of.iter_mut().zip([output_a, output_b]) {
            of.insert(output.path.clone(), known.versions.len());
        }
        known.versions.push([output_a, output_b].map(|output| (output.artifact.clone(), output.at)));
        if output_a.is_passing && output_b.is_passing {
            continue;
        }
        if paired_by != PairedBy::Path {
            *found.paired.entry(paired_by).or_default() += 1;
        }
        if output_a.artifact.digest == output_b.artifact.digest {
            found.same += 1;
        } else if is_of_pipeline(a, output_a) && is_of_pipeline(b, output_b) {
            found.metrics_files += 1;
        } else {
            let paired_by = Some(paired_by);
            found.differing.push(OutputDiff { paired_by, ..differing(a, Some(output_a), Some(output_b)) });
        }
    }
    known.counterparts = Counterparts::new([a, b], &known);
    let may_stand = a.does_the_same(b);
    for (side, own, other) in [(0, a, b), (1, b, a)] {
        let read = other.found_there();
        let alone = outputs[side].iter().zip(&taken[side]).filter(|(_, taken)| !**taken);
        for (output, _) in alone.filter(|(output, _)| !output.is_passing) {
            let is_made = || !known.counterparts.of([a, b], &known, side, output.step).is_empty();
            let stands = read.contains(&(output.path.clone(), output.artifact.digest))
                || (may_stand && !is_made() && is_found(snapshot, own, other, output)?);
            if stands {
                let (step, artifact) = (own.steps[output.step].name.clone(), output.artifact.clone());
                found.standing.push(StandingOutput { step, artifact, is_of_b: side == 1 });
                continue;
            }
            let [of_a, of_b] = if side == 0 { [Some(output), None] } else { [None, Some(output)] };
            found.differing.push(differing(own, of_a, of_b));
        }
    }
    let place = |output: &OutputDiff| output.b.clone().or_else(|| output.a.clone());
    found.differing.sort_by_cached_key(place);
    found.standing.sort_by(|x, y| x.artifact.cmp(&y.artifact));
    known.written = outputs.map(|outputs| outputs.into_iter().map(|output| output.path).collect());
    Ok((found, known))
}

/// Returns true where the other run found something at the path of an output, which it did not write: a recorded run had, and none
/// had taken it away since.
fn is_found(snapshot: &Snapshot, own: &Side, other: &Side, output: &Output) -> Result<bool> {
    let path = &output.artifact.path;
    // In a folder that is named for the run, nobody else finds anything.
    if own.neutral_path(path) != path.to_string() || other.head.status() != RunStatus::Succeeded {
        return Ok(false);
    }
    let Some(number) = snapshot.path_no(path)? else { return Ok(false) };
    let began = other.head.view.run.started_at.micros();
    let written = snapshot.path_writes_until(number, began, |at, _, _| Ok(ControlFlow::Break(at)))?;
    let removed = snapshot.removals_until(number, began, |at, _, _| Ok(ControlFlow::Break(at)))?;
    Ok(written.break_value() > removed.break_value())
}

/// Tells a file that holds the name of its run and its metrics, and nothing else: what a command writes as its metrics may hold more.
fn is_of_pipeline(side: &Side, output: &Output) -> bool {
    output.role == Role::Metrics && side.head.view.run.kind == RunKind::Pipeline
}

fn differing(side: &Side, a: Option<&Output>, b: Option<&Output>) -> OutputDiff {
    let step = a.or(b).map(|output| &side.steps[output.step]);
    OutputDiff {
        step: step.map(|step| step.name.clone()).unwrap_or_default(),
        subject: step.map(|step| step.subject.clone()).unwrap_or_default(),
        a: a.map(|output| output.artifact.clone()),
        b: b.map(|output| output.artifact.clone()),
        paired_by: None,
        explanation: None,
        written_at: [a, b].map(|output| output.map(|output| output.at)),
    }
}

/// Returns the last write of each path, by path.
fn outputs(side: &Side) -> Vec<Output> {
    let mut last: BTreeMap<String, Output> = BTreeMap::new();
    let passing = Passing::of(&side.steps);
    for (number, step) in side.steps.iter().enumerate() {
        for edge in &step.generated {
            let path = side.neutral_path(&edge.artifact.path);
            if last.get(&path).is_some_and(|known| known.at > edge.at) {
                continue;
            }
            let output = Output {
                path: path.clone(),
                name: side.as_of_then(&edge.artifact.path.to_string()),
                artifact: edge.artifact.clone(),
                step: number,
                at: edge.at,
                role: edge.role,
                key: side.key(step),
                is_passing: passing.has(&edge.artifact.path),
            };
            last.insert(path, output);
        }
    }
    last.into_values().collect()
}

/// Pairs outputs by one sort of key after the other; a key that is not unique on both sides pairs nothing.
fn pair(a: &[Output], b: &[Output]) -> Vec<(usize, usize, PairedBy)> {
    let mut taken = [vec![false; a.len()], vec![false; b.len()]];
    let mut pairs: Vec<(usize, usize, PairedBy)> = Vec::with_capacity(a.len().min(b.len()));
    let mut take = |taken: &mut [Vec<bool>; 2], found: Vec<(usize, usize)>, paired_by: PairedBy| {
        for (at_a, at_b) in found {
            (taken[0][at_a], taken[1][at_b]) = (true, true);
            pairs.push((at_a, at_b, paired_by));
        }
    };
    // A side has each path once.
    let found = by_key([a, b], &taken, &|output| output.path.clone());
    take(&mut taken, found, PairedBy::Path);
    let names = [a, b].map(|outputs| outputs.iter().map(|output| output.name.as_str()).collect::<Vec<_>>());
    let found = pattern::pairs(names.each_ref().map(Vec::as_slice), taken.each_ref().map(Vec::as_slice));
    take(&mut taken, found, PairedBy::Pattern);
    let file_name = |output: &Output| String::from_utf8_lossy(output.artifact.path.file_name()).into_owned();
    let found =
        by_key([a, b], &taken, &|output| format!("{}\0{}", file_name(output), output.artifact.digest));
    take(&mut taken, found, PairedBy::Content);
    // A model is no earlier version of a table, whichever program wrote both.
    let step = |output: &Output| {
        let name = file_name(output);
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        format!("{}\0{ending}", output.key.name)
    };
    let subject = |output: &Output| format!("{}\0{}", step(output), output.key.subject);
    let parameters = |output: &Output| {
        let pairs = output.key.parameters.iter().map(|(name, value)| format!("{name}\0{value}"));
        format!("{}\0{}", step(output), pairs.collect::<Vec<_>>().join("\0"))
    };
    let keys: [Key<'_>; 3] = [
        &|output| format!("{}\0{}", subject(output), parameters(output)),
        &|output| subject(output),
        &|output| parameters(output),
    ];
    // Of a row of files, one that is gone and one that is new are two files.
    let none = [vec![false; a.len()], vec![false; b.len()]];
    for key in keys {
        let mut found = by_key([a, b], &none, key);
        found.retain(|(at_a, at_b)| !taken[0][*at_a] && !taken[1][*at_b]);
        take(&mut taken, found, PairedBy::Step);
    }
    pairs.sort_unstable();
    pairs
}

/// Pairs what has a key on either side that no other output there has.
fn by_key(outputs: [&[Output]; 2], taken: &[Vec<bool>; 2], key: Key<'_>) -> Vec<(usize, usize)> {
    let mut places = unique(outputs[0], &taken[0], key);
    let of_b = unique(outputs[1], &taken[1], key);
    let pairs = of_b.into_iter().filter_map(|(text, at_b)| Some((places.remove(&text)??, at_b?)));
    pairs.collect()
}

/// What outputs are paired by.
type Key<'k> = &'k dyn Fn(&Output) -> String;

/// Returns where the output with each key lies; `None` where several have it.
fn unique(outputs: &[Output], taken: &[bool], key: Key<'_>) -> HashMap<String, Option<usize>> {
    let mut places = HashMap::new();
    for (at, output) in outputs.iter().enumerate().filter(|(at, _)| !taken[*at]) {
        places.entry(key(output)).and_modify(|place| *place = None).or_insert(Some(at));
    }
    places
}
