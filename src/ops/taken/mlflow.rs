//! `lineage import --format mlflow`: a folder `mlruns`, or a database of MLflow in an SQLite file.
//!
//! | MLflow | here |
//! |---|---|
//! | run, its parameters, tags, status | a run of kind import, the same; the experiment's name is the tag `mlflow.experiment` |
//! | a run that is called otherwise now, or is deleted now | the tags `mlflow.runName`, `mlflow.lifecycle_stage` |
//! | `mlflow.source.git.commit`, `.branch` | the run's code |
//! | `mlflow.parentRunId`, or else the recorded run that was observed to write the run's files | the run that this one is a part of |
//! | metric points | the same; what is not finite is left out, and said |
//! | artifacts and logged models on this machine, in a folder that names the run or the model | files that the run generated, known because MLflow says so |
//! | data sets | inputs by name, `mlflow-dataset://iris/eaab23d7`, or by address: MLflow keeps a digest of its own, so that their content is not known |
//! | version 3 of a registered model, its stage, aliases, tags | model version 3.0.0, the same; its files are those of the logged model, its metrics those of that and of the run |
//! | a model's name that cannot be one here | the same with `_` for what cannot stand in it, which is said |

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::capture::secrets::masked_word;
use crate::disk::open_regular;
use crate::error::{Error, Result};
use crate::model::{
    Artifact, ArtifactPath, Metric, MetricValue, NodeId, Run, RunStatus, Timestamp, percent_decoded,
    percent_encoded,
};
use crate::ops::taken::{TakenOver, TakenRun, Taking, database, files, files_below};
use crate::ops::{Clock, View, Workspace};
use crate::query::last_values;

/// A run of MLflow.
#[derive(Debug, Clone, Default)]
pub(super) struct MlRun {
    pub uuid: String,
    pub name: String,
    pub experiment: String,
    /// MLflow's word or number.
    pub status: String,
    pub start_ms: Option<i64>,
    pub end_ms: Option<i64>,
    pub user: String,
    pub artifact_uri: String,
    /// Where artifacts lie beside the store, should they have been moved with it.
    pub artifacts_beside: Option<PathBuf>,
    pub is_deleted: bool,
    pub parameters: Vec<(String, String)>,
    pub tags: Vec<(String, String)>,
    pub data: Vec<MlData>,
}

/// A data set that a run read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct MlData {
    pub name: String,
    /// MLflow's own digest.
    pub digest: String,
    /// A JSON document that says where it came from.
    pub source: String,
}

/// A model as MLflow 3 keeps it, beside the runs.
#[derive(Debug, Clone, Default)]
pub(super) struct MlLogged {
    pub id: String,
    pub run_uuid: String,
    pub location: String,
    /// Where its files lie beside the store, should they have been moved with it.
    pub beside: Option<PathBuf>,
    pub points: Vec<MlPoint>,
}

impl MlLogged {
    /// Returns the folder of its files, where that is on this machine.
    pub fn folder(&self) -> Option<PathBuf> {
        let named = local_path(&self.location).and_then(|folder| folder_of(&self.id, folder));
        named.or_else(|| folder_of(&self.id, self.beside.clone()?))
    }
}

/// A point of a metric, its value perhaps not finite.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MlPoint {
    pub name: String,
    pub value: f64,
    pub step: i64,
    pub at_ms: i64,
}

/// A version of a registered model.
#[derive(Debug, Clone, Default)]
pub(super) struct MlModel {
    pub name: String,
    pub version: String,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub description: String,
    pub stage: String,
    pub source: String,
    pub run_uuid: Option<String>,
    pub tags: Vec<(String, String)>,
    pub aliases: Vec<String>,
}

/// A store of MLflow. What cannot be read of it is said in the report, and the rest taken.
pub(super) trait MlStore {
    /// Calls `visit` with every run.
    fn runs(
        &mut self,
        report: &mut TakenOver,
        visit: &mut dyn FnMut(MlRun, &mut TakenOver) -> Result<()>,
    ) -> Result<()>;
    /// Returns the points of a run.
    fn points(&mut self, run: &MlRun, report: &mut TakenOver) -> Result<Vec<MlPoint>>;
    /// Returns the models that were logged, of MLflow 3.
    fn logged(&mut self, report: &mut TakenOver) -> Result<Vec<MlLogged>>;
    /// Returns the versions of registered models.
    fn models(&mut self, report: &mut TakenOver) -> Result<Vec<MlModel>>;
}

