//! `lineage diff` on commands whose differences are known: what is named as a cause had a part in it, and nothing else is named.

mod common;

use common::Place;
use common::machine::{Lack, skipped};

const SCRIPT: &str = "sort data/*.csv > out/sorted\nhead -n 1 out/sorted > out/first\ncat conf > out/conf\n";

/// A repository with a script, its inputs and one run of it; `None` where commands cannot be observed.
fn scene(script: &str) -> Option<Place> {
    let place = Place::empty();
    place.write(".gitignore", b"/out\n");
    place.write("p.sh", script.as_bytes());
    place.write("conf", b"c\n");
    place.write("data/a.csv", b"1\n");
    place.write("data/b.csv", b"2\n");
    place.write("out/.keep", b"");
    place.commit_all("Add all");
    let place = place.with_real_clock();
    place.run(&["run", "--", "sh", "p.sh"]);
    if place.json(&["show", "@"])["run"]["observed_by"] != "net" {
        skipped(Lack::Net, "commands cannot be observed on this machine");
        return None;
    }
    Some(place)
}

/// Returns what is said of causes, line by line.
fn causes(place: &Place, arguments: &[&str]) -> Vec<String> {
    let answer = place.run(&[&["diff"], arguments].concat()).stdout;
    let lines = answer.lines().skip_while(|line| !line.starts_with("likely causes"));
    lines.skip(1).take_while(|line| !line.is_empty()).map(|line| line.trim().to_owned()).collect()
}

fn check(place: &Place, expected: &[&str]) {
    let found = causes(place, &["@-", "@"]);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (line, expected) in found.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}\n{expected}");
    }
}

#[test]
fn an_input_that_came_went_or_was_renamed_is_said_where_it_had_a_part() {
    let Some(place) = scene(SCRIPT) else { return };
    place.write("data/c.csv", b"2\n");
    place.run(&["run", "--", "sh", "p.sh"]);
    check(&place, &["1 output  out/sorted", "input data/c.csv was read by b only"]);
    std::fs::rename(place.at("data/c.csv"), place.at("data/d.csv")).unwrap();
    place.write("data/a.csv", b"3\n");
    place.run(&["run", "--", "sh", "p.sh"]);
    check(
        &place,
        &[
            "2 outputs  such as out/first",
            "input data/a.csv has other bytes",
            "possibly input data/d.csv is read in the place of data/c.csv",
        ],
    );
}

#[test]
fn what_was_made_again_with_the_same_bytes_ends_the_search() {
    let Some(place) =
        scene("grep -v '#' data/a.csv > out/tidy\n{ cat out/tidy; head -c 8 /dev/urandom; } > out/m\n")
    else {
        return;
    };
    place.write("data/a.csv", b"# a remark\n1\n");
    place.run(&["run", "--", "sh", "p.sh"]);
    check(
        &place,
        &[
            "1 output  out/m",
            "nothing recorded that it was made from differs",
            "what makes it is not deterministic, or depends on what was not observed",
        ],
    );
}

#[test]
fn arguments_variables_and_their_order_are_named() {
    let Some(place) = scene("head -c 8 /dev/urandom > out/r\n") else { return };
    place.run(&["run", "--", "sh", "p.sh", "--lr", "0.1", "--seed", "2"]);
    place.run(&["run", "--", "sh", "p.sh", "--lr", "0.2", "--seed", "2"]);
    let found = causes(&place, &["@-", "@"]);
    assert!(found.contains(&"the command differs: --lr 0.1 -> --lr 0.2".to_owned()), "{found:#?}");
    place.run(&["run", "--", "sh", "p.sh", "--seed", "2", "--lr", "0.2"]);
    let found = causes(&place, &["@-", "@"]);
    assert!(
        found.contains(&"possibly the command, whose words stand in another order".to_owned()),
        "{found:#?}"
    );
    for zone in ["UTC", "CET"] {
        assert!(place.command(&["run", "--", "sh", "p.sh"]).env("TZ", zone).status().unwrap().success());
    }
    check(&place, &["1 output  out/r", "the environment's TZ: UTC -> CET"]);
}

