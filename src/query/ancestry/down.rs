//! Down: from a file or steps to everything that was made from them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;

use crate::error::Result;
use crate::model::Evidence;
use crate::query::ancestry::{Cut, Direction, Far, Trace, TraceEdge, TraceStep, known};
use crate::query::carried::{Whole, WrittenOn};
use crate::query::origin::{Origin, Write, is_telling, lost, origin, origin_unwritten};
use crate::query::together::{self, Maker, Part, Parts, WriteKey};
use crate::store::{ArtifactNo, Edge, Edges, GO_ON, RunNo, Snapshot, StepNo};

/// Walks from `artifact` to everything that was made from those bytes at that path, whoever wrote them and however often, or
/// from copies of them, as far as `far` says.
///
/// # Errors
/// A store error where a record is damaged.
pub fn downstream(snapshot: &Snapshot, artifact: ArtifactNo, far: impl Into<Far>) -> Result<Trace> {
    downstream_by_names(snapshot, artifact, &[], far)
}

/// As [`downstream`], of a file that has `others` as other names for the same bytes.
///
/// # Errors
/// As [`downstream`].
pub fn downstream_by_names(
    snapshot: &Snapshot,
    artifact: ArtifactNo,
    others: &[ArtifactNo],
    far: impl Into<Far>,
) -> Result<Trace> {
    let Far { depth_max, weakest } = far.into();
    let start = origin(snapshot, artifact, i64::MAX, None)?;
    let mut walk = Down::new(snapshot, weakest);
    let mut reads = Vec::new();
    for artifact in [artifact].iter().chain(others) {
        walk.first_reads(*artifact, usize::MAX, &mut reads)?;
    }
    walk.run(reads, depth_max)?;
    Ok(walk.finish(start))
}

/// What files lead to.
#[derive(Debug, Default)]
pub(crate) struct Reached {
    /// The runs that read one of them, or what was made or copied from them.
    pub runs: HashSet<RunNo>,
    /// The files, and what was made from them.
    pub files: HashSet<ArtifactNo>,
    /// The writes of what was made from them.
    pub made: HashSet<WriteKey>,
    /// Through how many steps that was found.
    pub steps: usize,
}

/// Finds everything that `artifacts` lead to by what is known as surely as `weakest`; `None` where that takes more than
/// `steps_max` steps.
///
/// # Errors
/// As [`downstream`].
pub(crate) fn reached_from<'f>(
    snapshot: &Snapshot,
    artifacts: impl IntoIterator<Item = &'f ArtifactNo>,
    weakest: Evidence,
    steps_max: usize,
) -> Result<Option<Reached>> {
    let mut walk = Down::new(snapshot, weakest);
    let mut reached = Reached::default();
    let mut reads = Vec::new();
    for artifact in artifacts {
        reached.files.insert(*artifact);
        walk.first_reads(*artifact, steps_max, &mut reads)?;
        if reads.len() > steps_max {
            return Ok(None);
        }
    }
    let mut met: HashMap<StepNo, HashSet<(ArtifactNo, i64)>> = HashMap::new();
    while !reads.is_empty() {
        if walk.met.len() + reads.len() > steps_max {
            return Ok(None);
        }
        for read in &reads {
            met.entry(read.step).or_default().insert((read.artifact, read.at));
        }
        let next = reads.iter().map(|read| (read.step, read.at, Some(read.artifact))).collect();
        let writes = walk.meet(next, 0)?;
        reached.made.extend(writes.iter().map(Write::key));
        reads = walk.readers(writes)?;
    }
    reached.files.extend(reached.made.iter().map(|(artifact, ..)| artifact));
    let Some(runs) = walk.runs(&met, steps_max)? else { return Ok(None) };
    reached.runs = runs;
    reached.steps = walk.met.len();
    Ok(Some(reached))
}

