//! Observes a command: which processes it ran, and which files they read and wrote.
//!
//! On Linux every call that names a file is stopped by seccomp before it happens (the net): whatever the
//! language, static or not, threads, daemons, 32-bit programs. So the bytes that a call is about to destroy
//! can be read before they are gone. The kernel gives it to one observer alone: a command inside of one that
//! is observed is seen by whoever has it, who tells. Where the net cannot be had, what stands in some folders
//! before and after the command is compared (the snapshot).

#[cfg(target_os = "linux")]
mod acts;
#[cfg(target_os = "linux")]
mod assemble;
#[cfg(target_os = "linux")]
mod body;
#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod checkpoint;
#[cfg(target_os = "linux")]
mod closings;
mod digest;
#[cfg(target_os = "linux")]
mod early;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod filter;
#[cfg(target_os = "linux")]
mod finish;
#[cfg(target_os = "linux")]
mod folders;
#[cfg(target_os = "linux")]
mod forks;
#[cfg(target_os = "linux")]
mod guarded;
#[cfg(target_os = "linux")]
mod handles;
#[cfg(target_os = "linux")]
mod holders;
#[cfg(target_os = "linux")]
mod idle;
#[cfg(target_os = "linux")]
mod input;
#[cfg(target_os = "linux")]
mod ledger;
#[cfg(target_os = "linux")]
mod links;
#[cfg(target_os = "linux")]
mod listeners;
#[cfg(target_os = "linux")]
mod mounts;
#[cfg(target_os = "linux")]
mod nameless;
#[cfg(target_os = "linux")]
mod names;
#[cfg(target_os = "linux")]
mod net;
#[cfg(target_os = "linux")]
mod outsiders;
#[cfg(target_os = "linux")]
mod pending;
#[cfg(target_os = "linux")]
mod pipes;
#[cfg(target_os = "linux")]
mod place;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod programs;
#[cfg(target_os = "linux")]
mod read_on;
#[cfg(target_os = "linux")]
mod readers;
mod refusal;
#[cfg(target_os = "linux")]
mod relay;
#[cfg(target_os = "linux")]
mod reply;
#[cfg(target_os = "linux")]
mod rescue;
mod snapshot;
#[cfg(target_os = "linux")]
mod sockets;
mod stamp;
#[cfg(target_os = "linux")]
mod stand_ins;
#[cfg(target_os = "linux")]
mod start;
#[cfg(target_os = "linux")]
mod sys;
#[cfg(target_os = "linux")]
mod ticks;
#[cfg(all(test, target_os = "linux"))]
mod torture;
#[cfg(target_os = "linux")]
mod tracee;

use std::ffi::OsString;
use std::fs::File as OpenFile;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use digest::Digest;
pub use refusal::Refusal;
pub use stamp::Stamp;

/// Tables that are asked many times at each stopped call, by numbers and paths that the command chooses for itself alone: there is
/// nobody to be guarded against, and a hash that guards takes a good part of what is done at a call.
#[cfg(target_os = "linux")]
type Map<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;
#[cfg(target_os = "linux")]
type Set<T> = std::collections::HashSet<T, foldhash::fast::RandomState>;

