//! The walks in cases made by hand.

use std::collections::HashMap;

use super::{a_run, number, step_from};
use crate::model::{
    ArtifactPath, CaptureLevel, ChangeKind, ChangedFile, Digest, Evidence, Fact, Generated, NodeId, Remark,
    RemarkKind, Remarks, Role, Run, RunKind, StepAct, Timestamp, Used,
};
use crate::query::ancestry::{Far, Start, Trace, downstream, downstream_of, upstream, upstream_of_steps};
use crate::query::origin::{Origin, last_writer, origin, writers};
use crate::store::tests::world::{CONTENTS, PATHS, artifact, store_of};

/// Says where a read of `start` (`path=content@time`) came from, and which steps lie up and down from it.
fn check(lines: &[&str], start: &str, expected: &str) {
    let facts: Vec<Fact> = lines.iter().map(|line| step_from(line)).collect();
    let (_place, snapshot) = store_of(&facts);
    let Fact::StepDone(reader) = step_from(&format!("99: {start} >")) else {
        unreachable!("it is a step");
    };
    let read = &reader.used[0];
    let start = number(&snapshot, &read.artifact).unwrap();
    let ids = |trace: &Trace| trace.steps.iter().map(|s| s.id.as_u128()).collect::<Vec<_>>();
    let from = match origin(&snapshot, start, read.at.micros(), None).unwrap() {
        Origin::Written(write) => format!("written by {}", write.id.as_u128()),
        Origin::Copied(write) => format!("copied from {}", write.id.as_u128()),
        Origin::Alike(write) => format!("alike {}", write.id.as_u128()),
        Origin::Gap(write) => format!("gap after {}", write.id.as_u128()),
        Origin::Unknown(write) => format!("perhaps {}", write.id.as_u128()),
        Origin::Source => "source".to_owned(),
    };
    let up = upstream(&snapshot, start, read.at.micros(), u32::MAX).unwrap();
    let down = downstream(&snapshot, start, u32::MAX).unwrap();
    let found = format!("{from}, up {:?}, down {:?}", ids(&up), ids(&down));
    assert_eq!(found, expected, "{lines:?}");
}

#[test]
fn the_writer_is_the_last_before_the_read_and_not_a_later_one() {
    let lines = ["1: > 0=1@1", "2: > 0=2@2", "3: > 0=1@5", "4: 0=1@3 > 2=3@4"];
    check(&lines, "0=1@3", "written by 1, up [1], down [4]");
    check(&lines, "2=3@9", "written by 4, up [4, 1], down []");
}

#[test]
fn a_diamond_lists_the_shared_step_once() {
    let lines = ["1: > 0=1@1", "2: 0=1@2 > 1=1@3", "3: 0=1@2 > 1=2@4", "4: 1=1@3 1=2@5 > 2=3@6"];
    check(&lines, "2=3@9", "written by 4, up [4, 3, 2, 1], down []");
    check(&lines, "0=1@9", "written by 1, up [1], down [2, 3, 4]");
}

#[test]
fn an_input_that_a_run_keeps_a_copy_of_does_not_come_from_that_copy() {
    // A configuration read by each run, which writes a copy of it beside its results: the runs do not come from one another.
    let lines = ["1: 0=1@1 > 2=1@2 3=2@2", "2: 0=1@3 > 1=1@4 3=3@4"];
    check(&lines, "0=1@9", "source, up [], down [1, 2]");
    check(&lines, "3=3@9", "written by 2, up [2], down []");
}

