//! The shapes of answers in JSON, as JSON Schemas (draft 2020-12).
//!
//! Every field that is named is there in every answer; an answer of a newer `lineage` may have others beside them.
//! `tests/schema.rs` holds real answers against them: each field that an answer has is named.

mod models;
mod runs;
mod work;

use serde_json::{Map, Value, json};

/// An answer that has a schema: its name, the commands that give it, and what makes the schema.
pub type Answer = (&'static str, &'static str, fn() -> Value);

/// The answers that have a schema: all.
pub const ANSWERS: [Answer; 29] = [
    ("show", "lineage show", runs::show),
    ("log", "lineage log", runs::log),
    ("log-file", "lineage log FILE", runs::log_file),
    ("metrics", "lineage metrics RUN", runs::metrics),
    ("metric-names", "lineage metrics, lineage models --metrics", runs::metric_names),
    ("diff", "lineage diff", runs::diff),
    ("status", "lineage status", runs::status),
    ("verify", "lineage verify", work::verify),
    ("rerun", "lineage rerun", work::rerun),
    ("import", "lineage import PATH", work::import),
    ("import-others", "lineage import --format mlflow or openlineage", work::import_others),
    ("import-registry", "lineage import --format registry", work::import_registry),
    ("merge", "lineage merge, lineage import --format jsonl", work::merge),
    ("pipeline", "lineage pipeline", work::pipeline),
    ("models", "lineage models, lineage models --where", models::models),
    ("models-versions", "lineage models show NAME", models::models_versions),
    ("models-show", "lineage models show NAME@VERSION, lineage models best", models::models_show),
    ("models-compare", "lineage models compare", models::models_compare),
    ("models-change", "lineage models promote, archive, alias, describe and delete", models::models_change),
    ("models-history", "lineage models history", models::models_history),
    ("models-verify", "lineage models verify", models::models_verify),
    ("register", "lineage register", models::register),
    ("research", "lineage research", work::research),
    ("split", "lineage split", work::split),
    ("split-check", "lineage split --check", work::split_check),
    ("export", "lineage export --out", work::export),
    ("project", "lineage project", work::project),
    ("restore", "lineage restore", work::restore),
    ("gc", "lineage gc", work::gc),
];

/// Returns the schema of an answer by its name.
pub fn of(name: &str) -> Option<Value> {
    let (_, command, schema) = ANSWERS.iter().find(|(known, ..)| *known == name)?;
    let mut schema = schema();
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!(format!("the answer of `{command}` with --json"));
    Some(schema)
}

// ---- what answers are made of ----

fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let required: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> =
        fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    json!({"type": "object", "required": required, "properties": properties})
}

/// Adds fields to an object, which it may have.
fn with<const N: usize>(mut object: Value, fields: [(&str, Value); N]) -> Value {
    fields.into_iter().for_each(|(name, value)| object["properties"][name] = value);
    object
}

/// Adds fields to an object, which it always has.
fn and<const N: usize>(mut object: Value, fields: [(&str, Value); N]) -> Value {
    for (name, value) in fields {
        object["properties"][name] = value;
        if let Some(required) =
            object["required"].as_array_mut().filter(|known| !known.contains(&json!(name)))
        {
            required.push(json!(name));
        }
    }
    object
}

fn answer<const N: usize>(fields: [(&str, Value); N]) -> Value {
    and(object([("format", json!({"const": 1}))]), fields)
}

