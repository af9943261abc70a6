//! Short histories, a disk, and which file is listed as what.

use super::*;
use crate::model::{
    Artifact, ArtifactPath, Digest, Evidence, Fact, Generated, NodeId, Role, RunStatus, Step, Timestamp, Used,
};
use crate::ops::{Clock, Recording, RunRequest};

/// Records runs of one step each, `read=content … -> written=content`, and leaves on disk what they wrote and `disk` has.
fn check(runs: &[&str], disk: &[&str], expected: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let workspace = recorded(folder.path(), runs, disk);
    let view = workspace.view().unwrap();
    let report = status(&workspace, &view.snapshot, workspace.root(), &[]).unwrap();
    let mut lines = Vec::new();
    lines.extend(report.changed.iter().map(|file| format!("changed {}", file.file.artifact.path)));
    lines.extend(report.stale.iter().map(|file| format!("stale {}", file.file.artifact.path)));
    lines.extend(report.doubtful.iter().map(|file| {
        let changed = file.changed_while_read.iter().map(|input| input.path.to_string());
        format!("doubtful {} {}", file.file.artifact.path, changed.collect::<Vec<_>>().join(" "))
    }));
    lines.extend(report.lost.iter().map(|file| format!("lost {}", file.artifact.path)));
    lines.extend(report.pending.iter().map(|file| format!("pending {}", file.artifact.path)));
    lines.extend(report.unknown.iter().map(|path| format!("unknown {path}")));
    lines.extend(report.new.iter().map(|new| format!("new {} for {}", new.path, new.run_name)));
    lines.extend(report.interrupted.iter().map(|head| format!("interrupted {}", head.view.run.name)));
    assert_eq!(lines, expected);
    assert_eq!(report.is_clean(), expected.is_empty());
}

fn recorded(folder: &Path, runs: &[impl AsRef<str>], disk: &[&str]) -> Workspace {
    let workspace = Workspace::init(folder).unwrap();
    let clock = Clock::new(|| Timestamp::from_micros(1_765_561_338_000_000));
    for (number, run) in runs.iter().enumerate() {
        record(&workspace, &clock, &format!("step{number}"), run.as_ref());
    }
    for word in disk {
        let (path, content) = word.split_once('=').unwrap();
        let place = workspace.root().join(path);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, content).unwrap();
    }
    workspace
}

/// `NAME$ ` in front makes it a command of that name. `FAILED` at the end: it did. `!` before what was read: it is code, as in git. `?` after it: it was changed meanwhile. `KEPT` before a content keeps it, and of `NONE` nothing is recorded; `CUT` at the end leaves the run without an end.
fn record(workspace: &Workspace, clock: &Clock, name: &str, run: &str) {
    let (request, run) = match run.split_once("$ ") {
        None => (RunRequest::new("r", RunKind::Library), run),
        Some((name, run)) => {
            let mut request = RunRequest::new(name, RunKind::Command);
            request.arguments = vec!["python".to_owned(), "t.py".to_owned()];
            (request, run)
        }
    };
    let mut recording = Recording::start(workspace, clock, request).unwrap();
    let edges = run.trim_end_matches(" CUT").trim_end_matches(" FAILED");
    let (reads, writes) = edges.split_once(" -> ").unwrap();
    let artifact = |word: &str| {
        let (path, content) = word.split_once('=').unwrap();
        if content == "NONE" {
            return Artifact::without_content(ArtifactPath::new(path).unwrap(), run.as_bytes());
        }
        let bytes = content.trim_start_matches("KEPT");
        if content.starts_with("KEPT") {
            workspace.contents().keep(bytes.as_bytes()).unwrap();
        }
        let (path, digest) = (ArtifactPath::new(path).unwrap(), Digest::of(bytes.as_bytes()));
        Artifact { path, digest, size_bytes: bytes.len() as u64 }
    };
    let at = recording.now();
    let used = reads.split_whitespace().map(|word| {
        let role = match word.as_bytes() {
            [b'!', ..] => Role::Code,
            _ if word.contains("://") => Role::Environment,
            _ => Role::Data,
        };
        let evidence = if word.ends_with('?') { Evidence::Doubtful } else { Evidence::Observed };
        Used { artifact: artifact(word.trim_start_matches('!').trim_end_matches('?')), at, evidence, role }
    });
    let used = used.collect();
    let ended_at = recording.now();
    let generated = writes.split_whitespace().map(|word| Generated {
        artifact: artifact(word),
        at: ended_at,
        evidence: Evidence::Observed,
        role: Role::Data,
    });
    let (name, subject) = match &recording.run().arguments {
        none if none.is_empty() => (name.to_owned(), String::new()),
        arguments => (arguments[0].clone(), arguments.join(" ")),
    };
    let step = Step {
        used,
        generated: generated.collect(),
        subject,
        ..Step::new(NodeId::new(ended_at), recording.run().id, &name, [at, ended_at])
    };
    recording.add(&Fact::StepDone(step)).unwrap();
    if run.ends_with(" CUT") {
        recording.commit().unwrap();
    } else if run.ends_with(" FAILED") {
        recording.finish(RunStatus::Failed, Some(1), None).unwrap();
    } else {
        recording.finish(RunStatus::Succeeded, Some(0), None).unwrap();
    }
}

