//! Which recorded version of each path is the newest, and which of those a later run has superseded.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use crate::error::Result;
use crate::model::{Artifact, Digest, NodeId, Parameter, Role, Run, RunKind, RunStatus, TOOL_PARAMETER};
use crate::query::origin::{Origin, Write, last_write_by, origin};
use crate::query::together::Runs;
use crate::store::{ArtifactNo, Edge, GO_ON, PathNo, RunNo, Snapshot, StepNo};

/// The newest recorded version of a path: what a step last wrote there, or what was last read where no step ever did.
#[derive(Debug, Clone)]
pub struct NewestFile {
    /// The path's number.
    pub path_no: PathNo,
    /// The version's number.
    pub number: ArtifactNo,
    /// The version.
    pub artifact: Artifact,
    /// Its last write; `None` for a source.
    pub writer: Option<Write>,
    /// What was read there last since that write, where it was something else: nobody recorded put it there.
    pub read_since: Option<ArtifactNo>,
    /// Whether a later run did the same step anew and put its output elsewhere: see [`newest_files`].
    pub superseded: bool,
}

impl NewestFile {
    /// Returns the version that is known to have lain there last.
    pub fn last(&self) -> ArtifactNo {
        self.read_since.unwrap_or(self.number)
    }
}

/// Lists the newest version of every path that a step read or wrote, by path.
///
/// A file of a pipeline's run is **superseded** when a step of a later run wrote its output to another path and stands in for the one
/// that made it: one of the same name, about the same subject and with the same parameters (whatever the version of the tool), or
/// that made the same from the same bytes, whatever their name. Where a later run was given the same inputs and came to its end well,
/// it stands in for the earlier one as a whole, also in what is not among these any more, unless it was taken up again. The older run's folder then is
/// history. A file of metrics is superseded when all outputs of its run that it speaks of are; and a source when only such steps read
/// it. A pipeline names a folder for
/// each of its runs; where a command or a program writes to, its user chose, and a second output is none the less wanted
/// beside the first. Nor is a file superseded that belongs to a model version.
///
/// The cost is linear in the paths of the store.
///
/// # Errors
/// A store error where a record is damaged.
pub fn newest_files(snapshot: &Snapshot) -> Result<Vec<NewestFile>> {
    let mut paths = Vec::new();
    snapshot.paths_from(b"", |_, path| {
        paths.push(path);
        Ok(GO_ON)
    })?;
    let mut files = Vec::with_capacity(paths.len());
    let mut runs = Runs::default();
    for path in paths {
        files.extend(newest_of(snapshot, path, &mut runs, &mut |_| Ok(true))?);
    }
    let old = mark_superseded(snapshot, &mut files)?;
    for file in files.iter_mut().filter(|file| file.superseded) {
        file.superseded = snapshot.models_with(file.number)?.is_empty();
    }
    mark_sources_of(snapshot, &old, &mut files)?;
    Ok(files)
}

/// Returns those of some paths of which another one has, by a later run, what stands in for it: as [`newest_files`] has superseded
/// files, among these alone and whether or not they belong to model versions.
///
/// The cost is linear in the paths that are asked for.
///
/// # Errors
/// A store error where a record is damaged.
pub fn superseded_among(snapshot: &Snapshot, paths: &[PathNo]) -> Result<HashSet<PathNo>> {
    let mut files = Vec::with_capacity(paths.len());
    let mut runs = Runs::default();
    for path in paths {
        files.extend(newest_of(snapshot, *path, &mut runs, &mut |_| Ok(true))?);
    }
    mark_superseded(snapshot, &mut files)?;
    Ok(files.iter().filter(|file| file.superseded).map(|file| file.path_no).collect())
}

/// Finds the newest version of a path as far as those steps know it that `counts` accepts; `None` where they neither read nor
/// wrote anything there.
///
/// # Errors
/// A store error where a record is damaged.
pub fn newest_file_known_to(
    snapshot: &Snapshot,
    path_no: PathNo,
    counts: &mut dyn FnMut(StepNo) -> Result<bool>,
) -> Result<Option<NewestFile>> {
    newest_of(snapshot, path_no, &mut Runs::default(), counts)
}

