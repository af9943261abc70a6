//! What a step knows as it lies there now, beside what it goes on with.
//!
//! A builder reads its log of the run before, an archiver the archive that it adds to, a compiler what it kept of its last go: what lies
//! there was made from the sources of then. Where the step has read the sources of now as well, or what was made from them, it is up to
//! date by these, and what it went on with says nothing of them. So with what it was only told of.
//!
//! Of a file that several commands write on in turn, a log, a table of results, what counts is what each of them did to it last: by a
//! source of which a later go of the same command was given what lies there now, an earlier one makes nothing stale, whoever wrote on
//! the file between. What the later one was only told of will do for that, as what the earlier one was told of.
//!
//! What another command made is no such thing: who puts together a table of last week and the data of today has a stale table in hand.
//! Nor is what still lies there as it was gone on with: features that a script computes only where there are none yet. But whoever
//! wrote the file anew, in its place, after having read the source of now itself, may have left there what is as new as that, also
//! where it came to the same bytes. What its own command had made is taken to be brought up to date so; of what another one had made,
//! a part may be left as it was, and that is a doubt.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use super::kept_up::{Done, are_parts_of_one, is_another_go};
use super::{Ancestry, Moved, Now, Read, ReadPlace, Reader, Sort, Ways};
use crate::error::Result;
use crate::store::{PathNo, Snapshot, StepNo};

/// What the steps on the ways know of one path after another.
pub(super) struct Fresh<'a> {
    snapshot: &'a Snapshot,
    ancestry: &'a Ancestry,
    current: &'a dyn Fn(PathNo) -> Option<Now>,
    /// What lies at the path.
    now: Now,
    /// Who goes back to each node.
    readers: Vec<Vec<Reader>>,
    /// Who knows what lies at the path now, on ways where all is certain, and on doubtful ones.
    knowing: [Rc<Knowing>; 2],
    /// Of each file that steps which know it wrote on, one step of each such command; each has a bit in [`Way::passed`].
    writing_on: Vec<(PathNo, StepNo)>,
    is_anything_told: bool,
    goes: RefCell<HashMap<[StepNo; 2], bool>>,
    parts: RefCell<HashMap<[StepNo; 2], bool>>,
    done: RefCell<Done>,
    has_doubts: Cell<bool>,
}

/// Who knows what lies at a path now, on some ways.
#[derive(Default)]
struct Knowing {
    /// The nodes that go back to it.
    nodes: HashSet<usize>,
    /// Their steps.
    steps: HashSet<StepNo>,
    /// Those of them that read it there themselves, with the first time.
    seen: HashMap<StepNo, i64>,
}

/// How a way came to a node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    ends: Ends,
    /// The step that it came through last.
    by: Option<StepNo>,
    /// The commands which it came through as they wrote on a file that a later go of theirs wrote on.
    passed: u64,
}

/// Where a way does not lead on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ends {
    Nowhere,
    /// At a node that knows, for certain, what lies at the path now.
    WhereKnown,
    /// At one that was told of it, too.
    WhereTold,
}

impl Way {
    /// The way that begins where something was read of such a sort.
    pub(super) fn from(sort: Sort) -> Self {
        let ends = if sort.counts_on() == Ways::Certain { Ends::Nowhere } else { Ends::WhereKnown };
        Way { ends, by: None, passed: 0 }
    }

    /// Returns true where whatever the other way leads to, this one does, from a node on that has a step of its own or has none.
    pub(super) fn covers(&self, other: &Way, has_step: bool) -> bool {
        self.ends <= other.ends && self.passed & !other.passed == 0 && (has_step || self.by == other.by)
    }

    /// The way on from a node, whose step this is.
    pub(super) fn at(self, step: Option<StepNo>) -> Self {
        Way { by: step.or(self.by), ..self }
    }

