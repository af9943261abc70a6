//! The database's file, each page of which is held against its checksum when it is read.
//!
//! redb keeps the checksum of every page in the page above it, and those of the topmost ones in its header, but looks at them only
//! when it repairs a database or checks a whole one: of a page that was altered on the disk, ordinary reads give what they find,
//! or do not find, in it. Here the checksums of the pages below are noted with every page that is read, so that what comes from
//! the disk is what was written there, or [`io::ErrorKind::InvalidData`].
//!
//! The layout of pages is that of redb's file format 3, as its `docs/design.md` has it; a release of redb with another one does
//! not read our files without being told to (its version is bounded in `Cargo.toml`), and no page would be led to here.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::io;
use std::ops::{Bound, Range};
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};
use twox_hash::XxHash3_128;

/// Bytes of the smallest page, and of the room for the header.
const PAGE_BYTES: u64 = 4096;
/// Where the header keeps how many pages stand in front of a region, and how many it has.
const REGION_FRONT: usize = 16;
const REGION_PAGES: usize = 20;
/// Where the header keeps the two last commits, each with its checksum at its end.
const COMMITS: [Range<usize>; 2] = [64..192, 192..320];
/// Where a commit keeps the roots of the tables and of the database's own ones: whether there is one, and which.
const ROOTS: [(usize, Range<usize>); 2] = [(1, 8..40), (2, 40..72)];
/// Bytes of the number of a page.
const NUMBER_BYTES: usize = 8;
/// Bytes of a checksum.
const CHECKSUM_BYTES: usize = 16;
/// The first byte of a page with rows.
const LEAF: u8 = 1;
/// The first byte of a page that leads to others.
const BRANCH: u8 = 2;
/// The first byte in the description of a table with one value for each key.
const PLAIN_TABLE: u8 = 3;
/// In which byte of that the root is said to be there, and where it stands.
const TABLE_ROOT: (usize, Range<usize>) = (9, 10..42);
/// The same of the width of keys and of that of values.
const TABLE_WIDTHS: [(usize, usize); 2] = [(42, 43), (47, 48)];

/// A file whose pages are checked when they are read.
pub(crate) struct CheckedFile {
    file: FileBackend,
    known: Mutex<Known>,
}

/// What is known of pages that were not read yet.
#[derive(Default)]
struct Known {
    regions: Regions,
    /// By where they begin; `None` of those that were written here.
    pages: HashMap<u64, Option<Page>, BuildHasherDefault<PlaceHasher>>,
}

/// A page as the one above it has it.
#[derive(Clone, Copy)]
struct Page {
    checksum: [u8; CHECKSUM_BYTES],
    tree: Tree,
}

/// What a page is part of: how its bytes are to be read depends on it.
#[derive(Clone, Copy)]
enum Tree {
    /// The names of tables, each with where its rows are.
    Tables,
    /// The rows of a table, with the widths of its keys and values where all have the same.
    Rows { key: Option<u32>, value: Option<u32> },
}

/// How the file is divided.
#[derive(Clone, Copy, Default)]
struct Regions {
    front_pages: u64,
    pages: u64,
}

impl CheckedFile {
    /// Reads through `file`, of which nothing was read yet.
    pub fn new(file: FileBackend) -> Self {
        CheckedFile { file, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, place: u64, bytes: &[u8]) -> Option<()> {
        if place == 0 {
            return self.known().note_header(bytes);
        }
        let page = *self.known().pages.get(&place)?;
        // What was written here has no checksum before its transaction ends.
        let Some(page) = page else { return Some(()) };
        let used = bytes.get(..page.tree.end(bytes)?)?;
        if checksum_of(used) != page.checksum {
            return None;
        }
        self.known().note_below(used, page.tree)
    }
}

impl Known {
    /// Notes the topmost pages of both commits: which of them counts is for redb to decide.
    fn note_header(&mut self, header: &[u8]) -> Option<()> {
        if header.len() < COMMITS[1].end {
            // Only the first bytes are asked for, which say that it is a database.
            return Some(());
        }
        self.regions = Regions {
            front_pages: u64::from(u32_at(header, REGION_FRONT)?),
            pages: u64::from(u32_at(header, REGION_PAGES)?),
        };
        for commit in COMMITS {
            let (commit, checksum) = header[commit].split_last_chunk::<CHECKSUM_BYTES>()?;
            if checksum_of(commit) != *checksum {
                // One that was under way when its writer died; redb passes it over.
                continue;
            }
            for (is_there, root) in ROOTS {
                if commit[is_there] != 0 {
                    self.note_root(&commit[root], Tree::Tables)?;
                }
            }
        }
        Some(())
    }

