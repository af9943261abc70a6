//! Tests of the journal: nothing acknowledged is lost, and no damage goes unseen.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::codec::{decode_parts, encode_parts};
use super::frame::{FRAME_OVERHEAD_BYTES, HEADER_BYTES, Header, short_sum, write_frame};
use super::{
    Listing, Reader, SegmentBytes, Tail, Writer, list, pack, pack_of, read_segment, writer_is_alive,
};
use crate::disk::tests::{Crash, FailOnce, Full, Leaves};
use crate::disk::{Disk, Operation};
use crate::error::Result;
use crate::model::{Fact, Metric, MetricValue, NodeId, Timestamp};

mod fixture;
mod fixture_code;
mod fixture_links;
mod fixture_notes;
mod sync_points;

/// A small fact that is like no other with another number.
fn fact(number: u128) -> Fact {
    Fact::Metrics(vec![Metric {
        owner: NodeId::from_u128(number),
        name: "f1".repeat(1 + number as usize % 5),
        step: 0,
        at: Timestamp::from_micros(number as i64),
        value: MetricValue::new(0.5).unwrap(),
    }])
}

fn write(disk: &Disk, folder: &Path, segment: u128, facts: impl IntoIterator<Item = u128>) -> Result<Writer> {
    let mut writer = Writer::create(disk, folder, segment)?;
    for number in facts {
        writer.append(&fact(number))?;
    }
    writer.commit()?;
    Ok(writer)
}

fn segment_of(bytes: &[u8], segment: u128) -> SegmentBytes {
    let (header, rest) = bytes.split_at(bytes.len().min(HEADER_BYTES));
    SegmentBytes {
        segment,
        header: header.to_vec(),
        offset: HEADER_BYTES as u64,
        rest: rest.to_vec(),
        more: false,
    }
}

/// What is read of a segment.
struct Read {
    facts: Vec<Fact>,
    damaged: Vec<u64>,
    tail: Tail,
    error: Option<String>,
}

fn read(bytes: &[u8], segment: u128) -> Read {
    let bytes = segment_of(bytes, segment);
    let mut read = Read { facts: Vec::new(), damaged: Vec::new(), tail: Tail::Clean, error: None };
    match Reader::new("s.seg", &bytes) {
        Err(error) => {
            read.error = Some(format!("{}; {}", error.in_full(), error.hint_text().unwrap_or_default()))
        }
        Ok(None) => {
            let bytes = bytes.header.len() as u64;
            read.tail = Tail::Torn { bytes };
        }
        Ok(Some(mut reader)) => {
            loop {
                match reader.next() {
                    Ok(Some(fact)) => read.facts.push(fact),
                    Ok(None) => break,
                    Err(error) => {
                        read.error =
                            Some(format!("{}; {}", error.in_full(), error.hint_text().unwrap_or_default()));
                        break;
                    }
                }
            }
            read.damaged = reader.damaged().to_vec();
            read.tail = reader.tail();
        }
    }
    read
}

/// Reads the numbers of all facts of a journal, and how often each is there.
fn numbers(folder: &Path) -> BTreeMap<u128, usize> {
    let mut found = BTreeMap::new();
    for segment in list(folder, &|_| false).unwrap().segments {
        let bytes = read_segment(&segment, 0, u64::MAX).unwrap().unwrap();
        let Some(mut reader) = Reader::new("s.seg", &bytes).unwrap() else {
            continue;
        };
        while let Some(fact) = reader.next().unwrap() {
            let Fact::Metrics(points) = fact else {
                panic!("only metrics are written here");
            };
            *found.entry(points[0].owner.as_u128()).or_default() += 1;
        }
    }
    found
}

fn bytes_of(segment: u128, facts: std::ops::Range<u128>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    drop(write(&Disk::new(), folder.path(), segment, facts).unwrap());
    fs::read(folder.path().join(format!("{segment:032x}.seg"))).unwrap()
}

