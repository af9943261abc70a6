//! The model registry: what is registered, and what has become of it.
//!
//! All statements on a model are ordered by their time, and simultaneous ones by the digest of what they say, so that every
//! store that has the same statements gives the same answer.
//!
//! - Of several registrations under one name and version, which can only meet when workspaces are merged, the first is the
//!   version; the others are **clashes**: they keep their files and their history, and are never in production.
//! - A version stands where the last statement put it. At most one version of a model is in production: whoever is put there
//!   moves the one before into the archive.
//! - A version that was withdrawn stays so: later statements on it are void.

mod best;
mod history;
mod learned;
mod selector;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::error::Result;
use crate::model::{
    Artifact, Metric, ModelAct, ModelChange, ModelVersion, NodeId, Parameter, Stage, Timestamp, version_key,
};
use crate::query::history::{last_values, run_view};
use crate::store::{ArtifactNo, ChangeOrder, GO_ON, Holders, Order, Snapshot};

pub use best::{Best, best, metrics_of};
pub use history::{HistoryAct, HistoryEntry, history};
pub use learned::{LearnedHow, declared, inputs, learned_from, made_as};
pub(crate) use learned::{is_written_by, made_by};
pub use selector::{ModelSelector, find_model, latest, unknown_model};

/// A model version, and what has become of it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ModelView {
    /// As it was registered.
    pub model: ModelVersion,
    /// Where it stands.
    pub stage: Stage,
    /// That it was withdrawn, by this statement.
    pub deleted: Option<ModelChange>,
    /// The version that has this name and version, where this one has them not.
    pub clash_with: Option<NodeId>,
    /// Its other names, sorted.
    pub aliases: Vec<String>,
    /// What it is, in a sentence.
    pub description: String,
    /// Remarks.
    pub notes: Option<String>,
    /// Its tags, by name.
    pub tags: Vec<Parameter>,
    /// The version whose place it took in production, or was made to take.
    pub promoted_from: Option<String>,
    /// The last value of each of its metrics, by name.
    pub metrics: Vec<Metric>,
    /// Whether it was made by code that differed from its commit: as was known when it was registered, or as its run was seen to read.
    pub git_dirty: bool,
    /// When something last became of it.
    pub updated_at: Timestamp,
}

/// Returns true where the run of a model was seen to read what differs from the commit of both, or from that of another repository:
/// that is known at its end only.
fn changed_since(snapshot: &Snapshot, model: &ModelVersion) -> Result<bool> {
    let Some(run) = snapshot.run_of_model(model)? else { return Ok(false) };
    if snapshot.changed_code(run)?.is_empty() && snapshot.run_repositories(run)?.is_empty() {
        return Ok(false);
    }
    let view = run_view(snapshot, run)?.filter(|view| view.run.code.commit == model.git_sha);
    Ok(view.is_some_and(|view| view.read_uncommitted() || !view.changed_elsewhere.is_empty()))
}

impl ModelView {
    /// Returns `name@version`; with the end of its key where another has that name.
    pub fn label(&self) -> String {
        let label = format!("{}@{}", self.model.name, self.model.version);
        match self.clash_with {
            Some(_) => format!("{label}~{}", self.model.id.tail(NodeId::TAIL_DIGITS)),
            None => label,
        }
    }

    /// Returns where it stands among versions of all models: those in production first, and those that were withdrawn last.
    pub(crate) fn rank(&self) -> impl Ord + use<> {
        let stages = [Stage::Production, Stage::Staging, Stage::Development, Stage::Archived];
        let stage = stages.iter().position(|stage| *stage == self.stage);
        let version = Reverse(version_key(&self.model.version));
        (self.deleted.is_some(), stage, self.model.name.clone(), version, self.model.id)
    }

    /// Returns true where it can be used: it was not withdrawn, and its name is its own.
    pub fn is_current(&self) -> bool {
        self.deleted.is_none() && self.clash_with.is_none()
    }
}

