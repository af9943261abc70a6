//! Files that somebody gave another name by hand: they are known by their bytes.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::Looking;
use super::files::{OnDisk, on_disk};
use crate::capture::ignored::IgnoreRules;
use crate::error::Result;
use crate::model::{Artifact, ArtifactPath, Digest, RunKind};
use crate::ops::WORKSPACE_FOLDER;
use crate::query::{NewestFile, is_telling};
use crate::store::{ArtifactNo, Snapshot};

/// As many names of files and folders are looked at for what has another name now, those of upper folders first.
const NAMES_MAX: usize = 100_000;
/// As many files that have the size of one that is gone are read.
const FILES_MAX: usize = 10_000;
/// As many of equal files are looked at for the new name of one.
const TRIES_MAX: usize = 16;
/// Folders that tools fill, besides those whose name begins with a dot: nobody moves files there.
const OF_TOOLS: [&str; 2] = ["node_modules", "__pycache__"];

/// The name that a file has now.
#[derive(Clone)]
pub(super) struct NewName {
    pub(super) path: ArtifactPath,
    /// What lies there.
    pub(super) now: Digest,
    /// Whether its bytes are so many that it is known by them.
    is_telling: bool,
}

impl NewName {
    /// Makes the name of a file that is known by its bytes.
    pub(super) fn telling(path: ArtifactPath, now: Digest) -> Self {
        NewName { path, now, is_telling: true }
    }
}

/// The version that lay last at a path.
struct Last {
    number: ArtifactNo,
    artifact: Artifact,
    /// When a step last wrote there.
    written: Option<i64>,
    /// When it was last written there, or else first read: what lay elsewhere before is another file.
    first: i64,
}

/// What of the same bytes was read at other paths, and no recorded step wrote there.
struct ReadElsewhere {
    /// The path at which they were first read last, of those where they lie still, and when.
    same: Option<(ArtifactPath, i64)>,
    /// Likewise, of the others.
    last: Option<(ArtifactNo, ArtifactPath, i64)>,
}

/// What is recorded of the new name of a file that is gone.
enum Recorded {
    New(NewName),
    /// It has another one since: that of a file which is gone as well, and was first read then.
    Follows(usize, i64),
    Nothing,
}

/// A file on disk with the size of one that is gone, and the latest time at which it may have been given its name, or a folder above it.
struct Lying {
    path: ArtifactPath,
    place: PathBuf,
    since: i64,
}

/// Files on disk that are equal, of which each is the new name of one at most.
#[derive(Default)]
struct Equal<'a> {
    /// In the order in which they came to lie there.
    files: Vec<&'a Lying>,
    /// The places of those that are nobody's new name yet.
    free: BTreeSet<usize>,
}

impl<'a> Equal<'a> {
    fn begin(&mut self) {
        self.files.sort_by_key(|file| (file.since, &file.path));
        self.free = (0..self.files.len()).collect();
    }

    /// Takes the first that `is_it` holds for, of those that may have come to lie there after a time was over; `is_over` tells so of a
    /// time, and of all later ones.
    fn take(
        &mut self,
        is_over: &dyn Fn(i64) -> Result<bool>,
        is_it: &dyn Fn(&Lying) -> Result<bool>,
    ) -> Result<Option<&'a Lying>> {
        let (mut first, mut end) = (0, self.files.len());
        while first < end {
            let middle = first.midpoint(end);
            if is_over(self.files[middle].since)? {
                end = middle;
            } else {
                first = middle + 1;
            }
        }
        for at in self.free.range(first..).take(TRIES_MAX).copied().collect::<Vec<_>>() {
            if is_it(self.files[at])? {
                self.free.remove(&at);
                return Ok(Some(self.files[at]));
            }
        }
        Ok(None)
    }
}

