//! What a run at work did is told as it will be once it is recorded.

use std::collections::{BTreeMap, HashMap, HashSet};

use proptest::prelude::*;

use super::report_by_now;
use crate::model::{
    Artifact, ArtifactPath, Evidence, Fact, Generated, NodeId, Role, Run, RunId, RunKind, Step, StepAct,
    Timestamp, Used,
};
use crate::query::ancestry::{Direction, Far, Trace, downstream, upstream};
use crate::query::report::{Names, RunHead, TraceFile, TraceRunStep};
use crate::store::Snapshot;
use crate::store::tests::world::{artifact, store_of, tries};

const PATHS: [&str; 4] = ["a", "b", "c", "d"];
/// The first two were made by an earlier run; nobody is recorded to have made the others.
const MADE: usize = 2;

#[derive(Debug, Clone)]
enum Act {
    /// A step reads what lies at a path.
    Read(usize, usize),
    /// A step writes other bytes at a path.
    Write(usize, usize),
    /// A step writes the same other bytes at two paths.
    Twice(usize, usize, usize),
    /// A step of its own copies one file to another place, and a second one.
    Copy([usize; 4]),
}

fn act() -> impl Strategy<Value = Act> {
    let (step, path) = (0_usize..4, 0..PATHS.len());
    prop_oneof![
        4 => (step.clone(), path.clone()).prop_map(|(step, path)| Act::Read(step, path)),
        3 => (step.clone(), path.clone()).prop_map(|(step, path)| Act::Write(step, path)),
        1 => (step, path.clone(), path.clone()).prop_map(|(step, one, other)| Act::Twice(step, one, other)),
        1 => [path.clone(), path.clone(), path.clone(), path].prop_map(Act::Copy),
    ]
}

fn a_run(id: u128) -> Run {
    let at = Timestamp::from_micros(0);
    Run::new(NodeId::from_u128(id), RunId::at(at), "r".to_owned(), RunKind::Library, at, 1)
}

fn a_step(id: u128, run: u128) -> Step {
    let times = [Timestamp::from_micros(0), Timestamp::from_micros(99)];
    Step::new(NodeId::from_u128(id), NodeId::from_u128(run), "step", times)
}

/// What lies where, and who wrote it.
struct World {
    now: i64,
    lies: Vec<(Artifact, Option<usize>)>,
    steps: Vec<Step>,
    written: HashSet<Artifact>,
}

impl World {
    fn new() -> Self {
        let lies = PATHS.map(|path| (artifact(path, &format!("at first, {path}: {}", "x".repeat(64))), None));
        let steps = (0..4).map(|number| a_step(10 + number, 2)).collect();
        World { now: 10, lies: lies.to_vec(), steps, written: HashSet::new() }
    }

    /// Returns what an earlier run did.
    fn earlier(&self) -> Step {
        let mut step = a_step(1, 1);
        let made = self.lies[..MADE].iter().map(|(artifact, _)| Generated {
            artifact: artifact.clone(),
            at: Timestamp::from_micros(1),
            evidence: Evidence::Observed,
            role: Role::Data,
        });
        step.generated.extend(made);
        step
    }

    fn read(&mut self, step: usize, path: usize) {
        let (artifact, by) = self.lies[path].clone();
        let is_known = self.steps[step].used.iter().any(|edge| edge.artifact == artifact);
        // What it wrote itself is no input.
        if by == Some(step) || is_known {
            return;
        }
        self.now += 1;
        let (at, evidence, role) = (Timestamp::from_micros(self.now), Evidence::Observed, Role::Data);
        self.steps[step].used.push(Used { artifact, at, evidence, role });
    }

    fn write(&mut self, step: usize, path: usize, bytes: &str) {
        let artifact = artifact(PATHS[path], bytes);
        if !self.written.insert(artifact.clone()) {
            return;
        }
        self.now += 1;
        let (at, evidence, role) = (Timestamp::from_micros(self.now), Evidence::Observed, Role::Data);
        self.steps[step].generated.push(Generated { artifact: artifact.clone(), at, evidence, role });
        self.lies[path] = (artifact, Some(step));
    }

