//! The segments of published record versions that every later program must read the same way for ever.

use std::fs;
use std::path::{Path, PathBuf};

use super::read;
use crate::disk::Disk;
use crate::journal::Writer;
use crate::journal::frame::{HEADER_BYTES, RawFrame, read_frame};
use crate::model::{
    Artifact, ArtifactPath, CaptureLevel, ChangeKind, ChangedFile, CodeState, Digest, Evidence, Fact,
    Generated, Metric, MetricValue, ModelAct, ModelAlias, ModelChange, ModelEdit, ModelVersion,
    NamedArtifact, NodeId, Note, NoteSummary, Reference, ReferenceSort, Remark, RemarkKind, Remarks, Removed,
    Role, Run, RunKind, RunOutcome, RunStatus, SaidParameters, Stage, Step, StepAct, StepStatus, Stream,
    StreamWay, Submodule, TakenEntry, Timestamp, Used,
};

const SEGMENT: u128 = 0x0193_b8f0_2f3e_7cc1_8b2a_5d6e_7f80_91a2;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journal").join(name)
}

fn id(tail: u128) -> NodeId {
    NodeId::from_u128(0x0193_b8f0_2f3e_7000_8000_0000_0000_0000 | tail)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(1_765_561_338_123_456 + second * 1_000_000)
}

fn path(bytes: &[u8]) -> ArtifactPath {
    ArtifactPath::from_bytes(bytes.to_vec()).unwrap()
}

