//! From what was observed to steps with edges.
//!
//! Each group of processes is a step: a process that ran a program of its own, joined with those it exchanged bytes with
//! through pipes, or through files that were removed again. A process may also know what the processes above it, or those
//! one step with them, had read before they started it, through its arguments and environment; and what those had read whose
//! bytes came to it through a pipe without making them one step. Those edges are recorded as inferred.

mod ending;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use crate::capture::git::{CommitTree, InGit};
use crate::capture::ignored::IgnoreRules;
use crate::capture::observe::{self, ChannelSort, Class, File, Fit, Observation};
use crate::capture::secrets;
use crate::model::{
    Artifact, ArtifactPath, Digest, Evidence, Generated, NodeId, Role, Step, StepStatus, Timestamp, Used,
    recorded_word,
};
use crate::ops::run::roles::{self, Place};

use ending::ending;

/// The tree of the commit that the run began with, opened when it is first asked: most commands read no code of the workspace.
pub struct LazyTree<'a> {
    root: &'a Path,
    commit: Option<&'a str>,
    tree: OnceCell<Option<CommitTree>>,
}

impl<'a> LazyTree<'a> {
    /// Names the workspace's root, and the commit.
    pub fn of(root: &'a Path, commit: Option<&'a str>) -> Self {
        LazyTree { root, commit, tree: OnceCell::new() }
    }

    fn get(&self) -> Option<&CommitTree> {
        let open = || CommitTree::of_commit(self.root, self.commit?).ok().flatten();
        self.tree.get_or_init(open).as_ref()
    }
}

/// What processes did with a file that do not record themselves what they do.
#[derive(Debug, Clone, Copy, Default)]
struct Touched {
    is_touched: bool,
    is_written: bool,
}

/// Finds the files that other processes than those of `own` had to do with.
fn others_files(observation: &Observation, own: &BTreeMap<usize, &str>) -> HashMap<usize, Touched> {
    let mut files: HashMap<usize, Touched> = HashMap::new();
    if own.is_empty() {
        return files;
    }
    let others = observation.processes.iter().enumerate().filter(|(index, _)| !own.contains_key(index));
    for access in others.flat_map(|(_, process)| &process.accesses) {
        let file = files.entry(access.file).or_default();
        file.is_touched = true;
        file.is_written |= access.written_us.is_some();
    }
    files
}

/// What is known about the surroundings of an observed command.
pub struct Surroundings<'a> {
    /// The workspace's root, or the folder that stands for it.
    pub root: &'a Path,
    /// Where a copy stands for the workspace: the front of the names of what is written there.
    pub copy: Option<&'a str>,
    /// The user's home.
    pub home: Option<&'a Path>,
    /// The tree of the commit that the run began with, to compare code with.
    pub commit: &'a LazyTree<'a>,
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
    /// Returns a time of a file by the run's clock, rather too late than too early.
    fn since(self, file_ns: i64) -> Timestamp {
        let us = file_ns.div_euclid(1000).saturating_add(1 + TICK_US);
        Timestamp::from_micros(us.saturating_add(self.behind_us.max(0)))
    }
}

/// What an observation came to.
pub struct Outcome {
    /// The steps, in the order in which they began.
    pub steps: Vec<Step>,
    /// Files of the environment: path, size, time of last change in nanoseconds.
    pub environment: Vec<(PathBuf, u64, i64)>,
    /// Files that count as metrics, as they are at the end.
    pub metrics: Vec<PathBuf>,
    /// How many files the ignore rules left out.
    pub left_out: u64,
    /// How many files were written among what systems, tools and packages are made of.
    pub written_elsewhere: u64,
}

