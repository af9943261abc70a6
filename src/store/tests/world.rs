//! Small random sets of facts, with few ids, paths, contents and times, so that everything that can collide does.

use std::ops::Bound;
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::disk::Disk;
use crate::journal::{self, Writer};
use crate::model::{
    Artifact, ArtifactPath, CaptureLevel, CodeState, Digest, Evidence, Fact, Generated, Link, LinkText,
    Metric, MetricValue, ModelAct, ModelAlias, ModelChange, ModelEdit, ModelVersion, NamedArtifact, NodeId,
    Note, NoteGone, NoteSummary, Overwritten, Parameter, Reference, ReferenceSort, Remark, RemarkKind,
    Remarks, Removed, Role, Run, RunId, RunKind, RunOutcome, RunRepository, RunStatus, RunTags,
    SaidParameters, Stage, Step, StepAct, TakenEntry, Timestamp, Used,
};
use crate::store::{GO_ON, Order, OrderedBy, Snapshot, Store, Term};

pub(crate) const PATHS: [&str; 4] = ["data/a", "data/b", "out/c", "/srv/d"];
/// The first is empty.
pub(crate) const CONTENTS: [&str; 4] = [
    "",
    "one: so many bytes that it tells something that they lie in two places",
    "two",
    "three: so many bytes that it tells something that they lie in two places",
];

/// What a random note may name.
pub(crate) const NAMES: [&str; 2] = ["ea45dd2", "data/a"];

pub(crate) fn artifact(path: &str, content: &str) -> Artifact {
    Artifact {
        path: ArtifactPath::new(path).unwrap(),
        digest: Digest::of(content.as_bytes()),
        size_bytes: content.len() as u64,
    }
}

/// Every artifact that a random fact may name.
pub(crate) fn artifacts() -> Vec<Artifact> {
    let of_path = |path: &&str| CONTENTS.map(|content| artifact(path, content));
    PATHS.iter().flat_map(of_path).collect()
}

fn any_artifact() -> impl Strategy<Value = Artifact> {
    select(artifacts())
}

fn at() -> impl Strategy<Value = Timestamp> {
    (0_i64..8).prop_map(Timestamp::from_micros)
}

fn node(end: u128) -> impl Strategy<Value = NodeId> {
    // Ids of the real sort, whose tails differ in more than one digit; few, so that they meet.
    (1..end).prop_map(|n| NodeId::from_u128((n << 96) | (n * 0x1_0001)))
}

fn code_state() -> impl Strategy<Value = CodeState> {
    let commit = option::of(select(vec!["ea45dd2", "0123456"]));
    (commit, option::of(select(vec!["main", "try"])), any::<bool>()).prop_map(|(commit, branch, dirty)| {
        CodeState {
            repository: commit.is_some(),
            commit: commit.map(|short| short.repeat(6)),
            commit_short: commit.map(str::to_owned),
            branch: branch.map(str::to_owned),
            dirty,
            ..CodeState::default()
        }
    })
}

fn parameters() -> impl Strategy<Value = Vec<Parameter>> {
    let values = vec!["0.1", "1e-1", "-2", "0", "high", "True", "a\0b", "inf", ""];
    let parameter = (select(vec!["lr", "seed", "odd name", "tag.team"]), select(values));
    vec(parameter.prop_map(|(name, value)| (name.to_owned(), value.to_owned())), 0..3)
}

pub(crate) fn run() -> impl Strategy<Value = Fact> {
    let fields = (node(5), select(vec!["train", "segment"]), at(), 0_i64..3, select(RunKind::ALL.to_vec()));
    let others = (option::of(node(5)), option::of(node(5)));
    let place = (select(vec!["here", "there"]), select(vec!["", "anna", "bo"]));
    let rest = (others, code_state(), parameters(), place);
    (fields, rest).prop_map(|((id, name, started_at, second, kind), (others, code, parameters, place))| {
        let (host, by) = place;
        let (parent, rerun_of) = others;
        Fact::RunStarted(Run {
            id,
            run_id: RunId::at(Timestamp::from_micros(second * 1_000_000)),
            name: name.to_owned(),
            kind,
            arguments: vec!["python".to_owned()],
            printed_arguments: Vec::new(),
            streams: None,
            parameters,
            folder: String::new(),
            code,
            started_at,
            parent,
            rerun_of,
            recorder: "lineage 0.1.0".to_owned(),
            host: host.to_owned(),
            by: by.to_owned(),
            segment: 1,
        })
    })
}

