//! `lineage diff`: two runs, with what the repository knows of their commits.

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::path::Path;

use crate::capture::git;
use crate::error::{Error, Result};
use crate::model::{ArtifactPath, CodeState, NodeId, repeated_word};
use crate::ops::code::kind_of;
use crate::ops::metrics::tell_apart;
use crate::ops::{FileTarget, Target, View, Workspace, locate, locate_run};
use crate::projection::names::run_folder_name;
use crate::query::RunHead;
use crate::query::diff::{CommitFiles, DiffRun, RunDiff, diff};
use crate::store::{RunNo, Snapshot};

/// Compares the runs that `a` and `b` name, seen from `folder`; a file names the run that wrote it, a version of a model the one it
/// came from.
///
/// # Errors
/// A request error where one of them names no run, a store error where a record is damaged.
pub fn diff_runs(
    workspace: &Workspace,
    view: &View,
    folder: &Path,
    a: impl AsRef<OsStr>,
    b: impl AsRef<OsStr>,
) -> Result<RunDiff> {
    let a = find(workspace, view, folder, a.as_ref())?;
    let b = find(workspace, view, folder, b.as_ref())?;
    compare_runs(workspace, &view.snapshot, a, b)
}

/// Compares two runs.
///
/// # Errors
/// A store error where a record is damaged.
pub fn compare_runs(workspace: &Workspace, snapshot: &Snapshot, a: RunHead, b: RunHead) -> Result<RunDiff> {
    let commits = commit_files(workspace, last_code(&a), last_code(&b));
    let contents = workspace.contents();
    let mut diff = diff(snapshot, side(a), side(b), &commits, &|digest| contents.read(digest))?;
    tell_apart(workspace, snapshot, &mut diff)?;
    Ok(diff)
}

fn side(head: RunHead) -> DiffRun {
    let run = &head.view.run;
    let folder_name = run_folder_name(&head.recorded_label, &run.name, &run.code);
    DiffRun { head, folder_name }
}

fn find(workspace: &Workspace, view: &View, folder: &Path, word: &OsStr) -> Result<RunHead> {
    let snapshot = &view.snapshot;
    let number = run_meant(workspace, snapshot, folder, word)?;
    let mut head = RunHead::read(snapshot, number)?
        .ok_or_else(|| Error::request("the start of this run is not recorded here"))?;
    head.alive = workspace.is_at_work(snapshot, &head.view)?;
    Ok(head)
}

/// Returns the run that a word names, seen from `folder`; a file names the run that wrote it, a version of a model the one it came from.
///
/// # Errors
/// A request error where it names none.
pub(crate) fn run_meant(
    workspace: &Workspace,
    snapshot: &Snapshot,
    folder: &Path,
    word: &OsStr,
) -> Result<RunNo> {
    match locate_run(workspace, snapshot, folder, word) {
        Ok(number) => Ok(number),
        Err(error) => match locate(workspace, snapshot, folder, word) {
            Ok(Target::File(file)) => run_that_wrote(snapshot, &file),
            Ok(Target::Model(version)) => run_behind(snapshot, version, word),
            _ => Err(error),
        },
    }
}

/// Returns the run that last wrote a version of a file, by the time that was named.
fn run_that_wrote(snapshot: &Snapshot, file: &FileTarget) -> Result<RunNo> {
    let write = snapshot.writes_until(file.number, file.until(), |_, step| Ok(ControlFlow::Break(step)))?;
    let run = write.break_value().map_or(Ok(None), |step| snapshot.run_of(step))?;
    run.ok_or_else(|| {
        Error::request(format!("no recorded run wrote `{}`", file.artifact.path))
            .hint("name a run, a file that one wrote, or a version of a model")
    })
}

/// Returns the run that a version of a model came from.
fn run_behind(snapshot: &Snapshot, version: NodeId, word: &OsStr) -> Result<RunNo> {
    let model = snapshot.model(version)?;
    let run = model.map_or(Ok(None), |model| snapshot.run_of_model(&model))?;
    run.ok_or_else(|| Error::request(format!("`{}` was registered without a run", repeated_word(word))))
}

/// Returns the code of the last time a run was taken up.
pub(crate) fn last_code(head: &RunHead) -> &CodeState {
    let later = head.view.outcomes.iter().rev();
    let mut later = later.filter_map(|outcome| outcome.code.as_ref());
    later.next().unwrap_or(&head.view.run.code)
}

/// Lists the files that differ between two commits, as far as the repository here has them.
fn commit_files(workspace: &Workspace, a: &CodeState, b: &CodeState) -> CommitFiles {
    let (Some(a), Some(b)) = (&a.commit, &b.commit) else {
        return CommitFiles::Unknown;
    };
    let root = workspace.root();
    // A repository that cannot be read is no reason not to compare the rest; the answer says what it lacks.
    let (Ok(Some(files)), Some(work_tree)) = (git::changed_between(root, a, b), git::work_tree_root(root))
    else {
        return CommitFiles::Unknown;
    };
    let named = files.into_iter().filter_map(|(path, kind)| {
        let place = ArtifactPath::from_bytes(path).ok()?.on_disk(&work_tree)?;
        Some((ArtifactPath::within(root, &place).ok()?, kind_of(kind)))
    });
    CommitFiles::Known(named.collect())
}
