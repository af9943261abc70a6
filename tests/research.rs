//! `lineage research` with the program itself: documents are recorded once, indexed the same every time, and found by what they
//! speak of.

mod common;

use std::fs;
use std::path::Path;

use common::Place;
use common::machine::{Lack, skipped};

const FOLDER: &str = "thoughts/shared/research";
const INDEX: &str = "thoughts/shared/research/README.md";

fn document(topic: &str, more: &str) -> String {
    format!(
        "---\ndate: 2025-12-03T17:51:31-06:00\nresearcher: somebody\ngit_commit: ea45dd2\ntopic: \"{topic}\"\n\
         tags: [a, b]\nstatus: complete\n{more}---\n\n# {topic}\n"
    )
}

fn place() -> Place {
    let place = Place::empty();
    place.ok(&["init", "."]);
    place.write(&format!("{FOLDER}/2025-12-03_one.md"), document("One", "").as_bytes());
    place.write(
        &format!("{FOLDER}/2025-12-03_two.md"),
        document("Two", "related_research: 2025-12-03_one.md\n").as_bytes(),
    );
    place.write(&format!("{FOLDER}/sub/2025-12-03_three.md"), b"# Three\n\nno front matter\n");
    place
}

#[test]
fn documents_are_recorded_once_and_indexed_the_same_every_time() {
    let place = place();
    let answer = place.ok(&["research"]);
    assert_eq!(
        answer.stdout,
        format!(
            "{FOLDER}: 3 documents: 3 new\n1 document has faults, which the index lists\nwrote {INDEX}\n"
        )
    );
    let index = place.read(INDEX);
    let text = String::from_utf8(index.clone()).unwrap();
    for topic in ["[One](2025-12-03_one.md)", "[Two](2025-12-03_two.md)", "[Three](sub/2025-12-03_three.md)"]
    {
        assert!(text.contains(topic), "{text}");
    }
    assert!(
        text.contains("- [sub/2025-12-03\\_three.md](sub/2025-12-03_three.md)\n  - no front matter\n"),
        "{text}"
    );
    let segments = || fs::read_dir(place.at(".lineage/journal")).unwrap().count();
    let before = segments();
    let answer = place.ok(&["research"]);
    assert!(answer.stdout.starts_with(&format!("{FOLDER}: 3 documents: 3 unchanged\n")), "{answer:?}");
    assert_eq!(segments(), before);
    place.ok(&["research", "--check"]);
    // The index is a function of what is recorded.
    fs::remove_file(place.at(INDEX)).unwrap();
    place.ok(&["research"]);
    assert_eq!(place.read(INDEX), index);
}

#[test]
fn a_check_tells_what_changed_and_writes_nothing() {
    let place = place();
    assert_eq!(place.run(&["research", "--check"]).code, 1);
    assert!(!place.at(INDEX).exists());
    place.ok(&["research"]);
    place.write(&format!("{FOLDER}/2025-12-03_one.md"), document("One", "type: plan\n").as_bytes());
    place.write(&format!("{FOLDER}/2025-12-04_four.md"), b"# Four\n");
    fs::remove_file(place.at(&format!("{FOLDER}/2025-12-03_two.md"))).unwrap();
    let answer = place.run(&["research", "--check"]);
    assert_eq!(answer.code, 1);
    for line in
        ["new        thoughts", "changed    thoughts", "gone       thoughts", "README.md is out of date"]
    {
        assert!(answer.stdout.contains(line), "{answer:?}");
    }
    assert_eq!(place.run(&["research", "--check"]).stdout, answer.stdout);
    place.ok(&["research"]);
    place.ok(&["research", "--check"]);
    let text = String::from_utf8(place.read(INDEX)).unwrap();
    assert!(text.contains("4 Markdown files: 3 documents") && !text.contains("[Two]"), "{text}");
    // A fresh clone has no store: the index alone is compared then.
    fs::remove_dir_all(place.at(".lineage")).unwrap();
    place.ok(&["research", "--check"]);
    place.write(&format!("{FOLDER}/2025-12-04_four.md"), b"# Fourth\n");
    assert_eq!(place.run(&["research", "--check"]).code, 1);
    assert!(!place.at(".lineage").exists());
}

