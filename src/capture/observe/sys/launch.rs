//! Starts the command under the net, and the guardian beside it.

use std::ffi::{CString, c_int, c_ulong, c_void};
use std::io::{Error, Result};
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd as _, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;

use super::super::reply::Verdict;
use super::signals::{Blocked, FORWARDED, STOPS_OF_TERMINALS, restore_default};
use super::{End, InHand, answer, check, errno, raw, receive, wait, wait_for_end};
use crate::capture::inherited::give_back;
use crate::capture::observe::filter::Instruction;

/// What is to be started.
pub(in super::super) struct Launch {
    pub(in super::super) program: CString,
    pub(in super::super) arguments: Vec<CString>,
    pub(in super::super) environment: Vec<CString>,
    pub(in super::super) folder: CString,
    /// What becomes its standard streams, by their numbers; `None`: they stay.
    pub(in super::super) streams: [Option<RawFd>; 3],
    /// `None`: start without a net.
    pub(in super::super) filter: Option<Vec<Instruction>>,
}

/// As much room has the new process to call functions in.
const STACK_BYTES: usize = 32 << 10;

/// Everything the new process needs until its program runs. It lies in the memory of this one, which the new process has in common
/// with it till then: to give it a copy would take longer than all the rest of its start, and each page that is written here
/// afterwards would be copied as well.
struct Beginning {
    launch: Launch,
    /// Ends in null, as do the next two.
    arguments: Vec<*const libc::c_char>,
    environment: Vec<*const libc::c_char>,
    /// A file without `#!` is a script of the shell, as `execvp` has it.
    shell: Vec<*const libc::c_char>,
    /// It lets through what was let through before.
    mask: libc::sigset_t,
    /// Its end of the socket, and ours, which it closes.
    reports: RawFd,
    ours: RawFd,
    stack: Vec<u128>,
}

/// A started process and the socket over which it reports until its program runs.
pub(in super::super) struct Launched {
    pub(in super::super) pid: i32,
    pub(in super::super) process: OwnedFd,
    pub(in super::super) reports: OwnedFd,
    /// Never freed where nobody knows that the process has left it.
    beginning: Option<NonNull<Beginning>>,
}

impl Launched {
    /// Reads the next report of the new process; blocks until there is one.
    pub(in super::super) fn next_report(&mut self) -> Result<Report> {
        let report = next_report(self.reports.as_fd())?;
        if matches!(report, Report::Running) {
            self.free_beginning();
        }
        Ok(report)
    }

    /// Waits for the end of the process without reaping it.
    pub(in super::super) fn wait_for_end(&mut self) -> Result<End> {
        let end = wait_for_end(self.pid)?;
        self.free_beginning();
        Ok(end)
    }

    /// Frees what the process needed for its start, which it has left.
    fn free_beginning(&mut self) {
        if let Some(beginning) = self.beginning.take() {
            // SAFETY: it was made as a box, and nobody else has it: the process has another memory, or none any more.
            drop(unsafe { Box::from_raw(beginning.as_ptr()) });
        }
    }
}

/// What the new process reports before its program runs.
#[derive(Debug)]
pub(in super::super) enum Report {
    /// The net is up, and here is its listener; whether it took `no_new_privs`.
    Listener(OwnedFd, bool),
    /// The kernel refused the net with this error; the process waits for [`go`].
    NoNet(i32),
    /// The program could not be started: step and error. `Folder` is the working directory.
    Failed(Stage, i32),
    /// The program runs.
    Running,
}

/// The step at which a start failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Stage {
    Folder,
    Program,
}

const TAG_LISTENER: u32 = 1;
const TAG_NO_NET: u32 = 2;
const TAG_FOLDER: u32 = 3;
const TAG_PROGRAM: u32 = 4;

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
}

fn socket_pair() -> Result<(OwnedFd, OwnedFd)> {
    let mut ends: [c_int; 2] = [0; 2];
    // SAFETY: `ends` has room for two descriptors, which are fresh.
    unsafe {
        let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
        check(libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()))?;
        Ok((OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])))
    }
}

