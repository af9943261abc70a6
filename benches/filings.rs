//! Filings to segments: each stage on its own, and the whole pipeline with recording, in bytes of filings a second.
//!
//! What is done on one core is measured in seconds of the processor, user and system, so that other work on the machine and
//! waiting for the disk count little; only one core beside all of them is measured by the clock.
//!
//! No folder is removed before the last measurement: ext4 passes over inodes that were deleted a short while ago one by one when it
//! makes files, which made a run over the folder of the run before up to twice as dear.
//!
//! Works on the real filings in `shared/filings` beside the repository (or below `LINEAGE_TEST_DATA`) where they are, else on the four samples in `data/raw`.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BatchSize, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use tempfile::TempDir;

#[allow(dead_code)]
#[path = "../tests/common/machine.rs"]
mod machine;

use lineage::model::{Run, Timestamp};
use lineage::rooms::{
    self as filings, Clock, FilingOutcome, PipelineRequest, Progress, Section, Workspace, pipeline,
};

/// Returns the filings, sorted by name, and says which they are.
fn corpus() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let real = machine::data("filings");
    let folder = if real.is_dir() { real } else { root.join("data/raw") };
    eprintln!("filings from {}", folder.display());
    let files = std::fs::read_dir(folder).expect("the folder of filings is there");
    let mut files: Vec<PathBuf> = files.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "txt" || ending == "htm"));
    files.sort();
    files
}

/// Time of the processor that the whole process took, in all threads, user and system.
struct CpuTime;

impl CpuTime {
    fn now() -> Duration {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the pointer is to a value of ours that outlives the call.
        #[expect(unsafe_code, reason = "the standard library does not have this clock")]
        let code = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
        assert_eq!(code, 0, "the clock of the process can be read");
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
}

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        CpuTime::now()
    }

    fn end(&self, started: Duration) -> Duration {
        CpuTime::now() - started
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, time: &Duration) -> f64 {
        time.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        static WALL: WallTime = WallTime;
        WALL.formatter()
    }
}

/// The corpus by form: HTML and plain text.
fn by_form() -> [(&'static str, Vec<PathBuf>); 2] {
    let (text, html) = corpus().into_iter().partition(|file| is_text(file));
    [("HTML", html), ("plain text", text)]
}

fn stages(criterion: &mut Criterion<CpuTime>) {
    for (form, files) in by_form().iter().filter(|(_, files)| !files.is_empty()) {
        stages_of(criterion, form, files);
    }
}

fn stages_of(criterion: &mut Criterion<CpuTime>, form: &str, files: &[PathBuf]) {
    let filings: Vec<Vec<u8>> =
        files.iter().map(|file| std::fs::read(file).expect("a filing can be read")).collect();
    let bytes = filings.iter().map(|filing| filing.len() as u64).sum();
    let parsed: Vec<_> = filings.iter().map(|bytes| filings::parse(bytes).expect("it is a filing")).collect();
    let extracted: Vec<_> =
        parsed.iter().map(|parsed| filings::extract(parsed, Section::RISK_FACTORS)).collect();
    let cleaned: Vec<_> = extracted.iter().map(filings::clean).collect();
    let mut group = criterion.benchmark_group(format!("stages, {form}, by the processor's time"));
    group.throughput(Throughput::Bytes(bytes)).sample_size(10);
    group.bench_function("parse", |b| {
        b.iter(|| filings.iter().for_each(|bytes| drop(black_box(filings::parse(bytes)))));
    });
    group.bench_function("extract", |b| {
        let extract = |parsed| drop(black_box(filings::extract(parsed, Section::RISK_FACTORS)));
        b.iter(|| parsed.iter().for_each(extract));
    });
    group.bench_function("clean", |b| {
        b.iter(|| extracted.iter().for_each(|extracted| drop(black_box(filings::clean(extracted)))));
    });
    group.bench_function("segment", |b| {
        b.iter(|| cleaned.iter().for_each(|cleaned| drop(black_box(filings::segment(cleaned)))));
    });
    group.bench_function("write parsed.json", |b| {
        b.iter(|| parsed.iter().map(|parsed| parsed.to_json().len()).sum::<usize>());
    });
    group.finish();
}

struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &Run, _: u64, _: u64) {}
    fn filing(&self, _: &FilingOutcome) {}
    fn end(&self) {}
}

