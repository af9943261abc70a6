//! Points that are read while a command goes on, and when it has ended.

use std::fs::OpenOptions;
use std::os::unix::fs::symlink;

use super::*;
use crate::disk::Disk;
use crate::disk::tests::Full;
use crate::model::{RunKind, Timestamp};
use crate::ops::{Recording, RunRequest};
use crate::query::last_values;

/// Writes the pieces to the file one after the other, looks after each, and returns what is recorded and refused.
fn check(pieces: &[&str], expected: &str, refused: usize) {
    check_with(File::options().create(true).append(true), pieces, expected, refused);
}

fn check_with(options: &OpenOptions, pieces: &[&str], expected: &str, refused: usize) {
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::init(folder.path()).unwrap();
    let clock = Clock::new(|| Timestamp::from_micros(1_000_000));
    let run = NodeId::from_u128(7);
    let path = folder.path().join("points");
    let mut live = Live::new(&workspace, &clock, run, &path);
    for piece in pieces {
        use std::io::Write as _;
        let mut file = options.open(&path).unwrap();
        file.write_all(piece.as_bytes()).unwrap();
        live.take();
    }
    live.follow(&AtomicBool::new(true));
    let remarks: Vec<Remark> = live.take_remarks().collect();
    assert_eq!(remarks.iter().map(|remark| remark.count as usize).sum::<usize>(), refused, "{remarks:?}");
    let points = workspace.view().unwrap().snapshot.metrics(run).unwrap();
    let found: Vec<String> =
        points.iter().map(|p| format!("{}@{}={}", p.name, p.step, p.value.get())).collect();
    assert_eq!(found.join(" "), expected);
    if !points.is_empty() {
        assert_eq!(last_values(&points).len(), 1);
    }
}

