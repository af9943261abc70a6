//! The complete backup: every fact as a line of JSON.

use std::io::Write;

use crate::error::{Error, Result};
use crate::model::Digest;
use crate::ops::export::facts_of;
use crate::ops::export::lines::{End, FORMAT, Head, Line};
use crate::store::{RunNo, Snapshot};

/// Writes the facts of `runs`, of all where none is named, as lines; returns how many.
///
/// The same facts give the same bytes, in whatever store and whenever. Facts are written as they are read.
///
/// # Errors
/// A store error where a record is damaged or `out` takes no more.
pub fn jsonl(snapshot: &Snapshot, runs: &[RunNo], out: &mut dyn Write) -> Result<u64> {
    let mut writing = Writing { out, hasher: blake3::Hasher::new(), buffer: Vec::new() };
    writing
        .line(&Line::LineageFacts(Head { format: FORMAT, program: env!("CARGO_PKG_VERSION").to_owned() }))?;
    let mut count = 0;
    facts_of(snapshot, runs, &mut |fact| {
        for line in Line::of(&fact)? {
            writing.line(&line)?;
            count += 1;
        }
        Ok(())
    })?;
    let digest = Digest::from_bytes(*writing.hasher.finalize().as_bytes());
    writing.line(&Line::End(End { facts: count, digest: Some(digest.to_string()) }))?;
    writing.out.flush().map_err(not_written)?;
    Ok(count)
}

struct Writing<'a> {
    out: &'a mut dyn Write,
    hasher: blake3::Hasher,
    buffer: Vec<u8>,
}

impl Writing<'_> {
    fn line(&mut self, line: &Line) -> Result<()> {
        self.buffer.clear();
        serde_json::to_writer(&mut self.buffer, line)
            .map_err(|cause| Error::bug("cannot write a fact as JSON").because(cause))?;
        self.buffer.push(b'\n');
        self.hasher.update(&self.buffer);
        self.out.write_all(&self.buffer).map_err(not_written)
    }
}

pub(super) fn not_written(cause: std::io::Error) -> Error {
    Error::store("cannot write the export").because(cause).hint("what is recorded is not harmed")
}
