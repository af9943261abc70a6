//! Reading what was written over.

use crate::error::Result;
use crate::model::{Fact, Overwritten};
use crate::store::damaged;
use crate::store::reading::{GO_ON, Order};
use crate::store::snapshot::{ArtifactNo, PathNo, Snapshot, record};

impl Snapshot {
    /// Returns what was written over at a path, the last first.
    pub fn overwritten_at(&self, path: PathNo) -> Result<Vec<Overwritten>> {
        let front = ArtifactNo::new(path.0 as u32, 0).to_bytes();
        let mut found = self.overwritten_from(&front[..4])?;
        found.sort_by(|a, b| (b.at, &b.artifact).cmp(&(a.at, &a.artifact)));
        Ok(found)
    }

    /// Returns when this very content was last written over at its path.
    pub fn last_overwritten(&self, artifact: ArtifactNo) -> Result<Option<Overwritten>> {
        Ok(self.overwritten_from(&artifact.to_bytes())?.pop())
    }

    /// Returns what was written over of the artifacts whose numbers begin with `front`; of each the last is last.
    pub(super) fn overwritten_from(&self, front: &[u8]) -> Result<Vec<Overwritten>> {
        let mut found = Vec::new();
        self.overwritten.scan_front(front, Order::Rising, |_, bytes| {
            let Fact::FileOverwritten(overwritten) = record(bytes)? else {
                return Err(damaged("file written over"));
            };
            found.push(overwritten);
            Ok(GO_ON)
        })?;
        Ok(found)
    }
}
