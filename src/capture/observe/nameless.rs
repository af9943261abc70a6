//! Files without a name, through which one process may have told another something, as through a pipe.
//!
//! They are none of the ledger's. But as a program is started with one open for writing, those above it are asked whether they have
//! it open to read: those who do **hear** the program, if it has written.

use super::Map;
use super::acts::Act;
use super::body::Who;
use super::finish::is_in_memory;
use super::handles::{self, Present, Purpose};
use super::ledger::Ledger;
use super::net::Net;
use super::stamp::Look;
use super::tracee::{Opened, Thread};

/// Those that a program was started with, by the number of the descriptor, and how they stood.
type Begun = [(i32, Look)];

/// Those that programs were started with, to find out at their ends whether anybody wrote into them.
pub(super) type Nameless = Map<Who, Vec<(i32, Look)>>;

impl Net<'_> {
    /// Records, as a program is started with a file without a name, who above it can read what it writes there, and write what it
    /// reads there.
    pub(super) fn hear_nameless(&mut self, act: Act<'_>, opened: &Opened, (reads, writes): (bool, bool)) {
        let (descriptor, look) = (opened.descriptor, &opened.look);
        let (may_read, may_write) = (reads && descriptor > 2, writes && descriptor > 0);
        if act.who == 0 || self.given_files.contains(&(look.dev, look.ino)) || !may_write {
            return;
        }
        let has_it_alone = |files: &Begun| files.iter().all(|(_, begun)| begun.is_same_file(look));
        self.end_nameless_of_killed(act.thread, &|_, _, files| has_it_alone(files));
        let mut is_heard = false;
        for above in self.ledger.above(act.who) {
            let actor = &self.ledger.actors[above as usize];
            let pid = actor.pid;
            if actor.ended_us.is_some() || pid == act.thread.tgid {
                continue;
            }
            if self.reads_from(pid, look) {
                is_heard = true;
                self.ledger.actor(above).heard.push(act.who);
            }
            if may_read && self.holders.writes_to(pid, look) {
                is_heard = true;
                self.ledger.actor(act.who).heard.push(above);
            }
        }
        if is_heard {
            self.nameless.entry(act.who).or_default().push((descriptor, *look));
        }
    }

    /// Strikes out, at the end of a program, what was heard through files that nobody has written to since it began.
    pub(super) fn end_nameless(&mut self, thread: &Thread, who: Who) {
        if let Some(files) = self.nameless.remove(&who)
            && files.into_iter().all(|(descriptor, begun)| self.is_unwritten(thread, descriptor, &begun))
        {
            self.was_not_heard(who);
        }
        self.end_nameless_of_killed(thread, &|ledger, killed, _| ledger.above(killed).contains(&who));
    }

    /// Does the same for programs that were killed, and so have not said that they end, where a thread has their files open.
    fn end_nameless_of_killed(&mut self, thread: &Thread, is_meant: &dyn Fn(&Ledger, Who, &Begun) -> bool) {
        let actors = &self.ledger.actors;
        let is_gone = |who: &Who| handles::present_call(actors[*who as usize].pid) == Present::Gone;
        let is_left = |other: &Who, who: &Who| {
            actors[*other as usize].ended_us.is_none() && self.ledger.above(*other).contains(who)
        };
        let was_killed = |who: &Who, files: &Begun| {
            actors[*who as usize].ended_us.is_none()
                && is_meant(&self.ledger, *who, files)
                && is_gone(who)
                && !self.current.values().any(|other| is_left(other, who) && !is_gone(other))
        };
        let killed = self.nameless.iter().filter(|(who, files)| was_killed(who, files));
        let mut killed: Vec<Who> = killed.map(|(who, _)| *who).collect();
        killed.sort_unstable();
        for who in killed {
            let files = self.nameless[&who].clone();
            let descriptors: Option<Vec<i32>> = files
                .iter()
                .map(|(_, begun)| self.holders.descriptor_of(thread.tgid, begun, Purpose::Write))
                .collect();
            let Some(descriptors) = descriptors else { continue };
            self.nameless.remove(&who);
            let mut files = files.iter().zip(descriptors);
            if files.all(|((_, begun), descriptor)| self.is_unwritten(thread, descriptor, begun)) {
                self.was_not_heard(who);
            }
        }
    }

    fn was_not_heard(&mut self, who: Who) {
        for above in self.ledger.above(who) {
            self.ledger.actor(above).heard.retain(|from| *from != who);
        }
        self.ledger.actor(who).heard.clear();
    }

    fn is_unwritten(&mut self, thread: &Thread, descriptor: i32, begun: &Look) -> bool {
        let state = |look: &Look| (look.size, look.mtime_ns);
        let now = thread.look_at_descriptor(descriptor);
        if !now.is_ok_and(|now| now.is_same_file(begun) && state(&now) == state(begun)) {
            return false;
        }
        // What is written through memory moves no time of a file that lies in memory.
        let may_be_mapped = thread.descriptor_modes(descriptor).map_or(true, |(reads, _)| reads);
        !(may_be_mapped && is_in_memory(self.file_system(begun, &thread.descriptor_path(descriptor))))
    }
}
