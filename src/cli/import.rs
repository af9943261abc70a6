//! `lineage import`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::backup::read_jsonl;
use crate::cli::taken::{Program, take_over};
use crate::cli::{Surroundings, changes_nothing, host, output, workspace_around};
use crate::error::{Error, Result};
use crate::model::Timestamp;
use crate::ops::import::{ImportRequest, import_files};
use crate::ops::registry::import_registry;
use crate::render;

/// Record files from before: what they are, and what they were made by as far as you know; or runs of other programs.
///
/// Every file is recorded as written by a run of kind import at the time of its last change, known because you say so
/// ("declared"). Folders are walked; `.lineageignore` is heeded in them. What is recorded already with the same bytes is
/// not recorded again. Exit code 1 where some files could not be read.
///
/// With `--format mlflow` a folder `mlruns` or an SQLite file becomes runs with metrics, parameters, tags and artifacts,
/// and model versions; with `--format openlineage` run events, one a line, become runs with inputs and outputs. Imported
/// again, what is new there is recorded, and what was changed there of model versions and runs: aliases, stages,
/// descriptions, tags, parameters; what a run is called there now, and that it is deleted, become tags of it. What was
/// changed here, and not there, stays. What is damaged, lies ahead of the clock, or differs and cannot be changed, is
/// named, and the rest taken: exit code 1 then.
///
/// With `--format registry` the `metadata.json` files of a registry, committed in git or brought from another machine, become
/// model versions as these files say: when and by whom they were registered, their stage, aliases, metrics, the digests of
/// their files, and the run that trained them, by its key and name where it is not recorded here. Taken again, newer files
/// become changes, and an alias that went from one of the files to another goes along; what a file says otherwise than is recorded
/// then is named: exit code 1.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage import data/raw --generated-by 'fetched from EDGAR'  files from before
  lineage import mlruns --format mlflow                        runs and models of MLflow
  lineage import models/registry --format registry             model versions")]
pub(crate) struct Import {
    /// Files and folders.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// What is imported.
    #[arg(long, value_name = "FORMAT", default_value = "files")]
    format: Format,
    /// What made the files, in words: a command, a person, a place they were fetched from.
    #[arg(long, value_name = "TEXT")]
    generated_by: Option<String>,
    /// The run's name.
    #[arg(long, value_name = "NAME")]
    run_name: Option<String>,
    /// When the files were written, in UTC: `2025-12-12` or `2025-12-12 17:42:18`; by default the time of their last change.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The files themselves.
    Files,
    /// A backup of `lineage export --format jsonl`: all of it is taken over, or where a line is wrong nothing.
    Jsonl,
    /// A store of MLflow: a folder `mlruns`, or the file of an SQLite database.
    Mlflow,
    /// Run events of OpenLineage, one a line.
    Openlineage,
    /// A model registry of lineage: folders such as `models/registry`, or single files `metadata.json`.
    Registry,
}

impl Import {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        if let Some(workspace) = workspace_around()?
            && changes_nothing(&workspace, "nothing is imported")?
        {
            return Ok(0);
        }
        match self.format {
            Format::Files => self.files(surroundings),
            Format::Jsonl => self.store(surroundings, None),
            Format::Mlflow => self.store(surroundings, Some(Program::Mlflow)),
            Format::Openlineage => self.store(surroundings, Some(Program::OpenLineage)),
            Format::Registry => self.registry(surroundings),
        }
    }

    fn check_files_alone(&self) -> Result<()> {
        let said = [self.generated_by.is_some(), self.run_name.is_some(), self.at.is_some()];
        if said.contains(&true) {
            return Err(Error::request("`--generated-by`, `--run-name` and `--at` are for files alone")
                .hint("leave them out: what is imported says so itself"));
        }
        Ok(())
    }

    fn store(self, surroundings: &Surroundings, program: Option<Program>) -> Result<u8> {
        self.check_files_alone()?;
        let [place] = self.paths.as_slice() else {
            return Err(Error::request("one store is imported at a time").hint("name one folder or file"));
        };
        match program {
            Some(program) => take_over(surroundings, program, place, self.json),
            None => read_jsonl(surroundings, place, self.json),
        }
    }

    fn registry(self, surroundings: &Surroundings) -> Result<u8> {
        self.check_files_alone()?;
        let workspace = surroundings.workspace_or_new()?;
        let (clock, author, folder) = (&surroundings.clock, surroundings.author(), &surroundings.folder);
        let report = import_registry(&workspace, clock, &author, folder, &self.paths)?;
        output::warnings(&report.warnings);
        if self.json {
            output::json(&render::registry::json(&report))?;
        } else {
            output::answer(&render::registry::text(&report))?;
        }
        let agrees = report.entries.iter().all(|entry| entry.differs.is_empty());
        Ok(u8::from(!report.left_out.is_empty() || !agrees))
    }

    fn files(self, surroundings: &Surroundings) -> Result<u8> {
        let at = self.at.as_deref().map(Timestamp::parse).transpose()?;
        let workspace = surroundings.workspace_or_new()?;
        let request = ImportRequest {
            paths: self.paths,
            folder: surroundings.folder.clone(),
            generated_by: self.generated_by,
            name: self.run_name,
            at,
            arguments: surroundings.arguments.clone(),
            host: host(),
        };
        let summary = import_files(&workspace, &surroundings.clock, &request)?;
        output::warnings(&summary.warnings);
        if self.json {
            output::json(&render::import::json(&summary))?;
        } else {
            output::answer(&render::import::text(&summary))?;
        }
        Ok(u8::from(!summary.unreadable.is_empty()))
    }
}
