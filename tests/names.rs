//! Files whose names are no text, or would drive a terminal: each is found by its name and by what is printed for it. And files under several names.
#![cfg(target_os = "linux")]

mod common;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use common::{Answer, Place};
use serde_json::Value;

/// Names, and how each is printed.
const NAMES: [(&[u8], &str); 5] = [
    (b"non\xffutf8", r"non\xffutf8"),
    (b"new\nline", r"new\x0aline"),
    (b"tab\tesc\x1b[31m", r"tab\x09esc\x1b[31m"),
    (br"back\slash", r"back\slash"),
    (br"back\x41slash", r"back\x5cx41slash"),
];

fn word(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

/// Runs the program with words before and behind a name.
fn with_name(place: &Place, before: &[&str], name: &OsStr, behind: &[&str]) -> Answer {
    let mut command = place.command(before);
    command.arg(name).args(behind);
    command.output().unwrap().into()
}

/// A workspace in which a command has written a file of each name, and each holds its own name.
fn place_with_names() -> Place {
    let place = Place::empty();
    let mut command =
        place.command(&["run", "-q", "--", "sh", "-c", r#"for f; do printf %s "$f" > "$f"; done"#, "sh"]);
    command.args(NAMES.map(|(name, _)| word(name)));
    assert!(command.output().unwrap().status.success());
    place
}

/// Returns a name as JSON has it: text stands as it is.
fn in_json(name: &[u8], printed: &str) -> String {
    String::from_utf8(name.to_vec()).unwrap_or_else(|_| printed.to_owned())
}

/// Tells whether the last run says of a file that it was declared as an output, and stays with who had written it.
fn was_declared_in_vain(place: &Place, printed: &str) -> bool {
    let remarks = place.json(&["show", "@"])["run"]["remarks"].clone();
    let texts: Vec<&str> = remarks.as_array().unwrap().iter().filter_map(|r| r["text"].as_str()).collect();
    texts.iter().any(|text| text.contains(&format!("`{printed}` was declared as an output")))
}

#[test]
fn a_file_of_any_name_is_found_by_its_name_and_by_what_is_printed_for_it() {
    let place = place_with_names();
    for (name, printed) in NAMES {
        for given in [word(name), printed.into()] {
            let ok = |before: &[&str], behind: &[&str]| {
                let answer = with_name(&place, before, &given, behind);
                assert_eq!(answer.code, 0, "{before:?} {given:?}: {answer:#?}");
                answer.stdout
            };
            let json = |before: &[&str]| serde_json::from_str::<Value>(&ok(before, &["--json"])).unwrap();
            assert_eq!(json(&["show"])["path"], in_json(name, printed));
            assert!(ok(&["show"], &[]).starts_with(&format!("{printed}\n")));
            assert!(ok(&["log"], &[]).contains("written"));
            assert_eq!(ok(&["cat"], &[]).as_bytes(), String::from_utf8_lossy(name).as_bytes());
            assert!(ok(&["status"], &[]).contains("1 file compared, all as recorded"));
            assert!(ok(&["import"], &[]).contains("1 file is recorded already"));
            ok(&["restore", "--to", "copy"], &["--force"]);
            assert_eq!(place.read("copy"), name);
            ok(&["run", "-q", "--input"], &["--", "true"]);
            assert_eq!(place.json(&["show", "@"])["inputs"][0]["path"], in_json(name, printed));
            ok(&["run", "-q", "--output"], &["--", "true"]);
            assert!(was_declared_in_vain(&place, printed), "{given:?}");
        }
    }
}

#[test]
fn a_file_of_any_name_becomes_a_models_and_is_declared() {
    let place = place_with_names();
    for (number, (name, printed)) in NAMES.into_iter().enumerate() {
        for (way, given) in [word(name), printed.into()].into_iter().enumerate() {
            let version = format!("1.{number}.{way}");
            let artifact = [b"model=", given.as_bytes()].concat();
            let mut command = place.command(&["register", "m", &version, "--json", "--artifact"]);
            let output = command.arg(word(&artifact)).arg("--dataset").arg(&given).output().unwrap();
            assert!(output.status.success(), "{given:?}: {}", String::from_utf8_lossy(&output.stderr));
            let card = place.json(&["models", "show", &format!("m@{version}")]);
            assert_eq!(card["model"]["artifacts"][0]["path"], in_json(name, printed), "{card}");
            let script = r#""$0" used "$1" && "$0" generated "$1""#;
            let mut command = place.command(&["run", "-q", "--", "sh", "-c", script]);
            let output = command.arg(env!("CARGO_BIN_EXE_lineage")).arg(&given).output().unwrap();
            assert!(output.status.success(), "{given:?}: {}", String::from_utf8_lossy(&output.stderr));
            assert!(was_declared_in_vain(&place, printed), "{given:?}");
        }
    }
}

#[test]
fn a_word_that_names_two_files_is_refused_with_a_name_for_each() {
    let place = Place::empty();
    for name in [&br"a\xffb"[..], b"a\xffb"] {
        fs::write(place.root().join(word(name)), name).unwrap();
    }
    place.ok(&["import", "."]);
    let (code, stderr) = place.refused(&["show", r"a\xffb"]);
    assert_eq!(code, 2);
    assert_eq!(
        stderr,
        "error: `a\\xffb` names two files: one is called so, and the name of another is printed so\n\
         hint: the first is `a\\x5cxffb`, the second `\\x61\\xffb`\n"
    );
    assert_eq!(place.json(&["show", r"a\x5cxffb"])["path"], r"a\xffb");
    assert_eq!(place.json(&["show", r"\x61\xffb"])["path"], r"a\xffb");
    let answer = with_name(&place, &["show", "--json"], &word(b"a\xffb"), &[]);
    assert_eq!(serde_json::from_str::<Value>(&answer.stdout).unwrap()["path"], r"a\xffb");
}

#[test]
fn arguments_reach_the_command_as_they_are_and_are_given_again_by_a_rerun() {
    let place = Place::empty();
    let script = r#"printf '%s' "$1" > raw; printf '%s' "$2" > plain"#;
    let mut command = place.command(&["run", "-q", "--", "sh", "-c", script, "sh"]);
    command.arg(word(b"non\xffutf8\\xfe")).arg(r"text\xff");
    assert!(command.output().unwrap().status.success());
    assert_eq!(place.read("raw"), b"non\xffutf8\\xfe");
    assert_eq!(place.read("plain"), br"text\xff");
    let run = &place.json(&["show", "@"])["run"];
    assert_eq!(run["arguments"][4], r"non\xffutf8\x5cxfe");
    assert_eq!(run["arguments"][5], r"text\xff");
    let again = place.ok(&["rerun", "@"]);
    assert!(again.stdout.contains("2 outputs, all with the same bytes"), "{again:#?}");
    // What is exported is taken back as it was.
    let backup = place.ok(&["export", "--format", "jsonl", "--out", "backup.jsonl"]);
    let other = Place::empty();
    let from = place.at("backup.jsonl");
    other.ok(&["import", "--format", "jsonl", from.to_str().unwrap()]);
    assert_eq!(
        other.ok(&["export", "--format", "jsonl"]).stdout.as_bytes(),
        place.read("backup.jsonl"),
        "{backup:?}"
    );
}

#[test]
fn a_command_that_ran_in_a_folder_of_any_name_runs_there_again() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write("in", b"1");
    let folder = place.root().join(word(b"fol\xffder"));
    fs::create_dir(&folder).unwrap();
    let output =
        place.command(&["run", "-q", "--", "cp", "../in", "out"]).current_dir(&folder).output().unwrap();
    assert!(output.status.success());
    let again = place.ok(&["rerun", "@"]);
    assert!(again.stdout.contains("1 output, all with the same bytes"), "{again:#?}");
}

#[test]
fn completions_offer_files_where_a_file_is_taken() {
    let place = Place::empty();
    let completions = place.ok(&["completions", "zsh"]).stdout;
    for word in ["*::paths", ":word", "::file", "*--input=", "*--output=", "*--artifact="] {
        let line = completions.lines().find(|line| line.contains(word)).unwrap_or_else(|| panic!("{word}"));
        assert!(line.contains("_files"), "{line}");
    }
}

#[test]
fn completions_offer_the_stages_where_one_is_taken() {
    let place = Place::empty();
    let completions = place.ok(&["completions", "zsh"]).stdout;
    for option in ["--to=", "--status="] {
        let of_option = completions.lines().filter(|line| line.contains(option));
        let offers = of_option.filter(|line| line.contains("development staging production archived"));
        assert!(offers.count() > 0, "{option}");
    }
    let (code, said) = place.refused(&["models", "promote", "m@1.0.0", "--to", "prod"]);
    assert!(code == 2 && said.contains("`prod` is no stage"), "{said}");
}

#[test]
fn a_digest_is_found_by_its_first_digits_and_of_several_each_is_named() {
    let place = Place::empty();
    // Of as many contents two begin with the same four digits.
    for number in 0..400 {
        place.write(&format!("data/{number}"), number.to_string().as_bytes());
    }
    place.ok(&["import", "data"]);
    let digest =
        |number: usize| place.json(&["show", &format!("data/{number}")])["artifact"]["digest"].clone();
    let whole = digest(7);
    let whole = whole.as_str().unwrap();
    let printed = place.ok(&["show", "data/7"]).stdout;
    let printed =
        printed.split_whitespace().find(|word| word.starts_with("blake3:")).unwrap().trim_end_matches(',');
    assert!(whole.starts_with(printed) && printed.len() < whole.len());
    for word in [printed, &printed[..15], &printed.to_uppercase().replace("BLAKE3", "blake3"), whole] {
        assert_eq!(place.json(&["show", word])["artifact"]["digest"], whole, "{word}");
        assert_eq!(place.ok(&["cat", word]).stdout, "7");
        let runs = place.json(&["log", "--where", &format!("generated({word:?})")]);
        assert_eq!(runs["runs"].as_array().unwrap().len(), 1, "{word}");
    }
    let mut all: Vec<String> =
        (0..400).map(|number| blake3::hash(number.to_string().as_bytes()).to_hex().to_string()).collect();
    all.sort();
    let twins = all.windows(2).find(|pair| pair[0][..4] == pair[1][..4]).unwrap();
    let (code, stderr) = place.refused(&["show", &format!("blake3:{}", &twins[0][..4])]);
    assert_eq!(code, 2);
    assert_eq!(
        stderr,
        format!(
            "error: `blake3:{}` begins several digests\nhint: give more digits of one of blake3:{}, blake3:{}\n",
            &twins[0][..4],
            twins[0],
            twins[1]
        )
    );
    let (code, stderr) = place.refused(&["show", "blake3:0000000000"]);
    assert_eq!(
        (code, stderr.lines().next()),
        (2, Some("error: no recorded content has a digest that begins with `blake3:0000000000`"))
    );
    let short = "has too few digits to name a content";
    for (wrong, why) in [("blake3:", short), ("blake3:abc", short), ("blake3:xyzw", "is not a digest")] {
        let (code, stderr) = place.refused(&["show", wrong]);
        assert!(code == 2 && stderr.contains(why), "{wrong}: {stderr}");
    }
}

#[test]
fn of_a_file_with_any_marks_in_its_name_the_version_of_a_run_is_found() {
    let place = Place::empty().with_real_clock();
    for (name, text) in [("one", "1"), ("two", "2")] {
        place.ok(&[
            "run",
            "--name",
            name,
            "--",
            "sh",
            "-c",
            &format!("echo {text} > 'out_a@b#c.txt'; echo {text} > 'x#y'"),
        ]);
    }
    for file in ["out_a@b#c.txt", "x#y"] {
        for (run, text) in [("one", "1\n"), ("two", "2\n")] {
            let word = format!("{file}@{run}");
            assert_eq!(place.ok(&["cat", &word]).stdout, text, "{word}");
            let shown = place.ok(&["show", &word]).stdout;
            assert!(shown.starts_with(file) && shown.contains(run), "{word}: {shown}");
        }
        std::fs::remove_file(place.at(file)).unwrap();
        place.ok(&["show", file]);
    }
    let refused = place.run(&["show", "no_file#c"]);
    assert!(refused.code == 2 && refused.stderr.contains("`no_file`"), "{refused:?}");
}

#[test]
fn a_source_that_was_read_under_another_name_is_followed_under_both() {
    let place = Place::empty();
    place.ok(&["init"]);
    let lines: String = (0..50).map(|number| format!("row {number}\n")).collect();
    place.write("data/x", lines.as_bytes());
    place.ok(&["run", "-q", "--", "sh", "-c", "sort data/x > model"]);
    if !place.was_observed() {
        return;
    }
    place.ok(&["register", "net", "1.0.0", "--run", "@", "--artifact", "model=model"]);
    std::fs::rename(place.at("data"), place.at("sets")).unwrap();
    place.ok(&["run", "-q", "--", "sh", "-c", "sort -r sets/x > other"]);
    place.ok(&["register", "net", "2.0.0", "--run", "@", "--artifact", "model=other"]);
    for (name, other, sure) in [("sets/x", "data/x", "net@2.0.0"), ("data/x", "sets/x", "net@1.0.0")] {
        let text = place.ok(&["show", name, "--down"]).stdout;
        assert!(text.contains(&format!("  also at  {other}\n")), "{text}");
        let shown = place.json(&["show", name, "--down"]);
        assert_eq!(shown["same_bytes"], serde_json::json!([other]));
        let learned = shown["learned"].as_array().unwrap();
        assert_eq!(learned.len(), 2, "{shown:#}");
        let found = |evidence: &str| {
            let found = place.json(&["models", "--where", &format!("trained_on(\"{name}\"{evidence})")]);
            let labels = found["models"].as_array().unwrap().iter().map(|model| model["label"].clone());
            labels.collect::<Vec<_>>()
        };
        assert_eq!(found("").len(), 2);
        assert_eq!(found(", observed"), [sure]);
    }
}

#[test]
fn an_output_that_was_moved_by_hand_is_renamed_and_restore_says_where_it_lies() {
    let place = Place::empty();
    place.ok(&["init"]);
    let lines: String = (0..50).map(|number| format!("row {number}\n")).collect();
    place.write("a", lines.as_bytes());
    place.ok(&["run", "-q", "--", "sh", "-c", "sort -r a > b"]);
    if !place.was_observed() {
        return;
    }
    fs::create_dir(place.at("moved")).unwrap();
    fs::rename(place.at("b"), place.at("moved/b")).unwrap();
    let (code, report) = place.status();
    assert_eq!((code, &report["clean"]), (0, &Value::Bool(true)), "{report:#}");
    assert_eq!(report["renamed"][0]["path"], "b");
    assert_eq!(report["renamed"][0]["now_at"], "moved/b");
    let text = place.ok(&["restore", "b"]).stdout;
    assert!(text.ends_with("; the same bytes lie at moved/b\n"), "{text}");
}

#[test]
fn a_renamed_folder_renames_its_files_and_a_copy_that_lay_there_before_is_another_file() {
    // By when a file was given its name it is told from a copy.
    let place = Place::empty().with_real_clock();
    place.ok(&["init"]);
    let lines = |front: &str| (0..50).map(|number| format!("{front} {number}\n")).collect::<String>();
    place.write("data/raw/d", lines("moved").as_bytes());
    place.write("e", lines("copied").as_bytes());
    fs::copy(place.at("e"), place.at("copy")).unwrap();
    for script in ["sort data/raw/d > o", "sort e > p", "sort copy > q"] {
        place.ok(&["run", "-q", "--", "sh", "-c", script]);
    }
    if !place.was_observed() {
        return;
    }
    fs::rename(place.at("data"), place.at("sets")).unwrap();
    fs::remove_file(place.at("e")).unwrap();
    let (_, report) = place.status();
    let renamed = |report: &Value| {
        let renamed = report["renamed"].as_array().unwrap().iter();
        renamed.map(|file| format!("{} {}", file["path"], file["now_at"])).collect::<Vec<_>>()
    };
    assert_eq!(renamed(&report), [r#""data/raw/d" "sets/raw/d""#], "{report:#}");
    assert_eq!(report["stale"].as_array().unwrap().len(), 1, "{report:#}");
    assert_eq!(report["stale"][0]["path"], "p", "{report:#}");
    // Also when it was read there.
    place.ok(&["run", "-q", "--", "sh", "-c", "sort sets/raw/d > r"]);
    let (_, report) = place.status();
    assert_eq!(renamed(&report), [r#""data/raw/d" "sets/raw/d""#], "{report:#}");
    assert_eq!(report["stale"].as_array().unwrap().len(), 1, "{report:#}");
}
