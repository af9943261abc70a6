//! The command line: one file per command, arguments in, calls, text out; the only place that prints.

mod backup;
mod command;
mod completions;
mod diff;
mod export;
mod gc;
mod import;
mod init;
mod inside;
mod log;
mod man;
mod merge;
mod metrics;
mod models;
mod output;
mod pipeline;
mod progress;
mod project;
mod register;
mod rerun;
mod research;
mod restore;
mod run;
mod schema;
mod search;
mod show;
mod split;
mod stages;
mod status;
mod taken;
mod verify;

use std::ffi::{OsStr, OsString};
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::command::Command;
use crate::error::{Error, Kind, Result};
use crate::model::{NodeId, Timestamp, recorded_word, repeated_word};
pub(crate) use crate::ops::host;
use crate::ops::inside::{ended, is_repetition};
use crate::ops::registry::Author;
use crate::ops::run::{RUN_VARIABLE, WORKSPACE_VARIABLE};
use crate::ops::{Clock, Overwriting, View, Workspace};
use crate::store;

/// What a command sees of the world around it.
pub(crate) struct Surroundings {
    /// The folder the program was started in.
    pub folder: PathBuf,
    /// The clock.
    pub clock: Clock,
    /// The command line, for the record.
    pub arguments: Vec<String>,
}

/// As much room has the thread that the program runs on where the main thread has too little.
const STACK_BYTES: usize = 8 << 20;

/// Runs the program with the arguments and the surroundings of the process.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    std::panic::set_hook(Box::new(tell_fault));
    crate::capture::outlive_file_size_limit();
    crate::capture::hear_of_children();
    // The hook has told what was caught.
    let code = || catch_unwind(|| answer(&arguments)).unwrap_or(Kind::Bug.exit_code());
    if !crate::capture::stack_is_small() {
        return ExitCode::from(code());
    }
    std::thread::scope(|scope| {
        let roomy = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, code);
        let ended = roomy.map(|thread| thread.join().unwrap_or(Kind::Bug.exit_code()));
        ExitCode::from(ended.unwrap_or_else(|_| code()))
    })
}

/// Goes to the folders that `-C DIR` names before the command, one after the other; returns the words without these.
fn gone_to(arguments: &[OsString]) -> Result<Vec<OsString>> {
    let mut words = arguments.to_vec();
    while words.get(1).is_some_and(|word| word == "-C") {
        let Some(folder) = words.get(2) else {
            return Err(Error::request("`-C` needs a folder").hint("such as `lineage -C ../other log`"));
        };
        std::env::set_current_dir(folder).map_err(|cause| {
            Error::request(format!("cannot go to the folder `{}`", repeated_word(folder))).because(cause)
        })?;
        words.drain(1..3);
    }
    Ok(words)
}

fn answer(arguments: &[OsString]) -> u8 {
    match gone_to(arguments) {
        Ok(words) => answer_here(&words),
        Err(error) => {
            output::error(&error);
            error.kind().exit_code()
        }
    }
}

fn answer_here(arguments: &[OsString]) -> u8 {
    let command = match Command::parse(arguments) {
        Ok(command) => command,
        Err(error) => {
            if let Some(error) = command::meant(arguments).filter(|_| error.use_stderr()) {
                output::error(&error);
                return error.kind().exit_code();
            }
            // clap's own text goes to stdout for help and to stderr for mistakes.
            let _ = error.print();
            return if error.use_stderr() { Kind::Request.exit_code() } else { 0 };
        }
    };
    let only_asks = command.only_asks();
    let mut result = match surroundings(arguments) {
        Ok(surroundings) => command.run(&surroundings),
        Err(error) => command.run_nowhere(error),
    };
    if let Err(error) = &result
        && error.kind() == Kind::Damage
        && mend()
        && only_asks
        && let Ok(command) = Command::parse(arguments)
    {
        result = surroundings(arguments).and_then(|surroundings| command.run(&surroundings));
    }
    match result {
        Ok(code) => code,
        Err(error) => {
            output::error(&error);
            error.kind().exit_code()
        }
    }
}