    fn act(&mut self, act: &Act) {
        let bytes = format!("{}: {}", self.now, "x".repeat(64));
        match *act {
            Act::Read(step, path) => self.read(step, path),
            Act::Write(step, path) => self.write(step, path, &bytes),
            Act::Twice(step, one, other) => {
                self.write(step, one, &bytes);
                self.write(step, other, &bytes);
            }
            Act::Copy([from, to, second, to_second]) => self.copy([(from, to), (second, to_second)]),
        }
    }

    fn copy(&mut self, pairs: [(usize, usize); 2]) {
        let paths: HashSet<usize> = pairs.iter().flat_map(|(from, to)| [*from, *to]).collect();
        let copies = pairs.map(|(from, to)| Artifact {
            path: ArtifactPath::new(PATHS[to]).unwrap(),
            ..self.lies[from].0.clone()
        });
        if paths.len() < 4 || copies.iter().any(|copy| self.written.contains(copy)) {
            return;
        }
        let number = self.steps.len();
        self.steps.push(Step { act: StepAct::Copied, ..a_step(10 + number as u128, 2) });
        for ((from, to), artifact) in pairs.into_iter().zip(copies) {
            self.read(number, from);
            self.now += 1;
            let (at, evidence, role) = (Timestamp::from_micros(self.now), Evidence::Observed, Role::Data);
            self.written.insert(artifact.clone());
            self.lies[to] = (artifact.clone(), Some(number));
            self.steps[number].generated.push(Generated { artifact, at, evidence, role });
        }
    }
}

/// What is on the way of a step: path, moment, evidence, what was read first.
type OnTheWay = [Vec<(ArtifactPath, Timestamp, Evidence)>; 2];

fn on_the_way(steps: &[TraceRunStep]) -> BTreeMap<NodeId, OnTheWay> {
    let edges = |files: &[TraceFile]| {
        let mut edges: Vec<_> =
            files.iter().map(|file| (file.artifact.path.clone(), file.at, file.evidence)).collect();
        edges.sort();
        edges
    };
    steps.iter().map(|step| (step.step.id, [edges(&step.used), edges(&step.generated)])).collect()
}

/// What is on a way of the steps of the run that is at work.
fn recorded(snapshot: &Snapshot, trace: &Trace) -> BTreeMap<NodeId, OnTheWay> {
    let mut names = Names { snapshot, runs: HashMap::new() };
    let run = snapshot.run_no(NodeId::from_u128(2)).unwrap();
    let steps = trace.steps.iter().filter(|step| Some(step.run) == run);
    on_the_way(&steps.map(|step| names.step(step).unwrap()).collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(tries(256))]

    #[test]
    fn a_way_through_a_run_at_work_is_that_through_what_it_records(
        acts in proptest::collection::vec(act(), 0..16),
    ) {
        let mut world = World::new();
        let earlier = [Fact::RunStarted(a_run(1)), Fact::StepDone(world.earlier()), Fact::RunStarted(a_run(2))];
        acts.iter().for_each(|act| world.act(act));
        let steps: Vec<Step> = world.steps.iter().filter(|step| !step.used.is_empty() || !step.generated.is_empty()).cloned().collect();
        let done: Vec<Fact> = steps.iter().cloned().map(Fact::StepDone).collect();
        let (_place, before) = store_of(&earlier);
        let (_other, after) = store_of(&[&earlier[..], &done].concat());
        let run = before.run_no(NodeId::from_u128(2)).unwrap().unwrap();
        let by_now = report_by_now(&before, RunHead::read(&before, run).unwrap().unwrap(), steps).unwrap();
        for (artifact, _) in &world.lies {
            let Some(path) = after.path_no(&artifact.path).unwrap() else { continue };
            let Some(number) = after.artifact_no(path, &artifact.digest).unwrap() else { continue };
            for carried in [false, true] {
                let weakest = if carried { Evidence::Carried } else { Evidence::Doubtful };
                let far = Far { depth_max: u32::MAX, weakest };
                let up = upstream(&after, number, i64::MAX, far).unwrap();
                let (shown, folded) = by_now.way(&artifact.path, Direction::Up, carried);
                prop_assert_eq!(on_the_way(&shown.steps), recorded(&after, &up), "up from {}", artifact.path);
                prop_assert!(!carried || folded.is_none());
                let down = downstream(&after, number, far).unwrap();
                let (shown, _) = by_now.way(&artifact.path, Direction::Down, carried);
                prop_assert_eq!(on_the_way(&shown.steps), recorded(&after, &down), "down from {}", artifact.path);
            }
        }
    }
}
