//! Versions of models side by side: files, metrics, parameters, data, and the runs that they came from.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::error::Result;
use crate::model::{Artifact, MetricValue, ModelVersion};
use crate::ops::Workspace;
use crate::ops::diff::compare_runs;
use crate::ops::registry::card::{ModelCard, card};
use crate::query::diff::{FilesDiff, RunDiff};
use crate::query::registry::ModelView;
use crate::store::Snapshot;

/// Versions side by side; every list of values is in their order.
#[derive(Debug, Clone)]
pub struct ModelComparison {
    /// The versions; all others are compared with the first.
    pub models: Vec<ModelCard>,
    /// Every metric that one of them has, by name.
    pub metrics: Vec<(String, Vec<Option<MetricValue>>)>,
    /// Parameters of their runs and fields of their training configurations that are not the same in all, by name.
    pub parameters: Vec<(String, Vec<Option<String>>)>,
    /// How many parameters are the same in all.
    pub parameters_same: u64,
    /// Their own files, by what they are to the model, compared with those of the first.
    pub files: Vec<FilesDiff>,
    /// What was trained on, compared with the first; of the first nothing.
    pub data: Vec<FilesDiff>,
    /// Their runs, compared with that of the first; `None` where one of them has no run.
    pub runs: Vec<Option<RunDiff>>,
}

/// Compares versions with the first of them.
///
/// # Errors
/// A store error where a record is damaged.
pub fn compare(workspace: &Workspace, snapshot: &Snapshot, views: Vec<ModelView>) -> Result<ModelComparison> {
    let cards = views.into_iter().map(|view| card(workspace, snapshot, view, false));
    let models = cards.collect::<Result<Vec<ModelCard>>>()?;
    let mut metrics: BTreeMap<&str, Vec<Option<MetricValue>>> = BTreeMap::new();
    let mut parameters: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    for (at, model) in models.iter().enumerate() {
        for metric in &model.view.metrics {
            metrics.entry(&metric.name).or_insert_with(|| vec![None; models.len()])[at] = Some(metric.value);
        }
        for (name, value) in told(model) {
            parameters.entry(name).or_insert_with(|| vec![None; models.len()])[at] = Some(value);
        }
    }
    let all = parameters.len() as u64;
    parameters.retain(|_, values| values.iter().any(|value| *value != values[0]));
    let metrics = metrics.into_iter().map(|(name, values)| (name.to_owned(), values)).collect();
    let inputs = |model: &ModelCard| -> Vec<Artifact> {
        model.inputs.iter().map(|(artifact, _)| artifact.clone()).collect()
    };
    let data = models.iter().map(|model| by_path(&inputs(&models[0]), &inputs(model))).collect();
    let files = models.iter().map(|model| compare_own_files(&models[0], model));
    let runs = models.iter().map(|model| runs(workspace, snapshot, &models[0], model));
    let runs = runs.collect::<Result<Vec<_>>>()?;
    let parameters_same = all - parameters.len() as u64;
    Ok(ModelComparison {
        metrics,
        parameters: parameters.into_iter().collect(),
        parameters_same,
        files: files.collect(),
        data,
        runs,
        models,
    })
}

fn runs(workspace: &Workspace, snapshot: &Snapshot, a: &ModelCard, b: &ModelCard) -> Result<Option<RunDiff>> {
    let (Some(a), Some(b)) = (&a.run, &b.run) else { return Ok(None) };
    compare_runs(workspace, snapshot, a.clone(), b.clone()).map(Some)
}

/// Compares the files of two versions: those with the same bytes are the same, whatever each run called them.
fn compare_own_files(a: &ModelCard, b: &ModelCard) -> FilesDiff {
    let mut files = FilesDiff::between(&own_files(a), &own_files(b));
    let is_same = |[a, b]: &[Artifact; 2]| (a.digest, a.size_bytes) == (b.digest, b.size_bytes);
    let changed = files.changed.len();
    files.changed.retain(|pair| !is_same(pair));
    files.same += (changed - files.changed.len()) as u64;
    files
}

/// Lists the files of a version by what they are to the model: each may lie in a folder of its run.
fn own_files(model: &ModelCard) -> BTreeMap<&str, BTreeSet<Artifact>> {
    let files = model.files.iter();
    files.map(|(file, _)| (file.name.as_str(), BTreeSet::from([file.artifact.clone()]))).collect()
}

/// Lists what the training was told: the run's parameters, and each field of the training configuration by its path.
fn told(model: &ModelCard) -> BTreeMap<String, String> {
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in model.run.iter().flat_map(|run| &run.view.run.parameters) {
        told.entry(name.clone())
            .and_modify(|all| all.extend([", ", value.as_str()]))
            .or_insert(value.clone());
    }
    let version: &ModelVersion = &model.view.model;
    if let Some(config) = &version.training_config
        && let Ok(config) = serde_json::from_str::<Value>(config)
    {
        let mut frontier = vec![("config".to_owned(), &config)];
        while let Some((name, value)) = frontier.pop() {
            match value {
                Value::Object(fields) => {
                    frontier.extend(fields.iter().map(|(field, value)| (format!("{name}.{field}"), value)));
                }
                Value::String(text) => drop(told.insert(name, text.clone())),
                other => drop(told.insert(name, other.to_string())),
            }
        }
    }
    for (name, value) in [("base_model", &version.base_model), ("model_type", &version.model_type)] {
        told.extend(value.as_ref().map(|value| (name.to_owned(), value.clone())));
    }
    told
}

/// Compares two lists of files by path, then by content.
fn by_path(a: &[Artifact], b: &[Artifact]) -> FilesDiff {
    let paths = |files: &[Artifact]| {
        let mut paths: BTreeMap<_, BTreeSet<Artifact>> = BTreeMap::new();
        for file in files {
            paths.entry(file.path.clone()).or_default().insert(file.clone());
        }
        paths
    };
    FilesDiff::between(&paths(a), &paths(b))
}
