//! Which process did what: programs, forks, pipes, daemons.

use super::*;

/// Says of each process what it read and wrote below the folder: `name: <a >b`.
fn stories(trial: &Trial) -> Vec<String> {
    let root = trial.root();
    let stories = trial.observation.processes.iter().map(|process| {
        let mut story = process.exe.file_name().unwrap().to_string_lossy().into_owned();
        let is_one_of_many =
            trial.observation.processes.iter().filter(|p| p.group == process.group).count() > 1;
        if is_one_of_many {
            story += "+";
        }
        for access in &process.accesses {
            let file = &trial.observation.files[access.file];
            if let Ok(path) = file.path.strip_prefix(&root) {
                let (read, written) = (access.read_us.is_some(), access.written_us.is_some());
                let sign = if access.was_executed {
                    "!"
                } else if written {
                    ">"
                } else {
                    "<"
                };
                let both = if read && written { "<" } else { "" };
                story += &format!(" {sign}{both}{}.{}", path.display(), access.version);
            }
        }
        story
    });
    stories.collect()
}

pub(super) fn check_stories(files: &[(&str, &str)], script: &str, expected: &[&str]) -> Trial {
    let trial = try_with(files, &["sh", "-c", script], &|_| {});
    let found = stories(&trial);
    // The shell comes first; some shells open the files of redirections themselves.
    let mut found: Vec<&str> = found.iter().skip(1).map(String::as_str).collect();
    let mut expected = expected.to_vec();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    trial.check_bytes();
    trial
}

#[test]
fn each_command_of_a_script_has_its_own_edges() {
    let script = "for i in 1 2; do cat in$i > out$i; done";
    check_stories(&[("in1", "one"), ("in2", "two")], script, &["cat <in1.0 >out1.0", "cat <in2.0 >out2.0"]);
}

#[test]
fn a_file_used_again_and_again_has_a_version_each_time() {
    let script = "for i in 1 2; do cat in$i > tmp; cat tmp > out$i; done";
    let expected = ["cat <in1.0 >tmp.0", "cat >out1.0 <tmp.0", "cat <in2.0 >tmp.1", "cat >out2.0 <tmp.1"];
    let trial = check_stories(&[("in1", "one"), ("in2", "two")], script, &expected);
    let tmp = trial.file("tmp");
    let digests: Vec<_> = tmp.versions.iter().map(|version| version.content.unwrap().digest).collect();
    assert_eq!(digests, [Digest::of(b"one"), Digest::of(b"two")]);
    assert_eq!(tmp.versions[0].evidence, Evidence::PreImage);
}

#[test]
fn the_commands_of_a_pipeline_are_one_step() {
    let script = "sed s/o/0/ a | sort -u > b; cat b > c";
    let expected = ["sed+ <a.0", "sort+ >b.0", "cat <b.0 >c.0"];
    check_stories(&[("a", "old\n")], script, &expected);
}

#[test]
fn a_named_pipe_joins_as_a_pipe_does() {
    let script = "mkfifo p; cat a > p & cat p > b; wait; rm p";
    let trial = try_with(&[("a", "old")], &["sh", "-c", script], &|_| {});
    let cats: Vec<usize> = trial
        .observation
        .processes
        .iter()
        .filter(|process| process.exe.ends_with("cat"))
        .map(|process| process.group)
        .collect();
    assert_eq!(cats.len(), 2);
    assert_eq!(cats[0], cats[1]);
    trial.expect("input a, output b");
}

#[test]
fn a_captured_command_is_one_step_with_who_captured_it() {
    let trial = try_with(&[("a", "old")], &["sh", "-c", "x=$(cat a); echo \"$x\" > b; cat b"], &|_| {});
    trial.expect("input a, intermediate b");
    let groups: Vec<usize> = trial.observation.processes.iter().map(|process| process.group).collect();
    assert_eq!(groups, [0, 0, 2]);
}

