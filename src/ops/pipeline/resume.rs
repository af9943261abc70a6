//! Taking a run up again: which run, what it has done so far, what it was asked for, and that nobody else is at it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::filings::Section;
use crate::model::{ArtifactPath, CodeState, Digest, Run, RunKind, Step, StepStatus, TOOL_PARAMETER};
use crate::ops::here::find_run;
use crate::ops::named::place_on_disk;
use crate::ops::pipeline::inputs::Inputs;
use crate::ops::pipeline::metrics::counted_outputs;
use crate::ops::pipeline::request::{PipelineRequest, Resume};
use crate::ops::pipeline::stages::{Part, PipelineStage};
use crate::ops::pipeline::tally::{Entry, Tally};
use crate::ops::pipeline::work::{self, PriorStep};
use crate::ops::{Clock, Recording, View, Workspace};
use crate::query::{self, RunSelector, RunView};
use crate::store::Snapshot;

/// The name of the step that makes a folder's `metrics.json`.
pub const METRICS_STEP: &str = "metrics";

/// What a run has done before it was taken up again; empty for a new one.
#[derive(Debug, Default)]
pub struct Prior {
    /// Its successful steps, by key and the path of the output: two filings may come to equal keys, never to equal paths.
    pub steps: HashMap<(Digest, ArtifactPath), PriorStep>,
    /// All versions of all files that it wrote.
    pub written: HashSet<(ArtifactPath, Digest)>,
    /// The digest of the outputs that each of its metrics files was made from when it was last made.
    pub counted: HashMap<ArtifactPath, Digest>,
    /// The stem that each content of a filing had.
    pub stems: HashMap<Digest, String>,
    /// The filings that its steps read.
    read: HashSet<(ArtifactPath, Digest)>,
    /// The last stage of any of its steps.
    last: Option<PipelineStage>,
    /// The sections that its steps were asked for.
    sections: BTreeSet<Section>,
}

impl Prior {
    /// Reads what a run has done.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn read(snapshot: &Snapshot, view: &RunView) -> Result<(Prior, Tally)> {
        let mut steps = snapshot.whole_steps_of(view.number)?;
        steps.sort_by_key(|step| (step.ended_at, step.id));
        let (mut prior, mut tally) = (Prior::default(), Tally::default());
        for step in steps {
            prior.add(snapshot, step, &mut tally)?;
        }
        Ok((prior, tally))
    }

    /// Tells whether a filing was read with these bytes under the name that it has: under another one it is read again, so that what was
    /// made from it is known to come from where it lies.
    pub fn has_read(&self, path: &ArtifactPath, digest: Digest) -> bool {
        self.read.contains(&(path.clone(), digest))
    }

    /// Returns the stems of the filings that the run took up and that are not among `inputs`, which a limit may have cut.
    pub fn absent_from(&self, inputs: &Inputs) -> Vec<String> {
        if inputs.beyond_limit > 0 {
            return Vec::new();
        }
        let here: HashSet<&str> = inputs.filings.iter().map(|filing| filing.stem.as_str()).collect();
        let taken_up: BTreeSet<&String> = self.stems.values().collect();
        taken_up.into_iter().filter(|stem| !here.contains(stem.as_str())).cloned().collect()
    }

    fn add(&mut self, snapshot: &Snapshot, step: Step, tally: &mut Tally) -> Result<()> {
        let outputs = step.generated.iter().map(|generated| &generated.artifact);
        self.written.extend(outputs.map(|output| (output.path.clone(), output.digest)));
        if step.name == METRICS_STEP {
            if let Some(outputs) = counted_outputs(&step) {
                let files = step.generated.into_iter();
                self.counted.extend(files.map(|file| (file.artifact.path, outputs)));
            }
            return Ok(());
        }
        let Some((stem, part)) = part_of(&step) else {
            return Ok(());
        };
        self.last = self.last.max(Some(part.stage));
        self.sections.extend(asked_of(&step).or(part.section));
        if let (PipelineStage::Parse, [used]) = (part.stage, step.used.as_slice()) {
            self.stems.insert(used.artifact.digest, stem.clone());
            self.read.insert((used.artifact.path.clone(), used.artifact.digest));
        }
        let (StepStatus::Succeeded, Some(key), [output]) = (step.status, step.key, step.generated.as_slice())
        else {
            return Ok(());
        };
        let metrics = work::counts(snapshot, step.id)?;
        let output = output.artifact.clone();
        let entry = Entry { output: output.clone(), metrics: metrics.clone() };
        tally.seed(stem, part, entry);
        self.steps.insert((key, output.path.clone()), PriorStep { output, metrics });
        Ok(())
    }
}