#[test]
fn points_wait_for_a_disk_that_is_full_and_are_said_to_be_missing_only_where_it_stays_so() {
    let folder = tempfile::tempdir().unwrap();
    Workspace::init(folder.path()).unwrap();
    let full = Full::with_room(0);
    let workspace = Workspace::at(folder.path(), Disk::with_faults(full.clone()));
    let clock = Clock::new(|| Timestamp::from_micros(1_000_000));
    let run = NodeId::from_u128(7);
    let path = folder.path().join("points");
    let line = |step: usize| format!("{{\"name\":\"a\",\"value\":1,\"step\":{step}}}\n");
    let write = |lines: &str| {
        use std::io::Write as _;
        File::options().create(true).append(true).open(&path).unwrap().write_all(lines.as_bytes()).unwrap();
    };
    let recorded =
        || Workspace::at(folder.path(), Disk::new()).view().unwrap().snapshot.metrics(run).unwrap();
    let mut live = Live::new(&workspace, &clock, run, &path);
    write(&line(0));
    live.take();
    // No room for a segment, then for one and not for what comes into it, then for all.
    full.give(50);
    write(&line(1));
    live.take();
    live.follow(&AtomicBool::new(true));
    assert_eq!(live.take_remarks().count(), 0, "it is tried again");
    let unrecorded = live.finish().err().unwrap().said(&path);
    assert!(unrecorded.starts_with("2 points of metrics or more are not recorded yet"), "{unrecorded}");
    assert_eq!(recorded(), []);
    full.give(1 << 20);
    write(&line(2));
    assert!(live.finish().is_ok());
    assert_eq!(recorded().iter().map(|point| point.step).collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn what_is_read_when_a_full_disk_has_room_goes_on_where_the_rest_was_and_is_said() {
    let folder = tempfile::tempdir().unwrap();
    Workspace::init(folder.path()).unwrap();
    let full = Full::with_room(0);
    let workspace = Workspace::at(folder.path(), Disk::with_faults(full.clone()));
    let clock = Clock::new(|| Timestamp::from_micros(1_000_000));
    let (run, path) = (NodeId::from_u128(7), folder.path().join("points"));
    let mut live = Live::new(&workspace, &clock, run, &path);
    live.waiting_max = 1;
    let point = |value: u32, step: &str| format!("{{\"name\":\"a\",\"value\":{value}{step}}}\n");
    std::fs::write(&path, point(1, ",\"step\":9")).unwrap();
    live.take();
    let mut file = File::options().append(true).open(&path).unwrap();
    io::Write::write_all(&mut file, ("nonsense\n".to_owned() + &point(2, "")).as_bytes()).unwrap();
    live.follow(&AtomicBool::new(true));
    assert_eq!(live.reported().0["a"].1.len(), 1, "the rest waits in the file");
    assert_eq!(live.take_remarks().count(), 0);
    full.give(1 << 20);
    assert!(live.finish().is_ok());
    assert_eq!(live.take_remarks().count(), 1);
    assert_eq!(live.take_remarks().count(), 0, "it is said once");
    let points = workspace.view().unwrap().snapshot.metrics(run).unwrap();
    let last = &last_values(&points)[0];
    assert_eq!((last.step, last.value.get()), (9, 2.0));
}

/// Reads what was left in a file in one go; returns how many points were recorded, and what was refused.
fn left(write: impl FnOnce(&Path), has_ended: bool) -> (usize, Vec<(String, u64)>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("points");
    write(&path);
    let clock = Clock::new(|| Timestamp::from_micros(1_000_000));
    let known = || Ok(BTreeSet::new());
    let rest = Rest { known: &known, clock: &clock, run: NodeId::from_u128(7), path: &path, has_ended };
    let mut count = 0;
    let taken = rest.take(&mut |points| {
        count += points.len();
        Ok(())
    });
    let remarks = taken.unwrap().1.into_iter().map(|remark| (remark.text, remark.count));
    (count, remarks.collect())
}

#[test]
fn of_what_nobody_followed_long_lines_are_refused_and_refused_ones_are_counted_as_while_it_is_followed() {
    let whole = "{\"name\": \"a\", \"value\": 1}\n";
    let long = "x".repeat(2 * LINE_MAX_BYTES);
    // A line that would be one but for the blanks in it.
    let blanks = format!("{}{whole}", " ".repeat(LINE_MAX_BYTES));
    let too_long = || (LINE_TOO_LONG.to_owned(), 1);
    for has_ended in [false, true] {
        let left = |text: String| left(|path| std::fs::write(path, text).unwrap(), has_ended);
        assert_eq!(left(format!("{whole}{long}\n{whole}")), (2, vec![too_long()]));
        assert_eq!(left(format!("{whole}{long}")), (1, vec![too_long()]));
        assert_eq!(left(format!("{blanks}{whole}")), (1, vec![too_long()]));
        let (points, refused) = left("x\n".repeat(1_000) + whole);
        assert_eq!((points, refused.iter().map(|(_, count)| count).sum::<u64>()), (1, 1_000));
        assert_eq!(refused.len(), REFUSED_MAX + 1);
    }
    let (points, refused) = left(|path| File::create(path).unwrap().set_len(1 << 40).unwrap(), true);
    let left_out =
        format!("the last {} bytes of the metrics file were not read", (1_u64 << 40) - LAST_MAX_BYTES);
    assert_eq!((points, refused), (0, vec![too_long(), (left_out, 1)]));
    check(&[&blanks], "", 1);
}

#[test]
fn what_nobody_followed_is_taken_to_its_end_however_long_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::init(folder.path()).unwrap();
    let clock = Clock::new(|| Timestamp::from_micros(1_000_000));
    let request = RunRequest::new("train", RunKind::Command);
    let mut recording = Recording::start(&workspace, &clock, request).unwrap();
    let run = recording.run().id;
    let path = folder.path().join("points");
    // A record has its bounds: one for all of these is longer than a record may be.
    let name = "a".repeat(200);
    let count = 2 * POINTS_MAX + 5;
    let lines: String =
        (0..count).map(|step| format!("{{\"name\":\"{name}\",\"value\":1,\"step\":{step}}}\n")).collect();
    std::fs::write(&path, lines).unwrap();
    let snapshot = workspace.view().unwrap().snapshot;
    let known = || known_points(&snapshot, run);
    let rest = Rest { known: &known, clock: &clock, run, path: &path, has_ended: false };
    let (_, remarks) = rest.take(&mut |points| recording.add(&Fact::Metrics(points))).unwrap();
    assert_eq!(remarks, []);
    recording.commit().unwrap();
    let points = workspace.view().unwrap().snapshot.metrics(run).unwrap();
    assert_eq!(points.len(), count);
}

#[test]
fn where_nothing_was_reported_no_store_is_asked() {
    let known = || Err(Error::store("a store that cannot be read"));
    let clock = Clock::new(|| Timestamp::from_micros(1_000_000));
    let (run, path) = (NodeId::from_u128(7), Path::new("/nowhere/points"));
    let rest = Rest { known: &known, clock: &clock, run, path, has_ended: false };
    let (_, remarks) = rest.take(&mut |_| Ok(())).unwrap();
    assert_eq!(remarks, []);
}

#[test]
fn lines_count_when_they_are_whole() {
    let whole = "{\"name\": \"a\", \"value\": 1, \"step\": 1}\n";
    check(&[whole], "a@1=1", 0);
    check(&[&whole[..10], &whole[10..]], "a@1=1", 0);
    check(&[whole, "{\"name\": \"a\", \"val"], "a@1=1", 1);
    check(&[whole, "{\"name\": \"a\", \"value\": 2}"], "a@1=1 a@1=2", 0);
    check(&["nonsense\n\n", whole], "a@1=1", 1);
    check(&[], "", 0);
}

#[test]
fn a_file_that_is_written_anew_is_read_from_its_beginning_and_that_is_said() {
    let check = |pieces: &[&str], expected: &str, remarks: usize| {
        check_with(File::options().create(true).write(true).truncate(true), pieces, expected, remarks);
    };
    let line = |step: u32| format!("{{\"name\": \"a\", \"value\": 1, \"step\": {step}}}\n");
    // Shorter, as long, longer.
    check(&[&(line(1) + &line(2)), &line(3)], "a@1=1 a@2=1 a@3=1", 1);
    check(&[&line(1), &line(2), &line(3)], "a@1=1 a@2=1 a@3=1", 2);
    check(&[&line(1), &(line(2) + &line(3))], "a@1=1 a@2=1 a@3=1", 1);
    // A line that lacks its end, and half a line.
    check(&[line(1).trim_end(), &line(2)], "a@1=1 a@2=1", 1);
    check(&[&line(1)[..35], &line(2)], "a@2=1", 2);
    check(&[&"x".repeat(LINE_MAX_BYTES + 1), &line(2)], "a@2=1", 2);
}

#[test]
fn another_file_in_its_place_is_read_from_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::init(folder.path()).unwrap();
    let clock = Clock::new(|| Timestamp::from_micros(1_000_000));
    let (path, other) = (folder.path().join("points"), folder.path().join("other"));
    let run = NodeId::from_u128(7);
    let mut live = Live::new(&workspace, &clock, run, &path);
    let line = "{\"name\": \"a\", \"value\": 1}\n";
    std::fs::write(&path, line).unwrap();
    live.take();
    std::fs::write(&other, line).unwrap();
    std::fs::rename(&other, &path).unwrap();
    live.follow(&AtomicBool::new(true));
    assert_eq!(live.take_remarks().map(|remark| remark.count).collect::<Vec<_>>(), [1]);
    assert_eq!(workspace.view().unwrap().snapshot.metrics(run).unwrap().len(), 2);
}