/// Where each frame of a segment begins, and where the last one ends.
fn borders(bytes: &[u8]) -> Vec<usize> {
    let mut borders = vec![HEADER_BYTES];
    while let Some(at) = borders.last().copied().filter(|at| *at < bytes.len()) {
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        borders.push(at + length + FRAME_OVERHEAD_BYTES);
    }
    borders
}

// ---- damage ----

#[test]
fn a_segment_cut_anywhere_holds_the_whole_frames_before_the_cut() {
    let bytes = bytes_of(7, 0..9);
    let borders = borders(&bytes);
    for cut in 0..=bytes.len() {
        let found = read(&bytes[..cut], 7);
        let whole = borders.iter().filter(|border| **border <= cut).count().saturating_sub(1);
        let expected: Vec<Fact> = (0..whole as u128).map(fact).collect();
        assert_eq!(found.facts, expected, "cut at {cut}");
        assert_eq!(found.error, None, "cut at {cut}");
        assert_eq!(found.tail == Tail::Clean, borders.contains(&cut), "cut at {cut}");
    }
}

#[test]
fn a_flipped_bit_costs_one_frame_and_is_seen() {
    let bytes = bytes_of(7, 0..6);
    let borders = borders(&bytes);
    for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << bit;
        let found = read(&flipped, 7);
        let hit = borders.iter().rposition(|border| *border <= at);
        let expected = (0..6).filter(|number| hit != Some(*number as usize)).map(fact);
        assert_eq!(found.facts, expected.collect::<Vec<_>>(), "bit {bit} of byte {at}");
        let seen = !found.damaged.is_empty() || found.tail != Tail::Clean || found.error.is_some();
        assert!(seen, "bit {bit} of byte {at}");
    }
}

#[test]
fn damage_over_several_frames_costs_those_alone() {
    let bytes = bytes_of(7, 0..9);
    let borders = borders(&bytes);
    for (first, last) in (0..9).flat_map(|first| (first + 1..9).map(move |last| (first, last))) {
        for filling in [0x00, 0xff, b'a'] {
            let mut damaged = bytes.clone();
            damaged[borders[first] + 1..borders[last] - 1].fill(filling);
            let found = read(&damaged, 7);
            let left: Vec<Fact> =
                (0..9).filter(|n| *n < first || *n >= last).map(|n| fact(n as u128)).collect();
            assert_eq!(found.facts, left, "{first} to {last} filled with {filling}");
            assert!(!found.damaged.is_empty());
        }
    }
}

#[test]
fn frames_that_were_moved_or_come_from_elsewhere_are_refused() {
    let (ours, theirs) = (bytes_of(7, 0..4), bytes_of(8, 4..8));
    let borders = borders(&ours);
    // Frames of another segment, where they lay there.
    let mut pasted = ours.clone();
    pasted.extend_from_slice(&theirs[HEADER_BYTES..]);
    assert_eq!(read(&pasted, 7).facts.len(), 4);
    // A frame of our own once more, and the first two the other way round.
    let mut again = ours.clone();
    again.extend_from_slice(&ours[borders[0]..borders[1]]);
    assert_eq!(read(&again, 7).facts.len(), 4);
    let mut turned = ours[..borders[0]].to_vec();
    turned.extend_from_slice(&ours[borders[1]..borders[2]]);
    turned.extend_from_slice(&ours[borders[0]..borders[1]]);
    turned.extend_from_slice(&ours[borders[2]..]);
    let found = read(&turned, 7);
    assert_eq!(found.facts, [fact(2), fact(3)]);
    assert_eq!(found.damaged, [HEADER_BYTES as u64]);
    // A whole segment under another's name.
    let error = read(&ours, 9).error.unwrap();
    assert!(error.contains("it is not what its name says"), "{error}");
}

