//! What `lineage show` says of commands at work: what they have read and written so far.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::{Direction, Showing};
use crate::error::Result;
use crate::model::{Artifact, ArtifactPath, Digest, NodeId, RunKind, Timestamp};
use crate::ops::locate::named_place;
use crate::ops::run::{AtWork, SoFar, at_work};
use crate::query::{CameFrom, Folded, RunHead, TraceFile, TraceRun, TraceRunStep};

/// What a command at work has to do with a file.
#[derive(Debug, Clone)]
pub struct WaySoFar {
    /// Until when that is known.
    pub until: Timestamp,
    /// The run, and what of it is on the way.
    pub run: TraceRun,
    /// What lies behind files that its steps read and wrote on, where that was not asked for.
    pub folded: Option<Folded>,
    /// Where it has taken the file away since: when, and the name of the step that did.
    pub removed: Option<(Timestamp, String)>,
}

/// A file of which nothing is recorded yet, and which a command at work has read or written.
#[derive(Debug, Clone)]
pub struct AtWorkReport {
    /// Where it lies.
    pub path: ArtifactPath,
    /// Which way was gone: down where nobody has written it.
    pub direction: Direction,
    /// Who has read or written it, the latest first.
    pub so_far: Vec<WaySoFar>,
}

/// What a command at work has written.
struct Written {
    at: Timestamp,
    digest: Option<Digest>,
    run: NodeId,
}

/// So many files at the most are looked for by name in what is written down of a command.
const NAMES_MAX: usize = 16;

/// Returns true for what was read and nobody recorded wrote.
fn is_unwritten(file: &TraceFile) -> bool {
    matches!(file.from, None | Some(CameFrom::Gap | CameFrom::Source | CameFrom::Alike(..)))
}

impl<'a> Showing<'a> {
    /// Finds who has had to do with a file of which nothing is recorded; `None` where nobody has.
    pub(super) fn unrecorded(&self, folder: &Path) -> Result<Option<AtWorkReport>> {
        let place = named_place(self.workspace, self.snapshot, folder, &self.request.word);
        let Some(path) =
            place.ok().and_then(|place| ArtifactPath::within(self.workspace.root(), &place).ok())
        else {
            return Ok(None);
        };
        let found = self.so_far_with(&path)?;
        let up = match self.request.direction {
            Direction::Up => self.ways(&found, &path, Direction::Up)?,
            Direction::Down => Vec::new(),
        };
        let (direction, so_far) = match up.is_empty() {
            true => (Direction::Down, self.ways(&found, &path, Direction::Down)?),
            false => (Direction::Up, up),
        };
        Ok((!so_far.is_empty()).then_some(AtWorkReport { path, direction, so_far }))
    }

    /// Finds what commands at work have made of a file so far, or made of it.
    pub(super) fn so_far_of_file(&self, path: &ArtifactPath, direction: Direction) -> Result<Vec<WaySoFar>> {
        self.ways(&self.so_far_with(path)?, path, direction)
    }

    /// Returns what a run has done so far, if it is a command at work.
    pub(super) fn so_far_of_run(&self, head: &RunHead) -> Result<Option<SoFar>> {
        if !head.alive || head.view.run.kind != RunKind::Command {
            return Ok(None);
        }
        let id = head.view.run.id;
        for command in self.commands_at_work()? {
            if !command.has_run(&head.view.run)? {
                continue;
            }
            let found = command.so_far()?.iter().find(|so_far| so_far.by_now.run.head.view.run.id == id);
            if found.is_some() {
                return Ok(found.cloned());
            }
        }
        Ok(None)
    }

    /// Returns what the commands at work have done so far that have read or written a file.
    fn so_far_with(&self, path: &ArtifactPath) -> Result<Vec<&SoFar>> {
        let mut found = Vec::new();
        for command in self.commands_at_work()?.iter().filter(|command| command.may_have(path)) {
            found.extend(command.so_far()?.iter().filter(|so_far| so_far.by_now.has(path)));
        }
        Ok(found)
    }