/// What is to be done again: the run, its stale, lost and all files, what makes it stale, and the runs that come before.
fn redo(runs: &[&str], disk: &[&str], asked: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let workspace = recorded(folder.path(), runs, disk);
    let view = workspace.view().unwrap();
    let asked: Vec<PathBuf> = asked.iter().map(PathBuf::from).collect();
    let report = status(&workspace, &view.snapshot, workspace.root(), &asked).unwrap();
    let name = |tail: &str| {
        let head = report.redo.iter().map(|redo| &redo.head).find(|head| head.tail == *tail).unwrap();
        head.view.run.name.clone()
    };
    let lines = report.redo.iter().map(|redo| {
        let cause = redo.cause.iter().map(|cause| format!(" {}", cause.used.path)).collect::<String>();
        let after = redo.after.iter().map(|tail| format!(" after {}", name(tail))).collect::<String>();
        let caveats = redo.caveats.iter().map(|caveat| format!(" ({})", caveat.as_str())).collect::<String>();
        let Redo { stale, lost, files, .. } = redo;
        format!("{} {stale}+{lost}/{files}{cause}{after}{caveats}", redo.head.view.run.name)
    });
    lines.collect()
}

#[test]
fn what_must_be_done_again_stands_in_the_order_of_making() {
    let runs = ["prep$ raw=1 -> feat=1", "train$ feat=1 p=1 -> model=1 m=1", "report$ model=1 m=1 -> r=1"];
    let all = ["prep 1+0/1 raw", "train 2+0/2 after prep", "report 1+0/1 after train"];
    let lies = ["raw=9", "p=1", "feat=1", "model=1", "m=1", "r=1"];
    assert_eq!(redo(&runs, &lies, &[]), all);
    // To make one file again, all on the way to it comes first, and nothing else.
    assert_eq!(redo(&runs, &lies, &["r"]), all);
    assert_eq!(redo(&runs, &lies, &["feat"]), all[..1]);
    // Only what is made from what has changed, and that is said once.
    assert_eq!(
        redo(&runs, &["raw=9", "p=9", "feat=1", "model=1", "m=1", "r=1"], &[]),
        ["prep 1+0/1 raw", "train 2+0/2 p after prep", "report 1+0/1 after train"]
    );
    assert_eq!(
        redo(&runs, &["raw=1", "p=9", "feat=1", "model=1", "m=1", "r=1"], &[]),
        ["train 2+0/2 p", "report 1+0/1 after train"]
    );
    assert_eq!(redo(&runs, &["raw=1", "p=1", "feat=1", "m=1", "r=1"], &[]), ["train 0+1/2"]);
}

