//! What a program says of the run it is part of: metrics, files it used, files it made.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::capture::secrets;
use crate::error::{Error, Result};
use crate::journal::Writer;
use crate::model::{
    Artifact, ArtifactPath, DECLARED_STEP, Evidence, Fact, Generated, Metric, MetricValue, NodeId, Parameter,
    Remark, RemarkKind, Remarks, Role, Run, SaidParameters, Step, Timestamp, Used, check_metric_name,
    check_parameters, recorded_word,
};
use crate::ops::named;
use crate::ops::run::{FileClock, masked_parameter, not_finite as said_not_finite};
use crate::ops::walk::{artifact_of, find_files};
use crate::ops::{Clock, Workspace};
use crate::query::{last_write_at_path, run_view, unique_tail};
use crate::store::Snapshot;

/// A command of this program that is part of a run.
#[derive(Debug, Clone)]
pub struct PartOf {
    /// The run.
    pub run: NodeId,
    /// The command's words.
    pub command: Vec<OsString>,
}

/// Which edge is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declared {
    /// The run read it.
    Used,
    /// The run wrote it.
    Generated,
}

/// A run that has ended.
#[derive(Debug, Clone)]
pub struct EndedRun {
    /// The shortest end of its key that names it alone.
    pub tail: String,
    /// When it ended.
    pub at: Timestamp,
}

/// Returns when a run ended, if it did; what it left behind is no part of it any more.
///
/// # Errors
/// A store error where a record is damaged.
pub fn ended(workspace: &Workspace, run: NodeId) -> Result<Option<EndedRun>> {
    let find = |snapshot: &Snapshot| -> Result<(Option<EndedRun>, Option<u128>)> {
        let Some(view) = snapshot.run_no(run)?.map_or(Ok(None), |number| run_view(snapshot, number))? else {
            return Ok((None, None));
        };
        let ended = match view.ended_at() {
            Some(at) => Some(EndedRun { tail: unique_tail(snapshot, run)?, at }),
            None => None,
        };
        Ok((ended, Some(view.run.segment)))
    };
    // A training that says much shall not wait for what others recorded meanwhile.
    if let Some(snapshot) = workspace.store().snapshot().ok().flatten() {
        let (ended, segment) = find(&snapshot)?;
        if ended.is_some() || segment.is_some_and(|segment| workspace.is_alive(segment)) {
            return Ok(ended);
        }
    }
    Ok(find(&workspace.view_as_it_is()?.snapshot)?.0)
}

/// Says whether a run repeats another.
///
/// # Errors
/// A store error where it cannot be read.
pub fn is_repetition(workspace: &Workspace, run: NodeId) -> Result<bool> {
    let snapshot = workspace.view()?.snapshot;
    let run = snapshot.run_no(run)?.map_or(Ok(None), |number| snapshot.run(number))?;
    Ok(run.is_some_and(|run| run.rerun_of.is_some()))
}

/// Records one point of a metric of a run; others see it at once. Without a step it is of the greatest step that the metric has had in
/// the run, 0 where it had none, so that what is reported last is the last.
///
/// A value that is not finite is no point: that it was refused is recorded in its place, and returned. A training that diverges
/// shall not die of telling so, nor look as if it had ended before.
///
/// # Errors
/// A request error where the name cannot be taken, a store error where the journal cannot be read or written.
pub fn say_metric(
    workspace: &Workspace,
    clock: &Clock,
    run: NodeId,
    name: &str,
    value: f64,
    step: Option<i64>,
) -> Result<Option<Remark>> {
    check_metric_name(name)
        .map_err(|why| Error::request(format!("metric `{}` was refused: {why}", name.escape_debug())))?;
    let Ok(value) = MetricValue::new(value) else {
        let remark = not_finite(name, value, step);
        let at = clock.now();
        say(workspace, at, &Fact::Remarked(Remarks::new(run, at, None, vec![remark.clone()])))?;
        return Ok(Some(remark));
    };
    let step = step.map_or_else(|| last_step(workspace, run, name), Ok)?;
    let at = clock.now();
    say(workspace, at, &Fact::Metrics(vec![Metric { owner: run, name: name.to_owned(), step, at, value }]))?;
    Ok(None)
}

/// Remarks that a point was no number.
fn not_finite(name: &str, value: f64, step: Option<i64>) -> Remark {
    Remark::new(RemarkKind::Refused, said_not_finite(name, step, &value.to_string()))
}

