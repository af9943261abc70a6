//! Runs taken over from other programs: as they were read there, and as facts.
//!
//! A thing has the same key whenever and wherever it is imported: it is derived from the key it had, so that importing twice
//! says nothing new, and two people who import the same store agree.

mod around;
mod database;
mod files;
pub mod mlflow;
mod models;
pub mod openlineage;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use crate::capture::secrets;
use crate::error::Result;
use crate::journal::Writer;
use crate::model::{
    Artifact, ArtifactPath, ChangeKind, ChangedFile, CodeState, Evidence, Fact, Generated, Metric, NodeId,
    Parameter, Role, Run, RunId, RunKind, RunOutcome, RunStatus, RunTags, SaidParameters, Step, Timestamp,
    Used, printed_word,
};
use crate::ops::registry::shown;
use crate::ops::run::masked_parameter;
use crate::ops::taken::around::{Span, run_around, written_in};
use crate::ops::workspace::free_label;
use crate::ops::{Clock, View, Workspace, lies_ahead};
use crate::query::last_values;

/// As many points of metrics go into one fact.
const POINTS_PER_FACT: usize = 10_000;

/// What an import came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TakenOver {
    /// Runs that were read.
    pub runs: u64,
    /// Of these, those that nothing was recorded of.
    pub new_runs: u64,
    /// Points of metrics that were new.
    pub points: u64,
    /// Files of runs whose bytes were read and that were new.
    pub files: u64,
    /// Model versions that were new.
    pub models: u64,
    /// What had changed there of runs and model versions that were recorded here.
    pub changes: u64,
    /// Runs that are deleted there, and were not taken over.
    pub deleted: u64,
    /// Models that are not called here as they were there: how each is called, by its name there.
    pub called: BTreeMap<String, String>,
    /// What was left out, and why, one line each.
    pub left_out: Vec<String>,
    /// How many more there were than are listed.
    pub left_out_more: u64,
}

/// As many lines say what was left out.
const LEFT_OUT_MAX: usize = 1_000;

impl TakenOver {
    /// Says that something was left out.
    pub(super) fn leave_out(&mut self, what: impl Into<String>) {
        let what = what.into();
        // A folder of MLflow may hold one point twice.
        if self.left_out.last() == Some(&what) {
            return;
        }
        if self.left_out.len() < LEFT_OUT_MAX {
            self.left_out.push(what);
        } else {
            self.left_out_more += 1;
        }
    }
}

/// A run of another program.
#[derive(Debug, Clone, Default)]
pub(super) struct TakenRun {
    /// Its key there.
    pub key: String,
    pub name: String,
    /// The tag that says what it is called there, where its name may change.
    pub name_tag: Option<&'static str>,
    /// The program that recorded it.
    pub recorder: String,
    pub status: Option<RunStatus>,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub reason: Option<String>,
    /// Who started it, where the other program says so.
    pub by: String,
    pub arguments: Vec<String>,
    pub parameters: Vec<Parameter>,
    pub tags: Vec<Parameter>,
    pub commit: Option<String>,
    pub branch: Option<String>,
    /// Whether it was recorded in another workspace, as one is whose facts are taken over by a merge.
    pub is_of_elsewhere: bool,
    /// Whether tracked files differed from the commit, where the other program says so.
    pub is_dirty: Option<bool>,
    /// Which of them did, by name alone, where it says that, too.
    pub changed: Vec<ArtifactPath>,
    /// The key of the run that started it.
    pub parent: Option<String>,
    /// Files in which the other program noted this run and no other.
    pub notes: Vec<ArtifactPath>,
    /// What it read and wrote, where that is known.
    pub used: Vec<Artifact>,
    pub generated: Vec<Artifact>,
}

/// Hides what looks like a credential, as in runs of our own.
fn masked(pairs: &[Parameter]) -> Vec<Parameter> {
    pairs.iter().map(|(name, value)| masked_parameter(name, value)).collect()
}