#[test]
fn a_run_comes_after_the_last_that_wrote_what_it_read_whoever_wrote_it_then() {
    let runs = ["prep$ raw=1 -> feat=1 x=1", "train$ feat=1 -> model=1", "again$ raw=2 -> feat=2"];
    assert_eq!(
        redo(&runs, &["raw=3", "feat=2", "x=1", "model=1"], &[]),
        ["prep 1+0/1 raw", "again 1+0/1 raw", "train 1+0/1 after prep after again"]
    );
}

#[test]
fn those_that_write_on_in_one_another_s_files_are_done_again_in_the_order_in_which_they_were_done() {
    let runs = ["a$ d=1 t=0 -> t=1 m1=1", "b$ d=1 t=1 -> t=2 m2=1", "c$ m1=1 m2=1 -> best=1"];
    let found = redo(&runs, &["d=9", "t=2", "m1=1", "m2=1", "best=1"], &[]);
    assert_eq!(found, ["a 1+0/1 d", "b 2+0/2 after a", "c 1+0/1 after a after b"]);
}

#[test]
fn of_those_that_wrote_on_in_one_file_only_the_last_is_said_to_come_before() {
    let runs = [
        "w$ d=1 -> t=0 w=1",
        "a$ d=1 t=0 -> t=1 m1=1",
        "b$ d=1 t=1 -> t=2 m2=1",
        "c$ d=1 t=2 -> t=3 m3=1",
        "r$ t=3 -> x=1",
    ];
    let found = redo(&runs, &["d=9", "t=3", "w=1", "m1=1", "m2=1", "m3=1", "x=1"], &[]);
    let after: Vec<&str> = found.iter().filter_map(|line| Some(line.split_once(" after ")?.1)).collect();
    assert_eq!(after, ["w", "a", "b", "c"], "{found:?}");
}

#[test]
fn what_may_not_simply_be_done_again_is_said_so() {
    let runs = ["d=1 -> a=1", "two$ d=1 -> b=1 CUT", "three$ d=1 -> c=1 FAILED"];
    assert_eq!(
        redo(&runs, &["d=9", "a=1", "b=1", "c=1"], &[]),
        ["r 1+0/1 d (no command)", "two 1+0/1 d (interrupted)", "three 1+0/1 d (failed)"]
    );
}

#[test]
fn the_environment_of_one_program_does_not_make_stale_what_another_made() {
    let runs = ["env://python=1 a=1 -> b=1", "env://perl=1 env://python=2 a=1 -> c=1"];
    check(&runs, &["a=1", "b=1", "c=1"], &[]);
}

#[test]
fn each_file_is_listed_as_what_it_is() {
    check(
        &["a=1 -> b=1 c=2 d=KEPT3"],
        &["a=9", "b=1", "x=1"],
        &["changed a", "stale b", "stale d", "lost c", "pending d", "unknown x"],
    );
}

#[test]
fn a_source_that_is_gone_is_lost_but_not_one_outside_the_workspace() {
    check(&["gone=1 /nowhere/gone=1 -> b=1"], &["b=1"], &["stale b", "lost gone"]);
    check(&["/nowhere/gone=1 -> b=1"], &["b=1"], &[]);
}

#[test]
fn what_was_made_from_a_source_that_is_gone_is_stale_wherever_that_can_be_had_from() {
    let runs = ["in=KEPT7 !t.py=1 -> b=1", "b=1 -> c=1"];
    check(&runs, &["t.py=1", "b=1", "c=1"], &["stale b", "stale c", "pending in"]);
    check(&runs, &["in=7", "b=1", "c=1"], &["stale b", "stale c"]);
    // What a run wrote can be made again.
    check(&["in=1 -> b=1", "b=1 -> c=1"], &["in=1", "c=1"], &["lost b"]);
}

