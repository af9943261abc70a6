//! What is recorded of a command that was observed: its steps, its environment, its metrics.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::around::Around;
use super::environment;
use super::live::Reported;
use super::measured::{self, Known, MetricsFile};
use super::metrics::Point;
use super::own::GivenOut;
use super::steps::{self, FileClock, Outcome, Repositories};
use super::{CommandRequest, Ground, copies, declared, metrics, own};
use crate::capture::observe::{Level, Observation, Reading};
use crate::disk::open_regular;
use crate::error::Result;
use crate::model::{
    Artifact, ArtifactPath, Digest, ENVIRONMENT_SCHEME, Evidence, Fact, Generated, IGNORED_FILES, Link,
    Metric, MetricValue, NodeId, Passing, Remark, RemarkKind, Role, RunRepository, SEVERAL_METRICS_FILES,
    Step, Timestamp, Used,
};
use crate::ops::code;
use crate::ops::keep::Keeping;
use crate::ops::registry::VersionsOfRun;
use crate::ops::{Recording, Workspace};
use crate::store::Snapshot;

/// What became of an observation.
#[derive(Default)]
pub(super) struct Recorded {
    pub(super) counts: Counts,
    /// Whether our standard error leads to one of the outputs.
    pub(super) stderr_is_output: bool,
    /// Versions of models that the command registered.
    pub(super) registered: Option<VersionsOfRun>,
}

/// A command that was observed, and what its steps are recorded with.
pub(super) struct Recorder<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) recording: &'a mut Recording,
    pub(super) request: &'a CommandRequest,
    pub(super) observation: &'a Observation,
    pub(super) ground: &'a Ground<'a>,
    pub(super) keeping: &'a Keeping<'a>,
    /// What the command wrote to its metrics file while it was at work.
    pub(super) reported: &'a mut Reported,
    pub(super) clock: FileClock,
    pub(super) remarks: &'a mut Vec<Remark>,
}