#[test]
fn an_output_that_is_missing_leads_to_the_failure_and_to_what_was_read_before_it() {
    let Some(place) = scene("grep -q 1 data/a.csv || exit 3\ncp data/b.csv out/copy\n") else { return };
    place.write("data/a.csv", b"0\n");
    place.run(&["run", "--", "sh", "p.sh"]);
    let found = causes(&place, &["@-", "@"]);
    assert!(found[0].starts_with("1 output  out/copy"), "{found:#?}");
    assert!(found.iter().any(|line| line.contains("failed")), "{found:#?}");
    // New code that writes more: the code is the cause, and it is sure to have been read.
    place.write("data/a.csv", b"1\n");
    place.run(&["run", "--", "sh", "p.sh"]);
    place.write("p.sh", b"grep -q 1 data/a.csv || exit 3\ncp data/b.csv out/copy\necho > out/more\n");
    place.run(&["run", "--", "sh", "p.sh"]);
    check(&place, &["1 output  out/more", "code p.sh has other bytes"]);
}

#[test]
fn what_an_incremental_build_left_as_it_was_is_told_and_not_explained() {
    let script = "[ -e out/sorted ] || sort data/a.csv > out/sorted\ncat conf out/sorted > out/all\n";
    let Some(place) = scene(script) else { return };
    place.write("conf", b"d\n");
    place.run(&["run", "--", "sh", "p.sh"]);
    check(&place, &["1 output  out/all", "input conf has other bytes"]);
    let outputs = &place.json(&["diff", "@-", "@"])["outputs"];
    assert_eq!(outputs["differing_total"], 1);
    assert_eq!(
        (&outputs["standing"][0]["artifact"]["path"], &outputs["standing_total"]),
        (&"out/sorted".into(), &1.into())
    );
    assert_eq!(outputs["standing"][0]["made_by"], "a");
}

#[test]
fn of_a_training_and_a_prediction_no_causes_are_told() {
    let Some(place) = scene(SCRIPT) else { return };
    place.run(&["run", "--", "sh", "-c", "wc out/sorted > out/size"]);
    assert_eq!(causes(&place, &["@-", "@"]), [""; 0]);
    let text = place.run(&["diff", "@-", "@"]).stdout;
    assert!(text.contains("the runs have no output in common"), "{text}");
    assert!(text.contains("b read what a wrote\n    out/sorted\n"), "{text}");
    assert!(!text.contains("command") && !text.contains("equal are"), "{text}");
    let found = place.json(&["diff", "@-", "@"]);
    assert_eq!(found["unlike"]["b_read_of_a"][0]["path"], "out/sorted");
    assert_eq!(found["outputs"]["differing"][0]["explanation"], serde_json::Value::Null);
}

#[test]
fn a_run_is_compared_with_the_latest_that_ran_the_same_where_nobody_says_with_which() {
    let Some(place) = scene("sort data/$1.csv > out/$1\n") else { return };
    let run = |arguments: &[&str]| {
        place.ok(&[&["run", "-q"], arguments].concat());
        place.json(&["show", "@"])["run"]["run_id"].clone()
    };
    let compared = |arguments: &[&str]| {
        let found = place.json(&[&["diff"], arguments].concat());
        [found["runs"][0]["run_id"].clone(), found["runs"][1]["run_id"].clone()]
    };
    let first = run(&["--", "sh", "p.sh", "a"]);
    let named = run(&["--name", "again", "--", "sh", "p.sh", "a"]);
    let wc = run(&["--", "sh", "-c", "wc conf > out/wc"]);
    let other = run(&["--", "sh", "-c", "rev conf > out/rev"]);
    // Of nothing but the program: the latest of it.
    assert_eq!(compared(&[]), [wc.clone(), other.clone()]);
    let other_day = run(&["--", "sh", "p.sh", "b"]);
    let again = run(&["--", "sh", "-c", "wc conf > out/wc"]);
    assert_eq!(compared(&[]), [wc.clone(), again.clone()]);
    assert_eq!(compared(&[wc.as_str().unwrap()]), [wc, again.clone()]);
    assert_eq!(compared(&[other_day.as_str().unwrap()]), [first.clone(), other_day.clone()]);
    assert_eq!(compared(&["again"]), [first, named]);
    let cat = run(&["--", "cat", "conf"]);
    assert_eq!(compared(&[]), [again, cat]);
    let told = place.run(&["diff"]);
    assert!(told.stderr.contains("note: no other run of this command is recorded"), "{told:?}");
    let told = place.run(&["diff", "@", other_day.as_str().unwrap()]);
    assert_eq!(told.stderr.contains("hint: `lineage diff "), told.stdout.contains("no output in common"));
}

