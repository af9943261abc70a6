//! Rewriting the texts, tags and lines of a main document.

use super::Filing;
use crate::filings::tokenizer::{Token, Tokens, attributes};

/// Rewrites the text between tags where `change` gives another.
pub fn texts(filing: &Filing, change: impl Fn(&str) -> Option<String>) -> Option<String> {
    rebuild(filing, |part, token| match token {
        Token::Text { .. } => change(part),
        _ => None,
    })
}

/// Rewrites opening tags, given the name and the rest without `>`, where `change` gives another.
pub fn tags(filing: &Filing, change: impl Fn(&str, &str) -> Option<String>) -> Option<String> {
    rebuild(filing, |part, token| match token {
        Token::Open(tag) => {
            let name_end = tag.name_end - tag.start;
            let name = part[1..name_end].to_ascii_lowercase();
            change(&name, &part[name_end..part.len() - 1])
        }
        _ => None,
    })
}

pub fn rebuild(filing: &Filing, change: impl Fn(&str, Token) -> Option<String>) -> Option<String> {
    let text = filing.text.as_str();
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let (mut at, mut is_changed) = (0, false);
    for token in Tokens::new(text.as_bytes(), 0, text.len()) {
        let (start, end) = match token {
            Token::Text { start, end } => (start, end),
            Token::Open(tag) | Token::Close(tag) => (tag.start, tag.end),
            Token::Raw => continue,
        };
        if let Some(other) = change(&text[start..end], token) {
            is_changed |= other != text[start..end];
            out.push_str(&text[at..start]);
            out.push_str(&other);
            at = end;
        }
    }
    out.push_str(&text[at..]);
    is_changed.then_some(out)
}

/// Writes a tag again with those of its attributes that are wanted.
pub fn rewrite(
    name: &str,
    given: &str,
    wanted: impl Fn(&str, &str) -> bool,
    is_reversed: bool,
) -> Option<String> {
    let mut kept: Vec<String> = Vec::new();
    for (key, value) in attributes(given.as_bytes()) {
        let (key, value) = (std::str::from_utf8(key).ok()?, std::str::from_utf8(value).ok()?);
        if wanted(&key.to_ascii_lowercase(), value) {
            kept.push(format!(" {key}=\"{}\"", value.replace('"', "&quot;")));
        }
    }
    if is_reversed {
        kept.reverse();
    }
    let close = if given.trim_end().ends_with('/') { "/" } else { "" };
    Some(format!("<{name}{}{close}>", kept.concat()))
}

/// Changes a label such as "Item 1A." at the beginning of a text, and the title behind it.
pub fn relabel(text: &str, change: impl Fn(&str, &str) -> String) -> String {
    let front = text.len() - text.trim_start().len();
    let rest = &text[front..];
    let is_label = rest.get(..5).is_some_and(|word| word.eq_ignore_ascii_case("item "));
    if !is_label {
        return text.to_string();
    }
    let digits = rest[5..].bytes().take_while(u8::is_ascii_digit).count();
    let mut end = 5 + digits;
    end += usize::from(rest[end..].starts_with(['A', 'B', 'C', 'a', 'b', 'c']));
    if digits == 0 || rest[end..].starts_with(char::is_alphanumeric) || rest.len() > 400 {
        return text.to_string();
    }
    // An own separator, such as a dash, stays alone.
    let has_other =
        rest[end..].trim_start().starts_with(|c: char| !c.is_alphanumeric() && c != '.' && c != '[');
    if has_other {
        return text.to_string();
    }
    end += usize::from(rest[end..].starts_with('.'));
    format!("{}{}", &text[..front], change(&rest[..end], &rest[end..]))
}

/// Replaces `from` by `to` once in the label at the beginning of a text.
pub fn replace_label(text: &str, from: &str, to: &str) -> String {
    relabel(text, |label, title| format!("{}{title}", label.replacen(from, to, 1)))
}

pub fn lines(filing: &Filing, change: impl Fn(&str) -> Option<String>) -> Option<String> {
    let changed: Vec<String> =
        filing.text.split('\n').map(|line| change(line).unwrap_or_else(|| line.to_string())).collect();
    let text = changed.join("\n");
    (text != filing.text).then_some(text)
}

/// Sets the number and the letter of a label apart: "Item 1 A."
pub fn apart(label: &str) -> String {
    let at = label.trim_end_matches('.').len();
    if label[..at].ends_with(['A', 'B', 'C']) {
        format!("{} {}", &label[..at - 1], &label[at - 1..])
    } else {
        label.to_string()
    }
}
