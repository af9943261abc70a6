//! Tokens of HTML as the HTML standard cuts them, found by `memchr`, without a tree and without copying.

use memchr::{memchr, memchr3, memmem};

/// One token; all positions are offsets into the bytes given to [`Tokens::new`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// Text in which entities are to be resolved.
    Text {
        /// First byte.
        start: usize,
        /// One past the last byte.
        end: usize,
    },
    /// Text of `<script>` or `<style>`, never shown.
    Raw,
    /// `<name …>`.
    Open(Tag),
    /// `</name …>`.
    Close(Tag),
}

/// A tag: its name and where its attributes lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    /// Offset of `<`.
    pub start: usize,
    /// One past `>`.
    pub end: usize,
    /// Offset of the first letter of the name.
    pub name: usize,
    /// One past the last letter of the name; the attributes lie from here to `end`.
    pub name_end: usize,
}

/// Iterates over the tokens of `bytes` between two offsets.
///
/// Comments, declarations and processing instructions are passed over. A tag that the end of the bytes cuts off is dropped,
/// as the HTML standard has it. One state of the standard is left out: a `<script>` inside of a comment inside of a script.
pub struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
    /// Name of the element whose text is not parsed for tags (`script`, `style`, `title`, `textarea`).
    raw: Option<(&'static [u8], bool)>,
}

/// Elements whose content holds no tags; the flag says whether entities are resolved in it.
const RAW_ELEMENTS: [(&[u8], bool); 4] =
    [(b"script", false), (b"style", false), (b"title", true), (b"textarea", true)];

impl<'a> Tokens<'a> {
    /// Begins at `start`; tokens end before `end`, which is cut to the length of `bytes`.
    pub fn new(bytes: &'a [u8], start: usize, end: usize) -> Self {
        let end = end.min(bytes.len());
        Tokens { bytes: &bytes[..end], at: start.min(end), end, raw: None }
    }

    /// Gives the text up to the closing tag of an element that holds no tags; `None` where it is empty.
    fn raw_text(&mut self, name: &'static [u8], entities: bool) -> Option<Token> {
        let start = self.at;
        let mut from = start;
        let stop = loop {
            let Some(found) = memmem::find(&self.bytes[from..], b"</") else {
                break self.end;
            };
            let at = from + found;
            let after = at + 2 + name.len();
            let closes = self.bytes.get(at + 2..after).is_some_and(|tag| tag.eq_ignore_ascii_case(name))
                && self
                    .bytes
                    .get(after)
                    .is_none_or(|byte| matches!(byte, b'>' | b'/' | b' ' | b'\t' | b'\n' | b'\r' | 0x0c));
            if closes {
                break at;
            }
            from = at + 2;
        };
        self.at = stop;
        if stop == start {
            return None;
        }
        Some(if entities { Token::Text { start, end: stop } } else { Token::Raw })
    }

    /// Reads a tag whose name begins at `name`.
    fn tag(&mut self, start: usize, name: usize) -> Option<Tag> {
        let mut name_end = name;
        while let Some(byte) = self.bytes.get(name_end) {
            if matches!(byte, b'>' | b'/' | b' ' | b'\t' | b'\n' | b'\r' | 0x0c) {
                break;
            }
            name_end += 1;
        }
        let mut at = name_end;
        loop {
            // Most tags end right behind their name or a value: no search is worth its beginning there.
            let found = match self.bytes.get(at)? {
                b'>' => 0,
                _ => memchr3(b'>', b'"', b'\'', &self.bytes[at..])?,
            };
            let position = at + found;
            let byte = self.bytes[position];
            if byte == b'>' {
                self.at = position + 1;
                return Some(Tag { start, end: position + 1, name, name_end });
            }
            // A quote begins a value only after an equals sign; elsewhere it is a letter like any other.
            let before = self.bytes[name_end..position].iter().rev().find(|b| !b.is_ascii_whitespace());
            at = position + 1;
            if before == Some(&b'=') {
                match memchr(byte, self.bytes.get(at..)?) {
                    Some(close) => at += close + 1,
                    // A value that is never closed would swallow the rest of the document: the tag ends at the next ">".
                    None => {
                        let end = at + memchr(b'>', &self.bytes[at..])? + 1;
                        self.at = end;
                        return Some(Tag { start, end, name, name_end });
                    }
                }
            }
        }
    }

