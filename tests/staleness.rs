//! What is out of date, and what is gone, told of files that observed commands made: `lineage status` as its users meet it.

mod common;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use common::machine::{Lack, skipped};
use common::{Place, paths, python_with};
use serde_json::Value;

/// Runs a command, observed; `false` where nothing can be observed here.
fn run(place: &Place, command: &[&str]) -> bool {
    place.ok(&[&["run", "-q", "--"], command].concat());
    place.was_observed()
}

#[test]
fn a_table_that_each_training_adds_a_line_to_makes_no_earlier_model_stale() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write("data", b"1\n");
    // The shell reads and writes all of it itself, as a program of one process does.
    let lines = [
        "if [ -e table ]; then read -r line < table; fi",
        "echo \"$line $1\" > table",
        "read -r data < data",
        "echo \"$data\" > \"model$1\"",
    ];
    place.write("train.sh", lines.join("\n").as_bytes());
    for number in ["1", "2", "3"] {
        if !run(&place, &["sh", "train.sh", number]) {
            return;
        }
    }
    let (code, report) = place.status();
    assert_eq!((code, &report["clean"]), (0, &Value::Bool(true)), "{report:#}");
    assert_eq!(paths(&report["older"]), ["model2"]);
    let text = place.ok(&["status"]).stdout;
    assert!(text.contains(", 1 of earlier runs of commands that have gone on since"), "{text}");

    // What another command makes of the table is as old as that.
    run(&place, &["sh", "-c", "cat table > plot"]);
    run(&place, &["sh", "train.sh", "4"]);
    let (code, report) = place.status();
    assert_eq!((code, paths(&report["stale"])), (1, vec!["plot"]), "{report:#}");
    // Another command that writes there makes stale what was made from it; what was only carried on is told apart.
    run(&place, &["sh", "-c", "read -r line < table; echo cleaned $line > table"]);
    let (_, report) = place.status();
    assert_eq!(paths(&report["stale"]), ["plot"]);
    assert_eq!(paths(&report["carried"]), ["model2", "model3", "model4"]);
}

#[test]
fn a_nightly_job_with_other_words_each_night_makes_no_earlier_report_stale() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write("night.sh", b"echo \"$1,1\" >> table\nsort table > \"report_$1\"\n");
    for night in ["1", "2", "3"] {
        if !run(&place, &["sh", "night.sh", night]) {
            return;
        }
    }
    let (code, report) = place.status();
    assert_eq!((code, paths(&report["older"])), (0, vec!["report_1", "report_2"]), "{report:#}");
    assert_eq!(report["redo"], serde_json::json!([]));
}

#[test]
fn what_a_command_makes_no_more_when_it_runs_again_is_left_over_and_not_to_be_done_again() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write("parts.sh", b"for i in $(cat parts); do echo \"$i of $(cat parts)\" > part_$i; done\n");
    place.write("parts", b"1\n2\n3\n");
    if !run(&place, &["sh", "parts.sh"]) {
        return;
    }
    place.write("parts", b"1\n2\n");
    let (_, report) = place.status();
    assert_eq!(paths(&report["stale"]), ["part_1", "part_2", "part_3"], "{report:#}");
    run(&place, &["sh", "parts.sh"]);
    let (code, report) = place.status();
    assert_eq!((code, paths(&report["left_over"])), (1, vec!["part_3"]), "{report:#}");
    assert_eq!((&report["stale"], &report["redo"]), (&serde_json::json!([]), &serde_json::json!([])));
    let text = place.run(&["status"]).stdout;
    assert!(
        text.contains("left over    1 file is of an earlier run of its command, which may make it no more"),
        "{text}"
    );
    // Whoever takes it away has done all that there is to do.
    std::fs::remove_file(place.at("part_3")).unwrap();
    let (code, report) = place.status();
    assert_eq!((code, paths(&report["older"])), (0, vec!["part_3"]), "{report:#}");
}

