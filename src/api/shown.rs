//! What `show` found, as other programs see it.

use serde_json::Value;

use crate::api::{Folded, Gap, RunHead, RunView, TraceReport, TraceRun};
use crate::model::Artifact;
use crate::ops::show::{self, FileReport, ProjectedOrigin};
use crate::render::show_json;

/// Where something came from, or what was made from it.
///
/// ```
/// use lineage::Workspace;
/// use lineage::api::ShownKind;
///
/// # fn main() -> lineage::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let root = folder.path();
/// let workspace = Workspace::init(root)?;
/// std::fs::write(root.join("train.csv"), "1,2\n3,4\n").unwrap();
/// let run = workspace.run("train").input(root.join("train.csv")).start()?;
/// std::fs::write(root.join("model.bin"), "weights").unwrap();
/// run.generated(root.join("model.bin"))?;
/// run.finish()?;
///
/// let shown = workspace.show("model.bin")?;
/// assert_eq!(shown.kind(), ShownKind::File);
/// assert_eq!(shown.runs()[0].run().name, "train");
/// assert_eq!(shown.ends()[0].path.to_string(), "train.csv");
/// assert!(shown.gaps().is_empty());
/// // All that `lineage show --json` says.
/// assert_eq!(shown.to_json()["written"]["step"], "train");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Shown {
    inner: show::Shown,
}

/// What a word was found to name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ShownKind {
    /// A file.
    File,
    /// A symbolic link that a run made; the rest is of what it leads to.
    Link,
    /// A run.
    Run,
    /// A version of a model.
    Model,
    /// A segment of a file.
    Segment,
    /// A file that only a projection writes; the rest is of what it is written from.
    Projected,
    /// A file of which nothing is recorded yet, since the commands that have read or written it are at work.
    AtWork,
}

impl Shown {
    pub(super) fn new(inner: show::Shown) -> Self {
        Shown { inner }
    }

    /// Returns what the word names.
    pub fn kind(&self) -> ShownKind {
        match &self.inner {
            show::Shown::File(_) => ShownKind::File,
            show::Shown::Linked(_) => ShownKind::Link,
            show::Shown::Run(_) => ShownKind::Run,
            show::Shown::Model(_) => ShownKind::Model,
            show::Shown::Segment(_) => ShownKind::Segment,
            show::Shown::Projected(_) => ShownKind::Projected,
            show::Shown::AtWork(_) => ShownKind::AtWork,
        }
    }

    /// Returns the walk from it; `None` for a projected file that lists documents, and one of which nothing is
    /// recorded yet, which have none.
    pub fn trace(&self) -> Option<&TraceReport> {
        trace(&self.inner)
    }

    /// Returns the runs on the way, in the order of the walk: up from the last that wrote it, down from the first that read it.
    pub fn runs(&self) -> &[TraceRun] {
        self.trace().map_or(&[], |trace| &trace.runs)
    }

    /// Returns the ends of the way: going up the sources, files that no recorded step wrote; going down files that none read.
    pub fn ends(&self) -> &[Artifact] {
        self.trace().map_or(&[], |trace| &trace.ends)
    }

    /// Returns the gaps: inputs whose bytes no recorded step wrote, although one wrote other bytes at that path before.
    pub fn gaps(&self) -> &[Gap] {
        self.trace().map_or(&[], |trace| &trace.gaps)
    }

    /// Returns what lies behind files that steps read and wrote on, a database of trainings or a checkpoint, and is neither among
    /// the runs nor the ends: whether it went into what is shown, nobody saw.
    pub fn folded(&self) -> Option<&Folded> {
        self.trace().and_then(|trace| trace.folded.as_ref())
    }

    /// Returns the run itself; of a file or a segment of one, the run that wrote it last.
    pub fn run(&self) -> Option<&RunView> {
        run(&self.inner)
    }

    /// Returns the runs that are parts of it, where it is a run, in the order of their start.
    pub fn parts(&self) -> &[RunHead] {
        match &self.inner {
            show::Shown::Run(report) => &report.parts,
            _ => &[],
        }
    }

    /// Returns the document that `lineage show --json` prints.
    pub fn to_json(&self) -> Value {
        show_json::json(&self.inner)
    }
}

fn trace(shown: &show::Shown) -> Option<&TraceReport> {
    Some(match shown {
        show::Shown::File(report) => &report.trace,
        show::Shown::Linked(report) => return trace(&report.shown),
        show::Shown::Run(report) => &report.trace,
        show::Shown::Model(report) => &report.trace,
        show::Shown::Segment(report) => &report.file.trace,
        show::Shown::Projected(report) => match &report.origin {
            ProjectedOrigin::Run(report) => &report.trace,
            ProjectedOrigin::Model(report) => &report.trace,
            ProjectedOrigin::Documents(_) => return None,
        },
        show::Shown::AtWork(_) => return None,
    })
}

fn writer(report: &FileReport) -> Option<&RunView> {
    report.writer.as_ref().map(|writer| &writer.run.view)
}

fn run(shown: &show::Shown) -> Option<&RunView> {
    match shown {
        show::Shown::File(report) => writer(report),
        show::Shown::Linked(report) => run(&report.shown),
        show::Shown::Run(report) => Some(&report.head.view),
        show::Shown::Segment(report) => writer(&report.file),
        show::Shown::Model(_) | show::Shown::Projected(_) | show::Shown::AtWork(_) => None,
    }
}
