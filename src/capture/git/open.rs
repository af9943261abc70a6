//! Finding and opening a repository, and reading its `HEAD`.

use std::path::{Path, PathBuf};

use gix::bstr::ByteSlice;
use gix::hash::ObjectId;

use crate::error::{Error, Result};

/// Variables with which git tells its hooks which repository they are for. They may name another one than `root` is in.
pub(super) const REPOSITORY_VARIABLES: [&str; 8] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_NAMESPACE",
    "GIT_SHALLOW_FILE",
    "GIT_PREFIX",
];

/// Abbreviated ids are never shorter, whatever `core.abbrev` says: they name folders for years.
const SHA_SHORT_MIN: usize = 7;

/// Returns the innermost folder at or above `folder` that claims to be a work tree by having a `.git`:
/// a folder (repository) or a file (linked work tree, submodule).
///
/// The claim is not tested here: reading the code state of a folder with a broken `.git` says what is wrong with it.
/// `folder` itself need not exist. A relative `folder` is taken from the current directory.
pub fn work_tree_root(folder: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(folder).ok()?;
    let resolved = absolute.canonicalize().unwrap_or(absolute);
    resolved.ancestors().find(|folder| folder.join(".git").symlink_metadata().is_ok()).map(Path::to_owned)
}

/// Tells whether two folders are the same folder of one repository, in two of its work trees: files have the same names in both.
pub fn is_same_in_another_work_tree(a: &Path, b: &Path) -> bool {
    let place = |folder: &Path| {
        let folder = folder.canonicalize().ok()?;
        let work_tree = work_tree_root(&folder)?;
        let shared = open_at(&work_tree.join(".git")).ok()?.common_dir().canonicalize().ok()?;
        let inside = folder.strip_prefix(&work_tree).ok()?.to_owned();
        Some((shared, inside, work_tree))
    };
    let (Some(a), Some(b)) = (place(a), place(b)) else { return false };
    (&a.0, &a.1) == (&b.0, &b.1) && a.2 != b.2
}

/// Returns the files that tell, by a change of their metadata, that the commit, the branch or the index of the repository that
/// `root` is in may have changed; none without a repository, or where it cannot be read.
pub fn witnesses(root: &Path) -> Vec<PathBuf> {
    let Ok(Some(repo)) = open(root) else {
        return Vec::new();
    };
    witnesses_of(&repo)
}

/// Returns the files of [`witnesses`], those of one repository.
pub(super) fn witnesses_of(repo: &gix::Repository) -> Vec<PathBuf> {
    let (own, shared) = (repo.git_dir(), repo.common_dir());
    let mut files = vec![own.join("HEAD"), repo.index_path(), shared.join("packed-refs")];
    if let Ok(Some(branch)) = repo.head_name()
        && let Ok(branch) = gix::path::from_bstr(branch.as_bstr())
    {
        files.push(shared.join(branch));
    }
    files
}

/// Opens the repository that `root` is in, or `None` when it is in none.
pub(super) fn open(root: &Path) -> Result<Option<gix::Repository>> {
    let git = match work_tree_root(root) {
        Some(work_tree) => work_tree.join(".git"),
        None if gix::discover::is_git(root).is_ok() => root.to_owned(),
        None => return Ok(None),
    };
    open_at(&git).map(Some)
}

/// Opens the repository of the work tree at exactly `work_tree`.
pub(super) fn open_at(git: &Path) -> Result<gix::Repository> {
    let mut permissions = gix::open::Permissions::all();
    if REPOSITORY_VARIABLES.iter().any(|name| std::env::var_os(name).is_some()) {
        permissions.env.git_prefix = gix::sec::Permission::Deny;
    }
    // As git does, which leaves the checksum of the index to `git fsck`.
    let options = gix::open::Options::default()
        .permissions(permissions)
        .open_path_as_is(true)
        .config_overrides(["index.skipHash=true"]);
    gix::open_opts(git, options).map_err(|cause| {
        Error::request(format!("cannot read the git repository at `{}`", git.display()))
            .because(cause)
            .hint("try `git status` there; nothing was changed")
    })
}

/// What `HEAD` says.
pub(super) struct Head {
    /// The commit; `None` when unborn.
    pub commit: Option<ObjectId>,
    /// Abbreviated id.
    pub sha_short: Option<String>,
    /// The commit's tree; `None` when unborn.
    pub tree: Option<ObjectId>,
    /// Branch without `refs/heads/`.
    pub branch: Option<String>,
    /// `HEAD` names a commit itself.
    pub detached: bool,
}

/// Reads `HEAD` down to its tree.
pub(super) fn head(repo: &gix::Repository) -> Result<Head> {
    let mut head = repo.head().map_err(|cause| cannot(repo, "`HEAD`", cause))?;
    let branch = head.referent_name().map(|name| name.shorten().to_str_lossy().into_owned());
    let detached = head.is_detached();
    let Some(id) = head.try_peel_to_id().map_err(|cause| cannot(repo, "`HEAD`", cause))? else {
        return Ok(Head { commit: None, sha_short: None, tree: None, branch, detached });
    };
    let subject = format!("commit `{id}` of `HEAD`");
    let commit = repo.find_commit(id).map_err(|cause| cannot(repo, &subject, cause))?;
    let tree = commit.tree_id().map_err(|cause| cannot(repo, &subject, cause))?.detach();
    let full = id.to_string();
    let length = id.shorten().map_or(full.len(), |prefix| prefix.hex_len()).max(SHA_SHORT_MIN);
    let sha_short = Some(full[..length].to_owned());
    Ok(Head { commit: Some(id.detach()), sha_short, tree: Some(tree), branch, detached })
}

/// Makes the error for a part of `repo` that cannot be read.
pub(super) fn cannot(
    repo: &gix::Repository,
    what: &str,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::request(format!("cannot read {what} in the git repository at `{}`", repo.git_dir().display()))
        .because(cause)
        .hint("try `git fsck`; nothing was changed")
}
