//! The pipeline as its users run it: the names of what it writes, what is in it, and the way back from each file.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;

use common::{Place, RUN_ID, only, real_filings};
use serde_json::Value;

const STEMS: [&str; 4] =
    ["HALCYON_10-K_2021", "MERIDIAN_10-K_2024", "NORDWIND_10-K_2023", "OLDHARBOR_10-K_1996"];

/// The files that a run over the samples writes, when its folders are called `folder`.
fn expected_names(folder: &str) -> Vec<String> {
    let mut names = Vec::new();
    for stem in STEMS {
        for (place, output) in [
            ("interim/parsed", "parsed"),
            ("interim/extracted", "extracted_risks"),
            ("interim/extracted", "cleaned_risks"),
            ("processed", "segmented_risks"),
        ] {
            names.push(format!("data/{place}/{folder}/{stem}_{RUN_ID}_{output}.json"));
        }
    }
    for place in ["interim/parsed", "interim/extracted", "processed"] {
        names.push(format!("data/{place}/{folder}/metrics.json"));
    }
    names.sort();
    names
}

/// Runs the whole pipeline under a name and compares the names of all it writes with those that `sha` makes.
fn check_names(place: &Place, sha: Option<&str>) {
    place.ok(&["pipeline", "--run-name", "test_pipeline"]);
    let folder = match sha {
        Some(sha) => format!("{RUN_ID}_test_pipeline_{sha}"),
        None => format!("{RUN_ID}_test_pipeline"),
    };
    assert_eq!(place.output_names(), expected_names(&folder));
}

#[test]
fn folders_and_files_carry_run_id_name_and_commit() {
    let Some(place) = Place::new() else { return };
    check_names(&place, Some(&place.head()));
}

#[test]
fn a_changed_tracked_file_makes_the_name_dirty_and_an_untracked_one_does_not() {
    let Some(place) = Place::new() else { return };
    place.write("notes.txt", b"untracked");
    let dry = place.ok(&["pipeline", "--dry-run"]);
    assert_eq!(dry.stderr, "");
    place.write(".gitignore", b"/data/interim\n/data/processed\n# changed\n");
    check_names(&place, Some(&format!("{}-dirty", place.head())));
    let run = &place.runs()[0];
    assert_eq!(run["code"]["dirty"], true);
    assert_eq!(run["code"]["untracked"], 1);
}

#[test]
fn without_git_the_names_carry_no_commit() {
    check_names(&Place::without_git(), None);
}

#[test]
fn on_an_unborn_branch_the_names_carry_no_commit() {
    let Some(place) = Place::empty().with_commit() else {
        return;
    };
    std::fs::remove_dir_all(place.at(".git")).unwrap();
    place.git(&["init", "-q", "-b", "main", "."]);
    for (name, bytes) in common::samples() {
        place.write(&format!("data/raw/{name}"), &bytes);
    }
    check_names(&place, None);
    assert_eq!(place.runs()[0]["code"]["branch"], "main");
}

#[test]
fn on_a_detached_head_the_names_carry_the_commit() {
    let Some(place) = Place::new() else { return };
    place.git(&["checkout", "-q", "--detach"]);
    check_names(&place, Some(&place.head()));
    assert_eq!(place.runs()[0]["code"]["branch"], Value::Null);
}

#[test]
fn what_the_pipeline_wrote_does_not_make_the_tree_dirty_or_untracked() {
    let Some(place) = Place::new() else { return };
    place.git(&["rm", "-q", "--cached", ".gitignore"]);
    std::fs::remove_file(place.at(".gitignore")).unwrap();
    place.git(&["commit", "-q", "-m", "Ignore nothing"]);
    place.ok(&["pipeline"]);
    place.ok(&["pipeline"]);
    let code = &place.runs()[0]["code"];
    assert_eq!(code["dirty"], false);
    assert_eq!(code["untracked"], 0);
}

