//! Facts for others: the complete backup; [`lines`] says what stands in it.

mod jsonl;
pub mod lines;
pub(crate) mod out;

use std::collections::{BTreeSet, HashMap};

use crate::error::{Error, Result};
use crate::model::{Fact, NodeId};
use crate::store::{RunNo, Snapshot, StepNo};

pub use jsonl::jsonl;
pub(crate) use lines::{End, FORMAT, Line};

/// Wraps an error of the place that is written to.
pub(crate) fn not_written(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::store("cannot write the export").because(cause).hint("what is recorded is not harmed")
}

/// Calls `visit` with every fact, or where runs are named with those that speak of them: their starts, ends, steps,
/// metrics, parameters, tags and remarks, the links among their files, and the model versions they made; in the order of [`Snapshot::facts`].
///
/// Cost: where runs are named, what they hold.
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
    let mut nodes: BTreeSet<(NodeId, Node)> = BTreeSet::new();
    let mut models: BTreeSet<NodeId> = BTreeSet::new();
    for number in runs {
        if let Some(run) = snapshot.run(*number)? {
            nodes.insert((run.id, Node::Run(*number)));
            models.extend(snapshot.models_of_run(run.id)?);
        }
        for step in snapshot.steps_of(*number)? {
            nodes.extend(snapshot.step_head(step)?.map(|head| (head.id, Node::Step(step))));
        }
    }
    let mut artifacts = BTreeSet::new();
    for (_, node) in &nodes {
        match node {
            Node::Run(run) => snapshot.facts_of_run(*run, visit)?,
            Node::Step(step) => {
                if let Some(edges) = snapshot.edges(*step)? {
                    artifacts.extend(edges.used.iter().chain(&edges.generated).map(|edge| edge.artifact));
                }
                snapshot.step(*step)?.map_or(Ok(()), |step| visit(Fact::StepDone(step)))?;
            }
        }
    }
    let mut names = BTreeSet::new();
    let mut registered = HashMap::new();
    for id in &models {
        if let Some(model) = snapshot.model(*id)? {
            names.insert(model.name.clone());
            registered.insert(*id, model.points().collect::<Vec<_>>());
            visit(Fact::ModelRegistered(model))?;
        }
    }
    for id in &models {
        snapshot.model_changes(*id)?.into_iter().try_for_each(|change| visit(Fact::ModelChanged(change)))?;
    }
    for name in names {
        let aliases = snapshot.aliases_of(&name)?.into_iter();
        let mut of_them = aliases.filter(|alias| alias.model.is_some_and(|model| models.contains(&model)));
        of_them.try_for_each(|alias| visit(Fact::ModelNamed(alias)))?;
    }
    let owners: BTreeSet<NodeId> = nodes.into_iter().map(|(id, _)| id).chain(models).collect();
    for owner in owners {
        let mut points = snapshot.metrics(owner)?;
        points.retain(|point| registered.get(&owner).is_none_or(|said| !said.contains(point)));
        if !points.is_empty() {
            visit(Fact::Metrics(points))?;
        }
    }
    let mut links = BTreeSet::new();
    for artifact in artifacts {
        links.extend(snapshot.link_seen(artifact)?);
    }
    links.into_iter().try_for_each(|link| visit(Fact::LinkSeen(link)))
}

/// What has a key, in the order of the store.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    Run(RunNo),
    Step(StepNo),
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::store::GO_ON;
    use crate::store::tests::world::{facts, store_of, tries};

    /// Leaves out model versions with the key of a run or step, which nobody makes: points of metrics would be said of both.
    fn with_ids_of_their_own(mut facts: Vec<Fact>) -> Vec<Fact> {
        let taken: HashSet<NodeId> = facts
            .iter()
            .filter_map(|fact| match fact {
                Fact::RunStarted(run) => Some(run.id),
                Fact::StepDone(step) => Some(step.id),
                _ => None,
            })
            .collect();
        facts.retain(|fact| !matches!(fact, Fact::ModelRegistered(model) if taken.contains(&model.id)));
        facts
    }

    /// Looks through every fact for those that speak of runs.
    fn plainly(snapshot: &Snapshot, numbers: &[RunNo]) -> Vec<Fact> {
        let (mut runs, mut steps, mut models) = (HashSet::new(), HashSet::new(), HashSet::new());
        for number in numbers {
            runs.extend(snapshot.run(*number).unwrap().map(|run| run.id));
            let of_run = snapshot.steps_of(*number).unwrap().into_iter();
            steps.extend(of_run.map(|step| snapshot.edges(step).unwrap().unwrap().id));
        }
        let (mut found, mut edges) = (Vec::new(), HashSet::new());
        let mut visit = |fact| {
            let is_wanted = match &fact {
                Fact::RunStarted(run) => runs.contains(&run.id),
                Fact::RunOutcome(outcome) => runs.contains(&outcome.run),
                Fact::ParametersSaid(said) => runs.contains(&said.run),
                Fact::RunTagged(tags) => runs.contains(&tags.run),
                Fact::RepositoryRead(repository) => runs.contains(&repository.run),
                Fact::Remarked(remarks) => runs.contains(&remarks.run),
                Fact::StepDone(step) => {
                    let is_wanted = steps.contains(&step.id);
                    if is_wanted {
                        edges.extend(step.used.iter().map(|edge| edge.artifact.clone()));
                        edges.extend(step.generated.iter().map(|edge| edge.artifact.clone()));
                    }
                    is_wanted
                }
                Fact::ModelRegistered(model) => {
                    model.run.is_some_and(|run| runs.contains(&run)) && models.insert(model.id)
                }
                // What is said of a model version comes after it.
                Fact::ModelChanged(change) => models.contains(&change.model),
                Fact::ModelNamed(alias) => alias.model.is_some_and(|model| models.contains(&model)),
                Fact::Metrics(points) => {
                    let owner = points[0].owner;
                    [&runs, &steps, &models].iter().any(|ids| ids.contains(&owner))
                }
                Fact::LinkSeen(link) => edges.contains(&link.artifact()),
                Fact::NoteRead(_) | Fact::NoteGone(_) | Fact::FileOverwritten(_) => false,
            };
            found.extend(is_wanted.then_some(fact));
            Ok(())
        };
        snapshot.facts(&mut visit).unwrap();
        found
    }

    proptest! {
        #![proptest_config(tries(24))]

        #[test]
        fn the_facts_of_runs_are_those_that_looking_through_all_finds(facts in facts(), wanted in any::<u64>()) {
            let (_place, snapshot) = store_of(&with_ids_of_their_own(facts));
            let mut runs = Vec::new();
            let mut bits = wanted;
            snapshot
                .runs_newest_first(|run| {
                    runs.extend((bits & 1 == 1).then_some(run));
                    bits >>= 1;
                    Ok(GO_ON)
                })
                .unwrap();
            prop_assume!(!runs.is_empty());
            let mut found = Vec::new();
            facts_of(&snapshot, &runs, &mut |fact| {
                found.push(fact);
                Ok(())
            })
            .unwrap();
            prop_assert_eq!(found, plainly(&snapshot, &runs));
        }
    }
}
