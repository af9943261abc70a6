//! Walking the graph: what a file was made from, and what was made from it.
//!
//! Both walks keep an explicit frontier ordered by time, so that each step is met first with the widest bound under which it
//! can be met at all, and is looked at once. Going up, an input counts only if it was first read before the output in
//! question was last written; going down, an output counts only if it was last written after the input was first read.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::ops::ControlFlow;

use crate::error::Result;
use crate::model::{Evidence, NodeId, Role};
use crate::query::origin::{Origin, Write, origin};
use crate::store::{ArtifactNo, Edge, Edges, RunNo, Snapshot, StepNo};

/// Which way a walk goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From a file to what it was made from.
    Up,
    /// From a file to what was made from it.
    Down,
}

/// A step on the way, with those of its edges that are on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceStep {
    /// The step.
    pub step: StepNo,
    /// Its key.
    pub id: NodeId,
    /// Its run.
    pub run: RunNo,
    /// How many steps lie between it and the start; 0 for the next one.
    pub depth: u32,
    /// What it read, as far as that could have gone into (or did come from) what is asked about.
    pub used: Vec<TraceEdge>,
    /// What it wrote, likewise.
    pub generated: Vec<TraceEdge>,
}

/// An edge on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceEdge {
    /// The artifact.
    pub artifact: ArtifactNo,
    /// Microseconds: of the first read, or of the last write.
    pub at: i64,
    /// How the edge is known.
    pub evidence: Evidence,
    /// What the artifact is to the step.
    pub role: Role,
    /// Going up, where what was read came from, or the write itself; not asked going down.
    pub origin: Option<Origin>,
}

/// What a bounded walk left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cut {
    /// Edges at the bound that were not followed.
    pub edges: u64,
}

/// The way from a file, up or down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// Which way it goes.
    pub direction: Direction,
    /// The steps: going up from the latest, going down from the earliest.
    pub steps: Vec<TraceStep>,
    /// Where the start itself came from, going up.
    pub origin: Origin,
    /// What the bound left out.
    pub cut: Cut,
}

/// Walks from `artifact`, as it was at `read_at`, to everything it was made from, through at most `depth_max` steps in a row.
///
/// # Errors
/// A store error where a record is damaged.
pub fn upstream(snapshot: &Snapshot, artifact: ArtifactNo, read_at: i64, depth_max: u32) -> Result<Trace> {
    let start = origin(snapshot, artifact, read_at, None)?;
    let mut trace = Trace { direction: Direction::Up, steps: Vec::new(), origin: start, cut: Cut::default() };
    let mut frontier = BinaryHeap::new();
    if let Origin::Written(write) | Origin::Copied(write) = start {
        push_up(&mut frontier, &mut trace.cut, write, 0, depth_max);
    }
    walk_up(snapshot, frontier, depth_max, &mut trace)?;
    Ok(trace)
}

/// Walks from all that `steps` read to everything it was made from; the steps themselves come first.
///
/// # Errors
/// As [`upstream`].
pub fn upstream_of_steps(snapshot: &Snapshot, steps: &[StepNo], depth_max: u32) -> Result<Trace> {
    let mut trace =
        Trace { direction: Direction::Up, steps: Vec::new(), origin: Origin::Source, cut: Cut::default() };
    let mut frontier = BinaryHeap::new();
    for step in steps {
        if let Some(edges) = snapshot.edges(*step)? {
            frontier.push((i64::MAX, edges.id, Reverse(0), *step));
        }
    }
    walk_up(snapshot, frontier, depth_max, &mut trace)?;
    Ok(trace)
}

/// `(time of the write, key of the step, depth, step)`: the latest write first.
type UpEntry = (i64, NodeId, Reverse<u32>, StepNo);

