//! What the journal has lost is set aside; what is damaged in it is said until it is whole again.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::world::{Place, everything, facts, record_as, step, store_of, tries};
use crate::disk::tests::{Crash, FailOnce, Leaves};
use crate::disk::{Disk, TEMPORARY_PREFIX};
use crate::error::Kind;
use crate::journal::{self, Writer};
use crate::model::{Fact, NodeId};
use crate::store::{Applied, FactsFile, Snapshot, Store};

fn segment_path(place: &Place, segment: u128) -> PathBuf {
    place.journal().join(format!("{segment:032x}.seg"))
}

fn all(snapshot: &Snapshot) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut take = |fact| {
        facts.push(fact);
        Ok(())
    };
    snapshot.facts(&mut take).unwrap();
    facts
}

fn all_in(file: &FactsFile) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut take = |fact| {
        facts.push(fact);
        Ok(())
    };
    assert!(file.facts(&mut take).unwrap().is_empty());
    facts
}

fn said(snapshot: &Snapshot) -> Vec<String> {
    all(snapshot).iter().map(|fact| format!("{fact:?}")).collect()
}

/// Three segments with a step each, applied.
fn filled() -> (Place, Vec<String>) {
    let mut place = Place::new();
    let mut runner = TestRunner::deterministic();
    for number in 1..=3 {
        let Fact::StepDone(mut one) = step().new_tree(&mut runner).unwrap().current() else { unreachable!() };
        one.id = NodeId::from_u128(number);
        place.record(&[Fact::StepDone(one)]);
    }
    let before = everything(&place.apply());
    (place, before)
}

/// Applies the journal, which has lost something: those facts are set aside, and the store is what the journal says.
fn check_loss(place: &Place, before: &[String], facts: u64) -> Applied {
    let applied = place.store().apply(&place.journal()).unwrap();
    let loss = applied.loss.as_ref().expect("it is told");
    assert_eq!(loss.facts, Some(facts));
    let aside = place.store().set_aside();
    assert_eq!((aside.len(), aside[0].path()), (1, loss.set_aside.as_path()));
    assert_eq!(aside[0].facts_beyond(&place.snapshot()).unwrap(), facts);
    let mut united = all(&place.snapshot());
    united.extend(all_in(&aside[0]));
    assert_eq!(everything(&store_of(&united).1), before, "nothing else is lost");
    let rebuilt = Store::at(Disk::new(), place.folder.path().join("rebuilt.redb"));
    rebuilt.rebuild(&place.journal()).unwrap();
    assert_eq!(everything(&place.snapshot()), everything(&rebuilt.snapshot().unwrap().unwrap()));
    assert!(place.store().apply(&place.journal()).unwrap().loss.is_none(), "it is set aside once");
    // What is damaged of the file costs no more than itself, and is said.
    let mut bytes = fs::read(aside[0].path()).unwrap();
    bytes[3] ^= 1;
    fs::write(aside[0].path(), &bytes).unwrap();
    let file = place.store().set_aside().remove(0);
    let mut left = 0;
    let damaged = file.facts(&mut |_| {
        left += 1;
        Ok(())
    });
    assert_eq!((damaged.unwrap().len(), left), (1, facts));
    applied
}

#[test]
fn the_facts_of_a_segment_that_is_gone_or_cut_are_set_aside() {
    let (place, before) = filled();
    fs::remove_file(segment_path(&place, 2)).unwrap();
    let applied = check_loss(&place, &before, 1);
    let segments = &applied.loss.unwrap().segments;
    assert_eq!((segments.len(), segments[0].segment, segments[0].left), (1, 2, None));

    let (place, before) = filled();
    let file = fs::File::options().write(true).open(segment_path(&place, 3)).unwrap();
    file.set_len(50).unwrap();
    let applied = check_loss(&place, &before, 1);
    let segments = &applied.loss.unwrap().segments;
    assert_eq!((segments.len(), segments[0].segment, segments[0].left), (1, 3, Some(50)));

    let (place, before) = filled();
    fs::remove_dir_all(place.journal()).unwrap();
    check_loss(&place, &before, 3);
}