/// Makes steps of an observation.
pub fn steps(observation: &Observation, around: &Surroundings<'_>) -> Outcome {
    let files = Files::of(observation, around);
    let joined = joined_by_temporaries(observation);
    let group_of = |process: &observe::Process| joined.get(&process.group).copied().unwrap_or(process.group);
    let mut groups: BTreeMap<usize, Group> = BTreeMap::new();
    for (index, process) in observation.processes.iter().enumerate() {
        let own = group_of(process);
        let group = groups.entry(own).or_default();
        group.processes.push(index);
        for access in process.accesses.iter().filter(|_| !around.own.contains_key(&index)) {
            group.add(access, &files);
        }
        let above = process.parent.map(|parent| (parent, process.started_us));
        let feeders = process.fed_by.iter().map(|feeder| (*feeder, i64::MAX));
        for (other, until_us) in above.into_iter().chain(feeders) {
            let other = group_of(&observation.processes[other]);
            if other != own {
                group.told_by.push(Told { by: other, since_us: process.started_us, until_us });
            }
        }
    }
    let mut writers: HashMap<Read, usize> = HashMap::new();
    for version in groups.values().flat_map(|group| group.written.keys()) {
        *writers.entry(*version).or_default() += 1;
    }
    let written_by_several: BTreeSet<Read> =
        writers.into_iter().filter(|(_, count)| *count > 1).map(|(version, _)| version).collect();
    let mut readers: HashMap<Read, Vec<(i64, usize)>> = HashMap::new();
    for (number, group) in &groups {
        for (version, (at, _)) in &group.read {
            if files.known.get(version).is_some_and(|known| known.was_written) {
                readers.entry(*version).or_default().push((*at, *number));
            }
        }
    }
    let mut made = Vec::new();
    for (number, group) in &groups {
        let read_elsewhere = |version: &Read| {
            let others = readers.get(version)?.iter().filter(|(_, reader)| reader != number);
            others.map(|(at, _)| *at).min()
        };
        let told = told(&groups, *number);
        let inherited = Inherited {
            read: inherited(&groups, *number, &told, &files, &written_by_several),
            outside: outside(observation, &groups, *number, &told, around),
        };
        let mut read = read_from_others(group, &written_by_several);
        if let Some((adding, added_to)) = split_adding(group, &mut read) {
            let nothing = Inherited::default();
            let adding = step(observation, &adding, (&added_to, &nothing), &files, around, &read_elsewhere);
            made.extend(adding.map(|step| Step { name: format!("{} (append)", step.name), ..step }));
        }
        made.extend(step(observation, group, (&read, &inherited), &files, around, &read_elsewhere));
    }
    if observation.processes.is_empty() {
        made.extend(inferred_step(observation, &files, around));
    }
    made.sort_by_key(|step: &Step| (step.started_at, step.id));
    let Files { environment, metrics, left_out, written_elsewhere, .. } = files;
    Outcome { steps: made, environment, metrics, left_out, written_elsewhere }
}

/// Joins groups that exchanged bytes through a file that was made and removed again, or whose bytes were overwritten from outside
/// before anybody knew them: such a file is a pipe with a name, and no node that an answer could lead through. Returns the group
/// that each joined one belongs to.
fn joined_by_temporaries(observation: &Observation) -> BTreeMap<usize, usize> {
    let carries = |file: &File, version: usize| {
        let Some(version) = file.versions.get(version) else { return false };
        let is_lost = version.was_written && version.evidence == observe::Evidence::Lost;
        let is_filled = version.content.as_ref().is_none_or(|content| content.size_bytes > 0);
        (file.class == Class::Temporary && is_filled) || is_lost
    };
    let mut writers: BTreeMap<Read, BTreeSet<usize>> = BTreeMap::new();
    let mut readers: BTreeMap<Read, BTreeSet<usize>> = BTreeMap::new();
    for process in &observation.processes {
        for access in process.accesses.iter().filter(|a| carries(&observation.files[a.file], a.version)) {
            let version = (access.file, access.version);
            if access.written_us.is_some() {
                writers.entry(version).or_default().insert(process.group);
            }
            if access.read_us.is_some() {
                readers.entry(version).or_default().insert(process.group);
            }
        }
    }
    let mut joined: BTreeMap<usize, usize> = BTreeMap::new();
    let root = |joined: &BTreeMap<usize, usize>, mut group: usize| {
        while let Some(above) = joined.get(&group).filter(|above| **above != group) {
            group = *above;
        }
        group
    };
    for (version, wrote) in &writers {
        let Some(read) = readers.get(version) else { continue };
        let mut roots = wrote.union(read).map(|group| root(&joined, *group)).collect::<BTreeSet<_>>();
        let Some(first) = roots.pop_first() else { continue };
        joined.extend(roots.into_iter().map(|other| (other, first)));
    }
    let groups: Vec<usize> = joined.keys().copied().collect();
    groups.into_iter().map(|group| (group, root(&joined, group))).collect()
}

