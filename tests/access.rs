//! Who may read what is kept, and what is brought back.

mod common;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use common::Place;
use common::machine::{Lack, skipped};

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
fn a_patch_is_kept_for_those_who_may_read_all_files_in_it() {
    let Some(place) = Place::empty().with_real_clock().with_commit() else { return };
    for file in ["a", "b", "gone"] {
        place.write(file, b"1\n");
    }
    place.commit_all("files");
    place.ok(&["init"]);
    let mode_of_patch = || {
        let run = place.json(&["show", "@"]);
        let digest = run["run"]["code"]["patch"].as_str().unwrap_or_else(|| panic!("{run}")).to_owned();
        let (_, hex) = digest.split_once(':').unwrap();
        let found: Vec<_> =
            place.all_files().into_keys().filter(|file| file.to_str().unwrap().contains(&hex[2..])).collect();
        mode(&place.at(found[0].to_str().unwrap()))
    };
    let plain = mode(&place.at("gone"));
    place.write("a", b"2\n");
    std::fs::remove_file(place.at("gone")).unwrap();
    set_mode(&place.at("a"), 0o755);
    place.ok(&["run", "--", "true"]);
    assert_eq!(mode_of_patch(), plain);
    place.write("b", b"hunter2\n");
    set_mode(&place.at("b"), 0o600);
    place.ok(&["run", "--", "true"]);
    assert_eq!(mode_of_patch(), 0o600);
}

#[test]
fn what_is_kept_already_is_kept_for_those_as_well_who_may_read_a_later_file_of_the_same_bytes() {
    let place = Place::without_git().with_real_clock();
    place.write("s.sh", b"#!/bin/sh\necho done\n");
    place.write("other", b"other\n");
    let large = vec![b'x'; 200 << 10];
    place.write("large", &large);
    for (file, at_first) in [("s.sh", 0o600), ("other", 0o600), ("large", 0o600)] {
        set_mode(&place.at(file), at_first);
    }
    place.ok(&["run", "--", "sh", "-c", "cat other large > /dev/null; sh s.sh; cp other made"]);
    assert_eq!(modes_of_kept(&place).iter().filter(|mode| *mode & 0o144 == 0).count(), 1);
    for (file, later) in [("s.sh", 0o755), ("other", 0o644), ("large", 0o644)] {
        set_mode(&place.at(file), later);
    }
    place.ok(&["run", "--", "sh", "-c", "cat other large > /dev/null; ./s.sh"]);
    for file in ["s.sh", "other", "large"] {
        let before = mode(&place.at(file));
        std::fs::remove_file(place.at(file)).unwrap();
        place.ok(&["restore", file]);
        assert_eq!(mode(&place.at(file)), before, "{file}");
    }
    assert_eq!(place.read("large"), large);
    // What it is kept for now, it stays kept for.
    set_mode(&place.at("s.sh"), 0o600);
    let before = modes_of_kept(&place);
    place.ok(&["run", "--", "sh", "-c", "cat other large > /dev/null; sh s.sh"]);
    assert_eq!(modes_of_kept(&place), before);
    place.ok(&["verify"]);
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
        skipped(Lack::User, "root looks at everything");
        return;
    }
    let status = place.run(&["status"]);
    set_mode(&place.at(".lineage/objects"), 0o700);
    assert_eq!(status.code, 1);
    assert!(status.stdout.contains("whether it is kept only its owner can see"), "{}", status.stdout);
    assert!(!status.stdout.contains("lost"), "{}", status.stdout);
}

/// A user that every system has, and who owns nothing.
const NOBODY: u32 = 65_534;

/// Makes a place that belongs to somebody who is not root, and who can run the program; `None`, and a line that says so, where the
/// tests are not root's or that user cannot.
fn place_of_nobody() -> Option<Place> {
    let place = Place::empty().with_real_clock();
    if chown(place.root(), Some(NOBODY), Some(NOBODY)).is_err() {
        skipped(Lack::User, "only root gives folders away");
        return None;
    }
    set_mode(place.root(), 0o755);
    let can = as_nobody(&place, &["--version"]).status().is_ok_and(|status| status.success());
    if !can {
        skipped(Lack::System, "others cannot run the program where it lies");
    }
    can.then_some(place)
}

