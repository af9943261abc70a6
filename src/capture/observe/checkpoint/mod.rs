//! Checkpoints: what is known of a run under way, to be written down so that it does not end with this process.
//!
//! Each holds what has changed since the one before; all together are the ledger. Files that somebody has open for writing are
//! looked at for it, since no write is seen: how they stood then tells later whether their bytes are still those.

mod inside;
mod record;
mod recover;

use std::hash::BuildHasher as _;
use std::path::PathBuf;
use std::time::Instant;

use super::body::{Body, Who};
use super::ledger::{Touch, What};
use super::net::{GapsNoted, Net};
use super::process::Actor;
use super::stamp::Stamp;
use super::ticks::Lag;
use super::{Channel, ChannelSort, Checkpoints, Evidence, Exit, GapSort, Reading, digest, stamp};
use crate::digests::kernel_time_ns;

pub(super) use inside::{Observer, is_question};
pub(super) use record::{Record, choice, record};
pub(super) use recover::recover;

/// To make checkpoints takes no more than this part of the time.
const SHARE_OF_TIME: u32 = 100;

record!(Channel { inode, sort });
choice!(ChannelSort { Outside = 0, Shared = 1, Own = 2 });
choice!(GapSort { Unseen = 0, Denied = 1, StillRunning = 2, Overwritten = 3 });
choice!(Reading { Opened = 0, StandIn = 1, KeptOpen = 3, DoubtfulStandIn = 2 });
choice!(Evidence { Hashed = 0, PreImage = 1, Known = 2, StampOnly = 3, Unreadable = 4, Lost = 5, Inferred = 6 });

impl Record for Exit {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Exit::Code(code) => (0_u8, *code, false).put(out),
            Exit::Signal { number, dumped_core } => (1_u8, *number, *dumped_core).put(out),
            Exit::Unknown => (2_u8, 0, false).put(out),
        }
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        match Record::take(bytes)? {
            (0_u8, code, false) => Some(Exit::Code(code)),
            (1, number, dumped_core) => Some(Exit::Signal { number, dumped_core }),
            (2, 0, false) => Some(Exit::Unknown),
            _ => None,
        }
    }
}

/// What is said of the run as a whole at each checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// When the checkpoint was made, in microseconds since 1970.
    pub(super) at_us: i64,
    pub(super) started_us: i64,
    /// When the command ended, if it has; otherwise when the checkpoint was made.
    pub(super) ended_us: i64,
    /// The command's process.
    pub(super) command: i32,
    /// How the command has ended, if it has.
    pub(super) exit: Option<Exit>,
    pub(super) had_input: bool,
    pub(super) temporaries: u64,
}

record!(Head { at_us, started_us, ended_us, command, exit, had_input, temporaries });

/// A checkpoint as it is read back.
struct Part {
    head: Head,
    lag: Lag,
    actors: Vec<(Who, Actor)>,
    bodies: Vec<(What, Option<Box<Body>>)>,
    touches: Vec<((Who, What), u32, Option<Touch>)>,
    gaps: Option<GapsNoted>,
    served: Vec<PathBuf>,
}

record!(Part { head, lag, actors, bodies, touches, gaps, served });

/// Whether something may have changed since the last checkpoint, and what that said of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Noted {
    may_have_changed: bool,
    /// Of the entry; a training opens the same files again and again, which changes nothing that is written down.
    hash: u64,
}

impl Noted {
    /// Notes that there may be a change; returns true where that is the first.
    pub(super) fn is_first(&mut self) -> bool {
        !std::mem::replace(&mut self.may_have_changed, true)
    }

    /// Takes note of what a checkpoint is about to say; returns true where another one has said so.
    fn is_known(&mut self, entry: &[u8]) -> bool {
        let hash = foldhash::quality::FixedState::default().hash_one(entry) | 1;
        self.may_have_changed = false;
        std::mem::replace(&mut self.hash, hash) == hash
    }
}

/// A list of a checkpoint.
struct News {
    count: usize,
    entries: Vec<u8>,
}

impl News {
    const fn new() -> Self {
        News { count: 0, entries: Vec::new() }
    }

    /// Adds an entry, which `put` writes; returns where it begins.
    fn add(&mut self, put: impl FnOnce(&mut Vec<u8>)) -> usize {
        let start = self.entries.len();
        put(&mut self.entries);
        self.count += 1;
        start
    }

