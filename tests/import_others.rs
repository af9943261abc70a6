//! `lineage import` of other programs' runs, with the program itself: MLflow's own stores, made by MLflow, and run events.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{Place, python_with};
use serde_json::{Value, json};

fn workspace() -> Place {
    let place = Place::empty();
    place.ok(&["init", "."]);
    place
}

fn segments(place: &Place) -> usize {
    fs::read_dir(place.at(".lineage/journal")).unwrap().count()
}

/// Imports `uri`'s store twice and checks what is there then.
fn check_mlflow(place: &Place, name: &str) {
    let first = place.run(&["import", "--format", "mlflow", name]);
    // What is not finite is left out, and said.
    assert_eq!(first.code, 1, "{first:#?}");
    assert!(
        first.stdout.starts_with("3 runs, 3 new, 5 new metric points, 1 new file, 2 new model versions\n"),
        "{first:#?}"
    );
    assert!(first.stdout.contains("at step 0 is NaN"), "{first:#?}");
    assert_eq!(first.stdout.lines().count(), 2, "{first:#?}");
    let runs = place.runs();
    assert_eq!(runs.len(), 3);
    let named = |name: &str| {
        runs.iter().find(|run| run["name"] == name).unwrap_or_else(|| panic!("{name}: {runs:#?}"))
    };
    assert_eq!((&named("train a")["status"], &named("fails")["status"]), (&json!("ok"), &json!("failed")));
    let run_id = named("train a")["run_id"].as_str().unwrap();
    let shown = place.json(&["show", run_id]);
    assert_eq!(shown["tags"]["team"], "risk");
    assert_eq!(shown["tags"]["mlflow.experiment"], "risk");
    let metrics = shown["metrics"].as_array().unwrap();
    assert!(metrics.iter().any(|m| m["name"] == "f1" && m["value"] == 0.9), "{metrics:?}");
    assert!(metrics.iter().any(|m| m["name"] == "loss" && m["step"] == 2), "{metrics:?}");
    let text = place.ok(&["show", run_id]).stdout;
    for line in ["param    lr = 0.01", "tag      team = risk", "code     ea45dd2ea45dd2"] {
        assert!(text.contains(line), "{text}");
    }
    // MLflow does not say whether files differed.
    assert_eq!(
        (&shown["run"]["code"]["dirty"], &shown["run"]["code"]["label"]),
        (&Value::Null, &json!("ea45dd2"))
    );
    assert!(text.contains("ea45dd2 (changes not known)"), "{text}");
    for filter in ["git.dirty = false", "git.dirty = true"] {
        let found = place.json(&["log", "-w", filter]);
        assert_eq!(found["runs"], json!([]), "{filter}");
    }
    let before = (place.ok(&["log", "--json"]).stdout, segments(place));
    let again = place.run(&["import", "--format", "mlflow", name]);
    assert!(again.stdout.starts_with("3 runs, 0 new\n"), "{again:#?}");
    assert_eq!((place.ok(&["log", "--json"]).stdout, segments(place)), before);
    assert_eq!(place.run(&["verify"]).code, 0);
}

