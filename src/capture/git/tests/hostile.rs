//! Repositories in unusual or broken states.

use std::process::Command;

use super::support::{Repo, git_in, lines, state_of, status_lines};
use crate::capture::git::{ChangeKind, Limits, Options, code_state, work_tree_root};
use crate::digests::Digests;

fn error_of(root: &std::path::Path) -> String {
    let options = Options {
        skip: &|_| false,
        skip_untracked: &|_, _| false,
        is_withheld: &|_| false,
        limits: Limits::default(),
        digests: Digests::new(),
    };
    code_state(root, &options).expect_err("this cannot be read").in_full()
}

#[test]
fn a_git_file_that_points_nowhere_is_an_error_that_names_it() {
    let Some(repo) = Repo::small() else { return };
    repo.write("inner/.git", "gitdir: /nowhere/at/all\n");
    let inner = repo.root.join("inner");
    assert_eq!(work_tree_root(&inner), Some(inner.clone()));
    assert!(error_of(&inner).contains("inner/.git"), "{}", error_of(&inner));
}

#[test]
fn broken_repositories_are_errors_and_not_panics() {
    type Break = (&'static str, fn(&Repo));
    let breaks: [Break; 6] = [
        ("an empty `.git`", |repo| {
            std::fs::remove_dir_all(repo.path(".git")).expect("it is there");
            std::fs::create_dir(repo.path(".git")).expect("it is gone");
        }),
        ("an empty `HEAD`", |repo| repo.write(".git/HEAD", "")),
        ("a truncated index", |repo| {
            let index = std::fs::read(repo.path(".git/index")).expect("it is there");
            repo.write(".git/index", &index[..index.len() / 2]);
        }),
        ("noise for an index", |repo| repo.write(".git/index", blake3::hash(b"noise").as_bytes())),
        ("no objects", |repo| std::fs::remove_dir_all(repo.path(".git/objects")).expect("it is there")),
        ("a broken configuration", |repo| repo.write(".git/config", "[core\nbare = ")),
    ];
    for (name, break_it) in breaks {
        let Some(repo) = Repo::small() else { return };
        break_it(&repo);
        let options = Options {
            skip: &|_| false,
            skip_untracked: &|_, _| false,
            is_withheld: &|_| false,
            limits: Limits::default(),
            digests: Digests::new(),
        };
        let error = code_state(&repo.root, &options).expect_err(name);
        assert!(error.message().contains("git repository at"), "{name}: {error}");
    }
}

#[test]
fn a_branch_whose_commit_is_missing_is_an_error() {
    let Some(repo) = Repo::small() else { return };
    repo.write(".git/refs/heads/main", "1234567812345678123456781234567812345678\n");
    assert!(error_of(&repo.root).contains("1234567812345678123456781234567812345678"));
}

#[test]
fn a_folder_with_a_broken_git_folder_is_listed_as_git_lists_it() {
    let Some(repo) = Repo::small() else { return };
    repo.write("inner/file.txt", "x\n");
    std::fs::create_dir(repo.path("inner/.git")).expect("it is new");
    repo.check();
}

#[test]
fn nested_repositories_are_one_untracked_path() {
    let Some(repo) = Repo::small() else { return };
    for name in ["nested", "deep/er/nested"] {
        repo.git(&["init", "-q", name]);
        repo.write(format!("{name}/x.txt"), "x\n");
        git_in(&repo.path(name), &["add", "x.txt"]);
        git_in(&repo.path(name), &["commit", "-q", "-m", "x"]);
    }
    let state = repo.check();
    assert_eq!(state.untracked.len(), 2);
    assert!(state.untracked.iter().all(|untracked| untracked.digest.is_none()));
}

#[test]
fn a_clean_checkout_with_converted_line_ends_is_clean() {
    let Some(repo) = Repo::empty() else { return };
    repo.write(".gitattributes", "*.crlf text eol=crlf\n*.lf text eol=lf\n*.auto text=auto\n*.utf16 text working-tree-encoding=UTF-16LE\n*.id ident\n");
    for name in ["a.crlf", "b.lf", "c.auto", "d.none"] {
        repo.write(name, "one\ntwo\n");
    }
    repo.write("e.utf16", "o\0n\0e\0\n\0");
    repo.write("f.id", "$Id$\n");
    repo.write("g.auto", "mixed\r\nends\n");
    repo.commit("text");
    repo.git(&["config", "core.autocrlf", "true"]);
    repo.git(&["rm", "-q", "--cached", "-r", "."]);
    repo.git(&["reset", "-q", "--hard"]);
    assert!(std::fs::read(repo.path("a.crlf")).expect("it is there").ends_with(b"\r\n"));
    assert!(std::fs::read(repo.path("d.none")).expect("it is there").ends_with(b"\r\n"));
    assert!(!repo.check().dirty());

    // The same with stale stat data: only a comparison of contents can tell.
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(100);
    for name in ["a.crlf", "b.lf", "c.auto", "d.none", "e.utf16", "f.id", "g.auto"] {
        let file = std::fs::File::options().append(true).open(repo.path(name)).expect("it is there");
        file.set_modified(later).expect("times can be set");
    }
    assert!(!repo.check().dirty());

    repo.write("a.crlf", "one\r\n2\r\n");
    repo.write("d.none", "one\r\ntwo\r\nthree\r\n");
    repo.write("e.utf16", "t\0w\0o\0\r\0\n\0");
    let state = repo.check();
    assert_eq!(state.changed.len(), 3);
    assert!(state.patch_omitted.is_empty());
}

#[test]
fn files_git_was_told_not_to_see_are_hidden_changes() {
    let Some(repo) = Repo::small() else { return };
    repo.git(&["update-index", "--assume-unchanged", "a.txt"]);
    repo.git(&["update-index", "--skip-worktree", "src/b.py", "src/run.sh"]);
    assert!(!repo.check().dirty());
    repo.write("a.txt", "hidden\n");
    repo.write("src/b.py", "print('hidden')\n");
    let state = repo.check();
    assert!(!state.dirty());
    let hidden: Vec<_> = state.changed.iter().map(|change| (change.path.as_slice(), change.hidden)).collect();
    assert_eq!(hidden, [(b"a.txt".as_slice(), true), (b"src/b.py", true)]);
    assert!(String::from_utf8_lossy(&state.patch).contains("+hidden"));
}

/// Makes a repository with two folders of which a sparse checkout has one.
fn sparse(sparse_index: bool) -> Option<Repo> {
    let repo = Repo::small()?;
    for path in ["out/a.txt", "out/deep/b.txt", "out/deep/c.txt", "in/d.txt"] {
        repo.write(path, format!("{path}\n"));
    }
    repo.commit("folders");
    let flag = if sparse_index { "--sparse-index" } else { "--no-sparse-index" };
    repo.git(&["sparse-checkout", "set", "--cone", flag, "in", "src"]);
    Some(repo)
}

#[test]
fn a_sparse_checkout_is_clean_and_its_changes_are_seen() {
    for sparse_index in [false, true] {
        let Some(repo) = sparse(sparse_index) else { return };
        assert!(!repo.path("out").exists());
        assert!(!repo.state().dirty(), "sparse index: {sparse_index}");
        repo.write("in/d.txt", "changed\n");
        repo.write("src/new.py", "x\n");
        let state = repo.state();
        assert_eq!(lines(&state), status_lines(&repo.root));
        assert_eq!(state.changed.len(), 1);
        // A file that is there although the patterns leave it out is looked at, as git does.
        repo.write("out/deep/b.txt", "brought back\n");
        let state = repo.state();
        assert_eq!(lines(&state), status_lines(&repo.root));
        assert!(state.changed.iter().any(|change| change.path == b"out/deep/b.txt" && !change.hidden));
    }
}

#[test]
fn every_form_of_the_index_is_read() {
    let settings: [&[&str]; 5] = [
        &["-c", "index.version=4", "update-index", "--force-write-index", "--index-version", "4"],
        &["update-index", "--split-index"],
        &["-c", "index.skipHash=true", "update-index", "--force-write-index"],
        &["update-index", "--untracked-cache"],
        &["update-index", "--force-untracked-cache"],
    ];
    for setting in settings {
        let Some(repo) = Repo::small() else { return };
        repo.git(setting);
        repo.check();
        repo.write("a.txt", "changed\n");
        repo.write("new.txt", "new\n");
        repo.git(&["add", "new.txt"]);
        let state = repo.check();
        assert_eq!(state.changed.len(), 2, "{setting:?}");
    }
}

#[test]
fn refs_in_a_table_are_an_error_and_not_an_unborn_branch() {
    let Some(repo) = Repo::empty() else { return };
    let made = repo.try_git(&["init", "-q", "--ref-format=reftable", "../tables"]);
    if !made.status.success() {
        crate::machine::skipped(crate::machine::Lack::System, "this git knows no reftable");
        return;
    }
    let tables = repo.beside("tables");
    std::fs::write(tables.join("a.txt"), "x\n").expect("files can be written");
    git_in(&tables, &["add", "a.txt"]);
    git_in(&tables, &["commit", "-q", "-m", "first"]);
    assert!(error_of(&tables).contains("tables"), "{}", error_of(&tables));
}

#[test]
fn ids_of_another_length_are_an_error() {
    let Some(repo) = Repo::empty() else { return };
    if !repo.try_git(&["init", "-q", "--object-format=sha256", "../long"]).status.success() {
        crate::machine::skipped(crate::machine::Lack::System, "this git knows no SHA-256");
        return;
    }
    assert!(error_of(&repo.beside("long")).contains("sha256"));
}

#[test]
fn variables_meant_for_git_hooks_do_not_lead_to_another_repository() {
    const ROOT: &str = "LINEAGE_TEST_HOOK_ROOT";
    if let Some(root) = std::env::var_os(ROOT) {
        let state = state_of(root.as_ref());
        assert_eq!(state.work_tree.as_deref(), Some(root.as_ref()));
        assert_eq!(state.changed.len(), 1);
        return;
    }
    let (Some(repo), Some(other)) = (Repo::small(), Repo::empty()) else {
        return;
    };
    repo.write("a.txt", "changed\n");
    let name = "variables_meant_for_git_hooks_do_not_lead_to_another_repository";
    let child = Command::new(std::env::current_exe().expect("this is a program"))
        .args([
            &format!("{}::{name}", module_path!().split_once("::").expect("it is in a crate").1),
            "--exact",
        ])
        .env(ROOT, &repo.root)
        .env("GIT_DIR", other.path(".git"))
        .env("GIT_WORK_TREE", &other.root)
        .env("GIT_INDEX_FILE", other.path(".git/index"))
        .output()
        .expect("it can be started again");
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn a_folder_that_cannot_be_listed_is_told_and_the_rest_is_listed() {
    use std::os::unix::fs::PermissionsExt;
    let Some(repo) = Repo::small() else { return };
    repo.write("closed/x.txt", "x\n");
    repo.write("open/y.txt", "y\n");
    let permit = |mode| std::fs::set_permissions(repo.path("closed"), std::fs::Permissions::from_mode(mode));
    permit(0o000).expect("it is ours");
    if std::fs::read_dir(repo.path("closed")).is_ok() {
        crate::machine::skipped(crate::machine::Lack::User, "root can list every folder");
        return;
    }
    let state = repo.state();
    permit(0o755).expect("it is ours");
    assert_eq!(state.untracked.len(), 1);
    assert_eq!(state.untracked[0].path, b"open/y.txt");
    assert_eq!(state.unread.len(), 1);
    assert_eq!(state.unread[0].path, b"closed");
}

#[test]
fn a_file_that_cannot_be_read_is_changed_and_without_digest() {
    let Some(repo) = Repo::small() else { return };
    repo.write("a.txt", "changed\n");
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(repo.path("a.txt"), std::fs::Permissions::from_mode(0o000)).expect("it is ours");
    if std::fs::read(repo.path("a.txt")).is_ok() {
        crate::machine::skipped(crate::machine::Lack::User, "root can read every file");
        return;
    }
    let state = repo.state();
    assert!(state.dirty() && state.changed[0].digest.is_none());
    assert_eq!(state.patch_omitted.len(), 1);
}

#[test]
fn a_lock_of_another_git_does_not_matter() {
    let Some(repo) = Repo::small() else { return };
    repo.write(".git/index.lock", "");
    repo.write("a.txt", "changed\n");
    assert_eq!(repo.state().changed.len(), 1);
    assert!(repo.path(".git/index.lock").exists());
}

#[test]
fn without_executable_bits_on_the_disk_the_index_has_them() {
    let Some(repo) = Repo::small() else { return };
    repo.git(&["config", "core.fileMode", "false"]);
    repo.executable("src/run.sh", false);
    repo.executable("a.txt", true);
    assert!(!repo.state().dirty());
    repo.write("src/run.sh", "#!/bin/sh\nexit\n");
    let state = repo.state();
    assert_eq!(state.changed.len(), 1);
    assert!(!String::from_utf8_lossy(&state.patch).contains("new mode"));
}

#[test]
fn packed_refs_and_objects_are_read() {
    let Some(repo) = Repo::small() else { return };
    repo.git(&["gc", "-q"]);
    repo.write("a.txt", "changed\n");
    assert_eq!(repo.check().changed.len(), 1);
}

#[test]
fn pipes_and_sockets_are_neither_opened_nor_listed() {
    let Some(repo) = Repo::small() else { return };
    for name in ["pipe", "src/b.py"] {
        let _ = std::fs::remove_file(repo.path(name));
        let made = Command::new("mkfifo").arg(repo.path(name)).status();
        if !made.is_ok_and(|status| status.success()) {
            crate::machine::skipped(crate::machine::Lack::Program, "no `mkfifo` on this machine");
            return;
        }
    }
    let state = repo.state();
    assert!(state.untracked.is_empty());
    assert_eq!(state.changed.len(), 1);
    assert_eq!(state.patch_omitted[0].path, b"src/b.py");
}

#[test]
fn a_link_or_a_pipe_in_place_of_an_executable_file_is_not_followed() {
    let Some(repo) = Repo::small() else { return };
    repo.write("copy.sh", "#!/bin/sh\n");
    repo.executable("copy.sh", true);
    repo.commit("copy");
    repo.remove("src/run.sh");
    repo.link("src/run.sh", "../copy.sh");
    assert_eq!(repo.check().changed[0].kind(), ChangeKind::TypeChanged);
    repo.remove("src/run.sh");
    let made = Command::new("mkfifo").arg("-m").arg("755").arg(repo.path("src/run.sh")).status();
    if !made.is_ok_and(|status| status.success()) {
        crate::machine::skipped(crate::machine::Lack::Program, "no `mkfifo` on this machine");
        return;
    }
    assert_eq!(repo.state().changed[0].kind(), ChangeKind::TypeChanged);
}

#[test]
fn a_foreign_repository_is_read_and_starts_no_program() {
    let Some(repo) = Repo::small() else { return };
    let proof = repo.beside("proof");
    let program = format!("touch '{}'; cat", proof.display());
    repo.git(&["config", "filter.evil.clean", &program]);
    repo.git(&["config", "filter.evil.process", &program]);
    repo.git(&["config", "core.fsmonitor", &program]);
    repo.git(&["config", "diff.external", &program]);
    repo.git(&["config", "diff.evil.textconv", &program]);
    repo.write(".gitattributes", "* filter=evil diff=evil\n");
    repo.write("a.txt", "changed\n");
    for path in [".git", ".git/config", "."] {
        if std::os::unix::fs::lchown(repo.path(path), Some(12_345), Some(12_345)).is_err() {
            crate::machine::skipped(crate::machine::Lack::User, "only root can give files away");
            return;
        }
    }
    let state = repo.state();
    assert!(state.sha.is_some() && state.dirty());
    assert!(
        state.changed.iter().any(|change| change.path == b"a.txt" && change.kind() == ChangeKind::Modified)
    );
    assert!(String::from_utf8_lossy(&state.patch).contains("+changed"));
    assert!(!proof.exists(), "a program of the foreign configuration was started");
}

#[test]
fn filters_of_ones_own_repository_run_and_a_failing_one_is_told() {
    let Some(repo) = Repo::small() else { return };
    repo.git(&["config", "filter.upper.clean", "tr a-z A-Z"]);
    repo.write(".gitattributes", "*.txt filter=upper\n*.bad filter=broken\n");
    repo.write("x.bad", "before\n");
    repo.git(&["add", "."]);
    repo.git(&["commit", "-q", "-m", "filtered"]);
    repo.git(&["config", "filter.broken.clean", "false"]);
    repo.git(&["config", "filter.broken.required", "true"]);
    repo.write("a.txt", "one\ntwo\nFour\n");
    repo.write("x.bad", "after!\n");
    let state = repo.state();
    assert!(String::from_utf8_lossy(&state.patch).contains("+FOUR"), "{}", state.patch.escape_ascii());
    assert_eq!(state.patch_omitted.len(), 1);
    assert_eq!(state.patch_omitted[0].path, b"x.bad");
}

#[test]
fn a_partial_clone_says_which_files_it_cannot_carry() {
    let Some(repo) = Repo::small() else { return };
    repo.git(&["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", repo.root.display());
    repo.git(&["clone", "-q", "--filter=blob:none", &url, "../partial"]);
    let partial = repo.beside("partial");
    std::fs::write(partial.join("a.txt"), "changed\n").expect("files can be written");
    assert!(state_of(&partial).patch_omitted.is_empty(), "the checkout fetched it");
    std::fs::write(repo.path("a.txt"), "second\n").expect("files can be written");
    repo.commit("second");
    git_in(&partial, &["fetch", "-q"]);
    git_in(&partial, &["update-ref", "refs/heads/main", "origin/main"]);
    let state = state_of(&partial);
    assert_eq!(state.patch_omitted.len(), 1);
    assert_eq!(state.patch_omitted[0].path, b"a.txt");
}

#[test]
fn ignored_files_are_not_listed() {
    let Some(repo) = Repo::small() else { return };
    repo.write(".gitignore", "*.log\nbuild/\n!keep.log\n/only-top\n");
    repo.write("src/.gitignore", "inner\n");
    for path in
        ["a.log", "keep.log", "build/x", "only-top", "src/only-top", "src/inner", "inner", "src/build/y"]
    {
        repo.write(path, "x\n");
    }
    repo.write(".git/info/exclude", "excluded\n");
    repo.write("excluded", "x\n");
    repo.write("build/forced", "x\n");
    repo.git(&["add", "-f", "build/forced"]);
    repo.check();
}
