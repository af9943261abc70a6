//! Finding the segments of a journal: loose files, and packs that hold several.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use crate::disk::{open_regular, read_regular};
use crate::error::{Error, Result};
use crate::journal::frame::{self, HEADER_BYTES, Header, short_sum};

/// The ending of a loose segment's file.
pub(crate) const SEGMENT_ENDING: &str = "seg";
/// The ending of a pack's file.
pub(crate) const PACK_ENDING: &str = "pack";

/// A segment as it lies on disk.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentRef {
    /// Its id.
    pub segment: u128,
    /// The file it lies in.
    pub path: PathBuf,
    /// Where it begins in that file.
    pub start: u64,
    /// How many bytes it has now.
    pub length: u64,
    /// Whether the file is a pack: then it has come to its end.
    pub packed: bool,
}

/// All segments of a journal.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// The journal's folder.
    pub folder: PathBuf,
    /// The segments, by id: the order in which their writers began.
    pub segments: Vec<SegmentRef>,
    /// The ids of all packs, opened or not.
    pub packs: Vec<u128>,
    /// Those of the packs that were not opened, since they are known.
    pub passed_over: Vec<u128>,
    /// Packs whose directory is damaged: their segments were searched for, and listed as far as they were found.
    pub damaged_packs: Vec<PathBuf>,
    /// Files in the folder that are no segments, by name.
    pub strangers: Vec<PathBuf>,
}

/// Returns the name of a loose segment's file.
pub(crate) fn file_name(segment: u128) -> String {
    format!("{segment:032x}.{SEGMENT_ENDING}")
}

/// Returns the name of a pack's file.
pub(crate) fn pack_name(pack: u128) -> String {
    format!("{pack:032x}.{PACK_ENDING}")
}

/// Returns how long the file of a loose segment is; `None` where it is not there.
pub(crate) fn loose_length(folder: &Path, segment: u128) -> Option<u64> {
    fs::symlink_metadata(folder.join(file_name(segment))).ok().map(|metadata| metadata.len())
}

/// Returns how long the file of a pack is; `None` where it is not there.
pub(crate) fn pack_length(folder: &Path, pack: u128) -> Option<u64> {
    fs::metadata(folder.join(pack_name(pack))).ok().map(|metadata| metadata.len())
}

/// So often a journal is listed again when files vanish from it in between.
const LISTINGS_MAX: usize = 1000;

/// Lists the segments of the journal at `folder`. Packs that `known_packs` accepts are not opened, and their segments not listed.
///
/// Segments may be packed meanwhile: none is missed that was there when the call began.
///
/// # Errors
/// A store error where the folder or a pack cannot be read. A folder that is not there has no segments.
pub fn list(folder: &Path, known_packs: &dyn Fn(u128) -> bool) -> Result<Listing> {
    let mut before = names(folder)?;
    for _ in 0..LISTINGS_MAX {
        // One pass over a folder may miss a file that is replaced by another just then. What replaces it is there before it
        // goes, so a second pass that misses nothing of the first has missed nothing at all.
        let now = names(folder)?;
        let vanished = before.difference(&now).any(|name| id_of(Path::new(name)).is_some());
        if !vanished && let Some(listing) = list_files(folder, &now, known_packs)? {
            return Ok(listing);
        }
        before = now;
    }
    Err(Error::store(format!("cannot read the journal at `{}`: its files change too fast", folder.display()))
        .hint("nothing was changed; try again"))
}

fn names(folder: &Path) -> Result<BTreeSet<OsString>> {
    let failed =
        |cause| Error::store(format!("cannot read the journal at `{}`", folder.display())).because(cause);
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.file_name()).map_err(failed)).collect(),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(cause) => Err(failed(cause)),
    }
}

/// Looks at the files of a listing; `None` where one of them has vanished.
fn list_files(
    folder: &Path,
    names: &BTreeSet<OsString>,
    known_packs: &dyn Fn(u128) -> bool,
) -> Result<Option<Listing>> {
    let mut listing = Listing { folder: folder.to_owned(), ..Listing::default() };
    for name in names {
        let path = folder.join(name);
        match (id_of(&path), path.extension().and_then(|ending| ending.to_str())) {
            (Some(segment), Some(SEGMENT_ENDING)) => match loose(segment, &path)? {
                Some(found) => listing.segments.push(found),
                None if leads_nowhere(&path) => listing.strangers.push(path),
                None => return Ok(None),
            },
            (Some(_), Some(PACK_ENDING)) if leads_nowhere(&path) => listing.strangers.push(path),
            (Some(pack), Some(PACK_ENDING)) => {
                listing.packs.push(pack);
                if known_packs(pack) {
                    listing.passed_over.push(pack);
                    continue;
                }
                let Some(found) = list_pack(&path)? else {
                    return Ok(None);
                };
                if found.damaged {
                    listing.damaged_packs.push(path);
                }
                listing.segments.extend(found.segments);
            }
            _ => listing.strangers.push(path),
        }
    }
    listing.segments.sort();
    // While a pack is being made, a segment may be there twice; the loose one goes first, the pack stays. Of two copies the
    // longer one holds what the other holds.
    listing.segments.dedup_by(|later, earlier| {
        let same = later.segment == earlier.segment;
        if same && (later.length, later.packed) >= (earlier.length, earlier.packed) {
            std::mem::swap(later, earlier);
        }
        same
    });
    Ok(Some(listing))
}

