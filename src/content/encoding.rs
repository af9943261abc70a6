//! A content as its file holds it: a header, and the bytes, mostly compressed.

use std::cell::RefCell;
use std::io::{self, BufRead, Read, Write};

use lz4_flex::block::{CompressTable, compress_into_with_table, get_maximum_output_size};

use super::group;
use crate::disk::SHARED_ALIGNMENT;
use crate::model::Digest;

pub(super) const MAGIC: &[u8; 8] = b"LINEAGEO";
const FORMAT: u8 = 1;
pub(super) const CODEC_PLAIN: u8 = 0;
pub(super) const CODEC_ZSTD: u8 = 1;
/// The body begins at [`SHARED_ALIGNMENT`].
pub(super) const CODEC_SHARED: u8 = 2;
/// One LZ4 block; only in files that hold several contents.
pub(super) const CODEC_LZ4: u8 = 3;
pub(super) const HEADER_BYTES: usize = 18;
/// The level of compression: 1 packs text to a fifth at several hundred megabytes a second and core.
const ZSTD_LEVEL: i32 = 1;
/// Contents whose file takes no more are kept as they are: a file takes whole blocks of the disk, so that nothing is won.
const BLOCK_BYTES: usize = 4096;
/// No member of a group is larger: each is read into memory.
const MEMBER_MAX_BYTES: u64 = 16 << 30;

/// What is wrong where all of a content can be read.
pub(super) const OTHER_DIGEST: &str = "its bytes have another digest";

/// One byte of an LZ4 block stands for no more bytes.
const LZ4_FACTOR_MAX: u64 = 255;
/// More bytes are not one LZ4 block.
const LZ4_MAX_BYTES: usize = 1 << 30;

/// What a thread compresses with; made once for all contents that it keeps.
struct Press {
    compressor: Option<zstd::bulk::Compressor<'static>>,
    table: Option<CompressTable>,
    /// Room for a content as it is stored; what is in it is of no matter.
    room: Vec<u8>,
}

/// No more room is held by a thread that compresses nothing just now.
const ROOM_MAX_BYTES: usize = 4 << 20;

thread_local! {
    static PRESS: RefCell<Press> = const { RefCell::new(Press { compressor: None, table: None, room: Vec::new() }) };
}

/// Hands bytes as they are stored to `take`.
pub(super) fn encoded<T>(bytes: &[u8], take: impl FnOnce(&[u8]) -> T) -> T {
    let bound = HEADER_BYTES + zstd::zstd_safe::compress_bound(bytes.len());
    with_room(bound, |Press { compressor, room, .. }| {
        let (header_room, body) = room.split_at_mut(HEADER_BYTES);
        let compressed = compress(compressor, bytes, body).filter(|length| *length < bytes.len());
        let (codec, length) = match compressed {
            Some(length) => (CODEC_ZSTD, length),
            None => {
                body[..bytes.len()].copy_from_slice(bytes);
                (CODEC_PLAIN, bytes.len())
            }
        };
        header_room.copy_from_slice(&header(codec, bytes.len() as u64));
        take(&room[..HEADER_BYTES + length])
    })
}

/// Hands the codec and the body of a member of a group to `take`.
pub(super) fn compressed<T>(bytes: &[u8], take: impl FnOnce(u8, &[u8]) -> T) -> T {
    if bytes.len() > LZ4_MAX_BYTES {
        return take(CODEC_PLAIN, bytes);
    }
    with_room(get_maximum_output_size(bytes.len()), |Press { table, room, .. }| {
        let table = table.get_or_insert_with(CompressTable::large);
        match compress_into_with_table(bytes, room, table) {
            Ok(length) if length < bytes.len() => take(CODEC_LZ4, &room[..length]),
            _ => take(CODEC_PLAIN, bytes),
        }
    })
}

/// Hands what this thread compresses with to `press`, with room for so many bytes.
fn with_room<T>(bytes: usize, press: impl FnOnce(&mut Press) -> T) -> T {
    PRESS.with_borrow_mut(|held| {
        held.room.resize(held.room.len().max(bytes), 0);
        let pressed = press(held);
        held.room.truncate(ROOM_MAX_BYTES);
        held.room.shrink_to(ROOM_MAX_BYTES);
        pressed
    })
}

/// Compresses `bytes` into `room`; `None` where that is not worth while, or does not work.
fn compress(
    compressor: &mut Option<zstd::bulk::Compressor<'static>>,
    bytes: &[u8],
    room: &mut [u8],
) -> Option<usize> {
    if HEADER_BYTES + bytes.len() <= BLOCK_BYTES {
        return None;
    }
    if compressor.is_none() {
        *compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL).ok();
    }
    compressor.as_mut()?.compress_to_buffer(bytes, room).ok()
}