    /// Notes what a page that was found whole leads to.
    fn note_below(&mut self, page: &[u8], tree: Tree) -> Option<()> {
        let count = usize::from(u16_at(page, 2)?);
        if page[0] == BRANCH {
            self.pages.reserve(count + 1);
            let checksums = page.get(8..)?.chunks_exact(CHECKSUM_BYTES).take(count + 1);
            let numbers =
                page.get(8 + CHECKSUM_BYTES * (count + 1)..)?.chunks_exact(NUMBER_BYTES).take(count + 1);
            for (checksum, number) in checksums.zip(numbers) {
                self.note(number, checksum, tree)?;
            }
        } else if matches!(tree, Tree::Tables) {
            let mut start = u32_at(page, 4 + 4 * (count - 1))? as usize;
            for row in 0..count {
                let end = u32_at(page, 4 + 4 * (count + row))? as usize;
                self.note_table(page.get(start..end)?)?;
                start = end;
            }
        }
        Some(())
    }

    fn note_table(&mut self, table: &[u8]) -> Option<()> {
        let (is_there, root) = TABLE_ROOT;
        if *table.get(is_there)? == 0 {
            return Some(());
        }
        let [key, value] = TABLE_WIDTHS.map(|(is_fixed, width)| match table.get(is_fixed)? {
            0 => Some(None),
            _ => Some(Some(u32_at(table, width)?)),
        });
        // Tables of many values for a key are laid out in another way; there are none.
        let tree = (table[0] == PLAIN_TABLE).then_some(Tree::Rows { key: key?, value: value? })?;
        self.note_root(table.get(root)?, tree)
    }

    fn note_root(&mut self, root: &[u8], tree: Tree) -> Option<()> {
        let (number, checksum) = root.split_at_checked(NUMBER_BYTES)?;
        self.note(number, checksum.get(..CHECKSUM_BYTES)?, tree)
    }

    fn note(&mut self, number: &[u8], checksum: &[u8], tree: Tree) -> Option<()> {
        let place = self.regions.place_of(u64::from_le_bytes(number.try_into().ok()?))?;
        let checksum = checksum.try_into().ok()?;
        self.pages.insert(place, Some(Page { checksum, tree }));
        Some(())
    }
}

impl Regions {
    /// Returns where the page with a number begins.
    fn place_of(&self, number: u64) -> Option<u64> {
        let order = number >> 59;
        let region = (number >> 20) & 0xf_ffff;
        let index = number & (0xf_ffff >> order);
        // The header stands in front of the first region, and has a page of its own.
        let pages_before = 1 + region.checked_mul(self.front_pages + self.pages)? + self.front_pages;
        pages_before.checked_add(index << order)?.checked_mul(PAGE_BYTES)
    }
}

impl Tree {
    /// Returns how many bytes of a page are used: only those have a checksum.
    fn end(self, page: &[u8]) -> Option<usize> {
        let (key, value) = match self {
            Tree::Tables => (None, None),
            Tree::Rows { key, value } => (key.map(|width| width as usize), value.map(|width| width as usize)),
        };
        let count = usize::from(u16_at(page, 2)?);
        let last = count.checked_sub(1)?;
        match *page.first()? {
            LEAF => match (key, value) {
                (Some(key), Some(value)) => Some(4 + count * (key + value)),
                (None, Some(value)) => (u32_at(page, 4 + 4 * last)? as usize).checked_add(count * value),
                (Some(_), None) => Some(u32_at(page, 4 + 4 * last)? as usize),
                (None, None) => Some(u32_at(page, 4 + 4 * (count + last))? as usize),
            },
            BRANCH => {
                let keys = 8 + (CHECKSUM_BYTES + NUMBER_BYTES) * (count + 1);
                match key {
                    Some(key) => Some(keys + count * key),
                    None => Some(u32_at(page, keys + 4 * last)? as usize),
                }
            }
            _ => None,
        }
    }
}

fn checksum_of(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    XxHash3_128::oneshot(bytes).to_le_bytes()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Hashes places of pages, which come from our own file and differ in their middle bits.
#[derive(Default)]
struct PlaceHasher(u64);

impl Hasher for PlaceHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(self.0 << 8 | u64::from(*byte)));
    }

    fn write_u64(&mut self, place: u64) {
        // The golden ratio, as Knuth has it; a table takes its bits from both ends.
        self.0 = (place / PAGE_BYTES).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(20);
    }
}

impl fmt::Debug for CheckedFile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(out)
    }
}

type Place = Bound<u64>;

impl StorageBackend for CheckedFile {
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)?;
        self.check(offset, out).ok_or_else(|| {
            let what = format!("the page at byte {offset} of the store is not what was written there");
            io::Error::new(io::ErrorKind::InvalidData, what)
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if offset != 0 {
            self.known().pages.insert(offset, None);
        }
        self.file.write(offset, data)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Place, end: Place) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Place, end: Place) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Place, end: Place) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Place, end: Place) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Place, end: Place) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Place, end: Place) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}
