//! The system calls of the observer: the one place of this module with unsafe code.

#![expect(
    unsafe_code,
    reason = "seccomp, user notification, signals and forks have no safe face in the standard library"
)]

mod in_hand;
mod inotify;
mod launch;
mod raw;
mod signals;
mod stops;

use std::ffi::{CStr, c_int, c_long, c_ulong, c_void};
use std::io::{Error, ErrorKind, Result};
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::reply::Verdict;
use super::stamp::Look;
use crate::digests::device;

pub(super) use in_hand::{InHand, Slot};
pub(super) use inotify::Ears;
pub(super) use launch::{Guardian, Launch, Launched, Report, Stage, go, launch};
pub(super) use signals::{Adoption, Blocked, Forwarding};
pub(super) use stops::Stops;

/// A stopped call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Notification {
    pub(super) id: u64,
    /// Thread, in the supervisor's process namespace; 0 if it lies in none that the supervisor sees.
    pub(super) tid: i32,
    pub(super) number: u32,
    pub(super) audit: u32,
    pub(super) arguments: [u64; 6],
}

fn check(result: c_int) -> Result<c_int> {
    if result < 0 { Err(Error::last_os_error()) } else { Ok(result) }
}

fn check_long(result: c_long) -> Result<c_long> {
    if result < 0 { Err(Error::last_os_error()) } else { Ok(result) }
}

/// Takes the next stopped call; blocks if there is none. `NotFound` if its thread has died meanwhile.
pub(super) fn receive(listener: BorrowedFd<'_>) -> Result<Notification> {
    // The kernel writes as much as it knows: more room than today's 80 bytes, zeroed as it demands.
    let mut room = [0_u64; 64];
    // SAFETY: `room` is writable, aligned and larger than `struct seccomp_notif` of any kernel so far.
    check(unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, room.as_mut_ptr()) })?;
    // SAFETY: the kernel filled a `struct seccomp_notif` at the start of `room`, which is aligned for it.
    let notification = unsafe { &*room.as_ptr().cast::<libc::seccomp_notif>() };
    Ok(Notification {
        id: notification.id,
        tid: notification.pid as i32,
        number: notification.data.nr as u32,
        audit: notification.data.arch,
        arguments: notification.data.args,
    })
}

/// Answers a stopped call.
pub(super) fn answer(listener: BorrowedFd<'_>, id: u64, verdict: Verdict) {
    let (val, error, flags) = match verdict {
        Verdict::Continue => (0, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32),
        Verdict::Refuse(errno) => (0, -errno, 0),
        Verdict::Return(number) => (i64::from(number), 0, 0),
    };
    let reply = libc::seccomp_notif_resp { id, val, error, flags };
    // SAFETY: `reply` is a `struct seccomp_notif_resp` that outlives the call. A failure means that the
    // thread has died, and nobody waits for the answer.
    unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw const reply) };
}

/// Gives the process of a stopped call an open file; returns its number there (Linux 5.9 or newer).
pub(super) fn give(listener: BorrowedFd<'_>, id: u64, file: BorrowedFd<'_>) -> Result<i32> {
    let given = libc::seccomp_notif_addfd {
        id,
        flags: 0,
        srcfd: file.as_raw_fd() as u32,
        newfd: 0,
        newfd_flags: libc::O_CLOEXEC as u32,
    };
    // SAFETY: `given` is a `struct seccomp_notif_addfd` that outlives the call.
    check(unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ADDFD, &raw const given) })
}

/// Makes a file that lies nowhere but in memory.
pub(super) fn file_in_memory() -> Result<OwnedFd> {
    // SAFETY: the name ends in NUL; the result is a fresh descriptor nobody else owns.
    unsafe {
        let fd = check(libc::memfd_create(c"lineage".as_ptr(), libc::MFD_CLOEXEC))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// Tells whether the thread still waits in the call, so that what was read of it belongs to it.
pub(super) fn still_waits(listener: BorrowedFd<'_>, id: u64) -> bool {
    // SAFETY: the kernel reads eight bytes from `id`.
    unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw const id) == 0 }
}

/// Asks the kernel to run supervisor and stopped thread in turn on one processor (Linux 6.6 or newer).
pub(super) fn wake_in_turn(listener: BorrowedFd<'_>) {
    // SAFETY: the argument is a plain number (`SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`).
    unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS, 1 as c_ulong) };
}

/// What [`wait`] found for one descriptor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Readiness {
    pub(super) readable: bool,
    pub(super) hung_up: bool,
}

