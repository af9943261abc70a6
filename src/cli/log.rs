//! `lineage log`

use clap::Args;

use crate::cli::{Surroundings, output};
use crate::error::{Error, Result};
use crate::ops::{Target, View, Workspace, locate};
use crate::query::{self, RunHead};
use crate::render;

/// List runs, newest first; or, with FILE, everything that happened to a file.
#[derive(Args)]
pub(crate) struct Log {
    /// A file whose history to list.
    file: Option<String>,
    /// List at most N; 0 lists all.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Log {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let workspace = surroundings.workspace()?;
        let view = workspace.view()?;
        output::warnings(&view.warnings);
        let limit = if self.limit == 0 { usize::MAX } else { self.limit };
        match &self.file {
            Some(file) => self.history(&workspace, &view, surroundings, file, limit)?,
            None => self.runs(&workspace, &view, limit)?,
        }
        Ok(0)
    }

    fn runs(&self, workspace: &Workspace, view: &View, limit: usize) -> Result<()> {
        let (views, more) = query::runs(&view.snapshot, limit)?;
        let mut heads = Vec::with_capacity(views.len());
        for run in views {
            let tail = query::unique_tail(&view.snapshot, run.run.id)?;
            let alive = workspace.is_alive(run.live_segment());
            heads.push(RunHead { view: run, tail, alive });
        }
        if self.json {
            output::json(&render::log::runs_json(&heads, more))
        } else {
            output::answer(&render::log::runs(&heads, more))
        }
    }

    fn history(
        &self,
        workspace: &Workspace,
        view: &View,
        surroundings: &Surroundings,
        file: &str,
        limit: usize,
    ) -> Result<()> {
        let target = match locate(workspace, &view.snapshot, &surroundings.folder, file)? {
            Target::File(target) | Target::Segment(target, _) => target,
            Target::Run(_) => {
                return Err(Error::request(format!("`{}` is a run, not a file", file.escape_debug()))
                    .hint(format!("`lineage show {file}` shows it")));
            }
        };
        let path = &target.artifact.path;
        let (changes, more) = query::file_history(&view.snapshot, path, limit)?;
        let mut rows = Vec::with_capacity(changes.len());
        for change in changes {
            let run = view.snapshot.edges(change.step_no)?.map(|edges| edges.run);
            let head = run.map_or(Ok(None), |run| RunHead::read(&view.snapshot, run))?;
            rows.push((change, head));
        }
        if self.json {
            output::json(&render::log::history_json(path, &rows, more))
        } else {
            output::answer(&render::log::history(path, &rows, more))
        }
    }
}
