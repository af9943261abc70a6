//! What git takes out of a repository: the bytes of a checkout come from there, and not from the files that git looks at to see
//! whether they have changed; and so do those that it prints, packs or copies.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::repositories::Repositories;
use crate::capture::observe::{Observation, Process};
use crate::model::recorded_word;

/// The commands of git that write files of the work tree as the repository has them.
const TAKING_OUT: &[&str] = &[
    "checkout",
    "checkout-index",
    "cherry-pick",
    "merge",
    "pull",
    "read-tree",
    "rebase",
    "reset",
    "restore",
    "revert",
    "stash",
    "submodule",
    "switch",
    "worktree",
];
/// The commands that hand on what a repository has, to their output or to another repository.
const HANDING_ON: &[&str] = &[
    "annotate",
    "archive",
    "blame",
    "bundle",
    "cat-file",
    "clone",
    "diff",
    "diff-index",
    "diff-tree",
    "fast-export",
    "format-patch",
    "grep",
    "log",
    "ls-tree",
    "pack-objects",
    "shortlog",
    "show",
    "upload-archive",
    "upload-pack",
    "whatchanged",
];
/// With these they answer whether something is there, or has changed.
const ASKING: &[&str] = &["--batch-check", "--name-only", "--name-status", "--quiet", "--raw"];
/// The commands that say no more of the files of a work tree than which of them have changed.
const COMPARING: &[&str] = &["commit", "describe", "ls-files", "rev-parse", "status", "update-index"];
/// Those that say how files have changed, but for what makes them name which.
const COMPARING_IF_ASKING: &[&str] = &["diff", "diff-files", "diff-index"];
/// With these they print the bytes that have changed.
const PRINTING: &[&str] = &["--patch", "--patch-with-raw", "--verbose", "-p", "-u", "-v", "-vv"];
/// Options before the command that have a value of their own.
const VALUED: &[&str] = &["-C", "-c", "--git-dir", "--work-tree", "--namespace", "--config-env"];

/// Returns true for git, given a command that takes files out of a repository.
pub(super) fn takes_out(process: &Process) -> bool {
    is_git(process) && is_taking_out(&words(process))
}

/// Returns true for git itself.
pub(super) fn is_git(process: &Process) -> bool {
    let name = process.exe.file_name().unwrap_or_default();
    name == "git" || name.as_encoded_bytes().starts_with(b"git-")
}

/// Returns true for git, given a command that looks at files to say which of them have changed: that is recorded with the code, and
/// what git does with it is not made from their bytes.
pub(super) fn compares(process: &Process) -> bool {
    is_git(process) && is_comparing(&words(process))
}

fn words(process: &Process) -> Vec<&str> {
    process.arguments.iter().map(|word| word.to_str().unwrap_or_default()).collect()
}

fn is_taking_out(words: &[&str]) -> bool {
    command(words).is_some_and(|(command, _)| TAKING_OUT.contains(&command))
}

fn is_comparing(words: &[&str]) -> bool {
    command(words).is_some_and(|(command, words)| {
        let is_printing = words.iter().any(|word| PRINTING.contains(word));
        let compares =
            COMPARING.contains(&command) || COMPARING_IF_ASKING.contains(&command) && is_asking(&words);
        compares && !is_printing
    })
}

fn is_asking(words: &[&str]) -> bool {
    words.iter().any(|word| ASKING.contains(word))
}

fn is_handing_on(words: &[&str]) -> bool {
    command(words).is_some_and(|(command, words)| HANDING_ON.contains(&command) && !is_asking(&words))
}

/// Returns the command that git was given, by the name that it was called by or behind that, and the words behind the command.
fn command<'a>(words: &[&'a str]) -> Option<(&'a str, Vec<&'a str>)> {
    let (called, words) = words.split_first()?;
    match called.rsplit('/').next().and_then(|name| name.strip_prefix("git-")) {
        Some(command) => Some((command, words.to_vec())),
        None => command_among(words),
    }
}

fn command_among<'a>(words: &[&'a str]) -> Option<(&'a str, Vec<&'a str>)> {
    let mut rest = words.iter();
    loop {
        match rest.next()? {
            word if VALUED.contains(word) => drop(rest.next()),
            word if word.starts_with('-') => {}
            word => return Some((word, rest.copied().collect())),
        }
    }
}

/// Returns true for an access by which such a process looks at a file of a work tree, to see whether it has changed.
pub(super) fn is_look(file: &Path, repositories: &Repositories) -> bool {
    repositories.around(file).is_some()
}

