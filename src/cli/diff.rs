//! `lineage diff`

use clap::Args;

use crate::capture::git;
use crate::cli::status::limit;
use crate::cli::{Surroundings, output};
use crate::error::{Error, Result};
use crate::model::{ArtifactPath, ChangeKind, CodeState};
use crate::ops::{Target, View, Workspace, locate};
use crate::projection::names::run_folder_name;
use crate::query::RunHead;
use crate::query::diff::{CommitFiles, DiffRun, diff};
use crate::render;

/// Say what differs between two runs, and what can have made their outputs differ. Exit code 1 where they differ.
///
/// Compared are the code, the command, parameters, inputs, outputs, metrics and failures; not times, names and run ids.
/// A cause is named only where the steps that made an output are recorded to have read it or to have been told it.
#[derive(Args)]
pub(crate) struct Diff {
    /// A run: `@` (the latest), `@-` (the one before), its run id, the end of its key, or its folder.
    #[arg(value_name = "A", default_value = "@-")]
    a: String,
    /// The run to compare it with.
    #[arg(value_name = "B", default_value = "@")]
    b: String,
    /// List at most N of each sort; 0 lists all. By default 20 on paper, all in JSON.
    #[arg(long, short = 'n', value_name = "N")]
    limit: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Diff {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let workspace = surroundings.workspace()?;
        let view = workspace.view()?;
        output::warnings(&view.warnings);
        let a = find(&workspace, &view, surroundings, &self.a)?;
        let b = find(&workspace, &view, surroundings, &self.b)?;
        let commits = commit_files(&workspace, last_code(&a.head), last_code(&b.head));
        let found = diff(&view.snapshot, a, b, &commits)?;
        let limit = limit(self.limit, self.json);
        if self.json {
            output::json(&render::diff::json(&found, limit))?;
        } else {
            output::answer(&render::diff::text(&found, limit))?;
        }
        Ok(u8::from(!found.is_equal()))
    }
}

fn find(workspace: &Workspace, view: &View, surroundings: &Surroundings, word: &str) -> Result<DiffRun> {
    let Target::Run(number) = locate(workspace, &view.snapshot, &surroundings.folder, word)? else {
        let message = format!("`{}` is a file, not a run", word.escape_debug());
        return Err(Error::request(message).hint("`lineage log` lists the runs"));
    };
    let mut head = RunHead::read(&view.snapshot, number)?
        .ok_or_else(|| Error::request("the start of this run is not recorded here"))?;
    head.alive = workspace.is_alive(head.view.live_segment());
    let run = &head.view.run;
    let folder_name = run_folder_name(&run.run_id, &run.name, &run.code);
    Ok(DiffRun { head, folder_name })
}

/// Returns the code of the last time a run was taken up.
fn last_code(head: &RunHead) -> &CodeState {
    let later = head.view.outcomes.iter().rev();
    let mut later = later.filter_map(|outcome| outcome.code.as_ref());
    later.next().unwrap_or(&head.view.run.code)
}

/// Lists the files that differ between two commits, as far as the repository here has them.
fn commit_files(workspace: &Workspace, a: &CodeState, b: &CodeState) -> CommitFiles {
    let (Some(a), Some(b)) = (&a.commit, &b.commit) else {
        return CommitFiles::Unknown;
    };
    let root = workspace.root();
    // A repository that cannot be read is no reason not to compare the rest; the answer says what it lacks.
    let (Ok(Some(files)), Some(work_tree)) = (git::changed_between(root, a, b), git::work_tree_root(root))
    else {
        return CommitFiles::Unknown;
    };
    let named = files.into_iter().filter_map(|(path, kind)| {
        let place = ArtifactPath::from_bytes(path).ok()?.on_disk(&work_tree)?;
        Some((ArtifactPath::within(root, &place).ok()?, kind_of(kind)))
    });
    CommitFiles::Known(named.collect())
}

fn kind_of(kind: git::ChangeKind) -> ChangeKind {
    match kind {
        git::ChangeKind::Modified => ChangeKind::Modified,
        git::ChangeKind::Added => ChangeKind::Added,
        git::ChangeKind::Deleted => ChangeKind::Deleted,
        git::ChangeKind::TypeChanged => ChangeKind::TypeChanged,
        git::ChangeKind::Renamed => ChangeKind::Renamed,
        git::ChangeKind::Conflicted => ChangeKind::Conflicted,
    }
}