/// Returns true for a link to nothing.
fn leads_nowhere(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_symlink()) && !path.exists()
}

/// Returns the id of the pack whose file is `path`; `None` where it is none.
pub fn pack_of(path: &Path) -> Option<u128> {
    id_of(path).filter(|_| path.extension().is_some_and(|ending| ending == PACK_ENDING))
}

/// Returns the segment that a file is called; `None` where it is none.
pub(crate) fn segment_called(path: &Path) -> Option<u128> {
    id_of(path).filter(|_| path.extension().is_some_and(|ending| ending == SEGMENT_ENDING))
}

/// Returns the id that a file of the journal has its name from.
fn id_of(path: &Path) -> Option<u128> {
    let stem = path.file_stem()?.to_str()?;
    let digits = stem.len() == 32 && stem.bytes().all(|b| b.is_ascii_hexdigit());
    digits.then(|| u128::from_str_radix(stem, 16).ok()).flatten()
}

fn loose(segment: u128, path: &Path) -> Result<Option<SegmentRef>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(SegmentRef {
            segment,
            start: 0,
            length: metadata.len(),
            path: path.to_owned(),
            packed: false,
        })),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(unreadable(path)(cause)),
    }
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> Error + use<> {
    let message = format!("cannot read `{}`", path.display());
    move |cause| Error::store(message.clone()).because(cause)
}

/// A pack's directory lies at its end: `(segment:u128 start:u64 length:u64)* count:u64 checksum:u64 "LINEAGEP"`, the
/// checksum that of entries and count.
const PACK_MAGIC: &[u8; 8] = b"LINEAGEP";
const PACK_ENTRY_BYTES: usize = 32;
const PACK_END_BYTES: u64 = 24;

