//! A disk that takes no more, and places that cannot be written: what lay there before is whole, and the message names the file.
//!
//! A limit on the size of files stands for the full disk: it works for every user, and everywhere.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::machine::{Lack, skipped};
use common::{Answer, Place};

/// No file may become longer, in the blocks of 512 bytes that `ulimit` counts.
const BLOCKS: u32 = 8;
const LIMIT_BYTES: usize = BLOCKS as usize * 512;

/// Runs the program where no file may become longer than [`LIMIT_BYTES`].
fn limited(place: &Place, arguments: &[&str]) -> Answer {
    let prepared = place.command(arguments);
    let script = format!("ulimit -f {BLOCKS}; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).arg(prepared.get_program()).args(prepared.get_args());
    place.run_there(&mut command)
}

/// Every file outside `.lineage` with its bytes, and every folder.
fn tree(place: &Place) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let (mut found, mut frontier) = (BTreeMap::new(), vec![place.root().to_owned()]);
    while let Some(folder) = frontier.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with(".lineage") {
                continue;
            }
            if path.is_dir() && !path.is_symlink() {
                frontier.push(path.clone());
                found.insert(path, None);
            } else {
                found.insert(path.clone(), Some(fs::read(&path).unwrap_or_default()));
            }
        }
    }
    found
}

fn big() -> Vec<u8> {
    (0..3 * LIMIT_BYTES).map(|at| ((at * at) >> 5) as u8).collect()
}

/// A workspace with a pipeline run, and with a command's output that is longer than the limit.
fn filled() -> Place {
    let place = Place::without_git();
    place.ok(&["pipeline", "--run-name", "all"]);
    place.write("source.bin", &big());
    place.ok(&["run", "--", "cp", "source.bin", "big.bin"]);
    // All is applied by then, so that the limit concerns what a command is to write.
    place.ok(&["log"]);
    place
}

#[test]
fn what_does_not_fit_is_not_projected_and_the_rest_is() {
    let place = filled();
    let before = place.projected();
    let is_big = |bytes: &Vec<u8>| bytes.len() > LIMIT_BYTES;
    let big: Vec<&String> = before.iter().filter(|(_, bytes)| is_big(bytes)).map(|(name, _)| name).collect();
    assert!(!big.is_empty() && big.len() < before.len(), "{:?}", before.values().map(Vec::len));
    // One is there and edited, so that it would be written over; the others are gone.
    for name in before.keys().filter(|name| *name != big[0]) {
        fs::remove_file(place.at(name)).unwrap();
    }
    place.write(big[0], b"edited\n");
    let answer = limited(&place, &["project", "--force", "-n", "0"]);
    assert_eq!(answer.code, 1, "{answer:?}");
    for name in &big {
        let told = answer.stdout.lines().find(|line| line.contains(name.as_str())).unwrap();
        assert!(told.starts_with("blocked") && told.contains("File too large"), "{told}");
    }
    assert_eq!(place.read(big[0]), b"edited\n", "the old file is whole");
    let mut expected = before.clone();
    expected.retain(|_, bytes| !is_big(bytes));
    expected.insert(big[0].clone(), b"edited\n".to_vec());
    assert_eq!(place.projected(), expected, "nothing half, nothing left over");
    place.ok(&["project", "--force"]);
    assert_eq!(place.projected(), before);
}

#[test]
fn what_does_not_fit_is_not_restored() {
    let place = filled();
    place.write("big.bin", b"edited\n");
    let before = tree(&place);
    let answer = limited(&place, &["restore", "big.bin", "--force"]);
    assert_eq!(answer.code, 3, "{answer:?}");
    assert!(answer.stderr.contains("big.bin") && answer.stderr.contains("File too large"), "{answer:?}");
    let elsewhere = limited(&place, &["restore", "big.bin", "--to", "new/copy.bin"]);
    assert_eq!(elsewhere.code, 3, "{elsewhere:?}");
    assert!(!place.at("new/copy.bin").exists());
    let _ = fs::remove_dir(place.at("new"));
    assert_eq!(tree(&place), before, "the old file is whole, and nothing is left over");
    place.ok(&["restore", "big.bin", "--force"]);
    assert_eq!(place.read("big.bin"), big());
}

