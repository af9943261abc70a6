//! From what was observed to steps with edges.
//!
//! Each group of processes is a step: a process that ran a program of its own, joined with those it exchanged bytes with
//! through pipes, or both ways through files that were removed again and are not recorded (see [`Files::add_passing`]). A process may
//! also know what the processes above it, or those one step with them, had read before they started it, through its arguments and
//! environment; and what those had read whose bytes came to it through a pipe, without making them one step. Those edges are recorded
//! as inferred. What others had read whose bytes came to it through a file that was removed again and is not recorded is recorded as
//! it is of them: all was seen.

mod chosen;
mod circles;
mod ending;
mod exchanged;
mod files;
mod moves;
mod naming;
mod put_back;
mod repositories;
mod taken_out;
#[cfg(test)]
mod tests;
mod told;
mod unseen;
mod written;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use crate::capture::ignored::IgnoreRules;
use crate::capture::observe::{self, Fit, Naming, Observation, Reading, Removal};
use crate::digests::kernel_time_ns;
use crate::model::{
    APPENDING, Artifact, Evidence, Generated, Link, NodeId, Removed, Role, Step, StepAct, Timestamp, Used,
};
use crate::ops::Clock;
use crate::ops::run::WorkspaceCopy;
use crate::ops::run::copies::Order;
use crate::ops::run::environment::EnvironmentFile;
use crate::ops::run::measured::MetricsFile;
use crate::ops::run::own::{Given, GivenOut};

use chosen::Chosen;
use ending::ending;
use exchanged::{Exchanged, Reader, exchanged};
use files::{Files, Known};
use moves::{Moved, Moves, Pair, moved};
use naming::{in_order_of_pipes, name_of, subject_of};
pub use repositories::Repositories;
use told::{Bound, Finished, Inherited, inherited, outside, read_from_others, split_adding, told};
use unseen::inferred_step;
use written::Writing;

/// What is known about the surroundings of an observed command.
pub struct Surroundings<'a> {
    /// The workspace's root, or the folder that stands for it.
    pub root: &'a Path,
    /// The copy that stands for the workspace, where one does.
    pub copy: Option<&'a WorkspaceCopy>,
    /// The user's home.
    pub home: Option<&'a Path>,
    /// The repositories whose commits files are compared with.
    pub repositories: &'a Repositories,
    /// Whether the arguments are recorded.
    pub with_arguments: bool,
    /// Files that are none of the command's doing: where its standard streams went, outside the workspace.
    pub streams: &'a BTreeSet<PathBuf>,
    /// A file of metrics besides `metrics.json`.
    pub metrics: Option<&'a Path>,
    /// Which files are none of the work.
    pub rules: &'a IgnoreRules,
    /// Processes that record themselves what they do, by their places among the observed ones, and their commands.
    pub own: &'a BTreeMap<usize, &'a str>,
    /// What processes of this program gave out of what is kept.
    pub given: &'a GivenOut,
    /// The run.
    pub run: NodeId,
    /// How times of files are told by the run's clock.
    pub clock: FileClock,
}

/// The clock that stamps files, as seen from the clock of a run.
#[derive(Debug, Clone, Copy)]
pub struct FileClock {
    /// How far the run's clock is ahead, in microseconds.
    pub behind_us: i64,
}

/// Files are stamped with the last tick of their clock, which may have been so long ago.
const TICK_US: i64 = 10_000;

impl FileClock {
    /// Holds the clock of files against a run's, as they stand now.
    pub(crate) fn now(clock: &Clock) -> Self {
        FileClock { behind_us: clock.now().micros() - kernel_time_ns() / 1000 }
    }

    /// Returns a time of a file by the run's clock, rather too late than too early.
    fn since(self, file_ns: i64) -> Timestamp {
        let us = file_ns.div_euclid(1000).saturating_add(1 + TICK_US);
        Timestamp::from_micros(us.saturating_add(self.behind_us.max(0)))
    }

    /// Returns a time of a file by the run's clock, rather too early than too late.
    pub(crate) fn tick(self, file_ns: i64) -> i64 {
        file_ns.div_euclid(1000).saturating_add(self.behind_us)
    }
}

