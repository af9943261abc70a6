//! `lineage run -- CMD`: any command, in any language, observed without a change of its code.

mod around;
mod compiled;
mod copies;
mod declared;
mod environment;
mod left_points;
mod live;
mod measured;
mod metrics;
mod name;
mod own;
mod record;
mod redirected;
mod roles;
mod so_far;
mod steps;
mod take_over;
mod under_way;

use std::cell::{Cell, OnceCell};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::capture::ignored::IgnoreRules;
use crate::capture::observe::{
    self, Checkpoints, Exit, Gap, GapSort, HandOut, Level, Observation, OnlyRead, Options, Refusal,
};
use crate::capture::secrets;
use crate::digests::{Found, kernel_time_ns};
use crate::error::{Error, Result};
use crate::journal::SyncPoint;
use crate::model::{
    ArtifactPath, CaptureLevel, Digest, Fact, NodeId, Parameter, Remark, RemarkKind, Remarks, Run, RunKind,
    RunRepository, RunStatus, check_parameters, recorded_word, recorded_words,
};
use crate::ops::code;
use crate::ops::keep::Keeping;
use crate::ops::{Clock, Recording, RunRequest, Workspace};

pub(crate) use environment::variables_of;
pub(crate) use left_points::take_left_points;
use live::Live;
pub(crate) use metrics::{Form, Point, from_document, not_finite, yaml};
use name::{check_command_name, default_name};
pub(crate) use name::{program, says_what_ran};
pub use record::Counts;
use record::{Recorded, Recorder};
pub use redirected::Redirected;
use roles::Place;
pub(crate) use so_far::{AtWork, SoFar, at_work};
pub(crate) use steps::FileClock;
pub(crate) use take_over::{broken_off, take_over_broken_off};
use under_way::{Beginning, UnderWay};

/// Names the run to programs that are part of it.
pub const RUN_VARIABLE: &str = "LINEAGE_RUN";
/// Names the file that takes metrics while a run goes on.
pub const METRICS_VARIABLE: &str = "LINEAGE_METRICS";
/// Names the workspace that a run is recorded in to programs that are part of it, wherever they go.
pub const WORKSPACE_VARIABLE: &str = "LINEAGE_WORKSPACE";

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
    pub inputs: Vec<OsString>,
    /// Outputs that are declared.
    pub outputs: Vec<OsString>,
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
    /// The run whose command this runs again.
    pub rerun_of: Option<NodeId>,
    /// Its standard streams, where they are not this process's own.
    pub streams: Option<Redirected>,
    /// The copy of the workspace in which it runs; by default the workspace itself.
    pub copy: Option<WorkspaceCopy>,
    /// The machine's name.
    pub host: String,
}

/// A folder that stands for the workspace while a command runs.
///
/// What the command reads there is what was put there, and is named as in the workspace. What it writes there never lay in the
/// workspace, and is named below `name`.
#[derive(Debug, Clone)]
pub struct WorkspaceCopy {
    /// The folder, absolute and free of symbolic links.
    pub root: PathBuf,
    /// The front of the names of what is written there: `rerun://e55a90bd`.
    pub name: String,
    /// Work trees of other repositories that are copied as well.
    pub others: Vec<CopiedTree>,
}

/// A folder that stands for a work tree outside of the workspace while a command runs; both absolute and free of symbolic links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedTree {
    /// The work tree.
    pub there: PathBuf,
    /// The folder that stands for it.
    pub copy: PathBuf,
}

impl WorkspaceCopy {
    /// Returns what a place in the copy of another repository stands for; elsewhere the place itself.
    pub fn stands_for(&self, place: &Path) -> PathBuf {
        let inside = |tree: &CopiedTree| Some(tree.there.join(place.strip_prefix(&tree.copy).ok()?));
        self.others.iter().find_map(inside).unwrap_or_else(|| place.to_owned())
    }
}

