//! Facts out of the journal, decoded on a thread of their own while those before them are inserted.

use std::path::Path;
use std::sync::mpsc::{Receiver, channel, sync_channel};

use crate::error::{Error, Result};
use crate::journal::{self, Reader, SegmentBytes, SegmentRef, Tail};
use crate::model::Fact;
use crate::store::Unreadable;
use crate::store::damage::Damage;

/// As much of a segment is read at once; more where one record is longer.
const CHUNK_BYTES: u64 = 4 << 20;
/// No record is longer.
const CHUNK_MAX_BYTES: u64 = 256 << 20;
/// As many chunks wait to be inserted.
const CHUNKS_WAITING: usize = 4;

/// A segment, and how many of its bytes are applied.
#[derive(Debug, Clone)]
pub(crate) struct Lacking {
    /// The segment.
    pub segment: SegmentRef,
    /// Where the first fact that is not applied begins.
    pub applied: u64,
}

/// What was read of a segment in one go.
#[derive(Default)]
pub(crate) struct Chunk {
    /// The segment.
    pub segment: u128,
    /// The facts, each with the place in the segment where the next one begins.
    pub facts: Vec<(Fact, u64)>,
    /// How many of the segment's bytes are done with when all of them are applied.
    pub end: u64,
    /// What could not be read.
    pub unreadable: Vec<Unreadable>,
    /// Damage that was passed over.
    pub damage: Option<Damage>,
    /// Whether the segment's file has been moved into a pack meanwhile.
    pub vanished: bool,
}

/// Reads `segments` on a thread of their own and gives their chunks to `take`, in order. Where there may be no further thread,
/// they are read before they are taken.
///
/// # Errors
/// Those of `take`.
pub(crate) fn feed<T>(
    segments: &[Lacking],
    take: impl FnOnce(&mut Receiver<Chunk>) -> Result<T>,
) -> Result<T> {
    std::thread::scope(|scope| {
        let (sender, waiting) = sync_channel(CHUNKS_WAITING);
        let reader = std::thread::Builder::new();
        let started =
            reader.spawn_scoped(scope, move || read_all(segments, &|chunk| sender.send(chunk).ok()));
        let mut receiver = match started {
            Ok(_) => waiting,
            Err(_) => {
                let (sender, all) = channel();
                read_all(segments, &|chunk| sender.send(chunk).ok());
                all
            }
        };
        let taken = take(&mut receiver);
        // The reader stops when nobody takes any more.
        drop(receiver);
        taken
    })
}

/// Sends the chunks of all segments, until nobody takes them any more.
fn read_all(segments: &[Lacking], send: &dyn Fn(Chunk) -> Option<()>) {
    let _all = segments.iter().try_for_each(|segment| read(segment, send));
}

/// Sends the chunks of a segment; `None` where nobody takes them any more.
fn read(lacking: &Lacking, send: &dyn Fn(Chunk) -> Option<()>) -> Option<()> {
    let segment = &lacking.segment;
    let folder = segment.path.parent().unwrap_or(Path::new("."));
    // To be asked before the bytes are read: what a writer that is gone by now has left half done stays so.
    let closed = segment.packed || !journal::writer_is_alive(folder, segment.segment);
    let mut offset = lacking.applied;
    let mut bytes_max = CHUNK_BYTES;
    loop {
        let mut chunk = Chunk { segment: segment.segment, end: offset, ..Chunk::default() };
        let more = match journal::read_segment(segment, offset, bytes_max) {
            Ok(Some(bytes)) => decode(segment, &bytes, closed, &mut chunk),
            Ok(None) => {
                chunk.vanished = true;
                false
            }
            Err(error) => {
                chunk.complain(error);
                false
            }
        };
        let stuck = chunk.facts.is_empty();
        offset = chunk.end;
        send(chunk)?;
        if !more || (stuck && bytes_max >= CHUNK_MAX_BYTES) {
            return Some(());
        }
        bytes_max = if stuck { bytes_max * 4 } else { CHUNK_BYTES };
    }
}

impl Chunk {
    fn complain(&mut self, error: Error) {
        let segment = self.segment;
        self.unreadable.push(Unreadable { segment, error, remembered: false });
    }
}

/// Decodes what was read; true where the segment goes on after it.
fn decode(segment: &SegmentRef, bytes: &SegmentBytes, closed: bool, chunk: &mut Chunk) -> bool {
    let name = segment.path.file_name().unwrap_or_default().to_string_lossy();
    let mut reader = match Reader::new(&name, bytes) {
        Ok(Some(reader)) => reader,
        Ok(None) => {
            if closed {
                // A writer that died before its header was whole has left nothing.
                chunk.end = chunk.end.max(bytes.header.len() as u64);
            }
            return false;
        }
        Err(error) => {
            chunk.complain(error);
            return false;
        }
    };
    loop {
        match reader.next() {
            Ok(Some(fact)) => chunk.facts.push((fact, reader.offset())),
            Ok(None) => break,
            Err(error) => {
                chunk.end = reader.offset();
                chunk.complain(error);
                return false;
            }
        }
    }
    chunk.end = reader.offset();
    if !reader.damaged().is_empty() {
        chunk.damage = Some(Damage::of(segment, reader.damaged().to_vec()));
    }
    if let Tail::Torn { bytes: torn } = reader.tail()
        && closed
        && !bytes.more
    {
        // A torn tail that nobody will complete is done with, so that no later command looks at it again.
        chunk.end += torn;
    }
    bytes.more
}
