//! Recording a run: from its start to its end, into a journal segment of its own.

use std::collections::BTreeSet;

use crate::capture::secrets;
use crate::error::Result;
use crate::journal::{SyncPoint, Writer};
use crate::model::{
    Artifact, CodeState, Fact, Metric, MetricValue, NodeId, Overwritten, Parameter, Remark, RemarkKind,
    Remarks, Run, RunId, RunKind, RunOutcome, RunStatus, Stream, Timestamp,
};
use crate::ops::workspace::Pending;
use crate::ops::{Clock, Workspace, user};
use crate::query::RunView;
use crate::store::Snapshot;

/// A second, in microseconds.
const SECOND_MICROS: i64 = 1_000_000;

/// A machine's clock that is further behind what is recorded is worth a remark: two machines may differ by less.
const BEHIND_MAX_MICROS: i64 = 60 * SECOND_MICROS;

/// Says that the machine's clock is behind.
fn behind(wall: Timestamp, latest: Timestamp) -> String {
    format!(
        "the machine's clock said {}, and there is a record of {}: the times of this run go on from there",
        wall.format("%Y-%m-%d %H:%M:%S UTC"),
        latest.format("%Y-%m-%d %H:%M:%S UTC")
    )
}

/// What is known of a run before it starts.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// Its name, checked by the caller.
    pub name: String,
    /// What sort of execution it is.
    pub kind: RunKind,
    /// The command.
    pub arguments: Vec<String>,
    /// Which of its words are not UTF-8, as [`Run::printed_arguments`] has them.
    pub printed_arguments: Vec<u32>,
    /// Where its standard streams lead, as [`Run::streams`] has it.
    pub streams: Option<Vec<Stream>>,
    /// What it is told.
    pub parameters: Vec<Parameter>,
    /// The working folder, relative to the workspace's root.
    pub folder: String,
    /// The code it is made by.
    pub code: CodeState,
    /// The run it is started by.
    pub parent: Option<NodeId>,
    /// The run whose command it runs again.
    pub rerun_of: Option<NodeId>,
    /// The machine's name.
    pub host: String,
}

impl RunRequest {
    /// Names a run of which nothing else is known.
    pub fn new(name: &str, kind: RunKind) -> Self {
        RunRequest {
            name: name.to_owned(),
            kind,
            arguments: Vec::new(),
            printed_arguments: Vec::new(),
            streams: None,
            parameters: Vec::new(),
            folder: String::new(),
            code: CodeState::default(),
            parent: None,
            rerun_of: None,
            host: String::new(),
        }
    }
}

/// A run being recorded.
pub struct Recording {
    workspace: Workspace,
    writer: Writer,
    /// The writer that the run began with, where its end has a segment of its own.
    first_writer: Option<Writer>,
    clock: Clock,
    run: Run,
    /// What waited to be applied when the run started; `None` where it was not counted.
    backlog: Option<Pending>,
    warnings: BTreeSet<String>,
}

impl Recording {
    /// Starts a run: takes a run id, that of the current second if it is free, and writes the start down. Nobody is waited for.
    /// On return the start survives a crash.
    ///
    /// # Errors
    /// A store error where the journal cannot be had; nothing is recorded then.
    pub fn start(workspace: &Workspace, clock: &Clock, request: RunRequest) -> Result<Self> {
        let mut recording = Recording::start_soon(workspace, clock, request)?;
        recording.commit()?;
        Ok(recording)
    }

    /// Starts a run as [`Recording::start`] does, without waiting for the disk: on return others see it, and it survives the
    /// end of this process, but a power cut only once [`Recording::commit`] or a sync point has been through.
    ///
    /// # Errors
    /// As [`Recording::start`].
    pub fn start_soon(workspace: &Workspace, clock: &Clock, request: RunRequest) -> Result<Self> {
        // Whoever emptied the folder took that along. Where it cannot be made, the run is recorded all the same.
        let _ = workspace.hide_from_git();
        let (run_id, snapshot) = workspace.take_run_id(clock.wall())?;
        let taken = run_id.clone();
        let started = Recording::start_as(workspace, clock, request, run_id, snapshot);
        started.inspect_err(|_| workspace.give_back_run_id(&taken))
    }

