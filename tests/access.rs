//! Who may read what is kept, and what is brought back.

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use common::Place;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Returns the modes of all kept contents, each once.
fn modes_of_kept(place: &Place) -> Vec<u32> {
    let folders = std::fs::read_dir(place.at(".lineage/objects")).unwrap();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    let mut modes: Vec<u32> = files.map(|file| mode(&file.unwrap().path())).collect();
    modes.sort_unstable();
    modes.dedup();
    modes
}

#[test]
fn what_only_its_owner_reads_is_kept_and_brought_back_for_its_owner() {
    let place = Place::without_git().with_real_clock();
    place.ok(&["init"]);
    set_mode(&place.at(".lineage"), 0o755);
    let script = "umask 077; echo hunter2 > pw; mkdir keys; umask 022; echo 1 > keys/a; echo 2 > plain; \
                  printf '#!/bin/sh\\necho done\\n' > tool; chmod 755 tool";
    place.ok(&["run", "--", "sh", "-c", script]);
    assert_eq!(mode(&place.at(".lineage/objects")), 0o700);
    assert!(modes_of_kept(&place).contains(&0o600), "{:?}", modes_of_kept(&place));
    for file in ["pw", "keys/a", "plain", "tool"] {
        std::fs::remove_file(place.at(file)).unwrap();
        place.ok(&["restore", file]);
    }
    assert_eq!((mode(&place.at("pw")), mode(&place.at("keys/a"))), (0o600, 0o600));
    let (plain, tool) = (mode(&place.at("plain")), mode(&place.at("tool")));
    assert_eq!((plain & 0o600, plain & 0o111), (0o600, 0));
    assert_eq!(tool, plain | (plain & 0o444) >> 2);
    let said = std::process::Command::new(place.at("tool")).output().unwrap();
    assert_eq!(said.stdout, b"done\n");
    // What was kept for its owner goes over to another workspace so.
    let other = Place::without_git().with_real_clock();
    other.ok(&["init"]);
    other.ok(&["merge", "--with-contents", place.root().to_str().unwrap()]);
    assert_eq!(modes_of_kept(&other), modes_of_kept(&place));
}

#[test]
fn a_store_of_contents_that_was_open_is_closed_by_the_next_that_keeps_and_stays_open_to_a_group() {
    for (own, expected) in [(0o755, 0o700), (0o775, 0o770)] {
        let place = Place::without_git().with_real_clock();
        place.ok(&["init"]);
        place.ok(&["run", "--", "sh", "-c", "echo 1 > a"]);
        set_mode(&place.at(".lineage"), own);
        set_mode(&place.at(".lineage/objects"), 0o775);
        place.ok(&["run", "--", "sh", "-c", "echo 2 > b"]);
        assert_eq!(mode(&place.at(".lineage/objects")), expected, "{own:o}");
        std::fs::remove_file(place.at("a")).unwrap();
        place.ok(&["restore", "a"]);
        assert_eq!(place.read("a"), b"1\n");
    }
}

#[test]
fn whoever_cannot_look_at_what_is_kept_is_not_told_that_it_is_lost() {
    let place = Place::without_git().with_real_clock();
    place.ok(&["init"]);
    place.ok(&["run", "--", "sh", "-c", "echo 1 > a"]);
    std::fs::remove_file(place.at("a")).unwrap();
    set_mode(&place.at(".lineage/objects"), 0);
    if std::fs::read_dir(place.at(".lineage/objects")).is_ok() {
        eprintln!("skipped: root looks at everything");
        return;
    }
    let status = place.run(&["status"]);
    set_mode(&place.at(".lineage/objects"), 0o700);
    assert_eq!(status.code, 1);
    assert!(status.stdout.contains("whether it is kept only its owner can see"), "{}", status.stdout);
    assert!(!status.stdout.contains("lost"), "{}", status.stdout);
}
