//! Where files came from, end to end: what observed commands wrote, and what `show` and `status` then say.

#[allow(dead_code)]
#[path = "common/machine.rs"]
mod machine;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use machine::{Lack, skipped};

struct Scratch {
    folder: tempfile::TempDir,
}

impl Scratch {
    fn new(files: &[(&str, &str)]) -> Self {
        let scratch = Scratch { folder: tempfile::tempdir().unwrap() };
        for (name, text) in files {
            scratch.write(name, text);
        }
        assert!(scratch.lineage(&["init"]).status.success());
        scratch
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.path()).env_clear();
        command.env("PATH", std::env::var("PATH").unwrap()).env("HOME", self.path());
        command.env("LINEAGE", env!("CARGO_BIN_EXE_lineage")).output().unwrap()
    }

    fn lineage(&self, arguments: &[&str]) -> Output {
        self.command(env!("CARGO_BIN_EXE_lineage"), arguments)
    }

    /// Runs a line of a shell outside of any recording; `$LINEAGE` is the program.
    fn shell(&self, line: &str) {
        let output = self.command("sh", &["-c", line]);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn text(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.lineage(arguments).stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.text(arguments)).unwrap()
    }

    /// Returns the paths of the sources of a file.
    fn sources(&self, file: &str) -> Vec<String> {
        paths(&self.json(&["show", file, "--json"])["sources"])
    }

    /// Returns the paths in one list of `lineage status`.
    fn status(&self, list: &str) -> Vec<String> {
        paths(&self.json(&["status", "--json"])[list])
    }

    /// Returns true where the machine lets commands be observed; the run itself says so.
    fn has_net(&self) -> bool {
        let output = self.lineage(&["run", "--", "true"]);
        let seen = !String::from_utf8_lossy(&output.stderr).contains("inferred from before and after");
        if !seen {
            skipped(Lack::Net, "commands cannot be observed on this machine");
        }
        seen
    }
}

fn paths(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect()
}

/// A line that nobody writes twice by chance: few bytes tell nothing of where they come from.
const LINE: &str = "so many words in one line that no other line has them all by chance\n";

/// Lists the outputs in which the latest repetition differs from the latest run.
fn differing_from_repetition(scratch: &Scratch) -> serde_json::Value {
    let latest = scratch.json(&["log", "--json"])["runs"][0].clone();
    assert!(!latest["rerun_of"].is_null(), "{latest}");
    scratch.json(&["diff", "@", latest["id"].as_str().unwrap(), "--json"])["outputs"]["differing"].clone()
}

#[test]
fn what_a_wrapper_and_its_program_wrote_together_has_the_inputs_of_both() {
    let scratch = Scratch::new(&[("a", "a\n"), ("b", "b\n"), ("in/1", "1\n"), ("in/2", "2\n")]);
    if !scratch.has_net() {
        return;
    }
    for (line, sources) in [
        ("\"$LINEAGE\" run -- sh -c 'cat a; true' > o", vec!["a"]),
        ("\"$LINEAGE\" run -- timeout 5 cat a > o1", vec!["a"]),
        ("\"$LINEAGE\" run -- sh -c 'timeout 5 cat a > o2'", vec!["a"]),
        ("\"$LINEAGE\" run -- sh -c 'find in -type f | xargs cat > o3'", vec!["in/1", "in/2"]),
        ("\"$LINEAGE\" run -- sh -c 'find in -type f -exec cat {} \\; > o4'", vec!["in/1", "in/2"]),
    ] {
        scratch.shell(line);
        let output = line.split("> ").last().unwrap().trim_end_matches('\'');
        assert_eq!(scratch.sources(output), sources, "{line}");
        for source in sources {
            let down = scratch.text(&["show", source, "--down", "--files"]);
            assert!(down.lines().any(|path| path == output), "{line}: {source} leads to\n{down}");
        }
    }
    // Both write here; which of them is seen to end first is chance.
    scratch.shell("\"$LINEAGE\" run -- sh -c '{ echo head; cat a; echo tail; } > o5'");
    assert_eq!(scratch.sources("o5"), ["a"]);
    let steps = scratch.json(&["show", "o5", "--json"])["written"]["steps"].clone();
    let steps: Vec<&str> = steps.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(steps.len() == 2 && steps.contains(&"cat"), "{steps:?}");
    scratch.write("in/1", "other\n");
    assert_eq!(scratch.status("stale"), ["o3", "o4"]);
    scratch.write("a", "other\n");
    assert_eq!(scratch.status("stale"), ["o", "o1", "o2", "o3", "o4", "o5"]);
}

#[test]
fn a_second_output_of_one_command_leaves_the_first_to_become_stale() {
    let scratch = Scratch::new(&[("a", "a\n"), ("copy.sh", "cat a > \"$O\"\n")]);
    if !scratch.has_net() {
        return;
    }
    for output in ["m1", "m2"] {
        scratch.shell(&format!("O={output} \"$LINEAGE\" run -- sh copy.sh"));
    }
    assert!(scratch.lineage(&["register", "mm", "1.0.0", "--artifact", "model=m1"]).status.success());
    assert_eq!(scratch.status("stale"), [""; 0]);
    scratch.write("a", "other\n");
    assert_eq!(scratch.status("stale"), ["m1", "m2"]);
}

#[test]
fn a_repetition_changes_no_answer_on_the_files_of_the_workspace() {
    let scratch = Scratch::new(&[("raw", "one\n")]);
    if !scratch.has_net() {
        return;
    }
    scratch.shell("\"$LINEAGE\" run -- sh -c 'cat raw > mid'");
    scratch.write("raw", LINE);
    scratch.shell("\"$LINEAGE\" run -- sh -c 'cat raw > mid'");
    assert!(scratch.lineage(&["rerun", "@-"]).status.success());
    let status = scratch.lineage(&["status"]);
    assert_eq!(status.status.code(), Some(0), "{}", String::from_utf8_lossy(&status.stdout));
    // What is moved away comes from what was written here, not from a copy that is gone.
    assert!(scratch.lineage(&["rerun", "@"]).status.success());
    scratch.shell("mv mid prod && \"$LINEAGE\" run -- sh -c 'cat prod > end'");
    let shown = scratch.text(&["show", "end"]);
    assert!(shown.contains("copied or moved from mid of run "), "{shown}");
}

#[test]
fn what_was_made_from_what_changed_while_it_was_read_is_not_called_as_recorded() {
    let scratch = Scratch::new(&[("in", "one\n")]);
    if !scratch.has_net() {
        return;
    }
    // The shell that changes the file is none of the run's; the run waits for it, by a pipe.
    scratch.shell(
        "mkfifo on off; \"$LINEAGE\" run -- sh -c 'cat in > o; echo > on; read line < off' & \
         read line < on; echo two >> in; echo > off; wait",
    );
    assert!(scratch.text(&["show", "o"]).contains("changed while read"), "{}", scratch.text(&["show", "o"]));
    assert_eq!(scratch.status("doubtful"), ["o"]);
    let status = scratch.lineage(&["status"]);
    let text = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(text.contains("in was changed while it was read") && !text.contains("all as recorded"), "{text}");
    assert_eq!(status.status.code(), Some(1));
}

#[test]
fn what_somebody_wrote_over_while_the_run_went_on_is_a_doubt_and_a_gap() {
    let scratch = Scratch::new(&[("in", "one\n")]);
    if !scratch.has_net() {
        return;
    }
    scratch.shell(
        "mkfifo on off; \"$LINEAGE\" run -- sh -c 'sort in > o; echo > on; read line < off' & \
         read line < on; echo 'by hand, and longer' > o; echo > off; wait",
    );
    assert_eq!(scratch.status("doubtful"), ["o"]);
    let status = String::from_utf8_lossy(&scratch.lineage(&["status", "o"]).stdout).into_owned();
    assert!(
        status.contains("somebody wrote over what run ") && !status.contains("all as recorded"),
        "{status}"
    );
    let shown = scratch.text(&["show", "o"]);
    assert!(shown.contains("1 source, 1 gap") && shown.contains("gap: o was found with blake3:"), "{shown}");
    assert!(shown.contains("but what it wrote is not recorded\n"), "{shown}");
    assert_eq!(scratch.json(&["show", "o", "--json"])["totals"]["gaps"], 1);
    // Made anew, it is as recorded.
    scratch.shell("\"$LINEAGE\" run -q -- sh -c 'sort in > o'");
    assert_eq!(scratch.status("doubtful"), Vec::<String>::new());
}

