//! Which commits of runs are not in their repositories any more.

use std::collections::HashMap;
use std::path::PathBuf;

use super::Showing;
use crate::capture::git::are_here;
use crate::error::Result;
use crate::ops::here::Here;
use crate::query::{TraceReport, TraceRun};

impl Showing<'_> {
    /// Finds which commits of runs that were recorded here are gone: amended, rebased, and cleared away. Of others, they may never have
    /// been here. A repository that cannot be read is no reason not to show the rest.
    pub(super) fn look_for_commits(&self, report: &mut TraceReport) -> Result<()> {
        let root = self.workspace.root();
        let mut here = Here::of(self.workspace);
        let mut known: HashMap<(PathBuf, String), bool> = HashMap::new();
        for TraceRun { head, .. } in &mut report.runs {
            let view = &head.view;
            let own = (view.own_root(), &view.run.code);
            let others = view.other_repositories().map(|(repository, code)| (repository.root.as_ref(), code));
            let mut gone = Vec::new();
            for (path, code) in std::iter::once(own).chain(others) {
                let place = path.map_or_else(|| Some(root.to_owned()), |path| path.on_disk(root));
                let (Some(place), Some(commit)) = (place, &code.commit) else { continue };
                let is_gone = known.entry((place, commit.clone())).or_insert_with_key(|(place, commit)| {
                    are_here(place, &[commit]).is_ok_and(|are_here| are_here == [Some(false)])
                });
                if *is_gone {
                    gone.push(commit.clone());
                }
            }
            if !gone.is_empty() && here.has_run(self.snapshot, view.number).unwrap_or(false) {
                head.commits_gone = gone;
            }
        }
        Ok(())
    }
}
