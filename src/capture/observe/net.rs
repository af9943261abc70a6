//! The net: takes stopped calls one by one, asks what they mean, and lets them go on.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::body::Who;
use super::calls::{self, Abi, Call};
use super::closings::Closings;
use super::digest::{self, Digest};
use super::early::Early;
use super::folders::Folders;
use super::holders::Holders;
use super::ledger::{Ledger, What};
use super::mounts::Mount;
use super::nameless::Nameless;
use super::outsiders::{Openings, stamps_by_our_clock};
use super::pending::Pending;
use super::process::Actor;
use super::programs::{Image, Starting};
use super::readers::Readers;
use super::reply::{Reply, Verdict};
use super::rescue::Rescue;
use super::sockets::Portless;
use super::stamp::Look;
use super::sys::{self, InHand, Notification, Readiness};
use super::tracee::{self, Found, Thread};
use super::{Gap, GapSort, Map, Options, Set};
use crate::digests::kernel_time_ns;

/// How many threads are remembered; each costs a descriptor.
const THREADS_MAX: usize = 400;

/// How many remembered system files; more are asked about each time.
const SYSTEM_FILES_MAX: usize = 20_000;

/// As many forks in a row are followed up to a process that is known.
const FORKS_MAX: usize = 64;

const CONNECTIONS_MAX: usize = 256;
const GAPS_MAX: usize = 200;

/// What is remembered of a path below the system's folders, which hundreds of processes open alike.
#[derive(Debug, Clone, Copy)]
pub(super) enum SystemFile {
    Present(What),
    /// Was not there; asked again after a while, since somebody outside may put it there.
    Absent {
        until_us: i64,
    },
}

/// What could not be seen, each with how often, and how much more than that.
pub(super) type GapsNoted = (Vec<((GapSort, String), u64)>, u64);

/// What the net knows of a run.
pub(super) struct Net<'a> {
    pub(super) options: &'a Options<'a>,
    pub(super) keep: &'a mut dyn FnMut(&Path, &Digest, Vec<u8>),
    listener: Option<Arc<OwnedFd>>,
    in_hand: Option<Arc<InHand>>,
    pub(super) ledger: Ledger,
    pub(super) threads: Map<i32, Thread>,
    /// Which program runs in a process now.
    pub(super) current: Map<i32, Who>,
    pub(super) pending: Map<i32, Pending>,
    /// The threads whose calls move folders.
    pub(super) moving: Vec<i32>,
    /// The paths that pending calls are about, each with its thread.
    pub(super) pending_paths: Map<OsString, i32>,
    pub(super) starting: Map<i32, Starting>,
    system_files: Map<Vec<u8>, SystemFile>,
    pub(super) own_root: Option<Look>,
    pub(super) user: u32,
    pub(super) own_pid: i32,
    /// Program files below the system's folders, by path.
    pub(super) images: Map<Vec<u8>, Image>,
    pub(super) folders: Folders,
    file_systems: Map<u64, u32>,
    /// Files that were opened for writing, until nobody has them open any more.
    pub(super) openings: Openings,
    pub(super) closings: Closings,
    /// Files that were read, until nobody has them open any more.
    pub(super) readers: Readers,
    /// Mounts that a process of the run may serve: to look there could wait for a stopped call.
    pub(super) served: Vec<PathBuf>,
    /// The mounts of this process before the run made any.
    pub(super) mounts_before: Vec<Mount>,
    /// Pipes, sockets and terminals that the command was born with.
    pub(super) given: Vec<u64>,
    /// Its standard input when it began, if that is a pipe or a socket.
    pub(super) input: Option<Readiness>,
    /// Files that the command was born with, which join nobody.
    pub(super) given_files: Vec<(u64, u64)>,
    pub(super) nameless: Nameless,
    /// Where processes were found to have files open.
    pub(super) holders: Holders,
    /// What the command was born with beside its standard streams, by number.
    pub(super) given_beside: Vec<(i32, Look)>,
    pub(super) early: Early,
    /// What the present call is answered with: an open file.
    pub(super) told: Option<File>,
    pub(super) rescue: Rescue,
    pub(super) no_new_privileges: bool,
    gaps: BTreeMap<(GapSort, String), u64>,
    gaps_left_out: u64,
    /// How many gaps the last checkpoint had.
    gaps_told: u64,
    pub(super) connections: BTreeSet<String>,
    pub(super) portless: Portless,
    /// The addresses at which somebody of the run waits for others, or has waited.
    pub(super) bound: Set<String>,
    pub(super) traps: u64,
}

