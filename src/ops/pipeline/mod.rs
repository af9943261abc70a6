//! `lineage pipeline`: filings in, training segments out, every file recorded and then projected.
//!
//! The order on disk is what makes a kill at any point harmless: a stage's output is kept as a content, then its step is
//! written to the journal, then the file is projected. What is recorded can always be projected again.

mod inputs;
mod stages;
mod tally;
mod work;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::filings::Section;
use crate::model::{
    Artifact, ArtifactPath, Digest, Evidence, Fact, Generated, Metric, MetricValue, NodeId, Role, Run,
    RunKind, RunStatus, Step, StepStatus, Used,
};
use crate::ops::code::code_state;
use crate::ops::{Clock, Recording, RunRequest, View, Workspace};
use crate::projection::{self, names};
use crate::query::{self, RunView};
use crate::store::Snapshot;

pub use inputs::FilingInput;
pub use stages::{Part, PipelineStage};
pub use tally::{Failure, StageCount, Summary};
pub use work::{Done, FilingOutcome, PartOutcome};

use tally::{Entry, Tally};
use work::{Bench, PriorStep};

/// As many filings are recorded together at most, and at least once in [`BATCH_TIME`].
const BATCH_FILINGS: usize = 16;
const BATCH_TIME: Duration = Duration::from_millis(500);

/// What is asked of a pipeline run.
#[derive(Debug, Clone)]
pub struct PipelineRequest {
    /// Files, folders and patterns, seen from `folder`; empty for the default, `data/raw` in the workspace.
    pub inputs: Vec<PathBuf>,
    /// The folder the request was made in.
    pub folder: PathBuf,
    /// The run's name; `None` for `pipeline`.
    pub name: Option<String>,
    /// The run to take up again.
    pub resume: Resume,
    /// The last stage to do.
    pub last: PipelineStage,
    /// The sections to extract.
    pub sections: Vec<Section>,
    /// How many filings to work on at once; `None` for as many as there are cores.
    pub workers: Option<usize>,
    /// How many filings to take at most, the first by path.
    pub limit: Option<usize>,
    /// Look only.
    pub dry_run: bool,
    /// Whether outputs of earlier runs may be taken over.
    pub use_cache: bool,
    /// How many filings may fail before the run stops.
    pub failures_max: FailuresMax,
    /// The command, for the record.
    pub arguments: Vec<String>,
    /// The machine's name, for the record.
    pub host: String,
}

/// Which run to take up again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resume {
    /// None: start a new one.
    No,
    /// The latest pipeline run, of the requested name if there is one.
    Latest,
    /// This one.
    Run(query::RunSelector),
}

/// How many filings may fail before the run stops.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FailuresMax {
    /// Any number.
    Unlimited,
    /// So many.
    Count(u64),
    /// So many of a hundred.
    Percent(f64),
}

impl FailuresMax {
    fn count(self, filings: usize) -> u64 {
        match self {
            FailuresMax::Unlimited => u64::MAX,
            FailuresMax::Count(count) => count,
            FailuresMax::Percent(percent) => (filings as f64 * percent / 100.0).floor() as u64,
        }
    }
}

/// Is told how a run gets on.
pub trait Progress: Sync {
    /// Work begins on so many filings of so many bytes.
    fn begin(&self, run: &Run, filings: u64, bytes: u64);
    /// A filing is through.
    fn filing(&self, outcome: &FilingOutcome);
    /// All are through.
    fn end(&self);
}

