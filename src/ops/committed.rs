//! What git still has of the files that runs read: the bytes of a recorded version, from a commit that is here.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::capture::git::CommitTree;
use crate::error::Result;
use crate::model::Digest;
use crate::ops::Workspace;
use crate::query::run_view;
use crate::store::{ArtifactNo, RunNo, Snapshot};

/// So many of the runs that read a version are asked for the commit that they were at.
const RUNS_MAX: usize = 16;

/// The commits that versions are looked for in, each opened once.
pub(super) struct Commits<'a> {
    workspace: &'a Workspace,
    snapshot: &'a Snapshot,
    /// By a folder of the repository, and the commit; that of `HEAD` where none is named. `None` where it is not here.
    trees: HashMap<(PathBuf, Option<String>), Option<CommitTree>>,
}

/// A version that a commit has.
pub(super) struct Committed {
    pub bytes: Vec<u8>,
    pub is_executed: bool,
    /// The commit's full id.
    pub sha: String,
}

impl<'a> Commits<'a> {
    pub(super) fn new(workspace: &'a Workspace, snapshot: &'a Snapshot) -> Self {
        Commits { workspace, snapshot, trees: HashMap::new() }
    }

    /// Finds a version in the commits that the runs were at which read it, else in `HEAD`; its bytes are held against its digest. A
    /// repository that cannot be read has none.
    pub(super) fn find(&mut self, version: ArtifactNo) -> Result<Option<Committed>> {
        let artifact = self.snapshot.artifact(version)?;
        let Some(place) = artifact.path.on_disk(self.workspace.root()).filter(|_| artifact.has_content())
        else {
            return Ok(None);
        };
        let mut shas: Vec<Option<String>> = Vec::new();
        for run in self.readers(version)? {
            if let Some(view) = run_view(self.snapshot, run)? {
                let commit = view.code_of(&artifact.path).0.commit.clone();
                shas.extend(commit.map(Some).filter(|commit| !shas.contains(commit)));
            }
        }
        shas.push(None);
        // The file may be gone with its folder.
        let Some(folder) = place.ancestors().skip(1).find(|folder| folder.is_dir()) else { return Ok(None) };
        Ok(shas.into_iter().find_map(|sha| self.read(folder, &place, sha, &artifact.digest)))
    }

    fn readers(&self, version: ArtifactNo) -> Result<Vec<RunNo>> {
        let mut runs = Vec::new();
        let _enough = self.snapshot.reads_between(version, i64::MIN, i64::MAX, |_, step| {
            runs.extend(self.snapshot.run_of(step)?.filter(|run| !runs.contains(run)));
            Ok(if runs.len() < RUNS_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(runs)
    }

    fn read(
        &mut self,
        folder: &Path,
        place: &Path,
        sha: Option<String>,
        digest: &Digest,
    ) -> Option<Committed> {
        let tree = match self.trees.entry((folder.to_owned(), sha)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(vacant) => {
                let opened = match &vacant.key().1 {
                    Some(sha) => CommitTree::of_commit(folder, sha),
                    None => CommitTree::of_head(folder),
                };
                vacant.insert(opened.ok().flatten())
            }
        };
        let tree = tree.as_ref()?;
        let path = place.strip_prefix(tree.work_tree()?).ok()?;
        let (bytes, is_executed) = tree.file(path.as_os_str().as_encoded_bytes()).ok()??;
        let sha = tree.sha()?.to_owned();
        (Digest::of(&bytes) == *digest).then_some(Committed { bytes, is_executed, sha })
    }
}
