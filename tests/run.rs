//! `lineage run -- CMD` end to end: the command is not disturbed, and what it did is known.

mod common;

use common::Place;
use common::machine::{Lack, skipped};

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

struct Scratch {
    folder: tempfile::TempDir,
}

impl Scratch {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let scratch = Scratch { folder };
        assert!(scratch.lineage(&["init"]).status.success());
        scratch
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lineage"));
        command.args(arguments).current_dir(self.path());
        command.env_clear().env("PATH", std::env::var("PATH").unwrap()).env("HOME", self.path());
        command
    }

    fn lineage(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn shell(&self, script: &str) -> Output {
        self.lineage(&["run", "--", "sh", "-c", script])
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.lineage(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Returns the inputs of the step that wrote `file`, as `path evidence`, data and code only.
    fn inputs(&self, file: &str) -> Vec<String> {
        let shown = self.json(&["show", file, "--depth", "1", "--json"]);
        let mut inputs = Vec::new();
        for run in shown["runs"].as_array().unwrap() {
            for step in run["steps"].as_array().unwrap() {
                for edge in step["used"].as_array().unwrap() {
                    inputs.push(format!(
                        "{} {}",
                        edge["path"].as_str().unwrap(),
                        edge["evidence"].as_str().unwrap()
                    ));
                }
            }
        }
        inputs.sort();
        inputs
    }

    /// Returns true where the machine lets commands be observed; the run itself says so.
    fn has_net(&self) -> bool {
        let output = self.shell("true");
        let seen = !String::from_utf8_lossy(&output.stderr).contains("inferred from before and after");
        if !seen {
            skipped(Lack::Net, "commands cannot be observed on this machine");
        }
        seen
    }
}

#[test]
fn a_chain_leads_on_through_files_that_were_removed_again() {
    let scratch = Scratch::new(&[("in.txt", "hello world")]);
    if !scratch.has_net() {
        return;
    }
    let script = "cat in.txt > between; head -c 5 between > out.txt; rm between";
    assert!(scratch.lineage(&["run", "--", "sh", "-c", script]).status.success());
    assert_eq!(scratch.json(&["show", "out.txt", "--json"])["totals"]["steps"], 2);
    assert_eq!(scratch.json(&["show", "out.txt", "--json"])["sources"][0]["path"], "in.txt");
    // A file that no byte went through leads nowhere.
    let script = ": > lock; cat lock in.txt > a.txt; cat lock a.txt > b.txt; rm lock";
    assert!(scratch.lineage(&["run", "--", "sh", "-c", script]).status.success());
    assert_eq!(scratch.json(&["show", "b.txt", "--json"])["totals"]["steps"], 2);
}

#[test]
fn a_file_that_is_changed_in_place_is_an_input_and_an_output() {
    let scratch = Scratch::new(&[("counts", "2\n1\n"), ("other", "3\n")]);
    if !scratch.has_net() {
        return;
    }
    let output = scratch.shell("sort -o counts counts; cat other > between; cat between > last");
    assert!(output.status.success());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("2 inputs, 0 code files, 3 outputs"), "{stderr}");
}

#[test]
fn data_is_data_among_settings_and_a_library_that_is_made_is_an_output() {
    let (scratch, home) = (Scratch::new(&[]), tempfile::tempdir().unwrap());
    if !scratch.has_net() {
        return;
    }
    let home = home.path().canonicalize().unwrap();
    std::fs::create_dir_all(home.join(".config/app")).unwrap();
    std::fs::write(home.join(".config/app/t.csv"), "a,b\n").unwrap();
    let script = "cat $HOME/.config/app/t.csv > out; cp out libx.so; echo dark > $HOME/.config/app/theme";
    let mut command = Command::new(env!("CARGO_BIN_EXE_lineage"));
    command.args(["run", "--", "sh", "-c", script]).current_dir(scratch.path()).env("HOME", &home);
    let output = command.output().unwrap();
    assert!(output.status.success());
    assert_eq!(scratch.inputs("out"), [format!("{} observed", home.join(".config/app/t.csv").display())]);
    assert_eq!(scratch.inputs("libx.so"), ["out observed"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("0 code files, 2 outputs"), "{stderr}");
    assert!(stderr.contains("of tools and of packages are not recorded"), "{stderr}");
}

#[test]
fn a_command_prints_and_returns_what_it_would_without_us() {
    let scratch = Scratch::new(&[]);
    let output = scratch.shell("printf out; printf err >&2; exit 7");
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(output.stdout, b"out");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.starts_with("err"), "{stderr}");
    assert!(stderr.lines().count() <= 4, "more than three lines: {stderr}");
    let quiet = scratch.lineage(&["run", "--quiet", "--", "sh", "-c", "printf err >&2"]);
    assert_eq!(quiet.stderr, b"err");
}

#[test]
fn a_log_outside_the_workspace_is_not_kept_by_every_run_that_appends_to_it() {
    let (scratch, outside) = (Scratch::new(&[]), tempfile::tempdir().unwrap());
    let log = outside.path().join("log.txt");
    let kept = || {
        let folders = std::fs::read_dir(scratch.path().join(".lineage/objects"));
        let folders =
            folders.map_or(Vec::new(), |folders| folders.map(|folder| folder.unwrap().path()).collect());
        folders.iter().map(|folder| std::fs::read_dir(folder).unwrap().count()).sum::<usize>()
    };
    let run = |text: &str| {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let script = format!("echo {text}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_lineage"));
        command.args(["run", "-q", "--", "sh", "-c", &script]).current_dir(scratch.path()).env_clear();
        let path = std::env::var("PATH").unwrap();
        let status = command.env("PATH", path).env("HOME", scratch.path()).stdout(log).status().unwrap();
        assert!(status.success());
        kept()
    };
    let first = run("one");
    assert_eq!(run("two"), first, "the log was kept as a content");
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "one\ntwo\n");
}

#[test]
#[cfg(unix)]
fn a_fatal_signal_is_passed_on() {
    use std::os::unix::process::ExitStatusExt as _;
    let scratch = Scratch::new(&[]);
    let output = scratch.shell("kill -TERM $$");
    assert_eq!(output.status.signal(), Some(15));
    let log = scratch.json(&["log", "--json"]);
    assert_eq!(log["runs"][0]["status"], "interrupted");
    assert_eq!(log["runs"][0]["reason"], "ended by signal 15");
}

#[test]
fn a_command_that_cannot_start_is_not_recorded() {
    let scratch = Scratch::new(&[("plain.txt", "no program")]);
    let absent = scratch.lineage(&["run", "--", "no-such-command-anywhere"]);
    assert_eq!(absent.status.code(), Some(127));
    let plain = scratch.lineage(&["run", "--", "./plain.txt"]);
    assert_eq!(plain.status.code(), Some(126));
    assert_eq!(scratch.json(&["log", "--json"])["runs"].as_array().unwrap().len(), 0);
}