#[test]
fn an_export_that_does_not_fit_leaves_the_older_one() {
    let place = filled();
    let formats = [
        ("jsonl", "facts.jsonl"),
        ("prov-json", "prov.json"),
        ("csv", "csv"),
        ("ro-crate", "crate"),
        ("ro-crate", "crate.zip"),
    ];
    for (format, out) in formats {
        place.ok(&["export", "--format", format, "--out", out]);
    }
    let before = tree(&place);
    for (format, out) in formats {
        let over = limited(&place, &["export", "--format", format, "--out", out, "--force"]);
        assert_eq!(over.code, 3, "{format}: {over:?}");
        assert!(over.stderr.contains("cannot write the export"), "{format}: {over:?}");
        let new = format!("new-{out}");
        assert_eq!(limited(&place, &["export", "--format", format, "--out", &new]).code, 3, "{format}");
        assert_eq!(tree(&place), before, "{format}");
    }
}

/// Makes a folder one that takes no new files, also for root where the file system can do that; returns whether it worked.
fn seal(folder: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o555)).unwrap();
    let probe = folder.join("probe");
    if fs::write(&probe, "x").is_err() {
        return true;
    }
    fs::remove_file(&probe).unwrap();
    let flagged = Command::new("chattr").arg("+i").arg(folder).output();
    let works = flagged.is_ok_and(|output| output.status.success()) && fs::write(&probe, "x").is_err();
    if !works {
        let _ = fs::remove_file(&probe);
        skipped(Lack::User, "nothing here keeps this user from writing into a folder");
    }
    works
}

