//! The processes of a run: one entry per program that was executed, and one per fork until it executes one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::path::PathBuf;

use super::body::Who;
use super::checkpoint::record;
use super::ledger::{Touch, What};
use super::relay::Held;
use super::sockets::Meetings;
use super::{Channel, ChannelSort, TERMINAL};

/// Marks what is no inode, but the number of a socket at which processes met.
const MEETING: u64 = 1 << 62;

fn is_terminal(inode: u64) -> bool {
    inode & TERMINAL != 0
}

/// What a process was told to run.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) exe: PathBuf,
    pub(super) arguments: Vec<OsString>,
    pub(super) arguments_were_cut: bool,
    pub(super) folder: PathBuf,
}

record!(Program { exe, arguments, arguments_were_cut, folder });

/// One program in one process, or a fork that has not executed a program of its own.
#[derive(Debug)]
pub(super) struct Actor {
    pub(super) pid: i32,
    pub(super) parent: Option<Who>,
    pub(super) program: Option<Program>,
    pub(super) started_us: i64,
    /// Last sign of life.
    pub(super) seen_us: i64,
    pub(super) ended_us: Option<i64>,
    pub(super) exit_code: Option<i32>,
    /// Standard input, output and error when the program began.
    pub(super) standard: [Option<Channel>; 3],
    /// Somebody writes to its standard input, or has written to it.
    pub(super) is_fed: bool,
    /// Standard streams that it came to have later, or that it has as a fork: inode and number of the stream.
    pub(super) holds: Vec<(u64, usize)>,
    /// Other pipes and sockets it was given, and pipes with names it opened, by inode.
    pub(super) channels: Vec<u64>,
    /// Addresses it connected to, and when.
    pub(super) connections: Vec<(String, i64)>,
    /// Addresses at which it waited for others, and since when.
    pub(super) bound: Vec<(String, i64)>,
    /// Files that were open for writing when the program began.
    pub(super) held: Vec<Held>,
    /// Of a fork: its standard streams were looked at.
    pub(super) was_looked_at: bool,
    /// It was a fork that read something before it ran its program.
    pub(super) read_as_fork: bool,
    pub(super) touches: HashMap<(What, u32), Touch>,
    /// It has changed since the last checkpoint, not counting its touches.
    pub(super) is_noted: bool,
}

record!(Actor {
    pid, parent, program, started_us, seen_us, ended_us, exit_code, standard, is_fed, holds, channels, connections,
    bound, held, read_as_fork;
    was_looked_at, touches, is_noted
});

impl Actor {
    pub(super) fn new(pid: i32, parent: Option<Who>, us: i64) -> Actor {
        Actor {
            pid,
            parent,
            program: None,
            started_us: us,
            seen_us: us,
            ended_us: None,
            exit_code: None,
            standard: [None; 3],
            is_fed: false,
            holds: vec![],
            channels: vec![],
            connections: vec![],
            bound: vec![],
            held: vec![],
            was_looked_at: false,
            read_as_fork: false,
            touches: HashMap::new(),
            is_noted: false,
        }
    }
}

/// Returns for each actor the one that executed the program it runs: itself, or the ancestor it was forked from.
pub(super) fn executors(actors: &[Actor]) -> Vec<Who> {
    let mut executors: Vec<Who> = Vec::with_capacity(actors.len());
    for (index, actor) in actors.iter().enumerate() {
        // A parent is entered before its children.
        let own = index as Who;
        executors.push(match actor.parent {
            Some(parent) if actor.program.is_none() && parent < own => executors[parent as usize],
            _ => own,
        });
    }
    executors
}

/// Those who hold ends of one pipe.
#[derive(Debug, Default)]
struct Pipe {
    writers: Vec<End>,
    readers: Vec<End>,
    /// Hold it as something else than a standard stream, so that its direction is unknown.
    others: Vec<Who>,
    /// Who made it, as far as can be told: the first above its holders that was not born with it.
    maker: Option<Who>,
}

