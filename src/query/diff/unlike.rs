//! Runs of unlike kinds, such as a training and a prediction: they have nothing in common that a difference could be told of.

use std::collections::BTreeSet;

use crate::model::{Artifact, RunStatus};
use crate::query::diff::outputs::Pairs;
use crate::query::diff::side::{Side, StepKey};

/// That two runs are of unlike kinds: they have no output in common, and one read what the other wrote, or they have neither a step
/// that wrote nor a file of code in common.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unlike {
    /// What the first run read of what the second wrote.
    pub a_read_of_b: Vec<Artifact>,
    /// What the second run read of what the first wrote.
    pub b_read_of_a: Vec<Artifact>,
}

/// Finds whether two runs that came to their ends and wrote something are of unlike kinds.
pub(super) fn unlike(sides: [&Side; 2], pairs: &Pairs) -> Option<Unlike> {
    let is_whole = |side: &Side| side.head.status() == RunStatus::Succeeded;
    let may_be = pairs.versions.is_empty()
        && !pairs.written.iter().any(|written| written.is_empty())
        && sides.into_iter().all(is_whole)
        && !sides[0].does_the_same(sides[1]);
    if !may_be {
        return None;
    }
    let [a, b] = sides;
    let found = Unlike { a_read_of_b: a.read_of(b), b_read_of_a: b.read_of(a) };
    let is_read = !(found.a_read_of_b.is_empty() && found.b_read_of_a.is_empty());
    let [of_a, of_b] = sides.map(kinds);
    (is_read || of_a.is_disjoint(&of_b)).then_some(found)
}

/// What tells of which kind a run is: its steps that wrote, or a file of code.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Step(StepKey),
    Code(String),
}

fn kinds(side: &Side) -> BTreeSet<Kind> {
    let steps = side.steps.iter().filter(|step| !step.generated.is_empty());
    let code = side.steps.iter().flat_map(|step| &step.used).filter(|edge| edge.role.is_code());
    let code = code.map(|edge| Kind::Code(side.neutral_path(&edge.artifact.path)));
    steps.map(|step| Kind::Step(side.key(step))).chain(code).collect()
}
