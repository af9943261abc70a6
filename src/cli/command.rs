//! The commands by name: one list, from which their parser and their dispatch are made.

use std::ffi::OsString;

use clap::{Arg, Args, FromArgMatches as _, Subcommand, ValueHint};

use crate::cli::{
    Surroundings, completions, diff, export, gc, import, init, inside, log, man, merge, metrics, models,
    pipeline, project, register, rerun, research, restore, run, schema, show, split, status, verify,
};
use crate::error;

macro_rules! commands {
    ($($text:literal $name:ident($arguments:ty)),+ $(,)?) => {
        #[derive(Subcommand)]
        pub(crate) enum Command {
            $(#[command(name = $text)]
            $name($arguments)),+
        }

        impl Command {
            pub(crate) fn run(self, surroundings: &Surroundings) -> error::Result<u8> {
                match self {
                    $(Command::$name(command) => command.run(surroundings)),+
                }
            }

            /// Returns the parser of one command by its name.
            fn parser_of(name: &str) -> Option<clap::Command> {
                match name {
                    $($text => Some(<$arguments as Args>::augment_args(clap::Command::new($text))),)+
                    _ => None,
                }
            }
        }
    };
}

// In the order in which help lists them: what is used every day first.
commands! {
    "run" Run(run::Run),
    "show" Show(show::Show),
    "log" Log(log::Log),
    "status" Status(status::Status),
    "diff" Diff(diff::Diff),
    "rerun" Rerun(rerun::Rerun),
    "cat" Cat(restore::Cat),
    "restore" Restore(restore::Restore),
    "metrics" Metrics(metrics::Metrics),
    "models" Models(models::Models),
    "register" Register(Box<register::Register>),
    "metric" Metric(inside::MetricPoint),
    "param" Param(inside::ParameterValue),
    "used" Used(inside::UsedFiles),
    "generated" Generated(inside::GeneratedFiles),
    "import" Import(import::Import),
    "export" Export(export::Export),
    "merge" Merge(merge::Merge),
    "verify" Verify(verify::Verify),
    "gc" Gc(gc::Gc),
    "project" Project(project::Project),
    "pipeline" Pipeline(pipeline::Pipeline),
    "split" Split(split::Split),
    "research" Research(research::Research),
    "init" Init(init::Init),
    "schema" Schema(schema::Schema),
    "completions" Completions(completions::Completions),
    "man" Man(man::Man),
}

const STAYS: &str = "what is recorded stays; `lineage models delete NAME@VERSION` withdraws a version of a model, and \
                     `lineage gc` drops kept bytes that nothing needs";

/// Words that other tools have for ours: the words, and what to type.
const MEANT: [(&[&str], &str); 14] = [
    (&["undo"], STAYS),
    (&["rm"], STAYS),
    (&["remove"], STAYS),
    (&["delete"], STAYS),
    (&["forget"], STAYS),
    (&["runs"], "`lineage log` lists the runs"),
    (&["list"], "`lineage log` lists the runs, `lineage models` the models"),
    (&["ls"], "`lineage log` lists the runs, `lineage models` the models"),
    (
        &["history"],
        "`lineage log FILE` tells what became of a file, `lineage models history NAME` of a model",
    ),
    (&["promote"], "`lineage models promote NAME@VERSION --to STAGE` moves a version on"),
    (&["models", "list"], "`lineage models` lists the models"),
    (&["models", "ls"], "`lineage models` lists the models"),
    (&["models", "rm"], "`lineage models delete NAME@VERSION` withdraws a version"),
    (&["models", "remove"], "`lineage models delete NAME@VERSION` withdraws a version"),
];

/// Returns what to say of a command line that begins with the words of another tool.
pub(crate) fn meant(words: &[OsString]) -> Option<error::Error> {
    let given: Vec<&str> = words.iter().skip(1).map_while(|word| word.to_str()).collect();
    let (words, hint) = MEANT.iter().find(|(meant, _)| given.starts_with(meant))?;
    Some(error::Error::request(format!("`lineage {}` is no command", words.join(" "))).hint(*hint))
}

impl Command {
    /// Returns the parser of the whole command line.
    pub(crate) fn parser() -> clap::Command {
        Command::augment_subcommands(program())
    }

    /// Parses a command line, its first word being the program.
    ///
    /// Where the next word names a command, only that one's parser is made: to make those of all takes longer than most answers.
    pub(crate) fn parse(words: &[OsString]) -> Result<Self, clap::Error> {
        let one = words.get(1).and_then(|word| Command::parser_of(word.to_str()?));
        Command::parse_by(one.map_or_else(Command::parser, |one| program().subcommand(one)), words)
    }

