//! A segment of a filing, in the file that a pipeline made, and the bytes of the filing that it stands for.

use super::{FileReport, Showing};
use crate::disk::read_regular;
use crate::error::{Error, Result};
use crate::filings::{SegmentView, find_segment};
use crate::model::Artifact;
use crate::ops::locate::{DiskState, FileTarget, disk_state};
use crate::ops::restore::{Version, write_version};
use crate::ops::show::part::Part;
use crate::query;

/// As many bytes of a filing are shown for a segment.
const SEGMENT_MAX_BYTES: usize = 1 << 20;

/// A segment, and the file it stands in.
#[derive(Debug, Clone)]
pub struct SegmentReport {
    /// The file.
    pub file: FileReport,
    /// The segment.
    pub segment: SegmentView,
    /// The filing it was made from, and the bytes at its spans as text.
    pub filing: Option<FilingBytes>,
}

/// Bytes of a filing.
#[derive(Debug, Clone)]
pub struct FilingBytes {
    /// The filing.
    pub artifact: Artifact,
    /// Whether it still lies on disk as it was read.
    pub state: DiskState,
    /// The bytes at the segment's span, as text; `None` where those of the filing are not to be had.
    pub text: Option<String>,
}

impl Showing<'_> {
    /// Reads a segment out of the file that it stands in.
    pub(super) fn segment(&self, target: FileTarget, chunk: &str) -> Result<SegmentReport> {
        let path = target.path.clone();
        let bytes = match self.workspace.contents().read(&target.artifact.digest) {
            Ok(Some(bytes)) => bytes,
            // Not kept, or damaged: the file itself will do while it is what was recorded.
            _ => {
                let place =
                    path.on_disk(self.workspace.root()).filter(|_| target.state == DiskState::Unchanged);
                let read = place.and_then(|place| read_regular(&place).ok());
                read.ok_or_else(|| {
                    Error::request(format!("the recorded bytes of `{path}` are not to be had"))
                })?
            }
        };
        let segment = find_segment(&bytes, chunk)
            .map_err(|error| Error::request(format!("`{path}` holds no segments")).because(error))?
            .ok_or_else(|| {
                Error::request(format!("`{path}` has no segment `{}`", chunk.escape_debug())).hint(
                    "segments are numbered from 1A_001; `num_segments` in the file says how many there are",
                )
            })?;
        let file = self.file(target)?;
        let filing = self.filing_bytes(&file, &segment);
        Ok(SegmentReport { file, segment, filing })
    }

    /// Reads the bytes that a segment was made from, out of the filing its file goes back to.
    fn filing_bytes(&self, file: &FileReport, segment: &SegmentView) -> Option<FilingBytes> {
        let trace = query::upstream(self.snapshot, file.target.number, i64::MAX, u32::MAX).ok()?;
        let parsed = trace.steps.iter().find_map(|step| {
            let record = self.snapshot.step(step.step).ok()??;
            (record.name == "parse").then(|| record.used.first().map(|edge| edge.artifact.clone()))?
        });
        let artifact = parsed?;
        let state = disk_state(self.workspace, &artifact);
        let text = || {
            // A submission is up to some hundred megabytes, and a part of it is wanted.
            let length = usize::try_from(segment.span.end.checked_sub(segment.span.start)?).ok()?;
            let mut part = Part::new(segment.span.start, length.min(SEGMENT_MAX_BYTES));
            write_version(self.workspace, self.snapshot, &Version::File(artifact.clone()), &mut part).ok()?;
            Some(String::from_utf8_lossy(&part.into_bytes()?).into_owned())
        };
        let text = text();
        Some(FilingBytes { artifact, state, text })
    }
}
