//! Programs that processes start: what is executed, through which interpreters, with which open files.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::acts::Act;
use super::body::Who;
use super::ledger::{What, Writing};
use super::net::{Net, is_system_path};
use super::place::Place;
use super::process::{Actor, Direction, HeldEnd, Program};
use super::stamp::Look;
use super::sys::Readiness;
use super::tracee::{Opened, Thread};
use super::{Channel, ChannelSort, GapSort, TERMINAL, digest, sys};

/// Arguments are kept up to this size, in bytes.
const ARGUMENTS_BYTES_MAX: usize = 64 << 10;
/// As many interpreters in a row as the kernel follows.
const INTERPRETERS_MAX: usize = 5;
/// Most programs read and write a few files, their own and their libraries included.
const FILES_OF_MOST: usize = 7;
/// The file system of terminals (`DEVPTS_SUPER_MAGIC`).
const DEVPTS: u32 = 0x1cd1;

/// A program that a process is about to run.
#[derive(Debug)]
pub(super) struct Starting {
    program: Program,
    image: Image,
    us: i64,
}

impl Starting {
    /// Tells whether a process that was about to run the program does so now.
    fn has_started(&self, thread: &Thread) -> bool {
        match (&self.image.expected, thread.program().ok()) {
            (Expected::Runs(expected), Some(runs)) => runs.is_same_file(expected),
            (Expected::NoLongerRuns(Some(before)), Some(runs)) => !runs.is_same_file(before),
            _ => true,
        }
    }
}

/// A program file with what it takes to run it.
#[derive(Debug, Clone)]
pub(super) struct Image {
    exe: PathBuf,
    /// The file, then its interpreters, outermost first, with the look taken at the start.
    files: Vec<(What, Look)>,
    /// The file that the kernel will have loaded, or what it runs before, where that cannot be foretold.
    expected: Expected,
}

#[derive(Debug, Clone)]
enum Expected {
    Runs(Look),
    NoLongerRuns(Option<Look>),
}

/// What the first bytes of a program file ask for.
#[derive(Debug, PartialEq, Eq)]
enum Format {
    /// `#!` and this path.
    Script(PathBuf),
    /// A binary, with its dynamic linker if it has one.
    Binary(Option<PathBuf>),
    Unknown,
}

