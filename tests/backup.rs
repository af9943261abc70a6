//! Backup, merge, restore and gc: what was recorded comes back whole, nothing twice, and nothing that is needed goes.

mod common;

use std::fs;

use common::{Place, RUN_ID};

/// A workspace with pipeline, commands, metrics, parameters and a failed run.
fn filled() -> Place {
    let place = Place::without_git();
    place.ok(&["pipeline", "--run-name", "all"]);
    place.write(
        "train.sh",
        b"cat data/raw/*.txt > /dev/null; echo model > model.bin; echo '{\"f1\": 0.1}' > metrics.json\n",
    );
    place.ok(&["run", "--", "sh", "train.sh"]);
    place.run(&["run", "--", "sh", "-c", "echo broken > broken.bin; exit 3"]);
    place
}

fn export(place: &Place) -> String {
    place.ok(&["export", "--format", "jsonl"]).stdout
}

/// The facts of a backup, sorted, without first and last line.
fn facts(backup: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = backup.lines().collect();
    lines.pop();
    lines.remove(0);
    lines.sort_unstable();
    lines
}

#[test]
fn a_backup_is_the_same_every_time_and_makes_the_same_workspace() {
    let place = filled();
    let backup = export(&place);
    assert_eq!(export(&place), backup);
    fs::remove_file(place.at(".lineage/store.redb")).unwrap();
    assert_eq!(export(&place), backup, "also from a store built anew");
    place.ok(&["export", "--format", "jsonl", "--out", "backup.jsonl"]);
    assert_eq!(place.read("backup.jsonl"), backup.as_bytes());
    assert_eq!(place.refused(&["export", "--format", "jsonl", "--out", "backup.jsonl"]).0, 2);

    let other = Place::empty();
    other.write("b.jsonl", backup.as_bytes());
    let first = other.json(&["import", "--format", "jsonl", "b.jsonl"]);
    assert!(first["facts_new"].as_u64().unwrap() > 20);
    assert_eq!(first["runs_new"], 3);
    assert_eq!(export(&other), backup);
    assert_eq!(other.ok(&["log"]).stdout, place.ok(&["log"]).stdout);
    let files = other.all_files();
    let second = other.json(&["import", "--format", "jsonl", "b.jsonl"]);
    assert_eq!((&second["facts_new"], &second["facts_known"]), (&0.into(), &first["facts_new"]));
    assert_eq!(other.all_files(), files, "importing twice writes nothing");
    assert_eq!(other.run(&["verify"]).code, 1, "contents are not in a backup of facts");
}

#[test]
fn one_run_is_exported_with_all_that_speaks_of_it() {
    let place = filled();
    let backup = place.ok(&["export", "--format", "jsonl", "@-"]).stdout;
    assert!(backup.contains("train.sh") && !backup.contains("broken"), "{backup}");
    assert!(backup.contains("\"f1\""));
    let other = Place::empty();
    other.write("b.jsonl", backup.as_bytes());
    other.ok(&["import", "--format", "jsonl", "b.jsonl"]);
    assert_eq!(other.runs().len(), 1);
}

#[test]
fn what_is_cut_off_damaged_or_from_the_future_is_refused_by_line_and_takes_nothing() {
    let place = filled();
    let backup = export(&place);
    let lines: Vec<&str> = backup.lines().collect();
    let other = Place::empty();
    other.ok(&["init"]);
    let files = other.all_files();
    let refused = |text: &str, expected: &str| {
        other.write("b.jsonl", text.as_bytes());
        let (code, message) = other.refused(&["import", "--format", "jsonl", "b.jsonl"]);
        assert_eq!(code, 2, "{message}");
        assert!(message.contains(expected), "{expected}: {message}");
        fs::remove_file(other.at("b.jsonl")).unwrap();
        let mut now = other.all_files();
        now.retain(|path, _| !path.ends_with("lock") && !path.ends_with("digests"));
        let mut before = files.clone();
        before.retain(|path, _| !path.ends_with("lock") && !path.ends_with("digests"));
        assert_eq!(now, before, "{expected}");
        assert!(other.runs().is_empty());
    };
    refused(&backup[..backup.len() / 2], "cut off");
    refused(&format!("{}\n", lines[..lines.len() - 1].join("\n")), &format!("line {}", lines.len() - 1));
    refused("", "line 0");
    refused(&backup.replacen("\"format\":2", "\"format\":3", 1), "format 3");
    refused(&backup.replacen("run_started", "run_vanished", 1), "run_vanished");
    refused(&backup.replacen("\"kind\":\"pipeline\"", "\"kind\":\"magic\"", 1), "magic");
    refused(&backup.replacen("train.sh", "trojan.sh", 1), "digest");
    refused(&backup.replacen("\"data/raw/", "\"../../", 1), "line");
    refused(&format!("{backup}{{}}\n"), "end line");
    refused(&backup.replacen("\"value\":0.1", "\"value\":1e999", 1), "line");
}

