//! Facts: immutable statements as recorded. A store is a set of them.

use crate::model::{
    Link, Metric, ModelAlias, ModelChange, ModelVersion, Note, NoteGone, Overwritten, Remarks, Run,
    RunOutcome, RunRepository, RunTags, SaidParameters, Step, Timestamp,
};

/// One immutable statement.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fact {
    /// A run started.
    RunStarted(Run),
    /// A run was taken up again or ended.
    RunOutcome(RunOutcome),
    /// A step was done, with its edges.
    StepDone(Step),
    /// Points of metrics were measured.
    Metrics(Vec<Metric>),
    /// A model version was registered.
    ModelRegistered(ModelVersion),
    /// Something became of a model version.
    ModelChanged(ModelChange),
    /// A name was given to a version of a model, or taken away.
    ModelNamed(ModelAlias),
    /// A research document was read.
    NoteRead(Note),
    /// A run was told parameters after its start.
    ParametersSaid(SaidParameters),
    /// Whoever recorded a run said something of the record.
    Remarked(Remarks),
    /// A research document was found gone.
    NoteGone(NoteGone),
    /// A run was given tags.
    RunTagged(RunTags),
    /// A run read files of a git repository.
    RepositoryRead(RunRepository),
    /// A file was written over by a command of lineage, which kept what lay there.
    FileOverwritten(Overwritten),
    /// A version of a file was seen to be a symbolic link.
    LinkSeen(Link),
}

impl Fact {
    /// Returns the latest time that it names; `None` where it names none.
    pub fn latest(&self) -> Option<Timestamp> {
        match self {
            Fact::RunStarted(run) => Some(run.started_at),
            Fact::RunOutcome(outcome) => Some(outcome.at),
            Fact::StepDone(step) => {
                let used = step.used.iter().map(|edge| edge.at);
                let generated = step.generated.iter().map(|edge| edge.at);
                let removed = step.removed.iter().map(|edge| edge.at);
                used.chain(generated).chain(removed).chain([step.started_at, step.ended_at]).max()
            }
            Fact::Metrics(points) => points.iter().map(|point| point.at).max(),
            Fact::ModelRegistered(model) => Some(model.as_of()),
            Fact::ModelChanged(change) => Some(change.at),
            Fact::ModelNamed(alias) => Some(alias.at),
            Fact::NoteRead(note) => Some(note.at),
            Fact::ParametersSaid(said) => Some(said.at),
            Fact::Remarked(remarks) => Some(remarks.at),
            Fact::NoteGone(gone) => Some(gone.at),
            Fact::RunTagged(tags) => Some(tags.at),
            Fact::RepositoryRead(repository) => Some(repository.at),
            Fact::FileOverwritten(overwritten) => Some(overwritten.at),
            Fact::LinkSeen(_) => None,
        }
    }
}
