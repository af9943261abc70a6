//! What is recorded of a command that was observed: its steps, its environment, its metrics.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::environment;
use super::steps::{self, FileClock, Outcome, Repositories};
use super::{CommandRequest, Ground, declared, metrics, own};
use crate::capture::git;
use crate::capture::observe::{Level, Observation, Reading};
use crate::error::Result;
use crate::model::{
    Artifact, ArtifactPath, Digest, Evidence, Fact, Generated, IGNORED_FILES, Link, Metric, NodeId, Remark,
    RemarkKind, Role, RunRepository, Step, Timestamp, Used,
};
use crate::ops::code;
use crate::ops::keep::Keeping;
use crate::ops::registry::VersionsOfRun;
use crate::ops::{Recording, Workspace};

/// What became of an observation.
#[derive(Default)]
pub(super) struct Recorded {
    /// How many inputs, code files and outputs there were.
    pub(super) counts: (usize, usize, usize),
    /// Whether our standard error leads to one of the outputs.
    pub(super) stderr_is_output: bool,
    /// Versions of models that the command registered.
    pub(super) registered: Option<VersionsOfRun>,
}

/// Records what was observed. It survives a crash once the recording is finished.
pub(super) fn record(
    workspace: &Workspace,
    recording: &mut Recording,
    request: &CommandRequest,
    observation: &Observation,
    (ground, keeping): (&Ground<'_>, &Keeping<'_>),
    clock: FileClock,
    remarks: &mut Vec<Remark>,
) -> Result<Recorded> {
    let Ground { root, home, rules, streams, started_ns } = ground;
    let commit = recording.run().code.commit.clone();
    let code_of = code::CodeOf::run_in(root, &request.folder);
    let repositories = Repositories::new(code_of.folder, commit, *started_ns);
    let named_metrics = request.metrics.as_ref().map(|path| {
        let path = request.folder.join(path);
        path.canonicalize().unwrap_or(path)
    });
    let own = own::own_processes(observation, &workspace.folder());
    let around = steps::Surroundings {
        own: &own,
        streams,
        root,
        copy: request.copy.as_ref().map(|copy| copy.name.as_str()),
        home: home.as_deref(),
        repositories: &repositories,
        with_arguments: request.with_arguments,
        metrics: named_metrics.as_deref(),
        rules,
        run: recording.run().id,
        clock,
    };
    let Outcome { mut steps, environment, metrics, left_out, written_elsewhere, links } =
        steps::steps(observation, &around);
    if let Some(path) = named_metrics.as_ref().filter(|path| !metrics.contains(path)) {
        let text = format!("`{}` gave no metrics: the command did not write it", shown(path, root));
        remarks.push(Remark::new(RemarkKind::NotObserved, text));
    }
    if left_out > 0 {
        let text = IGNORED_FILES.to_owned();
        remarks.push(Remark { kind: RemarkKind::LeftOut, text, count: left_out });
    }
    if written_elsewhere > 0 {
        let text = "files written among those of the system, of tools and of packages are not recorded";
        remarks.push(Remark { kind: RemarkKind::LeftOut, text: text.to_owned(), count: written_elsewhere });
    }
    let doubtful = doubtful_modules(observation);
    if doubtful > 0 {
        let text = "modules ran as they had been compiled, and their sources are not, or not for certain, what was compiled";
        remarks.push(Remark { kind: RemarkKind::Unseen, text: text.to_owned(), count: doubtful });
    }
    remarks.extend(rules.faults().into_iter().map(|fault| Remark::new(RemarkKind::Fault, fault)));
    declared::add(workspace, recording, request, observation, &around, &mut steps, remarks);
    let variables = environment::variables(&request.environment);
    let list = environment::list(&variables, &environment, workspace.digests());
    if !(variables.is_empty() && environment.is_empty())
        && let Err(error) = add_environment(workspace, recording, observation, &list, &mut steps)
    {
        // The steps say more than the versions of what they were made with.
        let text = format!("the environment was not recorded: {}", error.in_full());
        remarks.push(Remark::new(RemarkKind::Fault, text));
    }
    let mut files: [BTreeSet<&ArtifactPath>; 3] = Default::default();
    let generated = || steps.iter().flat_map(|step| &step.generated).map(|edge| &edge.artifact);
    let made: BTreeSet<(&ArtifactPath, Digest)> =
        generated().map(|artifact| (&artifact.path, artifact.digest)).collect();
    for edge in steps.iter().flat_map(|step| &step.used) {
        let path = &edge.artifact.path;
        match edge.role {
            Role::Environment => {}
            role if role.is_code() => drop(files[1].insert(path)),
            // What the run made and read again is no input; what it read and then changed is.
            _ if made.contains(&(path, edge.artifact.digest)) => {}
            _ => drop(files[0].insert(path)),
        }
    }
    files[2] = generated().map(|artifact| &artifact.path).collect();
    let counts = (files[0].len(), files[1].len(), files[2].len());
    let stderr = std::fs::read_link("/proc/self/fd/2").ok();
    let stderr = stderr.and_then(|path| ArtifactPath::within(root, &path).ok());
    let stderr_is_output = stderr.is_some_and(|path| files[2].contains(&path));
    let may_be_read = match observation.level {
        Level::Net => &[][..],
        Level::Snapshot | Level::Nothing => &recording.run().code.untracked,
    };
    let unkept = keeping.keep(may_be_read, &steps);
    remarks.extend(unkept.into_iter().map(|fault| Remark::new(RemarkKind::Fault, fault)));
    for step in &steps {
        recording.add(&Fact::StepDone(step.clone()))?;
    }
    record_links(recording, &steps, links)?;
    record_repositories(workspace, recording, root, &repositories)?;
    record_metrics(root, recording, &metrics, remarks)?;
    let registered = own::registered(workspace, &own, recording.run().id)?;
    Ok(Recorded { counts, stderr_is_output, registered })
}

