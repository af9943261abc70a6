//! `lineage metric`, `param`, `used` and `generated`: what a program says of the run it is part of.

use std::ffi::OsString;

use clap::{Args, ValueHint};

use crate::cli::{Surroundings, changes_nothing, output, run_around, workspace_around};
use crate::error::{Error, Result};
use crate::model::{NodeId, Timestamp};
use crate::ops::inside::{Declared, EndedRun, ended, say_files, say_metric, say_parameters};
use crate::ops::run::RUN_VARIABLE;
use crate::ops::{self, Workspace};
use crate::query::{self, RunSelector};

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
    #[command(flatten)]
    of: OfRun,
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
        let Some((workspace, run)) = self.of.find(surroundings)? else { return Ok(0) };
        if let Some(remark) = say_metric(&workspace, &surroundings.clock, run, &name, value, self.step)? {
            output::note(&format!("lineage: {}", remark.text));
        }
        Ok(0)
    }
}

/// Record a parameter of the run this is part of; said with several values, as by several trials in one run, it is the run's with none of them.
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
    #[command(flatten)]
    of: OfRun,
}

impl ParameterValue {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let pair = match self.value {
            Some(value) => (self.name, value),
            None => in_one_word("param", &self.name)?,
        };
        let Some((workspace, run)) = self.of.find(surroundings)? else { return Ok(0) };
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
    let (workspace, run) = current_run(surroundings)?;
    let folder = surroundings.real_folder();
    for remark in say_files(&workspace, &surroundings.clock, run, &folder, paths, declared)? {
        output::note(&format!("lineage: {}", remark.text));
    }
    Ok(0)
}

/// Which run is told of.
#[derive(Args)]
struct OfRun {
    /// The run, where it is not the one that this is part of: one that has ended may be told of, as an evaluation does.
    #[arg(long, value_name = "RUN")]
    run: Option<RunSelector>,
}

impl OfRun {
    /// Finds the run that is told of, and its workspace; `None` where nothing is told, in a repetition, of another run.
    fn find(&self, surroundings: &Surroundings) -> Result<Option<(Workspace, NodeId)>> {
        let Some(selector) = &self.run else { return current_run(surroundings).map(Some) };
        let workspace = surroundings.workspace()?;
        if changes_nothing(&workspace, "the record of other runs is left as it is")? {
            return Ok(None);
        }
        let view = workspace.view()?;
        output::warnings(&view.warnings);
        let number = ops::find_run(&workspace, &view.snapshot, selector)?;
        let run = query::run_view(&view.snapshot, number)?
            .ok_or_else(|| Error::request("the start of this run is not recorded here"))?
            .run
            .id;
        if let Some(EndedRun { tail, at }) = ended(&workspace, run)? {
            output::note(&format!("lineage: run {tail} ended at {}; this is added to it", moment(at)));
        }
        Ok(Some((workspace, run)))
    }
}

/// Returns the run that this process is part of, and the workspace that it is recorded in: the command may have gone elsewhere, or run
/// in a copy.
fn current_run(surroundings: &Surroundings) -> Result<(Workspace, NodeId)> {
    let run = run_around().ok_or_else(|| {
        Error::request("this is not part of a run")
            .hint(
                "it is meant for use inside a command under `lineage run -- COMMAND`; `lineage metric` and `lineage param` \
                 take `--run RUN` for one that has ended",
            )
    })?;
    let workspace = workspace_around()?.map_or_else(|| surroundings.workspace(), Ok)?;
    match ended(&workspace, run)? {
        None => Ok((workspace, run)),
        Some(EndedRun { tail, at }) => Err(Error::request(format!(
            "run {tail}, which started this, has ended at {}: nothing is a part of it any more",
            moment(at)
        ))
        .hint(format!(
            "`lineage metric` and `lineage param` take `--run {tail}`; `unset {RUN_VARIABLE}` leaves it behind"
        ))),
    }
}

fn moment(at: Timestamp) -> String {
    format!("{} UTC", at.format("%Y-%m-%d %H:%M:%S"))
}
