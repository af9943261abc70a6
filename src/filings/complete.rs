//! Items that the chain of numbered headings leaves out: without a number, inside of combined items, or out of order.

use super::element::{Element, ElementKind, Style};
use super::items::{Candidate, TITLE_WORDS_MAX};
use super::section::{FormKind, Section};
use super::words::{has_at_most_words, is_capitals, key};

/// What is known of the document when the chain is completed.
pub struct Known<'a> {
    /// The elements.
    pub elements: &'a [Element],
    /// The kind of form.
    pub form: FormKind,
    /// All candidates.
    pub candidates: &'a [Candidate],
    /// Sections that a table of contents links to, with the elements it points to.
    pub linked: &'a [(Section, usize)],
    /// Sections that a table of contents or an index names.
    pub listed: &'a [Section],
    /// The form has Item 1A at the time of the filing.
    pub is_after_2005: bool,
}

/// Completes the chain; it is in the order of the document afterwards.
pub fn complete(known: &Known<'_>, chain: &mut Vec<Candidate>) {
    prefer_first(known, chain);
    add_unnumbered(known, chain);
    add_out_of_order(known, chain);
}

/// Goes back from a repetition in a page header to the heading itself, where that is set less boldly.
fn prefer_first(known: &Known<'_>, chain: &mut [Candidate]) {
    for at in 0..chain.len() {
        let from = at.checked_sub(1).map_or(0, |before| chain[before].element + 1);
        let chosen = &chain[at];
        let is_same = |candidate: &&Candidate| {
            !candidate.is_contents && candidate.section == chosen.section && candidate.element >= from
        };
        let same: Vec<&Candidate> = known.candidates.iter().filter(is_same).collect();
        if same.len() < REPEATED_MIN {
            continue;
        }
        let first = same
            .iter()
            .find(|c| c.element < chosen.element && c.weight >= chosen.weight - REPEATED_WEIGHT_LOSS);
        if let Some(first) = first {
            chain[at] = (*first).clone();
        }
    }
}

/// A heading that stands fewer times than this is not repeated in page headers.
const REPEATED_MIN: usize = 3;
/// The heading itself may weigh this much less than its repetitions.
const REPEATED_WEIGHT_LOSS: f32 = 1.5;

/// Adds headings without a number ("Risk Factors" between Item 1 and Item 2) where the document is known to have the item.
fn add_unnumbered(known: &Known<'_>, chain: &mut Vec<Candidate>) {
    let form = known.form;
    for section in Section::of_form(form) {
        let rank = section.rank(form);
        if chain.iter().any(|candidate| candidate.section == section) {
            continue;
        }
        let is_combined = chain.iter().any(|c| c.section.rank(form) < rank && rank <= c.last.rank(form));
        if !is_combined && !is_expected(known, chain, section) {
            continue;
        }
        let next = chain.iter().position(|c| c.section.rank(form) > rank).unwrap_or(chain.len());
        let from = next.checked_sub(1).map_or(0, |before| chain[before].element + 1);
        let to = chain.get(next).map_or(known.elements.len(), |after| after.element);
        let found = (from..to)
            .find(|index| is_bare_title(&known.elements[*index], form, section))
            .map(|element| (element, "title without number"))
            .or_else(|| {
                linked_heading(known, section, from, to)
                    .map(|element| (element, "linked in the table of contents"))
            });
        if let Some((element, how)) = found {
            let text = &known.elements[element].text;
            let candidate = Candidate {
                element,
                section,
                last: section,
                label_end: 0,
                title_end: Some(section.title_end(form, text).unwrap_or(text.len())),
                weight: 2.0,
                evidence: vec![how, "between its neighbours"],
                is_contents: false,
            };
            chain.insert(next, candidate);
        }
    }
}

/// Tells whether the document must have the item although no numbered heading was found.
fn is_expected(known: &Known<'_>, chain: &[Candidate], section: Section) -> bool {
    let is_risk_factors = section.is_risk_factors();
    // The next item after the risk factors ends them, whether a table of contents names it or not.
    let is_after_risk_factors = chain.iter().any(|c| c.section == Section::RISK_FACTORS)
        && section.rank(known.form) == Section::RISK_FACTORS.rank(known.form) + 1;
    let is_by_date = known.is_after_2005 && (is_risk_factors || is_after_risk_factors);
    known.listed.contains(&section) || is_by_date
}

/// Tells whether an element is a heading that consists of the title of `section` and no more.
fn is_bare_title(element: &Element, form: FormKind, section: Section) -> bool {
    if element.kind != ElementKind::TextElement || !has_at_most_words(&element.text, TITLE_WORDS_MAX) {
        return false;
    }
    let Some(title) = section.title(form) else {
        return false;
    };
    if section.title_end(form, &element.text).is_none() || key(&element.text) != key(title) {
        return false;
    }
    let style = element.style_at(0);
    style.is_emphasized() || style.has(Style::CENTER) || style.half_points > 0 || is_capitals(&element.text)
}

/// Finds the heading that the table of contents links to for `section`, between two elements.
fn linked_heading(known: &Known<'_>, section: Section, from: usize, to: usize) -> Option<usize> {
    let (_, target) = known.linked.iter().find(|(linked, _)| *linked == section)?;
    // The anchor stands at the top of the page, the heading below the page's header.
    let near = (*target).max(from)..(target + LINK_DISTANCE_MAX).min(to);
    near.into_iter().find(|index| {
        let element = &known.elements[*index];
        let is_heading =
            element.kind == ElementKind::TextElement && has_at_most_words(&element.text, TITLE_WORDS_MAX);
        is_heading && section.title_end(known.form, &element.text).is_some()
    })
}

/// A heading stands no more elements below its anchor than this.
const LINK_DISTANCE_MAX: usize = 5;

/// Adds well-marked headings of items that stand out of the form's order: Item 1A after Item 7A, at the end of the report.
fn add_out_of_order(known: &Known<'_>, chain: &mut Vec<Candidate>) {
    let is_in_chain = |chain: &[Candidate], section: Section| {
        let rank = section.rank(known.form);
        chain.iter().any(|c| c.section.rank(known.form) <= rank && rank <= c.last.rank(known.form))
    };
    let mut added: Vec<Candidate> = Vec::new();
    for candidate in known.candidates {
        let is_heading = !candidate.is_contents
            && candidate.title_end.is_some()
            && candidate.weight >= OUT_OF_ORDER_WEIGHT_MIN;
        if is_heading && !is_in_chain(chain, candidate.section) && !is_in_chain(&added, candidate.section) {
            let mut candidate = candidate.clone();
            candidate.evidence.push("out of the order of the form");
            added.push(candidate);
        }
    }
    chain.extend(added);
    chain.sort_by_key(|candidate| candidate.element);
}

/// Label, title and a line of its own: with less, it could be a mention.
const OUT_OF_ORDER_WEIGHT_MIN: f32 = 4.0;