impl CommandRequest {
    /// Returns the folder that is the workspace's root to the command.
    fn root<'a>(&'a self, workspace: &'a Workspace) -> &'a Path {
        self.copy.as_ref().map_or(workspace.root(), |copy| &copy.root)
    }
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct CommandSummary {
    /// The run; `None` where nothing could be recorded.
    pub run: Option<Run>,
    /// How the command ended.
    pub exit: Exit,
    /// How completely it was observed.
    pub level: CaptureLevel,
    /// How many files it read and wrote.
    pub counts: Counts,
    /// What could not be seen, what was refused, what went wrong in recording.
    pub remarks: Vec<Remark>,
    /// How many of the remarks, the first of them, are in the record.
    pub remarks_recorded: usize,
    /// Whether this process's standard error leads to a file that was recorded as written by the command.
    pub stderr_is_output: bool,
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
    check_program(request)?;
    let name = request.name.as_deref().map_or(Ok(()), check_command_name);
    name.map_err(|error| NotStarted { exit_code: 2, error })?;
    check_parameters(&request.parameters).map_err(|error| NotStarted { exit_code: 2, error })?;
    // What this command is about to write over must be read before.
    take_over_broken_off(workspace);
    let keeping = Keeping::new(workspace, request.root(workspace)).map_err(not_recorded)?;
    let mut recording = start(workspace, clock, request).map_err(not_recorded)?;
    let mut start = StartOnDisk { point: recording.sync_point().map_err(not_recorded)?, outcome: None };
    let run = recording.run().clone();
    let metrics_path = live::file(workspace, run.id);
    let _ = workspace.disk().create_folders(&live::folder(workspace));
    let mut ground = Ground::of(workspace, request);
    // In a copy of the workspace it lies outside, and is none of the command's outputs there either.
    ground.streams.insert(metrics_path.clone());
    let under_way = OnceCell::new();
    let mut live = Live::new(workspace, clock, run.id, &metrics_path);
    let observed = followed(&mut live, &mut start, |follow| {
        observe_command(workspace, clock, request, &run, (&ground, &keeping), follow, &under_way)
    });
    keeping.settle_endangered();
    start.settle(&mut recording);
    // What waited for a disk that was full is a part of what was reported, if there is room by now.
    let _ = live.finish();
    let mut said = Said::new(live.take_remarks());
    let observation = match observed {
        Ok(observation) => observation,
        Err(refusal) => {
            let _ = std::fs::remove_file(&metrics_path);
            // It was there a moment ago; the record says that it could not be started.
            let exit_code = refusal.exit_code();
            let error = refusal.into_error();
            let _ = recording.finish(RunStatus::Failed, Some(i32::from(exit_code)), Some(error.in_full()));
            return Err(NotStarted { exit_code, error });
        }
    };
    said.remarks.extend(observation.gaps.iter().map(remark_of));
    let under_way = under_way.into_inner().and_then(UnderWay::end);
    if let Some(written) = &under_way {
        if let Err(error) = recording.end_in(written.end) {
            said.fault(error.in_full());
        }
        if let Some(unwritten) = &written.unwritten {
            said.fault(unwritten.to_string());
        }
    }
    // The command has ended as it has, whatever becomes of its record.
    let recorder = Recorder {
        workspace,
        recording: &mut recording,
        request,
        observation: &observation,
        ground: &ground,
        keeping: &keeping,
        reported: live.reported(),
        clock: FileClock::now(clock),
        remarks: &mut said.remarks,
    };
    let recorded = catch_unwind(AssertUnwindSafe(|| recorder.record()));
    let recorded = recorded.unwrap_or_else(|_| Err(Error::bug("a fault of this program")));
    let Recorded { counts, stderr_is_output, registered } = recorded.unwrap_or_else(|error| {
        said.fault(format!("not everything was recorded: {}", error.in_full()));
        Recorded::default()
    });
    let (exit, level) = (observation.exit, level_of(observation.level));
    // From when its writer is gone on, whoever comes by takes what is left.
    let taken = live.finish();
    said.remarks.extend(live.take_remarks());
    said.record(&mut recording, level);
    let has_ended = end(recording, exit, &mut said);
    match taken {
        Ok(()) => drop(std::fs::remove_file(&metrics_path)),
        Err(unrecorded) => said.fault(unrecorded.said(&metrics_path)),
    }
    // The next command records what is missing, points of metrics among it, where the end is.
    if let Some(written) = under_way.filter(|_| has_ended) {
        let _ = under_way::remove(workspace.disk(), &written.file);
    }
    // Their files tell what the run read and made, which is known only now.
    registered.into_iter().flat_map(|versions| versions.project(workspace)).for_each(|text| said.fault(text));
    if !workspace.journal().is_dir() {
        // What was written to it went with it, without an error.
        said.unrecorded("the command removed the journal: nothing of this run is recorded");
    }
    let Said { remarks, recorded: remarks_recorded } = said;
    Ok(CommandSummary { run: Some(run), exit, level, counts, remarks, remarks_recorded, stderr_is_output })
}

/// Lets `observe` run a command, and follows what it writes to its metrics file, in a thread of its own once the function that `observe`
/// is given is called. A short command needs none: its metrics are taken, and its start is forced to the disk, when it has ended.
fn followed<T>(live: &mut Live<'_>, start: &mut StartOnDisk, observe: impl FnOnce(&dyn Fn()) -> T) -> T {
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (waiting, following) = (Cell::new(Some((live, start))), Cell::new(None));
        let follow = || {
            if let Some((live, start)) = waiting.take() {
                let follow = || {
                    start.sync();
                    live.follow(&ended);
                };
                following.set(std::thread::Builder::new().spawn_scoped(scope, follow).ok());
            }
        };
        let observed = observe(&follow);
        ended.store(true, Ordering::Release);
        if let Some((live, _)) = waiting.take() {
            live.follow(&ended);
        } else if let Some(follower) = following.take() {
            follower.thread().unpark();
            let _ = follower.join();
        }
        observed
    })
}

