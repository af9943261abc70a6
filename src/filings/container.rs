//! The container: which bytes of a file are the main document, found without reading the rest.

use memchr::{memchr, memmem};

use super::encoding::lossy;
use crate::error::{Error, Result};

/// Where the main document of a file lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// First byte of the document's text.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
    /// The submission's header (`<SEC-HEADER>`), empty where there is none.
    pub header: std::ops::Range<usize>,
    /// What `<TYPE>` says, such as `10-K405/A`; `None` where there is no container or it says nothing.
    pub document_type: Option<String>,
    /// HTML or inline XBRL; plain text otherwise.
    pub is_html: bool,
}

/// Types of main documents; a `/A` behind them marks an amendment.
const MAIN_TYPES: [&str; 13] = [
    "10-K", "10-K405", "10-KSB", "10-KSB40", "10-K40", "10-KT", "10-KT405", "10-KT40", "10KSB", "10KSB40",
    "10-Q", "10-QSB", "10-QT",
];

/// Tells whether `form` is the type of a main document.
pub fn is_main_type(form: &str) -> bool {
    let base = form.strip_suffix("/A").unwrap_or(form);
    MAIN_TYPES.contains(&base)
}

/// One `<DOCUMENT>` of a submission.
struct Document {
    form: String,
    sequence: u32,
    text: usize,
    end: usize,
}

/// Finds the main document: in a submission the one of lowest sequence among the main types, else the whole file.
///
/// # Errors
/// Fails where the bytes are empty, no text, or hold no main document.
pub fn locate(bytes: &[u8]) -> Result<Container> {
    if bytes.trim_ascii().is_empty() {
        return Err(Error::request("the file is empty").hint("fetch the filing again from EDGAR"));
    }
    refuse_binary(bytes)?;
    let head = &bytes[..bytes.len().min(HEAD_LEN)];
    let header = header_range(bytes);
    match find_tag(head, header.end, b"<DOCUMENT>") {
        Some(first) => locate_in_submission(bytes, header, first),
        None if !header.is_empty() => match find_tag(bytes, header.end, b"<DOCUMENT>") {
            Some(first) => locate_in_submission(bytes, header, first),
            None => Err(no_main_document(&[])),
        },
        None => {
            let is_html = looks_like_html(head);
            if !is_html && !looks_like_filing(head) {
                return Err(Error::request(
                    "the file is no SEC filing: neither a submission, nor HTML, nor the text of a form",
                )
                .hint("give filings as EDGAR serves them, .txt or .htm"));
            }
            Ok(Container { start: 0, end: bytes.len(), header: 0..0, document_type: None, is_html })
        }
    }
}

/// A container's first tags, and enough of a bare document to know it by, stand within this many bytes.
const HEAD_LEN: usize = 256 * 1024;

fn refuse_binary(bytes: &[u8]) -> Result<()> {
    const AS_SERVED: &str = "give filings as EDGAR serves them, .txt or .htm";
    const MAGIC: [(&[u8], &str); 6] = [
        (b"%PDF-", "a PDF document"),
        (b"PK\x03\x04", "a ZIP archive, to be unpacked by `unzip`"),
        (b"\x1f\x8b", "a gzip archive, to be unpacked by `gunzip`"),
        (b"\x89PNG", "a PNG picture"),
        (b"\xff\xd8\xff", "a JPEG picture"),
        (b"\x28\xb5\x2f\xfd", "a zstd archive, to be unpacked by `unzstd`"),
    ];
    if let Some((_, what)) = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Err(Error::request(format!("the file is no SEC filing, but {what}")).hint(AS_SERVED));
    }
    if let Some(encoding) = utf16(bytes) {
        return Err(Error::request(format!("the file is text in {encoding}, which is not read")).hint(
            format!(
                "`iconv -f {encoding} -t UTF-8 FILE > FILE.txt` makes it UTF-8; EDGAR serves no {encoding}"
            ),
        ));
    }
    let sample = &bytes[..bytes.len().min(64 * 1024)];
    if memchr(0, sample).is_some() {
        return Err(Error::request("the file is binary, not an SEC filing").hint(AS_SERVED));
    }
    Ok(())
}

/// Returns the name of the encoding, as the web's standard writes it, where a text is of pairs of bytes: by the mark it begins
/// with, else where it begins with markup.
pub fn utf16(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, ..] | [b'<', 0, _, 0, ..] => Some("UTF-16LE"),
        [0xfe, 0xff, ..] | [0, b'<', 0, ..] => Some("UTF-16BE"),
        _ => None,
    }
}

fn no_main_document(types: &[String]) -> Error {
    let found = if types.is_empty() { "no document".to_string() } else { types.join(", ") };
    Error::request(format!("the submission has no main document: found {found}"))
        .hint("only 10-K, 10-K405, 10-KSB, 10-KT, 10-Q and their amendments are read")
}

/// Finds `<SEC-HEADER>` (or `<IMS-HEADER>`) up to its end or the first document.
fn header_range(bytes: &[u8]) -> std::ops::Range<usize> {
    let head = &bytes[..bytes.len().min(HEAD_LEN)];
    let start = [&b"<SEC-HEADER>"[..], b"<IMS-HEADER>", b"<SEC-DOCUMENT>"]
        .iter()
        .find_map(|tag| find_tag(head, 0, tag));
    let Some(start) = start else { return 0..0 };
    let end = [&b"</SEC-HEADER>"[..], b"</IMS-HEADER>", b"<DOCUMENT>"]
        .iter()
        .find_map(|tag| memmem::find(&head[start..], tag).map(|found| start + found));
    start..end.unwrap_or(head.len())
}

