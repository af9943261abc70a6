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
//! - One that read the file may have found it as it should be, or have gone on with it since it was there already; one that wrote files of
//!   other names may make one for each run, or for each of its settings. That is a doubt, and so is what was made from such files.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::rc::Rc;

use super::{Causes, Moved, Now, Seen};
use crate::error::Result;
use crate::model::{NodeId, RunStatus, StepStatus};
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

/// What was found of the files that are asked for.
pub(super) struct Left<'a> {
    snapshot: &'a Snapshot,
    /// Whether a run is of this workspace: what one did elsewhere says nothing of what lies here.
    is_here: &'a dyn Fn(RunNo) -> Result<bool>,
    /// The nodes that they came from.
    starts: HashSet<usize>,
    found: HashMap<usize, Found>,
    verdicts: HashMap<(RunNo, PathNo), Rc<Verdict>>,
    readers: HashMap<PathNo, Rc<Readers>>,
    commands: HashMap<RunNo, Option<Rc<Command>>>,
    /// The folders in which two runs wrote the same file.
    folders: RefCell<HashMap<[RunNo; 2], Folders>>,
}

/// Folders, by their names.
type Folders = Rc<HashSet<Vec<u8>>>;

/// What makes a file stale, and what of that its command had before it when it ran again.
#[derive(Default, Clone)]
pub(super) struct Found {
    /// What was not before one that brings up to date what is not.
    open: Causes<Seen>,
    /// The runs that had all of that before them.
    again: BTreeSet<RunNo>,
    /// What was.
    settled: Causes<Seen>,
    /// The runs that had all of that before them.
    settled_by: BTreeSet<RunNo>,
}

/// What is said of a file in the end.
pub(super) enum Fate {
    /// It is out of date by these.
    Stale(Causes<Seen>),
    /// Likewise; but its command had these before it, and left the file as it was.
    LeftAsIs(RunNo, Causes<Seen>),
    /// Likewise; its command makes it no more, as this run shows.
    LeftOver(RunNo, Causes<Seen>),
    /// It needs nothing for these.
    Settled(Causes<Seen>),
}

/// What a run did with a file that it did not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Go {
    /// It had no need of it, and wrote others there that had been written with it.
    Passed,
    /// It had no need of it, and wrote files of its own.
    WroteOthers,
    /// It read it, whatever for.
    Read,
    /// It compared it with what it would have written.
    Compared,
}

/// Whether a way leads on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leads {
    On,
    InDoubt,
    Nowhere,
}

/// The command line of a run, and where it was given.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Command {
    arguments: Vec<String>,
    folder: String,
}

/// Who read what lies at a path now, and came to a good end, by command.
type Readers = HashMap<Rc<Command>, Vec<Reader>>;

struct Reader {
    run: RunNo,
    began: Option<(i64, NodeId)>,
    /// Whether a program that brings up to date what is not read it.
    is_updater: bool,
}

/// What is said of a path by the runs of a command.
#[derive(Default)]
struct Verdict {
    /// Those in which a program that brings up to date what is not had it before it.
    settled: BTreeSet<RunNo>,
    /// Others that had it before them.
    again: BTreeSet<RunNo>,
}

