//! Who wrote to an open file that went from hand to hand: a shell opens the file of a redirection, and the programs it starts
//! write to it.
//!
//! No write is seen, but each start and each end of a program is, and the file's size and time of last change at these
//! moments. A program under which they stayed the same wrote nothing. And who opened the file, and only started programs with
//! it, wrote nothing where all that changed did so between the start and the end of such a program.

use super::ChannelSort;
use super::body::Who;
use super::checkpoint::record;
use super::ledger::{Ledger, What};
use super::stamp::{Look, Stamp};

/// What moves when a file is written to: its size, and the time of its last change.
type State = (u64, i64);

fn state(stamp: &Stamp) -> State {
    (stamp.size_bytes, stamp.mtime_ns)
}

/// An open file as a program was started with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) what: What,
    pub(super) version: u32,
    begun: State,
}

record!(Held { what, version, begun });

/// How a version of a file came about through one open file.
#[derive(Debug)]
pub(super) struct Relay {
    /// Had it open and started others with it.
    openers: Vec<Who>,
    /// Was started with it last, and has not ended.
    runner: Option<Who>,
    /// As it was when the runner began, or else when the last one ended.
    explained: State,
    has_changed: bool,
    /// Somebody may have written to it in between, or at the same time.
    is_broken: bool,
}

record!(Relay { openers, runner, explained, has_changed, is_broken });

impl Relay {
    /// Returns those who only opened the file for others, as far as can be told while it stands so.
    pub(super) fn innocent(&self, now: &Stamp) -> &[Who] {
        let is_whole = self.runner.is_none() && self.explained == state(now);
        if is_whole && self.has_changed && !self.is_broken { &self.openers } else { &[] }
    }

    /// Gives those who had a part in it other numbers, and forgets those who have none.
    pub(super) fn renumber(&mut self, number: &dyn Fn(Who) -> Option<Who>) {
        self.openers = self.openers.iter().filter_map(|opener| number(*opener)).collect();
        self.runner = self.runner.and_then(number);
    }
}

impl Ledger {
    /// Records that a program was started with a file open for writing; false if nobody of the run is known to have opened it so.
    pub(super) fn relay(&mut self, who: Who, what: What, look: &Look, us: i64) -> bool {
        if self.is_forgotten(what) {
            return true;
        }
        let stamp = look.stamp();
        let now = state(&stamp);
        let above = self.above(who);
        let body = self.body(what);
        body.refresh(&stamp);
        let current = body.current();
        let version = body.version(current);
        let is_read_already = version.read_by_others && version.tentative.is_none();
        if !version.written || is_read_already {
            return false;
        }
        if version.writers.contains(&who) {
            // A fork opened it for the program that it is now.
            return true;
        }
        let is_explained = match &mut version.relay {
            None => {
                let is_untouched = look.size == 0 || version.tentative.is_some();
                let openers = version.writers.clone();
                let is_broken = !(is_untouched && openers.iter().all(|opener| above.contains(opener)));
                let relay =
                    Relay { openers, runner: Some(who), explained: now, has_changed: false, is_broken };
                version.relay = Some(Box::new(relay));
                is_untouched
            }
            Some(relay) => {
                let is_explained = !relay.is_broken && relay.explained == now;
                match relay.runner {
                    Some(runner) if above.contains(&runner) => relay.openers.push(runner),
                    Some(_) => relay.is_broken = true,
                    None => {}
                }
                relay.is_broken |= relay.explained != now;
                (relay.runner, relay.explained) = (Some(who), now);
                is_explained
            }
        };
        version.writers.push(who);
        body.was_opened_for_writing = true;
        let extends = self.extends(what, current);
        let touch = self.touch(who, what, current);
        touch.written_us = Some(us);
        touch.extends = extends;
        // As a fork it may have read from its pipe, and written that, before it ran the program.
        let input = self.actors[who as usize].standard[0];
        let has_heard = input.is_some_and(|input| input.sort == ChannelSort::Own && !input.is_terminal());
        if is_explained || !has_heard {
            self.hold_open(who, what, look);
        }
        true
    }

    /// Records, of a program that was started with a file open for writing and so began a version of it, that those who had it
    /// open before may go on with that version too.
    pub(super) fn relay_anew(&mut self, who: Who, what: What, look: &Look, us: i64) {
        let above = self.above(who);
        let body = self.body(what);
        let Some(former) = (body.current() as usize).checked_sub(1) else { return };
        let former = body.versions[former].writers.iter();
        let openers: Vec<Who> = former.filter(|writer| above.contains(writer)).copied().collect();
        let openers: Vec<Who> =
            openers.into_iter().filter(|opener| self.actors[*opener as usize].ended_us.is_none()).collect();
        let body = self.body(what);
        let current = body.current();
        let version = body.version(current);
        if openers.is_empty() || version.relay.is_some() || version.writers != [who] {
            return;
        }
        version.writers.extend(&openers);
        let explained = state(&look.stamp());
        let (runner, openers_of) = (Some(who), openers.clone());
        version.relay =
            Some(Box::new(Relay { openers, runner, explained, has_changed: false, is_broken: false }));
        for opener in openers_of {
            let touch = self.touch(opener, what, current);
            (touch.written_us, touch.extends) = (Some(us), true);
        }
    }

