//! What `lineage research` found and did, as text and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::model::{ArtifactPath, Finding, Note};
use crate::ops::research::{DocumentState, IndexState, Listed, ResearchReport};
use crate::render::units::{counted, one_line};

/// As many documents of one state are named.
const NAMED_MAX: usize = 20;

/// Writes the report for people.
pub fn text(report: &ResearchReport) -> String {
    let mut text = String::new();
    let counts =
        [DocumentState::New, DocumentState::Changed, DocumentState::ReadAnew, DocumentState::Unchanged]
            .map(|state| (state.as_str(), report.count(state)));
    let mut words: Vec<String> = counts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    if !report.gone.is_empty() {
        words.push(format!("{} gone", report.gone.len()));
    }
    let documents = counted(report.documents.len() as u64, "document", "documents");
    let _ = write!(text, "{}: {documents}", report.folder);
    if !words.is_empty() {
        let _ = write!(text, ": {}", words.join(", "));
    }
    text.push('\n');
    for state in [DocumentState::New, DocumentState::Changed, DocumentState::ReadAnew] {
        let paths = report.documents.iter().filter(|listed| listed.state == state);
        let paths = paths.map(|listed| listed.note.artifact.path.to_string()).collect();
        // That all are new needs no list.
        if report.count(DocumentState::New) < report.documents.len() {
            list(&mut text, state.as_str(), paths);
        }
    }
    list(&mut text, "gone", report.gone.iter().map(ToString::to_string).collect());
    for (label, files) in [("skipped", &report.skipped), ("passed over", &report.passed_over)] {
        let files = files.iter().map(|(path, why)| format!("{}: {}", one_line(path), one_line(why)));
        list(&mut text, label, files.collect());
    }
    let faulty = report.faulty();
    if faulty > 0 {
        let verb = if faulty == 1 { "has" } else { "have" };
        let count = counted(faulty as u64, "document", "documents");
        let _ = writeln!(text, "{count} {verb} faults, which the index lists");
    }
    let index = &report.index;
    let _ = match report.index_state {
        IndexState::Written => writeln!(text, "wrote {index}"),
        IndexState::Unchanged => writeln!(text, "{index} is up to date"),
        IndexState::Differs => writeln!(text, "{index} is out of date"),
        IndexState::Foreign => {
            writeln!(text, "{index} was written or edited by somebody else, and is left as it is")
        }
    };
    text
}

fn list(text: &mut String, word: &str, items: Vec<String>) {
    for item in items.iter().take(NAMED_MAX) {
        let _ = writeln!(text, "  {word:<9}  {item}");
    }
    if items.len() > NAMED_MAX {
        let _ = writeln!(text, "  {word:<9}  and {} more", items.len() - NAMED_MAX);
    }
}

/// Writes the report as JSON.
pub fn json(report: &ResearchReport) -> Value {
    let files = |files: &[(String, String)]| -> Value {
        files.iter().map(|(path, why)| json!({ "path": path, "why": why })).collect()
    };
    json!({
        "format": 1,
        "folder": report.folder.in_json(),
        "up_to_date": report.is_up_to_date(),
        "documents": report.documents.iter().map(document).collect::<Vec<_>>(),
        "gone": report.gone.iter().map(ArtifactPath::in_json).collect::<Vec<_>>(),
        "skipped": files(&report.skipped),
        "passed_over": files(&report.passed_over),
        "index": { "path": report.index.in_json(), "state": report.index_state.as_str() },
    })
}

fn document(listed: &Listed) -> Value {
    let mut value = note_json(&listed.note);
    value["state"] = json!(listed.state.as_str());
    value
}

/// Names the place of a reference in a document.
pub(crate) fn given_by(key: &str) -> &str {
    if key.is_empty() { "text" } else { key }
}

/// Writes a document as JSON.
pub(crate) fn note_json(note: &Note) -> Value {
    let summary = &note.summary;
    let folder = note.artifact.path.folder();
    let fields = note.fields.iter().map(|(key, value)| (key.clone(), json!(value)));
    let finding = |finding: &Finding| json!({ "sort": finding.sort, "text": finding.text });
    let findings =
        |fault| note.findings.iter().filter(move |f| f.fault == fault).map(finding).collect::<Vec<_>>();
    let text = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    json!({
        "path": note.artifact.path.in_json(),
        "digest": note.artifact.digest.to_string(),
        "size_bytes": note.artifact.size_bytes,
        "topic": text(&summary.topic),
        "date": text(&summary.date),
        "status": text(&summary.status),
        "status_written": text(&summary.status_written),
        "tags": summary.tags,
        "author": text(&summary.author),
        "commit": text(&summary.commit),
        "fields": fields.collect::<serde_json::Map<_, _>>(),
        "references": note
            .references
            .iter()
            .map(|reference| {
                json!({
                    "sort": reference.sort.as_str(),
                    "name": reference.name,
                    "given_by": given_by(&reference.given_by),
                    // Of what was not looked for nothing is said here; `lineage show DOCUMENT` looks for all.
                    "missing": reference.is_looked_for(folder).then_some(reference.missing),
                })
            })
            .collect::<Vec<_>>(),
        "faults": findings(true),
        "remarks": findings(false),
    })
}