    /// Says of what was read, and nobody recorded wrote, which command at work had written it by then; returns these files.
    pub(super) fn name_commands_at_work(&self, runs: &mut [TraceRun]) -> Result<HashSet<Artifact>> {
        let read = || runs.iter().flat_map(|run| &run.steps).flat_map(|step| &step.used);
        let unwritten: Vec<&TraceFile> = read().filter(|file| is_unwritten(file)).collect();
        let paths: HashSet<&ArtifactPath> = unwritten.iter().map(|file| &file.artifact.path).collect();
        let mut written: HashMap<ArtifactPath, Vec<Written>> = HashMap::new();
        for command in self.commands_at_work()? {
            let mut later = unwritten.iter().filter(|file| file.at >= command.started_at());
            let may_have = match later.clone().count() {
                count if count > NAMES_MAX => true,
                _ => later.any(|file| command.may_have(&file.artifact.path)),
            };
            for SoFar { by_now, .. } in if may_have { command.so_far()? } else { &[] } {
                let files = by_now.run.steps.iter().flat_map(|step| &step.generated);
                for TraceFile { artifact, at, .. } in files.filter(|file| paths.contains(&file.artifact.path))
                {
                    let write = Written {
                        at: *at,
                        digest: artifact.known_digest(),
                        run: by_now.run.head.view.run.id,
                    };
                    written.entry(artifact.path.clone()).or_default().push(write);
                }
            }
        }
        let mut named = HashSet::new();
        for run in runs.iter_mut().filter(|_| !written.is_empty()) {
            let reader = run.head.view.run.id;
            let used = run.steps.iter_mut().flat_map(|step| &mut step.used);
            for file in used.filter(|file| is_unwritten(file)) {
                let writes = written.get(&file.artifact.path).into_iter().flatten();
                let is_it = |write: &&Written| {
                    let may_be = write
                        .digest
                        .zip(file.artifact.known_digest())
                        .is_none_or(|(one, other)| one == other);
                    write.at <= file.at && write.run != reader && may_be
                };
                // What a run inside of another one wrote is that one's, which began later.
                if let Some(last) = writes.filter(is_it).max_by_key(|write| (write.at, write.run)) {
                    file.from = Some(CameFrom::SoFar(last.run));
                    named.insert(file.artifact.clone());
                }
            }
        }
        let left = runs.iter().flat_map(|run| &run.steps).flat_map(|step| &step.used);
        for file in left.filter(|file| is_unwritten(file)) {
            named.remove(&file.artifact);
        }
        Ok(named)
    }

    fn commands_at_work(&self) -> Result<&[AtWork<'a>]> {
        if let Some(known) = self.at_work.get() {
            return Ok(known);
        }
        let found = at_work(self.workspace, self.snapshot)?;
        Ok(self.at_work.get_or_init(|| found))
    }

    /// Returns what of each went into a file, or came of it, where there is anything. What a run inside of another one did is told of
    /// that alone.
    fn ways(&self, found: &[&SoFar], path: &ArtifactPath, direction: Direction) -> Result<Vec<WaySoFar>> {
        let mut told = HashSet::new();
        let mut ways = Vec::new();
        for SoFar { until, by_now, .. } in found {
            let (mut run, folded) = by_now.way(path, direction, self.request.carried);
            // A process of the inner one, which began later, is one of the outer, too.
            let key = |step: &TraceRunStep| (step.step.started_at, step.step.name.clone());
            run.steps.retain(|step| !told.contains(&key(step)));
            told.extend(run.steps.iter().map(key));
            if run.steps.is_empty() {
                continue;
            }
            let removed = by_now.removed().get(path).map(|(at, step)| (*at, step.name.clone()));
            self.name_commands_at_work(std::slice::from_mut(&mut run))?;
            ways.push(WaySoFar { until: *until, run, folded, removed });
        }
        Ok(ways)
    }
}
