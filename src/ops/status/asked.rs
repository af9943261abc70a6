//! Which part of the workspace is asked about.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::model::ArtifactPath;
use crate::ops::{Workspace, named};
use crate::store::Snapshot;

/// The part of the workspace that is asked about.
pub(super) struct Asked {
    fronts: HashSet<Vec<u8>>,
    all: bool,
}

impl Asked {
    pub(super) fn new(
        workspace: &Workspace,
        snapshot: &Snapshot,
        folder: &Path,
        paths: &[PathBuf],
    ) -> Result<Self> {
        let mut asked = Asked { fronts: HashSet::new(), all: paths.is_empty() };
        for path in paths {
            let is_recorded = |front: &ArtifactPath| -> Result<bool> {
                let below = [front.as_bytes(), b"/"].concat();
                Ok(snapshot.path_no(front)?.is_some()
                    || snapshot.paths_from(&below, |_, _| Ok(ControlFlow::Break(())))?.is_break())
            };
            let is_known = |place: &Path| {
                let place = resolved(place);
                match ArtifactPath::within(workspace.root(), &place) {
                    Ok(front) => Ok(place.exists() || is_recorded(&front)?),
                    Err(_) => Ok(place.exists()),
                }
            };
            let named = named::place(folder, path, is_known)?;
            let place = resolved(&named);
            if place == workspace.root() {
                asked.all = true;
                continue;
            }
            let front = ArtifactPath::within(workspace.root(), &place)?;
            if !is_known(&named)? {
                return Err(Error::request(format!(
                    "nothing is recorded of `{front}`, and there is no such file"
                ))
                .hint("`lineage status` without a path looks at everything recorded"));
            }
            if !front.is_inside() && !is_recorded(&front)? {
                return Err(Error::request(format!(
                    "nothing is recorded of `{front}`, which lies outside of the workspace"
                ))
                .hint("`lineage status` without a path looks at everything recorded"));
            }
            asked.fronts.insert(front.as_bytes().to_vec());
        }
        Ok(asked)
    }

    pub(super) fn has(&self, path: &[u8]) -> bool {
        let mut above = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| &path[..at]);
        self.all || self.fronts.contains(path) || above.any(|folder| self.fronts.contains(folder))
    }
}

/// Resolves links. What is gone may still be recorded, so only the folder has to be there.
fn resolved(place: &Path) -> PathBuf {
    let whole = place.canonicalize().or_else(|_| {
        let folder = place.parent().unwrap_or(place).canonicalize();
        folder.map(|folder| folder.join(place.file_name().unwrap_or_default()))
    });
    whole.unwrap_or_else(|_| place.to_owned())
}