/// What an observation came to.
pub struct Outcome {
    /// The steps, in the order in which they began.
    pub steps: Vec<Step>,
    /// In which order those went about their files that wrote several.
    pub orders: HashMap<NodeId, Order>,
    /// Files of the environment.
    pub environment: Vec<EnvironmentFile>,
    /// Files that count as metrics, as they are at the end.
    pub metrics: Vec<MetricsFile>,
    /// How many files the ignore rules left out.
    pub left_out: u64,
    /// How many files were written among what systems, tools and packages are made of.
    pub written_elsewhere: u64,
    /// How many steps are not said to have used what those had read who told them something: it was too much.
    pub untold: u64,
    /// How many steps are not said to have gone by files like those to which they gave other names, or which they copied: too many.
    pub lists_left_out: u64,
    /// How many files that were made, read and removed again are no files of the record, since there are too many.
    pub passing_left_out: u64,
    /// Files that are symbolic links.
    pub links: Vec<Link>,
}

/// Makes steps of an observation.
pub fn steps(observation: &Observation, around: &Surroundings<'_>) -> Outcome {
    let mut files = Files::of(observation, around);
    let moves = Moves::of(observation, &files, around);
    files.add_passing(observation, &moves, around);
    let files = files;
    let exchanged = exchanged(observation, &moves, &files);
    let mut groups = groups_of(observation, &files, &moves, &exchanged, around);
    put_back::take_out(&mut groups, &files);
    let mut writers: HashMap<Read, usize> = HashMap::new();
    for version in groups.values().flat_map(|group| group.written.keys()) {
        *writers.entry(*version).or_default() += 1;
    }
    let written_by_several: BTreeSet<Read> =
        writers.into_iter().filter(|(_, count)| *count > 1).map(|(version, _)| version).collect();
    let readers = readers_of(&groups, &files);
    let chosen = Chosen::of(observation, &moves, &files);
    // What was given another name was there before, whoever made it.
    let named: HashMap<Read, i64> = moves.pairs().map(|(_, pair)| (pair.from, pair.at)).collect();
    let read_elsewhere = |number: usize, version: &Read| {
        let others = readers.get(version).into_iter().flatten().filter(|(_, reader)| *reader != number);
        others.map(|(at, _)| *at).chain(named.get(version).copied()).min()
    };
    let inherited = |number: usize, finished: &Finished, bound: &mut Bound| {
        let seen = told(&groups, number, Told::seen);
        let group = &groups[&number];
        let makes_none = group.written.is_empty() && !group.pairs.iter().any(|pair| chosen.has(pair));
        if makes_none && seen.is_empty() {
            // Nothing comes from what it knows.
            return Inherited::default();
        }
        let told = match makes_none {
            true => seen.clone(),
            false => told(&groups, number, Told::any),
        };
        let read = match bound.has_room(&groups, &told) {
            true => inherited(&groups, number, (&told, &seen), &files, &written_by_several, finished),
            false => BTreeMap::new(),
        };
        bound.take(read.len());
        Inherited { read, outside: outside(observation, &groups, number, &told, around) }
    };
    let mut finished = Finished::new();
    let mut bound = Bound::of(&groups);
    for (number, group) in &groups {
        let is_read = |version: &&Read| group.learned.contains_key(version) && files.known[version].lasting;
        let mut versions = group.written.keys().filter(is_read).peekable();
        if versions.peek().is_none() {
            continue;
        }
        let read = read_from_others(group, &written_by_several);
        let learned =
            learned(read.values().map(|(at, _)| *at), &inherited(*number, &Finished::new(), &mut bound));
        let ended = ended(observation, group);
        for version in versions {
            let read_at = read_elsewhere(*number, version);
            let at = group.writing(version, &files, read_at, ended).at(&learned, around.clock);
            finished.insert((*number, *version), at);
        }
    }
    let mut made = Vec::new();
    let (mut orders, mut lists_left_out) = (HashMap::new(), 0);
    let mut bound = Bound::of(&groups);
    let mut bound_of_names = Bound::of_names();
    for (number, group) in &groups {
        let read_elsewhere = |version: &Read| read_elsewhere(*number, version);
        let bound = if group.written.is_empty() { &mut bound_of_names } else { &mut bound };
        let inherited = inherited(*number, &finished, bound);
        let mut read = read_from_others(group, &written_by_several);
        let adding = split_adding(group, &files, &mut read);
        for (part, added_to) in &adding {
            let (nothing, none) = (Inherited::default(), BTreeSet::new());
            let from = Ingredients { read: added_to, given: &[], inherited: &nothing, left: &none };
            let part = step(observation, part, from, &files, around, &read_elsewhere);
            made.extend(part.map(|step| Step { name: format!("{}{APPENDING}", step.name), ..step }));
        }
        let by = chosen.by(group, &read, &inherited, &mut lists_left_out);
        let moved: Vec<Moved> = moved(&group.pairs, &files, &read_elsewhere, (&chosen, by)).collect();
        let left = moved.iter().flat_map(|part| part.left.iter().copied()).collect();
        let given = given_of(group, around);
        let from = Ingredients { read: &read, given: &given, inherited: &inherited, left: &left };
        let only_adds = only_adds(group, &adding, &from, &files);
        let rest = (!only_adds).then(|| step(observation, group, from, &files, around, &read_elsewhere));
        let rest = rest.flatten();
        let is_all = rest.is_none() && adding.is_empty();
        if let Some(rest) = rest.as_ref().filter(|rest| rest.generated.len() > 1) {
            orders.insert(rest.id, group.order(&files));
        }
        made.extend(rest);
        for part in moved {
            let Some(whole) = outline(observation, group, around) else { continue };
            let suffix = match part.act {
                _ if is_all => "",
                StepAct::Linked => " (link)",
                _ => " (move)",
            };
            let name = format!("{}{suffix}", whole.name);
            let removed = removed(group, &files, |file| part.left.contains(&file));
            let Moved { act, used, generated, .. } = part;
            made.push(Step { name, act, used, generated, removed, ..whole });
        }
    }
    if observation.processes.is_empty() {
        made.extend(inferred_step(observation, &files, around));
    }
    made.sort_by_key(|step: &Step| (step.started_at, step.id));
    let Files { environment, metrics, left_out, written_elsewhere, passing_left_out, links, .. } = files;
    let untold = bound.untold + bound_of_names.untold;
    Outcome {
        steps: made,
        orders,
        environment,
        metrics,
        left_out,
        written_elsewhere,
        untold,
        lists_left_out,
        passing_left_out,
        links,
    }
}

