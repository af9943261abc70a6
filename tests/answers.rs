//! `lineage diff`, `status` and `verify` on the sample filings, with the program itself: what was changed by hand is found,
//! and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A workspace outside of git with the sample filings.
struct Scene {
    folder: tempfile::TempDir,
}

/// The clock of the first command, in microseconds; each command begins a minute later.
const START_US: i64 = 1_765_561_338_000_000;

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let raw = folder.path().join("data/raw");
        fs::create_dir_all(&raw).unwrap();
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("data/raw")).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, raw.join(path.file_name().unwrap())).unwrap();
        }
        let scene = Scene { folder };
        scene.run(0, &["init", "."], 0);
        scene
    }

    /// Makes a scene with one finished pipeline run.
    fn with_run() -> Self {
        let scene = Scene::new();
        scene.run(1, &["pipeline", "--quiet", "--run-name", "one"], 0);
        // A command may leave what it recorded to the next reader to apply.
        scene.run(1, &["log"], 0);
        scene
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a command in the given minute; returns what it wrote to stdout.
    fn run(&self, minute: i64, arguments: &[&str], code: i32) -> String {
        let output = assert_cmd::Command::cargo_bin("lineage")
            .unwrap()
            .args(arguments)
            .current_dir(self.root())
            .env_clear()
            .env("HOME", "/nonexistent")
            .env("GIT_CEILING_DIRECTORIES", self.root().parent().unwrap())
            .env("LINEAGE_CLOCK_US", (START_US + minute * 60_000_000).to_string())
            .output()
            .unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{stdout}\n{stderr}");
        stdout
    }

    fn json(&self, arguments: &[&str], code: i32) -> Value {
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        let document: Value = serde_json::from_str(&self.run(9, &arguments, code)).unwrap();
        assert_eq!(document["format"], 1);
        document
    }

    /// Finds the one file below a folder whose path has all of `parts` in it.
    fn find(&self, folder: &str, parts: &[&str]) -> PathBuf {
        let found: Vec<PathBuf> = self
            .files(folder)
            .into_keys()
            .filter(|path| parts.iter().all(|part| path.to_string_lossy().contains(part)))
            .collect();
        assert_eq!(found.len(), 1, "{found:?}");
        found.into_iter().next().unwrap()
    }

    /// Reads every file below a folder, but not the note on who holds the lock.
    fn files(&self, folder: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut frontier = vec![self.root().join(folder)];
        while let Some(folder) = frontier.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    frontier.push(path);
                } else if path.file_name().unwrap() != "lock" {
                    files.insert(path.clone(), fs::read(&path).unwrap());
                }
            }
        }
        files
    }

    /// Verifies, and holds that to having changed nothing.
    fn verify(&self, code: i32) -> Value {
        let before = self.files(".");
        let found = self.json(&["verify"], code);
        assert_eq!(self.files("."), before, "verify changed something");
        found
    }

    fn inside(&self, path: &Path) -> String {
        path.strip_prefix(self.root()).unwrap().to_str().unwrap().to_owned()
    }
}

/// Returns the paths in a list of files.
fn paths(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect()
}

/// Returns `area subject: what` of findings.
fn findings(list: &Value) -> Vec<String> {
    let word = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    let list = list.as_array().unwrap().iter();
    list.map(|f| format!("{} {}: {}", word(f, "area"), word(f, "subject"), word(f, "what"))).collect()
}

fn flip(path: &Path, at: impl Fn(usize) -> usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = at(bytes.len());
    bytes[at] ^= 0x20;
    fs::write(path, bytes).unwrap();
}

#[test]
fn after_a_run_all_is_as_recorded_and_all_is_well() {
    let scene = Scene::with_run();
    assert_eq!(scene.run(2, &["status"], 0), "23 files compared, all as recorded\n");
    let found = scene.verify(0);
    assert_eq!(findings(&found["remarks"]), [""; 0]);
    assert_eq!(found["totals"]["contents_needed"], 19);
    assert!(scene.run(2, &["verify"], 0).ends_with("\nall is well\n"));
}

