//! Records of notes: version 2 of what was read, version 1 of what is gone; published, never to be edited. Below them, the way
//! between them and the model.

use bincode::{Decode, Encode};

use super::v1::ArtifactV1;
use super::{Fault, by_code, code_of, path};
use crate::model::{Finding, NodeId, Note, NoteGone, NoteSummary, Reference, ReferenceSort, Timestamp};

#[derive(Encode, Decode)]
pub(super) struct NoteV2 {
    id: u128,
    artifact: ArtifactV1,
    at_us: i64,
    folder: Option<Vec<u8>>,
    fields: Vec<(String, String)>,
    summary: SummaryV2,
    references: Vec<ReferenceV2>,
    findings: Vec<FindingV2>,
    reader: u32,
}

#[derive(Encode, Decode)]
struct SummaryV2 {
    topic: String,
    date: String,
    status: String,
    status_written: String,
    tags: Vec<String>,
    author: String,
    commit: String,
}

#[derive(Encode, Decode)]
struct ReferenceV2 {
    sort: u8,
    name: String,
    given_by: String,
    missing: bool,
}

#[derive(Encode, Decode)]
struct FindingV2 {
    fault: bool,
    sort: String,
    text: String,
}

#[derive(Encode, Decode)]
pub(super) struct NoteGoneV1 {
    path: Vec<u8>,
    at_us: i64,
}

/// Returns true for a note in which nothing stands that version 1 could not say: it is written in that, as it was.
pub(super) fn is_of_v1(note: &Note) -> bool {
    let plain = |reference: &Reference| reference.given_by.is_empty() && !reference.missing;
    note.reader == 0
        && note.folder.is_none()
        && note.findings.is_empty()
        && note.summary == NoteSummary::default()
        && note.references.iter().all(plain)
}

/// Returns true for a note that names a model, which programs that know version 2 alone cannot read.
pub(super) fn names_a_model(note: &Note) -> bool {
    note.references.iter().any(|reference| reference.sort == ReferenceSort::Model)
}

impl From<&Note> for NoteV2 {
    fn from(note: &Note) -> Self {
        let summary = note.summary.clone();
        NoteV2 {
            id: note.id.as_u128(),
            artifact: ArtifactV1::from(&note.artifact),
            at_us: note.at.micros(),
            folder: note.folder.as_ref().map(|folder| folder.as_bytes().to_vec()),
            fields: note.fields.clone(),
            summary: SummaryV2 {
                topic: summary.topic,
                date: summary.date,
                status: summary.status,
                status_written: summary.status_written,
                tags: summary.tags,
                author: summary.author,
                commit: summary.commit,
            },
            references: note
                .references
                .iter()
                .map(|reference| ReferenceV2 {
                    sort: code_of(&ReferenceSort::ALL, &reference.sort),
                    name: reference.name.clone(),
                    given_by: reference.given_by.clone(),
                    missing: reference.missing,
                })
                .collect(),
            findings: note
                .findings
                .iter()
                .map(|finding| FindingV2 {
                    fault: finding.fault,
                    sort: finding.sort.clone(),
                    text: finding.text.clone(),
                })
                .collect(),
            reader: note.reader,
        }
    }
}

impl TryFrom<NoteV2> for Note {
    type Error = Fault;

    fn try_from(note: NoteV2) -> Result<Self, Fault> {
        let reference = |reference: ReferenceV2| {
            Ok(Reference {
                sort: by_code(&ReferenceSort::ALL, reference.sort, "sort of reference")?,
                name: reference.name,
                given_by: reference.given_by,
                missing: reference.missing,
            })
        };
        let finding =
            |finding: FindingV2| Finding { fault: finding.fault, sort: finding.sort, text: finding.text };
        Ok(Note {
            id: NodeId::from_u128(note.id),
            artifact: note.artifact.try_into()?,
            at: Timestamp::from_micros(note.at_us),
            folder: note.folder.map(path).transpose()?,
            fields: note.fields,
            summary: NoteSummary {
                topic: note.summary.topic,
                date: note.summary.date,
                status: note.summary.status,
                status_written: note.summary.status_written,
                tags: note.summary.tags,
                author: note.summary.author,
                commit: note.summary.commit,
            },
            references: note.references.into_iter().map(reference).collect::<Result<_, Fault>>()?,
            findings: note.findings.into_iter().map(finding).collect(),
            reader: note.reader,
        })
    }
}

impl From<&NoteGone> for NoteGoneV1 {
    fn from(gone: &NoteGone) -> Self {
        NoteGoneV1 { path: gone.path.as_bytes().to_vec(), at_us: gone.at.micros() }
    }
}

impl TryFrom<NoteGoneV1> for NoteGone {
    type Error = Fault;

    fn try_from(gone: NoteGoneV1) -> Result<Self, Fault> {
        Ok(NoteGone { path: path(gone.path)?, at: Timestamp::from_micros(gone.at_us) })
    }
}
