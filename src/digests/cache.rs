//! Digests by stamp, in one file that may be lost, damaged or copied without harm.
//!
//! ```text
//! page 0        magic "LINEAGED"
//! page 1..      46 entries: dev ino size mtime ctime digest learned boot check
//! ```
//! An entry says of itself that it is whole: its check covers the identity of the cache file too, so that a copied cache
//! holds nothing. A group of neighbouring inodes shares a page, which is chosen by the group's number; where a page is full,
//! the entry that was learned first gives way. So the file is bounded, a look-up reads one page, and nobody waits for a lock:
//! of two writers of one place one wins, and a half-written entry is none.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::stamp::Stamp;
use crate::disk::give_new_file;
use crate::model::Digest;

const MAGIC: &[u8; 8] = b"LINEAGED";
const FORMAT: u8 = 1;
const PAGE_BYTES: usize = 4096;
const ENTRY_BYTES: usize = 88;
/// So many neighbouring inodes share a page; fewer than it has room for, so that two groups can share one for a while.
const GROUP_INODES: u64 = 32;
/// 64 MiB at most, and as many pages on the disk as there are groups.
const PAGES: u64 = 16_384;
/// What was learned so long after the last change outlives a power cut: by then the bytes are on the disk.
const WRITTEN_BACK_NS: i64 = 60_000_000_000;

/// The file.
#[derive(Debug)]
pub(super) struct Cache {
    path: PathBuf,
    /// Opened at the first question; `None` where it is not there.
    opened: OnceLock<Option<Table>>,
    /// Made at the first answer; `None` where it cannot be.
    made: OnceLock<Option<Table>>,
    /// Held while an entry is written, so that two threads of this process do not choose the same place.
    writing: Mutex<()>,
}

#[derive(Debug)]
struct Table {
    file: File,
    identity: [u64; 2],
    boot: u32,
}

struct Entry {
    stamp: Stamp,
    digest: Digest,
    learned_s: u32,
    boot: u32,
}

impl Cache {
    pub(super) fn at(path: PathBuf) -> Self {
        Cache { path, opened: OnceLock::new(), made: OnceLock::new(), writing: Mutex::new(()) }
    }

    /// Returns the digest of a file with this stamp, if it was learned and still counts.
    pub(super) fn get(&self, stamp: &Stamp) -> Option<Digest> {
        let opened = || self.opened.get_or_init(|| Table::open(&self.path)).as_ref();
        self.made.get().and_then(Option::as_ref).or_else(opened)?.get(stamp)
    }

    /// Remembers a digest that was computed at `at_ns`. What cannot be written is forgotten.
    pub(super) fn put(&self, stamp: &Stamp, digest: &Digest, at_ns: i64) {
        let made = || Table::open(&self.path).or_else(|| Table::make(&self.path));
        if let Some(table) = self.made.get_or_init(made) {
            let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
            table.put(stamp, digest, at_ns);
        }
    }
}

impl Table {
    /// Opens the file, if it is there and one of ours.
    fn open(path: &Path) -> Option<Table> {
        // Neither a link nor a second name of somebody else's file is ever written to.
        let named = path.symlink_metadata().ok()?;
        if !named.is_file() || named.nlink() != 1 {
            return None;
        }
        let file = OpenOptions::new().read(true).write(true).open(path).or_else(|_| File::open(path)).ok()?;
        let found = file.metadata().ok()?;
        let mut magic = [0; 8];
        file.read_exact_at(&mut magic, 0).ok()?;
        let is_ours = (found.dev(), found.ino()) == (named.dev(), named.ino()) && &magic == MAGIC;
        is_ours.then(|| Table { file, identity: [found.dev(), found.ino()], boot: boot() })
    }

    /// Makes a new file in the place of whatever is there.
    fn make(path: &Path) -> Option<Table> {
        let temporary = path.with_file_name(format!(".lineage-tmp-digests-{}", std::process::id()));
        let made = OpenOptions::new().read(true).write(true).create_new(true).open(&temporary).ok()?;
        give_new_file(&made, &temporary);
        let placed = made.write_all_at(MAGIC, 0).and_then(|()| std::fs::rename(&temporary, path));
        if placed.is_err() {
            // A leftover is in nobody's way but that of a later process of the same number.
            let _ = std::fs::remove_file(&temporary);
            return None;
        }
        Table::open(path)
    }

    fn page_of(stamp: &Stamp) -> u64 {
        let mut group = [0; 16];
        group[..8].copy_from_slice(&stamp.dev.to_le_bytes());
        group[8..].copy_from_slice(&(stamp.ino / GROUP_INODES).to_le_bytes());
        let hash = blake3::hash(&group);
        let mut number = [0; 8];
        number.copy_from_slice(&hash.as_bytes()[..8]);
        (1 + u64::from_le_bytes(number) % PAGES) * PAGE_BYTES as u64
    }

    /// Reads a page; one that is not there, or only in part, is empty there.
    fn read_page(&self, at: u64) -> [u8; PAGE_BYTES] {
        let mut page = [0; PAGE_BYTES];
        let mut done = 0;
        while let Ok(read @ 1..) = self.file.read_at(&mut page[done..], at + done as u64) {
            done += read;
        }
        page
    }

