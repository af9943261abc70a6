//! `lineage restore` and `lineage cat`

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::cli::{Surroundings, output, run_around};
use crate::error::Result;
use crate::ops::inside::{PartOf, say_given_out};
use crate::ops::restore::{RestoreRequest, behind_link, find_version, restore, write_version};
use crate::render;

/// Bring back a version of a file, a model's files or what runs wrote into a folder, from what is kept, a recorded file that still has
/// the same bytes, or git.
///
/// The bytes are held against their digest before they are written. What lies there and is something else is not written
/// over without --force, and then kept. Of a folder, all is brought back that is to be had; exit code 1 where something is not.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage restore model.txt                        the newest version, where it was
  lineage restore model.txt@563faa35 --to old.txt  that of the run 563faa35, elsewhere
  lineage restore risk_words@1.0.0 --to release    the files of a model version, into a folder")]
pub(crate) struct Restore {
    /// `FILE` (the newest version), `FILE@RUN` (as that run wrote it), `blake3:<digest>`; `NAME@VERSION` (the files of a version of a
    /// model); a folder (the newest version of all that runs wrote there).
    #[arg(value_name = "FILE[@RUN]|MODEL@VERSION|FOLDER", required = true, value_hint = ValueHint::AnyPath)]
    words: Vec<OsString>,
    /// Write there instead: to a file, or into a folder; many files keep their places below it.
    #[arg(long, value_name = "PATH")]
    to: Option<PathBuf>,
    /// Write over other bytes that lie there; they are kept, and `lineage log FILE` names them.
    #[arg(long)]
    force: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Restore {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let workspace = surroundings.workspace()?;
        let view = workspace.view()?;
        output::warnings(&view.warnings);
        let request = RestoreRequest {
            words: self.words,
            folder: surroundings.folder.clone(),
            to: self.to,
            force: self.force,
            part_of: part_of(),
        };
        let restored = restore(&workspace, &view.snapshot, &surroundings.clock, &request)?;
        for version in &restored.withdrawn {
            output::note(&format!("note: {}", render::restore::withdrawn(version)));
        }
        if self.json {
            output::json(&render::restore::json(&restored))?;
        } else {
            output::answer(&render::restore::text(&restored))?;
        }
        Ok(u8::from(!restored.left.is_empty()))
    }
}

/// Print one version of a file, or a segment's text, as it was recorded. Of a symbolic link, the file that it leads to.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage cat model.txt                     the newest version
  lineage cat model.txt@563faa35 > old.txt  that of the run 563faa35, into a file")]
pub(crate) struct Cat {
    /// `FILE` (the newest version), `FILE@RUN` (as that run wrote it), `FILE#SEGMENT`, `NAME@VERSION` (the file of a version of a model
    /// that has one), `blake3:<digest>`.
    #[arg(value_name = "FILE[@RUN]|MODEL@VERSION", value_hint = ValueHint::AnyPath)]
    word: OsString,
}

impl Cat {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let (workspace, view) = surroundings.view()?;
        let version = find_version(&workspace, &view.snapshot, &surroundings.folder, &self.word)?;
        let version = behind_link(&workspace, &view.snapshot, version)?;
        if let Some(part_of) = part_of() {
            let given = version.artifact().cloned();
            let said = say_given_out(&workspace, &surroundings.clock, &view.snapshot, &part_of, given);
            // Who reads the bytes shall have them, whatever is recorded of it.
            said.unwrap_or_else(|error| output::warnings(&[error.in_full()]));
        }
        output::stream(|stdout| write_version(&workspace, &view.snapshot, &version, stdout))?;
        Ok(0)
    }
}

/// Returns the run that this command is part of, if it is part of one, with its words.
fn part_of() -> Option<PartOf> {
    run_around().map(|run| PartOf { run, command: std::env::args_os().collect() })
}
