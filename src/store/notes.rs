//! Reading notes: each document as it was last read, and which documents name a thing.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::model::{ArtifactPath, Fact, Note, ReferenceSort, Timestamp};
use crate::store::damaged;
use crate::store::reading::{GO_ON, Order};
use crate::store::schema::note_reference_front;
use crate::store::snapshot::{Snapshot, record};

impl Snapshot {
    /// Returns a document as it was last read; `None` where it was found gone since, or was never read.
    pub fn note(&self, path: &ArtifactPath) -> Result<Option<Note>> {
        let mut front = path.as_bytes().to_vec();
        front.push(0);
        Ok(self.last_notes(&front)?.pop())
    }

    /// Returns a document as it was last read, and when it was found gone since; `None` where it was never read.
    pub fn note_even_if_gone(&self, path: &ArtifactPath) -> Result<Option<(Note, Option<Timestamp>)>> {
        let front = [path.as_bytes(), &[0]].concat();
        let (mut note, mut gone) = (None, None);
        self.notes.scan_names_with(&front, Order::Rising, |_, bytes| {
            match record(bytes)? {
                Fact::NoteRead(read) => (note, gone) = (Some(read), None),
                Fact::NoteGone(found) => gone = Some(found.at),
                _ => return Err(damaged("note")),
            }
            Ok(GO_ON)
        })?;
        Ok(note.map(|note| (note, gone)))
    }

    /// Returns every document whose path begins with `front`, as it was last read, by path; without those that are gone.
    pub fn notes_below(&self, front: &[u8]) -> Result<Vec<Note>> {
        self.last_notes(front)
    }

    fn last_notes(&self, front: &[u8]) -> Result<Vec<Note>> {
        let mut last: Option<(Vec<u8>, Vec<u8>)> = None;
        let mut notes = Vec::new();
        let take = |last: Option<(Vec<u8>, Vec<u8>)>, notes: &mut Vec<Note>| -> Result<()> {
            if let Some((_, bytes)) = last
                && let Fact::NoteRead(note) = record(&bytes)?
            {
                notes.push(note);
            }
            Ok(())
        };
        self.notes.scan_names_with(front, Order::Rising, |place, bytes| {
            let end = place.iter().position(|b| *b == 0).ok_or_else(|| damaged("note"))?;
            // The statements on a document lie in the order of time: the last one counts.
            if last.as_ref().is_some_and(|(path, _)| path.as_slice() != &place[..end]) {
                take(last.take(), &mut notes)?;
            }
            last = Some((place[..end].to_vec(), bytes.to_vec()));
            Ok(GO_ON)
        })?;
        take(last, &mut notes)?;
        Ok(notes)
    }

    /// Returns the documents that name a thing of this sort by exactly this name, by path.
    pub fn notes_naming(&self, sort: ReferenceSort, name: &str) -> Result<Vec<Note>> {
        let front = note_reference_front(sort, name);
        let mut paths = BTreeSet::new();
        self.note_references.scan_names_with(&front, Order::Rising, |place, _| {
            let path = place[front.len()..].to_vec();
            paths.insert(ArtifactPath::from_bytes(path).map_err(|_| damaged("note reference"))?);
            Ok(GO_ON)
        })?;
        let mut notes = Vec::with_capacity(paths.len());
        for path in paths {
            // An older version of the document may be the one that names it.
            let names = |note: &Note| note.references.iter().any(|r| r.sort == sort && r.name == name);
            notes.extend(self.note(&path)?.filter(names));
        }
        Ok(notes)
    }
}
