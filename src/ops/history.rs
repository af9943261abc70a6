//! `lineage log FILE`: everything that happened to a file.

use std::ffi::OsStr;
use std::path::Path;

use crate::error::{Error, Result};
use crate::model::{ArtifactPath, Overwritten, repeated_word};
use crate::ops::other_names::other_names;
use crate::ops::{Target, View, Workspace, locate, overwritten_at};
use crate::query::{FileChange, file_history};

/// What happened to a file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FileHistory {
    /// The file.
    pub path: ArtifactPath,
    /// Other names that it is recorded by: below a symbolic link that lies in the workspace, or lay there.
    pub other_names: Vec<ArtifactPath>,
    /// When it was written, read and taken away, the last first; not more than were asked for.
    pub changes: Vec<FileChange>,
    /// Whether there are more.
    pub more: bool,
    /// What lay there until a command of lineage wrote over it, the last first.
    pub overwritten: Vec<Overwritten>,
}

/// Lists what happened to the file that `word` names, seen from `folder`, at most `limit` changes; of `FILE@RUN`, to the version that
/// the run wrote, or else read.
///
/// # Errors
/// A request error where it names no file of which anything is recorded, a store error where a record is damaged.
pub fn history(
    workspace: &Workspace,
    view: &View,
    folder: &Path,
    word: &OsStr,
    limit: usize,
) -> Result<FileHistory> {
    let snapshot = &view.snapshot;
    let shown = repeated_word(word);
    let target = match locate(workspace, snapshot, folder, word)? {
        Target::File(target) | Target::Segment(target, _) => target,
        Target::Model(_) => {
            return Err(Error::request(format!("`{shown}` is a model, not a file"))
                .hint(format!("`lineage models history {shown}` lists what became of it")));
        }
        Target::Projected(path, _) => {
            let overwritten = overwritten_at(snapshot, &path)?;
            if !overwritten.is_empty() {
                let (other_names, changes) = (Vec::new(), Vec::new());
                return Ok(FileHistory { path, other_names, changes, more: false, overwritten });
            }
            return Err(Error::request(format!("`{path}` is written by a projection, and by no run"))
                .hint(format!("`lineage show {path}` tells what it is written from")));
        }
        Target::Run(_) => {
            return Err(Error::request(format!("`{shown}` is a run, not a file"))
                .hint(format!("`lineage show {shown}` shows it")));
        }
    };
    let path = target.artifact.path.clone();
    let version = target.as_of.map(|_| target.number);
    let other_names = match version {
        Some(_) => Vec::new(),
        None => other_names(workspace, snapshot, &path)?,
    };
    let names: Vec<ArtifactPath> = [&path].into_iter().chain(&other_names).cloned().collect();
    let (changes, more) = file_history(snapshot, &names, version, limit)?;
    let mut overwritten = overwritten_at(snapshot, &path)?;
    overwritten.retain(|over| version.is_none() || over.artifact == target.artifact);
    Ok(FileHistory { path, other_names, changes, more, overwritten })
}