#[test]
fn two_runs_at_once_that_claim_one_version_are_both_named() {
    let scratch = Scratch::new(&[("f", "f\n"), ("g", "g\n")]);
    if !scratch.has_net() {
        return;
    }
    // The first run waits, by a pipe, until the second has written over its output, which it has open all the while.
    scratch.shell(
        "mkfifo on off; \"$LINEAGE\" run -- sh -c '{ cat f; echo > on; read line < off; } > latest' & \
         read line < on; \"$LINEAGE\" run -- sh -c 'cat g > latest'; echo > off; wait",
    );
    let written = scratch.json(&["show", "latest", "--json"])["written"].clone();
    assert_eq!(written["also_written_by"].as_array().unwrap().len(), 1, "{written}");
    assert_eq!(scratch.status("doubtful"), ["latest"]);
}

#[test]
fn a_lock_that_two_runs_have_open_at_once_is_no_doubt() {
    let scratch = Scratch::new(&[]);
    if !scratch.has_net() {
        return;
    }
    let both = |script: &str| {
        scratch
            .shell(&format!("for i in 1 2; do \"$LINEAGE\" run -- sh -c '{script}; sleep 0.5' & done; wait"));
    };
    both("exec 9> x.lock");
    assert_eq!(scratch.status("doubtful"), [""; 0]);
    both("exec 9> x.lock; echo one >&9");
    assert_eq!(scratch.status("doubtful"), ["x.lock"]);
}

#[test]
fn an_interrupted_run_is_listed_until_the_same_command_was_run_again() {
    let scratch = Scratch::new(&[]);
    if !scratch.has_net() {
        return;
    }
    let interrupted = || scratch.json(&["status", "--json"])["interrupted_runs"].as_array().unwrap().len();
    scratch.shell("\"$LINEAGE\" run -- sh -c 'kill -TERM $$' || true");
    let status = scratch.text(&["status"]);
    assert!(status.contains("ended by signal 15 at ") && !status.contains("no end"), "{status}");
    // The program is the same, and so is the name that it gives the run; the command is another.
    scratch.shell("\"$LINEAGE\" run -- sh -c true");
    assert_eq!(interrupted(), 1);
    scratch.shell("touch done; \"$LINEAGE\" run -- sh -c 'test -e done || kill -TERM $$'");
    assert_eq!(interrupted(), 1);
    scratch.shell("\"$LINEAGE\" run -- sh -c 'test -e killed || { echo > killed; kill -9 $PPID; }' || true");
    assert_eq!(interrupted(), 2);
    let shown = scratch.text(&["show", "@"]);
    assert!(shown.contains("files    not known"), "{shown}");
    scratch.shell("\"$LINEAGE\" run -- sh -c 'test -e killed || { echo > killed; kill -9 $PPID; }'");
    assert_eq!(interrupted(), 1);
    // Where a script came to its end with other words, nobody knows whether the ones before are still wanted.
    scratch.write("t.sh", "test $1 = 2 || kill -TERM $$\n");
    scratch.shell("\"$LINEAGE\" run -- sh t.sh 1 || true");
    assert_eq!(interrupted(), 2);
    scratch.shell("\"$LINEAGE\" run -- env X=1 sh t.sh 2");
    assert_eq!(interrupted(), 1);
    assert_eq!(scratch.json(&["status", "--json"])["totals"]["interrupted_before"], 1);
}

#[test]
fn what_several_steps_were_told_is_written_once() {
    let files = ["a", "b", "c", "d1", "d2", "d3"];
    let scratch = Scratch::new(&files.map(|file| (file, file)));
    if !scratch.has_net() {
        return;
    }
    let script =
        "read x < a; read y < b; read z < c; for i in 1 2 3; do cat d$i > o$i; done; cat o1 o2 o3 > all";
    scratch.shell(&format!("\"$LINEAGE\" run -- sh -c '{script}'"));
    let way = scratch.text(&["show", "all"]);
    let rows: Vec<&str> = way.lines().filter(|line| line.starts_with(['├', '└'])).collect();
    let with = |word: &str| rows.iter().filter(|row| row.contains(word)).count();
    assert_eq!(
        [" a ", " b ", " c ", "3 files told, below", "told to 4 steps"].map(with),
        [1, 1, 1, 4, 1],
        "{way}"
    );
    assert_eq!([" d1 ", " d2 ", " o3 "].map(with), [1; 3], "{way}");
    assert_eq!(scratch.json(&["show", "all", "--json"])["totals"]["inferred"], 12, "{way}");
    // Two lines more are no trouble.
    scratch.shell("\"$LINEAGE\" run -- sh -c 'read x < a; cat d1 > p1; cat p1 d2 > p2'");
    assert!(!scratch.text(&["show", "p2"]).contains("told"));
}

#[test]
fn a_link_to_a_folder_is_compared_as_the_link_that_it_is() {
    let scratch = Scratch::new(&[("v1/x", "1\n"), ("v2/x", "2\n")]);
    if !scratch.has_net() {
        return;
    }
    scratch.shell("ln -s v1 data; \"$LINEAGE\" run -- sh -c 'cat data/x > o; ln -s v1 out'");
    assert_eq!(scratch.lineage(&["status"]).status.code(), Some(0), "{}", scratch.text(&["status"]));
    assert!(scratch.text(&["show", "out"]).contains("written "));
    scratch.shell("ln -sfn v2 out");
    assert_eq!(scratch.status("changed"), ["out"]);
    assert_eq!(scratch.sources("o"), ["data", "v1/x"]);
    assert_eq!(scratch.status("stale"), [""; 0]);
    // What was made through it is stale when it leads elsewhere, and no more when it leads back.
    scratch.shell("ln -sfn v1 out; ln -sfn v2 data");
    assert_eq!(scratch.status("changed"), ["data"]);
    assert_eq!(scratch.status("stale"), ["o"]);
    assert!(scratch.text(&["status"]).contains("leads to v2 now"), "{}", scratch.text(&["status"]));
    scratch.shell("ln -sfn v1 data");
    assert_eq!(scratch.lineage(&["status"]).status.code(), Some(0), "{}", scratch.text(&["status"]));
}

#[test]
fn a_link_to_a_file_is_compared_as_the_link_that_it_is() {
    let scratch = Scratch::new(&[("v/1", "1\n"), ("v/2", "2\n")]);
    if !scratch.has_net() {
        return;
    }
    scratch.shell("\"$LINEAGE\" run -- sh -c 'ln -s v/1 latest'; \"$LINEAGE\" run -- sh -c 'cat latest > o'");
    assert_eq!(scratch.lineage(&["status"]).status.code(), Some(0), "{}", scratch.text(&["status"]));
    assert!(
        scratch.text(&["show", "latest"]).contains("by ln of run"),
        "{}",
        scratch.text(&["show", "latest"])
    );
    assert_eq!(scratch.sources("o"), ["v/1"]);
    assert_eq!(scratch.json(&["show", "o", "--json"])["runs"].as_array().unwrap().len(), 2);
    // A repetition has the link, too.
    assert!(scratch.lineage(&["rerun", "@"]).status.success());
    assert_eq!(differing_from_repetition(&scratch), serde_json::json!([]));
    // Who asks for a link that was only read through asks for what it leads to.
    scratch.shell("mkdir m; \"$LINEAGE\" run -- sh -c 'cat v/1 > m/one'; ln -s m/one mine; ln -s m made");
    scratch.shell("\"$LINEAGE\" run -- sh -c 'cat mine made/one > p'");
    assert_eq!(scratch.sources("p"), ["made", "mine", "v/1"]);
    assert!(scratch.text(&["show", "mine"]).starts_with("m/one\n"), "{}", scratch.text(&["show", "mine"]));
    assert!(
        scratch.text(&["show", "made"]).contains("cat v/1 > m/one"),
        "{}",
        scratch.text(&["show", "made"])
    );
    scratch.shell("ln -sf v/2 latest");
    assert_eq!(scratch.status("changed"), ["latest"]);
    assert_eq!(scratch.status("stale"), ["o"]);
}

