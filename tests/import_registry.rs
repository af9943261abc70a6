//! A registry that was made elsewhere, taken over from its files.

mod common;

use std::fs;

use common::{Answer, Place};
use serde_json::{Value, json};

/// Trains two versions of one model, and withdraws a third of another.
fn trained() -> Place {
    let place = Place::empty();
    place.write("data.csv", b"1\n");
    place.ok(&["init"]);
    let metrics = r#"{"f1_score": 0.30000000000000004, "loss": 2}"#;
    let train = format!("cat data.csv > m1; echo '{metrics}' > metrics.json");
    place.ok(&["run", "-q", "--name", "train", "--", "sh", "-c", &train]);
    place.ok(&[
        "register",
        "risk",
        "1.0.0",
        "--artifact",
        "model=m1",
        "--metrics",
        "metrics.json",
        "--status",
        "production",
        "--tag",
        "team=risk",
        "--description",
        "the first",
        "--training-config",
        r#"{"lr": 1e-3, "seed": 12345678901234567890}"#,
    ]);
    place.ok(&["run", "-q", "--name", "train", "--", "sh", "-c", "cat data.csv data.csv > m2"]);
    place.ok(&["register", "risk", "1.1.0", "--artifact", "model=m2", "--status", "production"]);
    place.ok(&["models", "alias", "risk@1.1.0", "champion"]);
    place.ok(&["register", "other", "1.0.0", "--artifact", "model=m1"]);
    place.ok(&["models", "delete", "other@1.0.0", "--reason", "learned from what it was tested on"]);
    place
}

/// Copies what git would: the data, the models and the registry, without the workspace.
fn cloned(from: &Place) -> Place {
    let place = Place::empty();
    for name in ["data.csv", "m1", "m2"] {
        place.write(name, &fs::read(from.root().join(name)).unwrap());
    }
    copy_registry(from, &place);
    place
}

const FILES: [&str; 3] = [
    "models/registry/risk/1.0.0/metadata.json",
    "models/registry/risk/1.1.0/metadata.json",
    "models/registry/other/1.0.0/metadata.json",
];

fn copy_registry(from: &Place, to: &Place) {
    for file in FILES {
        to.write(file, &fs::read(from.root().join(file)).unwrap());
    }
}

