//! What the kept contents are needed for: one list, by which `gc` lets nothing of it go and `verify` looks for what must be there.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::error::Result;
use crate::model::{
    Artifact, ChangedFile, CodeState, Digest, Fact, ModelVersion, NodeId, Removed, Role, Run, RunKind, Step,
};
use crate::ops::settings::KeepPolicy;
use crate::query::registry::model_view;
use crate::store::{GO_ON, RunNo, Snapshot};

/// The contents that facts name.
#[derive(Default)]
pub(super) struct Needed {
    /// All that stay.
    pub(super) contents: HashSet<Digest>,
    /// Those among them that must be there, each with what needs it: whoever recorded them had kept them before. Of all others it
    /// is not recorded whether they could be kept.
    pub(super) promised: BTreeMap<Digest, Promise>,
    /// Outputs of commands that the policy does not keep.
    pub(super) beyond: HashSet<Digest>,
    /// Inputs, and files that differed from a commit, that it does not keep.
    pub(super) inputs_beyond: HashSet<Digest>,
    /// Files of model versions that were withdrawn.
    pub(super) withdrawn: HashSet<Digest>,
}

/// A content that must be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Promise {
    /// What needs it, in words.
    pub(super) by: String,
    /// Whether a file that holds the bytes does as well as a kept content: what is large and was registered may lie nowhere else.
    pub(super) a_file_will_do: bool,
    /// Whether it was recorded here: what was recorded elsewhere and taken over need never have been kept here.
    pub(super) is_from_here: bool,
}

