//! The system calls that name files, by architecture: numbers, flags, and which of them are worth a stop.

/// A machine's calling convention as seccomp tells it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Abi {
    X64,
    /// 64-bit registers with 32-bit pointers, on x86_64; shares most numbers with [`Abi::X64`].
    X32,
    I386,
    Aarch64,
    /// 32-bit programs on aarch64.
    Arm,
}

/// The bit that tells an x32 call from an x86_64 call of the same architecture word.
pub(super) const X32_BIT: u32 = 0x4000_0000;

const AUDIT_X86_64: u32 = 0xc000_003e;
const AUDIT_I386: u32 = 0x4000_0003;
const AUDIT_AARCH64: u32 = 0xc000_00b7;
const AUDIT_ARM: u32 = 0x4000_0028;

impl Abi {
    /// Returns every convention that a kernel of this program's architecture can run.
    pub(super) fn native() -> &'static [Abi] {
        if cfg!(target_arch = "x86_64") {
            &[Abi::X64, Abi::X32, Abi::I386]
        } else if cfg!(target_arch = "aarch64") {
            &[Abi::Aarch64, Abi::Arm]
        } else {
            &[]
        }
    }

    /// Returns the architecture word of `struct seccomp_data` (`AUDIT_ARCH_*`).
    pub(super) fn audit(self) -> u32 {
        match self {
            Abi::X64 | Abi::X32 => AUDIT_X86_64,
            Abi::I386 => AUDIT_I386,
            Abi::Aarch64 => AUDIT_AARCH64,
            Abi::Arm => AUDIT_ARM,
        }
    }

    /// Returns the convention of a stopped call.
    pub(super) fn of(audit: u32, number: u32) -> Option<Abi> {
        match audit {
            AUDIT_X86_64 if number & X32_BIT != 0 => Some(Abi::X32),
            AUDIT_X86_64 => Some(Abi::X64),
            AUDIT_I386 => Some(Abi::I386),
            AUDIT_AARCH64 => Some(Abi::Aarch64),
            AUDIT_ARM => Some(Abi::Arm),
            _ => None,
        }
    }

    /// Returns the size of a pointer in memory, in bytes.
    pub(super) fn pointer_bytes(self) -> usize {
        match self {
            Abi::X64 | Abi::Aarch64 => 8,
            Abi::X32 | Abi::I386 | Abi::Arm => 4,
        }
    }

    fn is_arm(self) -> bool {
        matches!(self, Abi::Aarch64 | Abi::Arm)
    }

    /// `O_DIRECTORY`: the one open flag of ours that differs between x86 and ARM, with `O_NOFOLLOW`.
    pub(super) fn directory_flag(self) -> u32 {
        if self.is_arm() { 0o40_000 } else { 0o200_000 }
    }

    fn nofollow_flag(self) -> u32 {
        if self.is_arm() { 0o100_000 } else { 0o400_000 }
    }
}

/// `__O_TMPFILE` without the directory bit that always comes with it.
pub(super) const TMPFILE_FLAG: u32 = 0o20_000_000;
/// `O_PATH`.
pub(super) const PATH_FLAG: u32 = 0o10_000_000;
/// `AT_REMOVEDIR` of `unlinkat`.
pub(super) const REMOVE_DIRECTORY: u32 = 0x200;
/// `SECCOMP_FILTER_FLAG_NEW_LISTENER`.
pub(super) const NEW_LISTENER: u32 = 8;
/// `SYS_CONNECT` of `socketcall`.
pub(super) const SOCKETCALL_CONNECT: u32 = 3;

