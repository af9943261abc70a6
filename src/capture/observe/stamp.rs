//! What one look at a file finds, and how far the times in it can be trusted.

pub use crate::digests::Stamp;

/// The bits of a file's mode that say what it is, and their values (`inode(7)`; the same on every Unix).
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;
const LINK: u32 = 0o120_000;
#[cfg(target_os = "linux")]
const PIPE: u32 = 0o010_000;
#[cfg(target_os = "linux")]
const SOCKET: u32 = 0o140_000;
#[cfg(target_os = "linux")]
const CHARACTER_DEVICE: u32 = 0o020_000;

/// What one look at a file found.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
pub(super) struct Look {
    pub(super) dev: u64,
    pub(super) ino: u64,
    pub(super) size: u64,
    pub(super) mtime_ns: i64,
    pub(super) ctime_ns: i64,
    /// Time of creation; 0 where the file system has none.
    pub(super) birth_ns: i64,
    pub(super) links: u32,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) mount: u64,
}

impl Look {
    fn kind(&self) -> u32 {
        self.mode & KIND
    }

    pub(super) fn is_regular(&self) -> bool {
        self.kind() == REGULAR
    }

    pub(super) fn is_folder(&self) -> bool {
        self.kind() == FOLDER
    }

    pub(super) fn is_link(&self) -> bool {
        self.kind() == LINK
    }

    /// A pipe, with a name or without.
    #[cfg(target_os = "linux")]
    pub(super) fn is_pipe(&self) -> bool {
        self.kind() == PIPE
    }

    #[cfg(target_os = "linux")]
    pub(super) fn is_socket(&self) -> bool {
        self.kind() == SOCKET
    }

    #[cfg(target_os = "linux")]
    pub(super) fn is_character_device(&self) -> bool {
        self.kind() == CHARACTER_DEVICE
    }

    pub(super) fn stamp(&self) -> Stamp {
        Stamp {
            dev: self.dev,
            ino: self.ino,
            size_bytes: self.size,
            mtime_ns: self.mtime_ns,
            ctime_ns: self.ctime_ns,
        }
    }

    /// Takes over what the standard library found.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn of(found: &std::fs::Metadata) -> Look {
        use std::os::unix::fs::MetadataExt as _;
        let time = |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        Look {
            dev: found.dev(),
            ino: found.ino(),
            size: found.size(),
            mtime_ns: time(found.mtime(), found.mtime_nsec()),
            ctime_ns: time(found.ctime(), found.ctime_nsec()),
            birth_ns: 0,
            links: u32::try_from(found.nlink()).unwrap_or(u32::MAX),
            mode: found.mode(),
            uid: found.uid(),
            mount: 0,
        }
    }

    #[cfg(target_os = "linux")]
    pub(super) fn is_same_file(&self, other: &Look) -> bool {
        (self.dev, self.ino) == (other.dev, other.ino)
    }
}

/// Times closer than this to a change prove nothing where the kernel counts in ticks.
#[cfg(target_os = "linux")]
pub(super) const COARSE_NS: i64 = 20_000_000;

/// Tells whether the kernel stamps every change apart once somebody has looked (Linux 6.13 or newer).
#[cfg(target_os = "linux")]
pub(super) fn has_fine_times() -> bool {
    crate::digests::kernel_is_at_least((6, 13))
}
