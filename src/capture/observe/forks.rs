//! Forks: what a process did before it ran a program of its own.
//!
//! Mostly it opened the files of a redirection, for the program. But a sub-shell reads, captures and writes what it likes, and
//! may become its last command in the end. Then it was a process of its own before that, and the program knows of it no more
//! than what it was told.
//!
//! Others never run a program of their own: the workers of a pool, the sub-shells of a script. What they do is done by whom they
//! were forked from, unless several of those write files: then each is a process of its own, too. It knows what was known when it
//! was forked. Where it has pipes in common with others, each may have told the other anything at any time.

use std::collections::BTreeMap;

use super::acts::Act;
use super::body::Who;
use super::ledger::{Ledger, What};
use super::net::Net;
use super::process::{Actor, Direction, executors};
use super::stamp::Look;
use super::tracee::Thread;
use super::{Channel, ChannelSort};

/// Where more forks than these talk with whom they were forked from, all remain one process: what each may have heard of all
/// others would be most of what is recorded.
pub(super) const TALKERS_MAX: usize = 64;

impl Net<'_> {
    /// Records what a fork has open that others have given it, while it acts for the program it was forked from; and what those
    /// forks have that it was forked from.
    pub(super) fn look_at_fork(&mut self, thread: &Thread, who: Who) {
        self.look_at(thread, who);
        self.look_at_starters(thread, who);
    }

    fn look_at(&mut self, thread: &Thread, who: Who) {
        self.ledger.actors[who as usize].was_looked_at = true;
        for (slot, descriptor) in [0, 1, 2].into_iter().enumerate() {
            let Ok(look) = thread.look_at_descriptor(descriptor) else {
                continue;
            };
            if let Some(inode) = self.channel(thread, descriptor, &look)
                && !self.given.contains(&inode)
            {
                self.ledger.hold(who, inode, slot);
            }
        }
        for descriptor in thread.descriptors() {
            let Ok(look) = thread.look_at_descriptor(descriptor) else {
                continue;
            };
            if look.is_regular() {
                let is_written = || thread.descriptor_modes(descriptor).is_ok_and(|(_, writes)| writes);
                if descriptor > 0
                    && is_written()
                    && let Some(what) = self.known_open(thread, descriptor, &look)
                {
                    self.ledger.actor(who).lent.push(what);
                }
                if descriptor > 2 && look.links == 0 && is_written() {
                    self.ledger.actor(who).talks = true;
                }
            } else if descriptor > 2
                && (look.is_pipe() || look.is_socket())
                && !self.given.contains(&look.ino)
            {
                self.ledger.actor(who).talks = true;
            }
        }
    }

    /// Finds an open file that was met before, perhaps in a call that has just been answered.
    fn known_open(&mut self, thread: &Thread, descriptor: i32, look: &Look) -> Option<What> {
        self.ledger.known(look).or_else(|| {
            self.settle_path(&thread.find_descriptor(descriptor).ok()?.path);
            self.ledger.known(look)
        })
    }

    /// Looks at the forks that have started a process, as far up as they were not looked at before.
    pub(super) fn look_at_starters(&mut self, thread: &Thread, who: Who) {
        let mut next = self.starter_not_seen(thread, who);
        while let Some((process, who)) = next {
            let Some(thread) = self.meet(process) else { return };
            self.look_at(&thread, who);
            next = self.starter_not_seen(&thread, who);
        }
    }

    fn starter_not_seen(&self, thread: &Thread, who: Who) -> Option<(i32, Who)> {
        let actor = |who: Who| &self.ledger.actors[who as usize];
        // What a process was before it ran its program did not start it.
        let starter = self.ledger.above(who).into_iter().find(|above| actor(*above).pid != thread.tgid)?;
        let is_fork = actor(starter).program.is_none() && actor(starter).pid == thread.parent;
        (is_fork && !actor(starter).was_looked_at).then_some((thread.parent, starter))
    }

    /// Tells whether a fork that runs a program by now may have learned something for itself before.
    pub(super) fn has_learned(&self, fork: Who, thread: Option<&Thread>) -> bool {
        let mut read = self.ledger.actors[fork as usize].read().peekable();
        let has_read = read.peek().is_some() && {
            // What is open still was opened for the program.
            let open = thread.map(|thread| self.open_files(thread)).unwrap_or_default();
            thread.is_some() && read.any(|what| !open.contains(&what))
        };
        has_read || self.ledger.may_have_heard(fork)
    }

    /// Makes a fork that goes over to another program a process of its own.
    pub(super) fn stand_alone(&mut self, fork: Who, thread: Option<&Thread>) {
        if let Some(thread) = thread.filter(|_| !self.ledger.actors[fork as usize].was_looked_at) {
            self.look_at(thread, fork);
        }
        self.ledger.stand_alone(fork);
        for what in self.ledger.actors[fork as usize].lent.clone() {
            let look = self.look_again(what);
            self.ledger.wrote_as_fork(fork, what, look.as_ref());
            self.ledger.followed_as_fork(fork, what);
        }
    }

    fn open_files(&self, thread: &Thread) -> Vec<What> {
        let looks =
            thread.descriptors().into_iter().filter_map(|number| thread.look_at_descriptor(number).ok());
        looks.filter_map(|look| self.ledger.known(&look)).collect()
    }

    /// Records that what a process was, before it ran the program it runs now, may have written to a file that this has open.
    pub(super) fn wrote_before(&mut self, act: Act<'_>, what: What, look: &Look) {
        let actors = &self.ledger.actors;
        let actor = &actors[act.who as usize];
        if let Some(former) = actor.parent.filter(|former| actors[*former as usize].pid == actor.pid) {
            self.ledger.wrote_as_fork(former, what, Some(look));
        }
    }
}

