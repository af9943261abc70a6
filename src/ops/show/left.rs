//! What a run left behind.

use std::collections::BTreeMap;

use crate::model::{Artifact, ArtifactPath, Step, Timestamp};

/// Of each path that a run wrote, the version that it wrote last; none where it took the file away after that.
#[derive(Default)]
pub(super) struct Left(BTreeMap<ArtifactPath, (Timestamp, Option<Artifact>)>);

impl Left {
    /// Adds what a step of the run wrote and took away.
    pub(super) fn add(&mut self, step: &Step) {
        for edge in &step.generated {
            self.note(&edge.artifact.path, edge.at, Some(&edge.artifact));
        }
        for removed in &step.removed {
            self.note(&removed.path, removed.at, None);
        }
    }

    fn note(&mut self, path: &ArtifactPath, at: Timestamp, artifact: Option<&Artifact>) {
        let is_later = self.0.get(path).is_none_or(|(last, _)| *last <= at);
        if is_later {
            self.0.insert(path.clone(), (at, artifact.cloned()));
        }
    }

    /// Lists the files.
    pub(super) fn files(self) -> impl Iterator<Item = Artifact> {
        self.0.into_values().filter_map(|(_, artifact)| artifact)
    }
}
