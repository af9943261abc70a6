//! Questions in the words that come to mind first: what is printed can be given back, and no answer says what was meant.

mod common;

use common::Place;
use serde_json::{Value, json};

fn runs(place: &Place, filter: &str) -> usize {
    place.json(&["log", "--where", filter])["runs"].as_array().unwrap().len()
}

fn models(place: &Place, filter: &str) -> Vec<String> {
    let answer = place.json(&["models", "--where", filter]);
    let label = |model: &Value| model["label"].as_str().unwrap().to_owned();
    answer["models"].as_array().unwrap_or_else(|| panic!("{answer:#}")).iter().map(label).collect()
}

fn measured(place: &Place, value: &str) {
    let write = format!("echo '{{\"m\": {value}}}' > metrics.json");
    place.ok(&["run", "-q", "--name", "train", "--", "sh", "-c", &write]);
}

#[test]
fn a_number_is_printed_so_that_it_can_be_asked_for() {
    let place = Place::empty();
    place.ok(&["init"]);
    for value in ["0.30000000000000004", "1e-7", "123456789.5"] {
        measured(&place, value);
    }
    let table = place.ok(&["log", "--columns", "m"]).stdout;
    let shown: Vec<&str> =
        table.lines().skip(1).map(|line| line.split_whitespace().last().unwrap()).collect();
    assert_eq!(shown.len(), 3, "{table}");
    for value in shown {
        assert_eq!(runs(&place, &format!("m = {value}")), 1, "{value}");
    }
    let answer = place.run(&["log", "--where", "m = 0.3"]);
    assert_eq!(answer.stdout, "no run answers\n");
    let hint = "hint: no `m` is exactly 0.3; the nearest is 0.30000000000000004";
    assert!(answer.stderr.contains(hint), "{answer:#?}");
    let answer = place.run(&["log", "--where", "name ~ \"ra.*\""]);
    assert!(answer.stderr.contains("`~ \"*ra*\"` finds those that hold `ra`"), "{answer:#?}");
    assert_eq!(runs(&place, "name ~ \"*ra*\""), 3);
}

#[test]
fn large_whole_numbers_are_compared_as_such() {
    let place = Place::empty();
    place.ok(&["init"]);
    let (even, odd) = ("big=9007199254740992", "big=9007199254740993");
    for parameter in [even, odd] {
        place.ok(&["run", "-q", "--param", parameter, "--", "true"]);
    }
    for (filter, expected) in [
        ("param.big = 9007199254740992", 1),
        ("param.big = 9007199254740993", 1),
        ("param.big = 9007199254740994", 0),
        ("param.big < 9007199254740993", 1),
        ("param.big <= 9007199254740993", 2),
        ("param.big > 9007199254740992", 1),
        ("param.big >= 9007199254740993", 1),
        ("param.big != 9007199254740993", 1),
        ("param.big > 9007199254740991", 2),
        ("param.big in (9007199254740992, 7)", 1),
    ] {
        assert_eq!(runs(&place, filter), expected, "{filter}");
    }
}

#[test]
fn what_a_metric_of_a_version_came_to_is_asked_of_the_run_that_measured_it() {
    let place = Place::empty();
    place.ok(&["init"]);
    let train = "echo x > m; for n in 1 2 3; do lineage metric loss $((4 - n)) --step $n; done";
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_lineage")).parent().unwrap();
    let path = format!("PATH={}:$PATH; {train}", program.display());
    place.shell(&path);
    place.ok(&["register", "x", "1.0.0", "--artifact", "model=m"]);
    place.ok(&["register", "y", "1.0.0", "--artifact", "model=m", "--metric", "loss=0.5"]);
    for filter in ["max(loss) = 3", "min(loss) = 1", "first(loss) = 3", "count(loss) = 3"] {
        assert_eq!(runs(&place, filter), 1, "{filter}");
        assert_eq!(models(&place, filter), ["x@1.0.0", "y@1.0.0"], "{filter}");
    }
    assert_eq!(models(&place, "max(loss) = 1"), [""; 0]);
    assert_eq!(models(&place, "loss = 1"), ["x@1.0.0"]);
    assert_eq!(models(&place, "loss = 0.5"), ["y@1.0.0"]);
}

#[test]
fn what_is_not_recorded_is_an_answer_and_what_is_not_there_a_wrong_request() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write("there", b"1\n");
    for command in ["show", "log"] {
        assert_eq!(place.run(&[command, "there"]).code, 1, "{command}");
        assert_eq!(place.run(&[command, "not_there"]).code, 2, "{command}");
    }
}

#[test]
fn the_latest_run_is_compared_with_the_one_before() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.ok(&["run", "-q", "--param", "lr=1", "--", "sh", "-c", "echo 1 > m"]);
    place.ok(&["run", "-q", "--param", "lr=2", "--", "sh", "-c", "echo 2 > m"]);
    let both = place.run(&["diff", "@-", "@"]);
    let latest = place.run(&["diff", "@"]);
    assert_eq!((latest.code, &latest.stdout), (1, &both.stdout));
    let same = place.run(&["diff", "@", "@"]);
    assert_eq!(same.code, 0);
    assert!(same.stderr.contains("note: both are run"), "{same:#?}");
}

