//! Where the bytes of a version are to be had, and the way from there: part by part, so that their size does not matter.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Version, not_put_there, not_written};
use crate::content::{Access, NotCopied, copy_hashed, write_checked};
use crate::digests;
use crate::disk::{Disk, open_regular};
use crate::error::{Error, Result};
use crate::filings::find_segment;
use crate::model::{Digest, printed_word};
use crate::ops::Workspace;
use crate::ops::committed::Commits;
use crate::store::Snapshot;

/// The bytes of a version, which were read and found right.
pub(super) struct Found {
    pub digest: Digest,
    pub size_bytes: u64,
    /// The commit that has them, where they were found in one.
    pub commit: Option<String>,
    source: Source,
    /// Who may read them, where they were found.
    access: Access,
}

/// Where bytes were found.
enum Source {
    Kept,
    File(PathBuf),
    Here(Vec<u8>),
}

impl Found {
    /// Finds the bytes of a version: those that are kept, else those of a recorded file that still has them, else those of a commit
    /// that a run which read it recorded, or of `HEAD`. Each is read and held against the digest.
    pub(super) fn of(workspace: &Workspace, snapshot: &Snapshot, version: &Version) -> Result<Self> {
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
        let whole = Found::whole(workspace, snapshot, &digest)?;
        let whole = whole.ok_or_else(|| {
            let what = format!("the bytes of `{name}` ({}) are not to be had", digest.short());
            Error::request(what).hint(
                "they are not kept, and no recorded file has them any more, nor a commit that a run read them at",
            )
        })?;
        match version {
            Version::Segment(_, segment) => whole.part(workspace, segment, &name),
            Version::File(_) | Version::Content(_) => Ok(whole),
        }
    }

    fn whole(workspace: &Workspace, snapshot: &Snapshot, digest: &Digest) -> Result<Option<Self>> {
        let kept = workspace.contents().check(digest);
        if let Ok(Some(size_bytes)) = kept {
            let access = workspace.contents().access(digest);
            return Ok(Some(Found {
                digest: *digest,
                size_bytes,
                commit: None,
                source: Source::Kept,
                access,
            }));
        }
        let artifacts = snapshot.artifacts_with(digest)?;
        for number in &artifacts {
            let Some(place) = snapshot.artifact(*number)?.path.on_disk(workspace.root()) else {
                continue;
            };
            if let Ok(file) = open_regular(&place)
                && let Ok(found) = digests::read(&file)
                && found.digest == *digest
            {
                let (size_bytes, access) =
                    (found.stamp.size_bytes, Access::of_path(workspace.root(), &place));
                let source = Source::File(place);
                return Ok(Some(Found { digest: *digest, size_bytes, commit: None, source, access }));
            }
        }
        let mut commits = Commits::new(workspace, snapshot);
        for number in artifacts {
            if let Some(committed) = commits.find(number)? {
                return Ok(Some(Found {
                    digest: *digest,
                    size_bytes: committed.bytes.len() as u64,
                    commit: Some(committed.sha),
                    source: Source::Here(committed.bytes),
                    access: Access::of_git(committed.is_executed),
                }));
            }
        }
        kept.map(|_| None)
    }

    /// Takes one segment out of a document.
    fn part(self, workspace: &Workspace, segment: &str, name: &str) -> Result<Self> {
        let mut whole = Vec::new();
        self.write_to(workspace, &mut whole)?;
        let part = find_segment(&whole, segment)
            .map_err(|error| Error::request(format!("`{name}` holds no segments")).because(error))?;
        let part = part
            .ok_or_else(|| Error::request(format!("`{name}` has no segment `{}`", segment.escape_debug())))?;
        let bytes = format!("{}\n", part.text.trim_end()).into_bytes();
        Ok(Found {
            digest: Digest::of(&bytes),
            size_bytes: bytes.len() as u64,
            commit: self.commit,
            source: Source::Here(bytes),
            access: self.access.of_part(),
        })
    }

    /// Hands the bytes to `target`.
    ///
    /// # Errors
    /// A store error where they are not what they were when they were found: `target` was given wrong ones then; or where it does
    /// not take them.
    pub(super) fn write_to(&self, workspace: &Workspace, target: &mut dyn Write) -> Result<()> {
        let failed = |cause| Error::store("cannot hand on what was read").because(cause);
        match &self.source {
            Source::Here(bytes) => target.write_all(bytes).map_err(failed),
            Source::Kept => match workspace.contents().copy(&self.digest, target) {
                Ok(Some(_)) => Ok(()),
                Ok(None) => Err(self.went("the kept content")),
                Err(NotCopied::Kept(error)) => Err(error),
                Err(NotCopied::Target(cause)) => Err(failed(cause)),
            },
            Source::File(place) => {
                let copied = open_regular(place).and_then(|mut file| copy_hashed(&mut file, target));
                let (digest, _) = copied.map_err(failed)?;
                if digest == self.digest { Ok(()) } else { Err(self.went(&printed_word(place))) }
            }
        }
    }

    /// Writes the bytes to a file, which takes its name when it was found to hold them.
    ///
    /// # Errors
    /// A store error where it cannot be written; what lay there is as it was then.
    pub(super) fn write_at(&self, workspace: &Workspace, disk: &Disk, place: &Path) -> Result<()> {
        let access = self.access;
        let prepare = |file: &std::fs::File| access.apply(file);
        let folder = place.parent().unwrap_or(workspace.root());
        disk.create_folders(folder).map_err(|cause| not_written(place, cause))?;
        let failed = |cause| not_put_there(place, cause);
        match &self.source {
            Source::Here(bytes) => disk.write_whole_prepared(place, bytes, &prepare).map_err(failed),
            Source::Kept => match workspace.contents().by_way_of(disk).write(&self.digest, place, &prepare) {
                Ok(true) => Ok(()),
                Ok(false) => Err(self.went("the kept content")),
                Err(NotCopied::Kept(error)) => Err(error),
                Err(NotCopied::Target(cause)) => Err(failed(cause)),
            },
            Source::File(from) => {
                let written = open_regular(from)
                    .and_then(|mut file| write_checked(disk, place, &mut file, &self.digest, &prepare));
                if written.map_err(failed)? { Ok(()) } else { Err(self.went(&printed_word(from))) }
            }
        }
    }

    fn went(&self, from: &str) -> Error {
        Error::store(format!("`{from}` has not the bytes any more that it had ({})", self.digest.short()))
            .hint("somebody changed or removed it just now; try again")
    }
}
