//! Items of the form in a document: candidates for headings, tables of contents among them, and the chain in the form's order.

use std::collections::BTreeMap;

use super::element::{Element, ElementKind, Style};
use super::section::{FormKind, Section};
use super::words::{ItemLabel, has_at_most_words, is_capitals, item_label, part_label};

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
        for section in Section::numbered(form, label.first) {
            if label
                .part
                .is_some_and(|part| form == FormKind::Quarterly && part != section.part())
            {
                continue;
            }
            if let Some(candidate) = weigh(elements, index, form, section, label) {
                found.push(candidate);
            }
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
    let last = Section::numbered(form, label.last)
        .find(|last| last.part() >= section.part())
        .unwrap_or(section);
    let last = joined_item(rest, form, section).unwrap_or(last);
    let mut title_end = section.title_end(form, rest).map(|end| label.end + end);
    let next_title = rest
        .trim()
        .is_empty()
        .then(|| elements.get(index + 1))
        .flatten()
        .filter(|next| {
            has_at_most_words(&next.text, TITLE_WORDS_MAX) && section.title_end(form, &next.text).is_some()
        });
    if title_end.is_some() || next_title.is_some() {
        evidence.push("label and title");
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
    if !label.has_word {
        weight -= 0.5;
    }
    let is_short = has_at_most_words(text, TITLE_WORDS_MAX);
    if is_short {
        evidence.push("stands alone");
        weight += 1.0;
    }
    let label_at = text.len() - text.trim_start_matches(|c: char| !c.is_alphanumeric()).len();
    let style = element.style_at(label_at);
    if style.is_emphasized() || style.has(Style::COLOR) && !style.has(Style::LINK) || style.half_points > 0 {
        evidence.push("emphasized");
        weight += 1.0;
    }
    if is_capitals(&text[..title_end.unwrap_or(label.end)]) {
        evidence.push("in capitals");
        weight += 0.5;
    }
    if rest.to_ascii_lowercase().contains("continued") && is_short {
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

/// Reads the second item of a heading such as "Item 1. Business and Item 2. Properties".
fn joined_item(rest: &str, form: FormKind, section: Section) -> Option<Section> {
    let head: String = rest.chars().take(JOINED_LEN_MAX).collect();
    let at = head.find(" and Item ").or_else(|| head.find(" AND ITEM "))?;
    let label = item_label(&rest[at + " and ".len()..])?;
    let next = Section::numbered(form, label.first).find(|next| next.part() >= section.part())?;
    (next.rank(form) > section.rank(form)).then_some(next)
}

/// Two items share a heading only where the first title is short.
const JOINED_LEN_MAX: usize = 60;

/// The longest caption of a form has 21 words; with its label and what filers add to it.
pub const TITLE_WORDS_MAX: usize = 32;

/// Marks the candidates that are lines of a table of contents or of a cross-reference index.
///
/// Such a list is a group of candidates with nothing to read between them, most of which carry a page number or a link, or
/// stand again elsewhere as headings.
pub fn mark_contents(elements: &[Element], form: FormKind, candidates: &mut [Candidate]) {
    let mut first = 0;
    while first < candidates.len() {
        let mut end = first + 1;
        let mut restarts = 0;
        while end < candidates.len()
            && is_adjacent(elements, candidates[end - 1].element, candidates[end].element)
        {
            // The body begins where the numbers begin again; in a quarterly report each part has numbers of its own.
            let is_other_line = candidates[end].element != candidates[end - 1].element;
            let is_restart = candidates[end].section.item() <= candidates[end - 1].section.item();
            restarts += usize::from(is_other_line && is_restart);
            if restarts > usize::from(form == FormKind::Quarterly) {
                break;
            }
            end += 1;
        }
        let group = &candidates[first..end];
        let lines: Vec<usize> = {
            let mut lines: Vec<usize> = group.iter().map(|candidate| candidate.element).collect();
            lines.dedup();
            lines
        };
        let referring = lines.iter().filter(|line| refers(&elements[**line])).count();
        let again = lines
            .iter()
            .filter(|line| {
                group.iter().any(|one| {
                    one.element == **line
                        && candidates[end..]
                            .iter()
                            .any(|other| other.section == one.section && other.weight >= 3.0)
                })
            })
            .count();
        let is_contents = lines.len() >= CONTENTS_LINES_MIN
            && (referring * 2 >= lines.len() || again * 3 >= lines.len() * 2)
            || (lines.len() >= 2 && referring == lines.len());
        if is_contents {
            for candidate in &mut candidates[first..end] {
                candidate.is_contents = true;
            }
        }
        first = end;
    }
}

/// Fewer labels in a row than this are headings of short items.
const CONTENTS_LINES_MIN: usize = 4;

/// Tells whether nothing but short lines lies between two elements.
fn is_adjacent(elements: &[Element], one: usize, other: usize) -> bool {
    let between = &elements[one + 1..other.max(one + 1)];
    let length: usize = between.iter().map(|element| element.text.len()).sum();
    let is_prose = |element: &Element| element.text.len() > 90 && element.text.trim_end().ends_with('.');
    let first_is_prose = elements[one].text.len() > 300;
    !first_is_prose && length < CONTENTS_GAP_MAX && !between.iter().any(is_prose)
}

/// Sub-headings listed between two items of a table of contents take no more letters than this.
const CONTENTS_GAP_MAX: usize = 1200;

/// Tells whether a line refers to another place: it ends in a page number, or is a link.
fn refers(element: &Element) -> bool {
    let text = element
        .text
        .trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '.' | ')' | '*'));
    let tail: String = text
        .chars()
        .rev()
        .take_while(|c| !c.is_whitespace())
        .collect::<String>()
        .chars()
        .rev()
        .collect();
    let digits = tail.bytes().filter(u8::is_ascii_digit).count();
    let is_page = digits > 0
        && tail.len() <= 9
        && tail.bytes().all(|byte| {
            byte.is_ascii_digit() || matches!(byte, b'-' | b',' | b'F' | b'K' | b'A' | b'S' | b'.')
        })
        || tail.contains('–') && digits > 0;
    let lower = text.to_ascii_lowercase();
    let is_none = lower.ends_with("not applicable") || lower.ends_with("none") || lower.ends_with("n/a");
    let has_more = !has_at_most_words(text, 2);
    (has_more && (is_page || is_none)) || element.runs.iter().any(|run| run.2.has(Style::LINK))
}

/// Chooses the chain of headings: in the order of the document and of the form at once, of greatest weight.
///
/// Lines of tables of contents take no part. Ties go to the earlier place, so that a heading wins over its repetition in
/// page headers.
pub fn chain(elements: &[Element], candidates: &[Candidate], form: FormKind) -> Vec<Candidate> {
    let nodes: Vec<&Candidate> = candidates
        .iter()
        .filter(|candidate| !candidate.is_contents)
        .collect();
    let parts = part_headings(elements, candidates);
    let mut best: Vec<(f32, Option<usize>)> = Vec::with_capacity(nodes.len());
    // The best chain so far that ends in an item of each rank: there are few ranks, but a hostile file may have any number
    // of labels.
    let mut by_rank: BTreeMap<u32, usize> = BTreeMap::new();
    let mut first = 0;
    while first < nodes.len() {
        let element = nodes[first].element;
        let end = first
            + nodes[first..]
                .iter()
                .take_while(|node| node.element == element)
                .count();
        let part = parts[..parts.partition_point(|(at, _)| *at <= element)]
            .last()
            .map(|(_, part)| *part);
        for node in &nodes[first..end] {
            let mut score = (0.0, None);
            for before in by_rank
                .range(..node.section.rank(form))
                .map(|(_, before)| *before)
            {
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
            if by_rank
                .get(&rank)
                .is_none_or(|known| best[index].0 > best[*known].0)
            {
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
    let is_contents = |index: usize| {
        let near = |candidate: &&Candidate| candidate.is_contents && candidate.element.abs_diff(index) <= 2;
        candidates.iter().any(|candidate| near(&candidate))
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
