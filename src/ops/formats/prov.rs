//! PROV-JSON (W3C member submission of 24 April 2013): one document, written section by section.

use std::collections::{BTreeSet, HashSet};
use std::io::Write;

use serde_json::{Map, Value, json};

use super::versions::Version;
use super::{Source, write_json, write_text};
use crate::error::Result;
use crate::model::{
    Artifact, Evidence, NodeId, Removed, Role, Run, RunStatus, Step, Timestamp, command_line, percent_encoded,
};
use crate::query::RunHead;

/// Writes the document.
pub(super) fn write(source: &Source<'_>, stream: &mut dyn Write) -> Result<()> {
    write_text(stream, "{\n\"prefix\":")?;
    write_json(
        stream,
        &json!({
            "run": "urn:uuid:",
            "model": "urn:uuid:",
            "file": "urn:lineage:file:",
            "commit": "urn:lineage:commit:",
            "program": "urn:lineage:program:",
            "person": "urn:lineage:person:",
            "lineage": "urn:lineage:term:",
            "dcterms": "http://purl.org/dc/terms/",
        }),
    )?;
    entities(source, stream)?;
    activities(source, stream)?;
    agents(source, stream)?;
    edges(source, stream)?;
    moves_and_removals(source, stream)?;
    associations(source, stream)?;
    memberships_and_decisions(source, stream)?;
    write_text(stream, "\n}\n")
}

/// A section of the document: an object whose members are written one by one.
struct Section<'a> {
    stream: &'a mut dyn Write,
    name: &'static str,
    begun: bool,
}

impl<'a> Section<'a> {
    fn new(stream: &'a mut dyn Write, name: &'static str) -> Self {
        Section { stream, name, begun: false }
    }

    fn put(&mut self, id: &str, value: &Value) -> Result<()> {
        if self.begun {
            write_text(self.stream, ",\n")?;
        } else {
            write_text(self.stream, &format!(",\n\"{}\":{{\n", self.name))?;
            self.begun = true;
        }
        write_json(self.stream, &json!(id))?;
        write_text(self.stream, ":")?;
        write_json(self.stream, value)
    }

    fn end(self) -> Result<()> {
        if self.begun { write_text(self.stream, "}") } else { Ok(()) }
    }
}

fn run_name(id: NodeId) -> String {
    format!("run:{id}")
}

fn model_name(id: NodeId) -> String {
    format!("model:{id}")
}

fn file_name(artifact: &Artifact) -> String {
    format!("file:{}:{}", artifact.digest.hex(), percent_encoded(artifact.path.as_bytes()))
}

fn qualified(name: &str) -> Value {
    json!({ "$": name, "type": "prov:QUALIFIED_NAME" })
}

fn typed(value: impl ToString, kind: &str) -> Value {
    json!({ "$": value.to_string(), "type": kind })
}

fn entities(source: &Source<'_>, stream: &mut dyn Write) -> Result<()> {
    let mut section = Section::new(stream, "entity");
    let mut files: HashSet<[u8; 32]> = HashSet::new();
    let mut commits: BTreeSet<String> = BTreeSet::new();
    source.each_run(&mut |run| {
        if let Some(commit) = &run.view.run.code.commit
            && commits.insert(commit.clone())
        {
            let value = json!({ "prov:type": qualified("prov:Plan"), "prov:label": commit });
            section.put(&format!("commit:{commit}"), &value)?;
        }
        source.each_step(run, &mut |step| {
            artifacts(&step).try_for_each(|artifact| file(&mut section, &mut files, &artifact))
        })?;
        for (at, point) in source.metrics(run.view.run.id)?.iter().enumerate() {
            let value = json!({
                "prov:type": qualified("lineage:Metric"),
                "prov:label": point.name,
                "prov:value": typed(point.value.get(), "xsd:double"),
                "lineage:step": typed(point.step, "xsd:long"),
            });
            section.put(&format!("{}/metric/{at}", run_name(run.view.run.id)), &value)?;
        }
        Ok(())
    })?;
    for version in source.versions()? {
        version.files.iter().try_for_each(|artifact| file(&mut section, &mut files, artifact))?;
        section.put(&model_name(version.view.model.id), &version_entity(version))?;
    }
    section.end()
}

