//! Comparing what lies in a workspace with what is planned, and putting it right.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::digests::Digests;
use crate::disk::read_regular;
use crate::error::{Error, Result};
use crate::model::{Artifact, ArtifactPath, Digest};
use crate::ops::project::{Fault, ProjectReport, ProjectRequest, ProjectedFile, memory};
use crate::ops::{View, Workspace};
use crate::projection::{self, Lies, Places, Planned, PlannedContent, Record};
use crate::store::Snapshot;

/// As many files, and as many bytes, are held in memory at once to be written.
const CHUNK_FILES: usize = 256;
const CHUNK_BYTES: u64 = 64 << 20;
/// Larger files are not compared line by line.
const DIFF_MAX_BYTES: u64 = 1 << 20;

pub(super) struct Projecting<'a> {
    workspace: &'a Workspace,
    snapshot: &'a Snapshot,
    request: &'a ProjectRequest,
    digests: Digests,
    record: Record,
    /// Whether the record is to be written.
    is_record_new: bool,
    /// What the caller says was planned before, by path.
    ours: BTreeMap<ArtifactPath, Digest>,
    is_whole_view: bool,
    report: ProjectReport,
}

/// A file that is not as planned.
struct Todo {
    planned: Planned,
    place: PathBuf,
    fault: Fault,
}

impl<'a> Projecting<'a> {
    pub(super) fn begin(workspace: &'a Workspace, view: &'a View, request: &'a ProjectRequest) -> Self {
        if let Some(force) = &request.force {
            force.clock.not_before(view.snapshot.latest());
        }
        let report = ProjectReport {
            dry_run: request.dry_run,
            warnings: view.warnings.clone(),
            ..ProjectReport::default()
        };
        Projecting {
            workspace,
            snapshot: &view.snapshot,
            request,
            digests: if request.verify {
                workspace.digests().reading_all()
            } else {
                workspace.digests().clone()
            },
            record: memory::load(workspace),
            is_record_new: false,
            ours: BTreeMap::new(),
            is_whole_view: view.warnings.is_empty(),
            report,
        }
    }

    /// Takes what was planned before for bytes of ours, wherever they lie still.
    pub(super) fn count_as_ours(&mut self, planned: &[Planned]) {
        self.ours.extend(planned.iter().map(|planned| (planned.path.clone(), planned.digest())));
    }

    /// Returns what was projected and is not in `planned`, the whole plan.
    pub(super) fn unwanted(&self, planned: &[Planned]) -> Vec<(ArtifactPath, Digest)> {
        let wanted: BTreeSet<&ArtifactPath> = planned.iter().map(|planned| &planned.path).collect();
        let files = self.record.files().filter(|(path, _)| !wanted.contains(path));
        files.map(|(path, digest)| (path.clone(), *digest)).collect()
    }

    // ---- what is wanted ----

    pub(super) fn bring(&mut self, planned: Vec<Planned>) -> Result<()> {
        let mut places = Places::new(self.workspace.root());
        let placed: Vec<(Planned, Result<PathBuf, String>)> = planned
            .into_iter()
            .map(|planned| {
                let place = places.find(&planned.path);
                (planned, place)
            })
            .collect();
        let looked: Vec<Lies> = placed
            .par_iter()
            .map(|(_, place)| match place {
                Ok(place) => projection::look(place, &self.digests),
                Err(reason) => Lies::Blocked(reason.clone()),
            })
            .collect();
        let mut todo = Vec::new();
        for ((planned, place), lies) in placed.into_iter().zip(looked) {
            let fault = match lies {
                Lies::File(digest) if digest == planned.digest() => {
                    self.report.current += 1;
                    self.remember(planned.path, digest);
                    continue;
                }
                Lies::File(digest) => self.sort_of_other(&planned.path, digest)?,
                Lies::Nothing => Fault::Missing,
                Lies::Blocked(reason) => Fault::Blocked(reason),
            };
            todo.push(Todo { planned, place: place.unwrap_or_default(), fault });
        }
        let mut todo = todo.into_iter().peekable();
        while todo.peek().is_some() {
            let mut bytes = 0;
            let mut chunk = Vec::new();
            while let Some(next) = todo.next_if(|next| {
                chunk.len() < CHUNK_FILES
                    && (chunk.is_empty() || bytes + next.planned.size_bytes() <= CHUNK_BYTES)
            }) {
                bytes += next.planned.size_bytes();
                chunk.push(next);
            }
            self.mend(chunk);
        }
        Ok(())
    }

