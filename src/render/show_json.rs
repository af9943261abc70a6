//! What `lineage show` found, as JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::model::{Artifact, ArtifactPath, CaptureLevel, Remark, Stream, Timestamp};
use crate::ops::DiskState;
use crate::ops::run::{Point, SoFar};
use crate::ops::show::{
    Fate, FileReport, Hold, LearnedModel, LinkReport, ModelReport, ProjectedOrigin, ProjectedReport,
    RunReport, SegmentReport, Shown, WaySoFar, Writer,
};
use crate::query::registry::ModelView;
use crate::query::{
    CameFrom, Direction, Folded, RemovedBy, RunHead, RunLack, TraceFile, TraceReport, TraceRun, Unwritten,
};
use crate::render::models::card_value;
use crate::render::show::{environments, runs_lacking, status};

/// Writes the answer as JSON.
pub fn json(shown: &Shown) -> Value {
    let mut document = Map::new();
    document.insert("format".to_owned(), json!(1));
    document.insert("links".to_owned(), json!([]));
    let environment =
        |(run, list): &(String, String)| json!({"run_tail": run, "lines": list.lines().collect::<Vec<_>>()});
    document.insert("environments".to_owned(), environments(shown).iter().map(environment).collect());
    match shown {
        Shown::File(report) => file_json(report, &mut document),
        Shown::Linked(report) => {
            let mut document = json(&report.shown);
            document["links"] = report.links.iter().map(link_json).collect();
            return document;
        }
        Shown::Run(report) => {
            document.insert("kind".to_owned(), json!("run"));
            run_json(report, &mut document);
        }
        Shown::Model(report) => {
            document.insert("kind".to_owned(), json!("model"));
            model_report_json(report, &mut document);
        }
        Shown::Segment(report) => {
            file_json(&report.file, &mut document);
            document.insert("kind".to_owned(), json!("segment"));
            document.insert("segment".to_owned(), segment_json(report));
        }
        Shown::AtWork(report) => {
            document.insert("kind".to_owned(), json!("at work"));
            document.insert("path".to_owned(), json!(report.path.in_json()));
            document.insert("direction".to_owned(), json!(direction_name(report.direction)));
            document.insert("so_far".to_owned(), report.so_far.iter().map(way_so_far_json).collect());
        }
        Shown::Projected(report) => {
            document.insert("kind".to_owned(), json!("projected"));
            document.insert("projected".to_owned(), projected_json(report));
            document.insert("overwritten".to_owned(), crate::render::overwritten::json(&report.overwritten));
            match &report.origin {
                ProjectedOrigin::Run(report) => run_json(report, &mut document),
                ProjectedOrigin::Model(report) => model_report_json(report, &mut document),
                ProjectedOrigin::Documents(notes) => {
                    let notes = notes.iter().map(|note| json!(note.artifact.path.in_json()));
                    document.insert("notes".to_owned(), notes.collect());
                }
            }
        }
    }
    Value::Object(document)
}

fn projected_json(report: &ProjectedReport) -> Value {
    let (from, name) = match &report.origin {
        ProjectedOrigin::Run(origin) => ("run", Some(origin.head.view.run.id.to_string())),
        ProjectedOrigin::Model(origin) => ("model", Some(origin.card.view.model.id.to_string())),
        ProjectedOrigin::Documents(_) => ("documents", None),
    };
    json!({ "path": report.path.in_json(), "state": report.state.as_str(), "from": from, "id": name })
}

fn model_report_json(report: &ModelReport, document: &mut Map<String, Value>) {
    document.insert("model".to_owned(), card_value(&report.card));
    document.insert("learned".to_owned(), learned_json(&report.learned));
    trace_json(&report.trace, &report.disk, document);
    if let Some(files) = &report.files {
        document.insert("files".to_owned(), files.iter().map(artifact_json).collect());
    }
}

