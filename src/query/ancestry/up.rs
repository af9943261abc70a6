//! Up: from a file or steps to everything they were made from.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet, hash_map::Entry};

use rayon::prelude::*;

use crate::error::Result;
use crate::query::ancestry::{Cut, Direction, Trace, TraceEdge, TraceStep};
use crate::query::origin::{Origin, Write, lost, origin_and_others};
use crate::query::together::{Runs, written_along};
use crate::store::{ArtifactNo, Edge, Edges, Snapshot, StepNo};

/// So many origins on a level are worth being looked for on all cores.
const PARALLEL_MIN: usize = 256;

/// Walks from `artifact`, as it was at `read_at`, to everything it was made from, through at most `depth_max` steps in a row.
///
/// # Errors
/// A store error where a record is damaged.
pub fn upstream(snapshot: &Snapshot, artifact: ArtifactNo, read_at: i64, depth_max: u32) -> Result<Trace> {
    let start = origin_and_others(snapshot, artifact, read_at, None)?;
    let mut walk = Up::new(snapshot);
    let next = walk.writes_of(&[start])?;
    walk.run(next, depth_max)?;
    Ok(walk.finish(start.0))
}

/// Walks from `artifacts`, as they are now, to everything they were made from, through at most `depth_max` steps in a row.
///
/// # Errors
/// As [`upstream`].
pub fn upstream_of(snapshot: &Snapshot, artifacts: &[ArtifactNo], depth_max: u32) -> Result<Trace> {
    let starts = artifacts.iter().map(|artifact| origin_and_others(snapshot, *artifact, i64::MAX, None));
    let starts = starts.collect::<Result<Vec<_>>>()?;
    let mut walk = Up::new(snapshot);
    let next = walk.writes_of(&starts)?;
    walk.run(next, depth_max)?;
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
        is_found |= found
            .iter()
            .filter_map(|(origin, _)| write_of(origin))
            .any(|write| files.contains(&write.artifact));
        if is_found {
            return Ok((Some(true), walk.met.len()));
        }
        next = walk.go_on(reads, found)?;
    }
    Ok((Some(false), walk.met.len()))
}

/// The last write that an artifact came from, if there is one.
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

/// What a write is known by: what was written, when, by whom.
type WriteKey = (ArtifactNo, i64, StepNo);

struct Up<'a> {
    snapshot: &'a Snapshot,
    met: HashMap<StepNo, Met>,
    /// The other writes of versions that several steps wrote together, by the last one.
    along: HashMap<WriteKey, Vec<(StepNo, i64)>>,
    runs: Runs,
}

impl<'a> Up<'a> {
    fn new(snapshot: &'a Snapshot) -> Self {
        Up { snapshot, met: HashMap::new(), along: HashMap::new(), runs: Runs::default() }
    }

    /// Walks from `next`, steps with their bounds.
    fn run(&mut self, mut next: Vec<(StepNo, i64)>, depth_max: u32) -> Result<()> {
        for depth in 0..depth_max {
            let reads = self.meet(next, depth)?;
            let found = self.origins(&reads)?;
            next = self.go_on(reads, found)?;
            if next.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Takes note of the origins of reads; returns the writes they lead on to.
    fn go_on(
        &mut self,
        reads: Vec<(StepNo, usize, Edge)>,
        found: Vec<(Origin, bool)>,
    ) -> Result<Vec<(StepNo, i64)>> {
        let next = self.writes_of(&found)?;
        for ((step, position, _), (origin, _)) in reads.into_iter().zip(found) {
            if let Some(met) = self.met.get_mut(&step) {
                met.origins[position] = Some(origin);
            }
        }
        Ok(next)
    }

    /// Returns all writes by which artifacts came to be, given their origins and whether there may be more than one write.
    fn writes_of(&mut self, found: &[(Origin, bool)]) -> Result<Vec<(StepNo, i64)>> {
        let mut writes = Vec::with_capacity(found.len());
        for (origin, may_have_others) in found {
            let Some(write) = write_of(origin) else { continue };
            writes.push((write.step, write.at));
            if !may_have_others {
                continue;
            }
            // What the reader itself wrote before it read does no harm: it is met already, with a later bound.
            if let Entry::Vacant(place) = self.along.entry(key(write)) {
                writes.extend(place.insert(written_along(self.snapshot, write, &mut self.runs)?).iter());
            }
        }
        Ok(writes)
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

    /// Finds the origins of reads, and of each whether there may be more than one write.
    fn origins(&self, reads: &[(StepNo, usize, Edge)]) -> Result<Vec<(Origin, bool)>> {
        let look = |(step, _, edge): &(StepNo, usize, Edge)| {
            origin_and_others(self.snapshot, edge.artifact, edge.at, Some(*step))
        };
        if reads.len() < PARALLEL_MIN {
            reads.iter().map(look).collect()
        } else {
            reads.par_iter().map(look).collect()
        }
    }

    /// Puts together what was met.
    fn finish(self, start: Origin) -> Trace {
        let is_met = |(step, at): &(StepNo, i64)| self.met.get(step).is_some_and(|met| met.bound >= *at);
        let mut not_met: HashSet<WriteKey> = HashSet::new();
        for (last, writes) in &self.along {
            if !writes.iter().all(is_met) {
                not_met.insert(*last);
            }
        }
        let is_left_out = |origin: &Origin| {
            write_of(origin)
                .is_some_and(|write| !is_met(&(write.step, write.at)) || not_met.contains(&key(write)))
        };
        let origins = self.met.values().flat_map(|met| met.origins.iter().flatten());
        let edges = origins.chain([&start]).filter(|origin| is_left_out(origin)).count() as u64;
        let mut order: Vec<(StepNo, Met)> = self.met.into_iter().collect();
        order.sort_unstable_by_key(|(_, met)| Reverse((met.bound, met.edges.id)));
        let steps = order.into_iter().map(|(step, met)| trace_step(step, &met));
        Trace { direction: Direction::Up, steps: steps.collect(), origin: start, cut: Cut { edges } }
    }
}

fn key(write: &Write) -> WriteKey {
    (write.artifact, write.at, write.step)
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
