//! Artifacts, and the two edges that bind them to steps.

use crate::model::{ArtifactPath, Digest, Timestamp};

/// One version of one file: a path and a content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Artifact {
    /// Where it lay.
    pub path: ArtifactPath,
    /// The digest of its bytes.
    pub digest: Digest,
    /// How many bytes.
    pub size_bytes: u64,
}

/// How an edge is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// The recorder saw it happen.
    Observed,
    /// Somebody said so.
    Declared,
    /// Concluded from the state before and after.
    Inferred,
}

impl Evidence {
    /// Every value, in the order of its code.
    pub const ALL: [Evidence; 3] = [Evidence::Observed, Evidence::Declared, Evidence::Inferred];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Evidence::Observed => "observed",
            Evidence::Declared => "declared",
            Evidence::Inferred => "inferred",
        }
    }
}

/// What part an artifact plays in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// What the work is about.
    Data,
    /// What does the work: scripts, configurations in the git tree.
    Code,
    /// Metrics written by the step.
    Metrics,
}

impl Role {
    /// Every value, in the order of its code.
    pub const ALL: [Role; 3] = [Role::Data, Role::Code, Role::Metrics];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Data => "data",
            Role::Code => "code",
            Role::Metrics => "metrics",
        }
    }
}

/// The edge from a step to an artifact it read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Used {
    /// What was read.
    pub artifact: Artifact,
    /// When it was first read.
    pub at: Timestamp,
    /// How we know.
    pub evidence: Evidence,
    /// What it was read for.
    pub role: Role,
}

/// The edge from an artifact to the step that wrote it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generated {
    /// What was written.
    pub artifact: Artifact,
    /// When it was last written.
    pub at: Timestamp,
    /// How we know.
    pub evidence: Evidence,
    /// What it was written as.
    pub role: Role,
}
