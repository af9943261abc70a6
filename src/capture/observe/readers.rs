//! Until when files that were there before were read: whoever has one open still may read what somebody outside writes into it.
//!
//! No read is seen, and no close. But a while after a file was read, all processes of the run are asked whether they have it open or
//! mapped into memory: if nobody has, and it stands as it stood, they have **let it go**, and what becomes of it later is nothing
//! that they can have read. Of a file that changes before that, nobody knows which bytes were read.

use std::time::{Duration, Instant};

use super::ledger::What;
use super::net::Net;
use super::stamp::Look;
use super::{Set, digest, handles};

/// How soon after a file was read it is asked whether anybody has it open; while somebody has, more and more seldom. A thread whose
/// call was let go on has opened its file by then.
const FIRST_LOOK: Duration = Duration::from_millis(250);
const LOOKS_APART_MAX: Duration = Duration::from_secs(2);
/// To look takes no more than this part of the time.
const SHARE_OF_TIME: u32 = 50;

/// Files that were read, until their readers have let them go.
#[derive(Debug, Default)]
pub(super) struct Readers {
    waiting: Vec<What>,
    /// Those of them that somebody had open when it was last looked.
    open: Set<What>,
    next_look: Option<Instant>,
    /// To look before would take more than its share of the time.
    not_before: Option<Instant>,
    pause: Duration,
}

impl Readers {
    /// The files that somebody had open when it was last looked.
    pub(super) fn open(&self) -> &Set<What> {
        &self.open
    }

    /// Returns when to look next, if there is anything to look at.
    pub(super) fn next_look(&self) -> Option<Instant> {
        self.next_look
    }

    fn look_soon(&mut self) {
        let soon = Instant::now() + FIRST_LOOK;
        let soon = self.not_before.map_or(soon, |not_before| soon.max(not_before));
        self.next_look = Some(self.next_look.map_or(soon, |next| next.min(soon)));
        self.pause = FIRST_LOOK;
    }

    /// Settles when to look again, after a look that took so long.
    fn wait(&mut self, took: Duration) {
        let now = Instant::now();
        self.not_before = Some(now + took * SHARE_OF_TIME);
        self.pause = (self.pause * 2).min(LOOKS_APART_MAX).max(took * SHARE_OF_TIME);
        self.next_look = (!self.waiting.is_empty()).then(|| now + self.pause);
    }
}

impl Net<'_> {
    /// Remembers a file that somebody reads for the first time, where it was there before.
    pub(super) fn watch_readers(&mut self, what: What, us: i64) {
        if self.ledger.is_forgotten(what) {
            return;
        }
        let body = self.ledger.body(what);
        if body.begins_to_be_watched(us) {
            self.readers.waiting.push(what);
            if self.readers.waiting.len() == 1 {
                self.readers.look_soon();
            }
        }
    }

    /// Finds out, if it is time, which files nobody of the run has open any more.
    pub(super) fn look_who_reads(&mut self, now: Instant) {
        if self.readers.next_look.is_none_or(|next_look| next_look > now) {
            return;
        }
        let (began, us) = (Instant::now(), (self.options.clock)());
        let until_us = us - FIRST_LOOK.as_micros() as i64;
        let files = std::mem::take(&mut self.readers.waiting);
        self.readers.open.clear();
        let open = handles::open_for_reading();
        for what in files {
            let is_open = |dev, ino| open.as_ref().is_none_or(|open| open.contains(&(dev, ino)));
            if self.may_be_let_go(what, until_us, &is_open) {
                self.readers.waiting.push(what);
            }
        }
        self.readers.wait(began.elapsed());
    }

    /// Takes notice of whether the readers of a file until a moment have let it go; returns true where it is to be looked at again.
    fn may_be_let_go(&mut self, what: What, until_us: i64, is_open: &dyn Fn(u64, u64) -> bool) -> bool {
        let Some(body) = self.ledger.bodies[what as usize].as_mut() else { return false };
        let stamp = body.versions[body.current() as usize].stamp;
        let name = body.live_name().map(|name| name.path.clone());
        let path = name.filter(|path| (self.options.is_wanted)(path));
        let look = path.and_then(|path| digest::look(&path).ok());
        let look = look.filter(|look| (look.dev, look.ino) == (stamp.dev, stamp.ino));
        if let Some(look) = &look {
            self.notice_outsiders(what, look);
        }
        let Some(body) = self.ledger.bodies[what as usize].as_mut() else { return false };
        let last = &body.versions[body.current() as usize];
        let is_it = |look: &Look| (look.size, look.mtime_ns) == (last.stamp.size_bytes, last.stamp.mtime_ns);
        if last.written || !look.is_some_and(|look| is_it(&look)) {
            body.is_watched = false;
            return false;
        }
        if is_open(stamp.dev, stamp.ino) {
            self.readers.open.insert(what);
            return true;
        }
        let body = self.ledger.body(what);
        let last = body.current();
        body.version(last).let_go_us = Some(until_us);
        body.is_watched = body.read_us > until_us;
        body.is_watched
    }
}
