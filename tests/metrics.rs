//! Metrics: what is a measurement of a run.

mod common;

use common::Place;

#[test]
fn who_copies_metrics_has_not_measured_them() {
    let Some(place) = Place::empty().with_commit() else { return };
    place.ok(&["init"]);
    let run = |name: &str, script: &str| place.ok(&["run", "--name", name, "--", "sh", "-c", script]).stderr;
    run("train", "echo '{\"acc\": 0.9}' > r.json; cp r.json metrics.json; mkdir best; cp metrics.json best");
    if !place.was_observed() {
        return;
    }
    place.git(&["add", "-A"]);
    place.git(&["commit", "-qm", "Train"]);
    let said = run("backup", "mkdir bk; cp metrics.json bk/");
    assert!(
        said.contains("bk/metrics.json: not measured by this run, which copied it from elsewhere"),
        "{said}"
    );
    run("clone", "git clone -q . cl");
    run("archive", "tar cf b.tar bk; mkdir un; tar xf b.tar -C un");
    run("move", "mv bk bk2");
    run("again", "echo '{\"acc\": 0.9}' > metrics.json");
    let found = place.json(&["log", "--where", "acc > 0.8"]);
    let names: Vec<&str> =
        found["runs"].as_array().unwrap().iter().map(|run| run["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["again", "train"]);
    // However often a run copies what it measured, that is one point.
    let metrics = place.json(&["metrics", "train"]);
    assert_eq!(metrics["runs"][0]["metrics"][0]["count"], 1, "{metrics}");
    assert_eq!(place.json(&["metrics", "backup"])["runs"][0]["refused"].as_array().unwrap().len(), 1);
    // A model that lies beside a copy of what was measured has that for its own.
    place.ok(&["run", "-q", "--name", "sweep", "--", "sh", "-c", SWEEP]);
    place.ok(&["register", "m", "1.0.0", "--artifact", "m=best/m"]);
    let model = place.json(&["models", "show", "m@1.0.0"]);
    assert_eq!(model["model"]["metrics"]["acc"], 0.8, "{model}");
    let shown = place.ok(&["show", "sweep"]).stdout;
    let remark = "which file each point of `acc` is from: 2 files give values, and that of best/metrics.json is the last";
    assert!(shown.contains(remark), "{shown}");
}

/// Two trainings, the first of which is taken for the best.
const SWEEP: &str = "mkdir -p runs/a runs/b; for d in b a; do echo $d > runs/$d/m; done
    echo '{\"acc\": 0.8}' > runs/b/metrics.json; echo '{\"acc\": 0.3}' > runs/a/metrics.json
    cp runs/b/m runs/b/metrics.json best/";