impl Net<'_> {
    /// Remembers what a process will run if the call succeeds.
    pub(super) fn execute(
        &mut self,
        act: Act<'_>,
        folder: Option<usize>,
        path: usize,
        list: usize,
    ) -> std::io::Result<()> {
        let place = act.place(folder, path)?;
        let follows = folder.is_none() || act.arguments[4] & 0x100 == 0;
        let is_system = |path: &&[u8]| is_system_path(path) && !act.thread.is_foreign();
        let system = place.absolute().filter(is_system).map(<[u8]>::to_vec);
        let known = system.as_ref().and_then(|path| self.images.get(path)).cloned();
        let image = match known {
            Some(image) => image,
            None if self.is_served(act, &place) => Image {
                exe: act.thread.named(&place)?,
                files: vec![],
                expected: Expected::NoLongerRuns(act.thread.program().ok()),
            },
            None => {
                let Some(image) = self.find_image(act, &place, follows) else {
                    return Ok(());
                };
                if let Some(path) =
                    system.filter(|path| matches!(image.expected, Expected::Runs(_)) && !self.is_work(path))
                {
                    self.images.insert(path, image.clone());
                }
                image
            }
        };
        let (arguments, arguments_were_cut) =
            act.thread.read_strings(act.arguments[list], act.abi.pointer_bytes(), ARGUMENTS_BYTES_MAX);
        let folder = act.thread.working_folder().unwrap_or_default();
        let program = Program { exe: image.exe.clone(), arguments, arguments_were_cut, folder };
        self.starting.insert(act.thread.tgid, Starting { program, image, us: act.us });
        Ok(())
    }

    /// Finds out what would run; `None` if it cannot.
    fn find_image(&mut self, act: Act<'_>, place: &Place, follows: bool) -> Option<Image> {
        let found = act.thread.find(place, follows).ok()?;
        let (look, exe) = (found.look, found.path.clone());
        if !look.is_regular() || look.mode & 0o111 == 0 || !act.thread.may(place, 1) {
            return None;
        }
        if found.is_nameless {
            self.gap(format!("a program without a name was run: `{}`", exe.display()));
        }
        let (mut files, mut expected) = (vec![], Expected::Runs(look));
        if let Some(what) = self.identify(found, act.us) {
            files.push((what, look));
            self.warn_of_lost_privilege(&look, &exe);
        }
        let (interpreters, is_understood) = self.interpreters(act.thread, &exe);
        for (what, look, runs) in interpreters {
            files.push((what, look));
            if runs {
                expected = Expected::Runs(look);
            }
        }
        if !is_understood {
            expected = Expected::NoLongerRuns(act.thread.program().ok());
        }
        Some(Image { exe, files, expected })
    }

    fn warn_of_lost_privilege(&mut self, look: &Look, exe: &Path) {
        if !self.no_new_privileges {
            return;
        }
        let is_privileged = look.mode & libc::S_ISUID != 0
            || look.mode & (libc::S_ISGID | 0o010) == libc::S_ISGID | 0o010
            || digest::c_path(exe).is_ok_and(|path| sys::has_capabilities(&path));
        if is_privileged {
            let name = exe.display();
            let text =
                "ran without the privilege its file gives (no_new_privs is set to observe without root)";
            self.gap_of(GapSort::Denied, format!("`{name}` {text}"));
        }
    }

    /// Follows `#!` lines and dynamic linkers; the flag of each file says whether it is what will run, and the
    /// last result whether the format is one the kernel knows of itself.
    fn interpreters(&mut self, thread: &Thread, exe: &Path) -> (Vec<(What, Look, bool)>, bool) {
        let (mut found, mut path) = (vec![], exe.to_path_buf());
        for _ in 0..INTERPRETERS_MAX {
            let format = digest::open(&path).map_or(Format::Unknown, |file| format_of(&file));
            let (next, is_script) = match format {
                Format::Script(next) => (next, true),
                Format::Binary(Some(next)) => (next, false),
                Format::Binary(None) => return (found, true),
                Format::Unknown => return (found, false),
            };
            let place = Place::new(libc::AT_FDCWD, next.as_os_str().as_bytes().to_vec());
            let Ok(interpreter) = thread.find(&place, true) else {
                return (found, !is_script);
            };
            let look = interpreter.look;
            path = interpreter.path.clone();
            if let Some(what) = self.identify(interpreter, (self.options.clock)()) {
                found.push((what, look, is_script));
            }
            if !is_script {
                return (found, true);
            }
        }
        (found, true)
    }

    /// Finds out whether the process that was about to run a program does so now.
    pub(super) fn settle_start(&mut self, thread: &Thread, us: i64) {
        let Some(starting) = self.starting.remove(&thread.tgid) else {
            return;
        };
        if starting.has_started(thread) {
            let who = self.begin(thread.tgid, starting, Some(thread));
            self.look_at_starters(thread, who);
            self.inherit(thread, who, us);
        }
    }

    /// Finds out which processes that were about to run a program do so by now.
    pub(super) fn settle_known_starts(&mut self) {
        let us = (self.options.clock)();
        let mut processes: Vec<i32> = self.starting.keys().copied().collect();
        processes.sort_unstable();
        for process in processes {
            let Some(thread) = self.threads.remove(&process) else { continue };
            if self.starting.get(&process).is_some_and(|starting| starting.has_started(&thread)) {
                self.settle_start(&thread, us);
            }
            self.threads.insert(process, thread);
        }
    }

    /// Takes it that programs have started whose processes were never stopped again.
    pub(super) fn settle_starts(&mut self) {
        let mut starting: Vec<(i32, Starting)> = std::mem::take(&mut self.starting).into_iter().collect();
        starting.sort_by_key(|(pid, start)| (start.us, *pid));
        for (pid, starting) in starting {
            if matches!(starting.image.expected, Expected::Runs(_)) {
                self.begin(pid, starting, None);
            }
        }
    }

    fn begin(&mut self, pid: i32, starting: Starting, thread: Option<&Thread>) -> Who {
        let Starting { program, image, us } = starting;
        let former = self.current.get(&pid).copied();
        let who = match former {
            // What a fork opened before it ran a program was opened for the program.
            Some(former) if self.is_fork(former) && !self.has_learned(former, thread) => former,
            _ => {
                if let Some(former) = former {
                    if self.is_fork(former) {
                        self.stand_alone(former, thread);
                    }
                    if let Some(thread) = thread {
                        self.end_nameless(thread, former);
                    }
                    self.end_reading(former, us);
                    self.ledger.actor(former).ended_us = Some(us);
                }
                let who = self.ledger.add_actor(Actor::new(pid, former, us));
                self.current.insert(pid, who);
                who
            }
        };
        let actor = self.ledger.actor(who);
        // What it had as a fork and still has is one of its own standard streams now.
        actor.holds.clear();
        actor.read_as_fork = actor.touches.values().any(|touch| touch.read.is_some());
        actor.program = Some(program);
        actor.touches.reserve(FILES_OF_MOST);
        (actor.started_us, actor.told_us) = (us, us);
        for (what, look) in image.files {
            self.notice_outsiders(what, &look);
            self.ledger.execute(who, what, &look, us);
            self.watch_readers(what, us);
        }
        who
    }

    fn is_fork(&self, who: Who) -> bool {
        self.ledger.actors[who as usize].program.is_none()
    }

    /// Records the files and pipes that a program is born with.
    fn inherit(&mut self, thread: &Thread, who: Who, us: i64) {
        let arguments = [0; 6];
        let act = Act { thread, who, abi: super::calls::Abi::X64, arguments: &arguments, us };
        let mut streams = 0;
        for (slot, descriptor) in [0, 1, 2].into_iter().enumerate() {
            let Ok(opened) = thread.look_at_stream(descriptor, self.own_pid) else {
                continue;
            };
            streams += 1;
            let look = opened.look;
            if look.is_regular() {
                self.inherit_file(act, &opened);
            } else if let Some(inode) = self.channel(thread, descriptor, &look) {
                let sort = self.channel_sort(act, (descriptor, slot), inode, &look);
                if who == 0 && slot == 0 && inode & TERMINAL == 0 {
                    self.note_input();
                }
                let actor = self.ledger.actor(who);
                actor.standard[slot] = Some(Channel { inode, sort });
                if slot == 0 && sort != ChannelSort::Outside {
                    // A shell fills the pipe of a here-document and closes it before it runs the program.
                    actor.is_fed = !look.is_pipe() || thread.is_fed(descriptor);
                    if !actor.is_fed {
                        actor.told_us = actor.told_us.max(us);
                    }
                }
            }
        }
        if who == 0 || self.may_have_others(thread, streams) {
            self.inherit_others(act);
        }
    }

    /// Takes notice of how the command's standard input stands as it begins.
    pub(super) fn note_input(&mut self) {
        self.input = Some(own_input());
    }

    /// Tells whether a program may have been born with more than its standard streams, of which so many are open, and what the
    /// command was given beside them.
    fn may_have_others(&self, thread: &Thread, streams: u64) -> bool {
        let Some(count) = thread.descriptor_count() else { return true };
        let is_there = |(number, given): &&(i32, Look)| {
            thread.look_at_descriptor(*number).is_ok_and(|look| look.is_same_file(given))
        };
        count != streams && count != streams + self.given_beside.iter().filter(is_there).count() as u64
    }

    /// Returns what a pipe, a socket or a terminal is known by.
    pub(super) fn channel(&mut self, thread: &Thread, descriptor: i32, look: &Look) -> Option<u64> {
        if look.is_pipe() || look.is_socket() {
            return Some(look.ino);
        }
        let is_terminal = look.is_character_device() && {
            let kind = self.known_file_system(look);
            kind.unwrap_or_else(|| self.file_system(look, &thread.descriptor_path(descriptor))) == DEVPTS
        };
        is_terminal.then_some(look.ino | TERMINAL)
    }

    fn channel_sort(
        &mut self,
        act: Act<'_>,
        (descriptor, slot): (i32, usize),
        inode: u64,
        look: &Look,
    ) -> ChannelSort {
        if act.who == 0 {
            self.given.push(inode);
        }
        if self.given.contains(&inode) {
            return ChannelSort::Outside;
        }
        if !is_parent_s(act.thread, descriptor, look) {
            return ChannelSort::Own;
        }
        if let Some(parent) = self.current.get(&act.thread.parent).copied() {
            self.ledger.hold(parent, inode, slot);
        }
        ChannelSort::Shared
    }

    fn inherit_others(&mut self, act: Act<'_>) {
        let (mut pipes, mut sockets): (Vec<HeldEnd>, Vec<u64>) = (vec![], vec![]);
        let is_first = act.who == 0;
        // What a shell becomes in the end has open what the shell had open for others.
        let actors = &self.ledger.actors;
        let actor = &actors[act.who as usize];
        let replaces = actor.parent.is_some_and(|former| actors[former as usize].pid == actor.pid);
        for descriptor in act.thread.descriptors().into_iter().filter(|descriptor| *descriptor > 2) {
            let Ok(opened) = act.thread.look_at_opened(descriptor) else {
                continue;
            };
            let look = opened.look;
            if is_first {
                self.given_beside.push((descriptor, look));
            }
            if look.is_pipe() {
                let modes = act.thread.descriptor_modes(descriptor);
                let direction = modes.map_or(Direction::Both, |(reads, writes)| Direction::of(reads, writes));
                let is_shared = !is_first && (replaces || is_parent_s(act.thread, descriptor, &look));
                pipes.push(HeldEnd { inode: look.ino, direction, is_born: true, is_shared });
            } else if look.is_socket() {
                sockets.push(look.ino);
            } else if look.is_regular() {
                self.inherit_file(act, &opened);
            }
        }
        if is_first {
            self.given.extend(pipes.iter().map(|end| end.inode).chain(sockets));
            return;
        }
        // What the command was given itself joins everybody and nobody. Both ends in one hand are no way to
        // somebody else, but tokens, as those of `make -j`.
        let is_own = |end: &&HeldEnd| {
            let alike = pipes.iter().filter(|other| other.inode == end.inode);
            !self.given.contains(&end.inode) && alike.count() == 1
        };
        let own: Vec<HeldEnd> = pipes.iter().filter(is_own).copied().collect();
        let found = sockets.clone();
        let is_alone = |inode: &u64| found.iter().filter(|other| *other == inode).count() == 1;
        sockets.retain(|inode| !self.given.contains(inode) && is_alone(inode));
        if !own.is_empty() {
            self.ledger.actor(act.who).ends.extend(own);
        }
        if let (false, Some(parent)) = (sockets.is_empty(), self.ledger.actors[act.who as usize].parent) {
            self.ledger.actor(act.who).channels.extend(&sockets);
            // Through its other end, which only the parent can have given it.
            self.ledger.actor(parent).channels.extend(sockets);
        }
    }

    fn inherit_file(&mut self, act: Act<'_>, opened: &Opened) {
        let (descriptor, look) = (opened.descriptor, &opened.look);
        if self.is_kernel_device(look.dev) {
            return;
        }
        let Ok((reads, writes)) = act.thread.modes(opened) else {
            return;
        };
        if act.who == 0 {
            self.given_files.push((look.dev, look.ino));
        }
        if self.ledger.known(look).is_none() {
            // Perhaps opened by who started it, in the last call before that, as a shell does.
            self.settle(act.thread.parent, false);
        }
        let what = match self.ledger.known(look) {
            Some(what) => what,
            None => {
                let Ok(found) = act.thread.find_descriptor(descriptor) else {
                    return;
                };
                // Perhaps by another thread.
                self.settle_path(&found.path);
                match self.ledger.known(look) {
                    Some(what) => what,
                    None if writes && !reads && look.size == 0 && !found.is_nameless => {
                        // Just emptied by whoever started the command: nothing stood there before.
                        let what = self.ledger.create(act.who, look, Some(found.path), act.us);
                        self.opens(what, act.thread.tid, false);
                        return;
                    }
                    None if found.is_nameless => return self.hear_nameless(act, opened, (reads, writes)),
                    None => match self.identify(found, act.us) {
                        Some(what) => what,
                        None => return,
                    },
                }
            }
        };
        self.ledger.body(what).may_be_mapped |= reads && writes;
        // Standard output is mostly open for both where it comes from a terminal or a test, and is not read.
        let is_written = writes && (descriptor > 0 || !reads);
        if is_written {
            self.notice_outsiders(what, look);
            self.wrote_before(act, what, look);
            self.part_for_listeners(act, what, look);
            if act.who == 0 || !self.ledger.relay(act.who, what, look, act.us) {
                let reads = reads && descriptor > 2 && act.who == 0;
                self.write(act, what, look, Writing { reads, ..Writing::default() });
                if act.who == 0 {
                    // Opened by whoever started the command.
                    self.opens(what, act.thread.tid, false);
                } else {
                    self.goes_on_writing(what, act.thread.tid);
                }
                if act.who > 0 && !self.ledger.is_forgotten(what) {
                    self.ledger.relay_anew(act.who, what, look, act.us);
                    self.ledger.hold_open(act.who, what, look);
                }
            } else {
                self.goes_on_writing(what, act.thread.tid);
                self.let_listen(act, what, look, reads && descriptor > 2);
            }
        } else if reads && (descriptor <= 2 || act.who == 0) {
            self.read(act, what, look);
            if descriptor == 0 {
                self.take_over_input(act, what, look);
            }
        }
    }
}

