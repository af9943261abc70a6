//! The text of a document: UTF-8, else Windows-1252; letters with the bytes they came from.

use std::borrow::Cow;

use encoding_rs::WINDOWS_1252;
use memchr::memchr;

use super::sixteen::{SIXTEEN, Sixteen};

/// Bytes of one document and how they are to be read.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// All bytes of the file.
    pub bytes: &'a [u8],
    /// Where the document begins and ends in `bytes`.
    pub start: usize,
    /// One past the last byte of the document.
    pub end: usize,
    /// The document as UTF-8; `None` where it is Windows-1252.
    utf8: Option<&'a str>,
}

impl<'a> Source<'a> {
    /// Finds out the encoding of `bytes[start..end]`. A letter cut off at the very end does not count against UTF-8.
    pub fn new(bytes: &'a [u8], start: usize, end: usize) -> Self {
        let end = end.min(bytes.len());
        let start = start.min(end);
        match std::str::from_utf8(&bytes[start..end]) {
            Ok(text) => Source { bytes, start, end, utf8: Some(text) },
            Err(error) if error.error_len().is_none() => {
                let whole = start + error.valid_up_to();
                let text = std::str::from_utf8(&bytes[start..whole]).ok();
                Source { bytes, start, end: whole, utf8: text }
            }
            Err(_) => Source { bytes, start, end, utf8: None },
        }
    }

    /// Returns the name of the encoding as the web's standard writes it.
    pub fn encoding(&self) -> &'static str {
        if self.utf8.is_some() { "UTF-8" } else { "windows-1252" }
    }

    /// Returns the text of a byte range, decoded; the range is cut to the document and to whole letters.
    pub fn decode(&self, start: usize, end: usize) -> Cow<'a, str> {
        let start = start.clamp(self.start, self.end);
        let end = end.clamp(start, self.end);
        match self.utf8 {
            Some(text) => match text.get(start - self.start..end - self.start) {
                Some(part) => part.into(),
                None => lossy(&self.bytes[start..end]),
            },
            None => WINDOWS_1252.decode_without_bom_handling(&self.bytes[start..end]).0,
        }
    }

    /// Returns the text of a range that holds ASCII only.
    fn ascii(&self, start: usize, end: usize) -> &'a str {
        match self.utf8.and_then(|text| text.get(start - self.start..end - self.start)) {
            Some(text) => text,
            None => std::str::from_utf8(&self.bytes[start..end]).expect("ASCII is UTF-8"),
        }
    }

    /// Returns the letter at `at` and how many bytes it takes.
    fn letter(&self, at: usize) -> (char, usize) {
        match self.utf8 {
            Some(text) => match text.get(at - self.start..).and_then(|rest| rest.chars().next()) {
                Some(letter) => (letter, letter.len_utf8()),
                None => (char::REPLACEMENT_CHARACTER, 1),
            },
            None => {
                let text = WINDOWS_1252.decode_without_bom_handling(&self.bytes[at..at + 1]).0;
                (text.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER), 1)
            }
        }
    }
}

/// Reads bytes as UTF-8, with a mark for each that is none. The standard library looks at each byte even of ASCII.
pub fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::from)
}

/// Text under construction: letters, and where in the file each stretch of them lies.
#[derive(Default)]
pub struct TextBuffer {
    /// The text so far.
    pub text: String,
    /// `(offset in text, offset in file)` at the start of each stretch.
    pub offsets: Vec<(u32, u64)>,
    /// One past the last byte that gave a letter.
    pub end: u64,
    /// Offset of the white space that waits for the next letter, if any.
    space: Option<u64>,
}

