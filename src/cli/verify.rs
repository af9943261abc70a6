//! `lineage verify`

use clap::Args;

use crate::cli::{Surroundings, output};
use crate::error::Result;
use crate::ops::verify::verify;
use crate::render;

/// Check all that is recorded, and change nothing. Exit code 1 where something is wrong.
///
/// Every record of the journal is read. The store is compared, fact by fact, with one built anew from the journal in a
/// temporary file. Every kept content is read and held against its digest, and those that runs need are looked for.
/// Recorded files are compared with the disk: one that was changed or removed is remarked upon, and only an output that
/// is lost for good is a fault.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage verify  checks the journal, the store, kept contents and files")]
pub(crate) struct Verify {
    /// List at most N faults and N remarks; 0 lists all. By default 20 on paper, all in JSON.
    #[arg(long, short = 'n', value_name = "N")]
    limit: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let workspace = surroundings.workspace()?;
        let report = verify(&workspace)?;
        let limit = output::limit(self.limit, self.json);
        if self.json {
            output::json(&render::verify::json(&report, limit))?;
        } else {
            output::answer(&render::verify::text(&report, limit))?;
        }
        Ok(u8::from(!report.is_sound()))
    }
}
