//! The files that are to be split: named one by one, by folder or by pattern.

use std::collections::{BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};

use globset::GlobBuilder;

use crate::error::{Error, Result};
use crate::model::{ArtifactPath, repeated_word};
use crate::ops::Workspace;
use crate::ops::named::place_on_disk;
use crate::ops::split::groups::By;
use crate::ops::split::manifest::MANIFEST;
use crate::ops::walk::find_files;
use crate::query::superseded_among;
use crate::store::{PathNo, Snapshot};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The files, by place.
    pub files: BTreeSet<PathBuf>,
    /// How many files in folders are no data.
    pub passed_over: u64,
}

/// Files of a run's folder that say something of it and are none of its data.
const PAPERS: &[&str] = &["metrics.json", "run_config.yaml", "RUN_REPORT.md", MANIFEST];

/// Finds files. Of a folder, all are taken that can have a group and are no papers of a run; those that `mine` names are what
/// an earlier split wrote.
///
/// # Errors
/// A request error where nothing is found, or a word names nothing.
pub(super) fn find(
    workspace: &Workspace,
    folder: &Path,
    words: &[PathBuf],
    by: &By,
    mine: &dyn Fn(&ArtifactPath) -> bool,
) -> Result<Found> {
    let mut found = Found::default();
    for word in words {
        let place = place_on_disk(folder, word)?;
        if place.is_file() {
            found.files.extend(find_files(workspace, folder, std::slice::from_ref(word))?.files);
            continue;
        }
        let before = found.files.len();
        let files = if place.exists() {
            let there = find_files(workspace, folder, std::slice::from_ref(word))?;
            found.passed_over += there.ignored + there.passed_over;
            there.files
        } else {
            matching(workspace, folder, word)?
        };
        for file in files {
            let named = ArtifactPath::within(workspace.root(), &file)?;
            if is_data(&file, by) && !mine(&named) {
                found.files.insert(file);
            } else {
                found.passed_over += 1;
            }
        }
        if found.files.len() == before {
            let shown = repeated_word(word);
            let hint = match by {
                By::Field(field) => {
                    format!("by `{field}`, files that end in `.json` are split; name others one by one")
                }
                By::Stem(..) => "name files, folders or patterns such as 'data/processed/*.json'".to_owned(),
            };
            return Err(Error::request(format!("there is nothing to split in `{shown}`")).hint(hint));
        }
    }
    Ok(found)
}

/// Takes out of the files what a pipeline made of a filing where a later run made it anew, and that is among them; returns how many.
pub(super) fn leave_superseded(
    workspace: &Workspace,
    snapshot: &Snapshot,
    files: &mut BTreeSet<PathBuf>,
) -> Result<u64> {
    let mut places = HashMap::new();
    for file in files.iter() {
        let path = ArtifactPath::within(workspace.root(), file)?;
        if let Some(number) = snapshot.path_no(&path)? {
            places.insert(number, file.clone());
        }
    }
    let numbers: Vec<PathNo> = places.keys().copied().collect();
    let superseded = superseded_among(snapshot, &numbers)?;
    for number in &superseded {
        files.remove(&places[number]);
    }
    Ok(superseded.len() as u64)
}

fn is_data(file: &Path, by: &By) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let is_paper = PAPERS.contains(&name.as_ref()) || name.starts_with('.');
    let can =
        !by.needs_content() || file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    can && !is_paper
}

/// Finds the files that a pattern matches: those below the folder that it begins with.
fn matching(workspace: &Workspace, folder: &Path, pattern: &Path) -> Result<BTreeSet<PathBuf>> {
    let shown = repeated_word(pattern);
    let is_special = |part: &Component<'_>| part.as_os_str().to_string_lossy().contains(['*', '?', '[', '{']);
    let parts: Vec<Component<'_>> = pattern.components().collect();
    let Some(first) = parts.iter().position(is_special) else {
        return Err(Error::request(format!("there is no `{shown}`")));
    };
    let base: PathBuf = parts[..first].iter().collect();
    let below: PathBuf = parts[first..].iter().collect();
    let wrong = |cause| Error::request(format!("`{shown}` is no pattern")).because(cause);
    let no_text = || Error::request(format!("`{shown}` is no pattern")).because("a pattern is text in UTF-8");
    let below = below.to_str().ok_or_else(no_text)?;
    let glob = GlobBuilder::new(below).literal_separator(true).build().map_err(wrong)?;
    let matcher = glob.compile_matcher();
    let base = if base.as_os_str().is_empty() { PathBuf::from(".") } else { base };
    let real = folder.join(&base).canonicalize();
    let real = real.map_err(|cause| Error::request(format!("nothing matches `{shown}`")).because(cause))?;
    let there = find_files(workspace, folder, &[base])?.files;
    Ok(there
        .into_iter()
        .filter(|file| file.strip_prefix(&real).is_ok_and(|name| matcher.is_match(name)))
        .collect())
}
