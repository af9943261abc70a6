//! What `lineage status` found, as text for people and as JSON.

mod redo;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::model::{ArtifactPath, RunKind, printed_word};
use crate::ops::status::{
    AlteredFile, DoubtfulFile, LeftOver, NewInput, NotHere, RecordedFile, RemovedFile, RenamedFile,
    StaleCause, StaleFile, StatusReport,
};
use crate::query::RunHead;
use crate::render::log::plain_table;
use crate::render::show::{names_of, removed_words};
use crate::render::show_json::{artifact_json, removed_json, run_head_json};
use crate::render::units::{bytes, counted, one_line, thousands};

/// As many causes of a stale file are named in text.
const CAUSES_MAX: usize = 3;

/// A list of the report: what it is called, and how its entries are written.
struct List {
    /// Its name in text, and in JSON.
    names: [&'static str; 2],
    /// What its entries are: one, and several.
    words: [&'static str; 2],
    /// Whether people see it only where they asked about a part of the workspace.
    is_of_part: bool,
    count: fn(&StatusReport) -> usize,
    rows: fn(&StatusReport, usize) -> Vec<Vec<String>>,
    values: fn(&StatusReport, usize) -> Vec<Value>,
    /// What stands behind it in text.
    behind: fn(&StatusReport) -> String,
}

macro_rules! list {
    ($names:expr, $words:expr, $field:ident, $row:expr, $value:expr) => {
        List {
            names: $names,
            words: $words,
            is_of_part: false,
            count: |report| report.$field.len(),
            rows: |report, limit| report.$field.iter().take(limit).map($row).collect(),
            values: |report, limit| report.$field.iter().take(limit).map($value).collect(),
            behind: |_| String::new(),
        }
    };
}

/// All lists, in their order.
const LISTS: [List; 20] = [
    list!(
        ["changed", "changed"],
        ["file no longer has the bytes recorded", "files no longer have the bytes recorded"],
        changed,
        altered_row,
        altered_json
    ),
    list!(
        ["stale", "stale"],
        ["file was made from what has changed since", "files were made from what has changed since"],
        stale,
        stale_row,
        stale_json
    ),
    list!(
        ["left over", "left_over"],
        [
            "file is of an earlier run of its command, which may make it no more",
            "files are of earlier runs of their commands, which may make them no more",
        ],
        left_over,
        left_over_row,
        left_over_json
    ),
    list!(
        ["doubtful", "doubtful"],
        [
            "file may have been made from something else than is recorded, or is there now",
            "files may have been made from something else than is recorded, or is there now",
        ],
        doubtful,
        doubtful_row,
        doubtful_json
    ),
    list!(
        ["restored", "restored"],
        [
            "file is an older version that was restored, or made from one, and from what has changed since",
            "files are older versions that were restored, or made from such, and from what has changed since",
        ],
        restored,
        stale_row,
        stale_json
    ),
    list!(
        ["lost", "lost"],
        ["file is neither on disk nor kept", "files are neither on disk nor kept"],
        lost,
        recorded_row,
        recorded_json
    ),
    List {
        behind: |report| ways_back(&report.pending),
        ..list!(
            ["pending", "pending"],
            ["file is not on disk but kept", "files are not on disk but kept"],
            pending,
            pending_row,
            recorded_json
        )
    },
    List {
        is_of_part: true,
        ..list!(
            ["removed", "removed"],
            ["file was removed by a run", "files were removed by runs"],
            removed,
            removed_row,
            removed_file_json
        )
    },
    List {
        is_of_part: true,
        ..list!(
            ["renamed", "renamed"],
            ["file has another name now", "files have other names now"],
            renamed,
            renamed_row,
            renamed_json
        )
    },
    List {
        is_of_part: true,
        ..list!(
            ["older", "older"],
            [
                "file is of an earlier run of its command, which has gone on since",
                "files are of earlier runs of their commands, which have gone on since",
            ],
            older,
            stale_row,
            stale_json
        )
    },
    List {
        is_of_part: true,
        ..list!(
            ["carried", "carried"],
            [
                "file goes back to what has changed only through what its command read and wrote on",
                "files go back to what has changed only through what their commands read and wrote on",
            ],
            carried,
            stale_row,
            stale_json
        )
    },
    list!(
        ["not here", "not_here"],
        [
            "file was last seen in another workspace, and is not so here",
            "files were last seen in another workspace, and are not so here",
        ],
        not_here,
        not_here_row,
        not_here_json
    ),
    list!(
        ["unreadable", "unreadable"],
        ["file cannot be read", "files cannot be read"],
        unreadable,
        unreadable_row,
        unreadable_json
    ),
    list!(
        ["unknown", "unknown"],
        [
            "file beside outputs or inputs that nobody recorded",
            "files beside outputs or inputs that nobody recorded"
        ],
        unknown,
        |path| vec![path.to_string()],
        |path| json!(path.in_json())
    ),
    list!(
        ["new", "new"],
        [
            "file came to lie in what a run was given, or had read as a whole",
            "files came to lie in what runs were given, or had read as a whole"
        ],
        new,
        new_row,
        new_json
    ),
    list!(
        ["interrupted", "interrupted_runs"],
        ["run did not come to its end", "runs did not come to their end"],
        interrupted,
        run_row,
        run_head_json
    ),
    list!(
        ["failed", "failed_runs"],
        ["pipeline run failed, or filings in it", "pipeline runs failed, or filings in them"],
        failed,
        run_row,
        run_head_json
    ),
    list!(
        ["running", "running_runs"],
        ["run is being recorded", "runs are being recorded"],
        running,
        run_row,
        run_head_json
    ),
    List {
        behind: |report| redo::whole_runs(&report.redo),
        ..list!(
            ["redo", "redo"],
            ["run is to be done again", "runs are to be done again, in this order"],
            redo,
            redo::row,
            redo::json
        )
    },
    list!(
        ["models", "stale_models"],
        ["model version is made from what has changed", "model versions are made from what has changed"],
        stale_models,
        redo::model_row,
        redo::model_json
    ),
];

/// Writes the report for people; of each list, the first `limit`.
pub fn text(report: &StatusReport, limit: usize) -> String {
    let mut text = String::new();
    for list in LISTS.iter().filter(|list| report.is_of_part || !list.is_of_part) {
        let count = (list.count)(report);
        if count > 0 {
            let ([label, _], [one, many]) = (list.names, list.words);
            let _ = writeln!(text, "{label:<11}  {}", counted(count as u64, one, many));
            text.push_str(&aligned((list.rows)(report, limit)));
            text.push_str(&left_out(count, limit));
            text.push('\n');
        }
        text.push_str(&(list.behind)(report));
    }
    if report.unapplied.segments > 0 {
        let segments = counted(report.unapplied.segments, "segment", "segments");
        let size = bytes(report.unapplied.bytes);
        let _ = writeln!(
            text,
            "pending      {size} of facts in {segments} of the journal are not in the store yet\n"
        );
    }
    for note in &report.notes {
        let _ = writeln!(text, "note         {}\n", one_line(note));
    }
    text.push_str(&totals(report));
    text
}

/// Writes rows in columns, two spaces in.
pub(crate) fn aligned(rows: Vec<Vec<String>>) -> String {
    let mut table = plain_table();
    for row in rows {
        table.add_row(row);
    }
    let lines =
        table.lines().map(|line| format!("  {}\n", line.strip_prefix(' ').unwrap_or(&line).trim_end()));
    lines.collect()
}

/// Says how many of a list were left out.
pub(crate) fn left_out(count: usize, limit: usize) -> String {
    match count.checked_sub(limit) {
        None | Some(0) => String::new(),
        Some(left) => format!("  and {} more; `--limit 0` lists all\n", thousands(left as u64)),
    }
}

fn by(file: &RecordedFile) -> String {
    match &file.writer {
        Some(writer) => format!("written by run {}", writer.tail),
        None => "source".to_owned(),
    }
}

fn recorded_row(file: &RecordedFile) -> Vec<String> {
    vec![file.artifact.path.to_string(), by(file)]
}

fn pending_row(file: &RecordedFile) -> Vec<String> {
    let mut row = recorded_row(file);
    if !file.artifact.path.is_inside() {
        row.push("outside the workspace: `lineage restore FILE --to PATH` writes it".to_owned());
    }
    row
}

fn removed_row(removed: &RemovedFile) -> Vec<String> {
    let kept = if removed.is_kept { "kept" } else { "not kept" };
    vec![removed.file.artifact.path.to_string(), removed_words(&removed.by), kept.to_owned()]
}

fn renamed_row(renamed: &RenamedFile) -> Vec<String> {
    vec![renamed.file.artifact.path.to_string(), format!("is {} now", renamed.now_at)]
}

fn altered_row(altered: &AlteredFile) -> Vec<String> {
    let now = match (&altered.leads_to, &altered.read_by) {
        (Some(target), _) => format!("leads to {} now", printed_word(target)),
        (None, Some(run)) if altered.is_earlier_version => {
            format!("holds an earlier recorded version, read by run {run}")
        }
        (None, Some(run)) => format!("holds bytes that nobody recorded writing, read by run {run}"),
        (None, None) if altered.is_earlier_version => "holds an earlier recorded version".to_owned(),
        (None, None) => "holds bytes that nobody recorded".to_owned(),
    };
    vec![altered.file.artifact.path.to_string(), by(&altered.file), now]
}

fn not_here_row(not_here: &NotHere) -> Vec<String> {
    let now = if not_here.now.is_some() { "here is an earlier recorded version" } else { "not on disk here" };
    let kept = if not_here.is_kept { ", kept" } else { "" };
    vec![not_here.file.artifact.path.to_string(), by(&not_here.file), format!("{now}{kept}")]
}

fn unreadable_row((file, reason): &(RecordedFile, String)) -> Vec<String> {
    vec![file.artifact.path.to_string(), one_line(reason)]
}

/// Names a file, and the links that lead to it.
fn named(file: &RecordedFile) -> String {
    match file.link_names.is_empty() {
        true => file.artifact.path.to_string(),
        false => format!("{} (also {})", file.artifact.path, names_of(&file.link_names)),
    }
}

fn stale_row(stale: &StaleFile) -> Vec<String> {
    let causes = first_causes(stale.causes.iter().map(cause), stale.causes_total);
    vec![named(&stale.file), causes.join(", ")]
}

fn left_over_row(left: &LeftOver) -> Vec<String> {
    let mut row = stale_row(&left.file);
    row.push(format!("run {} did not make it", left.by));
    row
}

fn doubtful_row(doubtful: &DoubtfulFile) -> Vec<String> {
    let stale = doubtful.causes.iter().map(|stale| match &doubtful.left_by {
        Some(run) => format!("{}, and run {run} of its command left it as it was", cause(stale)),
        None => format!("{}, and may have gone in", cause(stale)),
    });
    let inputs = doubtful.changed_while_read.iter();
    let inputs = inputs.map(|input| match doubtful.ran_as_compiled.contains(&input.path) {
        true => format!("{} ran as it had been compiled before, perhaps from other bytes", input.path),
        false => format!("{} was changed while it was read", input.path),
    });
    let total = doubtful.causes_total + doubtful.changed_while_read_total;
    let mut causes = first_causes(stale.chain(inputs), total);
    let writer = doubtful.file.writer.as_ref().map_or("", |writer| writer.tail.as_str());
    if doubtful.is_overwritten {
        causes.push(format!("somebody wrote over what run {writer} wrote, while that went on"));
    }
    for run in &doubtful.also_written_by {
        causes.push(format!("runs {writer} and {run} wrote it at the same time"));
    }
    vec![named(&doubtful.file), causes.join(", ")]
}

fn first_causes(causes: impl Iterator<Item = String>, total: u64) -> Vec<String> {
    let mut first: Vec<String> = causes.take(CAUSES_MAX).collect();
    match total - first.len() as u64 {
        0 => {}
        more => first.push(format!("and {} more", thousands(more))),
    }
    first
}

/// Names what has changed: of many, the first.
pub(crate) fn causes_words(causes: &[StaleCause]) -> String {
    first_causes(causes.iter().map(cause), causes.len() as u64).join(", ")
}

fn cause(cause: &StaleCause) -> String {
    match (&cause.run, &cause.read_by) {
        (None, _) if cause.now.is_none() => format!("{} is gone", cause.used.path),
        (Some(run), _) if cause.now.is_none() => format!("{} is gone, by run {run}", cause.used.path),
        (Some(run), _) => format!("{} is newer, by run {run}", cause.used.path),
        (None, Some(run)) => format!("{} has other bytes, as read by run {run}", cause.used.path),
        (None, None) => format!("{} has changed on disk", cause.used.path),
    }
}

fn new_row(new: &NewInput) -> Vec<String> {
    let run = format!("not taken up by run {}  {}", new.run_tail, one_line(&new.run_name));
    vec![new.path.to_string(), run]
}

fn run_row(head: &RunHead) -> Vec<String> {
    let run = &head.view.run;
    let again = match run.kind {
        RunKind::Pipeline if !head.alive => format!("`lineage pipeline --resume {}` goes on", head.tail),
        _ => String::new(),
    };
    let when = match (head.view.ended_at(), head.view.reason()) {
        (Some(at), Some(reason)) => format!("{} at {at}", one_line(reason)),
        (Some(at), None) => format!("interrupted at {at}"),
        (None, _) if head.alive => format!("since {}", run.started_at),
        (None, _) => format!("since {}, no end and no process", run.started_at),
    };
    vec![head.tail.clone(), run.run_id.to_string(), one_line(&run.name), when, again]
}

/// Says how files that are not on disk are written again.
fn ways_back(pending: &[RecordedFile]) -> String {
    let mut runs: BTreeMap<&str, u64> = BTreeMap::new();
    let writers = pending.iter().filter_map(|file| file.writer.as_ref());
    for writer in writers.filter(|writer| writer.kind == RunKind::Pipeline) {
        *runs.entry(&writer.tail).or_default() += 1;
    }
    let count = runs.len();
    let mut text = String::new();
    for (tail, files) in runs.into_iter().take(CAUSES_MAX) {
        let files = counted(files, "file", "files");
        let _ = writeln!(text, "  `lineage pipeline --resume {tail}` writes {files} of them again");
    }
    if count > CAUSES_MAX {
        let _ = writeln!(text, "  and likewise {} more runs", count - CAUSES_MAX);
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

fn totals(report: &StatusReport) -> String {
    let mut parts = vec![format!("{} compared", counted(report.compared, "file", "files"))];
    if report.is_clean() && report.not_here.is_empty() && report.restored.is_empty() {
        parts.push("all as recorded".to_owned());
    }
    for (count, words) in [
        (report.superseded, "superseded by later runs"),
        (report.removed.len() as u64, "removed by runs"),
        (report.renamed.len() as u64, "gone that have other names now"),
        (report.older.len() as u64, "of earlier runs of commands that have gone on since"),
        (
            report.carried.len() as u64,
            "made from what has changed only through what their commands read and wrote on",
        ),
        (report.in_git, "gone that git has"),
        (report.edited_in_git, "of code edited since a run wrote them, in git when they were read"),
        (report.gone_outside, "gone outside the workspace"),
        (report.elsewhere, "not compared: addresses and copies of repetitions"),
        (report.without_content, "not compared: their content is not recorded"),
        (
            report.interrupted_before,
            "interrupted, whose programs came to a good end since with other arguments",
        ),
    ] {
        if count > 0 {
            parts.push(format!("{} {words}", thousands(count)));
        }
    }
    format!("{}\n", parts.join(", "))
}

/// Writes the report as JSON; of each list, the first `limit`, and beside them how many there are.
pub fn json(report: &StatusReport, limit: usize) -> Value {
    let mut value = json!({"format": 1, "clean": report.is_clean()});
    let mut totals = json!({"compared": report.compared});
    for list in &LISTS {
        let [_, name] = list.names;
        value[name] = Value::Array((list.values)(report, limit));
        totals[name] = json!((list.count)(report));
    }
    for (name, total) in [
        ("superseded", report.superseded),
        ("in_git", report.in_git),
        ("edited_in_git", report.edited_in_git),
        ("gone_outside", report.gone_outside),
        ("elsewhere", report.elsewhere),
        ("without_content", report.without_content),
        ("interrupted_before", report.interrupted_before),
        ("unapplied_segments", report.unapplied.segments),
        ("unapplied_bytes", report.unapplied.bytes),
    ] {
        totals[name] = json!(total);
    }
    value["notes"] = json!(report.notes);
    value["totals"] = totals;
    value
}

fn altered_json(altered: &AlteredFile) -> Value {
    let mut value = recorded_json(&altered.file);
    value["now"] = json!(altered.now.to_string());
    value["is_earlier_version"] = json!(altered.is_earlier_version);
    value["read_by_run_tail"] = json!(altered.read_by);
    if let Some(target) = &altered.leads_to {
        value["leads_to"] = json!(printed_word(target));
    }
    value
}

fn stale_json(stale: &StaleFile) -> Value {
    let mut value = recorded_json(&stale.file);
    value["causes"] = stale.causes.iter().map(cause_json).collect();
    value["causes_total"] = json!(stale.causes_total);
    value
}

fn left_over_json(left: &LeftOver) -> Value {
    let mut value = stale_json(&left.file);
    value["not_made_by"] = json!(left.by);
    value
}

fn doubtful_json(doubtful: &DoubtfulFile) -> Value {
    let mut value = recorded_json(&doubtful.file);
    value["causes"] = doubtful.causes.iter().map(cause_json).collect();
    value["causes_total"] = json!(doubtful.causes_total);
    value["left_by"] = json!(doubtful.left_by);
    value["changed_while_read"] = doubtful.changed_while_read.iter().map(artifact_json).collect();
    value["changed_while_read_total"] = json!(doubtful.changed_while_read_total);
    value["ran_as_compiled"] = doubtful.ran_as_compiled.iter().map(ArtifactPath::in_json).collect();
    value["also_written_by"] = json!(doubtful.also_written_by);
    value["is_overwritten"] = json!(doubtful.is_overwritten);
    value
}

fn unreadable_json((file, reason): &(RecordedFile, String)) -> Value {
    let mut value = recorded_json(file);
    value["reason"] = json!(reason);
    value
}

fn removed_file_json(removed: &RemovedFile) -> Value {
    let mut value = recorded_json(&removed.file);
    value["removed_by"] = removed_json(&removed.by);
    value["is_kept"] = json!(removed.is_kept);
    value
}

fn renamed_json(renamed: &RenamedFile) -> Value {
    let mut value = recorded_json(&renamed.file);
    value["now_at"] = json!(renamed.now_at.in_json());
    value
}

fn not_here_json(not_here: &NotHere) -> Value {
    let mut value = recorded_json(&not_here.file);
    value["now"] = json!(not_here.now.map(|digest| digest.to_string()));
    value["is_kept"] = json!(not_here.is_kept);
    value
}

fn new_json(new: &NewInput) -> Value {
    json!({
        "path": new.path.in_json(), "run_tail": new.run_tail, "run_id": new.run_id.as_str(), "run_name": new.run_name,
    })
}

pub(crate) fn cause_json(cause: &StaleCause) -> Value {
    json!({
        "used": artifact_json(&cause.used),
        "now": cause.now.map(|now| now.to_string()),
        "run_tail": cause.run,
        "read_by": cause.read_by,
    })
}

fn recorded_json(file: &RecordedFile) -> Value {
    let mut value = artifact_json(&file.artifact);
    value["written_by"] = file.writer.as_ref().map_or(Value::Null, |writer| {
        json!({
            "run_tail": writer.tail, "run_id": writer.run_id.as_str(), "kind": writer.kind.as_str(),
            "at": writer.at.rfc3339(),
        })
    });
    value["link_names"] = file.link_names.iter().map(|name| json!(name.in_json())).collect();
    value
}
