//! Steps whose files go back to one other each, for walks that ask for one file after another.

use std::collections::HashMap;
use std::rc::Rc;

use crate::error::Result;
use crate::query::origin::lost;
use crate::store::{ArtifactNo, Edge, Edges, Snapshot, StepNo};

/// The steps that were asked about, each read once.
#[derive(Default)]
pub(crate) struct Pairs {
    steps: HashMap<StepNo, Option<Rc<Paired>>>,
}

/// The edges of a step whose files go back to one other each.
pub(crate) struct Paired {
    pub(crate) edges: Edges,
    places: HashMap<(ArtifactNo, i64), Vec<usize>>,
}

impl Pairs {
    /// Returns the edges of a step; `None` where all that it wrote may come from all that it read.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub(crate) fn of(&mut self, snapshot: &Snapshot, step: StepNo) -> Result<Option<Rc<Paired>>> {
        if let Some(known) = self.steps.get(&step) {
            return Ok(known.clone());
        }
        let head = snapshot.step_head(step)?.ok_or_else(|| lost(step))?;
        let paired = match head.act.is_one_to_one() {
            true => Some(Rc::new(Paired::new(snapshot.edges(step)?.ok_or_else(|| lost(step))?))),
            false => None,
        };
        Ok(self.steps.entry(step).or_insert(paired).clone())
    }
}

impl Paired {
    fn new(edges: Edges) -> Self {
        let mut places: HashMap<(ArtifactNo, i64), Vec<usize>> = HashMap::new();
        for (place, edge) in edges.generated.iter().enumerate() {
            places.entry((edge.artifact, edge.at)).or_default().push(place);
        }
        Paired { edges, places }
    }

    /// Returns the places at which a file was written at a moment.
    pub(crate) fn places(&self, artifact: ArtifactNo, at: i64) -> &[usize] {
        self.places.get(&(artifact, at)).map_or(&[], Vec::as_slice)
    }

    /// Returns what was read for the file that was written at a place: the one that it was, then what went into all.
    pub(crate) fn read_for(&self, place: usize) -> impl Iterator<Item = &Edge> {
        let at = self.edges.generated[place].at;
        let (pairs, for_all) = self.edges.used.split_at(self.edges.generated.len());
        std::iter::once(&pairs[place]).chain(for_all).filter(move |edge| edge.at <= at)
    }
}