/// Takes over a store of MLflow at `place`.
///
/// # Errors
/// A request error where there is none, a store error where the journal cannot be written.
pub fn import_mlflow(
    workspace: &Workspace,
    view: &View,
    clock: &Clock,
    host: &str,
    place: &Path,
) -> Result<TakenOver> {
    let mut store = open(place)?;
    let mut taking = Taking::begin(workspace, view, clock, host);
    // Runs name their parents, so all keys are known before the first run is written.
    store.runs(&mut TakenOver::default(), &mut |run, _| {
        if let Some(start) = run.start_ms.filter(|_| !run.is_deleted) {
            taking.expect(&run.uuid, moment(start));
        }
        Ok(())
    })?;
    let mut report = std::mem::take(&mut taking.report);
    let (mut runs, mut deleted) = (Vec::new(), Vec::new());
    store.runs(&mut report, &mut |run, report| {
        if run.is_deleted {
            deleted.push(run);
        } else if run.start_ms.is_none() {
            report.leave_out(format!("run {} has no start", run.uuid));
        } else {
            runs.push(run);
        }
        Ok(())
    })?;
    runs.sort_by(|a, b| (a.start_ms, &a.uuid).cmp(&(b.start_ms, &b.uuid)));
    let logged = store.logged(&mut report)?;
    taking.report = report;
    for run in deleted {
        let (started_at, tag) =
            (moment(run.start_ms.unwrap_or_default()), ("mlflow.lifecycle_stage", "deleted"));
        if !taking.deleted(&run.uuid, started_at, tag)? {
            taking.report.deleted += 1;
        }
    }
    let mut logged = Logged::of(logged);
    for run in &runs {
        let metrics = take_run(&mut taking, store.as_mut(), run, &logged)?;
        logged.metrics.insert(run.uuid.clone(), metrics);
    }
    let mut report = std::mem::take(&mut taking.report);
    let models = store.models(&mut report)?;
    taking.report = report;
    super::models::take(&mut taking, models, &logged)?;
    taking.finish()
}

/// What is known of models that were logged, and of the runs that logged them.
pub(super) struct Logged {
    /// The models, by their ids.
    models: BTreeMap<String, MlLogged>,
    /// The ids of the models that a run logged.
    of_run: BTreeMap<String, Vec<String>>,
    /// The last point of each metric of each run.
    metrics: BTreeMap<String, Vec<Metric>>,
}

impl Logged {
    fn of(models: Vec<MlLogged>) -> Self {
        let mut logged =
            Logged { models: BTreeMap::new(), of_run: BTreeMap::new(), metrics: BTreeMap::new() };
        for model in models {
            logged.of_run.entry(model.run_uuid.clone()).or_default().push(model.id.clone());
            logged.models.insert(model.id.clone(), model);
        }
        logged
    }

    /// Returns the models that a run logged.
    fn of_run(&self, uuid: &str) -> impl Iterator<Item = &MlLogged> {
        let ids = self.of_run.get(uuid).into_iter().flatten();
        ids.filter_map(|id| self.models.get(id))
    }

    /// Finds the logged model that the source of a version names: `models:/m-3f97`.
    pub fn named(&self, source: &str) -> Option<&MlLogged> {
        let id = source.strip_prefix("models:/")?;
        self.models.get(id)
    }

    /// Returns the last values of a version's metrics, of its model and its run together: MLflow gives a model the first point
    /// of a metric that its run went on with.
    pub fn metrics(&self, model: &MlModel) -> Vec<(String, MetricValue)> {
        let logged = self.named(&model.source).into_iter().flat_map(|logged| &logged.points);
        // Whose points they are matters no more.
        let owner = NodeId::from_u128(0);
        let mut points: Vec<Metric> = logged.filter_map(|point| finite(point, owner)).collect();
        let of_run = model.run_uuid.as_ref().and_then(|uuid| self.metrics.get(uuid));
        points.extend(of_run.into_iter().flatten().cloned());
        last_values(&points).into_iter().map(|metric| (metric.name, metric.value)).collect()
    }
}

