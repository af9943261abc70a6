//! `lineage rerun`: the same command again, on the code and the inputs of then, and whether it makes the same files.

mod activated;
mod around;
mod beside;
mod compare;
mod copy;
mod lay_there;
mod needs;
mod others;
mod repacked;
mod streams;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};
use crate::model::{
    Artifact, ArtifactPath, CaptureLevel, LinkText, Metric, NodeId, RemarkKind, Role, Run, RunKind,
    RunStatus, Step, Timestamp, os_word,
};
use crate::ops::diff::run_meant;
use crate::ops::metrics::NamePattern;
use crate::ops::named::place_on_disk;
use crate::ops::run::{
    CommandRequest, CommandSummary, WorkspaceCopy, is_ignored_place, is_temporary, is_work_place,
    run_command, variables_of,
};
use crate::ops::{Clock, Workspace};
use crate::query::diff::{MetricDiff, compare_metrics};
use crate::query::{self, RunHead};
use crate::store::{RunNo, Snapshot};

use around::Around;
pub use compare::OutputComparison;
use lay_there::LayThere;

/// A run to repeat.
#[derive(Debug, Clone)]
pub struct RerunRequest {
    /// The run, or a file that it wrote, or a version of a model that came from it.
    pub word: OsString,
    /// The folder that the word is seen from.
    pub folder: PathBuf,
    /// Run in the workspace itself, as it is now.
    pub here: bool,
    /// Run although something that the run read is missing, or leads back to the workspace.
    pub incomplete: bool,
    /// Leave the copy where it is.
    pub keep: bool,
    /// Metrics that are not compared, such as those that measure time.
    pub ignored_metrics: Vec<NamePattern>,
    /// Where copies are made.
    pub temporary: PathBuf,
    /// The whole environment.
    pub environment: Vec<(OsString, OsString)>,
    /// This program, to repeat runs of its pipeline.
    pub program: PathBuf,
    /// The run this is started by.
    pub parent: Option<NodeId>,
    /// The machine's name.
    pub host: String,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct RerunSummary {
    /// The run that was repeated.
    pub original: RunHead,
    /// The run that repeated it, and how that went.
    pub again: CommandSummary,
    /// The outputs of both.
    pub outputs: OutputComparison,
    /// Metrics of which any point differs, by name; of a pipeline, whose files of metrics tell of their run, none.
    pub metrics: Vec<MetricDiff>,
    /// How many metrics have equal points.
    pub metrics_same: u64,
    /// Metrics that were not compared, as was asked for, by name.
    pub metrics_ignored: Vec<String>,
    /// What the repetition could not have as it was then, one line each.
    pub notes: Vec<String>,
    /// Where the copy was left.
    pub kept: Option<PathBuf>,
}

impl RerunSummary {
    /// Returns the exit codes, of then and of now.
    pub fn exit_codes(&self) -> [Option<i32>; 2] {
        use crate::capture::observe::Exit;
        let before = self.original.view.outcomes.last().and_then(|outcome| outcome.exit_code);
        let now = match self.again.exit {
            Exit::Code(code) => Some(code),
            Exit::Signal { number, .. } => Some(128 + number),
            Exit::Unknown => None,
        };
        [before, now]
    }

