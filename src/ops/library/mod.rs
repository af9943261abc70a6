//! Runs of a program that calls the library: many in one process, in one journal segment.

mod code;
mod edges;
mod files;
mod logbook;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::error::{Error, Result};
use crate::model::{
    Artifact, ArtifactPath, Digest, Evidence, Fact, Metric, MetricValue, NodeId, Parameter, Remark,
    RemarkKind, Remarks, Role, Run, RunKind, RunOutcome, RunRepository, RunStatus, SaidParameters,
    StepStatus, Timestamp, check_metric_name, check_parameters, recorded_word,
};
use crate::ops::code::CodeOf;
use crate::ops::inside::ended;
use crate::ops::run::{masked_parameter, not_finite};
use crate::ops::{Clock, Workspace, host, user};
use crate::projection::{self, names};
use crate::query;

use code::Code;
use edges::{Edges, FileRead};
use logbook::Logbook;

/// Which process has joined which run around it: a fork is another one.
static JOINED: Mutex<Option<(u32, NodeId)>> = Mutex::new(None);

/// Records runs of this process in one workspace.
#[derive(Debug)]
pub struct Library {
    workspace: Workspace,
    clock: Clock,
    begun: Mutex<Begun>,
}

/// What is only there once a run has been started.
#[derive(Debug, Default)]
struct Begun {
    logbook: Option<Arc<Logbook>>,
    /// Whether the clock goes on after what was recorded and not applied when the first run began.
    is_after_pending: bool,
    code: Code,
}

/// What is known of a run before it starts.
#[derive(Debug, Clone, Default)]
pub struct LibraryRequest {
    /// Its name.
    pub name: String,
    /// What it is told.
    pub parameters: Vec<Parameter>,
    /// The command line of the process.
    pub arguments: Vec<String>,
    /// The folder that paths are relative to, absolute and free of symbolic links.
    pub folder: PathBuf,
    /// The run it is started by.
    pub parent: Option<NodeId>,
    /// Who starts it; by default the user that the environment names.
    pub by: Option<String>,
}

/// A run in progress that a program tells of itself.
#[derive(Debug)]
pub struct LibraryRun {
    /// What this says of the run: by the run's own key where this started it.
    part: Part,
    run: Run,
    refused: Mutex<BTreeMap<String, Refused>>,
}

/// A step of a run in progress, with inputs and outputs of its own.
#[derive(Debug)]
pub struct LibraryStep {
    part: Part,
}

/// Whoever tells of files that belong together.
#[derive(Debug, Clone)]
struct Part {
    workspace: Workspace,
    clock: Clock,
    logbook: Arc<Logbook>,
    key: NodeId,
}

/// Values of a metric that were refused after the first.
#[derive(Debug, Default)]
struct Refused {
    count: u64,
    last: String,
}

impl Library {
    /// Prepares to record runs in a workspace; writes nothing.
    pub fn new(workspace: Workspace, clock: Clock) -> Self {
        Library { workspace, clock, begun: Mutex::default() }
    }

    /// Returns the workspace.
    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// Returns the clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Starts a run. On return others see it, and it survives the end of this process; it survives a power cut a moment
    /// later, or when [`LibraryRun::commit`] has returned.
    ///
    /// # Errors
    /// A request error where name or parameters cannot be taken, a store error where the run cannot be recorded.
    pub fn start(&self, request: LibraryRequest) -> Result<LibraryRun> {
        names::check_run_name(&request.name)?;
        check_parameters(&request.parameters)?;
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let logbook = self.logbook(&mut begun)?;
        let code_of = CodeOf::run_in(self.workspace.root(), &request.folder);
        let code = begun.code.now(&self.workspace, code_of)?;
        let folder = request.folder.strip_prefix(self.workspace.root()).unwrap_or(&request.folder);
        let segment = logbook.segment()?;
        let wall = self.clock.wall();
        let (run_id, snapshot) = self.workspace.take_run_id(wall)?;
        if !begun.is_after_pending {
            self.clock.not_before(self.workspace.pending(snapshot.as_ref())?.latest(wall));
            begun.is_after_pending = true;
        }
        if let Some(snapshot) = snapshot {
            self.clock.not_before(snapshot.latest());
        }
        let started_at = self.clock.now();
        let id = NodeId::new(started_at);
        let run = Run {
            arguments: crate::capture::secrets::masked(&request.arguments),
            parameters: masked(request.parameters),
            folder: recorded_word(folder),
            code,
            parent: request.parent,
            host: host(),
            by: request.by.unwrap_or_else(user),
            ..Run::new(id, run_id, request.name, RunKind::Library, started_at, segment)
        };
        let mut facts = vec![Fact::RunStarted(run.clone())];
        facts.extend(code_of.other_work_tree().map(|work_tree| {
            let (run, at) = (run.id, started_at);
            Fact::RepositoryRead(RunRepository { run, at, root: Some(work_tree), code: None })
        }));
        logbook.add(&facts)?;
        let edges = Edges::new(run.id, run.name.clone(), started_at, Instant::now());
        logbook.open(run.id, edges)?;
        let part = run.id;
        Ok(self.in_progress(logbook, run, part))
    }

