//! One version of one file brought back: `lineage restore` and `lineage cat`.

mod several;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::content::Access;
use crate::error::{Error, Result};
use crate::filings::find_segment;
use crate::model::{Artifact, ArtifactPath, Digest, printed_word, repeated_word};
use crate::ops::committed::Commits;
use crate::ops::locate::{link_at, newest, real_place};
use crate::ops::named;
use crate::ops::of_run::{file_of_run, recorded_path};
use crate::ops::{Clock, Overwriting, Workspace};
use crate::projection;
use crate::query;
use crate::store::{PathNo, Snapshot};

use several::{Wanted, find_versions};

/// A version of a file, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// A recorded file.
    File(Artifact),
    /// A segment of one.
    Segment(Artifact, String),
    /// A content, whether any fact names it or not.
    Content(Digest),
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
}

/// A file that was brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The version; `None` for a content that no fact names.
    pub artifact: Option<Artifact>,
    /// Its digest.
    pub digest: Digest,
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
}

/// Finds the version that `word` means, seen from `folder`: `FILE`, the newest; `FILE@RUN`, as that run wrote it, else as it
/// read it; `FILE#SEGMENT`; `blake3:<digest>`.
///
/// # Errors
/// A request error where nothing is recorded that it could mean.
pub fn find_version(
    workspace: &Workspace,
    snapshot: &Snapshot,
    folder: &Path,
    word: &OsStr,
) -> Result<Version> {
    if let Some(text) = word.to_str().filter(|text| text.starts_with("blake3:")) {
        let digest = query::find_digest(snapshot, text)?;
        let named = newest(snapshot, snapshot.artifacts_with(&digest)?)?;
        return Ok(match named {
            Some(number) => Version::File(snapshot.artifact(number)?),
            None => Version::Content(digest),
        });
    }
    let path_no = |name: &OsStr| recorded_path(workspace, snapshot, folder, name);
    // A file whose own name holds `@` or `#` goes first.
    if let Some(found) = path_no(word)? {
        return newest_version(snapshot, found, word).map(Version::File);
    }
    if let Some((file, segment)) = named::split_last(word, b'#')
        && let Some(found) = path_no(&file)?
        && let Ok(segment) = segment.into_string()
    {
        return Ok(Version::Segment(newest_version(snapshot, found, &file)?, segment));
    }
    if let Some(found) = file_of_run(workspace, snapshot, folder, word)? {
        return found.artifact(snapshot).map(Version::File);
    }
    Err(Error::request(format!("nothing is recorded of `{}`", repeated_word(word)))
        .hint("give a recorded file, FILE@RUN, FILE#SEGMENT or blake3:<digest>"))
}

fn newest_version(snapshot: &Snapshot, path: PathNo, name: &OsStr) -> Result<Artifact> {
    let number = newest(snapshot, snapshot.versions(path)?)?;
    let number =
        number.ok_or_else(|| Error::request(format!("nothing is recorded of `{}`", repeated_word(name))))?;
    snapshot.artifact(number)
}

/// Of a link that lies as it was recorded, returns the newest version of the file that it leads to, where one is recorded; of all
/// else the version itself.
///
/// # Errors
/// A store error where a record is damaged.
pub fn behind_link(workspace: &Workspace, snapshot: &Snapshot, version: Version) -> Result<Version> {
    let Version::File(artifact) = &version else { return Ok(version) };
    let place = artifact.path.on_disk(workspace.root());
    let Some(place) = place.filter(|place| link_at(place) == Some(artifact.digest)) else {
        return Ok(version);
    };
    let path = place.canonicalize().ok().and_then(|real| ArtifactPath::within(workspace.root(), &real).ok());
    let number = path.map_or(Ok(None), |path| snapshot.path_no(&path))?;
    let newest = number.map_or(Ok(None), |number| newest(snapshot, snapshot.versions(number)?))?;
    newest.map_or(Ok(version), |number| snapshot.artifact(number).map(Version::File))
}

