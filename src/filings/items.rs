//! Items of the form in a document: candidates for headings, tables of contents among them, and the chain in the form's order.

use std::collections::BTreeMap;

use memchr::memmem;

use super::element::{Element, ElementKind, Style};
use super::section::{FormKind, Section};
use super::words::{ItemLabel, has_at_most_words, is_capitals, item_label, key, part_label};

/// A place in the document that may be the heading of an item.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Index of the element.
    pub element: usize,
    /// The item.
    pub section: Section,
    /// The last item of a combined heading; the same as `section` otherwise.
    pub last: Section,
    /// Offset in the element after the label.
    pub label_end: usize,
    /// Offset after the title's first words, where the title is one of this item's.
    pub title_end: Option<usize>,
    /// How much speaks for a heading; see [`weigh`].
    pub weight: f32,
    /// What speaks for a heading, in words.
    pub evidence: Vec<&'static str>,
    /// The line of a table of contents or of a cross-reference index.
    pub is_contents: bool,
}

impl Candidate {
    /// Tells whether the item's own title stands with its label.
    pub fn is_titled(&self) -> bool {
        self.evidence.contains(&LABEL_AND_TITLE)
    }
}

const LABEL_AND_TITLE: &str = "label and title";

/// Collects all places that begin with the label of an item of `form`.
pub fn candidates(elements: &[Element], form: FormKind) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (index, element) in elements.iter().enumerate() {
        if element.kind != ElementKind::TextElement {
            continue;
        }
        let Some(label) = item_label(&element.text) else {
            continue;
        };
        let first = found.len();
        for section in Section::numbered(form, label.first) {
            if label.part.is_some_and(|part| form == FormKind::Quarterly && part != section.part()) {
                continue;
            }
            if let Some(candidate) = weigh(elements, index, form, section, label) {
                found.push(candidate);
            }
        }
        // Two items of a quarterly report bear one number: the title says which is meant.
        if found[first..].iter().any(Candidate::is_titled) && found.len() > first + 1 {
            let titled: Vec<Candidate> = found.drain(first..).filter(Candidate::is_titled).collect();
            found.extend(titled);
        }
    }
    found
}

/// Weighs what speaks for a heading at `index`; `None` where it is a mention in running text.
fn weigh(
    elements: &[Element],
    index: usize,
    form: FormKind,
    section: Section,
    label: ItemLabel,
) -> Option<Candidate> {
    let element = &elements[index];
    let text = element.text.as_str();
    let rest = &text[label.end..];
    let mut evidence = Vec::new();
    let mut weight = 0.0;
    let last =
        Section::numbered(form, label.last).find(|last| last.part() >= section.part()).unwrap_or(section);
    let last = joined_item(rest, form, section).unwrap_or(last);
    let mut title_end = section.title_end(form, rest).map(|end| label.end + end);
    let next_title = rest.trim().is_empty().then(|| title_below(elements, index, form, section)).flatten();
    if title_end.is_some() || next_title.is_some() {
        evidence.push(LABEL_AND_TITLE);
        weight += 3.0;
    } else if label.first != label.last && Section::all().any(|any| any.title_end(form, rest).is_some()) {
        evidence.push("combined label and title");
        weight += 2.5;
        title_end = None;
    } else if !label.has_word
        || (!label.is_delimited && !is_capitals(rest))
        || rest.starts_with(|c: char| c.is_lowercase())
    {
        return None;
    } else {
        evidence.push("label");
        weight += 1.0;
    }
    let is_short = has_at_most_words(text, TITLE_WORDS_MAX);
    let is_whole_title = title_end
        .zip(section.title(form))
        .is_some_and(|(end, title)| key(&text[label.end..end]) == key(title));
    match mention(text, label, title_end, is_whole_title) {
        Mention::No => {}
        Mention::Perhaps if is_short => weight -= 2.0,
        Mention::Perhaps => return None,
    }
    if !label.has_word {
        weight -= 0.5;
    }
    weight += weigh_setting(element, title_end.unwrap_or(label.end), is_short, &mut evidence);
    if is_short && rest.to_ascii_lowercase().contains("continued") {
        weight -= 1.5;
    }
    Some(Candidate {
        element: index,
        section,
        last,
        label_end: label.end,
        title_end,
        weight,
        evidence,
        is_contents: false,
    })
}

