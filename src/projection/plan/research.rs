//! The index of a folder of research documents: its `README.md`.
//!
//! It is a function of the documents as they were last read: the same documents give the same bytes.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::error::Result;
use crate::model::{ArtifactPath, Digest, Note, percent_encoded};
use crate::projection::markdown::{code, escaped};
use crate::projection::plan::Planned;
use crate::store::Snapshot;

/// The name of an index in its folder.
pub const INDEX_NAME: &str = "README.md";

/// What an index begins with; the digest of all that follows the line comes next.
const FRONT: &str = "<!-- Written by `lineage research` from the documents in this folder; ";
const BACK: &str = " is the digest of what follows this line. -->\n";

/// As many characters of a status are shown as written.
const STATUS_MAX_CHARS: usize = 60;
/// As many digits of a SHA are shown.
const COMMIT_DIGITS: usize = 12;

/// Plans the index of every folder whose documents are recorded.
///
/// # Errors
/// A store error where a record is damaged.
pub fn research_indexes(snapshot: &Snapshot) -> Result<Vec<Planned>> {
    let mut folders: BTreeMap<ArtifactPath, Vec<Note>> = BTreeMap::new();
    for note in snapshot.notes_below(&[])? {
        if let Some(folder) = note.folder.clone() {
            folders.entry(folder).or_default().push(note);
        }
    }
    folders.into_iter().map(|(folder, notes)| research_index(&folder, notes.iter().collect())).collect()
}

/// Plans the index of a folder with these documents, in whatever order.
///
/// # Errors
/// A request error where the folder's path is too long to have a file in it.
pub fn research_index(folder: &ArtifactPath, notes: Vec<&Note>) -> Result<Planned> {
    let path = [folder.as_bytes(), b"/", INDEX_NAME.as_bytes()].concat();
    let text = Index::new(folder, notes).text();
    let digest = Digest::of(text.as_bytes());
    let bytes = format!("{FRONT}{digest}{BACK}{text}").into_bytes();
    Ok(Planned::bytes(ArtifactPath::from_bytes(path)?, bytes))
}

/// Returns the documents whose index lies at a path, by path; none where it is the place of no index.
pub(super) fn documents_of_index(snapshot: &Snapshot, path: &ArtifactPath) -> Result<Vec<Note>> {
    let folder = path.folder();
    if path.file_name() != INDEX_NAME.as_bytes() || folder.is_empty() {
        return Ok(Vec::new());
    }
    let mut notes = snapshot.notes_below(&[folder, b"/"].concat())?;
    notes.retain(|note| note.folder.as_ref().is_some_and(|indexed| indexed.as_bytes() == folder));
    Ok(notes)
}

/// Returns true for an index as it was written, whenever that was: one that somebody edited, or wrote himself, is none.
pub fn is_own_index(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let own = text.strip_prefix(FRONT).and_then(|rest| rest.split_once(BACK));
    own.is_some_and(|(digest, below)| digest == Digest::of(below.as_bytes()).to_string())
}

struct Index<'a> {
    folder: &'a [u8],
    /// Newest first; of one date by path.
    notes: Vec<&'a Note>,
    /// Documents by the path of that which each replaced.
    superseded: BTreeMap<&'a [u8], &'a Note>,
}

impl<'a> Index<'a> {
    fn new(folder: &'a ArtifactPath, mut notes: Vec<&'a Note>) -> Self {
        notes.sort_by_cached_key(|note| {
            let summary = &note.summary;
            (Reverse((summary.written_at(), summary.date.clone())), note.artifact.path.clone())
        });
        let mut superseded = BTreeMap::new();
        for note in &notes {
            for reference in note.references.iter().filter(|r| r.given_by.eq_ignore_ascii_case("supersedes"))
            {
                superseded.entry(reference.name.as_bytes()).or_insert(*note);
            }
        }
        Index { folder: folder.as_bytes(), notes, superseded }
    }

