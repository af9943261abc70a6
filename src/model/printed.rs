//! Bytes and text as they are printed: nothing in it drives a terminal, and what is printed can be read back.

use std::ffi::{OsStr, OsString};

/// Writes bytes as text: control characters, marks of reading direction and bytes that are not UTF-8 as `\xNN`. A backslash that
/// would be read as the beginning of such an escape stands as `\x5c`, so that [`from_printed`] gives the same bytes back.
///
/// ```
/// use lineage::model::{from_printed, printed};
///
/// assert_eq!(printed(b"non\xffutf8\n"), r"non\xffutf8\x0a");
/// assert_eq!(printed(br"C:\temp\xff"), r"C:\temp\x5cxff");
/// assert_eq!(from_printed(r"C:\temp\x5cxff").unwrap(), br"C:\temp\xff");
/// assert_eq!(from_printed(r"C:\temp"), None);
/// ```
pub fn printed(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(chunk) = rest.utf8_chunks().next() {
        for (at, character) in chunk.valid().char_indices() {
            if is_unsafe_to_print(character) || escaped(&rest[at..]).is_some() {
                let mut buffer = [0; 4];
                character.encode_utf8(&mut buffer).bytes().for_each(|byte| push_escape(&mut text, byte));
            } else {
                text.push(character);
            }
        }
        chunk.invalid().iter().for_each(|byte| push_escape(&mut text, *byte));
        rest = &rest[chunk.valid().len() + chunk.invalid().len()..];
    }
    text
}

/// Reads back what [`printed`] wrote; `None` where the text has no escape in it, and so means itself.
pub fn from_printed(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let byte = escaped(rest);
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &rest[4..] } else { behind };
    }
    (bytes.len() < text.len()).then_some(bytes)
}

/// Writes a word of the system's as it is printed.
pub fn printed_word(word: impl AsRef<OsStr>) -> String {
    printed(word.as_ref().as_encoded_bytes())
}

/// Writes a word as a message repeats it: as it was given, where that is safe, else as it is printed.
pub fn repeated_word(word: impl AsRef<OsStr>) -> String {
    let text = word.as_ref().to_str().filter(|text| !text.contains(is_unsafe_to_print));
    text.map_or_else(|| printed_word(&word), str::to_owned)
}

/// Writes a word as it is recorded where text is: as it is where it is text, else as it is printed.
pub fn recorded_word(word: impl AsRef<OsStr>) -> String {
    word.as_ref().to_str().map_or_else(|| printed_word(&word), str::to_owned)
}

/// Returns bytes as a word of the system's.
pub(crate) fn os_word(bytes: Vec<u8>) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes)
}

/// Reads the byte that an escape stands for, if `bytes` begin with one.
fn escaped(bytes: &[u8]) -> Option<u8> {
    let [high, low] = *bytes.strip_prefix(b"\\x")?.first_chunk::<2>()?;
    let digit = |byte: u8| char::from(byte).to_digit(16);
    Some((digit(high)? << 4 | digit(low)?) as u8)
}

fn push_escape(text: &mut String, byte: u8) {
    text.push_str(&format!("\\x{byte:02x}"));
}

/// Returns true for characters that would change what a terminal shows: controls, and the marks that turn the reading direction.
pub(crate) fn is_unsafe_to_print(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_printed_is_safe_and_means_one_name() {
        let check = |bytes: &[u8], expected: &str| {
            assert_eq!(printed(bytes), expected);
            assert_eq!(from_printed(expected).unwrap_or_else(|| expected.as_bytes().to_vec()), bytes);
        };
        check(b"a\xffb", r"a\xffb");
        check(br"a\xffb", r"a\x5cxffb");
        check(br"a\x5cxffb", r"a\x5cx5cxffb");
        check(br"back\slash\xyz\x4", r"back\slash\xyz\x4");
        check(b"\\\xff\\x4\x1b", r"\\xff\x4\x1b");
        check(b"new\nline\ttab\x1b[31m\x7f", r"new\x0aline\x09tab\x1b[31m\x7f");
        check("r\u{202e}txt.\u{fc}".as_bytes(), "r\\xe2\\x80\\xaetxt.\u{fc}");
        // Read back in capital letters, too: so it is not printed for something else.
        check(br"a\xFFb", r"a\x5cxFFb");
        assert_eq!(from_printed(r"a\xFFb").unwrap(), b"a\xffb");
    }

    proptest! {
        #[test]
        fn bytes_are_read_back_from_what_is_printed(
            bytes in proptest::collection::vec(
                prop_oneof![any::<u8>(), Just(b'\\'), Just(b'x'), Just(b'f'), Just(b'5'), Just(b'c')], 0..24)
        ) {
            let text = printed(&bytes);
            prop_assert!(!text.chars().any(is_unsafe_to_print));
            prop_assert_eq!(from_printed(&text).unwrap_or_else(|| text.into_bytes()), bytes);
        }
    }
}
