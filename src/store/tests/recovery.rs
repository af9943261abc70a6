//! Whatever becomes of the store's file, the journal gives the same answers again.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::world::{Place, everything, facts, record_as, step, tries};
use crate::disk::Disk;
use crate::error::{Kind, Result};
use crate::journal;
use crate::model::{Fact, NodeId};
use crate::store::{ArtifactNo, GO_ON, Snapshot, Store};

/// Facts that are the same in every run of the tests.
fn many_facts(count: usize) -> Vec<Fact> {
    let mut runner = TestRunner::deterministic();
    let any = proptest::collection::vec(step(), count..=count).new_tree(&mut runner).unwrap();
    any.current()
}

fn filled() -> (Place, Vec<String>) {
    let mut place = Place::new();
    for piece in many_facts(40).chunks(7) {
        place.record(piece);
    }
    let expected = everything(&place.apply());
    (place, expected)
}

fn check(place: &Place, expected: &[String], what: &str) {
    let applied = place.store().apply(&place.journal()).unwrap();
    assert!(applied.unreadable.is_empty(), "{what}");
    assert_eq!(everything(&place.snapshot()), expected, "{what}");
}

#[test]
fn a_store_that_is_gone_cut_or_garbage_is_built_anew() {
    let (place, expected) = filled();
    let path = place.store().path().to_owned();
    let whole = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    check(&place, &expected, "gone");
    for cut in (0..whole.len()).step_by(4096).chain([1, 100, whole.len() - 1]) {
        fs::write(&path, &whole[..cut]).unwrap();
        check(&place, &expected, &format!("cut at {cut}"));
    }
    for garbage in [&b""[..], b"garbage", &[0; 100_000], &[0xff; 100_000], b"redb\x1a\x0a\xa9\x0d\x0a"] {
        fs::write(&path, garbage).unwrap();
        check(&place, &expected, "garbage");
    }
}

#[test]
fn a_store_without_a_name_answers_as_any_other_and_leaves_nothing_behind() {
    let (place, expected) = filled();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("for-one-answer.redb");
    let is_empty = || fs::read_dir(folder.path()).unwrap().next().is_none();
    let (snapshot, applied) = Store::without_name(&path, &place.journal()).unwrap();
    assert!(is_empty(), "it is read, and has no name");
    assert!(applied.rebuilt && applied.unreadable.is_empty());
    assert_eq!(everything(&snapshot), expected);
    // Where it is not built to its end, as by a kill, nothing has to be cleared away.
    let no_journal = folder.path().join("journal");
    fs::write(&no_journal, b"a file").unwrap();
    let failed = Store::without_name(&path, &no_journal);
    fs::remove_file(&no_journal).unwrap();
    assert!(failed.is_err() && is_empty());
    // What is there is somebody's.
    fs::write(&path, b"mine").unwrap();
    assert!(Store::without_name(&path, &place.journal()).is_err());
    assert_eq!(fs::read(&path).unwrap(), b"mine");
}

#[test]
fn a_copy_without_a_name_takes_up_what_is_new_and_the_store_it_was_made_of_does_not() {
    let (mut place, before) = filled();
    let folder = tempfile::tempdir().unwrap();
    let copy = place.store().nameless_copy(&folder.path().join("copy.redb")).unwrap();
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
    assert!(copy.is_intact().unwrap());
    let mut more = many_facts(1);
    if let Fact::StepDone(step) = &mut more[0] {
        step.id = NodeId::from_u128(999);
    }
    place.record(&more);
    assert!(!copy.apply(&place.journal()).unwrap().rebuilt);
    let after = everything(&copy.snapshot().unwrap().unwrap());
    assert_eq!(everything(&place.snapshot()), before);
    assert_eq!(everything(&place.apply()), after);
    assert_ne!(after, before);
    // One that is of no journal any more is built anew where it is.
    let mut other = Place::new();
    other.record(&more);
    assert!(copy.apply(&other.journal()).unwrap().rebuilt);
    assert_eq!(everything(&copy.snapshot().unwrap().unwrap()), everything(&other.apply()));
}

#[test]
fn a_store_of_another_format_is_built_anew() {
    let (place, expected) = filled();
    for format in [0_u64, crate::store::schema::FORMAT + 1, u64::MAX] {
        let database = redb::Database::open(place.store().path()).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let mut meta = transaction.open_table(crate::store::schema::META).unwrap();
            meta.insert(b"format".as_slice(), format.to_be_bytes().as_slice()).unwrap();
        }
        transaction.commit().unwrap();
        drop(database);
        assert!(place.store().snapshot().unwrap().is_none());
        check(&place, &expected, "another format");
    }
}