#[test]
fn a_forged_length_takes_neither_memory_nor_the_facts_after_it() {
    let bytes = bytes_of(7, 0..4);
    let second = borders(&bytes)[1];
    for length in [u32::MAX, 1 << 31, 64 << 20, (64 << 20) + 1, 1 << 16, 0] {
        let mut forged = bytes.clone();
        forged[second..second + 4].copy_from_slice(&length.to_le_bytes());
        let found = read(&forged, 7);
        assert_eq!(found.facts, [fact(0), fact(2), fact(3)], "{length}");
    }
    // A right checksum around a payload that claims to hold 2^60 points.
    let mut bomb = bytes[..second].to_vec();
    let payload = [&[253_u8][..], &(1_u64 << 60).to_le_bytes()].concat();
    write_frame(&mut bomb, 7, second as u64, 4, 1, &payload);
    let error = read(&bomb, 7).error.unwrap();
    assert!(error.contains("cannot be read"), "{error}");
}

#[test]
fn a_record_takes_the_room_it_needs_however_many_small_parts_it_has() {
    let point = |n: u32| Metric {
        owner: NodeId::from_u128(1),
        name: String::new(),
        step: 0,
        at: Timestamp::from_micros(0),
        value: MetricValue::new(f64::from(n)).unwrap(),
    };
    for points in [3_000, 5_000, 100_000, 200_000] {
        let fact = Fact::Metrics((0..points).map(point).collect());
        let (kind, version, payload) = encode_parts(&fact).unwrap();
        let decoded = decode_parts(kind, version, &payload).expect("what was taken is given back");
        assert!(decoded == fact, "{points} points");
    }
}

#[test]
fn more_points_than_a_record_takes_are_several_records() {
    let folder = tempfile::tempdir().unwrap();
    let name = "n".repeat(250);
    let point = |step: i64| Metric {
        owner: NodeId::from_u128(1),
        name: name.clone(),
        step,
        at: Timestamp::from_micros(step),
        value: MetricValue::new(0.5).unwrap(),
    };
    let points: Vec<Metric> = (0..300_000).map(point).collect();
    let mut writer = Writer::create(&Disk::new(), folder.path(), 1).unwrap();
    writer.append(&Fact::Metrics(points.clone())).unwrap();
    writer.commit().unwrap();
    let bytes = fs::read(folder.path().join(super::segment_name(1))).unwrap();
    let read = read(&bytes, 1);
    let found = read.facts.into_iter().flat_map(|fact| match fact {
        Fact::Metrics(points) => points,
        other => panic!("{other:?}"),
    });
    assert!(found.eq(points));
}

#[test]
fn what_a_newer_program_wrote_is_refused_by_its_version_and_left_as_it_is() {
    let newer = |segment: u128, format: u16| {
        let mut header = Header { segment, program: (3, 2, 1) }.to_bytes();
        header[8..10].copy_from_slice(&format.to_le_bytes());
        let sum = short_sum(&[&header[..32]]);
        header[32..].copy_from_slice(&sum);
        header.to_vec()
    };
    let (kind, version, payload) = encode_parts(&fact(1)).unwrap();
    let with_frames = |frames: &[(u8, u8, &[u8])]| {
        let mut bytes = newer(7, 1);
        for (kind, version, payload) in frames {
            let offset = bytes.len() as u64;
            write_frame(&mut bytes, 7, offset, *kind, *version, payload);
        }
        bytes
    };
    let whole = (kind, version, payload.as_slice());
    // A run outcome's status is a code: 9 is none that this program knows.
    let cases = [
        newer(7, 2),
        with_frames(&[whole, (kind, version + 1, &payload), whole]),
        with_frames(&[whole, (60, 1, &payload), whole]),
        with_frames(&[whole, (2, 1, &[1, 0, 9, 0, 0, 0, 0, 0])]),
    ];
    for (number, bytes) in cases.iter().enumerate() {
        let found = read(bytes, 7);
        let error = found.error.unwrap_or_else(|| panic!("case {number} is read"));
        assert!(error.contains("use `lineage` 3.2.1 or newer"), "case {number}: {error}");
        assert_eq!(found.facts.len(), usize::from(number > 0), "case {number}");
    }
}