/// What is to be said of a record, and how many of it, the first, stand in the record itself.
struct Said {
    remarks: Vec<Remark>,
    recorded: usize,
}

impl Said {
    fn new(remarks: impl Iterator<Item = Remark>) -> Self {
        Said { remarks: remarks.collect(), recorded: 0 }
    }

    /// Adds that something went wrong.
    fn fault(&mut self, text: impl Into<String>) {
        self.remarks.push(Remark::new(RemarkKind::Fault, text));
    }

    /// Adds that something went wrong by which nothing of all this stands in the record, before all else.
    fn unrecorded(&mut self, text: impl Into<String>) {
        self.recorded = 0;
        self.remarks.insert(0, Remark::new(RemarkKind::Fault, text));
    }

    /// Records all that was said so far.
    fn record(&mut self, recording: &mut Recording, level: CaptureLevel) {
        let said = Remarks::new(recording.run().id, recording.now(), Some(level), self.remarks.clone());
        match recording.add(&Fact::Remarked(said)) {
            Ok(()) => self.recorded = self.remarks.len(),
            Err(error) => self.unrecorded(format!("the remarks were not recorded: {}", error.in_full())),
        }
    }
}

/// Records the end of a run; false where it is not in the journal for certain.
fn end(recording: Recording, exit: Exit, said: &mut Said) -> bool {
    let (status, code, reason) = ending(exit);
    match catch_unwind(AssertUnwindSafe(|| recording.finish(status, code, reason))) {
        Ok(Ok(warnings)) => {
            warnings.into_iter().for_each(|warning| said.fault(warning));
            true
        }
        Ok(Err(error)) => {
            said.unrecorded(format!("the end of the run was not recorded: {}", error.in_full()));
            false
        }
        Err(_) => {
            said.fault("a fault of this program: the store was not brought up to date");
            false
        }
    }
}

fn level_of(level: Level) -> CaptureLevel {
    match level {
        Level::Net => CaptureLevel::Net,
        Level::Snapshot => CaptureLevel::Snapshot,
        Level::Nothing => CaptureLevel::Nothing,
    }
}

fn remark_of(gap: &Gap) -> Remark {
    let kind = match gap.sort {
        GapSort::Unseen => RemarkKind::Unseen,
        GapSort::Denied => RemarkKind::Denied,
        GapSort::StillRunning => RemarkKind::StillRunning,
        GapSort::Overwritten => RemarkKind::LeftOut,
    };
    Remark { kind, text: gap.text.clone(), count: gap.count }
}

