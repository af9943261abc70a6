//! Up: from a file or steps to everything they were made from.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use rayon::prelude::*;

use crate::error::Result;
use crate::model::Evidence;
use crate::query::ancestry::{Cut, Direction, Far, Trace, TraceEdge, TraceStep, known};
use crate::query::carried::{Whole, WrittenOn};
use crate::query::origin::{Origin, Write, lost, origin_and_others};
use crate::query::together::{Along, WriteKey};
use crate::store::{ArtifactNo, Edge, Edges, Snapshot, StepNo};

/// So many origins on a level are worth being looked for on all cores.
const PARALLEL_MIN: usize = 256;

/// Walks from `artifact`, as it was at `read_at`, to everything it was made from, as far as `far` says.
///
/// # Errors
/// A store error where a record is damaged.
pub fn upstream(
    snapshot: &Snapshot,
    artifact: ArtifactNo,
    read_at: i64,
    far: impl Into<Far>,
) -> Result<Trace> {
    let Far { depth_max, weakest } = far.into();
    let start = origin_and_others(snapshot, artifact, read_at, None)?;
    let mut walk = Up::new(snapshot, weakest);
    let next = walk.writes_of([(None, &start)])?;
    walk.run(next, depth_max)?;
    Ok(walk.finish(start.0))
}

/// Walks from artifacts, each as it was at a moment, to everything they were made from, as far as `far` says.
///
/// # Errors
/// As [`upstream`].
pub fn upstream_of(
    snapshot: &Snapshot,
    artifacts: &[(ArtifactNo, i64)],
    far: impl Into<Far>,
) -> Result<Trace> {
    let Far { depth_max, weakest } = far.into();
    let starts = artifacts.iter().map(|(artifact, at)| origin_and_others(snapshot, *artifact, *at, None));
    let starts = starts.collect::<Result<Vec<_>>>()?;
    let mut walk = Up::new(snapshot, weakest);
    let next = walk.writes_of(starts.iter().map(|start| (None, start)))?;
    walk.run(next, depth_max)?;
    Ok(walk.finish(Origin::Source))
}

/// Walks from all that `steps`, as a whole, read to everything it was made from; the steps themselves come first, whatever the bound.
///
/// # Errors
/// As [`upstream`].
pub fn upstream_of_steps(snapshot: &Snapshot, steps: &[StepNo], far: impl Into<Far>) -> Result<Trace> {
    let Far { depth_max, weakest } = far.into();
    let mut walk = Up::new(snapshot, weakest);
    walk.run(steps.iter().map(|step| (*step, i64::MAX, None)).collect(), depth_max.max(1))?;
    Ok(walk.finish(Origin::Source))
}

/// Says whether one of `files` is among what `steps` read for what is wanted of each, or what that was made or copied from, by what
/// is known as surely as `weakest`; and how many steps that took to find out. `None` where it takes more than `steps_max`.
///
/// # Errors
/// As [`upstream`].
pub(crate) fn are_made_from(
    snapshot: &Snapshot,
    steps: Vec<Wanted>,
    files: &HashSet<ArtifactNo>,
    weakest: Evidence,
    steps_max: usize,
) -> Result<(Option<bool>, usize)> {
    let mut walk = Up::new(snapshot, weakest);
    let mut next = steps;
    while !next.is_empty() {
        if walk.met.len() + next.len() > steps_max {
            return Ok((None, walk.met.len()));
        }
        let mut reads = walk.meet(next, 0)?;
        reads.retain(|read| walk.is_followed(read));
        let mut is_found = reads.iter().any(|(_, _, edge)| files.contains(&edge.artifact));
        let found = if is_found { Vec::new() } else { walk.origins(&reads)? };
        is_found |= found
            .iter()
            .filter_map(|(origin, _)| walk.leads_to(origin))
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
        Origin::Written(write) | Origin::Copied(write) | Origin::Unknown(write) => Some(write),
        Origin::Gap(_) | Origin::Alike(_) | Origin::Source => None,
    }
}

/// A step, the moment of a write of it, and what it wrote then; without that, all that it did until then, as a part of the whole of
/// those of which all is wanted.
pub(crate) type Wanted = (StepNo, i64, Option<ArtifactNo>);

