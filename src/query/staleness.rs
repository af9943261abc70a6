//! Which files were made from what is no longer so, or from what is not certain.

mod fresh;
mod kept_up;
mod left;
mod passes;
mod reading;
mod told;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

use crate::error::Result;
use crate::model::{Artifact, ArtifactPath, Digest};
use crate::query::origin::Write;
use crate::store::{ArtifactNo, GO_ON, PathNo, RunNo, Snapshot, StepNo};
use kept_up::{Done, KeptUp};
use left::Fate;
use passes::Passes;
use reading::Reading;

/// As many causes are named of each file.
const CAUSES_MAX: usize = 20;

/// What some files were made from, all the way up, in memory: each step is read once however many files go back to it.
pub struct Ancestry {
    nodes: Vec<Node>,
    /// Of each target, the node it came from.
    starts: Vec<usize>,
    targets: Vec<Write>,
    digests: HashMap<ArtifactNo, Digest>,
    /// Those of them of which no content is recorded.
    without_content: HashSet<ArtifactNo>,
    /// As many causes are named of each target.
    causes_max: usize,
}

/// A step as far as it had come by some moment, or the steps that wrote a version together.
#[derive(Default)]
struct Node {
    /// The step, and its run.
    step: Option<(StepNo, RunNo)>,
    /// What it read since it had come as far as an earlier node of the same step.
    reads: Vec<Read>,
    /// The nodes all of whose ways back are its own, too: those of the steps that wrote together, or the one before of the same
    /// step.
    along: Vec<usize>,
    /// Where the version lies that the steps wrote together.
    path: Option<PathNo>,
}

#[derive(Clone)]
struct Read {
    seen: Seen,
    /// Whether it was changed while it was read: which bytes went on is not known.
    is_doubtful: bool,
    /// The node that what was read came from.
    from: Option<usize>,
    /// Where it was read it is known as a copy of what was written elsewhere.
    is_copy: bool,
    /// Where what it came from lay, of which is known no more than that it has the same bytes, and these are few.
    twin: Option<PathNo>,
    /// The node that the same bytes came from when they were last written there, where that was after they were read.
    renewed: Option<usize>,
    /// It was moved away from there, or taken away by the run that had made and read it: what lies there since does not replace it.
    is_moved: bool,
    sort: Sort,
}

/// Whether what was read went into what was written for certain.
#[derive(Debug, Clone, Copy, Default)]
struct Sort {
    /// The step was only told of it: whether it went in is not known.
    is_told: bool,
    /// The step wrote on in it: whether it went in elsewhere is not known.
    is_carried: bool,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    at: i64,
    path: PathNo,
    artifact: ArtifactNo,
}

/// A node, and which of its reads.
type ReadPlace = (usize, usize);

/// Who goes back to a node.
struct Reader {
    node: usize,
    /// Which of its reads leads there; none, where all ways back of the other node are its own.
    read: Option<usize>,
    /// The first ways on which it does.
    counts_on: Ways,
}

/// A path that has other bytes now than were read there.
struct Moved {
    path: PathNo,
    now: Now,
    /// The nodes that read other bytes there: the last version first.
    reads: Vec<ReadBy>,
    /// Likewise, those whose own command has kept it up since.
    kept_up: Vec<ReadBy>,
    /// The nodes that read what lies there now.
    fresh: Vec<ReadBy>,
    /// The runs that wrote what lies there now, or took away what lay there, with the last time.
    writes: HashMap<RunNo, i64>,
}

/// A node that read some bytes at a path, or was only told of them.
struct ReadBy {
    node: usize,
    seen: Seen,
    sort: Sort,
}

/// Which ways back are gone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ways {
    /// Those on which all is certain.
    Certain,
    /// Also those through what a step was only told of, or what it wrote anew though another command had made it.
    Doubtful,
    /// Also those from what a step read and wrote on to what it wrote elsewhere.
    Carried,
}

/// What lies at a path now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Now {
    /// These bytes.
    Bytes(Digest),
    /// These bytes, which may be what was last written there: of that no content is recorded.
    Perhaps(Digest),
    /// Nothing: what was read there is gone; and who was seen to take it away, and when.
    Gone(Option<(RunNo, i64)>),
}