#[test]
fn what_the_run_made_is_known_by_its_last_name_whoever_gave_it_that() {
    let trial = check_stories(&[("a", "old")], "cp a tmp; mv tmp b", &["cp <a.0 >b.0", "mv >b.0 <tmp.0"]);
    trial.expect("input a, output b, temporary tmp");
    let (process, files) = (&trial.observation.processes[2], &trial.observation.files);
    let own = process.accesses.iter().filter(|access| files[access.file].path.starts_with(trial.root()));
    let own: Vec<bool> = own.map(|access| access.read() || access.wrote()).collect();
    assert_eq!(own, [false, false], "a move reads nothing and writes nothing");
    let script = "mkdir w; cp a w/x; cat w/x > w/y; mv w out; cat out/y > z";
    let expected = [
        "mkdir",
        "cp <a.0 >out/x.0",
        "cat <out/x.0 >out/y.0",
        "mv >out/x.0 >out/y.0 <w/x.0 <w/y.0",
        "cat <out/y.0 >z.0",
    ];
    check_stories(&[("a", "old")], script, &expected);
    let expected = ["cp <a.0 >x.0", "ln <t.0 >x.0", "rm", "cat >o.0 <x.0"];
    check_stories(&[("a", "old")], "cp a t; ln t x; rm t; cat x > o", &expected);
    let script = "for i in a b; do cat $i > t; mv t f; cat f > f$i; done";
    let expected = [
        "cat <a.0 >f.0",
        "mv >f.0 <t.0",
        "cat <f.0 >fa.0",
        "cat <b.0 >f.1",
        "mv >f.1 <t.1",
        "cat <f.1 >fb.0",
    ];
    check_stories(&[("a", "1"), ("b", "2")], script, &expected);
}

#[test]
fn who_only_sets_the_times_of_a_file_has_written_nothing() {
    let script = "cat a > x; touch x; cat x > y; touch x y a";
    let expected = ["cat <a.0 >x.0", "touch", "cat <x.0 >y.0", "touch"];
    let trial = check_stories(&[("a", "old")], script, &expected);
    trial.expect("input a, intermediate x, output y");
}

#[test]
fn a_script_and_its_interpreter_are_executed() {
    let script = "printf '#!/bin/sh\\ncat a > b\\n' > run; chmod +x run; ./run";
    let trial = try_with(&[("a", "old")], &["sh", "-c", script], &|_| {});
    trial.expect("input a, output b, intermediate run");
    let run = trial.observation.processes.iter().find(|process| process.exe.ends_with("run")).unwrap();
    let executed: Vec<&Path> = run
        .accesses
        .iter()
        .filter(|access| access.was_executed)
        .map(|access| trial.observation.files[access.file].path.as_path())
        .collect();
    assert!(executed.iter().any(|path| path.ends_with("run")));
    assert!(executed.contains(&std::fs::canonicalize("/bin/sh").unwrap().as_path()), "{executed:?}");
    assert_eq!(run.arguments, ["./run"]);
}

#[test]
fn a_program_that_replaces_itself_is_two_processes_with_one_number() {
    let trial = try_with(&[("a", "old")], &["sh", "-c", "exec cat a"], &|_| {});
    let processes = &trial.observation.processes;
    assert_eq!(processes.len(), 2);
    assert_eq!(processes[0].pid, processes[1].pid);
    assert_eq!(processes[1].parent, Some(0));
    assert_eq!(processes[1].exit_code, Some(0));
    assert!(processes[0].ended_us.is_some() && processes[0].exit_code.is_none());
    trial.expect("input a");
}

#[test]
fn a_program_may_be_executed_from_a_thread_or_a_descriptor() {
    check_program(&[("a", "old")], "execute_in_thread", "input a");
    check_program(&[("a", "old")], "execute_descriptor", "input a");
    check_program(&[("a", "old")], "vfork", "input a, output b");
}

#[test]
fn a_fork_without_a_program_acts_for_its_parent() {
    check_program(&[("a", "old")], "fork_only", "input a, output b");
    if programs().dynamic {
        let trial = try_with(&[("a", "old")], &["torture", "fork_only"], &|_| {});
        assert_eq!(stories(&trial), ["torture <a.0 >b.0"]);
    }
}

#[test]
fn a_daemon_that_outlives_the_command_is_watched_for_a_while() {
    check_program(&[("a", "old")], "daemon", "input a, output b");
}

