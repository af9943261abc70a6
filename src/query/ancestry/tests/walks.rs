//! The walks, by names, against the definitions.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::definitions::{Edge, From, Walked, Way, World};
use super::{a_run, number, step_from};
use crate::model::{Evidence, Fact, NodeId, Run, RunKind, Timestamp, Used};
use crate::query::ancestry::{
    Far, Start, Trace, TraceEdge, TraceStep, are_made_from, downstream, downstream_of, reached_from,
    upstream, upstream_of_steps,
};
use crate::query::origin::Origin;
use crate::store::Snapshot;
use crate::store::tests::world::{artifacts, step, store_of, tries};

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

/// No way is longer than the steps there are times the moments there are.
fn levels(depth_max: u32) -> u32 {
    depth_max.min(80)
}

/// Holds the walks from each file against the definitions: up from what was read there by some moment, and down.
fn check_walks(
    world: &World,
    snapshot: &Snapshot,
    read_at: i64,
    depth_max: u32,
) -> Result<(), TestCaseError> {
    let (far, levels) = (Far { depth_max, weakest: world.weakest }, levels(depth_max));
    for artifact in artifacts() {
        let Some(start) = number(snapshot, &artifact) else { continue };
        let from = world.origin(&artifact, read_at, None);
        let made_by = world.made_by(&from, None).into_iter();
        let first: Vec<Way> = made_by.map(|(artifact, at, step)| (step, at, Some(artifact))).collect();
        let up = upstream(snapshot, start, read_at, far).unwrap();
        let expected = world.upstream(&first, from, levels);
        prop_assert_eq!(walked(snapshot, &up), expected, "up from {:?}", artifact);

        let from = world.origin(&artifact, i64::MAX, None);
        let down = downstream(snapshot, start, far).unwrap();
        let expected = world.downstream((world.reads_from(&artifact), &[&artifact]), &[], from, levels);
        prop_assert_eq!(walked(snapshot, &down), expected, "down from {:?}", artifact);
    }
    Ok(())
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
        check_walks(&world, &snapshot, read_at, depth_max)?;
        let (far, levels) = (Far { depth_max, weakest }, levels(depth_max).max(1));
        let ids: Vec<NodeId> = world.steps.keys().copied().step_by(3).collect();
        let mut numbers = Vec::new();
        for run in (1..6_u128).filter_map(|n| snapshot.run_no(NodeId::from_u128((n << 96) | (n * 0x1_0001))).unwrap()) {
            numbers.extend(snapshot.steps_of(run).unwrap());
        }
        numbers.retain(|step| ids.contains(&snapshot.edges(*step).unwrap().unwrap().id));
        let start: Vec<Way> = ids.iter().map(|id| (*id, i64::MAX, None)).collect();
        let up = upstream_of_steps(&snapshot, &numbers, far).unwrap();
        prop_assert_eq!(walked(&snapshot, &up), world.upstream(&start, From::Source, levels), "up from steps");
        let down = downstream_of(&snapshot, Start::Steps(&numbers), far).unwrap();
        let expected = world.downstream((Vec::new(), &[]), &ids, From::Source, levels);
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
            let expected = world.downstream((world.reads_from(&artifact), &[&artifact]), &[], From::Source, levels(depth_max));
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
        check_walks(&world, &snapshot, i64::MAX, depth_max)?;
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
