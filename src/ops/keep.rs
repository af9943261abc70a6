//! Keeping what commands wrote, as far as the workspace's policy goes.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::content::{SHARED_MIN_BYTES, Sharing};
use crate::model::{Artifact, ArtifactPath, Digest, Generated, Step};
use crate::ops::Workspace;
use crate::ops::settings::KeepPolicy;

/// Fewer files than this are kept by one thread.
const FEW: usize = 4;

/// Keeps the outputs of `steps` that the policy of the workspace names, as they lie on disk; returns what went wrong, one line
/// each. To be called before the steps are recorded.
///
/// A file that has changed since it was recorded is not kept: its recorded bytes are gone.
pub(crate) fn keep_outputs(workspace: &Workspace, steps: &[Step]) -> Vec<String> {
    let (policy, mut warnings) = match KeepPolicy::of(workspace) {
        Ok(policy) => (policy, Vec::new()),
        Err(error) => {
            (KeepPolicy::default(), vec![format!("outputs are kept as without a configuration: {error}")])
        }
    };
    // A step that began before another may have written after it: a shell that appends to what a command of its wrote.
    let mut last: BTreeMap<&ArtifactPath, &Generated> = BTreeMap::new();
    for edge in steps.iter().flat_map(|step| &step.generated) {
        let known = last.entry(&edge.artifact.path).or_insert(edge);
        if edge.at >= known.at {
            *known = edge;
        }
    }
    let artifacts = last.into_values().map(|edge| &edge.artifact);
    let wanted: Vec<&Artifact> =
        artifacts.filter(|artifact| artifact.path.is_inside() && policy.keeps(artifact)).collect();
    let fault = |artifact: &&Artifact| keep(workspace, artifact).err();
    let failed: Vec<String> = match wanted.len() {
        // To start threads takes longer.
        ..FEW => wanted.iter().filter_map(fault).collect(),
        _ => match rayon::ThreadPoolBuilder::new().build() {
            Ok(pool) => pool.install(|| wanted.par_iter().filter_map(fault).collect()),
            // There may be no further threads.
            Err(_) => wanted.iter().filter_map(fault).collect(),
        },
    };
    if let Some(first) = failed.first() {
        warnings.push(format!("{} outputs could not be kept: {first}", failed.len()));
    }
    warnings
}

fn keep(workspace: &Workspace, artifact: &Artifact) -> Result<(), String> {
    if workspace.contents().holds(&artifact.digest) {
        return Ok(());
    }
    let Some(place) = artifact.path.on_disk(workspace.root()) else {
        return Ok(());
    };
    // What is no plain file any more, or another one, holds other bytes than were recorded.
    if !place.metadata().is_ok_and(|found| found.is_file() && found.len() == artifact.size_bytes) {
        return Ok(());
    }
    if artifact.size_bytes >= SHARED_MIN_BYTES {
        let Ok(file) = std::fs::File::open(&place) else { return Ok(()) };
        let shared = workspace.contents().keep_shared(&artifact.digest, &file, artifact.size_bytes);
        match shared.map_err(|error| error.to_string())? {
            Sharing::Done | Sharing::OtherBytes => return Ok(()),
            Sharing::Cannot => {}
        }
    }
    let Ok(bytes) = std::fs::read(&place) else { return Ok(()) };
    if Digest::of(&bytes) != artifact.digest {
        return Ok(());
    }
    workspace.contents().keep_as(&artifact.digest, &bytes).map_err(|error| error.to_string())
}
