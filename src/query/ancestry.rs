//! Walking the graph: what a file was made from, and what was made from it.
//!
//! Going up, an input counts only if it was first read before the output in question was last written; going down, an output
//! counts only if it was last written after the input was first read. So each step is met with a **bound**: going up the latest
//! of its writes that is on the way, going down the earliest of its reads.
//!
//! Both walks go level by level, and each edge is looked at once, on the first level on which the bound of its step lets it
//! count: a step is at the least number of steps from the start at which it can be met, and a bound on depth leaves out exactly
//! what cannot be reached through so few steps. All look-ups of a level are made together, sorted.

mod down;
#[cfg(test)]
mod tests;
mod up;

use std::collections::HashSet;

use crate::model::{Evidence, NodeId, Role};
use crate::query::origin::Origin;
use crate::store::{ArtifactNo, Edge, RunNo, StepNo};

pub(crate) use down::{Reached, reached_from};
pub use down::{Start, downstream, downstream_by_names, downstream_of};
pub(crate) use up::{Wanted, are_made_from};
pub use up::{upstream, upstream_of, upstream_of_steps};

/// Returns those of what is wanted of steps, each with the edge it is wanted for, whose edges are as sure as `weakest`; all are sorted
/// by their steps, and `edges_of` gives the edges of one.
fn known<'e>(
    wanted: &[Wanted],
    weakest: Evidence,
    edges_of: impl Fn(StepNo) -> Option<&'e [Edge]>,
) -> Vec<Wanted> {
    let mut known = Vec::with_capacity(wanted.len());
    for of_step in wanted.chunk_by(|one, other| one.0 == other.0) {
        let Some(edges) = edges_of(of_step[0].0) else { continue };
        let sure = edges.iter().filter(|edge| edge.evidence <= weakest);
        let sure: HashSet<(ArtifactNo, i64)> = sure.map(|edge| (edge.artifact, edge.at)).collect();
        let is_known =
            |(_, at, artifact): &&Wanted| artifact.is_none_or(|artifact| sure.contains(&(artifact, *at)));
        known.extend(of_step.iter().filter(is_known));
    }
    known
}

/// How far a walk goes.
#[derive(Debug, Clone, Copy)]
pub struct Far {
    /// Through so many steps in a row at most.
    pub depth_max: u32,
    /// What is known less surely leads nowhere.
    pub weakest: Evidence,
}

impl From<u32> for Far {
    fn from(depth_max: u32) -> Self {
        Far { depth_max, weakest: Evidence::WEAKEST }
    }
}

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
    /// How many steps lie between it and the start at the least; 0 for the next one.
    pub depth: u32,
    /// Going down, whether the walk begins with it, or what led to it is known to have gone into a file of its elsewhere: of the other
    /// steps it depends on their run whether that as a whole goes back to the start.
    pub leads_elsewhere: bool,
    /// What it read: going up, as far as that could have gone into what is asked about; going down, as far as it came from it.
    pub used: Vec<TraceEdge>,
    /// What it wrote, likewise: going up what it had written by then, going down what it wrote since.
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
    /// Going up, where what was read came from, or the write itself. Going down, what a copy that was read has the bytes of; nothing
    /// else.
    pub origin: Option<Origin>,
}

impl TraceEdge {
    fn new(edge: &Edge, origin: Option<Origin>) -> Self {
        TraceEdge { artifact: edge.artifact, at: edge.at, evidence: edge.evidence, role: edge.role, origin }
    }

    /// Returns true for what was read going up and nobody recorded wrote.
    pub fn is_source(&self) -> bool {
        matches!(self.origin, Some(Origin::Source | Origin::Alike(_)))
    }

    /// An edge which the way leads along, or only may.
    fn on(is_the_way: bool, edge: &Edge, origin: Option<Origin>) -> Self {
        let evidence = if is_the_way { edge.evidence } else { Evidence::Carried };
        TraceEdge { evidence, ..TraceEdge::new(edge, origin) }
    }
}

/// What a bounded walk left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Cut {
    /// Edges that lead on to what was left out: going up reads of what a step wrote that is not on the way for the bound's
    /// sake, going down reads by such a step.
    pub edges: u64,
}

/// The way from a file, up or down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// Which way it goes.
    pub direction: Direction,
    /// The steps: going up from the latest, going down from the earliest.
    pub steps: Vec<TraceStep>,
    /// Where the start itself came from.
    pub origin: Origin,
    /// What the bound left out.
    pub cut: Cut,
}