/// Where a walk down begins.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    /// With those who read one of these files.
    Files(&'a [ArtifactNo]),
    /// With these steps, which come first whatever the bound, and all that they wrote.
    Steps(&'a [StepNo]),
}

/// Walks from a start to everything that was made from it, as far as `far` says.
///
/// # Errors
/// As [`downstream`].
pub fn downstream_of(snapshot: &Snapshot, start: Start<'_>, far: impl Into<Far>) -> Result<Trace> {
    let Far { depth_max, weakest } = far.into();
    let mut walk = Down::new(snapshot, weakest);
    match start {
        Start::Files(artifacts) => {
            let mut reads = Vec::new();
            for artifact in artifacts {
                walk.first_reads(*artifact, usize::MAX, &mut reads)?;
            }
            walk.run(reads, depth_max)?;
        }
        Start::Steps(steps) => {
            let writes = walk.meet(steps.iter().map(|step| (*step, i64::MIN, None)).collect(), 0)?;
            let reads = walk.readers(writes)?;
            walk.run_from(reads, 1, depth_max)?;
        }
    }
    Ok(walk.finish(Origin::Source))
}

/// A read on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Read {
    step: StepNo,
    at: i64,
    artifact: ArtifactNo,
}

/// The reads of copies of one content: by the artifact that each is a copy of, and the part of it, with its last write.
type Copies = HashMap<ArtifactNo, HashMap<Part, Vec<(Write, Read)>>>;

/// A step on the way.
struct Met {
    edges: Edges,
    written_on: WrittenOn,
    /// Microseconds of the earliest read that is on the way.
    bound: i64,
    /// Likewise, of the earliest that went into all that was written since: not of what the step wrote on.
    bound_of_all: i64,
    depth: u32,
    /// The reads that are on the way.
    reads: Vec<(ArtifactNo, i64)>,
    /// Which of its writes are on the way by what went into them alone: of a step whose files go back to one other each, or what it
    /// wrote on.
    written: Vec<bool>,
}

/// A step, the moment of a read of it, and what it read then; without that, all that it wrote since is wanted.
type Wanted = (StepNo, i64, Option<ArtifactNo>);

impl Met {
    fn new(edges: Edges, written_on: WrittenOn, depth: u32) -> Self {
        let written = vec![false; edges.generated.len()];
        Met { edges, written_on, bound: i64::MAX, bound_of_all: i64::MAX, depth, reads: Vec::new(), written }
    }

    /// Meets reads of one step; calls `write` with what was written from them, is known as surely as `weakest`, and is not on the
    /// way yet.
    fn meet(&mut self, wanted: &[Wanted], weakest: Evidence, mut write: impl FnMut(&Edge)) {
        // The earliest comes first.
        let before = self.led_since(weakest);
        self.bound = self.bound.min(wanted[0].1);
        if !self.edges.act.is_one_to_one() {
            // By path and by content: since when what was read leads to what was written there, or has those bytes.
            let (mut there, mut equal) = (HashMap::<u32, i64>::new(), HashMap::<u32, i64>::new());
            for (_, at, artifact) in wanted.iter().rev() {
                let state = artifact.filter(|artifact| self.written_on.is_state(*artifact, *at));
                match state {
                    Some(artifact) => {
                        there.insert(artifact.path(), *at);
                        let contents = self.written_on.contents(artifact, *at).iter();
                        equal.extend(contents.map(|content| (*content, *at)));
                    }
                    None => self.bound_of_all = self.bound_of_all.min(*at),
                }
            }
            let after = self.led_since(weakest);
            for (place, edge) in self.edges.generated.iter().enumerate() {
                let since = [there.get(&edge.artifact.path()), equal.get(&edge.artifact.content_no())];
                let is_on = since.into_iter().flatten().any(|since| *since <= edge.at);
                let is_news = !self.written[place] && before.is_none_or(|before| edge.at < before);
                self.written[place] |= is_on;
                if is_news
                    && (is_on || after.is_some_and(|after| after <= edge.at))
                    && edge.evidence <= weakest
                {
                    write(edge);
                }
            }
            return;
        }
        self.bound_of_all = self.bound;
        let is_whole = wanted.iter().any(|(.., artifact)| artifact.is_none());
        let names: HashSet<(ArtifactNo, i64)> =
            wanted.iter().filter_map(|(_, at, artifact)| Some(((*artifact)?, *at))).collect();
        let is_wanted = |edge: &Edge| names.contains(&(edge.artifact, edge.at));
        let for_all = self.edges.used.iter().skip(self.written.len()).filter(|edge| is_wanted(edge));
        let since = if is_whole { Some(i64::MIN) } else { for_all.map(|edge| edge.at).min() };
        let written = self.edges.generated.iter().enumerate().filter(|(_, edge)| edge.evidence <= weakest);
        for (at, edge) in written {
            let from = &self.edges.used[at];
            let is_led_to =
                since.is_some_and(|since| since <= edge.at) || (is_wanted(from) && from.at <= edge.at);
            if is_led_to && !std::mem::replace(&mut self.written[at], true) {
                write(edge);
            }
        }
    }