#[test]
fn what_a_step_wrote_on_in_leads_for_certain_to_that_alone() {
    // Two trainings that note themselves in one database (0), each with its data (1) and its model (2, 3).
    let trainings =
        ["1: 0=1@1 1=1@2 > 2=1@3 0=2@4", "2 of 2: 0=2@11 1=0@12 > 3=1@13 0=3@14", "3 of 3: 0=3@21 > 0=1@22"];
    let facts = trainings.map(step_from);
    let (_place, snapshot) = store_of(&facts);
    let of =
        |path: usize, content: usize| number(&snapshot, &artifact(PATHS[path], CONTENTS[content])).unwrap();
    let ids = |trace: &Trace| trace.steps.iter().map(|step| step.id.as_u128()).collect::<Vec<_>>();
    let sure = Far { depth_max: u32::MAX, weakest: Evidence::Doubtful };
    let up = upstream(&snapshot, of(3, 1), 20, sure).unwrap();
    assert_eq!((ids(&up), up.cut.edges), (vec![2], 0));
    // What was read there is named, and where it came from.
    let known: Vec<_> = up.steps[0].used.iter().map(|edge| (edge.artifact, edge.evidence)).collect();
    assert_eq!(known, [(of(0, 2), Evidence::Carried), (of(1, 0), Evidence::Observed)]);
    assert!(matches!(up.steps[0].used[0].origin, Some(Origin::Written(_))));
    assert_eq!(ids(&upstream(&snapshot, of(3, 1), 20, u32::MAX).unwrap()), [2, 1]);
    assert_eq!(ids(&upstream(&snapshot, of(0, 3), 20, sure).unwrap()), [2, 1]);
    let down = downstream(&snapshot, of(1, 1), sure).unwrap();
    let made = |trace: &Trace| {
        let made = trace.steps.iter().flat_map(|step| step.generated.iter().map(move |edge| (step, edge)));
        made.map(|(step, edge)| (step.id.as_u128(), edge.artifact, edge.evidence)).collect::<Vec<_>>()
    };
    let (sure_of, carried) = (Evidence::Observed, Evidence::Carried);
    let first = [(1, of(2, 1), sure_of), (1, of(0, 2), sure_of)];
    let (second, third) = ((2, of(0, 3), sure_of), (3, of(0, 1), sure_of));
    assert_eq!(made(&down), [&first[..], &[second, third]].concat());
    let leads_elsewhere: Vec<bool> = down.steps.iter().map(|step| step.leads_elsewhere).collect();
    assert_eq!(leads_elsewhere, [true, false, false]);
    let down = downstream(&snapshot, of(1, 1), u32::MAX).unwrap();
    assert_eq!(made(&down), [&first[..], &[(2, of(3, 1), carried), second, third]].concat());
}

#[test]
fn what_a_launcher_wrote_on_in_is_carried_to_those_that_it_only_told_of_it() {
    let lines = [
        "1: 1=1@1 > 0=1@2",
        // A launcher with a book of its jobs (0), and two jobs: the second reads the book itself.
        "2 of 2: 0=1@3 > 0=3@9",
        "3 of 2: 0=1@3? 1=2@4 > 2=2@5",
        "4 of 2: 0=1@3? 0=1@6 > 3=2@7",
        // One who tells of what it wrote nothing on in.
        "5 of 3: 0=1@10 > 3=3@13",
        "6 of 3: 0=1@10? > 2=3@12",
    ];
    let (_place, snapshot) = store_of(&lines.map(step_from));
    let of =
        |path: usize, content: usize| number(&snapshot, &artifact(PATHS[path], CONTENTS[content])).unwrap();
    let ids = |trace: &Trace| trace.steps.iter().map(|step| step.id.as_u128()).collect::<Vec<_>>();
    let sure = Far { depth_max: u32::MAX, weakest: Evidence::Doubtful };
    let ups = [(2, 2), (3, 2), (2, 3), (0, 3)].map(|(path, content)| {
        let start = of(path, content);
        [sure, u32::MAX.into()].map(|far| ids(&upstream(&snapshot, start, 20, far).unwrap()))
    });
    let expected =
        [[vec![3], vec![3, 1]], [vec![4, 1], vec![4, 1]], [vec![6, 1], vec![6, 1]], [vec![2, 1], vec![2, 1]]];
    assert_eq!(ups, expected);
    let down = downstream(&snapshot, of(1, 1), sure).unwrap();
    let made = down.steps.iter().flat_map(|step| &step.generated).map(|edge| edge.artifact);
    let made: std::collections::HashSet<_> = made.collect();
    assert!(!made.contains(&of(2, 2)) && made.contains(&of(3, 2)) && made.contains(&of(2, 3)));
    assert!(downstream(&snapshot, of(1, 1), u32::MAX).unwrap().steps.len() == 6);
}

