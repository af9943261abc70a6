//! Which files processes have open for writing, and what a thread is at, as `/proc` tells.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::{ErrorKind, Result};
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::stamp::Look;
use super::{digest, sys};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Read,
    Write,
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
        // The permissions of the link say what the file was opened for.
        let permission = if purpose == Purpose::Read { 0o400 } else { 0o200 };
        if sys::look(sys::here(), &path, false).is_ok_and(|link| link.mode & permission != 0)
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
    (is_meant && path.starts_with(b"/") && !path.starts_with(b"/dev/") && !path.ends_with(b" (deleted)"))
        .then_some(path)
}

/// Tells whether a process has a file mapped in any way.
pub(super) fn maps(process: i32, file: &Look) -> bool {
    let inode = file.ino.to_string();
    let maps = std::fs::read(format!("/proc/{process}/maps")).unwrap_or_default();
    maps.split(|byte| *byte == b'\n').any(|line| {
        let is_named_so = line.splitn(6, |byte| *byte == b' ').nth(4) == Some(inode.as_bytes());
        is_named_so && is_mapped(line, file)
    })
}

/// Tells whether a line of `/proc/PID/maps` that names the inode of a file is about that file: of one without a name, nothing else
/// tells.
fn is_mapped(line: &[u8], file: &Look) -> bool {
    match mapped(line, Purpose::Read) {
        Some(path) => digest::c_path(Path::new(OsStr::from_bytes(path)))
            .and_then(|path| sys::look(sys::here(), &path, true))
            .is_ok_and(|look| look.is_same_file(file)),
        None => line.ends_with(b" (deleted)") && file.links == 0,
    }
}

fn children_of(process: i32) -> Result<Vec<i32>> {
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
