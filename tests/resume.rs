//! Taking a run up again: whatever happened to it, it goes on in its own folder under its own run id, and ends as if nothing
//! had happened.

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{CLOCK_US, Place, RUN_ID, only, paths, real_filings, samples};
use lineage::model::{Digest, RunKind, Timestamp};
use lineage::rooms::{Clock, Disk, Recording, RunRequest, Workspace};
use serde_json::Value;

/// Asserts that there is one run, `ok`, and one folder of each sort.
fn check_one_run(place: &Place) {
    check_one_run_called(place, RUN_ID);
}

fn check_one_run_called(place: &Place, run_id: &str) {
    let runs = place.runs();
    assert_eq!(runs.len(), 1, "{runs:#?}");
    assert_eq!(runs[0]["run_id"], run_id);
    assert_eq!(runs[0]["status"], "ok", "{runs:#?}");
    for folder in ["data/interim/parsed", "data/interim/extracted", "data/processed"] {
        let entries = std::fs::read_dir(place.at(folder)).unwrap();
        assert_eq!(entries.count(), 1, "{folder}");
    }
}

/// Counts of a stage in a summary, those that are not 0, such as `computed 1, kept 3`.
fn counts(summary: &Value, stage: &str) -> String {
    let counts = summary["stages"][stage].as_object().unwrap();
    let counts = counts.iter().filter(|(_, count)| **count != 0);
    let counts: Vec<String> = counts.map(|(word, count)| format!("{word} {count}")).collect();
    counts.join(", ")
}

#[test]
fn a_filing_that_failed_is_tried_again() {
    let Some(place) = Place::new() else { return };
    let (_, whole) = samples().remove(0);
    place.write("data/raw/LATE_10-K_2024.htm", b"");
    assert_eq!(place.run(&["pipeline"]).code, 1);
    let still = place.run(&["pipeline", "--resume"]);
    assert_eq!(still.code, 1);
    place.write("data/raw/LATE_10-K_2024.htm", &[&whole[..], b"<!-- whole -->"].concat());
    let summary = place.json(&["pipeline", "--resume"]);
    assert_eq!(counts(&summary, "parse"), "computed 1, kept 4");
    assert_eq!(summary["metrics"]["filings"], 5.0);
    assert_eq!(summary["metrics"]["filings_failed"], 0.0);
    check_one_run(&place);
}

#[test]
fn a_run_whose_broken_filing_was_taken_away_ends_well() {
    let Some(place) = Place::new() else { return };
    place.write("data/raw/LATE_10-K_2024.htm", b"");
    assert_eq!(place.run(&["pipeline"]).code, 1);
    std::fs::remove_file(place.at("data/raw/LATE_10-K_2024.htm")).unwrap();
    let summary = place.json(&["pipeline", "--resume"]);
    assert_eq!(summary["metrics"]["filings"], 4.0);
    assert_eq!(summary["metrics"]["filings_failed"], 0.0);
    check_one_run(&place);
}

#[test]
fn a_filing_that_is_no_longer_among_the_inputs_is_named() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline"]);
    let (name, bytes) = samples().into_iter().find(|(name, _)| name.starts_with("HALCYON")).unwrap();
    let filing = place.at(&format!("data/raw/{name}"));
    std::fs::remove_file(&filing).unwrap();
    let summary = place.json(&["pipeline", "--resume"]);
    assert_eq!(summary["absent"], serde_json::json!(["HALCYON_10-K_2021"]));
    assert_eq!(summary["metrics"]["filings"], 4.0);
    let text = place.ok(&["pipeline", "--resume"]).stdout;
    let told = "1 filing this run took up before, and not among its inputs now: HALCYON_10-K_2021; what was made of it stands";
    assert!(text.contains(told), "{text}");
    // Those beyond a limit are told as such.
    assert_eq!(place.json(&["pipeline", "--resume", "--limit", "2"])["absent"], serde_json::json!([]));
    std::fs::write(&filing, bytes).unwrap();
    assert_eq!(place.json(&["pipeline", "--resume"])["absent"], serde_json::json!([]));
}