impl Needed {
    /// Goes through all facts. On `policy` depends which inputs and outputs of commands stay, and nothing of what is promised; on
    /// `is_from_here` which of the promises were made here.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub(super) fn of(
        snapshot: &Snapshot,
        policy: &KeepPolicy,
        is_from_here: &mut dyn FnMut(RunNo) -> bool,
    ) -> Result<Self> {
        let mut runs: HashMap<NodeId, Recorded> = HashMap::new();
        snapshot.runs_newest_first(|number| {
            let run = snapshot.run(number)?;
            runs.extend(run.map(|run| (run.id, Recorded::of(&run, is_from_here(number)))));
            Ok(GO_ON)
        })?;
        let unknown = |run: &NodeId| Recorded { kind: None, label: run.to_string(), is_from_here: true };
        let run = |run: &NodeId| runs.get(run).cloned().unwrap_or_else(|| unknown(run));
        // Of what no run did, nobody knows where that was.
        let is_all_from_here = runs.values().all(|run| run.is_from_here);
        let mut needed = Needed::default();
        snapshot.facts(&mut |fact| {
            match fact {
                Fact::RunStarted(started) => needed.code(&started.code, &run(&started.id), policy),
                Fact::RunOutcome(outcome) => {
                    if let Some(code) = &outcome.code {
                        needed.code(code, &run(&outcome.run), policy);
                    }
                }
                Fact::RepositoryRead(repository) => {
                    if let Some(code) = &repository.code {
                        needed.code(code, &run(&repository.run), policy);
                    }
                }
                Fact::StepDone(step) => needed.step(&step, &run(&step.run), policy),
                Fact::ModelRegistered(model) => {
                    let view = model_view(snapshot, model.id)?;
                    let is_from_here = model.run.map_or(is_all_from_here, |id| run(&id).is_from_here);
                    needed.model(&model, view.is_some_and(|view| view.deleted.is_some()), is_from_here);
                }
                Fact::FileOverwritten(overwritten) => {
                    let Artifact { path, digest, .. } = &overwritten.artifact;
                    let by = format!("{path}, which `{}` wrote over", overwritten.command);
                    needed.promise(*digest, by, is_all_from_here);
                }
                Fact::NoteRead(note) => {
                    needed.contents.insert(note.artifact.digest);
                }
                // These name no content.
                _ => {}
            }
            Ok(())
        })?;
        // A large one was kept when the version was registered that it is of, and is still needed by who read it.
        let of_withdrawn = needed.inputs_beyond.intersection(&needed.withdrawn);
        let read =
            of_withdrawn.filter(|digest| !needed.beyond.contains(*digest)).copied().collect::<Vec<_>>();
        needed.contents.extend(read);
        Ok(needed)
    }

    fn promise(&mut self, digest: Digest, by: String, is_from_here: bool) {
        self.contents.insert(digest);
        // What was recorded here counts before what was taken over.
        if is_from_here || self.promised.get(&digest).is_none_or(|known| !known.is_from_here) {
            self.promised.insert(digest, Promise { by, a_file_will_do: false, is_from_here });
        }
    }

    fn code(&mut self, code: &CodeState, run: &Recorded, policy: &KeepPolicy) {
        if let Some(patch) = code.patch {
            self.promise(patch, format!("the patch of run {}", run.label), run.is_from_here);
        }
        let files = code.changed.iter().chain(&code.untracked);
        files.filter_map(ChangedFile::artifact).for_each(|artifact| self.input(&artifact, policy));
    }

    /// What was read is needed as far as the policy keeps it: it may have been kept because the command was about to destroy it.
    fn input(&mut self, artifact: &Artifact, policy: &KeepPolicy) {
        let is_kept = policy.keeps_endangered(&artifact.path, artifact.size_bytes);
        let list = if is_kept { &mut self.contents } else { &mut self.inputs_beyond };
        list.insert(artifact.digest);
    }

    fn step(&mut self, step: &Step, run: &Recorded, policy: &KeepPolicy) {
        for edge in &step.generated {
            match run.kind {
                Some(RunKind::Pipeline) => {
                    self.promise(edge.artifact.digest, edge.artifact.path.to_string(), run.is_from_here);
                }
                Some(RunKind::Command) if !policy.keeps_output(&edge.artifact) => {
                    self.beyond.insert(edge.artifact.digest);
                }
                _ => {
                    self.contents.insert(edge.artifact.digest);
                }
            }
        }
        for edge in &step.used {
            // The list of a whole environment is no file: what was kept of it is all there ever was.
            if edge.role == Role::Environment && is_list(&edge.artifact) {
                let by = format!("the environment of run {}", run.label);
                self.promise(edge.artifact.digest, by, run.is_from_here);
            }
            self.input(&edge.artifact, policy);
        }
        step.removed.iter().filter_map(Removed::artifact).for_each(|artifact| self.input(&artifact, policy));
    }

    fn model(&mut self, model: &ModelVersion, is_withdrawn: bool, is_from_here: bool) {
        let digests = model.artifacts.iter().map(|held| held.artifact.digest);
        if is_withdrawn {
            self.withdrawn.extend(digests);
            return;
        }
        self.contents.extend(digests);
        // The files of a version that was registered elsewhere need never have been here.
        let held = model.artifacts.iter().filter(|held| model.taken.is_none() && held.link.is_none());
        for held in held.filter(|held| held.artifact.path.is_inside() && held.artifact.has_content()) {
            let Artifact { path, digest, .. } = &held.artifact;
            let by = format!("{path} of model {}@{}", model.name, model.version);
            self.promised.entry(*digest).or_insert(Promise { by, a_file_will_do: true, is_from_here });
        }
    }
}

/// What is to be known of a run whose contents are needed.
#[derive(Clone)]
struct Recorded {
    /// `None` where its start is not recorded.
    kind: Option<RunKind>,
    label: String,
    is_from_here: bool,
}

impl Recorded {
    fn of(run: &Run, is_from_here: bool) -> Self {
        Recorded { kind: Some(run.kind), label: run.run_id.to_string(), is_from_here }
    }
}

fn is_list(artifact: &Artifact) -> bool {
    artifact.path.as_bytes().starts_with(b"environment://")
}
