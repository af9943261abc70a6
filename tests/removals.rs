//! Files that leave or move within a run: what observed commands removed, renamed and linked, and what is then said of it.

mod common;

use common::{Place, paths};
use serde_json::Value;

/// Runs a line of a shell, observed; `false` where nothing can be observed here.
fn shell(place: &Place, line: &str) -> bool {
    place.shell(line);
    place.was_observed()
}

/// The files of the workspace that lie at the end of the way up from a file.
fn sources(place: &Place, file: &str) -> Vec<String> {
    let answer = place.json(&["show", file]);
    assert_eq!(answer["gaps"], serde_json::json!([]), "{file}");
    // How `python3` is found is a matter of the machine.
    paths(&answer["sources"]).into_iter().filter(|path| !path.starts_with('/')).map(str::to_owned).collect()
}

#[test]
fn what_a_run_removed_is_not_missed_until_somebody_writes_there_again() {
    let place = Place::empty();
    place.ok(&["init"]);
    if !shell(&place, "mkdir m; echo 1 > m/c1") {
        return;
    }
    shell(&place, "echo 2 > m/c2; rm m/c1");
    let (code, report) = place.status();
    assert_eq!((code, paths(&report["pending"])), (0, vec![]), "{report:#}");
    assert_eq!(paths(&report["removed"]), ["m/c1"]);
    assert_eq!(report["removed"][0]["removed_by"]["step"], "rm");
    assert_eq!(report["removed"][0]["is_kept"], true);
    let shown = place.ok(&["show", "m/c1"]).stdout;
    assert!(shown.contains("gone     removed 2025-12-12 ") && shown.contains(" by rm of run "), "{shown}");
    let changes = place.json(&["log", "m/c1"])["changes"].clone();
    let what: Vec<&str> = changes.as_array().unwrap().iter().map(|c| c["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["removed", "written"]);
    assert_eq!(paths(&place.json(&["show", "@"])["removed"]), ["m/c1"]);

    place.ok(&["restore", "m/c1"]);
    assert_eq!(place.read("m/c1"), b"1\n");
    assert_eq!(paths(&place.status().1["removed"]), [""; 0]);

    shell(&place, "echo 3 > m/c1");
    std::fs::remove_file(place.at("m/c1")).unwrap();
    let (code, report) = place.status();
    assert_eq!((code, paths(&report["pending"])), (1, vec!["m/c1"]), "what somebody took away is missed");
    assert_eq!(paths(&report["removed"]), [""; 0]);
}

#[test]
fn what_was_made_from_what_a_run_removed_is_not_stale_for_that() {
    let place = Place::empty();
    place.write("a", b"1\n");
    place.ok(&["init"]);
    if !shell(&place, "cat a > mid; cat mid > out") {
        return;
    }
    shell(&place, "rm mid");
    assert_eq!(place.status().0, 0);
    place.write("a", b"2\n");
    let (code, report) = place.status();
    assert_eq!((code, paths(&report["stale"])), (1, vec!["out"]), "of what is gone nothing is stale");
}

#[test]
fn what_a_run_made_read_and_removed_is_a_thing_of_its_own_and_no_output() {
    let place = Place::empty();
    place.write("a", b"2\n1\n");
    place.write("b", b"4\n3\n");
    place.write("s.sh", b"cat $1 > t; sort t > $1.out; rm t\n");
    place.ok(&["init"]);
    let said = place.ok(&["run", "--", "sh", "s.sh", "a"]).stderr;
    if !place.was_observed() {
        return;
    }
    assert!(said.contains("1 output") && !said.contains("1 outputs"), "{said}");
    let shown = place.ok(&["show", "t"]).stdout;
    assert!(shown.contains("by cat of run ") && shown.contains("gone     removed "), "{shown}");
    let changes = place.json(&["log", "t"])["changes"].clone();
    let what: Vec<&str> = changes.as_array().unwrap().iter().map(|c| c["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["removed", "read", "written"]);
    let down = place.ok(&["show", "a", "--down"]).stdout;
    assert!(down.contains("t      observed, removed since by rm"), "{down}");
    assert!(down.contains("1 file at the end; all edges observed"), "{down}");
    assert_eq!(sources(&place, "a.out"), ["a", "s.sh"]);
    let run = place.json(&["show", "@"]);
    assert_eq!(paths(&run["outputs"]), ["a.out"]);

    // Another run has such a file for itself, under the same name.
    place.ok(&["run", "-q", "--", "sh", "s.sh", "b"]);
    let (code, report) = place.status();
    assert_eq!((code, paths(&report["removed"])), (0, vec![]), "{report:#}");
    let diff = place.run(&["diff", "@~1", "@", "--json"]).stdout;
    let diff: Value = serde_json::from_str(&diff).unwrap();
    assert!(!diff["outputs"].to_string().contains("\"t\""), "{diff:#}");
    let answer = place.run(&["rerun", "@", "--json"]);
    assert_eq!(answer.code, 0, "{answer:#?}");
    let outputs: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(paths(&outputs["outputs"]["same"]), ["b.out"], "{outputs:#}");
    assert_eq!(paths(&outputs["outputs"]["removed"]), [""; 0]);
    place.write("a", b"5\n");
    let (code, report) = place.status();
    assert_eq!((code, paths(&report["stale"])), (1, vec!["a.out"]), "{report:#}");
}

#[test]
fn of_what_was_read_when_all_had_been_written_nothing_was_written() {
    let place = Place::empty();
    place.write("a", b"1\n");
    place.ok(&["init"]);
    if !shell(&place, "sh -c 'echo 1 > first; read x < a; :'; cat a; :") {
        return;
    }
    let down = place.ok(&["show", "a", "--down"]).stdout;
    assert!(down.contains("wrote nothing of it") && down.contains("cat   wrote nothing\n"), "{down}");
}

#[test]
fn a_repetition_removes_what_it_has_in_its_copy() {
    let place = Place::empty();
    place.ok(&["init"]);
    if !shell(&place, "echo 1 > c1") {
        return;
    }
    shell(&place, "echo 2 > c2; rm c1");
    place.ok(&["restore", "c1"]);
    let answer = place.run(&["rerun", "@", "--json"]);
    assert_eq!(answer.code, 0, "{answer:#?}");
    let outputs: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(paths(&outputs["outputs"]["removed"]), ["c1"]);
    assert_eq!(place.read("c1"), b"1\n", "the workspace's own file stays");
    assert_eq!(paths(&place.status().1["removed"]), [""; 0], "it is there, whatever a copy lost");
    std::fs::remove_file(place.at("c1")).unwrap();
    assert_eq!(paths(&place.status().1["removed"]), ["c1"], "the first run's removal stands");
}

#[test]
fn what_a_nested_run_wrote_and_the_outer_one_removed_is_removed() {
    let place = Place::empty();
    place.ok(&["init"]);
    // Of the two that follow, only the outer one is observed.
    if !shell(&place, "true") {
        return;
    }
    let line = "\"$0\" run -q -- sh -c 'echo 1 > x; echo 2 > y'; rm x";
    place.ok(&["run", "-q", "--", "sh", "-c", line, env!("CARGO_BIN_EXE_lineage")]);
    let (code, report) = place.status();
    assert_eq!((code, paths(&report["removed"])), (0, vec!["x"]), "{report:#}");
}

#[test]
fn each_file_of_a_renamed_folder_comes_from_its_own_old_name() {
    let place = Place::empty();
    place.write("a", b"1\n");
    place.write("b", b"2\n");
    place.ok(&["init"]);
    if !shell(&place, "mkdir t; cat a > t/x; cat b > t/y") {
        return;
    }
    place.ok(&["run", "-q", "--", "mv", "t", "other"]);
    assert_eq!(sources(&place, "other/x"), ["a"]);
    assert_eq!(sources(&place, "other/y"), ["b"]);
    let down = place.ok(&["show", "a", "--down", "--files"]).stdout;
    assert!(down.contains("other/x") && !down.contains("other/y"), "{down}");
    assert_eq!(place.status().0, 0);
    let shown = place.ok(&["show", "t/x"]).stdout;
    assert!(shown.contains("gone     moved to other/x "), "{shown}");
    assert!(place.ok(&["show", "other/x"]).stdout.contains("t/x  observed, moved  of run "));

    // What lies at the old name since does not make stale what was moved away from it; what it was made from does.
    shell(&place, "mkdir t; cat b > t/x");
    assert_eq!(place.status().0, 0);
    place.write("a", b"3\n");
    assert_eq!(paths(&place.status().1["stale"]), ["other/x"]);
}

#[test]
fn a_source_that_a_run_moved_and_somebody_changed_there_makes_stale_what_was_made_from_it() {
    let place = Place::empty();
    let lines: String = (0..50).map(|number| format!("row {number}\n")).collect();
    place.write("a", lines.as_bytes());
    place.ok(&["init"]);
    if !shell(&place, "sort a > o") {
        return;
    }
    place.ok(&["run", "-q", "--", "mv", "a", "b"]);
    assert_eq!(place.status().0, 0);
    place.write("b", format!("{lines}another\n").as_bytes());
    let (_, report) = place.status();
    assert_eq!((paths(&report["stale"]), paths(&report["changed"])), (vec!["o"], vec!["b"]), "{report:#}");
    let text = place.run(&["status"]).stdout;
    assert!(text.contains("  o  b has changed on disk\n"), "{text}");
    // What takes its place once it was moved on is another file.
    place.write("b", lines.as_bytes());
    place.ok(&["run", "-q", "--", "mv", "b", "c"]);
    place.ok(&["run", "-q", "--", "sh", "-c", "seq 9 > b"]);
    assert_eq!(paths(&place.status().1["stale"]), Vec::<String>::new());
}

#[test]
fn a_move_inside_of_a_script_is_no_input_of_what_else_the_script_writes() {
    let place = Place::empty();
    place.write("a", b"1\n");
    place.write("b", b"2\n");
    place.write(
        "s.py",
        b"import os\nos.rename('b', 'c')\nos.link('a', 'h')\nopen('o', 'w').write(open('a').read())\n",
    );
    place.ok(&["init"]);
    if !shell(&place, "python3 -S s.py") {
        return;
    }
    assert_eq!(sources(&place, "o"), ["a", "s.py"]);
    assert_eq!(sources(&place, "c"), ["b", "s.py"]);
    assert_eq!(sources(&place, "h"), ["a", "s.py"]);
    let steps = place.json(&["show", "@"])["step_counts"].clone();
    let names: Vec<&str> =
        steps.as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap()).collect();
    let endings: Vec<bool> =
        [" (move)", " (link)"].iter().map(|end| names.iter().any(|n| n.ends_with(end))).collect();
    assert_eq!(endings, [true, true], "{names:?}");
}

/// Makes three files in `img`, and runs a program of Python over them with `names`, a list of their names.
fn python(place: &Place, program: &str) -> bool {
    for name in ["1", "2", "3"] {
        place.write(&format!("img/{name}"), format!("image {name}\n").as_bytes());
    }
    place.write("list", b"1\n3\n");
    let names = "import os, shutil\nnames = open('list').read().split()\nos.makedirs('ok', exist_ok=True)\n";
    place.write("s.py", format!("{names}{program}\n").as_bytes());
    place.ok(&["init"]);
    shell(place, "python3 -S s.py")
}

#[test]
fn what_said_which_files_are_to_be_had_is_behind_them_however_they_are_brought_there() {
    for how in ["os.link", "os.rename", "shutil.move", "shutil.copy"] {
        let place = Place::empty();
        if !python(&place, &format!("for name in names: {how}(f'img/{{name}}', f'ok/{{name}}')")) {
            return;
        }
        assert_eq!(sources(&place, "ok/1"), ["img/1", "list", "s.py"], "{how}");
        assert_eq!(place.ok(&["show", "list", "--down", "--files"]).stdout, "ok/1\nok/3\n", "{how}");
        if how != "shutil.copy" {
            let shown = place.ok(&["show", "ok/1"]).stdout;
            let line = |name: &str| shown.lines().find(|line| line.contains(name)).unwrap().to_owned();
            assert!(line("  img/1 ").contains("observed, "), "{shown}");
            assert!(line("  list ").contains("inferred  "), "{shown}");
        }
        place.write("list", b"2\n");
        let report = place.status().1;
        let mut out_of_date = paths(&report["stale"]);
        out_of_date.extend(paths(&report["doubtful"]));
        assert_eq!(out_of_date, ["ok/1", "ok/3"], "{how}: {report:#}");
    }
}

#[test]
fn who_is_told_which_files_to_move_or_link_has_that_behind_them() {
    for how in ["mv", "ln", "cp"] {
        for script in [
            format!("while read name; do {how} img/$name ok/; done < list"),
            format!("cat list | sed s,^,img/, | xargs {how} -t ok"),
        ] {
            let place = Place::empty();
            place.write("s.sh", script.as_bytes());
            place.write("img/1", b"image 1\n");
            place.write("img/3", b"image 3\n");
            place.write("list", b"1\n3\n");
            place.ok(&["init"]);
            if !shell(&place, "mkdir ok; sh s.sh") {
                return;
            }
            assert_eq!(sources(&place, "ok/1"), ["img/1", "list", "s.sh"], "{script}");
        }
    }
}

#[test]
fn what_is_looked_at_and_moved_one_after_the_other_is_no_list_of_the_rest() {
    let place = Place::empty();
    let one_by_one =
        "for name in names:\n    open(f'img/{name}').read()\n    os.rename(f'img/{name}', f'ok/{name}')";
    if !python(&place, one_by_one) {
        return;
    }
    assert_eq!(sources(&place, "ok/3"), ["img/3", "list", "s.py"]);

    // Of so many that were all read before, none is said to have told which.
    let place = Place::empty();
    for number in 0..10 {
        place.write(&format!("in/{number}.png"), format!("image {number}\n").as_bytes());
    }
    let ahead = "os.remove('img/2')\nfor name in os.listdir('in'): open(f'in/{name}').read()\n\
        for name in os.listdir('in'): os.rename(f'in/{name}', f'ok/{name}')";
    python(&place, ahead);
    assert_eq!(sources(&place, "ok/7.png"), ["in/7.png", "list", "s.py"]);
    let shown = place.ok(&["show", "@"]).stdout;
    assert!(shown.contains("too many to have said which"), "{shown}");
}

#[test]
fn what_is_put_out_of_the_way_of_something_new_was_not_chosen_by_what_that_is_made_from() {
    let place = Place::empty();
    place.write("old", b"old\n");
    place.ok(&["init"]);
    if !shell(&place, "cat old > model") {
        return;
    }
    python(&place, "os.rename('model', 'model.old')\nopen('model', 'w').write(str(names))");
    assert_eq!(sources(&place, "model.old"), ["old"]);
    assert_eq!(sources(&place, "model"), ["list", "s.py"]);
}

#[test]
fn files_that_changed_their_places_are_not_stale_for_that() {
    let place = Place::empty();
    place.write("a", b"1\n");
    place.write("b", b"2\n");
    place.ok(&["init"]);
    if !shell(&place, "cat a > x; cat b > y") {
        return;
    }
    shell(&place, "mv x t; mv y x; mv t y");
    assert_eq!((sources(&place, "x"), sources(&place, "y")), (vec!["b".to_owned()], vec!["a".to_owned()]));
    let (code, report) = place.status();
    assert_eq!(code, 0, "{report:#}");
}

#[test]
fn what_is_moved_at_the_end_of_a_run_comes_from_what_its_own_writer_read() {
    let place = Place::empty();
    place.write("raw", b"r\n");
    place.write("test.csv", b"t\n");
    let orchestrate = "import os, subprocess\nfor i in ('raw', 'test.csv'):\n    \
        subprocess.run(['sh', '-c', f'cat {i} > {i}.t'])\n    os.replace(f'{i}.t', f'{i}.o')\n";
    place.write("all.py", orchestrate.as_bytes());
    place.ok(&["init"]);
    let make = "mkdir w; cat raw > w/model; cat test.csv w/model > w/metrics";
    for (number, publish) in [
        "mv w D",
        "mkdir D; mv w/model w/metrics D/",
        "cp -al w D; rm -r w",
        "touch w/model w/metrics; mv w D",
    ]
    .iter()
    .enumerate()
    {
        let folder = format!("out{number}");
        if !shell(&place, &format!("{make}; {}", publish.replace('D', &folder))) {
            return;
        }
        assert_eq!(sources(&place, &format!("{folder}/model")), ["raw"], "{publish}");
        assert_eq!(sources(&place, &format!("{folder}/metrics")), ["raw", "test.csv"], "{publish}");
        place.ok(&["run", "-q", "--", "rm", "-r", &folder]);
    }
    shell(&place, "python3 -S all.py");
    assert_eq!(sources(&place, "raw.o"), ["all.py", "raw"]);
    assert_eq!(sources(&place, "test.csv.o"), ["all.py", "test.csv"]);
}

#[test]
fn what_is_put_in_the_place_of_a_file_comes_after_that_was_moved_away() {
    let place = Place::empty();
    place.write("a", b"1\n");
    place.write("b", b"2\n");
    place.write("c", b"3\n");
    place.ok(&["init"]);
    if !shell(&place, "cat b > t; mv a a.bak; mv t a") {
        return;
    }
    assert_eq!(
        (sources(&place, "a.bak"), sources(&place, "a")),
        (vec!["a".to_owned()], vec!["b".to_owned()])
    );
    place.ok(&["run", "-q", "--", "sed", "-i.bak", "s/3/x/", "c"]);
    assert_eq!(
        (sources(&place, "c.bak"), sources(&place, "c")),
        (vec!["c".to_owned()], vec!["c".to_owned()])
    );
    let changes = place.json(&["log", "c"])["changes"].clone();
    let what: Vec<&str> = changes.as_array().unwrap().iter().map(|c| c["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["written", "read", "read"]);
}

#[test]
fn a_rotated_log_is_no_input_of_the_model_beside_it() {
    let place = Place::empty();
    place.write("a", b"1\n");
    let program = "import logging, sys\nfrom logging.handlers import RotatingFileHandler\n\
        log = logging.getLogger()\nlog.addHandler(RotatingFileHandler('train.log', maxBytes=40, backupCount=2))\n\
        log.setLevel('INFO')\nfor i in range(3): log.info('run %s, line %d ......' % (sys.argv[1], i))\n\
        open(sys.argv[1], 'w').write(open('a').read())\n";
    place.write("t.py", program.as_bytes());
    place.ok(&["init"]);
    for model in ["m1", "m2", "m3"] {
        if !shell(&place, &format!("python3 -S t.py {model}")) {
            return;
        }
        assert_eq!(sources(&place, model), ["a", "t.py"]);
    }
    let (code, report) = place.status();
    assert_eq!(code, 0, "{report:#}");
}

#[test]
fn exports_tell_of_removals_and_moves_and_a_backup_brings_them_back() {
    let place = Place::empty();
    place.ok(&["init"]);
    if !shell(&place, "echo 1 > gone; echo 2 > old") {
        return;
    }
    shell(&place, "rm gone; mv old new");
    let prov: Value = serde_json::from_str(&place.ok(&["export", "--format", "prov-json"]).stdout).unwrap();
    let entities = |section: &str, end: &str| {
        let all = prov[section].as_object().unwrap_or_else(|| panic!("{section} in {prov:#}"));
        let name = |value: &Value| value[end].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
        let mut names: Vec<String> = all.values().map(name).collect();
        names.sort();
        names
    };
    assert_eq!(entities("wasInvalidatedBy", "prov:entity"), ["gone", "old"]);
    assert_eq!(entities("wasDerivedFrom", "prov:generatedEntity"), ["new"]);
    assert_eq!(entities("wasDerivedFrom", "prov:usedEntity"), ["old"]);
    let events = place.ok(&["export", "--format", "openlineage"]).stdout;
    let last: Value = serde_json::from_str(events.lines().last().unwrap()).unwrap();
    let changes: Vec<(&str, &str)> = last["outputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|output| {
            let change = &output["facets"]["lifecycleStateChange"]["lifecycleStateChange"];
            let name = output["name"].as_str().unwrap().rsplit('/').next().unwrap();
            (name, change.as_str().unwrap())
        })
        .collect();
    assert_eq!(changes, [("new", "RENAME"), ("gone", "DROP")]);

    let backup = place.ok(&["export", "--format", "jsonl"]).stdout;
    let other = Place::empty();
    other.write("backup.jsonl", backup.as_bytes());
    other.ok(&["init"]);
    other.ok(&["import", "--format", "jsonl", "backup.jsonl"]);
    assert_eq!(other.ok(&["export", "--format", "jsonl"]).stdout, backup);
    assert_eq!(paths(&other.status().1["removed"]), ["gone", "old"]);
}