#[test]
fn what_a_command_makes_in_a_folder_for_each_run_is_of_its_own_run() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write("data", b"1\n");
    place.write("train.sh", b"n=$(ls out 2> /dev/null | wc -l)\nmkdir -p out/$n\nsort data > out/$n/model\n");
    let train = || run(&place, &["sh", "train.sh"]);
    if !train() {
        return;
    }
    run(&place, &["sh", "-c", "cat out/0/model > report"]);
    place.write("data", b"2\n");
    assert_eq!(paths(&place.status().1["stale"]), ["out/0/model", "report"]);
    train();
    // What it made before is what it was; what was made from that may be wanted from the new one.
    let (code, report) = place.status();
    assert_eq!((code, paths(&report["older"])), (1, vec!["out/0/model"]), "{report:#}");
    assert_eq!(paths(&report["doubtful"]), ["report"], "{report:#}");
    run(&place, &["sh", "-c", "cat out/1/model > report"]);
    let (code, report) = place.status();
    assert_eq!((code, paths(&report["older"])), (0, vec!["out/0/model"]), "{report:#}");
}

#[test]
fn what_a_run_makes_for_its_own_use_in_the_place_of_what_another_one_made_is_told_as_removed() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write("d", b"2\n1\n");
    if !run(&place, &["sh", "-c", "sort d > model"]) {
        return;
    }
    run(&place, &["sh", "-c", "sort -r d > model; cat model > seen; rm model"]);
    assert_eq!(paths(&place.status().1["removed"]), ["model"]);
    run(&place, &["sh", "-c", "sort d > own; cat own > seen; rm own"]);
    assert_eq!(paths(&place.status().1["removed"]), ["model"]);
}

#[test]
fn what_a_command_brings_up_to_date_is_as_new_as_what_it_read_last() {
    let place = Place::empty();
    place.ok(&["init"]);
    let lines = [
        "if [ -e state ]; then read -r old < state; fi",
        "read -r settings < settings",
        "echo \"$old $settings\" > state",
        "echo \"$settings\" > model",
    ];
    place.write("train.sh", lines.join("\n").as_bytes());
    for settings in ["1\n", "2\n"] {
        place.write("settings", settings.as_bytes());
        if !run(&place, &["sh", "train.sh"]) {
            return;
        }
    }
    let (code, report) = place.status();
    assert_eq!((code, &report["clean"]), (0, &Value::Bool(true)), "{report:#}");
    place.write("settings", b"3\n");
    assert_eq!(paths(&place.status().1["stale"]), ["model", "state"]);

    // What is computed only where it is not there yet stays as old as it is, or its command found it as it should be; so with what is made
    // from it. To run the command again would not change it.
    let lines = [
        "if [ ! -e features ]; then read -r x < settings; echo \"features $x\" > features; fi",
        "read -r features < features",
        "read -r settings < settings",
        "echo \"$features $settings\" > scores",
    ];
    place.write("score.sh", lines.join("\n").as_bytes());
    run(&place, &["sh", "score.sh"]);
    place.write("settings", b"4\n");
    run(&place, &["sh", "score.sh"]);
    let report = place.status().1;
    assert_eq!(paths(&report["stale"]), ["model", "state"]);
    assert_eq!(paths(&report["doubtful"]), ["features", "scores"]);
    assert!(report["doubtful"][0]["left_by"].is_string(), "{report:#}");
    assert_eq!(report["redo"].as_array().unwrap().len(), 1, "{report:#}");
}

#[test]
fn a_source_that_a_later_run_took_away_makes_stale_what_was_made_from_it() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write("d1", b"1\n");
    place.write("d2", b"2\n");
    if !run(&place, &["sh", "-c", "cat d1 d2 > all; rm d1"]) {
        return;
    }
    // What a run takes away that it had read itself it needs no more.
    assert_eq!(place.status().0, 0);
    run(&place, &["rm", "d2"]);
    let (code, report) = place.status();
    assert_eq!((code, paths(&report["stale"])), (1, vec!["all"]), "{report:#}");
    assert!(report["stale"][0]["causes"][0]["run_tail"].is_string(), "{report:#}");
    assert!(place.run(&["status"]).stdout.contains("d2 is gone, by run "));
}

#[test]
fn what_a_command_compares_with_what_it_would_write_and_leaves_is_up_to_date() {
    let place = Place::empty();
    place.ok(&["init"]);
    let lines = ["sort -u raw > new", "cmp -s new stable && rm new || mv new stable", "cat stable > final"];
    place.write("make.sh", lines.join("\n").as_bytes());
    place.write("raw", b"1\n2\n");
    if !run(&place, &["sh", "make.sh"]) {
        return;
    }
    place.write("raw", b"1\n2\n2\n");
    assert_eq!(paths(&place.status().1["stale"]), ["final", "stable"]);
    run(&place, &["sh", "make.sh"]);
    let (code, report) = place.status();
    assert_eq!((code, &report["clean"]), (0, &Value::Bool(true)), "{report:#}");
}

