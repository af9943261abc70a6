//! Runs and files over time: the log, the history of a file, a run with all that belongs to it.

use std::cell::RefCell;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;

use crate::error::Result;
use crate::model::{
    Artifact, ArtifactPath, CaptureLevel, ChangedFile, CodeState, DECLARED_STEP, Evidence, Metric, NodeId,
    Remark, Remarks, Removed, Role, Run, RunKind, RunOutcome, RunRepository, RunStatus, SaidParameters, Step,
    TAG_FRONT, Timestamp, replace_parameters,
};
use crate::query::report::RunHead;
use crate::store::{ArtifactNo, Edge, GO_ON, PathNo, RunNo, Snapshot, StepNo};

/// A run and what became of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RunView {
    /// Its number.
    pub(crate) number: RunNo,
    /// As it started, with the parameters that it was told since.
    pub run: Run,
    /// The values of parameters that programs in it said with several, each value once, in the order in which they were said: several
    /// trials in one run. None of these is the run's own, nor is it known which of them a file was made with.
    pub said_several: BTreeMap<String, Vec<String>>,
    /// What became of it, in the order of time.
    pub outcomes: Vec<RunOutcome>,
    /// What whoever recorded it says of the record, in the order of time.
    pub remarks: Vec<Remarks>,
    /// Repositories that it read files of: besides that of its own code state, or where that lies below the workspace's root.
    pub repositories: Vec<RunRepository>,
    /// Code of its own repository that it read and did not write, and that by then differed from its commit; without what did so
    /// already when its code state was read. Sorted.
    pub changed_meanwhile: Vec<ArtifactPath>,
    /// Code of its own repository that it read, that git neither tracked nor ignored, and that no recorded step wrote. Sorted.
    pub never_committed: Vec<ArtifactPath>,
    /// Tracked files of other repositories that it read and did not write, and that differed from the commits of those; and code of
    /// those as in [`RunView::never_committed`]. Sorted.
    pub changed_elsewhere: Vec<ArtifactPath>,
}

impl RunView {
    /// Returns the code state of the repository that a file lies in which the run compared with a commit; and the repository,
    /// where that is not the one of the run's own code state.
    pub fn code_of(&self, path: &ArtifactPath) -> (&CodeState, Option<&RunRepository>) {
        match RunRepository::of_file(&self.repositories, path) {
            Some(RunRepository { code: None, .. }) | None => (&self.run.code, None),
            Some(repository @ RunRepository { code: Some(code), .. }) => (code, Some(repository)),
        }
    }