    /// Returns the way on to a node all of whose ways back are those of where it is now, too.
    pub(super) fn along(self, is_same_step: bool) -> Self {
        Way { ends: if is_same_step { self.ends } else { Ends::Nowhere }, ..self }
    }
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
            now: Now::Gone(None),
            readers: ancestry.readers(),
            knowing: Default::default(),
            writing_on: Vec::new(),
            is_anything_told: ancestry
                .nodes
                .iter()
                .flat_map(|node| &node.reads)
                .any(|read| read.sort.is_told),
            goes: RefCell::default(),
            parts: RefCell::default(),
            done: RefCell::default(),
            has_doubts: Cell::default(),
        }
    }

    /// Lists who goes back to a node on some ways.
    pub(super) fn readers(&self, ways: Ways, node: usize) -> impl Iterator<Item = &Reader> {
        self.readers[node].iter().filter(move |reader| ways.lead_through(reader.counts_on))
    }

    /// Finds who knows what lies at a path now.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub(super) fn turn_to(&mut self, moved: &Moved) -> Result<()> {
        self.now = moved.now;
        let certain = Rc::new(self.knowing(moved, Ways::Certain)?);
        let all = match self.is_anything_told {
            true => Rc::new(self.knowing(moved, Ways::Doubtful)?),
            false => Rc::clone(&certain),
        };
        self.knowing = [certain, all];
        self.writing_on = self.writing_on()?;
        Ok(())
    }

    fn knowing(&self, moved: &Moved, ways: Ways) -> Result<Knowing> {
        let fresh = || moved.fresh.iter().filter(|read| ways.lead_through(read.sort.counts_on()));
        let mut known = HashSet::new();
        let mut frontier: Vec<usize> = fresh().map(|read| read.node).collect();
        while let Some(at) = frontier.pop() {
            if known.insert(at) {
                frontier.extend(self.readers(ways, at).map(|reader| reader.node));
            }
        }
        let mut seen: HashMap<StepNo, i64> = HashMap::new();
        for read in moved.fresh.iter().filter(|read| !read.sort.is_told || ways != Ways::Certain) {
            if let Some((step, _)) = self.ancestry.nodes[read.node].step {
                let first = seen.entry(step).or_insert(read.seen.at);
                *first = read.seen.at.min(*first);
            }
        }
        // Of a training that also adds a line to a table, one part adds, and the other knows what from.
        let nodes = &self.ancestry.nodes;
        let mut parts = Vec::new();
        for along in known.iter().map(|at| &nodes[*at].along) {
            let (known, others): (Vec<usize>, Vec<usize>) =
                along.iter().partition(|part| known.contains(part));
            for other in others {
                for part in &known {
                    if let (Some((one, _)), Some((another, _))) = (nodes[*part].step, nodes[other].step)
                        && self.are_parts_of_one([one, another])?
                    {
                        parts.push(other);
                        if let Some(at) = seen.get(&one).copied() {
                            seen.entry(another).or_insert(at);
                        }
                    }
                }
            }
        }
        known.extend(parts);
        let steps = known.iter().filter_map(|at| nodes[*at].step).map(|(step, _)| step).collect();
        Ok(Knowing { nodes: known, steps, seen })
    }

    /// Lists the files on which those wrote who know what lies at the path now, each with one step of each command.
    fn writing_on(&self) -> Result<Vec<(PathNo, StepNo)>> {
        let mut found: Vec<(PathNo, StepNo)> = Vec::new();
        // What no step wrote before is not written on.
        let nodes = self.knowing[1].nodes.iter().map(|at| &self.ancestry.nodes[*at]);
        let nodes = nodes.filter(|node| {
            node.reads.iter().any(|read| read.from.is_some() && read.sort.counts_on() == Ways::Certain)
        });
        let steps: BTreeSet<StepNo> = nodes.filter_map(|node| node.step).map(|(step, _)| step).collect();
        for step in steps {
            let written_on = self.done.borrow_mut().written_on(self.snapshot, step)?;
            for path in written_on {
                let mut is_new = found.len() < u64::BITS as usize;
                for (other_path, other) in &found {
                    is_new &= *other_path != path || !self.is_go_of_same([*other, step])?;
                }
                if is_new {
                    found.push((path, step));
                }
            }
        }
        Ok(found)
    }

    /// Tells whether a way does not lead on to a node, and nothing there counts.
    pub(super) fn ends(&self, way: &Way, node: usize) -> bool {
        match way.ends {
            Ends::Nowhere => false,
            Ends::WhereKnown => self.knowing[0].nodes.contains(&node),
            Ends::WhereTold => self.knowing[1].nodes.contains(&node),
        }
    }

    /// Returns the way on through what was read of where it is now.
    ///
    /// It leads on whatever else the reader knows: but where the reader was only told of that, or wrote on in it and is asked of what
    /// it wrote elsewhere, or it is what an earlier go of its own
    /// command had left and it, or another go, has brought up to date since. What another command had left and it has written anew
    /// counts only on ways that are doubts.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub(super) fn through(&self, (node, number): ReadPlace, way: Way, ways: Ways) -> Result<Way> {
        let reader = &self.ancestry.nodes[node];
        let read = &reader.reads[number];
        let mut passed = way.passed;
        for (bit, (path, step)) in self.writing_on.iter().enumerate() {
            if *path == read.seen.path && passed & (1 << bit) == 0 && self.is_by(&way, *step)? {
                passed |= 1 << bit;
            }
        }
        let ends = match reader.step {
            Some((step, _)) if self.knowing[1].steps.contains(&step) => {
                self.ends_at(step, read, &Way { passed, ..way }, ways)?
            }
            _ => Ends::Nowhere,
        };
        Ok(Way { ends, by: None, passed })
    }

    fn ends_at(&self, step: StepNo, read: &Read, way: &Way, ways: Ways) -> Result<Ends> {
        if read.sort.is_told {
            return Ok(Ends::WhereKnown);
        }
        let least = if read.sort.is_carried { Ends::WhereKnown } else { Ends::Nowhere };
        let is_written_anew = self.is_written_anew(step, read, Ways::Certain)?;
        // What has the very bytes that lie at the path now holds nothing older.
        if is_written_anew && (self.current)(read.seen.path).is_some_and(|it| it.has_bytes_of(self.now)) {
            return Ok(Ends::WhereKnown);
        }
        let version = read.seen.artifact;
        let lies_there =
            || (self.current)(read.seen.path).is_none_or(|now| self.ancestry.is_now(version, now));
        if (!lies_there() || self.is_written_anew(step, read, Ways::Doubtful)?)
            && (self.is_by(way, step)? || self.has_passed(way, step, read)?)
        {
            return Ok(Ends::WhereTold);
        }
        if !is_written_anew {
            return Ok(least);
        }
        self.has_doubts.set(true);
        Ok(if ways == Ways::Certain { Ends::WhereKnown } else { least })
    }

    /// Tells whether a way came last through another go of a step's command.
    fn is_by(&self, way: &Way, step: StepNo) -> Result<bool> {
        way.by.map_or(Ok(false), |by| self.is_go_of_same([by, step]))
    }

    /// Tells whether a way came through another go of a step's command that wrote on the file which the step read and wrote on.
    fn has_passed(&self, way: &Way, step: StepNo, read: &Read) -> Result<bool> {
        if way.passed == 0 {
            return Ok(false);
        }
        let written = self.done.borrow_mut().last_write(self.snapshot, step, read.seen.path)?;
        if written.is_none_or(|at| at < read.seen.at) {
            return Ok(false);
        }
        self.is_passed(way, step, read.seen.path)
    }

    /// Tells whether a way came through another go of a step's command as it wrote on a file.
    fn is_passed(&self, way: &Way, step: StepNo, on: PathNo) -> Result<bool> {
        for (bit, (path, other)) in self.writing_on.iter().enumerate() {
            if *path == on && way.passed & (1 << bit) != 0 && self.is_go_of_same([*other, step])? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Tells whether of a version that several steps wrote together, one of which is where a way is now, another one knows what lies at
    /// the path now, and the way came through an earlier go of its command that wrote there: which of them wrote first is not known.
    pub(super) fn is_done_beside(&self, way: &Way, at: usize, together: usize) -> Result<bool> {
        let together = &self.ancestry.nodes[together];
        let Some(path) = together.path.filter(|_| way.passed != 0) else { return Ok(false) };
        for other in together.along.iter().filter(|other| **other != at) {
            if let Some((step, _)) = self.ancestry.nodes[*other].step
                && self.knowing[1].nodes.contains(other)
                && self.done.borrow_mut().written_on(self.snapshot, step)?.contains(&path)
                && self.is_passed(way, step, path)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Tells whether anything counts only on ways that are doubts, as far as they were gone: what a step was only told of, and what was
    /// written anew.
    pub(super) fn has_doubts(&self) -> bool {
        self.is_anything_told || self.has_doubts.get()
    }

    /// Keeps in mind that something counts only on ways that are doubts.
    pub(super) fn doubt(&self) {
        self.has_doubts.set(true);
    }

    /// Tells whether a step wrote what it had read anew, after it had also read what lies at the path now.
    fn is_written_anew(&self, step: StepNo, read: &Read, ways: Ways) -> Result<bool> {
        let Some(seen_at) = self.knowing[ways as usize].seen.get(&step) else { return Ok(false) };
        let written = self.done.borrow_mut().last_write(self.snapshot, step, read.seen.path)?;
        Ok(written.is_some_and(|at| at >= read.seen.at.max(*seen_at)))
    }

    fn are_parts_of_one(&self, steps: [StepNo; 2]) -> Result<bool> {
        if let Some(known) = self.parts.borrow().get(&steps) {
            return Ok(*known);
        }
        let found = are_parts_of_one(self.snapshot, steps)?;
        self.parts.borrow_mut().insert(steps, found);
        Ok(found)
    }

    fn is_go_of_same(&self, steps: [StepNo; 2]) -> Result<bool> {
        if let Some(known) = self.goes.borrow().get(&steps) {
            return Ok(*known);
        }
        let found = is_another_go(self.snapshot, steps, &mut self.done.borrow_mut())?;
        self.goes.borrow_mut().insert(steps, found);
        Ok(found)
    }
}
