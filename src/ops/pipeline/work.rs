//! The work on one filing: its stages in order, each done, taken over from an earlier run, or found done already.

use std::collections::VecDeque;
use std::path::Path;

use crate::content::{Access, Group, StagedContent};
use crate::disk::{Staged, Together};
use crate::error::{Error, Result};
use crate::filings::{self, Section};
use crate::model::{
    Artifact, ArtifactPath, Digest, Evidence, Generated, MetricValue, NodeId, Parameter, Role, Run, Step,
    StepStatus, TOOL_PARAMETER, Timestamp, Used,
};
use crate::ops::pipeline::chain::{self, Chain, Made, form_of};
use crate::ops::pipeline::inputs::FilingInput;
use crate::ops::pipeline::reading;
use crate::ops::pipeline::resume::Prior;
use crate::ops::pipeline::stages::{Part, PipelineStage};
use crate::ops::pipeline::workers::ComingRun;
use crate::ops::{Clock, Workspace};
use crate::projection::{Lies, Placing, StagedFile, look};
use crate::store::Snapshot;

/// What the work on filings needs to know; the same for all of them.
pub struct Bench<'a> {
    /// The workspace.
    pub workspace: &'a Workspace,
    /// What was recorded before.
    pub snapshot: &'a Snapshot,
    /// Puts outputs and their contents on the disk together.
    pub together: &'a Together,
    /// The way of outputs to their places.
    pub placing: &'a Placing<'a>,
    /// The clock.
    pub clock: &'a Clock,
    /// The last stage to do.
    pub last: PipelineStage,
    /// The sections to extract.
    pub sections: &'a [Section],
    /// Whether outputs of earlier runs may be taken over.
    pub use_cache: bool,
    /// What this run has done before it was taken up again.
    pub prior: &'a Prior,
}

/// A step that this run has done before it was taken up again.
#[derive(Debug, Clone)]
pub struct PriorStep {
    /// Its output.
    pub output: Artifact,
    /// Its counts.
    pub metrics: Vec<(String, MetricValue)>,
}

/// How a stage's output came to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Done {
    /// The work was done.
    Computed,
    /// An earlier run's output was taken over.
    Cached,
    /// This run had done it before, and the file lies there unchanged.
    Kept,
    /// This run had done it before, but the file was gone or altered, and is written again.
    Restored,
}

/// What became of one stage of one filing.
#[derive(Debug, Clone)]
pub struct PartOutcome {
    /// The stage and section.
    pub part: Part,
    /// How the output came to be there; `None` where the stage failed.
    pub done: Option<Done>,
    /// The output.
    pub output: Option<Artifact>,
    /// Its counts.
    pub metrics: Vec<(String, MetricValue)>,
    /// The step to record, where there is one.
    pub step: Option<Step>,
    /// What lay at the output's path although this run never wrote it: kept before it is written over.
    pub altered: Option<Artifact>,
}

/// What became of one filing.
#[derive(Debug, Clone)]
pub struct FilingOutcome {
    /// The filing.
    pub path: ArtifactPath,
    /// The front of its outputs' names.
    pub stem: String,
    /// Its size, in bytes.
    pub size_bytes: u64,
    /// Its stages, in order, up to the first that failed.
    pub parts: Vec<PartOutcome>,
    /// The stage that failed and why.
    pub failure: Option<(PipelineStage, String)>,
}

/// A filing that was worked on, with what is to be kept and projected of it.
#[derive(Debug)]
pub struct Worked {
    /// What became of it.
    pub outcome: FilingOutcome,
    /// Its outputs as contents, to be kept before its steps are recorded; not those that are kept already.
    pub contents: Option<StagedContent>,
    /// Its outputs, to be given their names when its steps are recorded; not those that lie there already.
    pub files: Vec<StagedFile>,
    /// Outputs that cannot be written to their places, and why.
    pub unwritten: Vec<(ArtifactPath, Error)>,
}

impl Worked {
    /// Returns all that is to be forced to the disk before the steps are recorded.
    pub fn staged(&mut self) -> impl Iterator<Item = &mut Staged> {
        let contents = self.contents.as_mut().map(StagedContent::file).into_iter();
        contents.chain(self.files.iter_mut().map(StagedFile::file))
    }
}