/// Waits until one of `descriptors` is readable or hung up, or `timeout_ms` have passed (-1: for ever).
pub(super) fn wait<const N: usize>(
    descriptors: [Option<BorrowedFd<'_>>; N],
    timeout_ms: i32,
) -> Result<[Readiness; N]> {
    let mut polls = descriptors.map(|fd| libc::pollfd {
        fd: fd.map_or(-1, |fd| fd.as_raw_fd()),
        events: libc::POLLIN,
        revents: 0,
    });
    // SAFETY: `polls` is an array of N `struct pollfd`.
    let result = unsafe { libc::poll(polls.as_mut_ptr(), N as libc::nfds_t, timeout_ms) };
    match check(result) {
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok([Readiness::default(); N]),
        Err(error) => Err(error),
        Ok(_) => Ok(polls.map(|poll| Readiness {
            readable: poll.revents & libc::POLLIN != 0,
            hung_up: poll.revents & (libc::POLLHUP | libc::POLLERR) != 0,
        })),
    }
}

/// Reads another thread's memory at `address` until the room is full or the memory ends; at least one byte.
pub(super) fn read_memory(tid: i32, address: u64, room: &mut [u8]) -> Result<usize> {
    const PAGE: usize = 4096;
    let mut pieces = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; 20];
    let (mut start, mut left, mut count) = (address as usize, room.len(), 0);
    // One piece per page: the kernel stops at the first page that cannot be read and returns those before.
    while left > 0 && count < pieces.len() {
        let size = left.min(PAGE - start % PAGE);
        pieces[count] = libc::iovec { iov_base: start as *mut c_void, iov_len: size };
        (start, left, count) = (start.wrapping_add(size), left - size, count + 1);
    }
    let local = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
    // SAFETY: `local` is `room`, which is writable; the remote addresses are checked by the kernel.
    let read =
        unsafe { libc::process_vm_readv(tid, &raw const local, 1, pieces.as_ptr(), count as c_ulong, 0) };
    match usize::try_from(read) {
        Ok(0) => Err(Error::from(ErrorKind::UnexpectedEof)),
        Ok(read) => Ok(read),
        Err(_) => Err(Error::last_os_error()),
    }
}

/// Lets all other threads of the machine go before the calling one, on the processor and on the disk.
pub(super) fn let_others_go_first() {
    const LAST: c_int = 19;
    const THREAD: c_int = 1;
    const WHEN_IDLE: c_int = 3 << 13;
    // SAFETY: plain numbers; for Linux, a thread has a priority of its own. `ioprio_set(2)` has no name in the library of C.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, LAST);
        libc::syscall(libc::SYS_ioprio_set, THREAD, 0, WHEN_IDLE);
    }
}

/// Returns the last ticks of the kernel's clocks, in nanoseconds: of the one that stamps files, and of one that nobody sets.
pub(super) fn ticks() -> (i64, i64) {
    let tick = |clock| {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is writable. Both clocks are there since Linux 2.6.32.
        unsafe { libc::clock_gettime(clock, &raw mut time) };
        time.tv_sec * 1_000_000_000 + time.tv_nsec
    };
    (tick(libc::CLOCK_REALTIME_COARSE), tick(libc::CLOCK_MONOTONIC_COARSE))
}

/// The folder that relative paths start from when no descriptor is given.
pub(super) fn here() -> BorrowedFd<'static> {
    // SAFETY: `AT_FDCWD` is no descriptor that could be closed.
    unsafe { BorrowedFd::borrow_raw(libc::AT_FDCWD) }
}

/// Returns a standard stream of this process, which may have been closed.
pub(super) fn own_stream(descriptor: RawFd) -> Option<BorrowedFd<'static>> {
    // SAFETY: what these numbers stand for is asked about and nothing else, and whoever finds nothing there gets an error.
    (0..=2).contains(&descriptor).then(|| unsafe { BorrowedFd::borrow_raw(descriptor) })
}

