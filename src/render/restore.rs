//! What `lineage restore` brought back, as text for people and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::model::{ArtifactPath, LinkText, printed_word};
use crate::ops::restore::{Restoration, Restored};
use crate::query::registry::ModelView;
use crate::render::show_json::artifact_json;
use crate::render::units::{bytes, one_line};

/// So many digits of a commit are printed; JSON has all.
const COMMIT_DIGITS: usize = 7;

/// Writes it for people.
pub fn text(restored: &Restoration) -> String {
    let mut text = String::new();
    for file in &restored.files {
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
        let from = match &file.also_at {
            Some(path) => format!("{from}; the same bytes lie at {path}"),
            None => from,
        };
        let _ = match (file.was_there, file.replaced) {
            (true, _) => writeln!(text, "unchanged {place}  {what}"),
            (false, None) => writeln!(text, "restored  {place}  {what}{from}"),
            (false, Some(old)) => {
                writeln!(text, "restored  {place}  {what}{from}; what lay there is kept as {old}")
            }
        };
    }
    for left in &restored.left {
        let _ = writeln!(text, "left out  {}", one_line(&left.reason));
    }
    text
}

/// Says that a version was withdrawn whose files were brought back.
pub fn withdrawn(version: &ModelView) -> String {
    let label = one_line(&version.label());
    let Some(deleted) = &version.deleted else { return label };
    let why = deleted.reason.as_deref().map(|why| format!(": {}", one_line(why))).unwrap_or_default();
    format!("{label} was withdrawn on {} by {}{why}", deleted.at, one_line(&deleted.by))
}

/// Writes it as JSON.
pub fn json(restored: &Restoration) -> Value {
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
            "also_at": file.also_at.as_ref().map(ArtifactPath::in_json),
        })
    };
    let left = restored.left.iter().map(|left| {
        let mut value = artifact_json(&left.artifact);
        value["reason"] = json!(left.reason);
        value
    });
    json!({
        "format": 1,
        "files": restored.files.iter().map(file).collect::<Vec<_>>(),
        "left_out": left.collect::<Vec<_>>(),
        "withdrawn": restored.withdrawn.iter().map(ModelView::label).collect::<Vec<_>>(),
    })
}
