//! Texts that have words: scripts, and what is written for people.

use super::names::is_secret;
use super::pairs::masked_pairs;
use super::{DEPTH_MAX, MASK, Words};

/// Masks what looks like a credential in a text for people, which may quote a command: also `password: abc`, of two words.
pub fn masked_prose(text: &str) -> String {
    let pairs = masked_pairs(text);
    let mut rest = pairs.as_deref().unwrap_or(text);
    let mut masked = String::with_capacity(rest.len());
    let mut reading = Words::default();
    let (mut before, mut name) = ("", None);
    while !rest.is_empty() {
        let gap = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
        masked.push_str(&rest[..gap]);
        let (word, after) = rest[gap..].split_at(end_of_said(&rest[gap..]));
        rest = after;
        let is_value =
            |_, inner: &str| name.is_some_and(|name| is_secret(name, inner)) && !inner.contains(MASK);
        push_masked(&mut masked, word, &mut reading, 0, is_value);
        name = match word {
            ":" | "=" => Some(before),
            _ => word.strip_suffix([':', '=']),
        };
        before = word;
    }
    masked
}

/// Returns where the word at the front of a text for people ends: a quotation is one, and an apostrophe begins none.
fn end_of_said(text: &str) -> usize {
    let until_gap = |from: usize| text[from..].find(char::is_whitespace).map_or(text.len(), |end| from + end);
    let plain = until_gap(0);
    let mut quotes = text[..plain].char_indices().filter(|(_, c)| matches!(c, '\'' | '"'));
    let open = quotes.find(|(at, _)| *at == 0 || text[..*at].ends_with(['=', ':']));
    let closed = open.and_then(|(at, quote)| Some(at + 1 + text[at + 1..].find(quote)? + 1));
    closed.map_or(plain, until_gap)
}

/// Masks the words of a script, and changes nothing between them.
pub(super) fn masked_script(script: &str, depth: u32) -> String {
    let mut masked = String::with_capacity(script.len());
    let mut reading = Words::default();
    // The words before: `password = "abc"` is said in three.
    let (mut before, mut name) = ("", None);
    let mut rest = script;
    while !rest.is_empty() {
        let gap = rest.find(|c: char| !is_between_words(c)).unwrap_or(rest.len());
        if rest[..gap].contains([';', '|', '&', '\n', '(', ')']) {
            // Another command: nothing that was said before is about it.
            (reading, before, name) = (Words::default(), "", None);
        }
        masked.push_str(&rest[..gap]);
        let word = &rest[gap..];
        let (word, after) = word.split_at(end_of_word(word));
        rest = after;
        // What stands without quotes may be another name.
        let is_value = |is_quoted, inner: &str| is_quoted && name.is_some_and(|name| is_secret(name, inner));
        push_masked(&mut masked, word, &mut reading, depth, is_value);
        name = if word == "=" { Some(before) } else { None };
        before = word;
    }
    masked
}

/// Adds a word of a text as it may be shown, in its quotes: nothing of it where `is_value` says so of whether it was quoted and of
/// what was in the quotes. What is in quotes may be a script, so deep in others.
fn push_masked(
    masked: &mut String,
    word: &str,
    reading: &mut Words,
    depth: u32,
    is_value: impl Fn(bool, &str) -> bool,
) {
    let (quote, inner) = match unquoted(word) {
        Some((quote, inner)) => (Some(quote), inner),
        None => (None, word),
    };
    // It is read in any case, for what it says of the next one.
    let shown = reading.masked(inner, if quote.is_some() { depth } else { DEPTH_MAX });
    masked.extend(quote);
    masked.push_str(if is_value(quote.is_some(), inner) { MASK } else { &shown });
    masked.extend(quote);
}

fn is_between_words(c: char) -> bool {
    c.is_whitespace() || matches!(c, ';' | '|' | '&' | '(' | ')' | '<' | '>')
}

/// Returns where the word at the front of `text` ends: what is in quotes belongs to it.
fn end_of_word(text: &str) -> usize {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match quote {
            _ if std::mem::take(&mut escaped) => {}
            _ if c == '\\' && quote != Some('\'') => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '\'' | '"') => quote = Some(c),
            None if is_between_words(c) => return at,
            None => {}
        }
    }
    text.len()
}

/// Takes the quotes off a word that is in quotes altogether.
fn unquoted(word: &str) -> Option<(char, &str)> {
    let quote = word.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let inner = word.strip_prefix(quote)?.strip_suffix(quote)?;
    (!inner.contains(quote)).then_some((quote, inner))
}
