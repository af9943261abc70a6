//! What speaks against the place of an item: rival headings, links that lead elsewhere, items missing in between.

use std::collections::BTreeMap;

use super::element::Element;
use super::items::Candidate;
use super::locate::{Located, Rival, one_line};
use super::section::{FormKind, Section};

/// So many rivals are named.
const RIVALS_MAX: usize = 4;
/// A rival's text is cut to so many letters.
const RIVAL_LETTERS_MAX: usize = 80;
/// A heading stands no more elements from its anchor than this.
const LINK_DISTANCE_MAX: usize = 8;

/// Names the rivals of each section and what is doubtful about its place.
pub fn weigh(
    elements: &[Element],
    form: FormKind,
    candidates: &[Candidate],
    linked: &[(Section, usize)],
    listed: &[Section],
    sections: &mut [Located],
) {
    let mut by_section: BTreeMap<Section, Vec<&Candidate>> = BTreeMap::new();
    for candidate in candidates {
        by_section.entry(candidate.section).or_default().push(candidate);
    }
    let found: Vec<Section> = sections.iter().map(|located| located.identifier).collect();
    for at in 0..sections.len() {
        let next = sections.get(at + 1).map(|next| next.identifier);
        let located = &mut sections[at];
        let same = by_section.get(&located.identifier).map_or(&[][..], Vec::as_slice);
        located.rivals = rivals(elements, located, same);
        if let Some(doubt) = equal_rival(located, same) {
            located.doubts.push(doubt);
        }
        let is_elsewhere = |(section, target): &&(Section, usize)| {
            *section == located.identifier
                && !(located.heading.saturating_sub(LINK_DISTANCE_MAX)
                    ..located.start.element + LINK_DISTANCE_MAX)
                    .contains(target)
        };
        let is_near = linked.iter().any(|link| link.0 == located.identifier && !is_elsewhere(&link));
        if !is_near && linked.iter().any(|link| is_elsewhere(&link)) {
            located.doubts.push("the table of contents links to another place".to_string());
        }
        let missing = missing_between(form, located, next, listed, &found);
        if !missing.is_empty() {
            located.doubts.push(format!("it may go on into {}, which was not found", missing.join(", ")));
        }
        for _ in 0..located.doubts.len() {
            located.confidence = located.confidence.less();
        }
    }
}

/// Lists other places with the item's label.
fn rivals(elements: &[Element], located: &Located, same: &[&Candidate]) -> Vec<Rival> {
    let mut others: Vec<&&Candidate> = same.iter().filter(|other| other.element != located.heading).collect();
    others.sort_by(|a, b| {
        a.is_contents
            .cmp(&b.is_contents)
            .then_with(|| b.weight.total_cmp(&a.weight))
            .then(a.element.cmp(&b.element))
    });
    let named = others.into_iter().take(RIVALS_MAX).map(|other| {
        let element = &elements[other.element];
        let reason = if other.is_contents {
            "a line of a table of contents"
        } else if is_inside(located, other) {
            "it stands inside of the item"
        } else {
            "it fits the order of the other items less well"
        };
        Rival {
            text: one_line(&element.text).chars().take(RIVAL_LETTERS_MAX).collect(),
            span: element.span,
            reason: reason.to_string(),
        }
    });
    named.collect()
}

fn is_inside(located: &Located, other: &Candidate) -> bool {
    located.heading <= other.element && other.element < located.end.element
}

/// Tells whether another place outside of the item has as much for it as its own heading.
fn equal_rival(located: &Located, same: &[&Candidate]) -> Option<String> {
    let own = same.iter().find(|candidate| candidate.element == located.heading)?;
    let equal = |other: &&&Candidate| {
        !other.is_contents
            && !is_inside(located, other)
            && other.weight >= own.weight
            && other.title_end.is_some()
    };
    let count = same.iter().filter(|other| other.element != own.element).filter(equal).count();
    let places = if count == 1 { "another place has" } else { "other places have" };
    (count > 0).then(|| format!("{places} as much evidence"))
}

/// Returns the items that a table of contents names between this one and the next, and that were not found.
fn missing_between(
    form: FormKind,
    located: &Located,
    next: Option<Section>,
    listed: &[Section],
    found: &[Section],
) -> Vec<String> {
    let Some(next) = next else { return Vec::new() };
    let from = located.through.unwrap_or(located.identifier).rank(form);
    let is_between = |section: &&Section| {
        (from + 1..next.rank(form)).contains(&section.rank(form)) && !found.contains(section)
    };
    listed.iter().filter(is_between).map(|section| section.identifier()).collect()
}
