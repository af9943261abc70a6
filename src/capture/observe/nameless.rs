//! Files without a name, through which one process may have told another something, as through a pipe.
//!
//! They are none of the ledger's. But as a program is started with one open for writing, those above it are asked whether they have
//! it open to read: those who do **hear** the program, if it has written.

use super::Map;
use super::acts::Act;
use super::body::Who;
use super::finish::is_in_memory;
use super::net::Net;
use super::stamp::Look;
use super::tracee::{self, Opened, Thread};

/// Those that programs were started with, by the number of the descriptor, to find out at their ends whether anybody wrote into them.
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
        let mut is_heard = false;
        for above in self.ledger.above(act.who) {
            let actor = &self.ledger.actors[above as usize];
            let pid = actor.pid;
            if actor.ended_us.is_some() || pid == act.thread.tgid {
                continue;
            }
            if tracee::reads_from(pid, look) {
                is_heard = true;
                self.ledger.actor(above).heard.push(act.who);
            }
            if may_read && tracee::writes_to(pid, look) {
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
        let Some(files) = self.nameless.remove(&who) else { return };
        if files.into_iter().all(|(descriptor, begun)| self.is_unwritten(thread, descriptor, &begun)) {
            for above in self.ledger.above(who) {
                self.ledger.actor(above).heard.retain(|from| *from != who);
            }
            self.ledger.actor(who).heard.clear();
        }
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
