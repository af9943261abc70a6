//! Honest bytes: what is said of contents holds whatever happens to them.

use super::*;
use crate::capture::observe::{Fit, Reading, StoodFor};

/// How `cat` read the versions of `source`, where `a` and `b` stand for it, and only `a` is as it was made.
fn readings(script: &str) -> Vec<(Reading, Fit)> {
    fn stands_for(path: &Path) -> Option<StoodFor> {
        let name = path.file_name()?.to_str()?;
        let stands = (name == "a" || name == "b").then(|| path.with_file_name("source"));
        stands.map(|path| StoodFor { path, is_as_made: name == "a" })
    }
    let files = &[("source", "1"), ("a", "2"), ("b", "3"), ("c", "4")];
    let trial = try_with(files, &["sh", "-c", script], &|options| options.stands_for = &stands_for);
    trial.check_bytes();
    let cats = trial.observation.processes.iter().filter(|process| process.exe.ends_with("cat"));
    let accesses = cats.flat_map(|process| &process.accesses);
    accesses
        .filter(|access| trial.observation.files[access.file].path.ends_with("source"))
        .map(|access| (access.reading, access.fit))
        .collect()
}

#[test]
fn a_file_is_read_with_those_that_stand_for_it() {
    use Reading::{DoubtfulStandIn, Opened, StandIn};
    assert_eq!(readings("cat c"), []);
    assert_eq!(readings("cat a"), [(StandIn, Fit::Same)]);
    assert_eq!(readings("cat b c"), [(DoubtfulStandIn, Fit::Same)]);
    assert_eq!(readings("cat b a"), [(StandIn, Fit::Same)]);
    for both in ["cat b source", "cat source b", "cat a source"] {
        assert_eq!(readings(both), [(Opened, Fit::Same)], "{both}");
    }
    assert_eq!(readings("cat a; cat b"), [(StandIn, Fit::Same), (DoubtfulStandIn, Fit::Same)]);
    // What stands for it is written, not read.
    assert_eq!(readings("cat c > a"), []);
    // The version of then, and a source that is gone.
    assert_eq!(readings("cat a; echo new > source; cat a"), [(StandIn, Fit::Same); 2]);
    assert_eq!(readings("mv source d; cat a"), []);
}

/// The name of a file, and its first and its last bytes as far as they are known.
type FirstAndLast = (String, Option<Digest>, Option<Digest>);

/// Runs a script that waits for no file of more than three bytes to be read; returns what is known of the first and the last bytes of
/// each file, and what was said.
fn left_unread(script: &str) -> (Vec<FirstAndLast>, Vec<String>) {
    let files = &[("a", "1234"), ("b", "123")];
    let trial = try_with(files, &["sh", "-c", script], &|options| options.waited_for_max_bytes = 3);
    assert_eq!(trial.observation.exit, Exit::Code(0), "{script}");
    let digest = |version: Option<&super::super::Version>| Some(version?.content?.digest);
    let known = |(path, file): (String, &File)| (path, digest(file.before()), digest(file.after()));
    let (root, gaps) = (trial.root().display().to_string(), trial.observation.gaps.iter());
    let first_words =
        |text: &str| text.replace(&format!("{root}/"), "").split(':').next().unwrap().to_owned();
    let known = trial.files().into_iter().map(known).collect();
    (known, gaps.map(|gap| first_words(&gap.text)).collect())
}

#[test]
fn what_is_too_large_to_be_waited_for_is_written_over_and_removed_unread_and_that_is_said() {
    let (large, small, new) = (Digest::of(b"1234"), Digest::of(b"123"), Digest::of(b"x\n"));
    let file = |name: &str, before, after| (name.to_owned(), before, after);
    let said = |text: &str| vec![text.to_owned()];
    let gone = said("`a` was written over or removed");
    assert_eq!(
        left_unread("cat a; rm a b"),
        (vec![file("a", None, None), file("b", Some(small), None)], gone.clone())
    );
    assert_eq!(left_unread("rm a"), (vec![file("a", None, None)], gone.clone()));
    assert_eq!(left_unread("echo x > a"), (vec![file("a", None, Some(new))], gone.clone()));
    let moved = vec![file("a", None, Some(new)), file("c", None, None)];
    assert_eq!(left_unread("echo x > c; mv c a"), (moved, gone));
    // What stands as it stood can be read when nobody waits for it.
    assert_eq!(left_unread(": <> a"), (vec![file("a", Some(large), Some(large))], vec![]));
    // It was the run's own in between, and somebody else has read it.
    let (known, said) = left_unread("cp a c; cat c > d; echo x > c");
    assert_eq!(known.iter().find(|(name, ..)| name == "c"), Some(&file("c", None, Some(new))));
    assert_eq!(said, ["`c` was written over or removed"]);
}

