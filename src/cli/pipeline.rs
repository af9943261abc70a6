//! `lineage pipeline`

use std::path::PathBuf;

use clap::Args;

use crate::cli::progress::Bar;
use crate::cli::{Surroundings, output};
use crate::error::{Error, Result};
use crate::filings::Section;
use crate::ops::pipeline::{self, FailuresMax, PipelineRequest, PipelineStage, Resume};
use crate::render;

/// Turn SEC filings into training segments: parse, extract, clean, segment.
///
/// Every stage of every filing is recorded as a step with its input and output, and its output is kept, so that
/// any file and any segment can be traced to bytes of its filing with `lineage show`.
#[derive(Args)]
pub(crate) struct Pipeline {
    /// Filings: files, folders, patterns such as 'data/raw/*.htm'; by default `data/raw` of the workspace.
    #[arg(value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// The run's name; it stands in the names of its folders.
    #[arg(long, value_name = "NAME")]
    run_name: Option<String>,
    /// Take up RUN again, or the latest pipeline run: do what is missing, altered, failed or out of date.
    #[arg(long, value_name = "RUN", num_args = 0..=1, default_missing_value = "")]
    resume: Option<String>,
    /// Stages to do, each with those before it: parse, extract, clean, segment.
    #[arg(long, value_name = "STAGES", value_delimiter = ',')]
    stages: Vec<String>,
    /// Sections to extract: items such as 1A or 7, or `all`.
    #[arg(long, value_name = "ITEMS", value_delimiter = ',')]
    sections: Vec<String>,
    /// Filings to work on at once; by default as many as there are cores.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,
    /// Take only the first N filings, by path.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Stop when more than N filings, or N%, have failed.
    #[arg(long, value_name = "N|N%")]
    max_failures: Option<String>,
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
        let workspace = surroundings.workspace_or_new()?;
        let bar = Bar::new(self.quiet || self.json);
        let summary = pipeline::pipeline(&workspace, &surroundings.clock, &request, &bar)?;
        output::warnings(&summary.notes);
        if self.json {
            output::json(&render::pipeline::json(&summary))?;
        } else if !self.quiet || summary.has_failed() {
            output::answer(&render::pipeline::text(&summary))?;
        }
        Ok(u8::from(summary.has_failed()))
    }

    fn request(&self, surroundings: &Surroundings) -> Result<PipelineRequest> {
        let stages = self
            .stages
            .iter()
            .map(|name| PipelineStage::from_name(name.trim()));
        let stages = stages.collect::<Result<Vec<_>>>()?;
        Ok(PipelineRequest {
            inputs: self.inputs.clone(),
            folder: surroundings.folder.clone(),
            name: self.run_name.clone(),
            resume: match self.resume.as_deref() {
                None => Resume::No,
                Some("") => Resume::Latest,
                Some(run) => Resume::Run(run.parse()?),
            },
            last: stages.into_iter().max().unwrap_or(PipelineStage::Segment),
            sections: sections(&self.sections)?,
            workers: self.workers.map(usize::from),
            limit: self.limit,
            dry_run: self.dry_run,
            use_cache: !self.no_cache,
            failures_max: self
                .max_failures
                .as_deref()
                .map_or(Ok(FailuresMax::Unlimited), failures_max)?,
            arguments: surroundings.arguments.clone(),
            host: host(),
        })
    }
}

fn sections(words: &[String]) -> Result<Vec<Section>> {
    if words.is_empty() {
        return Ok(vec![Section::RISK_FACTORS]);
    }
    if words.iter().any(|word| word.trim().eq_ignore_ascii_case("all")) {
        return Ok(Section::all().collect());
    }
    let mut sections = words
        .iter()
        .map(|word| word.trim().parse())
        .collect::<Result<Vec<Section>>>()?;
    sections.sort();
    sections.dedup();
    Ok(sections)
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

/// Returns the machine's name, as far as it is to be had without asking the network.
fn host() -> String {
    let from_kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = from_kernel
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_default();
    name.trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(255)
        .collect()
}
