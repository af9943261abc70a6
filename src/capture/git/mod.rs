//! The true code state of a working tree: commit, changed and untracked files, and a patch that carries the changes.
//!
//! Nothing here writes into a repository: no refreshed index, no lock file. The answers agree with `git status`
//! (a test holds the two against each other); where they say more than git does, the field says so.
//!
//! A repository that belongs to another user is read as well, but its configuration then starts no program
//! (gix's trust model; `safe.directory` lifts that, as it does for git).

mod binary;
mod checkout;
mod commit_tree;
mod earlier;
mod history;
mod ignored;
mod open;
mod patch;
mod status;
mod submodule;
mod untracked;
mod work_file;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use crate::digests::Digests;
use crate::error::Result;

pub use checkout::{apply_patch, check_out, refresh};
pub use commit_tree::{CommitTree, InGit};
pub use history::{BuiltOn, Hold, are_here, changed_between, hold_on};
pub use ignored::Ignored;
pub use open::{is_same_in_another_work_tree, witnesses, work_tree_root};

/// What kind of repository stands behind a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Repository {
    /// The folder is in no git repository.
    None,
    /// There is a repository, but its branch has no commit yet.
    Unborn,
    /// `HEAD` is a commit.
    Commit,
}

/// How a tracked file differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChangeKind {
    /// Other bytes, or another executable bit; for a submodule another commit or changed files inside.
    Modified,
    /// Not there before. In the work tree column: announced by `git add --intent-to-add`.
    Added,
    /// No longer there.
    Deleted,
    /// A file became a symbolic link or a submodule, or the other way round.
    TypeChanged,
    /// Staged under a new path with exactly the bytes of a path whose deletion is staged. Similarity is a guess and is not used.
    Renamed,
    /// The index holds unresolved versions of a merge.
    Conflicted,
}

/// One tracked path that differs from `HEAD`, in the index, in the work tree, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Path below the work tree: bytes as git has them, parts separated by `/`.
    pub path: Vec<u8>,
    /// How the index differs from `HEAD` (the first letter of `git status --short`).
    pub index: Option<ChangeKind>,
    /// How the work tree differs from the index (the second letter of `git status --short`).
    pub work_tree: Option<ChangeKind>,
    /// The path it had at `HEAD`, for a staged [`ChangeKind::Renamed`].
    pub renamed_from: Option<Vec<u8>>,
    /// Git was told not to look at this file (`assume-unchanged`, `skip-worktree`) and shows it as clean.
    pub hidden: bool,
    /// BLAKE3 of the file's bytes in the work tree (of a symbolic link: of its target's text).
    /// `None` when there is no file, it cannot be read, or it is beyond the limits.
    pub digest: Option<[u8; 32]>,
    /// Size of the file in the work tree; `None` when there is none.
    pub size_bytes: Option<u64>,
}

impl Change {
    /// Returns the one word for this change: what became of the file on the way from `HEAD` to the work tree.
    ///
    /// A file that was staged and then put back to its state at `HEAD` is still a change (the index differs).
    pub fn kind(&self) -> ChangeKind {
        match (self.index, self.work_tree) {
            (Some(ChangeKind::Conflicted), _) | (_, Some(ChangeKind::Conflicted)) => ChangeKind::Conflicted,
            (_, Some(ChangeKind::Deleted)) => ChangeKind::Deleted,
            (Some(ChangeKind::Deleted), Some(ChangeKind::Added)) => ChangeKind::Modified,
            (Some(ChangeKind::Modified), Some(work_tree)) => work_tree,
            (Some(index), _) => index,
            (None, Some(work_tree)) => work_tree,
            (None, None) => ChangeKind::Modified,
        }
    }
}

