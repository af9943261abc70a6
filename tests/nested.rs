//! Runs inside of runs: what is whose.

mod common;

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
    let script = "echo 1 > begun; until [ -e go ]; do sleep 0.02; done; echo 2 > made";
    let line = format!("{} run -q --name inner -- sh -c '{script}'", env!("CARGO_BIN_EXE_lineage"));
    let mut outer =
        place.command(&["run", "-q", "--name", "outer", "--", "sh", "-c", &line]).spawn().unwrap();
    while !place.at("begun").exists() {
        std::thread::yield_now();
    }
    outer.kill().unwrap();
    outer.wait().unwrap();
    place.write("go", b"");
    let inner = loop {
        let shown = place.json(&["show", "inner"]);
        if shown["run"]["status"] != "running" {
            break shown;
        }
    };
    assert_eq!((&inner["run"]["status"], &inner["run"]["observed_by"]), (&"ok".into(), &"snapshot".into()));
    assert!(paths(&inner["outputs"]).contains(&"made"), "{inner:#}");
}
