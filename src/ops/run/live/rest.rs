//! The metrics file of a run that nobody follows any more.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

use super::{
    LAST_MAX_BYTES, LINE_MAX_BYTES, NO_REGULAR_FILE, POINTS_MAX, Refused, Reported, left_out_of,
    open_regular, point_of,
};
use crate::error::Result;
use crate::model::{Metric, MetricValue, NodeId, Remark, RemarkKind};
use crate::ops::Clock;
use crate::ops::run::metrics::Point;
use crate::store::Snapshot;

/// Points of metrics: name, step and value.
pub type KnownPoints = BTreeSet<(String, i64, MetricValue)>;

/// Returns the points of a run that are recorded.
///
/// # Errors
/// A store error where they cannot be read.
pub fn known_points(snapshot: &Snapshot, run: NodeId) -> Result<KnownPoints> {
    let points = snapshot.metrics(run)?.into_iter();
    Ok(points.map(|metric| (metric.name, metric.step, metric.value)).collect())
}

/// The file of a run that nobody follows any more, and what is recorded of it.
pub struct Rest<'a> {
    /// Gives the points that are recorded by now; where there is no file, nothing is asked.
    pub known: &'a dyn Fn() -> Result<KnownPoints>,
    /// Gives the points their times.
    pub clock: &'a Clock,
    /// The run.
    pub run: NodeId,
    /// The file.
    pub path: &'a Path,
    /// Whether nothing more comes: a last line that is not whole is refused then, and waits otherwise.
    pub has_ended: bool,
}

impl Rest<'_> {
    /// Hands the points that the file has and the record has not to `record`; returns all that the file reported, and what was
    /// refused.
    ///
    /// # Errors
    /// A store error where the record cannot be read; what `record` gives.
    pub fn take(&self, record: &mut dyn FnMut(Vec<Metric>) -> Result<()>) -> Result<(Reported, Vec<Remark>)> {
        let mut reported = Reported::default();
        let (file, size_bytes) = match open_regular(self.path) {
            Ok((file, found)) => (file, found.len()),
            Err(cause) if cause.kind() == ErrorKind::InvalidInput => {
                let none = Remark::new(RemarkKind::Refused, NO_REGULAR_FILE.to_owned());
                return Ok((reported, vec![none]));
            }
            Err(_) => return Ok((reported, Vec::new())),
        };
        let owner = self.run;
        let known = (self.known)()?;
        let (mut refused, mut broken_off) = (Refused::default(), None);
        let mut lines = BufReader::new(file.take(LAST_MAX_BYTES));
        let mut line = Vec::new();
        let mut points = Vec::new();
        let mut read_bytes = 0;
        loop {
            match read_line(&mut lines, &mut line) {
                Ok(0) => break,
                Ok(read) => read_bytes += read as u64,
                Err(cause) => {
                    let text = format!("the metrics file was not read to its end: {cause}");
                    broken_off = Some(Remark::new(RemarkKind::Refused, text));
                    break;
                }
            }
            if points.len() == POINTS_MAX {
                record(std::mem::take(&mut points))?;
            }
            let may_go_on = !self.has_ended && !line.ends_with(b"\n") && line.len() <= LINE_MAX_BYTES;
            match point_of(&line) {
                Ok(point) => {
                    let step = reported.step_of(&point);
                    let Point { name, value, .. } = point;
                    reported.add(&name, step, value);
                    let place = (name, step, value);
                    if !known.contains(&place) {
                        let (name, ..) = place;
                        points.push(Metric { owner, name, step, at: self.clock.now(), value });
                    }
                }
                Err(_) if may_go_on || line.trim_ascii().is_empty() => {}
                Err(why) => refused.add(why),
            }
        }
        if !points.is_empty() {
            record(points)?;
        }
        let left_out = left_out_of(size_bytes.saturating_sub(read_bytes));
        Ok((reported, refused.remarks().chain(broken_off).chain(left_out).collect()))
    }
}

/// Reads a line, of one that is too long its front, and returns how many bytes it has.
fn read_line(lines: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<usize> {
    line.clear();
    // One byte more than a line may have says that it has more.
    let read = lines.by_ref().take(LINE_MAX_BYTES as u64 + 1).read_until(b'\n', line)?;
    let is_whole = line.len() <= LINE_MAX_BYTES || line.ends_with(b"\n");
    Ok(if is_whole { read } else { read + lines.skip_until(b'\n')? })
}
