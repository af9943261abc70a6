//! Versions of models side by side.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::model::MetricValue;
use crate::ops::registry::ModelComparison;
use crate::query::diff::{FilesDiff, RunDiff};
use crate::render::diff::{code_json, code_state, files_json, percent, signed};
use crate::render::log::plain_table;
use crate::render::models::json::card_value;
use crate::render::models::stage_words;
use crate::render::table::in_full;
use crate::render::units::{command_words_of_two, counted, digest_words, one_line, thousands};

/// As many files are named for each version.
const FILES_MAX: usize = 10;
/// Longer values are cut.
const VALUE_MAX_CHARS: usize = 40;

/// Writes versions side by side; what differs, and by how much from the first.
pub fn compare(comparison: &ModelComparison) -> String {
    let mut table = plain_table();
    let labels = comparison.models.iter().map(|card| one_line(&card.view.label()));
    table.set_header(std::iter::once(String::new()).chain(labels));
    let mut row = |name: String, values: Vec<String>| {
        table.add_row(std::iter::once(name).chain(values));
    };
    row("stage".to_owned(), comparison.models.iter().map(|card| stage_words(&card.view)).collect());
    let run = |card: &crate::ops::registry::ModelCard| {
        card.run.as_ref().map_or_else(|| "-".to_owned(), |run| run.tail.clone())
    };
    row("run".to_owned(), comparison.models.iter().map(run).collect());
    if !comparison.metrics.is_empty() {
        row("metrics".to_owned(), Vec::new());
    }
    for (name, values) in &comparison.metrics {
        let cell = |(at, value): (usize, &Option<MetricValue>)| metric_words(values[0], *value, at);
        row(indented(name), values.iter().enumerate().map(cell).collect());
    }
    if !comparison.parameters.is_empty() {
        row("parameters".to_owned(), Vec::new());
    }
    for (name, values) in &comparison.parameters {
        row(indented(name), values.iter().map(|value| value_words(value.as_deref())).collect());
    }
    let mut text: String = table
        .lines()
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(&line).trim_end()))
        .collect();
    if comparison.parameters_same > 0 {
        let (one, many) = match comparison.parameters.len() {
            0 => ("parameter is", "parameters are"),
            _ => ("other parameter is", "other parameters are"),
        };
        let _ = writeln!(text, "\n{} the same in all", counted(comparison.parameters_same, one, many));
    }
    for (at, card) in comparison.models.iter().enumerate().skip(1) {
        let first = one_line(&comparison.models[0].view.label());
        let _ = writeln!(text, "\n{first} -> {}", one_line(&card.view.label()));
        files("files", &comparison.files[at], &mut text);
        files("data", &comparison.data[at], &mut text);
        runs(comparison, at, &mut text);
    }
    text
}

fn indented(name: &str) -> String {
    format!("  {}", one_line(name))
}

fn metric_words(first: Option<MetricValue>, value: Option<MetricValue>, at: usize) -> String {
    let Some(value) = value else { return "-".to_owned() };
    let mut words = in_full(value.get());
    if let Some(first) = first.filter(|first| at > 0 && *first != value) {
        let difference = value.get() - first.get();
        let _ = write!(words, " ({}", signed(difference, ""));
        if first.get() != 0.0 {
            let _ = write!(words, ", {}", percent(difference / first.get().abs()));
        }
        words.push(')');
    }
    words
}

fn value_words(value: Option<&str>) -> String {
    let Some(value) = value else { return "-".to_owned() };
    let front: String = value.chars().take(VALUE_MAX_CHARS).collect();
    let cut = if front.len() < value.len() { "…" } else { "" };
    format!("{}{cut}", one_line(&front))
}

fn files(label: &str, files: &FilesDiff, text: &mut String) {
    let differ = files.changed.len() + files.renamed.len() + files.only_a.len() + files.only_b.len();
    if differ == 0 {
        let _ = match files.same {
            0 => writeln!(text, "  {label}  none is recorded for either"),
            same => writeln!(text, "  {label}  equal, {}", counted(same, "file", "files")),
        };
        return;
    }
    let equal = thousands(files.same);
    let _ = writeln!(text, "  {label}  {equal} equal, {} differ", thousands(differ as u64));
    let lines = files_rows(files).into_iter().map(|(path, words)| format!("{path}  {words}"));
    list(lines.collect(), "`--json` lists all", text);
}

