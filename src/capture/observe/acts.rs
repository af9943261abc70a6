//! What each stopped call is about to do to files, told to the ledger.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::path::Path;

use super::body::Who;
use super::calls::{Abi, Call, Intent};
use super::checkpoint::is_question;
use super::ledger::{What, Writing};
use super::net::{Net, SystemFile, is_system_path};
use super::pending::Pending;
use super::place::Place;
use super::process::{Direction, HeldEnd};
use super::reply::Verdict;
use super::stamp::Look;
use super::tracee::Thread;
use super::{GapSort, Reading, digest, mounts, pipes, sys};

/// One stopped call with all that is needed to understand it.
#[derive(Clone, Copy)]
pub(super) struct Act<'t> {
    pub(super) thread: &'t Thread,
    pub(super) who: Who,
    pub(super) abi: Abi,
    pub(super) arguments: &'t [u64; 6],
    pub(super) us: i64,
}

const HERE: i32 = libc::AT_FDCWD;
/// `MSGGET` and `SHMAT` of `ipc`.
const SWITCH_KEYED_QUEUE: i32 = 13;
const SWITCH_ATTACH: i32 = 21;
const MAY_READ: i32 = 4;
const MAY_WRITE: i32 = 2;
/// How long a system file that was not there is not asked for again.
const ABSENT_US: i64 = 1_000_000;

impl Act<'_> {
    /// Reads an argument as a descriptor or another small number.
    pub(super) fn number(&self, index: usize) -> i32 {
        self.arguments[index] as u32 as i32
    }

    /// Reads the path argument `path` that starts from the descriptor argument `folder`, if there is one.
    pub(super) fn place(&self, folder: Option<usize>, path: usize) -> std::io::Result<Place> {
        let text = self.thread.read_path(self.arguments[path])?;
        Ok(Place::new(folder.map_or(HERE, |folder| self.number(folder)), text))
    }
}