/// Applies on a disk that goes wrong; then, on one that does not, as whoever comes next does. Nothing that was applied is gone.
fn check_next(place: &Place, before: &[String]) {
    place.store().apply(&place.journal()).unwrap();
    let mut united = all(&place.snapshot());
    for file in place.store().set_aside() {
        united.extend(all_in(&file));
    }
    let (_united, now) = store_of(&united);
    assert_eq!(everything(&now), before);
    let folder = place.folder.path();
    let names = [folder, &folder.join("lost-facts")].map(|folder| fs::read_dir(folder).unwrap());
    let mut names = names.into_iter().flatten().map(|entry| entry.unwrap().file_name());
    let is_left_over = |name: &std::ffi::OsString| {
        let name = name.to_string_lossy();
        name.starts_with(TEMPORARY_PREFIX) || name.contains("redb-new-")
    };
    assert_eq!(names.find(is_left_over), None);
}

#[test]
fn no_fact_is_gone_when_a_crash_hits_whoever_sets_it_aside() {
    for leaves in Leaves::ALL {
        for operations in 0.. {
            let (place, before) = filled();
            fs::remove_file(segment_path(&place, 2)).unwrap();
            let crash = Crash::after(operations);
            let store = place.store_on(Disk::with_faults(crash.clone()));
            let applied = store.apply(&place.journal());
            crash.settle(leaves);
            check_next(&place, &before);
            if !crash.happened() {
                assert!(applied.unwrap().loss.is_some() && operations > 4);
                break;
            }
        }
    }
}

#[test]
fn no_fact_is_gone_when_setting_it_aside_fails() {
    use crate::disk::Operation;
    let sorts: [fn(Operation) -> bool; 6] = [
        |operation| operation == Operation::CreateFolders,
        |operation| operation == Operation::Create,
        |operation| matches!(operation, Operation::Append(_)),
        |operation| operation == Operation::Sync,
        |operation| operation == Operation::SyncFolder,
        |operation| operation == Operation::Rename,
    ];
    for sort in sorts {
        let (place, before) = filled();
        fs::remove_file(segment_path(&place, 2)).unwrap();
        let failing = place.store_on(Disk::with_faults(FailOnce::at(0, sort)));
        failing.apply(&place.journal()).unwrap_err();
        check_next(&place, &before);
    }
}

/// As where its pages cannot be read, and the journal has lost what it has.
#[test]
fn a_store_that_cannot_be_read_is_set_aside_whole_or_stays_where_it_is() {
    for leaves in Leaves::ALL {
        for operations in 0.. {
            let (place, _) = filled();
            let path = place.folder.path().join("store.redb");
            let whole = fs::read(&path).unwrap();
            let crash = Crash::after(operations);
            let store = place.store_on(Disk::with_faults(crash.clone()));
            let moved = store.move_aside();
            crash.settle(leaves);
            let places = [path, place.folder.path().join("lost-facts/store-1.redb")];
            assert!(places.iter().any(|path| fs::read(path).is_ok_and(|bytes| bytes == whole)));
            if !crash.happened() {
                assert_eq!(moved.unwrap(), places[1]);
                break;
            }
        }
    }
}

/// Makes a place whose journal lies in one pack that the store knows; returns all that is recorded, too.
fn packed() -> (Place, Vec<String>) {
    let (place, _) = filled();
    for segment in 10..80 {
        record_as(&place.journal(), segment, &[]);
    }
    let before = everything(&place.apply());
    journal::pack(&Disk::new(), &place.journal(), 1000, &|_| true).unwrap().unwrap();
    place.store().settle_packs(&place.journal()).unwrap();
    (place, before)
}

#[test]
fn the_facts_of_a_pack_that_is_gone_are_set_aside() {
    let (place, before) = packed();
    fs::remove_file(place.journal().join(format!("{:032x}.pack", 1000))).unwrap();
    check_loss(&place, &before, 3);
}

