//! Cleaning: what is no text of the section is taken out, lines become paragraphs; every step is counted.

use std::collections::HashSet;

use memchr::{memchr2, memmem};
use serde::{Deserialize, Serialize};

use super::VERSION;
use super::element::{Element, ElementKind, Span};
use super::extract::{Extracted, Extraction, Stats, Status, subsections, text_of};
use super::header::Facts;
use super::section::Section;
use super::table::append;
use super::words::is_invisible;
use crate::error::Result;

/// What cleaning did, with counts; a step that found nothing to do counts 0.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cleaning {
    /// Page numbers, running headers and footers taken out.
    pub page_furniture_removed: usize,
    /// Tables taken out.
    pub tables_removed: usize,
    /// Lines of a table of contents taken out.
    pub contents_lines_removed: usize,
    /// Pictures taken out.
    pub images_removed: usize,
    /// Soft hyphens, zero-width characters and byte order marks taken out.
    pub invisible_characters_removed: usize,
    /// Ends of lines turned into spaces.
    pub lines_joined: usize,
    /// Words put together again that a hyphen at the end of a line had divided.
    pub hyphenated_words_joined: usize,
    /// Runs of several spaces made one.
    pub spaces_collapsed: usize,
    /// Paragraphs put together again that the end of a page had divided.
    pub paragraphs_rejoined: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct CleanedMetadata {
    extraction: Extraction,
    cleaning: Cleaning,
    /// Bytes of what was taken out.
    removed: Vec<Span>,
}

/// One item of a filing, cleaned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cleaned {
    version: u32,
    pub(super) identifier: Section,
    pub(super) title: Option<String>,
    pub(super) status: Status,
    span: Option<Span>,
    pub(super) filing_name: String,
    #[serde(flatten)]
    pub(super) facts: Facts,
    metadata: CleanedMetadata,
    pub(super) stats: Stats,
    subsections: Vec<String>,
    text: String,
    pub(super) elements: Vec<Element>,
}

/// Cleans a section: paragraphs and headings stay, each on one line.
pub fn clean(extracted: &Extracted) -> Cleaned {
    let mut cleaning = Cleaning::default();
    let extraction = extracted.extraction().clone();
    let mut removed = extraction.gaps.clone();
    let mut elements: Vec<Element> = Vec::with_capacity(extracted.elements.len());
    let words = words_of(&extracted.elements);
    let mut is_interrupted = false;
    for element in &extracted.elements {
        let counter = match element.kind {
            ElementKind::SupplementaryText => Some(&mut cleaning.page_furniture_removed),
            ElementKind::TableElement => Some(&mut cleaning.tables_removed),
            ElementKind::TableOfContentsElement => Some(&mut cleaning.contents_lines_removed),
            ElementKind::ImageElement => Some(&mut cleaning.images_removed),
            _ => None,
        };
        if let Some(counter) = counter {
            *counter += 1;
            removed.push(element.span);
            is_interrupted |= element.kind == ElementKind::SupplementaryText;
            continue;
        }
        let element = clean_element(element, &words, &mut cleaning);
        if element.text.is_empty() {
            continue;
        }
        match elements.last_mut() {
            Some(last) if is_interrupted && is_continued(last, &element) => {
                append(last, " ", &element);
                cleaning.paragraphs_rejoined += 1;
            }
            _ => elements.push(element),
        }
        is_interrupted = false;
    }
    removed.sort_unstable();
    let text = text_of(&elements);
    let subsections = subsections(&elements);
    Cleaned {
        version: VERSION,
        identifier: extracted.identifier,
        title: extracted.title.clone(),
        status: extracted.status,
        span: extracted.span,
        filing_name: extracted.filing_name.clone(),
        facts: extracted.facts.clone(),
        metadata: CleanedMetadata { extraction, cleaning, removed },
        stats: Stats::of(&text, &subsections, &elements),
        subsections,
        text,
        elements,
    }
}

impl Cleaned {
    /// Returns the cleaned text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns what became of the item.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Returns what was done, with counts.
    pub fn cleaning(&self) -> &Cleaning {
        &self.metadata.cleaning
    }

    /// Returns the bytes of what was taken out, in the order of the file.
    pub fn removed(&self) -> &[Span] {
        &self.metadata.removed
    }

    /// Returns the bytes of the file `…_cleaned_….json`.
    pub fn to_json(&self) -> Vec<u8> {
        super::json::to_bytes(self)
    }

    /// Reads such a file back.
    ///
    /// # Errors
    /// Fails where the bytes are no such document, or one of another version.
    pub fn from_json(bytes: &[u8]) -> Result<Cleaned> {
        super::json::from_bytes(bytes, "cleaned section", |cleaned: &Cleaned| cleaned.version)
    }
}

/// Collects those words of the section that decide what a hyphen at the end of a line stands for.
fn words_of(elements: &[Element]) -> HashSet<String> {
    let mut asked = Asked::default();
    for element in elements {
        for (at, _) in element.text.match_indices("-\n") {
            let [whole, hyphenated] = readings(&element.text, at);
            asked.add(whole);
            asked.add(hyphenated);
        }
    }
    let mut found = HashSet::new();
    if asked.words.is_empty() {
        return found;
    }
    let mut small = String::new();
    for element in elements {
        let text = element.text.as_str();
        if !text.is_ascii() {
            let words = text.split(|c: char| !c.is_alphanumeric() && c != '-');
            let words = words.filter(|word| word.len() > SHORT_WORD_LEN).map(str::to_lowercase);
            found.extend(words.filter(|word| asked.words.contains(word)));
            continue;
        }
        for word in text.as_bytes().split(|byte| !IS_OF_WORD[usize::from(*byte)]) {
            if word.len() > SHORT_WORD_LEN && asked.may_have(word) {
                small.clear();
                small.extend(word.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
                if asked.words.contains(&small) && !found.contains(&small) {
                    found.insert(small.clone());
                }
            }
        }
    }
    found
}

/// Words of no more bytes decide nothing.
const SHORT_WORD_LEN: usize = 3;

/// The bytes of ASCII that words are made of.
const IS_OF_WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric() || byte == b'-' as usize;
        byte += 1;
    }
    table
};