fn last_step(workspace: &Workspace, run: NodeId, name: &str) -> Result<i64> {
    let snapshot = workspace.view_as_it_is()?.snapshot;
    let Some(metric) = snapshot.metric_no(name)? else { return Ok(0) };
    Ok(snapshot.metric_summary(run, metric)?.map_or(0, |summary| summary.last.step))
}

/// Records parameters of a run; of what is said on one name, the latest counts.
///
/// # Errors
/// A request error where they are no parameters or too many, a store error where the journal cannot be written.
pub fn say_parameters(
    workspace: &Workspace,
    clock: &Clock,
    run: NodeId,
    parameters: &[Parameter],
) -> Result<()> {
    check_parameters(parameters)?;
    let at = clock.now();
    let parameters = parameters.iter().map(|(name, value)| masked_parameter(name, value)).collect();
    say(workspace, at, &Fact::ParametersSaid(SaidParameters { run, at, parameters }))
}

/// Records that a run read or wrote files, or things behind URLs. Of a file that lies there as another run left it, the run is
/// not recorded to have written it; what is to be said of that is returned.
///
/// # Errors
/// A request error where a file cannot be read, a store error where the journal cannot be written.
pub fn say_files(
    workspace: &Workspace,
    clock: &Clock,
    run: NodeId,
    folder: &Path,
    words: &[OsString],
    declared: Declared,
) -> Result<Vec<Remark>> {
    let at = clock.now();
    let declared_files = words.iter().map(|word| declared_files(workspace, folder, word));
    let declared_files = declared_files.collect::<Result<Vec<_>>>()?;
    let artifacts = declared_files.into_iter().flat_map(|declared| declared.artifacts);
    let mut step = Step::new(NodeId::new(at), run, DECLARED_STEP, [at, at]);
    let mut remarks = Vec::new();
    let (evidence, role) = (Evidence::Declared, Role::Data);
    match declared {
        Declared::Used => {
            step.used.extend(artifacts.map(|artifact| Used { artifact, at, evidence, role }));
        }
        Declared::Generated => {
            let before = Before::of(workspace, run, FileClock::now(clock))?;
            for artifact in artifacts {
                match before.as_ref().map_or(Ok(None), |before| before.wrote(&artifact))? {
                    Some(writer) => remarks.push(not_written(&artifact.path, Some(&writer))),
                    None => step.generated.push(Generated { artifact, at, evidence, role }),
                }
            }
        }
    }
    if !(step.used.is_empty() && step.generated.is_empty()) {
        say(workspace, at, &Fact::StepDone(step))?;
    }
    if !remarks.is_empty() {
        say(workspace, at, &Fact::Remarked(Remarks::new(run, at, None, remarks.clone())))?;
    }
    Ok(remarks)
}

/// Records what a command of this program gives out: it has read that, wherever the bytes were kept, and what they are written to is
/// made from it. The runs around its own see the command as well, and are told.
///
/// # Errors
/// A store error where a record is damaged, or the journal cannot be written.
pub fn say_given_out(
    workspace: &Workspace,
    clock: &Clock,
    snapshot: &Snapshot,
    part_of: &PartOf,
    artifacts: impl IntoIterator<Item = Artifact>,
) -> Result<()> {
    let at = clock.now();
    let (evidence, role) = (Evidence::Observed, Role::Data);
    let used: Vec<Used> =
        artifacts.into_iter().map(|artifact| Used { artifact, at, evidence, role }).collect();
    let (mut told, mut next) = (Vec::new(), Some(part_of.run));
    while let Some(id) = next.filter(|_| !used.is_empty()) {
        let Some(number) = snapshot.run_no(id)? else { break };
        let Some(run) = snapshot.run(number)? else { break };
        if snapshot.outcomes(number)?.is_empty() {
            let subject = words_of(&part_of.command);
            let step = Step::new(NodeId::new(at), id, DECLARED_STEP, [at, at]);
            told.push(Fact::StepDone(Step { subject, used: used.clone(), ..step }));
        }
        next = run.parent.filter(|parent| *parent < id);
    }
    say_all(workspace, at, &told)
}

/// Writes the words of a command of this program in one line, by which a run tells it among the processes that it saw.
pub(crate) fn words_of(command: &[OsString]) -> String {
    let words: Vec<String> = command.iter().skip(1).map(recorded_word).collect();
    secrets::masked(&words).join(" ")
}

