//! Which tracked files differ: `HEAD` against the index, the index against the work tree.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use gix::bstr::{BStr, BString, ByteSlice};
use gix::hash::ObjectId;
use gix::index::entry::{Flags, Mode, Stage};
use gix::status::plumbing::index_as_worktree::traits::{CompareBlobs, FastEq, ReadData};
use gix::status::plumbing::index_as_worktree::{Change as Difference, EntryStatus};
use gix::status::plumbing::index_as_worktree_with_renames::{Entry, VisitEntry};

use super::open::cannot;
use super::submodule::SubmoduleCheck;
use super::work_file::{self, WorkFile};
use super::{ChangeKind, Options};
use crate::error::Result;

/// The index, made ready for an honest comparison.
pub(super) struct Index {
    /// Its entries: sparse folders spelled out, and no entry marked "do not look" whose file is there.
    pub file: gix::index::File,
    /// Paths at which git was told not to look.
    pub hidden: HashSet<BString>,
}

/// A file as a tree or an index records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Recorded {
    pub mode: Mode,
    pub id: ObjectId,
}

/// A changed path on its way to a `Change`.
#[derive(Debug, Clone, Default)]
pub(super) struct Pending {
    /// The file at `HEAD`.
    pub head: Option<Recorded>,
    /// The file in the index; for a conflict the version of our side.
    pub index_entry: Option<Recorded>,
    pub index: Option<ChangeKind>,
    pub work_tree: Option<ChangeKind>,
    /// Path and content at `HEAD` of the file that was renamed to this one.
    pub renamed_from: Option<(BString, Recorded)>,
    pub hidden: bool,
}

/// Reads the index of `repo`; an absent one is empty.
pub(super) fn read_index(repo: &gix::Repository) -> Result<Index> {
    let shared = repo.index_or_empty().map_err(|cause| cannot(repo, "the index", cause))?;
    let mut file = gix::index::File::clone(&shared);
    if file.is_sparse() {
        spell_out_sparse_folders(repo, &mut file)?;
    }
    let hidden = unhide(repo, &mut file);
    Ok(Index { file, hidden })
}

/// Replaces the entries that stand for a whole folder (`index.sparse`) by the folder's files.
fn spell_out_sparse_folders(repo: &gix::Repository, file: &mut gix::index::File) -> Result<()> {
    let mut folders = Vec::new();
    for entry in file.entries().iter().filter(|entry| entry.mode.is_sparse()) {
        folders.push((entry.path(file).to_owned(), entry.id));
    }
    file.remove_entries(|_, _, entry| entry.mode.is_sparse());
    for (folder, tree) in folders {
        let inside = repo.index_from_tree(&tree).map_err(|cause| cannot(repo, "a sparse folder", cause))?;
        for entry in inside.entries() {
            let mut path = folder.clone();
            path.extend_from_slice(entry.path(&inside));
            let flags = Flags::SKIP_WORKTREE | Flags::EXTENDED;
            file.dangerously_push_entry(Default::default(), entry.id, flags, entry.mode, path.as_ref());
        }
    }
    file.sort_entries();
    Ok(())
}

/// Clears the marks that keep git from looking at files that are there, and returns the paths that git goes on not to see.
///
/// With a sparse checkout git itself looks at present files outside of the patterns (since 2.37), so these are not hidden.
fn unhide(repo: &gix::Repository, file: &mut gix::index::File) -> HashSet<BString> {
    let config = repo.config_snapshot();
    let git_looks = config.boolean("core.sparseCheckout").unwrap_or(false)
        && !config.boolean("sparse.expectFilesOutsideOfPatterns").unwrap_or(false);
    let marks = Flags::ASSUME_VALID | Flags::SKIP_WORKTREE;
    let mut hidden = HashSet::new();
    let mut absent_folder: Option<BString> = None;
    for (entry, path) in file.entries_mut_with_paths().filter(|(entry, _)| entry.flags.intersects(marks)) {
        let assumed = entry.flags.contains(Flags::ASSUME_VALID);
        if entry.flags.contains(Flags::SKIP_WORKTREE) {
            // Sparse checkouts leave out whole folders: one lookup answers for all their files.
            let folder = path.rfind_byte(b'/').map_or(BStr::new(""), |end| &path[..end]);
            if absent_folder.as_ref().is_some_and(|absent| absent == folder) {
                continue;
            }
            let there =
                |path: &BStr| repo.workdir_path(path).is_some_and(|path| path.symlink_metadata().is_ok());
            if !there(path) {
                if !folder.is_empty() && !there(folder) {
                    absent_folder = Some(folder.to_owned());
                }
                continue;
            }
        }
        if assumed || !git_looks {
            hidden.insert(path.to_owned());
        }
        entry.flags.remove(marks);
    }
    hidden
}

