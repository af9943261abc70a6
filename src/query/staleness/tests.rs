//! Files made from what is no longer so, in small histories.

mod anew;

use super::*;
use crate::query::histories::{artifact, history};
use crate::query::{NewestFile, newest_files};

/// Returns what is stale, `file <- paths`, when the disk holds `disk` beside what was recorded last; `PATH gone` is not there.
pub(super) fn stale(text: &str, disk: &[&str]) -> Vec<String> {
    out_of_date(text, disk)[0].clone()
}

/// Returns what is stale, what was made from what its own command has kept up since, and what may be stale, as [`stale`] does.
pub(super) fn out_of_date(text: &str, disk: &[&str]) -> [Vec<String>; 4] {
    let history = history(text);
    let snapshot = &history.snapshot;
    let files = newest_files(snapshot).unwrap();
    let gone: Vec<&str> = disk.iter().filter_map(|word| word.strip_suffix(" gone")).collect();
    let disk: HashMap<String, Digest> = disk
        .iter()
        .filter(|word| !word.ends_with(" gone"))
        .map(|word| artifact(word).0)
        .map(|file| (file.path.to_string(), file.digest))
        .collect();
    let current = |path: PathNo| {
        let file = files.iter().find(|file| file.path_no == path)?;
        let path = file.artifact.path.to_string();
        let last = || snapshot.artifact(file.last()).unwrap().digest;
        if gone.contains(&path.as_str()) {
            return Some(Now::Gone(None));
        }
        Some(Now::Bytes(disk.get(&path).copied().unwrap_or_else(last)))
    };
    let targets: Vec<&NewestFile> =
        files.iter().filter(|file| file.writer.is_some() && !file.superseded).collect();
    let writes: Vec<Write> = targets.iter().filter_map(|file| file.writer).collect();
    let mut ancestry = Ancestry::of(snapshot, &writes).unwrap();
    ancestry.part_twins(&|path, digest| current(path) == Some(Now::Bytes(*digest)));
    let all = ancestry.outdated(snapshot, &current, &|_| Ok(true)).unwrap();
    ancestry.causes_max = 1;
    let bounded = ancestry.outdated(snapshot, &current, &|_| Ok(true)).unwrap();
    let first = |causes: &Causes<Outdated>| {
        let first = causes.first.iter().take(1).copied().collect();
        Causes { first, total: causes.first.len() as u64 }
    };
    let firsts = all.iter().map(|all| OutOfDate {
        left_over: all.left_over.as_ref().map(|(run, causes)| (*run, first(causes))),
        settled: first(&all.settled),
        stale: first(&all.stale),
        kept_up: first(&all.kept_up),
        may_be: first(&all.may_be),
        carried: first(&all.carried),
        left_by: all.left_by,
    });
    assert_eq!(bounded, firsts.collect::<Vec<_>>());
    let mut lines: [Vec<String>; 4] = Default::default();
    for (file, found) in targets.iter().zip(all) {
        let OutOfDate { stale, kept_up, may_be, carried, .. } = found;
        for (outdated, lines) in [stale, kept_up, may_be, carried].iter().zip(&mut lines) {
            let of = |cause: &Outdated| snapshot.artifact(cause.used).unwrap().path.to_string();
            let causes: Vec<String> = outdated.first.iter().map(of).collect();
            // What was itself altered is told from what was made from it elsewhere.
            if !causes.is_empty() && current(file.path_no) == Some(Now::Bytes(file.artifact.digest)) {
                lines.push(format!("{} <- {}", file.artifact.path, causes.join(" ")));
            }
        }
    }
    lines
}

/// Holds what is stale, and what may be, against what is expected; nothing is kept up.
fn check_out_of_date(text: &str, disk: &[&str], stale: &[&str], may_be: &[&str]) {
    let expected: [Vec<String>; 4] =
        [stale, &[], may_be, &[]].map(|lines| lines.iter().map(|line| line.to_string()).collect());
    assert_eq!(out_of_date(text, disk), expected, "{text} {disk:?}");
}