    /// Returns whether its code differed from what is committed: the tracked files of its own repository as they were when its code
    /// state was read, or what it read since; the code that it read and that was never added; and of other repositories, what it read.
    /// `None` where nobody knows.
    pub fn is_dirty(&self) -> Option<bool> {
        let others = self.other_repositories().map(|(repository, _)| self.is_dirty_in(repository));
        // That something differed is known also where not all could be compared.
        others.fold(self.is_own_dirty(), |all, one| match (all, one) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        })
    }

    /// Returns whether its code differed from the commit of its own repository; `None` where nobody knows.
    pub fn is_own_dirty(&self) -> Option<bool> {
        if self.read_uncommitted() { Some(true) } else { self.run.code.is_dirty() }
    }

    /// Returns true where it read code of its own repository that is in no commit, besides the tracked files that differed when its code
    /// state was read.
    pub fn read_uncommitted(&self) -> bool {
        !(self.changed_meanwhile.is_empty() && self.never_committed.is_empty())
    }

    /// Returns whether something that it read of another repository differed from the commit of that; `None` where nobody knows.
    pub fn is_dirty_in(&self, repository: &RunRepository) -> Option<bool> {
        let lies_there = |path| self.code_of(path).1.is_some_and(|found| found.root == repository.root);
        let differs = self.changed_elsewhere.iter().any(lies_there);
        let is_known = differs || repository.code.as_ref().is_some_and(|code| code.unreadable.is_none());
        is_known.then_some(differs)
    }

    /// Returns the repositories besides its own that it read files of, with their code states.
    pub fn other_repositories(&self) -> impl Iterator<Item = (&RunRepository, &CodeState)> {
        self.repositories.iter().filter_map(|repository| Some((repository, repository.code.as_ref()?)))
    }

    /// Returns the short SHA of its commit, with `-dirty` where its code differed from that; `None` without a commit. Of other
    /// repositories, it says nothing.
    pub fn code_label(&self) -> Option<String> {
        let dirty = self.run.code.dirty || self.read_uncommitted();
        CodeState { dirty, commit_short: self.run.code.commit_short.clone(), ..CodeState::default() }.label()
    }

    /// Returns the short SHA of another repository, with `-dirty` where what it read there differed; `None` without a commit.
    pub fn label_of(&self, repository: &RunRepository) -> Option<String> {
        let dirty = self.is_dirty_in(repository) == Some(true);
        let commit_short = repository.code.as_ref()?.commit_short.clone();
        CodeState { dirty, commit_short, ..CodeState::default() }.label()
    }

    /// Returns the root of the repository of the run's own code state, where the workspace's root does not lie in it.
    pub fn own_root(&self) -> Option<&ArtifactPath> {
        self.repositories.iter().find(|repository| repository.code.is_none())?.root.as_ref()
    }

    /// Returns the last word on the run.
    pub fn status(&self) -> RunStatus {
        self.outcomes.last().map_or(RunStatus::Running, |outcome| outcome.status)
    }

    /// Returns what it is now, where `is_alive` says whether its process lives: one that has no end and no process was
    /// interrupted.
    pub fn status_now(&self, is_alive: bool) -> RunStatus {
        match self.status() {
            RunStatus::Running if !is_alive => RunStatus::Interrupted,
            status => status,
        }
    }

    /// Returns when it ended, if it did.
    pub fn ended_at(&self) -> Option<Timestamp> {
        ended_at(&self.outcomes)
    }

    /// Returns why it failed or stopped early.
    pub fn reason(&self) -> Option<&str> {
        self.outcomes.last()?.reason.as_deref()
    }

    /// Returns how completely it was observed, the least that was said; `None` where nobody said.
    pub fn level(&self) -> Option<CaptureLevel> {
        self.remarks.iter().filter_map(|remarks| remarks.level).max()
    }

    /// Returns true where a module ran as it had been compiled, perhaps from other bytes than `source` had then.
    pub fn ran_as_compiled(&self, source: &ArtifactPath) -> bool {
        self.all_remarks().0.any(|remark| remark.is_of_compiled(source))
    }

    /// Returns every remark on the record, and how many more there were than were kept.
    pub fn all_remarks(&self) -> (impl Iterator<Item = &Remark>, u64) {
        let omitted = self.remarks.iter().map(|remarks| remarks.omitted).sum();
        (self.remarks.iter().flat_map(|remarks| &remarks.remarks), omitted)
    }

    /// Returns true where several files gave unlike values of one metric: its points are no curve then, each is of something else.
    pub fn has_metrics_of_several_files(&self) -> bool {
        self.all_remarks().0.any(Remark::is_of_several_metrics_files)
    }

    /// Returns the journal segment that is written while the run lives.
    pub fn live_segment(&self) -> u128 {
        let resumed = self.outcomes.iter().rev().find(|outcome| outcome.status == RunStatus::Running);
        resumed.map_or(self.run.segment, |outcome| outcome.segment)
    }

    /// Returns the microseconds it took, all its stretches together; `None` while one has no end.
    pub fn duration_us(&self) -> Option<i64> {
        let mut total: i64 = 0;
        let mut since = Some(self.run.started_at);
        for outcome in &self.outcomes {
            match (outcome.status, since) {
                // A stretch that was killed has no end; the time until it was taken up again is not counted.
                (RunStatus::Running, _) => since = Some(outcome.at),
                (_, Some(start)) => {
                    total = outcome.at.micros().saturating_sub(start.micros()).saturating_add(total);
                    since = None;
                }
                (_, None) => {}
            }
        }
        since.is_none().then_some(total)
    }
}

/// Returns when a run ended that had these outcomes, in the order of time, if it did.
pub(super) fn ended_at(outcomes: &[RunOutcome]) -> Option<Timestamp> {
    outcomes.last().filter(|outcome| outcome.status != RunStatus::Running).map(|outcome| outcome.at)
}

/// Reads a run; `None` where only others speak of it.
///
/// # Errors
/// A store error where a record is damaged.
pub fn run_view(snapshot: &Snapshot, number: RunNo) -> Result<Option<RunView>> {
    let Some(mut run) = snapshot.run(number)? else {
        return Ok(None);
    };
    let said = snapshot.said_parameters(number)?;
    let said_several = said_several(&run, &said);
    replace_parameters(&mut run.parameters, said.into_iter().flat_map(|said| said.parameters));
    let mut view = RunView {
        number,
        run,
        said_several,
        outcomes: snapshot.outcomes(number)?,
        remarks: snapshot.remarks(number)?,
        repositories: snapshot.run_repositories(number)?,
        changed_meanwhile: Vec::new(),
        never_committed: Vec::new(),
        changed_elsewhere: Vec::new(),
    };
    [view.changed_meanwhile, view.changed_elsewhere, view.never_committed] = changed(snapshot, &view)?;
    Ok(Some(view))
}

