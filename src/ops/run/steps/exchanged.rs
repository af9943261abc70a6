//! What processes exchanged through files that were made and removed again: such a file is a pipe with a name, and no node that an
//! answer could lead through.

use std::collections::{BTreeMap, BTreeSet};

use super::Read;
use super::moves::Moves;
use crate::capture::observe::{self, Access, Class, File, Observation};

/// Where semaphores have their names, whose bytes are a count.
const SEMAPHORES: &[u8] = b"/dev/shm/sem.";

/// What was exchanged.
pub(super) struct Exchanged {
    /// Groups that are one for it, and the group that each belongs to.
    pub(super) joined: BTreeMap<usize, usize>,
    /// By process: others that handed it something, and until when.
    pub(super) handed: BTreeMap<usize, Vec<(usize, i64)>>,
}

impl Exchanged {
    /// Returns the group of a process.
    pub(super) fn group_of(&self, process: &observe::Process) -> usize {
        self.joined.get(&process.group).copied().unwrap_or(process.group)
    }
}

/// Who wrote a version and who read it, each with the time.
#[derive(Default)]
struct Parties {
    writers: BTreeMap<usize, i64>,
    readers: BTreeMap<usize, i64>,
}

/// A process that exchanged something with those above it alone.
struct WithAbove {
    process: usize,
    above: Vec<usize>,
    /// When it read what they wrote; `None` where they read what it wrote.
    read_us: Option<i64>,
}

/// Finds what was exchanged through files that were made and removed again, or whose bytes were overwritten from outside before
/// anybody knew them.
///
/// Those who did so are one step. But where a program and one that it started exchanged something, as a compiler does that leaves a
/// list of what it read for its builder, and the one that was started made files of its own, each remains a step of its own: the
/// one is told what the other had read.
pub(super) fn exchanged(observation: &Observation, moves: &Moves) -> Exchanged {
    let mut joined: BTreeMap<usize, usize> = BTreeMap::new();
    let group = |process: &usize| observation.processes[*process].group;
    let mut with_above: Vec<WithAbove> = Vec::new();
    for (version, parties) in parties(observation, moves) {
        let Parties { mut writers, mut readers } = parties;
        if writers.is_empty() || readers.is_empty() {
            continue;
        }
        if observation.files[version.0].class == Class::Temporary {
            let of_writers = apart(observation, &writers, &readers).map(|(process, _)| (process, None));
            let of_readers = apart(observation, &readers, &writers).map(|(process, us)| (process, Some(us)));
            for (process, read_us) in of_writers.chain(of_readers).collect::<Vec<_>>() {
                let others = if read_us.is_some() { &writers } else { &readers };
                let above = others.keys().copied().collect();
                with_above.push(WithAbove { process, above, read_us });
                let own = if read_us.is_some() { &mut readers } else { &mut writers };
                own.remove(&process);
            }
        }
        if !writers.is_empty() && !readers.is_empty() {
            join(&mut joined, writers.keys().chain(readers.keys()).map(group));
        }
    }
    let made_files: BTreeSet<usize> = observation
        .processes
        .iter()
        .filter(|process| {
            let lasts = |access: &Access| access.wrote() && observation.files[access.file].exists;
            process.accesses.iter().any(lasts)
        })
        .map(|process| root(&joined, process.group))
        .collect();
    let mut handed: BTreeMap<usize, Vec<(usize, i64)>> = BTreeMap::new();
    for WithAbove { process, above, read_us } in with_above {
        if !made_files.contains(&root(&joined, group(&process))) {
            join(&mut joined, above.iter().chain([&process]).map(group));
            continue;
        }
        for other in above {
            match read_us {
                Some(us) => handed.entry(process).or_default().push((other, us)),
                None => handed.entry(other).or_default().push((process, i64::MAX)),
            }
        }
    }
    let groups: Vec<usize> = joined.keys().copied().collect();
    let joined = groups.into_iter().map(|group| (group, root(&joined, group))).collect();
    Exchanged { joined, handed }
}

/// Lists who wrote and who read each version of what carried bytes and is no node.
fn parties(observation: &Observation, moves: &Moves) -> BTreeMap<Read, Parties> {
    let carries = |file: &File, version: usize| {
        let Some(version) = file.versions.get(version) else { return false };
        let is_lost = version.was_written && version.evidence == observe::Evidence::Lost;
        let is_filled = version.content.as_ref().is_none_or(|content| content.size_bytes > 0);
        let is_semaphore = file.path.as_os_str().as_encoded_bytes().starts_with(SEMAPHORES);
        (file.class == Class::Temporary && is_filled && !is_semaphore) || is_lost
    };
    let mut parties: BTreeMap<Read, Parties> = BTreeMap::new();
    for (index, process) in observation.processes.iter().enumerate() {
        let version = |access: &Access| (access.file, access.version);
        let wrote = process.accesses.iter().filter(|access| access.wrote());
        let wrote = wrote.filter_map(|access| Some((version(access), access.written_us?, true)));
        let read = process.accesses.iter().filter(|access| access.read());
        let read = read.filter_map(|access| Some((version(access), access.read_us?, false)));
        let namings = moves.plain(index).iter();
        let named =
            namings.flat_map(|naming| [(naming.to, naming.us, true), (naming.from, naming.us, false)]);
        for (version, us, is_writer) in wrote.chain(read).chain(named) {
            if carries(&observation.files[version.0], version.1) {
                let parties = parties.entry(version).or_default();
                let side = if is_writer { &mut parties.writers } else { &mut parties.readers };
                side.entry(index).or_insert(us);
            }
        }
    }
    parties
}

/// Lists those of one side who did nothing on the other, where all who did stand above them.
fn apart(
    observation: &Observation,
    side: &BTreeMap<usize, i64>,
    other: &BTreeMap<usize, i64>,
) -> impl Iterator<Item = (usize, i64)> {
    let is_apart = |process: &usize| {
        !other.contains_key(process) && other.keys().all(|above| is_above(observation, *above, *process))
    };
    let apart: Vec<(usize, i64)> =
        side.iter().filter(|(process, _)| is_apart(process)).map(|(process, us)| (*process, *us)).collect();
    apart.into_iter()
}

/// Tells whether a process started another one, or one that did.
fn is_above(observation: &Observation, above: usize, process: usize) -> bool {
    let mut at = process;
    let mut seen = BTreeSet::new();
    while let Some(parent) = observation.processes[at].parent.filter(|parent| seen.insert(*parent)) {
        if parent == above {
            return true;
        }
        at = parent;
    }
    false
}

fn root(joined: &BTreeMap<usize, usize>, mut group: usize) -> usize {
    while let Some(above) = joined.get(&group).filter(|above| **above != group) {
        group = *above;
    }
    group
}

fn join(joined: &mut BTreeMap<usize, usize>, groups: impl Iterator<Item = usize>) {
    let mut roots: BTreeSet<usize> = groups.map(|group| root(joined, group)).collect();
    let Some(first) = roots.pop_first() else { return };
    joined.extend(roots.into_iter().map(|other| (other, first)));
}
