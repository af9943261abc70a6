//! A repository in a temporary folder, and the two oracles: `git status` and `git apply`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::capture::git::work_file::{self, WorkFile};
use crate::capture::git::{Change, ChangeKind, CodeState, Limits, Options, code_state};
use crate::digests::Digests;

/// A repository made with the real git, isolated from the user's configuration.
pub(super) struct Repo {
    folder: tempfile::TempDir,
    /// The work tree.
    pub root: PathBuf,
    /// Git converts line ends here, so a fresh checkout may differ in carriage returns.
    converts: bool,
}

impl Repo {
    /// Makes an empty repository on branch `main`; `None`, with a word on stderr, where there is no git.
    pub fn empty() -> Option<Repo> {
        if Command::new("git").arg("--version").output().is_err() {
            crate::machine::skipped(crate::machine::Lack::Git, "no `git` on this machine");
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let root = folder.path().canonicalize().expect("it exists").join("work");
        std::fs::create_dir(&root).expect("it is new");
        let repo = Repo { folder, root, converts: false };
        repo.git(&["init", "-q", "-b", "main"]);
        repo.git(&["config", "core.autocrlf", "false"]);
        repo.git(&["config", "core.excludesFile", "/dev/null"]);
        Some(repo)
    }

    /// Makes a repository with one commit: `a.txt`, `src/b.py`, `src/run.sh` (executable) and `link`.
    pub fn small() -> Option<Repo> {
        let repo = Repo::empty()?;
        repo.write("a.txt", "one\ntwo\nthree\n");
        repo.write("src/b.py", "print(1)\n");
        repo.write("src/run.sh", "#!/bin/sh\n");
        repo.executable("src/run.sh", true);
        repo.link("link", "a.txt");
        repo.commit("first");
        Some(repo)
    }

    /// Makes an empty repository in which git converts line ends in three ways.
    pub fn converting(autocrlf: &str) -> Option<Repo> {
        let mut repo = Repo::empty()?;
        repo.converts = true;
        repo.git(&["config", "core.autocrlf", autocrlf]);
        repo.write(".gitattributes", "*.txt text\n*.py text eol=crlf\ndir/* text=auto\n");
        Some(repo)
    }

    /// A path beside the work tree.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.root.parent().expect("it is in a folder").join(name)
    }

    pub fn path(&self, path: impl AsRef<[u8]>) -> PathBuf {
        self.root.join(OsStr::from_bytes(path.as_ref()))
    }

    pub fn write(&self, path: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().expect("it is below the root")).expect("folders can be made");
        std::fs::write(&path, bytes).expect("files can be written");
    }

    pub fn remove(&self, path: impl AsRef<[u8]>) {
        std::fs::remove_file(self.path(path)).expect("it is there");
    }

    pub fn link(&self, path: &str, target: &str) {
        std::os::unix::fs::symlink(target, self.path(path)).expect("links can be made");
    }

    pub fn executable(&self, path: impl AsRef<[u8]>, executable: bool) {
        use std::os::unix::fs::PermissionsExt;
        let mode = if executable { 0o755 } else { 0o644 };
        std::fs::set_permissions(self.path(path), std::fs::Permissions::from_mode(mode)).expect("it is ours");
    }

    pub fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
    }

    /// Runs git in the work tree and returns what it printed; git must succeed.
    pub fn git<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Vec<u8> {
        git_in(&self.root, arguments)
    }

    /// Runs git and returns whatever happens.
    pub fn try_git<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Output {
        run(&self.root, arguments)
    }

    /// Reads the code state with nothing skipped.
    pub fn state(&self) -> CodeState {
        state_of(&self.root)
    }

    /// Checks the state against `git status` and its patch against `git apply`, and that nothing was written.
    pub fn check(&self) -> CodeState {
        let before = files_below(&self.root.join(".git"));
        let state = self.state();
        assert_eq!(files_below(&self.root.join(".git")), before, "the repository was written to");
        assert_eq!(lines(&state), status_lines(&self.root), "ours on the left, `git status` on the right");
        self.check_patch(&state);
        state
    }

    /// Checks that `git apply` brings a clean checkout of `HEAD` to the files of the work tree.
    fn check_patch(&self, state: &CodeState) {
        let fresh = tempfile::tempdir_in(self.folder.path()).expect("a temporary folder can be made");
        let tree = fresh.path().join("tree");
        let tree_name = tree.to_str().expect("its name is plain");
        if state.sha.is_some() {
            self.git(&["worktree", "add", "-q", "--detach", "-f", tree_name, "HEAD"]);
        } else {
            self.git(&["init", "-q", tree_name]);
        }
        if !state.patch.is_empty() {
            let patch = fresh.path().join("patch");
            std::fs::write(&patch, &state.patch).expect("files can be written");
            let applied =
                run(&tree, &[OsStr::new("apply"), OsStr::new("--whitespace=nowarn"), patch.as_os_str()]);
            let patch = String::from_utf8_lossy(&state.patch).into_owned();
            assert!(applied.status.success(), "{}\n{patch}", String::from_utf8_lossy(&applied.stderr));
        }
        let omitted: BTreeSet<&[u8]> =
            state.patch_omitted.iter().map(|omitted| omitted.path.as_slice()).collect();
        let tracked = self.git(&["ls-files", "-z"]);
        let tracked = tracked.split(|byte| *byte == 0).filter(|path| !path.is_empty());
        let changed =
            state.changed.iter().flat_map(|change| [Some(&change.path), change.renamed_from.as_ref()]);
        for path in tracked.chain(changed.flatten().map(Vec::as_slice)).filter(|path| !omitted.contains(path))
        {
            let shown = String::from_utf8_lossy(path).into_owned();
            let content = |root| {
                let (kind, mut bytes) = content(root, path)?;
                bytes.retain(|byte| !self.converts || *byte != b'\r');
                Some((kind, bytes))
            };
            assert_eq!(
                content(&tree),
                content(&self.root),
                "`{shown}` after {}",
                String::from_utf8_lossy(&state.patch)
            );
        }
        if state.sha.is_some() {
            self.git(&["worktree", "remove", "--force", "--force", tree_name]);
        }
    }
}

