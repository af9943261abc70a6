//! What `lineage import` came to.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::model::NodeId;
use crate::ops::import::ImportSummary;
use crate::render::show_json::artifact_json;
use crate::render::units::{bytes, counted, one_line};

/// As many files that could not be read are named.
const UNREADABLE_MAX: usize = 20;

/// Writes the summary for people.
pub fn text(summary: &ImportSummary) -> String {
    let mut text = String::new();
    match &summary.run {
        Some(run) => {
            let count = counted(summary.imported.len() as u64, "file", "files");
            let size = bytes(summary.imported.iter().map(|file| file.size_bytes).sum());
            let tail = run.id.tail(NodeId::TAIL_DIGITS);
            let _ = writeln!(text, "{count}, {size}, recorded as run {tail}");
        }
        None if summary.known > 0 => text.push_str("nothing new\n"),
        None => text.push_str("no files\n"),
    }
    let mut also = |count: u64, one: &str, many: &str| {
        if count > 0 {
            let _ = writeln!(text, "{}", counted(count, one, many));
        }
    };
    also(
        summary.known,
        "file is recorded already, with the same bytes",
        "files are recorded already, with the same bytes",
    );
    also(
        summary.ignored,
        "file or folder left out by `.lineageignore`",
        "files and folders left out by `.lineageignore`",
    );
    also(
        summary.passed_over,
        "entry passed over: no file, or a cache",
        "entries passed over: no files, or caches",
    );
    for why in summary.unreadable.iter().take(UNREADABLE_MAX) {
        let _ = writeln!(text, "not recorded: {}", one_line(why));
    }
    let more = summary.unreadable.len().saturating_sub(UNREADABLE_MAX) as u64;
    if more > 0 {
        let _ = writeln!(text, "and {} more not recorded", counted(more, "file", "files"));
    }
    text
}

/// Writes the summary as JSON.
pub fn json(summary: &ImportSummary) -> Value {
    json!({
        "format": 1,
        "run": summary.run.as_ref().map(|run| run.id.to_string()),
        "run_id": summary.run.as_ref().map(|run| run.run_id.as_str()),
        "artifacts": summary.imported.iter().map(artifact_json).collect::<Vec<_>>(),
        "known": summary.known,
        "ignored": summary.ignored,
        "passed_over": summary.passed_over,
        "unreadable": summary.unreadable,
    })
}
