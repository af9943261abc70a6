//! Applying: what the journal holds and the store does not, in short transactions.

use std::fs;
use std::path::Path;

use redb::{Database, Durability, ReadableTable};

use crate::error::{Error, Result};
use crate::journal::{self, Listing, Reader, SegmentRef, Tail};
use crate::store::batch::Batch;
use crate::store::schema;
use crate::store::{Found, Snapshot, Store, broken};

/// As many edges go into one transaction.
const TRANSACTION_EDGES: usize = 200_000;

/// What an application of the journal came to.
#[derive(Debug, Default)]
pub struct Applied {
    /// Facts that were applied.
    pub facts: u64,
    /// Whether the store was built from nothing.
    pub rebuilt: bool,
    /// Segments, or parts of them, that could not be read.
    pub unreadable: Vec<Unreadable>,
}

/// A part of the journal that could not be applied; everything else was.
#[derive(Debug)]
pub struct Unreadable {
    /// The segment.
    pub segment: u128,
    /// Why.
    pub error: Error,
}

impl Store {
    /// Returns the segments of `listing` of which the store lacks something; all of them where there is no store.
    ///
    /// # Errors
    /// A store error where the store cannot be read.
    pub fn lacking(snapshot: Option<&Snapshot>, listing: &Listing) -> Result<Vec<SegmentRef>> {
        let mut lacking = Vec::new();
        for segment in &listing.segments {
            let applied = snapshot.map_or(Ok(0), |snapshot| snapshot.applied_bytes(segment.segment))?;
            if applied < segment.length {
                lacking.push(segment.clone());
            }
        }
        Ok(lacking)
    }

    /// Brings the store up to the journal at `journal`. To be called by the holder of the workspace's lock.
    ///
    /// A store that is absent, damaged or of another format is built anew beside the old file and takes its place when whole.
    ///
    /// # Errors
    /// A store error where the journal cannot be listed or the store not written. Segments that cannot be read are
    /// reported in the result, and the others applied.
    pub fn apply(&self, journal: &Path) -> Result<Applied> {
        match self.find()? {
            Found::Usable(database) => {
                let Some(snapshot) = Snapshot::of(&database)? else {
                    return self.rebuild(journal);
                };
                let listing = journal::list(journal, &|pack| snapshot.knows_pack(pack).unwrap_or(false))?;
                if !self.continues(&snapshot, &listing)? {
                    return self.rebuild(journal);
                }
                let lacking = Store::lacking(Some(&snapshot), &listing)?;
                drop((snapshot, database));
                if lacking.is_empty() {
                    return Ok(Applied::default());
                }
                let database = Store::open_writable(&self.path)?;
                apply_segments(&database, &lacking, Durability::Immediate)
            }
            Found::Absent | Found::Unusable => self.rebuild(journal),
        }
    }

