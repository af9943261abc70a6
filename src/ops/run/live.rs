//! Metrics while a command runs: the file named in `LINEAGE_METRICS` is followed, and what is new goes to the journal at once.

mod rest;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::disk;
use crate::error::{Error, Result};
use crate::journal::Writer;
use crate::model::{Fact, Metric, MetricValue, NodeId, Remark, RemarkKind, SHORT_LIVED_POINTS};
use crate::ops::run::metrics::{self, Point};
use crate::ops::{Clock, Workspace};

pub use rest::{Rest, known_points};

/// The ending of such files.
const ENDING: &str = "jsonl";
/// How often the file is looked at.
pub const PAUSE: Duration = Duration::from_millis(200);
/// As many bytes are taken at once, however much was written meanwhile.
const TAKE_MAX_BYTES: u64 = 4 << 20;
/// As many points of a file that nobody follows any more are held in memory before they are recorded.
const POINTS_MAX: usize = 100_000;
/// As many points wait for a disk that takes none; what comes after them waits in the file.
const WAITING_MAX: usize = 1_000_000;
/// No more is taken once the command has ended: a file may claim to be longer than anybody could read.
const LAST_MAX_BYTES: u64 = 1 << 30;
/// So much before the place that was read up to must still be there; else the file was written anew.
const TAIL_MAX_BYTES: usize = 4096;
/// A longer line is refused.
const LINE_MAX_BYTES: usize = 1 << 20;
/// What is said of it.
const LINE_TOO_LONG: &str = "a metric line of more than a megabyte was refused";
/// What is said of a metrics file that is none.
const NO_REGULAR_FILE: &str = "no metrics were taken from `$LINEAGE_METRICS`: it was no regular file";
/// As many refused lines are told one by one.
const REFUSED_MAX: usize = 20;

/// As many metrics are remembered; of others what has no step is of step 0.
const NAMES_MAX: usize = 100_000;
/// As many values are remembered of each.
const VALUES_MAX: usize = 1_000;

/// What a command reported of its metrics: the greatest step of each, which is the one that a point without a step is of, so that
/// what is reported last is the last; and the values at that step, which a document may say once more.
#[derive(Default)]
pub struct Reported(BTreeMap<String, (i64, BTreeSet<MetricValue>)>);

impl Reported {
    /// Adds a point.
    pub fn add(&mut self, name: &str, step: i64, value: MetricValue) {
        if let Some((last, values)) = self.0.get_mut(name) {
            if step > *last {
                (*last, *values) = (step, BTreeSet::new());
            }
            if step == *last && values.len() < VALUES_MAX {
                values.insert(value);
            }
        } else if self.0.len() < NAMES_MAX {
            self.0.insert(name.to_owned(), (step, BTreeSet::from([value])));
        }
    }

    /// Returns the step of a point.
    pub fn step_of(&self, point: &Point) -> i64 {
        let last = || self.0.get(&point.name).map_or(0, |(last, _)| *last);
        point.step.unwrap_or_else(last)
    }

    /// Returns true where a point of a document is a measurement that was reported.
    pub fn has(&self, point: &Point) -> bool {
        self.0.get(&point.name).is_some_and(|(_, values)| values.contains(&point.value))
    }
}

/// Reads a point out of a line.
fn point_of(line: &[u8]) -> Result<Point, String> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    if line.len() > LINE_MAX_BYTES {
        return Err(LINE_TOO_LONG.to_owned());
    }
    metrics::from_line(&String::from_utf8_lossy(line))
}

/// Lines that were refused: the first of them with the reason, the others counted.
#[derive(Default)]
struct Refused {
    told: Vec<String>,
    more: u64,
}

impl Refused {
    fn add(&mut self, why: String) {
        if self.told.len() < REFUSED_MAX {
            self.told.push(why);
        } else {
            self.more += 1;
        }
    }

    fn remarks(self) -> impl Iterator<Item = Remark> {
        let told = self.told.into_iter().map(|why| Remark::new(RemarkKind::Refused, why));
        told.chain(counted(RemarkKind::Refused, "more metric lines were refused", self.more))
    }
}

fn counted(kind: RemarkKind, text: &str, count: u64) -> Option<Remark> {
    (count > 0).then(|| Remark { kind, text: text.to_owned(), count })
}

/// Follows the metrics file of one run.
pub struct Live<'a> {
    workspace: &'a Workspace,
    clock: &'a Clock,
    run: NodeId,
    path: PathBuf,
    /// Device and number of the file that was read last.
    identity: Option<(u64, u64)>,
    offset: u64,
    /// What was read last before `offset`.
    tail: Vec<u8>,
    unfinished: Vec<u8>,
    /// The line that is being read is too long: the rest of it is passed over.
    passing_over: bool,
    writer: Option<Writer>,
    /// Points for which there is no segment yet.
    waiting: Vec<Metric>,
    /// How many points the segment was given that are not known to be on the disk.
    unsynced: usize,
    /// Whether the file holds more that is not read, since so much waits.
    is_behind: bool,
    refused: Refused,
    written_anew: u64,
    is_no_file: bool,
    /// How many bytes were left when no more were taken.
    left_out_bytes: u64,
    last_max_bytes: u64,
    waiting_max: usize,
    reported: Reported,
}