/// Looks whether `filing` is done already in this run, without doing anything; `None` where there is work.
pub fn settled(bench: &Bench<'_>, run: &Run, filing: &FilingInput) -> Option<FilingOutcome> {
    let mut parts: Vec<PartOutcome> = Vec::new();
    let mut waiting = VecDeque::from([(Part::FIRST, None)]);
    let mut input = filing.digest.filter(|digest| bench.prior.has_read(&filing.path, *digest))?;
    while let Some((part, _)) = waiting.pop_front() {
        if part.stage == PipelineStage::Extract {
            input = parts.first()?.output.as_ref()?.digest;
        }
        let path = part.path(run, &filing.stem).ok()?;
        let prior = bench.prior.steps.get(&(part.key(&input), path))?;
        if lies_at(bench, &prior.output.path)? != prior.output.digest {
            return None;
        }
        input = prior.output.digest;
        parts.push(PartOutcome {
            part,
            done: Some(Done::Kept),
            output: Some(prior.output.clone()),
            metrics: prior.metrics.clone(),
            step: None,
            altered: None,
        });
        if part == Part::FIRST {
            waiting.extend(parts_after(bench, &prior.metrics));
        }
    }
    Some(FilingOutcome {
        path: filing.path.clone(),
        stem: filing.stem.clone(),
        size_bytes: filing.size_bytes,
        parts,
        failure: None,
    })
}

/// Returns the digest of the file at an output's path; `None` where there is none, or what lies there is no file.
pub fn lies_at(bench: &Bench<'_>, path: &ArtifactPath) -> Option<Digest> {
    let place = path.on_disk(bench.workspace.root())?;
    bench.workspace.digests().of(&place).ok()
}

/// Stages an output for its place; returns what somebody else had written there, which is kept first: nobody's edit is lost. What
/// cannot be kept is not written over.
///
/// # Errors
/// A store error where the disk does not take what is to be kept. That the output cannot be staged is in the result.
pub fn stage_over(
    bench: &Bench<'_>,
    output: &Artifact,
    bytes: &[u8],
) -> Result<(Option<Artifact>, Result<StagedFile>)> {
    let altered = match output.path.on_disk(bench.workspace.root()) {
        Some(place) => match look(&place, bench.workspace.digests()) {
            Lies::File(digest) => keep_altered(bench, output, &place, &digest)?,
            Lies::Nothing => None,
            Lies::Blocked(reason) => {
                let error = Error::store(format!("cannot write `{}`", output.path)).because(reason);
                return Ok((None, Err(error)));
            }
        },
        None => None,
    };
    Ok((altered, bench.placing.stage(&output.path, bytes)))
}

/// Keeps the file at an output's place, unless this run has written it there.
fn keep_altered(
    bench: &Bench<'_>,
    output: &Artifact,
    place: &Path,
    digest: &Digest,
) -> Result<Option<Artifact>> {
    if *digest == output.digest || bench.prior.written.contains(&(output.path.clone(), *digest)) {
        return Ok(None);
    }
    let (digest, size_bytes) = bench.workspace.contents().keep_place(bench.workspace.root(), place)?;
    Ok(Some(Artifact { path: output.path.clone(), digest, size_bytes }))
}

/// Returns what is to be done on a filing once it is parsed, section by section, each with the section that was asked for:
/// its form, which the counts of its parsing tell, has items of its own.
fn parts_after(bench: &Bench<'_>, parsed: &[(String, MetricValue)]) -> Vec<(Part, Option<Section>)> {
    let mut parts = Vec::new();
    for (section, asked) in Section::answering(bench.sections, form_of(parsed)) {
        let stages = PipelineStage::ALL.into_iter().skip(1).filter(|stage| *stage <= bench.last);
        parts.extend(stages.map(|stage| (Part { stage, section: Some(section) }, Some(asked))));
    }
    parts
}

