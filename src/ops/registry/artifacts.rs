//! The files of a model version: inside the workspace, and still the bytes that their run wrote.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::model::{
    Artifact, ArtifactPath, Digest, LinkText, NamedArtifact, printed_word, recorded_word, repeated_word,
};
use crate::ops::Workspace;
use crate::ops::here::Here;
use crate::ops::inside::declared_files;
use crate::ops::locate::link_text_at;
use crate::ops::named::place_on_disk;
use crate::ops::registry::entry::{EntryArtifact, unique};
use crate::ops::workspace::FOLDER;
use crate::query::{Origin, origin};
use crate::store::{ArtifactNo, GO_ON, RunNo, Snapshot, StepNo};

/// As many files has a model version at most.
const FILES_MAX: usize = 10_000;
/// Deeper folders are not entered.
const DEPTH_MAX: usize = 32;

/// A file that is to be a model's, as it was read.
pub(super) struct ReadFile {
    pub held: NamedArtifact,
    /// The file whose bytes these are: another where a link on the way leads out of the artifact. Of a link `None`: it has none of
    /// its own, and whoever made it made nothing of the model.
    pub source: Option<Artifact>,
}

/// A file that is to be a model's, and who wrote these bytes to its place: runs of this workspace before others, the last first.
pub(super) struct Found {
    pub held: NamedArtifact,
    /// The file whose bytes these are, as [`ReadFile::source`] says.
    pub source: Option<Artifact>,
    pub writers: Vec<RunNo>,
    /// The last run that wrote other bytes to its place, and which, if nobody wrote these there.
    pub changed_since: Option<(Option<RunNo>, Digest)>,
    /// The last run that wrote these bytes elsewhere, and where, if nobody wrote them here.
    pub copied: Option<(RunNo, ArtifactPath)>,
}

/// Finds the files of an entry, seen from `folder`, and reads them.
///
/// # Errors
/// A request error where one is missing, is no file, lies outside the workspace, or holds other bytes than the entry says.
pub(super) fn read_all(
    workspace: &Workspace,
    folder: &Path,
    artifacts: &[EntryArtifact],
) -> Result<Vec<ReadFile>> {
    let mut wanted = Vec::new();
    for artifact in artifacts {
        files_of(workspace, folder, artifact, &mut wanted)?;
    }
    unique("artifact", wanted.iter().map(|wanted| &wanted.name))?;
    let read = wanted.into_par_iter().map(|wanted| read(workspace, wanted));
    read.collect()
}

/// Finds who wrote each of the files.
///
/// # Errors
/// A store error where a record is damaged.
pub(super) fn find(workspace: &Workspace, snapshot: &Snapshot, files: Vec<ReadFile>) -> Result<Vec<Found>> {
    let here = Here::of(workspace);
    files.into_iter().map(|file| recorded(snapshot, &here, file)).collect()
}

/// A file to be read.
struct Wanted {
    name: String,
    path: ArtifactPath,
    place: PathBuf,
    digest: Option<Digest>,
    /// The text of the link that it is recorded as.
    link: Option<LinkText>,
}

fn files_of(
    workspace: &Workspace,
    folder: &Path,
    artifact: &EntryArtifact,
    wanted: &mut Vec<Wanted>,
) -> Result<()> {
    let shown = repeated_word(&artifact.path);
    let place = place_on_disk(folder, &artifact.path)?.canonicalize().map_err(|cause| {
        Error::request(format!("cannot read the artifact `{shown}`"))
            .because(cause)
            .hint("nothing was registered")
    })?;
    let outside = || {
        Error::request(format!("the artifact `{shown}` lies outside the workspace"))
            .because(format!("it is `{}`", printed_word(&place)))
            .hint(format!("put it below `{}`; nothing was registered", workspace.root().display()))
    };
    let inside = place.strip_prefix(workspace.root()).map_err(|_| outside())?;
    if inside.starts_with(FOLDER) {
        return Err(Error::request(format!("the artifact `{shown}` is one of lineage's own files")));
    }
    let top = place.clone();
    let mut frontier = vec![(place, artifact.name.clone(), 0)];
    while let Some((place, name, depth)) = frontier.pop() {
        let link = link_within(&top, &place);
        let kind = found_at(workspace, &place, link.is_some())?;
        if link.is_some() {
            let path = ArtifactPath::within(workspace.root(), &place)?;
            wanted.push(Wanted { name, path, place, digest: artifact.digest, link });
        } else if kind.is_dir() && depth < DEPTH_MAX {
            for (entry, part) in entries(&place)? {
                frontier.push((entry, format!("{name}/{part}"), depth + 1));
            }
        } else if kind.is_file() {
            let path = ArtifactPath::within(workspace.root(), &place)?;
            wanted.push(Wanted { name, path, place, digest: artifact.digest, link: None });
        } else {
            return Err(Error::request(format!("the artifact `{}` is no plain file", printed_word(&place)))
                .hint("name the file itself; nothing was registered"));
        }
        if wanted.len() > FILES_MAX {
            return Err(Error::request(format!("the artifact `{shown}` has more than {FILES_MAX} files")));
        }
    }
    Ok(())
}

