//! A backup read back: all of it or nothing, and nothing twice.

use std::io::BufRead;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::model::Digest;
use crate::ops::Workspace;
use crate::ops::export::{End, FORMAT, Line};
use crate::ops::import::taking::{Prepared, Taken, Taking};

/// No line is longer.
const LINE_MAX_BYTES: usize = 512 << 20;
/// As many bytes are read before the lines in them are understood, on all cores.
const BATCH_BYTES: usize = 4 << 20;
/// As many lines in a row are understood by one core.
const LINES_MIN: usize = 64;

/// What the facts of a backup are to a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupOf {
    /// Its own, brought back: unless it knows runs already, what they wrote counts as written here.
    This,
    /// Another's.
    Other,
}

/// Takes over the facts of a backup; `name` is the file's name, for messages.
///
/// # Errors
/// A request error that names the line where the file is cut off, damaged or of a newer format; a store error where the facts
/// cannot be recorded. Nothing is taken over then.
pub fn import_jsonl(
    workspace: &Workspace,
    name: &str,
    input: &mut dyn BufRead,
    of: BackupOf,
) -> Result<Taken> {
    let mut taking = Taking::begin(workspace)?;
    if of == BackupOf::This {
        taking.bring_back()?;
    }
    let mut reading = Reading { name, input, number: 0, hasher: blake3::Hasher::new(), rest: Vec::new() };
    let mut is_ended = false;
    while let Some(batch) = reading.next_batch()? {
        let mut lines: Vec<&[u8]> = batch.split_inclusive(|byte| *byte == b'\n').collect();
        if reading.number == 0 {
            reading.head(lines.remove(0))?;
        }
        let understood = lines.par_iter().with_min_len(LINES_MIN).map(|line| understand(line));
        let understood: Vec<Result<Understood, String>> = understood.collect();
        // Bytes of the batch that were gone through, and those of them that the hasher has seen: it is faster on many at once.
        let mut passed = batch.len() - lines.iter().map(|line| line.len()).sum::<usize>();
        let mut hashed = passed;
        for (line, understood) in lines.into_iter().zip(understood) {
            reading.number += 1;
            if is_ended {
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return Err(reading.wrong("the end line is not the last".to_owned()));
            }
            match understood.map_err(|cause| reading.wrong(cause))? {
                Understood::Fact(fact) => taking.take_prepared(fact)?,
                Understood::End(end) => {
                    reading.hasher.update(&batch[hashed..passed]);
                    hashed = passed;
                    reading.check_end(end.facts, end.digest.as_deref(), taking.seen_lines())?;
                    is_ended = true;
                }
            }
            passed += line.len();
        }
        reading.hasher.update(&batch[hashed..]);
    }
    if !is_ended {
        if reading.number == 0 {
            return Err(reading.wrong("the file is empty".to_owned()));
        }
        let end =
            Error::request(format!("`{name}` is cut off after line {}: it has no end line", reading.number));
        return Err(end.hint("nothing was taken over; export again, or fetch the whole file"));
    }
    taking.finish()
}

/// What a line says.
enum Understood {
    Fact(Prepared),
    End(End),
}

fn understand(line: &[u8]) -> Result<Understood, String> {
    match serde_json::from_slice(line).map_err(|cause| cause.to_string())? {
        Line::End(end) => Ok(Understood::End(end)),
        fact => {
            let fact = fact.into_fact().and_then(Prepared::of);
            fact.map(Understood::Fact).map_err(|cause| cause.in_full())
        }
    }
}

struct Reading<'a> {
    name: &'a str,
    input: &'a mut dyn BufRead,
    /// How many lines were gone through.
    number: u64,
    /// Has seen the lines that were gone through.
    hasher: blake3::Hasher,
    /// The front of a line that goes on in what is not yet read.
    rest: Vec<u8>,
}

impl Reading<'_> {
    /// Reads some whole lines; `None` after the last.
    fn next_batch(&mut self) -> Result<Option<Vec<u8>>> {
        let mut batch = std::mem::take(&mut self.rest);
        // Where a line ends is looked for in what is new alone.
        let mut searched = 0;
        loop {
            let wanted = batch.len() + BATCH_BYTES;
            let limit = BATCH_BYTES as u64;
            let read =
                std::io::Read::read_to_end(&mut std::io::Read::take(&mut *self.input, limit), &mut batch);
            read.map_err(|cause| {
                Error::request(format!("cannot read `{}`", self.name))
                    .because(cause)
                    .hint("nothing was taken over")
            })?;
            let is_at_end = batch.len() < wanted;
            if let Some(end) = batch[searched..].iter().rposition(|byte| *byte == b'\n') {
                self.rest = batch.split_off(searched + end + 1);
                return Ok(Some(batch));
            }
            searched = batch.len();
            if is_at_end {
                if batch.is_empty() {
                    return Ok(None);
                }
                self.number += 1;
                return Err(self.wrong("it is cut off".to_owned()));
            }
            if batch.len() > LINE_MAX_BYTES {
                self.number += 1;
                return Err(self.wrong("it is too long".to_owned()));
            }
        }
    }

    fn head(&mut self, first: &[u8]) -> Result<()> {
        self.number += 1;
        self.hasher.update(first);
        // The first line may say more in a newer format, and is understood all the same.
        let line: serde_json::Value =
            serde_json::from_slice(first).map_err(|cause| self.wrong(cause.to_string()))?;
        let head = &line["lineage_facts"];
        match head["format"].as_u64() {
            Some(1..=FORMAT) => Ok(()),
            Some(newer) if newer > FORMAT => {
                let program = head["program"].as_str().unwrap_or("a newer one");
                let program: String = program.chars().filter(|c| !c.is_control()).take(40).collect();
                Err(Error::request(format!(
                    "`{}` line 1: it is of format {newer}, and this `lineage` reads formats up to {FORMAT}",
                    self.name
                ))
                .hint(format!("use `lineage` {program}, which wrote it; nothing was taken over")))
            }
            _ => Err(self.wrong("a backup begins with `{\"lineage_facts\":{\"format\":…}}`".to_owned())),
        }
    }

    fn check_end(&self, facts: u64, digest: Option<&str>, read: u64) -> Result<()> {
        if facts != read {
            return Err(self.wrong(format!("the end line tells of {facts} facts, and there are {read}")));
        }
        let digest = digest.map(str::parse::<Digest>).transpose();
        let digest = digest.map_err(|cause| self.wrong(cause.in_full()))?;
        let before = Digest::from_bytes(*self.hasher.finalize().as_bytes());
        if digest.is_some_and(|digest| digest != before) {
            return Err(
                self.wrong("the digest in the end line is not that of the lines before it".to_owned())
            );
        }
        Ok(())
    }

    fn wrong(&self, cause: String) -> Error {
        Error::request(format!("`{}` line {} cannot be taken over", self.name, self.number))
            .because(cause)
            .hint("nothing was taken over")
    }
}
