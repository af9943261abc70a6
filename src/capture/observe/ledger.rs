//! What processes did to files, in the order in which they did it; knows no system call.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::body::{Body, Bytes, Ending, Name, Version, Who};
use super::checkpoint::{Noted, record};
use super::process::Actor;
use super::stamp::{Look, Stamp};
use super::ticks::Lag;
use super::{Map, Reading, Set};

/// Index of a file in the ledger.
pub(super) type What = u32;

/// What one process did with one version of one file.
#[derive(Debug, Clone, Default)]
pub(super) struct Touch {
    /// First read, and the stamp the file had then.
    pub(super) read: Option<(i64, Stamp)>,
    /// How it was read.
    pub(super) reading: Reading,
    /// Last opening for writing.
    pub(super) written_us: Option<i64>,
    pub(super) was_executed: bool,
    /// Wrote into the bytes of the version before, some of which may be left.
    pub(super) extends: bool,
    /// It was open to be read as others came to write it, who had not begun.
    pub(super) follows: bool,
    /// It was opened to be read more than once.
    pub(super) was_read_again: bool,
    pub(super) noted: Noted,
}

record!(Touch { read, reading, written_us, was_executed, extends, follows; was_read_again, noted });

/// What may have changed in a ledger since the last checkpoint, in the order in which it was first changed.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) bodies: Vec<What>,
    pub(super) actors: Vec<Who>,
    pub(super) touches: Vec<(Who, What, u32)>,
}

impl Changes {
    pub(super) fn is_empty(&self) -> bool {
        self.bodies.is_empty() && self.actors.is_empty() && self.touches.is_empty()
    }
}

impl Touch {
    fn read_at(&mut self, us: i64, stamp: Stamp, reading: Reading) {
        if self.reading == Reading::KeptOpen {
            // Now it is sure.
            (self.read, self.reading) = (Some((us, stamp)), reading);
            return;
        }
        self.was_read_again = self.read.is_some();
        self.reading = if self.was_read_again { self.reading.min(reading) } else { reading };
        self.read.get_or_insert((us, stamp));
    }
}

/// How a file is opened for writing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Writing {
    /// Nothing of what stood there is left.
    pub(super) truncates: bool,
    /// The descriptor reads as well.
    pub(super) reads: bool,
    /// Those who wrote what stands there are done with it: it is a version, and not part of what is written now.
    pub(super) goes_on: bool,
}

/// The bytes of a version must be read before somebody goes on with them. That takes long for a large file, and many
/// processes may add to it one by one: no more versions than these are told apart for that reason.
const SMALL_BYTES: u64 = 1 << 20;
const VERSIONS_MAX: usize = 256;
const LARGE_VERSIONS_MAX: usize = 8;

pub(super) fn versions_max(look: &Look) -> usize {
    if look.size <= SMALL_BYTES { VERSIONS_MAX } else { LARGE_VERSIONS_MAX }
}

/// A path without `.`, `..` and doubled slashes, as the kernel gives it, in the order of its bytes: to go through the parts of many
/// paths that begin alike takes longer than all else that is done with them.
#[derive(Debug)]
struct ByBytes(Arc<Path>);

impl ByBytes {
    fn bytes(&self) -> &[u8] {
        self.0.as_os_str().as_bytes()
    }
}

impl Ord for ByBytes {
    fn cmp(&self, other: &ByBytes) -> Ordering {
        self.bytes().cmp(other.bytes())
    }
}

impl PartialEq for ByBytes {
    fn eq(&self, other: &ByBytes) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for ByBytes {}

impl PartialOrd for ByBytes {
    fn partial_cmp(&self, other: &ByBytes) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Borrow<[u8]> for ByBytes {
    fn borrow(&self) -> &[u8] {
        self.bytes()
    }
}

/// The ledger of a run.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// `None` where a file was created, used and removed by one process alone.
    pub(super) bodies: Vec<Option<Box<Body>>>,
    by_identity: Map<(u64, u64), What>,
    by_path: BTreeMap<ByBytes, What>,
    pub(super) actors: Vec<Actor>,
    /// When the run began, by the clock of the kernel, in nanoseconds since 1970.
    started_ns: i64,
    /// How far the stamps of files are behind.
    pub(super) lag: Lag,
    /// How many files have been forgotten because they came and went within one process.
    pub(super) temporaries: u64,
    /// Files that were read while those who had written them still had them open.
    pub(super) followed: Set<What>,
    pub(super) changes: Changes,
}

impl Ledger {
    pub(super) fn new(started_ns: i64) -> Ledger {
        Ledger { started_ns, ..Ledger::default() }
    }

