//! Which recorded version of each path is the newest, which of those a later run has superseded, and which were made from
//! what is no longer so.

use std::collections::{HashMap, HashSet, hash_map::Entry};
use std::ops::ControlFlow;

use crate::error::Result;
use crate::model::{Artifact, Digest, NodeId, Parameter, Role};
use crate::query::origin::{Origin, Write, origin};
use crate::store::{ArtifactNo, GO_ON, PathNo, RunNo, Snapshot, StepNo};

/// The newest recorded version of a path: what was last written or read there.
#[derive(Debug, Clone)]
pub struct NewestFile {
    /// The path's number.
    pub path_no: PathNo,
    /// The version's number.
    pub number: ArtifactNo,
    /// The version.
    pub artifact: Artifact,
    /// Its last write; `None` for a source, and where something unrecorded put other bytes there that were read since.
    pub writer: Option<Write>,
    /// Whether a later run did the same step anew and put its output elsewhere: see [`newest_files`].
    pub superseded: bool,
}

/// Lists the newest version of every path that a step read or wrote, by path.
///
/// A file is **superseded** when a step of a later run, of the same name, about the same subject and with the same parameters
/// (whatever the version of the tool), wrote its output to another path: the older run's folder then is history. A file of
/// metrics is superseded when all outputs of its run that it speaks of are.
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
    for path in paths {
        files.extend(newest_of(snapshot, path)?);
    }
    mark_superseded(snapshot, &mut files)?;
    Ok(files)
}

fn newest_of(snapshot: &Snapshot, path_no: PathNo) -> Result<Option<NewestFile>> {
    let write = last_write(snapshot, path_no)?;
    let mut newest = write.map(|write| (write.at, write.artifact));
    // What was read after the last write, with other bytes, was put there by somebody unrecorded, and is newer.
    let since = write.map_or(i64::MIN, |write| write.at);
    for version in snapshot.versions(path_no)? {
        if write.is_some_and(|write| write.artifact == version) {
            continue;
        }
        let Some(read) = last_read(snapshot, version, since)? else {
            continue;
        };
        let before = match newest {
            Some((at, artifact)) => {
                let again = last_read(snapshot, artifact, since)?.unwrap_or(at).max(at);
                (again, snapshot.artifact(artifact)?.digest) < (read, snapshot.artifact(version)?.digest)
            }
            None => true,
        };
        if before {
            newest = Some((read, version));
        }
    }
    let Some((_, number)) = newest else {
        return Ok(None);
    };
    Ok(Some(NewestFile {
        path_no,
        number,
        artifact: snapshot.artifact(number)?,
        writer: write.filter(|write| write.artifact == number),
        superseded: false,
    }))
}

/// Finds the last write at a path; of simultaneous ones that of the greatest key, and of its artifacts the greatest digest.
fn last_write(snapshot: &Snapshot, path: PathNo) -> Result<Option<Write>> {
    let mut last: Vec<(i64, StepNo, ArtifactNo)> = Vec::new();
    let _earlier = snapshot.path_writes_until(path, i64::MAX, |at, step, artifact| {
        if last.first().is_some_and(|(latest, ..)| *latest != at) {
            return Ok(ControlFlow::Break(()));
        }
        last.push((at, step, artifact));
        Ok(ControlFlow::Continue(()))
    })?;
    let mut best: Option<(NodeId, Digest, Write)> = None;
    for (at, step, artifact) in last {
        let Some(edges) = snapshot.edges(step)? else {
            continue;
        };
        let id = edges.id;
        let rank = (id, snapshot.artifact(artifact)?.digest);
        if best.as_ref().is_none_or(|(id, digest, _)| (*id, *digest) < rank) {
            let write = Write { artifact, at, step, id };
            best = Some((rank.0, rank.1, write));
        }
    }
    Ok(best.map(|(.., write)| write))
}

