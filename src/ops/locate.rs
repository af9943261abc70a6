//! What a user means by a word on the command line: a file, its bytes under another name, a run, a folder, a segment.

mod disk;

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::model::{Artifact, ArtifactPath, Digest, NodeId, Timestamp, check_model_name, repeated_word};
use crate::ops::Workspace;
use crate::ops::at_work::{commands_at_work, may_be_writing, words as run_words};
use crate::ops::here::find_run;
use crate::ops::named;
use crate::ops::of_run::{FileOfRun, file_of_run};
use crate::projection::{ProjectedFrom, projected_from};
use crate::query::registry::{ModelSelector, find_model, versions};
use crate::query::{self, RERUN_SCHEME, RunHead, RunSelector, Write, writers};
use crate::store::{ArtifactNo, GO_ON, PathNo, RunNo, Snapshot};
use disk::without_file;

pub use disk::{DiskState, disk_state};
pub(crate) use disk::{digest_at, disk_state_by, link_at, link_text_at};

/// What was found.
#[derive(Debug, Clone)]
pub enum Target {
    /// A file, recorded under its own path or under another.
    File(FileTarget),
    /// A run.
    Run(RunNo),
    /// A version of a model: `name@1.2.0`.
    Model(NodeId),
    /// A part of a file: `file#1A_014`.
    Segment(FileTarget, String),
    /// A file that no step is recorded to have written or read, and that a projection writes.
    Projected(ArtifactPath, ProjectedFrom),
}

/// A file, and what is recorded of it.
#[derive(Debug, Clone)]
pub struct FileTarget {
    /// Its name in the workspace.
    pub path: ArtifactPath,
    /// The version the answer is about.
    pub artifact: Artifact,
    /// That version's number.
    pub number: ArtifactNo,
    /// How the file on disk relates to it.
    pub state: DiskState,
    /// Where it was named by a run, as `FILE@RUN`: when that run wrote it, else when it read it.
    pub as_of: Option<Timestamp>,
}

impl FileTarget {
    /// Returns the last moment that counts, in microseconds: what was written later is another matter.
    pub fn until(&self) -> i64 {
        self.as_of.map_or(i64::MAX, Timestamp::micros)
    }
}

