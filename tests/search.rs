//! `lineage log --where` and `lineage metrics` with the program itself: what is found, how it is said, and what is refused.

mod common;

use common::Place;
use serde_json::json;

/// Two inputs and a training script, committed.
fn committed(script: &str) -> Option<Place> {
    let place = Place::empty();
    place.write("data/raw/a.txt", b"a\n");
    place.write("data/raw/b.txt", b"b\n");
    place.write("train.sh", script.as_bytes());
    place.with_commit()
}

/// Three training runs, one of them failed, on a committed input; the last with a curve.
fn trained() -> Option<Place> {
    let script = "cat \"$1\" >model.txt; echo \"{\\\"f1_score\\\": $2}\" >metrics.json; exit $3\n";
    let place = committed(script)?;
    for (input, lr, f1, exit) in
        [("a", "0.1", "0.71", "0"), ("b", "0.01", "0.84", "0"), ("a", "high", "0.9", "1")]
    {
        let file = format!("data/raw/{input}.txt");
        let lr = format!("lr={lr}");
        let run = ["run", "--quiet", "--name", "train", "--param", &lr, "--input", &file, "--"];
        let answer = place.run(&[&run[..], &["sh", "train.sh", &file, f1, exit]].concat());
        assert_eq!(answer.code.to_string(), exit, "{answer:?}");
    }
    let curve = "for step in 0 1 2 3 4 5 6 7 8 9; do \
        echo \"{\\\"name\\\": \\\"loss\\\", \\\"value\\\": 0.$((9 - step)), \\\"step\\\": $step}\" >>\"$LINEAGE_METRICS\"; done";
    place.ok(&["run", "--quiet", "--name", "curve", "--", "sh", "-c", curve]);
    Some(place)
}

/// What a command prints, with the end of each run's key as the number of the run, from the first.
fn said(place: &Place, arguments: &[&str]) -> String {
    let answer = place.ok(arguments);
    plain(place, &format!("{}{}", answer.stdout, answer.stderr))
}

fn plain(place: &Place, text: &str) -> String {
    let mut text = text.to_owned();
    for (at, run) in place.runs().iter().rev().enumerate() {
        // As wide as what they stand for.
        text = text.replace(run["tail"].as_str().unwrap(), &format!("run{at:0>5}"));
        text = text.replace(run["run_id"].as_str().unwrap(), &format!("label{at:0>10}"));
    }
    text
}

#[test]
fn what_an_answer_lacks_is_said_in_json_as_in_text() {
    let place = Place::empty();
    place.ok(&["init"]);
    let lacks = |arguments: &[&str]| {
        let found = place.json(arguments);
        (found["lack"].clone(), found["unknown_files"].clone(), found["hints"].clone())
    };
    assert_eq!(lacks(&["log"]), (json!("nothing recorded"), json!([]), json!([])));
    let Some(place) = trained() else { return };
    let lacks = |arguments: &[&str]| {
        let found = place.json(arguments);
        (found["lack"].clone(), found["unknown_files"].clone(), found["hints"].clone())
    };
    assert_eq!(lacks(&["log"]).0, json!(null));
    let nearest = json!(["no `f1_score` is exactly 0.7; the nearest is 0.71"]);
    assert_eq!(lacks(&["log", "--where", "f1_score = 0.7"]), (json!("none answers"), json!([]), nearest));
    assert_eq!(
        lacks(&["log", "--where", "used('c.txt')"]),
        (json!("none answers"), json!(["c.txt"]), json!([]))
    );
    assert_eq!(place.json(&["models"])["lack"], "nothing recorded");
    place.ok(&["register", "m", "1.0.0", "--artifact", "model=model.txt"]);
    place.ok(&["models", "delete", "m@1.0.0", "--reason", "a try"]);
    assert_eq!(place.json(&["models"])["lack"], "none current");
    assert!(place.ok(&["models"]).stdout.contains("`--all` lists it"));
}