fn import(place: &Place) -> (i32, Value) {
    let answer: Answer = place.run(&["import", "--format", "registry", "models/registry", "--json"]);
    (answer.code, serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {answer:#?}")))
}

fn news(answer: &Value) -> Vec<&str> {
    answer["models"].as_array().unwrap().iter().map(|model| model["news"].as_str().unwrap()).collect()
}

#[test]
fn a_registry_is_taken_over_as_its_files_say_and_projected_byte_for_byte() {
    let there = trained();
    let here = cloned(&there);
    let before = FILES.map(|file| fs::read(here.root().join(file)).unwrap());
    let (code, answer) = import(&here);
    assert_eq!((code, news(&answer)), (0, vec!["new"; 3]), "{answer:#}");
    assert_eq!(answer["models"][0]["run_recorded"], json!(false));
    let (code, answer) = import(&here);
    assert_eq!((code, news(&answer)), (0, vec!["known"; 3]), "{answer:#}");
    here.ok(&["project", "--check"]);
    fs::remove_dir_all(here.root().join("models")).unwrap();
    here.ok(&["project"]);
    assert_eq!(FILES.map(|file| fs::read(here.root().join(file)).unwrap()), before);

    let (mine, theirs) =
        (here.json(&["models", "show", "risk@1.0.0"]), there.json(&["models", "show", "risk@1.0.0"]));
    for field in
        ["id", "stage", "metrics", "tags", "registered_at", "registered_by", "run", "updated_at", "artifacts"]
    {
        assert_eq!(mine["model"][field], theirs["model"][field], "{field}");
    }
    assert_eq!(mine["model"]["taken"]["run_name"], "train");
    let card = here.ok(&["models", "show", "risk@1.0.0"]).stdout;
    assert!(card.contains("train  not recorded here"), "{card}");
    assert!(here.ok(&["models", "show", "risk@champion"]).stdout.starts_with("risk@1.1.0"));
    let history = here.ok(&["models", "history", "other"]).stdout;
    assert!(history.contains("taken over from its entry") && history.contains("tested on"), "{history}");
    here.ok(&["models", "verify"]);
    here.ok(&["verify"]);
}

#[test]
fn what_became_of_a_version_elsewhere_is_taken_when_its_file_is_newer() {
    let there = trained();
    let here = cloned(&there);
    import(&here);
    there.ok(&["models", "promote", "risk@1.0.0", "--to", "production"]);
    there.ok(&["models", "describe", "risk@1.1.0", "--notes", "too slow", "--tag", "slow"]);
    copy_registry(&there, &here);
    let (code, answer) = import(&here);
    assert_eq!((code, news(&answer)), (0, vec!["known", "changed", "changed"]), "{answer:#}");
    here.ok(&["project", "--check"]);
    assert_eq!(here.json(&["models", "show", "risk@1.1.0"])["model"]["stage"], "archived");

    // What was changed here since goes before an older file.
    here.ok(&["models", "describe", "risk@1.1.0", "--notes", "fast enough"]);
    copy_registry(&there, &here);
    let (code, answer) = import(&here);
    assert_eq!((code, news(&answer)), (1, vec!["known"; 3]), "{answer:#}");
    assert_eq!(answer["models"][2]["differs"], json!(["notes", "updated_at"]));
    assert_eq!(here.json(&["models", "show", "risk@1.1.0"])["model"]["notes"], "fast enough");
}

#[test]
fn the_registration_itself_goes_before_what_was_taken_from_its_entry() {
    let there = trained();
    let here = cloned(&there);
    import(&here);
    let expected = there.json(&["models", "show", "risk@1.0.0"]);
    here.ok(&["merge", there.root().to_str().unwrap()]);
    let mut found = here.json(&["models", "show", "risk@1.0.0"]);
    assert_eq!(found["model"]["taken"], Value::Null);
    found["model"]["training_run"] = expected["model"]["training_run"].clone();
    assert_eq!(found, expected);
    assert!(here.ok(&["models", "show", "risk@1.0.0"]).stdout.contains("train  ok"));
}

#[test]
fn a_damaged_file_is_named_and_the_others_are_taken() {
    let place = trained();
    let here = cloned(&place);
    here.write("models/registry/risk/1.1.0/metadata.json", b"{\"model_name\": \"risk\"");
    here.write(
        "old/metadata.json",
        br#"{"model_name": "old", "version": "0.1.0", "created_at": "2024-05-05", "artifact_paths": {"m": "m1"}}"#,
    );
    let (code, answer) = import(&here);
    assert_eq!((code, answer["left_out"].as_array().unwrap().len()), (1, 1), "{answer:#}");
    let answer = here.run(&["import", "--format", "registry", "old/metadata.json"]);
    assert_eq!(answer.code, 0, "{answer:#?}");
    assert!(answer.stdout.contains("names no zone"), "{answer:#?}");
    assert!(answer.stdout.contains("which bytes they held"), "{answer:#?}");
    let answer = here.run(&["import", "--format", "registry", "data.csv"]);
    assert_eq!(answer.code, 1, "{answer:#?}");
    // A run of today did not train what was made years ago, though it wrote the same bytes.
    here.shell("cat data.csv > again");
    here.write(
        "entry.json",
        br#"{"model_name": "old", "version": "0.2.0", "created_at": "2024-05-05T00:00:00Z",
        "artifact_paths": {"m": "again"}}"#,
    );
    let answer = here.run(&["register", "--from-file", "entry.json", "--json"]);
    assert!(answer.stderr.contains("began after 2024-05-05"), "{answer:#?}");
    assert_eq!(serde_json::from_str::<Value>(&answer.stdout).unwrap()["model"]["run"], Value::Null);
    let answer = here.run(&["register", "--from-file", "models/registry/risk/1.0.0/metadata.json"]);
    assert_eq!(answer.code, 2);
    assert!(answer.stderr.contains("lineage import --format registry"), "{answer:#?}");
}

#[test]
fn an_alias_alone_is_news_and_brings_its_file_up_to_date() {
    let there = trained();
    let here = cloned(&there);
    import(&here);
    there.ok(&["models", "alias", "risk@1.0.0", "steady"]);
    let named = fs::read(there.root().join(FILES[0])).unwrap();
    let before = here.read(FILES[0]);
    here.write("theirs/metadata.json", &named);
    let answer = here.ok(&["import", "--format", "registry", "theirs", "--json"]);
    assert_eq!(news(&serde_json::from_str(&answer.stdout).unwrap()), ["changed"], "{answer:#?}");
    assert!(here.read(FILES[0]) != before && here.read(FILES[0]) == named);
    here.ok(&["project", "--check"]);
}

#[test]
fn an_alias_that_went_to_another_version_goes_along_unless_somebody_here_gave_it() {
    let there = trained();
    let here = Place::empty();
    here.ok(&["init"]);
    let take = || {
        for file in FILES {
            here.write(&format!("theirs/{file}"), &fs::read(there.root().join(file)).unwrap());
        }
        let answer = here.run(&["import", "--format", "registry", "theirs", "--json"]);
        here.ok(&["project", "--check"]);
        let answer_json: Value = serde_json::from_str(&answer.stdout).unwrap();
        (answer.code, news(&answer_json).join(" "))
    };
    let champion = || {
        let answer = here.run(&["models", "show", "risk@champion", "--json"]);
        let answer: Value = serde_json::from_str(&answer.stdout).unwrap_or_default();
        answer["model"]["version"].clone()
    };
    take();
    assert_eq!(champion(), "1.1.0");
    there.ok(&["models", "alias", "risk@1.0.0", "champion"]);
    assert_eq!(take().0, 0);
    assert_eq!(champion(), "1.0.0");
    there.ok(&["models", "alias", "risk@1.1.0", "champion"]);
    assert_eq!((take().0, champion()), (0, json!("1.1.0")));
    assert_eq!(take(), (0, "known known known".to_owned()));
    // One file alone does not say that the other version is called so no more.
    there.ok(&["models", "alias", "risk@1.0.0", "champion"]);
    here.write("one/metadata.json", &fs::read(there.root().join(FILES[0])).unwrap());
    assert_eq!(here.run(&["import", "--format", "registry", "one"]).code, 1);
    assert_eq!(champion(), "1.1.0");
    assert_eq!((take().0, champion()), (0, json!("1.0.0")));
    there.ok(&["models", "alias", "risk", "champion", "--remove"]);
    assert_eq!((take().0, champion()), (0, Value::Null));
    // What somebody here said stays, and is named.
    here.ok(&["models", "alias", "risk@1.0.0", "champion"]);
    there.ok(&["models", "alias", "risk@1.1.0", "champion"]);
    assert_eq!((take().0, champion()), (1, json!("1.0.0")));
}

#[test]
fn a_key_is_that_of_one_version_and_of_no_run() {
    let here = trained();
    let run = here.json(&["show", "@"])["run"]["id"].as_str().unwrap().to_owned();
    let entry = |version: &str, id: &str| {
        json!({"model_name": "m", "version": version, "id": id, "created_at": "2025-12-12T10:00:00Z",
               "metrics": {"f1_score": 0.99, "extra": 7}})
    };
    here.write("one/metadata.json", entry("1.0.0", &run).to_string().as_bytes());
    let answer = here.run(&["import", "--format", "registry", "one"]);
    assert_eq!(answer.code, 1, "{answer:#?}");
    assert!(answer.stdout.contains("is that of a run here"), "{answer:#?}");
    assert!(!here.ok(&["show", "@"]).stdout.contains("extra"));
    // A copy that was edited, and its key left.
    let id = "019b1384-3b90-7000-8000-000000000001";
    for version in ["1.0.0", "1.1.0"] {
        here.write(&format!("two/{version}/metadata.json"), entry(version, id).to_string().as_bytes());
    }
    let answer = here.run(&["import", "--format", "registry", "two"]);
    assert_eq!(answer.code, 1, "{answer:#?}");
    assert!(answer.stdout.contains("1 version, 1 new"), "{answer:#?}");
    assert!(answer.stdout.contains("is that of another version here"), "{answer:#?}");
    assert!(here.ok(&["models", "show", "m@1.0.0"]).stdout.starts_with("m@1.0.0"));
}

#[test]
fn whatever_register_takes_is_taken_back_from_its_file() {
    let there = Place::empty();
    there.ok(&["init"]);
    let folder = format!("model/{}", "long".repeat(60));
    there.write(&format!("{folder}/{}", "name".repeat(60)), b"weights");
    there.write("model/of\ntwo lines", b"more");
    there.ok(&["register", "m", "1.0.0", "--artifact", "model=model"]);
    let file = "models/registry/m/1.0.0/metadata.json";
    let here = Place::empty();
    here.write(file, &there.read(file));
    let (code, answer) = import(&here);
    assert_eq!((code, news(&answer)), (0, vec!["new"]), "{answer:#}");
    here.ok(&["project", "--check"]);
}

#[test]
fn a_file_of_another_program_is_projected_as_the_schema_says() {
    let here = Place::empty();
    here.ok(&["init"]);
    here.write(
        "old/metadata.json",
        br#"{"model_name": "m", "version": "1.0.0", "created_at": "2025-01-01T00:00:00Z", "git_sha": "ea45dd2-dirty",
        "metrics": {"accuracy": 93, "loss": -1}, "training_config": ["a"], "dataset_info": "none"}"#,
    );
    let answer = here.ok(&["import", "--format", "registry", "old"]);
    assert!(answer.stdout.contains("its `training_config` cannot be one"), "{answer:#?}");
    here.ok(&["project"]);
    let written: Value = serde_json::from_slice(&here.read("models/registry/m/1.0.0/metadata.json")).unwrap();
    let schema = serde_json::from_str(&here.ok(&["schema", "metadata"]).stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let faults: Vec<String> = validator.iter_errors(&written).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{faults:#?}\n{written:#}");
    assert_eq!((&written["git_sha"], &written["git_dirty"]), (&json!("ea45dd2"), &json!(true)));
    assert_eq!(written["fields"], json!({"training_config": ["a"], "dataset_info": "none"}));
}
