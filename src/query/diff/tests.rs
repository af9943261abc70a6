//! What differs between the runs of small histories.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::{Artifact, Digest, NodeId};
use crate::query::histories::{History, artifact, history, id, run_id};
use crate::store::tests::world::tries;

fn differences(text: &str, commits: &CommitFiles) -> RunDiff {
    differences_with(text, commits, &|_| Ok(None))
}

fn differences_with(text: &str, commits: &CommitFiles, list: ReadList<'_>) -> RunDiff {
    let history = history(text);
    let side = |number: u8| {
        let number_in_store = history.snapshot.run_no(history.runs[&number]).unwrap().unwrap();
        DiffRun {
            head: RunHead::read(&history.snapshot, number_in_store).unwrap().unwrap(),
            folder_name: format!("{}_r{number}", run_id(number)),
        }
    };
    diff(&history.snapshot, side(1), side(2), commits, list).unwrap()
}

fn lines(diff: &RunDiff) -> Vec<String> {
    let mut lines = Vec::new();
    for file in &diff.code.files {
        lines.push(format!("code {}{}", file.path, if file.certain { "" } else { "?" }));
    }
    for parameter in &diff.parameters {
        lines.push(format!("parameter {}", parameter.name));
    }
    for (label, files) in [("input", &diff.inputs), ("code read", &diff.code_read)] {
        lines.extend(files.changed.iter().map(|[a, _]| format!("{label} {} changed", a.path)));
        lines.extend(files.renamed.iter().map(|[a, b]| format!("{label} {} is now {}", a.path, b.path)));
        lines.extend(files.only_a.iter().map(|a| format!("{label} {} only in a", a.path)));
        lines.extend(files.only_b.iter().map(|b| format!("{label} {} only in b", b.path)));
    }
    for output in &diff.outputs.differing {
        let path = output.b.as_ref().or(output.a.as_ref()).map(|artifact| artifact.path.to_string());
        let Some(explanation) = output.explanation else {
            lines.push(format!("{} differs", path.unwrap()));
            continue;
        };
        let causes = diff.explanations[explanation].causes.iter().map(|cause| match cause {
            Cause::Input { a, b, .. } => format!("{}", b.as_ref().or(a.as_ref()).unwrap().path),
            Cause::StepParameter { step, parameter } => format!("{step} {}", parameter.name),
            Cause::StepCommand { step, words: [a, b] } => {
                format!("{step}: {} -> {}", a.join(" "), b.join(" "))
            }
            Cause::Parameter(parameter) => parameter.name.clone(),
            Cause::Failed { reason, .. } => reason.clone(),
            Cause::Renamed { a, b } => format!("{}={}", a.path, b.path),
            Cause::Made { b, .. } => format!("made:{}", b.path),
            other => format!("{other:?}"),
        });
        lines
            .push(format!("{} <- {}", path.unwrap(), causes.collect::<Vec<_>>().join(" ")).trim().to_owned());
    }
    lines.extend(diff.outputs.standing.iter().map(|output| format!("{} stands", output.artifact.path)));
    for metric in &diff.metrics {
        lines.push(format!("metric {} {:?} {:?}", metric.name, metric.difference(), metric.relative()));
    }
    for failure in &diff.failures {
        lines.push(format!("{} {} {:?} {:?}", failure.step, failure.subject, failure.a, failure.b));
    }
    lines
}

fn check(text: &str, expected: &[&str]) {
    let found = differences(text, &CommitFiles::Unknown);
    assert_eq!(lines(&found), expected);
    if expected.is_empty() {
        assert!(found.is_equal(), "{found:?}");
    }
}

#[test]
fn names_of_run_folders_are_no_difference() {
    check(
        "run 1 pipeline\n1 parse a.htm: a.htm=x -> out/{run}/a_{run_id}.json=y\n\
         1 metrics out/{run}/m.json: out/{run}/a_{run_id}.json=y -> %out/{run}/m.json={run_id}\n\
         run 2 pipeline\n2 parse a.htm: a.htm=x -> out/{run}/a_{run_id}.json=y\n\
         2 metrics out/{run}/m.json: out/{run}/a_{run_id}.json=y -> %out/{run}/m.json={run_id}",
        &[],
    );
}

