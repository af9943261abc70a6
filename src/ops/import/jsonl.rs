//! A backup read back: all of it or nothing, and nothing twice.

use std::io::BufRead;

use crate::error::{Error, Result};
use crate::model::Digest;
use crate::ops::Workspace;
use crate::ops::export::{FORMAT, Line};
use crate::ops::import::taking::{Taken, Taking};

/// No line is longer.
const LINE_MAX_BYTES: u64 = 512 << 20;

/// Takes over the facts of a backup; `name` is the file's name, for messages.
///
/// # Errors
/// A request error that names the line where the file is cut off, damaged or of a newer format; a store error where the facts
/// cannot be recorded. Nothing is taken over then.
pub fn import_jsonl(workspace: &Workspace, name: &str, input: &mut dyn BufRead) -> Result<Taken> {
    let mut taking = Taking::begin(workspace)?;
    let mut reading = Reading { name, input, number: 0, hasher: blake3::Hasher::new(), before: None };
    reading.head()?;
    loop {
        let Some(bytes) = reading.next()? else {
            let end = Error::request(format!(
                "`{name}` is cut off after line {}: it has no end line",
                reading.number
            ));
            return Err(end.hint("nothing was taken over; export again, or fetch the whole file"));
        };
        let line = reading.parse(&bytes)?;
        if let Line::End(end) = line {
            reading.check_end(end.facts, end.digest.as_deref(), taking.seen_lines())?;
            break;
        }
        let fact = line.into_fact().map_err(|cause| reading.wrong(cause.to_string()))?;
        taking.take(fact)?;
    }
    if reading.next()?.is_some_and(|rest| !rest.trim_ascii().is_empty()) {
        return Err(reading.wrong("the end line is not the last".to_owned()));
    }
    taking.finish()
}

struct Reading<'a> {
    name: &'a str,
    input: &'a mut dyn BufRead,
    number: u64,
    hasher: blake3::Hasher,
    /// The digest of all bytes before the line read last.
    before: Option<Digest>,
}

impl Reading<'_> {
    /// Reads a line with its end; `None` after the last.
    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        self.before = Some(Digest::from_bytes(*self.hasher.finalize().as_bytes()));
        self.number += 1;
        let mut bytes = Vec::new();
        let read = std::io::Read::take(&mut *self.input, LINE_MAX_BYTES).read_until(b'\n', &mut bytes);
        read.map_err(|cause| {
            Error::request(format!("cannot read `{}`", self.name))
                .because(cause)
                .hint("nothing was taken over")
        })?;
        if bytes.is_empty() {
            self.number -= 1;
            return Ok(None);
        }
        if bytes.last() != Some(&b'\n') {
            let reason =
                if bytes.len() as u64 == LINE_MAX_BYTES { "it is too long" } else { "it is cut off" };
            return Err(self.wrong(reason.to_owned()));
        }
        self.hasher.update(&bytes);
        Ok(Some(bytes))
    }

    fn head(&mut self) -> Result<()> {
        let first = self.next()?;
        let first = first.ok_or_else(|| self.wrong("the file is empty".to_owned()))?;
        // The first line may say more in a newer format, and is understood all the same.
        let line: serde_json::Value =
            serde_json::from_slice(&first).map_err(|cause| self.wrong(cause.to_string()))?;
        let head = &line["lineage_facts"];
        match head["format"].as_u64() {
            Some(FORMAT) => Ok(()),
            Some(newer) if newer > FORMAT => {
                let program = head["program"].as_str().unwrap_or("a newer one");
                let program: String = program.chars().filter(|c| !c.is_control()).take(40).collect();
                Err(Error::request(format!(
                    "`{}` line 1: it is of format {newer}, and this `lineage` reads format {FORMAT}",
                    self.name
                ))
                .hint(format!("use `lineage` {program}, which wrote it; nothing was taken over")))
            }
            _ => Err(self.wrong("a backup begins with `{\"lineage_facts\":{\"format\":1,…}}`".to_owned())),
        }
    }

    fn parse(&self, bytes: &[u8]) -> Result<Line> {
        serde_json::from_slice(bytes).map_err(|cause| self.wrong(cause.to_string()))
    }

    fn check_end(&self, facts: u64, digest: Option<&str>, read: u64) -> Result<()> {
        if facts != read {
            return Err(self.wrong(format!("the end line tells of {facts} facts, and there are {read}")));
        }
        let digest = digest.map(str::parse::<Digest>).transpose();
        let digest = digest.map_err(|cause| self.wrong(cause.to_string()))?;
        if digest.is_some() && digest != self.before {
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
