//! What a run as a whole goes back to, where its steps wrote on in files that they read.

use std::collections::HashSet;

use crate::error::Result;
use crate::query::carried::WrittenOn;
use crate::query::origin::lost;
use crate::store::{Edge, Edges, Snapshot, StepNo};

/// Steps that are asked about as a whole, such as those of a run.
///
/// **Definition.** Of a file that one of them wrote on in, what they read, and all behind it, is as sure as it is for what they wrote
/// elsewhere: it is known where the reader wrote something elsewhere since that it went into, and else it is carried. That a run
/// looks at the database which it has just written on in makes nothing surer. Where all that they wrote lies at that one path, there
/// is no elsewhere, and what was read there is as sure as the read.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    /// The paths of files that one of the steps wrote on in.
    written_on: HashSet<u32>,
    /// A path at which they wrote.
    written_at: Option<u32>,
    /// Whether they wrote at others, too.
    is_elsewhere: bool,
}

impl Whole {
    pub(crate) fn of(snapshot: &Snapshot, mut steps: Vec<StepNo>) -> Result<Self> {
        let mut whole = Whole::default();
        steps.sort_unstable();
        for (step, edges) in steps.iter().zip(snapshot.edges_of(&steps)?) {
            let edges = edges.ok_or_else(|| lost(*step))?;
            whole.add(&edges, &WrittenOn::of(snapshot, *step, &edges)?);
        }
        Ok(whole)
    }

    pub(crate) fn add(&mut self, edges: &Edges, written_on: &WrittenOn) {
        self.written_on.extend(written_on.paths());
        for edge in &edges.generated {
            let path = edge.artifact.path();
            self.is_elsewhere |= *self.written_at.get_or_insert(path) != path;
        }
    }

    /// Returns true where what one of the steps read went into what they are as a whole: else it may have.
    pub(crate) fn is_made_from(&self, edges: &Edges, written_on: &WrittenOn, read: &Edge) -> bool {
        !self.is_elsewhere
            || !self.written_on.contains(&read.artifact.path())
            || written_on.leads_elsewhere(edges, read)
    }
}