/// Reads a model version and what has become of it; `None` where only others speak of it.
///
/// Cost: its own changes; for the first version of a model also all that was said of who is called what.
///
/// # Errors
/// A store error where a record is damaged.
pub fn model_view(snapshot: &Snapshot, id: NodeId) -> Result<Option<ModelView>> {
    let Some((model, registered)) = snapshot.model_with_order(id)? else {
        return Ok(None);
    };
    let changes = changes_of(snapshot, &model)?;
    let life = Life::of(registered, &model, &changes);
    let clash_with = clash(snapshot, &model)?;
    let stage = match life.stage {
        _ if life.deleted.is_some() => Stage::Archived,
        Stage::Production if production(snapshot, &model.name)? != Some(id) => Stage::Archived,
        stage => stage,
    };
    let mut view = ModelView {
        stage,
        clash_with,
        aliases: Vec::new(),
        description: model.description.clone(),
        notes: model.notes.clone(),
        tags: Vec::new(),
        promoted_from: model.promoted_from.clone(),
        metrics: last_values(&snapshot.metrics(id)?),
        git_dirty: model.git_dirty || changed_since(snapshot, &model)?,
        updated_at: model.as_of(),
        deleted: life.deleted.map(|at| changes[at].1.clone()),
        model,
    };
    // An entry tells how everything stood when it was written.
    let after = if view.model.taken.is_some() {
        changes.partition_point(|(order, _)| *order < registered)
    } else {
        0
    };
    let until = life.deleted.unwrap_or(changes.len());
    view.take_changes(&changes[after.min(until)..until]);
    if let Some(deleted) = &view.deleted {
        view.updated_at = view.updated_at.max(deleted.at);
    }
    if let Some((staged, true)) = life.staged
        && view.is_current()
        && view.stage != Stage::Production
        && let Some(displaced_at) = displaced_at(snapshot, &view.model, staged)?
    {
        view.updated_at = view.updated_at.max(displaced_at);
    }
    if let Some((order, true)) = life.staged.filter(|_| view.promoted_from.is_none())
        && let Some(before) = production_before(snapshot, &view.model.name, order)?
        && before != id
    {
        view.promoted_from = snapshot.model(before)?.map(|model| model.version);
    }
    if view.is_current() {
        view.aliases = holders(snapshot, &view.model.name)?.aliases_of(id).to_vec();
    }
    Ok(Some(view))
}

impl ModelView {
    fn take_changes(&mut self, changes: &[(ChangeOrder, ModelChange)]) {
        let mut tags: BTreeMap<String, String> = self.model.tags.iter().cloned().collect();
        for (_, change) in changes {
            self.updated_at = self.updated_at.max(change.at);
            let ModelAct::Edited(edit) = &change.act else {
                continue;
            };
            if let Some(description) = &edit.description {
                self.description.clone_from(description);
            }
            if let Some(notes) = &edit.notes {
                self.notes = Some(notes.clone()).filter(|notes| !notes.is_empty());
            }
            tags.extend(edit.tags_set.iter().cloned());
            tags.retain(|name, _| !edit.tags_removed.contains(name));
        }
        self.tags = tags.into_iter().collect();
        let measured = self.metrics.iter().map(|metric| metric.at);
        self.updated_at = measured.fold(self.updated_at, Timestamp::max);
    }
}

/// Returns the changes of a version in order; without those that name another model, which are about nothing.
pub(crate) fn changes_of(
    snapshot: &Snapshot,
    model: &ModelVersion,
) -> Result<Vec<(ChangeOrder, ModelChange)>> {
    let mut changes = snapshot.model_changes_ordered(model.id)?;
    changes.retain(|(_, change)| change.name.is_empty() || change.name == model.name);
    Ok(changes)
}

/// Says what [`ModelView::is_current`] does, for less: nothing else of the version is read.
pub(crate) fn is_current(snapshot: &Snapshot, model: &ModelVersion) -> Result<bool> {
    Ok(!is_withdrawn(snapshot, model)? && clash(snapshot, model)?.is_none())
}

