//! Whether a process has a file open, as `/proc` tells.
//!
//! To look through all that a process has open takes long where that is much, and is asked at many calls. So where a file was found
//! is remembered and looked at first: mostly it is there still. What was not found is looked for again each time, since a process may
//! be given an open file by another one at any time.

use std::ffi::{CString, OsStr};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;

use super::handles::{self, Identity, Purpose};
use super::net::Net;
use super::stamp::Look;
use super::{Map, sys};

/// As many places are remembered.
const PLACES_MAX: usize = 1 << 14;

/// Where processes were found to have files open: the number of the descriptor, by process, file and purpose.
#[derive(Debug, Default)]
pub(super) struct Holders {
    places: Map<(i32, Identity, Purpose), i32>,
    /// How often all that a process has open was looked through.
    #[cfg(test)]
    searches: usize,
}

impl Holders {
    /// Tells whether a process has a file open for writing.
    pub(super) fn writes_to(&mut self, process: i32, file: &Look) -> bool {
        self.has_open(process, file, Purpose::Write)
    }

    fn has_open(&mut self, process: i32, file: &Look, purpose: Purpose) -> bool {
        self.descriptor_of(process, file, purpose).is_some()
    }

    /// Returns a descriptor under which a process has a file open; to read it, under none of standard output and standard error.
    pub(super) fn descriptor_of(&mut self, process: i32, file: &Look, purpose: Purpose) -> Option<i32> {
        let key = (process, (file.dev, file.ino), purpose);
        if let Some(known) = self.places.get(&key).filter(|known| is_at(process, **known, file, purpose)) {
            return Some(*known);
        }
        #[cfg(test)]
        {
            self.searches += 1;
        }
        let found = search(process, file, purpose);
        if self.places.len() >= PLACES_MAX {
            self.places.clear();
        }
        match found {
            Some(descriptor) => self.places.insert(key, descriptor),
            None => self.places.remove(&key),
        };
        found
    }
}

impl Net<'_> {
    /// Tells whether a process has a file open for reading, or mapped. As standard output and standard error, files are mostly open for
    /// both where they are open for both at all, and are not read.
    pub(super) fn reads_from(&mut self, process: i32, file: &Look) -> bool {
        self.holders.has_open(process, file, Purpose::Read)
            || handles::maps(process, file, self.known_file_system(file))
    }
}

/// Finds the descriptor under which a process has a file open.
fn search(process: i32, file: &Look, purpose: Purpose) -> Option<i32> {
    let path = format!("/proc/{process}/fd");
    let entries = std::fs::read_dir(&path).ok()?;
    let folder = sys::open(sys::here(), &CString::new(path).ok()?, libc::O_PATH | libc::O_DIRECTORY).ok()?;
    let is_left_out = |name: &OsStr| purpose == Purpose::Read && (name == "1" || name == "2");
    let names = entries.flatten().map(|entry| entry.file_name()).filter(|name| !is_left_out(name));
    let is_it = |name: &OsStr| {
        CString::new(name.as_bytes()).is_ok_and(|name| purpose.is_of(folder.as_fd(), &name, file))
    };
    let mut found = names.filter(|name| is_it(name));
    found.next()?.to_str()?.parse().ok()
}

fn is_at(process: i32, descriptor: i32, file: &Look, purpose: Purpose) -> bool {
    CString::new(format!("/proc/{process}/fd/{descriptor}"))
        .is_ok_and(|path| purpose.is_of(sys::here(), &path, file))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsRawFd as _;

    use super::super::digest;
    use super::*;

    #[test]
    fn a_file_that_was_found_is_looked_for_once_while_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let (mut holders, own) = (Holders::default(), std::process::id() as i32);
        let file = File::create(&path).unwrap();
        let look = digest::look(&path).unwrap();
        for _ in 0..9 {
            assert!(holders.writes_to(own, &look));
            assert!(!holders.has_open(own, &look, Purpose::Read));
        }
        assert_eq!((holders.places.len(), holders.searches), (1, 1 + 9));
        // It goes, and another file takes its number; then it comes again elsewhere.
        let number = file.as_raw_fd();
        drop(file);
        let reader = File::open(&path).unwrap();
        assert!(!holders.writes_to(own, &look) && holders.has_open(own, &look, Purpose::Read));
        assert!(number != reader.as_raw_fd() || holders.places.len() == 1);
        let _again = File::options().append(true).open(&path).unwrap();
        assert!(holders.writes_to(own, &look));
    }
}
