//! What a document speaks of, and which documents speak of a thing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use crate::capture::git::are_here;
use crate::error::{Kind, Result};
use crate::model::{Artifact, ArtifactPath, Note, Reference, ReferenceSort, Run, Timestamp};
use crate::ops::Workspace;
use crate::query::registry::{ModelSelector, ModelView, find_model, model_view};
use crate::query::{self, RunHead, RunSelector};
use crate::store::Snapshot;

/// A document, and what it speaks of.
#[derive(Debug, Clone)]
pub struct NoteReport {
    /// The document as it was last read.
    pub note: Note,
    /// When it was found gone since.
    pub gone: Option<Timestamp>,
    /// What it names, each thing once.
    pub names: Vec<Named>,
}

/// A thing that a document names.
#[derive(Debug, Clone)]
pub struct Named {
    /// As the document names it.
    pub reference: Reference,
    /// By which keys; empty text for the text of the document.
    pub given_by: Vec<String>,
    /// The runs recorded here that it means: the run itself, or the runs made at a commit, newest first; not more than a few.
    pub runs: Vec<RunHead>,
    /// The version of a model that it means, as far as it is registered here.
    pub model: Option<String>,
    /// Whether it is there.
    pub presence: Presence,
}

/// Whether a thing that a document names is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// A file on disk, a recorded run, a commit in the repository.
    There,
    /// A file that is recorded, but no longer on disk.
    OnlyRecorded,
    /// Neither.
    Missing,
    /// A commit where there is no repository, or not all of it.
    NotKnown,
}

impl Presence {
    /// Returns true for what is nowhere to be found; `None` where that cannot be told.
    pub fn is_missing(self) -> Option<bool> {
        (self != Presence::NotKnown).then_some(self == Presence::Missing)
    }
}

/// As many runs of a commit are named.
const RUNS_MAX: usize = 5;
/// As many folders of a run's outputs are looked up.
const FOLDERS_MAX: usize = 1_000;
/// The shortest SHA, and the shortest end of a run's key, that a document may name a thing by.
const SHA_DIGITS_MIN: usize = 7;
const TAIL_DIGITS_MIN: usize = 8;

/// Returns what is known of a document at `path`; `None` where it is none.
///
/// # Errors
/// A store error where a record is damaged, a request error where the git repository cannot be read.
pub fn note_report(
    workspace: &Workspace,
    snapshot: &Snapshot,
    path: &ArtifactPath,
) -> Result<Option<NoteReport>> {
    let Some((note, gone)) = snapshot.note_even_if_gone(path)? else {
        return Ok(None);
    };
    let mut things: BTreeMap<(ReferenceSort, String), (Reference, Vec<String>)> = BTreeMap::new();
    for reference in &note.references {
        let thing = (reference.sort, reference.name.clone());
        let (_, given_by) = things.entry(thing).or_insert_with(|| (reference.clone(), Vec::new()));
        given_by.push(reference.given_by.clone());
    }
    let is_commit = |(sort, _): &&(ReferenceSort, String)| *sort == ReferenceSort::Commit;
    let commits: Vec<&str> = things.keys().filter(is_commit).map(|(_, sha)| sha.as_str()).collect();
    // Both are in the order of the things.
    let mut here =
        if commits.is_empty() { Vec::new() } else { are_here(workspace.root(), &commits)? }.into_iter();
    let mut names = Vec::with_capacity(things.len());
    for (reference, given_by) in things.into_values() {
        let runs = match reference.sort {
            ReferenceSort::Run => run_named(snapshot, &reference.name)?.into_iter().collect(),
            ReferenceSort::Commit => runs_at(snapshot, &reference.name)?,
            _ => Vec::new(),
        };
        let model = match reference.sort {
            ReferenceSort::Model => model_named(snapshot, &reference.name)?,
            _ => None,
        };
        let presence = match reference.sort {
            ReferenceSort::Model if model.is_none() => Presence::Missing,
            ReferenceSort::Model => Presence::There,
            ReferenceSort::Run if runs.is_empty() => Presence::Missing,
            ReferenceSort::Run => Presence::There,
            ReferenceSort::Commit => match here.next().flatten() {
                None if runs.is_empty() => Presence::NotKnown,
                Some(false) if runs.is_empty() => Presence::Missing,
                _ => Presence::There,
            },
            _ if workspace.root().join(&reference.name).symlink_metadata().is_ok() => Presence::There,
            ReferenceSort::File if is_recorded(snapshot, &reference.name)? => Presence::OnlyRecorded,
            _ => Presence::Missing,
        };
        names.push(Named { reference, given_by, runs, model, presence });
    }
    Ok(Some(NoteReport { note, gone, names }))
}