#[test]
fn runs_are_found_by_what_they_are_and_sorted_by_what_they_came_to() {
    let Some(place) = trained() else { return };
    assert_eq!(
        said(
            &place,
            &[
                "log",
                "--where",
                "f1_score > 0.7",
                "--sort",
                "-f1_score",
                "--columns",
                "name,status,param.lr,f1_score"
            ]
        ),
        "run       name   status  param.lr  f1_score\n\
         run00002  train  failed  high      0.9\n\
         run00001  train  ok      0.01      0.84\n\
         run00000  train  ok      0.1       0.71\n"
    );
    assert_eq!(
        said(
            &place,
            &[
                "log",
                "--where",
                "param.lr < 0.1 or exit_code = 1",
                "--sort",
                "f1_score",
                "--columns",
                "param.lr"
            ]
        ),
        "run       param.lr\nrun00001  0.01\nrun00002  high\n"
    );
    assert_eq!(
        said(
            &place,
            &["log", "--where", "used(\"data/raw/a.txt\") and status = ok", "--columns", "f1_score"]
        ),
        "run       f1_score\nrun00000  0.71\n"
    );
    assert_eq!(said(&place, &["log", "--where", "f1_score > 0.95"]), "no run answers\n");
    let default = said(&place, &["log", "--where", "min(loss) = 0 and name ~ \"c*\""]);
    let header = default.lines().next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(header, "run run id name kind started (UTC) status took code min(loss)");
    assert!(default.contains("run00003"), "{default}");
    // Runs without what they are sorted by come last.
    assert_eq!(
        said(&place, &["log", "--sort", "-loss", "--columns", "loss", "-n", "2"]),
        "run       loss\nrun00003  0\nrun00002  -\nthere are more runs; `--limit 0` lists all\n"
    );
}

#[test]
fn a_plan_is_explained_and_json_has_the_values() {
    let Some(place) = trained() else { return };
    assert_eq!(
        said(
            &place,
            &[
                "log",
                "--where",
                "f1_score > 0.8",
                "--sort",
                "-f1_score",
                "-n",
                "1",
                "--columns",
                "f1_score",
                "--explain"
            ]
        ),
        "run       f1_score\nrun00002  0.9\nthere are more runs; `--limit 0` lists all\n\
         plan: looked in f1_score > 0.8 (2 runs), in the order asked for until there were enough\n\
         plan: looked at 2 of 4 runs\n"
    );
    assert_eq!(
        said(
            &place,
            &[
                "log",
                "--where",
                "param.lr > 0 and trained_on(\"data/raw/*\")",
                "--columns",
                "name",
                "--explain"
            ]
        ),
        "run       name\nrun00001  train\nrun00000  train\n\
         plan: looked in param.lr > 0 (2 runs), all of it, and sorted what was found\n\
         plan: looked at 2 of 4 runs\n\
         plan: trained_on(\"data/raw/*\"): from the files to 3 runs, 6 steps looked at\n"
            .replace("6 steps", &steps_looked_at(&place))
    );
    let found = place.json(&["log", "--where", "f1_score >= 0.84", "--sort", "f1_score", "--explain"]);
    let values: Vec<&serde_json::Value> =
        found["runs"].as_array().unwrap().iter().map(|run| &run["values"]["f1_score"]).collect();
    assert_eq!(values, [0.84, 0.9]);
    assert_eq!((&found["more"], &found["plan"]["looked_at"]), (&false.into(), &2.into()));
}

/// How many steps the walk of the test above looks at: as many as read the input, of programs or of the run as a whole.
fn steps_looked_at(place: &Place) -> String {
    let found = place.json(&["log", "--where", "trained_on(\"data/raw/*\")", "--explain"]);
    let line = found["plan"]["questions"][0].as_str().unwrap();
    let start = line.find("runs, ").unwrap() + "runs, ".len();
    line[start..].split(" looked").next().unwrap().to_owned()
}

