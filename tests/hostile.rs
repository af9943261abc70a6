//! Bad input and bad surroundings: each is met with a clear word and the right exit code, and nothing recorded is lost.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::machine::{Lack, skipped};
use common::{Place, RUN_ID, only, samples};
use serde_json::Value;

/// Makes a repository in which a run called `earlier` has been recorded.
fn place_with_earlier_run() -> Option<Place> {
    let place = Place::new()?;
    place.ok(&["pipeline", "--run-name", "earlier"]);
    Some(place)
}

/// Asserts that the earlier run still shows, with every file as it was recorded.
fn check_earlier_run(place: &Place) {
    let runs = place.runs();
    let earlier = runs.iter().find(|run| run["name"] == "earlier").unwrap();
    assert_eq!(earlier["status"], "ok");
    let names = place.output_names();
    let file = only(&names, &["_earlier", "NORDWIND", "_segmented_risks.json"]);
    assert_eq!(place.json(&["show", file])["on_disk"], "unchanged");
}

/// Runs the program with bad arguments beside an earlier run: the exit code and all of stderr are as expected, and nothing at
/// all is written.
fn check_refused(arguments: &[&str], expected_code: i32, expected: &str) {
    let Some(place) = place_with_earlier_run() else {
        return;
    };
    place.write("empty/notes.tsv", b"a\tb\n");
    let before = place.all_files();
    let (code, stderr) = place.refused(&[&["pipeline"], arguments].concat());
    assert_eq!((code, stderr.as_str()), (expected_code, expected), "{arguments:?}");
    assert_eq!(place.all_files(), before, "{arguments:?} wrote something");
    check_earlier_run(&place);
    // Nor does it make a workspace where there is none.
    let bare = Place::empty();
    bare.write("empty/notes.tsv", b"a\tb\n");
    let before = bare.all_files();
    assert_eq!(bare.run(&[&["pipeline"], arguments].concat()).code, expected_code);
    assert_eq!(bare.all_files(), before, "{arguments:?} left a trace");
}

#[test]
fn an_input_that_does_not_exist_is_named() {
    check_refused(
        &["nowhere"],
        2,
        "error: cannot read the input `nowhere`: No such file or directory (os error 2)\n\
         hint: give files, folders or patterns that exist; the default is `data/raw`\n",
    );
}

#[test]
fn a_pattern_that_matches_nothing_is_named() {
    check_refused(
        &["nowhere/*.htm"],
        2,
        "error: nothing matches `nowhere/*.htm`\nhint: `*` does not cross folders, `**` does; hidden files are left out\n",
    );
}

#[test]
fn a_folder_without_filings_is_named() {
    check_refused(
        &["empty"],
        2,
        "error: no filings in `empty`\n\
         hint: give files, folders or patterns: `lineage pipeline data/raw`; filings are SGML submissions, HTML, inline XBRL \
         or plain text of Forms 10-K and 10-Q\n",
    );
}

#[test]
fn run_names_that_lead_elsewhere_are_refused() {
    for (name, shown) in [
        ("a/b", "a/b"),
        ("..", ".."),
        ("../../etc", "../../etc"),
        ("a\n\u{1b}[31mb", "a\\n\\u{1b}[31mb"),
        ("", ""),
    ] {
        check_refused(
            &["--run-name", name],
            2,
            &format!(
                "error: `{shown}` cannot be the name of a run\n\
                 hint: names are made of letters, digits and `_ - . + =`, begin with none of `. -`, and have at most 120 bytes\n"
            ),
        );
    }
}

#[test]
fn wrong_options_are_refused_with_what_is_right() {
    check_refused(
        &["--stages", "parse,boil"],
        2,
        "error: unknown stage `boil`\nhint: stages are parse, extract, clean, segment; each includes those before it\n",
    );
    for text in ["x", "-1%", "101%", "NaN%", "1.5"] {
        check_refused(
            &[&format!("--max-failures={text}")],
            2,
            &format!(
                "error: `{text}` is no number of failures\nhint: give a number such as 5, or a share such as 10%\n"
            ),
        );
    }
    check_refused(
        &["--resume", "nonsense"],
        2,
        "error: `nonsense` names no run\n\
         hint: a run is `@`, `@-`, a run id such as 20251212_174218, the end of its key such as e55a90bd, or its name; `lineage log` \
         lists them\n",
    );
}

