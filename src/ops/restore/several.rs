//! Many files by one word: those of a version of a model, and those that runs wrote into a folder.

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::path::Path;

use super::{Meant, Version, meant};
use crate::error::{Error, Result};
use crate::model::{Artifact, ArtifactPath, NodeId, repeated_word};
use crate::ops::Workspace;
use crate::ops::locate::{link_at, named_place, newest};
use crate::query;
use crate::store::{GO_ON, Snapshot};

/// A version that is to be brought back.
pub(super) struct Wanted {
    pub(super) version: Version,
    /// Where it is one of many that a word names: its name below the folder that holds them all.
    pub(super) below: Option<ArtifactPath>,
    /// Whether it is one of those that lay in a folder: the others are brought back also where it is not to be had.
    pub(super) is_of_folder: bool,
    /// The version of a model that it is a file of, where that was asked for.
    pub(super) model: Option<NodeId>,
}

/// Finds what `word` means, seen from `folder`: a version of a file, or the files of a version of a model; else
/// the newest version of each file that runs wrote below a folder, and took away no more since.
///
/// # Errors
/// As [`super::find_version`].
pub(super) fn find_versions(
    workspace: &Workspace,
    snapshot: &Snapshot,
    folder: &Path,
    word: &OsStr,
) -> Result<Vec<Wanted>> {
    let not_found = match meant(workspace, snapshot, folder, word) {
        Ok(Meant::Version(version)) => {
            return Ok(vec![Wanted { version, below: None, is_of_folder: false, model: None }]);
        }
        Ok(Meant::Model(id)) => {
            let artifacts = files_of_model(snapshot, id, word)?;
            let shared = shared_folder(&artifacts);
            return wanted(artifacts, &shared, Some(id));
        }
        Err(error) => error,
    };
    let place = named_place(workspace, snapshot, folder, word)?;
    let front = match ArtifactPath::within(workspace.root(), &place) {
        Ok(path) => [path.as_bytes(), b"/"].concat(),
        // The workspace itself has no name in it.
        Err(_) if place == workspace.root() => Vec::new(),
        Err(_) => return Err(not_found),
    };
    let artifacts = written_below(workspace, snapshot, &front)?;
    if artifacts.is_empty() { Err(not_found) } else { wanted(artifacts, &front, None) }
}

/// Lists the files of a version of a model, which `word` names.
///
/// # Errors
/// A request error where it has none.
pub(super) fn files_of_model(snapshot: &Snapshot, id: NodeId, word: &OsStr) -> Result<Vec<Artifact>> {
    let held = snapshot.model(id)?.map(|model| model.artifacts).unwrap_or_default();
    if held.is_empty() {
        let name = repeated_word(word);
        return Err(Error::request(format!("`{name}` has no files: none was registered with it"))
            .hint(format!("`lineage models show {name}` says what is recorded of it")));
    }
    Ok(held.into_iter().map(|held| held.artifact).collect())
}

/// Names files below a folder: those of a version of a model, else those that lay there.
fn wanted(artifacts: Vec<Artifact>, folder: &[u8], model: Option<NodeId>) -> Result<Vec<Wanted>> {
    let one = |artifact: Artifact| {
        let below = artifact.path.as_bytes().strip_prefix(folder).unwrap_or(artifact.path.as_bytes());
        let below = below.strip_prefix(b"/").unwrap_or(below).to_vec();
        let below = Some(ArtifactPath::from_bytes(below)?);
        Ok(Wanted { version: Version::File(artifact), below, is_of_folder: model.is_none(), model })
    };
    artifacts.into_iter().map(one).collect()
}

/// Returns the deepest folder that holds all files.
fn shared_folder(artifacts: &[Artifact]) -> Vec<u8> {
    let mut folders = artifacts.iter().map(|artifact| artifact.path.folder());
    let Some(first) = folders.next() else { return Vec::new() };
    let mut shared: Vec<&[u8]> = first.split(|byte| *byte == b'/').collect();
    for folder in folders {
        let parts = folder.split(|byte| *byte == b'/');
        let same = shared.iter().zip(parts).take_while(|(a, b)| **a == *b).count();
        shared.truncate(same);
    }
    shared.join(&b'/')
}

/// Lists the newest version of each file that runs wrote whose name has this front; without one, in the whole workspace. Left out is what a run took away since, and each link that
/// lies as it was recorded where its text is not recorded: it has no bytes of its own.
fn written_below(workspace: &Workspace, snapshot: &Snapshot, front: &[u8]) -> Result<Vec<Artifact>> {
    let mut paths = Vec::new();
    snapshot.paths_from(front, |_, number| {
        paths.push(number);
        Ok(GO_ON)
    })?;
    let mut artifacts = Vec::new();
    for path in paths {
        let written = snapshot.path_writes_until(path, i64::MAX, |_, _, _| Ok(ControlFlow::Break(())))?;
        if written.is_continue() || query::removed(snapshot, path)?.is_some() {
            continue;
        }
        let Some(number) = newest(snapshot, snapshot.versions(path)?)? else { continue };
        let artifact = snapshot.artifact(number)?;
        let place = artifact.path.on_disk(workspace.root());
        let is_bare = || place.and_then(|place| link_at(&place)) == Some(artifact.digest);
        let is_asked_for = artifact.has_content() && (!front.is_empty() || artifact.path.is_inside());
        if is_asked_for && (snapshot.link_text(number)?.is_some() || !is_bare()) {
            artifacts.push(artifact);
        }
    }
    artifacts.sort();
    Ok(artifacts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_below_the_deepest_folder_that_holds_them_all() {
        let check = |paths: &[&str], expected: &str| {
            let artifacts =
                paths.iter().map(|path| Artifact::without_content(ArtifactPath::new(*path).unwrap(), b""));
            let shared = shared_folder(&artifacts.collect::<Vec<_>>());
            assert_eq!(String::from_utf8(shared).unwrap(), expected, "{paths:?}");
        };
        check(&["m/w.bin", "m/sub/tok"], "m");
        check(&["m/a/w", "m/ab/w"], "m");
        check(&["m/w"], "m");
        check(&["w", "m/w"], "");
        check(&["/srv/m/w", "/srv/m/x/y"], "/srv/m");
    }
}
