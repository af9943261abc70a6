//! `lineage project`: what was deleted comes back byte for byte, nobody's edit is lost, and hostile places are left alone.

mod common;

use std::fs;

use common::{Place, RUN_ID};

fn made() -> Place {
    let place = Place::without_git();
    place.write("data/raw/broken.htm", b"<html><body></body></html>");
    place.run(&["pipeline", "--run-name", "all"]);
    place
}

fn report() -> String {
    format!("data/processed/{RUN_ID}_all/RUN_REPORT.md")
}

fn counts(place: &Place, arguments: &[&str]) -> (i32, serde_json::Value, u64) {
    let answer = place.run(&[arguments, &["--json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    (answer.code, json["counts"].clone(), json["current"].as_u64().unwrap())
}

#[test]
fn all_projected_files_come_back_byte_for_byte_and_twice_writes_nothing() {
    let place = made();
    let before = place.projected();
    assert!(before.len() >= 19 + 6, "{:#?}", before.keys());
    for folder in ["data/interim", "data/processed"] {
        fs::remove_dir_all(place.at(folder)).unwrap();
    }
    let missing = counts(&place, &["project", "--check"]);
    assert_eq!((missing.0, missing.2), (1, 0));
    assert_eq!(missing.1["missing"], before.len());
    assert!(place.projected().is_empty(), "--check writes nothing");
    let written = counts(&place, &["project"]);
    assert_eq!((written.0, &written.1["written"]), (0, &before.len().into()));
    assert_eq!(place.projected(), before);
    let files = place.all_files();
    assert_eq!(counts(&place, &["project"]), (0, serde_json::json!({}), before.len() as u64));
    assert_eq!(counts(&place, &["project", "--check", "--verify"]).0, 0);
    assert_eq!(place.all_files().keys().collect::<Vec<_>>(), files.keys().collect::<Vec<_>>());
    assert_eq!(place.projected(), before);
    assert_eq!(place.run(&["status"]).code, 0, "the papers of a run are no strangers");
}

#[test]
fn the_papers_of_a_run_do_not_depend_on_when_they_are_written() {
    let place = made();
    let (report, before) = (report(), place.projected());
    assert!(String::from_utf8_lossy(&before[&report]).contains("| failed | 1 |"));
    fs::remove_file(place.at(&report)).unwrap();
    place.write("unrelated.txt", b"x");
    place.ok(&["run", "--", "true"]);
    fs::remove_file(place.at(".lineage/store.redb")).unwrap();
    fs::remove_file(place.at(".lineage/projected")).unwrap();
    place.ok(&["project"]);
    assert_eq!(place.projected(), before);
}

#[test]
fn an_edited_file_is_left_alone_and_with_force_its_bytes_are_kept() {
    let place = made();
    let before = place.projected();
    let name = report();
    place.write(&name, b"my own words\n");
    let answer = place.run(&["project"]);
    assert_eq!(answer.code, 1);
    assert!(answer.stdout.contains("somebody edited it"), "{}", answer.stdout);
    assert_eq!(place.read(&name), b"my own words\n");
    let difference = place.run(&["project", "--check", "--diff"]);
    assert_eq!(difference.code, 1);
    assert!(difference.stdout.contains("-my own words"), "{}", difference.stdout);
    let forced = place.json(&["project", "--force"]);
    let digest = forced["files"][0]["edited_digest"].as_str().unwrap();
    assert_eq!(place.projected(), before);
    let kept = digest.strip_prefix("blake3:").unwrap();
    assert!(place.at(&format!(".lineage/objects/{}/{}", &kept[..2], &kept[2..])).is_file());
    // An output of a stage is held to the same rule.
    let output = before.keys().find(|name| name.ends_with("parsed.json")).unwrap();
    place.write(output, b"{}");
    assert_eq!(counts(&place, &["project"]).1["edited"], 1);
    assert_eq!(place.read(output), b"{}");
}

#[test]
fn part_of_the_files_is_brought_back_alone_and_strangers_are_refused() {
    let place = made();
    let before = place.projected();
    fs::remove_dir_all(place.at("data/processed")).unwrap();
    fs::remove_dir_all(place.at("data/interim/parsed")).unwrap();
    place.ok(&["project", "data/processed"]);
    let back = place.projected();
    assert!(back.keys().any(|name| name.starts_with("data/processed/")));
    assert!(!back.keys().any(|name| name.starts_with("data/interim/parsed/")));
    let (code, message) = place.refused(&["project", "data/raw"]);
    assert_eq!(code, 2);
    assert!(message.contains("no projected file lies at `data/raw`"), "{message}");
    assert_eq!(place.refused(&["project", "../elsewhere"]).0, 2);
    place.ok(&["project", "."]);
    assert_eq!(place.projected(), before);
}

#[test]
fn a_folder_in_the_way_a_lost_content_and_a_file_for_a_folder_are_reported_and_the_rest_written() {
    let place = made();
    let names: Vec<String> = place.projected().into_keys().collect();
    let metrics =
        names.iter().find(|name| name.starts_with("data/interim/parsed") && name.ends_with("metrics.json"));
    let metrics = metrics.unwrap();
    fs::remove_file(place.at(metrics)).unwrap();
    fs::create_dir(place.at(metrics)).unwrap();
    fs::remove_dir_all(place.at("data/processed")).unwrap();
    place.write("data/processed", b"a file");
    let blocked = place.run(&["project", "-n", "0"]);
    assert_eq!(blocked.code, 1);
    assert!(blocked.stdout.contains("a folder lies there"), "{}", blocked.stdout);
    fs::remove_file(place.at("data/processed")).unwrap();
    fs::remove_dir(place.at(metrics)).unwrap();
    // A content that is gone or damaged is never made up.
    let (name, bytes) =
        place.projected().into_iter().find(|(name, _)| name.ends_with("parsed.json")).unwrap();
    let digest = lineage::model::Digest::of(&bytes).hex();
    let object = place.at(&format!(".lineage/objects/{}/{}", &digest[..2], &digest[2..]));
    fs::write(&object, b"LINEAGEO garbage").unwrap();
    fs::remove_file(place.at(&name)).unwrap();
    let (code, counts, _) = counts(&place, &["project"]);
    assert_eq!((code, &counts["lost"]), (1, &1.into()));
    assert!(!place.at(&name).exists());
}

#[test]
#[cfg(unix)]
fn a_link_out_of_the_workspace_is_not_followed() {
    let place = made();
    let outside = tempfile::tempdir().unwrap();
    fs::remove_dir_all(place.at("data/interim")).unwrap();
    std::os::unix::fs::symlink(outside.path(), place.at("data/interim")).unwrap();
    let answer = place.run(&["project"]);
    assert_eq!(answer.code, 1);
    assert!(answer.stdout.contains("leads out of the workspace"), "{}", answer.stdout);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    // A file that is a link is replaced by a file; what the link leads to is not touched.
    let name = report();
    let target = outside.path().join("precious");
    fs::write(&target, "precious").unwrap();
    fs::remove_file(place.at(&name)).unwrap();
    std::os::unix::fs::symlink(&target, place.at(&name)).unwrap();
    place.run(&["project", "--force", "data/processed"]);
    assert_eq!(fs::read(&target).unwrap(), b"precious");
    assert!(!place.at(&name).is_symlink());
}

#[test]
fn names_from_outside_stay_text_in_the_papers() {
    let place = Place::empty();
    let filing = common::samples().into_iter().find(|(name, _)| name.starts_with("HALCYON")).unwrap().1;
    let name = "data/raw/a|b`<script>\"\nx: [y](z).htm";
    place.write(name, &filing);
    place.ok(&["pipeline", "--run-name", "größe", "--", name]);
    let projected = place.projected();
    let paper = |end: &str| {
        let found =
            projected.iter().find(|(name, _)| name.starts_with("data/processed") && name.ends_with(end));
        String::from_utf8(found.unwrap().1.clone()).unwrap()
    };
    let config = paper("run_config.yaml");
    assert!(config.lines().all(|line| !line.starts_with("x:")), "{config}");
    let report = paper("RUN_REPORT.md");
    let rows = report.lines().filter(|line| line.contains("<script>"));
    for row in rows {
        assert!(row.starts_with('|') && row.contains("a\\|b"), "{row}");
    }
    assert!(!report.contains("<script>\"\n"), "{report}");
}

#[test]
fn two_at_once_both_end_well_and_leave_whole_files() {
    let place = made();
    let before = place.projected();
    for folder in ["data/interim", "data/processed"] {
        fs::remove_dir_all(place.at(folder)).unwrap();
    }
    let children: Vec<_> = (0..3)
        .map(|_| place.command(&["project"]).stdout(std::process::Stdio::null()).spawn().unwrap())
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(place.projected(), before);
}

#[test]
fn a_forged_record_of_what_was_projected_costs_reading_and_nothing_else() {
    let place = made();
    let before = place.projected();
    place.ok(&["project"]);
    place.write(".lineage/projected", b"LINEAGEW\x01 garbage");
    place.ok(&["project"]);
    fs::remove_file(place.at(".lineage/projected")).unwrap();
    assert_eq!(place.run(&["project", "--check"]).code, 0);
    assert_eq!(place.projected(), before);
}