#[test]
fn a_store_of_another_journal_or_of_more_than_there_is_is_built_anew() {
    let (place, expected) = filled();
    let mut other = Place::new();
    other.record(&many_facts(3));
    other.apply();
    // Another journal's segments have other ids.
    let stranger = Place::new();
    record_as(&stranger.journal(), 77, &many_facts(5));
    stranger.apply();
    for from in [&other, &stranger] {
        fs::copy(from.store().path(), place.store().path()).unwrap();
        let listing = journal::list(&place.journal(), &|_| false).unwrap();
        let lacking = Store::lacking(Some(&place.snapshot()), &listing).unwrap();
        assert!(!lacking.is_nothing());
        check(&place, &expected, "another journal");
    }
    // A segment that is taken away takes its facts with it.
    let mut other = many_facts(1);
    if let Fact::StepDone(step) = &mut other[0] {
        step.id = NodeId::from_u128(999);
    }
    record_as(&place.journal(), 99, &other);
    assert_ne!(everything(&place.apply()), expected);
    fs::remove_file(place.journal().join(format!("{:032x}.seg", 99))).unwrap();
    let listing = journal::list(&place.journal(), &|_| false).unwrap();
    assert!(Store::lacking(Some(&place.snapshot()), &listing).unwrap().is_outdated);
    check(&place, &expected, "a segment taken away");
}

#[test]
fn a_store_that_is_up_to_date_lacks_nothing_also_after_packing() {
    let mut place = Place::new();
    for fact in many_facts(150) {
        place.record(&[fact]);
    }
    let expected = everything(&place.apply());
    let applied = |snapshot: &Snapshot, segment: &journal::SegmentRef| {
        snapshot.applied_bytes(segment.segment).unwrap() >= segment.length
    };
    for pack in 0..10_u128 {
        let snapshot = place.snapshot();
        journal::pack(&Disk::new(), &place.journal(), 1000 + pack, &|s| applied(&snapshot, s))
            .unwrap()
            .unwrap();
        let snapshot = place.snapshot();
        let listing = Store::listing(Some(&snapshot), &place.journal()).unwrap();
        assert!(Store::lacking(Some(&snapshot), &listing).unwrap().is_nothing(), "pack {pack}");
        for segment in 0..66 {
            record_as(&place.journal(), 10_000 + pack * 100 + segment, &[]);
        }
        record_as(&place.journal(), 20_000 + pack, &many_facts(1));
        let before = place.store().apply(&place.journal()).unwrap();
        assert!(!before.rebuilt, "pack {pack}");
        let snapshot = place.snapshot();
        let listing = Store::listing(Some(&snapshot), &place.journal()).unwrap();
        assert!(listing.segments.iter().all(|segment| !segment.packed), "known packs are not opened");
        assert!(Store::lacking(Some(&snapshot), &listing).unwrap().is_nothing());
    }
    assert_eq!(everything(&place.snapshot()), expected);
    check(&place, &expected, "packed");
    place.store().rebuild(&place.journal()).unwrap();
    assert_eq!(everything(&place.snapshot()), expected);
}

#[test]
fn what_dead_writers_left_half_done_is_looked_at_once() {
    let (place, expected) = filled();
    let path = |segment: u128| place.journal().join(format!("{segment:032x}.seg"));
    let whole = fs::read(path(1)).unwrap();
    fs::write(path(500), &whole[..10]).unwrap();
    fs::write(path(501), b"").unwrap();
    record_as(&place.journal(), 502, &many_facts(1));
    let mut torn = fs::read(path(502)).unwrap();
    torn.pop();
    fs::write(path(502), torn).unwrap();
    check(&place, &expected, "half done");
    let again = place.store().apply(&place.journal()).unwrap();
    assert!(!again.rebuilt);
    let listing = journal::list(&place.journal(), &|_| false).unwrap();
    assert!(Store::lacking(Some(&place.snapshot()), &listing).unwrap().is_nothing());
}

#[test]
fn damage_in_a_segment_is_reported_and_the_rest_applied() {
    let (place, expected) = filled();
    let path = place.journal().join(format!("{:032x}.seg", 3));
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    fs::write(&path, &damaged).unwrap();
    let applied = place.store().rebuild(&place.journal()).unwrap();
    assert_eq!(applied.unreadable.len(), 1);
    assert_eq!(applied.unreadable[0].segment, 3);
    assert!(everything(&place.snapshot()).len() > expected.len() / 2);
    fs::write(&path, &whole).unwrap();
    place.store().rebuild(&place.journal()).unwrap();
    check(&place, &expected, "mended");
}