/// Puts together the processes that no one can tell apart by what they made.
fn groups_of(
    observation: &Observation,
    files: &Files,
    moves: &Moves,
    exchanged: &Exchanged,
    around: &Surroundings<'_>,
) -> BTreeMap<usize, Group> {
    let group_of = |process: &observe::Process| exchanged.group_of(process);
    let mut groups: BTreeMap<usize, Group> = BTreeMap::new();
    for (index, process) in observation.processes.iter().enumerate() {
        let own = group_of(process);
        let group = groups.entry(own).or_default();
        group.processes.push(index);
        let is_git = taken_out::is_git(process);
        let looks = taken_out::takes_out(process) || taken_out::compares(process);
        for access in process.accesses.iter().filter(|_| !around.own.contains_key(&index)) {
            let path = &observation.files[access.file].path;
            let is_look = looks && taken_out::is_look(path, around.repositories)
                || is_git && taken_out::is_in_bare(path);
            group.add(access, is_look, files);
        }
        for naming in moves.plain(index) {
            group.add_naming(naming, files);
        }
        if !around.own.contains_key(&index) {
            group.removed.extend(&process.removals);
        }
        let above = process.parent.map(|parent| (parent, process.told_us));
        let feeders = process.fed_by.iter().map(|feeder| (*feeder, i64::MAX));
        for (other, until_us) in above.into_iter().chain(feeders) {
            let other = group_of(&observation.processes[other]);
            if other != own {
                let since_us = process.started_us;
                group.told_by.push(Told { by: other, since_us, until_us, seen_until_us: None });
            }
        }
    }
    // What carried bytes stands between its writers and its readers, so that there are no more ways than they have read and written.
    let first = observation.processes.len();
    for (number, carrier) in exchanged.carriers.iter().enumerate() {
        let writers = carrier.writers.iter().map(|writer| group_of(&observation.processes[*writer]));
        let writers = writers.map(|writer| (writer, carrier.written_until_us));
        let before = carrier.extends.iter().map(|before| (first + before, i64::MAX));
        let told = writers.chain(before).map(|(by, until_us)| Told {
            by,
            since_us: i64::MIN,
            until_us,
            seen_until_us: Some(until_us),
        });
        let told_by: Vec<Told> = told.collect();
        for reader in &carrier.readers {
            let own = group_of(&observation.processes[reader.process]);
            if told_by.iter().any(|told| told.by != own) {
                let Reader { read_us, until_us, .. } = *reader;
                let told =
                    Told { by: first + number, since_us: read_us, until_us, seen_until_us: Some(read_us) };
                groups.entry(own).or_default().told_by.push(told);
            }
        }
        groups.insert(first + number, Group { told_by, ..Group::default() });
    }
    for (process, pair) in moves.pairs() {
        let group = group_of(&observation.processes[process]);
        groups.entry(group).or_default().pairs.push(*pair);
    }
    groups
}