#[test]
fn merging_is_the_same_both_ways_and_copies_contents_once() {
    let (a, b) = (filled(), filled());
    b.write("other.sh", b"echo other > other.bin\n");
    b.ok(&["run", "--", "sh", "other.sh"]);
    let path = |place: &Place| place.root().to_str().unwrap().to_owned();
    let c = Place::empty();
    c.ok(&["init"]);
    c.ok(&["merge", &path(&b), "--with-contents"]);
    c.ok(&["merge", &path(&a), "--with-contents"]);
    let before = export(&b);
    a.ok(&["merge", &path(&b), "--with-contents"]);
    assert_eq!(export(&b), before, "the other workspace is only read");
    b.ok(&["merge", &path(&a), "--with-contents"]);
    assert_eq!(export(&a), export(&b));
    assert_eq!(export(&a), export(&c));
    let again = a.json(&["merge", &path(&b), "--with-contents"]);
    assert_eq!((&again["facts_new"], &again["contents_copied"]), (&0.into(), &0.into()));
    // Both began their runs in the same seconds: the labels are told apart, on both sides the same.
    let labels = |place: &Place| {
        let runs = place.runs();
        runs.iter().map(|run| run["run_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(labels(&a), labels(&b));
    assert_eq!(labels(&a).len(), 7);
    let second = format!("{RUN_ID}_2");
    assert!(labels(&a).contains(&RUN_ID.to_owned()) && labels(&a).contains(&second), "{:?}", labels(&a));
    let keys = [RUN_ID, second.as_str()].map(|label| {
        let shown = a.ok(&["show", label]).stdout;
        assert_eq!(shown, b.ok(&["show", label]).stdout);
        shown
    });
    assert_ne!(keys[0], keys[1]);
    // What both have made can be written again, in the same folders.
    let folders = ["data/interim", "data/processed"];
    let projected = |place: &Place| {
        for folder in folders {
            let _ = fs::remove_dir_all(place.at(folder));
        }
        place.ok(&["project"]);
        place.projected()
    };
    assert_eq!(projected(&a), projected(&b));
}

/// Lists what lies below a folder, with the times and the bytes of each.
fn tree(folder: &std::path::Path) -> Vec<(std::path::PathBuf, std::time::SystemTime, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let changed = entry.metadata().unwrap().modified().unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
                found.push((entry.path(), changed, Vec::new()));
            } else {
                found.push((entry.path(), changed, fs::read(entry.path()).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn of_two_workspaces_that_are_merged_the_other_one_stays_as_it_is() {
    let (place, other) = (filled(), filled());
    other.ok(&["run", "--", "sh", "-c", "echo more > more.bin"]);
    // Its last facts are not applied yet, and somebody was killed who took facts over here.
    let left = place.at(".lineage/taking-00000000000000000000000000000007");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("facts"), "half").unwrap();
    let before = tree(&other.at(".lineage"));
    let merged = place.json(&["merge", other.root().to_str().unwrap(), "--with-contents"]);
    assert_ne!(merged["facts_new"], 0);
    assert_eq!(tree(&other.at(".lineage")), before);
    assert!(!left.exists());
    // Without its store it is read as well.
    fs::remove_file(other.at(".lineage/store.redb")).unwrap();
    let before = tree(&other.at(".lineage"));
    let again = place.json(&["merge", other.root().to_str().unwrap()]);
    assert_eq!(again["facts_new"], 0);
    assert_eq!(tree(&other.at(".lineage")), before);
}

#[test]
fn a_workspace_is_not_merged_with_itself_nor_with_a_stranger() {
    let place = filled();
    assert_eq!(place.refused(&["merge", "."]).0, 2);
    assert_eq!(place.refused(&["merge", "data"]).0, 2);
    assert_eq!(place.refused(&["merge", "train.sh"]).0, 2);
    assert_eq!(place.refused(&["merge", "nowhere"]).0, 2);
}

#[test]
fn tables_have_a_row_for_each_fact() {
    let place = filled();
    place.ok(&["export", "--format", "csv", "--out", "tables"]);
    let runs = String::from_utf8(place.read("tables/runs.csv")).unwrap();
    assert_eq!(runs.lines().count(), 4);
    assert!(String::from_utf8(place.read("tables/edges.csv")).unwrap().contains("model.bin"));
    assert_eq!(place.refused(&["export", "--format", "csv"]).0, 2);
}

#[test]
fn any_version_of_a_file_is_brought_back_or_printed() {
    let place = filled();
    let first = place.runs()[1]["run_id"].as_str().unwrap().to_owned();
    place.write("train.sh", b"echo better > model.bin\n");
    place.ok(&["run", "--", "sh", "train.sh"]);
    assert_eq!(place.ok(&["cat", "model.bin"]).stdout, "better\n");
    assert_eq!(place.ok(&["cat", &format!("model.bin@{first}")]).stdout, "model\n");
    assert_eq!(place.ok(&["cat", "model.bin@"]).stdout, "better\n");
    fs::remove_file(place.at("model.bin")).unwrap();
    place.ok(&["restore", "model.bin"]);
    assert_eq!(place.read("model.bin"), b"better\n");
    let (code, message) = place.refused(&["restore", &format!("model.bin@{first}")]);
    assert!(code == 2 && message.contains("--force"), "{message}");
    place.ok(&["restore", &format!("model.bin@{first}"), "--to", "old/model.bin"]);
    assert_eq!(place.read("old/model.bin"), b"model\n");
    place.write("model.bin", b"my edit\n");
    let forced = place.json(&["restore", "model.bin", "--force"]);
    let kept = forced["files"][0]["replaced"].as_str().unwrap();
    assert_eq!(place.ok(&["cat", kept]).stdout, "my edit\n");
    let segmented =
        place.output_names().into_iter().find(|name| name.ends_with("segmented_risks.json")).unwrap();
    assert!(!place.ok(&["cat", &format!("{segmented}#1A_001")]).stdout.is_empty());
    for word in ["nothing.bin", "model.bin@20200101_000000", "blake3:00", "data/raw/none#1"] {
        assert_eq!(place.refused(&["cat", word]).0, 2, "{word}");
    }
    assert_eq!(place.refused(&["restore", "train.sh", "nothing.bin", "--to", "old"]).0, 2);
    assert!(!place.at("old/train.sh").exists(), "all are found before one is written");
}

#[test]
fn what_is_kept_of_a_file_is_what_was_written_last_whichever_step_began_last() {
    let place = Place::empty();
    place.write("in", b"first\n");
    place.ok(&["run", "--", "sh", "-c", "cp in out; echo last >> out"]);
    fs::remove_file(place.at("out")).unwrap();
    place.ok(&["restore", "out"]);
    assert_eq!(place.read("out"), b"first\nlast\n");
}

#[test]
fn all_that_runs_wrote_is_brought_back_by_the_folder_it_lay_in_also_by_the_workspace_itself() {
    let place = Place::empty();
    place.write("in", b"1\n");
    place.ok(&["run", "--", "sh", "-c", "cp in b; mkdir out; cp in out/a"]);
    fs::remove_file(place.at("b")).unwrap();
    fs::remove_dir_all(place.at("out")).unwrap();
    place.ok(&["restore", "."]);
    assert_eq!((place.read("b"), place.read("out/a")), (b"1\n".to_vec(), b"1\n".to_vec()));
}

#[test]
fn a_damaged_copy_is_never_restored() {
    let place = filled();
    let digest = lineage::model::Digest::of(b"model\n").hex();
    let object = place.at(&format!(".lineage/objects/{}/{}", &digest[..2], &digest[2..]));
    fs::write(&object, b"LINEAGEO\x01\x00\x06\x00\x00\x00\x00\x00\x00\x00mobel\n").unwrap();
    assert_eq!(place.ok(&["cat", "model.bin"]).stdout, "model\n", "the file itself still has the bytes");
    fs::remove_file(place.at("model.bin")).unwrap();
    assert_eq!(place.run(&["restore", "model.bin"]).code, 3);
    assert!(!place.at("model.bin").exists());
}

#[test]
fn the_configuration_says_what_is_kept_and_gc_lets_go_the_rest() {
    let place = filled();
    let projected = place.projected();
    assert_eq!(place.json(&["gc", "--older-than", "0"])["contents"], serde_json::json!([]));
    place.write(".lineage/config.toml", b"[keep]\noutputs_up_to = 3\ninclude = [\"big*\"]\n");
    place.ok(&["run", "--", "sh", "-c", "echo a longer text > big1; echo another text > small1"]);
    fs::remove_file(place.at("big1")).unwrap();
    fs::remove_file(place.at("small1")).unwrap();
    assert_eq!(place.ok(&["cat", "big1"]).stdout, "a longer text\n");
    assert_eq!(place.refused(&["cat", "small1"]).0, 2, "larger than is kept");
    // What was kept by the earlier policy may go; nothing does before it is asked for, nor while it is young.
    assert_eq!(place.json(&["gc"])["contents"], serde_json::json!([]));
    assert_eq!(place.json(&["gc", "--older-than", "0"])["contents"], serde_json::json!([]), "just kept");
    place.age_contents();
    let could = place.json(&["gc", "--older-than", "0"]);
    assert!(could["bytes"].as_u64().unwrap() > 0, "{could}");
    assert_eq!(place.json(&["gc", "--older-than", "0"])["contents"], could["contents"]);
    let went = place.json(&["gc", "--older-than", "0", "--apply"]);
    assert_eq!(went["contents"], could["contents"]);
    assert_eq!(place.json(&["gc", "--older-than", "0"])["contents"], serde_json::json!([]));
    for folder in ["data/interim", "data/processed"] {
        fs::remove_dir_all(place.at(folder)).unwrap();
    }
    place.ok(&["project"]);
    assert_eq!(place.projected(), projected, "nothing that a projection needs has gone");
    place.write(".lineage/config.toml", b"[keep]\noutput_up_to = 3\n");
    let (code, message) = place.refused(&["gc"]);
    assert!(code == 2 && message.contains("outputs_up_to"), "{message}");
    let (code, message) = place.refused(&["run", "--", "sh", "-c", "echo x > y"]);
    assert!(code == 125 && message.contains("output_up_to"), "{message}");
}

#[test]
fn gc_removes_what_a_kill_left_and_nothing_of_others() {
    let place = filled();
    let digests = place.json(&["gc", "--older-than", "0", "-n", "0"])["kept"].clone();
    let output = place.output_names().remove(0);
    let beside = |name: &str| format!("{}/{name}", output.rsplit_once('/').unwrap().0);
    let leftovers =
        [".lineage/objects/ab/.lineage-tmp-1-0-00000000".to_owned(), beside(".lineage-tmp-1-0-00000001")];
    let strangers = [".lineage/objects/ab/mine.txt".to_owned(), beside("mine.txt")];
    for name in leftovers.iter().chain(&strangers) {
        place.write(name, b"half");
    }
    let is_there = |name: &String| place.at(name).exists();
    for arguments in [&["gc", "--older-than", "0"][..], &["gc", "--apply"]] {
        place.ok(arguments);
        assert!(leftovers.iter().all(is_there), "not asked for, or too young: {arguments:?}");
    }
    for name in &leftovers {
        common::age(&place.at(name));
    }
    assert_eq!(place.json(&["gc", "--older-than", "0", "--apply"])["kept"], digests);
    assert!(!leftovers.iter().any(is_there) && strangers.iter().all(is_there));
}

#[test]
fn the_files_of_a_withdrawn_version_may_go_unless_others_need_them() {
    let place = Place::empty();
    // Kept by the policy of the day, and beyond that of tomorrow.
    for name in ["alone", "shared", "live"] {
        let command = format!("echo the model {name} > {name}.bin");
        place.ok(&["run", "--", "sh", "-c", &command]);
        place.ok(&["register", name, "1.0.0", "--artifact", &format!("model={name}.bin")]);
    }
    place.ok(&["register", "other", "1.0.0", "--artifact", "model=shared.bin"]);
    place.ok(&["models", "promote", "live@1.0.0", "--to", "production"]);
    place.write(".lineage/config.toml", b"[keep]\noutputs_up_to = 3\n");
    let could = |place: &Place| {
        place.age_contents();
        let could = place.json(&["gc", "--older-than", "0"]);
        let contents = could["contents"].as_array().unwrap().iter();
        let digests = contents.map(|content| {
            (content["digest"].as_str().unwrap().to_owned(), content["reason"].as_str().unwrap().to_owned())
        });
        digests.collect::<std::collections::BTreeMap<String, String>>()
    };
    let digest =
        |name: &str| lineage::model::Digest::of(format!("the model {name}\n").as_bytes()).to_string();
    for name in ["alone", "shared", "live"] {
        assert!(!could(&place).contains_key(&digest(name)), "{name} is a version's");
    }
    for name in ["alone", "shared"] {
        place.ok(&["models", "delete", &format!("{name}@1.0.0"), "--reason", "old", "--force"]);
    }
    let now = could(&place);
    assert!(now[&digest("alone")].contains("withdrawn"), "{now:#?}");
    for name in ["shared", "live"] {
        assert!(!now.contains_key(&digest(name)), "another version needs {name}: {now:#?}");
    }
    place.ok(&["gc", "--older-than", "0", "--apply"]);
    fs::remove_file(place.at("alone.bin")).unwrap();
    fs::remove_file(place.at("shared.bin")).unwrap();
    assert_eq!(place.refused(&["cat", "alone.bin"]).0, 2);
    assert_eq!(place.ok(&["cat", "shared.bin"]).stdout, "the model shared\n");
    assert_eq!(place.run(&["project", "--check"]).code, 0);
}

#[test]
fn nothing_goes_while_a_run_is_being_recorded() {
    let place = filled();
    let mut child = place
        .command(&["run", "--quiet", "--", "sh", "-c", "echo ready > ready; read line"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    while !place.at("ready").exists() {
        std::thread::yield_now();
    }
    let (code, message) = place.refused(&["gc", "--apply", "--older-than", "0"]);
    assert!(code == 3 && message.contains("being recorded"), "{message}");
    drop(child.stdin.take());
    child.wait().unwrap();
    place.ok(&["gc", "--apply", "--older-than", "0"]);
}

#[test]
fn facts_are_counted_once_whatever_the_order_of_lines() {
    let place = filled();
    let backup = export(&place);
    let mut lines: Vec<&str> = backup.lines().collect();
    let end = lines.pop().unwrap();
    let count = end.split("\"facts\":").nth(1).unwrap().split(',').next().unwrap();
    lines[1..].reverse();
    let shuffled = format!("{}\n{{\"end\":{{\"facts\":{count}}}}}\n", lines.join("\n"));
    let other = Place::empty();
    other.write("b.jsonl", shuffled.as_bytes());
    other.ok(&["import", "--format", "jsonl", "b.jsonl"]);
    let again = export(&other);
    assert_eq!(facts(&again), facts(&backup));
    assert_eq!(again, backup);
}

#[test]
fn what_a_merged_workspace_made_is_not_taken_for_a_change_of_this_one() {
    let here = Place::empty();
    here.write("d", b"d\n");
    here.ok(&["run", "--", "sh", "-c", "cat d > o"]);
    here.ok(&["run", "--", "sh", "-c", "cat o > p"]);
    let there = Place::empty();
    let copied =
        std::process::Command::new("cp").arg("-a").arg(here.at(".")).arg(there.root()).status().unwrap();
    assert!(copied.success());
    there.write("d", b"d2\n");
    there.ok(&["run", "--name", "newer", "--", "sh", "-c", "cat d d > o; echo q > q"]);
    there.ok(&["register", "m", "1.0.0", "--artifact", "model=o"]);

    let merged = here.ok(&["merge", there.root().to_str().unwrap()]);
    assert!(merged.stderr.contains("`lineage project` writes it"), "{merged:?}");
    let again = here.json(&["merge", there.root().to_str().unwrap()]);
    assert_eq!((&again["facts_new"], &again["projections_behind"]), (&0.into(), &1.into()));
    here.ok(&["project"]);
    assert_eq!(here.json(&["merge", there.root().to_str().unwrap()])["projections_behind"], 0);

    // Nobody changed anything here: what is newer there is said, and is no fault.
    let status = here.ok(&["status"]).stdout;
    assert!(
        status.contains("not here     3 files were last seen in another workspace, and are not so here"),
        "{status}"
    );
    assert!(!status.contains("all as recorded"), "{status}");
    let status = here.json(&["status"]);
    let of = |path: &str| {
        let list = status["not_here"].as_array().unwrap().iter();
        list.clone().find(|file| file["path"] == path).unwrap_or_else(|| panic!("{status}")).clone()
    };
    assert!(of("o")["now"].is_string() && of("q")["now"].is_null() && of("d")["now"].is_string());
    assert_eq!(status["clean"], true);
    // What was changed or removed here is one all the same.
    here.write("o", b"edited\n");
    fs::remove_file(here.at("p")).unwrap();
    let status = here.json(&["status"]);
    assert_eq!((&status["changed"][0]["path"], &status["totals"]["changed"]), (&"o".into(), &1.into()));
    assert_eq!(status["totals"]["pending"].as_u64().unwrap() + status["totals"]["lost"].as_u64().unwrap(), 1);
    // There all is as it was.
    there.ok(&["status", "o", "q"]);
}

#[test]
fn what_another_workspace_keeps_is_no_more_missed_than_what_it_does_not() {
    let (here, there) = (Place::empty(), Place::empty());
    here.ok(&["init"]);
    here.shell("echo 1 > a");
    there.ok(&["init"]);
    there.shell("echo 2 > b");
    here.ok(&["merge", there.root().to_str().unwrap()]);
    let is_kept = |place: &Place| {
        let (code, status) = place.status();
        assert_eq!((code, &status["pending"]), (0, &serde_json::json!([])), "{status:#}");
        assert_eq!(status["not_here"][0]["path"], "b");
        status["not_here"][0]["is_kept"].as_bool().unwrap()
    };
    assert!(!is_kept(&here));
    here.ok(&["merge", there.root().to_str().unwrap(), "--with-contents"]);
    assert!(is_kept(&here));
    assert!(here.ok(&["status"]).stdout.contains("not on disk here, kept"));
    here.ok(&["restore", "b"]);
    assert_eq!(here.status().1["not_here"], serde_json::json!([]));
}

#[test]
fn what_another_workspace_kept_of_its_runs_is_no_fault_here() {
    let (here, there) = (Place::empty(), filled());
    here.ok(&["run", "--", "true"]);
    here.ok(&["merge", there.root().to_str().unwrap()]);
    let verified = here.ok(&["verify"]).stdout;
    assert!(verified.contains("not kept here, and recorded elsewhere: the environment of run"), "{verified}");
    fs::remove_dir_all(there.at(".lineage/objects")).unwrap();
    let verified = there.run(&["verify"]);
    assert!(
        verified.code == 1 && verified.stdout.contains("not kept: the environment of run"),
        "{verified:?}"
    );
}

#[test]
fn what_is_lost_of_a_model_without_a_run_is_told_also_after_a_merge() {
    let (here, there) = (Place::without_git(), Place::without_git());
    let lose = |place: &Place, name: &str| {
        place.write("m", format!("the model {name}").as_bytes());
        place.ok(&["register", name, "1.0.0", "--artifact", "model=m"]);
        place.write("m", b"other bytes");
        fs::remove_dir_all(place.at(".lineage/objects")).unwrap();
    };
    here.ok(&["init"]);
    there.ok(&["run", "--", "true"]);
    lose(&here, "own");
    lose(&there, "theirs");
    let lost =
        |name: &str| format!("no recorded file and no commit has these bytes: m of model {name}@1.0.0");
    assert!(there.run(&["verify"]).stdout.contains(&lost("theirs")));
    for _ in 0..2 {
        let verified = here.run(&["verify"]);
        assert!(verified.code == 1 && verified.stdout.contains(&lost("own")), "{verified:?}");
        assert!(!verified.stdout.contains(&lost("theirs")), "{verified:?}");
        here.ok(&["merge", there.root().to_str().unwrap()]);
    }
    let verified = here.run(&["verify"]).stdout;
    assert!(verified.contains("recorded elsewhere: m of model theirs@1.0.0"), "{verified}");
}

#[test]
fn a_run_from_elsewhere_whose_name_leads_out_of_the_workspace_stops_no_projection() {
    let (here, there) = (Place::without_git(), Place::without_git());
    there.ok(&["pipeline", "--run-name", "evil"]);
    let backup = export(&there).replace("\"name\":\"evil\"", "\"name\":\"../../evil\"");
    assert!(backup.contains("../../evil"), "{backup}");
    let digest = backup.rfind(",\"digest\":").unwrap();
    let backup = format!("{}}}}}\n", &backup[..digest]);
    here.ok(&["pipeline", "--run-name", "own"]);
    here.write("b.jsonl", backup.as_bytes());
    here.ok(&["merge", "b.jsonl"]);
    here.ok(&["verify"]);
    let run = here.output_names();
    for name in &run {
        fs::remove_file(here.at(name)).unwrap();
    }
    let projected = here.run(&["project"]);
    assert!(!projected.stderr.contains("cannot be the path"), "{projected:?}");
    let now = here.output_names();
    assert!(run.iter().all(|name| now.contains(name)), "{projected:?}");
}

#[test]
fn what_is_lost_of_a_workspace_is_lost_also_after_its_backup_was_brought_back() {
    let place = Place::empty();
    place.write("a", b"1\n");
    place.ok(&["run", "--", "sh", "-c", "cat a > o; head -c 20000000 /dev/zero > big"]);
    fs::create_dir(place.at("kept")).unwrap();
    place.ok(&["export", "--format", "jsonl", "--out", "kept/b.jsonl"]);
    fs::remove_dir_all(place.at(".lineage")).unwrap();
    let back = place.ok(&["import", "--format", "jsonl", "kept/b.jsonl"]).stdout;
    assert!(back.contains("its runs count as recorded here"), "{back}");
    place.ok(&["status"]);
    fs::remove_file(place.at("big")).unwrap();
    let (code, status) = (place.run(&["status"]).code, place.run(&["status", "--json"]).stdout);
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(
        (code, &status["lost"][0]["path"], &status["not_here"]),
        (1, &"big".into(), &serde_json::json!([]))
    );
    let verified = place.run(&["verify"]);
    assert!(verified.code == 1 && verified.stdout.contains("lost: written by run"), "{verified:?}");
    // In a workspace that has runs of its own, it is another's.
    let other = Place::empty();
    other.ok(&["run", "--", "true"]);
    other.write("b.jsonl", &place.read("kept/b.jsonl"));
    assert_eq!(other.json(&["import", "--format", "jsonl", "b.jsonl"])["brought_back"], false);
    fs::remove_file(other.at("b.jsonl")).unwrap();
    assert!(other.ok(&["status"]).stdout.contains("were last seen in another workspace"));
}

#[test]
fn a_file_of_this_disk_is_told_of_the_run_that_made_it_here() {
    let (here, there) = (Place::empty().with_real_clock(), Place::empty().with_real_clock());
    for (place, name) in [(&here, "src_here"), (&there, "src_there")] {
        place.write(name, b"1\n");
        place.ok(&["run", "-q", "--name", name, "--", "sh", "-c", &format!("wc -l < {name} > o")]);
    }
    here.ok(&["merge", there.root().to_str().unwrap()]);
    let runs = here.runs();
    let tail = |name: &str| {
        let run = runs.iter().find(|run| run["name"] == name).unwrap();
        let id = run["id"].as_str().unwrap();
        id[id.len() - 8..].to_owned()
    };
    let shown = here.json(&["show", "o"]);
    let names: Vec<_> = shown["runs"].as_array().unwrap().iter().map(|run| run["name"].clone()).collect();
    assert_eq!(names, ["src_here"]);
    let text = here.ok(&["show", "o"]).stdout;
    let also = format!("written with the same bytes in another workspace, by run {}", tail("src_there"));
    assert!(text.contains(&also) && !text.contains("doubt"), "{text}");
    // By its bytes alone, it is whoever wrote them last.
    let digest = shown["artifact"]["digest"].as_str().unwrap();
    assert!(!here.ok(&["show", digest]).stdout.contains("in another workspace"));
    // What is out of date is judged by what went into it here.
    here.write("src_here", b"1\n2\n");
    let status = here.run(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(status["stale"][0]["path"], "o", "{status}");
    assert_eq!(status["doubtful"], serde_json::json!([]));
}

#[test]
fn a_merge_says_which_versions_of_models_two_workspaces_registered() {
    let (here, there) = (Place::empty(), Place::empty());
    for (place, text) in [(&here, "here"), (&there, "there")] {
        place.ok(&["init"]);
        place.write("w", text.as_bytes());
        for version in if text == "here" { ["1.0.0", "2.0.0"] } else { ["1.0.0", "3.0.0"] } {
            place.ok(&["register", "m", version, "--artifact", "model=w"]);
        }
    }
    let merged = here.ok(&["merge", there.root().to_str().unwrap()]).stdout;
    assert_eq!(merged.matches("two workspaces registered").count(), 1, "{merged}");
    assert!(
        merged.contains("two workspaces registered m@1.0.0: the first has the name, the other is m@1.0.0~")
    );
    let again = here.json(&["merge", there.root().to_str().unwrap()]);
    assert_eq!(again["clashes"], serde_json::json!([]));
    let other_way = there.json(&["merge", here.root().to_str().unwrap()]);
    let other = other_way["clashes"][0]["other"].as_str().unwrap();
    assert!(merged.contains(other), "{merged} {other}");
    assert!(here.ok(&["models", "show", other]).stdout.contains("clash"));
}

/// Returns every kept content of a workspace with the inode it lies in.
fn inodes(place: &Place) -> std::collections::BTreeMap<lineage::model::Digest, u64> {
    use std::os::unix::fs::MetadataExt as _;
    let contents = lineage::rooms::Contents::at(lineage::rooms::Disk::new(), place.at(".lineage/objects"));
    let (digests, _) = contents.list().unwrap();
    digests.into_iter().map(|digest| (digest, contents.file(&digest).metadata().unwrap().ino())).collect()
}

/// Gives each kept content a file of its own, as programs did before contents could share one.
fn keep_apart(place: &Place) {
    let objects = place.at(".lineage/objects");
    let shared = lineage::rooms::Contents::at(lineage::rooms::Disk::new(), &objects);
    let apart = lineage::rooms::Contents::at(lineage::rooms::Disk::new(), place.at(".lineage/apart"));
    for digest in shared.list().unwrap().0 {
        apart.keep(&shared.read(&digest).unwrap().unwrap()).unwrap();
    }
    fs::remove_dir_all(&objects).unwrap();
    fs::rename(place.at(".lineage/apart"), &objects).unwrap();
}

#[test]
fn outputs_of_a_filing_share_a_file_and_those_that_an_older_program_kept_apart_are_as_good() {
    let place = filled();
    let projected = place.projected();
    let outputs: Vec<(&String, &Vec<u8>)> =
        projected.iter().filter(|(name, _)| name.ends_with("s.json")).collect();
    let of_output = |inodes: &std::collections::BTreeMap<lineage::model::Digest, u64>| {
        let inode = |(_, bytes): &(&String, &Vec<u8>)| inodes[&lineage::model::Digest::of(bytes)];
        outputs.iter().map(inode).collect::<std::collections::BTreeSet<u64>>().len()
    };
    let filings = outputs.iter().filter(|(name, _)| name.ends_with("segmented_risks.json")).count();
    let together = inodes(&place);
    assert!(
        of_output(&together) <= filings + 3,
        "one for each filing, and one for each metrics file at most"
    );
    for is_old in [false, true] {
        if is_old {
            keep_apart(&place);
            assert!(of_output(&inodes(&place)) >= filings * 3);
        }
        assert_eq!(inodes(&place).keys().collect::<Vec<_>>(), together.keys().collect::<Vec<_>>());
        place.ok(&["verify"]);
        for folder in ["data/interim", "data/processed"] {
            fs::remove_dir_all(place.at(folder)).unwrap();
        }
        place.ok(&["project"]);
        assert_eq!(place.projected(), projected);
        // Nothing is kept a second time, and another workspace has all of it after a merge.
        place.ok(&["pipeline", "--resume"]);
        assert_eq!(inodes(&place).keys().collect::<Vec<_>>(), together.keys().collect::<Vec<_>>());
        let other = Place::empty();
        other.ok(&["merge", place.root().to_str().unwrap(), "--with-contents"]);
        assert_eq!(inodes(&other).keys().collect::<Vec<_>>(), together.keys().collect::<Vec<_>>());
        other.ok(&["project"]);
        assert_eq!(other.projected(), projected);
    }
}

#[test]
fn a_merge_says_which_names_of_models_lead_elsewhere_by_it() {
    let (here, there) = (Place::empty().with_real_clock(), Place::empty().with_real_clock());
    for (place, version) in [(&here, "1.0.0"), (&there, "1.1.0")] {
        place.ok(&["init"]);
        place.write("w", version.as_bytes());
        place.ok(&["register", "m", version, "--artifact", "model=w", "--status", "production"]);
        place.ok(&["models", "alias", &format!("m@{version}"), "champ"]);
        place.ok(&["register", &format!("own{version}"), "1.0.0", "--artifact", "model=w"]);
    }
    let merged = here.ok(&["merge", there.root().to_str().unwrap()]).stdout;
    for line in [
        "m@production leads to m@1.1.0 now, in the place of m@1.0.0",
        "m@champ leads to m@1.1.0 now",
        "m@latest leads",
    ] {
        assert!(merged.contains(line), "{merged}");
    }
    assert!(!merged.contains("own"), "what nobody called anything before is no news: {merged}");
    assert!(!here.ok(&["merge", there.root().to_str().unwrap()]).stdout.contains("leads"));
    // The later promotion counts on both sides: nothing is moved there.
    let moved = there.json(&["merge", here.root().to_str().unwrap()])["moved"].clone();
    assert_eq!(moved, serde_json::json!([]));
    here.ok(&["models", "promote", "m@1.0.0", "--to", "production"]);
    here.ok(&["models", "alias", "m@1.0.0", "champ", "--remove"]);
    let moved = there.json(&["merge", here.root().to_str().unwrap()])["moved"].clone();
    let expected = serde_json::json!([
        {"name": "m@champ", "before": "m@1.1.0", "now": null},
        {"name": "m@production", "before": "m@1.1.0", "now": "m@1.0.0"},
    ]);
    assert_eq!(moved, expected);
}

#[test]
fn that_a_merge_brings_facts_from_the_future_is_said() {
    let there = filled();
    let mut run = there.command(&["run", "-q", "--", "true"]);
    assert!(run.env("LINEAGE_CLOCK_US", "4070908800000000").status().unwrap().success());
    let here = filled();
    assert!(!here.ok(&["merge", filled().root().to_str().unwrap()]).stderr.contains("ahead"));
    let said = here.ok(&["merge", there.root().to_str().unwrap()]).stderr;
    assert!(said.contains("lies ahead of this machine's clock, up to 2099-01-01"), "{said}");
    there.write("b.jsonl", export(&there).as_bytes());
    let other = Place::empty();
    let said = other.ok(&["import", "--format", "jsonl", there.at("b.jsonl").to_str().unwrap()]).stderr;
    assert!(said.contains("lies ahead of this machine's clock, up to 2099-01-01"), "{said}");
}

#[test]
fn of_a_workspace_that_lies_in_another_it_is_said_that_its_files_keep_their_paths() {
    let above = Place::empty();
    above.ok(&["init"]);
    std::fs::create_dir(above.at("below")).unwrap();
    let made = above.ok(&["init", "below"]).stderr;
    assert!(made.contains("stays there, and is asked for there: files have other paths here"), "{made}");
    let said = "lie one in the other: files keep the paths that they have there";
    let down = above.ok(&["merge", "below"]).stderr;
    assert!(down.contains(said), "{down}");
    let below = above.at("below").to_str().unwrap().to_owned();
    let up = above.ok(&["-C", &below, "merge", ".."]).stderr;
    assert!(up.contains(said), "{up}");
    let other = Place::empty();
    other.ok(&["init"]);
    assert!(!other.ok(&["merge", above.root().to_str().unwrap()]).stderr.contains(said));
}

#[test]
fn of_a_work_tree_that_lies_in_another_it_is_not_said_that_its_files_have_other_paths() {
    let Some(place) = Place::new() else { return };
    place.ok(&["init"]);
    for work_tree in ["trees/exp", "trees/clone"] {
        match work_tree {
            "trees/exp" => place.git(&["worktree", "add", "-q", "-b", "exp", work_tree]),
            _ => place.git(&["clone", "-q", ".", work_tree]),
        };
        let is_other_repository = work_tree == "trees/clone";
        let made = place.ok(&["init", work_tree]).stderr;
        assert!(made.contains("stays there, and is asked for there"), "{made}");
        assert_eq!(made.contains("files have other paths here"), is_other_repository, "{made}");
        let down = place.ok(&["merge", work_tree]).stderr;
        assert_eq!(down.contains("lie one in the other"), is_other_repository, "{down}");
        let up = place.ok(&["-C", work_tree, "merge", "../.."]).stderr;
        assert_eq!(up.contains("lie one in the other"), is_other_repository, "{up}");
    }
}

/// Two clones of one repository with `t.sh`, which copies `d` to `o`.
fn clones() -> (Place, Place) {
    let (here, there) = (Place::empty(), Place::empty());
    for (place, content) in [(&here, b"1\n"), (&there, b"2\n")] {
        place.write("t.sh", b"cat d > o\n");
        place.write("d", content);
        place.ok(&["init"]);
    }
    (here, there)
}

#[test]
fn what_was_made_here_is_as_stale_after_a_merge_as_before() {
    let (here, there) = clones();
    here.ok(&["run", "--", "sh", "t.sh"]);
    for _ in 0..2 {
        there.ok(&["run", "--", "sh", "t.sh"]);
    }
    here.ok(&["merge", there.root().to_str().unwrap()]);
    let paths = |list: &serde_json::Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect()
    };
    let (code, status) = here.status();
    assert_eq!((code, paths(&status["not_here"])), (0, vec!["d".to_owned(), "o".to_owned()]), "{status:#}");

    here.write("d", b"9\n");
    let (code, status) = here.status();
    assert_eq!((code, paths(&status["changed"])), (1, vec!["d".to_owned()]), "{status:#}");
    assert_eq!(paths(&status["stale"]), ["o"], "{status:#}");
    assert_eq!(here.run(&["status", "o"]).code, 1);
    assert_eq!(there.status().0, 0);

    // What is gone is missed, though another workspace has a later one.
    here.write("d", b"1\n");
    fs::remove_file(here.at("o")).unwrap();
    let (code, status) = here.status();
    assert_eq!((code, paths(&status["lost"]).len() + paths(&status["pending"]).len()), (1, 1), "{status:#}");
}

#[test]
fn what_a_run_took_away_here_is_not_missed_since_another_workspace_has_it() {
    let (here, there) = clones();
    here.ok(&["run", "--", "sh", "t.sh"]);
    here.ok(&["run", "--", "rm", "o"]);
    there.ok(&["run", "--", "sh", "t.sh"]);
    here.ok(&["merge", there.root().to_str().unwrap()]);
    let (code, status) = here.status();
    assert_eq!((code, &status["removed"][0]["path"]), (0, &"o".into()), "{status:#}");
}

#[test]
fn what_was_never_here_is_not_stale_here() {
    let (here, there) = clones();
    here.ok(&["run", "--", "sh", "t.sh"]);
    there.write("o", b"1\n");
    there.ok(&["run", "--", "sh", "-c", "sort o > m"]);
    for options in [&[][..], &["--with-contents"]] {
        here.ok(&[&["merge", there.root().to_str().unwrap()], options].concat());
        here.write("d", b"5\n");
        here.ok(&["run", "--", "sh", "t.sh"]);
        let (code, status) = here.status();
        assert_eq!((code, &status["stale"]), (0, &serde_json::json!([])), "{status:#}");
        assert_eq!(status["not_here"][0]["path"], "m");
    }
}

#[test]
fn who_wrote_a_file_here_is_registered_after_a_merge_and_the_latest_run_is_of_this_workspace() {
    let (here, there) = clones();
    let train = |place: &Place, score: &str| {
        let script = format!("echo m > o; echo '{{\"acc\": {score}}}' > metrics.json");
        place.ok(&["run", "--name", score, "--", "sh", "-c", &script]);
    };
    train(&here, "0.1");
    train(&there, "0.9");
    here.ok(&["merge", there.root().to_str().unwrap()]);
    let answer = here.ok(&["register", "net", "1.0.0", "--artifact", "m=o"]);
    let model = here.json(&["models", "show", "net@1.0.0"]);
    assert_eq!(model["model"]["metrics"]["acc"], 0.1, "{answer:?} {model:#}");
    assert!(here.ok(&["show", "@"]).stdout.contains("0.1"));
    let (code, error) = here.refused(&["show", "@-"]);
    assert!(code == 2 && error.contains("there are not 2 runs of this workspace"), "{error}");
}

#[test]
fn of_a_folder_all_is_brought_back_that_is_to_be_had_and_the_rest_is_named() {
    let place = Place::empty();
    place.ok(&["init", "."]);
    place.write(".lineage/config.toml", b"[keep]\nexclude = [\"out/big\"]\n");
    place.ok(&[
        "run",
        "--",
        "sh",
        "-c",
        "mkdir -p out/deep; echo big > out/big; echo small > out/deep/small",
    ]);
    fs::remove_dir_all(place.at("out")).unwrap();
    let answer = place.run(&["restore", "out"]);
    assert_eq!(answer.code, 1, "{}", answer.stderr);
    assert!(answer.stdout.contains("left out  the bytes of `out/big` ("), "{}", answer.stdout);
    assert_eq!((place.read("out/deep/small"), place.at("out/big").exists()), (b"small\n".to_vec(), false));
    let answer = place.run(&["restore", "out", "--to", "copy", "--json"]);
    let answer: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(answer["files"].as_array().unwrap().len(), 1);
    assert_eq!(answer["left_out"][0]["path"], "out/big");
    // What is named by itself is to be had, or nothing is written.
    fs::remove_dir_all(place.at("out")).unwrap();
    assert_eq!(place.refused(&["restore", "out/deep/small", "out/big"]).0, 2);
    assert!(!place.at("out").exists());
}