impl<'a> Left<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        is_here: &'a dyn Fn(RunNo) -> Result<bool>,
        starts: impl IntoIterator<Item = usize>,
    ) -> Self {
        Left {
            snapshot,
            is_here,
            starts: starts.into_iter().collect(),
            found: HashMap::new(),
            verdicts: HashMap::new(),
            readers: HashMap::new(),
            commands: HashMap::new(),
            folders: RefCell::default(),
        }
    }

    /// Forgets what was found.
    pub(super) fn begin(&mut self) {
        self.found.clear();
    }

    /// Takes what was found of each node.
    pub(super) fn take(&mut self) -> HashMap<usize, Found> {
        std::mem::take(&mut self.found)
    }

    /// Enters that a node, of a run, is out of date by what was read at a path.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub(super) fn add(
        &mut self,
        (node, run): (usize, Option<RunNo>),
        moved: &Moved,
        seen: Seen,
        causes_max: usize,
    ) -> Result<()> {
        if !self.starts.contains(&node) {
            return Ok(());
        }
        let verdict = match run {
            Some(run) => self.verdict(run, moved)?,
            None => Rc::default(),
        };
        let found = self.found.entry(node).or_default();
        let (causes, runs, by) = match verdict.settled.is_empty() {
            true => (&mut found.open, &mut found.again, &verdict.again),
            false => (&mut found.settled, &mut found.settled_by, &verdict.settled),
        };
        match causes.is_empty() {
            true => runs.clone_from(by),
            false => runs.retain(|run| by.contains(run)),
        }
        causes.add(seen, causes_max);
        Ok(())
    }

    fn verdict(&mut self, run: RunNo, moved: &Moved) -> Result<Rc<Verdict>> {
        if let Some(known) = self.verdicts.get(&(run, moved.path)) {
            return Ok(Rc::clone(known));
        }
        let verdict = Rc::new(self.find(run, moved)?);
        self.verdicts.insert((run, moved.path), Rc::clone(&verdict));
        Ok(verdict)
    }

    fn find(&mut self, run: RunNo, moved: &Moved) -> Result<Verdict> {
        let mut verdict = Verdict::default();
        let Some(command) = self.command_of(run)? else { return Ok(verdict) };
        let readers = self.readers_of(moved)?;
        let began = self.began(run)?;
        for reader in readers.get(&command).into_iter().flatten().filter(|reader| reader.began >= began) {
            if reader.is_updater {
                verdict.settled.insert(reader.run);
            } else if reader.run != run {
                verdict.again.insert(reader.run);
            }
        }
        Ok(verdict)
    }

    /// Returns when a run began, with its key, which orders those of one moment the same way in every store.
    fn began(&self, run: RunNo) -> Result<Option<(i64, NodeId)>> {
        Ok(self.snapshot.run_origin(run)?.map(|origin| (origin.started_at.micros(), origin.id)))
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

    fn readers_of(&mut self, moved: &Moved) -> Result<Rc<Readers>> {
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
        let mut readers = Readers::new();
        for (run, steps) in by_run {
            let Some(command) = self.command_of(run)? else { continue };
            if !self.has_succeeded(run)? || !(self.is_here)(run)? {
                continue;
            }
            let program = command.arguments[0].rsplit('/').next().unwrap_or_default();
            let mut is_updater = false;
            if UPDATERS.contains(&program) {
                for step in steps {
                    is_updater = is_updater || self.has_done(step, &UPDATERS)?;
                }
            }
            let began = self.began(run)?;
            readers.entry(command).or_default().push(Reader { run, began, is_updater });
        }
        let readers = Rc::new(readers);
        self.readers.insert(moved.path, Rc::clone(&readers));
        Ok(readers)
    }

    fn command_of(&mut self, run: RunNo) -> Result<Option<Rc<Command>>> {
        if let Some(known) = self.commands.get(&run) {
            return Ok(known.clone());
        }
        let record =
            self.snapshot.run(run)?.filter(|run| !run.arguments.is_empty() && run.rerun_of.is_none());
        let command = record.map(|run| Rc::new(Command { arguments: run.arguments, folder: run.folder }));
        self.commands.insert(run, command.clone());
        Ok(command)
    }

    fn has_succeeded(&self, run: RunNo) -> Result<bool> {
        Ok(self.snapshot.outcomes(run)?.last().is_some_and(|outcome| outcome.status == RunStatus::Succeeded))
    }

    /// Says what is to be said of a file.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub(super) fn fate(&self, found: &Found, target: &Write) -> Result<Fate> {
        let Found { open, again, settled, settled_by } = found;
        let run = self.snapshot.run_of(target.step)?;
        if !settled.is_empty() && !self.is_settled(run, settled_by, target.artifact)? {
            let mut all = open.clone();
            all.first.extend(&settled.first);
            all.total += settled.total;
            return Ok(Fate::Stale(all));
        }
        if open.is_empty() {
            return Ok(Fate::Settled(settled.clone()));
        }
        Ok(match self.last_go(run, again, target.artifact)? {
            None => Fate::Stale(open.clone()),
            Some((_, Go::Compared)) => Fate::Settled(open.clone()),
            Some((run, Go::Read | Go::WroteOthers)) => Fate::LeftAsIs(run, open.clone()),
            Some((run, Go::Passed)) => Fate::LeftOver(run, open.clone()),
        })
    }

    /// Says whether a way from what was read at a path leads on to who read a version that `run` made on it.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub(super) fn leads_on(&mut self, run: Option<RunNo>, moved: &Moved, made: ArtifactNo) -> Result<Leads> {
        let Some(own) = run else { return Ok(Leads::On) };
        let verdict = self.verdict(own, moved)?;
        if !verdict.settled.is_empty() {
            let is_settled = self.is_settled(run, &verdict.settled, made)?;
            return Ok(if is_settled { Leads::Nowhere } else { Leads::On });
        }
        Ok(match self.last_go(run, &verdict.again, made)? {
            Some((_, Go::Compared)) => Leads::Nowhere,
            Some((_, Go::Read | Go::Passed | Go::WroteOthers)) => Leads::InDoubt,
            None => Leads::On,
        })
    }

    fn is_settled(&self, own: Option<RunNo>, by: &BTreeSet<RunNo>, artifact: ArtifactNo) -> Result<bool> {
        for run in by {
            if Some(*run) == own || !self.has_written(*run, artifact)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the last of some runs that did not write where a file lies, and what it did with the file.
    fn last_go(
        &self,
        own: Option<RunNo>,
        runs: &BTreeSet<RunNo>,
        artifact: ArtifactNo,
    ) -> Result<Option<(RunNo, Go)>> {
        let mut latest_first = Vec::with_capacity(runs.len());
        for run in runs {
            latest_first.push((self.began(*run)?, *run));
        }
        latest_first.sort_unstable_by_key(|(began, _)| Reverse(*began));
        for (_, run) in latest_first {
            if self.has_written(run, artifact)? {
                continue;
            }
            let readers = self.readers_in(run, artifact)?;
            let mut go = match own {
                _ if !readers.is_empty() => Go::Read,
                Some(own) if !self.wrote_beside([own, run], artifact)? => Go::WroteOthers,
                _ => Go::Passed,
            };
            for step in &readers {
                if self.has_compared(run, *step, artifact)? {
                    go = Go::Compared;
                }
            }
            return Ok(Some((run, go)));
        }
        Ok(None)
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
    fn wrote_beside(&self, runs: [RunNo; 2], artifact: ArtifactNo) -> Result<bool> {
        let known = self.folders.borrow().get(&runs).map(Rc::clone);
        let folders = match known {
            Some(known) => known,
            None => {
                let [one, other] = [self.written_by(runs[0])?, self.written_by(runs[1])?];
                let mut folders = HashSet::new();
                for path in one.intersection(&other) {
                    folders.insert(self.snapshot.path(*path)?.folder().to_vec());
                }
                let folders = Rc::new(folders);
                self.folders.borrow_mut().insert(runs, Rc::clone(&folders));
                folders
            }
        };
        Ok(folders.contains(self.snapshot.artifact_path(artifact)?.folder()))
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

    /// Tells whether a run wrote where a file lies.
    fn has_written(&self, run: RunNo, artifact: ArtifactNo) -> Result<bool> {
        let [from, until] = self.times_of(run)?;
        let path = self.snapshot.path_of(artifact);
        let mut has_written = false;
        let _earlier = self.snapshot.path_writes_until(path, until, |at, step, _| {
            if at < from {
                return Ok(ControlFlow::Break(()));
            }
            has_written |= self.snapshot.run_of(step)? == Some(run);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(has_written)
    }

    fn readers_in(&self, run: RunNo, artifact: ArtifactNo) -> Result<Vec<StepNo>> {
        let [from, until] = self.times_of(run)?;
        let mut readers = Vec::new();
        let _all = self.snapshot.reads_between(artifact, from, until, |_, step| {
            if self.snapshot.run_of(step)? == Some(run) {
                readers.push(step);
            }
            Ok(GO_ON)
        })?;
        Ok(readers)
    }

    fn times_of(&self, run: RunNo) -> Result<[i64; 2]> {
        let until = self.snapshot.outcomes(run)?.last().map_or(i64::MAX, |outcome| outcome.at.micros());
        Ok([self.began(run)?.map_or(i64::MIN, |(began, _)| began), until])
    }
}
