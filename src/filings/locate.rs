//! Sections of a document: where each item's heading and body begin and end, and how that is known.

use serde::{Deserialize, Serialize};

use super::element::{Element, Span};
use super::encoding::is_plain_words;
use super::furniture::{Page, is_answer};
use super::items::{self, Candidate, TITLE_WORDS_MAX, title_below};
use super::section::{FormKind, Section};
use super::words::{has_at_most_words, is_capitals, key};
use super::{complete, contents, crossref, doubts, titles};

/// A border in the document: element and offset in its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Index of the element.
    pub element: usize,
    /// Offset in the element's text.
    pub offset: usize,
}

/// An item found in a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Located {
    /// The item.
    pub identifier: Section,
    /// The last item of a combined heading ("Items 1 and 2"), where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<Section>,
    /// The heading as it stands in the document.
    pub title: String,
    /// First element of the heading.
    pub heading: usize,
    /// Where the body begins.
    pub start: Position,
    /// Where the body ends.
    pub end: Position,
    /// Further stretches of the body, where a cross-reference index gives it several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<(Position, Position)>,
    /// How sure the place is.
    pub confidence: Confidence,
    /// What speaks for the place.
    pub evidence: Vec<String>,
    /// Other places that look like the heading of the item, the likeliest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rivals: Vec<Rival>,
    /// What speaks against the place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<String>,
}

impl Located {
    /// Returns the stretches of the body, in the order of the document.
    pub fn stretches(&self) -> impl Iterator<Item = (Position, Position)> + '_ {
        std::iter::once((self.start, self.end)).chain(self.more.iter().copied())
    }
}

/// How sure a place is, from 0 to 1 in steps of a hundredth; a number in JSON.
///
/// It is the weight of the evidence, not a measured frequency: 0.4 for a bare label in running text, 1 for label, title,
/// typography, order and link together, 0.6 for pages of an index. Each doubt takes a quarter away. Below
/// [`Confidence::DOUBTFUL_BELOW`] the place should be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "f64", into = "f64")]
pub struct Confidence(u8);

impl Confidence {
    /// A place that is less sure than this is doubtful.
    pub const DOUBTFUL_BELOW: Confidence = Confidence(60);

    /// Makes a confidence of so many hundredths, 100 at most.
    pub fn percent(percent: u8) -> Self {
        Confidence(percent.min(100))
    }

    /// Adds so many hundredths.
    pub(super) fn more(self, percent: u8) -> Self {
        Confidence::percent(self.0 + percent)
    }

    /// Takes a quarter away.
    pub(super) fn less(self) -> Self {
        Confidence(self.0 - self.0.div_ceil(4))
    }
}

impl From<f64> for Confidence {
    fn from(share: f64) -> Self {
        Confidence((share * 100.0).round().clamp(0.0, 100.0) as u8)
    }
}

impl From<Confidence> for f64 {
    fn from(confidence: Confidence) -> Self {
        f64::from(confidence.0) / 100.0
    }
}

/// A place that was considered as the heading of an item and not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rival {
    /// Its text, cut to a line.
    pub text: String,
    /// Its bytes in the file.
    pub span: Span,
    /// Why it was not taken.
    pub reason: String,
}

/// Everything that was found out about the items of a document.
pub struct Outline {
    /// The items in the order of the document.
    pub sections: Vec<Located>,
    /// Whether they were found by their numbers.
    pub is_numbered: bool,
    /// Elements that are lines of a table of contents or of a cross-reference index.
    pub contents: Vec<usize>,
    /// Items that such a list names.
    pub listed: Vec<Section>,
    /// Headings of parts.
    pub parts: Vec<usize>,
    /// Headings of items that stand again inside of their own item: page headers.
    pub repeated: Vec<usize>,
}

/// Links of the document: the element that holds the link, and the element it points to.
pub type Links = [(usize, usize)];

