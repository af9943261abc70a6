//! What is asked of models, and done with them: `models`, `register`.

use serde_json::Value;

use super::{
    and, answer, artifact, by_name, count, evidence, evidence_by_question, flag, key, lack, list,
    listed_model, model, more, named_file, not_known, number, object, on_disk, one_of, or_null, plan, run,
    stage, stale_cause, text, time, values, with,
};

pub(super) fn models() -> Value {
    let model = with(
        model(),
        [("run_id", or_null(text())), ("values", values()), ("evidence", evidence_by_question())],
    );
    let answer = answer([("models", list(model)), ("more", more()), ("lack", lack())]);
    let of_search = [("not_known", not_known()), ("unknown_files", list(text())), ("hints", list(text()))];
    with(with(answer, of_search), [("plan", plan())])
}

/// A version with all that belongs to it.
pub(super) fn card() -> Value {
    let file = and(named_file(), [("on_disk", on_disk()), ("declared", flag())]);
    and(
        model(),
        [
            ("training_run", or_null(run())),
            ("inputs", list(and(artifact(), [("evidence", evidence())]))),
            ("inputs_evidence", one_of(&["declared", "recorded"])),
            ("documents", list(text())),
            ("changed_since", or_null(list(stale_cause()))),
            ("artifacts", list(file)),
        ],
    )
}

pub(super) fn models_show() -> Value {
    answer([("model", card())])
}

pub(super) fn models_versions() -> Value {
    answer([
        ("name", text()),
        ("production", or_null(key())),
        ("latest", or_null(key())),
        ("models", list(listed_model())),
    ])
}

pub(super) fn models_change() -> Value {
    let before = object([("stage", stage()), ("aliases", list(text()))]);
    answer([("changed", flag()), ("model", model()), ("before", before), ("displaced", or_null(model()))])
}

pub(super) fn models_compare() -> Value {
    let sides = |value: Value| by_name(list(or_null(value)));
    answer([
        ("models", list(card())),
        ("metrics", sides(number())),
        ("parameters", sides(text())),
        ("parameters_same", count()),
        ("files", list(super::runs::files_diff())),
        ("data", list(super::runs::files_diff())),
        ("code", list(or_null(super::runs::code_diff()))),
        ("code_read", list(or_null(super::runs::files_diff()))),
        // Where the commands differ.
        ("arguments", list(or_null(list(list(text()))))),
        ("environment", list(or_null(super::runs::files_diff()))),
    ])
}

pub(super) fn models_verify() -> Value {
    let file =
        and(named_file(), [("model", text()), ("on_disk", on_disk()), ("sound", flag()), ("kept", flag())]);
    answer([
        ("sound", flag()),
        ("versions", count()),
        ("without_files", list(text())),
        ("artifacts", list(file)),
        ("code_lost", list(and(artifact(), [("model", text()), ("commit", or_null(text()))]))),
    ])
}

pub(super) fn models_history() -> Value {
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

pub(super) fn register() -> Value {
    answer([("model", listed_model()), ("displaced", or_null(model())), ("remarks", list(text()))])
}