impl<'a> Live<'a> {
    /// Names the file to follow; it need not be there yet.
    pub fn new(workspace: &'a Workspace, clock: &'a Clock, run: NodeId, path: &Path) -> Self {
        Live {
            workspace,
            clock,
            run,
            path: path.to_owned(),
            identity: None,
            offset: 0,
            tail: Vec::new(),
            unfinished: Vec::new(),
            passing_over: false,
            writer: None,
            waiting: Vec::new(),
            unsynced: 0,
            is_behind: false,
            refused: Refused::default(),
            written_anew: 0,
            is_no_file: false,
            left_out_bytes: 0,
            last_max_bytes: LAST_MAX_BYTES,
            waiting_max: WAITING_MAX,
            reported: Reported::default(),
        }
    }

    /// Follows the file until `ended`, then takes what is left.
    pub fn follow(&mut self, ended: &AtomicBool) {
        while !ended.load(Ordering::Acquire) {
            if !self.take() {
                std::thread::park_timeout(PAUSE);
            }
        }
        self.take_the_rest();
        if !self.is_behind {
            self.end_line();
        }
    }

    /// Tries a last time where the disk did not take everything, after which the file may be removed.
    ///
    /// # Errors
    /// What it still does not take: the file is to be kept.
    pub fn finish(&mut self) -> Result<(), Unrecorded> {
        while !self.is_settled() || self.is_behind {
            self.follow(&AtomicBool::new(true));
            if let Err(error) = self.settle() {
                return Err(Unrecorded { points: self.waiting.len() + self.unsynced, error });
            }
        }
        Ok(())
    }

    /// Takes what the file holds now; what others still write to it is not waited for.
    fn take_the_rest(&mut self) {
        let length = self.open().map_or(0, |(_, length)| length);
        let mut left = self.last_max_bytes;
        loop {
            let is_more = self.take() && self.offset < length;
            if !is_more {
                return;
            }
            // Counted by how often, so that somebody who goes on writing the file anew is not waited for either.
            left = left.saturating_sub(TAKE_MAX_BYTES);
            if left == 0 {
                self.left_out_bytes = length - self.offset;
                return;
            }
        }
    }