/// How a command is to be observed. Everything it needs from outside stands here.
pub struct Options<'a> {
    /// The program and its arguments; the program is searched in the `PATH` of [`Options::environment`].
    pub arguments: Vec<OsString>,
    /// The working directory of the command; absolute.
    pub folder: PathBuf,
    /// The whole environment of the command.
    pub environment: Vec<(OsString, OsString)>,
    /// What its standard streams lead to, by their numbers; `None`: where those of this process lead.
    pub streams: [Option<&'a OpenFile>; 3],
    /// The only rung to try; `None`: the best that can be had.
    pub level: Option<Level>,
    /// Lets the command use io_uring, which nobody can see into, instead of telling it that there is none.
    pub allow_io_uring: bool,
    /// Pre-images up to this size, in bytes, are handed out to be kept.
    pub pre_image_max_bytes: u64,
    /// Files above this size, in bytes, are not read while a call waits that writes over them or removes them.
    pub waited_for_max_bytes: u64,
    /// Tells which files are to be hashed, by path.
    pub is_wanted: &'a dyn Fn(&Path) -> bool,
    /// Returns the digest of a file with this stamp, where it is known from before.
    pub known_digest: &'a dyn Fn(&Stamp) -> Option<Digest>,
    /// Tells, of a file that is being opened to be read, which other file it stands for, if it does; it must not take long.
    pub stands_for: &'a dyn Fn(&Path) -> Option<StoodFor>,
    /// Is told the digest of each file that was read for it after the command had ended, and when reading began, in
    /// nanoseconds since 1970 by the kernel's clock.
    pub learned_digest: &'a dyn Fn(&Stamp, &Digest, i64),
    /// Who takes the bytes of small files that were read, while the command goes on.
    pub hand_out: Option<&'a HandOut<'a>>,
    /// The folders to compare where the net cannot be had, as real paths; and those below which links that a path leads through are
    /// read with the file.
    pub roots: Vec<PathBuf>,
    /// Tells which files and folders below the roots are not to be compared.
    pub is_skipped: &'a dyn Fn(&Path) -> bool,
    /// A folder in which the command may change nothing.
    pub only_read: Option<OnlyRead>,
    /// How long to go on watching processes that the command has left behind.
    pub linger: Duration,
    /// Hands signals that are sent to this process alone on to the command, and does not die of them. Changes
    /// how the whole process takes signals while the command runs. Of several commands that run at once, each gets them.
    pub forward_signals: bool,
    /// What to do once, when the command has run for a while; it must not take long.
    pub after: Option<(Duration, &'a dyn Fn())>,
    /// Where what is known is written down while the command runs, so that it does not end with this process.
    pub checkpoints: Option<&'a Checkpoints<'a>>,
    /// Returns the time in microseconds since 1970.
    pub clock: &'a dyn Fn() -> i64,
}

/// Taking the bytes of files that were read: should somebody outside replace one, they are nowhere else.
pub struct HandOut<'a> {
    /// Tells whether those of a file are wanted, by its path, its size and its digest where that is known; it must not take long.
    pub wants: &'a dyn Fn(&Path, u64, Option<Digest>) -> bool,
    /// Takes them; it must not take long.
    pub take: &'a dyn Fn(&Path, &Digest, Vec<u8>),
}

/// A file that is as good as read with another one, which was made from it and is read in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoodFor {
    /// Where it lies.
    pub path: PathBuf,
    /// What lies there is what the other one was made from.
    pub is_as_made: bool,
}

/// When checkpoints are made of what is known of a command that runs, and who takes them. To make them takes one part in a hundred
/// of the time at most, and nothing where nothing has changed.
pub struct Checkpoints<'a> {
    /// How long a command must run before there is one.
    pub first: Duration,
    /// How long there is none after one, at the least.
    pub apart: Duration,
    /// Tells whether one can be taken now.
    pub is_ready: &'a dyn Fn() -> bool,
    /// Takes one, which says what has become known since the one before; it must not take long.
    pub take: &'a dyn Fn(Vec<u8>),
}

/// A folder that is only read, as far as the net holds.
#[derive(Debug, Clone)]
pub struct OnlyRead {
    /// The folder, absolute and free of symbolic links.
    pub folder: PathBuf,
    /// What may be changed in it all the same, as paths from there.
    pub except: Vec<PathBuf>,
}

impl<'a> Options<'a> {
    /// Returns options for a command, with nothing left out: every file is hashed, nothing is skipped.
    pub fn new(arguments: Vec<OsString>, folder: PathBuf, clock: &'a dyn Fn() -> i64) -> Options<'a> {
        Options {
            arguments,
            folder,
            environment: vec![],
            streams: [None; 3],
            level: None,
            allow_io_uring: false,
            pre_image_max_bytes: 1 << 20,
            waited_for_max_bytes: 1 << 30,
            is_wanted: &|_| true,
            known_digest: &|_| None,
            stands_for: &|_| None,
            learned_digest: &|_, _, _| {},
            hand_out: None,
            roots: vec![],
            is_skipped: &|_| false,
            only_read: None,
            linger: Duration::from_secs(1),
            forward_signals: false,
            after: None,
            checkpoints: None,
            clock,
        }
    }
}

/// How completely a command was observed, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Every call that names a file was seen.
    Net,
    /// Files before and after were compared; what was read is unknown.
    Snapshot,
    /// Nothing was observed but the command's end.
    Nothing,
}

/// How the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It returned this code.
    Code(i32),
    /// This signal ended it.
    Signal {
        /// Number of the signal.
        number: i32,
        /// It left a core dump.
        dumped_core: bool,
    },
    /// That could not be learned: somebody else in this process, or the kernel for it, has asked for the ends of all its children.
    Unknown,
}

