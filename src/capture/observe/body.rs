//! One file as the run meets it: its names in time, and the versions its bytes went through.

use std::path::Path;
use std::sync::Arc;

use super::Evidence;
use super::checkpoint::{Noted, Record, choice, record};
use super::closings::Rest;
use super::digest::Digest;
use super::listeners::Listener;
use super::relay::Relay;
use super::stamp::{Look, Stamp};

/// Index of a process in the ledger.
pub(super) type Who = u32;

/// How a name came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Removed, or replaced by another file.
    Removed,
    /// Went on under another name.
    Renamed,
}

choice!(Ending { Removed = 0, Renamed = 1 });

/// A path under which a file stood for a time.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) path: Arc<Path>,
    /// When and by whom it was given; nobody: it stood before the run, or somebody outside gave it.
    pub(super) from_us: i64,
    pub(super) by: Option<Who>,
    pub(super) end: Option<(i64, Option<Who>, Ending)>,
    /// The version current when it was given, and the last one while it stood.
    pub(super) first_version: u32,
    pub(super) last_version: u32,
}

record!(Name { path, from_us, by, end, first_version, last_version });

/// What is known of a version's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bytes {
    /// Not looked at yet.
    Unread,
    /// Known from when the file had this stamp.
    Hashed { digest: Digest, stamp: Stamp, evidence: Evidence },
    /// Not to be hashed, by the caller's wish.
    Unwanted,
    /// Could not be read.
    Unreadable,
    /// Overwritten or removed before anybody but its writer had read it, or anybody could in good time.
    Lost,
}

impl Record for Bytes {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Bytes::Unread => out.push(0),
            Bytes::Hashed { digest, stamp, evidence } => {
                out.push(1);
                digest.put(out);
                stamp.put(out);
                evidence.put(out);
            }
            Bytes::Unwanted => out.push(2),
            Bytes::Unreadable => out.push(3),
            Bytes::Lost => out.push(4),
        }
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        Some(match u8::take(bytes)? {
            0 => Bytes::Unread,
            1 => Bytes::Hashed {
                digest: Record::take(bytes)?,
                stamp: Record::take(bytes)?,
                evidence: Record::take(bytes)?,
            },
            2 => Bytes::Unwanted,
            3 => Bytes::Unreadable,
            4 => Bytes::Lost,
            _ => return None,
        })
    }
}

/// What stood in a file between two moments at which somebody could begin to change it.
#[derive(Debug)]
pub(super) struct Version {
    /// False for what stood there before the run.
    pub(super) written: bool,
    /// Opened for writing but not seen to change since this stamp.
    pub(super) tentative: Option<Stamp>,
    pub(super) bytes: Bytes,
    /// Digest and stamp of what was read, taken while the run went on.
    pub(super) early: Option<Box<(Digest, Stamp)>>,
    pub(super) writers: Vec<Who>,
    pub(super) first_reader: Option<Who>,
    /// Somebody has read it who is not among its writers.
    pub(super) read_by_others: bool,
    /// It was read by others while those who wrote it had it open: what they wrote after that is the next version.
    pub(super) may_go_on: bool,
    /// How it came about, where it was written through an open file that went from hand to hand.
    pub(super) relay: Option<Box<Relay>>,
    /// When those who wrote it were done with it.
    pub(super) rest: Option<Rest>,
    /// Stamp when the version was last known to be current.
    pub(super) stamp: Stamp,
    /// Who had read it by then had let it go, in microseconds by the run's clock; see [`super::readers`].
    pub(super) let_go_us: Option<i64>,
}

record!(Version {
    written,
    tentative,
    bytes,
    early,
    writers,
    first_reader,
    read_by_others,
    may_go_on,
    relay,
    rest,
    stamp,
    let_go_us
});

impl Version {
    pub(super) fn new(writer: Option<Who>, stamp: Stamp) -> Version {
        Version {
            written: writer.is_some(),
            tentative: None,
            bytes: Bytes::Unread,
            early: None,
            writers: writer.into_iter().collect(),
            first_reader: None,
            read_by_others: false,
            may_go_on: false,
            relay: None,
            rest: None,
            stamp,
            let_go_us: None,
        }
    }
}

/// How many openings for writing have begun and ended, as far as they are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Counted {
    /// Nobody of the run has opened it.
    #[default]
    Never,
    /// All of them; an opening that failed is counted as one that has not ended.
    Openings { opened: u32, closed: u32 },
    /// Not all were seen, or nobody listened for their ends.
    Unknown,
}