pub(super) fn header(codec: u8, size_bytes: u64) -> Vec<u8> {
    [MAGIC.as_slice(), &[FORMAT, codec], &size_bytes.to_le_bytes()].concat()
}

/// Returns true where the front of a file says that its bytes are kept as they are from [`SHARED_ALIGNMENT`] on.
pub(super) fn is_shared(front: &[u8; HEADER_BYTES]) -> bool {
    front[..8] == *MAGIC && (front[8], front[9]) == (FORMAT, CODEC_SHARED)
}

/// Returns the header of a content that [`encoder`] compresses.
pub(super) fn header_zstd(size_bytes: u64) -> Vec<u8> {
    header(CODEC_ZSTD, size_bytes)
}

/// Compresses what it is given as one frame.
pub(super) fn encoder<'a, W: Write>(target: W) -> io::Result<zstd::stream::write::Encoder<'a, W>> {
    zstd::stream::write::Encoder::new(target, ZSTD_LEVEL)
}

/// Reads the front of a file that holds the content `digest`; returns how many bytes it says it has, and the way to them, which may
/// give more or less. The error says what is wrong with the file.
pub(super) fn decoder<'a, R: BufRead>(
    stored: &'a mut R,
    digest: &Digest,
) -> Result<(u64, Box<dyn Read + 'a>), String> {
    let mut header = [0; HEADER_BYTES];
    let cut_off = |cause: io::Error| match cause.kind() {
        io::ErrorKind::UnexpectedEof => "it is cut off in its header".to_owned(),
        _ => cause.to_string(),
    };
    stored.read_exact(&mut header).map_err(cut_off)?;
    if &header[..8] != MAGIC {
        return Err("it does not begin as a kept content does".to_owned());
    }
    match header[8] {
        FORMAT => {}
        group::FORMAT => {
            // These are small: inputs of one command, or what a pipeline makes of one filing.
            let mut whole = header.to_vec();
            stored.read_to_end(&mut whole).map_err(|cause| cause.to_string())?;
            let bytes = group::decode(&whole, digest)?;
            return Ok((bytes.len() as u64, Box::new(io::Cursor::new(bytes))));
        }
        newer => return Err(format!("its format {newer} is newer than this `lineage` knows")),
    }
    let mut size = [0; 8];
    size.copy_from_slice(&header[10..]);
    let size = u64::from_le_bytes(size);
    match header[9] {
        CODEC_PLAIN => Ok((size, Box::new(stored))),
        CODEC_SHARED => {
            let gap = SHARED_ALIGNMENT - HEADER_BYTES as u64;
            match io::copy(&mut stored.by_ref().take(gap), &mut io::sink()) {
                Ok(skipped) if skipped == gap => Ok((size, Box::new(stored))),
                Ok(_) => Err("it is cut off before its body".to_owned()),
                Err(cause) => Err(cause.to_string()),
            }
        }
        CODEC_ZSTD => {
            let decoder = zstd::stream::read::Decoder::with_buffer(stored);
            Ok((size, Box::new(decoder.map_err(|cause| cause.to_string())?)))
        }
        other => Err(format!("its codec {other} is not known")),
    }
}

/// Reads the body of a member of a group that should hold so many bytes; the error says what is wrong with it.
pub(super) fn decompressed(codec: u8, body: &[u8], size: u64) -> Result<Vec<u8>, String> {
    if size > MEMBER_MAX_BYTES {
        return Err(format!("it claims to hold {size} bytes"));
    }
    let mut bytes = Vec::new();
    match codec {
        CODEC_PLAIN => bytes.extend_from_slice(body),
        CODEC_ZSTD => {
            // Read through a limit, so that a forged size cannot make us allocate more than the body really holds.
            let decoder = zstd::stream::read::Decoder::new(body).map_err(|cause| cause.to_string())?;
            decoder.take(size + 1).read_to_end(&mut bytes).map_err(|cause| cause.to_string())?;
        }
        CODEC_LZ4 => {
            // As above.
            if size > (body.len() as u64).saturating_mul(LZ4_FACTOR_MAX) {
                return Err(format!("it claims to hold {size} bytes"));
            }
            bytes.resize(size as usize, 0);
            let length = lz4_flex::block::decompress_into(body, &mut bytes);
            bytes.truncate(length.map_err(|cause| cause.to_string())?);
        }
        other => return Err(format!("its codec {other} is not known")),
    }
    if bytes.len() as u64 != size {
        return Err(format!("it holds {} bytes instead of {size}", bytes.len()));
    }
    Ok(bytes)
}
