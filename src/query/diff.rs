//! What differs between two runs, and which of the recorded differences can have made their outputs differ.

mod causes;
mod code;
mod counterparts;
mod environment;
mod failures;
mod files;
mod levels;
mod outputs;
pub(crate) mod pattern;
mod side;
#[cfg(test)]
mod tests;
mod unlike;
mod upstream;
mod values;

use crate::error::Result;
use crate::model::{ArtifactPath, ChangeKind, Role, RunStatus};
use crate::query::report::RunHead;
use crate::store::Snapshot;

pub use causes::{Cause, Explanation};
pub use code::{CodeDiff, CodeFileDiff};
pub use environment::{EntryDiff, EnvironmentDiff, ReadList};
pub use failures::{FailureDiff, StepEnd};
pub use files::FilesDiff;
pub use outputs::{OutputDiff, OutputsDiff, PairedBy, StandingOutput};
pub use unlike::Unlike;
pub use upstream::Upstream;
pub use values::{MetricDiff, ParameterDiff, Parting, compare_metrics};

use failures::failures;
use side::Side;
use values::parameters;

/// The files that differ between the commits of two runs, as far as whoever sees the repository can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitFiles {
    /// These, from the first commit to the second; none where it is one commit.
    Known(Vec<(ArtifactPath, ChangeKind)>),
    /// A commit is not to be had here, or one of the runs has none.
    Unknown,
}

/// One of the two runs that are compared.
#[derive(Debug, Clone)]
pub struct DiffRun {
    /// The run.
    pub head: RunHead,
    /// The name of its folders. Where paths of the two runs are compared, it counts as equal to that of the other run, as
    /// does the run id.
    pub folder_name: String,
}

/// What differs between two runs, named `a` and `b`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RunDiff {
    /// The first run.
    pub a: RunHead,
    /// The second run.
    pub b: RunHead,
    /// The code.
    pub code: CodeDiff,
    /// How they ended, where that differs: each with its reason.
    pub outcomes: Option<[(RunStatus, Option<String>); 2]>,
    /// The commands, where they differ in more than names of run folders.
    pub arguments: Option<[Vec<String>; 2]>,
    /// Parameters that differ, by name.
    pub parameters: Vec<ParameterDiff>,
    /// The programs that recorded them, where those differ.
    pub recorder: Option<[String; 2]>,
    /// What they read as data and did not write themselves.
    pub inputs: FilesDiff,
    /// What they read as code.
    pub code_read: FilesDiff,
    /// What they read as their environment.
    pub environment: FilesDiff,
    /// What differs in their environments, where their lists are kept.
    pub environment_entries: Option<EnvironmentDiff>,
    /// What they wrote.
    pub outputs: OutputsDiff,
    /// Metrics of which any point differs, by name.
    pub metrics: Vec<MetricDiff>,
    /// How many metrics have equal points.
    pub metrics_same: u64,
    /// Steps that failed in one of the runs and not in the other, or for another reason.
    pub failures: Vec<FailureDiff>,
    /// Whether they are runs of unlike kinds: then nothing is explained.
    pub unlike: Option<Unlike>,
    /// What can have made the outputs differ, the explanation of most outputs first.
    pub explanations: Vec<Explanation>,
    /// Pairs of runs that made what differs of the causes, those of most files first.
    pub upstream: Vec<Upstream>,
}

impl RunDiff {
    /// Returns true where nothing recorded differs but times, names and run ids.
    pub fn is_equal(&self) -> bool {
        self.code.is_equal()
            && self.outcomes.is_none()
            && self.arguments.is_none()
            && self.parameters.is_empty()
            && self.recorder.is_none()
            && self.inputs.is_equal()
            && self.code_read.is_equal()
            && self.environment.is_equal()
            && self.outputs.is_equal()
            && self.metrics.is_empty()
            && self.failures.is_empty()
    }
}

/// Compares two runs.
///
/// Times, names and run ids do not count. `list` reads the list of an environment by its digest. The cost grows with the steps and edges of the two runs, and
/// with their number's logarithm; of each output, so many causes are kept that
/// there are not too many in all.
///
/// # Errors
/// A store error where a record is damaged.
pub fn diff(
    snapshot: &Snapshot,
    a: DiffRun,
    b: DiffRun,
    commits: &CommitFiles,
    list: ReadList<'_>,
) -> Result<RunDiff> {
    let a = Side::read(snapshot, a)?;
    let b = Side::read(snapshot, b)?;
    let parameters = parameters(&a.head.view.run.parameters, &b.head.view.run.parameters);
    let (metrics, metrics_same) =
        compare_metrics(&snapshot.metrics(a.head.view.run.id)?, &snapshot.metrics(b.head.view.run.id)?);
    let recorders = [&a, &b].map(|side| side.head.view.run.recorder.clone());
    let (outputs, pairs) = outputs::compare(snapshot, &a, &b)?;
    let files = |wanted: fn(Role) -> bool| files::files([&a, &b], &pairs, wanted);
    let environment = files(|role| role == Role::Environment);
    let mut found = RunDiff {
        code: code::compare(snapshot, &a, &b, commits)?,
        outcomes: outcomes(&a, &b),
        arguments: (a.neutral_arguments() != b.neutral_arguments())
            .then(|| [&a, &b].map(|side| side.arguments().to_vec())),
        parameters,
        recorder: (recorders[0] != recorders[1]).then_some(recorders),
        inputs: files(|role| !role.is_code() && role != Role::Environment),
        code_read: files(Role::is_code),
        environment_entries: EnvironmentDiff::read(&environment, list)?,
        environment,
        outputs,
        metrics,
        metrics_same,
        failures: failures(&a, &b),
        unlike: unlike::unlike([&a, &b], &pairs),
        explanations: Vec::new(),
        upstream: Vec::new(),
        a: a.head.clone(),
        b: b.head.clone(),
    };
    if found.unlike.is_none() {
        found.explanations = causes::explain(&a, &b, &pairs, &mut found);
        found.upstream = upstream::upstream(snapshot, &found)?;
    }
    Ok(found)
}

fn outcomes(a: &Side, b: &Side) -> Option<[(RunStatus, Option<String>); 2]> {
    let ends = [a, b].map(|side| (side.head.status(), side.head.view.reason().map(str::to_owned)));
    (ends[0].0 != ends[1].0).then_some(ends)
}
