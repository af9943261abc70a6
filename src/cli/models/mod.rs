//! `lineage models` and what can be done with them.

mod change;
mod list;
mod show;

use clap::{Args, Subcommand};

use crate::cli::Surroundings;
use crate::cli::search::OF_MODELS;
use crate::error::Result;

const EXAMPLES: &str = "Examples:
  lineage models                                              the versions and their metrics
  lineage models -w 'f1_score >= 0.8 and stage = production'  those that this is true of
  lineage models --sort=-f1_score -n 5                        the five with the greatest value";

/// List registered models; show, compare, promote, name, describe, check and withdraw their versions.
///
/// A version is named `NAME@1.2.0`, `NAME@latest` (the greatest release that was not withdrawn), `NAME@production` or `NAME@ALIAS`.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, after_help = format!("{OF_MODELS}\n\n{EXAMPLES}"))]
pub(crate) struct Models {
    #[command(subcommand)]
    command: Option<ModelsCommand>,
    #[command(flatten)]
    list: list::List,
}

#[derive(Subcommand)]
enum ModelsCommand {
    Show(show::Show),
    Best(list::Best),
    Compare(show::Compare),
    Promote(change::Promote),
    Archive(change::Archive),
    Alias(change::Alias),
    Describe(change::Describe),
    History(show::History),
    Verify(show::Verify),
    Delete(change::Delete),
}

impl Models {
    /// Says whether it changes nothing.
    pub(crate) fn only_asks(&self) -> bool {
        use ModelsCommand as C;
        matches!(
            self.command,
            None | Some(C::Show(_) | C::Best(_) | C::Compare(_) | C::History(_) | C::Verify(_))
        )
    }

    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        match self.command {
            None => self.list.run(surroundings),
            Some(ModelsCommand::Show(command)) => command.run(surroundings),
            Some(ModelsCommand::Best(command)) => command.run(surroundings),
            Some(ModelsCommand::Compare(command)) => command.run(surroundings),
            Some(ModelsCommand::Promote(command)) => command.run(surroundings),
            Some(ModelsCommand::Archive(command)) => command.run(surroundings),
            Some(ModelsCommand::Alias(command)) => command.run(surroundings),
            Some(ModelsCommand::Describe(command)) => command.run(surroundings),
            Some(ModelsCommand::History(command)) => command.run(surroundings),
            Some(ModelsCommand::Verify(command)) => command.run(surroundings),
            Some(ModelsCommand::Delete(command)) => command.run(surroundings),
        }
    }
}
