//! `lineage pipeline`

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use crate::cli::progress::Bar;
use crate::cli::{Surroundings, host, output};
use crate::error::{Error, Result};
use crate::filings::Section;
use crate::model::recorded_word;
use crate::ops::Workspace;
use crate::ops::named::place_on_disk;
use crate::ops::pipeline::{self, FailuresMax, PipelineRequest, PipelineStage, Resume};
use crate::query::RunSelector;
use crate::render;

/// Turn SEC filings into training segments: parse, extract, clean, segment.
///
/// Every stage of every filing is recorded as a step with its input and output, and its output is kept, so that
/// any file and any segment can be traced to bytes of its filing with `lineage show`.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage pipeline                                   the filings in data/raw
  lineage pipeline 'data/raw/*.txt' --sections 1A,7  two sections of some filings
  lineage pipeline --resume                          does what is left to do")]
pub(crate) struct Pipeline {
    /// Filings: files, folders, patterns such as 'data/raw/*.htm'; by default `data/raw` of the workspace.
    #[arg(value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// The run's name; it stands in the names of its folders.
    #[arg(long, value_name = "NAME")]
    run_name: Option<String>,
    /// Take up RUN again, or the latest pipeline run: do what is missing, altered, failed or out of date. Inputs, stages,
    /// sections and limit are those the run was started with, unless others are given.
    #[arg(long, value_name = "RUN", num_args = 0..=1, default_missing_value = "")]
    resume: Option<OsString>,
    /// Stages to do, each with those before it: parse, extract, clean, segment.
    #[arg(long, value_name = "STAGES", value_delimiter = ',')]
    stages: Vec<String>,
    /// Sections to extract: items such as 1A or 7, or `all`.
    #[arg(long, value_name = "ITEMS", value_delimiter = ',')]
    sections: Vec<String>,
    /// Filings to work on at once; by default as many as there are cores.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,
    /// Take only the first N filings, by path; 0 takes all.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Stop when more than N filings, or N%, have failed.
    #[arg(long, value_name = "N|N%")]
    max_failures: Option<String>,
    /// Compare the results with those of RUN (its run id, or one of its folders), or with the texts in a folder of gold
    /// (`ITEM1A.tsv` and `gold/<file>.txt`). Exit code 1 where they differ.
    #[arg(long, value_name = "RUN|FOLDER", conflicts_with = "dry_run")]
    check_against: Option<OsString>,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Do all work again, whatever was done before.
    #[arg(long)]
    no_cache: bool,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
    /// Print nothing but failures.
    #[arg(long, short)]
    quiet: bool,
}

impl Pipeline {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let request = self.request(surroundings)?;
        if let Some(name) = &request.name {
            crate::projection::names::check_run_name(name)?;
        }
        // It is made only when there is something to record, so that a mistyped input or a dry run leaves no trace.
        let workspace = Workspace::find(&surroundings.folder)?;
        let workspace = workspace.unwrap_or_else(|| surroundings.workspace_to_be());
        let existed = workspace.folder().is_dir();
        if existed && !self.quiet {
            surroundings.tell_border(&workspace);
        }
        // Said before the work, not after it, where there is nothing to compare with.
        let base = self.check_against.as_ref();
        let base =
            base.map(|word| pipeline::find_base(&workspace, &surroundings.folder, word)).transpose()?;
        let bar = Bar::new(self.quiet || self.json);
        let summary = pipeline::pipeline(&workspace, &surroundings.clock, &request, &bar);
        if !existed && workspace.folder().is_dir() {
            output::note(&format!("made a workspace at {}", workspace.root().display()));
        }
        let summary = summary?;
        output::warnings(&summary.notes);
        let comparison = match (&base, &summary.run) {
            (Some(base), Some(run)) => Some(pipeline::check_against(&workspace, run, base)?),
            _ => None,
        };
        let differs = comparison.as_ref().is_some_and(|comparison| !comparison.is_same());
        if self.json {
            let mut json = render::pipeline::json(&summary);
            if let Some(run) = summary.run.as_ref().filter(|_| !self.dry_run) {
                json["quality"] = render::quality::json(&pipeline::quality_of(&workspace, run)?);
            }
            if let Some(comparison) = &comparison {
                json["comparison"] = render::against::json(comparison);
            }
            output::json(&json)?;
        } else if !self.quiet || summary.has_failed() {
            // Seen from elsewhere, the workspace's paths are given whole.
            let here = surroundings.folder.canonicalize().is_ok_and(|folder| folder == workspace.root());
            let place = if here { String::new() } else { format!("{}/", workspace.root().display()) };
            output::answer(&render::pipeline::text(&summary, &surroundings.program(), &place))?;
        }
        if let Some(comparison) = comparison.as_ref().filter(|_| !self.json) {
            output::answer(&render::against::text(comparison))?;
        }
        Ok(u8::from(summary.has_failed() || differs))
    }

    fn request(&self, surroundings: &Surroundings) -> Result<PipelineRequest> {
        let stages = self.stages.iter().map(|name| PipelineStage::from_name(name.trim()));
        let stages = stages.collect::<Result<Vec<_>>>()?;
        let mut inputs = self.inputs.clone();
        let resume = match self.resume.as_deref() {
            None => Resume::No,
            Some(word) if word.is_empty() => Resume::Latest,
            Some(word) => match recorded_word(word).parse::<RunSelector>() {
                // `--resume data/raw` means the input: what is there goes before a run of that name.
                Ok(run) if run.is_name() && place_on_disk(&surroundings.folder, word)?.exists() => {
                    inputs.insert(0, PathBuf::from(word));
                    Resume::Latest
                }
                Ok(run) => Resume::Run(run),
                Err(_) if place_on_disk(&surroundings.folder, word)?.exists() => {
                    inputs.insert(0, PathBuf::from(word));
                    Resume::Latest
                }
                Err(error) => return Err(error),
            },
        };
        Ok(PipelineRequest {
            inputs,
            folder: surroundings.folder.clone(),
            name: self.run_name.clone(),
            resume,
            last: stages.into_iter().max(),
            sections: sections(&self.sections)?,
            workers: self.workers.map(usize::from),
            limit: self.limit,
            dry_run: self.dry_run,
            use_cache: !self.no_cache,
            failures_max: self.max_failures.as_deref().map_or(Ok(FailuresMax::Unlimited), failures_max)?,
            arguments: surroundings.arguments.clone(),
            host: host(),
        })
    }
}

fn sections(words: &[String]) -> Result<Vec<Section>> {
    if words.iter().any(|word| word.trim().eq_ignore_ascii_case("all")) {
        return Ok(Section::all().collect());
    }
    words.iter().map(|word| word.trim().parse()).collect()
}

fn failures_max(text: &str) -> Result<FailuresMax> {
    let wrong = || {
        Error::request(format!("`{}` is no number of failures", text.escape_debug()))
            .hint("give a number such as 5, or a share such as 10%")
    };
    match text.strip_suffix('%') {
        Some(percent) => match percent.trim().parse::<f64>() {
            Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(FailuresMax::Percent(percent)),
            _ => Err(wrong()),
        },
        None => text.parse().map(FailuresMax::Count).map_err(|_| wrong()),
    }
}
