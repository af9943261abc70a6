//! OpenLineage run events (specification 2-0-2), one a line: for each run one START and, when it has ended, one terminal event.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use serde_json::{Map, Value, json};

use super::versions::Version;
use super::{Source, producer, write_json, write_text};
use crate::error::Result;
use crate::model::{
    Artifact, Removed, RunStatus, StepAct, Timestamp, command_line, percent_encoded, printed,
};
use crate::query::RunHead;

const EVENT: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
const FACETS: &str = "https://openlineage.io/spec/facets/";
/// The shape of facets that are this program's own: any fields beside the two that every facet has.
const RUN_FACET: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunFacet";
const JOB_FACET: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/JobFacet";
const DATASET_FACET: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/DatasetFacet";

/// Writes the events of all runs, run by run.
pub(super) fn write(source: &Source<'_>, stream: &mut dyn Write) -> Result<()> {
    let registered = registered(source)?;
    source.each_run(&mut |run| {
        let started = run.view.run.started_at;
        line(stream, &event(source, run, "START", started, start_facets(source, run)?))?;
        let Some(ended) = source.ended_at(run)? else {
            return Ok(());
        };
        let kind = match run.status() {
            RunStatus::Succeeded => "COMPLETE",
            RunStatus::Failed => "FAIL",
            RunStatus::Interrupted | RunStatus::Running => "ABORT",
        };
        let mut last = event(source, run, kind, ended.max(started), end_facets(source, run)?);
        let (used, generated) = source.files(run)?;
        let written_on = written_on(source, run)?;
        let input = |artifact: &Artifact| {
            let mut dataset = file(source, artifact, Side::Input);
            if let Some(went_into) = written_on.get(artifact) {
                let name = |artifact| named(&file(source, artifact, Side::Output));
                let went_into: Vec<Value> = went_into.iter().map(name).collect();
                dataset["facets"]["lineage_writtenOn"] =
                    facet(DATASET_FACET, json!({ "wentInto": went_into }));
            }
            dataset
        };
        last["inputs"] = used.iter().map(input).collect();
        let moved = moved(source, run)?;
        let output = |artifact: &Artifact| {
            let mut dataset = file(source, artifact, Side::Output);
            if let Some(from) = moved.get(artifact) {
                let before = named(&file(source, from, Side::Input));
                let change = json!({ "lifecycleStateChange": "RENAME", "previousIdentifier": before });
                dataset["facets"]["lifecycleStateChange"] = lifecycle(change);
            }
            if let Some(models) = registered.get(artifact) {
                dataset["facets"]["lineage_registered"] = facet(DATASET_FACET, json!({ "models": models }));
            }
            dataset
        };
        let outputs = generated.iter().map(output);
        last["outputs"] = outputs.chain(removed(source, run)?).collect();
        line(stream, &last)
    })
}

/// Returns the model versions that files are registered as.
fn registered(source: &Source<'_>) -> Result<HashMap<Artifact, Vec<Value>>> {
    let mut registered: HashMap<Artifact, Vec<Value>> = HashMap::new();
    for Version { view, files, .. } in source.versions()? {
        let said = json!({
            "name": view.model.name,
            "version": view.model.version,
            "stage": view.stage.as_str(),
            "withdrawn": view.deleted.is_some(),
            "id": view.model.id.to_string(),
        });
        for file in files.iter().collect::<BTreeSet<_>>() {
            registered.entry(file.clone()).or_default().push(said.clone());
        }
    }
    Ok(registered)
}

/// Names a dataset without what is said of it.
fn named(dataset: &Value) -> Value {
    json!({ "namespace": dataset["namespace"], "name": dataset["name"] })
}

/// Returns what the steps of a run read and each time wrote on, with the outputs that it went into: the others may owe nothing to it.
fn written_on(source: &Source<'_>, run: &RunHead) -> Result<BTreeMap<Artifact, BTreeSet<Artifact>>> {
    let mut written_on: BTreeMap<Artifact, BTreeSet<Artifact>> = BTreeMap::new();
    let mut others: BTreeSet<Artifact> = BTreeSet::new();
    source.each_step(run, &mut |step| {
        let reads = source.written_on(&step)?;
        for read in &reads {
            let went_into = read.generated.iter().map(|place| step.generated[*place].artifact.clone());
            written_on.entry(step.used[read.used].artifact.clone()).or_default().extend(went_into);
        }
        let places: BTreeSet<usize> = reads.iter().map(|read| read.used).collect();
        let used = step.used.into_iter().enumerate().filter(|(place, _)| !places.contains(place));
        others.extend(used.map(|(_, edge)| edge.artifact));
        Ok(())
    })?;
    written_on.retain(|artifact, _| !others.contains(artifact));
    Ok(written_on)
}

