//! Facts for others: the complete backup ([`lines`] says what stands in it), and tables ([`csv`] and [`tables`] say which).

pub(crate) mod cells;
mod csv;
mod jsonl;
pub mod lines;
pub(crate) mod out;
pub mod tables;

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::model::{Fact, NodeId};
use crate::store::{RunNo, Snapshot};

pub use csv::csv;
pub use jsonl::jsonl;
pub(crate) use lines::{End, FORMAT, Line};

/// Wraps an error of the place that is written to.
pub(crate) fn not_written(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::store("cannot write the export").because(cause).hint("what is recorded is not harmed")
}

/// Calls `visit` with every fact, or where runs are named with those that speak of them: their starts, ends, steps,
/// metrics, parameters and remarks, and the model versions they made.
///
/// # Errors
/// Those of `visit`, and a store error where a record is damaged.
pub fn facts_of(
    snapshot: &Snapshot,
    runs: &[RunNo],
    visit: &mut dyn FnMut(Fact) -> Result<()>,
) -> Result<()> {
    if runs.is_empty() {
        return snapshot.facts(visit);
    }
    let mut wanted: HashSet<NodeId> = HashSet::new();
    for number in runs {
        wanted.extend(snapshot.run(*number)?.map(|run| run.id));
        for step in snapshot.steps_of(*number)? {
            wanted.extend(snapshot.edges(step)?.map(|edges| edges.id));
        }
    }
    snapshot.facts(&mut |fact| {
        let is_wanted = match &fact {
            Fact::RunStarted(run) => wanted.contains(&run.id),
            Fact::RunOutcome(outcome) => wanted.contains(&outcome.run),
            Fact::StepDone(step) => wanted.contains(&step.id),
            Fact::Metrics(points) => points.first().is_some_and(|point| wanted.contains(&point.owner)),
            Fact::ParametersSaid(said) => wanted.contains(&said.run),
            Fact::Remarked(remarks) => wanted.contains(&remarks.run),
            Fact::ModelRegistered(model) => model.run.is_some_and(|run| wanted.contains(&run)),
            Fact::ModelChanged(change) => wanted.contains(&change.model),
            Fact::ModelNamed(alias) => alias.model.is_some_and(|model| wanted.contains(&model)),
            Fact::RunTagged(tags) => wanted.contains(&tags.run),
            Fact::NoteRead(_) | Fact::NoteGone(_) => false,
        };
        if let (true, Fact::ModelRegistered(model)) = (is_wanted, &fact) {
            // What is said of a model version comes after it.
            wanted.insert(model.id);
        }
        if is_wanted { visit(fact) } else { Ok(()) }
    })
}