impl Recorder<'_> {
    /// Records what was observed. It survives a crash once the recording is finished.
    pub(super) fn record(mut self) -> Result<Recorded> {
        let (workspace, request) = (self.workspace, self.request);
        let (observation, ground) = (self.observation, self.ground);
        let given = own::given_out(workspace, observation, self.recording.run().id);
        let given = given.unwrap_or_else(|error| {
            self.fault(format!("what was given out inside of the run leads nowhere: {}", error.in_full()));
            GivenOut::default()
        });
        let run = self.recording.run();
        let around = Around::of(workspace, (request, ground), observation, run, (given, self.clock));
        let mut made = steps::steps(observation, &around.surroundings());
        self.remark_what_is_missing(&made, around.named_metrics.as_deref());
        declared::add(
            workspace,
            self.recording,
            request,
            observation,
            &around.surroundings(),
            &mut made.steps,
            self.remarks,
        );
        self.add_environment(&mut made);
        let steps = std::mem::take(&mut made.steps);
        made.steps = copies::all_told_apart(steps, &made.orders, &mut made.lists_left_out);
        self.remark_lists(made.lists_left_out);
        let measured = self.measured(&mut made);
        let counts = Counts::of(&made.steps);
        let stderr_is_output = leads_to_output(Path::new("/proc/self/fd/2"), ground.root, &made.steps);
        let may_be_read = match observation.level {
            Level::Net => &[][..],
            Level::Snapshot | Level::Nothing => &self.recording.run().code.untracked,
        };
        let unkept = self.keeping.keep(may_be_read, &made.steps, &self.ground.rules);
        unkept.into_iter().for_each(|fault| self.fault(fault));
        for step in &made.steps {
            self.recording.add(&Fact::StepDone(step.clone()))?;
        }
        self.record_links(&made.steps, made.links)?;
        self.record_repositories(&around.repositories, &made.steps)?;
        self.record_metrics(&measured)?;
        let registered = own::registered(workspace, &around.own, self.recording.run().id)?;
        Ok(Recorded { counts, stderr_is_output, registered })
    }

    fn fault(&mut self, text: String) {
        self.remarks.push(Remark::new(RemarkKind::Fault, text));
    }

    /// Says what of the observation does not come into the record, or not for certain.
    fn remark_what_is_missing(&mut self, made: &Outcome, named_metrics: Option<&Path>) {
        if let Some(path) = named_metrics.filter(|path| !made.metrics.iter().any(|file| file.place == *path))
        {
            let shown = shown(path, self.ground.root);
            let text = format!("`{shown}` gave no metrics: the command did not write it");
            self.remarks.push(Remark::new(RemarkKind::NotObserved, text));
        }
        let elsewhere = "files written among those of the system, of tools and of packages are not recorded";
        let compiled = "more modules ran as they had been compiled, and their sources are not, or not for certain, what was compiled";
        let passing =
            "files that were written, read and removed again are not recorded as files: there are too many";
        let untold = "steps are recorded without what the programs that started them had read before: together it is too much";
        let modules = doubtful_modules(self.observation);
        for module in modules.iter().take(MODULES_MAX) {
            self.remarks.push(Remark::of_compiled(&shown(module, self.ground.root)));
        }
        let counted = [
            (RemarkKind::LeftOut, IGNORED_FILES, made.left_out),
            (RemarkKind::LeftOut, untold, made.untold),
            (RemarkKind::LeftOut, passing, made.passing_left_out),
            (RemarkKind::LeftOut, elsewhere, made.written_elsewhere),
            (RemarkKind::Unseen, compiled, modules.len().saturating_sub(MODULES_MAX) as u64),
        ];
        for (kind, text, count) in counted.into_iter().filter(|(.., count)| *count > 0) {
            self.remarks.push(Remark { kind, text: text.to_owned(), count });
        }
        self.ground.rules.faults().into_iter().for_each(|fault| self.fault(fault));
    }

    /// Says where files were read that may have said which others were to be had, and are not listed as that.
    fn remark_lists(&mut self, count: u64) {
        if count > 0 {
            let text = "steps copied, moved or linked files and are recorded without what they had read of others like these: too many to have said which";
            self.remarks.push(Remark { kind: RemarkKind::LeftOut, text: text.to_owned(), count });
        }
    }

    /// Puts the list of the environment at the first step, where there is anything in it.
    fn add_environment(&mut self, made: &mut Outcome) {
        let variables = environment::variables(&self.request.environment);
        if variables.is_empty() && made.environment.is_empty() {
            return;
        }
        let list = environment::list(&variables, &made.environment, self.workspace.digests());
        match self.environment_edge(&list) {
            Ok(edge) => match made.steps.iter_mut().find(|step| !step.act.is_one_to_one()) {
                Some(first) => first.used.push(edge),
                None => {
                    let whole = whole_step(self.recording, self.observation, vec![edge], Vec::new());
                    made.steps.push(whole);
                }
            },
            // The steps say more than the versions of what they were made with.
            Err(error) => self.fault(format!("the environment was not recorded: {}", error.in_full())),
        }
    }

    fn environment_edge(&self, list: &[u8]) -> Result<Used> {
        let digest = self.workspace.contents().keep(list)?;
        Ok(Used {
            artifact: Artifact {
                path: ArtifactPath::new(format!("{ENVIRONMENT_SCHEME}{}", self.recording.run().host))?,
                digest,
                size_bytes: list.len() as u64,
            },
            at: Timestamp::from_micros(self.observation.started_us),
            evidence: Evidence::Observed,
            role: Role::Environment,
        })
    }

    /// Records which of the files that the steps name are symbolic links.
    fn record_links(&mut self, steps: &[Step], mut links: Vec<Link>) -> Result<()> {
        if links.is_empty() {
            return Ok(());
        }
        let used = steps.iter().flat_map(|step| &step.used).map(|edge| &edge.artifact);
        let generated = steps.iter().flat_map(|step| &step.generated).map(|edge| &edge.artifact);
        let named: BTreeSet<&Artifact> = used.chain(generated).collect();
        links.retain(|link| named.contains(&link.artifact()));
        links.into_iter().try_for_each(|link| self.recording.add(&Fact::LinkSeen(link)))
    }

    /// Records the code states of the repositories besides the run's own that it read files of, as they are now.
    fn record_repositories(&mut self, repositories: &Repositories, steps: &[Step]) -> Result<()> {
        let others = repositories.others();
        if others.is_empty() {
            return Ok(());
        }
        let snapshot = self.workspace.store().snapshot().ok().flatten();
        let (root, copy) = (self.ground.root, self.request.copy.as_ref());
        let stands_for = |place: &Path| copy.map_or_else(|| place.to_owned(), |copy| copy.stands_for(place));
        // Of what git does not track there, only what was read is known to be of the run.
        let read = steps.iter().flat_map(|step| &step.used).filter(|edge| edge.role == Role::CodeUntracked);
        let read: HashSet<PathBuf> = read.filter_map(|edge| edge.artifact.path.on_disk(root)).collect();
        let is_read = |place: &Path| read.contains(&stands_for(place));
        for (work_tree, commit) in others {
            let code_of = code::CodeOf { root: self.ground.root, folder: &work_tree };
            let mut now = code::code_state_at(self.workspace, code_of, &is_read, &|| snapshot.as_ref())?;
            let root = match stands_for(&work_tree) {
                there if there != work_tree => {
                    for file in now.changed.iter_mut().chain(&mut now.untracked) {
                        let place = file.path.on_disk(root).map(|place| stands_for(&place));
                        let named = place.and_then(|place| ArtifactPath::within(root, &place).ok());
                        file.path = named.unwrap_or_else(|| file.path.clone());
                    }
                    ArtifactPath::within(root, &there).ok()
                }
                _ => code_of.other_work_tree(),
            };
            let repository = RunRepository {
                run: self.recording.run().id,
                at: self.recording.now(),
                root,
                code: Some(code::as_of(now, commit)),
            };
            self.recording.add(&Fact::RepositoryRead(repository))?;
        }
        Ok(())
    }

    /// Returns the files of metrics that hold what the command measured; says of those that it carried from elsewhere what they are.
    fn measured(&mut self, made: &mut Outcome) -> Vec<MetricsFile> {
        let files = std::mem::take(&mut made.metrics);
        // Where nothing was observed, nobody knows what was read.
        if files.is_empty() || self.observation.level != Level::Net {
            return files;
        }
        let (workspace, all) = (self.workspace, files.clone());
        let snapshot = OnceCell::new();
        let was_written = |artifact: &Artifact| {
            if snapshot.get().is_none() {
                let _ = snapshot.set(workspace.view_as_it_is()?.snapshot);
            }
            snapshot.get().map_or(Ok(false), |snapshot: &Snapshot| is_written(snapshot, artifact))
        };
        let old = measured::old_contents(self.observation, self.ground.started_ns);
        let was_there = |digest: &Digest| old.contains(digest);
        let sorted = match measured::sort(&mut made.steps, files, &was_written, &was_there) {
            Ok(sorted) => sorted,
            Err(error) => {
                self.fault(format!("metrics may be copies: {}", error.in_full()));
                return all;
            }
        };
        if let Some(first) = sorted.carried.first() {
            let text = match sorted.carried.len() {
                1 => format!("{first}: not measured by this run, which copied it from elsewhere"),
                more => format!(
                    "{first} and {} more: not measured by this run, which copied them from elsewhere",
                    more - 1
                ),
            };
            self.remarks.push(Remark::new(RemarkKind::Refused, text));
        }
        sorted.measured
    }

    /// Reads the metrics files that the command wrote. What it had reported is no other measurement.
    fn record_metrics(&mut self, files: &[MetricsFile]) -> Result<()> {
        let mut documents = Vec::new();
        for MetricsFile { place: file, bytes: known, .. } in files {
            let read = self.metrics_bytes(file, *known);
            let mut refuse = |why: String| {
                let text = format!("{}: {why}", shown(file, self.ground.root));
                self.remarks.push(Remark::new(RemarkKind::Refused, text));
            };
            let bytes = match read {
                Ok(bytes) => bytes,
                Err(why) => {
                    refuse(format!("no metrics were read: {why}"));
                    continue;
                }
            };
            let (points, refused) = metrics::from_document(&bytes, metrics::Form::of(file));
            refused.into_iter().for_each(refuse);
            documents.push((file, points));
        }
        self.remark_what_several_say(&documents);
        let mut documents: Vec<Vec<Point>> = documents.into_iter().map(|(_, points)| points).collect();
        let names: BTreeSet<&str> = documents.iter().flatten().map(|point| point.name.as_str()).collect();
        if let Err(error) = self.add_reported(&names) {
            let why = error.in_full();
            self.fault(format!("what was reported of the metrics was not looked up: {why}"));
        }
        for points in &mut documents {
            points.retain(|point| !self.reported.has(point));
            if points.is_empty() {
                continue;
            }
            let (at, owner) = (self.recording.now(), self.recording.run().id);
            let points = points.drain(..).map(|point| {
                let step = self.reported.step_of(&point);
                Metric { owner, name: point.name, step, at, value: point.value }
            });
            self.recording.add(&Fact::Metrics(points.collect()))?;
        }
        Ok(())
    }

    /// Returns what the command wrote into a file of metrics: what lies there, unless others have written into it since, or what is kept
    /// of it; the error says why neither can be had.
    fn metrics_bytes(&self, file: &Path, known: Known) -> Result<Vec<u8>, String> {
        let others = || Err("others have written into it since".to_owned());
        let lies_there = read_metrics(file);
        match known {
            Known::Nothing => lies_there,
            Known::Lost => others(),
            Known::Digest(digest) => match lies_there {
                Ok(bytes) if Digest::of(&bytes) == digest => Ok(bytes),
                lies_there => match self.workspace.contents().read(&digest) {
                    Ok(Some(bytes)) if bytes.len() as u64 <= METRICS_MAX_BYTES => Ok(bytes),
                    _ => lies_there.and_then(|_| others()),
                },
            },
        }
    }

    /// Says of which metrics several files give unlike values: they are points of one metric, whatever each file is about.
    fn remark_what_several_say(&mut self, documents: &[(&PathBuf, Vec<Point>)]) {
        let mut given: BTreeMap<&str, Vec<(&PathBuf, MetricValue)>> = BTreeMap::new();
        for (file, points) in documents {
            for point in points {
                given.entry(&point.name).or_default().push((file, point.value));
            }
        }
        given.retain(|_, values| values.iter().any(|(_, value)| *value != values[0].1));
        let Some((name, values)) = given.first_key_value() else { return };
        let files: BTreeSet<&PathBuf> = values.iter().map(|(file, _)| *file).collect();
        let others = match given.len() - 1 {
            0 => String::new(),
            others => format!(" and {others} more"),
        };
        let last = values.last().map(|(file, _)| shown(file, self.ground.root)).unwrap_or_default();
        let text = format!(
            "{SEVERAL_METRICS_FILES}`{name}`{others} is from: {} files give values, and that of {last} is the last",
            files.len(),
        );
        self.remarks.push(Remark::new(RemarkKind::LeftOut, text));
    }

    /// Adds what programs under the command said of these metrics themselves.
    fn add_reported(&mut self, names: &BTreeSet<&str>) -> Result<()> {
        let (journal, seen) = (self.workspace.journal(), self.observation);
        let mut accesses = seen.processes.iter().flat_map(|process| &process.accesses);
        // Whoever says something writes it there.
        let may_be_said = seen.level != Level::Net
            || accesses.any(|access| seen.files[access.file].path.starts_with(&journal));
        if names.is_empty() || !may_be_said {
            return Ok(());
        }
        let snapshot = self.workspace.view_as_it_is()?.snapshot;
        for name in names {
            let Some(metric) = snapshot.metric_no(name)? else { continue };
            let last = snapshot.last_metric_values(self.recording.run().id, metric)?;
            let (step, values) = last.unwrap_or_default();
            values.into_iter().for_each(|value| self.reported.add(name, step, value));
        }
        Ok(())
    }
}

