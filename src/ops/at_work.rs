//! Commands that are at work: what they read and write is known when they end.

use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::error::Result;
use crate::model::RunKind;
use crate::ops::Workspace;
use crate::query::{RunHead, run_view};
use crate::store::Snapshot;

/// As many of the latest runs are looked at.
const LATEST_MAX: usize = 1_000;

/// Lists the commands at work, the latest first.
///
/// # Errors
/// A store error where a record is damaged.
pub(super) fn commands_at_work(workspace: &Workspace, snapshot: &Snapshot) -> Result<Vec<RunHead>> {
    let mut found = Vec::new();
    let mut left = LATEST_MAX;
    let _earlier = snapshot.runs_newest_first(|number| {
        left -= 1;
        if let Some(view) = run_view(snapshot, number)?
            && view.run.kind == RunKind::Command
            && workspace.is_at_work(snapshot, &view)?
        {
            found.extend(RunHead::read(snapshot, number)?.map(|head| RunHead { alive: true, ..head }));
        }
        Ok(if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(found)
}

/// Returns the latest of the commands at work that began before the file at `place` was last changed, and so may have written it.
pub(super) fn may_be_writing<'r>(at_work: &'r [RunHead], place: &Path) -> Option<&'r RunHead> {
    let metadata = place.symlink_metadata().ok()?;
    let changed_us = metadata.ctime() * 1_000_000 + metadata.ctime_nsec() / 1_000;
    at_work.iter().find(|run| run.view.run.started_at.micros() <= changed_us)
}

/// Names a run by its name and key.
pub(super) fn words(run: &RunHead) -> String {
    format!("run `{}` ({})", run.view.run.name.escape_debug(), run.tail)
}
