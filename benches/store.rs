//! Journal, store and walks on synthetic workspaces of 10^4, 10^5 and 10^6 artifacts, the answers also from a cold process.
//!
//! A workspace is made of pipelines of twenty steps, each step reading what the one before wrote, and of one shared input that
//! many runs of one step read. `LINEAGE_BENCH_ARTIFACTS=10000,100000` chooses other sizes, `LINEAGE_BENCH_BUILD=<folder>` only
//! makes a workspace of the first of them, to try the program on by hand. Under `cargo test` and `--test` one small size is used.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};

use lineage::model::{
    Artifact, ArtifactPath, Digest, Evidence, Fact, Generated, NodeId, Role, Run, RunId, RunKind, RunOutcome,
    RunStatus, Step, Timestamp, Used,
};
use lineage::rooms::{self as query, Disk, Workspace, Writer};

/// Steps in a pipeline.
const DEPTH: usize = 20;

fn is_trial() -> bool {
    let has = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    has("--test") || !has("--bench")
}

fn sizes() -> Vec<usize> {
    if is_trial() {
        return vec![1_000];
    }
    let chosen =
        std::env::var("LINEAGE_BENCH_ARTIFACTS").unwrap_or_else(|_| "10000,100000,1000000".to_owned());
    chosen.split(',').map(|size| size.trim().parse().expect("sizes are numbers")).collect()
}

/// How many runs read the shared input in a store of so many artifacts.
fn readers(artifacts: usize) -> usize {
    artifacts / 10
}

/// Writes facts whose times go on, microsecond by microsecond.
struct Facts {
    writer: Writer,
    now: i64,
    runs: i64,
}

impl Facts {
    fn create(workspace: &Workspace) -> Self {
        let writer = Writer::create(&Disk::new(), &workspace.journal(), 1).expect("a segment");
        Facts { writer, now: 1_700_000_000_000_000, runs: 0 }
    }

    fn tick(&mut self) -> Timestamp {
        self.now += 1;
        Timestamp::from_micros(self.now)
    }

    fn add(&mut self, fact: &Fact) {
        self.writer.append(fact).expect("the journal takes it");
    }

    fn run(&mut self) -> NodeId {
        let started_at = self.tick();
        let id = NodeId::new(started_at);
        self.runs += 1;
        let second = Timestamp::from_micros(1_000_000_000_000_000 + self.runs * 1_000_000);
        self.add(&Fact::RunStarted(Run {
            arguments: vec!["python".to_owned(), "step.py".to_owned()],
            parameters: vec![("seed".to_owned(), self.runs.to_string())],
            host: "bench".to_owned(),
            ..Run::new(id, RunId::at(second), "synthetic", RunKind::Command, started_at, 1)
        }));
        id
    }

    fn end(&mut self, run: NodeId) {
        let at = self.tick();
        self.add(&Fact::RunOutcome(RunOutcome {
            exit_code: Some(0),
            ..RunOutcome::new(run, at, RunStatus::Succeeded, 1)
        }));
    }

    fn step(&mut self, run: NodeId, inputs: &[Artifact], output: &Artifact) {
        let started_at = self.tick();
        let used = inputs.iter().map(|artifact| Used {
            artifact: artifact.clone(),
            at: started_at,
            evidence: Evidence::Observed,
            role: Role::Data,
        });
        let used = used.collect();
        let ended_at = self.tick();
        self.add(&Fact::StepDone(Step {
            used,
            generated: vec![Generated {
                artifact: output.clone(),
                at: ended_at,
                evidence: Evidence::Observed,
                role: Role::Data,
            }],
            ..Step::new(NodeId::new(started_at), run, "step", [started_at, ended_at])
        }));
    }
}

fn artifact(path: String) -> Artifact {
    let digest = Digest::of(path.as_bytes());
    Artifact { path: ArtifactPath::new(path).expect("a path"), digest, size_bytes: 1_000 }
}

fn shared() -> Artifact {
    artifact("config/shared.yaml".to_owned())
}

fn chain_file(chain: usize, depth: usize) -> Artifact {
    artifact(format!("data/chain_{chain:07}/stage_{depth:02}.json"))
}

