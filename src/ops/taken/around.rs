//! The recorded run that a run of another program was a part of.
//!
//! A script under `lineage run` that reports to MLflow is recorded twice: as it was observed, and as MLflow noted it. What was
//! observed to write the files of the noted run, while that was at work, had it inside.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::model::{Artifact, ArtifactPath, Digest, Evidence, NodeId, RunKind, Timestamp};
use crate::query::{RunView, run_view};
use crate::store::{Snapshot, StepNo};

/// So many of its files are asked who wrote them.
const FILES_MAX: usize = 64;
/// Other programs note the time in milliseconds.
const ROUNDING_US: i64 = 1_000;

/// When a run of another program was at work; it may have no end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

/// Finds the run that was observed to write one of `files` and that lasted from before the `span` until after it; of several the
/// one that began last, which is the innermost. Of a file without a digest, any bytes count.
pub(super) fn run_around(
    snapshot: &Snapshot,
    span: Span,
    files: &mut dyn Iterator<Item = (&ArtifactPath, Option<&Digest>)>,
) -> Result<Option<NodeId>> {
    for (path, digest) in files.take(FILES_MAX) {
        let Some(path) = snapshot.path_no(path)? else { continue };
        let mut found: Option<RunView> = None;
        let _all = snapshot.path_writes_until(path, i64::MAX, |at, step, written| {
            if at < span.started_at.micros() {
                return Ok(ControlFlow::Break(()));
            }
            if digest
                .map_or(Ok(true), |digest| snapshot.content(written).map(|(known, _)| known == *digest))?
                && let Some(run) = observing_run(snapshot, step, &|edge| edge.artifact == written)?
                && is_around(&run, span)
                && found.as_ref().is_none_or(|known| known.run.started_at < run.run.started_at)
            {
                found = Some(run);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        if let Some(found) = found {
            return Ok(Some(found.run.id));
        }
    }
    Ok(None)
}

/// Returns when a run last wrote a version of a file, as far as that is recorded.
pub(super) fn written_in(snapshot: &Snapshot, run: NodeId, artifact: &Artifact) -> Result<Option<Timestamp>> {
    let Some(run) = snapshot.run_no(run)? else { return Ok(None) };
    let Some(number) = snapshot.version_no(&artifact.path, &artifact.digest)? else { return Ok(None) };
    let written = snapshot.writes_until(number, i64::MAX, |at, step| {
        let is_of_run = snapshot.run_of(step)? == Some(run);
        Ok(if is_of_run { ControlFlow::Break(at) } else { ControlFlow::Continue(()) })
    })?;
    Ok(written.break_value().map(Timestamp::from_micros))
}

/// Returns the run of a step that was observed to write what `is_it` says.
fn observing_run(
    snapshot: &Snapshot,
    step: StepNo,
    is_it: &dyn Fn(&crate::store::Edge) -> bool,
) -> Result<Option<RunView>> {
    let edges = snapshot.edges(step)?;
    let edges = edges.filter(|edges| {
        edges.generated.iter().any(|edge| edge.evidence == Evidence::Observed && is_it(edge))
    });
    let run = edges.map_or(Ok(None), |edges| run_view(snapshot, edges.run))?;
    Ok(run.filter(|run| run.run.kind != RunKind::Import))
}

fn is_around(run: &RunView, span: Span) -> bool {
    let began = run.run.started_at.micros() <= span.started_at.micros() + ROUNDING_US;
    let inside_until = span.ended_at.unwrap_or(span.started_at).micros();
    began && run.ended_at().is_none_or(|ended_at| ended_at.micros() >= inside_until)
}
