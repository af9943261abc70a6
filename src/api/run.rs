//! A run that the calling program tells of itself.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::error::{Error, Result};
use crate::model::{
    ArtifactPath, MetricValue, NodeId, Role, RunStatus, StepStatus, TAG_FRONT, recorded_word,
};
use crate::ops::library::{Library, LibraryRequest, LibraryRun, LibraryStep};
use crate::ops::run::RUN_VARIABLE;
use crate::projection::names::{OutputFolder, run_folder_name};

/// A run about to start.
#[derive(Debug, Clone)]
#[must_use = "a run is recorded once it is started"]
pub struct RunBuilder {
    library: Arc<Library>,
    request: LibraryRequest,
    inputs: Vec<PathBuf>,
    base: String,
    is_separate: bool,
}

/// A run in progress.
///
/// It ends with [`Run::finish`] or [`Run::fail`]; dropped before, it is recorded as failed, or as interrupted where the thread
/// panics. One that never comes so far, since the process is killed, is found to be interrupted by whoever looks.
///
/// All methods can be called from any number of threads at once, and any of them may end it: afterwards nothing more can be said
/// of it through this value. In a fork of the process they fail, and dropping the value
/// there does nothing; open the workspace anew, and [`RunBuilder::join`] the run by its id.
#[derive(Debug)]
pub struct Run {
    inner: LibraryRun,
    base: String,
    folder: OnceLock<PathBuf>,
    saved: Mutex<BTreeMap<String, MetricValue>>,
    ended: Ended<RunStatus>,
}

/// A part of a run, with inputs and outputs of its own: a stage of a pipeline, or one of many files that are treated alike.
///
/// What it wrote is made from what it read itself, and from nothing else that the run read; another step that reads what it
/// wrote goes back to it. Steps may be under way beside each other. One is recorded when it ends, with [`RunStep::finish`] or
/// [`RunStep::fail`]; dropped before, as failed. Of a long one, what it read and wrote is recorded meanwhile, as of a run: then
/// it counts as more than one.
///
/// ```
/// use lineage::Workspace;
///
/// # fn main() -> lineage::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let root = folder.path();
/// # let workspace = Workspace::init(root)?;
/// # std::fs::write(root.join("raw.csv"), "1,2\n3,4\n").unwrap();
/// let run = workspace.run("pipeline").param("seed", 7).start()?;
///
/// let clean = run.step("clean")?;
/// clean.used(root.join("raw.csv"))?;
/// std::fs::write(root.join("clean.csv"), "1,2\n").unwrap();
/// clean.generated(root.join("clean.csv"))?;
/// clean.finish()?;
///
/// let train = run.step("train")?;
/// train.param("rows", 1)?;
/// train.used(root.join("clean.csv"))?;
/// std::fs::write(root.join("model.bin"), "weights").unwrap();
/// train.generated(root.join("model.bin"))?;
/// train.finish()?;
/// run.finish()?;
///
/// let shown = workspace.show("model.bin")?;
/// let steps: Vec<&str> = shown.runs()[0].steps.iter().map(|step| step.step.name.as_str()).collect();
/// assert_eq!(steps, ["train", "clean"]);
/// assert_eq!(shown.ends()[0].path.to_string(), "raw.csv");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RunStep {
    inner: LibraryStep,
    ended: Ended<StepStatus>,
}

/// Whether and how something has ended; that it has is said once.
#[derive(Debug)]
struct Ended<S>(OnceLock<S>);

impl<S: Copy + PartialEq> Ended<S> {
    fn not_yet() -> Self {
        Ended(OnceLock::new())
    }

    fn is_over(&self) -> bool {
        self.0.get().is_some()
    }

    /// Refuses what is said of `what` after its end.
    fn check(&self, what: &str) -> Result<()> {
        if self.is_over() {
            return Err(Error::request(format!("the {what} has ended: no more can be said of it"))
                .hint("what becomes known of a run later is told by who joins it: `RunBuilder::join`"));
        }
        Ok(())
    }

    /// Ends it, where nobody has: whoever ends it otherwise than it has ended is refused.
    fn end(&self, what: &str, how: S, say: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut said = None;
        let ended = *self.0.get_or_init(|| {
            said = Some(say());
            how
        });
        match said {
            Some(outcome) => outcome,
            None if ended == how => Ok(()),
            None => Err(Error::request(format!("the {what} has ended otherwise before"))),
        }
    }
}

impl RunBuilder {
    pub(super) fn new(library: Arc<Library>, name: String) -> Self {
        let request = LibraryRequest {
            name,
            arguments: std::env::args_os().map(recorded_word).collect(),
            ..LibraryRequest::default()
        };
        let base = OutputFolder::Processed.as_str().to_owned();
        RunBuilder { library, request, inputs: Vec::new(), base, is_separate: false }
    }

