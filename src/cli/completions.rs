//! `lineage completions` and `lineage man`

use std::path::PathBuf;

use clap::Args;

use crate::cli::command::Command;
use crate::cli::{Surroundings, output};
use crate::error::{Error, Result};

/// Print the completions for a shell.
#[derive(Args)]
#[command(after_help = "Examples:
  source <(lineage completions bash)                                  for this shell
  lineage completions fish > ~/.config/fish/completions/lineage.fish  for every fish")]
pub(crate) struct Completions {
    /// The shell.
    shell: clap_complete::Shell,
}

impl Completions {
    pub(crate) fn run(self, _: &Surroundings) -> Result<u8> {
        let mut bytes = Vec::new();
        clap_complete::generate(self.shell, &mut Command::parser(), "lineage", &mut bytes);
        output::answer(&String::from_utf8_lossy(&bytes))?;
        Ok(0)
    }
}

/// Print the manual page; or write those of all commands into FOLDER.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage man | man -l -               reads the manual
  lineage man ~/.local/share/man/man1  writes a page for each command")]
pub(crate) struct Man {
    /// The folder to write `lineage.1`, `lineage-show.1`, … into; it is made where it is not there.
    folder: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(self, _: &Surroundings) -> Result<u8> {
        let Some(folder) = self.folder else {
            let mut bytes = Vec::new();
            clap_mangen::Man::new(Command::parser())
                .render(&mut bytes)
                .map_err(|cause| Error::bug("cannot write the manual page").because(cause))?;
            output::answer(&String::from_utf8_lossy(&bytes))?;
            return Ok(0);
        };
        let written = std::fs::create_dir_all(&folder)
            .and_then(|()| clap_mangen::generate_to(Command::parser(), &folder));
        written.map_err(|cause| {
            Error::request(format!("cannot write manual pages into `{}`", folder.display())).because(cause)
        })?;
        Ok(0)
    }
}
