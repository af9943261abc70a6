//! Where a file of another mount namespace lies in ours.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// One line of `/proc/PID/mountinfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    id: u64,
    device: Vec<u8>,
    /// The folder of the file system that is mounted.
    root: PathBuf,
    /// Where it is mounted.
    point: PathBuf,
    kind: Vec<u8>,
}

impl Mount {
    /// Where it is mounted.
    pub(super) fn point(&self) -> &Path {
        &self.point
    }

    /// Tells whether none of `mounts` shows this file system.
    pub(super) fn is_newer_than(&self, mounts: &[Mount]) -> bool {
        mounts.iter().all(|mount| mount.device != self.device)
    }

    /// A file system that a process serves, which may be one of the stopped ones.
    pub(super) fn is_served_by_a_process(&self) -> bool {
        self.kind.starts_with(b"fuse")
    }
}

/// Reads the mounts that a process sees; an empty list if it is gone.
pub(super) fn of(process: &str) -> Vec<Mount> {
    parse(&std::fs::read(format!("/proc/{process}/mountinfo")).unwrap_or_default())
}

fn parse(text: &[u8]) -> Vec<Mount> {
    text.split(|byte| *byte == b'\n').filter_map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut words = line.split(|byte| *byte == b' ');
    let id = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    let device = words.nth(1)?.to_vec();
    let (root, point) = (unescape(words.next()?), unescape(words.next()?));
    let kind = words.skip_while(|word| *word != b"-").nth(1)?.to_vec();
    Some(Mount { id, device, root, point, kind })
}

/// Space, tab, newline and backslash are written as three octal digits.
fn unescape(text: &[u8]) -> PathBuf {
    let mut bytes = vec![];
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let code = tail.get(..3).filter(|_| *first == b'\\').and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[3..] } else { tail };
    }
    PathBuf::from(OsString::from_vec(bytes))
}

/// Returns the names that `path`, which lies on the mount `id` of `theirs`, may have in `ours`; likeliest first.
pub(super) fn candidates(path: &Path, id: u64, theirs: &[Mount], ours: &[Mount]) -> Vec<PathBuf> {
    let Some(mount) = theirs.iter().find(|mount| mount.id == id) else {
        return vec![];
    };
    let Ok(rest) = path.strip_prefix(&mount.point) else {
        return vec![];
    };
    let inside = join(&mount.root, rest);
    let mut found: Vec<PathBuf> = ours
        .iter()
        .filter(|own| own.device == mount.device)
        .filter_map(|own| Some(join(&own.point, inside.strip_prefix(&own.root).ok()?)))
        .collect();
    // A bind mount deep in the tree is the less natural name.
    found.sort_by_key(|path| path.as_os_str().as_bytes().len());
    found
}

fn join(folder: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { folder.to_path_buf() } else { folder.join(rest) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &[u8] =
        b"22 1 254:0 / / rw,relatime - ext4 /dev/root rw\n30 22 0:5 / /dev rw - devtmpfs d rw\n";
    const THEIRS: &[u8] = b"90 1 254:0 / / rw,relatime - ext4 /dev/root rw\n\
        95 90 254:0 /data/raw\\040files /mnt rw shared:1 master:2 - ext4 /dev/root rw\n\
        96 90 0:50 / /fuse rw - fuse.sshfs x rw\n";

    #[test]
    fn a_bound_folder_is_found_where_it_really_lies() {
        let found = candidates(Path::new("/mnt/a/b"), 95, &parse(THEIRS), &parse(OURS));
        assert_eq!(found, [PathBuf::from("/data/raw files/a/b")]);
    }

    #[test]
    fn what_we_do_not_mount_has_no_name() {
        let theirs = parse(THEIRS);
        assert!(theirs[2].is_served_by_a_process());
        assert_eq!(candidates(Path::new("/fuse/a"), 96, &theirs, &parse(OURS)), Vec::<PathBuf>::new());
    }
}
