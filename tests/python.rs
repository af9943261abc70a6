//! Runs of Python, which from the second on opens what it compiled in the place of its modules: what was read is known all the same.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::machine::{Lack, skipped};
use common::{Answer, Place};
use serde_json::Value;

/// A module, a package, a module behind a link and one in a folder behind a link; `None` where there is no Python or no net.
fn project() -> Option<Place> {
    let place = Place::empty().with_real_clock();
    place.write("mm.py", b"X = 1\n");
    place.write("pack/__init__.py", b"from .part import Y\n");
    place.write("pack/part.py", b"Y = 2\n");
    place.write("hidden/behind.py", b"Z = 3\n");
    place.write("elsewhere/far.py", b"W = 4\n");
    place.write(
        "t.py",
        b"import sys; sys.path.insert(0, 'folder')\n\
          import mm, pack, behind, far\n\
          open('o', 'w').write(f'{mm.X}{pack.Y}{behind.Z}{far.W}')\n",
    );
    std::os::unix::fs::symlink("hidden/behind.py", place.at("behind.py")).unwrap();
    std::os::unix::fs::symlink("elsewhere", place.at("folder")).unwrap();
    observed(&place).then_some(place)
}

/// Makes a workspace; returns whether Python runs here, and is observed.
fn observed(place: &Place) -> bool {
    place.ok(&["init"]);
    let answer =
        place.run(&["run", "--", "python3", "-c", "import sys; sys.exit(sys.version_info < (3, 8))"]);
    if answer.code != 0 {
        skipped(Lack::Python, "Python does not run here, or is older than 3.8");
        return false;
    }
    place.was_observed()
}

/// Runs `arguments` with variables.
fn run(place: &Place, variables: &[(&str, &str)], arguments: &[&str]) -> Answer {
    let mut command = place.command(&[&["run", "--"], arguments].concat());
    let answer = Answer::from(command.envs(variables.iter().copied()).output().unwrap());
    assert_eq!(answer.code, 0, "{arguments:?}: {answer:#?}");
    answer
}

/// Returns what the run that wrote `o` read: path, evidence, role.
fn read(place: &Place) -> Vec<[String; 3]> {
    let shown = place.json(&["show", "o", "--depth", "1"]);
    let steps = shown["runs"].as_array().unwrap().iter().flat_map(|run| run["steps"].as_array().unwrap());
    let edges = steps.flat_map(|step| step["used"].as_array().unwrap());
    let word = |edge: &Value, field: &str| edge[field].as_str().unwrap().to_owned();
    let mut read: Vec<[String; 3]> =
        edges.map(|edge| ["path", "evidence", "role"].map(|field| word(edge, field))).collect();
    read.sort();
    read
}

/// Returns evidence and role of one file that the run that wrote `o` read.
fn read_of(place: &Place, path: &str) -> String {
    let read = read(place);
    let found = read.iter().find(|edge| edge[0] == path).unwrap_or_else(|| panic!("no `{path}` in {read:?}"));
    format!("{}, {}", found[1], found[2])
}

/// Compiles a module as `python3 -m compileall` does.
fn compile(place: &Place, arguments: &[&str]) {
    let mut command = Command::new("python3");
    let answer = place.run_there(command.args(["-m", "compileall", "-q"]).args(arguments));
    assert_eq!(answer.code, 0, "{answer:?}");
}

fn remove_compiled(place: &Place) {
    fs::remove_dir_all(place.at("__pycache__")).unwrap();
}

#[test]
fn what_was_compiled_before_is_read_as_its_sources_are() {
    let Some(place) = project() else { return };
    let outside = tempfile::tempdir().unwrap();
    let spawn = "import multiprocessing as m, runpy\n\
                 if __name__ == '__main__':\n p = m.get_context('spawn').Process(target=runpy.run_path, args=('t.py',))\n p.start(); p.join()\n";
    place.write("spawn.py", spawn.as_bytes());
    type Way<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
    let trees = [("PYTHONPYCACHEPREFIX", outside.path().to_str().unwrap())];
    let ways: [Way<'_>; 5] = [
        (&[], &["python3", "t.py"]),
        (&[], &["python3", "-O", "t.py"]),
        (&trees, &["python3", "t.py"]),
        (&[("PYTHONPYCACHEPREFIX", "compiled")], &["python3", "t.py"]),
        (&[], &["python3", "spawn.py"]),
    ];
    for (variables, arguments) in ways {
        let once = run(&place, &[&[("PYTHONDONTWRITEBYTECODE", "1")], variables].concat(), arguments);
        let sources = read(&place);
        let modules = ["mm.py", "pack/__init__.py", "pack/part.py", "hidden/behind.py", "elsewhere/far.py"];
        for path in ["t.py", "behind.py", "folder"].iter().chain(&modules) {
            assert!(sources.iter().any(|edge| edge[0] == *path), "{path}: {sources:?}");
        }
        // Compiled by the first of them, if not before; nothing of that is recorded.
        run(&place, variables, arguments);
        let compiled = run(&place, variables, arguments);
        let without_evidence = |read: &[[String; 3]]| -> Vec<[String; 2]> {
            read.iter().map(|[path, _, role]| [path.clone(), role.clone()]).collect()
        };
        let found = read(&place);
        assert_eq!(without_evidence(&found), without_evidence(&sources), "{variables:?} {arguments:?}");
        for path in modules {
            assert_eq!(read_of(&place, path), "inferred, untracked code", "{variables:?} {arguments:?}");
        }
        let counts = |answer: &Answer| answer.stderr.split(": ").nth(2).unwrap().to_owned();
        assert_eq!(counts(&compiled), counts(&once));
        let diff = place.ok(&["diff", "@--", "@"]).stdout;
        assert!(diff.contains("no difference"), "{diff}");
    }
}