#[test]
fn a_run_as_a_whole_goes_back_for_certain_to_what_its_files_elsewhere_do() {
    let lines = [
        "1: 1=1@1 > 0=1@2",
        // A training that notes itself in a database, and a look at that.
        "2 of 2: 0=1@3 > 2=2@4 0=3@5",
        "3 of 2: 0=3@6 >",
        // Who does nothing but go on with it.
        "4 of 3: 0=3@7 > 0=2@8",
        // One who writes down what it found there.
        "5 of 4: 0=2@9 > 0=1@10",
        "6 of 4: 0=1@11 > 3=2@12",
    ];
    let (_place, snapshot) = store_of(&lines.map(step_from));
    let up = |run: u128, weakest| {
        let run = snapshot.run_no(NodeId::from_u128(run)).unwrap().unwrap();
        let far = Far { depth_max: u32::MAX, weakest };
        let up = upstream_of_steps(&snapshot, &snapshot.steps_of(run).unwrap(), far).unwrap();
        up.steps.iter().map(|step| step.id.as_u128()).collect::<Vec<_>>()
    };
    assert_eq!(up(2, Evidence::Doubtful), [3, 2]);
    assert_eq!(up(2, Evidence::Carried), [3, 2, 1]);
    assert_eq!(up(3, Evidence::Doubtful), [4, 2, 1]);
    assert_eq!(up(4, Evidence::Doubtful), [6, 5, 4, 2, 1]);
}

#[test]
fn bytes_that_lay_elsewhere_first_are_a_copy_and_others_a_gap() {
    check(&["1: > 0=1@1", "2: 1=1@2 > 2=2@3"], "1=1@2", "copied from 1, up [1], down [2]");
    check(&["1: > 0=1@1", "2: 0=2@2 > 2=3@3"], "0=2@2", "gap after 1, up [], down [2]");
    // Of few bytes anybody may have written the same.
    check(&["1: > 0=2@1", "2: 1=2@2 > 2=3@3"], "1=2@2", "alike 1, up [], down [2]");
    check(&["1: > 0=2@1 1=1@1", "2: 1=2@2 > 2=3@3"], "1=2@2", "gap after 1, up [], down [2]");
    check(&["1: > 0=0@1", "2: 1=0@2 > 2=3@3"], "1=0@2", "source, up [], down [2]");
}

#[test]
fn all_steps_of_a_run_that_wrote_a_version_made_it_together() {
    // A shell and what it started write to one stream; the shell ends last, and read nothing.
    let run = ["1: 0=1@1 > 2=3@4", "2: 1=2@2 > 2=3@5", "3: > 2=3@9"];
    check(&run, "2=3@9", "written by 3, up [3, 2, 1], down []");
    check(&run, "0=1@9", "source, up [], down [1]");
    // Read while the last was at it.
    let lines = [run[0], run[1], run[2], "4 of 2: 2=3@7 > 3=1@8"];
    check(&lines, "3=1@9", "written by 4, up [4, 2, 1], down []");
    check(&lines, "0=1@9", "source, up [], down [1, 4]");
    // The copy of it that somebody reads elsewhere.
    let lines = [run[0], run[1], run[2], "4 of 2: 3=3@20 > 3=1@21"];
    check(&lines, "3=1@30", "written by 4, up [4, 3, 2, 1], down []");
    check(&lines, "1=2@9", "source, up [], down [2, 4]");
}

#[test]
fn what_a_step_itself_renamed_there_before_is_no_origin_of_what_it_read() {
    // The first step wrote the same bytes to 0 as the renaming one did, which then renames them: what was renamed onto 0 before
    // does not lead on to 2.
    let made = step_from("1: 3=2@0 > 0=1@1");
    let mut renamed = step_from("2: 1=1@1 0=1@3 > 0=1@1 2=1@3");
    if let Fact::StepDone(step) = &mut renamed {
        step.act = StepAct::Moved;
    }
    let reads_of = |facts: &[Fact]| {
        let (_place, snapshot) = store_of(facts);
        let start = number(&snapshot, &artifact(PATHS[2], CONTENTS[1])).unwrap();
        let up = upstream(&snapshot, start, 9, u32::MAX).unwrap();
        assert_eq!(up.cut.edges, 0);
        up.steps.iter().map(|step| (step.id.as_u128(), step.used.len())).collect::<Vec<_>>()
    };
    assert_eq!(reads_of(&[made.clone(), renamed.clone()]), [(2, 1), (1, 1)]);
    // For another reader of the same version it is one.
    let other = step_from("3 of 2: 0=1@5 > 2=1@6");
    assert_eq!(reads_of(&[made, renamed, other]), [(3, 1), (2, 1), (1, 1)]);
}