#[test]
fn nothing_is_stale_while_all_is_as_it_was_read() {
    assert_eq!(stale("1 p x: a=1 -> b=1\n1 q x: b=1 -> c=1", &[]), [""; 0]);
}

#[test]
fn what_changed_on_disk_makes_stale_all_that_was_made_from_it() {
    let text = "1 p x: a=1 -> b=1\n1 q x: b=1 other=7 -> c=2\n1 r x: other=7 -> d=3";
    assert_eq!(stale(text, &["a=2"]), ["b <- a", "c <- a"]);
    assert_eq!(stale(text, &["b=9"]), ["c <- b"]);
}

#[test]
fn what_was_made_from_what_is_wanted_as_it_is_is_not_out_of_date_by_what_that_was_made_from() {
    let history = history("1 p x: a=1 -> b=1\n1 q x: b=1 -> c=1\n1 r x: b=1 a=1 -> d=1");
    let snapshot = &history.snapshot;
    let number = |path: &str| snapshot.path_no(&ArtifactPath::new(path).unwrap()).unwrap().unwrap();
    let last = |path: &str| {
        let version = snapshot.versions(number(path)).unwrap()[0];
        crate::query::last_writer(snapshot, version).unwrap().unwrap()
    };
    let mut ancestry = Ancestry::of(snapshot, &[last("b"), last("c"), last("d")]).unwrap();
    let current = |path: PathNo| {
        let content = if path == number("a") { "2" } else { "1" };
        Some(Now::Bytes(Digest::of(content.as_bytes())))
    };
    let is_stale = |ancestry: &Ancestry| {
        let found = ancestry.outdated(snapshot, &current, &|_| Ok(true)).unwrap();
        found.iter().map(|found| !found.stale.is_empty()).collect::<Vec<_>>()
    };
    assert_eq!(is_stale(&ancestry), [true, true, true]);
    ancestry.end_at(&HashSet::from([last("b").artifact]));
    assert_eq!(is_stale(&ancestry), [false, false, true]);
}

#[test]
fn what_is_gone_makes_stale_all_that_was_made_from_it() {
    let text = "1 p x: a=1 b=1 -> c=1\n1 q x: c=1 -> d=1\n1 q x: b=1 -> e=1";
    assert_eq!(stale(text, &["a gone"]), ["c <- a", "d <- a"]);
    assert_eq!(stale(text, &["c gone"]), ["d <- c"]);
}

#[test]
fn a_newer_recorded_version_makes_stale_what_was_made_from_the_older_one() {
    assert_eq!(stale("1 p x: a=1 -> b=1\n1 q x: b=1 -> c=1\n2 p x: a=1 -> b=2", &[]), ["c <- b"]);
    assert_eq!(stale("1 p x: a=1 -> b=1\n2 q x: a=2 -> c=1", &[]), ["b <- a"]);
}

#[test]
fn what_was_made_from_two_versions_of_one_file_is_stale_also_where_one_of_them_is_the_newest() {
    let text = "1 cat x: s=1 -> o=1\n2 cat x: o=1 s=2 -> both=1";
    assert_eq!(stale(text, &[]), ["both <- s", "o <- s"]);
    assert_eq!(stale(text, &["s=1"]), ["both <- s"]);
}

#[test]
fn of_what_one_step_writes_in_turn_only_what_it_wrote_later_is_made_from_what_it_read() {
    let text = "1 sh x: a=1 -> o=1; b=1 -> p=1; c=1 -> q=1\n2 cat x: p=1 -> r=1";
    assert_eq!(stale(text, &["a=2"]), ["o <- a", "p <- a", "q <- a", "r <- a"]);
    assert_eq!(stale(text, &["b=2"]), ["p <- b", "q <- b", "r <- b"]);
    assert_eq!(stale(text, &["c=2"]), ["q <- c"]);
    assert_eq!(stale(text, &["b=2", "c=2"]), ["p <- b", "q <- b c", "r <- b"]);
}