    /// Starts a run with a run id that is taken for it, where the store is as `snapshot` says.
    fn start_as(
        workspace: &Workspace,
        clock: &Clock,
        request: RunRequest,
        run_id: RunId,
        snapshot: Option<Snapshot>,
    ) -> Result<Self> {
        let mut warnings = BTreeSet::new();
        let wall = clock.wall();
        let pending = workspace.pending(snapshot.as_ref())?;
        let mut latest = pending.latest(wall);
        if let Some(snapshot) = &snapshot {
            latest = latest.max(snapshot.latest());
            warnings.extend(workspace.damage(snapshot)?);
        }
        clock.not_before(latest);
        drop(snapshot);
        let started_at = clock.now();
        let segment = NodeId::new(started_at).as_u128();
        let mut writer = Writer::create(workspace.disk(), &workspace.journal(), segment)?;
        let id = NodeId::new(started_at);
        let run = Run {
            arguments: request.arguments,
            printed_arguments: request.printed_arguments,
            streams: request.streams,
            parameters: request.parameters,
            folder: request.folder,
            code: request.code,
            parent: request.parent,
            rerun_of: request.rerun_of,
            host: request.host,
            by: user(),
            ..Run::new(id, run_id, secrets::masked_prose(&request.name), request.kind, started_at, segment)
        };
        writer.append(&Fact::RunStarted(run.clone()))?;
        if latest.micros().saturating_sub(wall.micros()) > BEHIND_MAX_MICROS {
            // The times of this run are later than the machine's clock said, and nobody could tell from them.
            let remark = Remark::new(RemarkKind::Fault, behind(wall, latest));
            let remarks = Remarks::new(run.id, clock.now(), None, vec![remark]);
            writer.append(&Fact::Remarked(remarks))?;
            warnings.insert(behind(wall, latest));
        }
        writer.hand_over()?;
        Ok(Recording { backlog: Some(pending), warnings, ..Recording::of(workspace, clock, run, writer) })
    }

    /// Records a run with a writer, knowing of nothing that waits to be applied.
    fn of(workspace: &Workspace, clock: &Clock, run: Run, writer: Writer) -> Self {
        Recording {
            workspace: workspace.clone(),
            writer,
            first_writer: None,
            clock: clock.clone(),
            run,
            backlog: None,
            warnings: BTreeSet::new(),
        }
    }

    /// Takes a run up again, in a new segment, under the code and command of now.
    ///
    /// # Errors
    /// As [`Recording::start`].
    pub fn resume(
        workspace: &Workspace,
        clock: &Clock,
        view: &RunView,
        arguments: Vec<String>,
        code: CodeState,
    ) -> Result<Self> {
        if let Some(snapshot) = workspace.store().snapshot()? {
            clock.not_before(snapshot.latest());
        }
        let at = clock.now();
        let segment = NodeId::new(at).as_u128();
        let mut writer = Writer::create(workspace.disk(), &workspace.journal(), segment)?;
        let outcome = RunOutcome {
            code: Some(code),
            arguments,
            ..RunOutcome::new(view.run.id, at, RunStatus::Running, segment)
        };
        writer.append(&Fact::RunOutcome(outcome))?;
        writer.commit()?;
        Ok(Recording::of(workspace, clock, view.run.clone(), writer))
    }

    /// Goes on with the end of a run whose recording broke off, in the segment that was meant for it.
    ///
    /// # Errors
    /// A store error where the journal cannot be written, or has the segment.
    pub(crate) fn take_over(workspace: &Workspace, clock: &Clock, run: Run, end: u128) -> Result<Self> {
        let writer = Writer::create_hidden(workspace.disk(), &workspace.journal(), end)?;
        Ok(Recording::of(workspace, clock, run, writer))
    }

    /// Gives all that is added from now on a segment of its own, which is there as a whole when the recording is finished, or not at
    /// all.
    ///
    /// # Errors
    /// A store error where the journal cannot be written, or has the segment; the recording goes on as before.
    pub(crate) fn end_in(&mut self, end: u128) -> Result<()> {
        let writer = Writer::create_hidden(self.workspace.disk(), &self.workspace.journal(), end)?;
        self.first_writer = Some(std::mem::replace(&mut self.writer, writer));
        Ok(())
    }

    /// Returns the run.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Returns the next moment.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Adds a fact; it survives a crash once [`Recording::commit`] has returned.
    ///
    /// # Errors
    /// A store error where the journal cannot be written.
    pub fn add(&mut self, fact: &Fact) -> Result<()> {
        self.writer.append(fact)
    }

