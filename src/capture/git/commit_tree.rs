//! Whether bytes read by a command are those of a commit.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use gix::bstr::{BStr, BString, ByteSlice};
use gix::hash::ObjectId;
use gix::objs::tree::EntryKind;

use super::open::{cannot, head, open};
use crate::error::Result;

/// How a file relates to the tree of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InGit {
    /// The tree has a file at this path with these bytes (after git's conversion of line ends and filters).
    Same,
    /// The tree has a file at this path with other bytes.
    Differs,
    /// The tree has no file at this path.
    NotInTree,
}

/// The tree of a commit, opened for many questions: each folder is read at most once.
pub struct CommitTree {
    repo: gix::Repository,
    work_tree: Option<PathBuf>,
    sha: Option<String>,
    tree: Option<ObjectId>,
    folders: RefCell<HashMap<BString, Folder>>,
    filters: RefCell<Option<Filters>>,
}

/// The entries of one folder, by name.
type Folder = HashMap<BString, (EntryKind, ObjectId)>;

/// What is needed to bring a file of the work tree into the form that git stores.
struct Filters {
    pipeline: gix::filter::plumbing::Pipeline,
    attributes: gix::worktree::Stack,
    index: gix::index::File,
}

impl CommitTree {
    /// Opens the tree of `HEAD` in the repository that `root` is in; `None` without repository. An unborn branch holds no file.
    ///
    /// # Errors
    /// As for [`super::code_state`].
    pub fn of_head(root: &Path) -> Result<Option<CommitTree>> {
        let Some(repo) = open(root)? else { return Ok(None) };
        let head = head(&repo)?;
        Ok(Some(CommitTree::new(repo, head.commit, head.tree)))
    }

    /// Opens the tree of a commit, named by its full id, in the repository that `root` is in; `None` without repository.
    ///
    /// # Errors
    /// As for [`super::code_state`], and where the repository has no such commit.
    pub fn of_commit(root: &Path, sha: &str) -> Result<Option<CommitTree>> {
        let Some(repo) = open(root)? else { return Ok(None) };
        let subject = format!("commit `{sha}`");
        let id = ObjectId::from_hex(sha.as_bytes()).map_err(|cause| cannot(&repo, &subject, cause))?;
        let commit = repo.find_commit(id).map_err(|cause| cannot(&repo, &subject, cause))?;
        let tree = commit.tree_id().map_err(|cause| cannot(&repo, &subject, cause))?.detach();
        drop(commit);
        Ok(Some(CommitTree::new(repo, Some(id), Some(tree))))
    }

    fn new(repo: gix::Repository, commit: Option<ObjectId>, tree: Option<ObjectId>) -> CommitTree {
        CommitTree {
            work_tree: repo.workdir().map(Path::to_owned),
            sha: commit.map(|id| id.to_string()),
            tree,
            repo,
            folders: RefCell::default(),
            filters: RefCell::default(),
        }
    }

    /// Returns the root that paths start from; `None` for a bare repository.
    pub fn work_tree(&self) -> Option<&Path> {
        self.work_tree.as_deref()
    }

    /// Returns the full id of the commit; `None` when unborn.
    pub fn sha(&self) -> Option<&str> {
        self.sha.as_deref()
    }

    /// Says whether the tree has a file (or link) at `path`, below the work tree, so that other files need not be read.
    ///
    /// # Errors
    /// A tree object that cannot be read.
    pub fn contains(&self, path: &[u8]) -> Result<bool> {
        Ok(self.find(path)?.is_some())
    }

    /// Compares `bytes`, as found in the work tree at `path`, with the tree. For a symbolic link, `bytes` are its target's text.
    ///
    /// The hash alone decides where the bytes are stored as they are; the file's version in git is not read.
    ///
    /// # Errors
    /// A tree object that cannot be read.
    pub fn holds(&self, path: &[u8], bytes: &[u8]) -> Result<InGit> {
        let Some((kind, id)) = self.find(path)? else {
            return Ok(InGit::NotInTree);
        };
        if self.is_blob(bytes, id)? {
            return Ok(InGit::Same);
        }
        if kind == EntryKind::Link || self.work_tree.is_none() {
            return Ok(InGit::Differs);
        }
        // A filter that fails, or a file whose conversion is refused, leaves the bytes different as they are.
        let stored = self.stored_form(path, bytes).unwrap_or_default();
        Ok(if stored.is_some_and(|stored| self.is_blob(&stored, id).unwrap_or(false)) {
            InGit::Same
        } else {
            InGit::Differs
        })
    }