/// A version of a file, and when.
type Read = (usize, usize);
/// First read and whether the bytes are sure, by version.
type Reads = BTreeMap<Read, (i64, Fit)>;

#[derive(Default)]
struct Group {
    processes: Vec<usize>,
    read: Reads,
    /// When anything of it had changed last before it was read, by version, in nanoseconds.
    unchanged_since_ns: BTreeMap<Read, i64>,
    /// First time that its bytes were really read, by version.
    learned: BTreeMap<Read, i64>,
    /// Last write, by version.
    written: BTreeMap<Read, i64>,
    /// Groups that told it something.
    told_by: Vec<Told>,
}

/// One group may know what another has read.
struct Told {
    by: usize,
    /// When the process was started that was told.
    since_us: i64,
    /// When the other had told all that it told.
    until_us: i64,
}

impl Group {
    fn add(&mut self, access: &observe::Access, files: &Files) {
        let version = (access.file, access.version);
        if !files.known.contains_key(&version) {
            return;
        }
        if let Some(at) = access.read_us {
            let entry = self.read.entry(version).or_insert((at, access.fit));
            entry.0 = entry.0.min(at);
            if !access.was_only_kept {
                let learned = self.learned.entry(version).or_insert(at);
                *learned = (*learned).min(at);
            }
            if access.fit == Fit::Changed {
                entry.1 = Fit::Changed;
            }
            if let Some(since_ns) = access.unchanged_since_ns {
                let entry = self.unchanged_since_ns.entry(version).or_insert(since_ns);
                *entry = (*entry).min(since_ns);
            }
        }
        if let Some(at) = access.written_us {
            let entry = self.written.entry(version).or_insert(at);
            *entry = (*entry).max(at);
        }
    }
}

/// What is recorded of a version of a file.
struct Known {
    artifact: Artifact,
    role: Role,
    /// Whether it is there at the end, or was there before.
    lasting: bool,
    /// Whether the run wrote it.
    was_written: bool,
}

struct Files {
    known: HashMap<Read, Known>,
    environment: Vec<(PathBuf, u64, i64)>,
    metrics: Vec<PathBuf>,
    left_out: u64,
    written_elsewhere: u64,
}

impl Files {
    fn of(observation: &Observation, around: &Surroundings<'_>) -> Self {
        let mut files = Files {
            known: HashMap::new(),
            environment: Vec::new(),
            metrics: Vec::new(),
            left_out: 0,
            written_elsewhere: 0,
        };
        let executed: BTreeSet<usize> = observation
            .processes
            .iter()
            .flat_map(|process| &process.accesses)
            .filter(|access| access.was_executed)
            .map(|access| access.file)
            .collect();
        let others = others_files(observation, around.own);
        for (index, file) in observation.files.iter().enumerate() {
            let Touched { is_touched, is_written: by_others } =
                others.get(&index).copied().unwrap_or_default();
            if !around.own.is_empty() && !is_touched {
                continue;
            }
            let is_written = !matches!(file.class, Class::Input | Class::Temporary | Class::Untouched);
            let place = if is_written { roles::place_of_written } else { roles::place };
            match place(&file.path, around.root, around.home) {
                Place::Ignored => {}
                _ if around.streams.contains(&file.path) => {}
                Place::Environment if is_written => files.written_elsewhere += 1,
                Place::Environment if file.class == Class::Input => files.add_environment(file),
                // A program from elsewhere is a tool, wherever it lies; a script from elsewhere is read as any other file.
                Place::Work
                    if file.class == Class::Input
                        && executed.contains(&index)
                        && !file.path.starts_with(around.root)
                        && !roles::is_code_name(&file.path) =>
                {
                    files.add_environment(file);
                }
                Place::Environment | Place::Work => {
                    let may_be_metrics = around.own.is_empty() || by_others;
                    files.add(index, file, (executed.contains(&index), may_be_metrics), around);
                }
            }
        }
        files
    }

