//! Searches over 10^3, 10^4 and 10^5 runs, from a cold process: what indexes answer, what must be looked through, and questions on
//! files.
//!
//! Each run has ten parameters, ten metrics and one step that reads one of a hundred inputs, or the one that all of a tenth of them
//! read. `LINEAGE_BENCH_RUNS=1000,10000` chooses other sizes. Under `--test` one small size is used.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use criterion::{BenchmarkId, Criterion, criterion_group};

use lineage::disk::Disk;
use lineage::journal::Writer;
use lineage::model::{
    Artifact, ArtifactPath, CodeState, Digest, Evidence, Fact, Generated, Metric, MetricValue, NodeId, Role,
    Run, RunId, RunKind, RunOutcome, RunStatus, Step, StepStatus, Timestamp, Used,
};
use lineage::ops::Workspace;

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

fn facts_of(number: usize, now: &mut i64, add: &mut dyn FnMut(&Fact)) {
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
    add(&Fact::RunStarted(Run {
        id,
        run_id: RunId::at(second),
        name: ["train", "evaluate"][number % 2].to_owned(),
        kind: RunKind::Command,
        arguments: vec!["python".to_owned(), "train.py".to_owned()],
        parameters,
        folder: String::new(),
        code: CodeState {
            repository: true,
            commit: Some(format!("{:040x}", number % 50)),
            ..CodeState::default()
        },
        started_at,
        parent: None,
        rerun_of: None,
        recorder: "bench".to_owned(),
        host: "bench".to_owned(),
        segment: 1,
    }));
    let input = if number.is_multiple_of(10) {
        "data/shared.json".to_owned()
    } else {
        format!("data/part_{:02}.json", number % 100)
    };
    let (read_at, written_at) = (tick(), tick());
    let (evidence, role) = (Evidence::Observed, Role::Data);
    add(&Fact::StepDone(Step {
        id: NodeId::new(read_at),
        run: id,
        name: "python".to_owned(),
        subject: String::new(),
        status: StepStatus::Succeeded,
        reason: None,
        started_at: read_at,
        ended_at: written_at,
        parameters: Vec::new(),
        key: None,
        cached_from: None,
        used: vec![Used { artifact: artifact(input), at: read_at, evidence, role }],
        generated: vec![Generated {
            artifact: artifact(format!("models/{number}.pt")),
            at: written_at,
            evidence,
            role,
        }],
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
        run: id,
        at: tick(),
        status,
        exit_code: Some(i32::from(status == RunStatus::Failed)),
        reason: None,
        code: None,
        arguments: Vec::new(),
        segment: 1,
    }));
}

/// Records so many runs and applies them.
fn synthetic(folder: &Path, runs: usize) {
    let workspace = Workspace::init(folder).expect("a workspace");
    let mut writer = Writer::create(&Disk::new(), &workspace.journal(), 1).expect("a segment");
    let mut now = 1_700_000_000_000_000;
    for number in 0..runs {
        facts_of(number, &mut now, &mut |fact| writer.append(fact).expect("the journal takes it"));
    }
    writer.commit().expect("the disk takes it");
    drop(writer);
    let start = Instant::now();
    workspace.store().apply(&workspace.journal()).expect("the store takes it");
    let took = start.elapsed();
    let bytes = std::fs::metadata(workspace.store().path()).map_or(0, |m| m.len());
    eprintln!(
        "{runs} runs, 10 parameters and 10 metrics each: store {:.0} MB built in {took:.2?} ({:.0} runs/s)",
        bytes as f64 / 1e6,
        runs as f64 / took.as_secs_f64()
    );
}

/// Runs `lineage log` as its own process; returns how many lines it printed.
fn log(folder: &Path, arguments: &[&str]) -> usize {
    let output = Command::new(env!("CARGO_BIN_EXE_lineage"))
        .arg("log")
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.iter().filter(|byte| **byte == b'\n').count()
}

fn searches(criterion: &mut Criterion) {
    for size in sizes() {
        let folder = tempfile::tempdir().expect("a folder");
        synthetic(folder.path(), size);
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
            let arguments = [arguments, &["--limit", "10"]].concat();
            assert!(log(folder.path(), &arguments) > 0);
            group.bench_function(BenchmarkId::new(format!("cold process: {name}"), size), |b| {
                b.iter(|| log(folder.path(), &arguments));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, searches);

fn main() {
    // `LINEAGE_BENCH_BUILD=<folder>` leaves a workspace of the first size there, to try the program on by hand.
    if let Some(folder) = std::env::var_os("LINEAGE_BENCH_BUILD") {
        std::fs::create_dir_all(&folder).expect("a folder");
        synthetic(Path::new(&folder), sizes()[0]);
        return;
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
