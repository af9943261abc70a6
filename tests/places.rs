//! Which files outside a workspace are data to a run, end to end: by where they lie, and by whether they look like a tool's.

mod common;

use common::machine::{Lack, skipped};

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

/// A home, with a workspace among what tools keep there.
struct Home {
    _folder: tempfile::TempDir,
    home: PathBuf,
    root: PathBuf,
}

impl Home {
    /// Makes the workspace at `place` in a new home, or says that commands cannot be observed on this machine.
    fn with_workspace_at(place: &str) -> Option<Home> {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().canonicalize().unwrap();
        let root = home.join(place);
        fs::create_dir_all(&root).unwrap();
        let made = Home { _folder: folder, home, root };
        assert!(made.lineage(&["init"]).status.success());
        let output = made.shell("true");
        let is_seen = !String::from_utf8_lossy(&output.stderr).contains("inferred from before and after");
        if !is_seen {
            skipped(Lack::Net, "commands cannot be observed on this machine");
        }
        is_seen.then_some(made)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.home.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn lineage(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lineage"));
        command.args(arguments).current_dir(&self.root);
        command.env_clear().env("PATH", std::env::var("PATH").unwrap()).env("HOME", &self.home);
        command.output().unwrap()
    }

    fn shell(&self, script: &str) -> Output {
        self.lineage(&["run", "--", "sh", "-c", script])
    }

    /// Lists what went into a file, all the way up, and which of it is in the home.
    fn ancestors(&self, file: &str) -> Vec<String> {
        let output = self.lineage(&["show", file, "--json"]);
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
        let runs = shown["runs"].as_array().unwrap().iter();
        let steps = runs.flat_map(|run| run["steps"].as_array().unwrap());
        let edges = steps.flat_map(|step| step["used"].as_array().unwrap());
        let paths = edges.map(|edge| edge["path"].as_str().unwrap());
        let front = format!("{}/", self.home.display());
        let mut paths: Vec<String> = paths.map(|path| path.replace(&front, "~/")).collect();
        paths.sort();
        paths
    }
}

#[test]
fn data_beside_caches_is_followed_and_what_was_written_there_leads_on() {
    let Some(home) = Home::with_workspace_at("w") else { return };
    home.write("w/a", "1\n");
    home.write(".cache/my_dataset/train.json", "{}\n");
    home.write(".cache/pip/http/x.json", "{}\n");
    let script = "cat a $HOME/.cache/my_dataset/train.json $HOME/.cache/pip/http/x.json > o
                  mkdir -p $HOME/.local/share/corpus; cat a > $HOME/.local/share/corpus/out.json";
    assert!(home.shell(script).status.success());
    assert_eq!(home.ancestors("o"), ["a", "~/.cache/my_dataset/train.json"]);
    assert!(home.shell("cat $HOME/.local/share/corpus/out.json > o2").status.success());
    assert_eq!(home.ancestors("o2"), ["a", "~/.local/share/corpus/out.json"]);
}

#[test]
fn what_lies_beside_a_workspace_is_data_also_where_tools_are() {
    let Some(home) = Home::with_workspace_at(".config/app/w") else { return };
    home.write(".config/app/in.txt", "1\n");
    home.write(".config/other/settings.txt", "2\n");
    assert!(home.shell("cat ../in.txt ../../other/settings.txt > o").status.success());
    assert_eq!(home.ancestors("o"), ["~/.config/app/in.txt"]);
}

#[test]
fn histories_and_credentials_of_a_home_are_no_data_and_histories_worth_no_remark() {
    let Some(home) = Home::with_workspace_at("w") else { return };
    home.write("w/a", "1\n");
    for settings in [".netrc", ".gitconfig", ".aws/credentials", ".ssh/known_hosts", ".kaggle/kaggle.json"] {
        home.write(settings, "secret\n");
    }
    let script =
        "cd $HOME; cat .netrc .gitconfig .aws/credentials .ssh/known_hosts .kaggle/kaggle.json w/a > w/o
                  echo exit >> .python_history; cat .python_history > w/h; echo x > .viminfo";
    let output = home.shell(script);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("1 input, 0 code files, 2 outputs"), "{stderr}");
    assert!(!stderr.contains("not recorded"), "{stderr}");
    assert_eq!(home.ancestors("o"), ["a"]);
    home.write(".python_history", "quit\n");
    home.write(".aws/credentials", "renewed\n");
    assert_eq!(home.lineage(&["status"]).status.code(), Some(0));
}

#[test]
fn an_output_outside_of_the_workspace_is_brought_back_to_a_place_that_is_named() {
    let Some(home) = Home::with_workspace_at("w") else { return };
    assert!(home.shell("mkdir ../out; echo 1 > ../out/o; cat ../out/o > p").status.success());
    fs::remove_dir_all(home.home.join("out")).unwrap();
    let file = home.home.join("out/o");
    let status = home.lineage(&["status"]);
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.contains("outside the workspace: `lineage restore FILE --to PATH` writes it"), "{status}");
    let refused = home.lineage(&["restore", file.to_str().unwrap()]);
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr.contains("lies outside of the workspace") && stderr.contains("--to PATH"), "{stderr}");
    assert!(home.lineage(&["restore", file.to_str().unwrap(), "--to", "o"]).status.success());
    assert_eq!(fs::read_to_string(home.root.join("o")).unwrap(), "1\n");
}
