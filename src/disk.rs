//! The one file layer: every byte of journal, contents and projections reaches the disk through here.
//!
//! One place, so that tests can put faults and crashes under all of them at once (see [`Faults`]).

mod kernel;
mod lock_file;
mod owner;
mod regular;
mod share;
#[cfg(test)]
pub(crate) mod tests;
mod together;

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

pub use kernel::kernel_is_at_least;
pub use lock_file::{LockFile, Locked};
pub use owner::{Owner, give_new_file, is_root, made_by_anybody, own_user};
pub use regular::{open_folder, open_own, open_regular, open_regular_with, read_regular, read_regular_text};
pub use share::SHARED_ALIGNMENT;
pub use together::{Staged, Together};

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
    /// Giving a file a further name.
    Link,
    /// Removing a file, or an empty folder.
    Remove,
    /// Forcing a folder's entries to the disk.
    SyncFolder,
    /// Letting a file share the bytes of another.
    Share,
}

/// Decides over faults; tests implement it.
pub trait Faults: Send + Sync {
    /// Is asked before each operation on `path` (a rename's or a link's target; `from` is its source): `Ok(n)` lets it happen, an append only up to its first `n` bytes, after which it fails
    /// with "no space left"; an error is returned instead of doing it.
    ///
    /// # Errors
    /// The fault.
    fn before(&self, operation: Operation, path: &Path, from: Option<&Path>) -> io::Result<usize>;
}

/// A way to the disk; cheap to clone.
#[derive(Clone, Default)]
pub struct Disk {
    faults: Option<Arc<dyn Faults>>,
    /// Whether no file takes a name that is taken.
    is_sparing: bool,
    /// Whether new files are left to whoever made them.
    is_ungiving: bool,
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
    #[cfg(test)]
    pub fn with_faults(faults: Arc<dyn Faults>) -> Self {
        Disk { faults: Some(faults), ..Disk::default() }
    }

    /// Returns the same disk, on which no file takes a name that is taken: for who has seen that nothing lies at a place, and is about
    /// to write there. `AlreadyExists` says that somebody was quicker.
    pub fn sparing(&self) -> Self {
        Disk { is_sparing: true, ..self.clone() }
    }

    fn ask(&self, operation: Operation, path: &Path) -> io::Result<usize> {
        match &self.faults {
            Some(faults) => faults.before(operation, path, None),
            None => Ok(usize::MAX),
        }
    }