#[test]
fn deleted_outputs_are_written_again() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline"]);
    let before = place.outputs();
    let names = place.output_names();
    for parts in
        [["HALCYON", "_parsed.json"], ["MERIDIAN", "_cleaned_risks.json"], ["data/processed", "metrics.json"]]
    {
        std::fs::remove_file(place.at(only(&names, &parts))).unwrap();
    }
    let summary = place.json(&["pipeline", "--resume"]);
    assert_eq!(counts(&summary, "parse"), "kept 3, restored 1");
    assert_eq!(counts(&summary, "clean"), "kept 3, restored 1");
    assert_eq!(summary["altered"], Value::Array(Vec::new()));
    assert_eq!(place.outputs(), before);
    std::fs::remove_dir_all(place.at("data/interim")).unwrap();
    std::fs::remove_dir_all(place.at("data/processed")).unwrap();
    place.ok(&["pipeline", "--resume"]);
    assert_eq!(place.outputs(), before);
    check_one_run(&place);
}

#[test]
fn altered_outputs_are_written_again_and_what_they_held_is_kept() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline"]);
    let before = place.outputs();
    let names = place.output_names();
    let altered = [
        only(&names, &["HALCYON", "_segmented_risks.json"]),
        only(&names, &["data/processed", "metrics.json"]),
    ];
    for name in altered {
        place.write(name, format!("my edit of {name}").as_bytes());
    }
    let summary = place.json(&["pipeline", "--resume"]);
    assert_eq!(place.outputs(), before);
    let reported: BTreeMap<&str, &str> = summary["altered"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| (file["path"].as_str().unwrap(), file["kept_as"].as_str().unwrap()))
        .collect();
    assert_eq!(reported.len(), 2);
    let workspace = Workspace::at(place.root(), Disk::new());
    for name in altered {
        let digest: Digest = reported[name].parse().unwrap();
        let kept = workspace.contents().read(&digest).unwrap().unwrap();
        assert_eq!(kept, format!("my edit of {name}").into_bytes());
    }
    check_one_run(&place);
}

#[test]
fn what_cannot_be_kept_in_the_place_of_an_output_is_not_written_over() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline"]);
    let names = place.output_names();
    let name = only(&names, &["HALCYON", "_segmented_risks.json"]);
    std::fs::remove_file(place.at(name)).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(place.at(name)).status().unwrap().success());
    let answer = place.run(&["pipeline", "--resume"]);
    assert_ne!(answer.code, 0);
    assert!(answer.stderr.contains(name) || answer.stdout.contains(name), "{answer:?}");
    let there = std::fs::symlink_metadata(place.at(name)).unwrap();
    assert!(std::os::unix::fs::FileTypeExt::is_fifo(&there.file_type()));
}

#[test]
fn a_filing_that_changed_is_done_again_in_its_place() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline"]);
    let names = place.output_names();
    let file = "data/raw/HALCYON_10-K_2021.htm";
    let changed = String::from_utf8_lossy(&place.read(file)).replace("competition", "rivalry");
    place.write(file, changed.as_bytes());
    let summary = place.json(&["pipeline", "--resume"]);
    assert_eq!(counts(&summary, "parse"), "computed 1, kept 3");
    assert_eq!(summary["altered"], Value::Array(Vec::new()), "nobody altered an output");
    assert_eq!(summary["metrics"]["filings"], 4.0);
    assert_eq!(place.output_names(), names);
    check_one_run(&place);
    let again = place.json(&["pipeline", "--resume"]);
    assert_eq!(again["nothing_to_do"], true);
}