/// A file, told by device, inode and time of creation, whatever its names.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) birth_ns: i64,
    pub(super) existed: bool,
    pub(super) is_link: bool,
    pub(super) names: Vec<Name>,
    pub(super) versions: Vec<Version>,
    /// Values of ctime between which only names, not bytes, have changed.
    pub(super) calm_ctimes_ns: Vec<i64>,
    /// Opened for writing, in vain or not, by somebody.
    pub(super) was_opened_for_writing: bool,
    /// Opened for reading and writing at once: what is written through memory moves no time.
    pub(super) may_be_mapped: bool,
    /// Opened it to read and write it, or to read what they had written into it.
    pub(super) listeners: Vec<Listener>,
    /// Somebody who has it open to read may have read what another one wrote.
    pub(super) is_followed: bool,
    /// Somebody of the run may have set its times.
    pub(super) was_time_set: bool,
    /// Openings for writing.
    pub(super) counted: Counted,
    /// Its bytes are to be read, or have been, while the run goes on.
    pub(super) is_read_early: bool,
    /// It is looked at whether anybody has it open to read it, and somebody has read it for the first time then, in microseconds by
    /// the run's clock.
    pub(super) is_watched: bool,
    pub(super) read_us: i64,
    /// What stands there is not what was there when the recording broke off: its ctime, in nanoseconds since 1970.
    pub(super) has_changed_ns: Option<i64>,
    /// How it stood when nobody of the run had it open for writing; `None` once somebody may have opened it since.
    pub(super) rested: Option<Stamp>,
    /// Its file system stamps files by the clock of this machine.
    pub(super) has_our_times: bool,
    /// Whoever changes it after the present version's stamp was taken leaves another stamp; known at checkpoints only.
    pub(super) stamp_is_sure: bool,
    pub(super) noted: Noted,
}

record!(Body {
    birth_ns, existed, is_link, names, versions, calm_ctimes_ns, was_opened_for_writing, may_be_mapped,
    listeners, is_followed, rested, was_time_set, has_our_times, stamp_is_sure;
    counted, is_read_early, is_watched, read_us, has_changed_ns, noted
});

impl Body {
    pub(super) fn new(look: &Look, creator: Option<Who>) -> Body {
        Body {
            birth_ns: look.birth_ns,
            existed: creator.is_none(),
            is_link: look.is_link(),
            names: Vec::with_capacity(1),
            versions: vec![Version::new(creator, look.stamp())],
            calm_ctimes_ns: vec![],
            was_opened_for_writing: false,
            may_be_mapped: false,
            listeners: vec![],
            is_followed: false,
            was_time_set: false,
            counted: Counted::Never,
            is_read_early: false,
            is_watched: false,
            read_us: 0,
            has_changed_ns: None,
            rested: None,
            has_our_times: false,
            stamp_is_sure: false,
            noted: Noted::default(),
        }
    }

    /// Tells whether the bytes that the run reads were there before, and nobody has asked for them yet; to be asked once.
    pub(super) fn begins_to_be_read(&mut self) -> bool {
        let is_old =
            self.has_our_times && !self.is_link && self.versions.len() == 1 && !self.versions[0].written;
        let begins = is_old && !self.is_read_early && self.versions[0].bytes == Bytes::Unread;
        self.is_read_early |= begins;
        begins
    }

    /// Takes notice that somebody reads it for the first time; tells whether it is to be looked at now when that is over, and was not
    /// before.
    pub(super) fn begins_to_be_watched(&mut self, us: i64) -> bool {
        let is_given = self.has_our_times && !self.is_link && !self.versions[self.current() as usize].written;
        self.read_us = us;
        let begins = is_given && !self.is_watched;
        self.is_watched |= begins;
        begins
    }

    /// Takes notice that it may be opened for writing now; `is_heard`: the end of that will be heard.
    pub(super) fn may_be_opened(&mut self, is_heard: bool) {
        self.counted = match self.counted {
            Counted::Never if is_heard => Counted::Openings { opened: 1, closed: 0 },
            Counted::Openings { opened, closed } if is_heard => {
                Counted::Openings { opened: opened.saturating_add(1), closed }
            }
            _ => Counted::Unknown,
        };
        self.is_open_again();
    }

    /// Takes notice that somebody may write into what stands there, through an opening that began before.
    pub(super) fn is_open_again(&mut self) {
        if self.counted == Counted::Never {
            self.counted = Counted::Unknown;
        }
        self.rested = None;
        let current = self.current();
        self.version(current).rest = None;
    }