// ---- writing ----

#[test]
fn a_writer_on_a_full_disk_goes_on_when_there_is_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let full = Full::with_room(300);
    let disk = Disk::with_faults(full.clone());
    let mut writer = Writer::create(&disk, folder.path(), 7).unwrap();
    let mut acknowledged = 0;
    let mut refused = 0;
    for number in 0..40 {
        writer.append(&fact(number)).unwrap();
        match writer.commit() {
            Ok(()) => acknowledged = number + 1,
            Err(error) => {
                assert_eq!(error.kind().exit_code(), 3);
                refused += 1;
                let found = numbers(folder.path()).len() as u128;
                assert_eq!(found, acknowledged, "what was committed is all there is");
                full.give(if refused % 3 == 0 { 400 } else { 7 });
            }
        }
    }
    full.give(10_000);
    writer.commit().unwrap();
    assert!(refused > 3);
    assert_eq!(numbers(folder.path()), (0..40).map(|n| (n, 1)).collect());
}

#[test]
fn a_failed_operation_of_any_sort_loses_no_committed_fact() {
    let sorts: [fn(Operation) -> bool; 3] = [
        |operation| matches!(operation, Operation::Append(_)),
        |operation| operation == Operation::Sync,
        |operation| operation == Operation::Truncate,
    ];
    for (sort, wanted) in sorts.into_iter().enumerate() {
        for number in 0..8 {
            let folder = tempfile::tempdir().unwrap();
            let failing: Arc<FailOnce> = FailOnce::at(number, wanted);
            let Ok(mut writer) = Writer::create(&Disk::with_faults(failing), folder.path(), 7) else {
                assert!(list(folder.path(), &|_| false).unwrap().segments.is_empty());
                continue;
            };
            for number in 0..6 {
                writer.append(&fact(number)).unwrap();
                let _ = writer.commit();
            }
            // It fails once.
            writer.commit().or_else(|_| writer.commit()).unwrap();
            let expected: BTreeMap<u128, usize> = (0..6).map(|n| (n, 1)).collect();
            assert_eq!(numbers(folder.path()), expected, "sort {sort}, operation {number}");
        }
    }
}

#[test]
fn what_a_failed_sync_may_have_dropped_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let failing = FailOnce::at(1, |operation| operation == Operation::Sync);
    let mut writer = Writer::create(&Disk::with_faults(failing), folder.path(), 7).unwrap();
    writer.append(&fact(1)).unwrap();
    writer.commit().unwrap();
    writer.append(&fact(2)).unwrap();
    assert!(writer.commit().is_err());
    assert_eq!(numbers(folder.path()), [(1, 1)].into(), "the system has thrown away what it could not write");
    writer.commit().unwrap();
    assert_eq!(numbers(folder.path()), [(1, 1), (2, 1)].into());
}

#[test]
fn a_crash_at_any_operation_loses_nothing_that_was_acknowledged() {
    for (operations, leaves) in (0..30).flat_map(|n| Leaves::ALL.map(|leaves| (n, leaves))) {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("a/journal");
        let crash = Crash::after(operations);
        let disk = Disk::with_faults(crash.clone());
        let mut acknowledged = 0;
        if let Ok(mut writer) = Writer::create(&disk, &journal, 7) {
            for number in 0..8 {
                let added = writer.append(&fact(number)).and_then(|()| writer.commit());
                if added.is_err() {
                    break;
                }
                acknowledged = number + 1;
            }
        }
        crash.settle(leaves);
        let found = numbers(&journal);
        for number in 0..acknowledged {
            assert_eq!(found.get(&number), Some(&1), "{number} after {operations}, {leaves:?}");
        }
        assert!(found.len() as u128 <= acknowledged + 1);
    }
}