#[test]
fn a_dry_run_writes_nothing_at_all() {
    let place = Place::without_git();
    let before = place.all_files();
    let answer = place.ok(&["pipeline", "--dry-run"]);
    assert_eq!(
        (answer.stdout.as_str(), answer.stderr.as_str()),
        ("dry run, nothing was written: 4 filings, 175.4 KB; 4 to do, up to segment\n", "")
    );
    assert_eq!(place.all_files(), before);
    place.ok(&["pipeline"]);
    let names = place.output_names();
    fs::remove_file(place.at(only(&names, &["HALCYON", "_parsed.json"]))).unwrap();
    let before = place.all_files();
    let answer = place.ok(&["pipeline", "--dry-run", "--resume"]);
    assert_eq!(
        answer.stdout,
        format!(
            "dry run, nothing was written: would resume {RUN_ID}  pipeline, 4 filings, 175.4 KB; 1 to do, up to segment\n"
        )
    );
    assert_eq!(place.all_files(), before);
}

/// Runs the pipeline over one bad filing among the good ones: it fails as expected, and the good ones go through.
fn check_bad_filing(name: &str, bytes: &[u8], expected: &str) {
    let Some(place) = place_with_earlier_run() else {
        return;
    };
    place.write(&format!("data/raw/{name}"), bytes);
    let input = format!("data/raw/{name}");
    let answer = place.run(&["pipeline", "data/raw", &input, "--run-name", "later"]);
    assert_eq!(answer.code, 1, "{name}: {answer:#?}");
    let expected = format!("1 filing failed:\n  data/raw/{name}  parse: {expected}\n");
    assert!(answer.stdout.contains(&expected), "{name}: {}", answer.stdout);
    assert_eq!(answer.stderr, "");
    let runs = place.runs();
    assert_eq!(runs[0]["status"], "failed");
    assert_eq!(runs[0]["reason"], "1 of 5 filings failed");
    assert_eq!(place.output_names().len(), 2 * 19);
    check_earlier_run(&place);
}

#[test]
fn an_empty_file_fails_alone() {
    check_bad_filing("EMPTY.txt", b"", "the file is empty");
}

#[test]
fn random_bytes_fail_alone() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    })
    .take(100_000)
    .collect();
    check_bad_filing("NOISE.txt", &noise, "the file is binary, not an SEC filing");
}

#[test]
fn text_in_utf16_fails_alone_by_the_name_of_its_encoding() {
    let (_, bytes) = samples().into_iter().find(|(name, _)| name.starts_with("NORDWIND")).unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let little =
        [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    check_bad_filing("LITTLE.txt", &little, "the file is text in UTF-16LE, which is not read");
    let big = [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect::<Vec<_>>();
    check_bad_filing("BIG.txt", &big, "the file is text in UTF-16BE, which is not read");
    let markless = "<html>".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    check_bad_filing("MARKLESS.htm", &markless, "the file is text in UTF-16LE, which is not read");
}

#[test]
fn a_submission_cut_off_in_its_header_fails_alone() {
    let (_, bytes) = samples().into_iter().find(|(name, _)| name.starts_with("NORDWIND")).unwrap();
    check_bad_filing("CUT.txt", &bytes[..400], "the submission has no main document: found no document");
}

#[test]
fn a_filing_cut_off_in_its_text_goes_through_as_far_as_it_goes() {
    let place = Place::empty();
    for (name, bytes) in samples() {
        place.write(&format!("data/raw/{name}"), &bytes[..bytes.len() * 2 / 3]);
    }
    place.ok(&["pipeline"]);
}

#[test]
fn a_file_that_cannot_be_read_fails_alone() {
    let Some(place) = place_with_earlier_run() else {
        return;
    };
    let locked = place.at("data/raw/LOCKED.htm");
    fs::write(&locked, "<html>").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o0)).unwrap();
    }
    if fs::read(&locked).is_ok() {
        skipped(Lack::User, "this user can read every file");
        return;
    }
    let answer = place.run(&["pipeline", "--run-name", "later"]);
    assert_eq!(answer.code, 1);
    let expected = "  data/raw/LOCKED.htm  parse: cannot read the file: Permission denied (os error 13)\n";
    assert!(answer.stdout.contains(expected), "{}", answer.stdout);
    check_earlier_run(&place);
}