    fn text(&self) -> String {
        let mut text = String::from("# Research index\n\n");
        let count = self.notes.len();
        let documents = if count == 1 { "document" } else { "documents" };
        let _ = writeln!(text, "{} Markdown files: {count} {documents} and this index.\n", count + 1);
        text.push_str("| Date | Topic | Status | Tags | Author | Commit |\n|---|---|---|---|---|---|\n");
        for note in &self.notes {
            let summary = &note.summary;
            let topic = self.link(note, &summary.topic);
            let status = self.status(note);
            let tags = summary.tags.iter().map(|tag| escaped(tag)).collect::<Vec<_>>().join(", ");
            let commit: String = summary.commit.chars().take(COMMIT_DIGITS).collect();
            let cells =
                [to_the_minute(&summary.date), topic, status, tags, escaped(&summary.author), code(&commit)];
            let cells = cells.map(|cell| if cell.is_empty() { "–".to_owned() } else { cell });
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        self.counts(&mut text);
        self.faults(&mut text);
        self.remarks(&mut text);
        text
    }

    /// Returns a document's path from the folder of the index.
    fn relative<'n>(&self, note: &'n Note) -> &'n [u8] {
        let path = note.artifact.path.as_bytes();
        path.strip_prefix(self.folder).and_then(|rest| rest.strip_prefix(b"/")).unwrap_or(path)
    }

    fn link(&self, note: &Note, words: &str) -> String {
        format!("[{}]({})", escaped(words), percent_encoded(self.relative(note)))
    }

    fn named(&self, note: &Note) -> String {
        let name = String::from_utf8_lossy(self.relative(note)).into_owned();
        self.link(note, &name)
    }

    fn status(&self, note: &Note) -> String {
        let summary = &note.summary;
        let mut cell = escaped(&summary.status);
        let plain = |text: &str| text.to_lowercase().replace(['_', '-'], " ");
        if plain(&summary.status_written) != summary.status {
            let written: String = summary.status_written.chars().take(STATUS_MAX_CHARS).collect();
            let more = if written.len() < summary.status_written.len() { "…" } else { "" };
            let _ = write!(cell, " ({}{more})", escaped(written.trim_end()));
        }
        if let Some(by) = self.superseded.get(note.artifact.path.as_bytes()) {
            let comma = if cell.is_empty() { "" } else { ", " };
            let _ = write!(cell, "{comma}superseded by {}", self.named(by));
        }
        cell
    }

    fn counts(&self, text: &mut String) {
        let none = || "–".to_owned();
        let statuses =
            self.notes.iter().map(|note| Some(note.summary.status.clone()).filter(|s| !s.is_empty()));
        table(text, "By status", "Status", count(statuses.map(|status| status.unwrap_or_else(none))));
        let tags = self.notes.iter().flat_map(|note| match note.summary.tags.as_slice() {
            [] => vec![none()],
            tags => tags.to_vec(),
        });
        table(text, "By tag", "Tag", count(tags));
    }

    fn faults(&self, text: &mut String) {
        let faulty = self.notes.iter().filter(|note| note.findings.iter().any(|finding| finding.fault));
        let faulty: Vec<&&Note> = faulty.collect();
        let _ = writeln!(text, "\n## Faults\n");
        if faulty.is_empty() {
            text.push_str("None.\n");
        }
        for note in faulty {
            let _ = writeln!(text, "- {}", self.named(note));
            for finding in note.findings.iter().filter(|finding| finding.fault) {
                let _ = writeln!(text, "  - {}", with_code(&finding.text));
            }
        }
    }

    fn remarks(&self, text: &mut String) {
        let sorts = self.notes.iter().flat_map(|note| {
            let remarks = note.findings.iter().filter(|finding| !finding.fault);
            let mut sorts: Vec<String> = remarks.map(|finding| finding.sort.replace('-', " ")).collect();
            sorts.dedup();
            sorts.sort();
            sorts.dedup();
            sorts
        });
        table(text, "Unusual, but understood", "What", count(sorts));
    }
}

/// Leaves out the seconds of a date, not its offset.
fn to_the_minute(date: &str) -> String {
    let offset = date.get(16..).and_then(|rest| rest.find(' ').map(|at| &rest[at..])).unwrap_or_default();
    format!("{}{offset}", date.get(..16).unwrap_or(date))
}

/// Counts values: the most frequent first, those of one count by name.
fn count(values: impl Iterator<Item = String>) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    let mut rows: Vec<(String, usize)> = counts.into_iter().collect();
    rows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    rows
}

fn table(text: &mut String, title: &str, column: &str, rows: Vec<(String, usize)>) {
    let _ = writeln!(text, "\n## {title}\n");
    if rows.is_empty() {
        text.push_str("None.\n");
        return;
    }
    let _ = writeln!(text, "| {column} | Documents |\n|---|---|");
    for (value, count) in rows {
        let _ = writeln!(text, "| {} | {count} |", escaped(&value));
    }
}