/// Tells whether a version was withdrawn.
fn is_withdrawn(snapshot: &Snapshot, model: &ModelVersion) -> Result<bool> {
    Ok(changes_of(snapshot, model)?.iter().any(|(_, change)| change.act == ModelAct::Deleted))
}

/// What the statements on one version alone say.
struct Life {
    /// Where the last of them puts it.
    stage: Stage,
    /// The last that puts it anywhere, and whether that is production.
    staged: Option<(ChangeOrder, bool)>,
    /// The position of the change that withdrew it; those after it are void.
    deleted: Option<usize>,
}

impl Life {
    fn of(registered: ChangeOrder, model: &ModelVersion, changes: &[(ChangeOrder, ModelChange)]) -> Self {
        let deleted = changes.iter().position(|(_, change)| change.act == ModelAct::Deleted);
        let until = deleted.map(|at| changes[at].0);
        let counts = |order: ChangeOrder| until.is_none_or(|until| order < until);
        let staged = changes.iter().filter_map(|(order, change)| match change.act {
            ModelAct::Staged { stage, .. } => Some((*order, stage)),
            _ => None,
        });
        let last = staged.chain([(registered, model.stage)]).filter(|(order, _)| counts(*order)).max();
        Life {
            stage: last.map_or(Stage::Archived, |(_, stage)| stage),
            staged: last.map(|(order, stage)| (order, stage == Stage::Production)),
            deleted,
        }
    }
}

/// Returns the version that has the name and the version of `model`, where that is another.
fn clash(snapshot: &Snapshot, model: &ModelVersion) -> Result<Option<NodeId>> {
    let first = snapshot.models_named(&model.name, &model.version)?.first().copied();
    Ok(first.filter(|first| *first != model.id))
}

/// Returns the version of a model that is in production.
///
/// Cost: a few look-ups, however many versions there are.
///
/// # Errors
/// A store error where a record is damaged.
pub fn production(snapshot: &Snapshot, name: &str) -> Result<Option<NodeId>> {
    Ok(holders(snapshot, name)?.in_production)
}

/// Returns the version that was in production just before a statement.
pub(crate) fn production_before(
    snapshot: &Snapshot,
    name: &str,
    order: ChangeOrder,
) -> Result<Option<NodeId>> {
    production_until(snapshot, name, Some(order))
}

fn production_until(snapshot: &Snapshot, name: &str, until: Option<ChangeOrder>) -> Result<Option<NodeId>> {
    let counts = |order: ChangeOrder| until.is_none_or(|until| order < until);
    let last = snapshot.promotions(name, |order, id| {
        if !counts(order) {
            return Ok(ControlFlow::Continue(()));
        }
        let Some((model, registered)) = snapshot.model_with_order(id)? else {
            return Ok(ControlFlow::Continue(()));
        };
        let mut changes = changes_of(snapshot, &model)?;
        changes.retain(|(order, _)| counts(*order));
        let life = Life::of(registered, &model, &changes);
        if !is_promotion(snapshot, &model, &changes, order)? {
            return Ok(ControlFlow::Continue(()));
        }
        // The last that counts: whoever was there before left by it. It may have left itself since.
        let stays = life.deleted.is_none() && life.staged.is_some_and(|(last, _)| last == order);
        Ok(ControlFlow::Break(stays.then_some(id)))
    })?;
    Ok(last.break_value().flatten())
}

/// Says whether a statement that puts a version into production does: it was not withdrawn before, and its name is its own.
fn is_promotion(
    snapshot: &Snapshot,
    model: &ModelVersion,
    changes: &[(ChangeOrder, ModelChange)],
    order: ChangeOrder,
) -> Result<bool> {
    let mut before = changes.iter().take_while(|(change, _)| *change < order);
    let is_withdrawn = before.any(|(_, change)| change.act == ModelAct::Deleted);
    Ok(!is_withdrawn && clash(snapshot, model)?.is_none())
}

