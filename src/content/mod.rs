//! Kept bytes, addressed by digest, compressed, verified on every read.
//!
//! ```text
//! objects/ab/cdef…    magic "LINEAGEO" | format:u8 | codec:u8 | size:u64 little-endian | body
//! ```
//! The name is the BLAKE3 digest of the bytes as they were given, not as they are stored. Codec 0 keeps them as they are,
//! codec 1 is one zstd frame. Codec 2 keeps them as they are from byte 4096 on, so that a file system that can lets them share
//! their place on the disk with the file they came from, and with the one they are restored to. Contents that are written at one
//! time may share a file, see [`Group`].

mod access;
mod encoding;
mod group;
mod shared;
mod streams;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::disk::{Disk, Owner, Staged, Together, open_regular};
use crate::error::{Error, Result};
use crate::model::Digest;

use access::close_folder;
use encoding::encoded;

pub use access::Access;
pub use group::Group;
pub use shared::{SHARED_MIN_BYTES, Sharing};
pub use streams::{NotCopied, STREAMED_MIN_BYTES, copy_hashed, write_checked};

/// The ending of a content that is taken aside to be removed.
const ASIDE_ENDING: &str = "aside";

/// The kept contents of a workspace.
#[derive(Debug, Clone)]
pub struct Contents {
    disk: Disk,
    folder: PathBuf,
    /// Set when the folder is there and closed: whom to give what is made in it.
    closed: Arc<OnceLock<Option<Owner>>>,
}

/// A content, or a group of them, that is written and does not count yet.
#[derive(Debug)]
pub struct StagedContent {
    file: Staged,
    size_bytes: usize,
}

impl StagedContent {
    /// Returns its file, to be forced to the disk together with others.
    pub fn file(&mut self) -> &mut Staged {
        &mut self.file
    }
}

/// A kept content that is not what its name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The content that it should be.
    pub digest: Digest,
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: String,
}

/// What reading all kept contents came to.
#[derive(Debug)]
pub struct Verified {
    /// How many were read.
    pub count: u64,
    /// Those that are damaged.
    pub damaged: Vec<Damage>,
    /// Files that are no kept contents.
    pub strangers: Vec<PathBuf>,
    /// Why some could not even be looked for.
    pub unreadable: Vec<Error>,
}

impl Contents {
    /// Names the contents kept in `folder`.
    pub fn at(disk: Disk, folder: impl Into<PathBuf>) -> Self {
        Contents { disk, folder: folder.into(), closed: Arc::default() }
    }

    /// Returns the same contents, which are written to files by way of `disk`.
    pub fn by_way_of(&self, disk: &Disk) -> Self {
        Contents { disk: disk.clone(), ..self.clone() }
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.folder.join(&hex[..2]).join(&hex[2..])
    }

    /// Returns the file that a content of this digest is kept in, whether it is there or not.
    pub fn file(&self, digest: &Digest) -> PathBuf {
        self.path(digest)
    }

    /// Returns true where a content of this digest is kept; whether it is whole, only reading tells.
    pub fn holds(&self, digest: &Digest) -> bool {
        self.path(digest).is_file()
    }

    /// Opens the file that a content is kept in; where whoever was about to remove it was killed, or is at it, it lies aside.
    fn open(&self, digest: &Digest) -> io::Result<fs::File> {
        let path = self.path(digest);
        let is_missing = |cause: &io::Error| cause.kind() == io::ErrorKind::NotFound;
        match open_regular(&path) {
            Err(cause) if is_missing(&cause) => match open_regular(&path.with_extension(ASIDE_ENDING)) {
                // It was put back between the two.
                Err(cause) if is_missing(&cause) => open_regular(&path),
                opened => opened,
            },
            opened => opened,
        }
    }

    /// Returns true where it is kept and is not hidden from us, nor from whom the file at `place` in a workspace at `root` is open
    /// to, and sees to it that it stays where it is ours; whether it is whole, only reading tells.
    pub fn holds_for(&self, digest: &Digest, root: &Path, place: &Path) -> bool {
        let Ok(file) = open_regular(&self.path(digest)) else { return false };
        // What belongs to another member of the group cannot be marked.
        let _ = mark(&file);
        let is_closed = file.metadata().is_ok_and(|kept| Access::of_path_is_wider_than(root, place, &kept));
        !is_closed && self.holds(digest)
    }

