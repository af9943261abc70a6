//! Who opened a file to write into it and wrote nothing: databases are opened so by whoever asks them something.
//!
//! No write is seen. But a file that stands as it stood when it was opened, as the last of those who had it open has closed it, or as
//! one of them ends, was not written into by then. Whoever writes into it later does that alone.

use super::body::Who;
use super::finish::is_in_memory;
use super::ledger::{Ledger, What};
use super::net::Net;
use super::stamp::{self, Look};
use super::tracee::Thread;
use super::{Reading, handles};

impl Net<'_> {
    /// Strikes out who has opened a file and written nothing, now that nobody has it open for writing.
    pub(super) fn rest_unwritten(&mut self, what: What, look: &Look) {
        let Some(body) = &self.ledger.bodies[what as usize] else { return };
        if body.versions[body.current() as usize].tentative.is_some() {
            for who in body.versions[body.current() as usize].writers.clone() {
                self.strike_out_unwritten(who, what, look);
            }
        }
    }

    /// Strikes out, as a program ends, that it wrote to files that stand as they stood when it opened them.
    pub(super) fn end_unwritten(&mut self, thread: &Thread, who: Who) {
        let opened = self.ledger.opened_and_unwritten(who);
        // A process that it leaves behind may have them open, and write later.
        if opened.is_empty() || !handles::children_of(thread.tgid).is_ok_and(|children| children.is_empty()) {
            return;
        }
        let orphans = handles::children_of(self.own_pid).unwrap_or_default();
        for what in opened.into_iter().filter(|what| self.openings.has(*what)).collect::<Vec<What>>() {
            let Some(look) = self.look_again(what) else { continue };
            let may_be_left = |pid: &i32| match self.current.get(pid) {
                Some(other) => *other != who && self.ledger.above(*other).contains(&who),
                None => true,
            };
            let mut left = orphans.iter().filter(|pid| may_be_left(pid));
            if !left.any(|pid| self.holders.writes_to(*pid, &look)) {
                self.strike_out_unwritten(who, what, &look);
            }
        }
    }

    fn strike_out_unwritten(&mut self, who: Who, what: What, look: &Look) {
        // What is written through memory moves no time of a file that lies in memory.
        let kind = self.known_file_system(look);
        if self.ledger.is_unwritten(who, what, look, kind.is_none_or(is_in_memory)) {
            let current = self.ledger.body(what).current();
            self.ledger.did_not_write(who, what, current);
            let here: Vec<Who> = self.current.values().copied().collect();
            self.ledger.unfollow_own(here, what, current);
        }
    }
}

impl Ledger {
    /// Lists the files that somebody has opened for writing and that have not changed since, as far as is known.
    fn opened_and_unwritten(&self, who: Who) -> Vec<What> {
        let opened = self.actors[who as usize].touches.iter().filter(|((what, version), touch)| {
            let is_unwritten = |body: &super::body::Body| {
                *version == body.current() && body.versions[*version as usize].tentative.is_some()
            };
            touch.written_us.is_some() && self.bodies[*what as usize].as_deref().is_some_and(is_unwritten)
        });
        let mut opened: Vec<What> = opened.map(|((what, _), _)| *what).collect();
        opened.sort_unstable();
        opened
    }

    /// Tells whether somebody surely wrote nothing into a file since it has opened it.
    fn is_unwritten(&self, who: Who, what: What, look: &Look, is_in_memory: bool) -> bool {
        let Some(body) = &self.bodies[what as usize] else { return false };
        let current = body.current();
        let touches = &self.actors[who as usize].touches;
        let written_us = |version| touches.get(&(what, version)).and_then(|touch| touch.written_us);
        let Some(opened_us) = written_us(current) else { return false };
        // A change within the tick of the one before it leaves the same time.
        let is_apart = stamp::has_fine_times()
            || self.lag.over_us(look.ctime_ns).is_some_and(|over_us| over_us <= opened_us);
        // A page of memory into which it has written before takes more without moving a time.
        let may_be_mapped =
            body.may_be_mapped && (is_in_memory || (0..current).any(|before| written_us(before).is_some()));
        body.has_our_times
            && is_apart
            && !may_be_mapped
            && body.versions[current as usize].tentative == Some(look.stamp())
    }

    /// Strikes out that somebody may read what others come to write into a file, where nobody is left who may.
    fn unfollow_own(&mut self, here: Vec<Who>, what: What, version: u32) {
        let writers = self.body(what).version(version).writers.clone();
        for who in here {
            let is_its_own = writers.iter().all(|writer| *writer == who);
            let touch = self.actors[who as usize].touches.get(&(what, version));
            if is_its_own && touch.is_some_and(|touch| touch.reading == Reading::KeptOpen) {
                self.did_not_read(who, what, version);
            }
        }
    }
}