#[test]
fn a_pack_that_is_cut_is_noticed_by_the_next_who_looks() {
    let lacking = |place: &Place| {
        let snapshot = place.snapshot();
        let listing = Store::listing(Some(&snapshot), &place.journal()).unwrap();
        (Store::lacking(Some(&snapshot), &listing).unwrap().is_outdated, listing.damaged_packs.len())
    };
    let pack = |place: &Place| place.journal().join(format!("{:032x}.pack", 1000));
    let (place, _) = packed();
    assert_eq!(lacking(&place), (false, 0));
    let length = fs::metadata(pack(&place)).unwrap().len();
    let first = journal::list(&place.journal(), &|_| false).unwrap().segments.remove(0);
    // Before the first fact, behind the first segment, and in the directory.
    for (cut, facts) in [(0, 3), (first.start + 45, 3), (first.start + first.length, 2), (length - 10, 0)] {
        let (place, before) = packed();
        fs::File::options().write(true).open(pack(&place)).unwrap().set_len(cut).unwrap();
        assert_eq!(lacking(&place), (facts > 0, 1), "cut at {cut}");
        if facts > 0 {
            let applied = place.store().apply(&place.journal()).unwrap();
            assert_eq!(applied.unreadable.len(), 1, "the pack is said to be damaged");
            assert_eq!(applied.loss.unwrap().facts, Some(facts));
        } else {
            assert_eq!(everything(&place.snapshot()), before);
        }
        assert_eq!(lacking(&place), (false, 1), "it is set aside once");
    }
}

#[test]
fn a_store_that_is_damaged_itself_is_kept_whole_where_the_journal_has_lost_something() {
    let mut place = Place::new();
    let mut runner = TestRunner::deterministic();
    let any = proptest::collection::vec(step(), 300..=300).new_tree(&mut runner).unwrap();
    let mut facts = any.current();
    for (number, fact) in facts.iter_mut().enumerate() {
        if let Fact::StepDone(step) = fact {
            step.id = NodeId::from_u128(1000 + number as u128);
        }
    }
    for piece in facts.chunks(100) {
        place.record(piece);
    }
    place.apply();
    let store = place.store().path().to_owned();
    let whole = fs::read(&store).unwrap();
    // A page that is not read until all facts are.
    let altered = (4096..whole.len()).step_by(4096).find_map(|page| {
        let mut altered = whole.clone();
        altered[page + 8] ^= 1;
        fs::write(&store, &altered).unwrap();
        let snapshot = place.store().snapshot().unwrap()?;
        snapshot.facts(&mut |_| Ok(())).is_err().then_some(altered)
    });
    let altered = altered.expect("there is one");
    fs::remove_file(segment_path(&place, 2)).unwrap();
    let loss = place.store().apply(&place.journal()).unwrap().loss.expect("it is told");
    assert_eq!(loss.facts, None);
    assert!(fs::read(&loss.set_aside).unwrap() == altered);
    let file = place.store().set_aside().remove(0);
    assert_eq!(file.facts(&mut |_| Ok(())).unwrap_err().kind(), Kind::Damage);
    assert_eq!(place.snapshot().counts().unwrap().1, 200);
}

fn make_another_format(place: &Place) {
    let database = redb::Database::open(place.store().path()).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut meta = transaction.open_table(crate::store::schema::META).unwrap();
        meta.insert(b"format".as_slice(), 7_u64.to_be_bytes().as_slice()).unwrap();
    }
    transaction.commit().unwrap();
}

#[test]
fn a_store_of_another_format_is_set_aside_only_where_the_journal_has_lost_something() {
    for is_lost in [false, true] {
        let (place, before) = filled();
        make_another_format(&place);
        let store = fs::read(place.store().path()).unwrap();
        if is_lost {
            fs::remove_file(segment_path(&place, 2)).unwrap();
        }
        let applied = place.store().apply(&place.journal()).unwrap();
        assert!(applied.rebuilt);
        if is_lost {
            let loss = applied.loss.expect("it is told");
            assert_eq!((loss.facts, loss.segments.len()), (None, 1));
            assert!(fs::read(&loss.set_aside).unwrap() == store);
        } else {
            assert!(applied.loss.is_none() && place.store().set_aside().is_empty());
            assert_eq!(everything(&place.snapshot()), before);
        }
    }
}

#[test]
fn a_store_of_another_format_says_so() {
    let (place, _) = filled();
    let file = FactsFile::at(place.store().path()).unwrap();
    assert_eq!(all_in(&file).len(), 3);
    make_another_format(&place);
    let error = file.facts(&mut |_| Ok(())).unwrap_err();
    assert!(error.message().contains("is a store of format 7, and this `lineage` reads"), "{error}");
}

