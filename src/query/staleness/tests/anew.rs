//! What a command goes on with, and what it or another one wrote anew in its place.

use super::{check_out_of_date, out_of_date, stale};

#[test]
fn what_a_command_goes_on_with_is_up_to_date_by_what_it_has_read_anew() {
    let check = |text: &str, disk: &[&str], expected: &[&str]| {
        let found = out_of_date(text, disk);
        assert_eq!(
            found,
            [expected.iter().map(|s| s.to_string()).collect(), vec![], vec![], vec![]],
            "{text} {disk:?}"
        );
    };
    // An archive that is brought up to date, whatever files were named.
    let zip = "1 zip zip -q z.zip a b: a=1 b=1 -> z.zip=1\n2 zip zip -q z.zip a: z.zip=1 a=2 -> z.zip=2\n3 cp x: z.zip=2 -> copy=2";
    check(zip, &[], &[]);
    check(zip, &["a=3"], &["copy <- a", "z.zip <- a"]);
    check(zip, &["b=3"], &["copy <- b", "z.zip <- b"]);
    // A table to which each go adds, and what is made beside it.
    let table = "1 t t.sh: x=1 -> table=1\n2 t t.sh: table=1 x=2 -> table=2 best=2";
    check(table, &[], &[]);
    check(table, &["x=3"], &["best <- x", "table <- x"]);
    // What it computed once, and goes on with as it lies there.
    let once = "1 t t.sh: x=1 -> features=1 model=1\n2 t t.sh: features=1 x=2 -> model=2";
    check(once, &[], &["features <- x", "model <- x"]);
    // What it knows through others counts as well; what it only wrote before it knew does not.
    check("1 t t.sh: y=1 x=1 -> log=1\n2 y y.sh: x=2 -> y=2\n3 t t.sh: log=1 y=2 -> log=2", &[], &[]);
    let early = "1 t t.sh: x=1 -> log=1\n2 t t.sh: log=1 -> a=1; x=2 -> log=2";
    assert_eq!(out_of_date(early, &[]), [vec![], vec![], vec![], vec!["a <- x"]]);
    // Another command does not go on with it, nor does one that was told something else.
    check("1 clean x: raw=1 -> data=1 o=1\n2 more x: data=1 raw=2 -> o=2", &[], &["data <- raw", "o <- raw"]);
    check(
        "1 p p -c one: raw=1 -> data=1 o=1\n2 p p -c two: data=1 raw=2 -> o=2",
        &[],
        &["data <- raw", "o <- raw"],
    );
    // What was made from a source of then by somebody else, and is still there, is stale, and so is what is made from it.
    check(
        "1 t t.sh: x=1 -> y=1 o=1\n1 s s.sh: x=1 -> w=1\n2 t t.sh: y=1 x=2 w=1 -> o=2",
        &[],
        &["o <- x", "w <- x", "y <- x"],
    );
}

#[test]
fn what_its_own_command_wrote_anew_in_its_place_is_as_new_as_what_was_read_before() {
    let check = |text: &str, expected: &[&str]| {
        let expected = expected.iter().map(|s| s.to_string()).collect();
        assert_eq!(out_of_date(text, &[]), [expected, vec![], vec![], vec![]], "{text}");
    };
    // A state that came to the same bytes, and what is made beside it.
    check("1 t t.sh: x=1 -> st=same o=1\n2 t t.sh: st=same x=2 -> st=same o=2\n3 r x: st=same -> r=3", &[]);
    // It wrote there before it read the source of now, or was only told of that by what another one made.
    let early = "1 p x: x=1 -> st=1\n2 q x: st=1 -> st=2; x=2 -> o=1";
    assert_eq!(out_of_date(early, &[]), [vec!["st <- x"], vec![], vec![], vec![]]);
    check("1 p x: x=1 -> st=1\n2 q x: x=2 -> y=1\n3 r x: st=1 y=1 -> st=2", &["st <- x"]);
    // Another source of what lay there is as old as it was.
    check("1 p x: x=1 z=1 -> st=1\n2 q x: z=2 -> y=1\n3 r x: st=1 x=2 -> st=2", &["st <- z"]);
}