#[test]
fn batch_parse_writes_the_parsed_folder_alone() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline", "--stages", "parse", "--run-name", "test_naming"]);
    let folder = format!("data/interim/parsed/{RUN_ID}_test_naming_{}", place.head());
    let mut expected: Vec<String> =
        STEMS.iter().map(|stem| format!("{folder}/{stem}_{RUN_ID}_parsed.json")).collect();
    expected.push(format!("{folder}/metrics.json"));
    assert_eq!(place.output_names(), expected);
}

#[test]
fn metrics_say_run_commit_time_and_counts() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline", "--run-name", "shape"]);
    let names = place.output_names();
    let file = only(&names, &["data/processed", "metrics.json"]);
    let metrics: Value = serde_json::from_slice(&place.read(file)).unwrap();
    let keys: Vec<&String> = metrics.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["run_id", "name", "git_sha", "timestamp", "metrics"]);
    assert_eq!(metrics["run_id"], RUN_ID);
    assert_eq!(metrics["name"], "shape");
    assert_eq!(metrics["git_sha"], place.head());
    assert_eq!(metrics["timestamp"], place.runs()[0]["started_at"]);
    assert_eq!(metrics["metrics"]["filings"], 4);
    assert_eq!(metrics["metrics"]["filings_failed"], 0);
    assert!(metrics["metrics"]["segments"].as_u64().unwrap() >= 24);
}

#[test]
fn metrics_beside_a_report_count_what_the_report_counts() {
    let Some(place) = Place::new() else { return };
    place.write("data/raw/EMPTY_10-K_2020.txt", b"");
    place.write("data/raw/CUT_10-K_2020.txt", b"<SEC-HEADER>\n");
    assert_eq!(place.run(&["pipeline", "--run-name", "some"]).code, 1);
    let names: Vec<String> = place.projected().into_keys().collect();
    let text = |parts: &[&str]| String::from_utf8(place.read(only(&names, parts))).unwrap();
    let report = text(&["data/processed", "RUN_REPORT.md"]);
    assert!(report.contains("| filings | 6 |\n| went through | 4 |\n| failed | 2 |\n"), "{report}");
    for folder in ["data/interim/parsed", "data/interim/extracted", "data/processed"] {
        let metrics: Value = serde_json::from_str(&text(&[folder, "metrics.json"])).unwrap();
        assert_eq!(
            (&metrics["metrics"]["filings"], &metrics["metrics"]["filings_failed"]),
            (&6.into(), &2.into())
        );
    }
}

#[test]
fn every_file_leads_back_to_its_filing_alone() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline"]);
    for name in place.output_names() {
        let Some(stem) = STEMS.iter().find(|stem| name.contains(*stem)) else {
            continue;
        };
        let sources = sources(&place, &name);
        assert_eq!(sources.len(), 1, "{name}: {sources:?}");
        assert!(sources.iter().next().unwrap().starts_with(&format!("data/raw/{stem}.")));
    }
}

/// The sources that `lineage show` finds for a file.
fn sources(place: &Place, file: &str) -> BTreeSet<String> {
    let shown = place.json(&["show", file]);
    assert_eq!(shown["on_disk"], "unchanged", "{file}");
    let mut sources = BTreeSet::new();
    let runs = shown["runs"].as_array().unwrap();
    let steps = runs.iter().flat_map(|run| run["steps"].as_array().unwrap());
    for used in steps.flat_map(|step| step["used"].as_array().unwrap()) {
        assert_eq!(used["evidence"], "observed");
        match used["from"]["kind"].as_str().unwrap() {
            "source" => {
                sources.insert(used["path"].as_str().unwrap().to_owned());
            }
            kind => assert_eq!(kind, "run", "{file}: {used:#}"),
        }
    }
    sources
}