#[derive(Debug, Clone, Copy)]
struct End {
    who: Who,
    /// Somebody writes to it, or has written to it; of readers only.
    is_fed: bool,
    /// It writes files of its own.
    writes_files: bool,
    /// It shares the pipe with who started it and writes files of its own, or is the shell that does so.
    stands_apart: bool,
}

/// What pipes make of processes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Joined {
    /// The first of the group that each actor belongs to.
    pub(super) groups: Vec<Who>,
    /// Who wrote into a pipe that another read, without being one group with it.
    pub(super) feeds: BTreeSet<(Who, Who)>,
}

/// Joins what must be seen as one step: processes that share a pipe, by index of the first of each group.
///
/// What the command was given itself (a terminal's pager) joins nobody; a pipe that leads to no other program leads to who
/// made it. A process that shares a pipe with the one that started it (a loop into a pipe, a script with a log of all it
/// says), or whose output is captured, and that writes files of its own stands apart: else all that a script does would be
/// one step. What it read still went, perhaps, to those at the other end.
pub(super) fn join_by_pipes(actors: &[Actor], executors: &[Who], met: &Meetings) -> Joined {
    let mut leaders: Vec<Who> = (0..actors.len() as Who).collect();
    let mut feeds = BTreeSet::new();
    for (inode, pipe) in pipes(actors, executors, met) {
        let leads_to_one = pipe.leads_to_one();
        let is_captured = leads_to_one && !is_terminal(inode);
        let (from_apart, from) = pipe.writers.iter().partition(|end: &&End| end.is_apart(is_captured));
        let (to_apart, to) = pipe.readers.iter().partition(|end: &&End| end.is_apart(false));
        let [mut from_apart, mut from, mut to_apart, mut to] = [from_apart, from, to_apart, to].map(whose);
        if leads_to_one || is_terminal(inode) {
            let Some(maker) = pipe.maker else { continue };
            if pipe.writers.is_empty() && !is_terminal(inode) {
                let fed = |who: &Who| pipe.readers.iter().any(|end| end.who == *who && end.is_fed);
                to.retain(fed);
                to_apart.retain(fed);
            }
            if pipe.writers.is_empty() {
                from.push(maker);
            } else {
                to.push(maker);
            }
        }
        let members = from.iter().chain(&to).chain(&pipe.others).copied().collect::<BTreeSet<Who>>();
        for who in members.iter().skip(1) {
            join(&mut leaders, *members.first().expect("there is one to skip"), *who);
        }
        // One stands for all that are joined.
        from_apart.extend(members.first().filter(|_| !(from.is_empty() && pipe.others.is_empty())));
        to_apart.extend(members.first().filter(|_| !(to.is_empty() && pipe.others.is_empty())));
        feeds.extend(from_apart.iter().flat_map(|from| to_apart.iter().map(move |to| (*from, *to))));
    }
    let groups: Vec<Who> = (0..actors.len() as Who).map(|own| leader(&mut leaders, own)).collect();
    feeds.retain(|(from, to)| groups[*from as usize] != groups[*to as usize]);
    Joined { groups, feeds }
}

fn whose(ends: Vec<&End>) -> Vec<Who> {
    ends.into_iter().map(|end| end.who).collect()
}

impl End {
    fn is_apart(&self, is_captured: bool) -> bool {
        self.stands_apart || (is_captured && self.writes_files)
    }
}

impl Pipe {
    /// Tells whether only one end of it, or only one program, is known.
    fn leads_to_one(&self) -> bool {
        let holders: BTreeSet<Who> = self.writers.iter().chain(&self.readers).map(|end| end.who).collect();
        let is_one_way = self.writers.is_empty() || self.readers.is_empty() || holders.len() == 1;
        self.others.is_empty() && is_one_way
    }
}

