//! What a run has done whose end is not recorded, as people ask for it.

#[cfg(test)]
mod tests;
mod way;

use std::collections::{BTreeMap, HashMap};

use super::{CameFrom, Names, RunHead, TraceFile, TraceRun, TraceRunStep, name_models};
use crate::error::Result;
use crate::model::{Artifact, ArtifactPath, Digest, Generated, Role, Step, Timestamp, Used};
use crate::query::carried::written_on;
use crate::query::origin::{Origin, last_write_at_path, origin};
use crate::store::Snapshot;

/// What a run has done whose end is not recorded.
#[derive(Debug, Clone)]
pub struct ByNow {
    /// The run, with all its steps so far, in the order in which they began.
    pub run: TraceRun,
    /// Of what each step read, by its place, the contents that tell it, where the step wrote on in it.
    states: Vec<HashMap<usize, Vec<Digest>>>,
}

/// Puts names to what a run has done whose end is not recorded: `steps` are made of what was seen so far.
///
/// # Errors
/// A store error where a record is damaged.
pub fn report_by_now(snapshot: &Snapshot, head: RunHead, steps: Vec<Step>) -> Result<ByNow> {
    let mut names = Names { snapshot, runs: HashMap::new() };
    let own = OwnWrites::of(&steps);
    let mut named = Vec::with_capacity(steps.len());
    let mut states = Vec::with_capacity(steps.len());
    for (number, mut step) in steps.into_iter().enumerate() {
        let (all_used, all_generated) = (std::mem::take(&mut step.used), std::mem::take(&mut step.generated));
        let mut used = Vec::with_capacity(all_used.len());
        for edge in all_used.into_iter().filter(|edge| edge.role != Role::Environment) {
            let from = match own.has(&edge.artifact, edge.at, number) {
                true => Some(CameFrom::Run(head.view.run.id)),
                false => names.came_from_by_now(&edge)?,
            };
            let Used { artifact, at, evidence, role } = edge;
            used.push(TraceFile {
                artifact,
                at,
                evidence,
                role,
                from,
                models: Vec::new(),
                link_names: Vec::new(),
                removed_by: None,
            });
        }
        let wrote = !all_generated.is_empty();
        let generated = all_generated.into_iter().map(|edge| {
            let Generated { artifact, at, evidence, role } = edge;
            TraceFile {
                artifact,
                at,
                evidence,
                role,
                from: None,
                models: Vec::new(),
                link_names: Vec::new(),
                removed_by: None,
            }
        });
        let step = TraceRunStep { step, depth: 0, used, generated: generated.collect(), wrote };
        let is_made = |(artifact, at): (&Artifact, i64)| {
            let at = Timestamp::from_micros(at);
            Ok(own.has(artifact, at, number) || origin_by_now(snapshot, artifact, at)?.is_made())
        };
        states.push(states_of(&step, is_made)?);
        named.push(step);
    }
    let mut run = TraceRun { head, steps: named };
    name_models(snapshot, std::slice::from_mut(&mut run))?;
    Ok(ByNow { run, states })
}

/// Finds what a step wrote on of what it read; `is_made` says whether a step made that.
fn states_of(
    step: &TraceRunStep,
    is_made: impl Fn((&Artifact, i64)) -> Result<bool>,
) -> Result<HashMap<usize, Vec<Digest>>> {
    if step.step.act.is_one_to_one() {
        return Ok(HashMap::new());
    }
    let used = step.used.iter().map(|file| (&file.artifact, file.at.micros()));
    let generated = step.generated.iter().map(|file| (&file.artifact, file.at.micros()));
    let size_of = |artifact: &Artifact| Ok(artifact.known_size());
    let mut reads = written_on(used.clone(), generated, size_of, is_made)?;
    Ok(used.enumerate().filter_map(|(place, read)| Some((place, reads.remove(&read)?))).collect())
}

/// What the steps of a run wrote, by version: when, and which step.
struct OwnWrites(HashMap<Artifact, Vec<(Timestamp, usize)>>);

impl OwnWrites {
    fn of(steps: &[Step]) -> Self {
        let mut writes: HashMap<Artifact, Vec<(Timestamp, usize)>> = HashMap::new();
        for (number, step) in steps.iter().enumerate() {
            for edge in &step.generated {
                writes.entry(edge.artifact.clone()).or_default().push((edge.at, number));
            }
        }
        OwnWrites(writes)
    }

    /// Returns true where another step than the reader had written what was read.
    fn has(&self, artifact: &Artifact, read_at: Timestamp, reader: usize) -> bool {
        let writes = self.0.get(artifact).into_iter().flatten();
        writes.into_iter().any(|(at, step)| *step != reader && *at <= read_at)
    }
}

impl ByNow {
    /// Returns true where one of the steps has read or written a file.
    pub fn has(&self, path: &ArtifactPath) -> bool {
        let files = self.run.steps.iter().flat_map(|step| step.used.iter().chain(&step.generated));
        files.into_iter().any(|file| file.artifact.path == *path)
    }

    /// Returns what one of the steps took away, and nobody has put there again: when, and which step.
    pub fn removed(&self) -> BTreeMap<&ArtifactPath, (Timestamp, &Step)> {
        let mut removed: BTreeMap<&ArtifactPath, (Timestamp, &Step)> = BTreeMap::new();
        for TraceRunStep { step, .. } in &self.run.steps {
            for gone in &step.removed {
                let last = removed.entry(&gone.path).or_insert((gone.at, step));
                if gone.at > last.0 {
                    *last = (gone.at, step);
                }
            }
        }
        removed
    }
}

impl Names<'_> {
    /// Tells where a file came from that a run read whose end is not recorded; `None` where its content is not known.
    fn came_from_by_now(&mut self, used: &Used) -> Result<Option<CameFrom>> {
        if !used.artifact.has_content() {
            return Ok(None);
        }
        self.came_from(origin_by_now(self.snapshot, &used.artifact, used.at)?)
    }
}

/// Finds where a file came from that a run read whose end is not recorded, as far as other runs are recorded.
fn origin_by_now(snapshot: &Snapshot, artifact: &Artifact, read_at: Timestamp) -> Result<Origin> {
    let Some(path) = snapshot.path_no(&artifact.path)? else { return Ok(Origin::Source) };
    let digest = artifact.known_digest();
    let number = digest.map_or(Ok(None), |digest| snapshot.artifact_no(path, &digest))?;
    if let Some(number) = number {
        return origin(snapshot, number, read_at.micros(), None);
    }
    Ok(match last_write_at_path(snapshot, path, read_at.micros(), None)? {
        None => Origin::Source,
        Some(write) if digest.is_some() && snapshot.artifact(write.artifact)?.has_content() => {
            Origin::Gap(write)
        }
        Some(write) => Origin::Unknown(write),
    })
}