/// Lists the parameters that were said with several values; of a run of a command only: what else is said anew is put right.
fn said_several(run: &Run, said: &[SaidParameters]) -> BTreeMap<String, Vec<String>> {
    let mut values: BTreeMap<&String, Vec<&String>> = BTreeMap::new();
    for (name, value) in said.iter().flat_map(|said| &said.parameters) {
        let known = values.entry(name).or_default();
        if run.kind == RunKind::Command && !name.starts_with(TAG_FRONT) && !known.contains(&value) {
            known.push(value);
        }
    }
    let several = values.into_iter().filter(|(_, values)| values.len() > 1);
    several.map(|(name, values)| (name.clone(), values.into_iter().cloned().collect())).collect()
}

/// The clocks of files and of runs tell the time of one moment apart by no more than this.
const CLOCKS_US: i64 = 1_000_000;

/// Lists what a run read and did not write, and that its commit did not have so by then: the code of its own repository, without
/// what differed already when its code state was read; the files of others; and the code of its own that was never added.
fn changed(snapshot: &Snapshot, view: &RunView) -> Result<[Vec<ArtifactPath>; 3]> {
    let code_read = snapshot.changed_code(view.number)?.into_iter().map(|(number, is_untracked)| {
        (number, Some(if is_untracked { Role::CodeUntracked } else { Role::CodeChanged }))
    });
    let mut candidates: BTreeSet<(ArtifactNo, Option<Role>)> = code_read.collect();
    let elsewhere = view.other_repositories().flat_map(|(_, code)| &code.changed);
    let elsewhere: Vec<Artifact> = elsewhere.filter_map(ChangedFile::artifact).collect();
    candidates.extend(snapshot.artifact_nos(&elsewhere)?.into_iter().map(|number| (number, None)));
    let is_of_run = |_: i64, step: StepNo| {
        let is_of_run = snapshot.run_of(step)? == Some(view.number);
        Ok(if is_of_run { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    };
    let from = view.run.started_at.micros().saturating_sub(CLOCKS_US);
    let until = view.ended_at().map_or(i64::MAX, |at| at.micros().saturating_add(CLOCKS_US));
    let mut found = [BTreeSet::new(), BTreeSet::new(), BTreeSet::new()];
    let mut listed: HashMap<*const CodeState, HashSet<&ArtifactPath>> = HashMap::new();
    let code_of: RefCell<HashMap<StepNo, HashSet<(ArtifactNo, Role)>>> = RefCell::default();
    for (number, role) in candidates {
        let is_untracked = role == Some(Role::CodeUntracked);
        let artifact = snapshot.artifact(number)?;
        let (code, repository) = view.code_of(&artifact.path);
        let is_elsewhere = repository.is_some();
        // What git ignores is not listed, nor is what any step wrote to be committed: that is data.
        let mut is_listed = || {
            let paths = listed.entry(std::ptr::from_ref(code));
            let paths = paths.or_insert_with(|| code.untracked.iter().map(|file| &file.path).collect());
            paths.contains(&artifact.path)
        };
        let any_step = |_: i64, _: StepNo| Ok(ControlFlow::Break(()));
        if is_untracked
            && (code.commit.is_none()
                || !(code.untracked_omitted > 0 || is_listed())
                || snapshot.writes_until(number, i64::MAX, any_step)?.is_break())
        {
            continue;
        }
        let states = view.outcomes.iter().filter_map(|outcome| outcome.code.as_ref());
        let mut changed = states.chain([&view.run.code]).flat_map(|code| &code.changed);
        if !is_elsewhere && changed.any(|file| file.path == artifact.path) {
            continue;
        }
        // What a statement says that another one replaced does not count: not every store has it.
        let is_read_so = |at: i64, step: StepNo| {
            let is_so = is_of_run(at, step)?.is_break()
                && match role {
                    Some(role) => match code_of.borrow_mut().entry(step) {
                        Entry::Occupied(known) => known.get().contains(&(number, role)),
                        Entry::Vacant(place) => {
                            place.insert(code_read_by(snapshot, step)?).contains(&(number, role))
                        }
                    },
                    None => true,
                };
            Ok(if is_so { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        };
        let is_read = snapshot.reads_between(number, from, until, is_read_so)?.is_break();
        if is_read && !snapshot.writes_until(number, i64::MAX, is_of_run)?.is_break() {
            let place = match (is_elsewhere, is_untracked) {
                (true, _) => 1,
                (false, true) => 2,
                (false, false) => 0,
            };
            found[place].insert(artifact.path);
        }
    }
    Ok(found.map(|paths| paths.into_iter().collect()))
}

/// Returns the code that a step read, each with what it was to the step.
fn code_read_by(snapshot: &Snapshot, step: StepNo) -> Result<HashSet<(ArtifactNo, Role)>> {
    let used = snapshot.edges(step)?.map(|edges| edges.used).unwrap_or_default();
    let code = used.iter().filter(|edge| edge.role.is_code());
    Ok(code.map(|edge| (edge.artifact, edge.role)).collect())
}

/// Lists runs, newest start first, at most `limit`; and whether there are more.
///
/// # Errors
/// A store error where a record is damaged.
pub fn runs(snapshot: &Snapshot, limit: usize) -> Result<(Vec<RunView>, bool)> {
    let mut views = Vec::new();
    let more = snapshot.runs_newest_first(|number| {
        if views.len() == limit {
            return Ok(ControlFlow::Break(()));
        }
        views.extend(run_view(snapshot, number)?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok((views, more.is_break()))
}

/// Returns the shortest tail of a run's key, eight digits at least, that no other run's key ends in.
///
/// # Errors
/// A store error where a record is damaged.
pub fn unique_tail(snapshot: &Snapshot, id: NodeId) -> Result<String> {
    let mut digits = NodeId::TAIL_DIGITS;
    while digits < 32 && snapshot.runs_with_tail(&id.tail(digits), 2)?.len() > 1 {
        digits += 1;
    }
    Ok(id.tail(digits))
}

/// Returns the front of the names of files that a repetition of a run wrote: it ran in a copy of the workspace, where nobody finds
/// them any more.
pub fn rerun_name(run: NodeId) -> String {
    format!("rerun://{}", run.tail(NodeId::TAIL_DIGITS))
}

/// What the names of such files begin with.
pub(crate) const RERUN_SCHEME: &[u8] = b"rerun://";

/// Something that happened to a file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FileChange {
    /// When.
    pub at: Timestamp,
    /// The version it is about; one without content where it is not known what was removed.
    pub artifact: Artifact,
    /// What it is.
    pub sort: ChangeSort,
    /// How it is known.
    pub evidence: Evidence,
    /// The step, without its edges.
    pub step: Step,
    /// The run that the step is a part of; `None` where the start of that is not recorded here.
    pub run: Option<RunHead>,
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ChangeSort {
    /// It was read.
    Read,
    /// It was written.
    Written,
    /// It was taken away.
    Removed,
}

impl ChangeSort {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            ChangeSort::Read => "read",
            ChangeSort::Written => "written",
            ChangeSort::Removed => "removed",
        }
    }
}

/// Lists the writes, reads and removals of a file by all of its names, or of one version of it, the last first, at most `limit`; and
/// whether there are more. Under other names than the first, what was a symbolic link is left out.
///
/// # Errors
/// A store error where a record is damaged.
pub fn file_history(
    snapshot: &Snapshot,
    names: &[ArtifactPath],
    version: Option<ArtifactNo>,
    limit: usize,
) -> Result<(Vec<FileChange>, bool)> {
    let mut found = Vec::new();
    let is_wanted = |number| version.is_none_or(|version| number == Some(version));
    for (number, name) in names.iter().enumerate() {
        let Some(path) = snapshot.path_no(name)? else { continue };
        for artifact in snapshot.versions(path)?.into_iter().filter(|number| is_wanted(Some(*number))) {
            if number > 0 && snapshot.link_seen(artifact)?.is_some() {
                continue;
            }
            snapshot.writes_until(artifact, i64::MAX, |at, step| {
                found.push((at, step, (path, Some(artifact)), ChangeSort::Written));
                Ok(GO_ON)
            })?;
            snapshot.reads_between(artifact, i64::MIN, i64::MAX, |at, step| {
                found.push((at, step, (path, Some(artifact)), ChangeSort::Read));
                Ok(GO_ON)
            })?;
        }
        snapshot.removals_until(path, i64::MAX, |at, step, artifact| {
            if is_wanted(artifact) {
                found.push((at, step, (path, artifact), ChangeSort::Removed));
            }
            Ok(GO_ON)
        })?;
    }
    found.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
    let more = found.len() > limit;
    // What happened in the same microsecond is ordered by the steps' keys below, so the cut is made after that.
    let bound = limit.checked_sub(1).and_then(|last| found.get(last)).map_or(i64::MIN, |(at, ..)| *at);
    let until = found.iter().take_while(|(at, ..)| limit > 0 && *at >= bound).count();
    let mut changes = Vec::with_capacity(until);
    for (at, step_no, file @ (path, artifact), sort) in found[..until].iter().copied() {
        let Some(step) = snapshot.step_without_edges(step_no)? else {
            continue;
        };
        if step.name == DECLARED_STEP && is_seen(snapshot, step_no, (file, sort), &found)? {
            continue;
        }
        let Some(edges) = snapshot.edges(step_no)? else {
            continue;
        };
        let evidence = match sort {
            ChangeSort::Removed => edges.removed.iter().find(|edge| edge.path == path).map(|e| e.evidence),
            ChangeSort::Written => evidence_of(&edges.generated, artifact),
            ChangeSort::Read => evidence_of(&edges.used, artifact),
        };
        let artifact = match artifact {
            Some(artifact) => snapshot.artifact(artifact)?,
            None => {
                let (at, evidence) = (Timestamp::from_micros(at), Evidence::Observed);
                Removed { path: snapshot.path(path)?, content: None, at, evidence }.artifact_or_name()
            }
        };
        let change = FileChange {
            at: Timestamp::from_micros(at),
            artifact,
            sort,
            evidence: evidence.unwrap_or(Evidence::Observed),
            step,
            run: None,
        };
        changes.push((change, step_no));
    }
    changes.sort_by_key(|(change, _)| std::cmp::Reverse((change.at, change.step.id, change.sort)));
    let listed = changes.into_iter().take(limit).map(|(change, step)| {
        let run = snapshot.run_of(step)?.map_or(Ok(None), |run| RunHead::read(snapshot, run))?;
        Ok(FileChange { run, ..change })
    });
    Ok((listed.collect::<Result<_>>()?, more))
}

/// A path, and which version of it, where that is known.
type FileNo = (PathNo, Option<ArtifactNo>);

/// Says whether what a program said of its run is also known of a step that was seen.
fn is_seen(
    snapshot: &Snapshot,
    said: StepNo,
    change: (FileNo, ChangeSort),
    found: &[(i64, StepNo, FileNo, ChangeSort)],
) -> Result<bool> {
    let run = snapshot.run_of(said)?;
    for (_, step, file, sort) in found {
        if (*file, *sort) == change
            && *step != said
            && snapshot.run_of(*step)? == run
            && snapshot.step_without_edges(*step)?.is_some_and(|step| step.name != DECLARED_STEP)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn evidence_of(edges: &[Edge], artifact: Option<ArtifactNo>) -> Option<Evidence> {
    edges.iter().find(|edge| Some(edge.artifact) == artifact).map(|edge| edge.evidence)
}

/// Returns the tags of a run by name: what it was told as parameters `tag.NAME`, by the library or on the command line, and what
/// it was given since, as when it was taken over from another tracker. Of one name that which was given counts, and of that the
/// last. MLflow tells all tags of a run whenever it is asked: what it does not name any more was taken away there.
///
/// # Errors
/// A store error where a record is damaged.
pub fn run_tags(snapshot: &Snapshot, number: RunNo, run: &Run) -> Result<BTreeMap<String, String>> {
    let told = run
        .parameters
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(TAG_FRONT)?.to_owned(), value.clone())));
    let mut tags: BTreeMap<String, String> = told.collect();
    let given = snapshot.run_tags(number)?;
    let are_whole = run.recorder == Run::RECORDED_BY_MLFLOW;
    let until = if are_whole { given.len().saturating_sub(1) } else { 0 };
    tags.extend(given.into_iter().skip(until).flat_map(|given| given.tags));
    Ok(tags)
}

/// Returns the last value of each metric of an owner, by name: that of the greatest step, then the latest time.
pub fn last_values(points: &[Metric]) -> Vec<Metric> {
    let mut last: BTreeMap<&str, &Metric> = BTreeMap::new();
    for point in points {
        let place = last.entry(&point.name).or_insert(point);
        if (point.step, point.at, point.value) >= (place.step, place.at, place.value) {
            *place = point;
        }
    }
    last.into_values().cloned().collect()
}
