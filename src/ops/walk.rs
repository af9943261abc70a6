//! Files that somebody names: one by one, or by the folder they lie in.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::capture::ignored::IgnoreRules;
use crate::error::{Error, Result};
use crate::model::{Artifact, ArtifactPath, repeated_word};
use crate::ops::Workspace;
use crate::ops::named::place_on_disk;
use crate::ops::run::is_ignored_place;

/// As many files are taken at once.
const FILES_MAX: usize = 1_000_000;
/// The deepest nesting of folders that is entered.
const DEPTH_MAX: usize = 256;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct FoundFiles {
    /// The files, by place; absolute, with the links of their folders resolved. Some may be links themselves.
    pub files: BTreeSet<PathBuf>,
    /// How many files and folders `.lineageignore` left out.
    pub ignored: u64,
    /// How many were passed over: pipes, devices, sockets, links that lead nowhere or to folders, caches.
    pub passed_over: u64,
    /// What of the ignore rules could not be used.
    pub faults: Vec<String>,
}

impl FoundFiles {
    /// Returns where the files really lie, which is where they are recorded: of a symbolic link, what it leads to.
    pub fn real_files(&self) -> BTreeSet<PathBuf> {
        self.files.iter().map(|file| file.canonicalize().unwrap_or_else(|_| file.clone())).collect()
    }

    /// Returns those of the files that are symbolic links.
    pub fn links(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.iter().filter(|file| file.is_symlink())
    }
}

/// Finds the files that `words` name, seen from `folder`. A file that is named is taken whatever the ignore rules say; they decide
/// on what lies in folders that are named.
///
/// # Errors
/// A request error where one does not exist, is no file and no folder, or where there are too many.
pub(crate) fn find_files(workspace: &Workspace, folder: &Path, words: &[PathBuf]) -> Result<FoundFiles> {
    let rules = IgnoreRules::of(workspace.root());
    let mut found = FoundFiles::default();
    for word in words {
        let shown = repeated_word(word);
        let failed = |cause| Error::request(format!("cannot read `{shown}`")).because(cause);
        if word.as_os_str().is_empty() {
            return Err(Error::request("an empty word names no file").hint("`.` is the folder you are in"));
        }
        let place = place_on_disk(folder, word)?;
        let metadata = fs::metadata(&place).map_err(failed)?;
        if metadata.is_dir() {
            walk(place.canonicalize().map_err(failed)?, workspace.root(), &rules, &mut found)?;
        } else if metadata.is_file() {
            found.files.insert(real_place(&place).map_err(failed)?);
        } else {
            return Err(Error::request(format!("`{shown}` is neither a file nor a folder"))
                .hint("save what it gives to a file first"));
        }
        if found.files.len() > FILES_MAX {
            return Err(too_many());
        }
    }
    found.faults = rules.faults();
    Ok(found)
}

fn too_many() -> Error {
    Error::request(format!("these are more than {FILES_MAX} files"))
        .hint("nothing was recorded; name their folders one by one, or leave some out in `.lineageignore`")
}

fn walk(base: PathBuf, root: &Path, rules: &IgnoreRules, found: &mut FoundFiles) -> Result<()> {
    let mut frontier = vec![(base, 0)];
    while let Some((folder, depth)) = frontier.pop() {
        let failed = |cause| {
            let shown = repeated_word(&folder);
            Error::request(format!("cannot read the folder `{shown}`")).because(cause)
        };
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
            // A linked folder is not entered: it may lead back to where we are.
            let is_file = kind.is_file() || (kind.is_symlink() && path.is_file());
            let leads_to = || path.canonicalize().ok().filter(|_| kind.is_symlink());
            if is_ignored_place(&path, root) || (kind.is_dir() && depth >= DEPTH_MAX) {
                found.passed_over += 1;
            } else if rules.ignores(&path, kind.is_dir())
                || leads_to().is_some_and(|real| rules.ignores(&real, false))
            {
                found.ignored += 1;
            } else if kind.is_dir() {
                frontier.push((path, depth + 1));
            } else if is_file {
                found.files.insert(path);
            } else {
                found.passed_over += 1;
            }
        }
        if found.files.len() > FILES_MAX {
            return Err(too_many());
        }
    }
    Ok(())
}

/// Returns a file's place with the links of its folder resolved, but not a link that it is itself.
fn real_place(path: &Path) -> std::io::Result<PathBuf> {
    let no_name = || std::io::Error::from(std::io::ErrorKind::InvalidInput);
    let folder = path.parent().ok_or_else(no_name)?;
    Ok(folder.canonicalize()?.join(path.file_name().ok_or_else(no_name)?))
}

/// Names a file and reads its digest.
///
/// # Errors
/// A request error where it cannot be read.
pub(crate) fn artifact_of(workspace: &Workspace, file: &Path) -> Result<Artifact> {
    let path = ArtifactPath::within(workspace.root(), file)?;
    let failed = |cause| Error::request(format!("cannot read `{path}`")).because(cause);
    let (digest, size_bytes) = workspace.digests().of_with_size(file).map_err(failed)?;
    Ok(Artifact { path, digest, size_bytes })
}
