//! Questions about single files at `HEAD` and about two commits.

use super::support::{Repo, state_of};
use crate::capture::git::history::is_ancestor;
use crate::capture::git::{BuiltOn, ChangeKind, CommitTree, Hold, InGit, are_here, changed_between, hold_on};

#[test]
fn a_file_is_the_one_at_head_or_differs_or_is_not_there() {
    let Some(repo) = Repo::small() else { return };
    repo.write("deep/er/file.txt", "deep\n");
    repo.commit("deep");
    let tree = CommitTree::of_head(&repo.root).expect("it can be read").expect("there is a repository");
    let cases: [(&[u8], &[u8], InGit); 12] = [
        (b"a.txt", b"one\ntwo\nthree\n", InGit::Same),
        (b"a.txt", b"one\n", InGit::Differs),
        (b"deep/er/file.txt", b"deep\n", InGit::Same),
        (b"deep/er/file.txt", b"", InGit::Differs),
        (b"deep/er", b"", InGit::NotInTree),
        (b"deep/er/none.txt", b"", InGit::NotInTree),
        (b"deep/none/file.txt", b"", InGit::NotInTree),
        (b"none/er/file.txt", b"", InGit::NotInTree),
        (b"a.txt/file", b"", InGit::NotInTree),
        (b"link", b"a.txt", InGit::Same),
        (b"", b"", InGit::NotInTree),
        (b"../a.txt", b"", InGit::NotInTree),
    ];
    for (path, bytes, expected) in cases {
        assert_eq!(tree.holds(path, bytes).expect("it can be read"), expected, "{}", path.escape_ascii());
        assert_eq!(tree.contains(path).expect("it can be read"), expected != InGit::NotInTree);
    }
    assert_eq!(tree.sha(), repo.state().sha.as_deref());
}

#[test]
fn a_commit_answers_for_itself_wherever_head_is() {
    let Some(repo) = Repo::small() else { return };
    let first = repo.state().sha.expect("there is a commit");
    repo.write("a.txt", "two\n");
    repo.commit("second");
    let tree =
        CommitTree::of_commit(&repo.root, &first).expect("it can be read").expect("there is a repository");
    assert_eq!(tree.sha(), Some(first.as_str()));
    assert_eq!(tree.holds(b"a.txt", b"two\n").expect("it can be read"), InGit::Differs);
    assert_eq!(tree.bytes(b"a.txt").expect("it can be read").as_deref(), Some(&b"one\ntwo\nthree\n"[..]));
    assert_eq!(tree.bytes(b"none").expect("it can be read"), None);
    let unknown = CommitTree::of_commit(&repo.root, &"1".repeat(40)).map(|tree| tree.is_some());
    assert!(unknown.expect_err("there is no such commit").in_full().contains("111"));
}

#[test]
fn converted_line_ends_are_the_same_file() {
    let Some(repo) = Repo::small() else { return };
    repo.git(&["config", "core.autocrlf", "true"]);
    let tree = CommitTree::of_head(&repo.root).expect("it can be read").expect("there is a repository");
    assert_eq!(tree.holds(b"a.txt", b"one\r\ntwo\r\nthree\r\n").expect("it can be read"), InGit::Same);
    assert_eq!(tree.holds(b"a.txt", b"one\r\n2\r\nthree\r\n").expect("it can be read"), InGit::Differs);
}

#[test]
fn a_file_in_its_place_is_compared_as_its_bytes_are() {
    for autocrlf in [false, true] {
        let Some(repo) = Repo::small() else { return };
        if autocrlf {
            repo.git(&["config", "core.autocrlf", "true"]);
        }
        let tree = CommitTree::of_head(&repo.root).expect("it can be read").expect("there is a repository");
        let check = |path: &str| {
            let bytes = std::fs::read(repo.path(path)).expect("it is there");
            let by_bytes = tree.holds(path.as_bytes(), &bytes).expect("it can be read");
            assert_eq!(
                tree.holds_file(path.as_bytes()).expect("it can be read"),
                by_bytes,
                "{path} {autocrlf}"
            );
            by_bytes
        };
        assert_eq!(check("a.txt"), InGit::Same);
        repo.write("a.txt", "one\r\ntwo\r\nthree\r\n");
        assert_eq!(check("a.txt"), if autocrlf { InGit::Same } else { InGit::Differs });
        // Of the same size.
        repo.write("a.txt", "one\ntwo\ntheee\n");
        assert_eq!(check("a.txt"), InGit::Differs);
        repo.write("new.txt", "new\n");
        assert_eq!(check("new.txt"), InGit::NotInTree);
    }
}

