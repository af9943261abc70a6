//! Which commits of runs are not in their repositories any more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Showing;
use crate::capture::git::are_here;
use crate::query::{RunView, TraceReport, TraceRun};

impl Showing<'_> {
    /// Finds which commits of runs that were recorded here are gone: amended, rebased, and cleared away. Of others, they may never have
    /// been here. A repository that cannot be read is no reason not to show the rest.
    pub(super) fn look_for_commits(&self, report: &mut TraceReport) {
        let root = self.workspace.root();
        // Each repository is opened once.
        let mut asked: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
        for run in &report.runs {
            for (place, commit) in commits_of(&run.head.view, root) {
                asked.entry(place).or_default().insert(commit);
            }
        }
        let mut gone: BTreeSet<(PathBuf, String)> = BTreeSet::new();
        for (place, commits) in asked {
            let words: Vec<&str> = commits.iter().map(String::as_str).collect();
            let are_here = are_here(&place, &words).unwrap_or_default();
            let of_place = commits.iter().zip(are_here).filter(|(_, is_here)| *is_here == Some(false));
            gone.extend(of_place.map(|(commit, _)| (place.clone(), commit.clone())));
        }
        if gone.is_empty() {
            return;
        }
        for TraceRun { head, .. } in &mut report.runs {
            if self.here.has_run(self.snapshot, head.view.number).unwrap_or(false) {
                let of_run = commits_of(&head.view, root).filter(|commit| gone.contains(commit));
                head.commits_gone = of_run.map(|(_, commit)| commit).collect();
            }
        }
    }
}

/// Lists the commits that a run was at, each with where its repository lies.
fn commits_of<'v>(view: &'v RunView, root: &'v Path) -> impl Iterator<Item = (PathBuf, String)> + 'v {
    let own = (view.own_root(), &view.run.code);
    let others = view.other_repositories().map(|(repository, code)| (repository.root.as_ref(), code));
    std::iter::once(own).chain(others).filter_map(move |(path, code)| {
        let place = path.map_or_else(|| Some(root.to_owned()), |path| path.on_disk(root))?;
        Some((place, code.commit.clone()?))
    })
}
