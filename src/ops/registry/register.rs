//! Registering a version of a model.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::model::{
    Artifact, CodeState, Fact, MetricValue, ModelVersion, NodeId, RunStatus, Stage, Timestamp,
};
use crate::ops::at_work::{commands_at_work, may_be_writing, words};
use crate::ops::diff::last_code;
use crate::ops::here::find_run;
use crate::ops::keep::keep_registered;
use crate::ops::metrics::{metrics_files, values_in};
use crate::ops::registry::artifacts::{self, Found, ReadFile};
use crate::ops::registry::belongs;
use crate::ops::registry::code_read::{keep_code, not_kept};
use crate::ops::registry::entry::{Entry, check_metric, shown};
use crate::ops::registry::{Author, Held, secrets, view_of};
use crate::ops::{Clock, Workspace};
use crate::query::registry::{ModelView, production};
use crate::query::{RunHead, last_values};
use crate::store::{RunNo, Snapshot};

/// A version that was registered.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Registered {
    /// The version.
    pub view: ModelView,
    /// The run that trained it.
    pub run: Option<RunHead>,
    /// The version that left production by it.
    pub displaced: Option<ModelView>,
    /// What whoever registers it should know, one line each.
    pub remarks: Vec<String>,
    /// What went wrong without harm, one line each.
    pub warnings: Vec<String>,
}

/// Registers a version of a model; files are seen from `folder`.
///
/// # Errors
/// A request error where the entry is wrong, the version exists, or a file is not as its run wrote it; a store error where the
/// journal cannot be written. Nothing is registered then.
pub fn register(
    workspace: &Workspace,
    clock: &Clock,
    author: &Author,
    folder: &Path,
    entry: &Entry,
) -> Result<Registered> {
    let registered = register_all(workspace, clock, author, folder, std::slice::from_ref(entry))?.pop();
    registered.ok_or_else(|| Error::bug("a version was registered and is not in the answer"))
}

/// Registers versions of models, all or none, in this order; files are seen from `folder`. The disk is waited for as often as
/// for one version, so that a thousand take little longer than one.
///
/// # Errors
/// As [`register`], and where two entries are of one version.
pub fn register_all(
    workspace: &Workspace,
    clock: &Clock,
    author: &Author,
    folder: &Path,
    entries: &[Entry],
) -> Result<Vec<Registered>> {
    entries.iter().try_for_each(Entry::check)?;
    check_unique(entries)?;
    // Large files take long to read, and nobody else shall wait for that.
    let read = entries.iter().map(|entry| {
        let files = artifacts::read_all(workspace, folder, &entry.artifacts)?;
        let held = files.iter().filter(|file| file.held.link.is_none());
        let held: Vec<&Artifact> = held.map(|file| &file.held.artifact).collect();
        let unkept = match entry.no_keep {
            true => left_where_they_lie(workspace, &held),
            false => keep_registered(workspace, &held)?,
        };
        Ok((entry, files, artifacts::inputs(workspace, folder, &entry.inputs)?, unkept))
    });
    let read = read.collect::<Result<Vec<_>>>()?;
    if read.is_empty() {
        return Ok(Vec::new());
    }
    let held = Held::take(workspace, clock, author)?;
    let mut decided: Vec<Decided> = Vec::with_capacity(read.len());
    for (entry, files, inputs, unkept) in read {
        let mut of_entry = decide(&held, entry, files, inputs)?;
        of_entry.remarks.extend(unkept);
        if of_entry.model.stage == Stage::Production {
            let earlier = decided.iter().rev().map(|earlier| &earlier.model);
            let mut earlier = earlier.filter(|earlier| earlier.name == entry.name);
            let before = earlier.find(|earlier| earlier.stage == Stage::Production).map(|model| model.id);
            of_entry.displaced =
                before.map_or_else(|| production(&held.snapshot, &entry.name), |id| Ok(Some(id)))?;
        }
        decided.push(of_entry);
    }
    let facts: Vec<Fact> =
        decided.iter().map(|of_entry| Fact::ModelRegistered(of_entry.model.clone())).collect();
    let displaced = decided.iter().filter_map(|of_entry| of_entry.displaced);
    let concerned: BTreeSet<NodeId> =
        decided.iter().map(|of_entry| of_entry.model.id).chain(displaced).collect();
    let concerned: Vec<NodeId> = concerned.into_iter().collect();
    let (snapshot, mut warnings) = held.record(&facts, &concerned)?;
    let kept_of = decided.iter().zip(entries).filter(|(_, entry)| !entry.no_keep);
    let runs: BTreeSet<RunNo> =
        kept_of.filter_map(|(of_entry, _)| Some(of_entry.run.as_ref()?.view.number)).collect();
    for run in runs {
        match keep_code(workspace, &snapshot, run) {
            Ok(failed) => warnings.extend(failed),
            Err(error) => warnings.push(not_kept(&error)),
        }
    }
    let registered = decided.into_iter().map(|of_entry| {
        let displaced = of_entry.displaced.map(|id| view_of(&snapshot, id)).transpose()?;
        let view = view_of(&snapshot, of_entry.model.id)?;
        let Decided { run, remarks, .. } = of_entry;
        // What went wrong with all of them is said once, with the first.
        Ok(Registered { view, run, displaced, remarks, warnings: std::mem::take(&mut warnings) })
    });
    registered.collect()
}

