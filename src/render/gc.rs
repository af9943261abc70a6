//! What `lineage gc` found or did, as text for people and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::ops::gc::GcReport;
use crate::render::units::{bytes, counted, one_line, thousands};

/// Writes the report for people; of the contents, the first `limit`.
pub fn text(report: &GcReport, limit: usize) -> String {
    let mut text = String::new();
    for content in report.contents.iter().take(limit) {
        let _ = writeln!(
            text,
            "{}  {:>9}  {}",
            content.digest.short(),
            bytes(content.stored_bytes),
            content.reason
        );
    }
    if report.contents.len() > limit {
        let more = thousands((report.contents.len() - limit) as u64);
        let _ = writeln!(text, "and {more} more; --limit 0 lists all");
    }
    for (digest, reason) in &report.failed {
        let _ = writeln!(text, "{}  not removed: {}", digest.short(), one_line(reason));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let count = counted(report.contents.len() as u64, "content", "contents");
    let kept = format!("{} stay, {}", counted(report.kept, "content", "contents"), bytes(report.kept_bytes));
    let size = bytes(report.bytes());
    let _ = match report.applied {
        true => writeln!(text, "{count} let go, {size} freed; {kept}"),
        false if report.contents.is_empty() => writeln!(text, "nothing to let go; {kept}"),
        false => writeln!(text, "{count} could go, {size}; {kept}; nothing was removed: --apply does that"),
    };
    if report.young > 0 {
        let young = counted(report.young, "content that nothing needs is", "contents that nothing needs are");
        let _ = writeln!(text, "{young} too young to go: --older-than says how old is old enough");
    }
    text
}

/// Writes the report as JSON; of the contents, the first `limit`, and beside them how many there are.
pub fn json(report: &GcReport, limit: usize) -> Value {
    let mut by_reason: BTreeMap<&str, u64> = BTreeMap::new();
    for content in &report.contents {
        *by_reason.entry(content.reason).or_default() += content.stored_bytes;
    }
    let contents = report.contents.iter().take(limit).map(|content| {
        json!({"digest": content.digest.to_string(), "stored_bytes": content.stored_bytes, "reason": content.reason})
    });
    let failed =
        report.failed.iter().map(|(digest, reason)| json!({"digest": digest.to_string(), "reason": reason}));
    json!({
        "format": 1,
        "applied": report.applied,
        "bytes": report.bytes(),
        "bytes_by_reason": by_reason,
        "kept": report.kept,
        "kept_bytes": report.kept_bytes,
        "young": report.young,
        "contents": contents.collect::<Vec<_>>(),
        "contents_total": report.contents.len(),
        "failed": failed.collect::<Vec<_>>(),
    })
}