    /// Returns true where the command is known to have ended the same way, made the same files, and measured the same.
    pub fn is_same(&self) -> bool {
        let [before, now] = self.exit_codes();
        self.outputs.is_same() && self.metrics.is_empty() && now.is_some() && before == now
    }
}

/// Repeats a run and compares what it makes with what was made then.
///
/// A repetition of a run is repeated as that run. Unless it is to run here, it runs in a copy of the workspace: the recorded commit, the recorded patch, and what the run read
/// besides, each with the bytes of then. The user's own files are only read.
///
/// # Errors
/// A request error where the run cannot be repeated; nothing was run then.
pub fn rerun(workspace: &Workspace, clock: &Clock, request: &RerunRequest) -> Result<RerunSummary> {
    let view = workspace.view()?;
    let number =
        first_of(&view.snapshot, run_meant(workspace, &view.snapshot, &request.folder, &request.word)?)?;
    let mut head = RunHead::read(&view.snapshot, number)?
        .ok_or_else(|| Error::request("the start of this run is not recorded here"))?;
    head.alive = workspace.is_at_work(&view.snapshot, &head.view)?;
    let steps = view.snapshot.whole_steps_of(number)?;
    let around = around::seen_around(&view.snapshot, &head)?;
    let (links, lay_there) = Default::default();
    let mut original = Original { head, steps, around, links, lay_there };
    original.check()?;
    original.lay_there = LayThere::as_began(&view.snapshot, number, &original)?;
    if !request.here {
        original.links = needs::links(workspace, &view.snapshot, &original)?;
    }
    let made = needs::made_by_runs(&view.snapshot, &original)?;
    if request.here {
        drop(view);
        let copy = Place { root: workspace.root().to_owned(), copy: None };
        let (missing, notes) = (needs::changed_here(workspace, &original), Vec::new());
        return original.repeat(workspace, clock, request, &copy, [notes, missing].concat());
    }
    original.check_outside(workspace, request)?;
    let own = copy::new_folder(&request.temporary)?;
    let folder = own.folder.clone();
    let filled = copy::fill(workspace, &view.snapshot, &original, &folder, request.incomplete);
    // The store is never open while a command runs.
    drop(view);
    let repeated = filled.and_then(|filled| {
        let written = original.whole_paths_written(workspace.root());
        let leads_back = |path: &&ArtifactPath| needs::names_one(path, &filled.root, workspace.root(), &written);
        if !request.incomplete
            && let Some(named) = made.iter().find(leads_back)
        {
            let why = format!(
                "`{named}`, which an earlier run made for this folder, names by its whole path what is to be written"
            );
            return Err(original.refused_in_copy(why).hint(
                "`--here` runs it in the workspace, where it may overwrite your files; `--incomplete` tries it in the copy",
            ));
        }
        let copy = WorkspaceCopy { root: filled.root.clone(), name: original.name(), others: filled.others };
        let place = Place { root: filled.root, copy: Some(copy) };
        original.repeat(workspace, clock, request, &place, filled.notes)
    });
    match repeated {
        Ok(mut summary) if request.keep => {
            if let Err(cause) = own.leave() {
                summary
                    .notes
                    .push(format!("the copy at `{}` may be removed later: {cause}", folder.display()));
            }
            Ok(RerunSummary { kept: Some(folder), ..summary })
        }
        repeated => {
            if let Err(cause) = own.remove() {
                let left = format!("the copy at `{}` could not be removed: {cause}", folder.display());
                return repeated.map(|mut summary| {
                    summary.notes.push(left);
                    summary
                });
            }
            repeated
        }
    }
}

/// Returns the run that a repetition repeats, however often it was repeated: what a repetition wrote is not there any more.
fn first_of(snapshot: &Snapshot, mut number: RunNo) -> Result<RunNo> {
    let mut seen = HashSet::new();
    while seen.insert(number) {
        let repeated = snapshot.run(number)?.and_then(|run| run.rerun_of);
        let repeated = repeated.map_or(Ok(None), |id| snapshot.run_no(id))?;
        match repeated {
            Some(repeated) if snapshot.run(repeated)?.is_some() => number = repeated,
            _ => break,
        }
    }
    Ok(number)
}

/// What is said of a run whose record is from before streams were recorded, or from a machine that does not say where they lead.
const STREAMS_NOT_KNOWN: &str = "where its standard input and output led then is not recorded: what it read through `< FILE` or wrote \
     through `> FILE` is not repeated";

/// Where the command runs.
struct Place {
    root: PathBuf,
    copy: Option<WorkspaceCopy>,
}

impl Place {
    /// Puts the copies in the places of what they stand for wherever a word names that; `None` where it does not.
    fn moved(&self, workspace: &Workspace, word: &OsStr) -> Option<OsString> {
        let copy = self.copy.as_ref()?;
        let others = copy.others.iter().map(|tree| (tree.there.as_path(), tree.copy.as_path()));
        let all = others.chain([(workspace.root(), copy.root.as_path())]);
        all.fold(None, |word_now: Option<OsString>, (there, copy)| {
            moved(word_now.as_deref().unwrap_or(word), there, copy).or(word_now)
        })
    }
}

/// The run that is to be repeated.
pub(crate) struct Original {
    head: RunHead,
    steps: Vec<Step>,
    /// What is known of it by another run.
    around: Option<Around>,
    /// The texts of the symbolic links that it read and did not make.
    links: BTreeMap<Artifact, LinkText>,
    /// What lay there as it began.
    lay_there: LayThere,
}

impl Original {
    fn run(&self) -> &Run {
        &self.head.view.run
    }

