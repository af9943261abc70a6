//! `lineage project`

use std::path::PathBuf;

use clap::Args;

use crate::cli::{Surroundings, output};
use crate::error::Result;
use crate::ops::project::{ProjectRequest, project};
use crate::render;

/// Write every projected file again as the store has it: run folders, model metadata, the research README.
///
/// What lies there as it should is left as it is, so that twice in a row writes nothing. A file that somebody edited is
/// never written over without --force. Exit code 1 where a file could not be brought up to date, or with
/// --check where one is not.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage project                  writes all that is missing or out of date
  lineage project --check          changes nothing, lists what would change
  lineage project models/registry  one folder only")]
pub(crate) struct Project {
    /// Files and folders to bring up to date; by default all.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Change nothing and list what is not as the store has it; exit code 1 where there is anything. For CI.
    #[arg(long)]
    check: bool,
    /// The same as --check, with exit code 0.
    #[arg(long)]
    dry_run: bool,
    /// Show line by line what changes.
    #[arg(long)]
    diff: bool,
    /// Write over files that somebody edited; what they hold is kept, and named.
    #[arg(long)]
    force: bool,
    /// Remove files that were projected earlier and are no longer wanted.
    #[arg(long)]
    prune: bool,
    /// Read every file, also those that look unchanged.
    #[arg(long)]
    verify: bool,
    /// List at most N files of each sort; 0 lists all. By default 20 on paper, all in JSON.
    #[arg(long, short = 'n', value_name = "N")]
    limit: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Project {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let workspace = surroundings.workspace()?;
        let request = ProjectRequest {
            paths: self.paths,
            folder: surroundings.folder.clone(),
            dry_run: self.check || self.dry_run,
            diff: self.diff,
            force: self.force.then(|| surroundings.overwriting("project")),
            prune: self.prune,
            verify: self.verify,
        };
        let report = project(&workspace, &request)?;
        output::warnings(&report.warnings);
        let limit = output::limit(self.limit, self.json);
        if self.json {
            output::json(&render::project::json(&report, limit))?;
        } else {
            output::answer(&render::project::text(&report, limit))?;
        }
        let is_no = match (self.check, self.dry_run) {
            (true, _) => report.would_change(self.prune),
            (false, true) => false,
            (false, false) => !report.is_current(),
        };
        Ok(u8::from(is_no))
    }
}