/// Looks whether there is something to be read from standard input, which is also the command's.
pub(super) fn own_input() -> Readiness {
    sys::wait([Some(std::io::stdin().as_fd())], 0).map_or(Readiness::default(), |[input]| input)
}

/// Tells whether who started a program has the same open at the same place.
fn is_parent_s(thread: &Thread, descriptor: i32, look: &Look) -> bool {
    let path = format!("/proc/{}/fd/{descriptor}", thread.parent);
    let path = std::ffi::CString::new(path).expect("two numbers hold no zero byte");
    sys::look(sys::here(), &path, true).is_ok_and(|parent_s| parent_s.is_same_file(look))
}

/// Reads what kind of program a file is.
fn format_of(file: &File) -> Format {
    let mut head = [0_u8; 4096];
    let read = file.read_at(&mut head, 0).unwrap_or(0);
    let head = &head[..read];
    if let Some(line) = head.strip_prefix(b"#!") {
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let is_blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
        let word = line.split(|byte| is_blank(byte)).find(|word| !word.is_empty());
        return word.map_or(Format::Unknown, |word| {
            Format::Script(PathBuf::from(std::ffi::OsStr::from_bytes(word)))
        });
    }
    if head.starts_with(b"\x7fELF") {
        return Format::Binary(linker_of(file, head));
    }
    Format::Unknown
}

