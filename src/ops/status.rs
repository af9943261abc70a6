//! `lineage status`: what on the disk is no longer what is recorded, and what was made from it.

mod asked;
mod beside;
mod elsewhere;
mod files;
mod given;
mod named;
mod order;
mod partitions;
mod redo;
mod renamed;
mod report;
mod stale;
#[cfg(test)]
mod tests;
mod unknown;
mod waiting;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::model::{Artifact, ArtifactPath, RunId, RunKind};
use crate::ops::Workspace;
use crate::ops::here::Here;
use crate::query::{self, Ancestry, NewestFile, Origin, Removal, Write};
use crate::store::{ArtifactNo, PathNo, RunNo, Snapshot, StepNo};

pub use report::{
    AlteredFile, DoubtfulFile, FileWriter, LeftOver, NewInput, NotHere, RecordedFile, RemovedFile,
    RenamedFile, StaleCause, StaleFile, StatusReport, Unapplied,
};

pub use redo::{Redo, RedoCaveat, RedoHow, StaleModel};

use asked::Asked;
use files::OnDisk;
use redo::Again;
use renamed::NewName;

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
    let mut looking = Looking::new(workspace, snapshot, files);
    looking.report.is_of_part = !paths.is_empty();
    looking.compare(targets.iter().copied())?;
    looking.take_as_in_git(&targets)?;
    looking.prefer_own_writers(&targets)?;
    let mut current = looking.current(&targets);
    let listed = current.len();
    let mut ancestry = ancestry_of(snapshot, &current)?;
    looking.compare_read(&ancestry.paths())?;
    let on_the_way = looking.made_on_the_way(&targets, &ancestry);
    if !on_the_way.is_empty() {
        looking.take_as_in_git(&on_the_way)?;
        looking.prefer_own_writers(&on_the_way)?;
        current.extend(looking.current(&on_the_way));
        ancestry = ancestry_of(snapshot, &current)?;
        looking.compare_read(&ancestry.paths())?;
    }
    looking.follow_names()?;
    ancestry.part_twins(&|path, digest| looking.lies_there(path, digest));
    looking.find_renamed()?;
    looking.sort_out_unlisted(&on_the_way)?;
    looking.sort_out(&targets)?;
    looking.find_gone()?;
    let may_be_stale = looking.find_stale(&current, listed, &mut ancestry)?;
    looking.find_doubtful(&current[..listed], &ancestry, may_be_stale)?;
    looking.find_new_inputs(&asked)?;
    looking.find_new_outputs(&asked)?;
    looking.name_links()?;
    looking.find_redo(&targets)?;
    looking.find_unknown(&asked)?;
    if paths.is_empty() {
        looking.find_unended()?;
        looking.find_unapplied()?;
    }
    Ok(looking.report)
}

/// Finds what has other bytes now than went into some versions of files, all the way up, by path; each is named with the moment by
/// which it was made.
///
/// The cost is linear in what they were made from.
///
/// # Errors
/// A store error where a record is damaged.
pub fn changed_since_made(
    workspace: &Workspace,
    snapshot: &Snapshot,
    made: &[(ArtifactNo, i64)],
) -> Result<Vec<StaleCause>> {
    let here = Here::of(workspace);
    let mut writes = Vec::with_capacity(made.len());
    for (number, by) in made {
        let write = match query::last_writer(snapshot, *number)? {
            Some(write) => Some(write),
            None => match query::origin(snapshot, *number, *by, None)? {
                Origin::Written(write) | Origin::Copied(write) | Origin::Alike(write) => Some(write),
                Origin::Gap(_) | Origin::Unknown(_) | Origin::Source => None,
            },
        };
        // What was made elsewhere, was made from what lies there.
        if let Some(write) = write
            && here.has_step(snapshot, write.step)?
        {
            writes.push(write);
        }
    }
    let mut ancestry = Ancestry::of(snapshot, &writes)?.naming_all();
    let paths = ancestry.paths();
    let mut files = Vec::with_capacity(paths.len());
    for path in &paths {
        files.extend(query::newest_file_known_to(snapshot, *path, &mut |_| Ok(true))?);
    }
    let mut looking = Looking::new(workspace, snapshot, files);
    looking.compare_read(&paths)?;
    looking.follow_names()?;
    ancestry.part_twins(&|path, digest| looking.lies_there(path, digest));
    looking.find_renamed()?;
    looking.find_gone()?;
    let mut causes = BTreeSet::new();
    let is_here = |run| here.has_run(snapshot, run);
    for outdated in ancestry.outdated(snapshot, &|path| looking.now(path), &is_here)? {
        causes.extend(looking.causes(outdated.stale.first)?);
    }
    Ok(causes.into_iter().collect())
}