#[test]
fn runs_are_told_apart_by_the_history_of_their_code() {
    let Some(place) = trained() else { return };
    let first = place.head();
    place.write("train.sh", b"echo new >model.txt\n");
    place.git(&["commit", "-q", "-am", "Train anew"]);
    place.ok(&["run", "--quiet", "--name", "later", "--", "sh", "train.sh"]);
    let names = |expression: &str| -> Vec<String> {
        let found = place.json(&["log", "--where", expression]);
        let names =
            found["runs"].as_array().unwrap().iter().map(|run| run["name"].as_str().unwrap().to_owned());
        names.collect()
    };
    assert_eq!(names("code.contains(main)"), ["later"]);
    assert_eq!(names("not code.contains(main) and status = ok"), ["curve", "train", "train"]);
    assert_eq!(names(&format!("code.contains({first}) and git.commit != {first}")), ["later"]);
    // Of a run whose commit is gone it is not known what it was built on, and that is said.
    place.git(&["checkout", "-q", "-b", "aside"]);
    place.write("train.sh", b"echo aside >model.txt\n");
    place.git(&["commit", "-q", "-am", "Train aside"]);
    let lost = place.head();
    place.ok(&["run", "--quiet", "--name", "lost", "--", "sh", "train.sh"]);
    assert_eq!(names("code.contains(aside)"), ["lost"]);
    place.git(&["checkout", "-q", "main"]);
    place.git(&["branch", "-q", "-D", "aside"]);
    place.git(&["reflog", "expire", "--expire=now", "--all"]);
    place.git(&["gc", "-q", "--prune=now"]);
    assert_eq!(names("code.contains(main)"), ["later"]);
    assert_eq!(names("not code.contains(main) and name = lost"), [""; 0]);
    let said = place.ok(&["log", "--where", "code.contains(main)"]).stderr;
    let expected = format!(
        "of 1 run it is not known: commit {}, or what it was built on, is not in this repository",
        &lost[..7]
    );
    assert!(said.contains(&expected), "{said}");
    let found = place.json(&["log", "--where", "code.contains(main)"]);
    let not_known = &found["not_known"][0];
    assert!(
        not_known["commit"].as_str().unwrap().starts_with(&lost) && not_known["rows"] == 1,
        "{not_known}"
    );
    // What is decided without that is decided.
    let said = place.ok(&["log", "--where", "name = later and code.contains(main)"]).stderr;
    assert!(!said.contains("not known"), "{said}");
    let (code, stderr) = place.refused(&["log", "--where", "status = ok and code.contains(0123456)"]);
    assert_eq!(code, 2);
    assert_eq!(
        stderr,
        "error: the repository of `ROOT` has no such commit, branch or tag\n  status = ok and code.contains(0123456)\n                                ^^^^^^^\nhint: `git log` lists commits\n"
    );
}

#[test]
fn what_cannot_be_asked_is_refused_with_its_place() {
    let Some(place) = trained() else { return };
    let check = |expression: &str, expected: &str| {
        let (code, stderr) = place.refused(&["log", "--where", expression]);
        assert_eq!((code, stderr.as_str()), (2, expected), "{expression}");
    };
    check(
        "f1 >= 0.8",
        "error: unknown metric or field `f1`\n  f1 >= 0.8\n  ^^\nhint: did you mean `f1_score`? `lineage metrics` lists all metrics, `lineage log --help` all fields\n",
    );
    check(
        "used(\"../x\")",
        "error: paths are named from the workspace's root, without `.` and `..`\n  used(\"../x\")\n       ^^^^^^\n",
    );
    check(
        "f1_score > NaN",
        "error: `f1_score` is a number, and `NaN` is none\n  f1_score > NaN\n             ^^^\nhint: such as `f1_score >= 0.8`\n",
    );
    for hostile in [
        "' OR 1=1 --",
        "f1_score > 1; rm -rf /",
        "\u{1b}[2J",
        "name = \"",
        "(((((",
        "$(id)",
        "`id`",
        "--sort",
    ] {
        let answer = place.run(&["log", &format!("--where={hostile}")]);
        assert_eq!((answer.code, answer.stdout.as_str()), (2, ""), "{hostile}");
        assert!(!answer.stderr.contains('\u{1b}'), "{:?}", answer.stderr);
    }
    let long = "(".repeat(100_000);
    let answer = place.run(&["log", "--where", &long]);
    assert!(answer.code == 2 && answer.stderr.len() < 400, "{answer:?}");
    let (_, stderr) = place.refused(&["log", "--sort", "nothing"]);
    assert!(
        stderr.starts_with("error: unknown metric or field `nothing`\n  nothing\n  ^^^^^^^\n"),
        "{stderr}"
    );
}

