//! Which runs a word on the command line means for an export: a run alone, or all that are behind a file or a version of a model.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

use crate::error::{Error, Result};
use crate::model::{NodeId, repeated_word};
use crate::ops::{Target, Workspace, locate, locate_run};
use crate::query::registry::{made_as, model_view};
use crate::query::{Trace, upstream, upstream_of, upstream_of_steps};
use crate::store::{RunNo, Snapshot};

/// Returns the runs that a word means, seen from `folder`: what names a run means that alone, a file or a version of a model all
/// runs that it comes from.
///
/// # Errors
/// A request error where it names nothing, or where no run is recorded that it comes from.
pub fn runs_behind(
    workspace: &Workspace,
    snapshot: &Snapshot,
    folder: &Path,
    word: &OsStr,
) -> Result<Vec<RunNo>> {
    let no_run = match locate_run(workspace, snapshot, folder, word) {
        Ok(run) => return Ok(vec![run]),
        Err(error) => error,
    };
    let runs = match locate(workspace, snapshot, folder, word) {
        Ok(Target::File(file) | Target::Segment(file, _)) => {
            runs_of(&upstream(snapshot, file.number, file.until(), u32::MAX)?)
        }
        Ok(Target::Model(id)) => behind_version(snapshot, id)?,
        _ => return Err(no_run),
    };
    if runs.is_empty() {
        return Err(Error::request(format!("no recorded run made `{}`", repeated_word(word)))
            .hint("name a run, a file that one wrote, or a version of a model"));
    }
    // They are written oldest first.
    let mut by_start = Vec::new();
    for number in runs {
        by_start.push((snapshot.run(number)?.map(|run| run.id), number));
    }
    by_start.sort_unstable();
    Ok(by_start.into_iter().map(|(_, number)| number).collect())
}

fn behind_version(snapshot: &Snapshot, id: NodeId) -> Result<BTreeSet<RunNo>> {
    let view = model_view(snapshot, id)?;
    let view = view.ok_or_else(|| Error::store("a model version is named and not there"))?;
    let made = made_as(snapshot, &view.model)?;
    let mut runs = runs_of(&upstream_of(snapshot, &made, u32::MAX)?);
    if let Some(run) = snapshot.run_of_model(&view.model)? {
        // What its run read is as much as can be said where nobody recorded who wrote its files.
        if runs.is_empty() {
            runs = runs_of(&upstream_of_steps(snapshot, &snapshot.steps_of(run)?, u32::MAX)?);
        }
        runs.insert(run);
    }
    Ok(runs)
}

fn runs_of(trace: &Trace) -> BTreeSet<RunNo> {
    trace.steps.iter().map(|step| step.run).collect()
}