/// Returns the bytes of a version: those that are kept, else those of a recorded file that still has them, else those of a commit
/// that a run which read it recorded, or of `HEAD`. Each is held against the digest before it is given out.
///
/// # Errors
/// A request error where they are not to be had; a store error where the kept copy is damaged and there is no other.
pub fn bytes_of(workspace: &Workspace, snapshot: &Snapshot, version: &Version) -> Result<Vec<u8>> {
    found(workspace, snapshot, version).map(|found| found.bytes)
}

/// The bytes of a version.
struct Found {
    bytes: Vec<u8>,
    /// Who may read them, where they were found.
    access: Access,
    /// The commit that has them, where they were found in one.
    commit: Option<String>,
}

/// Does what [`bytes_of`] does, and says where they were found.
fn found(workspace: &Workspace, snapshot: &Snapshot, version: &Version) -> Result<Found> {
    let (digest, name) = match version {
        Version::File(artifact) | Version::Segment(artifact, _) => {
            (artifact.digest, artifact.path.to_string())
        }
        Version::Content(digest) => (*digest, digest.to_string()),
    };
    if let Version::File(artifact) | Version::Segment(artifact, _) = version
        && !artifact.has_content()
    {
        return Err(Error::request(format!("the content of `{name}` is not recorded"))
            .hint("it was named without its bytes; `lineage show` tells by whom"));
    }
    let kept = workspace.contents().read(&digest);
    if let Ok(Some(bytes)) = kept {
        let access = workspace.contents().access(&digest);
        return part_of(version, Found { bytes, access, commit: None }, &name);
    }
    let artifacts = snapshot.artifacts_with(&digest)?;
    for number in &artifacts {
        let Some(place) = snapshot.artifact(*number)?.path.on_disk(workspace.root()) else {
            continue;
        };
        // Opening a pipe that somebody put there would wait for ever.
        if !place.metadata().is_ok_and(|metadata| metadata.is_file()) {
            continue;
        }
        if let Ok(bytes) = std::fs::read(&place)
            && Digest::of(&bytes) == digest
        {
            let access = Access::of_path(workspace.root(), &place);
            return part_of(version, Found { bytes, access, commit: None }, &name);
        }
    }
    let mut commits = Commits::new(workspace, snapshot);
    for number in artifacts {
        if let Some(committed) = commits.find(number)? {
            let (bytes, access) = (committed.bytes, Access::of_git(committed.is_executed));
            return part_of(version, Found { bytes, access, commit: Some(committed.sha) }, &name);
        }
    }
    kept?;
    Err(Error::request(format!("the bytes of `{name}` ({}) are not to be had", digest.short())).hint(
        "they are not kept, and no recorded file has them any more, nor a commit that a run read them at",
    ))
}

fn part_of(version: &Version, whole: Found, name: &str) -> Result<Found> {
    let Version::Segment(_, segment) = version else {
        return Ok(whole);
    };
    let part = find_segment(&whole.bytes, segment)
        .map_err(|error| Error::request(format!("`{name}` holds no segments")).because(error))?;
    let part =
        part.ok_or_else(|| Error::request(format!("`{name}` has no segment `{}`", segment.escape_debug())))?;
    let bytes = format!("{}\n", part.text.trim_end()).into_bytes();
    Ok(Found { bytes, access: whole.access.of_part(), commit: whole.commit })
}