    /// Returns true where it may be kept and is hidden from us: it is another's, or the whole folder is.
    pub fn hides(&self, digest: &Digest) -> bool {
        is_hidden(&self.path(digest))
    }

    /// Returns who may read a kept content, and whether it is executed.
    pub fn access(&self, digest: &Digest) -> Access {
        Access::of_path(&self.folder, &self.path(digest))
    }

    /// Keeps `bytes` that are no secret of anybody who works here; on return they survive a crash. What is kept already and whole
    /// is not written again.
    ///
    /// # Errors
    /// A store error where the disk does not take them; nothing else is harmed then.
    pub fn keep(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        self.keep_as(&digest, bytes, Access::ALL)?;
        Ok(digest)
    }

    /// Keeps `bytes` that the file at `place` holds, in a workspace at `root`, for those who can read it there.
    ///
    /// # Errors
    /// As [`Contents::keep`].
    pub fn keep_file(&self, root: &Path, place: &Path, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        self.keep_as(&digest, bytes, Access::of_path(root, place))?;
        Ok(digest)
    }

    /// Keeps `bytes` whose digest the caller has computed already, for whom `access` says.
    ///
    /// # Errors
    /// As [`Contents::keep`].
    pub fn keep_as(&self, digest: &Digest, bytes: &[u8], access: Access) -> Result<()> {
        let together = Together::new(&self.disk);
        match self.stage(&together, digest, bytes, access)? {
            Some(mut staged) => {
                together.sync(vec![staged.file()]);
                self.publish(&together, vec![staged]).into_iter().collect()
            }
            None => Ok(()),
        }
    }

    /// Writes `bytes`, compressed, so that they can be kept together with others: they are when their file was forced to the disk and
    /// [`Contents::publish`] has returned. `None` where they are kept already, whole and for all whom `access` names.
    ///
    /// # Errors
    /// A store error where the disk does not take them; nothing else is harmed then.
    pub fn stage(
        &self,
        together: &Together,
        digest: &Digest,
        bytes: &[u8],
        access: Access,
    ) -> Result<Option<StagedContent>> {
        let path = self.path(digest);
        let failed = |cause| not_kept(bytes.len(), &path, cause);
        let owner = self.close().map_err(failed)?;
        if self.is_kept(digest, access) {
            return Ok(None);
        }
        let access = self.access_of_new(digest, access);
        let prepare = |file: &fs::File| self.prepare(file, &path, access, owner);
        let staged = encoded(bytes, |stored| together.stage_prepared(&path, stored, &prepare));
        let file = staged.map_err(failed)?;
        Ok(Some(StagedContent { file, size_bytes: bytes.len() }))
    }

    /// Returns true where a content is kept for all whom `access` names, and whole, and sees to it that it stays.
    pub fn is_kept(&self, digest: &Digest, access: Access) -> bool {
        let path = self.path(digest);
        // A stored copy is never trusted unread: a damaged one is written again.
        if !path.is_file() || !self.check(digest).is_ok_and(|kept| kept.is_some()) {
            return false;
        }
        let marked = open_regular(&path).and_then(|file| mark(&file).and_then(|()| file.metadata()));
        // What belongs to another member of the group cannot be marked, and is written again. So is what was kept for fewer: a file
        // may hold several contents, for which it cannot be opened one by one.
        marked.is_ok_and(|kept| !access.is_wider_than(&kept)) && path.is_file()
    }

    /// Makes the folder and closes it, once; returns whom to give what is made in it.
    fn close(&self) -> io::Result<Option<Owner>> {
        if let Some(owner) = self.closed.get() {
            return Ok(*owner);
        }
        self.disk.create_folders(&self.folder)?;
        let above = self.folder.parent().unwrap_or(Path::new(".")).metadata()?;
        let owner = Owner::to_give_to(&above);
        close_folder(&self.folder, &above, owner)?;
        Ok(*self.closed.get_or_init(|| owner))
    }