#[test]
fn two_versions_of_a_file_are_told_apart_in_a_picture() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.shell("echo 1 > d");
    place.shell("cat d d > t; cat t > d");
    for format in ["dot", "mermaid"] {
        let picture = place.ok(&["show", "d", "--format", format]).stdout;
        let label = |line: &&str| line.trim_start().starts_with('f') && line.contains("d (blake3:");
        assert_eq!(picture.lines().filter(label).count(), 2, "{picture}");
    }
}

#[test]
fn of_what_a_run_at_work_writes_it_is_said_that_it_is_known_at_its_end() {
    let place = Place::empty().with_real_clock();
    place.ok(&["init"]);
    place.write("before", b"before\n");
    let script =
        "echo some bytes > ck; until [ -e stop ]; do sleep 0.02; done; echo '{\"f1\": 0.9}' > metrics.json";
    let mut running =
        place.command(&["run", "-q", "--name", "live", "--", "sh", "-c", script]).spawn().unwrap();
    while !place.at("ck").exists() {
        std::thread::yield_now();
    }
    // The first half second nothing is written down of it.
    let of_ck = place.run(&["show", "ck"]);
    match of_ck.code {
        0 => assert!(of_ck.stdout.contains("so far") && of_ck.stdout.contains("live"), "{of_ck:?}"),
        _ => {
            assert!(of_ck.stderr.contains("run `live` (") && of_ck.stderr.contains("is at work"), "{of_ck:?}")
        }
    }
    let before = place.run(&["show", "before"]);
    assert!(
        before.code == 1 && !before.stderr.contains("at work"),
        "it lay there when the run began: {before:?}"
    );
    let (code, text) = place.refused(&["register", "m", "1.0.0", "--artifact", "model=ck"]);
    assert!(code == 2 && text.contains("`ck` may be of run `live` (") && text.contains("--run "), "{text}");
    let (_, text) = place.refused(&["show", "nothing@live"]);
    assert!(text.contains("run `live` neither wrote nor read a file `nothing`"), "{text}");
    let (code, text) = place.refused(&["diff", "live"]);
    assert!(code == 2 && text.contains("there are not 2 runs"), "{text}");
    let of_run = place.ok(&["show", "live"]).stdout;
    assert!(
        of_run.contains("  files    known when the run ends") || of_run.contains("  files    so far, until ")
    );
    place.write("stop", b"");
    assert!(running.wait().unwrap().success());
    if place.was_observed() {
        place.ok(&["register", "m", "1.0.0", "--artifact", "model=ck"]);
        assert_eq!(place.json(&["models", "-w", "f1 > 0.5"])["models"][0]["name"], "m");
    }
}

#[test]
fn a_file_that_lay_there_before_the_run_began_is_no_copy_of_what_it_wrote() {
    let place = Place::empty().with_real_clock();
    place.ok(&["init"]);
    place.write("old", b"the same line\n");
    place.write("empty", b"");
    place.shell("echo the same line > written; : > nothing");
    if !place.was_observed() {
        return;
    }
    let old = place.run(&["show", "old"]);
    assert_eq!(old.code, 1, "{old:?}");
    assert!(old.stderr.contains("nothing is recorded of `old`"), "{old:?}");
    assert!(
        old.stderr.contains("`written` has the same bytes, and was written by a run that began after"),
        "{old:?}"
    );
    let empty = place.run(&["show", "empty"]);
    assert!(
        empty.code == 1 && empty.stderr.contains("no recorded step read or wrote this file"),
        "{empty:?}"
    );
    // A copy that was made since is one, of the version that was there by then.
    std::fs::copy(place.at("written"), place.at("copy")).unwrap();
    let first = place.runs()[0]["id"].clone();
    place.shell("echo the same line > written");
    let copy = place.json(&["show", "copy"]);
    assert_eq!((&copy["artifact"]["path"], &copy["written"]["run"]), (&"written".into(), &first), "{copy:#}");
    // What a repetition wrote in its copy is not what its bytes are known by.
    place.ok(&["rerun", "@"]);
    let digest = copy["artifact"]["digest"].as_str().unwrap();
    assert_eq!(place.json(&["show", digest])["artifact"]["path"], "written");
}

#[test]
fn what_was_printed_and_is_typed_in_another_folder_is_led_on() {
    let place = Place::empty();
    place.ok(&["init"]);
    for (name, file) in [("one", "models/a"), ("two", "models/b")] {
        place.write("in", name.as_bytes());
        let copy = format!("mkdir -p models; cp in {file}");
        place.ok(&["run", "-q", "--name", name, "--", "sh", "-c", &copy]);
    }
    std::fs::create_dir_all(place.at("sub/deep")).unwrap();
    let output = place.command(&["show", "models/a"]).current_dir(place.at("sub/deep")).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("from here it is `../../models/a`"), "{text}");
    let (_, text) = place.refused(&["show", "models"]);
    assert!(text.contains("run `two` (") && text.contains("run `one` ("), "{text}");
    let digest = place.json(&["show", "models/a"])["artifact"]["digest"].as_str().unwrap().to_owned();
    let (_, text) = place.refused(&["show", &digest[7..19]]);
    assert!(text.contains(&format!("`{}` is the content of a file", &digest[..19])), "{text}");
}