/// One file that git neither tracks nor ignores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untracked {
    /// Path below the work tree; ends with `/` for a repository inside this one, which is not entered.
    pub path: Vec<u8>,
    /// BLAKE3 of the bytes, as in [`Change::digest`].
    pub digest: Option<[u8; 32]>,
    /// Size; `None` for a repository, or when the file cannot be read.
    pub size_bytes: Option<u64>,
}

/// A submodule: noted, not described from inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submodule {
    /// Path below the work tree.
    pub path: Vec<u8>,
    /// The commit that the index records, as full hexadecimal id.
    pub recorded: String,
    /// The commit that is checked out; `None` when nothing is, or it cannot be read.
    pub checked_out: Option<String>,
}

/// A path about which something could not be said, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Omission {
    /// Path below the work tree; empty for the work tree itself.
    pub path: Vec<u8>,
    /// The reason, as a short clause for people.
    pub reason: String,
}

/// The code state of a work tree: what `HEAD` alone does not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeState {
    /// What kind of repository there is; with [`Repository::None`] everything else is empty.
    pub repository: Repository,
    /// Root of the work tree that the paths start from; `None` without repository and for a bare one.
    pub work_tree: Option<PathBuf>,
    /// Full hexadecimal id of the commit at `HEAD`.
    pub sha: Option<String>,
    /// [`Self::sha`] as git abbreviates it (`core.abbrev`), unique in this repository, of at least 7 digits.
    pub sha_short: Option<String>,
    /// Name of the branch without `refs/heads/`; `None` when detached. An unborn branch has its name.
    pub branch: Option<String>,
    /// `HEAD` is a commit and not a branch.
    pub detached: bool,
    /// Tracked paths that differ from `HEAD`, by path.
    pub changed: Vec<Change>,
    /// Files neither tracked nor ignored, by path; folders are spelled out.
    pub untracked: Vec<Untracked>,
    /// How many more untracked files there are than [`Limits::untracked_max`] lets in.
    pub untracked_omitted: u64,
    /// A diff from `HEAD` to the work tree in git's format: `git apply` in a clean checkout of `HEAD` gives the changed
    /// tracked files as they are here, text and binary, with their modes. Renames stand as deletion and addition.
    pub patch: Vec<u8>,
    /// The changed paths that the patch does not carry.
    pub patch_omitted: Vec<Omission>,
    /// The submodules in the index, by path.
    pub submodules: Vec<Submodule>,
    /// Folders and submodules that could not be read; what they hold may be missing above.
    pub unread: Vec<Omission>,
}

impl CodeState {
    /// Says whether tracked files differ from `HEAD` in git's own sense: untracked files do not count,
    /// nor do changes that git was told not to see ([`Change::hidden`]).
    pub fn dirty(&self) -> bool {
        self.changed.iter().any(|change| !change.hidden)
    }

    fn empty(repository: Repository) -> Self {
        CodeState {
            repository,
            work_tree: None,
            sha: None,
            sha_short: None,
            branch: None,
            detached: false,
            changed: Vec::new(),
            untracked: Vec::new(),
            untracked_omitted: 0,
            patch: Vec::new(),
            patch_omitted: Vec::new(),
            submodules: Vec::new(),
            unread: Vec::new(),
        }
    }
}

/// Bounds on the work and on the answer; what falls outside is counted or listed, never dropped in silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Untracked files listed, the first by path.
    pub untracked_max: usize,
    /// A larger file gets no digest.
    pub digest_file_max_bytes: u64,
    /// Bytes read for the digests of untracked files, in the order of their paths.
    pub digest_total_max_bytes: u64,
    /// A file larger than this, before or after, is not in the patch.
    pub patch_file_max_bytes: u64,
    /// Size of the whole patch.
    pub patch_max_bytes: u64,
}

impl Default for Limits {
    /// 10,000 untracked files; digests of files up to 64 MiB and of 1 GiB in all; 8 MiB per file and 64 MiB per patch.
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Limits {
            untracked_max: 10_000,
            digest_file_max_bytes: 64 * MIB,
            digest_total_max_bytes: 1024 * MIB,
            patch_file_max_bytes: 8 * MIB,
            patch_max_bytes: 64 * MIB,
        }
    }
}

