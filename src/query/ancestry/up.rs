//! Up: from a file or steps to everything they were made from.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use rayon::prelude::*;

use crate::error::Result;
use crate::query::ancestry::{Cut, Direction, Trace, TraceEdge, TraceStep};
use crate::query::origin::{Origin, Write, lost, origin};
use crate::store::{ArtifactNo, Edge, Edges, Snapshot, StepNo};

/// So many origins on a level are worth being looked for on all cores.
const PARALLEL_MIN: usize = 256;

/// Walks from `artifact`, as it was at `read_at`, to everything it was made from, through at most `depth_max` steps in a row.
///
/// # Errors
/// A store error where a record is damaged.
pub fn upstream(snapshot: &Snapshot, artifact: ArtifactNo, read_at: i64, depth_max: u32) -> Result<Trace> {
    let start = origin(snapshot, artifact, read_at, None)?;
    let next = write_of(&start).map(|write| (write.step, write.at));
    let mut walk = Up::new(snapshot);
    walk.run(next.into_iter().collect(), depth_max)?;
    Ok(walk.finish(start))
}

/// Walks from `artifacts`, as they are now, to everything they were made from, through at most `depth_max` steps in a row.
///
/// # Errors
/// As [`upstream`].
pub fn upstream_of(snapshot: &Snapshot, artifacts: &[ArtifactNo], depth_max: u32) -> Result<Trace> {
    let starts = artifacts.iter().map(|artifact| origin(snapshot, *artifact, i64::MAX, None));
    let starts = starts.collect::<Result<Vec<_>>>()?;
    let next = starts.iter().filter_map(write_of).map(|write| (write.step, write.at));
    let mut walk = Up::new(snapshot);
    walk.run(next.collect(), depth_max)?;
    Ok(walk.finish(Origin::Source))
}

/// Walks from all that `steps` read to everything it was made from; the steps themselves come first, whatever the bound.
///
/// # Errors
/// As [`upstream`].
pub fn upstream_of_steps(snapshot: &Snapshot, steps: &[StepNo], depth_max: u32) -> Result<Trace> {
    let mut walk = Up::new(snapshot);
    walk.run(steps.iter().map(|step| (*step, i64::MAX)).collect(), depth_max.max(1))?;
    Ok(walk.finish(Origin::Source))
}

/// Says whether one of `files` is among what `steps` read, each up to its moment, or what that was made or copied from; and how
/// many steps that took to find out. `None` where it takes more than `steps_max`.
///
/// # Errors
/// As [`upstream`].
pub(crate) fn are_made_from(
    snapshot: &Snapshot,
    steps: Vec<(StepNo, i64)>,
    files: &HashSet<ArtifactNo>,
    steps_max: usize,
) -> Result<(Option<bool>, usize)> {
    let mut walk = Up::new(snapshot);
    let mut next = steps;
    while !next.is_empty() {
        if walk.met.len() + next.len() > steps_max {
            return Ok((None, walk.met.len()));
        }
        let reads = walk.meet(next, 0)?;
        let mut is_found = reads.iter().any(|(_, _, edge)| files.contains(&edge.artifact));
        let found = if is_found { Vec::new() } else { walk.origins(&reads)? };
        is_found |= found.iter().filter_map(write_of).any(|write| files.contains(&write.artifact));
        if is_found {
            return Ok((Some(true), walk.met.len()));
        }
        next = walk.go_on(reads, found);
    }
    Ok((Some(false), walk.met.len()))
}

/// The write that an artifact came from, if there is one.
fn write_of(origin: &Origin) -> Option<&Write> {
    match origin {
        Origin::Written(write) | Origin::Copied(write) => Some(write),
        Origin::Gap(_) | Origin::Source => None,
    }
}

/// A step on the way.
struct Met {
    edges: Edges,
    /// Microseconds of the latest write that is on the way.
    bound: i64,
    depth: u32,
    /// The origin of each read, in their order, as far as it is on the way.
    origins: Vec<Option<Origin>>,
}

struct Up<'a> {
    snapshot: &'a Snapshot,
    met: HashMap<StepNo, Met>,
}

impl<'a> Up<'a> {
    fn new(snapshot: &'a Snapshot) -> Self {
        Up { snapshot, met: HashMap::new() }
    }