impl Looking<'_> {
    /// Finds where files lie that are gone: at a path where their bytes came to lie after they were written, or read for the last time, at
    /// their own; what lay there before, as a copy does, is another file. All empty files are
    /// equal; that makes none of them another's new name. What a pipeline wrote has its place, and is written there again.
    ///
    /// Where something is gone of which no new name is recorded, the names of files in the workspace are looked through.
    pub(super) fn find_renamed(&mut self) -> Result<()> {
        let mut gone: Vec<usize> =
            self.disk.iter().filter(|(_, disk)| **disk == OnDisk::Gone).map(|(at, _)| *at).collect();
        gone.sort_unstable();
        let mut read: HashMap<Digest, ReadElsewhere> = HashMap::new();
        let (mut follow, mut wanted) = (Vec::new(), Vec::new());
        for at in gone {
            let file = self.files[at].clone();
            let has_bytes = file.artifact.has_content() && file.artifact.size_bytes > 0;
            let is_of_another = file.superseded || self.is_of_pipeline(&file)?;
            if is_of_another || !has_bytes || self.removal(at)?.is_some() {
                continue;
            }
            let last = Last::of(self.snapshot, &file)?;
            match self.recorded_name(&last, &mut read)? {
                Recorded::New(name) => {
                    self.renamed.insert(at, name);
                }
                Recorded::Follows(other, since) => follow.push((since, at, other)),
                Recorded::Nothing => {
                    if is_telling(last.artifact.size_bytes)
                        && last.artifact.path.is_inside()
                        && !self.is_of_elsewhere(&file)?
                    {
                        wanted.push((at, last));
                    }
                }
            }
        }
        if !wanted.is_empty() {
            self.find_unrecorded_names(&wanted)?;
        }
        // Each follows one that was read later, which may follow another one itself.
        follow.sort_unstable_by_key(|(since, _, _)| Reverse(*since));
        for (_, at, other) in follow {
            if let Some(name) = self.renamed.get(&other).cloned() {
                self.renamed.insert(at, name);
            }
        }
        Ok(())
    }

    /// Returns the name that a file has now which is gone from its path, where its bytes prove that it is the same.
    pub(super) fn new_name(&self, at: usize) -> Option<&NewName> {
        self.renamed.get(&at).filter(|name| name.is_telling)
    }

    /// Returns true where the bytes of a file that is gone from its path lie at another one, and are known by that.
    pub(super) fn is_moved(&self, at: usize) -> bool {
        self.new_name(at).is_some_and(|name| name.now == self.files[at].artifact.digest)
    }

    fn is_of_pipeline(&mut self, file: &NewestFile) -> Result<bool> {
        let writer = file.writer.map_or(Ok(None), |write| self.writer(write))?;
        Ok(writer.is_some_and(|writer| writer.kind == RunKind::Pipeline))
    }

    fn recorded_name(&self, file: &Last, read: &mut HashMap<Digest, ReadElsewhere>) -> Result<Recorded> {
        let digest = file.artifact.digest;
        let elsewhere = match read.entry(digest) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(self.read_elsewhere(&digest)?),
        };
        let is_telling = is_telling(file.artifact.size_bytes);
        // Of a source it is enough that nobody misses it; what a run wrote can be made again.
        if let Some((path, since)) = elsewhere.same.as_ref().filter(|_| is_telling || file.written.is_none())
        {
            let root = self.workspace.root();
            let places = file.artifact.path.on_disk(root).zip(path.on_disk(root));
            let lies_since = places.and_then(|(old, new)| lies_since(&old, &new));
            let since = lies_since.map_or(*since, |lies_since| lies_since.min(*since));
            return Ok(match file.is_over(self.snapshot, since)? {
                true => Recorded::New(NewName { path: path.clone(), now: digest, is_telling }),
                false => Recorded::Nothing,
            });
        }
        let Some((number, path, since)) = elsewhere.last.as_ref().filter(|_| is_telling) else {
            return Ok(Recorded::Nothing);
        };
        if *number == file.number || !file.is_over(self.snapshot, *since)? {
            return Ok(Recorded::Nothing);
        }
        let other = self.places.get(&self.snapshot.path_of(*number)).copied();
        Ok(match on_disk(self.workspace, &self.snapshot.artifact(*number)?) {
            OnDisk::Other(now) => Recorded::New(NewName { path: path.clone(), now, is_telling }),
            OnDisk::Gone => match other.filter(|other| self.disk.contains_key(other)) {
                Some(other) => Recorded::Follows(other, *since),
                None => Recorded::Nothing,
            },
            _ => Recorded::Nothing,
        })
    }

    fn read_elsewhere(&self, digest: &Digest) -> Result<ReadElsewhere> {
        let mut found = ReadElsewhere { same: None, last: None };
        for number in self.snapshot.artifacts_with(digest)? {
            let Some(since) = first_read(self.snapshot, number)? else { continue };
            let artifact = self.snapshot.artifact(number)?;
            if on_disk(self.workspace, &artifact) == OnDisk::Same {
                if found.same.as_ref().is_none_or(|(_, known)| *known < since) {
                    found.same = Some((artifact.path, since));
                }
            } else if found.last.as_ref().is_none_or(|(_, _, known)| *known < since) {
                found.last = Some((number, artifact.path, since));
            }
        }
        Ok(found)
    }

    /// Finds the files on disk that have the bytes of such as are gone, and that came to lie there since: each is the new name of one,
    /// first of one that was called so in another folder.
    fn find_unrecorded_names(&mut self, wanted: &[(usize, Last)]) -> Result<()> {
        let mut sizes: HashMap<u64, i64> = HashMap::new();
        for (_, Last { artifact, first, .. }) in wanted {
            let known = sizes.entry(artifact.size_bytes).or_insert(*first);
            *known = *first.min(known);
        }
        let lying = self.files_of_sizes(&sizes);
        let digests = lying.par_iter().map(|file| self.workspace.digests().of(&file.place).ok());
        let digests: Vec<Option<Digest>> = digests.collect();
        let mut free = Vec::new();
        for (file, digest) in lying.iter().zip(digests) {
            if let Some(digest) = digest
                && !self.is_recorded_there(&file.path, &digest)?
            {
                free.push((digest, file));
            }
        }
        for is_by_name in [true, false] {
            let key = |digest, path: &ArtifactPath| (digest, is_by_name.then(|| path.file_name().to_vec()));
            let mut groups: HashMap<_, Equal> = HashMap::new();
            for (digest, file) in &free {
                groups.entry(key(*digest, &file.path)).or_default().files.push(file);
            }
            groups.values_mut().for_each(Equal::begin);
            let mut taken: HashSet<&ArtifactPath> = HashSet::new();
            for (at, last) in wanted {
                let artifact = &last.artifact;
                let Some(old) = artifact.path.on_disk(self.workspace.root()) else { continue };
                let is_it = |file: &Lying| match lies_since(&old, &file.place) {
                    Some(since) => last.is_over(self.snapshot, since),
                    None => Ok(false),
                };
                if !self.renamed.contains_key(at)
                    && let Some(group) = groups.get_mut(&key(artifact.digest, &artifact.path))
                    && let Some(file) = group.take(&|since| last.is_over(self.snapshot, since), &is_it)?
                {
                    taken.insert(&file.path);
                    self.renamed.insert(*at, NewName::telling(file.path.clone(), artifact.digest));
                }
            }
            free.retain(|(_, file)| !taken.contains(&file.path));
        }
        Ok(())
    }

    /// Lists the files of the workspace that have one of some sizes, and that may have come to lie there, or were changed, since the time
    /// that belongs to it.
    fn files_of_sizes(&mut self, sizes: &HashMap<u64, i64>) -> Vec<Lying> {
        let root = self.workspace.root();
        let rules = IgnoreRules::of(root);
        // Of each, the last time at which it, or one above it, may have been given its name.
        let mut folders = VecDeque::from([(root.to_owned(), i64::MIN)]);
        let (mut found, mut left, mut is_cut) = (Vec::new(), NAMES_MAX, false);
        while let Some((folder, named)) = folders.pop_front() {
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            for entry in entries.flatten() {
                if left == 0 || found.len() >= FILES_MAX {
                    is_cut = true;
                    break;
                }
                left -= 1;
                let (Ok(kind), name, place) = (entry.file_type(), entry.file_name(), entry.path()) else {
                    continue;
                };
                if name.as_encoded_bytes().starts_with(b".") || OF_TOOLS.iter().any(|tool| name == *tool) {
                    continue;
                }
                if kind.is_dir() && !place.join(WORKSPACE_FOLDER).exists() {
                    let named = entry.metadata().map_or(named, |found| changed(&found).max(named));
                    folders.push_back((place, named));
                } else if kind.is_file()
                    && let Ok(metadata) = entry.metadata()
                    && let since = changed(&metadata).max(named)
                    && sizes.get(&metadata.size()).is_some_and(|first| since > *first)
                    && !rules.ignores(&place, false)
                    && let Ok(path) = ArtifactPath::within(root, &place)
                {
                    found.push(Lying { path, place, since });
                }
            }
        }
        if is_cut {
            let words =
                "not all of the workspace was looked through for what is gone and may have another name";
            self.report.notes.push(words.to_owned());
        }
        found.sort_by(|one, other| one.path.cmp(&other.path));
        found
    }

    /// Returns true where these bytes are recorded to have lain at a path: they did not come to lie there from elsewhere just now.
    fn is_recorded_there(&self, path: &ArtifactPath, digest: &Digest) -> Result<bool> {
        let Some(path) = self.snapshot.path_no(path)? else { return Ok(false) };
        Ok(self.snapshot.artifact_no(path, digest)?.is_some())
    }
}

