//! What a pipeline run came to: counts over all of its filings, and the metrics of its folders.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Artifact, ArtifactPath, Digest, MetricValue, Run};
use crate::ops::pipeline::chain::OF_ONE_FILING;
use crate::ops::pipeline::stages::{Part, PipelineStage};
use crate::ops::pipeline::work::{Done, FilingOutcome};
use crate::projection::names::OutputFolder;

/// A filing that failed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    /// The filing.
    pub path: ArtifactPath,
    /// The stage that failed.
    pub stage: PipelineStage,
    /// Why.
    pub reason: String,
}

/// How often a stage's outputs came to be there in which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StageCount {
    /// Done.
    pub computed: u64,
    /// Taken over from an earlier run.
    pub cached: u64,
    /// Found done and unchanged.
    pub kept: u64,
    /// Found done, gone or altered on disk, and written again.
    pub restored: u64,
    /// Kept, but not to be written to their place. Those that were found done are not among the restored.
    pub unwritten: u64,
    /// Failed.
    pub failed: u64,
}

/// Everything there is to say at the end of a pipeline run.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The run; `None` for a dry run that would start one.
    pub run: Option<Run>,
    /// Whether an earlier run was taken up again.
    pub resumed: bool,
    /// Whether nothing was to be done.
    pub settled: bool,
    /// Whether this only looked.
    pub dry_run: bool,
    /// Filings in the run, those of earlier stretches too.
    pub filings: u64,
    /// Filings among them on which there was work in this stretch, or would be.
    pub pending: u64,
    /// Filings that were not tried because the run stopped early.
    pub untried: u64,
    /// Filings beyond the limit.
    pub beyond_limit: u64,
    /// The last stage that was asked for.
    pub last: PipelineStage,
    /// Bytes of the filings worked on in this stretch.
    pub bytes: u64,
    /// Microseconds this stretch took.
    pub took_us: i64,
    /// The stages.
    pub stages: BTreeMap<PipelineStage, StageCount>,
    /// Filings that failed.
    pub failures: BTreeSet<Failure>,
    /// Files with the same bytes as another: `(file, the other)`.
    pub duplicates: Vec<(ArtifactPath, ArtifactPath)>,
    /// Files in folders that are no filings.
    pub passed_over: Vec<ArtifactPath>,
    /// Folders that were not entered: linked ones, and those that lie too deep.
    pub not_entered: Vec<ArtifactPath>,
    /// The stems of filings that the run took up before and that are not among its inputs any more.
    pub absent: Vec<String>,
    /// Outputs that somebody had altered: what they held is kept under the digest.
    pub altered: Vec<(ArtifactPath, Digest)>,
    /// Outputs that are recorded and kept but could not be written to their place, and why.
    pub unwritten: Vec<(ArtifactPath, String)>,
    /// The run's folders, but for those to which nothing could be written.
    pub folders: Vec<String>,
    /// The run's metrics.
    pub metrics: Vec<(String, MetricValue)>,
    /// An output to look at first: the last stage of the first filing that has text in it.
    pub example: Option<ArtifactPath>,
    /// Extracted files of sections whose place is doubtful.
    pub doubtful: Vec<ArtifactPath>,
    /// Why the run stopped before its end.
    pub stopped: Option<String>,
    /// What is worth knowing and no failure.
    pub notes: Vec<String>,
}

impl Summary {
    /// Returns true where something failed: the exit code is 1 then.
    pub fn has_failed(&self) -> bool {
        !self.failures.is_empty() || !self.unwritten.is_empty() || self.stopped.is_some()
    }
}

/// One output of the run.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) output: Artifact,
    pub(crate) metrics: Vec<(String, MetricValue)>,
}

/// A failure in this stretch.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub(crate) stem: String,
    pub(crate) stage: PipelineStage,
    pub(crate) reason: String,
}

/// Outputs and failures of a run so far, over all of its stretches.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Outputs by stem and part.
    pub(crate) outputs: BTreeMap<(String, Part), Entry>,
    /// Failures by filing.
    pub(crate) failures: BTreeMap<ArtifactPath, Failed>,
    pub(crate) stages: BTreeMap<PipelineStage, StageCount>,
    /// Bytes of the filings worked on in this stretch.
    pub(crate) bytes: u64,
    /// How many those were.
    pub(crate) worked_on: u64,
    pub(crate) altered: Vec<(ArtifactPath, Digest)>,
    /// Outputs that were found done, and were to be written again.
    restored: BTreeSet<ArtifactPath>,
}

impl Tally {
    /// Returns the counts of the stages, where these outputs could not be written to their place.
    pub fn stages_without(&self, unwritten: &BTreeSet<&ArtifactPath>) -> BTreeMap<PipelineStage, StageCount> {
        let mut stages = self.stages.clone();
        for ((_, part), entry) in &self.outputs {
            if unwritten.contains(&entry.output.path) {
                let count = stages.entry(part.stage).or_default();
                count.unwritten += 1;
                count.restored -= u64::from(self.restored.contains(&entry.output.path));
            }
        }
        stages
    }

    /// Puts in an output of an earlier stretch.
    pub fn seed(&mut self, stem: String, part: Part, entry: Entry) {
        self.outputs.insert((stem, part), entry);
    }

    /// Adds a filing on which there was nothing to do.
    pub fn add_settled(&mut self, filing: &FilingOutcome) {
        self.count(filing);
    }

