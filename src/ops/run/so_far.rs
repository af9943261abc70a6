//! What a command at work has read and written so far, by the checkpoints that its recorder has written down.
//!
//! Nothing of it is recorded: what was read when, and which bytes were written, is settled when the command ends. The steps are made
//! as they will be then; of larger files that nobody has the digest of, the content is left open.

mod inside;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::around::Around;
use super::measured::{self, Known, MetricsFile};
use super::metrics::{self, Point};
use super::steps::{self, FileClock};
use super::under_way::{self, Kept};
use super::{CommandRequest, Ground, copies, own, record, roles, with_files_of_interest};
use crate::capture::observe::{self, Content, Evidence, File, Observation, Options, Version};
use crate::disk::open_regular;
use crate::error::Result;
use crate::model::{Artifact, ArtifactPath, Digest, NodeId, Role, Run, Step, Timestamp};
use crate::ops::{Clock, Workspace};
use crate::query::{ByNow, RunHead, is_part_of, own_parts, report_by_now};
use crate::store::Snapshot;

/// Files of unknown content are read up to this size, in bytes.
const READ_MAX_BYTES: u64 = 1 << 20;
/// All together they are read up to this size, in bytes.
const READ_ALL_MAX_BYTES: u64 = 64 << 20;

/// What is known of a command at work.
#[derive(Debug, Clone)]
pub struct SoFar {
    /// Until when.
    pub until: Timestamp,
    /// The run, and its steps; a step that goes on may read and write more. What is known of a file by its name alone has no content.
    pub by_now: ByNow,
    /// What it has written of metrics into files that are read when it ends, as it stands there now; of each the last value.
    pub metrics: Vec<Point>,
}

/// A command at work on this machine, of which something is written down.
pub struct AtWork<'a> {
    workspace: &'a Workspace,
    snapshot: &'a Snapshot,
    kept: Kept,
    head: RunHead,
    /// Whether programs of it have said what nobody may have seen.
    has_said_more: bool,
    so_far: OnceCell<Vec<SoFar>>,
}

/// Finds the commands that are at work on this machine and of which something is written down, the latest first.
///
/// # Errors
/// A store error where a record is damaged.
pub fn at_work<'a>(workspace: &'a Workspace, snapshot: &'a Snapshot) -> Result<Vec<AtWork<'a>>> {
    let mut found = Vec::new();
    for file in under_way::files(workspace) {
        // Whatever is wrong with it is told by whoever takes it over.
        let Ok(mut file) = open_regular(&file) else { continue };
        let Ok(beginning) = Kept::beginning(&mut file) else { continue };
        let id = NodeId::parse(&beginning.run).filter(|_| beginning.machine.is_this());
        let Some(number) = id.map_or(Ok(None), |id| snapshot.run_no(id))? else { continue };
        let Some(head) = RunHead::read(snapshot, number)? else { continue };
        if !workspace.is_at_work(snapshot, &head.view)? {
            continue;
        }
        let Ok(kept) = Kept::read(&mut file) else { continue };
        let has_said_more = !snapshot.steps_of(number)?.is_empty();
        let head = RunHead { alive: true, ..head };
        let so_far = OnceCell::new();
        found.push(AtWork { workspace, snapshot, kept, head, has_said_more, so_far });
    }
    found.sort_by_key(|at_work| std::cmp::Reverse(at_work.head.view.run.id));
    Ok(found)
}

