//! Searches over 10^3, 10^4 and 10^5 runs, and over as many model versions, from a cold process: what indexes answer, what must be
//! looked through, and questions on files.
//!
//! Each run has ten parameters, ten metrics and one step that reads one of a hundred inputs, or the one that all of a tenth of them
//! read. Of model versions, each is one run's; every second is of one model, the others are of ten. `LINEAGE_BENCH_RUNS=1000,10000` chooses other sizes. Under `--test` one small size is used.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use criterion::{BenchmarkId, Criterion, criterion_group};

use lineage::model::{
    Artifact, ArtifactPath, CodeState, Digest, Evidence, Fact, Generated, Metric, MetricValue, ModelVersion,
    NamedArtifact, NodeId, Role, Run, RunId, RunKind, RunOutcome, RunStatus, Stage, Step, Timestamp, Used,
};
use lineage::rooms::{Author, Clock, Deletion, Disk, Workspace, Writer, delete};

fn sizes() -> Vec<usize> {
    let has = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    if has("--test") || !has("--bench") {
        return vec![200];
    }
    let chosen = std::env::var("LINEAGE_BENCH_RUNS").unwrap_or_else(|_| "1000,10000,100000".to_owned());
    chosen.split(',').map(|size| size.trim().parse().expect("sizes are numbers")).collect()
}

fn artifact(path: String) -> Artifact {
    let digest = Digest::of(path.as_bytes());
    Artifact { path: ArtifactPath::new(path).expect("a path"), digest, size_bytes: 1_000 }
}

/// Numbers from 0 to 1 that are the same each time and follow no order (a multiplicative hash of the run's number).
fn scattered(number: usize, salt: u64) -> f64 {
    let mixed = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ (salt << 17)).rotate_left(23);
    (mixed.wrapping_mul(0xd6e8_feb8_6659_fd93) >> 11) as f64 / (1_u64 << 53) as f64
}

fn facts_of(number: usize, now: &mut i64, add: &mut dyn FnMut(&Fact)) -> NodeId {
    let mut tick = || {
        *now += 1;
        Timestamp::from_micros(*now)
    };
    let started_at = tick();
    let id = NodeId::new(started_at);
    let second = Timestamp::from_micros(1_000_000_000_000_000 + number as i64 * 1_000_000);
    let mut parameters: Vec<(String, String)> =
        (0..8).map(|at| (format!("p{at}"), (number % (at + 2)).to_string())).collect();
    parameters.push(("lr".to_owned(), format!("{:.5}", scattered(number, 1) / 10.0)));
    parameters.push(("seed".to_owned(), number.to_string()));
    let name = ["train", "evaluate"][number % 2];
    add(&Fact::RunStarted(Run {
        arguments: vec!["python".to_owned(), "train.py".to_owned()],
        parameters,
        code: CodeState {
            repository: true,
            commit: Some(format!("{:040x}", number % 50)),
            ..CodeState::default()
        },
        host: "bench".to_owned(),
        ..Run::new(id, RunId::at(second), name, RunKind::Command, started_at, 1)
    }));
    let input = if number.is_multiple_of(10) {
        "data/shared.json".to_owned()
    } else {
        format!("data/part_{:02}.json", number % 100)
    };
    let (read_at, written_at) = (tick(), tick());
    let (evidence, role) = (Evidence::Observed, Role::Data);
    add(&Fact::StepDone(Step {
        used: vec![Used { artifact: artifact(input), at: read_at, evidence, role }],
        generated: vec![Generated {
            artifact: artifact(format!("models/{number}.pt")),
            at: written_at,
            evidence,
            role,
        }],
        ..Step::new(NodeId::new(read_at), id, "python", [read_at, written_at])
    }));
    let point = |at: u64| Metric {
        owner: id,
        name: if at == 0 { "f1_score".to_owned() } else { format!("m{at}") },
        step: 0,
        at: written_at,
        value: MetricValue::new(scattered(number, at + 2)).expect("finite"),
    };
    add(&Fact::Metrics((0..10).map(point).collect()));
    let status = if number % 100 == 99 { RunStatus::Failed } else { RunStatus::Succeeded };
    add(&Fact::RunOutcome(RunOutcome {
        exit_code: Some(i32::from(status == RunStatus::Failed)),
        ..RunOutcome::new(id, tick(), status, 1)
    }));
    id
}

/// The model that every second version is of.
const COMMON: &str = "classifier";
/// A model of a few percent of the versions, whose metrics are worse than those of all others.
const POOR: &str = "baseline";

/// Registers the result of a run.
fn version_of(number: usize, run: NodeId, now: &mut i64, add: &mut dyn FnMut(&Fact)) {
    *now += 1;
    let registered_at = Timestamp::from_micros(*now);
    let name = match number {
        _ if number.is_multiple_of(2) => COMMON.to_owned(),
        _ if number % 20 == 1 => POOR.to_owned(),
        _ => format!("model_{}", number % 20),
    };
    let worse = if name == POOR { 10.0 } else { 1.0 };
    let metric = |name: &str, salt: u64| {
        let value = MetricValue::new(scattered(number, salt) / worse).expect("finite");
        (name.to_owned(), value)
    };
    let stage = if number.is_multiple_of(50) { Stage::Staging } else { Stage::Development };
    add(&Fact::ModelRegistered(ModelVersion {
        run: Some(run),
        by: "bench".to_owned(),
        stage,
        base_model: (number % 100 == 2).then(|| format!("{COMMON}@1.0.0")),
        metrics: vec![metric("f1_score", 2), metric("accuracy", 20), metric("loss", 21)],
        artifacts: vec![NamedArtifact::file("model", artifact(format!("models/{number}.pt")))],
        ..ModelVersion::new(NodeId::new(registered_at), name, format!("1.{}.0", number / 2), registered_at)
    }));
}

