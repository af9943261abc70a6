//! What was taken over from a backup or another workspace, as text for people and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::ops::import::Taken;
use crate::render::units::{bytes, counted, one_line};

/// Writes it for people.
pub fn text(taken: &Taken, damaged: &[String]) -> String {
    let mut text = String::new();
    let known = counted(taken.known, "fact was", "facts were");
    if taken.new == 0 {
        let _ = writeln!(text, "nothing new: {known} recorded here already");
    } else {
        let runs = counted(taken.runs, "run", "runs");
        let _ = writeln!(
            text,
            "took over {} of {runs}; {known} recorded here already",
            counted(taken.new, "fact", "facts")
        );
    }
    if taken.contents > 0 {
        let contents = counted(taken.contents, "kept content", "kept contents");
        let _ = writeln!(text, "copied {contents}, {}", bytes(taken.content_bytes));
    }
    for reason in damaged {
        let _ = writeln!(text, "not copied: {}", one_line(reason));
    }
    text
}

/// Says how many projections are to be written; there is one at least.
pub fn behind(count: u64) -> String {
    let (files, them) =
        (counted(count, "projected file does", "projected files do"), if count == 1 { "it" } else { "them" });
    format!("{files} not have what is recorded now; `lineage project` writes {them}")
}

/// Writes it as JSON; with how many projections are to be written, where that is known.
pub fn json(taken: &Taken, damaged: &[String], behind: Option<u64>) -> Value {
    json!({
        "format": 1,
        "facts_new": taken.new,
        "facts_known": taken.known,
        "runs_new": taken.runs,
        "contents_copied": taken.contents,
        "content_bytes_copied": taken.content_bytes,
        "damaged": damaged,
        "projections_behind": behind,
    })
}