#[test]
fn a_program_that_crashed_has_failed_and_one_that_was_ended_is_interrupted() {
    let place = Place::empty();
    place.ok(&["init"]);
    for (signal, status) in [
        ("ABRT", "failed"),
        ("SEGV", "failed"),
        ("PIPE", "failed"),
        ("TERM", "interrupted"),
        ("KILL", "interrupted"),
    ] {
        place.run(&["run", "-q", "--", "sh", "-c", &format!("ulimit -c 0; kill -{signal} $$")]);
        assert_eq!(place.runs()[0]["status"], status, "{signal}");
    }
    assert_eq!(runs(&place, "status = failed"), 3);
}

#[test]
fn runs_whose_curves_differ_are_not_equal_because_the_last_values_are() {
    let place = Place::empty();
    place.ok(&["init"]);
    let program = env!("CARGO_BIN_EXE_lineage");
    let script = format!(
        "while read step loss; do {program} metric loss $loss --step $step; done < x; {program} metric f1 0.5"
    );
    place.write("t.sh", script.as_bytes());
    for losses in ["1 0.3\n2 0.1\n", "1 0.2\n2 0.1\n"] {
        place.write("x", losses.as_bytes());
        place.ok(&["run", "-q", "--", "sh", "t.sh"]);
    }
    let compared = place.run(&["diff"]);
    assert_eq!(compared.code, 1);
    let words: Vec<&str> = compared.stdout.split_whitespace().collect();
    let line =
        "metrics 1 equal, 1 differ loss 0.1, the last of both curves differ first at step 1: 0.3 -> 0.2";
    assert!(words.join(" ").contains(line), "{}", compared.stdout);
    let json = place.json(&["diff"]);
    let parting = json!({"point": 1, "step": 1, "a": 0.3, "b": 0.2});
    assert_eq!(json["metrics"][0]["parting"], parting, "{json}");
    assert_eq!(json["metrics_same"], 1);
}

#[test]
fn a_version_of_a_model_is_the_same_to_all_who_are_asked_for_it() {
    let place = Place::empty();
    place.ok(&["init"]);
    // The run that wrote other bytes to `m` is called as the version.
    place.ok(&["run", "-q", "--name", "1.0.0", "--", "sh", "-c", "echo 1 > m"]);
    place.ok(&["run", "-q", "--name", "other", "--", "sh", "-c", "echo 2 > m; echo 3 > n"]);
    place.ok(&["register", "m", "1.0.0", "--artifact", "m=m"]);
    let shown = place.json(&["show", "m@1.0.0"]);
    assert_eq!(shown["model"]["label"], "m@1.0.0", "{shown}");
    assert_eq!(place.ok(&["cat", "m@1.0.0"]).stdout, "2\n");
    place.ok(&["restore", "m@1.0.0", "--to", "r"]);
    assert_eq!(place.read("r/m"), b"2\n");
    // Another file of a run of that name is none of a model.
    assert_eq!(place.ok(&["cat", "m@other"]).stdout, "2\n");
    // Several files are no one file, and none is said to be none.
    place.ok(&["register", "m", "1.1.0", "--run", "other", "--artifact", "m=m", "--artifact", "n=n"]);
    let (code, said) = place.refused(&["cat", "m@1.1.0"]);
    assert_eq!((code, said.lines().next()), (2, Some("error: `m@1.1.0` has 2 files")));
    let registered = place.ok(&["register", "m", "1.2.0", "--run", "other"]);
    assert!(registered.stderr.contains("note: it has no files, and run "), "{}", registered.stderr);
    for command in ["restore", "cat"] {
        let (code, said) = place.refused(&[command, "m@1.2.0"]);
        assert_eq!(code, 2);
        assert!(said.starts_with("error: `m@1.2.0` has no files: none was registered with it"), "{said}");
        let (_, said) = place.refused(&[command, "m@1.9.0"]);
        assert!(said.starts_with("error: `m` has no version 1.9.0"), "{said}");
    }
}

#[test]
fn a_pipe_beside_outputs_is_no_file_that_nobody_recorded() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.shell("mkdir out; echo 1 > out/a; mkfifo out/pipe");
    assert_eq!(place.status().0, 0);
    place.write("out/b", b"2");
    let (code, status) = place.status();
    assert_eq!((code, common::paths(&status["unknown"])), (1, vec!["out/b"]));
}

#[test]
fn points_are_written_to_a_table_as_short_as_they_can_be() {
    let place = Place::empty();
    place.ok(&["init"]);
    measured(&place, "1e-300");
    let lines = place.ok(&["metrics", "@", "--csv"]).stdout;
    assert!(lines.ends_with(",1e-300\n"), "{lines}");
}