#[test]
fn a_second_run_takes_over_what_the_first_has_done() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline", "--run-name", "one"]);
    let first = place.outputs();
    let summary = place.json(&["pipeline", "--run-name", "two"]);
    assert_eq!(summary["stages"]["segment"]["cached"], 4);
    assert_eq!(summary["run"]["run_id"], "20251212_174219");
    let second = place.outputs();
    for (name, bytes) in first.iter().filter(|(name, _)| !name.ends_with("metrics.json")) {
        let other = name.replace(RUN_ID, "20251212_174219").replace("_one_", "_two_");
        assert_eq!(second.get(&other), Some(bytes), "{other}");
    }
    let summary = place.json(&["pipeline", "--run-name", "three", "--no-cache"]);
    assert_eq!(summary["stages"]["segment"]["computed"], 4);
}

#[test]
fn runs_started_in_the_same_second_get_different_run_ids_and_lose_nothing() {
    let Some(place) = Place::new() else { return };
    let mut expected = 0;
    for round in 0..3 {
        let children: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .map(|name| {
                let name = format!("{name}{round}");
                let mut command = place.command(&["pipeline", "--run-name", &name]);
                command.stdout(Stdio::piped()).stderr(Stdio::piped());
                command.spawn().unwrap()
            })
            .collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{output:?}");
            expected += 1;
        }
    }
    let runs = place.runs();
    assert_eq!(runs.len(), expected);
    assert!(runs.iter().all(|run| run["status"] == "ok"), "{runs:#?}");
    let run_ids: BTreeSet<&str> = runs.iter().map(|run| run["run_id"].as_str().unwrap()).collect();
    assert_eq!(run_ids.len(), expected);
    // 16 outputs and 3 metrics files of each run; every one carries its own run id.
    let names = place.output_names();
    assert_eq!(names.len(), expected * 19);
    for run in &runs {
        let (run_id, name) = (run["run_id"].as_str().unwrap(), run["name"].as_str().unwrap());
        let folder = format!("/{run_id}_{name}_");
        let own: Vec<&String> = names.iter().filter(|file| file.contains(&folder)).collect();
        assert_eq!(own.len(), 19, "{run_id} {name}");
        assert!(
            own.iter().all(|file| file.ends_with("metrics.json") || file.contains(&format!("_{run_id}_")))
        );
    }
}

#[test]
fn a_section_of_its_own_stands_in_the_names() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline", "--sections", "1A,7", "--run-name", "two"]);
    let names = place.output_names();
    only(&names, &["NORDWIND", "_segmented_risks.json"]);
    only(&names, &["NORDWIND", "_segmented_part2item7.json"]);
}

#[test]
fn results_are_compared_with_those_of_an_earlier_run_and_what_changed_is_explained() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline", "--run-name", "one"]);
    let same = place.json(&["pipeline", "--run-name", "two", "--check-against", RUN_ID]);
    assert_eq!(same["comparison"]["same"], true);
    assert_eq!(same["comparison"]["compared"], 4);
    let name = "data/raw/NORDWIND_10-K_2023.txt";
    let text = String::from_utf8(place.read(name)).unwrap();
    place.write(name, text.replacen("</body>", "<p>One more paragraph.</p></body>", 1).as_bytes());
    place.write("data/raw/EXTRA_10-K_2020.txt", &place.read("data/raw/OLDHARBOR_10-K_1996.txt"));
    let bytes = place.read("data/raw/EXTRA_10-K_2020.txt");
    place.write("data/raw/EXTRA_10-K_2020.txt", &[bytes.as_slice(), b"\n\n     And more.\n"].concat());
    let answer = place.run(&["pipeline", "--run-name", "three", "--check-against", RUN_ID, "--json"]);
    assert_eq!(answer.code, 1, "{}", answer.stderr);
    let json: Value = serde_json::from_str(&answer.stdout).unwrap();
    let comparison = &json["comparison"];
    assert_eq!(comparison["added"], serde_json::json!(["data/raw/EXTRA_10-K_2020.txt"]));
    assert_eq!(comparison["missing"], serde_json::json!([]));
    let changed = comparison["changed"].as_array().unwrap();
    assert_eq!(changed.len(), 1);
    assert_eq!((&changed[0]["path"], &changed[0]["stage"]), (&name.into(), &"parse".into()));
    assert_eq!(changed[0]["why"], serde_json::json!(["the filing has other bytes"]));
    let (code, message) = place.refused(&["pipeline", "--check-against", "nothing_like_it"]);
    assert_eq!(code, 2, "{message}");
    assert_eq!(place.runs().len(), 3, "nothing was done for a comparison that cannot be made");
}

