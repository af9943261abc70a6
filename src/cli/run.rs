//! `lineage run`

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::capture::observe::Exit;
use crate::cli::{Surroundings, output, run_around, workspace_around};
use crate::error::{Error, Result};
use crate::model::{NodeId, repeated_word};
use crate::ops::Workspace;
use crate::ops::run::{CommandRequest, CommandSummary, Counts, NotStarted, run_command};
use crate::render;

/// Run a command and record what it and all its children read and wrote.
///
/// The command needs no change: any language, static programs, shell scripts, `make`. Its output, files, signals and exit
/// code are what they would be without lineage, which adds at most three lines to stderr, and none where stderr leads to a
/// file that the command has written. But where signals come often to a handler without `SA_RESTART`, as those of Python and
/// Perl, a file call may fail with `EINTR`. Files that `.lineageignore` names, by git's rules, are not recorded. Programs that
/// change the user, such as `sudo` and `su`, get no other rights by that than you have, unless lineage itself is run by root.
/// Before a command starts, 125 means that nothing could be recorded, 126 that it cannot be executed, 127 that there is no such
/// command.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage run -- python train.py                                records what it reads and writes
  lineage run --name train --param seed=42 -- sh train.sh       with a name and a parameter
  lineage run --input hf://ProsusAI/finbert -- python train.py  with an input from elsewhere")]
pub(crate) struct Run {
    /// The run's name; by default the program's, behind `env`, `nice`, `timeout`, `uv run` and the like, or that of the script
    /// which an interpreter such as `python` or `sh` is given, without its ending.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// A parameter to record, `NAME=VALUE`; can be given several times.
    #[arg(long = "param", value_name = "K=V")]
    parameters: Vec<String>,
    /// An input to record besides those observed: a file, or a name such as `hf://ProsusAI/finbert`.
    #[arg(long = "input", value_name = "PATH", value_hint = ValueHint::AnyPath)]
    inputs: Vec<OsString>,
    /// An output to record besides those observed.
    #[arg(long = "output", value_name = "PATH", value_hint = ValueHint::AnyPath)]
    outputs: Vec<OsString>,
    /// A file of metrics that the command writes, JSON, or YAML if it is called so; it is taken in any case, and
    /// `metrics.json` unless it only copied one that was there before. Each number in it is a metric, and text that is a number;
    /// lists and all else are named in a remark. What the run reported itself with the same value counts once.
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// Let the command use io_uring, through which files can be read and written unseen.
    #[arg(long)]
    allow_io_uring: bool,
    /// Record the program's name only, not its arguments.
    #[arg(long)]
    no_args: bool,
    /// Run the command even if nothing can be recorded.
    #[arg(long)]
    best_effort: bool,
    /// Add nothing to stderr.
    #[arg(long, short)]
    quiet: bool,
    /// The command and its arguments.
    #[arg(trailing_var_arg = true, required = true, value_name = "CMD", value_hint = ValueHint::CommandWithArguments)]
    command: Vec<OsString>,
}

/// As many remarks are printed; with the line on the run that makes three.
const REMARKS_MAX: usize = 2;

impl Run {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let quiet = self.quiet;
        let best_effort = self.best_effort;
        let command = self.command.clone();
        let request = self.request(surroundings)?;
        let started = match workspace(surroundings, quiet) {
            Ok(workspace) => run_command(&workspace, &surroundings.clock, &request),
            Err(error) => Err(NotStarted { exit_code: 125, error }),
        };
        ended(started, &command, quiet, best_effort)
    }

    /// Runs the command unrecorded where that is wanted: nothing can be recorded where there is no folder.
    pub(crate) fn run_nowhere(self, error: Error) -> Result<u8> {
        let not_started = NotStarted { exit_code: 125, error };
        ended(Err(not_started), &self.command, self.quiet, self.best_effort)
    }

    fn request(self, surroundings: &Surroundings) -> Result<CommandRequest> {
        let parameters = self.parameters.iter().map(|word| match word.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(Error::request(format!("`{}` is no parameter", word.escape_debug()))
                .hint("write `--param NAME=VALUE`")),
        });
        let folder = surroundings.real_folder();
        let parent = run_around();
        Ok(CommandRequest {
            parameters: parameters.collect::<Result<_>>()?,
            arguments: self.command,
            name: self.name,
            inputs: self.inputs,
            outputs: self.outputs,
            metrics: self.metrics,
            folder,
            environment: std::env::vars_os().collect(),
            allow_io_uring: self.allow_io_uring,
            with_arguments: !self.no_args,
            parent,
            rerun_of: None,
            streams: None,
            copy: None,
            host: crate::cli::host(),
        })
    }
}

