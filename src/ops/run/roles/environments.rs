//! Virtual environments of Python: what is put into one is no work, wherever it lies.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The file by which such an environment is known.
const MARK: &str = "pyvenv.cfg";
/// What belongs to it. Whoever makes one in the folder of a project has other files beside them.
const FOLDERS: &[&str] = &["bin", "include", "lib", "lib64", "share"];
/// What packages put below `share`; what a project that is an environment itself has there is its own.
const SHARED: &[&str] = &[
    "applications",
    "bash-completion",
    "doc",
    "fish",
    "icons",
    "jupyter",
    "locale",
    "man",
    "metainfo",
    "zsh",
];
const FILES: &[&str] = &[MARK, ".gitignore", "CACHEDIR.TAG"];

/// The environments that files lie in, each folder looked at once.
pub struct Environments<'a> {
    root: &'a Path,
    known: HashMap<PathBuf, bool>,
}

impl<'a> Environments<'a> {
    /// Begins with none known, for a workspace at `root`.
    pub fn of(root: &'a Path) -> Self {
        Environments { root, known: HashMap::new() }
    }

    /// Returns true for a file of an environment that is there, and that the workspace does not lie in.
    pub fn have(&mut self, path: &Path) -> bool {
        path.ancestors().skip(1).take_while(|folder| !self.root.starts_with(folder)).any(|folder| {
            let below = path.strip_prefix(folder).unwrap_or(path);
            let mut parts = below.iter().filter_map(|part| part.to_str());
            let belongs = match (parts.next(), parts.next()) {
                (Some(file), None) => FILES.contains(&file) || FOLDERS.contains(&file),
                (Some("share"), Some(second)) => SHARED.contains(&second),
                (Some("lib" | "lib64"), Some(second)) => second.starts_with("py"),
                (Some(first), Some(_)) => FOLDERS.contains(&first),
                _ => false,
            };
            belongs && self.is_environment(folder)
        })
    }

    fn is_environment(&mut self, folder: &Path) -> bool {
        if let Some(known) = self.known.get(folder) {
            return *known;
        }
        let is_one = folder.join(MARK).is_file();
        self.known.insert(folder.to_owned(), is_one);
        is_one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_an_environment_is_known_by_the_folder_around_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for path in ["vv/bin", "own/bin", "w/vv/share/man"] {
            std::fs::create_dir_all(root.join(path)).unwrap();
        }
        for mark in ["vv", "w/vv", "."] {
            std::fs::write(root.join(mark).join(MARK), "").unwrap();
        }
        let mut environments = Environments::of(root);
        for path in ["vv/bin/activate", "vv/pyvenv.cfg", "vv/.gitignore", "vv/lib64", "w/vv/share/man/x"] {
            assert!(environments.have(&root.join(path)), "{path}");
        }
        // The last ones lie in the workspace that is one itself.
        for path in [
            "vv/share/in.csv",
            "vv/lib/out.csv",
            "vv/train.py",
            "vv/data/bin",
            "own/bin/x",
            "w/x",
            "bin/activate",
            "pyvenv.cfg",
        ] {
            assert!(!environments.have(&root.join(path)), "{path}");
        }
    }
}