/// A step on the way.
struct Met {
    edges: Edges,
    /// Microseconds of the latest write that is on the way.
    bound: i64,
    depth: u32,
    /// The origin of each read, in their order, as far as it is on the way.
    origins: Vec<Option<Origin>>,
    written_on: WrittenOn,
    /// Which of the reads went into what is on the way, if they are: not those of what the step wrote on, until that is wanted; of
    /// steps that are asked about as a whole, those that went into that.
    went_in: Vec<bool>,
    /// Of a step whose files go back to one other each: which of its writes are on the way.
    written: Vec<bool>,
}

impl Met {
    fn new(edges: Edges, written_on: WrittenOn, depth: u32) -> Self {
        let written = if edges.act.is_one_to_one() { vec![false; edges.generated.len()] } else { Vec::new() };
        let went_in = edges.used.iter().map(|edge| !written_on.is_state(edge.artifact, edge.at)).collect();
        let origins = vec![None; edges.used.len()];
        Met { edges, written_on, bound: i64::MIN, depth, origins, went_in, written }
    }

    /// Meets what is wanted, of one step; calls `read` with what was read for that, is known as surely as `weakest`, and is not
    /// on the way yet, or was not known to have gone in.
    fn meet(&mut self, wanted: &[Wanted], weakest: Evidence, mut read: impl FnMut(usize, Edge)) {
        // The latest comes first.
        let bound = wanted[0].1;
        let is_known = |edge: &Edge| edge.evidence <= weakest;
        let used = self.edges.used.iter().enumerate();
        if !self.edges.act.is_one_to_one() {
            let is_wider = bound >= self.bound;
            if is_wider {
                self.bound = bound;
                let known = used.clone().filter(|(_, edge)| edge.at <= bound && is_known(edge));
                let unmet = known.filter(|(at, _)| self.origins[*at].is_none());
                unmet.for_each(|(at, edge)| read(at, *edge));
            }
            if self.went_in.contains(&false) {
                // By path and by content: until when what was read is wanted for what was written there, or has those bytes; and until
                // when for any file.
                let (mut there, mut equal) = (HashMap::<u32, i64>::new(), HashMap::<u32, i64>::new());
                let mut for_any = None;
                for (_, at, artifact) in wanted.iter().rev() {
                    there.extend(artifact.map(|artifact| (artifact.path(), *at)));
                    equal.extend(artifact.map(|artifact| (artifact.content_no(), *at)));
                    for_any = artifact.map(|_| *at).or(for_any);
                }
                for (at, edge) in self.edges.used.iter().enumerate() {
                    let contents = self.written_on.contents(edge.artifact, edge.at).iter();
                    let mut until = contents.filter_map(|content| equal.get(content));
                    let is_state = self.written_on.is_state(edge.artifact, edge.at);
                    let is_it = (!is_state && for_any.is_some_and(|until| edge.at <= until))
                        || there.get(&edge.artifact.path()).is_some_and(|until| edge.at <= *until)
                        || until.any(|until| edge.at <= *until);
                    if !is_it || !is_known(edge) || std::mem::replace(&mut self.went_in[at], true) {
                        continue;
                    }
                    // Where it was enough that it may have gone in, it was followed before.
                    if weakest < Evidence::Carried && !(is_wider && self.origins[at].is_none()) {
                        read(at, *edge);
                    }
                }
            }
            return;
        }
        self.bound = self.bound.max(bound);
        let is_whole = wanted.iter().any(|(.., artifact)| artifact.is_none());
        let names: HashSet<(ArtifactNo, i64)> =
            wanted.iter().filter_map(|(_, at, artifact)| Some(((*artifact)?, *at))).collect();
        let mut last = if is_whole { bound } else { i64::MIN };
        for (at, edge) in self.edges.generated.iter().enumerate() {
            // Whoever asks for all that the step did asks for what it read, however surely it wrote.
            let is_wanted = is_whole || (is_known(edge) && names.contains(&(edge.artifact, edge.at)));
            if self.written[at] || !is_wanted {
                continue;
            }
            self.written[at] = true;
            let until = if is_whole { bound } else { edge.at };
            last = last.max(until);
            let from = self.edges.used[at];
            if from.at <= until && is_known(&from) && self.origins[at].is_none() {
                read(at, from);
            }
        }
        let for_all = used.skip(self.written.len());
        let known = for_all.filter(|(_, edge)| edge.at <= last && is_known(edge));
        let unmet = known.filter(|(at, _)| self.origins[*at].is_none());
        unmet.for_each(|(at, edge)| read(at, *edge));
    }

