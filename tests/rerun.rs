//! `lineage rerun`: the same command on the code and inputs of then.

mod common;

use common::Place;

/// A repository with a shell script, an input that git ignores, and one run; `None` where commands cannot be observed.
fn trained(script: &str) -> Option<Place> {
    trained_in(Place::empty(), script)
}

/// The same in a workspace that keeps no inputs.
fn trained_without_kept_inputs(script: &str) -> Option<Place> {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write(".lineage/config.toml", b"[keep]\ninputs_up_to = 0\n");
    trained_in(place, script)
}

fn trained_in(place: Place, script: &str) -> Option<Place> {
    place.write("train.sh", script.as_bytes());
    place.write(".gitignore", b"/data\n/out\n");
    place.write("data/in.txt", b"some words\n");
    place.commit_all("Add training");
    let place = place.with_real_clock();
    std::fs::create_dir_all(place.at("out")).unwrap();
    place.ok(&["run", "--name", "train", "--", "sh", "train.sh"]);
    place.was_observed().then_some(place)
}

/// The key of the latest repetition, where nothing was run since.
fn repetition(place: &Place) -> String {
    let latest = &place.runs()[0];
    assert!(!latest["rerun_of"].is_null(), "{latest}");
    latest["id"].as_str().unwrap().to_owned()
}

const SCRIPT: &str =
    "echo training; tr a-z A-Z < data/in.txt > out/model.txt; wc -w < out/model.txt > out/words.txt\n";

#[test]
fn folders_that_the_run_made_are_made_by_the_repetition() {
    let script = "set -e\nmkdir out/made made\ncat data/in.txt > out/made/x\ncat data/in.txt > made/x\nmv made moved\n";
    let Some(place) = trained(script) else { return };
    let answer = place.ok(&["rerun", "@"]);
    assert!(answer.stdout.contains("all with the same bytes"), "{}", answer.stdout);
}

#[test]
fn what_is_written_into_a_folder_named_by_the_time_is_compared_with_that_of_then() {
    let script = "d=out/$(date +%Y%m%d_%H%M%S_%6N)\nmkdir -p $d\ncp data/in.txt $d/model.bin\n\
                  head -c 8 /dev/urandom > $d/noise\n";
    let Some(place) = trained(script) else { return };
    let answer = place.run(&["rerun", "@"]).stdout;
    assert!(answer.contains("  differs  out/{time}/noise  "), "{answer}");
    assert!(answer.contains("1 of 2 outputs with the same bytes"), "{answer}");
    assert!(answer.contains("2 outputs lie under another time stamp, id or counter than then"), "{answer}");
}

#[test]
fn a_run_is_repeated_in_a_copy_and_makes_the_same_files() {
    let Some(place) = trained(SCRIPT) else { return };
    let before = place.read("out/model.txt");
    let files = place.all_files().len();
    // The code moves on; the run is repeated on the code of then.
    place.write("train.sh", b"exit 9\n");
    place.git(&["commit", "-q", "-am", "Break training"]);
    let answer = place.ok(&["rerun", "@"]);
    assert!(answer.stdout.contains("2 outputs, all with the same bytes"), "{}", answer.stdout);
    assert!(!answer.stdout.contains("training") && answer.stderr.contains("training"), "{answer:?}");
    assert_eq!(place.read("out/model.txt"), before);
    assert_eq!(place.read("train.sh"), b"exit 9\n");
    let runs = place.runs();
    assert_eq!(runs[0]["rerun_of"], runs[1]["id"]);
    assert_eq!(runs[0]["code"]["commit"], runs[1]["code"]["commit"]);
    let new = place.all_files().len();
    assert!(new <= files + 2, "only our own folder grew: {files} files, now {new}");
    // The repetition never wrote here, so the file's writer is still the first run.
    let shown = place.json(&["show", "out/model.txt"]);
    assert_eq!(shown["written"]["run"], runs[1]["id"]);
    let text = place.ok(&["show", &repetition(&place)]).stdout;
    assert!(text.contains("rerun of"), "{text}");
    let diff = place.run(&["diff", "@", &repetition(&place)]);
    assert_eq!(diff.code, 0, "{diff:?}");
    let status = place.run(&["status"]).stdout;
    assert!(!status.contains("superseded"), "{status}");
    // A repetition of the repetition is one of the run.
    place.ok(&["rerun", &repetition(&place)]);
    assert_eq!(place.runs()[0]["rerun_of"], runs[1]["id"]);
}