#[test]
fn what_is_no_regular_file_is_not_read_and_an_endless_one_not_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::init(folder.path()).unwrap();
    let clock = Clock::new(|| Timestamp::from_micros(1_000_000));
    let at = |name: &str| folder.path().join(name);
    assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    symlink("/dev/zero", at("zero")).unwrap();
    std::fs::create_dir(at("folder")).unwrap();
    File::create(at("sparse")).unwrap().set_len(1 << 40).unwrap();
    let check = |name: &str, said: &[&str]| {
        let mut live = Live::new(&workspace, &clock, NodeId::from_u128(7), &at(name));
        live.last_max_bytes = 2 * TAKE_MAX_BYTES;
        live.follow(&AtomicBool::new(true));
        let texts: Vec<String> = live.take_remarks().map(|remark| remark.text).collect();
        assert_eq!(texts, said, "{name}");
    };
    check("pipe", &[NO_REGULAR_FILE]);
    check("zero", &[NO_REGULAR_FILE]);
    check("folder", &[NO_REGULAR_FILE]);
    let left_out = (1_u64 << 40) - 2 * TAKE_MAX_BYTES;
    let left_out = format!("the last {left_out} bytes of the metrics file were not read");
    check("sparse", &["a metric line of more than a megabyte was refused", &left_out]);
}

#[test]
fn a_line_without_end_is_passed_over_and_takes_no_memory() {
    let long = "x".repeat(LINE_MAX_BYTES + 1);
    let whole = "{\"name\": \"a\", \"value\": 1}\n";
    check(&[whole, &long, &long, "\n", whole], "a@0=1 a@0=1", 1);
    check(&[&long, &long], "", 1);
}

#[test]
fn refused_lines_are_counted_beyond_those_that_are_named() {
    check(&["x\n".repeat(1_000).as_str()], "", 1_000);
}

#[test]
fn points_without_a_step_keep_their_order() {
    let points: String = (0..500).map(|n| format!("{{\"name\": \"a\", \"value\": {}}}\n", 500 - n)).collect();
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::init(folder.path()).unwrap();
    let clock = Clock::new(|| Timestamp::from_micros(1_000_000));
    let path = folder.path().join("points");
    std::fs::write(&path, points).unwrap();
    let run = NodeId::from_u128(7);
    Live::new(&workspace, &clock, run, &path).follow(&AtomicBool::new(true));
    let points = workspace.view().unwrap().snapshot.metrics(run).unwrap();
    assert_eq!(points.len(), 500);
    assert_eq!(last_values(&points)[0].value.get(), 1.0);
}
