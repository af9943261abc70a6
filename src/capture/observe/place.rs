//! A path as a program gave it, before anybody has asked what it leads to.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// Where a path starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    Root,
    WorkingFolder,
    Descriptor(i32),
    /// The thread's own folder in `/proc`.
    Process,
}

/// A path as a program gave it, with what it starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) base: Base,
    pub(super) path: Vec<u8>,
}

impl Place {
    /// Reads a path that starts from a descriptor (`AT_FDCWD`: the working folder) unless it is absolute.
    pub(super) fn new(descriptor: i32, path: Vec<u8>) -> Place {
        const OWN: [&[u8]; 2] = [b"/proc/self/", b"/proc/thread-self/"];
        // The supervisor's own `self` is another one.
        for prefix in OWN {
            if let Some(rest) = path.strip_prefix(prefix) {
                return Place { base: Base::Process, path: rest.to_vec() };
            }
        }
        if let Some(rest) = path.strip_prefix(b"/dev/fd/") {
            return Place { base: Base::Process, path: [b"fd/", rest].concat() };
        }
        let standard = [(&b"/dev/stdin"[..], "fd/0"), (b"/dev/stdout", "fd/1"), (b"/dev/stderr", "fd/2")];
        if let Some((_, descriptor)) = standard.iter().find(|(name, _)| *name == path) {
            return Place { base: Base::Process, path: descriptor.as_bytes().to_vec() };
        }
        let base = match (path.first(), descriptor) {
            (Some(b'/'), _) => Base::Root,
            (_, libc::AT_FDCWD) => Base::WorkingFolder,
            (_, descriptor) => Base::Descriptor(descriptor),
        };
        Place { base, path }
    }

    /// The path, if it is absolute and nothing else is needed to understand it.
    pub(super) fn absolute(&self) -> Option<&[u8]> {
        (self.base == Base::Root).then_some(&self.path[..])
    }

    /// Returns the process by whose descriptors the path goes: `/proc/PID/fd/N`.
    pub(super) fn process(&self) -> Option<i32> {
        let rest = std::str::from_utf8(self.absolute()?.strip_prefix(b"/proc/")?).ok()?;
        let (process, rest) = rest.split_once('/')?;
        process.parse().ok().filter(|_| rest.starts_with("fd/"))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.path.is_empty()
    }

    /// Splits off the last component; `None` if there is none that could name a new file.
    pub(super) fn split(&self) -> Option<(Place, OsString)> {
        let end = self.path.iter().rposition(|byte| *byte != b'/')? + 1;
        let start = self.path[..end].iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        let name = &self.path[start..end];
        if name == b"." || name == b".." {
            return None;
        }
        let mut folder = self.path[..start].to_vec();
        if folder.is_empty() {
            folder.push(b'.');
        }
        Some((Place { base: self.base, path: folder }, OsString::from_vec(name.to_vec())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(descriptor: i32, path: &str, base: Base, rest: &str) {
        let expected = Place { base, path: rest.as_bytes().to_vec() };
        assert_eq!(Place::new(descriptor, path.as_bytes().to_vec()), expected);
    }

    #[test]
    fn a_program_s_own_folder_in_proc_is_not_the_supervisor_s() {
        check(libc::AT_FDCWD, "/proc/self/fd/7", Base::Process, "fd/7");
        check(libc::AT_FDCWD, "/dev/fd/7", Base::Process, "fd/7");
        check(libc::AT_FDCWD, "/dev/stdin", Base::Process, "fd/0");
        check(libc::AT_FDCWD, "/dev/null", Base::Root, "/dev/null");
        check(5, "a", Base::Descriptor(5), "a");
        check(5, "/a", Base::Root, "/a");
    }

    #[test]
    fn the_last_component_splits_off_whatever_the_slashes() {
        let split = |path: &str| {
            let (folder, name) = Place::new(libc::AT_FDCWD, path.as_bytes().to_vec()).split()?;
            Some((String::from_utf8(folder.path).unwrap(), name.into_string().unwrap()))
        };
        let both = |a: &str, b: &str| Some((a.to_string(), b.to_string()));
        assert_eq!(split("a"), both(".", "a"));
        assert_eq!(split("/a"), both("/", "a"));
        assert_eq!(split("x/y/a//"), both("x/y/", "a"));
        assert_eq!(split("x/.."), None);
        assert_eq!(split("/"), None);
    }
}
