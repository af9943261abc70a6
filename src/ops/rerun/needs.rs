//! What a run read and did not write itself: what must lie ready for it to be repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use rayon::prelude::*;

use super::Original;
use crate::digests::Digests;
use crate::model::{Artifact, ArtifactPath, Digest, Evidence, Role, Timestamp};
use crate::ops::Workspace;

/// What a run read from outside, the first version of each path.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// Files in the workspace and elsewhere on this machine, by path.
    pub files: BTreeMap<ArtifactPath, Artifact>,
    /// What lies behind URLs.
    pub urls: BTreeSet<ArtifactPath>,
    /// Files of the workspace that it took away without having read them, by path; their bytes as far as they are known.
    pub removed: BTreeMap<ArtifactPath, Option<Artifact>>,
}

impl Needs {
    pub fn of(original: &Original) -> Self {
        let mut written: BTreeMap<&Artifact, Timestamp> = BTreeMap::new();
        for edge in original.steps.iter().flat_map(|step| &step.generated) {
            let first = written.entry(&edge.artifact).or_insert(edge.at);
            *first = (*first).min(edge.at);
        }
        let mut first: BTreeMap<ArtifactPath, (Timestamp, Artifact)> = BTreeMap::new();
        let mut needs = Needs::default();
        let mut reads: Vec<_> = original.steps.iter().flat_map(|step| &step.used).collect();
        reads.sort();
        for edge in reads {
            let own = written.get(&edge.artifact).is_some_and(|at| *at <= edge.at);
            if edge.role == Role::Environment || own {
                continue;
            }
            if edge.artifact.path.is_url() {
                needs.urls.insert(edge.artifact.path.clone());
                continue;
            }
            // What was declared without a byte, nobody may have read.
            if edge.evidence == Evidence::Declared && edge.artifact.size_bytes == 0 {
                continue;
            }
            let this = (edge.at, edge.artifact.clone());
            let place = first.entry(edge.artifact.path.clone()).or_insert_with(|| this.clone());
            if this.0 < place.0 {
                *place = this;
            }
        }
        // Untracked code that is known by name only: what was read of it cannot be told where reads were not seen.
        if original.steps.iter().all(|step| step.used.is_empty()) {
            for file in &original.run().code.untracked {
                let artifact = file.artifact().filter(|_| crate::ops::run::is_code(&file.path));
                first.extend(artifact.map(|artifact| (file.path.clone(), (Timestamp::default(), artifact))));
            }
        }
        let made: BTreeSet<&ArtifactPath> = written.keys().map(|artifact| &artifact.path).collect();
        for removed in original.steps.iter().flat_map(|step| &step.removed) {
            let path = &removed.path;
            if path.is_inside() && !made.contains(path) && !first.contains_key(path) {
                needs.removed.insert(path.clone(), removed.artifact());
            }
        }
        needs.files = first.into_iter().map(|(path, (_, artifact))| (path, artifact)).collect();
        needs
    }
}

/// Returns true where `digest` is that of the file at `place`, or of the target of the link that lies there.
pub(super) fn lies_at(digests: &Digests, place: &Path, digest: &Digest) -> bool {
    let has_bytes = || place.is_file() && digests.of(place).is_ok_and(|found| found == *digest);
    match fs::symlink_metadata(place) {
        Ok(found) if found.is_symlink() => {
            let target = fs::read_link(place);
            target.is_ok_and(|target| Digest::of(target.as_os_str().as_encoded_bytes()) == *digest)
                || has_bytes()
        }
        Ok(_) => has_bytes(),
        Err(_) => false,
    }
}

/// Says what the run read that lies in the workspace with other bytes now, or not at all.
pub(super) fn changed_here(workspace: &Workspace, original: &Original) -> Vec<String> {
    let needs = Needs::of(original);
    let changed: Vec<&Artifact> = needs
        .files
        .par_iter()
        .map(|(_, artifact)| artifact)
        .filter(|artifact| {
            let place = artifact.path.on_disk(workspace.root());
            place.is_none_or(|place| !lies_at(workspace.digests(), &place, &artifact.digest))
        })
        .collect();
    changed.iter().map(|artifact| format!("`{}` has other bytes now, or is gone", artifact.path)).collect()
}