#[test]
fn what_the_index_vouches_for_is_not_read() {
    let Some(repo) = Repo::small() else { return };
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(100);
    let file = std::fs::File::options().write(true).open(repo.path("a.txt")).expect("it is there");
    file.set_modified(old).expect("it is ours");
    repo.git(&["config", "core.trustctime", "false"]);
    repo.git(&["update-index", "--refresh"]);
    // Other bytes under the size and time that git saw, as only a test makes them: git itself sees no change.
    repo.write("a.txt", "ONE\ntwo\nthree\n");
    file.set_modified(old).expect("it is ours");
    let tree = CommitTree::of_head(&repo.root).expect("it can be read").expect("there is a repository");
    assert_eq!(tree.holds_file(b"a.txt").expect("it can be read"), InGit::Same);
    repo.write("a.txt", "ONE\ntwo\nthree\n");
    assert_eq!(tree.holds_file(b"a.txt").expect("it can be read"), InGit::Differs);
}

#[test]
fn head_is_known_as_it_was_before_its_last_move() {
    let Some(repo) = Repo::small() else { return };
    let first = repo.state().sha.expect("there is a commit");
    let sha_at = |at_ns: i64| {
        let tree = CommitTree::of_head_at(&repo.root, at_ns).expect("it can be read");
        tree.map(|tree| tree.sha().expect("there is a commit").to_owned())
    };
    let now = crate::digests::kernel_time_ns() + 1_000_000_000;
    assert_eq!(sha_at(now).as_ref(), Some(&first));
    // All that is told by seconds is of the time of the commits.
    let log = std::fs::read_to_string(repo.root.join(".git/logs/HEAD")).expect("git keeps a log");
    let words: Vec<&str> = log.split('\t').next().expect("it has a line").split(' ').collect();
    let second: i64 = words[words.len() - 2].parse().expect("it is a time");
    assert_eq!(sha_at((second + 1) * 1_000_000_000).as_ref(), Some(&first));
    assert_eq!(sha_at(second * 1_000_000_000), None);
    std::fs::remove_file(repo.root.join(".git/logs/HEAD")).expect("it is ours");
    assert_eq!(sha_at(now).as_ref(), Some(&first));
    assert_eq!(sha_at(second * 1_000_000_000), None);
}

#[test]
fn a_pointer_to_bytes_kept_elsewhere_is_known() {
    let Some(repo) = Repo::small() else { return };
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n";
    repo.write("big.bin", pointer);
    repo.commit("big");
    let tree = CommitTree::of_head(&repo.root).expect("it can be read").expect("there is a repository");
    let is_pointer = |path: &str| tree.is_pointer(path.as_bytes()).expect("it can be read");
    assert_eq!(["big.bin", "a.txt", "none"].map(is_pointer), [true, false, false]);
}

#[test]
fn without_a_commit_nothing_is_in_the_tree() {
    let Some(repo) = Repo::empty() else { return };
    let tree = CommitTree::of_head(&repo.root).expect("it can be read").expect("there is a repository");
    assert_eq!(tree.holds(b"a.txt", b"").expect("it can be read"), InGit::NotInTree);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    assert!(CommitTree::of_head(folder.path()).expect("nothing is wrong").is_none());
}

#[test]
fn ancestors_are_told_from_others() {
    let Some(repo) = Repo::small() else { return };
    let sha = || repo.state().sha.expect("there is a commit");
    let first = sha();
    repo.commit("second");
    let second = sha();
    repo.git(&["checkout", "-q", "-b", "side", &first]);
    repo.write("side", "x\n");
    repo.commit("side");
    let side = sha();
    repo.git(&["merge", "-q", "--no-edit", "main"]);
    let merged = sha();
    let ask = |a: &str, b: &str| is_ancestor(&repo.root, a, b).expect("it can be read");
    assert_eq!(ask(&first, &merged), Some(true));
    assert_eq!(ask(&second, &merged), Some(true));
    assert_eq!(ask(&side, &side), Some(true));
    assert_eq!(ask(&side, &second), Some(false));
    assert_eq!(ask(&merged, &first), Some(false));
    assert_eq!(ask(&first[..7], &merged[..9]), Some(true));
    assert_eq!(ask("1234567812345678123456781234567812345678", &merged), None);
    assert!(is_ancestor(&repo.root, "main", &merged).is_err());
    assert!(is_ancestor(&repo.root, "", &merged).is_err());

    let all = [&first, &second, &side, &merged];
    for commit in all {
        let mut built_on = BuiltOn::find(&repo.root, commit).expect("it can be read").expect("it is here");
        for other in all.into_iter().chain(all) {
            assert_eq!(built_on.is_in(other), ask(commit, other), "{commit} in {other}");
        }
        assert_eq!(built_on.is_in("1234567812345678123456781234567812345678"), None);
    }
    repo.git(&["tag", "-a", "-m", "x", "v1", &second]);
    for (word, expected) in [("main", &second), ("v1", &second), ("side", &merged), (&side[..7], &side)] {
        let mut built_on = BuiltOn::find(&repo.root, word).expect("it can be read").expect("it is here");
        assert_eq!((built_on.is_in(expected), built_on.is_in(&first)), (Some(true), Some(false)), "{word}");
    }
    for word in
        ["none", "", "../x", "a b", "main^{commit}", "123456781234567812345678123456781234567812345678"]
    {
        assert!(BuiltOn::find(&repo.root, word).expect("it can be read").is_none(), "{word}");
    }
}

