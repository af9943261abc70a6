//! Steps: parts of a run with their own inputs and outputs.

use std::collections::HashMap;

use crate::model::{ArtifactPath, Digest, Generated, NodeId, Parameter, Removed, Timestamp, Used};

/// One stage on one filing, or one process of a command, with its edges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its key.
    pub id: NodeId,
    /// The run it is a part of.
    pub run: NodeId,
    /// What it does: the stage, or the program.
    pub name: String,
    /// What it does it to: the filing's name, or the program's arguments.
    pub subject: String,
    /// What has become of it.
    pub status: StepStatus,
    /// Why it failed; of one that did not, what went wrong in it all the same.
    pub reason: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// What it was told beyond the run's parameters.
    pub parameters: Vec<Parameter>,
    /// The digest of stage, input, parameters and tool version: equal keys promise equal outputs.
    pub key: Option<Digest>,
    /// The step whose kept output was taken over instead of doing the work again.
    pub cached_from: Option<NodeId>,
    /// What it read.
    pub used: Vec<Used>,
    /// Since when at the latest files had lain there as it read them, with nothing of them changed, by their number in `used`: what
    /// their file system says, rather too late than too early. Of files that are not listed nothing is known.
    pub unchanged_since: Vec<(u32, Timestamp)>,
    /// What it wrote.
    pub generated: Vec<Generated>,
    /// How what it wrote goes back to what it read.
    pub act: StepAct,
    /// What it took away.
    pub removed: Vec<Removed>,
}

impl Step {
    /// Makes a step that began and ended at these `times` and went well, with nothing said of what it was about, read or wrote.
    pub fn new(id: NodeId, run: NodeId, name: impl Into<String>, times: [Timestamp; 2]) -> Self {
        let [started_at, ended_at] = times;
        Step {
            id,
            run,
            name: name.into(),
            subject: String::new(),
            status: StepStatus::Succeeded,
            reason: None,
            started_at,
            ended_at,
            parameters: Vec::new(),
            key: None,
            cached_from: None,
            used: Vec::new(),
            unchanged_since: Vec::new(),
            generated: Vec::new(),
            act: StepAct::Made,
            removed: Vec::new(),
        }
    }
}

/// Which paths a run left empty that it had written at: what it made there was for its own use.
#[derive(Debug, Default)]
pub(crate) struct Passing(HashMap<ArtifactPath, [Option<Timestamp>; 2]>);

impl Passing {
    /// Finds them of all steps of a run.
    pub(crate) fn of<'s>(steps: impl IntoIterator<Item = &'s Step>) -> Self {
        let mut passing = Passing::default();
        steps.into_iter().for_each(|step| passing.add(step));
        passing
    }

    /// Takes notice of one of its steps.
    pub(crate) fn add(&mut self, step: &Step) {
        let written = step.generated.iter().map(|edge| (&edge.artifact.path, edge.at, 0));
        let removed = step.removed.iter().map(|removed| (&removed.path, removed.at, 1));
        for (path, at, side) in written.chain(removed) {
            let last = &mut self.0.entry(path.clone()).or_default()[side];
            *last = (*last).max(Some(at));
        }
    }

    /// Returns true for a path at which the last that the run did was to take away what it had written.
    pub(crate) fn has(&self, path: &ArtifactPath) -> bool {
        matches!(self.0.get(path), Some([Some(written), Some(removed)]) if written <= removed)
    }
}

/// Ends the name of the part of a step that only added to files, where the step wrote others as well.
pub const APPENDING: &str = " (append)";

/// The name of the steps that hold what programs said of their run while it went on.
pub const DECLARED_STEP: &str = "declared";

/// How what a step wrote goes back to what it read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum StepAct {
    /// Everything may have gone into everything that was written later.
    Made,
    /// Files were given other names: the first file written is the first that was read, at another path, and so on. What was read
    /// beyond those went into all.
    Moved,
    /// Files were given further names, likewise.
    Linked,
    /// Files were copied, likewise.
    Copied,
}

impl StepAct {
    /// Every value, in the order of its code.
    pub const ALL: [StepAct; 4] = [StepAct::Made, StepAct::Moved, StepAct::Linked, StepAct::Copied];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            StepAct::Made => "made",
            StepAct::Moved => "moved",
            StepAct::Linked => "linked",
            StepAct::Copied => "copied",
        }
    }

    /// Returns true where each file written goes back to the file read that has its number, and to no other.
    pub fn is_one_to_one(self) -> bool {
        self != StepAct::Made
    }
}

/// The parameter of a step that says by what it was done: a step that another version does anew is still the same step.
pub const TOOL_PARAMETER: &str = "tool";

/// What has become of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum StepStatus {
    /// Done.
    Succeeded,
    /// Failed; its reason says why.
    Failed,
}

impl StepStatus {
    /// Every value, in the order of its code.
    pub const ALL: [StepStatus; 2] = [StepStatus::Succeeded, StepStatus::Failed];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            StepStatus::Succeeded => "ok",
            StepStatus::Failed => "failed",
        }
    }
}