#[test]
fn a_run_does_not_differ_from_itself_nor_in_more_than_its_command_from_one_that_did_the_same() {
    let scene = Scene::with_run();
    let text = scene.run(2, &["diff", "@", "@"], 0);
    assert!(text.ends_with("\nno difference; equal are 4 inputs, 19 outputs and 10 metrics\n"), "{text}");
    scene.run(3, &["pipeline", "--quiet", "--run-name", "one", "--no-cache"], 0);
    let found = scene.json(&["diff"], 1);
    assert!(found["arguments"].is_array());
    for list in ["parameters", "metrics", "failures", "explanations"] {
        assert_eq!(found[list], Value::Array(Vec::new()), "{list}");
    }
    assert_eq!(found["outputs"]["same"], 16);
    assert_eq!(found["outputs"]["metrics_files"], 3);
}

#[test]
fn a_changed_parameter_explains_the_outputs_it_added_and_no_others() {
    let scene = Scene::with_run();
    scene.run(2, &["pipeline", "--quiet", "--run-name", "two", "--sections", "1A,7"], 0);
    let found = scene.json(&["diff", "@-", "@"], 1);
    assert_eq!(found["parameters"][0]["name"], "sections");
    assert_eq!(found["outputs"]["same"], 16);
    assert_eq!(found["outputs"]["differing_total"], 12);
    assert_eq!(found["explanations"].as_array().unwrap().len(), 1, "{:#}", found["explanations"]);
    let causes = &found["explanations"][0]["causes"];
    assert_eq!(causes[0]["parameter"]["name"], "sections");
    assert_eq!(causes.as_array().unwrap().len(), 1);
    let text = scene.run(3, &["diff", "--limit", "3"], 1);
    assert!(text.contains("and 9 more; `--limit 0` lists all"), "{text}");
}

#[test]
fn a_changed_filing_makes_its_outputs_stale_until_it_is_worked_on_again() {
    let scene = Scene::with_run();
    let filing = scene.root().join("data/raw/NORDWIND_10-K_2023.txt");
    let text = fs::read_to_string(&filing).unwrap();
    fs::write(&filing, text.replacen("weather", "tempest", 3)).unwrap();
    let found = scene.json(&["status"], 1);
    assert_eq!(paths(&found["changed"]), ["data/raw/NORDWIND_10-K_2023.txt"]);
    // Four outputs of the filing, and the three files of metrics that speak of them.
    assert_eq!(found["stale"].as_array().unwrap().len(), 7);
    for stale in found["stale"].as_array().unwrap() {
        assert_eq!(stale["causes"][0]["used"]["path"], "data/raw/NORDWIND_10-K_2023.txt");
    }
    scene.run(2, &["pipeline", "--quiet", "--run-name", "two"], 0);
    assert_eq!(
        scene.run(3, &["status"], 0),
        "42 files compared, all as recorded, 19 superseded by later runs\n"
    );
    let found = scene.json(&["diff"], 1);
    let explanations = found["explanations"].as_array().unwrap();
    assert_eq!(explanations.len(), 1);
    assert_eq!(explanations[0]["causes"][0]["kind"], "input");
}

#[test]
fn an_altered_output_is_changed_and_what_was_made_from_it_is_stale() {
    let scene = Scene::with_run();
    let parsed = scene.find("data/interim/parsed", &["HALCYON"]);
    flip(&parsed, |length| length / 2);
    let found = scene.json(&["status"], 1);
    assert_eq!(paths(&found["changed"]), [scene.inside(&parsed)]);
    let segmented = scene.inside(&scene.find("data/processed", &["HALCYON"]));
    let other = scene.inside(&scene.find("data/processed", &["NORDWIND"]));
    let stale = paths(&found["stale"]);
    assert!(stale.contains(&segmented.as_str()) && !stale.contains(&other.as_str()), "{stale:?}");
    // The store and what is kept are not harmed by it.
    let found = scene.verify(0);
    assert_eq!(
        findings(&found["remarks"]),
        [format!("files {}: has other bytes than were recorded", scene.inside(&parsed))]
    );
}

