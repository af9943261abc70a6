//! Files that are there to be locked: whoever holds the lock of one may remove it, or put another in its place.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{give_new_file, open_own};

/// As often a file is opened again that others make and remove meanwhile.
const TRIES_MAX: u32 = 100;

/// A file whose lock is the right to do something; given up when dropped.
#[derive(Debug)]
pub struct LockFile {
    file: File,
    path: PathBuf,
}

/// What came of an attempt to lock a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locked {
    /// It is locked, and others find it locked.
    Ours,
    /// Somebody else holds its lock.
    ByOthers,
    /// It is locked, and is not what others find: it was removed since it was opened, or another lies there.
    Replaced,
}

impl LockFile {
    /// Opens a file that is there. A link is not followed: what it leads to is none of ours. It is opened to be written, since some
    /// file systems lock nothing else.
    ///
    /// # Errors
    /// As [`open_own`].
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::open_with(path, OpenOptions::new().read(true).write(true))
    }

    /// Opens a file that is there and may not be written, which on most file systems is enough to hold its lock.
    ///
    /// # Errors
    /// As [`open_own`].
    pub fn open_to_read(path: &Path) -> io::Result<Self> {
        Self::open_with(path, OpenOptions::new().read(true))
    }

    fn open_with(path: &Path, options: &mut OpenOptions) -> io::Result<Self> {
        Ok(LockFile { file: open_own(path, options)?, path: path.to_owned() })
    }

    /// Opens a file as [`LockFile::open`] does, which is made where it is missing.
    ///
    /// # Errors
    /// As [`open_own`].
    pub fn open_or_make(path: &Path) -> io::Result<Self> {
        for _ in 0..TRIES_MAX {
            match Self::open(path) {
                Err(cause) if cause.kind() == ErrorKind::NotFound => {}
                opened => return opened,
            }
            match OpenOptions::new().read(true).write(true).create_new(true).open(path) {
                // Somebody has made it just now.
                Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {}
                Err(cause) => return Err(cause),
                Ok(file) => {
                    give_new_file(&file, path);
                    return Ok(LockFile { file, path: path.to_owned() });
                }
            }
        }
        Err(io::Error::other("it comes and goes"))
    }

    /// Locks the file, if nobody else has.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn try_lock(&self) -> io::Result<Locked> {
        match self.file.try_lock() {
            Ok(()) if self.is_in_place() => Ok(Locked::Ours),
            Ok(()) => Ok(Locked::Replaced),
            Err(TryLockError::WouldBlock) => Ok(Locked::ByOthers),
            Err(TryLockError::Error(cause)) => Err(cause),
        }
    }

    /// Returns true where it is the file that others find at its path.
    fn is_in_place(&self) -> bool {
        let identity = |found: Metadata| (found.dev(), found.ino());
        let there = self.path.symlink_metadata().map(identity).ok();
        there.is_some() && there == self.file.metadata().map(identity).ok()
    }

    /// Returns the open file.
    pub fn file(&self) -> &File {
        &self.file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_worth_something_while_its_file_is_what_others_find() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert_eq!(LockFile::open(&path).unwrap_err().kind(), ErrorKind::NotFound);
        let first = LockFile::open_or_make(&path).unwrap();
        let second = LockFile::open_or_make(&path).unwrap();
        assert_eq!(first.try_lock().unwrap(), Locked::Ours);
        assert_eq!(second.try_lock().unwrap(), Locked::ByOthers);
        std::fs::remove_file(&path).unwrap();
        drop(first);
        // What other tests have forked just now holds the lock until it runs its program.
        while second.try_lock().unwrap() == Locked::ByOthers {
            std::thread::yield_now();
        }
        assert_eq!(second.try_lock().unwrap(), Locked::Replaced);
        let third = LockFile::open_or_make(&path).unwrap();
        assert_eq!(second.try_lock().unwrap(), Locked::Replaced);
        assert_eq!(third.try_lock().unwrap(), Locked::Ours);
    }

    #[test]
    fn no_link_is_followed_to_be_locked() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("lock"), folder.path().join("notes.txt"));
        std::os::unix::fs::symlink(&other, &path).unwrap();
        for _ in 0..2 {
            for open in [LockFile::open, LockFile::open_to_read, LockFile::open_or_make] {
                assert_eq!(open(&path).unwrap_err().kind(), ErrorKind::InvalidInput);
            }
            std::fs::write(&other, "mine").unwrap();
        }
    }
}
