//! `lineage pipeline`: filings in, training segments out, every file recorded and then projected.
//!
//! The order on disk is what makes a kill at any point harmless: a stage's output is kept as a content, then its step is
//! written to the journal, then the file is projected. What is recorded can always be projected again.

mod chain;
mod inputs;
mod metrics;
mod reading;
mod record;
mod request;
mod resume;
mod session;
mod stages;
mod tally;
mod work;

use std::time::Instant;

use crate::error::Result;
use crate::ops::{Clock, Workspace};
use crate::projection::names;

pub use inputs::FilingInput;
pub use request::{FailuresMax, PipelineRequest, Progress, Resume};
pub use stages::{Part, PipelineStage};
pub use tally::{Failure, StageCount, Summary, failures_by_kind};
pub use work::{Done, FilingOutcome, PartOutcome};

use resume::{Plan, Prior};
use session::Session;
use tally::Tally;
use work::Bench;

/// The name of a run that was given none.
const DEFAULT_NAME: &str = "pipeline";

/// Runs the pipeline. A workspace that is only named yet is made when the first thing is to be recorded in it.
///
/// # Errors
/// A request error for bad inputs and names, and for a run that cannot be taken up again; a store error where nothing can be
/// recorded. Filings that fail are no error: the summary has them.
pub fn pipeline(
    workspace: &Workspace,
    clock: &Clock,
    request: &PipelineRequest,
    progress: &dyn Progress,
) -> Result<Summary> {
    let started = Instant::now();
    let name = request.name.as_deref().unwrap_or(DEFAULT_NAME);
    names::check_run_name(name)?;
    let view = workspace.view()?;
    clock.not_before(view.snapshot.latest());
    let mut notes = view.warnings.clone();
    let resumed = resume::find(workspace, &view, request, &mut notes)?;
    let (prior, tally) = match &resumed {
        Some(run) => Prior::read(&view.snapshot, run)?,
        None => (Prior::default(), Tally::default()),
    };
    let plan = Plan::new(workspace.root(), request, resumed.as_ref().map(|view| (&view.run, &prior)));
    let inputs = inputs::find(workspace, &plan.folder, &plan.inputs, plan.limit, &prior.stems)?;
    let bench = Bench {
        workspace,
        snapshot: &view.snapshot,
        clock,
        last: plan.last,
        sections: &plan.sections,
        use_cache: request.use_cache,
        prior: &prior,
    };
    let mut session = Session::new(bench, request, &plan, progress, tally, notes);
    let pending = session.sort_out(&inputs.filings, resumed.as_ref());
    let pending_count = pending.len() as u64;
    let mut run = resumed.as_ref().map(|view| view.run.clone());
    let finished = resumed.as_ref().is_some_and(|view| session.is_finished(view));
    let settled = pending.is_empty() && finished;
    if !request.dry_run && !settled {
        run = Some(session.carry_out(name, resumed.as_ref(), inputs.filings.len(), pending)?);
    }
    let mut summary = session.summary(run, inputs, pending_count, started);
    summary.resumed = resumed.is_some();
    summary.settled = settled;
    Ok(summary)
}
