//! What a step may know that it did not read itself: from those above it, from pipes, from outside the run.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::files::Files;
use super::{Group, Read, Reads, Surroundings, Told, taken_out};
use crate::capture::observe::{ChannelSort, GIVEN_PIPE, Observation};
use crate::model::{Artifact, ArtifactPath, Evidence, NodeId};

/// What a step may know without having read it from a file.
#[derive(Default)]
pub(super) struct Inherited {
    /// What those had read who told it, by version.
    pub(super) read: BTreeMap<Read, ReadByOthers>,
    /// What it, or those who told it, had from outside the run, and since when.
    pub(super) outside: Vec<(Artifact, i64)>,
}

/// What one had read who told others.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadByOthers {
    /// When it did so first.
    pub(super) at: i64,
    /// How it is known that its bytes came to those that it told.
    pub(super) evidence: Evidence,
}

/// As many inputs are entered of what steps know from others, whatever they have read.
const TOLD_MAX: usize = 200_000;
/// As many more are for each file that was really read.
const TOLD_OF_EACH: usize = 4;
/// And as many of what those know that do no more than to give files other names: a script may start a program for each file.
const TOLD_OF_NAMES: usize = 20_000;

/// How much more may be entered of what steps know from others. A script that has read many files and starts many programs tells all
/// of it to each of them: files times programs, which neither memory nor the journal has room for.
pub(super) struct Bound {
    left: usize,
    /// How many steps are told nothing for that.
    pub(super) untold: u64,
}

impl Bound {
    pub(super) fn of(groups: &BTreeMap<usize, Group>) -> Self {
        let read: usize = groups.values().map(|group| group.learned.len()).sum();
        Bound { left: TOLD_MAX.max(read.saturating_mul(TOLD_OF_EACH)), untold: 0 }
    }

    /// Likewise for those that write nothing themselves.
    pub(super) fn of_names() -> Self {
        Bound { left: TOLD_OF_NAMES, untold: 0 }
    }

    /// Returns true where all that those who told a group have read may be entered for it; counts it otherwise.
    pub(super) fn has_room(&mut self, groups: &BTreeMap<usize, Group>, told: &BTreeMap<usize, i64>) -> bool {
        let at_most: usize = told.keys().map(|teller| groups[teller].learned.len()).sum();
        let has_room = at_most <= self.left;
        self.untold += u64::from(!has_room);
        has_room
    }

    /// Notes that so much was entered.
    pub(super) fn take(&mut self, count: usize) {
        self.left = self.left.saturating_sub(count);
    }
}

/// When a group had written last what it also read itself, by group and version.
pub(super) type Finished = HashMap<(usize, Read), i64>;

/// Returns those who told a group something, or told those who did, and until when they had read what they told; `until` says until
/// when one counts as told by another.
pub(super) fn told(
    groups: &BTreeMap<usize, Group>,
    number: usize,
    until: fn(&Told) -> Option<i64>,
) -> BTreeMap<usize, i64> {
    // The longest time counts.
    let mut told: BTreeMap<usize, i64> = BTreeMap::new();
    let mut frontier = vec![(number, i64::MAX)];
    while let Some((at, until_us)) = frontier.pop() {
        for one in &groups[&at].told_by {
            let (Told { by, since_us, .. }, Some(told_until_us)) = (one, until(one)) else { continue };
            let until_us = until_us.min(told_until_us);
            if *by != number && *since_us <= until_us && told.get(by).is_none_or(|known| *known < until_us) {
                told.insert(*by, until_us);
                frontier.push((*by, until_us));
            }
        }
    }
    told
}

