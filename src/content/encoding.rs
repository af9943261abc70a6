//! A content as its file holds it: a header, and the bytes, mostly compressed.

use std::cell::RefCell;
use std::io::Read as _;

use crate::disk::SHARED_ALIGNMENT;

const MAGIC: &[u8; 8] = b"LINEAGEO";
const FORMAT: u8 = 1;
pub(super) const CODEC_PLAIN: u8 = 0;
pub(super) const CODEC_ZSTD: u8 = 1;
/// The body begins at [`SHARED_ALIGNMENT`].
pub(super) const CODEC_SHARED: u8 = 2;
pub(super) const HEADER_BYTES: usize = 18;
/// The level of compression: 1 packs text to a fifth at several hundred megabytes a second and core.
const ZSTD_LEVEL: i32 = 1;
/// Contents whose file takes no more are kept as they are: a file takes whole blocks of the disk, so that nothing is won.
const BLOCK_BYTES: usize = 4096;
/// No content of more bytes is kept or read back.
const CONTENT_MAX_BYTES: u64 = 16 << 30;

/// What a thread compresses with; made once for all contents that it keeps.
struct Press {
    compressor: Option<zstd::bulk::Compressor<'static>>,
    /// Room for a content as it is stored; what is in it is of no matter.
    room: Vec<u8>,
}

/// No more room is held by a thread that compresses nothing just now.
const ROOM_MAX_BYTES: usize = 4 << 20;

thread_local! {
    static PRESS: RefCell<Press> = const { RefCell::new(Press { compressor: None, room: Vec::new() }) };
}

/// Hands bytes as they are stored to `take`.
pub(super) fn encoded<T>(bytes: &[u8], take: impl FnOnce(&[u8]) -> T) -> T {
    PRESS.with_borrow_mut(|press| {
        let room = &mut press.room;
        room.resize(room.len().max(HEADER_BYTES + zstd::zstd_safe::compress_bound(bytes.len())), 0);
        let (header_room, body) = room.split_at_mut(HEADER_BYTES);
        let compressed = compress(&mut press.compressor, bytes, body).filter(|length| *length < bytes.len());
        let (codec, length) = match compressed {
            Some(length) => (CODEC_ZSTD, length),
            None => {
                body[..bytes.len()].copy_from_slice(bytes);
                (CODEC_PLAIN, bytes.len())
            }
        };
        header_room.copy_from_slice(&header(codec, bytes.len() as u64));
        let taken = take(&room[..HEADER_BYTES + length]);
        room.truncate(ROOM_MAX_BYTES);
        room.shrink_to(ROOM_MAX_BYTES);
        taken
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

/// Reads what is stored; the error says what is wrong with it.
pub(super) fn decode(stored: &[u8]) -> Result<Vec<u8>, String> {
    let (header, body) = stored.split_first_chunk::<HEADER_BYTES>().ok_or("it is cut off in its header")?;
    if &header[..8] != MAGIC {
        return Err("it does not begin as a kept content does".to_owned());
    }
    if header[8] != FORMAT {
        return Err(format!("its format {} is newer than this `lineage` knows", header[8]));
    }
    let mut size = [0; 8];
    size.copy_from_slice(&header[10..]);
    let size = u64::from_le_bytes(size);
    if size > CONTENT_MAX_BYTES {
        return Err(format!("it claims to hold {size} bytes"));
    }
    let mut bytes = Vec::new();
    match header[9] {
        CODEC_PLAIN => bytes.extend_from_slice(body),
        CODEC_SHARED => {
            let body = body.get(SHARED_ALIGNMENT as usize - HEADER_BYTES..);
            bytes.extend_from_slice(body.ok_or("it is cut off before its body")?);
        }
        CODEC_ZSTD => {
            // Read through a limit, so that a forged size cannot make us allocate more than the body really holds.
            let decoder = zstd::stream::read::Decoder::new(body).map_err(|cause| cause.to_string())?;
            decoder.take(size + 1).read_to_end(&mut bytes).map_err(|cause| cause.to_string())?;
        }
        other => return Err(format!("its codec {other} is not known")),
    }
    if bytes.len() as u64 != size {
        return Err(format!("it holds {} bytes instead of {size}", bytes.len()));
    }
    Ok(bytes)
}
