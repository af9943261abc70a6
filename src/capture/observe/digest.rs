//! Digests of files: read, never mapped, so that a file that shrinks meanwhile cannot end this process.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::stamp::{Look, Stamp};

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

const BLOCK_BYTES: usize = 4 << 20;
/// Up to here one core is done before others could help.
const SMALL_BYTES: u64 = 1 << 20;
const ATTEMPTS: usize = 3;

/// Returns a path as system calls take it.
#[cfg(target_os = "linux")]
pub(super) fn c_path(path: &Path) -> Result<std::ffi::CString> {
    use std::os::unix::ffi::OsStrExt as _;
    std::ffi::CString::new(path.as_os_str().as_bytes()).map_err(|_| Error::from(ErrorKind::InvalidInput))
}

/// Opens a regular file for reading without waiting for anybody and, where allowed, without moving its times.
pub(super) fn open(path: &Path) -> Result<File> {
    let with = |flags| OpenOptions::new().read(true).custom_flags(flags).open(path);
    let patient = libc::O_NONBLOCK | libc::O_NOCTTY;
    #[cfg(target_os = "linux")]
    match with(patient | libc::O_NOATIME) {
        // Only a file's owner may leave its times alone.
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => {}
        result => return result,
    }
    with(patient)
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
        let before = look_at(file)?;
        if !before.is_regular() {
            return Err(Error::from(ErrorKind::InvalidInput));
        }
        let (digest, bytes) = if before.size <= SMALL_BYTES.max(keep_max) {
            let bytes = read_whole(file, before.size)?;
            (Digest::of(&bytes), (bytes.len() as u64 <= keep_max).then_some(bytes))
        } else {
            (read_blocks(file)?, None)
        };
        let after = look_at(file)?;
        if before.stamp() == after.stamp() {
            return Ok(Read { digest, bytes, stamp: after.stamp() });
        }
    }
    Err(Error::from(ErrorKind::Interrupted))
}

fn read_whole(file: &File, size: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(size).map_err(|_| Error::from(ErrorKind::OutOfMemory))?];
    let read = fill(file, &mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Reads one block while the one before is hashed on all cores.
fn read_blocks(file: &File) -> Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    let (mut now, mut next) = (vec![0_u8; BLOCK_BYTES], vec![0_u8; BLOCK_BYTES]);
    let mut length = fill(file, &mut now, 0)?;
    let mut offset = length as u64;
    while length > 0 {
        let (read, ()) = rayon::join(
            || fill(file, &mut next, offset),
            || {
                hasher.update_rayon(&now[..length]);
            },
        );
        length = read?;
        offset += length as u64;
        std::mem::swap(&mut now, &mut next);
    }
    Ok(Digest(*hasher.finalize().as_bytes()))
}

/// Reads until the room is full or the file ends.
fn fill(file: &File, room: &mut [u8], offset: u64) -> Result<usize> {
    let mut done = 0;
    while done < room.len() {
        match file.read_at(&mut room[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_has_the_digest_of_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        for size in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, 2 * BLOCK_BYTES + 77] {
            let bytes: Vec<u8> = (0..size).map(|i| ((i * i) >> 7) as u8).collect();
            std::fs::write(&path, &bytes).unwrap();
            let read = read(&open(&path).unwrap(), 1).unwrap();
            assert_eq!(read.digest, Digest::of(&bytes));
            assert_eq!(read.bytes.is_some(), size <= 1);
        }
    }

    #[test]
    fn a_digest_is_written_as_hexadecimal_digits() {
        assert!(Digest::of(b"").to_string().starts_with("af1349b9f5f9a1a6a0404dea36dcc949"));
    }
}