/// Starts the process; returns as soon as it exists, before its program runs. No signal reaches it before it has put back what they
/// do: an action of ours would run in it, on our memory.
pub(in super::super) fn launch(launch: Launch, blocked: &Blocked) -> Result<Launched> {
    let (reports, theirs) = socket_pair()?;
    let arguments = pointers(&launch.arguments);
    let mut shell = vec![c"/bin/sh".as_ptr(), launch.program.as_ptr()];
    shell.extend(arguments.iter().skip(1));
    let environment = pointers(&launch.environment);
    let stack = Vec::with_capacity(STACK_BYTES / size_of::<u128>());
    let mask = *blocked.before();
    let (reports_of_child, ours) = (theirs.as_raw_fd(), reports.as_raw_fd());
    let mut beginning = Box::new(Beginning {
        launch,
        arguments,
        environment,
        shell,
        mask,
        reports: reports_of_child,
        ours,
        stack,
    });
    let stack = beginning.stack.spare_capacity_mut().as_mut_ptr_range().end;
    let beginning = NonNull::from(Box::leak(beginning));
    let flags = libc::CLONE_VM | libc::SIGCHLD;
    // SAFETY: the child runs on a stack of its own, on memory that is not freed while it needs it.
    let pid = check(unsafe { libc::clone(begin, stack.cast(), flags, beginning.as_ptr().cast()) });
    let pid = pid.inspect_err(|_| {
        // SAFETY: it was made as a box, and no child has it.
        drop(unsafe { Box::from_raw(beginning.as_ptr()) });
    })?;
    // SAFETY: `pid` is our child, not yet waited for.
    let process = unsafe { raw::call(libc::SYS_pidfd_open, [pid as usize, 0, 0, 0, 0]) };
    let beginning = Some(beginning);
    match process {
        Ok(fd) => {
            // SAFETY: the descriptor is fresh.
            let process = unsafe { OwnedFd::from_raw_fd(fd as RawFd) };
            Ok(Launched { pid, process, reports, beginning })
        }
        Err(errno) => {
            end_at_once(pid);
            Err(Error::from_raw_os_error(errno))
        }
    }
}

/// Kills and reaps a child whose program does not run yet.
fn end_at_once(pid: i32) {
    // SAFETY: `pid` is our child and was not waited for; a null status is allowed.
    unsafe {
        libc::kill(pid, libc::SIGKILL);
        while libc::waitpid(pid, std::ptr::null_mut(), 0) < 0 && errno() == libc::EINTR as u32 {}
    }
}

/// What the new process does: it becomes the program.
///
/// Until then it has its memory in common with the process that started it, which goes on meanwhile: it writes on its own stack
/// alone, and calls of the library of C that may fail are made without it.
extern "C" fn begin(beginning: *mut c_void) -> c_int {
    // SAFETY: it is given a beginning, which nobody changes or frees before its program runs. What is called are system calls on
    // memory that lives as long. What it closes is a copy of its own, held by nothing that runs in it: with it, the end of the
    // supervisor would never be seen.
    unsafe {
        let Beginning { launch, arguments, environment, shell, mask, reports, ours, .. } =
            &*beginning.cast::<Beginning>();
        let reports = *reports;
        let _ = raw::call(libc::SYS_close, [*ours as usize, 0, 0, 0, 0]);
        for signal in FORWARDED.into_iter().chain(STOPS_OF_TERMINALS) {
            restore_default(signal);
        }
        for (number, stream) in launch.streams.iter().enumerate() {
            if let Some(stream) = stream {
                let _ = raw::call(libc::SYS_dup3, [*stream as usize, number, 0, 0, 0]);
            }
        }
        give_back();
        libc::pthread_sigmask(libc::SIG_SETMASK, mask, std::ptr::null_mut());
        if let Err(errno) = raw::call(libc::SYS_chdir, [launch.folder.as_ptr() as usize, 0, 0, 0, 0]) {
            report(reports, [TAG_FOLDER, errno as u32, 0], None);
            libc::_exit(126);
        }
        if let Some(filter) = &launch.filter {
            match install(filter) {
                Ok((listener, no_new_privileges)) => {
                    report(reports, [TAG_LISTENER, 0, no_new_privileges.into()], Some(listener));
                    let _ = raw::call(libc::SYS_close, [listener as usize, 0, 0, 0, 0]);
                }
                Err(errno) => {
                    report(reports, [TAG_NO_NET, errno as u32, 0], None);
                    if !is_let_go(reports) {
                        libc::_exit(125);
                    }
                }
            }
        }
        let run = |program: *const libc::c_char, arguments: &[*const libc::c_char]| {
            let words = [program as usize, arguments.as_ptr() as usize, environment.as_ptr() as usize, 0, 0];
            raw::call(libc::SYS_execve, words).err().unwrap_or(0)
        };
        let mut errno = run(launch.program.as_ptr(), arguments);
        if errno == libc::ENOEXEC {
            errno = run(c"/bin/sh".as_ptr(), shell);
        }
        report(reports, [TAG_PROGRAM, errno as u32, 0], None);
        libc::_exit(127)
    }
}