/// Builds a damaged store anew, and says so; true where that was done.
fn mend() -> bool {
    let workspace = std::env::current_dir().ok().and_then(|folder| Workspace::find(&folder).ok().flatten());
    let mended = workspace.is_some_and(|workspace| workspace.mend().is_ok());
    if mended {
        output::warnings(&[
            "the store was damaged; it was built anew from the journal, which has it all".to_owned()
        ]);
    }
    mended
}

/// Tells of a fault of this program, in words that its user can do something with.
fn tell_fault(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(String::new, ToString::to_string);
    // The store guards its calls into redb, which panics on damaged pages.
    if store::is_guarded() {
        return;
    }
    let what = panic.payload_as_str().unwrap_or("no reason given");
    let error = Error::bug(format!("a fault of this program at {place}")).because(what);
    output::error(&error.hint("what was recorded before is not harmed; please report this line"));
}

fn surroundings(arguments: &[OsString]) -> Result<Surroundings> {
    let folder = std::env::current_dir()
        .map_err(|cause| Error::request("cannot tell the current folder").because(cause))?;
    let arguments = std::iter::once("lineage".to_owned()).chain(arguments.iter().skip(1).map(recorded_word));
    Ok(Surroundings { folder, clock: clock()?, arguments: arguments.collect() })
}

/// Returns the machine's clock; or, for tests, one that begins at the microsecond named in `LINEAGE_CLOCK_US` and advances a
/// millisecond with every look at it. A program that is given away has the machine's only: what it records is never at a wrong time.
fn clock() -> Result<Clock> {
    let Some(start) = std::env::var_os("LINEAGE_CLOCK_US").filter(|_| cfg!(debug_assertions)) else {
        return Ok(Clock::machine());
    };
    let start: i64 = start.to_str().and_then(|text| text.parse().ok()).ok_or_else(|| {
        Error::request("`LINEAGE_CLOCK_US` is no number of microseconds")
            .hint("unset it to use the machine's clock")
    })?;
    let ticks = std::sync::atomic::AtomicI64::new(0);
    Ok(Clock::new(move || {
        let looks: i64 = ticks.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Timestamp::from_micros(start.saturating_add(looks.saturating_mul(1_000)))
    }))
}

/// Returns the run that this process is part of, if it is part of one.
pub(crate) fn run_around() -> Option<NodeId> {
    std::env::var(RUN_VARIABLE).ok().and_then(|id| NodeId::parse(&id))
}

/// Finds the workspace of the run that this process is part of, if it is part of one.
pub(crate) fn workspace_around() -> Result<Option<Workspace>> {
    let root = std::env::var_os(WORKSPACE_VARIABLE).map(PathBuf::from).filter(|root| root.is_dir());
    root.map_or(Ok(None), |root| Workspace::find(&root))
}

/// Lets a workspace say what it waits for.
fn telling(workspace: Workspace) -> Workspace {
    workspace.with_waits(|what| output::note(&format!("lineage: {what}")))
}

/// Returns the run that this process is part of, if it is part of one that has not ended.
pub(crate) fn run_under_way(workspace: &Workspace) -> Result<Option<NodeId>> {
    let Some(run) = run_around() else { return Ok(None) };
    Ok(ended(workspace, run)?.is_none().then_some(run))
}

/// What is said in the place of a change of the registry.
pub(crate) const REGISTRY_STAYS: &str = "the registry is left as it is";

/// Returns true, and says what does not come of it, inside of a repetition of a run: it compares files, and changes no record of others.
pub(crate) fn changes_nothing(workspace: &Workspace, instead: &str) -> Result<bool> {
    let Some(run) = run_under_way(workspace)? else { return Ok(false) };
    let is_repetition = is_repetition(workspace, run)?;
    if is_repetition {
        output::note(&format!("lineage: the run is repeated; {instead}"));
    }
    Ok(is_repetition)
}

impl Surroundings {
    /// Returns the folder the program was started in, free of symbolic links.
    pub(crate) fn real_folder(&self) -> PathBuf {
        self.folder.canonicalize().unwrap_or_else(|_| self.folder.clone())
    }

    /// Lets a command write over what others wrote, by its name.
    pub(crate) fn overwriting(&self, command: &'static str) -> Overwriting {
        Overwriting { command, clock: self.clock.clone() }
    }

