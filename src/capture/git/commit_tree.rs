//! Whether bytes read by a command are those of a commit.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use gix::bstr::{BStr, BString, ByteSlice};
use gix::hash::ObjectId;
use gix::index::entry::{Flags, Stage, Stat};
use gix::objs::tree::EntryKind;

use super::earlier::{Earlier, head_at};
use super::open::{Head, cannot, head, open};
use super::work_file;
use crate::digests;
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
    index: OnceCell<Option<gix::worktree::Index>>,
}

/// How a pointer of Git LFS begins, and how long it can be (its specification, version 1).
const POINTER_FRONT: &[u8] = b"version https://git-lfs.github.com/spec/";
const POINTER_MAX_BYTES: u64 = 1024;

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

    /// Opens the tree of the commit that `HEAD` was at some time, in nanoseconds since 1970, in the repository that `root` is
    /// in; `None` without repository, and where it is not known any more which commit that was.
    ///
    /// # Errors
    /// As for [`super::code_state`].
    pub fn of_head_at(root: &Path, at_ns: i64) -> Result<Option<CommitTree>> {
        let Some(repo) = open(root)? else { return Ok(None) };
        match head_at(&repo, at_ns)? {
            Earlier::NotKnown => Ok(None),
            Earlier::AsNow(Head { commit, tree, .. }) => Ok(Some(CommitTree::new(repo, commit, tree))),
            Earlier::Unborn => Ok(Some(CommitTree::new(repo, None, None))),
            Earlier::Commit(sha) => CommitTree::of_commit(root, &sha),
        }
    }

    fn new(repo: gix::Repository, commit: Option<ObjectId>, tree: Option<ObjectId>) -> CommitTree {
        CommitTree {
            work_tree: repo.workdir().map(Path::to_owned),
            sha: commit.map(|id| id.to_string()),
            tree,
            repo,
            folders: RefCell::default(),
            filters: RefCell::default(),
            index: OnceCell::new(),
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
        let stored = self.converted(path, bytes).unwrap_or_default();
        Ok(if stored.is_some_and(|stored| self.is_blob(&stored, id).unwrap_or(false)) {
            InGit::Same
        } else {
            InGit::Differs
        })
    }

    /// Compares the regular file that lies at `path` of the work tree with the tree, as [`CommitTree::holds`] does its bytes.
    ///
    /// What git's index vouches for, by the file's size and times, is not read; all else is read piece by piece.
    ///
    /// # Errors
    /// A tree object that cannot be read.
    pub fn holds_file(&self, path: &[u8]) -> Result<InGit> {
        let Some((kind, id)) = self.find(path)? else {
            return Ok(InGit::NotInTree);
        };
        let place = self.work_tree.as_ref().and_then(|tree| work_file::on_disk(tree, path).ok());
        let Some(place) = place.filter(|_| kind != EntryKind::Link) else {
            return Ok(InGit::Differs);
        };
        if let Some(recorded) = self.recorded_in_index(path, &place) {
            return Ok(if recorded == id { InGit::Same } else { InGit::Differs });
        }
        let is_same = || -> gix::Result<bool> {
            let open = || digests::open(&place).map_err(gix::hash::io::from_std_io);
            let size_bytes = open()?.metadata().map_err(gix::hash::io::from_std_io)?.len();
            if blob_of(&mut open()?, size_bytes, id)? == id {
                return Ok(true);
            }
            let stored = self.converted(path, open()?)?;
            Ok(stored.is_some_and(|stored| self.is_blob(&stored, id).unwrap_or(false)))
        };
        // What cannot be read, or converted, is not known to be the same.
        Ok(if is_same().unwrap_or(false) { InGit::Same } else { InGit::Differs })
    }

    /// Returns what the index records for the file at `path`, where its size and times are those that git saw.
    fn recorded_in_index(&self, path: &[u8], place: &Path) -> Option<ObjectId> {
        let index = self.index.get_or_init(|| self.repo.try_index().ok().flatten()).as_ref()?;
        let entry = index.entry_by_path(BStr::new(path))?;
        let unlooked = Flags::ASSUME_VALID | Flags::SKIP_WORKTREE | Flags::INTENT_TO_ADD;
        if entry.stage() != Stage::Unconflicted || entry.flags.intersects(unlooked) {
            return None;
        }
        let options = self.repo.stat_options().ok()?;
        let found =
            gix::index::fs::Metadata::from_path_no_follow(place).ok().filter(|found| found.is_file())?;
        let is_as_seen = entry.stat.matches(&Stat::from_fs(&found).ok()?, options)
            && !entry.stat.is_racy(index.timestamp(), options);
        is_as_seen.then_some(entry.id)
    }

    /// Returns true where the tree has at `path` the name of bytes that are kept elsewhere, by Git LFS.
    ///
    /// # Errors
    /// An object that cannot be read.
    pub fn is_pointer(&self, path: &[u8]) -> Result<bool> {
        let Some((_, id)) = self.find(path)? else { return Ok(false) };
        let header =
            self.repo.find_header(id).map_err(|cause| cannot(&self.repo, "a file to compare", cause))?;
        let is_small = header.size() <= POINTER_MAX_BYTES;
        Ok(is_small && self.bytes(path)?.is_some_and(|bytes| bytes.starts_with(POINTER_FRONT)))
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

    /// Returns the bytes of the regular file that the tree has at `path`, as they are stored, and whether it is executed; `None`
    /// where it has none there.
    ///
    /// # Errors
    /// An object that cannot be read.
    pub fn file(&self, path: &[u8]) -> Result<Option<(Vec<u8>, bool)>> {
        let is_executed = match self.find(path)? {
            Some((EntryKind::Blob, _)) => false,
            Some((EntryKind::BlobExecutable, _)) => true,
            _ => return Ok(None),
        };
        Ok(self.bytes(path)?.map(|bytes| (bytes, is_executed)))
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

    /// Returns bytes as git would store them, `None` if that is as they are.
    fn converted(&self, path: &[u8], bytes: impl Read) -> gix::Result<Option<Vec<u8>>> {
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

/// Returns the id of the blob that so many bytes are, with the hash that `kind` is of.
fn blob_of(bytes: &mut dyn Read, size_bytes: u64, kind: ObjectId) -> gix::Result<ObjectId> {
    let never = AtomicBool::new(false);
    let discard = &mut gix::progress::Discard;
    gix::objs::compute_stream_hash(kind.kind(), gix::objs::Kind::Blob, bytes, size_bytes, discard, &never)
}

/// Splits a path into its folder, which may be empty, and its last part.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    path.rfind_byte(b'/').map_or((b"", path), |slash| (&path[..slash], &path[slash + 1..]))
}