    /// Becomes a part of a run in progress; `None` where this workspace knows none of that key.
    ///
    /// # Errors
    /// As [`Library::start`].
    pub fn join(&self, id: NodeId, request: LibraryRequest) -> Result<Option<LibraryRun>> {
        names::check_run_name(&request.name)?;
        check_parameters(&request.parameters)?;
        let view = self.workspace.view()?;
        self.clock.not_before(view.snapshot.latest());
        let Some(number) = view.snapshot.run_no(id)? else {
            return Ok(None);
        };
        let Some(found) = query::run_view(&view.snapshot, number)? else {
            return Ok(None);
        };
        drop(view);
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let logbook = self.logbook(&mut begun)?;
        let at = self.clock.now();
        // Several parts of one run are kept apart.
        let part = NodeId::new(at);
        logbook.open(part, Edges::new(id, request.name, at, Instant::now()))?;
        let joined = self.in_progress(logbook, found.run, part);
        if !request.parameters.is_empty() {
            joined.say_parameters(&request.parameters)?;
        }
        Ok(Some(joined))
    }

    /// As [`Library::join`], with the run around this process. Only the first run of a process becomes a part of it: `None` for all
    /// that come later, which would take its parameters, metrics and folder for their own; and none where that run has ended.
    ///
    /// # Errors
    /// As [`Library::start`].
    pub fn join_around(&self, id: NodeId, request: LibraryRequest) -> Result<Option<LibraryRun>> {
        let mut joined = JOINED.lock().unwrap_or_else(PoisonError::into_inner);
        let this = Some((std::process::id(), id));
        if *joined == this || ended(&self.workspace, id)?.is_some() {
            return Ok(None);
        }
        let run = self.join(id, request)?;
        if run.is_some() {
            *joined = this;
        }
        Ok(run)
    }

    fn in_progress(&self, logbook: Arc<Logbook>, run: Run, part: NodeId) -> LibraryRun {
        let part = Part { workspace: self.workspace.clone(), clock: self.clock.clone(), logbook, key: part };
        LibraryRun { part, run, refused: Mutex::default() }
    }

    /// Makes everything recorded so far survive a crash.
    ///
    /// # Errors
    /// A store error where the disk does not take it.
    pub fn commit(&self) -> Result<()> {
        let logbook = self.begun.lock().unwrap_or_else(PoisonError::into_inner).logbook.clone();
        logbook.filter(|logbook| logbook.is_ours()).map_or(Ok(()), |logbook| logbook.commit())
    }

    /// Returns the segment of this process, begun with the first run; a fork of the process begins its own.
    fn logbook(&self, begun: &mut Begun) -> Result<Arc<Logbook>> {
        if let Some(logbook) = begun.logbook.as_ref().filter(|logbook| logbook.is_ours()) {
            return Ok(Arc::clone(logbook));
        }
        let logbook = Arc::new(Logbook::create(&self.workspace, &self.clock)?);
        begun.logbook = Some(Arc::clone(&logbook));
        Ok(logbook)
    }
}

impl LibraryRun {
    /// Returns the run as it was recorded at its start.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Returns true where another process started the run and will end it.
    pub fn is_joined(&self) -> bool {
        self.part.key != self.run.id
    }

    /// Returns true in the process that started or joined the run, and false in a fork of that.
    pub fn is_ours(&self) -> bool {
        self.part.logbook.is_ours()
    }

    /// Records that the run read a file, all files below a folder, or something outside this machine.
    ///
    /// # Errors
    /// A request error where it cannot be read, a store error where the journal cannot be written.
    pub fn used(&self, folder: &Path, path: &Path, role: Role) -> Result<()> {
        self.part.used(folder, path, role)
    }

    /// Records that the run wrote it.
    ///
    /// # Errors
    /// As [`LibraryRun::used`].
    pub fn generated(&self, folder: &Path, path: &Path, role: Role) -> Result<()> {
        self.part.generated(folder, path, role)
    }

