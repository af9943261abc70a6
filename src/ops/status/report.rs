//! What `lineage status` says.

use std::path::PathBuf;

use super::{Redo, StaleModel};
use crate::model::{Artifact, ArtifactPath, Digest, RunId, RunKind, Timestamp};
use crate::query::{RemovedBy, RunHead};

/// How the files on disk relate to what is recorded. Lists of files are sorted by path.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct StatusReport {
    /// Files with other bytes than were last recorded.
    pub changed: Vec<AlteredFile>,
    /// Files in whose ancestry a path has other bytes now than went into them.
    pub stale: Vec<StaleFile>,
    /// Files from an earlier run of a command that has run again since, with all that makes them out of date as it lies there now, and
    /// neither wrote nor read them, but wrote others there that it had written with them: it may make them no more.
    pub left_over: Vec<LeftOver>,
    /// Files that were made from earlier versions of what only the command that made them has written since, from run to run: each
    /// stands for its own run. Likewise those that a build tool left as they were when it ran again, those that their command makes no
    /// more, and somebody took away, and those of which their command has made another, of the same name, in a folder of another date,
    /// number or hash. That is no fault.
    pub older: Vec<StaleFile>,
    /// Files to which nothing leads that is no longer so but through what a command read and wrote on, such as the database in which
    /// many trainings note themselves. That is no fault.
    pub carried: Vec<StaleFile>,
    /// Files that `restore` wrote over newer versions, and what was made from them, as far as what they were made from has changed
    /// since. That is no fault: whoever brought them back wants them so.
    pub restored: Vec<StaleFile>,
    /// Files of which it is not certain what they were made from, and whether that is still so.
    pub doubtful: Vec<DoubtfulFile>,
    /// Files that are neither on disk nor kept.
    pub lost: Vec<RecordedFile>,
    /// Files that are not on disk but kept: they can be written again. Of another workspace's, only what a pipeline wrote, which
    /// `lineage project` writes.
    pub pending: Vec<RecordedFile>,
    /// Files that a run took away. That is no fault.
    pub removed: Vec<RemovedFile>,
    /// Files that somebody gave another name. That is no fault, and makes nothing stale.
    pub renamed: Vec<RenamedFile>,
    /// Whether a part of the workspace was asked about.
    pub is_of_part: bool,
    /// Files whose newest version is of a run in another workspace, whose facts were taken over, and is not here. That is no
    /// fault.
    pub not_here: Vec<NotHere>,
    /// Files that are there and cannot be read, and why.
    pub unreadable: Vec<(RecordedFile, String)>,
    /// Files that nobody recorded, beside recorded outputs, where git does not track them, or new beside inputs that a step had read as a
    /// whole; without hidden ones.
    pub unknown: Vec<ArtifactPath>,
    /// Files that came to lie in what a pipeline or a split was given, and that it has not taken up; and those that a run wrote beside
    /// outputs of others of its name, all of which a step had read.
    pub new: Vec<NewInput>,
    /// Runs that were interrupted, or have no end and no process, unless a later run of the same command took their place, or one of
    /// the same program with other arguments came to a good end.
    pub interrupted: Vec<RunHead>,
    /// Pipeline runs that failed, or some of whose filings did, unless a later run of the same command took their place.
    pub failed: Vec<RunHead>,
    /// The runs that made what is stale or lost, or have not taken up what is new, in the order of making: each behind those that wrote what it read.
    pub redo: Vec<Redo>,
    /// The model versions that hold stale files; those in production first.
    pub stale_models: Vec<StaleModel>,
    /// Runs whose process lives.
    pub running: Vec<RunHead>,
    /// What the journal holds and the store lacks.
    pub unapplied: Unapplied,
    /// How many recorded paths were compared with the disk.
    pub compared: u64,
    /// How many of them a later run superseded: of those only altered ones are listed.
    pub superseded: u64,
    /// How many files are gone that were as in git when they were read, or that a commit has which is here.
    pub in_git: u64,
    /// How many files of code a run wrote that were edited since, and were as in git when they were read.
    pub edited_in_git: u64,
    /// How many recorded files outside the workspace are gone.
    pub gone_outside: u64,
    /// How many recorded artifacts are no files: addresses, what a repetition wrote in its copy. Environments are not counted.
    pub elsewhere: u64,
    /// How many recorded files were named without their content, so that they cannot be compared.
    pub without_content: u64,
    /// How many runs were interrupted whose program came to a good end since, with other arguments.
    pub interrupted_before: u64,
    /// What could not be looked at, one line each.
    pub notes: Vec<String>,
}

impl StatusReport {
    /// Returns true where there is nothing to say: all files are as recorded, and nothing waits.
    pub fn is_clean(&self) -> bool {
        self.changed.is_empty()
            && self.stale.is_empty()
            && self.left_over.is_empty()
            && self.doubtful.is_empty()
            && self.lost.is_empty()
            && self.pending.is_empty()
            && self.unreadable.is_empty()
            && self.unknown.is_empty()
            && self.new.is_empty()
            && self.interrupted.is_empty()
            && self.failed.is_empty()
            && self.unapplied.segments == 0
    }
}