impl Net<'_> {
    /// Records what a stopped call will do, and says whether it may.
    pub(super) fn act(
        &mut self,
        thread: &Thread,
        who: Who,
        abi: Abi,
        call: Call,
        arguments: &[u64; 6],
        us: i64,
    ) -> Verdict {
        let act = Act { thread, who, abi, arguments, us };
        if let Some(refused) = self.guarded(act, call) {
            return refused;
        }
        let result = match call {
            Call::IoUring => return self.ask_for_io_uring(act),
            Call::Open => self.open_flagged(act, None, 0, 1),
            Call::OpenAt => self.open_flagged(act, Some(0), 1, 2),
            Call::OpenAt2 => self.open_by_structure(act),
            Call::Creat => self.creat(act),
            Call::Truncate => self.truncate(act),
            Call::TruncateOpen | Call::TruncateOpenWide => self.truncate_open(act, call),
            Call::Rename => self.rename(act, (None, 0), (None, 1), 0),
            Call::RenameAt => self.rename(act, (Some(0), 1), (Some(2), 3), 0),
            Call::RenameAt2 => self.rename(act, (Some(0), 1), (Some(2), 3), arguments[4]),
            Call::Link => self.link(act, (None, 0), (None, 1), 0),
            Call::LinkAt => self.link(act, (Some(0), 1), (Some(2), 3), arguments[4]),
            Call::Symlink => self.place(act, None, 1).map(|place| self.make(act, &place)),
            Call::SymlinkAt => self.place(act, Some(1), 2).map(|place| self.make(act, &place)),
            Call::Mknod => self.make_node(act, None, 0, 1),
            Call::MknodAt => self.make_node(act, Some(0), 1, 2),
            Call::SetTimes => self.set_times(act, None, 0),
            Call::SetTimesAt => self.set_times(act, Some(0), 1),
            Call::Unlink => self.place(act, None, 0).map(|place| self.unlink(act, &place)),
            Call::UnlinkAt => self.place(act, Some(0), 1).map(|place| self.unlink(act, &place)),
            Call::Exec => self.execute(act, None, 0, 1),
            Call::ExecAt => self.execute(act, Some(0), 1, 2),
            Call::OpenByHandle => self.open_by_handle(act),
            Call::View | Call::Mount => {
                self.expect_another_view(thread.tid);
                Ok(())
            }
            Call::Connect => self.connect(act, arguments[1], arguments[2]),
            Call::Bind => self.bind(act, arguments[1], arguments[2]),
            Call::SendTo => self.send_to(act, arguments[4], arguments[5]),
            Call::Attach => {
                self.share(act.who, pipes::segment(act.number(0)));
                Ok(())
            }
            Call::Queue => {
                thread.read_path(arguments[0]).map(|name| self.share(act.who, pipes::queue(&name)))
            }
            Call::KeyedQueue => {
                self.share_queue(who, act.number(0));
                Ok(())
            }
            Call::SharingSwitch => {
                match act.number(0) & 0xffff {
                    SWITCH_KEYED_QUEUE => self.share_queue(who, act.number(1)),
                    SWITCH_ATTACH => self.share(who, pipes::segment(act.number(1))),
                    _ => {}
                }
                Ok(())
            }
            Call::SocketSwitch => thread.read_bytes::<12>(arguments[1]).and_then(|words| {
                let word =
                    |at: usize| u64::from(u32::from_le_bytes([0, 1, 2, 3].map(|byte| words[at + byte])));
                self.connect(act, word(4), word(8))
            }),
            Call::Listener => {
                let name = self.program_name(who);
                // A run of ours inside of this one says itself what it could not have.
                if Path::new(&name).file_name() != Some(OsStr::new(env!("CARGO_PKG_NAME"))) {
                    let what = "asked for a seccomp listener, which it cannot have while it is observed";
                    self.gap(format!("`{name}` {what}"));
                }
                Ok(())
            }
            Call::ExitGroup => {
                self.end_held(who);
                self.end_nameless(thread, who);
                self.end_input(thread, who);
                self.end_reading(who, us);
                self.end_unwritten(thread, who);
                let actor = self.ledger.actor(who);
                actor.ended_us = Some(us);
                actor.exit_code = Some(act.number(0) & 0xff);
                Ok(())
            }
        };
        if let Err(error) = result
            && error.kind() == ErrorKind::PermissionDenied
        {
            let (name, pid) = (self.program_name(who), thread.tgid);
            self.gap(format!("process {pid} (`{name}`) could not be looked into"));
        }
        Verdict::Continue
    }

    /// Finds out, at the end of a program, whether it wrote to the files that were open when it began.
    fn end_held(&mut self, who: Who) {
        for held in std::mem::take(&mut self.ledger.actor(who).held) {
            if let Some(look) = self.look_again(held.what) {
                self.ledger.end_held(who, held, &look.stamp());
            }
        }
    }

    /// Looks at a file where it stands now, as far as is known.
    pub(super) fn look_again(&self, what: What) -> Option<Look> {
        let body = self.ledger.bodies[what as usize].as_ref()?;
        let stamp = &body.versions[0].stamp;
        let look = digest::look(&body.live_name()?.path).ok()?;
        ((look.dev, look.ino) == (stamp.dev, stamp.ino)).then_some(look)
    }

    pub(super) fn program_name(&self, who: Who) -> String {
        let mut at = Some(who);
        while let Some(who) = at {
            let actor = &self.ledger.actors[who as usize];
            if let Some(program) = &actor.program {
                return program.exe.display().to_string();
            }
            at = actor.parent.filter(|parent| *parent < who);
        }
        "?".to_string()
    }

    fn ask_for_io_uring(&mut self, act: Act<'_>) -> Verdict {
        let name = self.program_name(act.who);
        if self.options.allow_io_uring {
            self.gap(format!("`{name}` used io_uring: what it read and wrote through it was not seen"));
            return Verdict::Continue;
        }
        let text = format!("io_uring was refused to `{name}`, so that what it reads and writes is seen");
        self.gap_of(GapSort::Denied, text);
        Verdict::Refuse(libc::ENOSYS)
    }

    fn expect_another_view(&mut self, tid: i32) {
        if self.mounts_before.is_empty() {
            self.mounts_before = mounts::of("self");
        }
        self.expect(tid, Pending::View);
    }

    /// Records that somebody has a way to all others who have it, in both directions.
    fn share(&mut self, who: Who, way: u64) {
        let channels = &mut self.ledger.actor(who).channels;
        if !channels.contains(&way) {
            channels.push(way);
        }
    }

    /// Records that somebody asks for the queue of messages that has a key.
    fn share_queue(&mut self, who: Who, key: i32) {
        if key == libc::IPC_PRIVATE {
            let name = self.program_name(who);
            let what = "made a queue of messages without a key: who else used it was not seen";
            self.gap(format!("`{name}` {what}"));
        } else {
            self.share(who, pipes::keyed_queue(key));
        }
    }

    fn creat(&mut self, act: Act<'_>) -> std::io::Result<()> {
        let place = self.place(act, None, 0)?;
        let intent =
            Intent { writes: true, creates: true, truncates: true, follows: true, ..Intent::default() };
        self.open(act, &place, intent);
        Ok(())
    }

    fn open_flagged(
        &mut self,
        act: Act<'_>,
        folder: Option<usize>,
        path: usize,
        flags: usize,
    ) -> std::io::Result<()> {
        let place = self.place(act, folder, path)?;
        if is_question(&place) {
            self.tell(act.who, act.us);
            return Ok(());
        }
        self.open(act, &place, Intent::of(act.abi, act.arguments[flags] as u32));
        Ok(())
    }

    fn open_by_structure(&mut self, act: Act<'_>) -> std::io::Result<()> {
        let place = self.place(act, Some(0), 1)?;
        let flags = u64::from_le_bytes(act.thread.read_bytes(act.arguments[2])?);
        self.open(act, &place, Intent::of(act.abi, flags as u32));
        Ok(())
    }

    fn open(&mut self, act: Act<'_>, place: &Place, intent: Intent) {
        if intent.path_only || intent.directory || intent.unnamed {
            return;
        }
        let system = place.absolute().filter(|path| is_system_path(path) && !act.thread.is_foreign());
        let only_reads = !intent.writes && !intent.creates;
        let system = system.filter(|_| only_reads);
        match system.and_then(|path| self.system_file(path, act.us)) {
            Some(SystemFile::Present(what)) => return self.ledger.read_again(act.who, what, act.us),
            Some(SystemFile::Absent { .. }) => return,
            None => {}
        }
        let system = system.filter(|path| !self.is_work(path));
        // Mostly the name is no link, and then the file is in the folder that the path names.
        let mut look = act.thread.look(place, false);
        let is_direct = !look.as_ref().is_ok_and(Look::is_link);
        if !is_direct && intent.exclusive {
            return;
        }
        if !is_direct && intent.follows {
            look = act.thread.look(place, true);
        }
        match look {
            Ok(look) if look.is_regular() && intent.exclusive => {}
            Ok(look) if look.is_regular() => {
                let what = self.open_existing(act, place, &look, is_direct, intent);
                if let (true, None, Some(what)) = (only_reads, system, what) {
                    self.read_links(act, place, is_direct, what, Reading::Opened);
                }
                let stands_in = only_reads && what.is_some_and(|what| self.read_stood_for(act, place, what));
                if let (Some(path), Some(what), false) = (system, what, stands_in) {
                    self.remember_system_file(path, SystemFile::Present(what));
                }
            }
            Ok(look) if look.is_pipe() => {
                if only_reads && self.given.contains(&look.ino) {
                    self.read_given(act, place);
                }
                if !self.given.contains(&look.ino) {
                    if let Some(holder) = place.process().and_then(|process| self.current.get(&process)) {
                        self.share(*holder, look.ino);
                    }
                    let direction = Direction::of(intent.reads, intent.writes);
                    let end = HeldEnd { inode: look.ino, direction, is_born: false, is_shared: false };
                    let ends = &mut self.ledger.actor(act.who).ends;
                    if !ends.contains(&end) {
                        ends.push(end);
                    }
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound && intent.creates => {
                match act.thread.find_to_come(place, &mut self.folders, act.us) {
                    Ok((path, has_folder)) => {
                        self.settle_path(&path);
                        self.disturb(&path);
                        let (who, us, follows) = (act.who, act.us, intent.follows && !intent.exclusive);
                        let (reads, is_heard) = (intent.reads, self.listen_for(&path));
                        self.expect(
                            act.thread.tid,
                            Pending::Create { who, path, us, follows, reads, is_heard, has_folder },
                        );
                    }
                    Err(error) => self.say_too_long(act, &error),
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if let Some(path) = system {
                    let until_us = act.us.saturating_add(ABSENT_US);
                    self.remember_system_file(path, SystemFile::Absent { until_us });
                }
            }
            _ => {}
        }
    }

    fn open_existing(
        &mut self,
        act: Act<'_>,
        place: &Place,
        look: &Look,
        is_direct: bool,
        intent: Intent,
    ) -> Option<What> {
        if self.is_kernel_device(look.dev) || !may_open(act, place, look, intent, self.user) {
            return None;
        }
        let known = self.ledger.known(look);
        let what = match known {
            Some(what) => what,
            None => {
                let found = if is_direct {
                    act.thread.find_direct(place, *look, &mut self.folders, act.us)
                } else {
                    act.thread.find(place, true)
                };
                match found {
                    Ok(found) => self.identify(found, act.us)?,
                    Err(error) => {
                        self.say_too_long(act, &error);
                        return None;
                    }
                }
            }
        };
        if intent.writes || intent.truncates {
            let writing = Writing { truncates: intent.truncates, reads: intent.reads, ..Writing::default() };
            self.write(act, what, look, writing);
            self.opens_known(what, act.thread.tid);
        } else {
            self.read(act, what, look);
        }
        Some(what)
    }

    /// Records a read of a file that is there.
    pub(super) fn read(&mut self, act: Act<'_>, what: What, look: &Look) {
        self.read_as(act, what, look, Reading::Opened);
    }

    /// Records a read of a file that is there, and how it is read.
    pub(super) fn read_as(&mut self, act: Act<'_>, what: What, look: &Look, reading: Reading) {
        self.notice_outsiders(what, look);
        let is_yet_to_come = self.part_from_what_follows(act.who, what, look, act.us);
        self.listen_to_own(act, what);
        if is_yet_to_come {
            return self.ledger.read_what_follows(act.who, what, look, act.us, reading);
        }
        if self.ledger.read_as(act.who, what, look, act.us, reading) {
            self.watch_readers(what, act.us);
        }
        if !self.ledger.is_forgotten(what) && self.ledger.body(what).begins_to_be_read() {
            self.early.add(what);
        }
    }

    /// Makes what is read now a version of its own, where others have the file open for writing and may go on; tells whether they
    /// have it open and have written nothing yet.
    pub(super) fn part_from_what_follows(&mut self, who: Who, what: What, look: &Look, us: i64) -> bool {
        if !self.openings.has(what) || self.ledger.is_forgotten(what) {
            return false;
        }
        let mut writers = self.ledger.writers_under_way(who, what, look);
        let body = self.ledger.body(what);
        let has_nothing = look.size == 0 || body.standing() < body.current();
        let mut has_it_open =
            |writer: &Who| self.holders.writes_to(self.ledger.actors[*writer as usize].pid, look);
        if has_nothing {
            return writers.iter().any(|writer| *writer != who && has_it_open(writer));
        }
        writers.retain(has_it_open);
        if writers.iter().all(|writer| *writer == who) {
            return false;
        }
        let read = self.ledger.go_on_later(&writers, what, look, us);
        if let Some(path) = self.ledger.body(what).main_name().map(|name| name.path.to_path_buf()) {
            self.endanger(what, read, look, &path);
        }
        false
    }

    /// Says that a file is not recorded whose path the kernel does not tell, because it is too long.
    fn say_too_long(&mut self, act: Act<'_>, error: &std::io::Error) {
        if error.raw_os_error() == Some(libc::ENAMETOOLONG) {
            let name = self.program_name(act.who);
            self.gap(format!(
                "`{name}` used a file whose path is longer than 4096 bytes: it is not recorded"
            ));
        }
    }

    /// Records a write into a file that is there, and asks for its bytes if they are at stake; through which opening is to be said
    /// next.
    pub(super) fn write(&mut self, act: Act<'_>, what: What, look: &Look, writing: Writing) {
        self.notice_outsiders(what, look);
        let done = if writing.truncates { None } else { self.ledger.done_before(act.who, what, look) };
        let rests = self.ledger.body(what).rested.is_some();
        // Who opened it last has it open most likely.
        let goes_on = done.is_some_and(|done| {
            rests || !done.into_iter().rev().any(|process| self.holders.writes_to(process, look))
        });
        if !writing.truncates {
            self.part_for_listeners(act, what, look);
        }
        let endangered = self.ledger.write(act.who, what, look, act.us, Writing { goes_on, ..writing });
        self.let_read_on(act, what, look);
        self.let_listen(act, what, look, writing.reads);
        let path = self.ledger.body(what).main_name().map(|name| name.path.to_path_buf());
        if let Some(path) = path {
            self.disturb(&path);
            self.endanger(what, endangered, look, &path);
        }
    }

    /// Reads a path as [`Act::place`] does, and refuses one that must not be looked at.
    pub(super) fn place(
        &mut self,
        act: Act<'_>,
        folder: Option<usize>,
        path: usize,
    ) -> std::io::Result<Place> {
        let place = act.place(folder, path)?;
        if self.is_served(act, &place) { Err(ErrorKind::WouldBlock.into()) } else { Ok(place) }
    }

    /// Tells whether to look at a place could mean to wait for a process that is stopped itself, and says so in the record.
    pub(super) fn is_served(&mut self, act: Act<'_>, place: &Place) -> bool {
        if self.served.is_empty() {
            return false;
        }
        let Ok(path) = act.thread.named(place) else {
            return false;
        };
        let Some(mount) = self.served.iter().find(|mount| path.starts_with(mount)) else {
            return false;
        };
        let text = format!(
            "files below `{}`, which a process of the run serves, were not looked at",
            mount.display()
        );
        self.gap(text);
        true
    }

    fn truncate(&mut self, act: Act<'_>) -> std::io::Result<()> {
        let place = self.place(act, None, 0)?;
        let intent =
            Intent { writes: true, truncates: act.arguments[1] == 0, follows: true, ..Intent::default() };
        self.open(act, &place, intent);
        Ok(())
    }

    /// Records that nothing is left of what stood in an open file.
    fn truncate_open(&mut self, act: Act<'_>, call: Call) -> std::io::Result<()> {
        let length = match (call, act.abi) {
            (Call::TruncateOpenWide, Abi::Arm) => act.arguments[2] | act.arguments[3],
            (Call::TruncateOpenWide, _) => act.arguments[1] | act.arguments[2],
            _ => act.arguments[1],
        };
        let descriptor = act.number(0);
        if length == 0 && act.thread.descriptor_modes(descriptor)?.1 {
            let look = act.thread.look_at_descriptor(descriptor)?;
            if let Some(what) = self.ledger.known(&look) {
                self.ledger.empty(what);
            }
        }
        Ok(())
    }

    fn open_by_handle(&mut self, act: Act<'_>) -> std::io::Result<()> {
        let head: [u8; 8] = act.thread.read_bytes(act.arguments[1])?;
        let size = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let mut handle = [0_u8; 8 + sys::HANDLE_MAX];
        let opened = if size <= sys::HANDLE_MAX {
            sys::read_memory(act.thread.tid, act.arguments[1], &mut handle[..8 + size])?;
            let mount = act.thread.open_descriptor(act.number(0))?;
            sys::open_handle(mount.as_fd(), &mut handle).and_then(|file| act.thread.identify(&file))
        } else {
            Err(ErrorKind::InvalidInput.into())
        };
        let intent = Intent::of(act.abi, act.arguments[2] as u32);
        match opened {
            Ok(found) if found.look.is_regular() => {
                let look = found.look;
                let Some(what) = self.identify(found, act.us) else {
                    return Ok(());
                };
                if intent.writes {
                    self.write(
                        act,
                        what,
                        &look,
                        Writing { truncates: intent.truncates, reads: intent.reads, ..Writing::default() },
                    );
                    self.opens(what, act.thread.tid, false);
                } else if !intent.path_only {
                    self.read(act, what, &look);
                }
            }
            Ok(_) => {}
            Err(_) => {
                let name = self.program_name(act.who);
                self.gap(format!("`{name}` opened a file by its handle, which could not be followed"));
            }
        }
        Ok(())
    }
}

/// Tells whether the permissions let the open happen, so that a refused one is not recorded.
fn may_open(act: Act<'_>, place: &Place, look: &Look, intent: Intent, user: u32) -> bool {
    let mut wanted = 0;
    if intent.reads {
        wanted |= MAY_READ;
    }
    if intent.writes || intent.truncates {
        wanted |= MAY_WRITE;
    }
    if user == 0 || look.mode & wanted as u32 == wanted as u32 && look.uid != user {
        return true;
    }
    let owner = (look.mode >> 6) & wanted as u32 == wanted as u32;
    (look.uid == user && owner) || act.thread.may(place, wanted)
}