    fn add_environment(&mut self, file: &File) {
        let stamp = file.versions.first().and_then(|version| version.stamp.as_ref());
        let (size, mtime) = stamp.map_or((0, 0), |stamp| (stamp.size_bytes, stamp.mtime_ns));
        self.environment.push((file.path.clone(), size, mtime));
    }

    fn add(
        &mut self,
        index: usize,
        file: &File,
        (executed, may_be_metrics): (bool, bool),
        around: &Surroundings<'_>,
    ) {
        if matches!(file.class, Class::Temporary | Class::Untouched) {
            return;
        }
        let Ok(path) = ArtifactPath::within(around.root, &file.path) else {
            return;
        };
        let is_metrics = around.metrics == Some(&file.path)
            || (file.path.file_name().is_some_and(|name| name == "metrics.json") && path.is_inside());
        if is_metrics && may_be_metrics && file.after().is_some_and(|after| after.was_written) {
            self.metrics.push(file.path.clone());
        }
        if around.rules.ignores(&file.path, false) {
            self.left_out += 1;
            return;
        }
        let last = file.versions.len() - 1;
        for (number, version) in file.versions.iter().enumerate() {
            let Some(content) = &version.content else { continue };
            let digest = Digest::from_bytes(content.digest.0);
            let role = if is_metrics && version.was_written {
                Role::Metrics
            } else if version.was_written {
                Role::Data
            } else {
                role_of(file, &digest, executed, around)
            };
            let path = match around.copy.filter(|_| version.was_written && path.is_inside()) {
                Some(copy) => below(copy, &path),
                None => path.clone(),
            };
            let artifact = Artifact { path, digest, size_bytes: content.size_bytes };
            let lasting = !version.was_written || (number == last && file.exists);
            self.known
                .insert((index, number), Known { artifact, role, lasting, was_written: version.was_written });
        }
    }
}

/// Names a file that was written in a copy of the workspace.
fn below(copy: &str, path: &ArtifactPath) -> ArtifactPath {
    let bytes = [copy.as_bytes(), b"/", path.as_bytes()].concat();
    // Only a path of the greatest length becomes too long; it keeps its own name then.
    ArtifactPath::from_bytes(bytes).unwrap_or_else(|_| path.clone())
}

/// Decides whether an input is data or code, and whether git has the code as it was read.
fn role_of(file: &File, digest: &Digest, executed: bool, around: &Surroundings<'_>) -> Role {
    // Of a link, its target's name was read.
    if file.is_link || !(executed || roles::is_code_name(&file.path)) || !file.path.starts_with(around.root) {
        return Role::Data;
    }
    let Some(commit) = around.commit.get() else {
        return Role::CodeUntracked;
    };
    let Some(inside) = commit.work_tree().and_then(|tree| file.path.strip_prefix(tree).ok()) else {
        return Role::CodeUntracked;
    };
    let name = inside.as_os_str().as_encoded_bytes();
    if !commit.contains(name).unwrap_or(false) {
        return Role::CodeUntracked;
    }
    // The bytes on disk speak for those that were read only while they are the same; git may still have those.
    match std::fs::read(&file.path) {
        Ok(bytes) if Digest::of(&bytes) == *digest => match commit.holds(name, &bytes) {
            Ok(InGit::Same) => Role::Code,
            Ok(InGit::NotInTree) => Role::CodeUntracked,
            Ok(InGit::Differs) | Err(_) => Role::CodeChanged,
        },
        _ => match commit.bytes(name) {
            Ok(Some(bytes)) if Digest::of(&bytes) == *digest => Role::Code,
            _ => Role::CodeChanged,
        },
    }
}