#[test]
fn a_commit_is_kept_by_what_leads_to_it() {
    let Some(repo) = Repo::small() else { return };
    let sha = || repo.state().sha.expect("there is a commit");
    let hold = |sha: &str| hold_on(&repo.root, sha).expect("it can be read").expect("it can be known");
    let first = sha();
    repo.git(&["checkout", "-q", "-b", "side"]);
    repo.commit("side");
    let side = sha();
    repo.commit("later");
    let later = sha();
    repo.git(&["checkout", "-q", "main"]);
    assert_eq!([&first, &side, &later].map(|sha| hold(sha)), [Hold::Reference; 3]);
    repo.git(&["tag", "-a", "-m", "x", "v1", &side]);
    repo.git(&["branch", "-q", "-D", "side"]);
    assert_eq!([&side, &later].map(|sha| hold(sha)), [Hold::Reference, Hold::Nothing]);
    repo.git(&["tag", "-d", "v1"]);
    assert_eq!([&side, &later].map(|sha| hold(sha)), [Hold::Nothing; 2]);
    repo.git(&["reflog", "expire", "--expire=now", "--all"]);
    repo.git(&["gc", "-q", "--prune=now"]);
    assert_eq!([&first, &side].map(|sha| hold(sha)), [Hold::Reference, Hold::NotHere]);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    assert_eq!(hold_on(folder.path(), &first).expect("nothing is wrong"), None);
}

#[test]
fn a_cut_off_history_cannot_say_no() {
    let Some(repo) = Repo::small() else { return };
    let first = repo.state().sha.expect("there is a commit");
    repo.commit("second");
    repo.commit("third");
    let url = format!("file://{}", repo.root.display());
    repo.git(&["clone", "-q", "--depth=2", &url, "../shallow"]);
    let shallow = repo.beside("shallow");
    let third = state_of(&shallow).sha.expect("there is a commit");
    let second = String::from_utf8(repo.git(&["rev-parse", "HEAD~1"])).expect("it is hexadecimal");
    assert_eq!(is_ancestor(&shallow, second.trim(), &third).expect("it can be read"), Some(true));
    assert_eq!(is_ancestor(&shallow, &first, &third).expect("it can be read"), None);
    let mut built_on = BuiltOn::find(&shallow, second.trim()).expect("it can be read").expect("it is here");
    assert_eq!(built_on.is_in(&third), Some(true));
    assert!(BuiltOn::find(&shallow, &first).expect("it can be read").is_none());
    let mut built_on = BuiltOn::find(&shallow, &third).expect("it can be read").expect("it is here");
    assert_eq!(built_on.is_in(second.trim()), None);
    assert_eq!(is_ancestor(&shallow, &third, second.trim()).expect("it can be read"), None);
}

#[test]
fn the_files_between_two_commits_are_listed_by_path() {
    let Some(repo) = Repo::small() else { return };
    let first = repo.state().sha.expect("there is a commit");
    repo.write("a.txt", "changed\n");
    repo.write("new/deep/file", "new\n");
    repo.remove("link");
    repo.write("link", "a file\n");
    repo.git(&["rm", "-rq", "src"]);
    repo.commit("second");
    let second = repo.state().sha.expect("there is a commit");
    let between = |a: &str, b: &str| changed_between(&repo.root, a, b).expect("it can be read");
    let expected = [
        ("a.txt", ChangeKind::Modified),
        ("link", ChangeKind::TypeChanged),
        ("new/deep/file", ChangeKind::Added),
        ("src/b.py", ChangeKind::Deleted),
        ("src/run.sh", ChangeKind::Deleted),
    ];
    assert_eq!(between(&first, &second), Some(expected.map(|(path, kind)| (path.into(), kind)).to_vec()));
    assert_eq!(between(&second, &second), Some(Vec::new()));
    assert_eq!(between("1234567812345678123456781234567812345678", &second), None);
}

#[test]
fn a_commit_is_here_or_not_or_that_cannot_be_known() {
    let Some(repo) = Repo::small() else { return };
    let first = repo.state().sha.expect("there is a commit");
    let unknown = "1".repeat(40);
    let asked = [first.as_str(), &first[..9], &unknown, "no hex"];
    assert_eq!(
        are_here(&repo.root, &asked).expect("it can be read"),
        [Some(true), Some(true), Some(false), None]
    );
    let none = tempfile::tempdir().expect("a folder");
    assert_eq!(are_here(none.path(), &asked).expect("nothing to read"), [None; 4]);
}
