//! What is asked of files and runs: `show`, `status`, `diff`, `log`, `metrics`.

use serde_json::{Value, json};

use super::{
    and, answer, artifact, by_name, count, digest, evidence, evidence_by_question, flag, key, lack, list,
    model, more, not_known, note, number, object, on_disk, one_of, or_null, overwritten, plan, remark, run,
    stale_cause, text, time, values, with,
};
use crate::ops::status::RedoCaveat;

pub(super) fn log() -> Value {
    let run = with(run(), [("values", values()), ("evidence", evidence_by_question())]);
    let answer = answer([
        ("runs", list(run)),
        ("more", more()),
        ("repetitions_left_out", flag()),
        ("lack", lack()),
        ("not_known", not_known()),
        ("unknown_files", list(text())),
        ("hints", list(text())),
    ]);
    with(answer, [("plan", plan())])
}

pub(super) fn log_file() -> Value {
    let change = object([
        ("at", time()),
        ("what", one_of(&["written", "read", "removed"])),
        ("artifact", artifact()),
        ("step", text()),
        ("step_id", key()),
        ("run", or_null(key())),
        ("run_id", or_null(text())),
        ("evidence", evidence()),
    ]);
    answer([
        ("path", text()),
        ("other_names", list(text())),
        ("changes", list(change)),
        ("overwritten", overwritten()),
        ("more", flag()),
    ])
}

/// The answers of `show`, which tell by `kind` what they are of; of what is asked by several words, each stands in `answers`.
pub(super) fn show() -> Value {
    let files = [("files", list(artifact()))];
    let one = json!({"oneOf": [
        with(traced("file", file_fields()), [("note", noted()), ("files", list(artifact()))]),
        with(and(traced("segment", file_fields()), [("segment", segment())]), [("note", noted()), ("files", list(artifact()))]),
        traced("run", run_fields()),
        and(
            headed("at work"),
            [("path", text()), ("direction", one_of(&["up", "down"])), ("so_far", list(way_so_far()))],
        ),
        with(traced("model", model_fields()), files.clone()),
        and(traced("projected", run_fields()), [("projected", projected()), ("overwritten", overwritten())]),
        with(
            and(traced("projected", model_fields()), [("projected", projected()), ("overwritten", overwritten())]),
            files,
        ),
        and(
            headed("projected"),
            [("projected", projected()), ("overwritten", overwritten()), ("notes", list(text()))],
        ),
    ]});
    json!({"oneOf": [one, answer([("answers", list(one.clone()))])]})
}

/// What stands in front of every answer of `show`.
fn headed(kind: &str) -> Value {
    let link = object([
        ("path", text()),
        ("text", text()),
        ("lies_there", flag()),
        ("to", or_null(text())),
        ("written", or_null(writer())),
    ]);
    let environment = object([("run_tail", text()), ("lines", list(text()))]);
    answer([("kind", json!({"const": kind})), ("links", list(link)), ("environments", list(environment))])
}

/// A run with its steps and files, as far as they are on the way.
fn run_on_the_way() -> Value {
    let step = object([
        ("id", key()),
        ("name", text()),
        ("subject", text()),
        ("status", text()),
        ("reason", or_null(text())),
        ("started_at", time()),
        ("ended_at", time()),
        ("depth", count()),
        ("parameters", by_name(text())),
        ("cached_from", or_null(key())),
        ("used", list(edge())),
        ("generated", list(edge())),
    ]);
    and(run(), [("steps", list(step)), ("lacks", list(one_of(&["reads", "ignored files", "unseen"])))])
}

/// What a command at work has read and written.
fn so_far() -> Value {
    let step = or_null(json!({"type": "integer"}));
    let metric = object([("name", text()), ("value", number()), ("step", step)]);
    object([
        ("until", time()),
        ("run", run_on_the_way()),
        ("removed", list(text())),
        ("metrics", list(metric)),
    ])
}

