//! What `lineage export` came to, in a line for people.

use crate::ops::formats::Exported;
use crate::render::units::{bytes, counted, one_line};

/// Writes what was exported, and where to.
pub fn text(exported: &Exported, out: &str) -> String {
    let mut text = format!("wrote {} to {}", counted(exported.runs, "run", "runs"), one_line(out));
    if exported.contents > 0 {
        let files = counted(exported.contents, "file", "files");
        text.push_str(&format!(", with {files} of {}", bytes(exported.content_bytes)));
    }
    if exported.absent > 0 {
        let files = counted(exported.absent, "file", "files");
        text.push_str(&format!("; the bytes of {files} are not to be had, and only their names are in it"));
    }
    text
}
