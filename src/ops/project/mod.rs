//! `lineage project`: every projected file brought to what the store says, and nobody's edit lost.
//!
//! This is the one way from facts to projected files. Whoever recorded something that changes a projection calls
//! [`project_these`]: under one lock, after all facts recorded so far, never over what somebody edited; and tells what was left
//! undone by `say_left_undone`.

mod asked;
pub(crate) mod memory;
mod projecting;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::error::Result;
use crate::model::{ArtifactPath, Digest, Run};
use crate::ops::{Overwriting, Workspace};
use crate::projection::{self, Planned};
use crate::query::{self, RunSelector};
use crate::store::Snapshot;
use asked::Asked;
use projecting::Projecting;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct ProjectRequest {
    /// The files and folders to bring up to date, seen from `folder`; all where there are none.
    pub paths: Vec<PathBuf>,
    /// The folder the request was made in.
    pub folder: PathBuf,
    /// Look only: nothing is written.
    pub dry_run: bool,
    /// Compare line by line what changes.
    pub diff: bool,
    /// Write over files that somebody edited; what they hold is kept first, and that is recorded.
    pub force: Option<Overwriting>,
    /// Remove files that were projected and are no longer wanted.
    pub prune: bool,
    /// Read every file, also those that look as they did when they were last read.
    pub verify: bool,
}

/// What became of the projected files, or would.
#[derive(Debug, Clone, Default)]
pub struct ProjectReport {
    /// Whether this only looked.
    pub dry_run: bool,
    /// Every file that is not as it should be, or was not, by path.
    pub files: Vec<ProjectedFile>,
    /// How many are as they should be.
    pub current: u64,
    /// What is worth knowing and no failure.
    pub warnings: Vec<String>,
}

/// A file that is not as it should be, or was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectedFile {
    /// Where it lies.
    pub path: ArtifactPath,
    /// What is wrong with it.
    pub fault: Fault,
    /// Whether that was mended; never where this only looks.
    pub mended: bool,
    /// How many bytes it is to have; 0 where it is not wanted.
    pub size_bytes: u64,
    /// What changes, line by line, as a unified difference.
    pub diff: Option<Vec<String>>,
}

/// What is wrong with a projected file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It does not lie there.
    Missing,
    /// What was projected there earlier lies there.
    Outdated,
    /// Somebody edited it: it holds what was never projected there.
    Edited {
        /// What it holds; where it was written over, these bytes are kept.
        digest: Digest,
    },
    /// It was projected earlier and is no longer wanted.
    Unwanted {
        /// What it holds, where somebody edited it since.
        edited: Option<Digest>,
    },
    /// Its content is not kept, or damaged.
    Lost(String),
    /// Something is in the way.
    Blocked(String),
}

impl ProjectReport {
    /// Returns true where every wanted file is now as it should be.
    pub fn is_current(&self) -> bool {
        self.files.iter().all(|file| file.mended || matches!(file.fault, Fault::Unwanted { .. }))
    }

    /// Returns true where the same request, without looking only, would change or could not mend anything.
    pub fn would_change(&self, prune: bool) -> bool {
        self.files.iter().any(|file| prune || !matches!(file.fault, Fault::Unwanted { .. }))
    }
}

/// Brings the projected files of a workspace up to date.
///
/// # Errors
/// A request error for a path that no projection wants; a store error where the store cannot be read or the right to write
/// files cannot be had. Files that could not be written are in the report.
pub fn project(workspace: &Workspace, request: &ProjectRequest) -> Result<ProjectReport> {
    let _lock = if request.dry_run { None } else { Some(workspace.lock_to_project()?) };
    let view = workspace.view()?;
    let planned = projection::plan(&view.snapshot)?;
    let mut projecting = Projecting::begin(workspace, &view, request);
    let unwanted = projecting.unwanted(&planned);
    let asked = Asked::new(workspace.root(), request)?;
    let planned = asked.select(planned, |planned| &planned.path);
    let unwanted = asked.select(unwanted, |(path, _)| path);
    asked.refuse_strangers(&planned, &unwanted)?;
    projecting.bring(planned)?;
    projecting.clear(unwanted)?;
    Ok(projecting.end())
}

/// Returns how many projected files are not there, or have less than is recorded; what somebody edited is not among them.
///
/// # Errors
/// As [`project`].
pub fn count_behind(workspace: &Workspace) -> Result<u64> {
    count(workspace, |fault| matches!(fault, Fault::Missing | Fault::Outdated))
}

