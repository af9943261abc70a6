//! The edges of a step, as they are kept beside it: what a walk reads, without the step itself.

use crate::error::Result;
use crate::model::{
    Artifact, ArtifactPath, Evidence, Generated, NodeId, Removed, Role, Step, StepAct, Timestamp, Used,
};
use crate::store::damaged;
use crate::store::schema::{number_of, seal, time_bytes, time_of};
use crate::store::snapshot::{ArtifactNo, PathNo, RunNo};

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
    /// How what it wrote goes back to what it read.
    pub act: StepAct,
    /// What it took away.
    pub removed: Vec<RemovedEdge>,
}

/// A removal as a step has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemovedEdge {
    /// Where the file lay.
    pub path: PathNo,
    /// The version that lay there, where its bytes are known.
    pub artifact: Option<ArtifactNo>,
    /// Microseconds.
    pub at: i64,
    /// How it is known.
    pub evidence: Evidence,
}

/// Whose part a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepHead {
    /// The step's key, which orders steps the same way in every store.
    pub id: NodeId,
    /// The run that the step is a part of.
    pub run: RunNo,
    /// How what it wrote goes back to what it read.
    pub act: StepAct,
}

impl StepHead {
    pub(crate) fn of(edges: &Edges) -> Self {
        StepHead { id: edges.id, run: edges.run, act: edges.act }
    }

    /// Writes a sealed record.
    pub(crate) fn encode(&self) -> Vec<u8> {
        seal([&self.run.to_bytes()[..], &self.id.as_u128().to_be_bytes()[..], &[self.act as u8]].concat())
    }

    /// Reads what [`StepHead::encode`] wrote, without its seal.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let (run, id) = bytes.split_at_checked(8).ok_or_else(|| damaged("step"))?;
        let (id, act) = id.split_first_chunk::<16>().ok_or_else(|| damaged("step"))?;
        let act = act.first().and_then(|act| StepAct::ALL.get(usize::from(*act)));
        let act = *act.ok_or_else(|| damaged("step"))?;
        Ok(StepHead { id: NodeId::from_u128(u128::from_be_bytes(*id)), run: RunNo(number_of(run)), act })
    }
}

const EDGES_HEAD_BYTES: usize = 37;
const EDGE_BYTES: usize = 18;
/// In place of the number of a content that is not known.
const NO_CONTENT: u32 = u32::MAX;

impl Edges {
    pub(crate) fn new(id: NodeId, run: u64, act: StepAct) -> Self {
        let (used, generated, removed) = Default::default();
        Edges { id, run: RunNo(run), used, generated, act, removed }
    }

    /// Writes a sealed record.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let count = self.used.len() + self.generated.len() + self.removed.len();
        let mut bytes = Vec::with_capacity(EDGES_HEAD_BYTES + count * EDGE_BYTES + 4);
        bytes.extend_from_slice(&self.run.to_bytes());
        bytes.extend_from_slice(&self.id.as_u128().to_be_bytes());
        bytes.extend_from_slice(&(self.used.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&(self.generated.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&(self.removed.len() as u32).to_be_bytes());
        bytes.push(self.act as u8);
        let removed = self.removed.iter().map(RemovedEdge::as_edge);
        for edge in self.used.iter().chain(&self.generated).copied().chain(removed) {
            bytes.extend_from_slice(&edge.artifact.to_bytes());
            bytes.extend_from_slice(&time_bytes(edge.at));
            bytes.push(edge.evidence as u8);
            bytes.push(edge.role as u8);
        }
        seal(bytes)
    }

    /// Reads what [`Edges::encode`] wrote, without its seal.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let (head, rows) = bytes.split_at_checked(EDGES_HEAD_BYTES).ok_or_else(|| damaged("edges"))?;
        let mut id = [0; 16];
        id.copy_from_slice(&head[8..24]);
        let count = |at: usize| (number_of(&[&head[at..at + 4], &[0; 4]].concat()) >> 32) as usize;
        let [used, generated, removed] = [count(24), count(28), count(32)];
        if rows.len() != (used + generated + removed) * EDGE_BYTES {
            return Err(damaged("edges"));
        }
        let mut edges = rows.chunks_exact(EDGE_BYTES).map(|row| {
            Ok(Edge {
                artifact: ArtifactNo(number_of(row)),
                at: time_of(&row[8..]),
                evidence: *Evidence::RECORDED.get(usize::from(row[16])).ok_or_else(|| damaged("edges"))?,
                role: *Role::ALL.get(usize::from(row[17])).ok_or_else(|| damaged("edges"))?,
            })
        });
        let used = edges.by_ref().take(used).collect::<Result<Vec<_>>>()?;
        let generated = edges.by_ref().take(generated).collect::<Result<Vec<_>>>()?;
        let removed = edges.map(|edge| edge.map(RemovedEdge::from_edge)).collect::<Result<Vec<_>>>()?;
        let id = NodeId::from_u128(u128::from_be_bytes(id));
        let act = *StepAct::ALL.get(usize::from(head[36])).ok_or_else(|| damaged("edges"))?;
        Ok(Edges { id, run: RunNo(number_of(bytes)), used, generated, act, removed })
    }

    /// Gives a step its edges back, which it is kept without.
    pub(crate) fn put_into(
        self,
        step: &mut Step,
        artifact: impl Fn(ArtifactNo) -> Result<Artifact>,
        path: impl Fn(PathNo) -> Result<ArtifactPath>,
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
        for removed in self.removed {
            let content = match removed.artifact {
                Some(number) => Some(artifact(number)?).map(|found| (found.digest, found.size_bytes)),
                None => None,
            };
            step.removed.push(Removed {
                path: path(removed.path)?,
                content,
                at: Timestamp::from_micros(removed.at),
                evidence: removed.evidence,
            });
        }
        Ok(())
    }
}

impl RemovedEdge {
    fn as_edge(&self) -> Edge {
        let artifact = self.artifact.unwrap_or(ArtifactNo::new(self.path.0 as u32, NO_CONTENT));
        Edge { artifact, at: self.at, evidence: self.evidence, role: Role::Data }
    }

    fn from_edge(edge: Edge) -> Self {
        let Edge { artifact, at, evidence, .. } = edge;
        let path = PathNo(u64::from(artifact.path()));
        let artifact = Some(artifact).filter(|artifact| artifact.content_no() != NO_CONTENT);
        RemovedEdge { path, artifact, at, evidence }
    }
}
