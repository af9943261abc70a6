//! One version of one file brought back: `lineage restore` and `lineage cat`.

mod found;
mod links;
mod several;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::error::{Error, Kind, Result};
use crate::model::{Artifact, ArtifactPath, Digest, LinkText, NodeId, printed_word, repeated_word};
use crate::ops::inside::{PartOf, say_given_out};
use crate::ops::locate::{
    DiskState, ModelOrFile, Target, link_text_at, locate, model_or_file_of_run, newest, real_place,
};
use crate::ops::named;
use crate::ops::of_run::recorded_path;
use crate::ops::status::new_name_of;
use crate::ops::{Clock, Overwriting, Workspace};
use crate::projection;
use crate::query;
use crate::query::registry::{ModelView, model_view};
use crate::store::{PathNo, Snapshot};

use found::Found;
pub use links::behind_link;
use links::link_of;
use several::{Wanted, find_versions};

/// What is recorded as the command that wrote over a file.
pub(crate) const RESTORE: &str = "restore";

/// A version of a file, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Version {
    /// A recorded file.
    File(Artifact),
    /// A segment of one.
    Segment(Artifact, String),
    /// A content, whether any fact names it or not.
    Content(Digest),
}

impl Version {
    /// Returns the recorded file that it is, or is a part of.
    pub(crate) fn artifact(&self) -> Option<&Artifact> {
        match self {
            Version::File(artifact) | Version::Segment(artifact, _) => Some(artifact),
            Version::Content(_) => None,
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct RestoreRequest {
    /// The versions, as [`find_version`] takes them; versions of models; folders.
    pub words: Vec<OsString>,
    /// The folder the request was made in.
    pub folder: PathBuf,
    /// Where to write: a file, or for several versions a folder; each to its own place where it is `None`.
    pub to: Option<PathBuf>,
    /// Write over what lies there; what it holds is kept first, and that is recorded.
    pub force: bool,
    /// The command of a run that asks, which is recorded to have read what it brings back.
    pub part_of: Option<PartOf>,
}

/// A file that was brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// The version; `None` for a content that no fact names.
    pub artifact: Option<Artifact>,
    /// Its digest.
    pub digest: Digest,
    /// Of a symbolic link, its text: that is what digest and size are of.
    pub link_to: Option<LinkText>,
    /// How many bytes it has.
    pub size_bytes: u64,
    /// Where it lies now.
    pub place: PathBuf,
    /// Whether it lay there already.
    pub was_there: bool,
    /// What lay there before and was written over: it is kept under this digest.
    pub replaced: Option<Digest>,
    /// The commit that its bytes were taken from, which were not kept.
    pub from_commit: Option<String>,
    /// Where one file was brought back that somebody had given another name: where it lies by that.
    pub also_at: Option<ArtifactPath>,
}

/// What was brought back.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Restoration {
    /// The files.
    pub files: Vec<Restored>,
    /// Files of a folder that was asked for whose bytes are not to be had.
    pub left: Vec<NotRestored>,
    /// The versions of models that were asked for and that were withdrawn.
    pub withdrawn: Vec<ModelView>,
}

/// A file of a folder that was not brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotRestored {
    /// The version.
    pub artifact: Artifact,
    /// Why it was not.
    pub reason: String,
}

/// What a word means that names something to bring back.
enum Meant {
    /// A version of a file, or a part of one.
    Version(Version),
    /// A version of a model.
    Model(NodeId),
}

/// Finds the version that `word` means, seen from `folder`: `FILE`, the newest; `NAME@VERSION`, the file of a version of a model that
/// has one; `FILE@RUN`, as that run wrote it, else as it read it; `FILE#SEGMENT`; `blake3:<digest>`. A file that is not recorded by
/// its name is known by its bytes, as one is that a repetition finds in its copy of the workspace.
///
/// # Errors
/// A request error where nothing is recorded that it could mean, or it means a version of a model that has not one file.
pub fn find_version(
    workspace: &Workspace,
    snapshot: &Snapshot,
    folder: &Path,
    word: &OsStr,
) -> Result<Version> {
    let id = match meant(workspace, snapshot, folder, word) {
        Ok(Meant::Version(version)) => return Ok(version),
        Ok(Meant::Model(id)) => id,
        Err(error) => {
            return match locate(workspace, snapshot, folder, word) {
                Ok(Target::File(file)) if file.state == DiskState::SameBytes => {
                    Ok(Version::File(file.artifact))
                }
                _ => Err(error),
            };
        }
    };
    let mut files = several::files_of_model(snapshot, id, word)?;
    match (files.len(), files.pop()) {
        (1, Some(file)) => Ok(Version::File(file)),
        (count, _) => {
            let name = repeated_word(word);
            Err(Error::request(format!("`{name}` has {count} files"))
                .hint(format!("`lineage restore {name}` brings them back; `lineage show {name}` names them")))
        }
    }
}

