//! `lineage gc`: which kept contents could go, why, and letting them go.
//!
//! A content stays while anything needs it: patches and code of runs, environments, outputs of pipelines (every projection is
//! written from them), files of model versions that were not withdrawn, notes, and inputs and outputs of commands that the policy
//! keeps. A version that was withdrawn holds nothing by itself: its files stay where another version, a run or the policy
//! needs them, and may go otherwise. What nothing
//! needs may still be needed by what is not recorded yet, so that only what has not been kept anew for some time goes, and
//! nothing while a run is being recorded.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::disk::{TEMPORARY_PREFIX, open_regular};
use crate::error::{Error, Kind, Result};
use crate::journal;
use crate::model::{Digest, RunKind};
use crate::ops::Workspace;
use crate::ops::needed::Needed;
use crate::ops::run::take_over_broken_off;
use crate::ops::settings::KeepPolicy;
use crate::ops::workspace::{StoreLock, View};
use crate::projection::{self, names};
use crate::store::{GO_ON, Snapshot};

/// How long the lock is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// What was kept no longer ago than this stays, whatever is asked for: a command keeps contents (the patch of a run that begins,
/// a file that it is about to write over) before the fact that names them is written.
const ABOUT_TO_BE_NAMED: Duration = Duration::from_secs(60);

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct GcRequest {
    /// Let them go; otherwise they are only listed.
    pub apply: bool,
    /// Contents that were kept later than this long ago stay, and those of the last minute.
    pub older_than: Duration,
}

/// What could go, or went.
#[derive(Debug, Clone, Default)]
pub struct GcReport {
    /// Whether they were let go.
    pub applied: bool,
    /// The contents that nothing needs and that are old enough, by digest.
    pub contents: Vec<Droppable>,
    /// How many contents nothing needs that are too young to go.
    pub young: u64,
    /// How many stay.
    pub kept: u64,
    /// Their bytes on disk.
    pub kept_bytes: u64,
    /// Contents that could not be removed, and why.
    pub failed: Vec<(Digest, String)>,
    /// What could not be taken into account, one line each.
    pub warnings: Vec<String>,
}

impl GcReport {
    /// Returns the bytes on disk of what could go, or went.
    pub fn bytes(&self) -> u64 {
        self.contents.iter().map(|content| content.stored_bytes).sum()
    }
}

/// A content that nothing needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Droppable {
    /// The content.
    pub digest: Digest,
    /// Bytes on disk.
    pub stored_bytes: u64,
    /// Why nothing needs it.
    pub reason: &'static str,
}

const UNNAMED: &str = "no fact names it";
const BEYOND: &str = "an output that the policy no longer keeps";
const INPUT_BEYOND: &str = "an input that the policy no longer keeps";
const WITHDRAWN: &str = "only a model version that was withdrawn needs it";

/// Finds the contents that could go, and lets them go where that is asked for.
///
/// # Errors
/// A request error where the configuration is not understood; that others are at work while a run is being recorded; a store error
/// where the store cannot be read in full, since nothing may go then.
pub fn gc(workspace: &Workspace, request: GcRequest) -> Result<GcReport> {
    let policy = KeepPolicy::of(workspace)?;
    // Where nobody is alive who records, nobody is about to name what no fact names. Who begins from here on keeps anew what
    // they need, and [`Contents::remove`](crate::content::Contents::remove) sees that.
    let lock = request.apply.then(|| locked_and_complete(workspace)).transpose()?;
    let View { snapshot, warnings } = match &lock {
        Some(_) => {
            let found = workspace.store().snapshot()?;
            let snapshot = found.ok_or_else(|| Error::store("there is no store to ask"))?;
            View { snapshot, warnings: Vec::new() }
        }
        None => workspace.view()?,
    };
    let needed = Needed::of(&snapshot, &policy, &mut |_| true)?;
    let mut report = GcReport { applied: request.apply, warnings, ..GcReport::default() };
    let now = SystemTime::now();
    let old = request.older_than.max(ABOUT_TO_BE_NAMED);
    let is_old = |modified: SystemTime| now.duration_since(modified).is_ok_and(|age| age >= old);
    let (digests, strangers) = workspace.contents().list()?;
    if request.apply {
        remove_leftovers(workspace, &strangers, is_old);
        remove_leftovers(workspace, &leftovers_of_runs(workspace, &snapshot)?, is_old);
        remove_leftovers(workspace, &entries_of_our_folders(workspace), is_old);
    }
    // All are looked at before the first goes: contents that share a file have each its part of it.
    let found = digests.into_iter().filter_map(|digest| {
        let metadata = workspace.contents().file(&digest).metadata().ok()?;
        Some((digest, metadata.len() / metadata.nlink().max(1), metadata.modified().ok()))
    });
    let found: Vec<(Digest, u64, Option<SystemTime>)> = found.collect();
    for (digest, stored_bytes, modified) in found {
        if needed.contents.contains(&digest) {
            report.kept += 1;
            report.kept_bytes += stored_bytes;
            continue;
        }
        let Some(wanted) = modified.filter(|modified| is_old(*modified)) else {
            report.young += 1;
            continue;
        };
        let reason = match digest {
            digest if needed.withdrawn.contains(&digest) => WITHDRAWN,
            digest if needed.beyond.contains(&digest) => BEYOND,
            digest if needed.inputs_beyond.contains(&digest) => INPUT_BEYOND,
            _ => UNNAMED,
        };
        if request.apply {
            match workspace.contents().remove(&digest, wanted) {
                Ok(true) => {}
                Ok(false) => {
                    report.young += 1;
                    continue;
                }
                Err(cause) => {
                    report.failed.push((digest, cause.to_string()));
                    continue;
                }
            }
        }
        report.contents.push(Droppable { digest, stored_bytes, reason });
    }
    drop(lock);
    Ok(report)
}

