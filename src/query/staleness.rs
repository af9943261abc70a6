//! Which files were made from what is no longer so, or from what is not certain.

mod kept_up;

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};

use crate::error::Result;
use crate::model::{Digest, Evidence, Role, StepAct};
use crate::query::origin::{Origin, Write, lost, origin_and_others};
use crate::query::pairs::Pairs;
use crate::query::together::{Runs, written_along};
use crate::store::{ArtifactNo, Edge, GO_ON, PathNo, RunNo, Snapshot, StepNo};
use kept_up::KeptUp;

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
    /// The step, and its run.
    step: Option<(StepNo, RunNo)>,
    reads: Vec<Read>,
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
    /// It was moved away from there: what lies there since does not replace it.
    is_moved: bool,
}

#[derive(Clone, Copy)]
struct Seen {
    at: i64,
    path: PathNo,
    artifact: ArtifactNo,
}

/// A node, and which of its reads.
type ReadPlace = (usize, usize);

/// Who goes back to a node.
enum Reader {
    /// One that read what was made there.
    Read(ReadPlace),
    /// The whole of those that wrote together.
    Along(usize),
}

/// A path that has other bytes now than were read there.
struct Moved {
    /// The nodes that read other bytes there, with what they read: the last version first.
    reads: Vec<(usize, Seen)>,
    /// Likewise, those whose own command has kept it up since.
    kept_up: Vec<(usize, Seen)>,
    /// The runs that wrote what lies there now, with the last time.
    writes: HashMap<RunNo, i64>,
}

/// What lies at a path now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Now {
    /// These bytes.
    Bytes(Digest),
    /// Nothing: what was read there is gone.
    Gone,
}

/// A path that has other bytes now than went into a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outdated {
    /// The path.
    pub path: PathNo,
    /// The last version of it that was read on the way to the file.
    pub used: ArtifactNo,
}

