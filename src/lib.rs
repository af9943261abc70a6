//! Where did this file come from, and what was made from it?
//!
//! `lineage` is an embedded lineage store for file-based machine-learning pipelines. Every run, step, file, metric and model
//! version is recorded as an immutable **fact** in an append-only **journal**; the **store**, a redb database, holds the same
//! facts as nodes and edges with indexes, and can be rebuilt from the journal at any time; **projections** are files written
//! out of the store.
//!
//! The program `lineage` records any command, whatever it is written in. From inside a Rust program, the library does:
//!
//! ```
//! use lineage::Workspace;
//! use lineage::api::Entry;
//!
//! # fn main() -> lineage::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let root = folder.path();
//! # std::fs::write(root.join("train.csv"), "1,2\n3,4\n").unwrap();
//! let workspace = Workspace::init(root)?; // or `Workspace::open`, where there is one
//!
//! // A run, with what it reads, measures and writes.
//! let run = workspace.run("train").param("lr", 0.1).input(root.join("train.csv")).start()?;
//! for epoch in 0..10 {
//!     run.metric("loss", 1.0 / (1.0 + epoch as f64), epoch)?;
//! }
//! run.metric("accuracy", 0.9, 0)?;
//! std::fs::write(root.join("model.bin"), "weights").unwrap();
//! run.generated(root.join("model.bin"))?;
//! let id = run.id();
//! run.finish()?;
//!
//! // Where did the model come from?
//! let shown = workspace.show("model.bin")?;
//! assert_eq!(shown.runs()[0].run().name, "train");
//! assert_eq!(shown.ends()[0].path.to_string(), "train.csv");
//!
//! // Registered as a version of a model, it is found by what it scored.
//! let entry = Entry::new("classifier", "1.0.0").run(id).artifact("model", root.join("model.bin"));
//! workspace.registry().register(&entry)?;
//! let good = workspace.models().filter("accuracy >= 0.8").sort("-accuracy").find()?;
//! assert_eq!(good.rows[0].item.label(), "classifier@1.0.0");
//! # Ok(())
//! # }
//! ```
//!
//! [`api`] says what is on the disk when, and how to record thousands of runs; [`api::Search`] has the language of questions,
//! [`model`] the words as values, [`error`] the one error. The rest of this page is the map of the house behind them.
//!
//! # The way of the data
//!
//! ```text
//!   api
//!   cli ──► ops ──► capture, filings        what happens is observed, or done
//!            │
//!            ▼ facts
//!         journal ──► store ──► query ──► render ──► cli        an answer
//!         content ────────────────┴─────► projection            files
//! ```
//!
//! Facts go down into the journal, across into the store, and come out as an answer or a projection. Nothing goes back up.
//!
//! # The rooms
//!
//! | room | what it is for | may import |
//! |---|---|---|
//! | [`error`] | one error: kind (decides the exit code), message, cause, hint | |
//! | [`model`] | the words below as plain values | `error` |
//! | `disk` | the one file layer under journal, contents and projections, so that tests can put faults under all of them | |
//! | `journal` | facts as framed, checksummed, versioned bytes in append-only segments; the only place that names bincode | `model`, `error`, `disk` |
//! | `content` | kept bytes, addressed by digest, compressed, verified on every read | `model`, `error`, `disk` |
//! | `digests` | digests of files, on all cores, and never twice while a file is unchanged | `model`, `disk` |
//! | `capture` | what a run is made of: its code, its command, processes, files; knows no store; the only place that names gix | `model`, `error`, `digests` |
//! | `filings` | SEC filings as pure functions: container, parse, extract, clean, segment | `error` |
//! | `research` | research documents as pure functions: front matter, references, faults; the only place that names a YAML or Markdown parser | `model`, `error` |
//! | `store` | redb: tables, applying facts, snapshots, recovery; the only place that names redb | `model`, `error`, `disk`, `journal` |
//! | `query` | questions on a snapshot: selectors, ancestry, impact, differences, staleness | `store` and what it stands on |
//! | `projection` | files out of the store: names, plan (pure), apply (atomic) | `query`, `content`, `digests` and what they stand on |
//! | `ops` | whole jobs where the above meet: a recording, the pipeline, show, status, verify | all above |
//! | [`api`] | the face for other programs: workspaces, runs, models, answers, as plain owned values | `query`, `projection`, `ops`, `render` and result types |
//! | `render` | a result value in, text or JSON out; the only place that names comfy-table | `model`, result types |
//! | `cli` | one file per command: arguments in, calls, text out; the only place that prints, and that names clap and indicatif | all |
//!
//! `tests/tidy.rs` holds this table.
//!
//! # The words
//!
//! | ours | W3C PROV | MLMD | OpenLineage | MLflow | meaning |
//! |---|---|---|---|---|---|
//! | workspace | – | – | namespace | – | the folder that holds `.lineage/` (the git root by default) |
//! | run | activity | execution | run | run | one execution of one command |
//! | run id | – | – | – | – | `YYYYMMDD_HHMMSS`, in bursts with `_2`, `_3` behind it: the label that names folders and files; unique in a workspace |
//! | step | activity | execution | – | – | a part of a run with its own inputs and outputs |
//! | artifact | entity | artifact | dataset version | artifact | one version of one file: a path and a content |
//! | content | – | – | – | – | bytes wherever they lie: digest and size |
//! | used, generated | usage, generation | INPUT, OUTPUT | inputs, outputs | – | the two edges, each with its time and its evidence |
//! | evidence | – | – | – | – | how we know an edge: observed, declared, inferred, or doubtful: the file changed while it was read; a way may also be carried: through a file that a step read and wrote on |
//! | code state | plan | property | sourceCode facet | source tags | commit, branch, changed files, patch |
//! | metric | entity | artifact | facet | metric | (run or model version, name, value, step, time) |
//! | model version | entity | artifact | dataset | model version | a registered result: name, version, run, files, stage |
//! | note | entity | – | documentation | – | a research document with front matter |
//! | fact | – | – | – | – | one immutable statement as recorded |
//! | journal | – | – | – | – | the facts as files, append-only |
//! | store | – | – | – | – | the redb database: every fact as nodes and edges, indexed |
//! | projection | – | – | – | – | files that the store can write again |
//!
//! *Derived from* is never stored: it is "generated by a step that used".
//!
//! # The invariants
//!
//! 1. **The store is never open while a command runs.** A recording holds a journal segment, nothing else.
//!    `tests/pipeline.rs`: two pipelines at once, both complete.
//! 2. **Recording never changes a command's output, files or exit code.** `capture::observe::torture`, `tests/run.rs`,
//!    `tests/limits.rs`.
//! 3. **Facts are append-only; the store rebuilt from the journal equals the store.**
//!    `store::tests`, and `lineage verify` compares the two on every call.
//! 4. **The order in which facts arrive changes no answer.** `store::tests` and `query::tests` shuffle them, `tests/backup.rs`
//!    merges both ways round.
//! 5. **Deleting all projections loses nothing; projecting twice writes nothing.** `tests/projection.rs`, `tests/resume.rs`.
//! 6. **`query`, `render`, `filings`, `research` and the plans of projections see no clock, environment, disk or terminal.** `tests/tidy.rs`.
//! 7. **Every edge says how it is known; every bounded answer says what it left out.** The types carry both: see
//!    [`api::TraceFile`] and [`api::Cut`]; `query::tests`.
//! 8. **The same input bytes, parameters and tool version give the same output bytes.** `tests/resume.rs`.
//! 9. **Nothing acknowledged is lost by a crash at any point, nor by a second crash during recovery.**
//!    `journal::tests`, `content::tests`, `ops::pipeline::tests`, `ops::run::take_over`, `tests/resume.rs`, `tests/broken_off.rs`.
//! 10. **What an older program cannot read, it leaves untouched, and says which version can.** `journal::tests`.
//! 11. **At most one version of a model is in production, and of two registrations of one version the first counts, in every store
//!     with the same facts.** `query::registry::tests` holds the answers against going through all statements in order.