#[test]
fn an_index_that_somebody_wrote_is_left_alone() {
    let place = place();
    place.write(INDEX, b"# Mine\n");
    let answer = place.run(&["research"]);
    assert_eq!((answer.code, place.read(INDEX)), (1, b"# Mine\n".to_vec()));
    assert!(answer.stderr.contains("hint: `lineage research --force`"), "{answer:?}");
    place.ok(&["research", "--force"]);
    let ours = place.read(INDEX);
    assert_ne!(ours, b"# Mine\n");
    // One that the program wrote earlier is replaced without a word.
    place.write(&format!("{FOLDER}/2025-12-05_five.md"), b"# Five\n");
    place.ok(&["research"]);
    assert_ne!(place.read(INDEX), ours);
}

#[test]
fn a_document_is_read_anew_when_what_it_names_appears() {
    let place = place();
    place.write(
        &format!("{FOLDER}/2025-12-03_two.md"),
        document("Two", "related_plans: thoughts/plans/p.md\n").as_bytes(),
    );
    place.ok(&["research"]);
    assert!(
        String::from_utf8(place.read(INDEX))
            .unwrap()
            .contains("names `thoughts/plans/p.md`, which is not there")
    );
    place.write("thoughts/plans/p.md", b"# Plan\n");
    let answer = place.ok(&["research"]);
    assert!(answer.stdout.contains("1 read anew, 2 unchanged"), "{answer:?}");
    assert!(!String::from_utf8(place.read(INDEX)).unwrap().contains("which is not there"));
}

#[test]
fn documents_are_found_by_what_they_speak_of() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline", "--quiet", "--run-name", "demo"]);
    let run = place.runs()[0].clone();
    let label = run["run_id"].as_str().unwrap();
    let name = format!("{FOLDER}/2025-12-03_demo.md");
    let head = place.head();
    let fields =
        format!("---\ntopic: On the demo\ngit_commit: {head}\nrun_id: {label}\n---\nSee [x](other.md).\n");
    place.write(&name, fields.as_bytes());
    place.write(&format!("{FOLDER}/other.md"), b"# Other\n");
    place.ok(&["research"]);
    let shown = place.ok(&["show", &name]).stdout;
    assert!(
        shown.contains(&format!("names    run {label}, run ")) && shown.contains(" demo  (run_id)\n"),
        "{shown}"
    );
    assert!(shown.contains(&format!("names    commit {head}, of runs ")), "{shown}");
    assert!(shown.contains(&format!("names    document {FOLDER}/other.md\n")), "{shown}");
    let shown = place.ok(&["show", "@"]).stdout;
    assert!(shown.contains(&format!("note     {name}  On the demo\n")), "{shown}");
    let shown = place.ok(&["show", &format!("{FOLDER}/other.md")]).stdout;
    assert!(shown.contains(&format!("note     {name}  On the demo\n")), "{shown}");
    let json = place.json(&["show", &name]);
    assert_eq!(json["note"]["topic"], "On the demo");
    assert_eq!(json["note"]["references"][0]["runs"][0]["run_id"], label);
    // What it spoke of once and does no longer is not told.
    place.write(&name, b"---\ntopic: On nothing\n---\n");
    place.ok(&["research"]);
    assert!(!place.ok(&["show", "@"]).stdout.contains("note     "));
    place.ok(&["verify"]);
}