#[test]
fn bytes_about_to_be_destroyed_are_handed_out() {
    let script = "echo new > a; rm b; mv c d; echo more >> e";
    let files = &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4"), ("e", "5")];
    let trial = check(files, script, "output a, deleted b, deleted c, output d, updated e").unwrap();
    let kept: Vec<(String, String)> = trial
        .kept
        .iter()
        .map(|(path, bytes)| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, String::from_utf8(bytes.clone()).unwrap())
        })
        .collect();
    let expected =
        [("a", "1"), ("b", "2"), ("d", "4"), ("e", "5")].map(|(a, b)| (a.to_string(), b.to_string()));
    assert_eq!(kept, expected);
}

#[test]
fn a_large_pre_image_is_hashed_but_not_handed_out() {
    let large = "0123456789abcdef".repeat(1 << 18);
    let trial = check(&[("a", &large), ("b", &large)], "echo x > a; mv b a", "output a, deleted b").unwrap();
    assert!(trial.kept.is_empty());
    let before = trial.file("a").before().unwrap();
    assert_eq!(before.evidence, Evidence::PreImage);
    assert_eq!(before.content.unwrap().size_bytes, large.len() as u64);
}

#[test]
fn an_output_written_by_two_processes_is_one_version() {
    let trial = check(
        &[],
        "echo a > log; cat /dev/null >> log; cp /dev/null x; echo b >> log",
        "output log, output x",
    );
    assert_eq!(trial.unwrap().file("log").versions.len(), 1);
}

#[test]
fn files_that_are_not_wanted_are_told_by_their_stamp() {
    let trial = try_with(&[("a", "old")], &["cp", "a", "b"], &|options| options.is_wanted = &|_| false);
    assert_eq!(trial.file("a").versions[0].evidence, Evidence::StampOnly);
    assert!(trial.file("b").versions[0].stamp.is_some());
}

#[test]
fn a_digest_that_is_known_is_not_computed_again() {
    let trial = try_with(&[("a", "old")], &["cp", "a", "b"], &|options| {
        options.known_digest = &|stamp| (stamp.size_bytes == 3).then_some(Digest([7; 32]));
    });
    let version = &trial.file("a").versions[0];
    assert_eq!((version.evidence, version.content.unwrap().digest), (Evidence::Known, Digest([7; 32])));
}

#[test]
fn each_reader_of_a_file_that_is_written_on_reads_the_version_of_its_time() {
    // The first reader sees one line, the second two; the writer keeps the file open.
    let script = "exec 3> log; echo one >&3; cat log > a; echo two >&3; cat log > b";
    let trial = check(&[], script, "output a, output b, intermediate log").unwrap();
    let read: Vec<(usize, super::super::Fit)> = trial
        .observation
        .processes
        .iter()
        .filter(|process| process.exe.ends_with("cat"))
        .flat_map(|process| &process.accesses)
        .filter(|access| {
            trial.observation.files[access.file].path.ends_with("log") && access.read_us.is_some()
        })
        .map(|access| (access.version, access.fit))
        .collect();
    assert_eq!(read, [(0, super::super::Fit::Same), (1, super::super::Fit::Same)]);
    let digests: Vec<_> =
        trial.file("log").versions.iter().map(|version| version.content.unwrap().digest).collect();
    assert_eq!(digests, [Digest::of(b"one\n"), Digest::of(b"one\ntwo\n")]);
}

#[test]
fn a_program_that_reads_what_was_replaced_reads_the_replacement() {
    let script = "cat a > b; cp c tmp; mv tmp a; cat a > d";
    let trial =
        check(&[("a", "1"), ("c", "2")], script, "updated a, output b, input c, output d, temporary tmp")
            .unwrap();
    let reads: Vec<usize> = trial
        .observation
        .processes
        .iter()
        .filter(|process| process.exe.ends_with("cat"))
        .flat_map(|process| &process.accesses)
        .filter(|access| trial.observation.files[access.file].path.ends_with("a"))
        .map(|access| access.version)
        .collect();
    assert_eq!(reads, [0, 1]);
    assert_eq!(trial.file("a").versions[1].content.unwrap().digest, Digest::of(b"2"));
}

#[test]
fn a_thousand_files_and_opens_are_one_line_each() {
    let script = "i=0; while [ $i -lt 1000 ]; do read x < a; echo $i > out$i; i=$((i+1)); done";
    let trial = try_with(&[("a", "1\n")], &["sh", "-c", script], &|_| {});
    assert_eq!(trial.files().len(), 1001);
    assert_eq!(trial.observation.processes.len(), 1);
    trial.check_bytes();
}
