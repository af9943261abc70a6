//! The complete backup: every fact as a line of JSON.

use std::io::Write;
use std::sync::mpsc::sync_channel;
use std::thread;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::model::{Digest, Fact};
use crate::ops::export::lines::{End, FORMAT, Head, Line};
use crate::ops::export::{facts_of, not_written};
use crate::store::{RunNo, Snapshot};

/// As many facts are read before they are turned into lines, and as many such batches wait for that.
const BATCH_FACTS: usize = 4096;
const BATCHES_WAITING: usize = 4;
/// As many facts in a row are turned into lines by one core.
const PIECE_FACTS: usize = 256;

/// Writes the facts of `runs`, of all where none is named, as lines; returns how many.
///
/// The same facts give the same bytes, in whatever store and whenever. While some are turned into lines, the next are read.
///
/// # Errors
/// A store error where a record is damaged or `out` takes no more.
pub fn jsonl(snapshot: &Snapshot, runs: &[RunNo], out: &mut dyn Write) -> Result<u64> {
    let mut writing = Writing { out, hasher: blake3::Hasher::new(), lines: 0 };
    let head = Line::LineageFacts(Head { format: FORMAT, program: env!("CARGO_PKG_VERSION").to_owned() });
    writing.take(&text_of(&[head])?)?;
    let facts = thread::scope(|scope| {
        let (sender, receiver) = sync_channel::<Vec<Fact>>(BATCHES_WAITING);
        let reading = scope.spawn(move || {
            let mut batch = Vec::with_capacity(BATCH_FACTS);
            // Whoever takes them has stopped on an error of its own, which is the one that is told.
            let stopped = |_| Error::store("nobody takes the facts");
            facts_of(snapshot, runs, &mut |fact| {
                batch.push(fact);
                if batch.len() < BATCH_FACTS {
                    return Ok(());
                }
                sender.send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH_FACTS))).map_err(stopped)
            })?;
            sender.send(batch).map_err(stopped)
        });
        let written = receiver.into_iter().try_for_each(|batch| {
            let pieces = batch.par_chunks(PIECE_FACTS).map(|piece| {
                let lines: Vec<Line> = piece.iter().flat_map(Line::of).collect();
                text_of(&lines)
            });
            let pieces: Vec<Result<Text>> = pieces.collect();
            pieces.into_iter().try_for_each(|text| writing.take(&text?))
        });
        let read = reading.join().map_err(|_| Error::bug("the reader of facts has ended"))?;
        written.and(read)
    });
    facts?;
    // The first line holds none.
    let facts = writing.lines - 1;
    let digest = Digest::from_bytes(*writing.hasher.finalize().as_bytes());
    writing.take(&text_of(&[Line::End(End { facts, digest: Some(digest.to_string()) })])?)?;
    writing.out.flush().map_err(not_written)?;
    Ok(facts)
}

/// Some lines as they are written.
struct Text {
    bytes: Vec<u8>,
    lines: u64,
}

fn text_of(lines: &[Line]) -> Result<Text> {
    let mut bytes = Vec::with_capacity(lines.len() * 512);
    for line in lines {
        serde_json::to_writer(&mut bytes, line)
            .map_err(|cause| Error::bug("cannot write a fact as JSON").because(cause))?;
        bytes.push(b'\n');
    }
    Ok(Text { bytes, lines: lines.len() as u64 })
}

struct Writing<'a> {
    out: &'a mut dyn Write,
    hasher: blake3::Hasher,
    lines: u64,
}

impl Writing<'_> {
    fn take(&mut self, text: &Text) -> Result<()> {
        self.hasher.update(&text.bytes);
        self.lines += text.lines;
        self.out.write_all(&text.bytes).map_err(not_written)
    }
}
