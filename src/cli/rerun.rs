//! `lineage rerun`

use std::ffi::OsString;

use clap::Args;

use crate::capture;
use crate::cli::{Surroundings, host, output, run_around};
use crate::error::{Error, Result};
use crate::ops::metrics::name_pattern;
use crate::ops::rerun::{RerunRequest, rerun};
use crate::render;

/// Run a recorded command again, and compare every file it makes, and every metric, with those of then.
///
/// It runs in a temporary copy of the workspace as the run found it: the recorded commit with the recorded patch, the files that the
/// run read, and those that other runs had seen there by then, so that a build leaves alone what was up to date (of these at most 1
/// GiB and 10,000 files). They are brought from what is kept, or from the workspace where they still have the bytes of then. Your own
/// files are only read: a command that would write to them by their whole paths is refused.
///
/// What lies outside the workspace is read where it is; if the run read it, it must have the bytes of then. Of another repository that
/// has moved on since, a copy at its commit of then lies beside the copy. The environment is that of now, but for the few variables
/// that are recorded.
///
/// What the command prints goes to stderr, and the repetition is recorded as a run of its own, which `@` passes over. Exit code 0:
/// every file, every point of a metric and the exit code are those of then; 1: something differs; 2: it was not run, and why.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage rerun @                the latest run, in a temporary copy
  lineage rerun 563faa35 --keep  the run 563faa35; the copy stays
  lineage rerun net@production   is this model reproducible?
  lineage rerun @ --ignore-metric '*_seconds'  times are another matter")]
pub(crate) struct Rerun {
    /// The run: `@`, `@-`, its run id, the end of its key, or its name; or a file that it wrote, or a version of a model that came
    /// from it, `NAME@VERSION`. `@` is never a repetition, nor a part of another run.
    #[arg(value_name = "RUN")]
    run: OsString,
    /// Run in the workspace itself, on what lies there now, and compare likewise. Nothing is brought or protected: the command may
    /// overwrite your files.
    #[arg(long, conflicts_with_all = ["incomplete", "keep"])]
    here: bool,
    /// Run although files that the run read are missing, or name by its whole path what is to be written.
    #[arg(long)]
    incomplete: bool,
    /// Leave the copy where it is, and say where.
    #[arg(long)]
    keep: bool,
    /// Do not compare a metric, such as one that measures time; a pattern with `*` names many. May be given more than once.
    #[arg(long, value_name = "NAME")]
    ignore_metric: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Rerun {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let workspace = surroundings.workspace()?;
        let program = std::env::current_exe()
            .map_err(|cause| Error::request("cannot tell where this program lies").because(cause))?;
        let request = RerunRequest {
            word: self.run,
            folder: surroundings.folder.clone(),
            here: self.here,
            incomplete: self.incomplete,
            keep: self.keep,
            ignored_metrics: self
                .ignore_metric
                .iter()
                .map(|text| name_pattern(text))
                .collect::<Result<_>>()?,
            temporary: std::env::temp_dir(),
            environment: std::env::vars_os().collect(),
            program,
            parent: run_around(),
            host: host(),
        };
        let diverted = capture::divert_output();
        let summary = rerun(&workspace, &surroundings.clock, &request);
        drop(diverted);
        let summary = summary?;
        output::warnings(&summary.notes);
        for remark in &summary.again.remarks {
            output::note(&format!("lineage: {}", render::show::remark_words(remark)));
        }
        if self.json {
            output::json(&render::rerun::json(&summary))?;
        } else {
            output::answer(&render::rerun::text(&summary))?;
        }
        Ok(u8::from(!summary.is_same()))
    }
}
