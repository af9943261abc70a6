//! `lineage import`: files from before.

mod common;

use common::Place;
use common::machine::{Lack, skipped};

#[test]
fn files_from_before_have_an_origin_that_is_declared() {
    let Some(place) = Place::new() else { return };
    let place = place.with_real_clock();
    place.write("old/model.bin", b"weights");
    place.write("old/deep/a.csv", b"1,2");
    place.write("old/skip.log", b"x");
    place.write(".lineageignore", b"*.log\n");
    let answer = place.ok(&[
        "import",
        "old",
        "--generated-by",
        "wget https://me:hunter2@example.org/model.bin",
        "--run-name",
        "legacy",
        "--at",
        "2024-01-02 03:04",
    ]);
    assert!(answer.stdout.starts_with("2 files, 10 bytes, recorded as run "), "{}", answer.stdout);
    assert!(answer.stdout.contains("1 file or folder left out by `.lineageignore`"), "{}", answer.stdout);
    let shown = place.json(&["show", "old/model.bin"]);
    let run = &shown["runs"][0];
    assert_eq!((&run["kind"], &run["name"]), (&"import".into(), &"legacy".into()));
    assert_eq!(run["parameters"][0]["value"], "wget https://me:***@example.org/model.bin");
    let edge = &run["steps"][0]["generated"][0];
    assert_eq!((&edge["evidence"], &edge["at"]), (&"declared".into(), &"2024-01-02T03:04:00.000000Z".into()));
    assert_eq!(run["code"]["commit"], serde_json::Value::Null, "the code of now did not make them");
    assert!(place.ok(&["verify"]).stderr.is_empty());
}

#[test]
fn the_same_import_again_records_nothing_new_and_says_so() {
    let Some(place) = Place::new() else { return };
    let place = place.with_real_clock();
    place.write("d/a", b"1");
    place.write("d/b", b"2");
    place.ok(&["import", "d"]);
    let again = place.ok(&["import", "d"]);
    assert_eq!(again.stdout, "nothing new\n2 files are recorded already, with the same bytes\n");
    assert_eq!(place.runs().len(), 1);
    place.write("d/b", b"3");
    let answer = place.json(&["import", "d", "d/a"]);
    assert_eq!(answer["artifacts"].as_array().unwrap().len(), 1);
    assert_eq!(answer["artifacts"][0]["path"], "d/b");
    assert_eq!(answer["known"], 1);
}

#[test]
fn what_a_run_read_before_the_import_leads_to_it() {
    let Some(place) = Place::new() else { return };
    let place = place.with_real_clock();
    place.write("in.csv", b"1,2\n");
    place.shell("cat in.csv > out.csv");
    place.ok(&["import", "in.csv", "--generated-by", "a colleague"]);
    let shown = place.json(&["show", "out.csv"]);
    if shown["runs"][0]["observed_by"] != "net" {
        skipped(Lack::Net, "commands cannot be observed on this machine");
        return;
    }
    assert_eq!(shown["runs"][1]["kind"], "import");
    assert_eq!(shown["sources"].as_array().unwrap().len(), 0);
}

#[test]
fn what_cannot_be_imported_is_refused() {
    let Some(place) = Place::new() else { return };
    place.write("a", b"1");
    for (arguments, expected) in [
        (&["import", "nope"][..], "cannot read `nope`"),
        (&["import", ""], "a value is required"),
        (&["import", "a", "--at", "yesterday"], "`yesterday` is no time"),
        (&["import", "a", "--at", "2999-01-01"], "lies in the future"),
        (&["import", "/dev/null"], "`/dev/null` is neither a file nor a folder"),
    ] {
        let answer = place.run(arguments);
        assert_eq!(answer.code, 2, "{arguments:?}: {answer:?}");
        assert!(answer.stderr.contains(expected), "{arguments:?}: {}", answer.stderr);
    }
    assert_eq!(place.runs().len(), 0);
}

#[test]
#[cfg(unix)]
fn folders_are_walked_without_losing_the_way() {
    use std::os::unix::ffi::OsStrExt as _;
    let Some(place) = Place::new() else { return };
    let place = place.with_real_clock();
    place.write("d/line\nbreak", b"1");
    std::fs::write(place.at("d").join(std::ffi::OsStr::from_bytes(b"bad\xff")), b"2").unwrap();
    std::os::unix::fs::symlink("..", place.at("d/loop")).unwrap();
    std::os::unix::fs::symlink("nowhere", place.at("d/dangling")).unwrap();
    std::os::unix::fs::symlink("line\nbreak", place.at("d/link")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(place.at("d/pipe")).status().unwrap().success());
    place.write("d/__pycache__/x.pyc", b"3");
    let answer = place.json(&["import", "d"]);
    let paths: Vec<&str> =
        answer["artifacts"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    // Where the link leads to is recorded as it lies there.
    assert_eq!(paths, ["d/bad\\xff", "d/line\nbreak"]);
    assert_eq!(answer["passed_over"], 4);
}
