//! Extraction: one item of a parsed filing, its status and its text.

use serde::{Deserialize, Serialize};

use super::VERSION;
use super::element::{Element, ElementKind, Span};
use super::header::Facts;
use super::locate::{Confidence, Located, Position, Rival, one_line};
use super::parse::Parsed;
use super::section::{FormKind, Section};
use super::words::{has_at_most_words, items_named};
use crate::error::Result;

/// What became of an item in a filing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The item has a body of its own.
    Found,
    /// The item only points elsewhere: to an exhibit, to other pages, to an earlier report.
    ByReference,
    /// The item says that it does not apply or is not required.
    NotRequired,
    /// The filing has no such item.
    Absent,
}

impl Status {
    /// Returns the text that stands in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Status::Found => "found",
            Status::ByReference => "by-reference",
            Status::NotRequired => "not-required",
            Status::Absent => "absent",
        }
    }
}

/// Counts of a section.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Stats {
    /// Letters of the text (Unicode scalar values).
    pub text_length: usize,
    pub num_subsections: usize,
    pub num_elements: usize,
    pub num_tables: usize,
    pub num_paragraphs: usize,
}

impl Stats {
    pub(super) fn of(text: &str, subsections: &[String], elements: &[Element]) -> Self {
        let count = |kind: ElementKind| elements.iter().filter(|element| element.kind == kind).count();
        Stats {
            text_length: text.chars().count(),
            num_subsections: subsections.len(),
            num_elements: elements.len(),
            num_tables: count(ElementKind::TableElement),
            num_paragraphs: count(ElementKind::TextElement),
        }
    }
}

/// How the place of an item was found, and how sure it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Extraction {
    /// How sure the place is; null where nothing was found.
    pub confidence: Option<Confidence>,
    /// What speaks for it.
    pub evidence: Vec<String>,
    /// Other places that were considered, the likeliest first.
    pub rivals: Vec<Rival>,
    /// What speaks against it, or against the item's absence.
    pub doubts: Vec<String>,
    /// The last item of a combined heading.
    pub through: Option<Section>,
    /// Bytes between the stretches of the body, where a cross-reference index gives it several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Span>,
}

impl Extraction {
    /// Tells whether somebody should look at the place: there is a doubt, or little evidence.
    pub fn is_doubtful(&self) -> bool {
        !self.doubts.is_empty()
            || self.confidence.is_some_and(|confidence| confidence < Confidence::DOUBTFUL_BELOW)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct ExtractedMetadata {
    pub extraction: Extraction,
}

/// One item of a filing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extracted {
    pub(super) version: u32,
    pub(super) identifier: Section,
    pub(super) title: Option<String>,
    pub(super) status: Status,
    pub(super) span: Option<Span>,
    pub(super) filing_name: String,
    #[serde(flatten)]
    pub(super) facts: Facts,
    pub(super) metadata: ExtractedMetadata,
    pub(super) stats: Stats,
    pub(super) subsections: Vec<String>,
    pub(super) text: String,
    pub(super) elements: Vec<Element>,
}

/// Takes one item out of a parsed filing. In a 10-Q, `part1item1a` gives `part2item1a`, its item on the same subject.
pub fn extract(parsed: &Parsed, section: Section) -> Extracted {
    let form = parsed.form_kind();
    let wanted = section.in_form(form).unwrap_or(section);
    let exact = parsed.sections().iter().find(|located| located.identifier == wanted);
    let found = exact.or_else(|| parsed.sections().iter().find(|located| covers(located, wanted, parsed)));
    let mut extracted = Extracted {
        version: VERSION,
        identifier: wanted,
        title: found.map(|located| located.title.clone()),
        status: Status::Absent,
        span: None,
        filing_name: parsed.facts().filing_name(),
        facts: parsed.facts().clone(),
        metadata: ExtractedMetadata::default(),
        stats: Stats::default(),
        subsections: Vec::new(),
        text: String::new(),
        elements: Vec::new(),
    };
    let Some(located) = found else {
        extracted.metadata.extraction.doubts.extend(doubt_of_absence(parsed, wanted));
        return extracted;
    };
    let (elements, gaps) = body(parsed.elements(), located);
    extracted.elements = elements;
    extracted.metadata.extraction = Extraction {
        confidence: Some(located.confidence),
        evidence: located.evidence.clone(),
        rivals: located.rivals.clone(),
        doubts: located.doubts.clone(),
        through: located.through,
        gaps,
    };
    extracted.text = text_of(&extracted.elements);
    if is_page_end(&extracted.text, located) {
        extracted.elements.clear();
        extracted.text.clear();
    }
    extracted.status = match says_none(&extracted.elements) {
        true => Status::NotRequired,
        false => status(&extracted.text, parsed.elements(), located),
    };
    if extracted.status == Status::Found && is_in_tables(&extracted.elements) {
        let extraction = &mut extracted.metadata.extraction;
        extraction.doubts.push("its text stands in tables, which cleaning takes out".to_string());
        extraction.confidence = extraction.confidence.map(Confidence::less);
    }
    extracted.span = hull(&extracted.elements);
    extracted.subsections = subsections(&extracted.elements);
    extracted.stats = Stats::of(&extracted.text, &extracted.subsections, &extracted.elements);
    extracted
}

impl Extracted {
    /// Returns what became of the item.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Returns the text of the item without its heading; empty where there is none.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the item.
    pub fn section(&self) -> Section {
        self.identifier
    }

