//! A version of a file that is named by the run that wrote or read it: `FILE@RUN`.

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::path::Path;

use crate::error::{Error, Result};
use crate::model::{Artifact, ArtifactPath, Timestamp, repeated_word};
use crate::ops::here::find_run;
use crate::ops::locate::{DiskState, FileTarget, disk_state, named_place};
use crate::ops::{Workspace, named, other_names};
use crate::query::RunSelector;
use crate::store::{ArtifactNo, PathNo, RunNo, Snapshot};

/// What a run wrote at a path, else what it read there.
pub(super) struct FileOfRun {
    number: ArtifactNo,
    at: i64,
}

impl FileOfRun {
    /// Returns the version.
    pub(super) fn artifact(&self, snapshot: &Snapshot) -> Result<Artifact> {
        snapshot.artifact(self.number)
    }

    /// Returns the version as it was then, and how what lies on disk relates to it.
    pub(super) fn target(&self, workspace: &Workspace, snapshot: &Snapshot) -> Result<FileTarget> {
        let artifact = self.artifact(snapshot)?;
        let state = match disk_state(workspace, &artifact) {
            DiskState::Changed(digest) => {
                let path = snapshot.path_of(self.number);
                match snapshot.artifact_no(path, &digest)? {
                    Some(_) => DiskState::OtherVersion(digest),
                    None => DiskState::Changed(digest),
                }
            }
            state => state,
        };
        let as_of = Some(Timestamp::from_micros(self.at));
        Ok(FileTarget { path: artifact.path.clone(), artifact, number: self.number, state, as_of })
    }
}

/// Finds what `FILE@RUN` means, seen from `folder`; `None` where no part before an `@` is a recorded file.
///
/// # Errors
/// A request error where the file is recorded, and the run is not, or had nothing to do with it.
pub(super) fn file_of_run(
    workspace: &Workspace,
    snapshot: &Snapshot,
    folder: &Path,
    word: &OsStr,
) -> Result<Option<FileOfRun>> {
    let bytes = word.as_encoded_bytes();
    for at in (0..bytes.len()).filter(|at| bytes[*at] == b'@') {
        let (file, run) = named::split_at(word, at);
        let path = recorded_path(workspace, snapshot, folder, &file)?;
        let (Some(path), Some(run)) = (path, run.to_str().and_then(selector)) else {
            continue;
        };
        let number = find_run(workspace, snapshot, &run)?;
        return version_of_run(snapshot, path, number)?.map(Some).ok_or_else(|| {
            let file = repeated_word(&file);
            Error::request(format!("that run neither wrote nor read `{file}`"))
                .hint(format!("`lineage log {file}` lists the runs that did"))
        });
    }
    Ok(None)
}

/// Returns the number of the path that `name` means, seen from `folder`, where anything is recorded of it: also of what a symbolic
/// link on the way led to that is not there any more.
///
/// # Errors
/// A request error where it names two files.
pub(super) fn recorded_path(
    workspace: &Workspace,
    snapshot: &Snapshot,
    folder: &Path,
    name: &OsStr,
) -> Result<Option<PathNo>> {
    let place = named_place(workspace, snapshot, folder, name)?;
    let Ok(path) = ArtifactPath::within(workspace.root(), &place) else { return Ok(None) };
    if let Some(number) = snapshot.path_no(&path)? {
        return Ok(Some(number));
    }
    let mut led_to = Vec::new();
    for name in other_names::led_to(workspace, snapshot, &path)? {
        led_to.extend(snapshot.path_no(&name)?);
    }
    // Where the link led elsewhere at other times, none of them is meant.
    Ok(if led_to.len() == 1 { led_to.pop() } else { None })
}

/// Reads what stands behind the `@` of `FILE@RUN`: `-` or `@-`, nothing for the latest run, a run id, a tail or a name.
fn selector(text: &str) -> Option<RunSelector> {
    format!("@{text}").parse().ok().or_else(|| text.parse().ok())
}

/// Returns the last version of a path that a run wrote, else the first that it read.
fn version_of_run(snapshot: &Snapshot, path: PathNo, run: RunNo) -> Result<Option<FileOfRun>> {
    let written = snapshot.path_writes_until(path, i64::MAX, |at, step, number| {
        let is_of_run = snapshot.run_of(step)? == Some(run);
        let found = ControlFlow::Break(FileOfRun { number, at });
        Ok(if is_of_run { found } else { ControlFlow::Continue(()) })
    })?;
    if let ControlFlow::Break(found) = written {
        return Ok(Some(found));
    }
    let mut steps = snapshot.steps_of(run)?;
    steps.sort_unstable();
    let mut read = None;
    for edges in snapshot.edges_of(&steps)?.into_iter().flatten() {
        for edge in edges.used.iter().filter(|edge| snapshot.path_of(edge.artifact) == path) {
            let rank = (edge.at, edges.id);
            if read.is_none_or(|(first, _)| rank < first) {
                read = Some((rank, edge.artifact));
            }
        }
    }
    Ok(read.map(|((at, _), number)| FileOfRun { number, at }))
}
