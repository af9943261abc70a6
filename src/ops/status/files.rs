//! Recorded files held against the disk.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;

use rayon::prelude::*;

use super::{AlteredFile, FileWriter, Looking, NotHere, RecordedFile, RemovedFile, RenamedFile};
use crate::capture::git::{CommitTree, InGit};
use crate::error::Result;
use crate::model::{Artifact, ArtifactPath, Digest, RunKind, Timestamp};
use crate::ops::Workspace;
use crate::ops::committed::Commits;
use crate::ops::locate::{digest_at, link_at};
use crate::ops::restore::RESTORE;
use crate::ops::run::is_temporary;
use crate::query::{self, NewestFile, Removers, Write, last_writer};
use crate::store::{ArtifactNo, GO_ON, PathNo};

/// What lies at a recorded path now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OnDisk {
    Same,
    /// Something, where nothing is recorded of the content that was last written there; which bytes, where the content of another
    /// version is.
    Unknown(Option<Digest>),
    Other(Digest),
    Gone,
    Unreadable(String),
    Elsewhere,
}

impl Looking<'_> {
    /// Reads the files on disk that lie at `paths`, but for those that were read already.
    pub(super) fn compare_read(&mut self, paths: &HashSet<PathNo>) -> Result<()> {
        let places: Vec<usize> = paths.iter().filter_map(|path| self.places.get(path)).copied().collect();
        self.compare(places.into_iter().filter(|at| !self.disk.contains_key(at)).collect::<Vec<_>>())
    }

    /// Reads files on disk.
    pub(super) fn compare(&mut self, wanted: impl IntoIterator<Item = usize>) -> Result<()> {
        let wanted: BTreeSet<usize> = wanted.into_iter().collect();
        let mut known_otherwise: HashSet<usize> = HashSet::new();
        for at in wanted.iter().filter(|at| !self.files[**at].artifact.has_content()) {
            if self.is_known_otherwise(self.files[*at].path_no)? {
                known_otherwise.insert(*at);
            }
        }
        let (workspace, files) = (self.workspace, &self.files);
        let looked = wanted.into_par_iter().map(|at| {
            let artifact = &files[at].artifact;
            let disk = match on_disk(workspace, artifact) {
                OnDisk::Unknown(_) if known_otherwise.contains(&at) => {
                    OnDisk::Unknown(bytes_at(workspace, &artifact.path))
                }
                disk => disk,
            };
            (at, disk)
        });
        let looked: Vec<(usize, OnDisk)> = looked.collect();
        let places: Vec<usize> = looked.iter().map(|(at, _)| *at).collect();
        self.disk.extend(looked);
        self.take_as_here(&places)?;
        self.take_as_restored(&places)
    }

    /// Takes for the newest version of a file the recorded one that lies there, where `restore` wrote it over the one that is newer: it
    /// is the one that is wanted, whatever has changed since it was made.
    fn take_as_restored(&mut self, looked: &[usize]) -> Result<()> {
        for at in looked {
            let OnDisk::Other(now) = self.disk[at] else { continue };
            let file = &self.files[*at];
            let known = self.snapshot.artifact_no(file.path_no, &now)?;
            let Some(version) = known.filter(|_| !file.superseded) else { continue };
            let written_at = file.writer.map_or(i64::MIN, |write| write.at);
            let is_restored = self.snapshot.overwritten_at(file.path_no)?.iter().any(|overwritten| {
                overwritten.command == RESTORE
                    && overwritten.at.micros() > written_at
                    && overwritten.artifact.digest != now
            });
            if is_restored {
                self.files[*at] = NewestFile {
                    number: version,
                    artifact: self.snapshot.artifact(version)?,
                    writer: last_writer(self.snapshot, version)?,
                    read_since: None,
                    ..file.clone()
                };
                self.disk.insert(*at, OnDisk::Same);
                self.restored.insert(version);
            }
        }
        Ok(())
    }

    /// Takes for the newest version of a file the recorded one that lies there, where git has the file so at `HEAD`: on another
    /// branch the newest versions are others, and what is asked is whether those that lie there belong together.
    pub(super) fn take_as_in_git(&mut self, targets: &[usize]) -> Result<()> {
        let mut head: Option<Option<CommitTree>> = None;
        for at in targets {
            let OnDisk::Other(now) = self.disk[at] else { continue };
            let file = &self.files[*at];
            let known = self.snapshot.artifact_no(file.path_no, &now)?;
            let Some(version) = known.filter(|_| !file.superseded) else { continue };
            let writer = last_writer(self.snapshot, version)?;
            // What somebody edited by hand is another matter, whoever read it.
            if writer.is_none() && file.writer.is_some() {
                continue;
            }
            let root = self.workspace.root();
            let head = head.get_or_insert_with(|| CommitTree::of_head(root).ok().flatten());
            let place = file.artifact.path.on_disk(root);
            let is_as_in_git = head.as_ref().zip(place).is_some_and(|(head, place)| {
                let path = head.work_tree().and_then(|tree| place.strip_prefix(tree).ok());
                path.is_some_and(|path| {
                    matches!(head.holds_file(path.as_os_str().as_encoded_bytes()), Ok(InGit::Same))
                })
            });
            if is_as_in_git {
                let artifact = self.snapshot.artifact(version)?;
                self.files[*at] =
                    NewestFile { number: version, artifact, writer, read_since: None, ..file.clone() };
                self.disk.insert(*at, OnDisk::Same);
            }
        }
        Ok(())
    }

    /// Returns true where the content of a version at a path is recorded.
    fn is_known_otherwise(&self, path: PathNo) -> Result<bool> {
        for version in self.snapshot.versions(path)? {
            let (digest, size_bytes) = self.snapshot.content(version)?;
            if Artifact::is_content(&digest, size_bytes) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Puts each file asked about into its list.
    pub(super) fn sort_out(&mut self, targets: &[usize]) -> Result<()> {
        let kept = self.kept_among(targets);
        self.kept.extend(kept);
        for at in targets {
            if self.disk[at] == OnDisk::Gone {
                let removal = self.removal(*at)?;
                self.removed.extend(removal.map(|removal| (*at, removal)));
            }
        }
        let mut removers = Removers::default();
        let mut commits = Commits::new(self.workspace, self.snapshot);
        for at in targets.iter().filter(|at| !self.known_otherwise.contains(at)).collect::<Vec<_>>() {
            let file = self.files[*at].clone();
            self.report.compared += 1;
            self.report.superseded += u64::from(file.superseded);
            match self.disk[at].clone() {
                OnDisk::Same => {
                    if let Some(newer) = self.newer_elsewhere.get(at).cloned() {
                        self.add_not_here(&newer, Some(file.artifact.digest))?;
                    }
                }
                OnDisk::Unknown(_) => {
                    self.report.without_content += 1;
                    self.report.compared -= 1;
                }
                OnDisk::Elsewhere => {
                    self.report.elsewhere += u64::from(!file.artifact.path.is_environment());
                    self.report.compared -= 1;
                }
                OnDisk::Other(now) => self.sort_out_altered(&file, now)?,
                OnDisk::Unreadable(reason) => {
                    let file = self.recorded(&file)?;
                    self.report.unreadable.push((file, reason));
                }
                OnDisk::Gone => self.sort_out_gone(*at, &file, &mut removers, &mut commits)?,
            }
        }
        Ok(())
    }

    /// Puts a file that has other bytes now into its list.
    fn sort_out_altered(&mut self, file: &NewestFile, now: Digest) -> Result<()> {
        let known = self.snapshot.artifact_no(file.path_no, &now)?;
        if known.is_some() && self.is_of_elsewhere(file)? {
            return self.add_not_here(file, Some(now));
        }
        let read_since = known.filter(|known| file.read_since == Some(*known));
        let mut read_by = None;
        if let Some(read) = read_since {
            // Code that a command wrote once is edited by hand from then on, and git has it.
            if self.is_in_git(read)? {
                self.report.edited_in_git += 1;
                return Ok(());
            }
            read_by = self.first_reader(read, file.writer)?;
        }
        let is_earlier_version = match (known, read_since) {
            (Some(known), Some(_)) => self.snapshot.is_written(known)?,
            (known, _) => known.is_some(),
        };
        let file = self.recorded(file)?;
        let place = file.artifact.path.on_disk(self.workspace.root());
        let leads_to = place.and_then(|place| std::fs::read_link(place).ok());
        self.report.changed.push(AlteredFile { file, now, is_earlier_version, read_by, leads_to });
        Ok(())
    }

    /// Tells whether something of another run stood at a path before one wrote there.
    fn was_written_before(&self, path: PathNo, write: &Write) -> Result<bool> {
        let own = self.snapshot.run_of(write.step)?;
        let mut last: Option<i64> = None;
        let _all = self.snapshot.path_writes_until(path, write.at, |at, step, _| {
            if self.snapshot.run_of(step)? != own {
                last = last.max(Some(at));
            }
            Ok(GO_ON)
        })?;
        let Some(last) = last else { return Ok(false) };
        let removed = self.snapshot.removals_until(path, write.at, |at, _, _| {
            Ok(if at >= last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(removed.is_continue())
    }

    /// Puts a file that is not there into its list.
    fn sort_out_gone(
        &mut self,
        at: usize,
        file: &NewestFile,
        removers: &mut Removers,
        commits: &mut Commits<'_>,
    ) -> Result<()> {
        let is_kept = self.kept.contains(&at);
        if !file.artifact.has_content() {
            self.report.without_content += 1;
            self.report.compared -= 1;
        } else if file.superseded {
            // Of those only altered ones are listed.
        } else if let Some(removal) = self.removed.get(&at) {
            let run = |step| self.snapshot.run_of(step);
            if let Some(write) = file.writer
                && run(write.step)? == run(removal.step)?
                && !self.was_written_before(file.path_no, &write)?
            {
                // What a run made for its own use is no file of the workspace.
                self.report.compared -= 1;
                return Ok(());
            }
            let by = removers.of(self.snapshot, file.path_no, removal)?;
            let file = self.recorded_last(file)?;
            self.report.removed.extend(by.map(|by| RemovedFile { file, by, is_kept }));
        } else if self.is_scratch(&file.artifact.path) {
            self.report.gone_outside += 1;
        } else if let Some(now_at) = self.renamed.get(&at).map(|new| new.path.clone()) {
            let file = self.recorded_last(file)?;
            self.report.renamed.push(RenamedFile { file, now_at });
        } else if is_kept {
            let last = self.recorded_last(file)?;
            let is_projected = last.writer.as_ref().is_some_and(|writer| writer.kind == RunKind::Pipeline);
            if !is_projected && self.is_of_elsewhere(file)? {
                self.add_not_here(file, None)?;
                self.never_here.insert(at);
            } else {
                self.report.pending.push(last);
            }
        } else if !file.artifact.path.is_inside() {
            self.report.gone_outside += 1;
        } else if self.is_in_git(file.last())? || commits.find(file.last())?.is_some() {
            self.report.in_git += 1;
        } else if self.is_of_elsewhere(file)? {
            self.add_not_here(file, None)?;
        } else {
            let file = self.recorded_last(file)?;
            if self.workspace.contents().hides(&file.artifact.digest) {
                let reason = "gone, and whether it is kept only its owner can see".to_owned();
                self.report.unreadable.push((file, reason));
            } else {
                self.lost.insert(at);
                self.report.lost.push(file);
            }
        }
        Ok(())
    }

    fn add_not_here(&mut self, file: &NewestFile, now: Option<Digest>) -> Result<()> {
        let file = self.recorded(file)?;
        let is_kept = matches!(self.workspace.contents().check(&file.artifact.digest), Ok(Some(_)));
        self.report.not_here.push(NotHere { file, now, is_kept });
        Ok(())
    }

    /// Returns true for a file outside the workspace that lay in a folder for temporary files: that it goes is what such are for.
    fn is_scratch(&self, path: &ArtifactPath) -> bool {
        !path.is_inside()
            && path
                .on_disk(self.workspace.root())
                .is_some_and(|place| is_temporary(&place, self.workspace.root()))
    }

    /// Returns those of the files gone from the disk whose content is kept and whole: a stored copy is never trusted unread.
    fn kept_among(&self, targets: &[usize]) -> HashSet<usize> {
        let gone = targets.par_iter().filter(|at| self.disk[at] == OnDisk::Gone);
        let kept = gone.filter(|at| {
            let number = self.files[**at].last();
            // Of a link, its text is all there is.
            let is_link = || matches!(self.snapshot.link_text(number), Ok(Some(_)));
            let last = self.snapshot.artifact(number);
            last.is_ok_and(|last| matches!(self.workspace.contents().check(&last.digest), Ok(Some(_))))
                || is_link()
        });
        kept.copied().collect()
    }

    /// Returns true for a file that was read as it stands in a commit.
    fn is_in_git(&mut self, artifact: ArtifactNo) -> Result<bool> {
        let Some((_, step)) = self.snapshot.first_read(artifact)? else { return Ok(false) };
        // One step may have read thousands of files that are gone.
        let code = match self.code_of.entry(step) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let edges = self.snapshot.edges(step)?;
                let used = edges.iter().flat_map(|edges| &edges.used);
                place.insert(
                    used.filter(|edge| edge.role.is_as_committed()).map(|edge| edge.artifact).collect(),
                )
            }
        };
        Ok(code.contains(&artifact))
    }

    pub(super) fn recorded(&mut self, file: &NewestFile) -> Result<RecordedFile> {
        let writer = match file.writer {
            Some(write) => self.writer(write)?,
            None => None,
        };
        Ok(RecordedFile { artifact: file.artifact.clone(), writer, link_names: Vec::new() })
    }

    /// Names the version that lay there last, which no step may have written.
    fn recorded_last(&mut self, file: &NewestFile) -> Result<RecordedFile> {
        match file.read_since {
            Some(read) => Ok(RecordedFile {
                artifact: self.snapshot.artifact(read)?,
                writer: None,
                link_names: Vec::new(),
            }),
            None => self.recorded(file),
        }
    }

    /// Returns the tail of the run that was the first to read a version since a write.
    pub(super) fn first_reader(&self, version: ArtifactNo, since: Option<Write>) -> Result<Option<String>> {
        let since = since.map_or(i64::MIN, |write| write.at);
        let first = self.snapshot.first_read_since(version, since)?;
        let run = first.map_or(Ok(None), |(_, step)| self.snapshot.run_of(step))?;
        let run = run.map_or(Ok(None), |run| self.snapshot.run(run))?;
        run.map(|run| query::unique_tail(self.snapshot, run.id)).transpose()
    }

    pub(super) fn writer(&mut self, write: Write) -> Result<Option<FileWriter>> {
        let Some(number) = self.snapshot.run_of(write.step)? else {
            return Ok(None);
        };
        if !self.writers.contains_key(&number) {
            let run = match self.snapshot.run(number)? {
                Some(run) => Some((query::unique_tail(self.snapshot, run.id)?, run.run_id, run.kind)),
                None => None,
            };
            self.writers.insert(number, run);
        }
        Ok(self.writers[&number].clone().map(|(tail, run_id, kind)| FileWriter {
            tail,
            run_id,
            kind,
            at: Timestamp::from_micros(write.at),
        }))
    }
}

/// Returns the digest of what lies at a path, as far as it can be read.
fn bytes_at(workspace: &Workspace, path: &ArtifactPath) -> Option<Digest> {
    let place = path.on_disk(workspace.root())?;
    digest_at(workspace, &place).ok()
}

pub(super) fn on_disk(workspace: &Workspace, artifact: &Artifact) -> OnDisk {
    let Some(place) = artifact.path.on_disk(workspace.root()) else {
        return OnDisk::Elsewhere;
    };
    if !artifact.has_content() {
        return if place.exists() { OnDisk::Unknown(None) } else { OnDisk::Gone };
    }
    if link_at(&place) == Some(artifact.digest) {
        return OnDisk::Same;
    }
    match digest_at(workspace, &place) {
        Ok(digest) if digest == artifact.digest => OnDisk::Same,
        Ok(digest) => OnDisk::Other(digest),
        Err(cause)
            if matches!(cause.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
        {
            OnDisk::Gone
        }
        Err(cause) => OnDisk::Unreadable(cause.to_string()),
    }
}