#[test]
fn what_was_made_before_its_own_command_wrote_on_is_older_and_no_fault() {
    let runs = ["log=1 -> log=2 m1=1", "log=2 -> log=3 m2=1"].map(|run| format!("train$ {run}"));
    let report = |disk: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        let workspace = recorded(folder.path(), &runs, disk);
        let view = workspace.view().unwrap();
        status(&workspace, &view.snapshot, workspace.root(), &[]).unwrap()
    };
    let paths = |files: &[StaleFile]| {
        files.iter().map(|file| file.file.artifact.path.to_string()).collect::<Vec<_>>()
    };
    let kept_up = report(&["log=3", "m1=1", "m2=1"]);
    assert_eq!((paths(&kept_up.stale), paths(&kept_up.older)), (vec![], vec!["m1".to_owned()]));
    assert!(kept_up.is_clean());
    let edited = report(&["log=9", "m1=1", "m2=1"]);
    // What the second one read there the first one had made: that was carried on.
    assert_eq!(paths(&edited.stale), ["m1"]);
    assert_eq!((paths(&edited.older), paths(&edited.carried)), (vec![], vec!["m2".to_owned()]));
}

#[test]
fn of_many_causes_the_first_are_named_and_all_are_counted() {
    let words = |front: &str, end: &str| (0..30).map(|n| format!("{front}{n:02}=1{end}")).collect::<Vec<_>>();
    let (inputs, outputs) = (words("in", ""), words("out", ""));
    let report = |reads: &[String], disk: &[String]| {
        let folder = tempfile::tempdir().unwrap();
        let run = format!("{} -> {}", reads.join(" "), outputs.join(" "));
        let disk: Vec<&str> = disk.iter().map(String::as_str).collect();
        let workspace = recorded(folder.path(), &[run], &disk);
        let view = workspace.view().unwrap();
        status(&workspace, &view.snapshot, workspace.root(), &[]).unwrap()
    };
    let first: Vec<String> = (0..20).map(|n| format!("in{n:02}")).collect();
    let stale = report(&inputs, &outputs).stale;
    assert_eq!(stale.len(), 30);
    for file in &stale {
        let causes: Vec<String> = file.causes.iter().map(|cause| cause.used.path.to_string()).collect();
        assert_eq!((&causes, file.causes_total), (&first, 30));
    }
    let doubtful = report(&words("in", "?"), &[inputs, outputs.clone()].concat()).doubtful;
    assert_eq!(doubtful.len(), 30);
    for file in &doubtful {
        let changed: Vec<String> =
            file.changed_while_read.iter().map(|input| input.path.to_string()).collect();
        assert_eq!((&changed, file.changed_while_read_total), (&first, 30));
    }
}

#[test]
fn what_was_made_from_what_changed_while_it_was_read_is_doubtful_until_it_is_stale() {
    let runs = ["a=1? -> b=1", "b=1 -> c=1"];
    check(&runs, &["a=1", "b=1", "c=1"], &["doubtful b a", "doubtful c a"]);
    check(&runs, &["a=2", "b=1", "c=1"], &["changed a", "stale b", "stale c"]);
}

#[test]
fn a_source_that_was_read_under_another_name_since_is_no_longer_missed() {
    let runs = ["d/a=KEPT7 -> o=1", "e/a=7 -> o=2"];
    check(&runs, &["e/a=7", "o=2"], &[]);
    check(&runs, &["e/a=8", "o=2"], &["changed e/a", "stale o", "pending d/a"]);
    // Both were there.
    check(&["d/a=KEPT7 e/a=7 -> o=1"], &["e/a=7", "o=1"], &["stale o", "pending d/a"]);
    check(&["d/a=KEPT7 -> e/a=7"], &["e/a=7"], &["stale e/a", "pending d/a"]);
}

