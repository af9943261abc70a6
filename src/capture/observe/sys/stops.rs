//! The command's stops: where it is stopped by the terminal, so is this process, as if the command stood in its place.

use std::ffi::{c_int, c_void};
use std::io::{Error, Result};
use std::mem::zeroed;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use super::check;
use super::signals::{Acted, FORWARDING_STOPS, Held, PLACES, STOPS_OF_TERMINALS};

/// A counter that is told of children, and whether somebody has it.
struct Events {
    is_taken: AtomicBool,
    /// Made when it is first taken, and never closed: an action that another thread runs may still be about to write to it.
    descriptor: AtomicI32,
}

const NO_DESCRIPTOR: i32 = -1;

static EVENTS: [Events; PLACES] =
    [const { Events { is_taken: AtomicBool::new(false), descriptor: AtomicI32::new(NO_DESCRIPTOR) } };
        PLACES];

impl Events {
    fn take() -> Result<&'static Events> {
        let events = EVENTS.iter().find(|events| !events.is_taken.swap(true, Ordering::SeqCst));
        let events = events.ok_or_else(|| Error::other("too many commands at once"))?;
        if events.descriptor.load(Ordering::SeqCst) == NO_DESCRIPTOR {
            // SAFETY: plain flags.
            match check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }) {
                Ok(made) => events.descriptor.store(made, Ordering::SeqCst),
                Err(error) => {
                    events.is_taken.store(false, Ordering::SeqCst);
                    return Err(error);
                }
            }
        }
        Ok(events)
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: whoever has taken it finds a descriptor here, which is never closed.
        unsafe { BorrowedFd::borrow_raw(self.descriptor.load(Ordering::SeqCst)) }
    }
}

extern "C" fn tell(_: c_int, _: *mut libc::siginfo_t, _: *mut c_void) {
    let one = 1_u64;
    // SAFETY: eight bytes of this function's own, for descriptors that are never closed; `write` may be called in a signal's
    // action.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        for events in &EVENTS {
            let descriptor = events.descriptor.load(Ordering::SeqCst);
            if descriptor == NO_DESCRIPTOR {
                continue;
            }
            libc::write(descriptor, (&raw const one).cast(), size_of::<u64>());
        }
        *errno = before;
    }
}

static TELLING: Acted<1> = Acted::new([libc::SIGCHLD], tell);

/// While one of these lives, it is readable when a child of this process has stopped or ended; and what stops a job does not
/// stop this process before it has stopped the command, which may do without, or put its terminal in order first.
pub(in super::super) struct Stops {
    events: &'static Events,
    _telling: Held<1>,
    _forwarding: Held<{ STOPS_OF_TERMINALS.len() }>,
}

impl Stops {
    pub(in super::super) fn watch() -> Result<Stops> {
        let events = Events::take()?;
        Ok(Stops { events, _telling: TELLING.hold(), _forwarding: FORWARDING_STOPS.hold() })
    }

    pub(in super::super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }

    /// Stops this process if the terminal has stopped `command`, a child of ours; when this process goes on, so does `command`.
    /// What is stopped by `SIGSTOP` is meant alone, and may be let go on alone.
    pub(in super::super) fn follow(&self, command: i32) {
        let mut events = 0_u64;
        // SAFETY: eight bytes of this function's own, which does not wait for them.
        unsafe { libc::read(self.as_fd().as_raw_fd(), (&raw mut events).cast(), size_of::<u64>()) };
        // Of several commands that are stopped together, one stops this process: that of the others is over when they look.
        FORWARDING_STOPS.while_alone(|| stop_with(command));
    }
}

impl Drop for Stops {
    fn drop(&mut self) {
        self.events.is_taken.store(false, Ordering::SeqCst);
    }
}

fn stop_with(command: i32) {
    let Some(signal) = change(command, libc::WSTOPPED).filter(|by| STOPS_OF_TERMINALS.contains(by)) else {
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

/// Takes a change of our child's state that nobody has asked for yet: the signal that brought it.
fn change(child: i32, of: c_int) -> Option<c_int> {
    // SAFETY: all-zero is a valid `siginfo_t`, which the kernel fills if there is a change.
    unsafe {
        let mut info: libc::siginfo_t = zeroed();
        let asked = libc::waitid(libc::P_PID, child as libc::id_t, &raw mut info, of | libc::WNOHANG);
        (asked == 0 && info.si_pid() == child).then(|| info.si_status())
    }
}
