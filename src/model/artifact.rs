//! Artifacts, and the two edges that bind them to steps.

use crate::model::{ArtifactPath, Digest, Timestamp};

/// One version of one file: a path and a content.
///
/// Of what has a name only, the content is not known: an address, a stream, a table of a warehouse, a file that somebody named
/// without its digest. See [`Artifact::without_content`] and [`Artifact::has_content`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Artifact {
    /// Where it lay.
    pub path: ArtifactPath,
    /// The digest of its bytes.
    pub digest: Digest,
    /// How many bytes.
    pub size_bytes: u64,
}

impl Artifact {
    /// Names something of which no content is known. What `version` says tells it from others of its name.
    ///
    /// It is recorded with the digest of that text and a size of 0, as no content can have them: that of no bytes has another
    /// digest.
    pub fn without_content(path: ArtifactPath, version: &[u8]) -> Self {
        Artifact { path, digest: Digest::of(version), size_bytes: 0 }
    }

    /// Returns true where digest and size are those of a content.
    pub fn has_content(&self) -> bool {
        Artifact::is_content(&self.digest, self.size_bytes)
    }

    /// Returns true for a digest and a size that are those of a content.
    pub(crate) fn is_content(digest: &Digest, size_bytes: u64) -> bool {
        size_bytes > 0 || *digest == Digest::of(b"")
    }

    /// Returns the digest of its content, where that is known.
    pub fn known_digest(&self) -> Option<Digest> {
        self.has_content().then_some(self.digest)
    }

    /// Returns the size of its content, where that is known.
    pub fn known_size(&self) -> Option<u64> {
        self.has_content().then_some(self.size_bytes)
    }
}

/// How an edge or a way is known; the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Evidence {
    /// The recorder saw it happen.
    Observed,
    /// Somebody said so.
    Declared,
    /// Concluded from other observations: from the state before and after, or from what a parent process had read.
    Inferred,
    /// The recorder saw it happen, but the file changed meanwhile: which bytes were read is not sure.
    Doubtful,
    /// Of a way, and never recorded: a step read a file and wrote on in it (a database of trainings, a table of results, a
    /// checkpoint). What had gone into the file before is in it still, and may be in what else the step wrote, or not.
    Carried,
}

impl Evidence {
    /// Every value, the surest first.
    pub const ALL: [Evidence; 5] =
        [Evidence::Observed, Evidence::Declared, Evidence::Inferred, Evidence::Doubtful, Evidence::Carried];

    /// Those that edges are recorded with, in the order of their codes.
    pub const RECORDED: [Evidence; 4] =
        [Evidence::Observed, Evidence::Declared, Evidence::Inferred, Evidence::Doubtful];

    /// That than which none is less sure.
    pub(crate) const WEAKEST: Evidence = Evidence::Carried;

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Evidence::Observed => "observed",
            Evidence::Declared => "declared",
            Evidence::Inferred => "inferred",
            Evidence::Doubtful => "changed while read",
            Evidence::Carried => "carried",
        }
    }
}

/// What part an artifact plays in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
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
    /// What the work is about, tracked by git and equal to the file in the commit that the run records.
    DataTracked,
    /// What the work is about, tracked by git, but other than in the commit that the run records.
    DataChanged,
}

impl Role {
    /// Every value, in the order of its code.
    pub const ALL: [Role; 8] = [
        Role::Data,
        Role::Code,
        Role::Metrics,
        Role::CodeChanged,
        Role::CodeUntracked,
        Role::Environment,
        Role::DataTracked,
        Role::DataChanged,
    ];

    /// Returns true for code, wherever git has it.
    pub fn is_code(self) -> bool {
        matches!(self, Role::Code | Role::CodeChanged | Role::CodeUntracked)
    }

    /// Returns true for data, wherever git has it.
    pub fn is_data(self) -> bool {
        matches!(self, Role::Data | Role::DataTracked | Role::DataChanged)
    }

    /// Returns true for what was read as it stands in the commit that the run records.
    pub fn is_as_committed(self) -> bool {
        matches!(self, Role::Code | Role::DataTracked)
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
            Role::DataTracked => "tracked data",
            Role::DataChanged => "changed data",
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

/// What lay in a file before a command of lineage wrote over it. Its bytes are kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Overwritten {
    /// The file, and what was in it.
    pub artifact: Artifact,
    /// When it was written over.
    pub at: Timestamp,
    /// The command that did it: `restore`, `project`, `split` and the like.
    pub command: String,
}

/// A file that a step took away from its path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Removed {
    /// Where it lay.
    pub path: ArtifactPath,
    /// The digest and the size of its bytes, where they are known.
    pub content: Option<(Digest, u64)>,
    /// When it was taken away.
    pub at: Timestamp,
    /// How we know.
    pub evidence: Evidence,
}

impl Removed {
    /// Returns the version that was taken away, where its bytes are known.
    pub fn artifact(&self) -> Option<Artifact> {
        self.content.map(|(digest, size_bytes)| Artifact { path: self.path.clone(), digest, size_bytes })
    }

    /// Returns what was taken away, by its name alone where its bytes are not known.
    pub fn artifact_or_name(&self) -> Artifact {
        self.artifact().unwrap_or_else(|| Artifact::without_content(self.path.clone(), b"removed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_content_is_taken_for_none_and_none_for_a_content() {
        let path = ArtifactPath::new("a").unwrap();
        for bytes in [&b""[..], b"x", b"a\0"] {
            let (digest, size_bytes) = (Digest::of(bytes), bytes.len() as u64);
            assert!(Artifact { path: path.clone(), digest, size_bytes }.has_content());
        }
        for version in [&b"hf://ProsusAI/finbert"[..], b"a\0", b"tcp://127.0.0.1:80 run"] {
            let artifact = Artifact::without_content(path.clone(), version);
            assert_eq!((artifact.known_digest(), artifact.known_size()), (None, None));
        }
    }
}