    /// Returns when the command itself began.
    fn began(&self) -> Timestamp {
        let began = self.steps.iter().map(|step| step.started_at).min();
        began.unwrap_or(self.run().started_at)
    }

    /// Returns what the run around saw meanwhile, where this one was not observed itself.
    fn seen_around(&self) -> &[Step] {
        self.around.as_ref().map_or(&[], |around| &around.steps)
    }

    /// Says what is not known of it for certain, since it was not observed itself.
    fn not_observed(&self) -> Option<String> {
        match &self.around {
            _ if around::is_observed(&self.head) => None,
            Some(Around { tail, .. }) => Some(format!(
                "it was not observed itself: what it read is what was seen of run {tail} around it"
            )),
            None => Some(
                "it was not observed: what it read then, beside its code, is not known, and may be missing"
                    .to_owned(),
            ),
        }
    }

    /// Returns the front of the names of what is written when it is repeated.
    fn name(&self) -> String {
        query::rerun_name(self.run().id)
    }

    /// Returns the command as it was started: a run that was taken up again is repeated from its start.
    fn arguments(&self) -> &[String] {
        &self.run().arguments
    }

    /// Returns the folder it ran in, seen from the workspace's root.
    fn folder(&self, workspace: &Workspace) -> PathBuf {
        let recorded = PathBuf::from(&self.run().folder);
        let place = place_on_disk(workspace.root(), &recorded).ok();
        let inside = place.and_then(|place| Some(place.strip_prefix(workspace.root()).ok()?.to_owned()));
        inside.unwrap_or(recorded)
    }

    /// Returns the whole paths of what it wrote or removed in the workspace, and of the folders that this lies in.
    fn whole_paths_written(&self, root: &Path) -> HashSet<PathBuf> {
        let written = self.steps.iter().flat_map(|step| {
            let removed = step.removed.iter().map(|removed| &removed.path);
            step.generated.iter().map(|edge| &edge.artifact.path).chain(removed)
        });
        let places = written.filter(|path| path.is_inside()).filter_map(|path| path.on_disk(root));
        let mut all = HashSet::new();
        for place in places {
            let up_to_root = place.ancestors().take_while(|folder| folder.starts_with(root));
            all.extend(up_to_root.map(Path::to_owned));
        }
        all
    }

    fn check(&self) -> Result<()> {
        let tail = &self.head.tail;
        let refused = |why: &str| Error::request(format!("cannot run {tail} again: {why}"));
        let by_hand = "run the command by hand, under `lineage run`";
        if matches!(self.run().kind, RunKind::Import | RunKind::Library) {
            return Err(
                refused("it is no run of a command").hint("`lineage log` lists the runs and their kinds")
            );
        }
        if self.head.status() == RunStatus::Running {
            return Err(refused("it has not ended yet").hint("wait for its end: `lineage log`"));
        }
        let (remarks, _) = self.head.view.all_remarks();
        if let Some(masked) = remarks.into_iter().find(|remark| remark.kind == RemarkKind::Masked) {
            return Err(refused(&masked.text).hint(by_hand));
        }
        if self.arguments().iter().any(|argument| argument.contains("***")) {
            return Err(refused("credentials are masked in its arguments").hint(by_hand));
        }
        if self.arguments().is_empty() {
            return Err(refused("its command is not recorded").hint(by_hand));
        }
        if self.arguments().iter().any(|argument| argument.contains(char::REPLACEMENT_CHARACTER)) {
            // So older programs recorded arguments that are not UTF-8.
            return Err(
                refused("its arguments are not UTF-8, and are not recorded as they were").hint(by_hand)
            );
        }
        Ok(())
    }