/// Runs the pipeline.
///
/// # Errors
/// A request error for bad inputs and names, a store error where nothing can be recorded. Filings that fail are no error:
/// the summary has them.
pub fn pipeline(
    workspace: &Workspace,
    clock: &Clock,
    request: &PipelineRequest,
    progress: &dyn Progress,
) -> Result<Summary> {
    let name = request.name.clone().unwrap_or_else(|| "pipeline".to_owned());
    names::check_run_name(&name)?;
    let view = workspace.view()?;
    clock.not_before(view.snapshot.latest());
    let started = Instant::now();
    let mut notes = view.warnings.clone();
    let resumed = find_resumable(&view, request, &mut notes)?;
    let (prior, tally) = match &resumed {
        Some(run) => prior_steps(&view.snapshot, run)?,
        None => (HashMap::new(), Tally::default()),
    };
    let inputs = find_inputs(workspace, request, resumed.as_ref(), &view.snapshot, &prior)?;
    let bench = Bench {
        workspace,
        snapshot: &view.snapshot,
        clock,
        last: request.last,
        sections: &request.sections,
        use_cache: request.use_cache,
        prior: &prior,
    };
    let mut session = Session {
        bench,
        request,
        progress,
        tally,
        notes,
        unwritten: Vec::new(),
        stopped: None,
    };
    let pending = session.sort_out(&inputs.filings, resumed.as_ref());
    let mut run = resumed.as_ref().map(|view| view.run.clone());
    let finished = resumed.as_ref().is_some_and(|view| session.is_finished(view));
    let settled = pending.is_empty() && finished;
    if !request.dry_run && !settled {
        run = Some(session.carry_out(&name, resumed.as_ref(), &inputs, pending)?);
    }
    Ok(session.summary(run, resumed.is_some(), settled, inputs, started))
}

/// Finds the run to take up again.
fn find_resumable(
    view: &View,
    request: &PipelineRequest,
    notes: &mut Vec<String>,
) -> Result<Option<RunView>> {
    let found = match &request.resume {
        Resume::No => return Ok(None),
        Resume::Run(selector) => {
            let number = query::find_run(&view.snapshot, selector)?;
            query::run_view(&view.snapshot, number)?
        }
        Resume::Latest => query::latest_run(&view.snapshot, &|run: &Run| {
            run.kind == RunKind::Pipeline && request.name.as_ref().is_none_or(|name| *name == run.name)
        })?,
    };
    match found {
        Some(found) if found.run.kind == RunKind::Pipeline => Ok(Some(found)),
        Some(found) => Err(
            Error::request(format!("run {} is no pipeline run", found.run.run_id))
                .hint("`lineage log` lists the runs and what they are"),
        ),
        None => {
            notes.push("no pipeline run to resume: this is a new one".to_owned());
            Ok(None)
        }
    }
}

/// Reads what a run has done: its successful steps by key, and its outputs so far.
fn prior_steps(snapshot: &Snapshot, view: &RunView) -> Result<(HashMap<Digest, PriorStep>, Tally)> {
    let mut steps: Vec<Step> = Vec::new();
    for step_no in snapshot.steps_of(view.number)? {
        steps.extend(snapshot.step(step_no)?);
    }
    steps.sort_by_key(|step| (step.ended_at, step.id));
    let mut prior = HashMap::new();
    let mut tally = Tally::default();
    for step in steps {
        let Some((stem, part)) = part_of(&step) else {
            continue;
        };
        let (Some(key), [output]) = (step.key, step.generated.as_slice()) else {
            continue;
        };
        if step.status != StepStatus::Succeeded {
            continue;
        }
        let metrics = work::counts(snapshot, step.id)?;
        let entry = Entry {
            output: output.artifact.clone(),
            at: output.at,
            metrics: metrics.clone(),
        };
        tally.seed(stem, part, entry);
        prior.insert(
            key,
            PriorStep {
                output: output.artifact.clone(),
                metrics,
            },
        );
    }
    Ok((prior, tally))
}

/// Returns the stem and part that a recorded step was about.
fn part_of(step: &Step) -> Option<(String, Part)> {
    let stage = PipelineStage::from_name(&step.name).ok()?;
    let parameter = |name: &str| {
        step.parameters
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
    };
    let section = match parameter("section") {
        Some(text) => Some(text.parse().ok()?),
        None => None,
    };
    Some((parameter("stem")?, Part { stage, section }))
}

