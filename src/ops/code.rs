//! The code state of a workspace, as it goes into the journal.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::Path;

use crate::capture::git;
use crate::capture::ignored::IgnoreRules;
use crate::content::Access;
use crate::disk::read_regular;
use crate::error::{Error, Result};
use crate::model::{
    ArtifactPath, ChangeKind, ChangedFile, CodeState, Digest, RunKind, Submodule, os_word, printed,
};
use crate::ops::Workspace;
use crate::ops::settings::KeepPolicy;
use crate::ops::workspace::FOLDER;
use crate::projection::{self, ProjectedFrom};
use crate::store::Snapshot;

/// Reads the code state of a workspace and keeps its patch as a content.
///
/// What this program keeps or projected itself counts as neither changed nor untracked; `snapshot` is asked for only where
/// something is one of the two. What `.lineageignore` names, `exclude` in the configuration, or looks like credentials is not in the
/// patch. A repository that cannot be read is no reason not to run: the code state then says why it is
/// not known.
///
/// # Errors
/// A store error where the patch cannot be kept; a request error where the configuration is not understood.
pub(crate) fn code_state<'s>(
    workspace: &Workspace,
    snapshot: &dyn Fn() -> Option<&'s Snapshot>,
) -> Result<CodeState> {
    let root = workspace.root();
    code_state_at(workspace, CodeOf { root, folder: root }, &|_| true, snapshot)
}

/// Whose code state is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CodeOf<'a> {
    /// The workspace's root, or the folder that stands for it.
    pub root: &'a Path,
    /// A folder in the repository: as git would answer there.
    pub folder: &'a Path,
}

impl<'a> CodeOf<'a> {
    /// Asks for that of a run which was started in `folder`: from outside of the workspace, it is that of the workspace.
    pub(crate) fn run_in(root: &'a Path, folder: &'a Path) -> Self {
        CodeOf { root, folder: if folder.starts_with(root) { folder } else { root } }
    }

    /// Returns the root of the work tree, where that is not the one that the workspace's root lies in: the innermost around it.
    pub(crate) fn other_work_tree(&self) -> Option<ArtifactPath> {
        if self.folder == self.root {
            return None;
        }
        let work_tree = git::work_tree_root(self.folder)?;
        let is_around_root = git::work_tree_root(self.root).as_ref() == Some(&work_tree);
        if is_around_root { None } else { ArtifactPath::within(self.root, &work_tree).ok() }
    }
}

/// Reads the code state of the repository that a folder lies in, as [`code_state`] does that of the workspace's root; of its untracked
/// files, those that are wanted.
///
/// # Errors
/// As [`code_state`].
pub(crate) fn code_state_at<'s>(
    workspace: &Workspace,
    CodeOf { root, folder }: CodeOf<'_>,
    is_wanted: &dyn Fn(&Path) -> bool,
    snapshot: &dyn Fn() -> Option<&'s Snapshot>,
) -> Result<CodeState> {
    let work_tree = git::work_tree_root(folder).unwrap_or_else(|| root.to_owned());
    let skip = |path: &[u8]| is_ours(&work_tree, root, path, snapshot);
    let digests = workspace.digests().clone();
    let skip_untracked = |path: &[u8], is_folder| {
        let wanted = is_folder || is_wanted(&work_tree.join(os_word(path.to_vec())));
        !wanted || is_no_work(&work_tree, root, path, is_folder)
    };
    let (policy, rules) = (KeepPolicy::of(workspace)?, IgnoreRules::of(root));
    let is_withheld = |path: &[u8]| {
        let Some(path) = named(&work_tree, root, path) else { return false };
        policy.withholds(&path) || path.on_disk(root).is_some_and(|place| rules.ignores(&place, false))
    };
    let options = git::Options {
        skip: &skip,
        skip_untracked: &skip_untracked,
        is_withheld: &is_withheld,
        limits: git::Limits::default(),
        digests,
    };
    let state = match git::code_state(folder, &options) {
        Ok(state) => state,
        Err(error) => {
            return Ok(CodeState {
                repository: true,
                unreadable: Some(error.in_full()),
                ..CodeState::default()
            });
        }
    };
    let tree = state.work_tree.clone().unwrap_or_else(|| root.to_owned());
    let patch = if state.patch.is_empty() {
        None
    } else {
        let digest = Digest::of(&state.patch);
        workspace.contents().keep_as(&digest, &state.patch, access_of_patch(&tree, root, &state))?;
        Some(digest)
    };
    let named = |path: &[u8]| named(&tree, root, path);
    let changed = state.changed.iter().filter_map(|change| {
        Some(ChangedFile {
            path: named(&change.path)?,
            kind: kind_of(change.kind()),
            digest: change.digest.map(Digest::from_bytes),
            size_bytes: change.size_bytes.unwrap_or(0),
        })
    });
    let untracked = state.untracked.iter().filter_map(|file| {
        Some(ChangedFile {
            path: named(&file.path)?,
            kind: ChangeKind::Untracked,
            digest: file.digest.map(Digest::from_bytes),
            size_bytes: file.size_bytes.unwrap_or(0),
        })
    });
    let submodules = state.submodules.iter().filter_map(|module| {
        Some(Submodule {
            path: named(&module.path)?,
            recorded: Some(module.recorded.clone()),
            checked_out: module.checked_out.clone(),
        })
    });
    let omitted = state.patch_omitted.iter().map(|o| format!("{}: {}", printed(&o.path), o.reason));
    let unread = state.unread.iter().map(|o| format!("{}: {}", printed(&o.path), o.reason));
    let unread: Vec<String> = unread.collect();
    Ok(CodeState {
        repository: state.repository != git::Repository::None,
        commit: state.sha.clone(),
        commit_short: state.sha_short.clone(),
        branch: state.branch.clone(),
        dirty: state.dirty(),
        changed: changed.collect(),
        untracked: untracked.collect(),
        untracked_omitted: state.untracked_omitted,
        patch,
        patch_omitted: omitted.collect(),
        submodules: submodules.collect(),
        unreadable: (!unread.is_empty()).then(|| unread.join("; ")),
    })
}

