//! The code state: which code a run was made by.

use crate::model::{Artifact, ArtifactPath, Digest};

/// Commit, branch, what differs from the commit, and the patch that says how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CodeState {
    /// Whether there is a git repository at all.
    pub repository: bool,
    /// The full SHA of HEAD; `None` without a repository and on an unborn branch.
    pub commit: Option<String>,
    /// The shortest unambiguous front of the SHA, at least seven digits.
    pub commit_short: Option<String>,
    /// The branch; `None` when detached or without a repository.
    pub branch: Option<String>,
    /// Whether tracked files differ from HEAD in git's own sense: untracked files do not count, nor do changes that git was
    /// told not to see.
    pub dirty: bool,
    /// Tracked files that differ from HEAD, in the index or in the work tree, sorted by path.
    pub changed: Vec<ChangedFile>,
    /// Files that are neither tracked nor ignored, sorted by path; without what this program itself wrote.
    pub untracked: Vec<ChangedFile>,
    /// How many untracked files there were beyond those listed.
    pub untracked_omitted: u64,
    /// The kept content that holds the patch from HEAD to the work tree.
    pub patch: Option<Digest>,
    /// What the patch leaves out, and why; one line each.
    pub patch_omitted: Vec<String>,
    /// Submodules, noted but not entered.
    pub submodules: Vec<Submodule>,
    /// Why the code state could not be read, where it could not.
    pub unreadable: Option<String>,
}

impl CodeState {
    /// Returns true for what can be a commit: 7 to 64 hexadecimal digits, a SHA or the front of one.
    pub fn is_commit(text: &str) -> bool {
        (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    /// Returns the short SHA, with `-dirty` where tracked files differ; `None` without a commit.
    pub fn label(&self) -> Option<String> {
        let short = self.commit_short.as_deref()?;
        Some(if self.dirty { format!("{short}-dirty") } else { short.to_owned() })
    }

    /// Returns whether tracked files differ from the commit; `None` where nobody knows: without a commit, or where not all could be
    /// compared and nothing of the rest differed.
    pub fn is_dirty(&self) -> Option<bool> {
        let is_known = self.dirty || (self.commit.is_some() && self.unreadable.is_none());
        is_known.then_some(self.dirty)
    }

    /// Says why there is no commit, where there is none.
    pub fn without_commit(&self) -> &'static str {
        match (self.repository, &self.unreadable) {
            (_, Some(_)) => "not known: git cannot be read here",
            (true, None) => "no commit yet",
            (false, None) => "no git repository",
        }
    }
}

/// A file that differs from HEAD.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangedFile {
    /// Where it lies.
    pub path: ArtifactPath,
    /// In what way it differs.
    pub kind: ChangeKind,
    /// The digest of the file as it lies in the work tree; `None` where it is gone, or larger than is hashed.
    pub digest: Option<Digest>,
    /// Its size in the work tree.
    pub size_bytes: u64,
}

impl ChangedFile {
    /// Returns the version that lies in the work tree, where its digest is known.
    pub fn artifact(&self) -> Option<Artifact> {
        self.digest.map(|digest| Artifact { path: self.path.clone(), digest, size_bytes: self.size_bytes })
    }
}

/// In what way a file differs from HEAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ChangeKind {
    /// Other bytes or another mode.
    Modified,
    /// New to git, in the index.
    Added,
    /// Gone.
    Deleted,
    /// A link became a file, or the other way round.
    TypeChanged,
    /// Staged under a new path with the bytes of a path whose deletion is staged.
    Renamed,
    /// In conflict.
    Conflicted,
    /// Neither tracked nor ignored.
    Untracked,
}

impl ChangeKind {
    /// Every value, in the order of its code.
    pub const ALL: [ChangeKind; 7] = [
        ChangeKind::Modified,
        ChangeKind::Added,
        ChangeKind::Deleted,
        ChangeKind::TypeChanged,
        ChangeKind::Renamed,
        ChangeKind::Conflicted,
        ChangeKind::Untracked,
    ];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            ChangeKind::Modified => "modified",
            ChangeKind::Added => "added",
            ChangeKind::Deleted => "deleted",
            ChangeKind::TypeChanged => "type changed",
            ChangeKind::Renamed => "renamed",
            ChangeKind::Conflicted => "conflicted",
            ChangeKind::Untracked => "untracked",
        }
    }
}

/// A submodule: another repository inside this one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Submodule {
    /// Where it lies.
    pub path: ArtifactPath,
    /// The commit that HEAD names for it.
    pub recorded: Option<String>,
    /// The commit that is checked out in it.
    pub checked_out: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_files_differ_is_not_known_where_not_all_was_compared_and_nothing_did() {
        let dirty = |commit: Option<&str>, dirty: bool, unreadable: Option<&str>| {
            let (commit, unreadable) = (commit.map(str::to_owned), unreadable.map(str::to_owned));
            CodeState { commit, dirty, unreadable, ..CodeState::default() }.is_dirty()
        };
        assert_eq!(dirty(Some("ea45dd2"), false, None), Some(false));
        assert_eq!(dirty(Some("ea45dd2"), true, None), Some(true));
        assert_eq!(dirty(Some("ea45dd2"), true, Some("one file")), Some(true));
        assert_eq!(dirty(Some("ea45dd2"), false, Some("one file")), None);
        assert_eq!(dirty(None, false, None), None);
    }

    #[test]
    fn a_repository_that_cannot_be_read_is_not_called_none() {
        let words = |repository: bool, unreadable: Option<&str>| {
            let unreadable = unreadable.map(str::to_owned);
            CodeState { repository, unreadable, ..CodeState::default() }.without_commit()
        };
        assert_eq!(words(false, None), "no git repository");
        assert_eq!(words(true, None), "no commit yet");
        assert_eq!(words(true, Some("damaged")), words(false, Some("damaged")));
        assert!(words(false, Some("damaged")).starts_with("not known"));
    }
}
