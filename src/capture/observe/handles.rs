//! Which files processes have open for writing, and what a thread is at, as `/proc` tells.

use std::collections::HashSet;
use std::ffi::{CStr, OsStr};
use std::io::{ErrorKind, Result};
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::stamp::Look;
use super::{digest, sys};
use crate::digests::device;

/// Device and inode of a file.
pub(super) type Identity = (u64, u64);

/// What a thread is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Present {
    /// In the system call of this number.
    Call(u32),
    /// In no system call.
    NoCall,
    /// At work on a processor, in a call or not; in ticks, how long it has been so outside of all calls.
    AtWork { own_time: u64 },
    /// There is no such thread any more.
    Gone,
    /// The kernel does not tell.
    Unknown,
}

/// Returns what a thread is at.
pub(super) fn present_call(tid: i32) -> Present {
    let text = match std::fs::read_to_string(format!("/proc/{tid}/syscall")) {
        Ok(text) => text,
        Err(error) if is_gone(&error) => return Present::Gone,
        Err(_) => return Present::Unknown,
    };
    match text.split_whitespace().next() {
        Some("running") => own_time(tid).map_or(Present::Unknown, |own_time| Present::AtWork { own_time }),
        Some("-1") => Present::NoCall,
        Some(word) => word.parse().map_or(Present::Unknown, Present::Call),
        None => Present::Unknown,
    }
}

/// Reads how long a thread has run its own code, in ticks.
fn own_time(tid: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{tid}/task/{tid}/stat")).ok()?;
    // The name before may hold blanks and brackets.
    let after_name = text.rsplit_once(')')?.1;
    after_name.split_whitespace().nth(11)?.parse().ok()
}

/// Lists the files that this process and all below it have open for writing or mapped to be written; `None` where one of them
/// cannot be looked into. `mere_places` are descriptors of this process that name places and nothing else.
pub(super) fn open_for_writing(mere_places: &HashSet<RawFd>) -> Option<HashSet<Identity>> {
    open_below(Purpose::Write, &|process, descriptor| is_own(process) && mere_places.contains(&descriptor))
}

/// Lists the files that all processes below this one have open for reading or mapped in any way; `None` where one of them cannot be
/// looked into.
pub(super) fn open_for_reading() -> Option<HashSet<Identity>> {
    open_below(Purpose::Read, &|process, _| is_own(process))
}

/// What files are open for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    Read,
    Write,
}

impl Purpose {
    /// The permissions of the link in `/proc` say what a file was opened for.
    fn is_said_by(self, link: &Look) -> bool {
        link.mode & if self == Purpose::Read { 0o400 } else { 0o200 } != 0
    }

    /// Tells whether a link in `/proc` leads to a file that was opened for this.
    pub(super) fn is_of(self, folder: BorrowedFd<'_>, link: &CStr, file: &Look) -> bool {
        sys::look(folder, link, true).is_ok_and(|look| look.is_same_file(file))
            && sys::look(folder, link, false).is_ok_and(|link| self.is_said_by(&link))
    }
}

fn is_own(process: i32) -> bool {
    process == std::process::id() as i32
}

fn open_below(purpose: Purpose, is_left_out: &dyn Fn(i32, RawFd) -> bool) -> Option<HashSet<Identity>> {
    let own = std::process::id() as i32;
    let (mut found, mut seen, mut frontier) = (HashSet::new(), HashSet::new(), vec![own]);
    while let Some(process) = frontier.pop() {
        if !seen.insert(process) {
            continue;
        }
        // First the files, then the children: whoever is forked in between has no files that its parent had not.
        let left_out = |descriptor: RawFd| is_left_out(process, descriptor);
        match add_files_of(process, purpose, &left_out, &mut found) {
            Err(error) if !is_gone(&error) => return None,
            _ => {}
        }
        match children_of(process) {
            Ok(children) => frontier.extend(children),
            Err(error) if process != own && is_gone(&error) => {}
            Err(_) => return None,
        }
    }
    // The children of one that ended meanwhile are ours now.
    children_of(own).ok()?.iter().all(|child| seen.contains(child)).then_some(found)
}

