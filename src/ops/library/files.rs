//! Files that a program declares, as they are now.

use std::path::{Path, PathBuf};

use crate::digests::Found;
use crate::error::{Error, Result};
use crate::model::{Artifact, ArtifactPath, Evidence, Timestamp};
use crate::ops::Workspace;
use crate::ops::library::edges::FileRead;
use crate::ops::locate::real_place;
use crate::ops::named::{self, place_on_disk};
use crate::ops::walk::find_files;

/// Reads what `path` names, seen from `folder`: a file, every file below a folder, or something outside this machine, whose
/// content is not known.
///
/// # Errors
/// A request error where it cannot be read, or is neither a file nor a folder.
pub(super) fn read(workspace: &Workspace, folder: &Path, path: &Path) -> Result<Vec<FileRead>> {
    if let Some(url) = named::url(path.as_os_str()) {
        let version = url.as_bytes().to_vec();
        let artifact = Artifact::without_content(url, &version);
        let changed_at = Timestamp::default();
        return Ok(vec![FileRead { artifact, changed_at, evidence: Evidence::Declared }]);
    }
    let place = place_on_disk(folder, path)?;
    if place.is_file() {
        let real = place.canonicalize().unwrap_or_else(|_| real_place(&place));
        return Ok(vec![read_file(workspace, &real)?]);
    }
    let found = find_files(workspace, folder, &[PathBuf::from(path)])?;
    found.real_files().iter().map(|file| read_file(workspace, file)).collect()
}

fn read_file(workspace: &Workspace, place: &Path) -> Result<FileRead> {
    let path = ArtifactPath::within(workspace.root(), place)?;
    let failed = |cause| Error::request(format!("cannot read the declared file `{path}`")).because(cause);
    let Found { digest, stamp } = workspace.digests().found_at(place).map_err(failed)?;
    Ok(FileRead {
        artifact: Artifact { path, digest, size_bytes: stamp.size_bytes },
        changed_at: Timestamp::from_micros(stamp.mtime_ns.div_euclid(1_000)),
        evidence: Evidence::Declared,
    })
}
