//! Recording what became of filings, in batches, and projecting what is recorded.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::capture::git::CommitTree;
use crate::content::StagedContent;
use crate::disk::Together;
use crate::error::Result;
use crate::model::{ArtifactPath, Digest, Fact, Metric, MetricValue, NodeId, Role, Step, StepStatus};
use crate::ops::pipeline::request::Progress;
use crate::ops::pipeline::tally::Tally;
use crate::ops::pipeline::work::{FilingOutcome, Worked};
use crate::ops::{Recording, Workspace};
use crate::projection::{Placing, StagedFile};

/// As many filings are waited for to be recorded together, for [`BATCH_TIME`] at the longest.
const BATCH_FILINGS: usize = 16;
const BATCH_TIME: Duration = Duration::from_millis(500);
/// As many are recorded together at most, where more were ready while those before were recorded: the slower the disk, the more
/// filings share its time.
const BATCH_FILINGS_MAX: usize = 128;
/// A larger filing is not compared with the commit.
const COMPARED_MAX_BYTES: u64 = 64 << 20;
/// So many filings wait to be recorded before the workers wait.
pub const WAITING_FILINGS_MAX: usize = 64;

/// Takes what the workers have done, records it in batches, and projects what is recorded.
pub struct Recorder<'a> {
    /// The workspace.
    pub workspace: &'a Workspace,
    /// Forces what the workers have written to the disk.
    pub together: &'a Together,
    /// The way of outputs to their places.
    pub placing: &'a Placing<'a>,
    /// Counts them.
    pub tally: &'a mut Tally,
    /// Files that could not be written, and why.
    pub unwritten: &'a mut Vec<(ArtifactPath, String)>,
    /// Is told of them.
    pub progress: &'a dyn Progress,
    /// The commit that the run is of.
    pub commit: Option<CommitTree>,
}

impl Recorder<'_> {
    /// Records until all workers are done.
    ///
    /// # Errors
    /// A store error where something cannot be kept or recorded; what came before it is recorded all the same.
    pub fn record_all(
        &mut self,
        recording: &mut Recording,
        receiver: &mpsc::Receiver<Result<Worked>>,
    ) -> Result<()> {
        loop {
            let Ok(first) = receiver.recv() else { return Ok(()) };
            let mut batch = vec![first?];
            let mut failed = None;
            let deadline = Instant::now() + BATCH_TIME;
            while batch.len() < BATCH_FILINGS {
                match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                    Ok(Ok(worked)) => batch.push(worked),
                    Ok(Err(error)) => {
                        failed = Some(error);
                        break;
                    }
                    Err(_) => break,
                }
            }
            while failed.is_none() && batch.len() < BATCH_FILINGS_MAX {
                match receiver.try_recv() {
                    Ok(Ok(worked)) => batch.push(worked),
                    Ok(Err(error)) => failed = Some(error),
                    Err(_) => break,
                }
            }
            self.record(recording, batch)?;
            if let Some(error) = failed {
                return Err(error);
            }
        }
    }

    /// Keeps, records and projects what became of several filings.
    ///
    /// # Errors
    /// A store error where a content cannot be kept, after the filings whose contents could be are recorded.
    fn record(&mut self, recording: &mut Recording, mut batch: Vec<Worked>) -> Result<()> {
        self.together.sync(batch.iter_mut().flat_map(Worked::staged).collect());
        let contents: Vec<Option<StagedContent>> =
            batch.iter_mut().map(|worked| worked.contents.take()).collect();
        let has_contents: Vec<bool> = contents.iter().map(Option::is_some).collect();
        let contents = contents.into_iter().flatten().collect();
        let mut kept = self.workspace.contents().publish(self.together, contents).into_iter();
        let (mut whole, mut lost) = (Vec::with_capacity(batch.len()), None);
        for (worked, has_contents) in batch.into_iter().zip(has_contents) {
            match kept.by_ref().take(usize::from(has_contents)).collect::<Result<()>>() {
                Ok(()) => whole.push(worked),
                Err(error) => lost = lost.or(Some(error)),
            }
        }
        self.record_kept(recording, whole)?;
        lost.map_or(Ok(()), Err)
    }

    /// Records and projects filings whose contents are kept.
    fn record_kept(&mut self, recording: &mut Recording, mut batch: Vec<Worked>) -> Result<()> {
        for worked in &mut batch {
            self.mark_committed(&mut worked.outcome);
            record_filing(recording, &worked.outcome)?;
        }
        recording.commit()?;
        for Worked { outcome, files, unwritten, .. } in batch {
            self.unwritten.extend(unwritten.into_iter().map(|(path, error)| (path, error.in_full())));
            publish(self.placing, files, self.unwritten);
            self.tally.add(&outcome);
            self.progress.filing(&outcome);
        }
        Ok(())
    }
}

impl Recorder<'_> {
    /// Says of a filing that was read that the commit has it, with the same bytes.
    fn mark_committed(&self, filing: &mut FilingOutcome) {
        let steps = filing.parts.iter_mut().filter_map(|part| part.step.as_mut());
        let edges = steps.flat_map(|step| &mut step.used).filter(|edge| edge.artifact.path == filing.path);
        for edge in edges.filter(|edge| edge.artifact.size_bytes <= COMPARED_MAX_BYTES) {
            if self.committed(&filing.path) == Some(edge.artifact.digest) {
                edge.role = Role::DataTracked;
            }
        }
    }

    /// Returns the digest of what the commit has of a file.
    fn committed(&self, path: &ArtifactPath) -> Option<Digest> {
        let (tree, place) = (self.commit.as_ref()?, path.on_disk(self.workspace.root())?);
        let name = place.strip_prefix(tree.work_tree()?).ok()?;
        let (bytes, _) = tree.file(name.as_os_str().as_encoded_bytes()).ok()??;
        Some(Digest::of(&bytes))
    }
}

fn record_filing(recording: &mut Recording, filing: &FilingOutcome) -> Result<()> {
    for part in &filing.parts {
        if let Some(altered) = &part.altered {
            recording.add_overwritten(altered.clone())?;
        }
        let Some(step) = &part.step else { continue };
        // First, so that a step which is there has them, wherever the record is cut off.
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
        recording.add(&Fact::StepDone(step.clone()))?;
    }
    // A filing that could not even be read has no step of its own yet, and its failure is recorded as one.
    if let (true, Some((stage, reason))) = (filing.parts.is_empty(), &filing.failure) {
        let at = recording.now();
        recording.add(&Fact::StepDone(Step {
            subject: filing.path.to_string(),
            status: StepStatus::Failed,
            reason: Some(reason.clone()),
            ..Step::new(NodeId::new(at), recording.run().id, stage.as_str(), [at, at])
        }))?;
    }
    Ok(())
}

/// Gives files that were forced to the disk their names; those for which that fails are listed with the reason.
pub fn publish(placing: &Placing<'_>, files: Vec<StagedFile>, unwritten: &mut Vec<(ArtifactPath, String)>) {
    for file in files {
        let path = file.path().clone();
        if let Err(error) = placing.publish(file) {
            unwritten.push((path, error.in_full()));
        }
    }
}