/// Weighs how a label is set: alone on its line, emphasized, in capitals.
fn weigh_setting(
    element: &Element,
    heading_end: usize,
    is_short: bool,
    evidence: &mut Vec<&'static str>,
) -> f32 {
    let text = element.text.as_str();
    let mut weight = 0.0;
    if is_short {
        evidence.push("stands alone");
        weight += 1.0;
    }
    let label_at = text.len() - text.trim_start_matches(|c: char| !c.is_alphanumeric()).len();
    let style = element.style_at(label_at);
    let is_coloured = style.has(Style::COLOR) && !style.has(Style::LINK);
    if style.is_emphasized() || is_coloured || style.half_points > 0 {
        evidence.push("emphasized");
        weight += 1.0;
    }
    if is_capitals(&text[..heading_end]) {
        evidence.push("in capitals");
        weight += 0.5;
    }
    weight
}

/// Finds the title of an item in the element below its label, page furniture passed over; gives that element's index.
pub fn title_below(elements: &[Element], index: usize, form: FormKind, section: Section) -> Option<usize> {
    let below = elements.iter().enumerate().skip(index + 1).take(TITLE_DISTANCE_MAX);
    let (at, next) = below.into_iter().find(|(_, next)| next.kind == ElementKind::TextElement)?;
    let is_title =
        has_at_most_words(&next.text, TITLE_WORDS_MAX) && section.title_end(form, &next.text).is_some();
    is_title.then_some(at)
}

/// Between a label and its title stand no more elements than this.
const TITLE_DISTANCE_MAX: usize = 3;

/// Whether a text names an item in a sentence.
enum Mention {
    No,
    Perhaps,
}

/// Tells headings from sentences that begin with the name of an item: `Item 1A, "Risk Factors," of this report describes`.
fn mention(text: &str, label: ItemLabel, title_end: Option<usize>, is_whole_title: bool) -> Mention {
    let rest = &text[label.end..];
    if is_capitals(rest.get(..title_end.map_or(rest.len(), |end| end - label.end)).unwrap_or(rest)) {
        return Mention::No;
    }
    if label.has_comma || rest.starts_with(['“', '"', '‘']) {
        return Mention::Perhaps;
    }
    let after = title_end.map_or("", |end| text[end..].trim_start_matches(char::is_alphanumeric));
    let next_word =
        after.strip_prefix(' ').and_then(|after| after.split(|c: char| !c.is_alphabetic()).next());
    let goes_on = next_word.is_some_and(|word| SENTENCE_WORDS.contains(&word));
    if goes_on || names_document(after) || (is_whole_title && is_sentence_rest(after)) {
        Mention::Perhaps
    } else {
        Mention::No
    }
}

/// Tells whether what follows a whole title is the rest of a sentence: ", and to those described elsewhere", "describes …".
fn is_sentence_rest(after: &str) -> bool {
    let rest = after.strip_prefix(',').unwrap_or(after);
    let is_small = rest.strip_prefix(' ').is_some_and(|rest| rest.starts_with(char::is_lowercase));
    is_small
        && (rest.len() < after.len() || (after.ends_with('.') && !has_at_most_words(after, REST_WORDS_MAX)))
}

/// What filers add to a title ("and uncertainties") has no more words than this.
const REST_WORDS_MAX: usize = 5;

/// Tells whether a text goes on with "of this report", as a sentence does that sends the reader there.
fn names_document(after: &str) -> bool {
    let mut words = after.split_whitespace();
    words.next() == Some("of")
        && matches!(words.next(), Some("this" | "our" | "the"))
        && words.next().is_some_and(|word| {
            let word = word.trim_end_matches(|c: char| !c.is_alphanumeric()).to_ascii_lowercase();
            matches!(word.as_str(), "report" | "annual" | "quarterly" | "form" | "filing" | "10-k" | "10-q")
        })
}

/// Words that go on with a sentence after the title of an item, and do not stand in a title there.
const SENTENCE_WORDS: [&str; 16] = [
    "in",
    "above",
    "below",
    "included",
    "contained",
    "for",
    "to",
    "as",
    "which",
    "that",
    "section",
    "set",
    "is",
    "are",
    "under",
    "on",
];

