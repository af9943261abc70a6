//! Files of two runs, compared by path, then by content.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use crate::model::{Artifact, Digest, Role};
use crate::query::diff::outputs::Pairs;
use crate::query::diff::side::Side;

/// Files of two runs, compared by path, then by content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilesDiff {
    /// How many have the same path and the same bytes.
    pub same: u64,
    /// The same path with other bytes; in a folder that was renamed, the same path within it.
    pub changed: Vec<[Artifact; 2]>,
    /// The same bytes under another path.
    pub renamed: Vec<[Artifact; 2]>,
    /// Folders that were renamed with what is in them: the second run has no file in the first one, nor the first run any in the second
    /// one, and a file has the same bytes under the same path within them.
    pub folders: BTreeMap<String, String>,
    /// Only the first run has them.
    pub only_a: Vec<Artifact>,
    /// Only the second run has them.
    pub only_b: Vec<Artifact>,
}

impl FilesDiff {
    /// Compares two lists of files, each file by its path and there in one version or several.
    pub fn between<P: Ord>(
        of_a: &BTreeMap<P, BTreeSet<Artifact>>,
        of_b: &BTreeMap<P, BTreeSet<Artifact>>,
    ) -> FilesDiff {
        FilesDiff::where_new(of_a, of_b, |_, _| true)
    }

    /// Compares two lists of files, of which only those are another's new or old name that `is_new` accepts, beside the place of their
    /// list.
    fn where_new<P: Ord>(
        of_a: &BTreeMap<P, BTreeSet<Artifact>>,
        of_b: &BTreeMap<P, BTreeSet<Artifact>>,
        is_new: impl Fn(usize, &Artifact) -> bool,
    ) -> FilesDiff {
        let mut found = FilesDiff::default();
        for (path, versions) in of_a {
            match of_b.get(path) {
                Some(others) if others == versions => found.same += 1,
                Some(others) => {
                    found.changed.push([other_version(versions, others), other_version(others, versions)])
                }
                None => found.only_a.extend(versions.iter().cloned()),
            }
        }
        for (path, versions) in of_b {
            if !of_a.contains_key(path) {
                found.only_b.extend(versions.iter().cloned());
            }
        }
        let (candidates, mut only_b) =
            std::mem::take(&mut found.only_b).into_iter().partition::<Vec<_>, _>(|file| is_new(1, file));
        let mut places: HashMap<Digest, VecDeque<Artifact>> = HashMap::new();
        for artifact in candidates {
            places.entry(artifact.digest).or_default().push_back(artifact);
        }
        let mut left = Vec::new();
        for artifact in std::mem::take(&mut found.only_a) {
            // All empty files are equal; that makes none of them another's new name.
            let may_be_renamed = artifact.size_bytes > 0 && is_new(0, &artifact);
            let same = places.get_mut(&artifact.digest).filter(|_| may_be_renamed);
            match same.and_then(VecDeque::pop_front) {
                Some(same) => found.renamed.push([artifact, same]),
                None => left.push(artifact),
            }
        }
        only_b.extend(places.into_values().flatten());
        only_b.sort();
        (found.only_a, found.only_b) = (left, only_b);
        found.find_folders(of_a.values().flatten(), of_b.values().flatten());
        found
    }

    /// Finds the folders that were renamed, and pairs what else is in them by its path there.
    fn find_folders<'f>(
        &mut self,
        of_a: impl Iterator<Item = &'f Artifact>,
        of_b: impl Iterator<Item = &'f Artifact>,
    ) {
        let candidates: BTreeSet<[String; 2]> = self.renamed.iter().filter_map(folders).collect();
        if candidates.is_empty() {
            return;
        }
        let paths = |files: &mut dyn Iterator<Item = &'f Artifact>| -> BTreeSet<String> {
            files.map(|file| file.path.to_string()).collect()
        };
        let (paths_a, paths_b) = (paths(&mut { of_a }), paths(&mut { of_b }));
        let is_empty = |paths: &BTreeSet<String>, folder: &str| {
            let below = format!("{folder}/");
            paths.range(below.clone()..).next().is_none_or(|path| !path.starts_with(&below))
        };
        let mut counts: [HashMap<&String, usize>; 2] = Default::default();
        for pair in &candidates {
            for (counts, folder) in counts.iter_mut().zip(pair) {
                *counts.entry(folder).or_default() += 1;
            }
        }
        let folders = candidates.iter().filter(|[a, b]| {
            is_empty(&paths_b, a) && is_empty(&paths_a, b) && counts[0][a] == 1 && counts[1][b] == 1
        });
        self.folders = folders.cloned().map(<(String, String)>::from).collect();
        let mut of_path: HashMap<String, usize> =
            self.only_b.iter().enumerate().map(|(at, file)| (file.path.to_string(), at)).collect();
        let mut taken = vec![false; self.only_b.len()];
        for file in std::mem::take(&mut self.only_a) {
            let other = moved(&self.folders, &file.path.to_string()).and_then(|path| of_path.remove(&path));
            match other {
                Some(at) => {
                    taken[at] = true;
                    self.changed.push([file, self.only_b[at].clone()]);
                }
                None => self.only_a.push(file),
            }
        }
        let mut taken = taken.into_iter();
        self.only_b.retain(|_| taken.next() == Some(false));
    }

    /// Returns true where two files have the same place in a folder that was renamed.
    pub fn is_by_folder(&self, [a, b]: &[Artifact; 2]) -> bool {
        moved(&self.folders, &a.path.to_string()).is_some_and(|path| path == b.path.to_string())
    }

    /// Returns true where both runs have the same files.
    pub fn is_equal(&self) -> bool {
        self.changed.is_empty() && self.renamed.is_empty() && self.only_a.is_empty() && self.only_b.is_empty()
    }
}

/// Compares what the runs read in the roles that `wanted` accepts. What the other run wrote itself is no new name of a file.
pub(super) fn files(sides: [&Side; 2], pairs: &Pairs, wanted: impl Fn(Role) -> bool) -> FilesDiff {
    let is_new = |side: usize, file: &Artifact| {
        let path = sides[side].neutral_path(&file.path);
        !pairs.written[1 - side].contains(&path)
    };
    FilesDiff::where_new(&sides[0].inputs(&wanted), &sides[1].inputs(&wanted), is_new)
}

/// Returns the folders that have other names in two paths of which all below is the same; `None` where the file itself has another name.
fn folders([a, b]: &[Artifact; 2]) -> Option<[String; 2]> {
    let (a, b) = (a.path.to_string(), b.path.to_string());
    let same = a.rsplit('/').zip(b.rsplit('/')).take_while(|(a, b)| a == b).map(|(part, _)| part.len() + 1);
    let same: usize = same.sum();
    let front = |path: &str| path.len().checked_sub(same).map(|length| path[..length].to_owned());
    let (a, b) = (front(&a)?, front(&b)?);
    (same > 0 && !a.is_empty() && !b.is_empty()).then_some([a, b])
}

/// Returns where a path leads by the other name of its folder.
pub(super) fn moved(folders: &BTreeMap<String, String>, path: &str) -> Option<String> {
    let mut fronts = path.match_indices('/').map(|(at, _)| path.split_at(at));
    fronts.find_map(|(front, rest)| Some(format!("{}{rest}", folders.get(front)?)))
}

/// Returns the version that the other run did not read; where it read that one among others, the first.
fn other_version(versions: &BTreeSet<Artifact>, others: &BTreeSet<Artifact>) -> Artifact {
    let own = versions.difference(others).next().or_else(|| versions.first());
    own.expect("a path is listed with at least one version").clone()
}