#[test]
#[cfg(unix)]
fn a_link_to_nothing_fails_alone() {
    let Some(place) = place_with_earlier_run() else {
        return;
    };
    std::os::unix::fs::symlink("not/fetched", place.at("data/raw/ANNEXED.htm")).unwrap();
    let answer = place.run(&["pipeline", "--run-name", "later"]);
    assert_eq!(answer.code, 1);
    let expected =
        "  data/raw/ANNEXED.htm  parse: cannot read the file: No such file or directory (os error 2)\n";
    assert!(answer.stdout.contains(expected), "{}", answer.stdout);
    check_earlier_run(&place);
}

#[test]
fn text_that_is_not_utf8_is_read_as_windows_1252() {
    let place = Place::empty();
    let text = b"<html><body><p>FORM 10-K</p><p><b>Item 1A. Risk Factors</b></p><p>Customers\x92 trust may fade \x97 slowly.</p>\
                 <p><b>Item 1B. Unresolved Staff Comments</b></p><p>None.</p></body></html>";
    place.write("data/raw/OLD.htm", text);
    place.ok(&["pipeline"]);
    let names = place.output_names();
    let parsed = String::from_utf8(place.read(only(&names, &["_parsed.json"]))).unwrap();
    assert!(parsed.contains("Customers\u{2019} trust may fade \u{2014} slowly."), "{parsed}");
}

#[test]
#[cfg(target_os = "linux")]
fn hostile_file_names_reach_no_terminal_and_lose_nothing() {
    use std::os::unix::ffi::OsStrExt as _;
    let place = Place::without_git();
    let samples = samples();
    for (number, name) in [
        &b"not\xffutf8.htm"[..],
        b"line\nfeed.htm",
        b"\x1b[31mred\x1b]0;title\x07.htm",
        b"right\xe2\x80\xaeleft.htm",
        b"#1A_001.htm",
        b"--resume.htm",
        b"space and 'quote\".htm",
    ]
    .into_iter()
    .enumerate()
    {
        let bytes = [&samples[0].1[..], format!("<!-- {number} -->").as_bytes()].concat();
        fs::write(place.at("data/raw").join(std::ffi::OsStr::from_bytes(name)), bytes).unwrap();
    }
    fs::write(place.at("data/raw").join(std::ffi::OsStr::from_bytes(b"bad\x1b[2J\xff.htm")), b"").unwrap();
    let answer = place.run(&["pipeline"]);
    assert_eq!(answer.code, 1);
    let check_plain = |text: &str| {
        let unsafe_to_print = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(unsafe_to_print), "{text:?}");
    };
    check_plain(&answer.stdout);
    check_plain(&answer.stderr);
    assert!(answer.stdout.contains("  data/raw/bad\\x1b[2J\\xff.htm  parse: the file is empty\n"));
    assert_eq!(place.output_names().len(), 11 * 4 + 3);
    for arguments in [&["show", "@"][..], &["log"], &["show", "@", "--json"], &["pipeline", "--resume"]] {
        let answer = place.run(arguments);
        check_plain(&answer.stdout);
        check_plain(&answer.stderr);
    }
    // In JSON a path is the file's name, where that is text.
    let shown = place.json(&["show", "@"]);
    let inputs: Vec<&str> =
        shown["inputs"].as_array().unwrap().iter().map(|f| f["path"].as_str().unwrap()).collect();
    let opened = inputs.iter().filter(|path| place.at(path).is_file()).count();
    assert!(
        inputs.contains(&"data/raw/line\nfeed.htm") && inputs.contains(&"data/raw/right\u{202e}left.htm"),
        "{inputs:?}"
    );
    // Two are no text, and stand as they are printed.
    assert_eq!(inputs.len() - opened, 2, "{inputs:?}");
    assert!(inputs.contains(&"data/raw/not\\xffutf8.htm"), "{inputs:?}");
    for path in &inputs {
        place.ok(&["show", path]);
    }
    let names = place.output_names();
    let file = only(&names, &["not_utf8", "_segmented_risks.json"]);
    let shown = place.json(&["show", file]).to_string();
    assert!(shown.contains("data/raw/not\\\\xffutf8.htm"), "{shown}");
    // Named on the command line, recorded with the run, and found again by a resume.
    let mut command = place.command(&["pipeline", "--run-name", "one"]);
    command.arg(std::ffi::OsStr::from_bytes(b"data/raw/not\xffutf8.htm"));
    assert!(command.output().unwrap().status.success());
    let summary = place.json(&["pipeline", "--resume", "--run-name", "one"]);
    assert_eq!(summary["nothing_to_do"], true);
}