    /// Passes over a comment, declaration or processing instruction that begins at `start`.
    fn skip_markup(&mut self, start: usize) {
        let rest = &self.bytes[start..];
        self.at = if rest.starts_with(b"<!--") {
            let body = &rest[4..];
            if body.starts_with(b">") {
                start + 5
            } else if body.starts_with(b"->") {
                start + 6
            } else {
                comment_end(self.bytes, start + 4)
            }
        } else {
            memchr(b'>', rest).map_or(self.end, |found| start + found + 1)
        };
    }
}

/// Finds the end of a comment whose text begins at `from`: after `-->` or `--!>`, else the end of the bytes.
fn comment_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(found) = memmem::find(&bytes[at..], b"--") {
        let dashes = at + found;
        let rest = &bytes[dashes + 2..];
        if rest.starts_with(b">") {
            return dashes + 3;
        }
        if rest.starts_with(b"!>") {
            return dashes + 4;
        }
        at = dashes + 1;
    }
    bytes.len()
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        if let Some((name, entities)) = self.raw.take()
            && let Some(token) = self.raw_text(name, entities)
        {
            return Some(token);
        }
        let mut start = self.at;
        let mut from = start;
        while from < self.end {
            let less = match self.bytes[from] {
                b'<' => from,
                _ => memchr(b'<', &self.bytes[from..]).map_or(self.end, |found| from + found),
            };
            let next = self.bytes.get(less + 1).copied().unwrap_or(0);
            let after = self.bytes.get(less + 2).copied().unwrap_or(0);
            let is_markup = next.is_ascii_alphabetic()
                || next == b'!'
                || next == b'?'
                || (next == b'/' && less + 2 < self.end);
            if less < self.end && !is_markup {
                // A lone "<" is text.
                from = less + 1;
                continue;
            }
            if less > start {
                self.at = less;
                return Some(Token::Text { start, end: less });
            }
            if less >= self.end {
                break;
            }
            if next.is_ascii_alphabetic() {
                let Some(tag) = self.tag(less, less + 1) else {
                    break;
                };
                let name = &self.bytes[tag.name..tag.name_end];
                self.raw = RAW_ELEMENTS.into_iter().find(|(raw, _)| name.eq_ignore_ascii_case(raw));
                return Some(Token::Open(tag));
            }
            if next == b'/' && after.is_ascii_alphabetic() {
                let Some(tag) = self.tag(less, less + 2) else {
                    break;
                };
                return Some(Token::Close(tag));
            }
            self.skip_markup(less);
            start = self.at;
            from = start;
        }
        let end = self.end;
        self.at = end;
        (start < end && from > start).then_some(Token::Text { start, end })
    }
}

/// Iterates over `(name, value)` of the attributes in the bytes between a tag's name and its `>`; values as they stand.
pub fn attributes(tag: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let is_space = |byte: u8| byte.is_ascii_whitespace() || byte == b'/';
        while tag.get(at).is_some_and(|byte| is_space(*byte)) {
            at += 1;
        }
        let start = at;
        while tag.get(at).is_some_and(|byte| !is_space(*byte) && !matches!(byte, b'=' | b'>')) {
            at += 1;
        }
        let name = &tag[start..at];
        while tag.get(at).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
        }
        if tag.get(at) != Some(&b'=') {
            if name.is_empty() {
                return None;
            }
            return Some((name, &tag[at..at]));
        }
        at += 1;
        while tag.get(at).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
        }
        let value = match tag.get(at) {
            Some(&quote @ (b'"' | b'\'')) => {
                let from = at + 1;
                let end = memchr(quote, &tag[from..]).map_or(tag.len(), |found| from + found);
                at = (end + 1).min(tag.len());
                &tag[from..end]
            }
            _ => {
                let from = at;
                while tag.get(at).is_some_and(|byte| !byte.is_ascii_whitespace() && *byte != b'>') {
                    at += 1;
                }
                &tag[from..at]
            }
        };
        Some((name, value))
    })
}

#[cfg(test)]
mod tests {

    use html5gum::emitters::default::DefaultEmitter;
    use proptest::prelude::*;

    use super::*;
    use crate::filings::encoding::{Source, TextBuffer};

    /// What is compared: tags by name, and the text between them without white space.
    #[derive(Default)]
    struct Outline {
        lines: Vec<String>,
        text: String,
        is_hidden: bool,
    }

    impl Outline {
        fn tag(&mut self, line: String) {
            self.is_hidden = line == "<script" || line == "<style";
            self.end();
            self.lines.push(line);
        }

