//! Remarks: what whoever recorded a run says of the record itself.

use crate::model::{ArtifactPath, NodeId, Timestamp, shown_metric};

/// How completely a command was observed, and what is to be known about its record.
///
/// A run may have several: one from its beginning, one from its end, more from programs inside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remarks {
    /// The run.
    pub run: NodeId,
    /// When they were made.
    pub at: Timestamp,
    /// How completely the command was observed; `None` where these remarks do not say.
    pub level: Option<CaptureLevel>,
    /// The remarks, in the order in which they are to be read.
    pub remarks: Vec<Remark>,
    /// How many more there were than are kept.
    pub omitted: u64,
}

/// How completely a command was observed, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CaptureLevel {
    /// Every call that names a file was seen.
    Net,
    /// What stood in the workspace before and after was compared; what was read is not known.
    Snapshot,
    /// Nothing but the command's end was seen.
    Nothing,
}

impl CaptureLevel {
    /// Every value, in the order of its code.
    pub const ALL: [CaptureLevel; 3] = [CaptureLevel::Net, CaptureLevel::Snapshot, CaptureLevel::Nothing];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            CaptureLevel::Net => "net",
            CaptureLevel::Snapshot => "snapshot",
            CaptureLevel::Nothing => "nothing",
        }
    }

    /// Returns what it means, where it means less than everything.
    pub fn weakness(self) -> Option<&'static str> {
        match self {
            CaptureLevel::Net => None,
            CaptureLevel::Snapshot => Some("inferred from before and after, what was read is not known"),
            CaptureLevel::Nothing => Some("nothing could be observed"),
        }
    }
}

/// One thing to know about the record of a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remark {
    /// What it is about.
    pub kind: RemarkKind,
    /// The remark, as a sentence without a full stop.
    pub text: String,
    /// How many files, points or processes it is about; 1 where it is about itself.
    pub count: u64,
}

/// What a remark is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RemarkKind {
    /// Something could not be seen.
    Unseen,
    /// The command was refused something, so that it could be seen.
    Denied,
    /// Metrics or parameters that the command gave were not taken.
    Refused,
    /// Declared, but not observed.
    NotObserved,
    /// Observed, but not declared, where something was.
    NotDeclared,
    /// A process still ran when the record was closed.
    StillRunning,
    /// Files were not recorded: `.lineageignore` names them, or what the run wrote lies there no longer.
    LeftOut,
    /// Arguments or parameters were masked, or not kept.
    Masked,
    /// Recording itself went wrong.
    Fault,
}

impl RemarkKind {
    /// Every value, in the order of its code.
    pub const ALL: [RemarkKind; 9] = [
        RemarkKind::Unseen,
        RemarkKind::Denied,
        RemarkKind::Refused,
        RemarkKind::NotObserved,
        RemarkKind::NotDeclared,
        RemarkKind::StillRunning,
        RemarkKind::LeftOut,
        RemarkKind::Masked,
        RemarkKind::Fault,
    ];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            RemarkKind::Unseen => "unseen",
            RemarkKind::Denied => "denied",
            RemarkKind::Refused => "refused",
            RemarkKind::NotObserved => "declared only",
            RemarkKind::NotDeclared => "observed only",
            RemarkKind::StillRunning => "still running",
            RemarkKind::LeftOut => "left out",
            RemarkKind::Masked => "masked",
            RemarkKind::Fault => "fault",
        }
    }
}

/// The remark on a run that read or wrote files that are ignored.
pub const IGNORED_FILES: &str = "files that `.lineageignore` names are not recorded";
/// The beginning of the remark on a run in which several files of metrics give unlike values of one metric.
pub const SEVERAL_METRICS_FILES: &str = "which file each point of ";
/// The remark on a run whose file of metrics was written anew more often than it could be read.
pub const SHORT_LIVED_POINTS: &str =
    "the metrics file was written anew: points that it held only shortly may be missing";

/// What is said of a module of which the source was not read, but what had been compiled, perhaps from other bytes.
const COMPILED: &str =
    "ran as it had been compiled, and its source is not, or not for certain, what was compiled";

impl Remark {
    /// Makes the remark on a module that ran as it had been compiled, by the name of its source.
    pub fn of_compiled(source: &str) -> Self {
        Remark::new(RemarkKind::Unseen, format!("`{source}` {COMPILED}"))
    }

    /// Returns true where it says that a module ran as it had been compiled.
    pub fn is_of_compiled(&self, source: &ArtifactPath) -> bool {
        self.kind == RemarkKind::Unseen && self.text == format!("`{source}` {COMPILED}")
    }

    /// Returns true where it says that something was not seen that may have gone into files.
    pub fn is_of_unseen_reads(&self) -> bool {
        self.kind == RemarkKind::Unseen && self.text != SHORT_LIVED_POINTS
    }

    /// Returns true where it says that values of this metric were refused: those that were taken are not all that it had.
    pub fn refuses_metric(&self, name: &str) -> bool {
        self.kind == RemarkKind::Refused && self.text.contains(&format!("metric {}", shown_metric(name)))
    }

    /// Returns true for the remark that there were files that are ignored.
    pub fn is_of_ignored_files(&self) -> bool {
        self.kind == RemarkKind::LeftOut && self.text == IGNORED_FILES
    }

    /// Returns true for the remark that several files of metrics give unlike values of one metric.
    pub fn is_of_several_metrics_files(&self) -> bool {
        self.kind == RemarkKind::LeftOut && self.text.starts_with(SEVERAL_METRICS_FILES)
    }

    /// Makes a remark about one thing.
    pub fn new(kind: RemarkKind, text: impl Into<String>) -> Self {
        Remark { kind, text: text.into(), count: 1 }
    }
}

/// As many remarks are kept of one run.
pub const REMARKS_MAX: usize = 1_000;
/// A longer remark is cut.
const TEXT_MAX_BYTES: usize = 1_000;

impl Remarks {
    /// Gathers remarks; what is too much or too long is cut, and how much is counted.
    pub fn new(run: NodeId, at: Timestamp, level: Option<CaptureLevel>, mut remarks: Vec<Remark>) -> Self {
        let omitted = remarks.len().saturating_sub(REMARKS_MAX) as u64;
        remarks.truncate(REMARKS_MAX);
        for remark in &mut remarks {
            if remark.text.len() > TEXT_MAX_BYTES {
                remark.text.truncate(remark.text.floor_char_boundary(TEXT_MAX_BYTES));
                remark.text.push('…');
            }
        }
        Remarks { run, at, level, remarks, omitted }
    }

    /// Returns true where there is nothing in them.
    pub fn is_empty(&self) -> bool {
        self.level.is_none() && self.remarks.is_empty() && self.omitted == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_and_too_long_remarks_are_cut_and_counted() {
        let text = "ä".repeat(TEXT_MAX_BYTES);
        let many = vec![Remark::new(RemarkKind::Unseen, text); REMARKS_MAX + 7];
        let remarks = Remarks::new(NodeId::from_u128(1), Timestamp::default(), None, many);
        assert_eq!((remarks.remarks.len(), remarks.omitted), (REMARKS_MAX, 7));
        assert_eq!(remarks.remarks[0].text, format!("{}…", "ä".repeat(TEXT_MAX_BYTES / 2)));
    }
}