    fn refused_in_copy(&self, why: String) -> Error {
        Error::request(format!("cannot run {} again in a copy: {why}", self.head.tail))
            .hint("`--here` runs it in the workspace, where it may overwrite your files")
    }

    /// Refuses what would write to the user's files from wherever it runs.
    fn check_outside(&self, workspace: &Workspace, request: &RerunRequest) -> Result<()> {
        let refused = |why: String| self.refused_in_copy(why);
        let folder = Path::new(&self.run().folder);
        // Nothing that records a run names a folder above; a backup may hold anything.
        if folder.is_absolute() || folder.components().any(|part| part == Component::ParentDir) {
            return Err(refused(format!(
                "it ran outside the workspace, in `{}`",
                self.run().folder.escape_debug()
            )));
        }
        let changed = self.steps.iter().flat_map(|step| {
            let written = step.generated.iter().map(|edge| (&edge.artifact.path, "wrote"));
            written.chain(step.removed.iter().map(|removed| (&removed.path, "removed")))
        });
        let mut outside =
            changed.filter(|(path, _)| !path.is_inside() && !path.is_url()).filter(|(path, _)| {
                path.on_disk(workspace.root()).is_some_and(|place| {
                    // Scratch that is gone is nobody's file.
                    let is_scratch =
                        is_temporary(&place, workspace.root()) && place.symlink_metadata().is_err();
                    is_work_place(&place, workspace.root(), &request.environment) && !is_scratch
                })
            });
        match outside.next() {
            Some((path, "removed")) => {
                Err(refused(format!("it removed a file outside the workspace, `{path}`")))
            }
            Some((path, _)) => {
                let error = refused(format!("it wrote outside the workspace, to `{path}`"));
                let is_scratch = path
                    .on_disk(workspace.root())
                    .is_some_and(|place| is_temporary(&place, workspace.root()));
                Err(match is_scratch {
                    true => error.hint(format!("where that is scratch, remove it: `rm {path}`")),
                    false => error,
                })
            }
            None => Ok(()),
        }
    }