#[test]
fn what_a_changed_filing_leaves_as_it_was_is_up_to_date() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline"]);
    let (name, bytes) = samples().into_iter().find(|(name, _)| name.starts_with("HALCYON")).unwrap();
    let end = bytes.windows(7).rposition(|tag| tag == b"</BODY>").unwrap();
    let bytes = [&bytes[..end], b"<P>Printed on recycled paper.</P>", &bytes[end..]].concat();
    place.write(&format!("data/raw/{name}"), &bytes);
    assert_eq!(place.run(&["status"]).code, 1);
    let summary = place.json(&["pipeline", "--resume"]);
    assert_eq!(counts(&summary, "parse"), "computed 1, kept 3");
    assert_eq!(counts(&summary, "clean"), "kept 4", "this filing's section was to come out as it was");
    place.ok(&["status"]);
}

#[test]
fn a_filing_that_changed_and_now_fails_counts_no_more() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline"]);
    place.write("data/raw/HALCYON_10-K_2021.htm", b"");
    let summary = place.json(&["pipeline", "--resume"]);
    assert_eq!(summary["filings"], 4);
    assert_eq!(summary["metrics"]["filings"], 4.0);
    assert_eq!(summary["metrics"]["filings_failed"], 1.0);
    assert_eq!(summary["metrics"]["sections_found"], 2.0);
}

#[test]
fn another_section_is_added_to_the_run() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline"]);
    let first = place.output_names();
    let summary = place.json(&["pipeline", "--resume", "--sections", "7"]);
    assert_eq!(counts(&summary, "parse"), "kept 4");
    assert_eq!(counts(&summary, "segment"), "computed 4, kept 4");
    let names = place.output_names();
    assert_eq!(names.len(), first.len() + 3 * 4);
    only(&names, &["NORDWIND", "_cleaned_part2item7.json"]);
    check_one_run(&place);
    // The section belongs to the run from now on.
    std::fs::remove_file(place.at(only(&names, &["NORDWIND", "_cleaned_part2item7.json"]))).unwrap();
    place.ok(&["pipeline", "--resume"]);
    assert_eq!(place.output_names(), names);
}

#[test]
fn a_run_that_only_parsed_goes_on_to_the_last_stage_when_told_so() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline", "--stages", "parse", "--run-name", "steps"]);
    let summary = place.json(&["pipeline", "--resume"]);
    assert_eq!(summary["nothing_to_do"], true, "a run does no more than it was started for");
    let summary = place.json(&["pipeline", "--resume", "--stages", "parse,extract,clean,segment"]);
    assert_eq!(counts(&summary, "parse"), "kept 4");
    assert_eq!(counts(&summary, "segment"), "computed 4");
    check_one_run(&place);
    let whole = Place::new().unwrap();
    whole.ok(&["pipeline", "--run-name", "steps"]);
    assert_eq!(place.outputs(), whole.outputs());
}

#[test]
fn inputs_stages_sections_and_limit_are_those_the_run_was_started_with() {
    let Some(place) = Place::new() else { return };
    let raw = place.at("data/raw");
    let mut command = place.command(&["pipeline", "*.htm", "../raw/NORDWIND_10-K_2023.txt"]);
    command.args(["--sections", "1A,2", "--stages", "clean", "--limit", "2"]);
    assert!(command.current_dir(&raw).output().unwrap().status.success());
    let before = place.outputs();
    assert_eq!(before.len(), 2 + 2 * 4 + 2);
    std::fs::remove_dir_all(place.at("data/interim")).unwrap();
    let summary = place.json(&["pipeline", "--resume"]);
    assert_eq!(summary["beyond_limit"], 1);
    assert_eq!(place.outputs(), before);
    let summary = place.json(&["pipeline", "--resume", "--limit", "0"]);
    assert_eq!(summary["filings"], 3);
}

#[test]
fn no_work_to_do_writes_nothing() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline"]);
    let before = place.all_files();
    let answer = place.ok(&["pipeline", "--resume"]);
    let first = answer.stdout.lines().next().unwrap();
    let expected =
        format!("{RUN_ID}  pipeline  {}  4 filings: nothing to do, all is as it was recorded", place.head());
    assert_eq!(first, expected);
    assert_eq!(place.all_files(), before);
    check_one_run(&place);
}

