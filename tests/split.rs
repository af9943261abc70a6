//! `lineage split` end to end: parts that stay put, and that lead back to the filings.

mod common;

use std::collections::BTreeMap;

use common::Place;
use serde_json::{Value, json};

fn write_company(place: &Place, cik: u32, year: u32) {
    let text = format!("{{\"cik\": \"{cik}\", \"year\": {year}, \"text\": \"risk {cik} {year}\"}}\n");
    place.write(&format!("data/companies/c{cik:03}_{year}.json"), text.as_bytes());
}

fn companies(place: &Place, ciks: impl Iterator<Item = u32>) {
    for cik in ciks {
        (2020..2022).for_each(|year| write_company(place, cik, year));
    }
}

const SPLIT: &[&str] = &["split", "data/companies", "--by", "cik", "--seed", "42"];

fn manifest(place: &Place) -> Value {
    serde_json::from_slice(&place.read("data/splits/splits_manifest.json")).unwrap()
}

/// The part of each file.
fn parts(place: &Place) -> BTreeMap<String, String> {
    let mut parts = BTreeMap::new();
    for name in ["train", "validation", "test"] {
        let list = place.read(&format!("data/splits/{name}.txt"));
        for line in String::from_utf8(list).unwrap().lines() {
            assert_eq!(parts.insert(line.to_owned(), name.to_owned()), None, "{line} is in two parts");
        }
    }
    parts
}

#[test]
fn a_split_keeps_companies_together_and_stays_put_when_others_come_and_go() {
    let place = Place::empty();
    companies(&place, 1..60);
    let answer = place.ok(SPLIT);
    assert!(answer.stdout.starts_with("118 files of 59 groups by cik, seed 42; run "), "{}", answer.stdout);
    let before = parts(&place);
    assert_eq!(before.len(), 118);
    for (file, part) in &before {
        let other = file.replace("2020", "2021");
        assert_eq!(&before[&other], part);
    }
    let bytes = |place: &Place| {
        ["train.txt", "validation.txt", "test.txt", "splits_manifest.json"]
            .map(|name| place.read(&format!("data/splits/{name}")))
    };
    let first = bytes(&place);
    place.ok(SPLIT);
    assert_eq!(bytes(&place), first, "the same files gave other bytes");
    let elsewhere = Place::empty();
    companies(&elsewhere, 1..60);
    elsewhere.ok(SPLIT);
    assert_eq!(bytes(&elsewhere), first, "another machine gave other bytes");

    companies(&place, 60..90);
    std::fs::remove_file(place.at("data/companies/c007_2020.json")).unwrap();
    place.ok(SPLIT);
    let after = parts(&place);
    assert_eq!(after.len(), 177);
    for (file, part) in &before {
        assert!(after.get(file).is_none_or(|now| now == part), "{file} was moved");
    }
    let manifest = manifest(&place);
    let asked: Vec<&Value> =
        manifest["parts"].as_array().unwrap().iter().map(|part| &part["asked"]).collect();
    assert_eq!(asked, [&json!(0.8), &json!(0.1), &json!(0.1)]);
    assert_eq!(place.run(&["verify"]).code, 0);
}

#[test]
fn a_list_leads_back_to_the_filings_in_it_and_to_no_others() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline", "--run-name", "demo"]);
    place.ok(&[
        "split",
        "data/processed/*/*_segmented_risks.json",
        "--by",
        "company_name",
        "--ratios",
        "50/50",
        "--seed",
        "s",
    ]);
    let manifest = manifest(&place);
    let files = manifest["files"].as_array().unwrap();
    assert_eq!(files.len(), common::samples().len());
    for part in ["train", "test"] {
        let shown = place.ok(&["show", &format!("data/splits/{part}.txt"), "--files"]).stdout;
        for file in files {
            let stem = file["path"].as_str().unwrap().rsplit('/').next().unwrap().split("_2").next().unwrap();
            let is_in = file["part"] == part;
            let path = file["path"].as_str().unwrap();
            assert_eq!(shown.lines().any(|line| line == path), is_in, "{stem} in {part}: {shown}");
        }
    }
    let all = place.ok(&["show", "data/splits/splits_manifest.json", "--files"]).stdout;
    for (name, _) in common::samples() {
        assert!(all.contains(&format!("data/raw/{name}")), "{name}: {all}");
    }
    let folder = files[0]["path"].as_str().unwrap().rsplit_once('/').unwrap().0.to_owned();
    let again =
        place.ok(&["split", &folder, "--by", "stem:^([A-Z]+)_", "--ratios", "50/50", "--out", "other"]);
    assert!(again.stdout.contains("passed over: "), "{}", again.stdout);
}