impl Exit {
    /// Tells whether it ended by a signal for a fault of its own, and was not ended by somebody. To print on when whoever reads that
    /// has gone is one.
    pub fn is_fault(self) -> bool {
        const FAULTS: [i32; 10] = [
            libc::SIGABRT,
            libc::SIGBUS,
            libc::SIGFPE,
            libc::SIGILL,
            libc::SIGPIPE,
            libc::SIGSEGV,
            libc::SIGSYS,
            libc::SIGTRAP,
            libc::SIGXCPU,
            libc::SIGXFSZ,
        ];
        matches!(self, Exit::Signal { number, .. } if FAULTS.contains(&number))
    }
}

/// One end of a pipe or socket, or a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channel {
    /// Inode; both ends of a pipe have the same.
    pub inode: u64,
    /// Where it came from.
    pub sort: ChannelSort,
}

/// Where a process has a pipe, a socket or a terminal from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelSort {
    /// The command was given it by whoever started it.
    Outside,
    /// Who started the process has the same at the same place.
    Shared,
    /// It was made for the process.
    Own,
}

impl Channel {
    /// It is a terminal, and neither a pipe nor a socket.
    pub fn is_terminal(&self) -> bool {
        self.inode & TERMINAL != 0
    }
}

/// Marks the inode of a terminal, which is counted apart from those of pipes and sockets.
const TERMINAL: u64 = 1 << 63;

/// What one process did with one version of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Index in [`Observation::files`].
    pub file: usize,
    /// Index in [`File::versions`].
    pub version: usize,
    /// First read, in microseconds since 1970.
    pub read_us: Option<i64>,
    /// Last opening for writing (or renaming, or linking), in microseconds since 1970.
    pub written_us: Option<i64>,
    /// It was opened more than once to be read; not known where the checkpoints alone tell of the command.
    pub was_read_again: bool,
    /// It ran as a program, or as the interpreter of one.
    pub was_executed: bool,
    /// Its bytes were only added to, or written over in part: none of them were read.
    pub was_only_kept: bool,
    /// It was read only in so far as it got another name: see [`Process::namings`].
    pub was_only_named_from: bool,
    /// It was written only in so far as something got its name.
    pub was_only_named_to: bool,
    /// How they were read; says nothing if nothing was read.
    pub reading: Reading,
    /// Whether the bytes read are those of the version; says nothing if nothing was read.
    pub fit: Fit,
    /// When anything of the file had changed last before it was read, in nanoseconds since 1970 by the clock that stamps it, which
    /// runs in ticks; of bytes that the run did not write, where a file system of this machine says so.
    pub unchanged_since_ns: Option<i64>,
}

impl Access {
    /// Returns true where its bytes were read, or kept as a part of others; to give something another name is neither.
    pub fn read(&self) -> bool {
        self.read_us.is_some() && !self.was_only_named_from
    }

    /// Returns true where it was opened for writing.
    pub fn wrote(&self) -> bool {
        self.written_us.is_some() && !self.was_only_named_to
    }
}

/// How a process came by what a file says; the best way of several counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reading {
    /// It opened the file.
    #[default]
    Opened,
    /// It opened another one, which was made from this one and stands for it.
    StandIn,
    /// It had opened the file before, and may have read on when others wrote into it.
    KeptOpen,
    /// As [`Reading::StandIn`], but the other one may have been made from other bytes.
    DoubtfulStandIn,
}

/// Whether the bytes that a process could read are those that were hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// Identity, size and times were the same when it was opened and when it was hashed.
    Same,
    /// Only the time of the last change of attributes differs, or the times are too coarse to be sure.
    Likely,
    /// The file changed in between; which bytes were read is unknown.
    Changed,
}

