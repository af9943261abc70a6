//! `lineage models` and `lineage models best`

use clap::Args;

use crate::cli::{Surroundings, output};
use crate::error::{Error, Result};
use crate::ops::registry::{card, list};
use crate::query::registry::{best, versions};
use crate::render;

#[derive(Args)]
pub(crate) struct List {
    /// List at most N; 0 lists all.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    limit: usize,
    /// List also what was withdrawn, and what has the name of another.
    #[arg(long)]
    all: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl List {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let workspace = surroundings.workspace()?;
        let view = workspace.view()?;
        output::warnings(&view.warnings);
        let limit = if self.limit == 0 { usize::MAX } else { self.limit };
        let (rows, more) = list(&workspace, &view.snapshot, self.all, limit)?;
        if self.json {
            output::json(&render::models::list_json(&rows, more))?;
        } else {
            output::answer(&render::models::list(&rows, more))?;
        }
        Ok(0)
    }
}

/// Show the version of a model with the greatest value of a metric.
///
/// Versions that were withdrawn do not count. Of equal values, that of the greater version counts.
#[derive(Args)]
pub(crate) struct Best {
    /// The model's name.
    name: String,
    /// The metric.
    #[arg(long, value_name = "METRIC")]
    by: String,
    /// The smallest value is the best.
    #[arg(long)]
    min: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Best {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let workspace = surroundings.workspace()?;
        let view = workspace.view()?;
        output::warnings(&view.warnings);
        let found = best(&view.snapshot, &self.name, &self.by, self.min)?.ok_or_else(|| {
            let known = versions(&view.snapshot, &self.name).unwrap_or_default();
            let shown = self.by.escape_debug();
            if known.is_empty() {
                return Error::request(format!("no model is called `{}`", self.name.escape_debug()))
                    .hint("`lineage models` lists the models");
            }
            let mut names: Vec<&str> =
                known.iter().flat_map(|view| &view.metrics).map(|metric| metric.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            names.truncate(20);
            Error::no(format!("no version of `{}` has the metric `{shown}`", self.name)).hint(format!(
                "its versions have {}",
                if names.is_empty() { "none".to_owned() } else { names.join(", ") }
            ))
        })?;
        let card = card(&workspace, &view.snapshot, found, true)?;
        if self.json {
            output::json(&render::models::card_json(&card))?;
        } else {
            output::answer(&render::models::card(&card, true))?;
        }
        Ok(0)
    }
}