/// Says which files are kept nowhere but where they lie.
fn left_where_they_lie(workspace: &Workspace, files: &[&Artifact]) -> Vec<String> {
    let unkept = files.iter().filter(|file| !workspace.contents().holds(&file.digest));
    unkept.map(|file| format!("{} is kept nowhere but where it lies", file.path)).collect()
}

fn check_unique(entries: &[Entry]) -> Result<()> {
    let mut seen = BTreeSet::new();
    match entries.iter().find(|entry| !seen.insert((&entry.name, &entry.version))) {
        None => Ok(()),
        Some(twice) => {
            Err(Error::request(format!("`{}` {} is to be registered twice", twice.name, twice.version))
                .hint("a version is registered once; nothing was registered"))
        }
    }
}

/// A version that can be registered.
struct Decided {
    model: ModelVersion,
    run: Option<RunHead>,
    /// The version that leaves production by it.
    displaced: Option<NodeId>,
    remarks: Vec<String>,
}

/// Decides what is registered by an entry, whose files and inputs were read.
fn decide(held: &Held<'_>, entry: &Entry, files: Vec<ReadFile>, inputs: Vec<Artifact>) -> Result<Decided> {
    let snapshot = &held.snapshot;
    check_free(snapshot, entry)?;
    let found = artifacts::find(held.workspace, snapshot, files)?;
    let mut remarks = Vec::new();
    let run = run_of(held, entry, &found, &mut remarks)?;
    match &run {
        Some(run) => say_run_state(held, run, &mut remarks)?,
        None => check_at_work(held, &found)?,
    }
    if let Some(version) = &entry.promoted_from
        && snapshot.models_named(&entry.name, version)?.is_empty()
    {
        let (name, version) = (&entry.name, shown(version));
        remarks.push(format!("no `{name}` {version} is registered, whose place it is said to take"));
    }
    let code = run.as_ref().map(last_code);
    check_commit(entry, code)?;
    let metrics = metrics_of(held, entry, run.as_ref(), &found, &mut remarks)?;
    let at = held.now();
    let mut model = ModelVersion {
        run: run.as_ref().map(|run| run.view.run.id),
        created_at: entry.created_at.unwrap_or(at),
        by: held.author.name.clone(),
        stage: entry.stage.unwrap_or(Stage::Development),
        description: entry.description.clone().unwrap_or_default(),
        model_type: entry.model_type.clone(),
        base_model: entry.base_model.clone(),
        training_config: entry.training_config.as_ref().map(json_text).transpose()?,
        dataset_info: entry.dataset_info.as_ref().map(json_text).transpose()?,
        promoted_from: entry.promoted_from.clone(),
        notes: entry.notes.clone(),
        git_sha: code.and_then(|code| code.commit.clone()).or_else(|| entry.git_sha.clone()),
        git_dirty: code.is_some_and(|code| code.dirty)
            || run.as_ref().is_some_and(|run| run.view.is_dirty() == Some(true)),
        branch: entry.branch.clone().or_else(|| code.and_then(|code| code.branch.clone())),
        metrics,
        inputs,
        artifacts: found.into_iter().map(|found| found.held).collect(),
        tags: entry.tags.clone(),
        ..ModelVersion::new(NodeId::new(at), &entry.name, &entry.version, at)
    };
    if let (true, Some(run)) = (model.artifacts.is_empty(), &run)
        && belongs::wrote_anything(snapshot, run.view.number)?
    {
        remarks.push(format!(
            "it has no files, and run {} wrote some: `--artifact NAME=PATH` names those of a version",
            run.tail
        ));
    }
    if secrets::mask(&mut model) {
        remarks.push(secrets::SAID.to_owned());
    }
    Ok(Decided { model, run, displaced: None, remarks })
}