fn outcome() -> impl Strategy<Value = Fact> {
    (node(6), at(), select(RunStatus::ALL.to_vec()), option::of(0..3_i32)).prop_map(
        |(run, at, status, exit_code)| {
            Fact::RunOutcome(RunOutcome {
                run,
                at,
                status,
                exit_code,
                reason: None,
                code: None,
                arguments: Vec::new(),
                segment: 1,
            })
        },
    )
}

fn edge() -> impl Strategy<Value = (Artifact, Timestamp, Evidence, Role)> {
    let evidence = select(Evidence::RECORDED.to_vec());
    (any_artifact(), at(), evidence, select(Role::ALL.to_vec()))
}

fn removed() -> impl Strategy<Value = Removed> {
    (edge(), any::<bool>()).prop_map(|((artifact, at, evidence, _), is_known)| Removed {
        content: is_known.then_some((artifact.digest, artifact.size_bytes)),
        path: artifact.path,
        at,
        evidence,
    })
}

pub(crate) fn step() -> impl Strategy<Value = Fact> {
    let fields = (node(9), node(6), select(vec!["parse", "clean"]), at(), at());
    let key = option::of(select(vec![Digest::of(b"key"), Digest::of(b"other")]));
    let act = select(vec![StepAct::Made, StepAct::Made, StepAct::Moved, StepAct::Linked, StepAct::Copied]);
    (fields, key, act, vec(edge(), 0..4), vec(edge(), 0..4), vec(removed(), 0..2)).prop_map(
        |((id, run, name, started_at, ended_at), key, act, used, mut generated, removed)| {
            if act.is_one_to_one() {
                generated.truncate(used.len());
            }
            let used =
                used.into_iter().map(|(artifact, at, evidence, role)| Used { artifact, at, evidence, role });
            let generated = generated.into_iter().map(|(artifact, at, evidence, role)| {
                // What is written is not compared with a commit.
                let role = if role.is_data() { Role::Data } else { role };
                Generated { artifact, at, evidence, role }
            });
            Fact::StepDone(Step {
                subject: "filing".to_owned(),
                key,
                used: used.collect(),
                generated: generated.collect(),
                act,
                removed,
                ..Step::new(id, run, name, [started_at, ended_at])
            })
        },
    )
}

pub(crate) fn metrics() -> impl Strategy<Value = Fact> {
    let point = (node(8), select(vec!["f1", "loss"]), 0_i64..2, at(), -2_i32..3);
    vec(point, 0..4).prop_map(|points| {
        let point = |(owner, name, step, at, value): (NodeId, &str, i64, Timestamp, i32)| Metric {
            owner,
            name: name.to_owned(),
            step,
            at,
            value: MetricValue::new(f64::from(value) / 2.0).unwrap(),
        };
        Fact::Metrics(points.into_iter().map(point).collect())
    })
}

fn model_name() -> impl Strategy<Value = String> {
    select(vec!["classifier", "ranker"]).prop_map(str::to_owned)
}

pub(crate) fn model() -> impl Strategy<Value = Fact> {
    let version = || select(vec!["1.0.0", "1.1.0", "1.1.0-rc.1"]);
    let fields = (node(5), model_name(), version(), option::of(node(5)));
    let bases = (option::of(version()), option::of(version()));
    let rest =
        (any_artifact(), option::of(any_artifact()), select(Stage::ALL.to_vec()), option::of(-2_i32..3));
    (fields, (at(), option::of(at())), rest, bases).prop_map(
        |(
            (id, name, version, run),
            (registered_at, as_of),
            (artifact, input, stage, metric),
            (base, before),
        )| {
            let link = stage == Stage::Staging;
            let link = link
                .then(|| link_to("c2"))
                .map(|text| NamedArtifact::of_link("last", artifact.path.clone(), text));
            let taken = as_of.map(|as_of| TakenEntry {
                as_of,
                run_label: Some("20251212_174218".to_owned()),
                run_name: None,
                inputs_total: 7,
            });
            let value = |half: i32| MetricValue::new(f64::from(half) / 2.0).unwrap();
            Fact::ModelRegistered(ModelVersion {
                run,
                created_at: Timestamp::from_micros(1),
                by: "somebody".to_owned(),
                stage,
                base_model: base.map(|version| format!("classifier@{version}")),
                promoted_from: before.map(str::to_owned),
                metrics: metric.map(|half| ("f1".to_owned(), value(half))).into_iter().collect(),
                inputs: input.into_iter().collect(),
                artifacts: std::iter::once(NamedArtifact::file("model", artifact)).chain(link).collect(),
                tags: vec![("team".to_owned(), "risk".to_owned())],
                taken,
                ..ModelVersion::new(id, name, version, registered_at)
            })
        },
    )
}

