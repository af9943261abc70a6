//! Ending this process as the command it ran for ended.

#![expect(unsafe_code, reason = "the standard library cannot end a process by a signal")]

/// Ends this process by `signal`, as the command was ended, so that whoever started it sees the same; leaves no core dump of
/// its own. Returns only where the signal does not end a process.
pub fn die_of(signal: i32) {
    // SAFETY: plain system calls on this process with valid arguments; `no_core` outlives the call it is passed to, and the
    // default action is put back before the signal is raised.
    unsafe {
        let no_core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::setrlimit(libc::RLIMIT_CORE, &no_core);
        libc::signal(signal, libc::SIG_DFL);
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, signal);
        libc::sigprocmask(libc::SIG_UNBLOCK, &set, std::ptr::null_mut());
        libc::raise(signal);
    }
}