fn json_text(document: &Map<String, Value>) -> Result<String> {
    serde_json::to_string(document).map_err(|cause| Error::bug("cannot write JSON").because(cause))
}

fn check_free(snapshot: &Snapshot, entry: &Entry) -> Result<()> {
    let Some(id) = snapshot.models_named(&entry.name, &entry.version)?.first().copied() else {
        return Ok(());
    };
    let there = view_of(snapshot, id)?;
    let from = match snapshot.run_of_model(&there.model)? {
        Some(run) => RunHead::read(snapshot, run)?.map(|run| format!(", from run {}", run.tail)),
        None => None,
    };
    let state = if there.deleted.is_some() { "existed and was withdrawn" } else { "exists" };
    Err(Error::request(format!("`{}` {} {state}{}", entry.name, entry.version, from.unwrap_or_default()))
        .hint(format!("versions are never replaced; register {}", next_version(&entry.version))))
}

/// Returns the version with the next patch number.
fn next_version(version: &str) -> String {
    let front = version.split(['-', '+']).next().unwrap_or_default();
    let next = front.rsplit_once('.').and_then(|(front, patch)| {
        let patch: u64 = patch.parse().ok()?;
        Some(format!("{front}.{}", patch.checked_add(1)?))
    });
    next.unwrap_or_else(|| "another".to_owned())
}

/// Finds the run that trained the model: the one that the entry names, else the one that wrote its files.
fn run_of(
    held: &Held<'_>,
    entry: &Entry,
    found: &[Found],
    remarks: &mut Vec<String>,
) -> Result<Option<RunHead>> {
    let snapshot = &held.snapshot;
    let named =
        entry.run.as_ref().map(|selector| find_run(held.workspace, snapshot, selector)).transpose()?;
    let writer =
        |found: &Found| found.writers.first().copied().or(found.copied.as_ref().map(|(run, _)| *run));
    let run = match named {
        Some(run) => Some(run),
        None => {
            let mut writers: Vec<RunNo> = found.iter().filter_map(writer).collect();
            writers.sort_unstable();
            writers.dedup();
            writers = without_later(snapshot, entry, writers, remarks)?;
            if writers.len() > 1 {
                let names = writers.iter().map(|run| tail(snapshot, *run)).collect::<Result<Vec<_>>>()?;
                return Err(Error::request(format!(
                    "several runs wrote the artifacts: {}",
                    names.join(", ")
                ))
                .hint("say with `--run` which of them trained the model; nothing was registered"));
            }
            writers.first().copied()
        }
    };
    let head = run.map_or(Ok(None), |run| RunHead::read(snapshot, run))?;
    // What a run that goes on wrote is recorded at its end.
    let is_going_on = head.as_ref().is_some_and(|head| head.view.status() == RunStatus::Running);
    let mut oddities: BTreeMap<Oddity, Vec<&Found>> = BTreeMap::new();
    for found in found {
        belongs::check(held.workspace, snapshot, found, head.as_ref(), is_going_on)?;
        if !(is_going_on && found.writers.is_empty())
            && let Some(oddity) = oddity(found, run)
        {
            oddities.entry(oddity).or_default().push(found);
        }
    }
    let has_bytes = found.iter().filter(|found| found.held.link.is_none()).count();
    if let (Some(head), Some(unwritten)) = (&head, oddities.get(&Oddity::NotWritten))
        && unwritten.len() == has_bytes
        && !entry.force
    {
        belongs::check_may_be_unseen(snapshot, head, &all_of(unwritten)?)?;
    }
    for (oddity, files) in oddities {
        remarks.push(remark(snapshot, oddity, &files)?);
    }
    match (run, head) {
        (Some(_), None) => Err(Error::request("the start of this run is not recorded here")),
        (_, head) => Ok(head),
    }
}

