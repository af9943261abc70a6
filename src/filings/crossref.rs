//! Items that a document only speaks of: in a cross-reference index, by pages or by an answer, or in one sentence for several.

use super::element::{Element, ElementKind};
use super::furniture::Page;
use super::items::Candidate;
use super::locate::{Confidence, Located, Position, one_line};
use super::section::{FormKind, Section};
use super::sixteen::{SIXTEEN, Sixteen};
use super::words::{has_at_most_words, item_label, items_named, part_label};

/// What an index says about an item.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Entry {
    /// Printed page numbers, first and last of each range.
    pages: Vec<(u32, u32)>,
    /// The item does not apply, or there is nothing to say.
    is_nothing: bool,
    /// Index of the footnote that the line refers to.
    note: Option<usize>,
}

/// Adds the items that a cross-reference index places, and that no heading was found for.
///
/// An index may give one page to several items, and several ranges to one: such items share their text.
pub fn add_indexed(
    elements: &[Element],
    form: FormKind,
    candidates: &[Candidate],
    pages: &[Page],
    sections: &mut Vec<Located>,
) {
    let lines: Vec<&Candidate> = candidates.iter().filter(|candidate| candidate.is_contents).collect();
    let mut added: Vec<Located> = Vec::new();
    for (at, line) in lines.iter().enumerate().rev() {
        let section = line.section;
        if added.iter().any(|located| located.identifier == section) {
            continue;
        }
        let next = lines.get(at + 1).map_or(elements.len(), |next| next.element);
        let end = next.min(line.element + LINES_BELOW_MAX).max(line.element + 1);
        let entry = read_entry(elements, line, end);
        if let Some(known) = sections.iter_mut().find(|located| located.identifier == section) {
            compare(known, &entry, pages);
            continue;
        }
        added.extend(place(elements, section, line.element, &entry, pages, sections));
    }
    added.reverse();
    sections.extend(added);
    sections.retain(|located| located.identifier.title(form).is_some());
    sections.sort_by_key(|located| (located.start, located.heading));
}

/// Holds a heading against the pages that the index gives for its item.
fn compare(located: &mut Located, entry: &Entry, pages: &[Page]) {
    let page = pages.iter().find(|page| (page.first..page.end).contains(&located.heading));
    let (Some(page), false) = (page, entry.pages.is_empty()) else { return };
    let is_named = entry.pages.iter().any(|(first, last)| (*first..=*last).contains(&page.number));
    // Typography that changes inside of an item seems to end it; the index knows how far it goes.
    let last = entry.pages.last().filter(|_| entry.pages.len() == 1).map_or(0, |range| range.1);
    let stops_at = pages.iter().find(|page| (page.first..page.end).contains(&located.end.element));
    if is_named && stops_at.is_some_and(|page| page.number + 1 < last) {
        let end = pages.iter().rev().find(|page| page.number <= last).map_or(0, |page| page.end);
        located.end = located.end.max(Position { element: end, offset: 0 });
        located.evidence.push(format!("goes on to page {last} by the cross-reference index"));
    }
    if is_named {
        located.evidence.push("on a page of the cross-reference index".to_string());
        located.confidence = located.confidence.more(10);
    } else {
        located.doubts.push("the cross-reference index gives other pages".to_string());
    }
}

/// An item's line has no more lines below it that belong to it.
const LINES_BELOW_MAX: usize = 8;

/// Reads the line of an item, and the lines below it that go into its parts.
fn read_entry(elements: &[Element], line: &Candidate, end: usize) -> Entry {
    let mut entry = Entry::default();
    for (index, element) in elements.iter().enumerate().take(end).skip(line.element) {
        let text = element.text.as_str();
        let is_line = index == line.element;
        let is_break = element.kind == ElementKind::SupplementaryText || part_label(text).is_some();
        if !is_line && (is_break || !has_at_most_words(text, LINE_WORDS_MAX)) {
            break;
        }
        let rest = if is_line { &text[line.title_end.unwrap_or(line.label_end)..] } else { text };
        read_tail(rest, elements, index, &mut entry);
        if is_line {
            entry.is_nothing |= says_nothing(text);
            // Lines below a line that says all it has to say belong to something else.
            if entry != Entry::default() {
                break;
            }
        }
    }
    entry.pages.sort_unstable();
    let mut joined: Vec<(u32, u32)> = Vec::with_capacity(entry.pages.len());
    for (first, last) in entry.pages.drain(..) {
        match joined.last_mut() {
            Some(before) if first <= before.1 + 1 => before.1 = before.1.max(last),
            _ => joined.push((first, last)),
        }
    }
    entry.pages = joined;
    entry
}