fn as_nobody(place: &Place, arguments: &[&str]) -> std::process::Command {
    let mut command = place.command(arguments);
    command.uid(NOBODY).gid(NOBODY);
    command
}

/// Lists what in a folder belongs to root, or is a folder that nobody else may write into.
fn of_root(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        if metadata.uid() != NOBODY {
            found.push(path.clone());
        }
        if metadata.is_dir() {
            of_root(&path, found);
        }
    }
}

#[test]
fn what_root_makes_in_the_workspace_of_a_user_belongs_to_the_user() {
    let Some(place) = place_of_nobody() else { return };
    let user = |arguments: &[&str]| {
        let output = as_nobody(&place, arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    user(&["init"]);
    let script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo $i > r$i; done; ln -s r1 latest";
    place.shell(script);
    place.ok(&["log"]);
    place.ok(&["register", "m", "1.0.0", "--artifact", "m=r1", "--status", "production"]);
    std::fs::remove_file(place.at("latest")).unwrap();
    std::fs::remove_file(place.at("r2")).unwrap();
    place.ok(&["restore", "latest", "r2"]);
    std::fs::remove_file(place.at(".lineage/store.redb")).unwrap();
    place.ok(&["status"]);
    let mut roots = Vec::new();
    of_root(&place.at(".lineage"), &mut roots);
    of_root(&place.at("models"), &mut roots);
    assert_eq!(roots, Vec::<std::path::PathBuf>::new());
    for restored in ["latest", "r2"] {
        assert_eq!(place.at(restored).symlink_metadata().unwrap().uid(), NOBODY);
    }
    user(&["run", "-q", "--", "sh", "-c", "cat r2 > o; for i in 21 22 23 24 25; do echo $i > u$i; done"]);
    user(&["register", "m", "2.0.0", "--artifact", "m=o"]);
    user(&["models", "promote", "m@2.0.0", "--to", "production"]);
    user(&["verify"]);
}

#[test]
fn a_user_is_not_given_what_root_alone_reads() {
    let Some(place) = place_of_nobody() else { return };
    assert!(as_nobody(&place, &["init"]).status().unwrap().success());
    place.write("secret.csv", b"root's alone");
    place.write("open.csv", b"everybody's");
    set_mode(&place.at("secret.csv"), 0o600);
    set_mode(&place.at("open.csv"), 0o644);
    place.ok(&["run", "-q", "--", "sh", "-c", "cat secret.csv open.csv > /dev/null; echo 1 > o"]);
    assert_eq!(place.ok(&["cat", "secret.csv@"]).stdout, "root's alone");
    let reads = |file: &str| as_nobody(&place, &["cat", file]).output().unwrap().stdout;
    assert_eq!(reads("open.csv@"), b"everybody's");
    assert_eq!(reads("secret.csv@"), b"");
    let verified = as_nobody(&place, &["verify"]).output().unwrap();
    assert!(verified.status.success(), "what is hidden is not damaged: {verified:?}");
}

#[test]
fn what_everybody_reads_is_kept_for_the_group_of_the_workspace_whatever_its_own() {
    let Some(place) = place_of_nobody() else { return };
    let (group, other) = (54_001, 54_002);
    chown(place.root(), Some(NOBODY), Some(group)).unwrap();
    set_mode(place.root(), 0o2775);
    let member = |user: u32, arguments: &[&str]| {
        let mut command = place.command(arguments);
        let output = command.uid(user).gid(group).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    member(NOBODY, &["init"]);
    set_mode(&place.at(".lineage"), 0o2775);
    place.write("in.csv", b"everybody's");
    chown(place.at("in.csv"), Some(NOBODY), Some(other)).unwrap();
    set_mode(&place.at("in.csv"), 0o664);
    member(NOBODY, &["run", "-q", "--", "sh", "-c", "cat in.csv > /dev/null"]);
    std::fs::remove_file(place.at("in.csv")).unwrap();
    assert_eq!(member(54_003, &["cat", "in.csv@"]), b"everybody's");
    member(54_003, &["verify"]);
}

#[test]
fn a_workspace_that_anybody_could_have_made_is_not_used() {
    let Some(place) = place_of_nobody() else { return };
    assert!(as_nobody(&place, &["init"]).status().unwrap().success());
    chown(place.root(), Some(0), Some(0)).unwrap();
    set_mode(place.root(), 0o1777);
    let refused = place.command(&["run", "--", "true"]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(125), "{said}");
    assert!(said.contains("was made by another user") && said.contains("LINEAGE_TRUST="), "{said}");
    assert!(as_nobody(&place, &["log"]).status().unwrap().success(), "it is their own");
    let trusted = place.command(&["log"]).env("LINEAGE_TRUST", place.root()).status().unwrap();
    assert!(trusted.success());
    set_mode(place.root(), 0o755);
    place.ok(&["log"]);
}

#[test]
fn a_workspace_in_which_root_left_its_own_files_says_how_to_get_them_back() {
    let Some(place) = place_of_nobody() else { return };
    assert!(as_nobody(&place, &["init"]).status().unwrap().success());
    // A lock of root's can be held by whoever reads it.
    place.write(".lineage/lock", b"");
    place.write(".lineage/run_ids/x", b"");
    for name in [".lineage/lock", ".lineage/run_ids"] {
        chown(place.at(name), Some(0), Some(0)).unwrap();
        set_mode(&place.at(name), if name.ends_with("lock") { 0o644 } else { 0o755 });
    }
    let output = as_nobody(&place, &["run", "--", "true"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{said}");
    assert!(said.contains("belongs to another user: `sudo chown -R"), "{said}");
    chown(place.at(".lineage/run_ids"), Some(NOBODY), Some(NOBODY)).unwrap();
    let output = as_nobody(&place, &["run", "--", "true"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = as_nobody(&place, &["log", "--json"]).output().unwrap();
    assert!(String::from_utf8_lossy(&listed.stdout).contains("\"run_id\""), "{listed:?}");
}

#[test]
fn who_shares_a_workspace_is_not_told_to_take_it_away_from_its_maker() {
    let Some(place) = place_of_nobody() else { return };
    let group = 54_004;
    chown(place.root(), Some(0), Some(group)).unwrap();
    set_mode(place.root(), 0o2775);
    let refused = |user: u32, arguments: &[&str]| {
        let mut command = place.command(arguments);
        let output = command.uid(user).gid(group).env("LINEAGE_TRUST", place.root()).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert!(refused(54_005, &["init"]).0);
    set_mode(&place.at(".lineage"), 0o755);
    for entry in std::fs::read_dir(place.at(".lineage")).unwrap() {
        let entry = entry.unwrap().path();
        set_mode(&entry, if entry.is_dir() { 0o755 } else { 0o644 });
    }
    let (went_well, said) = refused(54_006, &["run", "--", "true"]);
    assert!(!went_well && !said.contains("chown"), "{said}");
    assert!(said.contains("lets the group write there by `chmod -R g+rwX -- "), "{said}");
}

#[test]
fn a_workspace_that_is_made_where_a_group_writes_is_the_groups_whatever_the_umask() {
    let Some(place) = place_of_nobody() else { return };
    let group = 54_004;
    chown(place.root(), Some(0), Some(group)).unwrap();
    set_mode(place.root(), 0o2775);
    let by = |user: u32, line: &str| {
        let line = format!("umask 022; L={}; {line}", env!("CARGO_BIN_EXE_lineage"));
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &line]).current_dir(place.root()).env("LINEAGE_TRUST", place.root());
        let output = command.uid(user).gid(group).output().unwrap();
        assert!(output.status.success(), "{user}: {line}: {output:?}");
    };
    by(54_005, "$L init . && $L run -q -- sh -c 'echo 1 > a'");
    assert_eq!(mode(&place.at(".lineage")) & 0o070, 0o070);
    assert_eq!(mode(&place.at("a")), 0o644, "what the command makes is its own affair");
    by(54_006, "$L run -q -- sh -c 'cat a > b' && $L show b > /dev/null");
    by(54_005, "$L run -q -- sh -c 'cat b > c' && $L show c > /dev/null && $L verify");
}
