//! The processes of a run: one entry per program that was executed, and one per fork until it executes one.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::body::Who;
use super::checkpoint::{Noted, Record, choice, record};
use super::ledger::{Touch, What};
use super::relay::Held;
use super::{Channel, Map};
use crate::capture::secrets;
use crate::model::recorded_word;

/// What a process was told to run.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) exe: PathBuf,
    pub(super) arguments: Vec<OsString>,
    pub(super) arguments_were_cut: bool,
    pub(super) folder: PathBuf,
}

impl Record for Program {
    fn put(&self, out: &mut Vec<u8>) {
        self.exe.put(out);
        // What is written down lies on the disk as long as the run goes on, and in copies of it.
        without_secrets(&self.arguments).put(out);
        self.arguments_were_cut.put(out);
        self.folder.put(out);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        Some(Program {
            exe: Record::take(bytes)?,
            arguments: Record::take(bytes)?,
            arguments_were_cut: Record::take(bytes)?,
            folder: Record::take(bytes)?,
        })
    }
}

impl Program {
    /// Tells whether it is a shell whose whole command begins with a word: `sh -c 'gzip > x'`, as other programs start a line.
    pub(super) fn is_given_only(&self, word: &OsStr) -> bool {
        let name = self.exe.file_name().unwrap_or_default();
        let [_, option, line] = &self.arguments[..] else { return false };
        let first = line.as_encoded_bytes().trim_ascii_start();
        let first = first.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        name.as_encoded_bytes().ends_with(b"sh") && option == "-c" && first == word.as_encoded_bytes()
    }
}

/// Masks credentials among arguments as a record does.
fn without_secrets(arguments: &[OsString]) -> Vec<OsString> {
    let words: Vec<String> = arguments.iter().map(recorded_word).collect();
    let masked = secrets::masked(&words);
    let each = arguments.iter().zip(words.iter().zip(masked));
    each.map(|(argument, (word, masked))| if *word == masked { argument.clone() } else { masked.into() })
        .collect()
}

/// An end of a pipe that is none of the standard streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HeldEnd {
    pub(super) inode: u64,
    pub(super) direction: Direction,
    /// It was born with it; else it opened it by a name.
    pub(super) is_born: bool,
    /// It was born with it, and who started it has it at the same place: nobody can tell which of them it is for.
    pub(super) is_shared: bool,
}

record!(HeldEnd { inode, direction, is_born, is_shared });

/// What can be done with an end of a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Reads,
    Writes,
    Both,
}

choice!(Direction { Reads = 0, Writes = 1, Both = 2 });

impl Direction {
    /// Returns it for an end that can be read, written, or both.
    pub(super) fn of(reads: bool, writes: bool) -> Self {
        match (reads, writes) {
            (true, false) => Direction::Reads,
            (false, true) => Direction::Writes,
            _ => Direction::Both,
        }
    }
}

/// One program in one process, or a fork that has not executed a program of its own.
#[derive(Debug)]
pub(super) struct Actor {
    pub(super) pid: i32,
    pub(super) parent: Option<Who>,
    pub(super) program: Option<Program>,
    pub(super) started_us: i64,
    /// Until when who started it may have told it something: its start, or when its standard input was found to be filled and
    /// closed.
    pub(super) told_us: i64,
    /// Last sign of life.
    pub(super) seen_us: i64,
    pub(super) ended_us: Option<i64>,
    pub(super) exit_code: Option<i32>,
    /// Standard input, output and error when the program began.
    pub(super) standard: [Option<Channel>; 3],
    /// Somebody may still write to its standard input when the program begins.
    pub(super) is_fed: bool,
    /// Standard streams that it came to have later, or that it has as a fork: inode and number of the stream.
    pub(super) holds: Vec<(u64, usize)>,
    /// Other sockets it was given, by inode; memory and queues that it shares with others, and pipes that others took from it.
    pub(super) channels: Vec<u64>,
    /// Other ends of pipes that it was given, and those that it opened by a name.
    pub(super) ends: Vec<HeldEnd>,
    /// Addresses it connected to, and when: for the first time, and for the last, if there was more than one.
    pub(super) connections: Vec<(String, i64)>,
    /// Addresses at which it waited for others, and since when.
    pub(super) bound: Vec<(String, i64)>,
    /// Files that were open for writing when the program began.
    pub(super) held: Vec<Held>,
    /// Whom it may have heard through files without a name.
    pub(super) heard: Vec<Who>,
    /// A file, and its version, that its standard input leads to as that of who started it does, none of it read before.
    pub(super) input: Option<(What, u32)>,
    /// Of a fork: its standard streams were looked at.
    pub(super) was_looked_at: bool,
    /// Of a fork: the files that it had open for writing when it was looked at.
    pub(super) lent: Vec<What>,
    /// Of a fork: it had pipes or sockets then, beside its standard streams, that whoever forked it may have, too.
    pub(super) talks: bool,
    /// Of a fork: it counts as a process of its own.
    pub(super) is_apart: bool,
    /// It was a fork that read something before it ran its program.
    pub(super) read_as_fork: bool,
    pub(super) touches: Map<(What, u32), Touch>,
    pub(super) noted: Noted,
}

record!(Actor {
    pid, parent, program, started_us, told_us, seen_us, ended_us, exit_code, standard, is_fed, holds, channels, ends,
    connections, bound, held, heard, read_as_fork, lent, talks;
    input, was_looked_at, is_apart, touches, noted
});

impl Actor {
    pub(super) fn new(pid: i32, parent: Option<Who>, us: i64) -> Actor {
        Actor {
            pid,
            parent,
            program: None,
            started_us: us,
            told_us: us,
            seen_us: us,
            ended_us: None,
            exit_code: None,
            standard: [None; 3],
            is_fed: false,
            holds: vec![],
            channels: vec![],
            ends: vec![],
            connections: vec![],
            bound: vec![],
            held: vec![],
            heard: vec![],
            input: None,
            was_looked_at: false,
            lent: vec![],
            talks: false,
            is_apart: false,
            read_as_fork: false,
            touches: Map::default(),
            noted: Noted::default(),
        }
    }
}

impl Actor {
    /// Tells whether it writes files of its own: what the command itself writes to, as a log that its streams lead to, is none.
    pub(super) fn writes_besides(&self, command: &Actor) -> bool {
        let mut written = self.touches.iter().filter(|(_, touch)| touch.written_us.is_some());
        written.any(|(key, _)| !command.touches.contains_key(key))
    }

    /// Tells whether it had an end of a pipe when its program began.
    pub(super) fn is_born_with(&self, inode: u64) -> bool {
        let mut standard = self.standard.iter().flatten();
        standard.any(|channel| channel.inode == inode)
            || self.ends.iter().any(|end| end.is_born && end.inode == inode)
    }
}

/// Returns for each actor the one that stands for it: itself, if it executed a program or is a fork that counts as a process of its
/// own, or the ancestor it was forked from.
pub(super) fn executors(actors: &[Actor]) -> Vec<Who> {
    let mut executors: Vec<Who> = Vec::with_capacity(actors.len());
    for (index, actor) in actors.iter().enumerate() {
        // A parent is entered before its children.
        let own = index as Who;
        executors.push(match actor.parent {
            Some(parent) if actor.program.is_none() && !actor.is_apart && parent < own => {
                executors[parent as usize]
            }
            _ => own,
        });
    }
    executors
}