#[test]
fn readers_see_whole_transactions_while_a_writer_applies() {
    let place = Place::new();
    let all = many_facts(200);
    record_as(&place.journal(), 1, &all[..1]);
    place.apply();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for (number, piece) in all.chunks(5).enumerate() {
                record_as(&place.journal(), 2 + number as u128, piece);
                place.store().apply(&place.journal()).unwrap();
            }
            done.store(true, Ordering::Release);
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let mut before = 0;
                while !done.load(Ordering::Acquire) {
                    let snapshot = place.snapshot();
                    let (_, steps, _) = snapshot.counts().unwrap();
                    assert!(steps >= before, "what was seen is seen again");
                    before = steps;
                    let first = everything(&snapshot);
                    assert_eq!(everything(&snapshot), first, "a snapshot stays as it is");
                }
            });
        }
    });
}

fn is_fresh(path: &Path) -> bool {
    path.to_string_lossy().contains("redb-new-")
}

#[test]
fn what_killed_builders_left_is_removed_by_the_next() {
    let (place, expected) = filled();
    let left = place.store().path().with_extension("redb-new-1");
    fs::write(&left, b"half a store").unwrap();
    fs::remove_file(place.store().path()).unwrap();
    check(&place, &expected, "rebuilt");
    let files = fs::read_dir(place.folder.path()).unwrap();
    assert!(!files.map(|entry| entry.unwrap().path()).any(|path| is_fresh(&path)));
}

proptest! {
    #![proptest_config(tries(24))]

    #[test]
    fn whatever_bytes_are_altered_an_answer_is_right_or_an_error_also_after_more_was_applied(
        facts in facts(), more in facts(),
        places in proptest::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..20),
    ) {
        let mut place = Place::new();
        place.record(&facts);
        place.apply();
        let mut bytes = fs::read(place.store().path()).unwrap();
        for (at, flip) in places {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        place.record(&more);
        let beside = place.folder.path().join("sound.redb");
        let (sound, _) = Store::without_name(&beside, &place.journal()).unwrap();
        fs::write(place.store().path(), &bytes).unwrap();
        let applied = place.store().apply(&place.journal()).unwrap();
        prop_assert!(applied.unreadable.is_empty() && applied.loss.is_none());
        match place.store().snapshot().unwrap().map(|snapshot| ask(&snapshot)).transpose() {
            Ok(answers) => prop_assert_eq!(answers, Some(ask(&sound).unwrap())),
            Err(error) => prop_assert_eq!(error.kind(), Kind::Damage),
        }
        place.store().rebuild(&place.journal()).unwrap();
        prop_assert_eq!(everything(&place.snapshot()), everything(&sound), "rebuilt");
    }
}

