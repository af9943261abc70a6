//! A folder `mlruns`: a folder for each experiment, in it one for each run, in it a file for each metric, parameter and tag.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::disk::read_regular_text;
use crate::error::Result;
use crate::model::{printed_word, recorded_word};
use crate::ops::taken::TakenOver;
use crate::ops::taken::mlflow::{MlData, MlLogged, MlModel, MlPoint, MlRun, MlStore};
use crate::research::yaml_pairs;

/// As many bytes of a parameter, a tag or a meta file are read.
const TEXT_MAX_BYTES: u64 = 1 << 20;
/// As many bytes of a metric are read.
const METRIC_MAX_BYTES: u64 = 1 << 30;

/// The folder.
pub(super) struct Store {
    root: PathBuf,
}

impl Store {
    /// Opens `mlruns`, or the folder that holds it; `None` where no experiment lies there.
    pub fn open(folder: &Path) -> Option<Self> {
        let roots = [folder.to_owned(), folder.join("mlruns")];
        let is_store = |root: &PathBuf| {
            let entries = fs::read_dir(root).into_iter().flatten().flatten();
            root.join("models").is_dir()
                || entries.map(|entry| entry.path().join("meta.yaml")).any(|meta| meta.is_file())
        };
        roots.into_iter().find(is_store).map(|root| Store { root })
    }
}

type Pairs = BTreeMap<String, String>;

/// Reads a `meta.yaml`; what is null is left out.
fn meta(folder: &Path, report: &mut TakenOver) -> Option<Pairs> {
    let file = folder.join("meta.yaml");
    let text = match text(&file, TEXT_MAX_BYTES) {
        Ok(text) => text,
        Err(cause) => {
            report.leave_out(format!("`{}`: {cause}", shown(&file)));
            return None;
        }
    };
    match yaml_pairs(&text) {
        Ok(pairs) => Some(pairs.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()),
        Err(line) => {
            report.leave_out(format!("`{}`: line {line} is no YAML", shown(&file)));
            None
        }
    }
}

fn shown(path: &Path) -> String {
    printed_word(path)
}

fn text(file: &Path, bytes_max: u64) -> std::io::Result<String> {
    let metadata = fs::metadata(file)?;
    if !metadata.is_file() || metadata.len() > bytes_max {
        return Err(std::io::Error::other("it is no plain file, or too large"));
    }
    read_regular_text(file)
}

/// Returns the folders in a folder, by name; not those whose names begin with a dot.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."))
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}

