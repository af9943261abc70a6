//! Comparing extracted texts with texts that people read: a folder with `ITEM1A.tsv` and `gold/<file>.txt`.
//!
//! ```text
//! ITEM1A.tsv    a header; columns `file`, `kind` (substantive, pointer, not-required, absent), `words`, `words_raw`
//! gold/<file>.txt    the text of Item 1A of the filing of that name
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use crate::disk::read_regular_text;
use crate::error::{Error, Result};
use crate::ops::Workspace;
use crate::ops::pipeline::against::{Change, Comparison};
use crate::ops::pipeline::resume::part_of;
use crate::ops::pipeline::stages::PipelineStage;
use crate::query::RunView;
use crate::store::Snapshot;

/// The table of a folder of gold.
const TABLE: &str = "ITEM1A.tsv";
/// A text of gold and a table are no longer than this.
const GOLD_MAX_BYTES: u64 = 64 << 20;

/// What people found in one filing.
struct Gold {
    kind: String,
    words: usize,
    words_raw: usize,
    text: String,
}

/// Tells whether a folder holds gold.
pub fn is_gold(folder: &Path) -> bool {
    folder.join(TABLE).is_file()
}

/// Holds the texts of Item 1A that a run extracted against those of a folder of gold.
///
/// # Errors
/// A request error where the folder cannot be read; a store error where a kept text is damaged.
pub fn compare(
    workspace: &Workspace,
    snapshot: &Snapshot,
    now: &RunView,
    folder: &Path,
) -> Result<Comparison> {
    let gold = read(folder)?;
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for step_no in snapshot.steps_of(now.number)? {
        let Some(step) = snapshot.step(step_no)? else { continue };
        let Some((_, part)) = part_of(&step) else { continue };
        let is_wanted = part.stage == PipelineStage::Extract
            && part.section.is_some_and(|section| section.is_risk_factors());
        let [output] = step.generated.as_slice() else { continue };
        if !is_wanted {
            continue;
        }
        let name = step.subject.rsplit('/').next().unwrap_or(&step.subject).to_owned();
        let bytes = workspace.contents().read(&output.artifact.digest)?;
        texts.insert(name, bytes.as_deref().map(text_of).unwrap_or_default());
    }
    let mut comparison = Comparison { base: folder.display().to_string(), ..Comparison::default() };
    for (file, gold) in gold {
        let Some(text) = texts.remove(&file) else {
            comparison.missing.push(file);
            continue;
        };
        comparison.compared += 1;
        if let Err(fault) = judge(&gold, &text) {
            comparison.changed.push(Change {
                filing: file,
                stage: PipelineStage::Extract.as_str(),
                section: None,
                why: vec![fault],
                counts: vec![("words".to_owned(), gold.words as f64, text.split_whitespace().count() as f64)],
            });
        }
    }
    Ok(comparison)
}

fn text_of(extracted_json: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(extracted_json).unwrap_or_default();
    value["text"].as_str().unwrap_or_default().to_owned()
}

fn read(folder: &Path) -> Result<BTreeMap<String, Gold>> {
    let table = read_text(&folder.join(TABLE))?;
    let mut rows = table.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let header = rows.next().unwrap_or_default();
    let column = |name: &str| {
        header.iter().position(|column| *column == name).ok_or_else(|| {
            Error::request(format!("`{}` has no column `{name}`", folder.join(TABLE).display()))
                .hint("its first line names the columns: file, kind, words, words_raw")
        })
    };
    let (file, kind, words, words_raw) =
        (column("file")?, column("kind")?, column("words")?, column("words_raw")?);
    let last = file.max(kind).max(words).max(words_raw);
    let mut gold = BTreeMap::new();
    for (row, number) in rows.zip(2..).filter(|(row, _)| row.iter().any(|cell| !cell.trim().is_empty())) {
        let wrong = |why: &str| {
            Error::request(format!("line {number} of `{}` {why}", folder.join(TABLE).display()))
                .hint("nothing was compared")
        };
        if row.len() <= last {
            return Err(wrong("has fewer columns than its header names"));
        }
        // A name is a file's name.
        if row[file].contains(['/', '\\', '\0']) {
            return Err(wrong("names a file that lies elsewhere"));
        }
        let place = folder.join("gold").join(format!("{}.txt", row[file]));
        let text = if place.is_file() { read_text(&place)? } else { String::new() };
        let count = |column: usize| match row[column].trim() {
            "" => Ok(0),
            text => text.parse().map_err(|_| wrong("has a number of words that is none")),
        };
        let entry =
            Gold { kind: row[kind].to_owned(), words: count(words)?, words_raw: count(words_raw)?, text };
        gold.insert(row[file].to_owned(), entry);
    }
    Ok(gold)
}

