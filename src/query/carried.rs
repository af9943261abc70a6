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
//! A launcher that keeps a book of its jobs tells them of it, and has told them nothing of it perhaps: what a step was only told of is
//! carried as well, where one of its run read it at that moment and wrote on in it, and the step itself wrote nothing there.
//!
//! A step whose files go back to one other each says so itself. What a run is as a whole, [`Whole`] says.
//!
//! [`Evidence::Carried`]: crate::model::Evidence::Carried

mod places;
mod told;
mod whole;

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use crate::error::Result;
use crate::model::{Artifact, ArtifactPath, Digest};
use crate::query::origin::{is_telling, origin};
use crate::store::{ArtifactNo, Edge, Edges, Snapshot, StateReads, StepNo};

pub use places::{OnRead, written_on_by};
pub(crate) use whole::Whole;

/// The reads of files that a step wrote on.
#[derive(Debug, Default)]
pub(crate) struct WrittenOn {
    /// With the contents, by number, that tell what was read: its own, and those that were written there since.
    reads: Arc<StateReads>,
}

impl WrittenOn {
    pub(crate) fn of(snapshot: &Snapshot, step: StepNo, edges: &Edges) -> Result<Self> {
        if edges.act.is_one_to_one() {
            return Ok(WrittenOn::default());
        }
        let reads = snapshot.state_reads(step, true, || {
            let mut reads = StateReads::clone(&WrittenOn::itself(snapshot, step, edges)?.reads);
            reads.extend(told::told(snapshot, step, edges)?);
            Ok(reads)
        })?;
        Ok(WrittenOn { reads })
    }

    /// Leaves out what the step was only told of.
    fn itself(snapshot: &Snapshot, step: StepNo, edges: &Edges) -> Result<Self> {
        if edges.act.is_one_to_one() {
            return Ok(WrittenOn::default());
        }
        let used = edges.used.iter().map(|edge| (edge.artifact, edge.at));
        let generated = edges.generated.iter().map(|edge| (edge.artifact, edge.at));
        let size_of = |version| Ok(snapshot.artifact(version)?.known_size());
        let is_made = |(version, at)| Ok(origin(snapshot, version, at, Some(step))?.is_made());
        let find = || written_on(used, generated, size_of, is_made);
        Ok(WrittenOn { reads: snapshot.state_reads(step, false, find)? })
    }

    /// Returns true where the step wrote on in what it first read at some moment, or who told it of that did.
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

    /// Returns true where what was read is known to have gone into a file elsewhere that the step wrote since.
    pub(crate) fn leads_elsewhere(&self, edges: &Edges, read: &Edge) -> bool {
        let (artifact, read_at) = (read.artifact, read.at);
        let is_elsewhere = |edge: &&Edge| edge.at >= read_at && edge.artifact.path() != artifact.path();
        let mut elsewhere = edges.generated.iter().filter(is_elsewhere);
        edges.act.is_one_to_one() || elsewhere.any(|edge| self.leads_to(artifact, read_at, edge.artifact))
    }

    /// Lists the paths of the files that the step wrote on in.
    fn paths(&self) -> impl Iterator<Item = u32> {
        self.reads.keys().map(|(artifact, _)| artifact.path())
    }
}

/// A version of a file, recorded or not yet.
pub(super) trait Version: Copy + Eq + Hash {
    type Path: Eq + Hash;
    type Content;

    fn path(self) -> Self::Path;
    fn content(self) -> Self::Content;
}

impl Version for ArtifactNo {
    type Path = u32;
    type Content = u32;

    fn path(self) -> u32 {
        ArtifactNo::path(self)
    }

    fn content(self) -> u32 {
        self.content_no()
    }
}

impl<'a> Version for &'a Artifact {
    type Path = &'a ArtifactPath;
    type Content = Digest;

    fn path(self) -> &'a ArtifactPath {
        &self.path
    }

    fn content(self) -> Digest {
        self.digest
    }
}

/// Reads of files that a step wrote on, each with the contents that tell what was read.
pub(super) type Reads<V> = HashMap<(V, i64), Vec<<V as Version>::Content>>;

/// Finds, of what a step read and wrote, each with its moment, the reads of files that it wrote on, with the contents that tell what
/// was read. `size_of` gives the size of a content that is known; `is_made` says of a read whether a step made what was read.
pub(super) fn written_on<V: Version>(
    used: impl Iterator<Item = (V, i64)> + Clone,
    generated: impl Iterator<Item = (V, i64)>,
    size_of: impl Fn(V) -> Result<Option<u64>>,
    is_made: impl Fn((V, i64)) -> Result<bool>,
) -> Result<Reads<V>> {
    let mut reads = Reads::new();
    let read: HashSet<V::Path> = used.clone().map(|(version, _)| version.path()).collect();
    let mut written: HashMap<V::Path, Vec<(V, i64)>> = HashMap::new();
    for (version, at) in generated.filter(|(version, _)| read.contains(&version.path())) {
        written.entry(version.path()).or_default().push((version, at));
    }
    for (read, read_at) in used {
        let there = written.get(&read.path()).into_iter().flatten();
        let versions: Vec<V> = there.filter(|(_, at)| *at >= read_at).map(|(version, _)| *version).collect();
        let mut differs = versions.iter().any(|version| *version != read);
        if !differs && !versions.is_empty() {
            // Of bytes that nobody knows it is not known that they are the same.
            differs = size_of(read)?.is_none();
        }
        if !differs || !is_made((read, read_at))? {
            continue;
        }
        let mut contents = Vec::new();
        for version in versions.into_iter().chain([read]) {
            // Of few bytes it says nothing that they are equal.
            if size_of(version)?.is_some_and(is_telling) {
                contents.push(version.content());
            }
        }
        reads.insert((read, read_at), contents);
    }
    Ok(reads)
}
