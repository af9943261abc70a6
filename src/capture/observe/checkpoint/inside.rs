//! A command inside of another one that is observed: the kernel gives the net to one observer alone, and whoever has it tells what
//! it saw of the inner one.
//!
//! Whoever cannot have the net asks for that by opening a path at which nothing ever lies. The observer around it, which is shown
//! that call as all others, hands over an open file with all that it knows of the processes below the one that asks, written as
//! a checkpoint. What others did to the same files is to the inner command as if it were done from outside: its own are its own
//! alone. Where nobody answers (the observer has died, is another program, or of another version), the file is not there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use super::super::body::{Body, Who};
use super::super::ledger::What;
use super::super::net::{GapsNoted, Net};
use super::super::place::Place;
use super::super::process::Actor;
use super::super::{
    Channel, ChannelSort, Digest, GapSort, Level, Observation, Options, assemble, finish, sys,
};
use super::{Head, News, Part, Record as _};

/// Nobody can make a file in `/proc`. A checkpoint means something to the version that made it alone.
const QUESTION: &str = concat!("/proc/lineage/observed/", env!("CARGO_PKG_VERSION"));

/// Tells whether a path that is to be opened is the question what was seen of the processes below the one that opens it.
pub(in super::super) fn is_question(place: &Place) -> bool {
    place.absolute() == Some(QUESTION.as_bytes())
}

/// An observer around this process, which has the net.
pub(in super::super) struct Observer {
    /// What it had not seen of all that it observes when it was found.
    gaps: GapsNoted,
}

impl Observer {
    /// Finds the observer around this process, if it answers.
    pub(in super::super) fn find() -> Option<Observer> {
        Some(Observer { gaps: ask()?.gaps? })
    }

    /// Completes what was observed of a command by what the observer saw of it; `None` where it answers no more.
    pub(in super::super) fn complete(
        &self,
        options: &Options<'_>,
        command: i32,
        known: Observation,
    ) -> Option<Observation> {
        let part = own_part(ask()?, known.started_us);
        // What is about to be destroyed is kept by whoever sees it.
        let mut keep = |_: &Path, _: &Digest, _: Vec<u8>| {};
        let mut net = Net::new(options, &mut keep);
        let gaps = part.gaps.as_ref().map(|gaps| since(&self.gaps, gaps));
        net.take_up(Part { gaps, ..part });
        finish::finish(&mut net);
        net.say_who_is_left();
        let mut observation = Observation { level: Level::Net, ..known };
        if !net.ledger.actors.is_empty() {
            assemble::assemble(&net.ledger, command, &mut observation);
        }
        observation.gaps.extend(net.gaps());
        let addresses = net.ledger.actors.iter().flat_map(|actor| &actor.connections);
        let addresses: BTreeSet<String> = addresses.map(|(address, _)| address.clone()).collect();
        observation.connections = addresses.into_iter().collect();
        Some(observation)
    }
}

/// Asks the observer around this process what it saw below it.
fn ask() -> Option<Part> {
    let mut answer = Vec::new();
    File::open(QUESTION).ok()?.read_to_end(&mut answer).ok()?;
    let mut rest = &answer[..];
    Part::take(&mut rest).filter(|_| rest.is_empty())
}

/// Returns what was not seen since an earlier answer.
fn since((earlier, earlier_left_out): &GapsNoted, (gaps, left_out): &GapsNoted) -> GapsNoted {
    let earlier: BTreeMap<_, _> = earlier.iter().map(|(sentence, count)| (sentence, *count)).collect();
    let gaps = gaps.iter().filter_map(|(sentence, count)| {
        let new = count.saturating_sub(earlier.get(sentence).copied().unwrap_or(0));
        (new > 0).then(|| (sentence.clone(), new))
    });
    (gaps.collect(), left_out.saturating_sub(*earlier_left_out))
}

impl Net<'_> {
    /// Hands what is known of the processes below one to it.
    pub(in super::super) fn tell(&mut self, asker: Who, us: i64) {
        self.collect(false);
        self.take_early();
        self.settle_all(false);
        self.settle_known_starts();
        let file = sys::file_in_memory().and_then(|file| {
            let mut file = File::from(file);
            file.write_all(&self.part_below(asker, us))?;
            file.rewind()?;
            Ok(file)
        });
        self.told = file.ok();
    }

    /// Writes down all that is known of the processes below one, and of the files that they had to do with.
    fn part_below(&self, asker: Who, us: i64) -> Vec<u8> {
        let ledger = &self.ledger;
        let is_below = below(&ledger.actors, asker);
        let is_theirs = |who: Option<Who>| who.is_some_and(|who| is_below[who as usize]);
        let [mut actors, mut bodies, mut touches] = [const { News::new() }; 3];
        let mut met = vec![false; ledger.bodies.len()];
        for (who, actor) in ledger.actors.iter().enumerate().filter(|(who, _)| is_below[*who]) {
            let who = who as Who;
            actors.add(|out| {
                who.put(out);
                actor.put(out);
            });
            for ((what, version), touch) in &actor.touches {
                met[*what as usize] = true;
                touches.add(|out| {
                    ((who, *what), *version, true).put(out);
                    touch.put(out);
                });
            }
        }
        for (what, body) in ledger.bodies.iter().enumerate() {
            let Some(body) = body else { continue };
            let is_named = |body: &Body| {
                let mut names = body.names.iter();
                names.any(|name| is_theirs(name.by) || name.end.is_some_and(|(_, by, _)| is_theirs(by)))
            };
            if met[what] || is_named(body) {
                bodies.add(|out| {
                    (what as What, true).put(out);
                    body.put(out);
                });
            }
        }
        let head = Head {
            at_us: us,
            started_us: us,
            ended_us: us,
            command: 0,
            exit: None,
            had_input: false,
            temporaries: 0,
        };
        self.part(head, [actors, bodies, touches], Some(self.gaps_noted()))
    }

    /// Says which processes still run.
    fn say_who_is_left(&mut self) {
        for who in 0..self.ledger.actors.len() as Who {
            let actor = &self.ledger.actors[who as usize];
            // A process that has ended without a word has no program any more.
            if actor.ended_us.is_none() && Path::new(&format!("/proc/{}/exe", actor.pid)).exists() {
                let text = format!(
                    "`{}` (process {}) was still running when the record was closed",
                    self.program_name(who),
                    actor.pid
                );
                self.gap_of(GapSort::StillRunning, text);
            }
        }
    }
}

