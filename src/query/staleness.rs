//! Which files were made from what is no longer so, or from what is not certain.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};

use crate::error::Result;
use crate::model::{Digest, Evidence, Role};
use crate::query::origin::{Origin, Write, origin_and_others};
use crate::query::together::{Runs, written_along};
use crate::store::{ArtifactNo, Edge, PathNo, Snapshot, StepNo};

/// What some files were made from, all the way up, in memory: each step is read once however many files go back to it.
pub struct Ancestry {
    nodes: Vec<Node>,
    /// Of each target, the node it came from.
    starts: Vec<usize>,
    digests: HashMap<ArtifactNo, Digest>,
}

/// A step as far as it had come by some moment, or the steps that wrote a version together.
#[derive(Default)]
struct Node {
    reads: Vec<Read>,
    writes: Vec<Seen>,
    /// The nodes of the steps that wrote together.
    steps: Vec<usize>,
}

struct Read {
    seen: Seen,
    /// Whether it was changed while it was read: which bytes went on is not known.
    is_doubtful: bool,
    /// The node that what was read came from.
    from: Option<usize>,
    /// The node that the same bytes came from when they were last written there, where that was after they were read.
    renewed: Option<usize>,
}

impl Read {
    /// Returns the nodes from which the bytes that were read have come, at one time or another.
    fn ways(&self) -> impl Iterator<Item = usize> {
        self.from.into_iter().chain(self.renewed)
    }
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
            nodes: Vec::new(),
            places: HashMap::new(),
            versions: HashMap::new(),
            runs: Runs::default(),
            read_at: HashMap::new(),
            frontier: Vec::new(),
            known: HashMap::new(),
            digests: HashMap::new(),
        };
        let mut starts = Vec::with_capacity(targets.len());
        for target in targets {
            starts.push(reading.place_of_version(target, true)?);
        }
        while let Some((at, step, bound)) = reading.frontier.pop() {
            let node = reading.node(step, bound)?;
            reading.nodes[at] = node;
        }
        Ok(Ancestry { nodes: reading.nodes, starts, digests: reading.digests })
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
    /// neither itself nor what was made along with its last version. And what was made anew from what there is now, and came to
    /// the same bytes, is up to date with all that was made from those bytes before.
    pub fn outdated(&self, current: &dyn Fn(PathNo) -> Option<Digest>) -> Vec<Vec<Outdated>> {
        let mut moved: HashMap<PathNo, Digest> = HashMap::new();
        let mut fresh = vec![true; self.nodes.len()];
        // Who goes back to a node: by which of its reads, or as one who wrote along with it.
        let mut readers: Vec<Vec<(usize, Option<usize>)>> = vec![Vec::new(); self.nodes.len()];
        let mut frontier = Vec::new();
        for (at, node) in self.nodes.iter().enumerate() {
            for (number, read) in node.reads.iter().enumerate() {
                for way in read.ways() {
                    readers[way].push((at, Some(number)));
                }
                let now = current(read.seen.path);
                if let Some(now) = now.filter(|now| *now != self.digests[&read.seen.artifact]) {
                    moved.insert(read.seen.path, now);
                    if std::mem::take(&mut fresh[at]) {
                        frontier.push(at);
                    }
                }
            }
            for step in &node.steps {
                readers[*step].push((at, None));
            }
        }
        while let Some(at) = frontier.pop() {
            for (reader, read) in &readers[at] {
                let has_another_way =
                    read.is_some_and(|read| self.nodes[*reader].reads[read].ways().any(|way| fresh[way]));
                if !has_another_way && std::mem::take(&mut fresh[*reader]) {
                    frontier.push(*reader);
                }
            }
        }
        let outdated = self.starts.iter().map(|start| match fresh[*start] {
            true => Vec::new(),
            false => self.outdated_of(*start, &moved, &fresh),
        });
        outdated.collect()
    }

    /// Returns, for each target, what was changed while it was read on the way to it.
    pub fn doubtful(&self) -> Vec<BTreeSet<ArtifactNo>> {
        let is_doubtful = |node: &Node| node.reads.iter().any(|read| read.is_doubtful);
        if !self.nodes.iter().any(is_doubtful) {
            return vec![BTreeSet::new(); self.starts.len()];
        }
        self.starts.iter().map(|start| self.doubtful_of(*start)).collect()
    }

    fn doubtful_of(&self, start: usize) -> BTreeSet<ArtifactNo> {
        let mut seen: HashSet<usize> = HashSet::new();
        let mut frontier = vec![start];
        let mut found = BTreeSet::new();
        while let Some(at) = frontier.pop() {
            if !seen.insert(at) {
                continue;
            }
            frontier.extend(&self.nodes[at].steps);
            for read in &self.nodes[at].reads {
                frontier.extend(read.from);
                if read.is_doubtful {
                    found.insert(read.seen.artifact);
                }
            }
        }
        found
    }

    fn outdated_of(&self, start: usize, moved: &HashMap<PathNo, Digest>, fresh: &[bool]) -> Vec<Outdated> {
        let mut seen: HashSet<usize> = HashSet::new();
        let mut frontier = vec![start];
        let mut last: HashMap<PathNo, Seen> = HashMap::new();
        while let Some(at) = frontier.pop() {
            if !seen.insert(at) {
                continue;
            }
            frontier.extend(&self.nodes[at].steps);
            for read in &self.nodes[at].reads {
                frontier.extend(read.ways().find(|way| fresh[*way]).or(read.from));
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
    nodes: Vec<Node>,
    /// A step that had read so many inputs, and its place.
    places: HashMap<(StepNo, usize), usize>,
    /// A version that several steps may have written together, by its last write, and its place.
    versions: HashMap<(ArtifactNo, StepNo, i64), usize>,
    runs: Runs,
    /// When each step that was met read, sorted.
    read_at: HashMap<StepNo, Vec<i64>>,
    frontier: Vec<(usize, StepNo, i64)>,
    known: HashMap<ArtifactNo, PathNo>,
    digests: HashMap<ArtifactNo, Digest>,
}

impl Reading<'_> {
    fn place(&mut self, step: StepNo, bound: i64) -> Result<usize> {
        let times = match self.read_at.entry(step) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let edges = self.snapshot.edges(step)?;
                let mut times: Vec<i64> =
                    edges.iter().flat_map(|edges| &edges.used).map(|edge| edge.at).collect();
                times.sort_unstable();
                place.insert(times)
            }
        };
        let reads = times.partition_point(|at| *at <= bound);
        let next = self.nodes.len();
        let place = *self.places.entry((step, reads)).or_insert(next);
        if place == next {
            self.nodes.push(Node::default());
            self.frontier.push((place, step, bound));
        }
        Ok(place)
    }

    /// Returns the place of what the version came from whose last write is `last`.
    fn place_of_version(&mut self, last: &Write, may_have_others: bool) -> Result<usize> {
        if !may_have_others {
            return self.place(last.step, last.at);
        }
        let name = (last.artifact, last.step, last.at);
        if let Some(place) = self.versions.get(&name) {
            return Ok(*place);
        }
        let mut place = self.place(last.step, last.at)?;
        let others = written_along(self.snapshot, last, &mut self.runs)?;
        if !others.is_empty() {
            let mut steps = vec![place];
            for (step, at) in others {
                steps.push(self.place(step, at)?);
            }
            place = self.nodes.len();
            self.nodes.push(Node { steps, ..Node::default() });
        }
        self.versions.insert(name, place);
        Ok(place)
    }

    fn node(&mut self, step: StepNo, bound: i64) -> Result<Node> {
        let mut node = Node::default();
        let Some(edges) = self.snapshot.edges(step)? else {
            return Ok(node);
        };
        for edge in edges.used.iter().filter(|edge| edge.at <= bound) {
            let seen = self.seen(edge.at, edge.artifact)?;
            let (from, may_have_others) =
                origin_and_others(self.snapshot, edge.artifact, edge.at, Some(step))?;
            let from = match from {
                Origin::Written(write) | Origin::Copied(write) => {
                    Some(self.place_of_version(&write, may_have_others)?)
                }
                Origin::Gap(_) | Origin::Source => None,
            };
            let renewed = match from {
                Some(_) => self.renewed(edge, step)?,
                None => None,
            };
            let is_doubtful = edge.evidence == Evidence::Doubtful && edge.role != Role::Environment;
            node.reads.push(Read { seen, is_doubtful, from, renewed });
        }
        for edge in &edges.generated {
            node.writes.push(self.seen(edge.at, edge.artifact)?);
        }
        Ok(node)
    }

    /// Returns the place of what the bytes that `reader` read came from when they were last written, if that was later.
    fn renewed(&mut self, edge: &Edge, reader: StepNo) -> Result<Option<usize>> {
        let (origin, may_have_others) =
            origin_and_others(self.snapshot, edge.artifact, i64::MAX, Some(reader))?;
        match origin {
            Origin::Written(write) if write.at > edge.at => {
                self.place_of_version(&write, may_have_others).map(Some)
            }
            _ => Ok(None),
        }
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
    use crate::query::{Direction, NewestFile, newest_files, upstream};

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
            let naive = naive(snapshot, file, &current);
            if ancestry.nodes.iter().flat_map(|node| &node.reads).all(|read| read.renewed.is_none()) {
                assert_eq!(causes, naive, "{text}");
            } else {
                assert!(causes.iter().all(|cause| naive.contains(cause)), "{causes:?} {naive:?} {text}");
            }
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
    fn what_was_made_anew_and_came_to_the_same_bytes_is_up_to_date() {
        let text = "1 p x: raw=1 -> parsed=1\n1 q x: parsed=1 -> items=1\n1 r x: items=1 -> words=1";
        assert_eq!(stale(text, &["raw=2"]), ["items <- raw", "parsed <- raw", "words <- raw"]);
        let anew = format!("{text}\n2 p x: raw=2 -> parsed=2\n2 q x: parsed=2 -> items=1");
        assert_eq!(stale(&anew, &[]), [""; 0]);
        assert_eq!(stale(&anew, &["raw=3"]), ["items <- raw", "parsed <- raw", "words <- parsed raw"]);
        // By the first way, what lies there now leads to the same.
        assert_eq!(stale(&anew, &["raw=1", "parsed=1"]), ["items <- parsed raw"]);
    }

    #[test]
    fn a_second_output_of_a_command_does_not_supersede_the_first() {
        let text = "1 python x: a=1 -> m1=1\n2 python x: a=1 -> m2=2";
        assert!(newest_files(&history(text).snapshot).unwrap().iter().all(|file| !file.superseded));
        assert_eq!(stale(text, &["a=9"]), ["m1 <- a", "m2 <- a"]);
    }

    #[test]
    fn what_a_repetition_was_given_is_not_what_lies_there() {
        let text =
            "run 1 seed=1\nrun 3 rerun\n1 p x: a=1 -> b=1\n2 p x: a=2 -> b=2\n3 p x: a=1 -> rerun://r/b=1";
        let files = newest_files(&history(text).snapshot).unwrap();
        let a = files.iter().find(|file| file.artifact.path.as_bytes() == b"a").unwrap();
        assert_eq!(a.artifact.digest, Digest::of(b"2"));
        // What it wrote lies nowhere any more.
        assert_eq!(stale(text, &[]), ["rerun://r/b <- a"]);
    }

    #[test]
    fn what_was_changed_while_it_was_read_makes_doubtful_all_that_was_made_from_it() {
        let history = history("1 p x: a=1 -> b=2\n1 q x: b=2 c=3 -> d=4\n1 r x: c=3 -> e=5");
        let snapshot = &history.snapshot;
        let files = newest_files(snapshot).unwrap();
        let writes: Vec<Write> = files.iter().filter_map(|file| file.writer).collect();
        let mut ancestry = Ancestry::of(snapshot, &writes).unwrap();
        assert!(ancestry.doubtful().iter().all(BTreeSet::is_empty));
        let a = files.iter().find(|file| file.artifact.path.as_bytes() == b"a").unwrap();
        let reads = ancestry.nodes.iter_mut().flat_map(|node| &mut node.reads);
        reads.filter(|read| read.seen.artifact == a.number).for_each(|read| read.is_doubtful = true);
        let doubtful = ancestry.doubtful();
        let written = files.iter().filter(|file| file.writer.is_some()).zip(doubtful);
        let names = written.filter(|(_, inputs)| inputs.contains(&a.number)).map(|(file, _)| file);
        let names: Vec<String> = names.map(|file| file.artifact.path.to_string()).collect();
        assert_eq!(names, ["b", "d"]);
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