fn find_inputs(
    workspace: &Workspace,
    request: &PipelineRequest,
    resumed: Option<&RunView>,
    snapshot: &Snapshot,
    prior: &HashMap<Digest, PriorStep>,
) -> Result<inputs::Inputs> {
    let mut known_stems = HashMap::new();
    if let Some(view) = resumed.filter(|_| !prior.is_empty()) {
        for step_no in snapshot.steps_of(view.number)? {
            let Some(step) = snapshot.step(step_no)? else {
                continue;
            };
            if let (
                Some((
                    stem,
                    Part {
                        stage: PipelineStage::Parse,
                        ..
                    },
                )),
                [used],
            ) = (part_of(&step), step.used.as_slice())
            {
                known_stems.insert(used.artifact.digest, stem);
            }
        }
    }
    let recorded = || {
        let parameters = &resumed?.run.parameters;
        let inputs = parameters.iter().filter(|(name, _)| name == "input");
        Some(inputs.map(|(_, path)| PathBuf::from(path)).collect::<Vec<_>>())
            .filter(|inputs| !inputs.is_empty())
    };
    let root = workspace.root();
    if !request.inputs.is_empty() {
        inputs::find(
            root,
            &request.folder,
            &request.inputs,
            request.limit,
            &known_stems,
        )
    } else {
        let default = recorded().unwrap_or_else(|| vec![PathBuf::from("data/raw")]);
        inputs::find(root, root, &default, request.limit, &known_stems)
    }
}

/// The work of one call.
struct Session<'a> {
    bench: Bench<'a>,
    request: &'a PipelineRequest,
    progress: &'a dyn Progress,
    tally: Tally,
    notes: Vec<String>,
    unwritten: Vec<(ArtifactPath, String)>,
    stopped: Option<String>,
}

