//! The code that model versions were made by, as far as it was read as a commit had it: unless it is kept, it is to be had only as long
//! as that commit is.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::ops::ControlFlow;

use crate::error::{Error, Result};
use crate::model::{Artifact, Digest, ModelVersion, Role};
use crate::ops::Workspace;
use crate::ops::committed::Commits;
use crate::ops::here::Here;
use crate::ops::keep::keep_committed;
use crate::query::registry::ModelView;
use crate::store::{ArtifactNo, RunNo, Snapshot};

/// As many runs behind a version are looked at, the nearest first.
const RUNS_MAX: usize = 256;

/// What runs read, each looked up once however many versions go back to it.
#[derive(Default)]
struct ReadBy {
    runs: HashMap<RunNo, ReadByRun>,
}

/// What a run read.
#[derive(Default)]
struct ReadByRun {
    /// As a commit had it.
    of_git: Vec<ArtifactNo>,
    /// The runs that wrote the rest, in the order of reading.
    from: Vec<RunNo>,
}

impl ReadBy {
    /// Lists what the run `trained_by` and the runs behind it read as a commit had it, each with the nearest run that read it.
    fn of_git(&mut self, snapshot: &Snapshot, trained_by: RunNo) -> Result<BTreeMap<ArtifactNo, RunNo>> {
        let mut found = BTreeMap::new();
        let (mut queue, mut seen) = (VecDeque::from([trained_by]), HashSet::from([trained_by]));
        while let Some(run) = queue.pop_front() {
            let read = self.by_run(snapshot, run)?;
            for artifact in &read.of_git {
                found.entry(*artifact).or_insert(run);
            }
            for writer in &read.from {
                if seen.len() < RUNS_MAX && seen.insert(*writer) {
                    queue.push_back(*writer);
                }
            }
        }
        Ok(found)
    }

    fn by_run(&mut self, snapshot: &Snapshot, run: RunNo) -> Result<&ReadByRun> {
        let place = match self.runs.entry(run) {
            Entry::Occupied(known) => return Ok(known.into_mut()),
            Entry::Vacant(place) => place,
        };
        let (mut read, mut seen) = (ReadByRun::default(), HashSet::new());
        let mut steps = snapshot.steps_of(run)?;
        steps.sort_unstable();
        for edge in snapshot.edges_of(&steps)?.into_iter().flatten().flat_map(|edges| edges.used) {
            if edge.role.is_as_committed() {
                read.of_git.push(edge.artifact);
            } else if edge.role != Role::Environment {
                let last =
                    snapshot.writes_until(edge.artifact, edge.at, |_, step| Ok(ControlFlow::Break(step)))?;
                let writer = last.break_value().map_or(Ok(None), |step| snapshot.run_of(step))?;
                read.from.extend(writer.filter(|writer| seen.insert(*writer)));
            }
        }
        Ok(place.insert(read))
    }
}

/// Keeps what the run of a version, and the runs behind it, read as a commit had it, as far as the workspace's policy goes: commits are
/// amended, rebased, squashed and then cleared away. A reference that holds the commit would do as well, but the repository is the
/// user's, and whoever mirrors it would carry our references along. Returns what went wrong, one line each.
///
/// # Errors
/// A store error where a record is damaged; a request error where the policy is not understood.
pub(super) fn keep_code(
    workspace: &Workspace,
    snapshot: &Snapshot,
    trained_by: RunNo,
) -> Result<Vec<String>> {
    let mut commits = Commits::new(workspace, snapshot);
    let mut files = Vec::new();
    for number in ReadBy::default().of_git(snapshot, trained_by)?.into_keys() {
        files.push((snapshot.artifact(number)?, number));
    }
    keep_committed(workspace, &files, &mut |number| {
        Ok(commits.find(number)?.map(|committed| committed.bytes))
    })
}

/// Keeps the code of a version as [`keep_code`] does, where it is known which run trained it.
///
/// # Errors
/// As [`keep_code`].
pub(super) fn keep_code_of(
    workspace: &Workspace,
    snapshot: &Snapshot,
    model: &ModelVersion,
) -> Result<Vec<String>> {
    let trained_by = snapshot.run_of_model(model)?;
    trained_by.map_or(Ok(Vec::new()), |run| keep_code(workspace, snapshot, run))
}

/// Says that the code of a version could not be kept, which is no reason not to do what was asked for.
pub(super) fn not_kept(error: &Error) -> String {
    format!("its code could not be kept: {}", error.in_full())
}

/// Code that is not to be had any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostCode {
    /// `name@version`.
    pub label: String,
    /// What was read.
    pub artifact: Artifact,
    /// The commit that had it, shortened, where one is recorded.
    pub commit: Option<String>,
}

/// Lists the code of versions that is not kept, does not lie in its place, and that no commit has any more: of the runs that were
/// recorded here. What was taken over may never have been here.
///
/// # Errors
/// A store error where a record is damaged.
pub(crate) fn lost_code(
    workspace: &Workspace,
    snapshot: &Snapshot,
    views: &[ModelView],
) -> Result<Vec<LostCode>> {
    let mut commits = Commits::new(workspace, snapshot);
    let here = Here::of(workspace);
    let mut known: HashMap<ArtifactNo, bool> = HashMap::new();
    let mut read_by = ReadBy::default();
    let digests = workspace.digests().reading_all();
    let is_kept = |digest: &Digest| match workspace.contents().check(digest) {
        Ok(kept) => kept.is_some(),
        Err(_) => workspace.contents().hides(digest),
    };
    let mut lost = Vec::new();
    for view in views.iter().filter(|view| view.deleted.is_none()) {
        let Some(trained_by) = snapshot.run_of_model(&view.model)? else { continue };
        for (number, run) in read_by.of_git(snapshot, trained_by)? {
            if !here.has_run(snapshot, run).unwrap_or(true) {
                continue;
            }
            let artifact = snapshot.artifact(number)?;
            let is_had = match known.get(&number) {
                Some(is_had) => *is_had,
                None => {
                    let place = artifact.path.on_disk(workspace.root());
                    let lies =
                        place.is_some_and(|place| digests.of(&place).is_ok_and(|is| is == artifact.digest));
                    let is_had = lies || is_kept(&artifact.digest) || commits.find(number)?.is_some();
                    known.insert(number, is_had);
                    is_had
                }
            };
            if !is_had {
                let view_of_run = crate::query::run_view(snapshot, run)?;
                let commit = view_of_run.and_then(|run| run.code_of(&artifact.path).0.commit_short.clone());
                lost.push(LostCode { label: view.label(), artifact, commit });
            }
        }
    }
    Ok(lost)
}
