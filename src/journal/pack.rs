//! Packing: many small closed segments become one file, so that listing a journal stays quick.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::journal::frame::{HEADER_BYTES, Header};
use crate::journal::segments::{self, SegmentRef, writer_is_alive};

/// As many loose segments may lie about before they are packed.
const LOOSE_MAX: usize = 64;
/// As many packs of one order of size may lie about before they are packed into one.
const PACKS_MAX: usize = 8;
/// Segments and packs past this size stay as they are.
const PACK_FULL_BYTES: u64 = 64 << 20;

/// Packs loose segments whose writers are gone and that `applied` says are in the store, when there are many; with them, when
/// there are many small packs, the smallest of these. To be called by the holder of the workspace's lock. Returns the id of a
/// new pack.
///
/// The pack is whole on disk before any file it replaces is removed; a crash between leaves both, which says the same.
///
/// # Errors
/// A store error where a file cannot be read or written; nothing is lost then.
pub fn pack(
    disk: &Disk,
    folder: &Path,
    pack_id: u128,
    applied: &dyn Fn(&SegmentRef) -> bool,
) -> Result<Option<u128>> {
    let loose = segments::list(folder, &|_| true)?.segments;
    if loose.len() <= LOOSE_MAX {
        return Ok(None);
    }
    let ended = loose.into_iter().filter_map(|segment| as_it_ended(folder, segment));
    let wanted = |segment: &SegmentRef| segment.length <= PACK_FULL_BYTES && applied(segment);
    let mut sources: Vec<Source> = ended.filter(wanted).map(Source::loose).collect();
    if sources.len() <= LOOSE_MAX / 2 {
        return Ok(None);
    }
    sources.extend(small_packs(folder, applied)?);
    write_pack(disk, folder, pack_id, &sources)?;
    Ok(Some(pack_id))
}

/// Returns a loose segment with the length it has for good; `None` while its writer lives, or where it is gone.
///
/// The writer may have added to it, and ended, since it was listed: whether it lives is asked first, and the length after that.
fn as_it_ended(folder: &Path, segment: SegmentRef) -> Option<SegmentRef> {
    if writer_is_alive(folder, segment.segment) {
        return None;
    }
    let length = fs::metadata(&segment.path).ok()?.len();
    Some(SegmentRef { length, ..segment })
}

/// A file that goes into a pack, and the segments in it.
struct Source {
    path: PathBuf,
    segments: Vec<SegmentRef>,
}

impl Source {
    fn loose(segment: SegmentRef) -> Self {
        Source { path: segment.path.clone(), segments: vec![segment] }
    }
}

/// Returns the packs of the smallest order of size of which there are too many, or none.
///
/// One whose directory is damaged, or that holds what is not in the store yet, stays as it is.
fn small_packs(folder: &Path, applied: &dyn Fn(&SegmentRef) -> bool) -> Result<Vec<Source>> {
    let mut by_order: BTreeMap<u32, Vec<PathBuf>> = BTreeMap::new();
    for pack in segments::list(folder, &|_| true)?.packs {
        let path = folder.join(segments::pack_name(pack));
        let length = fs::metadata(&path).map_err(failed(&path))?.len();
        if length <= PACK_FULL_BYTES {
            by_order.entry(length.max(1).ilog2() / 3).or_default().push(path);
        }
    }
    for paths in by_order.into_values() {
        if paths.len() < PACKS_MAX {
            continue;
        }
        let mut sources = Vec::new();
        for path in paths {
            if let Some(pack) = segments::list_pack(&path)?
                && !pack.damaged
                && pack.segments.iter().all(applied)
            {
                let segments = pack.segments;
                sources.push(Source { path, segments });
            }
        }
        if sources.len() >= PACKS_MAX {
            return Ok(sources);
        }
    }
    Ok(Vec::new())
}

fn failed(path: &Path) -> impl Fn(io::Error) -> Error + use<> {
    let message = format!("cannot pack `{}`", path.display());
    move |cause| Error::store(message.clone()).because(cause).hint("what is recorded is not harmed")
}

fn write_pack(disk: &Disk, folder: &Path, pack_id: u128, sources: &[Source]) -> Result<()> {
    let mut parts: BTreeMap<u128, &SegmentRef> = BTreeMap::new();
    for part in sources.iter().flat_map(|source| &source.segments) {
        // A segment may be there twice after a crash; the longer copy holds what the other holds.
        let place = parts.entry(part.segment).or_insert(part);
        if part.length > place.length {
            *place = part;
        }
    }
    let path = folder.join(segments::pack_name(pack_id));
    let mut left_alone = BTreeSet::new();
    let made = disk.create_prepared(&path, |file| {
        let mut directory = Vec::with_capacity(parts.len());
        for part in parts.values() {
            let bytes = segments::whole(part)?;
            if Header::segment_of(&bytes) == Some(part.segment) {
                directory.push((part.segment, file.length(), bytes.len() as u64));
                file.append(&bytes)?;
            } else if bytes.len() >= HEADER_BYTES {
                // Damaged, and only its file's name still says what it is. A shorter one, whose writer died before its
                // header was whole, holds nothing.
                left_alone.insert(part.segment);
            }
        }
        file.append(&segments::pack_directory(&directory))?;
        file.sync()
    });
    made.map_err(failed(&path))?;
    disk.sync_folder(folder).map_err(failed(&path))?;
    for source in sources {
        let whole = !source.segments.iter().any(|part| left_alone.contains(&part.segment));
        if whole && source.path != path {
            disk.remove(&source.path).map_err(failed(&source.path))?;
        }
    }
    Ok(())
}
