//! Facts that the store has and the journal has lost: found before the store is built anew, and set aside.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use redb::ReadOnlyDatabase;

use crate::error::Result;
use crate::journal::{self, Listing, SegmentRef};
use crate::store::{Snapshot, Store, is_damage};

/// As many segments are named.
const NAMED_MAX: usize = 3;

/// A segment of which the store has applied what the journal does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostSegment {
    /// The segment.
    pub segment: u128,
    /// How many of its bytes were applied.
    pub applied: u64,
    /// How many of them the journal has; `None` where it does not have the segment at all.
    pub left: Option<u64>,
}

/// What the journal had lost when the store was built anew from it.
#[derive(Debug)]
pub struct Loss {
    /// The segments that are gone, or shorter than they were.
    pub segments: Vec<LostSegment>,
    /// How many facts were in them alone; `None` where the old store cannot tell.
    pub facts: Option<u64>,
    /// The file they were set aside in.
    pub set_aside: PathBuf,
}

impl LostSegment {
    /// Says what became of it.
    pub fn describe(&self) -> String {
        let name = journal::segment_name(self.segment);
        match self.left {
            Some(left) => format!("`{name}` has {left} bytes of {}", self.applied),
            None => format!("`{name}` is gone with {} bytes", self.applied),
        }
    }
}

/// Says which segments are lost, the first of them by name.
pub fn describe_lost(segments: &[LostSegment]) -> String {
    let mut words: Vec<String> = segments.iter().take(NAMED_MAX).map(LostSegment::describe).collect();
    if segments.len() > NAMED_MAX {
        words.push(format!("and {} more", segments.len() - NAMED_MAX));
    }
    words.join(", ")
}

/// Returns true where a segment is shorter than it was since its writer, which lives, had to cut back what the disk did not
/// take: it has the facts and writes them again.
pub(super) fn is_being_rewritten(segment: &SegmentRef) -> bool {
    let folder = segment.path.parent().unwrap_or(Path::new("."));
    !segment.packed && journal::writer_is_alive(folder, segment.segment)
}

impl Store {
    /// Returns the segments of which the store has applied what the journal does not hold: it lost it, or is another journal.
    ///
    /// # Errors
    /// A store error where the store cannot be read.
    pub fn lost_segments(snapshot: &Snapshot, listing: &Listing) -> Result<Vec<LostSegment>> {
        let mut lost = Vec::new();
        let mut listed = HashSet::with_capacity(listing.segments.len());
        for segment in &listing.segments {
            listed.insert(segment.segment);
            let applied = snapshot.applied_bytes(segment.segment)?;
            if applied > segment.length && !is_being_rewritten(segment) {
                let left = Some(segment.length);
                lost.push(LostSegment { segment: segment.segment, applied, left });
            }
        }
        let gone = |segment| -> Result<LostSegment> {
            Ok(LostSegment { segment, applied: snapshot.applied_bytes(segment)?, left: None })
        };
        for segment in snapshot.loose_segments()? {
            if !listed.contains(&segment) {
                lost.push(gone(segment)?);
            }
        }
        for segment in Store::lost_from_packs(snapshot, listing, &listed)? {
            lost.push(gone(segment)?);
        }
        Ok(lost)
    }

    /// Returns what [`Store::lost_segments`] does for a store of another format, as far as that tells what is applied as this one does.
    ///
    /// # Errors
    /// A store error where the store cannot be read so.
    pub(super) fn lost_from_another_format(
        database: &ReadOnlyDatabase,
        journal: &Path,
    ) -> Result<Vec<LostSegment>> {
        let snapshot = Snapshot::of_any_format(database)?;
        Store::lost_segments(&snapshot, &Store::listing(Some(&snapshot), journal)?)
    }

    /// Returns the segments that lay in packs that are gone or not what they were, and that are not `listed` elsewhere.
    pub(super) fn lost_from_packs(
        snapshot: &Snapshot,
        listing: &Listing,
        listed: &HashSet<u128>,
    ) -> Result<Vec<u128>> {
        let whole: HashSet<u128> = listing.passed_over.iter().copied().collect();
        if snapshot.known_packs()?.keys().all(|pack| whole.contains(pack)) {
            return Ok(Vec::new());
        }
        let mut packed = snapshot.packed_segments()?;
        packed.retain(|(segment, pack)| !whole.contains(pack) && !listed.contains(segment));
        Ok(packed.into_iter().map(|(segment, _)| segment).collect())
    }

    /// Puts `fresh`, built from a journal that has lost `segments`, in the place of this store; the facts of this one that
    /// `fresh` lacks are set aside first.
    ///
    /// # Errors
    /// A store error where a file cannot be written or moved; this store is in its place, or set aside, then.
    pub(super) fn replace_after_loss(
        &self,
        fresh: &Path,
        segments: Vec<LostSegment>,
    ) -> Result<Option<Loss>> {
        let loss = match self.set_facts_aside(&Store::at(self.disk.clone(), fresh)) {
            Ok(None) => None,
            Ok(Some((facts, set_aside))) => Some(Loss { segments, facts: Some(facts), set_aside }),
            // What can be read of it may still be worth something.
            Err(error) if is_damage(&error) => {
                Some(Loss { segments, facts: None, set_aside: self.move_aside()? })
            }
            Err(error) => return Err(error),
        };
        let replaced = self.disk.rename(fresh, &self.path);
        replaced.and_then(|()| self.sync_folder()).map_err(|cause| self.failed("replace", cause))?;
        Ok(loss)
    }
}
