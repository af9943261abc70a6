//! Searching runs and model versions: the question, and what of the answer only processes and the repository know.

use std::cell::RefCell;

use crate::capture::git::BuiltOn;
use crate::error::Result;
use crate::model::{ArtifactPath, Timestamp};
use crate::ops::other_names::{led_to, real_place_of};
use crate::ops::{View, Workspace};
use crate::query::RunView;
use crate::query::filter::{Found, Outside, Search, SearchRequest, Subject, search_models, search_runs};
use crate::query::registry::ModelView;

/// Searches runs; `now` is what an expression calls so.
///
/// # Errors
/// A request error where the request is wrong, or asks about a commit that the repository does not have; a store error where a
/// record is damaged.
pub fn runs(
    workspace: &Workspace,
    view: &View,
    request: &SearchRequest,
    now: Timestamp,
) -> Result<Found<RunView>> {
    let search = Search::prepare(&view.snapshot, Subject::Runs, request, now)?;
    with_outside(workspace, view, &search, |outside| search_runs(&view.snapshot, &search, outside))
}

/// Searches model versions, as [`runs`] does runs.
///
/// # Errors
/// As [`runs`].
pub fn models(
    workspace: &Workspace,
    view: &View,
    request: &SearchRequest,
    now: Timestamp,
) -> Result<Found<ModelView>> {
    let search = Search::prepare(&view.snapshot, Subject::Models, request, now)?;
    with_outside(workspace, view, &search, |outside| search_models(&view.snapshot, &search, outside))
}

/// Calls `then` with what no fact says.
fn with_outside<T>(
    workspace: &Workspace,
    view: &View,
    search: &Search,
    then: impl FnOnce(&Outside<'_>) -> Result<T>,
) -> Result<T> {
    let mut commits = Vec::new();
    for (question, word) in search.commits().enumerate() {
        let found = BuiltOn::find(workspace.root(), word).map_err(|error| {
            let causes = error.causes().join(": ");
            search.wrong_commit(question, format!("{}: {causes}", error.message()))
        })?;
        commits.push(found.ok_or_else(|| {
            let root = workspace.root().display();
            search
                .wrong_commit(
                    question,
                    format!("the repository of `{root}` has no such commit, branch or tag"),
                )
                .hint("`git log` lists commits")
        })?);
    }
    let commits = RefCell::new(commits);
    let is_at_work = |run: &RunView| workspace.is_at_work(&view.snapshot, run);
    let contains = |question: usize, commit: &str| Ok(commits.borrow_mut()[question].is_in(commit));
    let real_folders = |folder: &ArtifactPath| real_folders(workspace, view, folder);
    // In a question, which is text, another root cannot be named.
    let root = workspace.root().to_str().unwrap_or_default();
    then(&Outside { is_at_work: &is_at_work, contains: &contains, real_folders: &real_folders, root })
}

/// Lists where a folder really lies, and where it lay while a symbolic link was in its place.
fn real_folders(workspace: &Workspace, view: &View, folder: &ArtifactPath) -> Result<Vec<ArtifactPath>> {
    let real = folder.on_disk(workspace.root()).and_then(|place| real_place_of(&place));
    let real = real.and_then(|real| ArtifactPath::within(workspace.root(), &real).ok());
    Ok(led_to(workspace, &view.snapshot, folder)?.into_iter().chain(real).collect())
}