#[test]
fn two_inputs_of_one_name_get_outputs_of_their_own() {
    let Some(place) = place_with_earlier_run() else {
        return;
    };
    let (_, bytes) = samples().remove(0);
    place.write("more/HALCYON_10-K_2021.htm", &[&bytes[..], b"<!-- 2 -->"].concat());
    place.ok(&["pipeline", "data/raw", "more", "--run-name", "later"]);
    let names = place.output_names();
    let own: Vec<&String> = names
        .iter()
        .filter(|name| name.contains("_later_") && name.contains("HALCYON") && name.ends_with("_parsed.json"))
        .collect();
    assert_eq!(own.len(), 2);
    let sources: std::collections::BTreeSet<String> = own
        .iter()
        .map(|file| {
            let shown = place.json(&["show", file]);
            let used = &shown["runs"][0]["steps"][0]["used"][0]["path"];
            used.as_str().unwrap().to_owned()
        })
        .collect();
    let expected = ["data/raw/HALCYON_10-K_2021.htm", "more/HALCYON_10-K_2021.htm"];
    assert_eq!(Vec::from_iter(sources), expected);
}

#[test]
fn files_that_are_no_filings_are_named_a_few_of_many_and_all_of_few() {
    let place = Place::without_git();
    for number in 0..50 {
        place.write(&format!("data/raw/gold/{number:02}.tsv"), b"a\tb");
    }
    let (name, bytes) = samples().remove(0);
    place.write(&format!("data/raw/copy_of_{name}"), &bytes);
    let answer = place.ok(&["pipeline"]);
    let mut expected = "left out 50 files that are no filings:\n".to_owned();
    for number in 0..5 {
        expected.push_str(&format!("  data/raw/gold/{number:02}.tsv\n"));
    }
    expected.push_str(
        "  and 45 more; `--json` lists all\nleft out 1 file with the bytes of another: \
         data/raw/copy_of_HALCYON_10-K_2021.htm, the same as data/raw/HALCYON_10-K_2021.htm\n",
    );
    assert!(answer.stdout.contains(&expected), "{}", answer.stdout);
}

#[test]
#[cfg(unix)]
fn what_is_no_file_is_left_out_aloud() {
    let place = Place::without_git();
    let made = std::process::Command::new("mkfifo").arg(place.at("data/raw/pipe.htm")).status();
    if !made.is_ok_and(|status| status.success()) {
        return;
    }
    let answer = place.ok(&["pipeline"]);
    assert!(answer.stdout.contains("left out 1 file that is no filing: data/raw/pipe.htm\n"), "{answer:#?}");
}

#[test]
fn status_tells_of_a_pipeline_run_in_which_filings_failed() {
    let place = Place::without_git();
    place.write("data/raw/empty.htm", b"");
    assert_eq!(place.run(&["pipeline", "--run-name", "one"]).code, 1);
    let status = place.run(&["status"]);
    assert_eq!(status.code, 1, "{status:#?}");
    for part in
        ["failed       1 pipeline run failed, or filings in it", "1 of 5 filings failed", "pipeline --resume"]
    {
        assert!(status.stdout.contains(part), "{part}: {}", status.stdout);
    }
    let json = place.json(&["status"]);
    assert_eq!((&json["clean"], &json["failed_runs"][0]["name"]), (&false.into(), &"one".into()));
    // Nothing of it is left to be done once it went through.
    place.write("data/raw/empty.htm", &[&samples()[0].1[..], b"<!-- other -->"].concat());
    place.ok(&["pipeline", "--resume"]);
    place.ok(&["status"]);
    // A command that failed may have been a try.
    assert_eq!(place.run(&["run", "--quiet", "--", "false"]).code, 1);
    place.ok(&["status"]);
}

#[test]
fn too_many_failures_stop_the_run_and_it_says_so() {
    for (allowed, count) in [("1", 1), ("17%", 1)] {
        let Some(place) = place_with_earlier_run() else {
            return;
        };
        place.write("data/raw/A.htm", b"<html>");
        place.write("data/raw/B.htm", b"<html>\n");
        let answer =
            place.run(&["pipeline", "--run-name", "later", "--workers", "1", "--max-failures", allowed]);
        assert_eq!(answer.code, 1);
        let runs = place.runs();
        assert_eq!(runs[0]["status"], "failed");
        let reason = runs[0]["reason"].as_str().unwrap();
        let right = reason.starts_with("stopped early: 2 of ")
            && reason.ends_with(&format!(" filings failed, and --max-failures allows {count}"));
        assert!(right, "{reason}");
        assert!(answer.stdout.contains(&format!("\n{reason}; ")), "{}", answer.stdout);
        check_earlier_run(&place);
        let answer = place.run(&["pipeline", "--run-name", "all", "--max-failures", "2"]);
        assert_eq!(answer.code, 1);
        assert!(!answer.stdout.contains("stopped early"), "{}", answer.stdout);
    }
}

