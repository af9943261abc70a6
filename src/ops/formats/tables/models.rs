//! The rows of model versions, and of tags.

use serde_json::json;

use super::cells::Cell;
use super::{Put, Table, pairs};
use crate::error::Result;
use crate::model::{Artifact, ModelAct, ModelAlias, ModelChange, ModelVersion, NodeId, Parameter, Timestamp};
use crate::query::registry::model_view;
use crate::store::Snapshot;

/// Gives the rows of a version: one for each of its files.
pub(super) fn files(snapshot: &Snapshot, model: &ModelVersion, put: &mut Put<'_>) -> Result<()> {
    let view = model_view(snapshot, model.id)?;
    let stage = view.as_ref().map_or(model.stage, |view| view.stage);
    let description = view.as_ref().map_or(&model.description, |view| &view.description);
    let notes = view.as_ref().map_or(model.notes.as_ref(), |view| view.notes.as_ref());
    let tags = match &view {
        Some(view) => pairs(&view.tags),
        None => pairs(&model.tags),
    };
    let git_dirty = view.as_ref().map_or(model.git_dirty, |view| view.git_dirty);
    let deleted = view.as_ref().and_then(|view| view.deleted.as_ref()).map(|deleted| deleted.at.micros());
    let mut row = |name: Option<&str>, artifact: Option<&Artifact>| {
        let cells = vec![
            Cell::text(model.id),
            Cell::text(&model.name),
            Cell::text(&model.version),
            Cell::maybe(model.run),
            Cell::at(model.created_at),
            Cell::text(stage.as_str()),
            Cell::text(description),
            Cell::text(&tags),
            Cell::maybe(name),
            Cell::maybe(artifact.map(|artifact| &artifact.path)),
            Cell::maybe(artifact.and_then(Artifact::known_digest)),
            Cell::Whole(artifact.and_then(Artifact::known_size).map(|size| size as i64)),
            Cell::at(model.registered_at),
            Cell::text(&model.by),
            Cell::maybe(model.model_type.as_ref()),
            Cell::maybe(model.base_model.as_ref()),
            Cell::maybe(model.git_sha.as_ref()),
            Cell::Truth((model.git_sha.is_some() || git_dirty).then_some(git_dirty)),
            Cell::maybe(model.branch.as_ref()),
            Cell::maybe(notes),
            Cell::maybe(model.training_config.as_ref()),
            Cell::maybe(model.dataset_info.as_ref()),
            Cell::Time(deleted),
        ];
        put(Table::Models, cells)
    };
    if model.artifacts.is_empty() {
        row(None, None)?;
    }
    model.artifacts.iter().try_for_each(|held| row(Some(&held.name), Some(&held.artifact)))
}

pub(super) fn change(change: &ModelChange) -> Vec<Cell> {
    let (act, stage, displaced, edit) = match &change.act {
        ModelAct::Staged { stage, displaced } => ("staged", Some(stage.as_str()), *displaced, None),
        ModelAct::Edited(edit) => ("edited", None, None, Some(edit)),
        ModelAct::Deleted => ("deleted", None, None, None),
    };
    vec![
        Cell::text(change.id),
        Cell::text(change.model),
        Cell::text(&change.name),
        Cell::at(change.at),
        Cell::text(&change.by),
        Cell::text(act),
        Cell::maybe(stage),
        Cell::maybe(displaced),
        Cell::maybe(edit.and_then(|edit| edit.description.as_ref())),
        Cell::maybe(edit.and_then(|edit| edit.notes.as_ref())),
        Cell::maybe(edit.map(|edit| pairs(&edit.tags_set))),
        Cell::maybe(edit.map(|edit| json!(edit.tags_removed))),
        Cell::maybe(change.reason.as_ref()),
    ]
}

pub(super) fn alias(alias: &ModelAlias) -> Vec<Cell> {
    vec![
        Cell::text(alias.id),
        Cell::text(&alias.name),
        Cell::text(&alias.alias),
        Cell::maybe(alias.model),
        Cell::at(alias.at),
        Cell::text(&alias.by),
    ]
}

pub(super) fn tags(
    owner: NodeId,
    of: &str,
    at: Timestamp,
    tags: &[Parameter],
    put: &mut Put<'_>,
) -> Result<()> {
    tags.iter().try_for_each(|(name, value)| {
        put(
            Table::Tags,
            vec![Cell::text(owner), Cell::text(of), Cell::at(at), Cell::text(name), Cell::text(value)],
        )
    })
}
