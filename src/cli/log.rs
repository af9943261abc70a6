//! `lineage log`

use std::ffi::OsString;

use clap::{Args, ValueHint};

use crate::cli::search::{OF_RUNS, SearchArguments};
use crate::cli::{Surroundings, output};
use crate::error::Result;
use crate::ops::history::history;
use crate::ops::{self, View, Workspace};
use crate::query::{self, RunHead};
use crate::render;

const EXAMPLES: &str = r#"Examples:
  lineage log model.txt                                     all that happened to a file
  lineage log -w 'f1_score > 0.8' --sort=-f1_score          good runs, the best first
  lineage log -w 'status = failed and started > now - 7d'   what failed in the last 7 days
  lineage log -w 'used("data/raw/**") and git.dirty=false'  what read data, on committed code"#;

/// List runs, newest first, or those that an expression is true of; or, with FILE, everything that happened to a file.
///
/// A repetition, made by `lineage rerun`, has the measurements of its run once more: where runs are asked for by `--where` or
/// sorted, repetitions are left out, so that the ten best are ten runs. `--all` lists them, too, and so does an expression that
/// names the field `rerun_of`.
#[derive(Args)]
#[command(after_help = format!("{OF_RUNS}\n\n{EXAMPLES}"))]
pub(crate) struct Log {
    /// A file whose history to list; `FILE@RUN`: that of the version that the run wrote, or else read.
    #[arg(value_name = "FILE[@RUN]", conflicts_with_all = ["filter", "sort", "columns", "explain"], value_hint = ValueHint::AnyPath)]
    file: Option<OsString>,
    #[command(flatten)]
    search: SearchArguments,
    /// List at most N; 0 lists all.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    limit: usize,
    /// List repetitions in answer to a question, too.
    #[arg(long, conflicts_with = "file")]
    all: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Log {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let workspace = match &self.file {
            Some(file) => surroundings.workspace_of(file)?,
            None => surroundings.workspace()?,
        };
        let view = workspace.view()?;
        output::warnings(&view.warnings);
        let limit = if self.limit == 0 { usize::MAX } else { self.limit };
        match &self.file {
            Some(file) => {
                let found = history(&workspace, &view, &surroundings.folder, file, limit)?;
                if self.json {
                    output::json(&render::log::history_json(&found))?;
                } else {
                    output::answer(&render::log::history(&found))?;
                }
            }
            None => self.runs(&workspace, &view, surroundings, limit)?,
        }
        Ok(0)
    }

    fn runs(
        &self,
        workspace: &Workspace,
        view: &View,
        surroundings: &Surroundings,
        limit: usize,
    ) -> Result<()> {
        let request = self.search.request(limit, self.all);
        let found = ops::search::runs(workspace, view, &request, surroundings.clock.wall())?;
        output::warnings(&render::table::not_known(&found.explanation, "run", "runs"));
        let mut heads = Vec::with_capacity(found.rows.len());
        for row in &found.rows {
            let tail = query::unique_tail(&view.snapshot, row.item.run.id)?;
            let alive = workspace.is_at_work(&view.snapshot, &row.item)?;
            let mut run = row.item.clone();
            let shown = query::shown_label(&view.snapshot, run.number, &run.run.run_id)?;
            let recorded_label = std::mem::replace(&mut run.run.run_id, shown);
            heads.push(RunHead { view: run, recorded_label, tail, alive, commits_gone: Vec::new() });
        }
        if self.json {
            let mut document = render::log::runs_json(&heads, &found);
            if self.search.explain {
                document["plan"] = render::table::explanation_json(&found.explanation);
            }
            return output::json(&document);
        }
        if self.search.explain {
            output::note(&render::table::explanation(&found.explanation, "run", "runs"));
        }
        found.explanation.hints.iter().for_each(|hint| output::note(&format!("hint: {hint}")));
        output::answer(&render::log::runs(&heads, &found, self.search.has_columns(), output::width()))
    }
}