/// Finds what `word` means, seen from `folder`, as [`find_version`] does.
fn meant(workspace: &Workspace, snapshot: &Snapshot, folder: &Path, word: &OsStr) -> Result<Meant> {
    let version = |version| Ok(Meant::Version(version));
    if let Some(text) = word.to_str().filter(|text| text.starts_with("blake3:")) {
        let digest = query::find_digest(snapshot, text)?;
        let named = newest(snapshot, snapshot.artifacts_with(&digest)?)?;
        return version(match named {
            Some(number) => Version::File(snapshot.artifact(number)?),
            None => Version::Content(digest),
        });
    }
    let path_no = |name: &OsStr| recorded_path(workspace, snapshot, folder, name);
    // A file whose own name holds `@` or `#` goes first.
    if let Some(found) = path_no(word)? {
        return version(Version::File(newest_version(snapshot, found, word)?));
    }
    if let Some((file, segment)) = named::split_last(word, b'#')
        && let Some(found) = path_no(&file)?
        && let Ok(segment) = segment.into_string()
    {
        return version(Version::Segment(newest_version(snapshot, found, &file)?, segment));
    }
    match model_or_file_of_run(workspace, snapshot, folder, word)? {
        Some(ModelOrFile::File(found)) => version(Version::File(found.artifact(snapshot)?)),
        Some(ModelOrFile::Model(id)) => Ok(Meant::Model(id)),
        None => Err(Error::request(format!("nothing is recorded of `{}`", repeated_word(word)))
            .hint("give a recorded file, FILE@RUN, FILE#SEGMENT, MODEL@VERSION or blake3:<digest>")),
    }
}

fn newest_version(snapshot: &Snapshot, path: PathNo, name: &OsStr) -> Result<Artifact> {
    let number = newest(snapshot, snapshot.versions(path)?)?;
    let number =
        number.ok_or_else(|| Error::request(format!("nothing is recorded of `{}`", repeated_word(name))))?;
    snapshot.artifact(number)
}

/// Hands the bytes of a version to `target`: those that are kept, else those of a recorded file that still has them, else those of
/// a commit that a run which read it recorded, or of `HEAD`. They are read and held against the digest before the first goes out.
///
/// # Errors
/// A request error where they are not to be had, or it is a symbolic link, which has none; a store error where the kept copy is
/// damaged and there is no other, or `target` does not take them.
pub fn write_version(
    workspace: &Workspace,
    snapshot: &Snapshot,
    version: &Version,
    target: &mut dyn Write,
) -> Result<()> {
    if let (Some(text), Version::File(artifact)) = (link_of(snapshot, version)?, version) {
        return Err(links::without_bytes(artifact, &text));
    }
    Found::of(workspace, snapshot, version)?.write_to(workspace, target)
}

/// Tells whether the bytes of a recorded file are to be had.
pub(crate) fn is_to_be_had(workspace: &Workspace, snapshot: &Snapshot, file: &Artifact) -> bool {
    Found::of(workspace, snapshot, &Version::File(file.clone())).is_ok()
}