    /// Adds metrics of the run, all at step 0.
    ///
    /// # Errors
    /// As [`Recording::add`].
    pub fn add_metrics(&mut self, values: &[(String, MetricValue)]) -> Result<()> {
        let at = self.clock.now();
        let owner = self.run.id;
        let points = values.iter().map(|(name, value)| Metric {
            owner,
            name: name.clone(),
            step: 0,
            at,
            value: *value,
        });
        self.add(&Fact::Metrics(points.collect()))
    }

    /// Adds that a file is about to be written over by the pipeline; what lay there is kept by now.
    ///
    /// # Errors
    /// As [`Recording::add`].
    pub fn add_overwritten(&mut self, artifact: Artifact) -> Result<()> {
        let at = self.clock.now();
        self.add(&Fact::FileOverwritten(Overwritten { artifact, at, command: "pipeline".to_owned() }))
    }

    /// Makes all facts added so far survive a crash.
    ///
    /// # Errors
    /// A store error where the journal cannot be written.
    pub fn commit(&mut self) -> Result<()> {
        self.writer.commit()
    }

    /// Begins a commit that another thread can carry out meanwhile; what is added later is not part of it.
    ///
    /// # Errors
    /// As [`Recording::commit`].
    pub fn sync_point(&mut self) -> Result<SyncPoint> {
        self.writer.sync_point()
    }

    /// Ends a commit that [`Recording::sync_point`] began.
    ///
    /// # Errors
    /// As [`Recording::commit`].
    pub fn settle(&mut self, point: &SyncPoint, outcome: std::io::Result<()>) -> Result<()> {
        self.writer.settle(point, outcome)
    }

    /// Ends the run, and applies what is new to the store if its lock is free. Returns what went wrong without harm.
    ///
    /// # Errors
    /// A store error where the journal cannot be written.
    pub fn finish(
        self,
        status: RunStatus,
        exit_code: Option<i32>,
        reason: Option<String>,
    ) -> Result<Vec<String>> {
        let at = self.clock.now();
        self.finish_at(at, status, exit_code, reason)
    }