    fn get(&self, stamp: &Stamp) -> Option<Digest> {
        let page = self.read_page(Table::page_of(stamp));
        let identity = identity_bytes(stamp);
        let place = page.chunks_exact(ENTRY_BYTES).find(|place| place[..16] == identity)?;
        let entry = self.decode(place).filter(|entry| entry.stamp == *stamp)?;
        let learned_ns = i64::from(entry.learned_s).saturating_mul(1_000_000_000);
        // After a power cut a file may have its new times and its old bytes.
        let is_written_back = learned_ns.saturating_sub(stamp.changed_ns()) >= WRITTEN_BACK_NS;
        (entry.boot == self.boot || is_written_back).then_some(entry.digest)
    }

    fn put(&self, stamp: &Stamp, digest: &Digest, at_ns: i64) {
        let start = Table::page_of(stamp);
        let page = self.read_page(start);
        let identity = identity_bytes(stamp);
        let rank = |place: &[u8]| match self.decode(place) {
            _ if place[..16] == identity => 0,
            None => 1,
            Some(entry) => 2 + u64::from(entry.learned_s),
        };
        let places = page.chunks_exact(ENTRY_BYTES).enumerate();
        let Some((index, _)) = places.min_by_key(|(_, place)| rank(place)) else {
            return;
        };
        let learned_s = u32::try_from(at_ns / 1_000_000_000).unwrap_or(0);
        let entry = Entry { stamp: *stamp, digest: *digest, learned_s, boot: self.boot };
        // Without it the file is hashed again some day, and that is all.
        let _ = self.file.write_all_at(&self.encode(&entry), start + (index * ENTRY_BYTES) as u64);
    }

    fn encode(&self, entry: &Entry) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        let Entry { stamp, digest, learned_s, boot } = entry;
        bytes[..16].copy_from_slice(&identity_bytes(stamp));
        bytes[16..24].copy_from_slice(&stamp.size_bytes.to_le_bytes());
        bytes[24..32].copy_from_slice(&stamp.mtime_ns.to_le_bytes());
        bytes[32..40].copy_from_slice(&stamp.ctime_ns.to_le_bytes());
        bytes[40..72].copy_from_slice(digest.as_bytes());
        bytes[72..76].copy_from_slice(&learned_s.to_le_bytes());
        bytes[76..80].copy_from_slice(&boot.to_le_bytes());
        let check = self.check(&bytes[..80]);
        bytes[80..].copy_from_slice(&check);
        bytes
    }

    fn decode(&self, bytes: &[u8]) -> Option<Entry> {
        let (body, check) = bytes.split_at_checked(80)?;
        if self.check(body) != check {
            return None;
        }
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&body[at..at + 8]);
            word
        };
        let half = |at: usize| u32::from_le_bytes([body[at], body[at + 1], body[at + 2], body[at + 3]]);
        let mut digest = [0; 32];
        digest.copy_from_slice(&body[40..72]);
        let stamp = Stamp {
            dev: u64::from_le_bytes(word(0)),
            ino: u64::from_le_bytes(word(8)),
            size_bytes: u64::from_le_bytes(word(16)),
            mtime_ns: i64::from_le_bytes(word(24)),
            ctime_ns: i64::from_le_bytes(word(32)),
        };
        Some(Entry { stamp, digest: Digest::from_bytes(digest), learned_s: half(72), boot: half(76) })
    }

    fn check(&self, body: &[u8]) -> [u8; 8] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(MAGIC).update(&[FORMAT]);
        hasher.update(&self.identity[0].to_le_bytes()).update(&self.identity[1].to_le_bytes());
        hasher.update(body);
        let hash = hasher.finalize();
        let mut check = [0; 8];
        check.copy_from_slice(&hash.as_bytes()[..8]);
        check
    }
}

fn identity_bytes(stamp: &Stamp) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&stamp.dev.to_le_bytes());
    bytes[8..].copy_from_slice(&stamp.ino.to_le_bytes());
    bytes
}

