//! Which files git is told to ignore.

use std::path::{Path, PathBuf};

use gix::worktree::stack::state::ignore::Source;

use super::open::{cannot, open};
use crate::error::Result;

/// What the repository of a folder ignores, by its own rules and those of its user.
pub struct Ignored {
    repo: gix::Repository,
    work_tree: PathBuf,
    index: gix::worktree::Index,
    rules: gix::worktree::Stack,
}

impl Ignored {
    /// Reads the rules of the repository that `root` is in; `None` where it is in none.
    ///
    /// # Errors
    /// A request error where the repository cannot be read.
    pub fn of(root: &Path) -> Result<Option<Self>> {
        let Some(repo) = open(root)? else { return Ok(None) };
        let Some(work_tree) = repo.workdir().and_then(|folder| folder.canonicalize().ok()) else {
            return Ok(None);
        };
        let index = repo.index_or_empty().map_err(|cause| cannot(&repo, "the index", cause))?;
        let rules = repo
            .excludes(&index, None, Source::WorktreeThenIdMappingIfNotSkipped)
            .map_err(|cause| cannot(&repo, "what is ignored", cause))?
            .detach();
        Ok(Some(Ignored { repo, work_tree, index, rules }))
    }

    /// Returns true for a file in the work tree that git ignores, or of which that cannot be told; what it tracks, it does not
    /// ignore.
    pub fn has(&mut self, file: &Path) -> bool {
        let Ok(inside) = file.strip_prefix(&self.work_tree) else { return false };
        let Ok(name) = gix::path::into_bstr(inside) else { return true };
        if self.index.entry_by_path(name.as_ref()).is_some() {
            return false;
        }
        let found = self.rules.at_path(inside, None, &self.repo.objects);
        found.map_or(true, |found| found.is_excluded())
    }
}
