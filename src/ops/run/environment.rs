//! The environment of a run: interpreters, libraries and packages as one list with one digest, instead of thousands of edges.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::capture::secrets;
use crate::model::EnvironmentLine;

/// The variables that are kept: they change what programs compute, and hold no secrets. Nothing else of a command's environment is
/// looked at.
const VARIABLES: &[&str] = &[
    "CONDA_DEFAULT_ENV",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "HF_HUB_OFFLINE",
    "LANG",
    "LC_ALL",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
    "PYTHONOPTIMIZE",
    "PYTHONPATH",
    "SOURCE_DATE_EPOCH",
    "TF_DETERMINISTIC_OPS",
    "TOKENIZERS_PARALLELISM",
    "TZ",
    "VIRTUAL_ENV",
];
/// A variable with a longer value is not kept.
const VALUE_MAX_BYTES: usize = 1_000;

/// Returns the variables of a command's environment that are kept.
pub fn variables(environment: &[(OsString, OsString)]) -> BTreeMap<String, String> {
    let kept = environment.iter().filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)));
    kept.filter(|(name, value)| {
        let fits = value.len() <= VALUE_MAX_BYTES && !value.chars().any(char::is_control);
        VARIABLES.contains(name) && fits && secrets::masked_word(value) == **value
    })
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

/// Reads the variables back out of a list.
pub(crate) fn variables_of(list: &str) -> impl Iterator<Item = (&str, &str)> {
    list.lines().filter_map(|line| match EnvironmentLine::of(line)? {
        EnvironmentLine::Variable { name, value } => Some((name, value)),
        _ => None,
    })
}

/// Writes the list: first the variables that are kept, then the Python packages that were really imported, with their versions,
/// then every file with its size and the time of its last change. Equal surroundings give equal bytes.
pub fn list(variables: &BTreeMap<String, String>, files: &[(PathBuf, u64, i64)]) -> Vec<u8> {
    let mut text = String::new();
    for (name, value) in variables {
        text.push_str(&format!("{}\n", EnvironmentLine::Variable { name, value }));
    }
    for (name, version) in python_packages(files) {
        text.push_str(&format!("{}\n", EnvironmentLine::Package { name: &name, version: &version }));
    }
    let lines: BTreeSet<String> = files
        .iter()
        .map(|(path, size, changed_ns)| {
            let path = path.to_string_lossy().escape_debug().to_string();
            let line = EnvironmentLine::File { path: &path, size: *size, changed_ns: *changed_ns };
            format!("{line}\n")
        })
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
        let text = String::from_utf8(list(&BTreeMap::new(), &read)).unwrap();
        assert!(
            text.starts_with("python package numpy 2.1.0\npython package scikit_learn 1.5.0\n"),
            "{text}"
        );
        assert!(!text.contains("unused"));
    }

    #[test]
    fn only_variables_that_change_results_and_hold_no_secrets_are_kept() {
        let environment = [
            ("AWS_SECRET_ACCESS_KEY", "abc"),
            ("PYTHONHASHSEED", "0"),
            ("PATH", "/bin"),
            ("TZ", "UTC\n"),
            ("PYTHONPATH", "https://me:pw@host/"),
            ("LANG", "C"),
        ]
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let kept = variables(&environment);
        let text = String::from_utf8(list(&kept, &[(PathBuf::from("/usr/bin/x"), 1, 2)])).unwrap();
        assert_eq!(text, "variable LANG=C\nvariable PYTHONHASHSEED=0\n/usr/bin/x 1 2\n");
        assert_eq!(variables_of(&text).collect::<Vec<_>>(), [("LANG", "C"), ("PYTHONHASHSEED", "0")]);
    }
}