#[test]
fn what_was_made_anew_from_itself_is_no_newer_for_that() {
    let text = "1 p x: raw=1 -> a=1\n2 q x: a=1 -> b=1\n3 r x: b=1 -> a=1";
    assert_eq!(stale(text, &["raw=2"]), ["a <- raw", "b <- raw"]);
}

#[test]
fn a_file_brought_up_to_date_in_place_does_not_make_itself_stale() {
    let text = "1 p x: a=1 -> a=2\n2 p x: a=2 -> a=3 log=1\n3 q x: a=3 -> table=1";
    assert_eq!(stale(text, &[]), [""; 0]);
    assert_eq!(out_of_date(text, &["a=9"]), [vec!["table <- a"], vec![], vec![], vec!["log <- a"]]);
}

#[test]
fn what_its_command_left_as_it_was_when_it_ran_again_is_settled_or_left_over() {
    let history_of = |program: &str, second: &str| {
        let command = program;
        format!(
            "run 1 command:{command}\n1 {program} m: rules=r1 ->\n1 cc a: a=a1 rules=r1 -> o=o1\n\
             run 2 command:{command}\n2 {program} m: rules=r2 ->{second}"
        )
    };
    let outdated_where = |text: &str, is_here: bool| {
        let history = history(text);
        let snapshot = &history.snapshot;
        let files = newest_files(snapshot).unwrap();
        let file = files.iter().rfind(|file| file.artifact.path.to_string() == "o").unwrap();
        let first = snapshot.artifact_no(file.path_no, &Digest::of(b"o1")).unwrap().unwrap();
        let write = crate::query::last_writer(snapshot, first).unwrap().unwrap();
        let ancestry = Ancestry::of(snapshot, &[write]).unwrap();
        let now = |path| {
            let file = files.iter().find(|file| file.path_no == path)?;
            Some(Now::Bytes(snapshot.artifact(file.last()).unwrap().digest))
        };
        let found = ancestry.outdated(snapshot, &now, &|_| Ok(is_here)).unwrap().remove(0);
        (found.stale.total, found.may_be.total, found.left_over.is_some(), found.settled.total)
    };
    let outdated = |text: &str| outdated_where(text, true);
    // A tool that makes what is not up to date had the new rules before it; a script made something else.
    assert_eq!(outdated(&history_of("make", "")), (0, 0, false, 1));
    assert_eq!(outdated(&history_of("sh", " p=p2").replace("-> o=o1", "-> o=o1 p=p1")), (0, 0, true, 0));
    // Where each run writes files of its own, each of these may stand for its run.
    assert_eq!(outdated(&history_of("sh", "")), (0, 1, false, 0));
    assert_eq!(outdated(&history_of("sh", " p=p1")), (0, 1, false, 0));
    assert_eq!(outdated(&history_of("sh", " d/p=p2").replace("-> o=o1", "-> o=o1 d/p=p1")), (0, 1, false, 0));
    assert_eq!(outdated(&history_of("sh", " d/o=o2")), (0, 1, false, 0));
    // A build tool beside other programs says nothing of what these made.
    assert_eq!(outdated(&history_of("make", "").replace("command:make", "command:all")), (0, 1, false, 0));
    // What was done in another workspace says nothing of what lies here.
    assert_eq!(outdated_where(&history_of("make", ""), false), (1, 0, false, 0));
    // What it read it may have found as it should be, or gone on with; where it was compared, that is known.
    assert_eq!(outdated(&history_of("sh", " p=p1\n2 cat x: o=o1 -> q=q1")), (0, 1, false, 0));
    assert_eq!(outdated(&history_of("sh", " p=p1\n2 cmp x: o=o1 p=p1 ->")), (0, 0, false, 1));
    assert_eq!(outdated(&history_of("sh", " p=p1\n2 cmp x: o=o1 q=q1 ->")), (0, 1, false, 0));
    // One that wrote other bytes there since is another matter, whatever lies there now.
    assert_eq!(
        outdated(&history_of("sh", " o=o2\n3 git x: z=z1 -> z=z2\n3 cat x: o=o1 -> n=n1")),
        (1, 0, false, 0)
    );
    // Another command, and one that had not all before it.
    assert_eq!(
        outdated(&history_of("make", "").replacen("command:make", "command:other", 1)),
        (1, 0, false, 0)
    );
    assert_eq!(outdated(&history_of("sh", "\n3 vi x: -> a=a2")), (2, 0, false, 0));
    assert_eq!(outdated(&history_of("make", "\n3 vi x: -> a=a2")), (1, 0, false, 0));
}

