//! Where the bytes that somebody read came from: one step back, by time.

use std::cmp::Reverse;
use std::ops::ControlFlow;

use crate::error::{Error, Kind, Result};
use crate::model::{CaptureLevel, NodeId, Remark, RemarkKind, RunKind};
use crate::query::history::RERUN_SCHEME;
use crate::query::together::WriteKey;
use crate::store::{ArtifactNo, GO_ON, PathNo, RunNo, Snapshot, StepNo};

/// One write of an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Write {
    /// What was written.
    pub artifact: ArtifactNo,
    /// Microseconds of the last write.
    pub at: i64,
    /// The step that wrote.
    pub step: StepNo,
    /// That step's key, which orders simultaneous writes the same way in every store.
    pub id: NodeId,
}

impl Write {
    /// What was written, when, by whom.
    pub(crate) fn key(&self) -> WriteKey {
        (self.artifact, self.at, self.step)
    }
}

/// Where an artifact that was read came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A step wrote those bytes at that path.
    Written(Write),
    /// Nobody wrote them there, but a step wrote the same bytes at another path before they were first seen: copied or moved.
    Copied(Write),
    /// Likewise, but these are so few that anybody may have written them anew: that is no origin.
    Alike(Write),
    /// Nobody wrote those bytes, but a step wrote other bytes at that path before: something unrecorded came between.
    Gap(Write),
    /// Nobody is known to have written those bytes, but a step wrote at that path before, and nobody knows what: it may be these.
    Unknown(Write),
    /// Nobody recorded wrote there before.
    Source,
}

impl Origin {
    /// Returns true where a step is recorded to have made the bytes, or may have.
    pub(crate) fn is_made(&self) -> bool {
        !matches!(self, Origin::Source | Origin::Alike(_) | Origin::Gap(_))
    }
}

/// Of a content of fewer bytes it proves nothing that it lies in two places: `{}`, a seed, a line of headings.
const TELLING_BYTES_MIN: u64 = 64;

/// Returns true where it proves something that a content of so many bytes lies in two places.
pub(crate) fn is_telling(size_bytes: u64) -> bool {
    size_bytes >= TELLING_BYTES_MIN
}

/// Finds the origin of an artifact as `reader` read it at `read_at` microseconds.
///
/// The writer is the last step that finished writing those bytes at that path before they were read: not the last writer of
/// the path, and not a later writer of the same bytes. Where there is none, it is the last step that wrote the same bytes
/// elsewhere before they were first seen here, that is, first read since other bytes were last written at the path: what was
/// here before somebody made a copy of it is no copy; nor is what a run read that wrote those bytes elsewhere itself, while
/// all of its writes were seen, nor what lay there when those began that wrote them elsewhere, as git says, or the file system
/// of the same machine. Few bytes are a copy of nothing ([`Origin::Alike`]). Of simultaneous writes, that which was recorded as it happened counts before one that was imported from
/// what another program noted of it; then that of the step with the greatest key, then that of the artifact with the greatest
/// digest, then that at the smallest path. A step's own writes are never its inputs' origin.
///
/// Where several steps of a run wrote the version together, this is the last of them; `query::together` knows the others.
///
/// Cost: a few index look-ups, however often the artifact was used, and however many copies of it there are.
///
/// # Errors
/// A store error where a record is damaged.
pub fn origin(
    snapshot: &Snapshot,
    artifact: ArtifactNo,
    read_at: i64,
    reader: Option<StepNo>,
) -> Result<Origin> {
    origin_and_others(snapshot, artifact, read_at, reader).map(|(origin, _)| origin)
}

/// As [`origin`]; and whether there may be other writes of the same version, which [`written_along`] finds.
///
/// [`written_along`]: super::together::written_along
pub(crate) fn origin_and_others(
    snapshot: &Snapshot,
    artifact: ArtifactNo,
    read_at: i64,
    reader: Option<StepNo>,
) -> Result<(Origin, bool)> {
    let mut last = Last::default();
    let mut rows = 0;
    let _earlier = snapshot.writes_until(artifact, read_at, |at, step| {
        rows += 1;
        last.offer(at, step, artifact, reader)
    })?;
    match last.choose(snapshot)? {
        Some(write) => Ok((Origin::Written(write), rows > 1)),
        None => Ok((origin_unwritten(snapshot, artifact, read_at, reader)?, true)),
    }
}

