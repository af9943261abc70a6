//! The labels of runs as they are shown: each run has one of its own, also where merging brought the same label twice.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use crate::error::Result;
use crate::model::RunId;
use crate::store::{RunNo, Snapshot};

/// Returns the label that is shown for a run that was recorded with `label`: of several with the same, as after a merge, the
/// first by key has it as it is, and each other one the next number in its second that none was recorded with.
///
/// # Errors
/// A store error where a record is damaged.
pub fn shown_label(snapshot: &Snapshot, number: RunNo, label: &RunId) -> Result<RunId> {
    let same = snapshot.runs_labelled(label.as_str())?;
    if same.iter().position(|one| *one == number).unwrap_or(0) == 0 {
        return Ok(label.clone());
    }
    let found = renumbered(snapshot, label)?.into_iter().find(|(_, one)| *one == number);
    Ok(found.map_or_else(|| label.clone(), |(shown, _)| shown))
}

/// Finds the run that is shown with a label.
///
/// # Errors
/// A store error where a record is damaged.
pub(crate) fn run_shown_as(snapshot: &Snapshot, label: &RunId) -> Result<Option<RunNo>> {
    if let Some(first) = snapshot.runs_labelled(label.as_str())?.first() {
        return Ok(Some(*first));
    }
    if label.number() == 1 {
        return Ok(None);
    }
    let found = renumbered(snapshot, label)?.into_iter().find(|(shown, _)| shown == label);
    Ok(found.map(|(_, number)| number))
}

/// Returns the runs that started in the second of `label` and are shown with another label than they were recorded with.
fn renumbered(snapshot: &Snapshot, label: &RunId) -> Result<Vec<(RunId, RunNo)>> {
    let mut recorded: BTreeSet<usize> = BTreeSet::new();
    let _end = snapshot.labels_from(label.second(), |next| {
        if !next.starts_with(label.second()) {
            return ControlFlow::Break(());
        }
        recorded.extend(next.parse().map(|next: RunId| next.number()));
        ControlFlow::Continue(())
    })?;
    let mut shown = Vec::new();
    let mut free = (2..).filter(|number| !recorded.contains(number));
    for number in &recorded {
        let same = snapshot.runs_labelled(label.numbered(*number).as_str())?;
        let others = same.into_iter().skip(1);
        shown.extend(others.zip(&mut free).map(|(run, number)| (label.numbered(number), run)));
    }
    Ok(shown)
}