/// Brings versions back. All are found and read before one is written. Of a folder, those are brought back that are to be had.
///
/// # Errors
/// A request error where one that was named is not to be had, or other bytes lie in its place; a store error where a file cannot be written.
pub fn restore(
    workspace: &Workspace,
    snapshot: &Snapshot,
    clock: &Clock,
    request: &RestoreRequest,
) -> Result<Restoration> {
    let mut left = Vec::new();
    let mut ready = Vec::with_capacity(request.words.len());
    let mut all = Vec::with_capacity(request.words.len());
    for word in &request.words {
        all.extend(find_versions(workspace, snapshot, &request.folder, word)?);
    }
    let models: BTreeSet<NodeId> = all.iter().filter_map(|wanted| wanted.model).collect();
    let mut withdrawn = Vec::new();
    for id in models {
        withdrawn.extend(model_view(snapshot, id)?.filter(|view| view.deleted.is_some()));
    }
    let mut places = BTreeSet::new();
    for mut wanted in all {
        if request.to.is_some() && wanted.below.is_none() {
            // Elsewhere it would lead elsewhere.
            wanted.version = behind_link(workspace, snapshot, wanted.version)?;
        }
        let place = destination(workspace, request, &wanted)?;
        if !places.insert(place.clone()) {
            return Err(Error::request(format!(
                "several files would be written to `{}`",
                printed_word(&place)
            ))
            .hint("restore one after the other; nothing was written"));
        }
        let version = wanted.version;
        let thing = match link_of(snapshot, &version)? {
            Some(text) => {
                links::check_stays(workspace, request, &place, &text)?;
                Thing::Link(text)
            }
            None => match (Found::of(workspace, snapshot, &version), version.artifact()) {
                (Ok(found), _) => Thing::Bytes(found),
                (Err(error), Some(artifact)) if wanted.is_of_folder && error.kind() == Kind::Request => {
                    left.push(NotRestored { artifact: artifact.clone(), reason: error.to_string() });
                    continue;
                }
                (Err(error), _) => return Err(error),
            },
        };
        let there = in_the_way(workspace, request, &place, &thing)?;
        ready.push((version, place, thing, there));
    }
    // What a link leads to is there before it.
    ready.sort_by_key(|(_, _, thing, _)| matches!(thing, Thing::Link(_)));
    let mut overwritten = Vec::new();
    for (_, place, thing, there) in &mut ready {
        if there.is_some_and(|there| there != thing.digest()) {
            let (contents, root) = (workspace.contents(), workspace.root());
            let (digest, size_bytes) = match link_text_at(place).filter(|text| Some(text.digest()) == *there)
            {
                Some(text) => {
                    (contents.keep_file(root, place, text.as_bytes())?, text.as_bytes().len() as u64)
                }
                None => contents.keep_place(root, place)?,
            };
            *there = Some(digest);
            let path = ArtifactPath::within(root, &real_place(place))?;
            overwritten.push(Artifact { path, digest, size_bytes });
        }
    }
    clock.not_before(snapshot.latest());
    Overwriting { command: RESTORE, clock: clock.clone() }.record(workspace, overwritten)?;
    if let Some(part_of) = &request.part_of {
        let written = ready.iter().filter(|(_, _, thing, there)| *there != Some(thing.digest()));
        let artifacts = written.filter_map(|(version, ..)| version.artifact()).cloned();
        say_given_out(workspace, clock, snapshot, part_of, artifacts)?;
    }
    let also_at = match &ready[..] {
        [(Version::File(artifact), _, Thing::Bytes(_), None)] if request.to.is_none() => {
            new_name_of(workspace, snapshot, artifact)?
        }
        _ => None,
    };
    let mut files = Vec::with_capacity(ready.len());
    for (version, place, thing, there) in ready {
        let digest = thing.digest();
        let was_there = there == Some(digest);
        let replaced = there.filter(|there| *there != digest);
        if !was_there {
            // What was looked at is kept, and may be written over.
            let disk = if there.is_some() { workspace.disk().clone() } else { workspace.disk().sparing() };
            thing.write(workspace, &disk, &place)?;
        }
        let artifact = match version {
            Version::File(artifact) => Some(artifact),
            Version::Segment(..) | Version::Content(_) => None,
        };
        let (size_bytes, from_commit, link_to) = match thing {
            Thing::Bytes(found) => (found.size_bytes, found.commit.filter(|_| !was_there), None),
            Thing::Link(text) => (text.as_bytes().len() as u64, None, Some(text)),
        };
        files.push(Restored {
            artifact,
            digest,
            link_to,
            size_bytes,
            place,
            was_there,
            replaced,
            from_commit,
            also_at: also_at.clone(),
        });
    }
    Ok(Restoration { files, left, withdrawn })
}

