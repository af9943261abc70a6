//! What differs between the environments of two runs: variables, packages, files.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::model::{Artifact, Digest, EnvironmentLine, FileState};
use crate::query::diff::FilesDiff;

/// Reads the list of an environment, where it is kept.
pub type ReadList<'a> = &'a dyn Fn(&Digest) -> Result<Option<Vec<u8>>>;

/// One entry of the lists of two environments; `None` where a run has none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct EntryDiff {
    /// The variable, package or file.
    pub name: String,
    /// What the first run had: a value, a version, a size in bytes, or a digest where only that differs.
    pub a: Option<String>,
    /// What the second run had.
    pub b: Option<String>,
}

/// What differs between the environments of two runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnvironmentDiff {
    /// Variables, by name.
    pub variables: Vec<EntryDiff>,
    /// Python packages that were imported, by name.
    pub packages: Vec<EntryDiff>,
    /// Files that one run read, or that have other bytes, by path.
    pub files: Vec<EntryDiff>,
    /// How many files have another time of change and the same size, where no digest tells whether they are the same.
    pub touched: u64,
}

/// The parts of a list, each by name.
#[derive(Default)]
struct List<'t> {
    variables: BTreeMap<&'t str, &'t str>,
    packages: BTreeMap<&'t str, &'t str>,
    /// Size, and what else is known.
    files: BTreeMap<&'t str, (u64, FileState)>,
}

impl<'t> List<'t> {
    /// Reads a list as a recorded run keeps it; a line that is nothing of the sort is passed over.
    fn of(text: &'t str) -> Self {
        let mut list = List::default();
        for line in text.lines().filter_map(EnvironmentLine::of) {
            match line {
                EnvironmentLine::Variable { name, value } => drop(list.variables.insert(name, value)),
                EnvironmentLine::Package { name, version } => drop(list.packages.insert(name, version)),
                EnvironmentLine::File { path, size, state } => {
                    list.files.insert(path, (size, state));
                }
            }
        }
        list
    }
}

impl EnvironmentDiff {
    /// Compares two lists.
    pub fn between(a: &str, b: &str) -> Self {
        let (a, b) = (List::of(a), List::of(b));
        let owned = |entries: &BTreeMap<&str, &str>| -> BTreeMap<String, String> {
            entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let (files, touched) = files(&a, &b);
        EnvironmentDiff {
            variables: entries(&owned(&a.variables), &owned(&b.variables)),
            packages: entries(&owned(&a.packages), &owned(&b.packages)),
            files,
            touched,
        }
    }

    /// Reads and compares the lists of two runs; `None` where they are equal, or one of them is not kept or not the only one.
    pub(super) fn read(files: &FilesDiff, list: ReadList<'_>) -> Result<Option<Self>> {
        let pairs: Vec<&[Artifact; 2]> = files.changed.iter().chain(&files.renamed).collect();
        let [[a, b]] = pairs.as_slice() else { return Ok(None) };
        let (Some(a), Some(b)) = (list(&a.digest)?, list(&b.digest)?) else { return Ok(None) };
        Ok(Some(EnvironmentDiff::between(&String::from_utf8_lossy(&a), &String::from_utf8_lossy(&b))))
    }

    /// Returns true where only times of files differ, whose sizes do not.
    pub fn is_of_times_alone(&self) -> bool {
        self.variables.is_empty() && self.packages.is_empty() && self.files.is_empty()
    }
}

/// Compares the files of two lists; returns beside it how many may be the same.
fn files(a: &List<'_>, b: &List<'_>) -> (Vec<EntryDiff>, u64) {
    let paths: BTreeSet<&str> = a.files.keys().chain(b.files.keys()).copied().collect();
    let (mut differing, mut touched) = (Vec::new(), 0);
    for path in paths {
        let (a, b) = (a.files.get(path), b.files.get(path));
        let words = match (a, b) {
            _ if a == b => continue,
            (Some((size_a, state_a)), Some((size_b, state_b))) if size_a == size_b => {
                match (state_a, state_b) {
                    (FileState::Digest(a), FileState::Digest(b)) => {
                        [Some(a.to_string()), Some(b.to_string())]
                    }
                    _ => {
                        touched += 1;
                        continue;
                    }
                }
            }
            _ => [a, b].map(|file| file.map(|(size, _)| size.to_string())),
        };
        let [a, b] = words;
        differing.push(EntryDiff { name: path.to_owned(), a, b });
    }
    (differing, touched)
}

fn entries(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>) -> Vec<EntryDiff> {
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let pairs = names.into_iter().map(|name| (name, a.get(name), b.get(name)));
    let differing = pairs.filter(|(_, a, b)| a != b);
    differing.map(|(name, a, b)| EntryDiff { name: name.clone(), a: a.cloned(), b: b.cloned() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_the_lists_is_compared_by_name() {
        let a = "variable LANG=C\nvariable TZ=UTC\npython package foo 1.0\npython package old 3\n\
                 /lib/a b.so 10 100\n/lib/gone 5 1\n/lib/same 1 1\n/lib/touched 7 100\n";
        let b = "variable LANG=C\nvariable OMP_NUM_THREADS=4\nvariable TZ=CET\npython package foo 2.0\n\
                 /lib/a b.so 11 200\n/lib/new 5 1\n/lib/same 1 1\n/lib/touched 7 200\n";
        let found = EnvironmentDiff::between(a, b);
        let lines = |entries: &[EntryDiff]| -> Vec<String> {
            let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "-".to_owned());
            entries.iter().map(|e| format!("{}: {} {}", e.name, side(&e.a), side(&e.b))).collect()
        };
        assert_eq!(lines(&found.variables), ["OMP_NUM_THREADS: - 4", "TZ: UTC CET"]);
        assert_eq!(lines(&found.packages), ["foo: 1.0 2.0", "old: 3 -"]);
        assert_eq!(lines(&found.files), ["/lib/a b.so: 10 11", "/lib/gone: 5 -", "/lib/new: - 5"]);
        assert_eq!(found.touched, 1);
        assert!(!found.is_of_times_alone());
        let touched = EnvironmentDiff::between("/lib/x 1 1\n", "/lib/x 1 2\n");
        assert!(touched.is_of_times_alone() && touched.touched == 1);
        assert_eq!(EnvironmentDiff::between(a, a), EnvironmentDiff::default());
    }

    #[test]
    fn files_of_one_size_differ_where_their_digests_do() {
        let line = |bytes: &[u8]| format!("/p/a.py {} {}\n", bytes.len(), Digest::of(bytes));
        let found = EnvironmentDiff::between(&line(b"one"), &line(b"two"));
        let digests = [b"one", b"two"].map(|bytes| Some(Digest::of(bytes).to_string()));
        assert_eq!([found.files[0].a.clone(), found.files[0].b.clone()], digests);
        assert!(!found.is_of_times_alone() && found.touched == 0);
        // One of them is known by its time alone.
        let found = EnvironmentDiff::between(&line(b"one"), "/p/a.py 3 100\n");
        assert!(found.is_of_times_alone() && found.touched == 1);
    }
}