/// Finds what `word` means, seen from `folder`. The name of a file may also be given as it is printed.
///
/// A recorded file goes before a folder that lies in its place now, and what exists before a run of the same name, where anything is
/// recorded of it. A version of a model goes before `FILE@RUN`.
///
/// # Errors
/// A request error where it means nothing recorded.
pub fn locate(
    workspace: &Workspace,
    snapshot: &Snapshot,
    folder: &Path,
    word: impl AsRef<OsStr>,
) -> Result<Target> {
    let word = word.as_ref();
    // Only files have names that are not text.
    let text = word.to_str();
    if word.is_empty() {
        return Err(Error::request("an empty word names nothing")
            .hint("give a file, a run, or `@` for the latest run"));
    }
    if let Some(text) = text
        && text.starts_with('@')
        && let Ok(selector) = text.parse::<RunSelector>()
    {
        return find_run(workspace, snapshot, &selector).map(Target::Run);
    }
    if let Some(text) = text.filter(|text| text.starts_with("blake3:")) {
        return by_content(snapshot, &query::find_digest(snapshot, text)?);
    }
    let place = named_place(workspace, snapshot, folder, word)?;
    let mut no_segment = None;
    if let Some((file, chunk)) = named::split_last(word, b'#')
        && !place.exists()
        && let Ok(chunk) = chunk.into_string()
    {
        let place = named_place(workspace, snapshot, folder, &file)?;
        match by_file(workspace, snapshot, &place) {
            Ok(file) => return Ok(Target::Segment(file, chunk)),
            // It may be part of the file's own name.
            Err(error) => no_segment = Some(error),
        }
    }
    let named = ArtifactPath::within(workspace.root(), &place).ok();
    let recorded = named.as_ref().map_or(Ok(None), |path| snapshot.path_no(path))?;
    // A link to a folder is a file where a run wrote it, and else the folder.
    let is_written = recorded.map_or(Ok(false), |path| is_written_as_file(snapshot, path))?;
    if place.is_dir() && !is_written {
        let real = place.canonicalize().unwrap_or_else(|_| place.clone());
        match by_folder(workspace, snapshot, &real, word) {
            // Somebody named the folder as one thing, or read through the link.
            Err(_) if recorded.is_some() => {}
            Err(error) => return run_of_name(snapshot, text)?.map(Target::Run).ok_or(error),
            found => return found,
        }
    }
    if !recorded.map_or(Ok(false), |path| is_of_a_step(snapshot, path))?
        && let Some(path) = named
        && let Some(from) = projected_from(snapshot, &path)?
    {
        return Ok(Target::Projected(path, from));
    }
    if place.exists() || recorded.is_some() {
        let found = by_file(workspace, snapshot, &place).map(Target::File);
        return match found {
            Err(error) if recorded.is_none() => run_of_name(snapshot, text)?.map(Target::Run).ok_or(error),
            found => found,
        };
    }
    // A run may be called `a@b`.
    let run_or = |error| run_of_name(snapshot, text)?.map(Target::Run).ok_or(error);
    match model_or_file_of_run(workspace, snapshot, folder, word) {
        Ok(Some(ModelOrFile::Model(id))) => return Ok(Target::Model(id)),
        Ok(Some(ModelOrFile::File(file))) => return file.target(workspace, snapshot).map(Target::File),
        Ok(None) => {}
        Err(error) => return run_or(no_segment.unwrap_or(error)),
    }
    if let Some(error) = no_segment {
        return run_or(error);
    }
    if let Some(Ok(selector)) = text.map(str::parse::<ModelSelector>) {
        let found = find_model(snapshot, &selector).map(Target::Model);
        return found.or_else(|error| run_or(not_of_run(snapshot, text).unwrap_or(error)));
    }
    if let Some(url) = named::url(word)
        && snapshot.path_no(&url)?.is_some()
    {
        let target = newest_version(snapshot, &url, DiskState::Elsewhere)?;
        return target.map(Target::File).ok_or_else(|| nothing_recorded(&url));
    }
    if let Some(Ok(selector)) = text.map(str::parse::<RunSelector>) {
        let found = query::find_run_if_any(snapshot, &selector)?;
        if found.is_some() || !selector.is_name() {
            let run = found.map_or_else(|| query::find_run(snapshot, &selector), Ok);
            return run.map(Target::Run).map_err(|error| {
                let digest = format!("blake3:{}", text.unwrap_or_default());
                match query::find_digest(snapshot, &digest) {
                    Ok(_) => error.hint(format!("`{digest}` is the content of a file")),
                    Err(_) => error,
                }
            });
        }
    }
    let hint = match text.filter(|name| check_model_name(name).is_ok()) {
        Some(name) if !versions(snapshot, name)?.is_empty() => {
            format!("it is a model: `lineage models show {name}` lists its versions; {name}@latest is one")
        }
        _ => match from_root(workspace, snapshot, folder, word)? {
            Some(path) => format!("from the workspace's root there is one: from here it is `{path}`"),
            None => "`lineage log` lists the runs".to_owned(),
        },
    };
    Err(Error::not_found(format!("`{}` is no file, and no run has that name", repeated_word(word)))
        .hint(hint))
}

/// What a word with an `@` names.
pub(super) enum ModelOrFile {
    /// A version of a model.
    Model(NodeId),
    /// What a run wrote or read.
    File(FileOfRun),
}

/// Finds what `NAME@VERSION` or `FILE@RUN` means, seen from `folder`; `None` where nothing before an `@` is a model or a recorded file.
/// A version of a model goes before a file of a run: of the two, whoever named it so meant that.
///
/// # Errors
/// A request error where the model or the file is recorded, and nothing has what stands behind the `@`.
pub(super) fn model_or_file_of_run(
    workspace: &Workspace,
    snapshot: &Snapshot,
    folder: &Path,
    word: &OsStr,
) -> Result<Option<ModelOrFile>> {
    if let Some(Ok(selector)) = word.to_str().map(str::parse::<ModelSelector>) {
        let model = find_model(snapshot, &selector);
        if model.is_ok() || !versions(snapshot, &selector.name)?.is_empty() {
            let of_run = model.as_ref().err().map(|_| file_of_run(workspace, snapshot, folder, word));
            if let Some(Ok(Some(file))) = of_run {
                return Ok(Some(ModelOrFile::File(file)));
            }
            return model.map(|id| Some(ModelOrFile::Model(id)));
        }
    }
    Ok(file_of_run(workspace, snapshot, folder, word)?.map(ModelOrFile::File))
}