/// Works on one filing of `run`, reading and parsing it while the start of the run is still being recorded; `None` where that
/// fails.
///
/// # Errors
/// A store error where contents cannot be kept: then nothing more should be tried. What is wrong with the filing is no error
/// but an outcome.
pub fn work(bench: &Bench<'_>, run: &ComingRun, filing: &FilingInput) -> Result<Option<Worked>> {
    let outcome = FilingOutcome {
        path: filing.path.clone(),
        stem: filing.stem.clone(),
        size_bytes: filing.size_bytes,
        parts: Vec::new(),
        failure: None,
    };
    let mut worked = Worked { outcome, contents: None, files: Vec::new(), unwritten: Vec::new() };
    let read_at = run.is_here().then(|| bench.clock.now());
    let read = reading::read(&filing.file);
    let mut chain = Chain::new(read.as_ref().map_or(&[], |read| &read.front));
    if let (None, Ok(read)) = (read_at, &read)
        && !may_be_done(bench, &read.digest)?
    {
        chain.parse_ahead();
    }
    let Some(run) = run.wait() else { return Ok(None) };
    // Nothing in a run is older than the run, and the clock of the workspace is right only when its start is recorded.
    let read_at = read_at.unwrap_or_else(|| bench.clock.now());
    let read = match &read {
        Ok(read) => read,
        Err(cause) => {
            worked.outcome.failure = Some((PipelineStage::Parse, format!("cannot read the file: {cause}")));
            return Ok(Some(worked));
        }
    };
    // What was read is what counts, should the file have changed since it was listed.
    let artifact = Artifact { path: filing.path.clone(), digest: read.digest, size_bytes: read.size_bytes };
    worked.outcome.size_bytes = artifact.size_bytes;
    let mut work = Work { bench, run, filing, chain, group: Group::new(Access::ALL), worked };
    let mut input = (artifact, read_at);
    let mut waiting = VecDeque::from([(Part::FIRST, None)]);
    while let Some((part, asked)) = waiting.pop_front() {
        if part.stage == PipelineStage::Extract {
            let parsed = work.worked.outcome.parts.first().and_then(|first| first.output.clone());
            input = (
                parsed.ok_or_else(|| Error::bug("a filing was extracted before it was parsed"))?,
                bench.clock.now(),
            );
        }
        match work.part(part, asked, &input.0, input.1)? {
            Some(output) => input = (output, bench.clock.now()),
            None => break,
        }
        if part == Part::FIRST {
            let parsed = work.worked.outcome.parts.first().map_or(&[][..], |first| &first.metrics);
            waiting.extend(parts_after(bench, parsed));
        }
    }
    let Work { group, mut worked, .. } = work;
    worked.contents = bench.workspace.contents().stage_group(bench.together, group)?;
    Ok(Some(worked))
}

/// Returns true where the parsing of a filing may have been done before.
fn may_be_done(bench: &Bench<'_>, filing: &Digest) -> Result<bool> {
    let is_known = || Ok(!bench.snapshot.steps_by_key(&Part::FIRST.key(filing))?.is_empty());
    if bench.use_cache && bench.prior.steps.is_empty() { is_known() } else { Ok(bench.use_cache) }
}

/// What an earlier step with the same key has made.
struct Cached {
    made: Made,
    /// The step that did the work.
    from: NodeId,
    /// What it said of the filing.
    facts: Vec<Parameter>,
}

struct Work<'a> {
    bench: &'a Bench<'a>,
    run: &'a Run,
    filing: &'a FilingInput,
    chain: Chain<'a>,
    /// Its outputs as contents.
    group: Group,
    worked: Worked,
}

