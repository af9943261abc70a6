//! Somebody outside changes files while the command runs.

use super::super::{Fit, GapSort, HandOut, Reading};
use super::*;

/// How often the command gives a sign of life before somebody outside acts: it takes longer than to find out that a file rests.
const BEATS: u32 = 40;

/// Waits until the command has waited for a while, has `act` done, and lets the command go on.
fn from_outside(root: &Path, act: &dyn Fn(&Path)) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !root.join(format!("beat{BEATS}")).exists() && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    act(root);
    std::fs::write(root.join("go"), "").unwrap();
}

const WAIT: &str = "n=0; while [ ! -e go ]; do n=$((n+1)); mkdir beat$n; sleep 0.01; done";

/// Runs `before`, waits until somebody outside has done `act`, and runs `after`.
fn check_outsider(
    before: &str,
    act: impl Fn(&Path) + Send + Sync + 'static,
    after: &str,
    expected: &str,
) -> Trial {
    let script = format!("{before}\n{WAIT}\n{after}");
    let files = [("f", "of f"), ("h", "of h")];
    let outsider = std::cell::RefCell::new(None);
    let act = std::sync::Arc::new(act);
    let trial = try_with(&files, &["sh", "-c", &script], &|options| {
        let (folder, act) = (options.folder.clone(), act.clone());
        *outsider.borrow_mut() = Some(std::thread::spawn(move || from_outside(&folder, &*act)));
    });
    outsider.take().unwrap().join().unwrap();
    assert_eq!(trial.code(), Some(0), "{script}");
    let classes = trial.files().into_iter().map(|(path, file)| format!("{} {path}", word(file.class)));
    assert_eq!(classes.collect::<Vec<_>>().join(", "), expected, "{script}");
    trial
}

fn overwrites(root: &Path) {
    std::fs::write(root.join("latest"), "of g").unwrap();
}

fn replaces(root: &Path) {
    std::fs::write(root.join("new"), "of g").unwrap();
    std::fs::rename(root.join("new"), root.join("latest")).unwrap();
}

/// Returns what is known of the versions of a file: whether the run wrote them, and their bytes.
fn versions(trial: &Trial, path: &str) -> Vec<(bool, Option<Digest>)> {
    let versions = trial.file(path).versions.iter();
    versions.map(|version| (version.was_written, version.content.map(|content| content.digest))).collect()
}

fn overwritten(trial: &Trial) -> usize {
    trial.observation.gaps.iter().filter(|gap| gap.sort == GapSort::Overwritten).count()
}

#[test]
fn what_somebody_outside_writes_over_an_output_is_none_of_the_run_s() {
    let expected = "input f, intermediate latest, output x";
    let trial = check_outsider("cat f > latest; cat latest > x", overwrites, "true", expected);
    assert_eq!(versions(&trial, "latest"), [(true, None), (false, Some(Digest::of(b"of g")))]);
    assert_eq!(overwritten(&trial), 1);
    let expected = "input f, temporary latest, output x";
    let trial = check_outsider("cat f > latest; cat latest > x", replaces, "true", expected);
    assert_eq!(overwritten(&trial), 1);
}

#[test]
fn what_a_program_that_works_on_has_closed_is_known_to_be_closed() {
    if !has("python3") {
        return;
    }
    // It makes no call that is seen, and hardly any call at all.
    let program = "python3 -c \"import os
open('latest', 'w').write('of f')
os.mkdir('ready')
while not os.path.exists('go'): sum(range(10000))\" &
while [ ! -e ready ]; do sleep 0.01; done";
    let trial = check_outsider(program, overwrites, "wait", "output latest");
    assert_eq!(versions(&trial, "latest"), [(true, None), (false, Some(Digest::of(b"of g")))]);
}

