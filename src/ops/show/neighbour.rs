//! Files that lie in another workspace on this machine: it may know where they came from.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::model::ArtifactPath;
use crate::ops::Workspace;
use crate::ops::workspace::FOLDER;

/// A place in another workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// The root of that workspace.
    pub root: PathBuf,
    /// The path in it.
    pub path: PathBuf,
}

/// The workspaces that folders lie in, each looked for once; none of them is opened.
pub(super) struct Neighbours<'a> {
    workspace: &'a Workspace,
    of: HashMap<PathBuf, Option<PathBuf>>,
}

impl<'a> Neighbours<'a> {
    pub(super) fn of(workspace: &'a Workspace) -> Self {
        Neighbours { workspace, of: HashMap::new() }
    }

    /// Returns where a file lies in another workspace than this.
    pub(super) fn place_of(&mut self, path: &ArtifactPath) -> Option<Neighbour> {
        let place = path.on_disk(self.workspace.root())?;
        let folder = place.parent()?;
        if !self.of.contains_key(folder) {
            let nearest = folder.ancestors().find(|above| above.join(FOLDER).join("journal").is_dir());
            let root = nearest.filter(|root| *root != self.workspace.root()).map(Path::to_owned);
            self.of.insert(folder.to_owned(), root);
        }
        let root = self.of[folder].clone()?;
        let path = place.strip_prefix(&root).ok()?.to_owned();
        Some(Neighbour { root, path })
    }
}
