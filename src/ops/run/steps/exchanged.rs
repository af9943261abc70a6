//! What processes exchanged through files that were made and removed again and are not recorded, as those outside the workspace: such a
//! file is a pipe with a name, and no node that an answer could lead through.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use super::Read;
use super::circles::circles;
use super::files::{Files, is_filled};
use super::moves::Moves;
use crate::capture::observe::{self, Access, Class, Observation, Version};
use crate::ops::run::name::{self, Given};

/// Where semaphores have their names, whose bytes are a count.
const SEMAPHORES: &[u8] = b"/dev/shm/sem.";

/// What was exchanged.
pub(super) struct Exchanged {
    /// Groups that are one for it, and the group that each belongs to.
    joined: BTreeMap<usize, usize>,
    /// What was handed on by those who wrote it to those who read it, without making them one.
    pub(super) carriers: Vec<Carrier>,
}

impl Exchanged {
    /// Returns the group of a process.
    pub(super) fn group_of(&self, process: &observe::Process) -> usize {
        self.joined.get(&process.group).copied().unwrap_or(process.group)
    }
}

/// A version of a file that carried bytes.
#[derive(Default)]
pub(super) struct Carrier {
    /// Processes that wrote it.
    pub(super) writers: Vec<usize>,
    /// Until when they may have done so.
    pub(super) written_until_us: i64,
    /// By their numbers among the carriers: earlier versions whose bytes stand in it, and were read by none of the writers.
    pub(super) extends: Vec<usize>,
    pub(super) readers: Vec<Reader>,
}

/// A process that read what a carrier brought.
#[derive(Clone, Copy)]
pub(super) struct Reader {
    pub(super) process: usize,
    /// When it read first.
    pub(super) read_us: i64,
    /// Until when it may have read what was written.
    pub(super) until_us: i64,
}

/// Who wrote a version and who read it, each with the time.
#[derive(Default)]
struct Parties {
    writers: BTreeMap<usize, i64>,
    readers: BTreeMap<usize, i64>,
    /// Those who wrote beside its bytes and read none of them.
    keepers: BTreeSet<usize>,
}

/// Finds what was exchanged through files that were made and removed again and are not recorded, or whose bytes were overwritten from
/// outside before anybody knew them.
///
/// Who read such a file is told what those had read who wrote it, and knows nothing of others who read it, too. Where bytes went both
/// ways, all are one step; but a program and one that it started, of which one only wrote and the other only read, remain apart. And
/// one step are those of which one did nothing but to write what the other read, as the parts of a compiler do, also through a pipe
/// that it made for the other. A script that a program wrote for one that it started is no more than its arguments are.
pub(super) fn exchanged(observation: &Observation, moves: &Moves, files: &Files) -> Exchanged {
    let mut joined: BTreeMap<usize, usize> = BTreeMap::new();
    let group = |process: &usize| observation.processes[*process].group;
    let mut carriers: Vec<Carrier> = Vec::new();
    let mut numbers: HashMap<Read, usize> = HashMap::new();
    let parties = parties(observation, moves, files);
    for (version, Parties { writers, readers, keepers }) in &parties {
        if observation.files[version.0].class != Class::Temporary {
            let others: BTreeSet<usize> = readers.keys().chain(keepers).copied().collect();
            if !writers.is_empty() && !others.is_empty() {
                join(&mut joined, writers.keys().chain(&others).map(group));
            }
            continue;
        }
        let known = &observation.files[version.0].versions[version.1];
        let path = &observation.files[version.0].path;
        let is_bidden = |process: usize| {
            runs(&observation.processes[process], path) && is_below(observation, writers, process)
        };
        let readers =
            readers.iter().filter(|(process, _)| !is_bidden(**process)).map(|(process, us)| Reader {
                process: *process,
                read_us: *us,
                until_us: until(observation, known, writers, (*process, *us)),
            });
        numbers.insert(*version, carriers.len());
        let (writers, readers) = (writers.keys().copied().collect(), readers.collect());
        let written_until_us = rest(known).map_or(i64::MAX, |rest_us| rest_us - 1);
        carriers.push(Carrier { writers, written_until_us, extends: Vec::new(), readers });
    }
    for (version, Parties { keepers, .. }) in &parties {
        let Some(number) = numbers.get(version) else { continue };
        for keeper in keepers {
            let later = parties.range((version.0, version.1 + 1)..=(version.0, usize::MAX));
            let mut later = later.filter(|(_, parties)| parties.writers.contains_key(keeper));
            if let Some(later) = later.next().and_then(|(version, _)| numbers.get(version)) {
                carriers[*later].extends.push(*number);
            }
        }
    }
    join_circles(observation, &carriers, &mut joined);
    join_chains(observation, &carriers, files, &mut joined);
    let groups: Vec<usize> = joined.keys().copied().collect();
    let joined = groups.into_iter().map(|group| (group, root(&joined, group))).collect();
    Exchanged { joined, carriers }
}

