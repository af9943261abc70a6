//! The ways within a run whose end is not recorded: as those through what is recorded, but by path, since what a file held is not
//! always known yet.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::ByNow;
use crate::model::{Artifact, ArtifactPath, Evidence, Timestamp};
use crate::query::ancestry::Direction;
use crate::query::report::{CameFrom, Folded, TraceFile, TraceRun, TraceRunStep};

/// A file that a step read or wrote: the step, and its place among what that read or wrote.
type Place = (usize, usize);
/// When steps did something with the file at a path, in order.
type Times<'a> = HashMap<&'a ArtifactPath, Vec<(Timestamp, Place)>>;

fn times<'a>(steps: &'a [TraceRunStep], files: impl Fn(&'a TraceRunStep) -> &'a [TraceFile]) -> Times<'a> {
    let mut times = Times::new();
    for (number, step) in steps.iter().enumerate() {
        for (place, file) in files(step).iter().enumerate() {
            times.entry(&file.artifact.path).or_default().push((file.at, (number, place)));
        }
    }
    times.values_mut().for_each(|times| times.sort());
    times
}

/// A step on the way.
struct Met {
    /// Until when what it did is on the way, going up; since when, going down.
    bound: Option<Timestamp>,
    /// Of each of its edges, whether it is on the way, and whether surely.
    used: Vec<(bool, bool)>,
    generated: Vec<(bool, bool)>,
}

impl Met {
    fn of(step: &TraceRunStep) -> Self {
        let [used, generated] =
            [step.used.len(), step.generated.len()].map(|count| vec![(false, false); count]);
        Met { bound: None, used, generated }
    }
}

type Way = BTreeMap<usize, Met>;

impl ByNow {
    /// Returns what of the run went into what lies at `path` now, or into what was read there last: each step with what it had read
    /// when it wrote what is on the way. Going down, what of the run came of what lies at `path`: each step with what it wrote after it
    /// had read what is on the way.
    ///
    /// From what a step wrote on into what else it wrote the way goes on where that is `carried`, too; else what is left out by that is
    /// counted.
    pub fn way(
        &self,
        path: &ArtifactPath,
        direction: Direction,
        carried: bool,
    ) -> (TraceRun, Option<Folded>) {
        let walk = |carried: bool| match direction {
            Direction::Up => self.up(path, carried),
            Direction::Down => self.down(path, carried),
        };
        let whole = walk(true);
        let may_carry =
            |met: &Met| met.used.iter().chain(&met.generated).any(|(is_on, is_sure)| *is_on && !is_sure);
        if carried || !whole.values().any(may_carry) {
            return (self.cut(&whole), None);
        }
        let sure = walk(false);
        (self.cut(&sure), self.folded(&whole, &sure, direction))
    }

    fn up(&self, path: &ArtifactPath, carried: bool) -> Way {
        let steps = &self.run.steps;
        let writes = times(steps, |step| &step.generated);
        let mut way = Way::new();
        let mut asked = HashSet::new();
        let mut left: Vec<(&ArtifactPath, Option<(Timestamp, usize)>)> = vec![(path, None)];
        while let Some((path, read)) = left.pop() {
            let Some(writes) = writes.get(path) else { continue };
            let count =
                read.map_or(writes.len(), |(until, _)| writes.partition_point(|(at, _)| *at <= until));
            // What a step wrote itself is no origin of what it read.
            let is_anothers = |step: usize| read.is_none_or(|(_, reader)| step != reader);
            let mut before =
                writes[..count].iter().rev().filter(|(_, (step, _))| is_anothers(*step)).peekable();
            let Some((last, _)) = before.peek().copied().copied() else { continue };
            for (at, place) in before.take_while(|(at, _)| *at == last) {
                if asked.insert((*at, *place)) {
                    let read = self.met_up(&mut way, *place, carried);
                    left.extend(read.into_iter().map(|(at, file)| {
                        let file = &steps[at].used[file];
                        (&file.artifact.path, Some((file.at, at)))
                    }));
                }
            }
        }
        way
    }

    /// Meets a write; returns the reads that the way goes on with.
    fn met_up(&self, way: &mut Way, (number, written): Place, carried: bool) -> Vec<Place> {
        let step = &self.run.steps[number];
        let met = way.entry(number).or_insert_with(|| Met::of(step));
        let write = &step.generated[written];
        let mut next = Vec::new();
        let mut go_on = |read: &mut (bool, bool), place: usize, is_sure: bool| {
            let is_news = if carried { !read.0 } else { is_sure && !read.1 };
            if is_news {
                next.push((number, place));
            }
            *read = (true, read.1 || is_sure);
        };
        let before = met.bound;
        met.bound = met.bound.max(Some(write.at));
        let is_within = |file: &TraceFile| file.at <= write.at;
        if step.step.act.is_one_to_one() {
            met.generated[written] = (true, true);
            let for_all = step.generated.len()..step.used.len();
            for place in [written].into_iter().chain(for_all) {
                if is_within(&step.used[place]) {
                    go_on(&mut met.used[place], place, true);
                }
            }
            return next;
        }
        let states = &self.states[number];
        if before < met.bound {
            let is_later = |file: &TraceFile| Some(file.at) > before;
            let used = step.used.iter().enumerate();
            for (place, _) in used.filter(|(_, file)| is_within(file) && is_later(file)) {
                go_on(&mut met.used[place], place, !states.contains_key(&place));
            }
            for (place, _) in step.generated.iter().enumerate().filter(|(_, file)| is_within(file)) {
                met.generated[place] = (true, true);
            }
        }
        for (place, contents) in states {
            let read = &step.used[*place];
            let is_it =
                read.artifact.path == write.artifact.path || contents.contains(&write.artifact.digest);
            if is_it && is_within(read) {
                go_on(&mut met.used[*place], *place, true);
            }
        }
        next
    }