    pub(super) fn body(&mut self, what: What) -> &mut Body {
        let body = self.bodies[what as usize].as_mut();
        let body = body.expect("a forgotten file is no longer found by identity or name");
        if body.noted.is_first() {
            self.changes.bodies.push(what);
        }
        body
    }

    /// Returns a process, to change it.
    pub(super) fn actor(&mut self, who: Who) -> &mut Actor {
        let actor = &mut self.actors[who as usize];
        if actor.noted.is_first() {
            self.changes.actors.push(who);
        }
        actor
    }

    /// Enters a process.
    pub(super) fn add_actor(&mut self, actor: Actor) -> Who {
        let who = self.actors.len() as Who;
        self.actors.push(actor);
        self.actor(who);
        who
    }

    /// Tells whether a file has been forgotten, which may happen while a call that concerns it is under way.
    pub(super) fn is_forgotten(&self, what: What) -> bool {
        self.bodies[what as usize].is_none()
    }

    /// Records that a process was found to have a pipe as one of its standard streams.
    pub(super) fn hold(&mut self, who: Who, inode: u64, slot: usize) {
        let holds = &mut self.actor(who).holds;
        if !holds.contains(&(inode, slot)) {
            holds.push((inode, slot));
        }
    }

    pub(super) fn touch(&mut self, who: Who, what: What, version: u32) -> &mut Touch {
        let touch = self.actors[who as usize].touches.entry((what, version)).or_default();
        if touch.noted.is_first() {
            self.changes.touches.push((who, what, version));
        }
        touch
    }

    /// Finds a file that was met before.
    pub(super) fn known(&self, look: &Look) -> Option<What> {
        let what = *self.by_identity.get(&(look.dev, look.ino))?;
        let body = self.bodies[what as usize].as_ref()?;
        // The kernel gives the inodes of removed files away again.
        let is_same = body.birth_ns == look.birth_ns || body.birth_ns == 0 || look.birth_ns == 0;
        (is_same && body.is_link == look.is_link()).then_some(what)
    }

    /// Finds the file that bears a name, as far as is known.
    pub(super) fn at(&self, path: &Path) -> Option<What> {
        self.by_path.get(path.as_os_str().as_bytes()).copied()
    }

    /// Enters a file that is met for the first time and that nobody of the run has created.
    pub(super) fn meet(&mut self, look: &Look, path: PathBuf, us: i64) -> What {
        self.enter(look, None, Some(path), us)
    }

    /// Enters a file that `who` has created; without a path if it has none yet.
    pub(super) fn create(&mut self, who: Who, look: &Look, path: Option<PathBuf>, us: i64) -> What {
        let what = self.enter(look, Some(who), path, us);
        self.touch(who, what, 0).written_us = Some(us);
        what
    }

    fn enter(&mut self, look: &Look, creator: Option<Who>, path: Option<PathBuf>, us: i64) -> What {
        let what = self.bodies.len() as What;
        let mut body = Body::new(look, creator);
        // Born since, but by nobody of the run: by somebody outside, or so that it was not seen.
        body.existed &= look.birth_ns < self.started_ns || self.started_ns == 0;
        body.noted.is_first();
        self.changes.bodies.push(what);
        self.bodies.push(Some(Box::new(body)));
        self.by_identity.insert((look.dev, look.ino), what);
        if let Some(path) = path {
            self.give_name(what, path, creator, us);
        }
        what
    }

    /// Records a read of the bytes that stand there now.
    pub(super) fn read(&mut self, who: Who, what: What, look: &Look, us: i64) {
        self.read_as(who, what, look, us, Reading::Opened);
    }