/// Finds a tag of the container that stands at the beginning of a line.
fn find_tag(bytes: &[u8], from: usize, tag: &[u8]) -> Option<usize> {
    let finder = memmem::Finder::new(tag);
    let mut at = from;
    while let Some(found) = finder.find(bytes.get(at..)?) {
        let position = at + found;
        let before = bytes[..position].iter().rev().find(|byte| !matches!(byte, b' ' | b'\t'));
        if before.is_none_or(|byte| matches!(byte, b'\n' | b'\r' | b'>')) {
            return Some(position);
        }
        at = position + tag.len();
    }
    None
}

fn locate_in_submission(bytes: &[u8], header: std::ops::Range<usize>, first: usize) -> Result<Container> {
    let mut best: Option<Document> = None;
    let mut types = Vec::new();
    let mut next = Some(first);
    let mut untyped: Option<Document> = None;
    while let Some(at) = next {
        let document = read_document(bytes, at);
        let is_first_possible = document.sequence <= 1;
        next = find_tag(bytes, document.text.max(at + 1), b"<DOCUMENT>");
        if is_main_type(&document.form) {
            let is_better = best.as_ref().is_none_or(|best| document.sequence < best.sequence);
            if is_better {
                best = Some(document);
            }
            // Nothing can have a lower sequence: the rest of the submission is not read.
            if is_first_possible {
                break;
            }
        } else if document.form.is_empty() && untyped.is_none() {
            untyped = Some(document);
        } else if types.len() < TYPES_NAMED_MAX {
            types.push(document.form);
        }
    }
    let Some(document) = best.or(untyped) else {
        return Err(no_main_document(&types));
    };
    let end = document_end(bytes, document.text, document.end);
    let body = &bytes[document.text..end];
    if body.trim_ascii().is_empty() {
        return Err(Error::request("the main document of the submission is empty")
            .hint("fetch the filing again from EDGAR"));
    }
    let is_html = looks_like_html(&body[..body.len().min(HEAD_LEN)]);
    let document_type = (!document.form.is_empty()).then_some(document.form);
    Ok(Container { start: document.text, end, header, document_type, is_html })
}

/// How many types of other documents an error names.
const TYPES_NAMED_MAX: usize = 5;

/// Reads the tags at the head of a document; its end is not looked for yet.
fn read_document(bytes: &[u8], at: usize) -> Document {
    let head = &bytes[at..bytes.len().min(at + DOCUMENT_HEAD_LEN)];
    let text = memmem::find(head, b"<TEXT>").map(|found| found + 6);
    let tags = &head[..text.unwrap_or(head.len())];
    let value = |tag: &[u8]| -> String {
        let Some(found) = memmem::find(tags, tag) else {
            return String::new();
        };
        let rest = &tags[found + tag.len()..];
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r' | b'<')).unwrap_or(rest.len());
        String::from_utf8_lossy(rest[..end].trim_ascii()).into_owned()
    };
    let form = value(b"<TYPE>").to_ascii_uppercase();
    let sequence = value(b"<SEQUENCE>").parse().unwrap_or(u32::MAX);
    let text = at + text.unwrap_or(b"<DOCUMENT>".len());
    Document { form, sequence, text, end: bytes.len() }
}

/// The tags before a document's text take no more than this.
const DOCUMENT_HEAD_LEN: usize = 8 * 1024;

/// Finds where a document's text ends: `</TEXT>`, `</DOCUMENT>` or, where neither was written, the next `<DOCUMENT>`.
fn document_end(bytes: &[u8], text: usize, end: usize) -> usize {
    let body = &bytes[text..end];
    let finder = memmem::Finder::new(b"DOCUMENT>");
    let mut at = 0;
    let mut stop = body.len();
    while let Some(found) = finder.find(&body[at..]) {
        let position = at + found;
        let before = &body[..position];
        if before.ends_with(b"</") {
            stop = position - 2;
            break;
        }
        if before.ends_with(b"\n<") {
            stop = position - 1;
            break;
        }
        at = position + 9;
    }
    let tail = stop.saturating_sub(64);
    match memmem::rfind(&body[tail..stop], b"</TEXT>") {
        Some(found) => text + tail + found,
        None => text + stop,
    }
}

/// Tells HTML from plain text by its tags; `<PAGE>`, `<TABLE>`, `<S>` and `<C>` belong to EDGAR's plain text.
fn looks_like_html(head: &[u8]) -> bool {
    let mut tags = 0;
    let mut at = 0;
    while let Some(found) = memchr(b'<', &head[at..]) {
        let start = at + found + 1;
        let name_len = head[start..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        match head[start..start + name_len].to_ascii_lowercase().as_slice() {
            b"html" | b"body" => return true,
            b"p" | b"div" | b"font" | b"td" | b"tr" | b"br" | b"b" | b"span" | b"center" => tags += 1,
            _ => {}
        }
        if tags >= 12 {
            return true;
        }
        at = start;
    }
    false
}

/// Tells whether plain text is that of a form: its cover page names the Commission or the form.
fn looks_like_filing(head: &[u8]) -> bool {
    let text = lossy(&head[..head.len().min(64 * 1024)]).to_ascii_lowercase();
    let has = |words: &str| text.contains(words);
    has("securities and exchange commission")
        || has("form 10-")
        || has("exchange act of 1934")
        || has("annual report")
        || has("item 1")
}