#[test]
fn a_changed_input_explains_what_was_made_from_it_and_nothing_else() {
    check(
        "1 parse a.htm: a.htm=1 -> {run}/a=1\n\
         1 segment a.htm: {run}/a=1 -> {run}/sa=1\n\
         1 parse b.htm: b.htm=1 -> {run}/b=1\n\
         2 parse a.htm: a.htm=2 -> {run}/a=2\n\
         2 segment a.htm: {run}/a=2 -> {run}/sa=2\n\
         2 parse b.htm: b.htm=1 -> {run}/b=2",
        &[
            "input a.htm changed",
            &format!("{}_r2/a <- a.htm", run_id(2)),
            &format!("{}_r2/b <-", run_id(2)),
            &format!("{}_r2/sa <- a.htm", run_id(2)),
        ],
    );
}

#[test]
fn what_any_of_the_steps_read_that_wrote_an_output_together_is_a_cause() {
    check(
        "1 cat x: a=1 -> o=1\n1 sh x: s=1 -> o=1\n2 cat x: a=2 -> o=2\n2 sh x: s=1 -> o=2",
        &["input a changed", "o <- a"],
    );
}

#[test]
fn the_environment_is_that_of_the_run_whichever_step_holds_its_list() {
    check(
        "1 sh x: &env=1 s=1 -> log=1\n1 cat x: a=1 -> o=1\n2 cat x: &env=1 a=2 -> o=2\n2 sh x: s=1 -> log=1",
        &["input a changed", "o <- a"],
    );
    check(
        "1 sh x: &env=1 s=1 -> log=1\n1 cat x: a=1 -> o=1\n2 cat x: &env=2 a=1 -> o=2\n2 sh x: s=1 -> log=1",
        &["o <- env"],
    );
}

#[test]
fn the_environment_of_a_program_that_one_run_alone_started_is_no_cause() {
    let check = |a: &str, b: &str, lists: [&str; 2], expected: &str| {
        let text = format!("1 make x: &env=1 -> log=1\n{a}\n2 make x: &env=2 -> log=1\n{b}");
        let digests = ["1", "2"].map(|content| Digest::of(content.as_bytes()));
        let list = |digest: &Digest| {
            let place = digests.iter().position(|known| known == digest);
            Ok(place.map(|place| lists[place].as_bytes().to_vec()))
        };
        let found = differences_with(&text, &CommitFiles::Unknown, &list);
        let causes = found.explanations[0].causes.iter().map(|cause| match cause {
            Cause::Package(package) => package.name.clone(),
            Cause::EnvironmentFiles { first, .. } => first.name.clone(),
            Cause::Input { b: Some(file), .. } => file.path.to_string(),
            other => format!("{other:?}"),
        });
        assert_eq!(causes.collect::<Vec<_>>().join(" "), expected);
    };
    let (python, more) = ("python package numpy 2.0\n/bin/python 1 1\n/lib/n.so 1 1\n", "/lib/more.so 1 1\n");
    let (features, train) = ("1 python f: r=1 -> f=1\n1 cat m: f=1 c=1 -> m=1", "2 cat m: f=1 c=2 -> m=2");
    check(features, train, [python, ""], "c");
    // It is a program of either run.
    let train = "2 python f: r=1 -> f=1\n2 cat m: f=1 c=2 -> m=2";
    check(features, train, [python, ""], "c numpy /lib/n.so");
    // One program makes both, and one of them was up to date.
    let features = features.replace("cat", "python");
    check(
        &features,
        "2 python m: f=1 c=2 -> m=2",
        [&format!("{python}{more}"), &python.replace("2.0", "2.1")],
        "c numpy",
    );
    check(&features, "2 python m: f=1 c=2 -> m=2", [python, &format!("{python}{more}")], "c /lib/more.so");
    // What made m is another program.
    check(
        "1 sort m: c=1 -> m=1",
        "2 tac m: c=2 -> m=2",
        ["/bin/sort 1 1\n", "/bin/tac 1 1\n"],
        "c /bin/sort",
    );
}