    /// Takes notice that an opening for writing has ended; tells whether it was the last one.
    pub(super) fn was_closed(&mut self) -> bool {
        match &mut self.counted {
            Counted::Openings { opened, closed } if *closed < *opened => {
                *closed += 1;
                *closed == *opened
            }
            // Nobody of the run is known to have it open: somebody outside has closed it.
            _ => false,
        }
    }

    /// Takes notice that nobody has it open for writing.
    pub(super) fn rest(&mut self, us: i64) {
        let current = self.current();
        self.version(current).rest.get_or_insert_with(|| Rest::at(us));
    }

    /// Returns how it stood as the run read it last, where no process of the run can have changed it.
    pub(super) fn only_read(&self) -> Option<&Stamp> {
        let version = &self.versions[self.current() as usize];
        let may_be_changed =
            self.was_opened_for_writing || self.was_time_set || self.counted != Counted::Never;
        (!may_be_changed && version.first_reader.is_some()).then_some(&version.stamp)
    }

    /// Tells whether what came into the file after a version may have been read by who had begun to read that at `us`, and was there:
    /// those who had it open wrote on, or somebody outside wrote into it before its readers had let it go.
    pub(super) fn may_go_on(&self, version: u32, us: i64) -> bool {
        self.versions[version as usize].may_go_on
            || self.is_given_anew(version) && !self.was_let_go(version, us)
    }

    /// Tells whether who had begun to read a version at `us` had let the file go while that stood there.
    pub(super) fn was_let_go(&self, version: u32, us: i64) -> bool {
        self.versions[version as usize].let_go_us.is_some_and(|let_go_us| us <= let_go_us)
    }

    /// Tells whether somebody outside wrote into the file what came after a version that was there before.
    pub(super) fn is_given_anew(&self, version: u32) -> bool {
        let next = self.versions.get(version as usize + 1);
        let is_given = |version: &Version| !version.written;
        self.has_our_times && is_given(&self.versions[version as usize]) && next.is_some_and(is_given)
    }

    /// Index of the current version, tentative or not.
    pub(super) fn current(&self) -> u32 {
        self.versions.len() as u32 - 1
    }

    pub(super) fn version(&mut self, index: u32) -> &mut Version {
        &mut self.versions[index as usize]
    }

    /// Index of the version whose bytes the file holds as far as known.
    pub(super) fn standing(&self) -> u32 {
        let current = self.current();
        if self.versions[current as usize].tentative.is_some() { current - 1 } else { current }
    }

    pub(super) fn live_name(&self) -> Option<&Name> {
        self.names.iter().rev().find(|name| name.end.is_none())
    }

    /// The name to speak of: one that lives, else the last one.
    pub(super) fn main_name(&self) -> Option<&Name> {
        self.live_name().or(self.names.last())
    }

    /// Takes notice of the present stamp: a tentative version whose bytes have changed is one.
    pub(super) fn refresh(&mut self, now: &Stamp) {
        let current = self.current();
        let version = self.version(current);
        if let Some(opened) = version.tentative
            && (opened.size_bytes, opened.mtime_ns) != (now.size_bytes, now.mtime_ns)
        {
            version.tentative = None;
        }
        let is_known = version.stamp == *now;
        version.stamp = *now;
        self.stamp_is_sure &= is_known;
    }

    /// Takes notice that a name was given or taken between two stamps, which moves ctime and nothing else.
    pub(super) fn rename_moved_ctime(&mut self, before: &Stamp, after: &Stamp) {
        if (before.size_bytes, before.mtime_ns) != (after.size_bytes, after.mtime_ns) {
            return;
        }
        if self.calm_ctimes_ns.last() != Some(&before.ctime_ns) {
            self.calm_ctimes_ns = vec![before.ctime_ns];
        }
        self.calm_ctimes_ns.push(after.ctime_ns);
        let current = self.current();
        let version = self.version(current);
        if version.tentative == Some(*before) {
            version.tentative = Some(*after);
        }
        version.stamp = *after;
    }

    /// Tells whether the same bytes stood there at both stamps: surely, likely (`None`), or not.
    pub(super) fn is_unchanged(&self, then: &Stamp, now: &Stamp) -> Option<bool> {
        if (then.dev, then.ino, then.size_bytes, then.mtime_ns)
            != (now.dev, now.ino, now.size_bytes, now.mtime_ns)
        {
            return Some(false);
        }
        let is_calm = |ctime| self.calm_ctimes_ns.contains(&ctime);
        if then.ctime_ns == now.ctime_ns || (is_calm(then.ctime_ns) && is_calm(now.ctime_ns)) {
            return Some(true);
        }
        None
    }
}
