//! Symbolic links: in folders of checkpoints that models are made of, and among what runs write.

mod common;

use std::fs;
use std::os::unix::fs::symlink;

use common::{Place, python_with};

/// A training that leaves its last checkpoint by name, as the trainers of this field do, and hands out a snapshot that consists of
/// links to what lies elsewhere.
const TRAIN: &str = "mkdir -p ck/step-2 blobs hf; echo 1 > ck/e1.pt; echo 22 > ck/e2.pt; ln -s e2.pt ck/last.pt; \
                     echo opt > ck/step-2/opt; ln -s step-2 ck/latest; echo w > blobs/0f; ln -s ../blobs/0f hf/w.bin";

fn place() -> Place {
    let place = Place::empty();
    place.ok(&["init"]);
    place.shell(TRAIN);
    place
}

fn text_of(place: &Place, path: &str) -> Option<String> {
    fs::read_link(place.at(path)).ok().map(|text| text.to_str().unwrap().to_owned())
}

#[test]
fn a_model_folder_with_links_is_registered_verified_and_brought_back() {
    let place = place();
    let answer = place.ok(&["register", "k", "1.0.0", "--artifact", "ck=ck", "--artifact", "hf=hf"]);
    assert!(answer.stdout.starts_with("registered k@1.0.0"), "{answer:?}");
    assert_eq!(answer.stderr, "", "whoever made a link is no second run: {answer:?}");
    let shown = place.ok(&["models", "show", "k@1.0.0"]).stdout;
    assert!(shown.contains("link to e2.pt") && shown.contains("link to step-2"), "{shown}");
    let entry: serde_json::Value =
        serde_json::from_slice(&place.read("models/registry/k/1.0.0/metadata.json")).unwrap();
    assert_eq!(entry["artifact_paths"]["ck/last.pt"]["link_to"], "e2.pt");
    assert_eq!(entry["artifact_paths"]["hf/w.bin"]["link_to"], serde_json::Value::Null, "by its bytes");
    place.ok(&["models", "verify"]);
    place.ok(&["verify"]);
    assert_eq!(place.ok(&["status"]).code, 0);

    // Somebody makes the link lead elsewhere.
    fs::remove_file(place.at("ck/last.pt")).unwrap();
    symlink("e1.pt", place.at("ck/last.pt")).unwrap();
    let checked = place.run(&["models", "verify"]);
    assert!(checked.code == 0 && checked.stdout.contains("ck/last.pt"), "{checked:?}");
    let (code, text) = place.refused(&["restore", "k@1.0.0"]);
    assert!(code == 2 && text.contains("`--force`") && text.contains("is a link to `e1.pt`"), "{text}");

    for gone in ["ck", "hf", "blobs"] {
        fs::remove_dir_all(place.at(gone)).unwrap();
    }
    let answer = place.ok(&["restore", "k@1.0.0"]);
    assert!(answer.stdout.contains("ck/last.pt  link to e2.pt"), "{answer:?}");
    assert_eq!(text_of(&place, "ck/last.pt").as_deref(), Some("e2.pt"));
    assert_eq!(place.read("ck/last.pt"), b"22\n");
    assert_eq!(place.read("ck/latest/opt"), b"opt\n");
    assert_eq!((text_of(&place, "hf/w.bin"), place.read("hf/w.bin")), (None, b"w\n".to_vec()));
    place.ok(&["models", "verify"]);
    assert!(place.ok(&["restore", "k@1.0.0"]).stdout.lines().all(|line| line.starts_with("unchanged")));

    // Elsewhere, the links lead from name to name as they did.
    place.ok(&["restore", "k@1.0.0", "--to", "copy"]);
    assert_eq!(place.read("copy/ck/last.pt"), b"22\n");
    assert_eq!(text_of(&place, "copy/ck/latest").as_deref(), Some("step-2"));
}