#[test]
fn a_deleted_output_is_pending_while_it_is_kept_and_lost_when_it_is_not() {
    let scene = Scene::with_run();
    let output = scene.find("data/processed", &["MERIDIAN"]);
    let bytes = fs::read(&output).unwrap();
    fs::remove_file(&output).unwrap();
    let found = scene.json(&["status"], 1);
    assert_eq!(paths(&found["pending"]), [scene.inside(&output)]);
    let text = scene.run(2, &["status"], 1);
    assert!(text.contains("` writes 1 file of them again"), "{text}");
    scene.verify(0);

    let digest = found["pending"][0]["digest"].as_str().unwrap().trim_start_matches("blake3:");
    let object = scene.root().join(".lineage/objects").join(&digest[..2]).join(&digest[2..]);
    fs::remove_file(&object).unwrap();
    let found = scene.json(&["status"], 1);
    assert_eq!(paths(&found["lost"]), [scene.inside(&output)]);
    let faults = findings(&scene.verify(1)["faults"]);
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].starts_with(&format!("contents blake3:{digest}: not kept")), "{faults:?}");
    assert!(faults[1].starts_with(&format!("files {}: lost", scene.inside(&output))), "{faults:?}");

    // Doing the work again brings back both.
    scene.run(3, &["pipeline", "--quiet", "--resume"], 0);
    assert_eq!(fs::read(&output).unwrap(), bytes);
    scene.run(4, &["status"], 0);
    scene.verify(0);
}

#[test]
fn a_damaged_content_is_found_and_never_written_out() {
    let scene = Scene::with_run();
    let output = scene.find("data/processed", &["MERIDIAN"]);
    let digest = blake3::hash(&fs::read(&output).unwrap()).to_hex().to_string();
    let object = scene.root().join(".lineage/objects").join(&digest[..2]).join(&digest[2..]);
    // It shares a file with the others of its filing, of which it is the last.
    flip(&object, |length| length - 1);
    let faults = findings(&scene.verify(1)["faults"]);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].starts_with(&format!("contents {}: damaged", scene.inside(&object))), "{faults:?}");
    // With the file gone, a damaged copy is as good as none.
    fs::remove_file(&output).unwrap();
    assert_eq!(paths(&scene.json(&["status"], 1)["lost"]), [scene.inside(&output)]);
}

#[test]
fn a_flipped_byte_of_the_journal_is_found_wherever_it_is() {
    for (eighth, with_store) in [(1, true), (4, true), (8, true), (4, false)] {
        let scene = Scene::with_run();
        let segment = scene.find(".lineage/journal", &[".seg"]);
        flip(&segment, |length| length * eighth / 8 - 5);
        if !with_store {
            fs::remove_file(scene.root().join(".lineage/store.redb")).unwrap();
        }
        let faults = findings(&scene.verify(1)["faults"]);
        // At the very end it looks like the torn tail of a crash; but the store knows that the record was whole.
        let area = if eighth == 8 { "store " } else { "journal " };
        assert!(faults.iter().any(|fault| fault.starts_with(area)), "{eighth}: {faults:?}");
        let knows_more = faults.iter().any(|fault| fault.contains("the journal has it no more"));
        assert_eq!(knows_more, with_store, "{faults:?}");
    }
}

#[test]
fn a_damaged_segment_header_and_a_shortened_segment_are_found() {
    let scene = Scene::with_run();
    let segment = scene.find(".lineage/journal", &[".seg"]);
    let bytes = fs::read(&segment).unwrap();
    flip(&segment, |_| 3);
    let faults = findings(&scene.verify(1)["faults"]);
    assert!(faults[0].contains("its header is damaged"), "{faults:?}");
    fs::write(&segment, &bytes[..bytes.len() / 2]).unwrap();
    let faults = findings(&scene.verify(1)["faults"]);
    assert!(faults[0].contains("when it was applied to the store"), "{faults:?}");
    fs::write(&segment, &bytes).unwrap();
    scene.verify(0);
}