#[test]
fn a_limit_and_one_worker_do_as_they_say() {
    let Some(place) = place_with_earlier_run() else {
        return;
    };
    let answer = place.ok(&["pipeline", "--run-name", "later", "--limit", "3", "--workers", "1"]);
    assert!(
        answer.stdout.contains("left out 1 file beyond the limit; `--limit 0` takes all\n"),
        "{}",
        answer.stdout
    );
    assert_eq!(place.output_names().len(), 19 + 3 * 4 + 3);
    check_earlier_run(&place);
}

/// Runs the pipeline with something in the way of its parsed files; they are not written, the rest is, and once the way is
/// free they are.
fn check_in_the_way(block: &dyn Fn(&Place), free: &dyn Fn(&Place), expected: &str) {
    let Some(place) = Place::new() else { return };
    block(&place);
    let answer = place.run(&["pipeline", "--run-name", "later"]);
    assert_eq!(answer.code, 1, "{answer:#?}");
    assert!(answer.stdout.contains(expected), "{}", answer.stdout);
    assert!(
        answer
            .stdout
            .contains("nothing is lost: the contents are kept, `lineage pipeline --resume` writes them\n")
    );
    let parse = answer.stdout.lines().find(|line| line.starts_with("  parse")).unwrap();
    assert!(parse.contains(" not written to their place"), "{parse}");
    let names = place.output_names();
    assert_eq!(names.iter().filter(|name| name.ends_with("_segmented_risks.json")).count(), 4);
    // What was found done and is still not to be written is not said to be written.
    let again = place.run(&["pipeline", "--resume"]);
    let parse = again.stdout.lines().find(|line| line.starts_with("  parse")).unwrap();
    assert!(parse.contains(" not written to their place") && !parse.contains("written again"), "{parse}");
    free(&place);
    place.ok(&["pipeline", "--resume"]);
    assert_eq!(place.output_names().len(), 19);
    assert_eq!(place.runs().len(), 1);
}

#[test]
fn a_file_where_a_folder_should_be_loses_nothing() {
    check_in_the_way(
        &|place| place.write("data/interim/parsed", b"mine"),
        &|place| {
            assert_eq!(place.read("data/interim/parsed"), b"mine");
            fs::remove_file(place.at("data/interim/parsed")).unwrap();
        },
        "_parsed.json`: a file lies where one of its folders is to be\n",
    );
}

#[test]
fn a_folder_where_a_file_should_be_loses_nothing() {
    let file = |place: &Place| {
        format!("data/interim/parsed/{RUN_ID}_later_{}/HALCYON_10-K_2021_{RUN_ID}_parsed.json", place.head())
    };
    check_in_the_way(
        &|place| fs::create_dir_all(place.at(&file(place))).unwrap(),
        &|place| fs::remove_dir(place.at(&file(place))).unwrap(),
        "_parsed.json`: a folder lies there\n",
    );
}

#[test]
#[cfg(unix)]
fn a_link_out_of_the_workspace_is_not_written_through() {
    let outside = tempfile::tempdir().unwrap();
    check_in_the_way(
        &|place| {
            fs::create_dir_all(place.at("data/interim")).unwrap();
            std::os::unix::fs::symlink(outside.path(), place.at("data/interim/parsed")).unwrap();
        },
        &|place| {
            assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
            fs::remove_file(place.at("data/interim/parsed")).unwrap();
        },
        "_parsed.json` leads out of the workspace\n",
    );
}

#[test]
fn a_broken_repository_is_no_reason_not_to_run() {
    let Some(place) = place_with_earlier_run() else {
        return;
    };
    fs::write(place.at(".git/HEAD"), b"nonsense\n").unwrap();
    let answer = place.ok(&["pipeline", "--run-name", "later"]);
    let front = "warning: the git repository cannot be read, so nothing names the code of this run: ";
    assert!(answer.stderr.starts_with(front), "{}", answer.stderr);
    assert_eq!(answer.stderr.lines().count(), 1, "{}", answer.stderr);
    let names = place.output_names();
    only(&names, &["data/processed/20251212_174219_later/metrics.json"]);
    check_earlier_run(&place);
}

