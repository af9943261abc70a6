//! Metrics while a command runs: the file named in `LINEAGE_METRICS` is followed, and what is new goes to the journal at once.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::journal::Writer;
use crate::model::{Fact, Metric, NodeId};
use crate::ops::run::metrics::{self, Point};
use crate::ops::{Clock, Workspace};

/// How often the file is looked at.
const PAUSE: Duration = Duration::from_millis(200);
/// As many bytes are taken at once; a line longer than this is refused.
const LINE_MAX_BYTES: usize = 1 << 20;
/// As many refused lines are told.
const REFUSED_MAX: usize = 20;

/// Follows the metrics file of one run.
pub struct Live<'a> {
    workspace: &'a Workspace,
    clock: &'a Clock,
    run: NodeId,
    path: PathBuf,
    offset: u64,
    unfinished: Vec<u8>,
    writer: Option<Writer>,
    /// Lines that were refused, and why.
    pub refused: Vec<String>,
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
            writer: None,
            refused: Vec::new(),
        }
    }

    /// Follows the file until `ended`, then takes what is left.
    pub fn follow(&mut self, ended: &AtomicBool) {
        while !ended.load(Ordering::Acquire) {
            self.take();
            std::thread::park_timeout(PAUSE);
        }
        self.take();
        if !self.unfinished.is_empty() {
            let line = std::mem::take(&mut self.unfinished);
            self.take_lines(&line);
        }
    }

    /// Takes the lines that are whole by now.
    fn take(&mut self) {
        let mut fresh = std::mem::take(&mut self.unfinished);
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.offset))?;
            file.read_to_end(&mut fresh)
        });
        self.offset += read.unwrap_or(0) as u64;
        let end = fresh.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.unfinished = fresh.split_off(end);
        if self.unfinished.len() > LINE_MAX_BYTES {
            self.unfinished.clear();
            self.refuse("a metric line of more than a megabyte was refused".to_owned());
        }
        self.take_lines(&fresh);
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
        }
    }

    fn record(&mut self, points: Vec<Point>) -> crate::error::Result<()> {
        let at = self.clock.now();
        let owner = self.run;
        let points = points.into_iter().map(|point| Metric {
            owner,
            name: point.name,
            step: point.step,
            at,
            value: point.value,
        });
        if self.writer.is_none() {
            let segment = NodeId::new(at).as_u128();
            self.writer = Some(Writer::create(self.workspace.disk(), &self.workspace.journal(), segment)?);
        }
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        writer.append(&Fact::Metrics(points.collect()))?;
        writer.commit()
    }
}