/// Checks that no run is at work that may have written the files: a version is never replaced, and would have neither the run nor
/// its metrics for good.
fn check_at_work(held: &Held<'_>, found: &[Found]) -> Result<()> {
    let mut files = found.iter().filter(|found| found.held.link.is_none()).peekable();
    if files.peek().is_none() {
        return Ok(());
    }
    let at_work = commands_at_work(held.workspace, &held.snapshot)?;
    for found in files {
        let path = &found.held.artifact.path;
        let Some(place) = path.on_disk(held.workspace.root()) else { continue };
        if let Some(run) = may_be_writing(&at_work, &place) {
            return Err(Error::request(format!("`{path}` may be of {}, which is at work", words(run)))
                .because("what it writes is known when it ends".to_owned())
                .hint(format!("`--run {}` says that it is; nothing was registered", run.tail)));
        }
    }
    Ok(())
}

/// Leaves out the runs that began after the model was made by what its entry says: these bytes may be theirs, the model is not.
fn without_later(
    snapshot: &Snapshot,
    entry: &Entry,
    writers: Vec<RunNo>,
    remarks: &mut Vec<String>,
) -> Result<Vec<RunNo>> {
    let Some(created_at) = entry.created_at else { return Ok(writers) };
    // What people write down has no fractions of a second.
    let second = |at: Timestamp| at.micros().div_euclid(1_000_000);
    let mut earlier = Vec::with_capacity(writers.len());
    for writer in writers {
        match RunHead::read(snapshot, writer)?.filter(|run| second(run.view.run.started_at) > second(created_at)) {
            None => earlier.push(writer),
            Some(run) => remarks.push(format!(
                "run {} wrote the files, but began after {created_at}, when the entry says the model was made; \
                 `--run {}` says that it trained it",
                run.tail, run.tail
            )),
        }
    }
    Ok(earlier)
}

/// What is odd about where a file came from.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Oddity {
    /// Its run wrote these bytes elsewhere.
    CopyOfOwn,
    /// Another run wrote these bytes elsewhere.
    CopyOf(RunNo),
    /// Another run wrote it.
    WrittenBy(RunNo),
    /// No run wrote it.
    NotWritten,
}

fn oddity(found: &Found, run: Option<RunNo>) -> Option<Oddity> {
    if found.held.link.is_some() || run.is_some_and(|run| found.writers.contains(&run)) {
        return None;
    }
    Some(match &found.copied {
        Some((writer, _)) if run == Some(*writer) => Oddity::CopyOfOwn,
        Some((writer, _)) => Oddity::CopyOf(*writer),
        None => found.writers.first().map_or(Oddity::NotWritten, |writer| Oddity::WrittenBy(*writer)),
    })
}

/// Says what is odd about files, by the first of them.
fn remark(snapshot: &Snapshot, oddity: Oddity, files: &[&Found]) -> Result<String> {
    let all = all_of(files)?;
    let (first, others) = (files[0], files.len() - 1);
    let path = &first.held.artifact.path;
    let from = first.copied.as_ref().map(|(_, from)| from.to_string()).unwrap_or_default();
    Ok(match oddity {
        Oddity::CopyOfOwn if others == 0 => {
            format!("{path} was not written by the run, but is a copy of {from}, which was")
        }
        Oddity::CopyOfOwn => {
            format!("{all} were not written by the run, but are copies of what was, such as {from}")
        }
        Oddity::CopyOf(run) if others == 0 => {
            format!("{path} is a copy of {from}, which run {} wrote", tail(snapshot, run)?)
        }
        Oddity::CopyOf(run) => {
            format!("{all} are copies of what run {} wrote, such as {from}", tail(snapshot, run)?)
        }
        Oddity::WrittenBy(run) => {
            let were = if others == 0 { "was" } else { "were" };
            format!("{all} {were} written by run {}, not by the run that is named", tail(snapshot, run)?)
        }
        Oddity::NotWritten => format!("no recorded run wrote {all}"),
    })
}

/// Names files by the first of them.
fn all_of(files: &[&Found]) -> Result<String> {
    let Some(first) = files.first() else { return Err(Error::bug("something is odd about no file")) };
    let path = &first.held.artifact.path;
    Ok(match files.len() - 1 {
        0 => path.to_string(),
        1 => format!("{path} and another file"),
        others => format!("{path} and {others} other files"),
    })
}