/// What a command at work has to do with a file.
fn way_so_far() -> Value {
    object([
        ("until", time()),
        ("run", run_on_the_way()),
        ("folded", or_null(folded())),
        ("removed_at", or_null(time())),
    ])
}

/// What lies behind files that steps read and wrote on.
fn folded() -> Value {
    object([("through", list(text())), ("runs", count()), ("steps", count()), ("files", count())])
}

fn traced(kind: &str, fields: Vec<(&str, Value)>) -> Value {
    let gap = object([
        ("artifact", artifact()),
        ("written", artifact()),
        ("written_at", time()),
        ("run_tail", text()),
    ]);
    let totals = object([
        ("runs", count()),
        ("steps", count()),
        ("artifacts", count()),
        ("gaps", count()),
        ("observed", count()),
        ("declared", count()),
        ("inferred", count()),
        ("changed_while_read", count()),
        ("carried", count()),
        ("copies", count()),
        ("at_work", count()),
        ("not_followed", count()),
        ("runs_named", count()),
        ("runs_without_reads", count()),
        ("runs_with_ignored_files", count()),
        ("runs_with_unseen", count()),
    ]);
    let mut answer = and(
        headed(kind),
        [
            ("direction", one_of(&["up", "down"])),
            ("runs", list(run_on_the_way())),
            ("gaps", list(gap)),
            ("folded", or_null(folded())),
            // Going down there are ends in the place of sources.
            ("totals", with(totals, [("sources", count()), ("ends", count())])),
        ],
    );
    for (name, schema) in fields {
        answer = and(answer, [(name, schema)]);
    }
    with(answer, [("sources", list(compared())), ("ends", list(compared()))])
}

/// A file, and what became of it where that was looked at; the root of the workspace that it lies in, where that is another one.
fn compared() -> Value {
    let workspace = ("workspace", or_null(text()));
    and(artifact(), [("on_disk", or_null(on_disk())), ("kept", or_null(flag())), workspace])
}

fn edge() -> Value {
    and(
        artifact(),
        [
            ("at", time()),
            ("evidence", evidence()),
            ("role", text()),
            ("models", list(text())),
            ("link_names", list(text())),
            ("from", or_null(came_from())),
        ],
    )
}

/// Where a file came from; of a copy, what it is a copy of; of a source with few bytes, what has the same.
fn came_from() -> Value {
    let from = object([("kind", one_of(&["run", "so far", "copy", "gap", "source"]))]);
    with(from, [("run", or_null(key())), ("run_tail", text()), ("of", artifact()), ("alike", artifact())])
}

fn writer() -> Value {
    object([
        ("at", time()),
        ("step", text()),
        ("steps", list(text())),
        ("command", or_null(text())),
        ("also_written_by", list(text())),
        ("also_written_elsewhere_by", list(text())),
        ("run", key()),
        ("run_id", text()),
    ])
}

fn removed_by() -> Value {
    object([
        ("at", time()),
        ("step", text()),
        ("run", key()),
        ("run_id", text()),
        ("run_tail", text()),
        ("moved_to", or_null(artifact())),
    ])
}

fn named_model() -> Value {
    object([
        ("id", key()),
        ("name", text()),
        ("version", text()),
        ("label", text()),
        ("stage", super::stage()),
        ("deleted", flag()),
    ])
}

fn learned() -> Value {
    list(and(
        named_model(),
        [("how", one_of(&["its file", "its entry", "its run"])), ("evidence", evidence())],
    ))
}

fn file_fields() -> Vec<(&'static str, Value)> {
    vec![
        ("path", text()),
        ("artifact", artifact()),
        ("on_disk", on_disk()),
        ("kept", flag()),
        ("is_link", flag()),
        ("workspace", or_null(text())),
        ("written", or_null(writer())),
        ("removed", or_null(removed_by())),
        ("from", came_from()),
        ("overwritten", overwritten()),
        ("same_bytes", list(text())),
        ("link_names", list(text())),
        ("projected", or_null(projected())),
        ("models", list(named_model())),
        ("learned", learned()),
        ("so_far", list(way_so_far())),
        ("notes", list(text())),
    ]
}

