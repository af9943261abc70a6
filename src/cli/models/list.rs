//! `lineage models` and `lineage models best`

use clap::Args;

use crate::cli::search::SearchArguments;
use crate::cli::{Surroundings, output};
use crate::error::{Error, Result};
use crate::ops::registry::{card, list};
use crate::ops::{self, View, Workspace};
use crate::query::filter::{Column, Found, meant, metric_names};
use crate::query::registry::{self, ModelView, best, metrics_of, unknown_model};
use crate::render;
use crate::render::refused::refused;
use crate::store::Snapshot;

#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    search: SearchArguments,
    /// List the names of the metrics that model versions have, instead.
    #[arg(long, conflicts_with_all = ["filter", "sort", "columns", "explain", "all"])]
    metrics: bool,
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
        let (workspace, view) = surroundings.view()?;
        let limit = if self.limit == 0 { usize::MAX } else { self.limit };
        if self.metrics {
            return self.metric_names(&view, limit);
        }
        if self.search.is_given() {
            return self.found(&workspace, &view, surroundings, limit);
        }
        let models = list(&workspace, &view.snapshot, self.all, limit)?;
        if self.json {
            output::json(&render::models::list_json(&models))?;
        } else {
            output::answer(&render::models::list(&models, output::width()))?;
        }
        Ok(0)
    }
}

impl List {
    fn found(
        &self,
        workspace: &Workspace,
        view: &View,
        surroundings: &Surroundings,
        limit: usize,
    ) -> Result<u8> {
        let request = self.search.request(limit, self.all);
        let found = ops::search::models(workspace, view, &request, surroundings.clock.wall())?;
        output::warnings(&render::table::not_known(&found.explanation, "model version", "model versions"));
        if self.json {
            let mut document = render::models::found_json(&found);
            if self.search.explain {
                document["plan"] = render::table::explanation_json(&found.explanation);
            }
            output::json(&document)?;
            return Ok(0);
        }
        if self.search.explain {
            output::note(&render::table::explanation(&found.explanation, "model version", "model versions"));
        }
        found.explanation.hints.iter().for_each(|hint| output::note(&format!("hint: {hint}")));
        output::answer(&render::models::found(&found, self.search.has_columns(), output::width()))?;
        say_refused(&view.snapshot, &found)?;
        Ok(0)
    }

    fn metric_names(&self, view: &View, limit: usize) -> Result<u8> {
        let (names, more) = metric_names(&view.snapshot, limit)?;
        if self.json {
            output::json(&render::metrics::names_json(&names, more))?;
        } else {
            output::answer(&render::metrics::names(&names, more))?;
        }
        Ok(0)
    }
}

/// Says of which versions the run had values refused of a metric that stands in a column.
fn say_refused(snapshot: &Snapshot, found: &Found<ModelView>) -> Result<()> {
    let metrics: Vec<&str> = found.columns.iter().filter_map(Column::metric).collect();
    let mut runs = Vec::new();
    for row in found.rows.iter().filter(|_| !metrics.is_empty()) {
        let run = row.item.model.run.map_or(Ok(None), |id| snapshot.run_no(id))?;
        let remarks = run.map_or(Ok(Vec::new()), |run| snapshot.remarks(run))?;
        runs.push((format!("the run of {}", render::one_line(&row.item.label())), remarks));
    }
    let told = runs.iter().map(|(label, parts)| (label.clone(), parts.iter().flat_map(|part| &part.remarks)));
    refused(told, &metrics).iter().for_each(|line| output::note(&format!("note: {line}")));
    Ok(())
}

/// Show the version of a model with the greatest value of a metric.
///
/// Versions that were withdrawn do not count. Of equal values, that of the greater version counts.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage models best risk_words --by f1_score        the greatest value
  lineage models best risk_words --by val_loss --min  the smallest value")]
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
        let (workspace, view) = surroundings.view()?;
        let wanted = if self.min { registry::Best::Smallest } else { registry::Best::Greatest };
        let Some(found) = best(&view.snapshot, &self.name, &self.by, wanted)? else {
            return Err(without_metric(&view.snapshot, &self.name, &self.by)?);
        };
        if !self.min && is_better_small(&self.by) {
            let metric = render::one_line(&self.by);
            output::note(&format!("this is the greatest {metric}; `--min` finds the smallest"));
        }
        let card = card(&workspace, &view.snapshot, found, true)?;
        if self.json {
            output::json(&render::models::card_json(&card))?;
        } else {
            output::answer(&render::models::card(&card, true))?;
        }
        // It is the best by what was taken; whoever sees the value shall know that it is not all that the run measured.
        if let Some(run) = &card.run {
            let told = std::iter::once((format!("run {}", run.tail), run.view.all_remarks().0));
            refused(told, &[&self.by]).iter().for_each(|line| output::note(&format!("note: {line}")));
        }
        Ok(0)
    }
}

/// Tells by its name a metric of which less is better, as far as names tell.
fn is_better_small(metric: &str) -> bool {
    const SMALL: [&str; 10] =
        ["loss", "error", "perplexity", "ppl", "mse", "rmse", "mae", "mape", "latency", "wer"];
    let metric = metric.to_lowercase();
    let mut words = metric.split(|character: char| !character.is_alphanumeric());
    words.any(|word| SMALL.contains(&word) || word.ends_with("loss") || word.ends_with("error"))
}

/// Says why no version of a model is the best by a metric.
fn without_metric(snapshot: &Snapshot, name: &str, metric: &str) -> Result<Error> {
    let Some(known) = metrics_of(snapshot, name)? else {
        return unknown_model(snapshot, name);
    };
    let all = match known.as_slice() {
        [] => "its versions have none".to_owned(),
        names => format!("its versions have {}", names[..names.len().min(20)].join(", ")),
    };
    let error = Error::no(format!("no version of `{name}` has the metric `{}`", metric.escape_debug()));
    Ok(error.hint(match meant(metric, known.iter().map(String::as_str)) {
        Some(near) if near != metric => format!("did you mean `{near}`? {all}"),
        _ => all,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_of_which_less_is_better_is_told_by_a_word_of_its_name() {
        for name in ["loss", "val_loss", "valLoss", "test/RMSE", "mean_squared_error", "eval-ppl"] {
            assert!(is_better_small(name), "{name}");
        }
        for name in ["f1", "accuracy", "glossary_hits", "power", "lossless_ratio", "termae"] {
            assert!(!is_better_small(name), "{name}");
        }
    }
}
