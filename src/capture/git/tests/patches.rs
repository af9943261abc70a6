//! Single changes: what they are called, and that the patch carries them.

use std::os::unix::ffi::OsStrExt;

use super::support::{Repo, state_within};
use crate::capture::git::patch::quoted;
use crate::capture::git::{ChangeKind, Limits};

/// Makes a small repository, lets `edit` change it, and checks status and patch; returns the kinds by path.
fn check(edit: impl FnOnce(&Repo), expected: &[(&str, ChangeKind)]) {
    let Some(repo) = Repo::small() else { return };
    edit(&repo);
    let state = repo.check();
    let kinds: Vec<_> = state.changed.iter().map(|change| (change.path.as_slice(), change.kind())).collect();
    let expected: Vec<_> = expected.iter().map(|(path, kind)| (path.as_bytes(), *kind)).collect();
    assert_eq!(kinds, expected);
    assert!(state.patch_omitted.is_empty(), "{:?}", state.patch_omitted);
}

#[test]
fn a_changed_file_is_modified() {
    check(|repo| repo.write("a.txt", "one\n2\nthree\nfour"), &[("a.txt", ChangeKind::Modified)]);
}

#[test]
fn a_change_of_the_same_size_in_the_same_second_is_seen() {
    check(|repo| repo.write("a.txt", "one\nTWO\nthree\n"), &[("a.txt", ChangeKind::Modified)]);
}

#[test]
fn the_executable_bit_is_a_change() {
    let edit = |repo: &Repo| {
        repo.executable("src/run.sh", false);
        repo.executable("a.txt", true);
    };
    check(edit, &[("a.txt", ChangeKind::Modified), ("src/run.sh", ChangeKind::Modified)]);
}

#[test]
fn a_link_to_elsewhere_is_modified() {
    let edit = |repo: &Repo| {
        repo.remove("link");
        repo.link("link", "src/b.py");
    };
    check(edit, &[("link", ChangeKind::Modified)]);
}

#[test]
fn a_file_that_became_a_link_changed_its_type() {
    let edit = |repo: &Repo| {
        repo.remove("a.txt");
        repo.link("a.txt", "src/b.py");
        repo.remove("link");
        repo.write("link", "no longer a link\n");
    };
    check(edit, &[("a.txt", ChangeKind::TypeChanged), ("link", ChangeKind::TypeChanged)]);
}

#[test]
fn a_folder_in_place_of_a_file_and_the_reverse_are_carried() {
    let edit = |repo: &Repo| {
        repo.remove("a.txt");
        repo.write("a.txt/inner.txt", "x\n");
        repo.git(&["rm", "-rq", "src"]);
        repo.write("src", "a file now\n");
        repo.git(&["add", "-A"]);
    };
    let expected = [
        ("a.txt", ChangeKind::Deleted),
        ("a.txt/inner.txt", ChangeKind::Added),
        ("src", ChangeKind::Added),
        ("src/b.py", ChangeKind::Deleted),
        ("src/run.sh", ChangeKind::Deleted),
    ];
    check(edit, &expected);
}

#[test]
fn a_folder_replaced_by_a_link_to_its_copy_counts_as_deleted() {
    let edit = |repo: &Repo| {
        std::fs::rename(repo.path("src"), repo.path("moved")).expect("it can be moved");
        repo.link("src", "moved");
    };
    check(edit, &[("src/b.py", ChangeKind::Deleted), ("src/run.sh", ChangeKind::Deleted)]);
}

#[test]
fn staged_and_changed_again_is_one_change() {
    let edit = |repo: &Repo| {
        repo.write("a.txt", "staged\n");
        repo.git(&["add", "a.txt"]);
        repo.write("a.txt", "and changed again\n");
    };
    check(edit, &[("a.txt", ChangeKind::Modified)]);
}

#[test]
fn staged_then_reverted_is_a_change_without_patch() {
    let Some(repo) = Repo::small() else { return };
    repo.write("a.txt", "staged\n");
    repo.git(&["add", "a.txt"]);
    repo.write("a.txt", "one\ntwo\nthree\n");
    let state = repo.check();
    assert!(state.dirty() && state.patch.is_empty());
}