/// A line of an index is no longer than this.
const LINE_WORDS_MAX: usize = 40;

/// Reads the end of a line: "Pages 5-6, 42-44", "82, (a)", "Not applicable", "None".
fn read_tail(text: &str, elements: &[Element], index: usize, entry: &mut Entry) {
    entry.is_nothing |= says_nothing(text);
    for word in text.split_whitespace().rev() {
        if let Some(mark) = footnote_mark(word) {
            entry.note = entry.note.or_else(|| find_note(elements, index, mark));
            continue;
        }
        let word = word.trim_matches(|c: char| matches!(c, ',' | '.' | ';'));
        if word.is_empty() || matches!(word, "and" | "&" | "-" | "–" | "—") {
            continue;
        }
        match page_range(word) {
            Some(range) => entry.pages.push(range),
            None => break,
        }
    }
}

/// Tells whether a line ends in an answer that is all there is to say, with a footnote's mark behind it or not.
fn says_nothing(text: &str) -> bool {
    let lower = text.trim_end_matches(['.', ' ']).to_ascii_lowercase();
    let without_note = lower.rfind('(').map_or(lower.as_str(), |at| &lower[..at]).trim_end();
    ["not applicable", "none", "n/a", "not required", "omitted", "[reserved]", "reserved"]
        .iter()
        .any(|answer| lower.ends_with(answer) || without_note.ends_with(answer))
}

