//! Looking at files of the work tree without following links and without waiting on pipes.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use gix::bstr::BStr;

use crate::digests;

/// What lies at a path of the work tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WorkFile {
    /// Nothing, or nothing that belongs to the work tree: the way there leads through a symbolic link.
    Absent,
    /// A folder.
    Folder,
    /// A pipe, socket or device: reading one may never end, so it is never opened.
    Special,
    /// A symbolic link with its target's text.
    Link(Vec<u8>),
    /// A regular file.
    Regular { size_bytes: u64, executable: bool },
}

/// Returns where `path` of a repository lies on disk.
pub(super) fn on_disk(work_tree: &Path, path: &[u8]) -> io::Result<PathBuf> {
    let relative = gix::path::from_bstr(BStr::new(path)).map_err(io::Error::other)?;
    Ok(work_tree.join(relative))
}

/// Looks at `path`, as git does: what lies behind a symbolic link to a folder is not part of the work tree.
pub(super) fn look(work_tree: &Path, path: &[u8]) -> io::Result<WorkFile> {
    for (end, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
        match on_disk(work_tree, &path[..end])?.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Ok(WorkFile::Absent),
            Err(error) if is_absent(&error) => return Ok(WorkFile::Absent),
            Err(error) => return Err(error),
        }
    }
    let on_disk = on_disk(work_tree, path)?;
    let metadata = match on_disk.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(error) if is_absent(&error) => return Ok(WorkFile::Absent),
        Err(error) => return Err(error),
    };
    Ok(if metadata.is_symlink() {
        WorkFile::Link(gix::path::into_bstr(on_disk.read_link()?).map_err(io::Error::other)?.to_vec())
    } else if metadata.is_dir() {
        WorkFile::Folder
    } else if metadata.is_file() {
        WorkFile::Regular { size_bytes: metadata.len(), executable: is_executable(&metadata) }
    } else {
        WorkFile::Special
    })
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn is_executable(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o100 != 0
}

/// Returns a file's bytes, or `None` if there turn out to be more than `max_bytes` of them.
pub(super) fn read_at_most(on_disk: &Path, max_bytes: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    digests::open(on_disk)?.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= max_bytes).then_some(bytes))
}