/// Takes what was only added to out of what a group read, where the group wrote something else as well: a log that is written on
/// from run to run says nothing to the model beside it. Returns the part of the group that goes from what stood in those files
/// before to what stands there since. That the rest of what the group read is in those files, too, its other part says.
fn split_adding(group: &Group, read: &mut Reads) -> Option<(Group, Reads)> {
    let writes = |file: usize| group.written.range((file, 0)..=(file, usize::MAX)).next().is_some();
    let learns = |file: usize| group.learned.range((file, 0)..=(file, usize::MAX)).next().is_some();
    let files: BTreeSet<usize> =
        read.keys().map(|(file, _)| *file).filter(|file| writes(*file) && !learns(*file)).collect();
    if files.is_empty() || group.written.keys().all(|(file, _)| files.contains(file)) {
        return None;
    }
    let added_to: Reads = read
        .iter()
        .filter(|((file, _), _)| files.contains(file))
        .map(|(version, at)| (*version, *at))
        .collect();
    read.retain(|(file, _), _| !files.contains(file));
    let written = group.written.iter().filter(|((file, _), _)| files.contains(file));
    let adding = Group {
        processes: group.processes.clone(),
        written: written.map(|(version, at)| (*version, *at)).collect(),
        unchanged_since_ns: group.unchanged_since_ns.clone(),
        ..Group::default()
    };
    Some((adding, added_to))
}

/// What a step may know without having read it from a file.
#[derive(Default)]
struct Inherited {
    /// First read by those who told it, by version.
    read: BTreeMap<Read, i64>,
    /// What it, or those who told it, had from outside the run, and since when.
    outside: Vec<(Artifact, i64)>,
}

/// Returns those who told a group something, or told those who did, and until when they had read what they told.
fn told(groups: &BTreeMap<usize, Group>, number: usize) -> BTreeMap<usize, i64> {
    // The longest time counts.
    let mut told: BTreeMap<usize, i64> = BTreeMap::new();
    let mut frontier = vec![(number, i64::MAX)];
    while let Some((at, until_us)) = frontier.pop() {
        for Told { by, since_us, until_us: told_until_us } in &groups[&at].told_by {
            let until_us = until_us.min(*told_until_us);
            if *by != number && *since_us <= until_us && told.get(by).is_none_or(|known| *known < until_us) {
                told.insert(*by, until_us);
                frontier.push((*by, until_us));
            }
        }
    }
    told
}

/// Names what came to a group from outside the run: the command's standard input, and whom it talked to. What was read there is
/// not known, so that no two runs have read the same.
fn outside(
    observation: &Observation,
    groups: &BTreeMap<usize, Group>,
    number: usize,
    told: &BTreeMap<usize, i64>,
    around: &Surroundings<'_>,
) -> Vec<(Artifact, i64)> {
    let mut names: BTreeMap<String, i64> = BTreeMap::new();
    let all = std::iter::once((number, i64::MAX)).chain(told.iter().map(|(other, until)| (*other, *until)));
    for (group, until_us) in all {
        for process in groups[&group].processes.iter().map(|index| &observation.processes[*index]) {
            let is_fed = process.standard[0].is_some_and(|input| {
                observation.had_input && input.sort == ChannelSort::Outside && !input.is_terminal()
            });
            let input = is_fed.then(|| (format!("stdin://{}", around.run), process.started_us));
            let talks = process.connections.iter().map(|(address, us)| (format!("tcp://{address}"), *us));
            for (name, us) in input.into_iter().chain(talks).filter(|(_, us)| *us <= until_us) {
                let first = names.entry(name).or_insert(us);
                *first = (*first).min(us);
            }
        }
    }
    let artifact = |name: &str| {
        let version = format!("{name} {}", around.run);
        Some(Artifact::without_content(ArtifactPath::new(name).ok()?, version.as_bytes()))
    };
    names.iter().filter_map(|(name, us)| Some((artifact(name)?, *us))).collect()
}