fn newest_of(
    snapshot: &Snapshot,
    path_no: PathNo,
    runs: &mut Runs,
    counts: &mut dyn FnMut(StepNo) -> Result<bool>,
) -> Result<Option<NewestFile>> {
    let write = last_write_by(snapshot, path_no, i64::MAX, counts)?;
    let mut last = write.map(|write| (write.at, write.artifact));
    let since = write.map_or(i64::MIN, |write| write.at);
    for version in snapshot.versions(path_no)? {
        if write.is_some_and(|write| write.artifact == version) {
            continue;
        }
        let Some(read) = last_read(snapshot, version, since, runs, counts)? else {
            continue;
        };
        let before = match last {
            Some((at, artifact)) => {
                let again = last_read(snapshot, artifact, since, runs, counts)?.unwrap_or(at).max(at);
                (again, snapshot.artifact(artifact)?.digest) < (read, snapshot.artifact(version)?.digest)
            }
            None => true,
        };
        if before {
            last = Some((read, version));
        }
    }
    let Some((_, last)) = last else {
        return Ok(None);
    };
    let number = write.map_or(last, |write| write.artifact);
    Ok(Some(NewestFile {
        path_no,
        number,
        artifact: snapshot.artifact(number)?,
        writer: write,
        read_since: Some(last).filter(|last| *last != number),
        superseded: false,
    }))
}

/// Finds the time of the last read of an artifact after `since`, in a few look-ups however often it was read: the index gives
/// the first read of a span, so the span is halved. The reads of repetitions do not count.
fn last_read(
    snapshot: &Snapshot,
    artifact: ArtifactNo,
    since: i64,
    runs: &mut Runs,
    counts: &mut dyn FnMut(StepNo) -> Result<bool>,
) -> Result<Option<i64>> {
    let mut first_read = |from: i64, until: i64| -> Result<Option<i64>> {
        let first = snapshot.reads_between(artifact, from, until, |at, step| {
            let counts = !runs.is_repeated(snapshot, step)? && counts(step)?;
            Ok(if counts { ControlFlow::Break(at) } else { ControlFlow::Continue(()) })
        })?;
        Ok(first.break_value())
    };
    let mut high = snapshot.latest().micros();
    let Some(mut low) = first_read(since.saturating_add(1), high)? else {
        return Ok(None);
    };
    while low < high {
        let middle = i64::midpoint(low, high).max(low) + 1;
        match first_read(middle, high)? {
            Some(at) => low = at,
            None => high = middle - 1,
        }
    }
    Ok(Some(low))
}

/// The one parameter of a pipeline's steps that says nothing of the filing they are about.
const SECTION_PARAMETER: &str = "section";

/// What a step that stands in for another one has in common with it.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Same {
    /// Its name, its subject and its parameters.
    Work(String, String, Vec<Parameter>),
    /// What it made its output from, and how: under whatever name that lay.
    Key(Digest),
    /// Its name, its section, and the inputs that its run was given: what is not among these any more is not made from them.
    Given(String, Vec<Parameter>, Vec<String>),
}

/// A step of a pipeline.
struct PipelineStep {
    run: RunNo,
    same: Vec<Same>,
    /// What it is done for all of, where its run worked on all that it was given.
    all: Option<Same>,
}

/// When something was done last: by the time of its output, with the step's key and its run.
type Rank = (i64, NodeId, RunNo);

/// Marks what is superseded, and returns the steps whose place others took.
fn mark_superseded(snapshot: &Snapshot, files: &mut [NewestFile]) -> Result<HashSet<StepNo>> {
    let mut steps: HashMap<StepNo, Option<PipelineStep>> = HashMap::new();
    let mut given: HashMap<RunNo, Option<Given>> = HashMap::new();
    let mut ranks: HashMap<StepNo, Rank> = HashMap::new();
    let mut latest: HashMap<Same, Rank> = HashMap::new();
    for write in files.iter().filter_map(|file| file.writer) {
        let step = match steps.entry(write.step) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(pipeline_step(snapshot, write.step, &mut given)?),
        };
        let Some(step) = step else { continue };
        let rank = (write.at, write.id, step.run);
        let own = ranks.entry(write.step).or_insert(rank);
        *own = rank.max(*own);
        for same in step.same.iter().filter(|same| !matches!(same, Same::Given(..))).chain(&step.all) {
            let last = latest.entry(same.clone()).or_insert(rank);
            *last = rank.max(*last);
        }
    }
    let is_old = |step: &StepNo| {
        let (Some(known), Some(rank)) = (steps.get(step).and_then(Option::as_ref), ranks.get(step)) else {
            return false;
        };
        let later = known.same.iter().filter_map(|same| latest.get(same));
        later.into_iter().any(|last| last > rank && last.2 != known.run)
    };
    let old: HashSet<StepNo> = steps.keys().filter(|step| is_old(step)).copied().collect();
    for file in files {
        if let Some(write) = file.writer {
            let is_of_pipeline = steps.get(&write.step).is_some_and(Option::is_some);
            file.superseded =
                is_of_pipeline && (old.contains(&write.step) || speaks_of_old(snapshot, write, &old)?);
        }
    }
    Ok(old)
}