#[test]
fn texts_are_compared_with_gold() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline", "--run-name", "one"]);
    let names = place.output_names();
    let mut table = "file\tkind\twords\twords_raw\n".to_owned();
    for (name, _) in common::samples() {
        let stem = &name[..name.rfind('.').unwrap()];
        let extracted = only(&names, &[stem, "_extracted_risks.json"]);
        let value: Value = serde_json::from_slice(&place.read(extracted)).unwrap();
        let text = value["text"].as_str().unwrap();
        let words = text.split_whitespace().count();
        let kind = if words == 0 { "absent" } else { "substantive" };
        table += &format!("{name}\t{kind}\t{words}\t{words}\n");
        place.write(&format!("gold/gold/{name}.txt"), text.as_bytes());
    }
    place.write("gold/ITEM1A.tsv", table.as_bytes());
    let same = place.json(&["pipeline", "--check-against", "gold"]);
    assert_eq!(same["comparison"]["same"], true, "{same:#}");
    place.write(
        "gold/gold/NORDWIND_10-K_2023.txt.txt",
        b"Something that nobody ever wrote in any filing at all, as far as we know.",
    );
    let answer = place.run(&["pipeline", "--check-against", "gold"]);
    assert_eq!(answer.code, 1);
    assert!(
        answer.stdout.contains("changed  NORDWIND_10-K_2023.txt  extract: another beginning"),
        "{}",
        answer.stdout
    );
}

#[test]
fn the_summary_reports_the_quality_of_the_results() {
    let Some(place) = Place::new() else { return };
    let first = place.json(&["pipeline", "--run-name", "one"]);
    let quality = &first["quality"];
    let coverage = quality["coverage"].as_array().unwrap();
    let sum: u64 = coverage
        .iter()
        .flat_map(|row| {
            ["found", "by_reference", "not_required", "absent"].map(|name| row[name].as_u64().unwrap())
        })
        .sum();
    assert_eq!(sum, 4, "{coverage:#?}");
    assert!(coverage.iter().all(|row| row["year"].is_u64()), "{coverage:#?}");
    assert!(quality["item_share"]["min"].as_f64().unwrap() > 0.5, "{quality:#}");
    assert!(quality["confidence"]["median"].as_f64().unwrap() > 0.7, "{quality:#}");
    // What was taken over says the same.
    assert_eq!(place.json(&["pipeline", "--run-name", "two"])["quality"], *quality);
}

#[test]
fn all_sections_of_a_filing_are_those_of_its_form() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline", "--sections", "all", "--stages", "extract"]);
    let names = place.output_names();
    let of = |stem: &str| names.iter().filter(|name| name.contains(&format!("/{stem}_"))).count();
    // One parsed file, and one for each item: 23 of Form 10-K, 11 of Form 10-Q.
    let counts: Vec<usize> = STEMS.iter().map(|stem| of(stem)).collect();
    assert!(counts.iter().all(|count| *count == 24 || *count == 12), "{counts:?}");
    let resumed = place.json(&["pipeline", "--resume"]);
    assert_eq!(resumed["nothing_to_do"], true);
}