    /// Adds a parameter. A value that looks like a secret is masked.
    pub fn param(mut self, name: impl Into<String>, value: impl Display) -> Self {
        self.request.parameters.push((name.into(), value.to_string()));
        self
    }

    /// Adds a word to find the run by, as `tag.NAME` of the filter language: a parameter whose name begins with `tag.`.
    pub fn tag(self, name: impl Display, value: impl Display) -> Self {
        self.param(format!("{TAG_FRONT}{name}"), value)
    }

    /// Adds an input that is read when the run starts; see [`Run::used`].
    pub fn input(mut self, path: impl Into<PathBuf>) -> Self {
        self.inputs.push(path.into());
        self
    }

    /// Puts the run's folder below `base`, relative to the workspace's root, instead of below `data/processed`.
    pub fn output_base(mut self, base: impl Into<String>) -> Self {
        self.base = base.into();
        self
    }

    /// Names whoever starts the run; by default the user that the environment names.
    pub fn by(mut self, name: impl Into<String>) -> Self {
        self.request.by = Some(name.into());
        self
    }

    /// Names the run that this one is a part of.
    pub fn parent(mut self, run: NodeId) -> Self {
        self.request.parent = Some(run);
        self
    }

    /// Starts a run of its own where the process is a part of one already, as under `lineage run`; that one is its parent.
    pub fn separate(mut self) -> Self {
        self.is_separate = true;
        self
    }

    /// Starts the run; the first one of a process joins the run it is part of, that is, the one named in `LINEAGE_RUN`, as under
    /// `lineage run`. Further ones are runs of their own, with that as their parent; so is the first where that has ended, and has
    /// left the process behind.
    ///
    /// A run is joined by what is said of it: its metrics are those of the run, its files those of a step of the run that has
    /// this one's name and parameters. Whoever started it ends it.
    ///
    /// # Errors
    /// A request error where a name or a parameter cannot be taken, or an input cannot be read; a store error where the run
    /// cannot be recorded.
    pub fn start(mut self) -> Result<Run> {
        let around = std::env::var(RUN_VARIABLE).ok().and_then(|id| NodeId::parse(&id));
        if let Some(around) = around {
            if !self.is_separate
                && let Some(inner) = self.library.join_around(around, self.filled()?)?
            {
                return self.begin(inner);
            }
            // Of another workspace, ended, joined already, or named to be the parent.
            self.request.parent = self.request.parent.or(Some(around));
        }
        let inner = self.library.start(self.filled()?)?;
        self.begin(inner)
    }

    /// Joins a run that was started elsewhere, by its key: in progress, or after its end, as an evaluation does that measures what
    /// an earlier run trained. It is told of as by [`RunBuilder::start`] in a run around the process; when and how it ended stays as it
    /// is.
    ///
    /// ```
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let workspace = lineage::Workspace::init(folder.path())?;
    /// let train = workspace.run("train").start()?;
    /// let id = train.id();
    /// train.finish()?;
    ///
    /// let evaluation = workspace.run("evaluate").join(id)?;
    /// evaluation.metric("f1", 0.9, 0)?;
    /// evaluation.finish()?;
    /// let good = workspace.log().filter("f1 > 0.8 and status = ok").find()?;
    /// assert_eq!(good.rows[0].item.run.name, "train");
    /// # Ok::<(), lineage::Error>(())
    /// ```
    ///
    /// # Errors
    /// An error of [`Kind::NotFound`](crate::Kind::NotFound) where this workspace knows no such run; else as [`RunBuilder::start`].
    pub fn join(self, run: NodeId) -> Result<Run> {
        let inner = self.library.join(run, self.filled()?)?;
        let inner = inner.ok_or_else(|| {
            Error::not_found(format!("there is no run `{run}` here")).hint("`lineage log` lists the runs")
        })?;
        self.begin(inner)
    }

    fn filled(&self) -> Result<LibraryRequest> {
        ArtifactPath::new(self.base.as_str()).ok().filter(ArtifactPath::is_inside).ok_or_else(|| {
            Error::request(format!("`{}` is no folder of the workspace", self.base.escape_debug()))
        })?;
        Ok(LibraryRequest { folder: here()?, ..self.request.clone() })
    }

    fn begin(self, inner: LibraryRun) -> Result<Run> {
        let run = Run {
            inner,
            base: self.base,
            folder: OnceLock::new(),
            saved: Mutex::default(),
            ended: Ended::not_yet(),
        };
        for path in &self.inputs {
            run.used(path)?;
        }
        Ok(run)
    }
}

/// Returns the current folder, which relative paths are seen from.
pub(super) fn here() -> Result<PathBuf> {
    std::env::current_dir().map_err(|cause| Error::request("cannot tell the current folder").because(cause))
}