/// Returns the files below a folder, each with its path in it: names may hold `/`.
fn named_files(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    let mut frontier = vec![folder.to_owned()];
    while let Some(place) = frontier.pop() {
        for entry in fs::read_dir(&place).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => frontier.push(path),
                Ok(kind) if kind.is_file() => {
                    let name = path.strip_prefix(folder).map(recorded_word);
                    found.extend(name.ok().map(|name| (name, path)));
                }
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// Reads each file below a folder as a value.
fn values(folder: &Path, report: &mut TakenOver) -> Vec<(String, String)> {
    let mut values = Vec::new();
    for (name, file) in named_files(folder) {
        match text(&file, TEXT_MAX_BYTES) {
            Ok(value) => values.push((name, value)),
            Err(cause) => report.leave_out(format!("`{}`: {cause}", shown(&file))),
        }
    }
    values
}

impl MlStore for Store {
    fn runs(
        &mut self,
        report: &mut TakenOver,
        visit: &mut dyn FnMut(MlRun, &mut TakenOver) -> Result<()>,
    ) -> Result<()> {
        for experiment in folders(&self.root) {
            if experiment.ends_with("models") || !experiment.join("meta.yaml").exists() {
                continue;
            }
            let described = meta(&experiment, report).unwrap_or_default();
            let experiment_name = described.get("name").cloned().unwrap_or_default();
            let deleted = described.get("lifecycle_stage").is_some_and(|stage| stage == "deleted");
            for folder in folders(&experiment) {
                let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                // Beside runs lie the folders of traces, data sets, models and tags.
                let is_run = name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
                if !is_run {
                    continue;
                }
                let Some(mut meta) = meta(&folder, report) else {
                    continue;
                };
                let mut take = |key: &str| meta.remove(key).unwrap_or_default();
                let run = MlRun {
                    uuid: name,
                    name: take("run_name"),
                    experiment: experiment_name.clone(),
                    status: take("status"),
                    start_ms: take("start_time").parse().ok(),
                    end_ms: take("end_time").parse().ok(),
                    user: take("user_id"),
                    artifact_uri: take("artifact_uri"),
                    artifacts_beside: Some(folder.join("artifacts")),
                    is_deleted: deleted || take("lifecycle_stage") == "deleted",
                    parameters: values(&folder.join("params"), report),
                    tags: values(&folder.join("tags"), report),
                    data: data(&experiment, &folder, report),
                };
                visit(run, report)?;
            }
        }
        Ok(())
    }

    fn points(&mut self, run: &MlRun, report: &mut TakenOver) -> Result<Vec<MlPoint>> {
        let Some(folder) = run.artifacts_beside.as_ref().and_then(|beside| beside.parent()) else {
            return Ok(Vec::new());
        };
        let mut points = Vec::new();
        for (name, file) in named_files(&folder.join("metrics")) {
            let text = match text(&file, METRIC_MAX_BYTES) {
                Ok(text) => text,
                Err(cause) => {
                    report.leave_out(format!("`{}`: {cause}", shown(&file)));
                    continue;
                }
            };
            if text.trim().is_empty() {
                report.leave_out(format!("`{}`: it is empty", shown(&file)));
            }
            for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                match point_of(&name, line) {
                    Some(point) => points.push(point),
                    None => report.leave_out(format!(
                        "`{}`: line {} is no point of a metric",
                        shown(&file),
                        at + 1
                    )),
                }
            }
        }
        Ok(points)
    }

    fn logged(&mut self, report: &mut TakenOver) -> Result<Vec<MlLogged>> {
        let mut logged = Vec::new();
        for folder in folders(&self.root).iter().flat_map(|experiment| folders(&experiment.join("models"))) {
            let Some(mut meta) = meta(&folder, report) else {
                continue;
            };
            let mut take = |key: &str| meta.remove(key).unwrap_or_default();
            // The metrics of its run are taken from the run.
            let (id, run_uuid, location) =
                (take("model_id"), take("source_run_id"), take("artifact_location"));
            let beside = Some(folder.join("artifacts"));
            logged.push(MlLogged { id, run_uuid, location, beside, points: Vec::new() });
        }
        Ok(logged)
    }

    fn models(&mut self, report: &mut TakenOver) -> Result<Vec<MlModel>> {
        let mut models = Vec::new();
        for folder in folders(&self.root.join("models")) {
            let aliases = values(&folder.join("aliases"), report);
            let Some(described) = meta(&folder, report) else {
                continue;
            };
            let name = described.get("name").cloned().unwrap_or_default();
            for version in folders(&folder) {
                let is_version =
                    version.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"version-"));
                let Some(mut meta) = is_version.then(|| meta(&version, report)).flatten() else {
                    continue;
                };
                let mut take = |key: &str| meta.remove(key).unwrap_or_default();
                let number = take("version");
                models.push(MlModel {
                    name: name.clone(),
                    created_ms: take("creation_timestamp").parse().unwrap_or_default(),
                    updated_ms: take("last_updated_timestamp").parse().unwrap_or_default(),
                    description: take("description"),
                    stage: take("current_stage"),
                    source: take("source"),
                    run_uuid: Some(take("run_id")).filter(|uuid| !uuid.is_empty()),
                    tags: values(&version.join("tags"), report),
                    aliases: aliases
                        .iter()
                        .filter(|(_, of)| of.trim() == number)
                        .map(|(alias, _)| alias.clone())
                        .collect(),
                    version: number,
                });
            }
        }
        Ok(models)
    }
}

/// Reads which data sets a run read: a folder for each, which names that of the data set beside the runs.
fn data(experiment: &Path, run: &Path, report: &mut TakenOver) -> Vec<MlData> {
    let mut found = Vec::new();
    for input in folders(&run.join("inputs")) {
        let Some(mut said) = meta(&input, report) else {
            continue;
        };
        let id = said.remove("source_id").unwrap_or_default();
        let is_name = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_data = said.get("source_type").is_some_and(|sort| sort == "DATASET");
        if !is_data || !is_name {
            continue;
        }
        let Some(mut described) = meta(&experiment.join("datasets").join(id), report) else {
            continue;
        };
        let mut take = |key: &str| described.remove(key).unwrap_or_default();
        found.push(MlData { name: take("name"), digest: take("digest"), source: take("source") });
    }
    found
}

/// Reads `1765561338123 0.5 3`: milliseconds, value, step.
fn point_of(name: &str, line: &str) -> Option<MlPoint> {
    let mut words = line.split_whitespace();
    let at_ms = words.next()?.parse().ok()?;
    let value = words.next()?;
    let step = words.next().map_or(Some(0), |step| step.parse().ok())?;
    let value = match value.to_ascii_lowercase().as_str() {
        "nan" => f64::NAN,
        "inf" | "infinity" => f64::INFINITY,
        "-inf" | "-infinity" => f64::NEG_INFINITY,
        other => other.parse().ok()?,
    };
    Some(MlPoint { name: name.to_owned(), value, step, at_ms })
}
