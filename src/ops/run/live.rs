//! Metrics while a command runs: the file named in `LINEAGE_METRICS` is followed, and what is new goes to the journal at once.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::error::Result;
use crate::journal::Writer;
use crate::model::{Fact, Metric, MetricValue, NodeId, Remark, RemarkKind};
use crate::ops::run::metrics::{self, Point};
use crate::ops::{Clock, Recording, Workspace};

/// How often the file is looked at.
pub const PAUSE: Duration = Duration::from_millis(200);
/// As many bytes are taken at once, however much was written meanwhile.
const TAKE_MAX_BYTES: u64 = 4 << 20;
/// As many are taken of a file that nobody follows any more.
const REST_MAX_BYTES: u64 = 64 << 20;
/// A longer line is refused.
const LINE_MAX_BYTES: usize = 1 << 20;
/// As many refused lines are told one by one.
const REFUSED_MAX: usize = 20;

/// Follows the metrics file of one run.
pub struct Live<'a> {
    workspace: &'a Workspace,
    clock: &'a Clock,
    run: NodeId,
    path: PathBuf,
    offset: u64,
    unfinished: Vec<u8>,
    /// The line that is being read is too long: the rest of it is passed over.
    passing_over: bool,
    writer: Option<Writer>,
    refused: Vec<String>,
    refused_more: u64,
}

impl<'a> Live<'a> {
    /// Names the file to follow; it need not be there yet.
    pub fn new(workspace: &'a Workspace, clock: &'a Clock, run: NodeId, path: &Path) -> Self {
        Live {
            workspace,
            clock,
            run,
            path: path.to_owned(),
            offset: 0,
            unfinished: Vec::new(),
            passing_over: false,
            writer: None,
            refused: Vec::new(),
            refused_more: 0,
        }
    }

    /// Follows the file until `ended`, then takes what is left.
    pub fn follow(&mut self, ended: &AtomicBool) {
        while !ended.load(Ordering::Acquire) {
            if !self.take() {
                std::thread::park_timeout(PAUSE);
            }
        }
        while self.take() {}
        // A program that was killed may have left half a line, which is refused, or one that lacks its end only.
        let line = std::mem::take(&mut self.unfinished);
        self.take_lines(&line);
    }

    /// Returns what was refused.
    pub fn remarks(self) -> impl Iterator<Item = Remark> {
        let more = self.refused_more;
        let rest = (more > 0).then(|| Remark {
            kind: RemarkKind::Refused,
            text: "more metric lines were refused".to_owned(),
            count: more,
        });
        self.refused.into_iter().map(|why| Remark::new(RemarkKind::Refused, why)).chain(rest)
    }

    /// Takes the lines that are whole by now; returns true where there may be more at once.
    fn take(&mut self) -> bool {
        let mut fresh = std::mem::take(&mut self.unfinished);
        let before = fresh.len();
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.offset))?;
            file.take(TAKE_MAX_BYTES).read_to_end(&mut fresh)
        });
        if read.is_err() {
            // What was read before the error counts; the rest is read again.
            self.offset += (fresh.len() - before) as u64;
        }
        let read = read.unwrap_or(0) as u64;
        self.offset += read;
        let end = fresh.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.unfinished = fresh.split_off(end);
        let mut lines = fresh.as_slice();
        if self.passing_over
            && let Some(end) = lines.iter().position(|byte| *byte == b'\n')
        {
            lines = &lines[end + 1..];
            self.passing_over = false;
        }
        self.take_lines(lines);
        if self.unfinished.len() > LINE_MAX_BYTES || self.passing_over {
            if !self.passing_over {
                self.refuse("a metric line of more than a megabyte was refused".to_owned());
            }
            self.unfinished.clear();
            self.passing_over = true;
        }
        read == TAKE_MAX_BYTES
    }

    fn take_lines(&mut self, bytes: &[u8]) {
        let mut points = Vec::new();
        for line in String::from_utf8_lossy(bytes).lines().filter(|line| !line.trim().is_empty()) {
            match metrics::from_line(line) {
                Ok(point) => points.push(point),
                Err(why) => self.refuse(why),
            }
        }
        if !points.is_empty()
            && let Err(error) = self.record(points)
        {
            self.refuse(error.to_string());
        }
    }

    fn refuse(&mut self, why: String) {
        if self.refused.len() < REFUSED_MAX {
            self.refused.push(why);
        } else {
            self.refused_more += 1;
        }
    }

    fn record(&mut self, points: Vec<Point>) -> Result<()> {
        let start = self.clock.now();
        // Each point has a moment of its own, so that of those without a step the last is known.
        let last = start.plus_micros(points.len() as i64);
        self.clock.not_before(last);
        let owner = self.run;
        let points = points.into_iter().zip(0..).map(|(point, later)| Metric {
            owner,
            name: point.name,
            step: point.step,
            at: start.plus_micros(later),
            value: point.value,
        });
        let fact = Fact::Metrics(points.collect());
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let segment = NodeId::new(start).as_u128();
                none.insert(Writer::create(self.workspace.disk(), &self.workspace.journal(), segment)?)
            }
        };
        writer.append(&fact)?;
        writer.commit()
    }
}

