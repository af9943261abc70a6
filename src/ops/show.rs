//! `lineage show`: where a file, a run, a model version or a segment came from, or what was made from it.

mod commits;
mod left;
mod linked;
mod model;
mod neighbour;
mod part;
mod projected;
mod segment;
mod so_far;
mod written;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::Path;

use rayon::prelude::*;

use crate::capture::git::hold_on;
use crate::error::{Error, Kind, Result};
use crate::model::{
    Artifact, ArtifactPath, Evidence, Metric, Note, Overwritten, Passing, Role, StepStatus, Timestamp,
};
use crate::ops::here::Here;
use crate::ops::link_names::LinkNames;
use crate::ops::locate::{DiskState, FileTarget, Target, disk_state, locate};
use crate::ops::notes::{NoteReport, note_report, notes_on_file, notes_on_run};
use crate::ops::other_names::{link_targets, other_names};
use crate::ops::overwritten::overwritten_at;
use crate::ops::run::{AtWork, SoFar};
use crate::ops::show::left::Left;
use crate::ops::show::neighbour::Neighbours;
use crate::ops::{View, Workspace};
use crate::projection;
use crate::query::registry::{ModelView, holding};
use crate::query::{
    self, Direction, Far, RemovedBy, Removers, RunHead, RunSelector, Start, Trace, TraceReport, Unwritten,
};
use crate::store::{ArtifactNo, RunNo, Snapshot};

pub use crate::capture::git::Hold;
pub use linked::{LinkReport, LinkedReport};
pub use model::{LearnedModel, ModelReport};
pub use neighbour::Neighbour;
pub use projected::{ProjectedOrigin, ProjectedReport, ProjectedState};
pub use segment::{FilingBytes, SegmentReport};
pub use so_far::{AtWorkReport, WaySoFar};

/// What is to be shown, and how far.
#[derive(Debug, Clone)]
pub struct ShowRequest {
    /// A file, a version of one as `file@run`, a run, a run's folder, a digest, or `file#segment`.
    pub word: OsString,
    /// Which way to walk.
    pub direction: Direction,
    /// Through how many steps in a row at most.
    pub depth_max: u32,
    /// How many runs to name.
    pub runs_max: usize,
    /// Whether to go on from what a step read and wrote on into what else it wrote.
    pub carried: bool,
    /// Whether the list of all files on the way is wanted.
    pub files: bool,
    /// Whether the environment of the runs on the way is wanted.
    pub environment: bool,
}

/// What was found.
#[derive(Debug, Clone)]
pub enum Shown {
    /// Of a file.
    File(Box<FileReport>),
    /// Of a run.
    Run(Box<RunReport>),
    /// Of a version of a model.
    Model(Box<ModelReport>),
    /// Of a segment of a file.
    Segment(Box<SegmentReport>),
    /// Of a file that only a projection writes.
    Projected(Box<ProjectedReport>),
    /// Of a file of which nothing is recorded yet, since those who have to do with it are at work.
    AtWork(Box<AtWorkReport>),
    /// Of a symbolic link that a run made.
    Linked(Box<LinkedReport>),
}

/// A file and its way.
#[derive(Debug, Clone)]
pub struct FileReport {
    /// The file, and how it relates to what is recorded.
    pub target: FileTarget,
    /// Whether its bytes are kept.
    pub is_kept: bool,
    /// Whether it is a symbolic link: then its bytes are the link's text.
    pub is_link: bool,
    /// Who last wrote it, and when.
    pub writer: Option<Writer>,
    /// Who took it away since, where nothing is recorded to have been there since then.
    pub removed: Option<RemovedBy>,
    /// Where nobody did, what is known of it all the same.
    pub unwritten: Option<Unwritten>,
    /// Other recorded files with the same bytes, where it was named by its bytes or only they are recorded; where it was changed
    /// since, those with the bytes that lie there now. Else, of a source, its other names: those under which these bytes were read
    /// before it was first read, or after it was last read.
    pub same_bytes: Vec<ArtifactPath>,
    /// The names that it has by recorded symbolic links, which lead there still.
    pub link_names: Vec<ArtifactPath>,
    /// The way.
    pub trace: TraceReport,
    /// All files on the way, where asked for.
    pub files: Option<Vec<Artifact>>,
    /// The environments of the runs on the way, where asked for: the run's tail and the list.
    pub environments: Vec<(String, String)>,
    /// What became of the sources, by path.
    pub disk: BTreeMap<Artifact, Fate>,
    /// Model versions that hold the file.
    pub models: Vec<ModelView>,
    /// Going down, model versions that learned from it.
    pub learned: Vec<LearnedModel>,
    /// Where it is a research document: what it speaks of.
    pub note: Option<NoteReport>,
    /// Documents that speak of the file.
    pub notes: Vec<Note>,
    /// What lay there until a command of lineage wrote over it, the last first.
    pub overwritten: Vec<Overwritten>,
    /// What commands at work have to do with it.
    pub so_far: Vec<WaySoFar>,
    /// Where no step wrote it and a projection does: what it is projected from.
    pub projected: Option<Box<ProjectedReport>>,
}

