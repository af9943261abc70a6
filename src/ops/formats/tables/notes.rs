//! The rows of documents, and of files that were written over.

use serde_json::json;

use super::cells::Cell;
use super::{Put, Table, pairs};
use crate::error::Result;
use crate::model::{Link, Note, NoteGone, Overwritten};

pub(super) fn read(note: &Note, put: &mut Put<'_>) -> Result<()> {
    let (summary, path) = (&note.summary, &note.artifact.path);
    let some = |text: &str| Cell::maybe(Some(text).filter(|text| !text.is_empty()));
    put(
        Table::Notes,
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
            Table::NoteReferences,
            vec![
                Cell::text(note.id),
                Cell::text(path),
                Cell::text(reference.sort.as_str()),
                Cell::text(&reference.name),
                some(&reference.given_by),
                Cell::Truth(
                    reference.is_looked_for(note.artifact.path.folder()).then_some(reference.missing),
                ),
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
        put(Table::NoteFindings, cells)
    })
}

pub(super) fn gone(gone: &NoteGone) -> Vec<Cell> {
    let mut row = vec![Cell::Text(None), Cell::text(&gone.path), Cell::text("gone"), Cell::at(gone.at)];
    let rest = Table::Notes.shape().columns.iter().skip(row.len());
    row.extend(rest.map(|(_, kind)| Cell::none(*kind)));
    row
}

pub(super) fn overwritten(overwritten: &Overwritten) -> Vec<Cell> {
    let artifact = &overwritten.artifact;
    vec![
        Cell::text(&artifact.path),
        Cell::text(artifact.digest),
        Cell::Whole(Some(artifact.size_bytes as i64)),
        Cell::at(overwritten.at),
        Cell::text(&overwritten.command),
    ]
}

pub(super) fn link(link: &Link) -> Vec<Cell> {
    vec![Cell::text(&link.path), Cell::text(link.text.digest()), Cell::text(&link.text)]
}