    /// Takes the last entry, which begins at `start`, away again where an earlier checkpoint said the same.
    fn leave_out_what_is_known(&mut self, start: usize, noted: &mut Noted) {
        if noted.is_known(&self.entries[start..]) {
            self.entries.truncate(start);
            self.count -= 1;
        }
    }
}

/// When checkpoints are made.
pub(super) struct Pace<'a> {
    checkpoints: &'a Checkpoints<'a>,
    next: Instant,
    /// At least one was made.
    pub(super) has_begun: bool,
}

impl<'a> Pace<'a> {
    pub(super) fn new(checkpoints: &'a Checkpoints<'a>) -> Self {
        Pace { checkpoints, next: Instant::now() + checkpoints.first, has_begun: false }
    }

    /// Returns when to make the next, if there may be anything to write down.
    pub(super) fn next(&self, net: &Net<'_>) -> Option<Instant> {
        net.may_have_changed().then_some(self.next)
    }

    pub(super) fn is_due(&self, net: &Net<'_>) -> bool {
        net.may_have_changed() && Instant::now() >= self.next
    }

    /// Makes a checkpoint, if there is anything new and whoever takes it is ready.
    pub(super) fn make(&mut self, net: &mut Net<'_>, head: Head) {
        let began = Instant::now();
        let checkpoint = if (self.checkpoints.is_ready)() { net.checkpoint(head) } else { None };
        if let Some(bytes) = checkpoint {
            (self.checkpoints.take)(bytes);
            self.has_begun = true;
        }
        self.next = began + self.checkpoints.apart.max(began.elapsed() * SHARE_OF_TIME);
    }
}

