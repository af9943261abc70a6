//! The model versions among what is exported: those that came from one of the runs, or hold a file that one of them wrote.

use std::collections::{BTreeSet, HashMap};

use super::Source;
use crate::error::Result;
use crate::model::{Artifact, NodeId, Stage, Timestamp};
use crate::query::registry::{HistoryAct, ModelView, history, model_names, model_view, versions};

/// A model version.
pub(super) struct Version {
    /// What it is, and where it stands.
    pub view: ModelView,
    /// Its files.
    pub files: Vec<Artifact>,
    /// Who decided where it stands, the first first.
    pub decisions: Vec<Decision>,
}

/// That somebody registered a version, moved it to a stage, or withdrew it.
pub(super) struct Decision {
    pub at: Timestamp,
    /// Who; may be empty.
    pub by: String,
    pub act: &'static str,
    /// Where it stood by that.
    pub stage: Option<Stage>,
    pub reason: Option<String>,
}

/// Lists the versions that `source` speaks of, in the order of their keys.
///
/// # Errors
/// A store error where a record is damaged.
pub(super) fn of(source: &Source<'_>) -> Result<Vec<Version>> {
    let snapshot = source.snapshot;
    if snapshot.model_count()? == 0 {
        return Ok(Vec::new());
    }
    let mut ids: BTreeSet<NodeId> = BTreeSet::new();
    if source.is_all {
        for name in model_names(snapshot)? {
            ids.extend(versions(snapshot, &name)?.iter().map(|view| view.model.id));
        }
    } else {
        let mut written = BTreeSet::new();
        for number in &source.runs {
            ids.extend(snapshot.run(*number)?.map_or(Ok(Vec::new()), |run| snapshot.models_of_run(run.id))?);
            for step in snapshot.steps_of(*number)? {
                let edges = snapshot.edges(step)?;
                written.extend(edges.iter().flat_map(|edges| &edges.generated).map(|edge| edge.artifact));
            }
        }
        let written: Vec<_> = written.into_iter().collect();
        ids.extend(snapshot.models_with_any(&written)?.into_iter().map(|(_, id)| id));
    }
    let mut views = Vec::new();
    for id in ids {
        views.extend(model_view(snapshot, id)?);
    }
    let names: BTreeSet<&str> = views.iter().map(|view| view.model.name.as_str()).collect();
    let mut decisions: HashMap<NodeId, Vec<Decision>> = HashMap::new();
    for name in names {
        for entry in history(snapshot, name)?.into_iter().filter(|entry| entry.void.is_none()) {
            let (act, stage) = match entry.act {
                HistoryAct::Registered { stage, .. } | HistoryAct::TakenOver { stage, .. } => {
                    ("registered", Some(stage))
                }
                HistoryAct::Staged { to, .. } => ("staged", Some(to)),
                HistoryAct::Deleted => ("withdrawn", None),
                _ => continue,
            };
            let Some(id) = entry.model else { continue };
            let decision = Decision { at: entry.at, by: entry.by, act, stage, reason: entry.reason };
            decisions.entry(id).or_default().push(decision);
        }
    }
    let version = |view: ModelView| Version {
        files: view.model.artifacts.iter().map(|held| source.shown(held.artifact.clone())).collect(),
        decisions: decisions.remove(&view.model.id).unwrap_or_default(),
        view,
    };
    Ok(views.into_iter().map(version).collect())
}