/// Returns the paths at which the index differs from the tree of `HEAD`.
pub(super) fn staged_changes(
    repo: &gix::Repository,
    commit_tree: Option<ObjectId>,
    index: &gix::index::File,
) -> Result<BTreeMap<BString, Pending>> {
    if commit_tree.is_some_and(|tree| index_is_tree(index, tree)) {
        return Ok(BTreeMap::new());
    }
    let head = match commit_tree {
        Some(tree) => {
            repo.index_from_tree(&tree).map_err(|cause| cannot(repo, "the tree of `HEAD`", cause))?
        }
        None => gix::index::File::from_state(gix::index::State::new(repo.object_hash()), Path::new("")),
    };
    let mut changes = BTreeMap::new();
    let mut at_head: HashMap<&BStr, Recorded> = head
        .entries()
        .iter()
        .map(|entry| (entry.path(&head), Recorded { mode: entry.mode, id: entry.id }))
        .collect();
    for entry in index.entries() {
        let path = entry.path(index);
        let recorded = Recorded { mode: entry.mode, id: entry.id };
        if entry.stage() != Stage::Unconflicted {
            let pending: &mut Pending = changes.entry(path.to_owned()).or_default();
            pending.head = pending.head.or(at_head.remove(path));
            pending.index = Some(ChangeKind::Conflicted);
            if pending.index_entry.is_none() || entry.stage() == Stage::Ours {
                pending.index_entry = Some(recorded);
            }
            continue;
        }
        if entry.flags.contains(Flags::INTENT_TO_ADD) {
            // For git such an entry is not in the index yet: what was at `HEAD` counts as deleted below.
            continue;
        }
        let head = at_head.remove(path);
        let kind = match head {
            None => ChangeKind::Added,
            Some(head) if head == recorded => continue,
            Some(head) if file_type(head.mode) != file_type(entry.mode) => ChangeKind::TypeChanged,
            Some(_) => ChangeKind::Modified,
        };
        let pending = Pending { head, index_entry: Some(recorded), index: Some(kind), ..Pending::default() };
        changes.insert(path.to_owned(), pending);
    }
    for (path, recorded) in at_head {
        let pending =
            Pending { head: Some(recorded), index: Some(ChangeKind::Deleted), ..Pending::default() };
        changes.insert(path.to_owned(), pending);
    }
    pair_renames(&mut changes);
    Ok(changes)
}

/// Says whether the index vouches (by its cached trees) that it records exactly `tree`. Spares reading the trees.
fn index_is_tree(index: &gix::index::File, tree: ObjectId) -> bool {
    let count = index.entries().len();
    index.tree().is_some_and(|root| root.id == tree && root.num_entries.is_some_and(|n| n as usize == count))
        && !index.entries().iter().any(|entry| entry.flags.contains(Flags::INTENT_TO_ADD))
}

/// The kind of file in a mode: regular, symbolic link, submodule.
fn file_type(mode: Mode) -> u32 {
    mode.bits() & 0o170_000
}

/// Joins a staged deletion and a staged addition of the same bytes into one rename; a name that stays is preferred.
fn pair_renames(changes: &mut BTreeMap<BString, Pending>) {
    let mut gone: HashMap<ObjectId, Vec<(BString, Recorded)>> = HashMap::new();
    for (path, pending) in changes.iter() {
        if let (Some(ChangeKind::Deleted), Some(head)) = (pending.index, pending.head)
            && !head.id.is_empty_blob()
            && !head.mode.is_submodule()
        {
            gone.entry(head.id).or_default().push((path.clone(), head));
        }
    }
    if gone.is_empty() {
        return;
    }
    let mut sources = Vec::new();
    for (path, pending) in changes.iter_mut() {
        let (Some(ChangeKind::Added), Some(added)) = (pending.index, pending.index_entry) else {
            continue;
        };
        let Some(candidates) = gone.get_mut(&added.id) else {
            continue;
        };
        let fits = |candidate: &(BString, Recorded)| file_type(candidate.1.mode) == file_type(added.mode);
        let best = candidates
            .iter()
            .position(|candidate| fits(candidate) && file_name(&candidate.0) == file_name(path))
            .or_else(|| candidates.iter().position(fits));
        if let Some(best) = best {
            let source = candidates.remove(best);
            sources.push(source.0.clone());
            pending.index = Some(ChangeKind::Renamed);
            pending.renamed_from = Some(source);
        }
    }
    for source in sources {
        changes.remove(&source);
    }
}