impl Session<'_> {
    /// Takes the filings that are done already into the tally, and returns the others.
    fn sort_out(&mut self, filings: &[FilingInput], resumed: Option<&RunView>) -> Vec<FilingInput> {
        let Some(view) = resumed.filter(|_| self.request.use_cache) else {
            return filings.to_vec();
        };
        let bench = &self.bench;
        let looked: Vec<_> = filings
            .par_iter()
            .map(|filing| work::settled(bench, &view.run, filing))
            .collect();
        let mut pending = Vec::new();
        for (filing, settled) in filings.iter().zip(looked) {
            match settled {
                Some(outcome) => {
                    self.tally.add(&outcome);
                    self.tally.bytes -= outcome.size_bytes;
                }
                None => pending.push(filing.clone()),
            }
        }
        pending
    }

    /// Returns true where a run ended, and its metrics lie where they should.
    fn is_finished(&self, view: &RunView) -> bool {
        view.ended_at().is_some()
            && self.metrics_files(&view.run).is_ok_and(|files| {
                files.iter().all(|(_, path, bytes, _)| {
                    let place = path.on_disk(self.bench.workspace.root());
                    place.and_then(|place| std::fs::read(place).ok()).as_ref() == Some(bytes)
                })
            })
    }

    fn carry_out(
        &mut self,
        name: &str,
        resumed: Option<&RunView>,
        inputs: &inputs::Inputs,
        pending: Vec<FilingInput>,
    ) -> Result<Run> {
        let workspace = self.bench.workspace;
        let code = code_state(workspace, Some(self.bench.snapshot))?;
        let arguments = self.request.arguments.clone();
        let mut recording = match resumed {
            Some(view) => Recording::resume(workspace, self.bench.clock, view, arguments, code)?,
            None => {
                let request = RunRequest {
                    name: name.to_owned(),
                    kind: RunKind::Pipeline,
                    arguments,
                    parameters: self.parameters(),
                    folder: String::new(),
                    code,
                    parent: None,
                    host: self.request.host.clone(),
                };
                Recording::start(workspace, self.bench.clock, request)?
            }
        };
        let run = recording.run().clone();
        self.progress.begin(
            &run,
            pending.len() as u64,
            pending.iter().map(|filing| filing.size_bytes).sum(),
        );
        let worked = self.work_through(&mut recording, &run, &pending);
        self.progress.end();
        worked?;
        if self.stopped.is_none() && pending.len() + self.tally.outputs.len() > 0 {
            self.record_metrics(&mut recording, &run)?;
        }
        let _ = inputs;
        let failed = self.tally.failures.len();
        let reason = match (&self.stopped, failed) {
            (Some(stopped), _) => Some(stopped.clone()),
            (None, 0) => None,
            (None, failed) => Some(format!("{failed} of {} filings failed", self.tally.filings())),
        };
        let failed = reason.is_some() || !self.unwritten.is_empty();
        let status = if failed {
            RunStatus::Failed
        } else {
            RunStatus::Succeeded
        };
        self.notes
            .extend(recording.finish(status, Some(i32::from(failed)), reason)?);
        Ok(run)
    }

    fn parameters(&self) -> Vec<(String, String)> {
        let root = self.bench.workspace.root();
        let mut parameters = Vec::new();
        let sections: Vec<String> = self
            .request
            .sections
            .iter()
            .map(|s| s.identifier().to_string())
            .collect();
        parameters.push(("stages".to_owned(), self.request.last.as_str().to_owned()));
        parameters.push(("sections".to_owned(), sections.join(",")));
        parameters.push(("tool".to_owned(), format!("filings {}", crate::filings::VERSION)));
        for input in &self.request.inputs {
            // Recorded as seen from the root, so that a resume from any folder means the same files.
            let named = ArtifactPath::within(root, &self.request.folder.join(input));
            let named = named.map_or_else(|_| input.to_string_lossy().into_owned(), |path| path.to_string());
            parameters.push(("input".to_owned(), named));
        }
        if parameters.iter().all(|(name, _)| name != "input") {
            parameters.push(("input".to_owned(), "data/raw".to_owned()));
        }
        parameters
    }

    /// Works on all pending filings on all cores, recording and projecting as they come.
    fn work_through(&mut self, recording: &mut Recording, run: &Run, pending: &[FilingInput]) -> Result<()> {
        let mut pool = rayon::ThreadPoolBuilder::new();
        if let Some(workers) = self.request.workers {
            pool = pool.num_threads(workers);
        }
        let pool = pool
            .build()
            .map_err(|cause| Error::bug("cannot start worker threads").because(cause))?;
        let failures_max = self.request.failures_max.count(pending.len());
        let (cancelled, failures) = (AtomicBool::new(false), AtomicU64::new(0));
        let (sender, receiver) = mpsc::sync_channel::<Result<FilingOutcome>>(BATCH_FILINGS);
        let bench = &self.bench;
        let progress = self.progress;
        let mut recorder = Recorder {
            workspace: bench.workspace,
            tally: &mut self.tally,
            unwritten: &mut self.unwritten,
            progress,
        };
        let outcome = std::thread::scope(|scope| {
            let (cancelled, failures) = (&cancelled, &failures);
            scope.spawn(move || {
                pool.install(|| {
                    pending
                        .par_iter()
                        .with_max_len(1)
                        .for_each_with(sender, |sender, filing| {
                            if cancelled.load(Ordering::Relaxed) {
                                return;
                            }
                            let outcome = work::work(bench, run, filing);
                            if outcome.as_ref().map_or(true, |outcome| outcome.failure.is_some())
                                && (outcome.is_err()
                                    || failures.fetch_add(1, Ordering::Relaxed) + 1 > failures_max)
                            {
                                cancelled.store(true, Ordering::Relaxed);
                            }
                            // The receiver is gone only when recording failed, and then nothing is to be sent.
                            let _ = sender.send(outcome);
                        });
                });
            });
            let recorded = recorder.record_all(recording, &receiver);
            cancelled.store(
                recorded.is_err() || cancelled.load(Ordering::Relaxed),
                Ordering::Relaxed,
            );
            drop(receiver);
            recorded
        });
        outcome?;
        let failed = failures.load(Ordering::Relaxed);
        if failed > failures_max {
            self.stopped = Some(format!(
                "stopped early: {failed} filings failed, more than --max-failures allows"
            ));
        }
        Ok(())
    }

    /// Returns the folders' metrics files: folder, path, bytes, outputs they are made from.
    #[expect(
        clippy::type_complexity,
        reason = "read in two places below, each part named there"
    )]
    fn metrics_files(
        &self,
        run: &Run,
    ) -> Result<
        Vec<(
            names::OutputFolder,
            ArtifactPath,
            Vec<u8>,
            Vec<(Artifact, crate::model::Timestamp)>,
        )>,
    > {
        let folders = self.tally.folders();
        let files = folders.into_iter().map(|(folder, outputs)| {
            let bytes = projection::metrics_json(run, &self.tally.metrics(folder));
            let outputs = outputs
                .into_iter()
                .map(|entry| (entry.output.clone(), entry.at))
                .collect();
            Ok((folder, names::metrics_file(folder, run)?, bytes, outputs))
        });
        files.collect()
    }

    /// Records the run's metrics, and projects the metrics file of each of its folders.
    fn record_metrics(&mut self, recording: &mut Recording, run: &Run) -> Result<()> {
        let files = self.metrics_files(run)?;
        for (_, path, bytes, outputs) in &files {
            let started_at = recording.now();
            let digest = self.bench.workspace.contents().keep(bytes)?;
            let used = outputs.iter().map(|(artifact, _)| Used {
                artifact: artifact.clone(),
                at: started_at,
                evidence: Evidence::Observed,
                role: Role::Data,
            });
            let ended_at = recording.now();
            let artifact = Artifact {
                path: path.clone(),
                digest,
                size_bytes: bytes.len() as u64,
            };
            let generated = vec![Generated {
                artifact,
                at: ended_at,
                evidence: Evidence::Observed,
                role: Role::Metrics,
            }];
            recording.add(&Fact::StepDone(Step {
                id: NodeId::new(ended_at),
                run: run.id,
                name: "metrics".to_owned(),
                subject: path.to_string(),
                status: StepStatus::Succeeded,
                reason: None,
                started_at,
                ended_at,
                parameters: Vec::new(),
                key: None,
                cached_from: None,
                used: used.collect(),
                generated,
            }))?;
        }
        recording.add_metrics(&self.tally.run_metrics())?;
        recording.commit()?;
        let files: Vec<(&ArtifactPath, &[u8])> = files
            .iter()
            .map(|(_, path, bytes, _)| (path, bytes.as_slice()))
            .collect();
        write_out(self.bench.workspace, &files, &mut self.unwritten);
        Ok(())
    }

    fn summary(
        self,
        run: Option<Run>,
        resumed: bool,
        settled: bool,
        inputs: inputs::Inputs,
        started: Instant,
    ) -> Summary {
        let folders = match &run {
            Some(run) => self
                .tally
                .folders()
                .into_keys()
                .map(|folder| names::run_folder(folder, run))
                .collect(),
            None => Vec::new(),
        };
        let dry_run = self.request.dry_run;
        let filings = if dry_run {
            inputs.filings.len() as u64
        } else {
            self.tally.filings()
        };
        let bytes = if dry_run {
            inputs.filings.iter().map(|f| f.size_bytes).sum()
        } else {
            self.tally.bytes
        };
        let failures = self.tally.failures.iter().map(|(path, (stage, reason))| Failure {
            path: path.clone(),
            stage: *stage,
            reason: reason.clone(),
        });
        Summary {
            resumed,
            settled,
            dry_run,
            filings,
            bytes,
            took_us: i64::try_from(started.elapsed().as_micros()).unwrap_or(i64::MAX),
            stages: self.tally.stages.clone(),
            failures: failures.collect(),
            duplicates: inputs.duplicates,
            passed_over: inputs.passed_over,
            altered: self.tally.altered.clone(),
            unwritten: self.unwritten,
            folders,
            metrics: self.tally.run_metrics(),
            example: self.tally.example(),
            stopped: self.stopped,
            notes: self.notes,
            run,
        }
    }
}

