//! What a step read and wrote on: its state.
//!
//! A training opens the database of all trainings to add its own row, a script reads its table of results and writes it anew, a
//! resumed training goes on from its checkpoint. **Definition.** A step wrote on in a file that it read where it last wrote at that
//! path when it first read there, or later.
//!
//! What the file had been made from went into what the step wrote there. Whether it went into its other files as well, nobody saw: a
//! model owes nothing to the database that it is noted in, and all to the checkpoint that it goes on from, and both look the same. So
//! the way from what was read there to what was written elsewhere is [`Evidence::Carried`], whatever it was before; it is the least
//! sure of all, and counts where no more is wanted than what may be.
//!
//! A step whose files go back to one other each says so itself.
//!
//! [`Evidence::Carried`]: crate::model::Evidence::Carried

use std::collections::{HashMap, HashSet};

use crate::store::{ArtifactNo, Edges};

/// The files that a step read and wrote on, each with the time of the last write there.
#[derive(Debug, Default)]
pub(crate) struct WrittenOn {
    last: HashMap<u32, i64>,
}

impl WrittenOn {
    pub(crate) fn of(edges: &Edges) -> Self {
        let mut last: HashMap<u32, i64> = HashMap::new();
        if !edges.act.is_one_to_one() && !edges.used.is_empty() {
            let read: HashSet<u32> = edges.used.iter().map(|edge| edge.artifact.path()).collect();
            for edge in edges.generated.iter().filter(|edge| read.contains(&edge.artifact.path())) {
                let known = last.entry(edge.artifact.path()).or_insert(edge.at);
                *known = edge.at.max(*known);
            }
        }
        WrittenOn { last }
    }

    /// Returns true where the step wrote on in what it first read at some moment.
    pub(crate) fn is_state(&self, artifact: ArtifactNo, read_at: i64) -> bool {
        self.last.get(&artifact.path()).is_some_and(|last| *last >= read_at)
    }
}