/// What became of a recorded file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// How it lies on disk.
    pub state: DiskState,
    /// Whether its bytes are kept; `None` where nobody looked.
    pub is_kept: Option<bool>,
    /// Where it lies in another workspace, which may know where it came from.
    pub neighbour: Option<Neighbour>,
}

/// Who wrote a file.
#[derive(Debug, Clone)]
pub struct Writer {
    /// When it was last written.
    pub at: Timestamp,
    /// The name of the step that wrote it last.
    pub step: String,
    /// The names of all steps of the run that wrote it together, in the order in which they ended, each once.
    pub steps: Vec<String>,
    /// The command line of the step that wrote it last, where it is not that of the run; secrets masked, cut where it is very long.
    pub command: Option<String>,
    /// The run.
    pub run: RunHead,
    /// The tails of other runs that wrote the same bytes there while that run was at work.
    pub others: Vec<String>,
    /// The tails of runs of other workspaces that wrote the same bytes at that path there, where this workspace has its own.
    pub elsewhere: Vec<String>,
}

/// A run and its way.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// The run.
    pub head: RunHead,
    /// What keeps its commit in the repository here; `None` where it has none, or that is not known.
    pub hold_on_commit: Option<Hold>,
    /// Its last metrics.
    pub metrics: Vec<Metric>,
    /// Model versions that it trained.
    pub models: Vec<ModelView>,
    /// Going down, model versions that learned from what it wrote.
    pub learned: Vec<LearnedModel>,
    /// Its steps by name: how many went well, how many failed.
    pub steps: Vec<(String, u64, u64)>,
    /// Why steps failed, one line each.
    pub failures: Vec<String>,
    /// What it read and did not write itself.
    pub inputs: Vec<Artifact>,
    /// Of its inputs, the model versions that hold them, by label.
    pub holding: BTreeMap<Artifact, BTreeSet<String>>,
    /// What it wrote.
    pub outputs: Vec<Artifact>,
    /// What it took away, by path.
    pub removed: Vec<ArtifactPath>,
    /// The way.
    pub trace: TraceReport,
    /// All files on the way, where asked for.
    pub files: Option<Vec<Artifact>>,
    /// The environments of the runs on the way, where asked for: the run's tail and the list.
    pub environments: Vec<(String, String)>,
    /// What became of its inputs, and of the outputs that it left behind.
    pub disk: BTreeMap<Artifact, Fate>,
    /// Its tags, by name.
    pub tags: Vec<(String, String)>,
    /// The runs that are parts of it, in the order of their start; not more than were asked for.
    pub parts: Vec<RunHead>,
    /// How many there are.
    pub parts_total: u64,
    /// What it has read and written so far, where it is a command at work.
    pub so_far: Option<SoFar>,
    /// Documents that speak of the run.
    pub notes: Vec<Note>,
}

/// As many files are compared with the disk.
const DISK_MAX: usize = 1_000;
/// As many bytes are read for that.
const DISK_MAX_BYTES: u64 = 4 << 30;