#[test]
fn links_of_a_model_go_through_every_export_and_come_back() {
    let place = place();
    place.ok(&["register", "k", "1.0.0", "--artifact", "ck=ck"]);
    place.ok(&["export", "--format", "jsonl", "--out", "facts.jsonl"]);
    let (registry, lines) = (place.at("models/registry"), place.at("facts.jsonl"));
    for (format, source) in [("jsonl", lines.to_str().unwrap()), ("registry", registry.to_str().unwrap())] {
        let other = Place::empty();
        other.ok(&["init"]);
        other.ok(&["import", "--format", format, source]);
        let model = &other.json(&["models", "show", "k@1.0.0"])["model"];
        let files = model["artifacts"].as_array().unwrap();
        let link = files.iter().find(|file| file["name"] == "ck/last.pt").unwrap();
        assert_eq!(link["link_to"], "e2.pt", "{format}");
    }
    place.ok(&["export", "--format", "csv", "--out", "csv"]);
    let links = String::from_utf8(place.read("csv/links.csv")).unwrap();
    assert!(links.contains("ck/last.pt,blake3:") && links.contains(",e2.pt\r\n"), "{links}");
    for (format, out) in [("ro-crate", "crate"), ("prov-json", "p.json"), ("openlineage", "o.jsonl")] {
        place.ok(&["export", "--format", format, "--out", out]);
    }
    if let Some(python) = python_with(&["jsonschema"]) {
        let schema = place.ok(&["schema", "metadata"]).stdout;
        place.write("schema.json", schema.as_bytes());
        let check =
            "import json,jsonschema,sys; s,d=map(json.load,map(open,sys.argv[1:])); jsonschema.validate(d,s)";
        let entry = place.at("models/registry/k/1.0.0/metadata.json");
        let done = std::process::Command::new(python)
            .args(["-c", check])
            .args([place.at("schema.json"), entry])
            .status()
            .unwrap();
        assert!(done.success());
    }
}

#[test]
fn links_without_an_end_and_links_to_nothing_are_refused() {
    let place = place();
    symlink("gone", place.at("ck/bad")).unwrap();
    let (code, text) = place.refused(&["register", "k", "1.0.0", "--artifact", "ck=ck"]);
    assert!(
        code == 2 && text.contains("ck/bad` is a link to `gone`, where nothing is to be found"),
        "{text}"
    );
    fs::remove_file(place.at("ck/bad")).unwrap();
    symlink("../..", place.at("ck/step-2/up")).unwrap();
    let (code, text) = place.refused(&["register", "k", "1.0.0", "--artifact", "ck=ck"]);
    assert!(code == 2 && text.contains("a folder that holds it"), "{text}");
    fs::remove_file(place.at("ck/step-2/up")).unwrap();
    // Within the artifact it is a link like others.
    symlink("..", place.at("ck/step-2/up")).unwrap();
    place.ok(&["register", "k", "1.0.0", "--artifact", "ck=ck"]);
    symlink("../.lineage/store.redb", place.at("ck/store")).unwrap();
    let (code, text) = place.refused(&["register", "k", "1.0.1", "--artifact", "ck=ck"]);
    assert!(code == 2 && text.contains("lineage's own"), "{text}");
}