/// Names what came to a group from outside the run: the command's standard input, whom it talked to, and what git
/// took out of a repository. What was read there is not known, so that no two runs have read the same. What others gave to it out of
/// what is kept is known.
pub(super) fn outside(
    observation: &Observation,
    groups: &BTreeMap<usize, Group>,
    number: usize,
    told: &BTreeMap<usize, i64>,
    around: &Surroundings<'_>,
) -> Vec<(Artifact, i64)> {
    let mut names: BTreeMap<String, i64> = BTreeMap::new();
    let mut given: BTreeMap<&Artifact, i64> = BTreeMap::new();
    let all = std::iter::once((number, i64::MAX)).chain(told.iter().map(|(other, until)| (*other, *until)));
    for (group, until_us) in all {
        if group != number {
            let of_group =
                groups[&group].processes.iter().filter_map(|index| around.given.of_each.get(index));
            for (artifact, us) in of_group.flatten().filter(|(_, us)| *us <= until_us) {
                let first = given.entry(artifact).or_insert(*us);
                *first = (*first).min(*us);
            }
        }
        for process in groups[&group].processes.iter().map(|index| &observation.processes[*index]) {
            let is_fed = process.standard[0].is_some_and(|input| {
                observation.had_input && input.sort == ChannelSort::Outside && !input.is_terminal()
            });
            let input = is_fed.then(|| (format!("stdin://{}", around.run), process.started_us));
            let talks = process.connections.iter().map(|(address, us)| (name_of(address, around.run), *us));
            let taken = taken_out::taken_from(process, observation, around.root, around.repositories);
            let taken = taken.into_iter().map(|name| (name, process.started_us));
            for (name, us) in input.into_iter().chain(talks).chain(taken).filter(|(_, us)| *us <= until_us) {
                let first = names.entry(name).or_insert(us);
                *first = (*first).min(us);
            }
        }
    }
    let artifact = |name: &str| {
        let version = format!("{name} {}", around.run);
        Some(Artifact::without_content(ArtifactPath::new(name).ok()?, version.as_bytes()))
    };
    let given = given.into_iter().map(|(artifact, us)| (artifact.clone(), us));
    names.iter().filter_map(|(name, us)| Some((artifact(name)?, *us))).chain(given).collect()
}

/// Names where something came from. A pipe has a number only in the run that was given it.
fn name_of(address: &str, run: NodeId) -> String {
    let number = address.strip_prefix(GIVEN_PIPE);
    number.map_or_else(|| address.to_owned(), |number| format!("pipe://{run}/{number}"))
}

/// Collects what those had read who told a group something: the first read of each version. Where it was seen how it came from there
/// to the group, the edge is as sure as that read.
pub(super) fn inherited(
    groups: &BTreeMap<usize, Group>,
    number: usize,
    (told, seen): (&BTreeMap<usize, i64>, &BTreeMap<usize, i64>),
    files: &Files,
    written_by_several: &BTreeSet<Read>,
    finished: &Finished,
) -> BTreeMap<Read, ReadByOthers> {
    let mut found: BTreeMap<Read, ReadByOthers> = BTreeMap::new();
    let own = &groups[&number];
    for (teller, until_us) in told {
        let other = &groups[teller];
        for (version, read_at) in &other.learned {
            // What it made itself comes from what it had read, which is told as well: what it made for itself alone is no matter, and
            // what it wrote on later was not there yet.
            let at = finished.get(&(*teller, *version)).map_or(*read_at, |at| *at.max(read_at));
            let is_private = other.written.contains_key(version)
                && !files.known[version].lasting
                && !written_by_several.contains(version);
            if at <= *until_us && !is_private && !own.read.contains_key(version) {
                let is_seen = seen.get(teller).is_some_and(|until_us| at <= *until_us);
                let evidence = match other.read.get(version).filter(|_| is_seen) {
                    Some((_, fit)) => other.evidence(version, *fit, &files.known[version]),
                    None => Evidence::Inferred,
                };
                let entry = found.entry(*version).or_insert(ReadByOthers { at, evidence });
                // Of the same read, the better evidence counts; a later one says nothing of what was written before it.
                if (at, evidence) < (entry.at, entry.evidence) {
                    *entry = ReadByOthers { at, evidence };
                }
            }
        }
    }
    found
}