fn file_name(path: &BString) -> &[u8] {
    path.rfind_byte(b'/').map_or(path.as_slice(), |slash| &path[slash + 1..])
}

/// Returns how each tracked file of `work_tree`, that of `repo`, differs from the index.
pub(super) fn work_tree_changes(
    repo: &gix::Repository,
    work_tree: &Path,
    index: &Index,
    submodule_depth: usize,
) -> Result<BTreeMap<BString, ChangeKind>> {
    let mut found = Found::default();
    repo.index_worktree_status(
        &index.file,
        None::<&str>,
        &mut found,
        CompareOrChanged { work_tree, index: &index.file },
        SubmoduleCheck::new(repo, work_tree, &index.file, submodule_depth),
        &mut gix::progress::Discard,
        &AtomicBool::new(false),
        gix::status::index_worktree::Options::default(),
    )
    .map_err(|cause| cannot(repo, "the state of tracked files", cause))?;
    Ok(found.0)
}

/// Compares as git does; a file that cannot be read, or whose filter fails, is taken for changed, as it cannot be vouched for.
#[derive(Clone)]
struct CompareOrChanged<'a> {
    work_tree: &'a Path,
    index: &'a gix::index::File,
}

impl CompareBlobs for CompareOrChanged<'_> {
    type Output = ChangeKind;

    fn compare_blobs<'a, 'b>(
        &mut self,
        entry: &gix::index::Entry,
        worktree_blob_size: u64,
        data: impl ReadData<'a>,
        buf: &mut Vec<u8>,
    ) -> gix::Result<Option<ChangeKind>> {
        // In place of an executable file, gix (0.90) takes a link or a pipe for a file: it would read what the link
        // leads to, or wait for the pipe.
        if entry.mode == Mode::FILE_EXECUTABLE {
            let file = work_file::look(self.work_tree, entry.path(self.index));
            if !matches!(file, Ok(WorkFile::Regular { .. })) {
                return Ok(Some(ChangeKind::TypeChanged));
            }
        }
        let changed = FastEq.compare_blobs(entry, worktree_blob_size, data, buf).unwrap_or(Some(()));
        Ok(changed.map(|()| ChangeKind::Modified))
    }
}

/// Collects the differences of the work tree by path.
#[derive(Default)]
struct Found(BTreeMap<BString, ChangeKind>);

impl<'index> VisitEntry<'index> for Found {
    type ContentChange = ChangeKind;
    type SubmoduleStatus = ();

    fn visit_entry(&mut self, entry: Entry<'index, ChangeKind, ()>) {
        let Entry::Modification { rela_path, status, .. } = entry else {
            return;
        };
        let kind = match status {
            EntryStatus::Conflict { .. } => ChangeKind::Conflicted,
            EntryStatus::Change(Difference::Removed) => ChangeKind::Deleted,
            EntryStatus::Change(Difference::Type { .. }) => ChangeKind::TypeChanged,
            EntryStatus::Change(Difference::Modification { content_change, .. }) => {
                content_change.unwrap_or(ChangeKind::Modified)
            }
            EntryStatus::Change(Difference::SubmoduleModification(())) => ChangeKind::Modified,
            EntryStatus::IntentToAdd => ChangeKind::Added,
            EntryStatus::NeedsUpdate(_) => return,
        };
        self.0.insert(rela_path.to_owned(), kind);
    }
}

/// Brings both comparisons together, without what `options` skips.
pub(super) fn merge(
    staged: BTreeMap<BString, Pending>,
    work_tree: BTreeMap<BString, ChangeKind>,
    hidden: &HashSet<BString>,
    index: &gix::index::File,
    options: &Options<'_>,
) -> BTreeMap<BString, Pending> {
    let mut changes = staged;
    for (path, kind) in work_tree {
        let entry = index.entry_by_path(path.as_ref());
        let recorded = entry.map(|entry| Recorded { mode: entry.mode, id: entry.id });
        let announced = entry.is_some_and(|entry| entry.flags.contains(Flags::INTENT_TO_ADD));
        let is_hidden = hidden.contains(&path);
        let pending = changes.entry(path).or_insert_with(|| Pending {
            head: recorded.filter(|_| !announced),
            index_entry: recorded,
            hidden: is_hidden,
            ..Pending::default()
        });
        pending.work_tree = Some(kind);
        pending.index_entry = pending.index_entry.or(recorded);
    }
    changes.retain(|path, _| !options.skips(path));
    changes
}
