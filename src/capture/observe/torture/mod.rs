//! The torture list: programs that touch files in unusual ways, and exactly what must be said of them.

mod bytes;
mod checkpoints;
mod commands;
mod languages;
mod listeners;
mod outsiders;
mod processes;
mod streams;
mod system_calls;
mod toolchains;
mod transparency;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Checkpoints, Class, Digest, Evidence, Exit, File, Level, Observation, Options, observe};

/// Programs built once for all tests; `None` where there is no compiler for it.
struct Programs {
    folder: tempfile::TempDir,
    dynamic: bool,
    fixed: bool,
    tiny: bool,
}

fn build(folder: &Path, name: &str, source: &str, flags: &[&str]) -> bool {
    let path = folder.join(format!("{name}.c"));
    std::fs::write(&path, source).unwrap();
    let mut command = Command::new("gcc");
    command.arg("-w").arg("-o").arg(folder.join(name)).arg(&path).args(flags);
    let built = command.output().is_ok_and(|output| output.status.success());
    if !built {
        crate::machine::skipped(
            crate::machine::Lack::Program,
            format!("`{name}` cannot be built here (gcc {})", flags.join(" ")),
        );
    }
    built
}

fn programs() -> &'static Programs {
    static PROGRAMS: OnceLock<Programs> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let source = include_str!("torture.c");
        let dynamic = build(folder.path(), "torture", source, &["-pthread"]);
        let fixed = build(folder.path(), "torture-static", source, &["-static", "-pthread"]);
        let tiny_flags = ["-m32", "-nostdlib", "-static", "-fno-pic", "-fno-stack-protector", "-no-pie"];
        let is_x86 = cfg!(target_arch = "x86_64");
        let tiny = is_x86 && build(folder.path(), "tiny", include_str!("tiny.c"), &tiny_flags);
        Programs { folder, dynamic, fixed, tiny }
    })
}

/// One observed command in a folder of its own.
struct Trial {
    folder: tempfile::TempDir,
    before: BTreeMap<PathBuf, Vec<u8>>,
    observation: Observation,
    kept: Vec<(PathBuf, Vec<u8>)>,
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64
}

/// Tells whether a program can be found, and says on standard error if not.
fn has(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program} >/dev/null 2>&1")]).status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        crate::machine::skipped(crate::machine::Lack::Program, format!("there is no `{program}` here"));
    }
    found
}

fn read_folder(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_symlink() {
                let target = std::fs::read_link(&path).unwrap();
                files.insert(path, target.as_os_str().as_bytes().to_vec());
            } else if kind.is_file() {
                let bytes = std::fs::read(&path).unwrap();
                files.insert(path, bytes);
            }
        }
    }
    files
}

/// Runs `arguments` where `files` (path, bytes; a path ending in `@` is a link, one ending in `/` a folder) stand.
fn try_with(files: &[(&str, &str)], arguments: &[&str], change: &dyn Fn(&mut Options<'_>)) -> Trial {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    for (path, bytes) in files {
        let full = root.join(path);
        std::fs::create_dir_all(full.parent().unwrap()).unwrap();
        if let Some(link) = path.strip_suffix('@') {
            std::os::unix::fs::symlink(bytes, root.join(link)).unwrap();
        } else if path.ends_with('/') {
            std::fs::create_dir_all(full).unwrap();
        } else {
            std::fs::write(full, bytes).unwrap();
        }
    }
    let before = read_folder(&root);
    let mut options = Options::new(arguments.iter().map(OsString::from).collect(), root.clone(), &now);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let programs: OsString =
        [programs().folder.path().as_os_str(), ":".as_ref(), &path].into_iter().collect();
    options.environment = vec![
        ("PATH".into(), programs),
        ("HOME".into(), root.clone().into_os_string()),
        ("LC_ALL".into(), "C".into()),
    ];
    if let Some(python) = std::env::var_os("PYENV_ROOT") {
        options.environment.push(("PYENV_ROOT".into(), python));
    }
    let is_ours = |path: &Path| path.starts_with(&root);
    options.is_wanted = &is_ours;
    let mut kept = vec![];
    change(&mut options);
    let parts = RefCell::new(vec![]);
    let checkpoints = Checkpoints {
        first: Duration::ZERO,
        apart: Duration::ZERO,
        is_ready: &|| true,
        take: &|part| parts.borrow_mut().push(part),
    };
    options.checkpoints = Some(&checkpoints);
    let observation = observe(&options, &mut |path, digest, bytes| {
        assert_eq!(*digest, Digest::of(&bytes));
        kept.push((path.to_path_buf(), bytes));
    });
    let observation = observation.unwrap_or_else(|refusal| panic!("not started: {}", refusal.into_error()));
    checkpoints::compare(&options, &parts.take(), &observation);
    Trial { folder, before, observation, kept }
}