/// Returns the stem and part that a recorded step was about.
pub fn part_of(step: &Step) -> Option<(String, Part)> {
    let stage = PipelineStage::from_name(&step.name).ok()?;
    let section = match parameter(step, "section") {
        Some(text) => Some(text.parse().ok()?),
        None => None,
    };
    Some((parameter(step, "stem")?.to_owned(), Part { stage, section }))
}

/// Returns the section that was asked for where the filing's form answered with another.
fn asked_of(step: &Step) -> Option<Section> {
    parameter(step, "asked")?.parse().ok()
}

fn parameter<'a>(step: &'a Step, name: &str) -> Option<&'a str> {
    step.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// What is to be done: the request, with what it left open filled in.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Files, folders and patterns, seen from `folder`.
    pub inputs: Vec<PathBuf>,
    /// The folder that `inputs` are seen from.
    pub folder: PathBuf,
    /// The last stage to do.
    pub last: PipelineStage,
    /// The sections to extract, in order.
    pub sections: Vec<Section>,
    /// How many filings to take at most.
    pub limit: Option<usize>,
}

impl Plan {
    /// Fills in what `request` leaves open: from the run that is taken up again, else from the defaults.
    pub fn new(root: &Path, request: &PipelineRequest, resumed: Option<(&Run, &Prior)>) -> Self {
        let parameter = |name: &str| -> Option<&str> {
            let (run, _) = resumed?;
            let found = run.parameters.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str())
        };
        let recorded_last = || {
            let started_with = parameter("stages").and_then(|name| PipelineStage::from_name(name).ok());
            started_with.max(resumed.and_then(|(_, prior)| prior.last))
        };
        let mut sections: BTreeSet<Section> = request.sections.iter().copied().collect();
        if let Some((_, prior)) = resumed {
            sections.extend(&prior.sections);
            let started_with = parameter("sections").unwrap_or("").split(',');
            sections.extend(started_with.filter_map(|text| text.parse::<Section>().ok()));
        }
        if sections.is_empty() {
            sections.insert(Section::RISK_FACTORS);
        }
        let recorded_inputs: Vec<PathBuf> = resumed.map_or_else(Vec::new, |(run, _)| {
            let inputs = run.parameters.iter().filter(|(name, _)| name == "input");
            inputs.map(|(_, text)| PathBuf::from(text)).collect()
        });
        let (inputs, folder) = if !request.inputs.is_empty() {
            (request.inputs.clone(), request.folder.clone())
        } else if !recorded_inputs.is_empty() {
            (recorded_inputs, root.to_owned())
        } else {
            (vec![PathBuf::from("data/raw")], root.to_owned())
        };
        let recorded_limit = || parameter("limit").and_then(|text| text.parse().ok());
        Plan {
            inputs,
            folder,
            last: request.last.or_else(recorded_last).unwrap_or(PipelineStage::Segment),
            sections: sections.into_iter().collect(),
            limit: request.limit.or_else(recorded_limit).filter(|limit| *limit > 0),
        }
    }

    /// Returns the parameters to record with a new run.
    pub fn parameters(&self, root: &Path) -> Vec<(String, String)> {
        let named = |name: &str, value: String| (name.to_owned(), value);
        let sections: Vec<String> = self.sections.iter().map(|s| s.identifier()).collect();
        let mut parameters = vec![
            named("stages", self.last.as_str().to_owned()),
            named("sections", sections.join(",")),
            named(TOOL_PARAMETER, format!("filings {}", crate::filings::VERSION)),
        ];
        parameters.extend(self.limit.map(|limit| named("limit", limit.to_string())));
        let inputs = self.inputs.iter();
        let inputs = inputs.map(|input| {
            let place = place_on_disk(&self.folder, input).unwrap_or_else(|_| self.folder.join(input));
            named("input", input_parameter(root, &place))
        });
        parameters.extend(inputs);
        parameters
    }
}