/// Records so many runs, each with a model version where `models` says so, and applies them.
fn synthetic(folder: &Path, runs: usize, models: bool) {
    let workspace = Workspace::init(folder).expect("a workspace");
    let mut writer = Writer::create(&Disk::new(), &workspace.journal(), 1).expect("a segment");
    let mut now = 1_700_000_000_000_000;
    for number in 0..runs {
        let mut add = |fact: &Fact| writer.append(fact).expect("the journal takes it");
        let run = facts_of(number, &mut now, &mut add);
        if models {
            version_of(number, run, &mut now, &mut add);
        }
    }
    writer.commit().expect("the disk takes it");
    drop(writer);
    let start = Instant::now();
    workspace.store().apply(&workspace.journal()).expect("the store takes it");
    let took = start.elapsed();
    let bytes = std::fs::metadata(workspace.store().path()).map_or(0, |m| m.len());
    eprintln!(
        "{runs} runs, 10 parameters and 10 metrics each{}: store {:.0} MB built in {took:.2?} ({:.0} runs/s)",
        if models { ", and a model version" } else { "" },
        bytes as f64 / 1e6,
        runs as f64 / took.as_secs_f64()
    );
}

/// Runs `lineage` as its own process; returns how many lines it printed.
fn lineage(folder: &Path, arguments: &[&str]) -> usize {
    let output = Command::new(env!("CARGO_BIN_EXE_lineage"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.iter().filter(|byte| **byte == b'\n').count()
}

fn models(criterion: &mut Criterion) {
    for size in sizes() {
        let folder = tempfile::tempdir().expect("a folder");
        synthetic(folder.path(), size, true);
        let mut group = criterion.benchmark_group("models");
        group.sample_size(20);
        let all: [(&str, &[&str]); 8] = [
            ("`lineage --version`, for comparison", &["--version"]),
            (
                "f1_score > 0.8, the best ten",
                &["models", "--where", "f1_score > 0.8", "--sort", "-f1_score", "--limit", "10"],
            ),
            (
                "of one rare model, the best ten",
                &["models", "--where", "name = baseline", "--sort", "-f1_score", "--limit", "10"],
            ),
            ("in staging, ten", &["models", "--where", "stage = staging", "--limit", "10"]),
            ("ten of all", &["models", "--limit", "10"]),
            ("the best of the common model", &["models", "best", COMMON, "--by", "f1_score"]),
            ("the best of the poor model", &["models", "best", POOR, "--by", "f1_score"]),
            ("the smallest of the common model", &["models", "best", COMMON, "--by", "f1_score", "--min"]),
        ];
        for (name, arguments) in all {
            assert!(lineage(folder.path(), arguments) > 0);
            group.bench_function(BenchmarkId::new(format!("cold process: {name}"), size), |b| {
                b.iter(|| lineage(folder.path(), arguments));
            });
        }
        // What is in use is not withdrawn, so it can be asked for again and again.
        let workspace = Workspace::find(folder.path()).expect("readable").expect("it is there");
        let author = Author { name: "bench".to_owned() };
        let selector = format!("{COMMON}@1.0.0").parse().expect("a version");
        let deletion = Deletion { reason: "old".to_owned(), force: false };
        group.bench_function(
            BenchmarkId::new("in one process: withdraw what others were made from", size),
            |b| {
                b.iter(|| {
                    let refused = delete(&workspace, &Clock::machine(), &author, &selector, &deletion);
                    assert!(refused.expect_err("it is in use").message().contains("cannot be withdrawn"));
                });
            },
        );
        group.finish();
    }
}

fn searches(criterion: &mut Criterion) {
    for size in sizes() {
        let folder = tempfile::tempdir().expect("a folder");
        synthetic(folder.path(), size, false);
        let mut group = criterion.benchmark_group("search");
        group.sample_size(20);
        let all: [(&str, &[&str]); 9] = [
            ("nothing: the latest ten", &[]),
            ("f1_score > 0.8, the best ten", &["--where", "f1_score > 0.8", "--sort", "-f1_score"]),
            ("the best ten of all", &["--sort", "-f1_score"]),
            ("f1_score > 0.8, the latest ten", &["--where", "f1_score > 0.8"]),
            ("one seed", &["--where", "param.seed = 77"]),
            (
                "the best ten of those with lr < 0.001",
                &["--where", "param.lr < 0.001", "--sort", "-f1_score"],
            ),
            (
                "failed, the best ten",
                &["--where", "status = failed and name = evaluate", "--sort", "-f1_score"],
            ),
            (
                "trained on what a tenth read, the best ten",
                &["--where", "trained_on(\"data/shared.json\")", "--sort", "-f1_score"],
            ),
            ("no index: f1_score > 0.999 or m1 > 0.999", &["--where", "f1_score > 0.999 or m1 > 0.999"]),
        ];
        for (name, arguments) in all {
            let arguments = [&["log"], arguments, &["--limit", "10"]].concat();
            assert!(lineage(folder.path(), &arguments) > 0);
            group.bench_function(BenchmarkId::new(format!("cold process: {name}"), size), |b| {
                b.iter(|| lineage(folder.path(), &arguments));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, searches, models);

fn main() {
    // `LINEAGE_BENCH_BUILD=<folder>` leaves a workspace of the first size there, to try the program on by hand.
    if let Some(folder) = std::env::var_os("LINEAGE_BENCH_BUILD") {
        std::fs::create_dir_all(&folder).expect("a folder");
        synthetic(Path::new(&folder), sizes()[0], true);
        return;
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