/// Returns what a file is called from `folder` that `word` names from the workspace's root, where anything is recorded of it.
fn from_root(
    workspace: &Workspace,
    snapshot: &Snapshot,
    folder: &Path,
    word: &OsStr,
) -> Result<Option<String>> {
    let Ok(path) = ArtifactPath::from_bytes(word.as_encoded_bytes().to_vec()) else { return Ok(None) };
    let depth = folder.strip_prefix(workspace.root()).map_or(0, |inside| inside.components().count());
    let is_there = depth > 0 && path.is_inside() && snapshot.path_no(&path)?.is_some();
    Ok(is_there.then(|| format!("{}{path}", "../".repeat(depth))))
}

/// Returns the real place of what `word` names: something on disk, recorded or projected.
///
/// # Errors
/// A request error where it names two files.
pub(super) fn named_place(
    workspace: &Workspace,
    snapshot: &Snapshot,
    folder: &Path,
    word: &OsStr,
) -> Result<PathBuf> {
    let place = named::place(folder, word, |place| {
        let place = real_place(place);
        let Ok(path) = ArtifactPath::within(workspace.root(), &place) else {
            return Ok(false);
        };
        Ok(place.symlink_metadata().is_ok()
            || snapshot.path_no(&path)?.is_some()
            || projected_from(snapshot, &path)?.is_some())
    })?;
    Ok(real_place(&place))
}

/// Returns the absolute place with the links of its folder resolved; a link that is the file itself stays.
pub(super) fn real_place(path: &Path) -> PathBuf {
    let resolved = path.parent().and_then(|folder| folder.canonicalize().ok());
    match (resolved, path.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => path.canonicalize().unwrap_or_else(|_| path.to_owned()),
    }
}

fn by_file(workspace: &Workspace, snapshot: &Snapshot, place: &Path) -> Result<FileTarget> {
    let path = ArtifactPath::within(workspace.root(), place)?;
    let path_no = snapshot.path_no(&path)?;
    if let (Some(path_no), Some(digest)) = (path_no, link_at(place))
        && let Some(number) = snapshot.artifact_no(path_no, &digest)?
        && is_known(snapshot, number)?
    {
        // Of a link that was only read through, the file is asked for that it leads to.
        if !is_written(snapshot, path_no)?
            && let Ok(real) = place.canonicalize()
            && real.is_file()
            && let Ok(target) = by_file(workspace, snapshot, &real)
        {
            return Ok(target);
        }
        let artifact = snapshot.artifact(number)?;
        return Ok(FileTarget { path, artifact, number, state: DiskState::Unchanged, as_of: None });
    }
    // Of a link that nobody recorded, what it leads to is recorded where it really lies.
    if path_no.is_none()
        && place.is_symlink()
        && let Ok(real) = place.canonicalize()
        && real.is_file()
        && let Ok(target) = by_file(workspace, snapshot, &real)
    {
        return Ok(target);
    }
    let (digest, state) = match digest_at(workspace, place) {
        Ok(digest) => (Some(digest), DiskState::Changed(digest)),
        Err(cause) => match without_file(place) {
            Some(state) => (None, state),
            None => return Err(Error::request(format!("cannot read `{path}`")).because(cause)),
        },
    };
    if let (Some(path_no), Some(digest)) = (path_no, &digest)
        && let Some(number) = snapshot.artifact_no(path_no, digest)?
        && is_known(snapshot, number)?
    {
        let artifact = snapshot.artifact(number)?;
        return Ok(FileTarget { path, artifact, number, state: DiskState::Unchanged, as_of: None });
    }
    // Whose path is recorded is asked for by it, whatever bytes lie there now.
    let is_recorded = path_no.map_or(Ok(false), |path| is_of_a_step(snapshot, path))?;
    let alike = match digest.filter(|_| !is_recorded) {
        Some(digest) => alike(snapshot, place, &digest)?,
        None => Alike::default(),
    };
    if let Some((number, as_of)) = alike.origin {
        let artifact = snapshot.artifact(number)?;
        return Ok(FileTarget { path, artifact, number, state: DiskState::SameBytes, as_of });
    }
    if path_no.is_some()
        && let Some(target) = newest_version(snapshot, &path, state)?
    {
        let has_content = target.artifact.has_content();
        let state = if has_content { state } else { disk_state(workspace, &target.artifact) };
        return Ok(FileTarget { state, ..target });
    }
    // That is the answer on a file that is there; of one that is not, the name may be wrong.
    Err(match state {
        DiskState::Gone | DiskState::NoFile => nothing_recorded(&path),
        _ => Error::no(format!("nothing is recorded of `{path}`"))
            .hint(why_nothing_recorded(workspace, snapshot, place, &alike)?),
    })
}

