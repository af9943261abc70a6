//! The shapes of answers in JSON, as JSON Schemas (draft 2020-12).
//!
//! Every field that is named is there in every answer; an answer of a newer `lineage` may have others beside them.
//! `tests/schema.rs` holds real answers against them: each field that an answer has is named.

use serde_json::{Map, Value, json};

/// An answer that has a schema: its name, the commands that give it, and what makes the schema.
pub type Answer = (&'static str, &'static str, fn() -> Value);

/// The answers that have a schema.
pub const ANSWERS: [Answer; 9] = [
    ("log", "lineage log", log),
    ("log-file", "lineage log FILE", log_file),
    ("models", "lineage models, lineage models --where", models),
    ("models-show", "lineage models show NAME@VERSION, lineage models best", models_show),
    ("models-history", "lineage models history", models_history),
    ("register", "lineage register", register),
    ("import-registry", "lineage import --format registry", import_registry),
    ("restore", "lineage restore", restore),
    ("gc", "lineage gc", gc),
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
        "same bytes",
        "elsewhere",
        "not recorded",
        "not checked",
    ])
}

/// A file with what was in it; digest and size are null where that is not recorded.
fn artifact() -> Value {
    object([("path", text()), ("digest", or_null(digest())), ("size_bytes", or_null(count()))])
}

fn run() -> Value {
    let parameter = object([("name", text()), ("value", text())]);
    let remark = object([("kind", text()), ("text", text()), ("count", count())]);
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
        ("parent", or_null(key())),
        ("rerun_of", or_null(key())),
        ("observed_by", or_null(text())),
        ("remarks", list(remark)),
        ("remarks_omitted", count()),
        ("recorder", text()),
        ("host", text()),
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
        ("questions", list(text())),
    ])
}

fn overwritten() -> Value {
    list(object([("at", time()), ("command", text()), ("artifact", artifact())]))
}

// ---- the answers ----

fn log() -> Value {
    let run = with(run(), [("values", values())]);
    with(answer([("runs", list(run)), ("more", more()), ("not_known", not_known())]), [("plan", plan())])
}

fn log_file() -> Value {
    let change = object([
        ("at", time()),
        ("what", one_of(&["written", "read", "removed"])),
        ("artifact", artifact()),
        ("step", text()),
        ("step_id", key()),
        ("run", or_null(key())),
        ("run_id", or_null(text())),
        ("evidence", one_of(&["observed", "declared", "inferred", "changed while read"])),
    ]);
    answer([("path", text()), ("changes", list(change)), ("overwritten", overwritten()), ("more", flag())])
}

fn models() -> Value {
    let model = with(model(), [("run_id", or_null(text())), ("values", values())]);
    let answer = answer([("models", list(model)), ("more", more())]);
    with(answer, [("not_known", not_known()), ("plan", plan())])
}

fn models_show() -> Value {
    let file = and(named_file(), [("on_disk", on_disk())]);
    let card = and(
        model(),
        [
            ("training_run", or_null(run())),
            ("inputs", list(artifact())),
            ("inputs_evidence", one_of(&["declared", "recorded"])),
            ("documents", list(text())),
            ("artifacts", list(file)),
        ],
    );
    answer([("model", card)])
}

fn models_history() -> Value {
    let displaced = or_null(object([("id", key()), ("version", text())]));
    let change = object([
        ("at", time()),
        ("by", text()),
        ("model", or_null(key())),
        ("version", text()),
        ("reason", or_null(text())),
        ("void", or_null(text())),
        (
            "what",
            one_of(&[
                "registered",
                "taken over",
                "staged",
                "edited",
                "deleted",
                "alias set",
                "alias removed",
            ]),
        ),
    ]);
    let change = with(
        change,
        [
            ("from", stage()),
            ("to", stage()),
            ("displaced", displaced),
            ("registered_at", time()),
            ("description", or_null(text())),
            ("notes", or_null(text())),
            ("tags_set", by_name(text())),
            ("tags_removed", list(text())),
            ("alias", text()),
            ("before", or_null(text())),
        ],
    );
    answer([("name", text()), ("changes", list(change))])
}

fn register() -> Value {
    answer([("model", listed_model()), ("displaced", or_null(model())), ("remarks", list(text()))])
}

fn import_registry() -> Value {
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

fn restore() -> Value {
    let file = object([
        ("path", or_null(text())),
        ("place", text()),
        ("digest", digest()),
        ("size_bytes", count()),
        ("link_to", or_null(text())),
        ("was_there", flag()),
        ("replaced", or_null(digest())),
        ("from_commit", or_null(text())),
    ]);
    answer([("files", list(file))])
}

fn gc() -> Value {
    let content = object([("digest", digest()), ("stored_bytes", count()), ("reason", text())]);
    answer([
        ("applied", flag()),
        ("bytes", count()),
        ("bytes_by_reason", by_name(count())),
        ("kept", count()),
        ("kept_bytes", count()),
        ("young", count()),
        ("contents", list(content)),
        ("failed", list(object([("digest", digest()), ("reason", text())]))),
    ])
}