    /// Records a read of the bytes that stand there now, and how they were read; tells whether it is the first by this process.
    pub(super) fn read_as(&mut self, who: Who, what: What, look: &Look, us: i64, reading: Reading) -> bool {
        if self.is_forgotten(what) {
            return false;
        }
        let stamp = look.stamp();
        let body = self.body(what);
        body.refresh(&stamp);
        let standing = body.standing();
        let version = body.version(standing);
        version.first_reader.get_or_insert(who);
        // Who only opened it for a program that wrote it is another one.
        let is_innocent = version.relay.as_ref().is_some_and(|relay| relay.innocent(&stamp).contains(&who));
        version.read_by_others |= is_innocent || !version.writers.contains(&who);
        let touch = self.touch(who, what, standing);
        touch.read_at(us, stamp, reading);
        !touch.was_read_again
    }

    /// Records that somebody opens a file to read it, into which others are about to write.
    pub(super) fn read_what_follows(&mut self, who: Who, what: What, look: &Look, us: i64, reading: Reading) {
        if look.size > 0 {
            self.read_as(who, what, look, us, reading);
        } else {
            let current = self.body(what).current();
            self.touch(who, what, current).read_at(us, look.stamp(), reading);
        }
        self.follow(who, what, look, us);
    }

    /// Records another read of a file that is known not to have changed since the last look.
    pub(super) fn read_again(&mut self, who: Who, what: What, us: i64) {
        if self.is_forgotten(what) {
            return;
        }
        let body = self.body(what);
        let standing = body.standing();
        let stamp = body.version(standing).stamp;
        self.touch(who, what, standing).read_at(us, stamp, Reading::Opened);
    }

    /// Records that the file runs as a program, or as the interpreter of one.
    pub(super) fn execute(&mut self, who: Who, what: What, look: &Look, us: i64) {
        if self.is_forgotten(what) {
            return;
        }
        self.read(who, what, look, us);
        let standing = self.body(what).standing();
        self.touch(who, what, standing).was_executed = true;
    }

    /// Records an opening for writing of a file that is there; returns the version whose bytes must be
    /// taken before the call goes on.
    pub(super) fn write(
        &mut self,
        who: Who,
        what: What,
        look: &Look,
        us: i64,
        writing: Writing,
    ) -> Option<u32> {
        let stamp = look.stamp();
        let body = self.body(what);
        body.was_opened_for_writing = true;
        body.may_be_mapped |= writing.reads;
        body.refresh(&stamp);
        let (current, standing) = (body.current(), body.standing());
        let version = body.version(current);
        let mut endangered = None;
        let mut extends = false;
        if current != standing {
            extends = !writing.truncates;
            // Opened before and not changed since: the same bytes are at stake, and are safe already.
            if !version.writers.contains(&who) {
                version.writers.push(who);
            }
        } else if !version.written
            || version.read_by_others
            || (writing.truncates && version.writers.iter().any(|writer| *writer != who))
            || writing.goes_on
        {
            if version.written && !version.read_by_others && !writing.goes_on {
                version.bytes = Bytes::Lost;
            } else if version.bytes == Bytes::Unread {
                endangered = Some(standing);
            }
            let mut next = Version::new(Some(who), stamp);
            next.tentative = Some(stamp);
            body.versions.push(next);
            extends = !writing.truncates;
        } else if !version.writers.contains(&who) {
            version.writers.push(who);
        }
        let current = body.current();
        if writing.reads && look.size > 0 && !writing.truncates {
            self.read(who, what, look, us);
        }
        let touch = self.touch(who, what, current);
        touch.written_us = Some(us);
        touch.extends |= extends;
        if writing.truncates {
            self.empty(what);
        }
        endangered
    }

    /// Records that a file which is open for writing is emptied: nothing of an earlier version is in what is written now.
    pub(super) fn empty(&mut self, what: What) {
        if self.is_forgotten(what) {
            return;
        }
        let body = self.body(what);
        let current = body.current();
        for writer in body.versions[current as usize].writers.clone() {
            if self.actors[writer as usize].touches.contains_key(&(what, current)) {
                self.touch(writer, what, current).extends = false;
            }
        }
    }