/// Returns what a run gave other names, by what it is since.
fn moved(source: &Source<'_>, run: &RunHead) -> Result<BTreeMap<Artifact, Artifact>> {
    let mut moved = BTreeMap::new();
    source.each_step(run, &mut |step| {
        if step.act == StepAct::Moved {
            let pairs = step.used.into_iter().zip(step.generated);
            moved.extend(pairs.map(|(from, to)| (to.artifact, from.artifact)));
        }
        Ok(())
    })?;
    Ok(moved)
}

/// Returns what a run took away, but for what went on under another name.
fn removed(source: &Source<'_>, run: &RunHead) -> Result<Vec<Value>> {
    let mut removed = BTreeSet::new();
    source.each_step(run, &mut |step| {
        if step.act != StepAct::Moved {
            removed.extend(step.removed.iter().map(Removed::artifact_or_name));
        }
        Ok(())
    })?;
    let dataset = |artifact: &Artifact| {
        let mut dataset = file(source, artifact, Side::Output);
        dataset["facets"]["lifecycleStateChange"] = lifecycle(json!({ "lifecycleStateChange": "DROP" }));
        dataset
    };
    Ok(removed.iter().map(dataset).collect())
}

fn lifecycle(change: Value) -> Value {
    standard("1-0-1", "LifecycleStateChangeDatasetFacet", change)
}

fn line(stream: &mut dyn Write, value: &Value) -> Result<()> {
    write_json(stream, value)?;
    write_text(stream, "\n")
}

fn facet(schema: &str, fields: Value) -> Value {
    let mut whole = Map::new();
    whole.insert("_producer".to_owned(), json!(producer()));
    whole.insert("_schemaURL".to_owned(), json!(schema));
    if let Value::Object(fields) = fields {
        whole.extend(fields);
    }
    Value::Object(whole)
}

fn standard(version: &str, name: &str, fields: Value) -> Value {
    facet(&format!("{FACETS}{version}/{name}.json#/$defs/{name}"), fields)
}

fn event(source: &Source<'_>, run: &RunHead, kind: &str, at: Timestamp, facets: Value) -> Value {
    let recorded = &run.view.run;
    let command = command_line(&recorded.arguments);
    let code = &recorded.code;
    let mut event = json!({
        "eventType": kind,
        "eventTime": at.rfc3339(),
        "producer": producer(),
        "schemaURL": EVENT,
        "run": { "runId": recorded.id.to_string(), "facets": facets },
        "job": {
            "namespace": source.namespace,
            "name": recorded.name,
            "facets": {
                "jobType": standard("2-0-4", "JobTypeJobFacet", json!({
                    "processingType": "BATCH",
                    "integration": "LINEAGE",
                    "jobType": recorded.kind.as_str().to_uppercase(),
                })),
                "lineage_codeState": facet(JOB_FACET, json!({
                    "commit": code.commit,
                    "branch": code.branch,
                    "dirty": run.view.is_dirty(),
                    "changedFiles": code.changed.iter().map(|file| file.path.to_string()).collect::<Vec<_>>(),
                    "patch": code.patch.map(|digest| digest.to_string()),
                    "repositories": run.view.other_repositories().map(|(repository, code)| json!({
                        "root": repository.root.as_ref().map(ToString::to_string),
                        "commit": code.commit,
                        "branch": code.branch,
                        "dirty": run.view.is_dirty_in(repository),
                    })).collect::<Vec<_>>(),
                })),
            },
        },
        "inputs": [],
        "outputs": [],
    });
    if !command.is_empty() {
        let source = json!({ "language": "shell", "sourceCode": command });
        event["job"]["facets"]["sourceCode"] = standard("1-0-1", "SourceCodeJobFacet", source);
    }
    event
}

