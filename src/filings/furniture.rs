//! Page furniture: page numbers, running headers and footers, links back to the table of contents.

use std::collections::HashMap;

use super::element::{Element, ElementKind, Style};
use super::words::{item_label, part_label};

/// Marks page furniture as supplementary text.
pub fn mark(elements: &mut [Element], page_breaks: &[u64]) {
    let near = near_page_breaks(elements, page_breaks);
    mark_page_numbers(elements, &near);
    mark_repeated(elements, &near);
    for index in 0..elements.len() {
        let is_header =
            elements[index].kind == ElementKind::TextElement && is_continued(&elements[index].text);
        if is_header && beside_break(elements, &near, index) {
            elements[index].kind = ElementKind::SupplementaryText;
        }
    }
}

/// Tells whether a line says that an item goes on from the page before: "Item 1A. Risk Factors (continued)".
fn is_continued(text: &str) -> bool {
    if text.len() > RUNNING_LEN_MAX || !text.trim_end().ends_with(')') {
        return false;
    }
    let lower = text.trim().to_ascii_lowercase();
    let is_continued =
        ["(continued)", "(cont.)", "(cont\u{2019}d)", "(cont'd)"].iter().any(|mark| lower.ends_with(mark));
    is_continued && (lower.contains("item") || lower.contains("part "))
}

/// A page of the document as it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The number printed on it.
    pub number: u32,
    /// Its first element.
    pub first: usize,
    /// One past its last element.
    pub end: usize,
}

/// Finds the pages by their printed numbers: the longest run of furniture, and of short lines at the ends of pages, whose
/// numbers go up from page to page. Such lines are furniture, too, and are marked so.
pub fn pages(elements: &mut [Element], page_breaks: &[u64]) -> Vec<Page> {
    let may_be_printed = |index: usize, element: &Element| match element.kind {
        ElementKind::SupplementaryText => true,
        ElementKind::TextElement => {
            element.text.len() <= PRINTED_LEN_MAX
                && item_label(&element.text).is_none()
                && touches_break(elements, page_breaks, index)
        }
        _ => false,
    };
    let printed: Vec<(usize, u32)> = elements
        .iter()
        .enumerate()
        .filter_map(|(index, element)| Some((index, printed_number(&element.text)?)))
        .filter(|(index, _)| may_be_printed(*index, &elements[*index]))
        .collect();
    // The longest chain that ends in each number so far: its length and its last place in `printed`.
    let mut ending: HashMap<u32, (usize, usize)> = HashMap::new();
    let mut before: Vec<Option<usize>> = vec![None; printed.len()];
    let mut best: Option<(usize, usize)> = None;
    for (at, (_, number)) in printed.iter().enumerate() {
        let nearest = (1..=PAGES_STEP_MAX).filter_map(|step| ending.get(&number.checked_sub(step)?)).max();
        let length = nearest.map_or(1, |(length, last)| {
            before[at] = Some(*last);
            length + 1
        });
        if ending.get(number).is_none_or(|known| length > known.0) {
            ending.insert(*number, (length, at));
        }
        if best.is_none_or(|best| length > best.0) {
            best = Some((length, at));
        }
    }
    let mut chain = Vec::new();
    let mut next = best.map(|(_, at)| at);
    while let Some(at) = next {
        chain.push(printed[at]);
        next = before[at];
    }
    chain.reverse();
    if chain.len() >= PAGES_MIN {
        for (index, _) in &chain {
            elements[*index].kind = ElementKind::SupplementaryText;
        }
    }
    let is_footer = stands_at_end(elements, page_breaks, &chain);
    let mut pages = Vec::with_capacity(chain.len());
    for (at, (index, number)) in chain.iter().enumerate() {
        let (first, end) = if is_footer {
            // What stands before the first numbered page, such as a cover, is no part of it.
            let after_break = || {
                let number_at = elements[*index].span.start;
                let breaks = page_breaks.partition_point(|at| *at < number_at);
                let last = breaks.checked_sub(1).map_or(0, |last| page_breaks[last]);
                elements.partition_point(|element| element.span.start < last)
            };
            (at.checked_sub(1).map_or_else(after_break, |before| chain[before].0 + 1), index + 1)
        } else {
            (*index, chain.get(at + 1).map_or(elements.len(), |next| next.0))
        };
        pages.push(Page { number: *number, first, end });
    }
    pages
}

/// From one page with a number to the next go no more pages.
const PAGES_STEP_MAX: u32 = 4;
/// Fewer numbers in a row are no page numbers.
const PAGES_MIN: usize = 8;
/// A running header or footer with the page's number is no longer than this.
const PRINTED_LEN_MAX: usize = 80;

/// Tells whether a page ends just before or just behind an element.
fn touches_break(elements: &[Element], page_breaks: &[u64], index: usize) -> bool {
    let from = index.checked_sub(1).map_or(0, |before| elements[before].span.end);
    let to = elements.get(index + 1).map_or(u64::MAX, |next| next.span.start);
    page_breaks.get(page_breaks.partition_point(|at| *at < from)).is_some_and(|at| *at <= to)
}