/// One program that ran in one process.
#[derive(Debug, Clone)]
pub struct Process {
    /// Process id; several entries have the same if one program replaced another (`exec`).
    pub pid: i32,
    /// Index of the process that started it.
    pub parent: Option<usize>,
    /// The program file, as this process sees it.
    pub exe: PathBuf,
    /// Its arguments, the first being its name for itself.
    pub arguments: Vec<OsString>,
    /// There were more arguments than are kept (64 KiB).
    pub arguments_were_cut: bool,
    /// Its working directory at the start.
    pub folder: PathBuf,
    /// When its program began, in microseconds since 1970.
    pub started_us: i64,
    /// Until when who started it may have told it something: its start, or a moment later, when its standard input was found to be
    /// filled and closed.
    pub told_us: i64,
    /// When it ended or was replaced, in microseconds since 1970; `None` if nobody saw (it was killed, or still runs).
    pub ended_us: Option<i64>,
    /// The code it returned; `None` if it was replaced, killed, or still runs.
    pub exit_code: Option<i32>,
    /// Pipes, sockets and terminals at standard input, output and error.
    pub standard: [Option<Channel>; 3],
    /// Index of the first process of those it exchanged data with through pipes: together they are one step.
    pub group: usize,
    /// Indexes of those whose bytes may have come to it through pipes, although they are no one step with it.
    pub fed_by: Vec<usize>,
    /// Those of them who made the pipe for it and alone can have written into it.
    pub poured_by: Vec<usize>,
    /// Where bytes may have come to it from outside the run, and since when, in microseconds since 1970, with what forks of it did
    /// that ran no program of their own: `tcp://127.0.0.1:80` and `unix:///s`, which it connected to, or waited at for others,
    /// and [`GIVEN_PIPE`] with a number.
    pub connections: Vec<(String, i64)>,
    /// What it, and forks of it that ran no program of their own, read and wrote; by file and version.
    pub accesses: Vec<Access>,
    /// What they gave other names, in the order of time: each is an access to both as well.
    pub namings: Vec<Naming>,
    /// What they took away and nobody put there again, in the order of the files.
    pub removals: Vec<Removal>,
}

/// Something that lay under one name was given another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Naming {
    /// File and version under the name before.
    pub from: (usize, usize),
    /// File and version under the name since.
    pub to: (usize, usize),
    /// When, in microseconds since 1970.
    pub us: i64,
    /// It has both names since.
    pub is_link: bool,
    /// Index of the process that made the file, where one of the run did: what was done with it is entered under its last name.
    pub maker: Option<usize>,
}

/// A file was removed, or went on under another name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    /// Index in [`Observation::files`].
    pub file: usize,
    /// Index in [`File::versions`]: what stood there last.
    pub version: usize,
    /// When, in microseconds since 1970.
    pub us: i64,
}

/// What became of a file in the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Stood there before, or was put there by somebody outside, and was only read.
    Input,
    /// Written, and there at the end.
    Output,
    /// Stood there before, was read, and was changed.
    Updated,
    /// Written, then read by another process of the run, and there at the end.
    Intermediate,
    /// Written, and gone at the end.
    Temporary,
    /// Stood there before, and is gone.
    Deleted,
    /// Opened for writing or to be given another name, but neither read nor changed.
    Untouched,
}

/// What a version's bytes are known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// Hashed after the command had ended.
    Hashed,
    /// Hashed while the call that was about to destroy them waited.
    PreImage,
    /// Known from before by their stamp.
    Known,
    /// Not hashed: not wanted.
    StampOnly,
    /// Could not be read.
    Unreadable,
    /// Were gone before anybody but their writer had read them, or anybody could in good time.
    Lost,
    /// Found by comparing before and after.
    Inferred,
}

/// Digest and size of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// Digest of the bytes; of the target's text for a symbolic link.
    pub digest: Digest,
    /// Size in bytes.
    pub size_bytes: u64,
}

/// What stood in a file for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// False for what stood there before the run.
    pub was_written: bool,
    /// The bytes, if they are known.
    pub content: Option<Content>,
    /// How they are known, or why not.
    pub evidence: Evidence,
    /// Identity, size and times when they were last seen; `None` if they were not.
    pub stamp: Option<Stamp>,
    /// When what stood there was given this name, in microseconds since 1970; `None` where the run did not give it.
    pub named_us: Option<i64>,
    /// When they were written for the last time; `None` where that is not known, or they were not written.
    pub last_change: Option<LastChange>,
}

/// When the bytes of a version were written for the last time, as far as their file system says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastChange {
    /// Not later than that, in nanoseconds since 1970 by the clock that stamps files.
    pub file_ns: i64,
    /// What was opened at this time or later had no part in it, in microseconds since 1970 by the run's clock.
    pub over_us: i64,
    /// By when nobody had it open for writing any more, by the same clock, where that was seen.
    pub rest_us: Option<i64>,
}

