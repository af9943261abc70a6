//! What may be said to `show`, `log` and the other commands that answer: versions, names, several words, long commands.

mod common;

use common::Place;
use serde_json::Value;

/// A workspace in which two runs wrote `o`, and a third read it.
fn place() -> Place {
    let place = Place::empty();
    place.write("a", b"one\n");
    place.ok(&["init"]);
    place.ok(&["run", "-q", "--name", "first", "--", "sh", "-c", "cat a > o"]);
    place.write("b", b"two\n");
    place.ok(&["run", "-q", "--name", "second", "--", "sh", "-c", "cat b > o"]);
    place.ok(&["run", "-q", "--name", "reader", "--", "sh", "-c", "cat o > p"]);
    place
}

fn sources(answer: &Value) -> Vec<&str> {
    answer["sources"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect()
}

#[test]
fn show_and_log_take_the_version_of_a_run_as_cat_and_restore_do() {
    let place = place();
    let first = place.json(&["show", "o@first"]);
    assert_eq!((&first["kind"], &first["path"]), (&"file".into(), &"o".into()));
    assert_eq!(sources(&first), ["a"]);
    assert_eq!(first["on_disk"], "changed");
    let text = place.ok(&["show", "o@first"]).stdout;
    assert!(text.contains("another recorded version lies there now"), "{text}");
    for word in ["o@second", "o@reader", "o@-", "o@~1", "o@@~"] {
        let answer = place.json(&["show", word]);
        assert_eq!((sources(&answer), &answer["on_disk"]), (vec!["b"], &"unchanged".into()), "{word}");
    }
    let what = |word: &str| -> Vec<String> {
        let log = place.json(&["log", word]);
        let changes = log["changes"].as_array().unwrap().iter();
        changes.map(|change| change["what"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(what("o@first"), ["written"]);
    assert_eq!(what("o@second"), ["read", "written"]);
    assert_eq!(what("o").len(), 3);
    let (code, error) = place.refused(&["show", "a@second"]);
    assert_eq!(code, 2);
    assert!(error.contains("that run neither wrote nor read `a`"), "{error}");
    let (_, error) = place.refused(&["show", "o@nobody"]);
    assert!(error.contains("`nobody` names no run"), "{error}");
}

#[test]
fn of_two_runs_that_wrote_the_same_bytes_the_one_that_is_named_is_the_writer() {
    let place = Place::empty();
    place.write("a", b"one\n");
    place.write("b", b"two\n");
    place.ok(&["run", "-q", "--name", "first", "--", "sh", "-c", "wc -l < a > o"]);
    place.ok(&["run", "-q", "--name", "second", "--", "sh", "-c", "wc -l < b > o"]);
    for (word, source) in [("o@first", "a"), ("o@second", "b"), ("o", "b")] {
        let answer = place.json(&["show", word]);
        assert_eq!(sources(&answer), [source], "{word}");
        assert_eq!(answer["on_disk"], "unchanged");
    }
}

#[test]
fn a_version_of_a_model_goes_before_a_version_of_a_file_of_the_same_name() {
    let place = place();
    place.ok(&["register", "o", "1.0.0", "--artifact", "model=o"]);
    assert_eq!(place.json(&["show", "o@1.0.0"])["kind"], "model");
    assert_eq!(place.json(&["show", "o@latest"])["kind"], "model");
    assert_eq!(sources(&place.json(&["show", "o@first"])), ["a"]);
    let (_, error) = place.refused(&["show", "o@2.0.0"]);
    assert!(error.contains("2.0.0"), "{error}");
}

#[test]
fn a_recorded_file_is_asked_for_whatever_lies_in_its_place_now() {
    let place = place();
    place.shell("mkdir d; cat a > d/x");
    std::fs::remove_file(place.at("o")).unwrap();
    std::fs::remove_dir_all(place.at("d")).unwrap();
    place.ok(&["run", "-q", "--name", "folder", "--", "sh", "-c", "mkdir o; cat a > o/y"]);
    place.write("d", b"mine\n");
    let shown = place.json(&["show", "o"]);
    assert_eq!((&shown["kind"], &shown["on_disk"]), (&"file".into(), &"no file".into()));
    assert_eq!(sources(&shown), ["b"]);
    assert_eq!(place.json(&["log", "o"])["changes"].as_array().unwrap().len(), 3);
    assert_eq!(place.ok(&["cat", "o"]).stdout, "two\n");
    let below = place.json(&["show", "d/x"]);
    assert_eq!((sources(&below), &below["on_disk"]), (vec!["a"], &"gone".into()));
    assert_eq!(place.ok(&["cat", "d/x"]).stdout, "one\n");
    place.ok(&["restore", "d/x", "--to", "x"]);
    std::fs::remove_file(place.at("p")).unwrap();
    place.ok(&["run", "-q", "--", "mkfifo", "p"]);
    assert_eq!(place.json(&["show", "p"])["on_disk"], "no file");
    assert_eq!(place.json(&["log", "p"])["path"], "p");
}

#[test]
fn a_run_is_found_by_its_name_where_a_file_or_a_folder_is_called_the_same() {
    let place = Place::empty();
    place.write("a", b"1\n");
    std::fs::create_dir(place.at("train")).unwrap();
    place.write("eval", b"nobody read this\n");
    place.ok(&[
        "run",
        "-q",
        "--name",
        "train",
        "--",
        "sh",
        "-c",
        "cat a > o; echo '{\"f1\": 1}' > metrics.json",
    ]);
    place.ok(&["run", "-q", "--name", "eval", "--", "sh", "-c", "cat o > q"]);
    assert_eq!(place.json(&["show", "train"])["run"]["name"], "train");
    // A run of the same name wrote into the folder: nothing needs to be said of that.
    place.ok(&["run", "-q", "--name", "made", "--", "sh", "-c", "mkdir made; cat a > made/x"]);
    assert_eq!(place.ok(&["show", "made"]).stderr, "");
    assert_eq!(place.json(&["show", "eval"])["run"]["name"], "eval");
    place.ok(&["metrics", "train"]);
    let compared = place.run(&["diff", "train", "eval"]);
    assert_eq!((compared.code, compared.stderr.as_str()), (1, ""), "{compared:#?}");
    // What is recorded goes first; the other is named.
    place.ok(&["run", "-q", "--name", "other", "--", "sh", "-c", "cat a > train/x; cat a > eval"]);
    for word in ["train", "eval"] {
        let answer = place.ok(&["show", word]);
        assert!(answer.stderr.contains(&format!("a run is named `{word}`, too")), "{answer:#?}");
        let diff = place.run(&["diff", word, "other"]);
        assert_eq!((diff.code, diff.stderr.as_str()), (1, ""), "{diff:#?}");
    }
    assert_eq!(place.json(&["show", "train"])["run"]["name"], "other");
    assert_eq!(place.json(&["show", "eval"])["kind"], "file");
}

#[test]
fn several_words_are_answered_one_after_the_other() {
    let place = place();
    let text = place.ok(&["show", "o", "p"]).stdout;
    let one = |word: &str| place.ok(&["show", word]).stdout;
    assert_eq!(text, format!("{}\n{}", one("o"), one("p")));
    let both = place.json(&["show", "o", "p"]);
    assert_eq!(both["format"], 1);
    let answers = both["answers"].as_array().unwrap();
    assert_eq!(answers.iter().map(|answer| &answer["path"]).collect::<Vec<_>>(), ["o", "p"]);
    assert_eq!(answers[0], place.json(&["show", "o"]));
    // One that means nothing does not hide the others.
    let answer = place.run(&["show", "o", "nothing", "p"]);
    assert_eq!((answer.code, answer.stdout), (2, text));
    assert!(answer.stderr.contains("`nothing` is no file"), "{}", answer.stderr);
    assert_eq!(place.refused(&["show", "o", "p", "--format", "dot"]).0, 2);
    assert_eq!(place.refused(&["show"]).0, 2);
}

#[test]
fn a_long_command_is_cut_on_paper_and_whole_in_json() {
    let place = place();
    let words = vec!["data.csv"; 2000];
    for last in ["0.1", "0.2"] {
        let command = ["run", "-q", "--name", "long", "--", "sh", "-c", "cat a > o"];
        place.ok(&[&command[..], &words, &[last]].concat());
    }
    for arguments in [&["show", "o"][..], &["show", "@"]] {
        let text = place.ok(arguments).stdout;
        assert!(text.lines().all(|line| line.chars().count() < 400), "{text}");
        assert!(text.contains("more words, in full in `--json`"), "{text}");
    }
    assert_eq!(place.json(&["show", "@"])["run"]["arguments"].as_array().unwrap().len(), 2004);
    let diff = place.run(&["diff", "@-", "@"]).stdout;
    assert!(diff.contains("data.csv 0.1") && diff.contains("data.csv 0.2"), "{diff}");
    assert!(diff.lines().all(|line| line.chars().count() < 400), "{diff}");
    assert_eq!(place.run(&["run", "--name", "@", "--", "true"]).code, 2);
}

#[test]
fn what_links_lead_to_is_named_as_they_call_it_too() {
    let place = Place::empty();
    place.write("a", b"1\n");
    place.shell("mkdir work results; cat a > work/out; ln -s ../work/out results/final; ln -s work now");
    let names = serde_json::json!(["now/out", "results/final"]);
    assert_eq!(place.json(&["show", "work/out"])["link_names"], names);
    let shown = place.ok(&["show", "work/out"]).stdout;
    assert!(shown.contains("  linked   as now/out and results/final\n"), "{shown}");
    let down = place.ok(&["show", "a", "--down"]).stdout;
    assert!(down.contains("work/out  observed, also now/out and results/final"), "{down}");
    place.write("a", b"2\n");
    let (_, report) = place.status();
    assert_eq!(report["stale"][0]["link_names"], names, "{report:#}");
    let text = place.run(&["status"]).stdout;
    assert!(text.contains("  work/out (also now/out and results/final)  a has changed"), "{text}");
    // A link that leads elsewhere now, or is gone, names it no more.
    std::fs::remove_file(place.at("results/final")).unwrap();
    assert_eq!(place.json(&["show", "work/out"])["link_names"], serde_json::json!(["now/out"]));
}

#[test]
fn of_a_link_that_a_run_made_the_file_is_shown_that_it_leads_to() {
    let place = Place::empty();
    place.write("a", b"1\n");
    place.shell("mkdir m; cat a > m/c1; ln -s c1 m/latest; ln -s m/latest best");
    let whole = place.json(&["show", "m/c1"]);
    assert_eq!((&whole["links"], &whole["is_link"]), (&serde_json::json!([]), &false.into()));
    let linked = place.json(&["show", "best"]);
    assert_eq!((&linked["path"], sources(&linked)), (&"m/c1".into(), vec!["a"]));
    let of_links = |field: &str| -> Vec<Value> {
        linked["links"].as_array().unwrap().iter().map(|link| link[field].clone()).collect()
    };
    assert_eq!(of_links("path"), ["best", "m/latest"]);
    assert_eq!(of_links("text"), ["m/latest", "c1"]);
    assert_eq!(of_links("to"), ["m/latest", "m/c1"]);
    assert!(of_links("written").iter().all(|written| written["step"] == "ln"));
    let mut without_links = linked.clone();
    without_links["links"] = serde_json::json!([]);
    assert_eq!(without_links, whole);
    let text = place.ok(&["show", "m/latest"]).stdout;
    let (first, rest) = text.split_once('\n').unwrap();
    assert!(first.starts_with("m/latest  link to m/c1, made ") && first.contains(" by ln of run "), "{text}");
    assert_eq!(rest, place.ok(&["show", "m/c1"]).stdout);
    assert_eq!(place.ok(&["show", "best", "--files"]).stdout, place.ok(&["show", "m/c1", "--files"]).stdout);
    assert_eq!(place.ok(&["cat", "best"]).stdout, "1\n");
    // What lies beyond is not recorded, or no more there.
    std::fs::remove_file(place.at("m/c1")).unwrap();
    let gone = place.json(&["show", "m/latest"]);
    assert_eq!((&gone["path"], &gone["on_disk"]), (&"m/c1".into(), &"gone".into()));
    place.ok(&["run", "-q", "--", "ln", "-s", "nowhere", "dangling"]);
    let dangling = place.json(&["show", "dangling"]);
    assert_eq!((&dangling["path"], &dangling["is_link"]), (&"dangling".into(), &true.into()));
    assert_eq!(dangling["links"][0]["to"], "nowhere");
    assert!(place.ok(&["show", "dangling"]).stdout.contains("nothing is recorded of what it leads to"));
    place.shell("ln -s loop2 loop1; ln -s loop1 loop2");
    assert_eq!(place.json(&["show", "loop1"])["links"].as_array().unwrap().len(), 2);
}

#[test]
fn of_a_link_to_a_folder_the_run_is_shown_that_wrote_there() {
    let place = Place::empty();
    place.write("a", b"1\n");
    place.ok(&["run", "-q", "--name", "train", "--", "sh", "-c", "mkdir v1; cat a > v1/w"]);
    place.ok(&["run", "-q", "--name", "release", "--", "ln", "-s", "v1", "current"]);
    let shown = place.json(&["show", "current"]);
    assert_eq!((&shown["kind"], &shown["run"]["name"]), (&"run".into(), &"train".into()));
    assert_eq!(
        (&shown["links"][0]["to"], &shown["links"][0]["written"]["step"]),
        (&"v1".into(), &"ln".into())
    );
}

#[test]
fn the_files_of_a_model_and_of_a_folder_are_brought_back_by_one_word() {
    let place = Place::empty();
    place.write("a", b"weights\n");
    place.shell("mkdir -p m/sub; cat a > m/w; echo tokens > m/sub/w");
    place.ok(&["register", "hf", "1.0.0", "--artifact", "model=m"]);
    place.ok(&["run", "-q", "--", "ln", "-s", "w", "m/last"]);
    let files = |below: &str| ["w", "sub/w"].map(|file| place.read(&format!("{below}/{file}")));
    let recorded = files("m");
    for word in ["hf@1.0.0", "hf@latest", "m", "m/"] {
        std::fs::remove_dir_all(place.at("m/sub")).unwrap();
        place.ok(&["restore", word]);
        assert_eq!(files("m"), recorded, "{word}");
    }
    place.write("m/w", b"mine\n");
    let (_, error) = place.refused(&["restore", "hf@1.0.0"]);
    assert!(error.contains("holds other bytes"), "{error}");
    for (word, to) in [("hf@1.0.0", "elsewhere"), ("m", "further")] {
        place.ok(&["restore", word, "--to", to]);
        assert_eq!(files(to), recorded, "{word}");
    }
    let checked = place.run(&["models", "verify"]);
    assert_eq!(checked.code, 0, "it is kept");
    assert!(
        checked.stdout.contains("`lineage restore hf@1.0.0 --to DIR` brings back what is kept"),
        "{}",
        checked.stdout
    );
    place.ok(&["restore", "hf@1.0.0", "--force"]);
    assert_eq!((files("m"), place.run(&["models", "verify"]).code), (recorded, 0));
    // Two of one name do not lie in one folder.
    std::fs::create_dir(place.at("flat")).unwrap();
    let (code, error) = place.refused(&["restore", "m/w", "m/sub/w", "--to", "flat"]);
    assert_eq!(code, 2);
    assert!(error.contains("several files would be written to"), "{error}");
    // What a run took away is not wanted back.
    place.ok(&["run", "-q", "--", "rm", "m/sub/w"]);
    place.ok(&["restore", "m"]);
    assert!(!place.at("m/sub/w").exists());
    assert_eq!(place.refused(&["restore", "hf@2.0.0"]).0, 2);
    assert_eq!(place.refused(&["restore", "nowhere"]).0, 2);
}

#[test]
fn manual_pages_are_written_into_a_folder_that_is_made() {
    let place = Place::empty();
    place.ok(&["man", "share/man1"]);
    assert!(place.at("share/man1/lineage-show.1").exists());
    // What is no path is a command, and nothing is written.
    assert!(place.ok(&["man", "run"]).stdout.contains("lineage\\-run"));
    let (code, error) = place.refused(&["man", "nosuch"]);
    assert!(code == 2 && error.contains("there is neither a command nor a folder `nosuch`"), "{error}");
    assert!(!place.at("run").exists() && !place.at("nosuch").exists());
}

#[test]
fn a_run_is_found_by_a_name_with_an_at_and_a_content_by_enough_digits() {
    let place = place();
    place.ok(&["run", "-q", "--name", "a@b", "--", "sh", "-c", "cat a > q"]);
    assert_eq!(place.json(&["show", "a@b"])["run"]["name"], "a@b");
    let (_, error) = place.refused(&["show", "blake3:50"]);
    assert!(error.contains("give 4 or more of the first digits"), "{error}");
}

#[test]
fn paths_may_be_whole_in_questions_and_the_root_is_a_folder() {
    let place = place();
    place.write("in/x", b"x\n");
    place.ok(&["-C", "in", "run", "-q", "--name", "below", "--", "sh", "-c", "cat x > y"]);
    let root = place.root().to_str().unwrap().to_owned();
    let names = |filter: &str| -> Vec<String> {
        let runs = place.json(&["log", "-w", filter])["runs"].clone();
        runs.as_array().unwrap().iter().map(|run| run["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&format!("used(\"{root}/b\")")), ["second"]);
    assert_eq!(names(&format!("generated(\"{root}/in/*\")")), ["below"]);
    assert_eq!(names("folder = \".\"").len(), 3);
    assert_eq!(names("folder != '.'"), ["below"]);
}

#[test]
fn of_a_place_outside_of_the_workspace_of_which_nothing_is_recorded_there_is_no_state() {
    let place = place();
    for outside in ["/etc", ".."] {
        let (code, error) = place.refused(&["status", outside]);
        assert!(code == 2 && error.contains("which lies outside of the workspace"), "{error}");
    }
    place.ok(&["status", "."]);
}

#[test]
fn by_a_metric_of_which_less_is_better_it_is_said_which_end_is_shown() {
    let place = place();
    for (version, loss) in [("1.0.0", "val_loss=0.5"), ("1.1.0", "val_loss=0.1")] {
        place.ok(&["register", "m", version, "--artifact", "model=o", "--metric", loss, "--metric", "f1=1"]);
    }
    let best = |more: &[&str]| place.ok(&[&["models", "best", "m", "--by"], more].concat());
    let greatest = best(&["val_loss"]);
    assert!(greatest.stdout.contains("1.0.0"), "{greatest:#?}");
    assert!(greatest.stderr.contains("this is the greatest val_loss; `--min` finds"), "{greatest:#?}");
    let smallest = best(&["val_loss", "--min"]);
    assert!(smallest.stdout.contains("1.1.0") && smallest.stderr.is_empty(), "{smallest:#?}");
    assert_eq!(best(&["f1"]).stderr, "");
}
