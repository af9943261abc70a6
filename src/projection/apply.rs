//! Putting projected files on the disk: inside the workspace only, whole or not at all.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, TEMPORARY_PREFIX};
use crate::error::{Error, Result};
use crate::model::ArtifactPath;

/// Returns where `path` is to be written in the workspace at `root`, an absolute path free of symbolic links.
///
/// # Errors
/// A request error where the path is outside the workspace, or a symbolic link on the way leads out of it.
pub fn place(root: &Path, path: &ArtifactPath) -> Result<PathBuf> {
    let leads_out = || {
        Error::request(format!("`{path}` leads out of the workspace"))
            .hint("a folder on the way is a symbolic link; nothing was written there")
    };
    if !path.is_inside() {
        return Err(leads_out());
    }
    let target = path.on_disk(root).ok_or_else(leads_out)?;
    let existing = target.ancestors().skip(1).find(|folder| folder.symlink_metadata().is_ok());
    if let Some(folder) = existing {
        let real = folder
            .canonicalize()
            .map_err(|cause| Error::request(format!("cannot write `{path}`")).because(cause))?;
        if !real.starts_with(root) {
            return Err(leads_out());
        }
    }
    Ok(target)
}

/// Writes files into the workspace at `root`, each whole or not at all; returns what became of each, in order.
///
/// Every file is forced to the disk before it takes its name, and every folder with new entries once after all files, all of
/// them at the same time; where that last step fails, all files below the folder count as not written, since their names may
/// be lost.
pub fn write_files(disk: &Disk, root: &Path, files: &[(&ArtifactPath, &[u8])]) -> Vec<Result<()>> {
    let mut changed: BTreeSet<PathBuf> = BTreeSet::new();
    let prepared = files.iter().map(|(path, _)| prepare(disk, root, path, &mut changed));
    let targets: Vec<Result<PathBuf>> = prepared.collect();
    let placed = targets.iter().zip(files);
    let placed = placed.filter_map(|(target, (_, bytes))| Some((target.as_ref().ok()?.as_path(), *bytes)));
    let mut replaced = disk.replace_all(placed).into_iter();
    let written = targets.into_iter().zip(files).map(|(target, (path, _))| {
        let target = target?;
        replaced.next().unwrap_or(Ok(())).map_err(|cause| not_written(path, cause))?;
        Ok(target)
    });
    let written: Vec<Result<PathBuf>> = written.collect();
    changed.extend(written.iter().flatten().map(|target| target.parent().unwrap_or(root).to_owned()));
    let changed: Vec<&Path> = changed.iter().map(PathBuf::as_path).collect();
    let synced = disk.sync_folders(&changed).into_iter();
    let unsure: Vec<(&Path, String)> = synced
        .zip(&changed)
        .filter_map(|(synced, folder)| Some((*folder, synced.err()?.to_string())))
        .collect();
    let named = files.iter().zip(written).map(|((path, _), target)| {
        let target = target?;
        match unsure.iter().find(|(folder, _)| target.starts_with(folder)) {
            Some((_, cause)) => Err(not_written(path, cause.clone())),
            None => Ok(()),
        }
    });
    named.collect()
}

fn not_written(path: &ArtifactPath, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::store(format!("cannot write `{path}`"))
        .because(cause)
        .hint("its content is kept; `lineage pipeline --resume` writes it again")
}

/// Removes the temporary files that an interrupted write left in the folder of `path`; nothing where that leads out of the
/// workspace. Only to be called while nobody writes there.
pub fn remove_leftovers(disk: &Disk, root: &Path, path: &ArtifactPath) {
    let folder = place(root, path).ok();
    let entries = folder.and_then(|target| std::fs::read_dir(target.parent()?).ok());
    for entry in entries.into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(TEMPORARY_PREFIX.as_bytes()) {
            // One that cannot be removed is in nobody's way.
            let _ = disk.remove(&entry.path());
        }
    }
}

/// Returns the place of a file, and makes its folder; adds those that have a new entry by that.
fn prepare(
    disk: &Disk,
    root: &Path,
    path: &ArtifactPath,
    changed: &mut BTreeSet<PathBuf>,
) -> Result<PathBuf> {
    let target = place(root, path)?;
    let made = disk.make_folders(target.parent().unwrap_or(root));
    changed.extend(made.map_err(|cause| not_written(path, cause))?);
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_symbolic_link_out_of_the_workspace_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("w");
        std::fs::create_dir_all(root.join("data")).unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), root.join("data/interim")).unwrap();
        let path = ArtifactPath::new("data/interim/parsed/x.json").unwrap();
        let results = write_files(&Disk::new(), &root, &[(&path, b"x")]);
        let error = results.into_iter().next().unwrap().unwrap_err();
        assert_eq!(error.message(), "`data/interim/parsed/x.json` leads out of the workspace");
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