/// Brings versions back. All are found and read before one is written.
///
/// # Errors
/// A request error where one is not to be had, or other bytes lie in its place; a store error where a file cannot be written.
pub fn restore(
    workspace: &Workspace,
    snapshot: &Snapshot,
    clock: &Clock,
    request: &RestoreRequest,
) -> Result<Vec<Restored>> {
    let mut ready = Vec::with_capacity(request.words.len());
    let mut all = Vec::with_capacity(request.words.len());
    for word in &request.words {
        all.extend(find_versions(workspace, snapshot, &request.folder, word)?);
    }
    let mut places = BTreeSet::new();
    for wanted in all {
        let place = destination(workspace, request, &wanted)?;
        if !places.insert(place.clone()) {
            return Err(Error::request(format!(
                "several files would be written to `{}`",
                printed_word(&place)
            ))
            .hint("restore one after the other; nothing was written"));
        }
        let version = wanted.version;
        let found = found(workspace, snapshot, &version)?;
        let replaced = in_the_way(workspace, request, &place, &found.bytes)?;
        ready.push((version, place, found, replaced));
    }
    let mut overwritten = Vec::new();
    for (_, place, found, there) in &mut ready {
        if there.is_some_and(|there| there != Digest::of(&found.bytes)) {
            let old = std::fs::read(&*place).map_err(|cause| not_written(place).because(cause))?;
            let digest = workspace.contents().keep_file(workspace.root(), place, &old)?;
            *there = Some(digest);
            let path = ArtifactPath::within(workspace.root(), &real_place(place))?;
            overwritten.push(Artifact { path, digest, size_bytes: old.len() as u64 });
        }
    }
    clock.not_before(snapshot.latest());
    Overwriting { command: "restore", clock: clock.clone() }.record(workspace, overwritten)?;
    let mut restored = Vec::with_capacity(ready.len());
    for (version, place, Found { bytes, access, commit }, there) in ready {
        let digest = Digest::of(&bytes);
        let was_there = there == Some(digest);
        let replaced = there.filter(|there| *there != digest);
        if !was_there {
            let folder = place.parent().unwrap_or(workspace.root());
            let disk = workspace.disk();
            let written = disk.create_folders(folder).and_then(|()| {
                let prepare = |file: &std::fs::File| access.apply(file);
                // What is kept without being copied is brought back so; these bytes are right, even where the kept ones are not.
                match workspace.contents().write_shared(&digest, &place, &prepare) {
                    Ok(true) => disk.sync_folder(folder),
                    Ok(false) => disk.write_whole_prepared(&place, &bytes, &prepare),
                    Err(cause) if cause.kind() == ErrorKind::InvalidData => {
                        disk.write_whole_prepared(&place, &bytes, &prepare)
                    }
                    Err(cause) => Err(cause),
                }
            });
            written.map_err(|cause| not_written(&place).because(cause))?;
        }
        let artifact = match version {
            Version::File(artifact) => Some(artifact),
            Version::Segment(..) | Version::Content(_) => None,
        };
        restored.push(Restored {
            artifact,
            digest,
            size_bytes: bytes.len() as u64,
            place,
            was_there,
            replaced,
            from_commit: commit.filter(|_| !was_there),
        });
    }
    Ok(restored)
}

fn not_written(place: &Path) -> Error {
    Error::store(format!("cannot write `{}`", printed_word(place)))
        .hint("what is recorded and kept is not harmed")
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

/// Returns the digest of what lies at a place; other bytes than wanted are refused, unless that is asked for.
fn in_the_way(
    workspace: &Workspace,
    request: &RestoreRequest,
    place: &Path,
    bytes: &[u8],
) -> Result<Option<Digest>> {
    let there = match projection::look(place, workspace.digests()) {
        projection::Lies::Nothing => return Ok(None),
        projection::Lies::File(digest) => digest,
        projection::Lies::Blocked(reason) => {
            return Err(Error::request(format!("cannot write `{}`: {reason}", printed_word(place)))
                .hint("nothing was written"));
        }
    };
    if there != Digest::of(bytes) && !request.force {
        return Err(Error::request(format!(
            "`{}` holds other bytes ({})",
            printed_word(place),
            there.short()
        ))
        .hint(
            "`--force` writes over them and keeps them; `--to PATH` writes elsewhere; nothing was written",
        ));
    }
    Ok(Some(there))
}