    fn parse_by(mut parser: clap::Command, words: &[OsString]) -> Result<Self, clap::Error> {
        let mut matches = parser.try_get_matches_from_mut(words)?;
        Command::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut parser))
    }

    /// Does what can be done where not even the current folder is known, which is to run a command unrecorded.
    pub(crate) fn run_nowhere(self, error: error::Error) -> error::Result<u8> {
        match self {
            Command::Run(run) => run.run_nowhere(error),
            _ => Err(error),
        }
    }

    /// Returns true for commands that change nothing and print nothing before all is read, and may therefore be carried out twice.
    pub(crate) fn only_asks(&self) -> bool {
        match self {
            Command::Show(_) | Command::Log(_) | Command::Diff(_) | Command::Status(_) => true,
            Command::Metrics(metrics) => metrics.only_asks(),
            Command::Models(models) => models.only_asks(),
            _ => false,
        }
    }
}

/// Returns the parser of what stands before a command.
fn program() -> clap::Command {
    clap::Command::new("lineage")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Where did this file come from, and what was made from it?")
        .long_about(
            "Where did this file come from, and what was made from it?\n\n\
             lineage records runs, files, metrics and models in `.lineage/`, and answers from there.",
        )
        .max_term_width(100)
        .after_help(
            "Exit codes: 0 yes or done; 1 the answer is no; 2 bad request; 3 journal or store; 70 our fault.\n\n\
             Examples:\n\
             \x20 lineage run -- python train.py  records what it reads and writes\n\
             \x20 lineage show model.txt          where it came from\n\
             \x20 lineage show model.txt --down   what was made from it",
        )
        // Taken off before the command line is parsed; it stands here for help and completions.
        .arg(
            Arg::new("folder")
                .short('C')
                .value_name("DIR")
                .value_hint(ValueHint::DirPath)
                .help("Work as if started in DIR; stands before the command"),
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns every command's name, by the parser of the whole.
    fn names() -> Vec<String> {
        Command::parser().get_subcommands().map(|command| command.get_name().to_owned()).collect()
    }

    #[test]
    fn the_parser_is_sound() {
        Command::parser().debug_assert();
    }

    /// Splits a line as a shell does, up to where the output goes.
    fn words(line: &str) -> Vec<String> {
        let parts = line.split('\'').enumerate().flat_map(|(number, part)| match number % 2 {
            0 => part.split(' ').filter(|word| !word.is_empty()).collect(),
            _ => vec![part],
        });
        parts.take_while(|word| ![">", "|"].contains(word)).map(str::to_owned).collect()
    }

    /// Checks that a command's help, and that of its own commands, ends with examples which are true; returns how many lines.
    fn check_examples(command: &mut clap::Command) -> usize {
        let name = command.get_name().to_owned();
        let short = command.render_help().to_string();
        let long = command.render_long_help().to_string();
        let (_, examples) = short.split_once("\nExamples:\n").unwrap_or_else(|| panic!("`{name}` has none"));
        assert!(long.ends_with(examples), "{name}: {long}");
        let mut count = 0;
        for line in examples.lines() {
            let (line, said) = line.trim_start().split_once("  ").unwrap_or_else(|| panic!("{name}: {line}"));
            assert!(!said.trim().is_empty(), "{name}: {line}");
            if line.starts_with("lineage ") {
                let parsed = Command::parser().try_get_matches_from(words(line));
                assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
                assert!(line.contains(&name), "{name}: {line}");
            }
            count += 1;
        }
        assert!((1..=4).contains(&count), "{name}: {count} examples");
        let inner = command.get_subcommands_mut().filter(|inner| inner.get_name() != "help");
        count + inner.map(check_examples).sum::<usize>()
    }

    #[test]
    fn every_help_ends_with_examples_that_can_be_typed() {
        let count = check_examples(&mut Command::parser());
        assert!(count > 60, "{count}");
    }

    #[test]
    fn one_commands_parser_says_what_the_parser_of_the_whole_says() {
        let names = names();
        assert!(names.len() > 20, "{names:?}");
        for name in &names {
            let tails: [&[&str]; 7] = [
                &["--help"],
                &["-h"],
                &["--no-such-option"],
                &["--jsom"],
                &["--limit", "many"],
                &[],
                &["a", "b", "c", "d", "e"],
            ];
            for tail in tails {
                let words: Vec<OsString> =
                    ["lineage", name].iter().chain(tail).map(|word| OsString::from(*word)).collect();
                let said = |parsed: Result<Command, clap::Error>| {
                    parsed.map(|command| std::mem::discriminant(&command)).map_err(|error| error.to_string())
                };
                let whole = said(Command::parse_by(Command::parser(), &words));
                assert!(Command::parser_of(name).is_some(), "{name}");
                assert_eq!(said(Command::parse(&words)), whole, "{words:?}");
            }
        }
    }

    #[test]
    fn what_names_no_command_is_answered_by_the_whole() {
        for words in
            [&["lineage"][..], &["lineage", "shwo"], &["lineage", "--help"], &["lineage", "help", "run"]]
        {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            let error = Command::parse(&words).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains("show") || error.contains("Run a command"), "{error}");
        }
    }
}