fn is_gone(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

fn add_files_of(
    process: i32,
    purpose: Purpose,
    is_left_out: &dyn Fn(RawFd) -> bool,
    found: &mut HashSet<Identity>,
) -> Result<()> {
    let mut add = |look: Look| {
        if look.is_regular() {
            found.insert((look.dev, look.ino));
        }
    };
    for entry in std::fs::read_dir(format!("/proc/{process}/fd"))? {
        let entry = entry?;
        if entry.file_name().to_str().and_then(|name| name.parse().ok()).is_some_and(is_left_out) {
            continue;
        }
        let path = digest::c_path(&entry.path())?;
        if sys::look(sys::here(), &path, false).is_ok_and(|link| purpose.is_said_by(&link))
            && let Ok(look) = sys::look(sys::here(), &path, true)
        {
            add(look);
        }
    }
    if purpose == Purpose::Read && is_own(process) {
        return Ok(());
    }
    let maps = std::fs::read(format!("/proc/{process}/maps"))?;
    let mut last: &[u8] = b"";
    for line in maps.split(|byte| *byte == b'\n') {
        // The parts of a file mostly follow each other.
        if let Some(path) = mapped(line, purpose).filter(|path| *path != last) {
            last = path;
            match sys::look(sys::here(), &digest::c_path(Path::new(OsStr::from_bytes(path)))?, true) {
                // Who only reads a file that has gone since reads nothing that comes later.
                Err(error) if purpose == Purpose::Read && error.kind() == ErrorKind::NotFound => {}
                look => add(look?),
            }
        }
    }
    Ok(())
}

/// Returns the path of a file that is mapped, to be written so that what is written there is written to the file or in any way, from a
/// line of `/proc/PID/maps`: range, way, offset, device, inode, path. A file without a name is of no interest.
fn mapped(line: &[u8], purpose: Purpose) -> Option<&[u8]> {
    let mut words = line.splitn(6, |byte| *byte == b' ');
    let way = words.nth(1)?;
    let path = words.nth(3)?.trim_ascii_start();
    let is_written = way.get(1) == Some(&b'w') && way.get(3) == Some(&b's');
    let is_meant = purpose == Purpose::Read || is_written;
    let is_device = path.starts_with(b"/dev/") && !path.starts_with(b"/dev/shm/");
    (is_meant && path.starts_with(b"/") && !is_device && !path.ends_with(b" (deleted)")).then_some(path)
}

/// Tells whether a process has a file mapped in any way; `kind` is that of its file system, where that is known.
pub(super) fn maps(process: i32, file: &Look, kind: Option<u32>) -> bool {
    let maps = std::fs::read(format!("/proc/{process}/maps")).unwrap_or_default();
    maps.split(|byte| *byte == b'\n').any(|line| is_mapped(line, file, kind))
}

/// Tells whether a line of `/proc/PID/maps` is about a file.
fn is_mapped(line: &[u8], file: &Look, kind: Option<u32>) -> bool {
    let mut words = line.splitn(6, |byte| *byte == b' ').skip(3);
    let (Some(device), Some(inode)) = (words.next().and_then(device_in), words.next()) else { return false };
    if std::str::from_utf8(inode).ok().and_then(|inode| inode.parse().ok()) != Some(file.ino) {
        return false;
    }
    match mapped(line, Purpose::Read) {
        Some(path) => digest::c_path(Path::new(OsStr::from_bytes(path)))
            .and_then(|path| sys::look(sys::here(), &path, true))
            .is_ok_and(|look| look.is_same_file(file)),
        // Of a file without a name, nothing else tells.
        None => {
            let is_of_another_device = device != file.dev && kind.is_some_and(has_one_device);
            line.ends_with(b" (deleted)") && file.links == 0 && !is_of_another_device
        }
    }
}

/// Reads a device as `/proc/PID/maps` has it, two numbers to the base of 16.
fn device_in(word: &[u8]) -> Option<u64> {
    let (major, minor) = std::str::from_utf8(word).ok()?.split_once(':')?;
    Some(device(u64::from_str_radix(major, 16).ok()?, u64::from_str_radix(minor, 16).ok()?))
}

/// Tells whether the maps of processes name the device that a look at a file finds, too: not so where a file system has parts of its
/// own, or lies upon others.
fn has_one_device(kind: u32) -> bool {
    const OTHERS: [u32; 3] = [
        0x9123_683e, // btrfs
        0x794c_7630, // overlayfs
        0xca45_1a4e, // bcachefs
    ];
    !OTHERS.contains(&kind)
}

/// Lists the processes that a process has started and that have not been given to another one.
pub(super) fn children_of(process: i32) -> Result<Vec<i32>> {
    let mut children = vec![];
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let folder = thread?.path();
        match std::fs::read_to_string(folder.join("children")) {
            Ok(list) => children.extend(list.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok())),
            // Not every kernel has these lists.
            Err(error) if folder.exists() => return Err(error),
            Err(_) => {}
        }
    }
    Ok(children)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_map_that_may_be_written_is_an_open_file() {
        let line = b"7f00-7f01 rw-s 00000000 fe:00 77                         /srv/a file";
        assert_eq!(mapped(line, Purpose::Write), Some(&b"/srv/a file"[..]));
        assert_eq!(mapped(line, Purpose::Read), Some(&b"/srv/a file"[..]));
        for other in [
            &b"7f00-7f01 rw-p 00000000 fe:00 77                         /srv/a file"[..],
            b"7f00-7f01 r--s 00000000 fe:00 77                         /srv/a file",
            b"7f00-7f01 rw-s 00000000 00:01 77                         /memfd:x (deleted)",
            b"7f00-7f01 rw-p 00000000 00:00 0 ",
            b"",
        ] {
            assert_eq!(mapped(other, Purpose::Write), None);
        }
    }

    #[test]
    fn a_map_of_a_file_without_a_name_is_told_by_device_and_inode() {
        const EXT4: u32 = 0xef53;
        let look = sys::look(sys::here(), c"/proc/self/exe", true).unwrap();
        let file = Look { dev: device(0xfe, 0), ino: 77, links: 0, ..look };
        let line = |device: &str, inode: u64| {
            format!("7f00-7f01 rw-s 00000000 {device} {inode}           /tmp/x (deleted)").into_bytes()
        };
        let is_it = |line: Vec<u8>, kind| is_mapped(&line, &file, kind);
        assert!(is_it(line("fe:00", 77), Some(EXT4)));
        assert!(!is_it(line("00:01", 77), Some(EXT4)) && !is_it(line("fe:00", 78), Some(EXT4)));
        assert!(is_it(line("00:2a", 77), Some(0x9123_683e)) && is_it(line("00:2a", 77), None));
        assert!(!is_mapped(&line("fe:00", 77), &Look { links: 1, ..file }, Some(EXT4)));
    }

    #[test]
    fn shared_memory_that_has_a_name_is_a_file() {
        let line =
            |path: &str| format!("7f00-7f01 rw-s 00000000 00:1b 77                 {path}").into_bytes();
        assert_eq!(mapped(&line("/dev/shm/x"), Purpose::Write), Some(&b"/dev/shm/x"[..]));
        assert_eq!(mapped(&line("/dev/zero"), Purpose::Write), None);
    }

    #[test]
    fn what_this_process_has_open_is_listed_until_it_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let is_open_to = |purpose| {
            let look = digest::look(&path).unwrap();
            let mut found = HashSet::new();
            add_files_of(std::process::id() as i32, purpose, &|_| false, &mut found).unwrap();
            found.contains(&(look.dev, look.ino))
        };
        let is_open = || is_open_to(Purpose::Write);
        let file = std::fs::File::create(&path).unwrap();
        assert!(is_open());
        drop(file);
        assert!(!is_open());
        let _reader = std::fs::File::open(&path).unwrap();
        assert!(!is_open() && is_open_to(Purpose::Read));
    }

    #[test]
    fn a_thread_is_at_work_or_in_a_call_until_it_is_gone() {
        assert!(matches!(present_call(std::process::id() as i32), Present::Call(_) | Present::AtWork { .. }));
        let mut child = std::process::Command::new("sleep").arg("9").spawn().unwrap();
        assert_ne!(present_call(child.id() as i32), Present::Gone);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(present_call(child.id() as i32), Present::Gone);
    }
}
