//! Tells what the run wrote from what somebody outside wrote over it meanwhile.
//!
//! No write is seen, and no close. But now and then all processes of the run are asked which files they have open for writing,
//! or mapped into memory: a file that was opened before and is open no more **rests**, and only a further call that is seen
//! can change that. A file that has changed although it rested was changed by somebody outside: the run's own bytes are gone,
//! and those that lie there now are a version which nobody of the run wrote. Whatever leaves a doubt (a process that cannot be
//! looked into, a call that may not be over, a file system whose times another machine makes) leaves the bytes with the run.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::acts::Act;
use super::body::{Bytes, Version};
use super::calls::{self, Abi};
use super::ledger::{Ledger, What};
use super::net::Net;
use super::stamp::{Look, Stamp};
use super::tracee::Thread;
use super::{GapSort, handles};

/// How soon after a file was opened it is asked whether anybody still has it open; while somebody has, more and more seldom.
const FIRST_LOOK: Duration = Duration::from_millis(40);
const LOOKS_APART_MAX: Duration = Duration::from_secs(2);
/// To look takes no more than this part of the time.
const SHARE_OF_TIME: u32 = 50;
/// As many files are looked at at once.
const FILES_MAX: usize = 2_000;

/// Files that were opened for writing, until nobody has them open any more.
#[derive(Debug, Default)]
pub(super) struct Openings {
    /// By file and thread.
    open: BTreeMap<(What, i32), Opening>,
    next_look: Option<Instant>,
    /// To look before would take more than its share of the time.
    not_before: Option<Instant>,
    pause: Duration,
}

/// One thread's last opening of a file.
#[derive(Debug)]
struct Opening {
    /// Which of the run's stopped calls was the last when it began.
    trap: u64,
    /// The time that the thread's process had spent on its own, when it was last seen at work.
    worked: Option<u64>,
    is_over: bool,
}

impl Openings {
    /// Returns when to look next, if there is anything to look at.
    pub(super) fn next_look(&self) -> Option<Instant> {
        self.next_look
    }

    fn add(&mut self, what: What, tid: i32, trap: u64) {
        self.open.insert((what, tid), Opening { trap, worked: None, is_over: false });
        self.look_soon();
    }

    /// Sees to it that is looked soon, since a file may be about to be opened.
    pub(super) fn look_soon(&mut self) {
        let soon = Instant::now() + FIRST_LOOK;
        let soon = self.not_before.map_or(soon, |not_before| soon.max(not_before));
        if self.next_look.is_none_or(|next| next > soon) {
            self.next_look = Some(soon);
            self.pause = FIRST_LOOK;
        }
    }

    /// Tells whether somebody of the run may have a file open.
    pub(super) fn has(&self, what: What) -> bool {
        self.open.range((what, i32::MIN)..=(what, i32::MAX)).next().is_some()
    }

    /// Lists the files that somebody of the run may have open, each of them once for each thread.
    pub(super) fn files(&self) -> Vec<What> {
        self.open.keys().map(|(what, _)| *what).collect()
    }

    pub(super) fn remove(&mut self, what: What) {
        let threads: Vec<i32> =
            self.open.range((what, i32::MIN)..=(what, i32::MAX)).map(|((_, tid), _)| *tid).collect();
        for tid in threads {
            self.open.remove(&(what, tid));
        }
    }

    /// Settles when to look again, after a look that took so long.
    fn wait(&mut self, took: Duration) {
        let now = Instant::now();
        self.not_before = Some(now + took * SHARE_OF_TIME);
        self.pause = (self.pause * 2).min(LOOKS_APART_MAX).max(took * SHARE_OF_TIME);
        self.next_look = (!self.open.is_empty()).then(|| now + self.pause);
    }
}

