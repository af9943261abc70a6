//! `lineage log`

use clap::Args;

use crate::cli::{Surroundings, output};
use crate::error::{Error, Result};
use crate::ops::{self, Target, View, Workspace, locate};
use crate::query::filter::SearchRequest;
use crate::query::{self, RunHead};
use crate::render;

/// List runs, newest first, or those that an expression is true of; or, with FILE, everything that happened to a file.
///
/// An expression compares fields with values:
///
///     lineage log --where 'f1_score >= 0.8 and git.dirty = false' --sort -f1_score
///     lineage log --where 'status = failed and started > now - 7d'
///     lineage log --where 'trained_on("data/raw/*.htm") and not code.contains(ea45dd2)'
#[derive(Args)]
#[command(after_help = LANGUAGE, verbatim_doc_comment)]
pub(crate) struct Log {
    /// A file whose history to list.
    #[arg(conflicts_with_all = ["filter", "sort", "columns", "explain"])]
    file: Option<String>,
    /// List the runs that this is true of.
    #[arg(long = "where", short = 'w', value_name = "EXPRESSION")]
    filter: Option<String>,
    /// Sort by these fields, with `-` before one the greatest first.
    #[arg(long, value_name = "FIELDS", value_delimiter = ',', allow_hyphen_values = true)]
    sort: Vec<String>,
    /// Show these fields.
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    columns: Vec<String>,
    /// List at most N; 0 lists all.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Say on stderr where was looked, and at how many runs.
    #[arg(long)]
    explain: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The language, for `--help`.
pub(crate) const LANGUAGE: &str = "\
The language:
  = != < <= > >=   in (…)   ~ \"pattern\"   and or not ( )
  fields      name, status, kind, started, ended, took, run, run_id, exit_code, host, command,
              folder, reason, git.commit, git.branch, git.dirty, param.NAME
  metrics     by name, or metric.\"odd name\": the last value; min(…), max(…), first(…), count(…)
  questions   has(FIELD), used(\"PATH\"), generated(\"PATH\"), trained_on(\"PATH\"),
              code.contains(COMMIT): the run's commit is COMMIT or was built on it
  values      0.8, \"text\", word, true, 2025-12-01, 2025-12-01T10:30Z, 90s, 7d, now - 7d, today
A date is the whole day: `=` lies in it, `<` before, `>` after. Paths are named from the
workspace's root; * stops at /, ** does not. What a run has no value for is neither true
nor false of it: `has(FIELD)` asks for that.";

impl Log {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let workspace = surroundings.workspace()?;
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
        let request = SearchRequest {
            filter: self.filter.clone(),
            sort: self.sort.clone(),
            columns: self.columns.clone(),
            limit,
        };
        let found = ops::search::runs(workspace, view, &request, surroundings.clock.wall())?;
        output::warnings(&render::table::unknown_files(&found.explanation));
        let mut heads = Vec::with_capacity(found.rows.len());
        for row in &found.rows {
            let tail = query::unique_tail(&view.snapshot, row.item.run.id)?;
            let alive = workspace.is_alive(row.item.live_segment());
            heads.push(RunHead { view: row.item.clone(), tail, alive });
        }
        if self.json {
            let mut document = render::log::runs_json(&heads, &found);
            if self.explain {
                document["plan"] = render::table::explanation_json(&found.explanation);
            }
            return output::json(&document);
        }
        if self.explain {
            output::note(&render::table::explanation(&found.explanation, "run", "runs"));
        }
        output::answer(&render::log::runs(&heads, &found, !self.columns.is_empty(), output::width()))
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
            Target::Model(_) => {
                return Err(Error::request(format!("`{}` is a model, not a file", file.escape_debug()))
                    .hint(format!("`lineage models history {file}` lists what became of it")));
            }
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