    /// Takes note of what went into what it is part of as a `whole`.
    fn ask_as_part_of(&mut self, whole: &Whole) {
        for (edge, went_in) in self.edges.used.iter().zip(&mut self.went_in) {
            *went_in = whole.is_made_from(&self.edges, &self.written_on, edge);
        }
    }

    /// Returns true for a write, by its place, that is on the way.
    fn is_on_the_way(&self, at: usize) -> bool {
        match self.written.get(at) {
            Some(written) => *written,
            None => self.edges.generated[at].at <= self.bound,
        }
    }
}

struct Up<'a> {
    snapshot: &'a Snapshot,
    /// What is known less surely leads nowhere.
    weakest: Evidence,
    met: HashMap<StepNo, Met>,
    /// The other writes of versions that several steps wrote together.
    along: Along,
}

impl<'a> Up<'a> {
    fn new(snapshot: &'a Snapshot, weakest: Evidence) -> Self {
        Up { snapshot, weakest, met: HashMap::new(), along: Along::default() }
    }

    /// Walks from `next`, steps with their bounds.
    fn run(&mut self, mut next: Vec<Wanted>, depth_max: u32) -> Result<()> {
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
    ) -> Result<Vec<Wanted>> {
        let followed = reads.iter().zip(&found).filter(|(read, _)| self.is_followed(read));
        let followed: Vec<_> = followed.map(|((step, ..), found)| (Some(*step), found)).collect();
        let next = self.writes_of(followed)?;
        for ((step, position, _), (origin, _)) in reads.into_iter().zip(found) {
            if let Some(met) = self.met.get_mut(&step) {
                met.origins[position] = Some(origin);
            }
        }
        Ok(next)
    }

    /// Returns true for a read that leads on: that went in, or may have where that is enough.
    fn is_followed(&self, (step, position, _): &(StepNo, usize, Edge)) -> bool {
        self.weakest == Evidence::Carried || self.met.get(step).is_some_and(|met| met.went_in[*position])
    }

    /// Returns all writes by which artifacts came to be, given who read them, their origins and whether there may be more than one
    /// write.
    fn writes_of<'f>(
        &mut self,
        found: impl IntoIterator<Item = (Option<StepNo>, &'f (Origin, bool))>,
    ) -> Result<Vec<Wanted>> {
        let mut writes = Vec::new();
        for (reader, (origin, may_have_others)) in found {
            let Some(write) = self.leads_to(origin) else { continue };
            let artifact = Some(write.artifact);
            writes.push((write.step, write.at, artifact));
            if !may_have_others {
                continue;
            }
            let led_to = self.along.not_yet_led_to(self.snapshot, write, reader)?;
            writes.extend(led_to.into_iter().map(|(step, at)| (step, at, artifact)));
        }
        Ok(writes)
    }

