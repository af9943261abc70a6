//! Turns the ledger, which is about bodies, into the record, which is about paths.

mod naming;
mod versions;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use super::body::{Body, Bytes, Ending, Name, Who};
use super::closings::Rest;
use super::ledger::{Ledger, Touch, What};
use super::pipes::{self, Joined};
use super::process::{self, Actor, Program};
use super::sockets;
use super::stamp::{self, Stamp};
use super::{
    Access, Class, Content, Evidence, Exit, File, Fit, LastChange, Naming, Observation, Process, Reading,
    Version,
};

use naming::is_made_here;
use versions::Unchanged;

/// A body under one path for a time.
struct Segment {
    what: What,
    /// Index of the name.
    name: usize,
    from_us: i64,
    by: Option<Who>,
    /// The versions that stood there, counted without those that are unchanged.
    first: u32,
    last: u32,
    /// How the name came to its end; `None` where it stands.
    end: Option<(i64, Option<Who>, Ending)>,
    /// Somebody who had not written the body gave it this name: as good as a copy of what stood under the name before.
    is_copy: bool,
    /// Of a body that the run made: it goes on under another name, and all that was done with it is entered there.
    is_passed: bool,
    file: usize,
    /// Index of `first` among the versions of the file.
    offset: usize,
}

struct Assembly<'l> {
    ledger: &'l Ledger,
    executors: Vec<Who>,
    /// Segments in the order of files and time.
    segments: Vec<Segment>,
    /// Where the segments of each body are, in the order in which its names were given.
    of_body: BTreeMap<What, Vec<usize>>,
    files: Vec<File>,
    accesses: BTreeMap<(Who, usize, usize), Access>,
    namings: BTreeMap<Who, Vec<Naming>>,
    has_fine_times: bool,
    unchanged: Unchanged,
    /// When the last two of those ended who wrote a version that others followed.
    last_ends: HashMap<(What, u32), Vec<(i64, Who)>>,
}

/// Fills processes and files of the record.
pub(super) fn assemble(ledger: &Ledger, command: i32, observation: &mut Observation) {
    let mut assembly = Assembly {
        ledger,
        executors: process::executors(&ledger.actors),
        segments: vec![],
        of_body: BTreeMap::new(),
        files: vec![],
        accesses: BTreeMap::new(),
        namings: BTreeMap::new(),
        has_fine_times: stamp::has_fine_times(),
        unchanged: Unchanged::of(ledger),
        last_ends: last_ends(ledger),
    };
    assembly.find_segments();
    assembly.build_files();
    assembly.enter_touches();
    assembly.enter_names();
    assembly.classify();
    assembly.hand_over(command, observation);
}

