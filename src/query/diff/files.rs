//! Files of two runs, compared by path, then by content.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use crate::model::{Artifact, Digest, Role};
use crate::query::diff::side::Side;

/// Files of two runs, compared by path, then by content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilesDiff {
    /// How many have the same path and the same bytes.
    pub same: u64,
    /// The same path with other bytes.
    pub changed: Vec<[Artifact; 2]>,
    /// The same bytes under another path.
    pub renamed: Vec<[Artifact; 2]>,
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
        let mut places: HashMap<Digest, VecDeque<Artifact>> = HashMap::new();
        for artifact in std::mem::take(&mut found.only_b) {
            places.entry(artifact.digest).or_default().push_back(artifact);
        }
        let mut left = Vec::new();
        for artifact in std::mem::take(&mut found.only_a) {
            // All empty files are equal; that makes none of them another's new name.
            let same = places.get_mut(&artifact.digest).filter(|_| artifact.size_bytes > 0);
            match same.and_then(VecDeque::pop_front) {
                Some(same) => found.renamed.push([artifact, same]),
                None => left.push(artifact),
            }
        }
        found.only_b = places.into_values().flatten().collect();
        found.only_b.sort();
        found.only_a = left;
        found
    }

    /// Returns true where both runs have the same files.
    pub fn is_equal(&self) -> bool {
        self.changed.is_empty() && self.renamed.is_empty() && self.only_a.is_empty() && self.only_b.is_empty()
    }
}

/// Compares what the runs read in the roles that `wanted` accepts.
pub(super) fn files(a: &Side, b: &Side, wanted: impl Fn(Role) -> bool) -> FilesDiff {
    FilesDiff::between(&a.inputs(&wanted), &b.inputs(&wanted))
}

/// Returns the version that the other run did not read; where it read that one among others, the first.
fn other_version(versions: &BTreeSet<Artifact>, others: &BTreeSet<Artifact>) -> Artifact {
    let own = versions.difference(others).next().or_else(|| versions.first());
    own.expect("a path is listed with at least one version").clone()
}