/// Returns true where a file of that name is recorded, or one in a folder of that name.
fn is_recorded(snapshot: &Snapshot, name: &str) -> Result<bool> {
    let path = ArtifactPath::new(name)?;
    let below = || snapshot.paths_from(&[name.as_bytes(), b"/"].concat(), |_, _| Ok(ControlFlow::Break(())));
    Ok(snapshot.path_no(&path)?.is_some() || below()?.is_break())
}

fn run_named(snapshot: &Snapshot, name: &str) -> Result<Option<RunHead>> {
    let Ok(selector) = name.parse::<RunSelector>() else {
        return Ok(None);
    };
    // A run that is not recorded here, or a name that several have, is told as it was written.
    match query::find_run(snapshot, &selector) {
        Ok(run) => RunHead::read(snapshot, run),
        Err(error) if matches!(error.kind(), Kind::Request | Kind::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the label of the version that a document names.
fn model_named(snapshot: &Snapshot, name: &str) -> Result<Option<String>> {
    let Ok(selector) = name.parse::<ModelSelector>() else {
        return Ok(None);
    };
    match find_model(snapshot, &selector) {
        Ok(id) => Ok(model_view(snapshot, id)?.map(|view| view.label())),
        Err(error) if matches!(error.kind(), Kind::Request | Kind::NotFound | Kind::No) => Ok(None),
        Err(error) => Err(error),
    }
}

fn runs_at(snapshot: &Snapshot, commit: &str) -> Result<Vec<RunHead>> {
    let runs = snapshot.runs_at_commit(commit, RUNS_MAX)?;
    let heads = runs.into_iter().map(|run| RunHead::read(snapshot, run));
    Ok(heads.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// Returns the documents that speak of a run, by path: that name its run id, its key or the end of it, its commit, or a folder
/// it wrote into.
///
/// # Errors
/// A store error where a record is damaged.
pub fn notes_on_run(snapshot: &Snapshot, run: &Run, outputs: &[Artifact]) -> Result<Vec<Note>> {
    let mut found = Found::default();
    found.look(snapshot, ReferenceSort::Run, run.run_id.as_str())?;
    let key = run.id.hex();
    for digits in TAIL_DIGITS_MIN..=key.len() {
        found.look(snapshot, ReferenceSort::Run, &key[key.len() - digits..])?;
    }
    if let Some(commit) = &run.code.commit {
        for digits in SHA_DIGITS_MIN.min(commit.len())..=commit.len() {
            if let Some(front) = commit.get(..digits) {
                found.look(snapshot, ReferenceSort::Commit, front)?;
            }
        }
    }
    let folders: BTreeSet<&[u8]> = outputs.iter().map(|artifact| artifact.path.folder()).collect();
    for folder in folders.into_iter().take(FOLDERS_MAX) {
        if let Ok(folder) = std::str::from_utf8(folder) {
            found.look(snapshot, ReferenceSort::File, folder)?;
        }
    }
    Ok(found.notes.into_values().collect())
}

/// Returns the documents that speak of a file or document, by path: that name it, or a folder it lies in.
///
/// # Errors
/// A store error where a record is damaged.
pub fn notes_on_file(snapshot: &Snapshot, path: &ArtifactPath) -> Result<Vec<Note>> {
    let mut found = Found::default();
    let Ok(name) = std::str::from_utf8(path.as_bytes()) else {
        return Ok(Vec::new());
    };
    found.look(snapshot, ReferenceSort::Note, name)?;
    found.look(snapshot, ReferenceSort::File, name)?;
    for (at, _) in name.match_indices('/') {
        found.look(snapshot, ReferenceSort::File, &name[..at])?;
    }
    found.notes.remove(path);
    Ok(found.notes.into_values().collect())
}

/// Returns the documents that speak of a version of a model, by path: that name it by its number, or by a name it has.
///
/// # Errors
/// A store error where a record is damaged.
pub fn notes_on_model(snapshot: &Snapshot, view: &ModelView) -> Result<Vec<Note>> {
    let mut found = Found::default();
    let name = &view.model.name;
    for version in std::iter::once(&view.model.version).chain(&view.aliases) {
        found.look(snapshot, ReferenceSort::Model, &format!("{name}@{version}"))?;
    }
    Ok(found.notes.into_values().collect())
}

#[derive(Default)]
struct Found {
    notes: BTreeMap<ArtifactPath, Note>,
}

impl Found {
    fn look(&mut self, snapshot: &Snapshot, sort: ReferenceSort, name: &str) -> Result<()> {
        if !name.is_empty() {
            let notes = snapshot.notes_naming(sort, name)?;
            self.notes.extend(notes.into_iter().map(|note| (note.artifact.path.clone(), note)));
        }
        Ok(())
    }
}