/// Looks at `path` below `folder`; an empty path is `folder` itself.
pub(super) fn look(folder: BorrowedFd<'_>, path: &CStr, follows: bool) -> Result<Look> {
    const STATX_MNT_ID: u32 = 0x1000;
    let follow_flag = if follows { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
    let flags = libc::AT_EMPTY_PATH | libc::AT_NO_AUTOMOUNT | follow_flag;
    let mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME | STATX_MNT_ID;
    // SAFETY: all-zero is a valid `struct statx`.
    let mut found: libc::statx = unsafe { zeroed() };
    // SAFETY: `path` ends in NUL and `found` is a writable `struct statx`.
    check(unsafe { libc::statx(folder.as_raw_fd(), path.as_ptr(), flags, mask, &raw mut found) })?;
    let time = |t: &libc::statx_timestamp| t.tv_sec.saturating_mul(1_000_000_000) + i64::from(t.tv_nsec);
    Ok(Look {
        dev: device(u64::from(found.stx_dev_major), u64::from(found.stx_dev_minor)),
        ino: found.stx_ino,
        size: found.stx_size,
        mtime_ns: time(&found.stx_mtime),
        ctime_ns: time(&found.stx_ctime),
        birth_ns: time(&found.stx_btime),
        links: found.stx_nlink,
        mode: u32::from(found.stx_mode),
        uid: found.stx_uid,
        mount: found.stx_mnt_id,
    })
}

/// Opens `path` below `folder` with `flags` (`O_CLOEXEC` is added).
pub(super) fn open(folder: BorrowedFd<'_>, path: &CStr, flags: i32) -> Result<OwnedFd> {
    // SAFETY: `path` ends in NUL; the result is a fresh descriptor nobody else owns.
    unsafe {
        let fd = check(libc::openat(folder.as_raw_fd(), path.as_ptr(), flags | libc::O_CLOEXEC))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// Opens `path` as a mere place, as a process sees it whose root is `root` (Linux 5.6 or newer).
pub(super) fn open_in_root(root: BorrowedFd<'_>, path: &CStr, follows: bool) -> Result<OwnedFd> {
    let follow_flag = if follows { 0 } else { libc::O_NOFOLLOW };
    // SAFETY: all-zero is a valid `struct open_how`.
    let mut how: libc::open_how = unsafe { zeroed() };
    how.flags = (libc::O_PATH | libc::O_CLOEXEC | follow_flag) as u64;
    how.resolve = libc::RESOLVE_IN_ROOT;
    // SAFETY: `path` ends in NUL, `how` is a `struct open_how` of the given size; the result is fresh.
    unsafe {
        let (root, size) = (root.as_raw_fd(), size_of::<libc::open_how>());
        let fd = check_long(libc::syscall(libc::SYS_openat2, root, path.as_ptr(), &raw const how, size))?;
        Ok(OwnedFd::from_raw_fd(fd as RawFd))
    }
}

/// Longest handle of a file, in bytes, without its two leading words (`MAX_HANDLE_SZ`).
pub(super) const HANDLE_MAX: usize = 128;

/// Opens a file by the handle that `open_by_handle_at` would use; needs the privilege that call needs.
pub(super) fn open_handle(mount: BorrowedFd<'_>, handle: &mut [u8; 8 + HANDLE_MAX]) -> Result<OwnedFd> {
    // SAFETY: the kernel reads a `struct file_handle`: two words and as many bytes as the first one says, of
    // which it takes `HANDLE_MAX` at most. The result is fresh.
    unsafe {
        let number = libc::SYS_open_by_handle_at;
        let fd =
            libc::syscall(number, mount.as_raw_fd(), handle.as_mut_ptr(), libc::O_PATH | libc::O_CLOEXEC);
        Ok(OwnedFd::from_raw_fd(check_long(fd)? as RawFd))
    }
}

/// Reads the target of the link `path` below `folder`.
pub(super) fn read_link(folder: BorrowedFd<'_>, path: &CStr) -> Result<Vec<u8>> {
    let mut room = [0_u8; 4096];
    // SAFETY: `room` is writable for its length; `path` ends in NUL.
    let read =
        unsafe { libc::readlinkat(folder.as_raw_fd(), path.as_ptr(), room.as_mut_ptr().cast(), room.len()) };
    let read = usize::try_from(read).map_err(|_| Error::last_os_error())?;
    // Paths are kept for each process of a run: they take no more than they need.
    Ok(room[..read].to_vec())
}

/// Tells whether this program's effective user may read (4), write (2) or execute (1) the file.
pub(super) fn may(folder: BorrowedFd<'_>, path: &CStr, mode: i32) -> bool {
    // SAFETY: `path` ends in NUL.
    unsafe { libc::faccessat(folder.as_raw_fd(), path.as_ptr(), mode, libc::AT_EACCESS) == 0 }
}

/// Tells whether the file has capabilities of its own (`security.capability`), which `no_new_privs` takes away.
pub(super) fn has_capabilities(path: &CStr) -> bool {
    let name = c"security.capability";
    // SAFETY: both strings end in NUL; a size of zero only asks for the length.
    unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), std::ptr::null_mut(), 0) > 0 }
}

