//! Makes an observation of the checkpoints of a run whose observer has died.
//!
//! Nothing is known of what came after the last checkpoint: the command may have gone on. So a file that stands as it stood then
//! (identity, size and time of last change) has the bytes that it had then. Of one that does not, the bytes are not known, unless
//! somebody read them in time and remembers their digest.

use std::path::{Path, PathBuf};

use super::super::body::{Bytes, Ending, Who};
use super::super::finish::{self, Task};
use super::super::ledger::What;
use super::super::net::Net;
use super::super::stamp::Stamp;
use super::super::{
    Digest, Evidence, Exit, GapSort, Level, Observation, Options, Recovered, assemble, digest,
};
use super::{Head, Part, Record as _};

/// Does what [`recover`](super::super::recover) does.
pub(in super::super) fn recover(
    options: &Options<'_>,
    parts: &mut dyn Iterator<Item = &[u8]>,
) -> Option<Recovered> {
    // What is about to be destroyed was kept by whoever saw it.
    let mut keep = |_: &Path, _: &Digest, _: Vec<u8>| {};
    let mut net = Net::new(options, &mut keep);
    let mut last: Option<Head> = None;
    for mut bytes in parts {
        let Some(part) = Part::take(&mut bytes).filter(|_| bytes.is_empty()) else { break };
        let head = part.head;
        net.take_up(part);
        last = Some(head);
    }
    let head = last?;
    if head.exit.is_none() {
        net.end_held_of_unended();
    }
    net.find_what_still_stands(head.at_us);
    net.ledger.part_forks(head.exit.is_some());
    let mut observation = Observation {
        level: Level::Net,
        exit: head.exit.unwrap_or(Exit::Unknown),
        is_whole: head.exit.is_some(),
        started_us: head.started_us,
        ended_us: head.ended_us,
        processes: vec![],
        files: vec![],
        gaps: vec![],
        connections: vec![],
        had_input: head.had_input,
        private_temporaries: 0,
        traps: 0,
    };
    // Only of a command that has ended is it known how.
    let command = if head.exit.is_some() { head.command } else { 0 };
    assemble::assemble(&net.ledger, command, &mut observation);
    observation.gaps = net.gaps();
    let addresses = net.ledger.actors.iter().flat_map(|actor| &actor.connections);
    observation.connections = addresses.map(|(address, _)| address.clone()).collect();
    observation.connections.sort();
    observation.connections.dedup();
    Some(Recovered { observation, exit: head.exit, until_us: head.at_us })
}

