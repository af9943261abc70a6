//! What the journal has lost, the old store keeps; what is damaged in it is said until it is whole again.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::world::{Place, everything, facts, record_as, step, tries};
use crate::disk::Disk;
use crate::journal::{self, Writer};
use crate::model::{Fact, NodeId};
use crate::store::{Applied, Snapshot, Store};

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

/// Applies the journal, which has lost something: the old store is set aside whole, and the new one is what the journal says.
fn check_loss(place: &Place, before: &[String], facts: u64) -> Applied {
    let applied = place.store().apply(&place.journal()).unwrap();
    let loss = applied.loss.as_ref().expect("it is told");
    assert_eq!(loss.facts, Some(facts));
    assert_eq!(place.store().set_aside(), std::slice::from_ref(&loss.set_aside));
    let old = Store::at(&loss.set_aside);
    assert_eq!(everything(&old.snapshot().unwrap().unwrap()), before, "the old store is whole");
    assert_eq!(old.facts_beyond(&place.store()).unwrap(), facts);
    let rebuilt = Store::at(place.folder.path().join("rebuilt.redb"));
    rebuilt.rebuild(&place.journal()).unwrap();
    assert_eq!(everything(&place.snapshot()), everything(&rebuilt.snapshot().unwrap().unwrap()));
    assert!(place.store().apply(&place.journal()).unwrap().loss.is_none(), "it is set aside once");
    applied
}

#[test]
fn a_segment_that_is_gone_or_cut_sets_the_old_store_aside() {
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

#[test]
fn a_pack_that_is_gone_sets_the_old_store_aside() {
    let (place, _) = filled();
    for segment in 10..80 {
        record_as(&place.journal(), segment, &[]);
    }
    let before = everything(&place.apply());
    journal::pack(&Disk::new(), &place.journal(), 1000, &|_| true).unwrap().unwrap();
    place.store().settle_packs(&place.journal()).unwrap();
    fs::remove_file(place.journal().join(format!("{:032x}.pack", 1000))).unwrap();
    check_loss(&place, &before, 3);
}

#[test]
fn a_pack_that_is_cut_is_noticed_by_the_next_who_looks() {
    let packed = || {
        let (place, _) = filled();
        for segment in 10..80 {
            record_as(&place.journal(), segment, &[]);
        }
        let before = everything(&place.apply());
        journal::pack(&Disk::new(), &place.journal(), 1000, &|_| true).unwrap().unwrap();
        place.store().settle_packs(&place.journal()).unwrap();
        (place, before)
    };
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
fn what_is_lost_without_a_fact_is_not_worth_an_old_store() {
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
    assert_eq!(place.store().set_aside(), Vec::<PathBuf>::new());
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
        let old = place.apply();
        let (before, all) = (said(&old), everything(&old));
        drop(old);
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
            let kept = Store::at(loss.set_aside).snapshot().unwrap().unwrap();
            prop_assert_eq!(everything(&kept), all);
        }
    }
}

fn option_of_index() -> impl Strategy<Value = Option<prop::sample::Index>> {
    proptest::option::of(any::<prop::sample::Index>())
}
