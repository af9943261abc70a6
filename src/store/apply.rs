//! Applying: what the journal holds and the store does not, in short transactions.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::mpsc::Receiver;

use redb::{Database, Durability, ReadOnlyDatabase, ReadableTable, Table, WriteTransaction};

use crate::error::{Error, Result};
use crate::journal::{self, Listing, SegmentRef};
use crate::store::batch::Batch;
use crate::store::damage::{Damage, damaged_packs};
use crate::store::feed::{Chunk, Lacking, feed};
use crate::store::lost::{Loss, LostSegment, is_being_rewritten};
use crate::store::schema::{Bytes, Key};
use crate::store::{Found, Snapshot, Store, broken, guarded, is_damage, schema};

/// As many rows go into one transaction.
const TRANSACTION_ROWS: usize = 1_000_000;
/// So often a journal is listed again while packers move its segments.
const LISTINGS_MAX: usize = 16;

/// What an application of the journal came to.
#[derive(Debug, Default)]
pub struct Applied {
    /// Facts that were applied.
    pub facts: u64,
    /// Whether the store was built from nothing.
    pub rebuilt: bool,
    /// Segments, or parts of them, that could not be read.
    pub unreadable: Vec<Unreadable>,
    /// What the journal had lost of what the store had applied.
    pub loss: Option<Loss>,
}

/// A part of the journal that could not be applied; everything else was.
#[derive(Debug)]
pub struct Unreadable {
    /// The segment.
    pub segment: u128,
    /// Why.
    pub error: Error,
    /// Whether the store remembers it, as [`Snapshot::damage_of_journal`] says.
    pub remembered: bool,
}

/// What became of the application of what is new.
enum Application {
    Done(Applied),
    /// The store is of another format, or read damaged files that have been replaced since.
    Outdated,
    /// The journal lacks what the store has applied.
    Lost(Vec<LostSegment>),
}

/// What stands between a store and its journal.
#[derive(Debug, Default)]
pub struct Lack {
    /// The segments of which the store lacks something.
    pub segments: Vec<SegmentRef>,
    /// Whether the store has what the journal has not, since it is another journal's or since something was lost or taken
    /// away, or was read from damaged files that have been replaced: whoever applies facts next builds it anew.
    pub is_outdated: bool,
}

impl Lack {
    /// Returns true where the store is what the journal says.
    pub fn is_nothing(&self) -> bool {
        self.segments.is_empty() && !self.is_outdated
    }
}

impl Store {
    /// Lists the journal, but for what lies in packs of which a state of the store has all, and that are as long as they were.
    ///
    /// # Errors
    /// A store error where the journal cannot be listed, or the store not read.
    pub fn listing(snapshot: Option<&Snapshot>, journal: &Path) -> Result<Listing> {
        let known = snapshot.map_or(Ok(HashMap::new()), Snapshot::known_packs)?;
        journal::list(journal, &|pack| {
            known.get(&pack).is_some_and(|length| journal::pack_length(journal, pack) == Some(*length))
        })
    }

    /// Returns what the store lacks of `listing`: all of it where there is no store.
    ///
    /// # Errors
    /// A store error where the store cannot be read.
    pub fn lacking(snapshot: Option<&Snapshot>, listing: &Listing) -> Result<Lack> {
        let Some(snapshot) = snapshot else {
            return Ok(Lack { segments: listing.segments.clone(), is_outdated: false });
        };
        let mut lack = Lack::default();
        let mut listed = HashSet::with_capacity(listing.segments.len());
        for segment in &listing.segments {
            listed.insert(segment.segment);
            match snapshot.applied_bytes(segment.segment)?.cmp(&segment.length) {
                Ordering::Less => lack.segments.push(segment.clone()),
                Ordering::Equal => {}
                Ordering::Greater => lack.is_outdated |= !is_being_rewritten(segment),
            }
        }
        lack.is_outdated |= !snapshot.loose_segments()?.iter().all(|segment| listed.contains(segment));
        lack.is_outdated |= !Store::lost_from_packs(snapshot, listing, &listed)?.is_empty();
        lack.is_outdated |= snapshot.damage_may_be_mended(&listing.folder)?;
        Ok(lack)
    }

