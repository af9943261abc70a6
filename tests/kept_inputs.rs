//! What a command read and no commit has is kept, so that it can be had when it has changed.
#![cfg(target_os = "linux")]

mod common;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use common::Place;
use common::machine::{Lack, skipped};

/// A workspace without git in which `sh train.sh` has run; `None` where commands cannot be observed.
fn trained(script: &str) -> Option<Place> {
    let place = Place::without_git().with_real_clock();
    place.ok(&["init"]);
    place.write("train.sh", script.as_bytes());
    place.write("data.txt", b"one\n");
    place.ok(&["run", "--", "sh", "train.sh"]);
    if place.json(&["show", "@"])["run"]["observed_by"] != "net" {
        skipped(Lack::Net, "commands cannot be observed on this machine");
        return None;
    }
    Some(place)
}

fn key(place: &Place) -> String {
    place.runs()[0]["tail"].as_str().unwrap().to_owned()
}

/// Tells whether the bytes of a file are to be had.
fn is_kept(place: &Place, file: &str) -> bool {
    let at = format!("{file}@{}", key(place));
    std::fs::write(place.at(file), "something else that nobody recorded").unwrap();
    place.run(&["cat", &at]).code == 0
}

fn objects(place: &Place) -> Vec<std::path::PathBuf> {
    let files = place.all_files().into_keys();
    files.filter(|file| file.to_str().unwrap().contains(".lineage/objects/")).collect()
}

#[test]
fn code_that_is_not_in_git_is_had_back_when_it_was_edited() {
    let script = "cat data.txt > model.txt\n";
    let Some(place) = trained(script) else { return };
    let first = key(&place);
    place.write("train.sh", b"wc data.txt > model.txt\n");
    let shown = place.ok(&["show", "@"]).stdout;
    assert!(
        shown.contains("train.sh  changed since, kept") || shown.contains("changed since, kept"),
        "{shown}"
    );
    assert_eq!(place.json(&["show", "@"])["sources"][0]["kept"], true);
    let head = place.ok(&["show", &format!("train.sh@{first}")]).stdout;
    assert!(head.lines().nth(1).unwrap().ends_with("; kept"), "{head}");
    assert_eq!(place.ok(&["cat", &format!("train.sh@{first}")]).stdout, script);
    // The repetition has the code of then, and says so.
    let again = place.ok(&["rerun", &first]);
    assert!(again.stdout.contains("1 output, all with the same bytes"), "{again:?}");
    assert!(again.stderr.contains("changed or gone since: `train.sh`"), "{again:?}");
    place.ok(&["run", "--", "sh", "train.sh"]);
    assert_eq!(place.run(&["diff", &first, "@"]).code, 1);
    place.ok(&["restore", &format!("train.sh@{first}"), "--force"]);
    assert_eq!(place.read("train.sh"), script.as_bytes());
    // What was edited in between is kept as well, since the second run read it.
    assert!(place.ok(&["cat", "train.sh@@"]).stdout.starts_with("wc "));
    place.ok(&["verify"]);
}

#[test]
fn gc_lets_kept_inputs_be_and_a_merge_brings_them_along() {
    let Some(place) = trained("cat data.txt > model.txt\n") else { return };
    let run = key(&place);
    for file in ["train.sh", "data.txt"] {
        place.write(file, b"edited\n");
    }
    place.age_contents();
    place.ok(&["gc", "--apply", "--older-than", "0"]);
    let other = Place::without_git().with_real_clock();
    other.ok(&["init"]);
    other.ok(&["merge", "--with-contents", place.root().to_str().unwrap()]);
    for place in [&place, &other] {
        assert_eq!(place.ok(&["cat", &format!("data.txt@{run}")]).stdout, "one\n");
        assert_eq!(place.ok(&["cat", &format!("train.sh@{run}")]).stdout, "cat data.txt > model.txt\n");
    }
    // What the workspace is told not to keep any more may go.
    place.write(".lineage/config.toml", b"[keep]\nexclude = [\"train.sh\"]\n");
    let gone = place.json(&["gc", "--apply", "--older-than", "0"]);
    assert_eq!(gone["contents"].as_array().unwrap().len(), 1, "{gone}");
    assert_eq!(gone["contents"][0]["reason"], "an input that the policy no longer keeps");
    assert_eq!(place.run(&["cat", &format!("train.sh@{run}")]).code, 2);
    assert_eq!(place.ok(&["cat", &format!("data.txt@{run}")]).stdout, "one\n");
}

