//! A version of a model as it is shown: with its run, what it learned from, and its files as they lie on disk.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use rayon::prelude::*;

use crate::error::Result;
use crate::model::{Artifact, ArtifactPath, Evidence, ModelVersion, NamedArtifact, NodeId, Note, RunStatus};
use crate::ops::notes::notes_on_model;
use crate::ops::status::{StaleCause, changed_since_made};
use crate::ops::{DiskState, Workspace, disk_state};
use crate::query::RunHead;
use crate::query::filter::Lack;
use crate::query::registry::{
    ModelView, declared, inputs, latest, made_as, model_names, model_view, production, versions,
};
use crate::store::{ArtifactNo, Order, Snapshot};

/// A version of a model, with what belongs to it.
#[derive(Debug, Clone)]
pub struct ModelCard {
    /// The version.
    pub view: ModelView,
    /// The run that trained it.
    pub run: Option<RunHead>,
    /// What it was trained on, and how the least sure edge on the way from it is known.
    pub inputs: Vec<(Artifact, Evidence)>,
    /// Whether its entry says so, rather than the record of its run.
    pub inputs_said: bool,
    /// Its files, and how they lie on disk.
    pub files: Vec<(NamedArtifact, DiskState)>,
    /// Those of them that no recorded run wrote, although the entry names one: that they are of it is only said.
    pub declared: BTreeSet<ArtifactPath>,
    /// What has other bytes now than went into its files, by path; `None` where nobody looked.
    pub changed_since: Option<Vec<StaleCause>>,
    /// Documents that speak of it.
    pub documents: Vec<Note>,
}

/// A version, and the run that trained it.
pub type ModelRow = (ModelView, Option<RunHead>);

/// Versions of all models.
#[derive(Debug, Clone)]
pub struct ModelList {
    /// By name, of each the greatest first.
    pub rows: Vec<ModelRow>,
    /// Whether there are more.
    pub more: bool,
    /// Why there are none.
    pub lack: Option<Lack>,
}

/// A model with all that is registered under its name.
#[derive(Debug, Clone)]
pub struct ModelOverview {
    /// The name.
    pub name: String,
    /// The version in production.
    pub production: Option<NodeId>,
    /// The greatest version that was not withdrawn.
    pub latest: Option<NodeId>,
    /// Every version, the greatest first, each with its run.
    pub versions: Vec<ModelRow>,
}

/// Puts together what belongs to a version; its files, and what went into them, are read where `read_files`
/// says so.
///
/// # Errors
/// A store error where a record is damaged.
pub fn card(
    workspace: &Workspace,
    snapshot: &Snapshot,
    view: ModelView,
    read_files: bool,
) -> Result<ModelCard> {
    let inputs_said = !view.model.inputs.is_empty();
    let inputs = inputs(snapshot, &view.model)?;
    let held = view.model.artifacts.clone().into_par_iter();
    let files = held.map(|held| {
        let state = if read_files { disk_state(workspace, &held.artifact) } else { DiskState::NotChecked };
        (held, state)
    });
    let files = files.collect();
    let changed_since = match read_files {
        true => Some(changed_since_made(workspace, snapshot, &as_made(snapshot, &view.model)?)?),
        false => None,
    };
    let (run, documents) = (run_head(workspace, snapshot, &view)?, notes_on_model(snapshot, &view)?);
    // What a run writes is known when it has ended.
    let has_ended = run.as_ref().is_some_and(|run| run.status() != RunStatus::Running);
    let declared = if has_ended { declared(snapshot, &view.model)? } else { BTreeSet::new() };
    Ok(ModelCard { run, inputs, inputs_said, files, declared, changed_since, documents, view })
}

/// Lists what the files of a version were made as, each with the moment by which it was: as they lie where they were registered from, or
/// where nobody recorded who wrote them there, as the version's run made them.
fn as_made(snapshot: &Snapshot, model: &ModelVersion) -> Result<Vec<(ArtifactNo, i64)>> {
    let held = model.artifacts.iter().filter(|held| held.link.is_none());
    let mut written = Vec::new();
    for number in snapshot.artifact_nos(held.map(|held| &held.artifact))? {
        if snapshot.is_written(number)? {
            written.push((number, i64::MAX));
        }
    }
    if written.is_empty() { made_as(snapshot, model) } else { Ok(written) }
}

/// Reads the run of a version.
pub(crate) fn run_head(
    workspace: &Workspace,
    snapshot: &Snapshot,
    view: &ModelView,
) -> Result<Option<RunHead>> {
    let number = snapshot.run_of_model(&view.model)?;
    let Some(mut head) = number.map_or(Ok(None), |number| RunHead::read(snapshot, number))? else {
        return Ok(None);
    };
    head.alive = workspace.is_at_work(snapshot, &head.view)?;
    Ok(Some(head))
}

/// Puts together what is registered under a name; `None` where nothing is.
///
/// # Errors
/// A store error where a record is damaged.
pub fn overview(workspace: &Workspace, snapshot: &Snapshot, name: &str) -> Result<Option<ModelOverview>> {
    let views = versions(snapshot, name)?;
    if views.is_empty() {
        return Ok(None);
    }
    let mut rows = Vec::with_capacity(views.len());
    for view in views {
        let run = run_head(workspace, snapshot, &view)?;
        rows.push((view, run));
    }
    Ok(Some(ModelOverview {
        name: name.to_owned(),
        production: production(snapshot, name)?,
        latest: latest(snapshot, name)?,
        versions: rows,
    }))
}

/// Lists versions of all models by name, of each the greatest first, at most `limit`. What was withdrawn, and what has the name of
/// another, only where `all` are wanted.
///
/// # Errors
/// A store error where a record is damaged.
pub fn list(workspace: &Workspace, snapshot: &Snapshot, all: bool, limit: usize) -> Result<ModelList> {
    let mut rows = Vec::new();
    for name in model_names(snapshot)? {
        let flow = snapshot.model_versions(&name, Order::Falling, |model| {
            let Some(view) = model_view(snapshot, model.id)?.filter(|view| all || view.is_current()) else {
                return Ok(ControlFlow::Continue(()));
            };
            if rows.len() == limit {
                return Ok(ControlFlow::Break(()));
            }
            let run = run_head(workspace, snapshot, &view)?;
            rows.push((view, run));
            Ok(ControlFlow::Continue(()))
        })?;
        if flow.is_break() {
            return Ok(ModelList { rows, more: true, lack: None });
        }
    }
    let lack = match snapshot.model_count()? {
        _ if !rows.is_empty() => None,
        0 => Some(Lack::NothingRecorded),
        _ => Some(Lack::NoneCurrent),
    };
    Ok(ModelList { rows, more: false, lack })
}
