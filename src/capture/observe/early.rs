//! Digests of what was read, taken while the command goes on: of a file that somebody outside replaces or removes later, these are
//! the bytes that were read, and nothing else is left of them.
//!
//! What is small is handed out as well, where that is wanted, so that it can be kept.
//!
//! The work is the same as at the end, where it is not done again; it begins only when a command has run for a while, on one
//! thread that lets all others go first.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::body::Bytes;
use super::digest::{self, Read};
use super::finish::Task;
use super::ledger::What;
use super::net::{Net, open_same};
use super::sys;
use crate::digests::kernel_time_ns;

/// How soon after a file was first read its digest is taken.
const DELAY: Duration = Duration::from_millis(250);
/// As often is looked how far the work has come.
const PAUSE: Duration = Duration::from_millis(100);
/// Larger files are left for the end: what trains for hours on them should not wait for the disk with us.
const FILE_MAX_BYTES: u64 = 64 << 20;
/// What is given to the thread at once.
const BATCH_FILES: usize = 256;
const BATCH_BYTES: u64 = 64 << 20;

/// What became of a task; `None`: it is left for the end.
type Result = Option<Done>;

struct Done {
    what: What,
    path: PathBuf,
    read: Read,
    began_ns: i64,
}

/// A file to be read, and whether its bytes are wanted.
struct Reading {
    task: Task,
    is_handed_out: bool,
}

/// Files that were read and of which nobody knows the digest yet.
#[derive(Default)]
pub(super) struct Early {
    /// The oldest first.
    waiting: VecDeque<What>,
    next: Option<Instant>,
    thread: Option<ThreadPool>,
    results: Option<(Sender<Result>, Receiver<Result>)>,
    in_flight: usize,
}

impl Early {
    /// Remembers a file that is read for the first time.
    pub(super) fn add(&mut self, what: What) {
        self.waiting.push_back(what);
        if self.next.is_none() {
            self.next = Some(Instant::now() + DELAY);
        }
    }

    /// Returns when to go on, if there is anything to do.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }
}

impl Net<'_> {
    /// Goes on with the digests of what was read, if it is time.
    pub(super) fn read_early(&mut self, now: Instant) {
        if self.early.next.is_none_or(|next| next > now) {
            return;
        }
        self.take_early();
        if self.early.in_flight == 0 {
            let tasks = self.early_tasks();
            self.early.begin(tasks);
        }
        let goes_on = self.early.in_flight > 0 || !self.early.waiting.is_empty();
        self.early.next = goes_on.then(|| Instant::now() + PAUSE);
    }

    /// Takes over the digests that are ready; what is not is read at the end.
    pub(super) fn take_early(&mut self) {
        while let Some(done) = self.early.results.as_ref().and_then(|(_, results)| results.try_recv().ok()) {
            self.early.in_flight -= 1;
            let Some(Done { what, path, read: Read { digest, bytes, stamp }, began_ns }) = done else {
                continue;
            };
            (self.options.learned_digest)(&stamp, &digest, began_ns);
            if let Some((hand_out, bytes)) = self.options.hand_out.zip(bytes) {
                (hand_out.take)(&path, &digest, bytes);
            }
            if !self.ledger.is_forgotten(what) {
                self.ledger.body(what).version(0).early = Some(Box::new((digest, stamp)));
            }
        }
    }

    /// Chooses what to read next, as long as it is as it was when the command read it.
    fn early_tasks(&mut self) -> Vec<Reading> {
        let (mut tasks, mut size) = (vec![], 0);
        while tasks.len() < BATCH_FILES && size < BATCH_BYTES {
            let Some(what) = self.early.waiting.pop_front() else { break };
            if self.ledger.is_forgotten(what) {
                continue;
            }
            let body = self.ledger.body(what);
            let path = body.live_name().map(|name| name.path.to_path_buf());
            let first = body.version(0);
            let (is_read, stamp) = (!first.written && first.bytes == Bytes::Unread, first.stamp);
            let Some(path) = path.filter(|path| is_read && (self.options.is_wanted)(path)) else { continue };
            let Ok(look) = digest::look(&path) else { continue };
            if look.stamp() != stamp || look.size > FILE_MAX_BYTES {
                continue;
            }
            let known = (self.options.known_digest)(&stamp);
            if let Some(digest) = known {
                self.ledger.body(what).version(0).early = Some(Box::new((digest, stamp)));
            }
            let wants = self.options.hand_out.map(|hand_out| hand_out.wants);
            let is_handed_out = !look.is_link() && wants.is_some_and(|wants| wants(&path, look.size, known));
            if known.is_none() || is_handed_out {
                size += look.size;
                tasks.push(Reading { task: Task { what, version: 0, path, look }, is_handed_out });
            }
        }
        tasks
    }
}

impl Early {
    fn begin(&mut self, tasks: Vec<Reading>) {
        if tasks.is_empty() {
            return;
        }
        if self.thread.is_none() {
            let modest =
                ThreadPoolBuilder::new().num_threads(1).start_handler(|_| sys::let_others_go_first());
            self.thread = modest.build().ok();
        }
        let Some(thread) = &self.thread else {
            // Where there may be no further thread, it is read at the end.
            self.waiting.clear();
            return;
        };
        let results = self.results.get_or_insert_with(channel).0.clone();
        self.in_flight = tasks.len();
        thread.spawn(move || {
            for Reading { task: Task { what, path, look, .. }, is_handed_out } in tasks {
                let began_ns = kernel_time_ns();
                let keep_max = if is_handed_out { look.size.max(1) } else { 0 };
                let read = open_same(&path, &look).and_then(|file| digest::read(&file, keep_max).ok());
                let read = read.filter(|read| read.stamp == look.stamp());
                let done = read.map(|read| Done { what, path, read, began_ns });
                // Nobody listens any more only if the run is over.
                let _ = results.send(done);
            }
        });
    }
}
