//! New folders beside those of which a step had read every file: a month, a class, a speaker.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::PathBuf;

use super::Looking;
use super::unknown::{ReadBy, Unrecorded, is_new, sort_of};
use crate::capture::ignored::IgnoreRules;
use crate::error::Result;
use crate::model::ArtifactPath;
use crate::query::NewestFile;

/// In so many folders beside one another files were read at the least.
const FOLDERS_MIN: usize = 2;
/// And in so many where each has but one: two such files may have been named one by one, to train on and to test on.
const FOLDERS_OF_ONE_MIN: usize = 3;

/// The files of one extension in the folders of a folder.
#[derive(Default)]
struct Partitions<'a> {
    /// The folders, by their names.
    names: BTreeSet<&'a [u8]>,
    files: Vec<&'a NewestFile>,
    /// How many folders deep the files lie in them.
    depths: BTreeSet<usize>,
}

impl Looking<'_> {
    /// Finds the files in folders that came to lie beside others since a step had read every file of their extension in all of
    /// those: it would read them, too. None where it had passed over some.
    pub(super) fn in_new_folders(
        &self,
        unrecorded: &mut Unrecorded,
        read_by: &mut ReadBy,
    ) -> Result<Vec<ArtifactPath>> {
        let mut all: BTreeMap<(&[u8], &[u8]), Partitions<'_>> = BTreeMap::new();
        for file in self.files.iter().filter(|file| file.writer.is_none() && file.artifact.path.is_inside()) {
            let Some((folder, extension)) = sort_of(&file.artifact.path) else { continue };
            // The workspace itself is a place for all sorts of folders.
            let slashes = folder.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
            for slash in slashes {
                let below = &folder[slash + 1..];
                let mut names = below.split(|byte| *byte == b'/');
                let partitions = all.entry((&folder[..slash], extension)).or_default();
                partitions.names.extend(names.next());
                partitions.depths.insert(names.count());
                partitions.files.push(file);
            }
        }
        let mut found = Vec::new();
        for ((parent, extension), partitions) in all {
            let has_several = partitions.files.len() > partitions.names.len();
            if partitions.names.len() < if has_several { FOLDERS_MIN } else { FOLDERS_OF_ONE_MIN } {
                continue;
            }
            if let Some(until) = read_by.all_of(self.snapshot, &partitions.files)? {
                found.extend(self.new_beside(parent, extension, &partitions, until, unrecorded)?);
            }
        }
        Ok(found)
    }

    /// Returns the files of new folders in `parent`.
    fn new_beside(
        &self,
        parent: &[u8],
        extension: &[u8],
        partitions: &Partitions<'_>,
        until: i64,
        unrecorded: &mut Unrecorded,
    ) -> Result<Vec<ArtifactPath>> {
        let is_wanted = |path: &ArtifactPath| sort_of(path).is_some_and(|(_, of)| of == extension);
        let read: BTreeSet<&[u8]> = partitions.files.iter().map(|file| file.artifact.path.folder()).collect();
        for folder in read {
            let mut passed = unrecorded.in_folder(self, folder)?.iter();
            if passed.any(|(path, place)| is_wanted(path) && !is_new(place, until)) {
                return Ok(Vec::new());
            }
        }
        let mut found = Vec::new();
        for folder in self.folders_in(parent, &unrecorded.rules)? {
            let name = folder.file_name();
            let below = [folder.as_bytes(), b"/"].concat();
            if partitions.names.contains(name)
                || self.snapshot.paths_from(&below, |_, _| Ok(ControlFlow::Break(())))?.is_break()
            {
                continue;
            }
            let mut frontier = vec![(folder, 0)];
            while let Some((folder, depth)) = frontier.pop() {
                if partitions.depths.contains(&depth) {
                    for (path, place) in unrecorded.in_folder(self, folder.as_bytes())? {
                        if !is_wanted(path) {
                            continue;
                        }
                        if !is_new(place, until) {
                            return Ok(Vec::new());
                        }
                        found.push(path.clone());
                    }
                }
                if partitions.depths.last().is_some_and(|deepest| depth < *deepest) {
                    let folders = self.folders_in(folder.as_bytes(), &unrecorded.rules)?;
                    frontier.extend(folders.into_iter().map(|folder| (folder, depth + 1)));
                }
            }
        }
        Ok(found)
    }

    /// Lists the folders in a folder, but for hidden ones, links, and what is left out.
    fn folders_in(&self, folder: &[u8], rules: &IgnoreRules) -> Result<Vec<ArtifactPath>> {
        let root = self.workspace.root();
        let place: Option<PathBuf> = ArtifactPath::from_bytes(folder.to_vec())?.on_disk(root);
        // A folder that is gone has none; what was in it is listed as such.
        let Some(Ok(entries)) = place.map(std::fs::read_dir) else { return Ok(Vec::new()) };
        let folders = entries.flatten().filter(|entry| {
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            !hidden
                && entry.file_type().is_ok_and(|sort| sort.is_dir())
                && !rules.ignores(&entry.path(), true)
        });
        Ok(folders.filter_map(|entry| ArtifactPath::within(root, &entry.path()).ok()).collect())
    }
}
