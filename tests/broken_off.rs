//! What is written down of a run at work: it is told while the run goes on, and where this program is killed in the middle of it,
//! whoever comes next records it.
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use common::Place;
use common::machine::{Lack, skipped};
use serde_json::Value;

/// A run whose script has come so far that it waits for the end of its input, a pipe with a name.
struct Waiting {
    place: Place,
    lineage: Child,
}

impl Waiting {
    /// Starts `before`, a wait, and `after`; returns when all that `before` does is written down. `None` where commands cannot
    /// be observed.
    fn new(before: &str, after: &str) -> Option<Waiting> {
        Self::after("true", before, after)
    }

    /// As [`Self::new`], once another run has ended.
    fn after(earlier: &str, before: &str, after: &str) -> Option<Waiting> {
        let place = Place::without_git().with_real_clock();
        place.write("d", b"data\n");
        place.write("e", b"more\n");
        let tried = place.ok(&["run", "--", "sh", "-c", earlier]);
        if tried.stderr.contains("inferred from before and after") {
            skipped(Lack::Net, "commands cannot be observed on this machine");
            return None;
        }
        assert!(Command::new("mkfifo").arg(place.at("go")).status().unwrap().success());
        let script = format!("{before}\n: > so_far\nread x < go\n{after}\n: > finished");
        let lineage = place.command(&["run", "-q", "--name", "long", "--", "sh", "-c", &script]).spawn();
        let waiting = Waiting { place, lineage: lineage.unwrap() };
        // Bounded by the test runner's patience alone.
        while !waiting.left().is_some_and(|file| contains(&fs::read(file).unwrap(), b"so_far")) {
            std::thread::yield_now();
        }
        Some(waiting)
    }

    /// Returns the file that holds what is known of the run.
    fn left(&self) -> Option<PathBuf> {
        let entries = fs::read_dir(self.place.at(".lineage/under_way")).ok()?;
        let mut paths = entries.map(|entry| entry.unwrap().path());
        paths.find(|path| path.extension().is_some_and(|ending| ending == "run"))
    }

    /// Lets the run go on to its end.
    fn finish(&mut self) {
        self.go_on();
        assert!(self.lineage.wait().unwrap().success());
    }

    fn kill(&mut self) {
        self.lineage.kill().unwrap();
        self.lineage.wait().unwrap();
    }

    /// Lets the command go on to its end, which it has without us.
    fn go_on(&self) {
        fs::write(self.place.at("go"), "\n").unwrap();
        while !self.place.at("finished").exists() {
            std::thread::yield_now();
        }
    }

    fn shown(&self) -> Value {
        self.place.json(&["show", "@"])
    }

    fn outputs(&self) -> Vec<String> {
        let shown = self.shown();
        let outputs = shown["outputs"].as_array().unwrap().iter();
        outputs.map(|file| file["path"].as_str().unwrap().to_owned()).collect()
    }

