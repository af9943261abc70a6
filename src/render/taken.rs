//! What an import of another program's runs came to, as text and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::ops::taken::TakenOver;
use crate::render::units::{counted, one_line};

/// As many lines of what was left out are printed for people.
const LEFT_OUT_MAX: usize = 20;

/// Writes the report for people.
pub fn text(report: &TakenOver) -> String {
    let mut text = format!("{}, {} new", counted(report.runs, "run", "runs"), report.new_runs);
    for (count, one, many) in [
        (report.points, "new metric point", "new metric points"),
        (report.files, "new file", "new files"),
        (report.models, "new model version", "new model versions"),
        (report.changes, "change of what was known", "changes of what was known"),
        (report.deleted, "deleted there and not taken over", "deleted there and not taken over"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {}", counted(count, one, many));
        }
    }
    text.push('\n');
    for (there, here) in report.called.iter().take(LEFT_OUT_MAX) {
        let _ = writeln!(text, "  model     `{}` is called {} here", one_line(there), one_line(here));
    }
    for line in report.left_out.iter().take(LEFT_OUT_MAX) {
        let _ = writeln!(text, "  left out  {}", one_line(line));
    }
    let more = report.left_out.len().saturating_sub(LEFT_OUT_MAX) as u64 + report.left_out_more;
    if more > 0 {
        let _ = writeln!(text, "  left out  and {more} more");
    }
    text
}

/// Writes the report as JSON.
pub fn json(report: &TakenOver) -> Value {
    json!({
        "format": 1,
        "runs": report.runs,
        "new_runs": report.new_runs,
        "new_points": report.points,
        "new_files": report.files,
        "new_models": report.models,
        "changes": report.changes,
        "deleted": report.deleted,
        "called": report.called,
        "left_out": report.left_out,
        "left_out_more": report.left_out_more,
    })
}