/// Writes a sentence in which values stand in backticks.
fn with_code(sentence: &str) -> String {
    let mut text = String::new();
    for (at, part) in sentence.split('`').enumerate() {
        text.push_str(&if at % 2 == 1 { code(part) } else { escaped(part) });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Artifact, Finding, NodeId, NoteSummary, Reference, ReferenceSort, Timestamp};

    fn note(name: &str, date: &str, topic: &str, status: &str) -> Note {
        Note {
            id: NodeId::from_u128(1),
            artifact: Artifact {
                path: ArtifactPath::new(format!("notes/{name}")).unwrap(),
                digest: Digest::of(b""),
                size_bytes: 0,
            },
            at: Timestamp::from_micros(0),
            folder: Some(ArtifactPath::new("notes").unwrap()),
            fields: Vec::new(),
            summary: NoteSummary {
                topic: topic.to_owned(),
                date: date.to_owned(),
                status: status.to_lowercase(),
                status_written: status.to_owned(),
                tags: vec!["a|b".to_owned()],
                ..NoteSummary::default()
            },
            references: Vec::new(),
            findings: Vec::new(),
            reader: 1,
        }
    }

    fn text(notes: &[Note]) -> String {
        let planned = research_index(&ArtifactPath::new("notes").unwrap(), notes.iter().collect()).unwrap();
        let crate::projection::PlannedContent::Bytes(bytes) = planned.content else {
            panic!("an index is made from facts");
        };
        assert!(is_own_index(&bytes));
        let mut edited = bytes.clone();
        edited.push(b'\n');
        assert!(!is_own_index(&edited));
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_newest_stands_first_whatever_the_order_of_the_notes() {
        let notes = [
            note("a.md", "2025-12-03", "old", "complete"),
            note("c.md", "2025-12-03 10:00", "later", ""),
            note("b.md", "", "undated", "DONE"),
        ];
        let forward = text(&notes);
        let turned: Vec<Note> = notes.iter().rev().cloned().collect();
        assert_eq!(forward, text(&turned));
        let at = |word: &str| forward.find(word).unwrap();
        assert!(at("[later]") < at("[old]") && at("[old]") < at("[undated]"));
        assert!(forward.contains("4 Markdown files: 3 documents and this index."));
    }

    #[test]
    fn the_moment_counts_not_what_the_clock_showed_there() {
        let text = text(&[
            note("a.md", "2026-01-05 10:00:00 +09:00", "first", "complete"),
            note("b.md", "2026-01-05 02:00:00 +00:00", "second", "complete"),
            note("c.md", "2026-01-04 23:00 -06:00", "last", "complete"),
        ]);
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| 2026")).collect();
        let dates = rows.iter().map(|row| row.split(" | ").next().unwrap());
        assert_eq!(
            dates.collect::<Vec<_>>(),
            ["| 2026-01-04 23:00 -06:00", "| 2026-01-05 02:00 +00:00", "| 2026-01-05 10:00 +09:00"]
        );
    }

    #[test]
    fn hostile_names_and_topics_are_text() {
        let mut hostile =
            note("a) [x](javascript:y) |\u{202e}.md", "2025-12-03", "| <b> [t](u)\n# h", "complete");
        hostile.findings = vec![Finding {
            fault: true,
            sort: "no-sha".to_owned(),
            text: "`<x> | y` of `commit` is no SHA".to_owned(),
        }];
        let text = text(&[hostile]);
        let row = text.lines().find(|line| line.starts_with("| 2025")).unwrap();
        assert_eq!(
            row,
            "| 2025-12-03 | [\\| &lt;b&gt; \\[t\\]\\(u\\) \\# h](a%29%20%5Bx%5D%28javascript%3Ay%29%20%7C%E2%80%AE.md) \
             | complete | a\\|b | – | – |"
        );
        assert!(text.contains("  - `<x> \\| y` of `commit` is no SHA\n"));
    }

    #[test]
    fn a_document_that_another_replaced_says_so() {
        let mut new = note("new.md", "2026-01-01", "new", "complete");
        new.references = vec![Reference {
            sort: ReferenceSort::Note,
            name: "notes/old.md".to_owned(),
            given_by: "supersedes".to_owned(),
            missing: false,
        }];
        let text = text(&[new, note("old.md", "2025-01-01", "old", "complete")]);
        assert!(text.contains("| complete, superseded by [new.md](new.md) |"), "{text}");
    }
}
