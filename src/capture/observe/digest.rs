//! Digests of files, and their bytes where they are few and about to be lost.

use std::fmt;
use std::fs::File;
use std::io::{Error, ErrorKind, Read as _, Result, Seek as _};
use std::path::Path;

use super::stamp::{Look, Stamp};
use crate::digests;

pub(super) use crate::digests::open;

/// A BLAKE3 digest of some bytes, 32 bytes long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Returns the digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(*blake3::hash(bytes).as_bytes())
    }
}

impl fmt::Display for Digest {
    /// Writes 64 lower-case hexadecimal digits, without the name of the algorithm.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

/// Digest, the bytes themselves if they are few, and the stamp they had before and after being read.
pub(super) struct Read {
    pub(super) digest: Digest,
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    pub(super) bytes: Option<Vec<u8>>,
    pub(super) stamp: Stamp,
}

const ATTEMPTS: usize = 3;

/// Returns a path as system calls take it.
#[cfg(target_os = "linux")]
pub(super) fn c_path(path: &Path) -> Result<std::ffi::CString> {
    use std::os::unix::ffi::OsStrExt as _;
    std::ffi::CString::new(path.as_os_str().as_bytes()).map_err(|_| Error::from(ErrorKind::InvalidInput))
}

/// Looks at an open file.
#[cfg(target_os = "linux")]
pub(super) fn look_at(file: &File) -> Result<Look> {
    use std::os::fd::AsFd as _;
    super::sys::look(file.as_fd(), c"", true)
}

/// Looks at a name itself, not at what a link leads to.
#[cfg(target_os = "linux")]
pub(super) fn look(path: &Path) -> Result<Look> {
    super::sys::look(super::sys::here(), &c_path(path)?, false)
}

/// Looks at an open file.
#[cfg(not(target_os = "linux"))]
pub(super) fn look_at(file: &File) -> Result<Look> {
    file.metadata().map(|found| Look::of(&found))
}

/// Looks at a name itself, not at what a link leads to.
#[cfg(not(target_os = "linux"))]
pub(super) fn look(path: &Path) -> Result<Look> {
    std::fs::symlink_metadata(path).map(|found| Look::of(&found))
}

/// Returns the digest of a symbolic link's text.
pub(super) fn of_link(path: &Path) -> Option<Digest> {
    use std::os::unix::ffi::OsStrExt as _;
    std::fs::read_link(path).ok().map(|target| Digest::of(target.as_os_str().as_bytes()))
}

/// Reads `file` to its end; the bytes are kept if there are at most `keep_max`.
///
/// If the file changes while it is read it is read again, a few times; `Interrupted` if it does not rest.
pub(super) fn read(file: &File, keep_max: u64) -> Result<Read> {
    for _ in 0..ATTEMPTS {
        let before = Stamp::of(&file.metadata()?);
        if keep_max == 0 || before.size_bytes > keep_max {
            let found = digests::read(file)?;
            return Ok(Read { digest: Digest(*found.digest.as_bytes()), bytes: None, stamp: found.stamp });
        }
        let mut bytes = vec![];
        let mut from_start = file;
        from_start.rewind()?;
        from_start.take(keep_max + 1).read_to_end(&mut bytes)?;
        let stamp = Stamp::of(&file.metadata()?);
        if stamp == before && bytes.len() as u64 == stamp.size_bytes {
            return Ok(Read { digest: Digest::of(&bytes), bytes: Some(bytes), stamp });
        }
    }
    Err(Error::from(ErrorKind::Interrupted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_handed_out_if_they_are_few() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for (size, keep_max) in [(0, 0), (0, 1), (1, 1), (2, 1), (5_000_000, 1), (5_000_000, 6_000_000)] {
            let bytes: Vec<u8> = (0..size).map(|i: usize| ((i * i) >> 7) as u8).collect();
            std::fs::write(&path, &bytes).unwrap();
            let read = read(&open(&path).unwrap(), keep_max).unwrap();
            assert_eq!(read.digest, Digest::of(&bytes));
            assert_eq!(read.bytes.is_some(), keep_max > 0 && size as u64 <= keep_max);
        }
    }

    #[test]
    fn a_digest_is_written_as_hexadecimal_digits() {
        assert!(Digest::of(b"").to_string().starts_with("af1349b9f5f9a1a6a0404dea36dcc949"));
    }
}
