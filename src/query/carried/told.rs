//! What a step was only told of, by one of its run that read it and wrote on in it.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use crate::error::Result;
use crate::model::Evidence;
use crate::query::carried::WrittenOn;
use crate::query::origin::lost;
use crate::store::{ArtifactNo, Edges, Snapshot, StateReads, StepNo};

/// A step that may have told others.
struct Teller {
    /// What it read at which moment.
    read: HashSet<(ArtifactNo, i64)>,
    written_on: WrittenOn,
}

/// The steps of the run of one that was told of files.
struct Tellers<'a> {
    snapshot: &'a Snapshot,
    step: StepNo,
    edges: &'a Edges,
    /// Microseconds: when the run was over.
    ended_at: i64,
    /// Those that were looked at; nothing of those of other runs.
    known: HashMap<StepNo, Option<Teller>>,
}

/// Lists what a step was only told of and somebody of its run wrote on in, with the contents that tell what was read.
///
/// A launcher that keeps a book of its jobs tells each of them all that it has read. Who told what is not recorded; but what is told
/// has the moment at which the teller read it. Where a step wrote in the file itself, it says so itself.
pub(super) fn told(snapshot: &Snapshot, step: StepNo, edges: &Edges) -> Result<StateReads> {
    let mut found = StateReads::new();
    if edges.generated.is_empty() || edges.used.iter().all(|edge| edge.evidence != Evidence::Inferred) {
        return Ok(found);
    }
    let ended_at = snapshot.outcomes(edges.run)?.iter().map(|outcome| outcome.at.micros()).max();
    let ended_at = ended_at.unwrap_or(i64::MAX);
    let mut tellers = Tellers { snapshot, step, edges, ended_at, known: HashMap::new() };
    let own: HashSet<u32> = edges.generated.iter().map(|edge| edge.artifact.path()).collect();
    for edge in edges.used.iter().filter(|edge| edge.evidence == Evidence::Inferred) {
        if own.contains(&edge.artifact.path()) {
            continue;
        }
        let mut contents = Vec::new();
        let mut is_written_on = false;
        for teller in tellers.writers(edge.artifact, edge.at)? {
            if let Some(Some(Teller { read, written_on })) = tellers.known.get(&teller)
                && read.contains(&(edge.artifact, edge.at))
                && written_on.is_state(edge.artifact, edge.at)
            {
                is_written_on = true;
                contents.extend_from_slice(written_on.contents(edge.artifact, edge.at));
            }
        }
        if is_written_on {
            found.insert((edge.artifact, edge.at), contents);
        }
    }
    Ok(found)
}

impl Tellers<'_> {
    /// Finds the other steps of the run that wrote where a file lies since a moment.
    fn writers(&mut self, artifact: ArtifactNo, since: i64) -> Result<HashSet<StepNo>> {
        let snapshot = self.snapshot;
        let mut writers = HashSet::new();
        let path = snapshot.path_of(artifact);
        let _until = snapshot.path_writes_until(path, self.ended_at, |at, writer, _| {
            if at < since {
                return Ok(ControlFlow::Break(()));
            }
            writers.insert(writer);
            Ok(ControlFlow::Continue(()))
        })?;
        writers.remove(&self.step);
        for writer in &writers {
            if !self.known.contains_key(writer) {
                let known = self.look_at(*writer)?;
                self.known.insert(*writer, known);
            }
        }
        Ok(writers)
    }

    fn look_at(&self, step: StepNo) -> Result<Option<Teller>> {
        if self.snapshot.run_of(step)? != Some(self.edges.run) {
            return Ok(None);
        }
        let edges = self.snapshot.edges(step)?.ok_or_else(|| lost(step))?;
        let read = edges.used.iter().map(|edge| (edge.artifact, edge.at)).collect();
        Ok(Some(Teller { read, written_on: WrittenOn::itself(self.snapshot, step, &edges)? }))
    }
}
