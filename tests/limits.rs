//! Little room, closed streams, no folder, a clock that is wrong: the command's exit code and files are what they would be
//! without a record.
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use common::machine::{Lack, skipped};
use common::{Answer, Place};

/// Runs a script of the shell in which `$L` is the program, with the environment that the program has elsewhere.
fn shell(place: &Place, script: &str) -> Answer {
    let script = format!("export L='{}'; {script}", place.command(&[]).get_program().display());
    place.run_there(Command::new("bash").args(["-c", &script]))
}

#[test]
fn a_small_stack_or_file_size_limit_leaves_the_command_its_exit_code() {
    let place = Place::empty();
    place.write("a", b"a\n");
    for limit in ["ulimit -s 64", "ulimit -s 200", "ulimit -f 64", "ulimit -f 1"] {
        let answer = shell(&place, &format!("{limit}; $L run -- sh -c 'cat a > o; exit 4'"));
        assert_eq!(answer.code, 4, "{limit}: {answer:?}");
        assert_eq!(place.read("o"), b"a\n", "{limit}");
        fs::remove_file(place.at("o")).unwrap();
    }
    assert_eq!(place.runs().len(), 4, "where there is room for a run, it is recorded");
    // The command is ended by its own limit as it would be.
    let own = "trap - XFSZ; ulimit -f 1; dd if=/dev/zero of=big bs=4096 count=4 2>/dev/null";
    let bare = shell(&place, &format!("sh -c '{own}'; echo $?"));
    let recorded = shell(&place, &format!("$L run -q -- sh -c '{own}'; echo $?"));
    assert_eq!(recorded.stdout, bare.stdout);
}

