//! The standard output of this process, lent to another purpose for a while.

#![expect(unsafe_code, reason = "the standard library cannot lead a standard stream elsewhere")]

/// Standard output leads to where standard error leads, until this is dropped.
pub struct OutputDiverted {
    kept: Option<std::os::fd::OwnedFd>,
}

/// Lets what is written to standard output, also by programs that are started, go to standard error, so that the answer can have
/// standard output for itself. Where that cannot be done, nothing is changed.
pub fn divert_output() -> OutputDiverted {
    use std::os::fd::{FromRawFd as _, OwnedFd};
    // SAFETY: plain system calls on this process's own standard streams; what `fcntl` returns, if it is no error, is a new
    // descriptor that nobody else owns.
    let kept = unsafe {
        let copy = libc::fcntl(1, libc::F_DUPFD_CLOEXEC, 3);
        (copy >= 0).then(|| OwnedFd::from_raw_fd(copy))
    };
    if kept.is_some() {
        // SAFETY: both descriptors are this process's own standard streams.
        unsafe { libc::dup2(2, 1) };
    }
    OutputDiverted { kept }
}

impl Drop for OutputDiverted {
    fn drop(&mut self) {
        use std::os::fd::AsRawFd as _;
        if let Some(kept) = &self.kept {
            // SAFETY: `kept` is an open descriptor that this value owns.
            unsafe { libc::dup2(kept.as_raw_fd(), 1) };
        }
    }
}