        fn end(&mut self) {
            let text: String =
                self.text.drain(..).filter(|c| !c.is_whitespace() && !c.is_control()).collect();
            if !text.is_empty() {
                self.lines.push(text);
            }
        }

        fn finish(mut self) -> Vec<String> {
            self.end();
            self.lines
        }
    }

    fn ours(html: &str) -> Vec<String> {
        let source = Source::new(html.as_bytes(), 0, html.len());
        let mut outline = Outline::default();
        let mut buffer = TextBuffer::default();
        for token in Tokens::new(html.as_bytes(), 0, html.len()) {
            match token {
                Token::Raw => {}
                Token::Text { start, end } => {
                    buffer.clear();
                    buffer.push(&source, start, end, true);
                    outline.text.push_str(&buffer.text);
                }
                Token::Open(tag) => {
                    outline.tag(format!("<{}", html[tag.name..tag.name_end].to_ascii_lowercase()))
                }
                Token::Close(tag) => {
                    outline.tag(format!("</{}", html[tag.name..tag.name_end].to_ascii_lowercase()))
                }
            }
        }
        outline.finish()
    }

    fn oracle(html: &str) -> Vec<String> {
        let mut emitter = DefaultEmitter::default();
        emitter.naively_switch_states(true);
        let mut outline = Outline::default();
        for token in html5gum::Tokenizer::new_with_emitter(html, emitter) {
            match token.unwrap() {
                html5gum::Token::StartTag(tag) => {
                    outline.tag(format!("<{}", String::from_utf8_lossy(&tag.name)))
                }
                html5gum::Token::EndTag(tag) => {
                    outline.tag(format!("</{}", String::from_utf8_lossy(&tag.name)))
                }
                html5gum::Token::String(text) if !outline.is_hidden => {
                    outline.text.push_str(&String::from_utf8_lossy(&text))
                }
                _ => {}
            }
        }
        outline.finish()
    }

    fn check(html: &str) {
        assert_eq!(ours(html), oracle(html), "{html:?}");
    }

    #[test]
    fn every_filing_is_cut_as_the_oracle_cuts_it() {
        let folder = crate::machine::data("filings");
        let Ok(entries) = std::fs::read_dir(&folder) else {
            crate::machine::skipped(
                crate::machine::Lack::Data,
                format!("no filings in {}", folder.display()),
            );
            return;
        };
        for entry in entries.map_while(Result::ok) {
            let path = entry.path();
            if path.extension().is_none_or(|extension| extension != "htm") {
                continue;
            }
            let html = String::from_utf8(std::fs::read(&path).unwrap()).unwrap();
            let (ours, oracle) = (ours(&html), oracle(&html));
            let differs = ours.iter().zip(&oracle).position(|(one, other)| one != other);
            assert_eq!(differs.map(|at| (&ours[at], &oracle[at])), None, "{}", path.display());
            assert_eq!(ours.len(), oracle.len(), "{}", path.display());
        }
    }

    #[test]
    fn odd_markup_is_cut_as_the_oracle_cuts_it() {
        check("a < b <c> d");
        check("<p title=\"a > b\">x</p>");
        check("<p title='a \" > b'>x");
        check("<p a=b\"c>x");
        check("<!-- <p> --> a <!--> b --> <!---> c <!-- d --!> e <!-- f");
        check("<?xml version='1.0'?><!DOCTYPE html>x</>y</ z>w");
        check("<script>if (a<b) '<p>'</script>x<style>p { }</STYLE >y<title>a &amp; <b></title>z");
        check("&amp;&lt;&nbsp;&#160;&#8217;&#146;&rsquo &notanentity; & &#x2014; &copy2024 &;&#;");
        check("text <p cut off");
        check("<P ALIGN=CENTER><ix:nonNumeric name=\"dei:A\" />");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn mixed_markup_is_cut_as_the_oracle_cuts_it(parts in proptest::collection::vec(prop::sample::select(vec![
            "<p>", "</p>", "<b class=\"x\">", "<td a='>'>", "<!--", "-->", "--!>", "<", ">", "&amp;", "&nbsp", "&#65;", "a", " ", "-", "!",
            "</", "/", "<?", "</style>", "<title>", "</title>", "é", "“", "<style", "&", ";", "1",
        ]), 0..24)) {
            check(&parts.concat());
        }
    }
}