/// Returns what a group read that it did not write alone: what it wrote itself before it read it is no input.
pub(super) fn read_from_others(group: &Group, written_by_several: &BTreeSet<Read>) -> Reads {
    let is_own =
        |version: &Read| group.written.contains_key(version) && !written_by_several.contains(version);
    group
        .read
        .iter()
        .filter(|(version, _)| !is_own(version))
        .map(|(version, read)| (*version, *read))
        .collect()
}

/// Of so many files that a group only added to, each is a step of its own.
const ADDED_TO_MAX: usize = 64;

/// Takes what was only added to out of what a group read, where the group wrote something else as well: a log that is written on
/// from run to run says nothing to the model beside it, nor to another log. Returns the parts of the group that go from what stood
/// in such a file before to what stands there since, by the code that adds to it: one for each file, or where they are very many,
/// one for all. That the rest of what the group read is in those files, too, its other part says.
pub(super) fn split_adding(group: &Group, files: &Files, read: &mut Reads) -> Vec<(Group, Reads)> {
    let writes = |file: usize| group.written.range((file, 0)..=(file, usize::MAX)).next().is_some();
    let learns = |file: usize| group.learned.range((file, 0)..=(file, usize::MAX)).next().is_some();
    let added: BTreeSet<usize> =
        read.keys().map(|(file, _)| *file).filter(|file| writes(*file) && !learns(*file)).collect();
    let of_each: Vec<BTreeSet<usize>> = match added.len() {
        0 => return Vec::new(),
        1..=ADDED_TO_MAX => added.iter().map(|file| BTreeSet::from([*file])).collect(),
        _ => vec![added.clone()],
    };
    if of_each.len() == 1 && group.written.keys().all(|(file, _)| added.contains(file)) {
        return Vec::new();
    }
    let is_code = |version: &Read| files.known(version).is_some_and(|known| known.role.is_code());
    let parts = of_each.iter().map(|added| {
        let added_to = read.iter().filter(|(version, _)| added.contains(&version.0) || is_code(version));
        let written = group.written.iter().filter(|((file, _), _)| added.contains(file));
        let adding = Group {
            processes: group.processes.clone(),
            written: written.map(|(version, at)| (*version, *at)).collect(),
            unchanged_since_ns: group.unchanged_since_ns.clone(),
            ..Group::default()
        };
        (adding, added_to.map(|(version, at)| (*version, *at)).collect())
    });
    let parts = parts.collect();
    read.retain(|(file, _), _| !added.contains(file));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a script that reads `files` files and starts `programs` programs, each of which reads one; returns how many of them are
    /// told all of it.
    fn are_told(files: usize, programs: usize) -> usize {
        let teller = Group { learned: (0..files).map(|file| ((file, 0), 0)).collect(), ..Group::default() };
        let program = |number: usize| Group {
            learned: BTreeMap::from([((files + number, 0), 1)]),
            told_by: vec![Told { by: 0, since_us: 1, until_us: 1, seen_until_us: None }],
            ..Group::default()
        };
        let mut groups: BTreeMap<usize, Group> =
            (1..=programs).map(|number| (number, program(number))).collect();
        groups.insert(0, teller);
        let mut bound = Bound::of(&groups);
        for number in 1..=programs {
            if bound.has_room(&groups, &told(&groups, number, Told::any)) {
                bound.take(files);
            }
        }
        programs - bound.untold as usize
    }

    #[test]
    fn what_many_programs_know_of_many_files_is_entered_up_to_a_bound_that_grows_with_what_was_read() {
        assert_eq!(are_told(1_000, 200), 200);
        assert_eq!(are_told(1_000, 400), 200);
        assert_eq!(are_told(300_000, 3), 3);
        assert_eq!(are_told(300_000, 9), 4);
        assert_eq!(are_told(0, 9), 9);
    }
}