#[test]
fn what_runs_wrote_into_a_folder_comes_back_with_its_links() {
    let place = place();
    fs::remove_dir_all(place.at("ck")).unwrap();
    let verified = place.ok(&["verify"]).stdout;
    assert!(
        verified.contains("ck/last.pt") && !verified.contains("lost"),
        "its text is all there is of it: {verified}"
    );
    let shown = place.ok(&["show", "ck/last.pt"]).stdout;
    assert!(shown.starts_with("ck/last.pt  link to ck/e2.pt, gone, made "), "{shown}");
    assert_eq!(place.ok(&["cat", "ck/last.pt"]).stdout, "22\n", "what it led to is kept");
    place.ok(&["restore", "ck/last.pt", "--to", "last-copy.pt"]);
    assert_eq!((text_of(&place, "last-copy.pt"), place.read("last-copy.pt")), (None, b"22\n".to_vec()));
    place.ok(&["restore", "ck"]);
    assert_eq!(text_of(&place, "ck/last.pt").as_deref(), Some("e2.pt"));
    assert_eq!(place.read("ck/latest/opt"), b"opt\n");

    // The run that wrote a folder is exported with the links in it.
    place.ok(&["export", "@", "--format", "jsonl", "--out", "run.jsonl"]);
    let lines = String::from_utf8(place.read("run.jsonl")).unwrap();
    assert!(lines.contains(r#"{"link_seen":{"path":"ck/last.pt","text":"e2.pt"}}"#), "{lines}");

    // Another link in its place goes only when that is asked for, and can be had again.
    fs::remove_file(place.at("ck/last.pt")).unwrap();
    symlink("e1.pt", place.at("ck/last.pt")).unwrap();
    let (code, _) = place.refused(&["restore", "ck/last.pt"]);
    assert_eq!((code, text_of(&place, "ck/last.pt").as_deref()), (2, Some("e1.pt")));
    place.ok(&["restore", "ck/last.pt", "--force"]);
    assert_eq!(text_of(&place, "ck/last.pt").as_deref(), Some("e2.pt"));
    assert!(place.ok(&["log", "ck/last.pt"]).stdout.contains("restore wrote over it"));
    place.ok(&["verify"]);
}

#[test]
fn a_link_out_of_the_workspace_is_not_brought_back() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.ok(&["run", "--quiet", "--", "ln", "-s", "/etc/hostname", "out"]);
    fs::remove_file(place.at("out")).unwrap();
    let (code, text) = place.refused(&["restore", "out"]);
    assert!(code == 2 && text.contains("leads out of"), "{text}");
    assert!(fs::symlink_metadata(place.at("out")).is_err());
}

#[test]
fn a_run_that_went_on_from_the_latest_checkpoint_is_repeated_after_the_link_was_turned() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write("README", b"");
    place.commit_all("Begin");
    let went_on = |line: &str| place.ok(&["run", "-q", "--name", "on", "--", "sh", "-c", line]);
    place.shell("mkdir ck; echo 1 > ck/e1; ln -s e1 ck/latest");
    went_on("cat ck/latest > ck/e2; ln -sfn e2 ck/latest");
    if !place.was_observed() {
        return;
    }
    let again = place.ok(&["rerun", "on"]).stdout;
    assert!(again.contains("2 outputs, all with the same bytes"), "{again}");
    // A link that no run made, and that a run turned at once.
    fs::remove_file(place.at("ck/latest")).unwrap();
    symlink("e1", place.at("ck/latest")).unwrap();
    went_on("cat ck/latest > ck/e3; ln -sfn e3 ck/latest");
    let again = place.ok(&["rerun", "@"]).stdout;
    assert!(again.contains("2 outputs, all with the same bytes"), "{again}");
    // What was a link is brought back as one.
    fs::remove_file(place.at("ck/latest")).unwrap();
    place.ok(&["restore", "ck/latest@@-2"]);
    assert_eq!(text_of(&place, "ck/latest").as_deref(), Some("e1"));
}