/// Returns the kind of file system that `fd` lies on (the `*_MAGIC` of `statfs(2)`), 0 if unknown.
pub(super) fn file_system(fd: BorrowedFd<'_>) -> u32 {
    // SAFETY: all-zero is a valid `struct statfs`, and it is writable.
    unsafe {
        let mut found: libc::statfs = zeroed();
        if libc::fstatfs(fd.as_raw_fd(), &raw mut found) == 0 { found.f_type as u32 } else { 0 }
    }
}

/// Returns the effective user.
pub(super) fn user() -> u32 {
    // SAFETY: `geteuid` has no arguments and cannot fail.
    unsafe { libc::geteuid() }
}

/// Returns process and parent of a thread from the kernel itself, without a text to be read (Linux 6.13 or newer).
pub(super) fn kinship(tid: i32) -> Option<(i32, i32)> {
    const PIDFD_THREAD: i32 = libc::O_EXCL;
    const WANTS_PIDS: u64 = 1;
    /// `struct pidfd_info` of its first version, 64 bytes long.
    #[repr(C)]
    struct Information {
        mask: u64,
        cgroup: u64,
        pid: u32,
        tgid: u32,
        ppid: u32,
        users: [u32; 9],
    }
    // `_IOWR(0xff, 11, struct pidfd_info)`
    const GET_INFORMATION: u32 = 0xc000_ff0b | ((size_of::<Information>() as u32) << 16);
    // SAFETY: the descriptor is fresh and closed when dropped; `information` is as large as its number says.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, tid, PIDFD_THREAD);
        let fd = OwnedFd::from_raw_fd(check_long(fd).ok()? as RawFd);
        let mut information: Information = zeroed();
        information.mask = WANTS_PIDS;
        let got = libc::ioctl(fd.as_raw_fd(), GET_INFORMATION as _, &raw mut information);
        (got == 0 && information.mask & WANTS_PIDS != 0 && information.tgid != 0)
            .then_some((information.tgid as i32, information.ppid as i32))
    }
}

/// Tells whether two threads or processes have the same opening of a file under this number, if the kernel says so (`kcmp(2)`;
/// containers may forbid it).
pub(super) fn have_in_common(descriptor: RawFd, one: i32, other: i32) -> bool {
    const FILE: c_int = 0;
    // SAFETY: plain numbers.
    unsafe { libc::syscall(libc::SYS_kcmp, one, other, FILE, descriptor, descriptor) == 0 }
}

/// Tells whether an open file of this process can be read and written.
pub(super) fn modes(descriptor: BorrowedFd<'_>) -> Result<(bool, bool)> {
    // SAFETY: the call has no further argument.
    let flags = check(unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_GETFL) })?;
    Ok(match flags & libc::O_ACCMODE {
        _ if flags & libc::O_PATH != 0 => (false, false),
        libc::O_RDONLY => (true, false),
        libc::O_WRONLY => (false, true),
        libc::O_RDWR => (true, true),
        _ => (false, false),
    })
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Code(i32),
    Signal { number: i32, dumped_core: bool },
}

/// Waits for our child `pid` without reaping it.
fn wait_for_end(pid: i32) -> Result<End> {
    // SAFETY: all-zero is a valid `siginfo_t`, which the kernel fills.
    unsafe {
        let mut info: libc::siginfo_t = zeroed();
        let options = libc::WEXITED | libc::WNOWAIT;
        while libc::waitid(libc::P_PID, pid as libc::id_t, &raw mut info, options) < 0 {
            let error = Error::last_os_error();
            if error.kind() != ErrorKind::Interrupted {
                return Err(error);
            }
        }
        Ok(match info.si_code {
            libc::CLD_EXITED => End::Code(info.si_status()),
            code => End::Signal { number: info.si_status(), dumped_core: code == libc::CLD_DUMPED },
        })
    }
}

/// Tells whether any child of this process has ended and waits to be reaped.
pub(super) fn has_ended_children() -> bool {
    // SAFETY: all-zero is a valid `siginfo_t`; nothing is reaped.
    unsafe {
        let mut info: libc::siginfo_t = zeroed();
        let options = libc::WEXITED | libc::WNOWAIT | libc::WNOHANG;
        libc::waitid(libc::P_ALL, 0, &raw mut info, options) == 0 && info.si_pid() != 0
    }
}

/// Reaps `pid` if it is a child of ours that has ended.
pub(super) fn reap(pid: i32) -> bool {
    // SAFETY: a null status is allowed.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) == pid }
}

fn errno() -> u32 {
    Error::last_os_error().raw_os_error().unwrap_or(0) as u32
}