fn ending(exit: Exit) -> (RunStatus, Option<i32>, Option<String>) {
    match exit {
        Exit::Code(0) => (RunStatus::Succeeded, Some(0), None),
        Exit::Code(code) => (RunStatus::Failed, Some(code), Some(format!("exit code {code}"))),
        Exit::Signal { number, .. } => {
            let status = if exit.is_fault() { RunStatus::Failed } else { RunStatus::Interrupted };
            (status, Some(128 + number), Some(format!("ended by signal {number}")))
        }
        Exit::Unknown => (RunStatus::Interrupted, None, Some("how it ended could not be learned".to_owned())),
    }
}

/// Finds out whether there is such a program, before anything is recorded.
fn check_program(request: &CommandRequest) -> Result<(), NotStarted> {
    let no_clock = || 0;
    let mut options = Options::new(request.arguments.clone(), request.folder.clone(), &no_clock);
    options.environment = request.environment.clone();
    observe::may_start(&options).map_err(|refusal| {
        let exit_code = refusal.exit_code();
        let is_line = request.arguments.first().is_some_and(|word| word.as_encoded_bytes().contains(&b' '));
        let error = refusal.into_error().hint(match is_line {
            true => "`sh -c '…'` runs a line of the shell; nothing was run, and nothing was recorded",
            false => "nothing was run, and nothing was recorded",
        });
        NotStarted { exit_code, error }
    })
}

fn start(workspace: &Workspace, clock: &Clock, request: &CommandRequest) -> Result<Recording> {
    let root = request.root(workspace);
    let snapshot = OnceCell::new();
    let code_of = code::CodeOf::run_in(root, &request.folder);
    let code = code::code_state_at(workspace, code_of, &|_| true, &|| {
        snapshot.get_or_init(|| workspace.store().snapshot().ok().flatten()).as_ref()
    })?;
    let other_work_tree = code_of.other_work_tree();
    let (arguments, mut printed_arguments) = recorded_words(&request.arguments);
    let folder = request.folder.strip_prefix(root).unwrap_or(&request.folder);
    let streams = match &request.streams {
        Some(redirected) => Some(redirected.streams.clone()),
        // Of a repetition, they are its user's.
        None if request.rerun_of.is_some() => None,
        None => redirected::own(root),
    };
    let (shown, parameters, masked) = masked(request, &arguments);
    printed_arguments.retain(|at| (*at as usize) < shown.len());
    let request = RunRequest {
        name: request.name.clone().unwrap_or_else(|| default_name(&shown)),
        kind: RunKind::Command,
        arguments: shown,
        printed_arguments,
        streams,
        parameters,
        folder: recorded_word(folder),
        code,
        parent: request.parent,
        rerun_of: request.rerun_of,
        host: request.host.clone(),
    };
    let mut recording = Recording::start_soon(workspace, clock, request)?;
    if let Some(work_tree) = other_work_tree {
        let (run, at) = (recording.run().id, recording.now());
        let repository = RunRepository { run, at, root: Some(work_tree), code: None };
        recording.add(&Fact::RepositoryRead(repository))?;
    }
    if let Some(remark) = masked {
        // At once: without it, a command that was killed would look as if it could be run again as it stands.
        let remarks = Remarks::new(recording.run().id, recording.now(), None, vec![remark]);
        recording.add(&Fact::Remarked(remarks))?;
    }
    Ok(recording)
}

/// The way of a run's start to the disk, which a command need not wait for: before it runs, the system has the start, so that it
/// survives whatever becomes of this process; it survives a power cut from [`live::PAUSE`] on, or from the end of a shorter run.
struct StartOnDisk {
    point: SyncPoint,
    outcome: Option<std::io::Result<()>>,
}

impl StartOnDisk {
    fn sync(&mut self) {
        self.outcome = Some(self.point.sync());
    }

    fn settle(self, recording: &mut Recording) {
        if let Some(outcome) = self.outcome {
            // What did not get there is written again with the end of the run.
            let _ = recording.settle(&self.point, outcome);
        }
    }
}

