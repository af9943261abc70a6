//! What a command left as it was when it ran again.
//!
//! Where the very command that made a file ran again, came to a good end, had what lies at a path now, and did not write the file, to
//! run it once more changes nothing. What else can be said:
//!
//! - A program that brings up to date what is not, a build or a pipeline tool that was the command itself, had what lies there now before
//!   it, and found that the file needs nothing; or what the run had written anew was compared with the file. It is as it should be,
//!   whatever was read on the way to it.
//! - Any other command neither wrote the file nor read it, and wrote others in the same folder that it had written with the file: it may
//!   make no such file any more, the sixth part of what is now in five.
//! - One that did not read it and wrote a file of its name in another folder, whose name differs by digits, makes one for each run, or for
//!   each of its settings: a dated folder of results, an entry of a cache. The file is what it was, of an earlier run; but what was made
//!   from it is in doubt.
//! - One that read the file may have found it as it should be, or have gone on with it since it was there already; one that wrote files of
//!   other names may make one for each run, too. That is a doubt, and so is what was made from such files.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::{Causes, Moved, Now, Seen};
use crate::error::Result;
use crate::model::{ArtifactPath, NodeId, RunStatus, StepStatus};
use crate::query::origin::Write;
use crate::store::{ArtifactNo, GO_ON, PathNo, RunNo, Snapshot, StepNo};

/// Programs that look at everything that they were told to make, and make what is not up to date.
const UPDATERS: [&str; 14] = [
    "bazel",
    "buck2",
    "doit",
    "dvc",
    "gmake",
    "make",
    "meson",
    "nextflow",
    "ninja",
    "redo",
    "samu",
    "scons",
    "snakemake",
    "tup",
];

/// Programs that compare files, and make none.
const COMPARERS: [&str; 2] = ["cmp", "diff"];

/// What commands left as it was.
pub(super) struct Left<'a> {
    snapshot: &'a Snapshot,
    /// Whether a run is of this workspace: what one did elsewhere says nothing of what lies here.
    is_here: &'a dyn Fn(RunNo) -> Result<bool>,
    /// The runs of which a command is recorded.
    runs: HashMap<RunNo, Option<Known>>,
    commands: HashMap<Command, CommandNo>,
    readers: HashMap<PathNo, Rc<HashMap<CommandNo, Readers>>>,
    /// Who wrote at a path.
    writers: HashMap<PathNo, Rc<HashSet<RunNo>>>,
    /// Runs of one command, by their begin. Each list is held once, whoever had what lies somewhere before it; the first has none.
    lists: Vec<Rc<[RunNo]>>,
    /// Those in both of two lists.
    in_both: HashMap<[ListNo; 2], ListNo>,
    /// The folders in which two runs wrote the same file.
    folders: HashMap<[RunNo; 2], Words>,
    /// The paths, without their digits, at which the second of two runs wrote and the first did not.
    names: HashMap<[RunNo; 2], Words>,
}

type CommandNo = usize;
type ListNo = usize;

/// The list that has no run.
const NOBODY: ListNo = 0;

/// Folders or files, by their names.
type Words = Rc<HashSet<Vec<u8>>>;

/// The command line of a run, and where it was given.
#[derive(PartialEq, Eq, Hash)]
struct Command {
    arguments: Vec<String>,
    folder: String,
}

/// A run of a command.
#[derive(Clone, Copy)]
struct Known {
    command: CommandNo,
    /// When it began, and its key, which orders those of one moment the same way in every store.
    began: (i64, NodeId),
    /// Whether the command is a program that brings up to date what is not.
    is_updater: bool,
    /// Whether it came to a good end, in this workspace.
    tells: bool,
}

/// Which runs of a command read what lies at a path now.
#[derive(Clone, Copy)]
struct Readers {
    /// Those in which a program that brings up to date what is not read it.
    updaters: ListNo,
    others: ListNo,
}

/// What makes a file stale, and which runs of its command had that before them.
#[derive(Default)]
pub(super) struct Found {
    /// What was not before one that brings up to date what is not.
    open: Causes<Seen>,
    /// What was.
    settled: Causes<Seen>,
    by: By,
}

/// Who had what makes a file stale before it, in lists that also have runs from before the file was made.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
struct By {
    /// Where anything is open, who had all that before it.
    open: Option<ListNo>,
    /// Where anything is settled, who had all that before it.
    settled: Option<ListNo>,
}

/// What is said of a version in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is out of date.
    Stale,
    /// Likewise; but its command had what makes it so before it, and left the version as it was.
    LeftAsIs(RunNo),
    /// Likewise; its command makes it no more, as this run shows.
    LeftOver(RunNo),
    /// Likewise; its command makes another for each run.
    Older,
    /// It needs nothing.
    Settled,
}

