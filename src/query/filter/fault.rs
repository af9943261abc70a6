//! What is wrong with an expression, and where: the message, the expression, and a mark below the place.

use crate::error::Error;
use crate::model::is_unsafe_to_print;

/// A part of an expression, as byte offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Where it begins.
    pub start: usize,
    /// Where it ends, exclusive.
    pub end: usize,
}

impl Span {
    /// Returns the part from the beginning of this to the end of `other`.
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start, end: other.end }
    }
}

/// Where something stands that was read, of several expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The number of the expression.
    pub text: usize,
    pub span: Span,
}

impl Place {
    /// Returns what stands there.
    pub(crate) fn words(self, texts: &[String]) -> &str {
        &texts[self.text][self.span.start..self.span.end]
    }

    /// Makes the error for what is wrong there.
    pub(crate) fn fault(self, texts: &[String], message: impl Into<String>) -> Error {
        fault(&texts[self.text], self.span, message)
    }
}

/// As many characters of an expression stand before and behind the place.
const SHOWN_BEFORE: usize = 30;
const SHOWN_AFTER: usize = 40;
/// As many marks are drawn at most.
const MARKS_MAX: usize = 40;

/// Makes the error for what is wrong at `span` of `text`.
pub(crate) fn fault(text: &str, span: Span, message: impl Into<String>) -> Error {
    Error::request(format!("{}\n{}", message.into(), shown(text, span)))
}

/// Writes the expression around a place on one line, and marks below the place.
fn shown(text: &str, span: Span) -> String {
    let start = floor(text, span.start);
    let end = floor(text, span.end.max(start));
    let before: Vec<char> = text[..start].chars().rev().take(SHOWN_BEFORE + 1).collect();
    let cut_before = before.len() > SHOWN_BEFORE;
    let before: String =
        before.into_iter().take(SHOWN_BEFORE).collect::<Vec<_>>().into_iter().rev().collect();
    let inside: String = text[start..end].chars().take(MARKS_MAX).collect();
    let behind = &text[start + inside.len()..];
    let after: String = behind.chars().take(SHOWN_AFTER).collect();
    let cut_after = after.len() < behind.len();
    let front = format!("{}{}", if cut_before { "…" } else { "" }, plain(&before));
    let indent = " ".repeat(front.chars().count());
    let marks = "^".repeat(plain(&inside).chars().count().max(1));
    format!(
        "  {front}{}{}{}\n  {indent}{marks}",
        plain(&inside),
        plain(&after),
        if cut_after { "…" } else { "" }
    )
}

/// Replaces what would change what a terminal shows, one for one, so that the marks stand where they should.
fn plain(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\n' | '\t' | '\r' => ' ',
            character if is_unsafe_to_print(character) => '\u{fffd}',
            character => character,
        })
        .collect()
}

/// Returns the nearest border of a character at or below `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Returns what of `known` was most likely meant by `word`.
pub(crate) fn meant<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: String = word.chars().take(64).collect::<String>().to_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for name in known {
        let likeness = if !word.is_empty() && name.to_lowercase().starts_with(&word) {
            // What was begun and not finished is likelier than what was mistyped.
            0.9 + 0.1 / name.len() as f64
        } else {
            let name = name.to_lowercase();
            // Of short words, one letter more or less makes them look more different than they are.
            let is_near = word.len() > 1 && strsim::osa_distance(&word, &name) == 1;
            strsim::jaro_winkler(&word, &name).max(if is_near { 0.8 } else { 0.0 })
        };
        if likeness > 0.75 && best.is_none_or(|(best, _)| likeness > best) {
            best = Some((likeness, name));
        }
    }
    best.map(|(_, name)| name)
}
