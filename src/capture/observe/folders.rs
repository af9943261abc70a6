//! Folders whose real paths are remembered for a moment.

use std::path::{Path, PathBuf};

use super::Map;

/// Where folders really are that were asked for a moment ago, so that each of a thousand files in one folder
/// need not ask again.
#[derive(Debug, Default)]
pub(super) struct Folders {
    places: Map<Vec<u8>, (PathBuf, i64)>,
    /// The links that paths lead through.
    links: Map<Vec<u8>, (Vec<PathBuf>, i64)>,
}

/// How long a folder is trusted to be where it was: somebody outside may move it.
const FOLDER_TRUST_US: i64 = 500_000;
const FOLDERS_MAX: usize = 10_000;

impl Folders {
    /// Returns where a folder is, if that was found out a moment ago.
    pub(super) fn get(&self, key: &[u8], us: i64) -> Option<&Path> {
        self.places.get(key).filter(|(_, until_us)| us <= *until_us).map(|(path, _)| path.as_path())
    }

    /// Remembers where a folder is.
    pub(super) fn put(&mut self, key: Vec<u8>, path: PathBuf, us: i64) {
        if self.places.len() >= FOLDERS_MAX {
            self.places.clear();
        }
        self.places.insert(key, (path, us.saturating_add(FOLDER_TRUST_US)));
    }

    /// Returns the links that a path leads through, if they were found a moment ago.
    pub(super) fn links(&self, path: &[u8], us: i64) -> Option<&[PathBuf]> {
        self.links.get(path).filter(|(_, until_us)| us <= *until_us).map(|(links, _)| &links[..])
    }

    /// Remembers the links that a path leads through, and returns them.
    pub(super) fn put_links(&mut self, path: Vec<u8>, links: Vec<PathBuf>, us: i64) -> Vec<PathBuf> {
        if self.links.len() >= FOLDERS_MAX {
            self.links.clear();
        }
        self.links.insert(path, (links.clone(), us.saturating_add(FOLDER_TRUST_US)));
        links
    }

    /// To be called before and after folders or links may change.
    pub(super) fn forget(&mut self) {
        self.places.clear();
        self.links.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_remembered_until_its_time_is_over_or_something_moves() {
        let mut folders = Folders::default();
        folders.put(b"a".to_vec(), PathBuf::from("/real/a"), 100);
        assert_eq!(folders.get(b"a", 100 + FOLDER_TRUST_US), Some(Path::new("/real/a")));
        assert_eq!(folders.get(b"a", 101 + FOLDER_TRUST_US), None);
        folders.forget();
        assert_eq!(folders.get(b"a", 100), None);
    }
}