/// Lists who read what the run wrote, and when.
fn readers_of(groups: &BTreeMap<usize, Group>, files: &Files) -> HashMap<Read, Vec<(i64, usize)>> {
    let mut readers: HashMap<Read, Vec<(i64, usize)>> = HashMap::new();
    for (number, group) in groups {
        for (version, (at, _)) in &group.read {
            if files.known.get(version).is_some_and(|known| known.was_written) {
                readers.entry(*version).or_default().push((*at, *number));
            }
        }
    }
    readers
}

/// A version of a file, and when.
type Read = (usize, usize);
/// First read and whether the bytes are sure, by version.
type Reads = BTreeMap<Read, (i64, Fit)>;

#[derive(Default)]
struct Group {
    processes: Vec<usize>,
    read: Reads,
    /// How it was read, by version, where it was not opened itself.
    stood_for: BTreeMap<Read, Reading>,
    /// When anything of it had changed last before it was read, by version, in nanoseconds.
    unchanged_since_ns: BTreeMap<Read, i64>,
    /// What was opened more than once to be read.
    read_again: BTreeSet<Read>,
    /// First time that its bytes were really read, by version.
    learned: BTreeMap<Read, i64>,
    /// Last write, by version.
    written: BTreeMap<Read, i64>,
    /// Groups that told it something.
    told_by: Vec<Told>,
    /// What it gave other names.
    pairs: Vec<Pair>,
    /// What it took away.
    removed: Vec<Removal>,
}

/// One group may know what another has read.
struct Told {
    by: usize,
    /// Since when: the process was started that was told, or it read what the other had written.
    since_us: i64,
    /// When the other had told all that it told.
    until_us: i64,
    /// Until when that was seen, where it was.
    seen_until_us: Option<i64>,
}

impl Told {
    /// Returns until when the other told anything.
    fn any(&self) -> Option<i64> {
        Some(self.until_us)
    }

    /// Returns until when it was seen that the other told something.
    fn seen(&self) -> Option<i64> {
        self.seen_until_us
    }
}

impl Group {
    /// Adds what a process did with a file; where it was only looked whether that has changed, it was not read.
    fn add(&mut self, access: &observe::Access, is_look: bool, files: &Files) {
        let version = (access.file, access.version);
        if !files.known.contains_key(&version) {
            return;
        }
        if let Some(at) = access.read_us.filter(|_| access.read() && !is_look) {
            let reading = match self.read.contains_key(&version) {
                true => access.reading.min(self.reading(&version)),
                false => access.reading,
            };
            if reading == Reading::Opened {
                self.stood_for.remove(&version);
            } else {
                self.stood_for.insert(version, reading);
            }
            let entry = self.read.entry(version).or_insert((at, access.fit));
            entry.0 = entry.0.min(at);
            if !access.was_only_kept {
                let learned = self.learned.entry(version).or_insert(at);
                *learned = (*learned).min(at);
            }
            if access.fit == Fit::Changed {
                entry.1 = Fit::Changed;
            }
            if access.was_read_again {
                self.read_again.insert(version);
            }
            if let Some(since_ns) = access.unchanged_since_ns {
                let entry = self.unchanged_since_ns.entry(version).or_insert(since_ns);
                *entry = (*entry).min(since_ns);
            }
        }
        if let Some(at) = access.written_us.filter(|_| access.wrote()) {
            let entry = self.written.entry(version).or_insert(at);
            *entry = (*entry).max(at);
        }
    }

