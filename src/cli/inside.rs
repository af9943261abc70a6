//! `lineage metric`, `param`, `used` and `generated`: what a program says of the run it is part of.

use std::ffi::OsString;

use clap::{Args, ValueHint};

use crate::cli::{Surroundings, output, run_around, workspace_around};
use crate::error::{Error, Result};
use crate::model::NodeId;
use crate::ops::Workspace;
use crate::ops::inside::{Declared, say_files, say_metric, say_parameters};
use crate::query::RunSelector;

/// Record one point of a metric of the run this is part of.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage metric f1_score 0.87        a metric with one value
  lineage metric loss 0.31 --step 10  a point of a curve")]
pub(crate) struct MetricPoint {
    /// The metric's name.
    #[arg(value_name = "NAME")]
    name: String,
    /// Its value, a finite number; or both in one word, `NAME=VALUE`. NaN and infinities are refused, which the run's record says;
    /// the exit code is 0 all the same, so that a training that diverges does not die of telling so.
    #[arg(allow_hyphen_values = true)]
    value: Option<f64>,
    /// The step of training; by default the greatest that the metric has had in this run, or 0, so that what is reported last is
    /// the last.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    step: Option<i64>,
}

impl MetricPoint {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let (name, value) = match self.value {
            Some(value) => (self.name, value),
            None => {
                let (name, text) = in_one_word("metric", &self.name)?;
                let value = text.trim().parse().map_err(|cause: std::num::ParseFloatError| {
                    Error::request(format!("metric `{}` is no number", name.escape_debug())).because(cause)
                })?;
                (name, value)
            }
        };
        let run = current_run()?;
        let workspace = workspace_of_run(surroundings)?;
        if let Some(remark) = say_metric(&workspace, &surroundings.clock, run, &name, value, self.step)? {
            output::note(&format!("lineage: {}", remark.text));
        }
        Ok(0)
    }
}

/// Record a parameter of the run this is part of; of several on one name, the latest counts.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage param learning_rate 3e-5  a name and its value
  lineage param seed=42             both in one word")]
pub(crate) struct ParameterValue {
    /// The parameter's name.
    #[arg(value_name = "NAME")]
    name: String,
    /// Its value; or both in one word, `NAME=VALUE`.
    #[arg(allow_hyphen_values = true)]
    value: Option<String>,
}

impl ParameterValue {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let pair = match self.value {
            Some(value) => (self.name, value),
            None => in_one_word("param", &self.name)?,
        };
        let run = current_run()?;
        let workspace = workspace_of_run(surroundings)?;
        say_parameters(&workspace, &surroundings.clock, run, &[pair])?;
        Ok(0)
    }
}

/// Reads `NAME=VALUE`, as it is written behind `--metric` and `--param`.
fn in_one_word(command: &str, word: &str) -> Result<(String, String)> {
    let pair = word.split_once('=').filter(|(name, _)| !name.is_empty());
    let shown = || word.chars().take(80).collect::<String>().escape_debug().to_string();
    pair.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or_else(|| {
        Error::request(format!("`{}` has no value", shown()))
            .hint(format!("`lineage {command} NAME VALUE`, or `lineage {command} NAME=VALUE`"))
    })
}

/// Declare that the run this is part of read files, or names outside this machine such as `hf://ProsusAI/finbert`.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage used hf://ProsusAI/finbert            a model that was fetched
  lineage used data/raw/NORDWIND_10-K_2023.txt  a file")]
pub(crate) struct UsedFiles {
    /// What it read.
    #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    paths: Vec<OsString>,
}

impl UsedFiles {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        declare(surroundings, &self.paths, Declared::Used)
    }
}

/// Declare that the run this is part of wrote files.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage generated model.txt  a file that the run wrote")]
pub(crate) struct GeneratedFiles {
    /// What it wrote.
    #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    paths: Vec<OsString>,
}

impl GeneratedFiles {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        declare(surroundings, &self.paths, Declared::Generated)
    }
}

fn declare(surroundings: &Surroundings, paths: &[OsString], declared: Declared) -> Result<u8> {
    let run = current_run()?;
    let workspace = workspace_of_run(surroundings)?;
    let folder = surroundings.real_folder();
    for remark in say_files(&workspace, &surroundings.clock, run, &folder, paths, declared)? {
        output::note(&format!("lineage: {}", remark.text));
    }
    Ok(0)
}

/// Returns the run that this process is part of.
fn current_run() -> Result<NodeId> {
    run_around().ok_or_else(|| {
        Error::request("this is not part of a run")
            .hint("it is meant for use inside a command under `lineage run -- COMMAND`")
    })
}

/// Finds the workspace that the run is recorded in: the command may have gone elsewhere, or run in a copy.
fn workspace_of_run(surroundings: &Surroundings) -> Result<Workspace> {
    workspace_around()?.map_or_else(|| surroundings.workspace(), Ok)
}

/// Returns the run that this process is part of, if it is part of one.
pub(crate) fn current_run_selector() -> Option<RunSelector> {
    run_around().map(|run| RunSelector::Tail(run.hex()))
}