#[test]
fn files_below_a_link_are_asked_for_by_the_link_and_by_where_they_lie() {
    let elsewhere = tempfile::tempdir().unwrap();
    fs::create_dir(elsewhere.path().join("raw")).unwrap();
    fs::write(elsewhere.path().join("raw/a.csv"), "1\n").unwrap();
    let place = Place::empty();
    place.ok(&["init"]);
    std::os::unix::fs::symlink(elsewhere.path(), place.at("data")).unwrap();
    place.ok(&["run", "--", "sh", "-c", "cat data/raw/a.csv > m"]);
    if !place.was_observed() {
        return;
    }
    place.ok(&["register", "k", "1.0.0", "--artifact", "m=m"]);
    let found = |command: &str, question: &str| {
        let answer = place.json(&[command, "-w", question]);
        let list = if command == "log" { &answer["runs"] } else { &answer["models"] };
        list.as_array().unwrap().len()
    };
    let real = elsewhere.path().canonicalize().unwrap();
    let real = real.to_str().unwrap();
    for path in ["data/raw/a.csv", "data/raw/**", "data/**", "data/r*/a.csv"] {
        assert_eq!(found("log", &format!("used({path:?})")), 1, "{path}");
        assert_eq!(found("models", &format!("trained_on({path:?})")), 1, "{path}");
        let path = path.replacen("data", real, 1);
        assert_eq!(found("log", &format!("used({path:?})")), 1, "{path}");
    }
    assert_eq!(found("log", "used(\"data/raw/b*\")"), 0);
    // The folder is gone, and the link leads to where it was.
    fs::remove_dir_all(elsewhere.path().join("raw")).unwrap();
    assert_eq!(found("log", "used(\"data/raw/*\")"), 1);
}

#[test]
fn what_lies_below_a_link_is_ignored_and_excluded_by_the_name_of_the_link() {
    let elsewhere = tempfile::tempdir().unwrap();
    let real = elsewhere.path().canonicalize().unwrap();
    for folder in ["private", "patients"] {
        fs::create_dir(real.join(folder)).unwrap();
    }
    fs::write(real.join("private/p.csv"), "SECRET1\n").unwrap();
    fs::write(real.join("patients/q.csv"), "SECRET2\n").unwrap();
    fs::write(real.join("a.csv"), "plain\n").unwrap();
    let place = Place::empty();
    place.ok(&["init"]);
    symlink(&real, place.at("data")).unwrap();
    place.write(".lineageignore", b"data/private/\n");
    place.write(".lineage/config.toml", b"[keep]\nexclude = [\"data/patients/**\"]\n");
    // By the link, by where it lies, and taken away: what a command takes away is kept while it runs.
    let script = format!(
        "cat data/*/*.csv data/a.csv {0}/private/p.csv > o; rm data/private/p.csv data/patients/q.csv",
        real.display()
    );
    place.write("t.sh", script.as_bytes());
    let answer = place.ok(&["run", "--name", "r", "--", "sh", "t.sh"]);
    if !place.was_observed() {
        return;
    }
    assert!(answer.stderr.contains("files that `.lineageignore` names are not recorded"), "{answer:?}");
    let shown = place.ok(&["show", "o"]).stdout;
    // What was typed stands in the command, whatever it names.
    let files: Vec<&str> = shown.lines().filter(|line| !line.starts_with("  command")).collect();
    let names = |name: &str| files.iter().any(|line| line.contains(name));
    assert!(names("a.csv") && names("q.csv") && !names("p.csv"), "{shown}");
    fs::write(real.join("private/p.csv"), "SECRET3\n").unwrap();
    place.ok(&["import", "data", "--generated-by", "x"]);
    assert!(!place.ok(&["export", "--format", "jsonl"]).stdout.contains("p.csv\",\"digest"));
    let [a, q] = ["a.csv", "patients/q.csv"].map(|file| format!("data/{file}@r"));
    assert_eq!(place.ok(&["cat", &a]).stdout, "plain\n");
    assert_ne!(place.run(&["cat", &q]).code, 0);
}