/// Returns the text of the link at `place` where it leads from name to name within the artifact at `top`: then it is recorded as the
/// link that it is, and leads to the same file wherever the artifact is brought back. Any other is recorded by what it leads to.
fn link_within(top: &Path, place: &Path) -> Option<LinkText> {
    let (text, folder) = (link_text_at(place)?, place.parent()?);
    (place != top && !text.is_absolute() && text.stays_below(top, folder)).then_some(text)
}

/// Looks at what lies at `place`, behind links if there are any. What a link out of the artifact leads to is taken whole, and so holds
/// neither the artifact nor anything of lineage's own.
fn found_at(workspace: &Workspace, place: &Path, is_within: bool) -> Result<std::fs::Metadata> {
    let failed =
        |cause| Error::request(format!("cannot read the artifact `{}`", printed_word(place))).because(cause);
    let Some(text) = link_text_at(place) else {
        return std::fs::symlink_metadata(place).map_err(failed);
    };
    let refused = |how: &str| {
        Error::request(format!("the artifact `{}` is a link to `{text}`, {how}", printed_word(place)))
            .hint("take the link away, or name the files one by one; nothing was registered")
    };
    let real = place.canonicalize().map_err(|_| refused("where nothing is to be found"))?;
    if real.starts_with(workspace.folder()) {
        return Err(refused("one of lineage's own files"));
    }
    let folder = place.parent().map_or(Ok(PathBuf::new()), Path::canonicalize).map_err(failed)?;
    if !is_within && folder.starts_with(&real) {
        return Err(refused("a folder that holds it"));
    }
    std::fs::metadata(place).map_err(failed)
}

/// Lists a folder, the last name first.
fn entries(folder: &Path) -> Result<Vec<(PathBuf, String)>> {
    let failed = |cause| Error::request(format!("cannot list `{}`", printed_word(folder))).because(cause);
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        names.insert((entry.path(), recorded_word(entry.file_name())));
    }
    Ok(names.into_iter().rev().collect())
}

fn read(workspace: &Workspace, wanted: Wanted) -> Result<ReadFile> {
    let Wanted { name, path, place, digest, link } = wanted;
    if let Some(text) = link {
        return Ok(ReadFile { held: NamedArtifact::of_link(name, path, text), source: None });
    }
    let failed = |cause| Error::request(format!("cannot read the artifact `{path}`")).because(cause);
    let size_bytes = std::fs::metadata(&place).map_err(failed)?.len();
    let found = workspace.digests().of(&place).map_err(failed)?;
    if let Some(expected) = digest.filter(|expected| *expected != found) {
        return Err(Error::request(format!("the artifact `{path}` does not hold what its entry says"))
            .because(format!("the entry says {expected}, the file holds {found}"))
            .hint("nothing was registered"));
    }
    let real = place.canonicalize().map_err(failed)?;
    let source = Artifact { path: ArtifactPath::within(workspace.root(), &real)?, digest: found, size_bytes };
    let artifact = Artifact { path, digest: found, size_bytes };
    Ok(ReadFile { held: NamedArtifact::file(name, artifact), source: Some(source) })
}

