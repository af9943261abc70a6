//! Packing: many small closed segments become one file, so that listing a journal stays quick.

use std::fs;
use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::journal::frame::HEADER_BYTES;
use crate::journal::segments::{
    self, PACK_ENDING, PACK_ENTRY_BYTES, PACK_MAGIC, SegmentRef, writer_is_alive,
};

/// As many loose segments may lie about before they are packed.
const LOOSE_MAX: usize = 64;
/// As many packs of one order of size may lie about before they are packed into one.
const PACKS_MAX: usize = 8;
/// Packs past this size stay as they are.
const PACK_FULL_BYTES: u64 = 64 << 20;

/// Packs loose segments whose writers are gone and that `applied` says are in the store, when there are many; then packs
/// many small packs into one. To be called by the holder of the workspace's lock. Returns the id of a new pack.
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
    let listing = segments::list(folder, &|_| true)?;
    if listing.segments.len() <= LOOSE_MAX {
        return Ok(None);
    }
    let loose = listing.segments.iter().filter(|s| applied(s) && !writer_is_alive(folder, s.segment));
    let mut sources: Vec<PathBuf> = loose.map(|s| s.path.clone()).collect();
    if sources.len() <= LOOSE_MAX / 2 {
        return Ok(None);
    }
    sources.extend(small_packs(folder)?);
    write_pack(disk, folder, pack_id, &sources)?;
    Ok(Some(pack_id))
}

/// Returns the packs of the smallest order of size when there are too many of them.
fn small_packs(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed =
        |cause| Error::store(format!("cannot read the journal at `{}`", folder.display())).because(cause);
    let mut by_order: std::collections::BTreeMap<u32, Vec<PathBuf>> = std::collections::BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if path.extension().is_some_and(|e| e == PACK_ENDING) {
            let length = entry.metadata().map_err(failed)?.len();
            if length > PACK_FULL_BYTES {
                continue;
            }
            by_order.entry(length.max(1).ilog2() / 3).or_default().push(path);
        }
    }
    Ok(by_order.into_values().find(|packs| packs.len() >= PACKS_MAX).unwrap_or_default())
}

fn write_pack(disk: &Disk, folder: &Path, pack_id: u128, sources: &[PathBuf]) -> Result<()> {
    let failed = |path: &Path| {
        let message = format!("cannot pack `{}`", path.display());
        move |cause: std::io::Error| {
            Error::store(message.clone()).because(cause).hint("what is recorded is not harmed")
        }
    };
    let mut parts: std::collections::BTreeMap<u128, Vec<u8>> = std::collections::BTreeMap::new();
    for source in sources {
        for part in segments::list_file(source)? {
            let Some(read) = segments::read_segment(&part, 0)? else {
                continue;
            };
            // A segment whose writer died before its header was whole holds nothing.
            if read.header.len() == HEADER_BYTES {
                let mut bytes = read.header;
                bytes.extend_from_slice(&read.rest);
                parts.insert(part.segment, bytes);
            }
        }
    }
    let mut bytes = Vec::new();
    let mut directory = Vec::with_capacity(parts.len() * PACK_ENTRY_BYTES);
    for (segment, part) in &parts {
        directory.extend_from_slice(&segment.to_le_bytes());
        directory.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        directory.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part);
    }
    bytes.extend_from_slice(&directory);
    bytes.extend_from_slice(&(parts.len() as u64).to_le_bytes());
    bytes.extend_from_slice(PACK_MAGIC);
    let path = folder.join(format!("{pack_id:032x}.{PACK_ENDING}"));
    disk.write_whole(&path, &bytes).map_err(failed(&path))?;
    for source in sources {
        disk.remove(source).map_err(failed(source))?;
    }
    Ok(())
}
