//! The work of one call: sort out what is done, work on the rest on all cores, sum up.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::Instant;

use rayon::prelude::*;

use crate::capture::git::CommitTree;
use crate::error::Result;
use crate::model::{ArtifactPath, Run, RunKind, RunStatus};
use crate::ops::code::code_state;
use crate::ops::pipeline::inputs::{FilingInput, Inputs};
use crate::ops::pipeline::record::{Recorder, WAITING_FILINGS_MAX};
use crate::ops::pipeline::request::{PipelineRequest, Progress};
use crate::ops::pipeline::resume::{self, Plan};
use crate::ops::pipeline::tally::{Failure, Summary, Tally};
use crate::ops::pipeline::work::{self, Bench, Worked};
use crate::ops::pipeline::workers::{self, ComingRun, SendHome, Workers};
use crate::ops::project::{project_run, say_left_undone};
use crate::ops::{Recording, RunRequest, Workspace};
use crate::projection::{self, names};
use crate::query::RunView;

/// The work of one call.
pub struct Session<'a> {
    pub(super) bench: Bench<'a>,
    request: &'a PipelineRequest,
    plan: &'a Plan,
    progress: &'a dyn Progress,
    pub(super) tally: Tally,
    notes: Vec<String>,
    pub(super) unwritten: Vec<(ArtifactPath, String)>,
    stopped: Option<String>,
}

impl<'a> Session<'a> {
    /// Begins with what earlier stretches of the run have in `tally`.
    pub fn new(
        bench: Bench<'a>,
        request: &'a PipelineRequest,
        plan: &'a Plan,
        progress: &'a dyn Progress,
        tally: Tally,
        notes: Vec<String>,
    ) -> Self {
        Session { bench, request, plan, progress, tally, notes, unwritten: Vec::new(), stopped: None }
    }

    /// Takes the filings that are done already into the tally, and returns the others.
    pub fn sort_out(&mut self, filings: &[FilingInput], resumed: Option<&RunView>) -> Vec<FilingInput> {
        let Some(view) = resumed.filter(|_| self.request.use_cache) else {
            return filings.to_vec();
        };
        let bench = &self.bench;
        let looked: Vec<_> =
            filings.par_iter().map(|filing| work::settled(bench, &view.run, filing)).collect();
        let mut pending = Vec::new();
        for (filing, settled) in filings.iter().zip(looked) {
            match settled {
                Some(outcome) => self.tally.add_settled(&outcome),
                None => pending.push(filing.clone()),
            }
        }
        pending
    }

    /// Returns true where a run ended well, and its metrics lie where they should.
    pub fn is_finished(&self, view: &RunView) -> bool {
        view.status() == RunStatus::Succeeded
            && self
                .metrics_files(&view.run)
                .is_ok_and(|files| files.iter().all(|file| self.is_in_place(file)))
    }

    /// Starts the run, or takes it up again, and does all there is to do in it.
    ///
    /// # Errors
    /// A request error where the run cannot be taken up; a store error where something cannot be kept or recorded.
    pub fn carry_out(
        &mut self,
        name: &str,
        resumed: Option<&RunView>,
        filings: usize,
        pending: Vec<FilingInput>,
    ) -> Result<Run> {
        let failures_max = self.request.failures_max.count(filings);
        let (mut recording, worked) = self.work_through(name, resumed, &pending, failures_max)?;
        let run = recording.run().clone();
        self.progress.end();
        let ended = worked.and_then(|()| match &self.stopped {
            None => self.record_metrics(&mut recording, &run),
            Some(_) => Ok(()),
        });
        self.settle_names();
        if let Err(error) = ended {
            // The journal may take no more either; the run then ends as one whose process died, and can be taken up as well.
            let _ = recording.finish(RunStatus::Failed, Some(1), Some(error.in_full()));
            return Err(error);
        }
        let reason = self.reason();
        let status = if reason.is_some() { RunStatus::Failed } else { RunStatus::Succeeded };
        let exit_code = i32::from(reason.is_some());
        self.notes.extend(recording.finish(status, Some(exit_code), reason)?);
        self.project_papers(&run);
        Ok(run)
    }

    /// Forces the names of what was projected to the disk, and lists the files for which that fails.
    fn settle_names(&mut self) {
        let failed = self.bench.together.sync_folders();
        if failed.is_empty() {
            return;
        }
        for path in self.tally.outputs.values().map(|entry| &entry.output.path) {
            if let Some(error) = self.bench.placing.unsure(path, &failed) {
                self.unwritten.push((path.clone(), error.in_full()));
            }
        }
    }

    /// Writes configuration and report beside the outputs, now that all they say is recorded.
    fn project_papers(&mut self, run: &Run) {
        say_left_undone(project_run(self.bench.workspace, run), "the run's report", &mut self.notes);
    }

    /// Brings a run that ended well to what it should have left: a kill may have come while its papers were written.
    ///
    /// # Errors
    /// A store error where the lock of projections cannot be had.
    pub fn tidy_up(&mut self, run: &Run) -> Result<()> {
        {
            let _lock = self.bench.workspace.lock_to_project()?;
            remove_leftovers(self.bench.workspace, run);
        }
        self.project_papers(run);
        Ok(())
    }

    /// Returns why the run did not end as it should, if so.
    fn reason(&self) -> Option<String> {
        if let Some(stopped) = &self.stopped {
            return Some(stopped.clone());
        }
        let (failed, unwritten) = (self.tally.failures.len(), self.unwritten.len());
        if failed > 0 {
            return Some(format!("{failed} of {} filings failed", self.tally.filings()));
        }
        (unwritten > 0).then(|| format!("{unwritten} outputs could not be written to their places"))
    }