impl Run {
    /// Returns its key: what `lineage show` takes the end of, and what `LINEAGE_RUN` holds for programs it starts.
    pub fn id(&self) -> NodeId {
        self.inner.run().id
    }

    /// Returns its run id, `YYYYMMDD_HHMMSS`, which names its folder.
    pub fn run_id(&self) -> String {
        self.inner.run().run_id.as_str().to_owned()
    }

    /// Returns its name.
    pub fn name(&self) -> String {
        self.inner.run().name.clone()
    }

    /// Returns the short SHA of its code, with `-dirty` where tracked files differ; `None` without a commit.
    pub fn git_sha(&self) -> Option<String> {
        self.inner.run().code.label()
    }

    /// Returns true where it was joined: it was started elsewhere, and will be ended there.
    pub fn is_joined(&self) -> bool {
        self.inner.is_joined()
    }

    /// Records that the run read a file, all files below a folder, or something outside this machine such as `hf://ProsusAI/finbert`.
    ///
    /// The file is digested as it is now, so declare it when it is read. A relative path is seen from the current folder.
    ///
    /// # Errors
    /// A request error where it cannot be read, or is neither a file nor a folder; a store error where the journal cannot be written.
    pub fn used(&self, path: impl AsRef<Path>) -> Result<()> {
        self.ended.check("run")?;
        self.inner.used(&here()?, path.as_ref(), Role::Data)
    }

    /// Records that the run wrote a file; see [`Run::used`]. It counts as made from all inputs of the run that it was not
    /// made before.
    ///
    /// # Errors
    /// As [`Run::used`].
    pub fn generated(&self, path: impl AsRef<Path>) -> Result<()> {
        self.ended.check("run")?;
        self.inner.generated(&here()?, path.as_ref(), Role::Data)
    }

    /// Records a parameter that was not known at the start; of several values of one name the latest counts.
    ///
    /// # Errors
    /// A request error where it cannot be taken, a store error where the journal cannot be written.
    pub fn param(&self, name: impl Into<String>, value: impl Display) -> Result<()> {
        self.ended.check("run")?;
        self.inner.say_parameters(&[(name.into(), value.to_string())])
    }

    /// Records a word to find the run by; see [`RunBuilder::tag`].
    ///
    /// # Errors
    /// As [`Run::param`].
    pub fn tag(&self, name: impl Display, value: impl Display) -> Result<()> {
        self.param(format!("{TAG_FRONT}{name}"), value)
    }

    /// Records one point of a metric, at a step of training.
    ///
    /// A value that is not finite is no point, and no error either: that it was refused is recorded in its place, and told where the
    /// run is shown or found by that metric. A training that diverges shall not die of telling so.
    ///
    /// # Errors
    /// A request error where the name cannot be taken, a store error where the journal cannot be written.
    pub fn metric(&self, name: &str, value: f64, step: i64) -> Result<()> {
        self.ended.check("run")?;
        self.inner.metric(name, value, step)
    }

    /// Records metrics of the run as a whole, and writes them to `metrics.json` in [`Run::output_dir`], together with those
    /// saved before. The file is there as a whole or not at all.
    ///
    /// # Errors
    /// A request error where a value is no finite number: then nothing is recorded. A store error where the file or the
    /// journal cannot be written.
    pub fn save_metrics<N: Into<String>>(
        &self,
        metrics: impl IntoIterator<Item = (N, f64)>,
    ) -> Result<PathBuf> {
        self.ended.check("run")?;
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let named = metrics.into_iter().map(|(name, value)| {
            let name = name.into();
            let value = MetricValue::new(value).map_err(|error| {
                Error::request(format!("metric `{}` cannot be saved", name.escape_debug())).because(error)
            })?;
            Ok((name, value))
        });
        let fresh = named.collect::<Result<Vec<_>>>()?;
        for (name, value) in &fresh {
            self.inner.metric(name, value.get(), 0)?;
        }
        saved.extend(fresh);
        self.inner.settle()?;
        let all: Vec<(String, MetricValue)> = saved.iter().map(|(n, v)| (n.clone(), *v)).collect();
        self.inner.write_metrics(&self.folder(), &all)
    }

    /// Returns the run's folder, `data/processed/{run_id}_{name}_{git_sha}` of the workspace, made when it is first asked for.
    ///
    /// # Errors
    /// A request error where a symbolic link leads out of the workspace, a store error where the folder cannot be made.
    pub fn output_dir(&self) -> Result<PathBuf> {
        if let Some(folder) = self.folder.get() {
            return Ok(folder.clone());
        }
        self.ended.check("run")?;
        // A power cut shall not leave a folder whose run id is free again.
        self.inner.settle()?;
        let folder = self.inner.make_folder(&self.folder())?;
        Ok(self.folder.get_or_init(|| folder).clone())
    }

