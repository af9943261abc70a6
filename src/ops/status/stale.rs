//! Files that were made from what is no longer so, or from what is not certain.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use super::files::{OnDisk, on_disk};
use super::renamed::NewName;
use super::{DoubtfulFile, LeftOver, Looking, RecordedFile, StaleCause, StaleFile, StatusReport};
use crate::error::Result;
use crate::model::{Artifact, ArtifactPath, Digest, RunKind};
use crate::ops::link_names::LinkNames;
use crate::query::{
    self, Ancestry, Causes, NewestFile, Now, OutOfDate, Outdated, Removal, Write, is_telling, unique_tail,
};
use crate::store::{PathNo, RunNo};

/// Where a run put the bytes of what it took away.
enum MovedTo {
    Nowhere,
    /// Where they lie, or lay: what became of them there is told of that.
    Lies,
    /// Where other bytes lie by now.
    Changed(NewName),
}

/// A file that may be stale, and the run of its command that left it as it was.
pub(super) type MayBeStale = (StaleFile, Option<RunNo>);

impl Looking<'_> {
    /// Returns what lies at a path now; where it is gone and was written, what can be written again.
    pub(super) fn now(&self, path: PathNo) -> Option<Now> {
        let at = self.places.get(&path)?;
        let file = &self.files[*at];
        match self.disk.get(at)? {
            OnDisk::Other(digest) => Some(Now::Bytes(*digest)),
            OnDisk::Gone if let Some(name) = self.new_name(*at) => Some(Now::Bytes(name.now)),
            OnDisk::Gone if let Some(by) = self.gone.get(at) => Some(Now::Gone(*by)),
            // What is no file, such as the environment of a program, is another thing to each of its readers.
            OnDisk::Gone | OnDisk::Elsewhere if file.read_since.is_some() => None,
            OnDisk::Gone | OnDisk::Elsewhere => file.writer.map(|_| Now::Bytes(file.artifact.digest)),
            OnDisk::Unknown(Some(digest)) => Some(Now::Perhaps(*digest)),
            // What is not known may be what it was.
            OnDisk::Same | OnDisk::Unknown(None) | OnDisk::Unreadable(_) => {
                Some(Now::Bytes(file.artifact.digest))
            }
        }
    }

    /// Returns true where these bytes lie at a path, so that nobody moved them away from there.
    pub(super) fn lies_there(&self, path: PathNo, digest: &Digest) -> bool {
        let Some(at) = self.places.get(&path) else { return false };
        match self.disk.get(at) {
            Some(OnDisk::Same) => self.files[*at].artifact.digest == *digest,
            Some(OnDisk::Other(now) | OnDisk::Unknown(Some(now))) => now == digest,
            _ => false,
        }
    }

    /// Finds what is gone that nobody can make again: no run wrote it. What a run took away that nobody had written is so for all others
    /// that had read it; what lay there otherwise is no longer wanted.
    pub(super) fn find_gone(&mut self) -> Result<()> {
        let gone: Vec<usize> =
            self.disk.iter().filter(|(_, disk)| **disk == OnDisk::Gone).map(|(at, _)| *at).collect();
        for at in gone {
            let file = &self.files[at];
            let is_source = file.writer.is_none() || file.read_since.is_some();
            if is_source
                && file.artifact.has_content()
                && file.artifact.path.is_inside()
                && self.new_name(at).is_none()
                && !self.is_of_elsewhere(file)?
            {
                let removal = self.removal(at)?;
                let Some(removal) = removal else {
                    self.gone.insert(at, None);
                    continue;
                };
                if file.writer.is_some() {
                    continue;
                }
                match self.moved_by(&removal, file)? {
                    MovedTo::Nowhere => {
                        let run = self.snapshot.run_of(removal.step)?;
                        self.gone.insert(at, run.map(|run| (run, removal.at)));
                    }
                    MovedTo::Lies => {}
                    // It is the same file, and has changed since.
                    MovedTo::Changed(name) => drop(self.renamed.insert(at, name)),
                }
            }
        }
        Ok(())
    }

    /// Tells where the run that took a file away put its bytes.
    fn moved_by(&self, removal: &Removal, file: &NewestFile) -> Result<MovedTo> {
        let Some(run) = self.snapshot.run_of(removal.step)? else { return Ok(MovedTo::Nowhere) };
        let began_at = self.snapshot.run(run)?.map_or(i64::MIN, |run| run.started_at.micros());
        let mut written = Vec::new();
        let _earlier = self.snapshot.content_writes_until(file.number, i64::MAX, |at, step, version| {
            if at < began_at {
                return Ok(ControlFlow::Break(()));
            }
            if self.snapshot.run_of(step)? == Some(run) {
                written.push(version);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let mut found = MovedTo::Nowhere;
        for version in written {
            let artifact = self.snapshot.artifact(version)?;
            let path = self.snapshot.path_of(version);
            found = match on_disk(self.workspace, &artifact) {
                // What was taken away from there as well is not what has taken its place.
                OnDisk::Other(now)
                    if is_telling(artifact.size_bytes) && !self.is_removed_since(path, removal.at)? =>
                {
                    MovedTo::Changed(NewName::telling(artifact.path, now))
                }
                _ => return Ok(MovedTo::Lies),
            };
        }
        Ok(found)
    }

    fn is_removed_since(&self, path: PathNo, since: i64) -> Result<bool> {
        let last = self.snapshot.removals_until(path, i64::MAX, |at, _, _| Ok(ControlFlow::Break(at)))?;
        Ok(last.break_value().is_some_and(|at| at > since))
    }

    /// Finds what is stale, and lists the first `listed`. Returns what of these may be, each file by its place.
    pub(super) fn find_stale(
        &mut self,
        current: &[(usize, Write)],
        listed: usize,
        ancestry: &mut Ancestry,
    ) -> Result<HashMap<usize, MayBeStale>> {
        let mut may_be_stale = HashMap::new();
        let is_here = |run| self.here.has_run(self.snapshot, run);
        let outdated =
            |ancestry: &Ancestry| ancestry.outdated(self.snapshot, &|path| self.now(path), &is_here);
        // What was restored is wanted so, and what it makes stale is told apart.
        let mut behind_restored = Vec::new();
        if !self.restored.is_empty() {
            behind_restored = outdated(ancestry)?;
            ancestry.end_at(&self.restored);
        }
        let outdated = outdated(ancestry)?;
        behind_restored.resize_with(outdated.len(), OutOfDate::default);
        let found = outdated.into_iter().zip(behind_restored);
        for (number, ((at, _), (found, behind_restored))) in current.iter().zip(found).enumerate() {
            let OutOfDate { stale, left_over, settled, kept_up, may_be, left_by, carried } = found;
            let is_listed = number < listed;
            if let Some((run, causes)) = left_over {
                if is_listed && !self.known_otherwise.contains(at) {
                    self.add_left_over(*at, run, causes)?;
                }
                continue;
            }
            // What was altered or lost itself is listed as that.
            if !self.is_as_recorded(*at) || self.known_otherwise.contains(at) {
                continue;
            }
            if !stale.is_empty() {
                let stale = self.stale_file(*at, stale)?;
                self.add_stale(*at, &stale, is_listed)?;
                if is_listed {
                    self.report.stale.push(stale);
                }
            } else if !is_listed {
                // Only what is stale for certain is to be made again.
            } else if !may_be.is_empty() {
                may_be_stale.insert(*at, (self.stale_file(*at, may_be)?, left_by));
            } else if let Some(causes) = behind_restored.at_all() {
                let file = self.stale_file(*at, causes)?;
                self.again.listed.push(self.files[*at].number);
                self.report.restored.push(file);
            } else if !kept_up.is_empty() || !settled.is_empty() {
                let older = if kept_up.is_empty() { settled } else { kept_up };
                let older = self.stale_file(*at, older)?;
                self.report.older.push(older);
            } else if !carried.is_empty() {
                let carried = self.stale_file(*at, carried)?;
                self.report.carried.push(carried);
            }
        }
        Ok(may_be_stale)
    }

    /// Names what was found also as links call it: that is the name which people use.
    pub(super) fn name_links(&mut self) -> Result<()> {
        let StatusReport { stale, left_over, doubtful, restored, .. } = &mut self.report;
        let files = stale.iter_mut().chain(restored).map(|stale| &mut stale.file);
        let files = files.chain(left_over.iter_mut().map(|left| &mut left.file.file));
        let mut files = files.chain(doubtful.iter_mut().map(|doubtful| &mut doubtful.file)).peekable();
        if files.peek().is_some() {
            let names = LinkNames::of(self.workspace, self.snapshot)?;
            files.for_each(|file| file.link_names = names.of_file(&file.artifact.path));
        }
        Ok(())
    }

    /// Lists a file that its command may make no more. Where somebody took it away that nobody has read, that is as it should be, and
    /// nothing is to be made again.
    fn add_left_over(&mut self, at: usize, run: RunNo, causes: Causes<Outdated>) -> Result<()> {
        let is_gone = self.disk[&at] == OnDisk::Gone;
        let file = self.stale_file(at, causes)?;
        if is_gone && !self.removed.contains_key(&at) {
            let number = self.files[at].number;
            if self.snapshot.first_read(number)?.is_some()
                || !self.snapshot.models_with_any(&[number])?.is_empty()
            {
                return Ok(());
            }
            let is_other = |other: &RecordedFile| other.artifact.path != file.file.artifact.path;
            self.report.pending.retain(is_other);
            self.report.lost.retain(is_other);
            self.lost.remove(&at);
            self.report.older.push(file);
        } else if matches!(self.disk[&at], OnDisk::Same | OnDisk::Unknown(_))
            && let Some(run) = self.snapshot.run(run)?
        {
            let by = unique_tail(self.snapshot, run.id)?;
            self.report.left_over.push(LeftOver { file, by });
        }
        Ok(())
    }

    /// Returns those of some files that a run wrote last and that no later one superseded, each with its write.
    pub(super) fn current(&self, files: &[usize]) -> Vec<(usize, Write)> {
        let written = files.iter().map(|at| (*at, &self.files[*at]));
        let written = written.filter(|(_, file)| !file.superseded);
        written.filter_map(|(at, file)| Some((at, file.writer?))).collect()
    }

    fn stale_file(&mut self, at: usize, outdated: Causes<Outdated>) -> Result<StaleFile> {
        let causes = self.causes(outdated.first)?;
        let file = self.files[at].clone();
        let file = self.recorded(&file)?;
        Ok(StaleFile { file, causes, causes_total: outdated.total })
    }

    pub(super) fn causes(&mut self, outdated: Vec<Outdated>) -> Result<Vec<StaleCause>> {
        let mut causes = Vec::with_capacity(outdated.len());
        for cause in outdated {
            let mut used = self.snapshot.artifact(cause.used)?;
            let now = match self.now(cause.path) {
                Some(Now::Bytes(digest) | Now::Perhaps(digest)) => Some(digest),
                Some(Now::Gone(_)) => None,
                None => continue,
            };
            let at = self.places[&cause.path];
            let newest = self.files[at].clone();
            used.path = self.new_name(at).map_or(&newest.artifact.path, |name| &name.path).clone();
            let is_written = Some(newest.artifact.digest) == now && !self.restored.contains(&newest.number);
            let write = newest.writer.filter(|_| is_written);
            let mut run = match write {
                Some(write) => self.writer(write)?.map(|writer| writer.tail),
                None => None,
            };
            if let Some(Now::Gone(Some((by, _)))) = self.now(cause.path)
                && let Some(by) = self.snapshot.run(by)?
            {
                run = Some(unique_tail(self.snapshot, by.id)?);
            }
            let known = match now.filter(|_| run.is_none()) {
                Some(now) => self.snapshot.artifact_no(cause.path, &now)?,
                None => None,
            };
            let read_by = known.map_or(Ok(None), |known| self.first_reader(known, newest.writer))?;
            causes.push(StaleCause { used, now, run, read_by });
        }
        Ok(causes)
    }

    fn is_as_recorded(&self, at: usize) -> bool {
        let is_pending =
            self.kept.contains(&at) && !self.removed.contains_key(&at) && !self.never_here.contains(&at);
        matches!(self.disk[&at], OnDisk::Same | OnDisk::Unknown(_))
            || ((is_pending || self.is_moved(at)) && self.files[at].read_since.is_none())
    }

    /// Finds files that may be stale, files whose inputs were changed while they were read, files that two runs at once claim to
    /// have written, and such as somebody wrote over meanwhile. What is stale is to be made again in any case.
    pub(super) fn find_doubtful(
        &mut self,
        current: &[(usize, Write)],
        ancestry: &Ancestry,
        mut may_be_stale: HashMap<usize, MayBeStale>,
    ) -> Result<()> {
        let stale: HashSet<Artifact> =
            self.report.stale.iter().map(|stale| stale.file.artifact.clone()).collect();
        let mut compiled: HashMap<Artifact, bool> = HashMap::new();
        for ((at, write), inputs) in current.iter().zip(ancestry.doubtful(self.snapshot)?) {
            let file = self.files[*at].clone();
            if !self.is_as_recorded(*at) || stale.contains(&file.artifact) {
                continue;
            }
            // Where nothing stands in a file, as in a lock, it is no matter who made it.
            let is_empty = file.artifact.has_content() && file.artifact.size_bytes == 0;
            let claims = if is_empty { Vec::new() } else { query::also_claimed_by(self.snapshot, write)? };
            let mut others = Vec::new();
            for other in claims {
                // At the same path, but of its own workspace.
                if self.here.has_run(self.snapshot, other)? {
                    others.push(other);
                }
            }
            let may_be = may_be_stale.remove(at);
            // What a command was seen to write is known, unless somebody else wrote over it before it could be read.
            let is_overwritten = file.artifact.path.is_inside()
                && matches!(self.disk[at], OnDisk::Unknown(_))
                && self.writer(*write)?.is_some_and(|writer| writer.kind == RunKind::Command);
            if inputs.is_empty() && others.is_empty() && may_be.is_none() && !is_overwritten {
                continue;
            }
            let mut also_written_by = Vec::with_capacity(others.len());
            for other in others {
                if let Some(run) = self.snapshot.run(other)? {
                    also_written_by.push(unique_tail(self.snapshot, run.id)?);
                }
            }
            also_written_by.sort();
            let (mut causes, mut causes_total, mut left_by) = (Vec::new(), 0, None);
            if let Some((file, run)) = may_be {
                (causes, causes_total) = (file.causes, file.causes_total);
                let run = run.map_or(Ok(None), |run| self.snapshot.run(run))?;
                left_by = run.map(|run| unique_tail(self.snapshot, run.id)).transpose()?;
            }
            let file = self.recorded(&file)?;
            self.report.doubtful.push(DoubtfulFile {
                file,
                causes,
                causes_total,
                left_by,
                ran_as_compiled: self.ran_as_compiled(&inputs.first, &mut compiled)?,
                changed_while_read: inputs.first,
                changed_while_read_total: inputs.total,
                also_written_by,
                is_overwritten,
            });
        }
        Ok(())
    }

    /// Lists those of some files that ran, in a run that read them, as they had been compiled.
    fn ran_as_compiled(
        &self,
        files: &[Artifact],
        known: &mut HashMap<Artifact, bool>,
    ) -> Result<Vec<ArtifactPath>> {
        let mut found = Vec::new();
        for file in files {
            let is_compiled = match known.get(file) {
                Some(is_compiled) => *is_compiled,
                None => {
                    let is_compiled = self.has_run_as_compiled(file)?;
                    known.insert(file.clone(), is_compiled);
                    is_compiled
                }
            };
            if is_compiled {
                found.push(file.path.clone());
            }
        }
        Ok(found)
    }

    fn has_run_as_compiled(&self, file: &Artifact) -> Result<bool> {
        for number in self.snapshot.artifact_nos([file])? {
            let mut last = None;
            let found = self.snapshot.reads_between(number, i64::MIN, i64::MAX, |_, step| {
                let Some(run) = self.snapshot.run_of(step)?.filter(|run| last != Some(*run)) else {
                    return Ok(ControlFlow::Continue(()));
                };
                last = Some(run);
                let view = query::run_view(self.snapshot, run)?;
                let is_so = view.is_some_and(|view| view.ran_as_compiled(&file.path));
                Ok(if is_so { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
            if found.is_break() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
