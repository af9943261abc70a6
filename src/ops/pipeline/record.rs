//! Recording what became of filings, in batches, and projecting what is recorded.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::content::Packed;
use crate::error::Result;
use crate::model::{ArtifactPath, Fact, Metric, MetricValue, NodeId, Step, StepStatus};
use crate::ops::pipeline::request::Progress;
use crate::ops::pipeline::tally::Tally;
use crate::ops::pipeline::work::FilingOutcome;
use crate::ops::{Recording, Workspace};
use crate::projection;

/// As many filings are recorded together at most, and at least once in [`BATCH_TIME`].
pub const BATCH_FILINGS: usize = 16;
const BATCH_TIME: Duration = Duration::from_millis(500);

/// Takes outcomes from the workers, records them in batches, and projects what is recorded.
pub struct Recorder<'a> {
    /// The workspace.
    pub workspace: &'a Workspace,
    /// Counts them.
    pub tally: &'a mut Tally,
    /// Files that could not be written, and why.
    pub unwritten: &'a mut Vec<(ArtifactPath, String)>,
    /// Is told of them.
    pub progress: &'a dyn Progress,
}

impl Recorder<'_> {
    /// Records until all workers are done.
    ///
    /// # Errors
    /// A store error where something cannot be kept or recorded; what came before it is recorded all the same.
    pub fn record_all(
        &mut self,
        recording: &mut Recording,
        receiver: &mpsc::Receiver<Result<FilingOutcome>>,
    ) -> Result<()> {
        loop {
            let Ok(first) = receiver.recv() else { return Ok(()) };
            let mut batch = vec![first?];
            let mut failed = None;
            let deadline = Instant::now() + BATCH_TIME;
            while batch.len() < BATCH_FILINGS {
                match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                    Ok(Ok(outcome)) => batch.push(outcome),
                    Ok(Err(error)) => {
                        failed = Some(error);
                        break;
                    }
                    Err(_) => break,
                }
            }
            self.record(recording, &batch)?;
            if let Some(error) = failed {
                return Err(error);
            }
        }
    }

    /// Keeps, records and projects what became of several filings.
    ///
    /// # Errors
    /// A store error where a content cannot be kept, after the filings whose contents could be are recorded.
    fn record(&mut self, recording: &mut Recording, batch: &[FilingOutcome]) -> Result<()> {
        let packed =
            |filing: &FilingOutcome| filing.parts.iter().filter(|part| part.content.is_some()).count();
        let contents: Vec<&Packed> =
            batch.iter().flat_map(|filing| &filing.parts).filter_map(|part| part.content.as_ref()).collect();
        let mut kept = self.workspace.contents().keep_packed(&contents).into_iter();
        let (mut whole, mut lost) = (Vec::with_capacity(batch.len()), None);
        for filing in batch {
            let results: Vec<Result<()>> = kept.by_ref().take(packed(filing)).collect();
            match results.into_iter().collect::<Result<()>>() {
                Ok(()) => whole.push(filing),
                Err(error) => lost = lost.or(Some(error)),
            }
        }
        self.record_kept(recording, &whole)?;
        lost.map_or(Ok(()), Err)
    }

    /// Records and projects filings whose contents are kept.
    fn record_kept(&mut self, recording: &mut Recording, batch: &[&FilingOutcome]) -> Result<()> {
        for filing in batch {
            record_filing(recording, filing)?;
        }
        recording.commit()?;
        let parts = batch.iter().flat_map(|filing| &filing.parts);
        let files: Vec<(&ArtifactPath, &[u8])> = parts
            .filter_map(|part| Some((&part.output.as_ref()?.path, part.bytes.as_ref()?.as_slice())))
            .collect();
        write_out(self.workspace, &files, self.unwritten);
        for filing in batch {
            self.tally.add(filing);
            self.progress.filing(filing);
        }
        Ok(())
    }
}

fn record_filing(recording: &mut Recording, filing: &FilingOutcome) -> Result<()> {
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

/// Projects files; those that cannot be written are listed with the reason.
pub fn write_out(
    workspace: &Workspace,
    files: &[(&ArtifactPath, &[u8])],
    unwritten: &mut Vec<(ArtifactPath, String)>,
) {
    let results = projection::write_files(workspace.disk(), workspace.root(), files);
    for ((path, _), result) in files.iter().zip(results) {
        if let Err(error) = result {
            unwritten.push(((*path).clone(), error.to_string()));
        }
    }
}