/// What is to lie at a place.
enum Thing {
    Bytes(Found),
    Link(LinkText),
}

impl Thing {
    fn digest(&self) -> Digest {
        match self {
            Thing::Bytes(found) => found.digest,
            Thing::Link(text) => text.digest(),
        }
    }

    fn write(&self, workspace: &Workspace, disk: &Disk, place: &Path) -> Result<()> {
        let text = match self {
            Thing::Bytes(found) => return found.write_at(workspace, disk, place),
            Thing::Link(text) => text,
        };
        let folder = place.parent().unwrap_or(workspace.root());
        disk.create_folders(folder).map_err(|cause| not_written(place, cause))?;
        disk.replace_with_link(place, &text.to_path())
            .and_then(|()| disk.sync_folder(folder))
            .map_err(|cause| not_put_there(place, cause))
    }
}

fn not_written(place: &Path, cause: io::Error) -> Error {
    Error::store(format!("cannot write `{}`", printed_word(place)))
        .because(cause)
        .hint("what is recorded and kept is not harmed")
}

/// Makes the error for a place at which nothing lay when it was looked at.
fn not_put_there(place: &Path, cause: io::Error) -> Error {
    if cause.kind() != io::ErrorKind::AlreadyExists {
        return not_written(place, cause);
    }
    Error::request(format!("`{}` was put there by somebody else meanwhile", printed_word(place)))
        .hint("it was not written over; see what it is, and try again")
}

/// Returns where a version is to be written.
fn destination(workspace: &Workspace, request: &RestoreRequest, wanted: &Wanted) -> Result<PathBuf> {
    let version = &wanted.version;
    let Some(to) = &request.to else {
        let Version::File(artifact) = version else {
            return Err(Error::request("a part of a file and a bare content have no place of their own")
                .hint("say where to write it with `--to`"));
        };
        return projection::place(workspace.root(), &artifact.path);
    };
    let to = request.folder.join(to);
    if let Some(below) = &wanted.below {
        return Ok(below.on_disk(&to).unwrap_or(to));
    }
    if !to.is_dir() && request.words.len() == 1 {
        return Ok(to);
    }
    if !to.is_dir() {
        return Err(Error::request(format!("`{}` is no folder", printed_word(&to)))
            .hint("several files are written into a folder that is there"));
    }
    let name = match version {
        Version::File(artifact) => artifact.path.clone(),
        Version::Segment(_, segment) => ArtifactPath::new(segment.replace('/', "_"))?,
        Version::Content(digest) => ArtifactPath::new(digest.hex())?,
    };
    let name = ArtifactPath::from_bytes(name.file_name().to_vec())?;
    if matches!(name.as_bytes(), b"." | b"..") {
        return Err(Error::request(format!("`{name}` cannot be the name of a file")));
    }
    Ok(name.on_disk(&to).unwrap_or(to))
}

/// Returns the digest of what lies at a place: of a link that another link is to replace, that of its text. What is not wanted there is
/// refused, unless that is asked for.
fn in_the_way(
    workspace: &Workspace,
    request: &RestoreRequest,
    place: &Path,
    thing: &Thing,
) -> Result<Option<Digest>> {
    let link = link_text_at(place).filter(|_| matches!(thing, Thing::Link(_)));
    let lies = match &link {
        Some(text) => projection::Lies::File(text.digest()),
        None => projection::look(place, workspace.digests()),
    };
    let there = match lies {
        projection::Lies::Nothing => return Ok(None),
        projection::Lies::File(digest) => digest,
        projection::Lies::Blocked(reason) => {
            return Err(Error::request(format!("cannot write `{}`: {reason}", printed_word(place)))
                .hint("nothing was written"));
        }
    };
    if there != thing.digest() && !request.force {
        let what = match &link {
            Some(text) => format!("is a link to `{text}`"),
            None => format!("holds other bytes ({})", there.short()),
        };
        return Err(Error::request(format!("`{}` {what}", printed_word(place))).hint(
            "`--force` writes over them and keeps them; `--to PATH` writes elsewhere; nothing was written",
        ));
    }
    Ok(Some(there))
}

#[cfg(test)]
mod tests;
