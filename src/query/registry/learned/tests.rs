//! How surely a model version learned from a file: of a way the least sure edge, of several ways the surest.

use proptest::prelude::*;

use super::*;
use crate::model::{
    ArtifactPath, Digest, Fact, Generated, NamedArtifact, Role, Run, RunId, RunKind, Step, Timestamp, Used,
};
use crate::query::ancestry::downstream;
use crate::store::tests::world::{CONTENTS, PATHS, artifact, artifacts, facts, run, store_of, tries};

/// Reads `reads > writes`, each edge a path by number, its time and how it is known (`0@1o`), as a step of run 1; another content than
/// the path's own is named (`0=3@1o`).
fn step(id: u128, line: &str) -> Fact {
    let (reads, writes) = line.split_once('>').unwrap();
    let edge = |text: &str| {
        let (path, rest) = text.split_once('@').unwrap();
        let (at, sort) = rest.split_at(rest.len() - 1);
        let evidence = Evidence::ALL["odic".find(sort).unwrap()];
        let (path, content) =
            path.split_once('=').map_or((path, None), |(path, content)| (path, Some(content)));
        let path: usize = path.parse().unwrap();
        let content = content.map(|content| CONTENTS[content.parse::<usize>().unwrap()]);
        let version = content.map_or(file(path), |content| artifact(PATHS[path], content));
        (version, Timestamp::from_micros(at.parse().unwrap()), evidence)
    };
    let role = Role::Data;
    let used = reads.split_whitespace().map(edge);
    let generated = writes.split_whitespace().map(edge);
    Fact::StepDone(Step {
        used: used.map(|(artifact, at, evidence)| Used { artifact, at, evidence, role }).collect(),
        generated: generated
            .map(|(artifact, at, evidence)| Generated { artifact, at, evidence, role })
            .collect(),
        ..Step::new(
            NodeId::from_u128(id),
            NodeId::from_u128(1),
            "step",
            [Timestamp::from_micros(0), Timestamp::from_micros(9)],
        )
    })
}

/// The content goes with the path; the last has the bytes of the first.
fn file(path: usize) -> Artifact {
    let content = if path == 3 { 1 } else { path + 1 };
    artifact(PATHS[path], CONTENTS[content])
}

/// Says how a version that holds files, and says that it learned from others, learned from path 0; and what its run read.
fn check(steps: &[&str], held: &[usize], said: &[usize], expected: &str) {
    let run = Run {
        id: NodeId::from_u128(1),
        run_id: RunId::at(Timestamp::from_micros(0)),
        name: "train".to_owned(),
        kind: RunKind::Command,
        arguments: Vec::new(),
        printed_arguments: Vec::new(),
        streams: None,
        parameters: Vec::new(),
        folder: String::new(),
        code: crate::model::CodeState::default(),
        started_at: Timestamp::from_micros(0),
        parent: None,
        rerun_of: None,
        recorder: "lineage".to_owned(),
        host: "here".to_owned(),
        by: String::new(),
        segment: 1,
    };
    let mut facts = vec![Fact::RunStarted(run)];
    facts.extend(steps.iter().zip(10..).map(|(line, id)| step(id, line)));
    let mut model = ModelVersion::new(NodeId::from_u128(2), "m", "1.0.0", Timestamp::from_micros(20));
    model.run = Some(NodeId::from_u128(1));
    model.artifacts = held.iter().map(|path| NamedArtifact::file(path.to_string(), file(*path))).collect();
    let mut silent = model.clone();
    silent.id = NodeId::from_u128(3);
    silent.version = "1.0.1".to_owned();
    model.inputs = said.iter().map(|path| file(*path)).collect();
    facts.extend([Fact::ModelRegistered(model.clone()), Fact::ModelRegistered(silent.clone())]);
    let (_place, snapshot) = store_of(&facts);
    let path = snapshot.path_no(&ArtifactPath::new(PATHS[0]).unwrap()).unwrap().unwrap();
    let start = snapshot.artifact_no(path, &Digest::of(CONTENTS[1].as_bytes())).unwrap().unwrap();
    let trace = downstream(&snapshot, start, u32::MAX).unwrap();
    let learned = learned_from(&snapshot, Start::Files(&[start]), &trace, u32::MAX).unwrap();
    let how = learned.iter().find(|learned| learned.model == model.id);
    let how =
        how.map_or("not".to_owned(), |how| format!("by {}, {}", how.how.as_str(), how.evidence.as_str()));
    let inputs = inputs(&snapshot, &silent).unwrap().into_iter();
    let inputs: Vec<String> =
        inputs.map(|(input, evidence)| format!("{} {}", input.path, evidence.as_str())).collect();
    assert_eq!(format!("{how}; {}", inputs.join(", ")), expected, "{steps:?}");
}