/// What has other bytes now than went into a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutOfDate {
    /// Paths that make it stale.
    pub stale: Vec<Outdated>,
    /// Paths that nobody wrote since but the command that had read them on the way, each time anew from what lay there.
    pub kept_up: Vec<Outdated>,
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
            pairs: Pairs::default(),
        };
        let mut starts = Vec::with_capacity(targets.len());
        for target in targets {
            starts.push(reading.place_of_version(target, true)?);
        }
        while let Some((at, step, part)) = reading.frontier.pop() {
            let node = reading.node(step, part)?;
            reading.nodes[at] = node;
        }
        Ok(Ancestry { nodes: reading.nodes, starts, digests: reading.digests })
    }

    /// Returns every path that was read on the way to any target.
    pub fn paths(&self) -> HashSet<PathNo> {
        let reads = self.nodes.iter().flat_map(|node| &node.reads);
        reads.map(|read| read.seen.path).collect()
    }

    /// Returns, for each target, the paths that have other bytes now than went into it, or none, where `current` says what lies
    /// at a path now; a path that it does not know counts as unchanged.
    ///
    /// Each way back is judged by itself. On a way, what was read last of a path counts, that is nearest to the target; and a run
    /// on the way that itself wrote what lies there now, after that was read, has not been overtaken by it: to run it again gives
    /// the same. So a file that is brought up to date in place, again and again, makes stale neither itself nor what was made along
    /// with its last version, and a run that checks out old code, and then the new code again, does not make stale what it made
    /// between. And what was made anew from what there is now, and came to the same bytes, is up to date with all that was made
    /// from those bytes before.
    ///
    /// Told apart is what the very command keeps up that had read it: a table of results to which each run adds its line makes
    /// no earlier model worse.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn outdated(
        &self,
        snapshot: &Snapshot,
        current: &dyn Fn(PathNo) -> Option<Now>,
    ) -> Result<Vec<OutOfDate>> {
        let moved = self.moved(snapshot, current)?;
        if moved.is_empty() {
            return Ok(vec![OutOfDate::default(); self.starts.len()]);
        }
        let readers = self.readers();
        let mut anew: HashSet<ReadPlace> = HashSet::new();
        loop {
            let overtaken = self.overtaken(&moved, |moved| &moved.reads, &readers, &anew);
            // Nothing is made anew from itself: a later write counts only when it was found up to date without that.
            let reads = self.nodes.iter().enumerate().flat_map(|(at, node)| {
                node.reads.iter().enumerate().map(move |(number, read)| ((at, number), read))
            });
            let newly = reads.filter(|(place, read)| {
                let is_wanted = read.from.is_some_and(|from| !overtaken[from].is_empty());
                is_wanted
                    && read.renewed.is_some_and(|way| overtaken[way].is_empty())
                    && !anew.contains(place)
            });
            let newly: Vec<ReadPlace> = newly.map(|(place, _)| place).collect();
            if newly.is_empty() {
                let kept_up = self.overtaken(&moved, |moved| &moved.kept_up, &readers, &anew);
                let outdated = |seen: &Seen| Outdated { path: seen.path, used: seen.artifact };
                let of = |start: &usize| OutOfDate {
                    stale: overtaken[*start].iter().map(outdated).collect(),
                    kept_up: kept_up[*start].iter().map(outdated).collect(),
                };
                return Ok(self.starts.iter().map(of).collect());
            }
            anew.extend(newly);
        }
    }

    /// Finds the paths that have other bytes now than were read there by any node.
    fn moved(
        &self,
        snapshot: &Snapshot,
        current: &dyn Fn(PathNo) -> Option<Now>,
    ) -> Result<HashMap<PathNo, Moved>> {
        let mut moved: HashMap<PathNo, Moved> = HashMap::new();
        let mut keepers: HashMap<PathNo, Option<KeptUp>> = HashMap::new();
        for (at, node) in self.nodes.iter().enumerate() {
            for read in node.reads.iter().filter(|read| !read.is_moved) {
                let Some(now) = current(read.seen.path) else { continue };
                if now != Now::Bytes(self.digests[&read.seen.artifact]) {
                    let moved = match moved.entry(read.seen.path) {
                        Entry::Occupied(known) => known.into_mut(),
                        Entry::Vacant(place) => {
                            let (keeper, writes) = match now {
                                Now::Bytes(now) => (
                                    KeptUp::of(snapshot, read.seen.path, &now)?,
                                    writes_of(snapshot, read.seen.path, &now)?,
                                ),
                                Now::Gone => (None, HashMap::new()),
                            };
                            keepers.insert(read.seen.path, keeper);
                            place.insert(Moved { reads: Vec::new(), kept_up: Vec::new(), writes })
                        }
                    };
                    let is_kept_up = match (&keepers[&read.seen.path], node.step) {
                        (Some(keeper), Some((step, _))) => keeper.is_by(snapshot, step, read.seen.at)?,
                        _ => false,
                    };
                    let reads = if is_kept_up { &mut moved.kept_up } else { &mut moved.reads };
                    reads.push((at, read.seen));
                }
            }
        }
        for reads in moved.values_mut().flat_map(|moved| [&mut moved.reads, &mut moved.kept_up]) {
            reads.sort_by_key(|(at, seen)| (std::cmp::Reverse(self.rank(seen)), *at));
        }
        Ok(moved)
    }

    /// Returns who goes back to each node.
    fn readers(&self) -> Vec<Vec<Reader>> {
        let mut readers: Vec<Vec<Reader>> = (0..self.nodes.len()).map(|_| Vec::new()).collect();
        for (at, node) in self.nodes.iter().enumerate() {
            for (number, read) in node.reads.iter().enumerate() {
                if let Some(from) = read.from {
                    readers[from].push(Reader::Read((at, number)));
                }
            }
            for step in &node.steps {
                readers[*step].push(Reader::Along(at));
            }
        }
        readers
    }

    /// Returns, for each node, the paths that make it stale, each with the last version of it that went in on a way that does;
    /// not on ways through a read that is up to date all the same.
    fn overtaken(
        &self,
        moved: &HashMap<PathNo, Moved>,
        reads: impl Fn(&Moved) -> &Vec<(usize, Seen)>,
        readers: &[Vec<Reader>],
        up_to_date: &HashSet<ReadPlace>,
    ) -> Vec<Vec<Seen>> {
        let mut overtaken: Vec<Vec<Seen>> = vec![Vec::new(); self.nodes.len()];
        for (path, moved) in moved {
            let mut met: HashSet<usize> = HashSet::new();
            // The last versions come first: who is met by one of them need not be met again.
            for (at, seen) in reads(moved) {
                let mut frontier = vec![*at];
                while let Some(at) = frontier.pop() {
                    let written = self.nodes[at].step.and_then(|(_, run)| moved.writes.get(&run));
                    let is_settled = written.is_some_and(|written| *written >= seen.at);
                    if is_settled || !met.insert(at) {
                        continue;
                    }
                    overtaken[at].push(*seen);
                    for reader in &readers[at] {
                        match reader {
                            Reader::Along(whole) => frontier.push(*whole),
                            Reader::Read((node, number)) => {
                                let is_nearer = self.nodes[*node].reads[*number].seen.path == *path;
                                if !is_nearer && !up_to_date.contains(&(*node, *number)) {
                                    frontier.push(*node);
                                }
                            }
                        }
                    }
                }
            }
        }
        overtaken
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

    fn rank(&self, seen: &Seen) -> (i64, Digest) {
        (seen.at, self.digests[&seen.artifact])
    }
}