fn word(class: Class) -> &'static str {
    match class {
        Class::Input => "input",
        Class::Output => "output",
        Class::Updated => "updated",
        Class::Intermediate => "intermediate",
        Class::Temporary => "temporary",
        Class::Deleted => "deleted",
        Class::Untouched => "untouched",
    }
}

impl Trial {
    fn root(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    /// The files below the folder of the trial.
    fn files(&self) -> Vec<(String, &File)> {
        let root = self.root();
        let below = self.observation.files.iter().filter_map(|file| {
            let path = file.path.strip_prefix(&root).ok()?;
            Some((path.to_string_lossy().replace('\n', "\\n"), file))
        });
        below.collect()
    }

    fn file(&self, path: &str) -> &File {
        let files = self.files();
        let found = files.iter().find(|(name, _)| name == path);
        found
            .unwrap_or_else(|| {
                panic!("no `{path}` among {:?}", files.iter().map(|f| &f.0).collect::<Vec<_>>())
            })
            .1
    }

    /// Compares with `class path` lines, in the order of paths.
    fn expect(&self, expected: &str) {
        let found: Vec<String> =
            self.files().iter().map(|(path, file)| format!("{} {path}", word(file.class))).collect();
        let expected: Vec<&str> =
            expected.split(',').map(str::trim).filter(|line| !line.is_empty()).collect();
        assert_eq!(found, expected, "gaps: {:?}", self.observation.gaps);
        assert_eq!(self.observation.level, Level::Net);
        self.check_bytes();
    }

    /// Whatever the case: what is said of bytes before and after is what stood and stands there.
    fn check_bytes(&self) {
        let (root, after) = (self.root(), read_folder(&self.root()));
        for (name, file) in self.files() {
            let path = root.join(file.path.strip_prefix(&root).unwrap());
            assert_eq!(file.existed, self.before.contains_key(&path), "{name} existed");
            assert_eq!(file.exists, after.contains_key(&path), "{name} exists");
            if let (Some(version), Some(bytes)) = (file.before(), self.before.get(&path)) {
                let digest = version.content.map(|content| content.digest);
                assert_eq!(digest, Some(Digest::of(bytes)), "{name} before: {:?}", version.evidence);
            }
            if let (Some(version), Some(bytes)) = (file.after(), after.get(&path)) {
                let digest = version.content.map(|content| content.digest);
                assert_eq!(digest, Some(Digest::of(bytes)), "{name} after: {:?}", version.evidence);
            }
        }
    }

    fn code(&self) -> Option<i32> {
        match self.observation.exit {
            Exit::Code(code) => Some(code),
            Exit::Signal { .. } | Exit::Unknown => None,
        }
    }
}

/// Runs a shell script and compares; a script that returns 77 could not do here what it is about.
fn check(files: &[(&str, &str)], script: &str, expected: &str) -> Option<Trial> {
    let trial = try_with(files, &["sh", "-c", script], &|_| {});
    if trial.code() == Some(77) {
        crate::machine::skipped(
            crate::machine::Lack::System,
            format!("this machine does not let `{script}` happen"),
        );
        return None;
    }
    assert_eq!(trial.observation.exit, Exit::Code(0), "{script}");
    trial.expect(expected);
    Some(trial)
}

/// Runs one way of the C program, linked dynamically and statically.
fn check_program(files: &[(&str, &str)], way: &str, expected: &str) {
    let programs = programs();
    for (program, is_there) in [("torture", programs.dynamic), ("torture-static", programs.fixed)] {
        if is_there {
            check(files, &format!("exec {program} {way}"), expected);
        }
    }
}