impl<'a> Net<'a> {
    pub(super) fn new(options: &'a Options<'a>, keep: &'a mut dyn FnMut(&Path, &Digest, Vec<u8>)) -> Net<'a> {
        Net {
            options,
            keep,
            listener: None,
            in_hand: None,
            // Files are stamped with the last tick of this clock, so that none made before has a later stamp.
            ledger: Ledger::new(kernel_time_ns()),
            threads: Map::default(),
            current: Map::default(),
            pending: Map::default(),
            moving: Vec::new(),
            pending_paths: Map::default(),
            starting: Map::default(),
            system_files: Map::default(),
            own_root: sys::look(sys::here(), c"/", true).ok(),
            user: sys::user(),
            own_pid: std::process::id() as i32,
            images: Map::default(),
            folders: Folders::default(),
            file_systems: Map::default(),
            openings: Openings::default(),
            closings: Closings::default(),
            readers: Readers::default(),
            served: vec![],
            mounts_before: vec![],
            given: vec![],
            input: None,
            given_files: vec![],
            nameless: Nameless::default(),
            holders: Holders::default(),
            given_beside: vec![],
            early: Early::default(),
            told: None,
            rescue: Rescue::default(),
            no_new_privileges: false,
            gaps: BTreeMap::new(),
            gaps_left_out: 0,
            gaps_told: 0,
            connections: BTreeSet::new(),
            portless: Portless::default(),
            bound: Set::default(),
            traps: 0,
        }
    }

    /// Takes over the listener of a new process.
    pub(super) fn attach(
        &mut self,
        listener: OwnedFd,
        in_hand: Option<Arc<InHand>>,
        no_new_privileges: bool,
    ) {
        sys::wake_in_turn(listener.as_fd());
        self.listener = Some(Arc::new(listener));
        self.in_hand = in_hand;
        self.no_new_privileges = no_new_privileges;
    }

    pub(super) fn listener(&self) -> Option<Arc<OwnedFd>> {
        self.listener.clone()
    }

    /// Lets go of the listener once the last thread under it is gone.
    pub(super) fn detach(&mut self) {
        self.listener = None;
    }

    /// Takes one stopped call and answers it, whatever happens on the way.
    pub(super) fn serve(&mut self, now: Instant) {
        let Some(listener) = self.listener.clone() else {
            return;
        };
        // An error means that the thread has died meanwhile.
        let Ok(notification) = sys::receive(listener.as_fd()) else {
            return;
        };
        self.traps += 1;
        let mut reply = Reply::to(&notification, listener, self.in_hand.as_ref());
        // Whatever goes wrong here, the command shall not notice.
        let considered = catch_unwind(AssertUnwindSafe(|| self.consider(&notification, now)));
        reply.verdict = considered.unwrap_or_else(|_| {
            self.gap("a fault of the observer: what a call did was not recorded".to_string());
            Verdict::Continue
        });
        if let Some(file) = self.told.take()
            && let Ok(number) = sys::give(reply.listener.as_fd(), reply.id, file.as_fd())
        {
            reply.verdict = Verdict::Return(number);
        }
        self.rescue_before(reply);
    }

    fn consider(&mut self, notification: &Notification, now: Instant) -> Verdict {
        let abi = Abi::of(notification.audit, notification.number);
        let call = abi.and_then(|abi| Some((abi, calls::call(abi, notification.number)?)));
        let Some((abi, call)) = call else {
            return Verdict::Continue;
        };
        let us = (self.options.clock)();
        self.ledger.lag.note(us, sys::ticks());
        let tid = notification.tid;
        if !self.thread_is_known(tid, us, now) {
            self.gap(format!("a process could not be looked into (thread {tid})"));
            return Verdict::Continue;
        }
        self.settle(tid, true);
        self.settle_moves();
        self.hear_closings(us);
        // Settling may have forgotten what is known of threads.
        if !self.thread_is_known(tid, us, now) {
            return Verdict::Continue;
        }
        let mut thread = self.threads.remove(&tid).expect("it was made known just now");
        (thread.last_trap, thread.abi) = (self.traps, abi);
        self.settle_start(&thread, us);
        let who = self.current.get(&thread.tgid).copied();
        let verdict = match who {
            Some(who) => {
                let actor = self.ledger.actor(who);
                actor.seen_us = us;
                let acts_as_fork = actor.program.is_none() && !matches!(call, Call::Exec | Call::ExecAt);
                if acts_as_fork && !actor.was_looked_at && who > 0 {
                    self.look_at_fork(&thread, who);
                }
                self.act(&thread, who, abi, call, &notification.arguments, us)
            }
            None => Verdict::Continue,
        };
        self.threads.insert(tid, thread);
        verdict
    }

    /// Makes sure that the thread is known, and the process it belongs to.
    fn thread_is_known(&mut self, tid: i32, us: i64, now: Instant) -> bool {
        if let Some(thread) = self.threads.get_mut(&tid) {
            if thread.is_current(now) {
                return true;
            }
            self.threads.remove(&tid);
            self.current.remove(&tid);
        }
        if self.threads.len() >= THREADS_MAX {
            self.forget_threads();
        }
        let Some(thread) = self.meet(tid) else { return false };
        self.meet_process(&thread, us);
        self.threads.insert(tid, thread);
        true
    }

    /// Finds out about a thread; `None` where it cannot be looked into.
    pub(super) fn meet(&mut self, tid: i32) -> Option<Thread> {
        let (own_root, now) = (self.own_root?, Instant::now());
        let met = Thread::meet(tid, now, &own_root).or_else(|_| {
            // Perhaps there are no descriptors left.
            self.threads.clear();
            Thread::meet(tid, now, &own_root)
        });
        met.ok()
    }

    fn forget_threads(&mut self) {
        let (threads, later) =
            (std::mem::take(&mut self.threads), Instant::now() + std::time::Duration::from_secs(9));
        for (tid, mut thread) in threads {
            if !thread.is_current(later) {
                self.current.remove(&tid);
            }
        }
    }

    fn meet_process(&mut self, thread: &Thread, us: i64) {
        let known = self.current.get(&thread.tgid);
        if known.is_some_and(|who| self.ledger.actors[*who as usize].ended_us.is_none()) {
            return;
        }
        let is_first = self.ledger.actors.is_empty();
        let parent = if is_first { None } else { self.meet_parent(thread.parent, us, FORKS_MAX) };
        let parent = parent.or_else(|| {
            // An orphan: the one that led its session may have been met.
            let session = if is_first { return None } else { thread.session()? };
            Some(self.current.get(&session).copied().unwrap_or(0))
        });
        self.enter_process(thread.tgid, parent, us);
    }

    fn enter_process(&mut self, process: i32, parent: Option<Who>, us: i64) -> Who {
        let who = self.ledger.add_actor(Actor::new(process, parent, us));
        self.current.insert(process, who);
        who
    }

    /// Finds the parent of a process among those that are known, or enters it: a fork that has made no call worth a stop yet.
    fn meet_parent(&mut self, process: i32, us: i64, left: usize) -> Option<Who> {
        if let Some(who) = self.current.get(&process) {
            return Some(*who);
        }
        // Who was orphaned has been given to this process, which is none of the run.
        if left == 0 || process <= 1 || process == self.own_pid {
            return None;
        }
        let parent = self.meet_parent(tracee::parent_of(process)?, us, left - 1)?;
        Some(self.enter_process(process, Some(parent), us))
    }

    /// Tells whether bytes came to the command's standard input from outside, as far as can be told: some lay there when it began,
    /// or lie there now, or who could write them has gone since.
    pub(super) fn had_input(&self) -> bool {
        self.input.is_some_and(|begun| {
            let now = super::programs::own_input();
            begun.readable || (!begun.hung_up && (now.readable || now.hung_up))
        })
    }

    /// Says what could not be seen; the same sentence is said once.
    pub(super) fn gap(&mut self, text: String) {
        self.gap_of(GapSort::Unseen, text);
    }

    pub(super) fn gap_of(&mut self, sort: GapSort, text: String) {
        let sentence = (sort, text);
        if self.gaps.len() < GAPS_MAX || self.gaps.contains_key(&sentence) {
            *self.gaps.entry(sentence).or_default() += 1;
        } else {
            self.gaps_left_out += 1;
        }
    }

    pub(super) fn gaps(&self) -> Vec<Gap> {
        let gap =
            |(sort, text): &(GapSort, String), count: u64| Gap { sort: *sort, text: text.clone(), count };
        let mut gaps: Vec<Gap> = self.gaps.iter().map(|(sentence, count)| gap(sentence, *count)).collect();
        if self.gaps_left_out > 0 {
            let (text, count) = ("more was not seen than is listed".to_string(), self.gaps_left_out);
            gaps.push(Gap { sort: GapSort::Unseen, text, count });
        }
        gaps
    }

    /// Returns all gaps if there are more than when this was last asked, and how many are not listed.
    pub(super) fn gaps_if_changed(&mut self) -> Option<GapsNoted> {
        let count = self.gaps.values().sum::<u64>() + self.gaps_left_out;
        let is_known = std::mem::replace(&mut self.gaps_told, count) == count;
        (!is_known).then(|| self.gaps_noted())
    }

    /// Returns all gaps, and how many are not listed.
    pub(super) fn gaps_noted(&self) -> GapsNoted {
        let gaps = self.gaps.iter().map(|(gap, count)| (gap.clone(), *count));
        (gaps.collect(), self.gaps_left_out)
    }

    /// Replaces all gaps.
    pub(super) fn put_gaps(&mut self, (gaps, left_out): GapsNoted) {
        (self.gaps, self.gaps_left_out) = (gaps.into_iter().collect(), left_out);
    }

    /// Tells whether somebody of the run may have written what nobody saw.
    pub(super) fn may_have_missed_writes(&self) -> bool {
        self.gaps.keys().any(|(sort, _)| matches!(sort, GapSort::Unseen | GapSort::StillRunning))
    }

    pub(super) fn connect_to(&mut self, who: Who, address: String, us: i64) {
        let own = &mut self.ledger.actor(who).connections;
        let has_room = own.len() < CONNECTIONS_MAX;
        let mut known = own.iter_mut().filter(|(known, _)| *known == address);
        match (known.next(), known.next()) {
            (_, Some((_, last_us))) => *last_us = us,
            _ if has_room => own.push((address.clone(), us)),
            _ => {}
        }
        if self.connections.len() < CONNECTIONS_MAX {
            self.connections.insert(address);
        }
    }

    /// Returns the kind of file system a file lies on, as `statfs` names it.
    pub(super) fn file_system(&mut self, look: &Look, path: &Path) -> u32 {
        if let Some(kind) = self.known_file_system(look) {
            return kind;
        }
        let folder = digest::c_path(path).and_then(|path| sys::open(sys::here(), &path, libc::O_PATH));
        let Ok(folder) = folder else { return 0 };
        let kind = sys::file_system(folder.as_fd());
        self.file_systems.insert(look.dev, kind);
        kind
    }

    /// Returns the same, if it was asked for before.
    pub(super) fn known_file_system(&self, look: &Look) -> Option<u32> {
        self.file_systems.get(&look.dev).copied()
    }

    /// Tells whether this device is known to hold no files but the kernel's own.
    pub(super) fn is_kernel_device(&self, device: u64) -> bool {
        self.file_systems.get(&device).is_some_and(|kind| is_kernel_s(*kind))
    }

    /// Finds the file in the ledger, or enters it as one that stood there before; `None` for the kernel's own.
    pub(super) fn identify(&mut self, found: Found, us: i64) -> Option<What> {
        let kind = self.file_system(&found.look, &found.path);
        if is_kernel_s(kind) || found.is_nameless {
            return self.ledger.known(&found.look);
        }
        if let Some(what) = self.ledger.known(&found.look) {
            return Some(what);
        }
        // Somebody may just have made it.
        self.settle_path(&found.path);
        if let Some(what) = self.ledger.known(&found.look) {
            return Some(what);
        }
        if let Some(former) = self.ledger.at(&found.path) {
            self.say_taken(former, &found.path, "replaced");
        }
        let what = self.ledger.meet(&found.look, found.path, us);
        self.ledger.body(what).has_our_times = stamps_by_our_clock(kind);
        Some(what)
    }

    /// Returns what is remembered of a path below the system's folders.
    pub(super) fn system_file(&self, path: &[u8], us: i64) -> Option<SystemFile> {
        let file = self.system_files.get(path).copied()?;
        let is_stale = matches!(file, SystemFile::Absent { until_us } if us > until_us);
        (!is_stale).then_some(file)
    }

    /// Returns true for a file that is to be hashed, wherever it lies: it may well change under a run, and the links that lead to it
    /// count.
    pub(super) fn is_work(&self, path: &[u8]) -> bool {
        (self.options.is_wanted)(Path::new(OsStr::from_bytes(path)))
    }

    pub(super) fn remember_system_file(&mut self, path: &[u8], file: SystemFile) {
        if self.system_files.len() < SYSTEM_FILES_MAX {
            self.system_files.insert(path.to_vec(), file);
        }
    }

    /// To be called before anything changes under a path.
    pub(super) fn disturb(&mut self, path: &Path) {
        if is_system_path(path.as_os_str().as_bytes()) {
            self.system_files.clear();
            self.images.clear();
        }
    }
}

pub(super) fn open_same(path: &Path, look: &Look) -> Option<File> {
    let file = digest::open(path).ok()?;
    digest::look_at(&file).is_ok_and(|found| found.is_same_file(look)).then_some(file)
}

/// Tells whether a file system shows the kernel's own state as files.
fn is_kernel_s(kind: u32) -> bool {
    const KERNEL_S: [u32; 14] = [
        0x9fa0,      // proc
        0x6265_6572, // sysfs
        0x0027_e0eb, // cgroup
        0x6367_7270, // cgroup2
        0x6462_6720, // debugfs
        0x7472_6163, // tracefs
        0x7363_6673, // securityfs
        0xcafe_4a11, // bpf
        0x1cd1,      // devpts
        0xf97c_ff8c, // selinuxfs
        0xde5e_81e4, // efivarfs
        0x4249_4e4d, // binfmt_misc
        0x6265_6570, // configfs
        0x1980_0202, // mqueue
    ];
    KERNEL_S.contains(&kind)
}

/// Tells whether a path is where the system keeps its own files, which hardly change under a run; work may lie there, too
/// ([`Net::is_work`]).
pub(super) fn is_system_path(path: &[u8]) -> bool {
    const SYSTEM: [&[u8]; 11] = [
        b"/usr/",
        b"/lib/",
        b"/lib32/",
        b"/lib64/",
        b"/libx32/",
        b"/etc/",
        b"/bin/",
        b"/sbin/",
        b"/opt/",
        b"/nix/store/",
        b"/gnu/store/",
    ];
    SYSTEM.iter().any(|prefix| path.starts_with(prefix))
}
