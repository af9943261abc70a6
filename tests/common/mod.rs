//! A place of its own for each test of the command line: a folder with the sample filings, most often a git repository, and
//! the program in an emptied environment.
#![allow(dead_code)]

pub mod machine;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use machine::{Lack, skipped};

/// The moment at which the clock of a test begins: 2025-12-12 17:42:18 UTC, in microseconds.
pub const CLOCK_US: i64 = 1_765_561_338_000_000;
/// The run id of the first run of a test.
pub const RUN_ID: &str = "20251212_174218";

/// What a command printed, and how it ended.
#[derive(Debug)]
pub struct Answer {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Answer {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// A folder with filings in it.
pub struct Place {
    /// Kept for its end only.
    _folder: tempfile::TempDir,
    root: PathBuf,
    clock_us: Option<i64>,
}

/// The sample filings of this repository: name and bytes.
pub fn samples() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/raw");
    let mut samples: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(path).unwrap())
        })
        .collect();
    samples.sort();
    samples
}

/// The real filings beside the repository; `None`, and a line that says so, where they are missing.
pub fn real_filings() -> Option<PathBuf> {
    let folder = machine::data("filings");
    if folder.join("ITEM1A.tsv").is_file() {
        return Some(folder);
    }
    skipped(Lack::Data, format!("the real filings are not at {}", folder.display()));
    None
}

/// Runs git in a folder; returns whether that worked, and what it printed.
fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs([
            ("PATH", path().as_str()),
            ("HOME", "/nonexistent"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_AUTHOR_NAME", "A"),
            ("GIT_AUTHOR_EMAIL", "a@example.org"),
            ("GIT_AUTHOR_DATE", "2025-12-01T00:00:00Z"),
            ("GIT_COMMITTER_NAME", "A"),
            ("GIT_COMMITTER_EMAIL", "a@example.org"),
            ("GIT_COMMITTER_DATE", "2025-12-01T00:00:00Z"),
        ])
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let printed = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(printed)
}

fn path() -> String {
    std::env::var("PATH").unwrap_or_default()
}

impl Place {
    /// Makes an empty folder, no git repository.
    pub fn empty() -> Self {
        Place::in_folder(tempfile::tempdir().unwrap())
    }

    /// Makes an empty folder in memory where the system has such a place: for many runs, whose many forced writes would else
    /// be waited for at the disk.
    pub fn empty_in_memory() -> Self {
        Place::in_folder(tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap())
    }

    fn in_folder(folder: tempfile::TempDir) -> Self {
        let root = folder.path().canonicalize().unwrap();
        Place { _folder: folder, root, clock_us: Some(CLOCK_US) }
    }

    /// Makes a folder with the samples, no git repository.
    pub fn without_git() -> Self {
        let place = Place::empty();
        for (name, bytes) in samples() {
            place.write(&format!("data/raw/{name}"), &bytes);
        }
        place
    }

    /// Makes a git repository with the samples, committed; `None`, and a line that says so, where git is missing.
    pub fn new() -> Option<Self> {
        Place::without_git().with_commit()
    }

    /// Makes the folder a git repository with everything in it committed.
    pub fn with_commit(self) -> Option<Self> {
        self.write(".gitignore", b"/data/interim\n/data/processed\n");
        let made = git(&self.root, &["init", "-q", "-b", "main", "."])
            .and_then(|_| git(&self.root, &["add", "-A"]))
            .and_then(|_| git(&self.root, &["commit", "-q", "-m", "Add filings"]));
        if made.is_none() {
            skipped(Lack::Git, "git is not to be had");
        }
        made.map(|_| self)
    }

    /// Commits everything in the folder to a repository that it makes.
    pub fn commit_all(&self, message: &str) {
        self.git(&["init", "-q", "-b", "main", "."]);
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
    }

    /// Uses the machine's clock instead of the fixed one.
    pub fn with_real_clock(mut self) -> Self {
        self.clock_us = None;
        self
    }

    /// Returns the folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Lets everything that is kept have been kept an hour ago.
    pub fn age_contents(&self) {
        let folders = fs::read_dir(self.at(".lineage/objects")).unwrap().map(|entry| entry.unwrap().path());
        for folder in folders.filter(|path| path.is_dir()) {
            fs::read_dir(folder).unwrap().for_each(|entry| age(&entry.unwrap().path()));
        }
    }

    /// Returns a path in the folder.
    pub fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Writes a file, and the folders it needs.
    pub fn write(&self, path: &str, bytes: &[u8]) {
        let file = self.at(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }

    /// Reads a file.
    pub fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Runs git here; it must work.
    pub fn git(&self, arguments: &[&str]) -> String {
        git(&self.root, arguments).unwrap_or_else(|| panic!("git {arguments:?} failed"))
    }

    /// The short name of HEAD.
    pub fn head(&self) -> String {
        self.git(&["rev-parse", "--short", "HEAD"])
    }

    /// Prepares the program in an emptied environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lineage"));
        command
            .args(arguments)
            .current_dir(&self.root)
            .env_clear()
            .envs([("PATH", path().as_str()), ("HOME", "/nonexistent"), ("GIT_CONFIG_GLOBAL", "/dev/null")])
            .stdin(Stdio::null());
        if let Some(start) = self.clock_us {
            command.env("LINEAGE_CLOCK_US", start.to_string());
        }
        command
    }