/// Derives the key of a thing from the sort of thing and the key it had, so that keys still lie in the order of time: a UUID
/// of version 8, with the milliseconds in front as in version 7.
pub(super) fn derived_id(sort: &str, key: &str, at: Timestamp) -> NodeId {
    let hash = blake3::hash(format!("{sort}\0{key}").as_bytes());
    let mut low = [0; 16];
    low.copy_from_slice(&hash.as_bytes()[..16]);
    let low = u128::from_be_bytes(low);
    let millis = (at.micros().max(0) as u128 / 1_000) & ((1 << 48) - 1);
    let random = low & ((1 << 80) - 1);
    let versioned = (random & !(0xf << 76)) | (8 << 76);
    let variant = (versioned & !(0b11 << 62)) | (0b10 << 62);
    NodeId::from_u128(millis << 80 | variant)
}

/// Returns true for a key that [`derived_id`] made.
pub(super) fn is_derived(id: NodeId) -> bool {
    id.as_u128() >> 76 & 0xf == 8
}

/// Writes down what is new, run by run.
pub(super) struct Taking<'a> {
    workspace: &'a Workspace,
    view: &'a View,
    clock: &'a Clock,
    writer: Option<Writer>,
    labels: HashSet<RunId>,
    /// The ids of the runs that were read, by the key they had.
    ids: BTreeMap<String, NodeId>,
    /// The machine's time, or where that is behind the latest that is recorded.
    now: Timestamp,
    host: String,
    pub report: TakenOver,
}

/// Tells of a file of which the other program says no more than that it differed.
fn by_name(path: &ArtifactPath) -> ChangedFile {
    ChangedFile { path: path.clone(), kind: ChangeKind::Modified, digest: None, size_bytes: 0 }
}

impl<'a> Taking<'a> {
    /// Begins an import.
    pub fn begin(workspace: &'a Workspace, view: &'a View, clock: &'a Clock, host: &str) -> Self {
        clock.not_before(view.snapshot.latest());
        Taking {
            workspace,
            view,
            clock,
            writer: None,
            labels: HashSet::new(),
            ids: BTreeMap::new(),
            now: clock.wall().max(view.snapshot.latest()),
            host: host.to_owned(),
            report: TakenOver::default(),
        }
    }

    /// Tells which runs will come, so that they can name each other.
    pub fn expect(&mut self, key: &str, started_at: Timestamp) {
        if !self.is_ahead(started_at) {
            self.ids.insert(key.to_owned(), derived_id("run", key, started_at));
        }
    }

    /// Returns true for a time that lies ahead: what is said to have been then is left out.
    pub fn is_ahead(&self, at: Timestamp) -> bool {
        lies_ahead(at, self.now)
    }

    /// Returns the id of a run that is expected.
    pub fn id_of(&self, key: &str) -> Option<NodeId> {
        self.ids.get(key).copied()
    }