pub(crate) fn model_change() -> impl Strategy<Value = Fact> {
    let edit = (option::of("[ab]"), any::<bool>()).prop_map(|(description, set)| {
        let tag = ("team".to_owned(), "other".to_owned());
        ModelAct::Edited(ModelEdit {
            description,
            notes: None,
            tags_set: if set { vec![tag] } else { Vec::new() },
            tags_removed: if set { Vec::new() } else { vec!["team".to_owned()] },
        })
    });
    let staged = select(Stage::ALL.to_vec());
    let act = prop_oneof![
        6 => staged.prop_map(|stage| ModelAct::Staged { stage, displaced: None }),
        2 => edit,
        1 => Just(ModelAct::Deleted),
    ];
    // The name is empty where an older program wrote.
    let name = prop_oneof![3 => model_name(), 1 => Just(String::new())];
    (node(9), node(6), name, act, at()).prop_map(|(id, model, name, act, at)| {
        let by = "somebody".to_owned();
        Fact::ModelChanged(ModelChange { id, model, name, at, by, reason: None, act })
    })
}

pub(crate) fn model_alias() -> impl Strategy<Value = Fact> {
    (node(9), model_name(), option::of(node(6)), at()).prop_map(|(id, name, model, at)| {
        let (alias, by) = ("champion".to_owned(), "somebody".to_owned());
        Fact::ModelNamed(ModelAlias { id, name, alias, model, at, by })
    })
}

fn note() -> impl Strategy<Value = Fact> {
    let named = (select(ReferenceSort::ALL.to_vec()), select(NAMES.to_vec()));
    (node(4), any_artifact(), at(), vec(named, 0..3)).prop_map(|(id, artifact, at, named)| {
        let reference = |(sort, name): (ReferenceSort, &str)| Reference {
            sort,
            name: name.to_owned(),
            given_by: String::new(),
            missing: false,
        };
        Fact::NoteRead(Note {
            id,
            artifact,
            at,
            folder: None,
            fields: Vec::new(),
            summary: NoteSummary::default(),
            references: named.into_iter().map(reference).collect(),
            findings: Vec::new(),
            reader: 1,
        })
    })
}

fn said_parameters() -> impl Strategy<Value = Fact> {
    let pair = (select(vec!["lr", "seed", "tag.team"]), select(vec!["1", "2"]));
    (node(6), at(), vec(pair, 0..3)).prop_map(|(run, at, pairs)| {
        let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Fact::ParametersSaid(SaidParameters { run, at, parameters: pairs.into_iter().map(pair).collect() })
    })
}

fn remarks() -> impl Strategy<Value = Fact> {
    let remark = (select(RemarkKind::ALL.to_vec()), 0_u64..3);
    (node(6), at(), option::of(select(CaptureLevel::ALL.to_vec())), vec(remark, 0..3)).prop_map(
        |(run, at, level, remarks)| {
            let remark = |(kind, count)| Remark { count, ..Remark::new(kind, "something") };
            Fact::Remarked(Remarks::new(run, at, level, remarks.into_iter().map(remark).collect()))
        },
    )
}

fn run_tags() -> impl Strategy<Value = Fact> {
    let tag = (select(vec!["team", "risk"]), select(vec!["yes", "2"]));
    (node(6), at(), vec(tag, 0..3)).prop_map(|(run, at, tags)| {
        let tags = tags.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Fact::RunTagged(RunTags { run, at, tags })
    })
}