/// Finds the time of the last read of an artifact after `since`, in a few look-ups however often it was read: the index gives
/// the first read of a span, so the span is halved.
fn last_read(snapshot: &Snapshot, artifact: ArtifactNo, since: i64) -> Result<Option<i64>> {
    let first_read = |from: i64, until: i64| -> Result<Option<i64>> {
        let first = snapshot.reads_between(artifact, from, until, |at, _| Ok(ControlFlow::Break(at)))?;
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

/// Says by what a step was done; a step done anew by another version is the same step.
const TOOL: &str = "tool";

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
            file.superseded = old.contains(&write.step) || speaks_of_old(snapshot, write, &old)?;
        }
    }
    Ok(())
}

fn step_name(snapshot: &Snapshot, step: StepNo) -> Result<Option<(StepName, RunNo)>> {
    let (Some(record), Some(edges)) = (snapshot.step_without_edges(step)?, snapshot.edges(step)?) else {
        return Ok(None);
    };
    // A repetition wrote elsewhere to compare, not to take the place of anything.
    if snapshot.run(edges.run)?.is_some_and(|run| run.rerun_of.is_some()) {
        return Ok(None);
    }
    let parameters = record.parameters.into_iter().filter(|(name, _)| name != TOOL);
    Ok(Some(((record.name, record.subject, parameters.collect()), edges.run)))
}

/// Returns true for a file of metrics all of whose inputs were written by superseded steps of its own run.
fn speaks_of_old(snapshot: &Snapshot, write: Write, old: &HashSet<StepNo>) -> Result<bool> {
    let Some(edges) = snapshot.edges(write.step)?.filter(|_| !old.is_empty()) else {
        return Ok(false);
    };
    let is_metrics =
        |edge: &crate::store::Edge| edge.artifact == write.artifact && edge.role == Role::Metrics;
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

/// What some files were made from, all the way up, in memory: each step is read once however many files go back to it.
pub struct Ancestry {
    nodes: Vec<Node>,
    /// Of each target, the node of the step that wrote it.
    starts: Vec<usize>,
    digests: HashMap<ArtifactNo, Digest>,
}

/// A step as far as it had come by some moment.
struct Node {
    reads: Vec<Read>,
    writes: Vec<Seen>,
}

struct Read {
    seen: Seen,
    /// The node that wrote what was read.
    from: Option<usize>,
}

#[derive(Clone, Copy)]
struct Seen {
    at: i64,
    path: PathNo,
    artifact: ArtifactNo,
}

/// A path that has other bytes now than went into a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outdated {
    /// The path.
    pub path: PathNo,
    /// The last version of it that was read on the way to the file.
    pub used: ArtifactNo,
}

