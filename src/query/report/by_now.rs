//! What a run has done whose end is not recorded, as people ask for it.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{CameFrom, Names, RunHead, TraceFile, TraceRun, TraceRunStep, name_models};
use crate::error::Result;
use crate::model::{Artifact, ArtifactPath, Generated, Role, Step, Timestamp, Used};
use crate::query::origin::{last_write_at_path, origin};
use crate::store::Snapshot;

/// Puts names to what a run has done whose end is not recorded: `steps` are made of what was seen so far.
///
/// # Errors
/// A store error where a record is damaged.
pub fn report_by_now(snapshot: &Snapshot, head: RunHead, steps: Vec<Step>) -> Result<TraceRun> {
    let mut names = Names { snapshot, runs: HashMap::new() };
    let own: HashSet<Artifact> =
        steps.iter().flat_map(|step| &step.generated).map(|edge| edge.artifact.clone()).collect();
    let mut named = Vec::with_capacity(steps.len());
    for mut step in steps {
        let (all_used, all_generated) = (std::mem::take(&mut step.used), std::mem::take(&mut step.generated));
        let mut used = Vec::with_capacity(all_used.len());
        for edge in all_used.into_iter().filter(|edge| edge.role != Role::Environment) {
            let from = match own.contains(&edge.artifact) {
                true => Some(CameFrom::Run(head.view.run.id)),
                false => names.came_from_by_now(&edge)?,
            };
            let Used { artifact, at, evidence, role } = edge;
            used.push(TraceFile { artifact, at, evidence, role, from, models: Vec::new() });
        }
        let generated = all_generated.into_iter().map(|edge| {
            let Generated { artifact, at, evidence, role } = edge;
            TraceFile { artifact, at, evidence, role, from: None, models: Vec::new() }
        });
        named.push(TraceRunStep { step, depth: 0, used, generated: generated.collect() });
    }
    let mut run = TraceRun { head, steps: named };
    name_models(snapshot, std::slice::from_mut(&mut run))?;
    Ok(run)
}

/// When steps did something with the file at a path: the moment, and the step.
type Times<'a> = HashMap<&'a ArtifactPath, Vec<(Timestamp, usize)>>;

fn times<'a>(steps: &'a [TraceRunStep], files: impl Fn(&'a TraceRunStep) -> &'a [TraceFile]) -> Times<'a> {
    let mut times = Times::new();
    for (at, step) in steps.iter().enumerate() {
        for file in files(step) {
            times.entry(&file.artifact.path).or_default().push((file.at, at));
        }
    }
    times.values_mut().for_each(|times| times.sort());
    times
}

impl TraceRun {
    /// Returns true where one of the steps has read or written a file.
    pub fn has(&self, path: &ArtifactPath) -> bool {
        let files = self.steps.iter().flat_map(|step| step.used.iter().chain(&step.generated));
        files.into_iter().any(|file| file.artifact.path == *path)
    }

    /// Returns what of the run went into what lies at `path` now, or into what was read there last: each step with what it had read
    /// when it wrote what is on the way.
    pub fn way_to(&self, path: &ArtifactPath) -> TraceRun {
        let writes = times(&self.steps, |step| &step.generated);
        let mut moments: BTreeMap<usize, Timestamp> = BTreeMap::new();
        let (mut asked, mut left) = (HashSet::new(), vec![(path, None)]);
        while let Some((path, until)) = left.pop() {
            let Some(writes) = writes.get(path) else { continue };
            let count = until.map_or(writes.len(), |until| writes.partition_point(|(at, _)| *at <= until));
            let Some((last, _)) = writes[..count].last() else { continue };
            if !asked.insert((path, *last)) {
                continue;
            }
            for (_, step) in writes[..count].iter().rev().take_while(|(at, _)| at == last) {
                let before = moments.get(step).copied();
                if before.is_some_and(|before| before >= *last) {
                    continue;
                }
                moments.insert(*step, *last);
                // What it had read by an earlier moment is on the way already.
                let read =
                    self.steps[*step].used.iter().filter(|file| file.at <= *last && Some(file.at) > before);
                left.extend(read.map(|file| (&file.artifact.path, Some(file.at))));
            }
        }
        self.with_steps(moments, |step, moment| {
            step.used.retain(|file| file.at <= moment);
            step.generated.retain(|file| file.at <= moment);
        })
    }

    /// Returns what of the run came of what lies at `path`: each step with what it wrote after it had read what is on the way.
    pub fn way_from(&self, path: &ArtifactPath) -> TraceRun {
        let writes = times(&self.steps, |step| &step.generated);
        let reads = times(&self.steps, |step| &step.used);
        let mut moments: BTreeMap<usize, Timestamp> = BTreeMap::new();
        let last = writes.get(path).and_then(|writes| writes.last()).map(|(at, _)| *at);
        let (mut asked, mut left) = (HashSet::new(), vec![(path, last)]);
        while let Some((path, since)) = left.pop() {
            let Some(reads) = reads.get(path).filter(|_| asked.insert((path, since))) else { continue };
            // What was written there later is another version.
            let later = writes.get(path).and_then(|writes| {
                let later = writes.partition_point(|(at, _)| since.is_some_and(|since| *at <= since));
                writes.get(later).filter(|_| since.is_some()).map(|(at, _)| *at)
            });
            let first = reads.partition_point(|(at, _)| since.is_some_and(|since| *at < since));
            for (at, step) in
                reads[first..].iter().take_while(|(at, _)| later.is_none_or(|later| *at < later))
            {
                let before = moments.get(step).copied();
                if before.is_some_and(|before| before <= *at) {
                    continue;
                }
                moments.insert(*step, *at);
                let came = self.steps[*step].generated.iter();
                let came = came.filter(|file| file.at >= *at && before.is_none_or(|before| file.at < before));
                left.extend(came.map(|file| (&file.artifact.path, Some(file.at))));
            }
        }
        self.with_steps(moments, |step, moment| step.generated.retain(|file| file.at >= moment))
    }

    /// Returns the run with some of its steps, cut to what counts by a moment of each.
    fn with_steps(
        &self,
        moments: BTreeMap<usize, Timestamp>,
        cut: impl Fn(&mut TraceRunStep, Timestamp),
    ) -> TraceRun {
        let steps = moments.into_iter().map(|(at, moment)| {
            let mut step = self.steps[at].clone();
            cut(&mut step, moment);
            step
        });
        TraceRun { head: self.head.clone(), steps: steps.collect() }
    }
}

impl Names<'_> {
    /// Tells where a file came from that a run read whose end is not recorded; `None` where its content is not known.
    fn came_from_by_now(&mut self, used: &Used) -> Result<Option<CameFrom>> {
        let Some(digest) = used.artifact.known_digest() else { return Ok(None) };
        let Some(path) = self.snapshot.path_no(&used.artifact.path)? else {
            return Ok(Some(CameFrom::Source));
        };
        match self.snapshot.artifact_no(path, &digest)? {
            Some(artifact) => {
                let origin = origin(self.snapshot, artifact, used.at.micros(), None)?;
                self.came_from(origin)
            }
            None => Ok(Some(match last_write_at_path(self.snapshot, path, used.at.micros(), None)? {
                Some(_) => CameFrom::Gap,
                None => CameFrom::Source,
            })),
        }
    }
}