impl AtWork<'_> {
    /// Returns when the run began.
    pub fn started_at(&self) -> Timestamp {
        self.head.view.run.started_at
    }

    /// Returns true for its own run, and for one inside of it.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn has_run(&self, run: &Run) -> Result<bool> {
        let own = self.head.view.run.id;
        Ok(own == run.id || is_part_of(self.snapshot, run.parent, own)?)
    }

    /// Returns false where it surely has neither read nor written a file. What was seen names each file by its whole path: to look
    /// for that costs next to nothing beside making steps of it.
    pub fn may_have(&self, path: &ArtifactPath) -> bool {
        // In a copy of the workspace files have other names.
        if self.has_said_more || self.kept.beginning.asked.is_in_copy() {
            return true;
        }
        let Some(place) = path.on_disk(self.workspace.root()) else { return true };
        let whole = place.as_os_str().as_bytes();
        let module = place.file_stem().filter(|_| whole.ends_with(b".py"));
        match module {
            // What Python has compiled stands for its source.
            Some(module) => self.kept.names(&[b"/", module.as_bytes(), b"."].concat()),
            None => self.kept.names(whole),
        }
    }

    /// Returns what is known of it and of the runs at work inside of it, the latest first. Of one that began a moment ago nothing is.
    ///
    /// # Errors
    /// A store error where a record is damaged.
    pub fn so_far(&self) -> Result<&[SoFar]> {
        if let Some(known) = self.so_far.get() {
            return Ok(known);
        }
        let found = self.find()?;
        Ok(self.so_far.get_or_init(|| found))
    }

    fn find(&self) -> Result<Vec<SoFar>> {
        let (beginning, run) = (&self.kept.beginning, &self.head.view.run);
        let request = beginning.asked.request(run);
        let root = request.root(self.workspace);
        let ground = beginning.ground(root, &request);
        let clock = Clock::machine();
        let now = || clock.now().micros();
        let options = Options::new(request.arguments.clone(), request.folder.clone(), &now);
        let (left, asked_before) = (Cell::new(READ_ALL_MAX_BYTES), RefCell::default());
        let is_read = |path: &Path| is_read(path, &left, &mut asked_before.borrow_mut());
        let recovered = with_files_of_interest(self.workspace, &ground, &is_read, options, &mut |options| {
            observe::recover(options, &mut self.kept.checkpoints())
        });
        let Some(recovered) = recovered else { return Ok(Vec::new()) };
        let mut observation = recovered.observation;
        let names_alone = name_unknown_contents(self.workspace, &mut observation);
        let until = Timestamp::from_micros(recovered.until_us);
        let mut found = Vec::new();
        for head in &self.runs_inside()? {
            let run = &head.view.run;
            let Some(part) = inside::part_of(&observation, &self.workspace.journal(), run) else { continue };
            let request = CommandRequest {
                // Where they were not to be recorded, its program alone is.
                with_arguments: request.with_arguments && run.arguments.len() > 1,
                metrics: None,
                ..request.clone()
            };
            found.push(self.of_run(head, (&request, &ground), &part, &names_alone, until)?);
        }
        found.push(self.of_run(&self.head, (&request, &ground), &observation, &names_alone, until)?);
        found.sort_by_key(|so_far| std::cmp::Reverse(so_far.by_now.run.head.view.run.id));
        Ok(found)
    }

    /// Lists the runs inside of it that are at work as well, which it sees as its own.
    fn runs_inside(&self) -> Result<Vec<RunHead>> {
        let (mut found, mut left) = (Vec::new(), vec![self.head.view.run.id]);
        while let Some(whole) = left.pop() {
            for part in own_parts(self.snapshot, whole, usize::MAX)?.0 {
                left.push(part.view.run.id);
                if self.workspace.is_at_work(self.snapshot, &part.view)? {
                    found.push(RunHead { alive: true, ..part });
                }
            }
        }
        Ok(found)
    }

    /// Makes steps of what was seen of a run.
    fn of_run(
        &self,
        head: &RunHead,
        (request, ground): (&CommandRequest, &Ground<'_>),
        observation: &Observation,
        names_alone: &HashSet<Digest>,
        until: Timestamp,
    ) -> Result<SoFar> {
        let run: &Run = &head.view.run;
        let given = own::given_out(self.workspace, observation, run.id)?;
        let clock = FileClock { behind_us: self.kept.beginning.behind_us };
        let around = Around::of(self.workspace, (request, ground), observation, run, (given, clock));
        let made = steps::steps(observation, &around.surroundings());
        let mut steps = copies::all_told_apart(made.steps, &made.orders, &mut 0);
        let metrics = self.measured(&mut steps, made.metrics, observation, ground.started_ns)?;
        for step in &mut steps {
            for edge in step.used.iter_mut().filter(|edge| names_alone.contains(&edge.artifact.digest)) {
                edge.artifact = without_content(&edge.artifact);
                // Whether git has those bytes nobody has compared.
                edge.role = if edge.role.is_code() { edge.role } else { Role::Data };
            }
            for edge in step.generated.iter_mut().filter(|edge| names_alone.contains(&edge.artifact.digest)) {
                edge.artifact = without_content(&edge.artifact);
            }
        }
        let by_now = report_by_now(self.snapshot, head.clone(), steps)?;
        Ok(SoFar { until, by_now, metrics })
    }

    /// Reads what a command measured so far in its files of metrics.
    fn measured(
        &self,
        steps: &mut [Step],
        files: Vec<MetricsFile>,
        observation: &Observation,
        started_ns: i64,
    ) -> Result<Vec<Point>> {
        let old = measured::old_contents(observation, started_ns);
        let was_written = |artifact: &Artifact| record::is_written(self.snapshot, artifact);
        let sorted = measured::sort(steps, files, &was_written, &|digest| old.contains(digest))?;
        let mut points: Vec<Point> = Vec::new();
        for MetricsFile { place, bytes, .. } in sorted.measured {
            // What was written into it since may be another's.
            let (Known::Digest(digest), Ok(bytes)) = (bytes, record::read_metrics(&place)) else { continue };
            if Digest::of(&bytes) != digest {
                continue;
            }
            for point in metrics::from_document(&bytes, metrics::Form::of(&place)).0 {
                points.retain(|known| known.name != point.name);
                points.push(point);
            }
        }
        Ok(points)
    }
}

/// Tells whether a file is read for its digest: code, so that it is compared with what git has, and what is small; as long as there
/// are bytes left.
fn is_read(path: &Path, left: &Cell<u64>, asked_before: &mut HashMap<PathBuf, bool>) -> bool {
    if let Some(is_read) = asked_before.get(path) {
        return *is_read;
    }
    let size = path.symlink_metadata().map_or(u64::MAX, |found| found.size());
    let is_read = (size <= READ_MAX_BYTES || roles::is_code_name(path)) && size <= left.get();
    left.set(left.get() - if is_read { size } else { 0 });
    asked_before.insert(path.to_owned(), is_read);
    is_read
}

/// Gives each version whose bytes nobody knows a digest that stands for them, unless it is remembered; returns these digests.
fn name_unknown_contents(workspace: &Workspace, observation: &mut Observation) -> HashSet<Digest> {
    let digests = workspace.digests();
    let mut names_alone = HashSet::new();
    for File { path, versions, .. } in &mut observation.files {
        for (number, version) in
            versions.iter_mut().enumerate().filter(|(_, version)| version.content.is_none())
        {
            let Version { stamp, .. } = version;
            let known = stamp.as_ref().and_then(|stamp| digests.known(stamp));
            let digest = known.unwrap_or_else(|| {
                let digest = Digest::of(format!("{} {number}", path.display()).as_bytes());
                names_alone.insert(digest);
                digest
            });
            let size_bytes = stamp.map_or(0, |stamp| stamp.size_bytes);
            version.content = Some(Content { digest: observe::Digest(*digest.as_bytes()), size_bytes });
            version.evidence = Evidence::StampOnly;
        }
    }
    names_alone
}

fn without_content(artifact: &Artifact) -> Artifact {
    Artifact::without_content(artifact.path.clone(), b"so far")
}
