//! What `lineage verify` found, as text for people and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::ops::verify::{Finding, VerifyReport};
use crate::render::status::{aligned, left_out};
use crate::render::units::{bytes, counted, one_line};

/// Writes the report for people; of faults and remarks, the first `limit` each.
pub fn text(report: &VerifyReport, limit: usize) -> String {
    let mut text = String::new();
    let totals = &report.totals;
    let store = match totals.facts {
        Some(facts) => format!("{}, compared with those of the journal", counted(facts, "fact", "facts")),
        None => "nothing to compare".to_owned(),
    };
    let lines = [
        (
            "journal",
            format!(
                "{} in {}, {}",
                counted(totals.records, "record", "records"),
                counted(totals.segments, "segment", "segments"),
                bytes(totals.segment_bytes)
            ),
        ),
        ("store", store),
        (
            "contents",
            format!(
                "{} kept and read, {} needed",
                counted(totals.contents, "content", "contents"),
                counted(totals.contents_needed, "is", "are")
            ),
        ),
        ("files", format!("{} compared", counted(totals.files, "recorded file", "recorded files"))),
    ];
    for (label, words) in lines {
        let _ = writeln!(text, "{label:<9} {words}");
    }
    text.push('\n');
    if !report.remarks.is_empty() {
        let _ = writeln!(text, "{}, no fault:", counted(report.remarks.len() as u64, "remark", "remarks"));
        text.push_str(&findings(&report.remarks, limit));
        text.push('\n');
    }
    if report.is_sound() {
        text.push_str("all is well\n");
    } else {
        let _ = writeln!(text, "{}:", counted(report.faults.len() as u64, "fault", "faults"));
        text.push_str(&findings(&report.faults, limit));
    }
    text
}

fn findings(findings: &[Finding], limit: usize) -> String {
    let rows = findings.iter().take(limit).map(|finding| {
        vec![finding.area.as_str().to_owned(), one_line(&finding.subject), one_line(&finding.what)]
    });
    let mut text = aligned(rows.collect());
    text.push_str(&left_out(findings.len(), limit));
    text
}

/// Writes the report as JSON; of faults and remarks, the first `limit` each, and beside them how many there are.
pub fn json(report: &VerifyReport, limit: usize) -> Value {
    let list = |findings: &[Finding]| -> Value {
        let rows = findings.iter().take(limit).map(
            |finding| json!({"area": finding.area.as_str(), "subject": finding.subject, "what": finding.what}),
        );
        rows.collect()
    };
    let totals = &report.totals;
    json!({
        "format": 1,
        "sound": report.is_sound(),
        "faults": list(&report.faults),
        "remarks": list(&report.remarks),
        "totals": {
            "faults": report.faults.len(),
            "remarks": report.remarks.len(),
            "segments": totals.segments,
            "segment_bytes": totals.segment_bytes,
            "records": totals.records,
            "facts": totals.facts,
            "contents": totals.contents,
            "contents_needed": totals.contents_needed,
            "files": totals.files,
        },
    })
}
