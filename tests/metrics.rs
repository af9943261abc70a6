//! Metrics: what is a measurement of a run, and what is said of values that were not taken.

mod common;

use common::Place;
use serde_json::json;

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

#[test]
fn metrics_of_several_files_are_compared_file_by_file() {
    let place = Place::empty();
    place.ok(&["init"]);
    let train = |name: &str, first: &str, values: [&str; 2]| {
        let [of_first, of_second] = values;
        let second = if first == "good" { "dummy" } else { "good" };
        let script = format!(
            "mkdir -p good dummy; echo {name} > good/m; echo '{{\"auc\": {of_first}, \"f1\": 0.5}}' > {first}/metrics.json; \
             sleep 0.02; echo '{{\"auc\": {of_second}, \"f1\": 0.5}}' > {second}/metrics.json"
        );
        place.ok(&["run", "-q", "--name", name, "--", "sh", "-c", &script]);
        place.ok(&["register", "net", name, "--artifact", "m=good/m"]);
    };
    train("1.0.0", "good", ["0.9", "0.1"]);
    if !place.was_observed() {
        return;
    }
    train("2.0.0", "dummy", ["0.1", "0.6"]);
    let diff = place.json(&["diff", "net@1.0.0", "net@2.0.0"]);
    let difference = &diff["metrics"][0]["difference"];
    assert!((difference.as_f64().unwrap() + 0.3).abs() < 1e-9, "{diff}");
    let file = json!({"name": "auc", "file": "good/metrics.json", "a": 0.9, "b": 0.6, "parting": null,
        "difference": difference, "relative": diff["metrics"][0]["relative"]});
    assert_eq!((&diff["metrics"], &diff["metrics_same"]), (&json!([file]), &json!(2)));

    let shown = place.ok(&["metrics", "2.0.0"]).stdout;
    let rows: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1], ["auc", "in", "dummy/metrics.json", "0.1"], "{shown}");
    assert_eq!(rows[2], ["auc", "in", "good/metrics.json", "0.6"], "{shown}");
    assert_eq!(rows[3][..2], ["f1", "0.5"], "{shown}");
    let files = &place.json(&["metrics", "1.0.0"])["runs"][0]["metrics"][0]["files"];
    let of = |path: &str, value: f64| json!({"path": path, "value": value});
    assert_eq!(files, &json!([of("dummy/metrics.json", 0.1), of("good/metrics.json", 0.9)]));
    // What was reported goes on as a curve, and where what a file held is not to be had nothing is told apart.
    let both = "for i in 1 2 3; do $L metric loss 0.$i --step $i; done; \
                echo '{\"acc\": 1, \"loss\": 0.3}' > good/metrics.json; sleep 0.02; echo '{\"acc\": 2, \"loss\": 0.9}' > dummy/metrics.json";
    place.ok(&[
        "run",
        "-q",
        "--name",
        "both",
        "--",
        "sh",
        "-c",
        &both.replace("$L", env!("CARGO_BIN_EXE_lineage")),
    ]);
    let of = |name: &str| {
        let metrics = place.json(&["metrics", "both"])["runs"][0]["metrics"].clone();
        let found = metrics.as_array().unwrap().iter().find(|metric| metric["name"] == name).cloned();
        found.unwrap()["files"].as_array().unwrap().len()
    };
    assert_eq!((of("acc"), of("loss")), (2, 0));
    // Of a version count its own values, and none of what was measured beside it.
    let found = place.json(&["models", "--where", "min(auc) > 0.5"]);
    assert_eq!(found["models"].as_array().unwrap().len(), 2, "{found}");
}

#[test]
fn what_others_measured_for_the_run_and_what_was_asked_for_by_name_is_of_the_run() {
    let place = Place::empty();
    place.ok(&["init"]);
    let script = "touch asked; until [ -e done ]; do :; done; cp scratch.json metrics.json";
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !place.at("asked").exists() {
                std::thread::yield_now();
            }
            place.write("scratch.json", b"{\"acc\": 0.7}");
            place.write("done", b"");
        });
        place.ok(&["run", "-q", "--name", "waits", "--", "sh", "-c", script]);
    });
    place.ok(&[
        "run",
        "-q",
        "--name",
        "named",
        "--metrics",
        "mm.json",
        "--",
        "cp",
        "metrics.json",
        "mm.json",
    ]);
    for run in ["waits", "named"] {
        let metrics = place.json(&["metrics", run]);
        assert_eq!(metrics["runs"][0]["metrics"][0]["last"]["value"], 0.7, "{metrics}");
    }
}

