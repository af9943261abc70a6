//! The files of each stage as bytes: one JSON document and a line feed, the same for the same value.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::VERSION;
use super::element::Element;
use super::sixteen::{SIXTEEN, Sixteen};
use crate::error::{Error, Result};

/// Writes a value.
pub fn to_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    let mut written = Vec::with_capacity(1024);
    write(&mut written, value);
    written.push(b'\n');
    written
}

/// Writes a value that takes about so many bytes with `elements`: the list that stands, still empty, at its very end.
///
/// Nearly all of a parsed filing is the text of its elements.
pub fn to_bytes_with_elements<T: Serialize>(value: &T, elements: &[Element], about_bytes: usize) -> Vec<u8> {
    const END: &[u8] = b"]}";
    let mut written = Vec::with_capacity(about_bytes);
    write(&mut written, value);
    assert!(written.ends_with(b"[]}"), "the list of elements is the last field");
    written.truncate(written.len() - END.len());
    for (at, element) in elements.iter().enumerate() {
        if at > 0 {
            written.push(b',');
        }
        write_element(&mut written, element);
    }
    written.extend_from_slice(END);
    written.push(b'\n');
    written
}

fn write<T: Serialize>(written: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(written, value).expect("plain values with text keys can always be written as JSON");
}

/// Writes an element as its `Serialize` has it.
fn write_element(written: &mut Vec<u8>, element: &Element) {
    let Element { kind, text, level, span, runs, offsets } = element;
    written.extend_from_slice(b"{\"type\":\"");
    written.extend_from_slice(kind.name().as_bytes());
    written.extend_from_slice(b"\",\"text\":");
    write_text(written, text);
    written.extend_from_slice(b",\"level\":");
    write(written, level);
    written.extend_from_slice(b",\"span\":");
    write(written, span);
    if !runs.is_empty() {
        written.extend_from_slice(b",\"runs\":");
        write(written, runs);
    }
    if !offsets.is_empty() {
        written.extend_from_slice(b",\"offsets\":");
        write(written, offsets);
    }
    written.push(b'}');
}

/// Writes a text in quotes. What needs no escape is looked for sixteen bytes at a time: `serde_json` looks at each byte.
fn write_text(written: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    written.push(b'"');
    loop {
        let plain = plain_bytes(rest);
        written.extend_from_slice(&rest[..plain]);
        let Some(byte) = rest.get(plain) else { break };
        match byte {
            b'"' => written.extend_from_slice(b"\\\""),
            b'\\' => written.extend_from_slice(b"\\\\"),
            b'\n' => written.extend_from_slice(b"\\n"),
            b'\t' => written.extend_from_slice(b"\\t"),
            // Others are rare.
            other => {
                let escaped =
                    serde_json::to_string(&char::from(*other)).expect("a letter can be written as JSON");
                written.extend_from_slice(escaped.trim_matches('"').as_bytes());
            }
        }
        rest = &rest[plain + 1..];
    }
    written.push(b'"');
}

/// Counts the bytes before the first that JSON escapes: control characters, quotes and backslashes.
fn plain_bytes(bytes: &[u8]) -> usize {
    let mut at = 0;
    while at < bytes.len() {
        let sixteen = Sixteen::at(bytes, at);
        let escaped = sixteen.within(0, b' ' - 1) | sixteen.equal(b'"') | sixteen.equal(b'\\');
        if escaped != 0 {
            // Zeros behind the end count as escaped.
            return at + escaped.trailing_zeros() as usize;
        }
        at += SIXTEEN;
    }
    bytes.len()
}

/// Reads a value back; `version` tells which version of this module wrote it.
///
/// # Errors
/// Fails where the bytes are not such a document, or one of another version: its meaning could have changed.
pub fn from_bytes<T: DeserializeOwned>(bytes: &[u8], what: &str, version: impl Fn(&T) -> u32) -> Result<T> {
    let value: T = serde_json::from_slice(bytes)
        .map_err(|cause| Error::request(format!("not a {what}")).because(cause))?;
    match version(&value) {
        VERSION => Ok(value),
        other => {
            Err(Error::request(format!("the {what} has version {other}, this `lineage` reads {VERSION}"))
                .hint("run the pipeline again; it writes the file anew"))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::filings::element::{ElementKind, Run, Span, Style};

    #[derive(Serialize)]
    struct Listed<'a> {
        name: &'a str,
        elements: &'a [Element],
    }

    prop_compose! {
        fn element()(
            kind in proptest::sample::select(ElementKind::ALL.to_vec()),
            text in r#"[ -~\x00-\x1f"\\\n\x7f\u{a0}\u{2019}\u{10348}]{0,60}"#,
            level: u8,
            span: (u64, u64),
            runs in proptest::collection::vec((any::<(u32, u32)>(), 0u8..64, any::<u8>()), 0..3),
            offsets in proptest::collection::vec(any::<(u32, u64)>(), 0..3),
        ) -> Element {
            let run = |((start, end), flags, half_points)| Run(start, end, Style { flags, half_points });
            let span = Span { start: span.0, end: span.1 };
            Element { kind, text, level, span, runs: runs.into_iter().map(run).collect(), offsets }
        }
    }

    proptest! {
        #[test]
        fn elements_are_written_as_serde_writes_them(elements in proptest::collection::vec(element(), 0..4)) {
            let expected = to_bytes(&Listed { name: "a", elements: &elements });
            let written = to_bytes_with_elements(&Listed { name: "a", elements: &[] }, &elements, 0);
            prop_assert_eq!(String::from_utf8(written).unwrap(), String::from_utf8(expected).unwrap());
        }
    }
}
