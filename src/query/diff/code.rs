//! The code of two runs: commits, and the files that differ between the two code states.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use crate::error::Result;
use crate::model::{Artifact, ArtifactPath, ChangeKind, ChangedFile, CodeState, Role};
use crate::query::diff::CommitFiles;
use crate::query::diff::side::Side;
use crate::store::Snapshot;

/// How the code of two runs differs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CodeDiff {
    /// The code of the first run; of its last stretch, where it was taken up again.
    pub a: CodeState,
    /// The code of the second run, likewise.
    pub b: CodeState,
    /// Whether parts of the first run were made by other code than `a`.
    pub mixed_a: bool,
    /// Whether parts of the second run were made by other code than `b`.
    pub mixed_b: bool,
    /// Files that differ between the two code states, by path; without what the runs used as data, without untracked outputs of any
    /// recorded step, and, where all reads of both runs were seen, without untracked files that neither of them touched.
    pub files: Vec<CodeFileDiff>,
    /// Whether `files` has what differs between the two commits; it is not known where a commit is not to be had.
    pub commits_compared: bool,
}

impl CodeDiff {
    /// Returns true where both runs were made by the same code, on the same branch.
    pub fn is_equal(&self) -> bool {
        self.a.commit == self.b.commit && self.a.branch == self.b.branch && !self.may_differ()
    }

    /// Returns true where a file of the code differs, or may differ.
    pub fn may_differ(&self) -> bool {
        !self.files.is_empty()
            || !self.commits_compared
            || (self.mixed_a || self.mixed_b)
            || self.a.unreadable != self.b.unreadable
    }
}

/// A file that differs between two code states.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct CodeFileDiff {
    /// The file.
    pub path: ArtifactPath,
    /// How it differed from the commit in the first run; `None` where it did not.
    pub a: Option<ChangeKind>,
    /// How it differed from the commit in the second run.
    pub b: Option<ChangeKind>,
    /// How it differs between the commits; `None` where it does not, or that is not known.
    pub between: Option<ChangeKind>,
    /// False where what is recorded does not tell whether the bytes differ: a change that may have been committed since.
    pub certain: bool,
}

/// Compares the code of two runs.
pub(super) fn compare(snapshot: &Snapshot, a: &Side, b: &Side, commits: &CommitFiles) -> Result<CodeDiff> {
    let ((code_a, mixed_a), (code_b, mixed_b)) = (a.code(), b.code());
    let same_commit = code_a.commit == code_b.commit;
    let commits_compared = same_commit || matches!(commits, CommitFiles::Known(_));
    let between: BTreeMap<&ArtifactPath, ChangeKind> = match commits {
        CommitFiles::Known(files) if !same_commit => files.iter().map(|(path, kind)| (path, *kind)).collect(),
        _ => BTreeMap::new(),
    };
    let (changes_a, changes_b) = (changes(code_a), changes(code_b));
    let other_than_code = |role: Role| !role.is_code();
    let (data_a, data_b) = (a.touched(&other_than_code), b.touched(&other_than_code));
    let (read_a, read_b) = (a.touched(&Role::is_code), b.touched(&Role::is_code));
    let sees_all = a.sees_all_reads() && b.sees_all_reads();
    let mut paths: BTreeSet<&ArtifactPath> = between.keys().copied().collect();
    paths.extend(changes_a.keys().chain(changes_b.keys()));
    let mut files = Vec::new();
    for path in paths {
        let (change_a, change_b) = (changes_a.get(path).copied(), changes_b.get(path).copied());
        let is_data = data_a.contains_key(path) || data_b.contains_key(path);
        if is_data || is_output(snapshot, change_a.or(change_b))? {
            continue;
        }
        let in_commits = between.get(path).copied();
        let is_untracked = [change_a, change_b].into_iter().flatten().all(is_untracked);
        let is_touched = read_a.contains_key(path) || read_b.contains_key(path);
        // It lay about, as what another run had at work then.
        if sees_all && is_untracked && in_commits.is_none() && !is_touched {
            continue;
        }
        let read = as_read(read_a.get(path), read_b.get(path));
        let differs = read.or_else(|| differs(change_a, change_b, in_commits, commits_compared));
        if differs != Some(false) {
            files.push(CodeFileDiff {
                path: path.clone(),
                a: change_a.map(|change| change.kind),
                b: change_b.map(|change| change.kind),
                between: in_commits,
                certain: differs.is_some(),
            });
        }
    }
    let [a, b] = [(a, code_a), (b, code_b)].map(|(side, code)| {
        let dirty = code.dirty || side.head.view.read_uncommitted();
        CodeState { dirty, ..code.clone() }
    });
    Ok(CodeDiff { a, b, mixed_a, mixed_b, files, commits_compared })
}

/// Returns true for a file that git does not track and a recorded step wrote: that is data, whoever made it.
fn is_output(snapshot: &Snapshot, change: Option<&ChangedFile>) -> Result<bool> {
    let untracked = change.filter(|change| is_untracked(change));
    let path = untracked.map_or(Ok(None), |change| snapshot.path_no(&change.path))?;
    let Some(path) = path else { return Ok(false) };
    let write = snapshot.path_writes_until(path, i64::MAX, |_, _, _| Ok(ControlFlow::Break(())))?;
    Ok(write.is_break())
}

fn is_untracked(change: &ChangedFile) -> bool {
    change.kind == ChangeKind::Untracked
}

fn changes(code: &CodeState) -> BTreeMap<&ArtifactPath, &ChangedFile> {
    let files = code.changed.iter().chain(&code.untracked);
    files.map(|file| (&file.path, file)).collect()
}

/// Says whether a file differs by what steps really read; `None` where one of the runs did not read it.
fn as_read(a: Option<&BTreeSet<&Artifact>>, b: Option<&BTreeSet<&Artifact>>) -> Option<bool> {
    Some(a? != b?)
}

/// Says whether a file differs by what the code states say; `None` where they do not tell.
fn differs(
    a: Option<&ChangedFile>,
    b: Option<&ChangedFile>,
    between: Option<ChangeKind>,
    commits_compared: bool,
) -> Option<bool> {
    match (a, b) {
        (Some(a), Some(b)) => {
            let gone = [a, b].map(|file| file.kind == ChangeKind::Deleted);
            match (a.digest, b.digest) {
                _ if gone[0] || gone[1] => Some(gone[0] != gone[1]),
                (Some(a), Some(b)) => Some(a != b),
                _ if a.size_bytes != b.size_bytes => Some(true),
                _ => None,
            }
        }
        // Changed against one commit, and the other commit has it changed as well: perhaps in the same way.
        (Some(_), None) | (None, Some(_)) => (commits_compared && between.is_none()).then_some(true),
        (None, None) => Some(between.is_some()),
    }
}
