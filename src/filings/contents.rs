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
    // Lines that refer to pages and places first: what stands again in such a list further down stands not as a heading.
    mark_groups(elements, form, candidates, |lines, _| is_referring(elements, links, lines));
    let last_heading: BTreeMap<Section, usize> = candidates
        .iter()
        .enumerate()
        .filter(|(_, candidate)| candidate.weight >= 3.0 && !candidate.is_contents)
        .map(|(index, candidate)| (candidate.section, index))
        .collect();
    mark_groups(elements, form, candidates, |lines, end| {
        let stands_again = |line: &&[Candidate]| {
            line.iter().any(|candidate| last_heading.get(&candidate.section).is_some_and(|last| *last >= end))
        };
        let again = lines.iter().filter(|line| stands_again(line)).count();
        lines.len() >= LINES_MIN && again * 3 >= lines.len() * 2
    });
    mark_mentioned(candidates);
}

/// Marks the groups of candidates with nothing to read between them for which `is_list` holds, given the candidates of each
/// line and the index of the first candidate behind the group.
fn mark_groups(
    elements: &[Element],
    form: FormKind,
    candidates: &mut [Candidate],
    is_list: impl Fn(&[&[Candidate]], usize) -> bool,
) {
    let mut first = 0;
    while first < candidates.len() {
        let end = group_end(elements, form, candidates, first);
        let lines: Vec<&[Candidate]> =
            candidates[first..end].chunk_by(|one, other| one.element == other.element).collect();
        if is_list(&lines, end) {
            candidates[first..end].iter_mut().for_each(|candidate| candidate.is_contents = true);
        }
        first = end;
    }
}

/// Marks lists that name items to the reader of another item: labels one below the other with nothing between them, each of
/// which stands elsewhere by itself with as much for it.
fn mark_mentioned(candidates: &mut [Candidate]) {
    let mut groups: Vec<(usize, usize, usize)> = Vec::new();
    let mut first = 0;
    for group in candidates.chunk_by(|one, other| other.element - one.element <= 1) {
        let lines = group.chunk_by(|one, other| one.element == other.element).count();
        groups.push((first, first + group.len(), lines));
        first += group.len();
    }
    // "Item 6. [Reserved]" has no body: two headings may well touch.
    let heaviest = |lines_max: usize| {
        let mut heaviest: BTreeMap<Section, f32> = BTreeMap::new();
        for (first, end, _) in groups.iter().filter(|(_, _, lines)| *lines <= lines_max) {
            for candidate in candidates[*first..*end].iter().filter(|candidate| !candidate.is_contents) {
                let weight = heaviest.entry(candidate.section).or_insert(candidate.weight);
                *weight = weight.max(candidate.weight);
            }
        }
        heaviest
    };
    let (alone, in_twos) = (heaviest(1), heaviest(2));
    for (first, end, lines) in groups.iter().copied().filter(|(_, _, lines)| *lines >= 2) {
        // A page header and the heading below it name one item.
        let names_one = candidates[first..end].iter().all(|c| c.section == candidates[first].section);
        if names_one {
            continue;
        }
        let elsewhere = if lines == 2 { &alone } else { &in_twos };
        let stands_elsewhere = |candidate: &Candidate| {
            candidate.is_contents
                || elsewhere.get(&candidate.section).is_some_and(|weight| *weight >= candidate.weight)
        };
        if candidates[first..end].iter().all(stands_elsewhere) {
            candidates[first..end].iter_mut().for_each(|candidate| candidate.is_contents = true);
        }
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

/// Tells whether most lines of a group carry a page number or a link.
fn is_referring(elements: &[Element], links: &Links, lines: &[&[Candidate]]) -> bool {
    let (mut places, mut nothing) = (0, 0);
    for line in lines {
        match reference(elements, line[0].element, links) {
            Reference::Place => places += 1,
            Reference::Nothing => nothing += 1,
            Reference::No => {}
        }
    }
    // Items that say "None" in their headings stand together in the body, too: alone they are no list.
    let referring = if places * 4 >= lines.len() { places + nothing } else { places };
    (lines.len() >= LINES_MIN && referring * 2 >= lines.len()) || (lines.len() >= 2 && places == lines.len())
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