#[test]
fn a_table_that_is_added_to_beside_a_model_is_as_new_as_the_model() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write("train.sh", b"read -r data < data\necho \"$1 $data\" >> table\necho \"$data\" > model\n");
    for number in ["1", "2"] {
        place.write("data", format!("{number}\n").as_bytes());
        if !run(&place, &["sh", "train.sh", number]) {
            return;
        }
    }
    let (code, report) = place.status();
    assert_eq!((code, &report["clean"]), (0, &Value::Bool(true)), "{report:#}");
    place.write("data", b"3\n");
    assert_eq!(paths(&place.status().1["stale"]), ["model", "table"]);
    // What adds to the table without the data says nothing of what it has from them.
    run(&place, &["sh", "-c", "echo 3 >> table"]);
    assert_eq!(paths(&place.status().1["stale"]), ["model", "table"]);
}

#[test]
fn a_state_that_comes_to_the_same_bytes_is_as_new_as_what_was_read_for_it() {
    let place = Place::empty();
    place.ok(&["init"]);
    for write in ["echo same > state", "exec 3<> state; echo same >&3"] {
        let script =
            format!("read -r x < x; if [ -e state ]; then read -r old < state; fi; {write}; echo $x > o");
        place.write("step.sh", script.as_bytes());
        for x in ["1\n", "2\n"] {
            place.write("x", x.as_bytes());
            if !run(&place, &["sh", "step.sh"]) {
                return;
            }
        }
        let (code, report) = place.status();
        assert_eq!((code, &report["clean"]), (0, &Value::Bool(true)), "{write}: {report:#}");
    }
    // To open it for writing, or to set its times, is not to write it.
    for touch in ["exec 3<> state", "touch state"] {
        run(&place, &["sh", "-c", touch]);
        let writers = place.json(&["log", "--where", "generated(\"state\")"]);
        assert_eq!(writers["runs"].as_array().unwrap().len(), 4, "{touch}");
    }
}

#[test]
fn what_was_made_from_a_source_that_somebody_took_away_is_stale() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write(".lineage/config.toml", b"[keep]\ninputs_up_to = 0\n");
    for name in ["in/1", "in/2"] {
        place.write(name, name.as_bytes());
    }
    if !run(&place, &["sh", "-c", "cat in/* > all"]) {
        return;
    }
    std::fs::remove_file(place.at("in/2")).unwrap();
    let (code, report) = place.status();
    assert_eq!((code, paths(&report["stale"]), paths(&report["lost"])), (1, vec!["all"], vec!["in/2"]));
    assert_eq!(report["stale"][0]["causes"][0]["now"], Value::Null);
    let text = place.run(&["status"]).stdout;
    assert!(text.contains("  all  in/2 is gone\n"), "{text}");
}

#[test]
fn what_was_made_from_sources_that_have_other_names_now_is_not_stale_until_they_change_there() {
    let Some(place) = Place::empty().with_commit() else { return };
    place.ok(&["init"]);
    let lines: String = (0..50).map(|number| format!("row {number}\n")).collect();
    place.write("data/x", lines.as_bytes());
    let script = format!("# {}\nsort data/x > model\n", "what is sorted here is said elsewhere ".repeat(3));
    place.write("t.sh", script.as_bytes());
    place.commit_all("one");
    if !run(&place, &["sh", "t.sh"]) {
        return;
    }
    place.ok(&["register", "net", "1.0.0", "--run", "@", "--artifact", "model=model"]);
    for folder in ["datasets", "src"] {
        std::fs::create_dir(place.at(folder)).unwrap();
    }
    place.git(&["mv", "data/x", "datasets/x"]);
    place.git(&["mv", "t.sh", "src/train.sh"]);
    let (code, report) = place.status();
    assert_eq!(
        (code, paths(&report["stale"]), paths(&report["renamed"])),
        (0, vec![], vec!["data/x", "t.sh"])
    );
    assert_eq!(report["renamed"][1]["now_at"], "src/train.sh");
    let text = place.ok(&["status", "data", "t.sh"]).stdout;
    assert!(text.contains("  data/x  is datasets/x now\n"), "{text}");
    assert!(!place.ok(&["show", "net@1.0.0"]).stdout.contains("stale"));

    run(&place, &["sh", "-c", "sort datasets/x > other"]);
    assert_eq!(place.status().0, 0);
    place.write("datasets/x", b"another one\n");
    let text = place.run(&["status"]).stdout;
    assert!(text.contains("  model  datasets/x has changed on disk\n"), "{text}");
    let text = place.ok(&["show", "net@1.0.0"]).stdout;
    assert!(text.contains("datasets/x has changed on disk"), "{text}");
}

