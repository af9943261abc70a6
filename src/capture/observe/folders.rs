//! Folders whose real paths are remembered for a moment.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Where folders really are that were asked for a moment ago, so that each of a thousand files in one folder
/// need not ask again.
#[derive(Debug, Default)]
pub(super) struct Folders(HashMap<Vec<u8>, (PathBuf, i64)>);

/// How long a folder is trusted to be where it was: somebody outside may move it.
const FOLDER_TRUST_US: i64 = 500_000;
const FOLDERS_MAX: usize = 10_000;

impl Folders {
    /// Returns where a folder is, if that was found out a moment ago.
    pub(super) fn get(&self, key: &[u8], us: i64) -> Option<&Path> {
        self.0.get(key).filter(|(_, until_us)| us <= *until_us).map(|(path, _)| path.as_path())
    }

    /// Remembers where a folder is.
    pub(super) fn put(&mut self, key: Vec<u8>, path: PathBuf, us: i64) {
        if self.0.len() >= FOLDERS_MAX {
            self.0.clear();
        }
        self.0.insert(key, (path, us.saturating_add(FOLDER_TRUST_US)));
    }

    /// To be called before and after folders or links may change.
    pub(super) fn forget(&mut self) {
        self.0.clear();
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