/// The rule by which an extracted Item 1A is held against the one read by hand: the first and last 45 letters are there, near
/// the beginning and the end, and the words agree within 2 %.
fn verdict(kind: &str, words_gold: usize, words_raw: usize, gold: &str, text: &str) -> Result<(), String> {
    let letters = |text: &str| -> String {
        let lower = text.to_lowercase();
        lower.chars().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit()).collect()
    };
    let (words, found) = (text.split_whitespace().count(), letters(text));
    if kind == "absent" {
        return if words < 30 { Ok(()) } else { Err(format!("false positive, {words} words")) };
    }
    if found.is_empty() {
        return if kind == "not-required" { Ok(()) } else { Err("missed".to_owned()) };
    }
    let gold = letters(gold);
    let front = |text: &str, length: usize| text[..length.min(text.len())].to_owned();
    let back = |text: &str, length: usize| text[text.len().saturating_sub(length)..].to_owned();
    let starts = front(&found, 400).contains(&front(&gold, 45));
    let ends = back(&found, 400).contains(&back(&gold, 45));
    if kind != "substantive" {
        let right = starts && words <= words_gold + 25;
        return if right { Ok(()) } else { Err(format!("wrong pointer, {words} words for {words_gold}")) };
    }
    let enough = words as f64 >= 0.98 * words_gold as f64 - 10.0;
    let not_too_many = words as f64 <= 1.02 * words_raw as f64 + 10.0;
    match (starts, ends, enough && not_too_many) {
        (true, true, true) => Ok(()),
        (false, ..) => Err(format!("wrong start, {words} words for {words_gold}")),
        (_, false, _) => Err(format!("wrong end, {words} words for {words_gold}")),
        _ => Err(format!("start and end right, but {words} words for {words_gold}")),
    }
}

#[test]
fn all_real_filings_go_through_and_give_the_risk_factors_that_people_read_in_them() {
    let Some(folder) = real_filings() else { return };
    let place = Place::empty();
    let table = std::fs::read_to_string(folder.join("ITEM1A.tsv")).unwrap();
    let mut rows = table.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let header = rows.next().unwrap();
    let column = |name: &str| header.iter().position(|column| *column == name).unwrap();
    let rows: Vec<Vec<&str>> = rows.collect();
    for row in &rows {
        let name = row[column("file")];
        std::fs::create_dir_all(place.at("data/raw")).unwrap();
        std::fs::copy(folder.join(name), place.at(&format!("data/raw/{name}"))).unwrap();
    }
    let summary = place.json(&["pipeline", "--run-name", "all"]);
    assert_eq!(summary["filings"], rows.len());
    assert_eq!(summary["failures"], Value::Array(Vec::new()));
    let outputs = place.outputs();
    let names: Vec<String> = outputs.keys().cloned().collect();
    let mut wrong = BTreeMap::new();
    for row in &rows {
        let file = row[column("file")];
        let stem = &file[..file.rfind('.').unwrap()];
        let extracted = only(&names, &[&format!("/{stem}_"), "_extracted_risks.json"]);
        let value: Value = serde_json::from_slice(&outputs[extracted]).unwrap();
        let gold =
            std::fs::read_to_string(folder.join("gold").join(format!("{file}.txt"))).unwrap_or_default();
        let number = |name: &str| row[column(name)].parse().unwrap_or(0);
        let text = value["text"].as_str().unwrap_or_default();
        if let Err(fault) = verdict(row[column("kind")], number("words"), number("words_raw"), &gold, text) {
            wrong.insert(file, fault);
        }
        let segmented = only(&names, &[&format!("/{stem}_"), "_segmented_risks.json"]);
        let expected: BTreeSet<String> = [format!("data/raw/{file}")].into();
        assert_eq!(sources(&place, segmented), expected);
    }
    assert_eq!(wrong, BTreeMap::new());
}

/// Returns the rows of a table of a report, each as its cells, without the code marks.
fn table(report: &str, title: &str) -> Vec<Vec<String>> {
    let rows = report.lines().skip_while(|line| !line.starts_with(&format!("## {title}")));
    let rows = rows.skip(4).take_while(|line| line.starts_with('|'));
    let cells =
        |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
    rows.map(cells).collect()
}