/// Finds the workspace: for a run inside a run that has left it, or runs in a copy, that of the run around.
fn workspace(surroundings: &Surroundings, quiet: bool) -> Result<Workspace> {
    let or_new = || match quiet {
        true => surroundings.workspace_or_made().map(|(workspace, _)| workspace),
        false => surroundings.workspace_or_new(),
    };
    match Workspace::find(&surroundings.folder)? {
        None => workspace_around()?.map_or_else(or_new, Ok),
        Some(_) => or_new(),
    }
}

/// Says what came of a command, and returns its exit code.
fn ended(
    started: Result<CommandSummary, NotStarted>,
    command: &[OsString],
    quiet: bool,
    best_effort: bool,
) -> Result<u8> {
    match started {
        Ok(summary) => {
            if !quiet {
                tell(&summary);
            }
            Ok(exit_code(summary.exit))
        }
        Err(not_started) if not_started.exit_code == 125 && best_effort => {
            if !quiet {
                output::note(&format!("lineage: nothing is recorded: {}", not_started.error.in_full()));
            }
            run_unrecorded(command)
        }
        Err(not_started) => {
            output::error(&not_started.error);
            if not_started.exit_code == 125 {
                output::note("lineage: the command was not run; `--best-effort` runs it without a record");
            }
            Ok(not_started.exit_code)
        }
    }
}

fn tell(summary: &CommandSummary) {
    if summary.stderr_is_output {
        // Another line would make another file of what was recorded; what the record has, `lineage show` tells.
        for remark in &summary.remarks[summary.remarks_recorded..] {
            output::note(&format!("lineage: {}", render::show::remark_words(remark)));
        }
        return;
    }
    if let Some(run) = &summary.run {
        let Counts { inputs, code, outputs } = summary.counts;
        let how = summary.level.weakness().map(|words| format!("; {words}")).unwrap_or_default();
        let tail = run.id.tail(NodeId::TAIL_DIGITS);
        let parts = [
            render::counted(inputs as u64, "input", "inputs"),
            render::counted(code as u64, "code file", "code files"),
            render::counted(outputs as u64, "output", "outputs"),
        ];
        output::note(&format!("lineage: run {tail}: {}{how}", parts.join(", ")));
    }
    let left = summary.remarks.len().saturating_sub(REMARKS_MAX);
    for (at, remark) in summary.remarks.iter().take(REMARKS_MAX).enumerate() {
        let more = if at + 1 == REMARKS_MAX && left > 0 {
            format!(" (and {left} more: `lineage show @`)")
        } else {
            String::new()
        };
        output::note(&format!("lineage: {}{more}", render::show::remark_words(remark)));
    }
}

fn exit_code(exit: Exit) -> u8 {
    match exit {
        Exit::Code(code) => u8::try_from(code & 0xff).unwrap_or(u8::MAX),
        Exit::Signal { number, .. } => {
            crate::capture::die_of(number);
            // Where the signal did not end this process, the code is the one shells give.
            u8::try_from(128 + number).unwrap_or(u8::MAX)
        }
        Exit::Unknown => 125,
    }
}

fn run_unrecorded(command: &[OsString]) -> Result<u8> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Error::request("no command to run"));
    };
    let mut command = std::process::Command::new(program);
    command.args(arguments);
    crate::capture::give_back_to(&mut command);
    match command.status() {
        Ok(status) => Ok(exit_code(exit_of(status))),
        Err(cause) => {
            let code = if cause.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
            output::error(&Error::request(format!("cannot run `{}`", repeated_word(program))).because(cause));
            Ok(code)
        }
    }
}

fn exit_of(status: std::process::ExitStatus) -> Exit {
    use std::os::unix::process::ExitStatusExt as _;
    let signal = status.signal().map(|number| Exit::Signal { number, dumped_core: status.core_dumped() });
    signal.or(status.code().map(Exit::Code)).unwrap_or(Exit::Unknown)
}