/// Runs a shell script with mounts of its own, in an emptied environment; `None`, and a line that says so, where this user
/// may not mount.
fn with_mounts(place: &Place, script: &str) -> Option<String> {
    let unshare = |arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(arguments).current_dir(place.root()).env_clear();
        command.envs([
            ("PATH", std::env::var("PATH").unwrap().as_str()),
            ("HOME", "/nonexistent"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("LINEAGE", env!("CARGO_BIN_EXE_lineage")),
        ]);
        command.stdin(Stdio::null()).output().ok()
    };
    for flags in ["-m", "-rm"] {
        let may = unshare(&[flags, "sh", "-c", "mount -t tmpfs tmpfs data/raw"]);
        if may.is_some_and(|output| output.status.success()) {
            let output = unshare(&[flags, "sh", "-c", &format!("{{ {script}\n}} 2>&1")]).unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            return Some(text.replace(place.root().to_str().unwrap(), "ROOT"));
        }
    }
    skipped(Lack::System, "this user may not mount");
    None
}

#[test]
fn a_read_only_workspace_is_refused_and_still_answers() {
    let Some(place) = place_with_earlier_run() else {
        return;
    };
    check_earlier_run(&place);
    let script = "mount --bind . . && cd \"$PWD\" && mount -o remount,ro,bind . && \
        \"$LINEAGE\" pipeline --run-name later; echo \"code $?\"; \"$LINEAGE\" log; echo \"code $?\"; \
        \"$LINEAGE\" show data/processed/*/NORDWIND* --files; echo \"code $?\"";
    let Some(printed) = with_mounts(&place, script) else {
        return;
    };
    let expected = "error: cannot take a run id in `ROOT/.lineage/run_ids`: Read-only file system (os error 30)\n\
        hint: nothing was recorded, and nothing was changed\ncode 3\n";
    assert!(printed.starts_with(expected), "{printed}");
    assert!(printed.contains(&format!("{RUN_ID}  earlier")), "{printed}");
    assert!(printed.contains("code 0\ndata/raw/NORDWIND_10-K_2023.txt\n"), "{printed}");
    assert!(printed.ends_with("_parsed.json\ncode 0\n"), "{printed}");
    let bare = Place::without_git();
    let script = "mount --bind . . && cd \"$PWD\" && mount -o remount,ro,bind . && \"$LINEAGE\" pipeline; echo \"code $?\"";
    let printed = with_mounts(&bare, script).unwrap();
    assert_eq!(
        printed,
        "error: cannot make a workspace at `ROOT`: Read-only file system (os error 30)\ncode 3\n"
    );
}

#[test]
fn a_damaged_store_is_built_anew_by_the_command_that_finds_it() {
    let Some(place) = place_with_earlier_run() else { return };
    let file = std::fs::read_dir(place.at("data/processed")).unwrap().next().unwrap().unwrap().path();
    let file = std::fs::read_dir(file).unwrap().next().unwrap().unwrap().path();
    let questions: [&[&str]; 3] = [&["log"], &["show", file.to_str().unwrap()], &["metrics", "@", "--json"]];
    let expected: Vec<String> = questions.iter().map(|question| place.ok(question).stdout).collect();
    let whole = place.read(".lineage/store.redb");
    let mut mended = 0;
    for page in (0..whole.len() / 4096).step_by(5) {
        let mut damaged = whole.clone();
        damaged[page * 4096..(page + 1) * 4096].fill(0x5a);
        for (question, expected) in questions.iter().zip(&expected) {
            place.write(".lineage/store.redb", &damaged);
            let answer = place.ok(question);
            assert_eq!(&answer.stdout, expected, "page {page}");
            let says =
                "warning: the store was damaged; it was built anew from the journal, which has it all\n";
            assert!(answer.stderr.is_empty() || answer.stderr == says, "page {page}: {}", answer.stderr);
            mended += usize::from(!answer.stderr.is_empty());
        }
    }
    assert!(mended > 0, "no damage was found, so nothing was tried");
}