/// Finds and follows what `request` names.
///
/// # Errors
/// A request error where it names nothing recorded, a store error where a record is damaged.
pub fn show(workspace: &Workspace, view: &View, folder: &Path, request: &ShowRequest) -> Result<Shown> {
    let snapshot = &view.snapshot;
    let showing = Showing {
        workspace,
        snapshot,
        request,
        here: Here::of(workspace),
        at_work: OnceCell::new(),
        link_names: OnceCell::new(),
    };
    match locate(workspace, snapshot, folder, &request.word) {
        Ok(Target::File(target)) => showing.file_or_linked(target),
        Ok(target) => showing.shown(target),
        Err(error) if !matches!(error.kind(), Kind::No | Kind::Request | Kind::NotFound) => Err(error),
        Err(error) => match showing.unrecorded(folder) {
            Ok(Some(report)) => Ok(Shown::AtWork(Box::new(report))),
            _ => Err(error),
        },
    }
}

/// Names the run that `word` means as well, by its tail, where what was shown is a file, or the run of a folder.
///
/// # Errors
/// A store error where a record is damaged.
pub fn also_a_run(snapshot: &Snapshot, word: &OsStr, shown: &Shown) -> Result<Option<String>> {
    let selector = word.to_str().and_then(|text| text.parse::<RunSelector>().ok());
    let Some(selector) = selector.filter(RunSelector::is_name) else { return Ok(None) };
    // Of several none is meant.
    let Ok(Some(number)) = query::find_run_if_any(snapshot, &selector) else { return Ok(None) };
    let shown_run = match shown {
        Shown::Run(report) => Some(report.head.view.number),
        _ => None,
    };
    if shown_run == Some(number) {
        return Ok(None);
    }
    Ok(RunHead::read(snapshot, number)?.map(|head| head.tail))
}

/// A way, and where that is another one, the way without what steps may have carried on.
struct Walked {
    whole: Trace,
    sure: Option<Trace>,
}

impl Walked {
    /// Returns the way that is to be shown.
    fn shown(&self) -> &Trace {
        self.sure.as_ref().unwrap_or(&self.whole)
    }
}

fn is_kept(workspace: &Workspace, file: &Artifact) -> bool {
    file.has_content() && workspace.contents().holds(&file.digest)
}

struct Showing<'a> {
    workspace: &'a Workspace,
    snapshot: &'a Snapshot,
    request: &'a ShowRequest,
    here: Here<'a>,
    /// The commands at work, once they were asked for.
    at_work: OnceCell<Vec<AtWork<'a>>>,
    /// The names of files by links, once they were asked for.
    link_names: OnceCell<LinkNames>,
}

