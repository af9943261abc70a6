//! What this program itself does inside of a run: it records that itself, and the run around it leaves it out.
//!
//! A pipeline inside of a run is a run of its own, with steps that know more than what can be seen from outside; what
//! `lineage register` writes is a projection; what `lineage metric` writes is the journal. None of it is made from what the
//! process happened to read, such as git's configuration. The commands that a nested `lineage run` starts are seen as all others
//! are.

use std::cell::LazyCell;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::path::Path;

use crate::capture::observe::{Observation, Process};
use crate::error::Result;
use crate::model::{Artifact, DECLARED_STEP, NodeId};
use crate::ops::Workspace;
use crate::ops::inside::words_of;
use crate::ops::registry::VersionsOfRun;

/// The commands that record what they do.
const RECORDED: &[&str] = &[
    "generated",
    "import",
    "merge",
    "metric",
    "models",
    "param",
    "pipeline",
    "project",
    "register",
    "rerun",
    "research",
    "run",
    "split",
    "used",
];
/// The commands that give out what is kept, and say what it was.
const GIVING: &[&str] = &["cat", "restore"];
/// Options before the command that have a value.
const VALUED: &[&str] = &["-C"];

/// Finds the processes of this program that recorded in the workspace whose folder `.lineage` is `folder` what they did: their
/// places among the observed ones, and their commands.
pub(super) fn own_processes<'o>(observation: &'o Observation, folder: &Path) -> BTreeMap<usize, &'o str> {
    commands(observation, folder, RECORDED)
}

/// Returns what processes of this program gave out in the run.
///
/// # Errors
/// A store error where it cannot be read.
pub(super) fn given_out(workspace: &Workspace, observation: &Observation, run: NodeId) -> Result<GivenOut> {
    let mut given_out = GivenOut::default();
    let mut seen: HashMap<String, Vec<usize>> = HashMap::new();
    for index in commands(observation, &workspace.folder(), GIVING).into_keys() {
        seen.entry(words_of(&observation.processes[index].arguments)).or_default().push(index);
    }
    if seen.is_empty() {
        return Ok(given_out);
    }
    let snapshot = workspace.view_as_it_is()?.snapshot;
    let steps = snapshot.run_no(run)?.map_or(Ok(Vec::new()), |number| snapshot.whole_steps_of(number))?;
    for step in steps.into_iter().filter(|step| step.name == DECLARED_STEP && !step.subject.is_empty()) {
        let same = seen.get(&step.subject).map_or(&[][..], Vec::as_slice);
        let at = step.started_at.micros();
        // Of several who were given the same words, those did it that were there at that moment.
        let was_there = |index: &&usize| {
            let process = &observation.processes[**index];
            same.len() == 1 || process.started_us <= at && process.ended_us.is_none_or(|end| at <= end)
        };
        let given = || step.used.iter().map(|edge| (edge.artifact.clone(), at));
        let mut is_seen = false;
        for index in same.iter().filter(was_there) {
            given_out.of_each.entry(*index).or_default().extend(given());
            is_seen = true;
        }
        if !is_seen {
            given_out.of_none.extend(given());
        }
    }
    Ok(given_out)
}

/// What was given out, and when, in microseconds since 1970.
pub(super) type Given = (Artifact, i64);

/// What was given out of what is kept.
#[derive(Debug, Default)]
pub struct GivenOut {
    /// By processes, by their places among the observed ones.
    pub(super) of_each: BTreeMap<usize, Vec<Given>>,
    /// By none that was seen.
    pub(super) of_none: Vec<Given>,
}

fn commands<'o>(observation: &'o Observation, folder: &Path, wanted: &[&str]) -> BTreeMap<usize, &'o str> {
    let own_file = LazyCell::new(|| std::env::current_exe().ok().and_then(|own| file_at(&own)));
    // Another version of it may be installed beside this one; and this one may go by any name.
    let is_own = |program: &Path| {
        program.file_name() == Some(OsStr::new(env!("CARGO_PKG_NAME")))
            || (own_file.is_some() && file_at(program) == *own_file)
    };
    let commands = observation.processes.iter().enumerate().filter_map(|(index, process)| {
        let command = command_of(process).filter(|command| wanted.contains(command))?;
        // In another workspace it is a program as any other.
        let mut files = process.accesses.iter().map(|access| &observation.files[access.file]);
        let is_here = files.any(|file| file.path.starts_with(folder));
        (is_here && is_own(&process.exe)).then_some((index, command))
    });
    commands.collect()
}

/// Tells a file from all others: device and inode.
fn file_at(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// Returns which command a process was given, if it is one of this program.
fn command_of(process: &Process) -> Option<&str> {
    let mut words = process.arguments.iter().skip(1).map(|word| word.to_str().unwrap_or_default());
    loop {
        let word = words.next()?;
        if VALUED.contains(&word) {
            words.next();
        } else if !word.starts_with('-') {
            return Some(word);
        }
    }
}

/// Returns the versions of models that were registered inside of a run, with their files as they are before the run's end says
/// what it read and made; `None` where no command of the registry ran.
///
/// # Errors
/// A store error where they cannot be read.
pub(super) fn registered(
    workspace: &Workspace,
    own: &BTreeMap<usize, &str>,
    run: NodeId,
) -> Result<Option<VersionsOfRun>> {
    if !own.values().any(|command| matches!(*command, "register" | "models")) {
        return Ok(None);
    }
    VersionsOfRun::read(workspace, run).map(Some)
}