#[test]
fn limits_exceptions_and_credentials_decide_what_is_kept() {
    for (config, expected) in [
        ("", [true, true, false, false]),
        ("inputs_up_to = \"0\"", [false, false, false, false]),
        ("inputs_up_to = 100", [true, false, false, false]),
        ("include = [\".env\", \"big\"]", [true, true, true, true]),
        ("exclude = [\"data.txt\"]", [true, false, false, false]),
    ] {
        let place = Place::without_git().with_real_clock();
        place.ok(&["init"]);
        place.write(".lineage/config.toml", format!("[keep]\noutputs_up_to = 0\n{config}\n").as_bytes());
        place.write("train.sh", b"cat data.txt .env big | wc -c > model.txt\n");
        place.write("data.txt", &[b'd'; 101]);
        place.write(".env", b"KEY=1\n");
        place.write("big", &[b'b'; (256 << 10) + 1]);
        place.ok(&["run", "--", "sh", "train.sh"]);
        if place.json(&["show", "@"])["run"]["observed_by"] != "net" {
            return skipped(Lack::Net, "commands cannot be observed on this machine");
        }
        let kept = ["train.sh", "data.txt", ".env", "big"].map(|file| is_kept(&place, file));
        assert_eq!(kept, expected, "{config}");
    }
}

#[test]
fn what_is_not_to_be_recorded_is_not_kept_where_it_is_declared_either() {
    let Some(place) = trained("cat data.txt\n") else { return };
    place.write(".lineageignore", b"secret/\n");
    place.write("secret/k", b"the key\n");
    place.ok(&["run", "--input", "secret/k", "--", "true"]);
    assert!(place.ok(&["show", "@"]).stdout.contains("secret/k\n"));
    std::fs::remove_file(place.at("secret/k")).unwrap();
    assert_eq!(place.run(&["cat", "secret/k"]).code, 2);
    place.write("secret/k", b"another\n");
    let said = place.ok(&["run", "--input", "secret", "--", "true"]).stderr;
    assert!(
        said.contains("inputs that were declared with their folder, and that `.lineageignore` names"),
        "{said}"
    );
}

#[test]
fn credentials_are_not_kept_where_a_command_changes_or_removes_them_either() {
    let Some(place) =
        trained("cat .env id_rsa plain > /dev/null 2>&1; echo KEY=2 > .env; rm id_rsa plain; true\n")
    else {
        return;
    };
    for file in [".env", "id_rsa", "plain"] {
        place.write(file, format!("hunter2 in {file}\n").as_bytes());
    }
    place.ok(&["run", "--", "sh", "train.sh"]);
    let kept = [".env", "id_rsa", "plain"].map(|file| is_kept(&place, file));
    assert_eq!(kept, [false, false, true]);
}

#[test]
fn what_a_commit_has_is_not_kept_and_what_differs_from_it_is() {
    let place = Place::empty();
    place.write("train.sh", b"cat lib.sh conf.yaml data.bin > model.txt\n");
    place.write("lib.sh", b"# committed\n");
    place.write("data.bin", b"data\n");
    place.write(".gitignore", b"/model.txt\n");
    let Some(place) = place.with_commit() else { return };
    let place = place.with_real_clock();
    place.write("lib.sh", b"# edited\n");
    place.write("conf.yaml", b"lr: 1\n");
    place.write(".lineage/config.toml", b"[keep]\noutputs_up_to = 0\n");
    place.ok(&["run", "--", "sh", "train.sh"]);
    if place.json(&["show", "@"])["run"]["observed_by"] != "net" {
        return skipped(Lack::Net, "commands cannot be observed on this machine");
    }
    let shown = place.json(&["show", "@"]);
    let kept = |file: &str| {
        let sources = shown["sources"].as_array().unwrap();
        sources.iter().find(|source| source["path"] == file).unwrap()["kept"] == true
    };
    assert_eq!(["train.sh", "lib.sh", "conf.yaml", "data.bin"].map(kept), [false, true, true, false]);
    place.git(&["checkout", "-q", "lib.sh"]);
    assert_eq!(place.ok(&["cat", &format!("lib.sh@{}", key(&place))]).stdout, "# edited\n");
}

/// Runs a script whose shell waits until somebody outside has replaced what it has read, as an editor does, after so long; tells
/// whether the run was observed, and whether the bytes are to be had that it read.
fn replaced_after(pause: Duration) -> (bool, bool) {
    let script = "cat data.txt > model.txt; touch ready; while [ ! -e go ]; do sleep 0.05; done\n";
    let place = Place::without_git().with_real_clock();
    place.ok(&["init"]);
    place.write("train.sh", script.as_bytes());
    place.write("data.txt", b"as read\n");
    let mut running = place.command(&["run", "-q", "--", "sh", "train.sh"]).spawn().unwrap();
    while !place.at("ready").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(pause);
    for file in ["train.sh", "data.txt"] {
        place.write("new", b"replaced\n");
        std::fs::rename(place.at("new"), place.at(file)).unwrap();
    }
    place.write("go", b"");
    assert!(running.wait().unwrap().success());
    let is_observed = place.json(&["show", "@"])["run"]["observed_by"] == "net";
    let [data, code] = ["data.txt", "train.sh"].map(|file| place.run(&["cat", &format!("{file}@@")]));
    // What is had is what was read, whenever it was replaced.
    assert!(data.code != 0 || data.stdout == "as read\n", "{data:?}");
    assert!(code.code != 0 || code.stdout == script, "{code:?}");
    (is_observed, data.code == 0 && code.code == 0)
}