#[test]
fn what_the_run_reads_of_it_afterwards_is_an_input() {
    let expected = "input f, intermediate latest, output x";
    let trial = check_outsider("cat f > latest", overwrites, "cat latest > x", expected);
    assert_eq!(versions(&trial, "latest"), [(true, None), (false, Some(Digest::of(b"of g")))]);
    let reads = trial.observation.processes.iter().flat_map(|process| &process.accesses);
    let latest = trial.observation.files.iter().position(|file| file.path.ends_with("latest"));
    let read: Vec<usize> = reads
        .filter(|access| Some(access.file) == latest && access.read_us.is_some())
        .map(|access| access.version)
        .collect();
    assert_eq!(read, [1]);
}

#[test]
fn what_the_run_adds_to_it_afterwards_is_an_output_with_an_input() {
    let expected = "input f, input h, output latest";
    let trial = check_outsider("cat f > latest", overwrites, "cat h >> latest", expected);
    let bytes = [(true, None), (false, Some(Digest::of(b"of g"))), (true, Some(Digest::of(b"of gof h")))];
    assert_eq!(versions(&trial, "latest"), bytes);
}

#[test]
fn what_a_process_of_the_run_may_have_changed_is_the_run_s() {
    // Held open by the one that opened it, by a fork of it, by an orphan, by a map.
    let mut holders = vec![
        "exec 3> latest",
        "{ while [ ! -e go ]; do sleep 0.01; done; } > latest &",
        "sh -c 'exec 3> latest; (while [ ! -e go ]; do sleep 0.01; done) &'",
    ];
    if has("python3") {
        holders.push(
            "python3 -c \"import mmap, os, time
open('latest', 'w').write('of f')
held = mmap.mmap(os.open('latest', os.O_RDWR), 4)
os.closerange(3, 20)
os.mkdir('ready')
while not os.path.exists('go'): time.sleep(0.01)\" &
while [ ! -e ready ]; do sleep 0.01; done",
        );
    }
    for before in holders {
        let trial = check_outsider(before, overwrites, "wait", "output latest");
        assert_eq!(versions(&trial, "latest"), [(true, Some(Digest::of(b"of g")))], "{before}");
        assert_eq!(overwritten(&trial), 0, "{before}");
    }
}

#[test]
fn what_is_written_into_a_map_after_the_file_was_closed_is_the_run_s() {
    if !has("python3") {
        return;
    }
    let program = "python3 -c \"import mmap, os, time
open('latest', 'w').write('of f')
held = mmap.mmap(os.open('latest', os.O_RDWR), 4)
os.closerange(3, 20)
os.mkdir('ready')
while not os.path.exists('go'): time.sleep(0.01)
held[:] = b'of m'\" &
while [ ! -e ready ]; do sleep 0.01; done";
    let trial = check_outsider(program, |_| {}, "wait", "output latest");
    assert_eq!(versions(&trial, "latest"), [(true, Some(Digest::of(b"of m")))]);
    assert_eq!(overwritten(&trial), 0);
}

#[test]
fn times_that_the_run_sets_are_no_change_from_outside() {
    if !has("python3") {
        return;
    }
    for times in ["None", "(2e9, 2e9)", "(1e9, 1e9)"] {
        let after = format!("python3 -c 'import os; os.utime(\"latest\", {times})'");
        let trial = check_outsider("cat f > latest", |_| {}, &after, "input f, output latest");
        assert_eq!(versions(&trial, "latest"), [(true, Some(Digest::of(b"of f")))], "{times}");
        assert_eq!(overwritten(&trial), 0);
    }
}