/// What a run of the pipeline was given.
#[derive(Clone)]
struct Given {
    inputs: Vec<String>,
    /// Whether it worked on all of that.
    is_whole: bool,
}

fn pipeline_step(
    snapshot: &Snapshot,
    step: StepNo,
    given: &mut HashMap<RunNo, Option<Given>>,
) -> Result<Option<PipelineStep>> {
    let (Some(record), Some(run)) = (snapshot.step_without_edges(step)?, snapshot.run_of(step)?) else {
        return Ok(None);
    };
    let given = match given.entry(run) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(place) => place.insert(given_to(snapshot, run)?),
    };
    let Some(given) = given else { return Ok(None) };
    let parameters = record.parameters.into_iter().filter(|(name, _)| name != TOOL_PARAMETER);
    let parameters: Vec<Parameter> = parameters.collect();
    let of_all = parameters.iter().filter(|(name, _)| name == SECTION_PARAMETER).cloned();
    let of_all = Same::Given(record.name.clone(), of_all.collect(), given.inputs.clone());
    let mut same = vec![Same::Work(record.name, record.subject, parameters), of_all.clone()];
    same.extend(record.key.map(Same::Key));
    Ok(Some(PipelineStep { run, same, all: given.is_whole.then_some(of_all) }))
}

/// Returns what a run of the pipeline was given; `None` for other runs.
fn given_to(snapshot: &Snapshot, number: RunNo) -> Result<Option<Given>> {
    // A repetition wrote elsewhere to compare, not to take the place of anything.
    let is_of_pipeline = |run: &Run| run.kind == RunKind::Pipeline && run.rerun_of.is_none();
    let Some(run) = snapshot.run(number)?.filter(is_of_pipeline) else { return Ok(None) };
    let values = |wanted: &str| {
        let found = run.parameters.iter().filter(|(name, _)| name == wanted);
        found.map(|(_, value)| value.clone()).collect::<Vec<String>>()
    };
    let inputs = values("input");
    // One that was taken up again may have been given other inputs then, or a limit.
    let has_succeeded =
        matches!(&snapshot.outcomes(number)?[..], [once] if once.status == RunStatus::Succeeded);
    let is_whole = has_succeeded && !inputs.is_empty() && values("limit").is_empty();
    Ok(Some(Given { inputs, is_whole }))
}

