//! What `lineage export` came to: in a line for people, and as JSON.

use std::path::Path;

use serde_json::{Value, json};

use crate::ops::formats::Exported;
use crate::render::units::{bytes, counted, one_line};

/// Writes what was exported, and where to.
pub fn text(exported: &Exported, out: &str) -> String {
    let what = match exported.facts {
        Some(facts) => counted(facts, "fact", "facts"),
        None => counted(exported.runs, "run", "runs"),
    };
    let mut text = format!("wrote {what} to {}", one_line(out));
    if !exported.tables.is_empty() {
        let rows = exported.tables.iter().map(|(_, rows)| rows).sum();
        let tables = counted(exported.tables.len() as u64, "table", "tables");
        text.push_str(&format!(", {} in {tables}", counted(rows, "row", "rows")));
    }
    if exported.contents > 0 {
        let files = counted(exported.contents, "file", "files");
        text.push_str(&format!(", with {files} of {}", bytes(exported.content_bytes)));
    }
    if exported.absent > 0 {
        let files = counted(exported.absent, "file", "files");
        text.push_str(&format!("; the bytes of {files} are not to be had, and only their names are in it"));
    }
    if exported.withheld > 0 {
        let (files, verb) = if exported.withheld == 1 { ("file", "is") } else { ("files", "are") };
        text.push_str(&format!(
            "; {} {files} outside the workspace, ignored by git or named like credentials {verb} named, not packed \
             (`--with-contents`)",
            exported.withheld
        ));
    }
    text
}

/// Writes what was exported as JSON.
pub fn json(exported: &Exported, name: &str, out: &Path) -> Value {
    let tables = exported.tables.iter().map(|(file, rows)| json!({ "file": file, "rows": rows }));
    json!({
        "format": 1,
        "exported": name,
        "out": out.display().to_string(),
        "runs": exported.runs,
        "facts": exported.facts,
        "tables": tables.collect::<Vec<_>>(),
        "contents": exported.contents,
        "content_bytes": exported.content_bytes,
        "absent": exported.absent,
        "withheld": exported.withheld,
    })
}