/// A call that is stopped. The arguments are those of the manual page of the call of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Open,
    OpenAt,
    OpenAt2,
    Creat,
    Truncate,
    /// `ftruncate`, of an open file.
    TruncateOpen,
    /// i386 and ARM only: the same with a length of two words.
    TruncateOpenWide,
    Rename,
    RenameAt,
    RenameAt2,
    Link,
    LinkAt,
    Symlink,
    SymlinkAt,
    Unlink,
    UnlinkAt,
    /// `utime`, `utimes`: the times of the file at a path.
    SetTimes,
    /// `utimensat`, `futimesat`: the same from a folder, or of an open file.
    SetTimesAt,
    Mknod,
    MknodAt,
    Exec,
    ExecAt,
    OpenByHandle,
    /// `chroot`, `pivot_root`, `unshare`, `setns`: what a path means may be another afterwards.
    View,
    /// `mount` and `move_mount`.
    Mount,
    Connect,
    Bind,
    /// `sendto`, to an address.
    SendTo,
    /// `shmat`: memory that processes share by a number.
    Attach,
    /// `mq_open`: a queue of messages.
    Queue,
    /// `msgget`: a queue of messages that has a key.
    KeyedQueue,
    /// i386 only: `shmat` and `msgget`, among others, behind a number.
    SharingSwitch,
    /// i386 only: `connect` behind a number and a pointer to its arguments.
    SocketSwitch,
    IoUring,
    /// A program that wants a seccomp listener of its own, which the kernel refuses while ours is there.
    Listener,
    ExitGroup,
}

/// Which calls of a number are stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Always,
    /// An open whose flags are this argument: not a folder's and not `O_PATH`, unless `O_TMPFILE`.
    OpenFlags(u8),
    /// Only when the argument has one of these bits.
    AnyBit(u8, u32),
    /// Only when the argument has none of these bits.
    NoBit(u8, u32),
    /// Only when the argument equals this.
    Equals(u8, u32),
}

/// One line of the table; 0 where an architecture lacks the call (no stopped call has number 0 anywhere).
struct Line(Call, Rule, [u32; 5]);

/// Columns: x86_64, x32, i386, aarch64, arm. Sources: the kernel's `syscall_64.tbl`, `syscall_32.tbl`,
/// `asm-generic/unistd.h` and `arch/arm/tools/syscall.tbl`.
const TABLE: &[Line] = &[
    Line(Call::OpenAt, Rule::OpenFlags(2), [257, 257, 295, 56, 322]),
    Line(Call::Open, Rule::OpenFlags(1), [2, 2, 5, 0, 5]),
    Line(Call::ExitGroup, Rule::Always, [231, 231, 252, 94, 248]),
    Line(Call::Exec, Rule::Always, [59, 520, 11, 221, 11]),
    Line(Call::Unlink, Rule::Always, [87, 87, 10, 0, 10]),
    Line(Call::UnlinkAt, Rule::NoBit(2, REMOVE_DIRECTORY), [263, 263, 301, 35, 328]),
    Line(Call::Rename, Rule::Always, [82, 82, 38, 0, 38]),
    Line(Call::RenameAt, Rule::Always, [264, 264, 302, 38, 329]),
    Line(Call::RenameAt2, Rule::Always, [316, 316, 353, 276, 382]),
    Line(Call::OpenAt2, Rule::Always, [437, 437, 437, 437, 437]),
    Line(Call::Creat, Rule::Always, [85, 85, 8, 0, 8]),
    Line(Call::Truncate, Rule::Always, [76, 76, 92, 45, 92]),
    Line(Call::Truncate, Rule::Always, [0, 0, 193, 0, 193]),
    // Of an open file only what leaves nothing of it: else it is as it was said when it was opened.
    Line(Call::TruncateOpen, Rule::Equals(1, 0), [77, 77, 93, 46, 93]),
    Line(Call::TruncateOpenWide, Rule::Equals(1, 0), [0, 0, 194, 0, 0]),
    Line(Call::TruncateOpenWide, Rule::Equals(2, 0), [0, 0, 0, 0, 194]),
    Line(Call::Link, Rule::Always, [86, 86, 9, 0, 9]),
    Line(Call::LinkAt, Rule::Always, [265, 265, 303, 37, 330]),
    Line(Call::Symlink, Rule::Always, [88, 88, 83, 0, 83]),
    Line(Call::SymlinkAt, Rule::Always, [266, 266, 304, 36, 331]),
    Line(Call::SetTimesAt, Rule::Always, [280, 280, 320, 88, 348]),
    Line(Call::SetTimesAt, Rule::Always, [0, 0, 412, 0, 412]),
    Line(Call::SetTimesAt, Rule::Always, [261, 261, 299, 0, 326]),
    Line(Call::SetTimes, Rule::Always, [235, 235, 271, 0, 269]),
    Line(Call::SetTimes, Rule::Always, [132, 132, 30, 0, 0]),
    Line(Call::Mknod, Rule::Always, [133, 133, 14, 0, 14]),
    Line(Call::MknodAt, Rule::Always, [259, 259, 297, 33, 324]),
    Line(Call::ExecAt, Rule::Always, [322, 545, 358, 281, 387]),
    Line(Call::OpenByHandle, Rule::Always, [304, 304, 342, 265, 371]),
    Line(Call::View, Rule::Always, [161, 161, 61, 51, 61]),
    Line(Call::View, Rule::Always, [155, 155, 217, 41, 218]),
    Line(Call::View, Rule::Always, [272, 272, 310, 97, 337]),
    Line(Call::View, Rule::Always, [308, 308, 346, 268, 375]),
    Line(Call::Mount, Rule::Always, [165, 165, 21, 40, 21]),
    Line(Call::Mount, Rule::Always, [429, 429, 429, 429, 429]),
    Line(Call::Connect, Rule::Always, [42, 42, 362, 203, 283]),
    Line(Call::Bind, Rule::Always, [49, 49, 361, 200, 282]),
    Line(Call::SendTo, Rule::AnyBit(4, u32::MAX), [44, 44, 369, 206, 290]),
    Line(Call::Attach, Rule::Always, [30, 30, 397, 196, 305]),
    Line(Call::Queue, Rule::Always, [240, 240, 277, 180, 274]),
    Line(Call::KeyedQueue, Rule::Always, [68, 68, 399, 186, 303]),
    Line(Call::SharingSwitch, Rule::Always, [0, 0, 117, 0, 0]),
    Line(Call::SocketSwitch, Rule::Equals(0, SOCKETCALL_CONNECT), [0, 0, 102, 0, 0]),
    Line(Call::IoUring, Rule::Always, [425, 425, 425, 425, 425]),
    Line(Call::Listener, Rule::AnyBit(1, NEW_LISTENER), [317, 317, 354, 277, 383]),
];