/// Returns when a version that was put into production by the statement `staged` left it for another.
fn displaced_at(snapshot: &Snapshot, model: &ModelVersion, staged: ChangeOrder) -> Result<Option<Timestamp>> {
    let left = snapshot.promotions_after(&model.name, staged, |order, id| {
        let other = if id == model.id { None } else { snapshot.model(id)? };
        let is_promoted = match other {
            Some(other) => is_promotion(snapshot, &other, &changes_of(snapshot, &other)?, order)?,
            None => false,
        };
        Ok(if is_promoted { ControlFlow::Break(order.0) } else { ControlFlow::Continue(()) })
    })?;
    Ok(left.break_value())
}

/// Returns the aliases of a model that name a version, each with it: for each alias the last statement counts. With a version that is
/// withdrawn its names are gone.
///
/// # Errors
/// A store error where a record is damaged.
pub fn aliases(snapshot: &Snapshot, name: &str) -> Result<BTreeMap<String, NodeId>> {
    Ok(holders(snapshot, name)?.aliases.clone())
}

/// Returns who of a model is called what. All statements on its aliases are read for that, once for each snapshot.
fn holders(snapshot: &Snapshot, name: &str) -> Result<Arc<Holders>> {
    snapshot.holders(name, || {
        Ok(Holders::new(production_until(snapshot, name, None)?, last_aliases(snapshot, name)?))
    })
}

fn last_aliases(snapshot: &Snapshot, name: &str) -> Result<BTreeMap<String, NodeId>> {
    let mut last = BTreeMap::new();
    for statement in snapshot.aliases_of(name)? {
        last.insert(statement.alias, statement.model);
    }
    let mut named = BTreeMap::new();
    for (alias, id) in last {
        if let Some(id) = id
            && let Some(model) = snapshot.model(id)?.filter(|model| model.name == name)
            && !is_withdrawn(snapshot, &model)?
        {
            named.insert(alias, id);
        }
    }
    Ok(named)
}

/// Returns the names of all models in order.
///
/// # Errors
/// A store error where a record is damaged.
pub fn model_names(snapshot: &Snapshot) -> Result<Vec<String>> {
    let mut names = Vec::new();
    snapshot.model_names(|name| {
        names.push(name.to_owned());
        Ok(GO_ON)
    })?;
    Ok(names)
}

/// Returns the versions of a model, the greatest first: all that was registered under the name, also what was withdrawn.
///
/// # Errors
/// A store error where a record is damaged.
pub fn versions(snapshot: &Snapshot, name: &str) -> Result<Vec<ModelView>> {
    let mut ids = Vec::new();
    snapshot.model_versions(name, Order::Falling, |model| {
        ids.push(model.id);
        Ok(GO_ON)
    })?;
    let mut views = Vec::with_capacity(ids.len());
    for id in ids {
        views.extend(model_view(snapshot, id)?);
    }
    Ok(views)
}

/// Returns the versions that hold any of some files, by their labels; of each file that one holds.
///
/// # Errors
/// A store error where a record is damaged.
pub fn holding<'a>(
    snapshot: &Snapshot,
    files: impl Iterator<Item = &'a Artifact>,
) -> Result<BTreeMap<Artifact, BTreeSet<String>>> {
    if snapshot.model_count()? == 0 {
        return Ok(BTreeMap::new());
    }
    let mut numbers: Vec<ArtifactNo> = snapshot.artifact_nos(files)?.into_iter().collect();
    numbers.sort_unstable();
    numbers.dedup();
    let versions: BTreeSet<NodeId> =
        snapshot.models_with_any(&numbers)?.into_iter().map(|(_, id)| id).collect();
    let mut found: BTreeMap<Artifact, BTreeSet<String>> = BTreeMap::new();
    for id in versions {
        let Some(view) = model_view(snapshot, id)? else { continue };
        for held in &view.model.artifacts {
            found.entry(held.artifact.clone()).or_default().insert(view.label());
        }
    }
    Ok(found)
}
