//! Files that share their bytes with another file, where the file system can do that (Btrfs, XFS, bcachefs): no byte is copied, and
//! a change of one is none of the other.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::Path;

use super::{Disk, Operation, temporary_name};

/// Where shared bytes may begin in a file: at a multiple of the file system's block. Where blocks are larger than this, it refuses.
pub const SHARED_ALIGNMENT: u64 = 4096;

impl Disk {
    /// Writes a whole file that begins with `front` and goes on with the bytes of `source` from `offset` on, which it shares; only
    /// when `check` has nothing against what it holds, it takes its name. Returns false where the file system cannot share bytes
    /// between the two: nothing was written then. The caller forces the folder to the disk.
    ///
    /// The file is shown to `prepare` while it is empty. `offset` and the length of `front` are multiples of [`SHARED_ALIGNMENT`].
    ///
    /// # Errors
    /// As the system gives them, and those of `prepare` and `check`; the old file, if there was one, is intact then.
    pub fn replace_shared(
        &self,
        path: &Path,
        front: &[u8],
        (source, offset): (&File, u64),
        prepare: &dyn Fn(&File) -> io::Result<()>,
        check: impl FnOnce(&File) -> io::Result<()>,
    ) -> io::Result<bool> {
        let temporary = temporary_name(path);
        let made = self.share(&temporary, front, (source, offset), prepare).and_then(|file| {
            let Some(file) = file else { return Ok(false) };
            check(&file)?;
            self.ask(Operation::Sync, &temporary)?;
            file.sync_data()?;
            self.rename(&temporary, path)?;
            Ok(true)
        });
        if !matches!(made, Ok(true)) {
            // The first error is the one that matters; nobody takes a leftover temporary file for anything else.
            let _ = self.remove(&temporary);
        }
        made
    }

    fn share(
        &self,
        path: &Path,
        front: &[u8],
        (source, offset): (&File, u64),
        prepare: &dyn Fn(&File) -> io::Result<()>,
    ) -> io::Result<Option<File>> {
        self.ask(Operation::Create, path)?;
        // Not for appending: such files are refused as the target.
        let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        self.give(&file, path);
        prepare(&file)?;
        let allowed = self.ask(Operation::Append(front.len()), path)?;
        file.write_all(&front[..allowed.min(front.len())])?;
        if allowed < front.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.ask(Operation::Share, path)?;
        match share_range(source, offset, &file, front.len() as u64) {
            Ok(()) => Ok(Some(file)),
            Err(cause) if cannot_share(&cause) => Ok(None),
            Err(cause) => Err(cause),
        }
    }
}

/// Lets `target`, from `at` on, have all bytes of `source` from `offset` on.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the standard library cannot share bytes between files")]
fn share_range(source: &File, offset: u64, target: &File, at: u64) -> io::Result<()> {
    let range = libc::file_clone_range {
        src_fd: i64::from(source.as_raw_fd()),
        src_offset: offset,
        // To the end of the file.
        src_length: 0,
        dest_offset: at,
    };
    // SAFETY: both files are open for the time of the call, and the kernel reads nothing but `range`.
    match unsafe { libc::ioctl(target.as_raw_fd(), libc::FICLONERANGE as _, &range) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(not(target_os = "linux"))]
fn share_range(_: &File, _: u64, _: &File, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Returns true where the system says that these two files cannot share bytes, rather than that something went wrong: other file
/// systems, or one that shares none (`ioctl_ficlonerange(2)`).
fn cannot_share(cause: &io::Error) -> bool {
    let codes = [libc::EOPNOTSUPP, libc::ENOTTY, libc::ENOSYS, libc::EXDEV, libc::EINVAL];
    cause.kind() == io::ErrorKind::Unsupported
        || cause.raw_os_error().is_some_and(|code| codes.contains(&code))
}