fn tail(snapshot: &Snapshot, run: RunNo) -> Result<String> {
    Ok(RunHead::read(snapshot, run)?.map_or_else(|| "?".to_owned(), |head| head.tail))
}

fn say_run_state(held: &Held<'_>, run: &RunHead, remarks: &mut Vec<String>) -> Result<()> {
    let alive = held.workspace.is_at_work(&held.snapshot, &run.view)?;
    let head = RunHead { alive, ..run.clone() };
    match head.status() {
        RunStatus::Succeeded => {}
        RunStatus::Running => {
            remarks.push(format!("run {} still runs: what it wrote is not all recorded yet", run.tail));
        }
        RunStatus::Failed | RunStatus::Interrupted => {
            remarks.push(format!("run {} did not end well: {}", run.tail, head.status().as_str()));
        }
    }
    Ok(())
}

fn check_commit(entry: &Entry, code: Option<&CodeState>) -> Result<()> {
    let (Some(said), Some(commit)) = (&entry.git_sha, code.and_then(|code| code.commit.as_ref())) else {
        return Ok(());
    };
    if commit.starts_with(&said.to_ascii_lowercase()) {
        return Ok(());
    }
    Err(Error::request(format!("the entry says that commit `{}` trained the model", shown(said)))
        .because(format!("the run was made by commit {commit}"))
        .hint("leave the commit out: it is taken from the run"))
}

/// Returns the metrics of the entry, and those of the run that the entry does not give. Where the run wrote several files of metrics,
/// as a sweep does, those count that lie beside the files of the version.
fn metrics_of(
    held: &Held<'_>,
    entry: &Entry,
    run: Option<&RunHead>,
    found: &[Found],
    remarks: &mut Vec<String>,
) -> Result<Vec<(String, MetricValue)>> {
    let mut metrics = BTreeMap::new();
    if let Some(run) = run {
        let last = last_values(&held.snapshot.metrics(run.view.run.id)?);
        metrics.extend(last.into_iter().map(|metric| (metric.name, metric.value)));
        metrics.extend(metrics_beside(held, run, found, remarks)?);
        remarks.extend(refused(run, entry, &metrics));
    }
    for (name, value) in &entry.metrics {
        metrics.insert(name.clone(), check_metric(name, *value)?);
    }
    for (name, value) in &metrics {
        check_metric(name, value.get())?;
    }
    Ok(metrics.into_iter().collect())
}

/// Says which of the metrics that are taken from a run had other values, which were refused.
fn refused(run: &RunHead, entry: &Entry, metrics: &BTreeMap<String, MetricValue>) -> Vec<String> {
    let given = |name: &str| entry.metrics.iter().any(|(other, _)| other == name);
    let of_run = metrics.iter().filter(|(name, _)| !given(name));
    let said = of_run.filter_map(|(name, value)| {
        let last = run.view.all_remarks().0.filter(|remark| remark.refuses_metric(name)).last()?;
        let (name, value) = (shown(name), value.get());
        Some(format!(
            "`{name}` is registered as {value}, and that is not all that the run gave: {}",
            last.text
        ))
    });
    said.collect()
}

/// Returns what the files of metrics say that lie in the folders of a version's files, where its run wrote others as well.
fn metrics_beside(
    held: &Held<'_>,
    run: &RunHead,
    found: &[Found],
    remarks: &mut Vec<String>,
) -> Result<BTreeMap<String, MetricValue>> {
    let mut metrics = BTreeMap::new();
    let files = metrics_files(&held.snapshot, run.view.number)?;
    if files.len() < 2 {
        return Ok(metrics);
    }
    let folders: BTreeSet<&[u8]> = found.iter().map(|found| found.held.artifact.path.folder()).collect();
    let (beside, others): (Vec<_>, Vec<_>) =
        files.values().partition(|file| folders.contains(file.path.folder()));
    if beside.is_empty() {
        remarks.push(format!(
            "the run wrote {} files of metrics, none of them beside the files of this version: of each metric the last value counts",
            others.len()
        ));
        return Ok(metrics);
    }
    for file in beside {
        match values_in(held.workspace, file) {
            Some(values) => metrics.extend(values),
            None => remarks.push(format!(
                "what `{}` held is neither kept nor there: of each metric the last value of the run counts",
                file.path
            )),
        }
    }
    Ok(metrics)
}
