//! The command line: one file per command, arguments in, calls, text out; the only place that prints.

mod completions;
mod diff;
mod init;
mod inside;
mod log;
mod output;
mod pipeline;
mod progress;
mod run;
mod show;
mod status;
mod verify;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::{Error, Kind, Result};
use crate::model::Timestamp;
use crate::ops::{Clock, Workspace};

/// Where did this file come from, and what was made from it?
///
/// lineage records runs, files, metrics and models in `.lineage/`, and answers from there.
#[derive(Parser)]
#[command(name = "lineage", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 yes or done; 1 the answer is no; 2 bad request; 3 journal or store; 70 our fault."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Show(show::Show),
    Log(log::Log),
    Diff(diff::Diff),
    Status(status::Status),
    Verify(verify::Verify),
    Run(run::Run),
    Pipeline(pipeline::Pipeline),
    Metric(inside::MetricPoint),
    Param(inside::ParameterValue),
    Used(inside::UsedFiles),
    Generated(inside::GeneratedFiles),
    Init(init::Init),
    Completions(completions::Completions),
    Man(completions::Man),
}

/// What a command sees of the world around it.
pub(crate) struct Surroundings {
    /// The folder the program was started in.
    pub folder: PathBuf,
    /// The clock.
    pub clock: Clock,
    /// The command line, for the record.
    pub arguments: Vec<String>,
}

/// Runs the program with the arguments and the surroundings of the process.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // clap's own text goes to stdout for help and to stderr for mistakes.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { Kind::Request.exit_code() } else { 0 });
        }
    };
    let result = surroundings(&arguments).and_then(|surroundings| run(cli.command, &surroundings));
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            output::error(&error);
            ExitCode::from(error.kind().exit_code())
        }
    }
}

fn run(command: Command, surroundings: &Surroundings) -> Result<u8> {
    match command {
        Command::Show(command) => command.run(surroundings),
        Command::Log(command) => command.run(surroundings),
        Command::Diff(command) => command.run(surroundings),
        Command::Status(command) => command.run(surroundings),
        Command::Verify(command) => command.run(surroundings),
        Command::Run(command) => command.run(surroundings),
        Command::Pipeline(command) => command.run(surroundings),
        Command::Metric(command) => command.run(surroundings),
        Command::Param(command) => command.run(surroundings),
        Command::Used(command) => command.run(surroundings),
        Command::Generated(command) => command.run(surroundings),
        Command::Init(command) => command.run(surroundings),
        Command::Completions(command) => command.run(),
        Command::Man(command) => command.run(),
    }
}

fn surroundings(arguments: &[OsString]) -> Result<Surroundings> {
    let folder = std::env::current_dir()
        .map_err(|cause| Error::request("cannot tell the current folder").because(cause))?;
    let arguments = std::iter::once("lineage".to_owned())
        .chain(arguments.iter().skip(1).map(|argument| argument.to_string_lossy().into_owned()));
    Ok(Surroundings { folder, clock: clock()?, arguments: arguments.collect() })
}

/// Returns the machine's clock; or, for tests, one that begins at the microsecond named in `LINEAGE_CLOCK_US` and advances a
/// millisecond with every look at it.
fn clock() -> Result<Clock> {
    let Some(start) = std::env::var_os("LINEAGE_CLOCK_US") else {
        return Ok(Clock::new(|| Timestamp::from_micros(chrono::Utc::now().timestamp_micros())));
    };
    let start: i64 = start.to_str().and_then(|text| text.parse().ok()).ok_or_else(|| {
        Error::request("`LINEAGE_CLOCK_US` is no number of microseconds")
            .hint("unset it to use the machine's clock")
    })?;
    let ticks = std::sync::atomic::AtomicI64::new(0);
    Ok(Clock::new(move || {
        Timestamp::from_micros(start + 1_000 * ticks.fetch_add(1, std::sync::atomic::Ordering::SeqCst))
    }))
}

/// Returns the machine's name, as far as it is to be had without asking the network.
pub(crate) fn host() -> String {
    let from_kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = from_kernel.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    name.trim().chars().filter(|c| !c.is_control()).take(255).collect()
}

impl Surroundings {
    /// Returns what to type to start this program: its name where the shell finds it by that, else its path.
    pub(crate) fn program(&self) -> String {
        let name = "lineage";
        let Ok(this) = std::env::current_exe().and_then(|path| path.canonicalize()) else {
            return name.to_owned();
        };
        let path = std::env::var_os("PATH").unwrap_or_default();
        let first =
            std::env::split_paths(&path).map(|folder| folder.join(name)).find(|place| place.is_file());
        if first.and_then(|place| place.canonicalize().ok()).is_some_and(|place| place == this) {
            return name.to_owned();
        }
        let folder = self.folder.canonicalize().unwrap_or_else(|_| self.folder.clone());
        this.strip_prefix(folder).unwrap_or(&this).display().to_string()
    }

    /// Finds the workspace this folder lies in.
    pub(crate) fn workspace(&self) -> Result<Workspace> {
        Workspace::find(&self.folder)?.ok_or_else(|| {
            Error::request(format!(
                "no workspace here: `{}` and the folders above it have no `.lineage`",
                self.folder.display()
            ))
            .hint("`lineage init` makes one; so does the first `lineage pipeline`")
        })
    }

    /// Finds the workspace this folder lies in, or makes one at the git root, else here; says so when it does.
    pub(crate) fn workspace_or_new(&self) -> Result<Workspace> {
        if let Some(workspace) = Workspace::find(&self.folder)? {
            return Ok(workspace);
        }
        let root = crate::capture::git::work_tree_root(&self.folder).unwrap_or_else(|| self.folder.clone());
        let workspace = Workspace::init(&root)?;
        output::note(&format!("made a workspace at {}", workspace.root().display()));
        Ok(workspace)
    }
}