/// Holds a file against what is recorded of its place.
fn recorded(snapshot: &Snapshot, here: &Here<'_>, file: ReadFile) -> Result<Found> {
    let ReadFile { held, source } = file;
    let mut found = Found { held, source, writers: Vec::new(), changed_since: None, copied: None };
    let Some(artifact) = &found.source else { return Ok(found) };
    let Some(path) = snapshot.path_no(&artifact.path)? else {
        found.copied = copied(snapshot, here, artifact)?;
        return Ok(found);
    };
    let mut other: Option<(StepNo, Digest)> = None;
    let mut seen = BTreeSet::new();
    snapshot.path_writes_until(path, i64::MAX, |_, step, written| {
        let digest = snapshot.content(written)?.0;
        if digest != artifact.digest {
            other = other.or(Some((step, digest)));
        } else if let Some(run) = snapshot.run_of(step)?
            && seen.insert(run)
        {
            found.writers.push(run);
        }
        Ok(GO_ON)
    })?;
    if found.writers.is_empty() {
        let other = other.map(|(step, digest)| Ok::<_, Error>((snapshot.run_of(step)?, digest)));
        found.changed_since = other.transpose()?;
        found.copied = match snapshot.artifact_no(path, &artifact.digest)? {
            Some(known) => copied_before(snapshot, known)?,
            None => copied(snapshot, here, artifact)?,
        };
        return Ok(found);
    }
    let (mut own, mut elsewhere) = (Vec::new(), Vec::new());
    for run in std::mem::take(&mut found.writers) {
        let list = if here.has_run(snapshot, run)? { &mut own } else { &mut elsewhere };
        list.push(run);
    }
    found.writers = [own, elsewhere].concat();
    Ok(found)
}

/// Finds the run that wrote the bytes of a recorded file at another place before they were first read here: what was here before is
/// no copy.
fn copied_before(snapshot: &Snapshot, artifact: ArtifactNo) -> Result<Option<(RunNo, ArtifactPath)>> {
    // Who registers a file says that it is the model; that it also lies elsewhere, be it few bytes, tells which run made it.
    let (Origin::Copied(write) | Origin::Alike(write)) = origin(snapshot, artifact, i64::MAX, None)? else {
        return Ok(None);
    };
    let run = snapshot.run_of(write.step)?;
    run.map(|run| Ok((run, snapshot.artifact(write.artifact)?.path))).transpose()
}

/// Finds the last run that wrote the bytes of a file at another place, one of this workspace before others.
fn copied(
    snapshot: &Snapshot,
    here: &Here<'_>,
    artifact: &Artifact,
) -> Result<Option<(RunNo, ArtifactPath)>> {
    let Some(first) = snapshot.artifacts_with(&artifact.digest)?.first().copied() else {
        return Ok(None);
    };
    if artifact.size_bytes == 0 {
        return Ok(None);
    }
    let mut elsewhere = None;
    let own = snapshot.content_writes_until(first, i64::MAX, |_, step, written| {
        let Some(run) = snapshot.run_of(step)? else { return Ok(ControlFlow::Continue(())) };
        if here.has_run(snapshot, run)? {
            return Ok(ControlFlow::Break((run, written)));
        }
        elsewhere = elsewhere.or(Some((run, written)));
        Ok(ControlFlow::Continue(()))
    })?;
    let last = own.break_value().or(elsewhere);
    last.map(|(run, written)| Ok((run, snapshot.artifact(written)?.path))).transpose()
}

/// Names what an entry says the model was trained on: files, all files of folders, and names outside this machine.
///
/// # Errors
/// A request error where one cannot be read.
pub(super) fn inputs(workspace: &Workspace, folder: &Path, words: &[String]) -> Result<Vec<Artifact>> {
    let mut found = BTreeSet::new();
    for word in words {
        found.extend(declared_files(workspace, folder, word)?.artifacts);
        if found.len() > FILES_MAX {
            return Err(Error::request(format!("the model has more than {FILES_MAX} inputs"))
                .hint("name the run that read them with `--run`, and leave the inputs out"));
        }
    }
    Ok(found.into_iter().collect())
}
