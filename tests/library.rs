//! The library's face end to end: runs in one process, in threads, in processes that are killed, inside `lineage run`.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::Place;
use common::machine::{self, skipped};
use lineage::api::{Best, Lack};
use lineage::model::{Evidence, RunKind, RunStatus};
use lineage::{Kind, Workspace};
use serde_json::json;

/// Names what a child of a test is to do; unset in the tests themselves.
const CHILD: &str = "LINEAGE_TEST_CHILD";

fn workspace(place: &Place) -> Workspace {
    Workspace::init(place.root()).unwrap()
}

/// The runs a run's file was made in, the nearest first.
fn runs_behind(workspace: &Workspace, file: &Path) -> Vec<String> {
    let shown = workspace.show(file.to_str().unwrap()).unwrap();
    shown.runs().iter().map(|run| run.run().name.clone()).collect()
}

#[test]
fn a_run_and_what_it_read_and_wrote_are_known_to_the_program_as_well() {
    let Some(place) = Place::new() else { return };
    let workspace = workspace(&place);
    place.write("train.csv", b"1,2\n");
    let run = workspace.run("prepare").input(place.at("data/raw")).start().unwrap();
    place.write("out/clean.csv", b"clean");
    run.generated(place.at("out/clean.csv")).unwrap();
    run.finish().unwrap();

    let run = workspace.run("train").param("lr", 0.1).tag("team", "risk").start().unwrap();
    run.used(place.at("out/clean.csv")).unwrap();
    run.used("hf://ProsusAI/finbert").unwrap();
    for step in 0..3 {
        run.metric("loss", 1.0 / f64::from(step + 1), step.into()).unwrap();
    }
    run.param("epochs", 3).unwrap();
    let folder = run.output_dir().unwrap();
    let expected = format!("data/processed/{}_train_{}-dirty", run.run_id(), place.head());
    assert!(
        folder.ends_with(expected.trim_end_matches("-dirty")) || folder.ends_with(&expected),
        "{folder:?}"
    );
    std::fs::write(folder.join("model.bin"), b"weights").unwrap();
    run.generated(folder.join("model.bin")).unwrap();
    let file = run.save_metrics([("accuracy", 0.9)]).unwrap();
    run.save_metrics([("f1_score", 0.8)]).unwrap();
    assert_eq!(file, folder.join("metrics.json"));
    let saved: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(saved["metrics"], serde_json::json!({"accuracy": 0.9, "f1_score": 0.8}));
    assert_eq!(saved["git_sha"].as_str(), run.git_sha().as_deref());
    let id = run.id();
    run.finish().unwrap();

    assert_eq!(runs_behind(&workspace, &folder.join("model.bin")), ["train", "prepare"]);
    assert_eq!(place.runs()[0]["kind"], "library");
    let text = place.ok(&["show", "@"]).stdout;
    assert!(text.contains("1 step,") || text.contains("step     train x 1"), "{text}");
    for part in ["lr = 0.1", "tag      team = risk", "epochs = 3", "hf://ProsusAI/finbert"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let points = workspace.metrics(id).unwrap();
    let mut names: Vec<(&str, i64)> = points.iter().map(|p| (p.name.as_str(), p.step)).collect();
    names.sort_unstable();
    assert_eq!(names, [("accuracy", 0), ("f1_score", 0), ("loss", 0), ("loss", 1), ("loss", 2)]);
    assert_eq!(place.run(&["verify"]).code, 0);
}

#[test]
fn what_the_library_gives_can_be_shown_sent_and_shared() {
    fn check<T: std::fmt::Debug + Send + Sync + 'static>() {}
    fn check_value<T: std::fmt::Debug + Clone + Send + Sync + 'static>() {}
    check::<lineage::Error>();
    check::<lineage::Run>();
    check_value::<lineage::Kind>();
    check_value::<Workspace>();
    check_value::<lineage::RunBuilder>();
    check_value::<lineage::Registry>();
    check_value::<lineage::api::Entry>();
    check_value::<lineage::api::Registered>();
    check_value::<lineage::api::Search<lineage::api::RunView>>();
    check_value::<lineage::api::Answer<lineage::api::Found<lineage::api::ModelView>>>();
    check_value::<lineage::api::Shown>();
    check_value::<lineage::api::TraceReport>();
    check_value::<lineage::api::HistoryEntry>();
}

#[test]
fn a_row_says_how_surely_it_answers_and_a_question_can_want_it_surer() {
    let Some(place) = Place::new() else { return };
    let workspace = workspace(&place);
    place.write("train.csv", b"1,2\n");
    let run = workspace.run("train").input(place.at("train.csv")).start().unwrap();
    place.write("model.bin", b"weights");
    run.generated(place.at("model.bin")).unwrap();
    let id = run.id();
    run.finish().unwrap();
    let entry = lineage::api::Entry::new("m", "1.0.0").run(id).artifact("model", place.at("model.bin"));
    workspace.registry().register(&entry).unwrap();
    let models = |filter: &str| workspace.models().filter(filter).find().unwrap();
    let found = models("trained_on('train.csv') or name = other");
    assert_eq!(found.questions, ["trained_on(\"train.csv\")"]);
    assert_eq!(found.rows[0].evidence, [Some(Evidence::Declared)]);
    let runs = workspace.log().filter("used('train.csv') or generated('train.csv')").find().unwrap();
    assert_eq!(runs.rows[0].evidence, [Some(Evidence::Declared), None]);
    assert_eq!(models("trained_on('train.csv', declared)").rows.len(), 1);
    let none = models("trained_on('train.csv', observed)");
    assert!(none.rows.is_empty());
    assert_eq!(none.lack(), Some(Lack::NoneAnswers));
    let wrong = workspace.models().filter("trained_on('train.csv', observd)").find().unwrap_err();
    assert!(wrong.hint_text().unwrap().contains("did you mean `observed`?"), "{wrong:?}");

    // The program says the same, in columns and in JSON.
    let text = place.ok(&["models", "--where", "trained_on('train.csv')"]).stdout;
    assert!(text.contains("trained_on") && text.contains("declared"), "{text}");
    let json = place.json(&["models", "--where", "trained_on('train.csv')"]);
    assert_eq!(json["models"][0]["evidence"]["trained_on(\"train.csv\")"], "declared");
    let card = place.json(&["models", "show", "m@1.0.0"]);
    assert_eq!(card["model"]["inputs"][0]["evidence"], "declared");
    let down = place.json(&["show", "train.csv", "--down"]);
    assert_eq!(
        (&down["learned"][0]["how"], &down["learned"][0]["evidence"]),
        (&json!("its file"), &json!("declared"))
    );
}

#[test]
fn what_is_not_here_is_told_from_what_is_wrong() {
    let Some(place) = Place::new() else { return };
    let elsewhere = tempfile::tempdir().unwrap();
    assert_eq!(Workspace::open(elsewhere.path()).unwrap_err().kind(), Kind::NotFound);
    let workspace = workspace(&place);
    assert_eq!(workspace.show("nothing.csv").unwrap_err().kind(), Kind::NotFound);
    assert_eq!(workspace.find_run("e55a90bd").unwrap_err().kind(), Kind::NotFound);
    assert_eq!(workspace.registry().load("m@1.0.0").unwrap_err().kind(), Kind::NotFound);
    assert_eq!(workspace.registry().load("m").unwrap_err().kind(), Kind::Request);
    assert_eq!(workspace.log().filter("f1 >").find().unwrap_err().kind(), Kind::Request);
    assert_eq!(workspace.log().find().unwrap().lack(), Some(Lack::NothingRecorded));
}

#[test]
fn a_run_that_is_dropped_or_panics_has_an_end() {
    let place = Place::empty();
    let workspace = workspace(&place);
    drop(workspace.run("dropped").start().unwrap());
    let inside = workspace.clone();
    let panicked = std::thread::spawn(move || {
        let _run = inside.run("panicked").start().unwrap();
        std::panic::resume_unwind(Box::new("on purpose"));
    });
    assert!(panicked.join().is_err());
    workspace.run("failed").start().unwrap().fail("no data").unwrap();
    let ends = |name: &str| {
        let runs = workspace.runs(10).unwrap();
        let run = runs.iter().find(|view| view.run.name == name).unwrap();
        (run.status(), run.reason().unwrap().to_owned())
    };
    assert_eq!(ends("dropped"), (RunStatus::Failed, "dropped without an end".to_owned()));
    assert_eq!(ends("panicked"), (RunStatus::Interrupted, "the program panicked".to_owned()));
    assert_eq!(ends("failed"), (RunStatus::Failed, "no data".to_owned()));
}

#[test]
fn bad_input_is_refused_and_harms_nothing() {
    let place = Place::empty();
    let workspace = workspace(&place);
    assert!(Workspace::open(place.at("nowhere")).is_err());
    for name in ["", "..", "../x", "a/b", "a\nb", "a\0b", &"x".repeat(1000)] {
        assert_eq!(workspace.run(name).start().unwrap_err().kind().exit_code(), 2, "{name:?}");
    }
    for base in ["..", "/tmp", "a/../../b", "", "hf://x"] {
        assert!(workspace.run("x").output_base(base).start().is_err(), "{base}");
    }
    assert!(workspace.run("x").param("p", "v".repeat(100 << 20)).start().is_err());
    assert!(workspace.runs(10).unwrap().is_empty());

    let run = workspace.run("x").start().unwrap();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        run.metric("loss", value, 0).unwrap();
        assert!(run.save_metrics([("fine", 1.0), ("loss", value)]).is_err());
    }
    for name in ["", "a\n", "\u{1b}[31m", &"n".repeat(251)] {
        assert!(run.metric(name, 1.0, 0).is_err(), "{name:?}");
    }
    let error = run.used(place.at("nowhere.csv")).unwrap_err();
    assert_eq!(error.kind().exit_code(), 2);
    assert!(run.used("/dev/zero").is_err());
    assert!(run.used("a\0b").is_err());
    let id = run.id();
    run.finish().unwrap();
    assert!(workspace.metrics(id).unwrap().is_empty());
    assert!(!place.at("data/processed").exists());
}