/// Four versions of two models, trained on two inputs.
fn registered() -> Option<Place> {
    let script = "cat \"$1\" >\"$2\"; echo \"$2\" >>\"$2\"; echo \"{\\\"f1_score\\\": $3}\" >metrics.json\n";
    let place = committed(script)?;
    for (input, name, version, f1, team) in [
        ("a", "risk", "1.0.0", "0.71", "credit"),
        ("b", "risk", "1.1.0-rc.1", "0.84", "credit"),
        ("b", "risk", "1.1.0", "0.79", "credit"),
        ("a", "tone", "0.1.0", "0.9", "news"),
    ] {
        let (file, output) = (format!("data/raw/{input}.txt"), format!("out/{name}-{version}.bin"));
        place.write(&format!("out/{name}-{version}.txt"), b"");
        let run = ["run", "--quiet", "--name", "train", "--input", &file, "--output", &output, "--"];
        place.ok(&[&run[..], &["sh", "train.sh", &file, &output, f1]].concat());
        let (artifact, tag) = (format!("model={output}"), format!("team={team}"));
        place.ok(&["register", name, version, "--run", "@", "--artifact", &artifact, "--tag", &tag]);
    }
    place.ok(&["models", "promote", "risk@1.1.0", "--to", "production"]);
    place.ok(&["models", "promote", "tone@0.1.0", "--to", "production"]);
    Some(place)
}

#[test]
fn model_versions_are_found_by_metric_stage_and_data() {
    let Some(place) = registered() else { return };
    let found = |arguments: &[&str]| place.ok(&[&["models"], arguments].concat()).stdout;
    assert_eq!(
        found(&[
            "--where",
            "f1_score > 0.75",
            "--sort",
            "-f1_score",
            "--limit",
            "2",
            "--columns",
            "stage,f1_score"
        ]),
        "model            stage        f1_score\n\
         tone@0.1.0       production   0.9\n\
         risk@1.1.0-rc.1  development  0.84\n\
         there are more model versions; `--limit 0` lists all\n"
    );
    assert_eq!(
        found(&["--where", "version >= 1.1.0-rc.1 and tag.team = credit", "--columns", "version"]),
        "model            version\nrisk@1.1.0       1.1.0\nrisk@1.1.0-rc.1  1.1.0-rc.1\n"
    );
    assert_eq!(
        found(&["--where", "stage = production and trained_on(\"data/raw/b.txt\")", "--columns", "stage"]),
        "model       stage\nrisk@1.1.0  production\n"
    );
    assert_eq!(
        found(&[
            "--where",
            "status != production and not trained_on(\"data/raw/b.txt\")",
            "--columns",
            "f1_score"
        ]),
        "model       f1_score\nrisk@1.0.0  0.71\n"
    );
    assert_eq!(
        found(&["--where", "name = tone and git.dirty", "--columns", "name"]),
        "no model version answers\n"
    );
    assert_eq!(found(&["--metrics"]), "f1_score\n");
    let json = place.json(&["models", "--where", "f1_score >= 0.84", "--sort", "f1_score", "--explain"]);
    let versions: Vec<&str> =
        json["models"].as_array().unwrap().iter().map(|model| model["version"].as_str().unwrap()).collect();
    assert_eq!(versions, ["1.1.0-rc.1", "0.1.0"]);
    assert_eq!(json["plan"]["source"], "f1_score >= 0.84");
    let (code, stderr) = place.refused(&["models", "--where", "f1 >= 0.8"]);
    assert_eq!(
        (code, stderr.as_str()),
        (
            2,
            "error: unknown metric or field `f1`\n  f1 >= 0.8\n  ^^\nhint: did you mean `f1_score`? `lineage metrics` lists all metrics, `lineage models --help` all fields\n"
        )
    );
    let (_, stderr) = place.refused(&["log", "--where", "stage = production"]);
    assert_eq!(
        stderr,
        "error: runs have no `stage`\n  stage = production\n  ^^^^^\nhint: `lineage models --where` searches model versions, `lineage log --where` runs\n"
    );
    let (_, stderr) = place.refused(&["models", "--where", "version > 1.1"]);
    assert_eq!(
        stderr,
        "error: `version` is a semantic version, and `1.1` is none\n  version > 1.1\n            ^^^\nhint: such as `version >= 1.2.0`\n"
    );
}