impl Assembly<'_> {
    fn body(&self, what: What) -> &Body {
        self.ledger.bodies[what as usize].as_ref().expect("a segment is made of a body that is there")
    }

    fn executor(&self, who: Who) -> Who {
        self.executors[who as usize]
    }

    /// Returns the program that a process of its own runs: of a fork, that of whom it was forked from.
    fn program(&self, who: Who) -> Option<&Program> {
        let actor = &self.ledger.actors[who as usize];
        let forked_from = || {
            let above = self.ledger.above(who);
            above.iter().find_map(|above| self.ledger.actors[*above as usize].program.as_ref())
        };
        actor.program.as_ref().or_else(|| forked_from().filter(|_| actor.is_apart))
    }

    fn wrote(&self, body: &Body, who: Option<Who>) -> bool {
        let Some(who) = who.map(|who| self.executor(who)) else {
            return false;
        };
        body.versions.iter().flat_map(|version| &version.writers).any(|writer| self.executor(*writer) == who)
    }

    fn find_segments(&mut self) {
        let mut by_path: BTreeMap<Arc<Path>, Vec<Segment>> = BTreeMap::new();
        for what in 0..self.ledger.bodies.len() as What {
            let Some(body) = &self.ledger.bodies[what as usize] else {
                continue;
            };
            let mut kept: Vec<usize> =
                (0..body.names.len()).filter(|index| self.counts(body, *index)).collect();
            if kept.is_empty() {
                kept.extend(body.names.len().checked_sub(1));
            }
            let is_passed = |index: &usize| {
                let by = body.names[*index].end.and_then(|(_, by, _)| by);
                is_made_here(body) && !kept.contains(index) && !self.wrote(body, by)
            };
            let passed = (0..body.names.len()).filter(is_passed);
            for (position, index) in kept.iter().copied().chain(passed).enumerate() {
                let name: &Name = &body.names[index];
                let is_first = position == 0;
                let first = if is_first { 0 } else { self.unchanged.number(what, name.first_version) };
                let last = if name.end.is_some() { name.last_version } else { body.standing() };
                let last = self.unchanged.number(what, last);
                by_path.entry(name.path.clone()).or_default().push(Segment {
                    what,
                    name: index,
                    from_us: name.from_us,
                    by: name.by,
                    first,
                    last: last.max(first),
                    end: name.end,
                    is_copy: !is_first,
                    is_passed: position >= kept.len(),
                    file: 0,
                    offset: 0,
                });
            }
        }
        for (_, mut segments) in by_path {
            segments.sort_by_key(|segment| {
                let is_new = segment.by.is_some() || !self.body(segment.what).existed;
                // What was met only as it was replaced stood there before what replaced it.
                let end_us = segment.end.map_or(i64::MAX, |(us, ..)| us);
                (is_new, segment.from_us, end_us, segment.what)
            });
            self.segments.extend(segments);
        }
    }

    /// Makes one file of all segments of a path.
    fn build_files(&mut self) {
        let mut paths: Vec<Arc<Path>> = vec![];
        for index in 0..self.segments.len() {
            let path = self.path_of(index);
            if paths.last() != Some(&path) {
                let body = self.body(self.segments[index].what);
                let is_original = body.existed && !self.segments[index].is_copy;
                self.files.push(File {
                    path: path.to_path_buf(),
                    class: Class::Untouched,
                    existed: is_original,
                    exists: false,
                    is_link: body.is_link,
                    versions: vec![],
                });
                paths.push(path);
            }
            let file = self.files.len() - 1;
            let offset = self.files[file].versions.len();
            let segment = &self.segments[index];
            let versions: Vec<Version> =
                (segment.first..=segment.last).map(|version| self.version(segment, version)).collect();
            let (what, is_live, is_link) =
                (segment.what, segment.end.is_none(), self.body(segment.what).is_link);
            self.files[file].versions.extend(versions);
            self.files[file].exists |= is_live;
            self.files[file].is_link = is_link;
            self.segments[index].file = file;
            self.segments[index].offset = offset;
            if !self.segments[index].is_passed {
                self.of_body.entry(what).or_default().push(index);
            }
        }
        let segments = &self.segments;
        for of_body in self.of_body.values_mut() {
            of_body.sort_by_key(|index| (segments[*index].is_copy, segments[*index].from_us));
        }
    }

    fn path_of(&self, index: usize) -> Arc<Path> {
        let segment = &self.segments[index];
        self.body(segment.what).names[segment.name].path.clone()
    }

    fn version(&self, segment: &Segment, index: u32) -> Version {
        let body = self.body(segment.what);
        let (made, last) = self.unchanged.versions(segment.what, index);
        let was_written = body.versions[made as usize].written;
        let version = &body.versions[last as usize];
        let (content, evidence, stamp) = match version.bytes {
            Bytes::Hashed { digest, stamp, evidence } => {
                (Some(Content { digest, size_bytes: stamp.size_bytes }), evidence, stamp)
            }
            Bytes::Unwanted => (None, Evidence::StampOnly, version.stamp),
            Bytes::Unreadable => (None, Evidence::Unreadable, version.stamp),
            Bytes::Unread | Bytes::Lost => (None, Evidence::Lost, version.stamp),
        };
        let name = &body.names[segment.name];
        let is_named = name.by.is_some() && index == self.unchanged.number(segment.what, name.first_version);
        let is_dated = was_written && body.has_our_times;
        let last_change = match content {
            Some(_) => self.last_change(body, version.rest, &stamp),
            // Of what is gone by now, how it stood last is not known for certain; but from when on nobody wrote into it.
            None => version.rest.map(|rest| LastChange {
                file_ns: rest.file_ns,
                over_us: rest.us,
                rest_us: Some(rest.us),
            }),
        };
        Version {
            was_written: was_written || segment.is_copy,
            content,
            evidence,
            stamp: Some(stamp),
            named_us: is_named.then_some(name.from_us),
            last_change: last_change.filter(|_| is_dated),
        }
    }

    /// Finds out when the bytes that had this stamp were written for the last time: from when the file was at rest, and from what
    /// its file system says.
    fn last_change(&self, body: &Body, rest: Option<Rest>, stamp: &Stamp) -> Option<LastChange> {
        // Names, owners and permissions move ctime, too; whoever sets times moves nothing else.
        let stamped_ns = if body.was_time_set { stamp.ctime_ns } else { stamp.mtime_ns };
        let told = if body.may_be_mapped { None } else { self.ledger.lag.over_us(stamped_ns) };
        let told = told.map(|over_us| LastChange { file_ns: stamped_ns, over_us, rest_us: None });
        // Somebody may have written into it afterwards who was not seen.
        let rest = rest.filter(|rest| body.was_time_set || stamp.mtime_ns <= rest.file_ns);
        match (told, rest) {
            (Some(told), Some(rest)) => Some(LastChange {
                file_ns: told.file_ns.min(rest.file_ns),
                over_us: told.over_us.min(rest.us),
                rest_us: Some(rest.us),
            }),
            (None, Some(rest)) => {
                Some(LastChange { file_ns: rest.file_ns, over_us: rest.us, rest_us: Some(rest.us) })
            }
            (told, None) => told,
        }
    }

    /// Finds the place of a version in the record, under the name it had at a time.
    fn place(&self, what: What, version: u32, us: i64) -> Option<(usize, usize)> {
        let version = self.unchanged.number(what, version);
        let of_body = self.of_body.get(&what)?;
        let holds = |index: &&usize| {
            let segment = &self.segments[**index];
            (segment.first..=segment.last).contains(&version)
        };
        let in_time =
            |index: &&usize| !self.segments[**index].is_copy || self.segments[**index].from_us <= us;
        let found = of_body.iter().filter(holds).rfind(in_time).or_else(|| of_body.iter().find(holds));
        let segment = &self.segments[*found.or(of_body.last())?];
        let version = version.clamp(segment.first, segment.last);
        Some((segment.file, segment.offset + (version - segment.first) as usize))
    }

    /// Finds the places of a version at a time: one under each name that the file had then.
    fn places_in_time(&self, what: What, version: u32, us: i64) -> Vec<(usize, usize)> {
        let raw = version;
        let version = self.unchanged.number(what, version);
        let of_body = self.of_body.get(&what).map_or(&[][..], Vec::as_slice);
        let had = |index: &&usize| {
            let segment = &self.segments[**index];
            (segment.first..=segment.last).contains(&version)
                && (!segment.is_copy || segment.from_us <= us)
                && segment.end.is_none_or(|(end_us, ..)| end_us > us)
        };
        let had = of_body.iter().filter(had).map(|index| &self.segments[*index]);
        let places = had.map(|segment| (segment.file, segment.offset + (version - segment.first) as usize));
        let places: Vec<(usize, usize)> = places.collect();
        if places.is_empty() { self.place(what, raw, us).into_iter().collect() } else { places }
    }

    fn access(&mut self, who: Who, (file, version): (usize, usize)) -> &mut Access {
        let who = self.executor(who);
        self.accesses.entry((who, file, version)).or_insert(Access {
            file,
            version,
            read_us: None,
            written_us: None,
            was_read_again: false,
            was_executed: false,
            was_only_kept: false,
            was_only_named_from: false,
            was_only_named_to: false,
            reading: Reading::Opened,
            fit: Fit::Same,
            unchanged_since_ns: None,
        })
    }

    fn enter_touches(&mut self) {
        for who in 0..self.ledger.actors.len() as Who {
            let actor = &self.ledger.actors[who as usize];
            let mut touches: Vec<(&(What, u32), &Touch)> = actor.touches.iter().collect();
            touches.sort_by_key(|(key, _)| **key);
            for (&(what, version), touch) in touches {
                if self.ledger.bodies[what as usize].is_some() {
                    self.enter_touch(who, what, version, touch);
                }
            }
        }
    }

    fn enter_touch(&mut self, who: Who, what: What, version: u32, touch: &Touch) {
        let body = self.body(what);
        let was_written = version <= body.standing() && !self.unchanged.is_unchanged(what, version);
        let kept_open = touch.reading == Reading::KeptOpen;
        let read = touch.read.filter(|_| was_written || !kept_open);
        // What others of the run wrote on is a version that is known, too.
        let may_be_other = |us| {
            body.is_given_anew(version) && self.may_have_read_on(who, what, version)
                || self.may_have_changed(who, body, version, us)
        };
        let fit = read.map(|(us, stamp)| match may_be_other(us) {
            true => Fit::Changed,
            // It was seen as somebody began to change it.
            false if kept_open || touch.follows => Fit::Likely,
            false => self.fit(body, version, us, &stamp),
        });
        let says_since = body.has_our_times && !body.versions[version as usize].written;
        let since_ns = read.map(|(_, stamp)| stamp.ctime_ns);
        let since_ns = since_ns.filter(|_| says_since && fit == Some(Fit::Same));
        let read_us = read.map(|(us, _)| match touch.follows {
            true => self.followed_us(who, what, version, us),
            false if kept_open => self.read_on_us(who, body, version, us),
            false => us,
        });
        if let Some(us) = read_us
            && let Some(place) = self.place(what, version, us)
        {
            let access = self.access(who, place);
            access.read_at(us, touch.reading);
            access.was_executed |= touch.was_executed;
            access.was_read_again |= touch.was_read_again;
            access.fit = worse(access.fit, fit.unwrap_or(Fit::Same));
            access.unchanged_since_ns = match (access.unchanged_since_ns, since_ns) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
            self.enter_what_may_be_read_on(who, what, version, us);
        }
        let Some(us) = touch.written_us.filter(|_| was_written) else {
            return;
        };
        for place in self.places_in_time(what, version, us) {
            let access = self.access(who, place);
            access.written_us = access.written_us.max(Some(us));
        }
        let leaves_old_bytes = touch.extends
            && version > 0
            && self.body(what).versions[version as usize - 1].stamp.size_bytes > 0;
        let places = if leaves_old_bytes { self.places_in_time(what, version - 1, us) } else { Vec::new() };
        for place in places {
            let access = self.access(who, place);
            if access.read_us.is_none() {
                access.read_at(us, Reading::Opened);
                access.was_only_kept = true;
            }
        }
    }

    /// Tells whether a reader, who was there when those who had the file open wrote on, may have read that as well. Of one that has
    /// ended, that was found out then. The same of what somebody outside wrote into a file that its readers had not let go.
    fn may_have_read_on(&self, who: Who, what: What, version: u32) -> bool {
        let body = self.body(what);
        if version >= body.standing() {
            return false;
        }
        let actor = &self.ledger.actors[who as usize];
        let read = |version: u32| {
            let touch = actor.touches.get(&(what, version))?;
            touch.read.map(|(us, _)| (us, touch.reading))
        };
        if body.is_given_anew(version) {
            let is_known = read(version + 1).is_some_and(|(_, reading)| reading == Reading::KeptOpen);
            let begun_us = read(version).map_or(i64::MAX, |(us, _)| us);
            let next_us = body.versions[version as usize + 1].stamp.ctime_ns / 1000;
            let was_there = actor.ended_us.is_none_or(|ended_us| ended_us >= next_us);
            return is_known || (was_there && body.may_go_on(version, begun_us));
        }
        body.versions[version as usize].may_go_on && (actor.ended_us.is_none() || read(version + 1).is_some())
    }

    /// Tells whether a file may have changed while somebody read it since `us`, after the recording broke off.
    fn may_have_changed(&self, who: Who, body: &Body, version: u32, us: i64) -> bool {
        let is_last = version == body.current() && !body.versions[version as usize].written;
        body.has_changed_ns.filter(|_| is_last && body.has_our_times).is_some_and(|changed_ns| {
            let ended_us = self.ledger.actors[who as usize].ended_us;
            ended_us.is_none_or(|ended_us| ended_us >= changed_ns / 1000) && !body.was_let_go(version, us)
        })
    }

    /// Enters that a reader may have read what those wrote who had the file open at the time.
    fn enter_what_may_be_read_on(&mut self, who: Who, what: What, read: u32, us: i64) {
        let mut version = read;
        while self.may_have_read_on(who, what, version) {
            version += 1;
            let us = self.read_on_us(who, self.body(what), version, us);
            if !self.unchanged.is_unchanged(what, version)
                && let Some(place) = self.place(what, version, us)
            {
                let access = self.access(who, place);
                if access.read_us.is_none() {
                    access.read_at(us, Reading::KeptOpen);
                    access.fit = worse(access.fit, Fit::Likely);
                }
            }
        }
    }

    /// Returns when a process may have read what others wrote into a file that it had open since `us`: when that was done, as
    /// far as is known, and while it was there.
    fn read_on_us(&self, who: Who, body: &Body, version: u32, us: i64) -> i64 {
        let stamp = &body.versions[version as usize].stamp;
        let done_us = self.ledger.lag.over_us(stamp.mtime_ns).map_or(us, |over_us| over_us - 1);
        let ended_us = self.ledger.actors[who as usize].ended_us.unwrap_or(i64::MAX);
        done_us.min(ended_us).max(us)
    }

    /// Returns the same where others came to write into the file: when those were done.
    fn followed_us(&self, who: Who, what: What, version: u32, us: i64) -> i64 {
        let body = self.body(what);
        let mut ends = self.last_ends.get(&(what, version)).into_iter().flatten();
        let done_us = ends.find(|(_, writer)| *writer != who).map_or(i64::MAX, |(us, _)| *us);
        self.read_on_us(who, body, version, us).min(done_us).max(us)
    }

    fn fit(&self, body: &Body, version: u32, us: i64, then: &Stamp) -> Fit {
        let version = &body.versions[version as usize];
        let now = match version.bytes {
            Bytes::Hashed { stamp, .. } => stamp,
            _ => version.stamp,
        };
        let is_racy =
            !self.has_fine_times && us.saturating_mul(1000).saturating_sub(then.ctime_ns) < stamp::COARSE_NS;
        match body.is_unchanged(then, &now) {
            Some(true) if !is_racy => Fit::Same,
            Some(false) => Fit::Changed,
            _ => Fit::Likely,
        }
    }

    fn classify(&mut self) {
        let mut read_before = vec![false; self.files.len()];
        let mut read_any = vec![false; self.files.len()];
        let mut read_by_others = vec![false; self.files.len()];
        let writes = |accesses: &BTreeMap<(Who, usize, usize), Access>, who: Who, file: usize| {
            accesses
                .range((who, file, 0)..=(who, file, usize::MAX))
                .any(|(_, access)| access.written_us.is_some())
        };
        for ((who, file, version), access) in &self.accesses {
            if access.read_us.is_some() {
                read_any[*file] = true;
                read_before[*file] |= *version == 0;
                read_by_others[*file] |= !writes(&self.accesses, *who, *file);
            }
        }
        for (index, file) in self.files.iter_mut().enumerate() {
            let has_changed = file.versions.iter().skip(1).any(|version| version.was_written);
            // Somebody outside has made it while the run went on.
            let was_given = !file.existed && file.before().is_some() && read_any[index];
            file.class = match (file.existed, file.exists) {
                (true, false) => Class::Deleted,
                (false, false) if was_given => Class::Deleted,
                (false, false) => Class::Temporary,
                (true, true) if has_changed && read_before[index] => Class::Updated,
                (true, true) if has_changed => Class::Output,
                (true, true) if read_any[index] => Class::Input,
                (true, true) => Class::Untouched,
                (false, true) if file.versions.iter().all(|version| !version.was_written) => Class::Input,
                (false, true) if read_by_others[index] => Class::Intermediate,
                (false, true) => Class::Output,
            };
        }
    }

    fn hand_over(mut self, command: i32, observation: &mut Observation) {
        let mut removals = self.removals();
        let actors = &self.ledger.actors;
        let met = sockets::meetings(actors);
        let Joined { groups, feeds, poured } = pipes::join_by_pipes(actors, &self.executors, &met);
        let mut shown: Vec<Who> =
            (0..actors.len() as Who).filter(|who| self.program(*who).is_some()).collect();
        shown.sort_by_key(|who| (actors[*who as usize].started_us, *who));
        let mut positions = vec![0; actors.len()];
        for (position, who) in shown.iter().enumerate() {
            positions[*who as usize] = position;
        }
        let mut first_of: BTreeMap<Who, usize> = BTreeMap::new();
        for who in &shown {
            first_of.entry(groups[*who as usize]).or_insert(positions[*who as usize]);
        }
        let by_fed = |feeds: BTreeSet<(Who, Who)>| {
            let mut by_fed: BTreeMap<Who, Vec<usize>> = BTreeMap::new();
            for (feeder, fed) in feeds {
                by_fed.entry(fed).or_default().push(positions[feeder as usize]);
            }
            by_fed
        };
        let (mut fed_by, mut poured_by) = (by_fed(feeds), by_fed(poured));
        let mut connections: BTreeMap<Who, Vec<(String, i64)>> = BTreeMap::new();
        for (who, actor) in actors.iter().enumerate() {
            let addresses = actor.connections.iter().chain(&actor.bound);
            let outside = addresses.filter(|(address, _)| !met.inside.contains(address)).cloned();
            for (address, us) in outside {
                let known = connections.entry(self.executors[who]).or_default();
                // The first time counts.
                if known.iter().all(|(other, _)| *other != address) {
                    known.push((address, us));
                }
            }
        }
        for who in &shown {
            let actor = &actors[*who as usize];
            let range = (*who, 0, 0)..=(*who, usize::MAX, usize::MAX);
            let accesses = self.accesses.range(range).map(|(_, access)| access.clone()).collect();
            let parent = actor.parent.map(|parent| self.executor(parent));
            let Some(program) = self.program(*who) else {
                continue;
            };
            let mut process = show(actor, program.clone(), accesses);
            process.parent = parent
                .filter(|parent| self.program(*parent).is_some())
                .map(|parent| positions[parent as usize]);
            process.group = first_of[&groups[*who as usize]];
            process.connections = connections.remove(who).unwrap_or_default();
            process.fed_by = fed_by.remove(who).unwrap_or_default();
            process.poured_by = poured_by.remove(who).unwrap_or_default();
            process.namings = self.namings.remove(who).unwrap_or_default();
            process.namings.sort_by_key(|naming| naming.us);
            for maker in process.namings.iter_mut().filter_map(|naming| naming.maker.as_mut()) {
                *maker = positions[*maker];
            }
            process.removals = removals.remove(who).unwrap_or_default();
            if actor.pid == command && process.ended_us.is_none() {
                process.ended_us = Some(observation.ended_us);
                process.exit_code = match observation.exit {
                    Exit::Code(code) => Some(code),
                    Exit::Signal { .. } | Exit::Unknown => None,
                };
            }
            observation.processes.push(process);
        }
        observation.files = self.files;
        observation.private_temporaries = self.ledger.temporaries;
    }
}

