//! Filings altered by program, as other makers' software would have written them: the answer must stay the same.

use std::path::PathBuf;

use rayon::prelude::*;

use super::{Parsed, Section, Status, clean, extract, parse};

mod forms;
mod headings;
mod html;
mod layout;
mod pages;
mod plain;
mod rewrite;

/// The main document of a filing, with what was found in it unaltered.
struct Filing {
    text: String,
    parsed: Parsed,
}

/// Changes the main document; `None` where there is nothing to change in this filing.
type Mutator = fn(&Filing) -> Option<String>;

/// What the alterations leave: with `Numbers`, only the labels of the items tell where they begin.
#[derive(Clone, Copy, PartialEq)]
enum Leaves {
    All,
    Numbers,
}

/// A change: its name, what it leaves, and what it does.
type Change = (&'static str, Leaves, Mutator);

/// What is compared: status, and the letters of the cleaned text.
fn answer(bytes: &[u8], section: Section) -> (Status, String) {
    let parsed = match parse(bytes) {
        Ok(parsed) => parsed,
        Err(error) => return (Status::Absent, format!("cannot be parsed: {error}")),
    };
    let extracted = extract(&parsed, section);
    let letters = clean(&extracted)
        .text()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .flat_map(char::to_lowercase)
        .collect();
    (extracted.status(), letters)
}

/// Tells what differs, if more than a hundredth of the letters, the beginning or the end does.
fn difference(expected: &(Status, String), found: &(Status, String)) -> Option<String> {
    if expected.0 != found.0 {
        return Some(format!(
            "{:?} instead of {:?}, {} letters instead of {}",
            found.0,
            expected.0,
            found.1.len(),
            expected.1.len()
        ));
    }
    let ends = |text: &str| {
        (text[..text.len().min(45)].to_string(), text[text.len().saturating_sub(45)..].to_string())
    };
    let length = expected.1.len().abs_diff(found.1.len());
    (ends(&expected.1) != ends(&found.1) || length * 100 > expected.1.len()).then(|| {
        format!(
            "{} letters instead of {}: {:?} instead of {:?}",
            found.1.len(),
            expected.1.len(),
            ends(&found.1),
            ends(&expected.1)
        )
    })
}

/// What came of the changes of one filing.
#[derive(Default)]
struct Checked {
    count: usize,
    faults: Vec<String>,
    /// Of filings that were changed twice.
    twice_count: usize,
    twice_faults: Vec<String>,
}

impl Checked {
    /// Applies those of `changes` that `wanted` says to the main document of a filing, and compares the answers; with `twice`,
    /// one more change is made to each altered filing.
    fn apply(
        &mut self,
        name: &str,
        bytes: &[u8],
        changes: &[Change],
        wanted: &dyn Fn(usize) -> bool,
        twice: bool,
    ) {
        let parsed = parse(bytes).unwrap();
        let span = parsed.document_span();
        let (start, end) = (span.start as usize, span.end as usize);
        // Only filings in UTF-8 are altered: offsets stay those of the file.
        let Ok(text) = std::str::from_utf8(&bytes[start..end]) else { return };
        let expected = answer(bytes, Section::RISK_FACTORS);
        let filing = Filing { text: text.to_string(), parsed };
        for (at, (what, leaves, mutator)) in changes.iter().enumerate() {
            if !wanted(at) || (*leaves == Leaves::Numbers && !filing.parsed.is_numbered()) {
                continue;
            }
            let Some(altered) = mutator(&filing) else { continue };
            self.count += 1;
            let whole = [&bytes[..start], altered.as_bytes(), &bytes[end..]].concat();
            if let Some(fault) = difference(&expected, &answer(&whole, Section::RISK_FACTORS)) {
                self.faults.push(format!("{name}, {what}: {fault}"));
            } else if twice && parse(&whole).is_ok_and(|other| other.is_html() == filing.parsed.is_html()) {
                let second = (at * 7 + bytes.len()) % changes.len();
                let name = format!("{name}, {what}");
                let mut again = Checked::default();
                again.apply(&name, &whole, changes, &|other| other == second && other != at, false);
                self.twice_count += again.count;
                self.twice_faults.extend(again.faults);
            }
        }
    }

    fn join(mut self, other: Checked) -> Checked {
        self.count += other.count;
        self.faults.extend(other.faults);
        self.twice_count += other.twice_count;
        self.twice_faults.extend(other.twice_faults);
        self
    }
}

/// Applies those of all changes that `wanted` says to a filing; HTML whose items are numbered is set as plain text, too, for
/// the changes of plain text.
fn check(name: &str, bytes: &[u8], wanted: impl Fn(usize) -> bool, twice: bool) -> Checked {
    let mut checked = Checked::default();
    let parsed = parse(bytes).unwrap();
    if !parsed.is_html() {
        checked.apply(name, bytes, plain::ALL, &wanted, twice);
        return checked;
    }
    checked.apply(name, bytes, html::ALL, &wanted, twice);
    checked.apply(name, bytes, layout::ALL, &wanted, twice);
    let span = parsed.document_span();
    let is_utf8 = std::str::from_utf8(&bytes[span.start as usize..span.end as usize]).is_ok();
    if parsed.is_numbered() && is_utf8 {
        let text = forms::as_plain(&parsed, true);
        let whole = [&bytes[..span.start as usize], text.as_bytes(), &bytes[span.end as usize..]].concat();
        checked.apply(&format!("{name} as text"), &whole, plain::ALL, &wanted, twice);
    }
    checked
}

fn files(folder: PathBuf) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = std::fs::read_dir(&folder) else {
        crate::machine::skipped(crate::machine::Lack::Data, format!("no filings in {}", folder.display()));
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt" || extension == "htm"));
    paths.sort();
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), std::fs::read(path).unwrap())).collect()
}

/// Each real filing gets one of so many changes, where not all are asked for.
const SHARE: usize = 16;

#[test]
fn filings_altered_by_program_keep_their_answer() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let samples = files(root.join("data/raw"));
    let real = files(crate::machine::data("filings"));
    // All changes of all real filings take minutes; by default each filing gets some of them, and each change many filings.
    let all = std::env::var_os("LINEAGE_TEST_ALL").is_some();
    let checks_of = |(index, (name, bytes)): (usize, &(String, Vec<u8>))| {
        check(name, bytes, |at| all || (at + index) % SHARE == 0, all)
    };
    let Checked { count, faults, twice_count, twice_faults } = samples
        .par_iter()
        .map(|(name, bytes)| check(name, bytes, |_| true, true))
        .chain(real.par_iter().enumerate().map(checks_of))
        .reduce(Checked::default, Checked::join);
    eprintln!("{count} altered filings, {twice_count} altered twice");
    assert!(count >= 200, "only {count} changes were made");
    assert!(
        faults.is_empty(),
        "{} of {count} altered filings changed their answer:\n{}",
        faults.len(),
        faults.join("\n")
    );
    // Two changes may take from a filing all that there was to go by, or make what nobody writes: "Item 1: A.".
    assert!(
        twice_faults.len() * 200 <= twice_count,
        "{} of {twice_count} filings altered twice changed their answer:\n{}",
        twice_faults.len(),
        twice_faults.join("\n")
    );
}
