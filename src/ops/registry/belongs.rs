//! Whether a file can be of the run that is to have trained the model: a version keeps its files and its run's metrics, inputs and
//! code together for good, and they must speak of the same model.

use std::ops::ControlFlow;

use crate::error::{Error, Result};
use crate::model::{Artifact, CaptureLevel, Digest, NodeId, Remark, RunKind};
use crate::ops::Workspace;
use crate::ops::registry::artifacts::Found;
use crate::ops::restore::is_to_be_had;
use crate::query::{RunHead, upstream_of};
use crate::store::{RunNo, Snapshot};

/// So many runs that started one another are followed.
const PARENTS_MAX: usize = 64;

/// Checks that a file is as a recorded step wrote it, and that it can be of `run`, where there is one.
///
/// A run that wrote other bytes to its place did not make it. Nor did one of which none of those that wrote it made use, as far as the run
/// is known to have written anything at all; who writes what a run made in another form, or started it, or was started by it, is
/// no stranger. What a run that goes on wrote is not recorded yet.
///
/// # Errors
/// A request error where it cannot; nothing is registered then.
pub(super) fn check(
    workspace: &Workspace,
    snapshot: &Snapshot,
    found: &Found,
    run: Option<&RunHead>,
    is_going_on: bool,
) -> Result<()> {
    let Some(file) = found.source.as_ref().filter(|_| !is_going_on) else { return Ok(()) };
    let Some(run) = run else { return unchanged(snapshot, found, file) };
    if found.writers.contains(&run.view.number) || wrote(snapshot, run.view.number, &file.digest)? {
        return Ok(());
    }
    if let Some(written) = written_there(snapshot, run.view.number, file)? {
        let tail = &run.tail;
        return Err(Error::request(format!("`{}` does not hold what run {tail} wrote there", file.path))
            .because(match found.writers.first() {
                Some(writer) => format!("run {} wrote over it", tail_of(snapshot, *writer)?),
                None => format!("that wrote {written}, the file holds {}", file.digest),
            })
            .hint(way_back(workspace, snapshot, run, &Artifact { digest: written, ..file.clone() })));
    }
    unchanged(snapshot, found, file)?;
    let Some(writer) = found.writers.first().copied().or(found.copied.as_ref().map(|(run, _)| *run)) else {
        return Ok(());
    };
    if !wrote_anything(snapshot, run.view.number)?
        || are_related(snapshot, run, writer)?
        || is_made_from(snapshot, found, file, run.view.number)?
    {
        return Ok(());
    }
    let (tail, writer) = (&run.tail, tail_of(snapshot, writer)?);
    Err(Error::request(format!("`{}` is not of run {tail}", file.path))
        .because(format!("run {writer} wrote it, and read nothing that came from run {tail}"))
        .hint(format!("`--run {writer}` names the run that wrote it; nothing was registered")))
}

/// Checks that a run may have written the files of a version, named as `files`, though none that is recorded did: not one whose writing
/// was seen, all that it was, and that wrote other files.
///
/// # Errors
/// A request error where it did not; nothing is registered then.
pub(super) fn check_may_be_unseen(snapshot: &Snapshot, run: &RunHead, files: &str) -> Result<()> {
    let is_of_command = matches!(run.view.run.kind, RunKind::Command | RunKind::Pipeline);
    let was_seen = is_of_command && run.view.level() != Some(CaptureLevel::Nothing);
    let has_ignored = run.view.remarks.iter().flat_map(|said| &said.remarks).any(Remark::is_of_ignored_files);
    if !was_seen || has_ignored || !wrote_anything(snapshot, run.view.number)? {
        return Ok(());
    }
    Err(Error::request(format!("run {} was not seen to write {files}", run.tail))
        .because("nor was any other run")
        .hint("`--force` registers it as of that run all the same, and shows it as declared; nothing was registered"))
}

