//! Reading the frames of one segment.

use crate::error::{Error, Result};
use crate::journal::codec;
use crate::journal::frame::{Header, HeaderFault, RawFrame, read_frame};
use crate::journal::segments::SegmentBytes;
use crate::model::Fact;

/// A frame read from a segment.
#[derive(Debug)]
pub struct Frame {
    /// The fact.
    pub fact: Fact,
    /// Where the frame begins in the segment.
    pub offset: u64,
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
        let header = match Header::from_bytes(&bytes.header) {
            Ok(header) => header,
            Err(HeaderFault::Short) => return Ok(None),
            Err(HeaderFault::Damaged) => {
                return Err(Error::store(format!("journal segment `{name}` does not begin with a header"))
                    .hint("nothing was changed; `lineage verify` lists what is damaged"));
            }
            Err(HeaderFault::Newer(program)) => return Err(from_the_future(name, program)),
        };
        Ok(Some(Reader {
            name: name.to_owned(),
            header,
            rest: &bytes.rest,
            start: bytes.offset,
            at: 0,
            damaged: Vec::new(),
        }))
    }

    /// Returns the segment's id.
    pub fn segment(&self) -> u128 {
        self.header.segment
    }

    /// Returns where in the segment the next frame would begin.
    pub fn offset(&self) -> u64 {
        self.start + self.at as u64
    }

    /// Returns where damaged frames were passed over.
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

    /// Reads the next frame; `None` at the last whole one.
    ///
    /// A damaged frame that whole frames follow is damage in the middle: it is passed over and counted. One that none
    /// follows is the torn tail.
    ///
    /// # Errors
    /// A store error for a frame of a kind or version this program does not know, or one that cannot be decoded although
    /// its checksum is right.
    #[expect(
        clippy::should_implement_trait,
        reason = "it borrows nothing, but an Iterator of Results invites to go on after an error"
    )]
    pub fn next(&mut self) -> Result<Option<Frame>> {
        let mut at = self.at;
        let mut passed = Vec::new();
        loop {
            let offset = self.start + at as u64;
            match read_frame(self.header.segment, offset, &self.rest[at..]) {
                RawFrame::Short => return Ok(None),
                RawFrame::Damaged { length } => {
                    passed.push(offset);
                    at += length;
                }
                RawFrame::Whole { kind, version, payload, length } => {
                    let fact = codec::decode_parts(kind, version, payload)
                        .map_err(|fault| self.explain(fault, offset))?;
                    self.damaged.append(&mut passed);
                    self.at = at + length;
                    return Ok(Some(Frame { fact, offset }));
                }
            }
        }
    }

    fn explain(&self, fault: codec::Fault, offset: u64) -> Error {
        match fault {
            codec::Fault::Unknown => from_the_future(&self.name, self.header.program),
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