/// Says why nothing is recorded of a file that is there.
fn why_nothing_recorded(
    workspace: &Workspace,
    snapshot: &Snapshot,
    place: &Path,
    alike: &Alike,
) -> Result<String> {
    if let Some(run) = may_be_writing(&commands_at_work(workspace, snapshot)?, place) {
        let (words, tail) = (run_words(run), &run.tail);
        return Ok(format!(
            "{words} is at work, and recorded when it ends; `lineage show {tail}` tells what it did so far"
        ));
    }
    Ok(match &alike.later {
        Some(later) => format!(
            "`{later}` has the same bytes, and was written by a run that began after this file was last changed"
        ),
        None => "no recorded step read or wrote this file or its bytes".to_owned(),
    })
}

/// Recorded files with the bytes of a file of which nothing is recorded.
#[derive(Default)]
struct Alike {
    /// The one that it can be a copy of, or be copied by; and the last moment that counts, where it was written again later.
    origin: Option<(ArtifactNo, Option<Timestamp>)>,
    /// One that was written only by runs which began when the file lay there already.
    later: Option<ArtifactPath>,
}

/// Finds recorded files with the bytes of the file at `place`. That all empty files are equal says nothing.
fn alike(snapshot: &Snapshot, place: &Path, digest: &Digest) -> Result<Alike> {
    let mut found = Alike::default();
    let Ok(metadata) = place.metadata() else { return Ok(found) };
    if metadata.len() == 0 {
        return Ok(found);
    }
    let changed_us = metadata.ctime() * 1_000_000 + metadata.ctime_nsec() / 1_000;
    let began = |write: &Write| -> Result<i64> {
        let run = snapshot.run_of(write.step)?.map_or(Ok(None), |run| snapshot.run(run))?;
        Ok(run.map_or(i64::MIN, |run| run.started_at.micros()))
    };
    let mut numbers = Vec::new();
    for number in with_content(snapshot, digest)? {
        let writes = writers(snapshot, number)?;
        let mut first = writes.len();
        for (at, write) in writes.iter().enumerate().rev() {
            if began(write)? > changed_us {
                break;
            }
            first = at;
        }
        match (writes.get(first), first) {
            (None, 1..) => found.later = Some(snapshot.artifact(number)?.path),
            (None, 0) => numbers.push((number, None)),
            (Some(write), _) => numbers.push((number, (first > 0).then(|| Timestamp::from_micros(write.at)))),
        }
    }
    let newest = newest(snapshot, numbers.iter().map(|(number, _)| *number).collect())?;
    found.origin = newest.and_then(|newest| numbers.into_iter().find(|(number, _)| *number == newest));
    Ok(found)
}

/// Finds the run that `word` means where nothing but a run can be meant, seen from `folder`: names of runs go before files and
/// folders that are called the same.
///
/// # Errors
/// A request error where it means none, or several.
pub fn locate_run(
    workspace: &Workspace,
    snapshot: &Snapshot,
    folder: &Path,
    word: impl AsRef<OsStr>,
) -> Result<RunNo> {
    let word = word.as_ref();
    let named = run_of_name(snapshot, word.to_str());
    if let Ok(Some(run)) = named {
        return Ok(run);
    }
    match (locate(workspace, snapshot, folder, word), named) {
        (Ok(Target::Run(run)), _) => Ok(run),
        // Several are named so.
        (_, Err(error)) | (Err(error), _) => Err(error),
        (Ok(_), Ok(_)) => Err(Error::request(format!("`{}` is no run", repeated_word(word)))
            .hint("`lineage log` lists the runs")),
    }
}

/// Returns the run that a word names which is neither counted from the latest nor anything that is recorded.
fn run_of_name(snapshot: &Snapshot, text: Option<&str>) -> Result<Option<RunNo>> {
    let selector = text.and_then(|text| text.parse::<RunSelector>().ok());
    let selector = selector.filter(|selector| !matches!(selector, RunSelector::Back(_)));
    selector.map_or(Ok(None), |selector| query::find_run_if_any(snapshot, &selector))
}