/// Finds the origin of an artifact that nobody wrote at its path before it was read.
pub(crate) fn origin_unwritten(
    snapshot: &Snapshot,
    artifact: ArtifactNo,
    read_at: i64,
    reader: Option<StepNo>,
) -> Result<Origin> {
    let other_bytes = last_write_at_path(snapshot, snapshot.path_of(artifact), read_at, reader)?;
    if let Some(write) = other_bytes
        && !snapshot.artifact(write.artifact)?.has_content()
    {
        return Ok(Origin::Unknown(write));
    }
    // All empty files are equal; that says nothing on where they came from.
    let size_bytes = snapshot.content(artifact)?.1;
    let mut alike = None;
    if size_bytes > 0 {
        let since = other_bytes.map_or(i64::MIN, |write| write.at);
        let first = FirstSeen::of(snapshot, artifact, since, read_at, reader)?;
        let mut until = first.at;
        for _ in 0..LOOKED_BACK_MAX {
            let Some(write) = last_write_elsewhere(snapshot, artifact, until, reader, &first)? else { break };
            match lay_there_before(snapshot, artifact, &write)? {
                Some(began_at) => until = began_at.min(write.at) - 1,
                None if first.lay_there_before(snapshot, artifact, &write)? => until = write.at - 1,
                None if is_telling(size_bytes) => return Ok(Origin::Copied(write)),
                None => {
                    alike = Some(write);
                    break;
                }
            }
        }
    }
    Ok(match other_bytes {
        None => alike.map_or(Origin::Source, Origin::Alike),
        Some(write) => Origin::Gap(write),
    })
}

/// Finds the last write of the same bytes at another path, of which `artifact` can be a copy.
///
/// What a repetition wrote in its copy of the workspace comes after all else: that copy is gone. And a run all of whose writes
/// were seen made no copy that it is not recorded to have written: what it reads unwritten was there before.
fn last_write_elsewhere(
    snapshot: &Snapshot,
    artifact: ArtifactNo,
    until: i64,
    reader: Option<StepNo>,
    first: &FirstSeen,
) -> Result<Option<Write>> {
    let own_run = reader.map_or(Ok(None), |reader| snapshot.run_of(reader))?;
    let mut own_is_seen: Option<bool> = None;
    let (mut last, mut repeated) = (Last::default(), Last::default());
    let _earlier = snapshot.content_writes_until(artifact, until, |at, step, written| {
        if written == artifact {
            // The reader's own: nobody else wrote it here by then.
            return Ok(GO_ON_LOOKING);
        }
        if at == first.at
            && (first.readers.contains(&step)
                || !snapshot.run_of(step)?.map_or(Ok(true), |run| is_witnessed(snapshot, run))?)
        {
            // Whoever reads and writes at one moment reads first; who noted that write has its time from there.
            return Ok(GO_ON_LOOKING);
        }
        if last.is_before(at) {
            return Ok(ControlFlow::Break(()));
        }
        if let Some(run) = own_run.filter(|_| Some(step) != reader)
            && snapshot.run_of(step)? == Some(run)
        {
            let is_seen = match own_is_seen {
                Some(known) => known,
                None => *own_is_seen.insert(sees_all_writes(snapshot, run)?),
            };
            if is_seen {
                return Ok(GO_ON_LOOKING);
            }
        }
        if snapshot.artifact_path(written)?.as_bytes().starts_with(RERUN_SCHEME) {
            let _is_earlier = repeated.offer(at, step, written, reader)?;
            return Ok(GO_ON_LOOKING);
        }
        last.offer(at, step, written, reader)
    })?;
    match last.choose(snapshot)? {
        Some(write) => Ok(Some(write)),
        None => repeated.choose(snapshot),
    }
}

/// So many writes of the same bytes elsewhere are looked at that came when the file lay there already; then it is no copy.
const LOOKED_BACK_MAX: usize = 16;

