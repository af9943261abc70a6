//! Tags of runs: words to find them by, said at any time.

use crate::model::{NodeId, Parameter, Timestamp};

/// Tags that a run was given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunTags {
    /// The run.
    pub run: NodeId,
    /// When they were given.
    pub at: Timestamp,
    /// The tags, each a name and a value.
    pub tags: Vec<Parameter>,
}

/// What stands before the name of a tag that a run was told as a parameter.
pub const TAG_FRONT: &str = "tag.";