    /// Returns the last write that an artifact came from, if there is one that is known surely enough: that it is a copy is
    /// concluded from its bytes, and what nobody knows the bytes of leads on with a doubt.
    fn leads_to<'o>(&self, origin: &'o Origin) -> Option<&'o Write> {
        let evidence = match origin {
            Origin::Copied(_) => Evidence::Inferred,
            Origin::Unknown(_) => Evidence::Doubtful,
            _ => Evidence::Observed,
        };
        write_of(origin).filter(|_| self.weakest >= evidence)
    }

    /// Returns those of the writes that are known surely enough; they are sorted by their steps.
    fn known(&self, next: Vec<Wanted>) -> Vec<Wanted> {
        known(&next, self.weakest, |step| Some(self.met.get(&step)?.edges.generated.as_slice()))
    }

    /// Meets steps, each with a write of its own; returns the reads that come to be on the way by it.
    fn meet(&mut self, mut next: Vec<Wanted>, depth: u32) -> Result<Vec<(StepNo, usize, Edge)>> {
        next.sort_unstable_by_key(|(step, bound, artifact)| (*step, Reverse(*bound), *artifact));
        next.dedup();
        let mut fresh: Vec<StepNo> =
            next.iter().map(|(step, ..)| *step).filter(|step| !self.met.contains_key(step)).collect();
        fresh.dedup();
        for (step, edges) in fresh.iter().zip(self.snapshot.edges_of(&fresh)?) {
            let edges = edges.ok_or_else(|| lost(*step))?;
            let written_on = WrittenOn::of(self.snapshot, *step, &edges)?;
            self.met.insert(*step, Met::new(edges, written_on, depth));
        }
        self.ask_as_a_whole(&next);
        if self.weakest < Evidence::WEAKEST {
            next = self.known(next);
        }
        let mut reads = Vec::new();
        for of_step in next.chunk_by(|one, other| one.0 == other.0) {
            let step = of_step[0].0;
            if let Some(met) = self.met.get_mut(&step) {
                met.meet(of_step, self.weakest, |position, edge| reads.push((step, position, edge)));
            }
        }
        Ok(reads)
    }

    /// Takes the steps of which all is wanted as one whole: with them a walk begins.
    fn ask_as_a_whole(&mut self, next: &[Wanted]) {
        let parts: HashSet<StepNo> =
            next.iter().filter(|(.., artifact)| artifact.is_none()).map(|(step, ..)| *step).collect();
        let mut whole = Whole::default();
        for met in parts.iter().filter_map(|step| self.met.get(step)) {
            whole.add(&met.edges, &met.written_on);
        }
        for step in parts {
            if let Some(met) = self.met.get_mut(&step) {
                met.ask_as_part_of(&whole);
            }
        }
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
        let mut renamed: HashSet<WriteKey> = HashSet::new();
        for (step, met) in self.met.iter().filter(|(_, met)| met.edges.act.is_one_to_one()) {
            let on_the_way = met.edges.generated.iter().zip(&met.written).filter(|(_, written)| **written);
            renamed.extend(on_the_way.map(|(edge, _)| (edge.artifact, edge.at, *step)));
        }
        let is_met = |(artifact, at, step): WriteKey| {
            self.met.get(&step).is_some_and(|met| match met.edges.act.is_one_to_one() {
                true => renamed.contains(&(artifact, at, step)),
                false => met.bound >= at,
            })
        };
        // By the last write, where others were not met: the step that did those, if it is one.
        let mut not_met: HashMap<WriteKey, Option<StepNo>> = HashMap::new();
        for (last, others) in self.along.writes() {
            let unmet = others.iter().filter(|(step, at)| !is_met((last.0, *at, *step)));
            let mut steps = unmet.map(|(step, _)| *step);
            if let Some(first) = steps.next() {
                not_met.insert(last, steps.all(|step| step == first).then_some(first));
            }
        }
        let is_left_out = |reader: Option<StepNo>, origin: &Origin| {
            // What the reader itself wrote is no origin of what it read.
            let is_anothers = |step: &Option<StepNo>| step.is_none() || *step != reader;
            write_of(origin).is_some_and(|write| {
                !is_met(write.key()) || not_met.get(&write.key()).is_some_and(is_anothers)
            })
        };
        let follows_all = self.weakest == Evidence::Carried;
        let left_out_of = |(step, met): (&StepNo, &Met)| {
            let origins =
                met.origins.iter().zip(&met.went_in).filter(|(_, went_in)| follows_all || **went_in);
            origins
                .filter_map(|(origin, _)| origin.as_ref())
                .filter(|origin| is_left_out(Some(*step), origin))
                .count()
        };
        let edges = self.met.iter().map(left_out_of).sum::<usize>() + usize::from(is_left_out(None, &start));
        let edges = edges as u64;
        let mut order: Vec<(StepNo, Met)> = self.met.into_iter().collect();
        order.sort_unstable_by_key(|(_, met)| Reverse((met.bound, met.edges.id)));
        let steps = order.into_iter().map(|(step, met)| trace_step(step, &met));
        Trace { direction: Direction::Up, steps: steps.collect(), origin: start, cut: Cut { edges } }
    }
}

fn trace_step(step: StepNo, met: &Met) -> TraceStep {
    let used = met.edges.used.iter().zip(met.origins.iter().zip(&met.went_in));
    let generated = met.edges.generated.iter().enumerate().filter(|(at, _)| met.is_on_the_way(*at));
    let own =
        |edge: &Edge| Origin::Written(Write { artifact: edge.artifact, at: edge.at, step, id: met.edges.id });
    TraceStep {
        step,
        id: met.edges.id,
        run: met.edges.run,
        depth: met.depth,
        leads_elsewhere: true,
        used: used
            .filter(|(_, (origin, _))| origin.is_some())
            .map(|(edge, (origin, went_in))| TraceEdge::on(*went_in, edge, *origin))
            .collect(),
        generated: generated.map(|(_, edge)| TraceEdge::new(edge, Some(own(edge)))).collect(),
    }
}