/// Words that are looked for, in small letters.
struct Asked {
    words: HashSet<String>,
    /// For each first byte, a bit for each length that a word with it has; the last bit is for all that are longer.
    lengths: [u64; 256],
}

impl Default for Asked {
    fn default() -> Self {
        Asked { words: HashSet::new(), lengths: [0; 256] }
    }
}

impl Asked {
    fn add(&mut self, word: String) {
        if let Some(first) = word.bytes().next() {
            self.lengths[usize::from(first)] |= 1 << word.len().min(63);
            self.words.insert(word);
        }
    }

    /// Refuses almost every word of ASCII quickly.
    fn may_have(&self, word: &[u8]) -> bool {
        let first = word.first().map_or(0, u8::to_ascii_lowercase);
        self.lengths[usize::from(first)] >> word.len().min(63) & 1 != 0
    }
}

/// Letters that stay as they are wherever they stand: printable ASCII but spaces and hyphens.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'-'
}

/// Makes one line of an element's text.
fn clean_element(element: &Element, words: &HashSet<String>, cleaning: &mut Cleaning) -> Element {
    let text = element.text.as_str();
    let needs_edit = memchr2(b'\n', b'\t', text.as_bytes()).is_some()
        || memmem::find(text.as_bytes(), b"  ").is_some()
        || (!text.is_ascii() && text.chars().any(is_invisible));
    if !needs_edit {
        return element.clone();
    }
    let mut cuts: Vec<(usize, usize)> = Vec::new();
    let mut previous = ' ';
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        let plain = text.as_bytes()[at..].iter().take_while(|byte| is_plain(**byte)).count();
        if plain > 0 {
            at += plain;
            previous = char::from(text.as_bytes()[at - 1]);
            continue;
        }
        let end = at + letter.len_utf8();
        if is_invisible(letter) {
            cuts.push((at, end));
            cleaning.invisible_characters_removed += 1;
            at = end;
            continue;
        }
        if letter == '-' && text[end..].starts_with('\n') && previous.is_alphabetic() {
            let cut_from = if is_divided_word(text, at, words) { at } else { end };
            cuts.push((cut_from, end + 1));
            cleaning.hyphenated_words_joined += 1;
            at = end + 1;
            previous = '-';
            continue;
        }
        let is_space = letter.is_whitespace();
        if letter == '\n' {
            cleaning.lines_joined += 1;
        }
        if is_space && (previous == ' ' || previous == '\n' || previous == '\t') {
            cuts.push((at, end));
            cleaning.spaces_collapsed += usize::from(letter != '\n');
        } else {
            previous = letter;
        }
        at = end;
    }
    let mut kept = cut(element, &cuts);
    // One byte for one byte: offsets and runs stay as they are.
    let mut bytes = kept.text.into_bytes();
    bytes.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\t')).for_each(|byte| *byte = b' ');
    kept.text = String::from_utf8(bytes).expect("one letter of ASCII stands for another");
    kept
}

/// Tells whether the hyphen at `at`, before a line's end, only divides a word: the word stands undivided elsewhere, and the
/// hyphenated form does not.
fn is_divided_word(text: &str, at: usize, words: &HashSet<String>) -> bool {
    let [whole, hyphenated] = readings(text, at);
    words.contains(&whole) && !words.contains(&hyphenated)
}

/// Returns what the hyphen at `at`, before a line's end, may stand in: a word without it, or one with it; in small letters.
fn readings(text: &str, at: usize) -> [String; 2] {
    let head = text[..at].chars().rev().take_while(|c| c.is_alphabetic());
    let head = &text[at - head.map(char::len_utf8).sum::<usize>()..at];
    let tail: String = text[at + 2..].trim_start().chars().take_while(|c| c.is_alphabetic()).collect();
    [format!("{head}{tail}").to_lowercase(), format!("{head}-{tail}").to_lowercase()]
}

/// Returns the element without the given ranges of its text, which are in order and apart.
fn cut(element: &Element, cuts: &[(usize, usize)]) -> Element {
    if cuts.is_empty() {
        return element.clone();
    }
    let mut kept: Option<Element> = None;
    let mut from = 0;
    for (start, end) in cuts.iter().copied().chain([(element.text.len(), element.text.len())]) {
        if start > from {
            let part = element.slice(from, start);
            match &mut kept {
                None => kept = Some(part),
                Some(kept) => append(kept, "", &part),
            }
        }
        from = end;
    }
    let mut kept = kept.unwrap_or_else(|| element.slice(0, 0));
    kept.kind = element.kind;
    kept
}

/// Tells whether `next` goes on with the sentence that `last` leaves open.
fn is_continued(last: &Element, next: &Element) -> bool {
    let ends = last.text.trim_end().ends_with(['.', '!', '?', ':', ';', '”', '"', ')']);
    let begins_small = next.text.chars().next().is_some_and(char::is_lowercase);
    last.kind == ElementKind::TextElement && next.kind == ElementKind::TextElement && !ends && begins_small
}
