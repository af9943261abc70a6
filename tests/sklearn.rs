//! From filings to a model: the pipeline, a training with scikit-learn, and the way back.

mod common;

use common::machine::{Lack, skipped};
use common::{Place, paths};
use serde_json::Value;

const TRAIN: &str = r#"import glob, json
import joblib
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

STRENGTH = 1.0

texts, labels = [], []
for path in sorted(glob.glob("data/processed/*/*_segmented_risks.json")):
    with open(path) as file:
        document = json.load(file)
    for segment in document["segments"]:
        texts.append(segment["text"])
        labels.append(document["filing_name"])
model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=STRENGTH, random_state=0))
model.fit(texts, labels)
joblib.dump(model, "model.joblib")
with open("metrics.json", "w") as file:
    json.dump({"train_accuracy": model.score(texts, labels), "segments": len(texts), "loss": float("nan")}, file)
"#;

#[test]
fn a_model_leads_through_its_training_and_the_pipeline_back_to_the_filings() {
    let Some(python) = common::python_with(&["sklearn", "joblib"]) else { return };
    let python = python.to_str().unwrap();
    let place = Place::without_git();
    place.write("train.py", TRAIN.as_bytes());
    let Some(place) = place.with_commit() else { return };
    let place = place.with_real_clock();
    place.ok(&["pipeline", "--run-name", "demo", "--quiet"]);
    place.ok(&["run", "--name", "train", "--param", "model=logistic", "--", python, "train.py"]);

    let shown = place.json(&["show", "model.joblib"]);
    let (training, pipeline) = (&shown["runs"][0], &shown["runs"][1]);
    if training["observed_by"] != "net" {
        skipped(Lack::Net, "commands cannot be observed on this machine");
        return;
    }
    assert_eq!((&training["name"], &pipeline["kind"]), (&"train".into(), &"pipeline".into()));
    assert_eq!(shown["totals"]["gaps"], 0);
    let sources = paths(&shown["sources"]);
    for (name, _) in common::samples() {
        let filing = format!("data/raw/{name}");
        assert!(sources.contains(&filing.as_str()), "{filing} is not among {sources:?}");
    }
    let read = training["steps"][0]["used"].as_array().unwrap();
    let code: Vec<(&str, &str)> = read
        .iter()
        .filter(|edge| edge["path"] == "train.py")
        .map(|edge| (edge["role"].as_str().unwrap(), edge["evidence"].as_str().unwrap()))
        .collect();
    assert_eq!(code, [("code", "observed")], "the script is in git as it was read");
    let segments =
        read.iter().filter(|edge| edge["path"].as_str().unwrap().ends_with("_segmented_risks.json"));
    assert_eq!(segments.count(), common::samples().len());

    let run = place.json(&["show", "@"]);
    let metrics: Vec<&str> =
        run["metrics"].as_array().unwrap().iter().map(|metric| metric["name"].as_str().unwrap()).collect();
    assert_eq!(metrics, ["segments", "train_accuracy"], "what is no number is refused, the rest taken");
    let environment = place.ok(&["show", "@", "--environment"]).stdout;
    for package in ["python package scikit_learn ", "python package joblib "] {
        assert!(environment.contains(package), "`{package}` is not in the environment");
    }

    // One line changes, and is not committed.
    place.write("train.py", TRAIN.replace("STRENGTH = 1.0", "STRENGTH = 0.01").as_bytes());
    place.ok(&["run", "--name", "train", "--param", "model=logistic", "--", python, "train.py"]);
    let diff = place.run(&["diff", "@-", "@"]);
    assert_eq!(diff.code, 1, "{diff:?}");
    let cause = diff.stdout.lines().find(|line| line.contains("train.py")).unwrap_or_default();
    assert!(cause.contains("code train.py has other bytes"), "{}", diff.stdout);
    let shown = place.json(&["show", "@"]);
    assert_eq!(shown["run"]["code"]["dirty"], true);
    assert_eq!(paths(&shown["run"]["code"]["changed"]), ["train.py"]);

    // What was trained before can be trained again, on the code of then.
    let again = place.run(&["rerun", "@-", "--json"]);
    let again: Value =
        serde_json::from_str(&again.stdout).unwrap_or_else(|error| panic!("{error}: {again:?}"));
    let same = paths(&again["outputs"]["same"]);
    assert!(same.contains(&"metrics.json"), "{again}");
}
