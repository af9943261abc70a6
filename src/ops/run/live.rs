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
use crate::model::{Fact, Metric, MetricValue, NodeId, Remark, RemarkKind};
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
        let anew = counted(
            RemarkKind::Unseen,
            "the metrics file was written anew: points that it held only shortly may be missing",
            std::mem::take(&mut self.written_anew),
        );
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
mod tests {
    use std::fs::OpenOptions;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::disk::Disk;
    use crate::disk::tests::Full;
    use crate::model::{RunKind, Timestamp};
    use crate::ops::{Recording, RunRequest};
    use crate::query::last_values;

    /// Writes the pieces to the file one after the other, looks after each, and returns what is recorded and refused.
    fn check(pieces: &[&str], expected: &str, refused: usize) {
        check_with(File::options().create(true).append(true), pieces, expected, refused);
    }

    fn check_with(options: &OpenOptions, pieces: &[&str], expected: &str, refused: usize) {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::init(folder.path()).unwrap();
        let clock = Clock::new(|| Timestamp::from_micros(1_000_000));
        let run = NodeId::from_u128(7);
        let path = folder.path().join("points");
        let mut live = Live::new(&workspace, &clock, run, &path);
        for piece in pieces {
            use std::io::Write as _;
            let mut file = options.open(&path).unwrap();
            file.write_all(piece.as_bytes()).unwrap();
            live.take();
        }
        live.follow(&AtomicBool::new(true));
        let remarks: Vec<Remark> = live.take_remarks().collect();
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
    fn points_wait_for_a_disk_that_is_full_and_are_said_to_be_missing_only_where_it_stays_so() {
        let folder = tempfile::tempdir().unwrap();
        Workspace::init(folder.path()).unwrap();
        let full = Full::with_room(0);
        let workspace = Workspace::at(folder.path(), Disk::with_faults(full.clone()));
        let clock = Clock::new(|| Timestamp::from_micros(1_000_000));
        let run = NodeId::from_u128(7);
        let path = folder.path().join("points");
        let line = |step: usize| format!("{{\"name\":\"a\",\"value\":1,\"step\":{step}}}\n");
        let write = |lines: &str| {
            use std::io::Write as _;
            File::options()
                .create(true)
                .append(true)
                .open(&path)
                .unwrap()
                .write_all(lines.as_bytes())
                .unwrap();
        };
        let recorded =
            || Workspace::at(folder.path(), Disk::new()).view().unwrap().snapshot.metrics(run).unwrap();
        let mut live = Live::new(&workspace, &clock, run, &path);
        write(&line(0));
        live.take();
        // No room for a segment, then for one and not for what comes into it, then for all.
        full.give(50);
        write(&line(1));
        live.take();
        live.follow(&AtomicBool::new(true));
        assert_eq!(live.take_remarks().count(), 0, "it is tried again");
        let unrecorded = live.finish().err().unwrap().said(&path);
        assert!(unrecorded.starts_with("2 points of metrics or more are not recorded yet"), "{unrecorded}");
        assert_eq!(recorded(), []);
        full.give(1 << 20);
        write(&line(2));
        assert!(live.finish().is_ok());
        assert_eq!(recorded().iter().map(|point| point.step).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn what_is_read_when_a_full_disk_has_room_goes_on_where_the_rest_was_and_is_said() {
        let folder = tempfile::tempdir().unwrap();
        Workspace::init(folder.path()).unwrap();
        let full = Full::with_room(0);
        let workspace = Workspace::at(folder.path(), Disk::with_faults(full.clone()));
        let clock = Clock::new(|| Timestamp::from_micros(1_000_000));
        let (run, path) = (NodeId::from_u128(7), folder.path().join("points"));
        let mut live = Live::new(&workspace, &clock, run, &path);
        live.waiting_max = 1;
        let point = |value: u32, step: &str| format!("{{\"name\":\"a\",\"value\":{value}{step}}}\n");
        std::fs::write(&path, point(1, ",\"step\":9")).unwrap();
        live.take();
        let mut file = File::options().append(true).open(&path).unwrap();
        io::Write::write_all(&mut file, ("nonsense\n".to_owned() + &point(2, "")).as_bytes()).unwrap();
        live.follow(&AtomicBool::new(true));
        assert_eq!(live.reported().0["a"].1.len(), 1, "the rest waits in the file");
        assert_eq!(live.take_remarks().count(), 0);
        full.give(1 << 20);
        assert!(live.finish().is_ok());
        assert_eq!(live.take_remarks().count(), 1);
        assert_eq!(live.take_remarks().count(), 0, "it is said once");
        let points = workspace.view().unwrap().snapshot.metrics(run).unwrap();
        let last = &last_values(&points)[0];
        assert_eq!((last.step, last.value.get()), (9, 2.0));
    }

    /// Reads what was left in a file in one go; returns how many points were recorded, and what was refused.
    fn left(write: impl FnOnce(&Path), has_ended: bool) -> (usize, Vec<(String, u64)>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points");
        write(&path);
        let clock = Clock::new(|| Timestamp::from_micros(1_000_000));
        let known = || Ok(BTreeSet::new());
        let rest = Rest { known: &known, clock: &clock, run: NodeId::from_u128(7), path: &path, has_ended };
        let mut count = 0;
        let taken = rest.take(&mut |points| {
            count += points.len();
            Ok(())
        });
        let remarks = taken.unwrap().1.into_iter().map(|remark| (remark.text, remark.count));
        (count, remarks.collect())
    }

    #[test]
    fn of_what_nobody_followed_long_lines_are_refused_and_refused_ones_are_counted_as_while_it_is_followed() {
        let whole = "{\"name\": \"a\", \"value\": 1}\n";
        let long = "x".repeat(2 * LINE_MAX_BYTES);
        // A line that would be one but for the blanks in it.
        let blanks = format!("{}{whole}", " ".repeat(LINE_MAX_BYTES));
        let too_long = || (LINE_TOO_LONG.to_owned(), 1);
        for has_ended in [false, true] {
            let left = |text: String| left(|path| std::fs::write(path, text).unwrap(), has_ended);
            assert_eq!(left(format!("{whole}{long}\n{whole}")), (2, vec![too_long()]));
            assert_eq!(left(format!("{whole}{long}")), (1, vec![too_long()]));
            assert_eq!(left(format!("{blanks}{whole}")), (1, vec![too_long()]));
            let (points, refused) = left("x\n".repeat(1_000) + whole);
            assert_eq!((points, refused.iter().map(|(_, count)| count).sum::<u64>()), (1, 1_000));
            assert_eq!(refused.len(), REFUSED_MAX + 1);
        }
        let (points, refused) = left(|path| File::create(path).unwrap().set_len(1 << 40).unwrap(), true);
        let left_out =
            format!("the last {} bytes of the metrics file were not read", (1_u64 << 40) - LAST_MAX_BYTES);
        assert_eq!((points, refused), (0, vec![too_long(), (left_out, 1)]));
        check(&[&blanks], "", 1);
    }

    #[test]
    fn what_nobody_followed_is_taken_to_its_end_however_long_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::init(folder.path()).unwrap();
        let clock = Clock::new(|| Timestamp::from_micros(1_000_000));
        let request = RunRequest::new("train", RunKind::Command);
        let mut recording = Recording::start(&workspace, &clock, request).unwrap();
        let run = recording.run().id;
        let path = folder.path().join("points");
        // A record has its bounds: one for all of these is longer than a record may be.
        let name = "a".repeat(200);
        let count = 2 * POINTS_MAX + 5;
        let lines: String =
            (0..count).map(|step| format!("{{\"name\":\"{name}\",\"value\":1,\"step\":{step}}}\n")).collect();
        std::fs::write(&path, lines).unwrap();
        let snapshot = workspace.view().unwrap().snapshot;
        let known = || known_points(&snapshot, run);
        let rest = Rest { known: &known, clock: &clock, run, path: &path, has_ended: false };
        let (_, remarks) = rest.take(&mut |points| recording.add(&Fact::Metrics(points))).unwrap();
        assert_eq!(remarks, []);
        recording.commit().unwrap();
        let points = workspace.view().unwrap().snapshot.metrics(run).unwrap();
        assert_eq!(points.len(), count);
    }

    #[test]
    fn where_nothing_was_reported_no_store_is_asked() {
        let known = || Err(Error::store("a store that cannot be read"));
        let clock = Clock::new(|| Timestamp::from_micros(1_000_000));
        let (run, path) = (NodeId::from_u128(7), Path::new("/nowhere/points"));
        let rest = Rest { known: &known, clock: &clock, run, path, has_ended: false };
        let (_, remarks) = rest.take(&mut |_| Ok(())).unwrap();
        assert_eq!(remarks, []);
    }

    #[test]
    fn lines_count_when_they_are_whole() {
        let whole = "{\"name\": \"a\", \"value\": 1, \"step\": 1}\n";
        check(&[whole], "a@1=1", 0);
        check(&[&whole[..10], &whole[10..]], "a@1=1", 0);
        check(&[whole, "{\"name\": \"a\", \"val"], "a@1=1", 1);
        check(&[whole, "{\"name\": \"a\", \"value\": 2}"], "a@1=1 a@1=2", 0);
        check(&["nonsense\n\n", whole], "a@1=1", 1);
        check(&[], "", 0);
    }

    #[test]
    fn a_file_that_is_written_anew_is_read_from_its_beginning_and_that_is_said() {
        let check = |pieces: &[&str], expected: &str, remarks: usize| {
            check_with(File::options().create(true).write(true).truncate(true), pieces, expected, remarks);
        };
        let line = |step: u32| format!("{{\"name\": \"a\", \"value\": 1, \"step\": {step}}}\n");
        // Shorter, as long, longer.
        check(&[&(line(1) + &line(2)), &line(3)], "a@1=1 a@2=1 a@3=1", 1);
        check(&[&line(1), &line(2), &line(3)], "a@1=1 a@2=1 a@3=1", 2);
        check(&[&line(1), &(line(2) + &line(3))], "a@1=1 a@2=1 a@3=1", 1);
        // A line that lacks its end, and half a line.
        check(&[line(1).trim_end(), &line(2)], "a@1=1 a@2=1", 1);
        check(&[&line(1)[..35], &line(2)], "a@2=1", 2);
        check(&[&"x".repeat(LINE_MAX_BYTES + 1), &line(2)], "a@2=1", 2);
    }

    #[test]
    fn another_file_in_its_place_is_read_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::init(folder.path()).unwrap();
        let clock = Clock::new(|| Timestamp::from_micros(1_000_000));
        let (path, other) = (folder.path().join("points"), folder.path().join("other"));
        let run = NodeId::from_u128(7);
        let mut live = Live::new(&workspace, &clock, run, &path);
        let line = "{\"name\": \"a\", \"value\": 1}\n";
        std::fs::write(&path, line).unwrap();
        live.take();
        std::fs::write(&other, line).unwrap();
        std::fs::rename(&other, &path).unwrap();
        live.follow(&AtomicBool::new(true));
        assert_eq!(live.take_remarks().map(|remark| remark.count).collect::<Vec<_>>(), [1]);
        assert_eq!(workspace.view().unwrap().snapshot.metrics(run).unwrap().len(), 2);
    }

    #[test]
    fn what_is_no_regular_file_is_not_read_and_an_endless_one_not_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::init(folder.path()).unwrap();
        let clock = Clock::new(|| Timestamp::from_micros(1_000_000));
        let at = |name: &str| folder.path().join(name);
        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        symlink("/dev/zero", at("zero")).unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        File::create(at("sparse")).unwrap().set_len(1 << 40).unwrap();
        let check = |name: &str, said: &[&str]| {
            let mut live = Live::new(&workspace, &clock, NodeId::from_u128(7), &at(name));
            live.last_max_bytes = 2 * TAKE_MAX_BYTES;
            live.follow(&AtomicBool::new(true));
            let texts: Vec<String> = live.take_remarks().map(|remark| remark.text).collect();
            assert_eq!(texts, said, "{name}");
        };
        check("pipe", &[NO_REGULAR_FILE]);
        check("zero", &[NO_REGULAR_FILE]);
        check("folder", &[NO_REGULAR_FILE]);
        let left_out = (1_u64 << 40) - 2 * TAKE_MAX_BYTES;
        let left_out = format!("the last {left_out} bytes of the metrics file were not read");
        check("sparse", &["a metric line of more than a megabyte was refused", &left_out]);
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