fn run_repository() -> impl Strategy<Value = Fact> {
    let root = option::of(select(PATHS.to_vec()));
    (node(6), at(), root, option::of(code_state())).prop_map(|(run, at, root, code)| {
        let root = root.map(|root| ArtifactPath::new(root).unwrap());
        Fact::RepositoryRead(RunRepository { run, at, root, code })
    })
}

fn note_gone() -> impl Strategy<Value = Fact> {
    (select(PATHS.to_vec()), at())
        .prop_map(|(path, at)| Fact::NoteGone(NoteGone { path: ArtifactPath::new(path).unwrap(), at }))
}

fn overwritten() -> impl Strategy<Value = Fact> {
    (any_artifact(), at()).prop_map(|(artifact, at)| {
        Fact::FileOverwritten(Overwritten { artifact, at, command: "restore".to_owned() })
    })
}

fn link() -> impl Strategy<Value = Fact> {
    (select(PATHS.to_vec()), select(vec!["c1", "../data/a", "\u{1b}"])).prop_map(|(path, text)| {
        Fact::LinkSeen(Link { path: ArtifactPath::new(path).unwrap(), text: link_to(text) })
    })
}

fn link_to(text: &str) -> LinkText {
    LinkText::new(text.as_bytes().to_vec()).unwrap()
}

/// A set of facts of every kind.
pub(crate) fn facts() -> impl Strategy<Value = Vec<Fact>> {
    let fact = prop_oneof![
        6 => step(), 2 => run(), 2 => outcome(), 1 => metrics(), 1 => model(), 1 => model_change(),
        1 => model_alias(), 2 => note(), 1 => note_gone(), 1 => said_parameters(), 1 => remarks(),
        1 => run_tags(), 1 => run_repository(), 1 => overwritten(), 1 => link(),
    ];
    vec(fact, 0..24)
}

/// How often a property is tried, unless `PROPTEST_CASES` says otherwise.
pub(crate) fn tries(cases: u32) -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if config.cases == 256 {
        config.cases = cases;
    }
    config.failure_persistence = None;
    config
}

/// A journal and a store in a folder of their own.
pub(crate) struct Place {
    pub folder: tempfile::TempDir,
    segments: u128,
}

impl Place {
    pub(crate) fn new() -> Self {
        Place { folder: tempfile::tempdir().unwrap(), segments: 0 }
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.folder.path().join("journal")
    }

    pub(crate) fn store(&self) -> Store {
        self.store_on(Disk::new())
    }

    pub(crate) fn store_on(&self, disk: Disk) -> Store {
        Store::at(disk, self.folder.path().join("store.redb"))
    }

    /// Writes facts to a segment of their own.
    pub(crate) fn record(&mut self, facts: &[Fact]) -> u128 {
        self.segments += 1;
        record_as(&self.journal(), self.segments, facts);
        self.segments
    }

    pub(crate) fn apply(&self) -> Snapshot {
        let applied = self.store().apply(&self.journal()).unwrap();
        assert!(applied.unreadable.is_empty(), "{:?}", applied.unreadable);
        self.snapshot()
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.store().snapshot().unwrap().expect("there is a store")
    }
}

pub(crate) fn record_as(journal: &Path, segment: u128, facts: &[Fact]) {
    let mut writer = Writer::create(&Disk::new(), journal, segment).unwrap();
    for fact in facts {
        writer.append(fact).unwrap();
    }
    writer.commit().unwrap();
}

/// Builds a store from facts in one segment.
pub(crate) fn store_of(facts: &[Fact]) -> (Place, Snapshot) {
    let mut place = Place::new();
    place.record(facts);
    let snapshot = place.apply();
    (place, snapshot)
}

/// Everything that a store says, as bytes of facts and lines of answers.
pub(crate) fn everything(snapshot: &Snapshot) -> Vec<String> {
    let mut said = Vec::new();
    snapshot
        .facts(&mut |fact| {
            assert!(!journal::encode(&fact).unwrap().is_empty());
            said.push(format!("{fact:?}"));
            Ok(())
        })
        .unwrap();
    said.push(format!("latest {:?}", snapshot.latest()));
    said.push(format!("counts {:?}", snapshot.counts().unwrap()));
    said.extend(files(snapshot));
    said.extend(nodes(snapshot));
    said.extend(notes(snapshot));
    said.extend(indexes(snapshot));
    said.extend(models(snapshot));
    said
}

