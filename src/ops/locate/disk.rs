//! What lies on disk in the place of a recorded file.

use std::path::Path;

use crate::digests::Digests;
use crate::model::{Artifact, Digest, LinkText};
use crate::ops::Workspace;

/// How a file on disk relates to the version an answer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskState {
    /// The same bytes at the same path.
    Unchanged,
    /// Other bytes, of this digest, that nobody recorded.
    Changed(Digest),
    /// Other bytes, of this digest, that are another recorded version of the file.
    OtherVersion(Digest),
    /// Nothing there.
    Gone,
    /// A folder, a pipe, a socket or a device lies there now.
    NoFile,
    /// Whether it is there, or what it holds, the system does not say.
    Unreadable,
    /// The file's path is not recorded, but its bytes are, under the version's path.
    SameBytes,
    /// Not a file on this machine.
    Elsewhere,
    /// A file, of whose content nothing is recorded.
    NotRecorded,
    /// Not looked at.
    NotChecked,
}

/// Looks at a file on disk: does it still hold what was recorded?
pub fn disk_state(workspace: &Workspace, artifact: &Artifact) -> DiskState {
    disk_state_by(workspace, workspace.digests(), artifact)
}

/// Looks at a file on disk by a way to digests of its own.
pub(crate) fn disk_state_by(workspace: &Workspace, digests: &Digests, artifact: &Artifact) -> DiskState {
    let Some(place) = artifact.path.on_disk(workspace.root()) else {
        return DiskState::Elsewhere;
    };
    if !artifact.has_content() {
        return match place.try_exists() {
            Ok(true) => DiskState::NotRecorded,
            _ => without_file(&place).unwrap_or(DiskState::Unreadable),
        };
    }
    if link_at(&place) == Some(artifact.digest) {
        return DiskState::Unchanged;
    }
    match digest_by(digests, &place) {
        Ok(digest) if digest == artifact.digest => DiskState::Unchanged,
        Ok(digest) => DiskState::Changed(digest),
        Err(_) => without_file(&place).unwrap_or(DiskState::Unreadable),
    }
}

/// Returns what is said of a place without a file that could be read; `None` where there is one.
pub(super) fn without_file(place: &Path) -> Option<DiskState> {
    match place.metadata() {
        Ok(found) => (!found.is_file()).then_some(DiskState::NoFile),
        Err(cause) => {
            let nothing = [std::io::ErrorKind::NotFound, std::io::ErrorKind::NotADirectory];
            nothing.contains(&cause.kind()).then_some(DiskState::Gone)
        }
    }
}

/// Returns the digest of what lies at `place`; of a link that leads to no file, that of its text, as it is recorded.
///
/// # Errors
/// That of opening it.
pub(crate) fn digest_at(workspace: &Workspace, place: &Path) -> std::io::Result<Digest> {
    digest_by(workspace.digests(), place)
}

fn digest_by(digests: &Digests, place: &Path) -> std::io::Result<Digest> {
    digests.of(place).or_else(|cause| link_at(place).ok_or(cause))
}

/// Returns the digest that the link at `place` is recorded with, if there is one: that of its text.
pub(crate) fn link_at(place: &Path) -> Option<Digest> {
    link_text_at(place).map(|text| text.digest())
}

/// Returns the text of the link at `place`, if there is one.
pub(crate) fn link_text_at(place: &Path) -> Option<LinkText> {
    let target = std::fs::read_link(place).ok()?;
    LinkText::new(target.into_os_string().into_encoded_bytes()).ok()
}
