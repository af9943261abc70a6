//! The bytes around a fact: segment header and frame.
//!
//! ```text
//! segment  = header frame*
//! header   = "LINEAGEJ" format:u16 major:u16 minor:u16 patch:u16 segment:u128 checksum:u64      (40 bytes)
//! frame    = length:u32 kind:u8 version:u8 payload:[length bytes] checksum:u64                    (14 + length bytes)
//! ```
//! Integers are little-endian. A checksum is the first eight bytes of BLAKE3 over all that comes before it in the header or
//! frame; that of a frame also covers the segment's id and the frame's place in it, so that no frame passes for another.

/// Bytes of a segment's header.
pub(crate) const HEADER_BYTES: usize = 40;
/// Bytes of a frame beside its payload.
pub(crate) const FRAME_OVERHEAD_BYTES: usize = 14;
/// The longest payload, in bytes.
pub(crate) const PAYLOAD_MAX_BYTES: usize = 64 << 20;
const MAGIC: &[u8; 8] = b"LINEAGEJ";
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
    /// All bytes are there, and they are wrong.
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
        return RawFrame::Short;
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

fn frame_sum(segment: u128, offset: u64, body: &[u8]) -> [u8; 8] {
    short_sum(&[&segment.to_le_bytes(), &offset.to_le_bytes(), body])
}

fn short_sum(parts: &[&[u8]]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    let mut sum = [0; 8];
    sum.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    sum
}
