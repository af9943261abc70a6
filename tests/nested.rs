//! Runs inside of runs, and commands of the program itself: what is whose, and where it came from.

mod common;

use std::path::Path;

use common::{Place, paths};
use serde_json::Value;

/// A workspace in which `line` is run as `outer`, with `$L` for the program; `None` where commands cannot be observed.
fn outer(files: &[(&str, &str)], line: &str) -> Option<Place> {
    let place = Place::empty();
    place.ok(&["init"]);
    files.iter().for_each(|(name, text)| place.write(name, text.as_bytes()));
    let line = format!("L={}; {line}", env!("CARGO_BIN_EXE_lineage"));
    place.ok(&["run", "-q", "--", "true"]);
    if !place.was_observed() {
        return None;
    }
    place.ok(&["run", "-q", "--name", "outer", "--", "sh", "-c", &line]);
    Some(place)
}

/// Returns what a run read, and what it wrote.
fn edges(place: &Place, run: &str) -> [Vec<String>; 2] {
    let shown = place.json(&["show", run]);
    ["inputs", "outputs"].map(|list| {
        let mut paths: Vec<String> = paths(&shown[list]).into_iter().map(String::from).collect();
        paths.sort();
        paths
    })
}

/// Names the run that an answer says a file was written by.
fn writer(shown: &Value) -> &str {
    let run = shown["runs"].as_array().unwrap().iter().find(|run| run["id"] == shown["written"]["run"]);
    run.and_then(|run| run["name"].as_str()).unwrap_or_else(|| panic!("{shown:#}"))
}

#[test]
fn runs_side_by_side_inside_of_another_one_have_each_their_own() {
    // None of them ends before all have written.
    let each = "$L run -q --name s$j -- sh -c \"cat i > out$j; until [ -e out1 -a -e out2 -a -e out3 ]; do sleep 0.02; done\"";
    let line = format!("for j in 1 2 3; do {each} & done; wait");
    let Some(place) = outer(&[("i", "1\n")], &line) else { return };
    for j in 1..=3 {
        assert_eq!(edges(&place, &format!("s{j}")), [vec!["i".to_owned()], vec![format!("out{j}")]]);
    }
    let shown = place.json(&["show", "out2"]);
    assert_eq!(writer(&shown), "s2");
    assert_eq!(shown["written"]["also_written_by"], Value::Array(Vec::new()));
    assert_eq!(place.status().0, 0);
}

#[test]
fn what_others_write_meanwhile_is_none_of_an_inner_run() {
    let line = "(until [ -e begun ]; do sleep 0.02; done; echo 1 > z; echo > ready) & \
                $L run -q --name inner -- sh -c 'echo > begun; until [ -e ready ]; do sleep 0.02; done'; wait";
    let Some(place) = outer(&[], line) else { return };
    assert_eq!(edges(&place, "inner")[1], ["begun"]);
    assert_eq!(writer(&place.json(&["show", "z"])), "outer");
}

#[test]
fn each_run_inside_of_runs_has_what_is_below_it() {
    let line =
        "$L run -q --name middle -- sh -c \"$L run -q --name inner -- sort i -o c; sort c > b\"; sort b > a";
    let Some(place) = outer(&[("i", "2\n1\n")], line) else { return };
    assert_eq!(edges(&place, "inner"), [["i"], ["c"]]);
    assert_eq!(edges(&place, "middle"), [vec!["i"], vec!["b", "c"]]);
    assert_eq!(writer(&place.json(&["show", "c"])), "inner");
    assert_eq!(writer(&place.json(&["show", "b"])), "middle");
    assert_eq!(writer(&place.json(&["show", "a"])), "outer");
}

