//! Files that a command keeps up: it reads what lies there and writes it anew, one run after the other, as a table of results that
//! each training adds its line to.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::rc::Rc;

use crate::error::Result;
use crate::model::{APPENDING, ArtifactPath, Digest, Step};
use crate::query::origin::lost;
use crate::store::{Edges, PathNo, RunNo, Snapshot, StepNo};

/// What makes a step the same command as another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Command {
    program: String,
    told: Told,
}

/// Who keeps a file up.
#[derive(Debug, Clone)]
struct Keeper {
    command: Command,
    /// The command line of its run, where that names a script.
    script: Option<Vec<String>>,
}

impl Keeper {
    /// Returns true for the same command; and for the same program, whatever it was told, in runs of the same script with other numbers
    /// or dates: what a nightly job enters in a table is another thing each night.
    fn is(&self, other: &Keeper) -> bool {
        let is_another_night = |one: &Vec<String>, other: &Vec<String>| {
            let has_digit = |word: &str| word.bytes().any(|byte| byte.is_ascii_digit());
            let is_alike =
                |(one, other): (&String, &String)| one == other || (has_digit(one) && has_digit(other));
            one.len() == other.len() && one.iter().zip(other).all(is_alike)
        };
        let scripts = self.script.as_ref().zip(other.script.as_ref());
        let is_of_same_script = scripts.is_some_and(|(one, other)| is_another_night(one, other));
        self.command == other.command || (is_of_same_script && self.command.program == other.command.program)
    }
}

/// What a program was told to do.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    /// To run a script, whatever else it was told.
    Script(PathNo),
    /// All that stood on its command line: what else of that matters is not known.
    Line(String),
}

impl Command {
    /// Finds what a step ran; `None` where that is not recorded.
    fn of(snapshot: &Snapshot, step: StepNo, edges: &Edges) -> Result<Option<Self>> {
        let Some(record) = snapshot.step_without_edges(step)? else { return Ok(None) };
        // The first of several programs started the others.
        let first = |text: &str| text.split(" | ").next().unwrap_or_default().to_owned();
        let name = record.name.strip_suffix(APPENDING).unwrap_or(&record.name);
        let (program, line) = (first(name), first(&record.subject));
        if line.is_empty() {
            return Ok(None);
        }
        let mut code = Vec::new();
        for edge in edges.used.iter().filter(|edge| edge.role.is_code()) {
            code.push((snapshot.artifact_path(edge.artifact)?, snapshot.path_of(edge.artifact)));
        }
        let script = line.split(' ').skip(1).find_map(|word| {
            code.iter().find(|(path, _)| names(word, path)).map(|(_, number)| Told::Script(*number))
        });
        Ok(Some(Command { program, told: script.unwrap_or(Told::Line(line)) }))
    }
}

/// Returns true where a word of a command line names a file of code: by its name, wherever it was called from, or as a module.
fn names(word: &str, path: &ArtifactPath) -> bool {
    let word = word.rsplit('/').next().unwrap_or(word);
    let module = word.rsplit('.').next().unwrap_or(word);
    path.file_name() == word.as_bytes() || path.file_name() == format!("{module}.py").as_bytes()
}

/// Who keeps up a file, and since when nobody else wrote it.
pub(super) struct KeptUp {
    path: PathNo,
    keeper: Keeper,
    /// When something else was done to it last.
    since: i64,
}