/// A workspace, and what making it cost.
struct Synthetic {
    workspace: Workspace,
    facts: u64,
    edges: usize,
    journal: Duration,
    journal_bytes: u64,
    apply: Duration,
}

/// Records pipelines until there are `artifacts` of them, with every tenth artifact made from the shared input.
fn synthetic(folder: &Path, artifacts: usize) -> Synthetic {
    let workspace = Workspace::init(folder).expect("a workspace");
    let start = Instant::now();
    let mut facts = Facts::create(&workspace);
    let mut edges = 0;
    let readers = readers(artifacts);
    for chain in 0..(artifacts - readers) / DEPTH {
        let run = facts.run();
        // The first chain also reads what a hundred thousand others read.
        let mut inputs = vec![artifact(format!("data/raw/{chain:07}.txt")), shared()];
        inputs.truncate(if chain == 0 { 2 } else { 1 });
        for depth in 0..DEPTH {
            let output = chain_file(chain, depth);
            facts.step(run, &inputs, &output);
            edges += inputs.len() + 1;
            inputs = vec![output];
        }
        facts.end(run);
    }
    for reader in 0..readers {
        let run = facts.run();
        facts.step(run, &[shared()], &artifact(format!("out/{reader:07}.json")));
        edges += 2;
        facts.end(run);
    }
    facts.writer.commit().expect("the disk takes it");
    let journal_bytes = facts.writer.length();
    drop(facts);
    let (journal, start) = (start.elapsed(), Instant::now());
    let facts = workspace.store().apply(&workspace.journal()).expect("the store takes it").facts;
    Synthetic { workspace, facts, edges, journal, journal_bytes, apply: start.elapsed() }
}

impl Synthetic {
    /// Says what making it cost, and what it costs to bring the store up to the journal in pieces instead of at once.
    fn report(&self, artifacts: usize) {
        let of = |count: f64, took: Duration| count / took.as_secs_f64();
        let edges = self.edges as f64;
        eprintln!(
            "{artifacts} artifacts, {} edges, {} facts: journal {:.1} MB in {:.2?} ({:.0} facts/s, {:.0} MB/s), store {:.0} MB \
             built in {:.2?} ({:.0} edges/s)",
            self.edges,
            self.facts,
            self.journal_bytes as f64 / 1e6,
            self.journal,
            of(self.facts as f64, self.journal),
            of(self.journal_bytes as f64 / 1e6, self.journal),
            std::fs::metadata(self.workspace.store().path()).map_or(0, |m| m.len()) as f64 / 1e6,
            self.apply,
            of(edges, self.apply),
        );
        let (half, more) = (edges / 2.0, self.apply_second_half());
        eprintln!("    applied to a store that has half of it: {more:.2?} ({:.0} edges/s)", of(half, more));
    }

    /// Returns how long it takes to apply the second half of the journal to a store that has the first.
    fn apply_second_half(&self) -> Duration {
        let folder = tempfile::tempdir().expect("a folder");
        let halves = Workspace::init(folder.path()).expect("a workspace");
        let name = format!("{:032x}.seg", 1);
        let (whole, part) = (self.workspace.journal().join(&name), halves.journal().join(&name));
        let bytes = std::fs::read(whole).expect("readable");
        std::fs::write(&part, &bytes[..bytes.len() / 2]).expect("the disk takes it");
        // A lock, as a writer that lives holds it: what is cut off in the middle is still to come.
        let file = std::fs::File::open(&part).expect("readable");
        file.lock().expect("nobody else has it");
        halves.store().apply(&halves.journal()).expect("the store takes it");
        std::fs::write(&part, &bytes).expect("the disk takes it");
        let start = Instant::now();
        let applied = halves.store().apply(&halves.journal()).expect("the store takes it");
        assert!(!applied.rebuilt);
        start.elapsed()
    }
}