/// Returns a number of the present run of the machine, 0 where the system gives it none.
fn boot() -> u32 {
    let id = std::fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    if id.is_empty() {
        return 0;
    }
    let hash = blake3::hash(&id);
    let bytes = hash.as_bytes();
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ENTRIES_PER_PAGE: usize = PAGE_BYTES / ENTRY_BYTES;

    fn stamp(ino: u64) -> Stamp {
        Stamp { dev: 7, ino, size_bytes: ino, mtime_ns: 5, ctime_ns: 6 }
    }

    fn digest(number: u64) -> Digest {
        Digest::of(&number.to_le_bytes())
    }

    /// Long after the changes of the stamps above.
    const LATER_NS: i64 = 1_700_000_000_000_000_000;

    fn filled(path: &Path) {
        let cache = Cache::at(path.to_owned());
        (0..200).for_each(|ino| cache.put(&stamp(ino), &digest(ino), LATER_NS));
    }

    fn found(path: &Path) -> usize {
        let cache = Cache::at(path.to_owned());
        let found = (0..200).filter(|ino| match cache.get(&stamp(*ino)) {
            Some(known) => {
                assert_eq!(known, digest(*ino), "a wrong digest is worse than none");
                true
            }
            None => false,
        });
        found.count()
    }

    #[test]
    fn what_was_learned_is_known_to_the_next_process_under_the_same_stamp_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("digests");
        filled(&path);
        assert_eq!(found(&path), 200);
        let cache = Cache::at(path);
        for change in [
            |stamp: &mut Stamp| stamp.dev += 1,
            |stamp: &mut Stamp| stamp.ino += 1000,
            |stamp: &mut Stamp| stamp.size_bytes += 1,
            |stamp: &mut Stamp| stamp.mtime_ns += 1,
            |stamp: &mut Stamp| stamp.ctime_ns += 1,
        ] {
            let mut other = stamp(3);
            change(&mut other);
            assert_eq!(cache.get(&other), None);
        }
        cache.put(&stamp(3), &digest(99), LATER_NS);
        assert_eq!(cache.get(&stamp(3)), Some(digest(99)));
    }

    #[test]
    fn a_copied_cache_holds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (path, copy) = (folder.path().join("digests"), folder.path().join("copy"));
        filled(&path);
        std::fs::copy(&path, &copy).unwrap();
        assert_eq!(found(&copy), 0);
        filled(&copy);
        assert_eq!(found(&copy), 200);
    }

    #[test]
    fn what_is_no_cache_is_replaced_and_what_it_leads_to_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let (path, mine) = (folder.path().join("digests"), folder.path().join("mine"));
        let text = "LINEAGED, but somebody else's";
        let ways: [&dyn Fn(); 4] = [
            &|| std::fs::write(&path, "no cache").unwrap(),
            &|| std::os::unix::fs::symlink(&mine, &path).unwrap(),
            &|| std::fs::hard_link(&mine, &path).unwrap(),
            &|| std::fs::write(&path, "").unwrap(),
        ];
        for way in ways {
            std::fs::write(&mine, text).unwrap();
            way();
            assert_eq!(found(&path), 0);
            filled(&path);
            assert_eq!(found(&path), 200);
            assert_eq!(std::fs::read_to_string(&mine).unwrap(), text);
            std::fs::remove_file(&path).unwrap();
        }
        std::fs::create_dir(&path).unwrap();
        filled(&path);
        assert_eq!(found(&path), 0);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2, "a temporary file was left");
    }

    #[test]
    fn what_was_learned_before_its_bytes_reached_the_disk_does_not_outlive_the_boot() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("digests");
        let cache = Cache::at(path.clone());
        let fresh = |ino| Stamp { mtime_ns: LATER_NS, ctime_ns: LATER_NS, ..stamp(ino) };
        cache.put(&fresh(1), &digest(1), LATER_NS + 1);
        cache.put(&fresh(2), &digest(2), LATER_NS + 2 * WRITTEN_BACK_NS);
        let mut table = Table::open(&path).unwrap();
        assert_eq!([1, 2].map(|ino| table.get(&fresh(ino))), [Some(digest(1)), Some(digest(2))]);
        table.boot ^= 1;
        assert_eq!([1, 2].map(|ino| table.get(&fresh(ino))), [None, Some(digest(2))]);
    }

    #[test]
    fn the_oldest_gives_way_and_the_file_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("digests");
        let cache = Cache::at(path.clone());
        // All of one group, told apart by nothing but their number, as if inodes were far denser than they are.
        let same_page: Vec<u64> = (0..u64::MAX)
            .filter(|ino| Table::page_of(&stamp(*ino)) == Table::page_of(&stamp(0)))
            .take(ENTRIES_PER_PAGE + 10)
            .collect();
        for (order, ino) in same_page.iter().enumerate() {
            cache.put(&stamp(*ino), &digest(*ino), LATER_NS + order as i64 * 1_000_000_000);
        }
        let known: Vec<bool> = same_page.iter().map(|ino| cache.get(&stamp(*ino)).is_some()).collect();
        assert_eq!(known.iter().filter(|known| **known).count(), ENTRIES_PER_PAGE);
        assert!(known[..10].iter().all(|known| !known), "the oldest were to give way");
        assert!(path.metadata().unwrap().len() <= (1 + PAGES) * PAGE_BYTES as u64);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn damage_costs_digests_and_never_gives_wrong_ones(
            spots in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..60),
            cut in any::<prop::sample::Index>(),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("digests");
            filled(&path);
            // Where something is written; the rest of the file is a hole.
            let written: Vec<u64> = (0..200)
                .map(|ino| Table::page_of(&stamp(ino)))
                .flat_map(|page| (0..PAGE_BYTES as u64).map(move |at| page + at))
                .collect();
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            for (spot, byte) in spots {
                file.write_all_at(&[byte], *spot.get(&written)).unwrap();
            }
            found(&path);
            file.set_len(cut.index(file.metadata().unwrap().len() as usize) as u64).unwrap();
            found(&path);
        }
    }
}
