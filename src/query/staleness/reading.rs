//! Reading what files were made from: each step once, and each of its reads once, however many files go back to it.
//!
//! A step that works on one file after another has read a little more each time that it writes. So as not to say of each of its
//! files anew what was read for all that were written before, its nodes are a chain: each has what was read since the one before
//! it, and leads on to that.
//!
//! What a step read and wrote on is carried into its other files (see [`WrittenOn`]). What it wrote there has a node of its own, which
//! has read that for certain, and leads on to all else that had been read by then.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use super::told::{Hearsay, Says};
use super::{Node, Read, Seen, Sort};
use crate::error::Result;
use crate::model::{Artifact, Digest, Evidence, Role, StepAct};
use crate::query::carried::WrittenOn;
use crate::query::origin::{Origin, Write, lost, origin_and_others};
use crate::query::pairs::Pairs;
use crate::query::removal::removed_by_its_run;
use crate::query::together::{Runs, written_along};
use crate::store::{ArtifactNo, Edge, RunNo, Snapshot, StepNo};

pub(super) struct Reading<'a> {
    snapshot: &'a Snapshot,
    nodes: Vec<Node>,
    courses: HashMap<StepNo, Course>,
    /// What goes back to one file alone, by the place of what was written, and its node.
    paired: HashMap<(StepNo, usize), usize>,
    /// A version that several steps may have written together, by its last write, and its node.
    versions: HashMap<(ArtifactNo, StepNo, i64), usize>,
    runs: Runs,
    frontier: Vec<(StepNo, Part)>,
    contents: Contents,
    pairs: Pairs,
    hearsay: Hearsay,
}

/// What was read: the digest of each version, and whether it is of a content.
type Contents = HashMap<ArtifactNo, (Digest, bool)>;

/// A step all of whose files may come from all that it had read by then.
struct Course {
    run: RunNo,
    /// What it read, the earliest first; without what says nothing.
    used: Vec<(Edge, Sort)>,
    /// The first of these, as far as a way leads there.
    reads: Vec<Read>,
    /// The node of as much as had been read when something was written, by how much that is.
    nodes: BTreeMap<usize, usize>,
    /// The places in `used` of what it wrote on: by the path, and by the contents that tell of it.
    written_on_at: HashMap<u32, Vec<usize>>,
    written_on_as: HashMap<u32, Vec<usize>>,
    /// The nodes of what was written there, by how much had been read, and the places of what was written on.
    own_nodes: HashMap<(usize, Vec<usize>), usize>,
}

/// A part of a step that a way leads to.
#[derive(Clone, Copy)]
enum Part {
    /// So much of what it read, the earliest first.
    First(usize),
    /// What goes back to one file alone, by the place of what was written, and its node.
    Pair(usize, usize),
}