#[test]
fn each_program_of_a_script_is_a_step_with_its_own_inputs() {
    let scratch = Scratch::new(&[("a.txt", "1\n"), ("b.txt", "2\n")]);
    if !scratch.has_net() {
        return;
    }
    let script = "cat a.txt > a.out; sort b.txt > b.out; cat a.out b.out | tr 1 9 > both.out";
    assert!(scratch.shell(script).status.success());
    assert_eq!(scratch.inputs("a.out"), ["a.txt observed"]);
    assert_eq!(scratch.inputs("b.out"), ["b.txt observed"]);
    assert_eq!(scratch.inputs("both.out"), ["a.out observed", "b.out observed"]);
    let sources = scratch.json(&["show", "both.out", "--json"]);
    let sources: Vec<&str> = sources["sources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|source| source["path"].as_str().unwrap())
        .collect();
    assert_eq!(sources, ["a.txt", "b.txt"]);
}

#[test]
fn an_update_in_place_has_its_old_bytes_as_input() {
    let scratch = Scratch::new(&[("n.txt", "one\n")]);
    if !scratch.has_net() {
        return;
    }
    assert!(scratch.shell("sed -i s/one/two/ n.txt").status.success());
    let shown = scratch.json(&["show", "n.txt", "--json"]);
    let used = &shown["runs"][0]["steps"][0]["used"][0];
    assert_eq!(used["path"], "n.txt");
    assert_eq!(used["digest"], format!("blake3:{}", blake3::hash(b"one\n")));
    assert_eq!(shown["artifact"]["digest"], format!("blake3:{}", blake3::hash(b"two\n")));
}

#[test]
fn metrics_come_from_the_metrics_file_and_from_lines() {
    let scratch = Scratch::new(&[]);
    let script = r#"echo '{"accuracy": 0.5, "eval": {"f1": 0.25}}' > metrics.json
        echo '{"name": "loss", "value": 0.31, "step": 10}' >> "$LINEAGE_METRICS"
        echo '{"name": "loss", "value": NaN}' >> "$LINEAGE_METRICS""#;
    let output = scratch.shell(script);
    assert!(output.status.success(), "what is refused does not disturb the command");
    assert!(String::from_utf8_lossy(&output.stderr).contains("was refused"));
    let shown = scratch.json(&["show", "@", "--json"]);
    let metrics: Vec<String> = shown["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|metric| format!("{}={}@{}", metric["name"].as_str().unwrap(), metric["value"], metric["step"]))
        .collect();
    assert!(metrics.contains(&"loss=0.31@10".to_owned()), "{metrics:?}");
    if scratch.has_net() {
        assert_eq!(metrics, ["accuracy=0.5@0", "eval.f1=0.25@0", "loss=0.31@10"]);
    }
}

#[test]
fn what_is_declared_is_kept_apart_from_what_is_observed() {
    let scratch = Scratch::new(&[("seen.txt", "1"), ("unseen.txt", "2")]);
    if !scratch.has_net() {
        return;
    }
    let output = scratch.lineage(&[
        "run",
        "--input",
        "unseen.txt",
        "--input",
        "hf://ProsusAI/finbert",
        "--",
        "sh",
        "-c",
        "cat seen.txt > out.txt",
    ]);
    assert!(output.status.success());
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        stderr.contains("`unseen.txt` was declared as an input, but the command did not read it"),
        "{stderr}"
    );
    let inputs: Vec<String> = scratch.json(&["show", "@", "--json"])["runs"][0]["steps"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|step| step["used"].as_array().unwrap().clone())
        .map(|edge| format!("{} {}", edge["path"].as_str().unwrap(), edge["evidence"].as_str().unwrap()))
        .collect();
    for expected in ["hf://ProsusAI/finbert declared", "seen.txt observed", "unseen.txt declared"] {
        assert!(inputs.contains(&expected.to_owned()), "{expected} is not among {inputs:?}");
    }
}

#[test]
fn secrets_in_arguments_do_not_reach_the_journal() {
    let scratch = Scratch::new(&[]);
    let secret = "hunter2hunter2";
    scratch.lineage(&[
        "run",
        "--",
        "echo",
        "--password",
        secret,
        &format!("https://me:{secret}@example.org/"),
    ]);
    nowhere(&scratch, secret);
    let arguments = scratch.json(&["log", "--json"])["runs"][0]["arguments"].clone();
    assert_eq!(arguments, serde_json::json!(["echo", "--password", "***", "https://me:***@example.org/"]));
}

#[test]
fn secrets_in_what_is_declared_do_not_reach_the_journal_and_what_only_sounds_like_one_does() {
    let scratch = Scratch::new(&[]);
    let (secret, program) = ("hunter2hunter2", env!("CARGO_BIN_EXE_lineage"));
    let [input, output] =
        ["in", "out"].map(|host| format!("https://u:{secret}@{host}/x?sslpassword={secret}"));
    let document = format!("{{\"password\": \"{secret}\"}}");
    let script = format!(
        "{program} used s3://u:{secret}@b/k; {program} generated s3://u:{secret}@b/o; \
                          {program} param inner '{document}'"
    );
    let declared = ["--input", &input, "--output", &output];
    let parameters = ["--param", &format!("cfg={document}"), "--param", "secret_dim=3"];
    let command = ["--", "sh", "-c", &script];
    scratch.lineage(&[&["run"], &declared[..], &parameters, &command].concat());
    let tag = format!("token={secret}");
    let said = ["--run", "@", "--training-config", &document, "--tag", &tag, "--tag", "lang=en"];
    let registered = scratch.lineage(&[&["register", "m", "1.0.0"], &said[..]].concat());
    assert!(registered.status.success(), "{}", String::from_utf8_lossy(&registered.stderr));
    nowhere(&scratch, secret);
    let run = scratch.json(&["show", "@", "--json"])["run"].clone();
    let expected = serde_json::json!([
        {"name": "cfg", "value": "{\"password\": \"***\"}"}, {"name": "secret_dim", "value": "3"},
        {"name": "inner", "value": "{\"password\": \"***\"}"},
    ]);
    assert_eq!(run["parameters"], expected);
    // As it was given, or as it is printed, the address is found.
    for address in [input.as_str(), "https://u:***@in/x?sslpassword=***"] {
        assert!(scratch.lineage(&["show", address]).status.success(), "{address}");
    }
}

#[test]
fn secrets_in_what_people_say_of_runs_and_models_do_not_reach_the_journal_nor_a_file() {
    let scratch = Scratch::new(&[("m", "1")]);
    let secret = "hunter2hunter2";
    let told = format!("see https://u:{secret}@h, password={secret}; password: {secret}");
    let users = format!("curl -u u:{secret} https://h/?key={secret}7");
    let [tag, token] = ["password", "token"].map(|name| format!("{name}={secret}"));
    let connection = format!("conn=Server=h;Password={secret}");
    let named = format!("x --token {secret}");
    for arguments in [
        vec!["import", "m", "--generated-by", &users],
        vec!["run", "--name", &named, "--param", &connection, "--", "true", "--pwd", secret, &connection],
        vec!["register", "m", "1.0.0", "--artifact", "m=m", "--description", &told, "--notes", &token],
        vec!["models", "describe", "m@1.0.0", "--description", &told, "--notes", &token, "--tag", &tag],
        vec!["models", "promote", "m@1.0.0", "--to", "staging", "--reason", &token],
        vec!["models", "delete", "m@1.0.0", "--reason", &told],
    ] {
        let output = scratch.lineage(&arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        let is_masked = said.contains("looks like a credential is masked") || arguments[0] != "models";
        assert!(is_masked, "{arguments:?}: {said}");
        nowhere(&scratch, secret);
    }
    let run = scratch.json(&["show", "@", "--json"])["run"].clone();
    assert_eq!(run["name"], "x --token ***");
    assert_eq!(run["parameters"][0]["value"], "Server=h;Password=***");
}

/// Looks for bytes in every file of the workspace.
fn nowhere(scratch: &Scratch, secret: &str) {
    let mut frontier = vec![scratch.path().to_path_buf()];
    while let Some(folder) = frontier.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                frontier.push(path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "the secret is in {}", path.display());
            }
        }
    }
}

#[test]
fn a_program_says_metrics_and_files_of_its_run() {
    let scratch = Scratch::new(&[("a.txt", "1")]);
    let program = env!("CARGO_BIN_EXE_lineage");
    let script = format!(
        "{program} metric loss 0.5 --step 3 && {program} metric bad NaN && {program} used hf://me/model a.txt"
    );
    let output = scratch.shell(&script);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("metric `bad` was refused"));
    let shown = scratch.json(&["show", "@", "--json"]);
    assert_eq!(shown["metrics"][0]["name"], "loss");
    assert_eq!(shown["metrics"][0]["step"], 3);
    assert_eq!(shown["metrics"].as_array().unwrap().len(), 1);
    let inputs: Vec<&str> =
        shown["inputs"].as_array().unwrap().iter().map(|input| input["path"].as_str().unwrap()).collect();
    assert!(inputs.contains(&"hf://me/model"), "{inputs:?}");
    let outside = scratch.lineage(&["metric", "loss", "1"]);
    assert_eq!(outside.status.code(), Some(2));
}