#[test]
fn nothing_to_resume_starts_a_new_run_and_says_so() {
    let Some(place) = Place::new() else { return };
    let answer = place.ok(&["pipeline", "--resume"]);
    assert_eq!(answer.stderr.lines().last(), Some("warning: no pipeline run to resume: this is a new one"));
    check_one_run(&place);
    let answer = place.ok(&["pipeline", "--resume", "--run-name", "other"]);
    assert_eq!(answer.stderr, "warning: no pipeline run called `other` to resume: this is a new one\n");
    assert_eq!(place.runs().len(), 2);
    let (code, stderr) = place.refused(&["pipeline", "--resume", "19991231_235959"]);
    assert_eq!(
        (code, stderr.as_str()),
        (2, "error: no run has the run id `19991231_235959`\nhint: `lineage log` lists the runs\n")
    );
}

#[test]
fn a_run_keeps_its_name() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline", "--run-name", "one"]);
    let (code, stderr) = place.refused(&["pipeline", "--resume", "@", "--run-name", "two"]);
    assert_eq!(code, 2);
    assert_eq!(
        stderr,
        format!(
            "error: run {RUN_ID} is called `one`, not `two`: a run keeps its name\n\
             hint: leave out `--run-name`, or leave out `--resume` to start a new run\n"
        )
    );
}

#[test]
fn one_file_is_one_filing_however_it_is_named() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline", "data/raw/HALCYON_10-K_2021.htm"]);
    let absolute = place.at("data/raw/HALCYON_10-K_2021.htm");
    for name in [
        "./data/raw/HALCYON_10-K_2021.htm",
        "data/../data/raw/HALCYON_10-K_2021.htm",
        "data/raw/HALCYON*",
        absolute.to_str().unwrap(),
    ] {
        let summary = place.json(&["pipeline", name, "--resume"]);
        assert_eq!(summary["nothing_to_do"], true, "{name}");
    }
    let mut command = place.command(&["pipeline", "--resume", "@", "./HALCYON_10-K_2021.htm", "--json"]);
    let output = command.current_dir(place.at("data/raw")).output().unwrap();
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["nothing_to_do"], true);
    check_one_run(&place);
}

#[test]
fn a_renamed_filing_with_the_same_bytes_is_not_done_twice() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline"]);
    let before = place.outputs();
    let raw = place.at("data/raw");
    std::fs::rename(raw.join("HALCYON_10-K_2021.htm"), raw.join("RENAMED.htm")).unwrap();
    // It is read under the name that it has now, and all else stands.
    let summary = place.json(&["pipeline", "--resume"]);
    assert_eq!(counts(&summary, "parse"), "cached 1, kept 3");
    assert_eq!(counts(&summary, "segment"), "kept 4");
    let (code, report) = place.status();
    assert_eq!((code, paths(&report["renamed"])), (0, vec!["data/raw/HALCYON_10-K_2021.htm"]), "{report:#}");
    let summary = place.json(&["pipeline", "--resume"]);
    assert_eq!(summary["nothing_to_do"], true);
    std::fs::copy(raw.join("RENAMED.htm"), raw.join("COPY.htm")).unwrap();
    let summary = place.json(&["pipeline", "--resume"]);
    assert_eq!(summary["nothing_to_do"], true);
    assert_eq!(summary["duplicates"][0]["path"], "data/raw/COPY.htm");
    assert_eq!(place.outputs(), before);
    check_one_run(&place);
}

#[test]
fn a_filing_that_was_renamed_or_taken_away_is_missed_until_a_new_run_works_on_what_there_is() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline"]);
    let raw = place.at("data/raw");
    std::fs::rename(raw.join("HALCYON_10-K_2021.htm"), raw.join("RENAMED.htm")).unwrap();
    std::fs::remove_file(raw.join("NORDWIND_10-K_2023.txt")).unwrap();
    let (code, report) = place.status();
    assert_eq!((code, paths(&report["new"])), (1, vec!["data/raw/RENAMED.htm"]), "{report:#}");
    assert_eq!((paths(&report["stale"]).is_empty(), report["totals"]["redo"].as_u64()), (false, Some(1)));
    place.ok(&["pipeline", "--run-name", "two"]);
    let (code, report) = place.status();
    assert_eq!((code, &report["redo"]), (0, &serde_json::json!([])), "{report:#}");
}