#[test]
fn metrics_are_listed_and_drawn() {
    let Some(place) = trained() else { return };
    assert_eq!(place.ok(&["metrics"]).stdout, "f1_score\nloss\n");
    assert_eq!(
        said(&place, &["metrics", "@"]),
        "metric  last  min  max  points  steps\nloss    0     0    0.9  10      0 to 9\n"
    );
    assert_eq!(
        said(&place, &["metrics", "@-", "@--", "--name", "f1*"]),
        "run       metric    last  min   max   points  steps\n\
         run00002  f1_score  0.9   0.9   0.9   1       0\n\
         run00001  f1_score  0.84  0.84  0.84  1       0\n"
    );
    let drawn = said(&place, &["metrics", "@", "--plot"]);
    let lines: Vec<&str> = drawn.lines().collect();
    assert_eq!(lines[0], "loss");
    assert!(lines[1].starts_with("        0.9 ┤⠉⠒⠢⠤⣀⡀"), "{drawn}");
    assert!(lines[12].starts_with("          0 ┤"), "{drawn}");
    assert!(lines[13].starts_with("            └───"), "{drawn}");
    assert!(
        lines[14].starts_with("             0 ") && lines[14].contains("step") && lines[14].ends_with('9'),
        "{drawn}"
    );
    assert_eq!(lines[15], "             run00003  label0000000003  curve");
    assert_eq!(lines.len(), 16, "{drawn}");
    assert!(!drawn.contains('\u{1b}'), "no colour into a pipe");
    let csv = place.ok(&["metrics", "@", "--csv"]).stdout;
    assert_eq!(csv.lines().next(), Some("run_id,run,metric,step,at,value"));
    assert_eq!(csv.lines().count(), 11);
    let json = place.json(&["metrics", "@", "-n", "3"]);
    let loss = &json["runs"][0]["metrics"][0];
    assert_eq!(
        (&loss["count"], &loss["points_left_out"], &loss["max"]),
        (&10.into(), &7.into(), &0.9.into())
    );
}

