//! Runs, metrics and models through the library, and what a process of its own costs beside that.
//!
//! What is durable costs a wait for the disk, and disks differ by a factor of a hundred: the first lines printed say what one
//! wait costs where the benchmark runs, and each figure says how many it holds. `LINEAGE_BENCH_FOLDER` chooses where: the
//! disk of the current folder by default; `/dev/shm` shows what is ours alone. Under `cargo test` and `--test` all sizes are small.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group};

use lineage::Workspace;
use lineage::api::Entry;
use lineage::model::NodeId;

fn is_trial() -> bool {
    let has = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    has("--test") || !has("--bench")
}

/// Returns the first number, or under `cargo test` and `--test` the second.
fn sized(full: usize, trial: usize) -> usize {
    if is_trial() { trial } else { full }
}

fn scratch() -> tempfile::TempDir {
    let folder = std::env::var_os("LINEAGE_BENCH_FOLDER").map(PathBuf::from);
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    tempfile::tempdir_in(folder.unwrap_or(target)).expect("a folder")
}

/// A workspace, and three files of 4 KiB in it.
struct Scratch {
    folder: tempfile::TempDir,
    workspace: Workspace,
    files: [PathBuf; 3],
}

impl Scratch {
    fn new() -> Self {
        let folder = scratch();
        let workspace = Workspace::init(folder.path()).expect("a workspace");
        let files = ["in.bin", "model.bin", "predictions.bin"].map(|name| {
            let path = folder.path().join(name);
            std::fs::write(&path, name.as_bytes().repeat(4096).split_at(4096).0).expect("the disk takes it");
            path
        });
        Scratch { folder, workspace, files }
    }

    /// Records one run with 10 parameters, 10 metrics and 3 files, which are the same each time: after the first, they are neither read
    /// nor kept anew.
    fn run(&self, soon: bool) {
        let mut builder = self.workspace.run("train");
        for number in 0..10 {
            builder = builder.param(format!("parameter_{number}"), number);
        }
        let run = builder.start().expect("it starts");
        for number in 0..10 {
            run.metric(&format!("metric_{number}"), f64::from(number) / 10.0, 0).expect("it is taken");
        }
        run.used(&self.files[0]).expect("it is there");
        run.generated(&self.files[1]).expect("it is there");
        run.generated(&self.files[2]).expect("it is there");
        if soon { run.finish_soon() } else { run.finish() }.expect("the disk takes it");
    }
}

