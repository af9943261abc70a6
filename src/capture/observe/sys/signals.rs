//! What the whole process does differently while commands run: signals and orphans. Several commands may run at once.

use std::ffi::{c_int, c_void};
use std::mem::zeroed;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

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

/// As many commands may get signals at once. The number is fixed: an action may neither allocate nor wait for a lock.
pub(super) const PLACES: usize = 32;

const FREE: i32 = 0;
/// A place that is taken, and whose command does not run (yet, or any more).
const NOBODY: i32 = -1;

/// The processes that get signals; [`FREE`] and [`NOBODY`] are none.
static COMMANDS: [AtomicI32; PLACES] = [const { AtomicI32::new(FREE) }; PLACES];

extern "C" fn forward(signal: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel hands over a valid `siginfo_t`; the calls may be made in a signal's action.
    unsafe {
        // What the terminal sends reaches the whole foreground group, so the commands have it already. But that it has gone away, it
        // says to the leader of its session alone, which the command would be without us, and it wakes that.
        let has_hung_up = signal == libc::SIGHUP && libc::getsid(0) == libc::getpid();
        if (*info).si_code <= 0 || has_hung_up {
            let errno = libc::__errno_location();
            let before = *errno;
            for command in COMMANDS.iter().map(|place| place.load(Ordering::SeqCst)).filter(|pid| *pid > 0) {
                libc::kill(command, signal);
                if (*info).si_code > 0 {
                    libc::kill(command, libc::SIGCONT);
                }
            }
            *errno = before;
        }
    }
}

static FORWARDING: Acted<{ FORWARDED.len() }> = Acted::new(FORWARDED, forward).but_for_ignored();
pub(super) static FORWARDING_STOPS: Acted<{ STOPS_OF_TERMINALS.len() }> =
    Acted::new(STOPS_OF_TERMINALS, forward).but_for_ignored();

/// While one of these lives, no signal reaches this thread: a process that it forks gets none before it acts on them as it should.
pub(in super::super) struct Blocked {
    before: libc::sigset_t,
}

impl Blocked {
    pub(in super::super) fn all() -> Blocked {
        // SAFETY: all-zero is a valid signal set, and both are this function's own.
        unsafe {
            let (mut all, mut before) = (zeroed(), zeroed());
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
            Blocked { before }
        }
    }

    /// Returns what was blocked before.
    pub(super) fn before(&self) -> &libc::sigset_t {
        &self.before
    }

    /// Takes those signals that are meant for the command and have come since, whoever sent them.
    pub(in super::super) fn take(&self) -> Vec<c_int> {
        // SAFETY: all-zero is a valid signal set and a valid time, and both are this function's own; nothing is waited for.
        unsafe {
            let mut wanted = zeroed();
            libc::sigemptyset(&raw mut wanted);
            for signal in FORWARDED {
                libc::sigaddset(&raw mut wanted, signal);
            }
            let no_time = zeroed();
            let next = || libc::sigtimedwait(&raw const wanted, null_mut(), &raw const no_time);
            std::iter::from_fn(|| Some(next()).filter(|signal| *signal > 0)).collect()
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the set was filled by the kernel.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, null_mut()) };
    }
}

/// While one of these lives, signals meant for the command reach it and do not end this process.
pub(in super::super) struct Forwarding {
    command: &'static AtomicI32,
    _held: Held<{ FORWARDED.len() }>,
}

impl Forwarding {
    /// Begins, for nobody yet; `None` where there are too many already.
    pub(in super::super) fn begin() -> Option<Forwarding> {
        let take = |place: &&AtomicI32| {
            place.compare_exchange(FREE, NOBODY, Ordering::SeqCst, Ordering::SeqCst).is_ok()
        };
        let command = COMMANDS.iter().find(take)?;
        Some(Forwarding { command, _held: FORWARDING.hold() })
    }

    /// Names the process that gets the signals from now on.
    pub(in super::super) fn aim(&self, pid: i32) {
        self.command.store(pid, Ordering::SeqCst);
    }

    /// Hands a signal on that came before its process was there.
    pub(in super::super) fn hand_on(&self, signal: c_int) {
        let command = self.command.load(Ordering::SeqCst);
        if command > 0 {
            // SAFETY: plain numbers; the command was not waited for.
            unsafe { libc::kill(command, signal) };
        }
    }

    /// Lets nobody get them any more.
    pub(in super::super) fn aim_at_nobody(&self) {
        self.command.store(NOBODY, Ordering::SeqCst);
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        self.command.store(FREE, Ordering::SeqCst);
    }
}

/// What a process does when a signal reaches it.
pub(super) type Action = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

