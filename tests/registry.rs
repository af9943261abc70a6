//! The model registry, end to end: registering, finding, changing and withdrawing versions, and the way from a model to its data.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use common::{Answer, Place};
use serde_json::{Value, json};

/// Trains by taking the first bytes of what the pipeline made, and writes metrics.
const TRAINER: &str = r#"#!/bin/sh
# train BYTES SCORE OUT
mkdir -p "$(dirname "$3")"
cat data/processed/*/*_segmented_risks.json > "$3.all"
head -c "$1" "$3.all" > "$3"
rm "$3.all"
echo "{\"accuracy\": $2, \"f1_score\": $2, \"loss\": 1.5}" > metrics.json
"#;

struct Registry {
    place: Place,
}

impl Registry {
    /// Makes a repository with filings that went through the pipeline, and a program that trains on them.
    fn new() -> Option<Self> {
        let place = Place::without_git();
        place.write("train.sh", TRAINER.as_bytes());
        place.write(".gitignore", b"/data/interim\n/data/processed\n/out\n/metrics.json\n");
        let place = place.with_commit()?;
        place.ok(&["pipeline", "--run-name", "all"]);
        Some(Registry { place })
    }

    /// Trains in a recorded run; returns the file.
    fn train(&self, name: &str, bytes: u32, score: f64) -> String {
        let out = format!("out/{name}-{bytes}.bin");
        let (bytes, score) = (bytes.to_string(), score.to_string());
        let seed = format!("seed={bytes}");
        self.ok(&[
            "run", "--quiet", "--name", "train", "--param", &seed, "--", "sh", "train.sh", &bytes, &score,
            &out,
        ]);
        out
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        let output = self.place.command(arguments).env("USER", "ada").output().unwrap();
        Answer {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let answer = self.run(arguments);
        assert_eq!(answer.code, 0, "{arguments:?}: {answer:#?}");
        answer.stdout
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let answer = self.run(&[arguments, &["--json"]].concat());
        serde_json::from_str(&answer.stdout)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {answer:#?}"))
    }

    /// Registers a version with a file.
    fn register(&self, name: &str, version: &str, file: &str) -> String {
        self.ok(&["register", name, version, "--artifact", &format!("model={file}")])
    }

    /// Runs a command that must refuse, and registers nothing; returns what it says.
    fn refused(&self, arguments: &[&str]) -> String {
        let before = self.json(&["models", "--all", "--limit", "0"]);
        let answer = self.run(arguments);
        assert_eq!(answer.code, 2, "{arguments:?}: {answer:#?}");
        assert_eq!(answer.stdout, "", "{arguments:?}");
        assert_eq!(
            self.json(&["models", "--all", "--limit", "0"]),
            before,
            "{arguments:?} changed something"
        );
        answer.stderr
    }

    fn metadata(&self, name: &str, version: &str) -> Value {
        let bytes = self.place.read(&format!("models/registry/{name}/{version}/metadata.json"));
        serde_json::from_slice(&bytes).unwrap()
    }

    /// Holds every projected file against the schema.
    fn check_schema(&self) {
        let schema: Value = serde_json::from_str(&self.ok(&["schema", "metadata"])).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let mut count = 0;
        for model in fs::read_dir(self.place.at("models/registry")).unwrap() {
            for version in fs::read_dir(model.unwrap().path()).unwrap() {
                let path = version.unwrap().path().join("metadata.json");
                let document: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
                let faults: Vec<String> =
                    validator.iter_errors(&document).map(|fault| fault.to_string()).collect();
                assert!(faults.is_empty(), "{}: {faults:#?}", path.display());
                count += 1;
            }
        }
        assert!(count > 0);
    }
}

#[test]
fn a_version_is_registered_with_what_its_run_recorded() {
    let Some(registry) = Registry::new() else { return };
    let file = registry.train("risk", 700, 0.91);
    let answer = registry.json(&[
        "register",
        "risk",
        "1.0.0",
        "--artifact",
        &format!("model={file}"),
        "--tag",
        "team=credit",
    ]);
    let model = &answer["model"];
    assert_eq!(model["metrics"], json!({"accuracy": 0.91, "f1_score": 0.91, "loss": 1.5}));
    assert_eq!(model["stage"], "development");
    assert_eq!(model["registered_by"], "ada");
    assert_eq!(answer["remarks"], json!([]));
    let runs = registry.place.runs();
    assert_eq!(model["run"], runs[0]["id"]);
    let metadata = registry.metadata("risk", "1.0.0");
    assert_eq!(metadata["git_sha"], runs[0]["code"]["commit"]);
    assert_eq!(metadata["branch"], "main");
    assert_eq!(metadata["training_run"]["run_id"], runs[0]["run_id"]);
    assert_eq!(metadata["tags"], json!({"team": "credit"}));
    assert_eq!(metadata["artifact_paths"]["model"]["path"], "out/risk-700.bin");
    let inputs: Vec<&str> =
        metadata["inputs"].as_array().unwrap().iter().map(|input| input["path"].as_str().unwrap()).collect();
    assert_eq!(inputs.len(), 4, "{inputs:?}");
    assert!(inputs.iter().all(|path| path.contains("_segmented_risks.json")), "{inputs:?}");
    registry.check_schema();
}

#[test]
fn what_is_projected_of_the_registry_makes_no_code_state_dirty() {
    let Some(registry) = Registry::new() else { return };
    let file = registry.train("risk", 700, 0.91);
    registry.register("risk", "1.0.0", &file);
    registry.place.git(&["add", "-A"]);
    registry.place.git(&["commit", "-q", "-m", "registry"]);
    registry.ok(&["models", "promote", "risk@1.0.0", "--to", "production"]);
    registry.train("risk", 800, 0.92);
    let runs = registry.place.runs();
    assert_eq!(runs[0]["code"]["dirty"], false, "{:#}", runs[0]["code"]);
}

#[test]
fn bad_entries_are_refused_and_register_nothing() {
    let Some(registry) = Registry::new() else { return };
    let file = registry.train("risk", 700, 0.91);
    let good = format!("model={file}");
    registry.register("risk", "1.0.0", &file);
    let says = |arguments: &[&str], words: &str| {
        let said = registry.refused(&[&["register"], arguments].concat());
        assert!(said.contains(words), "{arguments:?}: {said}");
    };
    says(&["risk", "1.0.0", "--artifact", &good], "`risk` 1.0.0 exists, from run");
    says(&["risk", "1.0.0", "--artifact", &good], "versions are never replaced; register 1.0.1");
    says(&["../x", "1.0.1", "--artifact", &good], "`../x` cannot be the name of a model");
    says(&["risk", "v1.1", "--artifact", &good], "`v1.1` is no semantic version");
    says(&["risk", "1.0.1", "--artifact", "model=out/none.bin"], "cannot read the artifact `out/none.bin`");
    says(&["risk", "1.0.1", "--artifact", "model=/etc/hostname"], "lies outside the workspace");
    says(&["risk", "1.0.1", "--artifact", "model=../../etc"], "artifact");
    says(&["risk", "1.0.1", "--artifact", "model=.lineage/journal"], "is one of lineage's own files");
    says(&["risk", "1.0.1", "--artifact", "model"], "is not `--artifact NAME=PATH`");
    says(&["risk", "1.0.1", "--artifact", &good, "--metric", "f1_score=NaN"], "metrics are finite numbers");
    says(&["risk", "1.0.1", "--artifact", &good, "--metric", "f1_score=x"], "metric `f1_score` is no number");
    says(&["risk", "1.0.1", "--artifact", &good, "--metric", "accuracy=91"], "`--metric accuracy=0.91`");
    says(&["risk", "1.0.1", "--artifact", &good, "--metric", "loss=-1"], "below 0");
    says(&["risk", "1.0.1", "--artifact", &good, "--status", "prod"], "`prod` is no stage");
    says(&["risk", "1.0.1", "--artifact", &good, "--run", "ffffffff"], "no run's key ends in");
    says(&["risk", "1.0.1", "--dataset", "nowhere"], "no file `nowhere`");
    registry.place.write("entry.json", br#"{"model_name": "risk", "version": "1.0.1", "colour": "red"}"#);
    says(&["--from-file", "entry.json"], "unknown field `colour`");
    registry
        .place
        .write("entry.json", br#"{"model_name": "risk", "version": "1.0.1", "metrics": {"f1": NaN}}"#);
    says(&["--from-file", "entry.json"], "`entry.json` is no entry of the registry");
    registry.place.write("big.json", format!("{{\"notes\": \"{}\"}}", "x".repeat(100 << 20)).as_bytes());
    says(&["risk", "1.0.1", "--from-file", "big.json"], "too large");
    let many: Vec<String> = (0..1_000_000).map(|n| format!("\"p{n}\": {n}")).collect();
    registry.place.write("config.json", format!("{{{}}}", many.join(",")).as_bytes());
    says(&["risk", "1.0.1", "--training-config", "config.json"], "too large");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/etc/hostname", registry.place.at("out/link.bin")).unwrap();
        says(&["risk", "1.0.1", "--artifact", "model=out/link.bin"], "lies outside the workspace");
    }
    registry.place.write(&file, b"other");
    says(&["risk", "1.0.1", "--artifact", &good], "`out/risk-700.bin` changed since run");
    says(&["risk", "1.0.1", "--artifact", &good], "the file holds blake3:");
}

#[test]
fn an_entry_of_the_plan_is_read_with_the_files_it_names() {
    let Some(registry) = Registry::new() else { return };
    let file = registry.train("risk", 700, 0.91);
    registry.place.write("eval.json", br#"{"metrics": {"recall": 0.5}}"#);
    registry.place.write("train.json", br#"{"lr": 0.1}"#);
    let entry = json!({
        "model_name": "risk", "version": "2.0.0", "description": "Says which risk.", "model_type": "ngram",
        "base_model": "ProsusAI/finbert", "metrics_path": "eval.json", "training_config_path": "train.json",
        "dataset_info": {"rows": 7}, "artifact_paths": {"model": file}, "tags": ["a", "b"], "status": "staging",
        "created_at": "2025-12-13T10:00:00+01:00", "updated_at": "2025-12-01T10:00:00Z", "promoted_from": "1.0.0",
        "notes": "first", "inputs": ["hf://ProsusAI/finbert"],
    });
    registry.place.write("entry.json", entry.to_string().as_bytes());
    let answer = registry.run(&["register", "--from-file", "entry.json"]);
    assert_eq!(answer.code, 0, "{answer:#?}");
    assert!(answer.stderr.contains("the registry itself decides updated_at"), "{answer:#?}");
    let metadata = registry.metadata("risk", "2.0.0");
    assert_eq!(metadata["created_at"], "2025-12-13T09:00:00.000000Z");
    assert_eq!(metadata["metrics"]["recall"], 0.5);
    assert_eq!(metadata["metrics"]["accuracy"], 0.91, "from the run where not given");
    assert_eq!(metadata["training_config"], json!({"lr": 0.1}));
    assert_eq!(metadata["tags"], json!({"a": "", "b": ""}));
    assert_eq!(metadata["inputs"][0]["path"], "hf://ProsusAI/finbert");
    assert_eq!(metadata["status"], "staging");
    // What the registry wrote is an entry itself, of another workspace or another version.
    let mut again = metadata.clone();
    again["version"] = json!("2.0.1");
    registry.place.write("again.json", again.to_string().as_bytes());
    registry.ok(&["register", "--from-file", "again.json"]);
    registry.check_schema();
}

#[test]
fn of_two_processes_that_register_one_version_one_wins() {
    let Some(registry) = Registry::new() else { return };
    let file = registry.train("risk", 700, 0.91);
    let artifact = format!("model={file}");
    let start = || {
        let mut command = registry.place.command(&["register", "risk", "1.0.0", "--artifact", &artifact]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let racers: Vec<_> = (0..6).map(|_| start()).collect();
    let ends: Vec<_> = racers.into_iter().map(|racer| racer.wait_with_output().unwrap()).collect();
    let won = ends.iter().filter(|end| end.status.code() == Some(0)).count();
    assert_eq!(won, 1, "{ends:#?}");
    for end in ends.iter().filter(|end| end.status.code() != Some(0)) {
        assert_eq!(end.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&end.stderr).contains("`risk` 1.0.0 exists"), "{end:#?}");
    }
    assert_eq!(registry.json(&["models"])["models"].as_array().unwrap().len(), 1);
}

#[test]
fn a_promotion_race_leaves_one_version_in_production() {
    let Some(registry) = Registry::new() else { return };
    for patch in 0..4 {
        let file = registry.train("risk", 700 + patch, 0.9);
        registry.register("risk", &format!("1.0.{patch}"), &file);
    }
    let racers: Vec<_> = (0..4)
        .map(|patch| {
            let version = format!("risk@1.0.{patch}");
            let mut command = registry.place.command(&["models", "promote", &version, "--to", "production"]);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for racer in racers {
        let end = racer.wait_with_output().unwrap();
        assert!(end.status.success(), "{end:#?}");
    }
    let models = registry.json(&["models"]);
    let stages: Vec<&str> =
        models["models"].as_array().unwrap().iter().map(|model| model["stage"].as_str().unwrap()).collect();
    assert_eq!(stages.iter().filter(|stage| **stage == "production").count(), 1, "{stages:?}");
    assert_eq!(stages.iter().filter(|stage| **stage == "archived").count(), 3, "{stages:?}");
    for patch in 0..4 {
        let version = format!("1.0.{patch}");
        let told =
            models["models"].as_array().unwrap().iter().find(|model| model["version"] == *version).unwrap();
        assert_eq!(
            registry.metadata("risk", &version)["status"],
            told["stage"],
            "what is projected is what is true"
        );
    }
}

#[test]
fn a_filing_leads_down_to_the_models_that_learned_from_it_and_a_model_back_to_its_filings() {
    let Some(registry) = Registry::new() else { return };
    let all = registry.train("risk", 7000, 0.91);
    registry.register("risk", "1.0.0", &all);
    registry.ok(&["models", "promote", "risk@1.0.0", "--to", "production"]);
    registry.place.write("notes.txt", b"by hand");
    registry.ok(&[
        "register",
        "manual",
        "0.1.0",
        "--artifact",
        "model=notes.txt",
        "--dataset",
        "data/raw/NORDWIND_10-K_2023.txt",
    ]);
    registry.place.write("unrelated.txt", b"x");
    registry.ok(&["register", "other", "0.1.0", "--artifact", "model=unrelated.txt"]);
    let down = registry.json(&["show", "data/raw/NORDWIND_10-K_2023.txt", "--down"]);
    let learned: Vec<(&str, &str, &str)> = down["learned"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| {
            (
                model["label"].as_str().unwrap(),
                model["stage"].as_str().unwrap(),
                model["how"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        learned,
        [("risk@1.0.0", "production", "its file"), ("manual@0.1.0", "development", "its entry")]
    );
    let text = registry.ok(&["show", "data/raw/NORDWIND_10-K_2023.txt", "--down"]);
    assert!(text.contains("learned  2 model versions:"), "{text}");
    let up = registry.json(&["show", "risk@production"]);
    assert_eq!(up["kind"], "model");
    let sources: BTreeSet<&str> =
        up["sources"].as_array().unwrap().iter().map(|source| source["path"].as_str().unwrap()).collect();
    let filings = common::samples().len();
    assert_eq!(sources.iter().filter(|path| path.starts_with("data/raw/")).count(), filings, "{sources:?}");
    assert_eq!(up["runs"].as_array().unwrap().len(), 2);
    let text = registry.ok(&["show", &all]);
    assert!(text.contains("model    risk@1.0.0  production"), "{text}");
    let run = registry.ok(&["show", "@"]);
    assert!(run.contains("trained  risk@1.0.0  production"), "{run}");
    let down = registry.ok(&["show", "risk@1.0.0", "--down"]);
    assert!(down.starts_with("risk@1.0.0\n"), "{down}");
}

#[test]
fn a_withdrawn_version_stays_in_history_and_lineage() {
    let Some(registry) = Registry::new() else { return };
    for patch in 0..2 {
        let file = registry.train("risk", 700 + patch, 0.9);
        registry.register("risk", &format!("1.0.{patch}"), &file);
    }
    registry.ok(&["models", "promote", "risk@1.0.1", "--to", "production"]);
    registry.ok(&["models", "alias", "risk@1.0.0", "champion"]);
    let delete = |version: &str| registry.run(&["models", "delete", version, "--reason", "wrong labels"]);
    assert!(delete("risk@1.0.1").stderr.contains("cannot be withdrawn: it is in production"));
    assert!(delete("risk@1.0.0").stderr.contains("cannot be withdrawn: it is called `champion`"));
    registry.ok(&["models", "alias", "risk", "champion", "--remove"]);
    // Somebody trains on what 1.0.0 holds.
    let tune = ["run", "--quiet", "--", "sh", "-c", "cat out/risk-700.bin > out/tuned.bin"];
    registry.ok(&tune);
    registry.register("tuned", "0.1.0", "out/tuned.bin");
    assert!(delete("risk@1.0.0").stderr.contains("`tuned@0.1.0` descends from it"));
    registry.ok(&["models", "delete", "risk@1.0.0", "--reason", "wrong labels", "--force"]);
    assert_eq!(delete("risk@1.0.0").stdout, "risk@1.0.0: nothing to change\n");
    let models = registry.json(&["models"]);
    assert!(!models.to_string().contains("risk@1.0.0"), "{models}");
    assert_eq!(registry.metadata("risk", "1.0.0")["deleted"]["reason"], "wrong labels");
    assert!(registry.place.at("out/risk-700.bin").is_file(), "its files are not touched");
    let history = registry.ok(&["models", "history", "risk@1.0.0"]);
    assert!(history.contains("withdrawn: wrong labels"), "{history}");
    let down = registry.json(&["show", "data/raw/NORDWIND_10-K_2023.txt", "--down"]);
    assert!(down["learned"].to_string().contains("risk@1.0.0"), "{down}");
    for arguments in [
        ["models", "promote", "risk@1.0.0", "--to", "staging"].as_slice(),
        &["register", "risk", "1.0.0", "--artifact", "model=out/risk-700.bin"],
        &["models", "alias", "risk@1.0.0", "champion"],
    ] {
        assert!(registry.refused(arguments).contains("withdrawn"), "{arguments:?}");
    }
    registry.check_schema();
}

#[test]
fn files_that_were_changed_or_lost_are_found_and_hand_edited_metadata_is_left_alone() {
    let Some(registry) = Registry::new() else { return };
    for patch in 0..3 {
        let file = registry.train("risk", 700 + patch, 0.9);
        registry.register("risk", &format!("1.0.{patch}"), &file);
    }
    assert_eq!(registry.run(&["models", "verify"]).code, 0);
    registry.place.write("out/risk-700.bin", b"other");
    fs::remove_file(registry.place.at("out/risk-701.bin")).unwrap();
    let answer = registry.run(&["models", "verify"]);
    assert_eq!(answer.code, 0, "both are kept: {answer:#?}");
    assert!(
        answer.stdout.contains("out/risk-700.bin  written over since  its bytes are kept"),
        "{answer:#?}"
    );
    assert!(
        answer.stdout.contains("out/risk-701.bin  not in its place    its bytes are kept"),
        "{answer:#?}"
    );
    assert!(answer.stdout.ends_with(": all are there as registered, 2 only as kept\n"), "{answer:#?}");
    let report = registry.json(&["models", "verify"]);
    assert_eq!((&report["sound"], &report["artifacts"][2]["on_disk"]), (&true.into(), &"changed".into()));
    fs::remove_dir_all(registry.place.at(".lineage/objects")).unwrap();
    let answer = registry.run(&["models", "verify"]);
    assert_eq!(answer.code, 1, "{answer:#?}");
    assert!(answer.stdout.contains("out/risk-700.bin  CHANGED since it was registered"), "{answer:#?}");
    assert!(answer.stdout.contains("out/risk-701.bin  GONE"), "{answer:#?}");
    assert_eq!(registry.run(&["models", "verify", "risk@1.0.2"]).code, 0);
    let path = "models/registry/risk/1.0.2/metadata.json";
    registry.place.write(path, b"{}");
    let answer = registry.run(&["models", "promote", "risk@1.0.2", "--to", "staging"]);
    assert_eq!(answer.code, 0);
    assert!(answer.stderr.contains("is left as it is"), "{answer:#?}");
    assert_eq!(registry.place.read(path), b"{}");
    assert_eq!(registry.json(&["models", "show", "risk@1.0.2"])["model"]["stage"], "staging");
}

#[test]
fn a_file_that_cannot_be_looked_at_is_not_called_gone() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write("models/m", b"weights");
    place.ok(&["register", "m", "1.0.0", "--artifact", "model=models/m"]);
    // Whoever runs this may read everything; a folder that leads to itself nobody can enter.
    fs::rename(place.at("models"), place.at("away")).unwrap();
    std::os::unix::fs::symlink("models", place.at("models")).unwrap();
    let checked = place.json(&["models", "verify"]);
    assert_eq!(checked["artifacts"][0]["on_disk"], "not readable", "{checked:#}");
    let text = place.run(&["models", "verify"]).stdout;
    assert!(text.contains("NOT KNOWN, it cannot be read") && !text.contains("GONE"), "{text}");
    let card = place.json(&["models", "show", "m@1.0.0"]);
    assert!(card.to_string().contains("not readable"), "{card:#}");
    fs::remove_file(place.at("models")).unwrap();
    fs::create_dir_all(place.at("models/m")).unwrap();
    assert_eq!(place.json(&["models", "verify"])["artifacts"][0]["on_disk"], "no file");
    fs::remove_dir_all(place.at("models")).unwrap();
    assert_eq!(place.json(&["models", "verify"])["artifacts"][0]["on_disk"], "gone");
}

#[test]
fn a_registry_of_forty_versions_is_listed_compared_and_its_best_found() {
    let Some(registry) = Registry::new() else { return };
    let mut best: Vec<(f64, String)> = Vec::new();
    for (name, count) in [("credit", 12), ("market", 13), ("risk", 15)] {
        for number in 0..count {
            let score = f64::from((number * 37) % 90 + 5) / 100.0;
            let file = registry.train(name, 1_000 + number, score);
            let version = format!("{}.{}.0", number / 5, number % 5);
            registry.register(name, &version, &file);
            if name == "risk" {
                best.push((score, version));
            }
        }
    }
    best.sort_by(|a, b| a.0.total_cmp(&b.0));
    let all = registry.json(&["models", "--limit", "0"]);
    assert_eq!(all["models"].as_array().unwrap().len(), 40);
    let runs: BTreeSet<&str> =
        all["models"].as_array().unwrap().iter().map(|model| model["run"].as_str().unwrap()).collect();
    assert_eq!(runs.len(), 40, "each has a run of its own");
    let found =
        |arguments: &[&str]| registry.json(arguments)["model"]["version"].as_str().unwrap().to_owned();
    assert_eq!(found(&["models", "best", "risk", "--by", "f1_score"]), best.last().unwrap().1);
    assert_eq!(found(&["models", "best", "risk", "--by", "f1_score", "--min"]), best.first().unwrap().1);
    assert_eq!(found(&["models", "show", "risk@latest"]), "2.4.0");
    registry.ok(&["models", "promote", "risk@1.0.0", "--to", "production"]);
    let said = registry.ok(&["models", "promote", "risk@2.0.0", "--to", "production", "--reason", "better"]);
    assert_eq!(said, "risk@2.0.0: development -> production\n  risk@1.0.0 is archived now\n");
    registry.ok(&["models", "alias", "risk@2.0.0", "champion"]);
    let said = registry.ok(&["models", "alias", "risk@2.1.0", "champion"]);
    assert_eq!(said, "risk@2.1.0 is called champion\n  risk@2.0.0 lost the name\n");
    registry.ok(&["models", "describe", "risk@2.0.0", "--description", "the one", "--tag", "team=credit"]);
    registry.ok(&["models", "archive", "risk@0.0.0"]);
    let history = registry.ok(&["models", "history", "risk@2.0.0"]);
    let acts: Vec<&str> =
        history.lines().skip(2).map(|line| line.split("2.0.0").nth(1).unwrap().trim()).collect();
    assert_eq!(
        acts,
        [
            "registered in development",
            "development -> production, in the place of 1.0.0: better",
            "called champion",
            "described anew: description \"the one\", tag team=credit",
        ]
    );
    let compared = registry.json(&["models", "compare", "risk@2.0.0", "risk@2.1.0", "risk@2.2.0"]);
    assert_eq!(compared["models"].as_array().unwrap().len(), 3);
    assert_eq!(compared["metrics"]["f1_score"].as_array().unwrap().len(), 3);
    assert_eq!(compared["parameters"]["seed"], json!(["1010", "1011", "1012"]));
    assert_eq!(compared["data"][1]["same"], 4);
    assert_eq!(compared["code"][2]["files"], json!([]));
    let text = registry.ok(&["models", "compare", "risk@2.0.0", "risk@2.1.0"]);
    assert!(text.contains("  data  equal, 4 files\n  code  equal, "), "{text}");
    let listed = registry.ok(&["models", "--limit", "3"]);
    assert!(listed.ends_with("there are more versions; `--limit 0` lists all\n"), "{listed}");
    assert_eq!(listed.lines().count(), 5);
    assert!(registry.ok(&["models", "verify"]).starts_with("40 versions, 40 files, "));
    let before = registry.json(&["models", "--all", "--limit", "0"]);
    fs::remove_file(registry.place.at(".lineage/store.redb")).unwrap();
    assert_eq!(
        registry.json(&["models", "--all", "--limit", "0"]),
        before,
        "the rebuilt store says the same"
    );
    let verified = registry.run(&["verify"]);
    assert_eq!(verified.code, 0, "{verified:#?}");
    registry.check_schema();
}

/// Copies the journal of one workspace into another.
fn merge(from: &Path, to: &Path) {
    let files = fs::read_dir(from.join(".lineage/journal")).unwrap().map(|entry| entry.unwrap().path());
    for file in files.filter(|file| file.is_file()) {
        let target = to.join(".lineage/journal").join(file.file_name().unwrap());
        if !target.exists() {
            fs::copy(&file, target).unwrap();
        }
    }
}

#[test]
fn two_workspaces_that_registered_one_version_agree_on_which_it_is() {
    let places = [Place::empty(), Place::empty()];
    let mut ids = Vec::new();
    for (number, place) in places.iter().enumerate() {
        place.ok(&["init"]);
        place.write("model.bin", format!("of workspace {number}").as_bytes());
        let answer = place.json(&[
            "register",
            "risk",
            "1.0.0",
            "--artifact",
            "model=model.bin",
            "--status",
            "production",
        ]);
        ids.push(answer["model"]["id"].as_str().unwrap().to_owned());
    }
    merge(&places[0].at(""), &places[1].at(""));
    merge(&places[1].at(""), &places[0].at(""));
    let answers: Vec<Value> = places.iter().map(|place| place.json(&["models", "--all"])).collect();
    assert_eq!(answers[0], answers[1], "both sides agree");
    let models = answers[0]["models"].as_array().unwrap();
    assert_eq!(models.len(), 2);
    let (first, second): (Vec<&Value>, Vec<&Value>) =
        models.iter().partition(|model| model["clash_with"].is_null());
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_eq!(first[0]["stage"], "production");
    assert_eq!(second[0]["stage"], "archived");
    assert_eq!(second[0]["clash_with"], first[0]["id"]);
    let label = second[0]["label"].as_str().unwrap();
    assert!(label.starts_with("risk@1.0.0~"), "{label}");
    for place in &places {
        assert_eq!(place.json(&["models", "show", label])["model"]["id"], second[0]["id"]);
        let (code, said) = place.refused(&["models", "promote", label, "--to", "production"]);
        assert_eq!(code, 2);
        assert!(said.contains("another workspace registered it first"), "{said}");
        let history = place.ok(&["models", "history", "risk"]).stdout;
        assert!(history.contains("void: another was registered under this version before"), "{history}");
    }
}

/// Two runs of one script, whose code changed in between, each with a version of a model; without git.
fn versions_by_two_codes() -> Place {
    let place = Place::empty();
    place.write("data", b"b\na\n");
    place.ok(&["init"]);
    for (script, version) in [("cat data > model", "1.0.0"), ("sort data > model; echo c >> model", "1.1.0")]
    {
        place.write("train.sh", script.as_bytes());
        place.ok(&["run", "--quiet", "--", "sh", "train.sh"]);
        place.ok(&["register", "risk", version, "--artifact", "model=model"]);
    }
    place
}

#[test]
fn code_that_differs_is_said_to_without_git_too() {
    let place = versions_by_two_codes();
    let text = place.ok(&["models", "compare", "risk@1.0.0", "risk@1.1.0"]).stdout;
    let line = "  code  differs, no git repository\n    train.sh  blake3:";
    assert!(text.contains(line), "{text}");
    let compared = place.json(&["models", "compare", "risk@1.0.0", "risk@1.1.0"]);
    assert_eq!(compared["code_read"][1]["changed"][0]["a"]["path"], "train.sh", "{compared}");
    let differences = place.run(&["diff", "@-", "@"]).stdout;
    assert!(differences.contains("train.sh has other bytes"), "{differences}");
    // The second script appends to the file that the first one made.
    let alone = differences.lines().filter(|line| line.contains("read by b only"));
    assert!(alone.clone().all(|line| line == "    input model was read by b only"), "{differences}");
}

#[test]
fn a_version_leads_to_who_made_it_and_not_to_who_wrote_the_same_bytes_later() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write("train.sh", b"read x < $1\necho M > m\n");
    for (run, data) in [("old", "d1"), ("new", "d2")] {
        place.write(data, format!("{data}\n").as_bytes());
        place.ok(&["run", "-q", "--name", run, "--", "sh", "train.sh", data]);
        if run == "old" {
            if !place.was_observed() {
                return;
            }
            place.ok(&["register", "m", "1.0.0", "--run", run, "--artifact", "m=m"]);
            place.ok(&["register", "m", "1.1.0", "--artifact", "m=m"]);
        }
    }
    let paths = |found: &Value, list: &str| -> Vec<String> {
        let paths = found[list].as_array().unwrap().iter();
        paths.map(|file| file["path"].as_str().unwrap().to_owned()).collect()
    };
    for version in ["m@1.0.0", "m@1.1.0"] {
        let shown = place.json(&["show", version]);
        assert_eq!(paths(&shown, "sources"), ["d1", "train.sh"], "{version}");
        assert_eq!(shown["runs"][0]["name"], "old");
    }
    let learned = |data: &str| place.json(&["show", data, "--down"])["learned"].as_array().unwrap().len();
    assert_eq!((learned("d1"), learned("d2")), (2, 0));
    let found = |data: &str| {
        let found = place.json(&["models", "--where", &format!("trained_on(\"{data}\")")]);
        found["models"].as_array().unwrap().len()
    };
    assert_eq!((found("d1"), found("d2")), (2, 0));
    // Also where its run wrote them elsewhere, and they were copied over what another run had made.
    place.write("train.sh", b"read x < $1\necho M > $2\n");
    place.ok(&["run", "-q", "--name", "mine", "--", "sh", "train.sh", "d2", "elsewhere"]);
    fs::copy(place.at("elsewhere"), place.at("m")).unwrap();
    place.ok(&["register", "m", "1.2.0", "--run", "mine", "--artifact", "m=m"]);
    let shown = place.json(&["show", "m@1.2.0"]);
    assert_eq!(
        (paths(&shown, "sources"), &shown["runs"][0]["name"]),
        (vec!["d2".into(), "train.sh".into()], &"mine".into())
    );
    assert_eq!((found("d1"), found("d2")), (2, 1));
    // What another run did when this one had long ended leaves no doubt of it.
    assert_eq!(place.json(&["show", "m@old"])["written"]["also_written_by"], serde_json::json!([]));
}

#[test]
fn what_was_withdrawn_is_not_handed_out_by_its_alias_and_by_its_number_with_a_word() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write("bad", b"wrong labels");
    place.write("good", b"right labels");
    for (version, file) in [("1.0.0", "bad"), ("1.1.0", "good")] {
        place.ok(&["register", "net", version, "--artifact", &format!("m={file}")]);
    }
    place.ok(&["models", "alias", "net@1.0.0", "base"]);
    let said = place.ok(&["models", "delete", "net@1.0.0", "--reason", "bad", "--force"]).stdout;
    assert!(said.contains("  no version is called base any more\n"), "{said}");
    for command in [&["restore", "net@base", "--to", "r"][..], &["show", "net@base"], &["cat", "net@base"]] {
        let (code, said) = place.refused(command);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("`net@1.0.0`, which was called so, was withdrawn"), "{said}");
        assert!(said.contains("`lineage models alias net@VERSION base`"), "{said}");
    }
    let restored = place.ok(&["restore", "net@1.0.0", "--to", "r"]).stderr;
    assert!(restored.contains("note: net@1.0.0 was withdrawn on "), "{restored}");
    let restored = place.json(&["restore", "net@1.0.0", "net@1.1.0", "--to", "r"]);
    assert_eq!(restored["withdrawn"], json!(["net@1.0.0"]), "{restored:#}");
    // The name is free for another.
    place.ok(&["models", "alias", "net@1.1.0", "base"]);
    assert_eq!(place.ok(&["cat", "net@base"]).stdout, "right labels");
}

#[test]
fn of_two_versions_the_commands_and_the_files_are_compared_too() {
    let place = Place::empty();
    place.write("t.sh", b"cat d > $2/m; echo $1 >> $2/m");
    place.write("d", b"1\n");
    place.write("a/keep", b"");
    place.write("b/keep", b"");
    place.commit_all("Begin");
    place.ok(&["init"]);
    for (folder, rate, version) in [("a", "0.1", "1.0.0"), ("b", "0.2", "1.1.0"), ("b", "0.2", "1.2.0")] {
        place.ok(&["run", "-q", "--", "sh", "t.sh", rate, folder]);
        place.ok(&["register", "m", version, "--artifact", &format!("m={folder}/m")]);
        place.write("d", b"2\n");
    }
    let text = place.ok(&["models", "compare", "m@1.0.0", "m@1.1.0"]).stdout;
    assert!(text.contains("  files  0 equal, 1 differ\n    a/m -> b/m  blake3:"), "{text}");
    let commands = "  command  sh t.sh 0.1 a\n        -> sh t.sh 0.2 b\n";
    assert!(text.contains(commands), "{text}");
    if place.was_observed() {
        // The file that is not as git has it is data; that of the second is of a tree that was edited all the same.
        let head = place.head();
        let code = format!("  code  equal, {head} (main) -> {head}-dirty (main)\n");
        assert!(text.contains(&code), "{text}");
    }
    let json = place.json(&["models", "compare", "m@1.0.0", "m@1.1.0"]);
    assert_eq!(json["arguments"], json!([null, [["sh", "t.sh", "0.1", "a"], ["sh", "t.sh", "0.2", "b"]]]));
    assert_eq!(json["files"][1]["changed"][0]["b"]["path"], "b/m");
    let text = place.ok(&["models", "compare", "m@1.1.0", "m@1.2.0"]).stdout;
    assert!(text.contains("  files  equal, 1 file\n"), "{text}");
    assert!(text.contains("  command  equal\n"), "{text}");
}

#[test]
fn what_is_said_twice_or_not_at_all_is_refused() {
    let place = versions_by_two_codes();
    let twice = |arguments: &[&str]| {
        let (code, said) = place.refused(&[&["register", "risk", "2.0.0"], arguments].concat());
        assert_eq!(code, 2, "{said}");
        said
    };
    let said = twice(&["--artifact", "model=model", "--artifact", "model=train.sh"]);
    assert!(said.contains("the artifact `model` is given twice"), "{said}");
    place.write("folder/part", b"x");
    let said = twice(&["--artifact", "model=folder", "--artifact", "model/part=train.sh"]);
    assert!(said.contains("the artifact `model/part` is given twice"), "{said}");
    let said = twice(&["--artifact", "model=model", "--metric", "f1=0.2", "--metric", "f1=0.3"]);
    assert!(said.contains("the metric `f1` is given twice"), "{said}");
    let said = twice(&["--artifact", "model=model", "--tag", "a", "--tag", "a=b"]);
    assert!(said.contains("the tag `a` is given twice"), "{said}");
    let said = twice(&[]);
    assert!(said.contains("nothing is said of `risk` 2.0.0 but its name"), "{said}");
    let (code, said) = place.refused(&["models", "delete", "risk@1.0.0", "--reason", " "]);
    assert!(code == 2 && said.contains("without a reason"), "{said}");
    let (_, said) = place.refused(&["show", "risk"]);
    assert!(said.contains("`lineage models show risk` lists its versions"), "{said}");
    let said =
        place.ok(&["register", "risk", "2.0.0", "--artifact", "m=model", "--promoted-from", "7.7.7"]).stderr;
    assert!(said.contains("no `risk` 7.7.7 is registered"), "{said}");
    // What is odd about many files is said once.
    for name in ["one", "two", "three"] {
        place.write(&format!("many/{name}"), name.as_bytes());
    }
    let said = place.ok(&["register", "many", "1.0.0", "--artifact", "m=many"]).stderr;
    assert!(said.contains("no recorded run wrote many/one and 2 other files"), "{said}");
    assert_eq!(said.matches("no recorded run").count(), 1, "{said}");
    let described = place.json(&["models", "--where", "has(description)"]);
    assert_eq!(described["models"].as_array().unwrap().len(), 0, "{described}");
}

#[test]
fn what_is_registered_is_kept_whatever_its_size_or_said_not_to_be() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write(".lineage/config.toml", b"[keep]\noutputs_up_to = \"64 KiB\"\nexclude = [\"excluded\"]\n");
    let is_kept = |name: &str| {
        let bytes = place.read(name);
        fs::remove_file(place.at(name)).unwrap();
        let kept = place.run(&["restore", name]).code == 0 && place.read(name) == bytes;
        place.write(name, &bytes);
        kept
    };
    for (number, (name, options)) in
        [("small", &[][..]), ("large", &[]), ("excluded", &[]), ("left", &["--no-keep"])]
            .into_iter()
            .enumerate()
    {
        place.write(name, &vec![number as u8; if name == "small" { 5 } else { 5 << 20 }]);
        let (version, file) = (format!("1.{number}.0"), format!("m={name}"));
        let register = ["register", "m", &version, "--artifact", &file];
        let said = place.ok(&[&register, options].concat()).stderr;
        let is_said = said.contains(&format!("{name} is kept nowhere but where it lies"));
        assert_eq!((is_kept(name), is_said), (number < 2, number >= 2), "{name}: {said}");
    }
    // What is lost is not put into production without a word.
    let promote = |version: &str| place.ok(&["models", "promote", version, "--to", "production"]).stderr;
    place.write("large", b"another");
    assert_eq!(promote("m@1.1.0"), "");
    place.write("left", b"another");
    let said = promote("m@1.3.0");
    assert!(said.contains("`left` of m@1.3.0 is neither kept nor lies in its place"), "{said}");
}

/// Makes a model of one file's bytes by a run, with a metric.
fn train_from(place: &Place, name: &str, script: &str) {
    place.ok(&["run", "--quiet", "--name", name, "--", "sh", "-c", script]);
}

#[test]
fn a_file_that_nobody_was_seen_to_write_is_of_a_run_only_where_that_is_said() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write("d", b"2\n1\n");
    train_from(&place, "t", "sort d > other; echo '{\"acc\": 0.99}' > metrics.json");
    train_from(&place, "silent", "cat d");
    if !place.was_observed() {
        return;
    }
    place.write("hand.pt", b"weights from elsewhere");
    let register = |version: &'static str| ["register", "w", version, "--artifact", "m=hand.pt", "--run"];
    let (code, said) = place.refused(&[&register("1.0.0")[..], &["t"]].concat());
    assert!(code == 2 && said.contains("was not seen to write hand.pt"), "{said}");
    let said = place.ok(&[&register("1.0.0")[..], &["t", "--force"]].concat()).stderr;
    assert!(said.contains("note: no recorded run wrote hand.pt"), "{said}");
    let shown = place.ok(&["show", "w@1.0.0"]).stdout;
    assert!(shown.contains("  declared    no recorded run wrote hand.pt: that it is of run "), "{shown}");
    assert!(shown.contains(" edges observed, 1 declared\n"), "{shown}");
    let shown = place.json(&["show", "w@1.0.0"]);
    assert_eq!(shown["model"]["artifacts"][0]["declared"], true, "{shown:#}");
    assert_eq!(shown["totals"]["declared"], 1, "{shown:#}");
    // Beside a file that its run wrote, one that was put there by hand is told apart.
    let files = ["--artifact", "m=other", "--artifact", "card=hand.pt"];
    place.ok(&[&["register", "w", "1.1.0", "--run", "t"][..], &files].concat());
    let shown = place.json(&["show", "w@1.1.0"]);
    let files = shown["model"]["artifacts"].as_array().unwrap().iter();
    let declared: Vec<_> = files.map(|file| (&file["path"], &file["declared"])).collect();
    assert!(declared.contains(&(&json!("hand.pt"), &json!(true))), "{shown:#}");
    assert!(declared.contains(&(&json!("other"), &json!(false))), "{shown:#}");
    let shown = place.ok(&["show", "w@1.1.0"]).stdout;
    assert!(shown.contains("no recorded run wrote hand.pt"), "{shown}");
    // A run that is not known to have written anything may have written it.
    place.ok(&[&register("1.2.0")[..], &["silent"]].concat());
    // What was all seen is told without a word.
    place.ok(&["register", "w", "1.3.0", "--artifact", "m=other"]);
    let shown = place.ok(&["show", "w@1.3.0"]).stdout;
    assert!(shown.contains("all edges observed\n") && !shown.contains("  declared"), "{shown}");
}

#[test]
fn a_version_has_no_file_that_its_run_did_not_make() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write("a", b"data a");
    place.write("b", b"data b");
    train_from(&place, "good", "cat a > m; cp m m.keep; echo '{\"acc\": 0.99}' > metrics.json");
    train_from(&place, "bad", "cat b > m");
    train_from(&place, "other", "cat b b > k");
    train_from(&place, "export", "tr a-z A-Z < m.keep > m.export");
    train_from(&place, "silent", "cat m");
    let register = |version: &str, run: &str, file: &str| {
        let file = format!("model={file}");
        place.run(&["register", "risk", version, "--run", run, "--artifact", &file])
    };
    let refused = |run: &str, file: &str| {
        let answer = register("9.0.0", run, file);
        assert_eq!(answer.code, 2, "{answer:#?}");
        answer.stderr
    };
    let said = refused("good", "m");
    assert!(said.contains("does not hold what run"), "{said}");
    assert!(said.contains("wrote over it") && said.contains("`lineage restore m@"), "{said}");
    for file in ["a", "m.keep", ".lineage/objects"] {
        fs::rename(place.at(file), place.at(&format!("{file}.away"))).unwrap();
    }
    let said = refused("good", "m");
    assert!(said.contains("kept nowhere; `lineage rerun ") && said.contains(" --keep` makes them"), "{said}");
    // It has been made anew.
    fs::remove_dir_all(place.at(".lineage/objects")).unwrap();
    for file in ["a", "m.keep", ".lineage/objects"] {
        fs::rename(place.at(&format!("{file}.away")), place.at(file)).unwrap();
    }
    // A copy of it by hand is no better.
    place.write("m.copy", &place.read("m"));
    assert!(refused("good", "m.copy").contains("read nothing that came from run"));
    let said = refused("other", "m.keep");
    assert!(
        said.contains("`m.keep` is not of run") && said.contains("names the run that wrote it"),
        "{said}"
    );
    assert_eq!(place.json(&["models", "--all"])["models"].as_array().unwrap().len(), 0);

    // What was made from what it made is its own in another form; of who is not known to have written anything, nothing can be said.
    for (version, run, file) in [
        ("1.0.0", "good", "m.keep"),
        ("1.1.0", "good", "m.export"),
        ("1.2.0", "silent", "m"),
        ("1.3.0", "bad", "m"),
    ] {
        let answer = register(version, run, file);
        assert_eq!(answer.code, 0, "{version}: {answer:#?}");
    }
    place.ok(&["restore", "m@good", "--force"]);
    assert_eq!(place.read("m"), b"data a");
    let answer = register("2.0.0", "good", "m");
    assert_eq!(answer.code, 0, "{answer:#?}");
}

#[test]
fn a_run_that_goes_on_registers_what_it_writes_over() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write("a", b"data a");
    let program = env!("CARGO_BIN_EXE_lineage");
    for version in ["1.0.0", "2.0.0"] {
        let script =
            format!("echo {version} > m; cat a >> m; {program} register risk {version} --artifact model=m");
        train_from(&place, "train", &script);
        let shown = place.json(&["models", "show", &format!("risk@{version}")]);
        let model = &shown["model"];
        assert_eq!(model["training_run"]["name"], "train", "{shown:#}");
        let digest = lineage::model::Digest::of(&place.read("m")).to_string();
        assert_eq!(model["artifacts"][0]["digest"], digest, "{shown:#}");
    }
}

#[test]
fn of_a_sweep_in_one_run_each_model_has_the_metrics_beside_it() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write(
        "sweep.sh",
        b"for i in 1 2; do mkdir job$i; echo m$i > job$i/model.bin; echo \"{\\\"acc\\\": 0.$i}\" > job$i/metrics.json; done
echo other > other.bin\n",
    );
    place.ok(&["run", "--", "sh", "sweep.sh"]);
    for job in 1..=2 {
        let artifact = format!("model=job{job}/model.bin");
        let version = format!("{job}.0.0");
        place.ok(&["register", "m", &version, "--artifact", &artifact]);
        let shown = place.json(&["models", "show", &format!("m@{version}")]);
        assert_eq!(shown["model"]["metrics"]["acc"], json!(f64::from(job) / 10.0), "{shown}");
    }
    let said = place.ok(&["register", "m", "3.0.0", "--artifact", "model=other.bin"]);
    assert!(
        said.stderr.contains("2 files of metrics") || said.stdout.contains("2 files of metrics"),
        "{said:?}"
    );
    // What is given counts.
    place.ok(&["register", "m", "4.0.0", "--artifact", "model=job1/model.bin", "--metric", "acc=0.7"]);
    assert_eq!(place.json(&["models", "show", "m@4.0.0"])["model"]["metrics"]["acc"], json!(0.7));
}

#[test]
fn a_file_that_the_run_read_and_copied_is_no_copy_of_its_copy() {
    let place = Place::empty();
    place.write("base.bin", b"pretrained\n");
    place.ok(&["run", "-q", "--", "sh", "-c", "cp base.bin out.bin; echo '{\"acc\": 0.9}' > metrics.json"]);
    let answer = place.ok(&["register", "base", "1.0.0", "--artifact", "m=base.bin"]);
    assert!(answer.stderr.contains("no recorded run wrote base.bin"), "{answer:?}");
    let model = place.json(&["models", "show", "base@1.0.0"]);
    assert_eq!((&model["model"]["run"], &model["model"]["metrics"]), (&serde_json::Value::Null, &json!({})));
    // What was copied by hand from an output is its run's, also after another run has read it.
    fs::copy(place.at("out.bin"), place.at("best.bin")).unwrap();
    place.ok(&["run", "-q", "--", "sh", "-c", "wc best.bin > n"]);
    let answer = place.ok(&["register", "best", "1.0.0", "--artifact", "m=best.bin"]);
    assert!(answer.stderr.contains("best.bin"), "{answer:?}");
}

#[test]
fn the_code_of_a_version_outlives_its_commit_and_what_is_lost_of_it_is_said() {
    let place = Place::empty();
    place.write("d", b"1\n2\n");
    place.write("t.sh", b"sort d > m.txt\n");
    place.write("other.sh", b"sort d > other.txt\n");
    place.write(".gitignore", b"/m.txt\n/other.txt\n");
    place.commit_all("Train");
    place.write("t.sh", b"sort -r d > m.txt\n");
    place.write("other.sh", b"sort -r d > other.txt\n");
    place.git(&["commit", "-q", "-am", "Train better"]);
    let place = place.with_real_clock();
    place.ok(&["run", "--name", "wip", "--", "sh", "t.sh"]);
    if !place.was_observed() {
        return;
    }
    place.ok(&["register", "m", "1.0.0", "--run", "wip", "--artifact", "m=m.txt"]);
    place.ok(&["run", "--name", "unkept", "--", "sh", "other.sh"]);
    place.ok(&["register", "other", "1.0.0", "--run", "unkept", "--artifact", "m=other.txt", "--no-keep"]);
    let short = place.git(&["rev-parse", "--short", "HEAD"]).trim().to_owned();
    place.write("t.sh", b"sort -r d > m.txt # as it is now\n");
    place.write("other.sh", b"sort -r d > other.txt # as it is now\n");
    place.git(&["commit", "-q", "-a", "--amend", "-m", "Train best"]);
    place.git(&["reflog", "expire", "--expire=now", "--all"]);
    place.git(&["gc", "-q", "--prune=now"]);

    let shown = place.ok(&["show", "m.txt"]).stdout;
    assert!(shown.contains(&format!("was in git at {short}, which is gone")), "{shown}");
    let code = place.ok(&["cat", "t.sh@wip"]).stdout;
    assert_eq!(code, "sort -r d > m.txt\n");
    let again = place.ok(&["rerun", "wip"]).stdout;
    assert!(again.contains("1 output, all with the same bytes"), "{again}");
    place.ok(&["models", "verify", "m"]);

    let lost = place.run(&["models", "verify"]);
    assert_eq!(lost.code, 1, "{lost:?}");
    let said = format!("was in git at {short}, which is gone; not kept");
    assert!(lost.stdout.contains(&said) && lost.stdout.contains("other.sh"), "{}", lost.stdout);
    assert!(!lost.stdout.contains("t.sh"), "{}", lost.stdout);
    let verified = place.run(&["verify"]);
    assert_eq!(verified.code, 1, "{verified:?}");
    assert!(verified.stdout.contains("code of model other@1.0.0"), "{}", verified.stdout);
}

#[test]
fn the_code_of_a_version_that_its_own_run_registered_is_kept_when_it_is_promoted() {
    let place = Place::empty();
    let program = env!("CARGO_BIN_EXE_lineage");
    place.write("d", b"1\n2\n");
    let script = format!("sort d > m.txt\n'{program}' register m 1.0.0 --run @ --artifact m=m.txt\n");
    place.write("t.sh", script.as_bytes());
    place.write(".gitignore", b"/m.txt\n");
    place.commit_all("Train");
    let place = place.with_real_clock();
    place.ok(&["run", "--name", "train", "--", "sh", "t.sh"]);
    if !place.was_observed() {
        return;
    }
    place.ok(&["models", "promote", "m@1.0.0", "--to", "production"]);
    place.write("t.sh", b"exit 1\n");
    place.git(&["commit", "-q", "-a", "--amend", "-m", "Train no more"]);
    place.git(&["reflog", "expire", "--expire=now", "--all"]);
    place.git(&["gc", "-q", "--prune=now"]);
    assert_eq!(place.ok(&["cat", "t.sh@train"]).stdout, script);
    place.ok(&["models", "verify"]);
}
