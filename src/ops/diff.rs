//! `lineage diff`: two runs, with what the repository knows of their commits.

mod alike;

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::path::Path;

use crate::capture::git;
use crate::error::{Error, Result};
use crate::model::{ArtifactPath, CodeState, NodeId, repeated_word};
use crate::ops::code::kind_of;
use crate::ops::here::find_run;
use crate::ops::metrics::tell_apart;
use crate::ops::{FileTarget, Target, View, Workspace, locate, locate_run};
use crate::projection::names::run_folder_name;
use crate::query::diff::{CommitFiles, DiffRun, RunDiff, diff};
use crate::query::{RunHead, RunSelector};
use crate::store::{RunNo, Snapshot};

use alike::{alike, before};

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
    let snapshot = &view.snapshot;
    let [a, b] = [a.as_ref(), b.as_ref()].map(|word| run_meant(workspace, snapshot, folder, word));
    compare_runs(workspace, snapshot, head(workspace, snapshot, a?)?, head(workspace, snapshot, b?)?)
}

/// Two runs that were compared, of which a user named both, one or none.
pub(crate) struct Compared {
    /// What differs.
    pub(crate) diff: RunDiff,
    /// Nobody named one of them, and no other run ran what the other one did: it is the one before, or the latest.
    pub(crate) is_by_order: bool,
    /// The end of the key of the latest other run that ran what `b` did, where the two are of unlike kinds.
    pub(crate) alike: Option<String>,
}

/// Compares two runs, of which `a` and `b` are named as for [`diff_runs`]. By default `b` is the latest run; the other one is the
/// latest other that ran the same thing, and the earlier of the two is `a`.
///
/// # Errors
/// As [`diff_runs`], and a request error where there is no other run.
pub(crate) fn compare_named(
    workspace: &Workspace,
    view: &View,
    folder: &Path,
    named: [Option<&OsStr>; 2],
) -> Result<Compared> {
    let snapshot = &view.snapshot;
    let run = |word: &OsStr| run_meant(workspace, snapshot, folder, word);
    let latest = || find_run(workspace, snapshot, &RunSelector::Back(0));
    let (pair, is_by_order) = match named {
        [Some(a), Some(b)] => ([run(a)?, run(b)?], false),
        [one, other] => {
            let one = one.or(other).map_or_else(latest, run)?;
            match alike(workspace, snapshot, one)? {
                Some(alike) => ([one, alike], false),
                None => match latest()? {
                    latest if latest != one => ([one, latest], true),
                    // Where there is none, that is said as of any word.
                    _ => match before(workspace, snapshot, one)? {
                        Some(before) => ([one, before], true),
                        None => ([one, find_run(workspace, snapshot, &RunSelector::Back(1))?], true),
                    },
                },
            }
        }
    };
    let mut heads = [head(workspace, snapshot, pair[0])?, head(workspace, snapshot, pair[1])?];
    if named.contains(&None) {
        heads.sort_by_key(|head| head.view.run.id);
    }
    let [a, b] = heads;
    let diff = compare_runs(workspace, snapshot, a, b)?;
    let alike = match diff.unlike {
        Some(_) => alike(workspace, snapshot, diff.b.view.number)?,
        None => None,
    };
    let alike = alike.filter(|number| *number != diff.a.view.number);
    let alike = alike.map_or(Ok(None), |number| RunHead::read(snapshot, number))?;
    Ok(Compared { is_by_order, alike: alike.map(|head| head.tail), diff })
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

fn head(workspace: &Workspace, snapshot: &Snapshot, number: RunNo) -> Result<RunHead> {
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