fn column(abi: Abi) -> usize {
    match abi {
        Abi::X64 => 0,
        Abi::X32 => 1,
        Abi::I386 => 2,
        Abi::Aarch64 => 3,
        Abi::Arm => 4,
    }
}

/// Returns the numbers to stop under `abi`, most frequent first, with the x32 bit where it belongs.
pub(super) fn rules(abi: Abi) -> impl Iterator<Item = (u32, Call, Rule)> {
    let bit = if abi == Abi::X32 { X32_BIT } else { 0 };
    TABLE.iter().filter_map(move |line| {
        let number = line.2[column(abi)];
        (number != 0).then_some((number | bit, line.0, line.1))
    })
}

/// Returns the call behind a number.
pub(super) fn call(abi: Abi, number: u32) -> Option<Call> {
    rules(abi).find(|rule| rule.0 == number).map(|rule| rule.1)
}

/// What an open asks for, told apart from the flags of one architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Intent {
    pub(super) reads: bool,
    pub(super) writes: bool,
    pub(super) creates: bool,
    pub(super) exclusive: bool,
    pub(super) truncates: bool,
    pub(super) unnamed: bool,
    pub(super) directory: bool,
    pub(super) follows: bool,
    /// A descriptor that only names a place; nothing is read or written through it.
    pub(super) path_only: bool,
}

