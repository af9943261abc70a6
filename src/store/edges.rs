//! The edges of a step, as they are kept beside it: what a walk reads, without the step itself.

use crate::error::Result;
use crate::model::{Artifact, Evidence, Generated, NodeId, Role, Step, Timestamp, Used};
use crate::store::damaged;
use crate::store::schema::{number_of, seal, time_bytes, time_of};
use crate::store::snapshot::{ArtifactNo, RunNo};

/// An edge as a walk sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// The artifact.
    pub artifact: ArtifactNo,
    /// Microseconds: of the first read, or of the last write.
    pub at: i64,
    /// How the edge is known.
    pub evidence: Evidence,
    /// What the artifact is to the step.
    pub role: Role,
}

/// The edges of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edges {
    /// The step's key, which orders steps the same way in every store.
    pub id: NodeId,
    /// The run that the step is a part of.
    pub run: RunNo,
    /// What it read.
    pub used: Vec<Edge>,
    /// What it wrote.
    pub generated: Vec<Edge>,
}

/// Whose part a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepHead {
    /// The step's key, which orders steps the same way in every store.
    pub id: NodeId,
    /// The run that the step is a part of.
    pub run: RunNo,
}

impl StepHead {
    pub(crate) fn of(edges: &Edges) -> Self {
        StepHead { id: edges.id, run: edges.run }
    }

    /// Writes a sealed record.
    pub(crate) fn encode(&self) -> Vec<u8> {
        seal([&self.run.to_bytes()[..], &self.id.as_u128().to_be_bytes()[..]].concat())
    }

    /// Reads what [`StepHead::encode`] wrote, without its seal.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let (run, id) = bytes.split_at_checked(8).ok_or_else(|| damaged("step"))?;
        let id = id.try_into().map_err(|_| damaged("step"))?;
        Ok(StepHead { id: NodeId::from_u128(u128::from_be_bytes(id)), run: RunNo(number_of(run)) })
    }
}

const EDGES_HEAD_BYTES: usize = 32;
const EDGE_BYTES: usize = 18;

impl Edges {
    pub(crate) fn new(id: NodeId, run: u64) -> Self {
        Edges { id, run: RunNo(run), used: Vec::new(), generated: Vec::new() }
    }

    /// Writes a sealed record.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let count = self.used.len() + self.generated.len();
        let mut bytes = Vec::with_capacity(EDGES_HEAD_BYTES + count * EDGE_BYTES + 4);
        bytes.extend_from_slice(&self.run.to_bytes());
        bytes.extend_from_slice(&self.id.as_u128().to_be_bytes());
        bytes.extend_from_slice(&(self.used.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&(self.generated.len() as u32).to_be_bytes());
        for edge in self.used.iter().chain(&self.generated) {
            bytes.extend_from_slice(&edge.artifact.to_bytes());
            bytes.extend_from_slice(&time_bytes(edge.at));
            bytes.push(edge.evidence as u8);
            bytes.push(edge.role as u8);
        }
        seal(bytes)
    }

    /// Reads what [`Edges::encode`] wrote, without its seal.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.len() < EDGES_HEAD_BYTES || !(bytes.len() - EDGES_HEAD_BYTES).is_multiple_of(EDGE_BYTES) {
            return Err(damaged("edges"));
        }
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[8..24]);
        let count = (number_of(&bytes[24..]) >> 32) as usize;
        let mut edges = bytes[EDGES_HEAD_BYTES..].chunks_exact(EDGE_BYTES).map(|row| {
            Ok(Edge {
                artifact: ArtifactNo(number_of(row)),
                at: time_of(&row[8..]),
                evidence: *Evidence::ALL.get(usize::from(row[16])).ok_or_else(|| damaged("edges"))?,
                role: *Role::ALL.get(usize::from(row[17])).ok_or_else(|| damaged("edges"))?,
            })
        });
        let used = edges.by_ref().take(count).collect::<Result<Vec<_>>>()?;
        let generated = edges.collect::<Result<Vec<_>>>()?;
        let id = NodeId::from_u128(u128::from_be_bytes(id));
        Ok(Edges { id, run: RunNo(number_of(bytes)), used, generated })
    }

    /// Gives a step its edges back, which it is kept without.
    pub(crate) fn put_into(
        self,
        step: &mut Step,
        artifact: impl Fn(ArtifactNo) -> Result<Artifact>,
    ) -> Result<()> {
        for edge in self.used {
            step.used.push(Used {
                artifact: artifact(edge.artifact)?,
                at: Timestamp::from_micros(edge.at),
                evidence: edge.evidence,
                role: edge.role,
            });
        }
        for edge in self.generated {
            step.generated.push(Generated {
                artifact: artifact(edge.artifact)?,
                at: Timestamp::from_micros(edge.at),
                evidence: edge.evidence,
                role: edge.role,
            });
        }
        Ok(())
    }
}