#[test]
fn a_metric_that_is_not_finite_is_refused_and_the_record_of_the_run_says_so() {
    let scratch = Scratch::new(&[]);
    let program = env!("CARGO_BIN_EXE_lineage");
    let script = format!(
        "{program} metric loss 0.2 --step 2; {program} metric loss nan --step 3; echo $?; \
         {program} metric gain=-inf; echo $?; {program} metric loss 0x10; echo $?; {program} metric '' nan; echo $?"
    );
    let output = scratch.shell(&script);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n0\n2\n2\n");
    let refused = [
        "refused: metric `loss` at step 3 was refused: NaN is no finite number (1)",
        "refused: metric `gain` was refused: -inf is no finite number (1)",
    ];
    assert_eq!(remarks(&scratch), refused);
    let answer = scratch.json(&["metrics", "@", "--json"])["runs"][0].clone();
    assert_eq!(
        (&answer["metrics"][0]["last"]["step"], &answer["metrics"][0]["count"]),
        (&2.into(), &1.into())
    );
    let remark = |text: &str| serde_json::json!({"kind": "refused", "text": text, "count": 1});
    let texts = refused.map(|line| remark(line.trim_start_matches("refused: ").trim_end_matches(" (1)")));
    assert_eq!(answer["refused"], Value::from(texts.to_vec()));
    for question in ["show", "metrics"] {
        let told = String::from_utf8(scratch.lineage(&[question, "@"]).stdout).unwrap();
        for line in ["at step 3 was refused: NaN is no", "`gain` was refused: -inf is no"] {
            assert!(told.contains(line), "{told}");
        }
    }
}

/// Returns the remarks on the latest run, as `kind: text (count)`.
fn remarks(scratch: &Scratch) -> Vec<String> {
    let shown = scratch.json(&["show", "@", "--json"]);
    let remarks = shown["run"]["remarks"].as_array().unwrap().iter();
    let line = |remark: &Value| {
        let (kind, text) = (remark["kind"].as_str().unwrap(), remark["text"].as_str().unwrap());
        format!("{kind}: {text} ({})", remark["count"])
    };
    remarks.map(line).collect()
}

#[test]
fn parameters_said_inside_a_run_are_its_parameters_and_the_latest_counts() {
    let scratch = Scratch::new(&[]);
    let program = env!("CARGO_BIN_EXE_lineage");
    let script = format!(
        "{program} param lr 0.1; {program} param seed -1; {program} param lr 0.2; {program} param api_key abc; \
         {program} param '' 1; echo $?"
    );
    let output =
        scratch.lineage(&["run", "--param", "lr=9", "--param", "epochs=3", "--", "sh", "-c", &script]);
    assert_eq!(output.stdout, b"2\n", "an empty name is refused");
    let expected = serde_json::json!([
        {"name": "lr", "value": "0.2"}, {"name": "epochs", "value": "3"}, {"name": "seed", "value": "-1"},
        {"name": "api_key", "value": "***"},
    ]);
    assert_eq!(scratch.json(&["show", "@", "--json"])["run"]["parameters"], expected);
    assert_eq!(scratch.json(&["log", "--json"])["runs"][0]["parameters"], expected);
    scratch.lineage(&["run", "--param", "lr=0.3", "--param", "epochs=3", "--", "true"]);
    let diff = scratch.lineage(&["diff", "@-", "@", "--json"]);
    let diff: Value = serde_json::from_slice(&diff.stdout).unwrap();
    let names: Vec<&str> =
        diff["parameters"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["api_key", "lr", "seed"]);
    let outside = scratch.lineage(&["param", "lr", "1"]);
    assert_eq!(outside.status.code(), Some(2));
}