/// Writes the directory of a pack that holds `segments` (id, start, length).
pub(crate) fn pack_directory(segments: &[(u128, u64, u64)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(segments.len() * PACK_ENTRY_BYTES + PACK_END_BYTES as usize);
    for (segment, start, length) in segments {
        bytes.extend_from_slice(&segment.to_le_bytes());
        bytes.extend_from_slice(&start.to_le_bytes());
        bytes.extend_from_slice(&length.to_le_bytes());
    }
    bytes.extend_from_slice(&(segments.len() as u64).to_le_bytes());
    let sum = short_sum(&[&bytes]);
    bytes.extend_from_slice(&sum);
    bytes.extend_from_slice(PACK_MAGIC);
    bytes
}

/// The segments of a pack.
pub(crate) struct PackListing {
    pub segments: Vec<SegmentRef>,
    /// Whether its directory is damaged, and the segments were searched for.
    pub damaged: bool,
}

/// Lists the segments of a pack; `None` where it is not there any more.
///
/// # Errors
/// A store error where it cannot be read.
pub(crate) fn list_pack(path: &Path) -> Result<Option<PackListing>> {
    let mut file = match open_regular(path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(unreadable(path)(cause)),
    };
    if let Some(segments) = read_directory(path, &mut file).map_err(unreadable(path))? {
        let damaged = false;
        return Ok(Some(PackListing { segments, damaged }));
    }
    let segments = search_pack(path).map_err(unreadable(path))?;
    let damaged = true;
    Ok(Some(PackListing { segments, damaged }))
}

/// Reads the directory of a pack; `None` where it is damaged.
fn read_directory(path: &Path, file: &mut File) -> io::Result<Option<Vec<SegmentRef>>> {
    let length = file.metadata()?.len();
    let Some(end_start) = length.checked_sub(PACK_END_BYTES) else {
        return Ok(None);
    };
    let end = read_range(file, end_start, PACK_END_BYTES)?;
    let directory_bytes = number_at(&end, 0).checked_mul(PACK_ENTRY_BYTES as u64);
    let directory_start = directory_bytes.and_then(|bytes| end_start.checked_sub(bytes));
    let (Some(directory_start), true) = (directory_start, end[16..] == *PACK_MAGIC) else {
        return Ok(None);
    };
    let directory = read_range(file, directory_start, end_start - directory_start)?;
    if short_sum(&[&directory, &end[..8]]) != end[8..16] {
        return Ok(None);
    }
    let segments = directory.chunks_exact(PACK_ENTRY_BYTES).map(|entry| {
        let mut number = [0; 16];
        number.copy_from_slice(&entry[..16]);
        let (start, length) = (number_at(entry, 16), number_at(entry, 24));
        let inside = start.checked_add(length).is_some_and(|end| end <= directory_start);
        inside.then(|| SegmentRef {
            segment: u128::from_le_bytes(number),
            path: path.to_owned(),
            start,
            length,
            packed: true,
        })
    });
    Ok(segments.collect())
}

/// Finds the segments of a pack without a directory by their headers.
fn search_pack(path: &Path) -> io::Result<Vec<SegmentRef>> {
    let bytes = read_regular(path)?;
    let mut segments: Vec<SegmentRef> = Vec::new();
    for at in memchr::memmem::find_iter(&bytes, frame::MAGIC) {
        let Some(segment) = Header::segment_of(&bytes[at..]) else {
            continue;
        };
        if let Some(before) = segments.last_mut() {
            before.length = at as u64 - before.start;
        }
        segments.push(SegmentRef {
            segment,
            path: path.to_owned(),
            start: at as u64,
            length: (bytes.len() - at) as u64,
            packed: true,
        });
    }
    Ok(segments)
}

fn read_range(file: &mut File, start: u64, length: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn number_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

/// The bytes of a segment from some place on, and its header.
#[derive(Debug)]
pub struct SegmentBytes {
    /// The id that the segment is listed under.
    pub segment: u128,
    /// The header's bytes, fewer where it is not all there yet.
    pub header: Vec<u8>,
    /// Where in the segment `rest` begins.
    pub offset: u64,
    /// The bytes from there on.
    pub rest: Vec<u8>,
    /// Whether the segment goes on after them.
    pub more: bool,
}

/// Reads a segment as it is now: its header, and at most `bytes_max` of what follows from `offset` on (from the end of the
/// header at least).
///
/// # Errors
/// A store error where the file cannot be read; `None` where a packer has moved it meanwhile.
pub fn read_segment(segment: &SegmentRef, offset: u64, bytes_max: u64) -> Result<Option<SegmentBytes>> {
    let mut file = match open_regular(&segment.path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(unreadable(&segment.path)(cause)),
    };
    read_open(segment, &mut file, offset.max(HEADER_BYTES as u64), bytes_max)
        .map(Some)
        .map_err(unreadable(&segment.path))
}

fn read_open(segment: &SegmentRef, file: &mut File, offset: u64, bytes_max: u64) -> io::Result<SegmentBytes> {
    let end = if segment.packed { segment.length } else { u64::MAX };
    // All at once where that is no more than is wanted: most segments are short, and many are read one after another.
    if offset == HEADER_BYTES as u64 && bytes_max == u64::MAX {
        let mut header = read_up_to(file, segment.start, end, segment.length)?;
        let rest = header.split_off(header.len().min(HEADER_BYTES));
        return Ok(SegmentBytes { segment: segment.segment, header, offset, more: false, rest });
    }
    let header = read_up_to(file, segment.start, end.min(HEADER_BYTES as u64), HEADER_BYTES as u64)?;
    let wanted = bytes_max.min(end.saturating_sub(offset));
    let expected = segment.length.saturating_sub(offset).min(wanted);
    let rest = read_up_to(file, segment.start + offset, wanted, expected)?;
    Ok(SegmentBytes { segment: segment.segment, header, offset, more: rest.len() as u64 == bytes_max, rest })
}

/// Reads from `start` on until `wanted` bytes are read or the file ends, about `expected` of them.
fn read_up_to(file: &mut File, start: u64, wanted: u64, expected: u64) -> io::Result<Vec<u8>> {
    if start > 0 {
        file.seek(SeekFrom::Start(start))?;
    } else {
        file.rewind()?;
    }
    // One more than expected, so that the end is found without a bigger room.
    let mut bytes = vec![0; usize::try_from(expected.min(wanted)).map_err(io::Error::other)? + 1];
    let mut done = 0;
    while done < bytes.len() {
        match file.read(&mut bytes[done..]) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
    bytes.truncate(done);
    if done as u64 > expected.min(wanted) {
        // It has grown.
        file.take(wanted.saturating_sub(done as u64)).read_to_end(&mut bytes)?;
    }
    bytes.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
    Ok(bytes)
}

/// Reads all bytes of a segment that has come to its end.
///
/// # Errors
/// As the system gives them.
pub(crate) fn whole(segment: &SegmentRef) -> io::Result<Vec<u8>> {
    read_range(&mut open_regular(&segment.path)?, segment.start, segment.length)
}

/// Returns true while the writer of `segment` lives: it holds its file's lock. A packed segment has no writer any more.
///
/// Where locks do not work, or the file cannot be opened, a writer is taken for alive: what it leaves half done is waited for then.
pub fn writer_is_alive(folder: &Path, segment: u128) -> bool {
    may_be_written(open_regular(&folder.join(file_name(segment))))
}

/// Returns true where somebody may hold the lock of a file that was to be opened.
fn may_be_written(opened: io::Result<File>) -> bool {
    match opened {
        Ok(file) => file.try_lock_shared().is_err(),
        // There is none, or what is there is no segment.
        Err(cause) => !matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_whose_file_cannot_be_opened_just_now_may_live() {
        for errno in [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::EACCES, libc::EIO] {
            assert!(may_be_written(Err(io::Error::from_raw_os_error(errno))), "{errno}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(!writer_is_alive(folder.path(), 7));
        fs::create_dir(folder.path().join(file_name(7))).unwrap();
        assert!(!writer_is_alive(folder.path(), 7));
    }
}