/// Returns when the run of a write began, where `artifact` lay in its place by then: the code state of that run lists it among
/// the files that were changed or not tracked.
fn lay_there_before(snapshot: &Snapshot, artifact: ArtifactNo, write: &Write) -> Result<Option<i64>> {
    let run = snapshot.run_of(write.step)?.map_or(Ok(None), |run| snapshot.run_origin(run))?;
    let Some(run) = run.filter(|run| run.lists_files()) else {
        return Ok(None);
    };
    let artifact = snapshot.artifact(artifact)?;
    Ok(run.lists(artifact.path, artifact.digest).then_some(run.started_at.micros()))
}

/// The first read of an artifact since other bytes were written at its path.
struct FirstSeen {
    at: i64,
    /// Those who read it then, and the one it is about.
    readers: Vec<StepNo>,
}

/// So many who read a file at the same moment are asked since when it had lain there: they are one and those it told.
const FIRST_READERS_MAX: usize = 16;

impl FirstSeen {
    fn of(
        snapshot: &Snapshot,
        artifact: ArtifactNo,
        since: i64,
        read_at: i64,
        reader: Option<StepNo>,
    ) -> Result<Self> {
        let mut first: Option<i64> = None;
        let mut readers: Vec<StepNo> = Vec::new();
        let _later = snapshot.reads_between(artifact, since, read_at, |at, step| {
            if *first.get_or_insert(at) != at || readers.len() >= FIRST_READERS_MAX {
                return Ok(ControlFlow::Break(()));
            }
            readers.push(step);
            Ok(GO_ON_LOOKING)
        })?;
        readers.extend(reader.filter(|reader| !readers.contains(reader)));
        Ok(FirstSeen { at: first.unwrap_or(read_at), readers })
    }

