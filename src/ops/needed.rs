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

/// What is recorded here or elsewhere.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin<'a> {
    /// A run, and all that speaks of it.
    Run(RunNo),
    /// A fact that is of no run: whoever registers a version may have taken over the run that trained it.
    Fact(&'a Fact),
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
    /// `is_from_here` which of the promises were made here: it is asked of runs, and of facts that are of none.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub(super) fn of(
        snapshot: &Snapshot,
        policy: &KeepPolicy,
        is_from_here: &mut dyn FnMut(Origin<'_>) -> bool,
    ) -> Result<Self> {
        let mut runs: HashMap<NodeId, Recorded> = HashMap::new();
        snapshot.runs_newest_first(|number| {
            let run = snapshot.run(number)?;
            runs.extend(run.map(|run| (run.id, Recorded::of(&run, is_from_here(Origin::Run(number))))));
            Ok(GO_ON)
        })?;
        let unknown = |run: &NodeId| Recorded { kind: None, label: run.to_string(), is_from_here: true };
        let run = |run: &NodeId| runs.get(run).cloned().unwrap_or_else(|| unknown(run));
        let mut needed = Needed::default();
        snapshot.facts(&mut |fact| {
            match &fact {
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
                Fact::StepDone(step) => needed.step(step, &run(&step.run), policy),
                Fact::ModelRegistered(model) => {
                    let view = model_view(snapshot, model.id)?;
                    let is_withdrawn = view.is_some_and(|view| view.deleted.is_some());
                    needed.model(model, is_withdrawn, is_from_here(Origin::Fact(&fact)));
                }
                Fact::FileOverwritten(overwritten) => {
                    let Artifact { path, digest, .. } = &overwritten.artifact;
                    let by = format!("{path}, which `{}` wrote over", overwritten.command);
                    let is_from_here = is_from_here(Origin::Fact(&fact));
                    needed.promise(*digest, Promise { by, a_file_will_do: false, is_from_here });
                }
                Fact::NoteRead(note) => {
                    needed.contents.insert(note.artifact.digest);
                }
                // These name no content; of a link, its text is in the fact.
                Fact::Metrics(_)
                | Fact::ModelChanged(_)
                | Fact::ModelNamed(_)
                | Fact::ParametersSaid(_)
                | Fact::Remarked(_)
                | Fact::NoteGone(_)
                | Fact::RunTagged(_)
                | Fact::LinkSeen(_) => {}
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

    /// Whoever promised the same first changes nothing: what was recorded here counts before what was taken over, and then what asks
    /// for more.
    fn promise(&mut self, digest: Digest, promise: Promise) {
        self.contents.insert(digest);
        let rank = |one: &Promise| (!one.is_from_here, one.a_file_will_do, one.by.clone());
        if self.promised.get(&digest).is_none_or(|known| rank(&promise) < rank(known)) {
            self.promised.insert(digest, promise);
        }
    }

    fn code(&mut self, code: &CodeState, run: &Recorded, policy: &KeepPolicy) {
        if let Some(patch) = code.patch {
            self.promise(patch, run.promise(format!("the patch of run {}", run.label)));
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
                    self.promise(edge.artifact.digest, run.promise(edge.artifact.path.to_string()));
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
            if edge.role == Role::Environment && edge.artifact.path.is_environment() {
                let by = format!("the environment of run {}", run.label);
                self.promise(edge.artifact.digest, run.promise(by));
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
            self.promise(*digest, Promise { by, a_file_will_do: true, is_from_here });
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

    fn promise(&self, by: String) -> Promise {
        Promise { by, a_file_will_do: false, is_from_here: self.is_from_here }
    }
}
