//! What a program says of the run it is part of: metrics, files it used, files it made.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::journal::Writer;
use crate::model::{
    Artifact, ArtifactPath, Evidence, Fact, Generated, Metric, MetricValue, NodeId, Parameter, Role,
    SaidParameters, Step, Timestamp, Used, check_parameters,
};
use crate::ops::run::{check_name, masked_parameter};
use crate::ops::walk::{artifact_of, find_files};
use crate::ops::{Clock, Workspace};

/// The name of the steps that hold what programs say of their run.
pub(crate) const DECLARED_STEP: &str = "declared";

/// Which edge is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declared {
    /// The run read it.
    Used,
    /// The run wrote it.
    Generated,
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

/// Records one point of a metric of a run; others see it at once.
///
/// # Errors
/// A request error where the value is not finite, a store error where the journal cannot be written.
pub fn say_metric(
    workspace: &Workspace,
    clock: &Clock,
    run: NodeId,
    name: &str,
    value: f64,
    step: i64,
) -> Result<()> {
    let value = MetricValue::new(value)?;
    check_name(name)
        .map_err(|why| Error::request(format!("metric `{}` was refused: {why}", name.escape_debug())))?;
    let at = clock.now();
    say(workspace, at, &Fact::Metrics(vec![Metric { owner: run, name: name.to_owned(), step, at, value }]))
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

/// Records that a run read or wrote files, or things behind URLs.
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
) -> Result<()> {
    let at = clock.now();
    let artifacts = words.iter().map(|word| declared_artifacts(workspace, folder, word));
    let artifacts: Vec<Artifact> = artifacts.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    let mut step = Step::new(NodeId::new(at), run, DECLARED_STEP, [at, at]);
    for artifact in artifacts {
        let (evidence, role) = (Evidence::Declared, Role::Data);
        match declared {
            Declared::Used => step.used.push(Used { artifact, at, evidence, role }),
            Declared::Generated => step.generated.push(Generated { artifact, at, evidence, role }),
        }
    }
    say(workspace, at, &Fact::StepDone(step))
}

fn say(workspace: &Workspace, at: Timestamp, fact: &Fact) -> Result<()> {
    let segment = NodeId::new(at).as_u128();
    let mut writer = Writer::create(workspace.disk(), &workspace.journal(), segment)?;
    writer.append(fact)?;
    writer.commit()
}

/// Names what is declared, seen from `folder`: a file, every file below a folder, or something outside this machine, whose
/// content is not known.
///
/// # Errors
/// A request error where it cannot be read, or is a folder of too many files.
pub(crate) fn declared_artifacts(
    workspace: &Workspace,
    folder: &Path,
    word: impl AsRef<OsStr>,
) -> Result<Vec<Artifact>> {
    let word = word.as_ref();
    if let Ok(named) = ArtifactPath::from_bytes(word.as_encoded_bytes().to_vec())
        && named.is_url()
    {
        return Ok(vec![Artifact::without_content(named, word.as_encoded_bytes())]);
    }
    let found = find_files(workspace, folder, &[PathBuf::from(word)])?;
    found.files.iter().map(|file| artifact_of(workspace, file)).collect()
}