impl TextBuffer {
    /// Begins with room for so many bytes of text, in so many stretches.
    pub fn with_room(bytes: usize, stretches: usize) -> Self {
        TextBuffer {
            text: String::with_capacity(bytes),
            offsets: Vec::with_capacity(stretches),
            ..TextBuffer::default()
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.text.clear();
        self.offsets.clear();
        self.end = 0;
        self.space = None;
    }

    /// Notes that the text goes on at `file` with the next letter.
    fn anchor(&mut self, file: u64) {
        let at = self.text.len() as u32;
        let is_joined =
            self.offsets.last().is_some_and(|&(text, offset)| offset + u64::from(at - text) == file);
        if !is_joined {
            self.offsets.push((at, file));
        }
    }

    /// Lets white space wait at `file`; it is written when a letter follows.
    pub fn push_space(&mut self, file: usize) {
        if self.space.is_none() && !self.text.is_empty() && !self.text.ends_with(['\n', '\t']) {
            self.space = Some(file as u64);
        }
    }

    /// Writes a line feed or tab made of markup at `file`, in the place of waiting white space.
    pub fn push_break(&mut self, letter: char, file: usize) {
        self.space = None;
        if !self.text.is_empty() {
            self.anchor(file as u64);
            self.text.push(letter);
        }
    }

    /// Writes the white space that waits.
    fn settle_space(&mut self) {
        if let Some(file) = self.space.take() {
            self.anchor(file);
            self.text.push(' ');
        }
    }

    /// Writes text that stands at `file` just so.
    fn push_exact(&mut self, text: &str, file: usize) {
        self.settle_space();
        self.anchor(file as u64);
        self.text.push_str(text);
        self.end = (file + text.len()) as u64;
    }

    /// Writes a letter that takes `width` bytes at `file`.
    fn push_letter(&mut self, letter: char, file: usize, width: usize) {
        if matches!(letter, '\u{a0}' | '\u{2002}'..='\u{200a}' | '\u{202f}' | '\u{3000}')
            || letter.is_ascii_whitespace()
        {
            self.push_space(file);
            return;
        }
        if letter.is_control() {
            return;
        }
        self.settle_space();
        self.anchor(file as u64);
        self.text.push(letter);
        self.end = (file + width) as u64;
    }

    /// Writes the text of `source[start..end]` with white space joined and, where `entities`, entities resolved.
    pub fn push(&mut self, source: &Source<'_>, start: usize, end: usize, entities: bool) {
        let bytes = &source.bytes[..end];
        let mut at = start;
        while at < end {
            // The common case: letters with single spaces between them.
            if PLAIN[bytes[at] as usize] {
                let from = at;
                at = plain_words_end(source.bytes, from, end, entities);
                self.push_exact(source.ascii(from, at), from);
                if at >= end {
                    break;
                }
            }
            at += match bytes[at] {
                b'&' if entities => self.push_entity(bytes, at),
                b'&' => {
                    self.push_exact("&", at);
                    1
                }
                byte if byte <= b' ' || byte == 0x7f => {
                    if byte.is_ascii_whitespace() {
                        self.push_space(at);
                    }
                    1
                }
                _ => {
                    let (letter, width) = source.letter(at);
                    self.push_letter(letter, at, width);
                    width
                }
            };
        }
    }

    /// Writes the entity that begins at `at`; returns how many bytes it takes.
    fn push_entity(&mut self, bytes: &[u8], at: usize) -> usize {
        let rest = &bytes[at + 1..bytes.len().min(at + 1 + ENTITY_LEN_MAX)];
        let body = rest.iter().position(|b| !b.is_ascii_alphanumeric() && *b != b'#').unwrap_or(rest.len());
        let has_end = rest.get(body) == Some(&b';');
        let width = 1 + body + usize::from(has_end);
        match &rest[..body] {
            b"nbsp" | b"NBSP" | b"#160" | b"#xa0" | b"#xA0" => {
                self.push_space(at);
                return width;
            }
            [] => {
                self.push_exact("&", at);
                return 1;
            }
            _ => {}
        }
        let raw = std::str::from_utf8(&bytes[at..at + width]).unwrap_or("&");
        let text = htmlize::unescape(raw);
        if text == raw {
            self.push_exact("&", at);
            return 1;
        }
        let mut letters = text.chars();
        if let (Some(letter), None) = (letters.next(), letters.next()) {
            self.push_letter(letter, at, width);
            return width;
        }
        // A short entity without its semicolon, followed by letters of the text: only the entity is resolved here.
        for shorter in (2..width).rev() {
            let part = std::str::from_utf8(&bytes[at..at + shorter]).unwrap_or("&");
            let mut letters = htmlize::unescape(part).chars().collect::<Vec<_>>();
            if letters.len() == 1
                && let Some(letter) = letters.pop()
            {
                self.push_letter(letter, at, shorter);
                return shorter;
            }
        }
        for letter in text.chars() {
            self.push_letter(letter, at, width);
        }
        width
    }

    /// Returns the offset in the file of the first letter.
    pub fn start(&self) -> u64 {
        self.offsets.first().map_or(self.end, |&(_, file)| file)
    }
}

/// Finds how far plain words with single spaces between them reach from the letter at `start`, `end` at the most; never ends in a
/// space.
fn plain_words_end(bytes: &[u8], start: usize, end: usize, entities: bool) -> usize {
    let mut at = start;
    let mut carry = 0;
    loop {
        let sixteen = Sixteen::at(bytes, at);
        let spaces = sixteen.equal(b' ');
        let mut ends = !sixteen.within(b' ', b'~') | spaces & (spaces << 1 | carry);
        if entities {
            ends |= sixteen.equal(b'&');
        }
        let plain = ends.trailing_zeros() as usize;
        if plain < SIXTEEN || at + SIXTEEN >= end {
            let at = (at + plain).min(end);
            return if bytes[at - 1] == b' ' { at - 1 } else { at };
        }
        carry = spaces >> (SIXTEEN - 1);
        at += SIXTEEN;
    }
}

/// Tells whether a text is printable ASCII with nothing but single spaces between its words, and none around them.
pub fn is_plain_words(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_graphic)
        && plain_words_end(bytes, 0, bytes.len(), false) == bytes.len()
}

