//! A naive reading of the definitions, straight from the facts.

use std::collections::{BTreeMap, BTreeSet};

use crate::journal;
use crate::model::{Artifact, Evidence, Fact, Generated, NodeId, Role, RunKind, Step, Timestamp, Used};

/// A write by the names that all stores share.
pub(super) type Write = (Artifact, i64, NodeId);
/// How a step is met: the moment of a write or a read of it, and of what; without that, with all that it did.
pub(super) type Way = (NodeId, i64, Option<Artifact>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum From {
    Written(Write),
    Copied(Write),
    Alike(Write),
    Gap(Write),
    Source,
}

impl From {
    fn write(&self) -> Option<&Write> {
        match self {
            From::Written(write) | From::Copied(write) => Some(write),
            From::Alike(_) | From::Gap(_) | From::Source => None,
        }
    }

    /// Says whether a step is recorded to have made the bytes.
    fn is_made(&self) -> bool {
        self.write().is_some()
    }
}

pub(super) type Edge = (Artifact, i64, Evidence, Role, Option<From>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Walked {
    /// Key, depth, reads and writes of each step, in order.
    pub(super) steps: Vec<(NodeId, u32, Vec<Edge>, Vec<Edge>)>,
    pub(super) origin: From,
    pub(super) cut: u64,
}

/// The steps of a set of facts: of two statements with one id, that whose encoding is greater.
pub(super) struct World {
    pub(super) steps: BTreeMap<NodeId, Step>,
    /// The runs that were noted by other programs.
    pub(super) imported: BTreeSet<NodeId>,
    /// What is known less surely leads nowhere.
    pub(super) weakest: Evidence,
}

impl World {
    pub(super) fn new(facts: &[Fact]) -> Self {
        let encoded = |step: &Step| journal::encode(&Fact::StepDone(step.clone())).unwrap();
        let mut steps: BTreeMap<NodeId, Step> = BTreeMap::new();
        for fact in facts {
            if let Fact::StepDone(step) = fact {
                let place = steps.entry(step.id).or_insert_with(|| step.clone());
                if encoded(step) > encoded(place) {
                    *place = step.clone();
                }
            }
        }
        let imported = facts.iter().filter_map(|fact| match fact {
            Fact::RunStarted(run) if run.kind == RunKind::Import => Some(run.id),
            _ => None,
        });
        World { steps, imported: imported.collect(), weakest: Evidence::WEAKEST }
    }

    fn writes(&self) -> Vec<Write> {
        let of_step = |step: &Step| -> Vec<Write> {
            let writes = step.generated.iter();
            writes.map(|e| (e.artifact.clone(), e.at.micros(), step.id)).collect()
        };
        self.steps.values().flat_map(of_step).collect()
    }

    fn reads(&self) -> Vec<Write> {
        let of_step = |step: &Step| -> Vec<Write> {
            let reads = step.used.iter();
            reads.map(|e| (e.artifact.clone(), e.at.micros(), step.id)).collect()
        };
        self.steps.values().flat_map(of_step).collect()
    }

    /// The last write up to `until` that is `wanted` and not the reader's: of simultaneous ones one that was not imported, then
    /// that of the greatest step, then of the greatest digest, then of the smallest path.
    fn last(&self, until: i64, reader: Option<NodeId>, wanted: impl Fn(&Artifact) -> bool) -> Option<Write> {
        self.last_of(until, reader, |(artifact, ..)| wanted(artifact))
    }

    fn last_of(&self, until: i64, reader: Option<NodeId>, wanted: impl Fn(&Write) -> bool) -> Option<Write> {
        self.writes()
            .into_iter()
            .filter(|write| write.1 <= until && Some(write.2) != reader && wanted(write))
            .max_by_key(|(artifact, at, step)| {
                let path = std::cmp::Reverse(artifact.path.clone());
                let is_witnessed = !self.imported.contains(&self.steps[step].run);
                (*at, is_witnessed, *step, artifact.digest, path)
            })
    }

    pub(super) fn origin(&self, read: &Artifact, until: i64, reader: Option<NodeId>) -> From {
        if let Some(write) = self.last(until, reader, |written| written == read) {
            return From::Written(write);
        }
        let other_bytes = self.last(until, reader, |written| written.path == read.path);
        let since = other_bytes.as_ref().map_or(i64::MIN, |(_, at, _)| *at);
        let seen = self
            .reads()
            .into_iter()
            .filter(|(artifact, at, _)| artifact == read && (since..=until).contains(at));
        let first_seen = seen.map(|(_, at, _)| at).min().unwrap_or(until);
        let elsewhere = |written: &Artifact| written.digest == read.digest && written.path != read.path;
        // Whoever reads and writes at one moment reads first.
        let reads_first = |step: NodeId| {
            self.reads().contains(&(read.clone(), first_seen, step))
                || self.imported.contains(&self.steps[&step].run)
        };
        match self.last_of(first_seen, reader, |(written, at, step)| {
            elsewhere(written) && !(*at == first_seen && reads_first(*step))
        }) {
            Some(write) if read.size_bytes >= 64 => From::Copied(write),
            Some(write) if read.size_bytes > 0 && other_bytes.is_none() => From::Alike(write),
            _ => other_bytes.map_or(From::Source, From::Gap),
        }
    }

    /// All writes of the version whose last one is given: of the same run, since another run last wrote those bytes there.
    fn together(&self, last: &Write) -> Vec<Write> {
        let run = |write: &Write| self.steps[&write.2].run;
        let of_version = || self.writes().into_iter().filter(|write| write.0 == last.0 && write.1 <= last.1);
        let others = of_version().filter(|write| run(write) != run(last) && write.1 < last.1);
        let since = others.map(|write| write.1).max();
        of_version().filter(|write| run(write) == run(last) && since.is_none_or(|at| write.1 > at)).collect()
    }

    /// The writes by which what a step read came to be: not its own.
    pub(super) fn made_by(&self, from: &From, reader: Option<NodeId>) -> Vec<Write> {
        if matches!(from, From::Copied(_)) && self.weakest < Evidence::Inferred {
            return Vec::new();
        }
        let writes = from.write().map_or(Vec::new(), |last| self.together(last));
        writes.into_iter().filter(|write| Some(write.2) != reader).collect()
    }

    /// The versions that a step, or who told it, wrote in place of one that it first read there at some moment.
    fn versions(&self, step: NodeId, artifact: &Artifact, read_at: i64) -> Vec<&Artifact> {
        let parts = self.tellers(step, artifact, read_at).into_iter().chain([step]);
        parts.flat_map(|part| self.own_versions(part, artifact, read_at)).collect()
    }

    fn own_versions(&self, step: NodeId, artifact: &Artifact, read_at: i64) -> Vec<&Artifact> {
        let is_it = |e: &&Generated| e.artifact.path == artifact.path && e.at.micros() >= read_at;
        self.steps[&step].generated.iter().filter(is_it).map(|e| &e.artifact).collect()
    }

    /// Says whether a step wrote other bytes on in a version that it first read there at some moment, and that somebody had made; or
    /// was told of that by one that did.
    fn is_state(&self, step: NodeId, artifact: &Artifact, read_at: i64) -> bool {
        self.is_own_state(step, artifact, read_at) || !self.tellers(step, artifact, read_at).is_empty()
    }

    fn is_own_state(&self, step: NodeId, artifact: &Artifact, read_at: i64) -> bool {
        let is_made = || self.origin(artifact, read_at, Some(step)).is_made();
        let is_other = |version: &&Artifact| **version != *artifact;
        !self.steps[&step].act.is_one_to_one()
            && self.own_versions(step, artifact, read_at).iter().any(is_other)
            && is_made()
    }

    /// Those of a step's run that wrote on in what it was only told of.
    fn tellers(&self, id: NodeId, artifact: &Artifact, read_at: i64) -> Vec<NodeId> {
        let step = &self.steps[&id];
        let is_it = |read: &Used| read.artifact == *artifact && read.at.micros() == read_at;
        let is_told = step.used.iter().any(|read| is_it(read) && read.evidence == Evidence::Inferred);
        let wrote_there = step.generated.iter().any(|written| written.artifact.path == artifact.path);
        if step.act.is_one_to_one() || !is_told || wrote_there || step.generated.is_empty() {
            return Vec::new();
        }
        let others = self.steps.values().filter(|other| other.id != id && other.run == step.run);
        let tells =
            |other: &&Step| other.used.iter().any(is_it) && self.is_own_state(other.id, artifact, read_at);
        others.filter(tells).map(|other| other.id).collect()
    }

    /// Says whether what a step wrote lies in the place of what it wrote on, or has the bytes of that, before or since.
    fn is_as_sure(&self, step: NodeId, artifact: &Artifact, read_at: i64, written: &Artifact) -> bool {
        let mut versions = self.versions(step, artifact, read_at);
        versions.push(artifact);
        let is_equal = |version: &&Artifact| version.digest == written.digest && written.size_bytes >= 64;
        written.path == artifact.path || versions.iter().any(is_equal)
    }

    /// Says whether what a step read went into what it and others are as a whole.
    pub(super) fn is_in_whole(&self, whole: &BTreeSet<NodeId>, id: NodeId, read: &Used) -> bool {
        let (from, read_at, step) = (&read.artifact, read.at.micros(), &self.steps[&id]);
        let mut writes = whole.iter().flat_map(|part| &self.steps[part].generated);
        let mut reads =
            whole.iter().flat_map(|part| self.steps[part].used.iter().map(move |read| (part, read)));
        let is_written_on = reads.any(|(part, read)| {
            read.artifact.path == from.path && self.is_state(*part, &read.artifact, read.at.micros())
        });
        let leads_elsewhere = |written: &Generated| {
            let is_led_to =
                !self.is_state(id, from, read_at) || self.is_as_sure(id, from, read_at, &written.artifact);
            written.artifact.path != from.path && written.at.micros() >= read_at && is_led_to
        };
        let mut paths = writes.by_ref().map(|written| &written.artifact.path);
        let first = paths.next();
        let lies_elsewhere = paths.any(|path| Some(path) != first);
        !is_written_on
            || !lies_elsewhere
            || step.act.is_one_to_one()
            || step.generated.iter().any(leads_elsewhere)
    }

    /// The places of the writes of a step that are on the way up by one of its writes, of the reads that may have gone into them, and
    /// of the reads that did. Without a write, it is all that it did as a part of a whole.
    fn up_through(&self, whole: &BTreeSet<NodeId>, (id, bound, written): &Way) -> [BTreeSet<usize>; 3] {
        let step = &self.steps[id];
        let until = |at: Timestamp| at.micros() <= *bound;
        let (count, is_paired) = (step.generated.len(), step.act.is_one_to_one() && written.is_some());
        let is_it = |at: &usize| {
            let edge = &step.generated[*at];
            match is_paired {
                true => Some(&edge.artifact) == written.as_ref() && edge.at.micros() == *bound,
                false => until(edge.at),
            }
        };
        let writes: BTreeSet<usize> = (0..count).filter(is_it).collect();
        let reads = (0..step.used.len())
            .filter(|at| until(step.used[*at].at) && (!is_paired || *at >= count || writes.contains(at)));
        let reads: BTreeSet<usize> = reads.collect();
        let went_in = |at: &usize| {
            let read = &step.used[*at];
            let (from, at) = (&read.artifact, read.at.micros());
            match written {
                Some(written) => !self.is_state(*id, from, at) || self.is_as_sure(*id, from, at, written),
                None => self.is_in_whole(whole, *id, read),
            }
        };
        let went_in = reads.iter().copied().filter(went_in).collect();
        [writes, reads, went_in]
    }

    /// The side of [`Self::up_through`] with the reads that lead on.
    fn followed(&self) -> usize {
        if self.weakest == Evidence::Carried { 1 } else { 2 }
    }

    /// The places of the writes of a step that are on the way down by one of its reads.
    fn down_through(&self, way: &Way) -> BTreeSet<usize> {
        self.down_to(way, self.weakest)
    }

    /// Says whether nothing went on from a read but into what the step wrote in its place.
    fn keeps_up(&self, (step, bound, read): &Way) -> bool {
        read.as_ref().is_some_and(|read| self.is_state(*step, read, *bound))
    }

    fn down_to(&self, way: &Way, weakest: Evidence) -> BTreeSet<usize> {
        let (id, bound, read) = way;
        let keeps_up = self.keeps_up(way) && weakest < Evidence::Carried;
        let step = &self.steps[id];
        let (count, is_paired) = (step.generated.len(), step.act.is_one_to_one() && read.is_some());
        let leads_to = |at: &usize| {
            let is_read = |edge: &Used| Some(&edge.artifact) == read.as_ref() && edge.at.micros() == *bound;
            let from = |at: usize| step.used.get(at).is_some_and(is_read);
            let for_all = (count..step.used.len()).any(from);
            let written = &step.generated[*at];
            written.evidence <= weakest
                && written.at.micros() >= *bound
                && (!keeps_up
                    || read
                        .as_ref()
                        .is_some_and(|read| self.is_as_sure(*id, read, *bound, &written.artifact)))
                && (!is_paired || for_all || from(*at))
        };
        (0..count).filter(leads_to).collect()
    }

    pub(super) fn upstream(&self, start: &[Way], origin: From, depth_max: u32) -> Walked {
        // Every way to meet a step: the level, the step, and the write of it that is on the way.
        let mut ways: BTreeSet<(u32, Way)> = BTreeSet::new();
        let mut next: BTreeSet<Way> = start.iter().cloned().collect();
        let whole = next.iter().filter(|way| way.2.is_none()).map(|way| way.0).collect();
        for depth in 0..depth_max {
            ways.extend(next.iter().map(|way| (depth, way.clone())));
            let mut after = BTreeSet::new();
            for way in next {
                for at in &self.up_through(&whole, &way)[self.followed()] {
                    let (step, used) = (way.0, &self.steps[&way.0].used[*at]);
                    let from = self.origin(&used.artifact, used.at.micros(), Some(step));
                    let made = self.made_by(&from, Some(step)).into_iter();
                    after.extend(made.map(|(artifact, at, step)| (step, at, Some(artifact))));
                }
            }
            next = after;
        }
        let of = |step: NodeId| ways.iter().filter(move |(_, way)| way.0 == step);
        let bound_of = |step: &NodeId| of(*step).map(|(_, way)| way.1).max();
        let met_of = |step: NodeId, side: usize| {
            let met = of(step).flat_map(|(_, way)| self.up_through(&whole, way)[side].clone());
            met.collect::<BTreeSet<usize>>()
        };
        let is_met = |(artifact, at, step): &Write| {
            let writes = &self.steps[step].generated;
            let is_it =
                |place: &usize| writes[*place].artifact == *artifact && writes[*place].at.micros() == *at;
            met_of(*step, 0).iter().any(is_it)
        };
        let left_out = |from: &From, reader: Option<NodeId>| !self.made_by(from, reader).iter().all(is_met);
        let mut cut = u64::from(left_out(&origin, None));
        let met: BTreeSet<NodeId> = ways.iter().map(|(_, way)| way.0).collect();
        let mut order: Vec<NodeId> = met.into_iter().collect();
        order.sort_by_key(|step| std::cmp::Reverse((bound_of(step), *step)));
        let mut steps = Vec::new();
        for id in order {
            let step = &self.steps[&id];
            let depth = of(id).map(|(depth, _)| *depth).min().unwrap();
            let mut used = Vec::new();
            let (went_in, followed) = (met_of(id, 2), met_of(id, self.followed()));
            for (at, e) in met_of(id, 1).into_iter().map(|at| (at, &step.used[at])) {
                let from = self.origin(&e.artifact, e.at.micros(), Some(id));
                cut += u64::from(followed.contains(&at) && left_out(&from, Some(id)));
                let evidence = if went_in.contains(&at) { e.evidence } else { Evidence::Carried };
                used.push((e.artifact.clone(), e.at.micros(), evidence, e.role, Some(from)));
            }
            let generated = met_of(id, 0).into_iter().map(|at| &step.generated[at]).map(|e| {
                let from = From::Written((e.artifact.clone(), e.at.micros(), id));
                (e.artifact.clone(), e.at.micros(), e.evidence, e.role, Some(from))
            });
            steps.push((id, depth, used, generated.collect()));
        }
        Walked { steps, origin, cut }
    }

    /// The reads of what a step wrote at some places.
    fn reads_of(&self, id: NodeId, places: &BTreeSet<usize>) -> Vec<Write> {
        let writes = &self.steps[&id].generated;
        let on_the_way = |write: &Write| {
            let is_it = |at: &usize| writes[*at].artifact == write.0 && writes[*at].at.micros() == write.1;
            write.2 == id && places.iter().any(is_it)
        };
        let came_from = |(artifact, at, reader): &Write| {
            let from = self.origin(artifact, *at, Some(*reader));
            self.made_by(&from, Some(*reader)).iter().any(on_the_way)
        };
        self.reads().into_iter().filter(|read| self.is_known(read)).filter(came_from).collect()
    }

    /// Says whether a read is known surely enough.
    fn is_known(&self, (artifact, at, step): &Write) -> bool {
        let used = &self.steps[step].used;
        used.iter().any(|e| e.artifact == *artifact && e.at.micros() == *at && e.evidence <= self.weakest)
    }

    pub(super) fn downstream(
        &self,
        (reads, files): (Vec<Write>, &[&Artifact]),
        start: &[NodeId],
        origin: From,
        depth_max: u32,
    ) -> Walked {
        let whole = |step: &NodeId| (*step, i64::MIN, None);
        let mut ways: BTreeSet<(u32, Way)> = start.iter().map(|step| (0, whole(step))).collect();
        let mut next = reads.clone();
        let led_to = |way: &Way| self.reads_of(way.0, &self.down_through(way));
        if !start.is_empty() {
            next = start.iter().flat_map(|step| led_to(&whole(step))).collect();
        }
        for depth in u32::from(!start.is_empty())..depth_max {
            let met: BTreeSet<Way> =
                next.into_iter().map(|(artifact, at, step)| (step, at, Some(artifact))).collect();
            next = met.iter().flat_map(led_to).collect();
            ways.extend(met.into_iter().map(|way| (depth, way)));
        }
        let of = |step: NodeId| ways.iter().filter(move |(_, way)| way.0 == step);
        let bound_of = |step: &NodeId| of(*step).map(|(_, way)| way.1).min();
        let met_by = |step: NodeId, weakest: Evidence| -> BTreeSet<usize> {
            of(step).flat_map(|(_, way)| self.down_to(way, weakest)).collect()
        };
        let met_of = |step: NodeId| met_by(step, self.weakest);
        let mut order: Vec<NodeId> = ways.iter().map(|(_, way)| way.0).collect();
        order.sort_by_key(|step| (bound_of(step), *step));
        order.dedup();
        let mut all: BTreeSet<Write> = reads.into_iter().collect();
        for step in &order {
            all.extend(self.reads_of(*step, &met_of(*step)));
        }
        let is_in = |read: &Write| match self.steps[&read.2].act.is_one_to_one() {
            true => of(read.2).any(|(_, way)| way.2.as_ref().is_none_or(|a| *a == read.0 && way.1 == read.1)),
            false => {
                let way = (read.2, read.1, Some(read.0.clone()));
                let leads = |(_, way): &&(u32, Way)| self.weakest == Evidence::Carried || !self.keeps_up(way);
                let bound = of(read.2).filter(leads).map(|(_, way)| way.1).min();
                let keeps_up = self.weakest < Evidence::Carried && self.keeps_up(&way);
                bound.is_some_and(|bound| bound <= read.1)
                    || (keeps_up && self.down_through(&way).is_subset(&met_of(read.2)))
            }
        };
        let cut = all.iter().filter(|read| !is_in(read)).count() as u64;
        let mut steps = Vec::new();
        for id in order {
            let step = &self.steps[&id];
            let depth = of(id).map(|(depth, _)| *depth).min().unwrap();
            let led_here = |e: &&Used| {
                let read = (e.artifact.clone(), e.at.micros(), id);
                all.contains(&read) && is_in(&read)
            };
            let used = step.used.iter().filter(led_here);
            let copy_of = |e: &Used| {
                let from = self.origin(&e.artifact, e.at.micros(), Some(id));
                matches!(from, From::Copied(_) if !files.contains(&&e.artifact)).then_some(from)
            };
            let used = used.map(|e| (e.artifact.clone(), e.at.micros(), e.evidence, e.role, copy_of(e)));
            let made = met_by(id, Evidence::Doubtful);
            let generated = met_of(id).into_iter().map(|at| {
                let e = &step.generated[at];
                let evidence = if made.contains(&at) { e.evidence } else { Evidence::Carried };
                (e.artifact.clone(), e.at.micros(), evidence, e.role, None)
            });
            steps.push((id, depth, used.collect(), generated.collect()));
        }
        Walked { steps, origin, cut }
    }

    /// The reads of an artifact by whomever, and of copies of what anybody wrote there.
    pub(super) fn reads_from(&self, start: &Artifact) -> Vec<Write> {
        let wanted = |(artifact, at, reader): &Write| {
            artifact == start
                || matches!(self.origin(artifact, *at, Some(*reader)), From::Copied((from, ..)) if from == *start)
        };
        let is_copy = |(artifact, ..): &Write| artifact != start;
        let counts =
            |read: &Write| self.is_known(read) && (!is_copy(read) || self.weakest >= Evidence::Inferred);
        self.reads().into_iter().filter(wanted).filter(counts).collect()
    }
}