/// Returns how many projected files hold something else than is recorded: what was recorded earlier, or what somebody edited. None
/// where all of them are as they were last projected: whoever records something that changes them projects it, or says that it did
/// not.
///
/// # Errors
/// As [`project`].
pub fn count_unlike(workspace: &Workspace) -> Result<u64> {
    if memory::is_as_projected(workspace) {
        return Ok(0);
    }
    count(workspace, |fault| matches!(fault, Fault::Outdated | Fault::Edited { .. }))
}

fn count(workspace: &Workspace, is_counted: fn(&Fault) -> bool) -> Result<u64> {
    let report = project(workspace, &ProjectRequest { dry_run: true, ..ProjectRequest::default() })?;
    Ok(report.files.iter().filter(|file| is_counted(&file.fault)).count() as u64)
}

/// Brings the papers of a pipeline run up to date.
///
/// # Errors
/// As [`project`].
pub fn project_run(workspace: &Workspace, run: &Run) -> Result<ProjectReport> {
    project_these(workspace, &ProjectRequest::default(), &[], &|snapshot| {
        let number = query::find_run(snapshot, &RunSelector::Tail(run.id.hex()))?;
        match query::run_view(snapshot, number)? {
            Some(view) => projection::run_papers(snapshot, &view),
            None => Ok(Vec::new()),
        }
    })
}

/// Brings the files that `plan` gives up to date, whatever paths the request names: to be called by whoever recorded something
/// that changes a projection, and who holds no lock. Files that somebody edited are left alone unless the request forces
/// them, and are in the report. What `before` had planned is nobody's edit, even where nothing remembers that it was written.
///
/// # Errors
/// Those of `plan`, and as [`project`].
pub fn project_these(
    workspace: &Workspace,
    request: &ProjectRequest,
    before: &[Planned],
    plan: &dyn Fn(&Snapshot) -> Result<Vec<Planned>>,
) -> Result<ProjectReport> {
    let _lock = workspace.lock_to_project_soon()?;
    let view = workspace.view()?;
    let mut projecting = Projecting::begin(workspace, &view, request);
    projecting.count_as_ours(before);
    projecting.bring(plan(&view.snapshot)?)?;
    Ok(projecting.end())
}

/// Adds what a projection left undone to what is `said` already, and what else is worth knowing of it, one line each: for
/// whoever recorded something, which stands whatever became of the files. `what` names them.
pub(crate) fn say_left_undone(projected: Result<ProjectReport>, what: &str, said: &mut Vec<String>) {
    let lines = match projected {
        Ok(report) => {
            let left = report.files.iter().filter_map(ProjectedFile::left_undone);
            report.warnings.iter().cloned().chain(left).collect()
        }
        Err(error) => {
            vec![format!("{what} is not written: {}; `lineage project` writes it", error.in_full())]
        }
    };
    for line in lines {
        // What could not be read of the journal, the caller's own view may have told.
        if !said.contains(&line) {
            said.push(line);
        }
    }
}

/// Counts the files of a report by what is wrong with them.
pub fn counts(report: &ProjectReport) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for file in &report.files {
        *counts.entry(file.state()).or_default() += 1;
    }
    counts
}

impl ProjectedFile {
    /// Says why the file is not as it should be; `None` where it is by now.
    pub(crate) fn left_undone(&self) -> Option<String> {
        let path = &self.path;
        if self.mended {
            return None;
        }
        Some(match &self.fault {
            Fault::Edited { .. } => format!(
                "{path} was written or edited by somebody else and is left as it is; `lineage project --force {path}` writes it anew"
            ),
            Fault::Lost(reason) | Fault::Blocked(reason) => format!("{path} is not written: {reason}"),
            Fault::Missing | Fault::Outdated | Fault::Unwanted { .. } => {
                format!("{path} is not written: it is {}", self.state())
            }
        })
    }

    /// Returns the word for what became of the file.
    pub fn state(&self) -> &'static str {
        match (&self.fault, self.mended) {
            (Fault::Unwanted { .. }, true) => "removed",
            (_, true) => "written",
            (Fault::Missing, false) => "missing",
            (Fault::Outdated, false) => "outdated",
            (Fault::Edited { .. }, false) => "edited",
            (Fault::Unwanted { .. }, false) => "unwanted",
            (Fault::Lost(_), false) => "lost",
            (Fault::Blocked(_), false) => "blocked",
        }
    }
}