/// Fewer files than this are looked at by one thread: to wake another takes longer.
const FEW: usize = 64;

/// How to read a code state.
pub struct Options<'a> {
    /// Says which paths count as neither changed nor untracked, for they are this program's own.
    ///
    /// It is asked for files and for folders (without a `/` at the end); what lies in a skipped folder is skipped.
    pub skip: &'a dyn Fn(&[u8]) -> bool,
    /// Says which untracked paths count as nothing, for they are no part of the work; asked as `skip` is, and told whether it is a
    /// folder.
    pub skip_untracked: &'a dyn Fn(&[u8], bool) -> bool,
    /// Says which changed files the patch is not to hold; they are named among what it omits.
    pub is_withheld: &'a dyn Fn(&[u8]) -> bool,
    /// Bounds.
    pub limits: Limits,
    /// The way to digests of files.
    pub digests: Digests,
}

impl Options<'_> {
    /// Says whether `path` or a folder above it is skipped.
    fn skips(&self, path: &[u8]) -> bool {
        let folders = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| &path[..at]);
        folders.chain([path]).any(|path| (self.skip)(path))
    }
}

/// Reads the code state of the work tree that `root` is in.
///
/// Costs about as much as `git status`, plus reading the changed and the untracked files. `GIT_DIR` and its kin in the
/// environment are not followed: `root` decides. Filters (`filter=…` attributes) run where `git status` would run them,
/// and never those of a repository that belongs to another user.
///
/// # Errors
/// A `.git` that is no readable repository, and a `HEAD`, index or tree that cannot be read. No repository is no error.
pub fn code_state(root: &Path, options: &Options<'_>) -> Result<CodeState> {
    let Some(repo) = open::open(root)? else {
        return Ok(CodeState::empty(Repository::None));
    };
    let head = open::head(&repo)?;
    let mut state =
        CodeState::empty(if head.commit.is_some() { Repository::Commit } else { Repository::Unborn });
    state.sha = head.commit.map(|id| id.to_string());
    state.sha_short = head.sha_short;
    state.branch = head.branch;
    state.detached = head.detached;
    let Some(work_tree) = repo.workdir().map(Path::to_owned) else {
        return Ok(state);
    };

    let index = status::read_index(&repo)?;
    let hidden = index.hidden.clone();
    let changes =
        |repo: &gix::Repository| status::work_tree_changes(repo, &work_tree, &index, submodule::DEPTH_MAX);
    let (tracked, found) = std::thread::scope(|scope| {
        if index.file.entries().len() < FEW {
            return (Ok(changes(&repo)), untracked::find(&repo, &index.file, &work_tree, options));
        }
        // The two walks touch different things on disk: stat of tracked files here, directory listings there.
        // A repository stays on its thread.
        let tracked = std::thread::Builder::new()
            .spawn_scoped(scope, || changes(&open::open_at(&work_tree.join(".git"))?));
        let found = untracked::find(&repo, &index.file, &work_tree, options);
        // Where there may be no further thread, one walk follows the other.
        (tracked.map_or_else(|_| Ok(changes(&repo)), |thread| thread.join()), found)
    });
    let tracked = tracked.map_err(|_| crate::error::Error::bug("the check of tracked files panicked"))??;
    let staged = status::staged_changes(&repo, head.tree, &index.file)?;

    let pending = status::merge(staged, tracked, &hidden, &index.file, options);
    state.submodules = submodule::list(&work_tree, &index.file, &mut state.unread);
    patch::describe(&repo, &index.file, &work_tree, pending, options, &mut state)?;
    untracked::describe(&work_tree, found, options, &mut state);
    state.unread.sort_by(|a, b| a.path.cmp(&b.path));
    state.work_tree = Some(work_tree);
    Ok(state)
}
