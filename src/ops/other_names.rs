//! Other names that a file is recorded by: below a symbolic link that lies in the workspace, or lay there when a run read through it.
//!
//! Files are recorded by where they really lie. Data that is moved to another disk, with a link in its place, has another name from
//! then on, and so has data that comes back in place of a link.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::capture::links::Links;
use crate::error::Result;
use crate::model::ArtifactPath;
use crate::ops::Workspace;
use crate::store::{PathNo, Snapshot};

/// Finds the other names that the file at a path is recorded by, in order.
///
/// # Errors
/// A store error where a record is damaged.
pub(crate) fn other_names(
    workspace: &Workspace,
    snapshot: &Snapshot,
    path: &ArtifactPath,
) -> Result<Vec<ArtifactPath>> {
    let root = workspace.root();
    let Some(place) = path.on_disk(root) else { return Ok(Vec::new()) };
    let mut names = BTreeSet::new();
    for name in Links::below(root, &|_| true).names(&place) {
        names.extend(ArtifactPath::within(root, &root.join(name.path)));
    }
    names.extend(led_to(workspace, snapshot, path)?);
    names.remove(path);
    let mut recorded = Vec::new();
    for name in names {
        // Of a link that is the file's own name, it is another matter what was read of the link itself.
        let versions = snapshot.path_no(&name)?.map_or(Ok(Vec::new()), |path| snapshot.versions(path))?;
        for version in versions {
            if snapshot.link_seen(version)?.is_none() {
                recorded.push(name);
                break;
            }
        }
    }
    Ok(recorded)
}

/// Lists where a file or a folder lay while a symbolic link was recorded in its place, or in place of a folder around it.
///
/// # Errors
/// A store error where a record is damaged.
pub(crate) fn led_to(
    workspace: &Workspace,
    snapshot: &Snapshot,
    path: &ArtifactPath,
) -> Result<BTreeSet<ArtifactPath>> {
    let root = workspace.root();
    let mut places = BTreeSet::new();
    let Some(place) = path.on_disk(root) else { return Ok(places) };
    for above in place.ancestors().take_while(|above| above.starts_with(root)) {
        let number = ArtifactPath::within(root, above).map_or(Ok(None), |above| snapshot.path_no(&above))?;
        // While a link lies there, what it leads to now is meant.
        let Some(number) = number.filter(|_| !above.is_symlink()) else { continue };
        let below = place.strip_prefix(above).unwrap_or(Path::new("")).as_os_str().as_encoded_bytes();
        for target in link_targets(snapshot, root, number, above)? {
            let slash: &[u8] = if below.is_empty() { b"" } else { b"/" };
            places.extend(ArtifactPath::from_bytes([target.as_bytes(), slash, below].concat()));
        }
    }
    Ok(places)
}

/// Lists where the symbolic links led that are recorded of a path, which is the one of `place`.
///
/// # Errors
/// A store error where a record is damaged.
pub(crate) fn link_targets(
    snapshot: &Snapshot,
    root: &Path,
    path: PathNo,
    place: &Path,
) -> Result<BTreeSet<ArtifactPath>> {
    let mut targets = BTreeSet::new();
    for version in snapshot.versions(path)? {
        if let (Some(link), Some(folder)) = (snapshot.link_seen(version)?, place.parent()) {
            let target = real_place_of(&folder.join(link.text.to_path()));
            targets.extend(target.and_then(|target| ArtifactPath::within(root, &target).ok()));
        }
    }
    Ok(targets)
}

/// Returns where a place really is. Of one that is gone, the part that is there counts: it may be what leads elsewhere.
pub(crate) fn real_place_of(place: &Path) -> Option<PathBuf> {
    let (there, real) =
        place.ancestors().find_map(|part| part.canonicalize().ok().map(|real| (part, real)))?;
    Some(real.join(place.strip_prefix(there).ok()?))
}