#[test]
fn repetitions_are_no_runs_of_the_user_and_are_told_from_them() {
    let script = "cat data/in.txt > out/model.txt; echo '{\"f1\": 0.9}' > metrics.json\n";
    let Some(place) = trained(script) else { return };
    place.ok(&["rerun", "@"]);
    place.ok(&["rerun", "@"]);
    let runs = place.runs();
    let original = runs[2]["id"].as_str().unwrap();
    let tail = &original[28..];
    // `@` is the run that was repeated, whose files lie here.
    assert_eq!(place.json(&["show", "@"])["run"]["id"], original);
    let registered = place.ok(&["register", "m", "1.0.0", "--run", "@", "--artifact", "model=out/model.txt"]);
    assert!(!registered.stderr.contains("note"), "{registered:?}");
    for arguments in [&["diff"][..], &["diff", "@-", "@"], &["show", "@-"]] {
        let (code, text) = place.refused(arguments);
        assert!(
            code == 2 && text.contains("there are not 2 runs, repetitions and parts of runs not counted"),
            "{text}"
        );
    }
    // The list shows all that was carried out, and which repeats what.
    let log = place.ok(&["log"]).stdout;
    let ends: Vec<&str> = log.lines().map(|line| line.rsplit("  ").next().unwrap()).collect();
    assert_eq!(ends, ["rerun of", tail, tail, "-"], "{log}");
    // The best run is a run, not ten copies of it.
    let found = |arguments: &[&str]| place.json(arguments)["runs"].as_array().unwrap().len();
    assert_eq!(found(&["log"]), 3);
    assert_eq!(found(&["log", "-w", "f1 > 0.5", "--sort=-f1"]), 1);
    assert_eq!(found(&["log", "--sort=-f1"]), 1);
    assert_eq!(found(&["log", "-w", "f1 > 0.5", "--all"]), 3);
    assert_eq!(found(&["log", "-w", "has(rerun_of)"]), 2);
    assert_eq!(found(&["log", "-w", "f1 > 0.5 and not has(rerun_of)"]), 1);
    assert_eq!(found(&["log", "-w", &format!("rerun_of = {tail}")]), 2);
    let best = place.ok(&["log", "-w", "f1 > 0.5", "--sort=-f1"]).stdout;
    assert!(best.ends_with("left out are repetitions, made by `rerun`; `--all` lists them, too\n"), "{best}");
    assert_eq!(place.json(&["log", "-w", "f1 > 0.5"])["repetitions_left_out"], true);
    assert_eq!(place.json(&["log"])["repetitions_left_out"], false);
    // Tables say it in a column of their own.
    place.ok(&["export", "--format", "csv", "--out", "tables"]);
    let table = String::from_utf8(place.read("tables/runs.csv")).unwrap();
    let ends: Vec<&str> = table.lines().map(|line| line.rsplit(',').nth(1).unwrap().trim()).collect();
    assert_eq!(ends.iter().filter(|end| **end == original).count(), 2, "{table}");
    assert_eq!(ends[0], "rerun_of");
}

