//! What commands of lineage write over: kept, recorded, and found again.

mod common;

use std::fs;

use common::Place;
use serde_json::Value;

fn digest_of(text: &str) -> String {
    lineage::model::Digest::of(text.as_bytes()).to_string()
}

/// Lets go of all that nothing needs.
fn clear(place: &Place) {
    place.age_contents();
    place.ok(&["gc", "--older-than", "0", "--apply"]);
}

fn overwritten(place: &Place, command: &str, path: &str) -> Vec<(String, String)> {
    let answer = place.json(&[command, path]);
    let all = answer["overwritten"].as_array().unwrap_or_else(|| panic!("{answer:#}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    all.iter().map(|one| (text(&one["command"]), text(&one["artifact"]["digest"]))).collect()
}

#[test]
fn what_a_restore_wrote_over_is_found_by_its_path_and_its_bytes_and_stays() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.shell("echo 1 > m");
    place.write("m", b"mine\n");
    place.ok(&["restore", "m", "--force"]);
    clear(&place);
    let digest = digest_of("mine\n");
    for command in ["log", "show"] {
        assert_eq!(overwritten(&place, command, "m"), [("restore".to_owned(), digest.clone())], "{command}");
    }
    assert!(place.ok(&["log", "m"]).stdout.contains("lay here until restore wrote over it"));
    let shown = place.ok(&["show", &digest]).stdout;
    assert!(shown.starts_with("m\n") && shown.contains("lay here until restore"), "{shown}");
    assert_eq!(place.ok(&["cat", &digest]).stdout, "mine\n");
    // The file is what the run wrote, and no version that went before it.
    assert_eq!(place.json(&["show", "m"])["artifact"]["digest"], digest_of("1\n"));
    fs::remove_file(place.at("m")).unwrap();
    assert_eq!(place.json(&["show", "m"])["artifact"]["digest"], digest_of("1\n"));
    place.ok(&["verify"]);
}

#[test]
fn what_a_projection_wrote_over_is_found_though_no_run_ever_wrote_the_file() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.shell("echo 1 > m");
    place.ok(&["register", "risk", "1.0.0", "--artifact", "model=m"]);
    let file = "models/registry/risk/1.0.0/metadata.json";
    assert!(place.refused(&["log", file]).1.contains("written by a projection"));
    place.write(file, b"{}\n");
    place.ok(&["project", "--force"]);
    clear(&place);
    for command in ["log", "show"] {
        let found = overwritten(&place, command, file);
        assert_eq!(found, [("project".to_owned(), digest_of("{}\n"))], "{command}");
    }
    assert_eq!(place.json(&["show", file])["projected"]["state"], "current");
    assert_eq!(place.ok(&["cat", &digest_of("{}\n")]).stdout, "{}\n");
    place.ok(&["project", "--check"]);
}

#[test]
fn what_a_resumed_pipeline_wrote_over_is_found() {
    let place = Place::without_git();
    place.ok(&["pipeline", "--run-name", "all"]);
    let output = place.output_names().into_iter().find(|name| name.ends_with("_parsed.json")).unwrap();
    place.write(&output, b"mine");
    place.ok(&["pipeline", "--resume", "@"]);
    clear(&place);
    assert_eq!(overwritten(&place, "log", &output), [("pipeline".to_owned(), digest_of("mine"))]);
    assert_eq!(place.ok(&["cat", &digest_of("mine")]).stdout, "mine");
    // What is said of it goes with a backup, and by a merge.
    let other = Place::empty();
    other.ok(&["init"]);
    other.ok(&["merge", place.root().to_str().unwrap()]);
    assert_eq!(overwritten(&other, "log", &output), [("pipeline".to_owned(), digest_of("mine"))]);
    let lines = place.ok(&["export", "--format", "jsonl"]).stdout;
    assert!(lines.contains("\"file_overwritten\""), "{}", lines.len());
}
