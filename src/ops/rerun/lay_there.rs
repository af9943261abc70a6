//! What lay in the workspace as a run began, as far as runs before it saw it, and since when: programs such as `make` do not read what
//! is newer than its sources, they leave it as it is.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Original;
use crate::disk::open_regular;
use crate::error::Result;
use crate::model::{Artifact, ArtifactPath, Role, RunKind, Timestamp};
use crate::store::{ArtifactNo, Edges, PathNo, RunNo, Snapshot};

/// As many runs before it are asked, and as many after it.
const RUNS_MAX: usize = 1_000;

/// What lay there as a run began.
#[derive(Debug, Default)]
pub(super) struct LayThere {
    /// The last version that was seen at each path in the workspace, unless it was code, which is as git has it, or was taken away, or the
    /// run itself read, wrote or removed something there.
    pub files: BTreeMap<ArtifactPath, Artifact>,
    /// Where runs after it saw something, too. Elsewhere somebody may have taken it away before, by hand.
    pub seen_later: HashSet<ArtifactPath>,
    /// Since when these, and what the run read, had lain there at the latest.
    pub since: HashMap<Artifact, Timestamp>,
    /// Some of it was written by a run: then it matters what is older.
    pub is_any_written: bool,
}

impl LayThere {
    /// Reads what the runs before `number` recorded.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn as_began(snapshot: &Snapshot, number: RunNo, original: &Original) -> Result<Self> {
        let began = original.began().micros();
        if original.run().kind != RunKind::Command {
            return Ok(LayThere::default());
        }
        let mut seen = Seen::default();
        let [mut asked, mut asked_later] = [0, 0];
        let mut is_before = false;
        let _: ControlFlow<()> = snapshot.runs_newest_first(|run| {
            if !is_before {
                is_before = run == number;
                asked_later += 1;
                if !is_before && asked_later <= RUNS_MAX {
                    seen.add_later(snapshot, run)?;
                }
                return Ok(ControlFlow::Continue(()));
            }
            asked += 1;
            seen.add(snapshot, run, began)?;
            Ok(if asked < RUNS_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        seen.of_run_itself(snapshot, number, began)?;
        let mut found = LayThere::default();
        let mut own = HashSet::new();
        for step in &original.steps {
            let used = step.used.iter().map(|edge| &edge.artifact);
            for artifact in used {
                own.insert(&artifact.path);
                let known = snapshot.version_no(&artifact.path, &artifact.digest)?;
                if let Some((at, is_written)) = known.and_then(|known| seen.since(known)) {
                    found.since.insert(artifact.clone(), at);
                    found.is_any_written |= is_written;
                }
            }
            own.extend(step.generated.iter().map(|edge| &edge.artifact.path));
            own.extend(step.removed.iter().map(|removed| &removed.path));
        }
        for (_, version) in seen.last.values() {
            let Some(version) = *version else { continue };
            let artifact = snapshot.artifact(version)?;
            if !artifact.path.is_inside() || own.contains(&artifact.path) {
                continue;
            }
            if let Some((at, is_written)) = seen.since(version) {
                found.since.insert(artifact.clone(), at);
                found.is_any_written |= is_written;
            }
            if seen.later.contains(&snapshot.path_of(version)) {
                found.seen_later.insert(artifact.path.clone());
            }
            found.files.insert(artifact.path.clone(), artifact);
        }
        Ok(found)
    }

    /// Gives each of `placed` the time since when it had lain there, and all else below `root` an older one: what no run has seen is the
    /// source of nothing that they made.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn set_times(&self, root: &Path, placed: &HashMap<PathBuf, &Artifact>) -> io::Result<()> {
        let times = placed.iter().filter_map(|(place, artifact)| Some((place, *self.since.get(*artifact)?)));
        let times: HashMap<&PathBuf, Timestamp> = times.collect();
        let Some(oldest) = times.values().min().map(|at| system_time(*at) - Duration::from_secs(1)) else {
            return Ok(());
        };
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let (entry, place) = entry.map(|entry| (entry.file_type(), entry.path()))?;
                let sort = entry?;
                if sort.is_dir() && place.file_name().is_none_or(|name| name != ".git") {
                    folders.push(place);
                } else if sort.is_file() {
                    let at = times.get(&place).map_or(oldest, |at| system_time(*at));
                    // What cannot be read is no source of the command's either.
                    let _ = open_regular(&place).and_then(|file| file.set_modified(at));
                }
            }
        }
        Ok(())
    }
}

