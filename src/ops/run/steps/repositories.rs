//! What git has of the files that a run read: each is compared with the commit of the repository that it lies in.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::capture::git::{CommitTree, InGit, work_tree_root};
use crate::capture::observe::{Content, Version};
use crate::digests::Stamp;
use crate::disk::read_regular;
use crate::model::Digest;

/// A larger file is not read whole, to be compared where it has changed since it was read.
const WHOLE_MAX_BYTES: u64 = 64 << 20;

/// The repositories that files lie in, each opened when the first of its files asks: most commands read few files of few.
pub struct Repositories {
    /// The work tree of the run's own code state.
    own: Option<PathBuf>,
    /// Its commit.
    commit: Option<String>,
    /// When the command was started, by the kernel's clock.
    started_ns: i64,
    /// The repository of each folder that was asked for.
    of_folder: RefCell<HashMap<PathBuf, Option<Rc<Repository>>>>,
}

/// A repository.
pub struct Repository {
    /// The root of its work tree.
    pub work_tree: PathBuf,
    /// Whether it is that of the run's own code state.
    pub is_own: bool,
    tree: OnceCell<Option<CommitTree>>,
    /// Whether files that it tracks were read.
    is_read: Cell<bool>,
}

/// What a commit has of a file as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tracked {
    /// It has the same bytes.
    Same,
    /// It has other bytes.
    Differs,
    /// It has no such file.
    No,
    /// That cannot be told.
    NotKnown,
}

impl Repositories {
    /// Knows the folder that the command was started in, when that was by the kernel's clock, in nanoseconds, and the commit of
    /// the run's own code state.
    pub fn new(folder: &Path, commit: Option<String>, started_ns: i64) -> Self {
        Repositories { own: work_tree_root(folder), commit, started_ns, of_folder: RefCell::default() }
    }

    /// Returns the repository whose work tree a file lies in.
    pub(super) fn around(&self, file: &Path) -> Option<Rc<Repository>> {
        let mut found = None;
        let mut asked = Vec::new();
        for folder in file.ancestors().skip(1) {
            if let Some(known) = self.of_folder.borrow().get(folder) {
                found = known.clone();
                break;
            }
            asked.push(folder.to_owned());
            if folder.join(".git").symlink_metadata().is_ok() {
                found = Some(Rc::new(Repository {
                    work_tree: folder.to_owned(),
                    is_own: self.own.as_deref() == Some(folder),
                    tree: OnceCell::new(),
                    is_read: Cell::new(false),
                }));
                break;
            }
        }
        let mut of_folder = self.of_folder.borrow_mut();
        of_folder.extend(asked.into_iter().map(|folder| (folder, found.clone())));
        found
    }

    /// Returns true where the commit of the repository around it has a file at this path.
    pub(super) fn tracks(&self, file: &Path) -> bool {
        let of = |repository: &Rc<Repository>| {
            let name = name_in(&repository.work_tree, file)?;
            repository.tree(self)?.contains(name).ok()
        };
        self.around(file).as_ref().and_then(of).unwrap_or(false)
    }

    /// Compares what was read of a regular file with the commit.
    pub(super) fn compare(
        &self,
        repository: &Repository,
        file: &Path,
        (version, content): (&Version, &Content),
    ) -> Tracked {
        let (Some(tree), Some(name)) = (repository.tree(self), name_in(&repository.work_tree, file)) else {
            return Tracked::NotKnown;
        };
        let tracked = match tree.contains(name) {
            Ok(true) => tracked(tree, name, file, (version, content)),
            Ok(false) => Tracked::No,
            Err(_) => Tracked::NotKnown,
        };
        if tracked != Tracked::No {
            repository.is_read.set(true);
        }
        tracked
    }

    /// Returns the repositories besides the run's own that track files which were read, in the order of their paths, each with the
    /// commit that these were compared with.
    pub fn others(&self) -> Vec<(PathBuf, Option<String>)> {
        let of_folder = self.of_folder.borrow();
        let read = of_folder.values().flatten().filter(|found| found.is_read.get() && !found.is_own);
        let mut others: Vec<(PathBuf, Option<String>)> = read
            .map(|found| {
                let commit = found.tree(self).and_then(|tree| tree.sha().map(str::to_owned));
                (found.work_tree.clone(), commit)
            })
            .collect();
        others.sort();
        others.dedup();
        others
    }
}

impl Repository {
    fn tree(&self, among: &Repositories) -> Option<&CommitTree> {
        let open = || match self.is_own {
            true => CommitTree::of_commit(&self.work_tree, among.commit.as_deref()?).ok().flatten(),
            false => CommitTree::of_head_at(&self.work_tree, among.started_ns).ok().flatten(),
        };
        self.tree.get_or_init(open).as_ref()
    }
}

fn name_in<'a>(work_tree: &Path, file: &'a Path) -> Option<&'a [u8]> {
    file.strip_prefix(work_tree).ok().map(|inside| inside.as_os_str().as_encoded_bytes())
}

/// Compares what was read with what the commit has at this path. The bytes on disk speak for those that were read only while they
/// are the same; the commit may still have those.
fn tracked(tree: &CommitTree, name: &[u8], file: &Path, (version, content): (&Version, &Content)) -> Tracked {
    let of = |found: Result<InGit, crate::error::Error>| match found {
        Ok(InGit::Same) => Tracked::Same,
        Ok(InGit::Differs) => Tracked::Differs,
        Ok(InGit::NotInTree) => Tracked::No,
        Err(_) => Tracked::NotKnown,
    };
    let digest = Digest::from_bytes(content.digest.0);
    let now = file.symlink_metadata().ok();
    let size_now = now.as_ref().map(std::fs::Metadata::len);
    if now.map(|now| Stamp::of(&now)) == version.stamp && version.stamp.is_some() {
        return of(tree.holds_file(name));
    }
    if size_now == Some(content.size_bytes)
        && content.size_bytes <= WHOLE_MAX_BYTES
        && let Ok(bytes) = read_regular(file)
        && Digest::of(&bytes) == digest
    {
        return of(tree.holds(name, &bytes));
    }
    if tree.is_pointer(name).unwrap_or(true) {
        return Tracked::NotKnown;
    }
    match tree.bytes(name) {
        Ok(Some(bytes)) if Digest::of(&bytes) == digest => Tracked::Same,
        Ok(_) => Tracked::Differs,
        Err(_) => Tracked::NotKnown,
    }
}