    /// Returns from when on all that was written is on the way, where only what is known as surely as `weakest` leads on; `None`
    /// where nothing led to all of it.
    fn led_since(&self, weakest: Evidence) -> Option<i64> {
        let since = if weakest == Evidence::Carried { self.bound } else { self.bound_of_all };
        (since < i64::MAX).then_some(since)
    }

    /// Returns true for a write, by its place, that is on the way by what went into it.
    fn is_made_from_it(&self, at: usize) -> bool {
        let is_since = !self.edges.act.is_one_to_one() && self.bound_of_all <= self.edges.generated[at].at;
        self.written[at] || is_since
    }

    /// Returns true for a write, by its place, that is on the way.
    fn is_on_the_way(&self, at: usize, weakest: Evidence) -> bool {
        let is_one_to_one = self.edges.act.is_one_to_one();
        let is_since = || self.led_since(weakest).is_some_and(|since| since <= self.edges.generated[at].at);
        self.written[at] || (!is_one_to_one && is_since())
    }

    /// Returns true for a read that is on the way, since its step is.
    fn leads_on(&self, read: &Read, weakest: Evidence) -> bool {
        if self.edges.act.is_one_to_one() {
            return self.bound == i64::MIN || self.reads.contains(&(read.artifact, read.at));
        }
        if self.led_since(weakest).is_some_and(|since| since <= read.at) {
            return true;
        }
        // What was written on is all that such a read leads to.
        let leads_to = |edge: &Edge| self.written_on.leads_to(read.artifact, read.at, edge.artifact);
        let mut led_to = self.edges.generated.iter().enumerate();
        weakest < Evidence::Carried
            && self.written_on.is_state(read.artifact, read.at)
            && led_to.all(|(at, edge)| edge.at < read.at || self.written[at] || !leads_to(edge))
    }
}

struct Down<'a> {
    snapshot: &'a Snapshot,
    /// What is known less surely leads nowhere.
    weakest: Evidence,
    met: HashMap<StepNo, Met>,
    /// Reads by steps that the bound on depth left out, or of whose reads it left out the earliest.
    beyond: HashSet<Read>,
    /// By content: the reads of a copy of it.
    copies: HashMap<u32, Copies>,
    /// What the walk begins with: it is no copy of anything on the way.
    starts: HashSet<ArtifactNo>,
    parts: Parts,
    /// The parts of versions that lead on, and which of their writes were met.
    written: HashMap<Part, together::Met>,
}

impl<'a> Down<'a> {
    fn new(snapshot: &'a Snapshot, weakest: Evidence) -> Self {
        Down {
            snapshot,
            weakest,
            met: HashMap::new(),
            beyond: HashSet::new(),
            copies: HashMap::new(),
            starts: HashSet::new(),
            parts: Parts::default(),
            written: HashMap::new(),
        }
    }