#[test]
fn a_segment_is_seen_only_when_its_writer_is_known_to_live() {
    let folder = tempfile::tempdir().unwrap();
    let writer = write(&Disk::new(), folder.path(), 7, 0..1).unwrap();
    assert!(writer_is_alive(folder.path(), 7));
    assert!(Writer::create(&Disk::new(), folder.path(), 7).is_err(), "an id is taken once");
    drop(writer);
    assert!(!writer_is_alive(folder.path(), 7));
    for operations in 0..8 {
        let folder = tempfile::tempdir().unwrap();
        let crash = Crash::after(operations);
        drop(write(&Disk::with_faults(crash), folder.path(), 7, 0..1));
        for segment in list(folder.path(), &|_| false).unwrap().segments {
            assert!(segment.length >= HEADER_BYTES as u64, "a header is whole or not there");
        }
    }
}

// ---- packing ----

fn all_applied(_: &super::SegmentRef) -> bool {
    true
}

/// Writes `count` segments of three facts each, numbered on from `first`.
fn many(folder: &Path, first: u128, count: u128) {
    for segment in first..first + count {
        drop(write(&Disk::new(), folder, segment, segment * 3..segment * 3 + 3).unwrap());
    }
    // A process that another test has just forked holds a writer's lock until it becomes a program.
    for segment in first..first + count {
        while writer_is_alive(folder, segment) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}

fn each_once(segments: std::ops::Range<u128>) -> BTreeMap<u128, usize> {
    (segments.start * 3..segments.end * 3).map(|n| (n, 1)).collect()
}

fn packs(folder: &Path) -> Listing {
    list(folder, &|_| false).unwrap()
}

#[test]
fn many_segments_are_packed_and_packs_merged() {
    let folder = tempfile::tempdir().unwrap();
    many(folder.path(), 1, 60);
    assert_eq!(pack(&Disk::new(), folder.path(), 1000, &all_applied).unwrap(), None, "few");
    let mut written = 60;
    for round in 0..20_u128 {
        many(folder.path(), written + 1, 65);
        written += 65;
        assert_eq!(
            pack(&Disk::new(), folder.path(), 1000 + round, &all_applied).unwrap(),
            Some(1000 + round)
        );
        assert_eq!(numbers(folder.path()), each_once(1..written + 1), "round {round}");
        assert!(packs(folder.path()).packs.len() <= 9, "round {round}");
    }
    assert!(packs(folder.path()).segments.iter().all(|segment| segment.packed));
}

#[test]
fn what_lives_or_is_not_applied_is_not_packed() {
    let folder = tempfile::tempdir().unwrap();
    many(folder.path(), 1, 70);
    let writer = write(&Disk::new(), folder.path(), 100, 300..303).unwrap();
    let applied = |segment: &super::SegmentRef| segment.segment != 5;
    pack(&Disk::new(), folder.path(), 1000, &applied).unwrap().unwrap();
    let listing = packs(folder.path());
    let loose: Vec<u128> = listing.segments.iter().filter(|s| !s.packed).map(|s| s.segment).collect();
    assert_eq!(loose, [5, 100]);
    drop(writer);
    assert_eq!(numbers(folder.path()).len(), 71 * 3);
}

#[test]
fn what_a_writer_adds_and_ends_with_while_others_pack_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    many(folder.path(), 1, 70);
    let writer = write(&Disk::new(), folder.path(), 100, 300..303).unwrap();
    let last = std::cell::RefCell::new(Some(writer));
    // The store has what was there when it was brought up to date: of segment 100 three facts.
    let lengths: BTreeMap<u128, u64> =
        packs(folder.path()).segments.iter().map(|s| (s.segment, s.length)).collect();
    let applied = |segment: &super::SegmentRef| {
        if let Some(mut writer) = last.borrow_mut().take() {
            writer.append(&fact(303)).unwrap();
            writer.commit().unwrap();
        }
        segment.length <= lengths[&segment.segment]
    };
    pack(&Disk::new(), folder.path(), 1000, &applied).unwrap().unwrap();
    assert_eq!(numbers(folder.path()).get(&303), Some(&1));
    assert_eq!(numbers(folder.path()).len(), 70 * 3 + 4);
}

