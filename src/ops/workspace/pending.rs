//! What the journal holds and the store lacks.

use std::fs;
use std::time::UNIX_EPOCH;

use crate::error::Result;
use crate::journal::{self, Reader, SegmentRef};
use crate::model::{NodeId, Timestamp};
use crate::ops::Workspace;
use crate::store::{Snapshot, Store};

/// What the journal holds and the store lacks.
#[derive(Debug, Default)]
pub struct Pending {
    /// The segments the store lacks something of, each with how many of its bytes are applied.
    lacking: Vec<(SegmentRef, u64)>,
    /// How many segments will come.
    expected: usize,
    /// How many bytes.
    bytes: u64,
    /// Whether there is no store, or one that has what the journal has not, so that it is to be built anew.
    pub is_outdated: bool,
}

/// As many segments may wait to be applied.
const SEGMENTS_MAX: usize = 32;
/// As many bytes may wait to be applied.
const BYTES_MAX: u64 = 256 << 10;

impl Pending {
    /// Returns true where applying is due.
    pub fn is_due(&self) -> bool {
        self.is_outdated || self.lacking.len() + self.expected > SEGMENTS_MAX || self.bytes > BYTES_MAX
    }

    /// Adds one more segment, which is not there yet.
    pub(crate) fn and(self, bytes: u64) -> Self {
        Pending { expected: self.expected + 1, bytes: self.bytes + bytes, ..self }
    }

    /// Says how much it is.
    pub(super) fn in_words(&self) -> String {
        let segments = match self.lacking.len() {
            1 => "what 1 process".to_owned(),
            segments => format!("what {segments} processes"),
        };
        format!("{segments} recorded ({} kB)", self.bytes.div_ceil(1_000))
    }

    /// Returns the latest time in it, or an earlier one where none of its times is later than `wall`.
    ///
    /// A clock that was never put back gives no time later than the moment at which it is written down, so only segments that
    /// were begun or written at a later moment than now are read. Whose clock runs ahead of the machine's says so by the time
    /// of its segment's file: see [`Writer::date`](journal::Writer::date).
    pub fn latest(&self, wall: Timestamp) -> Timestamp {
        let mut latest = Timestamp::default();
        let mut read_bytes = 0;
        // The newest go on after all that was there before them.
        for (segment, applied) in self.lacking.iter().rev() {
            let named = NodeId::from_u128(segment.segment).made_at().max(written_at(segment));
            if named <= wall {
                continue;
            }
            latest = latest.max(NodeId::from_u128(segment.segment).made_at());
            if read_bytes <= BYTES_MAX {
                read_bytes += segment.length.saturating_sub(*applied);
                latest = latest.max(latest_in(segment, *applied));
            }
        }
        latest
    }
}

/// Returns when a segment was last written to, by its file.
fn written_at(segment: &SegmentRef) -> Timestamp {
    let modified = fs::metadata(&segment.path).and_then(|metadata| metadata.modified()).ok();
    let since = modified.and_then(|modified| modified.duration_since(UNIX_EPOCH).ok());
    Timestamp::from_micros(since.map_or(0, |since| since.as_micros() as i64))
}

/// Returns the latest time in a segment from `start` on. What cannot be read is left to whoever applies it.
fn latest_in(segment: &SegmentRef, start: u64) -> Timestamp {
    let mut latest = Timestamp::default();
    let Ok(Some(bytes)) = journal::read_segment(segment, start, u64::MAX) else {
        return latest;
    };
    let Ok(Some(mut reader)) = Reader::new("pending", &bytes) else {
        return latest;
    };
    while let Ok(Some(fact)) = reader.next() {
        latest = latest.max(fact.latest().unwrap_or_default());
    }
    latest
}

impl Workspace {
    /// Looks at what the store lacks, by the names and lengths of the journal's files alone.
    ///
    /// # Errors
    /// A store error where the journal cannot be listed.
    pub fn pending(&self, snapshot: Option<&Snapshot>) -> Result<Pending> {
        let Some(found) = snapshot else {
            // All of it is to be applied: what lies in packs need not be looked at to know that.
            let segments = journal::list(&self.journal(), &|_| true)?.segments;
            let bytes = segments.iter().map(|segment| segment.length).sum();
            let lacking = segments.into_iter().map(|segment| (segment, 0)).collect();
            return Ok(Pending { lacking, bytes, is_outdated: true, expected: 0 });
        };
        let listing = Store::listing(snapshot, &self.journal())?;
        let lack = Store::lacking(snapshot, &listing)?;
        let mut pending = Pending { is_outdated: lack.is_outdated, ..Pending::default() };
        for segment in lack.segments {
            let applied = found.applied_bytes(segment.segment)?;
            pending.bytes += segment.length.saturating_sub(applied);
            pending.lacking.push((segment, applied));
        }
        Ok(pending)
    }

    /// Returns how long the files of the journal are together.
    pub(super) fn journal_bytes(&self) -> u64 {
        let files = fs::read_dir(self.journal()).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
    }
}