#[test]
fn outputs_of_other_names_are_paired_where_they_are_all_that_a_step_wrote_of_one_sort() {
    let pairs = |text: &str| {
        let found = differences(text, &CommitFiles::Unknown);
        let path =
            |side: &Option<Artifact>| side.as_ref().map_or("-".to_owned(), |file| file.path.to_string());
        let names = found.outputs.differing.iter().map(|output| {
            let renamed = output.renamed().map_or("", |_| " renamed");
            format!("{} {}{renamed}", path(&output.a), path(&output.b))
        });
        names.collect::<Vec<_>>()
    };
    assert_eq!(pairs("1 train: x=1 -> a.pt=1\n2 train: x=2 -> b.pt=2"), ["a.pt b.pt renamed"]);
    assert_eq!(pairs("1 train: x=1 -> a.pt=1\n2 train: x=2 -> a.pt=2"), ["a.pt a.pt"]);
    assert_eq!(
        pairs("1 python: x=1 -> model.pkl=1\n2 python: x=2 -> pred.txt=2"),
        ["model.pkl -", "- pred.txt"]
    );
    // One of a row of files is gone, and another is new.
    assert_eq!(
        pairs("1 python: x=1 -> out/1=1 out/2=2\n2 python: x=1 -> out/1=1 out/3=3"),
        ["out/2 -", "- out/3"]
    );
    assert_eq!(
        pairs("1 python: x=1 -> out/a=1 out/b=2\n2 python: x=1 -> out/a=1 out/c=2"),
        ["out/b -", "- out/c"]
    );
}

#[test]
fn a_parameter_of_the_run_is_no_cause_where_the_key_of_a_step_leaves_it_out() {
    check(
        "run 1 sections=1A\n\
         1 parse keyed tool=1 a.htm: a.htm=1 -> p=1\n\
         1 train x: p=1 -> model=1\n\
         run 2 sections=1A,7\n\
         2 parse keyed tool=2 a.htm: a.htm=1 -> p=2\n\
         2 train x: p=2 -> model=2",
        &["parameter sections", "model <- parse tool sections", "p <- parse tool"],
    );
}

#[test]
fn code_is_a_cause_where_it_was_read_and_a_possible_one_where_nobody_recorded_that() {
    let text = "run 1 commit:aaa\n\
        1 train x: d=1 !train.py=1 -> model=1\n\
        1 report y: d=1 -> table=1\n\
        run 2 commit:aaa changed:train.py=2\n\
        2 train x: d=1 !train.py=2 -> model=2\n\
        2 report y: d=1 -> table=2";
    check(text, &["code train.py", "code read train.py changed", "model <- train.py", "table <- Code"]);
}

#[test]
fn code_that_was_read_unchanged_clears_the_rest_of_the_code() {
    check(
        "run 1 commit:aaa\n1 train x: d=1 !train.py=1 -> model=1\n\
         run 2 commit:aaa changed:README=2\n2 train x: d=1 !train.py=1 -> model=2",
        &["code README", "model <-"],
    );
}

#[test]
fn a_change_that_may_have_been_committed_since_is_said_to_be_uncertain() {
    let text = "run 1 commit:aaa changed:a.py=1 changed:b.py=1\n1 t x: d=1 -> o=1\nrun 2 commit:bbb\n2 t x: d=1 -> o=1";
    let file = |path: &str| (ArtifactPath::new(path).unwrap(), ChangeKind::Modified);
    let commits = CommitFiles::Known(vec![file("a.py"), file("c.py")]);
    assert_eq!(lines(&differences(text, &commits)), ["code a.py?", "code b.py", "code c.py"]);
    assert_eq!(lines(&differences(text, &CommitFiles::Unknown)), ["code a.py?", "code b.py?"]);
}

#[test]
fn an_untracked_file_is_code_unless_a_recorded_step_wrote_it() {
    check(
        "run 1 commit:aaa\n1 t x: d=1 -> o=1\n3 p x: a=1 -> out=1\n\
         run 2 commit:aaa untracked:out=1 untracked:new.py=1\n2 t x: d=1 -> o=1",
        &["code new.py"],
    );
}

#[test]
fn the_same_bytes_under_another_name_are_a_renamed_input_and_no_cause() {
    check("1 parse a.htm: a.htm=1 -> p=1\n2 parse b.htm: b.htm=1 -> p=1", &["input a.htm is now b.htm"]);
}

#[test]
fn an_output_is_missing_for_the_step_that_failed_or_the_input_that_was_not_there() {
    check(
        "1 parse a: a=1 -> {run}/a=1\n1 clean a: {run}/a=1 -> {run}/ca=1\n1 parse b: b=1 -> {run}/b=1\n\
         2 parse a: a=1 -> FAILED broken",
        &[
            "input b only in a",
            &format!("{}_r1/a <- broken", run_id(1)),
            &format!("{}_r1/b <- b", run_id(1)),
            &format!("{}_r1/ca <- broken", run_id(1)),
            "parse a Succeeded Failed(\"broken\")",
        ],
    );
}