fn pipes(actors: &[Actor], executors: &[Who], met: &Meetings) -> BTreeMap<u64, Pipe> {
    let mut pipes: BTreeMap<u64, Pipe> = BTreeMap::new();
    let mut writes_files = vec![false; actors.len()];
    for (actor, executor) in actors.iter().zip(executors) {
        // What the command itself writes to, as a log that its streams lead to, is no file of the process's own.
        let is_own = |(what, version): &(What, u32)| !actors[0].touches.contains_key(&(*what, *version));
        let mut written = actor.touches.iter().filter(|(_, touch)| touch.written_us.is_some());
        writes_files[*executor as usize] |= written.any(|(key, _)| is_own(key));
    }
    for (index, actor) in actors.iter().enumerate() {
        let who = executors[index];
        let own = actor.standard.iter().enumerate().filter_map(|(slot, channel)| {
            let channel = channel.filter(|channel| channel.sort != ChannelSort::Outside)?;
            let is_shared = channel.sort == ChannelSort::Shared && actor.program.is_some();
            Some((channel.inode, slot, is_shared && writes_files[who as usize]))
        });
        // What a shell reads in a loop is its own, but it hands the other ends to all that it starts.
        let later = actor.holds.iter().map(|(inode, slot)| (*inode, *slot, *slot > 0));
        for (inode, slot, stands_apart) in own.chain(later) {
            let pipe = pipes.entry(inode).or_default();
            let ends = if slot == 0 { &mut pipe.readers } else { &mut pipe.writers };
            if !ends.iter().any(|end| end.who == who) {
                let is_fed = slot == 0 && (actor.is_fed || actor.program.is_none());
                ends.push(End { who, is_fed, writes_files: writes_files[who as usize], stands_apart });
            }
            if pipe.maker.is_none() {
                pipe.maker = maker(actors, executors, index, inode);
            }
        }
        for inode in &actor.channels {
            pipes.entry(*inode).or_default().others.push(who);
        }
    }
    for (number, party) in met.parties.iter().enumerate() {
        let party: BTreeSet<Who> = party.iter().map(|who| executors[*who as usize]).collect();
        pipes.entry(MEETING | number as u64).or_default().others.extend(party);
    }
    pipes
}

/// Climbs from one who holds a pipe to the first who was not born with it.
fn maker(actors: &[Actor], executors: &[Who], holder: usize, inode: u64) -> Option<Who> {
    let mut at = holder;
    loop {
        let actor = &actors[at];
        let is_born_with_it = actor.standard.iter().flatten().any(|channel| channel.inode == inode);
        if actor.program.is_some() && !is_born_with_it {
            return Some(at as Who);
        }
        // A parent is entered before its children.
        let above = if actor.program.is_some() { actor.parent? } else { executors[at] };
        let above = if actors[above as usize].program.is_some() { above } else { executors[above as usize] };
        if above as usize >= at {
            return None;
        }
        at = above as usize;
    }
}

fn join(leaders: &mut [Who], one: Who, other: Who) {
    let (one, other) = (leader(leaders, one), leader(leaders, other));
    leaders[one.max(other) as usize] = one.min(other);
}