/// Takes the lock of the store, and applies all facts to it.
fn locked_and_complete(workspace: &Workspace) -> Result<StoreLock> {
    // What a run that was killed wrote is needed, and nobody has recorded it yet.
    if let Some(left) = take_over_broken_off(workspace).into_iter().next() {
        return Err(Error::store("cannot tell what is needed").because(left).hint("nothing was removed"));
    }
    let lock = workspace.lock(LOCK_WAIT)?.or(|holder| {
        Error::store(format!("cannot let contents go: {holder} is writing"))
            .hint("nothing was removed; try again")
    })?;
    refuse_living(workspace)?;
    workspace.contents().put_back()?;
    match workspace.apply(&lock).into_iter().next() {
        None => Ok(lock),
        Some(warning) => Err(Error::store("cannot tell what is needed: not all facts could be read")
            .because(warning)
            .hint("nothing was removed; `lineage verify` says what is wrong")),
    }
}

/// Lists the temporary files in the folders of pipelines' runs.
fn leftovers_of_runs(workspace: &Workspace, snapshot: &Snapshot) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    snapshot.runs_newest_first(|number| {
        let run = snapshot.run(number)?.filter(|run| run.kind == RunKind::Pipeline);
        for folder in run.iter().flat_map(|_| names::OutputFolder::ALL) {
            let file = run.as_ref().and_then(|run| names::metrics_file(folder, run).ok());
            found.extend(file.into_iter().flat_map(|file| projection::leftovers(workspace.root(), &file)));
        }
        Ok(GO_ON)
    })?;
    Ok(found)
}

/// Lists what lies in our own folder, and in the folders in it.
fn entries_of_our_folders(workspace: &Workspace) -> Vec<PathBuf> {
    let entries = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let mut found = entries(&workspace.folder());
    let folders = found.iter().filter(|path| path.symlink_metadata().is_ok_and(|found| found.is_dir()));
    let inside: Vec<PathBuf> = folders.flat_map(|folder| entries(folder)).collect();
    found.extend(inside);
    found
}

/// Removes what a kill left of files that had no name yet, but for what somebody still writes.
fn remove_leftovers(workspace: &Workspace, strangers: &[PathBuf], is_old: impl Fn(SystemTime) -> bool) {
    let is_ours = |path: &&PathBuf| {
        let name = path.file_name().unwrap_or_default();
        name.as_encoded_bytes().starts_with(TEMPORARY_PREFIX.as_bytes())
    };
    for path in strangers.iter().filter(is_ours) {
        let is_left = path.symlink_metadata().and_then(|found| found.modified()).is_ok_and(&is_old);
        if is_left && open_regular(path).is_ok_and(|file| file.try_lock_shared().is_ok()) {
            // One that cannot be removed is in nobody's way.
            let _ = workspace.disk().remove(path);
        }
    }
}

fn refuse_living(workspace: &Workspace) -> Result<()> {
    let listing = journal::list(&workspace.journal(), &|_| true)?;
    let alive =
        listing.segments.iter().find(|segment| !segment.packed && workspace.is_alive(segment.segment));
    match alive {
        Some(_) => {
            let what = "a run is being recorded, and may need what no fact names yet";
            Err(Error::new(Kind::Busy, what).hint("nothing was removed; try again when it has ended"))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;
    use crate::journal::Writer;

    #[test]
    fn what_a_kill_left_of_files_without_a_name_goes_and_what_is_still_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        Workspace::init(&root).unwrap();
        let workspace = Workspace::at(&root, Disk::new());
        let old = |path: &Path| {
            let file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
            file.set_modified(SystemTime::now() - 2 * ABOUT_TO_BE_NAMED).unwrap();
        };
        let names = || {
            let found = entries_of_our_folders(&workspace).into_iter();
            let hidden = |path: &PathBuf| path.to_string_lossy().contains(TEMPORARY_PREFIX);
            found.filter(hidden).collect::<Vec<PathBuf>>()
        };
        let writer = Writer::create_hidden(workspace.disk(), &workspace.journal(), 7).unwrap();
        let written = names();
        assert_eq!(written.len(), 1);
        old(&written[0]);
        for left in [workspace.folder(), workspace.journal(), workspace.folder().join("live")] {
            std::fs::create_dir_all(&left).unwrap();
            let path = left.join(format!("{TEMPORARY_PREFIX}left"));
            std::fs::write(&path, "half").unwrap();
            old(&path);
        }
        std::fs::write(workspace.journal().join(format!("{TEMPORARY_PREFIX}young")), "").unwrap();
        gc(&workspace, GcRequest { apply: false, older_than: Duration::ZERO }).unwrap();
        assert_eq!(names().len(), 5);
        gc(&workspace, GcRequest { apply: true, older_than: Duration::ZERO }).unwrap();
        let stays = names();
        assert!(stays.len() == 2 && stays.contains(&written[0]), "{stays:?}");
        drop(writer);
        assert_eq!(names().len(), 1);
    }
}
