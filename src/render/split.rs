//! `lineage split` as text and JSON.

use serde_json::{Value, json};

use crate::model::NodeId;
use crate::ops::split::manifest::{MANIFEST, Manifest, Part};
use crate::ops::split::{Fault, Summary};
use crate::render::units::{bytes, counted, one_line};

/// As many faults are named in text.
const FAULTS_MAX: usize = 50;

/// Writes what a split came to.
pub fn text(summary: &Summary) -> String {
    let Manifest { by, seed, parts, files, .. } = &summary.manifest;
    let groups: u64 = parts.iter().map(|part| part.groups).sum();
    let tail = summary.run.id.tail(NodeId::TAIL_DIGITS);
    let mut text = format!(
        "{} of {} by {}, seed {}; run {tail}\n",
        counted(files.len() as u64, "file", "files"),
        counted(groups, "group", "groups"),
        one_line(by),
        one_line(seed),
    );
    let folder = &summary.folder;
    let width = parts.iter().map(|part| folder.to_string().len() + 1 + part.list.len()).max().unwrap_or(0);
    let (of_files, of_groups) = (
        |part: &Part| counted(part.files, "file", "files"),
        |part: &Part| counted(part.groups, "group", "groups"),
    );
    let widest =
        |text: &dyn Fn(&Part) -> String| parts.iter().map(|part| text(part).len()).max().unwrap_or(0);
    let (files_width, groups_width) = (widest(&of_files), widest(&of_groups));
    for part in parts {
        let list = format!("{folder}/{}", part.list);
        text.push_str(&format!(
            "  {list:<width$}  {:>files_width$}  {:>groups_width$}  {:>9}  {:>5.1} % of groups, {:.1} % asked for\n",
            of_files(part),
            of_groups(part),
            bytes(part.size_bytes),
            part.share_of_groups * 100.0,
            part.asked * 100.0,
        ));
    }
    text.push_str(&format!("  {folder}/{MANIFEST}\n"));
    for part in parts.iter().filter(|part| part.files == 0) {
        text.push_str(&format!(
            "`{}` is empty: with so few groups a part may get none; more groups or another seed may help\n",
            part.name
        ));
    }
    if summary.passed_over > 0 {
        text.push_str(&format!(
            "passed over: {} without data\n",
            counted(summary.passed_over, "file", "files")
        ));
    }
    if summary.superseded > 0 {
        text.push_str(&format!(
            "passed over: {} of filings that a later run of the pipeline made anew\n",
            counted(summary.superseded, "file", "files")
        ));
    }
    text
}

/// Writes what a split came to as JSON.
pub fn json(summary: &Summary) -> Value {
    let Manifest { by, seed, ratios, parts, .. } = &summary.manifest;
    json!({
        "format": 1,
        "run": {
            "id": summary.run.id.to_string(),
            "run_id": summary.run.run_id.as_str(),
            "name": summary.run.name,
        },
        "by": by,
        "seed": seed,
        "ratios": ratios,
        "folder": summary.folder.in_json(),
        "manifest": format!("{}/{MANIFEST}", summary.folder),
        "parts": parts,
        "passed_over": summary.passed_over,
        "superseded": summary.superseded,
    })
}

/// Writes what a check found.
pub fn check_text(manifest: &Manifest, faults: &[Fault]) -> String {
    let files = counted(manifest.files.len() as u64, "file", "files");
    if faults.is_empty() {
        return format!(
            "the split of {files} by {} holds: every file has its bytes and its part\n",
            one_line(&manifest.by)
        );
    }
    let mut text = String::new();
    for fault in faults.iter().take(FAULTS_MAX) {
        text.push_str(&format!("{}  {}\n", one_line(&fault.path), one_line(&fault.what)));
    }
    if faults.len() > FAULTS_MAX {
        text.push_str(&format!("and {} more\n", faults.len() - FAULTS_MAX));
    }
    text.push_str(&format!("the split of {files} by {} does not hold any more\n", one_line(&manifest.by)));
    text
}

/// Writes what a check found as JSON.
pub fn check_json(manifest: &Manifest, faults: &[Fault]) -> Value {
    let faults_json: Vec<Value> =
        faults.iter().map(|fault| json!({"path": fault.path, "what": fault.what})).collect();
    json!({
        "format": 1,
        "holds": faults.is_empty(),
        "by": manifest.by,
        "seed": manifest.seed,
        "parts": manifest.parts,
        "faults": faults_json,
    })
}