/// Writes what a file is, once.
fn file(section: &mut Section<'_>, known: &mut HashSet<[u8; 32]>, artifact: &Artifact) -> Result<()> {
    let name = file_name(artifact);
    // A digest of the name, so that memory holds 32 bytes a file.
    match known.insert(*blake3::hash(name.as_bytes()).as_bytes()) {
        true => section.put(&name, &entity(artifact)),
        false => Ok(()),
    }
}

fn version_entity(version: &Version) -> Value {
    let view = &version.view;
    let types = [qualified("prov:Collection"), qualified("lineage:ModelVersion")];
    let mut value = json!({
        "prov:type": types,
        "prov:label": view.label(),
        "lineage:model": view.model.name,
        "lineage:version": view.model.version,
        "lineage:stage": view.stage.as_str(),
    });
    if view.deleted.is_some() {
        value["lineage:withdrawn"] = json!(true);
    }
    if !view.aliases.is_empty() {
        value["lineage:alias"] = json!(view.aliases);
    }
    if !view.description.is_empty() {
        value["dcterms:description"] = json!(view.description);
    }
    value
}

fn artifacts(step: &Step) -> impl Iterator<Item = Artifact> {
    let used = step.used.iter().map(|edge| edge.artifact.clone());
    let generated = step.generated.iter().map(|edge| edge.artifact.clone());
    used.chain(generated).chain(step.removed.iter().map(Removed::artifact_or_name))
}

fn entity(artifact: &Artifact) -> Value {
    let mut value = json!({
        "prov:type": qualified("lineage:File"),
        "prov:label": artifact.path.to_string(),
        "prov:location": artifact.path.to_string(),
    });
    if let Some((digest, size)) = artifact.known_digest().zip(artifact.known_size()) {
        value["lineage:digest"] = json!(digest.to_string());
        value["lineage:size"] = typed(size, "xsd:unsignedLong");
    }
    value
}

fn activity(kind: &str, label: &str, started: Timestamp, ended: Option<Timestamp>) -> Map<String, Value> {
    let mut value = Map::new();
    value.insert("prov:startTime".to_owned(), json!(started.rfc3339()));
    if let Some(ended) = ended {
        value.insert("prov:endTime".to_owned(), json!(ended.rfc3339()));
    }
    value.insert("prov:type".to_owned(), qualified(kind));
    value.insert("prov:label".to_owned(), json!(label));
    value
}

fn activities(source: &Source<'_>, stream: &mut dyn Write) -> Result<()> {
    let mut section = Section::new(stream, "activity");
    source.each_run(&mut |run| {
        let recorded = &run.view.run;
        let ended = source.ended_at(run)?;
        let mut value = activity("lineage:Run", &recorded.name, recorded.started_at, ended);
        let command = command_line(&recorded.arguments);
        value.insert("lineage:runId".to_owned(), json!(recorded.run_id.as_str()));
        value.insert("lineage:command".to_owned(), json!(command));
        value.insert("lineage:status".to_owned(), json!(status(run)));
        if let Some(reason) = run.view.reason() {
            value.insert("lineage:reason".to_owned(), json!(reason));
        }
        if !recorded.parameters.is_empty() {
            // One key may stand once in an object; its values are a list then.
            let pairs = recorded.parameters.iter().map(|(name, value)| json!(format!("{name}={value}")));
            value.insert("lineage:parameter".to_owned(), pairs.collect());
        }
        section.put(&run_name(recorded.id), &Value::Object(value))?;
        source.each_step(run, &mut |step| {
            let label = format!("{} {}", step.name, step.subject);
            let mut value = activity("lineage:Step", label.trim(), step.started_at, Some(step.ended_at));
            value.insert("lineage:status".to_owned(), json!(step.status.as_str()));
            value.insert("dcterms:isPartOf".to_owned(), qualified(&run_name(step.run)));
            section.put(&run_name(step.id), &Value::Object(value))
        })
    })?;
    section.end()
}

fn status(run: &RunHead) -> &'static str {
    match run.status() {
        RunStatus::Succeeded => "ok",
        other => other.as_str(),
    }
}

fn agent_name(recorder: &str) -> String {
    format!("program:{}", percent_encoded(recorder.as_bytes()))
}