/// Tells of each process whether it is below one.
fn below(actors: &[Actor], above: Who) -> Vec<bool> {
    let mut is_below = vec![false; actors.len()];
    for (who, actor) in actors.iter().enumerate() {
        let parent = actor.parent.filter(|parent| (*parent as usize) < who);
        is_below[who] = parent.is_some_and(|parent| parent == above || is_below[parent as usize]);
    }
    is_below
}

/// Makes of what an observer saw of some of its processes what an observer of these alone had seen, which began at `started_us`.
fn own_part(mut part: Part, started_us: i64) -> Part {
    let numbers: HashMap<Who, Who> = (0..).zip(&part.actors).map(|(own, (who, _))| (*who, own)).collect();
    let number = |who: Who| numbers.get(&who).copied();
    // What the command was given joins everybody and nobody, as where it comes from outside the run.
    let given: BTreeSet<u64> =
        part.actors.first().into_iter().flat_map(|(_, first)| first.born_with()).collect();
    for (who, actor) in &mut part.actors {
        (*who, actor.parent) = (numbers[who], actor.parent.and_then(number));
        actor.holds.retain(|(inode, _)| !given.contains(inode));
        actor.channels.retain(|inode| !given.contains(inode));
        actor.ends.retain(|end| !given.contains(&end.inode));
        for channel in actor.standard.iter_mut().flatten().filter(|channel| given.contains(&channel.inode)) {
            *channel = Channel { sort: ChannelSort::Outside, ..*channel };
        }
    }
    // The files are numbered anew, too, in their order.
    let places: HashMap<What, What> = (0..).zip(&part.bodies).map(|(own, (what, _))| (*what, own)).collect();
    let place = |what: What| places.get(&what).copied();
    for (_, actor) in &mut part.actors {
        actor.held.retain_mut(|held| place(held.what).map(|own| held.what = own).is_some());
        actor.lent.retain_mut(|what| place(*what).map(|own| *what = own).is_some());
        actor.heard = actor.heard.iter().filter_map(|from| number(*from)).collect();
    }
    part.touches.retain_mut(|((who, what), ..)| match (number(*who), place(*what)) {
        (Some(own), Some(place)) => {
            (*who, *what) = (own, place);
            true
        }
        _ => false,
    });
    for (what, body) in &mut part.bodies {
        *what = places[what];
        if let Some(body) = body {
            body.leave_to_others(&number, started_us);
        }
    }
    part
}

impl Actor {
    /// Lists the pipes, sockets and terminals that its program was born with.
    fn born_with(&self) -> impl Iterator<Item = u64> {
        let standard = self.standard.iter().flatten().map(|channel| channel.inode);
        let ends = self.ends.iter().filter(|end| end.is_born).map(|end| end.inode);
        standard.chain(ends).chain(self.channels.iter().copied())
    }
}

impl Body {
    /// Makes what others did to it something that was done from outside; `number` gives the numbers of those who are no others.
    fn leave_to_others(&mut self, number: &dyn Fn(Who) -> Option<Who>, started_us: i64) {
        self.listeners.retain_mut(|listener| number(listener.who).map(|own| listener.who = own).is_some());
        for version in &mut self.versions {
            version.writers = version.writers.iter().filter_map(|writer| number(*writer)).collect();
            version.written &= !version.writers.is_empty();
            version.first_reader = version.first_reader.and_then(number);
            match &mut version.relay {
                Some(relay) if version.written => relay.renumber(number),
                _ => version.relay = None,
            }
        }
        for name in &mut self.names {
            name.by = name.by.and_then(number);
            if let Some((_, by, _)) = &mut name.end {
                *by = by.and_then(number);
            }
        }
        let is_given = self.names.first().is_some_and(|name| name.by.is_none() && name.from_us < started_us);
        self.existed |= is_given && !self.versions[0].written;
    }
}
