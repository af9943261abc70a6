//! The JSON Schemas of answers, held against real answers: an answer is as its schema says, and has no field that it does not
//! name.

mod common;

use common::Place;
use serde_json::{Value, json};

fn schema(place: &Place, name: &str) -> Value {
    serde_json::from_str(&place.ok(&["schema", name]).stdout).unwrap()
}

/// Lets every object have the fields that its schema names, and no others.
fn closed(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(fields) => {
            if fields.contains_key("properties") {
                fields.insert("additionalProperties".to_owned(), json!(false));
            }
            for (_, value) in fields.iter_mut() {
                *value = closed(value.take());
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| *value = closed(value.take())),
        _ => {}
    }
    schema
}

fn check(place: &Place, name: &str, arguments: &[&str]) {
    check_answer(place, name, arguments, &place.json(arguments));
}

fn check_answer(place: &Place, name: &str, arguments: &[&str], answer: &Value) {
    let validator = jsonschema::validator_for(&closed(schema(place, name))).unwrap();
    let faults: Vec<String> =
        validator.iter_errors(answer).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "{arguments:?}: {faults:#?}\n{answer:#}");
}

/// Makes a workspace in which most that can be said has been said.
fn place() -> Option<Place> {
    let place = Place::empty();
    place.write("data.csv", b"1\n");
    place.write("train.sh", b"cat data.csv > m; echo '{\"f1\": 0.5}' > metrics.json\n");
    let place = place.with_commit()?;
    place.ok(&["run", "-q", "--param", "seed=1", "--", "sh", "train.sh"]);
    place.write("train.sh", b"cat data.csv data.csv > m\n");
    place.run(&["run", "-q", "--", "sh", "-c", "sh train.sh; exit 3"]);
    place.ok(&["rerun", "@-"]);
    place.ok(&[
        "register",
        "risk",
        "1.0.0",
        "--artifact",
        "model=m",
        "--status",
        "production",
        "--tag",
        "a=b",
    ]);
    place.ok(&[
        "register",
        "risk",
        "1.1.0",
        "--artifact",
        "model=m",
        "--dataset",
        "hf://a/b",
        "--metric",
        "f1=1",
    ]);
    place.ok(&["models", "promote", "risk@1.1.0", "--to", "production", "--reason", "better"]);
    place.ok(&["models", "describe", "risk@1.1.0", "--description", "d", "--tag", "c"]);
    place.ok(&["models", "alias", "risk@1.1.0", "champion"]);
    place.ok(&["models", "alias", "risk@1.0.0", "champion"]);
    place.ok(&["models", "alias", "risk@1.0.0", "champion", "--remove"]);
    place.ok(&["models", "delete", "risk@1.0.0", "--reason", "old"]);
    Some(place)
}

#[test]
fn answers_are_as_their_schemas_say_and_have_no_field_that_they_do_not_name() {
    let Some(place) = place() else { return };
    check(&place, "log", &["log"]);
    check(
        &place,
        "log",
        &["log", "--where", "f1 > 0 or status = failed", "--columns", "f1,param.seed", "--explain"],
    );
    check(&place, "log-file", &["log", "m"]);
    check(&place, "models", &["models", "--all"]);
    check(&place, "models", &["models", "--where", "f1 > 0", "--explain"]);
    check(&place, "models-show", &["models", "show", "risk@1.1.0"]);
    check(&place, "models-show", &["models", "show", "risk@1.0.0"]);
    check(&place, "models-show", &["models", "best", "risk", "--by", "f1"]);
    check(&place, "models-history", &["models", "history", "risk"]);
    check(
        &place,
        "register",
        &["register", "other", "1.0.0", "--artifact", "model=m", "--status", "production"],
    );
    check(
        &place,
        "register",
        &["register", "other", "1.0.1", "--artifact", "model=m", "--status", "production"],
    );
    place.write("m", b"mine");
    check(&place, "restore", &["restore", "m", "--force"]);
    check(&place, "restore", &["restore", "m"]);
    check(&place, "log-file", &["log", "m"]);
    check(&place, "gc", &["gc", "--older-than", "0"]);
    let other = Place::empty();
    other.ok(&["init"]);
    let registry = place.at("models/registry");
    check(&other, "import-registry", &["import", "--format", "registry", registry.to_str().unwrap()]);
    check(&other, "models-history", &["models", "history", "risk"]);
    check(&other, "models-show", &["models", "show", "other@1.0.0"]);
}

