//! What tells one state of a file from another without reading it: identity, size and times.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::disk::kernel_is_at_least;

/// Identity, size and times of a file: while none of them changes, neither do its bytes.
///
/// Times are nanoseconds since 1970. Where the kernel's times are coarse (before Linux 6.13), a file changed
/// within the last 20 ms can be changed again under the same stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// Device, as `stat` numbers it.
    pub dev: u64,
    /// Inode.
    pub ino: u64,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Last change of the bytes.
    pub mtime_ns: i64,
    /// Last change of bytes, names, owner or permissions; no program can set it.
    pub ctime_ns: i64,
}

impl Stamp {
    /// Reads the stamp out of what the system says of a file.
    pub fn of(found: &Metadata) -> Self {
        let time = |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        Stamp {
            dev: found.dev(),
            ino: found.ino(),
            size_bytes: found.len(),
            mtime_ns: time(found.mtime(), found.mtime_nsec()),
            ctime_ns: time(found.ctime(), found.ctime_nsec()),
        }
    }

    /// The time of its last change, whatever changed.
    pub(super) fn changed_ns(&self) -> i64 {
        self.ctime_ns.max(self.mtime_ns)
    }
}

/// Returns the time by the kernel's clock, in nanoseconds since 1970. Files are stamped with its last tick.
pub fn kernel_time_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(0))
}

/// How exact the times of a file system are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Times {
    /// They prove nothing: what is written through a memory map moves none.
    Nothing,
    /// Every change after a look has a time of its own.
    Fine,
    /// As often as the kernel's clock ticks, at least every 10 ms.
    Ticks,
    /// Two seconds (FAT), or the clock of another machine.
    Seconds,
}

/// How exact the times of each mounted file system are.
#[derive(Debug)]
pub(super) struct Clocks {
    kinds: HashMap<u64, String>,
    /// Some file systems stamp changes apart since Linux 6.13.
    has_fine_times: bool,
}

impl Clocks {
    /// Asks the system.
    pub(super) fn of_system() -> Self {
        Clocks { kinds: kinds(&read("/proc/self/mountinfo")), has_fine_times: kernel_is_at_least((6, 13)) }
    }

    /// Tells whether every change of the file after `at_ns` gives it another stamp: git's rule for files that were changed
    /// just before they were looked at ("racily clean").
    pub(super) fn is_settled(&self, stamp: &Stamp, at_ns: i64) -> bool {
        let apart_ns = match self.times(stamp.dev) {
            Times::Nothing => return false,
            Times::Fine => 0,
            Times::Ticks => 20_000_000,
            Times::Seconds => 5_000_000_000,
        };
        at_ns.saturating_sub(stamp.changed_ns()) >= apart_ns
    }

    fn times(&self, device: u64) -> Times {
        match self.kinds.get(&device).map_or("", String::as_str) {
            "tmpfs" | "ramfs" | "hugetlbfs" => Times::Nothing,
            "ext4" | "xfs" | "btrfs" if self.has_fine_times => Times::Fine,
            "ext2" | "ext3" | "ext4" | "xfs" | "btrfs" | "f2fs" | "zfs" | "bcachefs" | "overlay" => {
                Times::Ticks
            }
            // What this process cannot name may be anything.
            _ => Times::Seconds,
        }
    }
}

fn read(path: &str) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// Reads the kind of file system of each device out of `/proc/self/mountinfo`.
fn kinds(mounts: &str) -> HashMap<u64, String> {
    let line = |line: &str| {
        let (major, minor) = line.split(' ').nth(2)?.split_once(':')?;
        let kind = line.split(" - ").nth(1)?.split(' ').next()?;
        Some((device(major.parse().ok()?, minor.parse().ok()?), kind.to_owned()))
    };
    mounts.lines().filter_map(line).collect()
}

/// Joins the two halves of a device's number as Linux does (`gnu_dev_makedev`).
pub fn device(major: u64, minor: u64) -> u64 {
    (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & !0xff) << 12) | ((major & !0xfff) << 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_a_file_system_is_found_by_its_device() {
        let kinds = kinds(
            "22 1 254:0 / / rw,relatime - ext4 /dev/root rw\n\
             31 22 0:26 / /dev/shm rw,nosuid shared:4 - tmpfs tmpfs rw\nbroken\n",
        );
        assert_eq!(kinds[&device(254, 0)], "ext4");
        assert_eq!(kinds[&device(0, 26)], "tmpfs");
        assert_eq!(kinds.len(), 2);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_halves_of_a_device_join_as_the_system_joins_them() {
        let own = std::fs::metadata("/proc/self/exe").unwrap().dev();
        let mounts = read("/proc/self/mountinfo");
        assert!(kinds(&mounts).contains_key(&own) || !mounts.contains(" / / "), "{own}: {mounts}");
    }

    #[test]
    fn a_file_changed_just_now_is_not_settled_unless_times_are_fine() {
        let kinds = kinds(
            "1 0 8:1 / / rw - ext4 d rw\n2 0 0:5 / /t rw - tmpfs d rw\n3 0 0:6 / /o rw - overlay d rw\n",
        );
        let settled = |has_fine_times, dev, later_ns| {
            let clocks = Clocks { kinds: kinds.clone(), has_fine_times };
            let stamp = Stamp { dev, ino: 1, size_bytes: 1, mtime_ns: 50, ctime_ns: 100 };
            clocks.is_settled(&stamp, 100 + later_ns)
        };
        let (disk, memory, layers, unknown) = (device(8, 1), device(0, 5), device(0, 6), device(9, 9));
        assert!(
            settled(true, disk, 0) && !settled(false, disk, 19_999_999) && settled(false, disk, 20_000_000)
        );
        assert!(!settled(true, memory, i64::MAX - 100));
        assert!(!settled(true, layers, 0) && settled(true, layers, 20_000_000));
        assert!(!settled(true, unknown, 4_999_999_999) && settled(true, unknown, 5_000_000_000));
        assert!(!settled(true, disk, -1), "a change that is yet to come");
    }
}
