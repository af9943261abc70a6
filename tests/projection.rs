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
    assert_eq!(
        place.json(&["status"])["unknown"],
        serde_json::json!([]),
        "the papers of a run are no strangers"
    );
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
    // Its file has other names, of contents that stay as they are.
    fs::remove_file(&object).unwrap();
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

const TRAINER: &str = "cat data/processed/*/*_segmented_risks.json > /dev/null; mkdir -p out; echo \"model $1\" > out/$1.bin\n\
                       echo \"{\\\"f1\\\": 0.$2}\" > metrics.json\n";
const RESEARCH: &str = "thoughts/shared/research";
const INDEX: &str = "thoughts/shared/research/README.md";

/// A workspace with every kind of node: pipeline runs, one with a failure; observed runs with metrics; model versions that were
/// promoted, displaced, described, named, renamed and withdrawn; documents with and without faults.
fn everything() -> Place {
    let place = made();
    place.write("train.sh", TRAINER.as_bytes());
    for (version, score) in [("1.0.0", "71"), ("1.1.0", "82"), ("2.0.0-rc.1", "83")] {
        place.ok(&["run", "--name", "train", "--param", "seed=7", "--", "sh", "train.sh", version, score]);
        let artifact = format!("model=out/{version}.bin");
        place.ok(&[
            "register",
            "risk",
            version,
            "--run",
            "@",
            "--artifact",
            &artifact,
            "--tag",
            "team=credit",
        ]);
    }
    place.ok(&[
        "register",
        "tuned",
        "0.1.0",
        "--artifact",
        "model=out/1.0.0.bin",
        "--base-model",
        "risk@1.0.0",
    ]);
    for arguments in [
        ["promote", "risk@1.0.0", "--to", "production"].as_slice(),
        &["promote", "risk@1.1.0", "--to", "production", "--reason", "better"],
        &[
            "describe",
            "risk@1.1.0",
            "--description",
            "Zwölf | sorts",
            "--notes",
            "a\nb",
            "--tag",
            "x=y",
            "--untag",
            "team",
        ],
        &["alias", "risk@1.0.0", "champion"],
        &["alias", "risk@1.1.0", "champion"],
        &["delete", "risk@2.0.0-rc.1", "--reason", "wrong labels"],
    ] {
        place.ok(&[&["models"], arguments].concat());
    }
    let text =
        format!("---\ndate: 2025-12-03\ntopic: \"One\"\nstatus: complete\nrun_id: {RUN_ID}\n---\n\n# One\n");
    place.write(&format!("{RESEARCH}/one.md"), text.as_bytes());
    place.write(&format!("{RESEARCH}/sub/two.md"), b"# Two\n\nno front matter, [gone](nowhere.md)\n");
    place.ok(&["research"]);
    let failing = place.run(&[
        "pipeline",
        "--run-name",
        "again",
        "--",
        "data/raw/broken.htm",
        "data/raw/NORDWIND_10-K_2023.txt",
    ]);
    assert_eq!(failing.code, 1, "{failing:?}");
    place
}

/// All projected files, the index of the documents among them.
fn all_projected(place: &Place) -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut files = place.projected();
    if let Ok(bytes) = fs::read(place.at(INDEX)) {
        files.insert(INDEX.to_owned(), bytes);
    }
    files
}

#[test]
fn of_a_workspace_with_every_kind_of_node_all_files_come_back_byte_for_byte() {
    let place = everything();
    let before = all_projected(&place);
    let of = |end: &str| before.keys().filter(|name| name.ends_with(end)).count();
    assert_eq!((of("/metadata.json"), of("README.md")), (4, 1), "{:#?}", before.keys());
    assert!(of("/RUN_REPORT.md") >= 2 && of("/run_config.yaml") >= 2 && of("/metrics.json") >= 4);
    assert_eq!(place.run(&["project", "--check"]).code, 0, "whoever recorded something has projected it");
    for folder in ["data/interim", "data/processed", "models/registry"] {
        fs::remove_dir_all(place.at(folder)).unwrap();
    }
    fs::remove_file(place.at(INDEX)).unwrap();
    // Neither a new store nor a lost memory of what was projected changes a byte.
    for forgotten in [".lineage/store.redb", ".lineage/projected", ".lineage/digests"] {
        fs::remove_file(place.at(forgotten)).unwrap();
    }
    assert_eq!(counts(&place, &["project"]), (0, serde_json::json!({ "written": before.len() }), 0));
    let after = all_projected(&place);
    for (name, bytes) in &before {
        assert!(after[name] == *bytes, "{name}");
    }
    assert_eq!(after.len(), before.len());
    assert_eq!(place.run(&["project", "--check"]).code, 0);
    let stamps = || {
        let stamp = |name: &String| {
            use std::os::unix::fs::MetadataExt as _;
            let found = fs::metadata(place.at(name)).unwrap();
            (name.clone(), found.ino(), found.ctime(), found.ctime_nsec())
        };
        before.keys().map(stamp).collect::<Vec<_>>()
    };
    let written = stamps();
    assert_eq!(counts(&place, &["project"]), (0, serde_json::json!({}), before.len() as u64));
    assert_eq!(stamps(), written, "a second time writes nothing");
    assert_eq!(place.run(&["research", "--check"]).code, 0);
}