#[test]
fn a_module_that_was_compiled_has_its_place_in_git_and_in_every_answer() {
    let Some(place) = project() else { return };
    let place = place.with_commit().unwrap();
    let run = || drop(run(&place, &[], &["python3", "t.py"]));
    let head = place.head();
    run();
    run();
    assert_eq!(read_of(&place, "mm.py"), "inferred, code");
    // Of another size, so that Python sees it within the same second.
    place.write("mm.py", b"X = 1000\n");
    run();
    run();
    assert_eq!(read_of(&place, "mm.py"), "inferred, changed code");
    let shown = place.ok(&["show", "o"]).stdout;
    assert!(shown.contains(&format!("inferred  differs from git at {head}")), "{shown}");
    let down = place.json(&["show", "mm.py", "--down"]);
    assert_eq!(down["runs"].as_array().unwrap().len(), 2);
    assert_eq!(place.json(&["show", "@"])["run"]["code"]["untracked"], 1, "`o` alone");
    place.git(&["checkout", "-q", "mm.py"]);
    let status = place.run(&["status"]);
    assert_eq!(status.code, 1, "{status:?}");
    assert!(status.stdout.contains("o  mm.py has other bytes, as read by run "), "{}", status.stdout);
    run();
    run();
    let diff = place.run(&["diff", "@--", "@"]);
    assert!(diff.stdout.contains("code mm.py has other bytes"), "{}", diff.stdout);
    assert!(!diff.stdout.contains("__pycache__"), "{}", diff.stdout);
    let diff = place.ok(&["diff", "@-", "@"]).stdout;
    assert!(diff.contains("no difference"), "{diff}");
}

#[test]
fn a_run_of_compiled_modules_that_git_does_not_track_is_repeated() {
    let Some(place) = project() else { return };
    run(&place, &[], &["python3", "t.py"]);
    run(&place, &[], &["python3", "t.py"]);
    let again = place.ok(&["rerun", "@"]).stdout;
    assert!(again.contains("1 output, all with the same bytes"), "{again}");
}

#[test]
fn a_source_that_is_not_what_was_compiled_is_not_taken_for_what_ran() {
    let Some(place) = project() else { return };
    run(&place, &[], &["python3", "t.py"]);
    let compile_by_hash = |how| {
        remove_compiled(&place);
        compile(&place, &["--invalidation-mode", how, "mm.py"]);
    };
    compile_by_hash("unchecked-hash");
    assert!(!run(&place, &[], &["python3", "t.py"]).stderr.contains("compiled"));
    assert_eq!(read_of(&place, "mm.py"), "inferred, untracked code");
    place.write("mm.py", b"X = 5\n");
    let answer = run(&place, &[], &["python3", "t.py"]);
    assert_eq!(place.read("o"), b"1234");
    assert!(answer.stderr.contains("`mm.py` ran as it had been compiled"), "{answer:?}");
    assert_eq!(read_of(&place, "mm.py"), "changed while read, untracked code");
    // Nobody changed it: that is not said.
    let shown = place.ok(&["show", "o"]).stdout;
    let line = shown.lines().find(|line| line.contains("  mm.py  ")).unwrap();
    assert!(line.contains("  as compiled before  "), "{shown}");
    let status = place.run(&["status"]).stdout;
    assert!(status.contains("mm.py ran as it had been compiled before, perhaps"), "{status}");
    assert_eq!(place.status().1["doubtful"][0]["ran_as_compiled"], serde_json::json!(["mm.py"]));
    // Here Python reads the source to see whether it has the hash.
    compile_by_hash("checked-hash");
    place.write("mm.py", b"X = 6\n");
    assert!(!run(&place, &[], &["python3", "t.py"]).stderr.contains("compiled"));
    assert_eq!(place.read("o"), b"6234");
    assert_eq!(read_of(&place, "mm.py"), "observed, untracked code");
}

