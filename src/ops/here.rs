//! What was recorded in this workspace, and what is only known here since the facts of another were taken over.
//!
//! A run names the segment of the journal that it was recorded in, and what is taken over stands in a segment of its own. Where a
//! backup was brought back, `brought-back` lists the segments of old. It tells of this place and of no fact: without it, files
//! that are gone count as another workspace's.

use std::collections::HashSet;
use std::io;
use std::sync::OnceLock;

use crate::disk::read_regular_text;
use crate::error::{Error, Result};
use crate::journal;
use crate::ops::Workspace;
use crate::query::{self, RunSelector, Write, writers};
use crate::store::{ArtifactNo, RunNo, Snapshot, StepNo};

const FILE: &str = "brought-back";

/// Tells runs of this workspace from others.
pub(crate) struct Here<'a> {
    workspace: &'a Workspace,
    /// The segments that were written here, once they were asked for.
    segments: OnceLock<HashSet<u128>>,
}

impl<'a> Here<'a> {
    /// Begins with nothing known.
    pub fn of(workspace: &'a Workspace) -> Self {
        Here { workspace, segments: OnceLock::new() }
    }

    fn segments(&self) -> Result<&HashSet<u128>> {
        if let Some(known) = self.segments.get() {
            return Ok(known);
        }
        let listing = journal::list(&self.workspace.journal(), &|_| false)?;
        let mut segments: HashSet<u128> =
            listing.segments.into_iter().map(|segment| segment.segment).collect();
        segments.extend(brought_back(self.workspace)?);
        Ok(self.segments.get_or_init(|| segments))
    }

    /// Returns true for a segment of the journal that was written here, or that a backup was brought back of.
    ///
    /// # Errors
    /// A store error where the journal, or what was brought back, cannot be listed.
    pub fn has_segment(&self, segment: u128) -> Result<bool> {
        Ok(self.segments()?.contains(&segment))
    }

    /// Returns true for a run that was recorded here; also for one of whose start nothing is known.
    ///
    /// # Errors
    /// A store error where the journal, or what was brought back, cannot be listed, or a record is damaged.
    pub fn has_run(&self, snapshot: &Snapshot, number: RunNo) -> Result<bool> {
        snapshot.run_origin(number)?.map_or(Ok(true), |run| self.has_segment(run.segment))
    }

    /// Returns true for a step of such a run.
    pub fn has_step(&self, snapshot: &Snapshot, step: StepNo) -> Result<bool> {
        snapshot.run_of(step)?.map_or(Ok(true), |run| self.has_run(snapshot, run))
    }

    /// Returns the last write of an artifact by a run of this workspace, and the other workspaces' runs that wrote it, too.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn last_write(
        &self,
        snapshot: &Snapshot,
        artifact: ArtifactNo,
    ) -> Result<(Option<Write>, Vec<RunNo>)> {
        let (mut own, mut others) = (None, Vec::new());
        for write in writers(snapshot, artifact)? {
            if self.has_step(snapshot, write.step)? {
                own = own.or(Some(write));
            } else {
                others.extend(snapshot.run_of(write.step)?.filter(|run| !others.contains(run)));
            }
        }
        Ok((own, others))
    }
}

/// Finds the run that `selector` names; counted from the latest, only runs of this workspace are: nobody means by `@` what somebody
/// else did elsewhere.
///
/// # Errors
/// A request error where there is none, or several.
pub fn find_run(workspace: &Workspace, snapshot: &Snapshot, selector: &RunSelector) -> Result<RunNo> {
    let RunSelector::Back(back) = selector else {
        return query::find_run(snapshot, selector);
    };
    let here = Here::of(workspace);
    let found = query::run_back(snapshot, *back, &mut |run| here.has_run(snapshot, run))?;
    found.map_or_else(
        || {
            // Where there are not so many even with those of others, that is said.
            query::find_run(snapshot, selector)?;
            Err(Error::not_found(match back {
                0 => "no run of this workspace is recorded yet".to_owned(),
                back => format!(
                    "there are not {} runs of this workspace, repetitions and parts of runs not counted",
                    back.saturating_add(1)
                ),
            })
            .hint("`lineage log` lists the runs, with those that were taken over from other workspaces"))
        },
        Ok,
    )
}

/// Remembers that what was recorded in these segments was recorded here.
///
/// # Errors
/// A store error where that cannot be written.
pub(crate) fn bring_back(workspace: &Workspace, segments: &HashSet<u128>) -> Result<()> {
    let known = brought_back(workspace)?;
    let all: std::collections::BTreeSet<&u128> = segments.iter().chain(&known).collect();
    let text: String = all.into_iter().map(|segment| format!("{segment:032x}\n")).collect();
    let path = workspace.folder().join(FILE);
    workspace
        .disk()
        .write_whole(&path, text.as_bytes())
        .map_err(|cause| Error::store(format!("cannot write `{}`", path.display())).because(cause))
}

fn brought_back(workspace: &Workspace) -> Result<HashSet<u128>> {
    let path = workspace.folder().join(FILE);
    let text = match read_regular_text(&path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(HashSet::new()),
        Err(cause) => {
            return Err(Error::store(format!("cannot read `{}`", path.display())).because(cause));
        }
    };
    Ok(text.lines().filter_map(|line| u128::from_str_radix(line, 16).ok()).collect())
}
