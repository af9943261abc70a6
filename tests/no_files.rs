//! What lies in the place of a file of ours may be a pipe, a folder, a socket or a device: nobody waits for it, and nothing of it is
//! taken for ours.
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::Place;

/// Waits for a command, which is killed where it takes so long that it must be waiting for somebody.
fn code_of(mut child: Child) -> Option<i32> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if begun.elapsed() > Duration::from_secs(120) {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Puts something that is no regular file at a path.
type Put = fn(&Path, &Path);

/// The second path is that of a file of the user's.
const KINDS: [(&str, Put); 6] = [
    ("a pipe", |path, _| assert!(Command::new("mkfifo").arg(path).status().unwrap().success())),
    ("a folder", |path, _| fs::create_dir(path).unwrap()),
    ("a socket", |path, _| drop(std::os::unix::net::UnixListener::bind(path).unwrap())),
    ("an endless device", |path, _| std::os::unix::fs::symlink("/dev/zero", path).unwrap()),
    ("a link to a file of the user's", |path, users| std::os::unix::fs::symlink(users, path).unwrap()),
    ("a link to nowhere", |path, users| {
        std::os::unix::fs::symlink(users.with_extension("gone"), path).unwrap();
    }),
];

/// Lists the files below a folder.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// Runs each of the commands with something else in the place of `path`, which is put back; they end in any way but a fault of ours; `run`
/// may refuse where recording cannot begin.
fn check(place: &Place, path: &Path, commands: &[&[&str]]) {
    let aside = place.root().with_extension("aside");
    let is_there = path.symlink_metadata().is_ok();
    let users = place.root().with_extension("users");
    fs::write(&users, "of the user\n").unwrap();
    for (kind, put) in KINDS {
        for arguments in commands {
            if is_there {
                fs::rename(path, &aside).unwrap();
            }
            put(path, &users);
            let mut command = place.command(arguments);
            let child = command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null()).spawn();
            let code = code_of(child.unwrap());
            let what = format!("{kind} at {}: {arguments:?}", path.display());
            let is_refused = arguments[0] == "run" && code == Some(125);
            assert!(is_refused || code.is_some_and(|code| (0..=3).contains(&code)), "{what}: {code:?}");
            assert_eq!(fs::read(&users).unwrap(), b"of the user\n", "{what}");
            match path.symlink_metadata() {
                Ok(there) if there.is_dir() => fs::remove_dir_all(path).unwrap(),
                Ok(_) => fs::remove_file(path).unwrap(),
                Err(_) => {}
            }
            if is_there {
                fs::rename(&aside, path).unwrap();
            }
        }
    }
    fs::remove_file(&users).unwrap();
}

const COMMANDS: &[&[&str]] = &[
    &["log"],
    &["show", "o"],
    &["status"],
    &["run", "-q", "--", "sh", "-c", "cat a > o"],
    &["restore", "o", "--to", "copy", "--force"],
    &["project", "--check"],
    &["verify"],
];

#[test]
fn nobody_waits_for_what_lies_in_the_place_of_a_file_of_the_workspace() {
    let place = Place::empty();
    place.write("a", b"a\n");
    place.ok(&["init"]);
    place.write(".lineage/config.toml", b"[keep]\noutputs_up_to = \"1 MB\"\n");
    place.shell("cat a > o");
    place.ok(&["register", "m", "1.0.0", "--artifact", "o=o"]);
    place.ok(&["verify"]);
    let folder = place.at(".lineage");
    let mut files = files_below(&folder);
    let names = ["brought-back", "told", "projected", "projecting", "lock", "digests", "under-way"];
    files.extend(names.iter().map(|name| folder.join(name)));
    files.sort();
    files.dedup();
    assert!(files.iter().any(|file| file.starts_with(folder.join("journal"))), "{files:?}");
    assert!(files.iter().any(|file| file.starts_with(folder.join("objects"))), "{files:?}");
    for file in &files {
        check(&place, file, COMMANDS);
    }
    place.ok(&["log"]);
}

#[test]
fn nobody_waits_for_what_lies_in_the_place_of_a_file_that_says_what_is_ignored() {
    let Some(place) = Place::new() else { return };
    place.ok(&["init"]);
    for name in [".lineageignore", "data/.lineageignore"] {
        check(&place, &place.at(name), &[&["run", "-q", "--", "true"], &["status"], &["log"]]);
    }
}