#[test]
fn uncommitted_code_and_untracked_code_are_those_of_then() {
    let Some(place) = trained_without_kept_inputs("echo 0 > out/zero.txt\n") else { return };
    place.write("helper.sh", b"cat data/in.txt > out/one.txt\n");
    place.write("train.sh", b"sh helper.sh; echo dirty > out/two.txt\n");
    place.ok(&["run", "--", "sh", "train.sh"]);
    place.git(&["checkout", "-q", "train.sh"]);
    let answer = place.ok(&["rerun", "@", "--json"]);
    let answer: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(answer["outputs"]["same"].as_array().unwrap().len(), 2);
    // What is neither kept nor lies there any more cannot be had.
    place.write("helper.sh", b"echo other\n");
    let refused = place.run(&["rerun", "@"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains("`helper.sh`"), "{}", refused.stderr);
    let runs = place.runs().len();
    let incomplete = place.run(&["rerun", "@", "--incomplete"]);
    assert_eq!(incomplete.code, 1, "{incomplete:?}");
    assert!(incomplete.stdout.contains("missing  out/one.txt"), "{}", incomplete.stdout);
    assert_eq!(place.runs().len(), runs + 1);
}

#[test]
fn a_plain_file_that_holds_the_name_of_another_is_no_link() {
    let Some(place) = trained("true") else { return };
    place.write("train.sh", b"cat ck/latest; cat \"ck/$(cat ck/latest)/w\" > out/w");
    place.write("ck/latest", b"step1");
    place.write("ck/step1/w", b"weights");
    place.ok(&["run", "-q", "--", "sh", "train.sh"]);
    let said = place.ok(&["rerun", "@"]);
    assert!(said.stdout.contains("1 output, all with the same bytes"), "{said:?}");
    assert!(!said.stderr.contains("ck/latest"), "{said:?}");
}

#[test]
fn programs_are_those_of_the_environment_that_was_activated_then() {
    let place = Place::empty();
    place.ok(&["init"]);
    let environments = tempfile::tempdir().unwrap();
    let made = |name: &str| {
        let folder = environments.path().join(name);
        std::fs::create_dir_all(folder.join("bin")).unwrap();
        let program = folder.join("bin/of-the-environment");
        std::fs::write(&program, format!("#!/bin/sh\necho {name} > o\n")).unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        folder
    };
    let (then, now) = (made("then"), made("now"));
    let activated = |folder: &std::path::Path, arguments: &[&str]| {
        let mut command = place.command(arguments);
        let path = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, value)| value).unwrap();
        let path = format!("{}/bin:{}", folder.display(), path.to_str().unwrap());
        let output = command.env("PATH", path).env("VIRTUAL_ENV", folder).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    activated(&then, &["run", "-q", "--", "of-the-environment"]);
    if !place.was_observed() {
        return;
    }
    for answer in [activated(&now, &["rerun", "@"]), place.run(&["rerun", "@"]).stdout] {
        assert!(
            answer.contains("1 output with the same bytes") || answer.contains("all with the same bytes"),
            "{answer}"
        );
    }
    std::fs::remove_dir_all(&then).unwrap();
    let answer = place.run(&["rerun", "@"]);
    assert!(answer.stderr.contains("was activated and is not there"), "{answer:#?}");
}

#[test]
fn an_output_that_differs_is_named() {
    let Some(place) = trained(
        "head -c 8 /dev/urandom > out/random; echo 1 > out/fixed; date +%N > out/$(date +%N | tr 0-9 a-j)\n",
    ) else {
        return;
    };
    let answer = place.run(&["rerun", "@"]);
    assert_eq!(answer.code, 1);
    assert!(answer.stdout.contains("differs  out/random"), "{}", answer.stdout);
    assert!(
        answer.stdout.contains("missing  out/") && answer.stdout.contains("new      out/"),
        "{}",
        answer.stdout
    );
    assert!(answer.stdout.contains("1 of 4 outputs with the same bytes"), "{}", answer.stdout);
}

#[test]
fn an_archive_that_differs_by_the_time_in_its_header_is_said_to_hold_the_same() {
    let script = "{ printf '\\037\\213\\010\\000'; head -c 4 /dev/urandom; printf '\\000\\003'; \
                  gzip -cn data/in.txt | tail -c +11; } > out/x.gz; head -c 8 /dev/urandom | gzip > out/y.gz\n";
    let Some(place) = trained(script) else { return };
    let text = place.run(&["rerun", "@"]).stdout;
    let line = |name: &str| text.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{text}"));
    assert!(line("out/x.gz").ends_with("; unpacked, they are the same"), "{text}");
    assert!(line("out/y.gz").ends_with(" now"), "{text}");
}

#[test]
fn a_run_is_repeated_by_the_name_of_what_came_of_it() {
    let Some(place) = trained(SCRIPT) else { return };
    place.ok(&["register", "net", "1.0.0", "--artifact", "model=out/model.txt"]);
    let run = place.runs()[0]["id"].clone();
    for word in ["net@1.0.0", "net@latest", "out/model.txt"] {
        place.ok(&["rerun", word]);
        assert_eq!(place.runs()[0]["rerun_of"], run, "{word}");
    }
}