#[test]
fn what_only_has_another_name_makes_nothing_stale_and_is_no_fault() {
    let with_bytes = |words: &[&str]| -> Vec<String> {
        let of = |word: &&str| word.replace("KEPTS", "KEPT=S").replace("=S", &format!("={}", "7".repeat(64)));
        let of = |word: &&str| of(word).replace("KEPT=", "KEPT");
        words.iter().map(of).map(|word| word.replace("=T", &format!("={}", "8".repeat(64)))).collect()
    };
    let check = |runs: &[&str], disk: &[&str], expected: &[&str]| {
        let (runs, disk) = (with_bytes(runs), with_bytes(disk));
        let [runs, disk] = [&runs, &disk].map(|words| words.iter().map(String::as_str).collect::<Vec<_>>());
        check(&runs, &disk, expected);
    };
    let runs = ["d/a=S -> o=1", "e/a=S -> p=1"];
    check(&runs, &["e/a=S", "o=1", "p=1"], &[]);
    // Nobody has read it under its new name yet; it may be code, and have another name in its folder, too.
    check(&runs[..1], &["e/a=S", "o=1"], &[]);
    check(&["!t.py=S -> o=1"], &["src/train.py=S", "o=1"], &[]);
    check(&["o=1 a=S -> q=1"], &["o=1", "b=S", "q=1"], &[]);
    // Its bytes were changed since, under its new name.
    check(&runs, &["e/a=T", "o=1", "p=1"], &["changed e/a", "stale o", "stale p"]);
    check(&[runs[0], runs[1], "e/a=T -> p=2"], &["e/a=T", "o=1", "p=2"], &["stale o"]);
    // And given yet another name.
    check(&runs, &["f/a=S", "o=1", "p=1"], &[]);
    // Something else has its old name.
    check(&runs, &["d/a=T", "e/a=S", "o=1", "p=1"], &["changed d/a", "stale o"]);
    check(&runs[..1], &["d/a=T", "e/a=S", "o=1"], &["changed d/a", "stale o"]);
    // It had both names when it was read, or its bytes were written there by a run.
    check(&["d/a=S e/a=S -> o=1"], &["e/a=S", "o=1"], &["stale o", "lost d/a"]);
    check(&["d/a=S -> e/a=S"], &["e/a=S"], &["stale e/a", "lost d/a"]);
    // One file is the new name of one.
    check(&["d/a=S d/b=S -> o=1"], &["e/b=S", "o=1"], &["stale o", "lost d/a"]);
    // What a run wrote has another name as well, kept or not, read there or not.
    let runs = ["a=1 -> b=S", "b=S -> c=1"];
    check(&runs, &["a=1", "moved/b=S", "c=1"], &[]);
    check(&["a=1 -> b=KEPTS", runs[1]], &["a=1", "b2=S", "c=1"], &[]);
    check(&[runs[0], runs[1], "m/b=S -> d=1"], &["a=1", "m/b=S", "c=1", "d=1"], &[]);
    check(&runs, &["a=9", "moved/b=S", "c=1"], &["changed a", "stale b", "stale c"]);
    check(&["a=1 -> b=S c=S"], &["a=1", "c=S"], &["lost b"]);
    check(&["a=1 -> b=7"], &["a=1", "moved/b=7"], &["lost b"]);
    // Few equal bytes prove nothing.
    check(&["d/a=7 -> o=1"], &["e/a=7", "o=1"], &["stale o", "lost d/a"]);
}

#[test]
fn a_version_without_content_is_not_newer_than_what_lies_there() {
    for runs in [[" -> a=NONE", "a=1 -> b=1"], ["a=1 -> b=1", " -> a=NONE"]] {
        check(&runs, &["a=1", "b=1"], &[]);
        check(&runs, &["a=2", "b=1"], &["stale b"]);
    }
    check(&[" -> a=NONE", "a=NONE -> b=NONE", "a=1 -> c=1"], &["a=1", "b=1", "c=1"], &[]);
    check(&["a=NONE -> b=NONE", " -> a=NONE"], &["a=1", "b=1"], &["stale b"]);
}