fn file_json(report: &FileReport, document: &mut Map<String, Value>) {
    let target = &report.target;
    let mut put = |name: &str, value: Value| document.insert(name.to_owned(), value);
    put("kind", json!("file"));
    put("path", json!(target.path.in_json()));
    put("artifact", artifact_json(&target.artifact));
    put("on_disk", json!(state_name(target.state)));
    put("is_link", json!(report.is_link));
    put("kept", json!(report.is_kept));
    put("workspace", neighbour_json(report.disk.get(&target.artifact)));
    put("written", writer_json(report.writer.as_ref()));
    put("removed", report.removed.as_ref().map_or(Value::Null, removed_json));
    put(
        "from",
        match &report.unwritten {
            None => {
                let run = report.writer.as_ref().map(|writer| writer.run.view.run.id.to_string());
                json!({"kind": "run", "run": run})
            }
            Some(Unwritten::CopyOf { artifact, run, .. }) => {
                json!({"kind": "copy", "run_tail": run, "of": artifact_json(artifact)})
            }
            Some(Unwritten::Gap(_)) => json!({"kind": "gap"}),
            Some(Unwritten::Source) => json!({"kind": "source"}),
            Some(Unwritten::Alike { artifact, run }) => {
                json!({"kind": "source", "run_tail": run, "alike": artifact_json(artifact)})
            }
        },
    );
    put("overwritten", crate::render::overwritten::json(&report.overwritten));
    put("same_bytes", report.same_bytes.iter().map(|path| json!(path.in_json())).collect());
    put("link_names", report.link_names.iter().map(|path| json!(path.in_json())).collect());
    put("projected", report.projected.as_ref().map_or(Value::Null, |report| projected_json(report)));
    put("models", report.models.iter().map(model_json).collect());
    put("learned", learned_json(&report.learned));
    put("so_far", report.so_far.iter().map(way_so_far_json).collect());
    if let Some(report) = &report.note {
        document.insert("note".to_owned(), crate::render::notes::json(report));
    }
    document
        .insert("notes".to_owned(), report.notes.iter().map(|n| json!(n.artifact.path.in_json())).collect());
    trace_json(&report.trace, &report.disk, document);
    if let Some(files) = &report.files {
        document.insert("files".to_owned(), files.iter().map(artifact_json).collect());
    }
}

fn writer_json(writer: Option<&Writer>) -> Value {
    writer.map_or(Value::Null, |writer| {
        json!({
            "at": writer.at.rfc3339(), "step": writer.step, "steps": writer.steps,
            "command": writer.command,
            "also_written_by": writer.others,
            "also_written_elsewhere_by": writer.elsewhere,
            "run": writer.run.view.run.id.to_string(), "run_id": writer.run.view.run.run_id.as_str(),
        })
    })
}

/// Tells of a link: its place, its text, what it leads to, and who made it.
fn link_json(link: &LinkReport) -> Value {
    json!({
        "path": link.artifact.path.in_json(), "text": link.text.to_string(), "lies_there": link.lies_there,
        "to": link.to.as_ref().map(ArtifactPath::in_json), "written": writer_json(link.writer.as_ref()),
    })
}

/// Tells who took a file away.
pub(crate) fn removed_json(removed: &RemovedBy) -> Value {
    json!({
        "at": removed.at.rfc3339(), "step": removed.step, "run": removed.run.view.run.id.to_string(),
        "run_id": removed.run.view.run.run_id.as_str(), "run_tail": removed.run.tail,
        "moved_to": removed.moved_to.as_ref().map(artifact_json),
    })
}

/// Names a model version.
fn model_json(view: &ModelView) -> Value {
    json!({
        "id": view.model.id.to_string(), "name": view.model.name, "version": view.model.version,
        "label": view.label(), "stage": view.stage.as_str(), "deleted": view.deleted.is_some(),
    })
}

fn learned_json(learned: &[LearnedModel]) -> Value {
    let models = learned.iter().map(|model| {
        let mut value = model_json(&model.view);
        value["how"] = json!(model.how.as_str());
        value["evidence"] = json!(model.evidence.as_str());
        value
    });
    models.collect()
}

