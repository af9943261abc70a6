//! Filings to segments: each stage on its own, and the whole pipeline with recording, in bytes of filings a second.
//!
//! Works on the real filings in `../shared/filings` where they are, else on the four samples in `data/raw`.

use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

use lineage::filings::{self, Section};
use lineage::model::{Run, Timestamp};
use lineage::ops::pipeline::{
    FailuresMax, FilingOutcome, PipelineRequest, PipelineStage, Progress, Resume, pipeline,
};
use lineage::ops::{Clock, Workspace};

/// Returns the filings, sorted by name, and says which they are.
fn corpus() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let real = root.join("../shared/filings");
    let folder = if real.is_dir() { real } else { root.join("data/raw") };
    eprintln!("filings from {}", folder.display());
    let files = std::fs::read_dir(folder).expect("the folder of filings is there");
    let mut files: Vec<PathBuf> = files.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "txt" || ending == "htm"));
    files.sort();
    files
}

fn stages(criterion: &mut Criterion) {
    let filings: Vec<Vec<u8>> =
        corpus().iter().map(|file| std::fs::read(file).expect("a filing can be read")).collect();
    let bytes = filings.iter().map(|filing| filing.len() as u64).sum();
    let parsed: Vec<_> = filings.iter().map(|bytes| filings::parse(bytes).expect("it is a filing")).collect();
    let extracted: Vec<_> =
        parsed.iter().map(|parsed| filings::extract(parsed, Section::RISK_FACTORS)).collect();
    let cleaned: Vec<_> = extracted.iter().map(filings::clean).collect();
    let mut group = criterion.benchmark_group("stages, one core");
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

fn whole(criterion: &mut Criterion) {
    let files = corpus();
    let bytes = files.iter().map(|file| std::fs::metadata(file).expect("a filing").len()).sum();
    let mut group = criterion.benchmark_group("pipeline, all cores, with recording");
    group.throughput(Throughput::Bytes(bytes)).sample_size(10);
    group.bench_function("file to segments", |b| {
        b.iter_batched(
            || tempfile::tempdir().expect("a folder"),
            |folder| {
                let workspace = Workspace::init(folder.path()).expect("a workspace");
                let clock = Clock::new(|| Timestamp::from_micros(1_765_561_338_000_000));
                let request = PipelineRequest {
                    inputs: files.clone(),
                    folder: folder.path().to_owned(),
                    name: None,
                    resume: Resume::No,
                    last: Some(PipelineStage::Segment),
                    sections: vec![Section::RISK_FACTORS],
                    workers: None,
                    limit: None,
                    dry_run: false,
                    use_cache: true,
                    failures_max: FailuresMax::Unlimited,
                    arguments: Vec::new(),
                    host: String::new(),
                };
                let summary = pipeline(&workspace, &clock, &request, &Silent).expect("it runs");
                assert!(!summary.has_failed());
                folder
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, stages, whole);
criterion_main!(benches);
