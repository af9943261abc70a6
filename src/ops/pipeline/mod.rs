//! `lineage pipeline`: filings in, training segments out, every file recorded and then projected.
//!
//! The order on disk is what makes a kill at any point harmless: a stage's output is kept as a content, then its step is
//! written to the journal, then the file is projected. What is recorded can always be projected again.

mod against;
mod chain;
mod gold;
mod inputs;
mod metrics;
mod reading;
mod record;
mod request;
mod resume;
mod session;
mod stages;
mod tally;
#[cfg(test)]
mod tests;
mod work;
mod workers;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::disk::Together;
use crate::error::{Error, Result};
use crate::model::{ArtifactPath, NodeId, Run, RunKind, repeated_word};
use crate::ops::named::place_on_disk;
use crate::ops::{Clock, Target, Workspace, locate};
use crate::projection::{Placing, names};
use crate::query::quality::{Quality, quality, rows};
use crate::query::{self, RunSelector};

pub use against::{Change, Comparison};
pub(in crate::ops) use inputs::find_wanted;
pub use request::{FailuresMax, PipelineRequest, Progress, Resume};
pub(in crate::ops) use resume::input_parameter;
pub use stages::PipelineStage;
pub use tally::{Summary, failures_by_kind};
pub use work::FilingOutcome;

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
    let is_read = |path: &ArtifactPath, digest| prior.has_read(path, digest);
    let mut inputs = inputs::find(workspace, &plan.folder, &plan.inputs, plan.limit, &prior.stems, &is_read)?;
    inputs.absent = prior.absent_from(&inputs);
    let together = Together::new(workspace.disk());
    let bench = Bench {
        workspace,
        together: &together,
        placing: &Placing::new(workspace.root(), &together),
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
    if !request.dry_run {
        match &run {
            Some(run) if settled => session.tidy_up(run)?,
            _ => run = Some(session.carry_out(name, resumed.as_ref(), inputs.filings.len(), pending)?),
        }
    }
    let mut summary = session.summary(run, inputs, pending_count, started);
    summary.resumed = resumed.is_some();
    summary.settled = settled;
    Ok(summary)
}

/// What a run's results are compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// An earlier run.
    Run(NodeId),
    /// A folder of texts that people read.
    Gold(PathBuf),
}

/// Finds what `word`, seen from `folder`, names: a run, or a folder of gold. Asked before a run starts, `@` is the latest one
/// before it.
///
/// # Errors
/// A request error where it names neither.
pub fn find_base(workspace: &Workspace, folder: &Path, word: &OsStr) -> Result<Base> {
    let place = place_on_disk(folder, word)?;
    if gold::is_gold(&place) {
        return Ok(Base::Gold(place));
    }
    let view = workspace.view()?;
    let none = || {
        Error::request(format!("`{}` is neither a run nor a folder of gold", repeated_word(word)))
            .hint("give a run id, a run's folder, or a folder with `ITEM1A.tsv` and `gold/<file>.txt`")
    };
    let Target::Run(number) = locate(workspace, &view.snapshot, folder, word)? else { return Err(none()) };
    let found = view.snapshot.run(number)?.filter(|run| run.kind == RunKind::Pipeline);
    found.map(|run| Base::Run(run.id)).ok_or_else(none)
}

/// Compares the results of `run` with `base`.
///
/// # Errors
/// A request error where a run is compared with itself; a store error where a record or a kept content is damaged.
pub fn check_against(workspace: &Workspace, run: &Run, base: &Base) -> Result<Comparison> {
    let view = workspace.view()?;
    let read = |id: NodeId| {
        let number = query::find_run(&view.snapshot, &RunSelector::Tail(id.hex()))?;
        let found = query::run_view(&view.snapshot, number)?;
        found.ok_or_else(|| Error::request("the start of this run is not recorded here"))
    };
    let now = read(run.id)?;
    match base {
        Base::Gold(folder) => gold::compare(workspace, &view.snapshot, &now, folder),
        Base::Run(id) if *id == run.id => Err(Error::request("a run is always the same as itself")
            .hint("give an earlier run; `lineage log` lists them")),
        Base::Run(id) => against::compare(&view.snapshot, &read(*id)?, &now),
    }
}

/// Reads what is recorded of the quality of a run's results.
///
/// # Errors
/// A store error where a record is damaged.
pub fn quality_of(workspace: &Workspace, run: &Run) -> Result<Quality> {
    let view = workspace.view()?;
    let number = query::find_run(&view.snapshot, &RunSelector::Tail(run.id.hex()))?;
    Ok(quality(&rows(&view.snapshot, number)?))
}
