//! `lineage schema`

use clap::{Args, ValueEnum};

use crate::cli::{Surroundings, output};
use crate::error::Result;
use crate::projection;

/// Print the JSON Schema of a projected file.
#[derive(Args)]
pub(crate) struct Schema {
    /// Which file.
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// `models/registry/{name}/{version}/metadata.json`
    Metadata,
}

impl Schema {
    pub(crate) fn run(self, _: &Surroundings) -> Result<u8> {
        match self.what {
            What::Metadata => output::json(&projection::metadata_schema())?,
        }
        Ok(0)
    }
}
