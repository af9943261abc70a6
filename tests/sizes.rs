//! However large a file is, no more than parts of it are in memory.
#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "only the system knows what a process had in memory")]

mod common;

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use common::Place;

const FILE_MIB: usize = 160;
/// What a command may have in memory: a good part of it is the program itself, unoptimised.
const MEMORY_MAX_MIB: i64 = 110;

/// Runs a command to its end; returns its code, and how much it had in memory at the most, in MiB.
#[expect(clippy::zombie_processes, reason = "it is waited for by a call of the system that says more")]
fn measured(command: &mut Command) -> (i32, i64) {
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut status = 0;
    // SAFETY: a structure of numbers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both places live for the call, and nobody else waits for this child.
    let waited = unsafe { libc::wait4(child.id() as libc::pid_t, &mut status, 0, &mut usage) };
    assert_eq!(waited, child.id() as libc::pid_t);
    (libc::WEXITSTATUS(status), usage.ru_maxrss / 1024)
}

#[test]
fn a_large_content_is_kept_checked_and_brought_back_part_by_part() {
    let (place, other) = (Place::empty(), Place::empty());
    for place in [&place, &other] {
        place.ok(&["init"]);
    }
    place.write(".lineage/config.toml", b"[keep]\noutputs_up_to = \"1 GB\"\n");
    let check = |of: &Place, expected: i32, arguments: &[&str]| {
        let (code, memory) = measured(&mut of.command(arguments));
        assert_eq!(code, expected, "{arguments:?}");
        assert!(memory < MEMORY_MAX_MIB, "{arguments:?}: {memory} MiB");
    };
    let large = format!("for i in $(seq {FILE_MIB}); do head -c 1048576 /dev/zero; done > large");
    check(&place, 0, &["run", "--", "sh", "-c", &large]);
    fs::remove_file(place.at("large")).unwrap();
    check(&place, 1, &["status"]);
    check(&place, 0, &["verify"]);
    check(&place, 0, &["cat", "large"]);
    check(&place, 0, &["export", "--format", "ro-crate", "--out", "crate"]);
    check(&place, 0, &["restore", "large"]);
    assert_eq!(fs::metadata(place.at("large")).unwrap().len(), (FILE_MIB as u64) << 20);
    check(&other, 0, &["merge", place.root().to_str().unwrap(), "--with-contents"]);
    check(&other, 0, &["restore", "large"]);
    // What lies there is kept before it is written over.
    let mut file = fs::File::options().append(true).open(place.at("large")).unwrap();
    file.write_all(b"more").unwrap();
    check(&place, 0, &["restore", "large", "--force"]);
    check(&place, 0, &["verify"]);
}