#[test]
fn what_a_registration_wrote_is_no_edit_when_facts_from_elsewhere_change_it() {
    let (here, there) = (Place::without_git(), Place::empty());
    here.write("model.bin", b"model\n");
    here.ok(&["init"]);
    here.ok(&["register", "risk", "1.0.0", "--artifact", "model=model.bin"]);
    let (path, here_at) = ("models/registry/risk/1.0.0/metadata.json", here.root().to_str().unwrap());
    there.ok(&["init"]);
    there.ok(&["merge", here_at]);
    there.ok(&["models", "promote", "risk@1.0.0", "--to", "staging"]);
    here.ok(&["merge", there.root().to_str().unwrap()]);
    let outdated = counts(&here, &["project", "--check"]);
    assert_eq!((outdated.0, &outdated.1["outdated"]), (1, &1.into()), "{outdated:?}");
    here.ok(&["project"]);
    assert_eq!(here.read(path), there.read(path));
    // Nor is it where nothing remembers that it was written: the version says how it was projected before.
    fs::remove_file(here.at(".lineage/projected")).unwrap();
    let promoted = here.ok(&["models", "promote", "risk@1.0.0", "--to", "production"]);
    assert_eq!(promoted.stderr, "");
    assert!(String::from_utf8_lossy(&here.read(path)).contains("\"production\""));
    // An edit is one.
    here.write(path, b"{}");
    let left = here.ok(&["models", "promote", "risk@1.0.0", "--to", "staging"]);
    assert!(left.stderr.contains("edited by somebody else"), "{}", left.stderr);
    assert_eq!(here.read(path), b"{}");
}

#[test]
fn whoever_projects_at_once_leaves_what_is_recorded_last() {
    let place = everything();
    for round in 0..3 {
        fs::remove_dir_all(place.at("models/registry")).unwrap();
        let _ = fs::remove_file(place.at(INDEX));
        place.write(&format!("{RESEARCH}/{round}.md"), b"# More\n");
        let commands: [&[&str]; 6] = [
            &["project"],
            &["models", "promote", "risk@1.0.0", "--to", ["staging", "archived", "production"][round]],
            &["research"],
            &["models", "promote", "tuned@0.1.0", "--to", ["staging", "production", "archived"][round]],
            &["project", "models"],
            &["models", "describe", "risk@1.1.0", "--notes", ["x", "y", "z"][round]],
        ];
        let start = |arguments: &&[&str]| {
            let mut command = place.command(arguments);
            let piped = std::process::Stdio::piped;
            command.stdout(piped()).stderr(piped()).spawn().unwrap()
        };
        let children: Vec<_> = commands.iter().map(start).collect();
        for (child, command) in children.into_iter().zip(commands) {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{command:?} {output:?}");
            assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{command:?}");
        }
        let check = place.run(&["project", "--check"]);
        assert_eq!(check.code, 0, "{}", check.stdout);
        assert_eq!(place.run(&["research", "--check"]).code, 0);
    }
}