/// Returns where a version of a file lies that was the last at its path, and is gone from there since somebody gave it another name.
///
/// # Errors
/// A store error where a record is damaged.
pub fn new_name_of(
    workspace: &Workspace,
    snapshot: &Snapshot,
    version: &Artifact,
) -> Result<Option<ArtifactPath>> {
    let Some(path) = snapshot.path_no(&version.path)? else { return Ok(None) };
    let newest = query::newest_file_known_to(snapshot, path, &mut |_| Ok(true))?;
    let mut looking = Looking::new(workspace, snapshot, newest.into_iter().collect());
    looking.compare_read(&HashSet::from([path]))?;
    looking.find_renamed()?;
    let name = looking.new_name(0).filter(|name| name.now == version.digest);
    Ok(name.map(|name| name.path.clone()))
}

fn ancestry_of(snapshot: &Snapshot, current: &[(usize, Write)]) -> Result<Ancestry> {
    let writes: Vec<Write> = current.iter().map(|(_, write)| *write).collect();
    Ancestry::of(snapshot, &writes)
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
    /// Those that are gone from the disk and not kept, and that git does not have.
    lost: HashSet<usize>,
    /// What is to be made again.
    again: Again,
    /// Those that are gone from the disk, and that no run can make again; and the run that was seen to take each away, and when.
    gone: HashMap<usize, Option<(RunNo, i64)>>,
    /// Where files lie that are gone from the disk since somebody gave them another name.
    renamed: HashMap<usize, NewName>,
    writers: HashMap<RunNo, Option<(String, RunId, RunKind)>>,
    here: Here<'a>,
    /// The newest versions of files that are judged by an earlier one, which runs of this workspace know.
    newer_elsewhere: HashMap<usize, NewestFile>,
    /// Those that are kept and of another workspace: nothing is to be made again of them here.
    never_here: HashSet<usize>,
    /// Names of files that are judged by another of their names.
    known_otherwise: HashSet<usize>,
    /// The versions that `restore` put where they lie, in the place of newer ones.
    restored: HashSet<ArtifactNo>,
    /// What steps read as code that stands in a commit.
    code_of: HashMap<StepNo, HashSet<ArtifactNo>>,
    report: StatusReport,
}

impl<'a> Looking<'a> {
    fn new(workspace: &'a Workspace, snapshot: &'a Snapshot, files: Vec<NewestFile>) -> Self {
        Looking {
            workspace,
            snapshot,
            places: files.iter().enumerate().map(|(at, file)| (file.path_no, at)).collect(),
            files,
            disk: HashMap::new(),
            kept: HashSet::new(),
            removed: HashMap::new(),
            lost: HashSet::new(),
            again: Again::default(),
            gone: HashMap::new(),
            renamed: HashMap::new(),
            writers: HashMap::new(),
            here: Here::of(workspace),
            newer_elsewhere: HashMap::new(),
            never_here: HashSet::new(),
            known_otherwise: HashSet::new(),
            restored: HashSet::new(),
            code_of: HashMap::new(),
            report: StatusReport::default(),
        }
    }
}
