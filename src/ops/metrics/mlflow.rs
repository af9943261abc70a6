//! Where the metrics of a run are that measures by MLflow.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::model::ArtifactPath;
use crate::ops::Workspace;
use crate::ops::taken::mlflow::is_store;
use crate::store::{RunNo, Snapshot};

/// As many of the files that a run wrote are looked through.
const FILES_MAX: usize = 10_000;

/// Finds a store of MLflow that a run wrote into, where one lies there still: a folder `mlruns`, or a database.
pub(super) fn store_of(
    workspace: &Workspace,
    snapshot: &Snapshot,
    run: RunNo,
) -> Result<Option<ArtifactPath>> {
    let mut seen = BTreeSet::new();
    let mut files = 0;
    for step in snapshot.steps_of(run)? {
        for edge in snapshot.edges(step)?.into_iter().flat_map(|edges| edges.generated) {
            files += 1;
            if files > FILES_MAX {
                return Ok(None);
            }
            let Some(store) = named_by(&snapshot.artifact(edge.artifact)?.path) else { continue };
            if !seen.insert(store.clone()) {
                continue;
            }
            if store.on_disk(workspace.root()).is_some_and(|place| is_store(&place)) {
                return Ok(Some(store));
            }
        }
    }
    Ok(None)
}

/// Returns what may be a store of MLflow, by its name: the folder around a file, or the file.
fn named_by(path: &ArtifactPath) -> Option<ArtifactPath> {
    let bytes = path.as_bytes();
    let mut end = 0;
    for part in bytes.split(|byte| *byte == b'/') {
        end += part.len();
        if part == b"mlruns" {
            return ArtifactPath::from_bytes(bytes[..end].to_vec()).ok();
        }
        end += 1;
    }
    let is_database = [&b".db"[..], b".sqlite", b".sqlite3"].iter().any(|ending| bytes.ends_with(ending));
    is_database.then(|| path.clone())
}
