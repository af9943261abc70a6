//! The summary of a pipeline run.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::model::MetricValue;
use crate::ops::pipeline::{Summary, failures_by_kind};
use crate::render::units::{bytes, counted, duration, one_line};

/// As many failures, and other lists, are shown by name.
const LINES_MAX: usize = 20;

/// Writes the summary for people.
pub fn text(summary: &Summary) -> String {
    let mut text = String::new();
    headline(summary, &mut text);
    if summary.dry_run {
        text.push_str("nothing was done: this was a dry run\n");
    }
    for (stage, count) in &summary.stages {
        let mut parts = Vec::new();
        for (number, word) in [
            (count.computed, "done"),
            (count.cached, "taken over from earlier runs"),
            (count.kept, "found done"),
            (count.restored, "written again"),
            (count.failed, "failed"),
        ] {
            if number > 0 {
                parts.push(format!("{number} {word}"));
            }
        }
        let _ = writeln!(text, "  {:<9}{}", stage.as_str(), parts.join(", "));
    }
    for folder in &summary.folders {
        let _ = writeln!(text, "  wrote    {folder}/");
    }
    failures(summary, &mut text);
    listed(&mut text, "same bytes", &summary.duplicates, |(file, same)| {
        format!("{file} as {same}")
    });
    listed(&mut text, "no filings", &summary.passed_over, ToString::to_string);
    listed(&mut text, "was altered", &summary.altered, |(path, digest)| {
        format!("{path}; what it held is kept as {digest}")
    });
    listed(&mut text, "not written", &summary.unwritten, |(path, reason)| {
        format!("{path}: {}", one_line(reason))
    });
    if let Some(stopped) = &summary.stopped {
        let _ = writeln!(text, "{stopped}; `lineage pipeline --resume` goes on");
    }
    if let Some(example) = summary.example.as_ref().filter(|_| !summary.dry_run) {
        let _ = writeln!(text, "\ntry: lineage show {example}");
    }
    text
}

fn headline(summary: &Summary, text: &mut String) {
    let filings = counted(summary.filings, "filing", "filings");
    let Some(run) = &summary.run else {
        let _ = writeln!(text, "{filings}, {}", bytes(summary.bytes));
        return;
    };
    let _ = write!(text, "{}  {}", run.run_id, run.name);
    if let Some(code) = run.code.label() {
        let _ = write!(text, "  {code}");
    }
    if summary.settled {
        let _ = writeln!(text, "  {filings}: nothing to do, all is as it was recorded");
        return;
    }
    let took = duration(summary.took_us);
    let rate = summary.bytes as f64 / 1e6 / (summary.took_us.max(1) as f64 / 1e6);
    let again = if summary.resumed { "  resumed" } else { "" };
    let _ = writeln!(
        text,
        "{again}  {filings}, {} in {took} ({rate:.0} MB/s)",
        bytes(summary.bytes)
    );
}

fn failures(summary: &Summary, text: &mut String) {
    if summary.failures.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "{} failed:",
        counted(summary.failures.len() as u64, "filing", "filings")
    );
    for failure in summary.failures.iter().take(LINES_MAX) {
        let _ = writeln!(
            text,
            "  {}  {}: {}",
            failure.path,
            failure.stage.as_str(),
            one_line(&failure.reason)
        );
    }
    let left = summary.failures.len().saturating_sub(LINES_MAX);
    if left > 0 {
        let _ = writeln!(text, "  and {left} more:");
        for (reason, count) in failures_by_kind(summary) {
            let _ = writeln!(text, "  {count:>6}  {}", one_line(&reason));
        }
    }
}

fn listed<T>(text: &mut String, label: &str, items: &[T], line: impl Fn(&T) -> String) {
    for item in items.iter().take(LINES_MAX) {
        let _ = writeln!(text, "  {label}: {}", line(item));
    }
    let left = items.len().saturating_sub(LINES_MAX);
    if left > 0 {
        let _ = writeln!(text, "  {label}: and {left} more; `--json` lists all");
    }
}

/// Writes the summary as JSON.
pub fn json(summary: &Summary) -> Value {
    let metric = |(name, value): &(String, MetricValue)| (name.clone(), json!(value.get()));
    let stages = summary.stages.iter().map(|(stage, count)| {
        let counts = json!({
            "computed": count.computed, "cached": count.cached, "kept": count.kept,
            "restored": count.restored, "failed": count.failed,
        });
        (stage.as_str().to_owned(), counts)
    });
    json!({
        "format": 1,
        "run": summary.run.as_ref().map(|run| json!({
            "id": run.id.to_string(),
            "run_id": run.run_id.as_str(),
            "name": run.name,
            "git_sha": run.code.label(),
        })),
        "resumed": summary.resumed,
        "nothing_to_do": summary.settled,
        "dry_run": summary.dry_run,
        "filings": summary.filings,
        "bytes": summary.bytes,
        "seconds": summary.took_us as f64 / 1e6,
        "stages": stages.collect::<serde_json::Map<String, Value>>(),
        "folders": summary.folders,
        "failures": summary.failures.iter().map(|failure| json!({
            "path": failure.path.to_string(),
            "stage": failure.stage.as_str(),
            "reason": failure.reason,
        })).collect::<Vec<_>>(),
        "duplicates": summary.duplicates.iter().map(|(file, same)| json!({
            "path": file.to_string(), "same_as": same.to_string(),
        })).collect::<Vec<_>>(),
        "passed_over": summary.passed_over.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "altered": summary.altered.iter().map(|(path, digest)| json!({
            "path": path.to_string(), "kept_as": digest.to_string(),
        })).collect::<Vec<_>>(),
        "unwritten": summary.unwritten.iter().map(|(path, reason)| json!({
            "path": path.to_string(), "reason": reason,
        })).collect::<Vec<_>>(),
        "stopped": summary.stopped,
        "metrics": summary.metrics.iter().map(metric).collect::<serde_json::Map<String, Value>>(),
        "example": summary.example.as_ref().map(ToString::to_string),
    })
}