/// Finds the runs that wrote some bytes at a path, each with the last time that it did.
fn writes_of(snapshot: &Snapshot, path: PathNo, digest: &Digest) -> Result<HashMap<RunNo, i64>> {
    let mut last: HashMap<RunNo, i64> = HashMap::new();
    let Some(artifact) = snapshot.artifact_no(path, digest)? else {
        return Ok(last);
    };
    let _all = snapshot.writes_until(artifact, i64::MAX, |at, step| {
        if let Some(run) = snapshot.run_of(step)? {
            let known = last.entry(run).or_insert(at);
            *known = at.max(*known);
        }
        Ok(GO_ON)
    })?;
    Ok(last)
}

struct Reading<'a> {
    snapshot: &'a Snapshot,
    nodes: Vec<Node>,
    /// A part of a step, and its place.
    places: HashMap<(StepNo, usize), usize>,
    /// A version that several steps may have written together, by its last write, and its place.
    versions: HashMap<(ArtifactNo, StepNo, i64), usize>,
    runs: Runs,
    /// When each step that was met read, sorted.
    read_at: HashMap<StepNo, Vec<i64>>,
    frontier: Vec<(usize, StepNo, StepPart)>,
    known: HashMap<ArtifactNo, PathNo>,
    digests: HashMap<ArtifactNo, Digest>,
    pairs: Pairs,
}

/// A part of a step.
#[derive(Clone, Copy)]
enum StepPart {
    /// As far as it had come by some moment.
    Until(i64),
    /// What goes back to one file alone, by the place of what was written.
    Pair(usize),
}

impl Reading<'_> {
    fn place(&mut self, step: StepNo, bound: i64, written: ArtifactNo) -> Result<usize> {
        let (name, part) = match self.pairs.of(self.snapshot, step)? {
            Some(paired) => match paired.places(written, bound).first() {
                Some(place) => (*place, StepPart::Pair(*place)),
                None => return Err(lost(step)),
            },
            None => (self.reads_until(step, bound)?, StepPart::Until(bound)),
        };
        let next = self.nodes.len();
        let place = *self.places.entry((step, name)).or_insert(next);
        if place == next {
            self.nodes.push(Node::default());
            self.frontier.push((place, step, part));
        }
        Ok(place)
    }

    /// Returns how much a step had read by a moment.
    fn reads_until(&mut self, step: StepNo, bound: i64) -> Result<usize> {
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
        Ok(times.partition_point(|at| *at <= bound))
    }

    /// Returns the place of what the version came from whose last write is `last`.
    fn place_of_version(&mut self, last: &Write, may_have_others: bool) -> Result<usize> {
        if !may_have_others {
            return self.place(last.step, last.at, last.artifact);
        }
        let name = (last.artifact, last.step, last.at);
        if let Some(place) = self.versions.get(&name) {
            return Ok(*place);
        }
        let mut place = self.place(last.step, last.at, last.artifact)?;
        let others = written_along(self.snapshot, last, &mut self.runs)?;
        if !others.is_empty() {
            let mut steps = vec![place];
            for (step, at) in others {
                steps.push(self.place(step, at, last.artifact)?);
            }
            place = self.nodes.len();
            self.nodes.push(Node { steps, ..Node::default() });
        }
        self.versions.insert(name, place);
        Ok(place)
    }

    fn node(&mut self, step: StepNo, part: StepPart) -> Result<Node> {
        let mut node = Node::default();
        match part {
            StepPart::Until(bound) => {
                let Some(edges) = self.snapshot.edges(step)? else {
                    return Ok(node);
                };
                node.step = Some((step, edges.run));
                for edge in edges.used.iter().filter(|edge| edge.at <= bound) {
                    node.reads.push(self.read(edge, step)?);
                }
            }
            StepPart::Pair(place) => {
                let paired = self.pairs.of(self.snapshot, step)?.ok_or_else(|| lost(step))?;
                node.step = Some((step, paired.edges.run));
                for edge in paired.read_for(place) {
                    let is_it = std::ptr::eq(edge, &paired.edges.used[place]);
                    let is_moved = is_it && paired.edges.act == StepAct::Moved;
                    node.reads.push(Read { is_moved, ..self.read(edge, step)? });
                }
            }
        }
        Ok(node)
    }

    fn read(&mut self, edge: &Edge, step: StepNo) -> Result<Read> {
        let seen = self.seen(edge.at, edge.artifact)?;
        let (from, may_have_others) = origin_and_others(self.snapshot, edge.artifact, edge.at, Some(step))?;
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
        Ok(Read { seen, is_doubtful, from, renewed, is_moved: false })
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
mod plain;
#[cfg(test)]
mod tests;
