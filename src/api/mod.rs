//! The crate's face for other programs: workspaces, runs, models, answers.
//!
//! Everything here takes and gives plain, owned values. Nothing prints, ends the process, or keeps anything outside the
//! values it returns, but that a process has joined the run around it; every failure is an [`Error`](crate::error::Error), whose kind says whether the request, the store or
//! this library is at fault.
//!
//! ```
//! use lineage::Workspace;
//!
//! # fn main() -> lineage::error::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let root = folder.path();
//! let workspace = Workspace::init(root)?;
//! std::fs::write(root.join("train.csv"), "1,2\n3,4\n").unwrap();
//!
//! let run = workspace.run("train").param("lr", 0.1).input(root.join("train.csv")).start()?;
//! for epoch in 0..10 {
//!     run.metric("loss", 1.0 / (1.0 + epoch as f64), epoch)?;
//! }
//! let model = run.output_dir()?.join("model.bin");
//! std::fs::write(&model, b"weights").unwrap();
//! run.generated(&model)?;
//! run.save_metrics([("accuracy", 0.9)])?;
//! run.finish()?;
//!
//! // Where did the model come from?
//! let shown = workspace.show(model.to_str().unwrap())?;
//! assert_eq!(shown.runs()[0].run().name, "train");
//! # Ok(())
//! # }
//! ```
//!
//! | what | how |
//! |---|---|
//! | a run, and its parts | [`Workspace::run`], [`Run::step`], [`RunBuilder::parent`] |
//! | where something came from, and what was made from it | [`Workspace::show`], [`Workspace::show_down`] |
//! | runs and model versions by metric, parameter, file, code | [`Workspace::log`], [`Workspace::models`] |
//! | what is out of date | [`Workspace::status`] |
//! | what differs between two runs, and why | [`Workspace::diff`] |
//! | what happened to a file, and its bytes of then | [`Workspace::history`], [`Workspace::cat`], [`Workspace::restore`] |
//! | versions of models | [`Workspace::registry`] |
//!
//! # What is on the disk when
//!
//! | on return of | other processes see it, and the end of this one does not harm it | it survives a power cut |
//! |---|---|---|
//! | [`RunBuilder::start`], [`Run::used`], … | the start at once; edges after a second, or when the run ends | within a quarter of a second after that |
//! | [`RunStep::finish`], [`RunStep::fail`] | at once | within a quarter of a second, and the time the disk takes |
//! | [`Run::metric`] | within a quarter of a second | within a quarter of a second, and the time the disk takes |
//! | [`Run::output_dir`], [`Run::save_metrics`] | at once | at once: no folder has the name of a run that a power cut could undo |
//! | [`Run::finish`], [`Run::fail`], [`Run::commit`] | at once | at once |
//! | [`Run::finish_soon`] | at once | with the next commit of any run of this workspace value, or within a quarter of a second |
//!
//! All runs of one [`Workspace`] value and its clones share one journal segment, and threads that wait for the disk wait
//! together.
//!
//! # Thousands of runs in one process
//!
//! [`Run::finish`] waits for the disk once, and that wait is nearly all that a short run costs. There are two ways around it:
//!
//! - Several threads: those that finish while somebody waits are served by the next wait, all of them by the same one.
//! - [`Run::finish_soon`] and one [`Workspace::commit`] where it matters, as at the end of a sweep. What a power cut may take is
//!   then what was finished since the last commit, and not more than the last quarter of a second.
//!
//! ```
//! use lineage::Workspace;
//!
//! # fn main() -> lineage::error::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! let workspace = Workspace::init(folder.path())?;
//! for seed in 0..100 {
//!     let run = workspace.run("sweep").param("seed", seed).start()?;
//!     run.metric("f1_score", 1.0 / (1.0 + f64::from(seed)), 0)?;
//!     run.finish_soon()?;
//! }
//! workspace.commit()?; // From here on, all hundred survive a power cut.
//! assert_eq!(workspace.log().filter("f1_score > 0.3").find()?.rows.len(), 3);
//! # Ok(())
//! # }
//! ```
//!
//! # From where paths are seen
//!
//! Files that a program names to say what it does with them are seen as by the standard library, from the current folder: those of
//! [`Run::used`], [`Run::generated`], [`RunBuilder::input`], [`Registry::register`], and where [`Workspace::restore_to`] writes. In
//! questions paths are those of the answers, from the workspace's root, wherever the program stands: what one answer names, the next
//! question takes. Whole paths mean the same in both.
//!
//! # Model versions
//!
//! Of model versions, [`Registry::register_all`] takes a thousand with the waits of one.

mod questions;
mod registry;
mod run;
mod search;
mod shown;
mod workspace;

/// What differs between two runs; see [`Workspace::diff`].
pub mod diff {
    pub use crate::query::diff::{
        Cause, CodeDiff, CodeFileDiff, EntryDiff, EnvironmentDiff, Explanation, FailureDiff, FilesDiff,
        MetricDiff, OutputDiff, OutputsDiff, PairedBy, ParameterDiff, Parting, RunDiff, StandingOutput,
        StepEnd, Unlike, Upstream,
    };
}

pub use registry::Registry;
pub use run::{Run, RunBuilder, RunStep};
pub use search::Search;
pub use shown::{Shown, ShownKind};
pub use workspace::{Answer, Workspace};

pub use crate::ops::Clock;
pub use crate::ops::history::FileHistory;
pub use crate::ops::registry::{Changed, Entry, EntryArtifact, Registered};
pub use crate::ops::restore::{NotRestored, Restoration, Restored, Version as FileVersion};
pub use crate::ops::status::{
    AlteredFile, DoubtfulFile, FileWriter, LeftOver, NewInput, NotHere, RecordedFile, Redo, RedoCaveat,
    RedoHow, RemovedFile, RenamedFile, StaleCause, StaleFile, StaleModel, StatusReport, Unapplied,
};
pub use crate::query::filter::{Column, Explanation, Found, FoundRow, Lack, Value};
pub use crate::query::registry::{Best, HistoryAct, HistoryEntry, ModelView};
pub use crate::query::{
    CameFrom, ChangeSort, Cut, Direction, FileChange, Folded, Gap, RemovedBy, RunHead, RunLack, RunView,
    TraceFile, TraceReport, TraceRun, TraceRunStep,
};