fn artifact(name: &[u8], content: &str) -> Artifact {
    Artifact { path: path(name), digest: Digest::of(content.as_bytes()), size_bytes: content.len() as u64 }
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn named(sort: ReferenceSort, name: &str) -> Reference {
    Reference { sort, name: name.to_owned(), given_by: String::new(), missing: false }
}

fn code_state() -> CodeState {
    let changed = |name: &[u8], kind, digest: Option<&str>| ChangedFile {
        path: path(name),
        kind,
        digest: digest.map(|content| Digest::of(content.as_bytes())),
        size_bytes: digest.map_or(0, |content| content.len() as u64),
    };
    CodeState {
        repository: true,
        commit: Some("ea45dd2c0ffee0123456789abcdef0123456789a".to_owned()),
        commit_short: Some("ea45dd2".to_owned()),
        branch: Some("feature/ümlaut".to_owned()),
        dirty: true,
        changed: vec![
            changed(b"src/a.py", ChangeKind::Modified, Some("a")),
            changed(b"src/b.py", ChangeKind::Added, Some("")),
            changed(b"src/c.py", ChangeKind::Deleted, None),
            changed(b"src/d.py", ChangeKind::TypeChanged, Some("d")),
            changed(b"src/e.py", ChangeKind::Renamed, Some("e")),
            changed(b"src/f.py", ChangeKind::Conflicted, Some("f")),
        ],
        untracked: vec![changed(b"notes\xff.txt", ChangeKind::Untracked, Some("n"))],
        untracked_omitted: 1 << 40,
        patch: Some(Digest::of(b"patch")),
        patch_omitted: vec!["`big.bin` is larger than is kept".to_owned()],
        submodules: vec![Submodule {
            path: path(b"vendor/lib"),
            recorded: Some("0123456789abcdef0123456789abcdef01234567".to_owned()),
            checked_out: None,
        }],
        unreadable: Some("the index is locked".to_owned()),
    }
}

fn run(tail: u128, kind: RunKind, code: CodeState, parent: Option<NodeId>) -> Fact {
    Fact::RunStarted(Run {
        id: id(tail),
        run_id: "20251212_174218_2".parse().unwrap(),
        name: "train_risk_classifier".to_owned(),
        kind,
        arguments: vec!["python".to_owned(), "train.py".to_owned(), String::new()],
        printed_arguments: Vec::new(),
        streams: None,
        parameters: vec![pair("seed", "42"), pair("", "")],
        folder: "scripts".to_owned(),
        code,
        started_at: at(0),
        parent,
        rerun_of: None,
        recorder: "lineage 0.1.0".to_owned(),
        host: "machine".to_owned(),
        by: String::new(),
        segment: SEGMENT,
    })
}

fn outcome(status: RunStatus, exit_code: Option<i32>, code: Option<CodeState>) -> Fact {
    Fact::RunOutcome(RunOutcome {
        run: id(1),
        at: at(5),
        status,
        exit_code,
        reason: exit_code.map(|code| format!("exit code {code}")),
        code,
        arguments: vec!["--resume".to_owned()],
        segment: SEGMENT + 1,
    })
}

fn step(status: StepStatus) -> Fact {
    let evidence = [Evidence::Observed, Evidence::Declared, Evidence::Inferred, Evidence::Doubtful];
    let roles =
        [Role::Data, Role::Code, Role::Metrics, Role::CodeChanged, Role::CodeUntracked, Role::Environment];
    let used = evidence.iter().cycle().zip(roles).enumerate().map(|(n, (evidence, role))| Used {
        artifact: artifact(b"data/raw/a.htm", &"x".repeat(n)),
        at: at(n as i64),
        evidence: *evidence,
        role,
    });
    let generated = [b"data/out\n\xfe.json".as_slice(), b"/srv/x", b"hf://ProsusAI/finbert"];
    let generated = generated.iter().zip(evidence).map(|(name, evidence)| Generated {
        artifact: artifact(name, "out"),
        at: Timestamp::from_micros(i64::MIN),
        evidence,
        role: Role::Data,
    });
    let succeeded = status == StepStatus::Succeeded;
    Fact::StepDone(Step {
        id: id(if succeeded { 2 } else { 3 }),
        run: id(1),
        name: "segment".to_owned(),
        subject: "0000320193-25-000079".to_owned(),
        status,
        reason: (!succeeded).then(|| "no section was found".to_owned()),
        started_at: at(1),
        ended_at: at(4),
        parameters: vec![pair("stage", "3")],
        key: succeeded.then(|| Digest::of(b"key")),
        cached_from: succeeded.then(|| id(9)),
        unchanged_since: Vec::new(),
        used: used.collect(),
        generated: generated.collect(),
        act: StepAct::Made,
        removed: Vec::new(),
    })
}

fn metrics() -> Fact {
    let values = [0.0, -0.5, 0.874, f64::MAX, f64::MIN_POSITIVE, -1e-300];
    let point = |(step, value): (usize, f64)| Metric {
        owner: id(1),
        name: "f1_score".to_owned(),
        step: step as i64 - 2,
        at: at(step as i64),
        value: MetricValue::new(value).unwrap(),
    };
    Fact::Metrics(values.into_iter().enumerate().map(point).collect())
}

fn model_change(stage: Stage, displaced: Option<NodeId>) -> Fact {
    Fact::ModelChanged(ModelChange {
        id: id(20),
        model: id(10),
        name: String::new(),
        at: at(9),
        by: "somebody".to_owned(),
        reason: displaced.map(|_| "better".to_owned()),
        act: ModelAct::Staged { stage, displaced },
    })
}

/// A model version as version 1 of its record has it.
fn model() -> ModelVersion {
    ModelVersion {
        run: Some(id(1)),
        description: "Says which risk a paragraph names.".to_owned(),
        artifacts: vec![NamedArtifact::file(
            "model",
            artifact(b"models/registry/risk_classifier/1.2.0/model.pt", "weights"),
        )],
        tags: vec![pair("team", "risk")],
        fields: vec![pair("framework", "\"torch\"")],
        ..ModelVersion::new(id(10), "risk_classifier", "1.2.0", at(8))
    }
}

/// Every kind of fact of version 1, every code of each of its fields, every optional field there and not there.
fn version_1() -> Vec<Fact> {
    let mut facts = vec![
        run(1, RunKind::Pipeline, code_state(), None),
        run(4, RunKind::Command, CodeState::default(), Some(id(1))),
        run(5, RunKind::Library, CodeState::default(), None),
        run(6, RunKind::Import, CodeState::default(), None),
        outcome(RunStatus::Running, None, Some(code_state())),
        outcome(RunStatus::Succeeded, Some(0), None),
        outcome(RunStatus::Failed, Some(-1), None),
        outcome(RunStatus::Interrupted, Some(137), None),
        step(StepStatus::Succeeded),
        step(StepStatus::Failed),
        metrics(),
        Fact::Metrics(Vec::new()),
        Fact::ModelRegistered(model()),
        Fact::NoteRead(Note {
            id: id(30),
            artifact: artifact(b"research/README.md", "# Notes"),
            at: at(10),
            fields: vec![pair("title", "Notes")],
            folder: None,
            summary: NoteSummary::default(),
            references: vec![named(ReferenceSort::Run, "e55a90bd"), named(ReferenceSort::Commit, "3e5")],
            findings: Vec::new(),
            reader: 0,
        }),
    ];
    facts.extend(Stage::ALL.map(|stage| model_change(stage, (stage == Stage::Production).then(|| id(11)))));
    facts
}

/// Every statement on runs that came after version 1.
fn of_runs() -> Vec<Fact> {
    let Fact::RunStarted(again) = run(7, RunKind::Command, CodeState::default(), Some(id(1))) else {
        panic!("a run is a run");
    };
    let said = |parameters| Fact::ParametersSaid(SaidParameters { run: id(1), at: at(2), parameters });
    let remarks =
        |level, remarks, omitted| Fact::Remarked(Remarks { run: id(1), at: at(6), level, remarks, omitted });
    let mut facts = vec![
        Fact::RunStarted(Run { rerun_of: Some(id(1)), ..again }),
        said(Vec::new()),
        said(vec![pair("learning_rate", "0.1"), pair("ümlaut", "")]),
        remarks(None, Vec::new(), 1 << 40),
    ];
    let all = RemarkKind::ALL.iter().enumerate();
    let all = all.map(|(n, kind)| Remark { kind: *kind, text: "a sentence".repeat(n), count: n as u64 });
    let all: Vec<Remark> = all.collect();
    facts.extend(CaptureLevel::ALL.map(|level| remarks(Some(level), all.clone(), 0)));
    facts
}

/// Version 3 of a run's start: arguments that are not UTF-8.
fn run_3() -> Vec<Fact> {
    let of = |rerun_of| {
        let Fact::RunStarted(run) = run(8, RunKind::Command, code_state(), None) else {
            panic!("a run is a run");
        };
        let arguments = vec!["cat".to_owned(), "non\\xffutf8".to_owned(), "\\x5cxff\\xfe".to_owned()];
        Fact::RunStarted(Run { arguments, printed_arguments: vec![1, 2], rerun_of, ..run })
    };
    vec![of(None), of(Some(id(1)))]
}

/// Version 4 of a run's start: the files that its standard streams led to.
fn run_4() -> Vec<Fact> {
    let of = |streams: Vec<Stream>, rerun_of| {
        let Fact::RunStarted(run) = run(9, RunKind::Command, code_state(), None) else {
            panic!("a run is a run");
        };
        Fact::RunStarted(Run { streams: Some(streams), rerun_of, ..run })
    };
    let all = StreamWay::ALL.iter().zip(0..).map(|(way, at)| Stream {
        number: at % 3,
        path: path(b"out/\xff"),
        way: *way,
        at_bytes: u64::from(at) << 40,
        same_as: (at == 2).then_some(1),
    });
    vec![of(Vec::new(), None), of(all.collect(), Some(id(1)))]
}

/// Version 5 of a run's start: who started it.
fn run_5() -> Vec<Fact> {
    let by = |by: &str, fact| {
        let Fact::RunStarted(run) = fact else { panic!("a run is a run") };
        Fact::RunStarted(Run { by: by.to_owned(), ..run })
    };
    let mut facts = vec![by("anna", run(10, RunKind::Library, CodeState::default(), Some(id(1))))];
    facts.extend(run_3().into_iter().chain(run_4()).map(|fact| by("Änne B.", fact)));
    facts
}

/// Steps of version 2.
fn step_2() -> Vec<Fact> {
    let since = |unchanged_since| {
        let Fact::StepDone(step) = step(StepStatus::Succeeded) else { panic!("a step is a step") };
        Fact::StepDone(Step { unchanged_since, ..step })
    };
    let least = Timestamp::from_micros(i64::MIN);
    vec![since(vec![(0, at(-1_000_000)), (5, at(0))]), since(vec![(u32::MAX, least)])]
}

/// Steps of version 3: what was removed, and how outputs go back to inputs.
fn step_3() -> Vec<Fact> {
    let of = |act, unchanged_since, removed| {
        let Fact::StepDone(step) = step(StepStatus::Succeeded) else { panic!("a step is a step") };
        Fact::StepDone(Step { act, unchanged_since, removed, ..step })
    };
    let one_to_one = |act| {
        let Fact::StepDone(mut step) = of(act, Vec::new(), Vec::new()) else { panic!("a step is a step") };
        step.used.truncate(step.generated.len());
        Fact::StepDone(step)
    };
    let removed = |name: &[u8], content, evidence| {
        let Artifact { path, digest, size_bytes } = artifact(name, "gone");
        let content = if content { Some((digest, size_bytes)) } else { None };
        Removed { path, content, at: at(3), evidence }
    };
    let all = Evidence::RECORDED.map(|evidence| removed(b"models/c1\xff.pt", true, evidence)).to_vec();
    vec![
        of(StepAct::Made, Vec::new(), all),
        of(StepAct::Made, vec![(1, at(0))], vec![removed(b"/srv/y", false, Evidence::Observed)]),
        one_to_one(StepAct::Moved),
        one_to_one(StepAct::Linked),
    ]
}

/// The registry's records of version 2, and its aliases.
fn models_2() -> Vec<Fact> {
    let text = |text: &str| Some(text.to_owned());
    let full = |stage: Stage| ModelVersion {
        created_at: at(2),
        by: "somebody".to_owned(),
        stage,
        model_type: text("transformer"),
        base_model: text("ProsusAI/finbert"),
        training_config: text("{\"lr\":0.1}"),
        dataset_info: text("{\"rows\":7}"),
        promoted_from: text("1.1.0"),
        notes: text("Two\nlines."),
        git_sha: text("ea45dd2c0ffee0123456789abcdef0123456789a"),
        git_dirty: true,
        branch: text("feature/ümlaut"),
        metrics: vec![("f1_score".to_owned(), MetricValue::new(0.874).unwrap())],
        inputs: vec![artifact(b"data/in\xff.json", "in")],
        ..model()
    };
    let change = |act: ModelAct| {
        let name = "risk_classifier".to_owned();
        let (by, reason) = ("somebody".to_owned(), Some("better".to_owned()));
        Fact::ModelChanged(ModelChange { id: id(20), model: id(10), name, at: at(9), by, reason, act })
    };
    let alias = |model| {
        let (name, alias, by) = ("risk_classifier".to_owned(), "champion".to_owned(), "somebody".to_owned());
        Fact::ModelNamed(ModelAlias { id: id(21), name, alias, model, at: at(11), by })
    };
    let mut facts = vec![Fact::ModelRegistered(model())];
    facts.extend(Stage::ALL.map(|stage| Fact::ModelRegistered(full(stage))));
    facts.extend(Stage::ALL.map(|stage| change(ModelAct::Staged { stage, displaced: None })));
    facts.extend([
        change(ModelAct::Staged { stage: Stage::Production, displaced: Some(id(11)) }),
        change(ModelAct::Edited(ModelEdit::default())),
        change(ModelAct::Edited(ModelEdit {
            description: text("New."),
            notes: text(""),
            tags_set: vec![pair("team", "credit")],
            tags_removed: vec!["old".to_owned()],
        })),
        change(ModelAct::Deleted),
        alias(Some(id(10))),
        alias(None),
    ]);
    facts
}

fn model_3() -> Vec<Fact> {
    let taken = TakenEntry { as_of: at(12), run_label: None, run_name: None, inputs_total: 0 };
    let full = TakenEntry {
        run_label: Some("20251212_174218".to_owned()),
        run_name: Some("train ü".to_owned()),
        inputs_total: 1_001,
        ..taken.clone()
    };
    [taken, full].map(|taken| Fact::ModelRegistered(ModelVersion { taken: Some(taken), ..model() })).to_vec()
}

/// The fixtures: each a segment, and what it says.
fn fixtures() -> Vec<(&'static str, Vec<Fact>)> {
    vec![
        ("v1.seg", version_1()),
        ("of_runs.seg", of_runs()),
        ("run_v3.seg", run_3()),
        ("run_v4.seg", run_4()),
        ("run_v5.seg", run_5()),
        ("step_v2.seg", step_2()),
        ("step_v3.seg", step_3()),
        ("models-v2.seg", models_2()),
        ("model_v3.seg", model_3()),
    ]
}

#[test]
fn published_records_are_read_as_they_were_written() {
    for (name, expected) in fixtures() {
        let bytes = fs::read(fixture(name)).expect("the fixture is a part of the repository");
        let found = read(&bytes, SEGMENT);
        assert_eq!(found.error, None);
        for (found, expected) in found.facts.iter().zip(&expected) {
            assert_eq!(found, expected, "{name}");
        }
        assert_eq!(found.facts.len(), expected.len(), "{name}");
        assert!(found.damaged.is_empty());
    }
}

/// A published record version is never edited. Fixtures were made once, by this test under `LINEAGE_WRITE_FIXTURE`.
#[test]
fn records_that_still_have_a_version_are_written_as_when_it_was_published() {
    for (name, expected) in fixtures() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::create(&Disk::new(), folder.path(), SEGMENT).unwrap();
        for fact in &expected {
            writer.append(fact).unwrap();
        }
        writer.commit().unwrap();
        let written = fs::read(folder.path().join(format!("{SEGMENT:032x}.seg"))).unwrap();
        if std::env::var_os("LINEAGE_WRITE_FIXTURE").is_some() && !fixture(name).exists() {
            fs::create_dir_all(fixture(name).parent().unwrap()).unwrap();
            fs::write(fixture(name), &written).unwrap();
        }
        let (kept, written) = (frames(&fs::read(fixture(name)).unwrap()), frames(&written));
        assert_eq!(kept.len(), written.len(), "{name}");
        let mut compared = 0;
        for (kept, written) in kept.iter().zip(&written) {
            assert_eq!(kept.0, written.0, "{name}");
            // What is written in a newer version now has a fixture of that version.
            if kept.1 == written.1 {
                assert!(kept == written, "{name}: records of kind {} are written otherwise", kept.0);
                compared += 1;
            }
        }
        assert!(compared > 0, "{name}");
    }
}

/// The frames of a segment: kind, version, payload.
fn frames(bytes: &[u8]) -> Vec<(u8, u8, Vec<u8>)> {
    let mut found = Vec::new();
    let mut at = HEADER_BYTES;
    while let RawFrame::Whole { kind, version, payload, length } =
        read_frame(SEGMENT, at as u64, &bytes[at..])
    {
        found.push((kind, version, payload.to_vec()));
        at += length;
    }
    assert_eq!(at, bytes.len());
    found
}