#[test]
fn metrics_are_compared_by_their_last_values() {
    check(
        "metric 1 loss=0.5\nmetric 1 loss=0.25\nmetric 1 epochs=3\nmetric 2 loss=0.5\nmetric 2 epochs=3\nmetric 2 zero=0",
        &["metric loss Some(0.25) Some(1.0)", "metric zero None None"],
    );
}

#[test]
fn a_metrics_file_that_a_command_wrote_is_an_output_as_any_other() {
    let of = |kind: &str, a: &str, b: &str| {
        format!(
            "run 1 {kind} seed=1\n1 train: d=1 -> %metrics.json={a} o=1\nmetric 1 acc=1\n\
             run 2 {kind} seed=1\n2 train: d=1 -> %metrics.json={b} o=1\nmetric 2 acc=1"
        )
    };
    check(&of("seed=1", "x", "y"), &["metrics.json <-"]);
    check(&of("seed=1", "x", "x"), &[]);
    assert_eq!(differences(&of("seed=1", "x", "x"), &CommitFiles::Unknown).outputs.same, 2);
    // The pipeline's hold their run's name and the metrics, which are compared.
    check(&of("pipeline", "x", "y"), &[]);
    assert_eq!(differences(&of("pipeline", "x", "y"), &CommitFiles::Unknown).outputs.metrics_files, 1);
}

#[test]
fn what_a_process_read_after_it_had_written_an_output_is_no_cause_of_it() {
    check(
        "1 p x: a=1 -> oa=1; b=1 -> ob=1; c=1 -> oc=1\n2 p x: a=1 -> oa=2; b=2 -> ob=2; c=2 -> oc=2",
        &["input b changed", "input c changed", "oa <-", "ob <- b", "oc <- c b"],
    );
}

#[test]
fn what_the_other_run_read_only_after_it_had_written_an_output_was_read_for_it_by_one_run() {
    check(
        "1 draw: s=1 -> x=1\n1 p x: k=1 x=1 -> o=1 q=1\n2 draw: s=2 -> x=2\n2 p x: k=1 -> o=2; x=2 -> q=2",
        &["input s changed", "o <- x", "q <- s", "x <- s"],
    );
}

#[test]
fn what_was_made_with_the_same_bytes_hides_what_it_was_made_from() {
    check(
        "1 clean: raw=1 -> tidy=1\n1 train: tidy=1 seed=1 -> model=1\n\
         2 clean: raw=2 -> tidy=1\n2 train: tidy=1 seed=2 -> model=2",
        &["input raw changed", "input seed changed", "model <- seed"],
    );
}

#[test]
fn what_was_made_differently_for_no_recorded_reason_is_said_to_be_the_cause() {
    check(
        "1 draw: a=1 -> sample=1\n1 train: sample=1 -> model=1\n1 test: model=1 -> score=1\n\
         2 draw: a=1 -> sample=2\n2 train: sample=2 -> model=2\n2 test: model=2 -> score=2",
        &["model <- made:sample", "sample <-", "score <- made:sample"],
    );
}

#[test]
fn another_file_with_bytes_that_were_there_before_is_a_cause_and_another_name_a_possible_one() {
    check("1 cat: d/a=x -> o=1\n2 cat: d/a=x d/b=x -> o=2", &["input d/b only in b", "o <- d/b"]);
    check("1 cat: d/a=x d/b=y -> o=1\n2 cat: d/c=x d/b=y -> o=2", &["input d/a is now d/c", "o <- d/a=d/c"]);
}

#[test]
fn what_a_run_wrote_itself_is_no_new_name_of_an_input() {
    check("1 sort: x=1 -> o=1\n2 cat: x=1 -> o=1\n2 dash: o=1 -> o=12", &["o <-"]);
    check(
        "1 sort: x=1 -> m=1\n1 cat: x=1 -> o=1\n2 cat: m=1 -> o=2",
        &["input x only in a", "input m only in b", "o <- m x", "m stands"],
    );
}