#[test]
fn an_earlier_version_that_was_brought_back_is_one_also_when_a_run_has_read_it() {
    let place = Place::empty();
    place.ok(&["init"]);
    if !run(&place, &["sh", "-c", "echo one > o"]) {
        return;
    }
    run(&place, &["sh", "-c", "echo two > o"]);
    place.write("o", b"one\n");
    run(&place, &["sh", "-c", "cat o > p"]);
    let text = place.run(&["status"]).stdout;
    assert!(text.contains("holds an earlier recorded version, read by run "), "{text}");
    assert_eq!(place.status().1["changed"][0]["is_earlier_version"], true);
    place.write("o", b"by hand\n");
    run(&place, &["sh", "-c", "cat o > p"]);
    assert_eq!(place.status().1["changed"][0]["is_earlier_version"], false);
}

#[test]
fn what_lies_there_as_git_has_it_on_this_branch_and_as_a_run_made_it_is_no_fault() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write("x", b"1\n");
    if !run(&place, &["sh", "-c", "sort x > o"]) {
        return;
    }
    place.commit_all("one");
    place.git(&["checkout", "-q", "-b", "exp"]);
    place.write("x", b"2\n");
    run(&place, &["sh", "-c", "sort x > o"]);
    place.git(&["commit", "-q", "-a", "-m", "two"]);
    assert_eq!(place.status().0, 0);
    place.git(&["checkout", "-q", "main"]);
    let (code, report) = place.status();
    assert_eq!((code, &report["clean"]), (0, &Value::Bool(true)), "{report:#}");
    // What lies there is compared as it is there.
    place.write("x", b"3\n");
    assert_eq!(paths(&place.status().1["stale"]), ["o"]);
    place.git(&["checkout", "-q", "x"]);
    run(&place, &["sh", "-c", "cat o > rep"]);
    assert_eq!(place.status().0, 0);
    place.git(&["checkout", "-q", "exp", "--", "x"]);
    assert_eq!(paths(&place.status().1["stale"]), ["o", "rep"]);
}

