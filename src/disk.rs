//! The one file layer: every byte of journal, contents and projections reaches the disk through here.
//!
//! One place, so that tests can put faults and crashes under all of them at once (see [`Faults`]).

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// An operation about to happen, as a fault injector sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Making folders.
    CreateFolders,
    /// Making a file that must not exist.
    Create,
    /// Appending so many bytes.
    Append(usize),
    /// Forcing a file to the disk.
    Sync,
    /// Cutting a file.
    Truncate,
    /// Renaming a file.
    Rename,
    /// Removing a file.
    Remove,
    /// Forcing a folder's entries to the disk.
    SyncFolder,
}

/// Decides over faults; tests implement it.
pub trait Faults: Send + Sync {
    /// Is asked before each operation: `Ok(n)` lets it happen, an append only up to its first `n` bytes, after which it fails
    /// with "no space left"; an error is returned instead of doing it.
    ///
    /// # Errors
    /// The fault.
    fn before(&self, operation: Operation, path: &Path) -> io::Result<usize>;
}

/// A way to the disk; cheap to clone.
#[derive(Clone, Default)]
pub struct Disk {
    faults: Option<Arc<dyn Faults>>,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.faults.is_some() { "Disk(with faults)" } else { "Disk" })
    }
}

impl Disk {
    /// Returns the plain disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a disk on which `faults` decides what goes wrong.
    pub fn with_faults(faults: Arc<dyn Faults>) -> Self {
        Disk { faults: Some(faults) }
    }

    fn ask(&self, operation: Operation, path: &Path) -> io::Result<usize> {
        match &self.faults {
            Some(faults) => faults.before(operation, path),
            None => Ok(usize::MAX),
        }
    }

    /// Makes a folder and those above it; it is no error where it exists.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn create_folders(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        self.ask(Operation::CreateFolders, path)?;
        fs::create_dir_all(path)
    }

    /// Makes a file that must not exist, for appending.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn create_new(&self, path: &Path) -> io::Result<DiskFile> {
        self.ask(Operation::Create, path)?;
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        Ok(DiskFile { disk: self.clone(), file, path: path.to_owned(), length: 0 })
    }

    /// Writes a whole file so that at every moment either the old or the new one is there, and the new one survives a crash:
    /// [`Disk::replace`], and the folder forced to the disk.
    ///
    /// # Errors
    /// As the system gives them; the old file, if there was one, is intact then.
    pub fn write_whole(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.replace(path, bytes)?;
        self.sync_folder(path.parent().unwrap_or(Path::new(".")))
    }

    /// Writes a whole file so that at every moment either the old or the new one is there: a temporary file in the same
    /// folder, forced to the disk, renamed over. The caller forces the folder to the disk.
    ///
    /// # Errors
    /// As the system gives them; the old file, if there was one, is intact then.
    pub fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let temporary = temporary_name(path);
        let written = self.write_then_rename(&temporary, path, bytes);
        if written.is_err() {
            // The first error is the one that matters; nobody takes a leftover temporary file for anything else.
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    fn write_then_rename(&self, temporary: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.create_new(temporary)?;
        file.append(bytes)?;
        file.sync()?;
        self.rename(temporary, path)
    }

    /// Renames a file over another.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.ask(Operation::Rename, to)?;
        fs::rename(from, to)
    }

    /// Removes a file of our own.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        self.ask(Operation::Remove, path)?;
        fs::remove_file(path)
    }

    /// Forces a folder's entries to the disk.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.ask(Operation::SyncFolder, folder)?;
        File::open(folder)?.sync_all()
    }
}

/// The front of the names of temporary files, which nobody mistakes for their own.
pub const TEMPORARY_PREFIX: &str = ".lineage-tmp-";

/// Returns a name beside `path` that no other process or thread takes.
fn temporary_name(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!("{TEMPORARY_PREFIX}{}-{count}-{:08x}", std::process::id(), uuid_tail()))
}

/// Random bits, so that two machines that share a folder do not clash.
fn uuid_tail() -> u32 {
    uuid::Uuid::now_v7().as_u128() as u32
}

/// A file of our own that is only ever appended to.
pub struct DiskFile {
    disk: Disk,
    file: File,
    path: PathBuf,
    length: u64,
}

impl DiskFile {
    /// Returns how many bytes were appended and not cut off again.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Returns where the file lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the open file, for its lock.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Appends all of `bytes`. After an error part of them may be there: [`DiskFile::truncate`] takes it away.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let allowed = self.disk.ask(Operation::Append(bytes.len()), &self.path)?;
        if allowed < bytes.len() {
            self.file.write_all(&bytes[..allowed])?;
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Forces the bytes to the disk.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn sync(&mut self) -> io::Result<()> {
        self.disk.ask(Operation::Sync, &self.path)?;
        self.file.sync_data()
    }

    /// Cuts the file to its first `length` bytes.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.disk.ask(Operation::Truncate, &self.path)?;
        self.file.set_len(length)?;
        self.length = length;
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Lets `countdown` operations happen, then stops everything: a crash, as far as files are concerned.
    ///
    /// What was appended and not synced by then is cut off when [`Crash::settle`] is called, as a power cut may do.
    pub(crate) struct Crash {
        countdown: Mutex<i64>,
        synced: Mutex<std::collections::HashMap<PathBuf, u64>>,
    }

    impl Crash {
        pub(crate) fn after(operations: i64) -> Arc<Self> {
            Arc::new(Crash { countdown: Mutex::new(operations), synced: Mutex::default() })
        }

        pub(crate) fn happened(&self) -> bool {
            *self.countdown.lock().unwrap() < 0
        }

        pub(crate) fn settle(&self) {
            for (path, length) in self.synced.lock().unwrap().iter() {
                if let Ok(file) = OpenOptions::new().write(true).open(path) {
                    file.set_len(*length).unwrap();
                }
            }
        }
    }

    impl Faults for Crash {
        fn before(&self, operation: Operation, path: &Path) -> io::Result<usize> {
            let mut left = self.countdown.lock().unwrap();
            *left -= 1;
            if *left < 0 {
                return match operation {
                    // The operation that the crash hits is done by half.
                    Operation::Append(length) if *left == -1 => Ok(length / 2),
                    _ => Err(io::Error::other("crashed")),
                };
            }
            let mut synced = self.synced.lock().unwrap();
            match operation {
                Operation::Create => {
                    synced.insert(path.to_owned(), 0);
                }
                Operation::Sync => {
                    let length = fs::metadata(path)?.len();
                    synced.insert(path.to_owned(), length);
                }
                _ => {}
            }
            Ok(usize::MAX)
        }
    }

    #[test]
    fn a_crash_at_any_operation_leaves_the_old_file_or_the_new_one() {
        for operations in 0..12 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("file");
            Disk::new().write_whole(&path, b"old").unwrap();
            let crash = Crash::after(operations);
            let outcome = Disk::with_faults(crash.clone()).write_whole(&path, b"new and longer");
            let found = fs::read(&path).unwrap();
            assert!(found == b"old" || found == b"new and longer", "{operations}: {found:?}");
            assert_eq!(outcome.is_err(), crash.happened(), "{operations}");
            if outcome.is_ok() {
                assert_eq!(found, b"new and longer");
            }
        }
    }
}
