//! What `lineage project` did or would do, as text for people and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::ops::project::{Fault, ProjectReport, ProjectedFile, counts};
use crate::render::units::{counted, one_line, thousands};

/// As many lines of one file's differences are printed, and so many characters of a line.
const DIFF_LINES_MAX: usize = 200;
const DIFF_LINE_MAX: usize = 400;

/// Writes the report for people; of the files, the first `limit` of each state.
pub fn text(report: &ProjectReport, limit: usize) -> String {
    let mut text = String::new();
    let mut shown = BTreeMap::new();
    for file in &report.files {
        let count: &mut usize = shown.entry(file.state()).or_default();
        *count += 1;
        if *count <= limit {
            let _ = writeln!(text, "{:<9} {}{}", file.state(), file.path, remark(file));
        }
        if let Some(lines) = &file.diff {
            diff(&mut text, lines);
        }
    }
    for (state, count) in shown {
        if count > limit {
            let _ = writeln!(
                text,
                "          and {} more {state}; --limit 0 lists all",
                thousands((count - limit) as u64)
            );
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let mut parts: Vec<String> =
        counts(report).into_iter().map(|(state, count)| format!("{} {state}", thousands(count))).collect();
    parts.push(format!("{} up to date", counted(report.current, "file", "files")));
    let _ =
        writeln!(text, "{}{}", parts.join(", "), if report.dry_run { "; nothing was changed" } else { "" });
    text
}

/// Says how many projected files hold something else than is recorded.
pub fn unlike(count: u64) -> String {
    let files = counted(count, "projected file does not hold", "projected files do not hold");
    format!("note: {files} what is recorded: `lineage project --check` says more")
}

fn remark(file: &ProjectedFile) -> String {
    match (&file.fault, file.mended) {
        (Fault::Edited { digest }, true) => {
            format!("  (what somebody had written there is kept as {digest})")
        }
        (Fault::Edited { .. }, false) => {
            "  (somebody edited it: left alone; --force writes over it and keeps the edit)".to_owned()
        }
        (Fault::Unwanted { edited: Some(digest) }, true) => format!("  (what it held is kept as {digest})"),
        (Fault::Unwanted { edited: Some(_) }, false) => {
            "  (no longer wanted, and edited: --prune --force removes it and keeps the edit)".to_owned()
        }
        (Fault::Unwanted { edited: None }, false) => "  (no longer wanted: --prune removes it)".to_owned(),
        (Fault::Lost(reason), _) => format!("  ({})", one_line(reason)),
        (Fault::Blocked(reason), _) => format!("  ({})", one_line(reason)),
        _ => String::new(),
    }
}

fn diff(text: &mut String, lines: &[String]) {
    for line in lines.iter().take(DIFF_LINES_MAX) {
        let cut: String = line.chars().take(DIFF_LINE_MAX).collect();
        let more = if cut.len() < line.len() { " …" } else { "" };
        let _ = writeln!(text, "{}{more}", one_line(&cut));
    }
    if lines.len() > DIFF_LINES_MAX {
        let _ = writeln!(text, "… {} more lines differ", lines.len() - DIFF_LINES_MAX);
    }
}

/// Writes the report as JSON; of the files, the first `limit` of each state, of which `counts` says how many there are.
pub fn json(report: &ProjectReport, limit: usize) -> Value {
    let mut shown = BTreeMap::new();
    let mut is_shown = |file: &&ProjectedFile| {
        let count: &mut usize = shown.entry(file.state()).or_default();
        *count += 1;
        *count <= limit
    };
    let files: Vec<Value> = report.files.iter().filter(|file| is_shown(file)).map(file_json).collect();
    json!({
        "format": 1,
        "dry_run": report.dry_run,
        "current": report.current,
        "counts": counts(report),
        "files": files,
        "warnings": report.warnings,
    })
}

fn file_json(file: &ProjectedFile) -> Value {
    let (digest, reason) = match &file.fault {
        Fault::Edited { digest } | Fault::Unwanted { edited: Some(digest) } => {
            (Some(digest.to_string()), None)
        }
        Fault::Lost(reason) | Fault::Blocked(reason) => (None, Some(reason.as_str())),
        _ => (None, None),
    };
    json!({
        "path": file.path.in_json(),
        "state": file.state(),
        "size_bytes": file.size_bytes,
        "edited_digest": digest,
        "reason": reason,
        "diff": file.diff,
    })
}