fn walk_up(
    snapshot: &Snapshot,
    mut frontier: BinaryHeap<UpEntry>,
    depth_max: u32,
    trace: &mut Trace,
) -> Result<()> {
    let mut seen: HashSet<StepNo> = HashSet::new();
    while let Some((bound, id, Reverse(depth), step)) = frontier.pop() {
        if !seen.insert(step) {
            continue;
        }
        let Some(edges) = snapshot.edges(step)? else {
            continue;
        };
        let mut used = Vec::with_capacity(edges.used.len());
        for edge in edges.used.iter().filter(|edge| edge.at <= bound) {
            let origin = origin(snapshot, edge.artifact, edge.at, Some(step))?;
            if let Origin::Written(write) | Origin::Copied(write) = origin
                && !seen.contains(&write.step)
            {
                push_up(&mut frontier, &mut trace.cut, write, depth + 1, depth_max);
            }
            used.push(traced(edge, Some(origin)));
        }
        let generated = edges.generated.iter().filter(|edge| edge.at <= bound);
        let generated = generated.map(|edge| own_write(edge, step, id)).collect();
        trace.steps.push(TraceStep { step, id, run: edges.run, depth, used, generated });
    }
    Ok(())
}

fn push_up(frontier: &mut BinaryHeap<UpEntry>, cut: &mut Cut, write: Write, depth: u32, depth_max: u32) {
    if depth >= depth_max {
        cut.edges += 1;
    } else {
        frontier.push((write.at, write.id, Reverse(depth), write.step));
    }
}

fn traced(edge: &Edge, origin: Option<Origin>) -> TraceEdge {
    TraceEdge { artifact: edge.artifact, at: edge.at, evidence: edge.evidence, role: edge.role, origin }
}

fn own_write(edge: &Edge, step: StepNo, id: NodeId) -> TraceEdge {
    let write = Write { artifact: edge.artifact, at: edge.at, step, id };
    traced(edge, Some(Origin::Written(write)))
}

/// Walks from `artifact` to everything that was made from those bytes at that path, or from copies of them, through at most
/// `depth_max` steps in a row.
///
/// # Errors
/// A store error where a record is damaged.
pub fn downstream(snapshot: &Snapshot, artifact: ArtifactNo, depth_max: u32) -> Result<Trace> {
    let mut walk = Down::new(snapshot, origin(snapshot, artifact, i64::MAX, None)?, depth_max);
    walk.offer_readers(artifact, i64::MIN, None, 0)?;
    walk.run()?;
    Ok(walk.trace)
}

/// Walks from all that `steps` wrote to everything that was made from it; the steps themselves come first.
///
/// # Errors
/// As [`downstream`].
pub fn downstream_of_steps(snapshot: &Snapshot, steps: &[StepNo], depth_max: u32) -> Result<Trace> {
    let mut walk = Down::new(snapshot, Origin::Source, depth_max);
    for step in steps {
        walk.push(i64::MIN, *step, 0)?;
    }
    walk.run()?;
    Ok(walk.trace)
}

struct Down<'a> {
    snapshot: &'a Snapshot,
    depth_max: u32,
    seen: HashSet<StepNo>,
    /// Edges of the steps in the frontier, so that they are read once.
    edges: HashMap<StepNo, Edges>,
    /// `(time of the read, key of the step, depth, step)`: the earliest read first.
    frontier: BinaryHeap<Reverse<(i64, NodeId, u32, StepNo)>>,
    trace: Trace,
}

impl<'a> Down<'a> {
    fn new(snapshot: &'a Snapshot, origin: Origin, depth_max: u32) -> Self {
        Down {
            snapshot,
            depth_max,
            seen: HashSet::new(),
            edges: HashMap::new(),
            frontier: BinaryHeap::new(),
            trace: Trace { direction: Direction::Down, steps: Vec::new(), origin, cut: Cut::default() },
        }
    }

    fn run(&mut self) -> Result<()> {
        while let Some(Reverse((bound, id, depth, step))) = self.frontier.pop() {
            if !self.seen.insert(step) {
                continue;
            }
            let edges = match self.edges.remove(&step) {
                Some(edges) => edges,
                None => continue,
            };
            let mut generated = Vec::with_capacity(edges.generated.len());
            for edge in edges.generated.iter().filter(|edge| edge.at >= bound) {
                let write = Write { artifact: edge.artifact, at: edge.at, step, id };
                self.offer_readers(edge.artifact, edge.at, Some(write), depth + 1)?;
                generated.push(traced(edge, None));
            }
            // Only the read that led here is sure to be on the way.
            let used =
                edges.used.iter().filter(|edge| edge.at == bound).map(|edge| traced(edge, None)).collect();
            self.trace.steps.push(TraceStep { step, id, run: edges.run, depth, used, generated });
        }
        Ok(())
    }