/// Returns true for a file of a repository without a work tree: what git reads there is the repository, which is named as a whole.
pub(super) fn is_in_bare(file: &Path) -> bool {
    let is_bare = |folder: &Path| folder.join("objects").is_dir() && folder.join("HEAD").is_file();
    file.ancestors().skip(1).any(is_bare)
}

/// Names the repositories that a process took something out of: those whose work trees it wrote to, and those that it read to
/// hand on what they have.
pub(super) fn taken_from(
    process: &Process,
    observation: &Observation,
    root: &Path,
    repositories: &Repositories,
) -> BTreeSet<String> {
    let accesses =
        || process.accesses.iter().map(|access| (access, observation.files[access.file].path.as_path()));
    let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
    if takes_out(process) {
        let written = accesses().filter(|(access, _)| access.written_us.is_some());
        let trees = written.filter_map(|(_, path)| repositories.around(path));
        folders.extend(trees.map(|repository| repository.work_tree.clone()));
    } else if is_git(process) && is_handing_on(&words(process)) {
        let repositories = || accesses().filter_map(|(access, path)| Some((access, repository_of(path)?)));
        let read = repositories().filter(|(access, _)| access.read_us.is_some());
        folders.extend(read.map(|(_, folder)| folder.to_owned()));
        // What it made itself, as a clone, it only reads back.
        let made: BTreeSet<&Path> = repositories()
            .filter(|(access, _)| access.written_us.is_some())
            .map(|(_, folder)| folder)
            .collect();
        folders.retain(|folder| !made.contains(folder.as_path()));
    }
    folders.iter().filter_map(|folder| name_of(folder, root)).collect()
}

/// Returns the work tree of the repository in which git keeps a file, or the folder of one that has none.
fn repository_of(file: &Path) -> Option<&Path> {
    let named =
        |name: &str| file.ancestors().find(|folder| folder.file_name().is_some_and(|part| part == name));
    match named(".git") {
        Some(folder) => folder.parent(),
        None => named("objects")?.parent(),
    }
}

/// Names a repository: by its place in the workspace, as the one around it by its own name, or by its whole path.
fn name_of(folder: &Path, root: &Path) -> Option<String> {
    let inside = folder.strip_prefix(root).ok().filter(|inside| *inside != Path::new(""));
    let name = match inside {
        Some(inside) => inside.as_os_str(),
        None if root.starts_with(folder) => folder.file_name()?,
        None => folder.as_os_str(),
    };
    Some(format!("git://{}", recorded_word(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_takes_files_out_by_some_of_its_commands() {
        let check = |line: &str, expected: (bool, bool)| {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!((is_taking_out(&words), is_handing_on(&words)), expected, "{line}");
        };
        check("git checkout old", (true, false));
        check("git -C sub -c a.b=c stash pop", (true, false));
        check("git --no-pager reset --hard", (true, false));
        check("git diff", (false, true));
        check("git diff --quiet", (false, false));
        check("git --no-pager show HEAD:a", (false, true));
        check("/usr/lib/git-core/git-upload-pack /r", (false, true));
        check("git cat-file --batch-check", (false, false));
        check("git describe checkout", (false, false));
        check("git", (false, false));
    }

    #[test]
    fn git_compares_files_by_some_of_its_commands() {
        for (line, expected) in [
            ("git status --short", true),
            ("git -C sub describe --always --dirty", true),
            ("git diff --abbrev=40 --full-index --raw", true),
            ("git diff --quiet HEAD", true),
            ("git diff", false),
            ("git diff --raw -p", false),
            ("git status -vv", false),
            ("git grep -n x", false),
            ("git hash-object -w a", false),
        ] {
            assert_eq!(is_comparing(&line.split(' ').collect::<Vec<_>>()), expected, "{line}");
        }
    }

    #[test]
    fn repositories_are_found_by_what_git_keeps_in_them() {
        let check = |file: &str, expected: Option<&str>| {
            assert_eq!(repository_of(Path::new(file)), expected.map(Path::new), "{file}");
        };
        check("/w/.git/objects/aa/bb", Some("/w"));
        check("/w/.git/modules/sub/objects/pack/p.pack", Some("/w"));
        check("/srv/r.git/objects/aa/bb", Some("/srv/r.git"));
        check("/w/a.txt", None);
        let name = |folder: &str| name_of(Path::new(folder), Path::new("/home/w/x"));
        assert_eq!(name("/home/w").as_deref(), Some("git://w"));
        assert_eq!(name("/home/w/x/sub").as_deref(), Some("git://sub"));
        assert_eq!(name("/srv/r.git").as_deref(), Some("git:///srv/r.git"));
    }
}