    /// Returns who changes the registry.
    pub(crate) fn author(&self) -> Author {
        Author { name: crate::ops::user() }
    }

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
        this.strip_prefix(self.real_folder()).unwrap_or(&this).display().to_string()
    }

    /// Finds the workspace this folder lies in; else that of the run this is part of, which may have gone elsewhere, or run in a
    /// copy.
    pub(crate) fn workspace(&self) -> Result<Workspace> {
        let found = match Workspace::find(&self.folder)? {
            None => workspace_around()?,
            found => found,
        };
        found.map(telling).ok_or_else(|| {
            Error::request(format!(
                "no workspace here: `{}` and the folders above it have no `.lineage`",
                self.folder.display()
            ))
            .hint("`lineage init` makes one; so does the first `lineage run` or `lineage pipeline`")
        })
    }

    /// Finds the workspace, and what is recorded in it; says what of that could not be read.
    pub(crate) fn view(&self) -> Result<(Workspace, View)> {
        let workspace = self.workspace()?;
        let view = workspace.view()?;
        output::warnings(&view.warnings);
        Ok((workspace, view))
    }

    /// Finds the workspace to ask about `word`: this folder's; where there is none here, that of the file that `word` is.
    pub(crate) fn workspace_of(&self, word: &OsStr) -> Result<Workspace> {
        self.workspace().or_else(|error| {
            let place = self.folder.join(word);
            let folder = place.parent().filter(|folder| folder.is_dir());
            folder.map_or(Ok(None), Workspace::find)?.map(telling).ok_or(error)
        })
    }

    /// Returns the folder in which a workspace would be made: the git root, else this folder.
    pub(crate) fn root_to_be(&self) -> PathBuf {
        crate::capture::git::work_tree_root(&self.folder).unwrap_or_else(|| self.folder.clone())
    }

    /// Names the workspace that would be made here. Makes nothing.
    pub(crate) fn workspace_to_be(&self) -> Workspace {
        let root = self.root_to_be();
        Workspace::at(root.canonicalize().unwrap_or(root), crate::disk::Disk::new())
    }

    /// Finds the workspace this folder lies in, or makes one; says so when it does.
    pub(crate) fn workspace_or_new(&self) -> Result<Workspace> {
        let (workspace, is_new) = self.workspace_or_made()?;
        if is_new {
            output::note(&format!("made a workspace at {}", workspace.root().display()));
            self.tell_home(&workspace);
        } else {
            self.tell_border(&workspace);
        }
        Ok(workspace)
    }

    /// Says of a workspace that holds the whole home what that means: few want one there.
    fn tell_home(&self, workspace: &Workspace) {
        let home = std::env::var_os("HOME").and_then(|home| PathBuf::from(home).canonicalize().ok());
        if home.is_some_and(|home| home.starts_with(workspace.root())) {
            output::note(
                "what is run below it is recorded there, wherever no nearer folder has a `.lineage`; \
                 `lineage init` makes one in a project",
            );
        }
    }

    /// Says, once for each repository, that what is done in it is recorded in a workspace above it.
    pub(crate) fn tell_border(&self, workspace: &Workspace) {
        if let Some(repository) = workspace.repository_to_tell(&self.real_folder()) {
            output::note(&format!(
                "lineage: this is recorded in the workspace at {}, which holds the repository at {}; \
                 `lineage init` makes one of its own",
                workspace.root().display(),
                repository.display()
            ));
        }
    }

    /// Finds the workspace this folder lies in, or makes one; returns whether it is new.
    pub(crate) fn workspace_or_made(&self) -> Result<(Workspace, bool)> {
        if let Some(workspace) = Workspace::find(&self.folder)? {
            return Ok((telling(workspace), false));
        }
        let root = self.root_to_be();
        if root.parent().is_none() && root == self.folder {
            return Err(Error::request(
                "no workspace here, and none is made at `/` unasked: it would hold all that runs anywhere",
            )
            .hint("`lineage -C PROJECT …` records in a project; `lineage init /` makes a workspace here"));
        }
        Ok((telling(Workspace::init(&root)?), true))
    }
}
