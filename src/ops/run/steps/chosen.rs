//! What a step that gave files other names may have gone by when it chose them: the bytes of each are those of one file, and that it
//! has its name may come from what the step had read or was told by then.
//!
//! What was only put out of the way was not chosen: a log or a model that is kept beside what takes its place. Nor is what the run
//! made itself: it comes from what its maker knew.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::files::{Files, Known};
use super::moves::{Moves, Pair};
use super::naming::{in_order_of_pipes, name_of};
use super::told::Inherited;
use super::{Group, Read, Reads};
use crate::capture::observe::Observation;
use crate::model::{Artifact, Evidence, Role, Timestamp, Used};
use crate::ops::run::copies::{LISTS_MAX, extension};
use crate::ops::run::measured;

/// The files of a run that were chosen to have other names.
pub(super) struct Chosen<'a> {
    observation: &'a Observation,
    files: &'a Files,
    /// When each was given the first of its other names.
    moved: HashMap<Read, i64>,
    /// When any was, in order.
    times: Vec<i64>,
    /// Of which sorts they are.
    sorts: HashSet<&'a [u8]>,
}

impl<'a> Chosen<'a> {
    pub(super) fn of(observation: &'a Observation, moves: &Moves, files: &'a Files) -> Self {
        let mut chosen =
            Chosen { observation, files, moved: HashMap::new(), times: Vec::new(), sorts: HashSet::new() };
        for (_, pair) in moves.pairs() {
            let later = observation.files[pair.from.0].versions.iter().skip(pair.from.1 + 1);
            let is_replaced = later.into_iter().any(|version| version.was_written);
            let Some(known) = files.known.get(&pair.from).filter(|known| !known.was_written && !is_replaced)
            else {
                continue;
            };
            let first = chosen.moved.entry(pair.from).or_insert(pair.at);
            *first = pair.at.min(*first);
            chosen.times.push(pair.at);
            chosen.sorts.insert(sort_of(&known.artifact));
        }
        chosen.times.sort_unstable();
        chosen
    }

    pub(super) fn has(&self, pair: &Pair) -> bool {
        self.moved.contains_key(&pair.from)
    }

    /// Lists what may have said which files a group was to give other names, as far as can be concluded: what it was told, and what
    /// it read itself, unless it carries what it reads elsewhere. Of the sorts that are given other names
    /// it lists no more than a few; counts in `left_out` where there were more.
    pub(super) fn by(
        &self,
        group: &Group,
        read: &Reads,
        inherited: &Inherited,
        left_out: &mut u64,
    ) -> Vec<Used> {
        let mut times: Vec<i64> =
            group.pairs.iter().filter(|pair| self.has(pair)).map(|pair| pair.at).collect();
        times.sort_unstable();
        let Some(last) = times.last().copied() else { return Vec::new() };
        let mut found: BTreeMap<Read, (i64, Evidence)> = BTreeMap::new();
        for (version, by) in &inherited.read {
            if self.may_be_list(version, by.at, &self.times) {
                found.insert(*version, (by.at, by.evidence));
            }
        }
        let processes = || group.processes.iter().map(|index| &self.observation.processes[*index]);
        let is_carrier = measured::is_carrier(&name_of(&in_order_of_pipes(processes().collect())));
        let began = processes().map(|process| process.started_us).min().unwrap_or(i64::MAX);
        for (version, (at, fit)) in read.iter().filter(|_| !is_carrier || group.written.is_empty()) {
            if let Some(known) = self.files.known(version)
                && self.may_be_list(version, *at, &times)
            {
                found.insert(*version, (*at, group.evidence(version, *fit, known)));
            }
        }
        // What it gave a name and read again is none.
        let named: HashSet<Read> = group.pairs.iter().map(|pair| pair.to).collect();
        let found = found.into_iter().filter(|(version, (at, _))| *at <= last && !named.contains(version));
        let mut lists: Vec<(Option<&[u8]>, Used)> = Vec::new();
        let mut counts: HashMap<Option<&[u8]>, usize> = HashMap::new();
        for (version, (at, evidence)) in found {
            let known = self.files.known(&version).filter(|known| known.role != Role::Environment);
            let Some(Known { artifact, role, .. }) = known else { continue };
            let may_be_alike = self.moved.contains_key(&version) || !role.is_code();
            let sort = Some(sort_of(artifact)).filter(|sort| may_be_alike && self.sorts.contains(sort));
            *counts.entry(sort).or_default() += 1;
            let (artifact, at) = (artifact.clone(), Timestamp::from_micros(at));
            lists
                .push((sort, Used { artifact, at, evidence: evidence.max(Evidence::Inferred), role: *role }));
        }
        let all = lists.len();
        lists.retain(|(sort, _)| sort.is_none() || counts[sort] <= LISTS_MAX);
        *left_out += u64::from(lists.len() < all);
        // A program that only carries files asks neither its own input nor whom it talks to.
        let outside = inherited.outside.iter().filter(|(_, us)| !is_carrier || *us < began);
        let outside = outside.map(|(artifact, us)| Used {
            artifact: artifact.clone(),
            at: Timestamp::from_micros(*us),
            evidence: Evidence::Inferred,
            role: Role::Data,
        });
        lists.into_iter().map(|(_, used)| used).chain(outside).collect()
    }

    /// Returns true for what was read at some moment, unless it was itself given another name next: that is how one looks at one
    /// file after another.
    fn may_be_list(&self, version: &Read, read_at: i64, times: &[i64]) -> bool {
        let Some(moved_at) = self.moved.get(version) else { return true };
        times.get(times.partition_point(|at| *at <= read_at)).is_some_and(|next| next < moved_at)
    }
}

fn sort_of(artifact: &Artifact) -> &[u8] {
    extension(artifact.path.file_name())
}
