//! Contents that share their place on the disk with the file they came from, and with the one they are restored to.

use std::fs;
use std::io::{self, Read as _, Seek as _};
use std::path::Path;

use super::encoding::{CODEC_SHARED, HEADER_BYTES, header, is_shared};
use super::{Access, Contents, not_kept};
use crate::disk::{SHARED_ALIGNMENT, open_regular};
use crate::error::Result;
use crate::model::Digest;

/// Smaller files are compressed rather than shared: a shared one costs a block more, and is not compressed.
pub const SHARED_MIN_BYTES: u64 = 1 << 20;

/// What became of keeping a file by letting it share its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// It is kept; on return it survives a crash.
    Done,
    /// The file system cannot share these bytes: nothing was kept.
    Cannot,
    /// The file holds other bytes than were to be kept: nothing was kept.
    OtherBytes,
}

impl Contents {
    /// Keeps the bytes of an open file for whom `access` says, without copying them, where the file system can. What it holds then is
    /// read and held against `digest` before it counts.
    ///
    /// # Errors
    /// A store error where something went wrong other than that bytes cannot be shared; nothing else is harmed then.
    pub fn keep_shared(
        &self,
        digest: &Digest,
        source: &fs::File,
        size_bytes: u64,
        access: Access,
    ) -> Result<Sharing> {
        let path = self.path(digest);
        let folder = path.parent().unwrap_or(&self.folder);
        let failed = |cause| not_kept(usize::try_from(size_bytes).unwrap_or(usize::MAX), &path, cause);
        let owner = self.close().map_err(failed)?;
        self.disk.create_folders(folder).map_err(failed)?;
        let access = self.access_of_new(digest, access);
        let mut front = header(CODEC_SHARED, size_bytes);
        front.resize(SHARED_ALIGNMENT as usize, 0);
        let mut is_other = false;
        let prepare = |file: &fs::File| self.prepare(file, &path, access, owner);
        let kept = self.disk.ungiving().replace_shared(&path, &front, (source, 0), &prepare, |file| {
            is_other = digest_from(file, SHARED_ALIGNMENT)? != (*digest, size_bytes);
            if is_other { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
        });
        match kept {
            Ok(true) => {
                self.disk.sync_folder(folder).map_err(failed)?;
                Ok(Sharing::Done)
            }
            Ok(false) => Ok(Sharing::Cannot),
            Err(_) if is_other => Ok(Sharing::OtherBytes),
            Err(cause) => Err(failed(cause)),
        }
    }

    /// Writes a kept content to `place` without copying it, into a file that `prepare` has seen while it was empty; false where it
    /// is not kept so, or the file system cannot: nothing was written then. What is written is read and held against `digest` before it takes its name. The caller forces the folder to
    /// the disk.
    ///
    /// # Errors
    /// As the system gives them; `InvalidData` where the kept copy is damaged.
    pub fn write_shared(
        &self,
        digest: &Digest,
        place: &Path,
        prepare: &dyn Fn(&fs::File) -> io::Result<()>,
    ) -> io::Result<bool> {
        let mut object = match open_regular(&self.path(digest)) {
            Ok(object) => object,
            // What is wrong with it is found, and said, where it is copied.
            Err(_) => return Ok(false),
        };
        let mut front = [0; HEADER_BYTES];
        if object.read_exact(&mut front).is_err() || !is_shared(&front) {
            return Ok(false);
        }
        let check = |file: &fs::File| match digest_from(file, 0)? {
            (found, _) if found == *digest => Ok(()),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the kept copy is damaged")),
        };
        self.disk.replace_shared(place, &[], (&object, SHARED_ALIGNMENT), prepare, check)
    }
}

/// Returns the digest of what a file holds from `offset` on, and how many bytes that are.
fn digest_from(mut file: &fs::File, offset: u64) -> io::Result<(Digest, u64)> {
    file.seek(io::SeekFrom::Start(offset))?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file)?;
    Ok((Digest::from_bytes(*hasher.finalize().as_bytes()), hasher.count()))
}
