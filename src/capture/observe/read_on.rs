//! Who has a file open from before and may read what others write into it: `tail -f`, databases.

use super::acts::Act;
use super::body::Who;
use super::ledger::{Ledger, What};
use super::net::Net;
use super::stamp::Look;
use super::{Reading, Set};

impl Net<'_> {
    /// Records, as somebody opens a file to write into it, who else has it open since it was read, and may read on.
    pub(super) fn let_read_on(&mut self, act: Act<'_>, what: What, look: &Look) {
        if self.ledger.is_forgotten(what) {
            return;
        }
        let body = self.ledger.body(what);
        let Some(before) = body.current().checked_sub(1) else { return };
        if body.version(before).first_reader.is_none() {
            return;
        }
        let may = |who: &Who| *who != act.who && self.ledger.may_read_on(*who, what, before);
        let mut readers: Vec<Who> = self.current.values().copied().filter(may).collect();
        readers.sort_unstable();
        for reader in readers {
            if self.reads_from(self.ledger.actors[reader as usize].pid, look) {
                let touch = self.ledger.touch(reader, what, before + 1);
                (touch.read, touch.reading) = (Some((act.us, look.stamp())), Reading::KeptOpen);
            }
        }
    }
}

impl Net<'_> {
    /// Records, as a program ends at `us`, what others have written by then into files that it had opened to read while they had
    /// them open, and what somebody outside has written into files that it kept open. No write is seen, and no close: a file that has
    /// not changed by then is one of which nothing more was read.
    pub(super) fn end_reading(&mut self, who: Who, us: i64) {
        for what in self.ledger.read_among(who, &self.ledger.followed) {
            let Some(look) = self.look_again(what) else { continue };
            self.ledger.body(what).refresh(&look.stamp());
            self.ledger.end_following(who, what);
            if self.ledger.read_until_now(who, what, &look) {
                self.part_from_what_follows(who, what, &look, us);
            }
        }
        for what in self.ledger.read_among(who, self.readers.open()) {
            if !self.ledger.is_forgotten(what)
                && let Some(look) = self.look_again(what)
            {
                self.notice_outsiders(what, &look);
                self.ledger.read_until_now(who, what, &look);
            }
        }
    }
}

impl Ledger {
    /// Lists those of some files, as far as they are not forgotten, of which somebody has read any version.
    fn read_among(&self, who: Who, files: &Set<What>) -> Vec<What> {
        if files.is_empty() {
            return Vec::new();
        }
        let touches = self.actors[who as usize].touches.iter();
        let read = touches.filter(|((what, _), touch)| touch.read.is_some() && files.contains(what));
        let mut read: Vec<What> =
            read.map(|((what, _), _)| *what).filter(|what| !self.is_forgotten(*what)).collect();
        read.sort_unstable();
        read.dedup();
        read
    }

    /// Records that somebody, who has read what others went on with, may have read what they wrote then; tells whether that is what
    /// stands there now.
    fn read_until_now(&mut self, who: Who, what: What, look: &Look) -> bool {
        let standing = self.body(what).standing();
        let mut is_new = false;
        for number in 0..standing {
            let read = self.actors[who as usize].touches.get(&(what, number)).and_then(|touch| touch.read);
            let Some((us, _)) = read.filter(|(us, _)| self.body(what).may_go_on(number, *us)) else {
                continue;
            };
            let touch = self.touch(who, what, number + 1);
            if touch.read.is_some() {
                continue;
            }
            (touch.read, touch.reading) = (Some((us, look.stamp())), Reading::KeptOpen);
            let version = self.body(what).version(number + 1);
            version.first_reader.get_or_insert(who);
            version.read_by_others |= !version.writers.contains(&who);
            is_new = number + 1 == standing;
        }
        is_new
    }

    /// Tells whether somebody who is there has read a version of a file, and not the next one.
    fn may_read_on(&self, who: Who, what: What, version: u32) -> bool {
        let actor = &self.actors[who as usize];
        let has_read =
            |version: u32| actor.touches.get(&(what, version)).is_some_and(|touch| touch.read.is_some());
        actor.ended_us.is_none() && has_read(version) && !has_read(version + 1)
    }
}