#[test]
fn a_store_that_is_absent_is_no_fault_and_one_that_is_damaged_is_one() {
    let scene = Scene::with_run();
    let store = scene.root().join(".lineage/store.redb");
    let whole = fs::read(&store).unwrap();
    fs::remove_file(&store).unwrap();
    assert_eq!(scene.verify(0)["remarks"].as_array().unwrap().len(), 1);
    fs::write(&store, b"not a database").unwrap();
    assert!(findings(&scene.verify(1)["faults"])[0].starts_with("store .lineage/store.redb: "));
    let mut damaged = whole.clone();
    let length = damaged.len();
    damaged[length / 4..length * 3 / 4].fill(0xa5);
    fs::write(&store, &damaged).unwrap();
    let faults = findings(&scene.verify(1)["faults"]);
    assert!(faults.iter().all(|fault| fault.starts_with("store ")), "{faults:?}");
}

#[test]
fn a_run_that_was_cut_off_is_interrupted_until_it_is_taken_up_again() {
    let scene = Scene::with_run();
    let segment = scene.find(".lineage/journal", &[".seg"]);
    // As a kill leaves it: the last record, the end of the run, is not whole.
    let bytes = fs::read(&segment).unwrap();
    fs::write(&segment, &bytes[..bytes.len() - 3]).unwrap();
    fs::remove_file(scene.root().join(".lineage/store.redb")).unwrap();
    let remarks = findings(&scene.verify(0)["remarks"]);
    assert!(remarks.iter().any(|remark| remark.contains("as after a crash")), "{remarks:?}");
    let found = scene.json(&["status"], 1);
    assert_eq!(found["interrupted_runs"][0]["name"], "one");
    assert_eq!(found["totals"]["unapplied_segments"], 0);
    scene.run(3, &["pipeline", "--quiet", "--resume"], 0);
    scene.run(4, &["status"], 0);
    scene.verify(0);
}

#[test]
fn unknown_files_are_those_beside_outputs_and_a_path_bounds_the_question() {
    let scene = Scene::with_run();
    let output = scene.find("data/processed", &["MERIDIAN"]);
    fs::write(output.with_file_name("scratch.json"), "{}").unwrap();
    fs::write(output.with_file_name(".hidden"), "").unwrap();
    fs::write(scene.root().join("elsewhere.txt"), "").unwrap();
    let found = scene.json(&["status"], 1);
    let unknown: Vec<&str> =
        found["unknown"].as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
    assert_eq!(unknown, [scene.inside(&output.with_file_name("scratch.json"))]);
    scene.run(2, &["status", "data/raw", "data/interim"], 0);
    scene.run(2, &["status", output.to_str().unwrap()], 0);
    scene.run(2, &["status", "data/processed"], 1);
    scene.run(2, &["status", "."], 1);
    scene.run(2, &["status", "no/such/file"], 2);
}

#[test]
fn the_answers_do_not_depend_on_the_store_but_on_the_journal() {
    let scene = Scene::with_run();
    scene.run(2, &["pipeline", "--quiet", "--run-name", "two", "--sections", "7"], 0);
    fs::write(scene.root().join("data/raw/HALCYON_10-K_2021.htm"), "<html>gone").unwrap();
    let ask = || (scene.run(3, &["status"], 1), scene.run(3, &["diff"], 1));
    let before = ask();
    fs::remove_file(scene.root().join(".lineage/store.redb")).unwrap();
    assert_eq!(ask(), before);
}

#[test]
fn diff_takes_runs_by_every_name_and_refuses_files() {
    let scene = Scene::with_run();
    let run = scene.json(&["log"], 0)["runs"][0].clone();
    let folder = scene.find("data/processed", &["MERIDIAN"]).parent().unwrap().to_owned();
    for word in
        ["@", run["tail"].as_str().unwrap(), run["run_id"].as_str().unwrap(), folder.to_str().unwrap()]
    {
        scene.run(2, &["diff", word, "@"], 0);
    }
    scene.run(2, &["diff", "data/raw/NORDWIND_10-K_2023.txt", "@"], 2);
    scene.run(2, &["diff"], 2);
}
