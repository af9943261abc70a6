//! A backup, into `lineage import`.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::cli::merge::{projections_behind, time_ahead};
use crate::cli::{Surroundings, output};
use crate::error::{Error, Result};
use crate::model::repeated_word;
use crate::ops::import::{BackupOf, import_jsonl};
use crate::ops::named::place_on_disk;
use crate::render;

/// Takes a backup over: all of it or nothing.
pub(crate) fn read_jsonl(surroundings: &Surroundings, path: &Path, as_json: bool) -> Result<u8> {
    let name = repeated_word(path);
    let mut input: Box<dyn BufRead> = if name == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        let file = File::open(place_on_disk(&surroundings.folder, path)?)
            .map_err(|cause| Error::request(format!("cannot read `{name}`")).because(cause))?;
        Box::new(BufReader::with_capacity(1 << 20, file))
    };
    let workspace = surroundings.workspace_or_new()?;
    let taken = import_jsonl(&workspace, &name, &mut input, BackupOf::This)?;
    output::warnings(&workspace.apply_if_free());
    time_ahead(surroundings, &workspace);
    let behind = projections_behind(&workspace);
    if as_json {
        output::json(&render::merged::json(&taken, &[], behind))?;
    } else {
        output::answer(&render::merged::text(&taken, &[]))?;
    }
    Ok(0)
}
