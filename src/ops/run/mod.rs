//! `lineage run -- CMD`: any command, in any language, observed without a change of its code.

mod environment;
mod live;
mod metrics;
mod roles;
mod steps;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::capture::git::HeadTree;
use crate::capture::observe::{self, Exit, Level, Observation, Options, Refusal};
use crate::capture::secrets;
use crate::error::{Error, Result};
use crate::model::{
    Artifact, ArtifactPath, Digest, Evidence, Fact, Generated, Metric, NodeId, Parameter, Role, Run, RunKind,
    RunStatus, Step, StepStatus, Timestamp, Used,
};
use crate::ops::code::code_state;
use crate::ops::inside::declared_artifact;
use crate::ops::{Clock, Recording, RunRequest, Workspace};

use live::Live;
use roles::Place;
use steps::Outcome;

/// Names the run to programs that are part of it.
pub const RUN_VARIABLE: &str = "LINEAGE_RUN";
/// Names the file that takes metrics while a run goes on.
pub const METRICS_VARIABLE: &str = "LINEAGE_METRICS";

/// A command to observe.
#[derive(Debug, Clone)]
pub struct CommandRequest {
    /// The program and its arguments.
    pub arguments: Vec<OsString>,
    /// The run's name; by default the program's.
    pub name: Option<String>,
    /// What the run is told.
    pub parameters: Vec<Parameter>,
    /// Inputs that are declared: files, or names outside this machine.
    pub inputs: Vec<String>,
    /// Outputs that are declared.
    pub outputs: Vec<String>,
    /// A file of metrics besides `metrics.json`.
    pub metrics: Option<PathBuf>,
    /// The folder to run in, absolute and free of symbolic links.
    pub folder: PathBuf,
    /// The whole environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Whether the command may use io_uring, which cannot be observed.
    pub allow_io_uring: bool,
    /// Whether arguments are recorded.
    pub with_arguments: bool,
    /// The run this is started by.
    pub parent: Option<NodeId>,
    /// The machine's name.
    pub host: String,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct CommandSummary {
    /// The run; `None` where nothing could be recorded.
    pub run: Option<Run>,
    /// How the command ended.
    pub exit: Exit,
    /// How completely it was observed.
    pub level: Level,
    /// How many files it read and wrote, by role: inputs, code, outputs.
    pub counts: (usize, usize, usize),
    /// What could not be seen, what was refused, what went wrong in recording.
    pub notes: Vec<String>,
}

/// A command that could not be started.
#[derive(Debug)]
pub struct NotStarted {
    /// 127 where there is no such program, 126 where it cannot be run, 125 where recording stood in the way.
    pub exit_code: u8,
    /// Why.
    pub error: Error,
}

/// Runs a command, observes it and records what it did.
///
/// # Errors
/// Only where the command was not started. What goes wrong with recording after that is a note, and the command does not notice.
pub fn run_command(
    workspace: &Workspace,
    clock: &Clock,
    request: &CommandRequest,
) -> Result<CommandSummary, NotStarted> {
    let not_recorded = |error| NotStarted { exit_code: 125, error };
    find_program(request)?;
    let mut recording = start(workspace, clock, request).map_err(not_recorded)?;
    let run = recording.run().clone();
    let metrics_path = workspace.folder().join("live").join(format!("{}.jsonl", run.id.hex()));
    let _ = workspace.disk().create_folders(&workspace.folder().join("live"));
    let mut live = Live::new(workspace, clock, run.id, &metrics_path);
    let ended = AtomicBool::new(false);
    let observed = std::thread::scope(|scope| {
        let follower = std::thread::Builder::new().spawn_scoped(scope, || live.follow(&ended));
        let observed = observe_command(workspace, clock, request, &run, &metrics_path);
        ended.store(true, Ordering::Release);
        if let Ok(follower) = follower {
            follower.thread().unpark();
            let _ = follower.join();
        }
        observed
    });
    let mut notes = std::mem::take(&mut live.refused);
    drop(live);
    let _ = std::fs::remove_file(&metrics_path);
    let observation = match observed {
        Ok(observation) => observation,
        Err(refusal) => {
            // It was there a moment ago; the record says that it could not be started.
            let exit_code = refusal.exit_code();
            let error = refusal.into_error();
            let _ = recording.finish(RunStatus::Failed, Some(i32::from(exit_code)), Some(error.to_string()));
            return Err(NotStarted { exit_code, error });
        }
    };
    notes.extend(observation.gaps.iter().cloned());
    let counts = match record(workspace, &mut recording, request, &observation, &mut notes) {
        Ok(counts) => counts,
        Err(error) => {
            notes.push(format!("not everything was recorded: {error}"));
            (0, 0, 0)
        }
    };
    let (status, code, reason) = ending(observation.exit);
    match recording.finish(status, code, reason) {
        Ok(warnings) => notes.extend(warnings),
        Err(error) => notes.push(format!("the end of the run was not recorded: {error}")),
    }
    Ok(CommandSummary { run: Some(run), exit: observation.exit, level: observation.level, counts, notes })
}

fn ending(exit: Exit) -> (RunStatus, Option<i32>, Option<String>) {
    match exit {
        Exit::Code(0) => (RunStatus::Succeeded, Some(0), None),
        Exit::Code(code) => (RunStatus::Failed, Some(code), Some(format!("exit code {code}"))),
        Exit::Signal { number, .. } => {
            (RunStatus::Interrupted, Some(128 + number), Some(format!("ended by signal {number}")))
        }
    }
}

/// Finds the program as `execvp` would, before anything is recorded.
fn find_program(request: &CommandRequest) -> Result<(), NotStarted> {
    let not_started = |exit_code, what: String, hint: &str| NotStarted {
        exit_code,
        error: Error::request(what).hint(hint.to_owned()),
    };
    let Some(name) = request.arguments.first() else {
        return Err(not_started(125, "no command to run".to_owned(), "`lineage run -- python train.py`"));
    };
    let shown = name.to_string_lossy().escape_debug().to_string();
    let candidates: Vec<PathBuf> = if name.as_encoded_bytes().contains(&b'/') {
        vec![request.folder.join(name)]
    } else {
        let path = request.environment.iter().find(|(key, _)| key == "PATH").map(|(_, value)| value.clone());
        let path = path.unwrap_or_else(|| OsString::from("/usr/local/bin:/usr/bin:/bin"));
        std::env::split_paths(&path).map(|folder| request.folder.join(folder).join(name)).collect()
    };
    let mut found_file = false;
    for candidate in candidates {
        match std::fs::metadata(&candidate) {
            Ok(metadata) if metadata.is_file() && is_executable(&metadata) => return Ok(()),
            Ok(_) => found_file = true,
            Err(_) => {}
        }
    }
    if found_file {
        Err(not_started(
            126,
            format!("`{shown}` is not executable"),
            "nothing was run, and nothing was recorded",
        ))
    } else {
        Err(not_started(
            127,
            format!("there is no command `{shown}`"),
            "nothing was run, and nothing was recorded",
        ))
    }
}

#[cfg(unix)]
fn is_executable(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_metadata: &std::fs::Metadata) -> bool {
    true
}

fn start(workspace: &Workspace, clock: &Clock, request: &CommandRequest) -> Result<Recording> {
    let snapshot = workspace.store().snapshot()?;
    let code = code_state(workspace, snapshot.as_ref())?;
    drop(snapshot);
    let arguments: Vec<String> = request.arguments.iter().map(|a| a.to_string_lossy().into_owned()).collect();
    let program = Path::new(&arguments[0]).file_name().map(|name| name.to_string_lossy().into_owned());
    let folder = request.folder.strip_prefix(workspace.root()).unwrap_or(&request.folder);
    let request = RunRequest {
        name: request.name.clone().or(program).unwrap_or_else(|| "command".to_owned()),
        kind: RunKind::Command,
        arguments: if request.with_arguments {
            secrets::masked(&arguments)
        } else {
            vec![arguments[0].clone()]
        },
        parameters: request.parameters.iter().map(|(name, value)| masked_parameter(name, value)).collect(),
        folder: folder.to_string_lossy().into_owned(),
        code,
        parent: request.parent,
        host: request.host.clone(),
    };
    Recording::start(workspace, clock, request)
}

fn masked_parameter(name: &str, value: &str) -> Parameter {
    let masked = secrets::masked_word(&format!("{name}={value}"));
    let value = masked.split_once('=').map_or(value, |(_, value)| value).to_owned();
    (name.to_owned(), value)
}

fn home(request: &CommandRequest) -> Option<PathBuf> {
    let home =
        request.environment.iter().find(|(key, _)| key == "HOME").map(|(_, value)| PathBuf::from(value))?;
    home.canonicalize().ok()
}

fn observe_command(
    workspace: &Workspace,
    clock: &Clock,
    request: &CommandRequest,
    run: &Run,
    metrics_path: &Path,
) -> Result<Observation, Refusal> {
    let mut environment = request.environment.clone();
    environment.retain(|(key, _)| key != RUN_VARIABLE && key != METRICS_VARIABLE);
    environment.push((RUN_VARIABLE.into(), run.id.to_string().into()));
    environment.push((METRICS_VARIABLE.into(), metrics_path.into()));
    let root = workspace.root();
    let home = home(request);
    let now = || clock.now().micros();
    let wanted = |path: &Path| roles::place(path, root, home.as_deref()) == Place::Work;
    let skipped = |path: &Path| roles::place(path, root, home.as_deref()) != Place::Work;
    let mut options = Options::new(request.arguments.clone(), request.folder.clone(), &now);
    options.environment = environment;
    options.allow_io_uring = request.allow_io_uring;
    options.is_wanted = &wanted;
    options.is_skipped = &skipped;
    options.roots = vec![root.to_owned()];
    options.linger = Duration::from_secs(1);
    options.forward_signals = true;
    let contents = workspace.contents();
    observe::observe(&options, &mut |_, digest, bytes| {
        // A pre-image that cannot be kept is still known by its digest.
        let _ = contents.keep_as(&Digest::from_bytes(digest.0), bytes);
    })
}

/// Records what was observed; returns how many inputs, code files and outputs there were.
fn record(
    workspace: &Workspace,
    recording: &mut Recording,
    request: &CommandRequest,
    observation: &Observation,
    notes: &mut Vec<String>,
) -> Result<(usize, usize, usize)> {
    let head = HeadTree::open(workspace.root()).ok().flatten();
    let declared_metrics: BTreeSet<PathBuf> =
        request.metrics.iter().map(|path| request.folder.join(path)).collect();
    let home = home(request);
    let streams = streams_outside(workspace.root());
    let around = steps::Surroundings {
        streams: &streams,
        root: workspace.root(),
        home: home.as_deref(),
        head: head.as_ref(),
        with_arguments: request.with_arguments,
        metrics: &declared_metrics,
        run: recording.run().id,
    };
    let Outcome { mut steps, environment, metrics } = steps::steps(observation, &around);
    declare(workspace, recording, request, observation, &mut steps, notes)?;
    add_environment(workspace, recording, observation, &environment, &mut steps)?;
    let mut files: [BTreeSet<ArtifactPath>; 3] = Default::default();
    let written: BTreeSet<&ArtifactPath> =
        steps.iter().flat_map(|step| &step.generated).map(|edge| &edge.artifact.path).collect();
    for edge in steps.iter().flat_map(|step| &step.used) {
        match edge.role {
            Role::Environment => {}
            role if role.is_code() => drop(files[1].insert(edge.artifact.path.clone())),
            _ if written.contains(&edge.artifact.path) => {}
            _ => drop(files[0].insert(edge.artifact.path.clone())),
        }
    }
    files[2] = written.into_iter().cloned().collect();
    for step in &steps {
        recording.add(&Fact::StepDone(step.clone()))?;
    }
    record_metrics(recording, &metrics, notes)?;
    recording.commit()?;
    Ok((files[0].len(), files[1].len(), files[2].len()))
}

/// Returns the files outside the workspace that our own standard streams are redirected to or from.
fn streams_outside(root: &Path) -> BTreeSet<PathBuf> {
    let links = (0..3).filter_map(|number| std::fs::read_link(format!("/proc/self/fd/{number}")).ok());
    links.filter(|path| path.is_absolute() && !path.starts_with(root)).collect()
}

/// Puts the list of the environment at the first step.
fn add_environment(
    workspace: &Workspace,
    recording: &Recording,
    observation: &Observation,
    files: &[(PathBuf, u64, i64)],
    steps: &mut Vec<Step>,
) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let list = environment::list(files);
    let digest = workspace.contents().keep(&list)?;
    let edge = Used {
        artifact: Artifact {
            path: ArtifactPath::new(format!("environment://{}", recording.run().host))?,
            digest,
            size_bytes: list.len() as u64,
        },
        at: Timestamp::from_micros(observation.started_us),
        evidence: Evidence::Observed,
        role: Role::Environment,
    };
    match steps.first_mut() {
        Some(first) => first.used.push(edge),
        None => steps.push(whole_step(recording, observation, vec![edge], Vec::new())),
    }
    Ok(())
}

