//! The facts of two stores, compared.

use std::collections::HashMap;

use crate::error::Result;
use crate::journal;
use crate::model::{Digest, Fact};
use crate::store::Snapshot;

/// Returns the digest of every fact, in the order that is the same in every store, and how often each occurs.
pub(super) fn digests(snapshot: &Snapshot) -> Result<Vec<Digest>> {
    let mut digests = Vec::new();
    every_fact(snapshot, &mut |fact| {
        digests.push(Digest::of(&journal::encode(&fact)?));
        Ok(())
    })?;
    Ok(digests)
}

/// Describes the facts of `snapshot` that are not among `others`.
pub(super) fn only_in(snapshot: &Snapshot, others: &[Digest]) -> Result<Vec<String>> {
    let mut left: HashMap<Digest, u64> = HashMap::new();
    for digest in others {
        *left.entry(*digest).or_default() += 1;
    }
    let mut only = Vec::new();
    every_fact(snapshot, &mut |fact| {
        match left.get_mut(&Digest::of(&journal::encode(&fact)?)) {
            Some(count) if *count > 0 => *count -= 1,
            _ => only.push(described(&fact)),
        }
        Ok(())
    })?;
    Ok(only)
}

fn described(fact: &Fact) -> String {
    match fact {
        Fact::RunStarted(run) => format!("start of run {} {}", run.run_id, run.id),
        Fact::RunOutcome(outcome) => format!("{} of run {}", outcome.status.as_str(), outcome.run),
        Fact::StepDone(step) => format!("step {} {} {}", step.name, step.subject, step.id),
        Fact::Metrics(points) => match points.first() {
            Some(point) => format!("{} metric points of {}", points.len(), point.owner),
            None => "no metric points".to_owned(),
        },
        Fact::ModelRegistered(model) => format!("model {} {}", model.name, model.version),
        Fact::ModelChanged(change) => format!("change {} of model version {}", change.id, change.model),
        Fact::RunTagged(tags) => format!("{} tags of run {}", tags.tags.len(), tags.run),
        Fact::RepositoryRead(repository) => {
            let root =
                repository.root.as_ref().map_or("the workspace's root".to_owned(), ToString::to_string);
            format!("repository at {root} of run {}", repository.run)
        }
        Fact::FileOverwritten(overwritten) => format!("{} written over", overwritten.artifact.path),
        Fact::LinkSeen(link) => format!("{} a link to {}", link.path, link.text),
        Fact::NoteGone(gone) => format!("note {} gone", gone.path),
        Fact::ModelNamed(alias) => format!("alias {} of model {}", alias.alias, alias.name),
        Fact::NoteRead(note) => format!("note {} {}", note.artifact.path, note.id),
        Fact::ParametersSaid(said) => format!("{} parameters of run {}", said.parameters.len(), said.run),
        Fact::Remarked(remarks) => format!("{} remarks on run {}", remarks.remarks.len(), remarks.run),
    }
}

/// Calls `visit` with every fact, and with the metrics of every step.
fn every_fact(snapshot: &Snapshot, visit: &mut dyn FnMut(Fact) -> Result<()>) -> Result<()> {
    snapshot.facts(&mut |fact| {
        let step = match &fact {
            Fact::StepDone(step) => Some(step.id),
            _ => None,
        };
        visit(fact)?;
        let points = step.map_or(Ok(Vec::new()), |step| snapshot.metrics(step))?;
        if points.is_empty() { Ok(()) } else { visit(Fact::Metrics(points)) }
    })
}
