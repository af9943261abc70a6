//! Lines on research documents.

use serde::{Deserialize, Serialize};

use super::words::{ArtifactLine, PathText, artifact_line, node, path_text, word};
use crate::error::Result;
use crate::model::{Finding, Note, NoteGone, NoteSummary, Parameter, Reference, ReferenceSort, Timestamp};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoteLine {
    id: String,
    artifact: ArtifactLine,
    at_us: i64,
    folder: Option<PathText>,
    fields: Vec<Parameter>,
    summary: SummaryLine,
    references: Vec<ReferenceLine>,
    findings: Vec<FindingLine>,
    reader: u32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SummaryLine {
    topic: String,
    date: String,
    status: String,
    status_written: String,
    tags: Vec<String>,
    author: String,
    commit: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReferenceLine {
    sort: String,
    name: String,
    given_by: String,
    missing: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FindingLine {
    fault: bool,
    sort: String,
    text: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GoneLine {
    path: PathText,
    at_us: i64,
}

pub(super) fn note_line(note: &Note) -> NoteLine {
    let summary = note.summary.clone();
    let reference = |reference: &Reference| ReferenceLine {
        sort: reference.sort.as_str().to_owned(),
        name: reference.name.clone(),
        given_by: reference.given_by.clone(),
        missing: reference.missing,
    };
    let finding = |finding: &Finding| FindingLine {
        fault: finding.fault,
        sort: finding.sort.clone(),
        text: finding.text.clone(),
    };
    NoteLine {
        id: note.id.to_string(),
        artifact: artifact_line(&note.artifact),
        at_us: note.at.micros(),
        folder: note.folder.as_ref().map(path_text),
        fields: note.fields.clone(),
        summary: SummaryLine {
            topic: summary.topic,
            date: summary.date,
            status: summary.status,
            status_written: summary.status_written,
            tags: summary.tags,
            author: summary.author,
            commit: summary.commit,
        },
        references: note.references.iter().map(reference).collect(),
        findings: note.findings.iter().map(finding).collect(),
        reader: note.reader,
    }
}

pub(super) fn gone_line(gone: &NoteGone) -> GoneLine {
    GoneLine { path: path_text(&gone.path), at_us: gone.at.micros() }
}

impl NoteLine {
    pub(super) fn into_note(self) -> Result<Note> {
        let reference = |line: ReferenceLine| {
            Ok(Reference {
                sort: word(&ReferenceSort::ALL, ReferenceSort::as_str, &line.sort, "sort of reference")?,
                name: line.name,
                given_by: line.given_by,
                missing: line.missing,
            })
        };
        let finding = |line: FindingLine| Finding { fault: line.fault, sort: line.sort, text: line.text };
        let SummaryLine { topic, date, status, status_written, tags, author, commit } = self.summary;
        Ok(Note {
            id: node(&self.id)?,
            artifact: self.artifact.into_artifact()?,
            at: Timestamp::from_micros(self.at_us),
            folder: self.folder.map(PathText::into_path).transpose()?,
            fields: self.fields,
            summary: NoteSummary { topic, date, status, status_written, tags, author, commit },
            references: self.references.into_iter().map(reference).collect::<Result<_>>()?,
            findings: self.findings.into_iter().map(finding).collect(),
            reader: self.reader,
        })
    }
}

impl GoneLine {
    pub(super) fn into_gone(self) -> Result<NoteGone> {
        Ok(NoteGone { path: self.path.into_path()?, at: Timestamp::from_micros(self.at_us) })
    }
}