/// Makes a step for the command as a whole, for edges that belong to no process in particular.
fn whole_step(
    recording: &Recording,
    observation: &Observation,
    used: Vec<Used>,
    generated: Vec<Generated>,
) -> Step {
    Step {
        id: NodeId::new(recording.now()),
        run: recording.run().id,
        name: recording.run().name.clone(),
        subject: String::new(),
        status: StepStatus::Succeeded,
        reason: None,
        started_at: Timestamp::from_micros(observation.started_us),
        ended_at: Timestamp::from_micros(observation.ended_us),
        parameters: Vec::new(),
        key: None,
        cached_from: None,
        used,
        generated,
    }
}

/// Adds declared edges, and says where they and what was observed differ.
fn declare(
    workspace: &Workspace,
    recording: &Recording,
    request: &CommandRequest,
    observation: &Observation,
    steps: &mut Vec<Step>,
    notes: &mut Vec<String>,
) -> Result<()> {
    let (mut used, mut generated) = (Vec::new(), Vec::new());
    for word in &request.inputs {
        let artifact = declared_artifact(workspace, &request.folder, word)?;
        let observed =
            steps.iter().flat_map(|step| &step.used).any(|edge| edge.artifact.path == artifact.path);
        if !observed {
            if !artifact.path.is_url() {
                notes.push(format!(
                    "`{}` was declared as an input, but the command did not read it",
                    artifact.path
                ));
            }
            let at = Timestamp::from_micros(observation.started_us);
            used.push(Used { artifact, at, evidence: Evidence::Declared, role: Role::Data });
        }
    }
    for word in &request.outputs {
        let artifact = declared_artifact(workspace, &request.folder, word)?;
        let observed =
            steps.iter().flat_map(|step| &step.generated).any(|edge| edge.artifact.path == artifact.path);
        if !observed {
            if !artifact.path.is_url() {
                notes.push(format!(
                    "`{}` was declared as an output, but the command did not write it",
                    artifact.path
                ));
            }
            let at = Timestamp::from_micros(observation.ended_us);
            generated.push(Generated { artifact, at, evidence: Evidence::Declared, role: Role::Data });
        }
    }
    if used.is_empty() && generated.is_empty() {
        return Ok(());
    }
    match steps.first_mut() {
        Some(first) => {
            first.used.extend(used);
            first.generated.extend(generated);
        }
        None => steps.push(whole_step(recording, observation, used, generated)),
    }
    Ok(())
}

/// Reads the metrics files that the command wrote.
fn record_metrics(recording: &mut Recording, files: &[PathBuf], notes: &mut Vec<String>) -> Result<()> {
    for file in files {
        let Ok(bytes) = std::fs::read(file) else { continue };
        let (points, refused) = metrics::from_document(&bytes);
        notes.extend(refused.into_iter().map(|why| format!("{}: {why}", file.display())));
        if points.is_empty() {
            continue;
        }
        let at = recording.now();
        let owner = recording.run().id;
        let points = points.into_iter().map(|point| Metric {
            owner,
            name: point.name,
            step: point.step,
            at,
            value: point.value,
        });
        recording.add(&Fact::Metrics(points.collect()))?;
    }
    Ok(())
}