    fn remember(&mut self, path: ArtifactPath, digest: Digest) {
        if self.record.get(&path) != Some(&digest) {
            self.record.insert(path, digest);
            self.is_record_new = true;
        }
    }

    fn forget(&mut self, path: &ArtifactPath) {
        self.record.remove(path);
        self.is_record_new = true;
    }

    /// Tells what was projected earlier from what somebody edited.
    fn sort_of_other(&self, path: &ArtifactPath, digest: Digest) -> Result<Fault> {
        let is_ours = self.ours.get(path) == Some(&digest);
        if is_ours || memory::was_projected(self.workspace, self.snapshot, &self.record, path, &digest)? {
            return Ok(Fault::Outdated);
        }
        Ok(Fault::Edited { digest })
    }

    /// Mends what can be mended, and puts all into the report.
    fn mend(&mut self, chunk: Vec<Todo>) {
        let contents = self.workspace.contents();
        let needs_bytes = self.request.diff || !self.request.dry_run;
        let read: Vec<Result<Vec<u8>, String>> = chunk
            .par_iter()
            .map(|todo| match &todo.planned.content {
                PlannedContent::Bytes(bytes) => Ok(bytes.clone()),
                PlannedContent::Kept { digest, .. } if needs_bytes => match contents.read(digest) {
                    Ok(Some(bytes)) => Ok(bytes),
                    Ok(None) => Err("its content is not kept".to_owned()),
                    Err(error) => Err(error.in_full()),
                },
                PlannedContent::Kept { digest, .. } if contents.holds(digest) => Ok(Vec::new()),
                PlannedContent::Kept { .. } => Err("its content is not kept".to_owned()),
            })
            .collect();
        let mut files = Vec::with_capacity(chunk.len());
        let (mut ready, mut overwritten) = (Vec::new(), Vec::new());
        for (todo, bytes) in chunk.into_iter().zip(read) {
            let mut file = ProjectedFile {
                path: todo.planned.path.clone(),
                fault: todo.fault,
                mended: false,
                size_bytes: todo.planned.size_bytes(),
                diff: None,
            };
            match bytes {
                Err(reason) if !matches!(file.fault, Fault::Blocked(_)) => file.fault = Fault::Lost(reason),
                Err(_) => {}
                Ok(bytes) => {
                    if self.request.diff {
                        file.diff = diff(&file, &todo.place, &bytes);
                    }
                    match self.keep_edit(&file.path, &file.fault, &todo.place) {
                        Err(reason) => file.fault = Fault::Blocked(reason),
                        Ok(kept) if self.may_write(&file.fault) => {
                            overwritten.extend(kept);
                            ready.push((files.len(), bytes));
                        }
                        Ok(_) => {}
                    }
                }
            }
            files.push(file);
        }
        if let Err(reason) = self.record_overwritten(overwritten) {
            ready.retain(|(at, _)| {
                let is_edit = matches!(files[*at].fault, Fault::Edited { .. });
                if is_edit {
                    files[*at].fault = Fault::Blocked(reason.clone());
                }
                !is_edit
            });
        }
        let to_write: Vec<(&ArtifactPath, &[u8])> =
            ready.iter().map(|(at, bytes)| (&files[*at].path, bytes.as_slice())).collect();
        let written = projection::write_files(self.workspace.disk(), self.workspace.root(), &to_write);
        drop(to_write);
        for ((at, bytes), result) in ready.into_iter().zip(written) {
            match result {
                Ok(()) => {
                    files[at].mended = true;
                    self.remember(files[at].path.clone(), Digest::of(&bytes));
                }
                Err(error) => files[at].fault = Fault::Blocked(error.in_full()),
            }
        }
        self.report.files.append(&mut files);
    }

    fn may_write(&self, fault: &Fault) -> bool {
        !self.request.dry_run
            && match fault {
                Fault::Missing | Fault::Outdated => true,
                Fault::Edited { .. } => self.request.force.is_some(),
                Fault::Unwanted { .. } | Fault::Lost(_) | Fault::Blocked(_) => false,
            }
    }

