//! Sections of documents that do not number their items: found by title and typography, ended by a heading of the same rank.

use super::element::{Element, ElementKind, Style};
use super::items::TITLE_WORDS_MAX;
use super::locate::{Confidence, Links, Located, Position, body_offset, one_line};
use super::section::{FormKind, Section};
use super::words::{has_at_most_words, is_capitals, key, title_end};

/// How a heading is set: what makes two headings equal in rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rank {
    half_points: u8,
    flags: u8,
    is_capitals: bool,
    /// The heading stands at the beginning of a paragraph of text.
    is_inline: bool,
}

/// Finds sections whose heading is their title alone; items of which only an index speaks are not among them.
///
/// Used for annual and quarterly reports that keep to the items of the form only in a cross-reference index; such a section
/// is looked for where the index lists it, or where the form has it at that time.
pub fn locate(
    elements: &[Element],
    form: FormKind,
    links: &Links,
    linked: &[(Section, usize)],
    listed: &[Section],
    is_after_2005: bool,
) -> Vec<Located> {
    let mut sections: Vec<Located> = Vec::new();
    let targets = contents_targets(links);
    for section in Section::of_form(form) {
        let is_risk_factors = section.is_risk_factors();
        if !(listed.contains(&section) || (is_risk_factors && is_after_2005)) {
            continue;
        }
        let Some(title) = section.title(form) else {
            continue;
        };
        // Where the title is worded or set in another way, a link in the table of contents may lead to it.
        let found = largest(elements, &key(title))
            .or_else(|| by_link(elements, form, section, linked))
            .or_else(|| plain_target(elements, &key(title), &targets));
        // Two titles may lead to one place: it belongs to the item that comes first in the form.
        if let Some(found) = found.filter(|found| sections.iter().all(|s| s.heading != found.element)) {
            sections.push(section_at(elements, section, found, &targets));
        }
    }
    sections.sort_by_key(|section| section.start);
    for at in 1..sections.len() {
        let next = sections[at].heading;
        let before = &mut sections[at - 1];
        if before.end.element > next {
            before.end = Position { element: next, offset: 0 }.max(before.start);
        }
    }
    sections.retain(|section| section.start < section.end);
    sections
}

/// A heading that was found.
#[derive(Debug, Clone, Copy)]
struct Found {
    element: usize,
    /// Where the heading ends in the element's text.
    end: usize,
    /// How it is set; `None` for a heading that only a link tells from text.
    rank: Option<Rank>,
}

/// Finds the heading with this title in the largest type; of equals the first.
fn largest(elements: &[Element], title: &str) -> Option<Found> {
    let mut best: Option<(usize, usize, Rank)> = None;
    for (index, element) in elements.iter().enumerate() {
        if let Some((end, rank)) = titled(element, title)
            && best.is_none_or(|best| strength(rank) > strength(best.2))
        {
            best = Some((index, end, rank));
        }
    }
    best.map(|(element, end, rank)| Found { element, end, rank: Some(rank) })
}

/// Finds the heading that the index's line for the section links to, where it begins as headings of that item do.
fn by_link(
    elements: &[Element],
    form: FormKind,
    section: Section,
    linked: &[(Section, usize)],
) -> Option<Found> {
    let (_, target) = linked.iter().find(|(linked, _)| *linked == section)?;
    // The anchor may stand above the page's header.
    (*target..(target + LINK_DISTANCE_MAX).min(elements.len())).find_map(|index| {
        let element = &elements[index];
        section.title_end(form, &element.text)?;
        let (end, rank) = heading(element)?;
        Some(Found { element: index, end, rank: Some(rank) })
    })
}

/// A heading stands no more elements below its anchor than this.
const LINK_DISTANCE_MAX: usize = 4;

/// Finds a target of the table of contents that begins with this title, however it is set.
fn plain_target(elements: &[Element], title: &str, targets: &[usize]) -> Option<Found> {
    let near = targets.iter().flat_map(|target| *target..(target + LINK_DISTANCE_MAX).min(elements.len()));
    near.into_iter().find_map(|index| {
        let text = elements[index].text.as_str();
        let end = title_end(text, title).filter(|_| elements[index].kind == ElementKind::TextElement)?;
        let is_set_off = text[end..].trim().is_empty() || text[end..].starts_with(['.', ':', '\n']);
        is_set_off.then_some(Found { element: index, end, rank: None })
    })
}

fn strength(rank: Rank) -> (u8, bool, u32) {
    (rank.half_points, !rank.is_inline, (rank.flags & (Style::BOLD | Style::COLOR)).count_ones())
}

