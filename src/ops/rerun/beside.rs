//! What lies beside a workspace, beside its copy: `../data/a.csv` leads there from both.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::needs::Needs;
use crate::capture::git;
use crate::ops::Workspace;
use crate::ops::run::CopiedTree;

/// Where a copy is to be made, and what lies beside it.
pub(super) struct Beside {
    /// The folder that the copy is to be made in.
    pub place: PathBuf,
    /// The folders that stand for other work trees, which are not made yet.
    pub others: Vec<CopiedTree>,
}

/// Links in `folder` what the run read beside the workspace or higher up; returns where the copy is to be made, as far below as
/// what it read lies above. Of the work trees in `copied`, those that are reached in this way are not linked but left out, for a copy
/// to take their places.
///
/// # Errors
/// As the system gives them.
pub(super) fn link(
    workspace: &Workspace,
    needs: &Needs,
    copied: &[PathBuf],
    folder: &Path,
) -> io::Result<Beside> {
    let tree = git::work_tree_root(workspace.root()).unwrap_or_else(|| workspace.root().to_owned());
    let outside = needs.files.keys().filter(|path| !path.is_inside());
    let outside: Vec<PathBuf> = outside.filter_map(|path| path.on_disk(workspace.root())).collect();
    let (top, beside) = beside(&tree, &outside, copied);
    let above = tree.parent().and_then(|above| above.strip_prefix(&top).ok()).unwrap_or(Path::new(""));
    let place = folder.join(above);
    fs::create_dir_all(&place)?;
    let others = copied.iter().filter_map(|there| {
        let copy = folder.join(there.strip_prefix(&top).ok()?);
        Some(CopiedTree { there: there.clone(), copy })
    });
    let others: Vec<CopiedTree> = others.collect();
    for above in others.iter().filter_map(|other| other.copy.parent()) {
        // What lies in another copy has its folders when that is there.
        if !others.iter().any(|other| above.starts_with(&other.copy)) {
            fs::create_dir_all(above)?;
        }
    }
    for name in beside {
        let there = folder.join(&name);
        // On the way down to the copies, the folders are of our own.
        if fs::symlink_metadata(&there).is_err() {
            symlink(top.join(&name), there)?;
        }
    }
    Ok(Beside { place, others })
}

/// Returns the folder that holds the work tree and what was read outside, and which of those in it were read from; without what lies in
/// the work trees that are copied. What has nothing but the root of the file system in common with the work tree is named by its whole
/// path.
fn beside(tree: &Path, outside: &[PathBuf], copied: &[PathBuf]) -> (PathBuf, BTreeSet<PathBuf>) {
    let above = tree.parent().unwrap_or(tree);
    let shared = |file: &Path| {
        let folder = above.ancestors().find(|folder| file.starts_with(folder))?;
        (folder.parent().is_some() || folder == above).then(|| folder.to_path_buf())
    };
    let outside: Vec<&PathBuf> = outside.iter().filter(|file| !file.starts_with(tree)).collect();
    let folders = outside.iter().filter_map(|file| shared(file));
    let top = folders.min_by_key(|folder| folder.components().count()).unwrap_or_else(|| above.to_owned());
    let mut names = BTreeSet::new();
    let ways = copied.iter().filter_map(|tree| tree.parent()).chain([above]);
    let on_the_way: BTreeSet<&Path> =
        ways.flat_map(|above| above.ancestors().take_while(|folder| folder.starts_with(&top))).collect();
    let is_copied = |file: &Path| copied.iter().any(|tree| file.starts_with(tree));
    for file in outside.into_iter().filter(|file| !is_copied(file)) {
        // The outermost folder that the ways to the work trees do not go through, or the file itself.
        let first =
            file.ancestors().find(|place| place.parent().is_some_and(|above| on_the_way.contains(above)));
        names.extend(first.and_then(|first| first.strip_prefix(&top).ok()).map(Path::to_path_buf));
    }
    (top, names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tree: &str, outside: &[&str], top: &str, names: &[&str]) {
        check_copied(tree, outside, &[], top, names);
    }

    fn check_copied(tree: &str, outside: &[&str], copied: &[&str], top: &str, names: &[&str]) {
        let [outside, copied] =
            [outside, copied].map(|paths| paths.iter().map(PathBuf::from).collect::<Vec<PathBuf>>());
        let (found, beside) = beside(Path::new(tree), &outside, &copied);
        let names: BTreeSet<PathBuf> = names.iter().map(PathBuf::from).collect();
        assert_eq!((found, beside), (PathBuf::from(top), names), "{tree} {outside:?}");
    }

    #[test]
    fn what_lies_beside_a_work_tree_or_higher_up_is_named_from_the_folder_that_holds_both() {
        check("/h/me/w", &[], "/h/me", &[]);
        check("/h/me/w", &["/h/me/data/a", "/h/me/b"], "/h/me", &["b", "data"]);
        check("/h/me/p/w", &["/h/me/data/a", "/h/me/p/b/c"], "/h/me", &["data", "p/b"]);
        // Its own files, and what only the root holds as well.
        check("/h/me/w", &["/h/me/w/x", "/srv/a"], "/h/me", &[]);
        check("/w", &["/data/a"], "/", &["data"]);
    }
    #[test]
    fn what_lies_around_a_work_tree_that_is_copied_is_named_beside_it() {
        check_copied("/h/me/w", &["/h/me/lib/a", "/h/me/b"], &["/h/me/lib"], "/h/me", &["b"]);
        let outside = ["/h/me/libs/x/a", "/h/me/libs/data/d", "/h/me/libs/y/b"];
        check_copied("/h/me/w", &outside, &["/h/me/libs/x"], "/h/me", &["libs/data", "libs/y"]);
        check_copied("/h/me/w", &["/srv/lib/a"], &["/srv/lib"], "/h/me", &[]);
    }
}