/// Returns true where a recorded step wrote a content, wherever.
pub(super) fn is_written(snapshot: &Snapshot, artifact: &Artifact) -> Result<bool> {
    let Some(first) = snapshot.artifacts_with(&artifact.digest)?.first().copied() else { return Ok(false) };
    let found = snapshot.content_writes_until(first, i64::MAX, |_, _, _| Ok(ControlFlow::Break(())))?;
    Ok(found.is_break())
}

/// How many files a run read and wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Files that it read, but for code and what it had made itself.
    pub inputs: usize,
    /// Code that it read.
    pub code: usize,
    /// Files that it wrote, and did not take away again.
    pub outputs: usize,
}

impl Counts {
    fn of(steps: &[Step]) -> Self {
        let generated = || steps.iter().flat_map(|step| &step.generated).map(|edge| &edge.artifact);
        let made: BTreeSet<(&ArtifactPath, Digest)> =
            generated().map(|artifact| (&artifact.path, artifact.digest)).collect();
        let (mut inputs, mut code) = (BTreeSet::new(), BTreeSet::new());
        for edge in steps.iter().flat_map(|step| &step.used) {
            let path = &edge.artifact.path;
            match edge.role {
                Role::Environment => {}
                role if role.is_code() => drop(code.insert(path)),
                // What the run made and read again is no input; what it read and then changed is.
                _ if made.contains(&(path, edge.artifact.digest)) => {}
                _ => drop(inputs.insert(path)),
            }
        }
        let passing = Passing::of(steps);
        let outputs = generated().map(|artifact| &artifact.path).filter(|path| !passing.has(path));
        let outputs: BTreeSet<&ArtifactPath> = outputs.collect();
        Counts { inputs: inputs.len(), code: code.len(), outputs: outputs.len() }
    }
}

