//! Changes of whole headings and of what names them: tables of contents, mentions, indexes.

use super::Filing;
use super::pages::new_pages;
use crate::filings::tokenizer::{Token, Tokens, attributes};
use crate::filings::words::item_label;
use crate::filings::{ElementKind, Section};

/// Takes out the bytes of all lines of tables of contents that stand before the first item.
pub fn without_contents(filing: &Filing) -> Option<String> {
    let first = filing.parsed.sections().first()?.heading;
    let start = filing.parsed.document_span().start as usize;
    let mut text = filing.text.clone();
    let elements = filing.parsed.elements()[..first].iter().rev();
    let mut is_changed = false;
    for element in elements.filter(|element| element.kind == ElementKind::TableOfContentsElement) {
        let (from, to) = (element.span.start as usize - start, element.span.end as usize - start);
        let inside = &text[from..to];
        let tags: String = Tokens::new(inside.as_bytes(), 0, inside.len())
            .filter_map(|token| match token {
                Token::Open(tag) | Token::Close(tag) => Some(&inside[tag.start..tag.end]),
                _ => None,
            })
            .collect();
        text.replace_range(from..to, &tags);
        is_changed = true;
    }
    is_changed.then_some(text)
}

/// The heading of an item that is alone in its block: in HTML an innermost `<p>` or `<div>` outside of tables, in plain text
/// whole lines.
pub struct Heading {
    from: usize,
    to: usize,
    /// The item.
    pub section: Section,
    /// "Item 1A."
    pub label: String,
    /// "Risk Factors", empty where the heading is a label alone.
    pub title: String,
}

/// Finds the headings of items that are alone in their blocks.
pub fn headings(filing: &Filing) -> Vec<Heading> {
    let start = filing.parsed.document_span().start as usize;
    let elements = filing.parsed.elements();
    let blocks = if filing.parsed.is_html() { blocks(&filing.text) } else { Vec::new() };
    let mut headings = Vec::new();
    for located in filing.parsed.sections() {
        let index = located.heading;
        let is_alone = located.start.offset == 0 && located.start.element == index + 1;
        let element = &elements[index];
        let (first, last) = (element.span.start as usize - start, element.span.end as usize - start);
        let block = if filing.parsed.is_html() {
            blocks.iter().copied().find(|(from, to)| *from <= first && last <= *to)
        } else {
            let from = filing.text[..first].rfind('\n').map_or(0, |end| end + 1);
            let to = filing.text[last..].find('\n').map_or(filing.text.len(), |end| last + end);
            Some((from, to))
        };
        let before = index.checked_sub(1).map_or(0, |at| elements[at].span.end as usize - start);
        let after = elements.get(index + 1).map_or(usize::MAX, |next| next.span.start as usize - start);
        if let Some((from, to)) = block.filter(|(from, to)| is_alone && before <= *from && *to <= after)
            && let Some(label) = item_label(&element.text)
        {
            let text = element.text.replace('\n', " ");
            headings.push(Heading {
                from,
                to,
                section: located.identifier,
                label: text[..label.end].trim().to_string(),
                title: text[label.end..].trim().to_string(),
            });
        }
    }
    headings
}

/// Finds the innermost `<p>` and `<div>` outside of tables.
fn blocks(text: &str) -> Vec<(usize, usize)> {
    let mut blocks = Vec::new();
    let mut open: Option<usize> = None;
    let mut depth = 0usize;
    for token in Tokens::new(text.as_bytes(), 0, text.len()) {
        match token {
            Token::Open(tag) => match text[tag.name..tag.name_end].to_ascii_lowercase().as_str() {
                "table" => (depth, open) = (depth + 1, None),
                "p" | "div" => open = (depth == 0).then_some(tag.start),
                _ => {}
            },
            Token::Close(tag) => match text[tag.name..tag.name_end].to_ascii_lowercase().as_str() {
                "table" => (depth, open) = (depth.saturating_sub(1), None),
                "p" | "div" => blocks.extend(open.take().map(|start| (start, tag.end))),
                _ => {}
            },
            _ => {}
        }
    }
    blocks
}

