//! Files beside recorded outputs that nobody recorded.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;

use super::Looking;
use super::asked::Asked;
use crate::capture::git::CommitTree;
use crate::capture::ignored::IgnoreRules;
use crate::error::Result;
use crate::model::ArtifactPath;
use crate::ops::WORKSPACE_FOLDER;
use crate::projection;

impl Looking<'_> {
    /// Finds files beside recorded outputs that nobody recorded.
    pub(super) fn find_unknown(&mut self, asked: &Asked) -> Result<()> {
        let root = self.workspace.root();
        let git = match CommitTree::of_head(root) {
            Ok(git) => git,
            Err(error) => {
                self.report.notes.push(format!(
                    "which files git tracks is not known, so unknown files are not listed: {}",
                    error.in_full()
                ));
                return Ok(());
            }
        };
        let written =
            self.files.iter().filter(|file| file.writer.is_some() && file.artifact.path.is_inside());
        let folders: BTreeSet<&[u8]> = written.map(|file| file.artifact.path.folder()).collect();
        let rules = IgnoreRules::of(root);
        let mut unknown = Vec::new();
        for folder in folders {
            let place = match folder {
                b"" => Some(root.to_owned()),
                folder => ArtifactPath::from_bytes(folder.to_vec())?.on_disk(root),
            };
            // A folder that is gone has no files; what was in it is listed as such.
            let Some(Ok(entries)) = place.map(std::fs::read_dir) else {
                continue;
            };
            for entry in entries.flatten() {
                let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
                // Through a link to a folder other files are reached; it is none itself.
                let is_folder =
                    |sort: std::fs::FileType| sort.is_dir() || (sort.is_symlink() && entry.path().is_dir());
                if hidden || entry.file_type().map_or(true, is_folder) {
                    continue;
                }
                let Ok(path) = ArtifactPath::within(root, &entry.path()) else {
                    continue;
                };
                // Of what a run took away it may be all that is recorded that it did.
                let path_no = self.snapshot.path_no(&path)?;
                let is_only_removed = |path_no| {
                    let first = |_, _, _| Ok(ControlFlow::Break(()));
                    let removed = self.snapshot.removals_until(path_no, i64::MAX, first)?;
                    Ok(removed.is_break() && !self.places.contains_key(&path_no))
                };
                let passed = path_no
                    .map_or(Ok(false), |path_no| is_only_removed(path_no).map(|only| !only))?
                    || rules.ignores(&entry.path(), false)
                    || projection::projected_from(self.snapshot, &path)?.is_some();
                if !passed && asked.has(path.as_bytes()) && !is_tracked(git.as_ref(), &entry.path()) {
                    unknown.push(path);
                }
            }
        }
        unknown.sort();
        self.report.unknown = unknown;
        Ok(())
    }
}

fn is_tracked(git: Option<&CommitTree>, place: &Path) -> bool {
    let inside = git.and_then(|git| Some((git, place.strip_prefix(git.work_tree()?).ok()?)));
    inside.is_some_and(|(git, path)| {
        // A tree that cannot be read proves nothing; saying too little is the smaller harm here.
        path.starts_with(WORKSPACE_FOLDER)
            || git.contains(path.as_os_str().as_encoded_bytes()).unwrap_or(true)
    })
}
