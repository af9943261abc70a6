//! Keeping what commands wrote, as far as the workspace's policy goes.

use std::collections::{BTreeMap, HashSet};

use rayon::prelude::*;

use crate::content::{Access, SHARED_MIN_BYTES, STREAMED_MIN_BYTES, Sharing, StagedContent};
use crate::disk::{Together, open_regular, read_regular};
use crate::model::{Artifact, ArtifactPath, Digest, Generated, Step};
use crate::ops::Workspace;
use crate::ops::settings::KeepPolicy;

/// Fewer files than this are kept by one thread.
const FEW: usize = 4;
/// As many are forced to the disk together.
const TOGETHER_MAX: usize = 512;

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
    let mut known = HashSet::new();
    let artifacts = last.into_values().map(|edge| &edge.artifact).filter(|artifact| {
        artifact.path.is_inside() && policy.keeps(artifact) && known.insert(artifact.digest)
    });
    let failed = keep_all(workspace, &artifacts.collect::<Vec<_>>());
    if let Some(first) = failed.first() {
        let outputs = if failed.len() == 1 { "output" } else { "outputs" };
        warnings.push(format!("{} {outputs} could not be kept: {first}", failed.len()));
    }
    warnings
}

/// Keeps files that are registered: those that the policy names, and larger ones where the file system can have the same bytes
/// twice at no cost. Returns what is kept nowhere but where it lies, one line each.
pub(crate) fn keep_registered(workspace: &Workspace, artifacts: &[&Artifact]) -> Vec<String> {
    let policy = KeepPolicy::of(workspace).unwrap_or_default();
    let contents = workspace.contents();
    let (small, large): (Vec<&Artifact>, Vec<&Artifact>) = artifacts
        .iter()
        .filter(|artifact| artifact.path.is_inside() && !contents.holds_readable(&artifact.digest))
        .partition(|artifact| policy.keeps(artifact));
    let mut said = keep_all(workspace, &small);
    for artifact in large {
        let place = artifact.path.on_disk(workspace.root());
        let shared = place.and_then(|place| {
            let file = open_regular(&place).ok()?;
            let access = Access::of_path(workspace.root(), &place);
            Some(contents.keep_shared(&artifact.digest, &file, artifact.size_bytes, access))
        });
        if !matches!(shared, Some(Ok(Sharing::Done))) {
            let (path, size) = (&artifact.path, artifact.size_bytes);
            said.push(format!(
                "{path} is kept nowhere but where it lies: with {size} bytes it is over what is kept of outputs \
                 ([keep] outputs_up_to, include in .lineage/config.toml)"
            ));
        }
    }
    said
}

/// Keeps files as they lie on disk; returns what went wrong, one line each.
fn keep_all(workspace: &Workspace, wanted: &[&Artifact]) -> Vec<String> {
    // To start threads for a few takes longer; and there may be no further threads.
    let pool = if wanted.len() < FEW { None } else { rayon::ThreadPoolBuilder::new().build().ok() };
    let together = Together::new(workspace.disk());
    let mut failed = Vec::new();
    for wanted in wanted.chunks(TOGETHER_MAX) {
        let stage = |artifact: &&Artifact| stage(workspace, &together, artifact);
        let staged: Vec<Result<Option<StagedContent>, String>> = match &pool {
            Some(pool) => pool.install(|| wanted.par_iter().map(stage).collect()),
            None => wanted.iter().map(stage).collect(),
        };
        let mut ready = Vec::new();
        for staged in staged {
            match staged {
                Ok(staged) => ready.extend(staged),
                Err(fault) => failed.push(fault),
            }
        }
        together.sync(ready.iter_mut().map(StagedContent::file).collect());
        let published = workspace.contents().publish(&together, ready);
        failed.extend(published.into_iter().filter_map(Result::err).map(|error| error.to_string()));
    }
    failed
}

/// Writes a content so that it can be forced to the disk together with others; `None` where nothing is left to do.
fn stage(
    workspace: &Workspace,
    together: &Together,
    artifact: &Artifact,
) -> Result<Option<StagedContent>, String> {
    if workspace.contents().holds_readable(&artifact.digest) {
        return Ok(None);
    }
    let Some(place) = artifact.path.on_disk(workspace.root()) else {
        return Ok(None);
    };
    // What is no plain file any more, or another one, holds other bytes than were recorded.
    if !place.metadata().is_ok_and(|found| found.is_file() && found.len() == artifact.size_bytes) {
        return Ok(None);
    }
    let access = Access::of_path(workspace.root(), &place);
    if artifact.size_bytes >= SHARED_MIN_BYTES {
        let Ok(file) = open_regular(&place) else { return Ok(None) };
        let shared = workspace.contents().keep_shared(&artifact.digest, &file, artifact.size_bytes, access);
        match shared.map_err(|error| error.to_string())? {
            Sharing::Done | Sharing::OtherBytes => return Ok(None),
            Sharing::Cannot => {}
        }
    }
    if artifact.size_bytes >= STREAMED_MIN_BYTES {
        let Ok(mut file) = open_regular(&place) else { return Ok(None) };
        let (digest, size) = (&artifact.digest, artifact.size_bytes);
        let kept = workspace.contents().keep_stream(digest, &mut file, size, access);
        return kept.map(|_| None).map_err(|error| error.to_string());
    }
    let Ok(bytes) = read_regular(&place) else { return Ok(None) };
    if Digest::of(&bytes) != artifact.digest {
        return Ok(None);
    }
    let staged = workspace.contents().stage(together, &artifact.digest, &bytes, access);
    staged.map_err(|error| error.to_string())
}
