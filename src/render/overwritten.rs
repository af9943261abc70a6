//! What lay in a file before a command of lineage wrote over it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::model::Overwritten;
use crate::render::show_json::artifact_json;
use crate::render::units::{counted, digest_words, one_line, size_words};

/// As many are printed for people.
const SHOWN_MAX: usize = 5;

/// Writes a line for each, of which the front is `label`.
pub(crate) fn lines(overwritten: &[Overwritten], label: &str, text: &mut String) {
    for one in overwritten.iter().take(SHOWN_MAX) {
        let (artifact, command) = (&one.artifact, one_line(&one.command));
        let (digest, size) = (digest_words(artifact), size_words(artifact));
        let _ =
            writeln!(text, "{label}{digest}, {size}, lay here until {command} wrote over it at {}", one.at);
    }
    if overwritten.len() > SHOWN_MAX {
        let more = counted((overwritten.len() - SHOWN_MAX) as u64, "more", "more");
        let _ = writeln!(text, "{label}and {more}; `--json` lists all");
    }
}

/// Writes them as JSON.
pub(crate) fn json(overwritten: &[Overwritten]) -> Value {
    let one = |one: &Overwritten| json!({"at": one.at.rfc3339(), "command": one.command, "artifact": artifact_json(&one.artifact)});
    overwritten.iter().map(one).collect()
}
