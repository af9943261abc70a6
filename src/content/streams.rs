//! Contents read and kept part by part: however large one is, no more than a part of it is in memory.

use std::fs;
use std::io::{self, Read, Seek as _, Write};
use std::path::Path;

use super::encoding::{HEADER_BYTES, OTHER_DIGEST, decoder, encoder, header_zstd};
use super::{Access, Contents, not_kept};
use crate::disk::{Disk, DiskFile, open_regular};
use crate::error::{Error, Result};
use crate::model::Digest;

/// So much is in memory at once.
const PART_BYTES: usize = 128 << 10;

/// Files from this size on are kept part by part.
pub const STREAMED_MIN_BYTES: u64 = 16 << 20;

/// Why a kept content was not handed on.
#[derive(Debug)]
pub enum NotCopied {
    /// The kept copy cannot be read, or is damaged.
    Kept(Error),
    /// Where it was to go did not take it.
    Target(io::Error),
}

impl Contents {
    /// Hands a kept content to `target`, part by part, and returns its size; `None` where it is not kept.
    ///
    /// Whether it is what its name says is known at its end only: what `target` was given before counts for nothing where this
    /// returns an error.
    ///
    /// # Errors
    /// What went wrong, and on which side.
    pub fn copy(&self, digest: &Digest, target: &mut dyn Write) -> Result<Option<u64>, NotCopied> {
        let path = self.path(digest);
        let unreadable = |cause: io::Error| {
            NotCopied::Kept(
                Error::store(format!("cannot read the kept content `{}`", path.display())).because(cause),
            )
        };
        let damaged = |fault: String| {
            NotCopied::Kept(
                Error::store(format!("the kept content `{}` is damaged", path.display()))
                    .because(fault)
                    .hint("it is not used; `lineage verify` lists all that is damaged"),
            )
        };
        let file = match self.open(digest) {
            Ok(file) => file,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(unreadable(cause)),
        };
        let length = file.metadata().map_err(unreadable)?.len();
        // A small one is read at once.
        let part = usize::try_from(length).unwrap_or(PART_BYTES).clamp(HEADER_BYTES, PART_BYTES);
        let mut stored = io::BufReader::with_capacity(part, file);
        let (size, mut bytes) = decoder(&mut stored, digest).map_err(damaged)?;
        let mut hasher = blake3::Hasher::new();
        let mut part = vec![0; part.max(usize::try_from(size).unwrap_or(PART_BYTES).min(PART_BYTES))];
        loop {
            let count = match bytes.read(&mut part) {
                Ok(0) => break,
                Ok(count) => count,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                Err(cause) => return Err(damaged(cause.to_string())),
            };
            hasher.update(&part[..count]);
            if hasher.count() > size {
                break;
            }
            target.write_all(&part[..count]).map_err(NotCopied::Target)?;
        }
        if hasher.count() != size {
            let held = if hasher.count() > size { "more".to_owned() } else { hasher.count().to_string() };
            return Err(damaged(format!("it holds {held} bytes instead of {size}")));
        }
        if Digest::from_bytes(*hasher.finalize().as_bytes()) != *digest {
            return Err(damaged(OTHER_DIGEST.to_owned()));
        }
        Ok(Some(size))
    }

    /// Reads a kept content in full, holds it against its digest and returns its size; `None` where it is not kept.
    ///
    /// # Errors
    /// A store error where the copy is damaged.
    pub fn check(&self, digest: &Digest) -> Result<Option<u64>> {
        self.copy(digest, &mut io::sink()).map_err(|fault| match fault {
            NotCopied::Kept(error) => error,
            NotCopied::Target(cause) => Error::bug(format!("nothing cannot be written to: {cause}")),
        })
    }

    /// Writes a kept content to `place`, into a file that `prepare` has seen while it was empty, and that takes its name when it
    /// was found to be right; false where it is not kept. On return, the file survives a crash.
    ///
    /// # Errors
    /// What went wrong, and on which side; what lay at `place` is as it was then.
    pub fn write(
        &self,
        digest: &Digest,
        place: &Path,
        prepare: &dyn Fn(&fs::File) -> io::Result<()>,
    ) -> Result<bool, NotCopied> {
        let folder = place.parent().unwrap_or(Path::new("."));
        match self.write_shared(digest, place, prepare) {
            Ok(true) => return self.disk.sync_folder(folder).map(|()| true).map_err(NotCopied::Target),
            // Where it is damaged, that is found below, and said in its words.
            Ok(false) => {}
            Err(cause) if cause.kind() == io::ErrorKind::InvalidData => {}
            Err(cause) => return Err(NotCopied::Target(cause)),
        }
        let mut fault = None;
        let written = self.disk.create_prepared(place, |file| {
            prepare(file.file())?;
            match self.copy(digest, &mut Appending(file)) {
                Ok(Some(_)) => file.sync(),
                Ok(None) => Err(io::ErrorKind::NotFound.into()),
                Err(NotCopied::Target(cause)) => Err(cause),
                Err(NotCopied::Kept(error)) => {
                    fault = Some(error);
                    Err(io::ErrorKind::InvalidData.into())
                }
            }
        });
        match (written, fault) {
            (_, Some(error)) => Err(NotCopied::Kept(error)),
            (Err(cause), None) if cause.kind() == io::ErrorKind::NotFound && !self.holds(digest) => Ok(false),
            (Err(cause), None) => Err(NotCopied::Target(cause)),
            (Ok(_), None) => self.disk.sync_folder(folder).map(|()| true).map_err(NotCopied::Target),
        }
    }