#[test]
fn a_daemon_that_stays_is_named_and_lives_on() {
    let script = "sleep 600 > /dev/null 2>&1 & echo $! > pid";
    let trial = try_with(&[], &["sh", "-c", script], &|options| {
        options.linger = std::time::Duration::from_millis(1);
    });
    assert_eq!(trial.observation.gaps.len(), 1, "{:?}", trial.observation.gaps);
    assert!(trial.observation.gaps[0].text.contains("was still running"), "{:?}", trial.observation.gaps);
    let pid = std::fs::read_to_string(trial.root().join("pid")).unwrap();
    // Its calls are answered by the guardian now: it ends by the signal's default, not by a failed call.
    assert!(Command::new("kill").arg(pid.trim()).status().unwrap().success());
}

#[test]
fn what_a_killed_process_wrote_is_there() {
    if programs().dynamic {
        let trial = try_with(&[], &["torture", "killed"], &|_| {});
        assert_eq!(trial.observation.exit, Exit::Signal { number: 9, dumped_core: false });
        trial.expect("output b");
    }
}

#[test]
fn environment_tricks_hide_nothing() {
    check(&[("a", "old")], "env -i /bin/cat a > b; LD_PRELOAD= cp b c", "input a, intermediate b, output c");
}

#[test]
fn redirections_of_a_group_belong_to_its_members() {
    let trial = try_with(&[("a", "1"), ("c", "2")], &["sh", "-c", "{ cat a; cat c; } > b"], &|_| {});
    trial.expect("input a, output b, input c");
    let writers = trial.observation.processes.iter().filter(|process| {
        process.accesses.iter().any(|access| {
            access.written_us.is_some() && trial.observation.files[access.file].path.ends_with("b")
        })
    });
    assert!(writers.filter(|process| process.exe.ends_with("cat")).count() == 2);
}

#[test]
fn processes_that_fight_over_a_name_lose_nothing() {
    let one = "i=0; while [ $i -lt 150 ]; do echo $i > t$$; mv -f t$$ x; rm -f x; i=$((i+1)); done";
    let script = format!("sh -c '{one}' & sh -c '{one}' & wait; echo end > x; cp x y");
    let trial = try_with(&[], &["sh", "-c", &script], &|_| {});
    assert!(
        !trial.observation.gaps.iter().any(|gap| gap.text.contains("fault")),
        "{:?}",
        trial.observation.gaps
    );
    let last: Vec<String> = stories(&trial).into_iter().rev().take(4).collect();
    assert_eq!(trial.file("x").class, Class::Intermediate, "{last:?} {}", stories(&trial)[0]);
    assert_eq!(trial.file("y").class, Class::Output);
    trial.check_bytes();
}

/// Whether a child of a process can be waited for is a matter of the whole process: this test starts itself in one of its own.
#[test]
fn an_end_that_somebody_else_has_asked_for_is_not_success() {
    const ALONE: &str = "LINEAGE_TEST_ALONE";
    let name = "capture::observe::torture::processes::an_end_that_somebody_else_has_asked_for_is_not_success";
    if std::env::var_os(ALONE).is_none() {
        let mut alone = Command::new(std::env::current_exe().unwrap());
        let output = alone.args(["--exact", name, "--nocapture"]).env(ALONE, "1").output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && printed.contains("1 passed"), "{output:?}");
        return;
    }
    // SAFETY: plain numbers; nothing else in this process starts a child.
    #[expect(unsafe_code, reason = "the standard library cannot ignore a signal")]
    unsafe {
        libc::signal(libc::SIGCHLD, libc::SIG_IGN)
    };
    let program = Path::new("/bin/sh").into();
    let mut options = Options::new(vec![program, "-c".into(), "exit 3".into()], "/".into(), &now);
    options.environment = std::env::vars_os().collect();
    options.forward_signals = false;
    let observation = observe(&options, &mut |_, _, _| {}).unwrap();
    assert_eq!(observation.exit, Exit::Unknown);
    let unknown = |gap: &&super::super::Gap| gap.text == "how the command ended could not be learned";
    assert_eq!(observation.gaps.iter().filter(unknown).count(), 1, "{:?}", observation.gaps);
}
