//! Looking at what lies where a planned file is to lie.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::digests::Digests;
use crate::model::{ArtifactPath, Digest};
use crate::projection::place;

/// What lies at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lies {
    /// Nothing.
    Nothing,
    /// A file with this content.
    File(Digest),
    /// What cannot be written over, and why.
    Blocked(String),
}

/// Where the folders of planned files really lie, each looked at once.
pub struct Places<'a> {
    root: &'a Path,
    folders: HashMap<Vec<u8>, Result<PathBuf, String>>,
}

impl<'a> Places<'a> {
    /// Begins with no folder known.
    pub fn new(root: &'a Path) -> Self {
        Places { root, folders: HashMap::new() }
    }

    /// Returns the place of `path` on this machine, inside the workspace; else why there is none.
    ///
    /// # Errors
    /// The reason, for people.
    pub fn find(&mut self, path: &ArtifactPath) -> Result<PathBuf, String> {
        let folder = self.folders.entry(path.folder().to_vec()).or_insert_with(|| {
            let target = place(self.root, path).map_err(|error| error.in_full())?;
            Ok(target.parent().unwrap_or(self.root).to_owned())
        });
        let name = path.on_disk(self.root);
        match (folder, name.as_deref().and_then(Path::file_name)) {
            (Ok(folder), Some(name)) => Ok(folder.join(name)),
            (Ok(_), None) => Err("it has no name".to_owned()),
            (Err(reason), _) => Err(reason.clone()),
        }
    }
}

/// Looks at `place`. Whether a file that looks as before is read again is for `digests` to say.
pub fn look(place: &Path, digests: &Digests) -> Lies {
    let blocked = |reason: &str| Lies::Blocked(reason.to_owned());
    // One question to the system for each file, where nothing is unusual: there may be very many.
    let found = match fs::symlink_metadata(place) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Lies::Nothing,
        Err(cause) if cause.kind() == io::ErrorKind::NotADirectory => {
            return blocked("a file lies where one of its folders is to be");
        }
        Err(cause) => return Lies::Blocked(cause.to_string()),
        Ok(found) => found,
    };
    // A link that somebody put there is followed for reading; writing replaces the link and never what it leads to.
    let metadata = match found.is_symlink().then(|| fs::metadata(place)) {
        None => found,
        Some(Ok(metadata)) => metadata,
        Some(Err(cause)) if cause.kind() == io::ErrorKind::NotFound => {
            return blocked("a link that leads nowhere lies there");
        }
        Some(Err(cause)) => return Lies::Blocked(cause.to_string()),
    };
    if metadata.is_dir() {
        return blocked("a folder lies there");
    }
    if !metadata.is_file() {
        // Opening a pipe would wait for ever.
        return blocked("what lies there is no plain file");
    }
    match digests.of_found(place, &metadata) {
        Ok(digest) => Lies::File(digest),
        Err(cause) => Lies::Blocked(cause.to_string()),
    }
}
