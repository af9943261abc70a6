//! The segments of repositories that runs read files of (version 1), of steps that read what git tracks (version 4) and of steps that
//! copied files (version 5), which every later program must read the same way for ever.

use super::fixture_notes::{check_read, check_written};
use crate::model::{
    Artifact, ArtifactPath, CodeState, Digest, Evidence, Fact, Generated, NodeId, Role, RunRepository, Step,
    StepAct, Timestamp, Used,
};

const RUN: NodeId = NodeId::from_u128(0x0193_b8f0_2f3e_7000_8000_0000_0000_0001);

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(1_765_561_338_000_000 + micros)
}

fn repositories() -> Vec<Fact> {
    let path = |bytes: &[u8]| ArtifactPath::from_bytes(bytes.to_vec()).unwrap();
    let code = CodeState {
        repository: true,
        commit: Some("7942943".repeat(6)[..40].to_owned()),
        commit_short: Some("7942943".to_owned()),
        branch: Some("main".to_owned()),
        dirty: true,
        patch: Some(Digest::of(b"patch")),
        untracked_omitted: 3,
        ..CodeState::default()
    };
    let repository = |root: Option<&[u8]>, code: Option<&CodeState>| {
        Fact::RepositoryRead(RunRepository { run: RUN, at: at(1), root: root.map(path), code: code.cloned() })
    };
    vec![
        repository(Some(b"third_party/\xff"), Some(&code)),
        repository(Some(b"/srv/lib"), Some(&CodeState::default())),
        repository(None, Some(&code)),
        repository(Some(b"proj"), None),
    ]
}

fn steps() -> Vec<Fact> {
    let file = |path: &str| Artifact {
        path: ArtifactPath::new(path).unwrap(),
        digest: Digest::of(path.as_bytes()),
        size_bytes: 7,
    };
    let read =
        |path: &str, role| Used { artifact: file(path), at: at(2), evidence: Evidence::Observed, role };
    let wrote = Generated { artifact: file("o"), at: at(3), evidence: Evidence::Observed, role: Role::Data };
    let step = |id: u128, unchanged_since: Vec<(u32, Timestamp)>| {
        let id = NodeId::from_u128(0x0193_b8f0_2f3e_7000_8000_0000_0000_0010 + id);
        let used = vec![
            read("a.py", Role::Code),
            read("conf.json", Role::DataTracked),
            read("raw.csv", Role::Data),
            read("big.csv", Role::DataChanged),
        ];
        let generated = vec![wrote.clone()];
        Fact::StepDone(Step {
            used,
            generated,
            unchanged_since,
            ..Step::new(id, RUN, "python", [at(1), at(4)])
        })
    };
    vec![step(0, Vec::new()), step(1, vec![(1, at(-5)), (3, at(0))])]
}

#[test]
fn repositories_are_read_as_they_were_written() {
    check_read("run_repository_v1.seg", &repositories());
}

#[test]
fn repositories_are_still_written_as_when_they_were_published() {
    check_written("run_repository_v1.seg", &repositories());
}

#[test]
fn steps_that_read_what_git_tracks_are_read_as_they_were_written() {
    check_read("step_v4.seg", &steps());
}

#[test]
fn steps_that_read_what_git_tracks_are_still_written_as_when_they_were_published() {
    check_written("step_v4.seg", &steps());
}

/// One for each version that a step which copied may be in beside that.
fn copying_steps() -> Vec<Fact> {
    let mut copying = Vec::new();
    for fact in steps() {
        let Fact::StepDone(step) = fact else { panic!("a step is a step") };
        let copied = Step { act: StepAct::Copied, name: "cp".to_owned(), ..step };
        let mut plain = copied.clone();
        plain.used.iter_mut().for_each(|edge| edge.role = Role::Data);
        copying.extend([copied, plain].map(Fact::StepDone));
    }
    copying
}

#[test]
fn steps_that_copied_are_read_as_they_were_written() {
    check_read("step_v5.seg", &copying_steps());
}

#[test]
fn steps_that_copied_are_still_written_as_when_they_were_published() {
    check_written("step_v5.seg", &copying_steps());
}