fn run_fields() -> Vec<(&'static str, Value)> {
    let metric =
        object([("name", text()), ("value", number()), ("step", json!({"type": "integer"})), ("at", time())]);
    let steps = object([("name", text()), ("done", count()), ("failed", count())]);
    vec![
        ("run", run()),
        ("commit_held_by", or_null(one_of(&["reference", "nothing", "not here"]))),
        ("parts", list(run())),
        ("parts_total", count()),
        ("so_far", or_null(so_far())),
        ("models", list(named_model())),
        ("learned", learned()),
        ("metrics", list(metric)),
        ("step_counts", list(steps)),
        ("tags", by_name(text())),
        ("failures", list(text())),
        ("inputs", list(and(compared(), [("models", list(text()))]))),
        ("outputs", list(compared())),
        ("removed", list(text())),
        ("notes", list(text())),
    ]
}

fn model_fields() -> Vec<(&'static str, Value)> {
    vec![("model", super::models::card()), ("learned", learned())]
}

fn projected() -> Value {
    let states = ["current", "outdated", "edited", "other", "missing", "blocked", "not wanted"];
    object([
        ("path", text()),
        ("state", one_of(&states)),
        ("from", one_of(&["run", "model", "documents"])),
        ("id", or_null(key())),
    ])
}

fn segment() -> Value {
    let filing =
        object([("artifact", artifact()), ("on_disk", on_disk()), ("bytes_as_text", or_null(text()))]);
    object([
        ("chunk_id", text()),
        ("filing_name", text()),
        ("accession_number", or_null(text())),
        ("company_name", or_null(text())),
        ("section", or_null(text())),
        ("title", or_null(text())),
        ("ancestors", list(text())),
        ("text", text()),
        ("word_count", count()),
        ("span", list(count())),
        ("filing", or_null(filing)),
    ])
}

fn noted() -> Value {
    let run = object([("id", key()), ("run_id", text()), ("name", text())]);
    let reference = object([
        ("sort", text()),
        ("name", text()),
        ("given_by", list(text())),
        ("missing", flag()),
        ("only_recorded", flag()),
        ("runs", list(run)),
        ("model", or_null(text())),
    ]);
    and(note(), [("references", list(reference)), ("gone", or_null(time()))])
}

