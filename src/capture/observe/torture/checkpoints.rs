//! What the checkpoints of a run tell is what its observer knew: all of them together say what the observer says at the end, and
//! the first of them nothing that is not true of the whole.

use super::super::stamp::Stamp;
use super::super::{Access, Fit, Gap, GapSort, Process, Recovered, recover};
use super::*;

/// Compares what checkpoints tell with what the observer said at the end; every trial of the list is put to it.
pub(super) fn compare(options: &Options<'_>, parts: &[Vec<u8>], whole: &Observation) {
    if parts.is_empty() || whole.level != Level::Net {
        return;
    }
    let all = recovered(options, parts);
    // What somebody has changed since the last checkpoint is not known.
    let goes_on = |gap: &Gap| matches!(gap.sort, GapSort::StillRunning | GapSort::Overwritten);
    if !whole.gaps.iter().any(goes_on) {
        assert_eq!(all.exit, Some(whole.exit));
        let found = all.observation;
        let (one, other) = (of_the_trial(options, &found), of_the_trial(options, whole));
        for (one, other) in one.iter().zip(&other) {
            assert_eq!(one, other);
        }
        assert_eq!(one.len(), other.len());
        assert_eq!(found.gaps, whole.gaps);
        assert_eq!((found.had_input, found.ended_us), (whole.had_input, whole.ended_us));
    }
    // The worst case: nobody died, all went on to its end, and the disk is as it is then.
    for count in 1..parts.len() {
        check_front(&recovered(options, &parts[..count]).observation, whole);
    }
}

/// Writes down what is said of each process and each file of the trial. Others, such as the one that the output of all tests goes
/// to, change meanwhile.
fn of_the_trial(options: &Options<'_>, observation: &Observation) -> Vec<String> {
    let is_ours = |file: usize| (options.is_wanted)(&observation.files[file].path);
    let processes = observation.processes.iter().map(|process| {
        let mut process = process.clone();
        process.accesses.retain(|access| is_ours(access.file));
        // That a file was opened once more is no news: no checkpoint is made for it, and none tells of it.
        process.accesses.iter_mut().for_each(|access| access.was_read_again = false);
        format!("{process:#?}")
    });
    let files = observation.files.iter().enumerate().filter(|(number, _)| is_ours(*number));
    let files = files.map(|(_, file)| format!("{:#?}", without_times_of_reading(file)));
    processes.chain(files).collect()
}

/// Leaves out when the names of a file that was only read had last changed as its digest was taken, which may have been since the
/// last checkpoint or at the end.
fn without_times_of_reading(file: &File) -> File {
    let mut file = file.clone();
    for version in file.versions.iter_mut().filter(|version| !version.was_written) {
        version.stamp = version.stamp.map(|stamp| Stamp { ctime_ns: 0, ..stamp });
    }
    file
}

fn recovered(options: &Options<'_>, parts: &[Vec<u8>]) -> Recovered {
    recover(options, &mut parts.iter().map(Vec::as_slice)).expect("there are checkpoints")
}

/// What a process did with which bytes.
fn deeds(observation: &Observation, process: &Process) -> Vec<(Digest, bool)> {
    // What was added to bytes whose sum is not known may have been nothing: only times were set, say.
    let is_known = |access: &Access| content(observation, access).is_some();
    let is_added_to = |kept: &Access| {
        let next = |access: &&Access| (access.file, access.version) == (kept.file, kept.version + 1);
        process.accesses.iter().filter(next).any(|access| access.written_us.is_some() && is_known(access))
    };
    let sure = process.accesses.iter().filter(|access| access.fit != Fit::Changed);
    let sure = sure.filter(|access| !access.was_only_kept || is_added_to(access));
    let known = sure.filter_map(|access| Some((access, content(observation, access)?)));
    let both = known.flat_map(|(access, digest)| {
        let read = access.read_us.map(|_| (digest, false));
        read.into_iter().chain(access.written_us.map(|_| (digest, true)))
    });
    both.collect()
}

fn content(observation: &Observation, access: &Access) -> Option<Digest> {
    Some(observation.files[access.file].versions[access.version].content?.digest)
}

/// Holds the front of a run against the whole: the same processes, that did nothing which they did not do.
fn check_front(front: &Observation, whole: &Observation) {
    for process in &front.processes {
        let is_it = |other: &&Process| {
            (other.pid, &other.exe, other.started_us) == (process.pid, &process.exe, process.started_us)
        };
        let number = whole.processes.iter().position(|other| is_it(&other));
        let number = number.unwrap_or_else(|| panic!("nobody ran {process:#?}"));
        let same = &whole.processes[number];
        // What a fork does before it runs a program of its own is its parent's until then.
        let children = whole.processes.iter().filter(|other| other.parent == Some(number));
        let done: Vec<_> = children.chain([same]).flat_map(|process| deeds(whole, process)).collect();
        for (digest, was_written) in deeds(front, process) {
            let verb = if was_written { "wrote" } else { "read" };
            assert!(done.contains(&(digest, was_written)), "{:?} never {verb} {digest}", same.arguments);
        }
    }
}

/// Makes a script of a few commands on a few files out of any numbers.
fn script(numbers: &[(u8, u8, u8)]) -> String {
    let file = |number: u8| ["a", "b", "c", "s/d", "s/e"][number as usize % 5];
    let line = |(what, one, other): &(u8, u8, u8)| {
        let (one, other) = (file(*one), file(*other));
        match what % 12 {
            0 => format!("cat {one} > {other}"),
            1 => format!("cat {one} >> {other}"),
            2 => format!("cp {one} {other}"),
            3 => format!("mv {one} {other}"),
            4 => format!("rm {one}"),
            5 => format!("cat {one} | tr a b > {other}"),
            6 => format!("{{ cat {one}; cat {other}; }} > {one}.both"),
            7 => format!("x=$(cat {one}); echo $x > {other}"),
            8 => format!("ln -f {one} {other}"),
            9 => format!("(cat {one} > {other}) & wait"),
            10 => format!("exec 3>> {one}; echo x >&3; exec 3>&-; cat {other} > /dev/null"),
            _ => format!("sed -i s/a/c/ {one}; sort -o {other} {one}"),
        }
    };
    numbers.iter().map(line).collect::<Vec<_>>().join("\n")
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]

    #[test]
    fn whenever_the_observer_dies_what_is_left_is_true(
        numbers in proptest::collection::vec(proptest::prelude::any::<(u8, u8, u8)>(), 1..12),
    ) {
        // Each trial is compared with its own checkpoints, and with each front of them.
        let files = &[("a", "of a\n"), ("b", "of b\n"), ("s/d", "of d\n")];
        let script = format!("{{\n{}\n}} 2> /dev/null", script(&numbers));
        try_with(files, &["sh", "-c", &script], &|_| {});
    }
}

#[test]
fn a_name_that_the_run_takes_from_a_file_at_rest_is_no_change_of_its_bytes() {
    try_with(&[("b", "of b\n")], &["sh", "-c", "cp b c; sleep 0.1; ln c a; sleep 0.1; rm c"], &|_| {});
}

#[test]
fn permissions_that_are_set_after_a_file_was_written_are_no_change_of_its_bytes() {
    try_with(&[("b", "of b\n")], &["sh", "-c", "cp b c; sleep 0.1; chmod a-w c"], &|_| {});
}