#[test]
fn what_a_run_reads_of_what_it_wrote_on_itself_is_kept_up_by_the_next_one() {
    // A nightly job adds a row, and makes a report of all; another one with other words is the same command.
    let night = |run: u8| {
        format!(
            "{run} sh sh n.sh {run}: !n.sh=n db=d{} -> db=d{run}\n{run} sort x: db=d{run} -> report{run}=r{run}",
            run - 1
        )
    };
    let nights = [1, 2, 3].map(night).join("\n");
    let [stale, older, ..] = out_of_date(&nights, &[]);
    assert_eq!((stale, older), (vec![], vec!["report1 <- db".to_owned(), "report2 <- db".to_owned()]));
    // A report by another run stands for what it read.
    assert_eq!(
        out_of_date(&format!("{}\n4 sort x: db=d1 -> late=l\n{}", night(1), night(2)), &[])[0],
        ["late <- db"]
    );
}

#[test]
fn what_was_carried_through_a_file_that_a_step_wrote_on_is_told_apart() {
    // Two trainings that note themselves in one database, and an evaluation of the second.
    let text =
        "1 train a.py: a=a1 -> db=d1 ma=ma\n2 train b.py: b=b1 db=d1 -> db=d2 mb=mb\n3 eval x: mb=mb -> e=e";
    let carried = |text: &str, disk: &[&str]| out_of_date(text, disk)[3].clone();
    assert_eq!(out_of_date(text, &[]), [const { Vec::<String>::new() }; 4]);
    assert_eq!(out_of_date(text, &["a=a2"])[0], ["db <- a", "ma <- a"]);
    assert_eq!(carried(text, &["a=a2"]), ["e <- a", "mb <- a"]);
    assert_eq!(out_of_date(text, &["b=b2"])[0], ["db <- b", "e <- b", "mb <- b"]);
    assert_eq!(carried(text, &["b=b2"]), [""; 0]);
    // Where something is stale for certain, that is all that is said.
    assert_eq!(carried(text, &["a=a2", "b=b2"]), [""; 0]);
    let tidied = format!("{text}\n4 tidy x: db=d2 -> db=d3");
    assert_eq!(carried(&tidied, &[]), ["e <- db", "mb <- db"]);
    // What has the bytes of what was written on there has them from there.
    let (one, two) = ("1".repeat(64), "2".repeat(64));
    let resumed =
        format!("1 train a: a=a1 -> ck={one}\n2 train b: b=b1 ck={one} -> ck={two} model={two} log=l1");
    assert_eq!(out_of_date(&resumed, &["a=a2"])[0], ["ck <- a", "model <- a"]);
    assert_eq!(carried(&resumed, &["a=a2"]), ["log <- a"]);
    // What its own command has read anew since is as it lies there now.
    let again = "1 train a.py: a=a1 -> db=d1\n2 train a.py: a=a2 db=d1 -> db=d2 m=m";
    assert_eq!(out_of_date(again, &[]), [const { Vec::<String>::new() }; 4]);
}

