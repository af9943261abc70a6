//! What a research document speaks of, and which documents speak of a file or a run, as lines of `lineage show`.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::model::{Note, ReferenceSort, Timestamp};
use crate::ops::notes::{Named, NoteReport, Presence};
use crate::ops::show::FileReport;
use crate::render::research::{given_by, note_json};
use crate::render::units::one_line;

/// As many things that a document names are listed of each sort.
const NAMED_MAX: usize = 20;

/// Writes the lines on a file: what it is as a document, and the documents that speak of it.
pub(crate) fn file(report: &FileReport, text: &mut String) {
    if let Some(note) = &report.note {
        document(note, text);
    }
    for note in &report.notes {
        let _ = writeln!(text, "  note     {}", line(note));
    }
}

/// Names a document on one line.
pub(crate) fn line(note: &Note) -> String {
    let topic = one_line(&note.summary.topic);
    if topic.is_empty() { note.artifact.path.to_string() } else { format!("{}  {topic}", note.artifact.path) }
}

fn document(report: &NoteReport, text: &mut String) {
    let summary = &report.note.summary;
    if let Some(at) = report.gone {
        let _ = writeln!(text, "  gone     found so {at}; below is what it said when it was last read");
    }
    let mut field = |label: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "  {label:<9}{}", one_line(value));
        }
    };
    field("topic", &summary.topic);
    field("date", &summary.date);
    field(
        "status",
        if summary.status_written.is_empty() { &summary.status } else { &summary.status_written },
    );
    field("author", &summary.author);
    field("tags", &summary.tags.join(", "));
    for sort in ReferenceSort::ALL {
        let names: Vec<&Named> = report.names.iter().filter(|named| named.reference.sort == sort).collect();
        for named in names.iter().take(NAMED_MAX) {
            let label = if sort == ReferenceSort::Note { "document" } else { sort.as_str() };
            let _ = writeln!(text, "  names    {label} {}", words(named));
        }
        if names.len() > NAMED_MAX {
            let _ = writeln!(text, "  names    and {} more", names.len() - NAMED_MAX);
        }
    }
    for finding in &report.note.findings {
        if finding.fault {
            let _ = writeln!(text, "  fault    {}", one_line(&finding.text));
        }
    }
}

/// Writes a document and what it names as JSON.
pub(crate) fn json(report: &NoteReport) -> Value {
    let mut value = note_json(&report.note);
    let names = report.names.iter().map(|named| {
        let runs = named.runs.iter().map(|run| {
            json!({ "id": run.view.run.id.to_string(), "run_id": run.view.run.run_id.as_str(), "name": run.view.run.name })
        });
        json!({
            "sort": named.reference.sort.as_str(),
            "name": named.reference.name,
            "given_by": named.given_by.iter().map(|key| given_by(key)).collect::<Vec<_>>(),
            "missing": named.presence.is_missing(),
            "only_recorded": named.presence == Presence::OnlyRecorded,
            "runs": runs.collect::<Vec<_>>(),
            "model": named.model,
        })
    });
    value["references"] = names.collect();
    value["gone"] = json!(report.gone.map(Timestamp::rfc3339));
    value
}

fn words(named: &Named) -> String {
    let reference = &named.reference;
    let mut words = one_line(&reference.name);
    let runs = named.runs.iter().map(|run| match reference.sort {
        ReferenceSort::Commit => run.tail.clone(),
        _ => format!("{} {}", run.tail, one_line(&run.view.run.name)),
    });
    let runs = runs.collect::<Vec<_>>().join(", ");
    match reference.sort {
        ReferenceSort::Run if runs.is_empty() => words.push_str(", not recorded here"),
        ReferenceSort::Run => {
            let _ = write!(words, ", run {runs}");
        }
        ReferenceSort::Commit if !runs.is_empty() => {
            let _ = write!(words, ", of runs {runs}");
        }
        ReferenceSort::Commit if named.presence == Presence::Missing => {
            words.push_str(", not in the repository here");
        }
        ReferenceSort::Model => match &named.model {
            None => words.push_str(", not registered here"),
            Some(label) if *label != reference.name => {
                let _ = write!(words, ", which is {}", one_line(label));
            }
            Some(_) => {}
        },
        _ => words.push_str(match named.presence {
            Presence::Missing if reference.sort == ReferenceSort::File => ", neither there nor recorded",
            Presence::Missing => ", which is not there",
            Presence::OnlyRecorded => ", recorded, but no longer there",
            Presence::There | Presence::NotKnown => "",
        }),
    }
    let keys = named.given_by.iter().filter(|key| !key.is_empty()).map(|key| one_line(key));
    let keys = keys.collect::<Vec<_>>().join(", ");
    if !keys.is_empty() {
        let _ = write!(words, "  ({keys})");
    }
    words
}