/// Finds out when the last two of those ended who wrote a version of a file that others followed.
fn last_ends(ledger: &Ledger) -> HashMap<(What, u32), Vec<(i64, Who)>> {
    let mut last = HashMap::new();
    for (what, body) in ledger.bodies.iter().enumerate() {
        let Some(body) = body.as_ref().filter(|body| body.is_followed) else { continue };
        for (number, version) in body.versions.iter().enumerate() {
            let ended_us = |who: &Who| ledger.actors[*who as usize].ended_us.unwrap_or(i64::MAX);
            let mut ends: Vec<(i64, Who)> = version.writers.iter().map(|who| (ended_us(who), *who)).collect();
            ends.sort_unstable_by(|one, other| other.cmp(one));
            ends.truncate(2);
            last.insert((what as What, number as u32), ends);
        }
    }
    last
}

impl Access {
    fn read_at(&mut self, us: i64, reading: Reading) {
        self.reading = if self.read_us.is_some() { self.reading.min(reading) } else { reading };
        self.read_us = Some(self.read_us.map_or(us, |known| known.min(us)));
        self.was_only_kept = false;
    }
}

fn show(actor: &Actor, program: Program, accesses: Vec<Access>) -> Process {
    Process {
        pid: actor.pid,
        parent: None,
        exe: program.exe,
        arguments: program.arguments,
        arguments_were_cut: program.arguments_were_cut,
        folder: program.folder,
        started_us: actor.started_us,
        told_us: actor.told_us,
        ended_us: actor.ended_us,
        exit_code: actor.exit_code,
        standard: actor.standard,
        group: 0,
        fed_by: vec![],
        poured_by: vec![],
        connections: vec![],
        accesses,
        namings: vec![],
        removals: vec![],
    }
}

fn worse(a: Fit, b: Fit) -> Fit {
    match (a, b) {
        (Fit::Changed, _) | (_, Fit::Changed) => Fit::Changed,
        (Fit::Likely, _) | (_, Fit::Likely) => Fit::Likely,
        _ => Fit::Same,
    }
}