#[test]
fn a_projected_file_tells_what_it_is_projected_from() {
    let place = everything();
    let first_line = |name: &str| {
        let shown = place.ok(&["show", name]).stdout;
        shown.lines().nth(1).unwrap().trim().to_owned()
    };
    let tail = place.json(&["show", RUN_ID])["run"]["tail"].as_str().unwrap().to_owned();
    let report = report();
    assert_eq!(
        first_line(&report),
        format!("written  by a projection from run {tail}, and says what is recorded")
    );
    let config = report.replace("RUN_REPORT.md", "run_config.yaml");
    assert_eq!(place.json(&["show", &config])["projected"]["from"], "run");
    let metadata = "models/registry/risk/1.1.0/metadata.json";
    assert!(first_line(metadata).contains("from model risk@1.1.0, and says"), "{}", first_line(metadata));
    let shown = place.ok(&["show", INDEX]).stdout;
    assert!(shown.contains("from 2 documents, and says") && shown.contains("lists    thoughts"), "{shown}");
    assert_eq!(place.ok(&["show", INDEX, "--files"]).stdout.lines().count(), 2);
    place.ok(&["show", INDEX, "--format", "dot"]);
    let projected = place.read(metadata);
    place.write(metadata, b"{}");
    assert!(first_line(metadata).contains("but was edited since"), "{}", first_line(metadata));
    assert_eq!(place.json(&["show", metadata])["projected"]["state"], "edited");
    // What lies there is what was projected, and what is recorded has gone on.
    place.ok(&["models", "describe", "risk@1.1.0", "--description", "newer"]);
    place.write(metadata, &projected);
    assert!(first_line(metadata).contains("but is out of date"), "{}", first_line(metadata));
    assert_eq!(place.json(&["show", metadata])["projected"]["state"], "outdated");
    fs::remove_file(place.at(".lineage/projected")).unwrap();
    assert!(first_line(metadata).contains("edited, or out of date"), "{}", first_line(metadata));
    assert_eq!(place.json(&["show", metadata])["projected"]["state"], "other");
    fs::remove_file(place.at(metadata)).unwrap();
    let gone = place.json(&["show", metadata]);
    assert_eq!((&gone["kind"], &gone["projected"]["state"]), (&"projected".into(), &"missing".into()));
    assert_eq!(gone["model"]["version"], "1.1.0");
    // What a run read is a file with a way; where that came from, the projection says.
    place.ok(&["project"]);
    place.ok(&["run", "--", "cat", metadata]);
    assert!(first_line(metadata).starts_with("bytes"), "{}", first_line(metadata));
    let read = place.json(&["show", metadata]);
    assert_eq!((&read["kind"], &read["projected"]["from"]), (&"file".into(), &"model".into()));
    let (code, message) = place.refused(&["log", &report]);
    assert!(code == 2 && message.contains("written by a projection"), "{message}");
    assert_eq!(place.refused(&["show", "data/processed/nothing/RUN_REPORT.md"]).0, 2);
}

#[test]
fn what_was_projected_and_cannot_be_remembered_is_told_by_whoever_projects() {
    let place = made();
    place.write("model.bin", b"model\n");
    fs::remove_file(place.at(".lineage/projected")).unwrap();
    place.write(".lineage/projected/in-the-way", b"");
    for arguments in [
        ["project"].as_slice(),
        &["register", "risk", "1.0.0", "--artifact", "model=model.bin"],
        &["models", "promote", "risk@1.0.0", "--to", "staging"],
        &["pipeline", "--run-name", "again"],
        &["research"],
    ] {
        if arguments == ["research"] {
            place.write("thoughts/shared/research/2026-01-01_a.md", b"# A\n");
        }
        let answer = place.run(arguments);
        let said = answer.stderr.matches("in-the-way").count()
            + answer.stderr.matches("/projected`, so that").count();
        assert_eq!(said, 1, "{arguments:?}: {answer:#?}");
    }
}

#[test]
fn what_git_brings_back_of_an_earlier_projection_is_outdated_and_nobody_s_edit() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write("m", b"1");
    place.ok(&["register", "m", "1.0.0", "--artifact", "m=m"]);
    place.commit_all("Register");
    for stage in ["staging", "production"] {
        place.ok(&["models", "promote", "m@1.0.0", "--to", stage]);
    }
    let entry = "models/registry/m/1.0.0/metadata.json";
    let now = place.read(entry);
    place.git(&["checkout", "-q", entry]);
    assert!(place.read(entry) != now);
    let status = place.ok(&["status"]);
    let note = "note: 1 projected file does not hold what is recorded: `lineage project --check` says more\n";
    assert_eq!(status.stderr, note);
    let checked = place.run(&["project", "--check"]);
    assert!(checked.code == 1 && checked.stdout.contains("outdated"), "{checked:?}");
    place.ok(&["project"]);
    assert_eq!(place.read(entry), now);
    assert_eq!(place.ok(&["status"]).stderr, "");
    // An edit is one still.
    place.write(entry, b"{}");
    assert_eq!(place.ok(&["status"]).stderr, note);
    assert!(place.run(&["project"]).stdout.contains("edited"));
    // Also where nobody remembers what was projected.
    fs::remove_file(place.at(".lineage/projected")).unwrap();
    assert_eq!(place.ok(&["status"]).stderr, note);
    assert_eq!(place.read(entry), b"{}");
}