/// Asks for each answer that has no test of its own above, most of them in several states.
#[test]
fn every_command_answers_as_its_schema_says() {
    let Some(place) = place() else { return };
    place.write(
        "docs/a.md",
        b"---\ntitle: a\ngit_commit: 1234567\n---\n# a\nabout risk@1.1.0 and m, [gone](gone.md)\n",
    );
    std::os::unix::fs::symlink("a.md", place.at("docs/link.md")).unwrap();
    place.run(&["research", "docs"]);
    check_any(&place, "research", &["research", "docs"]);
    place.shell("mkdir ck; cat m > ck/e; ln -s e ck/last; cat ck/last > n; mv n o; cp o p");
    for word in [
        "m",
        "o",
        "@",
        "@-",
        "ck/last",
        "p",
        "data.csv",
        "risk@1.1.0",
        "docs/a.md",
        "models/registry/risk/1.1.0/metadata.json",
        "docs/README.md",
    ] {
        for more in [&[][..], &["--down"], &["--environment"]] {
            check_any(&place, "show", &[&["show", word][..], more].concat());
        }
    }
    check(&place, "show", &["show", "m", "@"]);
    check_any(&place, "diff", &["diff", "@-", "@"]);
    check_any(&place, "diff", &["diff", "@", "@-"]);
    check(&place, "metrics", &["metrics", "@-", "@"]);
    check(&place, "metric-names", &["metrics"]);
    check(&place, "metric-names", &["models", "--metrics"]);
    check_any(&place, "rerun", &["rerun", "@"]);
    check_any(&place, "verify", &["verify"]);
    check_any(&place, "project", &["project", "--check"]);
    check(&place, "models-versions", &["models", "show", "risk"]);
    check(&place, "models-compare", &["models", "compare", "risk@1.0.0", "risk@1.1.0"]);
    check_any(&place, "models-verify", &["models", "verify"]);
    check(&place, "models-change", &["models", "promote", "risk@1.1.0", "--to", "staging"]);
    check(&place, "models-change", &["models", "alias", "risk@1.1.0", "champion"]);
    place.ok(&["register", "k", "1.0.0", "--artifact", "ck=ck"]);
    check(&place, "models-show", &["models", "show", "k@1.0.0"]);
    check(&place, "export", &["export", "--format", "csv", "--out", "tables"]);
    check(&place, "export", &["export", "--format", "jsonl", "--out", "facts.jsonl"]);
    check(&place, "export", &["export", "--format", "openlineage", "--out", "events.jsonl"]);
    place.write("in.csv", b"1\n");
    check(&place, "import", &["import", "in.csv"]);
    check_any(&place, "status", &["status"]);
    std::fs::remove_file(place.at("o")).unwrap();
    place.write("data.csv", b"2\n");
    check_any(&place, "status", &["status"]);
    let other = Place::empty();
    other.ok(&["init"]);
    check(
        &other,
        "import-others",
        &["import", "--format", "openlineage", place.at("events.jsonl").to_str().unwrap()],
    );
    check(&other, "merge", &["merge", place.root().to_str().unwrap()]);
    let third = Place::empty();
    third.ok(&["init"]);
    check(&third, "merge", &["import", "--format", "jsonl", place.at("facts.jsonl").to_str().unwrap()]);
}