#[test]
fn what_is_replaced_from_outside_while_the_command_runs_is_kept_as_it_was_read() {
    // How soon the bytes are in hand, a busy machine decides.
    for milliseconds in [0, 500, 2_000, 8_000, 30_000] {
        match replaced_after(Duration::from_millis(milliseconds)) {
            (false, _) => return skipped(Lack::Net, "commands cannot be observed on this machine"),
            (true, true) => return,
            (true, false) => {}
        }
    }
    panic!("it was not kept");
}

#[test]
fn a_kept_input_is_read_by_whoever_could_read_the_file() {
    let place = Place::without_git().with_real_clock();
    place.ok(&["init"]);
    place.write("train.sh", b"cat private public closed/in > model.txt\n");
    for file in ["private", "public", "closed/in"] {
        place.write(file, file.as_bytes());
    }
    let set_mode = |path: &str, mode| {
        std::fs::set_permissions(place.at(path), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set_mode("private", 0o600);
    set_mode("closed", 0o700);
    set_mode("train.sh", 0o755);
    place.write(".lineage/config.toml", b"[keep]\noutputs_up_to = 0\n");
    place.ok(&["run", "--", "sh", "train.sh"]);
    if place.json(&["show", "@"])["run"]["observed_by"] != "net" {
        return skipped(Lack::Net, "commands cannot be observed on this machine");
    }
    let digest =
        |file: &str| place.json(&["show", file])["artifact"]["digest"].as_str().unwrap()[7..].to_owned();
    let mode = |file: &str| {
        let hex = digest(file);
        let kept = place.at(&format!(".lineage/objects/{}/{}", &hex[..2], &hex[2..]));
        kept.metadata().unwrap().mode() & 0o777
    };
    let public = mode("public");
    assert_eq!((mode("private"), mode("closed/in")), (public & !0o044, public & !0o044));
    assert_eq!(mode("train.sh"), public | (public & 0o444) >> 2);
}

#[test]
fn many_small_inputs_share_files_and_are_kept_once() {
    let place = Place::without_git().with_real_clock();
    place.ok(&["init"]);
    for number in 0..300 {
        place.write(&format!("in/{number:03}"), format!("input {number}\n").repeat(50).as_bytes());
    }
    place.write("train.sh", b"cat in/* | wc -c > model.txt\n");
    let run = || place.ok(&["run", "--", "sh", "train.sh"]);
    run();
    if place.json(&["show", "@"])["run"]["observed_by"] != "net" {
        return skipped(Lack::Net, "commands cannot be observed on this machine");
    }
    let inodes = |files: &[std::path::PathBuf]| {
        let all = files.iter().map(|file| Path::new(file).metadata().unwrap().ino());
        all.collect::<std::collections::BTreeSet<u64>>().len()
    };
    let first = objects(&place);
    assert!(first.len() > 300, "{}", first.len());
    assert!(inodes(&first) < 20, "{} files hold them", inodes(&first));
    run();
    assert_eq!(objects(&place), first, "nothing new was read");
    std::fs::remove_dir_all(place.at("in")).unwrap();
    for number in [0, 150, 299] {
        place.ok(&["restore", &format!("in/{number:03}")]);
        assert_eq!(place.read(&format!("in/{number:03}")), format!("input {number}\n").repeat(50).as_bytes());
    }
    place.ok(&["verify"]);
}

#[test]
fn a_patch_holds_nothing_that_is_not_to_be_kept() {
    let Some(place) = Place::empty().with_real_clock().with_commit() else { return };
    let files = [".env", "excluded.csv", "ignored.csv", "plain"];
    for file in files {
        place.write(file, b"before\n");
    }
    place.commit_all("files");
    place.ok(&["init"]);
    place.write(".lineageignore", b"ignored.csv\n");
    place.write(".lineage/config.toml", b"[keep]\nexclude = [\"excluded.csv\"]\n");
    for file in files {
        place.write(file, b"after\n");
    }
    place.ok(&["run", "--", "sh", "-c", "cat plain > o"]);
    if !place.was_observed() {
        return;
    }
    let changed = place.json(&["show", "@"])["run"]["code"]["changed"].as_array().unwrap().len();
    assert_eq!(changed, files.len(), "that they differ is told");
    let told = place.ok(&["rerun", "@"]).stderr;
    for file in files {
        let is_left_out = told.contains(&format!("not in the recorded patch: {file}: its name says"));
        assert_eq!(is_left_out, file != "plain", "{file}: {told}");
    }
}