    /// Ends the run as [`Recording::finish`] does, at this moment.
    ///
    /// # Errors
    /// As [`Recording::finish`].
    pub(crate) fn finish_at(
        mut self,
        at: Timestamp,
        status: RunStatus,
        exit_code: Option<i32>,
        reason: Option<String>,
    ) -> Result<Vec<String>> {
        let outcome = RunOutcome {
            exit_code,
            reason,
            ..RunOutcome::new(self.run.id, at, status, self.writer.segment())
        };
        self.writer.append(&Fact::RunOutcome(outcome))?;
        if let Some(first) = &mut self.first_writer {
            first.commit()?;
        }
        self.writer.publish()?;
        if let Some(now) = self.clock.now_if_ahead() {
            self.writer.date(now);
        }
        let Recording { workspace, writer, first_writer, run, backlog, mut warnings, .. } = self;
        // To look again costs as much as a short command does; what others have added since, they look after.
        let is_little = backlog.is_some_and(|pending| !pending.and(writer.length()).is_due());
        // The segments are closed first, so that whoever applies them sees them as closed.
        drop((first_writer, writer));
        // What a pipeline projected must be known to whoever asks next what is untracked.
        warnings.extend(match run.kind {
            RunKind::Pipeline => workspace.apply_if_free(),
            _ if is_little => Vec::new(),
            _ => workspace.apply_if_worth(),
        });
        Ok(warnings.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;
    use crate::disk::tests::{Crash, Leaves};
    use crate::model::{
        ArtifactPath, Digest, Evidence, Generated, Metric, MetricValue, Role, RunKind, Step, Used,
    };
    use crate::query;

    /// Tells whether the run is in the journal, and whether its end is.
    fn recorded(root: &std::path::Path, run: NodeId) -> (bool, bool) {
        let (mut started, mut ended) = (false, false);
        let view = Workspace::at(root, Disk::new()).view().unwrap();
        let found = view.snapshot.facts(&mut |fact| {
            match fact {
                Fact::RunStarted(fact) => started |= fact.id == run,
                Fact::RunOutcome(fact) => ended |= fact.run == run,
                _ => {}
            }
            Ok(())
        });
        found.unwrap();
        (started, ended)
    }

    #[test]
    fn where_the_clock_is_put_back_a_run_begins_after_the_last_points_of_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let workspace = Workspace::init(&root).unwrap();
        let second = |second: i64| Timestamp::from_micros(second * 1_000_000);
        let request = || RunRequest::new("train", RunKind::Command);
        let before = Recording::start(&workspace, &Clock::new(move || second(10)), request()).unwrap();
        let owner = before.run().id;
        before.finish(RunStatus::Succeeded, Some(0), None).unwrap();
        // They lie in a segment of their own, which is not applied yet.
        let segment = NodeId::new(second(20)).as_u128();
        let mut points = Writer::create(workspace.disk(), &workspace.journal(), segment).unwrap();
        let value = MetricValue::new(0.5).unwrap();
        let point = Metric { owner, name: "loss".to_owned(), step: 1, at: second(30), value };
        points.append(&Fact::Metrics(vec![point])).unwrap();
        points.commit().unwrap();
        let after = Recording::start(&workspace, &Clock::new(move || second(5)), request()).unwrap();
        assert!(after.run().started_at > second(30), "{:?}", after.run().started_at);
    }

    #[test]
    fn a_start_survives_the_end_of_the_process_at_once_and_a_power_cut_once_its_sync_point_is_settled() {
        let mut settled_before_the_cut = 0;
        for leaves in Leaves::ALL {
            for operations in 0..24 {
                let folder = tempfile::tempdir().unwrap();
                let root = folder.path().canonicalize().unwrap();
                Workspace::init(&root).unwrap();
                let crash = Crash::after(operations);
                let workspace = Workspace::at(&root, Disk::with_faults(crash.clone()));
                let clock = Clock::new(|| Timestamp::from_micros(1_765_561_338_000_000));
                let request = RunRequest::new("train", RunKind::Command);
                let started = Recording::start_soon(&workspace, &clock, request);
                let Ok(mut recording) = started else {
                    continue;
                };
                let run = recording.run().id;
                let settled = recording.sync_point().and_then(|mut point| {
                    let outcome = point.sync();
                    recording.settle(&point, outcome)
                });
                let finished = recording.finish(RunStatus::Succeeded, Some(0), None);
                crash.settle(leaves);
                let (start, end) = recorded(&root, run);
                let case = format!("{operations} {leaves:?}");
                assert!(start || leaves != Leaves::Everything, "{case}");
                assert!(start || settled.is_err(), "{case}");
                assert!(end || finished.is_err(), "{case}");
                settled_before_the_cut += usize::from(settled.is_ok() && finished.is_err());
            }
        }
        assert!(settled_before_the_cut > 0, "no cut fell between the start and the end");
    }

    #[test]
    fn a_step_of_more_files_than_a_record_takes_is_recorded_with_all_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        Workspace::init(&root).unwrap();
        let workspace = Workspace::at(&root, Disk::new());
        let clock = Clock::new(|| Timestamp::from_micros(1_765_561_338_000_000));
        let mut recording =
            Recording::start(&workspace, &clock, RunRequest::new("train", RunKind::Command)).unwrap();
        let file = |name: String| Artifact {
            digest: Digest::of(name.as_bytes()),
            size_bytes: 1,
            path: ArtifactPath::new(name).unwrap(),
        };
        let (evidence, role) = (Evidence::Observed, Role::Data);
        let started_at = recording.now();
        let read = |number: usize| Used {
            artifact: file(format!("train/{number:04000}")),
            at: started_at,
            evidence,
            role,
        };
        let at = recording.now();
        let model = file("model.pt".to_owned());
        let step = Step {
            used: (0..17_000).map(read).collect(),
            generated: vec![Generated { artifact: model.clone(), at, evidence, role }],
            ..Step::new(NodeId::new(at), recording.run().id, "train", [started_at, at])
        };
        recording.add(&Fact::StepDone(step)).unwrap();
        recording.finish(RunStatus::Succeeded, Some(0), None).unwrap();
        let snapshot = workspace.view().unwrap().snapshot;
        let path = snapshot.path_no(&model.path).unwrap().unwrap();
        let model = snapshot.artifact_no(path, &model.digest).unwrap().unwrap();
        let trace = query::upstream(&snapshot, model, i64::MAX, 1).unwrap();
        let read: BTreeSet<_> =
            trace.steps.iter().flat_map(|step| &step.used).map(|edge| edge.artifact).collect();
        assert_eq!(read.len(), 17_000);
    }
}
