//! The recorded runs that made what two runs read differently: where a difference began before them.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::model::{Artifact, NodeId};
use crate::query::diff::{Cause, RunDiff};
use crate::query::history::unique_tail;
use crate::query::origin::{Origin, origin};
use crate::store::Snapshot;

/// Two runs that made versions of the same files, which the compared runs read and which differ.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Upstream {
    /// The run that made what the first run read.
    pub a: NodeId,
    /// The run that made what the second run read.
    pub b: NodeId,
    /// The shortest tails of their keys that name them alone.
    pub tails: [String; 2],
    /// How many such files there are among the causes.
    pub files: u64,
    /// One of them, as the second run read it.
    pub example: Artifact,
}

/// Finds the runs that made the versions of each file that is a cause, where these are two.
pub(super) fn upstream(snapshot: &Snapshot, found: &RunDiff) -> Result<Vec<Upstream>> {
    let causes = found.explanations.iter().flat_map(|explanation| &explanation.causes);
    let mut inputs: BTreeSet<[&Artifact; 2]> = BTreeSet::new();
    for cause in causes {
        if let Cause::Input { a: Some(a), b: Some(b), .. } = cause
            && a.has_content()
            && b.has_content()
        {
            inputs.insert([a, b]);
        }
    }
    let starts = [&found.a, &found.b].map(|head| head.view.run.started_at.micros());
    let mut runs: BTreeMap<[NodeId; 2], (u64, Artifact)> = BTreeMap::new();
    for [a, b] in inputs {
        let maker_a = maker(snapshot, a, starts[0])?;
        let (Some(maker_a), Some(maker_b)) = (maker_a, maker(snapshot, b, starts[1])?) else { continue };
        if maker_a != maker_b {
            runs.entry([maker_a, maker_b]).or_insert_with(|| (0, b.clone())).0 += 1;
        }
    }
    let mut pairs = Vec::with_capacity(runs.len());
    for ([a, b], (files, example)) in runs {
        let tails = [unique_tail(snapshot, a)?, unique_tail(snapshot, b)?];
        pairs.push(Upstream { a, b, tails, files, example });
    }
    pairs.sort_by(|x, y| y.files.cmp(&x.files).then_with(|| x.example.cmp(&y.example)));
    Ok(pairs)
}

/// Returns the run that last made a version before a run began.
fn maker(snapshot: &Snapshot, artifact: &Artifact, before: i64) -> Result<Option<NodeId>> {
    let Some(number) = snapshot.version_no(&artifact.path, &artifact.digest)? else { return Ok(None) };
    let Origin::Written(last) = origin(snapshot, number, before, None)? else { return Ok(None) };
    let run = snapshot.run_of(last.step)?;
    Ok(run.map_or(Ok(None), |run| snapshot.run(run))?.map(|run| run.id))
}