#[test]
fn a_run_and_the_runs_inside_it_write_together() {
    let run = |id: u128, parent: Option<u128>| {
        Fact::RunStarted(Run { parent: parent.map(NodeId::from_u128), ..a_run(NodeId::from_u128(id)) })
    };
    // The outer run sees the program, the inner one only that something was written, and the recorder itself ends last.
    let steps = ["1: 0=1@1 > 2=3@2", "2 of 2: > 2=3@3", "3: > 2=3@4"].map(step_from);
    let up = |facts: &[Fact]| {
        let (_place, snapshot) = store_of(facts);
        let start = number(&snapshot, &artifact(PATHS[2], CONTENTS[3])).unwrap();
        let read = number(&snapshot, &artifact(PATHS[0], CONTENTS[1])).unwrap();
        let down = downstream(&snapshot, read, u32::MAX).unwrap();
        assert_eq!(down.steps.len(), 1);
        upstream(&snapshot, start, 9, u32::MAX).unwrap().steps.len()
    };
    assert_eq!(up(&[&steps[..], &[run(1, None), run(2, None)]].concat()), 1);
    assert_eq!(up(&[&steps[..], &[run(1, None), run(2, Some(1))]].concat()), 3);
}

#[test]
fn who_was_seen_to_write_at_a_moment_did_and_not_who_noted_it() {
    let steps = ["1: 0=1@1 > 2=3@4", "2 of 2: > 2=3@4"].map(step_from);
    let ids = |kind| {
        let run = Fact::RunStarted(Run { kind, ..a_run(NodeId::from_u128(2)) });
        let (_place, snapshot) = store_of(&[&steps[..], &[run]].concat());
        let start = number(&snapshot, &artifact(PATHS[2], CONTENTS[3])).unwrap();
        let trace = upstream(&snapshot, start, 9, 1).unwrap();
        let Origin::Written(last) = trace.origin else { panic!("{trace:?}") };
        let all = writers(&snapshot, start).unwrap();
        assert_eq!(all[0], last);
        assert_eq!(last_writer(&snapshot, start).unwrap(), Some(last));
        all.iter().map(|write| write.id.as_u128()).collect::<Vec<_>>()
    };
    assert_eq!(ids(RunKind::Command), [2, 1]);
    assert_eq!(ids(RunKind::Import), [1, 2]);
}

#[test]
fn the_same_bytes_written_by_another_run_are_not_written_together() {
    let lines = ["1: 0=1@1 > 2=3@2", "2 of 2: 1=2@3 > 2=3@4", "3: > 2=3@6", "4 of 2: 2=3@5 > 3=1@7"];
    check(&lines, "2=3@9", "written by 3, up [3], down [4]");
    check(&lines, "3=1@9", "written by 4, up [4, 2], down []");
    check(&lines, "0=1@9", "source, up [], down [1]");
}

#[test]
fn what_a_repetition_wrote_in_its_copy_is_the_last_to_be_an_origin() {
    let fact = |line: &str, copy: bool| {
        let Fact::StepDone(mut step) = step_from(line) else { unreachable!("it is a step") };
        let renamed = ArtifactPath::new("rerun://1/data/a").unwrap();
        step.generated.iter_mut().filter(|_| copy).for_each(|edge| edge.artifact.path = renamed.clone());
        Fact::StepDone(step)
    };
    let read = step_from("3 of 3: 1=1@5 > 2=2@6");
    let from = |facts: &[Fact]| {
        let (_place, snapshot) = store_of(facts);
        let start = number(&snapshot, &artifact(PATHS[1], CONTENTS[1])).unwrap();
        match origin(&snapshot, start, 5, None).unwrap() {
            Origin::Copied(write) => write.id.as_u128(),
            other => panic!("{other:?}"),
        }
    };
    let (original, repeated) = (fact("1: > 0=1@1", false), fact("2 of 2: > 0=1@2", true));
    assert_eq!(from(&[original, repeated.clone(), read.clone()]), 1);
    assert_eq!(from(&[repeated, read]), 2);
}

