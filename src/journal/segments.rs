//! Finding the segments of a journal: loose files, and packs that hold several.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::journal::frame::HEADER_BYTES;

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
    /// The segments, by id: the order in which their writers began.
    pub segments: Vec<SegmentRef>,
    /// Files in the folder that are no segments, by name.
    pub strangers: Vec<PathBuf>,
}

/// Returns the name of a loose segment's file.
pub(crate) fn file_name(segment: u128) -> String {
    format!("{segment:032x}.{SEGMENT_ENDING}")
}

/// Lists the segments of the journal at `folder`. Packs whose name is in `known_packs` are not opened, and their segments not listed.
///
/// # Errors
/// A store error where the folder or a pack cannot be read. A folder that is not there has no segments.
pub fn list(folder: &Path, known_packs: &dyn Fn(u128) -> bool) -> Result<Listing> {
    let unreadable = |path: &Path| {
        let message = format!("cannot read the journal at `{}`", path.display());
        move |cause: std::io::Error| Error::store(message.clone()).because(cause)
    };
    let mut listing = Listing::default();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(listing),
        Err(cause) => return Err(unreadable(folder)(cause)),
    };
    for entry in entries {
        let path = entry.map_err(unreadable(folder))?.path();
        let id = path.file_stem().and_then(|s| s.to_str()).filter(|s| s.len() == 32);
        let id = id.and_then(|stem| u128::from_str_radix(stem, 16).ok());
        match (id, path.extension().and_then(|e| e.to_str())) {
            (Some(segment), Some(SEGMENT_ENDING)) => {
                // A file that a packer has just taken away is in a pack by now.
                let Ok(metadata) = fs::metadata(&path) else {
                    continue;
                };
                listing.segments.push(SegmentRef {
                    segment,
                    start: 0,
                    length: metadata.len(),
                    path,
                    packed: false,
                });
            }
            (Some(pack), Some(PACK_ENDING)) => {
                if !known_packs(pack) {
                    list_pack(&path, &mut listing.segments)?;
                }
            }
            _ => listing.strangers.push(path),
        }
    }
    listing.segments.sort();
    // While a pack is being made, a segment may be there twice; the loose one goes first, the pack stays.
    listing.segments.dedup_by(|later, earlier| {
        let same = later.segment == earlier.segment;
        if same && later.packed {
            std::mem::swap(later, earlier);
        }
        same
    });
    listing.strangers.sort();
    Ok(listing)
}

/// Lists the segments that the file at `path` holds: one, or those of a pack.
///
/// # Errors
/// As [`list`].
pub(crate) fn list_file(path: &Path) -> Result<Vec<SegmentRef>> {
    let mut segments = Vec::new();
    if path.extension().is_some_and(|e| e == PACK_ENDING) {
        list_pack(path, &mut segments)?;
    } else if let Some(segment) =
        path.file_stem().and_then(|s| s.to_str()).and_then(|s| u128::from_str_radix(s, 16).ok())
    {
        let length = fs::metadata(path).map_or(0, |m| m.len());
        segments.push(SegmentRef { segment, path: path.to_owned(), start: 0, length, packed: false });
    }
    Ok(segments)
}

/// A pack's directory lies at its end: `(segment:u128 start:u64 length:u64)* count:u64 "LINEAGEP"`.
pub(crate) const PACK_MAGIC: &[u8; 8] = b"LINEAGEP";
/// Bytes of an entry of a pack's directory.
pub(crate) const PACK_ENTRY_BYTES: usize = 32;

fn list_pack(path: &Path, segments: &mut Vec<SegmentRef>) -> Result<()> {
    let failed = |cause| Error::store(format!("cannot read `{}`", path.display())).because(cause);
    let damaged = || {
        Error::store(format!("journal pack `{}` is damaged", path.display()))
            .hint("nothing was changed; restore it from a copy of the workspace")
    };
    let mut file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let end_start = length.checked_sub(16).ok_or_else(damaged)?;
    let end = read_range(&mut file, end_start, 16).map_err(failed)?;
    if end[8..] != *PACK_MAGIC {
        return Err(damaged());
    }
    let directory_bytes = number_at(&end, 0).checked_mul(PACK_ENTRY_BYTES as u64);
    let directory_start = directory_bytes.and_then(|n| end_start.checked_sub(n)).ok_or_else(damaged)?;
    let directory = read_range(&mut file, directory_start, end_start - directory_start).map_err(failed)?;
    for entry in directory.chunks_exact(PACK_ENTRY_BYTES) {
        let mut number = [0; 16];
        number.copy_from_slice(&entry[..16]);
        let (start, length) = (number_at(entry, 16), number_at(entry, 24));
        if start.checked_add(length).is_none_or(|end| end > directory_start) {
            return Err(damaged());
        }
        let segment = u128::from_le_bytes(number);
        segments.push(SegmentRef { segment, path: path.to_owned(), start, length, packed: true });
    }
    Ok(())
}

fn read_range(file: &mut File, start: u64, length: u64) -> std::io::Result<Vec<u8>> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
}

fn number_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}

/// The bytes of a segment from some place on, and its header.
#[derive(Debug)]
pub struct SegmentBytes {
    /// The header's bytes, fewer where it is not all there yet.
    pub header: Vec<u8>,
    /// Where in the segment `rest` begins.
    pub offset: u64,
    /// The bytes from there to the end.
    pub rest: Vec<u8>,
}

/// Reads a segment as it is now: its header, and what follows from `offset` on (from the end of the header at least).
///
/// # Errors
/// A store error where the file cannot be read; `None` where a packer has moved it meanwhile.
pub fn read_segment(segment: &SegmentRef, offset: u64) -> Result<Option<SegmentBytes>> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let failed = |cause| Error::store(format!("cannot read `{}`", segment.path.display())).because(cause);
    let mut file = match File::open(&segment.path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(failed(cause)),
    };
    let offset = offset.max(HEADER_BYTES as u64);
    let end = if segment.packed { segment.length } else { u64::MAX };
    let mut header = Vec::with_capacity(HEADER_BYTES);
    file.seek(SeekFrom::Start(segment.start)).map_err(failed)?;
    (&mut file).take(end.min(HEADER_BYTES as u64)).read_to_end(&mut header).map_err(failed)?;
    let mut rest = Vec::with_capacity(segment.length.saturating_sub(offset) as usize);
    file.seek(SeekFrom::Start(segment.start + offset)).map_err(failed)?;
    file.take(end.saturating_sub(offset)).read_to_end(&mut rest).map_err(failed)?;
    Ok(Some(SegmentBytes { header, offset, rest }))
}

/// Returns true while the writer of `segment` lives: it holds its file's lock. A packed segment has no writer any more.
///
/// Where locks do not work, a writer is taken for alive.
pub fn writer_is_alive(folder: &Path, segment: u128) -> bool {
    let Ok(file) = File::open(folder.join(file_name(segment))) else {
        return false;
    };
    match file.try_lock_shared() {
        Ok(()) => false,
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => true,
    }
}