/// Reads the second item of a heading such as "Item 1. Business and Item 2. Properties".
fn joined_item(rest: &str, form: FormKind, section: Section) -> Option<Section> {
    let end = rest.char_indices().nth(JOINED_LEN_MAX).map_or(rest.len(), |(end, _)| end);
    let head = &rest.as_bytes()[..end];
    let at = memmem::find(head, b" and Item ").or_else(|| memmem::find(head, b" AND ITEM "))?;
    let label = item_label(&rest[at + " and ".len()..])?;
    let next = Section::numbered(form, label.first).find(|next| next.part() >= section.part())?;
    (next.rank(form) > section.rank(form)).then_some(next)
}

/// Two items share a heading only where the first title is short.
const JOINED_LEN_MAX: usize = 60;

/// The longest caption of a form has 21 words; with its label and what filers add to it.
pub const TITLE_WORDS_MAX: usize = 32;

/// Chooses the chain of headings: in the order of the document and of the form at once, of greatest weight.
///
/// Lines of tables of contents take no part. Ties go to the earlier place, so that a heading wins over its repetition in
/// page headers.
pub fn chain(elements: &[Element], candidates: &[Candidate], form: FormKind) -> Vec<Candidate> {
    let nodes: Vec<&Candidate> = candidates.iter().filter(|candidate| !candidate.is_contents).collect();
    let parts = part_headings(elements, candidates);
    let mut best: Vec<(f32, Option<usize>)> = Vec::with_capacity(nodes.len());
    // The best chain so far that ends in an item of each rank: there are few ranks, but a hostile file may have any number
    // of labels.
    let mut by_rank: BTreeMap<u32, usize> = BTreeMap::new();
    let mut first = 0;
    while first < nodes.len() {
        let element = nodes[first].element;
        let end = first + nodes[first..].iter().take_while(|node| node.element == element).count();
        let part = parts[..parts.partition_point(|(at, _)| *at <= element)].last().map(|(_, part)| *part);
        for node in &nodes[first..end] {
            let mut score = (0.0, None);
            for before in by_rank.range(..node.section.rank(form)).map(|(_, before)| *before) {
                // "Items 1 and 2" may be followed by Item 1A, but not by another Item 2.
                let is_again = nodes[before].last == node.section;
                if !is_again && best[before].0 > score.0 {
                    score = (best[before].0, Some(before));
                }
            }
            let agrees = match (form, part) {
                (FormKind::Quarterly, Some(part)) if part == node.section.part() => 1.5,
                (FormKind::Quarterly, Some(_)) => -1.5,
                _ => 0.0,
            };
            best.push((score.0 + (node.weight + agrees).max(0.1), score.1));
        }
        for index in first..end {
            let rank = nodes[index].section.rank(form);
            if by_rank.get(&rank).is_none_or(|known| best[index].0 > best[*known].0) {
                by_rank.insert(rank, index);
            }
        }
        first = end;
    }
    let mut at: Option<usize> = None;
    for index in by_rank.into_values() {
        if at.is_none_or(|at| best[index].0 > best[at].0) {
            at = Some(index);
        }
    }
    let mut chain = Vec::new();
    while let Some(index) = at {
        chain.push(nodes[index].clone());
        at = best[index].1;
    }
    chain.reverse();
    chain
}

/// The heading of a part is no longer than this.
const PART_WORDS_MAX: usize = 8;

/// Finds headings of parts ("PART II. OTHER INFORMATION") outside of tables of contents.
pub fn part_headings(elements: &[Element], candidates: &[Candidate]) -> Vec<(usize, u8)> {
    let contents: Vec<usize> = candidates.iter().filter(|c| c.is_contents).map(|c| c.element).collect();
    let is_contents = |index: usize| {
        let at = contents.partition_point(|element| *element + 2 < index);
        contents.get(at).is_some_and(|element| *element <= index + 2)
    };
    elements
        .iter()
        .enumerate()
        .filter(|(_, element)| element.kind == ElementKind::TextElement)
        .filter_map(|(index, element)| {
            let (part, end) = part_label(&element.text)?;
            has_at_most_words(&element.text, PART_WORDS_MAX).then(|| (index, part, &element.text[end..]))
        })
        .filter(|(index, _, rest)| {
            !rest.starts_with(" of") && !is_contents(*index) && item_label(&elements[*index].text).is_none()
        })
        .map(|(index, part, _)| (index, part))
        .collect()
}