#[test]
fn a_full_disk_loses_nothing_and_the_run_goes_on_when_there_is_room() {
    let place = Place::without_git();
    // The disk is filled, and then so many KB are freed again: the runs fail at different points.
    let script = "mkdir small && mount -t tmpfs -o size=12m tmpfs small && mkdir -p small/data && \
        cp -r data/raw small/data/ && cd small && \"$LINEAGE\" pipeline --run-name earlier --quiet; echo \"code $?\"\n\
        for free in 8 24 48 96 160; do\n\
        cat /dev/zero > filler 2>/dev/null; truncate -s -${free}K filler\n\
        \"$LINEAGE\" pipeline --run-name later$free --no-cache --quiet >../out 2>&1; code=$?\n\
        rm filler; grep -q -e 'No space left on device (os error 28)' -e 'cannot open the store' ../out && echo \"full, code $code\" || cat ../out\n\
        \"$LINEAGE\" pipeline --resume --run-name later$free --quiet 2>/dev/null || echo \"not resumed\"\n\
        ls data/processed/*later${free}/*segmented* | wc -l; done\n\
        \"$LINEAGE\" log | grep -c ' ok '; ls data/processed/*earlier/* | wc -l";
    let Some(printed) = with_mounts(&place, script) else {
        return;
    };
    let mut lines = printed.lines();
    assert_eq!(lines.next(), Some("made a workspace at ROOT/small"));
    assert_eq!(lines.next(), Some("code 0"));
    for free in [8, 24, 48, 96, 160] {
        let fault = lines.next().unwrap_or_default();
        let told = fault == "full, code 3" || fault == "full, code 1";
        assert!(told, "with {free} KB: {printed}");
        assert_eq!(lines.next(), Some("4"), "with {free} KB: {printed}");
    }
    assert_eq!(lines.next(), Some("6"), "{printed}");
    // Four outputs, and what tells of the run: metrics, configuration, report.
    assert_eq!(lines.next(), Some("7"), "{printed}");
}

/// Writes a submission of `size_bytes` with a small main document and many embedded ones.
fn write_container(path: &std::path::Path, size_bytes: usize) {
    use std::io::Write as _;
    let (_, sample) = samples().into_iter().find(|(name, _)| name.starts_with("NORDWIND")).unwrap();
    let end = sample.windows(11).position(|bytes| bytes == b"</DOCUMENT>").unwrap() + 12;
    let mut file = std::io::BufWriter::new(fs::File::create(path).unwrap());
    file.write_all(&sample[..end]).unwrap();
    let line = "M0123456789012345678901234567890123456789012345678901234567890\n".repeat(8_000);
    let mut written = end;
    for sequence in 2.. {
        if written >= size_bytes {
            break;
        }
        let exhibit = format!(
            "<DOCUMENT>\n<TYPE>GRAPHIC\n<SEQUENCE>{sequence}\n<FILENAME>g{sequence}.jpg\n<TEXT>\nbegin 644 g{sequence}.jpg\n{line}end\n</TEXT>\n</DOCUMENT>\n"
        );
        file.write_all(exhibit.as_bytes()).unwrap();
        written += exhibit.len();
    }
    file.write_all(b"</SEC-DOCUMENT>\n").unwrap();
    file.flush().unwrap();
}

#[test]
fn a_submission_of_200_mb_takes_no_more_memory_than_its_main_document() {
    let place = Place::empty();
    fs::create_dir_all(place.at("data/raw")).unwrap();
    write_container(&place.at("data/raw/HUGE.txt"), 200_000_000);
    let mut command = place.command(&["pipeline", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut peak_kib = 0;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse().ok());
        peak_kib = peak_kib.max(number.unwrap_or(0));
        std::thread::yield_now();
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["metrics"]["sections_found"], 1.0);
    if peak_kib == 0 {
        skipped(Lack::System, "this system does not tell how much memory a process has");
    }
    assert!(peak_kib < 100_000, "{peak_kib} KiB");
    let names = place.output_names();
    let file = only(&names, &["_segmented_risks.json"]);
    let segment = place.ok(&["show", &format!("{file}#1A_001")]).stdout;
    assert!(segment.contains("data/raw/HUGE.txt"), "{segment}");
}

/// The texts of a backup that may be anything.
const FREE_TEXTS: [&str; 22] = [
    "arguments",
    "base_model",
    "branch",
    "by",
    "commit",
    "commit_short",
    "description",
    "fields",
    "folder",
    "git_sha",
    "host",
    "metrics",
    "model_type",
    "name",
    "notes",
    "parameters",
    "patch_omitted",
    "reason",
    "recorder",
    "subject",
    "tags",
    "unreadable",
];

