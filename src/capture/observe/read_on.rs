//! Who has a file open from before and may read what others write into it: `tail -f`, databases.

use super::Reading;
use super::acts::Act;
use super::body::Who;
use super::ledger::{Ledger, What};
use super::net::Net;
use super::stamp::Look;
use super::tracee;

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
            if tracee::reads_from(self.ledger.actors[reader as usize].pid, look) {
                let touch = self.ledger.touch(reader, what, before + 1);
                (touch.read, touch.reading) = (Some((act.us, look.stamp())), Reading::KeptOpen);
            }
        }
    }
}

impl Ledger {
    /// Tells whether somebody who is there has read a version of a file, and not the next one.
    fn may_read_on(&self, who: Who, what: What, version: u32) -> bool {
        let actor = &self.actors[who as usize];
        let has_read =
            |version: u32| actor.touches.get(&(what, version)).is_some_and(|touch| touch.read.is_some());
        actor.ended_us.is_none() && has_read(version) && !has_read(version + 1)
    }
}