fn make(python: &Path, place: &Place, uri: &str, more: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/validators/make_mlflow.py");
    let output = Command::new(python)
        .arg(script)
        .args([uri, "x"])
        .args(more)
        .current_dir(place.root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Writes a store as MLflow does, with one run and a file that it logged.
const NOTED_BY_MLFLOW: &str = r#"d=mlruns/0/0123456789abcdef0123456789abcdef; mkdir -p $d/artifacts $d/metrics
printf "experiment_id: '0'\nname: Default\n" > mlruns/0/meta.yaml
s=$(date +%s%3N); cat x.csv > $d/artifacts/model.txt; echo "$s 0.9 0" > $d/metrics/acc
printf "run_name: noted\nstatus: 3\nstart_time: $s\nend_time: $(date +%s%3N)\n" > $d/meta.yaml
"#;

#[test]
fn a_run_of_mlflow_that_was_observed_is_a_part_of_the_run_it_was_observed_in() {
    let place = Place::empty().with_real_clock();
    place.ok(&["init"]);
    place.write("x.csv", b"some words\n");
    place.write("t.sh", NOTED_BY_MLFLOW.as_bytes());
    place.ok(&["run", "-q", "--name", "around", "--", "sh", "t.sh"]);
    if !place.was_observed() {
        return;
    }
    let none = place.ok(&["metrics", "@"]).stdout;
    assert!(none.ends_with("has in mlruns, `lineage import mlruns --format mlflow` takes over\n"), "{none}");
    // Another run wrote the same bytes elsewhere since.
    place.ok(&["run", "-q", "--name", "later", "--", "cp", "x.csv", "y.csv"]);
    let model = "mlruns/0/0123456789abcdef0123456789abcdef/artifacts/model.txt";
    let sources = |place: &Place| {
        let shown = place.json(&["show", model]);
        let sources = shown["sources"].as_array().unwrap().iter();
        sources.map(|source| source["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(sources(&place), ["t.sh", "x.csv"]);
    place.ok(&["import", "--format", "mlflow", "mlruns"]);
    // It was written once, by those who were seen to write it.
    assert_eq!(sources(&place), ["t.sh", "x.csv"], "{:#}", place.json(&["show", model]));
    let shown = place.json(&["show", model]);
    assert_eq!(shown["written"]["run"], place.runs()[2]["id"], "{shown:#}");
    let shown = place.ok(&["show", model]).stdout;
    assert!(!shown.contains("doubt"), "{shown}");
    let status = place.run(&["status"]);
    assert_eq!(status.code, 0, "{status:?}");
    // What MLflow measured leads to what was observed.
    let best = place.json(&["log", "-w", "acc > 0.8"]);
    let runs = place.runs();
    let around = runs.iter().find(|run| run["name"] == "around").unwrap();
    assert_eq!(best["runs"][0]["name"], "noted");
    assert_eq!(best["runs"][0]["parent"], around["id"]);
    // Twice is once.
    place.ok(&["import", "--format", "mlflow", "mlruns"]);
    assert_eq!(place.runs().len(), runs.len());
}

#[test]
fn a_list_of_events_that_is_too_long_is_refused_and_not_cut() {
    let place = Place::empty();
    let mut list = b"[\n".to_vec();
    list.resize(65 << 20, b'\n');
    list.push(b']');
    place.write("events.json", &list);
    let (code, text) = place.refused(&["import", "--format", "openlineage", "events.json"]);
    assert!(code == 2 && text.contains("events.json` is longer than 64 MiB"), "{text}");
}

#[test]
fn a_folder_of_mlflow_is_taken_over_once() {
    let Some(python) = python_with(&["mlflow"]) else { return };
    let place = workspace().with_real_clock();
    make(&python, &place, &format!("file://{}", place.at("mlruns").display()), &[]);
    check_mlflow(&place, "mlruns");
    let file = place.json(&["log"])["runs"].clone();
    assert_eq!(file.as_array().unwrap().len(), 3);
}

#[test]
fn a_database_of_mlflow_is_taken_over_once() {
    let Some(python) = python_with(&["mlflow"]) else { return };
    let place = workspace().with_real_clock();
    make(&python, &place, &format!("sqlite:///{}", place.at("mlflow.db").display()), &[]);
    check_mlflow(&place, "mlflow.db");
    let exported = place.ok(&["export", "--format", "openlineage"]).stdout;
    assert_eq!(exported.lines().count(), 6);
}

/// Checks what there is of the models, the data sets and the metrics of MLflow 3.
fn check_mlflow_3(place: &Place, name: &str) {
    let first = place.run(&["import", "--format", "mlflow", name]);
    assert!(first.stdout.contains("model     `Iris Clf` is called Iris_Clf here"), "{first:#?}");
    assert!(first.stdout.contains("wild of run ") && first.stdout.contains(" is inf"), "{first:#?}");
    assert_eq!(first.stdout.matches("left out").count(), 2, "{first:#?}");
    place.ok(&["project"]);
    let entry = String::from_utf8(place.read("models/registry/Iris_Clf/1.0.0/metadata.json")).unwrap();
    let text = place.ok(&["models", "show", "Iris_Clf@1.0.0"]).stdout;
    assert!(text.contains("mlflow-dataset://small/"), "{text}");
    assert!(text.contains("acc = 0.7\n") && !text.contains("wild"), "{text}");
    assert!(entry.contains("\"mlflow_name\": \"Iris Clf\""), "{entry}");
    let files = text.lines().filter(|line| line.contains("/artifacts/MLmodel")).collect::<Vec<_>>();
    assert_eq!(files.len(), 1, "{text}");
    let path = files[0].split_whitespace().find(|word| word.ends_with("/artifacts/MLmodel")).unwrap();
    let shown = place.ok(&["show", path]).stdout;
    assert!(shown.contains("  third  ") && shown.contains("mlflow-dataset://small/"), "{shown}");
    assert!(place.ok(&["models", "-w", "acc > 0.6"]).stdout.contains("Iris_Clf@1.0.0"));
    let again = place.run(&["import", "--format", "mlflow", name]);
    assert!(again.stdout.starts_with("4 runs, 0 new\n"), "{again:#?}");
    assert_eq!(place.run(&["verify"]).code, 0);
}

#[test]
fn models_data_sets_and_names_of_mlflow_3_are_taken_over() {
    let Some(python) = python_with(&["mlflow", "numpy"]) else { return };
    let place = workspace().with_real_clock();
    make(&python, &place, &format!("sqlite:///{}", place.at("mlflow.db").display()), &["3"]);
    check_mlflow_3(&place, "mlflow.db");
    let place = workspace().with_real_clock();
    make(&python, &place, &format!("file://{}", place.at("mlruns").display()), &["3"]);
    check_mlflow_3(&place, "mlruns");
}

/// What a team does in MLflow after it was taken over.
const WENT_ON_IN_MLFLOW: &str = r#"
import sys, os, warnings
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
warnings.filterwarnings("ignore")
import mlflow
from mlflow import MlflowClient
mlflow.set_tracking_uri(sys.argv[1])
client = MlflowClient()
act = sys.argv[2]
if act == "begin":
    experiment = client.create_experiment("e")
    client.create_registered_model("net")
    for number in (1, 2):
        run = client.create_run(experiment, run_name=f"r{number}", tags={"mlflow.user": "anna", "side": "left"})
        client.log_text(run.info.run_id, str(number), "w.txt")
        client.set_terminated(run.info.run_id)
        client.create_model_version("net", run.info.artifact_uri, run_id=run.info.run_id, tags={"k": "1"})
    client.set_registered_model_alias("net", "champion", "2")
    client.set_registered_model_alias("net", "spare", "1")
elif act == "on":
    client.set_registered_model_alias("net", "champion", "1")
    client.delete_registered_model_alias("net", "spare")
    client.update_model_version("net", "2", description="withdrawn: mislabelled")
    client.set_model_version_tag("net", "2", "bad", "yes")
    client.delete_model_version_tag("net", "2", "k")
    run = client.get_model_version("net", "1").run_id
    client.log_param(run, "late", "7")
    client.set_tag(run, "side", "right")
elif act == "back":
    client.set_registered_model_alias("net", "champion", "2")
    client.update_model_version("net", "2", description="")
    client.set_tag(client.get_model_version("net", "1").run_id, "side", "left")
elif act == "end":
    client.update_run(client.get_model_version("net", "1").run_id, name="renamed")
    client.delete_tag(client.get_model_version("net", "1").run_id, "side")
    client.delete_run(client.get_model_version("net", "2").run_id)
    new = client.create_run(client.get_experiment_by_name("e").experiment_id, run_name="mistake")
    client.set_terminated(new.info.run_id)
    client.delete_run(new.info.run_id)
elif act == "again":
    client.restore_run(client.get_model_version("net", "2").run_id)
    client.update_run(client.get_model_version("net", "1").run_id, name="r1")
else:
    client.delete_model_version("net", "2")
"#;

fn check_went_on(python: &Path, uri: &str, place: &Place, name: &str) {
    let go = |act: &str| {
        let made = Command::new(python)
            .args(["-c", WENT_ON_IN_MLFLOW, uri, act])
            .current_dir(place.root())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    let import = || place.run(&["import", "--format", "mlflow", name]);
    let shown = |version: &str| {
        let shown = place.json(&["models", "show", version]);
        (
            shown["model"]["label"].clone(),
            shown["model"]["description"].clone(),
            shown["model"]["tags"].clone(),
        )
    };
    let run = || place.json(&["show", "r1"]);
    go("begin");
    assert!(import().stdout.starts_with("2 runs, 2 new, 2 new files, 2 new model versions\n"));
    assert_eq!(shown("net@champion"), (json!("net@2.0.0"), json!(""), json!({"k": "1"})));
    assert_eq!(run()["run"]["by"], "anna");
    // What is changed here stays as long as nobody changes it there.
    place.ok(&["models", "describe", "net@1.0.0", "--description", "the first of all"]);
    assert_eq!(import().stdout, "2 runs, 0 new\n");

    go("on");
    let answer = import();
    assert_eq!(
        (answer.code, &*answer.stdout),
        (0, "2 runs, 0 new, 5 changes of what was known\n"),
        "{answer:?}"
    );
    assert_eq!(shown("net@champion"), (json!("net@1.0.0"), json!("the first of all"), json!({"k": "1"})));
    assert_eq!(
        shown("net@2.0.0"),
        (json!("net@2.0.0"), json!("withdrawn: mislabelled"), json!({"bad": "yes"}))
    );
    assert_ne!(place.run(&["show", "net@spare"]).code, 0);
    assert_eq!(run()["run"]["parameters"], json!([{"name": "late", "value": "7"}]));
    assert_eq!(run()["tags"]["side"], "right");
    assert_eq!(import().stdout, "2 runs, 0 new\n");

    go("back");
    assert_eq!(import().stdout, "2 runs, 0 new, 3 changes of what was known\n");
    assert_eq!(shown("net@champion"), (json!("net@2.0.0"), json!(""), json!({"bad": "yes"})));
    assert_eq!(run()["tags"]["side"], "left");
    assert_eq!(import().stdout, "2 runs, 0 new\n");

    // A run keeps its name, and its tags say what it is called there and that it is deleted.
    go("end");
    let deleted = || place.json(&["show", "r2"])["tags"]["mlflow.lifecycle_stage"].clone();
    let answer = import();
    let expected = "1 run, 0 new, 2 changes of what was known, 1 deleted there and not taken over\n";
    assert_eq!((answer.code, &*answer.stdout), (0, expected), "{answer:?}");
    assert_eq!((&run()["tags"]["mlflow.runName"], &run()["tags"]["side"]), (&json!("renamed"), &Value::Null));
    assert_eq!(deleted(), "deleted");
    let answer = import();
    assert_eq!((answer.code, &*answer.stdout), (0, "1 run, 0 new, 1 deleted there and not taken over\n"));
    for (filter, count) in [("tag.side = left", 1), ("tag.mlflow.lifecycle_stage = deleted", 1)] {
        let found = place.json(&["log", "-w", filter]);
        assert_eq!(found["runs"].as_array().unwrap().len(), count, "{filter}: {found}");
    }
    go("again");
    assert!(import().stdout.starts_with("2 runs, 0 new, 2 changes of what was known"));
    assert_eq!((&run()["tags"]["mlflow.runName"], deleted()), (&Value::Null, Value::Null));

    // What somebody has to decide is named.
    go("gone");
    let answer = import();
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(answer.stdout.contains("net@2.0.0 is not there any more"), "{answer:?}");
    assert_eq!(place.run(&["verify"]).code, 0);
}

#[test]
fn what_went_on_in_mlflow_since_is_taken_over() {
    let Some(python) = python_with(&["mlflow"]) else { return };
    let place = workspace().with_real_clock();
    check_went_on(&python, &format!("sqlite:///{}", place.at("mlflow.db").display()), &place, "mlflow.db");
    place.ok(&["run", "-q", "--", "sh", "-c", "echo no > other.db; cp mlflow.db copy.db"]);
    let none = place.ok(&["metrics", "@"]).stdout;
    assert!(none.contains("`lineage import copy.db --format mlflow`"), "{none}");
    let place = workspace().with_real_clock();
    check_went_on(&python, &format!("file://{}", place.at("mlruns").display()), &place, "mlruns");
}

/// A folder as MLflow writes it, by hand, with damage in it.
#[test]
fn what_is_damaged_is_named_and_the_rest_taken() {
    let place = workspace();
    let run = |uuid: char| format!("mlruns/1/{}", uuid.to_string().repeat(32));
    place.write("mlruns/1/meta.yaml", b"name: risk\nlifecycle_stage: active\n");
    let meta = "run_name: 'one'\nstatus: 3\nstart_time: 1765561338000\nend_time: 1765561339000\nlifecycle_stage: active\n";
    place.write(&format!("{}/meta.yaml", run('a')), meta.as_bytes());
    place.write(
        &format!("{}/metrics/loss", run('a')),
        b"1765561338000 0.5 0\nnonsense\n1765561338000 inf 1\n",
    );
    place.write(&format!("{}/metrics/empty", run('a')), b"");
    place.write(&format!("{}/params/p", run('a')), b"v");
    place.write(&format!("{}/tags/bad", run('a')), b"\xff");
    place.write(&format!("{}/artifacts/\u{1b}[31m.txt", run('a')), b"x");
    place.write(&format!("{}/meta.yaml", run('b')), b"run_name: [\n");
    place.write(
        &format!("{}/meta.yaml", run('c')),
        b"run_name: x\nstatus: 1\nlifecycle_stage: deleted\nstart_time: 1\n",
    );
    let answer = place.run(&["import", "--format", "mlflow", "mlruns"]);
    assert_eq!(answer.code, 1);
    let counts = "1 run, 1 new, 1 new metric point, 1 new file, 1 deleted there and not taken over\n";
    assert!(answer.stdout.starts_with(counts), "{answer:#?}");
    for line in ["line 2 is no point of a metric", "it is empty", "is inf", "it is no UTF-8", "is no YAML"] {
        assert!(answer.stdout.contains(line), "{line}: {answer:#?}");
    }
    assert!(!answer.stdout.contains('\u{1b}'));
    // That no commit is named does not say that there was no repository.
    assert!(place.ok(&["show", "@"]).stdout.contains("  code     not known\n"));
    for wrong in ["nowhere", ".lineage", ".lineage/store.redb"] {
        let (code, text) = place.refused(&["import", "--format", "mlflow", wrong]);
        assert_eq!(code, 2, "{wrong}: {text}");
    }
}

fn event(kind: &str, at: &str, run: &str, more: Value) -> String {
    let mut event = json!({
        "eventType": kind,
        "eventTime": at,
        "producer": "https://example.org/airflow",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": { "runId": run },
        "job": { "namespace": "dags", "name": "daily.load" },
    });
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    format!("{event}\n")
}

#[test]
fn run_events_are_taken_over_once() {
    let place = workspace();
    let id = "3f5e83fa-3480-44ff-99c5-ff943904e5e8";
    let outputs = json!({
        "inputs": [{ "namespace": "s3://bucket", "name": "raw/a.csv" }],
        "outputs": [{ "namespace": "file", "name": "/srv/out.csv" }],
    });
    // The terminal event stands first, one line is cut, one names no run.
    let text = event("COMPLETE", "2025-12-12T10:00:05.000Z", id, outputs)
        + &event("START", "2025-12-12T10:00:00.000Z", id, json!({}))
        + "{\"eventType\": \"START\", \"run\"\n"
        + &event("START", "2025-12-12T10:00:00Z", "no uuid", json!({}));
    place.write("events.ndjson", text.as_bytes());
    let answer = place.run(&["import", "--format", "openlineage", "events.ndjson"]);
    assert_eq!(answer.code, 1);
    assert!(answer.stdout.starts_with("1 run, 1 new, 1 new file\n"), "{answer:#?}");
    assert!(
        answer.stdout.contains("event 3 is no JSON")
            && answer.stdout.contains("event 4: its `runId` is no UUID")
    );
    let run = &place.runs()[0];
    assert_eq!((&run["name"], &run["status"]), (&json!("daily.load"), &json!("ok")));
    let shown = place.ok(&["show", "/srv/out.csv"]).stdout;
    assert!(shown.contains("s3://bucket/raw/a.csv"), "{shown}");
    let before = segments(&place);
    assert!(
        place
            .run(&["import", "--format", "openlineage", "events.ndjson"])
            .stdout
            .starts_with("1 run, 0 new\n")
    );
    assert_eq!(segments(&place), before);
}

#[test]
fn a_run_of_which_only_the_start_is_told_was_not_interrupted_for_all_that_is_known() {
    let place = workspace();
    let id = "3f5e83fa-3480-44ff-99c5-ff943904e5e8";
    place.write("events.ndjson", event("START", "2025-12-12T10:00:00.000Z", id, json!({})).as_bytes());
    place.ok(&["import", "--format", "openlineage", "events.ndjson"]);
    assert_eq!(place.json(&["status"])["totals"]["interrupted_runs"], 0);
    let end = event("ABORT", "2025-12-12T10:00:05.000Z", id, json!({}));
    place.write("events.ndjson", end.as_bytes());
    place.ok(&["import", "--format", "openlineage", "events.ndjson"]);
    assert_eq!(place.json(&["status"])["totals"]["interrupted_runs"], 1);
}

#[test]
fn what_was_exported_comes_back_as_nothing_new() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline", "--quiet", "--run-name", "demo"]);
    place.ok(&["export", "--format", "openlineage", "--out", "events.ndjson"]);
    assert_eq!(place.ok(&["import", "--format", "openlineage", "events.ndjson"]).stdout, "1 run, 0 new\n");
    let other = workspace();
    other.write("events.ndjson", &place.read("events.ndjson"));
    let answer = other.ok(&["import", "--format", "openlineage", "events.ndjson"]);
    assert!(answer.stdout.starts_with("1 run, 1 new, "), "{answer:#?}");
    assert_eq!(other.runs()[0]["name"], "demo");
}

/// Imports one finished run with these data sets, and asserts that nothing was left out.
fn import_run(place: &Place, datasets: Value) -> common::Answer {
    let id = "3f5e83fa-3480-44ff-99c5-ff943904e5e8";
    let text = event("START", "2025-12-12T10:00:00.000Z", id, json!({}))
        + &event("COMPLETE", "2025-12-12T10:00:05.000Z", id, datasets);
    place.write("events.ndjson", text.as_bytes());
    place.run(&["import", "--format", "openlineage", "events.ndjson"])
}

#[test]
fn what_is_exported_meets_the_events_of_others_and_comes_back_under_the_names_it_had() {
    let place = workspace();
    place.write("a", b"1");
    place.run(&["run", "-q", "--output", "o", "--", "sh", "-c", "cat a > o"]);
    place.ok(&["export", "--format", "openlineage", "--out", "events.ndjson"]);
    let path = place.root().canonicalize().unwrap().join("o");
    let exported = String::from_utf8(place.read("events.ndjson")).unwrap();
    let last: Value = serde_json::from_str(exported.lines().last().unwrap()).unwrap();
    let names =
        |event: &Value| (event["outputs"][0]["namespace"].clone(), event["outputs"][0]["name"].clone());
    assert_eq!(names(&last), (json!("file"), json!(path)));

    // Elsewhere it has the names that it had in its workspace, and its command.
    let other = workspace();
    other.write("events.ndjson", exported.as_bytes());
    other.ok(&["import", "--format", "openlineage", "events.ndjson"]);
    let shown = other.json(&["show", "o"]);
    assert_eq!(shown["path"], "o");
    assert!(other.ok(&["show", "sh"]).stdout.contains("│ sh -c 'cat a > o'\n"));
    // It is not here, as after a merge, and was done by nobody here.
    let status = other.json(&["status"]);
    assert_eq!(
        (&status["totals"]["lost"], &status["totals"]["not_here"]),
        (&json!(0), &json!(2)),
        "{status:#}"
    );
    assert_eq!(other.run(&["show", "@"]).code, 2);

    // What another program says of the same file is said of this one; it names no command.
    let read = json!({ "inputs": [{ "namespace": "file", "name": path }] });
    assert_eq!(import_run(&place, read).code, 0);
    let shown = place.ok(&["show", "daily.load"]).stdout;
    assert!(shown.contains("           o, its content is not recorded\n"), "{shown}");
    assert!(!shown.contains('│'), "{shown}");
}

#[test]
fn whether_files_differed_is_known_where_the_other_program_says_so_and_else_not() {
    let place = workspace();
    let said = [json!(false), json!(true), Value::Null];
    let events = said.iter().zip(1..).map(|(dirty, n)| {
        let facet = json!({ "commit": "ea45dd2ea45dd2ea45dd2ea45dd2ea45dd2ea45d", "dirty": dirty });
        let id = format!("019b1a2b-0000-7000-8000-00000000000{n}");
        let job = json!({ "job": { "namespace": "n", "name": format!("job {n}"),
                                   "facets": { "lineage_codeState": facet } } });
        event("COMPLETE", "2025-12-12T10:00:05.000Z", &id, job)
    });
    place.write("events.ndjson", events.collect::<String>().as_bytes());
    place.ok(&["import", "--format", "openlineage", "events.ndjson"]);
    let found = |filter: &str| {
        let found = place.json(&["log", "-w", filter]);
        let names =
            found["runs"].as_array().unwrap().iter().map(|run| run["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(found("git.dirty = false"), ["job 1"]);
    assert_eq!(found("git.dirty = true"), ["job 2"]);
    for run in place.runs() {
        let number = run["name"].as_str().unwrap().trim_start_matches("job ").parse::<usize>().unwrap();
        assert_eq!(run["code"]["dirty"], said[number - 1], "{run:#}");
    }
}

#[test]
fn of_files_named_without_their_content_nothing_is_made_up() {
    let place = workspace();
    place.write("out.csv", b"1\n");
    fs::create_dir(place.at("tables")).unwrap();
    let digest = "blake3:4d5e9a06eb0b95ec2adc33d76ba6a1a9e5cd25ac0a8d4e87b1ca7a28be5b2e2c";
    let answer = import_run(
        &place,
        json!({
            "inputs": [
                { "namespace": "s3://bucket", "name": "raw/a.csv" },
                // A digest without a size, and a size without a digest, are no content.
                { "namespace": "file", "name": "/srv/one", "facets": { "version": { "datasetVersion": digest } } },
                { "namespace": "file", "name": "/srv/two",
                  "inputFacets": { "inputStatistics": { "size": 7 } } },
                { "namespace": "file", "name": "/srv/three",
                  "facets": { "version": { "datasetVersion": digest } },
                  "inputFacets": { "inputStatistics": { "size": 7 } } },
            ],
            "outputs": [
                { "namespace": "file", "name": place.at("out.csv") },
                { "namespace": "file", "name": "gone.csv" },
                { "namespace": "file", "name": place.at("tables") },
                { "namespace": "file", "name": "/../../etc/nothing" },
            ],
        }),
    );
    assert_eq!((answer.code, answer.stdout.as_str()), (0, "1 run, 1 new, 4 new files\n"), "{answer:#?}");

    // Asked of by name, from the workspace's root.
    let shown = place.json(&["show", "out.csv"]);
    assert_eq!(
        shown["artifact"],
        json!({ "path": "out.csv", "digest": null, "size_bytes": null }),
        "{shown:#}"
    );
    assert_eq!(shown["on_disk"], "content not recorded");
    let text = place.ok(&["show", "out.csv"]).stdout;
    assert!(text.contains("  bytes    content not recorded, so "), "{text}");
    for name in ["gone.csv", "tables", "/etc/nothing", "s3://bucket/raw/a.csv", "/srv/two"] {
        assert!(place.ok(&["show", name]).stdout.contains("content not recorded"), "{name}");
        assert!(place.ok(&["log", name]).stdout.contains("content not recorded"), "{name}");
    }
    assert!(place.ok(&["show", "/srv/three"]).stdout.contains(&digest[..19]));
    let (code, stderr) = place.refused(&["cat", "out.csv"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("the content of `out.csv` is not recorded"), "{stderr}");

    // Compared with the disk: nothing can be said.
    let status = place.json(&["status", "out.csv"]);
    assert_eq!((&status["changed"], &status["lost"]), (&json!([]), &json!([])), "{status:#}");
    assert_eq!(status["totals"]["without_content"], 1);
    let status = place.run(&["status"]).stdout;
    assert!(status.contains("not compared: their content is not recorded"), "{status}");
    assert!(!status.contains("changed"), "{status}");
    assert_eq!(place.run(&["verify"]).code, 0);

    // Exported: no digest and no size.
    place.ok(&["export", "--format", "csv", "--out", "tables.out"]);
    let rows = String::from_utf8(place.read("tables.out/artifacts.csv")).unwrap();
    assert!(rows.lines().any(|row| row.trim_end() == "out.csv,,,"), "{rows}");
    assert_eq!(rows.matches("blake3:").count(), 1, "{rows}");
    let edges = String::from_utf8(place.read("tables.out/edges.csv")).unwrap();
    assert_eq!(edges.matches("blake3:").count(), 1, "{edges}");
    let events = place.ok(&["export", "--format", "openlineage"]).stdout;
    assert_eq!(
        (events.matches("datasetVersion\"").count(), events.matches("\"size\"").count()),
        (1, 1),
        "{events}"
    );
    assert_eq!(place.ok(&["export", "--format", "prov-json"]).stdout.matches("lineage:digest").count(), 1);

    // A backup is taken back as it is, and importing again says nothing new.
    place.ok(&["export", "--format", "jsonl", "--out", "backup.jsonl"]);
    let other = workspace();
    other.ok(&["import", "--format", "jsonl", place.at("backup.jsonl").to_str().unwrap()]);
    assert_eq!(other.json(&["show", "out.csv"])["artifact"]["digest"], Value::Null);
    let again = place.ok(&["import", "--format", "openlineage", "events.ndjson"]);
    assert_eq!(again.stdout, "1 run, 0 new\n");
}

#[test]
fn a_file_that_leads_out_of_the_workspace_is_left_out_and_said() {
    let place = workspace();
    let outputs = json!({ "outputs": [
        { "namespace": "file", "name": "../../etc/passwd" },
        { "namespace": "file", "name": "a/../b.csv" },
        { "namespace": "file", "name": "nul\0" },
        { "name": "x" },
    ] });
    let answer = import_run(&place, outputs);
    assert_eq!(answer.code, 1, "{answer:#?}");
    assert!(answer.stdout.starts_with("1 run, 1 new, 1 new file\n"), "{answer:#?}");
    for line in [
        "event 2: the file `../../etc/passwd` leads out of the workspace",
        "event 2: `nul\\x00` cannot be the path of an artifact",
        "event 2: a data set has no `namespace`",
    ] {
        assert!(answer.stdout.contains(line), "{line}: {answer:#?}");
    }
    assert!(place.ok(&["show", "b.csv"]).stdout.contains("no longer on disk"));
}

#[test]
fn a_name_that_is_no_text_comes_back_from_an_export() {
    use std::os::unix::ffi::OsStringExt as _;
    let place = workspace();
    let name = std::ffi::OsString::from_vec(b"a\xffb".to_vec());
    fs::write(place.root().join(&name), "1").unwrap();
    place.ok(&["import", "."]);
    place.ok(&["export", "--format", "openlineage", "--out", "events.ndjson"]);
    let other = workspace();
    other.write("events.ndjson", &place.read("events.ndjson"));
    other.ok(&["import", "--format", "openlineage", "events.ndjson"]);
    assert_eq!(other.json(&["show", r"a\xffb"])["path"], r"a\xffb");
}

#[test]
fn what_looks_like_a_credential_is_masked_in_what_is_imported() {
    let place = workspace();
    let event = json!({
        "eventType": "COMPLETE",
        "eventTime": "2025-01-02T03:04:05Z",
        "producer": "https://example.org/etl",
        "run": {
            "runId": "01890a5d-ac96-774b-bcce-b302099a8057",
            "facets": {
                "executionParameters": {"parameters": [
                    {"key": "token", "value": "sk-abcdefghijklmnop1234567890abcd"},
                    {"key": "max_tokens", "value": "12"},
                ]},
                "tags": {"tags": [{"key": "password", "value": "hunter3"}]},
                "errorMessage": {"message": "cannot reach\npostgres://u:hunter4@h/x, gave up", "programmingLanguage": "C"},
            },
        },
        "job": {"namespace": "etl", "name": "load"},
        "inputs": [
            {"namespace": "postgres://u:hunter2@h:5432", "name": "db.t"},
            {"namespace": "https://h", "name": "x?token=hunter5"},
        ],
        "outputs": [],
    });
    place.write("events.jsonl", format!("{event}\n").as_bytes());
    place.ok(&["import", "--format", "openlineage", "events.jsonl"]);
    let shown = place.ok(&["show", "load"]).stdout;
    assert!(shown.contains("token = ***") && shown.contains("max_tokens = 12"), "{shown}");
    let secrets = ["sk-abcdefghijklmnop", "hunter2", "hunter3", "hunter4", "hunter5"];
    for entry in fs::read_dir(place.at(".lineage/journal")).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(secrets.iter().all(|secret| !text.contains(secret)));
    }
    // The masked name is the name of the data set, whoever's password stood there.
    assert_eq!(place.run(&["verify"]).code, 0);
}

/// Runs a command and returns when that is recorded to have begun.
fn began_next(place: &Place) -> String {
    place.ok(&["run", "-q", "--name", "next", "--", "true"]);
    place.json(&["show", "next"])["run"]["started_at"].as_str().unwrap().to_owned()
}

#[test]
fn a_run_event_that_lies_ahead_is_left_out_and_the_clock_stays() {
    let place = workspace();
    let text = event("COMPLETE", "2099-01-01T00:00:00Z", "3f5e83fa-3480-44ff-99c5-ff943904e5e8", json!({}))
        + &event("COMPLETE", "2025-12-12T10:00:00Z", "3f5e83fa-3480-44ff-99c5-ff943904e5e9", json!({}));
    place.write("events.ndjson", text.as_bytes());
    let answer = place.run(&["import", "--format", "openlineage", "events.ndjson"]);
    assert_eq!(answer.code, 1, "{answer:#?}");
    assert!(answer.stdout.starts_with("1 run, 1 new\n"), "{answer:#?}");
    assert!(answer.stdout.contains("lies ahead: 2099-01-01"), "{answer:#?}");
    assert!(began_next(&place).starts_with("2025-12-12T17:"));
}

/// Writes a run of MLflow in its folder, by hand.
fn noted(place: &Place, more: &str) -> String {
    let run = format!("mlruns/1/{}", "a".repeat(32));
    place.write("mlruns/1/meta.yaml", b"name: risk\nlifecycle_stage: active\n");
    let meta =
        format!("run_name: 'one'\nstatus: 3\nstart_time: 1765561338000\nend_time: 1765561339000\n{more}");
    place.write(&format!("{run}/meta.yaml"), meta.as_bytes());
    run
}

#[test]
fn points_of_mlflow_that_lie_ahead_are_left_out_and_the_clock_stays() {
    let place = workspace();
    let run = noted(&place, "");
    // Microseconds, where MLflow wants milliseconds.
    place.write(
        &format!("{run}/metrics/loss"),
        b"1765561338000 0.5 0\n1700000000000000 0.4 1\n1700000000000000 0.3 2\n",
    );
    place.write("mlruns/models/m/meta.yaml", b"name: m\n");
    let version = format!(
        "version: 1\nrun_id: {}\ncreation_timestamp: 1765561338000\nlast_updated_timestamp: 4100000000000\n",
        "a".repeat(32)
    );
    place.write("mlruns/models/m/version-1/meta.yaml", version.as_bytes());
    let answer = place.run(&["import", "--format", "mlflow", "mlruns"]);
    assert_eq!(answer.code, 1, "{answer:#?}");
    assert!(answer.stdout.starts_with("1 run, 1 new, 1 new metric point\n"), "{answer:#?}");
    assert!(answer.stdout.contains("that lie ahead: 2, up to +55840-11-08"), "{answer:#?}");
    assert!(answer.stdout.contains("m 1 lies ahead: 2099-"), "{answer:#?}");
    assert!(began_next(&place).starts_with("2025-12-12T17:"));
}

#[test]
fn only_folders_of_a_run_itself_are_taken_for_its_files() {
    let place = workspace();
    let other = Place::empty();
    other.write("secret", b"x");
    other.write(&format!("{}/artifacts/model", "a".repeat(32)), b"y");
    let named = |folder: &str| format!("artifact_uri: file://{}{folder}\n", other.root().display());
    let run = noted(&place, &named(""));
    place.write(&format!("{run}/artifacts/beside"), b"z");
    let answer = place.run(&["import", "--format", "mlflow", "mlruns"]);
    assert_eq!(answer.code, 1, "{answer:#?}");
    assert!(answer.stdout.starts_with("1 run, 1 new, 1 new file\n"), "{answer:#?}");
    assert!(answer.stdout.contains(&format!("lie at file://{}", other.root().display())), "{answer:#?}");
    // A link leads out of the store as a name does.
    fs::remove_dir_all(place.at(&format!("{run}/artifacts"))).unwrap();
    std::os::unix::fs::symlink(other.root(), place.at(&format!("{run}/artifacts"))).unwrap();
    let answer = place.run(&["import", "--format", "mlflow", "mlruns"]);
    assert!(answer.stdout.starts_with("1 run, 0 new\n"), "{answer:#?}");
    // Where a store of experiments keeps them elsewhere, that folder names the run.
    noted(&place, &named(&format!("/{}/artifacts", "a".repeat(32))));
    let answer = place.ok(&["import", "--format", "mlflow", "mlruns"]);
    assert!(answer.stdout.starts_with("1 run, 0 new, 1 new file\n"), "{answer:#?}");
    let shown = place.json(&["show", "one"]);
    let outputs: Vec<&str> =
        shown["outputs"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert!(outputs.len() == 2 && !outputs.iter().any(|path| path.contains("secret")), "{outputs:?}");
}

#[test]
fn what_is_no_commit_is_left_out_and_said() {
    let place = workspace();
    let facet = json!({ "commit": "\u{1b}[31mabc", "branch": "b\u{1b}[31m" });
    let job = json!({ "job": { "namespace": "n", "name": "odd", "facets": { "lineage_codeState": facet } } });
    let id = "3f5e83fa-3480-44ff-99c5-ff943904e5e8";
    place.write("events.ndjson", event("COMPLETE", "2025-12-12T10:00:05.000Z", id, job).as_bytes());
    let answer = place.run(&["import", "--format", "openlineage", "events.ndjson"]);
    assert_eq!(answer.code, 1, "{answer:#?}");
    assert!(
        answer.stdout.contains("as its commit, is none") && !answer.stdout.contains('\u{1b}'),
        "{answer:#?}"
    );
    let shown = place.ok(&["show", "odd"]).stdout;
    assert!(shown.contains("  code     not known\n"), "{shown}");
}

#[test]
fn of_a_run_of_openlineage_on_changed_files_these_are_named() {
    let place = Place::empty();
    place.write("in.csv", b"1\n");
    place.commit_all("Add data");
    let place = place.with_real_clock();
    place.write("in.csv", b"2\n");
    place.ok(&["run", "--name", "dirty", "--", "sh", "-c", "cat in.csv > out.csv"]);
    place.ok(&["export", "--format", "openlineage", "--out", "events.ndjson"]);
    let other = Place::empty().with_real_clock();
    other.write("events.ndjson", &place.read("events.ndjson"));
    other.ok(&["import", "--format", "openlineage", "events.ndjson"]);
    let listed = other.ok(&["log"]).stdout;
    assert!(listed.contains("-dirty (1 file)"), "{listed}");
    // Other programs may say no more than that some differed.
    let events = String::from_utf8(place.read("events.ndjson")).unwrap();
    let without = events.replace("\"changedFiles\":[\"in.csv\"]", "\"changedFiles\":[]");
    assert_ne!(events, without);
    let third = Place::empty().with_real_clock();
    third.write("events.ndjson", without.as_bytes());
    third.ok(&["import", "--format", "openlineage", "events.ndjson"]);
    let listed = third.ok(&["log"]).stdout;
    assert!(listed.contains("-dirty") && !listed.contains("(0 files)"), "{listed}");
}
