//! What a step knows as it lies there now, beside what it goes on with.
//!
//! A builder reads its log of the run before, an archiver the archive that it adds to, a compiler what it kept of its last go: what lies
//! there was made from the sources of then. Where the step has read the sources of now as well, or what was made from them, it is up to
//! date by these, and what it went on with says nothing of them. So with what it was only told of.
//!
//! What another command made is no such thing: who puts together a table of last week and the data of today has a stale table in hand.
//! Nor is what still lies there as it was gone on with: features that a script computes only where there are none yet. But whoever
//! wrote the file anew, in its place, after having read the source of now itself, may have left there what is as new as that, also
//! where it came to the same bytes. What its own command had made is taken to be brought up to date so; of what another one had made,
//! a part may be left as it was, and that is a doubt.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};

use super::kept_up::{Done, are_parts_of_one, is_another_go};
use super::{Ancestry, Moved, Now, Read, ReadPlace, Reader, Ways};
use crate::error::Result;
use crate::store::{PathNo, Snapshot, StepNo};

/// What the steps on the ways know of one path after another.
pub(super) struct Fresh<'a> {
    snapshot: &'a Snapshot,
    ancestry: &'a Ancestry,
    current: &'a dyn Fn(PathNo) -> Option<Now>,
    /// What lies at the path.
    now: Now,
    /// Who goes back to each node, on ways where all is certain, and on all.
    readers: [Vec<Vec<Reader>>; 2],
    /// The nodes that go back to what lies at the path now, on ways where all is certain.
    nodes: HashSet<usize>,
    /// Their steps.
    steps: HashSet<StepNo>,
    /// Those of them that read it there themselves, with the first time.
    seen: HashMap<StepNo, i64>,
    goes: RefCell<HashMap<[StepNo; 2], bool>>,
    parts: RefCell<HashMap<[StepNo; 2], bool>>,
    done: RefCell<Done>,
    has_doubts: Cell<bool>,
}

