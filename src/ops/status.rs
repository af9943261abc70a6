//! `lineage status`: what on the disk is no longer what is recorded, and what was made from it.

mod asked;
mod elsewhere;
mod files;
mod named;
mod partitions;
mod renamed;
mod report;
mod stale;
#[cfg(test)]
mod tests;
mod unknown;
mod waiting;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::model::{RunId, RunKind};
use crate::ops::Workspace;
use crate::ops::here::Here;
use crate::query::{self, Ancestry, NewestFile, Removal, Write};
use crate::store::{ArtifactNo, PathNo, RunNo, Snapshot, StepNo};

pub use report::{
    AlteredFile, DoubtfulFile, FileWriter, NotHere, RecordedFile, RemovedFile, RenamedFile, StaleCause,
    StaleFile, StatusReport, Unapplied,
};

use asked::Asked;
use files::OnDisk;
use renamed::Renamings;

/// Compares what is recorded with the disk: the files and folders in `paths`, seen from `folder`; all where there are none.
///
/// Every file is read, on all cores, unless it was read before and its identity, its size and all its times are the same
/// since. With [`Digests::reading_all`](crate::digests::Digests::reading_all) it is read in any case.
///
/// # Errors
/// A request error for a path outside of all that is recorded, a store error where a record is damaged.
pub fn status(
    workspace: &Workspace,
    snapshot: &Snapshot,
    folder: &Path,
    paths: &[PathBuf],
) -> Result<StatusReport> {
    let asked = Asked::new(workspace, snapshot, folder, paths)?;
    let files = query::newest_files(snapshot)?;
    let targets: Vec<usize> =
        (0..files.len()).filter(|at| asked.has(files[*at].artifact.path.as_bytes())).collect();
    let mut looking = Looking {
        workspace,
        snapshot,
        places: files.iter().enumerate().map(|(at, file)| (file.path_no, at)).collect(),
        files,
        disk: HashMap::new(),
        kept: HashSet::new(),
        removed: HashMap::new(),
        gone: HashSet::new(),
        renamings: Renamings::default(),
        writers: HashMap::new(),
        here: Here::of(workspace),
        newer_elsewhere: HashMap::new(),
        never_here: HashSet::new(),
        known_otherwise: HashSet::new(),
        code_of: HashMap::new(),
        report: StatusReport { is_of_part: !paths.is_empty(), ..StatusReport::default() },
    };
    looking.compare(targets.iter().copied())?;
    looking.take_as_in_git(&targets)?;
    looking.prefer_own_writers(&targets)?;
    let current: Vec<(usize, Write)> = targets
        .iter()
        .filter_map(|at| Some((*at, looking.files[*at].writer.filter(|_| !looking.files[*at].superseded)?)))
        .collect();
    let writes: Vec<Write> = current.iter().map(|(_, write)| *write).collect();
    let mut ancestry = Ancestry::of(snapshot, &writes)?;
    looking.compare_read(&ancestry.paths())?;
    looking.follow_names()?;
    ancestry.part_twins(&|path, digest| looking.lies_there(path, digest));
    looking.sort_out(&targets)?;
    looking.find_gone()?;
    let may_be_stale = looking.find_stale(&current, &ancestry)?;
    looking.find_doubtful(&current, &ancestry, may_be_stale)?;
    looking.find_unknown(&asked)?;
    if paths.is_empty() {
        looking.find_unended()?;
        looking.find_unapplied()?;
    }
    Ok(looking.report)
}

/// A comparison under way.
struct Looking<'a> {
    workspace: &'a Workspace,
    snapshot: &'a Snapshot,
    files: Vec<NewestFile>,
    places: HashMap<PathNo, usize>,
    disk: HashMap<usize, OnDisk>,
    /// Those that are gone from the disk and kept.
    kept: HashSet<usize>,
    /// Those that are gone from the disk since a run took them away.
    removed: HashMap<usize, Removal>,
    /// Those that are gone from the disk, and that no run can make again.
    gone: HashSet<usize>,
    /// Where sources lie that somebody gave another name.
    renamings: Renamings,
    writers: HashMap<RunNo, Option<(String, RunId, RunKind)>>,
    here: Here<'a>,
    /// The newest versions of files that are judged by an earlier one, which runs of this workspace know.
    newer_elsewhere: HashMap<usize, NewestFile>,
    /// Those that are kept and of another workspace: nothing is to be made again of them here.
    never_here: HashSet<usize>,
    /// Names of files that are judged by another of their names.
    known_otherwise: HashSet<usize>,
    /// What steps read as code that stands in a commit.
    code_of: HashMap<StepNo, HashSet<ArtifactNo>>,
    report: StatusReport,
}