/// Collects what those had read who told a group something: the first read of each version.
fn inherited(
    groups: &BTreeMap<usize, Group>,
    number: usize,
    told: &BTreeMap<usize, i64>,
    files: &Files,
    written_by_several: &BTreeSet<Read>,
) -> BTreeMap<Read, i64> {
    let mut found: BTreeMap<Read, i64> = BTreeMap::new();
    let own = &groups[&number];
    for (other, until_us) in told {
        let other = &groups[other];
        for (version, at) in other.learned.iter().filter(|(_, at)| *at <= until_us) {
            // What it made for itself alone comes from what it had read, which is told as well.
            let is_private = other.written.contains_key(version)
                && !files.known[version].lasting
                && !written_by_several.contains(version);
            if !is_private && !own.read.contains_key(version) {
                let entry = found.entry(*version).or_insert(*at);
                *entry = (*entry).min(*at);
            }
        }
    }
    found
}

/// Returns what a group read that it did not write alone: what it wrote itself before it read it is no input.
fn read_from_others(group: &Group, written_by_several: &BTreeSet<Read>) -> Reads {
    let is_own =
        |version: &Read| group.written.contains_key(version) && !written_by_several.contains(version);
    group
        .read
        .iter()
        .filter(|(version, _)| !is_own(version))
        .map(|(version, read)| (*version, *read))
        .collect()
}

fn step(
    observation: &Observation,
    group: &Group,
    (read, inherited): (&Reads, &Inherited),
    files: &Files,
    around: &Surroundings<'_>,
    read_elsewhere: &dyn Fn(&Read) -> Option<i64>,
) -> Option<Step> {
    let processes: Vec<&observe::Process> =
        group.processes.iter().map(|i| &observation.processes[*i]).collect();
    let processes = in_order_of_pipes(processes);
    let started = processes.iter().map(|process| process.started_us).min()?;
    let ended = processes.iter().map(|process| process.ended_us.unwrap_or(observation.ended_us)).max()?;
    // What is seen after a process's end was done by a child of it that ran no program of its own.
    let reads = group.read.values().map(|(at, _)| *at);
    let ended = reads.chain(group.written.values().copied()).fold(ended, i64::max);
    let (mut used, mut unchanged_since) = (Vec::new(), Vec::new());
    for (version, (at, fit)) in read {
        let known = files.known.get(version)?;
        let evidence = if *fit == Fit::Changed { Evidence::Doubtful } else { Evidence::Observed };
        if let Some(since_ns) = group.unchanged_since_ns.get(version).filter(|_| *fit == Fit::Same) {
            unchanged_since.push((used.len() as u32, around.clock.since(*since_ns)));
        }
        used.push(Used {
            artifact: known.artifact.clone(),
            at: Timestamp::from_micros(*at),
            evidence,
            role: known.role,
        });
    }
    let mut generated = Vec::new();
    for (version, opened_at) in &group.written {
        let known = files.known.get(version)?;
        let read_at = read_elsewhere(version);
        if known.lasting || read_at.is_some() {
            // When a file was opened is seen, not when it was last written: that was before the step ended, and before another
            // step of the run read what was there.
            let at = read_at.map_or(ended, |read_at| read_at - 1).max(*opened_at);
            generated.push(Generated {
                artifact: known.artifact.clone(),
                at: Timestamp::from_micros(at),
                evidence: Evidence::Observed,
                role: known.role,
            });
        }
    }
    if !generated.is_empty() {
        for (version, at) in inherited.read.iter().filter(|(version, _)| !group.written.contains_key(version))
        {
            let known = files.known.get(version)?;
            used.push(Used {
                artifact: known.artifact.clone(),
                at: Timestamp::from_micros(*at),
                evidence: Evidence::Inferred,
                role: known.role,
            });
        }
        used.extend(inherited.outside.iter().map(|(artifact, at)| Used {
            artifact: artifact.clone(),
            at: Timestamp::from_micros(*at),
            evidence: Evidence::Inferred,
            role: Role::Data,
        }));
    }
    if used.is_empty() && generated.is_empty() {
        return None;
    }
    let (status, reason) = ending(observation, &group.processes);
    Some(Step {
        id: NodeId::new(Timestamp::from_micros(started)),
        run: around.run,
        name: name_of(&processes),
        subject: if around.with_arguments { subject_of(&processes) } else { String::new() },
        status,
        reason,
        started_at: Timestamp::from_micros(started),
        ended_at: Timestamp::from_micros(ended),
        parameters: Vec::new(),
        key: None,
        cached_from: None,
        unchanged_since,
        used,
        generated,
    })
}

