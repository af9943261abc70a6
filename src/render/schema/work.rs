//! What work was done: `pipeline`, `rerun`, `verify`, `project`, `restore`, `split`, `research`, `export`, `import`, `merge`, `gc`.

use serde_json::{Value, json};

use super::{
    and, answer, artifact, by_name, count, digest, flag, key, list, note, number, object, one_of, or_null,
    text, with,
};

pub(super) fn pipeline() -> Value {
    let run = object([("id", key()), ("run_id", text()), ("name", text()), ("git_sha", or_null(text()))]);
    let stage = ["computed", "cached", "kept", "restored", "unwritten", "failed"];
    let failure = object([("path", text()), ("stage", text()), ("reason", text())]);
    let of_path = |name| object([("path", text()), (name, text())]);
    let document = answer([
        ("run", or_null(run)),
        ("resumed", flag()),
        ("nothing_to_do", flag()),
        ("dry_run", flag()),
        ("filings", count()),
        ("pending", count()),
        ("untried", count()),
        ("beyond_limit", count()),
        ("bytes", count()),
        ("seconds", number()),
        ("stages", by_name(object(stage.map(|name| (name, count()))))),
        ("folders", list(text())),
        ("failures", list(failure)),
        ("duplicates", list(of_path("same_as"))),
        ("passed_over", list(text())),
        ("not_entered", list(text())),
        ("absent", list(text())),
        ("altered", list(object([("path", text()), ("kept_as", digest())]))),
        ("unwritten", list(of_path("reason"))),
        ("doubtful", list(text())),
        ("stopped", or_null(text())),
        ("metrics", by_name(number())),
        ("example", or_null(text())),
    ]);
    // The one where a run was made, the other where it was to be compared.
    with(document, [("quality", quality()), ("comparison", comparison())])
}

fn quality() -> Value {
    let spread = || {
        let names = ["min", "lower_quartile", "median", "upper_quartile", "max", "mean"];
        and(object([("count", count())]), names.map(|name| (name, or_null(number()))))
    };
    let statuses = ["found", "by_reference", "not_required", "absent", "failed", "doubtful"];
    let coverage = and(
        object([("form", text()), ("year", or_null(json!({"type": "integer"})))]),
        statuses.map(|name| (name, count())),
    );
    let of_section = || object([("section", text()), ("paths", list(text()))]);
    let outlier = object([("path", text()), ("section", text()), ("what", text()), ("value", number())]);
    object([
        ("coverage", list(coverage)),
        ("segments", spread()),
        ("words", spread()),
        ("confidence", spread()),
        ("item_share", spread()),
        ("outliers", list(outlier)),
        ("doubtful", list(object([("path", text()), ("section", text())]))),
        ("duplicates", list(of_section())),
        ("near_duplicates", list(and(of_section(), [("bits", count())]))),
        ("near_duplicates_more", count()),
        ("failures", list(object([("reason", text()), ("count", count())]))),
    ])
}

fn comparison() -> Value {
    let counts = object([("name", text()), ("before", number()), ("now", number())]);
    let change = object([
        ("path", text()),
        ("stage", text()),
        ("section", or_null(text())),
        ("why", list(text())),
        ("counts", list(counts)),
    ]);
    object([
        ("base", text()),
        ("same", flag()),
        ("compared", count()),
        ("changed", list(change)),
        ("missing", list(text())),
        ("added", list(text())),
        ("runs", list(text())),
    ])
}

pub(super) fn rerun() -> Value {
    let code = || or_null(json!({"type": "integer"}));
    let pair = object([("before", artifact()), ("now", artifact()), ("repacked", flag())]);
    let outputs = object([
        ("same", list(artifact())),
        ("differs", list(pair)),
        ("missing", list(artifact())),
        ("new", list(artifact())),
        ("also_made", list(artifact())),
        ("by_pattern", list(object([("path", text()), ("pattern", text())]))),
        ("removed", list(text())),
        ("not_removed", list(text())),
        ("newly_removed", list(text())),
        ("not_compared", count()),
    ]);
    let metrics = object([
        ("same", count()),
        ("differing", list(super::runs::metric_diff())),
        ("ignored", list(text())),
    ]);
    answer([
        ("rerun_of", key()),
        ("run", or_null(key())),
        ("same", flag()),
        ("exit_codes", object([("before", code()), ("now", code())])),
        ("outputs", outputs),
        ("metrics", metrics),
        ("notes", list(text())),
        ("kept", or_null(text())),
    ])
}

pub(super) fn verify() -> Value {
    let finding = || {
        let areas = ["journal", "store", "contents", "files"];
        list(object([("area", one_of(&areas)), ("subject", text()), ("what", text())]))
    };
    let totals = [
        "faults",
        "remarks",
        "segments",
        "segment_bytes",
        "records",
        "facts",
        "contents",
        "contents_needed",
        "files",
    ];
    answer([
        ("sound", flag()),
        ("faults", finding()),
        ("remarks", finding()),
        ("totals", object(totals.map(|name| (name, count())))),
    ])
}

