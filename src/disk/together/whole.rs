//! Forcing a whole file system to the disk by one call.
//!
//! `syncfs(2)` waits for everything that was written on a file system, by anybody. It is used where three things hold; files
//! are forced one by one otherwise.
//!
//! * The file system is one of which it is known that the call ends no sooner than the disk has all of it, names too: ext2 to
//!   ext4, XFS, Btrfs, and tmpfs, which has no disk. (FUSE, for one, does not ask its server.)
//! * The kernel is 5.8 or later: since then the call tells of bytes that could not be written. It tells whoever holds a file
//!   open since before they were written, which is what a [`Witness`] is for; and it tells once, so that a witness that was
//!   told of something is not asked again. Whose bytes were concerned is found by forcing each file by itself.
//! * Not much is waiting to be written on the whole machine, so that nobody waits here for another program's gigabytes.

#![expect(unsafe_code, reason = "the standard library cannot force a whole file system to the disk")]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use crate::disk::kernel_is_at_least;

/// No whole file system is forced to the disk while more is waiting to be written on this machine.
const WAITING_MAX_KIB: u64 = 64 << 10;

/// A folder held open since before files were written on its file system, and thus told of every error since.
#[derive(Debug)]
pub struct Witness {
    folder: File,
    is_trusted: bool,
}

impl Witness {
    /// Opens a folder.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let folder = File::open(folder)?;
        let is_trusted = kernel_is_at_least((5, 8)) && is_known(&folder);
        Ok(Witness { folder, is_trusted })
    }

    /// Forces all that was written on the file system to the disk; false where that is not sure to have happened.
    pub fn force(&mut self) -> bool {
        if !self.is_trusted || waiting_kib().is_none_or(|waiting| waiting > WAITING_MAX_KIB) {
            return false;
        }
        // SAFETY: the file is open for the time of the call.
        self.is_trusted = unsafe { libc::syncfs(self.folder.as_raw_fd()) } == 0;
        self.is_trusted
    }
}

/// Returns true for file systems of which it is known what the call does.
fn is_known(folder: &File) -> bool {
    let mut about = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the file is open for the time of the call, and the pointer is to a value of the type that the call fills.
    if unsafe { libc::fstatfs(folder.as_raw_fd(), about.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: the call has succeeded, so that it has filled the value.
    let kind = unsafe { about.assume_init() }.f_type as u32;
    let known = [
        libc::EXT4_SUPER_MAGIC as u32,
        libc::XFS_SUPER_MAGIC as u32,
        libc::BTRFS_SUPER_MAGIC as u32,
        libc::TMPFS_MAGIC as u32,
    ];
    known.contains(&kind)
}

/// Returns how much is waiting to be written on this machine, in KiB; `None` where that cannot be told.
fn waiting_kib() -> Option<u64> {
    waiting_of(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

fn waiting_of(meminfo: &str) -> Option<u64> {
    let of = |name: &str| -> Option<u64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches("kB").trim().parse().ok()
    };
    Some(of("Dirty:")? + of("Writeback:")?)
}

/// Lets the system begin to write a file to the disk, so that those forced next need not wait for each other.
pub fn begin_writing(path: &Path) {
    if let Ok(file) = File::open(path) {
        // SAFETY: the file is open for the time of the call. What it says is no matter: the file is forced to the disk later.
        let _ = unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_what_is_dirty_and_what_is_being_written() {
        let meminfo = "MemTotal:       48000000 kB\nDirty:              1234 kB\nWriteback:             6 kB\nWritebackTmp: 9 kB\n";
        assert_eq!(waiting_of(meminfo), Some(1240));
        assert_eq!(waiting_of("MemTotal: 1 kB\n"), None);
        assert_eq!(waiting_of("Dirty: many kB\nWriteback: 0 kB\n"), None);
    }
}
