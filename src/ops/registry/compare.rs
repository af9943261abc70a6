//! Versions of models side by side: metrics, parameters, data, code.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::error::Result;
use crate::model::{Artifact, MetricValue, ModelVersion};
use crate::ops::Workspace;
use crate::ops::diff::compare_runs;
use crate::ops::registry::card::{ModelCard, card};
use crate::query::diff::{CodeDiff, FilesDiff};
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
    /// What was trained on, compared with the first; of the first nothing.
    pub data: Vec<FilesDiff>,
    /// The code of the run, compared with the first; `None` where one of them has no run.
    pub code: Vec<Option<ComparedCode>>,
}

/// The code of two runs.
#[derive(Debug, Clone)]
pub struct ComparedCode {
    /// The repository as it was.
    pub state: CodeDiff,
    /// What they read as code, in a repository or not.
    pub read: FilesDiff,
}

impl ComparedCode {
    /// Returns true where nothing recorded of their code differs.
    pub fn is_equal(&self) -> bool {
        self.state.is_equal() && self.read.is_equal()
    }
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
    let data = models.iter().map(|model| files(&inputs(&models[0]), &inputs(model))).collect();
    let code = models.iter().map(|model| code(workspace, snapshot, &models[0], model));
    let code = code.collect::<Result<Vec<_>>>()?;
    let parameters_same = all - parameters.len() as u64;
    Ok(ModelComparison {
        metrics,
        parameters: parameters.into_iter().collect(),
        parameters_same,
        data,
        code,
        models,
    })
}

fn code(
    workspace: &Workspace,
    snapshot: &Snapshot,
    a: &ModelCard,
    b: &ModelCard,
) -> Result<Option<ComparedCode>> {
    let (Some(a), Some(b)) = (&a.run, &b.run) else { return Ok(None) };
    let runs = compare_runs(workspace, snapshot, a.clone(), b.clone())?;
    Ok(Some(ComparedCode { state: runs.code, read: runs.code_read }))
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
fn files(a: &[Artifact], b: &[Artifact]) -> FilesDiff {
    let by_path = |files: &[Artifact]| {
        let mut paths: BTreeMap<_, BTreeSet<Artifact>> = BTreeMap::new();
        for file in files {
            paths.entry(file.path.clone()).or_default().insert(file.clone());
        }
        paths
    };
    FilesDiff::between(&by_path(a), &by_path(b))
}
