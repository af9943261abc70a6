//! The environment of a run: interpreters, libraries and packages as one list with one digest, instead of thousands of edges.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Writes the list: first the Python packages that were really imported, with their versions, then every file with its size and
/// the time of its last change. Equal surroundings give equal bytes.
pub fn list(files: &[(PathBuf, u64, i64)]) -> Vec<u8> {
    let mut text = String::new();
    for (name, version) in python_packages(files) {
        text.push_str(&format!("python package {name} {version}\n"));
    }
    let lines: BTreeSet<String> = files
        .iter()
        .map(|(path, size, mtime)| format!("{} {size} {mtime}\n", path.to_string_lossy().escape_debug()))
        .collect();
    text.extend(lines);
    text.into_bytes()
}

/// Finds the installed packages of which a module was read.
fn python_packages(files: &[(PathBuf, u64, i64)]) -> BTreeMap<String, String> {
    let mut modules: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    for (path, ..) in files {
        let parts: Vec<_> = path.iter().collect();
        let at = parts.iter().rposition(|part| *part == "site-packages" || *part == "dist-packages");
        if let Some(at) = at
            && let Some(module) = parts.get(at + 1).and_then(|part| part.to_str())
            && !module.ends_with("-info")
        {
            let module = module.split('.').next().unwrap_or(module).to_ascii_lowercase();
            modules.entry(parts[..=at].iter().collect()).or_default().insert(module);
        }
    }
    let mut packages = BTreeMap::new();
    for (folder, modules) in modules {
        for (name, version, provides) in installed(&folder) {
            if provides.iter().any(|module| modules.contains(module)) {
                packages.insert(name, version);
            }
        }
    }
    packages
}

/// Lists the packages installed in a folder: name, version, and the modules each provides.
fn installed(folder: &Path) -> Vec<(String, String, BTreeSet<String>)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((name, version)) = name.strip_suffix(".dist-info").and_then(|stem| stem.split_once('-'))
        else {
            continue;
        };
        let top_level = fs::read_to_string(entry.path().join("top_level.txt")).ok();
        let mut provides: BTreeSet<String> = match top_level {
            Some(text) => text.lines().map(|line| line.trim().to_ascii_lowercase()).collect(),
            None => top_level_of_record(&entry.path()),
        };
        if provides.is_empty() {
            provides.insert(name.to_ascii_lowercase());
        }
        found.push((name.to_owned(), version.to_owned(), provides));
    }
    found
}

/// Reads the first parts of the files that a wheel installed.
fn top_level_of_record(info: &Path) -> BTreeSet<String> {
    let record = fs::read_to_string(info.join("RECORD")).unwrap_or_default();
    let first = |line: &str| {
        let path = line.split(',').next()?;
        let part = path.split('/').next()?;
        let module = part.split('.').next()?.to_ascii_lowercase();
        (!module.is_empty() && !part.ends_with("-info")).then_some(module)
    };
    record.lines().filter_map(first).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_packages_that_were_imported_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        let packages = folder.path().join("lib/python3.11/site-packages");
        for (info, top_level) in
            [("numpy-2.1.0", "numpy"), ("scikit_learn-1.5.0", "sklearn"), ("unused-1.0", "unused")]
        {
            let info = packages.join(format!("{info}.dist-info"));
            fs::create_dir_all(&info).unwrap();
            fs::write(info.join("top_level.txt"), top_level).unwrap();
        }
        let read = ["numpy/__init__.py", "sklearn/base.py"].map(|file| (packages.join(file), 10, 20));
        let text = String::from_utf8(list(&read)).unwrap();
        assert!(
            text.starts_with("python package numpy 2.1.0\npython package scikit_learn 1.5.0\n"),
            "{text}"
        );
        assert!(!text.contains("unused"));
    }
}