impl<'a> Reading<'a> {
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        Reading {
            snapshot,
            nodes: Vec::new(),
            courses: HashMap::new(),
            paired: HashMap::new(),
            versions: HashMap::new(),
            runs: Runs::default(),
            frontier: Vec::new(),
            contents: HashMap::new(),
            pairs: Pairs::default(),
            hearsay: Hearsay::default(),
        }
    }

    /// Goes all the way back from the places that were asked for; returns all nodes, and what was read: the digest of each
    /// version, and whether it is of a content.
    pub(super) fn finish(mut self) -> Result<(Vec<Node>, Contents)> {
        while let Some((step, part)) = self.frontier.pop() {
            match part {
                Part::First(count) => self.read_first(step, count)?,
                Part::Pair(place, node) => self.read_pair(step, place, node)?,
            }
        }
        for course in self.courses.into_values() {
            for ((count, places), node) in course.own_nodes {
                let own = |place: &usize| {
                    let read = &course.reads[*place];
                    Read { sort: Sort { is_carried: false, ..read.sort }, ..read.clone() }
                };
                self.nodes[node].reads = places.iter().map(own).collect();
                self.nodes[node].along.push(course.nodes[&count]);
            }
            let mut reads = course.reads.into_iter();
            let (mut before, mut last) = (0, None);
            for (count, node) in course.nodes {
                self.nodes[node].reads.extend(reads.by_ref().take(count - before));
                self.nodes[node].along.extend(last);
                (before, last) = (count, Some(node));
            }
        }
        Ok((self.nodes, self.contents))
    }

    /// Returns the place of what the version came from whose last write is `last`.
    pub(super) fn place_of_version(&mut self, last: &Write, may_have_others: bool) -> Result<usize> {
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
            let mut along = vec![place];
            for (step, at) in others {
                along.push(self.place(step, at, last.artifact)?);
            }
            place = self.nodes.len();
            let path = Some(self.snapshot.path_of(last.artifact));
            self.nodes.push(Node { along, path, ..Node::default() });
        }
        self.versions.insert(name, place);
        Ok(place)
    }

    fn place(&mut self, step: StepNo, bound: i64, written: ArtifactNo) -> Result<usize> {
        let next = self.nodes.len();
        let (place, run, part) = match self.pairs.of(self.snapshot, step)? {
            Some(paired) => {
                let written = *paired.places(written, bound).first().ok_or_else(|| lost(step))?;
                let place = *self.paired.entry((step, written)).or_insert(next);
                (place, paired.edges.run, Part::Pair(written, place))
            }
            None => {
                let course = match self.courses.entry(step) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(place) => place.insert(Course::of(self.snapshot, step, &mut self.hearsay)?),
                };
                let count = course.used.partition_point(|(edge, _)| edge.at <= bound);
                let place = *course.nodes.entry(count).or_insert(next);
                (place, course.run, Part::First(count))
            }
        };
        if place == next {
            self.nodes.push(Node { step: Some((step, run)), ..Node::default() });
            self.frontier.push((step, part));
        }
        match part {
            Part::First(count) => self.own_place(step, (count, place), written),
            Part::Pair(..) => Ok(place),
        }
    }

    /// Returns the place of what was written where, or with the bytes of what, the step had read and written on; that of as much as
    /// it had read where there is none.
    fn own_place(
        &mut self,
        step: StepNo,
        (count, place): (usize, usize),
        written: ArtifactNo,
    ) -> Result<usize> {
        let course = self.courses.get_mut(&step).ok_or_else(|| lost(step))?;
        let there = course.written_on_at.get(&written.path()).into_iter().flatten();
        let places = there.chain(course.written_on_as.get(&written.content_no()).into_iter().flatten());
        let mut places: Vec<usize> = places.filter(|place| **place < count).copied().collect();
        if places.is_empty() {
            return Ok(place);
        }
        places.sort_unstable();
        places.dedup();
        let next = self.nodes.len();
        let own = *course.own_nodes.entry((count, places)).or_insert(next);
        if own == next {
            self.nodes.push(Node { step: Some((step, course.run)), ..Node::default() });
        }
        Ok(own)
    }

    /// Reads on to as much of what a step read, where nobody has yet.
    fn read_first(&mut self, step: StepNo, count: usize) -> Result<()> {
        let course = &self.courses[&step];
        let more = course.used.get(course.reads.len()..count).unwrap_or_default().to_vec();
        let reads = more.iter().map(|(edge, sort)| Ok(Read { sort: *sort, ..self.read(edge, step)? }));
        let reads = reads.collect::<Result<Vec<Read>>>()?;
        self.courses.get_mut(&step).ok_or_else(|| lost(step))?.reads.extend(reads);
        Ok(())
    }

    fn read_pair(&mut self, step: StepNo, place: usize, node: usize) -> Result<()> {
        let paired = self.pairs.of(self.snapshot, step)?.ok_or_else(|| lost(step))?;
        for edge in paired.read_for(place) {
            let is_it = std::ptr::eq(edge, &paired.edges.used[place]);
            let says = if is_it { Says::Went } else { self.hearsay.says(self.snapshot, step, edge)? };
            if says == Says::Nothing {
                continue;
            }
            let is_moved = is_it && paired.edges.act == StepAct::Moved;
            let sort = Sort { is_told: says == Says::MayHave, ..Sort::default() };
            let read = Read { is_moved, sort, ..self.read(edge, step)? };
            self.nodes[node].reads.push(read);
        }
        Ok(())
    }

    fn read(&mut self, edge: &Edge, step: StepNo) -> Result<Read> {
        let seen = self.seen(edge.at, edge.artifact)?;
        let (from, may_have_others) = origin_and_others(self.snapshot, edge.artifact, edge.at, Some(step))?;
        let twin = match from {
            Origin::Alike(write) => Some(self.snapshot.path_of(write.artifact)),
            _ => None,
        };
        let is_copy = matches!(from, Origin::Copied(_) | Origin::Alike(_));
        let is_moved = match from {
            Origin::Written(write) => self.is_of_its_run_alone(edge, step, write.step)?,
            _ => false,
        };
        let from = match from {
            Origin::Written(write) | Origin::Copied(write) | Origin::Alike(write) => {
                Some(self.place_of_version(&write, may_have_others)?)
            }
            Origin::Gap(_) | Origin::Unknown(_) | Origin::Source => None,
        };
        let renewed = match from {
            Some(_) => self.renewed(edge, step)?,
            None => None,
        };
        let is_doubtful = edge.evidence == Evidence::Doubtful && edge.role != Role::Environment;
        Ok(Read { seen, is_doubtful, from, is_copy, twin, renewed, is_moved, sort: Sort::default() })
    }

    /// Returns true for what a run wrote, read and took away again: whatever others put there since, it had this for its own use.
    fn is_of_its_run_alone(&self, read: &Edge, reader: StepNo, writer: StepNo) -> Result<bool> {
        let path = self.snapshot.path_of(read.artifact);
        let Some(run) = self.snapshot.run_of(writer)? else { return Ok(false) };
        Ok(self.snapshot.run_of(reader)? == Some(run)
            && removed_by_its_run(self.snapshot, path, read.at, run)?.is_some())
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
        if let Entry::Vacant(place) = self.contents.entry(artifact) {
            let (digest, size_bytes) = self.snapshot.content(artifact)?;
            place.insert((digest, Artifact::is_content(&digest, size_bytes)));
        }
        Ok(Seen { at, path: self.snapshot.path_of(artifact), artifact })
    }
}

