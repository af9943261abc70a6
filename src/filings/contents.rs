//! Tables of contents and cross-reference indexes: which lines with labels of items only refer to other places.

use std::collections::BTreeMap;

use super::element::{Element, Style};
use super::items::Candidate;
use super::locate::Links;
use super::section::{FormKind, Section};
use super::words::has_at_most_words;

/// How a line refers to another place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reference {
    /// By a page number, or by a link to a place further down.
    Place,
    /// By saying that there is nothing: "Not applicable".
    Nothing,
    No,
}

/// Marks the candidates that are lines of a table of contents or of a cross-reference index.
///
/// Such a list is a group of candidates with nothing to read between them, most of which carry a page number or a link, or
/// stand again further down as headings.
pub fn mark(elements: &[Element], form: FormKind, links: &Links, candidates: &mut [Candidate]) {
    let last_heading: BTreeMap<Section, usize> = candidates
        .iter()
        .enumerate()
        .filter(|(_, candidate)| candidate.weight >= 3.0)
        .map(|(index, candidate)| (candidate.section, index))
        .collect();
    let mut first = 0;
    while first < candidates.len() {
        let end = group_end(elements, form, candidates, first);
        if is_list(elements, links, &candidates[first..end], end, &last_heading) {
            for candidate in &mut candidates[first..end] {
                candidate.is_contents = true;
            }
        }
        first = end;
    }
}

/// Finds the end of the group of candidates that begins at `first`.
fn group_end(elements: &[Element], form: FormKind, candidates: &[Candidate], first: usize) -> usize {
    let mut end = first + 1;
    let mut restarts = 0;
    while let Some(next) = candidates.get(end) {
        let before = &candidates[end - 1];
        // The body begins where the numbers begin again; in a quarterly report each part has numbers of its own.
        let is_other_line = next.element != before.element;
        restarts += usize::from(is_other_line && next.section.item() <= before.section.item());
        let is_restarted = restarts > usize::from(form == FormKind::Quarterly);
        if is_restarted || !is_adjacent(elements, before.element, next.element) {
            break;
        }
        end += 1;
    }
    end
}

fn is_list(
    elements: &[Element],
    links: &Links,
    group: &[Candidate],
    end: usize,
    last_heading: &BTreeMap<Section, usize>,
) -> bool {
    let (mut lines, mut places, mut nothing, mut again) = (0, 0, 0, 0);
    let mut at = 0;
    while at < group.len() {
        let element = group[at].element;
        let same = group[at..].iter().take_while(|candidate| candidate.element == element);
        lines += 1;
        let mut count = 0;
        let mut is_again = false;
        for candidate in same {
            count += 1;
            is_again |= last_heading.get(&candidate.section).is_some_and(|last| *last >= end);
        }
        again += usize::from(is_again);
        match reference(elements, element, links) {
            Reference::Place => places += 1,
            Reference::Nothing => nothing += 1,
            Reference::No => {}
        }
        at += count;
    }
    // Items that say "None" in their headings stand together in the body, too: alone they are no list.
    let referring = if places * 4 >= lines { places + nothing } else { places };
    let is_long = lines >= LINES_MIN && (referring * 2 >= lines || again * 3 >= lines * 2);
    is_long || (lines >= 2 && places == lines)
}

/// Fewer labels in a row than this are headings of short items.
const LINES_MIN: usize = 4;

/// Tells whether nothing but short lines lies between two elements.
fn is_adjacent(elements: &[Element], one: usize, other: usize) -> bool {
    let between = &elements[one + 1..other.max(one + 1)];
    let length: usize = between.iter().map(|element| element.text.len()).sum();
    let is_prose = |element: &Element| element.text.len() > 90 && element.text.trim_end().ends_with('.');
    let first_is_prose = elements[one].text.len() > 300;
    !first_is_prose && length < GAP_MAX && !between.iter().any(is_prose)
}

/// Sub-headings listed between two items of a table of contents take no more letters than this.
const GAP_MAX: usize = 1200;

/// Tells how a line refers to another place.
fn reference(elements: &[Element], index: usize, links: &Links) -> Reference {
    let element = &elements[index];
    let text = element.text.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '.' | ')' | '*'));
    let tail = text.rsplit(char::is_whitespace).next().unwrap_or("");
    let digits = tail.bytes().filter(u8::is_ascii_digit).count();
    let is_page_byte =
        |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b',' | b'F' | b'K' | b'A' | b'S' | b'.');
    let is_page = digits > 0 && ((tail.len() <= 9 && tail.bytes().all(is_page_byte)) || tail.contains('–'));
    let has_more = !has_at_most_words(text, 2);
    let is_linked = element.runs.iter().any(|run| run.2.has(Style::LINK));
    // Headings of the body may be linked, too, but back to the table of contents.
    let points_on = || {
        let from = links.partition_point(|(from, _)| *from < index);
        links[from..].iter().take_while(|(from, _)| *from == index).any(|(_, to)| *to > index)
    };
    if (has_more && is_page) || (is_linked && points_on()) || has_pages_below(elements, index) {
        return Reference::Place;
    }
    let says_nothing = |text: &str| {
        let lower = text.trim_end_matches(['.', ' ']).to_ascii_lowercase();
        ["not applicable", "none", "n/a"].iter().any(|answer| lower.ends_with(answer))
    };
    let below = elements.get(index + 1).map_or("", |below| below.text.as_str());
    let is_nothing =
        (has_more && says_nothing(text)) || (below.len() <= PAGES_LEN_MAX && says_nothing(below));
    if is_nothing { Reference::Nothing } else { Reference::No }
}

/// Tells whether the line below holds page numbers only: "12", "Pages 48-62".
fn has_pages_below(elements: &[Element], index: usize) -> bool {
    let Some(below) = elements.get(index + 1) else {
        return false;
    };
    let text = below.text.trim().to_ascii_lowercase();
    let numbers = text.trim_start_matches("pages").trim_start_matches("page");
    let is_number = |c: char| c.is_ascii_digit() || c.is_whitespace() || matches!(c, '-' | '–' | ',' | '.');
    text.len() <= PAGES_LEN_MAX
        && numbers.starts_with(|c: char| c.is_ascii_digit() || c == ' ')
        && numbers.chars().all(is_number)
}

/// A line of page numbers is no longer than this.
const PAGES_LEN_MAX: usize = 24;