impl Net<'_> {
    /// Enters what a checkpoint says. Whatever is new in it has the next number.
    pub(super) fn take_up(&mut self, part: Part) {
        let ledger = &mut self.ledger;
        for (who, mut actor) in part.actors {
            match ledger.actors.get_mut(who as usize) {
                Some(known) => {
                    actor.touches = std::mem::take(&mut known.touches);
                    *known = actor;
                }
                None => ledger.actors.push(actor),
            }
        }
        for (what, body) in part.bodies {
            match ledger.bodies.get_mut(what as usize) {
                Some(known) => *known = body,
                None => ledger.bodies.push(body),
            }
        }
        for ((who, what), version, touch) in part.touches {
            let touches = &mut ledger.actors[who as usize].touches;
            match touch {
                Some(touch) => drop(touches.insert((what, version), touch)),
                None => drop(touches.remove(&(what, version))),
            }
        }
        (ledger.lag, ledger.temporaries) = (part.lag, part.head.temporaries);
        if let Some(gaps) = part.gaps {
            self.put_gaps(gaps);
        }
        self.served = part.served;
    }

    /// Looks at every file once more, and reads those that stand as they stood at the last checkpoint.
    fn find_what_still_stands(&mut self, until_us: i64) {
        let mut tasks = vec![];
        for what in 0..self.ledger.bodies.len() as What {
            if self.ledger.bodies[what as usize].is_some() {
                tasks.extend(self.look_once_more(what, until_us));
            }
        }
        self.ledger.settle_relays();
        for (task, bytes) in finish::read_all(self, tasks) {
            let is_same = matches!(bytes, Bytes::Hashed { stamp, .. } if stamp == task.look.stamp());
            if is_same {
                finish::enter(self, task.what, task.version, bytes);
            } else {
                self.lose(task.what, &task.path);
            }
        }
        for what in 0..self.ledger.bodies.len() as What {
            finish::recall(self, what);
        }
    }

    /// Finds out, as at their ends, whether programs that had not ended wrote to the files that were open when they began.
    fn end_held_of_unended(&mut self) {
        for who in 0..self.ledger.actors.len() as Who {
            if self.ledger.actors[who as usize].ended_us.is_some() {
                continue;
            }
            for held in std::mem::take(&mut self.ledger.actor(who).held) {
                if !self.ledger.is_forgotten(held.what) {
                    let body = self.ledger.body(held.what);
                    let last = body.versions[body.current() as usize].stamp;
                    self.ledger.end_held(who, held, &last);
                }
            }
        }
    }

    /// Looks at a file under its names; returns what is to be read where it stands as it stood.
    fn look_once_more(&mut self, what: What, until_us: i64) -> Option<Task> {
        let body = self.ledger.body(what);
        let first = body.versions[0].stamp;
        let last = body.versions[body.current() as usize].stamp;
        let is_sure = body.stamp_is_sure;
        let names: Vec<PathBuf> =
            body.names.iter().filter(|name| name.end.is_none()).map(|name| name.path.to_path_buf()).collect();
        let name = names.first()?;
        let stands = |path: &PathBuf| {
            let look = digest::look(path).ok()?;
            ((look.dev, look.ino) == (first.dev, first.ino)).then(|| (path.clone(), look))
        };
        let standing: Vec<_> = names.iter().filter_map(stands).collect();
        // Permissions, owners and names, which move ctime, may have been changed by the run or by anybody since.
        let is_as_then = |now: &Stamp| (now.size_bytes, now.mtime_ns) == (last.size_bytes, last.mtime_ns);
        let is_as_it_was = is_sure && standing.last().is_some_and(|(_, look)| is_as_then(&look.stamp()));
        if !is_as_it_was {
            self.lose(what, name);
        }
        let changed = standing.last().map(|(_, look)| look.stamp()).filter(|now| !is_as_then(now));
        self.ledger.body(what).has_changed_ns = changed.map(|now| now.ctime_ns);
        for gone in names.iter().filter(|name| standing.iter().all(|(path, _)| path != *name)) {
            self.ledger.end_name(what, gone, None, until_us, Ending::Removed);
        }
        let (path, look) = standing.into_iter().next_back().filter(|_| is_as_it_was)?;
        finish::task(self, what, path, look)
    }

    /// Enters that the bytes which a file held at the last checkpoint are not known, unless somebody remembers their digest.
    fn lose(&mut self, what: What, path: &Path) {
        if self.ledger.is_forgotten(what) || self.served.iter().any(|folder| path.starts_with(folder)) {
            // Of a file system that the command served it is said as a whole that nothing in it was looked at.
            return;
        }
        let wanted = (self.options.is_wanted)(path);
        let known_digest = self.options.known_digest;
        let body = self.ledger.body(what);
        let standing = body.standing();
        let (is_sure, was_written) = (body.stamp_is_sure, body.version(standing).written);
        let version = body.version(standing);
        if version.bytes != Bytes::Unread {
            return;
        }
        let known = || known_digest(&version.stamp).map(|digest| (digest, version.stamp, Evidence::Known));
        let early = version.early.as_deref().map(|(digest, stamp)| (*digest, *stamp, Evidence::Hashed));
        let known = early.or_else(|| known().filter(|_| is_sure)).filter(|_| wanted);
        version.bytes = match known {
            Some((digest, stamp, evidence)) => Bytes::Hashed { digest, stamp, evidence },
            None if wanted => Bytes::Lost,
            None => Bytes::Unwanted,
        };
        if known.is_none() && wanted {
            let shown = self.shown(path).display();
            let verb = if was_written { "wrote" } else { "read" };
            let text = format!(
                "`{shown}` does not stand as it stood when the recording broke off: \
                 what the run {verb} there is not recorded"
            );
            self.gap_of(GapSort::Overwritten, text);
        }
    }
}