/// What one wait for the disk costs: 2 KB appended and forced there.
fn disk() {
    let folder = scratch();
    let mut file = std::fs::File::create(folder.path().join("probe")).expect("a file");
    let mut times: Vec<Duration> = (0..sized(200, 5))
        .map(|_| {
            file.write_all(&[7; 2000]).expect("the disk takes it");
            let start = Instant::now();
            file.sync_data().expect("the disk takes it");
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    let median = times[times.len() / 2];
    eprintln!("the disk below {}: one wait for it takes {median:.1?} (median)", folder.path().display());
}

fn runs(criterion: &mut Criterion) {
    disk();
    let scratch = Scratch::new();
    scratch.run(false);
    let mut group = criterion.benchmark_group("library");
    group.sample_size(20);
    group.bench_function("one run with 10 parameters, 10 metrics, 3 known files: durable, 1 wait", |b| {
        b.iter(|| scratch.run(false));
    });
    group.bench_function(
        "one run with 10 parameters, 10 metrics, 3 known files: durable a moment later, no wait",
        |b| {
            b.iter(|| scratch.run(true));
        },
    );
    let count = sized(1_000, 20);
    group.sample_size(10);
    group.throughput(Throughput::Elements(count as u64));
    let name = format!("{count} runs in one process");
    group.bench_function(BenchmarkId::new(&name, "one thread, one wait for all of them"), |b| {
        b.iter_batched(
            Scratch::new,
            |scratch| {
                (0..count).for_each(|_| scratch.run(true));
                scratch.workspace.commit().expect("the disk takes it");
                scratch
            },
            BatchSize::PerIteration,
        );
    });
    for threads in [1, 16] {
        group.bench_function(BenchmarkId::new(&name, format!("{threads} threads, each run durable")), |b| {
            b.iter_batched(
                Scratch::new,
                |scratch| {
                    std::thread::scope(|scope| {
                        for _ in 0..threads {
                            scope.spawn(|| (0..count / threads).for_each(|_| scratch.run(false)));
                        }
                    });
                    scratch
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn points(criterion: &mut Criterion) {
    let count = sized(100_000, 1_000);
    let scratch = Scratch::new();
    let run = scratch.workspace.run("train").start().expect("it starts");
    let step = AtomicU64::new(0);
    let mut group = criterion.benchmark_group("metrics");
    group.sample_size(10);
    group.throughput(Throughput::Elements(count as u64));
    group.bench_function(format!("{count} points through the library, durable at the end, 1 wait"), |b| {
        b.iter(|| {
            for _ in 0..count {
                let step = step.fetch_add(1, Ordering::Relaxed);
                run.metric("loss", 1.0 / (1.0 + step as f64), step as i64).expect("it is taken");
            }
            run.commit().expect("the disk takes it");
        });
    });
    drop(run);
    let lines = scratch.folder.path().join("lines.jsonl");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&lines).expect("a file"));
    for step in 0..count {
        writeln!(file, "{{\"name\": \"loss\", \"value\": {}, \"step\": {step}}}", 1.0 / (1.0 + step as f64))
            .expect("the disk takes it");
    }
    file.flush().expect("the disk takes it");
    group.bench_function(format!("{count} points through $LINEAGE_METRICS, a process of its own"), |b| {
        b.iter(|| {
            lineage(
                &scratch,
                &["run", "--quiet", "--", "sh", "-c", "cat lines.jsonl >> \"$LINEAGE_METRICS\""],
            )
        });
    });
    group.bench_function("the same process without points", |b| {
        b.iter(|| lineage(&scratch, &["run", "--quiet", "--", "sh", "-c", "cat lines.jsonl > /dev/null"]));
    });
    group.finish();
}

/// Runs the program as a process of its own.
fn lineage(scratch: &Scratch, arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_lineage"))
        .args(arguments)
        .current_dir(scratch.folder.path())
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Names the version that a child of this process is to register.
const CHILD: &str = "LINEAGE_BENCH_REGISTER";

/// Returns the entry of a version of a model, trained by `run`.
fn entry(workspace: &Workspace, run: &str, version: String) -> Entry {
    Entry::new("risk_classifier", version)
        .run(NodeId::parse(run).expect("a key"))
        .artifact("model", workspace.root().join("model.bin"))
        .metric("f1_score", 0.5)
}

/// Registers a version of a model, trained by `run`.
fn register(workspace: &Workspace, run: &str, version: String) {
    let entry = entry(workspace, run, version);
    workspace.registry().by("bench").register(&entry).expect("it is new");
}

fn registrations(criterion: &mut Criterion) {
    let scratch = Scratch::new();
    let run = scratch.workspace.run("train").start().expect("it starts");
    run.generated(&scratch.files[1]).expect("it is there");
    let id = run.id().hex();
    run.finish().expect("the disk takes it");
    let before = sized(1_000, 10);
    let start = Instant::now();
    for patch in 0..before {
        register(&scratch.workspace, &id, format!("0.0.{patch}"));
    }
    let took = start.elapsed();
    eprintln!("{before} versions registered in one process: {took:.2?}, {:.2?} each", took / before as u32);
    let mut group = criterion.benchmark_group("registry");
    group.sample_size(10);
    let patch = AtomicU64::new(0);
    let next = || format!("1.0.{}", patch.fetch_add(1, Ordering::Relaxed));
    group.bench_function(
        format!("register a version beside {before} and those of before, in one process"),
        |b| {
            b.iter(|| register(&scratch.workspace, &id, next()));
        },
    );
    group.bench_function(
        format!("register a version beside {before} and those of before, a process each"),
        |b| {
            b.iter(|| {
                let mut child = Command::new(std::env::current_exe().expect("a program"));
                child.env(CHILD, format!("{id} {}", next())).current_dir(scratch.folder.path());
                assert!(child.status().expect("it starts").success());
            });
        },
    );
    group.throughput(Throughput::Elements(before as u64));
    group.bench_function(format!("register {before} versions together"), |b| {
        b.iter_batched(
            || (0..before).map(|_| entry(&scratch.workspace, &id, next())).collect::<Vec<_>>(),
            |entries| scratch.workspace.registry().by("bench").register_all(&entries).expect("they are new"),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, runs, points, registrations);

fn main() {
    if let Ok(task) = std::env::var(CHILD) {
        let (run, version) = task.split_once(' ').expect("a run and a version");
        register(&Workspace::open(".").expect("a workspace"), run, version.to_owned());
        return;
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
