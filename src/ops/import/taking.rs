//! Taking over facts of others: what is recorded here already is passed over, and the rest counts when all of it is there.

use std::collections::HashSet;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::journal::{self, Writer};
use crate::model::{Digest, Fact, NodeId};
use crate::ops::Workspace;

/// What was taken over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Facts that were not recorded here before; each point of a metric counts.
    pub new: u64,
    /// Facts that were.
    pub known: u64,
    /// Runs among the new facts.
    pub runs: u64,
    /// Contents that were copied, and their bytes.
    pub contents: u64,
    /// The bytes of those contents.
    pub content_bytes: u64,
}

/// A segment being filled beside the journal; it takes its place in the journal when it is whole.
pub(crate) struct Taking<'a> {
    workspace: &'a Workspace,
    known: HashSet<u128>,
    folder: PathBuf,
    writer: Option<Writer>,
    segment: u128,
    lines: u64,
    taken: Taken,
}

impl<'a> Taking<'a> {
    /// Begins with what the workspace has recorded. That is linear in it.
    ///
    /// # Errors
    /// A store error where the store cannot be read.
    pub fn begin(workspace: &'a Workspace) -> Result<Self> {
        let view = workspace.view()?;
        let mut known = HashSet::new();
        view.snapshot.facts(&mut |fact| {
            for single in singles(fact) {
                known.insert(mark(&single)?);
            }
            Ok(())
        })?;
        let segment = NodeId::new(view.snapshot.latest()).as_u128();
        let folder = workspace.folder().join(format!("taking-{segment:032x}"));
        let (writer, lines, taken) = (None, 0, Taken::default());
        Ok(Taking { workspace, known, folder, writer, segment, lines, taken })
    }

    /// Returns how many facts were given so far.
    pub fn seen_lines(&self) -> u64 {
        self.lines
    }

    /// Takes a fact, unless it is known.
    ///
    /// # Errors
    /// A store error where it cannot be written down.
    pub fn take(&mut self, fact: Fact) -> Result<()> {
        self.lines += 1;
        let is_run = matches!(fact, Fact::RunStarted(_));
        let (mut points, mut fresh) = (Vec::new(), None);
        for single in singles(fact) {
            if !self.known.insert(mark(&single)?) {
                self.taken.known += 1;
                continue;
            }
            self.taken.new += 1;
            match single {
                Fact::Metrics(mut one) => points.append(&mut one),
                other => fresh = Some(other),
            }
        }
        if !points.is_empty() {
            fresh = Some(Fact::Metrics(points));
        }
        let Some(fact) = fresh else { return Ok(()) };
        self.taken.runs += u64::from(is_run);
        self.writer()?.append(&fact)
    }

    fn writer(&mut self) -> Result<&mut Writer> {
        if self.writer.is_none() {
            self.writer = Some(Writer::create(self.workspace.disk(), &self.folder, self.segment)?);
        }
        self.writer.as_mut().ok_or_else(|| Error::bug("a segment was made and is not there"))
    }

    /// Counts contents that were copied.
    pub fn count_contents(&mut self, contents: u64, bytes: u64) {
        self.taken.contents += contents;
        self.taken.content_bytes += bytes;
    }

    /// Puts the segment into the journal; from then on its facts count.
    ///
    /// # Errors
    /// A store error where the disk does not take it; nothing is taken over then.
    pub fn finish(mut self) -> Result<Taken> {
        let Some(mut writer) = self.writer.take() else {
            return Ok(self.taken);
        };
        writer.commit()?;
        drop(writer);
        let (disk, journal) = (self.workspace.disk(), self.workspace.journal());
        let failed = |cause| {
            Error::store("cannot put the facts into the journal")
                .because(cause)
                .hint("nothing was taken over")
        };
        let name = journal::segment_name(self.segment);
        disk.create_folders(&journal).map_err(failed)?;
        disk.rename(&self.folder.join(&name), &journal.join(&name)).map_err(failed)?;
        disk.sync_folder(&journal).map_err(failed)?;
        Ok(self.taken)
    }
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        // Nothing was promised of what lies here still; what cannot be removed is in nobody's way.
        drop(self.writer.take());
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Returns the parts of a fact that are known or new each by itself: the points of metrics.
fn singles(fact: Fact) -> Vec<Fact> {
    match fact {
        Fact::Metrics(points) => points.into_iter().map(|point| Fact::Metrics(vec![point])).collect(),
        other => vec![other],
    }
}

/// Returns the front of a fact's digest.
fn mark(fact: &Fact) -> Result<u128> {
    let digest = Digest::of(&journal::encode(fact)?);
    let mut front = [0; 16];
    front.copy_from_slice(&digest.as_bytes()[..16]);
    Ok(u128::from_be_bytes(front))
}
