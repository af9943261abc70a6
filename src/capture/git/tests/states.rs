//! What kind of repository it is, and what `HEAD` says.

use super::support::{Repo, git_in, state_of, state_within};
use crate::capture::git::{ChangeKind, Limits, Options, Repository, code_state, work_tree_root};
use crate::digests::Digests;

#[test]
fn outside_of_a_repository_everything_is_empty() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    if work_tree_root(folder.path()).is_some() {
        crate::machine::skipped(crate::machine::Lack::System, "the temporary folder is inside a repository");
        return;
    }
    let state = state_of(folder.path());
    assert_eq!(state.repository, Repository::None);
    assert!(!state.dirty() && state.sha.is_none() && state.branch.is_none() && state.work_tree.is_none());
}

#[test]
fn a_clean_commit_has_its_id_its_branch_and_no_changes() {
    let Some(repo) = Repo::small() else { return };
    let state = repo.check();
    let sha = String::from_utf8(repo.git(&["rev-parse", "HEAD"])).expect("it is hexadecimal");
    let short = String::from_utf8(repo.git(&["rev-parse", "--short", "HEAD"])).expect("it is hexadecimal");
    assert_eq!(state.repository, Repository::Commit);
    assert_eq!(state.sha.as_deref(), Some(sha.trim()));
    assert_eq!(state.sha_short.as_deref(), Some(short.trim()));
    assert_eq!(state.branch.as_deref(), Some("main"));
    assert!(!state.detached && !state.dirty() && state.changed.is_empty() && state.patch.is_empty());
    assert_eq!(state.work_tree, Some(repo.root.clone()));
}

#[test]
fn an_abbreviated_id_has_at_least_seven_digits() {
    let Some(repo) = Repo::small() else { return };
    repo.git(&["config", "core.abbrev", "4"]);
    assert_eq!(repo.state().sha_short.as_deref().map(str::len), Some(7));
    repo.git(&["config", "core.abbrev", "12"]);
    assert_eq!(repo.state().sha_short.as_deref().map(str::len), Some(12));
}

#[test]
fn an_unborn_branch_has_its_name_and_staged_files_are_added() {
    let Some(repo) = Repo::empty() else { return };
    repo.write("staged.txt", "x\n");
    repo.write("loose.txt", "y\n");
    repo.git(&["add", "staged.txt"]);
    let state = repo.check();
    assert_eq!(state.repository, Repository::Unborn);
    assert_eq!(state.branch.as_deref(), Some("main"));
    assert!(state.sha.is_none() && state.dirty());
    assert_eq!(state.changed[0].kind(), ChangeKind::Added);
}

#[test]
fn a_repository_without_any_file_is_clean() {
    let Some(repo) = Repo::empty() else { return };
    assert!(!repo.check().dirty());
}

#[test]
fn a_detached_head_has_no_branch() {
    let Some(repo) = Repo::small() else { return };
    repo.git(&["checkout", "-q", "--detach"]);
    let state = repo.check();
    assert!(state.detached && state.branch.is_none() && state.sha.is_some());
}

#[test]
fn a_branch_name_may_hold_slashes() {
    let Some(repo) = Repo::small() else { return };
    repo.git(&["checkout", "-q", "-b", "feature/risk/2"]);
    assert_eq!(repo.state().branch.as_deref(), Some("feature/risk/2"));
}

#[test]
fn a_bare_repository_has_a_commit_and_no_work_tree() {
    let Some(repo) = Repo::small() else { return };
    repo.git(&["clone", "-q", "--bare", ".", "../bare.git"]);
    let state = state_of(&repo.beside("bare.git"));
    assert_eq!(state.repository, Repository::Commit);
    assert!(state.work_tree.is_none() && state.changed.is_empty() && !state.dirty());
    assert_eq!(state.sha, repo.state().sha);
}

#[test]
fn a_linked_work_tree_has_its_own_branch_and_changes() {
    let Some(repo) = Repo::small() else { return };
    repo.git(&["worktree", "add", "-q", "-b", "side", "../linked"]);
    let linked = repo.beside("linked");
    std::fs::write(linked.join("a.txt"), "other\n").expect("files can be written");
    let state = state_of(&linked);
    assert_eq!(state.branch.as_deref(), Some("side"));
    assert_eq!(state.changed.len(), 1);
    assert_eq!(work_tree_root(&linked.join("src")), Some(linked));
    assert!(!repo.check().dirty());
}

#[test]
fn a_linked_work_tree_inside_the_main_one_is_one_untracked_path() {
    let Some(repo) = Repo::small() else { return };
    repo.git(&["worktree", "add", "-q", "-b", "side", "inner/tree"]);
    let state = repo.check();
    assert_eq!(state.untracked[0].path, b"inner/tree/");
}

#[test]
fn a_folder_below_the_root_sees_the_whole_work_tree() {
    let Some(repo) = Repo::small() else { return };
    repo.write("a.txt", "changed\n");
    let state = state_of(&repo.root.join("src"));
    assert_eq!(state.changed[0].path, b"a.txt");
}

#[test]
fn a_shallow_clone_is_like_any_other() {
    let Some(repo) = Repo::small() else { return };
    repo.write("a.txt", "second\n");
    repo.commit("second");
    let url = format!("file://{}", repo.root.display());
    repo.git(&["clone", "-q", "--depth=1", &url, "../shallow"]);
    let shallow = repo.beside("shallow");
    std::fs::write(shallow.join("a.txt"), "third\n").expect("files can be written");
    let state = state_of(&shallow);
    assert_eq!(state.sha, repo.state().sha);
    assert!(state.dirty() && state.patch_omitted.is_empty());
}