#[test]
fn a_pipeline_and_a_split_answer_as_their_schemas_say() {
    let Some(place) = Place::new() else { return };
    check_any(&place, "pipeline", &["pipeline", "data/raw", "--run-name", "one"]);
    check_any(&place, "pipeline", &["pipeline", "data/raw", "--resume", "--dry-run"]);
    check_any(&place, "pipeline", &["pipeline", "data/raw", "--run-name", "two", "--check-against", "@"]);
    check_any(&place, "split", &["split", "data/processed", "--by", "cik", "--missing", "own"]);
    check_any(&place, "split-check", &["split", "--check"]);
    let segmented = place.outputs().into_keys().find(|name| name.contains("_segmented_")).unwrap();
    let document: Value = serde_json::from_slice(&place.read(&segmented)).unwrap();
    let chunk = document["segments"][0]["chunk_id"].as_str().unwrap().to_owned();
    check_any(&place, "show", &["show", &format!("{segmented}#{chunk}")]);
    check_any(&place, "show", &["show", &segmented]);
    check_any(&place, "diff", &["diff", "@-", "@"]);
}

/// Checks an answer of a command that may end with 1: the answer is no.
fn check_any(place: &Place, name: &str, arguments: &[&str]) {
    let done = place.run(&[arguments, &["--json"]].concat());
    assert!(done.code <= 1, "{arguments:?}: {done:?}");
    let answer: Value =
        serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {done:?}"));
    check_answer(place, name, arguments, &answer);
}

#[test]
fn entries_are_read_as_their_schema_says() {
    let Some(place) = place() else { return };
    let validator = jsonschema::validator_for(&schema(&place, "entry")).unwrap();
    let own = place.read("models/registry/risk/1.1.0/metadata.json");
    assert!(validator.is_valid(&serde_json::from_slice(&own).unwrap()));
    for (number, (more, is_entry)) in [
        (json!({"artifact_paths": {"model": "m"}}), true),
        (json!({"tags": ["a"], "metrics": {"val": {"loss": 1}}}), true),
        (json!({"inputs": ["data.csv"], "training_run": null}), true),
        (json!({"verzion": "1.0.0", "tags": ["a"]}), false),
        (json!({"status": "prod", "tags": ["a"]}), false),
        (json!({"tags": 7}), false),
        (json!({"git_sha": "HEAD", "tags": ["a"]}), false),
    ]
    .into_iter()
    .enumerate()
    {
        let mut entry = json!({"model_name": "entry", "version": format!("1.0.{number}")});
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(validator.is_valid(&entry), is_entry, "{entry}");
        place.write("entry.json", entry.to_string().as_bytes());
        assert_eq!(place.run(&["register", "--from-file", "entry.json"]).code == 0, is_entry, "{entry}");
    }
}

#[test]
fn an_index_of_a_difference_points_at_what_is_listed_or_nowhere() {
    let place = Place::empty();
    let script = "cat a > a_out; for i in 1 2 3; do cat b > b_out$i; done";
    for text in [b"1\n", b"2\n"] {
        place.write("a", text);
        place.write("b", &[text.as_slice(), b"b"].concat());
        place.ok(&["run", "-q", "--", "sh", "-c", script]);
    }
    if !place.was_observed() {
        return;
    }
    let at = |limit: &str| {
        let diff = place.json(&["diff", "@-", "@", "-n", limit]);
        check_answer(&place, "diff", &["diff"], &diff);
        let (explanation, output) = (&diff["explanations"][0], &diff["outputs"]["differing"][0]);
        (explanation.clone(), output.clone())
    };
    let (explanation, output) = at("1");
    assert_eq!((&explanation["outputs"], &output["a"]["path"]), (&json!(3), &json!("a_out")));
    assert_eq!((&explanation["example"], &output["explanation"]), (&Value::Null, &Value::Null));
    assert_eq!(explanation["example_paths"], json!({"a": "b_out1", "b": "b_out1"}));
    let (explanation, output) = at("9");
    assert_eq!((&explanation["example"], &output["explanation"]), (&json!(1), &json!(1)));
}