impl Actor {
    /// Lists the files that it has read.
    fn read(&self) -> impl Iterator<Item = What> {
        self.touches.iter().filter(|(_, touch)| touch.read.is_some()).map(|((what, _), _)| *what)
    }

    fn has_at(&self, inode: u64, slot: usize) -> bool {
        self.standard[slot].is_some_and(|channel| channel.inode == inode)
            || self.holds.contains(&(inode, slot))
    }
}

impl Ledger {
    /// Tells whether something may have come to a fork through pipes: it has started a program whose output goes to nobody else, or
    /// has itself a pipe to read from and lived on until others had started.
    fn may_have_heard(&self, fork: Who) -> bool {
        let own = &self.actors[fork as usize];
        // A parent is entered before its children.
        let later = &self.actors[fork as usize..];
        let is_read = |inode: u64| {
            let reads = |actor: &Actor| {
                let mut ends = actor.ends.iter();
                actor.has_at(inode, 0)
                    || ends.any(|end| end.inode == inode && end.direction != Direction::Writes)
            };
            later.iter().skip(1).any(reads)
        };
        let started =
            || later.iter().skip(1).filter(|actor| actor.program.is_some() && self.is_of(actor, fork));
        let is_captured = |actor: &Actor| {
            let outputs = [1, 2].into_iter().filter_map(|slot| Some((slot, actor.standard[slot]?)));
            let mut own_outputs = outputs.filter(|(slot, channel)| {
                channel.sort != ChannelSort::Outside && !own.has_at(channel.inode, *slot)
            });
            own_outputs.any(|(_, channel)| !is_read(channel.inode))
        };
        let hears = own.holds.iter().any(|(_, slot)| *slot == 0);
        (hears && started().next().is_some()) || started().any(is_captured)
    }

    /// Tells whether a process was started by a fork, or by forks of that which have run no program.
    fn is_of(&self, actor: &Actor, fork: Who) -> bool {
        let mut above = actor.parent;
        while let Some(at) = above.filter(|at| *at > fork && self.actors[*at as usize].program.is_none()) {
            above = self.actors[at as usize].parent;
        }
        above == Some(fork)
    }

    /// Enters that a fork ran the program it was forked from.
    fn stand_alone(&mut self, fork: Who) {
        let above = self.above(fork);
        let program = above.iter().find_map(|above| self.actors[*above as usize].program.clone());
        let parent = above.first().copied();
        let is_shared = |inode: u64, slot: usize| {
            parent.is_some_and(|parent| self.actors[parent as usize].has_at(inode, slot))
        };
        let mut standard = [None; 3];
        for (inode, slot) in &self.actors[fork as usize].holds {
            let sort = if is_shared(*inode, *slot) { ChannelSort::Shared } else { ChannelSort::Own };
            standard[*slot].get_or_insert(Channel { inode: *inode, sort });
        }
        let actor = self.actor(fork);
        (actor.program, actor.standard) = (program, standard);
        actor.is_fed = actor.standard[0].is_some();
        actor.holds.retain(|(inode, slot)| standard[*slot].is_none_or(|channel| channel.inode != *inode));
    }

    /// Decides which forks count as processes of their own; of those that have not ended, once no more is to come of them.
    pub(super) fn part_forks(&mut self, is_over: bool) {
        let mut writers: BTreeMap<Who, Vec<Who>> = BTreeMap::new();
        for (who, executor) in executors(&self.actors).into_iter().enumerate() {
            if self.actors[who].writes_besides(&self.actors[0]) {
                writers.entry(executor).or_default().push(who as Who);
            }
        }
        for writers in writers.into_values().filter(|writers| writers.len() > 1) {
            let is_fork = |who: &Who| {
                let actor = &self.actors[*who as usize];
                actor.program.is_none() && actor.parent.is_some() && (is_over || actor.ended_us.is_some())
            };
            let forks: Vec<Who> = writers.into_iter().filter(is_fork).collect();
            let talkers = forks.iter().filter(|fork| self.actors[**fork as usize].talks);
            if talkers.count() > TALKERS_MAX {
                continue;
            }
            for fork in forks {
                self.actors[fork as usize].is_apart = true;
                for what in self.actors[fork as usize].lent.clone() {
                    self.wrote_as_fork(fork, what, None);
                    self.followed_as_fork(fork, what);
                }
            }
        }
    }

    /// Records that a fork may have written to a file which those above it had opened: all that was written since it was there.
    /// How the file stands is known already, or `look` says it.
    fn wrote_as_fork(&mut self, fork: Who, what: What, look: Option<&Look>) {
        if self.is_forgotten(what) {
            return;
        }
        if let Some(look) = look {
            self.body(what).refresh(&look.stamp());
        }
        let above = self.above(fork);
        let started_us = self.actors[fork as usize].started_us;
        for number in 0..=self.body(what).current() {
            let Some(body) = &self.bodies[what as usize] else { return };
            let version = &body.versions[number as usize];
            let opener = version.writers.iter().find(|writer| above.contains(writer)).copied();
            let is_later =
                self.lag.over_us(version.stamp.mtime_ns).is_none_or(|over_us| over_us > started_us);
            let Some(opener) = opener.filter(|_| is_later && !version.writers.contains(&fork)) else {
                continue;
            };
            let Some(opened) = self.actors[opener as usize].touches.get(&(what, number)) else { continue };
            let (written_us, extends) = (opened.written_us, opened.extends);
            self.body(what).version(number).writers.push(fork);
            let touch = self.touch(fork, what, number);
            (touch.written_us, touch.extends) = (written_us, extends);
        }
    }
}
