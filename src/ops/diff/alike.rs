//! Which run another one is compared with where nobody says: the latest other one that ran the same thing.

use std::ops::ControlFlow;
use std::path::Path;

use crate::error::Result;
use crate::model::{Run, RunKind};
use crate::ops::Workspace;
use crate::ops::here::Here;
use crate::query::{began_inside, run_back};
use crate::store::{RunNo, Snapshot, Term};

/// So many of the latest runs are asked whether they ran the same command under another name.
const OTHER_NAMES_MAX: usize = 1_000;

/// Returns the latest other run that ran what `than` ran: one of its name, or of its command under another name; of those called by
/// a program alone, such as `sh`, first one of the very command. Runs of other workspaces, repetitions and parts of runs do not count.
///
/// # Errors
/// A store error where a record is damaged.
pub(super) fn alike(workspace: &Workspace, snapshot: &Snapshot, than: RunNo) -> Result<Option<RunNo>> {
    let Some(run) = snapshot.run(than)? else { return Ok(None) };
    let here = Here::of(workspace);
    let counted = |number: RunNo| -> Result<Option<Run>> {
        if number == than || !here.has_run(snapshot, number)? || began_inside(snapshot, number)? {
            return Ok(None);
        }
        Ok(snapshot.run(number)?.filter(|other| other.rerun_of.is_none()))
    };
    let (mut found, mut by_program): (Option<(RunNo, Run)>, _) = (None, None);
    let mut better = |number: RunNo, other: Run| {
        if found.as_ref().is_none_or(|(_, known)| known.id < other.id) {
            found = Some((number, other));
        }
    };
    let name = Term::Name(run.name.as_str().into());
    let is_ordered = snapshot.has_order(&name);
    let _first = snapshot.runs_with(&name, |number| {
        // The index only narrows it down.
        let Some(other) = counted(number)?.filter(|other| other.name == run.name) else {
            return Ok(ControlFlow::Continue(()));
        };
        if !is_same_command(&run, &other) && is_called_by_program(&run) {
            by_program = by_program.or(Some(number));
            return Ok(ControlFlow::Continue(()));
        }
        better(number, other);
        Ok(if is_ordered { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    let mut left = OTHER_NAMES_MAX;
    let _first = snapshot.runs_newest_first(|number| {
        left -= 1;
        match counted(number)?.filter(|other| is_same_command(&run, other)) {
            Some(other) => better(number, other),
            None if left > 0 => return Ok(ControlFlow::Continue(())),
            None => {}
        }
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found.map(|(number, _)| number).or(by_program))
}

/// Returns the latest run that counts before `than`.
pub(super) fn before(workspace: &Workspace, snapshot: &Snapshot, than: RunNo) -> Result<Option<RunNo>> {
    let Some(run) = snapshot.run(than)? else { return Ok(None) };
    let here = Here::of(workspace);
    run_back(snapshot, 0, &mut |number| {
        let is_before = snapshot.run(number)?.is_some_and(|other| other.id < run.id);
        Ok(is_before && here.has_run(snapshot, number)?)
    })
}

fn is_same_command(run: &Run, other: &Run) -> bool {
    let is_one = !run.arguments.is_empty() && run.arguments == other.arguments && run.folder == other.folder;
    is_one || run.kind == RunKind::Pipeline && other.kind == RunKind::Pipeline
}

/// Returns true for a run whose name is its program's, which may have done anything.
fn is_called_by_program(run: &Run) -> bool {
    let program = run.arguments.first().and_then(|word| Path::new(word).file_name());
    program.is_some_and(|program| program == run.name.as_str())
}