#[test]
fn a_way_is_as_sure_as_its_least_sure_edge() {
    check(&["0@1o > 2@2o"], &[2], &[], "by its file, observed; data/a observed");
    check(&["0@1o > 2@2i"], &[2], &[], "by its file, inferred; data/a inferred");
    check(&["0@1c > 2@2o"], &[2], &[], "by its file, changed while read; data/a changed while read");
    check(&["0@1i > 1@2o", "1@3o > 2@4d"], &[2], &[], "by its file, inferred; data/a inferred");
}

#[test]
fn of_several_ways_the_surest_counts() {
    let ways = ["0@1i > 1@2o", "0@1o > 2@4d 1@3o", "1@3o > 2@4o"];
    check(&ways, &[2], &[], "by its file, observed; data/a observed");
    // What was read first may be the less sure read.
    check(
        &["0@1c > 1@2o", "0@3o > 1@4i", "1@5o > 2@6o"],
        &[2],
        &[],
        "by its file, inferred; data/a inferred",
    );
    // What its entry says is surer than what was concluded.
    check(&["0@1i > 2@2o"], &[2], &[0], "by its entry, declared; data/a inferred");
    check(&["0@1o > 2@2o"], &[2], &[0], "by its file, observed; data/a observed");
    check(&["0@1i > 1@2o", "> 2@3o"], &[2], &[0], "by its entry, declared; ");
}

#[test]
fn that_a_file_is_a_copy_is_inferred() {
    check(&["0@1o > 1@2o", "3@3o > 2@4o"], &[2], &[], "not; /srv/d observed");
    check(&["> 0@1o", "3@3o > 2@4o"], &[2], &[], "by its file, inferred; ");
}

#[test]
fn what_a_step_wrote_on_in_may_be_in_what_else_it_wrote() {
    // A database of trainings: the second model was made from nothing but that.
    let trainings = ["0@1o > 1@2o", "1@3o > 2@4o 1=0@5o"];
    check(&trainings, &[2], &[], "by its file, carried; data/a carried");
    check(&trainings, &[1], &[], "by its file, observed; data/a observed");
    check(&trainings, &[], &[], "by its run, declared; data/a declared");
    // Written on before it was read, it was no state then; and who read the data, too, has it from there.
    let observed = "by its file, observed; data/a observed";
    check(&["0@1o > 1@2o", "1@3o > 2@4o 1=0@2o"], &[2], &[], observed);
    check(&["0@1o > 1@2o", "0@2o 1@3o > 2@4o 1=0@5o"], &[2], &[], observed);
    // Saved again as it was, it was not written on; through what nobody had made nothing came.
    check(&["0@1o > 1@2o", "1@3o > 2@4o 1@5o"], &[2], &[], observed);
    check(&["0@1o > 2@2o 0=2@3o"], &[2], &[], observed);
    // A checkpoint under two names, whichever was written first.
    check(&["0@1o > 1@2o", "1@3o > 2@4o 1=3@5o"], &[2], &[], observed);
    check(&["0@1o > 1@2o", "1@3o > 1=3@4o 2@5o"], &[2], &[], observed);
}

#[test]
fn that_a_model_goes_with_a_run_that_is_not_known_to_have_written_it_is_declared() {
    check(&["0@1o > 2@2o"], &[], &[], "by its run, declared; data/a declared");
    check(&["0@1i > 2@2o"], &[], &[], "by its run, inferred; data/a inferred");
}

/// Goes through all writes of the bytes of a file.
fn last_writes_plainly(
    snapshot: &Snapshot,
    file: ArtifactNo,
    run: RunNo,
) -> BTreeSet<(i64, StepNo, ArtifactNo)> {
    let mut all = BTreeSet::new();
    let _all = snapshot
        .content_writes_until(file, i64::MAX, |at, step, artifact| {
            if snapshot.run_of(step)? == Some(run) {
                all.insert((at, step, artifact));
            }
            Ok(ControlFlow::<()>::Continue(()))
        })
        .unwrap();
    let last = all.last().map(|(at, ..)| *at);
    all.into_iter().filter(|(at, ..)| Some(*at) == last).collect()
}

proptest! {
    #![proptest_config(tries(100))]

    #[test]
    fn the_last_writes_of_a_run_are_the_same_by_either_way(
        facts in facts(),
        runs in prop::collection::vec(run(), 1..4),
        few in 0..3_usize,
    ) {
        let (_place, snapshot) = store_of(&[facts, runs].concat());
        let mut runs = Vec::new();
        let _all = snapshot.runs_newest_first(|number| {
            runs.push(number);
            Ok(ControlFlow::<()>::Continue(()))
        }).unwrap();
        for file in artifacts() {
            let Some(path) = snapshot.path_no(&file.path).unwrap() else { continue };
            let Some(number) = snapshot.artifact_no(path, &file.digest).unwrap() else { continue };
            for run in &runs {
                let found = last_writes(&snapshot, number, *run, few).unwrap();
                let found: BTreeSet<_> = found.into_iter().collect();
                prop_assert_eq!(found, last_writes_plainly(&snapshot, number, *run));
            }
        }
    }
}
