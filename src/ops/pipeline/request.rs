//! What is asked of a pipeline run, and how it tells how it gets on.

use std::path::PathBuf;

use crate::filings::Section;
use crate::model::Run;
use crate::ops::pipeline::stages::PipelineStage;
use crate::ops::pipeline::work::FilingOutcome;
use crate::query::RunSelector;

/// What is asked of a pipeline run. What is left open is, for a run that is taken up again, what it was started with, and
/// the default otherwise.
#[derive(Debug, Clone)]
pub struct PipelineRequest {
    /// Files, folders and patterns, seen from `folder`; empty to leave it open. The default is `data/raw` in the workspace.
    pub inputs: Vec<PathBuf>,
    /// The folder the request was made in.
    pub folder: PathBuf,
    /// The run's name; the default is `pipeline`.
    pub name: Option<String>,
    /// The run to take up again.
    pub resume: Resume,
    /// The last stage to do; the default is the last there is.
    pub last: Option<PipelineStage>,
    /// The sections to extract, in a run that is taken up again besides those it has; empty to leave it open. The default is
    /// Item 1A.
    pub sections: Vec<Section>,
    /// How many filings to work on at once; `None` for as many as there are cores.
    pub workers: Option<usize>,
    /// How many filings to take at most, the first by path; 0 for all, which is the default.
    pub limit: Option<usize>,
    /// Look only: nothing is written.
    pub dry_run: bool,
    /// Whether what was done before may be taken over.
    pub use_cache: bool,
    /// How many filings may fail before the run stops.
    pub failures_max: FailuresMax,
    /// The command, for the record.
    pub arguments: Vec<String>,
    /// The machine's name, for the record.
    pub host: String,
}

impl PipelineRequest {
    /// Asks for a new run, in a folder; all else is left open, any number of filings may fail, and what was done before may be
    /// taken over.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        PipelineRequest {
            inputs: Vec::new(),
            folder: folder.into(),
            name: None,
            resume: Resume::No,
            last: None,
            sections: Vec::new(),
            workers: None,
            limit: None,
            dry_run: false,
            use_cache: true,
            failures_max: FailuresMax::Unlimited,
            arguments: Vec::new(),
            host: String::new(),
        }
    }
}

/// Which run to take up again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resume {
    /// None: start a new one.
    No,
    /// The latest pipeline run, of the requested name if there is one.
    Latest,
    /// This one.
    Run(RunSelector),
}

/// How many filings may fail before the run stops.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FailuresMax {
    /// Any number.
    Unlimited,
    /// So many.
    Count(u64),
    /// So many of a hundred.
    Percent(f64),
}

impl FailuresMax {
    /// Returns how many of `filings` may fail.
    pub(crate) fn count(self, filings: usize) -> u64 {
        match self {
            FailuresMax::Unlimited => u64::MAX,
            FailuresMax::Count(count) => count,
            FailuresMax::Percent(percent) => (filings as f64 * percent / 100.0).floor() as u64,
        }
    }
}

/// Is told how a run gets on.
pub trait Progress: Sync {
    /// Work begins on so many filings of so many bytes.
    fn begin(&self, run: &Run, filings: u64, bytes: u64);
    /// A filing is through.
    fn filing(&self, outcome: &FilingOutcome);
    /// All are through.
    fn end(&self);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_failures_is_one_of_all_filings_and_rounded_down() {
        assert_eq!(FailuresMax::Percent(10.0).count(75), 7);
        assert_eq!(FailuresMax::Percent(0.0).count(75), 0);
        assert_eq!(FailuresMax::Count(3).count(2), 3);
        assert_eq!(FailuresMax::Unlimited.count(1), u64::MAX);
    }
}