/// Waits until no process is left that has `word` in its command line.
fn wait_until_none_has(word: &str) {
    let has_it = |entry: std::io::Result<fs::DirEntry>| {
        let line = fs::read(entry.unwrap().path().join("cmdline")).unwrap_or_default();
        line.windows(word.len()).any(|part| part == word.as_bytes())
    };
    let begun = Instant::now();
    while fs::read_dir("/proc").unwrap().any(has_it) {
        assert!(begun.elapsed() < Duration::from_secs(60), "a process is left");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn where_few_files_may_be_open_no_process_is_left_that_waits_for_its_start() {
    let place = Place::empty();
    place.ok(&["init"]);
    let word = place.root().display().to_string();
    for limit in 4..=16 {
        // Such a process would hold our end of its output open, too.
        let script = format!("ulimit -n {limit}; $L run -q -- sh -c 'exit 3' {word}/ >/dev/null 2>&1");
        let answer = shell(&place, &script);
        assert!([3, 125].contains(&answer.code), "{limit}: {answer:?}");
    }
    wait_until_none_has(&format!("{word}/"));
    // Who waits to be started holds the segment of its run.
    place.ok(&["gc", "--apply"]);
}

#[test]
fn what_a_command_puts_in_the_place_of_its_metrics_file_is_not_waited_for() {
    let place = Place::empty();
    place.ok(&["init"]);
    for put in ["mkfifo", "ln -s /dev/zero", "mkdir"] {
        let answer = place.run(&["run", "--", "sh", "-c", &format!("{put} \"$LINEAGE_METRICS\"; exit 5")]);
        assert_eq!(answer.code, 5, "{put}: {answer:?}");
        assert!(answer.stderr.contains("it was no regular file"), "{put}: {answer:?}");
    }
}

#[test]
fn a_command_goes_on_when_the_program_is_killed_with_a_call_in_hand() {
    let place = Place::empty();
    place.ok(&["init"]);
    let script = "i=0; while [ $i -lt 1500 ]; do : > x; : > y; i=$((i+1)); done; : > done";
    for number in 0..12 {
        let _ = (fs::remove_file(place.at("x")), fs::remove_file(place.at("done")));
        let mut running = place.command(&["run", "-q", "--", "sh", "-c", script]).spawn().unwrap();
        while !place.at("x").exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(number * 1_700));
        running.kill().unwrap();
        running.wait().unwrap();
        let begun = Instant::now();
        while !place.at("done").exists() {
            assert!(begun.elapsed() < Duration::from_secs(60), "the command hangs, {number}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

#[test]
fn signals_that_are_ignored_stay_so_and_others_end_the_command() {
    let place = Place::empty();
    for trap in ["", "trap '' PIPE;", "trap '' XFSZ;", "trap '' PIPE XFSZ;"] {
        let ignored = "grep SigIgn /proc/self/status";
        let bare = shell(&place, &format!("{trap} {ignored}"));
        let recorded = shell(&place, &format!("{trap} $L run -q -- {ignored}"));
        assert_eq!(recorded.stdout, bare.stdout, "{trap}");
        let unrecorded =
            format!("{trap} mkdir gone; cd gone; rmdir ../gone; $L run -q --best-effort -- {ignored}");
        assert_eq!(shell(&place, &unrecorded).stdout, bare.stdout, "{trap}");
    }
}

#[test]
fn closed_standard_streams_are_closed_for_the_command_as_well() {
    let place = Place::empty();
    for (closed, command) in [
        ("<&-", "cat"),
        (">&-", "sh -c 'echo x; exit $?'"),
        ("<&- >&-", "sh -c 'echo x && exit 5'"),
        ("<&- >&- 2>&-", "sh -c 'echo x 2>/dev/null && exit 5; exit 6'"),
        ("</dev/null", "cat"),
        ("<>/dev/null", "sh -c 'echo x >&0 && exit 7'"),
    ] {
        let bare = shell(&place, &format!("{command} {closed}"));
        let recorded = shell(&place, &format!("$L run -q -- {command} {closed}"));
        assert_eq!(recorded.code, bare.code, "{command} {closed}: {recorded:?}");
        assert_eq!(recorded.stderr, bare.stderr, "{command} {closed}");
    }
    assert_eq!(place.runs().len(), 6);
}

#[test]
fn in_a_folder_that_is_gone_nothing_is_recorded_and_only_best_effort_runs() {
    let place = Place::empty();
    let gone = "mkdir gone; cd gone; rmdir ../gone;";
    let answer = shell(&place, &format!("{gone} $L run -- sh -c 'exit 4'"));
    assert_eq!(answer.code, 125, "{answer:?}");
    let answer = shell(&place, &format!("{gone} $L run --best-effort -- sh -c 'exit 4'"));
    assert_eq!(answer.code, 4, "{answer:?}");
    assert!(answer.stderr.contains("nothing is recorded: cannot tell the current folder"), "{answer:?}");
    assert_eq!(shell(&place, &format!("{gone} $L log")).code, 2);
}

#[test]
fn a_clock_that_stands_elsewhere_is_told_and_its_runs_can_be_read() {
    let place = Place::empty();
    let at = |micros: i64, arguments: &str| {
        shell(&place, &format!("export LINEAGE_CLOCK_US={micros}; $L run -- {arguments}"))
    };
    // Before 1970, beyond the year 9999, in 2153, and then in 2025 again.
    for (micros, code) in [(-5_000_000_000, 4), (253_402_300_800_000_000, 5), (5_775_000_000_000_000, 6)] {
        assert_eq!(at(micros, &format!("sh -c 'exit {code}'")).code, code);
    }
    let late = at(1_765_561_338_000_000, "sh -c 'exit 7'");
    assert_eq!(late.code, 7);
    assert!(
        late.stderr.contains("clock said 2025-12-12 17:42:18 UTC, and there is a record of 2153-"),
        "{late:?}"
    );
    let runs = place.runs();
    assert_eq!(runs.len(), 4);
    assert!(place.ok(&["show", "@"]).stdout.contains("the machine's clock said 2025-12-12"));
    assert_eq!(place.run(&["verify"]).code, 0);
}

#[test]
fn a_log_of_the_command_with_our_own_words_in_it_stays_as_it_was_recorded() {
    let place = Place::empty();
    place.ok(&["init"]);
    let answer = shell(&place, "$L run -- sh -c 'echo out; echo err >&2; exit 3' > log.txt 2>&1");
    assert_eq!(answer.code, 3);
    assert_eq!(place.read("log.txt"), b"out\nerr\n");
    let answer = place.ok(&["status"]);
    assert!(answer.stdout.contains("all as recorded"), "{answer:?}");
    assert!(place.ok(&["show", "log.txt"]).stdout.contains("unchanged since"));
    // What is no output of the command takes our words as ever.
    shell(&place, "$L run -- true 2>&1 | cat > words.txt");
    assert!(place.read("words.txt").starts_with(b"lineage: run "));
}

#[test]
fn a_name_of_a_run_is_checked_before_anything_is_run() {
    let place = Place::empty();
    let long = "x".repeat(5000);
    for name in ["../../x", "", "two\nlines", long.as_str()] {
        let (code, message) = place.refused(&["run", "--name", name, "--", "touch", "o"]);
        assert!(code == 2 && message.contains("cannot be the name of a run"), "{message}");
    }
    assert!(!place.at("o").exists());
    place.ok(&["run", "--name", "train (lr 0.1)", "--", "true"]);
}

#[test]
fn a_configuration_that_is_not_understood_keeps_nothing_and_so_no_command_is_run() {
    let place = Place::empty();
    place.ok(&["init"]);
    place.write(".lineage/config.toml", b"keep = {\nfoo=\n");
    let (code, told) = place.refused(&["run", "-q", "--", "sh", "-c", "echo x > o"]);
    assert_eq!(code, 125, "{told}");
    assert!(told.contains("cannot use the configuration"), "{told}");
    assert!(!told.contains("\\n") && told.contains("line 2, column 5"), "{told}");
    assert!(!place.at("o").exists() && place.json(&["log"])["runs"].as_array().unwrap().is_empty());
    place.ok(&["run", "--best-effort", "--", "sh", "-c", "echo x > o"]);
    assert!(place.at("o").exists(), "it runs, unrecorded");
}

#[test]
fn a_limit_of_processes_leaves_the_command_its_exit_code_and_the_run_its_record() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::empty();
    fs::set_permissions(place.root(), fs::Permissions::from_mode(0o777)).unwrap();
    // For root there is no such limit; of somebody with no process, three may run: the program, its guardian and the command.
    let ask = Command::new("setpriv").args(["--reuid=64999", "--clear-groups", "true"]).output();
    if !ask.is_ok_and(|output| output.status.success()) {
        skipped(Lack::User, "processes cannot be run as somebody else");
        return;
    }
    let write = "for i in 1 2 3 4 5 6; do echo $i > o$i; done; exit 4";
    let limited = "ulimit -u 4; exec $L run -- sh -c \"$0\"";
    let script = format!("exec setpriv --reuid=64999 --clear-groups bash -c '{limited}' '{write}'");
    let copy = place.root().join("program");
    // Copied by another process: what another test forks meanwhile would have the copy open for writing.
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_lineage")).arg(&copy).status();
    assert!(copied.unwrap().success());
    let answer = shell(&place, &format!("L={}; {script}", copy.display()));
    assert_eq!(answer.code, 4, "{answer:?}");
    assert!(answer.stderr.contains("6 outputs") && !answer.stderr.contains("fault"), "{answer:?}");
    // Everybody may write here, and somebody else has made the workspace: whoever looks into it knows them.
    let show = place.command(&["show", "o6"]).env("LINEAGE_TRUST", place.root()).output().unwrap();
    let shown = String::from_utf8(show.stdout).unwrap();
    assert_eq!(shown.lines().filter(|line| line.contains("observed")).count(), 1, "{shown}");
}