    /// Adds the reads of `artifact` itself and of copies of it, until there are more than `reads_max`.
    fn first_reads(&mut self, artifact: ArtifactNo, reads_max: usize, reads: &mut Vec<Read>) -> Result<()> {
        self.starts.insert(artifact);
        let _full = self.snapshot.reads_between(artifact, i64::MIN, i64::MAX, |at, step| {
            reads.push(Read { step, at, artifact });
            Ok(if reads.len() > reads_max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if self.follows_copies()
            && self.snapshot.is_written(artifact)?
            && self.snapshot.have_copies(&[artifact])?[0]
        {
            let copies = self.reads_of_copies(artifact)?.get(&artifact).into_iter();
            reads.extend(copies.flat_map(|parts| parts.values().flatten()).map(|(_, read)| *read));
        }
        Ok(())
    }

    fn run(&mut self, reads: Vec<Read>, depth_max: u32) -> Result<()> {
        self.run_from(reads, 0, depth_max)
    }

    /// Walks from `reads`, whose steps are at `depth`.
    fn run_from(&mut self, mut reads: Vec<Read>, mut depth: u32, depth_max: u32) -> Result<()> {
        while !reads.is_empty() {
            if depth >= depth_max {
                self.beyond.extend(reads);
                return Ok(());
            }
            let next = reads.iter().map(|read| (read.step, read.at, Some(read.artifact))).collect();
            let writes = self.meet(next, depth)?;
            for read in reads {
                if let Some(met) = self.met.get_mut(&read.step) {
                    met.reads.push((read.artifact, read.at));
                }
            }
            reads = self.readers(writes)?;
            depth += 1;
        }
        Ok(())
    }

    /// Meets steps, each with a read of its own; returns the writes that come to be on the way by it.
    fn meet(&mut self, mut next: Vec<Wanted>, depth: u32) -> Result<Vec<Write>> {
        next.sort_unstable();
        next.dedup();
        let mut fresh: Vec<StepNo> =
            next.iter().map(|(step, ..)| *step).filter(|step| !self.met.contains_key(step)).collect();
        fresh.dedup();
        self.met.reserve(fresh.len());
        for (step, edges) in fresh.iter().zip(self.snapshot.edges_of(&fresh)?) {
            let edges = edges.ok_or_else(|| lost(*step))?;
            let written_on = WrittenOn::of(self.snapshot, *step, &edges)?;
            self.met.insert(*step, Met::new(edges, written_on, depth));
        }
        if self.weakest < Evidence::WEAKEST {
            next = self.known(next);
            let met: HashSet<StepNo> = next.iter().map(|(step, ..)| *step).collect();
            for step in fresh.iter().filter(|step| !met.contains(*step)) {
                self.met.remove(step);
            }
        }
        let mut writes = Vec::with_capacity(fresh.len());
        for of_step in next.chunk_by(|one, other| one.0 == other.0) {
            let step = of_step[0].0;
            let Some(met) = self.met.get_mut(&step) else { continue };
            let id = met.edges.id;
            let weakest = self.weakest;
            met.meet(of_step, weakest, |edge| {
                writes.push(Write { artifact: edge.artifact, at: edge.at, step, id })
            });
        }
        Ok(writes)
    }

    /// Returns true where a copy counts as made from what it has the bytes of: that is concluded from the bytes.
    fn follows_copies(&self) -> bool {
        self.weakest >= Evidence::Inferred
    }

    /// Returns those of the reads that are known surely enough; they are sorted by their steps.
    fn known(&self, next: Vec<Wanted>) -> Vec<Wanted> {
        known(&next, self.weakest, |step| Some(self.met.get(&step)?.edges.used.as_slice()))
    }

    /// Returns the reads of what `writes` wrote, or of copies of it.
    fn readers(&mut self, mut writes: Vec<Write>) -> Result<Vec<Read>> {
        let mut reads = Vec::new();
        writes.sort_unstable_by_key(|write| (write.artifact, write.at, write.step));
        writes.dedup_by_key(|write| (write.artifact, write.at, write.step));
        let mut artifacts: Vec<(ArtifactNo, i64)> = writes.iter().map(|w| (w.artifact, w.at)).collect();
        artifacts.dedup_by_key(|(artifact, _)| *artifact);
        let read = self.snapshot.are_read_from(&artifacts)?;
        let copied = if self.follows_copies() { self.copied_among(&artifacts)? } else { HashSet::new() };
        let mut position = 0;
        let mut before: BTreeMap<Part, (bool, Option<together::Met>)> = BTreeMap::new();
        for write in &writes {
            while artifacts[position].0 != write.artifact {
                position += 1;
            }
            if !read[position] && !copied.contains(&write.artifact) {
                continue;
            }
            let maker = self.maker_of(write.step)?;
            let part = self.parts.of(self.snapshot, write.artifact, maker, write.at)?;
            let known = self.written.get(&part).copied();
            before.entry(part).or_insert((read[position], known));
            let met = self.written.entry(part).or_insert(together::Met::new(write.at, write.step));
            met.add(write.at, write.step);
        }
        for (part, (read, before)) in before {
            let met = self.written[&part];
            if before == Some(met) {
                continue;
            }
            if read {
                self.readers_of(part, met, before, &mut reads)?;
            }
            if copied.contains(&part.0) {
                let copies = self.reads_of_copies(part.0)?.get(&part.0);
                let copies = copies.and_then(|parts| parts.get(&part)).into_iter().flatten();
                let news =
                    copies.filter(|(write, read)| met.newly_leads_to(before.as_ref(), read.step, write.at));
                reads.extend(news.map(|(_, read)| *read));
            }
        }
        reads.sort_unstable();
        reads.dedup();
        Ok(reads)
    }

    /// Returns who made what a step wrote.
    fn maker_of(&mut self, step: StepNo) -> Result<Maker> {
        match self.met.get(&step) {
            Some(met) => self.parts.runs.maker_of(self.snapshot, step, met.edges.run),
            None => self.parts.runs.maker_of_step(self.snapshot, step),
        }
    }

    /// Finds the reads at its own path of what was written in `part`, as far as they are news since `before`.
    fn readers_of(
        &mut self,
        part: Part,
        met: together::Met,
        before: Option<together::Met>,
        reads: &mut Vec<Read>,
    ) -> Result<()> {
        let (artifact, maker, end) = part;
        let (from, known_from) = met.news(before.as_ref());
        let until = known_from.unwrap_or(i64::MAX).min(self.last_doubt(part)?);
        let mut found = Vec::new();
        self.snapshot.reads_between(artifact, from, until, |at, step| {
            if met.newly_leads_to(before.as_ref(), step, at) {
                found.push(Read { step, at, artifact });
            }
            Ok(GO_ON)
        })?;
        for read in found {
            let is_ours = read.at < end
                || match origin(self.snapshot, artifact, read.at, Some(read.step))? {
                    Origin::Written(write) => write.at <= end && self.maker_of(write.step)? == maker,
                    _ => false,
                };
            if is_ours {
                reads.push(read);
            }
        }
        Ok(())
    }

    /// Returns from when on no read can go back to `part` any more, since two steps wrote the same after its end: at least one
    /// of them is not the reader.
    fn last_doubt(&self, (artifact, _, end): Part) -> Result<i64> {
        let mut later: Option<StepNo> = None;
        let Some(after) = end.checked_add(1) else {
            return Ok(i64::MAX);
        };
        let until = self.snapshot.writes_from(artifact, after, |at, step| match later {
            Some(other) if other != step => Ok(ControlFlow::Break(at)),
            _ => {
                later = Some(step);
                Ok(ControlFlow::Continue(()))
            }
        })?;
        Ok(until.break_value().unwrap_or(i64::MAX))
    }

    /// Returns those of the artifacts of which there are copies.
    fn copied_among(&self, artifacts: &[(ArtifactNo, i64)]) -> Result<HashSet<ArtifactNo>> {
        let mut by_content: Vec<ArtifactNo> = artifacts.iter().map(|(artifact, _)| *artifact).collect();
        by_content.sort_unstable_by_key(|artifact| artifact.by_content());
        let copied = self.snapshot.have_copies(&by_content)?;
        Ok(by_content
            .into_iter()
            .zip(copied)
            .filter(|(_, copied)| *copied)
            .map(|(artifact, _)| artifact)
            .collect())
    }

    /// Returns the reads of the content of `artifact` at paths where nobody had written it, by what was written elsewhere that
    /// they are copies of. Linear in the number of paths where the content ever lay, once for each walk.
    fn reads_of_copies(&mut self, artifact: ArtifactNo) -> Result<&Copies> {
        let content = artifact.content_no();
        if !self.copies.contains_key(&content) {
            let mut copies = Copies::new();
            if is_telling(self.snapshot.content(artifact)?.1) {
                let mut others = Vec::new();
                self.snapshot.copies_of(artifact, |other| {
                    others.push(other);
                    Ok(GO_ON)
                })?;
                for other in others {
                    self.copied_reads(other, &mut copies)?;
                }
            }
            self.copies.insert(content, copies);
        }
        Ok(&self.copies[&content])
    }

    /// Finds the reads of `artifact` that are reads of a copy.
    fn copied_reads(&mut self, artifact: ArtifactNo, copies: &mut Copies) -> Result<()> {
        // Only reads before its first write can be, and those by the first writer before another's.
        let mut first: Option<(i64, StepNo)> = None;
        let second = self.snapshot.writes_from(artifact, i64::MIN, |at, step| {
            match first {
                None => first = Some((at, step)),
                Some((_, writer)) if writer == step => {}
                Some(_) => return Ok(ControlFlow::Break(at)),
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let until = second.break_value().unwrap_or(i64::MAX);
        let mut reads = Vec::new();
        self.snapshot.reads_between(artifact, i64::MIN, until, |at, step| {
            let unwritten = first.is_none_or(|(from, writer)| at < from || step == writer);
            if unwritten && at <= until {
                reads.push(Read { step, at, artifact });
            }
            Ok(GO_ON)
        })?;
        for read in reads {
            let from = match first {
                // The first writer may read what another wrote at the same moment.
                Some((at, _)) if at <= read.at => origin(self.snapshot, artifact, read.at, Some(read.step))?,
                _ => origin_unwritten(self.snapshot, artifact, read.at, Some(read.step))?,
            };
            if let Origin::Copied(write) = from {
                let maker = self.maker_of(write.step)?;
                let part = self.parts.of(self.snapshot, write.artifact, maker, write.at)?;
                let parts = copies.entry(write.artifact).or_default();
                parts.entry(part).or_default().push((write, read));
            }
        }
        Ok(())
    }

    /// Finds the runs which as a whole go back to the start, by the reads on the way; `None` where more than `steps_max` further
    /// steps are to be looked at for that.
    fn runs(
        &self,
        reads: &HashMap<StepNo, HashSet<(ArtifactNo, i64)>>,
        steps_max: usize,
    ) -> Result<Option<HashSet<RunNo>>> {
        let mut runs = HashSet::new();
        // Those of which it depends on what else their run did.
        let mut others: HashMap<RunNo, Vec<(&Met, &Edge)>> = HashMap::new();
        for (step, met) in &self.met {
            let is_on_the_way = |edge: &&Edge| {
                edge.evidence <= self.weakest
                    && reads.get(step).is_some_and(|reads| reads.contains(&(edge.artifact, edge.at)))
            };
            for edge in met.edges.used.iter().filter(is_on_the_way) {
                if self.weakest == Evidence::Carried || met.written_on.leads_elsewhere(&met.edges, edge) {
                    runs.insert(met.edges.run);
                    break;
                }
                others.entry(met.edges.run).or_default().push((met, edge));
            }
        }
        others.retain(|run, _| !runs.contains(run));
        let mut looked_at = 0;
        for (run, led_to) in others {
            let steps = self.snapshot.steps_of(run)?;
            looked_at += steps.len();
            if looked_at > steps_max {
                return Ok(None);
            }
            let whole = Whole::of(self.snapshot, steps)?;
            let is_made_from =
                |(met, edge): &(&Met, &Edge)| whole.is_made_from(&met.edges, &met.written_on, edge);
            runs.extend(led_to.iter().any(is_made_from).then_some(run));
        }
        Ok(Some(runs))
    }

    /// Puts together what was met.
    fn finish(self, start: Origin) -> Trace {
        let weakest = self.weakest;
        let starts = self.starts;
        let mut copies: HashMap<Read, Write> = HashMap::new();
        for (write, read) in
            self.copies.into_values().flat_map(HashMap::into_values).flat_map(HashMap::into_values).flatten()
        {
            if !starts.contains(&read.artifact) {
                copies.insert(read, write);
            }
        }
        let mut met = self.met;
        let mut cut = Cut::default();
        for read in self.beyond {
            match met.get_mut(&read.step) {
                Some(met) if met.leads_on(&read, weakest) => met.reads.push((read.artifact, read.at)),
                _ => cut.edges += 1,
            }
        }
        let mut order: Vec<(StepNo, Met)> = met.into_iter().collect();
        order.sort_unstable_by_key(|(_, met)| (met.bound, met.edges.id));
        let steps = order.into_iter().map(|(step, mut met)| {
            met.reads.sort_unstable();
            let used = met.edges.used.iter();
            let generated = met.edges.generated.iter().enumerate();
            let is_on_the_way = |edge: &&Edge| {
                edge.evidence <= weakest && met.reads.binary_search(&(edge.artifact, edge.at)).is_ok()
            };
            let mut led_to = used.clone().filter(is_on_the_way);
            TraceStep {
                step,
                id: met.edges.id,
                run: met.edges.run,
                depth: met.depth,
                leads_elsewhere: met.bound == i64::MIN
                    || led_to.any(|edge| met.written_on.leads_elsewhere(&met.edges, edge)),
                used: used
                    .filter(is_on_the_way)
                    .map(|edge| {
                        let read = Read { step, at: edge.at, artifact: edge.artifact };
                        TraceEdge::new(edge, copies.get(&read).copied().map(Origin::Copied))
                    })
                    .collect(),
                generated: generated
                    .filter(|(at, edge)| edge.evidence <= weakest && met.is_on_the_way(*at, weakest))
                    .map(|(at, edge)| TraceEdge::on(met.is_made_from_it(at), edge, None))
                    .collect(),
            }
        });
        Trace { direction: Direction::Down, steps: steps.collect(), origin: start, cut }
    }
}