/// Writes an input as seen from the root, so that a resume from any folder means the same files; the root itself as `.`.
pub(in crate::ops) fn input_parameter(root: &Path, input: &Path) -> String {
    match ArtifactPath::within(root, input) {
        Ok(path) => path.to_string(),
        Err(_) => ".".to_owned(),
    }
}

/// Finds the run to take up again; `None` where a new one is to be started.
///
/// # Errors
/// A request error where the run that was named is not there, is no pipeline run, has another name, or is still going on.
pub fn find(
    workspace: &Workspace,
    view: &View,
    request: &PipelineRequest,
    notes: &mut Vec<String>,
) -> Result<Option<RunView>> {
    let found = match &request.resume {
        Resume::No => return Ok(None),
        Resume::Run(selector) => {
            let number = find_run(workspace, &view.snapshot, selector)?;
            query::run_view(&view.snapshot, number)?
        }
        Resume::Latest => query::latest_run(&view.snapshot, &|run: &Run| {
            run.kind == RunKind::Pipeline && request.name.as_ref().is_none_or(|name| *name == run.name)
        })?,
    };
    let Some(found) = found else {
        let named = match &request.name {
            Some(name) => format!(" called `{name}`"),
            None => String::new(),
        };
        notes.push(format!("no pipeline run{named} to resume: this is a new one"));
        return Ok(None);
    };
    let run = &found.run;
    if run.kind != RunKind::Pipeline {
        return Err(Error::request(format!("run {} is no pipeline run", run.run_id))
            .hint("`lineage log` lists the runs and what they are"));
    }
    if let Some(name) = request.name.as_ref().filter(|name| **name != run.name) {
        return Err(Error::request(format!(
            "run {} is called `{}`, not `{name}`: a run keeps its name",
            run.run_id, run.name
        ))
        .hint("leave out `--run-name`, or leave out `--resume` to start a new run"));
    }
    refuse_living(workspace, &found)?;
    Ok(Some(found))
}

/// Refuses a run whose process still works on it.
fn refuse_living(workspace: &Workspace, view: &RunView) -> Result<()> {
    if view.ended_at().is_none() && workspace.is_alive(view.live_segment()) {
        return Err(Error::request(format!("run {} is still going on", view.run.run_id)).hint(
            "wait until it has ended, or start a run of its own without `--resume`; nothing was changed",
        ));
    }
    Ok(())
}

/// Takes the run up again, and decides under the workspace's lock that nobody else does.
///
/// # Errors
/// A request error where somebody else has taken it up meanwhile; a store error where nothing can be recorded.
pub fn take_up(
    workspace: &Workspace,
    clock: &Clock,
    view: &RunView,
    arguments: Vec<String>,
    code: CodeState,
) -> Result<Recording> {
    let lock = workspace.lock_to_change()?;
    // What cannot be applied now is told when the run ends and applies all there is once more.
    let _ = workspace.apply(&lock);
    if let Some(snapshot) = workspace.store().snapshot()? {
        let number = query::find_run(&snapshot, &RunSelector::Tail(view.run.id.hex()))?;
        if let Some(now) = query::run_view(&snapshot, number)? {
            refuse_living(workspace, &now)?;
            if now.outcomes != view.outcomes {
                return Err(Error::request(format!(
                    "run {} was taken up by another process just now",
                    view.run.run_id
                ))
                .hint(
                    "give the same command again to see whether anything is left to do; nothing was changed",
                ));
            }
        }
    }
    Recording::resume(workspace, clock, view, arguments, code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_found_again_by_its_parameter_whatever_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let check = |name: &[u8], expected: &str| {
            let path = ArtifactPath::from_bytes(name.to_vec()).unwrap();
            let file = path.on_disk(&root).unwrap();
            std::fs::write(&file, "x").unwrap();
            let text = input_parameter(&root, &file);
            assert_eq!(text, expected);
            assert_eq!(place_on_disk(&root, &text).unwrap(), file);
        };
        check(b"a.txt", "a.txt");
        check(b"a\x1b[31m\n.txt", "a\\x1b[31m\\x0a.txt");
        check(b"back\\x41slash.txt", "back\\x5cx41slash.txt");
        #[cfg(target_os = "linux")]
        check(b"not\xffutf8.txt", "not\\xffutf8.txt");
        assert_eq!(input_parameter(&root, &root.join("data/..")), ".");
    }
}