impl Net<'_> {
    fn may_have_changed(&self) -> bool {
        !self.ledger.changes.is_empty() || self.openings.next_look().is_some()
    }

    /// Returns what has become known since the last checkpoint, as bytes; `None` where that is nothing.
    fn checkpoint(&mut self, head: Head) -> Option<Vec<u8>> {
        self.collect(false);
        self.take_early();
        self.settle_all(false);
        self.settle_known_starts();
        self.look_at_written_files();
        let gaps = self.gaps_if_changed();
        let ledger = &mut self.ledger;
        let changes = std::mem::take(&mut ledger.changes);
        let [mut actors, mut bodies, mut touches] = [const { News::new() }; 3];
        for who in changes.actors {
            let actor = &mut ledger.actors[who as usize];
            let entry = actors.add(|out| {
                who.put(out);
                actor.put(out);
            });
            actors.leave_out_what_is_known(entry, &mut actor.noted);
        }
        let mut unsure = vec![];
        for what in changes.bodies {
            let body = &mut ledger.bodies[what as usize];
            let entry = bodies.add(|out| {
                what.put(out);
                body.put(out);
            });
            if let Some(body) = body {
                bodies.leave_out_what_is_known(entry, &mut body.noted);
                unsure.extend((!body.stamp_is_sure).then_some(what));
            }
        }
        for (who, what, version) in changes.touches {
            let mut touch = ledger.actors[who as usize].touches.get_mut(&(what, version));
            let entry = touches.add(|out| {
                ((who, what), version, touch.is_some()).put(out);
                if let Some(touch) = &touch {
                    touch.put(out);
                }
            });
            if let Some(touch) = &mut touch {
                touches.leave_out_what_is_known(entry, &mut touch.noted);
            }
        }
        // They are looked at again when their last change lies further back.
        for what in unsure {
            ledger.body(what);
        }
        let lists = [actors, bodies, touches];
        if lists.iter().all(|list| list.count == 0) && gaps.is_none() && head.exit.is_none() {
            return None;
        }
        let head = Head { had_input: self.had_input(), temporaries: self.ledger.temporaries, ..head };
        Some(self.part(head, lists, gaps))
    }

    /// Writes a checkpoint as [`Part`] is read: its actors, bodies and touches are in lists.
    fn part(&self, head: Head, lists: [News; 3], gaps: Option<GapsNoted>) -> Vec<u8> {
        let mut out = vec![];
        head.put(&mut out);
        self.ledger.lag.put(&mut out);
        for list in lists {
            list.count.put(&mut out);
            out.extend(list.entries);
        }
        gaps.put(&mut out);
        self.served.put(&mut out);
        out
    }

    /// Looks at the files that the run may be writing to, or has written to since the last checkpoint.
    fn look_at_written_files(&mut self) {
        let has_fine_times = stamp::has_fine_times();
        let mut files = self.openings.files();
        files.extend(&self.ledger.changes.bodies);
        files.sort_unstable();
        files.dedup();
        for what in files {
            let Some(body) = self.ledger.bodies[what as usize].as_deref() else { continue };
            // A name that is given or taken moves a time, too.
            let is_renamed = body.names.iter().any(|name| name.by.is_some() || name.end.is_some());
            if body.rested.is_some() && body.stamp_is_sure && !is_renamed {
                // Whatever has changed it since is none of the run.
                continue;
            }
            let is_written =
                body.was_opened_for_writing || body.versions.iter().any(|version| version.written);
            let (first, rested) = (body.versions[0].stamp, body.rested);
            let name = body.live_name().map(|name| name.path.clone());
            let now_ns = kernel_time_ns();
            let look = name.filter(|_| is_written || is_renamed).and_then(|path| digest::look(&path).ok());
            let look = look.filter(|look| (look.dev, look.ino) == (first.dev, first.ino));
            // What has changed since it rested is none of the run: it stays as it was.
            let is_ours = |now: &Stamp| {
                rested.is_none_or(|then| (then.size_bytes, then.mtime_ns) == (now.size_bytes, now.mtime_ns))
            };
            let now = look.map(|look| look.stamp()).filter(is_ours);
            let is_sure = now.is_none_or(|now| {
                let changed_ns = now.ctime_ns.max(now.mtime_ns);
                has_fine_times || now_ns.saturating_sub(changed_ns) > stamp::COARSE_NS
            });
            let last = body.versions[body.current() as usize].stamp;
            if now.is_some_and(|now| now != last) || is_sure != body.stamp_is_sure {
                let body = self.ledger.body(what);
                if let Some(now) = now {
                    body.refresh(&now);
                }
                body.stamp_is_sure = is_sure;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::capture::observe::Options;

    #[test]
    fn a_file_that_somebody_outside_has_changed_at_rest_is_not_taken_for_the_runs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let options = Options::new(vec![], folder.path().to_owned(), &|| 0);
        let mut keep = |_: &Path, _: &digest::Digest, _: Vec<u8>| {};
        for is_changed in [false, true] {
            let mut net = Net::new(&options, &mut keep);
            std::fs::write(&path, "by the run").unwrap();
            let look = digest::look(&path).unwrap();
            let who = net.ledger.add_actor(Actor::new(1, None, 0));
            let what = net.ledger.create(who, &look, Some(path.clone()), 0);
            net.ledger.body(what).rested = Some(look.stamp());
            if is_changed {
                std::fs::write(&path, "by somebody else").unwrap();
            }
            net.look_at_written_files();
            let body = net.ledger.body(what);
            assert_eq!(body.versions[0].stamp, look.stamp());
            assert_eq!(digest::look(&path).unwrap().stamp() != body.versions[0].stamp, is_changed);
        }
    }

    #[test]
    fn what_changes_nothing_makes_no_further_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "a").unwrap();
        let options = Options::new(vec![], folder.path().to_owned(), &|| 0);
        let mut keep = |_: &Path, _: &digest::Digest, _: Vec<u8>| {};
        let mut net = Net::new(&options, &mut keep);
        let head = Head {
            at_us: 0,
            started_us: 0,
            ended_us: 0,
            command: 1,
            exit: None,
            had_input: false,
            temporaries: 0,
        };
        let look = digest::look(&path).unwrap();
        let who = net.ledger.add_actor(Actor::new(1, None, 0));
        let what = net.ledger.meet(&look, path, 0);
        net.ledger.body(what).stamp_is_sure = true;
        let mut lengths = vec![];
        for us in 0..1_000 {
            net.ledger.read(who, what, &look, us);
            net.ledger.read_again(who, what, us);
            lengths.extend(net.checkpoint(head).map(|checkpoint| checkpoint.len()));
        }
        assert_eq!(lengths.len(), 1, "{lengths:?}");
        net.ledger.write(who, what, &look, 1_000, super::super::ledger::Writing::default());
        assert!(net.checkpoint(head).is_some());
    }

    #[test]
    fn a_stamp_that_is_new_is_not_sure() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "a").unwrap();
        let look = digest::look(&path).unwrap();
        let mut body = Body::new(&look, Some(0));
        body.stamp_is_sure = true;
        body.refresh(&look.stamp());
        assert!(body.stamp_is_sure);
        body.refresh(&Stamp { size_bytes: 2, ..look.stamp() });
        assert!(!body.stamp_is_sure);
    }
}