#[test]
fn added_then_deleted_is_a_change_without_patch() {
    let Some(repo) = Repo::small() else { return };
    repo.write("new.txt", "x\n");
    repo.git(&["add", "new.txt"]);
    repo.remove("new.txt");
    let state = repo.check();
    assert_eq!(state.changed[0].kind(), ChangeKind::Deleted);
    assert!(state.patch.is_empty());
}

#[test]
fn intent_to_add_is_an_added_file() {
    let edit = |repo: &Repo| {
        repo.write("new.txt", "announced\n");
        repo.write("empty.txt", "");
        repo.git(&["add", "-N", "new.txt", "empty.txt"]);
    };
    check(edit, &[("empty.txt", ChangeKind::Added), ("new.txt", ChangeKind::Added)]);
}

#[test]
fn deleted_from_the_index_and_there_again_is_deleted_and_untracked() {
    let Some(repo) = Repo::small() else { return };
    repo.git(&["rm", "-q", "--cached", "a.txt"]);
    let state = repo.check();
    assert_eq!(state.changed[0].kind(), ChangeKind::Deleted);
    assert_eq!(state.untracked[0].path, b"a.txt");
    assert!(state.patch.is_empty(), "the file on disk is the one at `HEAD`");
    repo.write("a.txt", "but now it is another\n");
    assert!(!repo.check().patch.is_empty());
}

#[test]
fn a_rename_is_known_by_its_bytes() {
    let Some(repo) = Repo::small() else { return };
    repo.git(&["mv", "src/b.py", "c.py"]);
    repo.write("c.py", "print(2)\n");
    let state = repo.check();
    assert_eq!(state.changed.len(), 1);
    assert_eq!(state.changed[0].kind(), ChangeKind::Renamed);
    assert_eq!(state.changed[0].renamed_from.as_deref(), Some(b"src/b.py".as_slice()));
}

#[test]
fn a_conflict_is_a_conflict_and_its_file_is_carried() {
    let Some(repo) = Repo::small() else { return };
    repo.git(&["checkout", "-q", "-b", "side"]);
    repo.write("a.txt", "side\n");
    repo.git(&["rm", "-q", "src/b.py"]);
    repo.commit("side");
    repo.git(&["checkout", "-q", "main"]);
    repo.write("a.txt", "main\n");
    repo.write("src/b.py", "print(3)\n");
    repo.commit("main");
    assert!(!repo.try_git(&["merge", "-q", "side"]).status.success());
    let state = repo.check();
    let kinds: Vec<_> = state.changed.iter().map(|change| change.kind()).collect();
    assert_eq!(kinds, [ChangeKind::Conflicted; 2]);
    assert!(state.dirty());
}

#[test]
fn binary_files_are_carried_whole() {
    let Some(repo) = Repo::small() else { return };
    let noise: Vec<u8> = (0..20_000u32).flat_map(|n| *blake3::hash(&n.to_le_bytes()).as_bytes()).collect();
    repo.write("model.bin", &noise[..1000]);
    repo.write("gone.bin", b"\0gone");
    repo.commit("binary");
    repo.write("model.bin", &noise);
    repo.write("late.txt", [vec![b'x'; 9000], vec![0]].concat());
    repo.write("new.bin", b"\0");
    repo.git(&["add", "late.txt", "new.bin"]);
    repo.remove("gone.bin");
    let state = repo.check();
    assert_eq!(state.changed.len(), 4);
    assert!(state.patch_omitted.is_empty());
}

