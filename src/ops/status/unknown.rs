//! Files beside recorded outputs, and new ones beside inputs, that nobody recorded.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::Looking;
use super::asked::Asked;
use crate::capture::git::CommitTree;
use crate::capture::ignored::IgnoreRules;
use crate::error::Result;
use crate::model::ArtifactPath;
use crate::ops::WORKSPACE_FOLDER;
use crate::projection;
use crate::query::NewestFile;
use crate::store::{GO_ON, PathNo, Snapshot, StepNo};

/// A folder and an extension, of which at least so many files were read.
pub(super) type Sort<'a> = (&'a [u8], &'a [u8]);
pub(super) const SORT_FILES_MIN: usize = 2;

impl Looking<'_> {
    /// Finds files beside recorded outputs that nobody recorded and git does not track; and those that came to lie beside inputs, or in
    /// a folder beside theirs, since a step had read every file of their extension there: it would read them, too.
    pub(super) fn find_unknown(&mut self, asked: &Asked) -> Result<()> {
        let root = self.workspace.root();
        let git = match CommitTree::of_head(root) {
            Ok(git) => git,
            Err(error) => {
                self.report.notes.push(format!(
                    "which files git tracks is not known, so unknown files are not listed: {}",
                    error.in_full()
                ));
                return Ok(());
            }
        };
        let written =
            self.files.iter().filter(|file| file.writer.is_some() && file.artifact.path.is_inside());
        let outputs: BTreeSet<&[u8]> = written.map(|file| file.artifact.path.folder()).collect();
        let mut read_by = ReadBy::default();
        let read = self.read_as_a_whole(&mut read_by)?;
        let folders = outputs.iter().copied().chain(read.keys().map(|(folder, _)| *folder));
        let folders: BTreeSet<&[u8]> = folders.collect();
        let rules = IgnoreRules::of(root);
        let mut unrecorded = Unrecorded::new(rules);
        let mut unknown = BTreeSet::new();
        for folder in folders {
            let files = unrecorded.in_folder(self, folder)?;
            let beside = files
                .iter()
                .filter(|(_, place)| outputs.contains(folder) && !is_tracked(git.as_ref(), place));
            unknown.extend(beside.map(|(path, _)| path.clone()));
            let mut sorts: BTreeMap<Sort<'_>, Vec<&(ArtifactPath, PathBuf)>> = BTreeMap::new();
            for file in files {
                if let Some(sort) = sort_of(&file.0) {
                    sorts.entry(sort).or_default().push(file);
                }
            }
            unknown.extend(sorts.into_iter().flat_map(|(sort, files)| new_of(files, read.get(&sort))));
        }
        unknown.extend(self.in_new_folders(&mut unrecorded, &mut read_by)?);
        let new: BTreeSet<&ArtifactPath> = self.report.new.iter().map(|new| &new.path).collect();
        let renamed: HashSet<&ArtifactPath> = self.renamed.values().map(|name| &name.path).collect();
        unknown.retain(|path| asked.has(path.as_bytes()) && !new.contains(path) && !renamed.contains(path));
        self.report.unknown = unknown.into_iter().collect();
        Ok(())
    }

    /// Lists the files of a folder of which nothing is recorded, and that are not left out.
    fn unrecorded(&self, folder: &[u8], rules: &IgnoreRules) -> Result<Vec<(ArtifactPath, PathBuf)>> {
        let root = self.workspace.root();
        let mut files = Vec::new();
        let place = match folder {
            b"" => Some(root.to_owned()),
            folder => ArtifactPath::from_bytes(folder.to_vec())?.on_disk(root),
        };
        // A folder that is gone has no files; what was in it is listed as such.
        let Some(Ok(entries)) = place.map(std::fs::read_dir) else {
            return Ok(files);
        };
        for entry in entries.flatten() {
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            // Through a link to a folder other files are reached; it is none itself, and no more are pipes and sockets.
            let is_no_file =
                |sort: std::fs::FileType| !sort.is_file() && (!sort.is_symlink() || entry.path().is_dir());
            if hidden || entry.file_type().map_or(true, is_no_file) {
                continue;
            }
            let Ok(path) = ArtifactPath::within(root, &entry.path()) else {
                continue;
            };
            // Of what a run took away it may be all that is recorded that it did.
            let path_no = self.snapshot.path_no(&path)?;
            let is_only_removed = |path_no| {
                let first = |_, _, _| Ok(ControlFlow::Break(()));
                let removed = self.snapshot.removals_until(path_no, i64::MAX, first)?;
                Ok(removed.is_break() && !self.places.contains_key(&path_no))
            };
            let passed = path_no.map_or(Ok(false), |path_no| is_only_removed(path_no).map(|only| !only))?
                || rules.ignores(&entry.path(), false)
                || projection::projected_from(self.snapshot, &path)?.is_some();
            if !passed {
                files.push((path, entry.path()));
            }
        }
        Ok(files)
    }

    /// Finds the sorts of files of which one step was the last to read what is recorded of them, all of it, and until when it did.
    fn read_as_a_whole(&self, read_by: &mut ReadBy) -> Result<BTreeMap<Sort<'_>, i64>> {
        let mut sorts: BTreeMap<Sort<'_>, Vec<&NewestFile>> = BTreeMap::new();
        for file in self.files.iter().filter(|file| file.writer.is_none() && file.artifact.path.is_inside()) {
            if let Some(sort) = sort_of(&file.artifact.path) {
                sorts.entry(sort).or_default().push(file);
            }
        }
        let mut whole = BTreeMap::new();
        for (sort, files) in sorts.into_iter().filter(|(_, files)| files.len() >= SORT_FILES_MIN) {
            if let Some(until) = read_by.all_of(self.snapshot, &files)? {
                whole.insert(sort, until);
            }
        }
        Ok(whole)
    }
}

