//! Reading the frames of one segment.

use crate::error::{Error, Result};
use crate::journal::codec;
use crate::journal::frame::{self, Header, HeaderFault, RawFrame, read_frame};
use crate::journal::segments::SegmentBytes;
use crate::journal::writer::program_version;
use crate::model::Fact;

/// What a frame holds, not decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The kind of fact.
    pub kind: u8,
    /// The version of that kind.
    pub version: u8,
    /// The fact.
    pub payload: &'a [u8],
    /// Where the frame begins in the segment.
    pub offset: u64,
}

/// A whole frame, where it begins in the bytes given, and how long it is.
struct Found<'a> {
    record: Record<'a>,
    at: usize,
    length: usize,
}

/// How a segment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// With its last frame.
    Clean,
    /// With bytes that are no whole frame: one being written, or one that a crash cut off.
    Torn {
        /// How many bytes do not count.
        bytes: u64,
    },
}

/// Walks over the frames of a segment's bytes.
pub struct Reader<'a> {
    name: String,
    header: Header,
    rest: &'a [u8],
    /// Whether the segment goes on after `rest`.
    more: bool,
    start: u64,
    at: usize,
    damaged: Vec<u64>,
}

impl<'a> Reader<'a> {
    /// Reads the header of a segment called `name` in messages; `None` where the header is not all there yet.
    ///
    /// # Errors
    /// A store error where the header is damaged or of a format this program does not know.
    pub fn new(name: &str, bytes: &'a SegmentBytes) -> Result<Option<Self>> {
        let mut reader = Reader {
            name: name.to_owned(),
            header: Header { segment: bytes.segment, program: program_version() },
            rest: &bytes.rest,
            more: bytes.more,
            start: bytes.offset,
            at: 0,
            damaged: Vec::new(),
        };
        match Header::from_bytes(&bytes.header) {
            Ok(header) if header.segment == bytes.segment => reader.header = header,
            Ok(header) => {
                return Err(Error::store(format!(
                    "journal segment `{name}` holds segment {:032x}: it is not what its name says",
                    header.segment
                ))
                .hint("nothing was changed; give the file back its name"));
            }
            Err(HeaderFault::Short) => return Ok(None),
            // The checksum of a frame covers the segment's id, so frames that fit the file's name are the segment's.
            Err(HeaderFault::Damaged) if reader.has_frames() => reader.damaged.push(0),
            Err(HeaderFault::Damaged) => {
                return Err(Error::store(format!("journal segment `{name}` does not begin with a header"))
                    .hint("nothing was changed; `lineage verify` lists what is damaged"));
            }
            Err(HeaderFault::Newer(program)) => return Err(from_the_future(name, program)),
        }
        Ok(Some(reader))
    }

    fn has_frames(&self) -> bool {
        let first = read_frame(self.header.segment, self.start, self.rest);
        matches!(first, RawFrame::Whole { .. })
            || frame::next_whole(self.header.segment, self.start, self.rest, 0).is_some()
    }

    /// Returns the segment's id.
    pub fn segment(&self) -> u128 {
        self.header.segment
    }

    /// Returns where in the segment the next frame would begin.
    pub fn offset(&self) -> u64 {
        self.start + self.at as u64
    }

    /// Returns where damage begins that was passed over: one place for all damaged frames in a row.
    pub fn damaged(&self) -> &[u64] {
        &self.damaged
    }

    /// Returns how the segment ends; to be asked when [`Reader::next`] has given `None`.
    pub fn tail(&self) -> Tail {
        match self.rest.len() - self.at {
            0 => Tail::Clean,
            rest => Tail::Torn { bytes: rest as u64 },
        }
    }

    /// Reads the fact in the next frame; `None` at the last whole one of the bytes given.
    ///
    /// A damaged frame that whole frames follow is damage in the middle: it is passed over and counted. One that none
    /// follows is the torn tail.
    ///
    /// # Errors
    /// A store error for a frame of a kind or version this program does not know, or one that cannot be decoded although
    /// its checksum is right. The reader stays before that frame: which is why this is no `Iterator`.
    pub fn next(&mut self) -> Result<Option<Fact>> {
        let Some(found) = self.find() else { return Ok(None) };
        let Record { kind, version, payload, offset } = found.record;
        let fact =
            codec::decode_parts(kind, version, payload).map_err(|fault| self.explain(fault, offset))?;
        self.pass(&found);
        Ok(Some(fact))
    }

    /// Reads the next frame as [`Reader::next`] does, and leaves what it says as bytes, whether this program knows such records or
    /// not.
    pub fn next_record(&mut self) -> Option<Record<'a>> {
        let found = self.find()?;
        self.pass(&found);
        Some(found.record)
    }

    fn find(&self) -> Option<Found<'a>> {
        let mut at = self.at;
        let segment = self.header.segment;
        loop {
            let offset = self.start + at as u64;
            match read_frame(segment, offset, &self.rest[at..]) {
                RawFrame::Whole { kind, version, payload, length } => {
                    let record = Record { kind, version, payload, offset };
                    return Some(Found { record, at, length });
                }
                RawFrame::Short if self.more || self.at == self.rest.len() => return None,
                RawFrame::Short | RawFrame::Damaged { .. } => {
                    at = frame::next_whole(segment, self.start, self.rest, at)?;
                }
            }
        }
    }

    fn pass(&mut self, found: &Found<'a>) {
        if found.at > self.at {
            self.damaged.push(self.offset());
        }
        self.at = found.at + found.length;
    }

    fn explain(&self, fault: codec::Fault, offset: u64) -> Error {
        // A newer program may give a known record a code that this one does not know.
        let newer = self.header.program > program_version();
        match fault {
            codec::Fault::Unknown => from_the_future(&self.name, self.header.program),
            codec::Fault::Damaged(_) if newer => from_the_future(&self.name, self.header.program),
            codec::Fault::Damaged(cause) => Error::store(format!(
                "journal segment `{}` has a record at byte {offset} that cannot be read",
                self.name
            ))
            .because(cause)
            .hint("nothing was changed; `lineage verify` lists what is damaged"),
        }
    }
}

fn from_the_future(name: &str, program: (u16, u16, u16)) -> Error {
    let (major, minor, patch) = program;
    Error::store(format!(
        "journal segment `{name}` holds records this `lineage` {} does not know",
        env!("CARGO_PKG_VERSION")
    ))
    .hint(format!("use `lineage` {major}.{minor}.{patch} or newer, which wrote them; nothing was changed"))
}