fn start_facets(source: &Source<'_>, run: &RunHead) -> Result<Value> {
    let recorded = &run.view.run;
    let parameters = recorded.parameters.iter().map(|(key, value)| json!({ "key": key, "value": value }));
    let (program, version) = recorded.recorder.split_once(' ').unwrap_or((&recorded.recorder, ""));
    let mut facets = json!({
        "processing_engine": standard("1-1-1", "ProcessingEngineRunFacet", json!({
            "name": program,
            "version": version,
        })),
        "executionParameters": standard("1-0-0", "ExecutionParametersRunFacet", json!({
            "parameters": parameters.collect::<Vec<_>>(),
        })),
        "lineage_run": facet(RUN_FACET, json!({
            "runLabel": recorded.run_id.as_str(),
            "workspace": format!("file://{}", percent_encoded(source.workspace.root().as_os_str().as_bytes())),
            "folder": recorded.folder,
            "host": recorded.host,
            "by": recorded.by,
        })),
    });
    if let Some(parent) = recorded.parent {
        let head = source.snapshot.run_no(parent)?.map_or(Ok(None), |number| source.snapshot.run(number))?;
        if let Some(parent_run) = head {
            facets["parent"] = standard(
                "1-2-0",
                "ParentRunFacet",
                json!({
                    "run": { "runId": parent.to_string() },
                    "job": { "namespace": source.namespace, "name": parent_run.name },
                }),
            );
        }
    }
    Ok(facets)
}

fn end_facets(source: &Source<'_>, run: &RunHead) -> Result<Value> {
    let mut facets = start_facets(source, run)?;
    let metrics = source.metrics(run.view.run.id)?;
    if !metrics.is_empty() {
        let points = metrics.iter().map(|point| {
            json!({ "name": point.name, "value": point.value.get(), "step": point.step, "at": point.at.rfc3339() })
        });
        facets["lineage_metrics"] = facet(RUN_FACET, json!({ "points": points.collect::<Vec<_>>() }));
    }
    if matches!(run.status(), RunStatus::Failed | RunStatus::Interrupted) {
        let message = run.view.reason().unwrap_or("it has no recorded end, and its process is gone");
        facets["errorMessage"] = standard(
            "1-0-1",
            "ErrorMessageRunFacet",
            json!({
                "message": message,
                "programmingLanguage": "unknown",
            }),
        );
    }
    Ok(facets)
}

#[derive(Clone, Copy)]
enum Side {
    Input,
    Output,
}

/// Names a file as a dataset: on this machine by its whole path under `file`, so that the events of other programs speak of the same
/// one; behind a URL under scheme and host. Both are as the naming rules of OpenLineage have it. The facet `lineage_run` says
/// where the workspace is.
fn file(source: &Source<'_>, artifact: &Artifact, side: Side) -> Value {
    let whole = artifact.path.on_disk(source.workspace.root()).map(|place| place.into_os_string().into_vec());
    let whole = whole.unwrap_or_else(|| artifact.path.as_bytes().to_vec());
    let path = printed(&whole);
    let (namespace, name) = if artifact.path.is_url() {
        let start = path.find("://").map_or(0, |at| at + 3);
        let end = path[start..].find('/').map_or(path.len(), |at| start + at);
        (path[..end].to_owned(), path[end..].trim_start_matches('/').to_owned())
    } else {
        ("file".to_owned(), path.clone())
    };
    let name = if name.is_empty() { "/".to_owned() } else { name };
    let mut facets = json!({});
    if let Some(digest) = artifact.known_digest() {
        let version = json!({ "datasetVersion": digest.to_string() });
        facets["version"] = standard("1-0-1", "DatasetVersionDatasetFacet", version);
    }
    // Where the name is not UTF-8, or holds what must not be printed, it stands here escaped: this is all of it.
    if whole != path.as_bytes() {
        let encoded = percent_encoded(&whole);
        facets["lineage_path"] = facet(DATASET_FACET, json!({ "percentEncoded": encoded }));
    }
    let (key, statistics) = match side {
        Side::Input => ("inputFacets", ("inputStatistics", "1-0-0", "InputStatisticsInputDatasetFacet")),
        Side::Output => ("outputFacets", ("outputStatistics", "1-0-2", "OutputStatisticsOutputDatasetFacet")),
    };
    let (facet_name, version, schema) = statistics;
    let mut dataset = json!({ "namespace": namespace, "name": name, "facets": facets });
    if let Some(size) = artifact.known_size() {
        dataset[key] = json!({
            facet_name: standard(version, schema, json!({ "size": size, "fileCount": 1 })),
        });
    }
    dataset
}