    /// Starts the run or takes it up again, and works on all pending filings on all cores, recording and projecting as they come.
    /// The inner error is of the work.
    fn work_through(
        &mut self,
        name: &str,
        resumed: Option<&RunView>,
        pending: &[FilingInput],
        failures_max: u64,
    ) -> Result<(Recording, Result<()>)> {
        let Session { bench, request, plan, progress, tally, notes, unwritten, .. } = self;
        let pool = workers::threads(request.workers)?;
        let (sender, receiver) = mpsc::sync_channel::<Result<Worked>>(WAITING_FILINGS_MAX);
        let coming = ComingRun::default();
        let workers = Workers::new(bench, &coming, pending, failures_max);
        let (recording, worked) = std::thread::scope(|scope| -> Result<_> {
            let _send_home = SendHome(&coming);
            let (workers, pool) = (&workers, &pool);
            scope.spawn(move || workers.work(pool, &sender));
            let mut recording = begin(bench, request, plan, name, resumed, notes)?;
            let run = recording.run();
            if resumed.is_some() {
                let _lock = bench.workspace.lock_to_project()?;
                remove_leftovers(bench.workspace, run);
            }
            let bytes = pending.iter().map(|filing| filing.size_bytes).sum();
            progress.begin(run, pending.len() as u64, bytes);
            coming.has_come(run.clone());
            let commit = run.code.commit.as_deref();
            let commit = commit.and_then(|sha| CommitTree::of_commit(bench.workspace.root(), sha).ok()?);
            let mut recorder = Recorder {
                workspace: bench.workspace,
                together: bench.together,
                placing: bench.placing,
                tally,
                unwritten,
                progress: *progress,
                commit,
            };
            let recorded = recorder.record_all(&mut recording, &receiver);
            if recorded.is_err() {
                workers.cancel();
            }
            // A worker may wait for room for what it sends.
            drop(receiver);
            Ok((recording, recorded))
        })?;
        let failed = workers.failed();
        if worked.is_ok() && failed > failures_max {
            self.stopped = Some(format!(
                "stopped early: {failed} of {} filings failed, and --max-failures allows {failures_max}",
                self.tally.worked_on
            ));
        }
        Ok((recording, worked))
    }

    /// Says what it came to; whether the run was resumed and found settled is for the caller to fill in.
    pub fn summary(self, run: Option<Run>, inputs: Inputs, pending: u64, started: Instant) -> Summary {
        let unwritten: BTreeSet<&ArtifactPath> = self.unwritten.iter().map(|(path, _)| path).collect();
        let stages = self.tally.stages_without(&unwritten);
        let folders = match &run {
            Some(run) => {
                let folders = self.tally.folders().into_iter();
                let there = folders.filter(|(_, entries)| {
                    entries.iter().any(|entry| !unwritten.contains(&entry.output.path))
                });
                there.map(|(folder, _)| names::run_folder(folder, run)).collect()
            }
            None => Vec::new(),
        };
        let dry_run = self.request.dry_run;
        let bytes = if dry_run {
            inputs.filings.iter().map(|filing| filing.size_bytes).sum()
        } else {
            self.tally.bytes
        };
        let failures = self.tally.failures.iter().map(|(path, failed)| Failure {
            path: path.clone(),
            stage: failed.stage,
            reason: failed.reason.clone(),
        });
        Summary {
            resumed: false,
            settled: false,
            dry_run,
            filings: if dry_run { inputs.filings.len() as u64 } else { self.tally.filings() },
            pending,
            untried: if dry_run { 0 } else { pending.saturating_sub(self.tally.worked_on) },
            beyond_limit: inputs.beyond_limit,
            last: self.plan.last,
            bytes,
            took_us: i64::try_from(started.elapsed().as_micros()).unwrap_or(i64::MAX),
            stages,
            failures: failures.collect(),
            duplicates: inputs.duplicates,
            passed_over: inputs.passed_over,
            not_entered: inputs.not_entered,
            absent: inputs.absent,
            altered: self.tally.altered.clone(),
            unwritten: self.unwritten,
            folders,
            metrics: self.tally.run_metrics(),
            example: self.tally.example(),
            doubtful: self.tally.doubtful(),
            stopped: self.stopped,
            notes: self.notes,
            run,
        }
    }
}

/// Starts the run, or takes it up again.
fn begin(
    bench: &Bench<'_>,
    request: &PipelineRequest,
    plan: &Plan,
    name: &str,
    resumed: Option<&RunView>,
    notes: &mut Vec<String>,
) -> Result<Recording> {
    // Made here if it was only named so far, and completed if a kill left it half made.
    let workspace = Workspace::init(bench.workspace.root())?;
    let code = code_state(&workspace, &|| Some(bench.snapshot))?;
    if let (Some(reason), None) = (&code.unreadable, code.label()) {
        notes.push(format!(
            "the git repository cannot be read, so nothing names the code of this run: {reason}"
        ));
    }
    let (workspace, clock) = (bench.workspace, bench.clock);
    let arguments = request.arguments.clone();
    if let Some(view) = resumed {
        return resume::take_up(workspace, clock, view, arguments, code);
    }
    let request = RunRequest {
        arguments,
        parameters: plan.parameters(workspace.root()),
        code,
        host: request.host.clone(),
        ..RunRequest::new(name, RunKind::Pipeline)
    };
    Recording::start(workspace, clock, request)
}

/// Removes the temporary files that a kill left in the run's folders.
fn remove_leftovers(workspace: &Workspace, run: &Run) {
    for folder in names::OutputFolder::ALL {
        if let Ok(file) = names::metrics_file(folder, run) {
            projection::remove_leftovers(workspace.disk(), workspace.root(), &file);
        }
    }
}
