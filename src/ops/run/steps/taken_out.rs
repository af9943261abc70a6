//! What git takes out of a repository: the bytes of a checkout come from there, and not from the files that git looks at to see
//! whether they have changed.

use std::collections::BTreeSet;
use std::path::Path;

use super::repositories::Repositories;
use crate::capture::observe::{Observation, Process};
use crate::model::recorded_word;

/// The commands of git that write files of the work tree as the repository has them.
const TAKING_OUT: &[&str] = &[
    "checkout",
    "checkout-index",
    "cherry-pick",
    "clone",
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
/// Options before the command that have a value of their own.
const VALUED: &[&str] = &["-C", "-c", "--git-dir", "--work-tree", "--namespace", "--config-env"];

/// Returns true for git, given a command that takes files out of a repository.
pub(super) fn takes_out(process: &Process) -> bool {
    let words = process.arguments.iter().skip(1).map(|word| word.to_str().unwrap_or_default());
    process.exe.file_name().is_some_and(|name| name == "git") && is_taking_out(words)
}

fn is_taking_out<'a>(mut words: impl Iterator<Item = &'a str>) -> bool {
    loop {
        match words.next() {
            Some(word) if VALUED.contains(&word) => drop(words.next()),
            Some(word) if word.starts_with('-') => {}
            Some(word) => return TAKING_OUT.contains(&word),
            None => return false,
        }
    }
}

/// Returns true for an access by which such a process looks at a file of a work tree, to see whether it has changed.
pub(super) fn is_look(file: &Path, repositories: &Repositories) -> bool {
    repositories.around(file).is_some()
}

/// Names the repositories that a process took files out of: those whose work trees it wrote to.
pub(super) fn taken_from(
    process: &Process,
    observation: &Observation,
    root: &Path,
    repositories: &Repositories,
) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for access in process.accesses.iter().filter(|access| access.written_us.is_some() && takes_out(process)) {
        let Some(repository) = repositories.around(&observation.files[access.file].path) else { continue };
        let inside = repository.work_tree.strip_prefix(root).ok().filter(|inside| *inside != Path::new(""));
        let name = inside.map(Path::as_os_str).or(repository.work_tree.file_name());
        names.extend(name.map(|name| format!("git://{}", recorded_word(name))));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_takes_files_out_by_some_of_its_commands() {
        let check = |line: &str, expected: bool| {
            assert_eq!(is_taking_out(line.split(' ').skip(1)), expected, "{line}");
        };
        check("git checkout old", true);
        check("git -C sub -c a.b=c stash pop", true);
        check("git --no-pager reset --hard", true);
        check("git diff", false);
        check("git describe checkout", false);
        check("git", false);
    }
}
