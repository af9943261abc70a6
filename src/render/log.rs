//! The log of runs, and the history of a file.

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use crate::model::{ArtifactPath, NodeId};
use crate::ops::history::FileHistory;
use crate::query::filter::{Column, Found, FoundRow, Lack};
use crate::query::{FileChange, RunHead, RunView};
use crate::render::overwritten;
use crate::render::refused::refused;
use crate::render::show::{code_words, status};
use crate::render::show_json::{artifact_json, run_head_json};
use crate::render::table::{
    COLUMNS_CHOOSE, add_evidence, add_lacking, cell, evidence_json, table, values_json,
};
use crate::render::units::{digest_words, duration, one_line, size_words};

/// Writes runs as a table: what is most asked for and the columns, or the columns alone where they were chosen.
pub fn runs(heads: &[RunHead], found: &Found<RunView>, is_chosen: bool, width: Option<usize>) -> String {
    match found.lack() {
        None => {}
        Some(Lack::NothingRecorded) => return "no runs yet\n".to_owned(),
        Some(_) => return format!("no run answers\n{}", left_out(found)),
    }
    let mut header = vec!["run".to_owned()];
    if !is_chosen {
        header
            .extend(["run id", "name", "kind", "started (UTC)", "status", "took", "code"].map(str::to_owned));
    }
    header.extend(found.columns.iter().map(|column| one_line(&column.title)));
    let mut rows = Vec::with_capacity(heads.len());
    for (head, row) in heads.iter().zip(&found.rows) {
        let run = &head.view.run;
        let mut cells = vec![head.tail.clone()];
        if !is_chosen {
            cells.extend([
                run.run_id.to_string(),
                one_line(&run.name),
                run.kind.as_str().to_owned(),
                run.started_at.format("%Y-%m-%d %H:%M:%S"),
                status(head).to_owned(),
                head.view.duration_us().map_or_else(|| "-".to_owned(), duration),
                code_words(head).unwrap_or_else(|| "-".to_owned()),
            ]);
        }
        cells.extend(row.values.iter().map(|value| cell(value.as_ref())));
        rows.push(cells);
    }
    add_evidence(found, &mut header, &mut rows);
    // What was asked for stays longest.
    let spare: &[usize] = if is_chosen { &[] } else { &[1, 3, 7, 6] };
    if !is_chosen && heads.iter().any(|head| head.view.run.rerun_of.is_some()) {
        add_originals(heads, &mut header, &mut rows);
    }
    let mut text = table(&header, &rows, spare, width, COLUMNS_CHOOSE);
    text.push_str(&more_words(found.more, "runs"));
    text.push_str(left_out(found));
    let metrics: Vec<&str> = found.columns.iter().filter_map(Column::metric).collect();
    let told = heads.iter().map(|head| (format!("run {}", head.tail), head.view.all_remarks().0));
    refused(told, &metrics).iter().for_each(|line| text.extend([line, "\n"]));
    text
}

/// Adds a column for which run a repetition repeats.
fn add_originals(heads: &[RunHead], header: &mut Vec<String>, rows: &mut [Vec<String>]) {
    header.push("rerun of".to_owned());
    for (row, head) in rows.iter_mut().zip(heads) {
        let original = head.view.run.rerun_of;
        row.push(original.map_or_else(|| "-".to_owned(), |id| id.tail(NodeId::TAIL_DIGITS)));
    }
}

/// Says that repetitions answer, which are not listed.
fn left_out(found: &Found<RunView>) -> &'static str {
    if found.explanation.unlisted == 0 {
        return "";
    }
    "left out are repetitions, made by `rerun`; `--all` lists them, too\n"
}

/// Says that there are more rows than were asked for.
pub(crate) fn more_words(more: Option<bool>, what: &str) -> String {
    match more {
        Some(false) => String::new(),
        Some(true) => format!("there are more {what}; `--limit 0` lists all\n"),
        None => format!("there may be more {what}; `--limit 0` lists all\n"),
    }
}

/// Writes runs as JSON, each with the values of the columns.
pub fn runs_json(heads: &[RunHead], found: &Found<RunView>) -> Value {
    let run = |(head, row): (&RunHead, &FoundRow<RunView>)| {
        let mut value = run_head_json(head);
        if !found.columns.is_empty() {
            value["values"] = values_json(&found.columns, &row.values);
        }
        if !found.questions.is_empty() {
            value["evidence"] = evidence_json(&found.questions, &row.evidence);
        }
        value
    };
    let mut document = json!({
        "format": 1,
        "runs": heads.iter().zip(&found.rows).map(run).collect::<Vec<_>>(),
        "more": found.more,
        "repetitions_left_out": found.explanation.unlisted > 0,
    });
    add_lacking(found, &mut document);
    document
}

/// Writes the history of a file as a table, the latest first; beside each change the run it belongs to.
pub fn history(found: &FileHistory) -> String {
    let FileHistory { path, other_names, changes, overwritten, more } = found;
    let mut text = format!("{path}\n");
    for name in other_names {
        let _ = writeln!(text, "also recorded as {name}");
    }
    match (changes.is_empty(), overwritten.is_empty()) {
        (true, true) => return format!("nothing is recorded of {path}\n"),
        (true, false) => {}
        (false, _) => text.push_str(&changes_table(changes, *more)),
    }
    overwritten::lines(overwritten, "", &mut text);
    text
}

fn changes_table(changes: &[FileChange], more: bool) -> String {
    let mut table = plain_table();
    table.set_header(["time (UTC)", "what", "bytes", "size", "by", "run", "evidence"]);
    for change in changes {
        table.add_row([
            change.at.format("%Y-%m-%d %H:%M:%S"),
            change.sort.as_str().to_owned(),
            digest_words(&change.artifact),
            size_words(&change.artifact),
            one_line(&change.step.name),
            change.run.as_ref().map_or_else(|| "-".to_owned(), |head| head.tail.clone()),
            change.evidence.as_str().to_owned(),
        ]);
    }
    finish(&table, more, "changes")
}

/// Writes the history of a file as JSON.
pub fn history_json(found: &FileHistory) -> Value {
    let FileHistory { path, other_names, changes, overwritten, more } = found;
    let changes = changes.iter().map(|change| {
        let head = change.run.as_ref();
        json!({
            "at": change.at.rfc3339(),
            "what": change.sort.as_str(),
            "artifact": artifact_json(&change.artifact),
            "step": change.step.name,
            "step_id": change.step.id.to_string(),
            "run": head.map(|head| head.view.run.id.to_string()),
            "run_id": head.map(|head| head.view.run.run_id.to_string()),
            "evidence": change.evidence.as_str(),
        })
    });
    json!({
        "format": 1,
        "path": path.in_json(),
        "other_names": other_names.iter().map(ArtifactPath::in_json).collect::<Vec<_>>(),
        "changes": changes.collect::<Vec<_>>(),
        "overwritten": overwritten::json(overwritten),
        "more": more,
    })
}

/// Returns a table without lines, for reading and for `cut`.
pub(crate) fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table
}

fn finish(table: &Table, more: bool, what: &str) -> String {
    let mut text: String = table.lines().map(|line| format!("{}\n", line.trim())).collect();
    text.push_str(&more_words(Some(more), what));
    text
}
