//! What in a workspace belongs to somebody else than the workspace.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use crate::disk::{is_root, own_user};
use crate::ops::Workspace;

impl Workspace {
    /// Returns true where its folder belongs to whoever runs this.
    pub fn is_of_its_user(&self) -> bool {
        self.root().metadata().is_ok_and(|found| found.uid() == own_user())
    }

    /// Returns true where the group of its folder may write into it: a workspace that several share.
    pub fn is_of_a_group(&self) -> bool {
        self.root().metadata().is_ok_and(|found| found.mode() & 0o020 != 0)
    }

    /// Returns something of lineage's own that its user cannot write, since it belongs to somebody else: an older program that ran as
    /// root made it. `None` where all belongs to whom the workspace belongs, and for root, who can write everything.
    pub fn foreign(&self) -> Option<PathBuf> {
        let owner = self.root().metadata().ok()?.uid();
        if is_root() {
            return None;
        }
        let mut frontier = vec![self.folder()];
        while let Some(folder) = frontier.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok) {
                let Ok(found) = entry.metadata() else { continue };
                if found.uid() != owner {
                    return Some(entry.path());
                }
                // The folders that each hold their share of the contents, and no deeper.
                if found.is_dir() && folder == self.folder() {
                    frontier.push(entry.path());
                }
            }
        }
        None
    }
}