    /// Begins a step of the run.
    ///
    /// # Errors
    /// A request error where the name cannot be taken, or in a forked process.
    pub fn step(&self, name: &str) -> Result<LibraryStep> {
        names::check_run_name(name).map_err(|cause| {
            Error::request(format!("`{}` cannot be the name of a step", name.escape_debug())).because(cause)
        })?;
        let at = self.part.clock.now();
        let part = Part { key: NodeId::new(at), ..self.part.clone() };
        let edges = Edges::new(self.run.id, name.to_owned(), at, Instant::now());
        part.logbook.open(part.key, edges.of_step())?;
        Ok(LibraryStep { part })
    }

    /// Records one point of a metric. A value that is not finite is no point: that it was refused is recorded in its place; of many of
    /// one metric the first at once, and how many more there were at the end.
    ///
    /// # Errors
    /// A request error where the name cannot be taken, a store error where the journal cannot be written.
    pub fn metric(&self, name: &str, value: f64, step: i64) -> Result<()> {
        check_metric_name(name)
            .map_err(|why| Error::request(format!("metric `{}` was refused: {why}", name.escape_debug())))?;
        let at = self.part.clock.now();
        let Ok(value) = MetricValue::new(value) else {
            return self.refuse(name, &value.to_string(), step, at);
        };
        self.part.logbook.add_point(Metric { owner: self.run.id, name: name.to_owned(), step, at, value })
    }

    fn refuse(&self, name: &str, value: &str, step: i64, at: Timestamp) -> Result<()> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(more) = refused.get_mut(name) {
            *more = Refused { count: more.count + 1, last: value.to_owned() };
            return Ok(());
        }
        refused.insert(name.to_owned(), Refused::default());
        let remark = Remark::new(RemarkKind::Refused, not_finite(name, Some(step), value));
        self.part.logbook.add(&[Fact::Remarked(Remarks::new(self.run.id, at, None, vec![remark]))])
    }

    /// Says how many values were refused of which only the first is recorded.
    fn refused_later(&self, at: Timestamp) -> Option<Fact> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let more = refused.iter().filter(|(_, more)| more.count > 0).map(|(name, more)| Remark {
            kind: RemarkKind::Refused,
            text: format!("{}, and so it went on", not_finite(name, None, &more.last)),
            count: more.count,
        });
        let remarks = Remarks::new(self.run.id, at, None, more.collect());
        (!remarks.is_empty()).then_some(Fact::Remarked(remarks))
    }

    /// Records parameters; of what is said on one name, the latest counts.
    ///
    /// # Errors
    /// A request error where they cannot be taken, a store error where the journal cannot be written.
    pub fn say_parameters(&self, parameters: &[Parameter]) -> Result<()> {
        check_parameters(parameters)?;
        let said = SaidParameters {
            run: self.run.id,
            at: self.part.clock.now(),
            parameters: masked(parameters.to_vec()),
        };
        self.part.logbook.add(&[Fact::ParametersSaid(said)])
    }

    /// Makes everything said so far survive a crash, the edges as well, also those of its steps.
    ///
    /// # Errors
    /// A store error where the disk does not take it.
    pub fn commit(&self) -> Result<()> {
        self.part.logbook.add_edges_of(self.run.id)?;
        self.part.logbook.commit()
    }

    /// Ends the run, or this part of it where it was joined; others see it at once. A run that has ended does not end again.
    ///
    /// # Errors
    /// A store error where the journal cannot be written.
    pub fn end(&self, status: RunStatus, reason: Option<String>) -> Result<()> {
        let at = self.part.clock.now();
        let segment = self.part.logbook.segment()?;
        let joined = self.is_joined();
        let refused = self.refused_later(at);
        self.part.logbook.close(self.part.key, |edges| {
            let failed = status != RunStatus::Succeeded;
            // Only the part of a run that others end needs a step to say that it failed.
            let (step_status, why) = if failed && joined {
                (StepStatus::Failed, reason.clone())
            } else {
                (StepStatus::Succeeded, None)
            };
            let step = edges.last_step(at, step_status, why).map(Fact::StepDone);
            let outcome =
                RunOutcome { reason, ..RunOutcome::new(self.run.id, self.part.clock.now(), status, segment) };
            step.into_iter().chain(refused).chain((!joined).then_some(Fact::RunOutcome(outcome))).collect()
        })
    }

    /// Waits until everything that is recorded survives a crash; edges of the run may still wait to be.
    ///
    /// # Errors
    /// A store error where the disk does not take it.
    pub fn settle(&self) -> Result<()> {
        self.part.logbook.commit()
    }

    /// Brings the store up to date where much waits for it. Returns what went wrong without harm.
    pub fn apply_if_much(&self) -> Vec<String> {
        self.part.logbook.apply_if_much()
    }

    /// Makes the run's folder.
    ///
    /// # Errors
    /// A request error where a symbolic link leads out of the workspace, a store error where it cannot be made.
    pub fn make_folder(&self, folder: &str) -> Result<PathBuf> {
        let path = ArtifactPath::new(folder)?;
        let place = projection::place(self.part.workspace.root(), &path)?;
        let failed = |cause| Error::store(format!("cannot make the folder `{path}`")).because(cause);
        self.part.workspace.disk().create_folders(&place).map_err(failed)?;
        Ok(place)
    }

    /// Writes `metrics.json` in the run's folder, whole or not at all, and records it as an output.
    ///
    /// # Errors
    /// A request error where a symbolic link leads out of the workspace, a store error where the file cannot be written.
    pub fn write_metrics(&self, folder: &str, metrics: &[(String, MetricValue)]) -> Result<PathBuf> {
        let path = ArtifactPath::new(format!("{folder}/metrics.json"))?;
        let bytes = projection::metrics_json(&self.run, metrics);
        let written = projection::write_files(
            self.part.workspace.disk(),
            self.part.workspace.root(),
            &[(&path, bytes.as_slice())],
        );
        written.into_iter().collect::<Result<()>>()?;
        let artifact =
            Artifact { path: path.clone(), digest: Digest::of(&bytes), size_bytes: bytes.len() as u64 };
        let at = self.part.clock.now();
        let file = FileRead { artifact, changed_at: at, evidence: Evidence::Observed };
        self.part.logbook.with_edges(self.part.key, |edges| edges.add_generated(file, at, Role::Metrics))?;
        path.on_disk(self.part.workspace.root())
            .ok_or_else(|| Error::bug("a folder of the workspace is a URL"))
    }
}