    /// Returns the writers of what stands in a file who have not ended, where somebody else reads it; none, where no further version
    /// of it is to be told apart.
    pub(super) fn writers_under_way(&mut self, who: Who, what: What, look: &Look) -> Vec<Who> {
        let body = self.body(what);
        body.refresh(&look.stamp());
        let version = &body.versions[body.current() as usize];
        let is_settled = !version.written || body.rested.is_some();
        let is_full = body.versions.len() >= versions_max(look);
        if is_settled || is_full || version.writers.iter().all(|writer| *writer == who) {
            return vec![];
        }
        let writers = version.writers.clone();
        writers.into_iter().filter(|writer| self.actors[*writer as usize].ended_us.is_none()).collect()
    }

    /// Records that some may go on to write into a file that somebody else reads now; returns the version that is read, if its bytes
    /// must be taken before they do.
    pub(super) fn go_on_later(&mut self, writers: &[Who], what: What, look: &Look, us: i64) -> Option<u32> {
        let body = self.body(what);
        let current = body.current();
        body.version(current).may_go_on = true;
        self.followed.insert(what);
        self.begin_next(writers, what, look, us)
    }

    /// Begins a version of a file that those may write who have it open; returns the one before, if its bytes must be taken.
    pub(super) fn begin_next(&mut self, writers: &[Who], what: What, look: &Look, us: i64) -> Option<u32> {
        let body = self.body(what);
        let current = body.current();
        let is_unread = body.version(current).bytes == Bytes::Unread;
        let mut next = Version::new(None, look.stamp());
        (next.written, next.tentative, next.writers) = (true, Some(look.stamp()), writers.to_vec());
        body.versions.push(next);
        for writer in writers {
            let touch = self.touch(*writer, what, current + 1);
            (touch.written_us, touch.extends) = (Some(us), true);
        }
        self.hand_on(what, look);
        is_unread.then_some(current)
    }

    /// Returns who must be done with a file, so that what somebody writes into it now is a version of its own, and what they wrote
    /// another; `None` if it is none in any case.
    pub(super) fn done_before(&self, who: Who, what: What, look: &Look) -> Option<Vec<i32>> {
        let body = self.bodies[what as usize].as_ref()?;
        let version = &body.versions[body.current() as usize];
        let count_max = versions_max(look);
        let openers = version.relay.as_ref().map_or(&[][..], |relay| relay.innocent(&look.stamp()));
        let mut writers = version.writers.iter().filter(|writer| !openers.contains(writer)).peekable();
        if !version.written || body.versions.len() >= count_max || writers.peek().is_none() {
            return None;
        }
        if writers.any(|writer| *writer == who) {
            return None;
        }
        let running =
            version.writers.iter().filter(|writer| self.actors[**writer as usize].ended_us.is_none());
        Some(running.map(|writer| self.actors[*writer as usize].pid).collect())
    }

    /// Returns the version that is lost for ever when the file's last name goes, if anybody may ask for it.
    pub(super) fn endangered(&mut self, what: What) -> Option<u32> {
        let body = self.body(what);
        let standing = body.standing();
        let version = body.version(standing);
        let matters = !version.written || version.read_by_others;
        (matters && version.bytes == Bytes::Unread).then_some(standing)
    }

    /// Enters what was found out about a version's bytes.
    pub(super) fn set_bytes(&mut self, what: What, version: u32, bytes: Bytes) {
        if !self.is_forgotten(what) {
            self.body(what).version(version).bytes = bytes;
        }
    }

    /// Gives a file a name; whatever stood there under that name has been replaced.
    pub(super) fn give_name(&mut self, what: What, path: PathBuf, by: Option<Who>, us: i64) {
        let path: Arc<Path> = Arc::from(path);
        if let Some(former) = self.at(&path)
            && former != what
        {
            self.end_name(former, &path, by, us, Ending::Removed);
        }
        let body = self.body(what);
        if body.names.iter().any(|name| name.end.is_none() && name.path == path) {
            return;
        }
        let version = body.standing();
        body.names.push(Name {
            path: path.clone(),
            from_us: us,
            by,
            end: None,
            first_version: version,
            last_version: version,
        });
        self.by_path.insert(ByBytes(path), what);
    }

