//! The place that a user means by the name of a file: as it stands, or as a name was printed.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::capture::secrets;
use crate::error::{Error, Result};
use crate::model::{ArtifactPath, from_printed, os_word, printed, printed_word, repeated_word};

/// Returns the place of what `word` names, seen from `folder`. A word may also be what was printed for a name: where
/// `is_known` says that it is not known as it stands, but as [`printed`] writes it, that one is meant.
///
/// # Errors
/// A request error where both are known; those of `is_known`.
pub(crate) fn place(
    folder: &Path,
    word: impl AsRef<OsStr>,
    is_known: impl Fn(&Path) -> Result<bool>,
) -> Result<PathBuf> {
    let word = word.as_ref();
    let as_it_stands = folder.join(word);
    let Some(bytes) = word.to_str().and_then(from_printed) else {
        return Ok(as_it_stands);
    };
    // Written in another way than it is printed, the second has a name of its own.
    let second = format!("\\x{:02x}{}", bytes[0], printed(&bytes[1..]));
    let as_printed = folder.join(os_word(bytes));
    if !is_known(&as_printed)? {
        return Ok(as_it_stands);
    }
    if is_known(&as_it_stands)? {
        let first = printed_word(word);
        return Err(Error::request(format!("`{word}` names two files", word = repeated_word(word)))
            .because("one is called so, and the name of another is printed so")
            .hint(format!("the first is `{first}`, the second `{second}`")));
    }
    Ok(as_printed)
}

/// Returns the place of what `word` names on disk, seen from `folder`; see [`place`].
///
/// # Errors
/// A request error where it names two files.
pub(crate) fn place_on_disk(folder: &Path, word: impl AsRef<OsStr>) -> Result<PathBuf> {
    place(folder, word, |place| Ok(std::fs::symlink_metadata(place).is_ok()))
}

/// Names what `word` says where that is a URL; what looks like a credential in it is masked.
pub(crate) fn url(word: &OsStr) -> Option<ArtifactPath> {
    let bytes = word.as_encoded_bytes();
    if !ArtifactPath::from_bytes(bytes.to_vec()).is_ok_and(|named| named.is_url()) {
        return None;
    }
    let text = String::from_utf8_lossy(bytes);
    let masked = secrets::masked_word(&text);
    let named = if masked == text { bytes.to_vec() } else { masked.into_bytes() };
    ArtifactPath::from_bytes(named).ok()
}

/// Splits a word at the last `mark`.
pub(crate) fn split_last(word: &OsStr, mark: u8) -> Option<(OsString, OsString)> {
    let at = word.as_encoded_bytes().iter().rposition(|byte| *byte == mark)?;
    Some(split_at(word, at))
}

/// Splits a word at the first `mark`.
pub(crate) fn split_first(word: &OsStr, mark: u8) -> Option<(OsString, OsString)> {
    let at = word.as_encoded_bytes().iter().position(|byte| *byte == mark)?;
    Some(split_at(word, at))
}

/// Returns what stands before the byte at `at`, and what stands behind it.
pub(crate) fn split_at(word: &OsStr, at: usize) -> (OsString, OsString) {
    let bytes = word.as_encoded_bytes();
    (os_word(bytes[..at].to_vec()), os_word(bytes[at + 1..].to_vec()))
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_by_its_name_and_by_what_is_printed_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |bytes: &[u8]| folder.path().join(os_word(bytes.to_vec()));
        let place = |word: &[u8]| place_on_disk(folder.path(), os_word(word.to_vec()));
        for name in [&b"non\xffutf8"[..], b"new\nline", b"tab\tesc\x1b[31m", br"back\slash", br"lit\x41"] {
            std::fs::write(at(name), "").unwrap();
            for word in [name, printed(name).as_bytes()] {
                assert_eq!(place(word).unwrap(), at(name));
            }
        }
        // What is nowhere is named as it stands.
        assert_eq!(place(br"none\x41").unwrap(), at(br"none\x41"));
    }

    #[test]
    fn a_word_that_means_two_files_is_refused_and_each_has_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) =
            (folder.path().join(r"a\xffb"), folder.path().join(os_word(b"a\xffb".to_vec())));
        std::fs::write(&first, "").unwrap();
        std::fs::write(&second, "").unwrap();
        let error = place_on_disk(folder.path(), r"a\xffb").unwrap_err();
        assert_eq!(error.message(), r"`a\xffb` names two files");
        assert_eq!(error.hint_text(), Some(r"the first is `a\x5cxffb`, the second `\x61\xffb`"));
        assert_eq!(place_on_disk(folder.path(), r"a\x5cxffb").unwrap(), first);
        assert_eq!(place_on_disk(folder.path(), r"\x61\xffb").unwrap(), second);
        assert_eq!(place_on_disk(folder.path(), os_word(b"a\xffb".to_vec())).unwrap(), second);
    }
}