#[test]
fn a_folder_with_another_name_is_a_cause_only_where_there_is_nothing_else() {
    check(
        "1 cat: data/v1/a=1 data/v1/b=2 -> o=1\n2 cat: data/v2/a=1 data/v2/b=3 -> o=2",
        &["input data/v1/b changed", "input data/v1/a is now data/v2/a", "o <- data/v2/b"],
    );
    check(
        "1 cat: data/v1/a=1 data/v1/b=2 -> o=1\n2 cat: data/v2/a=1 data/v2/b=2 -> o=2",
        &["input data/v1/a is now data/v2/a", "input data/v1/b is now data/v2/b", "o <- data/v1/a=data/v2/a"],
    );
    // A file was moved from one folder to another.
    check(
        "1 cat: cats/1=1 cats/2=2 k=1 -> o=1\n2 cat: cats/2=2 dogs/1=1 k=2 -> o=2",
        &["input k changed", "input cats/1 is now dogs/1", "o <- k cats/1=dogs/1"],
    );
}

#[test]
fn what_a_build_found_up_to_date_stands_and_is_not_explained() {
    let [a, b] = [
        "run 1 command:make\n1 sort: x=1 -> o1=1\n1 cat: y=1 o1=1 -> o2=1\n",
        "run 2 command:make\n2 cat: y=2 o1=1 -> o2=2\n",
    ];
    let inputs = ["input y changed", "input x only in a", "input o1 only in b"];
    check(&format!("{a}{b}"), &[&inputs[..], &["o2 <- y", "o1 stands"]].concat());
    // It was not there, or another command was given.
    let [a, b] = [a, b].map(|text| text.replace(" o1=1 ", " "));
    let inputs = &inputs[..2];
    check(&format!("{b}{a}"), &[inputs, &["o1 <- x", "o2 <- y"]].concat());
    let told = "Arguments([[\"make\"], [\"build\"]])";
    check(
        &format!("{a}{}", b.replace("make", "build")),
        &[inputs, &[&format!("o1 <- x {told}"), &format!("o2 <- y {told}")]].concat(),
    );
}

#[test]
fn what_a_run_read_with_the_bytes_that_the_other_wrote_stands_whoever_made_it() {
    let [a, b] = [
        "run 1 command:two\n1 sort: x=1 -> o1=1\n1 cat: y=1 o1=1 -> o2=1\n",
        "run 2 command:one\n2 cat: y=2 o1=1 -> o2=2\n",
    ];
    let inputs = ["input y changed", "input x only in a", "input o1 only in b"];
    let told = "Arguments([[\"two\"], [\"one\"]])";
    check(&format!("{a}{b}"), &[&inputs[..], &[&format!("o2 <- y {told}"), "o1 stands"]].concat());
    let other = format!("{a}3 p: z=1 -> o1=2\n{}", b.replace("o1=1", "o1=2"));
    check(&other, &[&inputs[..], &[&format!("o1 <- x {told}"), &format!("o2 <- y o1 {told}")]].concat());
}

#[test]
fn steps_of_one_program_are_counterparts_by_what_they_wrote() {
    let a = "run 1 command:make\n1 wc: r1=1 -> o1=1\n1 wc: r2=1 -> o2=1\n1 cat: o1=1 o2=1 -> o=11\n";
    let b = "run 2 command:make\n2 wc: r2=2 -> o2=2\n2 cat: o1=1 o2=2 -> o=12\n";
    let inputs = ["input r2 changed", "input r1 only in a", "input o1 only in b"];
    check(&format!("{a}{b}"), &[&inputs[..], &["o <- r2", "o2 <- r2", "o1 stands"]].concat());
    // Nobody read what stands.
    let [a, b] = [a, b].map(|text| text.lines().filter(|line| !line.contains("cat")).collect::<Vec<_>>());
    check(&[a, b].concat().join("\n"), &["input r2 changed", "input r1 only in a", "o2 <- r2", "o1 stands"]);
    // It failed before it wrote.
    check(
        "1 wc: r1=1 -> o1=1\n1 wc: r2=1 -> o2=1\n2 wc: r2=2 -> o2=2\n2 wc: r1=2 -> FAILED broken",
        &[
            "input r1 changed",
            "input r2 changed",
            "o1 <- broken r1",
            "o2 <- r2",
            "wc  Succeeded Failed(\"broken\")",
        ],
    );
}