#[test]
fn a_bound_says_what_it_left_out() {
    let scratch = Scratch::new(&[("a", "a\n")]);
    if !scratch.has_net() {
        return;
    }
    scratch.shell("\"$LINEAGE\" run -- sh -c 'cat a > o'");
    let shown = scratch.text(&["show", "o", "--depth", "0"]);
    assert!(shown.contains("cut: 1 file") && !shown.contains("nothing recorded made it"), "{shown}");
    for format in ["dot", "mermaid"] {
        let picture = scratch.text(&["show", "o", "--depth", "0", "--format", format]);
        assert!(picture.contains("cut: 1 file at the bound of --depth"), "{picture}");
    }
    let digest = scratch.json(&["show", "o", "--json"])["artifact"]["digest"].as_str().unwrap().to_owned();
    assert!(scratch.text(&["show", &digest]).contains("also at  a\n"));
}

#[test]
fn what_was_written_over_before_anybody_knew_its_bytes_leads_on_with_a_gap() {
    let scratch = Scratch::new(&[("d", "1\n"), ("table", "")]);
    if !scratch.has_net() {
        return;
    }
    // None of them ends before all have added their rows.
    scratch.shell(
        "for j in 1 2 3; do \"$LINEAGE\" run -q --name j$j -- sh -c \
         \"cat d >> table; echo > t$j; until [ -e all ]; do sleep 0.02; done\" & \
         until [ -e t$j ]; do sleep 0.02; done; done; echo > all; wait; \"$LINEAGE\" run -q -- sort table -o rep",
    );
    let shown = scratch.json(&["show", "rep", "--json"]);
    let mut runs: Vec<&str> =
        shown["runs"].as_array().unwrap().iter().map(|run| run["name"].as_str().unwrap()).collect();
    runs.sort_unstable();
    assert_eq!(runs, ["j1", "j2", "j3", "sort"]);
    assert_eq!(shown["gaps"].as_array().unwrap().len(), 2, "{shown:#}");
    assert_eq!(scratch.sources("rep"), ["d"]);
    assert_eq!(scratch.status("stale"), [""; 0]);
    let question =
        |words: &str| scratch.json(&["log", "-w", words, "--json"])["runs"].as_array().unwrap().len();
    assert_eq!(question("generated(\"table\")"), 3);
}

#[test]
fn of_a_run_that_was_not_observed_it_is_not_said_that_it_read_nothing() {
    let scratch = Scratch::new(&[("a", "a\n")]);
    if !scratch.has_net() {
        return;
    }
    // Whoever has lost the observer around it compares the files before and after.
    scratch.shell(
        "mkfifo ended; \"$LINEAGE\" run -q -- sh -c \
         'P=$PPID; \"$LINEAGE\" run -q -- sh -c \"kill -9 $P; cp a o\"; echo > ended' & cat ended; rm ended",
    );
    let shown = scratch.text(&["show", "o"]);
    assert!(shown.contains("what it read is not known"), "{shown}");
    assert!(shown.contains("no gaps, but of 1 run it is not known what was read"), "{shown}");
    assert_eq!(scratch.sources("o"), [""; 0]);
    assert_eq!(scratch.status("doubtful"), [""; 0]);
}

#[test]
fn code_is_held_against_the_commit_that_the_run_began_with() {
    let scratch = Scratch::new(&[("code.sh", "echo one\n")]);
    let git = "git -c user.name=a -c user.email=a@example.org";
    if !scratch.has_net() || !scratch.command("git", &["init", "-q", "-b", "main"]).status.success() {
        return;
    }
    scratch.shell(&format!("git add code.sh; {git} commit -qm one"));
    let words = |file: &str| {
        let text = scratch.text(&["show", file]);
        let line =
            text.lines().find(|line| line.contains("─") && line.contains("  code.sh ")).map(str::to_owned);
        line.unwrap_or_else(|| panic!("{file}: {text}"))
    };
    // Committed while the run went on: what was read is in the second commit only.
    scratch.write("code.sh", "echo two\n");
    scratch.shell(&format!("\"$LINEAGE\" run -q -- sh -c 'sh code.sh > o; {git} commit -qam two'"));
    assert!(words("o").contains("differs from git at"), "{}", words("o"));
    // Changed after it was read: what was read is in the commit, whatever lies there now.
    scratch.shell("\"$LINEAGE\" run -q -- sh -c 'sh code.sh > p; echo echo three > code.sh'");
    assert!(words("p").contains("in git at"), "{}", words("p"));
    // Another commit was checked out meanwhile.
    scratch.shell("git checkout -q code.sh; git tag two; git checkout -q HEAD~");
    scratch
        .shell("\"$LINEAGE\" run -q -- sh -c 'git checkout -q two; sh code.sh > q; git checkout -q main~'");
    assert!(!words("q").contains("in git at"), "{}", words("q"));
}

/// Returns the lines of an answer that name a file, without those of commands.
fn lines_of<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let lines = text.lines().map(|line| line.trim_start_matches(['│', '├', '└', '─', ' ']));
    lines.filter(|line| line.contains(name) && !line.contains("sh -c")).collect()
}