/// Sets the headings of items anew; in HTML what a link may point to stays in front of them.
pub fn with_headings(filing: &Filing, set: impl Fn(&Heading) -> Option<String>) -> Option<String> {
    let mut text = filing.text.clone();
    for heading in headings(filing).iter().rev() {
        let Some(other) = set(heading) else { continue };
        let anchors = if filing.parsed.is_html() {
            anchors(&filing.text[heading.from..heading.to])
        } else {
            String::new()
        };
        text.replace_range(heading.from..heading.to, &(anchors + &other));
    }
    (text != filing.text).then_some(text)
}

/// The same for HTML, where `<`, `&` and `>` of label and title are written as entities.
pub fn with_html_headings(filing: &Filing, set: impl Fn(&str, &str) -> String) -> Option<String> {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    with_headings(filing, |heading| Some(set(&escape(&heading.label), &escape(&heading.title))))
}

fn anchors(block: &str) -> String {
    let mut anchors = String::new();
    for token in Tokens::new(block.as_bytes(), 0, block.len()) {
        let Token::Open(tag) = token else { continue };
        for (key, value) in attributes(&block.as_bytes()[tag.name_end..tag.end - 1]) {
            if key.eq_ignore_ascii_case(b"id") || key.eq_ignore_ascii_case(b"name") {
                anchors.push_str(&format!("<a name=\"{}\"></a>", String::from_utf8_lossy(value)));
            }
        }
    }
    anchors
}

/// Puts a table of contents before the first heading, or behind everything; `line` writes number, title and page.
pub fn with_contents(
    filing: &Filing,
    is_behind: bool,
    line: impl Fn(&str, &str, usize) -> String,
    (open, close): (&str, &str),
) -> Option<String> {
    let headings = headings(filing);
    let first = filing.parsed.sections().first()?;
    if headings.len() < CONTENTS_MIN || first.end.element < first.start.element + BODY_MIN {
        return None;
    }
    let mut contents = open.to_string();
    for (at, heading) in headings.iter().enumerate() {
        contents.push_str(&line(&heading.label, &heading.title.replace('&', "&amp;"), 3 + 7 * at));
    }
    contents.push_str(close);
    let place = if is_behind { end_of_body(filing) } else { headings[0].from };
    let mut text = filing.text.clone();
    text.insert_str(place, &contents);
    Some(text)
}

/// Fewer headings are no report that has a table of contents.
const CONTENTS_MIN: usize = 5;

/// Where the first item has fewer elements, the headings are a list themselves.
const BODY_MIN: usize = 3;

fn end_of_body(filing: &Filing) -> usize {
    filing.text.to_ascii_lowercase().rfind("</body").unwrap_or(filing.text.len())
}

/// Puts a text behind everything, as an exhibit in the same document.
pub fn with_exhibit(filing: &Filing, exhibit: &str) -> Option<String> {
    let mut text = filing.text.clone();
    text.insert_str(end_of_body(filing), exhibit);
    Some(text)
}

/// Puts a mention of Item 1A on some pages, none of them of Item 1A.
pub fn with_mentions(filing: &Filing, mention: &str) -> Option<String> {
    let risks = filing.parsed.sections().iter().find(|s| s.identifier == Section::RISK_FACTORS)?;
    let last = filing.parsed.sections().last()?;
    if risks.end.element <= risks.start.element {
        return None;
    }
    let mut text = filing.text.clone();
    for (place, index) in new_pages(filing).into_iter().rev() {
        if !(risks.heading..=risks.end.element).contains(&index) && index < last.start.element {
            text.insert_str(place, mention);
        }
    }
    (text != filing.text).then_some(text)
}
