//! The bytes around a fact: segment header and frame.
//!
//! ```text
//! segment  = header frame*
//! header   = "LINEAGEJ" format:u16 major:u16 minor:u16 patch:u16 segment:u128 checksum:u64      (40 bytes)
//! frame    = length:u32 kind:u8 version:u8 payload:[length bytes] checksum:u64                    (14 + length bytes)
//! ```
//! Integers are little-endian. A checksum is the first eight bytes of BLAKE3 over all that comes before it in the header or
//! frame; that of a frame also covers the segment's id and the frame's place in it, so that no frame passes for another.
//! The header's first 40 bytes mean the same in every format, so that a program can always name the one that can read a segment.

use std::io::Read as _;
use std::path::Path;

use crate::disk::open_regular;

/// Bytes of a segment's header.
pub(crate) const HEADER_BYTES: usize = 40;
/// Bytes of a frame beside its payload.
pub(crate) const FRAME_OVERHEAD_BYTES: usize = 14;
/// The longest payload, in bytes.
pub(crate) const PAYLOAD_MAX_BYTES: usize = 64 << 20;
/// The first bytes of a segment.
pub(crate) const MAGIC: &[u8; 8] = b"LINEAGEJ";
const FORMAT: u16 = 1;

/// What the header of a segment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// The segment's id.
    pub segment: u128,
    /// The version of the program that wrote it.
    pub program: (u16, u16, u16),
}

/// Why a header cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    /// Not all of it is there yet.
    Short,
    /// These bytes are no header.
    Damaged,
    /// A format that this program does not know.
    Newer((u16, u16, u16)),
}

/// Returns the segment that the file at `path` says to be; `None` where it is none, or its header is damaged.
pub(crate) fn segment_of_file(path: &Path) -> Option<u128> {
    let mut header = [0; HEADER_BYTES];
    open_regular(path).ok()?.read_exact(&mut header).ok()?;
    Header::segment_of(&header)
}

impl Header {
    /// Writes the header's bytes.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..10].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[10..12].copy_from_slice(&self.program.0.to_le_bytes());
        bytes[12..14].copy_from_slice(&self.program.1.to_le_bytes());
        bytes[14..16].copy_from_slice(&self.program.2.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.segment.to_le_bytes());
        let sum = short_sum(&[&bytes[..32]]);
        bytes[32..].copy_from_slice(&sum);
        bytes
    }

    /// Returns the segment that a header at the front of `bytes` names, of whatever format; `None` where there is none.
    pub fn segment_of(bytes: &[u8]) -> Option<u128> {
        let bytes = bytes.get(..HEADER_BYTES)?;
        let right = &bytes[..8] == MAGIC && short_sum(&[&bytes[..32]]) == bytes[32..];
        let mut segment = [0; 16];
        segment.copy_from_slice(&bytes[16..32]);
        right.then(|| u128::from_le_bytes(segment))
    }

    /// Reads the header's bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HeaderFault> {
        let Some(bytes) = bytes.get(..HEADER_BYTES) else {
            return Err(HeaderFault::Short);
        };
        let number = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        if &bytes[..8] != MAGIC || short_sum(&[&bytes[..32]]) != bytes[32..] {
            return Err(HeaderFault::Damaged);
        }
        let program = (number(10), number(12), number(14));
        if number(8) != FORMAT {
            return Err(HeaderFault::Newer(program));
        }
        let mut segment = [0; 16];
        segment.copy_from_slice(&bytes[16..32]);
        Ok(Header { segment: u128::from_le_bytes(segment), program })
    }
}

/// Appends one frame at `offset` of `segment` to `out`.
pub(crate) fn write_frame(
    out: &mut Vec<u8>,
    segment: u128,
    offset: u64,
    kind: u8,
    version: u8,
    payload: &[u8],
) {
    let start = out.len();
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.push(kind);
    out.push(version);
    out.extend_from_slice(payload);
    let sum = frame_sum(segment, offset, &out[start..]);
    out.extend_from_slice(&sum);
}

