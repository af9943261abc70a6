//! Where an artifact lies: inside the workspace, elsewhere on this machine, or behind a URL.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};
use crate::model::printed::{os_word, printed};

/// The name of an artifact's place, as bytes with `/` between its parts.
///
/// Three sorts, told apart by their front: relative to the workspace's root (`data/raw/a.txt`, never with `.`, `..` or an
/// empty part), absolute on this machine (`/srv/x`), or a URL (`hf://ProsusAI/finbert`). File names need not be UTF-8.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactPath(Vec<u8>);

/// How the names of environments begin: that of the host that the run was on follows.
pub(crate) const ENVIRONMENT_SCHEME: &str = "environment://";
/// The longest path that is taken, in bytes (`PATH_MAX` of Linux).
const LENGTH_MAX_BYTES: usize = 4096;

impl ArtifactPath {
    /// Takes bytes that were recorded before.
    ///
    /// # Errors
    /// A request error where they are empty, too long, hold NUL, or a relative path has a part that is empty, `.` or `..`.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        let path = ArtifactPath(bytes);
        let wrong = path.0.is_empty()
            || path.0.len() > LENGTH_MAX_BYTES
            || path.0.contains(&0)
            || (path.is_inside()
                && path.0.split(|b| *b == b'/').any(|part| matches!(part, b"" | b"." | b"..")));
        if wrong {
            return Err(Error::request(format!("`{path}` cannot be the path of an artifact")));
        }
        Ok(path)
    }

    /// Takes text; see [`ArtifactPath::from_bytes`].
    ///
    /// # Errors
    /// As [`ArtifactPath::from_bytes`].
    pub fn new(text: impl Into<String>) -> Result<Self> {
        Self::from_bytes(text.into().into_bytes())
    }

    /// Names `path` as seen from the workspace at `root`; both absolute, and free of symbolic links where that matters to the caller.
    ///
    /// `.` and `..` are resolved by name alone.
    ///
    /// # Errors
    /// As [`ArtifactPath::from_bytes`]; the root itself is no artifact.
    pub fn within(root: &Path, path: &Path) -> Result<Self> {
        let mut clean = PathBuf::new();
        for part in path.components() {
            match part {
                Component::CurDir => {}
                Component::ParentDir => {
                    clean.pop();
                }
                other => clean.push(other),
            }
        }
        let bytes = match clean.strip_prefix(root) {
            Ok(inside) => inside.as_os_str().as_encoded_bytes().to_vec(),
            Err(_) => clean.as_os_str().as_encoded_bytes().to_vec(),
        };
        Self::from_bytes(bytes)
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns true for a path relative to the workspace's root.
    pub fn is_inside(&self) -> bool {
        !self.0.starts_with(b"/") && !self.is_url()
    }

    /// Returns true for a URL. A relative path cannot look like one, since it has no empty part.
    pub fn is_url(&self) -> bool {
        let scheme = self.0.iter().take_while(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b)).count();
        scheme > 0 && self.0[scheme..].starts_with(b"://")
    }

    /// Returns true for the name of the environment that a run had: a list of programs and variables, and no file.
    pub(crate) fn is_environment(&self) -> bool {
        self.0.starts_with(ENVIRONMENT_SCHEME.as_bytes())
    }

    /// Returns the place on this machine for the workspace at `root`; `None` for a URL.
    pub fn on_disk(&self, root: &Path) -> Option<PathBuf> {
        if self.is_url() {
            return None;
        }
        Some(root.join(os_word(self.0.clone())))
    }

    /// Returns the last part.
    pub fn file_name(&self) -> &[u8] {
        let start = self.0.iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
        &self.0[start..]
    }

    /// Returns the folder, empty for a file at the root.
    pub fn folder(&self) -> &[u8] {
        let end = self.0.iter().rposition(|b| *b == b'/').unwrap_or(0);
        &self.0[..end]
    }
}

impl ArtifactPath {
    /// Returns the path as JSON has it: the name itself, which opens the file, where that is text. A name that is not UTF-8 stands
    /// as it is [printed], `\xff` for a byte that is no text, which [`from_printed`](crate::model::from_printed) reads back.
    pub fn in_json(&self) -> String {
        std::str::from_utf8(&self.0).map_or_else(|_| printed(&self.0), str::to_owned)
    }
}

impl fmt::Display for ArtifactPath {
    /// Writes the path as [`printed`] does, so that it can go to any terminal, and be found by what was printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printed(&self.0))
    }
}

/// Writes bytes with all but `A-Za-z0-9-._~/` as `%NN`, as links and URNs have them.
pub fn percent_encoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(byte) {
            text.push(char::from(*byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// Undoes percent encoding; text that would be no UTF-8 then stays as it was.
pub fn percent_decoded(text: &str) -> String {
    String::from_utf8(percent_decoded_bytes(text)).unwrap_or_else(|_| text.to_owned())
}

/// Undoes percent encoding.
pub fn percent_decoded_bytes(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        plain.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    plain
}

impl fmt::Debug for ArtifactPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(root: &str, path: &str, expected: &str) {
        let found = ArtifactPath::within(Path::new(root), Path::new(path)).map(|p| p.to_string());
        assert_eq!(found.unwrap_or_else(|e| format!("error: {}", e.in_full())), expected);
    }

    #[test]
    fn a_path_is_named_from_the_root_of_the_workspace() {
        check("/w", "/w/data/raw/a.txt", "data/raw/a.txt");
        check("/w", "/w/./data/../data/raw/a.txt", "data/raw/a.txt");
        check("/w", "/w/../elsewhere/a", "/elsewhere/a");
        check("/w", "/wide/a", "/wide/a");
        check("/w", "/w", "error: `` cannot be the path of an artifact");
    }

    #[test]
    fn what_is_percent_encoded_is_read_back() {
        assert_eq!(percent_encoded("a b/ü%\n".as_bytes()), "a%20b/%C3%BC%25%0A");
        assert_eq!(percent_decoded("a%20b/%C3%BC%25%0A"), "a b/ü%\n");
        for odd in ["%", "%4", "%zz", "%FF", "ü%4ü"] {
            assert_eq!(percent_decoded(odd), odd);
        }
    }

    #[test]
    fn hostile_names_are_refused_or_escaped() {
        assert!(ArtifactPath::new("a/../b").is_err());
        assert!(ArtifactPath::new("a//b").is_err());
        assert!(ArtifactPath::new("a\0b").is_err());
        assert_eq!(ArtifactPath::new("a\n\u{1b}[31mb").unwrap().to_string(), "a\\x0a\\x1b[31mb");
        assert_eq!(ArtifactPath::from_bytes(b"a\xffb".to_vec()).unwrap().to_string(), "a\\xffb");
        assert!(ArtifactPath::new("hf://ProsusAI/finbert").unwrap().is_url());
        assert!(ArtifactPath::new("a:b/c").unwrap().is_inside());
    }
}