    /// Makes a folder and those above it, so that they survive a crash; it is no error where it exists.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn create_folders(&self, path: &Path) -> io::Result<()> {
        self.create_all_folders([path])
    }

    /// Makes several folders as [`Disk::create_folders`] does, and forces each folder above them to the disk once.
    ///
    /// # Errors
    /// As the system gives them; some of the folders may have been made then.
    pub fn create_all_folders<'a>(&self, paths: impl IntoIterator<Item = &'a Path>) -> io::Result<()> {
        let mut above: BTreeSet<PathBuf> = BTreeSet::new();
        for path in paths {
            above.extend(self.make_folders(path)?);
        }
        // The deepest first.
        above.iter().rev().try_for_each(|folder| self.sync_folder(folder))
    }

    /// Makes a folder and those above it, and returns those that have a new entry by it, which the caller forces to the disk: a
    /// new folder is an entry of the one above it.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn make_folders(&self, path: &Path) -> io::Result<BTreeSet<PathBuf>> {
        if path.is_dir() {
            return Ok(BTreeSet::new());
        }
        let missing: Vec<&Path> = path.ancestors().take_while(|folder| !folder.is_dir()).collect();
        let above = missing.iter().filter_map(|folder| folder.parent().map(Path::to_owned)).collect();
        let owner = missing.last().and_then(|folder| Owner::of_entry(folder));
        self.ask(Operation::CreateFolders, path)?;
        fs::create_dir_all(path)?;
        if let Some(owner) = owner {
            missing.iter().for_each(|folder| owner.give(folder));
        }
        missing.iter().rev().for_each(|folder| owner::share_new_folder(folder));
        Ok(above)
    }

    /// Returns the same disk, whose new files belong to root where root makes them in the folder of somebody else: who makes them
    /// gives them away when it is known who may read what comes into them.
    #[must_use]
    pub fn ungiving(&self) -> Self {
        Disk { is_ungiving: true, ..self.clone() }
    }

    /// Gives a file that was made at `path` to whom its folder belongs.
    fn give(&self, file: &File, path: &Path) {
        if !self.is_ungiving {
            give_new_file(file, path);
        }
    }

    /// Makes a file that must not exist, for appending.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn create_new(&self, path: &Path) -> io::Result<DiskFile> {
        self.ask(Operation::Create, path)?;
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        self.give(&file, path);
        Ok(DiskFile { disk: self.clone(), file, path: path.to_owned(), length: 0 })
    }

    /// Makes a file for appending that others see under `path` only when `prepare` is through with it. An older file of that
    /// name is replaced. The caller forces the folder to the disk.
    ///
    /// # Errors
    /// As the system gives them; nothing is seen under `path` then that was not there before.
    pub fn create_prepared(
        &self,
        path: &Path,
        prepare: impl FnOnce(&mut DiskFile) -> io::Result<()>,
    ) -> io::Result<DiskFile> {
        let mut file = self.create_temporary(path)?;
        let made = prepare(&mut file).and_then(|()| file.move_to(path));
        if let Err(cause) = made {
            // The first error is the one that matters; nobody takes a leftover temporary file for anything else.
            let _ = file.remove();
            return Err(cause);
        }
        Ok(file)
    }

    /// Makes a file for appending beside `path`, under a name that nobody takes for one of their own.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn create_temporary(&self, path: &Path) -> io::Result<DiskFile> {
        self.create_new(&temporary_name(path))
    }

    /// Writes a whole file so that at every moment either the old or the new one is there, and the new one survives a crash:
    /// [`Disk::replace`], and the folder forced to the disk.
    ///
    /// # Errors
    /// As the system gives them; the old file, if there was one, is intact then.
    pub fn write_whole(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.write_whole_prepared(path, bytes, &|_| Ok(()))
    }

    /// Does what [`Disk::write_whole`] does with a file that `prepare` has seen while it was empty.
    ///
    /// # Errors
    /// As the system gives them, and those of `prepare`; the old file, if there was one, is intact then.
    pub fn write_whole_prepared(
        &self,
        path: &Path,
        bytes: &[u8],
        prepare: &dyn Fn(&File) -> io::Result<()>,
    ) -> io::Result<()> {
        let written = self.create_prepared(path, |file| {
            prepare(file.file())?;
            file.append(bytes)?;
            file.sync()
        });
        written?;
        self.sync_folder(path.parent().unwrap_or(Path::new(".")))
    }

    /// Writes a whole file so that at every moment either the old or the new one is there: a temporary file in the same
    /// folder, forced to the disk, renamed over. The caller forces the folder to the disk.
    ///
    /// # Errors
    /// As the system gives them; the old file, if there was one, is intact then.
    pub fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let replaced = self.create_prepared(path, |file| {
            file.append(bytes)?;
            file.sync()
        });
        replaced.map(drop)
    }

    /// Makes a symbolic link so that at every moment either what lay at `path`, which is no folder, or the link is there. The caller
    /// forces the folder to the disk.
    ///
    /// # Errors
    /// As the system gives them; what lay there is intact then.
    pub fn replace_with_link(&self, path: &Path, text: &Path) -> io::Result<()> {
        let temporary = temporary_name(path);
        self.ask(Operation::Create, &temporary)?;
        std::os::unix::fs::symlink(text, &temporary)?;
        if let Some(owner) = Owner::of_entry(&temporary) {
            owner.give(&temporary);
        }
        let renamed = self.rename(&temporary, path);
        if renamed.is_err() {
            // The first error is the one that matters; nobody takes a leftover temporary file for anything else.
            let _ = self.remove(&temporary);
        }
        renamed
    }

    /// Renames a file over another, but for a disk that is [`Disk::sparing`].
    ///
    /// # Errors
    /// As the system gives them.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if let Some(faults) = &self.faults {
            faults.before(Operation::Rename, to, Some(from))?;
        }
        if self.is_sparing { rename_sparing(from, to) } else { fs::rename(from, to) }
    }

    /// Exchanges two files or folders, so that at every moment each name leads to one of them.
    ///
    /// # Errors
    /// As the system gives them; `Unsupported` where system or file system cannot do it: nothing has happened then.
    pub fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        if let Some(faults) = &self.faults {
            faults.before(Operation::Rename, other, Some(one))?;
        }
        exchange(one, other)
    }

    /// Gives a file a further name, under which there must be none.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        if let Some(faults) = &self.faults {
            faults.before(Operation::Link, to, Some(from))?;
        }
        fs::hard_link(from, to)
    }

    /// Removes a file of our own.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        self.ask(Operation::Remove, path)?;
        fs::remove_file(path)
    }

    /// Removes a folder of our own, where it is empty.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.ask(Operation::Remove, path)?;
        fs::remove_dir(path)
    }

    /// Forces a folder's entries to the disk.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.ask(Operation::SyncFolder, folder)?;
        File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?.sync_all()
    }
}

fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    rename_with(Renaming::Exchange, one, other)
}

/// Renames a file, unless the name is taken.
fn rename_sparing(from: &Path, to: &Path) -> io::Result<()> {
    match rename_with(Renaming::Spare, from, to) {
        // A further name is given only where there is none; until the first is taken away, both lead to the file.
        Err(cause) if cause.kind() == io::ErrorKind::Unsupported => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        done => done,
    }
}

/// What a renaming does with what lies there.
#[derive(Debug, Clone, Copy)]
enum Renaming {
    Exchange,
    Spare,
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the standard library renames over what lies there, and no other way")]
fn rename_with(how: Renaming, from: &Path, to: &Path) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt as _;
    let text = |path: &Path| std::ffi::CString::new(path.as_os_str().as_bytes());
    let (from, to) = (text(from)?, text(to)?);
    let here = libc::AT_FDCWD;
    let flag = match how {
        Renaming::Exchange => libc::RENAME_EXCHANGE,
        Renaming::Spare => libc::RENAME_NOREPLACE,
    };
    // SAFETY: both are strings that end with a zero byte and live on.
    let done = unsafe { libc::renameat2(here, from.as_ptr(), here, to.as_ptr(), flag) };
    if done == 0 {
        return Ok(());
    }
    let cause = io::Error::last_os_error();
    match cause.raw_os_error() {
        Some(libc::EINVAL | libc::ENOSYS) => Err(io::ErrorKind::Unsupported.into()),
        _ => Err(cause),
    }
}

#[cfg(not(target_os = "linux"))]
fn rename_with(_: Renaming, _: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The front of the names of temporary files, which nobody mistakes for their own.
pub const TEMPORARY_PREFIX: &str = ".lineage-tmp-";

/// Returns a name beside `path` that no other process or thread takes.
pub fn temporary_name(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // Random bits of this process, so that two machines that share a folder do not clash.
    static RANDOM: LazyLock<u32> = LazyLock::new(|| {
        // Of no time: the machine's clock may say one that has no such id.
        uuid::Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, 0, 0)).as_u128() as u32
    });
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!("{TEMPORARY_PREFIX}{}-{count}-{:08x}", std::process::id(), *RANDOM))
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

    /// Returns a second way to the same file, so that it can be forced to the disk while this one is appended to.
    ///
    /// It is opened anew: Linux tells each opening of a file once what could not be written, and all copies of one descriptor
    /// together only once, so that of two that wait at the same time one would be told that all is well
    /// (`Documentation/filesystems/vfs.rst`, "Handling errors during writeback").
    ///
    /// # Errors
    /// As the system gives them.
    pub fn again(&self) -> io::Result<DiskFile> {
        let identity = |file: &File| file.metadata().map(|metadata| (metadata.dev(), metadata.ino()));
        let ours = identity(&self.file)?;
        let anew = File::open(&self.path).ok().filter(|file| identity(file).is_ok_and(|it| it == ours));
        // Somebody has removed or replaced it: what is written into it helps nobody any more.
        let file = anew.map_or_else(|| self.file.try_clone(), Ok)?;
        Ok(DiskFile { disk: self.disk.clone(), file, path: self.path.clone(), length: self.length })
    }

    /// Forces the bytes to the disk.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn sync(&mut self) -> io::Result<()> {
        self.disk.ask(Operation::Sync, &self.path)?;
        self.file.sync_data()
    }

    /// Gives the file another name in its folder; an older file of that name is replaced. The caller forces the folder to the disk.
    ///
    /// # Errors
    /// As the system gives them; the file keeps its name then.
    pub fn move_to(&mut self, path: &Path) -> io::Result<()> {
        self.disk.rename(&self.path, path)?;
        self.path = path.to_owned();
        Ok(())
    }

    /// Takes the file's name away.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn remove(&self) -> io::Result<()> {
        self.disk.remove(&self.path)
    }

    /// Forces the folder's entry for the file to the disk.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn sync_entry(&self) -> io::Result<()> {
        self.disk.sync_folder(self.path.parent().unwrap_or(Path::new(".")))
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
