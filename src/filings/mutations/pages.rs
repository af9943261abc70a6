//! Changes of pages: running headers, page numbers.

use super::Filing;
use crate::filings::tokenizer::{Token, Tokens};
use crate::filings::{ElementKind, Located};

/// Where blocks of the main document begin, outside of tables, about every forty elements: places for a new page.
pub fn new_pages(filing: &Filing) -> Vec<(usize, usize)> {
    let start = filing.parsed.document_span().start as usize;
    let elements = filing.parsed.elements();
    let bytes = filing.text.as_bytes();
    let mut places = Vec::new();
    let mut last = 0;
    for (index, element) in elements.iter().enumerate().skip(30) {
        let at = element.span.start as usize - start;
        let is_paragraph =
            |window: &str| ["<p", "<div", "<P", "<DIV"].iter().any(|tag| window.starts_with(tag));
        // Before the block's own tag, and only where nothing but that tag stands between.
        let from = at.saturating_sub(400);
        let tag = (from..at).rev().find(|at| {
            bytes[*at] == b'<' && filing.text.is_char_boundary(*at) && is_paragraph(&filing.text[*at..])
        });
        let place =
            if filing.parsed.is_html() { tag } else { filing.text[..at].rfind('\n').map(|end| end + 1) };
        let is_clear = |place: usize| {
            !filing.parsed.is_html()
                || Tokens::new(bytes, place, at)
                    .all(|token| !matches!(token, Token::Close(_) | Token::Text { .. }))
        };
        if index >= last + 40
            && let Some(place) = place.filter(|place| is_clear(*place))
            && element.kind == ElementKind::TextElement
            && !in_table(filing, place)
        {
            places.push((place, index));
            last = index;
        }
    }
    places
}

pub fn in_table(filing: &Filing, at: usize) -> bool {
    let before =
        filing.text[filing.text.floor_char_boundary(at.saturating_sub(200_000))..at].to_ascii_lowercase();
    before.rfind("<table") > before.rfind("</table")
}

pub fn running(filing: &Filing, open: &str, close: &str, page: &str) -> Option<String> {
    let mut text = filing.text.clone();
    let places = new_pages(filing);
    for (number, (place, _)) in places.iter().enumerate().rev() {
        text.insert_str(*place, &format!("{open} {}{close}{page}", number + 2));
    }
    (!places.is_empty()).then_some(text)
}

/// Puts the heading of the item that a page belongs to on top of it.
pub fn item_headers(filing: &Filing, open: &str, close: &str, page: &str) -> Option<String> {
    headers(filing, (open, close), page, |section| section.title.chars().take(90).collect())
}

/// Puts the heading of the item that a page belongs to on top of it, and says that it is continued.
pub fn continued_headers(filing: &Filing, open: &str, close: &str, page: &str) -> Option<String> {
    headers(filing, (open, close), page, |section| {
        format!("{} (continued)", section.title.chars().take(90).collect::<String>())
    })
}

/// Puts part and number of the item that a page belongs to on top of it.
pub fn label_headers(filing: &Filing, open: &str, close: &str, page: &str) -> Option<String> {
    headers(filing, (open, close), page, |section| {
        let part = ["I", "II", "III", "IV"][usize::from(section.identifier.part()) - 1];
        let label = section.identifier.label();
        format!("Part {part}, Item {}", label.rsplit('-').next().unwrap_or(&label))
    })
}

fn headers(
    filing: &Filing,
    (open, close): (&str, &str),
    page: &str,
    header: impl Fn(&Located) -> String,
) -> Option<String> {
    let mut text = filing.text.clone();
    let places = new_pages(filing);
    let sections = filing.parsed.sections();
    for (number, (place, index)) in places.iter().enumerate().rev() {
        let inside = sections.iter().find(|s| s.start.element < *index && *index < s.end.element);
        let Some(section) = inside else { continue };
        let (number_open, number_close) =
            if filing.parsed.is_html() { ("<p>", "</p>") } else { ("\n", "\n") };
        text.insert_str(
            *place,
            &format!(
                "{number_open}{}{number_close}{page}{open}{}{close}",
                number + 2,
                header(section).replace('&', "&amp;")
            ),
        );
    }
    (text != filing.text).then_some(text)
}

/// Takes out the text of all elements that are a page number alone.
pub fn without_page_numbers(filing: &Filing) -> Option<String> {
    let start = filing.parsed.document_span().start as usize;
    let mut text = filing.text.clone();
    let mut is_changed = false;
    for element in filing.parsed.elements().iter().rev() {
        let is_number = element.kind == ElementKind::SupplementaryText
            && element.text.bytes().all(|byte| byte.is_ascii_digit());
        if is_number {
            text.replace_range(element.span.start as usize - start..element.span.end as usize - start, " ");
            is_changed = true;
        }
    }
    is_changed.then_some(text)
}
