//! Which documents there are in a folder.

use std::collections::BTreeSet;
use std::path::Path;

use crate::error::{Error, Result};
use crate::model::ArtifactPath;
use crate::projection::INDEX_NAME;

/// As many documents are read.
const DOCUMENTS_MAX: usize = 100_000;
/// So deep folders are entered.
const DEPTH_MAX: usize = 16;

/// What lies in a folder of documents.
#[derive(Default)]
pub(super) struct Scan {
    /// The documents.
    pub found: BTreeSet<ArtifactPath>,
    /// What is none that can be read, and why.
    pub skipped: Vec<(String, String)>,
    /// What is no document, for all its name says, and what it is.
    pub passed_over: Vec<(String, String)>,
}

impl Scan {
    /// Finds all Markdown files in a folder and the folders in it; not those whose names begin with a dot.
    pub fn of(root: &Path, folder: &ArtifactPath) -> Result<Self> {
        let mut scan = Scan::default();
        let start = folder.on_disk(root).unwrap_or_else(|| root.to_owned());
        let mut frontier = vec![(start.clone(), 0)];
        while let Some((place, depth)) = frontier.pop() {
            let entries = std::fs::read_dir(&place).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
            let entries = match entries {
                Ok(entries) => entries,
                Err(cause) if place == start => {
                    return Err(Error::request(format!("cannot read the folder `{folder}`")).because(cause));
                }
                Err(cause) => {
                    scan.skip(root, &place, &cause.to_string());
                    continue;
                }
            };
            for entry in entries {
                let path = entry.path();
                let name = entry.file_name();
                let (name, kind) = (name.as_encoded_bytes(), entry.file_type());
                let is_index = depth == 0 && name == INDEX_NAME.as_bytes();
                if name.starts_with(b".") || is_index {
                    continue;
                }
                match kind {
                    Ok(kind) if kind.is_dir() && depth < DEPTH_MAX => frontier.push((path, depth + 1)),
                    Ok(kind) if kind.is_dir() => scan.skip(root, &path, "it lies too deep"),
                    Ok(_) if !is_markdown(name) => {}
                    Ok(kind) if kind.is_file() => {
                        scan.found.insert(ArtifactPath::within(root, &path)?);
                    }
                    Ok(kind) if kind.is_symlink() => scan.pass_over(root, &path, "it is a symbolic link"),
                    Ok(_) => scan.pass_over(root, &path, "it is no plain file"),
                    Err(cause) => scan.skip(root, &path, &cause.to_string()),
                }
            }
            if scan.found.len() > DOCUMENTS_MAX {
                return Err(Error::request(format!("`{folder}` holds more than {DOCUMENTS_MAX} documents"))
                    .hint("name a folder in it"));
            }
        }
        Ok(scan)
    }

    fn skip(&mut self, root: &Path, place: &Path, why: &str) {
        self.skipped.push((named(root, place), why.to_owned()));
    }

    fn pass_over(&mut self, root: &Path, place: &Path, what: &str) {
        self.passed_over.push((named(root, place), what.to_owned()));
    }
}

fn named(root: &Path, place: &Path) -> String {
    ArtifactPath::within(root, place).map_or_else(|_| String::new(), |path| path.to_string())
}

fn is_markdown(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with(b".md") || name.ends_with(b".markdown")
}
