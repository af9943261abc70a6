//! Digests of files: computed on all cores, and never twice while a file's identity, size and times are unchanged.

mod cache;
mod reading;
mod stamp;

use std::fs::{File, Metadata, OpenOptions};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use cache::Cache;
use stamp::Clocks;

use crate::model::Digest;

pub use crate::disk::kernel_is_at_least;
pub use stamp::{Stamp, device, kernel_time_ns};

/// How often a file that changes while it is read is read again.
const ATTEMPTS: usize = 3;

/// A way to digests of files that remembers them; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Digests {
    memory: Option<Arc<Memory>>,
    /// Whether what is remembered is believed.
    reads_all: bool,
}

#[derive(Debug)]
struct Memory {
    cache: Cache,
    clocks: OnceLock<Clocks>,
}

/// What was read of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Digest of its bytes.
    pub digest: Digest,
    /// Its stamp, the same before and after.
    pub stamp: Stamp,
}

impl Digests {
    /// Remembers nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Remembers in the file `cache`, which is made when there is something to remember and may be deleted at any time.
    pub fn remembered_in(cache: impl Into<PathBuf>) -> Self {
        let memory = Memory { cache: Cache::at(cache.into()), clocks: OnceLock::new() };
        Digests { memory: Some(Arc::new(memory)), reads_all: false }
    }

    /// Reads every file, whatever is remembered of it, and remembers what it finds.
    pub fn reading_all(&self) -> Self {
        Digests { reads_all: true, ..self.clone() }
    }

    /// Returns the digest of what lies at `path`, behind links if there are any.
    ///
    /// # Errors
    /// As the system gives them; `InvalidInput` for what is no regular file, since reading it may never end; `Interrupted`
    /// where it does not rest.
    pub fn of(&self, path: &Path) -> Result<Digest> {
        self.of_found(path, &path.metadata()?)
    }

    /// Returns the digest of what lies at `path`, of which the system has just said `metadata`.
    ///
    /// # Errors
    /// As [`Digests::of`].
    pub fn of_found(&self, path: &Path, metadata: &Metadata) -> Result<Digest> {
        self.found(path, metadata).map(|found| found.digest)
    }

    /// Returns digest and size of what lies at `path`, both of one moment: of a file that grows, they are of the same bytes.
    ///
    /// # Errors
    /// As [`Digests::of`].
    pub fn of_with_size(&self, path: &Path) -> Result<(Digest, u64)> {
        let found = self.found_at(path)?;
        Ok((found.digest, found.stamp.size_bytes))
    }

    /// Returns the digest of a file and the stamp that it has with these bytes.
    ///
    /// # Errors
    /// As [`Digests::of`].
    pub fn found_at(&self, path: &Path) -> Result<Found> {
        self.found(path, &path.metadata()?)
    }

