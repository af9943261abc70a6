//! `lineage import --format openlineage`: run events, one a line, as OpenLineage's file transport writes them, or as a JSON list.
//!
//! | OpenLineage | here |
//! |---|---|
//! | run, with its first and last event | a run of kind import; START to COMPLETE, FAIL or ABORT |
//! | job | the run's name; its namespace is the tag `openlineage.job.namespace` |
//! | `executionParameters`, `tags`, `errorMessage`, `parent` | parameters, tags, reason, parent |
//! | input, output | a file where the namespace is `file`, else a thing behind a URL; known because the event says so |
//! | `version` of a data set, `size` of its statistics | digest and size of a file, where they are such; else its content is not known |
//!
//! A file in the workspace is named as seen from its root, from where a relative name is seen, too. So is a file that lay in the
//! workspace that exported the event; where that is another one, the run counts as taken over from there, as after a merge.
//!
//! What `lineage export` wrote is known by its run id: in the workspace it came from it changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::capture::secrets::masked_word;
use crate::error::{Error, Result};
use crate::model::{
    Artifact, ArtifactPath, Digest, Metric, MetricValue, NodeId, RunStatus, Timestamp, os_word,
    percent_decoded_bytes, printed_word, words_of,
};
use crate::ops::locate::real_place;
use crate::ops::taken::{TakenOver, TakenRun, Taking};
use crate::ops::{Clock, View, Workspace};

/// As long may a line be.
const LINE_MAX_BYTES: u64 = 64 << 20;

/// A run as its events tell it.
#[derive(Default)]
struct Told {
    first: Option<Timestamp>,
    last: Option<(Timestamp, Option<RunStatus>)>,
    run: TakenRun,
    tags: BTreeMap<String, String>,
    parameters: BTreeMap<String, String>,
    used: BTreeSet<Artifact>,
    generated: BTreeSet<Artifact>,
    points: Vec<(String, f64, i64, Timestamp)>,
}

/// Takes over the run events in `file`.
///
/// # Errors
/// A request error where the file cannot be read, a store error where the journal cannot be written.
pub fn import_openlineage(
    workspace: &Workspace,
    view: &View,
    clock: &Clock,
    host: &str,
    file: &Path,
) -> Result<TakenOver> {
    let mut taking = Taking::begin(workspace, view, clock, host);
    let mut told: BTreeMap<String, Told> = BTreeMap::new();
    let mut report = TakenOver::default();
    each_event(file, &mut report, &mut |at, event, report| {
        let mut leave_out = |what: &str| report.leave_out(format!("event {at}: {what}"));
        if let Err(why) = take_event(workspace.root(), &mut told, event, &mut leave_out) {
            leave_out(&why);
        }
    })?;
    taking.report = report;
    for (key, one) in &told {
        if let Some(start) = one.first {
            taking.expect(key, start);
        }
    }
    let mut runs: Vec<(String, Told)> = told.into_iter().collect();
    runs.sort_by(|a, b| (a.1.first, &a.0).cmp(&(b.1.first, &b.0)));
    for (key, mut one) in runs {
        if let Some(id) = uuid_of(&key)
            && view.snapshot.run_no(id)?.is_some()
        {
            taking.report.runs += 1;
            continue;
        }
        let Some(first) = one.first else { continue };
        one.run.key.clone_from(&key);
        one.run.started_at = first;
        if let Some((at, status)) = one.last {
            one.run.status = status;
            one.run.ended_at = status.map(|_| at);
        }
        let points = one.points;
        let Some(id) = taking.run(TakenRun {
            tags: one.tags.into_iter().collect(),
            parameters: one.parameters.into_iter().collect(),
            used: one.used.into_iter().collect(),
            generated: one.generated.into_iter().collect(),
            ..one.run
        })?
        else {
            continue;
        };
        let mut finite = Vec::new();
        for (name, value, step, at) in points {
            if let Ok(value) = MetricValue::new(value) {
                finite.push(Metric { owner: id, name, step, at, value });
            }
        }
        taking.points(id, &key, finite)?;
    }
    taking.finish()
}

