//! Who read the file of a redirection: some shells open it as their own standard input, and only let a program have that.
//!
//! No read is seen. But an open file that two processes share has one position: where it was at the beginning as a program was
//! started, and at the end as the program ended, nothing was left of it for who had opened it.

use super::acts::Act;
use super::body::Who;
use super::ledger::{Ledger, What};
use super::net::Net;
use super::stamp::Look;
use super::tracee::{self, Thread};

impl Net<'_> {
    /// Remembers the file that a program has as its standard input, where who started it has the same as its own and has read
    /// nothing of it.
    pub(super) fn take_over_input(&mut self, act: Act<'_>, what: What, look: &Look) {
        if act.who == 0 || self.ledger.is_forgotten(what) {
            return;
        }
        let version = self.ledger.body(what).standing();
        // What was opened for the program alone has a position of its own.
        let read = self.ledger.actors[act.who as usize].touches.get(&(what, version));
        let is_own = read.is_none_or(|touch| touch.was_read_again);
        if !is_own && tracee::position_in_input(act.thread.parent, look) == Some(0) {
            self.ledger.actor(act.who).input = Some((what, version));
        }
    }

    /// Finds out, at the end of a program, whether it has left nothing of its standard input.
    pub(super) fn end_input(&mut self, thread: &Thread, who: Who) {
        let Some((what, version)) = self.ledger.actor(who).input.take() else { return };
        let Some(look) = self.look_again(what) else { return };
        // Programs close their own before they end.
        let position = tracee::position_in_input(thread.parent, &look);
        if position.is_some_and(|position| position >= look.size) {
            self.ledger.left_nothing(who, what, version);
        }
    }
}

impl Ledger {
    /// Strikes out that a file was read by the one that had opened it for a program, and by what ran in the program's place before.
    fn left_nothing(&mut self, who: Who, what: What, version: u32) {
        let key = (what, version);
        let own = self.actors[who as usize].pid;
        for above in self.above(who) {
            let actor = &self.actors[above as usize];
            let is_opener = actor.pid != own;
            let Some(touch) = actor.touches.get(&key).filter(|touch| touch.read.is_some()) else { continue };
            if touch.was_read_again {
                // It may have read what it opened another time.
                return;
            }
            let touch = self.touch(above, what, version);
            touch.read = None;
            if touch.written_us.is_none() {
                self.actors[above as usize].touches.remove(&key);
            }
            if is_opener {
                return;
            }
        }
    }
}