/// Reads "(a)" or "(1)".
fn footnote_mark(word: &str) -> Option<&str> {
    let mark = word.trim_end_matches(',').strip_prefix('(')?.strip_suffix(')')?;
    (mark.len() == 1 && mark.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(mark)
}

/// Reads "12" or "12-14".
fn page_range(word: &str) -> Option<(u32, u32)> {
    let (first, last) = word.split_once(['-', '–', '—']).unwrap_or((word, word));
    let number =
        |text: &str| (!text.is_empty() && text.len() <= 3).then(|| text.parse::<u32>().ok()).flatten();
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

/// Finds the footnote "(a) Incorporated by reference to …" below a line.
fn find_note(elements: &[Element], index: usize, mark: &str) -> Option<usize> {
    let begin = format!("({mark})");
    let below = elements.iter().enumerate().skip(index + 1).take(NOTE_DISTANCE_MAX);
    let found = |(at, element): (usize, &Element)| element.text.starts_with(&begin).then_some(at);
    below.into_iter().find_map(found)
}

/// Footnotes of an index stand no further below than this.
const NOTE_DISTANCE_MAX: usize = 48;

/// Turns what an index says into a place.
fn place(
    elements: &[Element],
    section: Section,
    line: usize,
    entry: &Entry,
    pages: &[Page],
    sections: &[Located],
) -> Option<Located> {
    let at = |element: usize| Position { element, offset: 0 };
    let mut ranges: Vec<(Position, Position)> = Vec::new();
    for (first, last) in &entry.pages {
        // A page without text bears no number that was found.
        let is_named = |page: &&Page| (*first..=*last).contains(&page.number);
        let first = pages.iter().find(is_named);
        let last = pages.iter().rev().find(is_named);
        if let (Some(first), Some(last)) = (first, last)
            && first.first < last.end
        {
            ranges.push(trim(first, last, sections));
        }
    }
    ranges.retain(|(start, end)| start < end);
    let mut located = Located {
        identifier: section,
        through: None,
        title: one_line(&elements[line].text),
        heading: line,
        start: at(line + 1),
        end: at(line + 1),
        more: Vec::new(),
        confidence: Confidence::percent(80),
        evidence: Vec::new(),
        rivals: Vec::new(),
        doubts: Vec::new(),
    };
    if !ranges.is_empty() {
        let named: Vec<String> = entry.pages.iter().map(|(a, b)| range_text(*a, *b)).collect();
        let named = named.join(", ");
        (located.start, located.end) = ranges.remove(0);
        located.heading = located.start.element;
        located.more = ranges;
        located.confidence = Confidence::percent(60);
        located.evidence.push(format!("pages of the cross-reference index: {named}"));
        return Some(located);
    }
    if entry.is_nothing {
        located.evidence.push("the cross-reference index says that there is nothing".to_string());
        return Some(located);
    }
    let note = entry.note?;
    (located.start, located.end) = (at(note), at(note + 1));
    located.evidence.push("footnote of the cross-reference index".to_string());
    Some(located)
}

fn range_text(first: u32, last: u32) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

/// Cuts a range of pages where a section with a heading of its own ends on its first page or begins on its last.
fn trim(first: &Page, last: &Page, sections: &[Located]) -> (Position, Position) {
    let mut start = Position { element: first.first, offset: 0 };
    let mut end = Position { element: last.end, offset: 0 };
    for section in sections {
        let began_before = section.heading < first.first;
        if began_before && (first.first..first.end).contains(&section.end.element) {
            start = start.max(section.end);
        }
        if section.heading > first.first && (last.first..last.end).contains(&section.heading) {
            end = end.min(Position { element: section.heading, offset: 0 });
        }
    }
    (start, end)
}

/// Adds the items that a short paragraph speaks of together: "Items 10 through 14 are incorporated by reference to …".
pub fn add_stated(elements: &[Element], form: FormKind, sections: &mut Vec<Located>) {
    let mut added: Vec<Located> = Vec::new();
    for (index, element) in elements.iter().enumerate() {
        let text = element.text.as_str();
        // Quick refusal of almost every paragraph.
        if element.kind != ElementKind::TextElement {
            continue;
        }
        if !has_item(text.as_bytes()) || !has_at_most_words(text, STATEMENT_WORDS_MAX) {
            continue;
        }
        let lower = text.to_ascii_lowercase();
        if !STATEMENTS.iter().any(|phrase| lower.contains(phrase)) {
            continue;
        }
        let named = items_named(text).items;
        if named.len() < 2 || is_inside(sections, index) && item_label(text).is_none() {
            continue;
        }
        for number in named {
            // The numbers of a quarterly report do not say which part is meant.
            let Some(section) =
                (form == FormKind::Annual).then(|| Section::numbered(form, number).next()).flatten()
            else {
                continue;
            };
            let is_known = |located: &Located| {
                located.identifier == section || located.through.is_some_and(|last| last == section)
            };
            if sections.iter().any(is_known) || added.iter().any(is_known) {
                continue;
            }
            let omits = !lower.contains("incorporated");
            let start = if omits { index + 1 } else { index };
            added.push(Located {
                identifier: section,
                through: None,
                title: one_line(text),
                heading: index,
                start: Position { element: start, offset: 0 },
                end: Position { element: index + 1, offset: 0 },
                more: Vec::new(),
                confidence: Confidence::percent(80),
                evidence: vec!["one statement for several items".to_string()],
                rivals: Vec::new(),
                doubts: Vec::new(),
            });
        }
    }
    if !added.is_empty() {
        sections.extend(added);
        sections.sort_by_key(|located| (located.start, located.heading, located.identifier));
    }
}

/// Tells whether the letters of "item" stand in a text, large or small.
fn has_item(text: &[u8]) -> bool {
    const ITEM: &[u8; 4] = b"item";
    // Of sixteen bytes, those with three behind them may begin the word.
    (0..text.len()).step_by(SIXTEEN - (ITEM.len() - 1)).any(|at| {
        let letters = Sixteen::at(text, at).small();
        let places = ITEM.iter().enumerate().map(|(at, letter)| letters.equal(*letter) >> at);
        places.fold(u32::MAX, |all, places| all & places) != 0
    })
}

/// A statement about several items is no longer than this.
const STATEMENT_WORDS_MAX: usize = 200;

const STATEMENTS: [&str; 4] =
    ["not applicable", "omitted", "incorporated by reference", "incorporated herein by reference"];

/// Tells whether an element is text of an item that was found, and not its last paragraph.
fn is_inside(sections: &[Located], index: usize) -> bool {
    sections.iter().any(|section| section.start.element <= index && index + 1 < section.end.element)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_item_is_found_as_in_small_letters(text in "([iItTeEmM ]{0,6}|items?|ITEM|sy){0,5}") {
            prop_assert_eq!(has_item(text.as_bytes()), text.to_ascii_lowercase().contains("item"));
        }
    }

    #[test]
    fn the_end_of_a_line_is_read_as_pages_or_as_an_answer() {
        let read = |text: &str| {
            let mut entry = Entry::default();
            read_tail(text, &[], 0, &mut entry);
            entry.pages.sort_unstable();
            (entry.pages, entry.is_nothing)
        };
        assert_eq!(read(" 4-6, 7-13, 78-80"), (vec![(4, 6), (7, 13), (78, 80)], false));
        assert_eq!(read("General development of business Pages 3–9, 20"), (vec![(3, 9), (20, 20)], false));
        assert_eq!(read("of the Securities Exchange Act of 1934 Page 69"), (vec![(69, 69)], false));
        assert_eq!(read(" Page 68 (a)"), (vec![(68, 68)], false));
        assert_eq!(read(" Not applicable(a)"), (vec![], true));
        assert_eq!(read(" None."), (vec![], true));
        assert_eq!(read(" [Reserved]"), (vec![], true));
        assert_eq!(read(" of Form 10-K"), (vec![], false));
    }
}