/// Files of folders of which nothing is recorded, each folder looked at once.
pub(super) struct Unrecorded {
    pub(super) rules: IgnoreRules,
    known: HashMap<Vec<u8>, Vec<(ArtifactPath, PathBuf)>>,
}

impl Unrecorded {
    fn new(rules: IgnoreRules) -> Self {
        Unrecorded { rules, known: HashMap::new() }
    }

    /// Lists the files of a folder.
    pub(super) fn in_folder(
        &mut self,
        looking: &Looking<'_>,
        folder: &[u8],
    ) -> Result<&[(ArtifactPath, PathBuf)]> {
        match self.known.entry(folder.to_vec()) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(looking.unrecorded(folder, &self.rules)?)),
        }
    }
}

/// What steps read as data, each asked once: the paths, each with the time.
#[derive(Default)]
pub(super) struct ReadBy(HashMap<StepNo, HashMap<PathNo, i64>>);

impl ReadBy {
    /// Returns until when one step read all of some files, where it was the last to read the first of them.
    pub(super) fn all_of(&mut self, snapshot: &Snapshot, files: &[&NewestFile]) -> Result<Option<i64>> {
        let mut last = None;
        let _all = snapshot.reads_between(files[0].last(), i64::MIN, i64::MAX, |_, step| {
            last = Some(step);
            Ok(GO_ON)
        })?;
        let Some(step) = last else { return Ok(None) };
        let read = match self.0.entry(step) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let used = snapshot.edges(step)?.map(|edges| edges.used).unwrap_or_default();
                let data = used.iter().filter(|edge| edge.role.is_data());
                place.insert(data.map(|edge| (snapshot.path_of(edge.artifact), edge.at)).collect())
            }
        };
        let times: Option<Vec<i64>> = files.iter().map(|file| read.get(&file.path_no).copied()).collect();
        Ok(times.and_then(|times| times.into_iter().max()))
    }
}

/// Returns the folder and the extension of a file; `None` where it has none.
pub(super) fn sort_of(path: &ArtifactPath) -> Option<Sort<'_>> {
    let name = path.file_name();
    let dot = name.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > 0)?;
    Some((path.folder(), &name[dot..]))
}

/// Returns those of a sort that came after what was read of it; none where some lay there before, which the step had passed over.
fn new_of(files: Vec<&(ArtifactPath, PathBuf)>, read_until: Option<&i64>) -> Vec<ArtifactPath> {
    match read_until {
        Some(until) if files.iter().all(|(_, place)| is_new(place, *until)) => {
            files.into_iter().map(|(path, _)| path.clone()).collect()
        }
        _ => Vec::new(),
    }
}

/// Tells whether a file came, or was changed, after some time, as far as that can be found out.
pub(super) fn is_new(place: &Path, since: i64) -> bool {
    place.symlink_metadata().is_ok_and(|found| {
        found.ctime().saturating_mul(1_000_000).saturating_add(found.ctime_nsec() / 1000) > since
    })
}

fn is_tracked(git: Option<&CommitTree>, place: &Path) -> bool {
    let inside = git.and_then(|git| Some((git, place.strip_prefix(git.work_tree()?).ok()?)));
    inside.is_some_and(|(git, path)| {
        // A tree that cannot be read proves nothing; saying too little is the smaller harm here.
        path.starts_with(WORKSPACE_FOLDER)
            || git.contains(path.as_os_str().as_encoded_bytes()).unwrap_or(true)
    })
}