    /// Brings the store up to the journal at `journal`. To be called by the holder of the workspace's lock.
    ///
    /// A store that is absent, damaged, of another format or of another journal is built anew beside the old file and takes
    /// its place when whole. An old one with facts that the journal does not hold is not thrown away, but set aside.
    ///
    /// # Errors
    /// A store error where the journal cannot be listed or the store not written. Segments that cannot be read are
    /// reported in the result, and the others applied.
    pub fn apply(&self, journal: &Path) -> Result<Applied> {
        let Found::Usable(database) = self.find()? else {
            return self.rebuild(journal);
        };
        match guarded(|| self.apply_new(database, journal)) {
            Ok(Application::Done(applied)) => Ok(applied),
            Ok(Application::Outdated) => self.rebuild(journal),
            Ok(Application::Lost(segments)) => self.rebuild_after_loss(journal, segments),
            Err(error) if is_damage(&error) => self.rebuild(journal),
            Err(error) => Err(error),
        }
    }

    /// Applies what is new, where the store has nothing but what the journal holds.
    fn apply_new(&self, database: ReadOnlyDatabase, journal: &Path) -> Result<Application> {
        let Some(snapshot) = Snapshot::of(&database)? else {
            // Where it cannot be told what is applied, the journal is taken to hold it.
            return match guarded(|| Store::lost_from_another_format(&database, journal)) {
                Ok(lost) if !lost.is_empty() => Ok(Application::Lost(lost)),
                _ => Ok(Application::Outdated),
            };
        };
        let listing = Store::listing(Some(&snapshot), journal)?;
        let lost = Store::lost_segments(&snapshot, &listing)?;
        if !lost.is_empty() {
            return Ok(Application::Lost(lost));
        }
        if snapshot.damage_may_be_mended(journal)? {
            return Ok(Application::Outdated);
        }
        let mut lacking = Vec::new();
        for segment in &listing.segments {
            let applied = snapshot.applied_bytes(segment.segment)?;
            if applied < segment.length {
                let segment = segment.clone();
                lacking.push(Lacking { segment, applied });
            }
        }
        drop((snapshot, database));
        let mut applied = Applied::default();
        applied.complain_of_packs(&listing);
        if lacking.is_empty() {
            return Ok(Application::Done(applied));
        }
        let database = self.open_to_write().map_err(broken)?;
        let mut marks = HashMap::new();
        feed(&lacking, |chunks| insert(&database, chunks, Durability::Immediate, &mut marks, &mut applied))?;
        settle(&database, &listing)?;
        Ok(Application::Done(applied))
    }

    /// Learns of packs of the journal that were made since facts were applied last: whoever reads the store next would open
    /// each, and look for all its segments. To be called by the holder of the workspace's lock.
    ///
    /// # Errors
    /// A store error where the journal cannot be listed or the store not written.
    pub fn settle_packs(&self, journal: &Path) -> Result<()> {
        let Some(snapshot) = self.snapshot()? else {
            return Ok(());
        };
        let listing = Store::listing(Some(&snapshot), journal)?;
        drop(snapshot);
        guarded(|| settle(&self.open_to_write().map_err(broken)?, &listing))
    }

    /// Builds the store anew from the journal, beside the old one, which it then replaces. Segments may be packed meanwhile.
    ///
    /// # Errors
    /// A store error where the journal cannot be listed or the store not written; the old file is untouched then, but for that
    /// of a store without a name.
    pub fn rebuild(&self, journal: &Path) -> Result<Applied> {
        if let Some(file) = &self.nameless {
            file.set_len(0).map_err(|cause| self.failed("empty", cause))?;
            return build(&self.create()?, journal);
        }
        self.rebuild_then(journal, |fresh, _| {
            self.disk.rename(fresh, &self.path).map_err(|cause| self.failed("replace", cause))
        })
    }

    fn rebuild_after_loss(&self, journal: &Path, segments: Vec<LostSegment>) -> Result<Applied> {
        if self.nameless.is_some() {
            return self.rebuild(journal);
        }
        self.rebuild_then(journal, |fresh, applied| {
            applied.loss = self.replace_after_loss(fresh, segments)?;
            Ok(())
        })
    }

