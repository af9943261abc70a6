//! `lineage research` on many documents: read for the first time, and when nothing changed since.
//!
//! As a test it runs on a few documents; `cargo bench --bench research` takes 10^4.

use std::fs;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group};
use lineage::model::Timestamp;
use lineage::rooms::{Clock, DocumentState, ResearchReport, ResearchRequest, Workspace, research};

/// As a test, `cargo` gives no `--bench`.
fn count() -> usize {
    if std::env::args().any(|argument| argument == "--bench") { 10_000 } else { 50 }
}

fn text(number: usize) -> String {
    let (day, month) = (number % 28 + 1, number % 12 + 1);
    let prose = "What was found out, in a paragraph of the usual length; see `src/module.py` for the code. "
        .repeat(40);
    format!(
        "---\ndate: 2025-{month:02}-{day:02}T17:51:31-06:00\nresearcher: somebody\ngit_commit: {number:07x}\n\
         topic: \"Topic {number}\"\ntags: [research, t{}]\nstatus: complete\nrelated_research: {}.md\n---\n\n\
         # Topic {number}\n\n{prose}\n\n---\n\n## More\n\n[before]({}.md)\n",
        number % 40,
        number / 2,
        number / 3,
    )
}

fn index(workspace: &Workspace, reread: bool) -> ResearchReport {
    let clock = Clock::new(|| Timestamp::from_micros(1_765_561_338_000_000));
    let folder = workspace.root().join("research");
    let request = ResearchRequest { folder, check: false, reread, force: false };
    let view = workspace.view().unwrap();
    research(workspace, Some(&view), &clock, &request).unwrap()
}

fn benches_of_research(criterion: &mut Criterion) {
    let count = count();
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::init(folder.path()).unwrap();
    fs::create_dir(workspace.root().join("research")).unwrap();
    for number in 0..count {
        fs::write(workspace.root().join(format!("research/{number}.md")), text(number)).unwrap();
    }
    let started = std::time::Instant::now();
    let report = index(&workspace, false);
    println!("{count} documents indexed for the first time in {:?}", started.elapsed());
    assert_eq!(report.count(DocumentState::New), count);
    let mut group = criterion.benchmark_group("research");
    group.throughput(Throughput::Elements(count as u64)).sample_size(10);
    group.bench_function("nothing changed", |bencher| {
        bencher.iter(|| black_box(index(&workspace, false).documents.len()))
    });
    group.bench_function("all read again", |bencher| {
        bencher.iter(|| black_box(index(&workspace, true).documents.len()))
    });
    group.finish();
}

criterion_group!(benches, benches_of_research);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
}