#[test]
fn of_runs_of_unlike_kinds_nothing_is_explained() {
    let text = "run 1 command:sort\n1 sort: x=1 -> m=1\nrun 2 command:wc\n2 wc: m=1 -> p=1";
    check(text, &["input x only in a", "input m only in b", "p differs", "m stands"]);
    let unlike = differences(text, &CommitFiles::Unknown).unlike.unwrap();
    assert_eq!((unlike.a_read_of_b, unlike.b_read_of_a), (Vec::new(), vec![artifact("m=1").0]));
    // The same script, told to write elsewhere.
    let text = "run 1 command:x\n1 py one: !t.py=1 -> m=1 n=2\nrun 2 command:y\n2 py two: !t.py=2 -> q=1 r=2";
    assert_eq!(differences(text, &CommitFiles::Unknown).unlike, None);
}

#[test]
fn files_that_only_one_of_the_runs_makes_stand_for_what_they_are_made_from() {
    check(
        "1 sort: raw=1 same=1 -> tmp.Ab12Cd=1 tmp.Zz12Cd=3\n1 rev: tmp.Ab12Cd=1 -> o=1\n\
         2 sort: raw=2 same=1 -> tmp.Ef34Gh=2 tmp.Yy12Cd=4\n2 rev: tmp.Ef34Gh=2 -> o=2",
        &[
            "input raw changed",
            "o <- raw",
            "tmp.Ab12Cd <- raw",
            "tmp.Ef34Gh <- raw",
            "tmp.Yy12Cd <- raw",
            "tmp.Zz12Cd <- raw",
        ],
    );
}

#[test]
fn an_output_that_is_not_there_for_other_code_or_input_of_its_step_has_these_as_causes() {
    check(
        "1 p x: !p.py=1 d=1 -> o=1\n2 p x: !p.py=2 d=1 -> o=1 new=1",
        &["code read p.py changed", "new <- p.py"],
    );
    check(
        "1 p x: d=1 -> o=1 two=1\n2 p x: d=2 -> FAILED broken",
        &["input d changed", "o <- broken d", "two <- broken d", "p x Succeeded Failed(\"broken\")"],
    );
    // The step is not there at all: a script without traces in what it starts.
    check(
        "1 sh x: !p.sh=1 -> log=1\n1 sort x: d=1 -> o=1\n2 sh x: !p.sh=2 -> log=1",
        &["input d only in a", "code read p.sh changed", "o <- d"],
    );
}

#[test]
fn outputs_in_folders_that_are_named_by_time_id_or_counter_are_paired() {
    let text = "1 p x: d=1 -> out/20261127_101500/m=1 out/20261127_101500/same=1\n\
                2 p x: d=2 -> out/20261128_090000/m=2 out/20261128_090000/same=1";
    check(text, &["input d changed", "out/20261128_090000/m <- d"]);
    let found = differences(text, &CommitFiles::Unknown).outputs;
    assert_eq!((found.same, found.paired), (1, BTreeMap::from([(PairedBy::Pattern, 2)])));
    assert_eq!(found.differing[0].pattern().as_deref(), Some("out/{time}/m"));
}

#[test]
fn a_time_stamp_that_is_the_run_id_of_one_run_is_a_time_stamp() {
    let text = "1 p x: d=1 -> out/{run_id}_123456/m=1\n2 p x: d=2 -> out/20261128_090000_654321/m=2";
    let found = differences(text, &CommitFiles::Unknown).outputs;
    assert_eq!(found.differing[0].pattern().as_deref(), Some("out/{time}/m"));
}

#[test]
fn an_input_that_other_runs_made_leads_to_them() {
    let text = "3 clean x: raw=1 -> tidy=1\n4 clean x: raw=2 -> tidy=2\n\
                1 train x: tidy=1 -> model=1\n2 train x: tidy=2 -> model=2";
    let found = differences(text, &CommitFiles::Unknown);
    let runs: Vec<[NodeId; 2]> = found.upstream.iter().map(|upstream| [upstream.a, upstream.b]).collect();
    assert_eq!(runs, [[id(1, 3), id(1, 4)]]);
    assert_eq!((found.upstream[0].files, found.upstream[0].example.path.to_string()), (1, "tidy".to_owned()));
}

fn sides(history: &History) -> [Side; 2] {
    [1, 2].map(|number| {
        let number_in_store = history.snapshot.run_no(history.runs[&number]).unwrap().unwrap();
        let head = RunHead::read(&history.snapshot, number_in_store).unwrap().unwrap();
        Side::read(&history.snapshot, DiffRun { head, folder_name: format!("{}_r{number}", run_id(number)) })
            .unwrap()
    })
}

