//! Small histories written as text, for tests.

use std::collections::BTreeMap;

use crate::disk::Disk;
use crate::journal::Writer;
use crate::model::{
    Artifact, ArtifactPath, ChangeKind, ChangedFile, Digest, Evidence, Fact, Generated, Metric, MetricValue,
    NodeId, Role, Run, RunId, RunKind, RunOutcome, RunStatus, Step, StepStatus, Timestamp, Used,
};
use crate::store::{Snapshot, Store};

/// A history that was recorded and applied.
pub(crate) struct History {
    _folder: tempfile::TempDir,
    pub(crate) snapshot: Snapshot,
    pub(crate) runs: BTreeMap<u8, NodeId>,
}

/// Names a file as `path=content`; with `!` before it, it is code, with `%` metrics, with `&` the environment. What a step was only
/// told of has `~` before it.
pub(crate) fn artifact(word: &str) -> (Artifact, Role) {
    let role = match word.as_bytes()[0] {
        b'!' => Role::Code,
        b'%' => Role::Metrics,
        b'&' => Role::Environment,
        _ => Role::Data,
    };
    let (path, content) = word.trim_start_matches(['!', '%', '&', '~']).split_once('=').unwrap();
    let artifact = Artifact {
        path: ArtifactPath::new(path).unwrap(),
        digest: Digest::of(content.as_bytes()),
        size_bytes: content.len() as u64,
    };
    (artifact, role)
}

fn changed_file(word: &str, kind: ChangeKind) -> ChangedFile {
    let (artifact, _) = artifact(word);
    let (path, digest, size_bytes) = (artifact.path, Some(artifact.digest), artifact.size_bytes);
    ChangedFile { path, kind, digest, size_bytes }
}

pub(crate) fn run_id(run: u8) -> RunId {
    RunId::at(Timestamp::from_micros(i64::from(run) * 1_000_000))
}

pub(crate) fn id(kind: u8, number: usize) -> NodeId {
    NodeId::from_u128(u128::from(kind) << 100 | number as u128)
}

/// Reads a history, one fact a line, in the order of time:
/// `run 1 pipeline lr=0.1 commit:aaa changed:train.py=x untracked:new.py=y`, `metric 1 loss=0.5`, or a step:
/// `1 train [keyed[:KEY]] lr=0.1 SUBJECT: data.csv=x !train.py=y -> model.pt=z`, or `… -> FAILED reason`. A step that read on after it
/// had written is `1 convert x: a=1 -> b=1; c=1 -> d=1`.
/// `{run}` and `{run_id}` stand for the names of the run's folder and of the run.
pub(crate) fn history(text: &str) -> History {
    let mut facts = Vec::new();
    let mut runs = BTreeMap::new();
    for (line_no, line) in text.lines().enumerate() {
        let at = |more: i64| Timestamp::from_micros(1_000_000_000 + line_no as i64 * 100 + more);
        let mut words = line.split_whitespace();
        let first = words.next().unwrap();
        let number: u8 = match first {
            "run" | "metric" => words.next().unwrap(),
            number => number,
        }
        .parse()
        .unwrap();
        let names = |text: &str| {
            let text = text.replace("{run}", &format!("{}_r{number}", run_id(number)));
            text.replace("{run_id}", run_id(number).as_str())
        };
        let (node, name) = (id(1, usize::from(number)), format!("r{number}"));
        let mut run = Run::new(node, run_id(number), name, RunKind::Library, at(0), 1);
        if first == "run" {
            for word in words {
                if let Some(commit) = word.strip_prefix("commit:") {
                    run.code.repository = true;
                    run.code.commit = Some(commit.to_owned());
                } else if let Some(file) = word.strip_prefix("changed:") {
                    run.code.changed.push(changed_file(file, ChangeKind::Modified));
                } else if let Some(file) = word.strip_prefix("untracked:") {
                    run.code.untracked.push(changed_file(file, ChangeKind::Untracked));
                } else if word == "pipeline" {
                    run.kind = RunKind::Pipeline;
                } else if let Some(command) = word.strip_prefix("command:") {
                    (run.kind, run.arguments) = (RunKind::Command, vec![command.to_owned()]);
                } else if word == "rerun" {
                    run.rerun_of = Some(id(1, 1));
                } else {
                    let (name, value) = word.split_once('=').unwrap();
                    run.parameters.push((name.to_owned(), value.to_owned()));
                }
            }
        }
        if runs.insert(number, run.id).is_none() {
            facts.push(Fact::RunStarted(run.clone()));
        }
        match first {
            "run" => {}
            "metric" => {
                let (name, value) = line.rsplit_once(' ').unwrap().1.split_once('=').unwrap();
                facts.push(Fact::Metrics(vec![Metric {
                    owner: run.id,
                    name: name.to_owned(),
                    step: 0,
                    at: at(1),
                    value: MetricValue::new(value.parse().unwrap()).unwrap(),
                }]));
            }
            _ => facts.push(Fact::StepDone(step(&names(line), id(2, line_no), run.id, at))),
        }
    }
    let mut ends: Vec<Fact> = Vec::new();
    for run in runs.values() {
        ends.push(Fact::RunOutcome(RunOutcome {
            exit_code: Some(0),
            ..RunOutcome::new(*run, Timestamp::from_micros(2_000_000_000), RunStatus::Succeeded, 1)
        }));
    }
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let mut writer = Writer::create(&Disk::new(), &journal, 1).unwrap();
    for fact in facts.iter().chain(&ends) {
        writer.append(fact).unwrap();
    }
    writer.commit().unwrap();
    drop(writer);
    let store = Store::at(Disk::new(), folder.path().join("store.redb"));
    store.apply(&journal).unwrap();
    History { snapshot: store.snapshot().unwrap().unwrap(), _folder: folder, runs }
}

fn step(line: &str, id: NodeId, run: NodeId, at: impl Fn(i64) -> Timestamp) -> Step {
    let (head, edges) = line.split_once(": ").unwrap();
    let mut words = head.split_whitespace().skip(1);
    let name = words.next().unwrap().to_owned();
    let (mut parameters, mut subject, mut key) = (Vec::new(), Vec::new(), None);
    for word in words {
        match word.split_once('=') {
            Some((name, value)) => parameters.push((name.to_owned(), value.to_owned())),
            None if word.starts_with("keyed:") => key = Some(Digest::of(word.as_bytes())),
            None if word == "keyed" => key = Some(Digest::of(line.as_bytes())),
            None => subject.push(word),
        }
    }
    let (mut used, mut generated, mut reason, mut now) = (Vec::new(), Vec::new(), None, 0);
    for part in edges.split(';') {
        let (reads, writes) = part.split_once("->").unwrap();
        used.extend(reads.split_whitespace().map(|word| {
            let (artifact, role) = artifact(word);
            let evidence = if word.starts_with('~') { Evidence::Inferred } else { Evidence::Observed };
            Used { artifact, at: at(now + 1), evidence, role }
        }));
        reason = writes.trim().strip_prefix("FAILED ").map(str::to_owned);
        let written = if reason.is_some() { "" } else { writes };
        generated.extend(written.split_whitespace().map(|word| {
            let (artifact, role) = artifact(word);
            Generated { artifact, at: at(now + 2), evidence: Evidence::Observed, role }
        }));
        now += 2;
    }
    Step {
        subject: subject.join(" "),
        status: if reason.is_some() { StepStatus::Failed } else { StepStatus::Succeeded },
        reason,
        parameters,
        key,
        used,
        generated,
        ..Step::new(id, run, name, [at(0), at(now + 1)])
    }
}