/// The notes that count, which are also found by what they name: index against scan.
fn notes(snapshot: &Snapshot) -> Vec<String> {
    let now = snapshot.notes_below(&[]).unwrap();
    for note in &now {
        assert_eq!(snapshot.note(&note.artifact.path).unwrap().as_ref(), Some(note));
    }
    let mut said = vec![format!("notes {now:?}")];
    for (sort, name) in ReferenceSort::ALL.iter().flat_map(|sort| NAMES.map(|name| (*sort, name))) {
        let naming = snapshot.notes_naming(sort, name).unwrap();
        let names = |note: &&Note| note.references.iter().any(|r| r.sort == sort && r.name == name);
        assert_eq!(naming, now.iter().filter(names).cloned().collect::<Vec<_>>());
        said.push(format!("{sort:?} {name} by {}", naming.len()));
    }
    said
}

/// What the indexes say that searches go by.
fn indexes(snapshot: &Snapshot) -> Vec<String> {
    let mut said = vec![format!("{:?}", snapshot.parameter_names(9).unwrap())];
    let all = (Bound::Unbounded, Bound::Unbounded);
    for name in snapshot.metric_names(9).unwrap() {
        let metric = snapshot.metric_no(&name).unwrap().unwrap();
        for by in [OrderedBy::Last, OrderedBy::Min, OrderedBy::Max] {
            let mut owners = Vec::new();
            let visit = |value: MetricValue, owner| {
                let summary = snapshot.metric_summary(owner, metric).unwrap().unwrap();
                let indexed = match by {
                    OrderedBy::Last => summary.last.value,
                    OrderedBy::Min => summary.min,
                    OrderedBy::Max => summary.max,
                };
                assert_eq!(indexed, value);
                let values: Vec<MetricValue> = snapshot
                    .metrics(owner)
                    .unwrap()
                    .into_iter()
                    .filter(|p| p.name == name)
                    .map(|p| p.value)
                    .collect();
                assert_eq!(values.iter().min(), Some(&summary.min));
                assert_eq!(values.iter().max(), Some(&summary.max));
                assert_eq!(values.last(), Some(&summary.last.value));
                assert_eq!(values.first(), Some(&summary.first.value));
                owners.push((value, owner, snapshot.metric_count(owner, metric).unwrap(), summary));
                Ok(GO_ON)
            };
            snapshot.metric_owners(metric, by, all, true, visit).unwrap();
            said.push(format!("{name} by {by:?}: {owners:?}"));
        }
    }
    let id = |run| snapshot.run(run).unwrap().map(|run| run.id);
    for term in [
        Term::Name("train".into()),
        Term::Kind(RunKind::Command),
        Term::Host("here".into()),
        Term::By("anna".into()),
        Term::Branch("main".into()),
        Term::Commit("ea4".into()),
        Term::Parameter("lr".into(), "a".into()),
        Term::Parameter("lr".into(), "a\0b".into()),
        Term::Parameter("lr".into(), "0.1".into()),
        Term::Status(RunStatus::Failed),
        Term::ExitCode(1),
    ] {
        let mut runs = Vec::new();
        let visit = |run| {
            runs.push(id(run));
            Ok(GO_ON)
        };
        snapshot.runs_with(&term, visit).unwrap();
        said.push(format!("{term:?}: {runs:?}"));
    }
    let mut runs = Vec::new();
    let tenth = MetricValue::new(0.1).unwrap();
    for range in [(Bound::Included(tenth), Bound::Unbounded), (Bound::Unbounded, Bound::Excluded(tenth))] {
        let visit = |run| {
            runs.push(id(run));
            Ok(GO_ON)
        };
        snapshot.runs_with_number("lr", range, visit).unwrap();
        runs.push(None);
    }
    said.push(format!("{runs:?}"));
    said
}