    /// Adds what was given another name as a read of the one and a write of the other.
    fn add_naming(&mut self, naming: &Naming, files: &Files) {
        if files.known.contains_key(&naming.from) {
            self.read.entry(naming.from).or_insert((naming.us, Fit::Same));
            self.learned.entry(naming.from).or_insert(naming.us);
        }
        if files.known.contains_key(&naming.to) {
            let entry = self.written.entry(naming.to).or_insert(naming.us);
            *entry = (*entry).max(naming.us);
        }
    }

    /// Says in which order it went about its files.
    fn order(&self, files: &Files) -> Order {
        let artifact = |version: &Read| files.known.get(version).map(|known| known.artifact.clone());
        let opened = self.written.iter().filter_map(|(version, us)| Some((artifact(version)?, *us)));
        Order { opened: opened.collect(), read_again: self.read_again.iter().filter_map(artifact).collect() }
    }

    /// Returns what is known of when it wrote a version last.
    fn writing(&self, version: &Read, files: &Files, read_at: Option<i64>, ended_at: i64) -> Writing {
        let known = &files.known[version];
        let (last_change, named_at) = (known.last_change, known.named_us);
        Writing { opened_at: self.written[version], last_change, named_at, read_at, ended_at }
    }

    fn reading(&self, version: &Read) -> Reading {
        self.stood_for.get(version).copied().unwrap_or_default()
    }

    /// Says how it is known that it read a version.
    fn evidence(&self, version: &Read, fit: Fit, known: &Known) -> Evidence {
        match (fit, self.reading(version)) {
            (Fit::Changed, _) | (_, Reading::DoubtfulStandIn) => Evidence::Doubtful,
            _ if !known.artifact.has_content() => Evidence::Doubtful,
            (_, Reading::StandIn | Reading::KeptOpen) => Evidence::Inferred,
            (_, Reading::Opened) => Evidence::Observed,
        }
    }
}

/// Makes the step of a group, with nothing that it read or wrote.
fn outline(observation: &Observation, group: &Group, around: &Surroundings<'_>) -> Option<Step> {
    let processes: Vec<&observe::Process> =
        group.processes.iter().map(|i| &observation.processes[*i]).collect();
    let processes = in_order_of_pipes(processes);
    let started = processes.iter().map(|process| process.started_us).min()?;
    let ended = ended(observation, group);
    let (status, reason) = ending(observation, &group.processes);
    Some(Step {
        subject: if around.with_arguments { subject_of(&processes) } else { String::new() },
        status,
        reason,
        ..Step::new(
            NodeId::new(Timestamp::from_micros(started)),
            around.run,
            name_of(&processes),
            [Timestamp::from_micros(started), Timestamp::from_micros(ended)],
        )
    })
}

/// Returns when a group did something last.
fn ended(observation: &Observation, group: &Group) -> i64 {
    let processes = group.processes.iter().map(|index| &observation.processes[*index]);
    let ends = processes.map(|process| process.ended_us.unwrap_or(observation.ended_us));
    // What is seen after a process's end was done by a child of it that ran no program of its own.
    let reads = group.read.values().map(|(at, _)| *at);
    let writes = group.written.values().copied();
    let others = group.pairs.iter().map(|pair| pair.at).chain(group.removed.iter().map(|removal| removal.us));
    ends.chain(reads).chain(writes).chain(others).fold(i64::MIN, i64::max)
}

/// Lists when a group learned something, in order: what it read itself, and what it knows from others.
fn learned(read: impl Iterator<Item = i64>, inherited: &Inherited) -> Vec<i64> {
    let of_others = inherited.read.values().map(|read| read.at);
    let of_others = of_others.chain(inherited.outside.iter().map(|(_, at)| *at));
    let mut learned: Vec<i64> = read.chain(of_others).collect();
    learned.sort_unstable();
    learned
}

/// Names the files that a group took away, of those `wanted` by number.
fn removed(group: &Group, files: &Files, wanted: impl Fn(usize) -> bool) -> Vec<Removed> {
    let of_group = group.removed.iter().filter(|removal| wanted(removal.file));
    let removed = of_group.filter_map(|removal| {
        let (path, contents) = files.gone.get(&removal.file)?;
        let content = *contents.get(removal.version)?;
        let at = Timestamp::from_micros(removal.us);
        Some(Removed { path: path.clone(), content, at, evidence: Evidence::Observed })
    });
    removed.collect()
}

/// What a step has its outputs from.
struct Ingredients<'a> {
    read: &'a Reads,
    /// What it gave out of what is kept, and since when.
    given: &'a [Given],
    /// What it knows from others.
    inherited: &'a Inherited,
    /// Files that left their places by being given another name, by number, which was no removal.
    left: &'a BTreeSet<usize>,
}