#[test]
#[cfg(unix)]
fn a_link_out_of_the_workspace_is_not_followed() {
    let (place, outside) = (Place::empty(), Place::empty());
    let workspace = workspace(&place);
    std::os::unix::fs::symlink(outside.root(), place.at("data")).unwrap();
    let run = workspace.run("x").start().unwrap();
    assert!(run.output_dir().unwrap_err().message().contains("leads out of the workspace"));
    assert!(run.save_metrics([("a", 1.0)]).is_err());
    run.finish().unwrap();
    assert!(outside.all_files().is_empty());
}

#[test]
fn threads_share_a_run_and_runs_share_a_process() {
    let place = Place::empty_in_memory();
    let workspace = workspace(&place);
    let run = std::sync::Arc::new(workspace.run("shared").start().unwrap());
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let (run, workspace, root) = (run.clone(), workspace.clone(), place.root().to_owned());
            std::thread::spawn(move || {
                for step in 0..500 {
                    run.metric(&format!("loss_{thread}"), f64::from(step), step.into()).unwrap();
                }
                for number in 0..10 {
                    let own = workspace.run(format!("own_{thread}_{number}")).start().unwrap();
                    let file = root.join(format!("{thread}_{number}"));
                    std::fs::write(&file, own.run_id()).unwrap();
                    own.generated(&file).unwrap();
                    own.finish().unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let id = run.id();
    run.finish().unwrap();
    assert_eq!(workspace.metrics(id).unwrap().len(), 4000);
    let runs = workspace.runs(1000).unwrap();
    assert_eq!(runs.len(), 81);
    let labels: std::collections::BTreeSet<&str> = runs.iter().map(|view| view.run.run_id.as_str()).collect();
    assert_eq!(labels.len(), 81);
    assert!(
        runs.iter().all(|view| view.status() == RunStatus::Succeeded && view.run.kind == RunKind::Library)
    );
}

#[test]
fn a_run_is_seen_by_others_while_it_goes_on() {
    let place = Place::empty();
    let (here, there) = (workspace(&place), workspace(&place));
    let run = here.run("long").start().unwrap();
    let heads = place.runs();
    assert_eq!((heads[0]["name"].as_str(), heads[0]["status"].as_str()), (Some("long"), Some("running")));
    place.write("a", b"a");
    run.generated(place.at("a")).unwrap();
    run.metric("loss", 1.0, 1).unwrap();
    run.commit().unwrap();
    assert_eq!(there.metrics(run.id()).unwrap().len(), 1);
    assert_eq!(runs_behind(&there, &place.at("a")), ["long"]);
    // Another workspace value of this process joins it, as another process would.
    let joined = there.run("part").join(run.id()).unwrap();
    place.write("b", b"b");
    joined.used(place.at("a")).unwrap();
    joined.generated(place.at("b")).unwrap();
    joined.finish().unwrap();
    run.finish().unwrap();
    assert_eq!(place.runs().len(), 1);
    assert_eq!(runs_behind(&here, &place.at("b")), ["long"]);
}

#[test]
fn whoever_asks_for_a_path_from_elsewhere_is_told_its_name() {
    let place = Place::empty();
    workspace(&place);
    std::fs::create_dir(place.at("below")).unwrap();
    assert!(child(&place, "below").current_dir(place.at("below")).status().unwrap().success());
}

#[test]
fn steps_of_a_run_have_inputs_and_outputs_of_their_own() {
    let place = Place::empty();
    let workspace = workspace(&place);
    place.write("config", b"c");
    place.write("raw", b"r");
    let run = workspace.run("pipeline").input(place.at("config")).start().unwrap();
    // Two at once, each of its own file; and one after both.
    let steps = ["a", "b"].map(|name| {
        let step = run.step("clean").unwrap();
        step.param("part", name).unwrap();
        step.used(place.at("raw")).unwrap();
        (step, name)
    });
    for (step, name) in &steps {
        place.write(name, name.as_bytes());
        step.generated(place.at(name)).unwrap();
        step.finish().unwrap();
    }
    let train = run.step("train").unwrap();
    train.used(place.at("b")).unwrap();
    // What is said so far is there also while the step goes on.
    run.commit().unwrap();
    assert_eq!(place.json(&["show", "b", "--down"])["totals"]["steps"], 1);
    place.write("model", b"m");
    train.generated(place.at("model")).unwrap();
    train.finish().unwrap();
    run.step("look").unwrap().finish().unwrap();
    drop(run.step("dropped").unwrap());
    run.step("broken").unwrap().fail("no data").unwrap();
    assert!(run.step("../x").unwrap_err().message().contains("name of a step"));
    run.finish().unwrap();

    let shown = place.json(&["show", "model"]);
    assert_eq!(shown["totals"]["steps"], 2);
    let used = |step: &serde_json::Value| step["used"][0]["path"].as_str().unwrap().to_owned();
    let steps = shown["runs"][0]["steps"].as_array().unwrap();
    assert_eq!(steps.iter().map(used).collect::<Vec<_>>(), ["b", "raw"]);
    assert_eq!(steps[1]["parameters"]["part"], "b");
    assert_eq!(shown["sources"][0]["path"], "raw");
    let shown = place.json(&["show", "@"]);
    let of = |name: &str| {
        let counts = shown["step_counts"].as_array().unwrap();
        let count = counts.iter().find(|count| count["name"] == name).unwrap();
        (count["done"].as_u64().unwrap(), count["failed"].as_u64().unwrap())
    };
    assert_eq!(["clean", "look", "dropped", "broken"].map(of), [(2, 0), (1, 0), (0, 1), (0, 1)]);
    assert_eq!(shown["failures"], json!(["broken : no data", "dropped : dropped without an end"]));
    assert_eq!(shown["run"]["status"], "ok");
}

#[test]
fn a_run_ends_once_whoever_ends_it() {
    let place = Place::empty();
    let workspace = workspace(&place);
    let run = std::sync::Arc::new(workspace.run("x").start().unwrap());
    let step = run.step("s").unwrap();
    let other = run.clone();
    std::thread::spawn(move || other.finish()).join().unwrap().unwrap();
    run.finish().unwrap();
    run.finish_soon().unwrap();
    run.commit().unwrap();
    for refused in [
        run.fail("after all"),
        run.metric("late", 1.0, 0),
        run.used(place.at("nothing")),
        run.param("a", 1),
        run.output_dir().map(drop),
        run.save_metrics([("a", 1.0)]).map(drop),
        run.step("t").map(drop),
    ] {
        let error = refused.unwrap_err();
        assert!(error.message().starts_with("the run has ended"), "{error:?}");
        assert_eq!(error.kind(), Kind::Request);
    }
    // A step under way has an end of its own.
    place.write("f", b"f");
    step.generated(place.at("f")).unwrap();
    step.finish().unwrap();
    assert!(step.used(place.at("f")).unwrap_err().message().starts_with("the step has ended"));
    assert_eq!(runs_behind(&workspace, &place.at("f")), ["x"]);

    // Whoever knows more afterwards joins it.
    let evaluation = workspace.run("evaluate").join(run.id()).unwrap();
    evaluation.metric("f1", 0.9, 0).unwrap();
    evaluation.fail("no test data").unwrap();
    let found = workspace.log().filter("f1 > 0.8 and status = ok").find().unwrap();
    assert_eq!(found.rows[0].item.run.name, "x");
    assert_eq!(place.json(&["show", "@"])["failures"], json!(["evaluate : no test data"]));
}

#[test]
fn a_training_that_diverges_goes_on_and_it_is_told() {
    let place = Place::empty();
    let workspace = workspace(&place);
    let run = workspace.run("train").start().unwrap();
    for step in 0..10 {
        run.metric("loss", if step < 3 { 1.0 } else { f64::NAN }, step).unwrap();
    }
    run.metric("lr", f64::INFINITY, 0).unwrap();
    run.finish().unwrap();
    assert_eq!(workspace.metrics(run.id()).unwrap().len(), 3);
    let text = place.ok(&["show", "@"]).stdout;
    for remark in [
        "refused  metric `loss` at step 3 was refused: NaN is no finite number\n",
        "refused  metric `loss` was refused: NaN is no finite number, and so it went on (6)\n",
        "refused  metric `lr` at step 0 was refused: inf is no finite number\n",
    ] {
        assert!(text.contains(remark), "{text}");
    }
}

#[test]
fn a_run_is_asked_for_its_parts() {
    let place = Place::empty();
    let workspace = workspace(&place);
    let sweep = workspace.run("sweep").start().unwrap();
    for seed in 0..25 {
        let part = workspace.run("train").param("seed", seed).parent(sweep.id()).start().unwrap();
        if seed == 3 { part.fail("no data").unwrap() } else { part.finish_soon().unwrap() }
    }
    workspace.run("alone").start().unwrap().finish().unwrap();
    sweep.finish().unwrap();
    let tail = sweep.id().tail(8);
    let shown = workspace.show(&tail).unwrap();
    let seeds: Vec<&str> = shown.parts().iter().map(|part| part.view.run.parameters[0].1.as_str()).collect();
    assert_eq!(seeds, (0..25).map(|seed| seed.to_string()).collect::<Vec<_>>());
    assert_eq!(shown.to_json()["parts"][3]["status"], "failed");
    let text = place.ok(&["show", &tail]).stdout;
    assert!(text.contains("\n  parts    25 runs\n"), "{text}");
    assert!(text.contains("  train  failed"), "{text}");
    assert!(!text.contains("nothing recorded made it"), "{text}");
    let text = place.ok(&["show", &tail, "--limit", "2"]).stdout;
    assert!(text.ends_with("           and 23 more; `--limit 0` lists all\n"), "{text}");

    let found = |filter: &str| workspace.log().filter(filter).find().unwrap();
    let parts = found(&format!("parent = {tail}"));
    assert_eq!((parts.rows.len(), parts.explanation.looked_at), (25, 25));
    assert_eq!(found(&format!("parent = {tail} and status = failed")).rows.len(), 1);
    assert_eq!(found("has(parent)").rows.len(), 25);
    assert_eq!(found("not has(parent)").rows.len(), 2);
}

#[test]
fn one_file_written_twice_is_one_file_in_two_versions() {
    let place = Place::empty();
    let run = workspace(&place).run("x").start().unwrap();
    for bytes in ["1", "22"] {
        place.write("f", bytes.as_bytes());
        run.generated(place.at("f")).unwrap();
    }
    place.write("g", b"333");
    run.generated(place.at("g")).unwrap();
    run.finish().unwrap();
    let text = place.ok(&["show", "@"]).stdout;
    assert!(text.contains("outputs  2 files in 3 versions, 6 bytes\n"), "{text}");
}

// ---- processes ----

/// Runs this test program again, as `task` in `place`.
fn child(place: &Place, task: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "a_child_of_these_tests", "--nocapture"])
        .current_dir(place.root())
        .env(CHILD, task)
        .env_remove("LINEAGE_RUN")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

/// Not a test: what the children of the tests do.
#[test]
fn a_child_of_these_tests() {
    let Ok(task) = std::env::var(CHILD) else { return };
    let here = std::env::current_dir().unwrap();
    let workspace = Workspace::open(&here).unwrap();
    match task.as_str() {
        "many" => {
            for number in 0..50 {
                let run = workspace.run("many").param("n", number).start().unwrap();
                run.metric("n", f64::from(number), 0).unwrap();
                if number % 2 == 0 { run.finish().unwrap() } else { run.finish_soon().unwrap() }
            }
        }
        "killed" => {
            std::fs::write("in", "in").unwrap();
            let run = workspace.run("killed").input("in").start().unwrap();
            for step in 0..5000 {
                run.metric("loss", f64::from(step), step.into()).unwrap();
            }
            std::fs::write("half", "half").unwrap();
            run.generated("half").unwrap();
            run.commit().unwrap();
            std::fs::write("ready", "").unwrap();
            std::thread::park();
        }
        "below" => {
            std::fs::write("a.csv", "1").unwrap();
            workspace.run("x").input("a.csv").start().unwrap().finish().unwrap();
            let ask = |word: &str| workspace.show(word).map(drop);
            ask("below/a.csv").unwrap();
            ask(here.join("a.csv").to_str().unwrap()).unwrap();
            let mut bytes = Vec::new();
            for missed in [
                ask("a.csv"),
                workspace.history("a.csv", 1).map(drop),
                workspace.cat("a.csv", &mut bytes).map(drop),
                workspace.restore("a.csv").map(drop),
            ] {
                let hint = "questions see paths from the workspace's root: there it is `below/a.csv`";
                assert_eq!(missed.unwrap_err().hint_text(), Some(hint));
            }
            assert!(!ask("b.csv").unwrap_err().hint_text().unwrap().contains("root"));
            // Where it writes, a program says as everywhere.
            workspace.restore_to("below/a.csv", "b.csv").unwrap();
            assert_eq!(std::fs::read("b.csv").unwrap(), b"1");
        }
        "joins" => {
            let run = workspace.run("train").param("lr", 0.5).start().unwrap();
            assert!(run.is_joined());
            run.used("in").unwrap();
            std::fs::write("out", "out").unwrap();
            run.generated("out").unwrap();
            run.metric("loss", 0.25, 7).unwrap();
            let run_folder = run.output_dir().unwrap();
            run.finish().unwrap();
            let own = workspace.run("fold").separate().start().unwrap();
            assert!(!own.is_joined());
            own.finish().unwrap();
            let second =
                Workspace::open(workspace.root()).unwrap().run("again").param("lr", 0.9).start().unwrap();
            assert!(!second.is_joined());
            assert_ne!(run_folder, second.output_dir().unwrap());
            second.finish().unwrap();
        }
        "left behind" => {
            let run = workspace.run("later").start().unwrap();
            assert!(!run.is_joined());
            run.metric("loss", 0.25, 0).unwrap();
            run.finish().unwrap();
        }
        other => panic!("no such task: {other}"),
    }
}

#[test]
fn two_processes_that_start_runs_at_once_lose_none_and_share_no_run_id() {
    let place = Place::empty_in_memory();
    let workspace = workspace(&place);
    let children: Vec<_> = (0..2).map(|_| child(&place, "many").spawn().unwrap()).collect();
    for number in 0..10 {
        workspace.run(format!("here_{number}")).start().unwrap().finish().unwrap();
    }
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let runs = workspace.runs(1000).unwrap();
    let labels: std::collections::BTreeSet<&str> = runs.iter().map(|view| view.run.run_id.as_str()).collect();
    assert_eq!((runs.len(), labels.len()), (110, 110));
    assert!(runs.iter().all(|view| view.status() == RunStatus::Succeeded));
    assert_eq!(place.run(&["verify"]).code, 0);
}

#[test]
#[cfg(unix)]
fn a_process_that_is_killed_leaves_what_it_had_committed() {
    let place = Place::empty();
    let workspace = workspace(&place);
    let mut killed = child(&place, "killed").spawn().unwrap();
    while !place.at("ready").exists() {
        assert!(killed.try_wait().unwrap().is_none(), "it ended too early");
        std::thread::yield_now();
    }
    assert_eq!(place.runs()[0]["status"], "running");
    killed.kill().unwrap();
    killed.wait().unwrap();
    let run = workspace.find_run("@").unwrap();
    assert_eq!(workspace.metrics(run.run.id).unwrap().len(), 5000);
    assert_eq!(runs_behind(&workspace, &place.at("half")), ["killed"]);
    assert_eq!(place.runs()[0]["status"], "interrupted");
    assert_eq!(place.run(&["verify"]).code, 0);
    // The run id is not given out again.
    let next = workspace.run("next").start().unwrap();
    assert_ne!(next.run_id(), run.run.run_id.as_str());
    next.finish().unwrap();
}

#[test]
fn what_a_run_wrote_itself_and_then_read_is_no_source() {
    let place = Place::empty();
    let workspace = workspace(&place);
    place.write("raw", b"raw");
    let run = workspace.run("train").input(place.at("raw")).start().unwrap();
    for name in ["clean", "model"] {
        place.write(name, name.as_bytes());
        run.generated(place.at(name)).unwrap();
        run.used(place.at(name)).unwrap();
    }
    run.finish().unwrap();
    for name in ["clean", "model"] {
        let shown = workspace.show(place.at(name).to_str().unwrap()).unwrap();
        let ends: Vec<String> = shown.ends().iter().map(|end| end.path.to_string()).collect();
        assert_eq!(ends, ["raw"], "{name}");
    }
}

#[test]
fn inside_lineage_run_the_library_is_part_of_that_run() {
    let place = Place::empty().with_real_clock();
    workspace(&place);
    place.write("in", b"in");
    let program: PathBuf = std::env::current_exe().unwrap();
    let mut command = place.command(&["run", "--name", "outer", "--"]);
    command.arg(program).args(["--exact", "a_child_of_these_tests"]).env(CHILD, "joins");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let workspace = Workspace::open(place.root()).unwrap();
    let runs = workspace.runs(10).unwrap();
    let names: Vec<&str> = runs.iter().map(|view| view.run.name.as_str()).collect();
    assert_eq!(names, ["again", "fold", "outer"]);
    let outer = &runs[2];
    assert!(runs[..2].iter().all(|inner| inner.run.parent == Some(outer.run.id)));
    assert_eq!(outer.status(), RunStatus::Succeeded);
    assert_eq!(runs[0].run.parameters, [("lr".to_owned(), "0.9".to_owned())]);
    let points = workspace.metrics(outer.run.id).unwrap();
    assert_eq!(points.iter().map(|p| (p.name.as_str(), p.step)).collect::<Vec<_>>(), [("loss", 7)]);
    assert_eq!(runs_behind(&workspace, &place.at("out")), ["outer"]);
    assert!(place.ok(&["show", outer.run.run_id.as_str()]).stdout.contains("lr = 0.5"));
}

#[test]
fn a_program_that_a_run_left_behind_adds_nothing_to_it() {
    let place = Place::empty().with_real_clock();
    workspace(&place);
    place.ok(&["run", "-q", "--name", "shell", "--", "sh", "-c", "printf %s $LINEAGE_RUN > id"]);
    let mut left = child(&place, "left behind");
    left.env("LINEAGE_RUN", String::from_utf8(place.read("id")).unwrap());
    assert!(left.status().unwrap().success());
    let workspace = Workspace::open(place.root()).unwrap();
    let metrics =
        |name: &str| workspace.metrics(workspace.find_run(name).unwrap().value.run.id).unwrap().len();
    assert_eq!((metrics("shell"), metrics("later")), (0, 1));
}

#[test]
#[cfg(unix)]
fn a_workspace_that_cannot_be_written_refuses_runs_and_still_answers() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::empty();
    workspace(&place).run("before").start().unwrap().finish().unwrap();
    let set = |mode| {
        for folder in [".lineage/journal", ".lineage"] {
            std::fs::set_permissions(place.at(folder), std::fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    set(0o555);
    let writable = std::fs::write(place.at(".lineage/journal/probe"), "").is_ok();
    if writable {
        skipped(machine::Lack::User, "this user may write anywhere");
    } else {
        let workspace = Workspace::open(place.root()).unwrap();
        assert_eq!(workspace.run("x").start().unwrap_err().kind().exit_code(), 3);
        assert_eq!(workspace.runs(10).unwrap().len(), 1);
    }
    set(0o755);
}

// ---- models ----

/// Trains a model with a file and an F1 score, and registers it.
fn trained(place: &Place, workspace: &Workspace, version: &str, f1: f64) {
    use lineage::api::Entry;
    let run = workspace.run("train").param("version", version).input(place.at("train.csv")).start().unwrap();
    let file = run.output_dir().unwrap().join("model.bin");
    std::fs::write(&file, version).unwrap();
    run.generated(&file).unwrap();
    run.metric("f1_score", f1, 0).unwrap();
    let id = run.id();
    run.finish_soon().unwrap();
    let entry = Entry::new("risk_classifier", version).run(id).artifact("model", file);
    let registered = workspace.registry().by("me").register(&entry).unwrap();
    assert_eq!(registered.view.label(), format!("risk_classifier@{version}"));
    let error = workspace.registry().register(&entry).unwrap_err();
    assert!(error.message().contains("exists"), "{error}");
}

#[test]
fn models_are_registered_promoted_and_found() {
    use lineage::model::Stage;
    let place = Place::empty();
    place.write("train.csv", b"1,2\n");
    let workspace = workspace(&place);
    for (version, f1) in [("1.0.0", 0.7), ("1.1.0", 0.9), ("1.2.0", 0.8)] {
        trained(&place, &workspace, version, f1);
    }
    let registry = workspace.registry().by("me");
    assert_eq!(*registry.names().unwrap(), ["risk_classifier"]);
    let label = |found: &Option<lineage::api::ModelView>| found.as_ref().unwrap().label();
    assert_eq!(label(&registry.latest("risk_classifier").unwrap()), "risk_classifier@1.2.0");
    assert_eq!(
        label(&registry.best("risk_classifier", "f1_score", Best::Greatest).unwrap()),
        "risk_classifier@1.1.0"
    );
    assert_eq!(
        label(&registry.best("risk_classifier", "f1_score", Best::Smallest).unwrap()),
        "risk_classifier@1.0.0"
    );
    assert!(registry.best("risk_classifier", "no_such", Best::Smallest).unwrap().is_none());
    registry.promote("risk_classifier@1.1.0", Stage::Production, None).unwrap();
    let changed = registry.promote("risk_classifier@1.2.0", Stage::Production, Some("newer")).unwrap();
    assert_eq!(changed.displaced.unwrap().stage, Stage::Archived);
    registry.alias("risk_classifier@1.0.0", "baseline").unwrap();
    assert_eq!(registry.load("risk_classifier@baseline").unwrap().label(), "risk_classifier@1.0.0");
    assert_eq!(registry.load("risk_classifier@production").unwrap().label(), "risk_classifier@1.2.0");
    assert!(registry.delete("risk_classifier@1.2.0", "wrong", false).is_err());
    registry.unalias("risk_classifier", "baseline").unwrap();
    registry.delete("risk_classifier@1.0.0", "old", false).unwrap();
    assert!(!registry.load("risk_classifier@1.0.0").unwrap().is_current());
    assert_eq!(registry.list("risk_classifier").unwrap().len(), 3);
    assert!(registry.history("risk_classifier").unwrap().len() >= 7);
    for wrong in ["", "risk_classifier@9.9.9", "../x@1.0.0", "risk_classifier@nobody"] {
        assert!(registry.load(wrong).is_err(), "{wrong}");
    }
}
