//! The environment of a run: interpreters, libraries and packages as one list with one digest, instead of thousands of edges.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::roles;
use crate::capture::secrets;
use crate::digests::{Digests, Stamp};
use crate::disk::open_regular;
use crate::model::{Digest, EnvironmentLine, FileState};

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
/// No longer list of a package is read.
const LISTED_MAX_BYTES: u64 = 16 << 20;
/// A variable with a longer value is not kept.
const VALUE_MAX_BYTES: usize = 1_000;

/// A larger file among packages is known by the time of its last change, as files of the system are: to read it takes too long.
const HASH_MAX_BYTES: u64 = 64 << 20;
/// To wake all cores takes longer than to read a few files.
const FEW: usize = 32;

/// A file that a run was made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Size and times when it was last seen, if it was.
    pub stamp: Option<Stamp>,
}

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
/// then every file with its size and, among packages, which are installed anew with the same bytes, its digest; elsewhere the time of
/// its last change. Equal surroundings give equal bytes.
pub fn list(variables: &BTreeMap<String, String>, files: &[EnvironmentFile], digests: &Digests) -> Vec<u8> {
    let mut text = String::new();
    for (name, value) in variables {
        text.push_str(&format!("{}\n", EnvironmentLine::Variable { name, value }));
    }
    for (name, version) in python_packages(files) {
        text.push_str(&format!("{}\n", EnvironmentLine::Package { name: &name, version: &version }));
    }
    let lines: BTreeSet<String> = files
        .iter()
        .zip(digests_of(files, digests))
        .map(|(file, digest)| {
            let path = file.path.to_string_lossy().escape_debug().to_string();
            let (size, changed_ns) = file.stamp.map_or((0, 0), |stamp| (stamp.size_bytes, stamp.mtime_ns));
            let state = digest.map_or(FileState::Changed(changed_ns), FileState::Digest);
            format!("{}\n", EnvironmentLine::File { path: &path, size, state })
        })
        .collect();
    text.extend(lines);
    text.into_bytes()
}

/// Returns the digests of those files that are known by them.
fn digests_of(files: &[EnvironmentFile], digests: &Digests) -> Vec<Option<Digest>> {
    let is_hashed = |file: &&EnvironmentFile| {
        roles::is_package(&file.path) && file.stamp.is_some_and(|stamp| stamp.size_bytes <= HASH_MAX_BYTES)
    };
    let known = |file: &EnvironmentFile| file.stamp.and_then(|stamp| digests.known(&stamp));
    let mut found: Vec<Option<Digest>> =
        files.iter().map(|file| Some(file).filter(is_hashed).and_then(known)).collect();
    let unknown: Vec<(&mut Option<Digest>, &EnvironmentFile)> =
        found.iter_mut().zip(files).filter(|(digest, file)| digest.is_none() && is_hashed(file)).collect();
    // What has changed since, or cannot be read, is known by its time.
    let read = |(place, file): (&mut Option<Digest>, &EnvironmentFile)| {
        let metadata = file.path.metadata().ok();
        let is_same = metadata.as_ref().is_some_and(|metadata| file.stamp == Some(Stamp::of(metadata)));
        *place = metadata.filter(|_| is_same).and_then(|found| digests.of_found(&file.path, &found).ok());
    };
    if unknown.len() < FEW {
        unknown.into_iter().for_each(read);
    } else {
        unknown.into_par_iter().for_each(read);
    }
    found
}

/// Finds the installed packages of which a module was read.
fn python_packages(files: &[EnvironmentFile]) -> BTreeMap<String, String> {
    let mut modules: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    for EnvironmentFile { path, .. } in files {
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
        let top_level = short_text(&entry.path().join("top_level.txt"));
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

/// Reads a text file of a package; `None` where that cannot be, or what has its name is no such file.
fn short_text(path: &Path) -> Option<String> {
    let file = open_regular(path)
        .ok()
        .filter(|file| file.metadata().is_ok_and(|found| found.len() <= LISTED_MAX_BYTES))?;
    let mut text = String::new();
    file.take(LISTED_MAX_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Reads the first parts of the files that a wheel installed.
fn top_level_of_record(info: &Path) -> BTreeSet<String> {
    let record = short_text(&info.join("RECORD")).unwrap_or_default();
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
        let read = ["numpy/__init__.py", "sklearn/base.py"].map(|file| packages.join(file));
        let read = read.map(|path| EnvironmentFile { path, stamp: None });
        let text = String::from_utf8(list(&BTreeMap::new(), &read, &Digests::new())).unwrap();
        assert!(
            text.starts_with("python package numpy 2.1.0\npython package scikit_learn 1.5.0\n"),
            "{text}"
        );
        assert!(!text.contains("unused"));
    }

    #[test]
    fn what_is_no_list_of_a_package_is_not_read_and_nobody_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let packages = folder.path().join("lib/python3.11/site-packages");
        let info = |name: &str| packages.join(format!("{name}-1.0.dist-info"));
        ["pipe", "huge"].into_iter().for_each(|name| fs::create_dir_all(info(name)).unwrap());
        let made = std::process::Command::new("mkfifo").arg(info("pipe").join("top_level.txt")).status();
        assert!(made.unwrap().success());
        fs::File::create(info("huge").join("RECORD")).unwrap().set_len(1 << 40).unwrap();
        let read = ["pipe/a.py", "huge/a.py"].map(|file| packages.join(file));
        let read = read.map(|path| EnvironmentFile { path, stamp: None });
        let text = String::from_utf8(list(&BTreeMap::new(), &read, &Digests::new())).unwrap();
        assert!(text.starts_with("python package huge 1.0\npython package pipe 1.0\n"), "{text}");
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
        let stamp = Stamp { dev: 0, ino: 0, size_bytes: 1, mtime_ns: 2, ctime_ns: 3 };
        let files = [EnvironmentFile { path: PathBuf::from("/usr/bin/x"), stamp: Some(stamp) }];
        let text = String::from_utf8(list(&kept, &files, &Digests::new())).unwrap();
        assert_eq!(text, "variable LANG=C\nvariable PYTHONHASHSEED=0\n/usr/bin/x 1 2\n");
        assert_eq!(variables_of(&text).collect::<Vec<_>>(), [("LANG", "C"), ("PYTHONHASHSEED", "0")]);
    }
}