impl Ledger {
    /// Tells whether a file has changed that the run wrote and that rested since, or that it has only read.
    fn was_changed_at_rest(&self, what: What, now: &Stamp) -> bool {
        self.bodies[what as usize].as_ref().is_some_and(|body| {
            let is_another =
                |then: &Stamp| (then.size_bytes, then.mtime_ns) != (now.size_bytes, now.mtime_ns);
            let version = &body.versions[body.current() as usize];
            let rested = if version.written { body.rested.as_ref() } else { body.only_read() };
            rested.is_some_and(is_another)
        })
    }

    /// Enters that the bytes which lie in a file now are none of the run's, and that those which it wrote are lost. What it read
    /// before may be known by somebody.
    fn enter_outsider(&mut self, what: What, now: &Stamp) {
        let body = self.body(what);
        let current = body.current();
        let version = body.version(current);
        version.tentative = None;
        if version.bytes == Bytes::Unread && version.written {
            version.bytes = Bytes::Lost;
        }
        body.versions.push(Version::new(None, *now));
    }
}

impl Net<'_> {
    /// Remembers that a thread may have a file open for writing once its present call is over, and whether the end of that will be
    /// heard.
    pub(super) fn opens(&mut self, what: What, tid: i32, is_heard: bool) {
        if !self.ledger.is_forgotten(what) {
            self.ledger.body(what).may_be_opened(is_heard);
            self.openings.add(what, tid, self.traps);
        }
    }

    /// Remembers that a thread may have a file that is there open for writing once its present call is over.
    pub(super) fn opens_known(&mut self, what: What, tid: i32) {
        if !self.ledger.is_forgotten(what) {
            let path = self.ledger.body(what).main_name().map(|name| name.path.clone());
            let is_heard = path.is_some_and(|path| self.listen_for(&path));
            self.opens(what, tid, is_heard);
        }
    }

    /// Remembers that a program may write into a file through an opening of somebody before it.
    pub(super) fn goes_on_writing(&mut self, what: What, tid: i32) {
        if !self.ledger.is_forgotten(what) {
            self.ledger.body(what).is_open_again();
            self.openings.add(what, tid, self.traps);
        }
    }

    /// Finds out, if it is time, which files nobody of the run has open for writing any more, and how they stand then.
    pub(super) fn look_who_writes(&mut self, now: Instant) {
        if self.openings.next_look.is_none_or(|next_look| next_look > now) {
            return;
        }
        let began = Instant::now();
        self.settle_all(false);
        let files = self.files_to_look_at();
        let open = if files.is_empty() {
            None
        } else {
            handles::open_for_writing(&self.threads.values().map(Thread::descriptor).collect())
        };
        let us = (self.options.clock)();
        // Whoever is found to have closed a file has been heard by now.
        self.hear_closings(us);
        for what in files.into_iter().filter(|_| open.is_some()) {
            let first = self.ledger.body(what).versions[0].stamp;
            if open.as_ref().is_some_and(|open| !open.contains(&(first.dev, first.ino))) {
                self.rests(what, us);
            }
        }
        self.openings.wait(began.elapsed());
    }

    /// Lists the files all of whose openings are over.
    fn files_to_look_at(&mut self) -> Vec<What> {
        let mut openings = std::mem::take(&mut self.openings.open);
        openings.retain(|(what, _), _| !self.ledger.is_forgotten(*what));
        let mut files: BTreeMap<What, bool> = BTreeMap::new();
        for ((what, tid), opening) in &mut openings {
            if files.len() >= FILES_MAX && !files.contains_key(what) {
                break;
            }
            opening.is_over = opening.is_over || self.is_over(*tid, opening);
            *files.entry(*what).or_insert(true) &= opening.is_over;
        }
        self.openings.open = openings;
        files.into_iter().filter(|(_, is_over)| *is_over).map(|(what, _)| what).collect()
    }

    /// Tells whether the call is surely over in which a thread opened a file.
    fn is_over(&self, tid: i32, opening: &mut Opening) -> bool {
        let thread = self.threads.get(&tid);
        if thread.is_some_and(|thread| thread.last_trap > opening.trap) {
            return true;
        }
        let abi = thread.map_or(Abi::X64, |thread| thread.abi);
        match handles::present_call(tid) {
            handles::Present::Gone | handles::Present::NoCall => true,
            handles::Present::Call(number) => calls::call(abi, number).is_none(),
            handles::Present::AtWork { own_time } => {
                opening.worked.replace(own_time).is_some_and(|before| before < own_time)
            }
            handles::Present::Unknown => false,
        }
    }

    /// Takes notice, where a file is looked at once more, of what somebody outside has put into it since the run wrote it.
    pub(super) fn notice_outsiders(&mut self, what: What, look: &Look) {
        let stamp = look.stamp();
        if !self.ledger.was_changed_at_rest(what, &stamp) || self.may_have_missed_writes() {
            return;
        }
        let Some(path) = self.ledger.body(what).main_name().map(|name| name.path.clone()) else { return };
        if stamps_by_our_clock(self.file_system(look, &path)) {
            let was_ours = self.ledger.body(what).versions.last().is_some_and(|version| version.written);
            self.ledger.enter_outsider(what, &stamp);
            if was_ours {
                self.say_overwritten(&path, "overwritten");
            }
        }
    }

    /// Says that a name which the run had given to a file of its own leads to somebody else's file now, or to none.
    pub(super) fn say_taken(&mut self, what: What, path: &Path, how: &str) {
        let body = self.ledger.body(what);
        let standing = body.standing();
        if body.version(standing).written {
            self.say_overwritten(path, how);
        }
    }

    fn say_overwritten(&mut self, path: &Path, how: &str) {
        if (self.options.is_wanted)(path) {
            let shown = self.shown(path).display();
            let what = "which bytes the run wrote there is not known";
            let text = format!("`{shown}` was {how} from outside while the run went on: {what}");
            self.gap_of(GapSort::Overwritten, text);
        }
    }

    /// Says that nobody knows what the run read of a file which was there before.
    pub(super) fn say_unknown(&mut self, path: &Path) {
        let shown = self.shown(path).display().to_string();
        let text =
            format!("`{shown}` was read, and replaced or removed from outside before anybody knew its bytes");
        self.gap_of(GapSort::Overwritten, text);
    }

    /// Returns a path as it is said: from the workspace, where it lies in it.
    pub(super) fn shown<'p>(&self, path: &'p Path) -> &'p Path {
        let inside = self.options.roots.iter().find_map(|root| path.strip_prefix(root).ok());
        inside.unwrap_or(path)
    }

    /// Remembers that the times of a file may be set, and who does so.
    pub(super) fn set_times(
        &mut self,
        act: Act<'_>,
        folder: Option<usize>,
        path: usize,
    ) -> std::io::Result<()> {
        let look = if folder.is_some() && act.arguments[path] == 0 {
            act.thread.look_at_descriptor(act.number(0))
        } else {
            let place = self.place(act, folder, path)?;
            act.thread.look(&place, true)
        };
        if let Some(what) = look.ok().and_then(|look| self.ledger.known(&look))
            && !self.ledger.is_forgotten(what)
        {
            let body = self.ledger.body(what);
            (body.rested, body.was_time_set) = (None, true);
            self.openings.add(what, act.thread.tid, self.traps);
        }
        Ok(())
    }
}

/// Tells whether a file system, by its kind as `statfs` names it, stamps files by the clock of this machine.
pub(super) fn stamps_by_our_clock(kind: u32) -> bool {
    const LOCAL: [u32; 9] = [
        0xef53,      // ext2, ext3, ext4
        0x5846_5342, // xfs
        0x9123_683e, // btrfs
        0x0102_1994, // tmpfs
        0x8584_58f6, // ramfs
        0x794c_7630, // overlayfs
        0x2fc1_2fc1, // zfs
        0xf2f5_2010, // f2fs
        0xca45_1a4e, // bcachefs
    ];
    LOCAL.contains(&kind)
}
