//! The files that git neither tracks nor ignores.

use std::collections::BinaryHeap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use gix::bstr::BString;
use gix::dir::EntryRef;
use gix::dir::entry::{Kind, Status};
use gix::dir::walk::{Action, Delegate, EmissionMode, ForDeletionMode};
use rayon::prelude::*;

use super::FEW;
use super::work_file::{self, WorkFile};
use super::{CodeState, Omission, Options, Untracked};

/// The untracked paths of a work tree.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The first by path.
    paths: Vec<BString>,
    /// How many there are beyond these.
    omitted: u64,
    /// Folders that could not be listed.
    unread: Vec<Omission>,
}

/// Lists the untracked files below `work_tree`, repositories inside it as one path ending with `/`.
pub(super) fn find(
    repo: &gix::Repository,
    index: &gix::index::File,
    work_tree: &Path,
    options: &Options<'_>,
) -> Found {
    let walk = |probe: bool| {
        let mut walk = Walk::new(work_tree, options, probe);
        let walk_options = repo.dirwalk_options()?.emit_untracked(EmissionMode::Matching);
        repo.dirwalk(index, None::<&str>, &AtomicBool::new(false), walk_options, &mut walk)?;
        gix::Result::Ok(walk)
    };
    // The walk ends at the first folder that cannot be listed; only then is the cost of trying each one first paid.
    match walk(false).or_else(|_| walk(true)) {
        Ok(walk) => Found { paths: walk.first.into_sorted_vec(), omitted: walk.omitted, unread: walk.unread },
        // Folders can also go away between the look and the listing: what is known otherwise is worth having.
        Err(error) => {
            let reason = format!("untracked files cannot be listed: {error}");
            Found { unread: vec![Omission { path: Vec::new(), reason }], ..Found::default() }
        }
    }
}

/// Receives what the walk through the work tree comes upon.
struct Walk<'a> {
    work_tree: &'a Path,
    options: &'a Options<'a>,
    /// Try whether a folder can be listed before entering it.
    probe: bool,
    /// The first paths in order, as many as the limit allows: the last of them is on top.
    first: BinaryHeap<BString>,
    omitted: u64,
    unread: Vec<Omission>,
}

impl<'a> Walk<'a> {
    fn new(work_tree: &'a Path, options: &'a Options<'a>, probe: bool) -> Self {
        Walk { work_tree, options, probe, first: BinaryHeap::new(), omitted: 0, unread: Vec::new() }
    }

    fn push(&mut self, path: BString) {
        self.first.push(path);
        if self.first.len() > self.options.limits.untracked_max {
            self.first.pop();
            self.omitted += 1;
        }
    }
}

impl Delegate for Walk<'_> {
    fn emit(&mut self, entry: EntryRef<'_>, _: Option<Status>) -> Action {
        if entry.status == Status::Untracked
            && !self.options.skips(&entry.rela_path)
            && !(self.options.skip_untracked)(&entry.rela_path, false)
        {
            let mut path = entry.rela_path.into_owned();
            match entry.disk_kind {
                Some(Kind::File | Kind::Symlink) => self.push(path),
                Some(Kind::Repository) => {
                    path.push(b'/');
                    self.push(path);
                }
                // Empty and unlisted folders, and what git cannot track (pipes, sockets).
                _ => {}
            }
        }
        Action::Continue(())
    }

    fn can_recurse(
        &mut self,
        entry: EntryRef<'_>,
        deletion: Option<ForDeletionMode>,
        root_is_repository: bool,
    ) -> bool {
        let enter =
            entry.status.can_recurse(entry.disk_kind, entry.pathspec_match, deletion, root_is_repository);
        let is_root = entry.rela_path.is_empty();
        if !enter || (!is_root && (self.options.skip)(&entry.rela_path)) {
            return false;
        }
        if entry.status == Status::Untracked
            && !is_root
            && (self.options.skip_untracked)(&entry.rela_path, true)
        {
            return false;
        }
        if !self.probe {
            return true;
        }
        let listed = work_file::on_disk(self.work_tree, &entry.rela_path).and_then(std::fs::read_dir);
        if let Err(error) = &listed {
            let reason = format!("cannot be listed: {error}");
            self.unread.push(Omission { path: entry.rela_path.to_vec(), reason });
        }
        listed.is_ok()
    }
}

/// Fills `untracked`, `untracked_omitted` and `unread` of `state`, with digests within the limits.
pub(super) fn describe(work_tree: &Path, found: Found, options: &Options<'_>, state: &mut CodeState) {
    let (limits, digests) = (&options.limits, &options.digests);
    let look = |path: &BString| {
        work_file::look(work_tree, path.strip_suffix(b"/").unwrap_or(path)).unwrap_or(WorkFile::Absent)
    };
    // To wake all cores takes longer than to look at a few files.
    let are_few = found.paths.len() < FEW;
    let files: Vec<WorkFile> = if are_few {
        found.paths.iter().map(look).collect()
    } else {
        found.paths.par_iter().map(look).collect()
    };
    // Which files get a digest depends on their order and sizes alone, not on the threads.
    let mut total_bytes: u64 = 0;
    let mut within = Vec::with_capacity(files.len());
    for file in &files {
        let WorkFile::Regular { size_bytes, .. } = file else {
            within.push(true);
            continue;
        };
        let fits = *size_bytes <= limits.digest_file_max_bytes
            && total_bytes.saturating_add(*size_bytes) <= limits.digest_total_max_bytes;
        total_bytes += if fits { *size_bytes } else { 0 };
        within.push(fits);
    }
    let describe = |((path, file), within): ((BString, WorkFile), bool)| {
        let (size_bytes, digest) = match file {
            WorkFile::Regular { size_bytes, .. } => {
                let on_disk = work_file::on_disk(work_tree, &path);
                let digest = within.then(|| on_disk.and_then(|on_disk| digests.of(&on_disk)));
                (Some(size_bytes), digest.and_then(|digest| digest.ok()).map(|digest| *digest.as_bytes()))
            }
            WorkFile::Link(target) => (Some(target.len() as u64), Some(*blake3::hash(&target).as_bytes())),
            WorkFile::Absent | WorkFile::Folder | WorkFile::Special => (None, None),
        };
        Untracked { path: path.into(), digest, size_bytes }
    };
    state.untracked = if are_few {
        found.paths.into_iter().zip(files).zip(within).map(describe).collect()
    } else {
        found.paths.into_par_iter().zip(files).zip(within).map(describe).collect()
    };
    state.untracked_omitted = found.omitted;
    state.unread.extend(found.unread);
}