    /// Puts the steps that read what `write` wrote into the frontier; all readers of the artifact where `write` is `None`.
    fn offer_readers(
        &mut self,
        artifact: ArtifactNo,
        from: i64,
        write: Option<Write>,
        depth: u32,
    ) -> Result<()> {
        let (doubtful_from, until) = match write {
            Some(write) => self.next_writes(write)?,
            None => (i64::MAX, i64::MAX),
        };
        let mut readers = Vec::new();
        self.snapshot.reads_between(artifact, from, until, |at, step| {
            readers.push((at, step));
            Ok(ControlFlow::Continue(()))
        })?;
        for (at, step) in readers {
            self.offer(at, step, artifact, write, at >= doubtful_from, depth)?;
        }
        self.offer_reads_of_copies(artifact, from, write, depth)
    }

    /// Returns when another step next wrote the same, from when on the origin of a read must be asked for, and when a second
    /// one did, from when on no read can go back to `write`: at least one of the two is not the reader itself.
    fn next_writes(&self, write: Write) -> Result<(i64, i64)> {
        let mut first: Option<(i64, StepNo)> = None;
        let mut until = i64::MAX;
        self.snapshot.writes_from(write.artifact, write.at, |at, step| {
            match first {
                _ if step == write.step => {}
                None => first = Some((at, step)),
                Some((_, other)) if other == step => {}
                Some(_) => {
                    until = at;
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok((first.map_or(i64::MAX, |(at, _)| at), until))
    }

    fn offer(
        &mut self,
        at: i64,
        step: StepNo,
        artifact: ArtifactNo,
        write: Option<Write>,
        doubtful: bool,
        depth: u32,
    ) -> Result<()> {
        if self.seen.contains(&step) {
            return Ok(());
        }
        let ours = match write {
            None => true,
            Some(write) if write.step == step => false,
            Some(write) if doubtful => {
                matches!(origin(self.snapshot, artifact, at, Some(step))?, Origin::Written(found) if found == write)
            }
            Some(_) => true,
        };
        if !ours {
            return Ok(());
        }
        if depth >= self.depth_max {
            self.trace.cut.edges += 1;
            return Ok(());
        }
        self.push(at, step, depth)
    }

    fn push(&mut self, at: i64, step: StepNo, depth: u32) -> Result<()> {
        let id = match self.edges.get(&step) {
            Some(edges) => edges.id,
            None => {
                let Some(edges) = self.snapshot.edges(step)? else {
                    return Ok(());
                };
                let id = edges.id;
                self.edges.insert(step, edges);
                id
            }
        };
        self.frontier.push(Reverse((at, id, depth, step)));
        Ok(())
    }

    /// Offers the steps that read the same bytes at another path, where nobody had written them.
    fn offer_reads_of_copies(
        &mut self,
        artifact: ArtifactNo,
        from: i64,
        write: Option<Write>,
        depth: u32,
    ) -> Result<()> {
        let this = self.snapshot.artifact(artifact)?;
        if this.size_bytes == 0 {
            return Ok(());
        }
        for other in self.snapshot.artifacts_with(&this.digest)? {
            if other == artifact {
                continue;
            }
            let mut readers = Vec::new();
            self.snapshot.reads_between(other, from, i64::MAX, |at, step| {
                readers.push((at, step));
                Ok(ControlFlow::Continue(()))
            })?;
            for (at, step) in readers {
                let from_here = match (origin(self.snapshot, other, at, Some(step))?, write) {
                    (Origin::Copied(found), Some(write)) => found == write,
                    (Origin::Copied(found), None) => found.artifact == artifact,
                    _ => false,
                };
                if from_here {
                    self.offer(at, step, other, None, false, depth)?;
                }
            }
        }
        Ok(())
    }
}