/// Says of `FILE@RUN` that the run had nothing to do with such a file; `None` where no run is named so.
fn not_of_run(snapshot: &Snapshot, text: Option<&str>) -> Option<Error> {
    let (file, run) = text?.split_once('@')?;
    run_of_name(snapshot, Some(run)).ok()??;
    let (file, run) = (file.escape_debug(), run.escape_debug());
    Some(
        Error::not_found(format!("run `{run}` neither wrote nor read a file `{file}`"))
            .hint(format!("`lineage show {run}` lists those that it did")),
    )
}

fn nothing_recorded(path: &ArtifactPath) -> Error {
    Error::not_found(format!("nothing is recorded of `{path}`"))
        .hint("no recorded step read or wrote this file or its bytes")
}

/// Returns true where a version of a path is more than what a command of lineage wrote over.
fn is_of_a_step(snapshot: &Snapshot, path: PathNo) -> Result<bool> {
    let number = newest(snapshot, snapshot.versions(path)?)?;
    let seen = number.map_or(Ok(None), |number| last_seen(snapshot, number))?;
    Ok(seen.is_some_and(|seen| !matches!(seen, Seen::Overwritten(_))))
}

/// Returns true where a step wrote at a path.
fn is_written(snapshot: &Snapshot, path: PathNo) -> Result<bool> {
    let written = snapshot.path_writes_until(path, i64::MAX, |_, _, _| Ok(ControlFlow::Break(())))?;
    Ok(written.is_break())
}

/// Returns true where what a step wrote last at a path has bytes: it is no folder that was named as one thing.
fn is_written_as_file(snapshot: &Snapshot, path: PathNo) -> Result<bool> {
    let last =
        snapshot.path_writes_until(path, i64::MAX, |_, _, artifact| Ok(ControlFlow::Break(artifact)))?;
    last.break_value().map_or(Ok(false), |artifact| Ok(snapshot.artifact(artifact)?.has_content()))
}

/// Returns true where a step read or wrote the artifact: one whose only record was replaced is as good as none.
fn is_known(snapshot: &Snapshot, number: ArtifactNo) -> Result<bool> {
    Ok(last_seen(snapshot, number)?.is_some())
}

fn newest_version(snapshot: &Snapshot, path: &ArtifactPath, state: DiskState) -> Result<Option<FileTarget>> {
    let versions = snapshot.path_no(path)?.map_or(Ok(Vec::new()), |path_no| snapshot.versions(path_no))?;
    let Some(number) = newest(snapshot, versions)? else {
        return Ok(None);
    };
    let artifact = snapshot.artifact(number)?;
    Ok(Some(FileTarget { path: path.clone(), artifact, number, state, as_of: None }))
}

/// Returns the artifacts that have a content of this digest.
fn with_content(snapshot: &Snapshot, digest: &Digest) -> Result<Vec<ArtifactNo>> {
    let mut found = Vec::new();
    for number in snapshot.artifacts_with(digest)? {
        if snapshot.artifact(number)?.has_content() {
            found.push(number);
        }
    }
    Ok(found)
}

/// Returns the artifact that was last written, else last read, those of repetitions last; ties by path, so that every store
/// answers the same.
pub(crate) fn newest(snapshot: &Snapshot, numbers: Vec<ArtifactNo>) -> Result<Option<ArtifactNo>> {
    let mut best = None;
    for number in numbers {
        if let Some(seen) = last_seen(snapshot, number)? {
            let artifact = snapshot.artifact(number)?;
            // The copy that a repetition worked in is gone, and with it what it wrote there.
            let is_there = !artifact.path.as_bytes().starts_with(RERUN_SCHEME);
            let rank = (is_there, seen, artifact);
            if best.as_ref().is_none_or(|(found, _)| rank > *found) {
                best = Some((rank, number));
            }
        }
    }
    Ok(best.map(|(_, number)| number))
}

/// How an artifact was last seen, and when; of two the greater is the newer version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    /// It was written over by a command of lineage: another version came after it.
    Overwritten(i64),
    /// It was read, or is a file of a model version.
    Read(i64),
    /// A step wrote it.
    Written(i64),
}

