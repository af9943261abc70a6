//! Code and data in git: whichever repository a file that a run read lies in, it is compared with the commit of that one.

#[allow(dead_code)]
#[path = "common/machine.rs"]
mod machine;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use machine::{Lack, skipped};

/// A folder in which repositories are made; its workspace may lie anywhere in it.
struct Scratch {
    folder: tempfile::TempDir,
}

impl Scratch {
    /// Makes the files, and repositories with all of them committed, the inner ones first; `None` where commands cannot be
    /// observed, or git is missing.
    fn new(files: &[(&str, &str)], repositories: &[&str]) -> Option<Self> {
        let scratch = Scratch { folder: tempfile::tempdir().unwrap() };
        for (name, text) in files {
            scratch.write(name, text);
        }
        if !scratch.command("", "git", &["--version"]).status.success() {
            skipped(Lack::Git, "git is not to be had");
            return None;
        }
        for repository in repositories {
            scratch.git(repository, &["init", "-q", "-b", "main"]);
            scratch.commit(repository);
        }
        Some(scratch)
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn command(&self, folder: &str, program: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.path().join(folder)).env_clear();
        for name in ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"] {
            command.env(name, "a@example.org");
        }
        command.env("PATH", std::env::var("PATH").unwrap()).env("HOME", "/nonexistent");
        // Git's log of where it was has whole seconds.
        command.env("GIT_COMMITTER_DATE", "2025-12-01T00:00:00Z");
        command.env("LINEAGE", env!("CARGO_BIN_EXE_lineage")).output().unwrap()
    }

    fn git(&self, folder: &str, arguments: &[&str]) {
        let output = self.command(folder, "git", arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn commit(&self, repository: &str) {
        self.git(repository, &["add", "-A"]);
        self.git(repository, &["commit", "-q", "-m", "all"]);
    }

    fn head(&self, repository: &str) -> String {
        let output = self.command(repository, "git", &["rev-parse", "HEAD"]);
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn lineage(&self, folder: &str, arguments: &[&str]) -> String {
        let output = self.command(folder, env!("CARGO_BIN_EXE_lineage"), arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a line of a shell in a folder, observed; false where commands cannot be observed on this machine.
    fn run(&self, folder: &str, line: &str) -> bool {
        self.lineage(folder, &["run", "-q", "--", "sh", "-c", line]);
        let seen = self.json(folder, &["show", "@"])["run"]["observed_by"] == "net";
        if !seen {
            skipped(Lack::Net, "commands cannot be observed on this machine");
        }
        seen
    }

    fn json(&self, folder: &str, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.lineage(folder, &[arguments, &["--json"]].concat())).unwrap()
    }

    /// Returns what the way of a file says of another, with the words of the folder's commit for `SHA`.
    fn words(&self, folder: &str, file: &str, input: &str, repository: &str) -> String {
        let text = self.lineage(folder, &["show", file]);
        let line = text.lines().find(|line| line.contains('─') && line.contains(&format!(" {input} ")));
        let line = line.unwrap_or_else(|| panic!("{file}: {text}"));
        let (_, words) = line.split_once(&format!(" {input} ")).unwrap();
        let words: Vec<&str> = words.split_whitespace().collect();
        let words = words.join(" ").replace(&self.head(repository)[..7], "SHA");
        // Whether it is kept besides, tests/kept_inputs.rs says.
        words.strip_suffix(", kept").map_or(words.clone(), str::to_owned)
    }
}

#[test]
fn code_of_a_repository_below_the_workspace_is_held_against_that_repository() {
    let files = [("proj/code.sh", "echo 1\n"), ("proj/lib.sh", "echo 1\n"), ("proj/sub/conf", "1\n")];
    let Some(scratch) = Scratch::new(&files, &["proj"]) else { return };
    scratch.lineage("", &["init"]);
    scratch.write("proj/code.sh", "echo 2\n");
    if !scratch.run("proj/sub", "{ sh ../code.sh; sh ../lib.sh; } > o") {
        return;
    }
    assert_eq!(scratch.words("", "proj/sub/o", "proj/code.sh", "proj"), "observed differs from git at SHA");
    assert_eq!(scratch.words("", "proj/sub/o", "proj/lib.sh", "proj"), "observed in git at SHA");
    let run = &scratch.json("", &["show", "@"])["run"];
    assert_eq!(run["code"]["commit"], scratch.head("proj"));
    assert_eq!(run["code"]["root"], "proj");
    assert_eq!(run["code"]["dirty"], true);
    assert_eq!(run["code"]["changed"][0]["path"], "proj/code.sh");
    assert_eq!(run["repositories"].as_array().unwrap().len(), 0);
    // From the root, the run has no repository of its own, and reads code of one all the same.
    scratch.run("", "sh proj/lib.sh > p");
    let run = &scratch.json("", &["show", "@"])["run"];
    assert_eq!(run["code"]["commit"], Value::Null);
    assert_eq!(run["repositories"][0]["root"], "proj");
    assert_eq!(run["repositories"][0]["commit"], scratch.head("proj"));
    // What is changed there, it did not read.
    assert_eq!(run["repositories"][0]["dirty"], false);
    assert_eq!(scratch.words("", "p", "proj/lib.sh", "proj"), "observed in git at SHA of proj");
}

#[test]
fn code_of_the_same_repository_outside_of_the_workspace_is_code() {
    let files = [("lib/code.sh", "echo 1\n"), ("lib/other.sh", "echo 1\n"), ("team/data.csv", "1\n")];
    let Some(scratch) = Scratch::new(&files, &[""]) else { return };
    scratch.lineage("team", &["init", "."]);
    scratch.write("lib/other.sh", "echo 2\n");
    scratch.write("lib/new.sh", "echo 3\n");
    scratch.write("lib/tool", "#!/bin/sh\necho 4\n");
    scratch.command("", "chmod", &["+x", "lib/tool"]);
    scratch.git("", &["add", "lib/tool"]);
    scratch.git("", &["commit", "-q", "-m", "tool"]);
    let line = "{ sh ../lib/code.sh; sh ../lib/other.sh; sh ../lib/new.sh; ../lib/tool; git describe --always; cat data.csv; } > o";
    if !scratch.run("team", line) {
        return;
    }
    let root = scratch.path().canonicalize().unwrap();
    let words = |name: &str| {
        let path = root.join(name).to_str().unwrap().to_owned();
        scratch.words("team", "o", &path, "")
    };
    assert_eq!(words("lib/code.sh"), "observed in git at SHA");
    assert_eq!(words("lib/other.sh"), "observed differs from git at SHA");
    assert_eq!(words("lib/new.sh"), "observed not in git");
    assert_eq!(words("lib/tool"), "observed in git at SHA");
    assert_eq!(scratch.words("team", "o", "data.csv", ""), "observed in git at SHA");
    let text = scratch.lineage("team", &["show", "o"]);
    assert!(!text.contains("/.git/"), "{text}");
}

#[test]
fn vendored_code_is_held_against_its_own_commit() {
    let files =
        [("train.sh", ". ./third_party/x/a.sh; . ./third_party/x/b.sh\n"), (".gitignore", "third_party/\n")];
    let vendored = [("third_party/x/a.sh", "echo a\n"), ("third_party/x/b.sh", "echo b\n")];
    let Some(scratch) = Scratch::new(&[files, vendored].concat(), &["third_party/x", ""]) else { return };
    scratch.write("third_party/x/b.sh", "echo c\n");
    if !scratch.run("", "sh train.sh > o") {
        return;
    }
    assert_eq!(scratch.words("", "o", "train.sh", ""), "observed in git at SHA");
    let x = "third_party/x";
    assert_eq!(scratch.words("", "o", "third_party/x/a.sh", x), "observed in git at SHA of third_party/x");
    assert_eq!(
        scratch.words("", "o", "third_party/x/b.sh", x),
        "observed differs from git at SHA of third_party/x"
    );
    let run = &scratch.json("", &["show", "@"])["run"];
    assert_eq!(run["code"]["commit"], scratch.head(""));
    assert_eq!(run["code"]["dirty"], false);
    assert_eq!(run["repositories"][0]["commit"], scratch.head(x));
    assert_eq!(run["repositories"][0]["dirty"], true);
    assert!(scratch.lineage("", &["show", "@"]).contains("branch main, of third_party/x"));
    // It is run again on the code of then, which has moved on since.
    scratch.commit(x);
    scratch.write("third_party/x/a.sh", "exit 1\n");
    scratch.commit(x);
    assert!(scratch.lineage("", &["rerun", "@"]).contains("1 output, all with the same bytes"));
    // The store that is built anew, and a copy of all facts, say the same.
    let shown = scratch.lineage("", &["show", "o"]);
    scratch.lineage("", &["verify"]);
    std::fs::remove_file(scratch.path().join(".lineage/store.redb")).unwrap();
    assert_eq!(scratch.lineage("", &["show", "o"]), shown);
    scratch.lineage("", &["export", "--format", "jsonl", "--out", "third_party/all.jsonl"]);
    scratch.lineage("third_party", &["init", "."]);
    scratch.lineage("third_party", &["import", "--format", "jsonl", "all.jsonl"]);
    let taken = &scratch.json("third_party", &["show", "@"])["run"];
    assert_eq!((&taken["code"], &taken["repositories"]), (&run["code"], &run["repositories"]));
}

#[test]
fn where_a_repository_moved_on_during_the_run_its_files_are_held_against_the_commit_of_before() {
    let files = [("x/a.sh", "echo a\n"), ("main.sh", "sh x/a.sh\n"), (".gitignore", "x/\no\n")];
    let Some(scratch) = Scratch::new(&files, &["x", ""]) else { return };
    let before = scratch.head("x");
    scratch.write("x/a.sh", "echo b\n");
    if !scratch.run("", "sh main.sh > o; cd x; GIT_COMMITTER_DATE=2090-01-01T00:00:00Z git commit -qam later")
    {
        return;
    }
    let run = &scratch.json("", &["show", "@"])["run"]["repositories"][0];
    assert_eq!((&run["commit"], &run["dirty"]), (&Value::from(before.as_str()), &Value::Bool(true)));
    let text = scratch.lineage("", &["show", "o"]);
    assert!(text.contains(&format!("differs from git at {} of x", &before[..12])), "{text}");
}

#[test]
fn what_a_run_read_of_another_repository_and_is_in_no_commit_makes_the_run_dirty() {
    let files = [
        ("p/t.sh", "sh ../lib/f.sh > m; cat ../lib/conf >> m\n"),
        ("p/.gitignore", "m\nmodels\n.lineage\n"),
        ("lib/f.sh", "echo 1\n"),
        ("lib/conf", "1\n"),
        ("lib/unread", "1\n"),
    ];
    let Some(scratch) = Scratch::new(&files, &["lib", "p"]) else { return };
    scratch.write("lib/unread", "2\n");
    if !scratch.run("p", "sh t.sh") {
        return;
    }
    let answers = |list: &str, filter: &str| {
        let output = scratch.command("p", env!("CARGO_BIN_EXE_lineage"), &[list, "-w", filter, "--json"]);
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        answer[if list == "log" { "runs" } else { "models" }].as_array().unwrap().len()
    };
    let both = |list: &str| (answers(list, "git.dirty = true"), answers(list, "git.dirty = false"));
    assert_eq!(both("log"), (0, 1));
    let (own, other) = (scratch.head("p"), scratch.head("lib"));
    let metadata = |version: &str| -> Value {
        let path = scratch.path().join(format!("p/models/registry/net/{version}/metadata.json"));
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    };
    let root = format!("{}/lib", scratch.path().canonicalize().unwrap().display());
    let said =
        |dirty: bool| serde_json::json!([{"root": root, "commit": other, "branch": "main", "dirty": dirty}]);
    scratch.lineage("p", &["register", "net", "1.0.0", "--artifact", "m=m"]);
    assert_eq!(
        (&metadata("1.0.0")["git_dirty"], &metadata("1.0.0")["repositories"]),
        (&false.into(), &said(false))
    );
    // Code, and what else is tracked.
    for (number, changed) in [(1, "lib/f.sh"), (2, "lib/conf")] {
        scratch.git("lib", &["checkout", "-q", "."]);
        scratch.write(changed, "echo 2\n");
        scratch.run("p", "sh t.sh");
        assert_eq!(both("log"), (number, 1), "{changed}");
        let version = format!("1.0.{number}");
        scratch.lineage("p", &["register", "net", &version, "--artifact", "m=m"]);
        assert_eq!(
            (&metadata(&version)["git_dirty"], &metadata(&version)["repositories"]),
            (&true.into(), &said(true))
        );
        assert_eq!(both("models"), (number, 1), "{changed}");
        let words = format!("{} + lib {}-dirty", &own[..7], &other[..7]);
        assert!(scratch.lineage("p", &["log"]).contains(&words), "{changed}");
        let card = scratch.lineage("p", &["models", "show", &format!("net@{version}")]);
        assert!(card.contains(&format!("  {own}, branch main\n")), "{card}");
        assert!(card.contains(&format!("  {}-dirty, branch main, of {root}\n", &other[..7])), "{card}");
    }
    // Another registry that takes the entry over, and not the run, says the same of it.
    scratch.write("taken/other", "1\n");
    scratch.lineage("taken", &["init", "."]);
    scratch.lineage("taken", &["import", "--format", "registry", "../p/models/registry"]);
    scratch.lineage("taken", &["project"]);
    let bytes = |workspace: &str| {
        std::fs::read(scratch.path().join(workspace).join("models/registry/net/1.0.1/metadata.json")).unwrap()
    };
    assert_eq!(String::from_utf8(bytes("taken")), String::from_utf8(bytes("p")));
}

#[test]
fn code_that_a_run_read_and_nobody_added_makes_it_dirty() {
    let files = [
        ("p/t.sh", "for f in *.sh ../lib/*.sh; do [ $f = t.sh ] || sh $f; done > m; cat *.csv >> m; true\n"),
        ("p/.gitignore", "m\nmodels\n.lineage\nignored*\n"),
        ("lib/f.sh", "echo 1\n"),
        ("lib/.gitignore", "version.sh\n"),
    ];
    let Some(scratch) = Scratch::new(&files, &["lib", "p"]) else { return };
    // Not read, no code, ignored, of no repository, or written by a step.
    scratch.write("p/sub/unread.sh", "echo\n");
    scratch.write("lib/sub/unread.sh", "echo\n");
    scratch.write("p/new.csv", "1\n");
    scratch.write("p/ignored.sh", "echo 2\n");
    scratch.write("lib/version.sh", "echo 3\n");
    scratch.write("free.sh", "echo 4\n");
    if !scratch.run("p", "echo 'echo 5' > made.sh; sh made.sh") {
        return;
    }
    let run = |line: &str| {
        scratch.run("p", line);
        scratch.json("p", &["show", "@"])["run"].clone()
    };
    let clean = run("sh t.sh; sh ../free.sh >> m");
    assert_eq!(clean["code"]["dirty"], false, "{clean}");
    assert_eq!(
        (&clean["code"]["never_committed"], &clean["repositories"][0]["dirty"]),
        (&serde_json::json!([]), &false.into())
    );
    let own = &scratch.head("p")[..7];
    let dirty_ones = |list: &str| {
        let arguments = [list, "-w", "git.dirty = true", "--json"];
        let output = scratch.command("p", env!("CARGO_BIN_EXE_lineage"), &arguments);
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        answer[if list == "log" { "runs" } else { "models" }].as_array().unwrap().len()
    };
    let metadata = |version: &str| -> Value {
        scratch.lineage("p", &["register", "net", version, "--artifact", "m=m"]);
        let path = scratch.path().join(format!("p/models/registry/net/{version}/metadata.json"));
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    };
    assert_eq!(
        (&metadata("1.0.0")["git_dirty"], dirty_ones("log"), dirty_ones("models")),
        (&false.into(), 0, 0)
    );
    // Of another repository.
    scratch.write("lib/new.sh", "echo 6\n");
    let dirty = run("sh t.sh");
    assert_eq!((&dirty["code"]["dirty"], &dirty["repositories"][0]["dirty"]), (&false.into(), &true.into()));
    let entry = metadata("1.0.1");
    assert_eq!((&entry["git_dirty"], &entry["repositories"][0]["dirty"]), (&true.into(), &true.into()));
    std::fs::remove_file(scratch.path().join("lib/new.sh")).unwrap();
    // Of its own.
    scratch.write("p/new.sh", "echo 7\n");
    let dirty = run("sh t.sh");
    assert_eq!((&dirty["code"]["dirty"], &dirty["repositories"][0]["dirty"]), (&true.into(), &false.into()));
    assert_eq!(dirty["code"]["label"], format!("{own}-dirty"));
    assert_eq!(dirty["code"]["never_committed"], serde_json::json!(["new.sh"]));
    let text = scratch.lineage("p", &["show", "@"]);
    assert!(
        text.contains(&format!("{own}-dirty (1 file)")) && text.contains("untracked new.sh, and read\n"),
        "{text}"
    );
    assert_eq!(
        (&metadata("1.0.2")["git_dirty"], dirty_ones("log"), dirty_ones("models")),
        (&true.into(), 2, 2)
    );
    scratch.lineage("p", &["verify"]);
    // A repetition is made of the same.
    scratch.lineage("p", &["rerun", "@"]);
    assert_eq!(scratch.json("p", &["show", "@"])["run"]["code"]["dirty"], true);
}

#[test]
fn a_run_is_repeated_on_another_repository_as_it_was_then() {
    let files = [
        ("p/t.sh", "cat ../libs/lib/f ../libs/lib/own $LIB/f d > m\n"),
        ("p/d", "data\n"),
        ("p/.gitignore", "m\n.lineage\n"),
        ("libs/lib/f", "1\n"),
        ("libs/lib/unread", "1\n"),
        ("libs/lib/.gitignore", "own\n"),
        ("libs/lib/own", "ignored\n"),
        ("libs/other", "beside\n"),
    ];
    let Some(scratch) = Scratch::new(&files, &["libs/lib", "p"]) else { return };
    let lib = scratch.path().canonicalize().unwrap().join("libs/lib").display().to_string();
    let variable = format!("LIB={lib}");
    let lineage = |arguments: &[&str]| {
        let arguments = [&[&variable, env!("CARGO_BIN_EXE_lineage")], arguments].concat();
        let output = scratch.command("p", "env", &arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    if !scratch.run("p", "cat ../libs/other; true") {
        return;
    }
    lineage(&["run", "-q", "--name", "a", "--", "sh", "t.sh"]);
    scratch.write("libs/lib/f", "2\n");
    lineage(&["run", "-q", "--name", "b", "--", "sh", "t.sh"]);
    // Whatever became of it since.
    scratch.write("libs/lib/f", "3\n");
    scratch.write("libs/lib/own", "ignored no more\n");
    for name in ["a", "b"] {
        let (code, text, errors) = lineage(&["rerun", name]);
        assert!(code == 0 && text.contains("1 output, all with the same bytes"), "{name}: {text}{errors}");
        let words = format!("the repository at `{lib}` has moved on");
        assert!(errors.contains(&words), "{text}{errors}");
    }
    assert_eq!(std::fs::read_to_string(scratch.path().join("libs/lib/f")).unwrap(), "3\n");
    // What it read is named by what it stands for.
    let (_, shown, _) = lineage(&["log", "--all", "-n", "1"]);
    assert!(shown.contains(" + lib "), "{shown}");
    let (code, status, _) = lineage(&["status"]);
    assert!(!status.contains("lineage-rerun-"), "{code} {status}");
    // Where a program goes there by the whole path, that is said.
    scratch.write("p/t.sh", &format!("cat {lib}/f > m\n"));
    scratch.commit("p");
    lineage(&["run", "-q", "--name", "c", "--", "sh", "t.sh"]);
    scratch.write("libs/lib/f", "4\n");
    let (code, text, errors) = lineage(&["rerun", "c"]);
    assert!(code == 1 && errors.contains(&format!("it read `{lib}/f` by the whole path")), "{text}{errors}");
}

#[test]
fn a_repository_around_that_of_the_workspace_is_another() {
    let files = [
        ("p/t.sh", "cat ../conf > m\n"),
        ("p/.gitignore", "m\n.lineage\n"),
        ("conf", "1\n"),
        (".gitignore", "p\n"),
    ];
    let Some(scratch) = Scratch::new(&files, &["p", ""]) else { return };
    if !scratch.run("p", "sh t.sh") {
        return;
    }
    let around = scratch.path().canonicalize().unwrap().display().to_string();
    assert_eq!(scratch.words("p", "m", "t.sh", "p"), "inferred in git at SHA");
    let words = scratch.words("p", "m", &format!("{around}/conf"), "");
    assert_eq!(words, format!("observed in git at SHA of {around}"));
    let run = &scratch.json("p", &["show", "@"])["run"];
    assert_eq!(run["code"]["commit"], scratch.head("p"));
    assert_eq!(
        (&run["repositories"][0]["root"], &run["repositories"][0]["dirty"]),
        (&around.as_str().into(), &false.into())
    );
    scratch.write("conf", "2\n");
    scratch.commit("");
    assert!(scratch.lineage("p", &["rerun", "@"]).contains("1 output, all with the same bytes"));
}

#[test]
fn where_a_commit_is_gone_a_run_is_repeated_on_the_files_that_it_read() {
    let files = [("t.sh", "cat d > m\n"), ("d", "1\n"), (".gitignore", "m\n.lineage\n")];
    let Some(scratch) = Scratch::new(&files, &[""]) else { return };
    scratch.git("", &["checkout", "-q", "-b", "exp"]);
    scratch.write("d", "2\n");
    scratch.commit("");
    let commit = scratch.head("");
    if !scratch.run("", "sh t.sh") {
        return;
    }
    scratch.git("", &["checkout", "-q", "main"]);
    scratch.git("", &["merge", "-q", "--squash", "exp"]);
    scratch.write("more", "1\n");
    scratch.commit("");
    let held_by = || scratch.json("", &["show", "@"])["commit_held_by"].clone();
    assert_eq!(held_by(), "reference");
    scratch.git("", &["branch", "-q", "-D", "exp"]);
    assert_eq!(held_by(), "nothing");
    assert!(scratch.lineage("", &["show", "@"]).contains("on no branch and no tag now"));
    scratch.git("", &["reflog", "expire", "--expire=now", "--all"]);
    scratch.git("", &["gc", "-q", "--prune=now"]);
    assert_eq!(held_by(), "not here");
    let output = scratch.command("", env!("CARGO_BIN_EXE_lineage"), &["rerun", "@"]);
    let [text, errors] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(text.contains("1 output, all with the same bytes"), "{text}{errors}");
    assert!(
        errors.contains(&format!("has not the commit {commit} any more: only the files that")),
        "{errors}"
    );
}

#[test]
fn code_that_changed_after_a_run_began_and_before_it_was_read_makes_the_run_dirty() {
    let files = [
        ("t.sh", "echo up\nread go\nsh helper.sh\n"),
        ("helper.sh", "echo A > n\n"),
        ("own.sh", "echo 'echo C > n' > helper.sh\nsh helper.sh\n"),
        (".gitignore", "n\nmodels\n"),
    ];
    let Some(scratch) = Scratch::new(&files, &[""]) else { return };
    let mut training = Command::new(env!("CARGO_BIN_EXE_lineage"))
        .args(["run", "-q", "--", "sh", "t.sh"])
        .current_dir(scratch.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(training.stdout.take().unwrap());
    said.read_line(&mut String::new()).unwrap();
    scratch.lineage("", &["register", "early", "1.0.0", "--run", "@", "--artifact", "t=t.sh"]);
    scratch.write("helper.sh", "echo B > n\n");
    training.stdin.take().unwrap().write_all(b"go\n").unwrap();
    assert!(training.wait().unwrap().success());
    let run = scratch.json("", &["show", "@"])["run"].clone();
    if run["observed_by"] != "net" {
        return skipped(Lack::Net, "commands cannot be observed on this machine");
    }
    let code = &run["code"];
    assert_eq!((&code["dirty"], &code["changed"]), (&Value::Bool(true), &serde_json::json!([])));
    assert_eq!(code["changed_meanwhile"], serde_json::json!(["helper.sh"]));
    let label = format!("{}-dirty", &scratch.head("")[..7]);
    assert_eq!(code["label"], label);
    let text = scratch.lineage("", &["show", "@"]);
    assert!(text.contains("\n  modified helper.sh, while it went on\n"), "{text}");
    assert!(text.contains(&format!("{label} (1 file)")), "{text}");
    scratch.lineage("", &["register", "late", "1.0.0", "--artifact", "n=n"]);
    for (list, expected) in [("log", 1), ("models", 2)] {
        let answers = |filter: &str| {
            let output = scratch.command("", env!("CARGO_BIN_EXE_lineage"), &[list, "-w", filter, "--json"]);
            let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
            answer[if list == "log" { "runs" } else { "models" }].as_array().unwrap().len()
        };
        assert_eq!((answers("git.dirty = true"), answers("git.dirty = false")), (expected, 0), "{list}");
    }
    scratch.lineage("", &["project"]);
    for model in ["early", "late"] {
        let entry =
            std::fs::read(scratch.path().join(format!("models/registry/{model}/1.0.0/metadata.json")));
        let entry: Value = serde_json::from_slice(&entry.unwrap()).unwrap();
        assert_eq!(entry["git_dirty"], true, "{model}");
    }
    // What a run wrote itself, code at its commit did.
    scratch.git("", &["checkout", "-q", "helper.sh"]);
    scratch.lineage("", &["run", "-q", "--", "sh", "own.sh"]);
    assert_eq!(scratch.json("", &["show", "@"])["run"]["code"]["dirty"], false);
}

#[test]
fn data_that_git_tracks_is_compared_with_the_commit_too() {
    let files = [("conf.json", "1\n"), ("conf.txt", "2\n"), ("big.csv", "3\n"), (".gitignore", "raw/\n")];
    let Some(scratch) = Scratch::new(&[&files[..], &[("raw/in.csv", "4\n")]].concat(), &[""]) else { return };
    if !scratch.run("", "cat conf.json conf.txt big.csv raw/in.csv > o") {
        return;
    }
    for file in ["conf.json", "conf.txt", "big.csv"] {
        assert_eq!(scratch.words("", "o", file, ""), "observed in git at SHA", "{file}");
    }
    assert_eq!(scratch.words("", "o", "raw/in.csv", ""), "observed source");
    scratch.write("conf.json", "5\n");
    // What is written back, or written anew, after it was read: what was read is as it was in the commit.
    scratch.run("", "cat conf.json conf.txt big.csv > o; echo 6 > conf.txt; cp big.csv b; mv b big.csv");
    assert_eq!(scratch.words("", "o", "conf.json", ""), "observed differs from git at SHA");
    assert_eq!(scratch.words("", "o", "conf.txt", ""), "observed in git at SHA, changed since");
    assert_eq!(scratch.words("", "o", "big.csv", ""), "observed in git at SHA");
    let edges = &scratch.json("", &["show", "o"])["runs"][0]["steps"];
    let role = |path: &str| {
        let mut used = edges.as_array().unwrap().iter().flat_map(|step| step["used"].as_array().unwrap());
        used.find(|edge| edge["path"] == path).unwrap()["role"].clone()
    };
    assert_eq!((role("conf.json"), role("conf.txt")), ("changed data".into(), "tracked data".into()));
    // It is data all the same, and so a cause of what differs.
    let output = scratch.command("", env!("CARGO_BIN_EXE_lineage"), &["diff", "@-", "@"]);
    let diff = String::from_utf8(output.stdout).unwrap();
    assert!(diff.contains("input conf.json has other bytes"), "{diff}");
    scratch.lineage("", &["verify"]);
}

#[test]
fn what_git_prints_packs_or_copies_comes_from_the_repository_that_it_read() {
    let Some(scratch) = Scratch::new(&[("code.sh", "echo old\n")], &[""]) else { return };
    scratch.write("code.sh", "echo new\n");
    scratch.commit("");
    if !scratch.run(
        "",
        "git show HEAD~1:code.sh > old; git archive HEAD | gzip > all.tgz; git diff --quiet; echo > no",
    ) {
        return;
    }
    let sources = |file: &str| {
        let shown = scratch.json("", &["show", file]);
        let paths =
            shown["sources"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned());
        paths.collect::<Vec<_>>()
    };
    let name = format!("git://{}", scratch.path().file_name().unwrap().to_str().unwrap());
    assert_eq!(sources("old"), std::slice::from_ref(&name));
    assert_eq!(sources("all.tgz"), [name]);
    assert_eq!(sources("no"), [""; 0]);
    // A clone comes from what was cloned.
    let other = tempfile::tempdir().unwrap();
    let there = other.path().join("there").display().to_string();
    for (kind, copy) in [("--bare", "of_bare"), ("--no-bare", "of_other")] {
        let there = format!("{there}{kind}");
        scratch.git("", &["clone", "-q", kind, ".", &there]);
        scratch.run("", &format!("git clone -q {there} {copy}"));
        assert_eq!(sources(&format!("{copy}/code.sh")), [format!("git://{there}")]);
    }
}

#[test]
fn what_git_took_out_of_a_repository_comes_from_there() {
    let Some(scratch) = Scratch::new(&[("code.sh", "echo old\n"), ("other", "1\n")], &[""]) else { return };
    scratch.git("", &["tag", "old"]);
    scratch.write("code.sh", "echo new\n");
    scratch.commit("");
    if !scratch.run("", "git checkout -q old; cat code.sh > o; git checkout -q main") {
        return;
    }
    let shown = scratch.json("", &["show", "o"]);
    let sources: Vec<&str> =
        shown["sources"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    let name = scratch.path().file_name().unwrap().to_str().unwrap();
    assert_eq!(sources, [format!("git://{name}")]);
    // The run put the new code back itself.
    let status = scratch.json("", &["status"]);
    assert_eq!(status["stale"].as_array().unwrap().len(), 0, "{status}");
    scratch.write("code.sh", "echo newer\n");
    scratch.commit("");
    scratch.run("", "sh code.sh > p");
    let output = scratch.command("", env!("CARGO_BIN_EXE_lineage"), &["status", "--json"]);
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status["stale"][0]["path"], "o", "{status}");
    // What git prints of files is made from them.
    scratch.write("code.sh", "echo newest\n");
    scratch.run("", "git diff > d");
    assert!(scratch.lineage("", &["show", "d"]).contains(" code.sh "));
}

#[test]
fn a_repository_below_a_workspace_is_told_once_where_it_is_recorded() {
    let Some(scratch) = Scratch::new(&[("proj/sub/a", "1\n")], &["proj"]) else { return };
    scratch.lineage("", &["init"]);
    let errors = |folder: &str, arguments: &[&str]| {
        let output = scratch.command(folder, env!("CARGO_BIN_EXE_lineage"), arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(errors("proj/sub", &["run", "-q", "--", "true"]), "");
    let root = scratch.path().canonicalize().unwrap();
    let told = errors("proj/sub", &["run", "--name", "first", "--", "true"]);
    let words =
        format!("recorded in the workspace at {0}, which holds the repository at {0}/proj", root.display());
    assert!(told.contains(&words), "{told}");
    assert_eq!(errors("proj", &["run", "--", "true"]).lines().count(), 1);
    // It gets one of its own; what was recorded stays where it is, and can be taken over under the paths that it has there.
    let made = errors("proj/sub", &["init"]);
    assert!(made.contains(&format!("made a workspace at {}/proj", root.display())), "{made}");
    assert!(made.contains(&format!("in the workspace at {} stays there", root.display())), "{made}");
    assert_eq!(scratch.json("proj", &["log"])["runs"].as_array().unwrap().len(), 0);
    scratch.lineage("proj", &["merge", ".."]);
    assert!(scratch.lineage("proj", &["log"]).contains("first"));
    assert!(scratch.lineage("", &["log"]).contains("first"));
}

#[test]
fn of_a_repository_that_cannot_be_read_nothing_is_said_to_be_in_it_or_not() {
    let Some(scratch) = Scratch::new(&[("code.sh", "echo 1\n")], &[]) else { return };
    if !scratch.command("", "git", &["init", "-q", "--object-format=sha256"]).status.success() {
        skipped(Lack::System, "this git knows no SHA-256");
        return;
    }
    scratch.commit("");
    scratch.lineage("", &["init"]);
    if !scratch.run("", "sh code.sh > o") {
        return;
    }
    assert_eq!(scratch.words("", "o", "code.sh", ""), "observed not known whether in git");
    let code = &scratch.json("", &["show", "@"])["run"]["code"];
    assert_eq!(code["dirty"], Value::Null);
    assert!(code["unreadable"].is_string(), "{code}");
}

#[test]
fn what_git_reads_to_say_what_has_changed_is_no_input_of_who_asks() {
    let files = [("in.txt", "1\n"), ("README.md", "words\n"), (".gitignore", "out*\n")];
    let Some(scratch) = Scratch::new(&files, &[""]) else { return };
    scratch.lineage("", &["init"]);
    // What was written since git looked last it has to read.
    scratch.write("README.md", "words\n");
    let script = "v=$(git describe --always --dirty; git status --short; git diff --name-only); \
                  cat in.txt > out; echo $v >> out; git diff > out.patch";
    if !scratch.run("", script) {
        return;
    }
    let sources = |file: &str| {
        let shown = scratch.json("", &["show", file]);
        let paths = shown["sources"].as_array().unwrap().iter();
        paths.map(|source| source["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(sources("out"), ["in.txt"]);
    scratch.write("in.txt", "2\n");
    assert!(scratch.run("", "git diff > out.patch"));
    assert!(sources("out.patch").contains(&"in.txt".to_owned()));
}