fn system_time(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(at.micros()).unwrap_or(0))
}

fn edges_of(snapshot: &Snapshot, run: RunNo) -> Result<impl Iterator<Item = Edges>> {
    let mut steps = snapshot.steps_of(run)?;
    steps.sort_unstable();
    Ok(snapshot.edges_of(&steps)?.into_iter().flatten())
}

/// What runs saw until one began.
#[derive(Default)]
struct Seen {
    /// The last version at each path, and when it was seen; none where it was taken away.
    last: HashMap<PathNo, (i64, Option<ArtifactNo>)>,
    /// When each version was last written.
    written: HashMap<ArtifactNo, i64>,
    /// When each version was first read.
    read: HashMap<ArtifactNo, i64>,
    /// Where something was seen after it.
    later: HashSet<PathNo>,
}

impl Seen {
    /// Adds what one run did before `began`.
    fn add(&mut self, snapshot: &Snapshot, run: RunNo, began: i64) -> Result<()> {
        // A repetition read in a copy of the workspace, as it was at another time.
        if snapshot.run(run)?.is_none_or(|run| run.rerun_of.is_some()) {
            return Ok(());
        }
        for edges in edges_of(snapshot, run)? {
            let used = edges.used.iter().filter(|edge| edge.at < began && edge.role != Role::Environment);
            for edge in used {
                let first = self.read.entry(edge.artifact).or_insert(edge.at);
                *first = (*first).min(edge.at);
                let version = (!edge.role.is_code() && !edge.role.is_as_committed()).then_some(edge.artifact);
                self.see(snapshot.path_of(edge.artifact), edge.at, version);
            }
            for edge in edges.generated.iter().filter(|edge| edge.at < began) {
                let last = self.written.entry(edge.artifact).or_insert(edge.at);
                *last = (*last).max(edge.at);
                self.see(snapshot.path_of(edge.artifact), edge.at, Some(edge.artifact));
            }
            for removed in edges.removed.iter().filter(|removed| removed.at < began) {
                self.see(removed.path, removed.at, None);
            }
        }
        Ok(())
    }

    /// Adds where a run after it saw something.
    fn add_later(&mut self, snapshot: &Snapshot, run: RunNo) -> Result<()> {
        if snapshot.run(run)?.is_none_or(|run| run.rerun_of.is_some()) {
            return Ok(());
        }
        for edges in edges_of(snapshot, run)? {
            let seen = edges.used.iter().chain(&edges.generated).map(|edge| snapshot.path_of(edge.artifact));
            self.later.extend(seen.chain(edges.removed.iter().map(|removed| removed.path)));
        }
        Ok(())
    }

    /// Adds when the run itself first read what nobody had read before.
    fn of_run_itself(&mut self, snapshot: &Snapshot, run: RunNo, began: i64) -> Result<()> {
        for edges in edges_of(snapshot, run)? {
            for edge in edges.used {
                let first = self.read.entry(edge.artifact).or_insert(edge.at.max(began));
                *first = (*first).min(edge.at.max(began));
            }
        }
        Ok(())
    }

    fn see(&mut self, path: PathNo, at: i64, version: Option<ArtifactNo>) {
        let last = self.last.entry(path).or_insert((at, version));
        if last.0 <= at {
            *last = (at, version);
        }
    }

    /// Returns since when a version had lain there, and whether a run had written it.
    fn since(&self, version: ArtifactNo) -> Option<(Timestamp, bool)> {
        let written = self.written.get(&version).map(|at| (*at, true));
        let (at, is_written) = written.or_else(|| self.read.get(&version).map(|at| (*at, false)))?;
        Some((Timestamp::from_micros(at), is_written))
    }
}