    /// Builds a store beside this one, and lets `replace` put it in its place.
    fn rebuild_then(
        &self,
        journal: &Path,
        replace: impl FnOnce(&Path, &mut Applied) -> Result<()>,
    ) -> Result<Applied> {
        self.remove_leftovers();
        self.remove_leftovers_aside();
        let name = self.path.with_extension(format!("{FRESH_ENDING}{}", std::process::id()));
        let fresh = Store::at(self.disk.clone(), name);
        let built = fresh.create().and_then(|database| build(&database, journal)).and_then(|mut applied| {
            replace(&fresh.path, &mut applied)?;
            Ok(applied)
        });
        if built.is_err() {
            let _ = self.disk.remove(&fresh.path);
        }
        built
    }

    /// Removes what builders that were killed have left. The lock says that none is at work.
    fn remove_leftovers(&self) {
        let Some(folder) = self.path.parent() else { return };
        let front = self.path.with_extension(FRESH_ENDING);
        let Some(front) = front.file_name().and_then(|name| name.to_str()) else {
            return;
        };
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(front) {
                let _ = self.disk.remove(&entry.path());
            }
        }
    }
}

/// Fills a new store from the journal; segments may be packed meanwhile.
fn build(database: &Database, journal: &Path) -> Result<Applied> {
    // Nobody else sees the file yet, so it may be written without a durable commit for every part of it.
    let mut applied = Applied { rebuilt: true, ..Applied::default() };
    let mut marks: HashMap<u128, u64> = HashMap::new();
    for _ in 0..LISTINGS_MAX {
        let listing = journal::list(journal, &|_| false)?;
        let applied_bytes = |segment: &SegmentRef| marks.get(&segment.segment).copied().unwrap_or(0);
        let lacking = listing
            .segments
            .iter()
            .map(|segment| Lacking { applied: applied_bytes(segment), segment: segment.clone() });
        let lacking: Vec<Lacking> = lacking.filter(|l| l.applied < l.segment.length).collect();
        applied.unreadable.clear();
        applied.complain_of_packs(&listing);
        let vanished =
            feed(&lacking, |chunks| insert(database, chunks, Durability::None, &mut marks, &mut applied))?;
        if !vanished {
            // One durable transaction at the end makes all before it durable.
            let transaction = database.begin_write().map_err(broken)?;
            transaction
                .open_table(schema::META)
                .map_err(broken)?
                .insert(b"format".as_slice(), schema::FORMAT.to_be_bytes().as_slice())
                .map_err(broken)?;
            write_packs(&transaction, &listing)?;
            transaction.commit().map_err(broken)?;
            return Ok(applied);
        }
    }
    Err(Error::store("cannot build the store: the journal's files change too fast")
        .hint("nothing was changed; try again"))
}

/// The ending of the file of a store that is being built.
const FRESH_ENDING: &str = "redb-new-";

impl Unreadable {
    fn of_damage(damage: &Damage) -> Self {
        Unreadable { segment: damage.segment, error: damage.to_error(), remembered: true }
    }
}

impl Applied {
    fn complain_of_packs(&mut self, listing: &Listing) {
        let unreadable = |error| Unreadable { segment: 0, error, remembered: false };
        self.unreadable.extend(damaged_packs(listing).into_iter().map(unreadable));
    }
}

/// Inserts the facts of all chunks; true where a segment had vanished. `marks` tells how far each segment is applied.
fn insert(
    database: &Database,
    chunks: &mut Receiver<Chunk>,
    durability: Durability,
    marks: &mut HashMap<u128, u64>,
    applied: &mut Applied,
) -> Result<bool> {
    let mut vanished = false;
    let mut waiting = Chunk::default();
    let mut facts = std::mem::take(&mut waiting.facts).into_iter();
    let mut done = false;
    while !done {
        let mut transaction = database.begin_write().map_err(broken)?;
        // Intermediate transactions of a rebuild need not be durable: nobody sees the file before its last one.
        transaction
            .set_durability(durability)
            .map_err(|cause| Error::store("cannot write the store").because(cause))?;
        let mut batch = Batch::begin(&transaction)?;
        let mut changed: HashMap<u128, u64> = HashMap::new();
        let mut damages = Vec::new();
        while batch.rows() < TRANSACTION_ROWS {
            if let Some((fact, end)) = facts.next() {
                batch.add(fact)?;
                changed.insert(waiting.segment, end);
                applied.facts += 1;
                continue;
            }
            if waiting.end > 0 {
                changed.insert(waiting.segment, waiting.end);
            }
            let Ok(mut chunk) = chunks.recv() else {
                done = true;
                break;
            };
            vanished |= chunk.vanished;
            applied.unreadable.append(&mut chunk.unreadable);
            damages.extend(chunk.damage.take());
            facts = std::mem::take(&mut chunk.facts).into_iter();
            waiting = chunk;
        }
        batch.finish()?;
        mark(&transaction, &changed)?;
        damages.iter().try_for_each(|damage| damage.write(&transaction))?;
        transaction.commit().map_err(broken)?;
        applied.unreadable.extend(damages.iter().map(Unreadable::of_damage));
        marks.extend(changed);
    }
    Ok(vanished)
}