#[test]
fn pictures_are_the_same_each_time_and_replace_nothing_of_others() {
    let Some(place) = trained() else { return };
    let hostile = "for step in 0 1; do \
        printf '{\"name\": \"<script>&\", \"value\": %s, \"step\": %s}\\n' $step $step >>\"$LINEAGE_METRICS\"; done";
    place.ok(&["run", "--quiet", "--name", "a&b", "--", "sh", "-c", hostile]);
    place.ok(&["metrics", "@", "@-", "--svg", "curves.svg"]);
    let first = place.read("curves.svg");
    let text = String::from_utf8(first.clone()).unwrap();
    assert!(text.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" ") && text.ends_with("</svg>\n"));
    assert!(text.contains("a&amp;b") && text.contains("&lt;script&gt;&amp;"), "{text}");
    assert!(!text.contains("<script"));
    place.ok(&["metrics", "@", "@-", "--svg", "curves.svg"]);
    assert_eq!(place.read("curves.svg"), first);
    place.write("mine.svg", b"<svg/>");
    let (code, stderr) = place.refused(&["metrics", "@", "--svg", "mine.svg"]);
    assert_eq!(code, 2);
    assert_eq!(
        stderr,
        "error: `ROOT/mine.svg` is there and was not drawn by lineage\nhint: nothing was changed; another name, or `--force`, writes it\n"
    );
    assert_eq!(place.read("mine.svg"), b"<svg/>");
    place.ok(&["metrics", "@", "--svg", "mine.svg", "--force"]);
    assert_ne!(place.read("mine.svg"), b"<svg/>");
}