#[test]
fn whoever_names_a_link_means_the_file_that_it_leads_to() {
    let place = Place::empty().with_real_clock();
    place.ok(&["init"]);
    place.write("raw/1.csv", b"1\n");
    place.write("store/2.csv", b"2\n");
    place.write("private/3.csv", b"3\n");
    place.write(".lineageignore", b"private/\n");
    symlink("1.csv", place.at("raw/l.csv")).unwrap();
    symlink("../store/2.csv", place.at("raw/2.csv")).unwrap();
    fs::create_dir(place.at("more")).unwrap();
    symlink("../private/3.csv", place.at("more/3.csv")).unwrap();
    let imported = place.json(&["import", "raw", "more"]);
    let paths = imported["artifacts"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap());
    assert_eq!(paths.collect::<Vec<_>>(), ["raw/1.csv", "store/2.csv"]);
    assert_eq!(imported["ignored"], 1);
    place.ok(&["run", "--name", "merge", "--", "sh", "-c", "cat raw/1.csv raw/l.csv raw/2.csv > o"]);
    let lineage = env!("CARGO_BIN_EXE_lineage");
    let train =
        format!("cat o > e1; ln -s e1 latest; '{lineage}' generated latest; '{lineage}' used raw/2.csv");
    place.ok(&["run", "--name", "train", "--output", "latest", "--", "sh", "-c", &train]);
    place.ok(&["run", "--", "sh", "-c", "cat latest > p"]);
    place.ok(&["status"]);
    let shown = place.ok(&["show", "raw/2.csv"]).stdout;
    assert!(shown.starts_with("store/2.csv\n"), "{shown}");
    if place.was_observed() {
        let shown = place.ok(&["show", "p"]).stdout;
        assert!(shown.contains("no gaps") && shown.contains("store/2.csv"), "{shown}");
    }
    assert_eq!(place.json(&["import", "raw"])["known"], 2);
}

/// Reads what `used` or `generated` a file finds, the names of a file's history, and what was made from it.
fn told(place: &Place, file: &str) -> (usize, Vec<String>, String) {
    let found = place.json(&["log", "-w", &format!("used({file:?})")])["runs"].as_array().unwrap().len();
    let history = place.json(&["log", file]);
    let runs = history["changes"].as_array().unwrap().iter();
    let runs = runs.map(|change| change["run"].as_str().unwrap().to_owned()).collect();
    (found, runs, place.ok(&["show", file, "--down"]).stdout)
}

#[test]
fn data_that_was_moved_to_another_disk_is_the_same_data() {
    let elsewhere = tempfile::tempdir().unwrap();
    let disk = elsewhere.path().canonicalize().unwrap().join("disk");
    let place = Place::empty().with_real_clock();
    place.ok(&["init"]);
    place.write("data/a", b"1\n");
    place.shell("sort data/a > m1");
    if !place.was_observed() {
        return;
    }
    assert!(std::process::Command::new("mv").arg(place.at("data")).arg(&disk).status().unwrap().success());
    symlink(&disk, place.at("data")).unwrap();
    place.shell("sort data/a > m2");
    let real = disk.join("a");
    for file in ["data/a", real.to_str().unwrap()] {
        let (found, runs, down) = told(&place, file);
        assert!(runs.len() == 2 && runs[0] != runs[1], "{file}: {runs:?}");
        assert!(down.contains("m1") && down.contains("m2"), "{file}: {down}");
        assert_eq!(found, if file == "data/a" { 2 } else { 1 }, "{file}");
    }
    place.ok(&["status"]);
    fs::write(&real, "2\n").unwrap();
    let status = place.json(&["status"]);
    assert_eq!(status["changed"].as_array().unwrap().len(), 1, "{status}");
    assert_eq!(status["stale"].as_array().unwrap().len(), 2, "{status}");
    place.shell("sort data/a > m1; sort data/a > m2");
    place.ok(&["status"]);
}

#[test]
fn what_lay_below_a_link_that_is_gone_is_asked_for_by_that_name() {
    let place = Place::empty().with_real_clock();
    place.ok(&["init"]);
    place.shell("mkdir v1; echo x > v1/b; ln -s v1 o");
    if !place.was_observed() {
        return;
    }
    fs::remove_dir_all(place.at("v1")).unwrap();
    fs::remove_file(place.at("o")).unwrap();
    assert_eq!(place.ok(&["cat", "o/b"]).stdout, "x\n");
    place.ok(&["restore", "o", "o/b"]);
    assert_eq!((place.read("v1/b"), place.read("o/b")), (b"x\n".to_vec(), b"x\n".to_vec()));
    assert!(place.run(&["cat", "o/c"]).stderr.contains("nothing is recorded of `o/c`"));
}

