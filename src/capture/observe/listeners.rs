//! Who has a file open to read it as others come to write into it.
//!
//! No read of an open file is seen, and no write. But who opened a file to read and write it, or to read what it had written itself,
//! **listens**: if it has the file open still as somebody else comes to write into it, it may read what that one writes: the output
//! of a program that was lent the file, a log that is read as it grows, a database that two processes have open. What is written
//! from then on is a version of its own where the file holds something by then, and the listener has read it once those who
//! wrote it were done, as far as is known.

use super::acts::Act;
use super::body::Who;
use super::calls::{self, Abi};
use super::checkpoint::record;
use super::ledger::{Ledger, What, versions_max};
use super::net::Net;
use super::stamp::Look;
use super::{Reading, handles};

/// A call that was let go on may take so long until the file is open, in microseconds.
const OPENING_US_MAX: i64 = 100_000;
/// As many are followed who have one file open at once: what each may have read of all others would be most of what is recorded.
const LISTENERS_MAX: usize = 256;

/// Somebody has opened a file so that it can read what others write into it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listener {
    pub(super) who: Who,
    /// The thread that opened it, and when.
    pub(super) tid: i32,
    pub(super) us: i64,
}

record!(Listener { who, tid, us });

impl Listener {
    /// Tells whether it may be in the call that opens the file.
    fn may_be_opening(&self, us: i64, abi: Abi) -> bool {
        us < self.us.saturating_add(OPENING_US_MAX)
            && match handles::present_call(self.tid) {
                handles::Present::Call(number) => calls::call(abi, number).is_some(),
                handles::Present::AtWork { .. } | handles::Present::Unknown => true,
                handles::Present::NoCall | handles::Present::Gone => false,
            }
    }
}

impl Net<'_> {
    /// Makes what somebody comes to write into a file that others listen to a version of its own.
    pub(super) fn part_for_listeners(&mut self, act: Act<'_>, what: What, look: &Look) {
        let Some(writers) = self.ledger.writers_listened_to(act.who, what, look) else { return };
        let writes = |who: &Who| self.holders.writes_to(self.ledger.actors[*who as usize].pid, look);
        let open: Vec<Who> = writers.into_iter().filter(writes).collect();
        let ended = self.ledger.begin_next(&open, what, look, act.us);
        if let Some(path) = self.ledger.body(what).main_name().map(|name| name.path.to_path_buf()) {
            self.endanger(what, ended, look, &path);
        }
    }

    /// Records that somebody opens a file to read what it has written itself.
    pub(super) fn listen_to_own(&mut self, act: Act<'_>, what: What) {
        let Some(body) = &self.ledger.bodies[what as usize] else { return };
        let version = &body.versions[body.current() as usize];
        if version.written && version.writers.contains(&act.who) {
            self.listen((act.who, act.thread.tid), what, act.us);
        }
    }

    /// Records, as somebody comes to write into a file, who listens to it; `reads`: it listens, too.
    pub(super) fn let_listen(&mut self, act: Act<'_>, what: What, look: &Look, reads: bool) {
        let listeners = match &self.ledger.bodies[what as usize] {
            Some(body) => body.listeners.clone(),
            None => return,
        };
        for listener in listeners.into_iter().filter(|listener| listener.who != act.who) {
            let who = listener.who;
            let actor = &self.ledger.actors[who as usize];
            let (pid, is_there) = (actor.pid, actor.ended_us.is_none());
            let abi = self.threads.get(&listener.tid).map_or(Abi::X64, |thread| thread.abi);
            // In this order: it may have opened it by the time of the second question.
            if self.ledger.follows(who, what)
                || is_there && (listener.may_be_opening(act.us, abi) || self.reads_from(pid, look))
            {
                self.ledger.follow(who, what, look, act.us);
                if reads {
                    self.ledger.follow(act.who, what, look, act.us);
                }
            } else {
                // Whoever opens it anew is entered anew.
                self.ledger.body(what).listeners.retain(|other| other.who != who);
            }
        }
        if reads && !self.ledger.is_forgotten(what) {
            self.listen((act.who, act.thread.tid), what, act.us);
        }
    }

    /// Remembers that somebody has a file open so that it can read what others write into it, or says that it does not.
    pub(super) fn listen(&mut self, (who, tid): (Who, i32), what: What, us: i64) {
        if self.ledger.listen(Listener { who, tid, us }, what) {
            return;
        }
        if let Some(path) = self.ledger.body(what).main_name().map(|name| name.path.clone()) {
            let shown = self.shown(&path).display();
            let text = format!(
                "more than {LISTENERS_MAX} processes had `{shown}` open at once to read and write it: \
                 what the others read of each other was not followed"
            );
            self.gap(text);
        }
    }
}