fn models(snapshot: &Snapshot) -> Vec<String> {
    let mut said = Vec::new();
    let mut names = Vec::new();
    snapshot
        .model_names(|name| {
            names.push(name.to_owned());
            Ok(GO_ON)
        })
        .unwrap();
    for name in &names {
        for order in [Order::Rising, Order::Falling] {
            let mut versions = Vec::new();
            snapshot
                .model_versions(name, order, |model| {
                    versions.push(model.id);
                    Ok(GO_ON)
                })
                .unwrap();
            said.push(format!("{name}: {versions:?}"));
        }
        let mut promotions = Vec::new();
        snapshot
            .promotions(name, |order, id| {
                promotions.push((order, id));
                Ok(GO_ON)
            })
            .unwrap();
        assert!(promotions.is_sorted_by(|a, b| a > b));
        for (count, (after, _)) in promotions.iter().enumerate() {
            let mut later = Vec::new();
            snapshot
                .promotions_after(name, *after, |order, id| {
                    later.insert(0, (order, id));
                    Ok(GO_ON)
                })
                .unwrap();
            let is_later = |(order, _): &&_| order > after;
            let expected: Vec<_> = promotions[..count].iter().filter(is_later).copied().collect();
            assert_eq!(later, expected);
        }
        said.push(format!("{name}: {promotions:?} {:?}", snapshot.aliases_of(name).unwrap()));
        said.push(format!("{:?}", snapshot.models_named(name, "1.1.0").unwrap()));
    }
    let runs = (1..5).map(|n: u128| NodeId::from_u128((n << 96) | (n * 0x1_0001)));
    said.extend(runs.map(|run| format!("{run:?} trained {:?}", snapshot.models_of_run(run).unwrap())));
    said
}

fn files(snapshot: &Snapshot) -> Vec<String> {
    let mut said = Vec::new();
    let name = |number| snapshot.artifact(number).unwrap();
    for artifact in artifacts() {
        let copies = snapshot.artifacts_with(&artifact.digest).unwrap();
        let copies: Vec<Artifact> = copies.into_iter().map(name).collect();
        said.push(format!("{artifact:?} lies at {copies:?}"));
        let Some(path) = snapshot.path_no(&artifact.path).unwrap() else {
            continue;
        };
        let versions: Vec<Artifact> = snapshot.versions(path).unwrap().into_iter().map(name).collect();
        said.push(format!("{:?} was {versions:?}", artifact.path));
        if let Some(number) = snapshot.artifact_no(path, &artifact.digest).unwrap() {
            assert_eq!(name(number), artifact);
            said.push(format!("{artifact:?} in {:?}", snapshot.models_with(number).unwrap()));
            said.push(format!("{artifact:?} into {:?}", snapshot.models_with_any_input(&[number]).unwrap()));
        }
    }
    said
}

fn nodes(snapshot: &Snapshot) -> Vec<String> {
    let mut said = Vec::new();
    let id = |step| snapshot.edges(step).unwrap().unwrap().id;
    for digest in [Digest::of(b"key"), Digest::of(b"other")] {
        let steps = snapshot.steps_by_key(&digest).unwrap();
        said.push(format!("{digest:?}: {:?}", steps.into_iter().map(id).collect::<Vec<_>>()));
    }
    snapshot
        .runs_newest_first(|run| {
            let view = snapshot.run(run)?.unwrap();
            let steps = snapshot.steps_of(run)?;
            let labelled = snapshot.runs_labelled(view.run_id.as_str())?;
            assert!(labelled.contains(&run));
            if let Some(commit) = &view.code.commit {
                let at_commit = snapshot.runs_at_commit(&commit[..7], usize::MAX)?;
                let started = at_commit.iter().map(|run| Ok(snapshot.run(*run)?.unwrap().started_at));
                let started = started.collect::<crate::error::Result<Vec<_>>>()?;
                assert!(at_commit.contains(&run) && started.is_sorted_by(|a, b| a >= b));
            }
            assert!(snapshot.runs_with_tail(&view.id.tail(8), 9)?.contains(&run));
            said.push(format!(
                "run {:?} {:?} {:?}",
                view.id,
                labelled.len(),
                steps.into_iter().map(id).collect::<Vec<_>>()
            ));
            Ok(GO_ON)
        })
        .unwrap();
    said
}
