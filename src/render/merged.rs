//! What was taken over from a backup or another workspace, as text for people and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::ops::import::Taken;
use crate::render::units::{bytes, counted, one_line};

/// As many versions of models are named that two workspaces registered.
const CLASHES_MAX: usize = 20;

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
    if taken.brought_back {
        text.push_str("its runs count as recorded here; `lineage status` says what of their files is lost\n");
    }
    if taken.contents > 0 {
        let contents = counted(taken.contents, "kept content", "kept contents");
        let _ = writeln!(text, "copied {contents}, {}", bytes(taken.content_bytes));
    }
    for (label, other) in taken.clashes.iter().take(CLASHES_MAX) {
        let _ = writeln!(
            text,
            "two workspaces registered {0}: the first has the name, the other is {1}",
            one_line(label),
            one_line(other)
        );
    }
    let more = taken.clashes.len().saturating_sub(CLASHES_MAX) as u64;
    if more > 0 {
        let _ = writeln!(text, "and {}; `lineage models --all` lists them", counted(more, "more", "more"));
    }
    for moved in taken.moved.iter().take(CLASHES_MAX) {
        let (name, before) = (one_line(&moved.name), one_line(&moved.before));
        let _ = match &moved.now {
            Some(now) => writeln!(text, "{name} leads to {} now, in the place of {before}", one_line(now)),
            None => writeln!(text, "{name} leads to no version any more; it led to {before}"),
        };
    }
    let more = taken.moved.len().saturating_sub(CLASHES_MAX) as u64;
    if more > 0 {
        let _ =
            writeln!(text, "and {} lead elsewhere now; `--json` lists them", counted(more, "name", "names"));
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
    let clashes = taken.clashes.iter().map(|(label, other)| json!({ "label": label, "other": other }));
    let moved = taken.moved.iter();
    let moved = moved.map(|moved| json!({"name": moved.name, "before": moved.before, "now": moved.now}));
    json!({
        "format": 1,
        "moved": moved.collect::<Vec<_>>(),
        "facts_new": taken.new,
        "facts_known": taken.known,
        "runs_new": taken.runs,
        "clashes": clashes.collect::<Vec<_>>(),
        "brought_back": taken.brought_back,
        "contents_copied": taken.contents,
        "content_bytes_copied": taken.content_bytes,
        "damaged": damaged,
        "projections_behind": behind,
    })
}