/// A file that lies in what a pipeline or a split was given, or beside all that a step had read, and that it has not taken up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewInput {
    /// The file.
    pub path: ArtifactPath,
    /// The shortest tail of the run's key that names it alone.
    pub run_tail: String,
    /// The run's id.
    pub run_id: RunId,
    /// The run's name.
    pub run_name: String,
}

/// A recorded file and the run that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedFile {
    /// The newest recorded version.
    pub artifact: Artifact,
    /// Who wrote it; `None` for a source.
    pub writer: Option<FileWriter>,
    /// Of what is out of date or doubtful, the names that it has by recorded symbolic links, which lead there still.
    pub link_names: Vec<ArtifactPath>,
}

/// The run that wrote a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileWriter {
    /// The shortest tail of its key that names it alone.
    pub tail: String,
    /// Its run id.
    pub run_id: RunId,
    /// What sort of execution it is.
    pub kind: RunKind,
    /// When the file was last written.
    pub at: Timestamp,
}

/// A file that is not on disk since a run took it away.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RemovedFile {
    /// The file as recorded.
    pub file: RecordedFile,
    /// Who took it away.
    pub by: RemovedBy,
    /// Whether its bytes are kept, so that it can be restored.
    pub is_kept: bool,
}

/// A file that is not at its path since somebody gave it another name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RenamedFile {
    /// The file as recorded.
    pub file: RecordedFile,
    /// Where it lies now, if not changed there since.
    pub now_at: ArtifactPath,
}

/// A file with other bytes than were last recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AlteredFile {
    /// The file as recorded.
    pub file: RecordedFile,
    /// What it holds now.
    pub now: Digest,
    /// Whether an earlier recorded version of the path has these bytes, also where a run has read them since.
    pub is_earlier_version: bool,
    /// The tail of the first run that read these bytes since others were written; `None` where none did.
    pub read_by: Option<String>,
    /// Where a symbolic link leads that lies there now.
    pub leads_to: Option<PathBuf>,
}

/// A file whose newest version is known from another workspace, and is not on disk here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotHere {
    /// The file as recorded there.
    pub file: RecordedFile,
    /// What it holds here, an earlier recorded version; `None` where it is not there at all.
    pub now: Option<Digest>,
    /// Whether the newest version is kept here, so that it can be restored.
    pub is_kept: bool,
}

/// A file that was made from what is no longer so.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StaleFile {
    /// The file.
    pub file: RecordedFile,
    /// What has other bytes now than went into it, by path; of many, the first.
    pub causes: Vec<StaleCause>,
    /// How much has.
    pub causes_total: u64,
}

/// A file that its command makes no more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOver {
    /// The file, and what has other bytes now than went into it.
    pub file: StaleFile,
    /// The tail of the last run of the command that had these before it and did not make the file.
    pub by: String,
}

/// A path that has other bytes now than went into a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct StaleCause {
    /// The last version that went into the file.
    pub used: Artifact,
    /// What lies there now; `None` where it is gone.
    pub now: Option<Digest>,
    /// The tail of the run that wrote what lies there now, or took away what lay there; `None` where nobody recorded that.
    pub run: Option<String>,
    /// Where nobody did, the tail of the first run that read it since others were written; `None` where none did.
    pub read_by: Option<String>,
}

/// A file of which it is not certain what it was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DoubtfulFile {
    /// The file.
    pub file: RecordedFile,
    /// What has other bytes now, by path, and may have gone into it: a step on the way was only told of it, by one that had read it,
    /// or had read it as it is now and then wrote anew, in its place, what another command had made; or the command of a file on the
    /// way ran again with it, and left the file as it was. Of many, the first.
    pub causes: Vec<StaleCause>,
    /// How much has.
    pub causes_total: u64,
    /// Where its own command ran again with all of that, and left the file as it was: the tail of that run.
    pub left_by: Option<String>,
    /// What was changed while it was read on the way to the file, by path; of many, the first.
    pub changed_while_read: Vec<Artifact>,
    /// How much was.
    pub changed_while_read_total: u64,
    /// What of that was not changed, but ran as it had been compiled, perhaps from other bytes.
    pub ran_as_compiled: Vec<ArtifactPath>,
    /// The tails of the runs that wrote the same bytes there while the run named as its writer was at work.
    pub also_written_by: Vec<String>,
    /// Whether somebody wrote over it from outside while the run named as its writer went on: what that wrote is not known.
    pub is_overwritten: bool,
}

/// What the journal holds and the store lacks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unapplied {
    /// Segments with facts not yet applied.
    pub segments: u64,
    /// Their bytes, as far as they are not applied.
    pub bytes: u64,
}