/// Tells whether the numbers stand at the ends of pages: most have the page's end behind them and not before them.
fn stands_at_end(elements: &[Element], page_breaks: &[u64], chain: &[(usize, u32)]) -> bool {
    let has_break = |from: u64, to: u64| {
        page_breaks.get(page_breaks.partition_point(|at| *at < from)).is_some_and(|at| *at <= to)
    };
    let (mut footers, mut headers) = (0, 0);
    for (index, _) in chain {
        let span = elements[*index].span;
        let next = elements.get(index + 1).map_or(u64::MAX, |next| next.span.start);
        let last = index.checked_sub(1).map_or(0, |last| elements[last].span.end);
        footers += usize::from(has_break(span.end, next));
        headers += usize::from(has_break(last, span.start));
    }
    footers >= headers
}

/// Reads the number at the end of a running header or footer: "12", "2023 FORM 10-K 12", "Supplemental Details | 114".
fn printed_number(text: &str) -> Option<u32> {
    // Quick refusal of almost every text.
    if text.as_bytes().last().is_some_and(u8::is_ascii_alphabetic) {
        return None;
    }
    let word = text.split_whitespace().next_back()?;
    let word = word.trim_matches(|c: char| matches!(c, '-' | '–' | '|' | '.' | '[' | ']' | '(' | ')'));
    (!word.is_empty() && word.len() <= 3).then(|| word.parse().ok()).flatten()
}

/// Tells for each element whether a page ends just before or after it: no more than two short elements lie between.
fn near_page_breaks(elements: &[Element], page_breaks: &[u64]) -> Vec<bool> {
    let mut near = vec![false; elements.len()];
    for at in page_breaks {
        let next = elements.partition_point(|element| element.span.start < *at);
        let end = (next + NEAR).min(elements.len());
        near[next.saturating_sub(NEAR)..end].fill(true);
    }
    near
}

/// Running headers and footers are at most this many elements from the page's end.
const NEAR: usize = 3;

/// Reads a page number: "12", "- 12 -", "Page 12", "F-3", "iv", "12 of 90"; gives its prefix and value.
fn page_number(text: &str) -> Option<(String, u32)> {
    if text.len() > 20 {
        return None;
    }
    let text = text.trim_matches(|c: char| {
        c.is_whitespace() || matches!(c, '-' | '–' | '—' | '[' | ']' | '(' | ')' | '|' | '.')
    });
    let lower = text.to_ascii_lowercase();
    let lower = lower.strip_prefix("page").unwrap_or(&lower).trim();
    let lower = lower.split_once(" of ").map_or(lower, |(first, _)| first.trim());
    if lower.is_empty() || lower.len() > 7 {
        return None;
    }
    if lower.bytes().all(|byte| matches!(byte, b'i' | b'v' | b'x' | b'l')) {
        return Some(("roman".to_string(), roman(lower)));
    }
    let digits = lower.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (prefix, number) = lower.split_at(lower.len() - digits);
    let is_prefix = prefix.len() <= 3 && prefix.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    if digits == 0 || digits > 4 || !is_prefix {
        return None;
    }
    Some((prefix.to_string(), number.parse().ok()?))
}

fn roman(text: &str) -> u32 {
    let value = |byte: u8| match byte {
        b'i' => 1,
        b'v' => 5,
        b'x' => 10,
        _ => 50,
    };
    let bytes = text.as_bytes();
    let mut total = 0i32;
    for (at, byte) in bytes.iter().enumerate() {
        let worth = value(*byte);
        let is_less = bytes.get(at + 1).is_some_and(|next| value(*next) > worth);
        total += if is_less { -worth } else { worth };
    }
    total.max(0) as u32
}

fn mark_page_numbers(elements: &mut [Element], near: &[bool]) {
    let numbers: Vec<(usize, String, u32)> = elements
        .iter()
        .enumerate()
        .filter(|(_, element)| element.kind == ElementKind::TextElement)
        .filter_map(|(index, element)| {
            page_number(&element.text).map(|(prefix, value)| (index, prefix, value))
        })
        .collect();
    for (at, (index, prefix, value)) in numbers.iter().enumerate() {
        let follows = |other: Option<&(usize, String, u32)>, low: u32, high: u32| {
            other.is_some_and(|(_, p, v)| p == prefix && (low..=high).contains(v))
        };
        let before = at.checked_sub(1).and_then(|before| numbers.get(before));
        let is_in_sequence = follows(before, value.saturating_sub(2), value.saturating_sub(1))
            || follows(numbers.get(at + 1), value + 1, value + 2);
        if near[*index] || is_in_sequence {
            elements[*index].kind = ElementKind::SupplementaryText;
        }
    }
}