#[test]
fn a_parameter_that_cannot_be_kept_is_refused_before_anything_runs() {
    let scratch = Scratch::new(&[]);
    let long = format!("x={}", "v".repeat(100_000));
    for parameter in ["no-value", "=1", "a\nb=1", &long] {
        let output = scratch.lineage(&["run", "--param", parameter, "--", "touch", "ran"]);
        assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(!scratch.path().join("ran").exists());
    assert_eq!(scratch.json(&["log", "--json"])["runs"].as_array().unwrap().len(), 0);
}

#[test]
fn ignored_files_are_not_recorded_and_counted() {
    let scratch = Scratch::new(&[
        (".lineageignore", "*.log\n/tmp/\n"),
        ("d/.lineageignore", "!kept.log\n"),
        ("tmp/in", "1"),
        ("d/in", "2"),
    ]);
    if !scratch.has_net() {
        return;
    }
    let script = "cat tmp/in d/in > out; echo > x.log; echo > d/x.log; echo > d/kept.log";
    let output = scratch.shell(script);
    assert!(String::from_utf8_lossy(&output.stderr).contains("`.lineageignore` names are not recorded (3)"));
    assert_eq!(scratch.inputs("out"), ["d/in observed"]);
    let shown = scratch.json(&["show", "@", "--json"]);
    let outputs: Vec<&str> =
        shown["outputs"].as_array().unwrap().iter().map(|output| output["path"].as_str().unwrap()).collect();
    assert_eq!(outputs, ["d/kept.log", "out"]);
    assert_eq!(remarks(&scratch), ["left out: files that `.lineageignore` names are not recorded (3)"]);
    let status = scratch.lineage(&["status"]);
    assert!(!String::from_utf8_lossy(&status.stdout).contains("x.log"), "what is ignored is not missed");
}

#[test]
fn what_was_not_seen_is_part_of_the_record() {
    let scratch = Scratch::new(&[("seen.txt", "1"), ("unseen.txt", "2")]);
    if !scratch.has_net() {
        return;
    }
    scratch.lineage(&[
        "run",
        "--input",
        "unseen.txt",
        "--input",
        "absent.txt",
        "--output",
        "never.txt",
        "--",
        "sh",
        "-c",
        "cat seen.txt > out.txt; setsid sleep 5 & :",
    ]);
    let remarks = remarks(&scratch);
    let expect = |front: &str| {
        assert!(remarks.iter().any(|remark| remark.starts_with(front)), "{front} is not among {remarks:#?}");
    };
    expect("declared only: `unseen.txt` was declared as an input, but the command did not read it");
    expect("declared only: an input that is not recorded: cannot read `absent.txt`");
    expect("declared only: an output that is not recorded: cannot read `never.txt`");
    expect("observed only: inputs that were not declared: `seen.txt` (1)");
    expect("observed only: outputs that were not declared: `out.txt` (1)");
    expect("still running: `");
    let text = scratch.lineage(&["show", "out.txt"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("│ running  `"), "{text}");
    assert_eq!(scratch.json(&["show", "@", "--json"])["run"]["observed_by"], "net");
}

#[test]
fn a_run_inside_a_run_is_its_child_and_is_seen_by_whoever_sees_that() {
    let scratch = Scratch::new(&[("a.txt", "1")]);
    if !scratch.has_net() {
        return;
    }
    let program = env!("CARGO_BIN_EXE_lineage");
    let output = scratch.shell(&format!("{program} run --name inner -- cp a.txt b.txt"));
    assert!(output.status.success());
    let log = scratch.json(&["log", "--json"]);
    let (inner, outer) = (&log["runs"][0], &log["runs"][1]);
    assert_eq!(inner["name"], "inner");
    assert_eq!(inner["parent"], outer["id"]);
    assert_eq!((&inner["observed_by"], &outer["observed_by"]), (&"net".into(), &"net".into()));
    let written = scratch.json(&["show", "b.txt", "--json"]);
    let evidence: Vec<&Value> = written["runs"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|run| run["name"] == "inner")
        .flat_map(|run| run["steps"].as_array().unwrap())
        .flat_map(|step| step["generated"].as_array().unwrap())
        .map(|edge| &edge["evidence"])
        .collect();
    assert_eq!(evidence, ["observed"]);
}

#[test]
fn a_metric_is_taken_as_every_language_prints_numbers() {
    let scratch = Scratch::new(&[]);
    let program = env!("CARGO_BIN_EXE_lineage");
    let values = ["-3e-05", "-1e-3", "-.5", "-3", "-0.5", "1E+2", "-2.5E-7"];
    let say = |(number, value): (usize, &&str)| format!("{program} metric m{number} {value} || exit 9");
    let mut script: Vec<String> = values.iter().enumerate().map(say).collect();
    script.push(format!("{program} metric m7 -1e-9 --step -4 && {program} metric --step 8 m8 -2e-9 && {program} metric m9=-3e-9 --step 9"));
    let output = scratch.lineage(&["run", "--", "sh", "-c", &script.join("; ")]);
    assert!(output.status.success(), "{output:?}");
    let shown = scratch.json(&["show", "@", "--json"]);
    let said = |number: usize| &shown["metrics"][number];
    for (number, value) in values.into_iter().chain(["-1e-9", "-2e-9", "-3e-9"]).enumerate() {
        let value: f64 = value.parse().unwrap();
        assert_eq!(said(number)["value"].as_f64(), Some(value), "{shown:#}");
    }
    assert_eq!([7, 8, 9].map(|number| said(number)["step"].as_i64()), [Some(-4), Some(8), Some(9)]);
    let refused = scratch.lineage(&["run", "--", "sh", "-c", &format!("{program} metric r2 --steps")]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
}

#[test]
fn metrics_are_json_or_yaml_and_the_finite_ones_are_taken() {
    let scratch = Scratch::new(&[]);
    if !scratch.has_net() {
        return;
    }
    let script = r#"mkdir -p m; printf 'auc: 0.75\nloss: .inf\n' > m/out.yaml
        printf '{"f1": 0.5, "loss": NaN, "deep": {"a": -Infinity, "b": 1}}' > metrics.json"#;
    let output = scratch.lineage(&["run", "--metrics", "./m/../m/out.yaml", "--", "sh", "-c", script]);
    assert!(output.status.success());
    let shown = scratch.json(&["show", "@", "--json"]);
    let names: Vec<&str> =
        shown["metrics"].as_array().unwrap().iter().map(|metric| metric["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["auc", "deep.b", "f1"]);
    let refused = [
        "refused: m/out.yaml: metric `loss` was refused: inf is no finite number (1)",
        "refused: metrics.json: metric `loss` was refused: NaN is no finite number (1)",
        "refused: metrics.json: metric `deep.a` was refused: -Infinity is no finite number (1)",
    ];
    assert_eq!(remarks(&scratch), refused);
    scratch.lineage(&["run", "--metrics", "absent.json", "--", "true"]);
    assert_eq!(
        remarks(&scratch),
        ["declared only: `absent.json` gave no metrics: the command did not write it (1)"]
    );
}

#[test]
fn whole_lines_of_a_killed_program_count() {
    let scratch = Scratch::new(&[]);
    let script = r#"printf '{"name": "loss", "value": 1}\n{"name": "loss", "value": 2}\n{"name": "lo' >> "$LINEAGE_METRICS"
        printf '{"accuracy": 0.' > metrics.json; kill -KILL $$"#;
    scratch.shell(script);
    let shown = scratch.json(&["show", "@", "--json"]);
    assert_eq!(shown["metrics"][0]["value"], 2.0);
    assert_eq!(shown["metrics"].as_array().unwrap().len(), 1);
    let remarks = remarks(&scratch);
    assert!(
        remarks.iter().any(|remark| remark.contains("metric line `{\"name\": \"lo` was refused")),
        "{remarks:?}"
    );
    assert_eq!(shown["run"]["status"], "interrupted");
}

#[test]
fn another_terminal_sees_the_points_of_a_running_run() {
    let scratch = Scratch::new(&[]);
    assert!(Command::new("mkfifo").arg(scratch.path().join("go")).status().unwrap().success());
    let script = r#"echo '{"name": "loss", "value": 0.5}' >> "$LINEAGE_METRICS"; read x < go"#;
    let mut running = Command::new(env!("CARGO_BIN_EXE_lineage"))
        .args(["run", "--quiet", "--", "sh", "-c", script])
        .current_dir(scratch.path())
        .spawn()
        .unwrap();
    // Bounded by the test runner's patience alone: how soon it is seen is measured, not tested.
    let seen = || {
        let output = scratch.lineage(&["show", "@", "--json"]);
        let shown: Value = serde_json::from_slice(&output.stdout).ok()?;
        (shown["metrics"][0]["value"] == 0.5).then(|| shown["run"]["status"].clone())
    };
    let status = loop {
        if let Some(status) = seen() {
            break status;
        }
        std::thread::yield_now();
    };
    assert_eq!(status, "running");
    std::fs::write(scratch.path().join("go"), "\n").unwrap();
    assert!(running.wait().unwrap().success());
}

#[test]
fn what_a_program_says_from_elsewhere_is_recorded_in_its_own_workspace() {
    let scratch = Scratch::new(&[]);
    let elsewhere = tempfile::tempdir().unwrap();
    let (program, folder) = (env!("CARGO_BIN_EXE_lineage"), elsewhere.path().display());
    let output =
        scratch.shell(&format!("cd {folder} && {program} param where elsewhere && {program} metric m 1"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let shown = scratch.json(&["show", "@", "--json"]);
    assert_eq!(shown["run"]["parameters"][0]["value"], "elsewhere");
    assert_eq!(shown["metrics"][0]["name"], "m");
}

#[test]
fn a_command_may_remove_its_files_and_our_folder() {
    for target in [".lineage", "data"] {
        let scratch = Scratch::new(&[("data/a", "1")]);
        let output = scratch.shell(&format!("cat data/a > data/b; rm -rf {target}; echo done; exit 5"));
        assert_eq!(output.status.code(), Some(5), "{target}");
        assert_eq!(output.stdout, b"done\n");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!stderr.contains("panicked") && stderr.lines().count() <= 3, "{target}: {stderr}");
        if target == ".lineage" {
            assert!(stderr.contains("nothing of this run is recorded"), "{stderr}");
        } else {
            assert_eq!(scratch.json(&["show", "@", "--json"])["run"]["reason"], "exit code 5");
        }
    }
}

#[test]
#[cfg(unix)]
fn where_nothing_can_be_recorded_nothing_runs_unless_asked() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = Scratch::new(&[]);
    // A file where the journal should be stops everybody, also root.
    let journal = scratch.path().join(".lineage/journal");
    std::fs::remove_dir_all(&journal).unwrap();
    std::fs::write(&journal, "no folder").unwrap();
    let refused = scratch.lineage(&["run", "--", "touch", "ran"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(125), "{said}");
    assert!(said.contains("the command was not run; `--best-effort` runs it"), "{said}");
    assert!(!scratch.path().join("ran").exists());
    let output = scratch.lineage(&["run", "--best-effort", "--", "sh", "-c", "echo out; exit 6"]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(6), &b"out\n"[..]));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing is recorded"));
    let quiet = scratch.lineage(&["run", "--best-effort", "--quiet", "--", "sh", "-c", "kill -TERM $$"]);
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&quiet.status), Some(15));
    assert_eq!(quiet.stderr, b"");
    let absent = scratch.lineage(&["run", "--best-effort", "--", "no-such-command"]);
    assert_eq!(absent.status.code(), Some(127));
    let line = scratch.lineage(&["run", "cat a > o"]);
    assert_eq!(line.status.code(), Some(127));
    assert!(String::from_utf8_lossy(&line.stderr).contains("`sh -c '…'` runs a line of the shell"));
    // A workspace whose folder is not ours to write to.
    let sealed = Scratch::new(&[]);
    std::fs::set_permissions(sealed.path().join(".lineage"), std::fs::Permissions::from_mode(0o555)).unwrap();
    let output = sealed.lineage(&["run", "--best-effort", "--", "sh", "-c", "exit 4"]);
    assert_eq!(output.status.code(), Some(4));
    std::fs::set_permissions(sealed.path().join(".lineage"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn no_arguments_are_kept_where_none_shall_be() {
    let scratch = Scratch::new(&[("a", "1")]);
    let output = scratch.lineage(&["run", "--no-args", "--", "sh", "-c", "cat a > b; : topsecret"]);
    assert!(output.status.success());
    let shown = scratch.lineage(&["show", "@", "--json"]);
    assert!(!String::from_utf8_lossy(&shown.stdout).contains("topsecret"));
    assert_eq!(remarks(&scratch)[0], "masked: the arguments were not kept, as `--no-args` asked (1)");
    let again = scratch.lineage(&["rerun", "@"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("the arguments were not kept"));
}

#[test]
fn opening_a_file_over_and_over_takes_no_memory() {
    let scratch = Scratch::new(&[("a", "1")]);
    if !scratch.has_net() {
        return;
    }
    // The command looks at the memory of its parent, which is us.
    let peak = |opens: u32| {
        let program = format!(
            "for ($i = 0; $i < {opens}; $i++) {{ open(F, '<', 'a') or die; close(F) }}
             open(S, '<', '/proc/'.getppid().'/status'); print grep {{ /^VmHWM/ }} <S>;"
        );
        let output = scratch.lineage(&["run", "--quiet", "--", "perl", "-e", &program]);
        let line = String::from_utf8(output.stdout).unwrap();
        line.split_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok())
    };
    let (Some(few), Some(many)) = (peak(100), peak(60_000)) else {
        skipped(Lack::Program, "there is no perl here");
        return;
    };
    // 60,000 openings of 100 bytes each would be 6 MB.
    assert!(many < few + 4_000, "{few} KB for 100 openings, {many} KB for 60,000");
}

/// Starts a command on a terminal of its own, and plays: each line of the first argument (`waits for => types`) waits until
/// something is printed, and types something then, or hangs up with `\x00`. Prints all that was printed, and how the command ended
/// on a last line.
const PLAY: &str = r#"
import os, pty, select, signal, sys
child, terminal = pty.fork()
if child == 0:
    # Whoever runs the tests in the background has these ignored.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(number, signal.SIG_DFL)
    os.environ.update(PS1="prompt> ", TERM="dumb")
    os.execvp(sys.argv[2], sys.argv[2:])
printed, seen = b"", 0
for line in sys.argv[1].splitlines():
    waited, _, typed = line.encode().decode("unicode_escape").partition(" => ")
    while True:
        at = printed.find(waited.encode(), seen)
        if at >= 0:
            seen = at + len(waited)
            break
        if not select.select([terminal], [], [], 20)[0]:
            sys.exit(f"waited in vain for {waited!r} after {printed.decode()!r}")
        printed += os.read(terminal, 4096)
    if typed == "\0":
        os.close(terminal)
        break
    os.write(terminal, typed.encode())
while True:
    try:
        part = os.read(terminal, 4096)
    except OSError:
        break
    if not part:
        break
    printed += part
_, status = os.waitpid(child, 0)
signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0
print(printed.decode())
print("code", code, "signal", signal)
"#;

/// Plays `script` with a command, and returns what was printed.
fn play(python: &Path, scratch: &Scratch, script: &str, command: &[&str]) -> String {
    let mut player = Command::new(python);
    player.args(["-c", PLAY, script]).args(command).current_dir(scratch.path());
    let output = player.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_interrupt_typed_once_arrives_once() {
    let Some(python) = common::python_with(&["pty"]) else { return };
    let scratch = Scratch::new(&[]);
    let typed = |script: &str| {
        let command = [env!("CARGO_BIN_EXE_lineage"), "run", "--", "sh", "-c", script];
        let printed = play(&python, &scratch, r"ready => \x03", &command);
        let ending = printed.lines().last().unwrap();
        format!("hit {} tty {} {ending}", printed.matches("hit").count(), printed.matches("tty").count())
    };
    let is_terminal = "test -t 0 && test -t 1 && test -t 2 && echo tty";
    // The shell waits by itself: one that has just started a program may miss the signal, with and without us.
    let caught = format!("trap 'echo hit; exit 7' INT; {is_terminal}; echo ready; while :; do read x; done");
    assert_eq!(typed(&caught), "hit 1 tty 1 code 7 signal 0");
    assert_eq!(scratch.json(&["show", "@", "--json"])["run"]["reason"], "exit code 7");
    assert_eq!(typed(&format!("{is_terminal}; echo ready; read x")), "hit 0 tty 1 code 0 signal 2");
    assert_eq!(scratch.json(&["show", "@", "--json"])["run"]["reason"], "ended by signal 2");
}

#[test]
fn a_command_whose_terminal_goes_away_ends_as_it_would_alone() {
    let Some(python) = common::python_with(&["pty"]) else { return };
    let scratch = Scratch::new(&[]);
    let command = ["sh", "-c", "echo ready; sleep 20; echo > late"];
    let observed = [&[env!("CARGO_BIN_EXE_lineage"), "run", "--"], &command[..]].concat();
    for command in [&command[..], &observed] {
        let printed = play(&python, &scratch, r"ready => \x00", command);
        assert_eq!(printed.lines().last(), Some("code 0 signal 1"), "{command:?}");
        assert!(!scratch.path().join("late").exists());
    }
    assert_eq!(scratch.json(&["show", "@", "--json"])["run"]["reason"], "ended by signal 1");
}

#[test]
fn a_command_is_stopped_by_the_terminal_and_goes_on() {
    let Some(python) = common::python_with(&["pty"]) else { return };
    let scratch = Scratch::new(&[]);
    let own = env!("CARGO_BIN_EXE_lineage");
    let script = format!(
        r#"prompt> => {own} run -q -- sh -c 'echo re""ady; read x; echo "got $x"; cat in > out; exit 3'\n
ready => \x1a
Stopped
prompt> => fg\n
sh -c => hello\n
got hello => echo code-$?\n
code-3 => exit\n"#
    );
    std::fs::write(scratch.path().join("in"), "x").unwrap();
    play(&python, &scratch, &script, &["bash", "--norc", "--noprofile", "-i"]);
    let run = scratch.json(&["show", "@", "--json"]);
    assert_eq!(run["run"]["reason"], "exit code 3");
    assert_eq!(scratch.inputs("out"), ["in observed"]);
}

#[test]
fn a_command_that_does_not_stop_when_the_terminal_asks_goes_on() {
    let Some(python) = common::python_with(&["pty"]) else { return };
    let scratch = Scratch::new(&[("in", "x")]);
    let own = env!("CARGO_BIN_EXE_lineage");
    for (name, trap, said) in [("ignores", "", ""), ("catches", "echo cau\"\"ght", "caught")] {
        // The shell learns of its signal when the program that it waits for has ended.
        let script = format!(
            r#"prompt> => {own} run -q -- sh -c 'trap "{trap}" TSTP; echo re""ady; while ! read x; do :; done; echo "got $x"; cat in > {name}'\n
ready => \x1ahello\n
{said} => \n
got hello => exit\n
prompt> => exit\n"#
        );
        let printed = play(&python, &scratch, &script, &["bash", "--norc", "--noprofile", "-i"]);
        assert!(!printed.contains("Stopped"), "{printed}");
        assert_eq!(scratch.inputs(name), ["in observed"]);
    }
}

#[test]
fn a_stop_that_is_sent_to_the_observer_stops_the_command() {
    use std::os::unix::process::CommandExt as _;
    let scratch = Scratch::new(&[("in", "x")]);
    let command = [
        "run",
        "-q",
        "--",
        "sh",
        "-c",
        "echo $$ > pid; cat in > out; n=0; while ! test -e go && test $n -lt 3000; do sleep 0.02; n=$((n+1)); done",
    ];
    // A group of its own, whose parent is outside of it: nothing else can be stopped by a terminal's signals.
    let mut running = scratch.command(&command).process_group(0).spawn().unwrap();
    let state = |process: &str| {
        let status = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        status.rsplit(") ").next().unwrap().chars().next().unwrap()
    };
    let until = |holds: &dyn Fn() -> bool| {
        let begun = std::time::Instant::now();
        while !holds() {
            assert!(begun.elapsed().as_secs() < 20, "waited in vain");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    };
    until(&|| scratch.path().join("out").exists());
    let command = std::fs::read_to_string(scratch.path().join("pid")).unwrap().trim().to_owned();
    let observer = running.id().to_string();
    let send = |signal: i32| {
        // SAFETY: plain numbers; it is a child of ours that was not waited for.
        #[expect(unsafe_code, reason = "the standard library sends no signals")]
        let sent = unsafe { libc::kill(running.id() as i32, signal) };
        assert_eq!(sent, 0);
    };
    send(libc::SIGTSTP);
    until(&|| state(&command) == 'T' && state(&observer) == 'T');
    send(libc::SIGCONT);
    until(&|| state(&command) != 'T' && state(&observer) != 'T');
    std::fs::write(scratch.path().join("go"), "").unwrap();
    assert!(running.wait().unwrap().success());
    assert_eq!(scratch.inputs("out"), ["in observed"]);
}

#[test]
fn how_a_command_ends_is_learned_where_ends_of_children_are_ignored() {
    use std::os::unix::process::CommandExt as _;
    let scratch = Scratch::new(&[]);
    let mut command =
        scratch.command(&["run", "-q", "--", "grep", "-s", "SigIgn", "/proc/self/status", "missing"]);
    // SAFETY: one plain system call between fork and exec.
    #[expect(unsafe_code, reason = "the standard library cannot ignore a signal")]
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGCHLD, libc::SIG_IGN);
            Ok(())
        });
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(scratch.json(&["show", "@", "--json"])["run"]["reason"], "exit code 2");
    let printed = String::from_utf8(output.stdout).unwrap();
    let ignored = u64::from_str_radix(printed.split_whitespace().last().unwrap(), 16).unwrap();
    assert_eq!(ignored >> (libc::SIGCHLD - 1) & 1, 1, "{printed}");
}

#[test]
fn what_goes_through_the_pipes_of_sub_shells_is_not_lost() {
    let scratch = Scratch::new(&[("in/1", "1\n"), ("in/2", "2\n"), ("a", "a\n")]);
    if !scratch.has_net() {
        return;
    }
    scratch.shell("for f in in/*; do cat $f; done | sort > o; true");
    assert_eq!(scratch.inputs("o"), ["in/1 observed", "in/2 observed"]);
    scratch.shell("x=$(grep a a | head -1); echo $x > p");
    assert_eq!(scratch.inputs("p"), ["a observed"]);
    scratch.shell("x=$(cat a); env x=$x printenv x > q");
    assert_eq!(scratch.inputs("q"), ["a inferred"]);
}

#[test]
fn a_script_says_the_same_of_a_redirection_when_it_runs_again() {
    let scratch = Scratch::new(&[("a", "a\n"), ("s.sh", "cat a > o\ntrue\n")]);
    if !scratch.has_net() {
        return;
    }
    for _ in 0..2 {
        assert!(scratch.lineage(&["run", "--", "sh", "s.sh"]).status.success());
        assert_eq!(scratch.inputs("o"), ["a observed", "s.sh inferred"]);
    }
}

#[test]
fn what_is_added_to_a_file_of_the_same_run_has_a_version_before_it() {
    let scratch = Scratch::new(&[("a", "2\n1\n"), ("b", "b\n")]);
    if !scratch.has_net() {
        return;
    }
    for (script, file, inputs) in [
        ("cat a > o; cat b >> o; true", "o", &["b observed", "o observed"][..]),
        ("cp a n; sort -o n n; true", "n", &["n observed"]),
    ] {
        scratch.shell(script);
        assert_eq!(scratch.inputs(file), inputs);
        let shown = scratch.lineage(&["show", file]);
        assert!(String::from_utf8_lossy(&shown.stdout).contains("a  observed  source"), "{shown:?}");
    }
}

#[test]
fn a_log_that_a_run_adds_to_makes_none_of_its_outputs_stale() {
    let scratch = Scratch::new(&[("a", "a\n")]);
    if !scratch.has_net() {
        return;
    }
    for _ in 0..3 {
        scratch.shell("exec 5>>run.log; echo line >&5; cat a > o; true");
    }
    assert_eq!(scratch.inputs("o"), ["a observed"]);
    assert!(scratch.lineage(&["status"]).status.success());
}

/// Trains, saves, and looks at the test set afterwards, as training scripts do; waits for a file in between.
const TRAIN: &str = r#"
import os, time
weights = open("train.csv").read()
with open("model.tmp", "w") as file:
    file.write(weights)
os.replace("model.tmp", "model")
while not os.path.exists("go"):
    time.sleep(0.05)
tested = open("test.csv").read()
open("scores", "w").write(weights + tested)
"#;

#[test]
fn what_is_read_after_a_file_was_written_is_none_of_its_sources() {
    let Some(python) = common::python_with(&["time"]) else { return };
    let scratch = Scratch::new(&[("train.csv", "1\n"), ("test.csv", "2\n"), ("train.py", TRAIN)]);
    if !scratch.has_net() {
        return;
    }
    let python = python.to_str().unwrap();
    let mut training = scratch.command(&["run", "-q", "--", python, "train.py"]).spawn().unwrap();
    while !scratch.path().join("model").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // Another run reads the model while the first goes on.
    std::thread::sleep(std::time::Duration::from_millis(50));
    scratch.shell("cat model > evaluated");
    std::fs::write(scratch.path().join("go"), "").unwrap();
    assert!(training.wait().unwrap().success());

    assert_eq!(scratch.inputs("model"), ["train.csv observed", "train.py observed"]);
    assert_eq!(scratch.inputs("scores"), ["test.csv observed", "train.csv observed", "train.py observed"]);
    let shown = scratch.lineage(&["show", "evaluated"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("2 runs, 2 steps"), "{shown}");
    assert!(shown.contains("train.csv"), "{shown}");
    let made = scratch.json(&["show", "test.csv", "--down", "--json"]).to_string();
    assert!(made.contains("\"scores\"") && !made.contains("\"model\""), "{made}");
    // The test set has changed: the model is what it was.
    std::fs::write(scratch.path().join("test.csv"), "3\n").unwrap();
    let status = scratch.lineage(&["status"]);
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(status.contains("scores") && !status.contains("model"), "{status}");
}

/// Opens `b` after it has written a file from `a`, at once and in all the ways in which programs write files.
const SAVED: &str = r#"
import mmap, os, shutil, tempfile, time, zipfile
a = open("a").read()
with tempfile.NamedTemporaryFile("w+", dir=".", delete=False) as file:
    file.write(a)
os.replace(file.name, "atomic")
with zipfile.ZipFile("zip", "w") as file:
    file.writestr("a", a)
with open("mapped", "w+b") as file:
    file.write(bytes(4096))
    file.flush()
    with mmap.mmap(file.fileno(), 4096) as memory:
        memory[0:1] = a.encode()[:1]
with open("checkpoint", "w") as file:
    file.write(a)
with open("locked", "w") as file:
    file.write(a)
shutil.copy2("a", "dated")
with open("appended", "w") as file:
    file.write(a)
with open("appended", "a") as file:
    file.write(a)
held = open("held", "w+")
held.write(a)
open("b").read()
open("other", "w").write("o")
held.write("h")
held.close()
os.rename("checkpoint", "best")
os.chmod("locked", 0o400)
os.utime("dated", (1, 1))
open("c").read()
"#;

#[test]
fn what_is_opened_after_a_file_was_closed_is_none_of_its_sources_however_it_was_written() {
    let Some(python) = common::python_with(&["mmap"]) else { return };
    let scratch = Scratch::new(&[("a", "a\n"), ("b", "b\n"), ("c", "c\n"), ("save.py", SAVED)]);
    if !scratch.has_net() {
        return;
    }
    assert!(scratch.lineage(&["run", "--", python.to_str().unwrap(), "save.py"]).status.success());
    for name in ["atomic", "zip", "mapped", "best", "locked", "dated", "appended"] {
        assert_eq!(scratch.inputs(name), ["a observed", "save.py observed"], "{name}");
    }
    for name in ["held", "other"] {
        assert_eq!(scratch.inputs(name), ["a observed", "b observed", "save.py observed"], "{name}");
    }
}

#[test]
fn what_may_be_written_through_memory_is_written_until_its_writer_ends() {
    let Some(python) = common::python_with(&["mmap"]) else { return };
    let script = r#"
import mmap, time
file = open("table", "w+b")
file.write(bytes(4096))
file.flush()
memory = mmap.mmap(file.fileno(), 4096)
memory[0] = 1
time.sleep(0.05)
memory[1] = open("a", "rb").read()[0]
"#;
    let scratch = Scratch::new(&[("a", "a\n"), ("write.py", script)]);
    if !scratch.has_net() {
        return;
    }
    assert!(scratch.lineage(&["run", "--", python.to_str().unwrap(), "write.py"]).status.success());
    assert_eq!(scratch.inputs("table"), ["a observed", "write.py observed"]);
}

#[test]
fn what_somebody_replaces_or_removes_after_it_was_read_is_still_an_input() {
    let scratch = Scratch::new(&[
        ("data", "old\n"),
        ("code.sh", "cat data; sleep 0.01; cat large | wc -c\n"),
        ("gone", "x\n"),
    ]);
    if !scratch.has_net() {
        return;
    }
    let at = |name: &str| scratch.path().join(name);
    // Too large to be read while the command runs.
    std::fs::File::create(at("large")).unwrap().set_len(65 << 20).unwrap();
    let script = "exec > out; cat gone; . ./code.sh; touch ready; while ! test -e go; do sleep 0.05; done";
    let mut running = scratch.command(&["run", "-q", "--", "sh", "-c", script]).spawn().unwrap();
    while !at("ready").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // By then, what was read is known.
    std::thread::sleep(std::time::Duration::from_millis(1500));
    for name in ["data", "code.sh", "large"] {
        std::fs::write(at("new"), "new\n").unwrap();
        std::fs::rename(at("new"), at(name)).unwrap();
    }
    std::fs::remove_file(at("gone")).unwrap();
    std::fs::write(at("go"), "").unwrap();
    assert!(running.wait().unwrap().success());

    let mut inputs = scratch.inputs("out");
    inputs.retain(|input| !input.starts_with("go "));
    assert_eq!(
        inputs,
        // What the shell read, its children may know.
        [
            "code.sh inferred",
            "code.sh inferred",
            "data observed",
            "gone observed",
            "large changed while read"
        ],
        "{}",
        String::from_utf8_lossy(&scratch.lineage(&["show", "out"]).stdout)
    );
    let shown = scratch.lineage(&["show", "out"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("`large` was read, and replaced or removed from outside"), "{shown}");
    let status = scratch.lineage(&["status"]);
    let status = String::from_utf8(status.stdout).unwrap();
    for words in ["data has changed on disk", "out"] {
        assert!(status.contains(words), "{status}");
    }
}

#[test]
fn stages_whose_output_is_captured_are_steps_of_their_own() {
    let Some(python) = common::python_with(&["subprocess"]) else { return };
    let stage = |writes: &str, reads: &[&str]| {
        let read: Vec<String> = reads.iter().map(|name| format!("open('{name}').read()")).collect();
        format!("open('{writes}', 'w').write({})\nprint(1)\n", read.join(" + "))
    };
    let check = "print(open('test.csv').read())\n";
    let all = "import subprocess, sys\n\
        for stage in ['check', 'prepare', 'train', 'evaluate']:\n    \
            subprocess.run([sys.executable, stage + '.py'], check=True, capture_output=True)\n\
        open('done', 'w').write('1')\n";
    let (prepare, train) = (stage("clean", &["raw"]), stage("model", &["clean"]));
    let evaluate = stage("scores", &["model", "test.csv"]);
    let scratch = Scratch::new(&[
        ("raw", "r\n"),
        ("test.csv", "t\n"),
        ("check.py", check),
        ("prepare.py", &prepare),
        ("train.py", &train),
        ("evaluate.py", &evaluate),
        ("all.py", all),
    ]);
    if !scratch.has_net() {
        return;
    }
    assert!(scratch.lineage(&["run", "--", python.to_str().unwrap(), "all.py"]).status.success());
    let observed = |file: &str| {
        let mut inputs = scratch.inputs(file);
        inputs.retain(|input| input.ends_with(" observed"));
        inputs
    };
    assert_eq!(observed("clean"), ["prepare.py observed", "raw observed"]);
    assert_eq!(observed("model"), ["clean observed", "train.py observed"]);
    assert_eq!(observed("scores"), ["evaluate.py observed", "model observed", "test.csv observed"]);
    // Whoever started them knows what they printed, and may hand it on.
    assert!(
        scratch.inputs("model").contains(&"test.csv inferred".to_owned()),
        "{:?}",
        scratch.inputs("model")
    );
    for (input, evidence) in [("test.csv", "observed"), ("raw", "inferred")] {
        assert!(
            scratch.inputs("done").contains(&format!("{input} {evidence}")),
            "{:?}",
            scratch.inputs("done")
        );
    }
}

#[test]
fn what_goes_through_a_socket_is_not_lost() {
    let Some(python) = common::python_with(&["socket"]) else { return };
    let server = "import socket, sys\n\
        server = socket.socket(socket.AF_UNIX if sys.argv[1] == 'unix' else socket.AF_INET)\n\
        server.bind('sock' if sys.argv[1] == 'unix' else ('127.0.0.1', int(sys.argv[1])))\n\
        server.listen(1)\n\
        open('ready', 'w').close()\n\
        peer, _ = server.accept()\n\
        open(sys.argv[2], 'wb').write(peer.recv(100))\n";
    let client = "import socket, sys\n\
        peer = socket.socket(socket.AF_UNIX if sys.argv[1] == 'unix' else socket.AF_INET)\n\
        peer.connect('sock' if sys.argv[1] == 'unix' else ('127.0.0.1', int(sys.argv[1])))\n\
        peer.send(open('a', 'rb').read())\n";
    let scratch = Scratch::new(&[("a", "a\n"), ("server.py", server), ("client.py", client)]);
    if !scratch.has_net() {
        return;
    }
    let python = python.to_str().unwrap();
    let free =
        || std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port().to_string();
    for (at, file) in [("unix".to_owned(), "through-unix"), (free(), "through-tcp")] {
        let wait = "while ! test -e ready; do sleep 0.02; done; rm ready";
        scratch.shell(&format!("{python} server.py {at} {file} & {wait}; {python} client.py {at}; wait"));
        let inputs = scratch.inputs(file);
        assert!(inputs.contains(&"a observed".to_owned()), "{file}: {inputs:?}");
        assert!(!inputs.iter().any(|input| input.contains("://")), "{file}: {inputs:?}");
    }
    // Who waits for somebody outside the run has its data from there.
    let port = free();
    let outside = format!("while ! test -e ready; do sleep 0.02; done; exec {python} client.py {port}");
    std::fs::remove_file(scratch.path().join("ready")).unwrap_or_default();
    let mut outside = Command::new("sh").args(["-c", &outside]).current_dir(scratch.path()).spawn().unwrap();
    assert!(scratch.lineage(&["run", "--", python, "server.py", &port, "from-outside"]).status.success());
    assert!(outside.wait().unwrap().success());
    let inputs = scratch.inputs("from-outside");
    assert!(inputs.contains(&format!("tcp://127.0.0.1:{port} inferred")), "{inputs:?}");
}

#[test]
fn a_pipe_that_a_shell_gives_by_its_name_is_an_input() {
    let scratch = Scratch::new(&[("a", "a\n")]);
    if !scratch.has_net() || !Path::new("/dev/fd/0").exists() {
        return;
    }
    let own = env!("CARGO_BIN_EXE_lineage");
    let line = format!("{own} run -q -- cat <(cat a) > out");
    let output = Command::new("bash").args(["-c", &line]).current_dir(scratch.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let shown = scratch.json(&["show", "@", "--json"]).to_string();
    assert!(shown.contains("pipe://"), "{shown}");
}

#[test]
fn what_comes_from_outside_the_run_is_said() {
    use std::io::Write as _;
    let scratch = Scratch::new(&[]);
    if !scratch.has_net() {
        return;
    }
    let run = |input: &[u8], arguments: &[&str]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_lineage"))
            .args([&["run", "--"], arguments].concat())
            .current_dir(scratch.path())
            .stdin(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        assert!(child.wait().unwrap().success());
    };
    run(b"2\n1\n", &["sort", "-o", "o"]);
    let inputs = scratch.inputs("o");
    assert!(inputs.len() == 1 && inputs[0].starts_with("stdin://"), "{inputs:?}");
    assert!(inputs[0].ends_with(" inferred"), "{inputs:?}");
    // No standard input, no talk of it.
    scratch.shell("echo 1 > p");
    assert_eq!(scratch.inputs("p"), Vec::<String>::new());
    let host = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = host.local_addr().unwrap().port();
    let talk = format!(
        "import socket
s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()
socket.create_connection(s.getsockname())
socket.create_connection(('127.0.0.1', {port}))
print(s.getsockname()[1], file=open('q', 'w'))"
    );
    if scratch.lineage(&["run", "--", "python3", "-c", &talk]).status.success() {
        // Where Python is a shell script that looks for Python, there are other inputs too. Its own port is none.
        let mut inputs = scratch.inputs("q");
        inputs.retain(|input| input.starts_with("tcp://"));
        assert_eq!(inputs, [format!("tcp://127.0.0.1:{port} inferred")]);
    }
}

#[test]
fn a_step_ended_as_its_leading_process_did() {
    let scratch = Scratch::new(&[("a", "1\n")]);
    if !scratch.has_net() {
        return;
    }
    let step_of = |script: &str| {
        scratch.lineage(&["run", "--", "bash", "-c", script]);
        let shown = scratch.json(&["show", "m", "--json"]);
        let run = shown["runs"][0].clone();
        let of = run["steps"].as_array().unwrap().iter();
        let step = of.max_by_key(|step| step["generated"].as_array().unwrap().len()).unwrap().clone();
        (step["status"].as_str().unwrap().to_owned(), step["reason"].as_str().unwrap_or("").to_owned())
    };
    let ok = |reason: &str| ("ok".to_owned(), reason.to_owned());
    let failed = ("failed".to_owned(), "exit code 3".to_owned());
    // A helper that says no is no failure of who asked it; that it did is told.
    assert_eq!(step_of("n=$(grep -c zzz a); echo $n > m"), ok("grep returned 1"));
    assert_eq!(step_of("n=$(cat a); echo $n > m; exit 3"), failed);
    // Of programs side by side, the last in the pipe counts.
    assert_eq!(step_of("grep zzz a | sort > m; true"), ok("grep returned 1"));
    assert_eq!(step_of("cat a | sed -n -e \"w m\" -e q3; true"), failed);
}

#[test]
fn what_is_ignored_is_not_denied() {
    let scratch = Scratch::new(&[("a", "1\n"), (".lineageignore", "logs/\n"), ("logs/x", "")]);
    if !scratch.has_net() {
        return;
    }
    scratch.shell("cat a > logs/l; cat logs/l > o");
    let shown = String::from_utf8(scratch.lineage(&["show", "o"]).stdout).unwrap();
    assert!(shown.contains("read nothing, but for what `.lineageignore` may name"), "{shown}");
    let doubt = "no gaps, but in 1 run there were files that `.lineageignore` names";
    assert!(shown.contains(doubt), "{shown}");
    // It counts, however few runs are named.
    scratch.shell("cat o > p");
    let shown = String::from_utf8(scratch.lineage(&["show", "p", "--limit", "1"]).stdout).unwrap();
    assert!(shown.contains("and 1 run more") && shown.contains(doubt), "{shown}");
}

#[test]
fn what_is_reported_of_a_metric_last_is_its_last_value() {
    let scratch = Scratch::new(&[]);
    if !scratch.has_net() {
        return;
    }
    let program = env!("CARGO_BIN_EXE_lineage");
    let lines = "echo '{\"name\": \"b\", \"value\": 1, \"step\": 7}\n{\"name\": \"b\", \"value\": 2}' > $LINEAGE_METRICS";
    scratch.shell(&format!(
        "{program} metric a 1 --step 5; {program} metric a 2; {program} metric said 0.5; {lines}; \
         echo '{{\"a\": 3, \"said\": 0.5, \"text\": \"0.5\", \"list\": [1]}}' > metrics.json"
    ));
    let metrics = &scratch.json(&["metrics", "@", "--json"])["runs"][0]["metrics"];
    let found: Vec<String> = metrics
        .as_array()
        .unwrap()
        .iter()
        .map(|metric| {
            let (name, last) = (metric["name"].as_str().unwrap(), &metric["last"]);
            format!("{name}: {} points, {} at {}", metric["count"], last["value"], last["step"])
        })
        .collect();
    assert_eq!(
        found,
        [
            "a: 3 points, 3.0 at 5",
            "b: 2 points, 2.0 at 7",
            "said: 1 points, 0.5 at 0",
            "text: 1 points, 0.5 at 0"
        ]
    );
    assert_eq!(
        remarks(&scratch),
        ["refused: metrics.json: not taken as metrics, being no numbers: `list` (a list) (1)"]
    );
}

#[test]
fn a_metric_that_is_reported_and_written_is_one_measurement() {
    let scratch = Scratch::new(&[]);
    let report = "echo '{\"name\": \"same\", \"value\": 0.9, \"step\": 3}\n{\"name\": \"other\", \"value\": 1}\n{\"name\": \"job\", \"value\": 4}\n{\"name\": \"job\", \"value\": 5}' > $LINEAGE_METRICS";
    scratch.shell(&format!(
        "{report}; echo '{{\"same\": 0.9, \"other\": 2, \"only\": 3, \"job\": 4}}' > metrics.json"
    ));
    let metrics = &scratch.json(&["metrics", "@", "--json"])["runs"][0]["metrics"];
    let counts = metrics.as_array().unwrap().iter().map(|metric| (&metric["name"], &metric["count"]));
    let counts: Vec<String> =
        counts.map(|(name, count)| format!("{} {count}", name.as_str().unwrap())).collect();
    assert_eq!(counts, ["job 2", "only 1", "other 2", "same 1"]);
}

#[test]
fn of_two_runs_that_write_one_file_both_are_known_to_have_written_it() {
    let place = Place::empty().with_real_clock();
    place.ok(&["init"]);
    // That its file rests is heard when the next call is stopped, and each beat makes some: how long they take is all the same. So
    // many are for a machine where no closing is heard, and who has the file open is looked for by and by.
    let script = "echo a > o\nn=0; while [ ! -e go ]; do n=$((n+1)); mkdir beat$n; sleep 0.01; done\n";
    place.write("first.sh", script.as_bytes());
    let mut first = place.command(&["run", "-q", "--name", "A", "--", "sh", "first.sh"]).spawn().unwrap();
    while !place.at("beat40").exists() {
        assert!(first.try_wait().unwrap().is_none(), "the first run ended early");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    place.ok(&["run", "-q", "--name", "B", "--", "sh", "-c", "echo b > o"]);
    let is_observed = place.was_observed();
    place.write("go", b"");
    assert!(first.wait().unwrap().success());
    if !is_observed {
        return;
    }
    let answer = place.json(&["log", "--where", "generated(\"o\")"]);
    let mut names: Vec<&str> =
        answer["runs"].as_array().unwrap().iter().map(|run| run["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["A", "B"], "{answer:#}");
    let text = place.ok(&["log", "o"]).stdout;
    assert!(text.contains("written  content not recorded") && text.contains("written  blake3:"), "{text}");
    let outputs = place.json(&["show", "A"])["outputs"].clone();
    let unknown = serde_json::json!({"path": "o", "digest": null, "size_bytes": null,
        "on_disk": "content not recorded", "kept": false, "workspace": null});
    assert_eq!(outputs, serde_json::json!([unknown]));
    assert!(place.ok(&["show", "o"]).stdout.contains(" of run "));
    let report = place.status().1;
    for sort in ["changed", "stale", "doubtful", "lost", "pending"] {
        assert_eq!(report[sort], serde_json::json!([]), "{sort}");
    }
}

#[test]
fn what_workers_read_is_an_input_of_who_started_them_however_they_are_started() {
    let Some(python) = common::python_with(&["multiprocessing"]) else { return };
    let program = "import sys, multiprocessing
from concurrent.futures import ProcessPoolExecutor
def load(i): return open(f'd{i}').read()
def queue(i, to): to.put(load(i))
def send(i, to): to.send(load(i))
def one_more(i):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(sys.argv[1])) as pool: return list(pool.map(load, [i]))
if __name__ == '__main__':
    how = multiprocessing.get_context(sys.argv[1])
    with how.Pool(2) as pool: read = pool.map(load, range(2))
    with ProcessPoolExecutor(2, mp_context=how) as pool: read += pool.map(load, range(2, 4))
    with ProcessPoolExecutor(1, mp_context=how) as pool: read += pool.map(one_more, range(4, 5))
    heard = how.Queue()
    worker = how.Process(target=queue, args=(5, heard)); worker.start(); read += heard.get(); worker.join()
    end, theirs = how.Pipe(False)
    worker = how.Process(target=send, args=(6, theirs)); worker.start(); read += end.recv(); worker.join()
    open('m', 'w').write(str(read))
";
    let data: Vec<String> = (0..7).map(|i| format!("d{i}")).collect();
    let mut files: Vec<(&str, &str)> = data.iter().map(|name| (&name[..], "1")).collect();
    files.push(("p.py", program));
    let scratch = Scratch::new(&files);
    if !scratch.has_net() {
        return;
    }
    let lineage = env!("CARGO_BIN_EXE_lineage");
    // The server that forks the workers has five descriptors: as many as the command has that is given two.
    for given in ["", "7</dev/null 8</dev/null"] {
        for method in ["fork", "spawn", "forkserver"] {
            let script = format!("exec {lineage} run -- {} p.py {method} {given}", python.display());
            let mut shell = Command::new("sh");
            shell.args(["-c", &script]).current_dir(scratch.path());
            let output = shell.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let inputs = scratch.inputs("m").join(" ");
            assert!(data.iter().all(|name| inputs.contains(&format!("{name} "))), "{script}: {inputs}");
        }
    }
}
