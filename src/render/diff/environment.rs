//! What differs in the environments of two runs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::model::Digest;
use crate::query::diff::{EntryDiff, EnvironmentDiff, RunDiff};
use crate::render::status::{aligned, left_out};
use crate::render::units::{counted, one_line};

/// Writes what differs in the environments; where that is not known, their digests.
pub(super) fn text(diff: &RunDiff, limit: usize, text: &mut String) {
    let Some(entries) = &diff.environment_entries else {
        return super::files("environment", &diff.environment, limit, text);
    };
    let EnvironmentDiff { variables, packages, files, touched } = entries;
    let counts = [
        (variables.len() as u64, "variable", "variables"),
        (packages.len() as u64, "package", "packages"),
        (files.len() as u64, "file", "files"),
    ];
    let mut parts: Vec<String> =
        counts.iter().filter(|(count, ..)| *count > 0).map(|(n, one, many)| counted(*n, one, many)).collect();
    if *touched > 0 {
        parts.push(format!("{} with another time and the same size", counted(*touched, "file", "files")));
    }
    let _ = writeln!(text, "environment  differ in {}", parts.join(", "));
    let row = |what: &str, unit: &str, entry: &EntryDiff| {
        let short =
            |word: &String| word.parse().map_or_else(|_| word.clone(), |digest: Digest| digest.short());
        let (a, b) = (entry.a.as_ref().map(short), entry.b.as_ref().map(short));
        let is_number = [&entry.a, &entry.b].into_iter().flatten().all(|word| word.parse::<u64>().is_ok());
        let unit = if is_number { unit } else { "" };
        let words = match (&a, &b) {
            (Some(a), Some(b)) => format!("{} -> {}{unit}", one_line(a), one_line(b)),
            (Some(a), None) => format!("{}{unit}, only in a", one_line(a)),
            (None, Some(b)) => format!("{}{unit}, only in b", one_line(b)),
            (None, None) => String::new(),
        };
        vec![format!("{what}{}", one_line(&entry.name)), words]
    };
    let rows = variables.iter().map(|entry| row("variable ", "", entry));
    let rows = rows.chain(packages.iter().map(|entry| row("python package ", "", entry)));
    let mut rows: Vec<Vec<String>> = rows.chain(files.iter().map(|entry| row("", " bytes", entry))).collect();
    let count = rows.len();
    rows.truncate(limit);
    text.push_str(&aligned(rows));
    text.push_str(&left_out(count, limit));
    text.push('\n');
}

/// Writes them as JSON.
pub(super) fn json(entries: &EnvironmentDiff, limit: usize) -> Value {
    let list = |entries: &[EntryDiff]| -> Value { entries.iter().take(limit).map(entry_json).collect() };
    json!({
        "variables": list(&entries.variables),
        "packages": list(&entries.packages),
        "files": list(&entries.files),
        "files_total": entries.files.len(),
        "touched": entries.touched,
    })
}

/// Writes one of them as JSON.
pub(super) fn entry_json(entry: &EntryDiff) -> Value {
    json!({"name": entry.name, "a": entry.a, "b": entry.b})
}