/// Longest entity of the HTML standard, with room for leading zeros.
const ENTITY_LEN_MAX: usize = 40;

/// Bytes that stand for themselves: printable ASCII but `&` and space.
const PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0x21;
    while byte < 0x7f {
        table[byte] = byte != b'&' as usize;
        byte += 1;
    }
    table
};

/// Returns the offset of the next line feed at or after `from`, or the end.
pub fn line_end(bytes: &[u8], from: usize) -> usize {
    memchr(b'\n', &bytes[from..]).map_or(bytes.len(), |found| from + found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn plain_words_reach_as_far_as_looking_at_each_letter_says(
            text in r"[!-~][ -~]{0,12}([a-c ]{0,12}[ &\x00-\x1f\x7f\u{80}\u{e9}])?[a-c ]{0,20}",
            entities: bool,
        ) {
            let bytes = text.as_bytes();
            let is_plain = |at: &usize| {
                let byte = bytes[*at];
                let is_double_space = byte == b' ' && *at > 0 && bytes[at - 1] == b' ';
                (0x20..0x7f).contains(&byte) && !is_double_space && !(entities && byte == b'&')
            };
            let end = (0..bytes.len()).find(|at| !is_plain(at)).unwrap_or(bytes.len());
            let end = text[..end].strip_suffix(' ').map_or(end, str::len);
            if !(entities && bytes[0] == b'&') {
                prop_assert_eq!(plain_words_end(bytes, 0, bytes.len(), entities), end);
                // What stands behind is no matter.
                let longer = format!("{text} &a  b and more than sixteen letters");
                prop_assert_eq!(plain_words_end(longer.as_bytes(), 0, bytes.len(), entities), end);
            }
        }
    }

    /// Checks the text that bytes give, and that every letter leads back to the byte it begins at.
    #[track_caller]
    fn check(bytes: &[u8], text: &str, offsets: &[(u32, u64)]) {
        let source = Source::new(bytes, 0, bytes.len());
        let mut buffer = TextBuffer::default();
        buffer.push(&source, 0, source.end, true);
        assert_eq!((buffer.text.as_str(), buffer.offsets.as_slice()), (text, offsets));
    }

    #[test]
    fn text_knows_where_its_letters_come_from() {
        check(b"plain words with single spaces between", "plain words with single spaces between", &[(0, 0)]);
        check(b"two  spaces", "two spaces", &[(0, 0), (4, 5)]);
        check(b" line\nbreak\r\n end ", "line break end", &[(0, 1), (11, 14)]);
        check(b"a&amp;b&#160;c&rsquo;s", "a&b c\u{2019}s", &[(0, 0), (2, 6), (4, 13), (8, 21)]);
        check(
            b"AT&T &unknown; &#x41; &copy2024",
            "AT&T &unknown; A \u{a9}2024",
            &[(0, 0), (16, 21), (19, 27)],
        );
        check("na\u{ef}ve\u{a0}x".as_bytes(), "na\u{ef}ve x", &[(0, 0), (7, 8)]);
        check(b"na\xefve \x93x\x94", "na\u{ef}ve \u{201c}x\u{201d}", &[(0, 0), (4, 3), (10, 7)]);
        check(
            b"eight letters and more \n of them, then & an end",
            "eight letters and more of them, then & an end",
            &[(0, 0), (23, 25)],
        );
    }
}