#[test]
fn what_git_has_is_not_lost_and_is_brought_back_from_the_commit_that_the_run_recorded() {
    let Some(place) = Place::empty().with_commit() else { return };
    place.ok(&["init"]);
    place.write(".lineage/config.toml", b"[keep]\ninputs_up_to = 0\n");
    place.write("d/data", b"hello\n");
    place.write("tool", b"#!/bin/sh\nwc -c < d/data > o\n");
    place.write("late", b"late\n");
    std::fs::set_permissions(place.at("tool"), Permissions::from_mode(0o755)).unwrap();
    place.git(&["add", "d", "tool"]);
    place.git(&["commit", "-q", "-m", "data"]);
    let recorded = place.git(&["rev-parse", "HEAD"]).trim().to_owned();
    if !run(&place, &["sh", "-c", "./tool; wc -c < late > p"]) {
        return;
    }
    // The later commits have other bytes, and what was not in git when it was read.
    place.write("d/data", b"other\n");
    place.git(&["add", "d", "late"]);
    place.git(&["commit", "-q", "-m", "later"]);
    let head = place.git(&["rev-parse", "HEAD"]).trim().to_owned();
    std::fs::remove_dir_all(place.at("d")).unwrap();
    for gone in ["tool", "late"] {
        std::fs::remove_file(place.at(gone)).unwrap();
    }

    let (_, report) = place.status();
    assert_eq!(
        (&report["totals"]["lost"], &report["totals"]["in_git"]),
        (&0.into(), &3.into()),
        "{report:#}"
    );

    assert_eq!(place.ok(&["cat", "d/data"]).stdout, "hello\n");
    let answer = place.json(&["restore", "d/data", "tool", "late"]);
    let commits: Vec<&str> = answer["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["from_commit"].as_str().unwrap())
        .collect();
    assert_eq!(commits, [&recorded, &recorded, &head]);
    assert_eq!(place.read("d/data"), b"hello\n");
    assert_ne!(std::fs::metadata(place.at("tool")).unwrap().permissions().mode() & 0o100, 0);
    std::fs::remove_file(place.at("late")).unwrap();
    let text = place.ok(&["restore", "late"]).stdout;
    assert!(text.contains(&format!(", from git at {}\n", &head[..7])), "{text}");

    // Bytes that no commit has are not made up from what git has at that path.
    place.write("d/data", b"by hand\n");
    run(&place, &["sh", "-c", "wc -c < d/data > q"]);
    std::fs::remove_file(place.at("d/data")).unwrap();
    let (code, message) = place.refused(&["restore", "d/data"]);
    assert!(code == 2 && message.contains("are not to be had"), "{code} {message}");
    let (_, report) = place.status();
    assert_eq!(report["lost"][0]["path"], "d/data");
}

/// Tells whether a program is there that a test cannot do without.
fn has(program: &str) -> bool {
    let found = std::process::Command::new(program).arg("--version").output().is_ok();
    if !found {
        skipped(Lack::Program, format!("there is no `{program}` here"));
    }
    found
}

/// Holds that nothing of a build is stale, nor may be.
fn assert_is_built(place: &Place) {
    let (_, report) = place.status();
    assert_eq!((paths(&report["stale"]), paths(&report["doubtful"])), (vec![], vec![]), "{report:#}");
}

#[test]
fn what_a_builder_has_just_built_is_not_stale_for_what_its_log_was_written_after() {
    if !has("ninja") || !has("cc") {
        return;
    }
    let place = Place::empty();
    place.ok(&["init"]);
    place.write("f.c", b"int f(void) { return 1; }\n");
    place.write("m.c", b"int f(void);\nint main(void) { return f(); }\n");
    let rules = [
        "rule cc",
        "  command = cc -MMD -MF $out.d -c $in -o $out",
        "  depfile = $out.d",
        "  deps = gcc",
        "rule ld",
        "  command = cc $in -o $out",
        "build f.o: cc f.c",
        "build m.o: cc m.c",
        "build app: ld f.o m.o",
        "",
    ];
    place.write("build.ninja", rules.join("\n").as_bytes());
    if !run(&place, &["ninja"]) {
        return;
    }
    assert_is_built(&place);
    let object = place.json(&["show", "m.o", "--depth", "1"]);
    let observed = object["runs"][0]["used"].to_string();
    assert!(!observed.contains("f.c\",\"evidence\":\"observed"), "{object:#}");
    for (text, stale) in [(2, ["app", "f.o"]), (3, ["app", "f.o"])] {
        place.write("f.c", format!("int f(void) {{ return {text}; }}\n").as_bytes());
        let (code, report) = place.status();
        assert_eq!((code, paths(&report["stale"]), paths(&report["doubtful"])), (1, stale.to_vec(), vec![]));
        run(&place, &["ninja"]);
        assert_is_built(&place);
    }
    place.write("m.c", b"int f(void);\nint main(void) { return f() + 1; }\n");
    run(&place, &["ninja"]);
    assert_is_built(&place);
}

#[test]
fn what_was_passed_on_as_an_argument_makes_files_doubtful() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write("a", b"1\n");
    place.write("data", b"2\n");
    place.write("t.sh", b"echo \"$1\"\n");
    if !run(
        &place,
        &["sh", "-c", "x=$(cat a); sh t.sh \"$x\" > o; awk -v x=\"$x\" '{ print x }' data > p; true"],
    ) {
        return;
    }
    place.write("a", b"3\n");
    let (code, report) = place.status();
    assert_eq!((code, paths(&report["stale"]), paths(&report["doubtful"])), (1, vec![], vec!["o", "p"]));
    assert_eq!(report["doubtful"][0]["causes"][0]["used"]["path"], "a");
    let text = place.run(&["status"]).stdout;
    assert!(text.contains("a has changed on disk, and may have gone in"), "{text}");
}