/// Puts what drives a terminal into every text that may be anything.
fn spoilt(value: Value, is_free: bool) -> Value {
    match value {
        Value::String(text) if is_free => format!("\u{1b}[31m{text}\u{9b}\r\n\u{202e}x").into(),
        Value::Array(values) => values.into_iter().map(|value| spoilt(value, is_free)).collect(),
        Value::Object(fields) => {
            let spoil = |(key, value): (String, Value)| {
                let is_free = FREE_TEXTS.contains(&key.as_str());
                (key, spoilt(value, is_free))
            };
            Value::Object(fields.into_iter().map(spoil).collect())
        }
        value => value,
    }
}

#[test]
fn no_text_of_a_backup_drives_the_terminal() {
    let Some(place) = Place::without_git().with_commit() else { return };
    place.write("train.sh", b"cat data/raw/*.txt > m; echo '{\"f1\": 0.5}' > metrics.json\n");
    place.ok(&["run", "-q", "--param", "seed=1", "--", "sh", "train.sh"]);
    place.write("train.sh", b"cat data/raw/*.txt metrics.json > m; exit 3\n");
    place.run(&["run", "-q", "--param", "seed=2", "--", "sh", "train.sh"]);
    for version in ["1.0.0", "1.1.0"] {
        place.ok(&[
            "register",
            "risk",
            version,
            "--artifact",
            "model=m",
            "--tag",
            "a=b",
            "--description",
            "d",
        ]);
    }
    place.ok(&["models", "delete", "risk@1.1.0", "--reason", "bad"]);
    let backup = place.ok(&["export", "--format", "jsonl"]).stdout;
    let mut lines: Vec<&str> = backup.lines().collect();
    lines.pop();
    let lines = lines.into_iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut spoilt: Vec<String> = lines.map(|line| spoilt(line, false).to_string()).collect();
    // Names of models and versions are checked, and so is the first line.
    spoilt[0] = backup.lines().next().unwrap().to_owned();
    for (line, before) in spoilt.iter_mut().zip(backup.lines()) {
        if before.contains("\"model_") {
            let (mut now, before): (Value, Value) =
                (serde_json::from_str(line).unwrap(), serde_json::from_str(before).unwrap());
            let kind = before.as_object().unwrap().keys().next().unwrap().clone();
            now[&kind]["name"] = before[&kind]["name"].clone();
            *line = now.to_string();
        }
    }
    let end = format!("{{\"end\":{{\"facts\":{}}}}}", spoilt.len() - 1);
    let there = Place::empty();
    there.write("b.jsonl", format!("{}\n{end}\n", spoilt.join("\n")).as_bytes());
    there.ok(&["import", "--format", "jsonl", "b.jsonl"]);
    let mut silent = Vec::new();
    for arguments in [
        &["log"][..],
        &["log", "-w", "name ~ x"],
        &["show", "@"],
        &["show", "@-"],
        &["show", "m"],
        &["show", "m", "--environment"],
        &["show", "data/raw", "--down"],
        &["show", "risk@1.0.0"],
        &["diff", "@-", "@"],
        &["status"],
        &["models"],
        &["models", "show", "risk@1.0.0"],
        &["models", "show", "risk"],
        &["models", "history", "risk"],
        &["models", "compare", "risk@1.0.0", "risk@1.1.0"],
        &["metrics", "@-", "@"],
        &["verify"],
        &["project", "--check"],
        &["rerun", "@"],
        &["restore", "m@@", "--stdout"],
    ] {
        let answer = there.run(arguments);
        let text = answer.stdout + &answer.stderr;
        let found = text.find(['\u{1b}', '\u{9b}', '\r', '\u{202e}']);
        assert!(found.is_none(), "{arguments:?}: {text:?}");
        if text.is_empty() {
            silent.push(arguments);
        }
    }
    assert!(silent.len() < 4, "{silent:?}");
}

#[test]
fn no_workspace_is_made_unasked_at_the_root_of_all() {
    if Path::new("/.lineage").exists() || Path::new("/.git").exists() {
        return;
    }
    let program = env!("CARGO_BIN_EXE_lineage");
    let output = Command::new(program).args(["run", "--", "true"]).current_dir("/").output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(125), "{errors}");
    assert!(
        errors.contains("none is made at `/` unasked") && errors.contains("lineage -C PROJECT"),
        "{errors}"
    );
    assert!(!Path::new("/.lineage").exists());
}