/// Waits for [`go`]; returns false where the supervisor has ended instead.
fn is_let_go(socket: RawFd) -> bool {
    let mut go = [0_u8; 1];
    loop {
        // SAFETY: one byte of this function's own.
        match unsafe { raw::call(libc::SYS_read, [socket as usize, go.as_mut_ptr() as usize, 1, 0, 0]) } {
            Err(libc::EINTR) => {}
            read => return read.is_ok_and(|read| read > 0),
        }
    }
}

/// Puts the filter on the calling thread; returns the listener and whether `no_new_privs` had to be set.
fn install(filter: &[Instruction]) -> std::result::Result<(RawFd, bool), i32> {
    let program =
        libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr() as *mut libc::sock_filter };
    let seccomp = |operation: u32, flags: c_ulong, data: *const c_void| {
        // SAFETY: `data` is what the operation reads: a `u32` or a `struct sock_fprog`.
        unsafe { raw::call(libc::SYS_seccomp, [operation as usize, flags as usize, data as usize, 0, 0]) }
    };
    // Asked first: without it, nothing has been changed for a command that runs without a net.
    let wanted = libc::SECCOMP_RET_USER_NOTIF;
    seccomp(libc::SECCOMP_GET_ACTION_AVAIL, 0, (&raw const wanted).cast())?;
    // Without SPEC_ALLOW, kernels before 5.16 slow every filtered program down.
    let basic = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    let killable = basic | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    let set = |flags| seccomp(libc::SECCOMP_SET_MODE_FILTER, flags, (&raw const program).cast());
    let mut no_new_privileges = false;
    let mut result = set(killable);
    if result == Err(libc::EACCES) {
        // SAFETY: plain numbers.
        let _ = unsafe { raw::call(libc::SYS_prctl, [libc::PR_SET_NO_NEW_PRIVS as usize, 1, 0, 0, 0]) };
        no_new_privileges = true;
        result = set(killable);
    }
    if result == Err(libc::EINVAL) {
        result = set(basic);
    }
    result.map(|fd| (fd as RawFd, no_new_privileges))
}

/// Sends three words, with a descriptor if there is one.
fn report(socket: RawFd, words: [u32; 3], descriptor: Option<RawFd>) {
    // SAFETY: message, control room and words live until the call returns; the control header is written
    // inside a room that is large and aligned enough for one descriptor.
    unsafe {
        let mut piece = libc::iovec { iov_base: words.as_ptr() as *mut c_void, iov_len: size_of_val(&words) };
        let mut room = [0_u64; 4];
        let mut message: libc::msghdr = zeroed();
        message.msg_iov = &raw mut piece;
        message.msg_iovlen = 1;
        if let Some(descriptor) = descriptor {
            message.msg_control = room.as_mut_ptr().cast();
            message.msg_controllen = libc::CMSG_SPACE(size_of::<RawFd>() as u32) as _;
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(size_of::<RawFd>() as u32) as _;
            std::ptr::write_unaligned(libc::CMSG_DATA(header).cast::<RawFd>(), descriptor);
        }
        let words = [socket as usize, &raw const message as usize, libc::MSG_NOSIGNAL as usize, 0, 0];
        let _ = raw::call(libc::SYS_sendmsg, words);
    }
}

/// Reads the next report from a socket.
fn next_report(socket: BorrowedFd<'_>) -> Result<Report> {
    let mut words = [0_u32; 3];
    let mut room = [0_u64; 4];
    // SAFETY: message, control room and words live until the call returns; a received descriptor is fresh.
    let (read, descriptor) = unsafe {
        let mut piece = libc::iovec { iov_base: words.as_mut_ptr().cast(), iov_len: size_of_val(&words) };
        let mut message: libc::msghdr = zeroed();
        message.msg_iov = &raw mut piece;
        message.msg_iovlen = 1;
        message.msg_control = room.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&room) as _;
        let read = libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC);
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        let descriptor = (read > 0 && !header.is_null())
            .then(|| OwnedFd::from_raw_fd(std::ptr::read_unaligned(libc::CMSG_DATA(header).cast::<RawFd>())));
        (read, descriptor)
    };
    if read < 0 {
        return Err(Error::last_os_error());
    }
    Ok(match (words, descriptor) {
        ([TAG_LISTENER, _, no_new_privileges], Some(fd)) => Report::Listener(fd, no_new_privileges != 0),
        ([TAG_NO_NET, errno, _], _) => Report::NoNet(errno as i32),
        ([TAG_FOLDER, errno, _], _) => Report::Failed(Stage::Folder, errno as i32),
        ([TAG_PROGRAM, errno, _], _) => Report::Failed(Stage::Program, errno as i32),
        _ => Report::Running,
    })
}