/// Remarks that a file was declared as an output, and is not known to have been written; by whom it is known to be there.
pub(crate) fn not_written(path: &ArtifactPath, writer: Option<&str>) -> Remark {
    let there = writer.map_or_else(String::new, |writer| format!(": it is there as run {writer} left it"));
    let text = format!("`{path}` was declared as an output, but the command did not write it{there}");
    Remark::new(RemarkKind::NotObserved, text)
}

/// What is recorded of the time before a run: who wrote the files that it found.
pub(crate) struct Before<'a> {
    workspace: &'a Workspace,
    snapshot: Snapshot,
    run: Run,
    clock: FileClock,
}

impl<'a> Before<'a> {
    /// Looks at what is recorded; `None` where the run itself is not.
    ///
    /// # Errors
    /// A store error where it cannot be read.
    pub(crate) fn of(workspace: &'a Workspace, run: NodeId, clock: FileClock) -> Result<Option<Self>> {
        let snapshot = workspace.view_as_it_is()?.snapshot;
        let run = snapshot.run_no(run)?.map_or(Ok(None), |number| snapshot.run(number))?;
        Ok(run.map(|run| Before { workspace, snapshot, run, clock }))
    }

    /// Names the run that wrote a file as it lies there since before this run began; `None` where somebody may have written to it
    /// since, or those bytes are not what was last recorded to be written there.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub(crate) fn wrote(&self, artifact: &Artifact) -> Result<Option<String>> {
        let place = artifact.path.on_disk(self.workspace.root());
        let Some(metadata) = place.and_then(|place| std::fs::metadata(place).ok()) else { return Ok(None) };
        let changed_ns = metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
        if self.clock.tick(changed_ns) >= self.run.started_at.micros() {
            return Ok(None);
        }
        let Some(path) = self.snapshot.path_no(&artifact.path)? else { return Ok(None) };
        let until = self.run.started_at.micros().saturating_sub(1);
        let Some(write) = last_write_at_path(&self.snapshot, path, until, None)? else { return Ok(None) };
        if self.snapshot.artifact(write.artifact)? != *artifact {
            return Ok(None);
        }
        let writer = self.snapshot.run_of(write.step)?.map_or(Ok(None), |run| self.snapshot.run(run))?;
        writer.map(|writer| unique_tail(&self.snapshot, writer.id)).transpose()
    }
}

fn say(workspace: &Workspace, at: Timestamp, fact: &Fact) -> Result<()> {
    say_all(workspace, at, std::slice::from_ref(fact))
}

fn say_all(workspace: &Workspace, at: Timestamp, facts: &[Fact]) -> Result<()> {
    if facts.is_empty() {
        return Ok(());
    }
    let segment = NodeId::new(at).as_u128();
    let mut writer = Writer::create(workspace.disk(), &workspace.journal(), segment)?;
    facts.iter().try_for_each(|fact| writer.append(fact))?;
    writer.commit()
}

/// What a word declares.
pub(crate) struct DeclaredFiles {
    /// The files, where they really lie.
    pub artifacts: Vec<Artifact>,
    /// The symbolic links by which some of them were named.
    pub links: Vec<ArtifactPath>,
    /// How many files and folders in a folder `.lineageignore` left out.
    pub ignored: u64,
}

/// Names what is declared, seen from `folder`: a file, every file below a folder, or something outside this machine, whose
/// content is not known. Who names a symbolic link means the file that it leads to, as whoever reads it does.
///
/// # Errors
/// A request error where it cannot be read, or is a folder of too many files.
pub(crate) fn declared_files(
    workspace: &Workspace,
    folder: &Path,
    word: impl AsRef<OsStr>,
) -> Result<DeclaredFiles> {
    let word = word.as_ref();
    if let Some(url) = named::url(word) {
        let version = url.as_bytes().to_vec();
        return Ok(DeclaredFiles {
            artifacts: vec![Artifact::without_content(url, &version)],
            links: Vec::new(),
            ignored: 0,
        });
    }
    let found = find_files(workspace, folder, &[PathBuf::from(word)])?;
    let artifacts =
        found.real_files().iter().map(|file| artifact_of(workspace, file)).collect::<Result<_>>()?;
    let links = found.links().map(|link| ArtifactPath::within(workspace.root(), link));
    Ok(DeclaredFiles { artifacts, links: links.collect::<Result<_>>()?, ignored: found.ignored })
}