impl Course {
    fn of(snapshot: &Snapshot, step: StepNo, hearsay: &mut Hearsay) -> Result<Self> {
        let edges = snapshot.edges(step)?.ok_or_else(|| lost(step))?;
        let written_on = WrittenOn::of(snapshot, step, &edges)?;
        let mut used = Vec::with_capacity(edges.used.len());
        for edge in edges.used {
            let says = hearsay.says(snapshot, step, &edge)?;
            if says != Says::Nothing {
                let is_carried = written_on.is_state(edge.artifact, edge.at);
                used.push((edge, Sort { is_told: says == Says::MayHave, is_carried }));
            }
        }
        used.sort_by_key(|(edge, _)| edge.at);
        let (mut written_on_at, mut written_on_as) = (HashMap::new(), HashMap::new());
        for (place, (edge, _)) in used.iter().enumerate().filter(|(_, (_, sort))| sort.is_carried) {
            let add = |by: &mut HashMap<u32, Vec<usize>>, key| by.entry(key).or_default().push(place);
            add(&mut written_on_at, edge.artifact.path());
            for content in written_on.contents(edge.artifact, edge.at) {
                add(&mut written_on_as, *content);
            }
        }
        Ok(Course {
            run: edges.run,
            used,
            reads: Vec::new(),
            nodes: BTreeMap::new(),
            written_on_at,
            written_on_as,
            own_nodes: HashMap::new(),
        })
    }
}