impl Showing<'_> {
    fn shown(&self, target: Target) -> Result<Shown> {
        Ok(match target {
            Target::File(target) => Shown::File(Box::new(self.file(target)?)),
            Target::Run(run) => Shown::Run(Box::new(self.run(run)?)),
            Target::Model(id) => Shown::Model(Box::new(self.model(id)?)),
            Target::Segment(target, chunk) => Shown::Segment(Box::new(self.segment(target, &chunk)?)),
            Target::Projected(path, from) => Shown::Projected(Box::new(self.projected(path, from)?)),
        })
    }

    fn file(&self, target: FileTarget) -> Result<FileReport> {
        let written = self.written(&target)?;
        let mut by_names = vec![target.number];
        let mut known_names = 1;
        if self.request.direction == Direction::Down {
            by_names.extend(self.by_other_names(&target)?);
            known_names = by_names.len();
            by_names.extend(query::other_names_of(self.snapshot, target.number)?);
        }
        let walked = self.walked(|far| match self.request.direction {
            Direction::Up => query::upstream(self.snapshot, target.number, written.until, far),
            Direction::Down => query::downstream_by_names(self.snapshot, target.number, &by_names[1..], far),
        })?;
        let models = self.holding(target.number)?;
        let learned = match self.request.direction {
            Direction::Up => Vec::new(),
            Direction::Down => self.learned_by_names(&by_names, known_names, &walked.whole)?,
        };
        let mut report = self.named(&walked)?;
        let mut disk = self.disk(&report.ends)?;
        let files = self.files(walked.shown())?;
        let environments = self.environments(walked.shown())?;
        let writer = self.writer(written)?;
        let unwritten = query::unwritten(self.snapshot, target.number)?;
        let removed = self.removed(&target)?;
        let is_kept = self.is_kept(&target.artifact);
        if self.request.direction == Direction::Up && unwritten.is_some() {
            let neighbour = Neighbours::of(self.workspace).place_of(&target.artifact.path);
            let fate = Fate { state: target.state, is_kept: Some(is_kept), neighbour };
            disk.insert(target.artifact.clone(), fate);
        }
        if let (Direction::Up, Some(Unwritten::Gap(gap))) = (self.request.direction, &unwritten) {
            report.gaps.push(gap.clone());
        }
        if let (Direction::Up, Some(writer)) = (self.request.direction, &writer) {
            report.gaps.extend(written::unknown_since(self.workspace, &target, writer));
        }
        let projected = match &writer {
            None => projection::projected_from(self.snapshot, &target.path)?,
            Some(_) => None,
        };
        let projected = projected.map(|from| self.projected(target.path.clone(), from)).transpose()?;
        Ok(FileReport {
            is_link: self.link_text(&target)?.is_some(),
            is_kept,
            environments,
            same_bytes: self.same_bytes(&target)?,
            link_names: self.link_names()?.of_file(&target.path),
            writer,
            removed,
            unwritten,
            projected: projected.map(Box::new),
            overwritten: overwritten_at(self.snapshot, &target.path)?,
            note: note_report(self.workspace, self.snapshot, &target.path)?,
            so_far: self.so_far_of_file(&target.path, self.request.direction)?,
            notes: notes_on_file(self.snapshot, &target.path)?,
            target,
            trace: report,
            files,
            disk,
            models,
            learned,
        })
    }

    /// Finds the same bytes under the other names of a file.
    fn by_other_names(&self, target: &FileTarget) -> Result<Vec<ArtifactNo>> {
        let mut found = Vec::new();
        for name in other_names(self.workspace, self.snapshot, &target.artifact.path)? {
            found.extend(self.snapshot.version_no(&name, &target.artifact.digest)?);
        }
        Ok(found)
    }

    /// Walks all the way, and where steps may have carried something on, which was not asked for, also without that.
    fn walked(&self, walk: impl Fn(Far) -> Result<Trace>) -> Result<Walked> {
        let depth_max = self.request.depth_max;
        let whole = walk(Far::from(depth_max))?;
        let is_folded = whole.may_carry() && !self.request.carried;
        let sure = is_folded.then(|| walk(Far { depth_max, weakest: Evidence::Doubtful })).transpose()?;
        Ok(Walked { whole, sure })
    }

    fn named(&self, walked: &Walked) -> Result<TraceReport> {
        let mut report = query::report(self.snapshot, walked.shown(), self.request.runs_max)?;
        if let Some(sure) = &walked.sure {
            report.folded = query::folded(self.snapshot, &walked.whole, sure)?;
        }
        for run in &mut report.runs {
            self.look_alive(&mut run.head)?;
        }
        self.look_for_commits(&mut report);
        if report.direction == Direction::Down {
            self.link_names()?.name(&mut report);
        }
        if report.direction == Direction::Up {
            let at_work = self.name_commands_at_work(&mut report.runs)?;
            let ends = report.ends.len();
            report.ends.retain(|file| !at_work.contains(file));
            report.ends_total -= (ends - report.ends.len()) as u64;
            report.gaps.retain(|gap| !at_work.contains(&gap.artifact));
            report.at_work = at_work.len() as u64;
        }
        Ok(report)
    }

    fn look_alive(&self, head: &mut RunHead) -> Result<()> {
        head.alive = self.workspace.is_at_work(self.snapshot, &head.view)?;
        Ok(())
    }

    fn files(&self, trace: &Trace) -> Result<Option<Vec<Artifact>>> {
        self.request.files.then(|| query::files(self.snapshot, trace)).transpose()
    }

    fn environments(&self, trace: &Trace) -> Result<Vec<(String, String)>> {
        let mut lists = Vec::new();
        for step in trace.steps.iter().filter(|_| self.request.environment) {
            for edge in step.used.iter().filter(|edge| edge.role == Role::Environment) {
                let artifact = self.snapshot.artifact(edge.artifact)?;
                let Some(list) = self.workspace.contents().read(&artifact.digest)? else {
                    continue;
                };
                let run = RunHead::read(self.snapshot, step.run)?.map(|head| head.tail).unwrap_or_default();
                lists.push((run, String::from_utf8_lossy(&list).into_owned()));
            }
        }
        Ok(lists)
    }

    /// Tells who took a file away that is not on disk.
    fn removed(&self, target: &FileTarget) -> Result<Option<RemovedBy>> {
        let path = match target.state {
            DiskState::Gone | DiskState::NoFile => self.snapshot.path_no(&target.path)?,
            _ => None,
        };
        let Some(path) = path else { return Ok(None) };
        let removal = query::removed(self.snapshot, path)?;
        let by = removal.map(|removal| Removers::default().of(self.snapshot, path, &removal));
        Ok(by.transpose()?.flatten())
    }

    fn same_bytes(&self, target: &FileTarget) -> Result<Vec<ArtifactPath>> {
        let digest = match target.state {
            DiskState::NotChecked | DiskState::SameBytes => target.artifact.digest,
            DiskState::Changed(digest) | DiskState::OtherVersion(digest) => digest,
            _ => return self.other_names(target.number),
        };
        let mut paths = Vec::new();
        for number in self.snapshot.artifacts_with(&digest)? {
            let other = self.snapshot.artifact(number)?;
            // All empty files are equal; that says nothing.
            if other.size_bytes > 0 && other.path != target.artifact.path {
                paths.push(other.path);
            }
        }
        paths.sort();
        Ok(paths)
    }

    /// Lists the other names of a source.
    fn other_names(&self, number: ArtifactNo) -> Result<Vec<ArtifactPath>> {
        let names = query::other_names_of(self.snapshot, number)?.into_iter();
        let mut paths = names.map(|name| self.snapshot.artifact_path(name)).collect::<Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    }

    fn is_kept(&self, file: &Artifact) -> bool {
        is_kept(self.workspace, file)
    }

    /// Compares files with the disk, as many as the bounds allow, and says of those which are kept.
    fn disk(&self, files: &[Artifact]) -> Result<BTreeMap<Artifact, Fate>> {
        let mut left = DISK_MAX_BYTES;
        let mut wanted = Vec::new();
        for file in files {
            let fits = wanted.len() < DISK_MAX && file.size_bytes <= left;
            left -= if fits { file.size_bytes } else { 0 };
            wanted.push((file, fits));
        }
        let workspace = self.workspace;
        let looked = wanted.into_par_iter().map(|(file, fits)| {
            let state = if fits { disk_state(workspace, file) } else { DiskState::NotChecked };
            (file.clone(), Fate { state, is_kept: fits.then(|| is_kept(workspace, file)), neighbour: None })
        });
        let mut fates: BTreeMap<Artifact, Fate> = looked.collect();
        let mut neighbours = Neighbours::of(self.workspace);
        for (file, fate) in &mut fates {
            fate.neighbour = neighbours.place_of(&file.path);
        }
        for (file, state) in self.in_place_of_links(&fates)? {
            fates.entry(file).and_modify(|fate| fate.state = state);
        }
        Ok(fates)
    }

    /// Looks for files that are gone by the names that they had below symbolic links, in place of which something else lies now.
    fn in_place_of_links(&self, fates: &BTreeMap<Artifact, Fate>) -> Result<Vec<(Artifact, DiskState)>> {
        let root = self.workspace.root();
        let mut found = Vec::new();
        let gone: Vec<&Artifact> =
            fates.iter().filter(|(_, fate)| fate.state == DiskState::Gone).map(|(file, _)| file).collect();
        for link in fates.keys().filter(|_| !gone.is_empty()) {
            let Some(place) = link.path.on_disk(root).filter(|place| place.exists() && !place.is_symlink())
            else {
                continue;
            };
            let Some(path) = self.snapshot.path_no(&link.path)? else { continue };
            let mut is_led_on = false;
            for target in link_targets(self.snapshot, root, path, &place)? {
                for file in &gone {
                    let below = file.path.as_bytes().strip_prefix(target.as_bytes());
                    let Some(below) = below.filter(|end| end.is_empty() || end[0] == b'/') else { continue };
                    let named = ArtifactPath::from_bytes([link.path.as_bytes(), below].concat())?;
                    let state = disk_state(self.workspace, &Artifact { path: named, ..(*file).clone() });
                    found.push(((*file).clone(), state));
                    is_led_on = true;
                }
            }
            // What it led to is there by the same name: nobody misses the link.
            if is_led_on && self.snapshot.link_text_of(link)?.is_some() {
                found.push((link.clone(), DiskState::Unchanged));
            }
        }
        Ok(found)
    }

    fn run(&self, number: RunNo) -> Result<RunReport> {
        let mut head = RunHead::read(self.snapshot, number)?
            .ok_or_else(|| Error::request("the start of this run is not recorded here"))?;
        self.look_alive(&mut head)?;
        let steps = self.snapshot.steps_of(number)?;
        let walked = self.walked(|far| match self.request.direction {
            Direction::Up => query::upstream_of_steps(self.snapshot, &steps, far),
            Direction::Down => query::downstream_of(self.snapshot, Start::Steps(&steps), far),
        })?;
        let mut counts: BTreeMap<String, (u64, u64, i64)> = BTreeMap::new();
        let (mut used, mut outputs) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
        let (mut removed, mut left) = (std::collections::BTreeSet::new(), Left::default());
        let mut passing = Passing::default();
        let mut failures = Vec::new();
        for step_no in &steps {
            let Some(step) = self.snapshot.step(*step_no)? else {
                continue;
            };
            left.add(&step);
            passing.add(&step);
            let count = counts.entry(step.name.clone()).or_insert((0, 0, step.started_at.micros()));
            count.2 = count.2.min(step.started_at.micros());
            match step.status {
                StepStatus::Succeeded => count.0 += 1,
                StepStatus::Failed => {
                    count.1 += 1;
                    failures.push(format!(
                        "{} {}: {}",
                        step.name,
                        step.subject,
                        step.reason.unwrap_or_default()
                    ));
                }
            }
            let used_files = step.used.into_iter().filter(|edge| edge.role != Role::Environment);
            used.extend(used_files.map(|edge| edge.artifact));
            outputs.extend(step.generated.into_iter().map(|edge| edge.artifact));
            removed.extend(step.removed.into_iter().map(|removed| removed.path));
        }
        let mut counts: Vec<(String, (u64, u64, i64))> = counts.into_iter().collect();
        counts.sort_by_key(|(_, (_, _, first))| *first);
        let inputs: Vec<Artifact> = used.difference(&outputs).cloned().collect();
        let outputs: Vec<Artifact> =
            outputs.into_iter().filter(|artifact| !passing.has(&artifact.path)).collect();
        failures.sort();
        let compared: Vec<Artifact> = inputs.iter().cloned().chain(left.files()).collect();
        let disk = self.disk(&compared)?;
        let learned = match self.request.direction {
            Direction::Up => Vec::new(),
            Direction::Down => self.learned(Start::Steps(&steps), &walked.whole)?,
        };
        let (mut parts, parts_total) =
            query::own_parts(self.snapshot, head.view.run.id, self.request.runs_max)?;
        parts.iter_mut().try_for_each(|part| self.look_alive(part))?;
        Ok(RunReport {
            hold_on_commit: self.hold_on_commit(&head),
            parts,
            parts_total,
            so_far: self.so_far_of_run(&head)?,
            models: self.trained_by(head.view.run.id)?,
            learned,
            metrics: query::last_values(&self.snapshot.metrics(head.view.run.id)?),
            steps: counts.into_iter().map(|(name, (done, failed, _))| (name, done, failed)).collect(),
            failures,
            holding: holding(self.snapshot, inputs.iter())?,
            inputs,
            removed: removed.into_iter().collect(),
            trace: self.named(&walked)?,
            files: self.files(walked.shown())?,
            environments: self.environments(walked.shown())?,
            disk,
            tags: query::run_tags(self.snapshot, number, &head.view.run)?.into_iter().collect(),
            notes: notes_on_run(self.snapshot, &head.view.run, &outputs)?,
            outputs,
            head,
        })
    }

    /// Says what keeps the commit of a run. A repository that cannot be read is no reason not to show the rest.
    fn hold_on_commit(&self, head: &RunHead) -> Option<Hold> {
        let root = self.workspace.root();
        let place = match head.view.own_root() {
            Some(path) => path.on_disk(root)?,
            None => root.to_owned(),
        };
        hold_on(&place, head.view.run.code.commit.as_deref()?).ok()?
    }
}
