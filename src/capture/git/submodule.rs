//! Submodules: the recorded and the checked out commit, and whether tracked files inside differ.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use gix::bstr::{BStr, BString};
use gix::hash::ObjectId;
use gix::status::plumbing::index_as_worktree::traits::SubmoduleStatus;
use gix::submodule::config::Ignore;

use super::{Omission, Submodule, open, status};
use crate::error::Result;

/// Submodules inside submodules are looked into this deep.
pub(super) const DEPTH_MAX: usize = 8;

/// Lists the submodules of the index with what is checked out; those that cannot be read are added to `unread`.
pub(super) fn list(work_tree: &Path, index: &gix::index::File, unread: &mut Vec<Omission>) -> Vec<Submodule> {
    let mut submodules = Vec::new();
    for entry in index.entries().iter().filter(|entry| entry.mode.is_submodule() && entry.stage_raw() == 0) {
        let path = entry.path(index);
        let checked_out = checked_out(work_tree, path).unwrap_or_else(|error| {
            unread.push(Omission { path: path.to_vec(), reason: error.in_full() });
            None
        });
        submodules.push(Submodule {
            path: path.to_vec(),
            recorded: entry.id.to_string(),
            checked_out: checked_out.map(|id| id.to_string()),
        });
    }
    submodules
}

/// Returns the commit checked out in the submodule at `path`; `None` when it is not initialised or has no commit.
fn checked_out(work_tree: &Path, path: &BStr) -> Result<Option<ObjectId>> {
    let git = work_tree.join(gix::path::from_bstr(path).unwrap_or_default()).join(".git");
    if git.symlink_metadata().is_err() {
        return Ok(None);
    }
    Ok(open::head(&open::open_at(&git)?)?.commit)
}

/// Says for gix whether a submodule differs from its entry in the index: another commit, or tracked files changed inside.
///
/// `submodule.<name>.ignore` and `diff.ignoreSubmodules` are followed. Untracked files inside do not count, as outside.
#[derive(Clone)]
pub(super) struct SubmoduleCheck {
    work_tree: PathBuf,
    ignored: HashMap<BString, Ignore>,
    ignored_default: Option<Ignore>,
    depth: usize,
}

impl SubmoduleCheck {
    /// Reads which submodules of `repo` git is told to ignore; `depth` levels are looked into.
    pub(super) fn new(
        repo: &gix::Repository,
        work_tree: &Path,
        index: &gix::index::File,
        depth: usize,
    ) -> Self {
        if !index.entries().iter().any(|entry| entry.mode.is_submodule()) {
            // It will not be asked.
            return SubmoduleCheck {
                work_tree: work_tree.to_owned(),
                ignored: HashMap::new(),
                ignored_default: None,
                depth,
            };
        }
        let ignored_default = repo
            .config_snapshot()
            .string("diff.ignoreSubmodules")
            .and_then(|value| Ignore::try_from(AsRef::<BStr>::as_ref(&value)).ok());
        let mut ignored = HashMap::new();
        if let Ok(Some(submodules)) = repo.submodules() {
            for submodule in submodules {
                if let (Ok(path), Ok(Some(ignore))) = (submodule.path(), submodule.ignore()) {
                    ignored.insert(path, ignore);
                }
            }
        }
        SubmoduleCheck { work_tree: work_tree.to_owned(), ignored, ignored_default, depth }
    }
}

impl SubmoduleStatus for SubmoduleCheck {
    type Output = ();

    fn status(&mut self, entry: &gix::index::Entry, path: &BStr) -> gix::Result<Option<()>> {
        let ignore = self.ignored_default.or_else(|| self.ignored.get(path).copied()).unwrap_or_default();
        if ignore == Ignore::All {
            return Ok(None);
        }
        // What cannot be read is listed as unread by `list`; it must not take the whole answer down.
        let Ok(Some(commit)) = checked_out(&self.work_tree, path) else {
            return Ok(None);
        };
        if entry.id != commit {
            return Ok(Some(()));
        }
        if ignore == Ignore::Dirty || self.depth == 0 {
            return Ok(None);
        }
        let inside = self.work_tree.join(gix::path::from_bstr(path)?);
        Ok(has_changes(&inside, self.depth - 1).unwrap_or(false).then_some(()))
    }
}

/// Says whether tracked files of the repository at `work_tree` differ from its `HEAD`.
fn has_changes(work_tree: &Path, depth: usize) -> Result<bool> {
    let repo = open::open_at(&work_tree.join(".git"))?;
    let index = status::read_index(&repo)?;
    let staged = status::staged_changes(&repo, open::head(&repo)?.tree, &index.file)?;
    if !staged.is_empty() {
        return Ok(true);
    }
    let changes = status::work_tree_changes(&repo, work_tree, &index, depth)?;
    Ok(changes.keys().any(|path| !index.hidden.contains(path)))
}