/// Returns by when nobody had a version open for writing any more, where that was seen.
fn rest(version: &Version) -> Option<i64> {
    version.last_change?.rest_us
}

/// Returns until when a process may have read what others wrote, which it read first at a time.
fn until(
    observation: &Observation,
    version: &Version,
    writers: &BTreeMap<usize, i64>,
    (process, read_us): (usize, i64),
) -> i64 {
    let is_at_rest = || rest(version).is_some_and(|rest_us| rest_us <= read_us);
    match is_at_rest() || is_below(observation, writers, process) {
        true => read_us,
        // Who wrote it may have gone on while it was read.
        false => observation.processes[process].ended_us.unwrap_or(i64::MAX),
    }
}

/// Tells whether all those started a process who wrote a version.
fn is_below(observation: &Observation, writers: &BTreeMap<usize, i64>, process: usize) -> bool {
    writers.keys().all(|writer| is_above(observation, *writer, process))
}

/// Tells whether a process is an interpreter that runs the script of this path.
pub(super) fn runs(process: &observe::Process, path: &Path) -> bool {
    let Some(program) = process.exe.file_name().and_then(|name| name.to_str()) else { return false };
    let words = process.arguments.iter().skip(1).map_while(|word| word.to_str());
    match name::given(program, words) {
        Some(Given::Script(script)) => process.folder.join(script) == path,
        Some(Given::Module(_)) | None => false,
    }
}

/// Joins those between whom bytes went both ways.
fn join_circles(observation: &Observation, carriers: &[Carrier], joined: &mut BTreeMap<usize, usize>) {
    let first = observation.processes.len();
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); first + carriers.len()];
    let group =
        |joined: &BTreeMap<usize, usize>, process: usize| root(joined, observation.processes[process].group);
    for (number, carrier) in carriers.iter().enumerate() {
        for writer in &carrier.writers {
            next[group(joined, *writer)].push(first + number);
        }
        for reader in &carrier.readers {
            let is_other = |writer: &usize| is_other_side(observation, carrier, *writer, reader.process);
            if carrier.writers.iter().any(is_other) {
                next[first + number].push(group(joined, reader.process));
            }
        }
        for before in &carrier.extends {
            next[first + before].push(first + number);
        }
    }
    for circle in circles(&next) {
        join(joined, circle.into_iter().filter(|node| *node < first));
    }
}

/// Returns false for a process itself, and for two of which one started the other where one only wrote and the other only read.
fn is_other_side(observation: &Observation, carrier: &Carrier, writer: usize, reader: usize) -> bool {
    let is_both_ways =
        || carrier.writers.contains(&reader) && carrier.readers.iter().any(|reader| reader.process == writer);
    let is_related = || is_above(observation, writer, reader) || is_above(observation, reader, writer);
    writer != reader && (!is_related() || is_both_ways())
}

/// What a group does to others.
#[derive(Default)]
struct Doings {
    /// It made a file that lasts, or that is recorded although it does not.
    has_made: bool,
    /// Groups that it started or fed through a pipe.
    tells: BTreeSet<usize>,
    /// Groups that read what it wrote, or what it poured into their pipes.
    hands_to: BTreeSet<usize>,
    /// What it wrote stands in what others wrote.
    goes_on: bool,
}