/// Finds the items of `form`. `is_after_2005` says that the form has Item 1A at the time of the filing.
pub fn outline(
    elements: &[Element],
    form: FormKind,
    links: &Links,
    pages: &[Page],
    is_after_2005: bool,
) -> Outline {
    let mut candidates = items::candidates(elements, form);
    if !is_after_2005 {
        // Some gave the number to their executive officers before the form gave it to risk factors.
        candidates.retain(|candidate| !candidate.section.is_risk_factors() || candidate.is_titled());
    }
    contents::mark(elements, form, links, &mut candidates);
    let contents: Vec<usize> = {
        let mut lines: Vec<usize> = candidates.iter().filter(|c| c.is_contents).map(|c| c.element).collect();
        lines.dedup();
        lines
    };
    let mut listed: Vec<Section> = candidates.iter().filter(|c| c.is_contents).map(|c| c.section).collect();
    listed.sort();
    listed.dedup();
    let linked = linked_sections(&candidates, links);
    let parts = items::part_headings(elements, &candidates);
    let mut chain = items::chain(elements, &candidates, form);
    let strong = chain.iter().filter(|candidate| candidate.weight >= 3.0).count();
    let is_numbered = strong >= CHAIN_MIN;
    let mut sections = if is_numbered {
        let known = complete::Known {
            elements,
            form,
            candidates: &candidates,
            linked: &linked,
            listed: &listed,
            is_after_2005,
        };
        complete::complete(&known, &mut chain);
        from_chain(elements, form, &candidates, &chain, &parts, links)
    } else {
        let mut sections = titles::locate(elements, form, links, &linked, &listed, is_after_2005);
        if sections.is_empty() {
            sections = from_chain(elements, form, &candidates, &chain, &parts, links);
        }
        crossref::add_indexed(elements, form, &candidates, pages, &mut sections);
        sections
    };
    crossref::add_stated(elements, form, &mut sections);
    // Where the items bear no numbers, their order and the links of an index say little.
    let (linked, expected) = if is_numbered { (linked, listed.clone()) } else { (Vec::new(), Vec::new()) };
    doubts::weigh(elements, form, &candidates, &linked, &expected, &mut sections);
    Outline {
        repeated: repeated_headings(elements, &candidates, &sections),
        sections,
        is_numbered,
        contents,
        listed,
        parts: parts.into_iter().map(|(element, _)| element).collect(),
    }
}

/// Finds the headings of items that stand again inside of their own item.
fn repeated_headings(elements: &[Element], candidates: &[Candidate], sections: &[Located]) -> Vec<usize> {
    let is_repeated = |candidate: &&Candidate| {
        !candidate.is_contents
            && has_at_most_words(&elements[candidate.element].text, TITLE_WORDS_MAX)
            && sections.iter().any(|section| {
                section.identifier == candidate.section
                    && section.start.element <= candidate.element
                    && candidate.element < section.end.element
                    && section.heading != candidate.element
            })
    };
    candidates.iter().filter(is_repeated).map(|candidate| candidate.element).collect()
}

/// Returns the sections that a table of contents links to, with the elements it points to.
fn linked_sections(candidates: &[Candidate], links: &Links) -> Vec<(Section, usize)> {
    let mut linked = Vec::new();
    for candidate in candidates.iter().filter(|candidate| candidate.is_contents) {
        let from = links.partition_point(|(from, _)| *from < candidate.element);
        if let Some((_, to)) = links.get(from).filter(|(from, _)| *from == candidate.element) {
            linked.push((candidate.section, *to));
        }
    }
    linked
}

/// A document with fewer numbered headings than this is not organised by the items of its form.
const CHAIN_MIN: usize = 2;

fn from_chain(
    elements: &[Element],
    form: FormKind,
    candidates: &[Candidate],
    chain: &[Candidate],
    parts: &[(usize, u8)],
    links: &Links,
) -> Vec<Located> {
    let mut sections = Vec::new();
    for (at, candidate) in chain.iter().enumerate() {
        let (title, start) = body_start(elements, form, candidate);
        let start = after_repetition(elements, candidates, candidate, start);
        let next = chain.get(at + 1).map_or(elements.len(), |next| next.element);
        let end = section_end(elements, candidate, start.element, next, parts);
        let end = Position { element: end.max(start.element), offset: 0 };
        let mut evidence: Vec<String> = candidate.evidence.iter().map(|text| text.to_string()).collect();
        let mut weight = candidate.weight;
        if links.iter().any(|(_, target)| candidate.element.abs_diff(*target) <= 1) {
            evidence.push("target of a link".to_string());
            weight += 1.0;
        }
        if at > 0 && at + 1 < chain.len() {
            evidence.push("in order between its neighbours".to_string());
            weight += 0.5;
        }
        sections.push(Located {
            identifier: candidate.section,
            through: (candidate.last != candidate.section).then_some(candidate.last),
            title,
            heading: candidate.element,
            start,
            end: end.max(start),
            more: Vec::new(),
            confidence: confidence(weight),
            evidence,
            rivals: Vec::new(),
            doubts: Vec::new(),
        });
    }
    sections
}

/// Turns the weight of the evidence into a confidence; 7 is the most that can be had.
fn confidence(weight: f32) -> Confidence {
    Confidence::percent((40.0 + weight.clamp(0.0, 7.0) * 60.0 / 7.0).round() as u8)
}

/// Finds the end of a section before `next`: the heading of the next part, or the signatures.
fn section_end(
    elements: &[Element],
    candidate: &Candidate,
    start: usize,
    next: usize,
    parts: &[(usize, u8)],
) -> usize {
    let part = parts
        .iter()
        .find(|(element, part)| *element > start && *element < next && *part > candidate.section.part())
        .map_or(next, |(element, _)| *element);
    if next < elements.len() {
        return part;
    }
    // Item 16 has one sentence to say; what stands below belongs to the report's end.
    if candidate.section.item().number == LAST_ITEM
        && let Some(answer) = elements[start..part].iter().position(|element| is_answer(&element.text))
        && answer < ANSWER_DISTANCE_MAX
    {
        return start + answer + 1;
    }
    let is_signatures = |element: &Element| {
        has_at_most_words(&element.text, 3)
            && matches!(key(&element.text).as_str(), "signatures" | "signature")
    };
    (start..part).find(|index| is_signatures(&elements[*index])).unwrap_or(part)
}