#[test]
fn of_a_filing_that_several_runs_of_the_pipeline_went_through_the_last_is_taken_once() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline", "--run-name", "first"]);
    let first = place.ok(&["split", "data/processed", "--by", "company_name"]);
    assert!(!first.stdout.contains("made anew"), "{}", first.stdout);
    place.ok(&["pipeline", "--run-name", "second"]);
    let pattern = "data/processed/*/*_segmented_risks.json";
    let count = common::samples().len();
    let again = place.json(&["split", pattern, "--by", "company_name"]);
    assert_eq!(again["superseded"], count);
    let paths = |place: &Place| -> Vec<String> {
        let files = manifest(place)["files"].clone();
        files.as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(paths(&place).len(), count);
    assert!(paths(&place).iter().all(|path| path.contains("_second")), "{:?}", paths(&place));
    // What nobody made anew stands for itself.
    let older = paths(&place)[0].rsplit_once('/').unwrap().0.to_owned();
    let folders = std::fs::read_dir(place.at("data/processed")).unwrap();
    let folders = folders.map(|folder| format!("data/processed/{}", folder.unwrap().file_name().display()));
    let first = folders.filter(|folder| *folder != older).collect::<Vec<_>>().remove(0);
    let alone = place.json(&["split", &first, "--by", "company_name", "--out", "other"]);
    assert_eq!(alone["superseded"], 0);
}

#[test]
fn a_file_that_came_since_is_in_no_part_until_it_is_split_again() {
    let place = Place::empty();
    companies(&place, 1..10);
    place.ok(SPLIT);
    write_company(&place, 99, 2020);
    for check in [&["split", "--check"][..], &[SPLIT, &["--check"]].concat()] {
        let answer = place.run(check);
        assert_eq!(answer.code, 1);
        let told = "data/companies/c099_2020.json  is in no part\n\
                    the split of 18 files by cik does not hold any more\n";
        assert_eq!(answer.stdout, told);
    }
    // What is asked about may be less than was split.
    place.ok(&["split", "data/companies/c001_2020.json", "--by", "cik", "--check"]);
    let (code, report) = place.status();
    assert_eq!(
        (code, common::paths(&report["new"])),
        (1, vec!["data/companies/c099_2020.json"]),
        "{report:#}"
    );
    assert!(common::paths(&report["unknown"]).is_empty());
    let command = report["redo"][0]["command"].as_str().unwrap();
    assert!(command.ends_with("split data/companies --by cik --seed 42"), "{command}");
    place.ok(SPLIT);
    place.ok(&["split", "--check"]);
    assert_eq!(place.status().0, 0);
}

#[test]
fn a_check_tells_what_does_not_hold_any_more() {
    let place = Place::empty();
    companies(&place, 1..30);
    place.ok(SPLIT);
    let check = |place: &Place| {
        let answer = place.run(&["split", "--check"]);
        (answer.code, answer.stdout)
    };
    let holds = "the split of 58 files by cik holds: every file has its bytes and its part\n";
    assert_eq!(check(&place), (0, holds.to_owned()));
    let list = place.read("data/splits/train.txt");
    let shorter = list.split(|byte| *byte == b'\n').skip(1).collect::<Vec<_>>().join(&b'\n');
    place.write("data/splits/train.txt", &shorter);
    place.write("data/companies/c003_2020.json", b"{\"cik\": \"4\"}");
    std::fs::remove_file(place.at("data/companies/c005_2021.json")).unwrap();
    let (code, text) = check(&place);
    assert_eq!(code, 1);
    assert_eq!(
        text,
        "data/companies/c003_2020.json  has other bytes than were split\n\
         data/companies/c005_2021.json  cannot be read: No such file or directory (os error 2)\n\
         data/splits/train.txt  does not list the files of its part\n\
         the split of 58 files by cik does not hold any more\n"
    );
    let document = place.json(&["split", "--check"]);
    assert_eq!((document["holds"].as_bool(), document["faults"].as_array().unwrap().len()), (Some(false), 3));
    // An edited list is overwritten only when asked for.
    let (code, text) = place.refused(&[SPLIT, &["--missing", "own"]].concat());
    assert_eq!(code, 2);
    assert!(
        text.contains(
            "`data/splits/train.txt` is there already, with bytes that are not recorded at this path"
        ),
        "{text}"
    );
    let mine = place.read("data/splits/train.txt");
    place.ok(&[SPLIT, &["--force"]].concat());
    // What it held is kept, and found by its path.
    let overwritten = &place.json(&["log", "data/splits/train.txt"])["overwritten"];
    assert_eq!(overwritten[0]["command"], "split");
    assert_eq!(overwritten.as_array().unwrap().len(), 1);
    let digest = overwritten[0]["artifact"]["digest"].as_str().unwrap();
    assert_eq!(place.ok(&["cat", digest]).stdout.as_bytes(), mine);
    // A file moved to another part by hand.
    let path = "data/splits/splits_manifest.json";
    let text = String::from_utf8(place.read(path)).unwrap();
    place.write(path, text.replacen("\"part\": \"train\"", "\"part\": \"test\"", 1).as_bytes());
    let (code, text) = check(&place);
    assert!(code == 1 && text.contains("is in `test`, and its group belongs to `train`"), "{text}");
    place.write(path, b"{\"format\": 9}");
    assert_eq!(place.refused(&["split", "--check"]).0, 2);
}