#[test]
fn what_is_lost_without_a_fact_is_not_worth_a_file() {
    let (place, before) = filled();
    // Nothing but a header, and facts that another segment has, too.
    record_as(&place.journal(), 7, &[]);
    record_as(&place.journal(), 8, &all(&place.snapshot()));
    place.apply();
    for segment in [7, 8] {
        fs::remove_file(segment_path(&place, segment)).unwrap();
        let applied = place.store().apply(&place.journal()).unwrap();
        assert!(applied.rebuilt && applied.loss.is_none());
    }
    assert!(place.store().set_aside().is_empty());
    assert_eq!(everything(&place.snapshot()), before);
}

#[test]
fn a_writer_that_cuts_back_what_the_disk_did_not_take_has_lost_nothing() {
    let (place, before) = filled();
    let mut writer = Writer::create(&Disk::new(), &place.journal(), 9).unwrap();
    writer.append(&all(&place.snapshot())[0]).unwrap();
    writer.hand_over().unwrap();
    place.apply();
    // As after a sync that failed; the writer writes it again with what comes next.
    fs::File::options().write(true).open(segment_path(&place, 9)).unwrap().set_len(40).unwrap();
    let listing = journal::list(&place.journal(), &|_| false).unwrap();
    assert!(Store::lacking(Some(&place.snapshot()), &listing).unwrap().is_nothing());
    assert!(!place.store().apply(&place.journal()).unwrap().rebuilt);
    drop(writer);
    assert!(Store::lacking(Some(&place.snapshot()), &listing).unwrap().is_outdated);
    assert_eq!(everything(&place.snapshot()), before);
}

#[test]
fn damage_that_was_passed_over_is_remembered_until_the_file_is_another() {
    let (place, before) = filled();
    let path = segment_path(&place, 2);
    let whole = fs::read(&path).unwrap();
    record_as(&place.journal(), 20, &[]);
    let mut damaged = whole.clone();
    damaged[8] ^= 1;
    fs::write(&path, &damaged).unwrap();
    place.store().rebuild(&place.journal()).unwrap();
    for _ in 0..2 {
        let again = place.store().apply(&place.journal()).unwrap();
        assert!(!again.rebuilt && again.unreadable.is_empty());
        let errors = place.snapshot().damage_of_journal().unwrap();
        assert_eq!(errors.len(), 1);
        let message = errors[0].message();
        assert!(message.contains("2.seg` is damaged at byte 0;"), "{message}");
    }
    // A restored copy, whenever it was made.
    fs::write(&path, &whole).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    let listing = journal::list(&place.journal(), &|_| false).unwrap();
    assert!(Store::lacking(Some(&place.snapshot()), &listing).unwrap().is_outdated);
    assert!(place.store().apply(&place.journal()).unwrap().rebuilt);
    assert!(place.snapshot().damage_of_journal().unwrap().is_empty());
    assert_eq!(everything(&place.snapshot()), before);
}

proptest! {
    #![proptest_config(tries(24))]

    #[test]
    fn no_fact_that_was_applied_is_gone_whatever_becomes_of_the_journal(
        facts in facts(), losses in proptest::collection::vec((0_u128..6, option_of_index()), 1..4),
    ) {
        let mut place = Place::new();
        for piece in facts.chunks(5) {
            place.record(piece);
        }
        let before = said(&place.apply());
        for (segment, cut) in losses {
            let path = segment_path(&place, segment + 1);
            let Ok(bytes) = fs::read(&path) else { continue };
            match cut {
                Some(cut) => fs::write(&path, &bytes[..cut.index(bytes.len().max(1))]).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
        }
        let applied = place.store().apply(&place.journal()).unwrap();
        let now = said(&place.snapshot());
        let has_all = before.iter().all(|fact| now.contains(fact));
        prop_assert_eq!(has_all, applied.loss.is_none());
        if let Some(loss) = applied.loss {
            let aside = all_in(&FactsFile::at(&loss.set_aside).unwrap());
            prop_assert_eq!(loss.facts, Some(aside.len() as u64));
            let aside: Vec<String> = aside.iter().map(|fact| format!("{fact:?}")).collect();
            prop_assert!(before.iter().all(|fact| now.contains(fact) || aside.contains(fact)));
        }
    }
}

fn option_of_index() -> impl Strategy<Value = Option<prop::sample::Index>> {
    proptest::option::of(any::<prop::sample::Index>())
}
