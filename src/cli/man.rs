//! `lineage man`

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::command::Command;
use crate::cli::{Surroundings, output};
use crate::error::{Error, Result};
use crate::model::printed_word;

/// Print the manual page, or that of a command; or write those of all commands into a folder.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage man | man -l -               reads the manual
  lineage man run | man -l -           that of `lineage run`
  lineage man ~/.local/share/man/man1  writes a page for each command")]
pub(crate) struct Man {
    /// A command; or the folder to write `lineage.1`, `lineage-show.1`, … into, which is made where it is not there and its name holds
    /// a `/`.
    #[arg(value_name = "COMMAND|FOLDER")]
    word: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(self, _: &Surroundings) -> Result<u8> {
        let print = |command: &clap::Command| {
            let page =
                page(command).map_err(|cause| Error::bug("cannot write the manual page").because(cause))?;
            output::answer(&page)?;
            Ok(0)
        };
        let Some(folder) = self.word else { return print(&Command::parser()) };
        let mut all = Command::parser().disable_help_subcommand(true);
        all.build();
        if let Some(command) = folder.to_str().and_then(|word| all.find_subcommand(word)) {
            return print(command);
        }
        if !folder.is_dir() && folder.components().count() == 1 && folder.is_relative() {
            let word = printed_word(&folder);
            return Err(Error::request(format!("there is neither a command nor a folder `{word}`")).hint(
                format!("`lineage help` lists the commands; `lineage man ./{word}` makes the folder"),
            ));
        }
        std::fs::create_dir_all(&folder).and_then(|()| write(&all, &folder)).map_err(|cause| {
            Error::request(format!("cannot write manual pages into `{}`", folder.display())).because(cause)
        })?;
        Ok(0)
    }
}

/// Writes the pages of a command and of those under it.
fn write(command: &clap::Command, folder: &Path) -> std::io::Result<()> {
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        write(inner, folder)?;
    }
    let name = clap_mangen::Man::new(command.clone()).get_filename();
    std::fs::write(folder.join(name), page(command)?)
}

/// How a page begins with what stands below the options, and what begins the next section.
const EXTRA: &str = ".SH EXTRA\n";
const SECTION: &str = "\n.SH ";

/// Writes the page of a command. What stands below its options in `--help` has columns, which a page would run together.
fn page(command: &clap::Command) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut bytes)?;
    let page = String::from_utf8_lossy(&bytes);
    let extra = command.get_after_long_help().or_else(|| command.get_after_help());
    let (Some(extra), Some((before, rest))) = (extra, page.split_once(EXTRA)) else {
        return Ok(page.into_owned());
    };
    let after = rest.find(SECTION).map_or("", |at| &rest[at + 1..]);
    Ok(format!("{before}{EXTRA}{}{after}", in_roff(&extra.to_string())))
}

/// Writes lines of two columns as terms with what is said of each below it, which fits any width, and other lines as text.
fn in_roff(text: &str) -> String {
    let mut page = String::new();
    let mut is_new = true;
    for line in text.lines() {
        let words = line.trim();
        let indent = line.len() - line.trim_start().len();
        match indent {
            _ if words.is_empty() => is_new = true,
            0 if is_new && words.ends_with(':') => {
                page.push_str(&format!(".SS \"{}\"\n", escaped(words.trim_end_matches(':'))));
                is_new = false;
            }
            0 => {
                // Behind a term, too, a text begins anew.
                if is_new {
                    page.push_str(".PP\n");
                }
                page.push_str(&format!("{}\n", escaped(words)));
                is_new = false;
            }
            1 | 2 => {
                let (term, said) = words.split_once("  ").unwrap_or((words, ""));
                page.push_str(&format!(".TP\n\\fB{}\\fR\n", escaped(term)));
                if !said.is_empty() {
                    page.push_str(&format!("{}\n", escaped(said.trim())));
                }
                is_new = true;
            }
            // What is said goes on.
            _ => page.push_str(&format!("{}\n", escaped(words))),
        }
    }
    page
}

/// Writes a text so that it is printed as it is, and can be typed as it is printed.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    if text.starts_with(['.', '\'']) {
        escaped.push_str("\\&");
    }
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\e"),
            '-' => escaped.push_str("\\-"),
            '\'' => escaped.push_str("\\(aq"),
            '`' => escaped.push_str("\\(ga"),
            '^' => escaped.push_str("\\(ha"),
            '~' => escaped.push_str("\\(ti"),
            '"' => escaped.push_str("\\(dq"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(command: &clap::Command, examples: &mut usize) {
        command.get_subcommands().for_each(|inner| check(inner, examples));
        let extra = command.get_after_long_help().or_else(|| command.get_after_help());
        let extra = extra.map(ToString::to_string).unwrap_or_default();
        let page = page(command).unwrap();
        for line in extra.lines().filter(|line| line.starts_with("  lineage ")) {
            let (example, said) = line.trim().split_once("  ").unwrap_or((line.trim(), ""));
            let lines = format!(".TP\n\\fB{}\\fR\n{}", escaped(example), escaped(said.trim()));
            assert!(page.contains(lines.trim_end()), "{lines}\n{page}");
            *examples += 1;
        }
        let shown = page.split_once(EXTRA).map_or("", |(_, extra)| extra);
        assert!(!shown.contains("    "), "{shown}");
    }

    #[test]
    fn each_example_of_each_command_stands_alone_with_what_is_said_of_it_below() {
        let mut all = Command::parser().disable_help_subcommand(true);
        all.build();
        let mut examples = 0;
        check(&all, &mut examples);
        assert!(examples > 40, "{examples}");
    }

    #[test]
    fn columns_become_terms_and_what_goes_on_stays_with_its_term() {
        let text = "Examples:\n  a -b 'c'  says so\n           and so\n\nA `rule`\nof lines:\nthree.";
        let expected = ".SS \"Examples\"\n.TP\n\\fBa \\-b \\(aqc\\(aq\\fR\nsays so\nand so\n.PP\nA \\(garule\\(ga\nof lines:\nthree.\n";
        assert_eq!(in_roff(text), expected);
    }
}