/// Lists the files that differ, and how.
fn files_rows(files: &FilesDiff) -> Vec<(String, String)> {
    let changed = files.changed.iter().map(|[a, b]| {
        let path = if a.path == b.path { a.path.to_string() } else { format!("{} -> {}", a.path, b.path) };
        (path, format!("{} -> {}", digest_words(a), digest_words(b)))
    });
    let renamed =
        files.renamed.iter().map(|[a, b]| (a.path.to_string(), format!("has the bytes of {}", b.path)));
    let only_a = files.only_a.iter().map(|file| (file.path.to_string(), "only the first".to_owned()));
    let only_b = files.only_b.iter().map(|file| (file.path.to_string(), "only the second".to_owned()));
    changed.chain(renamed).chain(only_a).chain(only_b).collect()
}

/// Writes the first of some lines, and how many are left, which `elsewhere` lists.
fn list(lines: Vec<String>, elsewhere: &str, text: &mut String) {
    for line in lines.iter().take(FILES_MAX) {
        let _ = writeln!(text, "    {line}");
    }
    if lines.len() > FILES_MAX {
        let left = thousands((lines.len() - FILES_MAX) as u64);
        let _ = writeln!(text, "    and {left} more; {elsewhere}");
    }
}

/// Writes how a version's run differs from that of the first: its code, its command, its environment.
fn runs(comparison: &ModelComparison, at: usize, text: &mut String) {
    let Some(runs) = &comparison.runs[at] else {
        let without: Vec<String> = [0, at]
            .into_iter()
            .filter(|at| comparison.models[*at].run.is_none())
            .map(|at| one_line(&comparison.models[at].view.label()))
            .collect();
        let whom = if without.len() == 1 { &without[0] } else { "either" };
        let _ = writeln!(text, "  code  not to be compared: no run is recorded for {whom}");
        return;
    };
    code(runs, text);
    let _ = match &runs.arguments {
        Some([a, b]) => {
            let [a, b] = command_words_of_two(a, b);
            writeln!(text, "  command  {a}\n        -> {b}")
        }
        None if runs.a.view.run.arguments.is_empty() => Ok(()),
        None => writeln!(text, "  command  equal"),
    };
    let _ = match (&runs.environment, runs.environment.same) {
        (files, _) if !files.is_equal() => {
            let [a, b] = [0, at].map(|at| one_line(&comparison.models[at].view.label()));
            writeln!(text, "  environment  differs; `lineage diff {a} {b}` says in what")
        }
        (_, 0) => Ok(()),
        _ => writeln!(text, "  environment  equal"),
    };
}

fn code(runs: &RunDiff, text: &mut String) {
    let (state, read) = (&runs.code, &runs.code_read);
    let states = match (code_state(&state.a), code_state(&state.b)) {
        (a, b) if a == b => a,
        (a, b) => format!("{a} -> {b}"),
    };
    if state.is_equal() && read.is_equal() {
        let _ = writeln!(text, "  code  equal, {states}");
        return;
    }
    let _ = writeln!(text, "  code  differs, {states}");
    let of_state: BTreeSet<String> = state.files.iter().map(|file| file.path.to_string()).collect();
    let read = files_rows(read).into_iter().filter(|(path, _)| !of_state.contains(path));
    let read = read.map(|(path, words)| format!("{path}  {words}"));
    list(of_state.iter().cloned().chain(read).collect(), "`lineage diff` of the runs lists all", text);
    if !state.commits_compared {
        text.push_str("    which files differ between the commits is not to be had here\n");
    }
}

/// Writes versions side by side as JSON.
pub fn compare_json(comparison: &ModelComparison) -> Value {
    let number = |value: &Option<MetricValue>| json!(value.map(MetricValue::get));
    let metrics = comparison.metrics.iter().map(|(name, values)| {
        let values: Vec<Value> = values.iter().map(number).collect();
        (name.clone(), Value::Array(values))
    });
    let parameters = comparison.parameters.iter().map(|(name, values)| (name.clone(), json!(values)));
    let of_runs = |part: &dyn Fn(&RunDiff) -> Value| -> Value {
        comparison.runs.iter().map(|runs| runs.as_ref().map_or(Value::Null, part)).collect()
    };
    json!({
        "format": 1,
        "models": comparison.models.iter().map(card_value).collect::<Vec<_>>(),
        "metrics": metrics.collect::<Map<_, _>>(),
        "parameters": parameters.collect::<Map<_, _>>(),
        "parameters_same": comparison.parameters_same,
        "files": comparison.files.iter().map(|files| files_json(files, usize::MAX)).collect::<Vec<_>>(),
        "data": comparison.data.iter().map(|files| files_json(files, usize::MAX)).collect::<Vec<_>>(),
        "code": of_runs(&|runs| code_json(&runs.code, usize::MAX)),
        "code_read": of_runs(&|runs| files_json(&runs.code_read, usize::MAX)),
        "arguments": of_runs(&|runs| json!(runs.arguments)),
        "environment": of_runs(&|runs| files_json(&runs.environment, usize::MAX)),
    })
}
