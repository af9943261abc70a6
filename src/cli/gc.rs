//! `lineage gc`

use std::time::Duration;

use clap::Args;

use crate::cli::{Surroundings, output};
use crate::error::Result;
use crate::ops::gc::{GcRequest, gc};
use crate::render;

/// List the kept contents that nothing needs, and with --apply let them go.
///
/// Never goes: what a projection, a model version or a note needs, patches and environments of runs, inputs and outputs
/// that the policy in `.lineage/config.toml` keeps, and what lay in files that `restore`, `project`, `research`, `split` or
/// `pipeline` wrote over. Facts are never removed.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage gc                          lists what nothing needs
  lineage gc --apply --older-than 30  lets go what has been kept for 30 days")]
pub(crate) struct Gc {
    /// Let them go.
    #[arg(long)]
    apply: bool,
    /// Only what has been kept for so many days; with 0, all but what was kept in the last minute.
    #[arg(long, value_name = "DAYS", default_value_t = 7, value_parser = clap::value_parser!(u64).range(0..=36_500))]
    older_than: u64,
    /// List at most N contents; 0 lists all. By default 20 on paper, all in JSON.
    #[arg(long, short = 'n', value_name = "N")]
    limit: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Gc {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let workspace = surroundings.workspace()?;
        let older_than = Duration::from_secs(self.older_than * 24 * 60 * 60);
        let report = gc(&workspace, GcRequest { apply: self.apply, older_than })?;
        output::warnings(&report.warnings);
        let limit = output::limit(self.limit, self.json);
        if self.json {
            output::json(&render::gc::json(&report, limit))?;
        } else {
            output::answer(&render::gc::text(&report, limit))?;
        }
        Ok(u8::from(!report.failed.is_empty()))
    }
}
