//! What commands of lineage write over: it is kept, and what lay where is recorded before anything is written.

use crate::error::Result;
use crate::journal::Writer;
use crate::model::{Artifact, ArtifactPath, Fact, NodeId, Overwritten};
use crate::ops::{Clock, Workspace};
use crate::store::Snapshot;

/// That files that others wrote may be written over, by whom, and the clock by which that is recorded.
#[derive(Debug, Clone)]
pub struct Overwriting {
    /// The command of lineage that does it.
    pub command: &'static str,
    /// The clock.
    pub clock: Clock,
}

impl Overwriting {
    /// Records what `command` is about to write over; the bytes are kept by now.
    ///
    /// # Errors
    /// A store error where the journal cannot be written.
    pub(crate) fn record(&self, workspace: &Workspace, artifacts: Vec<Artifact>) -> Result<()> {
        if artifacts.is_empty() {
            return Ok(());
        }
        let segment = NodeId::new(self.clock.now()).as_u128();
        let mut writer = Writer::create(workspace.disk(), &workspace.journal(), segment)?;
        for artifact in artifacts {
            let command = self.command.to_owned();
            writer.append(&Fact::FileOverwritten(Overwritten { artifact, at: self.clock.now(), command }))?;
        }
        writer.commit()
    }
}

/// Returns what commands of lineage wrote over at a path, the last first.
///
/// # Errors
/// A store error where a record is damaged.
pub fn overwritten_at(snapshot: &Snapshot, path: &ArtifactPath) -> Result<Vec<Overwritten>> {
    snapshot.path_no(path)?.map_or(Ok(Vec::new()), |number| snapshot.overwritten_at(number))
}