impl Now {
    /// Tells whether the same bytes lie at two paths.
    fn has_bytes_of(self, other: Now) -> bool {
        matches!((self, other), (Now::Bytes(one), Now::Bytes(another)) if one == another)
    }
}

/// A path that has other bytes now than went into a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outdated {
    /// The path.
    pub path: PathNo,
    /// The last version of it that was read on the way to the file.
    pub used: ArtifactNo,
}

/// The first of what was found of a file, in its order, and how much was found: what many files were made from is not held once for
/// each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Causes<T> {
    /// The first of them.
    pub first: Vec<T>,
    /// How many there are.
    pub total: u64,
}

/// What has other bytes now than went into a file, by path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutOfDate {
    /// Paths that make it stale.
    pub stale: Causes<Outdated>,
    /// Where its command has run again with all that makes it stale, as it lies there now, and neither wrote the file nor read it:
    /// the last such run, in the place of what makes it stale for certain.
    pub left_over: Option<(RunNo, Causes<Outdated>)>,
    /// Paths that were before a program that brings up to date what is not, which left the file as it was (see `left`).
    pub settled: Causes<Outdated>,
    /// Paths that nobody wrote since but the command that had read them on the way, each time anew from what lay there.
    pub kept_up: Causes<Outdated>,
    /// Where nothing makes it stale for certain, paths which a step on the way was only told of, or what was made from them: whether
    /// they went in is not known. Likewise those that its command had before it when it ran again, as they lie there now, and it left
    /// the file as it was. And those of which a step read what lies there now, and then wrote anew, in its place, what
    /// another command had made from them: whether that is still in it is not known.
    pub may_be: Causes<Outdated>,
    /// The last run of its command that had all of these before it, and left the file as it was.
    pub left_by: Option<RunNo>,
    /// Where there is nothing of the above, paths from which no way leads here but through what a step read and wrote on, to what it
    /// wrote elsewhere: a training that noted itself in the database of all trainings.
    pub carried: Causes<Outdated>,
}

impl OutOfDate {
    /// Returns what makes the file stale, or may.
    pub fn at_all(self) -> Option<Causes<Outdated>> {
        let left_over = self.left_over.map(|(_, causes)| causes);
        let all = [Some(self.stale), left_over, Some(self.may_be)];
        all.into_iter().flatten().find(|causes| !causes.is_empty())
    }
}

impl<T> Causes<T> {
    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    fn add(&mut self, cause: T, max: usize) {
        if self.first.len() < max {
            self.first.push(cause);
        }
        self.total += 1;
    }

    fn map<U>(&self, of: impl Fn(&T) -> U) -> Causes<U> {
        Causes { first: self.first.iter().map(of).collect(), total: self.total }
    }
}

impl<T> Default for Causes<T> {
    fn default() -> Self {
        Causes { first: Vec::new(), total: 0 }
    }
}

