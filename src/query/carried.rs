//! What a step read and wrote on: its state.
//!
//! A training opens the database of all trainings to add its own row, a script reads its table of results and writes it anew, a
//! resumed training goes on from its checkpoint. **Definition.** A step wrote on in a version of a file that it read where a step is
//! recorded to have made that version, and it wrote other bytes at that path when it first read there, or later. Who saves a file again
//! as it was wrote nothing on; and through a source, or bytes that nobody recorded, nothing can have been carried.
//!
//! What the file had been made from went into what the step wrote there, and into whatever it wrote with the bytes of that, or with
//! those that it had read: a training that saves its checkpoint under two names. Whether it went into its other files as well, nobody
//! saw: a model owes nothing to the database that it is noted in, and all to the checkpoint that it goes on from, and both look the
//! same. So the way from what was read there to what was written elsewhere is [`Evidence::Carried`], whatever it was before; it is the
//! least sure of all, and counts where no more is wanted than what may be.
//!
//! A step whose files go back to one other each says so itself.
//!
//! [`Evidence::Carried`]: crate::model::Evidence::Carried

use std::collections::{HashMap, HashSet};

use crate::error::Result;
use crate::query::origin::{Origin, is_telling, origin};
use crate::store::{ArtifactNo, Edge, Edges, Snapshot, StepNo};

/// The reads of files that a step wrote on.
#[derive(Debug, Default)]
pub(crate) struct WrittenOn {
    /// With the contents, by number, that tell what was read: its own, and those that were written there since.
    reads: HashMap<(ArtifactNo, i64), Vec<u32>>,
}

impl WrittenOn {
    pub(crate) fn of(snapshot: &Snapshot, step: StepNo, edges: &Edges) -> Result<Self> {
        let mut reads = HashMap::new();
        if edges.act.is_one_to_one() || edges.used.is_empty() {
            return Ok(WrittenOn { reads });
        }
        let read: HashSet<u32> = edges.used.iter().map(|edge| edge.artifact.path()).collect();
        let mut written: HashMap<u32, Vec<&Edge>> = HashMap::new();
        for edge in edges.generated.iter().filter(|edge| read.contains(&edge.artifact.path())) {
            written.entry(edge.artifact.path()).or_default().push(edge);
        }
        for edge in &edges.used {
            let there = written.get(&edge.artifact.path()).into_iter().flatten();
            let versions: Vec<ArtifactNo> =
                there.filter(|later| later.at >= edge.at).map(|later| later.artifact).collect();
            let mut differs = versions.iter().any(|version| *version != edge.artifact);
            if !differs && !versions.is_empty() {
                // Of bytes that nobody knows it is not known that they are the same.
                differs = !snapshot.artifact(edge.artifact)?.has_content();
            }
            if !differs
                || matches!(
                    origin(snapshot, edge.artifact, edge.at, Some(step))?,
                    Origin::Source | Origin::Alike(_) | Origin::Gap(_)
                )
            {
                continue;
            }
            let mut contents = Vec::new();
            for version in versions.into_iter().chain([edge.artifact]) {
                // Of few bytes it says nothing that they are equal.
                let known = snapshot.artifact(version)?;
                if known.has_content() && is_telling(known.size_bytes) {
                    contents.push(version.content_no());
                }
            }
            reads.insert((edge.artifact, edge.at), contents);
        }
        Ok(WrittenOn { reads })
    }

    /// Returns true where the step wrote on in what it first read at some moment.
    pub(crate) fn is_state(&self, artifact: ArtifactNo, read_at: i64) -> bool {
        self.reads.contains_key(&(artifact, read_at))
    }

    /// Lists the contents that tell what was read and written on: who wrote one of them anywhere has it from there.
    pub(crate) fn contents(&self, artifact: ArtifactNo, read_at: i64) -> &[u32] {
        self.reads.get(&(artifact, read_at)).map_or(&[], Vec::as_slice)
    }

    /// Returns true where what was read went into what the step wrote later: all but that of which nobody saw it.
    pub(crate) fn leads_to(&self, artifact: ArtifactNo, read_at: i64, written: ArtifactNo) -> bool {
        let Some(contents) = self.reads.get(&(artifact, read_at)) else { return true };
        artifact.path() == written.path() || contents.contains(&written.content_no())
    }
}
