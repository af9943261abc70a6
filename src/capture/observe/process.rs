//! The processes of a run: one entry per program that was executed, and one per fork until it executes one.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::Channel;
use super::body::Who;
use super::ledger::{Touch, What};

/// What a process was told to run.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) exe: PathBuf,
    pub(super) arguments: Vec<OsString>,
    pub(super) arguments_were_cut: bool,
    pub(super) folder: PathBuf,
}

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
    /// Its parent can write to its standard input.
    pub(super) is_fed: bool,
    /// Other pipes and sockets it was given, and pipes with names it opened, by inode.
    pub(super) channels: Vec<u64>,
    pub(super) touches: HashMap<(What, u32), Touch>,
}

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
            channels: vec![],
            touches: HashMap::new(),
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
    writers: Vec<Who>,
    readers: Vec<Who>,
    /// Hold it as something else than a standard stream, so that its direction is unknown.
    others: Vec<Who>,
}

/// Joins what must be seen as one step: processes that share a pipe, by index of the first of each group.
///
/// A pipe that a process has as its parent has it (a terminal's pager, a loop's input) joins nobody; a pipe
/// of its own that leads to no other program leads to its parent.
pub(super) fn groups(actors: &[Actor], executors: &[Who]) -> Vec<Who> {
    let mut leaders: Vec<Who> = (0..actors.len() as Who).collect();
    for pipe in pipes(actors, executors).values() {
        let Pipe { writers, readers, others } = pipe;
        let mut members: Vec<Who> = [&writers[..], readers, others].concat();
        members.sort_unstable();
        members.dedup();
        let is_one_way = others.is_empty() && (writers.is_empty() || readers.is_empty());
        if is_one_way {
            let from_parent = |who: &&Who| !writers.is_empty() || actors[**who as usize].is_fed;
            for who in members.iter().filter(from_parent) {
                if let Some(parent) = actors[*who as usize].parent {
                    join(&mut leaders, *who, executors[parent as usize]);
                }
            }
        } else {
            for pair in members.windows(2) {
                join(&mut leaders, pair[0], pair[1]);
            }
        }
    }
    (0..actors.len() as Who).map(|own| leader(&mut leaders, own)).collect()
}

fn pipes(actors: &[Actor], executors: &[Who]) -> HashMap<u64, Pipe> {
    let mut pipes: HashMap<u64, Pipe> = HashMap::new();
    for (index, actor) in actors.iter().enumerate() {
        let own = executors[index];
        for (slot, channel) in actor.standard.iter().enumerate() {
            let Some(channel) = channel.filter(|channel| !channel.inherited) else {
                continue;
            };
            let pipe = pipes.entry(channel.inode).or_default();
            if slot == 0 { &mut pipe.readers } else { &mut pipe.writers }.push(own);
        }
        for inode in &actor.channels {
            pipes.entry(*inode).or_default().others.push(own);
        }
    }
    pipes
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

    /// Each line: parent (or `-`), whether it executed a program, and its pipes (`0=7` own, `0~7` inherited).
    fn check(text: &str, expected: &[Who]) {
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
                    if word == "fed" {
                        actor.is_fed = true;
                        continue;
                    }
                    let inherited = word.contains('~');
                    let (slot, inode) = word.split_once(['=', '~']).unwrap();
                    let channel = Channel { inode: inode.parse().unwrap(), inherited };
                    actor.standard[slot.parse::<usize>().unwrap()] = Some(channel);
                }
                actor
            })
            .collect();
        let executors = executors(&actors);
        assert_eq!(groups(&actors, &executors), expected, "{text}");
    }

    #[test]
    fn the_members_of_a_pipeline_are_one_group_without_their_shell() {
        check("- exec\n0 exec 1=7\n0 exec 0=7 1=8\n0 exec 0=8\n0 exec", &[0, 1, 1, 1, 4]);
    }

    #[test]
    fn a_pipe_that_everybody_inherits_joins_nobody() {
        check("- exec 1~7\n0 exec 1~7\n0 exec 1~7", &[0, 1, 2]);
    }

    #[test]
    fn readers_of_a_pipe_without_a_writer_are_not_joined() {
        check("- exec\n0 exec 0=7\n0 exec 0=7", &[0, 1, 2]);
        check("- exec\n0 exec fed 0=7", &[0, 0]);
    }

    #[test]
    fn a_captured_command_is_one_group_with_its_parent() {
        check("- exec\n0 exec 1=7\n0 exec", &[0, 0, 2]);
        check("- exec\n0 fork\n1 exec 1=7", &[0, 1, 0]);
    }
}
