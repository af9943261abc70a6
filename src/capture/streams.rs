//! The standard streams of this process: the files that they lead to, and standard output, lent to another purpose for a while.

#![expect(
    unsafe_code,
    reason = "the standard library cannot lead a standard stream elsewhere, nor ask how it was opened"
)]

use std::path::PathBuf;

/// A standard stream of this process that leads to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnStream {
    /// 0 is standard input, 1 output, 2 error.
    pub number: u8,
    /// The file.
    pub path: PathBuf,
    /// It can be read.
    pub reads: bool,
    /// It can be written.
    pub writes: bool,
    /// Whatever is written comes to the end.
    pub appends: bool,
    /// Where in the file it stands, in bytes.
    pub at_bytes: u64,
    /// How large the file is, in bytes.
    pub size_bytes: u64,
    /// The stream before it that goes through the same opening of the file.
    pub same_as: Option<u8>,
}

/// Lists the standard streams of this process that lead to files which have a name; `None` where the system does not say what is
/// open.
pub fn own_streams() -> Option<Vec<OwnStream>> {
    std::fs::metadata("/proc/self/fd").ok()?;
    let mut found: Vec<OwnStream> = Vec::new();
    for number in 0..3 {
        if let Some(mut stream) = own_stream(number) {
            let before = found.iter().filter(|before| before.same_as.is_none());
            stream.same_as =
                before.filter(|before| is_same_opening(before, &stream)).map(|b| b.number).next();
            found.push(stream);
        }
    }
    Some(found)
}

fn own_stream(number: u8) -> Option<OwnStream> {
    use std::os::unix::fs::MetadataExt as _;
    let link = format!("/proc/self/fd/{number}");
    let file = std::fs::metadata(&link).ok().filter(|file| file.is_file() && file.nlink() > 0)?;
    let path = std::fs::read_link(&link).ok()?;
    // SAFETY: both only ask, with plain numbers.
    let (flags, at) = unsafe {
        let descriptor = libc::c_int::from(number);
        (libc::fcntl(descriptor, libc::F_GETFL), libc::lseek(descriptor, 0, libc::SEEK_CUR))
    };
    let mode = flags & libc::O_ACCMODE;
    (flags >= 0).then(|| OwnStream {
        number,
        path,
        reads: mode != libc::O_WRONLY,
        writes: mode != libc::O_RDONLY,
        appends: flags & libc::O_APPEND != 0,
        at_bytes: u64::try_from(at).unwrap_or(0),
        size_bytes: file.len(),
        same_as: None,
    })
}

/// Tells whether two streams go through one opening; where the system does not say, those that look the same mostly do.
fn is_same_opening(one: &OwnStream, other: &OwnStream) -> bool {
    let of = |stream: &OwnStream| (stream.path.clone(), stream.reads, stream.writes, stream.at_bytes);
    if of(one) != of(other) || one.appends != other.appends {
        return false;
    }
    #[cfg(target_os = "linux")]
    {
        const FILE: libc::c_int = 0;
        let own = libc::pid_t::try_from(std::process::id()).unwrap_or(0);
        let numbers = [one.number, other.number].map(libc::c_ulong::from);
        // SAFETY: plain numbers.
        let order = unsafe { libc::syscall(libc::SYS_kcmp, own, own, FILE, numbers[0], numbers[1]) };
        if order >= 0 {
            return order == 0;
        }
    }
    true
}

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
