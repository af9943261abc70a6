//! The command's stops: where it is stopped by the terminal, so is this process, as if the command stood in its place.

use std::ffi::c_int;
use std::io::Result;
use std::mem::zeroed;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use super::check;
use super::signals::{Forwarded, STOPS_OF_TERMINALS};

static EVENTS: AtomicI32 = AtomicI32::new(-1);

extern "C" fn tell(_: c_int) {
    let one = 1_u64;
    // SAFETY: eight bytes of this function's own; `write` may be called in a signal's action.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        libc::write(EVENTS.load(Ordering::SeqCst), (&raw const one).cast(), size_of::<u64>());
        *errno = before;
    }
}

/// While one of these lives, it is readable when a child of this process has stopped or ended; and what stops a job does not
/// stop this process before it has stopped the command, which may do without, or put its terminal in order first.
pub(in super::super) struct Stops {
    events: OwnedFd,
    before: libc::sigaction,
    _forwarded: Forwarded<{ STOPS_OF_TERMINALS.len() }>,
}

impl Stops {
    pub(in super::super) fn watch() -> Result<Stops> {
        // SAFETY: the descriptor is fresh; all-zero is a valid `struct sigaction`, and `tell` may be a signal's action.
        unsafe {
            let events = check(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK))?;
            let events = OwnedFd::from_raw_fd(events);
            EVENTS.store(events.as_raw_fd(), Ordering::SeqCst);
            let (mut action, mut before): (libc::sigaction, libc::sigaction) = (zeroed(), zeroed());
            let function: extern "C" fn(c_int) = tell;
            action.sa_sigaction = function as *const () as usize;
            action.sa_flags = libc::SA_RESTART;
            check(libc::sigaction(libc::SIGCHLD, &raw const action, &raw mut before))?;
            Ok(Stops { events, before, _forwarded: Forwarded::begin(STOPS_OF_TERMINALS) })
        }
    }

    pub(in super::super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }

    /// Stops this process if the terminal has stopped `command`, a child of ours; when this process goes on, so does `command`.
    /// What is stopped by `SIGSTOP` is meant alone, and may be let go on alone.
    pub(in super::super) fn follow(&self, command: i32) {
        let mut events = 0_u64;
        // SAFETY: eight bytes of this function's own, which does not wait for them.
        unsafe { libc::read(self.events.as_raw_fd(), (&raw mut events).cast(), size_of::<u64>()) };
        let Some(signal) = change(command, libc::WSTOPPED).filter(|by| STOPS_OF_TERMINALS.contains(by))
        else {
            return;
        };
        // SAFETY: all-zero is a valid `struct sigaction` and stands for the default; what was there is put back.
        unsafe {
            let (default, mut before): (libc::sigaction, libc::sigaction) = (zeroed(), zeroed());
            libc::sigaction(signal, &raw const default, &raw mut before);
            libc::raise(signal);
            libc::sigaction(signal, &raw const before, std::ptr::null_mut());
        }
        // A shell lets the whole job go on, and has reached it; anybody else may have meant it by this process.
        if change(command, libc::WCONTINUED).is_none() {
            // SAFETY: plain numbers; it is a child of ours that was not reaped.
            unsafe { libc::kill(command, libc::SIGCONT) };
        }
    }
}

/// Takes a change of our child's state that nobody has asked for yet: the signal that brought it.
fn change(child: i32, of: c_int) -> Option<c_int> {
    // SAFETY: all-zero is a valid `siginfo_t`, which the kernel fills if there is a change.
    unsafe {
        let mut info: libc::siginfo_t = zeroed();
        let asked = libc::waitid(libc::P_PID, child as libc::id_t, &raw mut info, of | libc::WNOHANG);
        (asked == 0 && info.si_pid() == child).then(|| info.si_status())
    }
}

impl Drop for Stops {
    fn drop(&mut self) {
        // SAFETY: `before` is what `sigaction` returned for this signal.
        unsafe { libc::sigaction(libc::SIGCHLD, &raw const self.before, std::ptr::null_mut()) };
        EVENTS.store(-1, Ordering::SeqCst);
    }
}