#[test]
fn a_run_is_called_by_its_name_where_no_other_has_it() {
    let place = Place::empty();
    place.write("a", b"a\n");
    for (name, command) in [("two", "cp a b"), ("beef", "cp a c"), ("often", "true"), ("often", "cp b d")] {
        place.ok(&["run", "--quiet", "--name", name, "--", "sh", "-c", command]);
    }
    let runs = place.runs();
    let tail = |at: usize| runs[at]["id"].as_str().unwrap()[28..].to_owned();
    let shown = |word: &str| place.json(&["show", word])["run"]["id"].as_str().unwrap().to_owned();
    assert_eq!(shown("two"), runs[3]["id"]);
    assert_eq!(shown("beef"), runs[2]["id"]);
    // Its repetition does not take the name from it.
    place.ok(&["rerun", "two"]);
    assert_eq!(shown("two"), runs[3]["id"]);
    let differ = place.run(&["diff", "two", "beef"]).stdout;
    assert!(differ.contains(&tail(3)) && differ.contains(&tail(2)), "{differ}");
    place.ok(&["register", "m", "1.0.0", "--run", "two", "--artifact", "model=b"]);
    assert!(
        place
            .ok(&["export", "two", "--format", "prov-json"])
            .stdout
            .contains(runs[3]["id"].as_str().unwrap())
    );
    // Of several none is the one that is meant.
    let (code, text) = place.refused(&["show", "often"]);
    assert_eq!(code, 2);
    for part in
        ["several runs are named `often`: ", &tail(0), &tail(1), "2025-12-12", "by the end of its key"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (_, text) = place.refused(&["register", "m", "1.0.1", "--run", "nobody", "--artifact", "model=b"]);
    assert!(text.contains("`nobody` names no run") && text.contains("or its name"), "{text}");
    // Of what lies there nothing is recorded, and that is said.
    place.write("two", b"two\n");
    assert_eq!(shown("two"), runs[3]["id"]);
    let text = place.ok(&["show", "two"]).stderr;
    assert!(text.contains("nothing is recorded of what lies at `two`; this is the run"), "{text}");
}

#[test]
fn a_run_says_who_started_it() {
    let place = Place::empty();
    for by in ["anna", "bo"] {
        let line = format!("echo {by} > {by}.bin");
        let made =
            place.command(&["run", "-q", "--name", by, "--", "sh", "-c", &line]).env("USER", by).output();
        assert!(made.unwrap().status.success());
    }
    let register = ["register", "net", "1.0.0", "--artifact", "m=anna.bin"];
    assert!(place.command(&register).env("USER", "bo").output().unwrap().status.success());

    assert!(place.ok(&["show", "anna"]).stdout.contains("\n  by       anna\n"));
    assert_eq!(place.json(&["show", "anna"])["run"]["by"], "anna");
    let asked = ["log", "-w", "by = anna"];
    let found = place.json(&[&asked[..], &["--columns", "by"]].concat());
    assert_eq!(found["runs"].as_array().unwrap().len(), 1);
    assert_eq!(found["runs"][0]["values"]["by"], "anna");
    // An index knows them.
    let explained = place.ok(&[&asked[..], &["--explain"]].concat());
    assert!(format!("{}{}", explained.stdout, explained.stderr).contains("by = anna"), "{explained:?}");
    // Of a model it is who registered it, whoever trained it.
    assert_eq!(place.json(&["models", "-w", "by = bo"])["models"].as_array().unwrap().len(), 1);
    assert!(!place.ok(&["models", "-w", "by = anna"]).stdout.contains("net@1.0.0"));

    // Whoever takes them over knows it as well.
    for (format, from) in [("jsonl", "b.jsonl"), ("openlineage", "e.ndjson")] {
        place.ok(&["export", "--format", format, "--out", from]);
        let other = Place::empty();
        other.write(from, &place.read(from));
        other.ok(&["import", "--format", format, from]);
        let runs = other.json(&["log", "--all", "-w", "by = bo"]);
        assert_eq!(runs["runs"][0]["name"], "bo", "{format}");
    }
    let prov: serde_json::Value =
        serde_json::from_str(&place.ok(&["export", "--format", "prov-json"]).stdout).unwrap();
    assert_eq!(prov["agent"]["person:anna"]["prov:label"], "anna");
    let is_hers = |one: &serde_json::Value| one["prov:agent"] == "person:anna";
    let hers: Vec<_> =
        prov["wasAssociatedWith"].as_object().unwrap().values().filter(|one| is_hers(one)).collect();
    assert_eq!(hers.len(), 1);
    place.ok(&["export", "--format", "ro-crate", "--out", "crate"]);
    let crated = String::from_utf8(place.read("crate/ro-crate-metadata.json")).unwrap();
    assert!(crated.contains("\"agent\":{\"@id\":\"#person-anna\"}"), "{crated}");
}

#[test]
fn a_pipeline_run_is_taken_up_again_by_its_name() {
    let place = Place::without_git();
    place.ok(&["pipeline", "--quiet", "--run-name", "one", "--stages", "parse"]);
    place.ok(&["pipeline", "--quiet", "--run-name", "two", "--stages", "parse"]);
    let summary = place.json(&["pipeline", "--resume", "one"]);
    assert_eq!(summary["run"]["name"], "one", "{summary}");
}

#[test]
fn a_file_of_a_workspace_is_told_of_from_outside_and_a_command_can_be_sent_there() {
    let inside = Place::empty();
    inside.write("a", b"a\n");
    inside.ok(&["run", "--quiet", "--", "cp", "a", "b"]);
    let outside = Place::empty();
    let file = inside.at("b").into_os_string().into_string().unwrap();
    assert!(outside.ok(&["show", &file]).stdout.contains("cp a b"));
    assert!(outside.ok(&["log", &file]).stdout.contains("written"));
    let (code, text) = outside.refused(&["show", "nothing"]);
    assert!(code == 2 && text.contains("no workspace here"), "{text}");
    let there = inside.root().to_str().unwrap();
    assert!(outside.ok(&["-C", there, "show", "b"]).stdout.contains("cp a b"));
    assert!(outside.ok(&["-C", "/", "-C", there, "log"]).stdout.contains("cp"));
    outside.ok(&["-C", there, "run", "--quiet", "--", "cp", "b", "c"]);
    assert_eq!((inside.read("c"), outside.at("c").exists()), (b"a\n".to_vec(), false));
    let (code, text) = outside.refused(&["-C", "nowhere", "log"]);
    assert!(code == 2 && text.contains("cannot go to the folder `nowhere`"), "{text}");
    assert_eq!(outside.refused(&["-C"]).0, 2);
    assert!(outside.ok(&["--help"]).stdout.contains("-C <DIR>"));
}