/// Digest of the letters of a short text, without digits and case: what a running header shares from page to page.
fn running_key(text: &str) -> Option<u64> {
    if text.len() > RUNNING_LEN_MAX {
        return None;
    }
    // The letters, as UTF-8; what stands behind them counts for nothing.
    let mut letters = [0; RUNNING_LEN_MAX + 4];
    let (mut count, mut end) = (0, 0);
    if text.is_ascii() {
        for byte in text.bytes() {
            letters[end] = byte.to_ascii_lowercase();
            end += usize::from(byte.is_ascii_alphabetic());
        }
        count = end;
    } else {
        for letter in text.chars().filter(|letter| letter.is_alphabetic()) {
            count += 1;
            end += letter.to_ascii_lowercase().encode_utf8(&mut letters[end..]).len();
        }
    }
    letters[end..].fill(0);
    (count >= 3).then(|| digest_of(&letters[..end.next_multiple_of(8)]))
}

/// Digests letters eight at a time, in the way of FNV-1a: quick for short texts, and the same on every machine.
fn digest_of(letters: &[u8]) -> u64 {
    let eights = letters.as_chunks::<8>().0.iter().map(|eight| u64::from_le_bytes(*eight));
    eights.fold(0xcbf2_9ce4_8422_2325, |digest: u64, eight| {
        let mixed = (digest ^ eight).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ mixed >> 32
    })
}

/// A running header is no longer than this.
const RUNNING_LEN_MAX: usize = 120;

fn mark_repeated(elements: &mut [Element], near: &[bool]) {
    let texts = elements.iter().enumerate().filter(|(_, element)| element.kind == ElementKind::TextElement);
    let mut seen: Vec<(u64, usize)> =
        texts.filter_map(|(index, element)| Some((running_key(&element.text)?, index))).collect();
    seen.sort_unstable();
    let back_links = ["Table of Contents", "Back to Table of Contents", "Index"].map(running_key);
    // In the order of the document: what is marked first decides what stands beside furniture.
    let mut repeated: Vec<&[(u64, usize)]> =
        seen.chunk_by(|one, other| one.0 == other.0).filter(|same| same.len() > 1).collect();
    repeated.sort_unstable_by_key(|same| same[0].1);
    for same in repeated {
        let key = same[0].0;
        let places: Vec<usize> = same.iter().map(|(_, index)| *index).collect();
        let is_back_link = back_links.contains(&Some(key));
        let at_break = places.iter().filter(|index| beside_break(elements, near, **index)).count();
        let has_number =
            places.iter().filter(|index| ends_in_number(&elements[**index].text)).count() * 2 > places.len();
        let is_heading = item_label(&elements[places[0]].text).is_some()
            || part_label(&elements[places[0]].text).is_some();
        let is_running = places.len() >= REPEATED_MIN
            && (at_break * 10 >= places.len() * 7 || (has_number && is_spread(&places)));
        if is_heading
            || is_answer(&elements[places[0]].text)
            || !(is_running || (is_back_link && places.len() > 1))
        {
            continue;
        }
        for index in places {
            let is_linked = elements[index].common_flags() & Style::LINK != 0;
            if is_running || is_linked || beside_break(elements, near, index) {
                elements[index].kind = ElementKind::SupplementaryText;
            }
        }
    }
}

/// Tells whether a text is all that an item has to say: it may stand anywhere, any number of times.
pub fn is_answer(text: &str) -> bool {
    let text = text.trim().trim_end_matches('.').to_ascii_lowercase();
    matches!(
        text.as_str(),
        "none" | "not applicable" | "not required" | "omitted" | "n/a" | "reserved" | "[reserved]"
    )
}

/// A text on fewer pages than this may be a heading used again.
const REPEATED_MIN: usize = 5;

fn ends_in_number(text: &str) -> bool {
    text.trim_end().ends_with(|c: char| c.is_ascii_digit())
}

/// Tells whether the places are apart, as on different pages, and not lines of one table.
fn is_spread(places: &[usize]) -> bool {
    let close = places.windows(2).filter(|pair| pair[1] - pair[0] < 3).count();
    close * 4 < places.len()
}

fn beside_break(elements: &[Element], near: &[bool], index: usize) -> bool {
    let is_number =
        |at: usize| elements.get(at).is_some_and(|element| element.kind == ElementKind::SupplementaryText);
    near[index] || is_number(index + 1) || (index > 0 && is_number(index - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_numbers_are_told_from_other_numbers() {
        for text in ["12", "- 12 -", "Page 12", "12.", "[12]", "12 of 90"] {
            assert_eq!(page_number(text), Some((String::new(), 12)), "{text}");
        }
        assert_eq!(page_number("F-3"), Some(("f-".to_string(), 3)));
        assert_eq!(page_number("xiv"), Some(("roman".to_string(), 14)));
        for text in ["", "12345", "Part 12 of the report and more", "$12", "1,234", "12%", "mild"] {
            assert_eq!(page_number(text), None, "{text}");
        }
    }
}
