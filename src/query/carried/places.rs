//! Which reads of a step are of files that it wrote on, for those who have its record.

use crate::error::Result;
use crate::query::carried::WrittenOn;
use crate::query::origin::lost;
use crate::store::{Snapshot, StepNo};

/// A read of a file that the reader wrote on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnRead {
    /// Which of what the step used it is.
    pub used: usize,
    /// Which of what it generated since what was read went into; into all else it is carried.
    pub generated: Vec<usize>,
}

/// Lists the reads of files that a step wrote on, in their order.
///
/// # Errors
/// A store error where a record is damaged.
pub fn written_on_by(snapshot: &Snapshot, step: StepNo) -> Result<Vec<OnRead>> {
    let edges = snapshot.edges(step)?.ok_or_else(|| lost(step))?;
    let written_on = WrittenOn::of(snapshot, step, &edges)?;
    let mut reads = Vec::new();
    for (used, read) in edges.used.iter().enumerate() {
        if !written_on.is_state(read.artifact, read.at) {
            continue;
        }
        let generated = edges.generated.iter().enumerate().filter(|(_, written)| {
            written.at >= read.at && written_on.leads_to(read.artifact, read.at, written.artifact)
        });
        reads.push(OnRead { used, generated: generated.map(|(place, _)| place).collect() });
    }
    Ok(reads)
}