#[test]
fn what_a_run_wrote_after_it_had_read_what_lay_there_makes_its_own_outputs_not_stale() {
    // As when old code is checked out, and then the new code again.
    let text = "1 git x: z=1 -> code=old\n1 cat x: code=old -> o=1\n1 git x: z=1 -> code=new";
    assert_eq!(stale(text, &[]), [""; 0]);
    assert_eq!(stale(text, &["code=newer"]), ["o <- code"]);
    // By another run it is overtaken.
    let other = "1 cat x: code=old -> o=1\n2 git x: z=1 -> code=new";
    assert_eq!(stale(other, &[]), ["o <- code"]);
    // What was read after that write was changed since.
    assert_eq!(stale("1 git x: z=1 -> code=new\n1 cat x: code=old -> o=1", &["code=new"]), ["o <- code"]);
}

#[test]
fn what_its_own_command_keeps_up_makes_no_earlier_output_stale() {
    let check = |text: &str, expected: [&[&str]; 2]| {
        let [stale, kept_up, _, carried] = out_of_date(text, &[]);
        assert_eq!([[stale, carried].concat(), kept_up], expected, "{text}");
    };
    let train =
        |run: u8| format!("{run} python python3 train.py: data=1 log={run} -> m{run}=1 log={}", run + 1);
    let three = [1, 2, 3].map(train).join("\n");
    check(&three, [&[], &["m1 <- log", "m2 <- log"]]);
    // What was made from such a model is as good as that.
    check(
        &format!("1 python python3 train.py: log=1 -> m1=1 log=2\n3 eval x: m1=1 -> e=1\n{}", train(2)),
        [&[], &["e <- log", "m1 <- log"]],
    );
    // Another command, one that makes it anew, and a reader that does not keep it up.
    check(&format!("{three}\n4 clean x: log=4 -> log=5"), [&["m1 <- log", "m2 <- log", "m3 <- log"], &[]]);
    check(
        &format!("{three}\n4 python python3 train.py: data=1 -> log=5"),
        [&["m1 <- log", "m2 <- log", "m3 <- log"], &[]],
    );
    check(&format!("0 plot x: log=1 -> p=plotted\n{three}"), [&["p <- log"], &["m1 <- log", "m2 <- log"]]);
    // A command is known by its script, whatever else it is told; else by its whole line.
    check(
        "1 python python3 -u lib/t.py 1: !lib/t.py=1 log=1 -> m1=1 log=2\n\
         2 python python3 lib/t.py 2: !lib/t.py=1 log=2 -> m2=1 log=3\n\
         3 python python3 -m lib.t 3: !lib/t.py=1 log=3 -> m3=1 log=4",
        [&[], &["m1 <- log", "m2 <- log"]],
    );
    check("1 db db add 1: log=1 -> m1=1 log=2\n2 db db add 2: log=2 -> m2=1 log=3", [&["m1 <- log"], &[]]);
    // Whatever lies there was not written by the command.
    let by_hand = out_of_date(&three, &["log=9"]);
    assert_eq!(by_hand, [vec!["m1 <- log"], vec![], vec![], vec!["m2 <- log", "m3 <- log"]]);
}