#[test]
fn what_somebody_outside_changes_between_two_readings_has_a_version_for_each() {
    let act = |root: &Path| std::fs::write(root.join("h"), "changed").unwrap();
    let trial = check_outsider("cat h > x", act, "cat h > y", "input h, output x, output y");
    let known = versions(&trial, "h");
    // Where nobody was quick enough to hash what was read first, that is said.
    let first = known[0].1;
    assert_eq!(known, [(false, first), (false, Some(Digest::of(b"changed")))]);
    assert_eq!(first.unwrap_or(Digest::of(b"of h")), Digest::of(b"of h"));
    assert_eq!(overwritten(&trial), usize::from(first.is_none()));
    let h = trial.observation.files.iter().position(|file| file.path.ends_with("h"));
    let accesses = trial.observation.processes.iter().flat_map(|process| &process.accesses);
    let read = accesses.filter(|access| Some(access.file) == h).map(|access| (access.version, access.fit));
    assert_eq!(read.collect::<Vec<_>>(), [(0, Fit::Same), (1, Fit::Same)]);
}

#[test]
fn what_somebody_outside_adds_to_a_file_that_is_still_open_may_have_been_read() {
    let adds = |root: &Path| std::fs::write(root.join("h"), "of h\nmore\n").unwrap();
    let trial =
        check_outsider("exec 3< h; read x <&3", adds, "read y <&3; echo $x $y > o", "input h, output o");
    let h = trial.observation.files.iter().position(|file| file.path.ends_with("h"));
    let accesses = trial.observation.processes.iter().flat_map(|process| &process.accesses);
    let read = accesses.filter(|access| Some(access.file) == h);
    let read: Vec<_> = read.map(|access| (access.version, access.fit, access.reading)).collect();
    assert_eq!(read, [(0, Fit::Changed, Reading::Opened), (1, Fit::Likely, Reading::KeptOpen)]);
}

#[test]
fn what_somebody_outside_gives_and_the_run_takes_away_is_an_input() {
    let gives = |root: &Path| std::fs::write(root.join("job"), "a job").unwrap();
    let given = [(false, Some(Digest::of(b"a job")))];
    let trial = check_outsider("true", gives, "cat job > o; rm job", "deleted job, output o");
    assert_eq!(versions(&trial, "job"), given);
    let trial =
        check_outsider("true", gives, "cat job > o; mv job done", "output done, deleted job, output o");
    assert_eq!(versions(&trial, "job"), given);
    assert_eq!(versions(&trial, "done"), [(true, Some(Digest::of(b"a job")))]);
    let trial = check_outsider(
        "true",
        gives,
        "cp job o; echo x > t; mv t job; rm job",
        "deleted job, output o, temporary t",
    );
    assert_eq!(versions(&trial, "job")[0], given[0]);
}

#[test]
fn what_replaces_a_file_that_somebody_outside_has_just_made_is_an_output() {
    let expected = "input f, output latest, temporary t";
    let trial = check_outsider("true", overwrites, "cat f > t; mv t latest", expected);
    assert_eq!(versions(&trial, "latest").last(), Some(&(true, Some(Digest::of(b"of f")))));
}

#[test]
fn what_somebody_outside_takes_away_is_said_to_be_lost() {
    let takes = |root: &Path| std::fs::rename(root.join("latest"), root.join("taken")).unwrap();
    let trial = check_outsider("cat f > latest", takes, "true", "input f");
    assert_eq!(overwritten(&trial), 1);
}

#[test]
fn what_was_read_is_handed_out_before_somebody_outside_replaces_it() {
    let script = "cat f > o; until [ -e taken ]; do sleep 0.01; done";
    let trial = try_with(&[("f", "of f"), ("new", "of g")], &["sh", "-c", script], &|options| {
        options.hand_out = Some(&HandOut {
            wants: &|path, size_bytes, known| path.ends_with("f") && size_bytes == 4 && known.is_none(),
            take: &|path, digest, bytes| {
                assert_eq!((bytes.as_slice(), *digest), (&b"of f"[..], Digest::of(b"of f")));
                std::fs::rename(path.with_file_name("new"), path).unwrap();
                std::fs::write(path.with_file_name("taken"), "").unwrap();
            },
        });
    });
    assert_eq!(trial.code(), Some(0));
    assert_eq!(versions(&trial, "f")[0], (false, Some(Digest::of(b"of f"))));
}
