//! Projecting when nothing changed, and the complete backup: written, read back, merged.

use std::io::BufReader;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use lineage::model::{
    Artifact, ArtifactPath, Digest, Evidence, Fact, Generated, NodeId, Role, Run, RunId, RunKind, RunOutcome,
    RunStatus, Step, Timestamp,
};
use lineage::rooms::{BackupOf, ProjectRequest, Workspace, Writer, import_jsonl, jsonl, project};

/// True where the benchmark is only to show that it runs: `cargo bench -- --test`, `cargo test`.
fn is_trial() -> bool {
    std::env::args().any(|argument| argument == "--test") || !std::env::args().any(|a| a == "--bench")
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(1_765_561_338_000_000 + micros)
}

fn run(number: i64, segment: u128) -> Run {
    let started_at = at(number * 1_000_000);
    let (id, run_id) = (NodeId::new(started_at), RunId::at(started_at));
    Run {
        arguments: vec!["lineage".to_owned(), "pipeline".to_owned()],
        parameters: vec![("stages".to_owned(), "segment".to_owned())],
        host: "here".to_owned(),
        ..Run::new(id, run_id, "all", RunKind::Pipeline, started_at, segment)
    }
}

fn step(run: &Run, number: i64, content: &[u8]) -> Step {
    let path = format!("data/processed/{}_all/{number:06}_{}_segmented_risks.json", run.run_id, run.run_id);
    let at = Timestamp::from_micros(run.started_at.micros() + number);
    Step {
        subject: format!("data/raw/{number:06}.htm"),
        generated: vec![Generated {
            artifact: Artifact {
                path: ArtifactPath::new(path).expect("a path"),
                digest: Digest::of(content),
                size_bytes: content.len() as u64,
            },
            at,
            evidence: Evidence::Observed,
            role: Role::Data,
        }],
        ..Step::new(NodeId::new(at), run.id, "segment", [at, at])
    }
}

/// Records pipeline runs with so many outputs in all, each kept where `keep` says so.
fn record(folder: &Path, runs: i64, outputs: i64, keep: bool) -> Workspace {
    let workspace = Workspace::init(folder).expect("a workspace");
    let mut writer = Writer::create(workspace.disk(), &workspace.journal(), 1).expect("a segment");
    for number in 0..runs {
        let run = run(number, 1);
        writer.append(&Fact::RunStarted(run.clone())).expect("the disk takes it");
        for output in 0..outputs / runs {
            let content = format!("{{\"output\": {output}, \"run\": {number}}}\n");
            if keep {
                workspace.contents().keep(content.as_bytes()).expect("the disk takes it");
            }
            writer
                .append(&Fact::StepDone(step(&run, output, content.as_bytes())))
                .expect("the disk takes it");
        }
        let outcome = RunOutcome {
            exit_code: Some(0),
            ..RunOutcome::new(run.id, at((number + 1) * 1_000_000 - 1), RunStatus::Succeeded, 1)
        };
        writer.append(&Fact::RunOutcome(outcome)).expect("the disk takes it");
    }
    writer.commit().expect("the disk takes it");
    drop(writer);
    workspace.store().apply(&workspace.journal()).expect("the store takes it");
    workspace
}

fn projecting(criterion: &mut Criterion) {
    let files = if is_trial() { 100 } else { 10_000 };
    // On a disk: in memory (tmpfs) the times of files prove nothing, and every file would be read.
    let folder = tempfile::tempdir().expect("a folder");
    let workspace = record(folder.path(), 10, files, true);
    let request = ProjectRequest::default();
    let start = Instant::now();
    let first = project(&workspace, &request).expect("it can be projected");
    eprintln!("{} files projected for the first time in {:.2?}", first.files.len(), start.elapsed());
    // Until the files are old enough to be known by their looks alone.
    while start.elapsed().as_secs() < 3 && !is_trial() {
        project(&workspace, &request).expect("it can be projected");
    }
    let mut group = criterion.benchmark_group("project");
    group.sample_size(10);
    group.throughput(Throughput::Elements(files as u64));
    group.bench_function(format!("{files} files, nothing changed"), |b| {
        b.iter(|| assert!(project(&workspace, &request).expect("it can be projected").files.is_empty()));
    });
    group.bench_function(format!("{files} files, nothing changed, cold process"), |b| {
        b.iter(|| {
            let output = Command::new(env!("CARGO_BIN_EXE_lineage"))
                .arg("project")
                .current_dir(folder.path())
                .output()
                .expect("it starts");
            assert!(output.status.success());
        });
    });
    group.finish();
}

fn backup(criterion: &mut Criterion) {
    let facts = if is_trial() { 1_000 } else { 1_000_000 };
    let folder = tempfile::tempdir().expect("a folder");
    let workspace = record(folder.path(), 100, facts, false);
    let mut bytes = Vec::new();
    let snapshot = workspace.store().snapshot().expect("readable").expect("there");
    let count = jsonl(&snapshot, &[], &mut bytes).expect("it can be written");
    eprintln!("{count} facts are {:.1} MB of lines", bytes.len() as f64 / 1e6);
    let mut group = criterion.benchmark_group("backup");
    group.sample_size(10);
    group.throughput(Throughput::Elements(count));
    group.bench_function(format!("export {count} facts as jsonl"), |b| {
        b.iter(|| jsonl(&snapshot, &[], &mut std::io::sink()).expect("it can be written"));
    });
    group.bench_function(format!("import {count} facts from jsonl into an empty workspace"), |b| {
        b.iter(|| {
            let folder = tempfile::tempdir().expect("a folder");
            let empty = Workspace::init(folder.path()).expect("a workspace");
            let taken =
                import_jsonl(&empty, "backup", &mut BufReader::new(bytes.as_slice()), BackupOf::Other);
            assert_eq!(taken.expect("it can be taken over").new, count);
        });
    });
    group.bench_function(format!("import {count} facts that are all known"), |b| {
        b.iter(|| {
            let taken =
                import_jsonl(&workspace, "backup", &mut BufReader::new(bytes.as_slice()), BackupOf::Other);
            assert_eq!(taken.expect("it can be taken over").new, 0);
        });
    });
    group.finish();
}

criterion_group!(benches, projecting, backup);
criterion_main!(benches);
