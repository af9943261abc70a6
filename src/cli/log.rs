//! `lineage log`

use std::ffi::{OsStr, OsString};

use clap::{Args, ValueHint};

use crate::cli::search::{OF_RUNS, SearchArguments};
use crate::cli::{Surroundings, output};
use crate::error::{Error, Result};
use crate::model::{ArtifactPath, Overwritten, repeated_word};
use crate::ops::{self, Target, View, Workspace, locate};
use crate::query::{self, FileChange, RunHead};
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
            Some(file) => self.history(&workspace, &view, surroundings, file, limit)?,
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
            let alive = workspace.is_alive(row.item.live_segment());
            let mut run = row.item.clone();
            let shown = query::shown_label(&view.snapshot, run.number, &run.run.run_id)?;
            let recorded_label = std::mem::replace(&mut run.run.run_id, shown);
            heads.push(RunHead { view: run, recorded_label, tail, alive });
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

    fn history(
        &self,
        workspace: &Workspace,
        view: &View,
        surroundings: &Surroundings,
        file: &OsStr,
        limit: usize,
    ) -> Result<()> {
        let shown = repeated_word(file);
        let target = match locate(workspace, &view.snapshot, &surroundings.folder, file)? {
            Target::File(target) | Target::Segment(target, _) => target,
            Target::Model(_) => {
                return Err(Error::request(format!("`{}` is a model, not a file", shown))
                    .hint(format!("`lineage models history {shown}` lists what became of it")));
            }
            Target::Projected(path, _) => {
                let overwritten = ops::overwritten_at(&view.snapshot, &path)?;
                if !overwritten.is_empty() {
                    return self.answer_history(&path, &[], &overwritten, false);
                }
                return Err(Error::request(format!("`{path}` is written by a projection, and by no run"))
                    .hint(format!("`lineage show {path}` tells what it is written from")));
            }
            Target::Run(_) => {
                return Err(Error::request(format!("`{}` is a run, not a file", shown))
                    .hint(format!("`lineage show {shown}` shows it")));
            }
        };
        let path = &target.artifact.path;
        let version = target.as_of.map(|_| target.number);
        let (changes, more) = query::file_history(&view.snapshot, path, version, limit)?;
        let mut rows = Vec::with_capacity(changes.len());
        for change in changes {
            let run = view.snapshot.run_of(change.step_no)?;
            let head = run.map_or(Ok(None), |run| RunHead::read(&view.snapshot, run))?;
            rows.push((change, head));
        }
        let mut overwritten = ops::overwritten_at(&view.snapshot, path)?;
        overwritten.retain(|over| version.is_none() || over.artifact == target.artifact);
        self.answer_history(path, &rows, &overwritten, more)
    }

    fn answer_history(
        &self,
        path: &ArtifactPath,
        rows: &[(FileChange, Option<RunHead>)],
        overwritten: &[Overwritten],
        more: bool,
    ) -> Result<()> {
        if self.json {
            output::json(&render::log::history_json(path, rows, overwritten, more))
        } else {
            output::answer(&render::log::history(path, rows, overwritten, more))
        }
    }
}