/// What a path holds: mode word and bytes; a folder counts as no file.
fn content(root: &Path, path: &[u8]) -> Option<(&'static str, Vec<u8>)> {
    match work_file::look(root, path).expect("it can be looked at") {
        WorkFile::Absent | WorkFile::Folder | WorkFile::Special => None,
        WorkFile::Link(target) => Some(("link", target)),
        WorkFile::Regular { executable, .. } => {
            let bytes = std::fs::read(root.join(OsStr::from_bytes(path))).expect("it can be read");
            Some((if executable { "executable" } else { "file" }, bytes))
        }
    }
}

pub(super) fn state_of(root: &Path) -> CodeState {
    state_within(root, Limits::default())
}

pub(super) fn state_within(root: &Path, limits: Limits) -> CodeState {
    let options = Options {
        skip: &|_| false,
        skip_untracked: &|_, _| false,
        is_withheld: &|_| false,
        limits,
        digests: Digests::new(),
    };
    code_state(root, &options).expect("the code state can be read")
}

pub(super) fn git_in<S: AsRef<OsStr>>(folder: &Path, arguments: &[S]) -> Vec<u8> {
    let output = run(folder, arguments);
    let shown: Vec<_> = arguments.iter().map(|argument| argument.as_ref()).collect();
    assert!(output.status.success(), "git {shown:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn run<S: AsRef<OsStr>>(folder: &Path, arguments: &[S]) -> Output {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_bytes().starts_with(b"GIT_")) {
        command.env_remove(name);
    }
    command
        .arg("--no-optional-locks")
        .args(["-c", "protocol.file.allow=always", "-c", "safe.directory=*"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("LC_ALL", "C")
        .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_NAME"), "A U Thor")))
        .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_EMAIL"), "author@example.com")))
        .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_DATE"), "2025-12-12T16:35:02Z")))
        .output()
        .expect("git can be started")
}

/// The code state as a set of lines: the two letters and the path.
pub(super) fn lines(state: &CodeState) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for Change { path, index, work_tree, renamed_from, .. } in
        state.changed.iter().filter(|change| !change.hidden)
    {
        let index = match (index, renamed_from) {
            (Some(ChangeKind::Renamed), Some(from)) => {
                lines.insert(format!("D. {}", from.escape_ascii()));
                Some(ChangeKind::Added)
            }
            (index, _) => *index,
        };
        let letters = match (index, *work_tree) {
            (Some(ChangeKind::Conflicted), _) => "UU".to_owned(),
            (index, work_tree) => [letter(index), letter(work_tree)].iter().collect(),
        };
        lines.insert(format!("{letters} {}", path.escape_ascii()));
    }
    for untracked in &state.untracked {
        lines.insert(format!("?? {}", untracked.path.escape_ascii()));
    }
    lines
}

fn letter(kind: Option<ChangeKind>) -> char {
    match kind {
        None => '.',
        Some(ChangeKind::Modified) => 'M',
        Some(ChangeKind::Added) => 'A',
        Some(ChangeKind::Deleted) => 'D',
        Some(ChangeKind::TypeChanged) => 'T',
        Some(ChangeKind::Renamed) => 'R',
        Some(ChangeKind::Conflicted) => 'U',
    }
}

/// The same lines, from git.
pub(super) fn status_lines(root: &Path) -> BTreeSet<String> {
    let arguments = [
        "status",
        "--porcelain=v2",
        "-z",
        "--untracked-files=all",
        "--no-renames",
        "--ignore-submodules=untracked",
    ];
    let output = git_in(root, &arguments);
    let mut lines = BTreeSet::new();
    for line in output.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        let field =
            |n: usize| line.splitn(n + 1, |byte| *byte == b' ').nth(n).expect("git writes that many fields");
        lines.insert(match line[0] {
            b'1' => format!("{} {}", field(1)[..2].escape_ascii(), field(8).escape_ascii()),
            b'u' => format!("UU {}", field(10).escape_ascii()),
            b'?' => format!("?? {}", field(1).escape_ascii()),
            _ => panic!("unexpected line {}", line.escape_ascii()),
        });
    }
    lines
}

/// All files below `folder`, with size and time of writing.
fn files_below(folder: &Path) -> BTreeMap<PathBuf, (u64, std::time::SystemTime)> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let metadata = entry.metadata().expect("it is there");
            if metadata.is_dir() {
                folders.push(entry.path());
            }
            files.insert(entry.path(), (metadata.len(), metadata.modified().expect("times are kept")));
        }
    }
    files
}