    /// Takes the last line: a program that was killed, or that writes the file anew, may have left half a line, which is refused, or
    /// one that lacks its end only.
    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.unfinished);
        self.take_lines(&line);
    }

    /// Opens the file and returns its length; `None` where there is none.
    fn open(&mut self) -> Option<(File, u64)> {
        match open_regular(&self.path) {
            Ok((file, found)) => {
                let identity = Some((found.dev(), found.ino()));
                if self.offset > 0 && (identity != self.identity || !self.is_still_there(&file, found.len()))
                {
                    self.begin_anew();
                }
                self.identity = identity;
                Some((file, found.len()))
            }
            Err(cause) => {
                self.is_no_file |= cause.kind() == ErrorKind::InvalidInput;
                None
            }
        }
    }

    /// Returns true where a file of this length still holds what was read of it last.
    fn is_still_there(&self, file: &File, length: u64) -> bool {
        let mut there = vec![0; self.tail.len()];
        let start = self.offset - self.tail.len() as u64;
        length >= self.offset && file.read_exact_at(&mut there, start).is_ok() && there == self.tail
    }

    fn begin_anew(&mut self) {
        self.end_line();
        self.offset = 0;
        self.tail.clear();
        self.passing_over = false;
        self.written_anew += 1;
    }

    /// Returns what was reported so far.
    pub fn reported(&mut self) -> &mut Reported {
        &mut self.reported
    }

    /// Takes what there is to say, once.
    pub fn take_remarks(&mut self) -> impl Iterator<Item = Remark> + use<> {
        let anew = counted(RemarkKind::Unseen, SHORT_LIVED_POINTS, std::mem::take(&mut self.written_anew));
        let is_no_file = std::mem::take(&mut self.is_no_file);
        let no_file = counted(RemarkKind::Refused, NO_REGULAR_FILE, is_no_file.into());
        let left_out = left_out_of(std::mem::take(&mut self.left_out_bytes));
        std::mem::take(&mut self.refused).remarks().chain(anew).chain(no_file).chain(left_out)
    }

    /// Takes the lines that are whole by now; returns true where there may be more at once.
    fn take(&mut self) -> bool {
        // What the disk did not take is tried again at each look.
        self.is_behind = self.settle().is_err() && self.waiting.len() + self.unsynced >= self.waiting_max;
        if self.is_behind {
            return false;
        }
        let Some((mut file, length)) = self.open() else {
            return false;
        };
        let wanted = length.saturating_sub(self.offset).min(TAKE_MAX_BYTES);
        let mut fresh = std::mem::take(&mut self.unfinished);
        let before = fresh.len();
        // What was read before an error counts; the rest is read again.
        let _ = file
            .seek(SeekFrom::Start(self.offset))
            .and_then(|_| Read::take(&mut file, wanted).read_to_end(&mut fresh));
        let read = (fresh.len() - before) as u64;
        self.offset += read;
        if read > 0 {
            self.tail = fresh[fresh.len().saturating_sub(TAIL_MAX_BYTES)..].to_vec();
        }
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
                self.refused.add(LINE_TOO_LONG.to_owned());
            }
            self.unfinished.clear();
            self.passing_over = true;
        }
        read > 0 && self.offset < length
    }

    fn take_lines(&mut self, bytes: &[u8]) {
        let mut points = Vec::new();
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
            match point_of(line) {
                Ok(point) => points.push(point),
                Err(why) => self.refused.add(why),
            }
        }
        self.record(points);
        // Where the disk takes none, they are tried again.
        let _ = self.settle();
    }

    fn record(&mut self, points: Vec<Point>) {
        if points.is_empty() {
            return;
        }
        let start = self.clock.now();
        // Each point has a moment of its own, so that of those without a step the last is known.
        let last = start.plus_micros(points.len() as i64);
        self.clock.not_before(last);
        let owner = self.run;
        let points = points.into_iter().zip(0..).map(|(point, later)| {
            let step = self.reported.step_of(&point);
            self.reported.add(&point.name, step, point.value);
            let Point { name, value, .. } = point;
            Metric { owner, name, step, at: start.plus_micros(later), value }
        });
        self.waiting.extend(points);
    }

    fn is_settled(&self) -> bool {
        self.waiting.is_empty() && self.unsynced == 0
    }

    /// Brings the points that wait to the disk.
    fn settle(&mut self) -> Result<()> {
        if self.is_settled() {
            return Ok(());
        }
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let segment = NodeId::new(self.clock.now()).as_u128();
                none.insert(Writer::create(self.workspace.disk(), &self.workspace.journal(), segment)?)
            }
        };
        if !self.waiting.is_empty() {
            self.unsynced += self.waiting.len();
            // They are added even where the file cannot be written, which the end of this says.
            let _ = writer.append(&Fact::Metrics(std::mem::take(&mut self.waiting)));
        }
        writer.commit()?;
        self.unsynced = 0;
        Ok(())
    }
}

/// Points that the disk has not taken.
pub struct Unrecorded {
    /// How many were read from the file.
    points: usize,
    /// Why.
    error: Error,
}

impl Unrecorded {
    /// Says so, and where they still are.
    pub fn said(&self, path: &Path) -> String {
        let (points, path, error) = (self.points, path.display(), self.error.in_full());
        format!(
            "{points} points of metrics or more are not recorded yet: they wait in `{path}` for a `lineage` command that can: {error}"
        )
    }
}

/// Returns the folder of what commands say of themselves while they run.
pub fn folder(workspace: &Workspace) -> PathBuf {
    workspace.folder().join("live")
}

/// Returns the file that the command of a run appends its metrics to.
pub fn file(workspace: &Workspace, run: NodeId) -> PathBuf {
    folder(workspace).join(run.hex()).with_extension(ENDING)
}

/// Returns the run whose command appends its metrics to a file of this name.
pub fn run_of(path: &Path) -> Option<NodeId> {
    let is_ours = path.extension().is_some_and(|ending| ending == ENDING);
    path.file_stem().filter(|_| is_ours)?.to_str().and_then(NodeId::parse)
}

/// Returns the file that is called as `path` but for its ending, which metrics are appended to.
pub fn file_beside(path: &Path) -> PathBuf {
    path.with_extension(ENDING)
}

/// Opens what a command has put in the place of its metrics file. Nothing but a regular file is opened: the reading may never end,
/// and whoever reads from a pipe takes part in it.
///
/// # Errors
/// As the system gives them; `InvalidInput` for what is no regular file.
fn open_regular(path: &Path) -> io::Result<(File, Metadata)> {
    let file = disk::open_regular(path)?;
    let found = file.metadata()?;
    Ok((file, found))
}

/// Says how much of a metrics file was not read.
fn left_out_of(bytes: u64) -> Option<Remark> {
    let text = format!("the last {bytes} bytes of the metrics file were not read");
    (bytes > 0).then(|| Remark::new(RemarkKind::Refused, text))
}

#[cfg(test)]
mod tests;
