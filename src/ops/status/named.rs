//! One file under two names: where a symbolic link lies, or lay when a run read through it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::Looking;
use super::files::{OnDisk, on_disk};
use crate::error::Result;
use crate::model::{Artifact, ArtifactPath};
use crate::ops::other_names::link_targets;
use crate::store::{GO_ON, PathNo};

impl Looking<'_> {
    /// Looks for what was read through a symbolic link by the name that the command used, where something else lies in place of
    /// the link now; and passes over older names of files that are known by where they really lie.
    pub(super) fn follow_names(&mut self) -> Result<()> {
        let mut looked: Vec<usize> = self.disk.keys().copied().collect();
        looked.sort_unstable();
        let mut real_folders: HashMap<PathBuf, Option<PathBuf>> = HashMap::new();
        for at in looked {
            let Some(place) = self.files[at].artifact.path.on_disk(self.workspace.root()) else { continue };
            let replaced = matches!(self.disk[&at], OnDisk::Other(_) | OnDisk::Unreadable(_));
            if replaced && place.exists() && !place.is_symlink() {
                self.look_in_place_of_link(at, &place)?;
            }
            let (Some(folder), Some(name)) = (place.parent(), place.file_name()) else { continue };
            let real = real_folders
                .entry(folder.to_owned())
                .or_insert_with(|| folder.canonicalize().ok().filter(|real| real != folder));
            if let Some(real) = real
                && let Ok(real) = ArtifactPath::within(self.workspace.root(), &real.join(name))
                && self.place_of(&real)?.is_some_and(|other| other != at)
            {
                self.known_otherwise.insert(at);
            }
        }
        Ok(())
    }

    /// Looks for what a link led to that something else lies in place of now. What lies in the workspace, where it lay, is known by
    /// that name.
    fn look_in_place_of_link(&mut self, at: usize, place: &Path) -> Result<()> {
        let file = &self.files[at];
        let is_link = self.snapshot.link_text(file.number)?.is_some();
        let (path, path_no) = (file.artifact.path.clone(), file.path_no);
        let mut is_led_on = false;
        for target in link_targets(self.snapshot, self.workspace.root(), path_no, place)? {
            for (read, below) in self.places_below(&target)? {
                let file = &self.files[read];
                let stays = file.artifact.path.is_inside() && self.disk[&read] != OnDisk::Gone;
                if read == at || stays {
                    continue;
                }
                let named = ArtifactPath::from_bytes([path.as_bytes(), &below[..]].concat())?;
                let other = self.place_of(&named)?;
                let artifact = Artifact { path: named, ..file.artifact.clone() };
                self.disk.insert(read, on_disk(self.workspace, &artifact));
                if other.is_some_and(|other| other != at) || (other.is_some() && !is_link) {
                    self.known_otherwise.insert(read);
                }
                self.files[read].artifact = artifact;
                is_led_on = true;
            }
        }
        if is_led_on && is_link {
            self.disk.insert(at, OnDisk::Same);
        }
        Ok(())
    }

    /// Lists what was looked at of a file and of all below it, each with the end of its name.
    fn places_below(&self, path: &ArtifactPath) -> Result<Vec<(usize, Vec<u8>)>> {
        let mut found: Vec<(PathNo, Vec<u8>)> = Vec::new();
        found.extend(self.snapshot.path_no(path)?.map(|number| (number, Vec::new())));
        self.snapshot.paths_from(&[path.as_bytes(), b"/"].concat(), |below, number| {
            found.push((number, below[path.as_bytes().len()..].to_vec()));
            Ok(GO_ON)
        })?;
        let places = found.into_iter().filter_map(|(number, end)| Some((*self.places.get(&number)?, end)));
        Ok(places.filter(|(at, _)| self.disk.contains_key(at)).collect())
    }

    fn place_of(&self, path: &ArtifactPath) -> Result<Option<usize>> {
        let number = self.snapshot.path_no(path)?;
        Ok(number.and_then(|number| self.places.get(&number).copied()))
    }
}