#[test]
fn a_run_that_was_seen_whole_copied_nothing_that_it_is_not_recorded_to_have_written() {
    let run = NodeId::from_u128(1);
    let mut facts = vec![step_from("1: > 0=1@1"), step_from("2: 1=1@2 > 2=2@3")];
    let from = |facts: &[Fact]| {
        let (_place, snapshot) = store_of(facts);
        let end = number(&snapshot, &artifact(PATHS[2], CONTENTS[2])).unwrap();
        let up = upstream(&snapshot, end, 9, u32::MAX).unwrap();
        let start = number(&snapshot, &artifact(PATHS[0], CONTENTS[1])).unwrap();
        let down = downstream(&snapshot, start, u32::MAX).unwrap();
        (up.steps.len(), down.steps.len())
    };
    assert_eq!(from(&facts), (2, 1));
    facts.push(Fact::RunStarted(Run { kind: RunKind::Command, ..a_run(run) }));
    facts.push(Fact::Remarked(Remarks::new(
        run,
        Timestamp::from_micros(9),
        Some(CaptureLevel::Net),
        Vec::new(),
    )));
    assert_eq!(from(&facts), (1, 0));
    let unseen = vec![Remark::new(RemarkKind::Unseen, "something")];
    facts.push(Fact::Remarked(Remarks::new(run, Timestamp::from_micros(10), None, unseen)));
    assert_eq!(from(&facts), (2, 1));
}

#[test]
fn what_lay_there_when_the_run_began_that_wrote_the_same_elsewhere_is_no_copy() {
    let steps = ["1: > 0=1@1", "2 of 2: > 0=1@5", "3 of 3: 1=1@7 > 2=2@8"].map(step_from);
    let from = |untracked: Option<&str>| {
        let listed = untracked.map(|content| ChangedFile {
            path: ArtifactPath::new(PATHS[1]).unwrap(),
            kind: ChangeKind::Untracked,
            digest: Some(Digest::of(content.as_bytes())),
            size_bytes: content.len() as u64,
        });
        let mut run = Run { started_at: Timestamp::from_micros(4), ..a_run(NodeId::from_u128(2)) };
        run.code.untracked.extend(listed);
        let (_place, snapshot) = store_of(&[&steps[..], &[Fact::RunStarted(run)]].concat());
        let start = number(&snapshot, &artifact(PATHS[1], CONTENTS[1])).unwrap();
        match origin(&snapshot, start, 7, None).unwrap() {
            Origin::Copied(write) => Some(write.id.as_u128()),
            _ => None,
        }
    };
    assert_eq!(from(None), Some(2));
    assert_eq!(from(Some(CONTENTS[2])), Some(2));
    // It may still come from what was written before.
    assert_eq!(from(Some(CONTENTS[1])), Some(1));
}

#[test]
fn what_a_step_read_before_it_wrote_the_same_bytes_elsewhere_is_no_copy_of_them() {
    // A step that reads and writes at one moment, and one that reads the first file again.
    let facts = ["1: 1=1@5 > 2=1@5", "2 of 2: 1=1@9 > 3=2@10"].map(step_from);
    let (_place, snapshot) = store_of(&facts);
    let read = number(&snapshot, &artifact(PATHS[1], CONTENTS[1])).unwrap();
    for at in [5, 9] {
        assert_eq!(origin(&snapshot, read, at, None).unwrap(), Origin::Source);
    }
}

#[test]
fn what_had_lain_unchanged_since_before_the_same_was_written_elsewhere_is_no_copy() {
    let mut steps =
        ["1: > 0=1@2", "2 of 2: > 0=1@5", "3 of 3: 1=1@7 > 2=2@8", "4 of 4: 1=1@8 > 2=3@9"].map(step_from);
    let begin = |fact: &mut Fact, started_at| {
        let Fact::StepDone(step) = fact else { unreachable!("it is a step") };
        step.started_at = Timestamp::from_micros(started_at);
    };
    begin(&mut steps[0], 1);
    begin(&mut steps[1], 4);
    let from = |since: Option<i64>, host: &str| {
        let mut facts = steps.to_vec();
        let Fact::StepDone(reader) = &mut facts[2] else { unreachable!("it is a step") };
        reader.unchanged_since = since.map(|since| (0, Timestamp::from_micros(since))).into_iter().collect();
        facts.extend([1, 2].map(|run| Fact::RunStarted(a_run(NodeId::from_u128(run)))));
        facts.push(Fact::RunStarted(Run { host: host.to_owned(), ..a_run(NodeId::from_u128(3)) }));
        let (_place, snapshot) = store_of(&facts);
        let start = number(&snapshot, &artifact(PATHS[1], CONTENTS[1])).unwrap();
        // Whoever asks, and whoever read it later, has it from the same.
        let origins = [7, 9].map(|at| match origin(&snapshot, start, at, None).unwrap() {
            Origin::Copied(write) => Some(write.id.as_u128()),
            _ => None,
        });
        assert_eq!(origins[0], origins[1]);
        origins[0]
    };
    assert_eq!(from(None, "h"), Some(2));
    // Changed while the last one wrote, it may be a copy of that; before, only of what was written before.
    assert_eq!(from(Some(4), "h"), Some(2));
    assert_eq!(from(Some(3), "h"), Some(1));
    assert_eq!(from(Some(0), "h"), None);
    // The clock of another machine proves nothing.
    assert_eq!(from(Some(0), "other"), Some(2));
}