#[test]
fn what_a_library_of_the_workspace_was_used_for_is_stale_when_it_changes() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write("l.c", b"1\n");
    let (build, link) = (["sh", "-c", "sort l.c > ext.so"], ["sh", "-c", "sort ext.so > app"]);
    if !run(&place, &build) {
        return;
    }
    run(&place, &link);
    let shown = place.ok(&["show", "app"]).stdout;
    assert!(shown.contains("l.c") && shown.contains("1 source, no gaps"), "{shown}");
    place.write("l.c", b"2\n");
    run(&place, &build);
    let (code, report) = place.status();
    assert_eq!((code, paths(&report["stale"])), (1, vec!["app"]), "{report:#}");
}

#[test]
fn what_a_program_reads_back_through_a_file_that_it_lent_to_another_one_goes_back_to_what_that_read() {
    let Some(python) = python_with(&["sqlite3"]) else { return };
    let python = python.to_str().unwrap();
    let temporary =
        "f = tempfile.TemporaryFile(); subprocess.run(['cat', 'd'], stdout=f); f.seek(0); r = f.read()";
    let log = "f = open('log', 'w+b'); subprocess.run(['cat', 'd'], stdout=f); f.seek(0); r = f.read()";
    let followed = "w = open('log', 'wb'); g = open('log', 'rb')
p = subprocess.Popen(['sort', 'd'], stdout=w); r = b''
while p.poll() is None: r += g.read(); time.sleep(.01)
r += g.read()";
    let base = "c = sqlite3.connect('y.db'); c.execute('create table t(a)'); c.commit()
e = \"import sqlite3; c = sqlite3.connect('y.db')\\nc.execute('insert into t values(?)', (open('d').read(),)); c.commit()\"
subprocess.run([sys.executable, '-c', e], check=True)
r = c.execute('select a from t').fetchone()[0].encode()";
    for (way, stale, doubtful) in [
        (temporary, &["m"][..], &[][..]),
        (log, &["log"], &["m"]),
        (followed, &["log", "m"], &[]),
        (base, &["y.db"], &["m"]),
    ] {
        let place = Place::empty();
        place.ok(&["init"]);
        place.write("d", b"1\n");
        let imports = "import sqlite3, subprocess, sys, tempfile, time\n";
        place.write("t.py", format!("{imports}{way}\nopen('m', 'wb').write(r)\n").as_bytes());
        if !run(&place, &[python, "t.py"]) {
            return;
        }
        assert_eq!(place.status().0, 0, "{way}");
        place.write("d", b"2\n");
        let (_, report) = place.status();
        let found = (paths(&report["stale"]), paths(&report["doubtful"]));
        assert_eq!(found, (stale.to_vec(), doubtful.to_vec()), "{way}");
    }
}

#[test]
fn what_must_be_done_again_is_told_run_by_run_with_the_models_made_from_it() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write("raw", b"1\n");
    if !run(&place, &["sh", "-c", "sort raw > z_feat"]) {
        return;
    }
    run(&place, &["sh", "-c", "cat z_feat > model; echo 1 > seen"]);
    run(&place, &["sh", "-c", "wc model seen > a_report"]);
    place.ok(&["register", "net", "1.0.0", "--artifact", "m=model"]);
    place.ok(&["models", "promote", "net@1.0.0", "--to", "production"]);
    let card = place.json(&["models", "show", "net@1.0.0"]);
    assert_eq!(card["model"]["changed_since"], Value::Array(Vec::new()));

    place.write("raw", b"2\n");
    let (code, report) = place.status();
    assert_eq!(code, 1);
    let redo = report["redo"].as_array().unwrap();
    let commands: Vec<&str> = redo.iter().map(|redo| redo["command"].as_str().unwrap()).collect();
    assert_eq!(
        commands,
        [
            "sh -c 'sort raw > z_feat'",
            "sh -c 'cat z_feat > model; echo 1 > seen'",
            "sh -c 'wc model seen > a_report'"
        ]
    );
    assert_eq!(redo[0]["cause"]["used"]["path"], "raw");
    assert_eq!((&redo[1]["cause"], &redo[1]["after"][0]), (&Value::Null, &redo[0]["run"]["tail"]));
    assert_eq!((&redo[1]["stale"], &redo[1]["files"]), (&Value::from(1), &Value::from(2)));
    assert_eq!(report["stale_models"][0]["label"], "net@1.0.0");
    assert_eq!(paths(&report["stale"]), ["a_report", "model", "z_feat"]);
    let text = place.run(&["status", "-n", "1"]).stdout;
    assert!(text.contains("redo         3 runs are to be done again, in this order\n"), "{text}");
    assert!(text.contains("and 2 more; `--limit 0` lists all\n"), "{text}");
    assert!(text.contains("net@1.0.0  production  model\n"), "{text}");
    let card = place.ok(&["models", "show", "net@production"]).stdout;
    assert!(
        card.contains("  stale       made from what has changed since: raw has changed on disk\n"),
        "{card}"
    );

    // What is asked about is one file: what comes before it is told as well.
    let report = place.json(&["status", "model"]);
    assert_eq!(paths(&report["stale"]), ["model"]);
    assert_eq!(report["redo"].as_array().unwrap().len(), 2);

    for command in commands {
        run(&place, &["sh", "-c", command.trim_start_matches("sh -c ").trim_matches('\'')]);
    }
    let (code, report) = place.status();
    assert_eq!((code, &report["redo"]), (0, &Value::Array(Vec::new())), "{report:#}");
}