fn person_name(by: &str) -> String {
    format!("person:{}", percent_encoded(by.as_bytes()))
}

fn agents(source: &Source<'_>, stream: &mut dyn Write) -> Result<()> {
    let mut section = Section::new(stream, "agent");
    let mut seen: BTreeSet<String> = BTreeSet::new();
    source.each_run(&mut |run| {
        let Run { recorder, by, .. } = &run.view.run;
        let mut put = |name: String, sort, label| match seen.insert(name.clone()) {
            true => section.put(&name, &json!({ "prov:type": qualified(sort), "prov:label": label })),
            false => Ok(()),
        };
        put(agent_name(recorder), "prov:SoftwareAgent", recorder)?;
        if by.is_empty() { Ok(()) } else { put(person_name(by), "prov:Person", by) }
    })?;
    for by in source.versions()?.iter().flat_map(|version| &version.decisions).map(|decision| &decision.by) {
        let name = person_name(by);
        if !by.is_empty() && seen.insert(name.clone()) {
            section.put(&name, &json!({ "prov:type": qualified("prov:Person"), "prov:label": by }))?;
        }
    }
    section.end()
}

fn edge_value(step: NodeId, artifact: &Artifact, at: Timestamp, role: Role, evidence: Evidence) -> Value {
    json!({
        "prov:activity": run_name(step),
        "prov:entity": file_name(artifact),
        "prov:time": at.rfc3339(),
        "prov:role": role.as_str(),
        "lineage:evidence": evidence.as_str(),
    })
}

fn edges(source: &Source<'_>, stream: &mut dyn Write) -> Result<()> {
    let mut section = Section::new(stream, "used");
    let mut number = 0_u64;
    source.each_run(&mut |run| {
        source.each_step(run, &mut |step| {
            let written_on: HashSet<usize> =
                source.written_on(&step)?.into_iter().map(|read| read.used).collect();
            for (place, edge) in step.used.iter().enumerate() {
                number += 1;
                let mut value = edge_value(step.id, &edge.artifact, edge.at, edge.role, edge.evidence);
                if written_on.contains(&place) {
                    value["lineage:writtenOn"] = json!(true);
                }
                section.put(&format!("_:u{number}"), &value)?;
            }
            Ok(())
        })
    })?;
    section.end()?;
    let mut section = Section::new(stream, "wasGeneratedBy");
    number = 0;
    let mut exported: HashSet<NodeId> = HashSet::new();
    source.each_run(&mut |run| {
        exported.insert(run.view.run.id);
        source.each_step(run, &mut |step| {
            for edge in &step.generated {
                number += 1;
                let value = edge_value(step.id, &edge.artifact, edge.at, edge.role, edge.evidence);
                section.put(&format!("_:g{number}"), &value)?;
            }
            Ok(())
        })?;
        let id = run_name(run.view.run.id);
        for (at, point) in source.metrics(run.view.run.id)?.iter().enumerate() {
            number += 1;
            let value = json!({
                "prov:activity": id,
                "prov:entity": format!("{id}/metric/{at}"),
                "prov:time": point.at.rfc3339(),
            });
            section.put(&format!("_:g{number}"), &value)?;
        }
        Ok(())
    })?;
    for Version { view, .. } in source.versions()? {
        let Some(run) = view.model.run.filter(|run| exported.contains(run)) else { continue };
        number += 1;
        let value = json!({ "prov:activity": run_name(run), "prov:entity": model_name(view.model.id) });
        section.put(&format!("_:g{number}"), &value)?;
    }
    section.end()
}