#[test]
fn the_copy_may_be_kept_and_here_is_here() {
    let Some(place) = trained_without_kept_inputs(SCRIPT) else { return };
    let kept = place.json(&["rerun", "@", "--keep"]);
    let folder = std::path::PathBuf::from(kept["kept"].as_str().unwrap());
    assert!(folder.is_dir());
    std::fs::remove_dir_all(folder).unwrap();
    place.write("data/in.txt", b"other words\n");
    let missing = place.run(&["rerun", "@"]);
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.contains("`data/in.txt`"), "{}", missing.stderr);
    let here = place.run(&["rerun", "@", "--here"]);
    assert_eq!(here.code, 1, "{here:?}");
    assert!(here.stderr.contains("`data/in.txt` has other bytes now"), "{}", here.stderr);
    assert!(here.stdout.contains("differs  out/model.txt"), "{}", here.stdout);
    assert_eq!(place.read("out/model.txt"), b"OTHER WORDS\n");
}

#[test]
fn what_was_interrupted_waits_until_it_is_done_here_whatever_a_copy_came_to() {
    let script =
        "echo x > out/part; if [ -d .lineage -a ! -e go ]; then kill -9 $$; fi; echo y > out/whole\n";
    let place = Place::empty();
    place.write("train.sh", script.as_bytes());
    let place = place.with_real_clock();
    std::fs::create_dir_all(place.at("out")).unwrap();
    // Folders are stamped with ticks of a clock: one that is made within the same tick as a command begins may be that command's.
    std::thread::sleep(std::time::Duration::from_millis(20));
    place.run(&["run", "--name", "train", "--", "sh", "train.sh"]);
    if !place.was_observed() {
        return;
    }
    let interrupted = || place.json(&["status"])["interrupted_runs"].as_array().unwrap().len();
    assert_eq!(interrupted(), 1);
    // In the copy it comes to its end.
    let again = place.json(&["rerun", "@"]);
    assert!(again.to_string().contains("out/whole"), "{again:#}");
    assert_eq!(interrupted(), 1);
    place.write("go", b"");
    place.run(&["rerun", "@", "--here"]);
    assert!(place.at("out/whole").exists());
    assert_eq!(interrupted(), 0);
}

#[test]
fn what_cannot_be_repeated_is_refused_and_nothing_runs() {
    let Some(place) = trained(SCRIPT) else { return };
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().canonicalize().unwrap().join("x");
    place.ok(&["run", "--", "sh", "-c", &format!("echo 1 > {}", target.display())]);
    place.ok(&["run", "--", "echo", "--token", "abc"]);
    place.ok(&["import", "data"]);
    let runs = place.runs().len();
    for (word, expected) in [
        ("@", "it is no run of a command"),
        ("@-", "masked"),
        ("@--", "it wrote outside the workspace"),
        ("nope", "no run has that name"),
    ] {
        let answer = place.run(&["rerun", word]);
        assert_eq!(answer.code, 2, "{word}: {answer:?}");
        assert!(answer.stderr.contains(expected), "{word}: {}", answer.stderr);
    }
    assert_eq!(place.runs().len(), runs);
}

#[test]
fn what_was_built_for_this_folder_is_not_repeated_elsewhere() {
    let Some(place) = trained("exit 0\n") else { return };
    let configure = "echo \"cat $PWD/train.sh > $PWD/out/app; echo built > log\" > out/rules";
    place.shell(configure);
    place.ok(&["run", "-q", "--", "sh", "out/rules"]);
    let (code, text) = place.refused(&["rerun", "@"]);
    assert!(code == 2 && text.contains("`out/rules`, which an earlier run made for this folder"), "{text}");
    assert_eq!(place.run(&["rerun", "@", "--incomplete"]).code, 1);
}

#[test]
fn a_run_that_a_backup_puts_above_the_workspace_is_not_run_there() {
    let place = Place::empty();
    place.write("in/here", b"");
    let backup = {
        let place = Place::empty();
        place.write("sub/in", b"");
        place.ok(&["init"]);
        let sub = place.at("sub");
        let mut command = place.command(&["run", "-q", "--", "true"]);
        assert!(command.current_dir(sub).status().unwrap().success());
        place.ok(&["export", "--format", "jsonl"]).stdout
    };
    let lines: Vec<&str> = backup.lines().filter(|line| !line.starts_with("{\"end\"")).collect();
    let facts = lines.len() - 1;
    let edited = lines.join("\n").replace("\"folder\":\"sub\"", "\"folder\":\"../../beside\"");
    assert!(edited.contains("beside"), "{edited}");
    place.write("b.jsonl", format!("{edited}\n{{\"end\":{{\"facts\":{facts}}}}}\n").as_bytes());
    place.ok(&["init"]);
    place.ok(&["import", "--format", "jsonl", "b.jsonl"]);
    let (code, text) = place.refused(&["rerun", "@", "--incomplete"]);
    assert!(code == 2 && text.contains("it ran outside the workspace, in `../../beside`"), "{text}");
}