    /// Keeps what an edited file holds before it is written over; `None` where nobody's edit is in the way.
    ///
    /// # Errors
    /// Why that failed.
    fn keep_edit(
        &self,
        path: &ArtifactPath,
        fault: &Fault,
        place: &Path,
    ) -> Result<Option<Artifact>, String> {
        if !matches!(fault, Fault::Edited { .. }) || !self.may_write(fault) {
            return Ok(None);
        }
        let kept = self.workspace.contents().keep_place(self.workspace.root(), place);
        let kept = kept.map(|(digest, size_bytes)| Artifact { path: path.clone(), digest, size_bytes });
        kept.map(Some).map_err(|error| error.in_full())
    }

    /// Records what is about to be written over, or removed.
    fn record_overwritten(&self, artifacts: Vec<Artifact>) -> Result<(), String> {
        let recorded = self.request.force.as_ref().map(|force| force.record(self.workspace, artifacts));
        recorded.unwrap_or(Ok(())).map_err(|error| error.in_full())
    }

    // ---- what is no longer wanted ----

    pub(super) fn clear(&mut self, unwanted: Vec<(ArtifactPath, Digest)>) -> Result<()> {
        if self.request.prune && !self.is_whole_view && !unwanted.is_empty() {
            return Err(Error::store("cannot tell what is no longer wanted: not all facts could be read")
                .hint("nothing was removed; `lineage verify` says what is wrong"));
        }
        let mut places = Places::new(self.workspace.root());
        for (path, projected) in unwanted {
            let place = places.find(&path);
            let lies = match &place {
                Ok(place) => projection::look(place, &self.digests),
                Err(reason) => Lies::Blocked(reason.clone()),
            };
            let edited = match lies {
                Lies::File(now) if now == projected => None,
                Lies::File(now) => Some(now),
                // What is gone, or something else by now, is no longer ours.
                Lies::Nothing | Lies::Blocked(_) => {
                    self.forget(&path);
                    continue;
                }
            };
            let mut fault = Fault::Unwanted { edited };
            let mut mended = false;
            let place = place.unwrap_or_default();
            if self.request.prune
                && !self.request.dry_run
                && (edited.is_none() || self.request.force.is_some())
            {
                match self.remove(&path, &place, edited) {
                    Ok(()) => {
                        self.forget(&path);
                        mended = true;
                    }
                    Err(reason) => fault = Fault::Blocked(reason),
                }
            }
            self.report.files.push(ProjectedFile { path, fault, mended, size_bytes: 0, diff: None });
        }
        Ok(())
    }

    fn remove(&self, path: &ArtifactPath, place: &Path, edited: Option<Digest>) -> Result<(), String> {
        if let Some(digest) = edited {
            let kept = self.keep_edit(path, &Fault::Edited { digest }, place)?;
            self.record_overwritten(kept.into_iter().collect())?;
        }
        self.workspace.disk().remove(place).map_err(|cause| cause.to_string())
    }

    /// Writes down what was found, and returns the report.
    pub(super) fn end(mut self) -> ProjectReport {
        self.report.files.sort_by(|a, b| a.path.cmp(&b.path));
        if !self.request.dry_run && self.is_record_new {
            let path = memory::path(self.workspace);
            if let Err(cause) = self.record.save(self.workspace.disk(), &path) {
                self.report.warnings.push(format!(
                    "cannot write `{}`, so that the next call reads all files again: {cause}",
                    path.display()
                ));
            }
        }
        self.report
    }
}

/// Compares a file with what it is to hold, line by line; `None` where that says nothing to people.
fn diff(file: &ProjectedFile, place: &Path, new: &[u8]) -> Option<Vec<String>> {
    let old = match file.fault {
        Fault::Missing => Vec::new(),
        Fault::Outdated | Fault::Edited { .. } => {
            let is_small = place.metadata().is_ok_and(|metadata| metadata.len() <= DIFF_MAX_BYTES);
            if is_small { read_regular(place).ok()? } else { return None }
        }
        _ => return None,
    };
    if new.len() as u64 > DIFF_MAX_BYTES {
        return None;
    }
    let (old, new) = (String::from_utf8(old).ok()?, std::str::from_utf8(new).ok()?);
    let names = (format!("{} as it lies there", file.path), format!("{} as recorded", file.path));
    let compared = similar::TextDiff::from_lines(old.as_str(), new);
    let text = compared.unified_diff().context_radius(3).header(&names.0, &names.1).to_string();
    Some(text.lines().map(str::to_owned).collect())
}
