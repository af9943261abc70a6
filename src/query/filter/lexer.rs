//! An expression to tokens.

use crate::error::Result;
use crate::query::filter::fault::{Span, fault};

/// A token.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    /// A word that begins with a letter or `_`.
    Word(String),
    /// What begins with a digit: a number, a date, a duration, a version, the front of a commit.
    Digits(String),
    /// A text in quotes, without them.
    Quoted(String),
    /// `(`, `)`, `,`, `.`, `+`, `-`, and the operators.
    Sign(&'static str),
    /// The end.
    End,
}

/// The longest expression, in bytes.
pub(crate) const LENGTH_MAX_BYTES: usize = 16 << 10;

/// The longer of two signs that begin alike comes first.
const SIGNS: [&str; 15] = ["==", "!=", "<=", ">=", "!~", "=", "<", ">", "~", "(", ")", ",", ".", "+", "-"];

/// Signs of other languages, and what they are here.
const FOREIGN: [(&str, &str); 7] = [
    ("<>", "not equal is written `!=`"),
    ("&&", "write `and`"),
    ("||", "write `or`"),
    ("!", "write `not`"),
    (";", "one expression is taken, without `;`"),
    ("%", "patterns are written as `name ~ \"train*\"`"),
    ("*", "patterns are written in quotes: `name ~ \"train*\"`"),
];

/// Splits an expression into tokens, each with its place. The last is [`Token::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<(Token, Span)>> {
    if text.len() > LENGTH_MAX_BYTES {
        return Err(fault(
            text,
            Span { start: 0, end: 0 },
            format!("the expression has {} bytes; at most {LENGTH_MAX_BYTES} are taken", text.len()),
        ));
    }
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (token, length) = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if first.is_alphabetic() || first == '_' {
            let length = length_while(rest, |c| c.is_alphanumeric() || c == '_');
            (Token::Word(rest[..length].to_owned()), length)
        } else if first.is_ascii_digit() {
            let length = digits_length(rest);
            (Token::Digits(rest[..length].to_owned()), length)
        } else if first == '"' || first == '\'' {
            quoted(text, at, first)?
        } else if let Some((sign, hint)) = FOREIGN.iter().find(|(sign, _)| is_foreign(rest, sign)) {
            let span = Span { start: at, end: at + sign.len() };
            return Err(fault(text, span, format!("`{sign}` means nothing here")).hint(*hint));
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (Token::Sign(sign), sign.len())
        } else {
            let span = Span { start: at, end: at + first.len_utf8() };
            let hint = match name_around(text, at, &tokens) {
                Some(name) => {
                    format!("such a name stands in quotes: `metric.\"{name}\"`, `param.\"{name}\"`")
                }
                None => "texts stand in quotes, as in `name = \"train\"`".to_owned(),
            };
            return Err(
                fault(text, span, format!("`{}` means nothing here", first.escape_debug())).hint(hint)
            );
        };
        tokens.push((token, Span { start: at, end: at + length }));
        at += length;
    }
    tokens.push((Token::End, Span { start: text.len(), end: text.len() }));
    Ok(tokens)
}

/// Returns the name in which a sign stands, where one goes on right before it that is no value.
fn name_around<'t>(text: &'t str, at: usize, tokens: &[(Token, Span)]) -> Option<&'t str> {
    let ((Token::Word(_), span), before) = tokens.split_last()? else { return None };
    let is_value = matches!(before.last(), Some((Token::Sign(sign), _)) if !["(", ",", "."].contains(sign));
    let length =
        length_while(&text[at..], |c| !c.is_whitespace() && !c.is_control() && !"<>=!~(),\"'".contains(c));
    (span.end == at && length > 1 && !is_value).then(|| &text[span.start..at + length])
}

fn is_foreign(rest: &str, sign: &str) -> bool {
    // `!=` and `!~` are ours.
    rest.starts_with(sign) && !(sign == "!" && (rest.starts_with("!=") || rest.starts_with("!~")))
}

fn length_while(text: &str, is_part: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is_part(c)).unwrap_or(text.len())
}

/// Returns how long what begins with a digit is: `0.8`, `1e-3`, `2025-12-01T10:00:00+02:00`, `1.2.0-rc.1`, `30m`.
fn digits_length(text: &str) -> usize {
    let mut length = length_while(text, |c| c.is_ascii_alphanumeric() || "_.-+:".contains(c));
    // What only joins is no end.
    while text[..length].ends_with(['.', '-', '+', ':']) {
        length -= 1;
    }
    length
}

/// Reads a text in quotes, with `\\`, `\"`, `\'`, `\n` and `\t` in it.
fn quoted(text: &str, start: usize, quote: char) -> Result<(Token, usize)> {
    let mut inside = String::new();
    let mut characters = text[start + 1..].char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some((_, escaped @ ('\\' | '"' | '\''))) => inside.push(escaped),
                Some((_, 'n')) => inside.push('\n'),
                Some((_, 't')) => inside.push('\t'),
                _ => {
                    let span = Span { start: start + 1 + at, end: start + 2 + at };
                    return Err(fault(text, span, "`\\` begins no escape that is known")
                        .hint("a backslash is written `\\\\`"));
                }
            },
            character if character == quote => return Ok((Token::Quoted(inside), at + 2)),
            character => inside.push(character),
        }
    }
    let span = Span { start, end: start + 1 };
    Err(fault(text, span, "a text has no end").hint(format!("it ends with {quote}, as it begins")))
}