    /// Takes a name from a file; a file of one process that is gone with it is forgotten.
    pub(super) fn end_name(&mut self, what: What, path: &Path, by: Option<Who>, us: i64, ending: Ending) {
        let body = self.body(what);
        let standing = body.standing();
        for name in body.names.iter_mut().filter(|name| name.end.is_none() && &*name.path == path) {
            name.end = Some((us, by, ending));
            name.last_version = standing;
        }
        if self.at(path) == Some(what) {
            self.by_path.remove(path.as_os_str().as_bytes());
        }
        if ending == Ending::Removed && self.body(what).live_name().is_none() {
            // The next file may get the same inode within the same tick of the clock.
            self.unmap(what);
            self.forget_if_private(what);
        }
    }

    fn unmap(&mut self, what: What) {
        let stamp = self.body(what).versions[0].stamp;
        let identity = (stamp.dev, stamp.ino);
        if self.by_identity.get(&identity) == Some(&what) {
            self.by_identity.remove(&identity);
        }
    }

    fn forget_if_private(&mut self, what: What) {
        self.settle_relay(what);
        let body = self.body(what);
        let owner = body.versions[0].writers.first().copied();
        let is_gone = !body.existed && !body.is_followed && body.live_name().is_none();
        let Some(owner) = owner.filter(|_| is_gone) else {
            return;
        };
        let is_private = body
            .versions
            .iter()
            .all(|version| !version.read_by_others && version.writers.iter().all(|writer| *writer == owner));
        if !is_private || body.names.iter().any(|name| name.by.is_some_and(|by| by != owner)) {
            return;
        }
        let count = body.versions.len() as u32;
        // The one change of a body that leaves none: `body` above has noted it.
        self.bodies[what as usize] = None;
        for version in 0..count {
            self.actors[owner as usize].touches.remove(&(what, version));
        }
        self.temporaries += 1;
    }

    /// Renames every file below a folder that the ledger knows; returns them.
    pub(super) fn move_folder(&mut self, from: &Path, to: &Path, by: Who, us: i64) -> Vec<What> {
        let start = [from.as_os_str().as_bytes(), b"/"].concat();
        let below: Vec<(Arc<Path>, What)> = self
            .by_path
            .range::<[u8], _>((Bound::Excluded(&start[..]), Bound::Unbounded))
            .take_while(|(path, _)| path.bytes().starts_with(&start))
            .map(|(path, what)| (path.0.clone(), *what))
            .collect();
        for (path, what) in &below {
            if let Ok(rest) = path.strip_prefix(from) {
                self.end_name(*what, path, Some(by), us, Ending::Renamed);
                self.give_name(*what, to.join(rest), Some(by), us);
            }
        }
        below.into_iter().map(|(_, what)| what).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_begins_like_a_folder_does_not_move_with_it() {
        let mut ledger = Ledger::new(0);
        let who = ledger.add_actor(Actor::new(1, None, 0));
        let mut meet = |ino: u64, path: &str| {
            let look = Look { ino, ..look_of_nothing() };
            ledger.meet(&look, PathBuf::from(path), 0)
        };
        let files = ["/w/a", "/w/a-b/x", "/w/a.b", "/w/a/x", "/w/a/y/z", "/w/a0", "/w/ab"];
        let whats: Vec<What> = files.iter().zip(1..).map(|(path, ino)| meet(ino, path)).collect();
        let moved = ledger.move_folder(Path::new("/w/a"), Path::new("/w/c"), who, 1);
        assert_eq!(moved, [whats[3], whats[4]]);
        assert_eq!(ledger.at(Path::new("/w/c/y/z")), Some(whats[4]));
        assert_eq!(ledger.at(Path::new("/w/a/x")), None);
        assert_eq!(ledger.at(Path::new("/w/a-b/x")), Some(whats[1]));
    }

    fn look_of_nothing() -> Look {
        Look {
            dev: 1,
            ino: 0,
            size: 0,
            mtime_ns: 0,
            ctime_ns: 0,
            birth_ns: 0,
            links: 1,
            mode: libc::S_IFREG,
            uid: 0,
            mount: 0,
        }
    }
}