    /// Runs a command in the folder, with the environment that the program has in it.
    pub fn run_there(&self, command: &mut Command) -> Answer {
        let prepared = self.command(&[]);
        command.current_dir(&self.root).env_clear();
        command.envs(prepared.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.output().unwrap().into()
    }

    /// Runs the program.
    pub fn run(&self, arguments: &[&str]) -> Answer {
        let answer = Answer::from(self.command(arguments).output().unwrap());
        assert!(!answer.stderr.contains("a fault of this program"), "{arguments:?}:\n{}", answer.stderr);
        answer
    }

    /// Runs the program; it must end with 0.
    pub fn ok(&self, arguments: &[&str]) -> Answer {
        let answer = self.run(arguments);
        assert_eq!(answer.code, 0, "{arguments:?}: {answer:#?}");
        answer
    }

    /// Runs a line of a shell under `lineage run`; both must end with 0.
    pub fn shell(&self, line: &str) -> Answer {
        self.ok(&["run", "-q", "--", "sh", "-c", line])
    }

    /// Runs `lineage status`: its exit code, and its answer.
    pub fn status(&self) -> (i32, Value) {
        let answer = self.run(&["status", "--json"]);
        (answer.code, serde_json::from_str(&answer.stdout).unwrap())
    }

    /// Runs the program with `--json`, whatever its exit code.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let answer = self.run(&[arguments, &["--json"]].concat());
        serde_json::from_str(&answer.stdout)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {answer:#?}"))
    }

    /// Returns true where the latest run was observed. Where it was not, the test that asks cannot be run here, and is counted.
    pub fn was_observed(&self) -> bool {
        let seen = self.json(&["show", "@"])["run"]["observed_by"] == "net";
        if !seen {
            skipped(Lack::Net, "commands cannot be observed on this machine");
        }
        seen
    }

    /// Runs the program, which must refuse: its exit code and all it writes to stderr, with this folder's path as `ROOT`.
    pub fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let answer = self.run(arguments);
        assert_eq!(answer.stdout, "", "{arguments:?} answered although it refused");
        (answer.code, answer.stderr.replace(self.root.to_str().unwrap(), "ROOT"))
    }

    /// The runs as `lineage log` has them, newest first.
    pub fn runs(&self) -> Vec<Value> {
        self.json(&["log", "--limit", "0"])["runs"].as_array().unwrap().clone()
    }

    /// The outputs of stages and their metrics: all below `data/interim` and `data/processed`, by path, without the papers
    /// of runs.
    pub fn outputs(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = self.projected();
        files.retain(|name, _| !name.ends_with("/RUN_REPORT.md") && !name.ends_with("/run_config.yaml"));
        files
    }

    /// The projected files: all below `data/interim`, `data/processed` and `models/registry`, by path.
    pub fn projected(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut frontier =
            vec![self.at("data/interim"), self.at("data/processed"), self.at("models/registry")];
        while let Some(folder) = frontier.pop() {
            let Ok(entries) = fs::read_dir(&folder) else {
                continue;
            };
            for entry in entries {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    frontier.push(path);
                } else {
                    let name = path.strip_prefix(&self.root).unwrap();
                    files.insert(name.to_str().unwrap().to_owned(), fs::read(&path).unwrap());
                }
            }
        }
        files
    }

    /// The names of the projected files.
    pub fn output_names(&self) -> Vec<String> {
        self.outputs().into_keys().collect()
    }

    /// Every file in the folder, with its length; without those of git, and without the store and the digests remembered, which
    /// every reader brings up to date.
    pub fn all_files(&self) -> BTreeMap<PathBuf, u64> {
        let mut files = BTreeMap::new();
        let mut frontier = vec![self.root.clone()];
        while let Some(folder) = frontier.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.is_symlink() {
                    if !path.ends_with(".git") {
                        frontier.push(path);
                    }
                } else if !path.ends_with(".lineage/store.redb") && !path.ends_with(".lineage/digests") {
                    let length = path.symlink_metadata().unwrap().len();
                    files.insert(path, length);
                }
            }
        }
        files
    }
}

/// The paths of files in a list of an answer, or of paths themselves.
pub fn paths(list: &Value) -> Vec<&str> {
    let list = list.as_array().unwrap_or_else(|| panic!("{list} is a list"));
    list.iter().map(|file| file["path"].as_str().or(file.as_str()).unwrap()).collect()
}

/// Finds the one path that contains all of `parts`.
pub fn only<'a>(names: &'a [String], parts: &[&str]) -> &'a str {
    let found: Vec<&String> =
        names.iter().filter(|name| parts.iter().all(|part| name.contains(part))).collect();
    assert_eq!(found.len(), 1, "{parts:?} in {names:#?}");
    found[0]
}

/// A Python that has these modules: that named in `LINEAGE_TEST_PYTHON`, else that of `target/python`, else the system's; `None`,
/// and a line that says so, where there is none.
pub fn python_with(modules: &[&str]) -> Option<PathBuf> {
    let prepared = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
    let python = match std::env::var_os("LINEAGE_TEST_PYTHON") {
        Some(named) => PathBuf::from(named),
        None if prepared.is_file() => prepared,
        None => {
            let ask = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
            let found = ask.ok().and_then(|output| String::from_utf8(output.stdout).ok());
            PathBuf::from(found.unwrap_or_default().trim())
        }
    };
    for module in modules {
        let import = Command::new(&python).args(["-c", &format!("import {module}")]).output();
        if !import.is_ok_and(|output| output.status.success()) {
            skipped(Lack::Python, format!("there is no Python with `{module}` at `{}`", python.display()));
            return None;
        }
    }
    Some(python)
}

/// Runs a script of `tests/validators` and returns what it prints; it must end with 0.
pub fn validated(python: &Path, script: &str, arguments: &[&Path]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/validators").join(script);
    let output = Command::new(python).arg(&script).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", script.display());
    String::from_utf8(output.stdout).unwrap()
}

/// Lets a file have been written an hour ago.
pub fn age(path: &Path) {
    let an_hour_ago = SystemTime::now() - Duration::from_secs(3600);
    fs::File::open(path).unwrap().set_modified(an_hour_ago).unwrap();
}
