//! Which recorded version of each path is the newest, and which of those a later run has superseded.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use crate::error::Result;
use crate::model::{Artifact, NodeId, Parameter, Role, Run, RunKind, TOOL_PARAMETER};
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
/// A file of a pipeline's run is **superseded** when a step of a later run, of the same name, about the same subject and with the
/// same parameters (whatever the version of the tool), wrote its output to another path: the older run's folder then is
/// history. A file of metrics is superseded when all outputs of its run that it speaks of are. A pipeline names a folder for
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
    mark_superseded(snapshot, &mut files)?;
    for file in files.iter_mut().filter(|file| file.superseded) {
        file.superseded = snapshot.models_with(file.number)?.is_empty();
    }
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

/// What the same step of another run would be called.
type StepName = (String, String, Vec<Parameter>);

fn mark_superseded(snapshot: &Snapshot, files: &mut [NewestFile]) -> Result<()> {
    let mut steps: HashMap<StepNo, Option<(StepName, RunNo)>> = HashMap::new();
    let mut latest: HashMap<StepName, (i64, NodeId, RunNo)> = HashMap::new();
    for write in files.iter().filter_map(|file| file.writer) {
        let entry = match steps.entry(write.step) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(step_name(snapshot, write.step)?),
        };
        if let Some((name, run)) = entry {
            let rank = (write.at, write.id, *run);
            let last = latest.entry(name.clone()).or_insert(rank);
            if (rank.0, rank.1) > (last.0, last.1) {
                *last = rank;
            }
        }
    }
    let is_old = |step: &StepNo| {
        let known = steps.get(step).and_then(Option::as_ref);
        known.is_some_and(|(name, run)| latest[name].2 != *run)
    };
    let old: HashSet<StepNo> = steps.keys().filter(|step| is_old(step)).copied().collect();
    for file in files {
        if let Some(write) = file.writer {
            let is_of_pipeline = steps.get(&write.step).is_some_and(Option::is_some);
            file.superseded =
                is_of_pipeline && (old.contains(&write.step) || speaks_of_old(snapshot, write, &old)?);
        }
    }
    Ok(())
}

fn step_name(snapshot: &Snapshot, step: StepNo) -> Result<Option<(StepName, RunNo)>> {
    let (Some(record), Some(run)) = (snapshot.step_without_edges(step)?, snapshot.run_of(step)?) else {
        return Ok(None);
    };
    // A repetition wrote elsewhere to compare, not to take the place of anything.
    let is_of_pipeline = |run: Run| run.kind == RunKind::Pipeline && run.rerun_of.is_none();
    if !snapshot.run(run)?.is_some_and(is_of_pipeline) {
        return Ok(None);
    }
    let parameters = record.parameters.into_iter().filter(|(name, _)| name != TOOL_PARAMETER);
    Ok(Some(((record.name, record.subject, parameters.collect()), run)))
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
    use crate::model::Digest;
    use crate::query::diff::tests::history;

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
}