pub(super) fn status() -> Value {
    let writer = object([("run_tail", text()), ("run_id", text()), ("kind", text()), ("at", time())]);
    let file = || and(artifact(), [("written_by", or_null(writer.clone())), ("link_names", list(text()))]);
    let changed = and(
        file(),
        [("now", digest()), ("is_earlier_version", flag()), ("read_by_run_tail", or_null(text()))],
    );
    let stale = || and(file(), [("causes", list(stale_cause())), ("causes_total", count())]);
    let doubtful = and(
        file(),
        [
            ("causes", list(stale_cause())),
            ("causes_total", count()),
            ("left_by", or_null(text())),
            ("changed_while_read", list(artifact())),
            ("changed_while_read_total", count()),
            ("ran_as_compiled", list(text())),
            ("also_written_by", list(text())),
            ("is_overwritten", flag()),
        ],
    );
    let new = object([("path", text()), ("run_tail", text()), ("run_id", text()), ("run_name", text())]);
    let redo = object([
        ("run", run()),
        ("command", or_null(text())),
        ("folder", text()),
        ("stale", count()),
        ("lost", count()),
        ("new", count()),
        ("files", count()),
        ("cause", or_null(stale_cause())),
        ("after", list(text())),
        ("caveats", list(one_of(&RedoCaveat::ALL.map(RedoCaveat::as_str)))),
    ]);
    let names = [
        "changed",
        "stale",
        "left_over",
        "older",
        "carried",
        "doubtful",
        "restored",
        "lost",
        "pending",
        "removed",
        "renamed",
        "not_here",
        "unreadable",
        "unknown",
        "new",
        "interrupted_runs",
        "failed_runs",
        "running_runs",
        "redo",
        "stale_models",
        "compared",
        "superseded",
        "in_git",
        "edited_in_git",
        "gone_outside",
        "elsewhere",
        "without_content",
        "interrupted_before",
        "unapplied_segments",
        "unapplied_bytes",
    ];
    answer([
        ("clean", flag()),
        ("changed", list(with(changed, [("leads_to", text())]))),
        ("stale", list(stale())),
        ("left_over", list(and(stale(), [("not_made_by", text())]))),
        ("older", list(stale())),
        ("carried", list(stale())),
        ("doubtful", list(doubtful)),
        ("restored", list(stale())),
        ("lost", list(file())),
        ("pending", list(file())),
        ("removed", list(and(file(), [("removed_by", removed_by()), ("is_kept", flag())]))),
        ("renamed", list(and(file(), [("now_at", text())]))),
        ("not_here", list(and(file(), [("now", or_null(digest())), ("is_kept", flag())]))),
        ("unreadable", list(and(file(), [("reason", text())]))),
        ("unknown", list(text())),
        ("new", list(new)),
        ("interrupted_runs", list(run())),
        ("failed_runs", list(run())),
        ("running_runs", list(run())),
        ("redo", list(redo)),
        ("stale_models", list(and(model(), [("stale_files", list(text()))]))),
        ("notes", list(text())),
        ("totals", object(names.map(|name| (name, count())))),
    ])
}

pub(super) fn diff() -> Value {
    let entry = || object([("name", text()), ("a", or_null(text())), ("b", or_null(text()))]);
    let parameter = || object([("name", text()), ("a", list(text())), ("b", list(text()))]);
    let outcome = object([("status", text()), ("reason", or_null(text()))]);
    let output = object([
        ("step", text()),
        ("subject", text()),
        ("a", or_null(artifact())),
        ("b", or_null(artifact())),
        ("paired_by", or_null(one_of(&["path", "pattern", "name and content", "step"]))),
        ("pattern", or_null(text())),
        ("explanation", or_null(count())),
    ]);
    let standing = object([("step", text()), ("artifact", artifact()), ("made_by", one_of(&["a", "b"]))]);
    let outputs = object([
        ("same", count()),
        ("metrics_files", count()),
        ("paired", object(["pattern", "name_and_content", "step"].map(|name| (name, count())))),
        ("differing", list(output)),
        ("differing_total", count()),
        ("standing", list(standing)),
        ("standing_total", count()),
    ]);
    let failure = object([("step", text()), ("subject", text()), ("a", text()), ("b", text())]);
    let kinds = [
        "input",
        "step parameter",
        "step command",
        "parameter",
        "arguments",
        "argument order",
        "renamed",
        "made",
        "variable",
        "package",
        "environment files",
        "failure",
        "unfinished",
        "environment times",
        "code",
        "recorder",
    ];
    let cause = object([("kind", one_of(&kinds)), ("likely", flag()), ("words", text())]);
    let cause = with(
        cause,
        [
            ("role", text()),
            ("a", or_null(artifact())),
            ("b", or_null(artifact())),
            ("step", text()),
            ("subject", text()),
            ("reason", or_null(text())),
            ("status", text()),
            ("parameter", parameter()),
            ("arguments", list(list(text()))),
            ("entry", entry()),
            ("files", count()),
        ],
    );
    let explanation = object([
        ("outputs", count()),
        ("example", or_null(count())),
        ("example_paths", object([("a", or_null(text())), ("b", or_null(text()))])),
        ("causes", list(cause)),
        ("more", flag()),
    ]);
    let upstream = object([("a", key()), ("b", key()), ("files", count()), ("example", text())]);
    let entries = object([
        ("variables", list(entry())),
        ("packages", list(entry())),
        ("files", list(entry())),
        ("files_total", count()),
        ("touched", count()),
    ]);
    let totals = ["parameters", "metrics", "failures", "explanations", "upstream"];
    let read = ["a_read_of_b", "b_read_of_a"];
    let unlike = and(
        object(read.map(|name| (name, list(artifact())))),
        [("totals", object(read.map(|name| (name, count()))))],
    );
    answer([
        ("equal", flag()),
        ("runs", list(run())),
        ("outcomes", or_null(list(outcome))),
        ("code", code_diff()),
        ("arguments", or_null(list(list(text())))),
        ("parameters", list(parameter())),
        ("recorder", or_null(list(text()))),
        ("inputs", files_diff()),
        ("code_read", files_diff()),
        ("environment", files_diff()),
        ("environment_entries", or_null(entries)),
        ("outputs", outputs),
        ("metrics", list(metric_diff())),
        ("metrics_same", count()),
        ("failures", list(failure)),
        ("unlike", or_null(unlike)),
        ("explanations", list(explanation)),
        ("upstream", list(upstream)),
        ("totals", object(totals.map(|name| (name, count())))),
    ])
}