    pub fn workspace(&self) -> &'a Workspace {
        self.workspace
    }

    pub fn view(&self) -> &'a View {
        self.view
    }

    /// Records a run with all that belongs to it but its metrics; `None` where it lies ahead.
    pub fn run(&mut self, mut taken: TakenRun) -> Result<Option<NodeId>> {
        let last = taken.ended_at.unwrap_or(taken.started_at).max(taken.started_at);
        if self.is_ahead(last) {
            self.report.leave_out(format!("run {} lies ahead: {last}", taken.key.escape_debug()));
            return Ok(None);
        }
        if let Some(commit) = taken.commit.take_if(|commit| !CodeState::is_commit(commit)) {
            let (commit, key) = (shown(&commit), taken.key.escape_debug());
            self.report.leave_out(format!("`{commit}`, which run {key} has as its commit, is none"));
        }
        taken.reason = taken.reason.as_deref().map(secrets::masked_prose);
        let id = derived_id("run", &taken.key, taken.started_at);
        self.report.runs += 1;
        let snapshot = &self.view.snapshot;
        let number = snapshot.run_no(id)?;
        match number.map_or(Ok(None), |number| snapshot.run(number))? {
            Some(known) => self.changes(&known, &taken)?,
            None => {
                self.report.new_runs += 1;
                let run = self.started(id, &taken)?;
                self.put(&Fact::RunStarted(run))?;
            }
        }
        if let Some((status, at)) = taken.status.zip(taken.ended_at.or(Some(taken.started_at))) {
            let outcomes = number.map_or(Ok(Vec::new()), |number| snapshot.outcomes(number))?;
            let outcome = RunOutcome { reason: taken.reason.clone(), ..RunOutcome::new(id, at, status, 0) };
            if status != RunStatus::Running && !outcomes.contains(&outcome) {
                self.put(&Fact::RunOutcome(outcome))?;
            }
        }
        // Its name here is that of its first import; what it is called there now is a tag.
        let name_here = match number {
            Some(number) => snapshot.run(number)?.map(|known| known.name),
            None => None,
        };
        if let Some(tag) = taken.name_tag
            && name_here.is_some_and(|name| name != taken.name)
        {
            taken.tags.push((tag.to_owned(), taken.name.clone()));
            taken.tags.sort();
        }
        if !taken.tags.is_empty() {
            let said = number.map_or(Ok(Vec::new()), |number| snapshot.run_tags(number))?;
            let tags = masked(&taken.tags);
            match said.last() {
                None => {
                    let at = taken.ended_at.unwrap_or(taken.started_at);
                    self.put(&Fact::RunTagged(RunTags { run: id, at, tags }))?;
                }
                // When a tag changed, nobody says there.
                Some(last) if last.tags != tags => {
                    let at = self.moment_of_change();
                    self.put_change(&Fact::RunTagged(RunTags { run: id, at, tags }))?;
                }
                Some(_) => {}
            }
        }
        self.files(id, &taken)?;
        Ok(Some(id))
    }

    /// Records what was said of a run since its start was recorded. What no fact can change is told.
    fn changes(&mut self, known: &Run, taken: &TakenRun) -> Result<()> {
        let snapshot = &self.view.snapshot;
        let number = snapshot.run_no(known.id)?;
        let said = number.map_or(Ok(Vec::new()), |number| snapshot.said_parameters(number))?;
        let mut parameters = masked(&taken.parameters);
        parameters.retain(|parameter| {
            let said = said.iter().flat_map(|said| &said.parameters);
            !known.parameters.iter().chain(said).any(|one| one == parameter)
        });
        if known.name != taken.name && taken.name_tag.is_none() {
            let key = taken.key.escape_debug();
            let (there, here) = (taken.name.escape_debug(), known.name.escape_debug());
            self.report
                .leave_out(format!("run {key} is called `{there}` there now, and stays `{here}` here"));
        }
        if parameters.is_empty() {
            return Ok(());
        }
        let at = self.moment_of_change();
        self.put_change(&Fact::ParametersSaid(SaidParameters { run: known.id, at, parameters }))
    }

    /// Records that a run which was taken over before was deleted since, by a tag; false for one that was not taken over.
    pub fn deleted(&mut self, key: &str, started_at: Timestamp, tag: (&str, &str)) -> Result<bool> {
        let snapshot = &self.view.snapshot;
        let id = derived_id("run", key, started_at);
        let Some(number) = snapshot.run_no(id)? else { return Ok(false) };
        if snapshot.run(number)?.is_none() {
            return Ok(false);
        }
        let mut tags = snapshot.run_tags(number)?.pop().map(|said| said.tags).unwrap_or_default();
        let tag = (tag.0.to_owned(), tag.1.to_owned());
        if !tags.contains(&tag) {
            tags.push(tag);
            tags.sort();
            let at = self.moment_of_change();
            self.put_change(&Fact::RunTagged(RunTags { run: id, at, tags }))?;
        }
        Ok(true)
    }

    fn started(&mut self, id: NodeId, taken: &TakenRun) -> Result<Run> {
        let commit_short = taken.commit.as_ref().map(|commit| commit.chars().take(7).collect());
        let is_unknown = taken.commit.is_some() && taken.is_dirty.is_none();
        let parent = match taken.parent.as_deref().and_then(|key| self.id_of(key)) {
            Some(parent) => Some(parent),
            None => self.run_around(taken)?,
        };
        let (at, run_id) = (taken.started_at, self.label(taken.started_at)?);
        let segment = match taken.is_of_elsewhere {
            true => derived_id("segment", &taken.key, at).as_u128(),
            false => self.writer()?.segment(),
        };
        Ok(Run {
            arguments: secrets::masked(&taken.arguments),
            parameters: masked(&taken.parameters),
            code: CodeState {
                repository: taken.commit.is_some(),
                commit: taken.commit.clone(),
                commit_short,
                branch: taken.branch.clone(),
                dirty: taken.is_dirty.unwrap_or(false),
                changed: taken.changed.iter().map(by_name).collect(),
                unreadable: is_unknown.then(|| {
                    format!("{} did not record whether files differed from the commit", taken.recorder)
                }),
                ..CodeState::default()
            },
            parent,
            recorder: taken.recorder.clone(),
            host: self.host.clone(),
            by: taken.by.clone(),
            ..Run::new(id, run_id, &taken.name, RunKind::Import, at, segment)
        })
    }

    fn run_around(&self, taken: &TakenRun) -> Result<Option<NodeId>> {
        let span = Span { started_at: taken.started_at, ended_at: taken.ended_at };
        let written = taken.generated.iter().filter(|artifact| artifact.has_content());
        let written = written.map(|artifact| (&artifact.path, Some(&artifact.digest)));
        let notes = taken.notes.iter().map(|path| (path, None));
        run_around(&self.view.snapshot, span, &mut notes.chain(written))
    }

    /// Chooses the run id of the second in which a run started, or another one near it that is free.
    fn label(&mut self, at: Timestamp) -> Result<RunId> {
        let is_taken =
            |label: &RunId| Ok(self.labels.contains(label) || self.view.snapshot.has_label(label)?);
        let label = free_label(at, &is_taken)?;
        self.labels.insert(label.clone());
        Ok(label)
    }

    /// Records what a run read and wrote, as one step.
    fn files(&mut self, run: NodeId, taken: &TakenRun) -> Result<()> {
        if taken.used.is_empty() && taken.generated.is_empty() {
            return Ok(());
        }
        let (used, generated): (BTreeSet<_>, BTreeSet<_>) =
            (taken.used.iter().cloned().collect(), taken.generated.iter().cloned().collect());
        let ended_at = taken.ended_at.unwrap_or(taken.started_at).max(taken.started_at);
        // Other files are another step: what was recorded before stays as it is.
        let content = format!("{run}\0{used:?}\0{generated:?}");
        let id = derived_id("files", &content, taken.started_at);
        let known =
            self.view.snapshot.run_no(run)?.map_or(Ok(Vec::new()), |no| self.view.snapshot.steps_of(no))?;
        for step in known {
            if self.view.snapshot.step_head(step)?.is_some_and(|head| head.id == id) {
                return Ok(());
            }
        }
        self.report.files += generated.len() as u64;
        // Where somebody saw a file written, that is when it was; who only noted it knows no more than that it was there at the end.
        let around = self.run_around(taken)?;
        let snapshot = &self.view.snapshot;
        let generated = generated.into_iter().map(|artifact| {
            let seen = around.map_or(Ok(None), |around| written_in(snapshot, around, &artifact))?;
            let at = seen.map_or(ended_at, |seen| seen.min(ended_at));
            Ok(Generated { artifact, at, evidence: Evidence::Declared, role: Role::Data })
        });
        let generated = generated.collect::<Result<_>>()?;
        let (evidence, role) = (Evidence::Declared, Role::Data);
        let step = Step {
            subject: taken.name.clone(),
            used: used
                .into_iter()
                .map(|artifact| Used { artifact, at: taken.started_at, evidence, role })
                .collect(),
            generated,
            ..Step::new(
                id,
                run,
                taken.recorder.split(' ').next().unwrap_or_default(),
                [taken.started_at, ended_at],
            )
        };
        self.put(&Fact::StepDone(step))
    }

    /// Records points of metrics of a run that are not recorded yet; returns the last of each metric. Those that lie ahead are left
    /// out.
    pub fn points(&mut self, owner: NodeId, run: &str, points: Vec<Metric>) -> Result<Vec<Metric>> {
        let (ahead, points): (Vec<Metric>, Vec<Metric>) =
            points.into_iter().partition(|point| self.is_ahead(point.at));
        let mut left_out: BTreeMap<String, (u64, Timestamp)> = BTreeMap::new();
        for point in ahead {
            let (count, last) = left_out.entry(point.name).or_default();
            *count += 1;
            *last = point.at.max(*last);
        }
        for (name, (count, last)) in left_out {
            self.report.leave_out(format!(
                "points of {} of run {} that lie ahead: {count}, up to {last}",
                name.escape_debug(),
                run.escape_debug()
            ));
        }
        let last = last_values(&points);
        let known: BTreeSet<Metric> = self.view.snapshot.metrics(owner)?.into_iter().collect();
        let new: Vec<Metric> = points.into_iter().filter(|point| !known.contains(point)).collect();
        self.report.points += new.len() as u64;
        for part in new.chunks(POINTS_PER_FACT) {
            self.put(&Fact::Metrics(part.to_vec()))?;
        }
        Ok(last)
    }

    fn writer(&mut self) -> Result<&mut Writer> {
        if self.writer.is_none() {
            let segment = NodeId::new(self.clock.now()).as_u128();
            let writer = Writer::create(self.workspace.disk(), &self.workspace.journal(), segment)?;
            self.writer = Some(writer);
        }
        self.writer.as_mut().ok_or_else(|| crate::error::Error::bug("a writer was just made"))
    }

    /// Records a fact.
    pub fn put(&mut self, fact: &Fact) -> Result<()> {
        self.writer()?.append(fact)
    }

    /// Records what has changed of something that was recorded before this import.
    pub fn put_change(&mut self, fact: &Fact) -> Result<()> {
        self.report.changes += 1;
        self.put(fact)
    }

    /// Returns when a change is said to have been of which the other program does not know: now, behind all that is recorded.
    pub fn moment_of_change(&self) -> Timestamp {
        self.clock.now()
    }

    /// Makes all that was recorded survive a crash.
    pub fn finish(mut self) -> Result<TakenOver> {
        if let Some(writer) = &mut self.writer {
            writer.commit()?;
        }
        Ok(self.report)
    }
}