/// Returns arguments and parameters as they are recorded, and what is to be said of them.
fn masked(request: &CommandRequest, arguments: &[String]) -> (Vec<String>, Vec<Parameter>, Option<Remark>) {
    let parameters: Vec<Parameter> =
        request.parameters.iter().map(|(name, value)| masked_parameter(name, value)).collect();
    if !request.with_arguments {
        let remark = Remark::new(RemarkKind::Masked, "the arguments were not kept, as `--no-args` asked");
        return (vec![arguments[0].clone()], parameters, Some(remark));
    }
    let shown = secrets::masked(arguments);
    let count = arguments.iter().zip(&shown).filter(|(a, b)| a != b).count()
        + request.parameters.iter().zip(&parameters).filter(|(a, b)| a != b).count();
    let remark = (count > 0).then(|| Remark {
        kind: RemarkKind::Masked,
        text: "what looks like a credential is masked in arguments and parameters".to_owned(),
        count: count as u64,
    });
    (shown, parameters, remark)
}

/// Masks the value of a parameter where it looks like a credential.
pub(crate) fn masked_parameter(name: &str, value: &str) -> Parameter {
    (name.to_owned(), secrets::masked_value(name, value))
}

/// Returns true for what is never recorded: our own folder, git's, caches.
pub(crate) fn is_ignored_place(path: &Path, root: &Path) -> bool {
    roles::place(path, root, None) == Place::Ignored
}

/// Returns true for what is never a file of the work: caches, installed packages.
pub(crate) fn is_no_work(path: &Path, root: &Path) -> bool {
    let inside = path.strip_prefix(root).unwrap_or(path);
    roles::place(path, root, None) == Place::Ignored || roles::is_cache(inside) || roles::is_package(inside)
}

/// Returns true for a place that a run's own files lie in, neither caches nor what systems and tools are made of.
pub(crate) fn is_work_place(path: &Path, root: &Path, environment: &[(OsString, OsString)]) -> bool {
    roles::place(path, root, home(environment).as_deref()) == Place::Work
}

/// Returns true for what lies in a folder for temporary files, which whoever cleans up may take away. Where the workspace at `root`
/// lies there itself, what lies beside it in a folder there is as good as it is.
pub(crate) fn is_temporary(path: &Path, root: &Path) -> bool {
    let folders = ["/tmp", "/var/tmp"].map(PathBuf::from);
    folders.into_iter().chain([std::env::temp_dir()]).any(|folder| {
        let first =
            |path: &Path| path.strip_prefix(&folder).ok()?.components().next().map(|part| folder.join(part));
        first(path).is_some_and(|first| !root.starts_with(first))
    })
}

/// Returns true for what is code by its name.
pub(crate) fn is_code(path: &ArtifactPath) -> bool {
    path.on_disk(Path::new("")).is_some_and(|path| roles::is_code_name(&path))
}

fn home(environment: &[(OsString, OsString)]) -> Option<PathBuf> {
    let home = environment.iter().find(|(key, _)| key == "HOME").map(|(_, value)| PathBuf::from(value))?;
    // One that is not there yet may be made by the command.
    Some(home.canonicalize().unwrap_or(home)).filter(|home| home.is_absolute())
}

/// Where a command runs: what decides which of its files are its own.
struct Ground<'a> {
    /// The folder that is the workspace's root to the command.
    root: &'a Path,
    home: Option<PathBuf>,
    rules: IgnoreRules,
    /// What our own streams lead to: none of the command's doing, so it is neither read, nor kept, nor recorded.
    streams: BTreeSet<PathBuf>,
    /// When it is started, by the kernel's clock, in nanoseconds.
    started_ns: i64,
}

impl<'a> Ground<'a> {
    fn of(workspace: &'a Workspace, request: &'a CommandRequest) -> Self {
        let root = request.root(workspace);
        let home = home(&request.environment);
        let streams = streams_outside(root);
        Ground { root, home, rules: IgnoreRules::of(root), streams, started_ns: kernel_time_ns() }
    }
}

