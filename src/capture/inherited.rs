//! What this process was started with and has changed for itself: what it starts shall find it as it was.
//!
//! Rust's runtime opens `/dev/null` where a standard stream is closed, and ignores `SIGPIPE`, before the first line of a program
//! runs; so it is looked at before that, by a constructor.

#![expect(
    unsafe_code,
    reason = "what a process was started with can be seen and given back by system calls alone"
)]

use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// The standard streams that were closed, one bit each.
static CLOSED: AtomicU8 = AtomicU8::new(0);
static PIPE_IGNORED: AtomicBool = AtomicBool::new(false);
static FILE_SIZE_IGNORED: AtomicBool = AtomicBool::new(false);
static CHILD_IGNORED: AtomicBool = AtomicBool::new(false);

#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    for stream in 0..3 {
        // SAFETY: it only asks.
        if unsafe { libc::fcntl(stream, libc::F_GETFD) } < 0 {
            CLOSED.fetch_or(1 << stream, Ordering::Relaxed);
        }
    }
    PIPE_IGNORED.store(is_ignored(libc::SIGPIPE), Ordering::Relaxed);
    FILE_SIZE_IGNORED.store(is_ignored(libc::SIGXFSZ), Ordering::Relaxed);
    CHILD_IGNORED.store(is_ignored(libc::SIGCHLD), Ordering::Relaxed);
}

fn is_ignored(signal: libc::c_int) -> bool {
    // SAFETY: all-zero is a valid `struct sigaction`; a null action only asks.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut action);
        action.sa_sigaction == libc::SIG_IGN
    }
}

/// Lets a file that may not become longer be an error of writing it, and not the end of this process.
pub fn outlive_file_size_limit() {
    // SAFETY: plain numbers.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Lets this process learn how its children end, also where whoever started it ignores the ends of its own, which is inherited.
pub fn hear_of_children() {
    // SAFETY: plain numbers.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

/// Gives the process what this one was started with: signals that end it, and standard streams that are closed. To be called by
/// a process that is about to become another program.
///
/// # Safety
/// Nothing in the process may hold a standard stream any more.
pub(in crate::capture) unsafe fn give_back() {
    let disposition = |ignored: &AtomicBool| {
        if ignored.load(Ordering::Relaxed) { libc::SIG_IGN } else { libc::SIG_DFL }
    };
    // SAFETY: plain numbers; what is closed is nobody's, as the caller says.
    unsafe {
        libc::signal(libc::SIGPIPE, disposition(&PIPE_IGNORED));
        libc::signal(libc::SIGXFSZ, disposition(&FILE_SIZE_IGNORED));
        libc::signal(libc::SIGCHLD, disposition(&CHILD_IGNORED));
        for stream in 0..3 {
            if CLOSED.load(Ordering::Relaxed) & (1 << stream) != 0 && is_null_device(stream) {
                libc::close(stream);
            }
        }
    }
}

/// Lets `command` start as this process was started.
pub fn give_back_to(command: &mut Command) {
    let give_back = || {
        // SAFETY: between fork and exec, the process has nothing but what it starts with.
        unsafe { give_back() };
        Ok(())
    };
    // SAFETY: plain system calls, which are safe between fork and exec.
    unsafe { command.pre_exec(give_back) };
}

/// Returns true where a stream is still what the runtime has put there.
fn is_null_device(stream: libc::c_int) -> bool {
    // SAFETY: all-zero is a valid `struct stat`, and it is writable.
    unsafe {
        let mut found: libc::stat = std::mem::zeroed();
        libc::fstat(stream, &raw mut found) == 0
            && found.st_mode & libc::S_IFMT == libc::S_IFCHR
            && found.st_rdev == libc::makedev(1, 3)
    }
}

/// A main thread with less room than this may not do.
const STACK_MIN_BYTES: libc::rlim_t = 1 << 20;

/// Returns true where the main thread may not grow as much as this program needs.
pub fn stack_is_small() -> bool {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: it only asks, and `limit` is writable.
    let asked = unsafe { libc::getrlimit(libc::RLIMIT_STACK, &raw mut limit) };
    asked == 0 && limit.rlim_cur < STACK_MIN_BYTES
}