impl Ancestry {
    /// Reads what `targets` were made from.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn of(snapshot: &Snapshot, targets: &[Write]) -> Result<Self> {
        let mut reading = Reading::new(snapshot);
        let starts = targets.iter().map(|target| reading.place_of_version(target, true));
        let starts = starts.collect::<Result<Vec<usize>>>()?;
        let (nodes, contents) = reading.finish()?;
        let without_content =
            contents.iter().filter(|(_, (_, has_content))| !has_content).map(|(read, _)| *read).collect();
        let digests = contents.into_iter().map(|(read, (digest, _))| (read, digest)).collect();
        Ok(Ancestry {
            nodes,
            starts,
            targets: targets.to_vec(),
            digests,
            without_content,
            causes_max: CAUSES_MAX,
        })
    }

    /// Names all causes of each target, instead of the first.
    pub fn naming_all(self) -> Self {
        Ancestry { causes_max: usize::MAX, ..self }
    }

    /// Returns every path that was read on the way to any target, and where copies may come from.
    pub fn paths(&self) -> HashSet<PathNo> {
        let reads = self.nodes.iter().flat_map(|node| &node.reads);
        reads.flat_map(|read| [Some(read.seen.path), read.twin]).flatten().collect()
    }

    /// Takes some versions for what is wanted where they lie: whatever they were made from, neither they nor what was made from them is
    /// out of date by that.
    pub fn end_at(&mut self, wanted: &HashSet<ArtifactNo>) {
        for (start, target) in self.starts.iter_mut().zip(&self.targets) {
            if wanted.contains(&target.artifact) {
                *start = self.nodes.len();
                self.nodes.push(Node::default());
            }
        }
        for read in self.nodes.iter_mut().flat_map(|node| &mut node.reads) {
            if wanted.contains(&read.seen.artifact) {
                (read.from, read.renewed) = (None, None);
            }
        }
    }

    /// Takes what was read for no copy of what still lies in its own place with the same few bytes, as `lies_there` says: that these
    /// are equal proves nothing.
    pub fn part_twins(&mut self, lies_there: &dyn Fn(PathNo, &Digest) -> bool) {
        for read in self.nodes.iter_mut().flat_map(|node| &mut node.reads) {
            if read.twin.is_some_and(|twin| lies_there(twin, &self.digests[&read.seen.artifact])) {
                (read.from, read.renewed) = (None, None);
            }
        }
    }

    /// Returns, for each target, the paths that have other bytes now than went into it, or none, where `current` says what lies
    /// at a path now, and `is_here` which runs are of this workspace; a path that is not known counts as unchanged.
    ///
    /// Each way back is judged by itself. On a way, what was read last of a path counts, that is nearest to the target; and a run
    /// that itself wrote what lies there now, after it had read that, has not been overtaken by it: to run it again gives the
    /// same. What another run had made from it has been, whoever goes on with it. So a file that is brought up to date in place, again and again, makes stale neither itself nor what was made along
    /// with its last version, and a run that checks out old code, and then the new code again, does not make stale what it made
    /// between. And what was made anew from what there is now, and came to the same bytes, is up to date with all that was made
    /// from those bytes before.
    ///
    /// What a step went on with that an earlier go of its own command had left, a log, a cache, an archive that it brings up to date,
    /// makes nothing stale by a path that the step also knows as it lies there now (see `fresh`).
    ///
    /// Told apart is what the very command keeps up that had read it: a table of results to which each run adds its line makes
    /// no earlier model worse. So is what a step on a way was only told of (see `told`): that is a doubt, and never more; and none by
    /// a path that the step also knows as it lies there now. A doubt is also what another command had made, and a step wrote anew in
    /// its place after it had read, itself, what lies at the path now.
    ///
    /// Least of all counts what a step on a way read and wrote on, for what it wrote elsewhere (see [`WrittenOn`]): that is named where
    /// nothing else is.
    ///
    /// [`WrittenOn`]: crate::query::carried::WrittenOn
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn outdated(
        &self,
        snapshot: &Snapshot,
        current: &dyn Fn(PathNo) -> Option<Now>,
        is_here: &dyn Fn(RunNo) -> Result<bool>,
    ) -> Result<Vec<OutOfDate>> {
        let moved = self.moved(snapshot, current)?;
        if moved.is_empty() {
            return Ok(vec![OutOfDate::default(); self.starts.len()]);
        }
        let mut passes = Passes::new(snapshot, self, &moved, current, is_here);
        let certain = passes.pass(Ways::Certain)?;
        let doubtful = passes.have_doubts().then(|| passes.pass(Ways::Doubtful)).transpose()?;
        let carried = self.reads_on(Ways::Carried).then(|| passes.pass(Ways::Carried)).transpose()?;
        let kept_up = passes.kept_up(carried.as_ref().or(doubtful.as_ref()).unwrap_or(&certain))?;
        let named = |seen: &Causes<Seen>| seen.map(|seen| Outdated { path: seen.path, used: seen.artifact });
        let mut outdated = Vec::with_capacity(self.starts.len());
        for (start, target) in self.starts.iter().zip(&self.targets) {
            let kept_up = kept_up.get(start).map(named).unwrap_or_default();
            let mut file = OutOfDate { kept_up, ..OutOfDate::default() };
            let mut is_said = false;
            for (pass, is_certain) in [(Some(&certain), true), (doubtful.as_ref(), false)] {
                let Some(pass) = pass.filter(|_| !is_said) else { continue };
                let Some((fate, causes)) = passes.fate(pass, *start, target)? else { continue };
                let causes = named(&causes);
                is_said = !matches!(fate, Fate::Settled | Fate::Older);
                match fate {
                    Fate::Stale if is_certain => file.stale = causes,
                    Fate::Stale => file.may_be = causes,
                    Fate::LeftAsIs(run) => (file.may_be, file.left_by) = (causes, Some(run)),
                    Fate::LeftOver(run) => file.left_over = Some((run, causes)),
                    Fate::Settled | Fate::Older => file.settled = causes,
                }
            }
            if let Some(pass) = carried.as_ref().filter(|_| !is_said && file.kept_up.is_empty())
                && let Some((Fate::Stale | Fate::LeftAsIs(_), causes)) = passes.fate(pass, *start, target)?
            {
                file.carried = named(&causes);
            }
            outdated.push(file);
        }
        Ok(outdated)
    }

    /// Tells whether anything was read that counts on such ways first.
    fn reads_on(&self, ways: Ways) -> bool {
        self.nodes.iter().flat_map(|node| &node.reads).any(|read| read.sort.counts_on() == ways)
    }

    /// Finds the paths that have other bytes now than were read there by any node, in order.
    fn moved(&self, snapshot: &Snapshot, current: &dyn Fn(PathNo) -> Option<Now>) -> Result<Vec<Moved>> {
        let mut moved: HashMap<PathNo, Moved> = HashMap::new();
        let mut keepers: HashMap<PathNo, Option<KeptUp>> = HashMap::new();
        let mut done = Done::default();
        for (at, node) in self.nodes.iter().enumerate() {
            for read in node.reads.iter().filter(|read| !read.is_moved) {
                let Some(now) = current(read.seen.path) else { continue };
                let may_be_now =
                    |other: &Read| other.seen.path == read.seen.path && self.is_now(other.seen.artifact, now);
                // What changed while it was read, and may have been read as it lies there now, is a doubt.
                let is_doubt = read.is_doubtful && node.reads.iter().any(may_be_now);
                if !self.is_now(read.seen.artifact, now) && !is_doubt {
                    let moved = match moved.entry(read.seen.path) {
                        Entry::Occupied(known) => known.into_mut(),
                        Entry::Vacant(place) => {
                            let (keeper, writes) = match now {
                                Now::Bytes(now) | Now::Perhaps(now) => (
                                    KeptUp::of(snapshot, read.seen.path, &now, &mut done)?,
                                    writes_of(snapshot, read.seen.path, &now)?,
                                ),
                                Now::Gone(by) => (None, by.into_iter().collect()),
                            };
                            keepers.insert(read.seen.path, keeper);
                            let path = read.seen.path;
                            place.insert(Moved {
                                path,
                                now,
                                reads: Vec::new(),
                                kept_up: Vec::new(),
                                fresh: Vec::new(),
                                writes,
                            })
                        }
                    };
                    let mut is_kept_up = false;
                    if let (Some(keeper), Some((step, run))) = (&keepers[&read.seen.path], node.step) {
                        for step in [step].into_iter().chain(self.steps_of(read.from, run)) {
                            is_kept_up |= keeper.is_by(snapshot, step, read.seen.at, &mut done)?;
                        }
                    }
                    let reads = if is_kept_up { &mut moved.kept_up } else { &mut moved.reads };
                    reads.push(ReadBy { node: at, seen: read.seen, sort: read.sort });
                }
            }
        }
        for (at, node) in self.nodes.iter().enumerate() {
            for read in &node.reads {
                if let Some(moved) = moved.get_mut(&read.seen.path)
                    && self.is_now(read.seen.artifact, moved.now)
                {
                    moved.fresh.push(ReadBy { node: at, seen: read.seen, sort: read.sort });
                }
            }
        }
        for reads in moved.values_mut().flat_map(|moved| [&mut moved.reads, &mut moved.kept_up]) {
            reads.sort_by_key(|read| (std::cmp::Reverse(self.rank(&read.seen)), read.node));
        }
        // The numbers of paths are another in each store.
        let mut named: BTreeMap<ArtifactPath, Moved> = BTreeMap::new();
        for (path, moved) in moved {
            named.insert(snapshot.path(path)?, moved);
        }
        Ok(named.into_values().collect())
    }

    /// Returns who goes back to each node.
    fn readers(&self) -> Vec<Vec<Reader>> {
        let mut readers: Vec<Vec<Reader>> = (0..self.nodes.len()).map(|_| Vec::new()).collect();
        for (node, of) in self.nodes.iter().enumerate() {
            for (number, read) in of.reads.iter().enumerate() {
                if let Some(from) = read.from {
                    readers[from].push(Reader { node, read: Some(number), counts_on: read.sort.counts_on() });
                }
            }
            for other in &of.along {
                readers[*other].push(Reader { node, read: None, counts_on: Ways::Certain });
            }
        }
        readers
    }

    /// Returns, for each target, what was changed while it was read on the way to it, by path.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn doubtful(&self, snapshot: &Snapshot) -> Result<Vec<Causes<Artifact>>> {
        let mut read_by: HashMap<ArtifactNo, Vec<usize>> = HashMap::new();
        for (at, node) in self.nodes.iter().enumerate() {
            let reads = node.reads.iter().filter(|read| Ways::Doubtful.lead_through(read.sort.counts_on()));
            for read in reads.filter(|read| read.is_doubtful) {
                read_by.entry(read.seen.artifact).or_default().push(at);
            }
        }
        if read_by.is_empty() {
            return Ok(vec![Causes::default(); self.starts.len()]);
        }
        let mut named: BTreeMap<Artifact, Vec<usize>> = BTreeMap::new();
        for (artifact, nodes) in read_by {
            named.insert(snapshot.artifact(artifact)?, nodes);
        }
        let readers = self.readers();
        let is_target: HashSet<usize> = self.starts.iter().copied().collect();
        let mut found: HashMap<usize, Causes<&Artifact>> = HashMap::new();
        // Which of the artifacts met each node last.
        let mut met_by: Vec<usize> = vec![0; self.nodes.len()];
        for (number, (artifact, nodes)) in named.iter().enumerate() {
            let mut frontier = nodes.clone();
            while let Some(at) = frontier.pop() {
                if std::mem::replace(&mut met_by[at], number + 1) == number + 1 {
                    continue;
                }
                if is_target.contains(&at) {
                    found.entry(at).or_default().add(artifact, self.causes_max);
                }
                let readers = readers[at].iter().filter(|by| Ways::Doubtful.lead_through(by.counts_on));
                frontier.extend(readers.map(|reader| reader.node));
            }
        }
        let of = |start: &usize| {
            let found = found.get(start);
            found.map(|found| found.map(|artifact| (*artifact).clone())).unwrap_or_default()
        };
        Ok(self.starts.iter().map(of).collect())
    }

    /// Returns true where a version that was read lies at its path now, or may: what has no content recorded may be whatever was not
    /// written there since.
    fn is_now(&self, read: ArtifactNo, now: Now) -> bool {
        match now {
            Now::Bytes(digest) => digest == self.digests[&read],
            Now::Perhaps(digest) => digest == self.digests[&read] || self.without_content.contains(&read),
            Now::Gone(_) => false,
        }
    }

    /// Lists the steps of a run from which something comes.
    fn steps_of(&self, from: Option<usize>, run: RunNo) -> impl Iterator<Item = StepNo> {
        let node = from.map(|from| &self.nodes[from]);
        let along = node.into_iter().flat_map(|node| &node.along).map(|other| &self.nodes[*other]);
        let steps = node.into_iter().chain(along).filter_map(|node| node.step);
        steps.filter(move |(_, of)| *of == run).map(|(step, _)| step)
    }

    /// Returns the run of a node's step, or of those of its steps.
    fn run_of(&self, at: usize) -> Option<RunNo> {
        let node = &self.nodes[at];
        let own = node.step.or_else(|| node.along.iter().find_map(|other| self.nodes[*other].step));
        own.map(|(_, run)| run)
    }

    fn rank(&self, seen: &Seen) -> (i64, Digest) {
        (seen.at, self.digests[&seen.artifact])
    }
}

impl Sort {
    /// Returns the first ways on which it counts.
    fn counts_on(self) -> Ways {
        match self {
            Sort { is_carried: true, .. } => Ways::Carried,
            Sort { is_told: true, .. } => Ways::Doubtful,
            _ => Ways::Certain,
        }
    }
}

impl Ways {
    fn lead_through(self, counts_on: Ways) -> bool {
        self >= counts_on
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

#[cfg(test)]
mod plain;
#[cfg(test)]
mod tests;
