//! `lineage import`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::{Surroundings, host, output};
use crate::error::Result;
use crate::model::Timestamp;
use crate::ops::import::{ImportRequest, import_files};
use crate::render;

/// Record files from before: what they are, and what they were made by as far as you know.
///
/// Every file is recorded as written by a run of kind import at the time of its last change, known because you say so
/// ("declared"). Folders are walked; `.lineageignore` is heeded in them. What is recorded already with the same bytes is
/// not recorded again. Exit code 1 where some files could not be read.
#[derive(Args)]
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
}

impl Import {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        match self.format {
            Format::Files => self.files(surroundings),
        }
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