    /// Returns how the place was found, and how sure it is.
    pub fn extraction(&self) -> &Extraction {
        &self.metadata.extraction
    }

    /// Returns the heading as it stands in the filing.
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// Returns the bytes of the body in the original file.
    pub fn span(&self) -> Option<Span> {
        self.span
    }

    /// Returns the bytes of the file `…_extracted_….json`.
    pub fn to_json(&self) -> Vec<u8> {
        super::json::to_bytes(self)
    }

    /// Reads such a file back.
    ///
    /// # Errors
    /// Fails where the bytes are no such document, or one of another version.
    pub fn from_json(bytes: &[u8]) -> Result<Extracted> {
        super::json::from_bytes(bytes, "extracted section", |extracted: &Extracted| extracted.version)
    }
}

/// Tells whether a heading is an item's: "Items 1 and 2" have no Item 1A between them, "Items 7 through 9" have an Item 7A.
fn covers(located: &Located, section: Section, parsed: &Parsed) -> bool {
    let form = parsed.form_kind();
    let last = located.through.unwrap_or(located.identifier);
    let is_between =
        located.identifier.rank(form) < section.rank(form) && section.rank(form) < last.rank(form);
    if !is_between {
        return section == located.identifier || section == last;
    }
    let named = items_named(&located.title);
    let is_of_its_time = !section.is_risk_factors() || parsed.is_after_2005();
    named.items.contains(&section.item()) || (named.has_range && is_of_its_time)
}

/// Says why it is doubtful that a filing has no such item, if it is.
fn doubt_of_absence(parsed: &Parsed, section: Section) -> Option<String> {
    if parsed.lists(section) {
        return Some("a table of contents names the item, but no heading was found".to_string());
    }
    let is_due =
        section.is_risk_factors() && parsed.form_kind() == FormKind::Annual && parsed.is_after_2005();
    let is_organised = parsed.sections().len() >= ITEMS_OF_WHOLE_REPORT;
    (is_due && is_organised).then(|| "reports of that year have the item".to_string())
}

/// A report with fewer items is a part of one: an amendment.
const ITEMS_OF_WHOLE_REPORT: usize = 6;

/// Copies the elements of all stretches of an item, and returns the bytes between the stretches.
fn body(elements: &[Element], located: &Located) -> (Vec<Element>, Vec<Span>) {
    let mut body: Vec<Element> = Vec::new();
    let mut gaps = Vec::new();
    for (start, end) in located.stretches() {
        let stretch = stretch(elements, start, end);
        if let (Some(last), Some(next)) = (body.last(), stretch.first()) {
            gaps.push(Span { start: last.span.end, end: next.span.start });
        }
        body.extend(stretch);
    }
    (body, gaps)
}

/// Copies the elements between two positions.
fn stretch(elements: &[Element], start: Position, end: Position) -> Vec<Element> {
    let mut body = Vec::new();
    for (index, element) in elements.iter().enumerate().take(end.element + 1).skip(start.element) {
        let from = if index == start.element { start.offset } else { 0 };
        let to = if index == end.element { end.offset } else { element.text.len() };
        if from == 0 && to == element.text.len() {
            body.push(element.clone());
        } else if from < to {
            body.push(element.slice(from, to));
        }
    }
    // A section does not end in the footer of its last page.
    while body.last().is_some_and(|last| last.kind == ElementKind::SupplementaryText) {
        body.pop();
    }
    body
}

/// Joins the texts of elements, an empty line between them.
pub(super) fn text_of(elements: &[Element]) -> String {
    let mut text = String::with_capacity(elements.iter().map(|element| element.text.len() + 2).sum());
    for element in elements.iter().filter(|element| element.kind != ElementKind::ImageElement) {
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(&element.text);
    }
    text
}

/// Returns the bytes from the first to the last element.
pub(super) fn hull(elements: &[Element]) -> Option<Span> {
    let start = elements.first()?.span.start;
    let end = elements.iter().map(|element| element.span.end).max()?;
    Some(Span { start, end })
}

pub(super) fn subsections(elements: &[Element]) -> Vec<String> {
    elements
        .iter()
        .filter(|element| element.kind == ElementKind::TitleElement)
        .map(|element| one_line(&element.text))
        .collect()
}

/// A pointer has no more words than this.
const POINTER_WORDS_MAX: usize = 150;

/// A pointer to a report in one breath, without titles or a third paragraph, has no more words than this.
const REPORT_POINTER_WORDS_MAX: usize = 200;

/// A statement that nothing is required has no more words than this.
const STATEMENT_WORDS_MAX: usize = 70;

/// Tells whether what follows the heading of a reserved item is no more than the end of its page: a number, beside which the
/// name of the company or report may stand.
fn is_page_end(text: &str, located: &Located) -> bool {
    let title = located.title.trim_end_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    if !title.ends_with("reserved") || !has_at_most_words(text, PAGE_END_WORDS_MAX) {
        return false;
    }
    let is_sentence = text.trim_end().ends_with(['.', ';', ':']);
    let words = || text.split(|c: char| c.is_whitespace() || c == '|').filter(|word| !word.is_empty());
    let is_number = |word: &str| {
        let digits = word.trim_matches(|c: char| c.is_ascii_punctuation());
        (1..=PAGE_DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let ends = [words().next(), words().next_back()];
    !is_sentence && ends.into_iter().flatten().any(is_number)
}

/// A paragraph that says that there is nothing is no longer than this.
const NONE_BYTES_MAX: usize = 40;

/// The end of a page has no more words than this, and its number no more digits.
const PAGE_END_WORDS_MAX: usize = 12;
const PAGE_DIGITS_MAX: usize = 3;

/// Tells whether a body has tables, and no text beside them but titles.
fn is_in_tables(elements: &[Element]) -> bool {
    let has = |kind| elements.iter().any(|element| element.kind == kind && !element.text.trim().is_empty());
    has(ElementKind::TableElement) && !has(ElementKind::TextElement)
}

/// Tells whether a body says no more than that there is nothing, before the heading of the next part.
fn says_none(elements: &[Element]) -> bool {
    let said = || elements.iter().filter(|element| element.kind != ElementKind::SupplementaryText);
    if said().count() > 2 || said().any(|element| element.text.len() > NONE_BYTES_MAX) {
        return false;
    }
    let text = said().map(|element| one_line(&element.text)).collect::<Vec<_>>().join(" ").to_lowercase();
    let text = text.trim_matches(|c: char| !c.is_alphanumeric());
    let next_part = ["part iv", "part iii", "part ii"].iter().find_map(|part| text.strip_suffix(part));
    let text = next_part.unwrap_or(text).trim_matches(|c: char| !c.is_alphanumeric());
    matches!(text, "none" | "n/a" | "na" | "reserved" | "there are none" | "there were none" | "we have none")
}

fn status(text: &str, elements: &[Element], located: &Located) -> Status {
    if text.trim().is_empty() {
        let title = located.title.to_lowercase();
        let is_reserved = ["reserved", "not applicable", "not required", "omitted", "none"]
            .iter()
            .any(|word| title.contains(word));
        if title.ends_with('*') && is_in_note(elements, located) {
            return Status::ByReference;
        }
        return if is_reserved || is_omitted(elements, located) {
            Status::NotRequired
        } else {
            Status::Absent
        };
    }
    if !has_at_most_words(text, REPORT_POINTER_WORDS_MAX) {
        return Status::Found;
    }
    let lower = one_line(text).to_lowercase();
    let has_any = |phrases: &[&str]| phrases.iter().any(|phrase| lower.contains(phrase));
    if says_exceptions(&lower) {
        return Status::Found;
    }
    let is_in_one_breath = text.split("\n\n").count() <= 2;
    if is_in_one_breath && names_other_report(&lower) && has_any(&REPORT_POINTER_PHRASES) {
        return Status::ByReference;
    }
    if !has_at_most_words(text, POINTER_WORDS_MAX) {
        return Status::Found;
    }
    let says_nothing =
        has_any(&["not required", "not applicable", "smaller reporting compan", "omitted", "inapplicable"]);
    if says_nothing && has_at_most_words(text, STATEMENT_WORDS_MAX) {
        return Status::NotRequired;
    }
    if has_any(&POINTER_PHRASES) { Status::ByReference } else { Status::Found }
}

const POINTER_PHRASES: [&str; 25] = [
    "incorporated by reference",
    "incorporated herein by reference",
    "incorporated into this",
    "is incorporated",
    "are incorporated",
    "set forth in",
    "set forth under",
    "can be found in",
    "contained in exhibit",
    "refer to",
    "no material change",
    "not been any material change",
    "included in our annual report",
    "see item",
    "see note",
    "see part",
    "see exhibit",
    "see page",
    "see section",
    "see “",
    "see \"",
    "see the ",
    "see also ",
    "see our ",
    "see index",
];

/// Tells whether a text in small letters says itself what is not said where it points to: "Except as set forth below, there have
/// been no material changes", and what follows.
fn says_exceptions(lower: &str) -> bool {
    let mut rest = lower;
    while let Some(end) = rest.find(['.', ':']) {
        let (sentence, behind) = (&rest[..end], &rest[end + 1..]);
        let has_any = |words: &[&str]| words.iter().any(|word| sentence.contains(word));
        if has_any(&EXCEPTIONS) && (has_any(&BELOW) || rest[end..].starts_with(':')) {
            return !has_at_most_words(behind, EXCEPTION_WORDS_MIN - 1);
        }
        rest = behind;
    }
    false
}

/// An exception to what is said elsewhere has as many words.
const EXCEPTION_WORDS_MIN: usize = 15;
const EXCEPTIONS: [&str; 4] = ["except", "other than", "supplement", "updated by"];
const BELOW: [&str; 3] = ["below", "following", "follows"];

/// Tells whether a text in small letters names a report that is not the one it stands in.
fn names_other_report(lower: &str) -> bool {
    let is_other = |at: usize| !lower[..at].ends_with("this ") && !lower[..at].ends_with("this form ");
    REPORTS.iter().any(|name| lower.match_indices(name).any(|(at, _)| is_other(at)))
}

/// What reports are called.
const REPORTS: [&str; 3] = ["annual report", "10-k", "10-q"];

/// What points into another report where little else is said; elsewhere more may stand beside it.
const REPORT_POINTER_PHRASES: [&str; 8] = [
    "described in part",
    "described in our",
    "described in the",
    "discussed in the company",
    "discussed in our",
    "discussed in part",
    "no material change",
    "not changed",
];

/// Tells whether a note below a run of bare headings says where the items are: "*Incorporated by reference to the Proxy".
fn is_in_note(elements: &[Element], located: &Located) -> bool {
    let below = elements.iter().skip(located.start.element).take(NOTE_DISTANCE_MAX);
    below
        .take_while(|element| {
            element.kind == ElementKind::TopSectionTitle
                || has_at_most_words(&element.text, STATEMENT_WORDS_MAX)
        })
        .any(|element| element.text.starts_with('*') && element.text.to_lowercase().contains("incorporated"))
}

/// A note below bare headings stands within this many elements.
const NOTE_DISTANCE_MAX: usize = 12;

/// Tells whether the paragraph before a bare list of items says that they are omitted.
fn is_omitted(elements: &[Element], located: &Located) -> bool {
    let from = located.heading.saturating_sub(OMITTED_DISTANCE_MAX);
    elements[from..located.heading].iter().any(|element| element.text.to_lowercase().contains("omitted"))
}

/// The list of omitted items follows its sentence within this many elements.
const OMITTED_DISTANCE_MAX: usize = 8;
