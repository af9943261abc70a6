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
    /// Concluded from other observations: from the state before and after, or from what a parent process had read.
    Inferred,
    /// The recorder saw it happen, but the file changed meanwhile: which bytes were read is not sure.
    Doubtful,
}

impl Evidence {
    /// Every value, in the order of its code.
    pub const ALL: [Evidence; 4] =
        [Evidence::Observed, Evidence::Declared, Evidence::Inferred, Evidence::Doubtful];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Evidence::Observed => "observed",
            Evidence::Declared => "declared",
            Evidence::Inferred => "inferred",
            Evidence::Doubtful => "changed while read",
        }
    }
}

/// What part an artifact plays in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// What the work is about.
    Data,
    /// What does the work, equal to the file in the commit that the run records.
    Code,
    /// Metrics written by the step.
    Metrics,
    /// What does the work, tracked by git, but other than in the commit that the run records.
    CodeChanged,
    /// What does the work, and git does not track it.
    CodeUntracked,
    /// What the work is done with: interpreter, libraries, packages; one list for all of it.
    Environment,
}

impl Role {
    /// Every value, in the order of its code.
    pub const ALL: [Role; 6] =
        [Role::Data, Role::Code, Role::Metrics, Role::CodeChanged, Role::CodeUntracked, Role::Environment];

    /// Returns true for code, wherever git has it.
    pub fn is_code(self) -> bool {
        matches!(self, Role::Code | Role::CodeChanged | Role::CodeUntracked)
    }

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Data => "data",
            Role::Code => "code",
            Role::Metrics => "metrics",
            Role::CodeChanged => "changed code",
            Role::CodeUntracked => "untracked code",
            Role::Environment => "environment",
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
