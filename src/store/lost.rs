//! Facts that the store has and the journal has lost: found before the store is built anew, and set aside with the old store.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::journal::{self, Listing, SegmentRef};
use crate::model::Digest;
use crate::store::{Snapshot, Store, is_damage};

/// The folder beside the store that stores with lost facts are kept in.
const FOLDER: &str = "lost-facts";
/// As many old stores are kept there.
const STORES_MAX: usize = 1000;
/// How a file of the database begins.
const FILE_FRONT: &[u8; 9] = b"redb\x1a\x0a\xa9\x0d\x0a";
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
    /// Where the old store was set aside.
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

    /// Returns the old stores that were set aside since they have facts that the journal has lost, the oldest first.
    pub fn set_aside(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path.with_file_name(FOLDER)).into_iter().flatten().flatten();
        let mut stores: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        stores.retain(|path| path.extension().is_some_and(|ending| ending == "redb"));
        stores.sort();
        stores
    }

    /// Returns true where the file at `path` is a store by its first bytes.
    pub fn is_store_file(path: &Path) -> bool {
        let mut front = [0; FILE_FRONT.len()];
        let read = File::open(path).and_then(|mut file| file.read_exact(&mut front));
        read.is_ok() && &front == FILE_FRONT
    }

    /// Returns how many facts of this store `other` lacks; of a metric, all points of one owner are one fact. Linear in both.
    ///
    /// # Errors
    /// A store error where one of them cannot be read.
    pub fn facts_beyond(&self, other: &Store) -> Result<u64> {
        let unreadable = || Error::store(format!("cannot read the store `{}`", self.path.display()));
        let known: HashSet<Digest> = match other.snapshot()? {
            Some(snapshot) => digests(&snapshot)?.into_iter().collect(),
            None => HashSet::new(),
        };
        let snapshot = self.snapshot()?.ok_or_else(unreadable)?;
        Ok(digests(&snapshot)?.iter().filter(|digest| !known.contains(digest)).count() as u64)
    }

    /// Puts `fresh`, built from a journal that has lost `segments`, in the place of this store; where that has facts that
    /// `fresh` lacks, it is kept under another name.
    ///
    /// # Errors
    /// A store error where a file cannot be moved; this store is in its place, or set aside, then.
    pub(super) fn replace_after_loss(
        &self,
        fresh: &Path,
        segments: Vec<LostSegment>,
    ) -> Result<Option<Loss>> {
        let facts = match self.facts_beyond(&Store::at(fresh)) {
            Ok(facts) => Some(facts),
            // What can be read of it may still be worth something.
            Err(error) if is_damage(&error) => None,
            Err(error) => return Err(error),
        };
        let mut loss = None;
        if facts != Some(0) {
            let set_aside = self.free_name_aside().map_err(|cause| self.failed("set aside", cause))?;
            fs::rename(&self.path, &set_aside).map_err(|cause| self.failed("set aside", cause))?;
            loss = Some(Loss { segments, facts, set_aside });
        }
        fs::rename(fresh, &self.path).map_err(|cause| self.failed("replace", cause))?;
        Ok(loss)
    }

    fn free_name_aside(&self) -> io::Result<PathBuf> {
        let folder = self.path.with_file_name(FOLDER);
        fs::create_dir_all(&folder)?;
        let mut names = (1..=STORES_MAX).map(|number| folder.join(format!("store-{number}.redb")));
        names.find(|path| !path.exists()).ok_or_else(|| io::ErrorKind::AlreadyExists.into())
    }
}

/// Returns the digest of every fact.
fn digests(snapshot: &Snapshot) -> Result<Vec<Digest>> {
    let mut digests = Vec::new();
    snapshot.facts(&mut |fact| {
        digests.push(Digest::of(&journal::encode(&fact)?));
        Ok(())
    })?;
    Ok(digests)
}