#[test]
fn of_what_a_document_names_it_is_said_what_is_there() {
    let Some(place) = Place::new() else { return };
    place.ok(&["init", "."]);
    place.write("docs/d.csv", b"d\n");
    place.write("data/old.csv", b"old\n");
    place.ok(&["run", "--input", "data/old.csv", "--", "true"]);
    fs::remove_file(place.at("data/old.csv")).unwrap();
    let head = place.head();
    let text = format!(
        "---\ntopic: x\ncommits: [f599254, {head}]\nruns: [20250101_000000]\n\
         files: [d.csv, nothere.csv, data/old.csv, data]\n---\n![i](pic.png)\n"
    );
    place.write("docs/a.md", text.as_bytes());
    place.ok(&["research", "docs"]);
    let shown = place.ok(&["show", "docs/a.md"]).stdout;
    for line in [
        "run 20250101_000000, not recorded here  (runs)",
        "commit f599254, not in the repository here  (commits)",
        "file docs/d.csv  (files)",
        "file docs/nothere.csv, neither there nor recorded  (files)",
        "file data/old.csv, recorded, but no longer there  (files)",
        "file data  (files)",
        "file docs/pic.png, neither there nor recorded\n",
        "the text names `pic.png`, which is not there",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    let missing = |document: &serde_json::Value| -> Vec<String> {
        let references = document["references"].as_array().unwrap().iter();
        let all = references.map(|r| format!("{} {}", r["name"].as_str().unwrap(), r["missing"]));
        all.collect()
    };
    let shown = missing(&place.json(&["show", "docs/a.md"])["note"]);
    for expected in [
        "20250101_000000 true",
        "f599254 true",
        "docs/nothere.csv true",
        "data/old.csv false",
        "docs/pic.png true",
    ] {
        assert!(shown.iter().any(|found| found == expected), "{expected} in {shown:?}");
    }
    assert!(shown.contains(&format!("{head} false")), "{shown:?}");
    // An index has only what lies with the documents: the rest is not looked for when they are read.
    let read = missing(&place.json(&["research", "docs", "--check"])["documents"][0]);
    assert!(read.contains(&"docs/pic.png true".to_owned()), "{read:?}");
    assert!(read.contains(&"docs/nothere.csv null".to_owned()), "{read:?}");
    place.write("docs/pic.png", b"png");
    place.ok(&["research", "docs"]);
    assert!(!String::from_utf8(place.read("docs/README.md")).unwrap().contains("pic.png"));
}

#[test]
fn faults_are_told_by_the_exit_code_where_that_is_asked() {
    let place = Place::empty();
    place.ok(&["init", "."]);
    place.write("docs/a.md", document("A", "related: gone.md\n").as_bytes());
    assert_eq!(place.run(&["research", "docs", "--strict"]).code, 1);
    // The folder that is indexed need not be named again.
    place.ok(&["research", "--check"]);
    assert_eq!(place.run(&["research", "--check", "--strict"]).code, 1);
    place.write("docs/gone.md", document("B", "").as_bytes());
    place.ok(&["research", "--strict"]);
    place.ok(&["research", "--check", "--strict"]);
    place.write("more/a.md", document("A", "").as_bytes());
    place.ok(&["research", "more"]);
    let (code, text) = place.refused(&["research"]);
    assert!(code == 2 && text.contains("such as `docs` or `more`"), "{text}");
}

#[test]
fn a_document_that_was_removed_is_still_told_of() {
    let place = Place::empty();
    place.ok(&["init", "."]);
    place.write("docs/old.md", document("Old", "").as_bytes());
    place.ok(&["research", "docs"]);
    fs::rename(place.at("docs/old.md"), place.at("docs/new.md")).unwrap();
    place.ok(&["research", "docs"]);
    let shown = place.ok(&["show", "docs/old.md"]).stdout;
    assert!(shown.contains("no longer on disk") && shown.contains("topic    Old"), "{shown}");
    assert!(shown.contains("gone     found so 2025-12-12"), "{shown}");
    assert!(place.json(&["show", "docs/old.md"])["note"]["gone"].is_string());
    assert!(place.json(&["show", "docs/new.md"])["note"]["gone"].is_null());
    // Where there is a document again it is shown as it is.
    place.write("docs/old.md", document("Older", "").as_bytes());
    place.ok(&["research", "docs"]);
    let shown = place.ok(&["show", "docs/old.md"]).stdout;
    assert!(shown.contains("topic    Older") && !shown.contains("gone "), "{shown}");
}

#[test]
fn folders_that_cannot_be_indexed_are_refused() {
    let place = place();
    let (code, text) = place.refused(&["research", "nowhere"]);
    assert!(code == 2 && text.contains("cannot read the folder"), "{text}");
    let (code, text) = place.refused(&["research", "/usr"]);
    assert!(code == 2 && text.contains("is no folder inside the workspace"), "{text}");
    let (code, text) = place.refused(&["research", "."]);
    assert!(code == 2 && text.contains("`ROOT` is the workspace itself"), "{text}");
    let (code, text) = place.refused(&["research", &format!("{FOLDER}/2025-12-03_one.md")]);
    assert!(code == 2 && text.contains("is no folder"), "{text}");
}

#[test]
#[cfg(unix)]
fn links_and_hostile_names_are_told_of() {
    use std::os::unix::ffi::OsStrExt as _;
    let place = place();
    std::os::unix::fs::symlink("/etc/passwd", place.at(&format!("{FOLDER}/link.md"))).unwrap();
    let hostile = place.at(FOLDER).join(std::ffi::OsStr::from_bytes(b"a\x1b[31m|\xff\n.md"));
    fs::write(hostile, "---\ntopic: \"<script>|[x](y)\"\n---\n").unwrap();
    let answer = place.ok(&["research"]);
    assert!(answer.stdout.contains("link.md: it is a symbolic link"), "{answer:?}");
    let text = String::from_utf8(place.read(INDEX)).unwrap();
    assert!(text.contains("(a%1B%5B31m%7C%FF%0A.md)"), "{text}");
    assert!(!text.contains('\u{1b}') && !text.contains("<script>"));
}

/// The documents of a real project, where they are to be had: each is listed, and the index is the one that was reviewed.
#[test]
fn the_documents_of_a_real_project_are_all_listed() {
    let documents = common::machine::data("research");
    if !documents.is_dir() {
        return skipped(Lack::Data, format!("there are no documents in {}", documents.display()));
    }
    let place = Place::empty();
    place.ok(&["init", "."]);
    let mut names = Vec::new();
    for entry in fs::read_dir(documents).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        place.write(&format!("{FOLDER}/{name}"), &fs::read(&path).unwrap());
        names.push(name);
    }
    place.ok(&["research", "--force"]);
    let text = String::from_utf8(place.read(INDEX)).unwrap();
    assert!(text.contains(&format!("{} Markdown files", names.len())));
    for name in names.iter().filter(|name| *name != "README.md") {
        let topic = format!("]({name})");
        let rows = text.lines().filter(|line| line.split(" | ").nth(1).is_some_and(|c| c.ends_with(&topic)));
        assert_eq!(rows.count(), 1, "{name}");
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/research_index.md");
    if std::env::var_os("LINEAGE_WRITE_FIXTURE").is_some() {
        fs::write(&golden, &text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(golden).unwrap());
}

#[test]
fn documents_are_found_by_the_version_of_a_model_that_they_speak_of() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.shell("echo 1 > m");
    place.ok(&["register", "risk", "1.0.0", "--artifact", "model=m"]);
    place.ok(&["models", "alias", "risk@1.0.0", "champion"]);
    for (name, model) in [("one", "risk@1.0.0"), ("two", "risk@champion"), ("three", "risk@7.0.0")] {
        place.write(&format!("{FOLDER}/{name}.md"), document(name, &format!("model: {model}\n")).as_bytes());
    }
    place.ok(&["research"]);
    let of = |name: &str| format!("{FOLDER}/{name}.md");
    for command in [&["models", "show", "risk@1.0.0"][..], &["show", "risk@1.0.0"]] {
        let answer = place.json(command);
        assert_eq!(answer["model"]["documents"], serde_json::json!([of("one"), of("two")]), "{command:?}");
        let text = place.ok(command).stdout;
        assert!(text.contains(&format!("  document    {}  one\n", of("one"))), "{text}");
    }
    let references = |name: &str| {
        let answer = place.json(&["show", &of(name)]);
        let all = answer["note"]["references"].as_array().unwrap().clone();
        all.into_iter().find(|reference| reference["sort"] == "model").unwrap()
    };
    assert_eq!(references("two")["model"], "risk@1.0.0");
    assert_eq!(
        (&references("three")["model"], &references("three")["missing"]),
        (&serde_json::Value::Null, &true.into())
    );
    let text = place.ok(&["show", &of("three")]).stdout;
    assert!(text.contains("names    model risk@7.0.0, not registered here  (model)"), "{text}");
}

#[test]
fn a_link_called_like_a_document_is_passed_over_and_nothing_is_left_to_do() {
    let place = Place::empty();
    place.write("docs/b.md", b"---\ntitle: b\ndate: 2026-01-06\n---\n# hi\n");
    std::os::unix::fs::symlink("b.md", place.at("docs/l.md")).unwrap();
    let answer = place.ok(&["research", "docs"]).stdout;
    assert!(answer.contains("docs/l.md: it is a symbolic link"), "{answer}");
    let checked = place.json(&["research", "docs", "--check"]);
    assert_eq!(
        checked["passed_over"],
        serde_json::json!([{"path": "docs/l.md", "why": "it is a symbolic link"}])
    );
    assert_eq!(checked["skipped"], serde_json::json!([]));
}