#[test]
fn a_renamed_folder_is_told_once_and_its_files_are_compared() {
    let Some(place) = scene("cat data*/* > out/all\n") else { return };
    std::fs::rename(place.at("data"), place.at("data2")).unwrap();
    place.write("data2/b.csv", b"9\n");
    place.run(&["run", "--", "sh", "p.sh"]);
    check(&place, &["1 output  out/all", "input data2/b.csv has other bytes"]);
    let text = place.run(&["diff", "@-", "@"]).stdout;
    assert!(text.contains("  data/ -> data2/  renamed\n"), "{text}");
    let status = place.json(&["status"]);
    assert_eq!(status["renamed"][0]["now_at"], "data2/a.csv", "{status:#}");
}

#[test]
fn a_difference_that_began_in_an_earlier_run_leads_there() {
    let Some(place) = scene(SCRIPT) else { return };
    let steps = || {
        place.run(&["run", "--", "sh", "p.sh"]);
        place.run(&["run", "--", "sh", "-c", "wc out/sorted > out/size"]);
    };
    steps();
    place.write("data/a.csv", b"11\n");
    steps();
    let found = causes(&place, &["@--", "@"]);
    assert!(found[1].starts_with("input out/sorted has other bytes"), "{found:#?}");
    let hint = found.last().unwrap();
    assert!(hint.starts_with("out/sorted: made by run ") && hint.ends_with(" says why"), "{found:#?}");
    let command: Vec<&str> = hint.split('`').nth(1).unwrap().split(' ').skip(2).collect();
    let found = causes(&place, &command);
    assert!(found.iter().any(|line| line.starts_with("input data/a.csv has other bytes")), "{found:#?}");
    // The same by the names of the files themselves.
    let by_file = causes(&place, &["out/sorted@@---", "out/sorted"]);
    assert_eq!(found, by_file);
}

#[test]
fn outputs_in_stamped_folders_are_paired() {
    let script =
        "d=out/$(date +%Y%m%d_%H%M%S_%6N)\nmkdir -p $d\ncp data/a.csv $d/model.bin\ncp conf $d/conf\n";
    let Some(place) = scene(script) else { return };
    place.write("data/a.csv", b"9\n");
    place.run(&["run", "--", "sh", "p.sh"]);
    let found = causes(&place, &["@-", "@"]);
    assert_eq!(found[0], "1 output  out/{time}/model.bin");
    assert!(found[1].starts_with("input data/a.csv has other bytes"), "{found:#?}");
    let outputs = &place.json(&["diff", "@-", "@"])["outputs"];
    assert_eq!((&outputs["same"], &outputs["paired"]["pattern"]), (&1.into(), &2.into()));
    assert_eq!(outputs["differing"][0]["pattern"], "out/{time}/model.bin");
}

#[test]
fn what_lay_about_untracked_and_no_run_read_is_no_difference_of_their_code() {
    let Some(place) = scene("sort data/*.csv > out/sorted\n") else { return };
    place.write("notes.txt", b"of another job");
    place.run(&["run", "--", "sh", "p.sh"]);
    let found = place.json(&["diff", "@-", "@"]);
    assert_eq!(found["code"]["files"], serde_json::json!([]));
    assert_eq!(place.run(&["diff", "@-", "@"]).code, 0);
    // What one of them read was a part of it.
    place.write("more.sh", b"sort data/*.csv > out/sorted\n");
    place.run(&["run", "--", "sh", "more.sh"]);
    let found = place.json(&["diff", "@-", "@"]);
    assert_eq!(found["code"]["files"][0]["path"], "more.sh", "{found}");
    assert_eq!(found["code"]["files"].as_array().map(Vec::len), Some(1), "{found}");
}