/// Calls `visit` with every event and its number; what is no JSON is said.
fn each_event(
    file: &Path,
    report: &mut TakenOver,
    visit: &mut dyn FnMut(usize, &Value, &mut TakenOver),
) -> Result<()> {
    let shown = file.display().to_string();
    let failed = |cause: std::io::Error| {
        Error::request(format!("cannot read `{}`", shown.escape_debug())).because(cause)
    };
    let mut reader = BufReader::new(std::fs::File::open(file).map_err(failed)?);
    let mut line = Vec::new();
    let mut at = 0;
    loop {
        line.clear();
        let read = (&mut reader).take(LINE_MAX_BYTES).read_until(b'\n', &mut line).map_err(failed)?;
        if read == 0 {
            return Ok(());
        }
        if read as u64 == LINE_MAX_BYTES {
            return Err(Error::request(format!(
                "a line of `{}` is longer than 64 MiB",
                shown.escape_debug()
            ))
            .hint("events stand one a line; nothing was recorded"));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        if at == 0 && line.trim_ascii_start().starts_with(b"[") {
            // One list: all of it is one text.
            (&mut reader).take(LINE_MAX_BYTES).read_to_end(&mut line).map_err(failed)?;
            if !reader.fill_buf().map_err(failed)?.is_empty() {
                return Err(Error::request(format!(
                    "the list in `{}` is longer than 64 MiB",
                    shown.escape_debug()
                ))
                .hint("write its events one a line; nothing was recorded"));
            }
        }
        match serde_json::from_slice::<Value>(&line) {
            Ok(Value::Array(events)) => {
                for event in &events {
                    at += 1;
                    visit(at, event, report);
                }
            }
            Ok(event) => {
                at += 1;
                visit(at, &event, report);
            }
            Err(cause) => {
                at += 1;
                report.leave_out(format!("event {at} is no JSON: {cause}"));
            }
        }
    }
}

fn uuid_of(text: &str) -> Option<NodeId> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    (digits.len() == 32).then(|| u128::from_str_radix(&digits, 16).ok()).flatten().map(NodeId::from_u128)
}

fn text<'v>(value: &'v Value, path: &[&str]) -> Option<&'v str> {
    path.iter().try_fold(value, |value, key| value.get(key)).and_then(Value::as_str)
}

fn list<'v>(value: &'v Value, path: &[&str]) -> &'v [Value] {
    let found = path.iter().try_fold(value, |value, key| value.get(key)).and_then(Value::as_array);
    found.map_or(&[], Vec::as_slice)
}

fn take_event(
    root: &Path,
    told: &mut BTreeMap<String, Told>,
    event: &Value,
    leave_out: &mut dyn FnMut(&str),
) -> Result<(), String> {
    let key = text(event, &["run", "runId"]).ok_or("it has no `run.runId`")?;
    uuid_of(key).ok_or("its `runId` is no UUID")?;
    let name = text(event, &["job", "name"]).ok_or("it has no `job.name`")?;
    let at = text(event, &["eventTime"]).ok_or("it has no `eventTime`")?;
    let at = Timestamp::parse(at).map_err(|_| "its `eventTime` is no time")?;
    let one = told.entry(key.to_lowercase()).or_default();
    one.first = Some(one.first.map_or(at, |first| first.min(at)));
    let status = match text(event, &["eventType"]) {
        Some("COMPLETE") => Some(RunStatus::Succeeded),
        Some("FAIL") => Some(RunStatus::Failed),
        Some("ABORT") => Some(RunStatus::Interrupted),
        _ => None,
    };
    // A terminal event counts, wherever in the file it stands.
    if status.is_some() || one.last.is_none() {
        one.last = Some((at, status));
    }
    let run = &mut one.run;
    run.name = name.to_owned();
    let engine = text(event, &["run", "facets", "processing_engine", "name"]);
    run.recorder = engine.or_else(|| text(event, &["producer"])).unwrap_or("openlineage").to_owned();
    put(&mut one.tags, "openlineage.job.namespace", text(event, &["job", "namespace"]));
    for tag in list(event, &["run", "facets", "tags", "tags"]) {
        if let Some(key) = text(tag, &["key"]) {
            put(&mut one.tags, key, text(tag, &["value"]));
        }
    }
    for parameter in list(event, &["run", "facets", "executionParameters", "parameters"]) {
        if let Some(key) = text(parameter, &["key"]) {
            put(&mut one.parameters, key, text(parameter, &["value"]));
        }
    }
    for point in list(event, &["run", "facets", "lineage_metrics", "points"]) {
        let value = point.get("value").and_then(Value::as_f64);
        let step = point.get("step").and_then(Value::as_i64).unwrap_or_default();
        let measured = text(point, &["at"]).and_then(|at| Timestamp::parse(at).ok()).unwrap_or(at);
        if let Some((name, value)) = text(point, &["name"]).zip(value) {
            one.points.push((name.to_owned(), value, step, measured));
        }
    }
    let own = |value: Option<&str>, place: &mut Option<String>| {
        if let Some(value) = value {
            *place = Some(value.to_owned());
        }
    };
    own(text(event, &["run", "facets", "errorMessage", "message"]), &mut run.reason);
    own(text(event, &["run", "facets", "parent", "run", "runId"]), &mut run.parent);
    own(text(event, &["job", "facets", "lineage_codeState", "commit"]), &mut run.commit);
    own(text(event, &["job", "facets", "lineage_codeState", "branch"]), &mut run.branch);
    if let Some(command) = text(event, &["job", "facets", "sourceCode", "sourceCode"]) {
        let command: String = command.chars().take(10_000).collect();
        run.arguments = words_of(&command).unwrap_or_else(|| vec![command]);
    }
    if let Some(by) = text(event, &["run", "facets", "lineage_run", "by"]) {
        by.clone_into(&mut run.by);
    }
    let from = text(event, &["run", "facets", "lineage_run", "workspace"]);
    let from = from.and_then(|url| url.strip_prefix("file://")).map(percent_decoded_bytes);
    let from = from.map(|path| PathBuf::from(os_word(path)));
    let is_dirty = event.pointer("/job/facets/lineage_codeState/dirty").and_then(serde_json::Value::as_bool);
    run.is_dirty = is_dirty.or(run.is_dirty);
    let changed = list(event, &["job", "facets", "lineage_codeState", "changedFiles"]).iter();
    let changed = changed.filter_map(|name| file_path(root, from.as_deref(), name.as_str()?.into()).ok());
    let changed: Vec<ArtifactPath> = changed.collect();
    if !changed.is_empty() {
        run.changed = changed;
    }
    run.is_of_elsewhere |= from.as_ref().is_some_and(|from| from != root);
    for (side, files) in [("inputs", &mut one.used), ("outputs", &mut one.generated)] {
        for dataset in list(event, &[side]) {
            match artifact_of(root, from.as_deref(), dataset) {
                Ok(artifact) => drop(files.insert(artifact)),
                Err(why) => leave_out(&why),
            }
        }
    }
    Ok(())
}