    /// Returns the access to a content that is written now. What is kept for some already is no secret of theirs any more where
    /// others have the same bytes: all of them can read it then.
    pub fn access_of_new(&self, digest: &Digest, access: Access) -> Access {
        match open_regular(&self.path(digest)).and_then(|kept| kept.metadata()) {
            Ok(kept) => access.and_of(&kept),
            // Another member of the group keeps it for themselves.
            Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied => Access::ALL,
            Err(_) => access,
        }
    }

    /// Gives the new file for a content, meant for `path`, its access, and its owner, where they may read what the content comes
    /// from: what root alone reads stays root's.
    fn prepare(&self, file: &fs::File, path: &Path, access: Access, owner: Option<Owner>) -> io::Result<()> {
        if let (Some(owner), Some(folder)) = (owner, path.parent()) {
            owner.give(folder);
            if access.lets(owner) {
                owner.give_file(file);
            }
        }
        access.apply(file)
    }

    /// Gives contents whose files were forced to the disk their names; returns what became of each, in order. On return, those
    /// without an error survive a crash.
    pub fn publish(&self, together: &Together, staged: Vec<StagedContent>) -> Vec<Result<()>> {
        let publish = |StagedContent { file, size_bytes }: StagedContent| {
            let paths: Vec<PathBuf> = file.paths().map(Path::to_owned).collect();
            match together.publish(file) {
                Ok(()) => Ok((paths, size_bytes)),
                Err(cause) => Err(not_kept(size_bytes, &paths[0], cause)),
            }
        };
        let published: Vec<Result<(Vec<PathBuf>, usize)>> = staged.into_iter().map(publish).collect();
        let unsure = together.sync_folders();
        let results = published.into_iter().map(|published| {
            let (paths, size_bytes) = published?;
            let of_path =
                |path: &PathBuf| unsure.iter().find(|(folder, _)| path.starts_with(folder)).map(|(_, c)| c);
            match paths.iter().find_map(|path| Some((path, of_path(path)?))) {
                Some((path, cause)) => {
                    Err(not_kept(size_bytes, path, io::Error::new(cause.kind(), cause.to_string())))
                }
                None => Ok(()),
            }
        });
        results.collect()
    }

    /// Reads a kept content into memory and checks it against its digest; `None` where it is not kept. Of what may be large,
    /// [`Contents::copy`] holds no more than a part.
    ///
    /// # Errors
    /// A store error where the copy is damaged: it is never handed out.
    pub fn read(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        let mut bytes = InMemory(Vec::new());
        match self.copy(digest, &mut bytes) {
            Ok(kept) => Ok(kept.map(|_| bytes.0)),
            Err(NotCopied::Kept(error)) => Err(error),
            Err(NotCopied::Target(cause)) => Err(Error::store("a kept content has no room").because(cause)),
        }
    }

    /// Removes a kept content that was last wanted at `wanted`; false where somebody has wanted it since, and it stays.
    ///
    /// # Errors
    /// As the system gives them; the content stays then.
    pub fn remove(&self, digest: &Digest, wanted: std::time::SystemTime) -> io::Result<bool> {
        let path = self.path(digest);
        let aside = path.with_extension(ASIDE_ENDING);
        // Whoever wants it from here on does not find it, and writes it again; whoever did before has left a later time.
        self.disk.rename(&path, &aside)?;
        if fs::metadata(&aside)?.modified()? == wanted {
            return self.disk.remove(&aside).map(|()| true);
        }
        self.disk.rename(&aside, &path).map(|()| false)
    }

    /// Puts back what [`Contents::remove`] had taken aside when it was killed. To be called by whoever lets contents go, who are
    /// alone.
    ///
    /// # Errors
    /// A store error where the folder cannot be read.
    pub fn put_back(&self) -> Result<()> {
        for aside in
            self.list()?.1.into_iter().filter(|path| path.extension().is_some_and(|e| e == ASIDE_ENDING))
        {
            let path = aside.with_extension("");
            // One that was written again stays as it is.
            let _ = if path.exists() { self.disk.remove(&aside) } else { self.disk.rename(&aside, &path) };
        }
        Ok(())
    }

    /// Lists the digests of all kept contents, and the files that are none.
    ///
    /// # Errors
    /// A store error where the folder cannot be read.
    pub fn list(&self) -> Result<(Vec<Digest>, Vec<PathBuf>)> {
        self.list_but(&mut Err)
    }

