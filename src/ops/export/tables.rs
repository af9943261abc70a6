//! The tables on model versions, documents and tags, which CSV and Parquet have alike: their columns, and the rows of each fact.
//!
//! | table | a row is | keys |
//! |---|---|---|
//! | `models` | a file of a model version, or a version without files, as it is now | `model`, `run` |
//! | `model_changes` | something that became of a version: staged, edited or deleted | `change`, `model` |
//! | `aliases` | a name given to a version, or to none any more | `alias`, `model` |
//! | `tags` | a tag said of a run, or of a version when it was registered | `owner` |
//! | `notes` | a document as it was read, or found gone | `note`, `path` |
//! | `note_references` | a thing that a document names | `note` |
//! | `note_findings` | what is wrong with a document, or unusual in it | `note` |
//!
//! Keys are UUIDs as text; lists and mappings are JSON as text.

use serde_json::json;

use crate::error::Result;
use crate::model::{
    Artifact, Fact, ModelAct, ModelAlias, ModelChange, ModelVersion, NodeId, Note, NoteGone, Parameter,
    Timestamp,
};
use crate::ops::export::cells::{Cell, Kind};
use crate::query::registry::model_view;
use crate::store::Snapshot;

/// A table: its name and its columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub name: &'static str,
    pub columns: &'static [(&'static str, Kind)],
}

/// Every table here, in the order in which [`rows`] numbers them.
pub(crate) const SHAPES: [Shape; 7] = [
    Shape {
        name: "models",
        columns: &[
            ("model", Kind::Text),
            ("name", Kind::Text),
            ("version", Kind::Text),
            ("run", Kind::Text),
            ("created_at", Kind::Time),
            ("stage", Kind::Text),
            ("description", Kind::Text),
            ("tags", Kind::Text),
            ("file", Kind::Text),
            ("path", Kind::Text),
            ("digest", Kind::Text),
            ("size_bytes", Kind::Whole),
            ("registered_at", Kind::Time),
            ("by", Kind::Text),
            ("model_type", Kind::Text),
            ("base_model", Kind::Text),
            ("commit", Kind::Text),
            ("dirty", Kind::Truth),
            ("branch", Kind::Text),
            ("notes", Kind::Text),
            ("training_config", Kind::Text),
            ("dataset_info", Kind::Text),
            ("deleted_at", Kind::Time),
        ],
    },
    Shape {
        name: "model_changes",
        columns: &[
            ("change", Kind::Text),
            ("model", Kind::Text),
            ("name", Kind::Text),
            ("at", Kind::Time),
            ("by", Kind::Text),
            ("act", Kind::Text),
            ("stage", Kind::Text),
            ("displaced", Kind::Text),
            ("description", Kind::Text),
            ("notes", Kind::Text),
            ("tags_set", Kind::Text),
            ("tags_removed", Kind::Text),
            ("reason", Kind::Text),
        ],
    },
    Shape {
        name: "aliases",
        columns: &[
            ("id", Kind::Text),
            ("name", Kind::Text),
            ("alias", Kind::Text),
            ("model", Kind::Text),
            ("at", Kind::Time),
            ("by", Kind::Text),
        ],
    },
    Shape {
        name: "tags",
        columns: &[
            ("owner", Kind::Text),
            ("of", Kind::Text),
            ("at", Kind::Time),
            ("name", Kind::Text),
            ("value", Kind::Text),
        ],
    },
    Shape {
        name: "notes",
        columns: &[
            ("note", Kind::Text),
            ("path", Kind::Text),
            ("state", Kind::Text),
            ("at", Kind::Time),
            ("digest", Kind::Text),
            ("size_bytes", Kind::Whole),
            ("folder", Kind::Text),
            ("date", Kind::Text),
            ("topic", Kind::Text),
            ("status", Kind::Text),
            ("status_written", Kind::Text),
            ("tags", Kind::Text),
            ("author", Kind::Text),
            ("commit", Kind::Text),
            ("fields", Kind::Text),
        ],
    },
    Shape {
        name: "note_references",
        columns: &[
            ("note", Kind::Text),
            ("path", Kind::Text),
            ("sort", Kind::Text),
            ("name", Kind::Text),
            ("given_by", Kind::Text),
            ("missing", Kind::Truth),
        ],
    },
    Shape {
        name: "note_findings",
        columns: &[
            ("note", Kind::Text),
            ("path", Kind::Text),
            ("fault", Kind::Truth),
            ("sort", Kind::Text),
            ("text", Kind::Text),
        ],
    },
];

const MODELS: usize = 0;
const CHANGES: usize = 1;
const ALIASES: usize = 2;
const TAGS: usize = 3;
const NOTES: usize = 4;
const REFERENCES: usize = 5;
const FINDINGS: usize = 6;

/// Takes a row of the table with this number in [`SHAPES`].
pub(crate) type Put<'a> = dyn FnMut(usize, Vec<Cell>) -> Result<()> + 'a;