#[test]
fn what_restore_wrote_is_the_version_that_is_wanted_there() {
    let place = Place::empty();
    place.ok(&["init"]);
    for version in ["1.0.0", "2.0.0"] {
        place.write("d", version.as_bytes());
        if !run(&place, &["sh", "-c", "sort d > model"]) {
            return;
        }
        place.ok(&["register", "net", version, "--artifact", "m=model"]);
    }
    place.ok(&["restore", "net@1.0.0", "--force"]);
    place.write("req", b"x");
    run(&place, &["sh", "-c", "cat model req > pred"]);
    let (code, report) = place.status();
    assert_eq!(code, 0, "{report:#}");

    // That it is older than what it was made from is told, of it and of what is made from it.
    assert_eq!(paths(&report["restored"]), ["model", "pred"], "{report:#}");
    assert_eq!(report["restored"][1]["causes"][0]["used"]["path"], "d", "{report:#}");
    assert_eq!(report["stale_models"][0]["label"], "net@1.0.0", "{report:#}");
    assert_eq!(report["redo"], serde_json::json!([]), "{report:#}");
    let text = place.run(&["status"]).stdout;
    assert!(text.contains("restored     2 files are older versions that were restored,"), "{text}");
    assert!(!text.contains("all as recorded"), "{text}");
    place.ok(&["register", "use", "1.0.0", "--artifact", "p=pred"]);
    let card = place.ok(&["models", "show", "use@1.0.0"]).stdout;
    assert!(card.contains("made from what has changed since: d has other bytes, as read by run "), "{card}");

    // Which version it was made with is told, and asked for.
    let shown = place.ok(&["show", "pred"]).stdout;
    assert!(shown.contains(", net@1.0.0\n"), "{shown}");
    let shown = place.json(&["show", "pred"]);
    let used = shown["runs"][0]["steps"][0]["used"].as_array().unwrap();
    let model = used.iter().find(|used| used["path"] == "model").unwrap();
    assert_eq!(model["models"], serde_json::json!(["net@1.0.0"]), "{shown:#}");
    let shown = place.ok(&["show", "@"]).stdout;
    assert!(shown.contains("           model, net@1.0.0"), "{shown}");
    assert_eq!(place.json(&["show", "@"])["inputs"][0]["models"], serde_json::json!(["net@1.0.0"]));
    let asked = |version: &str| {
        let found = place.json(&["log", "-w", &format!("used(\"net@{version}\")")]);
        found["runs"].as_array().unwrap().len()
    };
    assert_eq!([asked("1.0.0"), asked("2.0.0"), asked("latest")], [1, 0, 0]);

    // What is trained since is wanted again, and what another version had made is stale.
    run(&place, &["sh", "-c", "sort d > model"]);
    let (_, report) = place.status();
    assert_eq!(paths(&report["stale"]), ["pred"], "{report:#}");
    place.write("model", b"edited");
    let (_, report) = place.status();
    assert_eq!(paths(&report["changed"]), ["model"], "{report:#}");
}
