//! A run and its repetition.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::model::{Artifact, ArtifactPath, NodeId};
use crate::ops::rerun::RerunSummary;
use crate::query::rerun_name;
use crate::render::diff::{metric_json, metric_row};
use crate::render::show_json::artifact_json;
use crate::render::status::{aligned, left_out};
use crate::render::units::{content_words, counted, one_line, thousands};

/// As many files of each sort are named.
const FILES_MAX: usize = 50;

/// Writes the comparison for people.
pub fn text(summary: &RerunSummary) -> String {
    let original = &summary.original.view.run;
    let again = summary.again.run.as_ref().map(|run| run.id.tail(NodeId::TAIL_DIGITS)).unwrap_or_default();
    let mut text =
        format!("{}  {}  again, as run {again}\n", summary.original.tail, one_line(&original.name));
    let outputs = &summary.outputs;
    let mut list = |label: &str, lines: Vec<String>, count: usize| {
        let more = count.saturating_sub(lines.len());
        for line in lines {
            let _ = writeln!(text, "  {label:<9}{line}");
        }
        if more > 0 {
            let _ = writeln!(text, "  and {more} more {label}");
        }
    };
    let differs = outputs.differs.iter().take(FILES_MAX);
    let differs = differs.map(|[then, now]| {
        let path = outputs.by_pattern.get(&then.path).cloned().unwrap_or_else(|| then.path.to_string());
        let repacked =
            if outputs.repacked.contains(&then.path) { "; unpacked, they are the same" } else { "" };
        format!("{path}  {} then, {} now{repacked}", content_words(then), content_words(now))
    });
    list("differs", differs.collect(), outputs.differs.len());
    let names = |files: &[Artifact]| -> Vec<String> {
        files.iter().take(FILES_MAX).map(|file| file.path.in_json()).collect()
    };
    list("missing", names(&outputs.missing), outputs.missing.len());
    let front = format!("{}/", rerun_name(original.id));
    let new = outputs.new.iter().take(FILES_MAX).map(|file| file.path.in_json());
    let new = new.map(|path| path.strip_prefix(&front).map(str::to_owned).unwrap_or(path));
    list("new", new.collect(), outputs.new.len());
    let mut changes = |paths: &[ArtifactPath], when: &str| {
        let lines = paths.iter().take(FILES_MAX).map(|path| format!("{path}  {when}"));
        list("removed", lines.collect(), paths.len());
    };
    changes(&outputs.not_removed, "then, and not now");
    changes(&outputs.newly_removed, "now, and not then");
    let [before, now] = summary.exit_codes();
    if before != now {
        let code = |code: Option<i32>| code.map_or("none".to_owned(), |code| code.to_string());
        let _ = writeln!(text, "  exit     {} then, {} now", code(before), code(now));
    }
    if !summary.metrics.is_empty() {
        let differ = counted(summary.metrics.len() as u64, "metric differs", "metrics differ");
        let _ = writeln!(text, "  {differ}, then -> now");
        let rows = summary.metrics.iter().take(FILES_MAX).map(metric_row);
        text.push_str(&aligned(rows.collect()));
        text.push_str(&left_out(summary.metrics.len(), FILES_MAX));
    }
    let count = counted(outputs.count() as u64, "output", "outputs");
    if !outputs.removed.is_empty() {
        let count = counted(outputs.removed.len() as u64, "file", "files");
        let _ = writeln!(text, "both removed {count}");
    }
    let _ = match (outputs.count(), outputs.is_same()) {
        (0, _) => writeln!(text, "neither wrote anything"),
        (_, true) => writeln!(text, "{count}, all with the same bytes"),
        _ => writeln!(text, "{} of {count} with the same bytes", outputs.same.len()),
    };
    if !outputs.also_made.is_empty() {
        let more = outputs.also_made.len().saturating_sub(FILES_MAX) as u64;
        let more = (more > 0).then(|| format!("and {} more", thousands(more)));
        let also = names(&outputs.also_made).into_iter().chain(more).collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "also made, as it was: {also}");
    }
    let metrics = summary.metrics_same + summary.metrics.len() as u64;
    let _ = match (counted(metrics, "metric", "metrics"), summary.metrics.len()) {
        _ if metrics == 0 => Ok(()),
        (count, 0) => writeln!(text, "{count}, every point the same"),
        (count, _) => writeln!(text, "{} of {count} with the same points", summary.metrics_same),
    };
    if !summary.metrics_ignored.is_empty() {
        let count = counted(summary.metrics_ignored.len() as u64, "metric", "metrics");
        let names = summary.metrics_ignored.iter().take(FILES_MAX).map(|name| one_line(name));
        let more = summary.metrics_ignored.len().saturating_sub(FILES_MAX) as u64;
        let more = (more > 0).then(|| format!("and {} more", thousands(more)));
        let names = names.chain(more).collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "{count} left out, as was asked for: {names}");
    }
    if !outputs.by_pattern.is_empty() {
        let files = counted(outputs.by_pattern.len() as u64, "output lies", "outputs lie");
        let _ = writeln!(text, "{files} under another time stamp, id or counter than then");
    }
    if outputs.not_compared > 0 {
        let files = counted(
            outputs.not_compared,
            "file that tells of its run was",
            "files that tell of their run were",
        );
        let _ = writeln!(text, "{files} not compared");
    }
    if let Some(folder) = &summary.kept {
        let _ = writeln!(text, "the copy is at {}", one_line(&folder.to_string_lossy()));
    }
    if !outputs.is_same() || !summary.metrics.is_empty() {
        let _ = writeln!(text, "`lineage diff {} {again}` says what else differs", summary.original.tail);
    }
    text
}

/// Writes the comparison as JSON.
pub fn json(summary: &RerunSummary) -> Value {
    let outputs = &summary.outputs;
    let files = |files: &[Artifact]| files.iter().map(artifact_json).collect::<Vec<_>>();
    let paths = |paths: &[ArtifactPath]| paths.iter().map(ArtifactPath::in_json).collect::<Vec<_>>();
    let pair = |[then, now]: &[Artifact; 2]| {
        let is_repacked = outputs.repacked.contains(&then.path);
        json!({"before": artifact_json(then), "now": artifact_json(now), "repacked": is_repacked})
    };
    let [before, now] = summary.exit_codes();
    json!({
        "format": 1,
        "rerun_of": summary.original.view.run.id.to_string(),
        "run": summary.again.run.as_ref().map(|run| run.id.to_string()),
        "same": summary.is_same(),
        "exit_codes": {"before": before, "now": now},
        "outputs": {
            "same": files(&outputs.same),
            "differs": outputs.differs.iter().map(pair).collect::<Vec<_>>(),
            "missing": files(&outputs.missing),
            "new": files(&outputs.new),
            "also_made": files(&outputs.also_made),
            "by_pattern": outputs.by_pattern.iter().map(|(path, pattern)| {
                json!({"path": path.in_json(), "pattern": pattern})
            }).collect::<Vec<_>>(),
            "removed": paths(&outputs.removed),
            "not_removed": paths(&outputs.not_removed),
            "newly_removed": paths(&outputs.newly_removed),
            "not_compared": outputs.not_compared,
        },
        "metrics": {
            "same": summary.metrics_same,
            "differing": summary.metrics.iter().map(metric_json).collect::<Vec<_>>(),
            "ignored": summary.metrics_ignored,
        },
        "notes": summary.notes,
        "kept": summary.kept.as_ref().map(|folder| folder.to_string_lossy()),
    })
}