    /// Returns the bytes that the tree has at `path`, as they are stored; `None` where it has no file there.
    ///
    /// # Errors
    /// An object that cannot be read.
    pub fn bytes(&self, path: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some((_, id)) = self.find(path)? else { return Ok(None) };
        let blob = self.repo.find_blob(id).map_err(|cause| cannot(&self.repo, "a file to compare", cause))?;
        Ok(Some(blob.detach().data))
    }

    fn is_blob(&self, bytes: &[u8], id: ObjectId) -> Result<bool> {
        let computed = gix::objs::compute_hash(id.kind(), gix::objs::Kind::Blob, bytes)
            .map_err(|cause| cannot(&self.repo, "a file to compare", cause))?;
        Ok(computed == id)
    }

    /// Returns kind and id of the file at `path`; submodules and folders are none.
    fn find(&self, path: &[u8]) -> Result<Option<(EntryKind, ObjectId)>> {
        let Some(root) = self.tree else { return Ok(None) };
        let (folder, name) = split(path);
        let mut folders = self.folders.borrow_mut();
        // From the nearest folder already read, one level further at a time.
        let mut ends: Vec<usize> = folder.find_iter(b"/").collect();
        if !folder.is_empty() {
            ends.push(folder.len());
        }
        let mut ends = ends.into_iter();
        let mut at: &[u8] = b"";
        if !folders.contains_key(BStr::new(at)) {
            folders.insert(BString::default(), self.read(root)?);
        }
        loop {
            let Some(entries) = folders.get(BStr::new(at)) else {
                return Ok(None);
            };
            let Some(end) = ends.next() else {
                let found = entries.get(BStr::new(name)).copied();
                return Ok(found.filter(|(kind, _)| !matches!(kind, EntryKind::Tree | EntryKind::Commit)));
            };
            let next = &folder[..end];
            if !folders.contains_key(BStr::new(next)) {
                let Some((EntryKind::Tree, id)) = entries.get(BStr::new(split(next).1)).copied() else {
                    return Ok(None);
                };
                folders.insert(next.into(), self.read(id)?);
            }
            at = next;
        }
    }

    fn read(&self, tree: ObjectId) -> Result<Folder> {
        let tree =
            self.repo.find_tree(tree).map_err(|cause| cannot(&self.repo, "a tree of the commit", cause))?;
        let entries = tree.decode().map_err(|cause| cannot(&self.repo, "a tree of the commit", cause))?;
        let entry = |entry: &gix::objs::tree::EntryRef<'_>| {
            (entry.filename.to_owned(), (entry.mode.kind(), entry.oid.to_owned()))
        };
        Ok(entries.entries.iter().map(entry).collect())
    }

    /// Returns `bytes` as git would store them, `None` if that is as they are.
    fn stored_form(&self, path: &[u8], bytes: &[u8]) -> gix::Result<Option<Vec<u8>>> {
        use gix::filter::plumbing::pipeline::convert::ToGitOutcome;
        let mut filters = self.filters.borrow_mut();
        let filters = match &mut *filters {
            Some(filters) => filters,
            none => {
                let (pipeline, index) = self.repo.filter_pipeline(None)?;
                let (pipeline, attributes) = pipeline.into_parts();
                none.insert(Filters { pipeline, attributes, index: index.into_owned() })
            }
        };
        let Filters { pipeline, attributes, index } = filters;
        let path = BStr::new(path);
        let at_path =
            attributes.at_entry(path, None, &self.repo.objects).map_err(gix::hash::io::from_std_io)?;
        let relative = gix::path::from_bstr(path)?;
        let mut converted = pipeline.convert_to_git(
            bytes,
            &relative,
            &mut |_, found| {
                at_path.matching_attributes(found);
            },
            &mut |buffer| {
                let Some(entry) = index.entry_by_path(path) else {
                    return Ok(None);
                };
                Ok(gix::objs::Find::try_find(&self.repo.objects, &entry.id, buffer)?.map(|_| ()))
            },
        )?;
        if matches!(converted, ToGitOutcome::Unchanged(_)) {
            return Ok(None);
        }
        let mut stored = Vec::new();
        std::io::copy(&mut converted, &mut stored).map_err(gix::hash::io::from_std_io)?;
        Ok(Some(stored))
    }
}

/// Splits a path into its folder, which may be empty, and its last part.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    path.rfind_byte(b'/').map_or((b"", path), |slash| (&path[..slash], &path[slash + 1..]))
}