impl KeptUp {
    /// Finds who keeps up the file at `path`, where a recorded step wrote what lies there `now`.
    pub(super) fn of(
        snapshot: &Snapshot,
        path: PathNo,
        now: &Digest,
        done: &mut Done,
    ) -> Result<Option<Self>> {
        let mut found: Option<KeptUp> = None;
        let _all = snapshot.path_writes_until(path, i64::MAX, |at, step, artifact| {
            if found.is_none() && snapshot.artifact(artifact)?.digest != *now {
                return Ok(ControlFlow::Break(()));
            }
            match (done.by(snapshot, step)?.keeper(path, at), &mut found) {
                (Some(keeper), None) => {
                    found = Some(KeptUp { path, keeper: keeper.clone(), since: i64::MIN });
                }
                (Some(keeper), Some(known)) if known.keeper.is(keeper) => {}
                (_, known) => {
                    known.iter_mut().for_each(|known| known.since = at);
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    /// Returns true where `step`, which read the file at `read_at`, is one of those that keep it up, and only they wrote it since.
    pub(super) fn is_by(
        &self,
        snapshot: &Snapshot,
        step: StepNo,
        read_at: i64,
        done: &mut Done,
    ) -> Result<bool> {
        if self.since >= read_at {
            return Ok(false);
        }
        let done = done.by(snapshot, step)?;
        Ok(done.wrote.contains_key(&self.path) && done.keeper.as_ref().is_some_and(|it| self.keeper.is(it)))
    }
}

/// Tells whether two steps ran the same command, as far as that is recorded.
pub(super) fn is_same_command(snapshot: &Snapshot, steps: [StepNo; 2], done: &mut Done) -> Result<bool> {
    let command = done.by(snapshot, steps[0])?.command().cloned();
    Ok(command.is_some() && done.by(snapshot, steps[1])?.command() == command.as_ref())
}

/// Tells whether two steps are goes of one command at the same work: they have written a file in common, and ran the same command,
/// whatever files of theirs it was given; or the same program, and their runs are two of the same command: what a script takes out of
/// a file to tell it to others is another thing each time.
pub(super) fn is_another_go(snapshot: &Snapshot, steps: [StepNo; 2], done: &mut Done) -> Result<bool> {
    for step in steps {
        done.by(snapshot, step)?;
    }
    let [one, other] = steps.map(|step| Rc::clone(&done.by[&step]));
    let (Some(ran), Some(other_ran)) = (one.command(), other.command()) else { return Ok(false) };
    if ran.program != other_ran.program || !one.wrote.keys().any(|path| other.wrote.contains_key(path)) {
        return Ok(false);
    }
    Ok(match (&ran.told, &other_ran.told) {
        (Told::Line(line), Told::Line(other)) if line != other => {
            words_without_files(snapshot, steps[0], line)? == words_without_files(snapshot, steps[1], other)?
                || done.are_of_equal_runs(snapshot, steps)?
        }
        (told, other) => told == other,
    })
}

/// Tells whether two steps are the parts of one, of which one only added to files.
pub(super) fn are_parts_of_one(snapshot: &Snapshot, steps: [StepNo; 2]) -> Result<bool> {
    let [Some(one), Some(other)] =
        [steps[0], steps[1]].map(|step| snapshot.step_without_edges(step).transpose())
    else {
        return Ok(false);
    };
    let (one, other) = (one?, other?);
    let is_part = |part: &Step, rest: &Step| part.name.strip_suffix(APPENDING) == Some(rest.name.as_str());
    let is_one_process =
        (one.run, one.started_at, &one.subject) == (other.run, other.started_at, &other.subject);
    Ok(is_one_process && (is_part(&one, &other) || is_part(&other, &one)))
}

/// Returns the words of a command line that name no file which the step read or wrote.
fn words_without_files<'a>(snapshot: &Snapshot, step: StepNo, line: &'a str) -> Result<Vec<&'a str>> {
    let edges = snapshot.edges(step)?.ok_or_else(|| lost(step))?;
    let artifacts = edges.used.iter().map(|edge| edge.artifact);
    let artifacts = artifacts.chain(edges.generated.iter().map(|edge| edge.artifact));
    let mut names = HashSet::new();
    for artifact in artifacts {
        names.insert(snapshot.artifact_path(artifact)?.file_name().to_vec());
    }
    let name = |word: &str| word.trim_end_matches('/').rsplit('/').next().unwrap_or(word).as_bytes().to_vec();
    Ok(line.split(' ').filter(|word| !names.contains(&name(word))).collect())
}

/// Returns the command line of a run that ran a script: the first word behind the program, or the command itself, names a file that is
/// recorded.
fn script_of(snapshot: &Snapshot, run: RunNo) -> Result<Option<Vec<String>>> {
    let Some(run) = snapshot.run(run)? else { return Ok(None) };
    let words = run.arguments.iter().enumerate();
    for (_, word) in words.filter(|(at, word)| *at == 0 || !word.starts_with('-')).take(2) {
        let path = if run.folder.is_empty() { word.clone() } else { format!("{}/{word}", run.folder) };
        let path = ArtifactPath::new(path.trim_start_matches("./"));
        if path.map_or(Ok(None), |path| snapshot.path_no(&path))?.is_some() {
            return Ok(Some(run.arguments));
        }
    }
    Ok(None)
}

/// What was done by the steps that were asked about, each read once.
#[derive(Default)]
pub(super) struct Done {
    by: HashMap<StepNo, Rc<DoneBy>>,
    commands: HashMap<RunNo, Rc<[String]>>,
}

/// What a step did.
struct DoneBy {
    keeper: Option<Keeper>,
    /// What it read, each with the first time.
    read: HashMap<PathNo, i64>,
    /// What it wrote, each with the last time.
    wrote: HashMap<PathNo, i64>,
}

impl Done {
    fn by(&mut self, snapshot: &Snapshot, step: StepNo) -> Result<&DoneBy> {
        match self.by.entry(step) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(Rc::new(DoneBy::of(snapshot, step)?))),
        }
    }

    /// Tells whether two steps are parts of two runs of one command.
    fn are_of_equal_runs(&mut self, snapshot: &Snapshot, steps: [StepNo; 2]) -> Result<bool> {
        let [Some(one), Some(other)] = [snapshot.run_of(steps[0])?, snapshot.run_of(steps[1])?] else {
            return Ok(false);
        };
        let command = self.command_of(snapshot, one)?;
        Ok(one != other && !command.is_empty() && command == self.command_of(snapshot, other)?)
    }

    /// Returns the command line of a run; of one without, none of its words.
    fn command_of(&mut self, snapshot: &Snapshot, run: RunNo) -> Result<Rc<[String]>> {
        if let Some(known) = self.commands.get(&run) {
            return Ok(Rc::clone(known));
        }
        let command = snapshot.run(run)?.map_or_else(Vec::new, |run| run.arguments);
        Ok(Rc::clone(self.commands.entry(run).or_insert(command.into())))
    }

    /// Returns when a step last wrote at a path.
    pub(super) fn last_write(
        &mut self,
        snapshot: &Snapshot,
        step: StepNo,
        path: PathNo,
    ) -> Result<Option<i64>> {
        Ok(self.by(snapshot, step)?.wrote.get(&path).copied())
    }

    /// Lists the files that a step read, and wrote after that.
    pub(super) fn written_on(&mut self, snapshot: &Snapshot, step: StepNo) -> Result<BTreeSet<PathNo>> {
        let done = self.by(snapshot, step)?;
        let written = done.wrote.iter().filter(|(path, last)| done.has_read(**path, **last));
        Ok(written.map(|(path, _)| *path).collect())
    }
}

impl DoneBy {
    fn of(snapshot: &Snapshot, step: StepNo) -> Result<Self> {
        let edges = snapshot.edges(step)?.ok_or_else(|| lost(step))?;
        let mut read: HashMap<PathNo, i64> = HashMap::new();
        for edge in &edges.used {
            let first = read.entry(snapshot.path_of(edge.artifact)).or_insert(edge.at);
            *first = edge.at.min(*first);
        }
        let mut wrote: HashMap<PathNo, i64> = HashMap::new();
        for edge in &edges.generated {
            let last = wrote.entry(snapshot.path_of(edge.artifact)).or_insert(edge.at);
            *last = edge.at.max(*last);
        }
        let keeper = match Command::of(snapshot, step, &edges)? {
            Some(command) => Some(Keeper { command, script: script_of(snapshot, edges.run)? }),
            None => None,
        };
        Ok(DoneBy { keeper, read, wrote })
    }

    fn command(&self) -> Option<&Command> {
        self.keeper.as_ref().map(|keeper| &keeper.command)
    }

    /// Returns the command, where it read what lay at a path before it wrote there.
    fn keeper(&self, path: PathNo, at: i64) -> Option<&Keeper> {
        self.keeper.as_ref().filter(|_| self.has_read(path, at))
    }

    /// Tells whether it had read what lay at a path by some moment.
    fn has_read(&self, path: PathNo, by: i64) -> bool {
        self.read.get(&path).is_some_and(|first| *first <= by)
    }
}