#[test]
fn what_was_read_in_one_folder_stands_in_one_line_only_where_the_same_is_to_be_said_of_it() {
    let scratch = Scratch::new(&[]);
    if !scratch.has_net() {
        return;
    }
    scratch.shell(
        "mkdir in; $LINEAGE run -q -- sh -c 'echo 1 > in/1'; for i in 2 3 4 5 6 7; do echo $i > in/$i; done",
    );
    scratch.shell("$LINEAGE run -q -- sh -c 'cat in/* > o'");
    let lines = |text: &str| -> Vec<String> {
        let lines = lines_of(text, "in/").into_iter().filter(|line| !line.starts_with("command"));
        lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    let before = lines(&scratch.text(&["show", "o"]));
    assert!(before[0].contains("in/1 observed of run "), "{before:?}");
    assert_eq!(before[1..], ["6 files in in/ observed source, kept"]);
    scratch.shell("echo x > in/3; rm in/4");
    let after = lines(&scratch.text(&["show", "o"]));
    let rest = ["in/2", "in/3", "in/4", "in/5", "in/6", "in/7"].map(|file| {
        let state = match file {
            "in/3" => ", changed since",
            "in/4" => ", gone since",
            _ => "",
        };
        format!("{file} observed source{state}, kept")
    });
    assert_eq!(after[1..], rest);
    let run = scratch.text(&["show", "@"]);
    assert_eq!(
        lines(&run)[..3],
        ["5 files in in/, kept", "in/3, changed since, kept", "in/4, gone since, kept"],
        "{run}"
    );
}

#[test]
fn code_that_differs_from_git_is_not_in_one_line_with_code_that_does_not() {
    let scratch = Scratch::new(&[]);
    if !scratch.has_net() || !scratch.command("git", &["init", "-q", "-b", "main"]).status.success() {
        return;
    }
    scratch.shell("mkdir src; for i in 1 2 3 4 5 6; do echo \"x$i=$i\" > src/m$i.sh; done");
    scratch.shell("git add src; git -c user.name=A -c user.email=a@b commit -qm 1; echo x3=33 > src/m3.sh");
    scratch.shell("$LINEAGE run -q -- sh -c 'for m in src/*.sh; do . ./$m; done; echo $x3 > o'");
    let text = scratch.text(&["show", "o"]);
    let lines = lines_of(&text, "src/");
    assert!(lines.len() == 2, "{text}");
    assert!(lines[0].contains("5 files in src/") && lines[0].contains("in git at"), "{text}");
    assert!(lines[1].contains("src/m3.sh") && lines[1].contains("differs from git at"), "{text}");
}

#[test]
fn what_another_run_writes_over_an_output_meanwhile_is_not_credited_to_both() {
    let scratch = Scratch::new(&[("f", "of f\n"), ("g", "of g\n")]);
    if !scratch.has_net() {
        return;
    }
    // The beats take longer than it takes to find out that nobody has the file open any more.
    let first = "cat f > latest; cp latest kept
        n=0; while [ ! -e go ]; do n=$((n+1)); mkdir beat$n; sleep 0.01; done; rmdir beat*";
    for second in ["cat g > latest", "cat g > new; mv new latest"] {
        scratch.shell(&format!(
            "rm -f go; \"$LINEAGE\" run -- sh -c '{first}' & while [ ! -e beat40 ]; do sleep 0.01; done
            \"$LINEAGE\" run -- sh -c '{second}'; : > go; wait"
        ));
        assert_eq!(scratch.sources("latest"), ["g"], "{second}");
        assert_eq!(scratch.sources("kept"), ["f"], "{second}");
        let shown = scratch.text(&["show", "latest"]);
        assert!(!shown.contains("doubt"), "{second}: {shown}");
        assert_eq!(scratch.status("doubtful"), [""; 0], "{second}");
        let said = scratch.text(&["show", "kept"]);
        let how = if second.contains("mv") { "replaced" } else { "overwritten" };
        assert!(said.contains(&format!("`latest` was {how} from outside")), "{said}");
    }
    // Somebody who records nothing.
    let first = first.replace("latest", "other");
    scratch.shell(&format!(
        "rm -f go; \"$LINEAGE\" run -- sh -c '{first}' & while [ ! -e beat40 ]; do sleep 0.01; done
        echo mine > other; : > go; wait"
    ));
    let shown = scratch.text(&["show", "other"]);
    assert!(shown.contains("content not recorded, so what lies there now cannot be told from it"), "{shown}");
    assert_eq!(scratch.sources("kept"), ["f"]);
}

#[test]
fn what_is_declared_inside_of_a_run_counts_for_what_the_run_makes_from_then_on() {
    let scratch = Scratch::new(&[("d", "d\n"), ("e", "e\n")]);
    if !scratch.has_net() {
        return;
    }
    scratch.shell(
        "\"$LINEAGE\" run -q -- sh -c 'cat e > early; \"$LINEAGE\" used hf://a/b; cat d > model; cat e > other; true'",
    );
    assert_eq!(scratch.sources("early"), ["e"]);
    assert_eq!(scratch.sources("model"), ["d", "hf://a/b"]);
    assert_eq!(scratch.sources("other"), ["e", "hf://a/b"]);
    let down = scratch.text(&["show", "hf://a/b", "--down", "--files"]);
    let mut down: Vec<&str> = down.lines().collect();
    down.sort_unstable();
    assert_eq!(down, ["model", "other"]);
    assert!(scratch.lineage(&["register", "m", "1.0.0", "--artifact", "model=model"]).status.success());
    let found = scratch.json(&["models", "--where", "trained_on(\"hf://a/b\")", "--json"]);
    assert_eq!(found["models"].as_array().unwrap().len(), 1, "{found}");
    // What goes away unseen comes from all that was read before.
    scratch.shell(
        "\"$LINEAGE\" run -q -- sh -c 'cat d > t; cat e > u; \"$LINEAGE\" generated s3://x/y; cat early > v; true'",
    );
    assert_eq!(scratch.sources("s3://x/y"), ["d", "e"]);
    // Given with the command, both count for the whole run.
    scratch
        .shell("\"$LINEAGE\" run -q --input hf://c --output s3://z -- sh -c 'cat d > m1; cat e > m2; true'");
    assert_eq!(scratch.sources("m1"), ["d", "hf://c"]);
    assert_eq!(scratch.sources("m2"), ["e", "hf://c"]);
    assert_eq!(scratch.sources("s3://z"), ["d", "e", "hf://c"]);
}

#[test]
fn what_is_declared_and_not_written_stays_with_who_was_seen_to_write_it() {
    let scratch = Scratch::new(&[("a", "1\n"), ("b", "1\n"), ("by_hand", "2\n")]);
    if !scratch.has_net() {
        return;
    }
    // The second call finds nothing to be done.
    let make = "[ -e m ] || cat a > m";
    for _ in 0..2 {
        scratch.shell(&format!("\"$LINEAGE\" run -q --output m -- sh -c '{make}'"));
    }
    scratch.shell("\"$LINEAGE\" run -q -- sh -c 'cat b > x; \"$LINEAGE\" generated m'");
    let runs = scratch.json(&["log", "--json"])["runs"].clone();
    let [said, idle, maker] = [0, 1, 2].map(|at| runs[at]["id"].as_str().unwrap().to_owned());
    let shown = scratch.json(&["show", "m", "--json"]);
    let steps: Vec<&Value> =
        shown["runs"].as_array().unwrap().iter().filter(|run| run["id"] == maker.as_str()).collect();
    assert_eq!((shown["runs"].as_array().unwrap().len(), steps.len()), (1, 1), "{shown}");
    assert_eq!(scratch.sources("m"), ["a"]);
    for run in [idle, said] {
        let told = scratch.text(&["show", &run]);
        let expected = "`m` was declared as an output, but the command did not write it: it is there as run ";
        assert!(told.contains(expected), "{told}");
    }
    assert!(scratch.lineage(&["register", "m", "1.0.0", "--artifact", "m=m"]).status.success());
    let found = scratch.json(&["models", "--where", "trained_on(\"a\")", "--json"]);
    assert_eq!(found["models"][0]["run"], maker.as_str(), "{found}");
    scratch.write("a", "2\n");
    assert_eq!(scratch.status("stale"), ["m"]);

    // What was seen to be written in the same run comes from what its writer read.
    scratch.shell("\"$LINEAGE\" run -q -- sh -c 'cat b > y; cat a > z; \"$LINEAGE\" generated z; true'");
    assert_eq!(scratch.sources("z"), ["a"]);
    // Nobody was seen to write this one, so that whoever says so is believed.
    scratch.shell("\"$LINEAGE\" run -q --output by_hand -- cat b");
    assert_eq!(scratch.sources("by_hand"), ["b"]);
}

#[test]
fn a_shell_that_joins_its_commands_by_pipes_makes_no_single_step_of_them() {
    let scratch = Scratch::new(&[("a", "a\n"), ("b", "b\n"), ("c", "c\n")]);
    if !scratch.has_net() || !scratch.command("bash", &["-c", "true"]).status.success() {
        return;
    }
    let script = "sort <(cat a) > sorted_a; sort <(cat b) > sorted_b; n=$(wc -l < c)
        cat > constant <<E\nhi\nE
        cat b - > both <<< \"$n\"
        cat a | tee copy | while read l; do wc -l < b | sort > \"out_$l\"; done";
    scratch.write("s.sh", &script.replace("\\n", "\n"));
    scratch.shell("\"$LINEAGE\" run -q -- bash s.sh");
    let known = |file: &str| {
        let shown = scratch.json(&["show", file, "--json"]);
        let steps = shown["runs"][0]["steps"].as_array().unwrap();
        let used = steps.iter().flat_map(|step| step["used"].as_array().unwrap());
        let edges = used.map(|edge| format!("{} {}", edge["path"], edge["evidence"]).replace('"', ""));
        edges.filter(|edge| !edge.starts_with("s.sh")).collect::<std::collections::BTreeSet<_>>()
    };
    let expected = |edges: &[&str]| edges.iter().map(|edge| (*edge).to_owned()).collect();
    for (file, edges) in [
        ("sorted_a", &["a observed"][..]),
        ("sorted_b", &["b observed"]),
        ("constant", &["c inferred"]),
        ("both", &["b observed", "c inferred"]),
        ("copy", &["a observed", "c inferred"]),
        ("out_a", &["a inferred", "b observed", "c inferred"]),
    ] {
        assert_eq!(known(file), expected(edges), "{file}");
    }
}

#[test]
fn what_the_program_itself_does_inside_of_a_run_is_recorded_once() {
    let scratch = Scratch::new(&[("d", "d\n"), (".gitconfig", "[user]\n\tname = a\n")]);
    if !scratch.has_net() || !scratch.command("git", &["init", "-q", "-b", "main"]).status.success() {
        return;
    }
    // A run inside of a run reads git's configuration, which went into nothing.
    scratch.shell(
        "\"$LINEAGE\" run -q -- sh -c 'cat d > m; \"$LINEAGE\" run -q -- sh -c \"cat m > o\"; cat o > p'",
    );
    assert_eq!(scratch.sources("p"), ["d"]);
    // A point of a metric is written to the journal, in a repetition to that of the true workspace.
    scratch.shell("\"$LINEAGE\" run -q -- sh -c 'cat d > q; \"$LINEAGE\" metric f 1'");
    scratch.shell("\"$LINEAGE\" rerun @");
    assert_eq!(differing_from_repetition(&scratch), serde_json::json!([]));
    // A model that is registered by the run that trains it is a projection, which the run did not make.
    scratch.shell(
        "\"$LINEAGE\" run -q -- sh -c 'cat d > model; \"$LINEAGE\" register mod 1.0.0 --run @ --artifact model=model'",
    );
    assert_eq!(scratch.text(&["project", "--check"]), "1 file up to date; nothing was changed\n");
    assert_eq!(scratch.status("changed"), [""; 0]);
    assert!(scratch.lineage(&["show", "mod@1.0.0"]).status.success());
    scratch.shell("\"$LINEAGE\" rerun @");
}

#[test]
fn what_was_there_before_is_no_copy_of_what_a_run_wrote_since() {
    let scratch = Scratch::new(&[("config.json", LINE), ("there", "other\n")]);
    if !scratch.has_net() {
        return;
    }
    // The clock of files runs in ticks; the start of the run must lie behind the next.
    scratch.shell("touch -d 2020-01-01 config.json; sleep 0.05");
    let line = LINE.trim_end();
    scratch.shell(&format!("\"$LINEAGE\" run -- sh -c 'echo \"{line}\" > cache.json'"));
    let says = |file: &str| scratch.text(&["show", file]);
    scratch.shell("\"$LINEAGE\" run -- sh -c 'cat config.json > o'");
    assert_eq!(scratch.sources("o"), ["config.json"]);
    assert!(!says("o").contains("copied"), "{}", says("o"));
    assert!(!scratch.text(&["show", "cache.json", "--down", "--files"]).contains('o'));
    // What came from it is a copy, whatever its times: under another name, over a file that was there, with its times kept.
    for (file, line) in [
        ("moved", "mv cache.json moved"),
        ("there", "cp moved there"),
        ("kept", "cp -p moved kept"),
        ("dated", "cp moved dated; touch -d 2001-01-01 dated"),
    ] {
        scratch.shell(line);
        scratch.shell(&format!("\"$LINEAGE\" run -- sh -c 'cat {file} > of_{file}'"));
        let said = says(&format!("of_{file}"));
        assert!(said.contains("copied or moved from "), "{line}: {said}");
    }
}

#[test]
fn an_output_edited_by_hand_stays_a_gap_when_a_run_has_read_it() {
    let scratch = Scratch::new(&[("a", LINE)]);
    if !scratch.has_net() {
        return;
    }
    scratch.lineage(&["run", "--", "sh", "-c", "cat a > o"]);
    scratch.shell("cp o copy; echo hand >> o");
    scratch.lineage(&["run", "--", "sh", "-c", "cat o copy > p"]);
    let shown = scratch.json(&["show", "o", "--json"]);
    assert_eq!(shown["from"]["kind"], "gap");
    assert_eq!(shown["gaps"][0]["artifact"]["path"], "o");
    let text = scratch.text(&["show", "o"]);
    assert!(text.contains("  gap      no recorded step wrote these bytes; run "), "{text}");
    assert!(text.contains("nothing recorded made these bytes, 1 gap\n"), "{text}");
    let before = text.rsplit_once("`lineage show ").unwrap().1.split_once('`').unwrap().0;
    assert_eq!(scratch.sources(before), ["a"]);
    assert_eq!(scratch.status("changed"), ["o"]);
    assert!(scratch.json(&["status", "--json"])["changed"][0]["read_by_run_tail"].is_string());
    let text = scratch.text(&["show", "copy"]);
    assert!(text.contains("  copy     of o, by equal bytes, which was written "), "{text}");
    // Written by the run again, it is its output again.
    scratch.lineage(&["run", "--", "sh", "-c", "cat a > o"]);
    assert_eq!(scratch.status("changed"), [""; 0]);
    assert_eq!(scratch.status("stale"), ["p"]);
}

#[test]
fn what_was_made_from_several_copies_is_said_to_come_through_copies() {
    let scratch = Scratch::new(&[("d", LINE)]);
    if !scratch.has_net() {
        return;
    }
    scratch.lineage(&["run", "--", "sort", "d", "-o", "m"]);
    scratch.shell("cp d g; cp d h");
    scratch.lineage(&["run", "--", "sh", "-c", "cat g h > m2; sort g > m3"]);
    let text = scratch.text(&["show", "d", "--down"]);
    assert!(text.contains("m2  observed  through copies, by equal bytes\n"), "{text}");
    assert!(text.contains("m3  observed  through g, by equal bytes\n"), "{text}");
}

#[test]
fn of_the_outputs_of_a_run_it_is_said_which_are_gone_or_changed() {
    let scratch = Scratch::new(&[("d", "1\n")]);
    if !scratch.has_net() {
        return;
    }
    scratch.lineage(&["run", "--", "sh", "-c", "for f in o p q t; do sort d > $f; done; sort d d > q; rm t"]);
    scratch.shell("rm o; echo x > p");
    let text = scratch.text(&["show", "@"]);
    let outputs = text.split("  outputs  ").nth(1).unwrap();
    for line in [" o, gone since, kept\n", " p, changed since, kept\n", " q\n"] {
        assert!(outputs.contains(line), "{line}: {text}");
    }
    assert!(!outputs.contains(" q,") && !outputs.contains(" t,"), "{text}");
    let shown = scratch.json(&["show", "@", "--json"]);
    let outputs = shown["outputs"].as_array().unwrap();
    let fates: Vec<(&str, &str)> =
        outputs.iter().filter_map(|file| Some((file["path"].as_str()?, file["on_disk"].as_str()?))).collect();
    assert_eq!(fates, [("o", "gone"), ("p", "changed"), ("q", "unchanged")]);
}

#[test]
fn what_differs_in_the_environments_of_two_runs_is_named() {
    let scratch = Scratch::new(&[("a", "a\n")]);
    if !scratch.has_net() {
        return;
    }
    scratch.shell("TZ=UTC LANG=C \"$LINEAGE\" run -q -- sh -c 'date > o; cat a >> o'");
    scratch.shell("TZ=CET LANG=C \"$LINEAGE\" run -q -- sh -c 'date > o; cat a >> o'");
    let text = scratch.text(&["diff", "@-", "@"]);
    let lines = lines_of(&text, "variable TZ");
    assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>().join(" "), "variable TZ UTC -> CET", "{text}");
    let entries = scratch.json(&["diff", "@-", "@", "--json"])["environment_entries"].clone();
    assert_eq!(
        entries["variables"],
        serde_json::json!([{"name": "TZ", "a": "UTC", "b": "CET"}]),
        "{entries}"
    );
}

