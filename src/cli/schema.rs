//! `lineage schema`

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::cli::{Surroundings, output};
use crate::error::{Error, Result};
use crate::projection;
use crate::render::schema;

/// Print the JSON Schema of a projected file, of what `register --from-file` reads, or of a command's answer with --json.
///
/// In an answer each field that its schema names as required is there; there may be others in those of a newer lineage.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage schema metadata  of the `metadata.json` of a model version
  lineage schema show      of what `lineage show --json` prints")]
pub(crate) struct Schema {
    /// Which: `metadata` (`models/registry/{name}/{version}/metadata.json`), `entry` (what `register --from-file` reads), or
    /// the answer of a command.
    #[arg(value_parser = PossibleValuesParser::new(names()))]
    what: String,
}

/// The names of what has a schema.
fn names() -> impl Iterator<Item = &'static str> {
    ["metadata", "entry"].into_iter().chain(schema::ANSWERS.iter().map(|(name, ..)| *name))
}

impl Schema {
    pub(crate) fn run(self, _: &Surroundings) -> Result<u8> {
        let schema = match self.what.as_str() {
            "metadata" => Some(projection::metadata_schema()),
            "entry" => Some(projection::entry_schema()),
            answer => schema::of(answer),
        };
        output::json(&schema.ok_or_else(|| Error::bug("a schema has a name and is not there"))?)?;
        Ok(0)
    }
}
