//! Putting projected files on the disk: inside the workspace only, whole or not at all.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::disk::{Disk, Staged, TEMPORARY_PREFIX, Together};
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
        return Err(Error::request(format!("`{path}` lies outside of the workspace"))
            .hint("`--to PATH` says where to write it; nothing was written"));
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

/// Files on their way into the workspace at `root`.
#[derive(Debug)]
pub struct Placing<'a> {
    root: &'a Path,
    together: &'a Together,
    /// Folders that lie in the workspace, also behind links.
    inside: Mutex<HashSet<PathBuf>>,
}

/// A file that is written and has not got its name in the workspace yet.
#[derive(Debug)]
pub struct StagedFile {
    path: ArtifactPath,
    file: Staged,
}

impl StagedFile {
    /// Returns its path in the workspace.
    pub fn path(&self) -> &ArtifactPath {
        &self.path
    }

    /// Returns the file, to be forced to the disk together with others.
    pub fn file(&mut self) -> &mut Staged {
        &mut self.file
    }
}

impl<'a> Placing<'a> {
    /// Begins with no files.
    pub fn new(root: &'a Path, together: &'a Together) -> Self {
        Placing { root, together, inside: Mutex::default() }
    }

    /// Writes a file beside its place, and makes its folder; it is there when it was forced to the disk and
    /// [`Placing::publish`] has returned.
    ///
    /// # Errors
    /// A request error where the place is outside the workspace; a store error where the disk does not take the file.
    pub fn stage(&self, path: &ArtifactPath, bytes: &[u8]) -> Result<StagedFile> {
        let file =
            self.together.stage(&self.place(path)?, bytes).map_err(|cause| not_written(path, cause))?;
        Ok(StagedFile { path: path.clone(), file })
    }

    /// Gives a file that was forced to the disk its name. That its folder is forced to the disk is for the caller to see to; where
    /// that fails, [`Placing::unsure`] says so.
    ///
    /// # Errors
    /// A store error where it could not be forced to the disk or given its name; an older file is intact then.
    pub fn publish(&self, staged: StagedFile) -> Result<()> {
        self.together.publish(staged.file).map_err(|cause| not_written(&staged.path, cause))
    }

    /// Returns the error of a file that lies below a folder that could not be forced to the disk: its name may be lost.
    pub fn unsure(&self, path: &ArtifactPath, failed: &[(PathBuf, io::Error)]) -> Option<Error> {
        let target = path.on_disk(self.root)?;
        let (_, cause) = failed.iter().find(|(folder, _)| target.starts_with(folder))?;
        Some(not_written(path, cause.to_string()))
    }

    /// Returns where a file is to be written, as [`place`] does; a folder is looked at once.
    fn place(&self, path: &ArtifactPath) -> Result<PathBuf> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(target) = path.on_disk(self.root).filter(|_| path.is_inside())
            && target.parent().is_some_and(|folder| inside.contains(folder))
        {
            return Ok(target);
        }
        let target = place(self.root, path)?;
        inside.extend(target.parent().map(Path::to_owned));
        Ok(target)
    }
}

/// So many files have temporary names at once while several are written.
const STAGED_MAX: usize = 256;

/// Writes files into the workspace at `root`, each whole or not at all; returns what became of each, in order.
///
/// Every file is forced to the disk before it takes its name, and every folder with new entries once after all files; where
/// that last step fails, all files below the folder count as not written, since their names may be lost.
pub fn write_files(disk: &Disk, root: &Path, files: &[(&ArtifactPath, &[u8])]) -> Vec<Result<()>> {
    let together = Together::new(disk);
    let placing = Placing::new(root, &together);
    let mut results = Vec::with_capacity(files.len());
    for group in files.chunks(STAGED_MAX) {
        let staged = group.iter().map(|(path, bytes)| placing.stage(path, bytes));
        let mut staged: Vec<Result<StagedFile>> = staged.collect();
        together.sync(staged.iter_mut().flatten().map(StagedFile::file).collect());
        results.extend(staged.into_iter().map(|staged| staged.and_then(|staged| placing.publish(staged))));
    }
    let failed = together.sync_folders();
    let named = files.iter().zip(results).map(|((path, _), written): (_, Result<()>)| {
        written?;
        placing.unsure(path, &failed).map_or(Ok(()), Err)
    });
    named.collect()
}

fn not_written(path: &ArtifactPath, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::store(format!("cannot write `{path}`")).because(cause)
}

/// Removes the temporary files that an interrupted write left in the folder of `path`; nothing where that leads out of the
/// workspace. Only to be called while nobody writes there.
pub fn remove_leftovers(disk: &Disk, root: &Path, path: &ArtifactPath) {
    for leftover in leftovers(root, path) {
        // One that cannot be removed is in nobody's way.
        let _ = disk.remove(&leftover);
    }
}

/// Lists the temporary files in the folder of `path`: those of who writes there now, and those that an interrupted write left.
pub fn leftovers(root: &Path, path: &ArtifactPath) -> Vec<PathBuf> {
    let folder = place(root, path).ok();
    let entries = folder.and_then(|target| std::fs::read_dir(target.parent()?).ok());
    let entries = entries.into_iter().flatten().flatten().filter(|entry| {
        let name = entry.file_name();
        name.as_encoded_bytes().starts_with(TEMPORARY_PREFIX.as_bytes())
    });
    entries.map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
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