/// Says whether a stream of ours leads to what one of the steps wrote.
fn leads_to_output(stream: &Path, root: &Path, steps: &[Step]) -> bool {
    let target = std::fs::read_link(stream).ok().and_then(|path| ArtifactPath::within(root, &path).ok());
    let mut written = steps.iter().flat_map(|step| &step.generated).map(|edge| &edge.artifact.path);
    target.is_some_and(|target| written.any(|path| *path == target))
}

/// As many modules are named of which somebody read only what had been compiled.
const MODULES_MAX: usize = 20;

/// Lists the sources of which somebody read only what had been compiled, perhaps from other bytes.
fn doubtful_modules(observation: &Observation) -> BTreeSet<&Path> {
    let accesses = observation.processes.iter().flat_map(|process| &process.accesses);
    let doubtful = accesses
        .filter(|access| access.read_us.is_some() && access.reading == Reading::DoubtfulStandIn)
        .map(|access| observation.files[access.file].path.as_path());
    doubtful.collect()
}

/// Makes a step for the command as a whole, for edges that belong to no process in particular.
pub(super) fn whole_step(
    recording: &Recording,
    observation: &Observation,
    used: Vec<Used>,
    generated: Vec<Generated>,
) -> Step {
    Step {
        used,
        generated,
        ..Step::new(
            NodeId::new(recording.now()),
            recording.run().id,
            recording.run().name.clone(),
            [Timestamp::from_micros(observation.started_us), Timestamp::from_micros(observation.ended_us)],
        )
    }
}