/// Joins each group that did nothing but to write what one other read with that one: nobody else knows anything by it.
fn join_chains(
    observation: &Observation,
    carriers: &[Carrier],
    files: &Files,
    joined: &mut BTreeMap<usize, usize>,
) {
    let group = |process: usize| observation.processes[process].group;
    let mut doings: BTreeMap<usize, Doings> = BTreeMap::new();
    for (index, process) in observation.processes.iter().enumerate() {
        let is_recorded = |access: &Access| files.known.contains_key(&(access.file, access.version));
        let lasts = |access: &Access| {
            access.wrote() && (observation.files[access.file].exists || is_recorded(access))
        };
        let is_named = process.namings.iter().any(|naming| observation.files[naming.to.0].exists);
        doings.entry(root(joined, group(index))).or_default().has_made |=
            is_named || process.accesses.iter().any(lasts);
        for other in process.parent.iter().chain(&process.fed_by) {
            doings.entry(root(joined, group(*other))).or_default().tells.insert(group(index));
        }
        for feeder in &process.poured_by {
            doings.entry(root(joined, group(*feeder))).or_default().hands_to.insert(group(index));
        }
    }
    for carrier in carriers {
        for writer in &carrier.writers {
            let doings = doings.entry(root(joined, group(*writer))).or_default();
            doings.hands_to.extend(carrier.readers.iter().map(|reader| group(reader.process)));
        }
        for writer in carrier.extends.iter().flat_map(|before| &carriers[*before].writers) {
            doings.entry(root(joined, group(*writer))).or_default().goes_on = true;
        }
    }
    // Who comes last in a chain is found first.
    for group in doings.keys().rev().copied().collect::<Vec<_>>() {
        let Some(own) = doings.get(&group).filter(|own| !own.has_made && !own.goes_on) else { continue };
        let others = |groups: &BTreeSet<usize>| {
            let roots = groups.iter().map(|other| root(joined, *other));
            roots.filter(|other| *other != group).collect::<BTreeSet<usize>>()
        };
        let hands_to = others(&own.hands_to);
        let Some(reader) = hands_to.first().copied().filter(|_| hands_to.len() == 1) else { continue };
        if others(&own.tells).iter().all(|told| *told == reader) {
            let of_both = [group, reader].map(|group| doings.remove(&group).unwrap_or_default());
            join(joined, [group, reader].into_iter());
            let [mut own, other] = of_both;
            own.has_made |= other.has_made;
            own.goes_on |= other.goes_on;
            own.tells.extend(other.tells);
            own.hands_to.extend(other.hands_to);
            doings.insert(root(joined, group), own);
        }
    }
}

/// What a process did with a version.
enum Side {
    Writes,
    Reads,
    Keeps,
}

/// Lists who wrote and who read each version of what carried bytes and is no node.
fn parties(observation: &Observation, moves: &Moves, files: &Files) -> BTreeMap<Read, Parties> {
    let carries = |at: Read| {
        let file = &observation.files[at.0];
        let Some(version) = file.versions.get(at.1) else { return false };
        let is_lost = version.was_written && version.evidence == observe::Evidence::Lost;
        let is_semaphore = file.path.as_os_str().as_encoded_bytes().starts_with(SEMAPHORES);
        let is_temporary = file.class == Class::Temporary && !files.known.contains_key(&at);
        (is_temporary && is_filled(version) && !is_semaphore) || is_lost
    };
    let mut parties: BTreeMap<Read, Parties> = BTreeMap::new();
    for (index, process) in observation.processes.iter().enumerate() {
        let version = |access: &Access| (access.file, access.version);
        let wrote = process.accesses.iter().filter(|access| access.wrote());
        let wrote = wrote.filter_map(|access| Some((version(access), access.written_us?, Side::Writes)));
        let read = process.accesses.iter().filter(|access| access.read());
        let read = read.filter_map(|access| {
            let side = if access.was_only_kept { Side::Keeps } else { Side::Reads };
            Some((version(access), access.read_us?, side))
        });
        let namings = moves.plain(index).iter();
        let named = namings
            .flat_map(|naming| [(naming.to, naming.us, Side::Writes), (naming.from, naming.us, Side::Reads)]);
        for (version, us, side) in wrote.chain(read).chain(named) {
            if !carries(version) {
                continue;
            }
            let parties = parties.entry(version).or_default();
            match side {
                Side::Writes => drop(parties.writers.entry(index).or_insert(us)),
                Side::Reads => drop(parties.readers.entry(index).or_insert(us)),
                Side::Keeps => drop(parties.keepers.insert(index)),
            }
        }
    }
    parties
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