#[test]
fn a_pipeline_is_repeated_as_a_pipeline() {
    let Some(place) = Place::new() else { return };
    let place = place.with_real_clock();
    place.ok(&["pipeline", "--run-name", "demo", "--quiet"]);
    let outputs = place.outputs();
    let answer = place.run(&["rerun", "@"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.stdout.contains("all with the same bytes"), "{}", answer.stdout);
    assert_eq!(place.outputs(), outputs);
    assert_eq!(place.runs()[0]["rerun_of"], place.runs()[1]["id"]);
}

#[test]
fn what_a_repeated_program_says_of_its_run_is_recorded_here() {
    let program = env!("CARGO_BIN_EXE_lineage");
    let script = format!("{program} metric loss 0.5; {program} param lr 0.1; echo 1 > out/x\n");
    let Some(place) = trained(&script) else { return };
    place.ok(&["rerun", "@"]);
    let shown = place.json(&["show", &repetition(&place)]);
    assert_eq!(shown["metrics"][0]["name"], "loss");
    assert_eq!(shown["run"]["parameters"][0]["name"], "lr");
}

#[test]
fn the_file_that_a_repeated_program_appends_metrics_to_is_none_of_its_outputs() {
    let line = r#"echo '{"name": "m", "value": 1}' >> "$LINEAGE_METRICS"; echo x > o"#;
    let Some(place) = trained(line) else { return };
    place.run(&["rerun", "@"]);
    let outputs = place.ok(&["show", &repetition(&place)]).stdout;
    assert!(!outputs.contains(".jsonl"), "{outputs}");
    let metrics = place.json(&["metrics", &repetition(&place)]);
    assert_eq!(metrics["runs"][0]["metrics"][0]["name"], "m", "{metrics}");
}

#[test]
fn what_names_the_workspace_by_its_whole_path_changes_nothing_there() {
    let root = |place: &Place| place.root().to_str().unwrap().to_owned();
    let Some(place) = trained("exit 0\n") else { return };
    // The path is in a file, where nobody can put that of the copy in its place.
    place.write("base", root(&place).as_bytes());
    let script = "b=$(cat base); echo $$ > $b/out/whole; echo >> $b/out/log; mv $b/out/old $b/out/new; ln -s x $b/out/link
        rm -r $b/out/old; ln $b/base $b/out/hard; echo own > out/own; cat $b/out/kept > out/copied; true\n";
    place.write("whole.sh", script.as_bytes());
    for name in ["out/old", "out/kept"] {
        place.write(name, name.as_bytes());
    }
    place.ok(&["run", "-q", "--", "sh", "whole.sh"]);
    place.write("out/old", b"put back");
    std::fs::remove_file(place.at("out/new")).unwrap();
    let files = || {
        let mut files = place.all_files();
        files
            .retain(|path, _| !path.starts_with(place.at(".lineage")) && !path.starts_with(place.at(".git")));
        let bytes = files.keys().map(|path| (path.clone(), std::fs::read(path).unwrap_or_default()));
        bytes.collect::<std::collections::BTreeMap<_, _>>()
    };
    let before = files();
    let again = place.run(&["rerun", "@", "--incomplete"]);
    assert_eq!(files(), before, "{again:?}");
    assert_eq!(again.code, 1, "{again:?}");
    assert!(again.stdout.contains("missing  out/whole"), "{again:?}");
    let read = format!("it read `{}` by the whole path", place.at("out/kept").display());
    assert!(again.stderr.contains(&read) || again.stdout.contains(&read), "{again:?}");
    let shown = place.ok(&["show", &repetition(&place)]).stdout;
    assert!(shown.contains("out/whole`: the workspace itself is only read here"), "{shown}");
}

#[test]
fn the_copy_of_a_repetition_that_was_killed_is_taken_away_by_the_next_and_no_other() {
    let Some(place) = trained(SCRIPT) else { return };
    let folder = |name: &str| format!("tmp/lineage-rerun-{name}");
    for name in ["dead", "alive", "young"] {
        let mark = format!("{}/.lineage-under-way", folder(name));
        place.write(&mark, b"");
        place.write(&format!("{}/workspace/x", folder(name)), b"x");
        if name != "young" {
            common::age(&place.at(&mark));
        }
    }
    place.write(&format!("{}/workspace/x", folder("kept")), b"x");
    let alive = std::fs::File::open(place.at("tmp/lineage-rerun-alive/.lineage-under-way")).unwrap();
    alive.lock().unwrap();
    let rerun = |more: &[&str]| {
        let mut command = place.command(&[&["rerun", "@-", "--json"], more].concat());
        let output = command.env("TMPDIR", place.at("tmp")).output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    place.ok(&["run", "-q", "--", "true"]);
    let kept = rerun(&["--keep"])["kept"].as_str().unwrap().to_owned();
    let left = || {
        let entries = std::fs::read_dir(place.at("tmp")).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let kept = kept.rsplit('/').next().unwrap().to_owned();
    let mut expected =
        vec![kept, "lineage-rerun-alive".into(), "lineage-rerun-kept".into(), "lineage-rerun-young".into()];
    expected.sort();
    assert_eq!(left(), expected);
    drop(alive);
    place.json(&["show", "@"]);
    place.command(&["rerun", "@-"]).env("TMPDIR", place.at("tmp")).output().unwrap();
    expected.retain(|name| name != "lineage-rerun-alive");
    assert_eq!(left(), expected, "what was left to its user stays");
}

#[test]
fn scratch_that_is_gone_hinders_no_repetition_and_is_not_missed() {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let scratch = folder.path().join("scratch");
    let script = format!("sort data/in.txt > {0}; cp {0} out/o\n", scratch.display());
    let Some(place) = trained(&script) else { return };
    let refused = place.run(&["rerun", "@"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains(&format!("remove it: `rm {}`", scratch.display())), "{}", refused.stderr);
    std::fs::remove_file(&scratch).unwrap();
    let status = place.run(&["status"]);
    assert!(status.code == 0 && status.stdout.contains("1 gone outside the workspace"), "{status:?}");
    let answer = place.ok(&["rerun", "@"]);
    assert!(answer.stdout.contains("1 output, all with the same bytes"), "{}", answer.stdout);
}

#[test]
fn what_was_read_beside_the_workspace_or_higher_up_is_found_by_the_same_way() {
    let outer = Place::empty().with_real_clock();
    outer.write("data/deep/a", b"2\n1\n");
    outer.write("project/b", b"3\n");
    outer.write("project/work/in", b"4\n");
    let inner = |arguments: &[&str]| {
        let mut command = outer.command(arguments);
        command.current_dir(outer.at("project/work"));
        common::Answer::from(command.output().unwrap())
    };
    assert_eq!(inner(&["init", "."]).code, 0);
    let script = "sort ../../data/deep/a ../b in > o";
    assert_eq!(inner(&["run", "--", "sh", "-c", script]).code, 0);
    if !inner(&["show", "@", "--json"]).stdout.contains("\"observed_by\": \"net\"") {
        return;
    }
    let again = inner(&["rerun", "@"]);
    assert!(again.stdout.contains("all with the same bytes"), "{}{}", again.stdout, again.stderr);
    // What is gone there, and kept, is no more missing than it is lost.
    let place = outer.at("data/deep/a").canonicalize().unwrap();
    std::fs::remove_file(&place).unwrap();
    let refused = inner(&["rerun", "@"]);
    let place = place.display();
    assert_eq!(refused.code, 2);
    assert!(
        refused.stderr.contains("kept, but not lying in their places outside the workspace"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains(&format!("`lineage restore {place} --to {place}` puts back")),
        "{}",
        refused.stderr
    );
    assert_eq!(inner(&["restore", &place.to_string(), "--to", &place.to_string()]).code, 0);
    assert_eq!(inner(&["rerun", "@"]).code, 0);
}

/// Runs a line of the shell in which `L` is the program.
fn shell(place: &Place, line: &str) {
    let line = line.replace("L run", &format!("'{}' run -q", env!("CARGO_BIN_EXE_lineage")));
    let answer = place.run_there(std::process::Command::new("sh").args(["-c", &line]));
    assert_eq!(answer.code, 0, "{line}: {answer:?}");
}

#[test]
fn files_that_the_standard_streams_led_to_are_opened_so_again() {
    let Some(place) = trained(SCRIPT) else { return };
    place.write("tracked.txt", b"what stood there before, and is longer\n");
    place.git(&["add", "-A"]);
    place.git(&["commit", "-q", "-m", "Add a report"]);
    for (line, shown) in [
        ("L run -- sort < data/in.txt > tracked.txt", "sort < data/in.txt > tracked.txt"),
        ("L run -- sh -c 'echo 1; echo 2 >&2; echo 3' > out/a 2>&1", " > out/a 2>&1"),
        ("L run -- sh -c 'echo 1; echo 2 >&2' > out/b 2> out/c", " > out/b 2> out/c"),
        ("mkdir -p out/d; echo 1 > out/d/e; L run -- cat data/in.txt >> out/d/e", " >> out/d/e"),
        ("{ echo 1; L run -- cat data/in.txt; } > out/f", "cat data/in.txt > out/f"),
        ("{ read first; L run -- cat > out/g; } < data/in.txt; :", " < data/in.txt > out/g"),
        ("echo 12345 > out/h; L run -- echo 67 1<> out/h", "echo 67 1<> out/h"),
    ] {
        shell(&place, line);
        let answer = place.ok(&["show", "@"]).stdout;
        assert!(answer.contains(shown), "{line}: {answer}");
        let answer = place.run(&["rerun", "@"]);
        assert!(answer.stdout.contains(" with the same bytes"), "{line}: {answer:?}");
        assert_eq!(answer.code, 0, "{line}: {answer:?}");
    }
    // The answer has standard output for itself, and what led to the terminal still does.
    place.ok(&["run", "--", "sh", "-c", "echo said; echo 1 > out/i"]);
    let answer = place.ok(&["rerun", "@"]);
    assert!(!answer.stdout.contains("said") && answer.stderr.contains("said"), "{answer:?}");
}

#[test]
fn where_nobody_knows_where_the_standard_streams_led_that_is_said() {
    let Some(place) = trained(SCRIPT) else { return };
    shell(&place, "L run -- sort data/in.txt > out/a");
    place.ok(&["export", "--format", "jsonl", "--out", "backup.jsonl"]);
    let backup = String::from_utf8(place.read("backup.jsonl")).unwrap();
    let without = |line: &str| {
        let Some((front, rest)) = line.split_once(",\"streams\":[") else { return line.to_owned() };
        format!("{front}{}", rest.split_once(']').unwrap().1)
    };
    let facts = backup.lines().filter(|line| !line.starts_with("{\"end\""));
    let older: String = facts.map(|line| without(line) + "\n").collect();
    assert!(!backup.starts_with(&older));
    let end = backup.lines().last().unwrap();
    let (front, rest) = end.split_once("blake3:").unwrap();
    let end = format!("{front}{}{}", lineage::model::Digest::of(older.as_bytes()), &rest[64..]);
    place.write("older.jsonl", format!("{older}{end}\n").as_bytes());
    std::fs::remove_dir_all(place.at(".lineage/journal")).unwrap();
    std::fs::remove_file(place.at(".lineage/store.redb")).unwrap();
    place.ok(&["import", "older.jsonl", "--format", "jsonl"]);
    let answer = place.run(&["rerun", "@"]);
    let said = "where its standard input and output led then is not recorded";
    assert!(answer.stdout.contains(said) || answer.stderr.contains(said), "{answer:?}");
    assert_eq!(answer.code, 1);
}

#[test]
fn a_run_within_a_run_is_repeated_as_any_other() {
    let Some(place) = trained(SCRIPT) else { return };
    let program = env!("CARGO_BIN_EXE_lineage");
    let inner = |name: &str, command: &str| format!("'{program}' run -q --name {name} -- {command}\n");
    let script = [inner("one", "cp data/in.txt out/x"), inner("two", "cp out/x out/y")].concat();
    place.write("all.sh", script.as_bytes());
    place.ok(&["run", "--name", "all", "--", "sh", "all.sh"]);
    // What only the one around has read is not needed.
    place.write("all.sh", b"true\n");
    for name in ["one", "two"] {
        let answer = place.run(&["rerun", name]);
        assert!(answer.stdout.contains("1 output, all with the same bytes"), "{answer:?}");
        assert!(!answer.stderr.contains("not observed"), "{answer:?}");
    }
}

#[test]
fn a_repetition_that_measures_something_else_is_not_the_same() {
    let program = env!("CARGO_BIN_EXE_lineage");
    let measure = |value: &str, step: u32| format!("{program} metric loss {value} --step {step}");
    let script = [measure("0.$(date +%N)", 1), measure("0.1", 2), format!("{program} metric f1 0.5\n")];
    let Some(place) = trained(&script.join("; ")) else { return };
    let again = place.run(&["rerun", "@"]);
    assert_eq!(again.code, 1, "{again:#?}");
    let words = again.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let differs =
        "1 metric differs, then -> now loss 0.1, the last of both curves differ first at step 1: 0.";
    assert!(words.contains(differs), "{words}");
    assert!(words.contains("1 of 2 metrics with the same points"), "{words}");
    let json: serde_json::Value = serde_json::from_str(&place.run(&["rerun", "@", "--json"]).stdout).unwrap();
    assert_eq!((&json["same"], &json["metrics"]["same"]), (&false.into(), &1.into()));
    assert_eq!(json["metrics"]["differing"][0]["parting"]["step"], 1);
    assert_eq!(json["metrics"]["ignored"], serde_json::json!([]));

    // Unless that is said to be no matter.
    let ignoring = ["rerun", "@", "--ignore-metric", "lo*", "--ignore-metric", "no_such"];
    let again = place.run(&ignoring);
    assert_eq!(again.code, 0, "{again:#?}");
    let words = "1 metric, every point the same\n1 metric left out, as was asked for: loss\n";
    assert!(again.stdout.contains(words), "{again:?}");
    let json = place.json(&ignoring);
    assert_eq!((&json["same"], &json["metrics"]["ignored"]), (&true.into(), &serde_json::json!(["loss"])));
    let wrong = place.run(&["rerun", "@", "--ignore-metric", "["]);
    assert!(wrong.code == 2 && wrong.stderr.contains("`[` is no pattern"), "{wrong:?}");
}

#[test]
fn what_is_up_to_date_and_was_not_made_is_not_made_by_the_repetition() {
    let place = Place::empty();
    place.write("Makefile", b"all: b d\nb: a\n\ttr a-z A-Z < a > b\nd: c e\n\ttr a-z A-Z < c > d\n");
    // Of its sources some are in git, and one is not.
    place.write("a", b"some words\n");
    place.write("c", b"other words\n");
    place.write("e", b"more words\n");
    place.write(".gitignore", b"/a\n/b\n/d\n/o\n/in\n/sum\n");
    place.commit_all("Add rules");
    let place = place.with_real_clock();
    place.ok(&["run", "--", "make", "all"]);
    if !place.was_observed() {
        return;
    }
    let append = |path: &str| place.write(path, &[&place.read(path)[..], b"more\n"].concat());
    append("c");
    place.ok(&["run", "--name", "again", "--", "make", "all"]);
    let answer = place.ok(&["rerun", "again"]);
    assert!(answer.stdout.contains("1 output, all with the same bytes"), "{}", answer.stdout);
    assert!(!answer.stdout.contains("also made"), "{}", answer.stdout);

    // What somebody took away before, by hand, was not there.
    place.write("in/1", b"1\n");
    place.ok(&["run", "--", "sh", "-c", "cat in/* > sum"]);
    std::fs::rename(place.at("in/1"), place.at("in/2")).unwrap();
    place.ok(&["run", "--name", "sum", "--", "sh", "-c", "cat in/* > sum"]);
    place.ok(&["rerun", "sum"]);

    // What it makes all the same is as it was.
    place.write(
        "Makefile",
        b"all: b d\nb: a\n\ttest -e o || tr a-z A-Z < a > b\nd: c\n\ttr a-z A-Z < c > d\n.PHONY: b\n",
    );
    place.write("o", b"");
    place.git(&["add", "Makefile"]);
    place.git(&["commit", "-q", "-m", "Make it always"]);
    append("c");
    place.ok(&["run", "--name", "third", "--", "make", "all"]);
    std::fs::remove_file(place.at("o")).unwrap();
    let answer = place.ok(&["rerun", "third"]);
    assert!(
        answer.stdout.contains("1 output, all with the same bytes\nalso made, as it was: b\n"),
        "{answer:?}"
    );
}
