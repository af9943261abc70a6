//! What `lineage restore` brought back, as text for people and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::model::{LinkText, printed_word};
use crate::ops::restore::Restored;
use crate::render::units::bytes;

/// So many digits of a commit are printed; JSON has all.
const COMMIT_DIGITS: usize = 7;

/// Writes it for people.
pub fn text(restored: &[Restored]) -> String {
    let mut text = String::new();
    for file in restored {
        let place = printed_word(&file.place);
        let (size, digest) = (bytes(file.size_bytes), file.digest.short());
        let what = match &file.link_to {
            Some(text) => format!("link to {text}"),
            None => format!("{digest}, {size}"),
        };
        let from = match &file.from_commit {
            Some(commit) => format!(", from git at {}", commit.get(..COMMIT_DIGITS).unwrap_or(commit)),
            None => String::new(),
        };
        let _ = match (file.was_there, file.replaced) {
            (true, _) => writeln!(text, "unchanged {place}  {what}"),
            (false, None) => writeln!(text, "restored  {place}  {what}{from}"),
            (false, Some(old)) => {
                writeln!(text, "restored  {place}  {what}{from}; what lay there is kept as {old}")
            }
        };
    }
    text
}

/// Writes it as JSON.
pub fn json(restored: &[Restored]) -> Value {
    let file = |file: &Restored| {
        json!({
            "path": file.artifact.as_ref().map(|artifact| artifact.path.in_json()),
            "place": printed_word(&file.place),
            "digest": file.digest.to_string(),
            "size_bytes": file.size_bytes,
            "link_to": file.link_to.as_ref().map(LinkText::to_string),
            "was_there": file.was_there,
            "replaced": file.replaced.map(|digest| digest.to_string()),
            "from_commit": file.from_commit,
        })
    };
    json!({"format": 1, "files": restored.iter().map(file).collect::<Vec<_>>()})
}