/// Returns how an artifact was last seen; `None` where no fact that counts names it.
fn last_seen(snapshot: &Snapshot, number: ArtifactNo) -> Result<Option<Seen>> {
    let written = snapshot.writes_until(number, i64::MAX, |at, _| Ok(ControlFlow::Break(at)))?;
    if let Some(at) = written.break_value() {
        return Ok(Some(Seen::Written(at)));
    }
    // The first read is enough to know that there is one; which of several unwritten versions is newest hardly matters.
    let mut last = snapshot.first_read(number)?.map(|(at, _)| Seen::Read(at));
    if last.is_none() {
        let path = snapshot.path_of(number);
        let removed = snapshot.removals_until(path, i64::MAX, |at, _, removed| {
            let is_it = removed == Some(number);
            Ok(if is_it { ControlFlow::Break(at) } else { ControlFlow::Continue(()) })
        })?;
        last = removed.break_value().map(Seen::Read);
    }
    if last.is_none() && !snapshot.models_with(number)?.is_empty() {
        return Ok(Some(Seen::Read(i64::MIN)));
    }
    if last.is_none() {
        // A document is known by having been read for an index.
        let artifact = snapshot.artifact(number)?;
        let note = snapshot.note_even_if_gone(&artifact.path)?;
        let note = note.filter(|(note, _)| note.artifact == artifact);
        if let Some((note, _)) = note {
            return Ok(Some(Seen::Read(note.at.micros())));
        }
        let overwritten = snapshot.last_overwritten(number)?;
        return Ok(overwritten.map(|overwritten| Seen::Overwritten(overwritten.at.micros())));
    }
    Ok(last)
}

fn by_content(snapshot: &Snapshot, digest: &Digest) -> Result<Target> {
    let number = newest(snapshot, with_content(snapshot, digest)?)?
        .ok_or_else(|| Error::not_found(format!("no recorded file has the content `{digest}`")))?;
    let artifact = snapshot.artifact(number)?;
    Ok(Target::File(FileTarget {
        path: artifact.path.clone(),
        artifact,
        number,
        state: DiskState::NotChecked,
        as_of: None,
    }))
}

/// Finds the run that wrote into a folder.
fn by_folder(workspace: &Workspace, snapshot: &Snapshot, place: &Path, word: &OsStr) -> Result<Target> {
    let nothing = |read: Option<ArtifactPath>| {
        let error = Error::not_found(format!("no run wrote into the folder `{}`", repeated_word(word)));
        error.hint(match read {
            Some(read) => {
                format!("runs read files in it: `lineage show {read} --down` tells what was made from one")
            }
            None => "give a file, or the folder of a run; `lineage log` lists the runs".to_owned(),
        })
    };
    let path = ArtifactPath::within(workspace.root(), place).map_err(|_| nothing(None))?;
    let mut front = path.as_bytes().to_vec();
    front.push(b'/');
    let mut runs = std::collections::BTreeSet::new();
    let mut paths = Vec::new();
    snapshot.paths_from(&front, |_, number| {
        paths.push(number);
        Ok(GO_ON)
    })?;
    for path_no in paths {
        snapshot.path_writes_until(path_no, i64::MAX, |_, step, _| {
            runs.extend(snapshot.run_of(step)?);
            Ok(GO_ON)
        })?;
    }
    let runs: Vec<RunNo> = runs.into_iter().collect();
    match runs.as_slice() {
        [run] => Ok(Target::Run(*run)),
        [] => Err(nothing(first_read(snapshot, &front)?)),
        several => {
            let mut names = Vec::new();
            for run in several.iter().rev().take(NAMED_MAX) {
                names.extend(RunHead::read(snapshot, *run)?.map(|head| run_words(&head)));
            }
            let more = if several.len() > NAMED_MAX { ", …" } else { "" };
            Err(Error::request(format!("several runs wrote into the folder `{}`", repeated_word(word)))
                .hint(format!("name a file in it, or one of them: {}{more}", names.join(", "))))
        }
    }
}

/// As many runs are named of those that wrote into a folder.
const NAMED_MAX: usize = 5;

/// Returns the first file by name that somebody read of those whose names begin with `front`.
fn first_read(snapshot: &Snapshot, front: &[u8]) -> Result<Option<ArtifactPath>> {
    let found = snapshot.paths_from(front, |path, number| {
        for version in snapshot.versions(number)? {
            if snapshot.first_read(version)?.is_some() {
                return ArtifactPath::from_bytes(path.to_vec()).map(ControlFlow::Break);
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found.break_value())
}