#[test]
fn a_crash_while_packing_loses_nothing_nor_does_a_second_one() {
    let whole = {
        let folder = tempfile::tempdir().unwrap();
        many(folder.path(), 1, 66);
        folder
    };
    // Few operations, at every one; those that remove 66 files, at some.
    let moments = (0..72).chain([80, 100, 140]);
    for (operations, leaves) in moments.flat_map(|n| Leaves::ALL.map(|leaves| (n, leaves))) {
        let folder = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(whole.path()).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
        for (pack_id, operations) in [(1000, operations), (1001, operations / 2)] {
            let crash = Crash::after(operations);
            let _ = pack(&Disk::with_faults(crash.clone()), folder.path(), pack_id, &all_applied);
            crash.settle(leaves);
            assert_eq!(numbers(folder.path()), each_once(1..67), "{operations} {leaves:?}");
        }
        let _ = pack(&Disk::new(), folder.path(), 1002, &all_applied).unwrap();
        assert_eq!(numbers(folder.path()), each_once(1..67), "{operations} {leaves:?}");
    }
}

#[test]
fn a_damaged_pack_gives_what_is_whole_in_it() {
    let folder = tempfile::tempdir().unwrap();
    many(folder.path(), 1, 66);
    pack(&Disk::new(), folder.path(), 1000, &all_applied).unwrap().unwrap();
    let path = folder.path().join(format!("{:032x}.pack", 1000));
    assert_eq!(pack_of(&path), Some(1000));
    let bytes = fs::read(&path).unwrap();
    let directory = bytes.len() - 24 - 66 * 32;
    // Every byte of the directory: the segments are found by their headers.
    for at in (directory..bytes.len()).step_by(7).chain(bytes.len() - 24..bytes.len()) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x40;
        fs::write(&path, &damaged).unwrap();
        assert_eq!(packs(folder.path()).damaged_packs, std::slice::from_ref(&path), "byte {at}");
        assert_eq!(numbers(folder.path()), each_once(1..67), "byte {at}");
    }
    // Cut anywhere: what lies before the cut is there.
    for cut in (0..directory).step_by(101) {
        fs::write(&path, &bytes[..cut]).unwrap();
        let found = numbers(folder.path());
        assert!(found.iter().all(|(_, times)| *times == 1));
        assert!(found.len() * 60 + 400 >= cut / 2, "{} facts of {cut} bytes", found.len());
        let before = pack(&Disk::new(), folder.path(), 1001, &all_applied).unwrap();
        assert_eq!(before, None);
    }
    assert!(path.exists());
}

#[test]
fn a_segment_with_a_damaged_header_is_left_where_its_name_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    many(folder.path(), 1, 66);
    let path = folder.path().join(format!("{:032x}.seg", 5));
    let mut bytes = fs::read(&path).unwrap();
    bytes[3] ^= 1;
    fs::write(&path, &bytes).unwrap();
    pack(&Disk::new(), folder.path(), 1000, &all_applied).unwrap().unwrap();
    assert!(path.exists());
    assert_eq!(numbers(folder.path()), each_once(1..67));
}

#[test]
fn a_listing_misses_nothing_while_segments_are_packed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    many(path, 1, 70);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..12_u128 {
                pack(&Disk::new(), path, 1000 + round, &all_applied).unwrap();
                many(path, 71 + round * 65, 65);
            }
            done.store(true, std::sync::atomic::Ordering::Release);
        });
        let mut seen = 70;
        while !done.load(std::sync::atomic::Ordering::Acquire) {
            let listing = list(path, &|_| false).unwrap();
            let ids: Vec<u128> = listing.segments.iter().map(|segment| segment.segment).collect();
            assert!(ids.len() >= seen, "{} after {seen}", ids.len());
            seen = ids.len();
            assert!((1..=70).all(|id| ids.contains(&id)));
        }
    });
    assert_eq!(numbers(path), each_once(1..71 + 12 * 65));
}