impl Ancestry {
    /// Reads what `targets` were made from.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn of(snapshot: &Snapshot, targets: &[Write]) -> Result<Self> {
        let mut reading = Reading {
            snapshot,
            places: HashMap::new(),
            frontier: Vec::new(),
            known: HashMap::new(),
            digests: HashMap::new(),
        };
        let mut starts = Vec::with_capacity(targets.len());
        for target in targets {
            starts.push(reading.place(target.step, target.at)?);
        }
        let mut nodes: Vec<Option<Node>> = Vec::new();
        while let Some((at, step, bound)) = reading.frontier.pop() {
            let node = reading.node(step, bound)?;
            nodes.resize_with(nodes.len().max(at + 1), || None);
            nodes[at] = Some(node);
        }
        let empty = || Node { reads: Vec::new(), writes: Vec::new() };
        Ok(Ancestry {
            nodes: nodes.into_iter().map(|node| node.unwrap_or_else(empty)).collect(),
            starts,
            digests: reading.digests,
        })
    }

    /// Returns every path that was read on the way to any target.
    pub fn paths(&self) -> HashSet<PathNo> {
        let reads = self.nodes.iter().flat_map(|node| &node.reads);
        reads.map(|read| read.seen.path).collect()
    }

    /// Returns, for each target, the paths that have other bytes now than went into it, where `current` gives the digest of
    /// what lies at a path now; a path that it does not know counts as unchanged.
    ///
    /// What counts is the last version of a path that was read on the way; and a step on the way that itself wrote what lies
    /// there now has not been overtaken by it. So a file that is brought up to date in place, again and again, makes stale
    /// neither itself nor what was made along with its last version.
    pub fn outdated(&self, current: &dyn Fn(PathNo) -> Option<Digest>) -> Vec<Vec<Outdated>> {
        let mut moved: HashMap<PathNo, Digest> = HashMap::new();
        let mut fresh = vec![true; self.nodes.len()];
        let mut readers: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        let mut frontier = Vec::new();
        for (at, node) in self.nodes.iter().enumerate() {
            for read in &node.reads {
                if let Some(from) = read.from {
                    readers[from].push(at);
                }
                let now = current(read.seen.path);
                if let Some(now) = now.filter(|now| *now != self.digests[&read.seen.artifact]) {
                    moved.insert(read.seen.path, now);
                    if std::mem::take(&mut fresh[at]) {
                        frontier.push(at);
                    }
                }
            }
        }
        while let Some(at) = frontier.pop() {
            for reader in &readers[at] {
                if std::mem::take(&mut fresh[*reader]) {
                    frontier.push(*reader);
                }
            }
        }
        let outdated = self.starts.iter().map(|start| match fresh[*start] {
            true => Vec::new(),
            false => self.outdated_of(*start, &moved),
        });
        outdated.collect()
    }

    fn outdated_of(&self, start: usize, moved: &HashMap<PathNo, Digest>) -> Vec<Outdated> {
        let mut seen: HashSet<usize> = HashSet::new();
        let mut frontier = vec![start];
        let mut last: HashMap<PathNo, Seen> = HashMap::new();
        while let Some(at) = frontier.pop() {
            if !seen.insert(at) {
                continue;
            }
            for read in &self.nodes[at].reads {
                frontier.extend(read.from);
                if moved.contains_key(&read.seen.path) {
                    let known = last.entry(read.seen.path).or_insert(read.seen);
                    if self.rank(known) < self.rank(&read.seen) {
                        *known = read.seen;
                    }
                }
            }
        }
        last.retain(|path, used| self.digests[&used.artifact] != moved[path]);
        let writes = seen.iter().flat_map(|at| &self.nodes[*at].writes);
        for write in writes.filter(|write| moved.get(&write.path) == Some(&self.digests[&write.artifact])) {
            if last.get(&write.path).is_some_and(|used| used.at <= write.at) {
                last.remove(&write.path);
            }
        }
        let outdated = last.into_values();
        outdated.map(|used| Outdated { path: used.path, used: used.artifact }).collect()
    }

    fn rank(&self, seen: &Seen) -> (i64, Digest) {
        (seen.at, self.digests[&seen.artifact])
    }
}

struct Reading<'a> {
    snapshot: &'a Snapshot,
    /// A step that had read so many inputs, and its place.
    places: HashMap<(StepNo, usize), usize>,
    frontier: Vec<(usize, StepNo, i64)>,
    known: HashMap<ArtifactNo, PathNo>,
    digests: HashMap<ArtifactNo, Digest>,
}