impl By {
    const NOBODY: By = By { open: Some(NOBODY), settled: None };
}

impl<'a> Left<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, is_here: &'a dyn Fn(RunNo) -> Result<bool>) -> Self {
        Left {
            snapshot,
            is_here,
            runs: HashMap::new(),
            commands: HashMap::new(),
            readers: HashMap::new(),
            writers: HashMap::new(),
            lists: vec![Rc::default()],
            in_both: HashMap::new(),
            folders: HashMap::new(),
            names: HashMap::new(),
        }
    }

    /// Enters that what `run` made is out of date by what was read at a path.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub(super) fn add(
        &mut self,
        found: &mut Found,
        run: Option<RunNo>,
        (moved, seen): (&Moved, Seen),
        causes_max: usize,
    ) -> Result<()> {
        let by = self.had_before(run, moved)?;
        let causes = if by.settled.is_some() { &mut found.settled } else { &mut found.open };
        causes.add(seen, causes_max);
        found.by.open = self.in_all(found.by.open, by.open);
        found.by.settled = self.in_all(found.by.settled, by.settled);
        Ok(())
    }

    /// Finds who had what lies at a path now before it, of the command of a run.
    fn had_before(&mut self, run: Option<RunNo>, moved: &Moved) -> Result<By> {
        let Some(own) = run.map_or(Ok(None), |run| self.known(run))? else { return Ok(By::NOBODY) };
        let readers = self.readers_of(moved)?;
        let Some(readers) = readers.get(&own.command) else { return Ok(By::NOBODY) };
        Ok(match self.since(readers.updaters, &own).is_empty() {
            true => By { open: Some(readers.others), settled: None },
            false => By { open: None, settled: Some(readers.updaters) },
        })
    }

    /// Returns the runs of a list that did not begin before another one.
    fn since(&self, list: ListNo, own: &Known) -> &[RunNo] {
        let list = &self.lists[list];
        let earlier =
            |run: &RunNo| self.runs[run].as_ref().is_some_and(|known: &Known| known.began < own.began);
        &list[list.partition_point(earlier)..]
    }

    /// Returns those that are in both of two lists, where there are two.
    fn in_all(&mut self, one: Option<ListNo>, other: Option<ListNo>) -> Option<ListNo> {
        let (Some(one), Some(other)) = (one, other) else { return one.or(other) };
        if one == other {
            return Some(one);
        }
        let lists = [one.min(other), one.max(other)];
        if let Some(known) = self.in_both.get(&lists) {
            return Some(*known);
        }
        let [few, many] = lists.map(|list| Rc::clone(&self.lists[list]));
        let many: HashSet<&RunNo> = many.iter().collect();
        let both = self.add_list(few.iter().filter(|run| many.contains(run)).copied().collect());
        self.in_both.insert(lists, both);
        Some(both)
    }

    fn add_list(&mut self, runs: Rc<[RunNo]>) -> ListNo {
        if runs.is_empty() {
            return NOBODY;
        }
        self.lists.push(runs);
        self.lists.len() - 1
    }

    /// Tells whether a step ran one of some programs, and did what it was to do.
    fn has_done(&self, step: StepNo, programs: &[&str]) -> Result<bool> {
        let step = self.snapshot.step_without_edges(step)?;
        Ok(step.is_some_and(|step| {
            // Of several programs that are one step, each has its name.
            let mut names = step.name.split(" | ");
            step.status == StepStatus::Succeeded && names.any(|name| programs.contains(&name))
        }))
    }

    /// Finds who read what lies at a path now, and came to a good end, by command.
    fn readers_of(&mut self, moved: &Moved) -> Result<Rc<HashMap<CommandNo, Readers>>> {
        if let Some(known) = self.readers.get(&moved.path) {
            return Ok(Rc::clone(known));
        }
        let mut by_run: HashMap<RunNo, Vec<StepNo>> = HashMap::new();
        if let Now::Bytes(now) | Now::Perhaps(now) = moved.now
            && let Some(artifact) = self.snapshot.artifact_no(moved.path, &now)?
        {
            let _all = self.snapshot.reads_between(artifact, i64::MIN, i64::MAX, |_, step| {
                if let Some(run) = self.snapshot.run_of(step)? {
                    by_run.entry(run).or_default().push(step);
                }
                Ok(GO_ON)
            })?;
        }
        let mut by_begin = Vec::with_capacity(by_run.len());
        for (run, steps) in by_run {
            if let Some(known) = self.known(run)?.filter(|known| known.tells) {
                by_begin.push((known, run, steps));
            }
        }
        by_begin.sort_unstable_by_key(|(known, ..)| known.began);
        let mut runs: HashMap<CommandNo, [Vec<RunNo>; 2]> = HashMap::new();
        for (known, run, steps) in by_begin {
            let mut is_updater = false;
            for step in steps.into_iter().filter(|_| known.is_updater) {
                is_updater = is_updater || self.has_done(step, &UPDATERS)?;
            }
            runs.entry(known.command).or_default()[usize::from(is_updater)].push(run);
        }
        let lists = runs.into_iter().map(|(command, runs)| {
            let [others, updaters] = runs.map(|runs| self.add_list(runs.into()));
            (command, Readers { updaters, others })
        });
        let readers: Rc<HashMap<CommandNo, Readers>> = Rc::new(lists.collect());
        self.readers.insert(moved.path, Rc::clone(&readers));
        Ok(readers)
    }

    fn known(&mut self, run: RunNo) -> Result<Option<Known>> {
        if let Some(known) = self.runs.get(&run) {
            return Ok(*known);
        }
        let record = self.snapshot.run(run)?;
        let record = record.filter(|run| !run.arguments.is_empty() && run.rerun_of.is_none());
        let known = match record {
            Some(record) => {
                let program = record.arguments[0].rsplit('/').next().unwrap_or_default();
                let is_updater = UPDATERS.contains(&program);
                let last = self.snapshot.outcomes(run)?.pop();
                let has_succeeded = last.is_some_and(|outcome| outcome.status == RunStatus::Succeeded);
                let command = Command { arguments: record.arguments, folder: record.folder };
                let next = self.commands.len();
                Some(Known {
                    command: *self.commands.entry(command).or_insert(next),
                    began: (record.started_at.micros(), record.id),
                    is_updater,
                    tells: has_succeeded && (self.is_here)(run)?,
                })
            }
            None => None,
        };
        self.runs.insert(run, known);
        Ok(known)
    }

    /// Says what is to be said of a file, and by what of all that was found.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub(super) fn fate(&mut self, found: &Found, target: &Write) -> Result<(Fate, Causes<Seen>)> {
        let run = self.snapshot.run_of(target.step)?;
        let causes = match (self.fate_by(found.by, run, target.artifact)?, found.by.open) {
            (Some(fate), Some(_)) => return Ok((fate, found.open.clone())),
            (Some(fate), None) => return Ok((fate, found.settled.clone())),
            (None, _) => found.open.first.iter().chain(&found.settled.first),
        };
        let total = found.open.total + found.settled.total;
        Ok((Fate::Stale, Causes { first: causes.copied().collect(), total }))
    }

    /// Says what is to be said of a version that `run` made on a way from what was read at a path, by that.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub(super) fn fate_on_way(
        &mut self,
        run: Option<RunNo>,
        moved: &Moved,
        made: ArtifactNo,
    ) -> Result<Fate> {
        let by = self.had_before(run, moved)?;
        Ok(self.fate_by(by, run, made)?.unwrap_or(Fate::Stale))
    }

    /// Says what is to be said of a version that `run` made, by who had what makes it stale before it; `None` where it is stale also by
    /// what was before a program that brings up to date what is not.
    fn fate_by(&mut self, by: By, run: Option<RunNo>, made: ArtifactNo) -> Result<Option<Fate>> {
        let own = run.map_or(Ok(None), |run| self.known(run))?;
        let Some((run, own)) = run.zip(own).filter(|_| by != By::NOBODY) else {
            return Ok(Some(Fate::Stale));
        };
        let writers = self.writers_at(self.snapshot.path_of(made))?;
        if let Some(list) = by.settled {
            let mut updaters = self.since(list, &own).iter();
            if !updaters.any(|other| *other == run || !writers.contains(other)) {
                return Ok(None);
            }
        }
        let Some(list) = by.open else { return Ok(Some(Fate::Settled)) };
        let mut latest_first = self.since(list, &own).iter().rev();
        let last = latest_first.find(|other| **other != run && !writers.contains(*other)).copied();
        last.map_or(Ok(Fate::Stale), |last| self.fate_left_by(last, run, made)).map(Some)
    }

    /// Says what is to be said of a version by what the last run did with it that had all before it and did not write there.
    fn fate_left_by(&mut self, last: RunNo, own: RunNo, made: ArtifactNo) -> Result<Fate> {
        let readers = self.readers_in(last, made)?;
        for step in &readers {
            if self.has_compared(last, *step, made)? {
                return Ok(Fate::Settled);
            }
        }
        Ok(match readers.is_empty() {
            true if self.wrote_beside([own, last], made)? => Fate::LeftOver(last),
            true if self.wrote_namesake([own, last], made)? => Fate::Older,
            _ => Fate::LeftAsIs(last),
        })
    }

    /// Returns the runs that wrote at a path.
    fn writers_at(&mut self, path: PathNo) -> Result<Rc<HashSet<RunNo>>> {
        if let Some(known) = self.writers.get(&path) {
            return Ok(Rc::clone(known));
        }
        let mut writers = HashSet::new();
        let _all = self.snapshot.path_writes_until(path, i64::MAX, |_, step, _| {
            writers.extend(self.snapshot.run_of(step)?);
            Ok(GO_ON)
        })?;
        let writers = Rc::new(writers);
        self.writers.insert(path, Rc::clone(&writers));
        Ok(writers)
    }

    /// Tells whether a step of a run compared a file with what the run had written, which may be gone again.
    fn has_compared(&self, run: RunNo, step: StepNo, artifact: ArtifactNo) -> Result<bool> {
        if !self.has_done(step, &COMPARERS)? {
            return Ok(false);
        }
        let is_with_others =
            self.snapshot.step_without_edges(step)?.is_some_and(|step| step.name.contains(" | "));
        let written = self.written_by(run)?;
        let edges = self.snapshot.edges(step)?;
        let mut read = edges.iter().flat_map(|edges| &edges.used).filter(|edge| edge.artifact != artifact);
        Ok(is_with_others || read.any(|edge| written.contains(&self.snapshot.path_of(edge.artifact))))
    }

    /// Tells whether two runs wrote the same file in the folder of another one.
    fn wrote_beside(&mut self, runs: [RunNo; 2], artifact: ArtifactNo) -> Result<bool> {
        let folders = match self.folders.get(&runs) {
            Some(known) => Rc::clone(known),
            None => {
                let [one, other] = [self.written_by(runs[0])?, self.written_by(runs[1])?];
                let mut folders = HashSet::new();
                for path in one.intersection(&other) {
                    folders.insert(self.snapshot.path(*path)?.folder().to_vec());
                }
                let folders = Rc::new(folders);
                self.folders.insert(runs, Rc::clone(&folders));
                folders
            }
        };
        Ok(folders.contains(self.snapshot.artifact_path(artifact)?.folder()))
    }

    /// Tells whether the second of two runs wrote a file of the same name where the first wrote none, in folders that have digits in
    /// their names where others do, or lie in such.
    fn wrote_namesake(&mut self, runs: [RunNo; 2], artifact: ArtifactNo) -> Result<bool> {
        let names = match self.names.get(&runs) {
            Some(known) => Rc::clone(known),
            None => {
                let [one, other] = [self.written_by(runs[0])?, self.written_by(runs[1])?];
                let mut names = HashSet::new();
                for path in other.difference(&one) {
                    names.insert(without_numbers(&self.snapshot.path(*path)?));
                }
                let names = Rc::new(names);
                self.names.insert(runs, Rc::clone(&names));
                names
            }
        };
        Ok(names.contains(&without_numbers(&self.snapshot.artifact_path(artifact)?)))
    }

    fn written_by(&self, run: RunNo) -> Result<HashSet<PathNo>> {
        let mut written = HashSet::new();
        for step in self.snapshot.steps_of(run)? {
            let edges = self.snapshot.edges(step)?;
            let generated = edges.iter().flat_map(|edges| &edges.generated);
            written.extend(generated.map(|edge| self.snapshot.path_of(edge.artifact)));
        }
        Ok(written)
    }

    fn readers_in(&self, run: RunNo, artifact: ArtifactNo) -> Result<Vec<StepNo>> {
        let from = self.runs[&run].map_or(i64::MIN, |known| known.began.0);
        let until = self.snapshot.outcomes(run)?.last().map_or(i64::MAX, |outcome| outcome.at.micros());
        let mut readers = Vec::new();
        let _all = self.snapshot.reads_between(artifact, from, until, |_, step| {
            if self.snapshot.run_of(step)? == Some(run) {
                readers.push(step);
            }
            Ok(GO_ON)
        })?;
        Ok(readers)
    }
}

/// Returns a path with nothing in the place of each folder whose name has a digit in it: a date, a hash, a count.
fn without_numbers(path: &ArtifactPath) -> Vec<u8> {
    let folders = path.folder().split(|byte| *byte == b'/');
    let numbered = |folder: &&[u8]| folder.iter().any(u8::is_ascii_digit);
    let mut parts: Vec<&[u8]> =
        folders.map(|folder| if numbered(&folder) { &b""[..] } else { folder }).collect();
    parts.push(path.file_name());
    parts.join(&b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_for_one_run_each_are_alike_but_for_digits() {
        let of = |path: &str| without_numbers(&ArtifactPath::new(path).unwrap());
        assert_eq!(of("out/2026-11-28/17-35/m.pt"), of("out/2026-11-29/09-01/m.pt"));
        assert_eq!(of("cache/default-1f8e/a.arrow"), of("cache/default-77ab/a.arrow"));
        assert_ne!(of("east/report"), of("west/report"));
        assert_ne!(of("out/1/a"), of("out/2/b"));
        assert_ne!(of("out/1/x/a"), of("out/2/a"));
    }
}