    /// Returns false where the store has applied more of a segment than the journal holds: it belongs to another journal.
    fn continues(&self, snapshot: &Snapshot, listing: &Listing) -> Result<bool> {
        for segment in &listing.segments {
            if snapshot.applied_bytes(segment.segment)? > segment.length {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Builds the store anew from the journal, beside the old one, which it then replaces.
    ///
    /// # Errors
    /// A store error where the journal cannot be listed or the store not written; the old file is untouched then.
    pub fn rebuild(&self, journal: &Path) -> Result<Applied> {
        let fresh = self.path.with_extension(format!("redb-new-{}", std::process::id()));
        let built = self.rebuild_as(&fresh, journal);
        if built.is_err() {
            let _ = fs::remove_file(&fresh);
        }
        let applied = built?;
        fs::rename(&fresh, &self.path).map_err(|cause| self.failed("replace", cause))?;
        Ok(applied)
    }

    /// Builds a store from the journal at `fresh`, a file that is overwritten.
    ///
    /// # Errors
    /// As [`Store::rebuild`].
    pub fn rebuild_as(&self, fresh: &Path, journal: &Path) -> Result<Applied> {
        match fs::remove_file(fresh) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                return Err(self.failed("replace", cause));
            }
            _ => {}
        }
        // Nobody else sees the file yet, so it may be written without a durable commit for every part of it.
        let database = Store::open_alone(fresh)?;
        let listing = journal::list(journal, &|_| false)?;
        let mut applied = apply_segments(&database, &listing.segments, Durability::None)?;
        // One durable transaction at the end makes all before it durable.
        let transaction = database.begin_write().map_err(broken)?;
        {
            let mut meta = transaction.open_table(schema::META).map_err(broken)?;
            meta.insert(b"format".as_slice(), schema::FORMAT.to_be_bytes().as_slice()).map_err(broken)?;
            let mut packs = transaction.open_table(schema::PACKS).map_err(broken)?;
            for pack in packs_of(&listing.segments) {
                packs.insert(&pack.to_be_bytes(), [].as_slice()).map_err(broken)?;
            }
        }
        transaction.commit().map_err(broken)?;
        applied.rebuilt = true;
        Ok(applied)
    }

    /// Remembers that all segments of a pack are applied, so that it is not opened again.
    ///
    /// # Errors
    /// A store error where the store cannot be written.
    pub fn remember_pack(&self, pack: u128) -> Result<()> {
        let database = Store::open_writable(&self.path)?;
        let transaction = database.begin_write().map_err(broken)?;
        transaction
            .open_table(schema::PACKS)
            .map_err(broken)?
            .insert(&pack.to_be_bytes(), [].as_slice())
            .map_err(broken)?;
        transaction.commit().map_err(broken)
    }

    /// Checks the database's own checksums; `false` where pages are damaged.
    ///
    /// # Errors
    /// A store error where the file cannot be read.
    pub fn is_intact(&self) -> Result<bool> {
        // The check repairs what it can, so it is made on a copy.
        let copy = self.path.with_extension(format!("redb-check-{}", std::process::id()));
        let checked =
            fs::copy(&self.path, &copy).map_err(|cause| self.failed("copy", cause)).and_then(|_| {
                match super::builder().open(&copy) {
                    Ok(mut database) => {
                        database.check_integrity().map_err(|cause| self.failed("check", cause))
                    }
                    Err(_) => Ok(false),
                }
            });
        let _ = fs::remove_file(&copy);
        checked
    }
}

fn packs_of(segments: &[SegmentRef]) -> Vec<u128> {
    let packed = segments.iter().filter(|segment| segment.packed);
    let mut packs: Vec<u128> = packed
        .filter_map(|segment| u128::from_str_radix(segment.path.file_stem()?.to_str()?, 16).ok())
        .collect();
    packs.dedup();
    packs
}

fn apply_segments(database: &Database, segments: &[SegmentRef], durability: Durability) -> Result<Applied> {
    let mut applied = Applied::default();
    let mut next = segments.iter();
    let mut current: Option<Source> = None;
    loop {
        let mut transaction = database.begin_write().map_err(broken)?;
        // Intermediate transactions of a rebuild need not be durable: nobody sees the file before its last one.
        transaction
            .set_durability(durability)
            .map_err(|cause| Error::store("cannot write the store").because(cause))?;
        let mut batch = Batch::begin(&transaction)?;
        while batch.edges() < TRANSACTION_EDGES {
            if current.is_none() {
                let Some(segment) = next.next() else { break };
                current = open_source(&transaction, segment, &mut applied)?;
                continue;
            }
            if let Some(source) = &mut current
                && source.drain(&mut batch, &mut applied)?
            {
                source.mark(&transaction)?;
                current = None;
            }
        }
        if let Some(source) = &current {
            source.mark(&transaction)?;
        }
        batch.finish()?;
        transaction.commit().map_err(broken)?;
        if current.is_none() && next.len() == 0 {
            return Ok(applied);
        }
    }
}

/// A segment being applied.
struct Source {
    segment: SegmentRef,
    name: String,
    bytes: journal::SegmentBytes,
    /// Where the next transaction goes on.
    offset: u64,
}

fn open_source(
    transaction: &redb::WriteTransaction,
    segment: &SegmentRef,
    applied: &mut Applied,
) -> Result<Option<Source>> {
    let offset = {
        let table = transaction.open_table(schema::SEGMENTS).map_err(broken)?;
        let row = table.get(&segment.segment.to_be_bytes()).map_err(broken)?;
        row.map_or(0, |row| schema::number_of(row.value()))
    };
    let name = segment.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    match journal::read_segment(segment, offset) {
        Ok(Some(bytes)) => Ok(Some(Source { segment: segment.clone(), name, offset: bytes.offset, bytes })),
        Ok(None) => Ok(None),
        Err(error) => {
            applied.unreadable.push(Unreadable { segment: segment.segment, error });
            Ok(None)
        }
    }
}

impl Source {
    /// Adds facts until the batch is full; true where the segment has no more.
    fn drain(&mut self, batch: &mut Batch<'_>, applied: &mut Applied) -> Result<bool> {
        let done = self.offset - self.bytes.offset;
        self.bytes.rest.drain(..done as usize);
        self.bytes.offset = self.offset;
        let mut reader = match Reader::new(&self.name, &self.bytes) {
            Ok(Some(reader)) => reader,
            Ok(None) => return Ok(true),
            Err(error) => {
                applied.unreadable.push(Unreadable { segment: self.segment.segment, error });
                return Ok(true);
            }
        };
        loop {
            if batch.edges() >= TRANSACTION_EDGES {
                self.offset = reader.offset();
                return Ok(false);
            }
            match reader.next() {
                Ok(Some(frame)) => {
                    batch.add(&frame.fact)?;
                    applied.facts += 1;
                }
                Ok(None) => break,
                Err(error) => {
                    applied.unreadable.push(Unreadable { segment: self.segment.segment, error });
                    break;
                }
            }
        }
        if !reader.damaged().is_empty() {
            let error = Error::store(format!(
                "journal segment `{}` has {} damaged records, passed over",
                self.name,
                reader.damaged().len()
            ));
            applied.unreadable.push(Unreadable { segment: self.segment.segment, error });
        }
        self.offset = reader.offset();
        if let Tail::Torn { bytes } = reader.tail()
            && applied.unreadable.is_empty()
            && self.is_closed()
        {
            // A torn tail that nobody will complete is done with, so that no later command looks at it again.
            self.offset += bytes;
        }
        Ok(true)
    }

    fn is_closed(&self) -> bool {
        let folder = self.segment.path.parent().unwrap_or(Path::new("."));
        self.segment.packed || !journal::writer_is_alive(folder, self.segment.segment)
    }

    /// Writes down how much of the segment is applied.
    fn mark(&self, transaction: &redb::WriteTransaction) -> Result<()> {
        let mut table = transaction.open_table(schema::SEGMENTS).map_err(broken)?;
        table
            .insert(&self.segment.segment.to_be_bytes(), self.offset.to_be_bytes().as_slice())
            .map_err(broken)?;
        Ok(())
    }
}