#![warn(missing_docs)]
#![deny(clippy::todo, clippy::unimplemented)]

#[cfg(not(unix))]
compile_error!("lineage needs a Unix: paths are bytes, files have modes, and processes signals");

pub mod api;
mod capture;
#[doc(hidden)]
pub mod cli;
mod content;
mod digests;
mod disk;
pub mod error;
mod filings;
mod journal;
#[cfg(test)]
#[path = "../tests/common/machine.rs"]
mod machine;
pub mod model;
mod ops;
mod projection;
mod query;
mod render;
mod research;
mod store;

pub use api::{Registry, Run, RunBuilder, RunStep, Workspace};
pub use error::{Error, Kind, Result};

/// What this crate's own benchmarks and tests need of its rooms; no part of its interface.
#[doc(hidden)]
pub mod rooms {
    pub use crate::capture::observe::{Options, observe};
    pub use crate::content::Contents;
    pub use crate::digests::Digests;
    pub use crate::disk::Disk;
    pub use crate::filings::{Section, clean, extract, parse, segment};
    pub use crate::journal::Writer;
    pub use crate::ops::export::jsonl;
    pub use crate::ops::import::{BackupOf, import_jsonl};
    pub use crate::ops::pipeline::{FilingOutcome, PipelineRequest, Progress, pipeline};
    pub use crate::ops::project::{ProjectRequest, project};
    pub use crate::ops::registry::{Author, Deletion, delete};
    pub use crate::ops::research::{DocumentState, ResearchReport, ResearchRequest, research};
    pub use crate::ops::{Clock, Recording, RunRequest, Workspace};
    pub use crate::query::{downstream, upstream};
}
