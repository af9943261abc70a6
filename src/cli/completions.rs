//! `lineage completions`

use clap::Args;

use crate::cli::command::Command;
use crate::cli::{Surroundings, output};
use crate::error::Result;

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