/// Takes what is said of a name first.
fn put(pairs: &mut BTreeMap<String, String>, key: &str, value: Option<&str>) {
    if !pairs.contains_key(key) {
        pairs.insert(key.to_owned(), value.unwrap_or_default().to_owned());
    }
}

/// Names a file or thing, with its content where both digest and size are told.
fn artifact_of(root: &Path, from: Option<&Path>, dataset: &Value) -> Result<Artifact, String> {
    let namespace = text(dataset, &["namespace"]).ok_or("a data set has no `namespace`")?;
    let name = text(dataset, &["name"]).ok_or("a data set has no `name`")?;
    // What `lineage export` names there is all of the path.
    let whole = text(dataset, &["facets", "lineage_path", "percentEncoded"]).map(percent_decoded_bytes);
    let (is_file, is_url) =
        (namespace == "file" || namespace.starts_with("file://"), namespace.contains("://"));
    let path = match (whole, is_file) {
        (whole, true) => file_path(root, from, whole.unwrap_or_else(|| name.into())),
        (Some(whole), false) if is_url => address(whole),
        (whole, false) => {
            let front = if is_url { namespace.to_owned() } else { format!("openlineage://{namespace}") };
            let name = whole.unwrap_or_else(|| name.trim_start_matches('/').into());
            address([front.trim_end_matches('/').as_bytes(), b"/", &name].concat())
        }
    };
    let path = path.map_err(|error| error.in_full())?;
    let version = text(dataset, &["facets", "version", "datasetVersion"]);
    let size_bytes = ["inputFacets", "outputFacets"].iter().find_map(|side| {
        let statistics = dataset.get(side)?;
        let statistics = statistics.get("inputStatistics").or_else(|| statistics.get("outputStatistics"))?;
        statistics.get("size")?.as_u64()
    });
    let digest = version.and_then(|version| version.parse::<Digest>().ok());
    let said = digest.zip(size_bytes);
    let said = said.map(|(digest, size_bytes)| Artifact { path: path.clone(), digest, size_bytes });
    Ok(said.filter(Artifact::has_content).unwrap_or_else(|| {
        let version = [path.as_bytes(), b"\0", version.unwrap_or_default().as_bytes()].concat();
        Artifact::without_content(path, &version)
    }))
}

/// Names a thing behind a URL, without what opens it.
fn address(whole: Vec<u8>) -> Result<ArtifactPath> {
    match std::str::from_utf8(&whole) {
        Ok(text) => ArtifactPath::new(masked_word(text)),
        Err(_) => ArtifactPath::from_bytes(whole),
    }
}

/// Names a file: seen from the workspace's root where it lies there, or lay so in the workspace that the event is `from`.
fn file_path(root: &Path, from: Option<&Path>, name: Vec<u8>) -> Result<ArtifactPath> {
    let mut name = PathBuf::from(os_word(name));
    if let Some(inside) = from.and_then(|from| name.strip_prefix(from).ok()) {
        name = inside.to_owned();
    }
    let place = root.join(&name);
    let named = ArtifactPath::within(root, &place)?;
    if name.is_relative() && !named.is_inside() {
        return Err(Error::request(format!("the file `{}` leads out of the workspace", printed_word(name))));
    }
    ArtifactPath::within(root, &real_place(&place))
}