#[test]
fn what_was_edited_by_hand_stays_changed_when_a_run_has_read_it() {
    let runs = ["a=1 -> b=1", "b=2 -> c=1"];
    check(&runs, &["a=1", "b=2", "c=1"], &["changed b"]);
    check(&runs, &["a=1", "b=1", "c=1"], &["stale c"]);
    check(&runs, &["a=9", "b=1", "c=1"], &["changed a", "stale b", "stale c"]);
    check(&runs, &["a=1", "c=1"], &["stale c", "lost b"]);
    check(&["a=1 -> b=KEPT1", "b=2 -> c=1"], &["a=1", "c=1"], &["stale c", "lost b"]);
    check(&["a=1 -> b=1", "b=2 -> c=1", "a=1 -> b=3"], &["a=1", "b=3", "c=1"], &["stale c"]);
}

#[test]
fn code_that_a_run_wrote_and_git_has_as_it_was_edited_since_is_not_listed() {
    check(&["a=1 -> b=1", "!b=2 -> c=1"], &["a=1", "b=2", "c=1"], &[]);
    check(&["a=1 -> b=1", "!b=2 -> c=1"], &["a=1", "b=3", "c=1"], &["changed b", "stale c"]);
}

#[test]
fn what_a_run_wrote_beside_all_that_a_step_had_read_is_new_to_it() {
    let fetch = |day: u32| format!("fetch$ s{day}={day} -> d/{day}.csv={day}");
    let (one, two, three) = (fetch(1), fetch(2), fetch(3));
    let sum = "sum$ d/1.csv=1 d/2.csv=2 -> sum=3";
    let disk = ["s1=1", "s2=2", "s3=3", "d/1.csv=1", "d/2.csv=2", "d/3.csv=3", "sum=3"];
    let check = |runs: &[&str], disk: &[&str], expected: &[&str]| check(runs, disk, expected);
    let at_rest = |runs: &[&str]| check(runs, &disk, &[]);
    check(&[&one, &two, sum, &three], &disk, &["new d/3.csv for sum"]);
    // It was there, and was passed over; another command wrote it; another run of its command has read it; it is one of its own; one
    // file says nothing of the others.
    at_rest(&[&one, &two, &three, sum]);
    at_rest(&[&one, &two, sum, "report$ s3=3 -> d/3.csv=3"]);
    at_rest(&[&one, &two, sum, &three, "sum$ d/3.csv=3 -> s1=1"]);
    at_rest(&[&one, &two, "fetch$ s3=3 d/1.csv=1 d/2.csv=2 -> sum=3 d/3.csv=3"]);
    at_rest(&[&one, "sum$ d/1.csv=1 -> sum=3", &two, &three]);
    // What it made of them is wanted no more.
    at_rest(&[&one, &two, sum, &three, "sum$ d/1.csv=1 d/2.csv=2 d/3.csv=3 -> sum=3"]);
}

#[test]
fn a_run_without_an_end_is_interrupted_until_the_same_is_done_well() {
    let disk = ["a=1", "b=1"];
    check(&["a=1 -> b=1 CUT"], &disk, &["interrupted r"]);
    check(&["a=1 -> b=1 CUT", "a=1 -> b=1"], &disk, &[]);
    check(&["a=1 -> b=1 CUT", "a=1 -> b=1 FAILED"], &disk, &["interrupted r"]);
    check(&["a=1 -> b=1 CUT", "a=1 -> b=1 CUT"], &disk, &["interrupted r"]);
    check(&["a=1 -> b=1", "a=1 -> b=1 CUT"], &disk, &["interrupted r"]);
    // A command is the same under another name.
    check(&["first$ a=1 -> b=1 CUT", "second$ a=1 -> b=1"], &disk, &[]);
    check(&["first$ a=1 -> b=1 CUT", "a=1 -> b=1"], &disk, &["interrupted first"]);
}