#[test]
fn a_compiled_module_without_a_source_is_code_itself() {
    let Some(place) = project() else { return };
    let made = run(&place, &[], &["python3", "-m", "compileall", "-q", "-b", "mm.py"]);
    assert!(made.stderr.contains("1 output"), "{made:?}");
    fs::rename(place.at("mm.py"), place.at("kept.py")).unwrap();
    run(&place, &[], &["python3", "t.py"]);
    assert_eq!(read_of(&place, "mm.pyc"), "observed, untracked code");
    assert!(read(&place).iter().all(|edge| edge[0] != "mm.py"));
}

/// Installs a package in a virtual environment, as an installer does.
fn install(packages: &Path, version: &str, constant: u32) {
    for entry in fs::read_dir(packages).unwrap() {
        fs::remove_dir_all(entry.unwrap().path()).unwrap();
    }
    let info = packages.join(format!("foo-{version}.dist-info"));
    fs::create_dir_all(packages.join("foo")).unwrap();
    fs::create_dir_all(&info).unwrap();
    fs::write(packages.join("foo/__init__.py"), format!("V = {constant}\n")).unwrap();
    fs::write(info.join("RECORD"), "foo/__init__.py,,\n").unwrap();
}

#[test]
fn an_environment_that_a_run_makes_is_none_of_its_outputs() {
    let Some(place) = project() else { return };
    let made = place.run(&["run", "-q", "--", "python3", "-m", "venv", "--without-pip", "vv"]);
    if made.code != 0 {
        return skipped(Lack::System, "Python makes no virtual environments here");
    }
    if !place.was_observed() {
        return;
    }
    assert_eq!(place.json(&["show", "@"])["outputs"].as_array().unwrap().len(), 0);
    let is_named = || place.run(&["status"]).stdout.contains("vv");
    assert!(!is_named());
    place.ok(&["run", "-q", "--", "sh", "-c", ". vv/bin/activate; python -c 'print(1)' > o"]);
    let sources = place.json(&["show", "o"])["sources"].clone();
    assert!(!sources.to_string().contains("vv/bin/activate"), "{sources:#}");
    fs::remove_dir_all(place.at("vv")).unwrap();
    assert!(!is_named());
}

#[test]
fn an_environment_in_the_workspace_is_the_same_however_its_modules_were_read() {
    let Some(place) = project() else { return };
    let mut make = Command::new("python3");
    if place.run_there(make.args(["-m", "venv", "--without-pip", ".venv"])).code != 0 {
        return skipped(Lack::System, "Python makes no virtual environments here");
    }
    let versions = fs::read_dir(place.at(".venv/lib")).unwrap();
    let version =
        versions.map(|entry| entry.unwrap().path()).find(|path| path.join("site-packages").is_dir());
    let packages = version.unwrap().join("site-packages");
    place.write("t.py", b"import foo\nopen('o', 'w').write(str(foo.V))\n");
    let place = place.with_commit().unwrap();
    place.git(&["rm", "-rq", "--cached", ".venv"]);
    place.git(&["commit", "-q", "--amend", "-m", "Add code"]);
    let run = || drop(run(&place, &[], &[".venv/bin/python", "t.py"]));
    let is_equal = || place.run(&["diff", "@-", "@"]).stdout.contains("no difference");
    install(&packages, "1.0", 10);
    run();
    run();
    assert!(is_equal(), "that it was compiled changes nothing");
    let shown = place.ok(&["show", "@", "--environment"]).stdout;
    assert!(shown.contains("python package foo 1.0\n"), "{shown}");
    assert!(!shown.contains(".pyc"), "{shown}");
    assert_eq!(place.json(&["show", "@"])["run"]["code"]["untracked"], 1, "`o` alone");
    install(&packages, "1.0", 10);
    run();
    assert!(is_equal(), "installed anew");
    install(&packages, "2.0", 20);
    run();
    run();
    assert!(is_equal());
    let diff = place.run(&["diff", "@--", "@"]).stdout;
    assert!(!diff.contains("nothing recorded explains"), "{diff}");
    let row = diff.lines().find(|line| line.contains("python package foo")).unwrap_or_default();
    assert!(row.ends_with("1.0 -> 2.0"), "{diff}");
    let entries = &place.json(&["diff", "@--", "@"])["environment_entries"]["files"];
    let file = entries
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["name"].as_str().unwrap().ends_with("foo/__init__.py"));
    assert!(file.unwrap()["a"].as_str().unwrap().starts_with("blake3:"), "{entries}");
}