fn unchanged(snapshot: &Snapshot, found: &Found, file: &Artifact) -> Result<()> {
    let Some((run, digest)) = &found.changed_since else { return Ok(()) };
    let by = match run {
        Some(run) => format!("run {}", tail_of(snapshot, *run)?),
        None => "a run".to_owned(),
    };
    Err(Error::request(format!("`{}` changed since {by} wrote it", file.path))
        .because(format!("that wrote {digest}, the file holds {}", file.digest))
        .hint("register what a run wrote, or record the step that changed it with `lineage run -- COMMAND`"))
}

/// Says how what a run wrote is to be had again.
fn way_back(workspace: &Workspace, snapshot: &Snapshot, run: &RunHead, written: &Artifact) -> String {
    let (path, tail) = (&written.path, &run.tail);
    match is_to_be_had(workspace, snapshot, written) {
        true => format!("`lineage restore {path}@{tail}` brings that back; nothing was registered"),
        false if run.view.run.kind == RunKind::Command && !run.view.run.arguments.is_empty() => format!(
            "those bytes are kept nowhere; `lineage rerun {tail} --keep` makes them anew in a copy; nothing was registered"
        ),
        false => "those bytes are kept nowhere; nothing was registered".to_owned(),
    }
}

/// Returns true where a run wrote these bytes, wherever. Of no bytes at all that says nothing.
fn wrote(snapshot: &Snapshot, run: RunNo, digest: &Digest) -> Result<bool> {
    let Some(first) = snapshot.artifacts_with(digest)?.first().copied() else { return Ok(false) };
    if snapshot.content(first)?.1 == 0 {
        return Ok(false);
    }
    let found = snapshot.content_writes_until(first, i64::MAX, |_, step, _| {
        Ok(if snapshot.run_of(step)? == Some(run) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })?;
    Ok(found.is_break())
}

/// Returns what a run wrote to the place of a file last.
fn written_there(snapshot: &Snapshot, run: RunNo, file: &Artifact) -> Result<Option<Digest>> {
    let Some(path) = snapshot.path_no(&file.path)? else { return Ok(None) };
    let last = snapshot.path_writes_until(path, i64::MAX, |_, step, written| {
        if snapshot.run_of(step)? != Some(run) {
            return Ok(ControlFlow::Continue(()));
        }
        Ok(ControlFlow::Break(snapshot.content(written)?.0))
    })?;
    Ok(last.break_value())
}

/// Returns true where a run is recorded to have written a file.
pub(super) fn wrote_anything(snapshot: &Snapshot, run: RunNo) -> Result<bool> {
    let mut steps = snapshot.steps_of(run)?;
    steps.sort_unstable();
    Ok(snapshot.edges_of(&steps)?.into_iter().flatten().any(|edges| !edges.generated.is_empty()))
}

/// Returns true where one of two runs started the other.
fn are_related(snapshot: &Snapshot, run: &RunHead, other: RunNo) -> Result<bool> {
    let is_below = |mut run: Option<NodeId>, above: NodeId| {
        for _ in 0..PARENTS_MAX {
            let Some(id) = run else { return Ok(false) };
            if id == above {
                return Ok(true);
            }
            let number = snapshot.run_no(id)?;
            run = number.map(|number| snapshot.run(number)).transpose()?.flatten().and_then(|run| run.parent);
        }
        Ok::<bool, Error>(false)
    };
    let Some(other) = snapshot.run(other)? else { return Ok(false) };
    let run = &run.view.run;
    Ok(is_below(other.parent, run.id)? || is_below(run.parent, other.id)?)
}

/// Returns true where a file was made from what a run read or wrote.
fn is_made_from(snapshot: &Snapshot, found: &Found, file: &Artifact, run: RunNo) -> Result<bool> {
    let path = match &found.copied {
        Some((_, path)) => path,
        None => &file.path,
    };
    let Some(artifact) = snapshot.version_no(path, &file.digest)? else { return Ok(false) };
    let trace = upstream_of(snapshot, &[(artifact, i64::MAX)], u32::MAX)?;
    Ok(trace.steps.iter().any(|step| step.run == run))
}

fn tail_of(snapshot: &Snapshot, run: RunNo) -> Result<String> {
    Ok(RunHead::read(snapshot, run)?.map_or_else(|| "?".to_owned(), |head| head.tail))
}