/// One path and what stood there in the course of the run.
#[derive(Debug, Clone)]
pub struct File {
    /// Path as this process sees it; the last one, if the run made the file under another name.
    pub path: PathBuf,
    /// What became of it.
    pub class: Class,
    /// It stood there before the run.
    pub existed: bool,
    /// It stands there at the end.
    pub exists: bool,
    /// It is a symbolic link, and its content is the text of its target.
    pub is_link: bool,
    /// Oldest first; at least one.
    pub versions: Vec<Version>,
}

impl File {
    /// Returns what stood there before the run, or was put there from outside before the run touched it.
    pub fn before(&self) -> Option<&Version> {
        self.versions.first().filter(|version| !version.was_written)
    }

    /// Returns what stands there at the end.
    pub fn after(&self) -> Option<&Version> {
        self.versions.last().filter(|_| self.exists)
    }
}

/// Something that could not be seen, as a sentence for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// What it is about.
    pub sort: GapSort,
    /// The sentence, without a full stop.
    pub text: String,
    /// How often it happened.
    pub count: u64,
}

/// What a gap is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GapSort {
    /// Something could not be seen.
    Unseen,
    /// The command was refused what could not have been seen.
    Denied,
    /// A process of the command goes on.
    StillRunning,
    /// What a file held was written over, replaced or removed before anybody knew its bytes.
    Overwritten,
}

/// How a pipe is named, among connections, that somebody outside the run has given to the command; its number follows.
pub const GIVEN_PIPE: &str = "pipe:";

/// What was seen of a command.
#[derive(Debug, Clone)]
pub struct Observation {
    /// How completely.
    pub level: Level,
    /// How the command ended.
    pub exit: Exit,
    /// Until the command's end, or the patience with what it left behind; otherwise what came after [`Observation::ended_us`] is not
    /// known.
    pub is_whole: bool,
    /// When it started, in microseconds since 1970.
    pub started_us: i64,
    /// When it ended, in microseconds since 1970; processes it left behind may have gone on.
    pub ended_us: i64,
    /// Programs in the order in which they began; the first is the command itself. Empty without the net.
    pub processes: Vec<Process>,
    /// Files in the order of their paths.
    pub files: Vec<File>,
    /// What could not be seen, or was refused to the command so that it could be.
    pub gaps: Vec<Gap>,
    /// Addresses that were connected to, at most 256.
    pub connections: Vec<String>,
    /// Bytes came to its standard input from outside the run, through a pipe or a socket.
    pub had_input: bool,
    /// Files that one process made and removed, which are not listed.
    pub private_temporaries: u64,
    /// How many calls were stopped.
    pub traps: u64,
}

/// Finds out whether a command can be started, and starts nothing.
///
/// # Errors
/// Where it cannot, with the exit code a shell would give.
pub fn may_start(options: &Options<'_>) -> Result<(), Refusal> {
    refusal::find_program(options).map(drop)
}

/// Runs a command to its end and returns what it did; `keep` gets the bytes of small files that are about to be destroyed.
///
/// Nothing is printed, standard streams and signals are the command's own, and once it has started no
/// failure to observe stops it: it is said in `Observation::gaps`. While it runs, processes it leaves behind
/// become children of this process.
///
/// # Errors
/// Only if the command could not be started, with the exit code a shell would give.
pub fn observe(
    options: &Options<'_>,
    keep: &mut dyn FnMut(&Path, &Digest, Vec<u8>),
) -> Result<Observation, Refusal> {
    #[cfg(target_os = "linux")]
    return start::observe(options, keep);
    #[cfg(not(target_os = "linux"))]
    return elsewhere::observe(options, keep);
}

/// What the checkpoints of a run tell.
#[derive(Debug)]
pub struct Recovered {
    /// What was seen until the last of them; [`Observation::exit`] means something only where [`Recovered::exit`] does.
    pub observation: Observation,
    /// How the command ended, where that was seen.
    pub exit: Option<Exit>,
    /// When the last of them was made, in microseconds since 1970.
    pub until_us: i64,
}

/// Reads checkpoints in the order in which they were made, as far as they can be read; `None` where there is none.
///
/// The files that the run read and wrote are looked at, and those that stand as they stood are read.
pub fn recover(options: &Options<'_>, parts: &mut dyn Iterator<Item = &[u8]>) -> Option<Recovered> {
    #[cfg(target_os = "linux")]
    return checkpoint::recover(options, parts);
    #[cfg(not(target_os = "linux"))]
    return elsewhere::recover(options, parts);
}