#[test]
fn of_three_simultaneous_writers_one_counts_for_every_later_reader() {
    let lines = ["9: > 0=1@1", "3 of 3: > 0=1@1", "4 of 4: > 0=1@1", "5: 0=1@7 > 2=2@8"];
    check(&lines, "2=2@9", "written by 5, up [5, 9], down []");
    let facts: Vec<Fact> = lines.iter().map(|line| step_from(line)).collect();
    let (_place, snapshot) = store_of(&facts);
    let down_from = |id: u128| {
        let run = snapshot.run_no(NodeId::from_u128(if id < 9 { id } else { 1 })).unwrap().unwrap();
        let mut steps = snapshot.steps_of(run).unwrap();
        steps.retain(|step| snapshot.edges(*step).unwrap().unwrap().id.as_u128() == id);
        downstream_of(&snapshot, Start::Steps(&steps), u32::MAX).unwrap().steps.len()
    };
    assert_eq!([down_from(9), down_from(3), down_from(4)], [2, 1, 1]);
}

#[test]
fn a_bound_on_depth_is_announced_and_leaves_out_only_what_is_farther() {
    // Step 4 is near by one way and far by another, and the far way is the later one.
    let lines = ["1: > 0=1@1", "2: 0=1@2 > 0=2@3", "3: 0=2@4 > 0=3@5", "4: 0=1@2 0=3@6 > 2=3@7"];
    let facts: Vec<Fact> = lines.iter().map(|line| step_from(line)).collect();
    let (_place, snapshot) = store_of(&facts);
    let start = number(&snapshot, &artifact(PATHS[2], CONTENTS[3])).unwrap();
    let seen = |depth_max| {
        let trace = upstream(&snapshot, start, 9, depth_max).unwrap();
        let ids: Vec<u128> = trace.steps.iter().map(|s| s.id.as_u128()).collect();
        (ids, trace.cut.edges)
    };
    assert_eq!(seen(0), (vec![], 1));
    assert_eq!(seen(1), (vec![4], 2));
    assert_eq!(seen(2), (vec![4, 3, 1], 1));
    assert_eq!(seen(3), (vec![4, 3, 2, 1], 0));
}

#[test]
fn a_long_chain_is_walked_whole() {
    let mut facts = Vec::new();
    for n in 1..2000_u128 {
        let at = |time: u128| Timestamp::from_micros(time as i64);
        let version = |n: u128| artifact(PATHS[0], &n.to_string());
        let (evidence, role) = (Evidence::Observed, Role::Data);
        let Fact::StepDone(mut step) = step_from(&format!("{n}: >")) else {
            unreachable!("it is a step");
        };
        step.used = vec![Used { artifact: version(n - 1), at: at(2 * n), evidence, role }];
        step.generated = vec![Generated { artifact: version(n), at: at(2 * n + 1), evidence, role }];
        facts.push(Fact::StepDone(step));
    }
    let (_place, snapshot) = store_of(&facts);
    let number = |n: u32| number(&snapshot, &artifact(PATHS[0], &n.to_string())).unwrap();
    let up = upstream(&snapshot, number(1999), i64::MAX, u32::MAX).unwrap();
    let down = downstream(&snapshot, number(0), u32::MAX).unwrap();
    assert_eq!((up.steps.len(), up.cut.edges), (1999, 0));
    assert_eq!((down.steps.len(), down.cut.edges), (1999, 0));
    let depths: HashMap<u32, usize> = up.steps.iter().map(|s| (s.depth, 1)).collect();
    assert_eq!(depths.len(), 1999);
}