impl LibraryStep {
    /// Returns true in the process that began it, and false in a fork of that.
    pub fn is_ours(&self) -> bool {
        self.part.logbook.is_ours()
    }

    /// Records that the step read a file, all files below a folder, or something outside this machine.
    ///
    /// # Errors
    /// A request error where it cannot be read, or the step has ended.
    pub fn used(&self, folder: &Path, path: &Path) -> Result<()> {
        self.part.used(folder, path, Role::Data)
    }

    /// Records that the step wrote it.
    ///
    /// # Errors
    /// As [`LibraryStep::used`].
    pub fn generated(&self, folder: &Path, path: &Path) -> Result<()> {
        self.part.generated(folder, path, Role::Data)
    }

    /// Records what the step was told beyond the run's parameters.
    ///
    /// # Errors
    /// A request error where it cannot be taken, or the step has ended.
    pub fn say_parameter(&self, parameter: Parameter) -> Result<()> {
        let told = masked(vec![parameter]);
        self.part.logbook.with_edges(self.part.key, |edges| edges.add_parameters(told))?
    }

    /// Ends the step; others see it at once. One that has ended does not end again.
    ///
    /// # Errors
    /// A store error where the journal cannot be written.
    pub fn end(&self, status: StepStatus, reason: Option<String>) -> Result<()> {
        let at = self.part.clock.now();
        self.part.logbook.close(self.part.key, |edges| {
            edges.last_step(at, status, reason).map(Fact::StepDone).into_iter().collect()
        })
    }
}

impl Part {
    fn used(&self, folder: &Path, path: &Path, role: Role) -> Result<()> {
        self.declare(folder, path, |edges, file, at| edges.add_used(file, at, role))
    }

    fn generated(&self, folder: &Path, path: &Path, role: Role) -> Result<()> {
        self.declare(folder, path, |edges, file, at| edges.add_generated(file, at, role))
    }

    fn declare(
        &self,
        folder: &Path,
        path: &Path,
        add: impl Fn(&mut Edges, FileRead, Timestamp),
    ) -> Result<()> {
        let files = files::read(&self.workspace, folder, path)?;
        let at = self.clock.now();
        self.logbook.with_edges(self.key, |edges| files.into_iter().for_each(|file| add(edges, file, at)))
    }
}

/// Hides secrets among the parameters.
fn masked(parameters: Vec<Parameter>) -> Vec<Parameter> {
    parameters.iter().map(|(name, value)| masked_parameter(name, value)).collect()
}