/// Two trainings, the first of which is taken for the best.
const SWEEP: &str = "mkdir -p runs/a runs/b; for d in b a; do echo $d > runs/$d/m; done
    echo '{\"acc\": 0.8}' > runs/b/metrics.json; echo '{\"acc\": 0.3}' > runs/a/metrics.json
    cp runs/b/m runs/b/metrics.json best/";

#[test]
fn a_run_that_diverged_is_not_the_best_without_a_word() {
    let place = Place::empty();
    place.ok(&["init"]);
    let program = env!("CARGO_BIN_EXE_lineage");
    place.write(
        "said.sh",
        format!("echo $1 > m; {program} metric loss $1 --step 1; {program} metric loss $2 --step 2")
            .as_bytes(),
    );
    place.write(
        "lines.sh",
        br#"echo $1 > m; echo "{\"name\": \"loss\", \"value\": $1}" >> $LINEAGE_METRICS
        echo "{\"name\": \"loss\", \"value\": $2}" >> $LINEAGE_METRICS"#,
    );
    for (number, (script, values)) in
        [("said.sh", ["0.3", "0.31"]), ("said.sh", ["0.2", "nan"]), ("lines.sh", ["0.25", "NaN"])]
            .into_iter()
            .enumerate()
    {
        place.ok(&["run", "-q", "--name", &format!("r{number}"), "--", "sh", script, values[0], values[1]]);
        let said = place.ok(&["register", "m", &format!("1.{number}.0"), "--artifact", "m=m"]).stderr;
        let note = format!(
            "note: `loss` is registered as {}, and that is not all that the run gave: metric `loss`",
            values[0]
        );
        assert_eq!(said.contains(&note), number > 0, "{said}");
    }
    let best = place.ok(&["models", "best", "m", "--by", "loss", "--min"]);
    assert!(best.stdout.starts_with("m@1.1.0"), "{best:?}");
    assert!(
        best.stderr.contains(": metric `loss` at step 2 was refused: NaN is no finite number"),
        "{best:?}"
    );
    let log = place.ok(&["log", "--sort", "loss"]).stdout;
    for line in ["metric `loss` at step 2 was refused: NaN is no", ": metric `loss` was refused: NaN is no"] {
        assert!(log.lines().filter(|told| told.starts_with("run ")).any(|told| told.contains(line)), "{log}");
    }
    assert!(!place.ok(&["log"]).stdout.contains("refused"));
    let said = place.ok(&["models", "--sort", "loss"]).stderr;
    assert_eq!(said.matches("note: the run of m@1.").count(), 2, "{said}");
    assert!(said.contains("note: the run of m@1.1.0: metric `loss` at step 2 was refused"), "{said}");
}

#[test]
fn what_several_trials_of_one_run_say_of_a_parameter_is_shown_of_none_of_their_files() {
    let place = Place::empty().with_real_clock();
    let program = env!("CARGO_BIN_EXE_lineage");
    let script = format!("'{program}' param lr $1\n'{program}' param depth 3\necho model $1 > m_$1\n");
    place.write("t.sh", script.as_bytes());
    place.write("grid", b"0.1\n0.5\n0.9\n");
    place.ok(&["run", "--name", "sweep", "--", "xargs", "-n1", "-a", "grid", "sh", "t.sh"]);
    let run = place.ok(&["show", "@"]).stdout;
    assert!(
        run.contains("param    lr = 0.1, 0.5, 0.9  said with 3 values, none for the whole run\n"),
        "{run}"
    );
    assert!(run.contains("param    depth = 3\n"), "{run}");
    let file = place.ok(&["show", "m_0.1"]).stdout;
    assert!(!file.contains("lr=0.9") && file.contains("│ depth=3\n"), "{file}");
    assert!(
        file.contains("│ lr was said with 3 values; which of them a file was made with is not known\n"),
        "{file}"
    );
    let json = place.json(&["show", "@"]);
    assert_eq!(json["run"]["parameters_said_several"]["lr"], json!(["0.1", "0.5", "0.9"]), "{json}");
    for (asked, is_found) in [
        ("param.lr=0.1", true),
        ("param.lr>0.8", true),
        ("param.lr!=0.1", false),
        ("param.lr=0.2", false),
        ("has(param.lr)", true),
        ("param.depth=3", true),
    ] {
        let found = place.run(&["log", "-w", asked]);
        assert_eq!(found.stdout.contains("sweep"), is_found, "{asked}: {found:?}");
    }
}