/// Takes back what [`seal`] did.
fn unseal(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    // Where there is no such program, or no such flag, none was set.
    let _ = Command::new("chattr").arg("-i").arg(folder).output();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_folder_that_takes_no_files_is_named_and_all_others_are_written() {
    let place = filled();
    let before = place.projected();
    let folder = before.keys().find(|name| name.starts_with("data/interim/parsed")).unwrap();
    let folder = place.at(folder.rsplit_once('/').unwrap().0);
    for name in before.keys() {
        fs::remove_file(place.at(name)).unwrap();
    }
    if seal(&folder) {
        let answer = place.run(&["project", "-n", "0"]);
        let left = place.projected();
        unseal(&folder);
        assert_eq!(answer.code, 1, "{answer:?}");
        let inside = |name: &&String| place.at(name).starts_with(&folder);
        for name in before.keys().filter(inside) {
            let told = answer.stdout.lines().find(|line| line.contains(name.as_str())).unwrap();
            assert!(told.starts_with("blocked  "), "{told}");
        }
        let outside = before.keys().filter(|name| !inside(name)).count();
        assert_eq!(left.len(), outside, "{answer:?}");
    }
    unseal(&folder);
    place.ok(&["project"]);
    assert_eq!(place.projected(), before);
}

#[test]
fn nothing_is_restored_over_a_folder_nor_out_of_the_workspace() {
    let place = Place::empty();
    place.ok(&["run", "--", "sh", "-c", "mkdir out; echo model > out/m.bin"]);
    fs::remove_file(place.at("out/m.bin")).unwrap();
    fs::create_dir(place.at("out/m.bin")).unwrap();
    place.write("out/m.bin/mine", b"mine");
    let (code, message) = place.refused(&["restore", "out/m.bin", "--force"]);
    assert!(code == 2 && message.contains("out/m.bin"), "{message}");
    assert_eq!(place.read("out/m.bin/mine"), b"mine");
    let outside = tempfile::tempdir().unwrap();
    fs::remove_dir_all(place.at("out")).unwrap();
    std::os::unix::fs::symlink(outside.path(), place.at("out")).unwrap();
    let (code, message) = place.refused(&["restore", "out/m.bin"]);
    assert!(code == 2 && message.contains("out/m.bin"), "{message}");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

/// The segments of the journal, the oldest first.
fn segments(place: &Place) -> Vec<PathBuf> {
    let entries = fs::read_dir(place.at(".lineage/journal")).unwrap();
    let mut segments: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    segments.sort();
    segments
}

/// Two runs, applied; the first has made `o`.
fn recorded() -> Place {
    let place = Place::empty();
    place.write("a", b"a\n");
    place.ok(&["run", "--", "cp", "a", "o"]);
    place.ok(&["run", "--", "cp", "o", "p"]);
    place.ok(&["log"]);
    place
}

/// The files of facts that the journal has lost.
fn aside(place: &Place) -> Vec<String> {
    let Ok(entries) = fs::read_dir(place.at(".lineage/lost-facts")) else { return Vec::new() };
    let name = |entry: fs::DirEntry| format!(".lineage/lost-facts/{}", entry.file_name().to_str().unwrap());
    let mut files: Vec<String> = entries.map(|entry| name(entry.unwrap())).collect();
    files.sort();
    files
}

#[test]
fn a_segment_that_was_lost_is_told_by_every_command_until_its_facts_are_back() {
    let place = recorded();
    let before = place.ok(&["show", "o"]).stdout;
    fs::remove_file(&segments(&place)[0]).unwrap();
    let answer = place.run(&["verify"]);
    assert!(answer.code == 1 && answer.stdout.contains("it is gone, and had"), "{answer:?}");
    let told = |answer: &Answer| answer.stderr.matches("the journal has lost facts that").count() == 1;
    let run = place.ok(&["run", "--", "true"]);
    assert!(run.stderr.contains(".seg` is gone with") && told(&run), "{run:?}");
    for command in [
        &["log"][..],
        &["status"],
        &["gc"],
        &["export", "--format", "jsonl"],
        &["models"],
        &["run", "--", "true"],
    ] {
        let answer = place.run(command);
        assert!(told(&answer), "{command:?}: {answer:?}");
    }
    assert_eq!(place.refused(&["gc", "--apply"]).0, 3);
    let answer = place.run(&["verify"]);
    assert!(
        answer.code == 1 && answer.stdout.contains("that the journal has lost: `lineage merge"),
        "{answer:?}"
    );
    let answer = place.ok(&["merge", &aside(&place)[0]]);
    assert!(answer.stdout.starts_with("took over 4 facts of 1 run"), "{answer:?}");
    assert!(aside(&place).is_empty());
    let after = place.ok(&["show", "o"]);
    assert_eq!((after.stdout.as_str(), after.stderr.as_str()), (before.as_str(), ""));
    assert!(place.ok(&["verify"]).stdout.ends_with("all is well\n"));
}

#[test]
fn of_a_journal_that_was_cut_or_is_gone_altogether_the_facts_are_set_aside() {
    let place = recorded();
    let last = segments(&place).pop().unwrap();
    fs::File::options().write(true).open(&last).unwrap().set_len(60).unwrap();
    let answer = place.ok(&["log"]);
    let first = aside(&place).remove(0);
    assert!(answer.stderr.contains(".seg` has 60 bytes of") && answer.stderr.contains(&first), "{answer:?}");
    fs::remove_dir_all(place.at(".lineage/journal")).unwrap();
    let answer = place.ok(&["log"]);
    let both = aside(&place);
    assert!(both.len() == 2 && both.iter().all(|file| answer.stderr.contains(file)), "{answer:?}");
    // The one has what the other has not.
    both.iter().rev().for_each(|file| drop(place.ok(&["merge", file])));
    assert_eq!(place.runs().len(), 2);
    assert_eq!(place.ok(&["status"]).stderr, "");
}

#[test]
fn a_damaged_record_is_told_with_every_answer_until_the_file_is_restored() {
    let place = recorded();
    let segment = segments(&place).remove(0);
    let whole = fs::read(&segment).unwrap();
    let mut damaged = whole.clone();
    damaged[60] ^= 0xff;
    fs::write(&segment, &damaged).unwrap();
    fs::remove_file(place.at(".lineage/store.redb")).unwrap();
    for command in [
        &["log"][..],
        &["show", "p"],
        &["status"],
        &["export", "--format", "jsonl"],
        &["gc"],
        &["run", "--", "true"],
    ] {
        let answer = place.run(command);
        assert!(answer.stderr.contains(".seg` is damaged at byte 40"), "{command:?}: {answer:?}");
    }
    assert_eq!(place.refused(&["gc", "--apply"]).0, 3);
    fs::write(&segment, &whole).unwrap();
    assert_eq!(place.ok(&["log"]).stderr, "");
    assert_eq!(place.runs().len(), 3);
}

#[test]
fn wherever_the_store_is_altered_a_command_gives_the_same_answer() {
    let place = recorded();
    let store = place.at(".lineage/store.redb");
    let commands: [&[&str]; 4] =
        [&["log", "--json"], &["show", "p"], &["show", "a", "--down", "--json"], &["status", "a"]];
    let answers = commands.map(|command| place.run(command).stdout);
    let whole = fs::read(&store).unwrap();
    let mut mended = 0;
    for (number, page) in (0..whole.len()).step_by(4096).filter(|page| whole[*page] != 0).enumerate() {
        let which = number % commands.len();
        let mut altered = whole.clone();
        altered[page + 1 + (number * 7) % 40] ^= 0x10;
        fs::write(&store, &altered).unwrap();
        let answer = place.run(commands[which]);
        assert_eq!(answer.stdout, answers[which], "page {page}: {answer:?}");
        mended += usize::from(fs::read(&store).unwrap() != altered);
    }
    // A table that a command asks nothing of is not read.
    assert!(mended > 10, "{mended}");
}

#[test]
fn a_verification_that_is_killed_leaves_nothing_behind() {
    use std::os::unix::process::ExitStatusExt as _;
    let place = filled();
    let names = || {
        let entries = fs::read_dir(place.at(".lineage")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    // It is killed while it has the store open that it compares the workspace's with, which by then has no name.
    let has_unnamed = |process: u32| {
        let open = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
        // One that is empty was only made to see whether it can be; the next one has a name for a moment.
        let filled = open.filter(|entry| fs::metadata(entry.path()).is_ok_and(|file| file.len() > 0));
        let mut links = filled.filter_map(|entry| fs::read_link(entry.path()).ok());
        links.any(|link| link.to_string_lossy().ends_with(".redb (deleted)"))
    };
    // On a busy machine it may have gone past that by the time it is looked at.
    let caught = (0..20).find_map(|_| {
        let mut verifying = place.command(&["verify"]).spawn().unwrap();
        while verifying.try_wait().unwrap().is_none() {
            if has_unnamed(verifying.id()) {
                return Some(verifying);
            }
        }
        None
    });
    let mut verifying = caught.expect("it is caught once in twenty times");
    verifying.kill().unwrap();
    assert_eq!(verifying.wait().unwrap().signal(), Some(libc::SIGKILL));
    assert_eq!(names(), before);
}

#[test]
fn a_store_that_cannot_be_brought_up_to_date_gives_no_answer_without_what_it_lacks() {
    let place = Place::empty();
    place.ok(&["init"]);
    // There is a store, and it knows of nothing.
    place.ok(&["log"]);
    place.write("a", b"a\n");
    place.ok(&["run", "--", "cp", "a", "o"]);
    for command in [&["log"][..], &["show", "o"], &["status"]] {
        let answer = limited(&place, command);
        assert_eq!((answer.code, answer.stdout.as_str()), (3, ""), "{command:?}: {answer:?}");
        assert!(answer.stderr.contains("File too large"), "{answer:?}");
        assert!(answer.stderr.contains("hint: make room on the disk"), "{answer:?}");
        assert!(!answer.stderr.contains("rebuilt"), "{answer:?}");
    }
    assert_eq!(place.runs().len(), 1);
}

#[test]
fn what_gc_promises_to_keep_is_missed_by_verify_when_it_is_gone_or_damaged() {
    let place = Place::empty();
    place.write("a", b"1\n");
    place.shell("cat a > m; echo x >> m");
    place.ok(&["register", "mod", "1.0.0", "--artifact", "m=m", "--status", "production"]);
    let faults = || {
        let found = place.run(&["verify", "--json"]);
        let report: serde_json::Value = serde_json::from_str(&found.stdout).unwrap();
        let faults = report["faults"].as_array().unwrap().iter();
        let whats: Vec<String> = faults.map(|fault| fault["what"].as_str().unwrap().to_owned()).collect();
        assert_eq!(found.code, i32::from(!whats.is_empty()), "{report:#}");
        whats
    };
    assert_eq!(faults(), [""; 0]);
    let kept = |bytes: &[u8]| {
        let hex = lineage::model::Digest::of(bytes).hex();
        place.at(&format!(".lineage/objects/{}/{}", &hex[..2], &hex[2..]))
    };
    let whole = fs::read(kept(b"1\nx\n")).unwrap();

    // As long as the file has them, the bytes of the version are there.
    fs::remove_file(kept(b"1\nx\n")).unwrap();
    assert_eq!(faults(), [""; 0]);
    // What a command writes over is kept.
    place.shell("cat a > m; echo y >> m");
    assert_eq!(faults(), [""; 0]);
    fs::remove_file(kept(b"1\nx\n")).unwrap();
    let gone = "not kept, and no recorded file and no commit has these bytes: m of model mod@1.0.0";
    assert_eq!(faults(), [gone]);
    assert!(place.run(&["models", "verify"]).stdout.contains("its bytes are not kept"));

    // A damaged copy is none.
    fs::write(kept(b"1\nx\n"), "garbage").unwrap();
    let damaged = faults();
    assert!(damaged.len() == 1 && damaged[0].ends_with("; needed: m of model mod@1.0.0"), "{damaged:#?}");
    let said = place.run(&["models", "verify"]);
    assert!(said.code == 1 && said.stdout.contains("its bytes are kept damaged"), "{said:?}");
    fs::write(kept(b"1\nx\n"), whole).unwrap();
    assert!(place.run(&["models", "verify"]).stdout.contains("its bytes are kept\n"));
    assert_eq!(faults(), [""; 0]);

    // Without any: the version's, the lists of environments, and what was written over.
    place.write("m", b"by hand\n");
    place.ok(&["restore", "m", "--force"]);
    fs::remove_dir_all(place.at(".lineage/objects")).unwrap();
    let all = faults();
    for wanted in [": m of model mod@1.0.0", ": the environment of run ", ": m, which `restore` wrote over"] {
        assert!(all.iter().any(|what| what.contains(wanted)), "{wanted}: {all:#?}");
    }
    // A version that was withdrawn needs nothing.
    place.ok(&["models", "delete", "mod@1.0.0", "--reason", "old", "--force"]);
    assert!(!faults().iter().any(|what| what.contains("mod@1.0.0")));
}

#[test]
fn a_damaged_copy_of_an_output_is_written_again_and_what_is_kept_already_is_wanted_again() {
    let place = Place::empty();
    place.write("input.txt", b"read\n");
    let kept = |bytes: &[u8]| {
        let hex = lineage::model::Digest::of(bytes).hex();
        place.at(&format!(".lineage/objects/{}/{}", &hex[..2], &hex[2..]))
    };
    let run = || {
        // Nothing lies there that would be kept because it is written over.
        let _ = fs::remove_file(place.at("out.txt"));
        place.shell("cat input.txt > out.txt; echo more >> out.txt");
    };
    run();
    let output = kept(b"read\nmore\n");
    fs::write(&output, "garbage").unwrap();
    run();
    fs::remove_file(place.at("out.txt")).unwrap();
    place.ok(&["restore", "out.txt"]);
    assert_eq!(place.read("out.txt"), b"read\nmore\n");

    // `lineage gc` goes by the times.
    place.age_contents();
    let modified = |path: &Path| path.metadata().unwrap().modified().unwrap();
    let input = kept(b"read\n");
    let was_observed = place.was_observed();
    let before = [modified(&output), modified(&input)];
    run();
    assert!(modified(&output) > before[0]);
    assert!(!was_observed || modified(&input) > before[1]);
}

#[test]
fn what_is_damaged_in_a_copy_that_others_may_have_written_to_is_no_fault() {
    let place = recorded();
    let store = place.at(".lineage/store.redb");
    let mut bytes = fs::read(&store).unwrap();
    let middle = bytes.len() / 8;
    bytes[middle..].fill(0x5a);
    fs::write(&store, bytes).unwrap();
    let of_store = |name: &str| {
        let report = place.json(&["verify"]);
        let found = report[name].as_array().unwrap().iter().filter(|found| found["area"] == "store");
        found.map(|found| found["what"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((of_store("faults").len(), of_store("remarks").len()), (1, 0));
    // Nothing can be locked there.
    let lock = place.at(".lineage/lock");
    let _ = fs::remove_file(&lock);
    fs::create_dir(&lock).unwrap();
    assert_eq!(of_store("faults"), [""; 0]);
    let said = of_store("remarks");
    assert!(
        said.len() == 1 && said[0].contains("it may have been written to while it was copied"),
        "{said:?}"
    );
}
