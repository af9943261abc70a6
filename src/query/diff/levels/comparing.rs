//! What differs between what the steps of a level read in the two runs.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::reading::Reading;
use super::{Adds, Entry, FileKey, Levels, Question, Read};
use crate::model::{Artifact, Digest};
use crate::query::diff::causes::{Cause, input};
use crate::query::diff::files::moved;

impl Levels<'_> {
    /// Lists what differs between what the steps of both runs read.
    pub(super) fn compare(&mut self, reading: &Reading) -> [Vec<Entry>; 2] {
        let mut rows: [Vec<Entry>; 2] = Default::default();
        let [of_a, of_b] = &reading.files;
        let mut alone: [Vec<&Read>; 2] = Default::default();
        for (key, reads_a) in of_a {
            let Some(reads_b) = of_b.get(key) else {
                alone[0].extend(reads_a);
                continue;
            };
            for (side, own, others) in [(0, reads_a, reads_b), (1, reads_b, reads_a)] {
                let contents =
                    |reads: &[Read]| reads.iter().map(|read| read.artifact.digest).collect::<BTreeSet<_>>();
                let (known, theirs) = (contents(own), contents(others));
                let partner =
                    others.iter().find(|read| !known.contains(&read.artifact.digest)).or(others.first());
                for read in own.iter().filter(|read| !theirs.contains(&read.artifact.digest)) {
                    rows[side].push(self.entry(side, read, partner));
                }
            }
        }
        let only_b = of_b.iter().filter(|(key, _)| !of_a.contains_key(*key));
        alone[1].extend(only_b.flat_map(|(_, reads)| reads));
        let mut places: HashMap<Digest, VecDeque<usize>> = HashMap::new();
        for (at, read) in alone[1].iter().enumerate().filter(|(_, read)| self.is_new(1, read)) {
            places.entry(read.artifact.digest).or_default().push_back(at);
        }
        let mut is_renamed = vec![false; alone[1].len()];
        for read in &alone[0] {
            // All empty files are equal; that makes none of them another's new name.
            let may_be_renamed = read.artifact.size_bytes > 0 && self.is_new(0, read);
            let same = places.get_mut(&read.artifact.digest).filter(|_| may_be_renamed);
            if let Some(at) = same.and_then(VecDeque::pop_front) {
                is_renamed[at] = true;
                let (a, b) = (read.artifact.clone(), alone[1][at].artifact.clone());
                let adds = Adds::Cause(self.number(Cause::Renamed { a, b }));
                rows[0].push(self.entry_that(0, read, Some(alone[1][at]), adds));
                rows[1].push(self.entry_that(1, alone[1][at], Some(read), adds));
                continue;
            }
            rows[0].push(self.entry(0, read, None));
        }
        for (read, _) in alone[1].iter().zip(is_renamed).filter(|(_, is_renamed)| !is_renamed) {
            rows[1].push(self.entry(1, read, None));
        }
        rows
    }

    /// Returns true for what came from outside, and may have another name in the other run: that did not write it itself.
    fn is_new(&self, side: usize, read: &Read) -> bool {
        let path = self.sides[side].neutral_path(&read.artifact.path);
        read.made.is_none() && !self.pairs.written[1 - side].contains(&path)
    }

    /// Returns what names a file in both runs; in a folder that was renamed, by its first name.
    pub(super) fn key(&self, side: usize, artifact: &Artifact) -> FileKey {
        let path = match self.first_path(artifact).filter(|_| side == 1) {
            Some(path) => self.sides[0].neutral(&path),
            None => self.sides[side].neutral_path(&artifact.path),
        };
        self.pairs.key(side, path)
    }

    /// Returns the path that a file of the second run had in the first, where its folder was renamed.
    fn first_path(&self, artifact: &Artifact) -> Option<String> {
        let is_any = !self.first_folders.is_empty();
        is_any.then(|| moved(&self.first_folders, &artifact.path.to_string())).flatten()
    }

    /// Returns true for a version that is not the last one that its run wrote of an output of both.
    pub(super) fn is_passing(&self, side: usize, key: &FileKey, read: &Read) -> bool {
        match key {
            FileKey::Pair(number) => self.pairs.versions[*number][side].0 != read.artifact,
            FileKey::Path(_) => true,
        }
    }

    /// Finds a file that was read in a folder that has another name in the second run.
    pub(super) fn in_renamed_folder(&self, reading: &Reading) -> Option<Cause> {
        let pairs = reading.files[1].iter().filter_map(|(key, b)| reading.files[0].get(key).zip(Some(b)));
        let pairs = pairs.filter_map(|(a, b)| a.first().zip(b.first()));
        let mut pairs = pairs.map(|(a, b)| (&a.artifact, &b.artifact));
        let (a, b) = pairs.find(|(a, b)| self.first_path(b) == Some(a.path.to_string()))?;
        Some(Cause::Renamed { a: a.clone(), b: b.clone() })
    }

    /// Lists what differs between what the steps of one run read and what is known of the other run, which has no such steps.
    pub(super) fn compare_with_run(
        &mut self,
        side: usize,
        files: &BTreeMap<FileKey, Vec<Read>>,
    ) -> [Vec<Entry>; 2] {
        let mut rows: [Vec<Entry>; 2] = Default::default();
        for (key, read) in files.iter().flat_map(|(key, reads)| reads.iter().map(move |read| (key, read))) {
            let entry = match (key, &read.made) {
                (FileKey::Pair(number), Some(_)) => {
                    let (artifact, at) = &self.pairs.versions[*number][1 - side];
                    if artifact.digest == read.artifact.digest {
                        continue;
                    }
                    let made = self.made(1 - side, artifact, *at, None);
                    let other = Read { artifact: artifact.clone(), role: read.role, at: *at, made };
                    self.entry(side, read, Some(&other))
                }
                _ => match self.changed[side].get(&read.artifact).cloned() {
                    Some(cause) => {
                        let adds = Adds::Cause(self.number(cause));
                        self.entry_that(side, read, None, adds)
                    }
                    None => continue,
                },
            };
            rows[side].push(entry);
        }
        rows
    }

    fn entry(&mut self, side: usize, read: &Read, counterpart: Option<&Read>) -> Entry {
        let adds = self.adds(side, read, counterpart);
        self.entry_that(side, read, counterpart, adds)
    }

    fn entry_that(&mut self, side: usize, read: &Read, counterpart: Option<&Read>, adds: Adds) -> Entry {
        let own = Some(&read.artifact);
        let (a, b) = if side == 0 { (own, None) } else { (None, own) };
        let alone = self.number(input(read.role, a, b));
        Entry { at: read.at, adds, counterpart: counterpart.map(|read| read.at), alone }
    }

    /// Returns what a difference adds to the causes of what is written later.
    fn adds(&mut self, side: usize, read: &Read, other: Option<&Read>) -> Adds {
        let pair = |own: Option<Artifact>, other: Option<Artifact>| {
            if side == 0 { (own, other) } else { (other, own) }
        };
        let (a, b) = pair(Some(read.artifact.clone()), other.map(|other| other.artifact.clone()));
        let made = read.made.as_ref().zip(other.and_then(|other| other.made.as_ref()));
        let (Some((own, others)), Some(a_made), Some(b_made)) = (made, &a, &b) else {
            // Git may have it otherwise by the second run: that makes no other cause of it.
            let role = other.filter(|_| side == 1).map_or(read.role, |other| other.role);
            return Adds::Cause(self.number(Cause::Input { role, a, b }));
        };
        let differs = self.number(Cause::Made { a: a_made.clone(), b: b_made.clone() });
        let [(steps_a, until_a), (steps_b, until_b)] = if side == 0 { [own, others] } else { [others, own] };
        let level = self.level_no([steps_a.clone(), steps_b.clone()]);
        Adds::Made(Question { level, until: [*until_a, *until_b] }, differs)
    }
}