/// Takes outcomes from the workers, records them in batches, and projects what is recorded.
struct Recorder<'a> {
    workspace: &'a Workspace,
    tally: &'a mut Tally,
    unwritten: &'a mut Vec<(ArtifactPath, String)>,
    progress: &'a dyn Progress,
}

impl Recorder<'_> {
    fn record_all(
        &mut self,
        recording: &mut Recording,
        receiver: &mpsc::Receiver<Result<FilingOutcome>>,
    ) -> Result<()> {
        loop {
            let Ok(first) = receiver.recv() else { return Ok(()) };
            let mut batch = vec![first?];
            let deadline = Instant::now() + BATCH_TIME;
            while batch.len() < BATCH_FILINGS {
                match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                    Ok(outcome) => batch.push(outcome?),
                    Err(_) => break,
                }
            }
            self.record(recording, &batch)?;
        }
    }

    fn record(&mut self, recording: &mut Recording, batch: &[FilingOutcome]) -> Result<()> {
        for filing in batch {
            self.record_filing(recording, filing)?;
            self.tally.add(filing);
        }
        recording.commit()?;
        let parts = batch.iter().flat_map(|filing| &filing.parts);
        let files: Vec<(&ArtifactPath, &[u8])> = parts
            .filter_map(|part| Some((&part.output.as_ref()?.path, part.bytes.as_ref()?.as_slice())))
            .collect();
        write_out(self.workspace, &files, self.unwritten);
        batch.iter().for_each(|filing| self.progress.filing(filing));
        Ok(())
    }

    fn record_filing(&self, recording: &mut Recording, filing: &FilingOutcome) -> Result<()> {
        for part in &filing.parts {
            let Some(step) = &part.step else { continue };
            recording.add(&Fact::StepDone(step.clone()))?;
            if !part.metrics.is_empty() {
                let point = |(name, value): &(String, MetricValue)| Metric {
                    owner: step.id,
                    name: name.clone(),
                    step: 0,
                    at: step.ended_at,
                    value: *value,
                };
                recording.add(&Fact::Metrics(part.metrics.iter().map(point).collect()))?;
            }
        }
        // A filing that could not even be read has no step of its own yet, and its failure is recorded as one.
        if let (true, Some((stage, reason))) = (filing.parts.is_empty(), &filing.failure) {
            let at = recording.now();
            recording.add(&Fact::StepDone(Step {
                id: NodeId::new(at),
                run: recording.run().id,
                name: stage.as_str().to_owned(),
                subject: filing.path.to_string(),
                status: StepStatus::Failed,
                reason: Some(reason.clone()),
                started_at: at,
                ended_at: at,
                parameters: Vec::new(),
                key: None,
                cached_from: None,
                used: Vec::new(),
                generated: Vec::new(),
            }))?;
        }
        Ok(())
    }
}

/// Projects files; those that cannot be written are listed with the reason.
fn write_out(
    workspace: &Workspace,
    files: &[(&ArtifactPath, &[u8])],
    unwritten: &mut Vec<(ArtifactPath, String)>,
) {
    let results = projection::write_files(workspace.disk(), workspace.root(), files);
    let unnamed = files.first().map(|(path, _)| *path);
    for (index, result) in results.into_iter().enumerate() {
        if let Err(error) = result
            && let Some(path) = files.get(index).map(|(path, _)| *path).or(unnamed)
        {
            unwritten.push((path.clone(), error.to_string()));
        }
    }
}

/// Counts how often each reason made a filing fail, the most frequent first.
pub fn failures_by_kind(summary: &Summary) -> Vec<(String, u64)> {
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for failure in &summary.failures {
        *kinds.entry(&failure.reason).or_default() += 1;
    }
    let mut kinds: Vec<(String, u64)> = kinds
        .into_iter()
        .map(|(reason, count)| (reason.to_owned(), count))
        .collect();
    kinds.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    kinds
}
