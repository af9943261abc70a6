//! Sync points and commits, which may wait for the disk at the same time.

use super::{fact, numbers};
use crate::disk::tests::FailOnce;
use crate::disk::{Disk, Operation};
use crate::journal::Writer;

/// One of two that wait is told that a sync failed, and what it did not force to the disk is gone; the other is told that all is
/// well.
#[test]
fn a_commit_forgets_nothing_of_which_a_sync_point_may_yet_be_told_an_error() {
    for is_settled in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let failing = FailOnce::at(0, |operation| operation == Operation::Sync);
        let mut writer = Writer::create(&Disk::with_faults(failing), folder.path(), 7).unwrap();
        writer.append(&fact(1)).unwrap();
        let mut point = writer.sync_point().unwrap();
        let outcome = point.sync();
        assert!(outcome.is_err());
        writer.append(&fact(2)).unwrap();
        writer.commit().unwrap();
        if is_settled {
            assert!(writer.settle(&point, outcome).is_err());
        }
        drop(point);
        writer.append(&fact(3)).unwrap();
        writer.commit().unwrap();
        assert_eq!(numbers(folder.path()), [(1, 1), (2, 1), (3, 1)].into(), "settled: {is_settled}");
        assert_eq!(writer.unsynced_bytes(), 0);
    }
}

#[test]
fn a_sync_point_that_was_never_begun_or_went_well_holds_nothing_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(&Disk::new(), folder.path(), 7).unwrap();
    writer.append(&fact(1)).unwrap();
    drop(writer.sync_point().unwrap());
    writer.commit().unwrap();
    assert_eq!(writer.unsynced_bytes(), 0);
    writer.append(&fact(2)).unwrap();
    let mut point = writer.sync_point().unwrap();
    writer.append(&fact(3)).unwrap();
    writer.commit().unwrap();
    assert!(writer.unsynced_bytes() > 0, "it is not settled");
    let outcome = point.sync();
    writer.settle(&point, outcome).unwrap();
    assert_eq!(writer.unsynced_bytes(), 0);
    assert_eq!(numbers(folder.path()), [(1, 1), (2, 1), (3, 1)].into());
}
