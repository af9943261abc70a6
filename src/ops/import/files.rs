//! Files from before: each is recorded as written by a run of kind import, at the time of its last change, because somebody says so.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rayon::prelude::*;

use crate::capture::secrets;
use crate::error::{Error, Result};
use crate::model::{
    Artifact, CodeState, Evidence, Fact, Generated, NodeId, Parameter, Remark, RemarkKind, Remarks, Role,
    Run, RunKind, RunStatus, Step, Timestamp, check_parameters,
};
use crate::ops::walk::{artifact_of, find_files};
use crate::ops::{Clock, Recording, RunRequest, Workspace};
use crate::store::Snapshot;

/// Files to take over.
#[derive(Debug, Clone)]
pub struct ImportRequest {
    /// Files and folders, seen from `folder`.
    pub paths: Vec<PathBuf>,
    /// The folder the request was made in.
    pub folder: PathBuf,
    /// What they were made by, in words.
    pub generated_by: Option<String>,
    /// The run's name; the default is `import`.
    pub name: Option<String>,
    /// When they were written; by default each when it was last changed.
    pub at: Option<Timestamp>,
    /// The command, for the record.
    pub arguments: Vec<String>,
    /// The machine's name, for the record.
    pub host: String,
}

/// What an import came to.
#[derive(Debug, Clone)]
pub struct ImportSummary {
    /// The run; `None` where there was nothing new.
    pub run: Option<Run>,
    /// What was recorded, by path.
    pub imported: Vec<Artifact>,
    /// How many files were recorded already as written with these bytes.
    pub known: u64,
    /// How many files and folders `.lineageignore` left out.
    pub ignored: u64,
    /// How many entries of folders are no files, or are caches and the like.
    pub passed_over: u64,
    /// Files that could not be read, and why.
    pub unreadable: Vec<String>,
    /// What went wrong without harm.
    pub warnings: Vec<String>,
}

/// As many files are recorded in one step: a record has its bounds.
const STEP_FILES_MAX: usize = 5_000;
/// The name of a run that was given none, and of its steps.
const IMPORT: &str = "import";

/// Records files from before. What is recorded already as written with the same bytes is not recorded again.
///
/// # Errors
/// A request error where a path does not exist or the time lies in the future, a store error where the journal cannot be
/// written.
pub fn import_files(workspace: &Workspace, clock: &Clock, request: &ImportRequest) -> Result<ImportSummary> {
    let now = clock.wall();
    if let Some(at) = request.at.filter(|at| *at > now) {
        return Err(Error::request(format!("`{at}` lies in the future"))
            .hint("`--at` is when the files were written; leave it out for the time of their last change"));
    }
    let generated_by = request.generated_by.as_deref().map(secrets::masked_prose);
    let parameters: Vec<Parameter> =
        generated_by.iter().map(|text| ("generated_by".to_owned(), text.clone())).collect();
    check_parameters(&parameters)?;
    let found = find_files(workspace, &request.folder, &request.paths)?;
    let files: Vec<PathBuf> = found.real_files().into_iter().collect();
    let read: Vec<Result<(Artifact, Timestamp), String>> = files
        .par_iter()
        .map(|file| {
            let artifact = artifact_of(workspace, file).map_err(|error| error.in_full())?;
            let at = request.at.unwrap_or_else(|| changed_at(file, now));
            Ok((artifact, at))
        })
        .collect();
    let mut summary = ImportSummary {
        run: None,
        imported: Vec::new(),
        known: 0,
        ignored: found.ignored,
        passed_over: found.passed_over,
        unreadable: Vec::new(),
        warnings: found.faults,
    };
    // Looked for and recorded under one lock: of two that import the same files at once, the second finds them recorded.
    let lock = workspace.lock_to_change()?;
    let view = workspace.view_locked(&lock)?;
    summary.warnings.extend(view.warnings.iter().cloned());
    let mut fresh = Vec::new();
    for result in read {
        match result {
            Ok((artifact, _)) if is_known(&view.snapshot, &artifact)? => summary.known += 1,
            Ok(found) => fresh.push(found),
            Err(why) => summary.unreadable.push(why),
        }
    }
    drop(view);
    if !fresh.is_empty() {
        record(workspace, clock, request, parameters, &fresh, &mut summary)?;
        summary.imported = fresh.into_iter().map(|(artifact, _)| artifact).collect();
    }
    drop(lock);
    summary.warnings.extend(workspace.apply_if_worth());
    Ok(summary)
}

fn record(
    workspace: &Workspace,
    clock: &Clock,
    request: &ImportRequest,
    parameters: Vec<Parameter>,
    fresh: &[(Artifact, Timestamp)],
    summary: &mut ImportSummary,
) -> Result<()> {
    let subject = parameters.first().map(|(_, text)| text.clone()).unwrap_or_default();
    let run = RunRequest {
        arguments: secrets::masked(&request.arguments),
        parameters,
        // Whatever code lies here now, it is not what made these files.
        code: CodeState::default(),
        host: request.host.clone(),
        ..RunRequest::new(request.name.as_deref().unwrap_or(IMPORT), RunKind::Import)
    };
    let mut recording = Recording::start(workspace, clock, run)?;
    let run = recording.run().clone();
    for chunk in fresh.chunks(STEP_FILES_MAX) {
        let generated = chunk.iter().map(|(artifact, at)| Generated {
            artifact: artifact.clone(),
            at: *at,
            evidence: Evidence::Declared,
            role: Role::Data,
        });
        let generated: Vec<Generated> = generated.collect();
        let now = recording.now();
        let times = || generated.iter().map(|edge| edge.at);
        let times = [times().min().unwrap_or(now), times().max().unwrap_or(now)];
        let step = Step {
            subject: subject.clone(),
            generated,
            ..Step::new(NodeId::new(now), run.id, IMPORT, times)
        };
        recording.add(&Fact::StepDone(step))?;
    }
    let mut remarks = Vec::new();
    if summary.ignored > 0 {
        let text = "files and folders that `.lineageignore` names are not recorded".to_owned();
        remarks.push(Remark { kind: RemarkKind::LeftOut, text, count: summary.ignored });
    }
    remarks.extend(summary.unreadable.iter().map(|why| Remark::new(RemarkKind::Unseen, why.clone())));
    let remarks = Remarks::new(run.id, recording.now(), None, remarks);
    if !remarks.is_empty() {
        recording.add(&Fact::Remarked(remarks))?;
    }
    summary.warnings.extend(recording.finish(RunStatus::Succeeded, Some(0), None)?);
    summary.run = Some(run);
    Ok(())
}

/// Returns true where some step is recorded to have written these bytes there.
fn is_known(snapshot: &Snapshot, artifact: &Artifact) -> Result<bool> {
    let number = snapshot.version_no(&artifact.path, &artifact.digest)?;
    number.map_or(Ok(false), |number| snapshot.is_written(number))
}

/// Returns when a file was last changed; a time in the future, or before 1970, is none to go by.
fn changed_at(file: &Path, now: Timestamp) -> Timestamp {
    let modified = fs::metadata(file).and_then(|metadata| metadata.modified()).ok();
    let since = modified.and_then(|modified| modified.duration_since(UNIX_EPOCH).ok());
    let micros = since.and_then(|since| i64::try_from(since.as_micros()).ok());
    micros.map(Timestamp::from_micros).filter(|at| *at <= now).unwrap_or(now)
}