    /// Walks from `next`, steps with their bounds.
    fn run(&mut self, mut next: Vec<(StepNo, i64)>, depth_max: u32) -> Result<()> {
        for depth in 0..depth_max {
            let reads = self.meet(next, depth)?;
            let found = self.origins(&reads)?;
            next = self.go_on(reads, found);
            if next.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Takes note of the origins of reads; returns the writes they lead on to.
    fn go_on(&mut self, reads: Vec<(StepNo, usize, Edge)>, found: Vec<Origin>) -> Vec<(StepNo, i64)> {
        let next = found.iter().filter_map(write_of).map(|w| (w.step, w.at)).collect();
        for ((step, position, _), origin) in reads.into_iter().zip(found) {
            if let Some(met) = self.met.get_mut(&step) {
                met.origins[position] = Some(origin);
            }
        }
        next
    }

    /// Meets steps, each with a write of its own; returns the reads that come to be on the way by it.
    fn meet(&mut self, mut next: Vec<(StepNo, i64)>, depth: u32) -> Result<Vec<(StepNo, usize, Edge)>> {
        // Of each step, the latest write.
        next.sort_unstable_by_key(|(step, bound)| (*step, Reverse(*bound)));
        next.dedup_by_key(|(step, _)| *step);
        let fresh: Vec<StepNo> =
            next.iter().map(|(step, _)| *step).filter(|step| !self.met.contains_key(step)).collect();
        for (step, edges) in fresh.iter().zip(self.snapshot.edges_of(&fresh)?) {
            let edges = edges.ok_or_else(|| lost(*step))?;
            let met = Met { origins: vec![None; edges.used.len()], edges, bound: i64::MIN, depth };
            self.met.insert(*step, met);
        }
        let mut reads = Vec::new();
        for (step, bound) in next {
            let Some(met) = self.met.get_mut(&step) else {
                continue;
            };
            if bound < met.bound {
                continue;
            }
            met.bound = bound;
            for (position, edge) in met.edges.used.iter().enumerate() {
                if edge.at <= bound && met.origins[position].is_none() {
                    reads.push((step, position, *edge));
                }
            }
        }
        Ok(reads)
    }

    fn origins(&self, reads: &[(StepNo, usize, Edge)]) -> Result<Vec<Origin>> {
        let look = |(step, _, edge): &(StepNo, usize, Edge)| {
            origin(self.snapshot, edge.artifact, edge.at, Some(*step))
        };
        if reads.len() < PARALLEL_MIN {
            reads.iter().map(look).collect()
        } else {
            reads.par_iter().map(look).collect()
        }
    }

    /// Puts together what was met.
    fn finish(self, start: Origin) -> Trace {
        let is_left_out = |origin: &Origin| {
            write_of(origin)
                .is_some_and(|write| self.met.get(&write.step).is_none_or(|met| met.bound < write.at))
        };
        let origins = self.met.values().flat_map(|met| met.origins.iter().flatten());
        let edges = origins.chain([&start]).filter(|origin| is_left_out(origin)).count() as u64;
        let mut order: Vec<(StepNo, Met)> = self.met.into_iter().collect();
        order.sort_unstable_by_key(|(_, met)| Reverse((met.bound, met.edges.id)));
        let steps = order.into_iter().map(|(step, met)| trace_step(step, &met));
        Trace { direction: Direction::Up, steps: steps.collect(), origin: start, cut: Cut { edges } }
    }
}

fn trace_step(step: StepNo, met: &Met) -> TraceStep {
    let used = met.edges.used.iter().zip(&met.origins);
    let generated = met.edges.generated.iter().filter(|edge| edge.at <= met.bound);
    let own =
        |edge: &Edge| Origin::Written(Write { artifact: edge.artifact, at: edge.at, step, id: met.edges.id });
    TraceStep {
        step,
        id: met.edges.id,
        run: met.edges.run,
        depth: met.depth,
        used: used
            .filter(|(_, origin)| origin.is_some())
            .map(|(edge, origin)| TraceEdge::new(edge, *origin))
            .collect(),
        generated: generated.map(|edge| TraceEdge::new(edge, Some(own(edge)))).collect(),
    }
}
