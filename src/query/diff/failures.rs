//! Steps that failed in one of two runs.

use std::collections::{BTreeMap, BTreeSet};

use crate::query::diff::side::Side;

/// What became of a step in one of two runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum StepEnd {
    /// It was not done at all.
    Absent,
    /// It went well.
    Succeeded,
    /// It failed, for this reason.
    Failed(String),
}

/// A step that failed in one of two runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct FailureDiff {
    /// The step's name.
    pub step: String,
    /// What it was about.
    pub subject: String,
    /// What became of it in the first run.
    pub a: StepEnd,
    /// What became of it in the second run.
    pub b: StepEnd,
}

pub(super) fn failures(a: &Side, b: &Side) -> Vec<FailureDiff> {
    let (ends_a, ends_b) = (a.step_ends(), b.step_ends());
    let keys: BTreeSet<_> = ends_a.keys().chain(ends_b.keys()).collect();
    let mut found = BTreeSet::new();
    for key in keys {
        let end = |ends: &BTreeMap<_, StepEnd>| ends.get(key).cloned().unwrap_or(StepEnd::Absent);
        let (end_a, end_b) = (end(&ends_a), end(&ends_b));
        let failed = |end: &StepEnd| matches!(end, StepEnd::Failed(_));
        if end_a != end_b && (failed(&end_a) || failed(&end_b)) {
            found.insert(FailureDiff {
                step: key.name.clone(),
                subject: key.subject.clone(),
                a: end_a,
                b: end_b,
            });
        }
    }
    found.into_iter().collect()
}