#[test]
fn the_list_of_a_part_that_is_no_more_is_named_until_it_is_gone() {
    let place = Place::empty();
    companies(&place, 1..30);
    place.ok(SPLIT);
    place.write("data/splits/mine.txt", b"data/companies/c001_2020.json\n");
    let again = place.ok(&[SPLIT, &["--ratios", "90/10"]].concat());
    assert!(again.stderr.contains("`data/splits/validation.txt` is still there"), "{}", again.stderr);
    assert!(!again.stderr.contains("mine.txt"), "{}", again.stderr);
    let check = || {
        let answer = place.run(&["split", "--check"]);
        (answer.code, answer.stdout)
    };
    let (code, text) = check();
    let named = "data/splits/validation.txt  is the list of a part that the split no longer has\n";
    assert!(code == 1 && text.starts_with(named), "{text}");
    std::fs::remove_file(place.at("data/splits/validation.txt")).unwrap();
    assert_eq!(check().0, 0);
    // Another folder is another split.
    place.ok(&[SPLIT, &["--out", "other"]].concat());
    assert_eq!(check().0, 0);
}

#[test]
fn what_lies_in_the_place_of_a_list_and_is_no_file_is_not_waited_for() {
    let place = Place::empty();
    companies(&place, 1..5);
    std::fs::create_dir_all(place.at("data/splits")).unwrap();
    let pipe = std::process::Command::new("mkfifo").arg(place.at("data/splits/train.txt")).status();
    assert!(pipe.unwrap().success());
    for force in [&[][..], &["--force"]] {
        let (code, text) = place.refused(&[SPLIT, force].concat());
        assert!(code == 2 && text.contains("cannot write `data/splits/train.txt`"), "{text}");
    }
}

#[test]
fn files_without_a_group_are_named_or_groups_of_their_own() {
    let place = Place::empty();
    companies(&place, 1..3);
    for name in ["x.json", "y.json"] {
        place.write(&format!("data/companies/{name}"), b"{}");
    }
    let (code, text) = place.refused(SPLIT);
    assert_eq!(code, 2);
    assert_eq!(
        text.lines().skip_while(|line| !line.starts_with("error")).collect::<Vec<_>>(),
        [
            "error: 2 files have no group by `cik`: `data/companies/x.json`: it has no `cik`; \
             `data/companies/y.json`: it has no `cik`",
            "hint: nothing was written; `--missing own` makes each such file a group of its own; \
             `--by company_name` takes another field",
        ]
    );
    assert!(!place.at("data/splits").exists());
    assert!(place.runs().is_empty());
    let document = place.json(&[SPLIT, &["--missing", "own"]].concat());
    let groups: u64 =
        document["parts"].as_array().unwrap().iter().map(|part| part["groups"].as_u64().unwrap()).sum();
    assert_eq!(groups, 4);
    assert_eq!(place.run(&["split", "--check"]).code, 0);
}

#[test]
fn hostile_requests_are_refused_before_anything_is_written() {
    let place = Place::empty();
    companies(&place, 1..3);
    place.write("data/companies/a\nb.json", b"{\"cik\": \"9\"}");
    let before = place.all_files();
    for arguments in [
        &["--ratios", "80/20/-1"][..],
        &["--ratios", "NaN/1"],
        &["--ratios", "1"],
        &["--ratios", "1/2/3/4"],
        &["--names", "a,b"],
        &["--names", "../x,b,c"],
        &["--names", "a,A,c"],
        &["--out", "../elsewhere"],
        &["--out", "/tmp"],
        &["--by", "stem:("],
        &["--by", ""],
        &["--seed", "a\u{1b}[31m"],
        &["--run-name", "../x"],
        // The file with a line break in its name.
        &[],
    ] {
        let mut command: Vec<&str> = vec!["split", "data/companies"];
        if !arguments.contains(&"--by") {
            command.extend(["--by", "cik"]);
        }
        command.extend(arguments);
        let (code, text) = place.refused(&command);
        assert_eq!(code, 2, "{arguments:?}: {text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }
    let mut after = place.all_files();
    after.retain(|path, _| !path.starts_with(place.at(".lineage")));
    assert_eq!(after, before);
    assert_eq!(place.refused(&["split", "nowhere", "--by", "cik"]).0, 2);
}
