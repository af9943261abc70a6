//! Many at once: nobody waits for whoever holds a lock to start a run, and nothing is recorded twice.

mod common;

use std::fs::File;
use std::process::Stdio;

use common::Place;

/// Takes the lock of the store, as a `lineage` that was stopped has it.
fn hold(place: &Place) -> File {
    let path = place.root().join(".lineage/lock");
    let file = File::options().write(true).create(true).truncate(false).open(path).unwrap();
    file.try_lock().unwrap();
    file
}

#[test]
fn a_run_starts_and_ends_whoever_holds_the_lock_and_the_next_command_knows_it() {
    let place = Place::empty().with_real_clock();
    place.write("a", b"1\n");
    place.ok(&["init"]);
    let held = hold(&place);
    let run = place.run(&["run", "--", "sh", "-c", "cat a > o"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(std::fs::read(place.root().join("o")).unwrap(), b"1\n");
    // A question is answered in full, too, and says why it took so long.
    let shown = place.run(&["show", "o"]);
    assert!(shown.stdout.contains("cat  a  observed  source"), "{}", shown.stdout);
    assert!(shown.stderr.contains("has not let go of the store"), "{}", shown.stderr);
    drop(held);
    let shown = place.run(&["show", "o"]);
    assert!(shown.stdout.contains("cat  a  observed  source"), "{}", shown.stdout);
    assert_eq!(shown.stderr, "");
}

#[test]
fn files_that_several_import_at_once_are_recorded_once() {
    let place = Place::empty().with_real_clock();
    for number in 0..200 {
        place.write(&format!("d/{number}"), number.to_string().as_bytes());
    }
    place.ok(&["init"]);
    let start = |_| {
        let mut command = place.command(&["import", "d", "--json"]);
        command.stdout(Stdio::piped()).spawn().unwrap()
    };
    let importing: Vec<_> = (0..6).map(start).collect();
    let mut imported = 0;
    for process in importing {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success());
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        imported += answer["artifacts"].as_array().unwrap().len();
    }
    assert_eq!(imported, 200);
    let status = place.run(&["status"]);
    assert_eq!(status.code, 0, "{}", status.stdout);
}

#[test]
fn run_ids_of_a_burst_stay_near_the_clock_and_are_found() {
    let place = Place::empty();
    place.ok(&["init"]);
    for _ in 0..7 {
        place.ok(&["run", "-q", "--", "true"]);
    }
    let runs = place.runs();
    let ids: Vec<&str> = runs.iter().map(|run| run["run_id"].as_str().unwrap()).collect();
    let mut sorted = ids.clone();
    sorted.sort();
    let expected = ["", "_2", "_3", "_4"].map(|number| format!("20251212_174218{number}"));
    assert_eq!(sorted[..4], expected);
    assert_eq!(sorted[4..], ["20251212_174219", "20251212_174220", "20251212_174221"]);
    for id in ids {
        assert!(place.ok(&["show", id]).stdout.contains(id), "{id}");
    }
}

#[test]
fn of_a_run_at_work_it_is_said_that_its_files_are_known_when_it_ends() {
    let place = Place::empty().with_real_clock();
    place.ok(&["init"]);
    // Whoever emptied the folder took along what hides it from git.
    std::fs::remove_file(place.at(".lineage/.gitignore")).unwrap();
    let script = "touch ready; while ! test -e go; do sleep 0.02; done";
    let mut command = place.command(&["run", "-q", "--name", "live", "--", "sh", "-c", script]);
    let mut running = command.spawn().unwrap();
    while !place.at("ready").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let shown = place.ok(&["show", "live"]).stdout;
    assert!(shown.contains("known when the run ends") || shown.contains("so far, until "), "{shown}");
    assert_eq!(place.read(".lineage/.gitignore"), b"*\n");
    std::fs::write(place.at("go"), "").unwrap();
    assert!(running.wait().unwrap().success());
    let shown = place.ok(&["show", "live"]).stdout;
    assert!(!shown.contains("known when the run ends") && !shown.contains("so far, until "), "{shown}");
}