/// What each file is that was only given another name, or written on, and what was taken away by whom.
fn moves_and_removals(source: &Source<'_>, stream: &mut dyn Write) -> Result<()> {
    let mut section = Section::new(stream, "wasDerivedFrom");
    let mut number = 0_u64;
    source.each_run(&mut |run| {
        source.each_step(run, &mut |step| {
            let pairs = step.used.iter().zip(&step.generated).filter(|_| step.act.is_one_to_one());
            for (from, to) in pairs {
                number += 1;
                let value = json!({
                    "prov:generatedEntity": file_name(&to.artifact),
                    "prov:usedEntity": file_name(&from.artifact),
                    "prov:activity": run_name(step.id),
                    "lineage:act": step.act.as_str(),
                });
                section.put(&format!("_:d{number}"), &value)?;
            }
            for read in source.written_on(&step)? {
                let from = &step.used[read.used].artifact;
                let versions: BTreeSet<&Artifact> =
                    read.generated.iter().map(|place| &step.generated[*place].artifact).collect();
                for to in versions.into_iter().filter(|to| *to != from) {
                    number += 1;
                    let mut value = json!({
                        "prov:generatedEntity": file_name(to),
                        "prov:usedEntity": file_name(from),
                        "prov:activity": run_name(step.id),
                    });
                    if to.path == from.path {
                        value["prov:type"] = qualified("prov:Revision");
                    }
                    section.put(&format!("_:d{number}"), &value)?;
                }
            }
            Ok(())
        })
    })?;
    section.end()?;
    let mut section = Section::new(stream, "wasInvalidatedBy");
    number = 0;
    source.each_run(&mut |run| {
        source.each_step(run, &mut |step| {
            for removed in &step.removed {
                number += 1;
                let value = json!({
                    "prov:activity": run_name(step.id),
                    "prov:entity": file_name(&removed.artifact_or_name()),
                    "prov:time": removed.at.rfc3339(),
                    "lineage:evidence": removed.evidence.as_str(),
                });
                section.put(&format!("_:r{number}"), &value)?;
            }
            Ok(())
        })
    })?;
    section.end()
}

fn associations(source: &Source<'_>, stream: &mut dyn Write) -> Result<()> {
    let mut section = Section::new(stream, "wasAssociatedWith");
    let mut number = 0_u64;
    source.each_run(&mut |run| {
        number += 1;
        let recorded = &run.view.run;
        let mut value = json!({
            "prov:activity": run_name(recorded.id),
            "prov:agent": agent_name(&recorded.recorder),
        });
        if let Some(commit) = &recorded.code.commit {
            value["prov:plan"] = json!(format!("commit:{commit}"));
        }
        section.put(&format!("_:a{number}"), &value)?;
        if recorded.by.is_empty() {
            return Ok(());
        }
        number += 1;
        let value = json!({
            "prov:activity": run_name(recorded.id),
            "prov:agent": person_name(&recorded.by),
        });
        section.put(&format!("_:a{number}"), &value)
    })?;
    section.end()?;
    // A run that another started; only where both are in the document.
    let exported: HashSet<_> = source.runs.iter().copied().collect();
    let mut section = Section::new(stream, "wasInformedBy");
    number = 0;
    source.each_run(&mut |run| {
        let Some(parent) = run.view.run.parent else { return Ok(()) };
        if !source.snapshot.run_no(parent)?.is_some_and(|parent| exported.contains(&parent)) {
            return Ok(());
        }
        number += 1;
        let value = json!({ "prov:informed": run_name(run.view.run.id), "prov:informant": run_name(parent) });
        section.put(&format!("_:i{number}"), &value)
    })?;
    section.end()
}

/// Which files are a model version, and who decided where it stands.
fn memberships_and_decisions(source: &Source<'_>, stream: &mut dyn Write) -> Result<()> {
    let mut section = Section::new(stream, "hadMember");
    let mut number = 0_u64;
    for version in source.versions()? {
        let files: BTreeSet<String> = version.files.iter().map(file_name).collect();
        for file in files {
            number += 1;
            let value = json!({ "prov:collection": model_name(version.view.model.id), "prov:entity": file });
            section.put(&format!("_:m{number}"), &value)?;
        }
    }
    section.end()?;
    let mut section = Section::new(stream, "wasAttributedTo");
    number = 0;
    for version in source.versions()? {
        for decision in version.decisions.iter().filter(|decision| !decision.by.is_empty()) {
            number += 1;
            let mut value = json!({
                "prov:entity": model_name(version.view.model.id),
                "prov:agent": person_name(&decision.by),
                "lineage:act": decision.act,
                "lineage:at": typed(decision.at.rfc3339(), "xsd:dateTime"),
            });
            if let Some(stage) = decision.stage {
                value["lineage:stage"] = json!(stage.as_str());
            }
            if let Some(reason) = &decision.reason {
                value["lineage:reason"] = json!(reason);
            }
            section.put(&format!("_:t{number}"), &value)?;
        }
    }
    section.end()
}