fn hold_against_plain(text: &str) {
    let history = history(text);
    let found = differences(text, &CommitFiles::Unknown);
    let [a, b] = sides(&history);
    let (_, pairs) = outputs::compare(&history.snapshot, &a, &b).unwrap();
    levels::Levels::new([&a, &b], &pairs, &found, 1000).check(&found.outputs.differing);
}

fn line() -> impl Strategy<Value = String> {
    let name = || proptest::sample::select(vec!["f0", "f1", "f2", "d/f3", "d/f4", "e/f3", "e/f4"]);
    let file = || (name(), 0..3u8).prop_map(|(file, content)| format!("{file}={content}"));
    let files = |most: usize| proptest::collection::vec(file(), 0..=most).prop_map(|files| files.join(" "));
    let part = (files(3), files(2)).prop_map(|(reads, writes)| format!("{reads} -> {writes}"));
    let parts = proptest::collection::vec(part, 1..3).prop_map(|parts| parts.join("; "));
    (1..=2u8, 0..3u8, parts).prop_map(|(run, name, parts)| format!("{run} s{name} x: {parts}"))
}

proptest! {
    #![proptest_config(tries(64))]

    #[test]
    fn causes_are_those_that_are_found_plainly(lines in proptest::collection::vec(line(), 2..14)) {
        hold_against_plain(&format!("run 1\nrun 2\n{}", lines.join("\n")));
    }
}

#[test]
fn a_process_that_reads_and_writes_in_turn_keeps_a_bounded_list_of_causes_for_each_output() {
    let parts = |content: u8| {
        let parts = (0..1100).map(|at| format!("i{at}={content} -> o{at}={content}"));
        parts.collect::<Vec<_>>().join("; ")
    };
    let found = differences(&format!("1 p x: {}\n2 p x: {}", parts(1), parts(2)), &CommitFiles::Unknown);
    let of = |name: &str| {
        let output =
            found.outputs.differing.iter().find(|output| output.b.as_ref().unwrap().path.to_string() == name);
        let explanation = &found.explanations[output.unwrap().explanation.unwrap()];
        let Cause::Input { b: Some(first), .. } = &explanation.causes[0] else { panic!() };
        (first.path.to_string(), explanation.causes.len(), explanation.more)
    };
    assert_eq!(of("o0"), ("i0".to_owned(), 1, false));
    assert_eq!(of("o44"), ("i44".to_owned(), 45, false));
    assert_eq!(of("o1099"), ("i1099".to_owned(), 45, true));
}

#[test]
fn the_command_line_of_a_step_is_a_cause_of_what_it_wrote() {
    let run = |number: u8, lines: &[&str]| {
        let lines = lines.iter().map(|line| format!("{number} {line}\n"));
        format!("run {number} command:make\n{}", lines.collect::<String>())
    };
    let told = |a: &[&str], b: &[&str], expected: &[&str]| {
        check(&format!("{}{}", run(1, a), run(2, b)), expected);
    };
    told(&["py train.py 2: x=1 -> m=1"], &["py train.py 5: x=1 -> m=2"], &["m <- py: 2 -> 5"]);
    told(
        &["py train.py --lr 2 -v: x=1 -> m=1"],
        &["py train.py --lr 5 -v: x=1 -> m=2"],
        &["m <- py: --lr 2 -> --lr 5"],
    );
    // The other steps of the program are told apart by what they wrote.
    let [first, second] = ["py train.py 1 n: x=1 -> n=1", "py train.py 1 n: x=1 -> n=1"];
    told(
        &[first, "py train.py 2 m: x=1 -> m=1"],
        &[second, "py train.py 5 m: x=1 -> m=2"],
        &["m <- py: 2 -> 5"],
    );
    // What is made up anew each time explains nothing, nor what only one of them was started with.
    told(&["cc -o /tmp/ccA.o: x=1 -> m=1"], &["cc -o /tmp/ccB.o: x=1 -> m=2"], &["m <-"]);
    told(&["cc a.c: x=1 -> m=1"], &["cc: x=1 -> m=2"], &["m <-"]);
    // What the run was started with is told of the run.
    let command = |number: u8, word: &str, value: u8| {
        format!("run {number} command:{word}\n{number} sh {word}: x=1 -> m={value}\n")
    };
    check(
        &format!("{}{}", command(1, "two", 1), command(2, "one", 2)),
        &["m <- Arguments([[\"two\"], [\"one\"]])"],
    );
}
