//! The text of a document: its first heading, what it links to, the run ids and commits it names, and the lines
//! `**Key:** value` at its head that stand for front matter.

use std::collections::BTreeSet;

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

use crate::model::RunId;

/// As many different links are followed.
pub(super) const LINKS_MAX: usize = 1_000;
/// As many different runs and commits are taken from a text.
pub(super) const NAMES_MAX: usize = 1_000;
/// As many lines at the head are looked at for `**Key:** value`.
const HEAD_LINES: usize = 30;

/// What a text says.
#[derive(Debug, Default)]
pub(super) struct Body {
    /// Its first heading, as plain text.
    pub heading: Option<String>,
    /// Where its links lead, as written.
    pub links: BTreeSet<String>,
    /// The run ids it names.
    pub runs: BTreeSet<String>,
    /// The full SHAs it names. Shorter ones cannot be told from other words.
    pub commits: BTreeSet<String>,
    /// Whether there was more than is looked at.
    pub cut: bool,
}

/// Reads a text.
pub(super) fn read(text: &str) -> Body {
    let mut body = Body::default();
    let mut heading: Option<String> = None;
    for event in Parser::new(text) {
        match event {
            Event::Start(Tag::Heading { .. }) if body.heading.is_none() => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                if let Some(words) = heading.take().filter(|words| !words.trim().is_empty()) {
                    body.heading = Some(words.trim().to_owned());
                }
            }
            Event::Text(words) | Event::Code(words) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&words);
                }
            }
            Event::SoftBreak | Event::HardBreak => {
                if let Some(heading) = &mut heading {
                    heading.push(' ');
                }
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                if body.links.len() < LINKS_MAX {
                    body.links.insert(dest_url.into_string());
                } else {
                    body.cut = true;
                }
            }
            _ => {}
        }
    }
    find_names(text, &mut body);
    body
}

/// Finds run ids and full SHAs, each between characters that are no part of one.
fn find_names(text: &str, body: &mut Body) {
    let is_word = |b: &u8| b.is_ascii_alphanumeric();
    for word in text.as_bytes().split(|b| !is_word(b) && *b != b'_') {
        for run in runs_of(word) {
            put(&mut body.runs, run, &mut body.cut);
        }
        if word.len() == 40 && is_sha(word) {
            put(&mut body.commits, &String::from_utf8_lossy(word), &mut body.cut);
        }
    }
}

/// Returns the run ids that a word is, or begins with, as names of folders do: `20260218_142659_preprocessing_0b83409`. Of
/// `20260218_142659_2_cleaned` nobody can tell whether the number is the run id's or the name's, so both are returned.
fn runs_of(word: &[u8]) -> impl Iterator<Item = &str> {
    let word = std::str::from_utf8(word).unwrap_or_default();
    let is_label = |end: usize| {
        let label = word.get(..end).filter(|_| word.as_bytes().get(end).is_none_or(|next| *next == b'_'));
        label.filter(|label| label.parse::<RunId>().is_ok() && is_moment(label))
    };
    let second = is_label(SECOND_BYTES);
    let numbered = second.and_then(|_| {
        let rest = word.get(SECOND_BYTES + 1..)?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        (!rest.starts_with('0') && rest != "1").then(|| is_label(SECOND_BYTES + 1 + digits)).flatten()
    });
    // The whole word says it.
    let second = second.filter(|_| numbered.is_none_or(|label| label.len() < word.len()));
    second.into_iter().chain(numbered)
}

/// Bytes of `YYYYMMDD_HHMMSS`.
const SECOND_BYTES: usize = 15;

/// Returns the run ids in a short text.
pub(super) fn runs_in(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.flat_map(|word| runs_of(word.as_bytes())).map(str::to_owned).collect()
}

fn put(names: &mut BTreeSet<String>, name: &str, cut: &mut bool) {
    if names.len() < NAMES_MAX {
        names.insert(name.to_owned());
    } else {
        *cut |= !names.contains(name);
    }
}

/// Forty hexadecimal digits, not all of one sort: a row of digits or of letters is something else.
fn is_sha(word: &[u8]) -> bool {
    word.iter().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
        && word.iter().any(u8::is_ascii_digit)
        && word.iter().any(u8::is_ascii_lowercase)
}

/// Returns true where the digits of a run id are a date and a time of day.
fn is_moment(label: &str) -> bool {
    let part = |from: usize| &label[from..from + 2];
    let date = format!("{}-{}-{}", &label[..4], part(4), part(6));
    let in_time = part(9) < "24" && part(11) < "60" && part(13) <= "60";
    in_time && ("1970".."2100").contains(&&label[..4]) && super::dates::read(&date).is_some()
}

/// Reads the lines `**Key:** value` above the first section of a text: the key as written, and the value.
pub(super) fn head_lines(text: &str) -> Vec<(String, String)> {
    let lines =
        text.lines().take(HEAD_LINES).take_while(|line| !line.starts_with("## ") && line.trim_end() != "---");
    let pairs = lines.filter_map(|line| {
        let (key, value) = line
            .trim()
            .trim_start_matches(['-', '*', '>', ' '])
            .split_once(":**")
            .or_else(|| line.trim().strip_prefix("**")?.split_once("**:"))?;
        let value = value.trim();
        let right = !key.is_empty() && key.len() <= 64 && !value.is_empty();
        right.then(|| (key.trim_start_matches("**").trim().to_owned(), value.to_owned()))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_searched_for_what_it_names() {
        let text = "---\n\n# The `x` of *y*\n\nSee [a](b.md), ![i](c.png \"t\") and [r].\n\n```\n[no](code.md)\n\
                    data/processed/20260218_142659_pre_0b83409/x\n```\n\
                    20261318_142659 120260218_142659 2048284f892511c47a38808233aa1418fd8e73c1 \
                    1234567890123456789012345678901234567890\n\n[r]: d.md\n";
        let body = read(text);
        assert_eq!(body.heading.as_deref(), Some("The x of y"));
        assert_eq!(body.links.iter().collect::<Vec<_>>(), ["b.md", "c.png", "d.md"]);
        assert_eq!(body.runs.iter().collect::<Vec<_>>(), ["20260218_142659"]);
        assert_eq!(body.commits.iter().collect::<Vec<_>>(), ["2048284f892511c47a38808233aa1418fd8e73c1"]);
        assert!(!body.cut);
        let many: String = (0..LINKS_MAX + 1).map(|n| format!("[x]({n}.md) ")).collect();
        assert!(read(&many).cut);
    }

    #[test]
    fn bold_lines_at_the_head_stand_for_keys() {
        let text = "# T\n\n**Date:** 2025-12-28 14:30 UTC\n**Author**: A\n**Quick guide**\n- **Status:** Done\n---\n**X:** y\n";
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            head_lines(text),
            [pair("Date", "2025-12-28 14:30 UTC"), pair("Author", "A"), pair("Status", "Done")]
        );
    }
}
