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

/// The whole pipeline, on one core and on all: HTML and plain text apart, all of them, and one large submission.
fn whole(criterion: &mut Criterion) {
    let files = corpus();
    let (text, html): (Vec<PathBuf>, Vec<PathBuf>) = files.iter().cloned().partition(|file| is_text(file));
    let folder = tempfile::tempdir().expect("a folder");
    let large = folder.path().join("LARGE_10-K_2024.txt");
    std::fs::write(&large, submission(&files[0])).expect("a submission can be written");
    for (name, files, workers) in [
        ("HTML, one core", &html, Some(1)),
        ("plain text, one core", &text, Some(1)),
        ("all, one core", &files, Some(1)),
        ("all, all cores", &files, None),
        ("a submission of 200 MB with 600 documents", &vec![large], Some(1)),
    ] {
        if !files.is_empty() {
            pipeline_over(criterion, name, files, workers);
        }
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

fn pipeline_over(criterion: &mut Criterion, name: &str, files: &[PathBuf], workers: Option<usize>) {
    let bytes = files.iter().map(|file| std::fs::metadata(file).expect("a filing").len()).sum();
    let mut group = criterion.benchmark_group("pipeline with recording");
    group.throughput(Throughput::Bytes(bytes)).sample_size(10);
    group.bench_function(name, |b| {
        b.iter_batched(
            || tempfile::tempdir().expect("a folder"),
            |folder| {
                let workspace = Workspace::init(folder.path()).expect("a workspace");
                let clock = Clock::new(|| Timestamp::from_micros(1_765_561_338_000_000));
                let request = PipelineRequest {
                    inputs: files.to_vec(),
                    folder: folder.path().to_owned(),
                    name: None,
                    resume: Resume::No,
                    last: Some(PipelineStage::Segment),
                    sections: vec![Section::RISK_FACTORS],
                    workers,
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