impl Intent {
    /// Reads the flags of `open(2)`.
    pub(super) fn of(abi: Abi, flags: u32) -> Intent {
        let mode = flags & 3;
        let unnamed = flags & TMPFILE_FLAG != 0;
        Intent {
            reads: mode == 0 || mode == 2,
            writes: mode == 1 || mode == 2,
            creates: flags & 0o100 != 0,
            exclusive: flags & 0o300 == 0o300,
            truncates: flags & 0o1000 != 0,
            unnamed,
            directory: !unnamed && flags & abi.directory_flag() != 0,
            follows: flags & abi.nofollow_flag() == 0,
            path_only: flags & PATH_FLAG != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_table_agrees_with_the_headers_of_this_machine() {
        let known = [
            (libc::SYS_open, Call::Open),
            (libc::SYS_openat, Call::OpenAt),
            (libc::SYS_openat2, Call::OpenAt2),
            (libc::SYS_creat, Call::Creat),
            (libc::SYS_truncate, Call::Truncate),
            (libc::SYS_ftruncate, Call::TruncateOpen),
            (libc::SYS_rename, Call::Rename),
            (libc::SYS_renameat, Call::RenameAt),
            (libc::SYS_renameat2, Call::RenameAt2),
            (libc::SYS_link, Call::Link),
            (libc::SYS_linkat, Call::LinkAt),
            (libc::SYS_symlink, Call::Symlink),
            (libc::SYS_symlinkat, Call::SymlinkAt),
            (libc::SYS_unlink, Call::Unlink),
            (libc::SYS_unlinkat, Call::UnlinkAt),
            (libc::SYS_utimensat, Call::SetTimesAt),
            (libc::SYS_futimesat, Call::SetTimesAt),
            (libc::SYS_utimes, Call::SetTimes),
            (libc::SYS_utime, Call::SetTimes),
            (libc::SYS_mknod, Call::Mknod),
            (libc::SYS_mknodat, Call::MknodAt),
            (libc::SYS_execve, Call::Exec),
            (libc::SYS_execveat, Call::ExecAt),
            (libc::SYS_open_by_handle_at, Call::OpenByHandle),
            (libc::SYS_chroot, Call::View),
            (libc::SYS_pivot_root, Call::View),
            (libc::SYS_unshare, Call::View),
            (libc::SYS_setns, Call::View),
            (libc::SYS_mount, Call::Mount),
            (libc::SYS_move_mount, Call::Mount),
            (libc::SYS_connect, Call::Connect),
            (libc::SYS_bind, Call::Bind),
            (libc::SYS_sendto, Call::SendTo),
            (libc::SYS_shmat, Call::Attach),
            (libc::SYS_mq_open, Call::Queue),
            (libc::SYS_msgget, Call::KeyedQueue),
            (libc::SYS_io_uring_setup, Call::IoUring),
            (libc::SYS_seccomp, Call::Listener),
            (libc::SYS_exit_group, Call::ExitGroup),
        ];
        for (number, expected) in known {
            assert_eq!(call(Abi::X64, u32::try_from(number).unwrap()), Some(expected), "{number}");
        }
        assert_eq!(rules(Abi::X64).count(), known.len());
    }

    #[test]
    fn a_number_stands_once_under_each_convention() {
        for abi in [Abi::X64, Abi::X32, Abi::I386, Abi::Aarch64, Abi::Arm] {
            let mut numbers: Vec<u32> = rules(abi).map(|rule| rule.0).collect();
            let count = numbers.len();
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers.len(), count, "{abi:?}");
        }
    }

    #[test]
    fn aarch64_has_no_call_without_a_folder_descriptor() {
        let old =
            [Call::Open, Call::Creat, Call::Rename, Call::Link, Call::Symlink, Call::Unlink, Call::SetTimes];
        assert!(rules(Abi::Aarch64).all(|rule| !old.contains(&rule.1)));
        assert_eq!(call(Abi::Aarch64, 56), Some(Call::OpenAt));
        assert_eq!(call(Abi::Aarch64, 221), Some(Call::Exec));
        assert_eq!(rules(Abi::Aarch64).count(), 29);
    }

    #[test]
    fn open_flags_are_read_by_architecture() {
        assert!(Intent::of(Abi::X64, 0o200_000).directory);
        assert!(!Intent::of(Abi::Aarch64, 0o200_000).directory);
        assert!(Intent::of(Abi::Aarch64, 0o40_000).directory);
        assert!(Intent::of(Abi::I386, 0o20_200_001).unnamed);
        assert!(!Intent::of(Abi::Arm, 0o100_000).follows);
        let update = Intent::of(Abi::X64, 0o2);
        assert!(update.reads && update.writes && !update.truncates);
    }
}
