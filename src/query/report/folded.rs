//! What lies behind files that steps read and wrote on, where a walk does not go on from there.

use std::collections::{BTreeSet, HashSet};

use super::{on_the_way, without_repeated};
use crate::error::Result;
use crate::model::{ArtifactPath, Evidence, Role};
use crate::query::ancestry::{Direction, Trace, TraceStep};
use crate::query::carried::WrittenOn;
use crate::query::origin::lost;
use crate::store::{ArtifactNo, RunNo, Snapshot, StepNo};

/// What a walk leaves out that does not go on from what a step wrote on into its other files.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Folded {
    /// The files that were read and written on, by path.
    pub through: Vec<ArtifactPath>,
    /// How many runs are on the way through these alone.
    pub runs: u64,
    /// How many steps.
    pub steps: u64,
    /// How many sources, going up; how many files that were written, going down.
    pub files: u64,
}

impl Trace {
    /// Returns true where a step on the way may have carried something on from a file that it wrote on.
    pub fn may_carry(&self) -> bool {
        self.steps.iter().any(may_carry)
    }
}

fn may_carry(step: &TraceStep) -> bool {
    step.used.iter().chain(&step.generated).any(|edge| edge.evidence == Evidence::Carried)
}

/// Counts what is on the `whole` way and not on the `sure` one; `None` where there is nothing.
///
/// # Errors
/// A store error where a record is damaged.
pub fn folded(snapshot: &Snapshot, whole: &Trace, sure: &Trace) -> Result<Option<Folded>> {
    let [whole, sure] = [whole, sure].map(|trace| without_repeated(snapshot, trace));
    let (whole, sure) = (whole?.trace, sure?.trace);
    let met = |trace: &Trace| {
        let runs: HashSet<RunNo> = trace.steps.iter().map(|step| step.run).collect();
        let steps: HashSet<StepNo> = trace.steps.iter().map(|step| step.step).collect();
        (runs, steps, files(trace))
    };
    let ((runs, steps, all), (sure_runs, sure_steps, sure_files)) = (met(&whole), met(&sure));
    let files = all.difference(&sure_files).count() as u64;
    if steps == sure_steps && files == 0 {
        return Ok(None);
    }
    let mut through: BTreeSet<ArtifactPath> = BTreeSet::new();
    for step in whole.steps.iter().filter(|step| sure_steps.contains(&step.step) && may_carry(step)) {
        let edges = snapshot.edges(step.step)?.ok_or_else(|| lost(step.step))?;
        let written_on = WrittenOn::of(snapshot, step.step, &edges)?;
        for edge in &step.used {
            let may_lead_on = match whole.direction {
                Direction::Up => edge.evidence == Evidence::Carried,
                Direction::Down => written_on.is_state(edge.artifact, edge.at),
            };
            if may_lead_on && edge.role != Role::Environment {
                through.insert(snapshot.artifact_path(edge.artifact)?);
            }
        }
    }
    Ok(Some(Folded {
        through: through.into_iter().collect(),
        runs: runs.difference(&sure_runs).count() as u64,
        steps: steps.difference(&sure_steps).count() as u64,
        files,
    }))
}

/// The sources of a way up, or what was written on a way down.
fn files(trace: &Trace) -> HashSet<ArtifactNo> {
    let steps = trace.steps.iter();
    match trace.direction {
        Direction::Up => {
            let used = steps.flat_map(|step| on_the_way(&step.used));
            used.filter(|edge| edge.is_source()).map(|edge| edge.artifact).collect()
        }
        Direction::Down => {
            steps.flat_map(|step| on_the_way(&step.generated)).map(|edge| edge.artifact).collect()
        }
    }
}