/// Says whether there is a store of MLflow at `place`.
pub fn is_store(place: &Path) -> bool {
    open(place).is_ok()
}

fn open(place: &Path) -> Result<Box<dyn MlStore>> {
    let shown = place.display().to_string();
    let shown = shown.escape_debug();
    let none = || {
        Error::request(format!("`{shown}` is no store of MLflow"))
            .hint("name a folder `mlruns`, or the file of an SQLite database")
    };
    let metadata =
        place.metadata().map_err(|cause| Error::request(format!("cannot read `{shown}`")).because(cause))?;
    if metadata.is_dir() {
        return Ok(Box::new(files::Store::open(place).ok_or_else(none)?));
    }
    let mut front = [0; 16];
    let read = open_regular(place).and_then(|mut file| file.read_exact(&mut front));
    if read.is_err() || &front != b"SQLite format 3\0" {
        return Err(none());
    }
    Ok(Box::new(database::Store::open(place)?))
}

/// The tag that MLflow keeps a run's name in.
const RUN_NAME: &str = "mlflow.runName";

/// Turns MLflow's milliseconds into a moment.
pub(super) fn moment(millis: i64) -> Timestamp {
    Timestamp::from_micros(millis.saturating_mul(1_000))
}

fn status_of(word: &str) -> Option<RunStatus> {
    match word {
        "FINISHED" | "3" => Some(RunStatus::Succeeded),
        "FAILED" | "4" => Some(RunStatus::Failed),
        "KILLED" | "5" => Some(RunStatus::Interrupted),
        _ => None,
    }
}

/// Returns a point as it is recorded; `None` where its value is not finite.
fn finite(point: &MlPoint, owner: NodeId) -> Option<Metric> {
    let value = MetricValue::new(point.value).ok()?;
    Some(Metric { owner, name: point.name.clone(), step: point.step, at: moment(point.at_ms), value })
}

/// Records a run; returns the last point of each of its metrics.
fn take_run(
    taking: &mut Taking<'_>,
    store: &mut dyn MlStore,
    run: &MlRun,
    logged: &Logged,
) -> Result<Vec<Metric>> {
    let tag = |name: &str| run.tags.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let commit = tag("mlflow.source.git.commit");
    let mut tags: Vec<(String, String)> =
        run.tags.iter().filter(|(key, _)| key != RUN_NAME).cloned().collect();
    for (key, value) in [("mlflow.experiment", &run.experiment), ("mlflow.user", &run.user)] {
        if !value.is_empty() && !tags.iter().any(|(known, _)| known == key) {
            tags.push((key.to_owned(), value.clone()));
        }
    }
    tags.sort();
    let name = Some(run.name.clone()).filter(|name| !name.is_empty()).or_else(|| tag(RUN_NAME));
    let mut report = std::mem::take(&mut taking.report);
    let mut generated = artifacts(taking.workspace(), run, &mut report);
    for model in logged.of_run(&run.uuid) {
        match model.folder() {
            Some(folder) => {
                let files = files_below(taking.workspace(), &folder, &mut report);
                generated.extend(files.into_iter().map(|(_, artifact)| artifact));
            }
            None => report.leave_out(format!(
                "the files of model {} of run {} lie at {}",
                model.id,
                run.uuid,
                model.location.escape_debug()
            )),
        }
    }
    let meta = run
        .artifacts_beside
        .as_ref()
        .and_then(|beside| beside.parent())
        .map(|folder| folder.join("meta.yaml"));
    let meta = meta.and_then(|meta| meta.canonicalize().ok());
    let notes = meta.and_then(|meta| ArtifactPath::within(taking.workspace().root(), &meta).ok());
    let used = run.data.iter().filter_map(|data| data_set(data, &mut report)).collect();
    let points = store.points(run, &mut report)?;
    taking.report = report;
    let started_at = moment(run.start_ms.unwrap_or_default());
    let by = tag("mlflow.user").filter(|user| !user.is_empty()).unwrap_or_else(|| run.user.clone());
    let taken = taking.run(TakenRun {
        key: run.uuid.clone(),
        name: name.unwrap_or_else(|| run.uuid.clone()),
        name_tag: Some(RUN_NAME),
        recorder: Run::RECORDED_BY_MLFLOW.to_owned(),
        status: status_of(&run.status),
        started_at,
        ended_at: run.end_ms.map(moment),
        reason: None,
        by,
        arguments: tag("mlflow.source.name").into_iter().collect(),
        parameters: run.parameters.clone(),
        tags,
        commit,
        branch: tag("mlflow.source.git.branch"),
        is_of_elsewhere: false,
        is_dirty: None,
        changed: Vec::new(),
        parent: tag("mlflow.parentRunId"),
        notes: notes.into_iter().collect(),
        used,
        generated,
    })?;
    let Some(id) = taken else { return Ok(Vec::new()) };
    let mut taken = Vec::with_capacity(points.len());
    for point in points {
        match finite(&point, id) {
            Some(metric) => taken.push(metric),
            None => taking.report.leave_out(format!(
                "{} of run {} at step {} is {}",
                point.name.escape_debug(),
                run.uuid,
                point.step,
                point.value
            )),
        }
    }
    taking.points(id, &run.uuid, taken)
}