    /// Returns true where one of those who read it, on the machine of the write, found that nothing of the file had been changed
    /// since before the writer began.
    fn lay_there_before(&self, snapshot: &Snapshot, artifact: ArtifactNo, write: &Write) -> Result<bool> {
        let run_of = |step| snapshot.run_of(step)?.map_or(Ok(None), |run| snapshot.run_origin(run));
        let mut writer = None;
        for reader in &self.readers {
            let times = snapshot.step_times(*reader)?;
            let Some(since) = times.and_then(|times| times.unchanged_since(artifact)) else { continue };
            if writer.is_none() {
                writer = snapshot.step_times(write.step)?.zip(run_of(write.step)?);
            }
            let Some((step, run)) = &writer else { break };
            let is_one_machine = run_of(*reader)?.is_some_and(|reader| reader.host == run.host);
            if is_one_machine && since < step.started_at {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

const GO_ON_LOOKING: ControlFlow<()> = ControlFlow::Continue(());

/// Returns true for an observed command of whose writes none can have been missed.
fn sees_all_writes(snapshot: &Snapshot, run: RunNo) -> Result<bool> {
    if snapshot.run_origin(run)?.is_none_or(|run| run.kind != RunKind::Command) {
        return Ok(false);
    }
    let said = snapshot.remarks(run)?;
    let level = said.iter().filter_map(|remarks| remarks.level).max();
    let is_unseen = |remark: &Remark| matches!(remark.kind, RemarkKind::Unseen | RemarkKind::Fault);
    let is_whole = said.iter().all(|said| said.omitted == 0 && !said.remarks.iter().any(is_unseen));
    Ok(is_whole && level == Some(CaptureLevel::Net))
}

/// Finds the last write of any bytes at a path up to `until`, not by `reader` itself.
pub(crate) fn last_write_at_path(
    snapshot: &Snapshot,
    path: PathNo,
    until: i64,
    reader: Option<StepNo>,
) -> Result<Option<Write>> {
    last_write_by(snapshot, path, until, &mut |step| Ok(Some(step) != reader))
}

/// Finds the last write of any bytes at a path up to `until`, by a step that `counts` accepts.
pub(crate) fn last_write_by(
    snapshot: &Snapshot,
    path: PathNo,
    until: i64,
    counts: &mut dyn FnMut(StepNo) -> Result<bool>,
) -> Result<Option<Write>> {
    let mut last = Last::default();
    let _earlier = snapshot.path_writes_until(path, until, |at, step, written| match counts(step)? {
        true => last.offer(at, step, written, None),
        false => Ok(GO_ON_LOOKING),
    })?;
    last.choose(snapshot)
}

/// Returns the last write of an artifact: the first of [`writers`], however many there are.
///
/// # Errors
/// A store error where a record is damaged.
pub fn last_writer(snapshot: &Snapshot, artifact: ArtifactNo) -> Result<Option<Write>> {
    let mut last = Last::default();
    let _earlier =
        snapshot.writes_until(artifact, i64::MAX, |at, step| last.offer(at, step, artifact, None))?;
    last.choose(snapshot)
}

/// Returns every write of an artifact, the last first.
///
/// # Errors
/// A store error where a record is damaged.
pub fn writers(snapshot: &Snapshot, artifact: ArtifactNo) -> Result<Vec<Write>> {
    let mut found = Vec::new();
    snapshot.writes_until(artifact, i64::MAX, |at, step| {
        found.push((at, step));
        Ok(GO_ON)
    })?;
    let mut writes = Vec::with_capacity(found.len());
    for at_once in found.chunk_by(|left, right| left.0 == right.0) {
        for (at, step) in at_once.iter().copied() {
            let head = snapshot.step_head(step)?.ok_or_else(|| lost(step))?;
            let is_witnessed = at_once.len() == 1 || is_witnessed(snapshot, head.run)?;
            writes.push((is_witnessed, Write { artifact, at, step, id: head.id }));
        }
    }
    writes.sort_by_key(|(is_witnessed, write)| Reverse((write.at, *is_witnessed, write.id)));
    Ok(writes.into_iter().map(|(_, write)| write).collect())
}

/// Returns true unless a run was imported from what another program noted of it.
fn is_witnessed(snapshot: &Snapshot, run: RunNo) -> Result<bool> {
    Ok(snapshot.run_origin(run)?.is_none_or(|run| run.kind != RunKind::Import))
}

/// Gathers the writes of the latest moment that are not the reader's own.
#[derive(Default)]
struct Last {
    found: Vec<(i64, StepNo, ArtifactNo)>,
}

impl Last {
    /// Returns true where all that counts is later than `at`.
    fn is_before(&self, at: i64) -> bool {
        self.found.first().is_some_and(|(latest, ..)| *latest != at)
    }

    fn offer(
        &mut self,
        at: i64,
        step: StepNo,
        artifact: ArtifactNo,
        reader: Option<StepNo>,
    ) -> Result<ControlFlow<()>> {
        if self.is_before(at) {
            return Ok(ControlFlow::Break(()));
        }
        if Some(step) != reader {
            self.found.push((at, step, artifact));
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Of simultaneous writes, takes one that was recorded as it happened, then that of the step whose key is greatest; of its
    /// artifacts the one with the greatest digest, then the one with the smallest path.
    fn choose(self, snapshot: &Snapshot) -> Result<Option<Write>> {
        let is_alone = self.found.len() == 1;
        let mut best: Option<(bool, Write)> = None;
        for (at, step, artifact) in self.found {
            let head = snapshot.step_head(step)?.ok_or_else(|| lost(step))?;
            let is_witnessed = is_alone || is_witnessed(snapshot, head.run)?;
            let write = Write { artifact, at, step, id: head.id };
            let better = match &best {
                None => true,
                Some((_, best)) if best.id == head.id => {
                    let (new, old) = (snapshot.artifact(artifact)?, snapshot.artifact(best.artifact)?);
                    (new.digest, new.size_bytes, Reverse(new.path))
                        > (old.digest, old.size_bytes, Reverse(old.path))
                }
                Some((was_witnessed, best)) => (is_witnessed, head.id) > (*was_witnessed, best.id),
            };
            if better {
                best = Some((is_witnessed, write));
            }
        }
        Ok(best.map(|(_, write)| write))
    }
}

/// An index names a step that is not there.
pub(crate) fn lost(step: StepNo) -> Error {
    Error::new(Kind::Damage, format!("the store names a step that it does not hold ({step:?})"))
        .hint("the journal is not harmed: delete `.lineage/store.redb` and it is rebuilt")
}