#[test]
fn what_a_step_that_read_something_itself_was_only_told_of_is_a_doubt() {
    let check = |text: &str, disk: &[&str], stale: &[&str], may_be: &[&str]| {
        let [found, _, doubts, _] = out_of_date(text, disk);
        assert_eq!(
            (found, doubts),
            (stale.iter().map(|s| s.to_string()).collect(), may_be.iter().map(|s| s.to_string()).collect()),
            "{text}"
        );
    };
    // A shell takes what it finds in a file as an argument of what it starts.
    let told = "1 cat x: a=1 ->\n1 t x: data=d ~a=1 -> o=8\n2 p x: o=8 -> p=9";
    check(told, &["a=2"], &[], &["o <- a", "p <- a"]);
    check(told, &["data=2"], &["o <- data", "p <- data"], &[]);
    check(told, &["a=2", "data=2"], &["o <- data", "p <- data"], &[]);
    check(
        "0 q x: raw=1 -> a=1\n1 cat x: a=1 ->\n1 t x: data=d ~a=1 -> o=8",
        &["raw=2"],
        &["a <- raw"],
        &["o <- raw"],
    );
    // What a program with nothing else to go by made can come from nothing else; a script is something.
    check("1 cat x: a=1 ->\n1 t x: ~a=1 -> o=9", &["a=2"], &["o <- a"], &[]);
    check("1 cat x: a=1 ->\n1 t x: !t.py=s ~a=1 -> o=9", &["a=2"], &[], &["o <- a"]);
    // A compiler tells its builder what it read, and that starts the next one.
    let built =
        "1 cc f: !f.c=1 -> f.o=f\n1 cc m: !m.c=c ~f.c=1 -> m.o=m\n1 ld x: f.o=f m.o=m ~f.c=1 ~m.c=c -> app=x";
    check(built, &["f.c=2"], &["app <- f.c", "f.o <- f.c"], &[]);
    // What it was told of the sources of then is no doubt by what it knows of those of now.
    let include =
        "1 cc f: !f.c=1 -> f.d=d1 f.o=1\n2 cc f: !f.c=2 ~f.d=d1 -> f.d=d2 f.o=2\n2 ld x: f.o=2 -> app=x";
    check(include, &[], &[], &[]);
    check(include, &["f.c=3"], &["app <- f.c", "f.d <- f.c", "f.o <- f.c"], &[]);
    // A builder goes on with its log from run to run.
    let run = |run: u8, log: u8| {
        format!(
            "{run} cc f: !f.c={run} ~log=l{log} -> f.o=o{run}\n{run} ninja ninja: rules=r log=l{log} ~f.c={run} -> log=l{run}"
        )
    };
    check(&format!("{}\n{}", run(1, 0), run(2, 1)), &[], &[], &[]);
}

#[test]
fn who_reads_what_it_starts_others_with_hands_it_over_by_name() {
    // It is at work all the while that those are whom it started.
    let world =
        |reads: &str, rest: &str| format!("1 driver x: {reads} -> log=l{}\n{rest}", "; ->".repeat(200));
    let may_be = |text: &str, disk: &str| out_of_date(text, &[disk])[2].clone();
    let sorts = "1 sort x: a=1 ~b=1 ~rules=1 -> o=1\n1 sort y: b=1 ~a=1 ~rules=1 -> p=1";
    let text = world("rules=1 a=1 b=1", sorts);
    assert_eq!(may_be(&text, "b=2"), [""; 0]);
    assert_eq!(may_be(&text, "rules=2"), ["o <- rules", "p <- rules"]);
    // One that reads nothing of what it starts others with may have told them what stands in a file that they also read.
    let text = world("settings=1", "1 train x: data=d ~settings=1 -> o=1\n1 eval x: settings=1 -> p=1");
    assert_eq!(may_be(&text, "settings=2"), ["o <- settings"]);
}

#[test]
fn of_what_lies_in_two_places_only_many_bytes_prove_that_one_is_a_copy() {
    let text =
        |content: &str| format!("1 p x: a=1 -> b={content}\n2 q x: c={content} -> d=9\n3 r x: d=9 -> e=9");
    let (few, many) = (text("few"), text(&"many".repeat(16)));
    assert_eq!(stale(&few, &["a=2"]), ["b <- a"]);
    assert_eq!(stale(&many, &["a=2"]), ["b <- a", "d <- a", "e <- a"]);
    // What is no longer in its own place may have been moved.
    assert_eq!(stale(&few, &["a=2", "b gone"]), ["d <- a", "e <- a"]);
    assert_eq!(stale(&few, &["a=2", "b=other"]), ["d <- a", "e <- a"]);
}