/// Records which of the files that the steps name are symbolic links.
fn record_links(recording: &mut Recording, steps: &[Step], mut links: Vec<Link>) -> Result<()> {
    if links.is_empty() {
        return Ok(());
    }
    let used = steps.iter().flat_map(|step| &step.used).map(|edge| &edge.artifact);
    let generated = steps.iter().flat_map(|step| &step.generated).map(|edge| &edge.artifact);
    let named: BTreeSet<&Artifact> = used.chain(generated).collect();
    links.retain(|link| named.contains(&link.artifact()));
    links.into_iter().try_for_each(|link| recording.add(&Fact::LinkSeen(link)))
}

/// Records the code states of the repositories besides the run's own that it read files of, as they are now.
fn record_repositories(
    workspace: &Workspace,
    recording: &mut Recording,
    root: &Path,
    repositories: &Repositories,
) -> Result<()> {
    let others = repositories.others();
    if others.is_empty() {
        return Ok(());
    }
    let snapshot = workspace.store().snapshot().ok().flatten();
    // Only what was read of them is known to be of the run.
    let limits = git::Limits { untracked_max: 0, ..git::Limits::default() };
    for (work_tree, commit) in others {
        let code_of = code::CodeOf { root, folder: &work_tree };
        let now = code::code_state_at(workspace, code_of, limits, &|| snapshot.as_ref())?;
        let repository = RunRepository {
            run: recording.run().id,
            at: recording.now(),
            root: code_of.other_work_tree(),
            code: Some(code::as_of(now, commit)),
        };
        recording.add(&Fact::RepositoryRead(repository))?;
    }
    Ok(())
}

/// Counts the sources of which somebody read only what had been compiled, perhaps from other bytes.
fn doubtful_modules(observation: &Observation) -> u64 {
    let accesses = observation.processes.iter().flat_map(|process| &process.accesses);
    let doubtful = accesses
        .filter(|access| access.read_us.is_some() && access.reading == Reading::DoubtfulStandIn)
        .map(|access| access.file);
    doubtful.collect::<BTreeSet<usize>>().len() as u64
}

/// Puts the list of the environment at the first step.
fn add_environment(
    workspace: &Workspace,
    recording: &Recording,
    observation: &Observation,
    list: &[u8],
    steps: &mut Vec<Step>,
) -> Result<()> {
    let digest = workspace.contents().keep(list)?;
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
    match steps.iter_mut().find(|step| !step.act.is_one_to_one()) {
        Some(first) => first.used.push(edge),
        None => steps.push(whole_step(recording, observation, vec![edge], Vec::new())),
    }
    Ok(())
}

/// Makes a step for the command as a whole, for edges that belong to no process in particular.
pub(super) fn whole_step(
    recording: &Recording,
    observation: &Observation,
    used: Vec<Used>,
    generated: Vec<Generated>,
) -> Step {
    Step {
        used,
        generated,
        ..Step::new(
            NodeId::new(recording.now()),
            recording.run().id,
            recording.run().name.clone(),
            [Timestamp::from_micros(observation.started_us), Timestamp::from_micros(observation.ended_us)],
        )
    }
}

/// Reads the metrics files that the command wrote.
fn record_metrics(
    root: &Path,
    recording: &mut Recording,
    files: &[PathBuf],
    remarks: &mut Vec<Remark>,
) -> Result<()> {
    for file in files {
        let mut refuse = |why: String| {
            let text = format!("{}: {why}", shown(file, root));
            remarks.push(Remark::new(RemarkKind::Refused, text));
        };
        let bytes = match read_metrics(file) {
            Ok(bytes) => bytes,
            Err(why) => {
                refuse(format!("no metrics were read: {why}"));
                continue;
            }
        };
        let (points, refused) = metrics::from_document(&bytes, metrics::Form::of(file));
        refused.into_iter().for_each(refuse);
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

/// No larger document of metrics is read.
const METRICS_MAX_BYTES: u64 = 16 << 20;

fn read_metrics(file: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    let metadata = std::fs::metadata(file).map_err(|cause| cause.to_string())?;
    // Reading a pipe may never come to an end.
    if !metadata.is_file() || metadata.len() > METRICS_MAX_BYTES {
        return Err(format!("it is no file of at most {METRICS_MAX_BYTES} bytes"));
    }
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file);
    let read = opened.and_then(|file| file.take(METRICS_MAX_BYTES).read_to_end(&mut bytes));
    read.map(|_| bytes).map_err(|cause| cause.to_string())
}

/// Writes a path as it is named in the workspace.
fn shown(path: &Path, root: &Path) -> String {
    ArtifactPath::within(root, path)
        .map_or_else(|_| path.to_string_lossy().escape_debug().to_string(), |path| path.to_string())
}