/// Lets a process go on that has no net.
pub(in super::super) fn go(socket: BorrowedFd<'_>) {
    // SAFETY: one byte from a constant.
    unsafe { libc::send(socket.as_raw_fd(), [1_u8].as_ptr().cast(), 1, libc::MSG_NOSIGNAL) };
}

/// A process that lets every stopped call go on once the supervisor has died, so that the command lives.
pub(in super::super) struct Guardian {
    pid: i32,
    _lifeline: OwnedFd,
}

impl Guardian {
    /// Starts the guardian of `listener`, and of the calls that are in hand.
    pub(in super::super) fn start(listener: BorrowedFd<'_>, in_hand: &InHand) -> Result<Guardian> {
        let (ours, theirs) = socket_pair()?;
        let (lifeline, listener) = (theirs.as_raw_fd(), listener.as_raw_fd());
        // It never lets them through: it hands nothing on, and outlives what is sent to all processes of one name.
        let _blocked = Blocked::all();
        // SAFETY: the child only makes system calls on its own stack.
        let pid = check(unsafe { libc::fork() })?;
        if pid == 0 {
            // SAFETY: this is the child of a fork and never returns.
            unsafe { guard(lifeline, listener, in_hand) }
        }
        Ok(Guardian { pid, _lifeline: ours })
    }

    /// Leaves the listener to the guardian, which ends when the last process under it has.
    pub(in super::super) fn take_over(self) {
        drop(self);
    }

    /// Ends the guardian, to be called when no process is left that it could be needed for; it is reaped when
    /// the result is dropped, by when it has mostly ended.
    pub(in super::super) fn dismiss(self) -> Dismissed {
        // SAFETY: `pid` is our child and was not waited for.
        unsafe { libc::kill(self.pid, libc::SIGKILL) };
        Dismissed(self.pid)
    }
}

/// A guardian that has been told to end.
pub(in super::super) struct Dismissed(i32);

impl Drop for Dismissed {
    fn drop(&mut self) {
        // SAFETY: it is our child and was not waited for; a null status is allowed.
        unsafe { libc::waitpid(self.0, std::ptr::null_mut(), 0) };
    }
}

/// # Safety
/// Only in the child of a fork.
unsafe fn guard(lifeline: RawFd, listener: RawFd, in_hand: &InHand) -> ! {
    // SAFETY: system calls on the stack of this process alone.
    unsafe {
        // Out of the terminal's reach, and holding nothing that somebody waits to see closed.
        libc::setsid();
        let (low, high) = (lifeline.min(listener), lifeline.max(listener));
        close_range(0, low - 1);
        close_range(low + 1, high - 1);
        close_range(high + 1, c_int::MAX);
        let root = c"/";
        libc::chdir(root.as_ptr());
        let mut byte = [0_u8; 1];
        while libc::recv(lifeline, byte.as_mut_ptr().cast(), 1, 0) < 0 && errno() == libc::EINTR as u32 {}
        let listener = BorrowedFd::borrow_raw(listener);
        in_hand.let_go(listener);
        loop {
            match wait([Some(listener)], -1) {
                Ok([ready]) if ready.readable => {
                    if let Ok(notification) = receive(listener) {
                        answer(listener, notification.id, Verdict::Continue);
                    }
                }
                Ok([ready]) if !ready.hung_up => {}
                _ => libc::_exit(0),
            }
        }
    }
}

unsafe fn close_range(first: c_int, last: c_int) {
    if first > last {
        return;
    }
    // SAFETY: only descriptors of this forked process are closed, none of which is used again.
    unsafe {
        if libc::syscall(libc::SYS_close_range, first, last, 0) != 0 {
            for fd in first..=last.min(65_536) {
                libc::close(fd);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reap;
    use super::*;

    #[test]
    fn a_command_that_waits_for_its_start_ends_with_its_supervisor() {
        let launch = Launch {
            program: c"/bin/true".to_owned(),
            arguments: vec![c"true".to_owned()],
            environment: vec![],
            folder: c"/".to_owned(),
            streams: [None; 3],
            // The kernel takes no empty filter.
            filter: Some(vec![]),
        };
        let launched = super::launch(launch, &Blocked::all());
        let Launched { pid, process, reports, .. } = launched.unwrap();
        assert!(matches!(next_report(reports.as_fd()), Ok(Report::NoNet(_))));
        drop(reports);
        let [ready] = wait([Some(process.as_fd())], 30_000).unwrap();
        if !ready.readable {
            end_at_once(pid);
            panic!("it waits for ever");
        }
        assert_eq!(wait_for_end(pid).unwrap(), End::Code(125));
        assert!(reap(pid));
    }
}