pub(super) fn project() -> Value {
    let states = ["removed", "written", "missing", "outdated", "edited", "unwanted", "lost", "blocked"];
    let file = object([
        ("path", text()),
        ("state", one_of(&states)),
        ("size_bytes", or_null(count())),
        ("edited_digest", or_null(digest())),
        ("reason", or_null(text())),
        ("diff", or_null(text())),
    ]);
    answer([
        ("dry_run", flag()),
        ("current", count()),
        ("counts", by_name(count())),
        ("files", list(file)),
        ("warnings", list(text())),
    ])
}

pub(super) fn restore() -> Value {
    let file = object([
        ("path", or_null(text())),
        ("place", text()),
        ("digest", digest()),
        ("size_bytes", count()),
        ("link_to", or_null(text())),
        ("was_there", flag()),
        ("replaced", or_null(digest())),
        ("from_commit", or_null(text())),
        ("also_at", or_null(text())),
    ]);
    let left = and(super::artifact(), [("reason", text())]);
    answer([("files", list(file)), ("left_out", list(left)), ("withdrawn", list(text()))])
}

/// A part of a split, as its manifest describes it.
fn part() -> Value {
    let counts = ["files", "groups", "size_bytes"];
    let shares = ["asked", "share_of_files", "share_of_groups"];
    let part = object([("name", text()), ("list", text()), ("list_digest", text())]);
    and(and(part, counts.map(|name| (name, count()))), shares.map(|name| (name, number())))
}

pub(super) fn split() -> Value {
    answer([
        ("run", object([("id", key()), ("run_id", text()), ("name", text())])),
        ("by", text()),
        ("seed", text()),
        ("ratios", text()),
        ("folder", text()),
        ("manifest", text()),
        ("parts", list(part())),
        ("passed_over", count()),
        ("superseded", count()),
    ])
}

pub(super) fn split_check() -> Value {
    answer([
        ("holds", flag()),
        ("by", text()),
        ("seed", text()),
        ("parts", list(part())),
        ("faults", list(object([("path", text()), ("what", text())]))),
    ])
}

pub(super) fn research() -> Value {
    let file = || object([("path", text()), ("why", text())]);
    let states = ["new", "changed", "read anew", "unchanged"];
    let index =
        object([("path", text()), ("state", one_of(&["unchanged", "written", "differs", "not ours"]))]);
    answer([
        ("folder", text()),
        ("up_to_date", flag()),
        ("documents", list(and(note(), [("state", one_of(&states))]))),
        ("gone", list(text())),
        ("skipped", list(file())),
        ("passed_over", list(file())),
        ("index", index),
    ])
}

pub(super) fn export() -> Value {
    answer([
        ("exported", text()),
        ("out", text()),
        ("runs", count()),
        ("facts", or_null(count())),
        ("tables", list(object([("file", text()), ("rows", count())]))),
        ("contents", count()),
        ("content_bytes", count()),
        ("absent", count()),
        ("withheld", count()),
    ])
}

pub(super) fn import() -> Value {
    answer([
        ("run", or_null(key())),
        ("run_id", or_null(text())),
        ("artifacts", list(artifact())),
        ("known", count()),
        ("ignored", count()),
        ("passed_over", count()),
        ("unreadable", list(text())),
    ])
}

pub(super) fn import_others() -> Value {
    answer([
        ("runs", count()),
        ("new_runs", count()),
        ("new_points", count()),
        ("new_files", count()),
        ("new_models", count()),
        ("changes", count()),
        ("deleted", count()),
        ("called", by_name(text())),
        ("left_out", list(text())),
        ("left_out_more", count()),
    ])
}

pub(super) fn import_registry() -> Value {
    let model = object([
        ("id", key()),
        ("label", text()),
        ("file", text()),
        ("news", one_of(&["new", "changed", "known"])),
        ("run_recorded", or_null(flag())),
        ("files", count()),
        ("files_here", count()),
        ("differs", list(text())),
        ("remarks", list(text())),
    ]);
    answer([("models", list(model)), ("left_out", list(text()))])
}

pub(super) fn merge() -> Value {
    answer([
        ("facts_new", count()),
        ("facts_known", count()),
        ("runs_new", count()),
        ("clashes", list(object([("label", text()), ("other", text())]))),
        ("moved", list(object([("name", text()), ("before", text()), ("now", or_null(text()))]))),
        ("brought_back", flag()),
        ("contents_copied", count()),
        ("content_bytes_copied", count()),
        ("damaged", list(text())),
        ("projections_behind", or_null(count())),
    ])
}

pub(super) fn gc() -> Value {
    let content = object([("digest", digest()), ("stored_bytes", count()), ("reason", text())]);
    answer([
        ("applied", flag()),
        ("bytes", count()),
        ("bytes_by_reason", by_name(count())),
        ("kept", count()),
        ("kept_bytes", count()),
        ("young", count()),
        ("contents", list(content)),
        ("contents_total", count()),
        ("failed", list(object([("digest", digest()), ("reason", text())]))),
    ])
}