fn run_json(report: &RunReport, document: &mut Map<String, Value>) {
    document.insert("run".to_owned(), run_head_json(&report.head));
    let hold = report.hold_on_commit.map(|hold| match hold {
        Hold::Reference => "reference",
        Hold::Nothing => "nothing",
        Hold::NotHere => "not here",
    });
    document.insert("commit_held_by".to_owned(), json!(hold));
    document.insert("parts".to_owned(), report.parts.iter().map(run_head_json).collect());
    document.insert("parts_total".to_owned(), json!(report.parts_total));
    document.insert("so_far".to_owned(), report.so_far.as_ref().map_or(Value::Null, so_far_json));
    document.insert("models".to_owned(), report.models.iter().map(model_json).collect());
    document.insert("learned".to_owned(), learned_json(&report.learned));
    let metrics = report.metrics.iter().map(|metric| {
        json!({"name": metric.name, "value": metric.value.get(), "step": metric.step, "at": metric.at.rfc3339()})
    });
    document.insert("metrics".to_owned(), metrics.collect());
    let steps =
        report.steps.iter().map(|(name, done, failed)| json!({"name": name, "done": done, "failed": failed}));
    document.insert("step_counts".to_owned(), steps.collect());
    let tags = report.tags.iter().map(|(name, value)| (name.clone(), json!(value)));
    document.insert("tags".to_owned(), Value::Object(tags.collect()));
    document.insert("failures".to_owned(), json!(report.failures));
    let inputs = report.inputs.iter().map(|file| {
        let mut value = with_fate(file, &report.disk);
        value["models"] = report.holding.get(file).map_or_else(|| json!([]), |models| json!(models));
        value
    });
    document.insert("inputs".to_owned(), inputs.collect());
    let outputs = report.outputs.iter().map(|file| with_fate(file, &report.disk));
    document.insert("outputs".to_owned(), outputs.collect());
    document.insert("removed".to_owned(), report.removed.iter().map(ArtifactPath::in_json).collect());
    document
        .insert("notes".to_owned(), report.notes.iter().map(|n| json!(n.artifact.path.in_json())).collect());
    trace_json(&report.trace, &report.disk, document);
}

fn segment_json(report: &SegmentReport) -> Value {
    let segment = &report.segment;
    json!({
        "chunk_id": segment.chunk_id,
        "filing_name": segment.filing_name,
        "accession_number": segment.accession_number,
        "company_name": segment.company_name,
        "section": segment.identifier,
        "title": segment.title,
        "ancestors": segment.ancestors,
        "text": segment.text,
        "word_count": segment.word_count,
        "span": [segment.span.start, segment.span.end],
        "filing": report.filing.as_ref().map(|filing| json!({
            "artifact": artifact_json(&filing.artifact),
            "on_disk": state_name(filing.state),
            "bytes_as_text": filing.text,
        })),
    })
}

/// Names a file, and tells what became of it where that was looked at.
fn with_fate(artifact: &Artifact, disk: &BTreeMap<Artifact, Fate>) -> Value {
    let fate = disk.get(artifact);
    let mut value = artifact_json(artifact);
    value["on_disk"] = json!(fate.map(|fate| state_name(fate.state)));
    value["kept"] = json!(fate.and_then(|fate| fate.is_kept));
    value["workspace"] = neighbour_json(fate);
    value
}

/// Names the root of another workspace that a file lies in.
fn neighbour_json(fate: Option<&Fate>) -> Value {
    let neighbour = fate.and_then(|fate| fate.neighbour.as_ref());
    json!(neighbour.map(|neighbour| neighbour.root.to_string_lossy()))
}

fn trace_json(report: &TraceReport, disk: &BTreeMap<Artifact, Fate>, document: &mut Map<String, Value>) {
    let mut put = |name: &str, value: Value| document.insert(name.to_owned(), value);
    put("direction", json!(direction_name(report.direction)));
    put("runs", report.runs.iter().map(trace_run_json).collect());
    let ends = if report.direction == Direction::Up { "sources" } else { "ends" };
    put(ends, report.ends.iter().map(|end| with_fate(end, disk)).collect());
    let gaps = report.gaps.iter().map(|gap| {
        json!({
            "artifact": artifact_json(&gap.artifact), "written": artifact_json(&gap.written),
            "written_at": gap.written_at.rfc3339(), "run_tail": gap.run,
        })
    });
    put("gaps", gaps.collect());
    put("folded", folded_json(report.folded.as_ref()));
    let [observed, declared, inferred, doubtful, carried] = report.evidence;
    put(
        "totals",
        json!({
            "runs": report.runs_total, "steps": report.steps_total, "artifacts": report.artifacts_total,
            ends: report.ends_total, "gaps": report.gaps.len(), "observed": observed, "declared": declared,
            "inferred": inferred, "changed_while_read": doubtful, "carried": carried, "copies": report.copies, "at_work": report.at_work, "not_followed": report.cut.edges,
            "runs_named": report.runs.len(), "runs_without_reads": runs_lacking(report, RunLack::Reads),
            "runs_with_ignored_files": runs_lacking(report, RunLack::IgnoredFiles),
            "runs_with_unseen": runs_lacking(report, RunLack::Unseen),
        }),
    );
}

