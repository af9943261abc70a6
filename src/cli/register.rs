//! `lineage register`

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use crate::cli::stages::StageWord;
use crate::cli::{REGISTRY_STAYS, Surroundings, changes_nothing, output, run_under_way};
use crate::error::{Error, Kind, Result};
use crate::model::{ArtifactPath, recorded_word, repeated_word};
use crate::ops::named::{place_on_disk, split_first};
use crate::ops::registry::{
    Entry, EntryArtifact, parse_object, read_entry, read_metrics, read_object, register,
};
use crate::query::RunSelector;
use crate::render;

/// Register a version of a model: its files, its metrics, and the run that trained it.
///
/// The run is the one that wrote the files, unless --run names it. Files must lie in the workspace and hold what the run
/// wrote. Metrics, code and inputs are taken from the run where they are not given. A version is never replaced.
/// The code that its runs read from git is kept, as far as it is small: commits that are amended or rebased are cleared away.
#[derive(Args)]
#[command(after_help = "Examples:
  lineage register risk_words 1.0.0 --run @ --artifact model=model.txt  a file of the latest run")]
pub(crate) struct Register {
    /// The model's name.
    #[arg(required_unless_present = "from_file")]
    name: Option<String>,
    /// The semantic version, such as 1.2.0.
    #[arg(required_unless_present = "from_file")]
    version: Option<String>,
    /// The run that trained it: `@` (the latest; inside a run, that run), a run id, the end of its key, or its name.
    #[arg(long)]
    run: Option<String>,
    /// A file of the model and what it is to it; of a folder, every file in it.
    #[arg(long = "artifact", value_name = "NAME=PATH", value_hint = ValueHint::AnyPath)]
    artifacts: Vec<OsString>,
    /// A metric; those not given are taken from the run.
    #[arg(long = "metric", value_name = "NAME=VALUE")]
    metrics: Vec<String>,
    /// A JSON or YAML file of metrics.
    #[arg(long = "metrics", value_name = "FILE")]
    metrics_file: Option<PathBuf>,
    /// What the model is, in a sentence.
    #[arg(long)]
    description: Option<String>,
    /// What sort of model it is.
    #[arg(long)]
    model_type: Option<String>,
    /// The model it was made from.
    #[arg(long)]
    base_model: Option<String>,
    /// What it was trained on: a file or folder, a URL such as `hf://…`, or a JSON object that describes it.
    #[arg(long = "dataset", value_name = "PATH|URL|JSON", value_hint = ValueHint::AnyPath)]
    datasets: Vec<OsString>,
    /// A word to find it by.
    #[arg(long = "tag", value_name = "NAME[=VALUE]")]
    tags: Vec<String>,
    /// How it was trained: a JSON or YAML file, or a JSON object.
    #[arg(long, value_name = "FILE|JSON", value_hint = ValueHint::FilePath)]
    training_config: Option<OsString>,
    /// Remarks.
    #[arg(long)]
    notes: Option<String>,
    /// The stage it begins in: development, staging, production or archived.
    #[arg(long, value_name = "STAGE", value_parser = StageWord, hide_possible_values = true)]
    status: Option<String>,
    /// The version whose place it takes.
    #[arg(long, value_name = "VERSION")]
    promoted_from: Option<String>,
    /// Leave the files where they lie and nowhere else. By default their bytes are kept, whatever their size, so that the version is
    /// to be had for good.
    #[arg(long)]
    no_keep: bool,
    /// Register it as of --run also where no recorded run wrote any of its files; that they are of it is shown as declared.
    #[arg(long)]
    force: bool,
    /// Take the entry from a JSON file; what is given beside it goes before it.
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Register {
    pub(crate) fn run(self, surroundings: &Surroundings) -> Result<u8> {
        let json = self.json;
        let workspace = surroundings.workspace()?;
        if changes_nothing(&workspace, REGISTRY_STAYS)? {
            return Ok(0);
        }
        let folder = surroundings.real_folder();
        let from_file = self.from_file.as_ref().map(repeated_word);
        let this = run_under_way(&workspace)?.map(|run| RunSelector::Tail(run.hex()));
        let (entry, passed_over) = self.entry(&folder, this)?;
        let author = surroundings.author();
        let registered = register(&workspace, &surroundings.clock, &author, &folder, &entry);
        // A version has a key only where a registry gave it one.
        let registered = registered.map_err(|error| match &from_file {
            Some(file) if error.kind() == Kind::Request && passed_over.contains(&"id") => error.hint(format!(
                "`{file}` is an entry of a registry: `lineage import --format registry {file}` takes it as it is; \
                 nothing was registered"
            )),
            _ => error,
        })?;
        output::warnings(&registered.warnings);
        if !passed_over.is_empty() {
            output::note(&format!("note: the registry itself decides {}", passed_over.join(", ")));
        }
        for remark in &registered.remarks {
            output::note(&format!("note: {remark}"));
        }
        if json {
            output::json(&render::models::registered_json(&registered))?;
        } else {
            output::answer(&render::models::registered(&registered))?;
        }
        Ok(0)
    }

    fn entry(self, folder: &Path, this: Option<RunSelector>) -> Result<(Entry, Vec<&'static str>)> {
        let (mut entry, passed_over) = match &self.from_file {
            Some(path) => read_entry(folder, path)?,
            None => (Entry::default(), Vec::new()),
        };
        entry.name = self.name.unwrap_or(entry.name);
        entry.version = self.version.unwrap_or(entry.version);
        // Inside a run, that run is the latest there can be.
        entry.run = match self.run.as_deref() {
            Some("@") if this.is_some() => this,
            Some(word) => Some(word.parse()?),
            None => entry.run.or(this),
        };
        let artifacts = self.artifacts.iter().map(|word| named_path(word));
        let artifacts = artifacts.collect::<Result<Vec<_>>>()?;
        entry.artifacts.retain(|other| artifacts.iter().all(|(name, _)| other.name != *name));
        entry.artifacts.extend(artifacts.into_iter().map(|(name, path)| EntryArtifact {
            name,
            path: PathBuf::from(path),
            digest: None,
        }));
        if let Some(path) = &self.metrics_file {
            entry.metrics = read_metrics(folder, path)?;
        }
        let metrics = self.metrics.iter().map(|metric| {
            let (name, text) = pair("--metric", "NAME=VALUE", metric)?;
            let value = text.trim().parse().map_err(|cause: std::num::ParseFloatError| {
                Error::request(format!("metric `{}` is no number", name.escape_debug())).because(cause)
            })?;
            Ok((name, value))
        });
        let metrics: Vec<(String, f64)> = metrics.collect::<Result<_>>()?;
        entry.metrics.retain(|(other, _)| metrics.iter().all(|(name, _)| other != name));
        entry.metrics.extend(metrics);
        let tags = self.tags.iter().map(|tag| tag.split_once('=').unwrap_or((tag, "")));
        entry.tags.retain(|(other, _)| tags.clone().all(|(name, _)| other != name));
        entry.tags.extend(tags.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for dataset in self.datasets {
            take_dataset(&mut entry, folder, &dataset)?;
        }
        if let Some(config) = &self.training_config {
            entry.training_config = Some(match config.to_str().filter(|text| is_object(text)) {
                Some(text) => parse_object(text).map_err(|cause| {
                    Error::request("`--training-config` is no JSON object").because(cause)
                })?,
                None => read_object(folder, config.as_ref(), "the training configuration")?,
            });
        }
        (entry.no_keep, entry.force) = (self.no_keep, self.force);
        entry.stage = self.status.map(|stage| stage.parse()).transpose()?.or(entry.stage);
        entry.description = self.description.or(entry.description);
        entry.model_type = self.model_type.or(entry.model_type);
        entry.base_model = self.base_model.or(entry.base_model);
        entry.notes = self.notes.or(entry.notes);
        entry.promoted_from = self.promoted_from.or(entry.promoted_from);
        Ok((entry, passed_over))
    }
}

fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

fn take_dataset(entry: &mut Entry, folder: &Path, word: &OsStr) -> Result<()> {
    if let Some(text) = word.to_str().filter(|text| is_object(text)) {
        let document = parse_object(text)
            .map_err(|cause| Error::request("`--dataset` is no JSON object").because(cause))?;
        entry.dataset_info = Some(document);
        return Ok(());
    }
    let is_url = ArtifactPath::from_bytes(word.as_encoded_bytes().to_vec()).is_ok_and(|path| path.is_url());
    if !is_url && !place_on_disk(folder, word)?.exists() {
        return Err(Error::request(format!("no file `{}` to have learned from", repeated_word(word)))
            .hint("give a file, a folder, a URL such as `hf://…`, or a JSON object that describes it"));
    }
    entry.inputs.push(recorded_word(word));
    Ok(())
}

/// Reads `NAME=PATH`.
fn named_path(word: &OsStr) -> Result<(String, OsString)> {
    let pair = split_first(word, b'=').filter(|(name, path)| !name.is_empty() && !path.is_empty());
    let named = pair.and_then(|(name, path)| Some((name.into_string().ok()?, path)));
    named.ok_or_else(|| {
        let shown: String = repeated_word(word).chars().take(80).collect();
        Error::request(format!("`--artifact {shown}` is not `--artifact NAME=PATH`"))
            .hint("NAME says what the file is to the model: `--artifact model=out/m.pkl`")
    })
}

/// Reads `NAME=VALUE`.
pub(super) fn pair(option: &str, shape: &str, text: &str) -> Result<(String, String)> {
    let pair = text.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or_else(|| {
        let shown: String = text.chars().take(80).collect();
        Error::request(format!("`{option} {}` is not `{option} {shape}`", shown.escape_debug()))
    })
}
