//! How runs and model versions are asked for: an expression, an order, columns.

use clap::Args;

use crate::query::filter::SearchRequest;

#[derive(Args)]
pub(crate) struct SearchArguments {
    /// List those that this is true of; see below.
    #[arg(long = "where", short = 'w', value_name = "EXPRESSION")]
    filter: Option<String>,
    /// Sort by these fields, with `-` before one the greatest first.
    #[arg(long, value_name = "FIELDS", value_delimiter = ',', allow_hyphen_values = true)]
    sort: Vec<String>,
    /// Show these fields.
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    columns: Vec<String>,
    /// Say on stderr where was looked, and at how many.
    #[arg(long)]
    pub explain: bool,
}

impl SearchArguments {
    /// Says whether anything was asked for.
    pub fn is_given(&self) -> bool {
        self.filter.is_some() || !self.sort.is_empty() || self.has_columns() || self.explain
    }

    /// Says whether columns were chosen.
    pub fn has_columns(&self) -> bool {
        !self.columns.is_empty()
    }

    /// Returns the request.
    pub fn request(&self, limit: usize, all: bool) -> SearchRequest {
        SearchRequest {
            filters: self.filter.iter().cloned().collect(),
            sort: self.sort.clone(),
            columns: self.columns.clone(),
            limit,
            all,
        }
    }
}

macro_rules! language {
    ($fields:literal) => {
        concat!(
            "The language:\n",
            "  = != < <= > >=   in (…)   ~ \"pattern\"   and or not ( )\n",
            $fields,
            "  metrics     by name, or metric.\"odd name\": the last value; min(…), max(…), first(…);\n",
            "              count(…): how many points, 0 where there is none\n",
            "  questions   has(FIELD), used(\"PATH\"), generated(\"PATH\"), trained_on(\"PATH\"),\n",
            "              used(\"PATH\", observed) and the like: known so surely, or declared, inferred,\n",
            "              doubtful; with no word also what a file that was written on may have carried\n",
            "              code.contains(COMMIT): the run's commit is COMMIT or was built on it\n",
            "  values      0.8, \"text\", word, true, 2025-12-01, 2025-12-01T10:30Z, 90s, 7d, now - 7d, today\n",
            "A date is the whole day: `=` lies in it, `<` before, `>` after. Paths are named from the\n",
            "workspace's root; * stops at /, ** does not; NAME@VERSION is the files of a model version.\n",
            "What is missing is neither true nor false: `has(FIELD)` asks for that."
        )
    };
}

/// The language in which runs are asked for, for `--help`.
pub(crate) const OF_RUNS: &str = language!(
    "  fields      name, status, kind, by, started, ended, took, run, run_id, rerun_of, parent,
              exit_code, host, command, folder, reason, git.commit, git.branch, git.dirty,
              param.NAME, tag.NAME\n"
);

/// The language in which model versions are asked for, for `--help`.
pub(crate) const OF_MODELS: &str = language!(
    "  fields      name, version, stage, created, updated, description, model_type, base_model, by, tag.NAME
  of its run  run, run_id, kind, started, ended, took, exit_code, host, command, git.commit,
              git.branch, git.dirty, param.NAME; and of a metric that the run measured min(…),
              max(…), first(…) and count(…), while its last value is what was registered\n"
);