fn observe_command(
    workspace: &Workspace,
    clock: &Clock,
    request: &CommandRequest,
    run: &Run,
    (ground, keeping): (&Ground<'_>, &Keeping<'_>),
    follow: &dyn Fn(),
    under_way: &OnceCell<UnderWay>,
) -> Result<Observation, Refusal> {
    let mut environment = request.environment.clone();
    let metrics_path = live::file(workspace, run.id);
    let own = [
        (RUN_VARIABLE, run.id.to_string().into()),
        (METRICS_VARIABLE, metrics_path.into()),
        (WORKSPACE_VARIABLE, workspace.root().into()),
    ];
    environment.retain(|(key, _)| own.iter().all(|(name, _)| key != name));
    environment.extend(own.map(|(name, value): (&str, OsString)| (name.into(), value)));
    let now = || clock.now().micros();
    let begin = || UnderWay::new(workspace, run, Beginning::of(clock, request, run, ground));
    let checkpoints = Checkpoints {
        first: under_way::FIRST,
        apart: under_way::APART,
        is_ready: &|| under_way.get().is_none_or(UnderWay::is_ready),
        take: &|checkpoint| {
            under_way.get_or_init(begin).take(checkpoint, keeping.endangered_so_far());
        },
    };
    let mut options = Options::new(request.arguments.clone(), request.folder.clone(), &now);
    options.environment = environment;
    options.allow_io_uring = request.allow_io_uring;
    // What names the workspace by its whole path means the user's own files, for which the copy stands.
    options.only_read = request.copy.as_ref().map(|_| OnlyRead {
        folder: workspace.root().to_owned(),
        except: [crate::ops::WORKSPACE_FOLDER, ".git"].map(PathBuf::from).to_vec(),
    });
    options.streams = request.streams.as_ref().map_or([None; 3], Redirected::by_number);
    options.linger = Duration::from_secs(1);
    options.forward_signals = true;
    options.after = Some((live::PAUSE, follow));
    options.checkpoints = Some(&checkpoints);
    options.pre_image_max_bytes = keeping.endangered_up_to_bytes();
    let digest_of = |digest: &observe::Digest| Digest::from_bytes(digest.0);
    let hand_out = HandOut {
        wants: &|path, size_bytes, known| {
            keeping.holds(path, size_bytes, known.as_ref().map(digest_of).as_ref())
        },
        take: &|path, digest, bytes| keeping.hold(path, digest_of(digest), bytes),
    };
    options.hand_out = Some(&hand_out);
    with_files_of_interest(workspace, ground, &|_| true, options, &mut |options| {
        observe::observe(options, &mut |path, digest, bytes| {
            keeping.keep_endangered(path, &digest_of(digest), bytes);
        })
    })
}

/// Says in the options which files of a command are of interest, and what is known of them. Only those that `is_read` names are read
/// for their digest.
fn with_files_of_interest<T>(
    workspace: &Workspace,
    ground: &Ground<'_>,
    is_read: &dyn Fn(&Path) -> bool,
    options: Options<'_>,
    observe: &mut dyn FnMut(&Options<'_>) -> T,
) -> T {
    let Ground { root, home, rules, streams, .. } = ground;
    // What is work to read is work to write, but for what an annex or a cache of DVC keeps.
    let is_work = |path: &Path| {
        roles::place_of_written(path, root, home.as_deref()) == Place::Work || roles::is_stored_data(path)
    };
    let wanted = |path: &Path| {
        is_work(path) && !rules.ignores(path, false) && !streams.contains(path) && is_read(path)
    };
    let skipped = |path: &Path| !is_work(path) || rules.ignores(path, is_folder(path));
    let digests = workspace.digests();
    let known = |stamp: &_| digests.known(stamp).map(|digest| observe::Digest(*digest.as_bytes()));
    let learned = |stamp: &_, digest: &observe::Digest, at_ns| {
        digests.learn(&Found { stamp: *stamp, digest: Digest::from_bytes(digest.0) }, at_ns);
    };
    let is_work_to_read = |path: &Path| roles::place(path, root, home.as_deref()) == Place::Work;
    let stands_for = |path: &Path| compiled::stands_for(path, &is_work_to_read);
    let roots = vec![root.to_path_buf()];
    observe(&Options {
        is_wanted: &wanted,
        is_skipped: &skipped,
        stands_for: &stands_for,
        known_digest: &known,
        learned_digest: &learned,
        roots,
        ..options
    })
}

fn is_folder(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
}

/// Returns the files outside the workspace that our own descriptors lead to: redirected streams, and what a wrapper such as
/// `flock` leaves open for all it starts.
fn streams_outside(root: &Path) -> BTreeSet<PathBuf> {
    let descriptors = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let links = descriptors.filter_map(|descriptor| std::fs::read_link(descriptor.path()).ok());
    links.filter(|path| path.is_absolute() && !path.starts_with(root)).collect()
}