/// One frame as it lies in the bytes of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RawFrame<'a> {
    /// A whole frame.
    Whole {
        /// The kind of fact.
        kind: u8,
        /// The version of its encoding.
        version: u8,
        /// The encoded fact.
        payload: &'a [u8],
        /// Bytes of the whole frame.
        length: usize,
    },
    /// What is there cannot be a frame, nor the front of one.
    Damaged {
        /// Bytes of the frame, if its length can be believed.
        length: usize,
    },
    /// Not all bytes are there.
    Short,
}

/// Looks at the frame at `offset` of `segment`, of which `bytes` is the rest from there.
pub(crate) fn read_frame(segment: u128, offset: u64, bytes: &[u8]) -> RawFrame<'_> {
    let Some(front) = bytes.first_chunk::<4>() else {
        return RawFrame::Short;
    };
    let payload_bytes = u32::from_le_bytes(*front) as usize;
    if payload_bytes > PAYLOAD_MAX_BYTES {
        return RawFrame::Damaged { length: 1 };
    }
    let length = payload_bytes + FRAME_OVERHEAD_BYTES;
    let Some(frame) = bytes.get(..length) else {
        return RawFrame::Short;
    };
    let (body, sum) = frame.split_at(length - 8);
    if frame_sum(segment, offset, body) != sum {
        return RawFrame::Damaged { length };
    }
    RawFrame::Whole { kind: body[4], version: body[5], payload: &body[6..], length }
}

/// Kinds and versions of records lie below this; the search for the next frame after damage relies on it.
const CODES_END: u8 = 64;
/// So many bytes are hashed at most in the search for the next frame after damage, each try counted as a block at least.
const SEARCH_MAX_BYTES: usize = 128 << 20;
const SEARCH_BLOCK_BYTES: usize = 64;

/// Searches for the next whole frame after damage that begins at `at` in `bytes`, of which `start` is the place in the segment.
///
/// A damaged length says nothing on where the next frame begins, so every place is tried; the checksum covers the place, so
/// that no bytes are taken for a frame that are not one.
pub(crate) fn next_whole(segment: u128, start: u64, bytes: &[u8], at: usize) -> Option<usize> {
    let mut budget = SEARCH_MAX_BYTES;
    let mut places = at + 1..bytes.len();
    let found = places.find(|next| is_whole(segment, start, bytes, *next, &mut budget));
    if found.is_some() {
        return found;
    }
    // Where the search was given up, the damaged frame's own length is the last hope.
    match read_frame(segment, start + at as u64, &bytes[at..]) {
        RawFrame::Damaged { length } => {
            let next = at + length;
            let whole = is_whole(segment, start, bytes, next, &mut { usize::MAX });
            whole.then_some(next)
        }
        RawFrame::Whole { .. } | RawFrame::Short => None,
    }
}

fn is_whole(segment: u128, start: u64, bytes: &[u8], at: usize, budget: &mut usize) -> bool {
    let front = bytes.get(at..).and_then(|rest| rest.first_chunk::<6>());
    let Some([a, b, c, d, kind, version]) = front else {
        return false;
    };
    let length = (u32::from_le_bytes([*a, *b, *c, *d]) as usize).saturating_add(FRAME_OVERHEAD_BYTES);
    let plausible = (1..CODES_END).contains(kind) && (1..CODES_END).contains(version);
    if !plausible || length > bytes.len() - at {
        return false;
    }
    let Some(left) = budget.checked_sub(length.max(SEARCH_BLOCK_BYTES)) else {
        return false;
    };
    *budget = left;
    matches!(read_frame(segment, start + at as u64, &bytes[at..]), RawFrame::Whole { .. })
}

fn frame_sum(segment: u128, offset: u64, body: &[u8]) -> [u8; 8] {
    short_sum(&[&segment.to_le_bytes(), &offset.to_le_bytes(), body])
}

/// Returns the first eight bytes of BLAKE3 over `parts`, one after the other.
pub(crate) fn short_sum(parts: &[&[u8]]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    let mut sum = [0; 8];
    sum.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    sum
}
