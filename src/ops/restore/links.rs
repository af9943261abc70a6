//! Symbolic links brought back, and what they lead to.

use std::path::Path;

use super::{RestoreRequest, Version};
use crate::error::{Error, Result};
use crate::model::{Artifact, ArtifactPath, LinkText, printed_word};
use crate::ops::Workspace;
use crate::ops::locate::{link_text_at, newest, real_place};
use crate::store::Snapshot;

/// Returns the text of the link that a version is recorded to be.
pub(super) fn link_of(snapshot: &Snapshot, version: &Version) -> Result<Option<LinkText>> {
    match version {
        Version::File(artifact) => snapshot.link_text_of(artifact),
        Version::Segment(..) | Version::Content(_) => Ok(None),
    }
}

/// Of a link that lies as it was recorded, or is recorded to be one, returns the newest version of the file that it leads to, where
/// one is recorded; of all else the version itself.
///
/// # Errors
/// A store error where a record is damaged.
pub fn behind_link(workspace: &Workspace, snapshot: &Snapshot, version: Version) -> Result<Version> {
    let mut last = version;
    // Links that lead to links end somewhere, or are not to be followed.
    for _ in 0..LINKS_MAX {
        match next(workspace, snapshot, &last)? {
            Some(next) => last = next,
            None => break,
        }
    }
    Ok(last)
}

/// So many links are followed, as Linux does.
const LINKS_MAX: usize = 40;

fn next(workspace: &Workspace, snapshot: &Snapshot, version: &Version) -> Result<Option<Version>> {
    let Version::File(artifact) = version else { return Ok(None) };
    let Some(place) = artifact.path.on_disk(workspace.root()) else { return Ok(None) };
    let lies = link_text_at(&place).filter(|text| text.digest() == artifact.digest);
    let Some(text) = lies.map_or_else(|| link_of(snapshot, version), |text| Ok(Some(text)))? else {
        return Ok(None);
    };
    let to = real_place(&place.parent().unwrap_or(workspace.root()).join(text.to_path()));
    let path = ArtifactPath::within(workspace.root(), &to).ok();
    let number = path.map_or(Ok(None), |path| snapshot.path_no(&path))?;
    let newest = number.map_or(Ok(None), |number| newest(snapshot, snapshot.versions(number)?))?;
    newest.map_or(Ok(None), |number| snapshot.artifact(number).map(|artifact| Some(Version::File(artifact))))
}

/// Refuses a link that leads out of the workspace, or out of the folder that versions are written into: whoever writes to it then
/// would write there.
pub(super) fn check_stays(
    workspace: &Workspace,
    request: &RestoreRequest,
    place: &Path,
    text: &LinkText,
) -> Result<()> {
    let root = workspace.root();
    let to = request.to.as_ref().map(|to| request.folder.join(to));
    let base = if place.starts_with(root) { root } else { to.as_deref().unwrap_or(root) };
    if text.stays_below(base, place.parent().unwrap_or(base)) {
        return Ok(());
    }
    Err(Error::request(format!("`{}` is a link that leads out of `{}`", printed_word(place), base.display()))
        .hint(format!("`ln -s {text} {}` makes it; nothing was written", printed_word(place))))
}

/// Returns the error of asking a link for its bytes.
pub(super) fn without_bytes(artifact: &Artifact, text: &LinkText) -> Error {
    Error::request(format!("`{}` is a link to `{text}`, of which nothing is recorded", artifact.path))
        .hint("`lineage restore` brings back the link")
}
