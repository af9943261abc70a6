//! The walks against a naive reading of the definitions, straight from the facts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;

use super::{Trace, TraceEdge, downstream, downstream_of_steps, upstream, upstream_of_steps};
use crate::journal;
use crate::model::{
    Artifact, ArtifactPath, CaptureLevel, ChangeKind, ChangedFile, CodeState, Digest, Evidence, Fact,
    Generated, NodeId, Remark, RemarkKind, Remarks, Role, Run, RunId, RunKind, Step, Timestamp, Used,
};
use crate::query::origin::{Origin, origin};
use crate::store::tests::world::{CONTENTS, PATHS, artifact, artifacts, step, store_of, tries};
use crate::store::{ArtifactNo, Snapshot};

/// A write by the names that all stores share.
type Write = (Artifact, i64, NodeId);
/// How a step is met: the moment of a write or a read of it, and of what; without that, with all that it did.
type Way = (NodeId, i64, Option<Artifact>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum From {
    Written(Write),
    Copied(Write),
    Gap(Write),
    Source,
}

impl From {
    fn write(&self) -> Option<&Write> {
        match self {
            From::Written(write) | From::Copied(write) => Some(write),
            From::Gap(_) | From::Source => None,
        }
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
        World { steps }
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

    /// The last write up to `until` that is `wanted` and not the reader's: of simultaneous ones that of the greatest step, then
    /// of the greatest digest, then of the smallest path.
    fn last(&self, until: i64, reader: Option<NodeId>, wanted: impl Fn(&Artifact) -> bool) -> Option<Write> {
        self.last_of(until, reader, |(artifact, ..)| wanted(artifact))
    }

    fn last_of(&self, until: i64, reader: Option<NodeId>, wanted: impl Fn(&Write) -> bool) -> Option<Write> {
        self.writes()
            .into_iter()
            .filter(|write| write.1 <= until && Some(write.2) != reader && wanted(write))
            .max_by_key(|(artifact, at, step)| {
                let path = std::cmp::Reverse(artifact.path.clone());
                (*at, *step, artifact.digest, path)
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
        let reads_first = |step: NodeId| self.reads().contains(&(read.clone(), first_seen, step));
        match self.last_of(first_seen, reader, |(written, at, step)| {
            elsewhere(written) && !(*at == first_seen && reads_first(*step))
        }) {
            Some(write) if read.size_bytes > 0 => From::Copied(write),
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
        let writes = from.write().map_or(Vec::new(), |last| self.together(last));
        writes.into_iter().filter(|write| Some(write.2) != reader).collect()
    }

    /// The places of the writes of a step that are on the way up by one of its writes, and of the reads that went into them.
    fn up_through(&self, (step, bound, written): &Way) -> [BTreeSet<usize>; 2] {
        let step = &self.steps[step];
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
        let reads = reads.collect();
        [writes, reads]
    }

    /// The places of the writes of a step that are on the way down by one of its reads.
    fn down_through(&self, (step, bound, read): &Way) -> BTreeSet<usize> {
        let step = &self.steps[step];
        let (count, is_paired) = (step.generated.len(), step.act.is_one_to_one() && read.is_some());
        let leads_to = |at: &usize| {
            let is_read = |edge: &Used| Some(&edge.artifact) == read.as_ref() && edge.at.micros() == *bound;
            let from = |at: usize| step.used.get(at).is_some_and(is_read);
            let for_all = (count..step.used.len()).any(from);
            step.generated[*at].at.micros() >= *bound && (!is_paired || for_all || from(*at))
        };
        (0..count).filter(leads_to).collect()
    }

    fn upstream(&self, start: &[Way], origin: From, depth_max: u32) -> Walked {
        // Every way to meet a step: the level, the step, and the write of it that is on the way.
        let mut ways: BTreeSet<(u32, Way)> = BTreeSet::new();
        let mut next: BTreeSet<Way> = start.iter().cloned().collect();
        for depth in 0..depth_max {
            ways.extend(next.iter().map(|way| (depth, way.clone())));
            let mut after = BTreeSet::new();
            for way in next {
                for at in &self.up_through(&way)[1] {
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
            let met = of(step).flat_map(move |(_, way)| self.up_through(way)[side].clone());
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
            for e in met_of(id, 1).into_iter().map(|at| &step.used[at]) {
                let from = self.origin(&e.artifact, e.at.micros(), Some(id));
                cut += u64::from(left_out(&from, Some(id)));
                used.push((e.artifact.clone(), e.at.micros(), e.evidence, e.role, Some(from)));
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
        self.reads().into_iter().filter(came_from).collect()
    }

    fn downstream(&self, reads: Vec<Write>, start: &[NodeId], origin: From, depth_max: u32) -> Walked {
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
        let met_of = |step: NodeId| -> BTreeSet<usize> {
            of(step).flat_map(|(_, way)| self.down_through(way)).collect()
        };
        let mut order: Vec<NodeId> = ways.iter().map(|(_, way)| way.0).collect();
        order.sort_by_key(|step| (bound_of(step), *step));
        order.dedup();
        let mut all: BTreeSet<Write> = reads.into_iter().collect();
        for step in &order {
            all.extend(self.reads_of(*step, &met_of(*step)));
        }
        let is_in = |read: &Write| match self.steps[&read.2].act.is_one_to_one() {
            true => of(read.2).any(|(_, way)| way.2.as_ref().is_none_or(|a| *a == read.0 && way.1 == read.1)),
            false => bound_of(&read.2).is_some_and(|bound| bound <= read.1),
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
            let used = used.map(|e| (e.artifact.clone(), e.at.micros(), e.evidence, e.role, None));
            let generated = met_of(id).into_iter().map(|at| &step.generated[at]);
            let generated = generated.map(|e| (e.artifact.clone(), e.at.micros(), e.evidence, e.role, None));
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
        self.reads().into_iter().filter(wanted).collect()
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
        Origin::Gap(write) => From::Gap(name(write)),
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

fn number(snapshot: &Snapshot, artifact: &Artifact) -> Option<ArtifactNo> {
    let path = snapshot.path_no(&artifact.path).unwrap()?;
    snapshot.artifact_no(path, &artifact.digest).unwrap()
}

proptest! {
    #![proptest_config(tries(60))]

    #[test]
    fn the_walks_find_what_the_definitions_say(
        facts in proptest::collection::vec(step(), 0..12),
        depth_max in prop_oneof![1 => 0_u32..4, 1 => Just(u32::MAX)],
        read_at in prop_oneof![1 => 0_i64..8, 1 => Just(i64::MAX)],
    ) {
        let world = World::new(&facts);
        let (_place, snapshot) = store_of(&facts);
        // No way is longer than the steps there are times the moments there are.
        let levels = depth_max.min(80);
        for artifact in artifacts() {
            let Some(start) = number(&snapshot, &artifact) else { continue };
            let from = world.origin(&artifact, read_at, None);
            let first: Vec<_> = world.made_by(&from, None).into_iter().map(|(artifact, at, step)| (step, at, Some(artifact))).collect();
            let up = upstream(&snapshot, start, read_at, depth_max).unwrap();
            prop_assert_eq!(walked(&snapshot, &up), world.upstream(&first, from, levels), "up from {:?}", artifact);

            let from = world.origin(&artifact, i64::MAX, None);
            let down = downstream(&snapshot, start, depth_max).unwrap();
            let expected = world.downstream(world.reads_from(&artifact), &[], from, levels);
            prop_assert_eq!(walked(&snapshot, &down), expected, "down from {:?}", artifact);
        }
        let ids: Vec<NodeId> = world.steps.keys().copied().step_by(3).collect();
        let mut numbers = Vec::new();
        for run in (1..6_u128).filter_map(|n| snapshot.run_no(NodeId::from_u128((n << 96) | (n * 0x1_0001))).unwrap()) {
            numbers.extend(snapshot.steps_of(run).unwrap());
        }
        numbers.retain(|step| ids.contains(&snapshot.edges(*step).unwrap().unwrap().id));
        let start: Vec<Way> = ids.iter().map(|id| (*id, i64::MAX, None)).collect();
        let up = upstream_of_steps(&snapshot, &numbers, depth_max).unwrap();
        prop_assert_eq!(walked(&snapshot, &up), world.upstream(&start, From::Source, levels.max(1)), "up from steps");
        let down = downstream_of_steps(&snapshot, &numbers, depth_max).unwrap();
        let expected = world.downstream(Vec::new(), &ids, From::Source, levels.max(1));
        prop_assert_eq!(walked(&snapshot, &down), expected, "down from steps");
    }
}

/// A step with few paths and contents, so that steps of one run write the same.
fn joint_step() -> impl Strategy<Value = Fact> {
    let edge = || {
        (0..3_usize, 1..3_usize, 0..9_i64).prop_map(|(path, content, at)| format!("{path}={content}@{at}"))
    };
    let edges = || proptest::collection::vec(edge(), 0..3).prop_map(|edges| edges.join(" "));
    (1..9_u8, 1..3_u8, edges(), edges())
        .prop_map(|(id, run, reads, writes)| step_from(&format!("{id} of {run}: {reads} > {writes}")))
}

proptest! {
    #![proptest_config(tries(120))]

    #[test]
    fn the_walks_find_what_the_definitions_say_where_steps_write_together(
        facts in proptest::collection::vec(joint_step(), 0..9),
        depth_max in prop_oneof![1 => 0_u32..4, 1 => Just(u32::MAX)],
    ) {
        let world = World::new(&facts);
        let (_place, snapshot) = store_of(&facts);
        let levels = depth_max.min(80);
        for artifact in artifacts() {
            let Some(start) = number(&snapshot, &artifact) else { continue };
            let from = world.origin(&artifact, i64::MAX, None);
            let first: Vec<_> = world.made_by(&from, None).into_iter().map(|(artifact, at, step)| (step, at, Some(artifact))).collect();
            let up = upstream(&snapshot, start, i64::MAX, depth_max).unwrap();
            prop_assert_eq!(walked(&snapshot, &up), world.upstream(&first, from.clone(), levels), "up from {:?}", artifact);
            let down = downstream(&snapshot, start, depth_max).unwrap();
            let expected = world.downstream(world.reads_from(&artifact), &[], from, levels);
            prop_assert_eq!(walked(&snapshot, &down), expected, "down from {:?}", artifact);
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
        let ids = |trace: Trace| trace.steps.iter().map(|step| step.id).collect::<BTreeSet<_>>();
        for (one, step) in &steps {
            let down = ids(downstream_of_steps(&snapshot, &[*step], u32::MAX).unwrap());
            for (other, number) in &steps {
                let up = ids(upstream_of_steps(&snapshot, &[*number], u32::MAX).unwrap());
                prop_assert_eq!(up.contains(one), down.contains(other), "{} and {}", one, other);
            }
        }
    }
}

// ---- by hand ----

/// Reads `id: reads > writes`, each edge `path=content@time`, paths and contents by number; a step of run 1, or of that in
/// `id of run: …`.
fn step_from(line: &str) -> Fact {
    let (id, edges) = line.split_once(':').unwrap();
    let (id, run) = id.split_once(" of ").unwrap_or((id, "1"));
    let (reads, writes) = edges.split_once('>').unwrap();
    let edge = |text: &str| {
        let (name, at) = text.split_once('@').unwrap();
        let (path, content) = name.split_once('=').unwrap();
        let artifact =
            artifact(PATHS[path.parse::<usize>().unwrap()], CONTENTS[content.parse::<usize>().unwrap()]);
        (artifact, Timestamp::from_micros(at.parse().unwrap()))
    };
    let (evidence, role) = (Evidence::Observed, Role::Data);
    Fact::StepDone(Step {
        used: reads
            .split_whitespace()
            .map(edge)
            .map(|(artifact, at)| Used { artifact, at, evidence, role })
            .collect(),
        generated: writes
            .split_whitespace()
            .map(edge)
            .map(|(artifact, at)| Generated { artifact, at, evidence, role })
            .collect(),
        ..Step::new(
            NodeId::from_u128(id.trim().parse().unwrap()),
            NodeId::from_u128(run.trim().parse().unwrap()),
            "step",
            [Timestamp::from_micros(0), Timestamp::from_micros(9)],
        )
    })
}

/// Says where a read of `start` (`path=content@time`) came from, and which steps lie up and down from it.
fn check(lines: &[&str], start: &str, expected: &str) {
    let facts: Vec<Fact> = lines.iter().map(|line| step_from(line)).collect();
    let (_place, snapshot) = store_of(&facts);
    let Fact::StepDone(reader) = step_from(&format!("99: {start} >")) else {
        unreachable!("it is a step");
    };
    let read = &reader.used[0];
    let start = number(&snapshot, &read.artifact).unwrap();
    let ids = |trace: &Trace| trace.steps.iter().map(|s| s.id.as_u128()).collect::<Vec<_>>();
    let from = match origin(&snapshot, start, read.at.micros(), None).unwrap() {
        Origin::Written(write) => format!("written by {}", write.id.as_u128()),
        Origin::Copied(write) => format!("copied from {}", write.id.as_u128()),
        Origin::Gap(write) => format!("gap after {}", write.id.as_u128()),
        Origin::Source => "source".to_owned(),
    };
    let up = upstream(&snapshot, start, read.at.micros(), u32::MAX).unwrap();
    let down = downstream(&snapshot, start, u32::MAX).unwrap();
    let found = format!("{from}, up {:?}, down {:?}", ids(&up), ids(&down));
    assert_eq!(found, expected, "{lines:?}");
}

#[test]
fn the_writer_is_the_last_before_the_read_and_not_a_later_one() {
    let lines = ["1: > 0=1@1", "2: > 0=2@2", "3: > 0=1@5", "4: 0=1@3 > 2=3@4"];
    check(&lines, "0=1@3", "written by 1, up [1], down [4]");
    check(&lines, "2=3@9", "written by 4, up [4, 1], down []");
}

#[test]
fn a_diamond_lists_the_shared_step_once() {
    let lines = ["1: > 0=1@1", "2: 0=1@2 > 1=1@3", "3: 0=1@2 > 1=2@4", "4: 1=1@3 1=2@5 > 2=3@6"];
    check(&lines, "2=3@9", "written by 4, up [4, 3, 2, 1], down []");
    check(&lines, "0=1@9", "written by 1, up [1], down [2, 3, 4]");
}

#[test]
fn an_input_that_a_run_keeps_a_copy_of_does_not_come_from_that_copy() {
    // A configuration read by each run, which writes a copy of it beside its results: the runs do not come from one another.
    let lines = ["1: 0=1@1 > 2=1@2 3=2@2", "2: 0=1@3 > 1=1@4 3=3@4"];
    check(&lines, "0=1@9", "source, up [], down [1, 2]");
    check(&lines, "3=3@9", "written by 2, up [2], down []");
}

#[test]
fn bytes_that_lay_elsewhere_first_are_a_copy_and_others_a_gap() {
    check(&["1: > 0=1@1", "2: 1=1@2 > 2=2@3"], "1=1@2", "copied from 1, up [1], down [2]");
    check(&["1: > 0=1@1", "2: 0=2@2 > 2=3@3"], "0=2@2", "gap after 1, up [], down [2]");
    check(&["1: > 0=0@1", "2: 1=0@2 > 2=3@3"], "1=0@2", "source, up [], down [2]");
}

#[test]
fn all_steps_of_a_run_that_wrote_a_version_made_it_together() {
    // A shell and what it started write to one stream; the shell ends last, and read nothing.
    let run = ["1: 0=1@1 > 2=3@4", "2: 1=2@2 > 2=3@5", "3: > 2=3@9"];
    check(&run, "2=3@9", "written by 3, up [3, 2, 1], down []");
    check(&run, "0=1@9", "source, up [], down [1]");
    // Read while the last was at it.
    let lines = [run[0], run[1], run[2], "4 of 2: 2=3@7 > 3=1@8"];
    check(&lines, "3=1@9", "written by 4, up [4, 2, 1], down []");
    check(&lines, "0=1@9", "source, up [], down [1, 4]");
    // The copy of it that somebody reads elsewhere.
    let lines = [run[0], run[1], run[2], "4 of 2: 3=3@20 > 3=1@21"];
    check(&lines, "3=1@30", "written by 4, up [4, 3, 2, 1], down []");
    check(&lines, "1=2@9", "source, up [], down [2, 4]");
}

#[test]
fn a_run_and_the_runs_inside_it_write_together() {
    let run = |id: u128, parent: Option<u128>| {
        Fact::RunStarted(Run { parent: parent.map(NodeId::from_u128), ..a_run(NodeId::from_u128(id)) })
    };
    // The outer run sees the program, the inner one only that something was written, and the recorder itself ends last.
    let steps = ["1: 0=1@1 > 2=3@2", "2 of 2: > 2=3@3", "3: > 2=3@4"].map(step_from);
    let up = |facts: &[Fact]| {
        let (_place, snapshot) = store_of(facts);
        let start = number(&snapshot, &artifact(PATHS[2], CONTENTS[3])).unwrap();
        let read = number(&snapshot, &artifact(PATHS[0], CONTENTS[1])).unwrap();
        let down = downstream(&snapshot, read, u32::MAX).unwrap();
        assert_eq!(down.steps.len(), 1);
        upstream(&snapshot, start, 9, u32::MAX).unwrap().steps.len()
    };
    assert_eq!(up(&[&steps[..], &[run(1, None), run(2, None)]].concat()), 1);
    assert_eq!(up(&[&steps[..], &[run(1, None), run(2, Some(1))]].concat()), 3);
}

#[test]
fn the_same_bytes_written_by_another_run_are_not_written_together() {
    let lines = ["1: 0=1@1 > 2=3@2", "2 of 2: 1=2@3 > 2=3@4", "3: > 2=3@6", "4 of 2: 2=3@5 > 3=1@7"];
    check(&lines, "2=3@9", "written by 3, up [3], down [4]");
    check(&lines, "3=1@9", "written by 4, up [4, 2], down []");
    check(&lines, "0=1@9", "source, up [], down [1]");
}

#[test]
fn what_a_repetition_wrote_in_its_copy_is_the_last_to_be_an_origin() {
    let fact = |line: &str, copy: bool| {
        let Fact::StepDone(mut step) = step_from(line) else { unreachable!("it is a step") };
        let renamed = ArtifactPath::new("rerun://1/data/a").unwrap();
        step.generated.iter_mut().filter(|_| copy).for_each(|edge| edge.artifact.path = renamed.clone());
        Fact::StepDone(step)
    };
    let read = step_from("3 of 3: 1=1@5 > 2=2@6");
    let from = |facts: &[Fact]| {
        let (_place, snapshot) = store_of(facts);
        let start = number(&snapshot, &artifact(PATHS[1], CONTENTS[1])).unwrap();
        match origin(&snapshot, start, 5, None).unwrap() {
            Origin::Copied(write) => write.id.as_u128(),
            other => panic!("{other:?}"),
        }
    };
    let (original, repeated) = (fact("1: > 0=1@1", false), fact("2 of 2: > 0=1@2", true));
    assert_eq!(from(&[original, repeated.clone(), read.clone()]), 1);
    assert_eq!(from(&[repeated, read]), 2);
}

#[test]
fn a_run_that_was_seen_whole_copied_nothing_that_it_is_not_recorded_to_have_written() {
    let run = NodeId::from_u128(1);
    let mut facts = vec![step_from("1: > 0=1@1"), step_from("2: 1=1@2 > 2=2@3")];
    let from = |facts: &[Fact]| {
        let (_place, snapshot) = store_of(facts);
        let end = number(&snapshot, &artifact(PATHS[2], CONTENTS[2])).unwrap();
        let up = upstream(&snapshot, end, 9, u32::MAX).unwrap();
        let start = number(&snapshot, &artifact(PATHS[0], CONTENTS[1])).unwrap();
        let down = downstream(&snapshot, start, u32::MAX).unwrap();
        (up.steps.len(), down.steps.len())
    };
    assert_eq!(from(&facts), (2, 1));
    facts.push(Fact::RunStarted(Run { kind: RunKind::Command, ..a_run(run) }));
    facts.push(Fact::Remarked(Remarks::new(
        run,
        Timestamp::from_micros(9),
        Some(CaptureLevel::Net),
        Vec::new(),
    )));
    assert_eq!(from(&facts), (1, 0));
    let unseen = vec![Remark::new(RemarkKind::Unseen, "something")];
    facts.push(Fact::Remarked(Remarks::new(run, Timestamp::from_micros(10), None, unseen)));
    assert_eq!(from(&facts), (2, 1));
}

#[test]
fn what_lay_there_when_the_run_began_that_wrote_the_same_elsewhere_is_no_copy() {
    let steps = ["1: > 0=1@1", "2 of 2: > 0=1@5", "3 of 3: 1=1@7 > 2=2@8"].map(step_from);
    let from = |untracked: Option<&str>| {
        let listed = untracked.map(|content| ChangedFile {
            path: ArtifactPath::new(PATHS[1]).unwrap(),
            kind: ChangeKind::Untracked,
            digest: Some(Digest::of(content.as_bytes())),
            size_bytes: content.len() as u64,
        });
        let mut run = Run { started_at: Timestamp::from_micros(4), ..a_run(NodeId::from_u128(2)) };
        run.code.untracked.extend(listed);
        let (_place, snapshot) = store_of(&[&steps[..], &[Fact::RunStarted(run)]].concat());
        let start = number(&snapshot, &artifact(PATHS[1], CONTENTS[1])).unwrap();
        match origin(&snapshot, start, 7, None).unwrap() {
            Origin::Copied(write) => Some(write.id.as_u128()),
            _ => None,
        }
    };
    assert_eq!(from(None), Some(2));
    assert_eq!(from(Some(CONTENTS[2])), Some(2));
    // It may still come from what was written before.
    assert_eq!(from(Some(CONTENTS[1])), Some(1));
}

#[test]
fn what_a_step_read_before_it_wrote_the_same_bytes_elsewhere_is_no_copy_of_them() {
    // A step that reads and writes at one moment, and one that reads the first file again.
    let facts = ["1: 1=1@5 > 2=1@5", "2 of 2: 1=1@9 > 3=2@10"].map(step_from);
    let (_place, snapshot) = store_of(&facts);
    let read = number(&snapshot, &artifact(PATHS[1], CONTENTS[1])).unwrap();
    for at in [5, 9] {
        assert_eq!(origin(&snapshot, read, at, None).unwrap(), Origin::Source);
    }
}

#[test]
fn what_had_lain_unchanged_since_before_the_same_was_written_elsewhere_is_no_copy() {
    let mut steps =
        ["1: > 0=1@2", "2 of 2: > 0=1@5", "3 of 3: 1=1@7 > 2=2@8", "4 of 4: 1=1@8 > 2=3@9"].map(step_from);
    let begin = |fact: &mut Fact, started_at| {
        let Fact::StepDone(step) = fact else { unreachable!("it is a step") };
        step.started_at = Timestamp::from_micros(started_at);
    };
    begin(&mut steps[0], 1);
    begin(&mut steps[1], 4);
    let from = |since: Option<i64>, host: &str| {
        let mut facts = steps.to_vec();
        let Fact::StepDone(reader) = &mut facts[2] else { unreachable!("it is a step") };
        reader.unchanged_since = since.map(|since| (0, Timestamp::from_micros(since))).into_iter().collect();
        facts.extend([1, 2].map(|run| Fact::RunStarted(a_run(NodeId::from_u128(run)))));
        facts.push(Fact::RunStarted(Run { host: host.to_owned(), ..a_run(NodeId::from_u128(3)) }));
        let (_place, snapshot) = store_of(&facts);
        let start = number(&snapshot, &artifact(PATHS[1], CONTENTS[1])).unwrap();
        // Whoever asks, and whoever read it later, has it from the same.
        let origins = [7, 9].map(|at| match origin(&snapshot, start, at, None).unwrap() {
            Origin::Copied(write) => Some(write.id.as_u128()),
            _ => None,
        });
        assert_eq!(origins[0], origins[1]);
        origins[0]
    };
    assert_eq!(from(None, "h"), Some(2));
    // Changed while the last one wrote, it may be a copy of that; before, only of what was written before.
    assert_eq!(from(Some(4), "h"), Some(2));
    assert_eq!(from(Some(3), "h"), Some(1));
    assert_eq!(from(Some(0), "h"), None);
    // The clock of another machine proves nothing.
    assert_eq!(from(Some(0), "other"), Some(2));
}

fn a_run(id: NodeId) -> Run {
    Run {
        id,
        run_id: RunId::at(Timestamp::from_micros(0)),
        name: "r".to_owned(),
        kind: RunKind::Library,
        arguments: Vec::new(),
        printed_arguments: Vec::new(),
        parameters: Vec::new(),
        folder: String::new(),
        code: CodeState::default(),
        started_at: Timestamp::from_micros(0),
        parent: None,
        rerun_of: None,
        recorder: "lineage 0.1.0".to_owned(),
        host: "h".to_owned(),
        segment: 1,
    }
}

#[test]
fn of_three_simultaneous_writers_one_counts_for_every_later_reader() {
    let lines = ["9: > 0=1@1", "3 of 3: > 0=1@1", "4 of 4: > 0=1@1", "5: 0=1@7 > 2=2@8"];
    check(&lines, "2=2@9", "written by 5, up [5, 9], down []");
    let facts: Vec<Fact> = lines.iter().map(|line| step_from(line)).collect();
    let (_place, snapshot) = store_of(&facts);
    let down_from = |id: u128| {
        let run = snapshot.run_no(NodeId::from_u128(if id < 9 { id } else { 1 })).unwrap().unwrap();
        let mut steps = snapshot.steps_of(run).unwrap();
        steps.retain(|step| snapshot.edges(*step).unwrap().unwrap().id.as_u128() == id);
        downstream_of_steps(&snapshot, &steps, u32::MAX).unwrap().steps.len()
    };
    assert_eq!([down_from(9), down_from(3), down_from(4)], [2, 1, 1]);
}

#[test]
fn a_bound_on_depth_is_announced_and_leaves_out_only_what_is_farther() {
    // Step 4 is near by one way and far by another, and the far way is the later one.
    let lines = ["1: > 0=1@1", "2: 0=1@2 > 0=2@3", "3: 0=2@4 > 0=3@5", "4: 0=1@2 0=3@6 > 2=3@7"];
    let facts: Vec<Fact> = lines.iter().map(|line| step_from(line)).collect();
    let (_place, snapshot) = store_of(&facts);
    let start = number(&snapshot, &artifact(PATHS[2], CONTENTS[3])).unwrap();
    let seen = |depth_max| {
        let trace = upstream(&snapshot, start, 9, depth_max).unwrap();
        let ids: Vec<u128> = trace.steps.iter().map(|s| s.id.as_u128()).collect();
        (ids, trace.cut.edges)
    };
    assert_eq!(seen(0), (vec![], 1));
    assert_eq!(seen(1), (vec![4], 2));
    assert_eq!(seen(2), (vec![4, 3, 1], 1));
    assert_eq!(seen(3), (vec![4, 3, 2, 1], 0));
}

#[test]
fn a_long_chain_is_walked_whole() {
    let mut facts = Vec::new();
    for n in 1..2000_u128 {
        let at = |time: u128| Timestamp::from_micros(time as i64);
        let version = |n: u128| artifact(PATHS[0], &n.to_string());
        let (evidence, role) = (Evidence::Observed, Role::Data);
        let Fact::StepDone(mut step) = step_from(&format!("{n}: >")) else {
            unreachable!("it is a step");
        };
        step.used = vec![Used { artifact: version(n - 1), at: at(2 * n), evidence, role }];
        step.generated = vec![Generated { artifact: version(n), at: at(2 * n + 1), evidence, role }];
        facts.push(Fact::StepDone(step));
    }
    let (_place, snapshot) = store_of(&facts);
    let number = |n: u32| number(&snapshot, &artifact(PATHS[0], &n.to_string())).unwrap();
    let up = upstream(&snapshot, number(1999), i64::MAX, u32::MAX).unwrap();
    let down = downstream(&snapshot, number(0), u32::MAX).unwrap();
    assert_eq!((up.steps.len(), up.cut.edges), (1999, 0));
    assert_eq!((down.steps.len(), down.cut.edges), (1999, 0));
    let depths: HashMap<u32, usize> = up.steps.iter().map(|s| (s.depth, 1)).collect();
    assert_eq!(depths.len(), 1999);
}
