//! What `lineage show` says of a file that only a projection writes: what it is written from, and whether it still says that.

use crate::error::Result;
use crate::model::{ArtifactPath, Digest, Note, Overwritten};
use crate::ops::overwritten::overwritten_at;
use crate::ops::project::memory;
use crate::ops::show::{ModelReport, RunReport, Showing};
use crate::projection::{self, Lies, ProjectedFrom};

/// A projected file.
#[derive(Debug, Clone)]
pub struct ProjectedReport {
    /// Where it lies.
    pub path: ArtifactPath,
    /// How what lies there compares with what is recorded.
    pub state: ProjectedState,
    /// What it is written from.
    pub origin: ProjectedOrigin,
    /// What lay there until a command of lineage wrote over it, the last first.
    pub overwritten: Vec<Overwritten>,
}

/// What a projected file is written from, and all that `lineage show` says of that.
#[derive(Debug, Clone)]
pub enum ProjectedOrigin {
    /// A pipeline run.
    Run(Box<RunReport>),
    /// A version of a model.
    Model(Box<ModelReport>),
    /// The documents that it lists, by path.
    Documents(Vec<Note>),
}

/// How what lies at the place of a projected file compares with what is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProjectedState {
    /// It is what `lineage project` would write.
    Current,
    /// It is what was projected earlier.
    Outdated,
    /// Somebody edited it since it was projected.
    Edited,
    /// It is something else, and nothing here remembers what was projected.
    Other,
    /// Nothing lies there.
    Missing,
    /// What lies there is no file that can be read, and why.
    Blocked(String),
    /// Another file, projected from something else, has the place.
    NotWanted,
}

impl ProjectedState {
    /// Returns the word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            ProjectedState::Current => "current",
            ProjectedState::Outdated => "outdated",
            ProjectedState::Edited => "edited",
            ProjectedState::Other => "other",
            ProjectedState::Missing => "missing",
            ProjectedState::Blocked(_) => "blocked",
            ProjectedState::NotWanted => "not wanted",
        }
    }
}

impl Showing<'_> {
    pub(super) fn projected(&self, path: ArtifactPath, from: ProjectedFrom) -> Result<ProjectedReport> {
        let state = self.projected_state(&path, &from)?;
        let origin = match from {
            ProjectedFrom::Run(run) => ProjectedOrigin::Run(Box::new(self.run(run)?)),
            ProjectedFrom::Model(id) => ProjectedOrigin::Model(Box::new(self.model(id)?)),
            ProjectedFrom::Documents(notes) => ProjectedOrigin::Documents(notes),
        };
        let overwritten = overwritten_at(self.snapshot, &path)?;
        Ok(ProjectedReport { path, state, origin, overwritten })
    }

    fn projected_state(&self, path: &ArtifactPath, from: &ProjectedFrom) -> Result<ProjectedState> {
        let Some(planned) = projection::plan_one(self.snapshot, path, from)? else {
            return Ok(ProjectedState::NotWanted);
        };
        let place = match projection::place(self.workspace.root(), path) {
            Ok(place) => place,
            Err(error) => return Ok(ProjectedState::Blocked(error.in_full())),
        };
        Ok(match projection::look(&place, self.workspace.digests()) {
            Lies::File(digest) if digest == planned.digest() => ProjectedState::Current,
            Lies::File(digest) => self.sort_of_other(path, &digest)?,
            Lies::Nothing => ProjectedState::Missing,
            Lies::Blocked(reason) => ProjectedState::Blocked(reason),
        })
    }

    /// Tells what was projected earlier from what somebody edited.
    fn sort_of_other(&self, path: &ArtifactPath, digest: &Digest) -> Result<ProjectedState> {
        let record = memory::load(self.workspace);
        if memory::was_projected(self.workspace, self.snapshot, &record, path, digest)? {
            return Ok(ProjectedState::Outdated);
        }
        Ok(if record.get(path).is_some() { ProjectedState::Edited } else { ProjectedState::Other })
    }
}