#[test]
fn the_report_tells_the_same_as_json() {
    let place = Place::empty();
    let samples = common::samples();
    let (name, filing) = samples.iter().find(|(name, _)| name.starts_with("MERIDIAN")).unwrap();
    let filing = String::from_utf8(filing.clone()).unwrap();
    place.write(&format!("data/raw/a_{name}"), filing.as_bytes());
    place.write(&format!("data/raw/b_{name}"), format!("{filing}\n<!-- another copy -->").as_bytes());
    place.write("data/raw/c_empty.htm", b"<html></html>");
    let nearly = filing.replacen(" customers ", " clients ", 1);
    assert_ne!(nearly, filing);
    place.write(&format!("data/raw/d_{name}"), nearly.as_bytes());
    let ran = place.run(&["pipeline", "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let json: Value = serde_json::from_str(&ran.stdout).unwrap();
    let quality = &json["quality"];
    let names = place.projected();
    let (_, report) = names.iter().find(|(name, _)| name.ends_with("/RUN_REPORT.md")).unwrap();
    let report = String::from_utf8(report.clone()).unwrap();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);

    let coverage: Vec<Vec<String>> = quality["coverage"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let known = |value: &Value| match value {
                Value::Null => "not known".to_owned(),
                Value::String(form) if form.is_empty() => "not known".to_owned(),
                other => text(other),
            };
            ["form", "year", "found", "by_reference", "not_required", "absent", "failed", "doubtful"]
                .iter()
                .map(|key| known(&row[*key]))
                .collect()
        })
        .collect();
    assert_eq!(table(&report, "Coverage by form and year"), coverage);
    assert_eq!(coverage.len(), 2);

    let words = &quality["words"];
    let spread = table(&report, "Distributions");
    let row = spread.iter().find(|row| row[0] == "words of a section").unwrap();
    assert_eq!(row[1], words["count"].to_string());
    assert_eq!(row[4].parse::<f64>().unwrap(), words["median"].as_f64().unwrap());

    let equal = quality["duplicates"].as_array().unwrap();
    let paths = |value: &Value| value["paths"].as_array().unwrap().iter().map(text).collect::<Vec<_>>();
    assert_eq!(equal.len(), 1);
    assert_eq!(table(&report, "The same text"), [[text(&equal[0]["section"]), paths(&equal[0]).join(", ")]]);
    let near = quality["near_duplicates"].as_array().unwrap();
    assert_eq!(near.len(), 1);
    let [one, other] = paths(&near[0]).try_into().unwrap();
    let bits = near[0]["bits"].to_string();
    assert_eq!(table(&report, "Nearly the same text"), [[text(&near[0]["section"]), one, other, bits]]);
    assert_eq!(quality["failures"][0]["count"], 1);
    assert!(report.contains("## Failures by kind") && report.contains("c_empty.htm"), "{report}");
}

#[test]
fn a_segment_is_shown_as_it_was_filed_when_only_git_has_the_filing() {
    let Some(place) = Place::new() else { return };
    place.ok(&["pipeline", "--quiet"]);
    let names = place.output_names();
    let segment = format!("{}#1A_001", only(&names, &["NORDWIND", "segmented"]));
    let filed = |place: &Place| {
        let shown = place.ok(&["show", &segment]).stdout;
        let (_, filed) = shown.split_once("as filed:").unwrap_or_else(|| panic!("{shown}"));
        filed.split("\n\n").next().unwrap().to_owned()
    };
    let before = filed(&place);
    let shown = place.ok(&["show", &segment]).stdout;
    let read = shown.lines().find(|line| line.contains("parse    data/raw/NORDWIND_10-K_2023.txt "));
    assert!(read.is_some_and(|line| line.contains("observed  in git at ")), "{shown}");
    std::fs::remove_file(place.at("data/raw/NORDWIND_10-K_2023.txt")).unwrap();
    assert_eq!(filed(&place), before);
}