/// Returns the dynamic linker (`PT_INTERP`) of an ELF file of this machine's byte order.
fn linker_of(file: &File, head: &[u8]) -> Option<PathBuf> {
    const PT_INTERP: u64 = 3;
    let number = |bytes: &[u8], at: usize, size: usize| -> Option<u64> {
        let mut wide = [0_u8; 8];
        wide[..size].copy_from_slice(bytes.get(at..at + size)?);
        Some(u64::from_le_bytes(wide))
    };
    let is_wide = *head.get(4)? == 2;
    let (table, size, count) = if is_wide {
        (number(head, 32, 8)?, number(head, 54, 2)?, number(head, 56, 2)?)
    } else {
        (number(head, 28, 4)?, number(head, 42, 2)?, number(head, 44, 2)?)
    };
    let mut entries = vec![0_u8; usize::try_from(size * count).ok().filter(|bytes| *bytes <= 1 << 16)?];
    file.read_exact_at(&mut entries, table).ok()?;
    let entry = entries.chunks_exact(usize::try_from(size).ok().filter(|size| *size > 0)?);
    let (offset, length) = entry.into_iter().find_map(|entry| {
        (number(entry, 0, 4)? == PT_INTERP).then_some(())?;
        if is_wide {
            Some((number(entry, 8, 8)?, number(entry, 32, 8)?))
        } else {
            Some((number(entry, 4, 4)?, number(entry, 16, 4)?))
        }
    })?;
    let mut path = vec![0_u8; usize::try_from(length).ok().filter(|length| *length <= 4096)?];
    file.read_exact_at(&mut path, offset).ok()?;
    let end = path.iter().position(|byte| *byte == 0).unwrap_or(path.len());
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(&path[..end])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: Format) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(format_of(&File::open(&path).unwrap()), expected);
    }

    #[test]
    fn the_interpreter_of_a_script_is_its_first_word() {
        check(b"#! /usr/bin/env  python3\nprint()", Format::Script("/usr/bin/env".into()));
        check(b"#!/bin/sh", Format::Script("/bin/sh".into()));
        check(b"echo no magic", Format::Unknown);
        check(b"#!\n", Format::Unknown);
    }

    #[test]
    fn a_broken_binary_has_no_linker() {
        check(b"\x7fELF\x02\x01\x01", Format::Binary(None));
    }

    #[test]
    fn this_test_s_own_linker_is_found() {
        let own = File::open(std::env::current_exe().unwrap()).unwrap();
        let Format::Binary(linker) = format_of(&own) else { panic!("not a binary") };
        assert!(linker.is_none_or(|linker| linker.exists()));
    }
}