    /// Runs the command, and compares.
    fn repeat(
        &self,
        workspace: &Workspace,
        clock: &Clock,
        request: &RerunRequest,
        place: &Place,
        mut notes: Vec<String>,
    ) -> Result<RerunSummary> {
        notes.extend(self.not_observed());
        let folder = place.root.join(self.folder(workspace));
        let arguments = self.arguments_at(workspace, request, place, &folder, &mut notes);
        let mut environment = request.environment.clone();
        environment.retain(|(name, _)| name != "PWD" && name != "OLDPWD");
        environment.push(("PWD".into(), folder.clone().into()));
        let mut activated_now = None;
        if let Some(variables) = self.variables(workspace)? {
            let then = variables.iter().find(|(name, _)| name == activated::VARIABLE);
            activated_now = activated::activate(&mut environment, then.map(|(_, value)| &**value));
            notes.extend(activated_now.clone());
            for (name, value) in variables.into_iter().filter(|(name, _)| name != activated::VARIABLE) {
                environment.retain(|(known, _)| *known != *name);
                environment.push((name.into(), value.into()));
            }
        }
        // A path such as `PYTHONPATH` would lead back to the workspace; what is installed there stays where it is.
        let stays = ["PATH", "HOME", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "CONDA_PREFIX"];
        let others = environment.iter_mut().filter(|(name, _)| stays.iter().all(|stays| name != stays));
        for (_, value) in others {
            if let Some(moved) = place.moved(workspace, value) {
                *value = moved;
            }
        }
        let redirected = self.run().streams.as_deref();
        let redirected = redirected.map(|streams| streams::open(streams, &place.root)).transpose()?;
        let command = CommandRequest {
            arguments,
            name: Some(self.run().name.clone()),
            parameters: self.run().parameters.clone(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            metrics: self.metrics_file(place),
            folder,
            environment,
            allow_io_uring: false,
            with_arguments: true,
            parent: request.parent,
            rerun_of: Some(self.run().id),
            streams: redirected,
            copy: place.copy.clone(),
            host: request.host.clone(),
        };
        let again = run_command(workspace, clock, &command).map_err(|not_started| match activated_now {
            Some(said) if not_started.exit_code == 127 => not_started.error.because(said),
            _ => not_started.error,
        })?;
        if again.level != CaptureLevel::Net {
            notes.push("it could not be observed; what it wrote is known from before and after".to_owned());
        }
        let view = workspace.view()?;
        let now = self.steps_now(&view.snapshot, place, &again)?;
        if place.copy.is_some() {
            notes.extend(read_by_whole_path(workspace, &now));
        }
        let copied = place.copy.as_ref().map_or(&[][..], |copy| &copy.others);
        notes.extend(others::read_by_whole_path(workspace, self, copied, &now));
        let is_work = |path: &Path| is_work_place(path, workspace.root(), &request.environment);
        let mut outputs = compare::compare(self, &now, place, workspace, &is_work);
        outputs.repacked = repacked::among(workspace, &outputs.differs, &self.name(), &place.root);
        if self.run().streams.is_none() && !outputs.is_same() {
            notes.push(STREAMS_NOT_KNOWN.to_owned());
        }
        let [then, again_now] = self.points(&view.snapshot, &again)?;
        let is_ignored =
            |point: &Metric| request.ignored_metrics.iter().any(|pattern| pattern.fits(&point.name));
        let (ignored_then, then): (Vec<Metric>, Vec<Metric>) = then.into_iter().partition(is_ignored);
        let (ignored_now, now) = again_now.into_iter().partition::<Vec<Metric>, _>(is_ignored);
        let (metrics, metrics_same) = compare_metrics(&then, &now);
        let ignored: BTreeSet<String> =
            ignored_then.into_iter().chain(ignored_now).map(|point| point.name).collect();
        Ok(RerunSummary {
            original: self.head.clone(),
            again,
            outputs,
            metrics,
            metrics_same,
            metrics_ignored: ignored.into_iter().collect(),
            notes,
            kept: None,
        })
    }

    /// Returns the command as it is to be given where it runs now.
    fn arguments_at(
        &self,
        workspace: &Workspace,
        request: &RerunRequest,
        place: &Place,
        folder: &Path,
        notes: &mut Vec<String>,
    ) -> Vec<OsString> {
        let mut arguments = self.run().words();
        let mut has_moved = false;
        for argument in &mut arguments {
            if let Some(moved) = place.moved(workspace, argument) {
                (*argument, has_moved) = (moved, true);
            }
        }
        if has_moved {
            notes.push("arguments that name the workspace by its whole path name the copy now".to_owned());
        }
        if self.run().kind == RunKind::Pipeline {
            // Whatever the program was called then, this one is at hand.
            arguments[0] = request.program.clone().into();
        }
        // A program of a virtual environment is part of the environment, which is the user's.
        let program = Path::new(&arguments[0]);
        let original = workspace.root().join(self.folder(workspace)).join(program);
        if program.components().count() > 1 && !folder.join(program).exists() && original.is_file() {
            notes.push(format!("`{}` is the workspace's own", program.display()));
            arguments[0] = original.into();
        }
        arguments
    }

    /// Returns the variables that are recorded of the command's environment, if anything is.
    fn variables(&self, workspace: &Workspace) -> Result<Option<Vec<(String, String)>>> {
        let edges = self.steps.iter().flat_map(|step| &step.used);
        let Some(edge) = edges.into_iter().find(|edge| edge.role == Role::Environment) else {
            return Ok(None);
        };
        let Some(list) = workspace.contents().read(&edge.artifact.digest)? else { return Ok(None) };
        let list = String::from_utf8_lossy(&list);
        let variables = variables_of(&list).map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(Some(variables.collect()))
    }

    /// Returns the file of metrics that the command was said to write, if it has a name of its own.
    fn metrics_file(&self, place: &Place) -> Option<PathBuf> {
        let mut written = self.steps.iter().flat_map(|step| &step.generated);
        let found = written
            .find(|edge| edge.role == Role::Metrics && edge.artifact.path.file_name() != b"metrics.json")?;
        found.artifact.path.on_disk(&place.root)
    }

    /// Returns the steps of the repetition.
    fn steps_now(&self, snapshot: &Snapshot, place: &Place, again: &CommandSummary) -> Result<Vec<Step>> {
        let Some(run) = &again.run else {
            return Err(Error::store("what the command wrote is not recorded"));
        };
        let mut now = steps_of(snapshot, run.id)?;
        if self.run().kind == RunKind::Pipeline && place.copy.is_none() {
            // The pipeline recorded here itself what it did.
            for part in query::parts_of(snapshot, run)? {
                now.extend(steps_of(snapshot, part)?);
            }
        }
        Ok(now)
    }

    /// Returns what was measured then and now; of a pipeline, nothing.
    fn points(&self, snapshot: &Snapshot, again: &CommandSummary) -> Result<[Vec<Metric>; 2]> {
        match again.run.as_ref().filter(|_| self.run().kind != RunKind::Pipeline) {
            Some(run) => Ok([snapshot.metrics(self.run().id)?, snapshot.metrics(run.id)?]),
            None => Ok([Vec::new(), Vec::new()]),
        }
    }
}

/// Says which files of the workspace itself a command read that was to read those of the copy.
fn read_by_whole_path(workspace: &Workspace, steps: &[Step]) -> Option<String> {
    let root = workspace.root();
    let paths = steps.iter().flat_map(|step| &step.used).map(|edge| &edge.artifact.path);
    let of_workspace = paths.filter(|path| {
        let place = if path.is_inside() { None } else { path.on_disk(root) };
        place.is_some_and(|place| place.starts_with(root) && !is_ignored_place(&place, root))
    });
    let named: BTreeSet<&ArtifactPath> = of_workspace.collect();
    let first = named.first()?;
    let more = if named.len() > 1 { format!(" and {} more", named.len() - 1) } else { String::new() };
    Some(format!(
        "it read `{first}`{more} by the whole path: not as then, but as it lies in the workspace now"
    ))
}

/// Puts the path `now` in the place of the path `before` wherever a word names it or something below it; `None` where it does not.
fn moved(word: &OsStr, before: &Path, now: &Path) -> Option<OsString> {
    let (before, now) = (before.as_os_str().as_encoded_bytes(), now.as_os_str().as_encoded_bytes());
    let bytes = word.as_encoded_bytes();
    let mut written = Vec::with_capacity(bytes.len());
    let (mut at, mut found) = (0, false);
    while at < bytes.len() {
        let (front, rest) = bytes.split_at(at);
        let Some(after) = rest.strip_prefix(before) else {
            written.push(bytes[at]);
            at += 1;
            continue;
        };
        // `/home/me/w` is not named by `/home/me/work`, nor by `/mnt/home/me/w`.
        let next = String::from_utf8_lossy(&after[..after.len().min(4)]).chars().next();
        let last = String::from_utf8_lossy(&front[at.saturating_sub(4)..]).chars().next_back();
        let ends = next.is_none_or(|next| next == '/' || !is_of_name(next));
        let begins = last.is_none_or(|last| !is_of_name(last));
        found |= ends && begins;
        written.extend_from_slice(if ends && begins { now } else { before });
        at += before.len();
    }
    found.then(|| os_word(written))
}

fn is_of_name(character: char) -> bool {
    character.is_alphanumeric() || "._-/".contains(character) || character == char::REPLACEMENT_CHARACTER
}

fn steps_of(snapshot: &Snapshot, run: NodeId) -> Result<Vec<Step>> {
    snapshot.run_no(run)?.map_or(Ok(Vec::new()), |number| snapshot.whole_steps_of(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_names_the_workspace_names_the_copy() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(
                moved(text.as_ref(), Path::new("/home/me/w"), Path::new("/tmp/c")),
                expected.map(OsString::from),
                "{text}"
            );
        };
        check("/home/me/w", Some("/tmp/c"));
        check("--in=/home/me/w/data:/home/me/w", Some("--in=/tmp/c/data:/tmp/c"));
        check("cat '/home/me/w/a' > b", Some("cat '/tmp/c/a' > b"));
        for other in ["/home/me/work", "/mnt/home/me/w", "/home/me/w.old/x", "data", ""] {
            check(other, None);
        }
    }
}