#[test]
fn a_path_that_was_altered_on_the_disk_is_not_given_as_an_answer() {
    let (place, _) = filled();
    let file = place.store().path().to_owned();
    let whole = fs::read(&file).unwrap();
    let numbers = |snapshot: &Snapshot| {
        let mut paths = Vec::new();
        snapshot
            .paths_from(b"", |_, path| {
                paths.push(path);
                Ok(GO_ON)
            })
            .unwrap();
        let versions = paths.into_iter().flat_map(|path| snapshot.versions(path).unwrap());
        versions.collect::<Vec<ArtifactNo>>()
    };
    let snapshot = place.snapshot();
    let artifacts = numbers(&snapshot);
    let paths: Vec<_> = artifacts.iter().map(|number| snapshot.artifact_path(*number).unwrap()).collect();
    drop(snapshot);
    let word = b"data/a";
    let mut refused = 0;
    for at in (0..whole.len() - word.len()).filter(|at| whole[*at..].starts_with(word)) {
        let mut altered = whole.clone();
        altered[at + word.len() - 1] ^= 1;
        fs::write(&file, altered).unwrap();
        let Some(snapshot) = place.store().snapshot().unwrap() else {
            refused += 1;
            continue;
        };
        for (number, path) in artifacts.iter().zip(&paths) {
            match snapshot.artifact_path(*number) {
                Ok(given) => assert_eq!(given, *path, "byte {at}"),
                Err(error) => {
                    assert_eq!(error.kind(), Kind::Damage);
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 0, "no byte of a path was altered");
}

/// Asks a store what is asked of it most, and all there is.
fn ask(snapshot: &Snapshot) -> Result<Vec<String>> {
    let mut said = vec![format!("{:?} {:?}", snapshot.latest(), snapshot.counts()?)];
    let mut say = |answer: &dyn std::fmt::Debug| said.push(format!("{answer:?}"));
    snapshot.facts(&mut |fact| {
        say(&fact);
        Ok(())
    })?;
    let mut runs = Vec::new();
    snapshot.runs_newest_first(|run| {
        runs.push(run);
        Ok(GO_ON)
    })?;
    for run in runs {
        let view = snapshot.run(run)?;
        let labelled = view.as_ref().map(|run| snapshot.runs_labelled(run.run_id.as_str())).transpose()?;
        let by_tail = view.as_ref().map(|run| snapshot.runs_with_tail(&run.id.tail(8), 9)).transpose()?;
        say(&(view.map(|run| run.id), labelled.map(|runs| runs.len()), by_tail.map(|runs| runs.len())));
        for step in snapshot.steps_of(run)? {
            say(&snapshot.step(step)?);
        }
    }
    let mut paths = Vec::new();
    snapshot.paths_from(b"", |_, path| {
        paths.push(path);
        Ok(GO_ON)
    })?;
    for path in paths {
        for version in snapshot.versions(path)? {
            let artifact = snapshot.artifact(version)?;
            let (mut writes, mut reads) = (0, 0);
            snapshot.writes_until(version, i64::MAX, |_, _| {
                writes += 1;
                Ok(GO_ON)
            })?;
            snapshot.reads_between(version, i64::MIN, i64::MAX, |_, _| {
                reads += 1;
                Ok(GO_ON)
            })?;
            say(&(writes, reads, snapshot.artifacts_with(&artifact.digest)?.len(), artifact));
        }
    }
    snapshot.model_names(|name| {
        say(&name);
        Ok(GO_ON)
    })?;
    say(&(snapshot.metric_names(usize::MAX)?, snapshot.parameter_names(usize::MAX)?));
    Ok(said)
}

/// Alters the file in all the places `at` names of each page, one after the other, and holds the answers against those of the
/// whole one; returns how often there was none since the file is damaged.
fn alter(place: &Place, at: impl Fn(usize) -> Vec<usize>) -> usize {
    let path = place.store().path().to_owned();
    let whole = fs::read(&path).unwrap();
    let answers = ask(&place.snapshot()).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    let mut refused = 0;
    for page in (4096..whole.len()).step_by(4096).filter(|page| whole[*page] != 0) {
        for at in at(page) {
            file.write_all_at(&[whole[at] ^ (1 << (at % 8))], at as u64).unwrap();
            let found = place.store().snapshot().unwrap();
            match found.map(|snapshot| ask(&snapshot)).transpose() {
                Ok(Some(found)) => assert_eq!(found, answers, "byte {at}"),
                // It is found when it is opened: whoever asks builds it anew first.
                Ok(None) => refused += 1,
                Err(error) => {
                    assert_eq!(error.kind(), Kind::Damage, "byte {at}: {error}");
                    refused += 1;
                }
            }
            file.write_all_at(&whole[at..=at], at as u64).unwrap();
        }
    }
    assert!(fs::read(&path).unwrap() == whole, "reading writes nothing");
    refused
}

#[test]
fn wherever_a_page_is_altered_an_answer_is_right_or_the_store_says_that_it_is_damaged() {
    let (place, _) = filled();
    // The front of a page says what is in it, and where: how many rows, and where their keys and values end.
    let refused =
        alter(&place, |page| (page..page + 64).chain((page + 64..page + 4096).step_by(97)).collect());
    // Tables that are not asked are not read.
    assert!(refused > 900, "{refused}");
    // Tables of many pages.
    let mut place = Place::new();
    let mut many = many_facts(600);
    for (number, fact) in many.iter_mut().enumerate() {
        if let Fact::StepDone(step) = fact {
            step.id = NodeId::from_u128(1000 + number as u128);
        }
    }
    place.record(&many);
    place.apply();
    let refused = alter(&place, |page| (page + 1..page + 4096).step_by(509).collect());
    assert!(refused > 100, "{refused}");
}

#[test]
fn wherever_the_header_is_altered_whoever_applies_facts_has_the_right_answers() {
    let (mut place, _) = filled();
    place.record(&many_facts(1));
    let expected = everything(&place.apply());
    let whole = fs::read(place.store().path()).unwrap();
    for at in 0..320 {
        let mut altered = whole.clone();
        altered[at] ^= 1 << (at % 8);
        fs::write(place.store().path(), altered).unwrap();
        check(&place, &expected, &format!("byte {at}"));
    }
    // Every flag.
    for bit in 0..8 {
        let mut altered = whole.clone();
        altered[9] ^= 1 << bit;
        fs::write(place.store().path(), altered).unwrap();
        check(&place, &expected, &format!("flag {bit}"));
    }
}