fn list(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

fn by_name(values: Value) -> Value {
    json!({"type": "object", "additionalProperties": values})
}

fn or_null(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

fn one_of(words: &[&str]) -> Value {
    json!({"enum": words})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn flag() -> Value {
    json!({"type": "boolean"})
}

fn number() -> Value {
    json!({"type": "number"})
}

fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

fn time() -> Value {
    json!({"type": "string", "format": "date-time", "pattern": "Z$"})
}

fn key() -> Value {
    json!({"type": "string", "pattern": "^[0-9a-f-]{36}$"})
}

fn digest() -> Value {
    json!({"type": "string", "pattern": "^blake3:[0-9a-f]{64}$"})
}

fn stage() -> Value {
    one_of(&["development", "staging", "production", "archived"])
}

fn on_disk() -> Value {
    one_of(&[
        "unchanged",
        "changed",
        "gone",
        "no file",
        "not readable",
        "same bytes under another name",
        "elsewhere",
        "content not recorded",
        "not checked",
    ])
}

fn evidence() -> Value {
    one_of(&["observed", "declared", "inferred", "changed while read", "carried"])
}

/// A file with what was in it; digest and size are null where that is not recorded.
fn artifact() -> Value {
    object([("path", text()), ("digest", or_null(digest())), ("size_bytes", or_null(count()))])
}

/// A path that has other bytes now than went into a file.
fn stale_cause() -> Value {
    let told = [("run_tail", or_null(text())), ("read_by", or_null(text()))];
    with(object([("used", artifact()), ("now", or_null(digest()))]), told)
}

fn remark() -> Value {
    object([("kind", text()), ("text", text()), ("count", count())])
}

fn run() -> Value {
    let parameter = object([("name", text()), ("value", text())]);
    let stream = object([
        ("number", count()),
        ("path", text()),
        ("way", one_of(&["read", "write", "append", "update"])),
        ("same_as", or_null(count())),
    ]);
    let changed = object([("path", text()), ("kind", text()), ("digest", or_null(digest()))]);
    let repository = object([
        ("root", or_null(text())),
        ("commit", or_null(text())),
        ("branch", or_null(text())),
        ("dirty", or_null(flag())),
        ("patch", or_null(digest())),
        ("unreadable", or_null(text())),
    ]);
    let code = object([
        ("root", or_null(text())),
        ("commit", or_null(text())),
        ("branch", or_null(text())),
        ("dirty", or_null(flag())),
        ("label", or_null(text())),
        ("changed", list(changed)),
        ("changed_meanwhile", list(text())),
        ("never_committed", list(text())),
        ("untracked", count()),
        ("patch", or_null(digest())),
        ("unreadable", or_null(text())),
    ]);
    object([
        ("id", key()),
        ("tail", text()),
        ("run_id", text()),
        ("name", text()),
        ("kind", text()),
        ("status", text()),
        ("reason", or_null(text())),
        ("started_at", time()),
        ("ended_at", or_null(time())),
        ("duration_seconds", or_null(number())),
        ("exit_code", or_null(json!({"type": "integer"}))),
        ("arguments", list(text())),
        ("parameters", list(parameter)),
        ("parameters_said_several", by_name(list(text()))),
        ("parent", or_null(key())),
        ("rerun_of", or_null(key())),
        ("streams", or_null(list(stream))),
        ("observed_by", or_null(text())),
        ("remarks", list(remark())),
        ("remarks_omitted", count()),
        ("recorder", text()),
        ("host", text()),
        ("by", text()),
        ("code", code),
        ("repositories", list(repository)),
    ])
}

/// A version of a model, and where it stands.
fn model() -> Value {
    let taken = object([("as_of", time()), ("run_id", or_null(text())), ("run_name", or_null(text()))]);
    let deleted = object([("at", time()), ("by", text()), ("reason", or_null(text()))]);
    object([
        ("id", key()),
        ("label", text()),
        ("name", text()),
        ("version", text()),
        ("stage", stage()),
        ("aliases", list(text())),
        ("description", text()),
        ("model_type", or_null(text())),
        ("base_model", or_null(text())),
        ("promoted_from", or_null(text())),
        ("notes", or_null(text())),
        ("tags", by_name(text())),
        ("metrics", by_name(number())),
        ("training_config", json!({})),
        ("dataset_info", json!({})),
        ("git_sha", or_null(text())),
        ("git_dirty", or_null(flag())),
        ("branch", or_null(text())),
        ("run", or_null(key())),
        ("taken", or_null(taken)),
        ("created_at", time()),
        ("registered_at", time()),
        ("registered_by", text()),
        ("updated_at", time()),
        ("clash_with", or_null(key())),
        ("deleted", or_null(deleted)),
        ("artifacts", list(named_file())),
    ])
}

/// A file of a version; of a symbolic link, its text.
fn named_file() -> Value {
    and(artifact(), [("name", text()), ("link_to", or_null(text()))])
}

/// A version as lists have it: with the label of its run.
fn listed_model() -> Value {
    and(model(), [("run_id", or_null(text()))])
}

/// What was asked for by columns, by the names of the columns.
fn values() -> Value {
    by_name(json!({"type": ["number", "string", "boolean", "null"]}))
}

/// How surely a row answers each question on files, by the questions; null where it answers by something else.
fn evidence_by_question() -> Value {
    by_name(or_null(evidence()))
}

/// Why there are no rows.
fn lack() -> Value {
    or_null(one_of(&["nothing recorded", "none current", "none answers"]))
}

fn not_known() -> Value {
    list(object([("commit", text()), ("rows", count())]))
}

fn more() -> Value {
    json!({"type": ["boolean", "null"], "description": "null where it would take too long to tell"})
}

fn plan() -> Value {
    let source = object([("source", text()), ("rows", count())]);
    object([
        ("source", text()),
        ("source_rows", or_null(count())),
        ("ordered", flag()),
        ("after", or_null(source)),
        ("total", count()),
        ("looked_at", count()),
        ("undecided", count()),
        ("unlisted", count()),
        ("questions", list(text())),
    ])
}

fn overwritten() -> Value {
    list(object([("at", time()), ("command", text()), ("artifact", artifact())]))
}

/// A research document, as it was read.
fn note() -> Value {
    let finding = || list(object([("sort", text()), ("text", text())]));
    let reference =
        object([("sort", text()), ("name", text()), ("given_by", text()), ("missing", or_null(flag()))]);
    object([
        ("path", text()),
        ("digest", digest()),
        ("size_bytes", count()),
        ("topic", or_null(text())),
        ("date", or_null(text())),
        ("status", or_null(text())),
        ("status_written", or_null(text())),
        ("tags", list(text())),
        ("author", or_null(text())),
        ("commit", or_null(text())),
        ("fields", by_name(text())),
        ("references", list(reference)),
        ("faults", finding()),
        ("remarks", finding()),
    ])
}