#[test]
fn two_files_that_a_run_swapped_are_not_stale() {
    let text = "1 mv x: A=1 -> t=1\n1 mv y: B=2 -> A=2\n1 mv z: t=1 -> B=1";
    assert_eq!(stale(text, &[]), [""; 0]);
}

#[test]
fn what_was_put_back_is_not_stale_any_more() {
    assert_eq!(stale("1 p x: a=1 -> b=1\n2 q x: a=2 -> c=1", &["a=1"]), ["c <- a"]);
}

#[test]
fn what_was_made_anew_and_came_to_the_same_bytes_is_up_to_date() {
    let text = "1 p x: raw=1 -> parsed=1\n1 q x: parsed=1 -> items=1\n1 r x: items=1 -> words=1";
    assert_eq!(stale(text, &["raw=2"]), ["items <- raw", "parsed <- raw", "words <- raw"]);
    let anew = format!("{text}\n2 p x: raw=2 -> parsed=2\n2 q x: parsed=2 -> items=1");
    assert_eq!(stale(&anew, &[]), [""; 0]);
    assert_eq!(stale(&anew, &["raw=3"]), ["items <- raw", "parsed <- raw", "words <- parsed raw"]);
    // By the first way, what lies there now leads to the same.
    assert_eq!(stale(&anew, &["raw=1", "parsed=1"]), ["items <- parsed raw"]);
}

#[test]
fn a_second_output_of_a_command_does_not_supersede_the_first() {
    let text = "1 python x: a=1 -> m1=1\n2 python x: a=1 -> m2=2";
    assert!(newest_files(&history(text).snapshot).unwrap().iter().all(|file| !file.superseded));
    assert_eq!(stale(text, &["a=9"]), ["m1 <- a", "m2 <- a"]);
}

#[test]
fn what_a_repetition_was_given_is_not_what_lies_there() {
    let text = "run 1 seed=1\nrun 3 rerun\n1 p x: a=1 -> b=1\n2 p x: a=2 -> b=2\n3 p x: a=1 -> rerun://r/b=1";
    let files = newest_files(&history(text).snapshot).unwrap();
    let a = files.iter().find(|file| file.artifact.path.as_bytes() == b"a").unwrap();
    assert_eq!(a.artifact.digest, Digest::of(b"2"));
    // What it wrote lies nowhere any more.
    assert_eq!(stale(text, &[]), ["rerun://r/b <- a"]);
}

#[test]
fn what_was_changed_while_it_was_read_makes_doubtful_all_that_was_made_from_it() {
    let history = history("1 p x: a=1 -> b=2\n1 q x: b=2 c=3 -> d=4\n1 r x: c=3 -> e=5");
    let snapshot = &history.snapshot;
    let files = newest_files(snapshot).unwrap();
    let writes: Vec<Write> = files.iter().filter_map(|file| file.writer).collect();
    let mut ancestry = Ancestry::of(snapshot, &writes).unwrap();
    assert!(ancestry.doubtful(snapshot).unwrap().iter().all(Causes::is_empty));
    let a = files.iter().find(|file| file.artifact.path.as_bytes() == b"a").unwrap();
    let reads = ancestry.nodes.iter_mut().flat_map(|node| &mut node.reads);
    reads.filter(|read| read.seen.artifact == a.number).for_each(|read| read.is_doubtful = true);
    let doubtful = ancestry.doubtful(snapshot).unwrap();
    let written = files.iter().filter(|file| file.writer.is_some()).zip(doubtful);
    let names = written.filter(|(_, inputs)| inputs.first == [a.artifact.clone()]).map(|(file, _)| file);
    let names: Vec<String> = names.map(|file| file.artifact.path.to_string()).collect();
    assert_eq!(names, ["b", "d"]);
}
