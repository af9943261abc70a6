//! Damage in the journal that was passed over when facts were applied: said again until the file is another.

use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use redb::WriteTransaction;

use crate::error::{Error, Result};
use crate::journal::{Listing, SegmentRef};
use crate::store::reading::{GO_ON, Order};
use crate::store::schema::{self, key};
use crate::store::{Snapshot, broken, damaged};

/// As many places in a segment are named.
const PLACES_MAX: usize = 3;

/// Damaged records of one segment, as one look at its file found them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damage {
    /// The segment.
    pub segment: u128,
    /// Where in it damage begins.
    pub places: Vec<u64>,
    /// The file it was read from.
    pub file: SeenFile,
}

/// A file as it was when it was read; another one may be whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeenFile {
    name: String,
    length: u64,
    modified_us: i64,
}

impl SeenFile {
    fn at(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        let modified = found.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Some(SeenFile {
            name: path.file_name()?.to_str()?.to_owned(),
            length: found.len(),
            modified_us: i64::try_from(modified.as_micros()).unwrap_or(i64::MAX),
        })
    }

    fn to_bytes(&self) -> Vec<u8> {
        [&self.length.to_be_bytes()[..], &self.modified_us.to_be_bytes(), self.name.as_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk()?;
        let (modified_us, name) = rest.split_first_chunk()?;
        Some(SeenFile {
            name: String::from_utf8(name.to_vec()).ok()?,
            length: u64::from_be_bytes(*length),
            modified_us: i64::from_be_bytes(*modified_us),
        })
    }
}

impl Damage {
    /// Notes damage that a reader of `segment` passed over.
    pub fn of(segment: &SegmentRef, places: Vec<u64>) -> Self {
        // A file that is gone by now is another one when it is looked for next.
        let gone = || SeenFile { name: String::new(), length: 0, modified_us: 0 };
        let file = SeenFile::at(&segment.path).unwrap_or_else(gone);
        Damage { segment: segment.segment, places, file }
    }

    /// Says what is damaged.
    pub fn to_error(&self) -> Error {
        let mut places: Vec<String> = self.places.iter().take(PLACES_MAX).map(u64::to_string).collect();
        if self.places.len() > PLACES_MAX {
            places.push(format!("and {} more places", self.places.len() - PLACES_MAX));
        }
        Error::store(format!(
            "journal segment `{}` is damaged at byte {}; what is whole there was read",
            self.file.name,
            places.join(", ")
        ))
        .hint("nothing was changed; restore the file from a copy of the workspace")
    }

    /// Returns true where the file is not the one that was read. One that was packed since is.
    fn is_of_another_file(&self, journal: &Path) -> bool {
        SeenFile::at(&journal.join(&self.file.name)).is_some_and(|found| found != self.file)
    }

    /// Writes it down.
    pub fn write(&self, transaction: &WriteTransaction) -> Result<()> {
        let mut table = transaction.open_table(schema::DAMAGE).map_err(broken)?;
        for place in &self.places {
            let row = key::<24>(&[&self.segment.to_be_bytes(), &place.to_be_bytes()]);
            table.insert(&row, self.file.to_bytes().as_slice()).map_err(broken)?;
        }
        Ok(())
    }
}

/// Says which packs of a journal are damaged.
pub fn damaged_packs(listing: &Listing) -> Vec<Error> {
    let damaged = listing.damaged_packs.iter().map(|path| {
        Error::store(format!(
            "journal pack `{}` is damaged; what was found whole in it was read",
            path.display()
        ))
        .hint("nothing was changed; restore the file from a copy of the workspace")
    });
    damaged.collect()
}

impl Snapshot {
    /// Returns what was passed over in the journal since it is damaged, one error for each segment.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn damage_of_journal(&self) -> Result<Vec<Error>> {
        Ok(self.damages()?.iter().map(Damage::to_error).collect())
    }

    /// Returns true where a file in which damage was passed over has been replaced since: it may be whole now.
    pub(crate) fn damage_may_be_mended(&self, journal: &Path) -> Result<bool> {
        Ok(self.damages()?.iter().any(|damage| damage.is_of_another_file(journal)))
    }

    fn damages(&self) -> Result<Vec<Damage>> {
        let mut damages: Vec<Damage> = Vec::new();
        self.damage.scan_front(&[], Order::Rising, |row, bytes| {
            let file = SeenFile::from_bytes(bytes).ok_or_else(|| damaged("damage"))?;
            let mut segment = [0; 16];
            segment.copy_from_slice(&row[..16]);
            let segment = u128::from_be_bytes(segment);
            let place = schema::number_of(&row[16..]);
            match damages.last_mut() {
                Some(last) if last.segment == segment => last.places.push(place),
                _ => damages.push(Damage { segment, places: vec![place], file }),
            }
            Ok(GO_ON)
        })?;
        Ok(damages)
    }
}
