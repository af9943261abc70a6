//! What is known of a run that was started within an observed one: that has the only observer there can be.

use crate::error::Result;
use crate::model::{CaptureLevel, Evidence, NodeId, Step};
use crate::query::RunHead;
use crate::store::Snapshot;

/// What another run saw while a run went on that was not observed itself.
pub(super) struct Around {
    /// The observed run's key, shortened.
    pub(super) tail: String,
    /// What it was seen to do meanwhile: at least what the run in it did.
    pub(super) steps: Vec<Step>,
}

/// Returns what the run saw in which one was started that was not observed itself, where there is one.
///
/// # Errors
/// A store error where a record is damaged.
pub(super) fn seen_around(snapshot: &Snapshot, head: &RunHead) -> Result<Option<Around>> {
    let Some(ended_at) = head.view.ended_at().filter(|_| !is_observed(head)) else { return Ok(None) };
    let mut parent = head.view.run.parent;
    while let Some(id) = parent {
        let Some(number) = snapshot.run_no(id)? else { return Ok(None) };
        let Some(above) = RunHead::read(snapshot, number)? else { return Ok(None) };
        // Whoever started a run began before it.
        parent = above.view.run.parent.filter(|parent| *parent < id);
        if above.view.level() != Some(CaptureLevel::Net) {
            continue;
        }
        let mut steps = snapshot.whole_steps_of(number)?;
        steps.retain(|step| step.started_at >= head.view.run.started_at && step.ended_at <= ended_at);
        for step in &mut steps {
            // What its programs were told by those around it is no part of it.
            step.used.retain(|edge| edge.evidence != Evidence::Inferred);
        }
        return Ok(Some(Around { tail: above.view.run.id.tail(NodeId::TAIL_DIGITS), steps }));
    }
    Ok(None)
}

/// Returns false for a command of which it is not known what it read.
pub(super) fn is_observed(head: &RunHead) -> bool {
    !matches!(head.view.level(), Some(CaptureLevel::Snapshot | CaptureLevel::Nothing))
}