#[test]
fn hostile_names_are_quoted_as_git_quotes_them() {
    let Some(repo) = Repo::small() else { return };
    let names: [&[u8]; 10] = [
        b"new\nline",
        b"two words",
        b" lead and trail ",
        b"tab\there",
        b"quo\"te",
        b"back\\slash",
        b"latin\xe9",
        "Größe".as_bytes(),
        b"b/ in/the b/middle",
        b"\x01\x7f\x1b[31m",
    ];
    for name in names {
        repo.write(name, "before\n");
    }
    repo.commit("names");
    for name in &names[..5] {
        repo.write(name, "after\n");
    }
    for name in &names[5..8] {
        repo.remove(name);
    }
    repo.executable(names[8], true);
    repo.write([names[9], b"2"].concat(), "new\n");
    repo.git(&["add", "-A"]);
    let state = repo.check();
    assert_eq!(state.changed.len(), 10);
    let theirs = repo.git(&["diff", "HEAD", "--no-renames"]);
    let headers = |patch: &[u8]| {
        let lines = patch.split(|byte| *byte == b'\n');
        let kept = lines
            .filter(|line| [&b"diff "[..], b"--- ", b"+++ "].iter().any(|start| line.starts_with(start)));
        kept.map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    let escaped =
        |lines: Vec<Vec<u8>>| lines.iter().map(|line| line.escape_ascii().to_string()).collect::<Vec<_>>();
    assert_eq!(escaped(headers(&state.patch)), escaped(headers(&theirs)));
}

#[test]
fn every_byte_is_quoted_as_git_quotes_it() {
    let Some(repo) = Repo::small() else { return };
    for byte in (1..=255u8).filter(|byte| *byte != b'/') {
        let name = [b'n', byte];
        repo.write(name, "");
        repo.git(&[
            std::ffi::OsStr::new("add"),
            std::ffi::OsStr::new("--"),
            std::ffi::OsStr::from_bytes(&name),
        ]);
    }
    let listed = repo.git(&["diff", "--cached", "--name-only"]);
    let mut theirs: Vec<&[u8]> =
        listed.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let mut ours: Vec<Vec<u8>> =
        (1..=255u8).filter(|byte| *byte != b'/').map(|byte| quoted(b"", &[b'n', byte])).collect();
    theirs.sort();
    ours.sort();
    assert_eq!(ours, theirs);
}

#[test]
fn ends_without_newline_and_carriage_returns_survive() {
    let cases: [(&str, &str); 8] = [
        ("a\nb", "a\nb\n"),
        ("a\nb\n", "a\nb"),
        ("a", "b"),
        ("", "x"),
        ("x", ""),
        ("a\r\nb\r\n", "a\r\nc\r\n"),
        ("a\rb", "a\rc"),
        ("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12", "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13"),
    ];
    let Some(repo) = Repo::small() else { return };
    for (n, (before, _)) in cases.iter().enumerate() {
        repo.write(format!("case{n}"), before);
    }
    repo.commit("before");
    for (n, (_, after)) in cases.iter().enumerate() {
        repo.write(format!("case{n}"), after);
    }
    assert_eq!(repo.check().changed.len(), cases.len());
}

#[test]
fn far_and_near_changes_share_context_as_they_should() {
    let Some(repo) = Repo::small() else { return };
    let numbered = |changed: &[usize]| {
        let line = |n| {
            if changed.contains(&n) { format!("changed {n}\n") } else { format!("line {n}\n") }
        };
        (0..60).map(line).collect::<String>()
    };
    repo.write("long.txt", numbered(&[]));
    repo.commit("long");
    repo.write("long.txt", numbered(&[0, 6, 13, 20, 28, 40, 59]));
    let state = repo.check();
    let theirs = repo.git(&["diff", "HEAD", "--full-index", "--histogram"]);
    let hunks = |patch: &[u8]| String::from_utf8_lossy(patch).matches("\n@@ ").count();
    assert_eq!(hunks(&state.patch), hunks(&theirs));
}

#[test]
fn what_is_too_large_for_the_patch_is_listed_with_its_digest() {
    let Some(repo) = Repo::small() else { return };
    repo.write("a.txt", "this is a good deal more than sixteen bytes\n");
    repo.write("src/b.py", "print(2)\n");
    let limits = Limits { patch_file_max_bytes: 16, ..Limits::default() };
    let state = state_within(&repo.root, limits);
    assert_eq!(state.patch_omitted.len(), 1);
    assert_eq!(state.patch_omitted[0].path, b"a.txt");
    assert!(state.changed[0].digest.is_some());
    assert!(!state.patch.is_empty());
    let limits = Limits { patch_max_bytes: 10, ..Limits::default() };
    let state = state_within(&repo.root, limits);
    assert_eq!(state.patch_omitted.len(), 2);
    assert!(state.patch.is_empty());
}
