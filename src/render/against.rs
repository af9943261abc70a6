//! A comparison of a pipeline run's results with others, as text and JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::ops::pipeline::{Change, Comparison};
use crate::render::units::{counted, one_line, thousands};

/// As many filings are shown of each sort.
const LINES_MAX: usize = 20;

/// Writes the comparison for people.
pub fn text(comparison: &Comparison) -> String {
    let mut text = String::new();
    let compared = counted(comparison.compared, "filing", "filings");
    let _ = write!(text, "against {}: {compared} compared", one_line(&comparison.base));
    if comparison.is_same() {
        text.push_str(", all the same\n");
        return text;
    }
    let _ = writeln!(text, ", {} changed", thousands(comparison.changed.len() as u64));
    for line in &comparison.runs {
        let _ = writeln!(text, "  {}", one_line(line));
    }
    for change in comparison.changed.iter().take(LINES_MAX) {
        let section = change.section.as_ref().map_or_else(String::new, |section| format!(" {section}"));
        let _ = write!(
            text,
            "  changed  {}  {}{section}: {}",
            one_line(&change.filing),
            change.stage,
            one_line(&why(change))
        );
        for (name, before, now) in &change.counts {
            let _ = write!(text, "; {name} {before} -> {now}");
        }
        text.push('\n');
    }
    left(&mut text, comparison.changed.len());
    for (word, names) in [("missing", &comparison.missing), ("added", &comparison.added)] {
        for name in names.iter().take(LINES_MAX) {
            let _ = writeln!(text, "  {word:<7}  {}", one_line(name));
        }
        left(&mut text, names.len());
    }
    text
}

fn left(text: &mut String, count: usize) {
    if count > LINES_MAX {
        let _ = writeln!(text, "  and {} more; `--json` lists all", thousands((count - LINES_MAX) as u64));
    }
}

fn why(change: &Change) -> String {
    change.why.join("; ")
}

/// Writes the comparison as JSON.
pub fn json(comparison: &Comparison) -> Value {
    let changed = comparison.changed.iter().map(|change| {
        let counts = change
            .counts
            .iter()
            .map(|(name, before, now)| json!({ "name": name, "before": before, "now": now }));
        json!({
            "path": change.filing, "stage": change.stage, "section": change.section, "why": change.why,
            "counts": counts.collect::<Vec<_>>(),
        })
    });
    json!({
        "base": comparison.base,
        "same": comparison.is_same(),
        "compared": comparison.compared,
        "changed": changed.collect::<Vec<_>>(),
        "missing": comparison.missing,
        "added": comparison.added,
        "runs": comparison.runs,
    })
}
