//! Symbolic links: what is recorded as the bytes of one is its text.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::model::{Artifact, ArtifactPath, Digest, os_word, printed};

/// The longest text of a link, in bytes, as Linux takes it.
const TEXT_MAX_BYTES: usize = 4095;

/// The text of a symbolic link: 1 to 4,095 bytes, none of them NUL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkText(Vec<u8>);

impl LinkText {
    /// Takes the text of a link.
    ///
    /// # Errors
    /// A request error where no link can have it.
    pub fn new(bytes: Vec<u8>) -> Result<Self> {
        if bytes.is_empty() || bytes.len() > TEXT_MAX_BYTES || bytes.contains(&0) {
            return Err(Error::request("it cannot be the text of a symbolic link"));
        }
        Ok(LinkText(bytes))
    }

    /// Returns its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns it as the path that it is.
    pub fn to_path(&self) -> PathBuf {
        OsString::into(os_word(self.0.clone()))
    }

    /// Returns the digest by which a link with this text is recorded.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }

    /// Returns the version that a link at `path` with this text is.
    pub fn artifact(&self, path: ArtifactPath) -> Artifact {
        Artifact { path, digest: self.digest(), size_bytes: self.0.len() as u64 }
    }

    /// Returns true where a link with this text that lies in `folder` leads nowhere but below `root`, by names alone: what lies there
    /// is not looked at.
    pub fn stays_below(&self, root: &Path, folder: &Path) -> bool {
        let mut at = folder.to_owned();
        let mut parts =
            self.to_path().components().map(|part| part.as_os_str().to_owned()).collect::<Vec<_>>();
        if self.is_absolute() {
            at = root.to_owned();
            match self.to_path().strip_prefix(root) {
                Ok(below) => parts = below.components().map(|part| part.as_os_str().to_owned()).collect(),
                Err(_) => return false,
            }
        }
        parts.into_iter().all(|part| {
            match part.as_encoded_bytes() {
                b"." => {}
                b".." => drop(at.pop()),
                _ => at.push(part),
            }
            at.starts_with(root)
        })
    }

    /// Returns true where it begins at the root of the file system, and so means another file on another machine.
    pub fn is_absolute(&self) -> bool {
        self.0[0] == b'/'
    }
}

impl fmt::Display for LinkText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printed(&self.0))
    }
}

/// That a version of a file is a symbolic link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// Where it lay.
    pub path: ArtifactPath,
    /// Its text.
    pub text: LinkText,
}

impl Link {
    /// Returns the version that it is.
    pub fn artifact(&self) -> Artifact {
        self.text.artifact(self.path.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_stays_below_a_folder_by_names_alone() {
        let check = |folder: &str, text: &str, expected: bool| {
            let text = LinkText::new(text.as_bytes().to_vec()).unwrap();
            assert_eq!(text.stays_below(Path::new("/w/m"), Path::new(folder)), expected, "{folder} {text}");
        };
        check("/w/m", "e2.pt", true);
        check("/w/m/a", "../b/c", true);
        check("/w/m/a", "./..", true);
        check("/w/m", "../m/c", false);
        check("/w/m", "..", false);
        check("/w/m/a", "../../x", false);
        check("/w/m", "/w/m/c", true);
        check("/w/m", "/w/mm/c", false);
        check("/w/m", "/etc/passwd", false);
        check("/w/m", "/w/m/../../etc", false);
    }

    #[test]
    fn what_no_link_can_have_as_its_text_is_refused() {
        for bytes in [&b""[..], b"a\0b", &[b'a'; 4096]] {
            assert!(LinkText::new(bytes.to_vec()).is_err());
        }
        assert_eq!(
            LinkText::new(vec![b'a'; 4095]).unwrap().artifact(ArtifactPath::new("l").unwrap()).size_bytes,
            4095
        );
    }
}
