//! One of two runs that are compared: its steps in memory, and who wrote what.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::error::Result;
use crate::model::{
    Artifact, ArtifactPath, CaptureLevel, CodeState, Digest, Parameter, Remark, RemarkKind, Role, RunKind,
    Step, StepStatus, TOOL_PARAMETER, Timestamp,
};
use crate::query::diff::{DiffRun, StepEnd};
use crate::query::history::rerun_name;
use crate::query::report::RunHead;
use crate::store::Snapshot;

/// A run and its steps.
pub(super) struct Side {
    pub head: RunHead,
    /// In the order in which they ended.
    pub steps: Vec<Step>,
    folder_name: String,
    /// Who wrote an artifact, and when.
    writes: HashMap<Artifact, Vec<(Timestamp, usize)>>,
}

/// What makes a step of one run the same as a step of another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct StepKey {
    pub name: String,
    pub subject: String,
    pub parameters: Vec<Parameter>,
}

/// A write: the step's place in the run, and when.
pub(super) type Write = (usize, Timestamp);

impl Side {
    pub fn read(snapshot: &Snapshot, run: DiffRun) -> Result<Self> {
        let mut steps = snapshot.whole_steps_of(run.head.view.number)?;
        steps.sort_by_key(|step| (step.ended_at, step.id));
        let mut writes: HashMap<Artifact, Vec<(Timestamp, usize)>> = HashMap::new();
        for (at, step) in steps.iter().enumerate() {
            for edge in &step.generated {
                let places = writes.entry(edge.artifact.clone()).or_default();
                places.push((edge.at, at));
            }
        }
        Ok(Side { head: run.head, steps, folder_name: run.folder_name, writes })
    }

    /// Returns the command: that of the last time the run was taken up.
    pub fn arguments(&self) -> &[String] {
        let again = self.head.view.outcomes.iter().rev();
        let mut again = again.filter(|outcome| outcome.code.is_some());
        again.next().map_or(&self.head.view.run.arguments, |outcome| &outcome.arguments)
    }

    pub fn neutral_arguments(&self) -> Vec<String> {
        self.arguments().iter().map(|argument| self.neutral(argument)).collect()
    }

    /// Returns true where the two were told to do the same, as far as that is recorded.
    pub fn does_the_same(&self, other: &Side) -> bool {
        let [own, others] = [self, other].map(Side::neutral_arguments);
        self.head.view.run.kind == other.head.view.run.kind && own == others && !own.is_empty()
    }

    /// Returns true for a run of a command, whose steps are told by their command lines.
    pub fn is_command(&self) -> bool {
        self.head.view.run.kind == RunKind::Command
    }

    /// Returns true where no read of the run can have been missed.
    pub fn sees_all_reads(&self) -> bool {
        let view = &self.head.view;
        let is_unseen = |remark: &Remark| {
            matches!(remark.kind, RemarkKind::Unseen | RemarkKind::Fault) || remark.is_of_ignored_files()
        };
        view.run.kind == RunKind::Command
            && view.level() == Some(CaptureLevel::Net)
            && view.remarks.iter().all(|said| said.omitted == 0 && !said.remarks.iter().any(is_unseen))
    }

    /// Returns the code of the last time the run was taken up, and whether it had other code before.
    pub fn code(&self) -> (&CodeState, bool) {
        let first = &self.head.view.run.code;
        let later = self.head.view.outcomes.iter().filter_map(|outcome| outcome.code.as_ref());
        let mut states: Vec<&CodeState> = std::iter::once(first).chain(later).collect();
        let last = states.pop().unwrap_or(first);
        let files = |code: &CodeState| (code.commit.clone(), code.changed.clone());
        (last, states.iter().any(|code| files(code) != files(last)))
    }

    /// Writes a path or an argument without what names this run in it.
    pub fn neutral(&self, text: &str) -> String {
        let text = self.as_of_then(text).replace(&self.folder_name, "{run}");
        text.replace(self.head.recorded_label.as_str(), "{run_id}")
    }