#[test]
fn what_a_run_inside_of_another_one_did_is_listed_once() {
    let Some(place) = outer(&[("i", "2\n1\n")], "$L run -q --name inner -- sort i -o c; sort c > b") else {
        return;
    };
    let listed = |arguments: &[&str]| -> (Vec<String>, Value) {
        let shown = place.json(&[&["show"], arguments].concat());
        let runs = shown["runs"].as_array().unwrap().iter();
        let steps = runs.flat_map(|run| {
            let steps = run["steps"].as_array().unwrap().iter();
            steps.map(|step| {
                format!("{} of {}", step["name"].as_str().unwrap(), run["name"].as_str().unwrap())
            })
        });
        (steps.collect(), shown["totals"].clone())
    };
    assert_eq!(listed(&["c"]).0, ["sort of inner"]);
    assert_eq!(listed(&["i", "--down"]).0, ["sort of inner", "sort of outer"]);
    let (steps, totals) = listed(&["b"]);
    assert_eq!(steps, ["sort of outer", "sort of inner"]);
    assert_eq!((&totals["runs"], &totals["steps"]), (&2.into(), &2.into()), "{totals}");
}

#[test]
fn what_comes_to_an_inner_run_through_a_pipe_is_not_of_it() {
    let Some(place) = outer(&[("i", "2\n1\n")], "cat i | $L run -q --name inner -- sort > p") else { return };
    let [used, generated] = edges(&place, "inner");
    assert_eq!(generated, ["p"]);
    assert!(matches!(&used[..], [input] if input.starts_with("stdin://")), "{used:?}");
    let sources = place.json(&["show", "p"]);
    assert!(paths(&sources["sources"]).contains(&"i"), "{sources:#}");
}

#[test]
fn rows_of_one_table_are_each_of_the_run_that_added_them() {
    let row = "$L run -q --name j$j -- sh -c \"cat d$j >> table; until [ -e all ]; do sleep 0.02; done\"";
    let line = format!(
        "for j in 1 2; do {row} & until [ $(wc -l < table) = $j ]; do sleep 0.02; done; done; echo > all; wait"
    );
    let files = [("table", ""), ("d1", "1\n"), ("d2", "2\n")];
    let Some(place) = outer(&files, &line) else { return };
    assert_eq!(edges(&place, "j1")[1], ["table"], "although another run has written on since");
    assert_eq!(edges(&place, "j2")[1], ["table"]);
    assert!(
        edges(&place, "j1")[0].contains(&"d1".to_owned())
            && !edges(&place, "j1")[0].contains(&"d2".to_owned())
    );
}

#[test]
fn an_inner_run_in_another_workspace_has_its_own() {
    let line = "cd w; $L init . > /dev/null 2>&1; env -u LINEAGE_WORKSPACE -u LINEAGE_RUN $L run -q --name inner -- sort i -o o";
    let Some(place) = outer(&[("w/i", "1\n")], line) else { return };
    let answer = place.command(&["show", "o", "--json"]).current_dir(place.at("w")).output().unwrap();
    let shown: Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!((writer(&shown), paths(&shown["sources"])), ("inner", vec!["i"]));
}

#[test]
fn an_inner_run_whose_observer_has_died_compares_before_and_after() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.ok(&["run", "-q", "--", "true"]);
    if !place.was_observed() {
        return;
    }
    // It waits without any call of its own while the observer ends.
    let script = "mkfifo go; echo 1 > begun; read line < go; echo 2 > made";
    let line = format!("{} run -q --name inner -- sh -c '{script}'", env!("CARGO_BIN_EXE_lineage"));
    let mut outer =
        place.command(&["run", "-q", "--name", "outer", "--", "sh", "-c", &line]).spawn().unwrap();
    while !place.at("begun").exists() {
        std::thread::yield_now();
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    outer.kill().unwrap();
    outer.wait().unwrap();
    std::fs::write(place.at("go"), "\n").unwrap();
    // Who asks while it writes its end may find that the record is closed, and have read it before: its end is waited for.
    let mut asked = (0..400).map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        place.json(&["show", "inner"])
    });
    let inner = asked.find(|shown| !shown["run"]["ended_at"].is_null()).expect("it ends");
    assert_eq!((&inner["run"]["status"], &inner["run"]["observed_by"]), (&"ok".into(), &"snapshot".into()));
    assert!(paths(&inner["outputs"]).contains(&"made"), "{inner:#}");
}