#[test]
fn a_log_that_is_written_on_from_run_to_run_makes_no_model_descend_from_another() {
    let scratch = Scratch::new(&[("d", "d\n")]);
    if !scratch.has_net() {
        return;
    }
    // Each run reads its data in the shell itself, as a program does, and adds to the log of those before.
    for model in ["m1", "m2", "m3"] {
        scratch.shell(&format!(
            "\"$LINEAGE\" run -q -- sh -c 'exec 5>> train.log; read x < d; echo begun >&5; echo $x > {model}; echo {model} >&5'"
        ));
    }
    for model in ["m1", "m2", "m3"] {
        assert_eq!(scratch.sources(model), ["d"], "{}", scratch.text(&["show", model]));
    }
    let log = scratch.json(&["show", "train.log", "--json"]);
    assert_eq!(log["runs"].as_array().unwrap().len(), 3, "the log holds what all of them wrote: {log}");
    assert_eq!(scratch.sources("train.log"), ["d"]);
    assert_eq!(scratch.status("stale"), [""; 0]);
    let down = scratch.text(&["show", "d", "--down", "--files"]);
    for file in ["m1", "m2", "m3", "train.log"] {
        assert!(down.lines().any(|path| path == file), "{file}: {down}");
    }
}

#[test]
fn what_a_training_wrote_on_is_said_to_carry_what_went_into_it_before() {
    // Who goes on from a checkpoint has the same look as who adds a line to a table of results.
    let train = "s=; if [ -e state ]; then read s < state; fi; read d < \"$1\"; echo \"$s $d\" > state; echo \"net $s $d\" > \"$2\"\n";
    let scratch = Scratch::new(&[("train.sh", train), ("d1", "one\n"), ("d2", "two\n")]);
    if !scratch.has_net() {
        return;
    }
    for (data, model) in [("d1", "m1"), ("d2", "m2")] {
        scratch.shell(&format!("\"$LINEAGE\" run -- sh train.sh {data} {model}"));
        let entry =
            ["register", "net", &format!("{}.0.0", &data[1..]), "--artifact", &format!("model={model}")];
        assert!(scratch.lineage(&entry).status.success());
    }
    let shown = scratch.json(&["show", "m2", "--json"]);
    assert_eq!(paths(&shown["sources"]), ["d2", "train.sh"]);
    let folded = serde_json::json!({"through": ["state"], "runs": 1, "steps": 1, "files": 1});
    assert_eq!(shown["folded"], folded);
    let text = scratch.text(&["show", "m2"]);
    let words = "carried: 1 run and 1 source more may be behind it, through state, read and written on; `--carried` names them";
    assert!(text.contains(words), "{text}");
    assert!(text.contains("state     carried  of run"), "{text}");
    let whole = scratch.json(&["show", "m2", "--carried", "--json"]);
    assert_eq!(paths(&whole["sources"]), ["d1", "d2", "train.sh"]);
    assert!(whole["folded"].is_null(), "{whole}");
    assert_eq!(scratch.sources("state"), ["d1", "d2", "train.sh"]);
    let down = scratch.json(&["show", "d1", "--down", "--json"]);
    assert_eq!(down["folded"], serde_json::json!({"through": ["state"], "runs": 0, "steps": 0, "files": 1}));
    let learned = down["learned"].as_array().unwrap().iter();
    let learned: Vec<[&str; 2]> =
        learned.map(|model| ["label", "evidence"].map(|name| model[name].as_str().unwrap())).collect();
    assert_eq!(learned, [["net@1.0.0", "observed"], ["net@2.0.0", "carried"]]);
    let found = |question: &str| {
        let found = scratch.json(&["models", "-w", question, "--json"])["models"].clone();
        let labels = found.as_array().unwrap().iter();
        labels.map(|model| model["label"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("trained_on(\"d1\")"), ["net@2.0.0", "net@1.0.0"]);
    for sure in ["observed", "doubtful"] {
        assert_eq!(found(&format!("trained_on(\"d1\", {sure})")), ["net@1.0.0"]);
        assert_eq!(found(&format!("trained_on(\"d2\", {sure})")), ["net@2.0.0"]);
    }
    // Of a run as a whole, what it looks at afterwards makes nothing surer; who does nothing but go on with it is made from it.
    scratch.shell("\"$LINEAGE\" run --name look -- sh -c 'sh train.sh d2 m3; cat state'");
    scratch.shell("\"$LINEAGE\" run --name on -- sh -c 'read s < state; echo \"$s, on\" > state'");
    let runs = |question: &str| {
        let found = scratch.json(&["log", "-w", question, "--json"])["runs"].clone();
        let runs = found.as_array().unwrap().iter();
        runs.map(|run| run["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(runs("trained_on(\"d1\")"), ["on", "look", "train", "train"]);
    assert_eq!(runs("trained_on(\"d1\", observed)"), ["on", "train"]);
    assert_eq!(runs("used(\"state\", observed)"), ["on", "look", "train"]);
}

#[test]
fn what_a_launcher_keeps_for_itself_is_carried_to_what_it_starts() {
    let launch = "read b < book; sh work.sh; echo \"$b, one\" > book\n";
    let work = "read d < d1; echo \"net $d\" > net\n";
    let scratch =
        Scratch::new(&[("launch.sh", launch), ("work.sh", work), ("d0", "zero\n"), ("d1", "one\n")]);
    if !scratch.has_net() {
        return;
    }
    scratch.shell("\"$LINEAGE\" run -- sh -c 'read d < d0; echo \"book $d\" > book'");
    scratch.shell("\"$LINEAGE\" run -- sh launch.sh");
    assert_eq!(scratch.sources("net"), ["d1", "launch.sh", "work.sh"], "{}", scratch.text(&["show", "net"]));
    let text = scratch.text(&["show", "net"]);
    assert!(text.contains("through book, read and written on; `--carried` names them"), "{text}");
    let whole = scratch.json(&["show", "net", "--carried", "--json"]);
    assert_eq!(paths(&whole["sources"]), ["d0", "d1", "launch.sh", "work.sh"]);
    assert!(!scratch.text(&["show", "d0", "--down", "--files"]).lines().any(|path| path == "net"));
    let runs = scratch.json(&["log", "-w", "trained_on(\"d0\", inferred)", "--json"])["runs"].clone();
    assert_eq!(runs.as_array().unwrap().len(), 1, "{runs}");
}

#[test]
fn few_bytes_that_lie_in_two_places_are_a_remark_and_no_origin() {
    let scratch = Scratch::new(&[("d", "data\n")]);
    if !scratch.has_net() {
        return;
    }
    let line = LINE.trim_end();
    scratch.shell(&format!(
        "\"$LINEAGE\" run --name one -- sh -c 'read x < d; echo 0 > count; echo \"{line}\" > table'"
    ));
    scratch.write("seed", "0\n");
    scratch.write("copy", LINE);
    scratch.shell("\"$LINEAGE\" run --name two -- sh -c 'cat seed > m; cat copy > n'");
    let shown = scratch.json(&["show", "m", "--json"]);
    assert_eq!(paths(&shown["sources"]), ["seed"]);
    let from = &shown["runs"][0]["steps"][0]["used"][0]["from"];
    assert_eq!((&from["kind"], &from["alike"]["path"]), (&"source".into(), &"count".into()), "{shown}");
    let text = scratch.text(&["show", "m"]);
    assert!(text.contains("source, the same few bytes as count of run"), "{text}");
    let text = scratch.text(&["show", "seed"]);
    assert!(text.contains("source   no recorded step wrote these bytes here; count of run"), "{text}");
    assert_eq!(scratch.sources("n"), ["d"]);
    let found = scratch.json(&["log", "-w", "trained_on(\"count\")", "--json"])["runs"].clone();
    assert_eq!(found, serde_json::json!([]));
}

#[test]
fn a_source_in_another_workspace_leads_there() {
    let (data, scratch) = (Scratch::new(&[("raw", "data\n")]), Scratch::new(&[("own", "own\n")]));
    if !scratch.has_net() {
        return;
    }
    data.shell("\"$LINEAGE\" run -- sh -c 'sort raw > train.csv'");
    let root = data.path().canonicalize().unwrap();
    let root = root.to_str().unwrap();
    scratch.shell(&format!("\"$LINEAGE\" run -- sh -c 'cat own {root}/train.csv > m'"));
    let asked = format!(
        "{root}/train.csv lies in the workspace {root}, which may know more: `lineage -C {root} show train.csv`\n"
    );
    for word in ["m", "@", &format!("{root}/train.csv")] {
        let text = scratch.text(&["show", word]);
        assert!(text.contains(&asked), "{word}: {text}");
    }
    let shown = scratch.json(&["show", "m", "--json"]);
    let sources: Vec<&Value> =
        shown["sources"].as_array().unwrap().iter().map(|source| &source["workspace"]).collect();
    assert_eq!(sources, [&Value::from(root), &Value::Null]);
    let own = scratch.text(&["show", "own"]);
    assert!(!own.contains("which may know more"), "{own}");
}

#[test]
fn of_the_files_on_the_way_the_sources_come_first() {
    let scratch = Scratch::new(&[("z", "data\n"), ("b.sh", "sort z > a; sort a > m\n")]);
    if !scratch.has_net() {
        return;
    }
    scratch.shell("\"$LINEAGE\" run -- sh b.sh");
    let shown = scratch.text(&["show", "m", "--files"]);
    assert_eq!(shown.lines().collect::<Vec<_>>(), ["z", "b.sh", "a"], "{shown}");
}

#[test]
fn what_was_saved_again_as_it_was_or_came_from_nowhere_or_has_two_names_is_no_less_sure() {
    let scratch = Scratch::new(&[("a", LINE), ("b", "b\n")]);
    if !scratch.has_net() {
        return;
    }
    scratch
        .shell("\"$LINEAGE\" run -- sh -c 'read d < a; echo \"cache $d\" > cache; echo \"net $d\" > last'");
    let again = "read c < cache; echo \"$c\" > cache; echo \"again $c\" > same";
    let cleaned = "read d < b; echo \"clean $d\" > b; echo \"net $d\" > net";
    let two_names = "read s < last; echo \"$s, on\" > second; echo \"$s, on\" > last; echo seen > log";
    for (command, model, source) in [(again, "same", "a"), (cleaned, "net", "b"), (two_names, "second", "a")]
    {
        scratch.shell(&format!("\"$LINEAGE\" run --name {model} -- sh -c '{command}'"));
        assert_eq!(scratch.sources(model), [source]);
        let shown = scratch.json(&["show", model, "--json"]);
        assert_eq!(
            (&shown["totals"]["carried"], shown["folded"].is_null()),
            (&serde_json::json!(0), true),
            "{shown}"
        );
        scratch.shell(&format!("\"$LINEAGE\" register {model} 1.0.0 --artifact model={model}"));
        let question = format!("name = {model} and trained_on(\"{source}\", observed)");
        let found = scratch.json(&["models", "-w", &question, "--json"]);
        assert_eq!(found["models"].as_array().unwrap().len(), 1, "{question}: {found}");
    }
    assert!(scratch.text(&["show", "log"]).contains("last  carried"));
}

#[test]
fn what_two_runs_hand_to_each_other_while_both_go_on_leads_back_to_its_source() {
    let scratch = Scratch::new(&[("a", "a\n"), ("b", "b\n"), ("x", "x\n")]);
    if !scratch.has_net() {
        return;
    }
    // `$1` begins, and says so by the file `ready`; then `$2` does its part; `go` tells the first to go on.
    let both = |first: &str, second: &str| {
        let wait = |file: &str| format!("while [ ! -e {file} ]; do sleep 0.02; done");
        let first = first.replace("READY", &format!(": > ready; {}", wait("go")));
        scratch.shell(&format!(
            "rm -f ready go; \"$LINEAGE\" run -q -- sh -c '{first}' & {}; {second}; : > go; wait",
            wait("ready")
        ));
    };
    let prepare = "\"$LINEAGE\" run -q -- sh -c 'cat a > job'";
    both("READY; cat job > o; rm job", prepare);
    assert_eq!(scratch.sources("o"), ["a"], "{}", scratch.text(&["show", "o"]));
    both("READY; cat job > o1; mv job done", prepare);
    assert_eq!(scratch.sources("o1"), ["a"], "{}", scratch.text(&["show", "o1"]));
    assert_eq!(scratch.sources("done"), ["a"], "{}", scratch.text(&["show", "done"]));
    both("READY; cat b > t; mv t best", "\"$LINEAGE\" run -q -- sh -c 'cat a > best'");
    assert_eq!(scratch.sources("best"), ["b"], "{}", scratch.text(&["show", "best"]));
    both("cat x > y; READY; cat x > w", "\"$LINEAGE\" run -q -- sh -c 'cat a > x'");
    assert_eq!(scratch.sources("w"), ["a"], "{}", scratch.text(&["show", "w"]));
    assert_eq!(scratch.status("stale"), ["y"], "of what `x` held before");
}

#[test]
fn a_file_that_is_read_while_its_writer_goes_on_has_all_its_sources() {
    let program = "import os, time\nh = open('h', 'w')\nfor name in 'ab':\n h.write(open(name).read()); h.flush()\n \
                   open('half', 'w').close()\n while not os.path.exists('go'): time.sleep(.01)\n";
    let scratch = Scratch::new(&[("a", "a\n"), ("b", "b\n"), ("t.py", program)]);
    let python = scratch.command("python3", &["--version"]).status.success();
    if !python || !scratch.has_net() {
        return;
    }
    let wait = "while [ ! -e half ]; do sleep 0.01; done";
    scratch.shell(&format!(
        "\"$LINEAGE\" run -q -- sh -c 'python3 t.py & {wait}; wc -l h > count; : > go; wait'"
    ));
    // What starts the right Python may be a script elsewhere.
    let sources = |file: &str| -> Vec<String> {
        scratch.sources(file).into_iter().filter(|path| !path.starts_with('/')).collect()
    };
    assert_eq!(sources("h"), ["a", "b", "t.py"], "{}", scratch.text(&["show", "h"]));
    assert_eq!(sources("count"), ["a", "t.py"], "{}", scratch.text(&["show", "count"]));
    let down = scratch.text(&["show", "b", "--down", "--files"]);
    assert!(down.lines().any(|path| path == "h"), "{down}");
    scratch.write("b", "other\n");
    assert_eq!(scratch.status("stale"), ["h", "half"]);
    scratch.write("a", "other\n");
    assert_eq!(scratch.status("stale"), ["count", "h", "half"]);
}

#[test]
fn what_is_only_concluded_to_come_from_a_file_is_not_said_to_be_observed_on_the_way_down() {
    let scratch = Scratch::new(&[("c", "1\n"), ("d", "2\n")]);
    if !scratch.has_net() {
        return;
    }
    scratch.lineage(&["run", "-q", "--", "sh", "-c", "read v < c; sort d > o"]);
    let down = scratch.text(&["show", "c", "--down"]);
    let line = down.lines().find(|line| line.contains("─ sort")).unwrap_or_default();
    assert!(line.contains("o") && line.contains("inferred") && !line.contains("observed"), "{down}");
    let down = scratch.text(&["show", "d", "--down"]);
    assert!(down.lines().any(|line| line.contains("─ sort") && line.contains("observed")), "{down}");
}

#[test]
fn a_recorded_file_is_asked_for_by_its_path_also_where_the_bytes_of_another_lie_there_now() {
    let scratch = Scratch::new(&[("i", "1\n"), ("j", "2\n")]);
    if !scratch.has_net() {
        return;
    }
    scratch.lineage(&["run", "-q", "--", "sh", "-c", "sort i > x"]);
    scratch.lineage(&["run", "-q", "--", "sh", "-c", "sort j > y"]);
    scratch.shell("cp y x; cp j i");
    for file in ["x", "i"] {
        let history = scratch.json(&["log", file, "--json"]);
        assert_eq!(history["path"], file, "{history:#}");
    }
    let shown = scratch.text(&["show", "x"]);
    assert!(shown.starts_with("x\n"), "{shown}");
    assert!(shown.lines().nth(1).unwrap().ends_with("the bytes of j and y; kept"), "{shown}");
    assert_eq!(scratch.sources("x"), ["i"]);
    assert!(scratch.text(&["show", "i", "--down"]).contains("─ sort  x"), "{shown}");
    // Of a file whose path is not recorded, the bytes are all there is to go by.
    scratch.shell("cp y z");
    assert!(scratch.text(&["show", "z"]).contains("not recorded under this name"));
}

#[test]
fn two_files_that_changed_places_come_from_what_each_was_before() {
    let scratch = Scratch::new(&[("a", "1\n"), ("b", "2\n")]);
    if !scratch.has_net() {
        return;
    }
    scratch.lineage(&["run", "-q", "--", "sh", "-c", "mv a t; mv b a; mv t b; cat b > ob"]);
    for (file, source) in [("a", "b"), ("b", "a"), ("ob", "a")] {
        assert_eq!(scratch.sources(file), [source], "{file}");
        assert!(scratch.text(&["show", file]).contains("1 source, no gaps"), "{file}");
    }
}

#[test]
fn a_copy_among_several_comes_from_its_own_file_alone() {
    let scratch = Scratch::new(&[("a", "1\n"), ("b", "2\n"), ("c", "2\n"), ("which", "a\n")]);
    if !scratch.has_net() {
        return;
    }
    scratch.shell("mkdir dir && \"$LINEAGE\" run -q -- cp a b c dir/");
    for name in ["a", "b", "c"] {
        assert_eq!(scratch.sources(&format!("dir/{name}")), [name], "{}", scratch.text(&["show", "dir/c"]));
    }
    let shown = scratch.text(&["show", "dir/c"]);
    assert!(shown.contains("observed, copied"), "{shown}");
    let down = scratch.text(&["show", "b", "--down", "--files"]);
    assert_eq!(down.lines().collect::<Vec<_>>(), ["dir/b"]);
    scratch.write("a", "other\n");
    assert_eq!(scratch.status("stale"), ["dir/a"]);
    // What was told besides was not copied.
    scratch.shell(
        "mkdir told && \"$LINEAGE\" run -q -- sh -c 'read name < which; export name; exec cp b c told/'",
    );
    let shown = scratch.text(&["show", "told/b"]);
    let line =
        |name: &str| shown.lines().find(|line| line.contains(&format!("  {name}  "))).unwrap().to_owned();
    assert!(line("b").contains("observed, copied"), "{shown}");
    assert!(line("which").contains("inferred") && !line("which").contains("copied"), "{shown}");
    let down = scratch.text(&["show", "which", "--down"]);
    assert!(down.contains("told/b") && !down.contains("copied"), "{down}");
    // What decides on what is copied is a source of all.
    scratch.shell(
        "mkdir to && \"$LINEAGE\" run -q -- sh -c 'read name < which; cat $name > to/x; exec cat b > to/y'",
    );
    assert_eq!(scratch.sources("to/y"), ["b", "which"], "{}", scratch.text(&["show", "to/y"]));
}

#[test]
fn a_list_that_was_copied_with_what_it_lists_is_behind_all_that_it_lists() {
    let scratch = Scratch::new(&[("a", "1\n"), ("b", "2\n"), ("c", "3\n"), ("list", "a\nb\n")]);
    if !scratch.has_net() {
        return;
    }
    let copy = "mkdir -p to; while read name; do read x < $name; echo \"$x\" > to/$name; done < list
{ read x; read y; } < list; printf '%s\\n' \"$x\" \"$y\" > to/list";
    scratch.lineage(&["run", "-q", "--", "sh", "-c", copy]);
    for name in ["a", "b"] {
        assert_eq!(scratch.sources(&format!("to/{name}")), [name, "list"]);
    }
    assert_eq!(scratch.sources("to/list"), ["list"]);
    let shown = scratch.text(&["show", "to/a"]);
    let line = shown.lines().find(|line| line.contains("  list  ")).unwrap();
    assert!(line.contains("inferred") && !line.contains("copied"), "{shown}");
    let shown = scratch.text(&["show", "to/list"]);
    assert!(shown.contains("observed, copied") && !shown.contains("inferred  "), "{shown}");
    let down = scratch.text(&["show", "list", "--down"]);
    let line =
        |name: &str| down.lines().find(|line| line.contains(&format!("  {name}  "))).unwrap().to_owned();
    assert!(line("to/a").contains("inferred"), "{down}");
    assert!(line("to/list").contains("observed, copied"), "{down}");
    scratch.write("list", "a\nc\n");
    assert_eq!(scratch.status("stale"), ["to/list"]);
    assert_eq!(scratch.status("doubtful"), ["to/a", "to/b"]);
    // Who copies one file after another reads nothing in them.
    let copy = "mkdir again; for name in a b; do read x < to/$name; echo \"$x\" > again/$name; done";
    scratch.lineage(&["run", "-q", "--", "sh", "-c", copy]);
    let down = scratch.text(&["show", "to/a", "--down", "--files"]);
    assert_eq!(down.lines().collect::<Vec<_>>(), ["again/a"]);
}

#[test]
fn a_new_folder_beside_those_that_were_read_as_a_whole_is_listed() {
    let names = [
        "data/01/a.csv",
        "data/01/b.csv",
        "data/02/a.csv",
        "data/02/b.txt",
        "some/01/a.csv",
        "some/02/a.csv",
        "some/03/a.csv",
    ];
    let scratch = Scratch::new(&names.map(|name| (name, name)));
    if !scratch.has_net() {
        return;
    }
    let run = "\"$LINEAGE\" run -q -- sh -c 'cat data/*/*.csv > all; cat some/01/*.csv some/02/*.csv > part'";
    let unknown = || scratch.json(&["status", "--json"])["unknown"].clone();
    scratch.shell(run);
    assert_eq!(unknown(), serde_json::json!([]));
    for path in [
        "data/03/a.csv",
        "data/03/b.txt",
        "data/03/deeper/a.csv",
        "data/.hidden/a.csv",
        "some/04/a.csv",
        "other/a.csv",
    ] {
        scratch.write(path, path);
    }
    assert_eq!(unknown(), serde_json::json!(["data/03/a.csv"]));
    scratch.shell(run);
    assert_eq!(unknown(), serde_json::json!([]));
}

#[test]
fn two_files_in_folders_of_their_own_may_have_been_named_and_three_were_read_as_a_whole() {
    let names = [
        "data/train/data.csv",
        "data/test/data.csv",
        "months/01/m.csv",
        "months/02/m.csv",
        "months/03/m.csv",
    ];
    let scratch = Scratch::new(&names.map(|name| (name, name)));
    if !scratch.has_net() {
        return;
    }
    let named = "cat data/train/data.csv data/test/data.csv > named";
    scratch.lineage(&["run", "-q", "--", "sh", "-c", &format!("{named}; cat months/*/m.csv > all")]);
    for path in ["data/val/data.csv", "months/04/m.csv"] {
        scratch.write(path, path);
    }
    assert_eq!(scratch.json(&["status", "--json"])["unknown"], serde_json::json!(["months/04/m.csv"]));
}

#[test]
fn what_another_command_adds_to_in_place_is_doubtful_by_what_it_was_made_from() {
    let scratch = Scratch::new(&[
        ("raw", "head\nrow-of-old-raw\n"),
        ("clean.sh", "sort raw > data\n"),
        (
            "enrich.py",
            "label = open('raw').readline()\nrows = open('data').read()\nopen('data', 'w').write(label + rows)\n",
        ),
    ]);
    let python = scratch.command("python3", &["--version"]).status.success();
    if !python || !scratch.has_net() {
        return;
    }
    scratch.lineage(&["run", "-q", "--", "sh", "clean.sh"]);
    scratch.write("raw", "header\nrow-of-new-raw\n");
    assert_eq!(scratch.status("stale"), ["data"]);
    scratch.lineage(&["run", "-q", "--", "python3", "enrich.py"]);
    assert_eq!(scratch.status("stale"), [""; 0]);
    assert_eq!(scratch.status("doubtful"), ["data"]);
}

#[test]
fn a_new_file_beside_inputs_that_were_read_as_a_whole_is_listed() {
    let names = ["data/a.csv", "data/b.csv", "sample/1.csv", "sample/2.csv", "sample/3.csv"];
    let scratch = Scratch::new(&names.map(|name| (name, name)));
    if !scratch.has_net() {
        return;
    }
    let run = "\"$LINEAGE\" run -q -- sh -c 'cat data/*.csv > all; cat sample/1.csv sample/2.csv > some'";
    let unknown = || scratch.json(&["status", "--json"])["unknown"].clone();
    scratch.shell(run);
    assert_eq!(unknown(), serde_json::json!([]));
    scratch.write("data/c.csv", "3");
    scratch.write("data/notes.txt", "of another sort");
    // What a step had passed over is a choice of its own.
    scratch.write("sample/4.csv", "4");
    assert_eq!(unknown(), serde_json::json!(["data/c.csv"]));
    scratch.shell(run);
    assert_eq!(unknown(), serde_json::json!([]));
}

#[test]
fn what_could_not_be_seen_is_said_where_no_gaps_are() {
    let scratch = Scratch::new(&[("a", "1\n")]);
    let ask =
        "import socket\ntry: socket.socket(socket.AF_UNIX).connect('docker.sock')\nexcept OSError: pass";
    let code = format!("{ask}\nopen('o', 'w').write(open('a').read())");
    scratch.write("t.py", &code);
    if !scratch.has_net() || !scratch.lineage(&["run", "-q", "--", "python3", "t.py"]).status.success() {
        return;
    }
    let shown = scratch.text(&["show", "o"]);
    assert!(shown.contains("no gaps, but in 1 run not all could be seen; "), "{shown}");
    assert!(!shown.contains("all edges observed"), "{shown}");
    let report: Value = serde_json::from_str(&scratch.text(&["show", "o", "--json"])).unwrap();
    assert_eq!(report["totals"]["runs_with_unseen"], 1);
    assert_eq!(report["runs"][0]["lacks"], serde_json::json!(["unseen"]));
}