fn leader(leaders: &mut [Who], of: Who) -> Who {
    let mut at = of;
    while leaders[at as usize] != at {
        let next = leaders[at as usize];
        leaders[at as usize] = leaders[next as usize];
        at = next;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line: parent (or `-`), whether it executed a program, and its pipes (`0=7` own, `0~7` shared with the parent,
    /// `0^7` from outside, `1+7` held by a fork); then the groups, and who fed whom.
    fn check(text: &str, expected: &[Who], feeds: &[(Who, Who)]) {
        let actors: Vec<Actor> = text
            .lines()
            .map(|line| {
                let mut words = line.split_whitespace();
                let parent = words.next().and_then(|word| word.parse().ok());
                let mut actor = Actor::new(1, parent, 0);
                if words.next() == Some("exec") {
                    actor.program = Some(Program {
                        exe: PathBuf::new(),
                        arguments: vec![],
                        arguments_were_cut: false,
                        folder: PathBuf::new(),
                    });
                }
                for word in words {
                    match word {
                        "fed" => actor.is_fed = true,
                        "writes" => {
                            let touch = Touch { written_us: Some(1), ..Touch::default() };
                            actor.touches.insert((0, 0), touch);
                        }
                        word => {
                            let sign = word.find(['=', '~', '^', '+']).unwrap();
                            let slot: usize = word[..sign].parse().unwrap();
                            let inode = word[sign + 1..].parse().unwrap();
                            let sort = match &word[sign..=sign] {
                                "=" => ChannelSort::Own,
                                "~" => ChannelSort::Shared,
                                "^" => ChannelSort::Outside,
                                _ => {
                                    actor.holds.push((inode, slot));
                                    continue;
                                }
                            };
                            actor.standard[slot] = Some(Channel { inode, sort });
                        }
                    }
                }
                actor
            })
            .collect();
        let executors = executors(&actors);
        let joined = join_by_pipes(&actors, &executors, &Meetings::default());
        assert_eq!(joined.groups, expected, "{text}");
        assert_eq!(joined.feeds.into_iter().collect::<Vec<_>>(), feeds, "{text}");
    }

    #[test]
    fn the_members_of_a_pipeline_are_one_group_without_their_shell() {
        check("- exec\n0 exec 1=7\n0 exec 0=7 1=8\n0 exec 0=8\n0 exec", &[0, 1, 1, 1, 4], &[]);
    }

    #[test]
    fn a_pipe_from_outside_joins_nobody() {
        check("- exec 1^7\n0 exec 1^7\n0 exec 1^7", &[0, 1, 2], &[]);
    }

    #[test]
    fn readers_of_a_pipe_without_a_writer_are_not_joined() {
        check("- exec\n0 exec 0=7\n0 exec 0=7", &[0, 1, 2], &[]);
        check("- exec\n0 exec fed 0=7", &[0, 0], &[]);
    }

    #[test]
    fn a_captured_command_is_one_group_with_its_parent() {
        check("- exec\n0 exec 1=7\n0 exec", &[0, 0, 2], &[]);
        check("- exec\n0 fork\n1 exec 1=7", &[0, 1, 0], &[]);
    }

    #[test]
    fn a_captured_command_that_writes_files_is_apart_and_feeds_its_parent() {
        check("- exec\n0 exec 1=7 writes\n0 exec 1=8 writes", &[0, 1, 2], &[(1, 0), (2, 0)]);
        // What it is fed with comes from its parent, which waits for the answer.
        check("- exec\n0 exec fed 0=7 1=8 writes", &[0, 0], &[]);
    }

    #[test]
    fn what_a_loop_writes_into_a_pipe_reaches_its_reader() {
        check("- exec\n0 fork\n1 exec 1~7\n1 exec 1~7\n0 exec 0=7", &[0, 1, 2, 2, 2], &[]);
        // Perhaps the sub-shell itself writes too.
        check("- exec\n0 fork 1+7\n1 exec 1~7\n0 exec 0=7", &[0, 1, 2, 2], &[(0, 2)]);
    }

    #[test]
    fn all_commands_of_a_captured_script_are_captured() {
        check("- exec\n0 exec 1=7\n1 exec 1~7\n1 exec 1~7", &[0, 0, 0, 0], &[]);
        check("- exec\n0 fork\n1 exec 1~7", &[0, 1, 0], &[]);
    }

    #[test]
    fn commands_of_a_script_with_a_log_stay_steps_of_their_own() {
        check(
            "- exec\n0 exec 1=7\n1 exec 1~7 writes\n1 exec 1~7 writes\n0 exec 0=7",
            &[0, 1, 2, 3, 1],
            &[(2, 1), (3, 1)],
        );
        check("- exec\n0 exec 1=7\n1 exec 1~7 writes", &[0, 0, 2], &[(2, 0)]);
        check(
            "- exec\n0 exec 1=7\n0 fork\n2 exec 0~7 writes\n2 exec 0~7 writes",
            &[0, 1, 2, 3, 4],
            &[(1, 3), (1, 4)],
        );
    }

    #[test]
    fn a_terminal_of_the_run_leads_to_who_made_it() {
        let terminal = TERMINAL | 3;
        check(&format!("- exec 0^5\n0 exec 0={terminal} 1={terminal}\n1 exec 1~{terminal}"), &[0, 0, 0], &[]);
    }
}