fn read_text(place: &Path) -> Result<String> {
    let failed = |cause| Error::request(format!("cannot read `{}`", place.display())).because(cause);
    let length = std::fs::metadata(place).map_err(failed)?.len();
    if length > GOLD_MAX_BYTES {
        return Err(Error::request(format!("`{}` has {length} bytes, too many for gold", place.display())));
    }
    read_regular_text(place).map_err(failed)
}

/// The longest way into a text at which its gold may begin or end: a heading, in letters.
const EDGE_LETTERS: usize = 400;
/// So many letters of the beginning and of the end must agree.
const AGREED_LETTERS: usize = 45;

/// Holds a text against gold: its first and last letters are there, near the beginning and the end, and the words agree
/// within 2 %. A pointer agrees in its beginning, and has not many more words.
fn judge(gold: &Gold, text: &str) -> std::result::Result<(), String> {
    let letters = |text: &str| -> String {
        let lower = text.to_lowercase();
        lower.chars().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit()).collect()
    };
    let (words, found) = (text.split_whitespace().count(), letters(text));
    if gold.kind == "absent" {
        return if words < 30 { Ok(()) } else { Err(format!("{words} words where there is no such item")) };
    }
    if found.is_empty() {
        return if gold.kind == "not-required" { Ok(()) } else { Err("not found".to_owned()) };
    }
    let wanted = letters(&gold.text);
    if wanted.is_empty() && gold.kind != "not-required" {
        return Err("there is no gold text to hold it against".to_owned());
    }
    let front = |text: &str, length: usize| text[..length.min(text.len())].to_owned();
    let back = |text: &str, length: usize| text[text.len().saturating_sub(length)..].to_owned();
    let starts = front(&found, EDGE_LETTERS).contains(&front(&wanted, AGREED_LETTERS));
    let ends = back(&found, EDGE_LETTERS).contains(&back(&wanted, AGREED_LETTERS));
    if gold.kind != "substantive" {
        let is_right = starts && words <= gold.words + 25;
        return if is_right { Ok(()) } else { Err("another pointer".to_owned()) };
    }
    let enough = words as f64 >= 0.98 * gold.words as f64 - 10.0;
    let not_too_many = words as f64 <= 1.02 * gold.words_raw as f64 + 10.0;
    match (starts, ends, enough && not_too_many) {
        (true, true, true) => Ok(()),
        (false, ..) => Err("another beginning".to_owned()),
        (_, false, _) => Err("another end".to_owned()),
        _ => Err("beginning and end agree, but not the words between".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_held_against_gold_by_its_ends_and_its_length() {
        let body = |from: usize, to: usize| -> String {
            (from..to).map(|number| format!("word{number} ")).collect()
        };
        let gold =
            |kind: &str| Gold { kind: kind.to_owned(), words: 500, words_raw: 500, text: body(0, 500) };
        let check = |kind: &str, text: &str| judge(&gold(kind), text).err().unwrap_or_default();
        assert_eq!(check("substantive", &body(0, 500)), "");
        assert_eq!(check("substantive", &format!("Risk Factors {}", body(0, 500))), "");
        assert_eq!(check("substantive", &body(100, 500)), "another beginning");
        assert_eq!(check("substantive", &body(0, 400)), "another end");
        assert_eq!(
            check("substantive", &format!("{} {}", body(0, 100), body(400, 500))),
            "beginning and end agree, but not the words between"
        );
        assert_eq!(check("substantive", ""), "not found");
        assert_eq!(check("not-required", ""), "");
        assert_eq!(check("absent", "None."), "");
        assert_eq!(check("absent", &body(0, 40)), "40 words where there is no such item");
        assert_eq!(check("pointer", &body(0, 600)), "another pointer");
        for kind in ["substantive", "pointer"] {
            let without = Gold { text: " \n".to_owned(), ..gold(kind) };
            assert_eq!(
                judge(&without, &body(0, 500)).unwrap_err(),
                "there is no gold text to hold it against",
                "{kind}"
            );
        }
    }

    #[test]
    fn a_table_of_gold_is_read_whole_or_not_at_all() {
        let check = |rows: &str| {
            let folder = tempfile::tempdir().unwrap();
            let table = format!("file\tkind\twords\twords_raw\n{rows}");
            std::fs::write(folder.path().join(TABLE), table).unwrap();
            read(folder.path()).map(|gold| gold.len()).map_err(|error| error.message().to_owned())
        };
        assert_eq!(check("a.txt\tabsent\t\t\n\nb.txt\tsubstantive\t500\t510\n"), Ok(2));
        for (rows, why) in [
            ("a.txt\tabsent\t\t\nb.txt\tsubstantive\t500", "fewer columns"),
            ("a.txt\tabsent\t\t\n../b\tsubstantive\t500\t500", "lies elsewhere"),
            ("a.txt\tabsent\t\t\nb.txt\tsubstantive\tmany\t500", "that is none"),
        ] {
            let said = check(rows).unwrap_err();
            assert!(said.contains("line 3 of") && said.contains(why), "{said}");
        }
    }
}