impl Reading<'_> {
    fn place(&mut self, step: StepNo, bound: i64) -> Result<usize> {
        let edges = self.snapshot.edges(step)?;
        let reads = edges.map_or(0, |edges| edges.used.iter().filter(|edge| edge.at <= bound).count());
        let next = self.places.len();
        let place = *self.places.entry((step, reads)).or_insert(next);
        if place == next {
            self.frontier.push((place, step, bound));
        }
        Ok(place)
    }

    fn node(&mut self, step: StepNo, bound: i64) -> Result<Node> {
        let mut node = Node { reads: Vec::new(), writes: Vec::new() };
        let Some(edges) = self.snapshot.edges(step)? else {
            return Ok(node);
        };
        for edge in edges.used.iter().filter(|edge| edge.at <= bound) {
            let seen = self.seen(edge.at, edge.artifact)?;
            let from = match origin(self.snapshot, edge.artifact, edge.at, Some(step))? {
                Origin::Written(write) | Origin::Copied(write) => Some(self.place(write.step, write.at)?),
                Origin::Gap(_) | Origin::Source => None,
            };
            node.reads.push(Read { seen, from });
        }
        for edge in &edges.generated {
            node.writes.push(self.seen(edge.at, edge.artifact)?);
        }
        Ok(node)
    }

    fn seen(&mut self, at: i64, artifact: ArtifactNo) -> Result<Seen> {
        if let Entry::Vacant(place) = self.known.entry(artifact) {
            place.insert(self.snapshot.path_of(artifact));
            let digest = self.snapshot.artifact(artifact)?.digest;
            self.digests.insert(artifact, digest);
        }
        Ok(Seen { at, path: self.known[&artifact], artifact })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query::diff::tests::{artifact, history};
    use crate::query::{Direction, upstream};

    /// Returns what is stale, `file <- paths`, when the disk holds `disk` beside what was recorded last.
    fn stale(text: &str, disk: &[&str]) -> Vec<String> {
        let history = history(text);
        let snapshot = &history.snapshot;
        let files = newest_files(snapshot).unwrap();
        let disk: HashMap<String, Digest> = disk
            .iter()
            .map(|word| artifact(word).0)
            .map(|file| (file.path.to_string(), file.digest))
            .collect();
        let current = |path: PathNo| {
            let file = files.iter().find(|file| file.path_no == path)?;
            let path = file.artifact.path.to_string();
            Some(disk.get(&path).copied().unwrap_or(file.artifact.digest))
        };
        let targets: Vec<&NewestFile> =
            files.iter().filter(|file| file.writer.is_some() && !file.superseded).collect();
        let writes: Vec<Write> = targets.iter().filter_map(|file| file.writer).collect();
        let ancestry = Ancestry::of(snapshot, &writes).unwrap();
        let mut lines = Vec::new();
        for (file, outdated) in targets.iter().zip(ancestry.outdated(&current)) {
            let mut causes: Vec<String> = outdated
                .iter()
                .map(|cause| snapshot.artifact(cause.used).unwrap().path.to_string())
                .collect();
            causes.sort();
            assert_eq!(causes, naive(snapshot, file, &current), "{text}");
            // What was itself altered is told from what was made from it elsewhere.
            if !causes.is_empty() && !disk.contains_key(&file.artifact.path.to_string()) {
                lines.push(format!("{} <- {}", file.artifact.path, causes.join(" ")));
            }
        }
        lines
    }

    /// The same by the walk that `lineage show` does, file by file.
    fn naive(
        snapshot: &Snapshot,
        file: &NewestFile,
        current: &dyn Fn(PathNo) -> Option<Digest>,
    ) -> Vec<String> {
        let trace = upstream(snapshot, file.number, file.writer.unwrap().at, u32::MAX).unwrap();
        assert_eq!(trace.direction, Direction::Up);
        let mut last: HashMap<PathNo, (i64, Digest, String)> = HashMap::new();
        for edge in trace.steps.iter().flat_map(|step| &step.used) {
            let artifact = snapshot.artifact(edge.artifact).unwrap();
            let seen = (edge.at, artifact.digest, artifact.path.to_string());
            let known = last.entry(snapshot.path_of(edge.artifact)).or_insert(seen.clone());
            *known = known.clone().max(seen);
        }
        let wrote_since = |path: PathNo, since: i64, now: Digest| {
            let edges =
                trace.steps.iter().flat_map(|step| snapshot.edges(step.step).unwrap().unwrap().generated);
            let mut edges = edges.filter(|edge| snapshot.path_of(edge.artifact) == path && edge.at >= since);
            edges.any(|edge| snapshot.artifact(edge.artifact).unwrap().digest == now)
        };
        let is_outdated = |path: PathNo, at: i64, used: Digest| {
            current(path).is_some_and(|now| now != used && !wrote_since(path, at, now))
        };
        let mut causes: Vec<String> = last
            .into_iter()
            .filter(|(path, (at, digest, _))| is_outdated(*path, *at, *digest))
            .map(|(_, (.., path))| path)
            .collect();
        causes.sort();
        causes
    }

    fn superseded(text: &str) -> Vec<String> {
        let files = newest_files(&history(text).snapshot).unwrap();
        let old = files.iter().filter(|file| file.superseded);
        old.map(|file| file.artifact.path.to_string()).collect()
    }

    #[test]
    fn nothing_is_stale_while_all_is_as_it_was_read() {
        assert_eq!(stale("1 p x: a=1 -> b=1\n1 q x: b=1 -> c=1", &[]), [""; 0]);
    }

    #[test]
    fn what_changed_on_disk_makes_stale_all_that_was_made_from_it() {
        let text = "1 p x: a=1 -> b=1\n1 q x: b=1 other=7 -> c=2\n1 r x: other=7 -> d=3";
        assert_eq!(stale(text, &["a=2"]), ["b <- a", "c <- a"]);
        assert_eq!(stale(text, &["b=9"]), ["c <- b"]);
    }

    #[test]
    fn a_newer_recorded_version_makes_stale_what_was_made_from_the_older_one() {
        assert_eq!(stale("1 p x: a=1 -> b=1\n1 q x: b=1 -> c=1\n2 p x: a=1 -> b=2", &[]), ["c <- b"]);
        assert_eq!(stale("1 p x: a=1 -> b=1\n2 q x: a=2 -> c=1", &[]), ["b <- a"]);
    }

    #[test]
    fn a_file_brought_up_to_date_in_place_does_not_make_itself_stale() {
        let text = "1 p x: a=1 -> a=2\n2 p x: a=2 -> a=3 log=1\n3 q x: a=3 -> table=1";
        assert_eq!(stale(text, &[]), [""; 0]);
        assert_eq!(stale(text, &["a=9"]), ["log <- a", "table <- a"]);
    }

    #[test]
    fn what_was_put_back_is_not_stale_any_more() {
        assert_eq!(stale("1 p x: a=1 -> b=1\n2 q x: a=2 -> c=1", &["a=1"]), ["c <- a"]);
    }

    #[test]
    fn the_newest_version_is_what_was_read_last_where_nobody_recorded_its_write() {
        let newest = |text: &str| {
            let files = newest_files(&history(text).snapshot).unwrap();
            let b = files.iter().find(|file| file.artifact.path.as_bytes() == b"b").unwrap();
            let content =
                ["1", "2", "3"].into_iter().find(|text| Digest::of(text.as_bytes()) == b.artifact.digest);
            (content.unwrap(), b.writer.is_some())
        };
        assert_eq!(newest("1 p x: a=1 -> b=1\n2 q x: b=2 -> c=1"), ("2", false));
        assert_eq!(newest("1 p x: a=1 -> b=1\n2 q x: b=2 -> c=1\n3 q y: b=1 -> d=1"), ("1", true));
        assert_eq!(newest("1 q x: b=1 -> c=1\n2 q x: b=2 -> c=2\n3 q x: b=1 -> c=1"), ("1", false));
    }

    #[test]
    fn the_outputs_of_a_step_done_anew_elsewhere_are_superseded_with_their_metrics() {
        let text = "1 p tool=1 a: a=1 -> {run}/a=1\n1 m {run}/m: {run}/a=1 -> %{run}/m=1\n1 p b: b=1 -> {run}/b=1\n\
                    2 p tool=2 a: a=1 -> {run}/a=1";
        assert_eq!(superseded(text).len(), 2, "{:?}", superseded(text));
        let other_parameter = "1 p s=1 a: a=1 -> {run}/a=1\n2 p s=2 a: a=1 -> {run}/a=1";
        assert_eq!(superseded(other_parameter), [""; 0]);
        let same_run = "1 p a: a=1 -> {run}/a=1\n1 p a: a=2 -> {run}/b=1";
        assert_eq!(superseded(same_run), [""; 0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_walk_over_all_files_at_once_equals_the_walk_from_each(
            steps in proptest::collection::vec((0u8..4, "[a-d]", 0u8..3, "[a-d]", 0u8..3, "[a-d]", 0u8..3), 1..12),
            disk in proptest::collection::vec(("[a-d]", 0u8..3), 0..3),
        ) {
            let lines = steps.iter().enumerate().map(|(at, (run, p, v, q, w, out, content))| {
                format!("{run} s{at} x: {p}={v} {q}={w} -> {out}={content}")
            });
            let disk: Vec<String> = disk.iter().map(|(path, content)| format!("{path}={content}")).collect();
            let disk: Vec<&str> = disk.iter().map(String::as_str).collect();
            // The comparison with the naive walk is made inside.
            stale(&lines.collect::<Vec<_>>().join("\n"), &disk);
        }
    }
}