/// Returns since when at the latest a file that was called `old` may be called `new`: since something last changed of it, or of a folder
/// with which it was given that name.
fn lies_since(old: &Path, new: &Path) -> Option<i64> {
    let mut since = changed(&new.symlink_metadata().ok()?);
    let (mut old, mut new) = (old, new);
    while old.file_name() == new.file_name()
        && let (Some(old_folder), Some(new_folder)) = (old.parent(), new.parent())
        && old_folder.symlink_metadata().is_err()
    {
        since = since.max(changed(&new_folder.symlink_metadata().ok()?));
        (old, new) = (old_folder, new_folder);
    }
    Some(since)
}

/// Returns when something last changed of a file or a folder, its name too.
fn changed(found: &Metadata) -> i64 {
    found.ctime().saturating_mul(1_000_000).saturating_add(found.ctime_nsec() / 1000)
}

impl Last {
    fn of(snapshot: &Snapshot, file: &NewestFile) -> Result<Self> {
        let number = file.last();
        let written = file.writer.map(|write| write.at);
        Ok(Last {
            number,
            artifact: snapshot.artifact(number)?,
            written,
            first: written.or(first_read(snapshot, number)?).unwrap_or(i64::MAX),
        })
    }

    /// Returns true where nobody wrote there, or read it, since some time.
    fn is_over(&self, snapshot: &Snapshot, since: i64) -> Result<bool> {
        let is_read = snapshot.first_read_since(self.number, since)?.is_some();
        Ok(!is_read && self.written.is_none_or(|written| written < since))
    }
}

/// Returns when a version was first read; `None` where a recorded step wrote it.
fn first_read(snapshot: &Snapshot, version: ArtifactNo) -> Result<Option<i64>> {
    if snapshot.is_written(version)? {
        return Ok(None);
    }
    Ok(snapshot.first_read(version)?.map(|(at, _)| at))
}