    fn remarks(&self) -> String {
        self.shown()["run"]["remarks"].to_string()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Nobody waits for ever, whatever a test came to.
        let _ = self.lineage.kill();
        let _ = self.lineage.wait();
        if !self.place.at("finished").exists() {
            let go = fs::OpenOptions::new().read(true).write(true).open(self.place.at("go"));
            let _ = go.and_then(|mut go| std::io::Write::write_all(&mut go, b"\n"));
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

#[test]
fn metrics_that_others_wrote_after_the_recorder_had_died_are_not_the_runs() {
    let written =
        "echo '{\"acc\": 0.5}' > metrics.json; echo '{\"f1\": 0.5}' > kept.json; cat metrics.json > copy";
    let Some(mut waiting) = Waiting::new(written, "echo '{\"acc\": 0.99}' > metrics.json") else { return };
    waiting.kill();
    waiting.go_on();
    let (_, text) = waiting.place.refused(&["log", "-w", "acc > 0"]);
    assert!(text.contains("unknown metric or field `acc`"), "{text}");
    let shown = waiting.place.ok(&["show", "long"]).stdout;
    assert!(
        shown.contains("metrics.json: no metrics were read: others have written into it since"),
        "{shown}"
    );
}

#[test]
fn what_is_written_down_of_a_run_at_work_is_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let script = "cat d > o; env true --password Hunter2secret";
    let Some(mut waiting) = Waiting::new(script, "true") else { return };
    let file = waiting.left().unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let bytes = fs::read(&file).unwrap();
    assert!(contains(&bytes, b"--password") && !contains(&bytes, b"Hunter2secret"));
    waiting.finish();
}

#[test]
fn of_a_run_at_work_only_what_was_read_before_is_behind_what_it_wrote() {
    let script = "cat d > feat; sort feat > model; wc model > report; cat e > /dev/null; cat e model > last";
    let Some(mut waiting) = Waiting::new(script, "true") else { return };
    let place = &waiting.place;
    let steps = |word: &str, way: &[&str]| -> Vec<String> {
        let shown = place.json(&[&["show", word][..], way].concat());
        let steps = shown["so_far"][0]["run"]["steps"].as_array().unwrap().clone();
        steps.iter().map(|step| step["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(steps("feat", &[]), ["cat"]);
    assert_eq!(steps("report", &[]), ["cat", "sort", "wc"]);
    assert_eq!(steps("d", &["--down"]), ["cat", "sort", "wc", "cat"]);
    // The first wrote nothing.
    assert_eq!(steps("e", &["--down"]), ["cat", "cat"]);
    // Nobody wrote it: what came of it is told.
    assert_eq!(place.json(&["show", "e"])["direction"], "down");
    let (code, text) = place.refused(&["show", "report", "--format", "dot"]);
    assert!(code == 2 && text.contains("nothing is recorded of `report` yet"), "{text}");
    waiting.finish();
}

#[test]
fn what_a_run_at_work_wrote_on_is_carried_and_what_it_copied_is_told_apart() {
    // A training notes itself in a book.
    let train = r#"read x < d; read y < book; echo "$y, and this" > book; echo weights > model"#;
    let script = format!("mkdir copies; cp d e copies; sh -c '{train}'; cat book > report");
    let Some(mut waiting) = Waiting::after("cat e > book", &script, "true") else { return };
    let place = &waiting.place;
    let used = |step: &Value| -> Vec<(String, String)> {
        let files = step["used"].as_array().unwrap().iter();
        let word = |file: &Value, name: &str| file[name].as_str().unwrap().to_owned();
        files.map(|file| (word(file, "path"), word(file, "evidence"))).collect()
    };
    let told = |file: &str| place.json(&["show", file])["so_far"][0]["run"]["steps"].clone();
    let behind = |words: &[(&str, &str)]| -> Vec<(String, String)> {
        words.iter().map(|(path, evidence)| ((*path).to_owned(), (*evidence).to_owned())).collect()
    };
    assert_eq!(used(&told("model")[0]), behind(&[("book", "carried"), ("d", "observed")]));
    assert_eq!(used(&told("book")[0]), behind(&[("book", "observed"), ("d", "observed")]));
    assert_eq!(used(&told("report")[0]), behind(&[("book", "observed"), ("d", "observed")]));
    assert_eq!(used(&told("copies/e")[0]), behind(&[("e", "observed")]));
    let shown = place.ok(&["show", "model"]).stdout;
    assert!(shown.contains("  book  carried  of run "), "{shown}");
    waiting.finish();
    let ended = waiting.place.json(&["show", "model"])["runs"][0]["steps"].clone();
    assert_eq!(used(&ended[0]), behind(&[("book", "carried"), ("d", "observed")]));
}

#[test]
fn what_a_run_at_work_has_removed_and_measured_is_told() {
    let script = r#"echo '{"acc": 0.5}' > metrics.json; cat d > g; cat g > h; cat d > e; rm g e"#;
    let Some(mut waiting) = Waiting::new(script, "true") else { return };
    let place = &waiting.place;
    let so_far = place.json(&["show", "long"])["so_far"].clone();
    assert_eq!(so_far["removed"], serde_json::json!(["e", "g"]));
    assert_eq!(so_far["metrics"], serde_json::json!([{"name": "acc", "value": 0.5, "step": null}]));
    let text = place.ok(&["show", "long"]).stdout;
    assert!(text.contains("  metric   acc = 0.5  so far\n"), "{text}");
    assert!(text.contains("  removed  2 files\n           e\n           g\n"), "{text}");
    assert_eq!(place.json(&["show", "h"])["so_far"][0]["removed_at"], Value::Null);
    waiting.finish();
    assert_eq!(waiting.shown()["metrics"][0]["value"], 0.5);
}

#[test]
fn what_a_run_inside_of_one_at_work_does_is_told_of_that() {
    let inner = "cat e > i1; : > begun; until [ -e finish ]; do sleep 0.02; done";
    let script = format!(
        "{} run -q --name inner -- sh -c '{inner}' & until [ -e begun ]; do sleep 0.02; done; cat i1 > o",
        env!("CARGO_BIN_EXE_lineage")
    );
    let Some(mut waiting) = Waiting::new(&script, ": > finish; wait") else { return };
    let place = &waiting.place;
    let told = |file: &str| -> Vec<(String, Vec<String>)> {
        let shown = place.json(&["show", file]);
        let runs = shown["so_far"].as_array().unwrap().iter().map(|so_far| &so_far["run"]);
        let names = |run: &Value| -> Vec<String> {
            let steps = run["steps"].as_array().unwrap().iter();
            steps.map(|step| step["name"].as_str().unwrap().to_owned()).collect()
        };
        runs.map(|run| (run["name"].as_str().unwrap().to_owned(), names(run))).collect()
    };
    assert_eq!(told("i1"), [("inner".to_owned(), vec!["cat".to_owned()])]);
    let so_far = place.json(&["show", "inner"])["so_far"].clone();
    let steps = so_far["run"]["steps"].as_array().unwrap();
    let written: Vec<&str> = steps.iter().flat_map(|step| common::paths(&step["generated"])).collect();
    assert!(written.contains(&"i1") && !written.contains(&"o"), "{written:?}");
    assert_eq!(told("o")[0].0, "long");
    waiting.finish();
    assert_eq!(waiting.place.json(&["show", "i1"])["so_far"], Value::Array(Vec::new()));
}

#[test]
fn what_others_read_of_a_run_at_work_is_said_to_be_its_so_far() {
    let Some(mut waiting) = Waiting::new("cat d > o", "true") else { return };
    let place = &waiting.place;
    place.ok(&["run", "-q", "--", "sh", "-c", "cat o > b"]);
    let shown = place.json(&["show", "b"]);
    let from = |shown: &Value| {
        let steps = shown["runs"][0]["steps"].as_array().unwrap();
        steps
            .iter()
            .flat_map(|step| step["used"].as_array().unwrap())
            .find(|file| file["path"] == "o")
            .unwrap()["from"]
            .clone()
    };
    assert_eq!(from(&shown)["kind"], "so far");
    assert_eq!(from(&shown)["run"], place.json(&["show", "long"])["run"]["id"]);
    assert_eq!((&shown["totals"]["at_work"], &shown["totals"]["sources"]), (&1.into(), &0.into()));
    let text = place.ok(&["show", "b"]).stdout;
    assert!(text.contains("─ cat  o  observed  so far of run ") && text.contains(", at work\n"), "{text}");
    waiting.finish();
    assert_eq!(from(&waiting.place.json(&["show", "b"]))["kind"], "run");
}

#[test]
fn of_a_run_at_work_what_it_has_read_and_written_is_told() {
    let Some(mut waiting) =
        Waiting::new("cat d > o; cat o e > p; exec 4> big; head -c 3000000 /dev/zero >&4", "echo 1 > last")
    else {
        return;
    };
    let place = &waiting.place;
    let of_file = |file: &str| place.json(&["show", file]);
    let at_work = of_file("p");
    assert_eq!((&at_work["kind"], &at_work["path"]), (&"at work".into(), &"p".into()));
    let run = &at_work["so_far"][0]["run"];
    assert_eq!((&run["name"], &run["status"]), (&"long".into(), &"running".into()));
    let used = |step: &Value| -> Vec<(String, String, Option<String>)> {
        let word = |file: &Value, name: &str| file[name].as_str().unwrap().to_owned();
        let digest = |file: &Value| file["digest"].as_str().map(str::to_owned);
        let files = step["used"].as_array().unwrap().iter();
        files.map(|file| (word(file, "path"), word(file, "evidence"), digest(file))).collect()
    };
    let steps = run["steps"].as_array().unwrap();
    let seen: Vec<_> = steps.iter().map(used).collect();
    assert_eq!(common::paths(&steps[0]["used"]), ["d"]);
    assert_eq!(common::paths(&steps[1]["used"]), ["e", "o"]);
    let down = place.ok(&["show", "d", "--down"]);
    assert!(down.stdout.contains("so far, until ") && down.stdout.contains("─ cat  o  "), "{}", down.stdout);
    let text = place.ok(&["show", "long"]).stdout;
    assert!(text.contains("  files    so far, until ") && !text.contains("known when"), "{text}");
    let of_run = place.json(&["show", "long"])["so_far"].clone();
    let steps = of_run["run"]["steps"].as_array().unwrap();
    let of_head = steps.iter().find(|step| step["name"] == "head").unwrap();
    // It is not read as long as nobody asks for it.
    assert_eq!(
        (&of_head["generated"][0]["path"], &of_head["generated"][0]["digest"]),
        (&"big".into(), &Value::Null)
    );
    // Nobody had to do with it yet.
    assert_eq!(place.run(&["show", "last"]).code, 2);
    assert!(place.ok(&["log"]).stdout.contains("running"));
    waiting.finish();
    let ended = waiting.place.json(&["show", "p"]);
    assert_eq!((&ended["kind"], &ended["so_far"]), (&"file".into(), &Value::Array(Vec::new())));
    let mut steps = ended["runs"][0]["steps"].as_array().unwrap().clone();
    steps.sort_by_key(|step| step["started_at"].as_str().map(str::to_owned));
    assert_eq!(steps.iter().map(used).collect::<Vec<_>>(), seen);
    assert_eq!(waiting.shown()["so_far"], Value::Null);
}

#[test]
fn what_was_known_when_the_recorder_was_killed_is_recorded() {
    let Some(mut run) = Waiting::new("cat d > o; cat o e > p", "") else { return };
    run.kill();
    let shown = run.place.ok(&["show", "p"]).stdout;
    assert!(shown.contains("unchanged since they were written"), "{shown}");
    assert!(shown.contains("what the command did after that is not known"), "{shown}");
    for part in ["o  observed", "e  observed", "d  observed"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(run.shown()["run"]["status"], "interrupted");
    assert_eq!(run.outputs(), ["o", "p", "so_far"]);
    let status = run.place.run(&["status"]);
    assert_eq!(status.code, 1);
    assert!(status.stdout.contains("interrupted  1 run"), "{}", status.stdout);
    // Once is enough.
    assert_eq!(run.left(), None);
    assert!(!run.place.at(".lineage/under_way").exists());
    run.place.ok(&["verify"]);
}

#[test]
fn what_the_command_does_without_a_recorder_is_not_credited_to_it() {
    let after = "cat e >> o; cat e > later; mv p q; rm r; cat d > s";
    let before = "for f in o p r s kept; do cat d > $f; done; cat e > /dev/null";
    let Some(mut run) = Waiting::new(before, after) else { return };
    run.kill();
    run.go_on();
    assert_eq!(run.outputs(), ["kept", "so_far"]);
    let remarks = run.remarks();
    for changed in ["o", "p", "r", "s"] {
        let sentence = format!("`{changed}` does not stand as it stood when the recording broke off");
        assert!(remarks.contains(&sentence), "{changed}: {remarks}");
    }
    assert!(run.place.ok(&["show", "kept"]).stdout.contains("d  observed"));
    let (_, said) = run.place.refused(&["show", "o"]);
    assert!(said.contains("nothing is recorded"), "{said}");
}

#[test]
fn an_input_that_was_changed_since_is_not_said_to_have_been_read_so() {
    let Some(mut run) = Waiting::new("cat d e > o", "") else { return };
    run.kill();
    run.place.write("d", b"changed\n");
    let shown = run.shown();
    let steps = shown["runs"][0]["steps"].as_array().unwrap();
    let used: Vec<&Value> = steps.iter().flat_map(|step| step["used"].as_array().unwrap()).collect();
    let read = used.iter().find(|edge| edge["path"] == "d").unwrap();
    // Its digest was taken in time, or is not known.
    assert!(read["size_bytes"] != 8, "{read}");
    assert!(used.iter().any(|edge| edge["path"] == "e"), "{used:?}");
}

#[test]
fn whoever_finds_it_at_the_same_time_records_it_once() {
    let Some(mut run) = Waiting::new("for i in 1 2 3 4 5 6 7 8; do cat d > o$i; done", "") else { return };
    run.kill();
    let show = || run.place.command(&["show", "@", "--json"]).output().unwrap();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..6).map(|_| scope.spawn(show)).collect();
        asking.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for answer in answers {
        let shown: Value = serde_json::from_slice(&answer.stdout).unwrap();
        let counts = serde_json::json!([
            { "name": "dash", "done": 0, "failed": 1 },
            { "name": "cat", "done": 8, "failed": 0 },
        ]);
        assert_eq!(shown["step_counts"], counts, "{shown}");
    }
}

#[test]
fn a_recorder_that_is_stopped_lives() {
    let Some(mut run) = Waiting::new("cat d > o", "cat o > p") else { return };
    let signal = |name: &str| {
        let pid = run.lineage.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    };
    signal("-STOP");
    assert_eq!(run.shown()["run"]["status"], "running");
    assert!(run.left().is_some());
    signal("-CONT");
    run.go_on();
    assert!(run.lineage.wait().unwrap().success());
    assert_eq!(run.left(), None);
    assert_eq!(run.shown()["run"]["status"], "ok");
    assert_eq!(run.outputs(), ["finished", "o", "p", "so_far"]);
}

/// Puts something else at the front of what is left of a run, in place.
fn rewrite(file: &Path, change: &dyn Fn(&mut Value)) -> Vec<u8> {
    let bytes = fs::read(file).unwrap();
    let line = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    let mut front: Value = serde_json::from_slice(&bytes[..line]).unwrap();
    change(&mut front);
    let changed = [front.to_string().as_bytes(), &bytes[line..]].concat();
    fs::write(file, &changed).unwrap();
    changed
}

#[test]
fn what_nobody_here_can_tell_the_end_of_is_left_alone() {
    let Some(mut run) = Waiting::new("cat d > o", "") else { return };
    run.kill();
    let file = run.left().unwrap();
    // It ran on another machine that shares the folder, and may run there still.
    let elsewhere = rewrite(&file, &|front| {
        front["machine"] = serde_json::json!({ "name": "n2", "id": "other", "boot": "other" });
    });
    assert_eq!(run.outputs(), [] as [&str; 0]);
    assert_eq!(fs::read(&file).unwrap(), elsewhere);
    assert_eq!(run.place.ok(&["log"]).stderr, "");
    // Where nothing has come for a day, it is told where it lies.
    let day = std::time::Duration::from_secs(24 * 3600);
    let opened = fs::OpenOptions::new().append(true).open(&file).unwrap();
    opened.set_modified(std::time::SystemTime::now() - day).unwrap();
    let said = run.place.ok(&["log"]).stderr;
    assert!(said.contains("it ran on `n2`") && said.contains(file.to_str().unwrap()), "{said}");
    assert!(run.place.refused(&["gc", "--apply"]).1.contains("cannot tell what is needed"));
    assert_eq!(fs::read(&file).unwrap(), elsewhere);
    // Another version of the program wrote it.
    let newer = rewrite(&file, &|front| {
        front["format"] = 1_000.into();
        front["program"] = "99.1.0".into();
    });
    let asked = run.place.run(&["log"]);
    assert!(asked.code == 0 && asked.stderr.contains("use `lineage` 99.1.0;"), "{}", asked.stderr);
    assert_eq!(fs::read(&file).unwrap(), newer);
}

#[test]
fn a_copy_of_a_workspace_says_nothing_of_a_run_that_goes_on_in_the_original() {
    let Some(mut run) = Waiting::new("cat d > o", "") else { return };
    let copy = tempfile::tempdir().unwrap();
    let folder = copy.path().join("copy");
    let copied = Command::new("cp").arg("-r").arg(run.place.at(".lineage")).arg(&folder).status();
    assert!(copied.unwrap().success());
    fs::create_dir(copy.path().join("w")).unwrap();
    fs::rename(&folder, copy.path().join("w/.lineage")).unwrap();
    let workspace = copy.path().join("w");
    let log = run.place.ok(&["-C", workspace.to_str().unwrap(), "show", "@", "--json"]);
    let shown: Value = serde_json::from_str(&log.stdout).unwrap();
    assert_eq!(shown["outputs"], serde_json::json!([]), "{shown}");
    run.go_on();
    assert!(run.lineage.wait().unwrap().success());
    assert_eq!(run.shown()["run"]["status"], "ok");
}

#[test]
fn points_that_a_command_wrote_are_not_lost_with_the_recorder() {
    let point =
        |value: u32| format!("echo '{{\"name\": \"loss\", \"value\": {value}}}' >> \"$LINEAGE_METRICS\"");
    let Some(mut run) = Waiting::new(&point(3), &point(2)) else { return };
    run.kill();
    run.go_on();
    assert_eq!(run.shown()["metrics"][0]["value"], 2.0);
    let points = run.place.ok(&["metrics", "@", "--csv"]).stdout;
    assert_eq!(points.lines().filter(|line| line.contains("loss")).count(), 2, "{points}");
}

#[test]
fn points_that_a_command_writes_when_its_recorder_is_dead_are_recorded_whenever_somebody_asks() {
    let point =
        |value: u32| format!("echo '{{\"name\": \"loss\", \"value\": {value}}}' >> \"$LINEAGE_METRICS\"");
    let Some(mut run) = Waiting::new(&point(3), &point(2)) else { return };
    run.kill();
    let last = |run: &Waiting| run.shown()["metrics"][0]["value"].clone();
    assert_eq!(last(&run), 3.0);
    assert_eq!(run.left(), None);
    run.go_on();
    for _ in 0..2 {
        assert_eq!(last(&run), 2.0);
        let points = run.place.ok(&["metrics", "@", "--csv"]).stdout;
        assert_eq!(points.lines().filter(|line| line.contains("loss")).count(), 2, "{points}");
    }
}

#[test]
fn points_are_not_lost_with_a_recorder_that_died_before_it_had_written_anything_down() {
    let place = Place::without_git().with_real_clock();
    let script =
        "echo '{\"name\": \"loss\", \"value\": 3}' >> \"$LINEAGE_METRICS\"; : > so_far; exec sleep 1";
    let mut lineage = place.command(&["run", "-q", "--", "sh", "-c", script]).spawn().unwrap();
    while !place.at("so_far").exists() {
        let has_ended = lineage.try_wait().unwrap().is_some();
        assert!(!has_ended || place.at("so_far").exists(), "the run ended before it had begun its command");
        std::thread::yield_now();
    }
    lineage.kill().unwrap();
    lineage.wait().unwrap();
    assert_eq!(place.json(&["show", "@"])["metrics"][0]["value"], 3.0);
}

#[test]
fn what_a_killed_run_wrote_is_recorded_before_contents_are_let_go() {
    let Some(mut run) = Waiting::new("cat d > o", "") else { return };
    run.kill();
    run.place.ok(&["gc", "--apply", "--older-than", "0"]);
    assert_eq!(run.left(), None);
    assert_eq!(run.outputs(), ["o", "so_far"]);
}

#[test]
fn what_was_reported_until_the_recorder_was_killed_and_after_is_no_other_point_in_a_document() {
    let report = |line: &str| format!("echo '{line}' >> \"$LINEAGE_METRICS\"");
    let before = report(r#"{"name": "before", "value": 0.5, "step": 2}"#)
        + r#"; echo '{"before": 0.5, "after": 1, "only": 3}' > metrics.json"#;
    let after = report(r#"{"name": "after", "value": 1}"#);
    let Some(mut run) = Waiting::new(&before, &after) else { return };
    run.kill();
    run.go_on();
    let metrics = run.place.json(&["metrics", "@"]);
    let metrics = metrics["runs"][0]["metrics"].as_array().unwrap().iter();
    let points: Vec<String> =
        metrics.map(|metric| format!("{} {}", metric["name"].as_str().unwrap(), metric["count"])).collect();
    assert_eq!(points, ["after 1", "before 1", "only 1"]);
}