#[test]
fn a_filing_that_came_since_is_new_until_it_is_worked_on() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline"]);
    let (_, bytes) = samples().into_iter().find(|(name, _)| name.starts_with("NORDWIND")).unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap().replacen("weather", "tempest", 3);
    place.write("data/raw/LATER_10-K_2024.txt", text.as_bytes());
    // Neither is what is no filing, nor the same filing once more.
    place.write("data/raw/notes.tsv", b"a\tb");
    place.write("data/raw/SAME.txt", &bytes);
    let (code, report) = place.status();
    assert_eq!((code, paths(&report["new"])), (1, vec!["data/raw/LATER_10-K_2024.txt"]), "{report:#}");
    let tail = report["new"][0]["run_tail"].as_str().unwrap();
    let redo = &report["redo"][0];
    assert_eq!(redo["command"], format!("lineage pipeline --resume {tail}"));
    assert_eq!((&redo["new"], &redo["stale"]), (&serde_json::json!(1), &serde_json::json!(0)));
    let told = format!("data/raw/LATER_10-K_2024.txt  not taken up by run {tail}  pipeline");
    assert!(place.run(&["status"]).stdout.contains(&told));
    place.ok(&["pipeline", "--resume"]);
    assert_eq!(place.status().0, 0);
    // Who asked for some of them only has left out the others on purpose.
    place.ok(&["pipeline", "--limit", "2", "--run-name", "two"]);
    assert_eq!(place.status().0, 0);
}

#[test]
fn nothing_about_a_run_lies_in_a_file_that_can_be_lost_apart_from_the_journal() {
    let Some(place) = Place::new() else { return };
    place.write("data/raw/LATE_10-K_2024.htm", b"");
    assert_eq!(place.run(&["pipeline"]).code, 1);
    let (_, whole) = samples().remove(0);
    place.write("data/raw/LATE_10-K_2024.htm", &[&whole[..], b"<!-- whole -->"].concat());
    std::fs::remove_file(place.at(".lineage/store.redb")).unwrap();
    std::fs::remove_file(place.at(".lineage/lock")).unwrap();
    let summary = place.json(&["pipeline", "--resume"]);
    assert_eq!(counts(&summary, "parse"), "computed 1, kept 4");
    check_one_run(&place);
    std::fs::remove_file(place.at(".lineage/store.redb")).unwrap();
    let summary = place.json(&["pipeline", "--resume"]);
    assert_eq!(summary["nothing_to_do"], true);
}

#[test]
fn a_step_whose_output_and_kept_copy_are_both_gone_is_done_again() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline"]);
    let before = place.outputs();
    std::fs::remove_dir_all(place.at(".lineage/objects")).unwrap();
    std::fs::remove_dir_all(place.at("data/processed")).unwrap();
    let summary = place.json(&["pipeline", "--resume"]);
    assert_eq!(counts(&summary, "clean"), "kept 4");
    assert_eq!(counts(&summary, "segment"), "computed 4");
    assert_eq!(place.outputs(), before);
}

#[test]
fn a_run_that_stopped_early_is_finished() {
    let Some(place) = Place::new() else { return };
    for (name, bytes) in [("A", "<html>"), ("B", "<html>\n"), ("C", "<html>\n\n")] {
        place.write(&format!("data/raw/{name}.txt"), bytes.as_bytes());
    }
    let answer = place.run(&["pipeline", "--max-failures", "1", "--workers", "1"]);
    assert_eq!(answer.code, 1);
    for (name, (_, bytes)) in ["A", "B", "C"].into_iter().zip(samples()) {
        place.write(
            &format!("data/raw/{name}.txt"),
            &[&bytes[..], format!("<!-- {name} -->").as_bytes()].concat(),
        );
    }
    let summary = place.json(&["pipeline", "--resume"]);
    assert_eq!(summary["filings"], 7);
    check_one_run(&place);
}