impl Ledger {
    /// Remembers who has a file open so that it can read what others write into it; false where there are too many.
    fn listen(&mut self, listener: Listener, what: What) -> bool {
        let listeners = &mut self.body(what).listeners;
        let count = listeners.len();
        match listeners.iter_mut().find(|known| known.who == listener.who) {
            Some(known) => *known = listener,
            None if count < LISTENERS_MAX => listeners.push(listener),
            None => return false,
        }
        true
    }

    /// Returns those who wrote the version that stands in a file and have not ended, where somebody listens who has read of it, or
    /// wrote it, and another one comes to write; `None` where no further version is to be told apart.
    fn writers_listened_to(&self, who: Who, what: What, look: &Look) -> Option<Vec<Who>> {
        let body = self.bodies[what as usize].as_ref()?;
        let version = &body.versions[body.current() as usize];
        let is_settled = !version.written || version.tentative.is_some() || look.size == 0;
        let is_full = body.versions.len() >= versions_max(look);
        let is_new = !version.writers.contains(&who) && body.listeners.iter().any(|other| other.who != who);
        let is_there = |who: &Who| self.actors[*who as usize].ended_us.is_none();
        (is_new && !is_settled && !is_full)
            .then(|| version.writers.iter().copied().filter(is_there).collect())
    }

    fn follows(&self, who: Who, what: What) -> bool {
        let current = self.bodies[what as usize].as_ref().map(|body| (what, body.current()));
        let touch = current.and_then(|current| self.actors[who as usize].touches.get(&current));
        touch.is_some_and(|touch| touch.follows)
    }

    /// Records that somebody has a file open to read into which another one may write from now on.
    pub(super) fn follow(&mut self, who: Who, what: What, look: &Look, us: i64) {
        let body = self.body(what);
        body.is_followed = true;
        let current = body.current();
        let touch = self.touch(who, what, current);
        touch.follows = true;
        if touch.read.is_none() {
            (touch.read, touch.reading) = (Some((us, look.stamp())), Reading::KeptOpen);
        }
        self.followed.insert(what);
    }

    /// Strikes out, as somebody ends, that it follows what is written to a file, where nothing has been written.
    pub(super) fn end_following(&mut self, who: Who, what: What) {
        let body = self.body(what);
        let current = body.current();
        let is_unwritten = body.version(current).tentative.is_some();
        let key = (what, current);
        if is_unwritten && self.actors[who as usize].touches.get(&key).is_some_and(|touch| touch.follows) {
            self.did_not_read(who, what, current);
        }
    }

    /// Strikes out that somebody read a version, or may have.
    pub(super) fn did_not_read(&mut self, who: Who, what: What, version: u32) {
        let touch = self.touch(who, what, version);
        (touch.read, touch.follows) = (None, false);
        if touch.written_us.is_none() {
            self.actors[who as usize].touches.remove(&(what, version));
        }
    }

    /// Records that those above a fork may have followed what it wrote to a file that they had opened to read and write.
    pub(super) fn followed_as_fork(&mut self, fork: Who, what: What) {
        let above = self.above(fork);
        let Some(body) = &self.bodies[what as usize] else { return };
        let is_listener = |who: &Who| body.listeners.iter().any(|listener| listener.who == *who);
        let versions = 0..=body.current();
        let written = |version: &u32| self.actors[fork as usize].touches.contains_key(&(what, *version));
        let written: Vec<u32> = versions.filter(written).collect();
        for listener in above.into_iter().filter(is_listener).collect::<Vec<Who>>() {
            for version in &written {
                let body = self.body(what);
                body.is_followed = true;
                let stamp = body.version(*version).stamp;
                let us = self.actors[fork as usize].started_us;
                let touch = self.touch(listener, what, *version);
                touch.follows = true;
                if touch.read.is_none() {
                    (touch.read, touch.reading) = (Some((us, stamp)), Reading::KeptOpen);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::digest;
    use super::*;

    #[test]
    fn so_many_are_followed_who_have_one_file_open() {
        let mut ledger = Ledger::new(0);
        let file = tempfile::NamedTempFile::new().unwrap();
        let what = ledger.meet(&digest::look(file.path()).unwrap(), file.path().to_path_buf(), 0);
        let listener = |who| Listener { who, tid: 1, us: 0 };
        let max = LISTENERS_MAX as Who;
        assert!((0..max).chain(0..max).all(|who| ledger.listen(listener(who), what)));
        assert!(!ledger.listen(listener(max), what));
    }
}