    /// Keeps what `other` keeps, part by part; returns its size, `None` where that keeps it no more. On return, it survives a crash.
    ///
    /// # Errors
    /// What went wrong, and on which side; nothing is kept then.
    pub fn keep_from(&self, other: &Contents, digest: &Digest) -> Result<Option<u64>, NotCopied> {
        let Some(size) = other.check(digest).map_err(NotCopied::Kept)? else { return Ok(None) };
        let mut fault = None;
        let kept = self.keep_parts(digest, size, other.access(digest), &mut |target| match other
            .copy(digest, target)
        {
            Ok(Some(_)) => Ok(true),
            Ok(None) => Ok(false),
            Err(NotCopied::Target(cause)) => Err(cause),
            Err(NotCopied::Kept(error)) => {
                fault = Some(error);
                Ok(false)
            }
        });
        match (kept, fault) {
            (_, Some(error)) => Err(NotCopied::Kept(error)),
            (Err(cause), None) => Err(NotCopied::Target(cause)),
            (Ok(kept), None) => Ok(kept.then_some(size)),
        }
    }

    /// Keeps the `size_bytes` that an open file holds from where it is read, part by part, for whom `access` says; false where it
    /// holds other bytes than `digest` says, and nothing was kept. On return, they survive a crash.
    ///
    /// # Errors
    /// A store error where the disk does not take them; nothing else is harmed then.
    pub fn keep_stream(
        &self,
        digest: &Digest,
        source: &mut dyn Read,
        size_bytes: u64,
        access: Access,
    ) -> Result<bool> {
        let kept = self.keep_parts(digest, size_bytes, access, &mut |target| {
            Ok(copy_hashed(source, target)? == (*digest, size_bytes))
        });
        kept.map_err(|cause| {
            not_kept(usize::try_from(size_bytes).unwrap_or(usize::MAX), &self.path(digest), cause)
        })
    }

    /// Keeps what the file at `place` holds, in a workspace at `root`, for those who can read it there; returns digest and size.
    /// On return, it survives a crash.
    ///
    /// # Errors
    /// A store error where it cannot be read, changes meanwhile, or the disk does not take it.
    pub fn keep_place(&self, root: &Path, place: &Path) -> Result<(Digest, u64)> {
        let failed =
            |cause| Error::store(format!("cannot read what `{}` holds", place.display())).because(cause);
        let mut file = open_regular(place).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        if size < STREAMED_MIN_BYTES {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(failed)?;
            return Ok((self.keep_file(root, place, &bytes)?, bytes.len() as u64));
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(&file).map_err(failed)?;
        let (digest, size) = (Digest::from_bytes(*hasher.finalize().as_bytes()), hasher.count());
        file.rewind().map_err(failed)?;
        match self.keep_stream(&digest, &mut file, size, Access::of_path(root, place))? {
            true => Ok((digest, size)),
            false => Err(failed(io::Error::other("it changes while it is read"))),
        }
    }

    /// Keeps what `write` hands to its target, where it returns true.
    fn keep_parts(
        &self,
        digest: &Digest,
        size_bytes: u64,
        access: Access,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<bool>,
    ) -> io::Result<bool> {
        let path = self.path(digest);
        let folder = path.parent().unwrap_or(&self.folder);
        let owner = self.close()?;
        self.disk.create_folders(folder)?;
        if self.is_kept(digest, access) {
            return Ok(true);
        }
        let access = self.access_of_new(digest, access);
        let mut is_other = false;
        let made = self.disk.ungiving().create_prepared(&path, |file| {
            self.prepare(file.file(), &path, access, owner)?;
            file.append(&header_zstd(size_bytes))?;
            let mut encoder = encoder(Appending(file))?;
            is_other = !write(&mut encoder)?;
            encoder.finish()?;
            if is_other {
                return Err(io::ErrorKind::InvalidData.into());
            }
            file.sync()
        });
        match made {
            Ok(_) => self.disk.sync_folder(folder).map(|()| true),
            Err(_) if is_other => Ok(false),
            Err(cause) => Err(cause),
        }
    }
}

/// Copies `source` to `place`, part by part, into a file that `prepare` has seen while it was empty, and that takes its name only
/// where it holds what `digest` says; false where it does not. On return, the file survives a crash.
///
/// # Errors
/// As the system gives them; what lay at `place` is as it was then.
pub fn write_checked(
    disk: &Disk,
    place: &Path,
    source: &mut dyn Read,
    digest: &Digest,
    prepare: &dyn Fn(&fs::File) -> io::Result<()>,
) -> io::Result<bool> {
    let mut is_other = false;
    let written = disk.create_prepared(place, |file| {
        prepare(file.file())?;
        is_other = copy_hashed(source, &mut Appending(file))?.0 != *digest;
        if is_other { Err(io::ErrorKind::InvalidData.into()) } else { file.sync() }
    });
    match written {
        Ok(_) => disk.sync_folder(place.parent().unwrap_or(Path::new("."))).map(|()| true),
        Err(_) if is_other => Ok(false),
        Err(cause) => Err(cause),
    }
}

/// A file of our own as a target.
struct Appending<'a>(&'a mut DiskFile);

impl Write for Appending<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.append(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Copies all bytes; returns their digest and their number.
///
/// # Errors
/// As source and target give them.
pub fn copy_hashed(source: &mut dyn io::Read, target: &mut dyn Write) -> io::Result<(Digest, u64)> {
    let mut hashing = Hashing { target, hasher: blake3::Hasher::new() };
    let size_bytes = io::copy(source, &mut hashing)?;
    Ok((Digest::from_bytes(*hashing.hasher.finalize().as_bytes()), size_bytes))
}

/// A target, and the digest of what it was given.
struct Hashing<'a> {
    target: &'a mut dyn Write,
    hasher: blake3::Hasher,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.target.write_all(bytes)?;
        self.hasher.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}