/// Starts a run in this very process, as if another one were at it.
fn living_run(place: &Place, kind: RunKind) -> Recording {
    let workspace = Workspace::init(place.root()).unwrap();
    let clock = Clock::new(|| Timestamp::from_micros(CLOCK_US));
    let request = RunRequest::new("pipeline", kind);
    Recording::start(&workspace, &clock, request).unwrap()
}

#[test]
fn a_run_whose_process_lives_is_not_taken_up() {
    let place = Place::without_git();
    let living = living_run(&place, RunKind::Pipeline);
    let (code, stderr) = place.refused(&["pipeline", "--resume"]);
    assert_eq!(code, 2);
    assert_eq!(
        stderr,
        format!(
            "error: run {RUN_ID} is still going on\n\
             hint: wait until it has ended, or start a run of its own without `--resume`; nothing was changed\n"
        )
    );
    assert_eq!(place.output_names(), Vec::<String>::new());
    // Its process dies without a word.
    drop(living);
    place.ok(&["pipeline", "--resume"]);
    check_one_run(&place);
}

#[test]
fn only_a_pipeline_run_is_taken_up() {
    let place = Place::without_git();
    drop(living_run(&place, RunKind::Command));
    let (code, stderr) = place.refused(&["pipeline", "--resume", "@"]);
    assert_eq!(code, 2);
    assert_eq!(
        stderr,
        format!(
            "error: run {RUN_ID} is no pipeline run\nhint: `lineage log` lists the runs and what they are\n"
        )
    );
}

#[test]
fn of_several_that_take_a_run_up_at_once_one_does_and_none_harms_it() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline"]);
    let before = place.outputs();
    std::fs::remove_dir_all(place.at("data/interim")).unwrap();
    let children: Vec<_> = (0..4)
        .map(|_| {
            let mut command = place.command(&["pipeline", "--resume"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    let mut done = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => done += 1,
            Some(2) => assert!(
                stderr.contains("is still going on")
                    || stderr.contains("was taken up by another process just now"),
                "{stderr}"
            ),
            code => panic!("{code:?}: {stderr}"),
        }
    }
    assert!(done >= 1);
    assert_eq!(place.outputs(), before);
    check_one_run(&place);
}

#[test]
fn a_temporary_file_that_a_kill_left_is_removed() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline"]);
    let names = place.output_names();
    let file = only(&names, &["data/processed", "metrics.json"]);
    let folder = Path::new(file).parent().unwrap().to_str().unwrap();
    place.write(&format!("{folder}/.lineage-tmp-1-0-00000000"), b"half");
    place.write(&format!("{folder}/mine.txt"), b"mine");
    std::fs::remove_file(place.at(file)).unwrap();
    place.ok(&["pipeline", "--resume"]);
    let left: Vec<String> = place.output_names();
    assert_eq!(left.len(), names.len() + 1);
    only(&left, &["mine.txt"]);
}

/// Filings for the runs that are killed: some real ones of moderate size where they are to be had, else variants of the
/// samples.
fn many_filings() -> Vec<(String, Vec<u8>)> {
    const REAL_MAX_BYTES: u64 = 1_500_000;
    const REAL_MAX: usize = 12;
    if let Some(folder) = real_filings() {
        let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let filings = paths.filter(|path| {
            let ending = path.extension().and_then(|ending| ending.to_str());
            matches!(ending, Some("txt" | "htm")) && path.metadata().unwrap().len() <= REAL_MAX_BYTES
        });
        let mut filings: Vec<(String, Vec<u8>)> = filings
            .map(|path| {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                (name, std::fs::read(path).unwrap())
            })
            .collect();
        filings.sort();
        filings.truncate(REAL_MAX);
        return filings;
    }
    let variants = (0..3).flat_map(|number| {
        samples().into_iter().map(move |(name, bytes)| {
            let edited = [&bytes[..], format!("<!-- {number} -->\n").as_bytes()].concat();
            (format!("V{number}_{name}"), edited)
        })
    });
    variants.collect()
}

