//! What a program says of the run it is part of: metrics, files it used, files it made.

use std::path::Path;

use crate::content::digest_of;
use crate::error::{Error, Result};
use crate::journal::Writer;
use crate::model::{
    Artifact, ArtifactPath, Digest, Evidence, Fact, Generated, Metric, MetricValue, NodeId, Role, Step,
    StepStatus, Timestamp, Used,
};
use crate::ops::{Clock, Workspace};

/// Which edge is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declared {
    /// The run read it.
    Used,
    /// The run wrote it.
    Generated,
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
    let at = clock.now();
    say(workspace, at, &Fact::Metrics(vec![Metric { owner: run, name: name.to_owned(), step, at, value }]))
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
    words: &[String],
    declared: Declared,
) -> Result<()> {
    let at = clock.now();
    let artifacts = words.iter().map(|word| declared_artifact(workspace, folder, word));
    let artifacts = artifacts.collect::<Result<Vec<_>>>()?;
    let mut step = Step {
        id: NodeId::new(at),
        run,
        name: "declared".to_owned(),
        subject: String::new(),
        status: StepStatus::Succeeded,
        reason: None,
        started_at: at,
        ended_at: at,
        parameters: Vec::new(),
        key: None,
        cached_from: None,
        used: Vec::new(),
        generated: Vec::new(),
    };
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

/// Names what is declared, seen from `folder`. The content of what lies outside this machine is not known: its digest is that
/// of its name, and its size 0.
///
/// # Errors
/// A request error where it is a file that cannot be read.
pub(crate) fn declared_artifact(workspace: &Workspace, folder: &Path, word: &str) -> Result<Artifact> {
    let named = ArtifactPath::new(word)?;
    if named.is_url() {
        let digest = Digest::of(word.as_bytes());
        return Ok(Artifact { path: named, digest, size_bytes: 0 });
    }
    let place = folder.join(word);
    let path = ArtifactPath::within(workspace.root(), &place)?;
    let failed = |cause| Error::request(format!("cannot read the declared file `{path}`")).because(cause);
    let size_bytes = std::fs::metadata(&place).map_err(failed)?.len();
    let digest = digest_of(&place).map_err(failed)?;
    Ok(Artifact { path, digest, size_bytes })
}