#[test]
fn submodules_are_noted_and_only_a_moved_or_changed_one_is_dirty() {
    let Some(library) = Repo::small() else { return };
    let Some(repo) = Repo::small() else { return };
    let url = library.root.to_str().expect("its name is plain");
    repo.git(&["submodule", "--quiet", "add", url, "library"]);
    repo.commit("add a submodule");
    let state = repo.check();
    assert!(!state.dirty());
    assert_eq!(state.submodules.len(), 1);
    assert_eq!(state.submodules[0].checked_out.as_deref(), Some(state.submodules[0].recorded.as_str()));
    assert_eq!(work_tree_root(&repo.root.join("library/src")), Some(repo.root.join("library")));

    repo.write("library/untracked.txt", "does not count\n");
    assert!(!repo.check().dirty());

    repo.write("library/a.txt", "changed inside\n");
    assert!(repo.check().dirty());

    git_in(&repo.root.join("library"), &["commit", "-q", "-a", "-m", "moved"]);
    let state = repo.check();
    assert!(state.dirty());
    assert_ne!(state.submodules[0].checked_out.as_deref(), Some(state.submodules[0].recorded.as_str()));
    assert_eq!(state.patch_omitted[0].path, b"library");

    repo.git(&["config", "submodule.library.ignore", "all"]);
    assert!(!repo.state().dirty());
}

#[test]
fn a_submodule_that_is_not_initialised_has_nothing_checked_out() {
    let Some(library) = Repo::small() else { return };
    let Some(repo) = Repo::small() else { return };
    repo.git(&["submodule", "--quiet", "add", library.root.to_str().expect("its name is plain"), "library"]);
    repo.commit("add a submodule");
    repo.git(&["clone", "-q", ".", "../clone"]);
    let state = state_of(&repo.beside("clone"));
    assert!(!state.dirty());
    assert_eq!(state.submodules[0].checked_out, None);
}

#[test]
fn what_is_skipped_counts_as_neither_changed_nor_untracked() {
    let Some(repo) = Repo::small() else { return };
    repo.write("data/interim/tracked.json", "{}\n");
    repo.commit("track a projection");
    repo.write("data/interim/tracked.json", "{\"changed\": true}\n");
    repo.write("data/interim/new.json", "{}\n");
    repo.write(".lineage/journal/1.segment", "x");
    repo.write("data/raw.txt", "mine\n");
    let skip = |path: &[u8]| path == b".lineage" || path == b"data/interim";
    let state = code_state(
        &repo.root,
        &Options {
            skip: &skip,
            skip_untracked: &|_, _| false,
            is_withheld: &|_| false,
            limits: Limits::default(),
            digests: Digests::new(),
        },
    )
    .expect("it can be read");
    assert!(!state.dirty());
    assert_eq!(
        state.untracked.iter().map(|file| file.path.as_slice()).collect::<Vec<_>>(),
        [b"data/raw.txt"]
    );
}

#[test]
fn what_is_skipped_where_it_is_untracked_still_counts_where_it_is_tracked() {
    let Some(repo) = Repo::small() else { return };
    repo.write("cache/tracked", "one\n");
    repo.commit("track a cache");
    repo.write("cache/tracked", "other\n");
    repo.write("cache/new", "x");
    repo.write("deep/cache/new", "x");
    repo.write("deep/new", "x");
    let is_cache =
        |path: &[u8], is_folder: bool| path.ends_with(b"cache") && is_folder || path == b"cache/new";
    let options = Options {
        skip: &|_| false,
        skip_untracked: &is_cache,
        is_withheld: &|_| false,
        limits: Limits::default(),
        digests: Digests::new(),
    };
    let state = code_state(&repo.root, &options).expect("it can be read");
    assert_eq!(state.changed.iter().map(|file| file.path.as_slice()).collect::<Vec<_>>(), [b"cache/tracked"]);
    assert_eq!(state.untracked.iter().map(|file| file.path.as_slice()).collect::<Vec<_>>(), [b"deep/new"]);
}

#[test]
fn untracked_files_beyond_the_limits_are_counted_or_left_without_digest() {
    let Some(repo) = Repo::small() else { return };
    for name in ["u1", "u2", "u3", "u4"] {
        repo.write(name, "twelve bytes");
    }
    repo.write("u0", "this one is longer than the limit for one file");
    let limits = Limits {
        untracked_max: 4,
        digest_file_max_bytes: 20,
        digest_total_max_bytes: 30,
        ..Limits::default()
    };
    let state = state_within(&repo.root, limits);
    let digests: Vec<_> =
        state.untracked.iter().map(|file| (file.path.clone(), file.digest.is_some())).collect();
    let expected = [("u0", false), ("u1", true), ("u2", true), ("u3", false)];
    assert_eq!(digests, expected.map(|(path, digest)| (path.as_bytes().to_vec(), digest)));
    assert_eq!(state.untracked_omitted, 1);
    assert_eq!(state.untracked[1].digest, Some(*blake3::hash(b"twelve bytes").as_bytes()));
    assert_eq!(state.untracked[0].size_bytes, Some(46));
}