/// Form 10-K Summary.
const LAST_ITEM: u8 = 16;
/// The answer stands within so many elements.
const ANSWER_DISTANCE_MAX: usize = 3;

/// Finds where the heading of a candidate ends and the body begins.
fn body_start(elements: &[Element], form: FormKind, candidate: &Candidate) -> (String, Position) {
    let element = &elements[candidate.element];
    let text = element.text.as_str();
    let after = |index: usize| Position { element: index, offset: 0 };
    if text[candidate.label_end..].trim().is_empty()
        && let Some(below) = title_below(elements, candidate.element, form, candidate.section)
    {
        let title = format!("{} {}", text.trim(), elements[below].text.trim());
        return (one_line(&title), after(below + 1));
    }
    match heading_end(element, candidate.title_end.unwrap_or(candidate.label_end)) {
        Some(end) => {
            (one_line(&text[..end]), Position { element: candidate.element, offset: body_offset(text, end) })
        }
        None => (one_line(text), after(candidate.element + 1)),
    }
}

/// Passes over the heading where it stands once more right below: the first is then a page header.
fn after_repetition(
    elements: &[Element],
    candidates: &[Candidate],
    heading: &Candidate,
    start: Position,
) -> Position {
    let from = candidates.partition_point(|candidate| candidate.element <= heading.element);
    let is_repetition = |candidate: &&Candidate| {
        let text = elements[candidate.element].text.as_str();
        (candidate.element, candidate.section, start.offset) == (start.element, heading.section, 0)
            && has_at_most_words(text, TITLE_WORDS_MAX)
    };
    match candidates[from..].iter().find(is_repetition) {
        Some(repetition) => Position { element: repetition.element + 1, offset: 0 },
        None => start,
    }
}

/// Passes over what separates a heading from the text in the same paragraph.
pub fn body_offset(text: &str, end: usize) -> usize {
    let rest = &text[end..];
    let separators = rest.len()
        - rest
            .trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '.' | ':' | '-' | '–' | '—'))
            .len();
    end + separators
}

/// Finds where a heading ends inside of its element, when text of the section follows in the same paragraph.
///
/// `known_end` is where the label and the first words of the title end. `None` means that the element is all heading.
pub fn heading_end(element: &Element, known_end: usize) -> Option<usize> {
    let text = element.text.as_str();
    let is_short = has_at_most_words(text, TITLE_WORDS_MAX);
    let label_style = element.style_at(text.len() - text.trim_start().len());
    let last_style = element.style_at(text.trim_end().len().saturating_sub(1));
    let is_uniform = label_style.is_emphasized() && label_style.flags == last_style.flags;
    if is_short && (is_uniform || is_capitals(text)) {
        return None;
    }
    let is_changed = label_style.is_emphasized()
        && element.runs.iter().any(|run| run.0 == 0 || (run.0 as usize) < known_end);
    let run_end = is_changed
        .then(|| emphasis_end(element, known_end))
        .flatten()
        .filter(|end| !text[*end..].trim_matches(|c: char| !c.is_alphanumeric()).is_empty());
    let sentence_end = sentence_end(text, known_end);
    let end = match (run_end, sentence_end) {
        (Some(run), _) => Some(run),
        (None, Some(sentence)) => Some(sentence),
        (None, None) if !is_short => Some(known_end),
        (None, None) => None,
    };
    end.filter(|end| text[*end..].chars().any(char::is_alphanumeric))
}

/// Returns where the emphasis that covers `known_end` ends.
fn emphasis_end(element: &Element, known_end: usize) -> Option<usize> {
    let mut end = known_end;
    for run in &element.runs {
        let gap = element.text.get(end.min(run.0 as usize)..run.0 as usize).unwrap_or("");
        if run.1 as usize > end && run.2.is_emphasized() {
            if gap.chars().any(char::is_alphanumeric) {
                break;
            }
            end = run.1 as usize;
        }
    }
    element.text.is_char_boundary(end).then_some(end)
}

/// Returns where the first sentence after `from` ends: before a period, dash or line break with text after it.
fn sentence_end(text: &str, from: usize) -> Option<usize> {
    let rest = &text[from..];
    let mut previous = ' ';
    for (at, letter) in rest.char_indices() {
        let next = rest[at + letter.len_utf8()..].chars().next();
        let is_stop = match letter {
            '.' => next.is_none_or(char::is_whitespace) && !matches!(previous, 'S' | 'U'),
            ':' | '—' => true,
            '-' => next == Some('-'),
            '\n' => rest[at..].split_whitespace().count() > TITLE_WORDS_MAX,
            _ => false,
        };
        if is_stop {
            return Some(from + at);
        }
        previous = letter;
    }
    None
}

/// Joins lines and white space.
pub fn one_line(text: &str) -> String {
    if is_plain_words(text) {
        return text.to_string();
    }
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}