/// Names a data set by the address it came from, else by its name and the digest that MLflow has of it.
fn data_set(data: &MlData, report: &mut TakenOver) -> Option<Artifact> {
    let source: serde_json::Value = serde_json::from_str(&data.source).unwrap_or_default();
    let address = ["uri", "url", "path"].iter().find_map(|key| source[*key].as_str());
    let address = address.filter(|address| address.contains("://") && !address.starts_with("file:"));
    let encoded = |text: &str| percent_encoded(text.as_bytes());
    let name = || format!("mlflow-dataset://{}/{}", encoded(&data.name), encoded(&data.digest));
    match ArtifactPath::new(address.map_or_else(name, masked_word)) {
        Ok(path) => {
            let version = format!("{} {}", data.name, data.digest);
            Some(Artifact::without_content(path, version.as_bytes()))
        }
        Err(error) => {
            report.leave_out(format!("the data set {}: {}", data.name.escape_debug(), error.in_full()));
            None
        }
    }
}

/// Returns the files of a run, where they lie on this machine.
fn artifacts(workspace: &Workspace, run: &MlRun, report: &mut TakenOver) -> Vec<Artifact> {
    let told = local_path(&run.artifact_uri);
    let named = told.clone().and_then(|folder| folder_of(&run.uuid, folder));
    let beside = run.artifacts_beside.clone().and_then(|folder| folder_of(&run.uuid, folder));
    let are_elsewhere = match &told {
        Some(folder) => folder.is_dir(),
        None => beside.is_none() && run.artifact_uri.contains("://"),
    };
    if named.is_none() && are_elsewhere {
        report.leave_out(format!(
            "the artifacts of run {} lie at {}",
            run.uuid,
            run.artifact_uri.escape_debug()
        ));
    }
    let found = named.or(beside).map(|folder| files_below(workspace, &folder, report));
    found.unwrap_or_default().into_iter().map(|(_, artifact)| artifact).collect()
}

/// Returns a folder if it is there and that of a run's or a model's files: MLflow makes each below one that is called as the run or
/// the model. A store may name any folder of the machine, and lead there by links.
pub(super) fn folder_of(key: &str, folder: PathBuf) -> Option<PathBuf> {
    let real = folder.canonicalize().ok()?;
    let is_its_own = real.components().any(|part| part.as_os_str() == key);
    (is_its_own && real.is_dir()).then_some(folder)
}

/// Returns the place on this machine that a URI or a path of MLflow names.
pub(super) fn local_path(uri: &str) -> Option<PathBuf> {
    let path = match uri.strip_prefix("file://") {
        Some(path) => path.find('/').map(|at| &path[at..])?,
        None => uri.strip_prefix("file:").unwrap_or(uri),
    };
    (!path.contains("://") && Path::new(path).is_absolute()).then(|| PathBuf::from(percent_decoded(path)))
}