/// Writes down how much of each segment is applied.
fn mark(transaction: &WriteTransaction, marks: &HashMap<u128, u64>) -> Result<()> {
    let mut table = transaction.open_table(schema::SEGMENTS).map_err(broken)?;
    for (segment, bytes) in marks {
        table.insert(&segment.to_be_bytes(), bytes.to_be_bytes().as_slice()).map_err(broken)?;
    }
    Ok(())
}

/// Remembers the packs of which all segments are applied, so that they are not opened again, and forgets those that are gone.
fn settle(database: &Database, listing: &Listing) -> Result<()> {
    let transaction = database.begin_write().map_err(broken)?;
    if write_packs(&transaction, listing)? {
        transaction.commit().map_err(broken)
    } else {
        transaction.abort().map_err(broken)
    }
}

/// Writes what [`settle`] says; true where there was something to write.
fn write_packs(transaction: &WriteTransaction, listing: &Listing) -> Result<bool> {
    let mut loose = transaction.open_table(schema::SEGMENTS).map_err(broken)?;
    let mut packed = transaction.open_table(schema::PACKED).map_err(broken)?;
    let mut packs = transaction.open_table(schema::PACKS).map_err(broken)?;
    let mut changed = false;
    let of_packs = listing.segments.iter().filter(|segment| segment.packed);
    let mut by_pack: HashMap<&Path, Vec<&SegmentRef>> = HashMap::new();
    for segment in of_packs {
        by_pack.entry(&segment.path).or_default().push(segment);
    }
    for (path, segments) in by_pack {
        let Some(pack) = journal::pack_of(path).filter(|_| !listing.damaged_packs.iter().any(|p| p == path))
        else {
            continue;
        };
        let mut rows = Vec::with_capacity(segments.len());
        for segment in &segments {
            let place = segment.segment.to_be_bytes();
            let mut bytes = applied_of(&loose, &place)?;
            if bytes == 0 {
                bytes = applied_of(&packed, &place)?;
            }
            if bytes >= segment.length {
                rows.push((place, bytes));
            }
        }
        let length = journal::pack_length(&listing.folder, pack);
        let Some(length) = length.filter(|_| rows.len() == segments.len()) else {
            continue;
        };
        for (place, bytes) in &rows {
            loose.remove(place).map_err(broken)?;
            let row = [&bytes.to_be_bytes()[..], &pack.to_be_bytes()[..]].concat();
            packed.insert(place, row.as_slice()).map_err(broken)?;
        }
        packs.insert(&pack.to_be_bytes(), length.to_be_bytes().as_slice()).map_err(broken)?;
        changed = true;
    }
    let there: HashSet<[u8; 16]> = listing.packs.iter().map(|pack| pack.to_be_bytes()).collect();
    let mut gone = Vec::new();
    for row in packs.iter().map_err(broken)? {
        let pack = *row.map_err(broken)?.0.value();
        if !there.contains(&pack) {
            gone.push(pack);
        }
    }
    for pack in &gone {
        packs.remove(pack).map_err(broken)?;
    }
    Ok(changed || !gone.is_empty())
}

fn applied_of(table: &Table<'_, Key<16>, Bytes>, place: &[u8; 16]) -> Result<u64> {
    let row = table.get(place).map_err(broken)?;
    row.map_or(Ok(0), |row| schema::row_number(row.value()))
}