/// Puts processes in the order in which bytes go through their pipes; which of them started first is chance.
fn in_order_of_pipes(mut left: Vec<&observe::Process>) -> Vec<&observe::Process> {
    let mut ordered = Vec::with_capacity(left.len());
    let pipe = |process: &observe::Process, at: usize| process.standard[at].map(|channel| channel.inode);
    while !left.is_empty() {
        let feeds = |reader: &observe::Process| {
            left.iter().any(|writer| {
                writer.pid != reader.pid && pipe(reader, 0).is_some() && pipe(writer, 1) == pipe(reader, 0)
            })
        };
        let first = left.iter().position(|process| !feeds(process)).unwrap_or(0);
        ordered.push(left.remove(first));
        if ordered.len() >= NAMES_MAX {
            // The rest is not named.
            ordered.append(&mut left);
        }
    }
    ordered
}

/// As many programs of one step are named.
const NAMES_MAX: usize = 6;

fn name_of(processes: &[&observe::Process]) -> String {
    let mut names: Vec<String> = Vec::new();
    for process in processes {
        let name = process.exe.file_name().map(recorded_word).unwrap_or_default();
        if names.last() != Some(&name) {
            names.push(name);
        }
    }
    let more = names.len() > NAMES_MAX;
    names.truncate(NAMES_MAX);
    format!("{}{}", names.join(" | "), if more { " | …" } else { "" })
}

fn subject_of(processes: &[&observe::Process]) -> String {
    let lines = processes.iter().take(NAMES_MAX).map(|process| {
        let arguments: Vec<String> = process.arguments.iter().map(recorded_word).collect();
        secrets::masked(&arguments).join(" ")
    });
    let mut subject = lines.collect::<Vec<_>>().join(" | ");
    if subject.len() > 4_000 {
        let end = subject.floor_char_boundary(4_000);
        subject.truncate(end);
        subject.push('…');
    }
    subject
}

/// Without the net nothing is known of processes: one step that wrote what is new or changed.
fn inferred_step(observation: &Observation, files: &Files, around: &Surroundings<'_>) -> Option<Step> {
    let mut generated = Vec::new();
    for (index, file) in observation.files.iter().enumerate() {
        let last = (index, file.versions.len() - 1);
        if let Some(known) =
            files.known.get(&last).filter(|_| file.exists && file.versions[last.1].was_written)
        {
            generated.push(Generated {
                artifact: known.artifact.clone(),
                at: Timestamp::from_micros(observation.ended_us),
                evidence: Evidence::Inferred,
                role: known.role,
            });
        }
    }
    (!generated.is_empty()).then(|| Step {
        id: NodeId::new(Timestamp::from_micros(observation.started_us)),
        run: around.run,
        name: "command".to_owned(),
        subject: String::new(),
        status: StepStatus::Succeeded,
        reason: None,
        started_at: Timestamp::from_micros(observation.started_us),
        ended_at: Timestamp::from_micros(observation.ended_us),
        parameters: Vec::new(),
        key: None,
        cached_from: None,
        unchanged_since: Vec::new(),
        used: Vec::new(),
        generated,
    })
}