impl Work<'_> {
    /// Does one part; returns its output, `None` where it failed.
    fn part(
        &mut self,
        part: Part,
        asked: Option<Section>,
        input: &Artifact,
        read_at: Timestamp,
    ) -> Result<Option<Artifact>> {
        let key = part.key(&input.digest);
        let path = part.path(self.run, &self.filing.stem)?;
        let started_at = self.bench.clock.now();
        let is_known_by_its_name =
            part != Part::FIRST || self.bench.prior.has_read(&input.path, input.digest);
        if self.bench.use_cache
            && is_known_by_its_name
            && let Some(prior) = self.bench.prior.steps.get(&(key, path.clone()))
            && let Some(output) = self.take_up(part, prior)?
        {
            return Ok(Some(output));
        }
        let (bytes, metrics, cached_from, facts) = match self.cached(&key)? {
            Some(Cached { made: (bytes, metrics), from, facts }) => (bytes, metrics, Some(from), facts),
            None => match self.chain.compute(part) {
                Ok((bytes, metrics)) => (bytes, metrics, None, self.chain.facts()),
                Err(reason) => {
                    let step = self.step(part, asked, key, input, read_at, started_at);
                    self.fail(part, step, reason);
                    return Ok(None);
                }
            },
        };
        let digest = Digest::of(&bytes);
        self.bench.workspace.contents().add_to(&mut self.group, &digest, &bytes);
        let output = Artifact { path, digest, size_bytes: bytes.len() as u64 };
        let at = self.bench.clock.now();
        let mut step = self.step(part, asked, key, input, read_at, started_at);
        step.cached_from = cached_from;
        if part.stage == PipelineStage::Parse {
            // Said as facts, so that a report on the run need read no output.
            step.parameters.extend(facts);
        }
        step.generated =
            vec![Generated { artifact: output.clone(), at, evidence: Evidence::Observed, role: Role::Data }];
        let altered = self.project(&output, &bytes)?;
        self.worked.outcome.parts.push(PartOutcome {
            part,
            done: Some(if cached_from.is_some() { Done::Cached } else { Done::Computed }),
            output: Some(output.clone()),
            metrics,
            step: Some(step),
            altered,
        });
        Ok(Some(output))
    }

    /// Finds what this run has done before; brings the file back where it is gone or altered. `None` where the kept content
    /// is gone too, and the work must be done again.
    fn take_up(&mut self, part: Part, prior: &PriorStep) -> Result<Option<Artifact>> {
        let whole = lies_at(self.bench, &prior.output.path) == Some(prior.output.digest);
        let (done, bytes) = if whole {
            (Done::Kept, None)
        } else {
            match self.bench.workspace.contents().read(&prior.output.digest) {
                Ok(Some(bytes)) => (Done::Restored, Some(bytes)),
                // Lost or damaged: the step is done again, which keeps the content anew.
                Ok(None) | Err(_) => return Ok(None),
            }
        };
        let altered = match bytes {
            Some(bytes) => self.project(&prior.output, &bytes)?,
            None => None,
        };
        self.worked.outcome.parts.push(PartOutcome {
            part,
            done: Some(done),
            output: Some(prior.output.clone()),
            metrics: prior.metrics.clone(),
            step: None,
            altered,
        });
        Ok(Some(prior.output.clone()))
    }

    /// Finds an earlier step with the same key whose output is kept and whole.
    fn cached(&self, key: &Digest) -> Result<Option<Cached>> {
        if !self.bench.use_cache {
            return Ok(None);
        }
        let snapshot = self.bench.snapshot;
        for step_no in snapshot.steps_by_key(key)? {
            let Some(step) = snapshot.step(step_no)? else {
                continue;
            };
            let [output] = step.generated.as_slice() else {
                continue;
            };
            if step.status != StepStatus::Succeeded || step.key != Some(*key) {
                continue;
            }
            // A damaged copy is as good as none: the work is done again, and keeps it anew.
            if let Ok(Some(bytes)) = self.bench.workspace.contents().read(&output.artifact.digest) {
                let from = step.cached_from.unwrap_or(step.id);
                let made = (bytes, counts(snapshot, step.id)?);
                let is_fact = |(name, _): &Parameter| chain::FACTS.contains(&name.as_str());
                let facts = step.parameters.into_iter().filter(is_fact).collect();
                return Ok(Some(Cached { made, from, facts }));
            }
        }
        Ok(None)
    }

    /// Writes an output beside its place.
    /// Stages an output; returns what somebody else had written to its place.
    fn project(&mut self, output: &Artifact, bytes: &[u8]) -> Result<Option<Artifact>> {
        let (altered, staged) = stage_over(self.bench, output, bytes)?;
        match staged {
            Ok(file) => self.worked.files.push(file),
            Err(error) => self.worked.unwritten.push((output.path.clone(), error)),
        }
        Ok(altered)
    }

    fn fail(&mut self, part: Part, mut step: Step, reason: String) {
        step.status = StepStatus::Failed;
        step.reason = Some(reason.clone());
        self.worked.outcome.parts.push(PartOutcome {
            part,
            done: None,
            output: None,
            metrics: Vec::new(),
            step: Some(step),
            altered: None,
        });
        self.worked.outcome.failure = Some((part.stage, reason));
    }

    fn step(
        &self,
        part: Part,
        asked: Option<Section>,
        key: Digest,
        input: &Artifact,
        read_at: Timestamp,
        started_at: Timestamp,
    ) -> Step {
        let mut parameters: Vec<Parameter> = vec![("stem".to_owned(), self.filing.stem.clone())];
        if let Some(section) = part.section {
            parameters.push(("section".to_owned(), section.identifier()));
        }
        // The form may answer with another item than was asked for; a run taken up again asks for the same.
        if let Some(asked) = asked.filter(|asked| Some(*asked) != part.section) {
            parameters.push(("asked".to_owned(), asked.identifier()));
        }
        parameters.push((TOOL_PARAMETER.to_owned(), format!("filings {}", filings::VERSION)));
        let ended_at = self.bench.clock.now();
        Step {
            subject: self.filing.path.to_string(),
            parameters,
            key: Some(key),
            used: vec![Used {
                artifact: input.clone(),
                at: read_at,
                evidence: Evidence::Observed,
                role: Role::Data,
            }],
            ..Step::new(NodeId::new(ended_at), self.run.id, part.stage.as_str(), [started_at, ended_at])
        }
    }
}

/// Reads the counts of a step.
pub fn counts(snapshot: &Snapshot, step: NodeId) -> Result<Vec<(String, MetricValue)>> {
    Ok(snapshot.metrics(step)?.into_iter().map(|point| (point.name, point.value)).collect())
}