/// Returns where the heading ends, and its rank, where `element` begins with `title` set as a heading.
fn titled(element: &Element, title: &str) -> Option<(usize, Rank)> {
    if element.kind != ElementKind::TextElement {
        return None;
    }
    let end = title_end(&element.text, title)?;
    let (heading_end, rank) = heading(element)?;
    // "Management's Discussion … (MD&A)": what stands in parentheses is no other title.
    let head = element.text[..heading_end].trim_end_matches(|c: char| !c.is_alphanumeric() && c != ')');
    let head = head.strip_suffix(')').and_then(|head| head.rsplit_once('(')).map_or(head, |(head, _)| head);
    let is_title_only = key(head) == title;
    (is_title_only && end <= heading_end).then_some((heading_end, rank))
}

/// Returns where the heading at the beginning of an element ends, and how it is set; `None` where there is none.
fn heading(element: &Element) -> Option<(usize, Rank)> {
    if element.kind != ElementKind::TextElement {
        return None;
    }
    let text = element.text.as_str();
    let style = element.style_at(0);
    let is_set_off =
        style.is_emphasized() || style.has(Style::COLOR) || style.half_points > 0 || style.has(Style::CENTER);
    let flags = style.flags & (Style::BOLD | Style::ITALIC | Style::UNDERLINE | Style::COLOR | Style::CENTER);
    let first_run_end = element.runs.first().filter(|run| run.0 == 0).map_or(0, |run| run.1 as usize);
    let is_whole = first_run_end >= text.trim_end().len() || element.common_flags() & flags == flags;
    if has_at_most_words(text, TITLE_WORDS_MAX) && (is_whole && is_set_off || is_capitals(text)) {
        let rank =
            Rank { half_points: style.half_points, flags, is_capitals: is_capitals(text), is_inline: false };
        return Some((text.len(), rank));
    }
    let head = text.get(..first_run_end)?;
    if head.is_empty() || !is_set_off || !has_at_most_words(head, TITLE_WORDS_MAX) {
        return None;
    }
    let rank =
        Rank { half_points: style.half_points, flags, is_capitals: is_capitals(head), is_inline: true };
    Some((first_run_end, rank))
}

fn section_at(elements: &[Element], section: Section, found: Found, targets: &[usize]) -> Located {
    let Found { element: index, end, rank } = found;
    let text = elements[index].text.as_str();
    let offset = body_offset(text, end);
    let start = if text[offset..].trim().is_empty() {
        Position { element: index + 1, offset: 0 }
    } else {
        Position { element: index, offset }
    };
    let stop = (index + 1..elements.len())
        .find(|at| {
            let is_target = targets.binary_search(at).is_ok();
            match rank {
                Some(rank) => {
                    ends_section(&elements[*at], rank) || (is_target && is_as_large(&elements[*at], rank))
                }
                None => is_target,
            }
        })
        .unwrap_or(elements.len());
    let mut evidence = vec![
        "title without number".to_string(),
        match rank {
            Some(_) => "ended by a heading of the same rank",
            None => "ended by the next place in the table of contents",
        }
        .to_string(),
    ];
    let mut confidence = Confidence::percent(60);
    if targets.iter().any(|target| index.abs_diff(*target) <= 1) {
        evidence.push("target of a link in the table of contents".to_string());
        confidence = Confidence::percent(75);
    }
    Located {
        identifier: section,
        through: None,
        title: one_line(&text[..end]),
        heading: index,
        start,
        end: Position { element: stop, offset: 0 }.max(start),
        more: Vec::new(),
        confidence,
        evidence,
        rivals: Vec::new(),
        doubts: Vec::new(),
    }
}

/// Returns the elements that a table of contents points to: an element or a run of neighbours with many links.
fn contents_targets(links: &Links) -> Vec<usize> {
    let mut targets = Vec::new();
    let mut first = 0;
    while first < links.len() {
        let mut end = first + 1;
        while end < links.len() && links[end].0 - links[end - 1].0 <= 2 {
            end += 1;
        }
        if end - first >= CONTENTS_LINKS_MIN {
            targets.extend(links[first..end].iter().map(|(_, target)| *target));
        }
        first = end;
    }
    targets.sort_unstable();
    targets.dedup();
    targets
}

/// Fewer links together than this are no table of contents.
const CONTENTS_LINKS_MIN: usize = 6;

/// Tells whether an element is a heading in type as large as that of `rank`.
fn is_as_large(element: &Element, rank: Rank) -> bool {
    heading(element).is_some_and(|(_, other)| other.half_points >= rank.half_points)
}

/// Tells whether an element begins a section of the same or a higher rank.
fn ends_section(element: &Element, rank: Rank) -> bool {
    let Some((end, other)) = heading(element) else {
        return false;
    };
    let text = &element.text[..end];
    if matches!(key(text).as_str(), "signatures" | "signature") {
        return true;
    }
    if other.half_points > rank.half_points && rank.half_points > 0 {
        return true;
    }
    other.half_points == rank.half_points
        && other.flags & rank.flags == rank.flags
        && other.is_capitals == rank.is_capitals
        && other.is_inline == rank.is_inline
}