/// Gives the rows of a fact to `put`; of facts that have other tables, none.
///
/// # Errors
/// Those of `put`, and a store error where a record is damaged.
pub(crate) fn rows(snapshot: &Snapshot, fact: &Fact, put: &mut Put<'_>) -> Result<()> {
    match fact {
        Fact::ModelRegistered(model) => {
            tags(model.id, "model", model.registered_at, &model.tags, put)?;
            models(snapshot, model, put)
        }
        Fact::ModelChanged(change) => put(CHANGES, change_row(change)),
        Fact::ModelNamed(alias) => put(ALIASES, alias_row(alias)),
        Fact::RunTagged(said) => tags(said.run, "run", said.at, &said.tags, put),
        Fact::NoteRead(note) => note_rows(note, put),
        Fact::NoteGone(gone) => put(NOTES, gone_row(gone)),
        Fact::RunStarted(_)
        | Fact::RunOutcome(_)
        | Fact::StepDone(_)
        | Fact::Metrics(_)
        | Fact::ParametersSaid(_)
        | Fact::Remarked(_) => Ok(()),
    }
}

fn pairs(pairs: &[Parameter]) -> serde_json::Value {
    json!(pairs.iter().cloned().collect::<std::collections::BTreeMap<_, _>>())
}

fn models(snapshot: &Snapshot, model: &ModelVersion, put: &mut Put<'_>) -> Result<()> {
    let view = model_view(snapshot, model.id)?;
    let stage = view.as_ref().map_or(model.stage, |view| view.stage);
    let description = view.as_ref().map_or(&model.description, |view| &view.description);
    let notes = view.as_ref().map_or(model.notes.as_ref(), |view| view.notes.as_ref());
    let tags = match &view {
        Some(view) => pairs(&view.tags),
        None => pairs(&model.tags),
    };
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
            Cell::maybe(artifact.map(|artifact| artifact.digest)),
            Cell::Whole(artifact.map(|artifact| artifact.size_bytes as i64)),
            Cell::at(model.registered_at),
            Cell::text(&model.by),
            Cell::maybe(model.model_type.as_ref()),
            Cell::maybe(model.base_model.as_ref()),
            Cell::maybe(model.git_sha.as_ref()),
            Cell::Truth(model.git_sha.as_ref().map(|_| model.git_dirty)),
            Cell::maybe(model.branch.as_ref()),
            Cell::maybe(notes),
            Cell::maybe(model.training_config.as_ref()),
            Cell::maybe(model.dataset_info.as_ref()),
            Cell::Time(deleted),
        ];
        put(MODELS, cells)
    };
    if model.artifacts.is_empty() {
        row(None, None)?;
    }
    model.artifacts.iter().try_for_each(|held| row(Some(&held.name), Some(&held.artifact)))
}

fn change_row(change: &ModelChange) -> Vec<Cell> {
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

fn alias_row(alias: &ModelAlias) -> Vec<Cell> {
    vec![
        Cell::text(alias.id),
        Cell::text(&alias.name),
        Cell::text(&alias.alias),
        Cell::maybe(alias.model),
        Cell::at(alias.at),
        Cell::text(&alias.by),
    ]
}

fn tags(owner: NodeId, of: &str, at: Timestamp, tags: &[Parameter], put: &mut Put<'_>) -> Result<()> {
    tags.iter().try_for_each(|(name, value)| {
        put(TAGS, vec![Cell::text(owner), Cell::text(of), Cell::at(at), Cell::text(name), Cell::text(value)])
    })
}

fn note_rows(note: &Note, put: &mut Put<'_>) -> Result<()> {
    let (summary, path) = (&note.summary, &note.artifact.path);
    let some = |text: &str| Cell::maybe(Some(text).filter(|text| !text.is_empty()));
    put(
        NOTES,
        vec![
            Cell::text(note.id),
            Cell::text(path),
            Cell::text("read"),
            Cell::at(note.at),
            Cell::text(note.artifact.digest),
            Cell::Whole(Some(note.artifact.size_bytes as i64)),
            Cell::maybe(note.folder.as_ref()),
            some(&summary.date),
            some(&summary.topic),
            some(&summary.status),
            some(&summary.status_written),
            Cell::text(json!(summary.tags)),
            some(&summary.author),
            some(&summary.commit),
            Cell::text(pairs(&note.fields)),
        ],
    )?;
    for reference in &note.references {
        put(
            REFERENCES,
            vec![
                Cell::text(note.id),
                Cell::text(path),
                Cell::text(reference.sort.as_str()),
                Cell::text(&reference.name),
                some(&reference.given_by),
                Cell::Truth(Some(reference.missing)),
            ],
        )?;
    }
    note.findings.iter().try_for_each(|finding| {
        let cells = vec![
            Cell::text(note.id),
            Cell::text(path),
            Cell::Truth(Some(finding.fault)),
            Cell::text(&finding.sort),
            Cell::text(&finding.text),
        ];
        put(FINDINGS, cells)
    })
}

fn gone_row(gone: &NoteGone) -> Vec<Cell> {
    let mut row = vec![Cell::Text(None), Cell::text(&gone.path), Cell::text("gone"), Cell::at(gone.at)];
    let rest = SHAPES[NOTES].columns.iter().skip(row.len());
    row.extend(rest.map(|(_, kind)| Cell::none(*kind)));
    row
}
