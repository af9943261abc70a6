//! What the whole process does differently while a command runs: signals and orphans.

use std::ffi::{c_int, c_void};
use std::mem::zeroed;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

static OBSERVERS: AtomicUsize = AtomicUsize::new(0);

/// While one of these lives, orphans of the command become children of this process instead of init's.
///
/// Only so may it still read their memory where ptrace is limited to descendants (Yama).
pub(in super::super) struct Adoption(());

impl Adoption {
    pub(in super::super) fn begin() -> Adoption {
        if OBSERVERS.fetch_add(1, Ordering::SeqCst) == 0 {
            // SAFETY: plain numbers.
            unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
        }
        Adoption(())
    }
}

impl Drop for Adoption {
    fn drop(&mut self) {
        if OBSERVERS.fetch_sub(1, Ordering::SeqCst) == 1 {
            // SAFETY: plain numbers.
            unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) };
        }
    }
}

/// Signals that somebody may send to the supervisor and means for the command.
pub(super) const FORWARDED: [c_int; 6] =
    [libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2];

/// The signals by which a terminal stops a job; somebody may send these to the supervisor, too.
pub(super) const STOPS_OF_TERMINALS: [c_int; 3] = [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

static COMMAND: AtomicI32 = AtomicI32::new(0);

extern "C" fn forward(signal: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel hands over a valid `siginfo_t`; `kill` may be called in a signal's action.
    unsafe {
        // What the terminal sends reaches the whole foreground group, so the command has it already.
        if (*info).si_code <= 0 {
            let errno = libc::__errno_location();
            let (before, command) = (*errno, COMMAND.load(Ordering::SeqCst));
            if command > 0 {
                libc::kill(command, signal);
            }
            *errno = before;
        }
    }
}

/// While one of these lives, signals meant for the command reach it and do not end this process.
pub(in super::super) struct Forwarding {
    _forwarded: Forwarded<{ FORWARDED.len() }>,
}

impl Forwarding {
    pub(in super::super) fn begin() -> Forwarding {
        Forwarding { _forwarded: Forwarded::begin(FORWARDED) }
    }

    /// Names the process that gets the signals.
    pub(in super::super) fn aim(&self, pid: i32) {
        COMMAND.store(pid, Ordering::SeqCst);
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        COMMAND.store(0, Ordering::SeqCst);
    }
}

/// Signals that are handed on as long as this lives, and what they did before; `None` for those that were ignored, and still are.
pub(super) struct Forwarded<const N: usize>([(c_int, Option<libc::sigaction>); N]);

impl<const N: usize> Forwarded<N> {
    pub(super) fn begin(signals: [c_int; N]) -> Forwarded<N> {
        Forwarded(signals.map(|signal| {
            // SAFETY: all-zero is a valid `struct sigaction`; `forward` has the signature SA_SIGINFO asks for.
            unsafe {
                let mut before: libc::sigaction = zeroed();
                libc::sigaction(signal, std::ptr::null(), &raw mut before);
                if before.sa_sigaction == libc::SIG_IGN {
                    return (signal, None);
                }
                let mut action: libc::sigaction = zeroed();
                let function: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = forward;
                action.sa_sigaction = function as *const () as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
                libc::sigaction(signal, &raw const action, std::ptr::null_mut());
                (signal, Some(before))
            }
        }))
    }
}

impl<const N: usize> Drop for Forwarded<N> {
    fn drop(&mut self) {
        for (signal, before) in &self.0 {
            if let Some(before) = before {
                // SAFETY: `before` is what `sigaction` returned for this signal.
                unsafe { libc::sigaction(*signal, before, std::ptr::null_mut()) };
            }
        }
    }
}

/// Takes a caught signal back to its default; one that was ignored stays ignored.
pub(super) unsafe fn restore_default(signal: c_int) {
    // SAFETY: `sigaction` with a null pointer only asks; the structure is writable.
    unsafe {
        let mut action: libc::sigaction = zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut action);
        if action.sa_sigaction != libc::SIG_IGN {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}