    /// Lists what [`Contents::list`] does; what cannot be read of it is given to `unreadable`.
    fn list_but(
        &self,
        unreadable: &mut dyn FnMut(Error) -> Result<()>,
    ) -> Result<(Vec<Digest>, Vec<PathBuf>)> {
        let (mut digests, mut strangers) = (Vec::new(), Vec::new());
        for folder in entries(&self.folder)? {
            if !folder.is_dir() {
                strangers.push(folder);
                continue;
            }
            let files = match entries(&folder) {
                Ok(files) => files,
                Err(error) => {
                    unreadable(error)?;
                    continue;
                }
            };
            for file in files {
                match digest_of_path(&file) {
                    Some(digest) => digests.push(digest),
                    None => strangers.push(file),
                }
            }
        }
        digests.sort();
        strangers.sort();
        Ok((digests, strangers))
    }

    /// Reads every kept content that is not hidden from us, on all cores.
    ///
    /// # Errors
    /// A store error where the folder cannot be read.
    pub fn verify(&self) -> Result<Verified> {
        use rayon::prelude::*;
        let mut unreadable = Vec::new();
        let (mut digests, strangers) = self.list_but(&mut |error| {
            unreadable.push(error);
            Ok(())
        })?;
        digests.retain(|digest| !self.hides(digest));
        let files = self.by_file(&digests);
        let damage = files.into_par_iter().flat_map_iter(|digests| self.damage_in(&digests));
        let mut damaged: Vec<Damage> = damage.collect();
        damaged.sort_by_key(|damage| damage.digest);
        Ok(Verified { count: digests.len() as u64, damaged, strangers, unreadable })
    }

    /// Puts contents together that lie in one file.
    fn by_file(&self, digests: &[Digest]) -> Vec<Vec<Digest>> {
        let mut alone = Vec::new();
        let mut groups: HashMap<(u64, u64), Vec<Digest>> = HashMap::new();
        for digest in digests {
            match fs::symlink_metadata(self.path(digest)) {
                Ok(found) if found.is_file() && found.nlink() > 1 => {
                    groups.entry((found.dev(), found.ino())).or_default().push(*digest);
                }
                _ => alone.push(vec![*digest]),
            }
        }
        alone.extend(groups.into_values());
        alone
    }

    /// Checks contents that lie in one file, which is read once if it is that of a group.
    fn damage_in(&self, digests: &[Digest]) -> Vec<Damage> {
        let stored = digests.first().filter(|_| digests.len() > 1).and_then(|first| self.group_of(first));
        let check = |digest: &Digest| match &stored {
            Some(stored) => group::check(stored, digest),
            None => self
                .check(digest)
                .map(|_| ())
                .map_err(|error| error.causes().first().cloned().unwrap_or_else(|| error.in_full())),
        };
        let damage = digests.iter().filter_map(|digest| {
            let fault = check(digest).err()?;
            Some(Damage { digest: *digest, path: self.path(digest), fault })
        });
        damage.collect()
    }
}

/// Bytes in memory, as many as it takes.
struct InMemory(Vec<u8>);

impl io::Write for InMemory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_reserve(bytes.len())?;
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lets whoever lets old contents go see that this one is wanted again. They take it aside before they look a last time: where it is
/// still there behind this, they will see it.
fn mark(file: &fs::File) -> io::Result<()> {
    file.set_modified(std::time::SystemTime::now())
}

fn is_hidden(path: &Path) -> bool {
    open_regular(path).is_err_and(|cause| cause.kind() == io::ErrorKind::PermissionDenied)
}

fn not_kept(size_bytes: usize, path: &Path, cause: io::Error) -> Error {
    Error::store(format!("cannot keep a content of {size_bytes} bytes at `{}`", path.display()))
        .because(cause)
        .hint("what was recorded before is not harmed")
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |cause| Error::store(format!("cannot read `{}`", folder.display())).because(cause);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(failed(cause)),
    };
    entries.map(|entry| Ok(entry.map_err(failed)?.path())).collect()
}

fn digest_of_path(path: &Path) -> Option<Digest> {
    let folder = path.parent()?.file_name()?.to_str()?;
    format!("blake3:{folder}{}", path.file_name()?.to_str()?).parse().ok()
}