/// Signals that have an action of ours as long as anybody holds them: the first holder brings it, the last one puts back what
/// was there before.
pub(super) struct Acted<const N: usize> {
    signals: [c_int; N],
    action: Action,
    leaves_ignored: bool,
    held: Mutex<Holders<N>>,
}

struct Holders<const N: usize> {
    count: usize,
    /// What each signal did before; `None` for those that were left as they were.
    before: [Option<libc::sigaction>; N],
}

impl<const N: usize> Acted<N> {
    pub(super) const fn new(signals: [c_int; N], action: Action) -> Self {
        let held = Mutex::new(Holders { count: 0, before: [None; N] });
        Acted { signals, action, leaves_ignored: false, held }
    }

    /// Those that are ignored stay so.
    pub(super) const fn but_for_ignored(mut self) -> Self {
        self.leaves_ignored = true;
        self
    }

    pub(super) fn hold(&'static self) -> Held<N> {
        let mut holders = self.alone();
        if holders.count == 0 {
            holders.before = self.signals.map(|signal| self.bring(signal));
        }
        holders.count += 1;
        Held(self)
    }

    /// Keeps everybody else from changing what these signals do.
    fn alone(&self) -> MutexGuard<'_, Holders<N>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `act` while nobody else changes what these signals do.
    pub(super) fn while_alone(&self, act: impl FnOnce()) {
        let _alone = self.alone();
        act();
    }

    fn bring(&self, signal: c_int) -> Option<libc::sigaction> {
        // SAFETY: all-zero is a valid `struct sigaction`; a null action only asks, and the action has the signature that
        // SA_SIGINFO asks for.
        unsafe {
            let (mut action, mut before): (libc::sigaction, libc::sigaction) = (zeroed(), zeroed());
            libc::sigaction(signal, null(), &raw mut before);
            if self.leaves_ignored && before.sa_sigaction == libc::SIG_IGN {
                return None;
            }
            action.sa_sigaction = self.action as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
            libc::sigaction(signal, &raw const action, null_mut());
            Some(before)
        }
    }
}

/// Signals that somebody holds.
pub(super) struct Held<const N: usize>(&'static Acted<N>);

impl<const N: usize> Drop for Held<N> {
    fn drop(&mut self) {
        let mut holders = self.0.alone();
        holders.count -= 1;
        if holders.count > 0 {
            return;
        }
        for (signal, before) in self.0.signals.iter().zip(&mut holders.before) {
            if let Some(before) = before.take() {
                // SAFETY: `before` is what `sigaction` returned for this signal.
                unsafe { libc::sigaction(*signal, &raw const before, null_mut()) };
            }
        }
    }
}

/// Takes a caught signal back to its default; one that was ignored stays ignored.
pub(super) fn restore_default(signal: c_int) {
    // SAFETY: `sigaction` with a null pointer only asks; the structure is writable. Both may be called between fork and exec.
    unsafe {
        let mut action: libc::sigaction = zeroed();
        libc::sigaction(signal, null(), &raw mut action);
        if action.sa_sigaction != libc::SIG_IGN {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    extern "C" fn act(_: c_int, _: *mut libc::siginfo_t, _: *mut c_void) {}

    fn action_of(signal: c_int) -> usize {
        // SAFETY: a null action only asks; the structure is writable.
        unsafe {
            let mut found: libc::sigaction = zeroed();
            libc::sigaction(signal, null(), &raw mut found);
            found.sa_sigaction
        }
    }

    #[test]
    fn the_last_holder_puts_back_what_a_signal_did_before_the_first() {
        static WINDOW: Acted<1> = Acted::new([libc::SIGWINCH], act);
        let (before, ours) = (action_of(libc::SIGWINCH), act as *const () as usize);
        assert_ne!(before, ours);
        let (first, second) = (WINDOW.hold(), WINDOW.hold());
        assert_eq!(action_of(libc::SIGWINCH), ours);
        drop(first);
        assert_eq!(action_of(libc::SIGWINCH), ours);
        drop(second);
        assert_eq!(action_of(libc::SIGWINCH), before);
    }

    #[test]
    fn what_is_ignored_stays_ignored_where_that_is_asked_for() {
        static URGENT: Acted<1> = Acted::new([libc::SIGURG], act).but_for_ignored();
        // SAFETY: plain numbers; nobody else in this program uses the signal.
        unsafe { libc::signal(libc::SIGURG, libc::SIG_IGN) };
        let held = URGENT.hold();
        assert_eq!(action_of(libc::SIGURG), libc::SIG_IGN);
        drop(held);
        assert_eq!(action_of(libc::SIGURG), libc::SIG_IGN);
    }
}