#[test]
fn of_a_file_that_several_commands_write_on_what_each_did_last_counts() {
    // A log to which each run adds what it found, and a line of its own.
    let log = "1 wc wc x: x=x1 -> log=l1\n1 echo echo: log=l1 -> log=l2\n\
               2 wc wc x: log=l2 x=x2 -> log=l3\n2 echo echo: log=l3 -> log=l4";
    check_out_of_date(log, &[], &[], &[]);
    check_out_of_date(log, &["x=x3"], &["log <- x"], &[]);
    // Where nothing was read between two, they have written one version together.
    let together = "1 wc wc x: x=x1 -> log=l1\n1 echo echo: -> log=l1\n\
                    2 wc wc x: log=l1 x=x2 -> log=l2\n2 echo echo: log=l1 -> log=l2";
    check_out_of_date(together, &[], &[], &[]);
    check_out_of_date(together, &["x=x3"], &["log <- x"], &[]);
    check_out_of_date(
        &together.replace("2 wc wc x: log=l1 x=x2", "2 q x: x=x2 -> o=o1\n2 wc wc x: log=l1"),
        &[],
        &["log <- x"],
        &[],
    );
    // Two commands that add to one table by turns: each of them has its own last rows in it.
    let turns = "1 tr t.sh: x=x1 -> table=t1\n2 ev e.sh: y=y1 table=t1 -> table=t2\n\
                 3 tr t.sh: x=x2 table=t2 -> table=t3";
    check_out_of_date(turns, &[], &[], &[]);
    check_out_of_date(turns, &["y=y2"], &["table <- y"], &[]);
    check_out_of_date(&format!("{turns}\n4 ev e.sh: y=y2 table=t3 -> table=t4"), &[], &[], &[]);
    // Rows from the same source, of another command, are of then.
    let both = "1 tr t.sh: x=x1 -> table=t1\n2 ev e.sh: x=x1 table=t1 -> table=t2\n3 tr t.sh: x=x2 table=t2 -> table=t3";
    check_out_of_date(both, &[], &[], &["table <- x"]);
    // So are they where a copy was made of them before.
    check_out_of_date(&format!("{log}\n3 cp x: log=l2 -> old=o2"), &["log=l4"], &["old <- log x"], &[]);
    // One that wrote on it and has not read the source of now.
    check_out_of_date(
        "1 wc wc x: x=x1 -> log=l1\n1 echo e: log=l1 -> log=l2\n2 wc wc x: log=l2 -> log=l3\n2 p x: x=x2 -> o=o1",
        &[],
        &["log <- x"],
        &[],
    );
    // What goes through another file and back again.
    check_out_of_date(
        "1 cat cat x: x=x1 -> f=f1\n1 tail t: f=f1 -> f.n=f1\n1 mv m: f.n=f1 -> f=f2\n2 cat cat x: x=x2 f=f2 -> f=f3",
        &[],
        &["f.n <- f x"],
        &[],
    );
}

#[test]
fn what_a_command_was_told_of_anew_is_as_new_as_what_it_was_told_before() {
    // A launcher reads the settings, and the training that it starts goes on with its state.
    let train = "1 cat x: c=c1 ->\n1 t t.sh: d=1 ~c=c1 -> st=s1\n2 cat x: c=c2 ->\n2 t t.sh: d=1 st=s1 ~c=c2 -> st=s2 m=m2";
    check_out_of_date(train, &[], &[], &[]);
    check_out_of_date(train, &["c=c3"], &[], &["m <- c", "st <- c"]);
    // What is inserted into a table is another thing each time.
    let insert = "run 1 command:go\nrun 2 command:COMMAND\n1 cat x: c=c1 ->\n1 db insert_1: ~c=c1 -> db=d1\n\
                  2 cat x: c=c2 ->\n2 db insert_2: db=d1 ~c=c2 -> db=d2";
    check_out_of_date(&insert.replace("COMMAND", "go"), &[], &[], &[]);
    check_out_of_date(&insert.replace("COMMAND", "go"), &["c=c3"], &["db <- c"], &[]);
    check_out_of_date(&insert.replace("COMMAND", "other"), &[], &["db <- c"], &[]);
}

#[test]
fn what_another_command_wrote_anew_in_its_place_may_still_have_old_parts() {
    // A label added to rows of then, a renamed script and a mirror with other options look alike.
    let clean =
        "1 clean x: raw=1 -> data=1\n2 more x: data=1 raw=2 -> data=m log=1\n3 t x: data=m -> model=1";
    check_out_of_date(clean, &[], &[], &["data <- raw", "model <- raw"]);
    check_out_of_date(clean, &["raw=3"], &["data <- raw", "log <- raw", "model <- raw"], &[]);
    check_out_of_date(
        "1 p p -c one: raw=1 -> data=1\n2 p p -c two: data=1 raw=2 -> data=m",
        &[],
        &[],
        &["data <- raw"],
    );
    check_out_of_date(
        "1 p p.py: x=1 -> table=1\n2 p p2.py: table=1 x=2 -> table=m",
        &[],
        &[],
        &["table <- x"],
    );
    check_out_of_date(
        "1 s s -a: a=1 b=1 -> t/b=1\n2 s s -av: a=1 b=2 t/b=1 -> t/b=m",
        &[],
        &[],
        &["t/b <- b"],
    );
    // But what has the very bytes of the source has nothing else.
    check_out_of_date("1 s s -a: a=1 b=1 -> t/b=1\n2 s s -av: a=1 b=2 t/b=1 -> t/b=2", &[], &[], &[]);
    // So does what came to the same bytes again, and what was made from these before.
    check_out_of_date(
        "1 p x: x=1 -> st=1\n1 r x: st=1 -> o=1\n2 q x: st=1 x=2 -> st=1",
        &[],
        &[],
        &["o <- x", "st <- x"],
    );
}

#[test]
fn what_another_run_made_is_no_newer_for_a_run_that_goes_on_with_it_and_wrote_what_that_was_made_from() {
    let text = "1 cat x: params=1 raw=1 -> features=1\n2 sh x: -> params=2\n2 cat x: params=2 features=1 -> model=1\n3 cat x: model=1 -> pred=1";
    assert_eq!(stale(text, &[]), ["features <- params", "model <- params", "pred <- params"]);
    assert_eq!(stale(text, &["params=1"]), ["model <- params", "pred <- params"]);
}
