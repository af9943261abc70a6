//! What became of a version that is recorded here, as its file says that was written later elsewhere.

use std::collections::BTreeMap;

use super::file::FileEntry;
use crate::error::Result;
use crate::model::{Fact, Metric, ModelAct, ModelChange, ModelEdit, Parameter};
use crate::ops::registry::entry::shown;
use crate::ops::taken::derived_id;
use crate::query::registry::ModelView;
use crate::store::Snapshot;

/// Returns the changes that a file tells of; none where it is no newer than what is recorded.
///
/// # Errors
/// A store error where a record is damaged.
pub(super) fn newer(
    snapshot: &Snapshot,
    view: &ModelView,
    entry: &FileEntry,
    file: &str,
) -> Result<Vec<Fact>> {
    let model = &entry.model;
    let at = model.as_of();
    if view.deleted.is_some() || view.clash_with.is_some() || at <= view.updated_at {
        return Ok(Vec::new());
    }
    // Who did it and why, the file does not say.
    let change = |sort: &str, act: ModelAct| {
        Fact::ModelChanged(ModelChange {
            id: derived_id(sort, &model.id.to_string(), at),
            model: model.id,
            name: model.name.clone(),
            at,
            by: String::new(),
            reason: Some(format!("as {} says", shown(file))),
            act,
        })
    };
    let mut facts = Vec::new();
    let edit = edit(view, entry);
    if edit != ModelEdit::default() {
        facts.push(change("edit", ModelAct::Edited(edit)));
    }
    if view.stage != model.stage && entry.deleted.is_none() {
        facts.push(change("stage", ModelAct::Staged { stage: model.stage, displaced: None }));
    }
    let points = points(snapshot, view, entry)?;
    if !points.is_empty() {
        facts.push(Fact::Metrics(points));
    }
    facts.extend(entry.withdrawn());
    Ok(facts)
}

fn edit(view: &ModelView, entry: &FileEntry) -> ModelEdit {
    let model = &entry.model;
    let (before, after): (BTreeMap<_, _>, BTreeMap<_, _>) =
        (view.tags.iter().cloned().collect(), model.tags.iter().cloned().collect());
    let set = after.iter().filter(|(name, value)| before.get(*name) != Some(value));
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    ModelEdit {
        description: (view.description != model.description).then(|| model.description.clone()),
        notes: (view.notes != model.notes).then(|| model.notes.clone().unwrap_or_default()),
        tags_set: set.map(|(name, value)| (name.clone(), value.clone())).collect::<Vec<Parameter>>(),
        tags_removed: gone.cloned().collect(),
    }
}

fn points(snapshot: &Snapshot, view: &ModelView, entry: &FileEntry) -> Result<Vec<Metric>> {
    let known = snapshot.metrics(view.model.id)?;
    let is_new = |point: &Metric| {
        let last = view.metrics.iter().find(|metric| metric.name == point.name);
        last.is_none_or(|last| last.value != point.value) && !known.contains(point)
    };
    Ok(entry.model.points().filter(is_new).collect())
}