#[test]
fn data_that_came_back_from_another_disk_is_the_same_data() {
    let elsewhere = tempfile::tempdir().unwrap();
    let disk = elsewhere.path().canonicalize().unwrap().join("disk");
    fs::create_dir(&disk).unwrap();
    fs::write(disk.join("a"), "1\n").unwrap();
    fs::write(disk.join("b"), "3\n").unwrap();
    let place = Place::empty().with_real_clock();
    place.ok(&["init"]);
    symlink(&disk, place.at("data")).unwrap();
    symlink(disk.join("b"), place.at("b")).unwrap();
    place.shell("sort data/a b > m1");
    if !place.was_observed() {
        return;
    }
    fs::remove_file(place.at("data")).unwrap();
    fs::remove_file(place.at("b")).unwrap();
    fs::copy(disk.join("b"), place.at("b")).unwrap();
    assert!(std::process::Command::new("mv").arg(&disk).arg(place.at("data")).status().unwrap().success());
    place.ok(&["status"]);
    let shown = place.ok(&["show", "m1"]).stdout;
    assert!(!shown.contains("gone"), "{shown}");
    fs::write(place.at("data/a"), "2\n").unwrap();
    let status = place.json(&["status"]);
    assert_eq!(status["unreadable"].as_array().unwrap().len(), 0, "{status}");
    assert_eq!(status["changed"][0]["path"], "data/a", "{status}");
    assert_eq!(status["stale"][0]["causes"][0]["used"]["path"], "data/a", "{status}");
    let one = place.json(&["status", "m1"]);
    assert_eq!(one["stale"].as_array().unwrap().len(), 1, "{one}");
    place.shell("sort data/a b > m1");
    place.ok(&["status"]);
    let (found, runs, down) = told(&place, "data/a");
    assert_eq!(found, 2);
    assert!(runs.len() == 2 && runs[0] != runs[1], "{runs:?}");
    assert!(down.contains("m1"), "{down}");
}

#[test]
fn what_git_annex_keeps_is_data_and_is_read_through_its_links() {
    let place = Place::empty().with_real_clock();
    place.write("t", b"");
    let Some(place) = place.with_commit() else { return };
    place.ok(&["init"]);
    let key = ".git/annex/objects/Xk/1/MD5E-s2--b0.csv/MD5E-s2--b0.csv";
    place.write(key, b"1\n");
    fs::create_dir(place.at("raw")).unwrap();
    symlink(format!("../{key}"), place.at("raw/x.csv")).unwrap();
    place.shell("cat raw/x.csv > m; mkdir -p .git/annex/objects/Yz; echo 2 > .git/annex/objects/Yz/k");
    if !place.was_observed() {
        return;
    }
    let shown = place.json(&["show", "m"]);
    let sources = shown["sources"].as_array().unwrap().iter().map(|source| source["path"].as_str().unwrap());
    assert_eq!(sources.collect::<Vec<_>>(), [key, "raw/x.csv"], "{shown:#}");
    assert_eq!(place.json(&["show", "@"])["outputs"].as_array().unwrap().len(), 1);
    assert!(place.ok(&["rerun", "@"]).stdout.contains("same bytes"));
    let history = place.json(&["log", "raw/x.csv"]);
    assert_eq!(history["other_names"].as_array().unwrap().len(), 0, "{history:#}");
    fs::remove_file(place.at(key)).unwrap();
    place.write(key, b"3\n");
    assert_eq!(place.json(&["status"])["stale"][0]["path"], "m");
}