fn direction_name(direction: Direction) -> &'static str {
    if direction == Direction::Up { "up" } else { "down" }
}

fn folded_json(folded: Option<&Folded>) -> Value {
    let folded = folded.map(|folded| {
        json!({
            "through": folded.through.iter().map(ArtifactPath::in_json).collect::<Vec<_>>(),
            "runs": folded.runs, "steps": folded.steps, "files": folded.files,
        })
    });
    json!(folded)
}

fn way_so_far_json(so_far: &WaySoFar) -> Value {
    json!({
        "until": so_far.until.rfc3339(),
        "run": trace_run_json(&so_far.run),
        "folded": folded_json(so_far.folded.as_ref()),
        "removed_at": so_far.removed.as_ref().map(|(at, _)| at.rfc3339()),
    })
}

fn so_far_json(so_far: &SoFar) -> Value {
    let metric = |point: &Point| json!({"name": point.name, "value": point.value.get(), "step": point.step});
    json!({
        "until": so_far.until.rfc3339(),
        "run": trace_run_json(&so_far.by_now.run),
        "removed": so_far.by_now.removed().keys().map(|path| path.in_json()).collect::<Vec<_>>(),
        "metrics": so_far.metrics.iter().map(metric).collect::<Vec<_>>(),
    })
}

fn trace_run_json(run: &TraceRun) -> Value {
    let mut value = run_head_json(&run.head);
    let steps = run.steps.iter().map(|step| {
        json!({
            "id": step.step.id.to_string(),
            "name": step.step.name,
            "subject": step.step.subject,
            "status": step.step.status.as_str(),
            "reason": step.step.reason,
            "started_at": step.step.started_at.rfc3339(),
            "ended_at": step.step.ended_at.rfc3339(),
            "depth": step.depth,
            "parameters": step.step.parameters.iter().map(|(k, v)| (k.clone(), json!(v))).collect::<Map<_, _>>(),
            "cached_from": step.step.cached_from.map(|id| id.to_string()),
            "used": step.used.iter().map(edge_json).collect::<Vec<_>>(),
            "generated": step.generated.iter().map(edge_json).collect::<Vec<_>>(),
        })
    });
    value["steps"] = steps.collect();
    value["lacks"] = run.lacks().into_iter().map(RunLack::as_str).collect();
    value
}

/// Writes the head of a run as JSON.
pub(crate) fn run_head_json(head: &RunHead) -> Value {
    let run = &head.view.run;
    let parameter = |(name, value): &(String, String)| json!({"name": name, "value": value});
    json!({
        "id": run.id.to_string(),
        "tail": head.tail,
        "run_id": run.run_id.as_str(),
        "name": run.name,
        "kind": run.kind.as_str(),
        "status": status(head),
        "reason": head.view.reason(),
        "started_at": run.started_at.rfc3339(),
        "ended_at": head.view.ended_at().map(Timestamp::rfc3339),
        "duration_seconds": head.view.duration_us().map(|micros| micros as f64 / 1e6),
        "exit_code": head.view.outcomes.last().and_then(|outcome| outcome.exit_code),
        "arguments": run.arguments,
        "parameters": run.parameters.iter().map(parameter).collect::<Vec<_>>(),
        "parameters_said_several": head.view.said_several,
        "parent": run.parent.map(|id| id.to_string()),
        "rerun_of": run.rerun_of.map(|id| id.to_string()),
        "streams": run.streams.as_ref().map(|streams| streams.iter().map(stream_json).collect::<Vec<_>>()),
        "observed_by": head.view.level().map(CaptureLevel::as_str),
        "remarks": remarks_json(head),
        "remarks_omitted": head.view.all_remarks().1,
        "recorder": run.recorder,
        "host": run.host,
        "by": run.by,
        "code": {
            "root": head.view.own_root().map(ArtifactPath::in_json),
            "commit": run.code.commit,
            "branch": run.code.branch,
            "dirty": head.view.is_own_dirty(),
            "unreadable": run.code.unreadable,
            "label": head.view.code_label(),
            "changed": run.code.changed.iter().map(|file| json!({
                "path": file.path.in_json(), "kind": file.kind.as_str(),
                "digest": file.digest.map(|digest| digest.to_string()),
            })).collect::<Vec<_>>(),
            "changed_meanwhile": head.view.changed_meanwhile.iter().map(ArtifactPath::in_json).collect::<Vec<_>>(),
            "never_committed": head.view.never_committed.iter().map(ArtifactPath::in_json).collect::<Vec<_>>(),
            "untracked": run.code.untracked.len() as u64 + run.code.untracked_omitted,
            "patch": run.code.patch.map(|digest| digest.to_string()),
        },
        "repositories": repositories_json(head),
    })
}

