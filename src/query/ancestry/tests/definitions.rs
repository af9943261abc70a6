//! The walks against a naive reading of the definitions, straight from the facts.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{a_run, number, step_from};
use crate::journal;
use crate::model::{Artifact, Evidence, Fact, Generated, NodeId, Role, Run, RunKind, Step, Timestamp, Used};
use crate::query::ancestry::{
    Far, Start, Trace, TraceEdge, TraceStep, are_made_from, downstream, downstream_of, reached_from,
    upstream, upstream_of_steps,
};
use crate::query::origin::Origin;
use crate::store::Snapshot;
use crate::store::tests::world::{artifacts, step, store_of, tries};

/// A write by the names that all stores share.
type Write = (Artifact, i64, NodeId);
/// How a step is met: the moment of a write or a read of it, and of what; without that, with all that it did.
type Way = (NodeId, i64, Option<Artifact>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum From {
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

type Edge = (Artifact, i64, Evidence, Role, Option<From>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Walked {
    /// Key, depth, reads and writes of each step, in order.
    steps: Vec<(NodeId, u32, Vec<Edge>, Vec<Edge>)>,
    origin: From,
    cut: u64,
}

// ---- the naive reading ----

/// The steps of a set of facts: of two statements with one id, that whose encoding is greater.
struct World {
    steps: BTreeMap<NodeId, Step>,
    /// The runs that were noted by other programs.
    imported: BTreeSet<NodeId>,
    /// What is known less surely leads nowhere.
    weakest: Evidence,
}

impl World {
    fn new(facts: &[Fact]) -> Self {
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

    fn origin(&self, read: &Artifact, until: i64, reader: Option<NodeId>) -> From {
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
    fn made_by(&self, from: &From, reader: Option<NodeId>) -> Vec<Write> {
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
    fn is_in_whole(&self, whole: &BTreeSet<NodeId>, id: NodeId, read: &Used) -> bool {
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

    fn upstream(&self, start: &[Way], origin: From, depth_max: u32) -> Walked {
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

    fn downstream(
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
    fn reads_from(&self, start: &Artifact) -> Vec<Write> {
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

// ---- the fast walks, by names ----

fn named(snapshot: &Snapshot, from: &Origin) -> From {
    let name = |write: &crate::query::Write| {
        let artifact = snapshot.artifact(write.artifact).unwrap();
        (artifact, write.at, write.id)
    };
    match from {
        Origin::Written(write) => From::Written(name(write)),
        Origin::Copied(write) => From::Copied(name(write)),
        Origin::Alike(write) => From::Alike(name(write)),
        Origin::Gap(write) | Origin::Unknown(write) => From::Gap(name(write)),
        Origin::Source => From::Source,
    }
}

fn walked(snapshot: &Snapshot, trace: &Trace) -> Walked {
    let edge = |e: &TraceEdge| {
        let from = e.origin.as_ref().map(|from| named(snapshot, from));
        (snapshot.artifact(e.artifact).unwrap(), e.at, e.evidence, e.role, from)
    };
    let steps = trace.steps.iter().map(|step| {
        let used = step.used.iter().map(edge).collect();
        (step.id, step.depth, used, step.generated.iter().map(edge).collect())
    });
    Walked { steps: steps.collect(), origin: named(snapshot, &trace.origin), cut: trace.cut.edges }
}

/// With and without what may have been carried; all else counts.
fn enough() -> impl Strategy<Value = Evidence> {
    proptest::sample::select(vec![Evidence::Doubtful, Evidence::Carried])
}

proptest! {
    #![proptest_config(tries(60))]

    #[test]
    fn the_walks_find_what_the_definitions_say(
        facts in proptest::collection::vec(step(), 0..12),
        depth_max in prop_oneof![1 => 0_u32..4, 1 => Just(u32::MAX)],
        read_at in prop_oneof![1 => 0_i64..8, 1 => Just(i64::MAX)],
        weakest in enough(),
    ) {
        let world = World { weakest, ..World::new(&facts) };
        let (_place, snapshot) = store_of(&facts);
        // No way is longer than the steps there are times the moments there are.
        let levels = depth_max.min(80);
        let far = Far { depth_max, weakest };
        for artifact in artifacts() {
            let Some(start) = number(&snapshot, &artifact) else { continue };
            let from = world.origin(&artifact, read_at, None);
            let first: Vec<_> = world.made_by(&from, None).into_iter().map(|(artifact, at, step)| (step, at, Some(artifact))).collect();
            let up = upstream(&snapshot, start, read_at, far).unwrap();
            prop_assert_eq!(walked(&snapshot, &up), world.upstream(&first, from, levels), "up from {:?}", artifact);

            let from = world.origin(&artifact, i64::MAX, None);
            let down = downstream(&snapshot, start, far).unwrap();
            let expected = world.downstream((world.reads_from(&artifact), &[&artifact]), &[], from, levels);
            prop_assert_eq!(walked(&snapshot, &down), expected, "down from {:?}", artifact);
        }
        let ids: Vec<NodeId> = world.steps.keys().copied().step_by(3).collect();
        let mut numbers = Vec::new();
        for run in (1..6_u128).filter_map(|n| snapshot.run_no(NodeId::from_u128((n << 96) | (n * 0x1_0001))).unwrap()) {
            numbers.extend(snapshot.steps_of(run).unwrap());
        }
        numbers.retain(|step| ids.contains(&snapshot.edges(*step).unwrap().unwrap().id));
        let start: Vec<Way> = ids.iter().map(|id| (*id, i64::MAX, None)).collect();
        let up = upstream_of_steps(&snapshot, &numbers, far).unwrap();
        prop_assert_eq!(walked(&snapshot, &up), world.upstream(&start, From::Source, levels.max(1)), "up from steps");
        let down = downstream_of(&snapshot, Start::Steps(&numbers), far).unwrap();
        let expected = world.downstream((Vec::new(), &[]), &ids, From::Source, levels.max(1));
        prop_assert_eq!(walked(&snapshot, &down), expected, "down from steps");
    }
}

proptest! {
    #![proptest_config(tries(120))]

    #[test]
    fn what_is_known_so_surely_leads_on_and_nothing_else(
        facts in proptest::collection::vec(prop_oneof![joint_step(), step()], 0..10),
        weakest in proptest::sample::select(Evidence::ALL.to_vec()),
        depth_max in prop_oneof![1 => 1_u32..4, 1 => Just(u32::MAX)],
    ) {
        let world = World { weakest, ..World::new(&facts) };
        let (_place, snapshot) = store_of(&facts);
        for artifact in artifacts() {
            let Some(start) = number(&snapshot, &artifact) else { continue };
            let down = downstream_of(&snapshot, Start::Files(&[start]), Far { depth_max, weakest }).unwrap();
            let expected = world.downstream((world.reads_from(&artifact), &[&artifact]), &[], From::Source, depth_max.min(80));
            let made = |walked: Walked| -> BTreeMap<NodeId, (u32, Vec<Edge>)> {
                walked.steps.into_iter().map(|(id, depth, _, made)| (id, (depth, made))).collect()
            };
            let known = |steps: BTreeMap<NodeId, (u32, Vec<Edge>)>| -> BTreeMap<NodeId, (u32, Vec<Edge>)> {
                let known = |(depth, made): (u32, Vec<Edge>)| {
                    (depth, made.into_iter().filter(|edge| edge.2 <= weakest).collect())
                };
                steps.into_iter().map(|(id, step)| (id, known(step))).collect()
            };
            prop_assert_eq!(made(walked(&snapshot, &down)), known(made(expected)), "down from {:?}", artifact);
        }
    }
}

/// A step with few paths and contents, so that steps of one run write the same, and know of the same.
fn joint_step() -> impl Strategy<Value = Fact> {
    let known = || proptest::sample::select(vec!["", "", "?"]);
    let edge = || {
        (0..3_usize, 1..3_usize, 0..9_i64, known())
            .prop_map(|(path, content, at, known)| format!("{path}={content}@{at}{known}"))
    };
    let edges = || proptest::collection::vec(edge(), 0..3).prop_map(|edges| edges.join(" "));
    (1..9_u8, 1..3_u8, edges(), edges())
        .prop_map(|(id, run, reads, writes)| step_from(&format!("{id} of {run}: {reads} > {writes}")))
}

proptest! {
    #![proptest_config(tries(120))]

    #[test]
    fn the_walks_find_what_the_definitions_say_where_steps_write_together(
        steps in proptest::collection::vec(joint_step(), 0..9),
        imported in proptest::option::of(1..3_u128),
        depth_max in prop_oneof![1 => 0_u32..4, 1 => Just(u32::MAX)],
        weakest in enough(),
    ) {
        let imported = imported.map(|run| {
            Fact::RunStarted(Run { kind: RunKind::Import, ..a_run(NodeId::from_u128(run)) })
        });
        let facts: Vec<Fact> = steps.into_iter().chain(imported).collect();
        let world = World { weakest, ..World::new(&facts) };
        let (_place, snapshot) = store_of(&facts);
        let levels = depth_max.min(80);
        let far = Far { depth_max, weakest };
        for artifact in artifacts() {
            let Some(start) = number(&snapshot, &artifact) else { continue };
            let from = world.origin(&artifact, i64::MAX, None);
            let first: Vec<_> = world.made_by(&from, None).into_iter().map(|(artifact, at, step)| (step, at, Some(artifact))).collect();
            let up = upstream(&snapshot, start, i64::MAX, far).unwrap();
            prop_assert_eq!(walked(&snapshot, &up), world.upstream(&first, from.clone(), levels), "up from {:?}", artifact);
            let down = downstream(&snapshot, start, far).unwrap();
            let expected = world.downstream((world.reads_from(&artifact), &[&artifact]), &[], from, levels);
            prop_assert_eq!(walked(&snapshot, &down), expected, "down from {:?}", artifact);
        }
    }

    #[test]
    fn a_run_goes_back_to_a_file_by_either_way(
        facts in proptest::collection::vec(prop_oneof![joint_step(), step()], 0..12),
        weakest in proptest::sample::select(Evidence::ALL.to_vec()),
    ) {
        let world = World { weakest, ..World::new(&facts) };
        let (_place, snapshot) = store_of(&facts);
        for artifact in artifacts() {
            let Some(file) = number(&snapshot, &artifact) else { continue };
            let reached = reached_from(&snapshot, [&file], weakest, usize::MAX).unwrap().unwrap();
            for key in world.steps.values().map(|step| step.run).collect::<BTreeSet<_>>() {
                let run = snapshot.run_no(key).unwrap().unwrap();
                let steps = snapshot.steps_of(run).unwrap().into_iter().map(|step| (step, i64::MAX, None));
                let answer = are_made_from(&snapshot, steps.collect(), &[file].into(), weakest, usize::MAX).unwrap();
                prop_assert_eq!(answer.0, Some(reached.runs.contains(&run)), "{} and {:?}", key, artifact);
            }
        }
    }

    #[test]
    fn one_step_is_up_from_another_exactly_when_that_one_is_down_from_it(
        facts in proptest::collection::vec(prop_oneof![joint_step(), step()], 0..12),
    ) {
        let (_place, snapshot) = store_of(&facts);
        let mut steps = BTreeMap::new();
        for fact in &facts {
            if let Fact::StepDone(step) = fact
                && let Some(run) = snapshot.run_no(step.run).unwrap()
            {
                for number in snapshot.steps_of(run).unwrap() {
                    steps.insert(snapshot.edges(number).unwrap().unwrap().id, number);
                }
            }
        }
        for weakest in [Evidence::Doubtful, Evidence::Carried] {
            let world = World { weakest, ..World::new(&facts) };
            let far = Far { depth_max: u32::MAX, weakest };
            // Who only wrote on in what leads there has not all of its files from it.
            let is_led_to = |step: &TraceStep| {
                let mut used = step.used.iter().map(|edge| {
                    let artifact = snapshot.artifact(edge.artifact).unwrap();
                    Used { artifact, at: Timestamp::from_micros(edge.at), evidence: edge.evidence, role: edge.role }
                });
                weakest == Evidence::Carried
                    || step.leads_elsewhere
                    || used.any(|read| world.is_in_whole(&[step.id].into(), step.id, &read))
            };
            let ids = |trace: Trace| trace.steps.iter().map(|step| step.id).collect::<BTreeSet<_>>();
            for (one, step) in &steps {
                let mut down = downstream_of(&snapshot, Start::Steps(&[*step]), far).unwrap();
                down.steps.retain(is_led_to);
                let down = ids(down);
                for (other, number) in &steps {
                    let up = ids(upstream_of_steps(&snapshot, &[*number], far).unwrap());
                    prop_assert_eq!(up.contains(one), down.contains(other), "{} and {}", one, other);
                }
            }
        }
    }
}