    /// Goes over to a version that has just been begun, with all that is known of those who write through the same open file.
    pub(super) fn hand_on(&mut self, what: What, look: &Look) {
        let now = state(&look.stamp());
        let body = self.body(what);
        let next = body.current();
        let version = body.version(next - 1);
        let writers = version.writers.clone();
        if let Some(relay) = &mut version.relay {
            relay.has_changed |= relay.runner.is_some() && relay.explained != now;
            relay.is_broken |= relay.runner.is_none() && relay.explained != now;
            let runner = relay.runner.take();
            relay.explained = now;
            let openers = relay.openers.clone();
            let relay = Relay { openers, runner, explained: now, has_changed: false, is_broken: false };
            body.version(next).relay = Some(Box::new(relay));
        }
        for writer in writers {
            let is_it = |held: &&mut Held| held.what == what && held.version + 1 == next;
            let Some(held) = self.actors[writer as usize].held.iter_mut().find(is_it) else { continue };
            let has_written = held.begun != now;
            (held.version, held.begun) = (next, now);
            self.actor(writer);
            if !has_written {
                self.did_not_write(writer, what, next - 1);
            }
        }
    }

    /// Remembers that a program was started with a file, to find out at its end whether it wrote.
    pub(super) fn hold_open(&mut self, who: Who, what: What, look: &Look) {
        if self.actors[who as usize].read_as_fork {
            // As a fork it read something before it ran the program, and may have written that already.
            return;
        }
        let version = self.body(what).current();
        let held = Held { what, version, begun: state(&look.stamp()) };
        self.actor(who).held.push(held);
    }

    /// Takes notice of how a file stands that was open in a program at its start, now that the program ends.
    pub(super) fn end_held(&mut self, who: Who, held: Held, stamp: &Stamp) {
        let Held { what, version: number, begun } = held;
        if self.is_forgotten(what) || self.body(what).current() != number {
            return;
        }
        let now = state(stamp);
        let started_us = self.actors[who as usize].started_us;
        let seen: Vec<(Who, i64)> =
            self.above(who).into_iter().map(|above| (above, self.actors[above as usize].seen_us)).collect();
        let body = self.body(what);
        body.refresh(stamp);
        let version = body.version(number);
        if let Some(relay) = &mut version.relay {
            if relay.runner == Some(who) {
                relay.runner = None;
                relay.has_changed |= relay.explained != now;
                // Who only waits for the program does nothing else meanwhile.
                let is_busy =
                    |(above, seen_us): &(Who, i64)| relay.openers.contains(above) && *seen_us > started_us;
                relay.is_broken |= relay.explained != now && seen.iter().any(is_busy);
                relay.explained = now;
            } else if relay.runner.is_none() {
                relay.is_broken |= relay.explained != now;
            }
        }
        if now == begun {
            self.did_not_write(who, what, number);
        }
    }

    /// Strikes out those who opened files for others only, now that all is over.
    pub(super) fn settle_relays(&mut self) {
        for what in 0..self.bodies.len() as What {
            if !self.is_forgotten(what) {
                self.settle_relay(what);
            }
        }
    }

    /// Strikes out those who opened one file for others only, once nobody writes to it any more.
    pub(super) fn settle_relay(&mut self, what: What) {
        let mut innocent: Vec<(Who, u32)> = vec![];
        for (number, version) in self.body(what).versions.iter().enumerate() {
            let Some(relay) = &version.relay else { continue };
            let openers = relay.innocent(&version.stamp).iter();
            innocent.extend(openers.map(|opener| (*opener, number as u32)));
        }
        for (who, version) in innocent {
            self.did_not_write(who, what, version);
            let body = self.body(what);
            let writer = body.versions[version as usize].writers.first().copied();
            // A file that is made for a program is made by it.
            for name in
                body.names.iter_mut().filter(|name| name.by == Some(who) && name.first_version == version)
            {
                name.by = writer.or(name.by);
            }
        }
    }

    /// Strikes out that somebody wrote a version.
    pub(super) fn did_not_write(&mut self, who: Who, what: What, version: u32) {
        self.body(what).version(version).writers.retain(|writer| *writer != who);
        let key = (what, version);
        if self.actors[who as usize].touches.contains_key(&key) {
            let touch = self.touch(who, what, version);
            (touch.written_us, touch.extends) = (None, false);
            if touch.read.is_none() {
                self.actors[who as usize].touches.remove(&key);
            }
        }
    }

    /// Tells whether the one who began a version left bytes of the one before in it.
    fn extends(&self, what: What, version: u32) -> bool {
        let writers =
            self.bodies[what as usize].iter().flat_map(|body| &body.versions[version as usize].writers);
        let mut touches = writers.filter_map(|who| self.actors[*who as usize].touches.get(&(what, version)));
        touches.any(|touch| touch.extends)
    }

    /// Returns those who started a process, and those above them.
    pub(super) fn above(&self, who: Who) -> Vec<Who> {
        let parent = |who: &Who| self.actors[*who as usize].parent.filter(|parent| parent < who);
        std::iter::successors(parent(&who), parent).collect()
    }
}