/// Marks the sources that nobody read but steps whose place others took.
fn mark_sources_of(snapshot: &Snapshot, old: &HashSet<StepNo>, files: &mut [NewestFile]) -> Result<()> {
    let mut read = HashSet::new();
    for step in old {
        let used = snapshot.edges(*step)?.map(|edges| edges.used).unwrap_or_default();
        read.extend(used.iter().map(|edge| edge.artifact));
    }
    for file in files.iter_mut().filter(|file| file.writer.is_none() && read.contains(&file.number)) {
        let other = snapshot.reads_between(file.number, i64::MIN, i64::MAX, |_, step| {
            Ok(if old.contains(&step) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        file.superseded = other.is_continue() && snapshot.models_with(file.number)?.is_empty();
    }
    Ok(())
}

/// Returns true for a file of metrics all of whose inputs were written by superseded steps of its own run.
fn speaks_of_old(snapshot: &Snapshot, write: Write, old: &HashSet<StepNo>) -> Result<bool> {
    let Some(edges) = snapshot.edges(write.step)?.filter(|_| !old.is_empty()) else {
        return Ok(false);
    };
    let is_metrics = |edge: &Edge| edge.artifact == write.artifact && edge.role == Role::Metrics;
    if edges.used.is_empty() || !edges.generated.iter().any(is_metrics) {
        return Ok(false);
    }
    for edge in &edges.used {
        match origin(snapshot, edge.artifact, edge.at, Some(write.step))? {
            Origin::Written(input) if old.contains(&input.step) => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::histories::history;

    fn superseded(text: &str) -> Vec<String> {
        let files = newest_files(&history(text).snapshot).unwrap();
        let old = files.iter().filter(|file| file.superseded);
        old.map(|file| file.artifact.path.to_string()).collect()
    }

    #[test]
    fn the_newest_version_is_what_was_written_last_also_where_something_else_was_read_since() {
        let newest = |text: &str| {
            let history = history(text);
            let files = newest_files(&history.snapshot).unwrap();
            let b = files.iter().find(|file| file.artifact.path.as_bytes() == b"b").unwrap();
            let content = |digest: Digest| {
                ["1", "2", "3"].into_iter().find(|text| Digest::of(text.as_bytes()) == digest).unwrap()
            };
            let read = b.read_since.map(|read| content(history.snapshot.artifact(read).unwrap().digest));
            (content(b.artifact.digest), b.writer.is_some(), read)
        };
        assert_eq!(newest("1 p x: a=1 -> b=1\n2 q x: b=2 -> c=1"), ("1", true, Some("2")));
        assert_eq!(newest("1 p x: a=1 -> b=1\n2 q x: b=2 -> c=1\n3 q y: b=1 -> d=1"), ("1", true, None));
        assert_eq!(newest("1 p x: a=1 -> b=1\n2 q x: b=2 -> c=1\n3 p x: a=1 -> b=3"), ("3", true, None));
        assert_eq!(newest("1 q x: b=1 -> c=1\n2 q x: b=2 -> c=2\n3 q x: b=1 -> c=1"), ("1", false, None));
    }

    #[test]
    fn the_outputs_of_a_step_done_anew_elsewhere_are_superseded_with_their_metrics() {
        let text = "run 1 pipeline\nrun 2 pipeline\n1 p tool=1 a: a=1 -> {run}/a=1\n1 m {run}/m: {run}/a=1 -> %{run}/m=1\n1 p b: b=1 -> {run}/b=1\n\
                    2 p tool=2 a: a=1 -> {run}/a=1";
        assert_eq!(superseded(text).len(), 2, "{:?}", superseded(text));
        let other_parameter =
            "run 1 pipeline\nrun 2 pipeline\n1 p s=1 a: a=1 -> {run}/a=1\n2 p s=2 a: a=1 -> {run}/a=1";
        assert_eq!(superseded(other_parameter), [""; 0]);
        let same_run = "run 1 pipeline\n1 p a: a=1 -> {run}/a=1\n1 p a: a=2 -> {run}/b=1";
        assert_eq!(superseded(same_run), [""; 0]);
    }

    #[test]
    fn what_was_made_from_the_same_bytes_is_superseded_under_whatever_name_they_lay() {
        let text = "run 1 pipeline\nrun 2 pipeline\n1 p keyed:k a: a=1 -> {run}/a=1\n2 p keyed:k b: b=1 -> {run}/b=1";
        let run = "19700101_000001_r1";
        assert_eq!(superseded(text), [format!("{run}/a"), "a".to_owned()]);
        // What anybody else read is missed where it is gone.
        assert_eq!(superseded(&format!("{text}\n3 c x: a=1 -> c=1")), [format!("{run}/a")]);
        let other_step = text.replace("2 p keyed:k", "2 p keyed:other");
        assert_eq!(superseded(&other_step), [""; 0]);
    }

    #[test]
    fn what_is_no_longer_among_the_same_inputs_is_superseded_by_a_run_that_worked_on_all_of_them() {
        let steps = "1 p section=1 a: d/a=1 -> {run}/a=1\n1 p section=1 b: d/b=1 -> {run}/b=1\n2 p section=1 b: d/b=1 -> {run}/b=1";
        let with = |inputs: [&str; 2]| {
            superseded(&format!("run 1 pipeline {}\nrun 2 pipeline {}\n{steps}", inputs[0], inputs[1]))
        };
        let run = "19700101_000001_r1";
        let all = [format!("{run}/a"), format!("{run}/b"), "d/a".to_owned()];
        assert_eq!(with(["input=d", "input=d"]), all);
        assert_eq!(with(["input=d limit=2", "input=d"]), all);
        assert_eq!(with(["input=d", "input=d limit=1"]), all[1..2]);
        assert_eq!(with(["input=d", "input=d/b"]), all[1..2]);
        assert_eq!(with(["", ""]), all[1..2]);
    }
}