/// As many files of one folder are read.
const FILES_MAX: usize = 100_000;

/// Lists the files below a folder, each with its digest; what cannot be read is said in the report. Links are not followed.
pub(super) fn files_below(
    workspace: &Workspace,
    folder: &Path,
    report: &mut TakenOver,
) -> Vec<(PathBuf, Artifact)> {
    let mut found = Vec::new();
    let mut frontier = vec![folder.to_owned()];
    while let Some(folder) = frontier.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            report.leave_out(format!("the folder `{}` cannot be read", printed_word(folder)));
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => frontier.push(path),
                Ok(kind) if kind.is_file() => match artifact_of(workspace, &path) {
                    Ok(artifact) => found.push((path, artifact)),
                    Err(error) => report.leave_out(error.in_full()),
                },
                _ => report.leave_out(format!("`{}` is no plain file", printed_word(&path))),
            }
            if found.len() >= FILES_MAX {
                report.leave_out(format!("`{}` holds more than {FILES_MAX} files", printed_word(folder)));
                return found;
            }
        }
    }
    found.sort();
    found
}

fn artifact_of(workspace: &Workspace, file: &Path) -> Result<Artifact> {
    let real = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let path = ArtifactPath::within(workspace.root(), &real)?;
    let failed = |cause| crate::error::Error::request(format!("cannot read `{path}`")).because(cause);
    let digest = workspace.digests().of(&real).map_err(failed)?;
    let size_bytes = real.metadata().map_err(failed)?.len();
    Ok(Artifact { path, digest, size_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_key_is_the_same_every_time_and_lies_in_the_order_of_time() {
        let at = Timestamp::from_micros(1_765_561_338_123_456);
        let id = derived_id("run", "abc", at);
        assert_eq!(id, derived_id("run", "abc", at));
        assert_ne!(id, derived_id("run", "abd", at));
        assert_ne!(id, derived_id("step", "abc", at));
        assert!(id < derived_id("run", "abc", at.plus_micros(1_000)));
        let text = id.to_string();
        assert_eq!(&text[14..15], "8");
        assert!("89ab".contains(&text[19..20]));
        assert!(id > NodeId::new(Timestamp::from_micros(1_765_561_338_000_000 - 1_000)));
    }
}