fn answers(criterion: &mut Criterion) {
    for size in sizes() {
        let folder = tempfile::tempdir().expect("a folder");
        let made = synthetic(folder.path(), size);
        made.report(size);
        let last = (size - readers(size)) / DEPTH - 1;
        let mut group = criterion.benchmark_group("answers");
        group.sample_size(20);
        for (name, file) in [
            ("show, 20 steps deep", chain_file(last, DEPTH - 1)),
            ("show, 20 steps deep, one input read by a tenth of all", chain_file(0, DEPTH - 1)),
        ] {
            let word = file.path.to_string();
            group.bench_function(BenchmarkId::new(format!("cold process: {name}"), size), |b| {
                b.iter(|| show(folder.path(), &[&word]));
            });
            group.bench_function(BenchmarkId::new(format!("open and walk: {name}"), size), |b| {
                b.iter(|| assert_eq!(steps_up(&made.workspace, &file), DEPTH));
            });
        }
        group.sample_size(10);
        group.throughput(Throughput::Elements(2 * readers(size) as u64 + 1));
        group.bench_function(BenchmarkId::new("open and walk: --down of the shared input", size), |b| {
            b.iter(|| assert_eq!(steps_down(&made.workspace, &shared()), readers(size) + DEPTH));
        });
        group.bench_function(BenchmarkId::new("cold process: show --down of the shared input", size), |b| {
            b.iter(|| show(folder.path(), &["config/shared.yaml", "--down"]));
        });
        group.finish();
    }
}

/// A chain of runs, each reading what the one before wrote.
fn chain(criterion: &mut Criterion) {
    let length = if is_trial() { 100 } else { 10_000 };
    let folder = tempfile::tempdir().expect("a folder");
    let workspace = Workspace::init(folder.path()).expect("a workspace");
    let mut facts = Facts::create(&workspace);
    for link in 0..length {
        let run = facts.run();
        let output = artifact(format!("chain/{link}.json"));
        let input = artifact(format!("chain/{}.json", link as i64 - 1));
        facts.step(run, &[input], &output);
        facts.end(run);
    }
    facts.writer.commit().expect("the disk takes it");
    drop(facts);
    workspace.store().apply(&workspace.journal()).expect("the store takes it");
    let last = artifact(format!("chain/{}.json", length - 1));
    criterion.bench_function(&format!("a chain of {length} runs, whole"), |b| {
        b.iter(|| assert_eq!(steps_up(&workspace, &last), length));
    });
}

fn steps_up(workspace: &Workspace, file: &Artifact) -> usize {
    let snapshot = workspace.store().snapshot().expect("readable").expect("there");
    let path = snapshot.path_no(&file.path).expect("readable").expect("recorded");
    let number = snapshot.artifact_no(path, &file.digest).expect("readable").expect("recorded");
    query::upstream(&snapshot, number, i64::MAX, u32::MAX).expect("readable").steps.len()
}

fn steps_down(workspace: &Workspace, file: &Artifact) -> usize {
    let snapshot = workspace.store().snapshot().expect("readable").expect("there");
    let path = snapshot.path_no(&file.path).expect("readable").expect("recorded");
    let number = snapshot.artifact_no(path, &file.digest).expect("readable").expect("recorded");
    query::downstream(&snapshot, number, u32::MAX).expect("readable").steps.len()
}

/// Runs `lineage show` as its own process.
fn show(folder: &Path, arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_lineage"))
        .arg("show")
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Appending to the journal, each hundred facts forced to the disk.
fn append(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let workspace = Workspace::init(folder.path()).expect("a workspace");
    let mut facts = Facts::create(&workspace);
    let run = facts.run();
    let mut group = criterion.benchmark_group("journal");
    group.sample_size(10);
    group.throughput(Throughput::Elements(100));
    group.bench_function("append 100 steps and commit", |b| {
        b.iter(|| {
            for number in 0..100 {
                facts.step(run, &[shared()], &artifact(format!("out/{number}.json")));
            }
            facts.writer.commit().expect("the disk takes it");
        });
    });
    group.finish();
}

criterion_group!(benches, append, answers, chain);

fn main() {
    // `LINEAGE_BENCH_BUILD=<folder>` leaves a workspace of the first size there, to try the program on by hand.
    if let Some(folder) = std::env::var_os("LINEAGE_BENCH_BUILD") {
        let size = sizes()[0];
        std::fs::create_dir_all(&folder).expect("a folder");
        synthetic(Path::new(&folder), size).report(size);
        return;
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