impl<'a> Fresh<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        ancestry: &'a Ancestry,
        current: &'a dyn Fn(PathNo) -> Option<Now>,
    ) -> Self {
        Fresh {
            snapshot,
            ancestry,
            current,
            now: Now::Gone,
            readers: [Ways::Certain, Ways::All].map(|ways| ancestry.readers(ways)),
            nodes: HashSet::new(),
            steps: HashSet::new(),
            seen: HashMap::new(),
            goes: RefCell::default(),
            parts: RefCell::default(),
            done: RefCell::default(),
            has_doubts: Cell::default(),
        }
    }

    pub(super) fn readers(&self, ways: Ways, node: usize) -> &[Reader] {
        &self.readers[usize::from(ways == Ways::All)][node]
    }

    /// Finds who knows what lies at a path now.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub(super) fn turn_to(&mut self, moved: &Moved) -> Result<()> {
        self.now = moved.now;
        self.nodes.clear();
        let mut frontier: Vec<usize> = moved.fresh.iter().map(|(node, _)| *node).collect();
        while let Some(at) = frontier.pop() {
            if self.nodes.insert(at) {
                frontier.extend(self.readers(Ways::Certain, at).iter().map(|reader| match reader {
                    Reader::Along(other) => *other,
                    Reader::Read((node, _)) => *node,
                }));
            }
        }
        self.seen.clear();
        for (node, at) in &moved.fresh {
            if let Some((step, _)) = self.ancestry.nodes[*node].step {
                let first = self.seen.entry(step).or_insert(*at);
                *first = (*at).min(*first);
            }
        }
        // Of a training that also adds a line to a table, one part adds, and the other knows what from.
        let nodes = &self.ancestry.nodes;
        let mut parts = Vec::new();
        for along in self.nodes.iter().map(|at| &nodes[*at].along) {
            let (known, others): (Vec<usize>, Vec<usize>) =
                along.iter().partition(|part| self.nodes.contains(part));
            for other in others {
                for part in &known {
                    if let (Some((one, _)), Some((another, _))) = (nodes[*part].step, nodes[other].step)
                        && self.are_parts_of_one([one, another])?
                    {
                        parts.push(other);
                        if let Some(at) = self.seen.get(&one).copied() {
                            self.seen.entry(another).or_insert(at);
                        }
                    }
                }
            }
        }
        self.nodes.extend(parts);
        let steps = self.nodes.iter().filter_map(|at| nodes[*at].step);
        self.steps = steps.map(|(step, _)| step).collect();
        Ok(())
    }

    /// Tells whether what lies at the path now is known at a node.
    pub(super) fn is_known_at(&self, node: usize) -> bool {
        self.nodes.contains(&node)
    }

    /// Tells whether what was read counts, on such ways, whatever else its reader knows: it was not only told of it, and it is not what
    /// an earlier go of its own command had left and it, or another go, has brought up to date since. What another command had left
    /// and it has written anew counts only on ways that are doubts.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub(super) fn counts(&self, (node, number): ReadPlace, ways: Ways) -> Result<bool> {
        let reader = &self.ancestry.nodes[node];
        let Some((step, _)) = reader.step.filter(|(step, _)| self.steps.contains(step)) else {
            return Ok(true);
        };
        let read = &reader.reads[number];
        if read.is_told {
            return Ok(false);
        }
        let Some(from) = read.from else { return Ok(true) };
        let is_written_anew = self.is_written_anew(step, read)?;
        // What has the very bytes that lie at the path now holds nothing older.
        if is_written_anew && (self.current)(read.seen.path).is_some_and(|it| it.has_bytes_of(self.now)) {
            return Ok(false);
        }
        let version = read.seen.artifact;
        let lies_there =
            || (self.current)(read.seen.path).is_none_or(|now| self.ancestry.is_now(version, now));
        if !is_written_anew && lies_there() {
            return Ok(true);
        }
        for writer in self.writers(from) {
            if !self.is_another_go([writer, step])? {
                if is_written_anew {
                    self.has_doubts.set(true);
                }
                return Ok(!is_written_anew || ways == Ways::All);
            }
        }
        Ok(false)
    }

    /// Tells whether anything was met so far that was written anew, and counts only on ways that are doubts.
    pub(super) fn has_doubts(&self) -> bool {
        self.has_doubts.get()
    }

    /// Tells whether a step wrote what it had read anew, after it had also read what lies at the path now.
    fn is_written_anew(&self, step: StepNo, read: &Read) -> Result<bool> {
        let Some(seen_at) = self.seen.get(&step) else { return Ok(false) };
        let written = self.done.borrow_mut().last_write(self.snapshot, step, read.seen.path)?;
        Ok(written.is_some_and(|at| at >= read.seen.at.max(*seen_at)))
    }

    /// Lists the steps that wrote what a node stands for.
    fn writers(&self, node: usize) -> Vec<StepNo> {
        let node = &self.ancestry.nodes[node];
        match node.step {
            Some((step, _)) => vec![step],
            None => node.along.iter().flat_map(|other| self.writers(*other)).collect(),
        }
    }

    fn are_parts_of_one(&self, steps: [StepNo; 2]) -> Result<bool> {
        if let Some(known) = self.parts.borrow().get(&steps) {
            return Ok(*known);
        }
        let found = are_parts_of_one(self.snapshot, steps)?;
        self.parts.borrow_mut().insert(steps, found);
        Ok(found)
    }

    fn is_another_go(&self, steps: [StepNo; 2]) -> Result<bool> {
        if let Some(known) = self.goes.borrow().get(&steps) {
            return Ok(*known);
        }
        let found = is_another_go(self.snapshot, steps, &mut self.done.borrow_mut())?;
        self.goes.borrow_mut().insert(steps, found);
        Ok(found)
    }
}