/// The whole pipeline on one core: HTML and plain text apart, and one large submission.
fn whole(criterion: &mut Criterion<CpuTime>) {
    let folder = tempfile::tempdir().expect("a folder");
    let large = folder.path().join("LARGE_10-K_2024.txt");
    std::fs::write(&large, submission(&corpus()[0])).expect("a submission can be written");
    let [(_, html), (_, text)] = by_form();
    for (name, files) in
        [("HTML", html), ("plain text", text), ("a submission of 200 MB with 600 documents", vec![large])]
    {
        if !files.is_empty() {
            pipeline_over(
                criterion,
                "pipeline with recording, by the processor's time",
                name,
                &files,
                Some(1),
            );
        }
    }
}

/// The whole pipeline on one core and on all, by the clock.
fn cores(criterion: &mut Criterion) {
    let files = corpus();
    for (name, workers) in [("one core", Some(1)), ("all cores", None)] {
        pipeline_over(criterion, "pipeline with recording, by the clock", name, &files, workers);
    }
}

/// Tells whether a filing's main document is plain text, as the parser sees it.
fn is_text(file: &Path) -> bool {
    let bytes = std::fs::read(file).expect("a filing can be read");
    filings::parse(&bytes).is_ok_and(|parsed| !parsed.is_html())
}

/// Makes a submission of 200 MB: a main document and 599 exhibits.
fn submission(main: &Path) -> Vec<u8> {
    const BYTES: usize = 200_000_000;
    let mut bytes = b"<SEC-HEADER>\nACCESSION NUMBER: 0000000000-24-000001\n</SEC-HEADER>\n".to_vec();
    let mut add = |form: &str, sequence: usize, text: &[u8]| {
        let head = format!("<DOCUMENT>\n<TYPE>{form}\n<SEQUENCE>{sequence}\n<TEXT>\n");
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(text);
        bytes.extend_from_slice(b"\n</TEXT>\n</DOCUMENT>\n");
    };
    add("10-K", 1, &std::fs::read(main).expect("a filing can be read"));
    let exhibit = b"M an exhibit, uuencoded, of no interest to anybody whatsoever\n".repeat(BYTES / 599 / 63);
    for sequence in 2..=600 {
        add("GRAPHIC", sequence, &exhibit);
    }
    bytes
}

/// The folders of all measurements.
static FOLDERS: Mutex<Vec<TempDir>> = Mutex::new(Vec::new());

fn keep(folder: TempDir) {
    FOLDERS.lock().expect("nobody panicked").push(folder);
}

/// Removes all folders, when nothing is measured any more.
fn remove_folders(_: &mut Criterion) {
    FOLDERS.lock().expect("nobody panicked").clear();
}

fn pipeline_over<M: Measurement>(
    criterion: &mut Criterion<M>,
    group: &str,
    name: &str,
    files: &[PathBuf],
    workers: Option<usize>,
) {
    let bytes = files.iter().map(|file| std::fs::metadata(file).expect("a filing").len()).sum();
    let mut group = criterion.benchmark_group(group);
    // Few runs, since the folders of all of them lie there to the end.
    group.throughput(Throughput::Bytes(bytes)).sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    group.bench_function(name, |b| {
        b.iter_batched(
            || tempfile::tempdir().expect("a folder"),
            |folder| {
                let workspace = Workspace::init(folder.path()).expect("a workspace");
                let clock = Clock::new(|| Timestamp::from_micros(1_765_561_338_000_000));
                let request = PipelineRequest {
                    inputs: files.to_vec(),
                    workers,
                    ..PipelineRequest::new(folder.path())
                };
                let summary = pipeline(&workspace, &clock, &request, &Silent).expect("it runs");
                assert!(!summary.has_failed());
                keep(folder);
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group! {
    name = by_processor;
    config = Criterion::default().with_measurement(CpuTime);
    targets = stages, whole
}
criterion_group!(by_clock, cores, remove_folders);
criterion_main!(by_processor, by_clock);
