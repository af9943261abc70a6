//! Notes: research documents with front matter, what they speak of, and what is wrong with them.

use crate::model::{Artifact, ArtifactPath, NodeId, Parameter, Timestamp};

/// A research document as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its key.
    pub id: NodeId,
    /// The document.
    pub artifact: Artifact,
    /// When it was read.
    pub at: Timestamp,
    /// The folder in whose index it is listed; `None` in statements from before there were indexes.
    pub folder: Option<ArtifactPath>,
    /// Its front matter by key: a scalar as its text, anything else as JSON.
    pub fields: Vec<Parameter>,
    /// What an index says of it.
    pub summary: NoteSummary,
    /// What it names.
    pub references: Vec<Reference>,
    /// What is wrong with it, or only unusual.
    pub findings: Vec<Finding>,
    /// The number of the rules it was read by: a document is read anew when they change.
    pub reader: u32,
}

/// What an index says of a document; what is empty was not to be found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct NoteSummary {
    /// What it is about.
    pub topic: String,
    /// When it was written, by its own clock: `2025-12-03`, `2025-12-03 17:51` or `2025-12-03 17:51:31`; a time of day with its
    /// offset from UTC where that is known: `2025-12-03 17:51 -06:00`.
    pub date: String,
    /// The status by one spelling for each.
    pub status: String,
    /// The status as written.
    pub status_written: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Who wrote it.
    pub author: String,
    /// The commit it was written at.
    pub commit: String,
}

impl NoteSummary {
    /// Returns when it was written as far as that can be told: a time without an offset is taken as UTC, a day as its beginning.
    pub fn written_at(&self) -> Option<Timestamp> {
        let date = self.date.replace(" +", "+").replace(" -", "-");
        Timestamp::stretch(&date).map(|(first, _)| first)
    }
}

/// Something that a document names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// What sort of thing.
    pub sort: ReferenceSort,
    /// Its name: a run id, a SHA, a version of a model, or a path seen from the workspace's root.
    pub name: String,
    /// The key of the front matter that names it; empty for the text below.
    pub given_by: String,
    /// Whether it was looked for, and was not there when this one was read.
    pub missing: bool,
}

impl Reference {
    /// Returns true for what is looked for when a document in this folder is read: other documents, and what its text links to
    /// that lies with it, such as pictures. Other data come and go, and code is named as it was at the document's commit.
    pub fn is_looked_for(&self, folder: &[u8]) -> bool {
        let lies_with_it = || folder.is_empty() || below(self.name.as_bytes(), folder);
        match self.sort {
            ReferenceSort::Note => true,
            ReferenceSort::File => self.given_by.is_empty() && lies_with_it(),
            ReferenceSort::Run | ReferenceSort::Commit | ReferenceSort::Model => false,
        }
    }
}

fn below(name: &[u8], folder: &[u8]) -> bool {
    name.strip_prefix(folder).is_some_and(|rest| rest.starts_with(b"/"))
}

/// What sort of thing a document names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ReferenceSort {
    /// A run, by its run id or the end of its key.
    Run,
    /// A commit, by its SHA or the front of it.
    Commit,
    /// A file or folder.
    File,
    /// Another document.
    Note,
    /// A version of a model: `NAME@VERSION`, or `NAME@ALIAS`.
    Model,
}

impl ReferenceSort {
    /// Every value, in the order of its code.
    pub const ALL: [ReferenceSort; 5] = [
        ReferenceSort::Run,
        ReferenceSort::Commit,
        ReferenceSort::File,
        ReferenceSort::Note,
        ReferenceSort::Model,
    ];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            ReferenceSort::Run => "run",
            ReferenceSort::Commit => "commit",
            ReferenceSort::File => "file",
            ReferenceSort::Note => "note",
            ReferenceSort::Model => "model",
        }
    }
}

/// Something found wrong with a document, or unusual in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Whether it is a fault: something that was lost, guessed, or leads nowhere. What was only written in an unusual way is none.
    pub fault: bool,
    /// What sort of finding, in a word or a few with `-` between them.
    pub sort: String,
    /// The finding in a sentence; with the values it is about.
    pub text: String,
}

/// A research document was found gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteGone {
    /// Where it lay.
    pub path: ArtifactPath,
    /// When it was found gone.
    pub at: Timestamp,
}