    fn down(&self, path: &ArtifactPath, carried: bool) -> Way {
        let steps = &self.run.steps;
        let writes = times(steps, |step| &step.generated);
        let reads = times(steps, |step| &step.used);
        let mut way = Way::new();
        let last = writes.get(path).and_then(|writes| writes.last()).map(|(at, _)| *at);
        let (mut asked, mut left) = (HashSet::new(), vec![(path, last)]);
        while let Some((path, since)) = left.pop() {
            let Some(reads) = reads.get(path).filter(|_| asked.insert((path, since))) else { continue };
            // What was written there later is another version.
            let later = writes.get(path).and_then(|writes| {
                let later = writes.partition_point(|(at, _)| since.is_some_and(|since| *at <= since));
                writes.get(later).filter(|_| since.is_some()).map(|(at, _)| *at)
            });
            let first = reads.partition_point(|(at, _)| since.is_some_and(|since| *at < since));
            for (_, place) in
                reads[first..].iter().take_while(|(at, _)| later.is_none_or(|later| *at < later))
            {
                let written = self.met_down(&mut way, *place, carried);
                left.extend(written.into_iter().map(|(at, file)| {
                    let file = &steps[at].generated[file];
                    (&file.artifact.path, Some(file.at))
                }));
            }
        }
        way
    }

    /// Meets a read; returns the writes that the way goes on with.
    fn met_down(&self, way: &mut Way, (number, read): Place, carried: bool) -> Vec<Place> {
        let step = &self.run.steps[number];
        let met = way.entry(number).or_insert_with(|| Met::of(step));
        let from = &step.used[read];
        if std::mem::replace(&mut met.used[read], (true, true)).0 {
            return Vec::new();
        }
        let state = self.states[number].get(&read);
        let mut next = Vec::new();
        // All that was written since an earlier read is on the way already.
        let before = met.bound;
        if state.is_none() && !step.step.act.is_one_to_one() {
            if before.is_some_and(|before| before <= from.at) {
                return next;
            }
            met.bound = Some(from.at);
        }
        let written = step.generated.iter().enumerate().filter(|(_, file)| {
            from.at <= file.at && (state.is_some() || before.is_none_or(|before| file.at < before))
        });
        for (place, file) in written {
            let is_sure = match state {
                Some(contents) => {
                    from.artifact.path == file.artifact.path || contents.contains(&file.artifact.digest)
                }
                None if step.step.act.is_one_to_one() => read == place || read >= step.generated.len(),
                None => true,
            };
            if !is_sure && (!carried || state.is_none()) {
                continue;
            }
            let (was_on, was_sure) = met.generated[place];
            met.generated[place] = (true, was_sure || is_sure);
            if !was_on {
                next.push((number, place));
            }
        }
        next
    }

    /// Returns the run with what is on the way of its steps.
    fn cut(&self, way: &Way) -> TraceRun {
        let edges = |files: &[TraceFile], met: &[(bool, bool)]| -> Vec<TraceFile> {
            let on = files.iter().zip(met).filter(|(_, (is_on, _))| *is_on);
            on.map(|(file, (_, is_sure))| {
                let evidence = if *is_sure { file.evidence } else { Evidence::Carried };
                TraceFile { evidence, ..file.clone() }
            })
            .collect()
        };
        let steps = way.iter().map(|(number, met)| {
            let step = &self.run.steps[*number];
            let (used, generated) = (edges(&step.used, &met.used), edges(&step.generated, &met.generated));
            TraceRunStep { used, generated, ..step.clone() }
        });
        TraceRun { head: self.run.head.clone(), steps: steps.collect() }
    }

    /// Counts what is on the `whole` way and not on the `sure` one; `None` where there is nothing.
    fn folded(&self, whole: &Way, sure: &Way, direction: Direction) -> Option<Folded> {
        let files = |way: &Way| -> HashSet<&Artifact> {
            let of_step = |(number, met): (&usize, &Met)| -> Vec<&Artifact> {
                let step = &self.run.steps[*number];
                let (files, met) = match direction {
                    Direction::Up => (&step.used, &met.used),
                    Direction::Down => (&step.generated, &met.generated),
                };
                let is_source =
                    |file: &&TraceFile| matches!(file.from, Some(CameFrom::Source | CameFrom::Alike(..)));
                let on = files.iter().zip(met).filter(|(_, (is_on, _))| *is_on).map(|(file, _)| file);
                on.filter(|file| direction == Direction::Down || is_source(file))
                    .map(|file| &file.artifact)
                    .collect()
            };
            way.iter().flat_map(of_step).collect()
        };
        let files = files(whole).difference(&files(sure)).count() as u64;
        let steps = whole.keys().filter(|step| !sure.contains_key(step)).count() as u64;
        if files == 0 && steps == 0 {
            return None;
        }
        let mut through = BTreeSet::new();
        for (number, met) in whole.iter().filter(|(number, _)| sure.contains_key(number)) {
            for place in self.states[*number].keys() {
                let (is_on, is_sure) = met.used[*place];
                if is_on && (direction == Direction::Down || !is_sure) {
                    through.insert(self.run.steps[*number].used[*place].artifact.path.clone());
                }
            }
        }
        Some(Folded { through: through.into_iter().collect(), runs: 0, steps, files })
    }
}
