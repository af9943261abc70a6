//! What `lineage show` says of model versions: which hold a file, which learned from it, and where one of them came from.

use std::collections::{BTreeMap, HashMap};

use crate::error::{Error, Result};
use crate::model::{Artifact, Evidence, NodeId};
use crate::ops::registry::{ModelCard, card};
use crate::ops::show::{Fate, Showing, Walked};
use crate::query::registry::{LearnedHow, ModelView, learned_from, made_as, model_view};
use crate::query::{self, Direction, Start, Trace, TraceReport};
use crate::store::ArtifactNo;

/// A model version and its way.
#[derive(Debug, Clone)]
pub struct ModelReport {
    /// The version.
    pub card: ModelCard,
    /// The way from its files; where it has none that are recorded, from its run.
    pub trace: TraceReport,
    /// All files on the way, where asked for.
    pub files: Option<Vec<Artifact>>,
    /// The environments of the runs on the way, where asked for: the run's tail and the list.
    pub environments: Vec<(String, String)>,
    /// What became of the sources on disk, by path.
    pub disk: BTreeMap<Artifact, Fate>,
    /// Going down, the versions that learned from its files.
    pub learned: Vec<LearnedModel>,
}

/// A model version that learned from a file.
#[derive(Debug, Clone)]
pub struct LearnedModel {
    /// The version.
    pub view: ModelView,
    /// By what it is known; of several, by the surest.
    pub how: LearnedHow,
    /// How the least sure edge on that way is known; of several ways, on the surest.
    pub evidence: Evidence,
}

/// Counts what only the entry of a version says: that a file, or where it has none the version itself, came of its run.
fn said_of_run(card: &ModelCard) -> u64 {
    match card.view.model.artifacts.is_empty() {
        true => u64::from(card.run.is_some()),
        false => card.declared.len() as u64,
    }
}

impl Showing<'_> {
    pub(super) fn model(&self, id: NodeId) -> Result<ModelReport> {
        let view = model_view(self.snapshot, id)?
            .ok_or_else(|| Error::store("a model version is named and not there"))?;
        let (walked, learned) = match self.request.direction {
            Direction::Up => (self.way_to_model(&view)?, Vec::new()),
            Direction::Down => {
                let held = view.model.artifacts.iter().map(|held| &held.artifact);
                let files = self.snapshot.artifact_nos(held)?;
                let start = Start::Files(&files);
                let walked = self.walked(|far| query::downstream_of(self.snapshot, start, far))?;
                let mut learned = self.learned(start, &walked.whole)?;
                learned.retain(|model| model.view.model.id != id);
                (walked, learned)
            }
        };
        let mut report = self.named(&walked)?;
        let card = card(self.workspace, self.snapshot, view, true)?;
        if self.request.direction == Direction::Up {
            report.evidence[Evidence::Declared as usize] += said_of_run(&card);
        }
        Ok(ModelReport {
            card,
            disk: self.disk(&report.ends)?,
            trace: report,
            files: self.files(walked.shown())?,
            environments: self.environments(walked.shown())?,
            learned,
        })
    }

    fn way_to_model(&self, view: &ModelView) -> Result<Walked> {
        let made = made_as(self.snapshot, &view.model)?;
        let walked = self.walked(|far| query::upstream_of(self.snapshot, &made, far))?;
        let run = self.snapshot.run_of_model(&view.model)?;
        match run {
            // Nobody recorded who wrote its files: what its run read is as much as can be said.
            Some(run) if walked.whole.steps.is_empty() => {
                let steps = self.snapshot.steps_of(run)?;
                self.walked(|far| query::upstream_of_steps(self.snapshot, &steps, far))
            }
            _ => Ok(walked),
        }
    }

    /// Finds the model versions that learned from a start, given the walk down from it: those in production first, and last those that
    /// may have learned nothing from it.
    pub(super) fn learned(&self, start: Start<'_>, trace: &Trace) -> Result<Vec<LearnedModel>> {
        let mut found = Vec::new();
        for learned in learned_from(self.snapshot, start, trace, self.request.depth_max)? {
            let view = model_view(self.snapshot, learned.model)?;
            let (how, evidence) = (learned.how, learned.evidence);
            found.extend(view.map(|view| LearnedModel { view, how, evidence }));
        }
        found.sort_by_cached_key(|model| {
            (model.view.deleted.is_some(), model.evidence == Evidence::Carried, model.view.rank())
        });
        Ok(found)
    }

    /// As [`Self::learned`], from a file under all its names, of which only the first are more than concluded from its bytes.
    pub(super) fn learned_by_names(
        &self,
        names: &[ArtifactNo],
        known: usize,
        trace: &Trace,
    ) -> Result<Vec<LearnedModel>> {
        let mut found = self.learned(Start::Files(names), trace)?;
        if known < names.len() {
            let depth_max = self.request.depth_max;
            let start = Start::Files(&names[..known]);
            let trace = query::downstream_of(self.snapshot, start, depth_max)?;
            let surely = learned_from(self.snapshot, start, &trace, depth_max)?;
            let surely: HashMap<NodeId, Evidence> =
                surely.into_iter().map(|learned| (learned.model, learned.evidence)).collect();
            for learned in &mut found {
                let by_bytes = learned.evidence.max(Evidence::Inferred);
                let by_name = surely.get(&learned.view.model.id).copied().unwrap_or(by_bytes);
                learned.evidence = by_name.min(by_bytes);
            }
        }
        Ok(found)
    }

    /// Finds the model versions that hold a file.
    pub(super) fn holding(&self, artifact: ArtifactNo) -> Result<Vec<ModelView>> {
        let mut views = Vec::new();
        for id in self.snapshot.models_with(artifact)? {
            views.extend(model_view(self.snapshot, id)?);
        }
        Ok(views)
    }

    /// Finds the model versions that a run trained.
    pub(super) fn trained_by(&self, run: NodeId) -> Result<Vec<ModelView>> {
        let mut views = Vec::new();
        for id in self.snapshot.models_of_run(run)? {
            views.extend(model_view(self.snapshot, id)?);
        }
        Ok(views)
    }
}
