//! System calls that change nothing in memory but what they are told to, not even `errno`: for a process that has its memory in
//! common with another one.

use std::ffi::c_long;

/// Makes a system call; returns what it gave, or the number of the error.
///
/// # Safety
/// As for the call.
#[cfg(target_arch = "x86_64")]
pub(super) unsafe fn call(number: c_long, arguments: [usize; 5]) -> Result<usize, i32> {
    let [a, b, c, d, e] = arguments;
    let mut result = number as isize;
    // SAFETY: the convention of Linux: it writes these registers, and memory as the caller has it.
    unsafe {
        std::arch::asm!(
            "syscall", inlateout("rax") result, in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e,
            lateout("rcx") _, lateout("r11") _, options(nostack)
        );
    }
    checked(result)
}

/// Makes a system call; returns what it gave, or the number of the error.
///
/// # Safety
/// As for the call.
#[cfg(target_arch = "aarch64")]
pub(super) unsafe fn call(number: c_long, arguments: [usize; 5]) -> Result<usize, i32> {
    let [a, b, c, d, e] = arguments;
    let mut result = a as isize;
    // SAFETY: the convention of Linux: it writes this register, and memory as the caller has it.
    unsafe {
        std::arch::asm!(
            "svc 0", in("x8") number, inlateout("x0") result, in("x1") b, in("x2") c, in("x3") d, in("x4") e,
            options(nostack)
        );
    }
    checked(result)
}

/// The kernel gives errors as small negative numbers.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn checked(result: isize) -> Result<usize, i32> {
    if (-4095..0).contains(&result) { Err(-result as i32) } else { Ok(result as usize) }
}

/// Makes a system call; returns what it gave, or the number of the error. Where there is no net, `errno` is changed all the same.
///
/// # Safety
/// As for the call.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) unsafe fn call(number: c_long, arguments: [usize; 5]) -> Result<usize, i32> {
    let [a, b, c, d, e] = arguments;
    // SAFETY: as the caller says.
    let result = unsafe { libc::syscall(number, a, b, c, d, e) };
    if result < 0 { Err(super::errno() as i32) } else { Ok(result as usize) }
}