    /// Writes what a repetition named as the run that it repeats would have.
    pub fn as_of_then(&self, text: &str) -> String {
        match self.head.view.run.rerun_of {
            Some(original) => text.replace(&format!("{}/", rerun_name(original)), ""),
            None => text.to_owned(),
        }
    }

    pub fn neutral_path(&self, path: &ArtifactPath) -> String {
        self.neutral(&path.to_string())
    }

    /// Returns the key of a step; without what it was done by, and without names of this run.
    pub fn key(&self, step: &Step) -> StepKey {
        let parameters = step.parameters.iter().filter(|(name, _)| name != TOOL_PARAMETER);
        StepKey {
            name: step.name.clone(),
            subject: self.neutral(&step.subject),
            parameters: parameters.cloned().collect(),
        }
    }

    /// Returns what became of a step.
    pub fn end(&self, step: &Step) -> StepEnd {
        match step.status {
            StepStatus::Succeeded => StepEnd::Succeeded,
            StepStatus::Failed => StepEnd::Failed(self.neutral(step.reason.as_deref().unwrap_or(""))),
        }
    }

    /// Returns what became of each step the last time it was tried.
    pub fn step_ends(&self) -> BTreeMap<StepKey, StepEnd> {
        self.steps.iter().map(|step| (self.key(step), self.end(step))).collect()
    }

    /// Returns all that the run read and did not write itself, by neutral path.
    pub fn found_there(&self) -> HashSet<(String, Digest)> {
        let edges = self.steps.iter().flat_map(|step| &step.used).map(|edge| &edge.artifact);
        let read = edges.filter(|file| file.has_content() && !self.writes.contains_key(*file));
        read.map(|file| (self.neutral_path(&file.path), file.digest)).collect()
    }

    /// Returns what the run read in the roles that `wanted` accepts and did not write itself, by neutral path.
    pub fn inputs(&self, wanted: &dyn Fn(Role) -> bool) -> BTreeMap<String, BTreeSet<Artifact>> {
        let mut inputs: BTreeMap<String, BTreeSet<Artifact>> = BTreeMap::new();
        let edges = self.steps.iter().flat_map(|step| &step.used);
        for edge in edges.filter(|edge| wanted(edge.role) && !self.writes.contains_key(&edge.artifact)) {
            let versions = inputs.entry(self.neutral_path(&edge.artifact.path)).or_default();
            versions.insert(edge.artifact.clone());
        }
        inputs
    }

    /// Lists what the run read of what another wrote, and it did not write itself.
    pub fn read_of(&self, other: &Side) -> Vec<Artifact> {
        let used = self.steps.iter().flat_map(|step| &step.used).map(|edge| &edge.artifact);
        let read = used.filter(|file| other.writes.contains_key(*file) && !self.writes.contains_key(*file));
        read.collect::<BTreeSet<_>>().into_iter().cloned().collect()
    }

    /// Returns every version of a path that the run read or wrote, in the roles that `wanted` accepts.
    pub fn touched(&self, wanted: &dyn Fn(Role) -> bool) -> BTreeMap<&ArtifactPath, BTreeSet<&Artifact>> {
        let mut touched: BTreeMap<&ArtifactPath, BTreeSet<&Artifact>> = BTreeMap::new();
        for step in &self.steps {
            let used = step.used.iter().map(|edge| (&edge.artifact, edge.role));
            let generated = step.generated.iter().map(|edge| (&edge.artifact, edge.role));
            for (artifact, _) in used.chain(generated).filter(|(_, role)| wanted(*role)) {
                touched.entry(&artifact.path).or_default().insert(artifact);
            }
        }
        touched
    }

    /// Returns the writes of a version up to `until`, which its steps made together; not those of `reader` itself.
    pub fn writes_of(&self, artifact: &Artifact, until: Timestamp, reader: Option<usize>) -> Vec<Write> {
        let places = self.writes.get(artifact).into_iter().flatten();
        let places = places.filter(|(at, step)| *at <= until && Some(*step) != reader);
        places.map(|(at, step)| (*step, *at)).collect()
    }
}