    fn folder(&self) -> String {
        let run = self.inner.run();
        format!("{}/{}", self.base, run_folder_name(&run.run_id, &run.name, &run.code))
    }

    /// Begins a step of the run; see [`RunStep`].
    ///
    /// # Errors
    /// A request error where the name cannot be taken: it is one that a run can have.
    pub fn step(&self, name: &str) -> Result<RunStep> {
        self.ended.check("run")?;
        Ok(RunStep { inner: self.inner.step(name)?, ended: Ended::not_yet() })
    }

    /// Makes everything said so far survive a power cut, also of its steps.
    ///
    /// # Errors
    /// A store error where the disk does not take it.
    pub fn commit(&self) -> Result<()> {
        self.inner.commit()
    }

    /// Ends the run well. Steps under way end by themselves. On return all of it survives a power cut: that takes one wait for the disk, which threads that finish
    /// runs at the same time share. [`Run::finish_soon`] does not wait.
    ///
    /// # Errors
    /// A store error where the journal cannot be written. It is tried again with the next commit, and when the workspace is
    /// dropped. A request error where it was ended otherwise before.
    pub fn finish(&self) -> Result<()> {
        self.end(RunStatus::Succeeded, None)?;
        self.inner.settle()
    }

    /// Ends the run well, as [`Run::finish`] does, without waiting for the disk: for thousands of short runs in a row.
    /// [`Workspace::commit`](crate::api::Workspace::commit) waits for all of them.
    ///
    /// # Errors
    /// As [`Run::finish`].
    pub fn finish_soon(&self) -> Result<()> {
        self.end(RunStatus::Succeeded, None)
    }

    /// Ends the run as failed.
    ///
    /// # Errors
    /// As [`Run::finish`].
    pub fn fail(&self, reason: impl Into<String>) -> Result<()> {
        self.end(RunStatus::Failed, Some(reason.into()))?;
        self.inner.settle()
    }

    fn end(&self, status: RunStatus, reason: Option<String>) -> Result<()> {
        self.ended.end("run", status, || {
            self.inner.end(status, reason)?;
            // What goes wrong here goes wrong again for whoever asks next, and is told then.
            let _ = self.inner.apply_if_much();
            Ok(())
        })
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if self.ended.is_over() || !self.inner.is_ours() {
            return;
        }
        let reason = why_dropped();
        let status = if std::thread::panicking() { RunStatus::Interrupted } else { RunStatus::Failed };
        // There is nobody left to tell.
        let _ = self.end(status, Some(reason.to_owned())).and_then(|()| self.inner.settle());
    }
}

/// Says why what had not ended is dropped.
fn why_dropped() -> &'static str {
    if std::thread::panicking() { "the program panicked" } else { "dropped without an end" }
}

impl RunStep {
    /// Records that the step read a file, all files below a folder, or something outside this machine; see [`Run::used`].
    ///
    /// # Errors
    /// As [`Run::used`].
    pub fn used(&self, path: impl AsRef<Path>) -> Result<()> {
        self.ended.check("step")?;
        self.inner.used(&here()?, path.as_ref())
    }

    /// Records that the step wrote a file. It counts as made from all that the step read and that it was not made before.
    ///
    /// # Errors
    /// As [`Run::used`].
    pub fn generated(&self, path: impl AsRef<Path>) -> Result<()> {
        self.ended.check("step")?;
        self.inner.generated(&here()?, path.as_ref())
    }

    /// Records what the step was told beyond the run's parameters. A value that looks like a secret is masked.
    ///
    /// # Errors
    /// A request error where it cannot be taken.
    pub fn param(&self, name: impl Into<String>, value: impl Display) -> Result<()> {
        self.ended.check("step")?;
        self.inner.say_parameter((name.into(), value.to_string()))
    }

    /// Ends the step well. Others see it on return; it survives a power cut with the end of the run, or a quarter of a second later.
    ///
    /// # Errors
    /// As [`Run::finish`].
    pub fn finish(&self) -> Result<()> {
        self.end(StepStatus::Succeeded, None)
    }

    /// Ends the step as failed, which says nothing of the run.
    ///
    /// # Errors
    /// As [`Run::finish`].
    pub fn fail(&self, reason: impl Into<String>) -> Result<()> {
        self.end(StepStatus::Failed, Some(reason.into()))
    }

    fn end(&self, status: StepStatus, reason: Option<String>) -> Result<()> {
        self.ended.end("step", status, || self.inner.end(status, reason))
    }
}

impl Drop for RunStep {
    fn drop(&mut self) {
        if !self.ended.is_over() && self.inner.is_ours() {
            // There is nobody left to tell.
            let _ = self.end(StepStatus::Failed, Some(why_dropped().to_owned()));
        }
    }
}