/// Returns the folder of what commands say of themselves while they run.
pub fn folder(workspace: &Workspace) -> PathBuf {
    workspace.folder().join("live")
}

/// Returns the file that the command of a run appends its metrics to.
pub fn file(workspace: &Workspace, run: NodeId) -> PathBuf {
    folder(workspace).join(format!("{}.jsonl", run.hex()))
}

/// Adds what a metrics file has and the journal has not to a run that nobody follows any more; returns what was refused.
///
/// # Errors
/// A store error where the journal cannot be read or written.
pub fn take_rest(workspace: &Workspace, recording: &mut Recording, path: &Path) -> Result<Vec<Remark>> {
    let Ok(file) = File::open(path) else { return Ok(Vec::new()) };
    let owner = recording.run().id;
    let snapshot = workspace.view_as_it_is()?.snapshot;
    let known: BTreeSet<(String, i64, MetricValue)> =
        snapshot.metrics(owner)?.into_iter().map(|metric| (metric.name, metric.step, metric.value)).collect();
    let mut remarks = Vec::new();
    let mut lines = BufReader::new(file.take(REST_MAX_BYTES));
    let mut line = Vec::new();
    let mut points = Vec::new();
    while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&line);
        match metrics::from_line(&text) {
            Ok(point) if known.contains(&(point.name.clone(), point.step, point.value)) => {}
            Ok(Point { name, value, step }) => {
                points.push(Metric { owner, name, step, at: recording.now(), value });
            }
            Err(why) if remarks.len() < REFUSED_MAX && !text.trim().is_empty() => {
                remarks.push(Remark::new(RemarkKind::Refused, why));
            }
            Err(_) => {}
        }
        line.clear();
    }
    if !points.is_empty() {
        recording.add(&Fact::Metrics(points))?;
    }
    Ok(remarks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use crate::query::last_values;

    /// Writes the pieces to the file one after the other, looks after each, and returns what is recorded and refused.
    fn check(pieces: &[&str], expected: &str, refused: usize) {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::init(folder.path()).unwrap();
        let clock = Clock::new(|| Timestamp::from_micros(1_000_000));
        let run = NodeId::from_u128(7);
        let path = folder.path().join("points");
        let mut live = Live::new(&workspace, &clock, run, &path);
        for piece in pieces {
            use std::io::Write as _;
            let mut file = File::options().create(true).append(true).open(&path).unwrap();
            file.write_all(piece.as_bytes()).unwrap();
            live.take();
        }
        live.follow(&AtomicBool::new(true));
        let remarks: Vec<Remark> = live.remarks().collect();
        assert_eq!(remarks.iter().map(|remark| remark.count as usize).sum::<usize>(), refused, "{remarks:?}");
        let points = workspace.view().unwrap().snapshot.metrics(run).unwrap();
        let found: Vec<String> =
            points.iter().map(|p| format!("{}@{}={}", p.name, p.step, p.value.get())).collect();
        assert_eq!(found.join(" "), expected);
        if !points.is_empty() {
            assert_eq!(last_values(&points).len(), 1);
        }
    }

    #[test]
    fn lines_count_when_they_are_whole() {
        let whole = "{\"name\": \"a\", \"value\": 1, \"step\": 1}\n";
        check(&[whole], "a@1=1", 0);
        check(&[&whole[..10], &whole[10..]], "a@1=1", 0);
        check(&[whole, "{\"name\": \"a\", \"val"], "a@1=1", 1);
        check(&[whole, "{\"name\": \"a\", \"value\": 2}"], "a@0=2 a@1=1", 0);
        check(&["nonsense\n\n", whole], "a@1=1", 1);
        check(&[], "", 0);
    }

    #[test]
    fn a_line_without_end_is_passed_over_and_takes_no_memory() {
        let long = "x".repeat(LINE_MAX_BYTES + 1);
        let whole = "{\"name\": \"a\", \"value\": 1}\n";
        check(&[whole, &long, &long, "\n", whole], "a@0=1 a@0=1", 1);
        check(&[&long, &long], "", 1);
    }

    #[test]
    fn refused_lines_are_counted_beyond_those_that_are_named() {
        check(&["x\n".repeat(1_000).as_str()], "", 1_000);
    }

    #[test]
    fn points_without_a_step_keep_their_order() {
        let points: String =
            (0..500).map(|n| format!("{{\"name\": \"a\", \"value\": {}}}\n", 500 - n)).collect();
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::init(folder.path()).unwrap();
        let clock = Clock::new(|| Timestamp::from_micros(1_000_000));
        let path = folder.path().join("points");
        std::fs::write(&path, points).unwrap();
        let run = NodeId::from_u128(7);
        Live::new(&workspace, &clock, run, &path).follow(&AtomicBool::new(true));
        let points = workspace.view().unwrap().snapshot.metrics(run).unwrap();
        assert_eq!(points.len(), 500);
        assert_eq!(last_values(&points)[0].value.get(), 1.0);
    }
}