    fn found(&self, path: &Path, metadata: &Metadata) -> Result<Found> {
        if metadata.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        if !metadata.is_file() {
            return Err(Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
        }
        let stamp = Stamp::of(metadata);
        if let Some(digest) = self.known(&stamp) {
            return Ok(Found { digest, stamp });
        }
        let at_ns = kernel_time_ns();
        let found = read(&open(path)?)?;
        self.learn(&found, at_ns);
        Ok(found)
    }

    /// Returns the digest of the file with this stamp, where it is remembered.
    pub fn known(&self, stamp: &Stamp) -> Option<Digest> {
        self.memory.as_ref().filter(|_| !self.reads_all)?.cache.get(stamp)
    }

    /// Remembers what was found by reading that began at `at_ns`, unless the file was changed so shortly before that it can
    /// have been changed again under the same stamp.
    pub fn learn(&self, found: &Found, at_ns: i64) {
        if let Some(memory) = &self.memory
            && memory.clocks.get_or_init(Clocks::of_system).is_settled(&found.stamp, at_ns)
        {
            memory.cache.put(&found.stamp, &found.digest, at_ns);
        }
    }
}

/// Opens a regular file for reading without waiting for anybody and, where allowed, without moving its times.
///
/// # Errors
/// As the system gives them; `InvalidInput` for what is no regular file.
pub fn open(path: &Path) -> Result<File> {
    let with = |flags| {
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        if file.metadata()?.is_file() { Ok(file) } else { Err(Error::from(ErrorKind::InvalidInput)) }
    };
    // It may be a pipe by now.
    let patient = libc::O_NONBLOCK | libc::O_NOCTTY;
    #[cfg(target_os = "linux")]
    match with(patient | libc::O_NOATIME) {
        // Only a file's owner may leave its times alone.
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => {}
        result => return result,
    }
    with(patient)
}

/// Reads an open file to its end, on all cores if it is large. If it changes meanwhile it is read again, a few times.
///
/// # Errors
/// As the system gives them; `InvalidInput` for what is no regular file; `Interrupted` if it does not rest.
pub fn read(file: &File) -> Result<Found> {
    for _ in 0..ATTEMPTS {
        let before = file.metadata()?;
        if !before.is_file() {
            return Err(ErrorKind::InvalidInput.into());
        }
        let mut digest = reading::of_size(file, before.len());
        let stamp = Stamp::of(&file.metadata()?);
        if is_interrupted(&digest) && stamp == Stamp::of(&before) {
            // The kernel's own files have no size, or one that says nothing.
            digest = reading::of_stream(file);
        }
        match digest {
            Ok(digest) if stamp == Stamp::of(&before) => return Ok(Found { digest, stamp }),
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
    }
    Err(ErrorKind::Interrupted.into())
}

fn is_interrupted<T>(result: &Result<T>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf, Digests) {
        let folder = tempfile::tempdir().unwrap();
        let digests = Digests::remembered_in(folder.path().join("digests"));
        let file = folder.path().join("file");
        std::fs::write(&file, "one").unwrap();
        (folder, file, digests)
    }

    /// Puts a wrong digest in the memory, so that it is seen whether it is asked.
    fn mislead(digests: &Digests, file: &Path) {
        let stamp = Stamp::of(&file.metadata().unwrap());
        digests.memory.as_ref().unwrap().cache.put(&stamp, &Digest::of(b"wrong"), kernel_time_ns());
    }

    #[test]
    fn an_unchanged_file_is_not_read_again_and_a_changed_one_is() {
        let (_folder, file, digests) = place();
        assert_eq!(digests.of(&file).unwrap(), Digest::of(b"one"));
        mislead(&digests, &file);
        assert_eq!(digests.of(&file).unwrap(), Digest::of(b"wrong"));
        assert_eq!(digests.reading_all().of(&file).unwrap(), Digest::of(b"one"));
        mislead(&digests, &file);
        // Same size, same time of last change: the other time, which no program can set, tells.
        let times = File::open(&file).unwrap().metadata().unwrap().modified().unwrap();
        std::fs::write(&file, "two").unwrap();
        File::options().write(true).open(&file).unwrap().set_modified(times).unwrap();
        assert_eq!(digests.of(&file).unwrap(), Digest::of(b"two"));
    }

    #[test]
    fn a_file_changed_just_before_it_was_read_is_not_remembered() {
        let (_folder, file, digests) = place();
        let found = read(&open(&file).unwrap()).unwrap();
        digests.learn(&found, found.stamp.ctime_ns - 1);
        assert_eq!(digests.known(&found.stamp), None);
    }

    #[test]
    fn what_is_no_file_is_refused_without_waiting() {
        let (folder, _, digests) = place();
        assert_eq!(digests.of(folder.path()).unwrap_err().kind(), ErrorKind::IsADirectory);
        assert_eq!(digests.of(Path::new("/dev/zero")).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(digests.of(&folder.path().join("none")).unwrap_err().kind(), ErrorKind::NotFound);
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
        assert_eq!(digests.of(&folder.path().join("socket")).unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn files_that_lie_about_their_size_are_read_to_their_end() {
        let version = std::fs::read("/proc/version").unwrap();
        assert_eq!(Digests::new().of(Path::new("/proc/version")).unwrap(), Digest::of(&version));
        let path = Path::new("/sys/kernel/mm/transparent_hugepage/enabled");
        if let Ok(bytes) = std::fs::read(path) {
            assert_eq!(Digests::new().of(path).unwrap(), Digest::of(&bytes));
        }
    }
}