fn stream_json(stream: &Stream) -> Value {
    json!({
        "number": stream.number,
        "path": stream.path.in_json(),
        "way": stream.way.as_str(),
        "same_as": stream.same_as,
    })
}

fn repositories_json(head: &RunHead) -> Vec<Value> {
    let of_others = head.view.other_repositories().map(|(repository, code)| {
        json!({
            "root": repository.root.as_ref().map(ArtifactPath::in_json),
            "commit": code.commit,
            "branch": code.branch,
            "dirty": head.view.is_dirty_in(repository),
            "patch": code.patch.map(|digest| digest.to_string()),
            "unreadable": code.unreadable,
        })
    });
    of_others.collect()
}

fn remarks_json(head: &RunHead) -> Vec<Value> {
    let (remarks, _) = head.view.all_remarks();
    remarks.map(remark_json).collect()
}

/// Writes a remark as JSON.
pub(super) fn remark_json(remark: &Remark) -> Value {
    json!({"kind": remark.kind.as_str(), "text": remark.text, "count": remark.count})
}

fn edge_json(file: &TraceFile) -> Value {
    let mut value = artifact_json(&file.artifact);
    value["at"] = json!(file.at.rfc3339());
    value["evidence"] = json!(file.evidence.as_str());
    value["role"] = json!(file.role.as_str());
    value["models"] = json!(file.models);
    value["link_names"] = file.link_names.iter().map(|name| json!(name.in_json())).collect();
    value["from"] = match &file.from {
        None => Value::Null,
        Some(CameFrom::Run(id)) => json!({"kind": "run", "run": id.to_string()}),
        Some(CameFrom::SoFar(id)) => json!({"kind": "so far", "run": id.to_string()}),
        Some(CameFrom::CopyOf(artifact, id)) => {
            json!({"kind": "copy", "run": id.to_string(), "of": artifact_json(artifact)})
        }
        Some(CameFrom::Gap) => json!({"kind": "gap"}),
        Some(CameFrom::Source) => json!({"kind": "source"}),
        Some(CameFrom::Alike(artifact, id)) => {
            json!({"kind": "source", "run": id.to_string(), "alike": artifact_json(artifact)})
        }
    };
    value
}

/// Writes an artifact as JSON; digest and size are null where its content is not recorded.
pub(crate) fn artifact_json(artifact: &Artifact) -> Value {
    json!({
        "path": artifact.path.in_json(),
        "digest": artifact.known_digest().map(|digest| digest.to_string()),
        "size_bytes": artifact.known_size(),
    })
}

/// Returns the word for how a file lies on disk.
pub(crate) fn state_name(state: DiskState) -> &'static str {
    match state {
        DiskState::Unchanged => "unchanged",
        DiskState::Changed(_) | DiskState::OtherVersion(_) => "changed",
        DiskState::Gone => "gone",
        DiskState::NoFile => "no file",
        DiskState::Unreadable => "not readable",
        DiskState::SameBytes => "same bytes under another name",
        DiskState::Elsewhere => "elsewhere",
        DiskState::NotRecorded => "content not recorded",
        DiskState::NotChecked => "not checked",
    }
}
