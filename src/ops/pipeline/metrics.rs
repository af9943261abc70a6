//! The metrics of a run: of each of its folders as `metrics.json`, and of the whole.

use crate::content::{Access, Group, StagedContent};
use crate::error::Result;
use crate::model::{Artifact, Digest, Evidence, Fact, Generated, NodeId, Role, Run, Step, Used};
use crate::ops::Recording;
use crate::ops::pipeline::record::publish;
use crate::ops::pipeline::resume::METRICS_STEP;
use crate::ops::pipeline::session::Session;
use crate::ops::pipeline::work::{Bench, lies_at, stage_over};
use crate::projection::{self, StagedFile, names};

/// The `metrics.json` of a folder, as it should be.
pub struct MetricsFile {
    /// The file.
    pub artifact: Artifact,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The outputs it is made from, by path: the first [`USED_MAX`] of them.
    pub named: Vec<Artifact>,
    /// How many there are.
    pub count: usize,
    /// The digest of all their paths and digests.
    pub outputs: Digest,
}

/// A metrics file names so many outputs one by one. A folder may hold several hundred thousand: the digest of them all says
/// whether any of them changed, and the steps of the run name each.
const USED_MAX: usize = 256;
/// The parameter of a metrics step that says how many outputs were counted.
const COUNT_PARAMETER: &str = "outputs";
/// The parameter that holds the digest of all of them.
const DIGEST_PARAMETER: &str = "outputs_digest";

/// Returns the digest of the outputs that a recorded metrics step counted.
pub fn counted_outputs(step: &Step) -> Option<Digest> {
    let found = step.parameters.iter().find(|(name, _)| name == DIGEST_PARAMETER);
    found.and_then(|(_, value)| value.parse().ok())
}

impl Session<'_> {
    /// Returns the metrics files of all folders of `run`.
    ///
    /// # Errors
    /// A request error where the name of the run makes no path.
    pub fn metrics_files(&self, run: &Run) -> Result<Vec<MetricsFile>> {
        let folders = self.tally.folders().into_iter();
        let files = folders.map(|(folder, entries)| {
            let mut outputs: Vec<&Artifact> = entries.into_iter().map(|entry| &entry.output).collect();
            outputs.sort();
            let bytes = projection::metrics_json(run, &self.tally.metrics(folder));
            Ok(MetricsFile {
                artifact: Artifact {
                    path: names::metrics_file(folder, run)?,
                    digest: Digest::of(&bytes),
                    size_bytes: bytes.len() as u64,
                },
                bytes,
                count: outputs.len(),
                outputs: digest_of_outputs(&outputs),
                named: outputs.into_iter().take(USED_MAX).cloned().collect(),
            })
        });
        files.collect()
    }

    /// Returns true where a metrics file is recorded as it should be.
    fn is_recorded(&self, file: &MetricsFile) -> bool {
        let prior = self.bench.prior;
        prior.counted.get(&file.artifact.path) == Some(&file.outputs)
            && prior.written.contains(&(file.artifact.path.clone(), file.artifact.digest))
    }

    /// Returns true where a metrics file lies on the disk as it should be.
    pub fn is_in_place(&self, file: &MetricsFile) -> bool {
        lies_at(&self.bench, &file.artifact.path) == Some(file.artifact.digest)
    }

    /// Records the run's metrics, and projects the metrics file of each of its folders.
    ///
    /// # Errors
    /// A store error where they cannot be recorded or kept.
    pub fn record_metrics(&mut self, recording: &mut Recording, run: &Run) -> Result<()> {
        let files = self.metrics_files(run)?;
        let Bench { workspace, together, placing, .. } = self.bench;
        let (mut group, mut staged) = (Group::new(Access::ALL), Vec::new());
        for file in &files {
            workspace.contents().add_to(&mut group, &file.artifact.digest, &file.bytes);
            if self.is_in_place(file) {
                continue;
            }
            let (altered, written) = stage_over(&self.bench, &file.artifact, &file.bytes)?;
            if let Some(altered) = altered {
                self.tally.altered.push((altered.path.clone(), altered.digest));
                recording.add_overwritten(altered)?;
            }
            match written {
                Ok(file) => staged.push(file),
                Err(error) => self.unwritten.push((file.artifact.path.clone(), error.in_full())),
            }
        }
        let mut contents: Vec<StagedContent> =
            workspace.contents().stage_group(together, group)?.into_iter().collect();
        let all = contents.iter_mut().map(StagedContent::file).chain(staged.iter_mut().map(StagedFile::file));
        together.sync(all.collect());
        workspace.contents().publish(together, contents).into_iter().collect::<Result<()>>()?;
        for file in files.iter().filter(|file| !self.is_recorded(file)) {
            recording.add(&Fact::StepDone(metrics_step(recording, file)))?;
        }
        recording.add_metrics(&self.tally.run_metrics())?;
        recording.commit()?;
        publish(placing, staged, &mut self.unwritten);
        Ok(())
    }
}

/// Returns the digest of the paths and digests of sorted outputs.
fn digest_of_outputs(outputs: &[&Artifact]) -> Digest {
    let mut lines = Vec::with_capacity(outputs.len() * 160);
    for output in outputs {
        lines.extend_from_slice(output.digest.to_string().as_bytes());
        lines.push(b' ');
        lines.extend_from_slice(output.path.as_bytes());
        // No path holds a line feed that is not its own: its length makes the list unmistakable.
        lines.extend_from_slice(format!(" {}\n", output.path.as_bytes().len()).as_bytes());
    }
    Digest::of(&lines)
}

fn metrics_step(recording: &Recording, file: &MetricsFile) -> Step {
    let started_at = recording.now();
    let used = file.named.iter().map(|artifact| Used {
        artifact: artifact.clone(),
        at: started_at,
        evidence: Evidence::Observed,
        role: Role::Data,
    });
    let ended_at = recording.now();
    Step {
        subject: file.artifact.path.to_string(),
        parameters: vec![
            (COUNT_PARAMETER.to_owned(), file.count.to_string()),
            (DIGEST_PARAMETER.to_owned(), file.outputs.to_string()),
        ],
        used: used.collect(),
        generated: vec![Generated {
            artifact: file.artifact.clone(),
            at: ended_at,
            evidence: Evidence::Observed,
            role: Role::Metrics,
        }],
        ..Step::new(NodeId::new(ended_at), recording.run().id, METRICS_STEP, [started_at, ended_at])
    }
}