/// A metric that differs in any point.
pub(super) fn metric_diff() -> Value {
    let whole = json!({"type": "integer"});
    let parting =
        object([("point", count()), ("step", whole), ("a", or_null(number())), ("b", or_null(number()))]);
    object([
        ("name", text()),
        ("file", or_null(text())),
        ("a", or_null(number())),
        ("b", or_null(number())),
        ("parting", or_null(parting)),
        ("difference", or_null(number())),
        ("relative", or_null(number())),
    ])
}

/// The code of two runs side by side.
pub(super) fn code_diff() -> Value {
    let side = || {
        object([
            ("commit", or_null(text())),
            ("branch", or_null(text())),
            ("dirty", or_null(flag())),
            ("mixed", flag()),
            ("patch", or_null(digest())),
            ("unreadable", or_null(text())),
        ])
    };
    let file = object([
        ("path", text()),
        ("a", or_null(text())),
        ("b", or_null(text())),
        ("between", or_null(text())),
        ("certain", flag()),
    ]);
    object([
        ("equal", flag()),
        ("a", side()),
        ("b", side()),
        ("files", list(file)),
        ("files_total", count()),
        ("commits_compared", flag()),
    ])
}

/// Files of two sides, by path and then by content.
pub(super) fn files_diff() -> Value {
    let pair = || object([("a", artifact()), ("b", artifact())]);
    object([
        ("same", count()),
        ("changed", list(pair())),
        ("renamed", list(pair())),
        ("folders", list(object([("a", text()), ("b", text())]))),
        ("only_a", list(artifact())),
        ("only_b", list(artifact())),
        ("totals", object(["changed", "renamed", "folders", "only_a", "only_b"].map(|name| (name, count())))),
    ])
}

pub(super) fn metrics() -> Value {
    let point = || object([("step", json!({"type": "integer"})), ("at", time()), ("value", number())]);
    let metric = object([
        ("name", text()),
        ("count", count()),
        ("first", point()),
        ("last", point()),
        ("min", number()),
        ("max", number()),
        ("points", list(point())),
        ("points_left_out", count()),
        ("files", list(object([("path", text()), ("value", number())]))),
    ]);
    let run = object([
        ("id", key()),
        ("run_id", text()),
        ("name", text()),
        ("metrics", list(metric)),
        ("metrics_left_out", count()),
        ("refused", list(remark())),
    ]);
    answer([("runs", list(run))])
}

pub(super) fn metric_names() -> Value {
    answer([("metrics", list(text())), ("more", flag())])
}