    /// Adds what became of a filing that was worked on.
    pub fn add(&mut self, filing: &FilingOutcome) {
        self.bytes += filing.size_bytes;
        self.worked_on += 1;
        self.count(filing);
        if let Some((stage, reason)) = &filing.failure {
            let (stem, stage, reason) = (filing.stem.clone(), *stage, reason.clone());
            // Outputs of an earlier stretch that were made from other bytes of this filing count no longer.
            let made: BTreeSet<Part> = filing.parts.iter().map(|part| part.part).collect();
            let stale: Vec<(String, Part)> = self
                .outputs
                .range((stem.clone(), Part::FIRST)..)
                .map(|(key, _)| key)
                .take_while(|(of, _)| *of == stem)
                .filter(|(_, part)| !made.contains(part))
                .cloned()
                .collect();
            for key in stale {
                self.outputs.remove(&key);
            }
            let failed = Failed { stem, stage, reason };
            self.failures.insert(filing.path.clone(), failed);
        }
    }

    fn count(&mut self, filing: &FilingOutcome) {
        if let (true, Some((stage, _))) = (filing.parts.is_empty(), &filing.failure) {
            self.stages.entry(*stage).or_default().failed += 1;
        }
        for part in &filing.parts {
            let count = self.stages.entry(part.part.stage).or_default();
            match part.done {
                Some(Done::Computed) => count.computed += 1,
                Some(Done::Cached) => count.cached += 1,
                Some(Done::Kept) => count.kept += 1,
                Some(Done::Restored) => count.restored += 1,
                None => count.failed += 1,
            }
            let key = (filing.stem.clone(), part.part);
            let Some(output) = &part.output else {
                self.outputs.remove(&key);
                continue;
            };
            if part.done == Some(Done::Restored) {
                self.restored.insert(output.path.clone());
            }
            self.altered.extend(part.altered.clone().map(|altered| (altered.path, altered.digest)));
            let entry = Entry { output: output.clone(), metrics: part.metrics.clone() };
            self.outputs.insert(key, entry);
        }
    }

    /// Returns how many filings are in the run: those with outputs, and those that failed.
    pub fn filings(&self) -> u64 {
        let with_outputs = self.outputs.keys().map(|(stem, _)| stem);
        let failed = self.failures.values().map(|failed| &failed.stem);
        with_outputs.chain(failed).collect::<BTreeSet<_>>().len() as u64
    }

    /// Returns the folders that have outputs, and of each its outputs.
    pub fn folders(&self) -> BTreeMap<OutputFolder, Vec<&Entry>> {
        let mut folders: BTreeMap<OutputFolder, Vec<&Entry>> = BTreeMap::new();
        for ((_, part), entry) in &self.outputs {
            folders.entry(part.stage.folder()).or_default().push(entry);
        }
        folders
    }

    /// Returns the metrics of a folder: sums of its outputs' counts; and how many filings the run has, and how many of them failed
    /// on the way to this folder, as its report counts them.
    pub fn metrics(&self, folder: OutputFolder) -> Vec<(String, MetricValue)> {
        let mut sums: BTreeMap<String, f64> = BTreeMap::new();
        for ((_, part), entry) in &self.outputs {
            if part.stage.folder() == folder {
                let counts = entry.metrics.iter().filter(|(name, _)| !OF_ONE_FILING.contains(&name.as_str()));
                for (name, value) in counts {
                    *sums.entry(name.clone()).or_default() += value.get();
                }
            }
        }
        let failed = self.failures.values().filter(|failed| failed.stage.folder() <= folder).count();
        sums.insert("filings".to_owned(), self.filings() as f64);
        sums.insert("filings_failed".to_owned(), failed as f64);
        sums.into_iter().filter_map(|(name, sum)| Some((name, MetricValue::new(sum).ok()?))).collect()
    }

    /// Returns the metrics of the whole run.
    pub fn run_metrics(&self) -> Vec<(String, MetricValue)> {
        let mut all: BTreeMap<String, MetricValue> = BTreeMap::new();
        for folder in self.folders().into_keys() {
            all.extend(self.metrics(folder));
        }
        let number = |count: usize| MetricValue::new(count as f64).ok();
        all.extend(number(self.filings() as usize).map(|count| ("filings".to_owned(), count)));
        all.extend(number(self.failures.len()).map(|count| ("filings_failed".to_owned(), count)));
        all.into_iter().collect()
    }

    /// Returns the outputs of sections whose place is doubtful.
    pub fn doubtful(&self) -> Vec<ArtifactPath> {
        let is_doubtful = |entry: &&Entry| entry.metrics.iter().any(|(name, _)| name == "sections_doubtful");
        self.outputs.values().filter(is_doubtful).map(|entry| entry.output.path.clone()).collect()
    }

    /// Returns the output to look at first.
    pub fn example(&self) -> Option<ArtifactPath> {
        let last = self.outputs.keys().map(|(_, part)| part.stage).max()?;
        let of_last = || self.outputs.iter().filter(|((_, part), _)| part.stage == last);
        let worth = |entry: &Entry| {
            entry.metrics.iter().any(|(name, value)| name.ends_with("segments") && value.get() > 0.0)
        };
        let best = of_last().find(|(_, entry)| worth(entry)).or_else(|| of_last().next());
        best.map(|(_, entry)| entry.output.path.clone())
    }
}

/// Counts how often each reason made a filing fail, the most frequent first.
pub fn failures_by_kind(summary: &Summary) -> Vec<(String, u64)> {
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for failure in &summary.failures {
        *kinds.entry(&failure.reason).or_default() += 1;
    }
    let kinds = kinds.into_iter();
    let mut kinds: Vec<(String, u64)> = kinds.map(|(reason, count)| (reason.to_owned(), count)).collect();
    kinds.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    kinds
}