fn place_with(filings: &[(String, Vec<u8>)]) -> Option<Place> {
    let place = Place::empty_in_memory();
    for (name, bytes) in filings {
        place.write(&format!("data/raw/{name}"), bytes);
    }
    place.with_commit()
}

/// Starts the program and kills it with SIGKILL after `delay`; returns how long it took where it was through by then.
fn kill_after(place: &Place, arguments: &[&str], delay: Duration) -> Option<Duration> {
    let mut command = place.command(arguments);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    // The delay is what is tested; nothing is waited for.
    while let Some(left) = delay.checked_sub(started.elapsed()) {
        if child.try_wait().unwrap().is_some() {
            return Some(started.elapsed());
        }
        std::thread::sleep(left.min(Duration::from_millis(1)));
    }
    child.kill().unwrap();
    child.wait().unwrap().success().then(|| started.elapsed())
}

/// The run id of the latest run.
fn run_id_of(place: &Place) -> String {
    place.runs()[0]["run_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_run_killed_at_any_moment_ends_as_one_that_was_never_killed() {
    const KILLS: u32 = 20;
    let filings = many_filings();
    let Some(whole) = place_with(&filings) else { return };
    let started = Instant::now();
    whole.ok(&["pipeline", "--run-name", "all"]);
    let mut took = started.elapsed();
    let expected = whole.outputs();
    let expected_label = run_id_of(&whole);
    assert_eq!(expected.len(), filings.len() * 4 + 3);
    let with_papers: Vec<String> = whole.projected().into_keys().collect();
    let place = place_with(&filings).unwrap();
    let mut hits = 0;
    for number in 0..KILLS {
        // Spread evenly, from the very start of the process to about its end, by a step that divides nothing evenly.
        let delay = took * (number * 7 % KILLS * 2 + 1) / (2 * KILLS);
        for folder in [".lineage", "data/interim", "data/processed"] {
            let _ = std::fs::remove_dir_all(place.at(folder));
        }
        let mut arguments = vec!["pipeline", "--run-name", "all"];
        // Every third run is killed a second time, while it is taken up again.
        for time in 0..=u32::from(number % 3 == 0) {
            match kill_after(&place, &arguments, delay) {
                None => hits += 1,
                // The first run of all read its files from the disk; of a shorter one, the next kills are spread over that.
                Some(through) if time == 0 => took = took.min(through),
                Some(_) => {}
            }
            arguments = vec!["pipeline", "--resume", "--run-name", "all"];
        }
        place.ok(&arguments);
        // The run id of one that was killed before it was recorded is not given again.
        let label = run_id_of(&place);
        let as_expected = |text: &str| text.replace(&label, &expected_label);
        let found: BTreeMap<String, Vec<u8>> = place
            .outputs()
            .into_iter()
            .map(|(name, bytes)| {
                let text = String::from_utf8(bytes).unwrap();
                (as_expected(&name), as_expected(&text).into_bytes())
            })
            .collect();
        let names = |files: &BTreeMap<String, Vec<u8>>| -> Vec<String> { files.keys().cloned().collect() };
        assert_eq!(names(&found), names(&expected), "killed after {delay:?}");
        for (name, bytes) in &found {
            assert!(*bytes == expected[name], "{name}, killed after {delay:?}");
        }
        let found: Vec<String> = place.projected().into_keys().map(|name| as_expected(&name)).collect();
        assert_eq!(found, with_papers, "killed after {delay:?}");
        check_one_run_called(&place, &label);
    }
    assert!(hits >= KILLS / 2, "{hits} of the kills hit a run at work");
}