/// Returns the access of those to a patch who may read all files that it speaks of. What it says of one that is gone, git has.
fn access_of_patch(tree: &Path, root: &Path, state: &git::CodeState) -> Access {
    let omitted: HashSet<&[u8]> = state.patch_omitted.iter().map(|omitted| &omitted.path[..]).collect();
    let changed = state.changed.iter().filter(|change| !omitted.contains(&change.path[..]));
    let places = changed.map(|change| tree.join(os_word(change.path.clone())));
    let files = places.filter(|place| place.symlink_metadata().is_ok_and(|found| found.is_file()));
    files.fold(Access::ALL, |access, place| access.narrowed_to(Access::of_path(root, &place)))
}

/// Returns a code state that was read at the end of a run as that of its start, where the commit was `commit`; what differed from
/// that is not known where it is another one now.
pub(crate) fn as_of(now: CodeState, commit: Option<String>) -> CodeState {
    if now.commit == commit {
        return now;
    }
    let unreadable = match &commit {
        Some(_) => "its commit changed during the run, so what differed from it is not known",
        None => "its commit changed during the run; which it was at the start is not known",
    };
    CodeState {
        repository: true,
        commit_short: commit.as_ref().map(|commit| commit.chars().take(SHORT_DIGITS).collect()),
        commit,
        unreadable: Some(unreadable.to_owned()),
        ..CodeState::default()
    }
}

/// As many digits of a commit are written where it is not asked how many tell it from others.
const SHORT_DIGITS: usize = 12;

/// Names a path of the work tree as the workspace names it. A repository inside the work tree ends in `/`; the name has none.
fn named(work_tree: &Path, root: &Path, path: &[u8]) -> Option<ArtifactPath> {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let inside = ArtifactPath::from_bytes(path.to_vec()).ok()?;
    ArtifactPath::within(root, &inside.on_disk(work_tree)?).ok()
}

/// Returns true for what this program keeps or wrote by itself: `.lineage`, and the outputs of its pipeline.
fn is_ours<'s>(
    work_tree: &Path,
    root: &Path,
    path: &[u8],
    snapshot: &dyn Fn() -> Option<&'s Snapshot>,
) -> bool {
    let Some(path) = named(work_tree, root, path) else {
        return false;
    };
    if path.as_bytes() == FOLDER.as_bytes() {
        return true;
    }
    let ours = |snapshot: &Snapshot| {
        let is_output = is_output_of_pipeline(snapshot, &path)?;
        Ok::<bool, Error>(is_output || is_projected(snapshot, root, &path)?)
    };
    snapshot().is_some_and(|snapshot| ours(snapshot).unwrap_or(false))
}

/// Returns true for what no run is recorded with, or only with its environment: caches, packages, virtual environments.
fn is_no_work(work_tree: &Path, root: &Path, path: &[u8], is_folder: bool) -> bool {
    let Some(path) = ArtifactPath::from_bytes(path.to_vec()).ok().and_then(|path| path.on_disk(work_tree))
    else {
        return false;
    };
    crate::ops::run::is_no_work(&path, root) || (is_folder && path.join("pyvenv.cfg").is_file())
}

fn is_projected(snapshot: &Snapshot, root: &Path, path: &ArtifactPath) -> Result<bool> {
    Ok(match projection::projected_from(snapshot, path)? {
        None => false,
        Some(ProjectedFrom::Run(_) | ProjectedFrom::Model(_)) => true,
        // A README may as well be somebody's own.
        Some(ProjectedFrom::Documents(_)) => {
            let bytes = path.on_disk(root).and_then(|place| read_regular(&place).ok());
            bytes.is_some_and(|bytes| projection::is_own_index(&bytes))
        }
    })
}

fn is_output_of_pipeline(snapshot: &Snapshot, path: &ArtifactPath) -> Result<bool> {
    let Some(path_no) = snapshot.path_no(path)? else {
        return Ok(false);
    };
    let last = snapshot.path_writes_until(path_no, i64::MAX, |_, step, _| Ok(ControlFlow::Break(step)))?;
    let run = last.break_value().map(|step| snapshot.run_of(step)).transpose()?.flatten();
    let origin = run.map_or(Ok(None), |run| snapshot.run_origin(run))?;
    Ok(origin.is_some_and(|run| run.kind == RunKind::Pipeline))
}

/// Names a kind of change as the record does.
pub(crate) fn kind_of(kind: git::ChangeKind) -> ChangeKind {
    match kind {
        git::ChangeKind::Modified => ChangeKind::Modified,
        git::ChangeKind::Added => ChangeKind::Added,
        git::ChangeKind::Deleted => ChangeKind::Deleted,
        git::ChangeKind::TypeChanged => ChangeKind::TypeChanged,
        git::ChangeKind::Renamed => ChangeKind::Renamed,
        git::ChangeKind::Conflicted => ChangeKind::Conflicted,
    }
}