/// A workspace with a model `net@1.0.0` of `m.bin`, made from `d`, since trained anew, in which `line` is run as `serve`, with `$L` for
/// the program.
fn served(line: &str) -> Option<Place> {
    let place = Place::empty().with_real_clock();
    place.ok(&["init"]);
    [("d", "1\n"), ("x", "5\n")].iter().for_each(|(name, text)| place.write(name, text.as_bytes()));
    for version in ["1.0.0", "1.1.0"] {
        place.ok(&["run", "-q", "--name", "train", "--", "sh", "-c", "sort d > m.bin; date +%N >> m.bin"]);
        place.ok(&["register", "net", version, "--artifact", "m=m.bin"]);
    }
    if !place.was_observed() {
        return None;
    }
    place.ok(&["models", "promote", "net@1.0.0", "--to", "production"]);
    let line = format!("L={}; {line}", env!("CARGO_BIN_EXE_lineage"));
    place.ok(&["run", "-q", "--name", "serve", "--", "sh", "-c", &line]);
    Some(place)
}

/// Asserts that `pred` was made from the files of `net@1.0.0` and from `x`, and that this is found from either end.
fn assert_served(place: &Place) {
    let shown = place.json(&["show", "pred"]);
    let names = |shown: &Value| {
        let runs = shown["runs"].as_array().unwrap().iter();
        runs.map(|run| run["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&shown), ["serve", "train"], "{shown:#}");
    let mut sources = paths(&shown["sources"]);
    sources.sort();
    assert_eq!(sources, ["d", "x"], "{shown:#}");
    let first = place.json(&["models", "show", "net@1.0.0"])["model"]["run"].clone();
    assert!(shown["runs"].as_array().unwrap().iter().any(|run| run["id"] == first), "{shown:#}");
    let model = place.json(&["show", "net@1.0.0", "--down"]);
    assert!(paths(&model["ends"]).contains(&"pred"), "{model:#}");
    let text = place.ok(&["show", "net@1.0.0", "--down"]).stdout;
    assert!(!text.contains("declared"), "{text}");
    assert!(paths(&place.json(&["show", "d", "--down"])["ends"]).contains(&"pred"));
    assert!(edges(place, "serve")[0].contains(&"m.bin".to_owned()));
}

#[test]
fn what_is_printed_of_a_model_inside_of_a_run_is_read_by_it() {
    for line in [
        "$L cat net@production > served; cat served x > pred",
        "$L cat net@production | sort - x > pred",
        "m=$($L cat net@production); (echo $m; cat x) > pred",
        "for i in 1 2; do $L cat net@1.0.0 > s$i & done; wait; cat s1 s2 x > pred",
        "k=$($L models show net@1.0.0 --json | grep '\"run\"' | head -n 1 | cut -d '\"' -f 4); \
         $L cat m.bin@$k > served; cat served x > pred",
    ] {
        let Some(place) = served(line) else { return };
        assert_served(&place);
    }
}

#[test]
fn what_is_restored_inside_of_a_run_is_read_by_it() {
    let Some(place) = served("$L restore net@production --to rel > list; cat rel/m.bin x > pred") else {
        return;
    };
    assert_served(&place);
    let shown = place.json(&["show", "rel/m.bin"]);
    assert_eq!(paths(&shown["sources"]), ["d"], "{shown:#}");
    // In a copy of the workspace, what is asked is the workspace; what it keeps of itself is no file of the repetition.
    let answer = place.run(&["rerun", "serve"]);
    assert!(!answer.stderr.contains(".lineage"), "{}", answer.stderr);
    let status = place.run(&["status"]).stdout;
    assert!(!status.contains(".lineage"), "{status}");
}

#[test]
fn what_is_printed_inside_of_an_inner_run_is_read_by_those_around_it_too() {
    let line = "$L run -q --name inner -- sh -c \"$L cat net@1.0.0 > served\"; cat served x > pred";
    let Some(place) = served(line) else { return };
    assert_eq!(edges(&place, "inner"), [["m.bin"], ["served"]]);
    assert!(edges(&place, "serve")[0].contains(&"m.bin".to_owned()));
    assert!(paths(&place.json(&["show", "pred"])["sources"]).contains(&"d"));
}

#[test]
fn the_latest_run_is_the_one_that_its_user_ran() {
    let line = "$L run -q --name inner -- true; $L metric acc 0.9; $L show @ > seen; \
                $L run -q --name last -- sh -c \"$L run -q --name innermost -- true\"";
    let Some(place) = outer(&[], line) else { return };
    for word in ["@", "@~0"] {
        assert_eq!(place.json(&["show", word])["run"]["name"], "outer");
    }
    assert_eq!(place.json(&["show", "@-"])["run"]["name"], "true");
    assert!(String::from_utf8(place.read("seen")).unwrap().contains("outer"), "in it, too");
    assert!(place.ok(&["metrics", "@"]).stdout.contains("0.9"));
    let registered = place.ok(&["register", "net", "1.0.0", "--run", "@"]).stdout;
    assert!(registered.contains("1 metric"), "{registered}");
    let diff = place.json(&["diff"]);
    assert_eq!([&diff["runs"][0]["name"], &diff["runs"][1]["name"]], ["true", "outer"], "{diff:#}");
    place.run(&["rerun", "@"]);
    assert_eq!(place.json(&["show", "@"])["run"]["name"], "outer", "nor what a repetition started");
    let answer = place.run(&["show", "@-2"]);
    assert!(answer.stderr.contains("repetitions and parts of runs not counted"), "{}", answer.stderr);
}

/// Runs the program as a shell does that a run left behind.
fn left_behind(place: &Place, run: &str, arguments: &[&str]) -> common::Answer {
    let around = [("LINEAGE_RUN", Path::new(run)), ("LINEAGE_WORKSPACE", place.root())];
    place.command(arguments).envs(around).output().unwrap().into()
}

#[test]
fn what_a_run_left_behind_says_nothing_of_it_any_more() {
    let place = Place::empty().with_real_clock();
    place.ok(&["init"]);
    place.write("d", b"1\n");
    place.ok(&["run", "-q", "--name", "shell", "--", "sh", "-c", "printf %s $LINEAGE_RUN > id"]);
    let run = String::from_utf8(place.read("id")).unwrap();
    for arguments in [&["metric", "acc", "1"][..], &["param", "x", "1"], &["used", "d"], &["generated", "d"]]
    {
        let answer = left_behind(&place, &run, arguments);
        assert_eq!(answer.code, 2, "{arguments:?}: {}", answer.stderr);
        assert!(answer.stderr.contains("has ended"), "{}", answer.stderr);
    }
    let shown = place.json(&["show", "shell"]);
    assert_eq!((paths(&shown["inputs"]), paths(&shown["outputs"])), (vec![], vec!["id"]), "{shown:#}");
    // It is told of by name, as an evaluation does.
    let answer = left_behind(&place, &run, &["metric", "acc", "1", "--run", "shell"]);
    assert!(answer.code == 0 && answer.stderr.contains("ended at"), "{}", answer.stderr);
    assert_eq!(place.ok(&["param", "x=1", "--run", "shell"]).code, 0);
    assert!(place.ok(&["show", "shell"]).stdout.contains("acc = 1"));
    // Runs go on to be recorded, and the latest is the latest.
    assert_eq!(left_behind(&place, &run, &["run", "-q", "--name", "later", "--", "true"]).code, 0);
    assert_eq!(place.json(&["show", "@"])["run"]["name"], "later");
    let answer = left_behind(&place, &run, &["register", "net", "1.0.0", "--run", "@"]);
    assert!(answer.stdout.contains("0 metrics"), "{}", answer.stdout);
}

#[test]
fn a_repetition_imports_nothing() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write("d", b"1\n");
    place.ok(&["run", "-q", "--", "sh", "-c", "cat d > m"]);
    if !place.was_observed() {
        return;
    }
    let line =
        format!("L={}; $L import d --generated-by x > list; $L cat m > s", env!("CARGO_BIN_EXE_lineage"));
    place.ok(&["run", "-q", "--name", "p", "--", "sh", "-c", &line]);
    let before = place.ok(&["log"]).stdout.lines().count();
    let answer = place.run(&["rerun", "p"]);
    assert!(answer.stderr.contains("nothing is imported"), "{}", answer.stderr);
    assert!(!answer.stderr.contains("made a workspace"), "{}", answer.stderr);
    assert_eq!(place.ok(&["log"]).stdout.lines().count(), before + 1);
    // What the copy holds is known by its bytes, whatever lies in the workspace meanwhile.
    assert!(answer.stdout.contains("1 of 2 outputs with the same bytes"), "{answer:?}");
}