/// No larger document of metrics is read.
const METRICS_MAX_BYTES: u64 = 16 << 20;

pub(super) fn read_metrics(file: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    let no_file = || format!("it is no file of at most {METRICS_MAX_BYTES} bytes");
    let opened = open_regular(file).map_err(|cause| match cause.kind() {
        std::io::ErrorKind::InvalidInput => no_file(),
        _ => cause.to_string(),
    })?;
    let mut bytes = Vec::new();
    opened.take(METRICS_MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|cause| cause.to_string())?;
    if bytes.len() as u64 > METRICS_MAX_BYTES { Err(no_file()) } else { Ok(bytes) }
}

/// Writes a path as it is named in the workspace.
fn shown(path: &Path, root: &Path) -> String {
    ArtifactPath::within(root, path)
        .map_or_else(|_| path.to_string_lossy().escape_debug().to_string(), |path| path.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts the files of steps, `read … -> written …`, each `role:path=content`, which of what was written is `data:`.
    fn check(steps: &[&str], expected: [usize; 3]) {
        let artifact = |word: &str| {
            let (role, file) = word.split_once(':').unwrap();
            let (path, content) = file.split_once('=').unwrap();
            let (digest, size_bytes) = (Digest::of(content.as_bytes()), content.len() as u64);
            let role = match role {
                "data" => Role::Data,
                "code" => Role::Code,
                "environment" => Role::Environment,
                other => panic!("{other}"),
            };
            (Artifact { path: ArtifactPath::new(path).unwrap(), digest, size_bytes }, role)
        };
        let (at, evidence) = (Timestamp::from_micros(1), Evidence::Observed);
        let steps = steps.iter().map(|step| {
            let (read, written) = step.split_once("->").unwrap();
            let used = read.split_whitespace().map(artifact);
            let used = used.map(|(artifact, role)| Used { artifact, at, evidence, role }).collect();
            let generated = written.split_whitespace().map(artifact);
            let generated =
                generated.map(|(artifact, role)| Generated { artifact, at, evidence, role }).collect();
            Step { used, generated, ..Step::new(NodeId::new(at), NodeId::new(at), "s", [at, at]) }
        });
        let Counts { inputs, code, outputs } = Counts::of(&steps.collect::<Vec<_>>());
        assert_eq!([inputs, code, outputs], expected);
    }

    #[test]
    fn files_are_counted_once_and_by_what_they_are_to_the_run() {
        check(&[], [0, 0, 0]);
        check(
            &["data:a=1 code:t.py=x environment:e=1 -> data:b=1", "data:a=1 code:t.py=x -> data:b=2"],
            [1, 1, 1],
        );
        // What the run made and read again is no input; what it read and then changed is.
        check(&["data:a=1 -> data:b=1", "data:b=1 -> data:c=1"], [1, 0, 2]);
        check(&["data:a=1 -> data:a=2"], [1, 0, 1]);
    }
}