/// Lists what the processes of a group gave out of what is kept, each once, and since when.
fn given_of(group: &Group, around: &Surroundings<'_>) -> Vec<Given> {
    let mut first: BTreeMap<&Artifact, i64> = BTreeMap::new();
    for (artifact, us) in group.processes.iter().filter_map(|index| around.given.of_each.get(index)).flatten()
    {
        let at = first.entry(artifact).or_insert(*us);
        *at = (*at).min(*us);
    }
    first.into_iter().map(|(artifact, us)| (artifact.clone(), us)).collect()
}

/// Returns true where the parts of a group that only add to files say all that there is to be said of it.
fn only_adds(group: &Group, adding: &[(Group, Reads)], rest: &Ingredients<'_>, files: &Files) -> bool {
    let is_added = |version: &Read| adding.iter().any(|(part, _)| part.written.contains_key(version));
    let mut read = rest.read.keys().filter_map(|version| files.known(version));
    !adding.is_empty()
        && group.written.keys().all(is_added)
        && group.removed.is_empty()
        && read.all(|known| known.role.is_code())
        && rest.given.is_empty()
        && rest.inherited.read.is_empty()
        && rest.inherited.outside.is_empty()
}

fn step(
    observation: &Observation,
    group: &Group,
    Ingredients { read, given, inherited, left }: Ingredients<'_>,
    files: &Files,
    around: &Surroundings<'_>,
    read_elsewhere: &dyn Fn(&Read) -> Option<i64>,
) -> Option<Step> {
    let whole = outline(observation, group, around)?;
    let (mut used, mut unchanged_since) = (Vec::new(), Vec::new());
    for (version, (at, fit)) in read {
        let Some(known) = files.known(version) else { continue };
        let evidence = group.evidence(version, *fit, known);
        let is_same = *fit == Fit::Same && evidence != Evidence::Doubtful;
        if let Some(since_ns) = group.unchanged_since_ns.get(version).filter(|_| is_same) {
            unchanged_since.push((used.len() as u32, around.clock.since(*since_ns)));
        }
        used.push(Used {
            artifact: known.artifact.clone(),
            at: Timestamp::from_micros(*at),
            evidence,
            role: known.role,
        });
    }
    for (artifact, us) in given {
        // Where the file itself still had the bytes, it was seen to be read.
        if used.iter().all(|edge: &Used| edge.artifact != *artifact) {
            let (artifact, at) = (artifact.clone(), Timestamp::from_micros(*us));
            used.push(Used { artifact, at, evidence: Evidence::Observed, role: Role::Data });
        }
    }
    let learned = learned(used.iter().map(|edge: &Used| edge.at.micros()), inherited);
    let mut generated = Vec::new();
    for version in group.written.keys() {
        let Some(known) = files.known(version) else { continue };
        let read_at = read_elsewhere(version);
        if known.lasting || read_at.is_some() {
            let writing = group.writing(version, files, read_at, whole.ended_at.micros());
            generated.push(Generated {
                artifact: known.artifact.clone(),
                at: Timestamp::from_micros(writing.at(&learned, around.clock)),
                evidence: Evidence::Observed,
                role: known.role,
            });
        }
    }
    for (version, known_by) in &inherited.read {
        // What it was only told of says nothing of a step from which nothing comes.
        let counts = !generated.is_empty() || known_by.evidence == Evidence::Observed;
        if !counts || group.written.contains_key(version) {
            continue;
        }
        let Some(known) = files.known(version) else { continue };
        used.push(Used {
            artifact: known.artifact.clone(),
            at: Timestamp::from_micros(known_by.at),
            evidence: known_by.evidence,
            role: known.role,
        });
    }
    if !generated.is_empty() {
        used.extend(inherited.outside.iter().map(|(artifact, at)| Used {
            artifact: artifact.clone(),
            at: Timestamp::from_micros(*at),
            evidence: Evidence::Inferred,
            role: Role::Data,
        }));
    }
    let removed = removed(group, files, |file| !left.contains(&file));
    if used.is_empty() && generated.is_empty() && removed.is_empty() {
        return None;
    }
    Some(Step { unchanged_since, used, generated, removed, ..whole })
}
