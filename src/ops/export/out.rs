//! Putting an export where it is wanted: whole or not at all, and over what lies there only where that is asked for.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, temporary_name};
use crate::error::{Error, Result};
use crate::ops::export::not_written;

/// As many files of an older export are looked at before it is replaced.
const OLD_FILES_MAX: usize = 1_000_000;

/// A place to write an export to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Out<'a> {
    /// Where it is to lie.
    pub path: &'a Path,
    /// Whether it may take the place of an older export.
    pub force: bool,
    /// The way to the disk.
    pub disk: &'a Disk,
}

impl Out<'_> {
    /// Makes a file that has its name only when it is whole.
    ///
    /// # Errors
    /// A request error where something lies there that may not be replaced; those of `write`; a store error where the disk does not
    /// take it. What lies there is as it was then.
    pub fn file<T>(&self, write: impl FnOnce(File) -> Result<T>) -> Result<T> {
        if let Some(there) = self.there()?
            && !there.is_file()
            && !there.is_symlink()
        {
            return Err(self.refused("what lies there is no file"));
        }
        let part = temporary_name(self.path);
        let made = File::create_new(&part).map_err(not_written).and_then(|file| {
            let kept = file.try_clone().map_err(not_written)?;
            let value = write(file)?;
            kept.sync_all().and_then(|()| self.disk.rename(&part, self.path)).map_err(not_written)?;
            self.force_name()?;
            Ok(value)
        });
        if made.is_err() {
            // The first error is the one that matters.
            let _ = fs::remove_file(&part);
        }
        made
    }

    /// Makes a folder that has its name only when all is in it.
    ///
    /// # Errors
    /// As [`file`](Self::file); and a request error where the folder there holds what the new one does not: that may be somebody's.
    pub fn folder<T>(&self, write: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        let there = self.there()?;
        if there.as_ref().is_some_and(|there| !there.is_dir()) {
            return Err(self.refused("what lies there is no folder"));
        }
        let part = temporary_name(self.path);
        fs::create_dir(&part).map_err(not_written)?;
        let made = write(&part).and_then(|value| {
            self.force_names_in(&part)?;
            match there {
                Some(_) => self.exchange(&part)?,
                None => self.disk.rename(&part, self.path).map_err(not_written)?,
            }
            self.force_name()?;
            Ok(value)
        });
        // What failed, or the older export; what cannot be removed is in nobody's way but the disk's.
        let _ = fs::remove_dir_all(&part);
        made
    }

    /// Looks at what lies there; refuses it where it is to stay.
    fn there(&self) -> Result<Option<fs::Metadata>> {
        match self.path.symlink_metadata() {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(not_written(cause)),
            Ok(there) if self.force => Ok(Some(there)),
            Ok(_) => Err(Error::request(format!("`{}` is there already", self.shown()))
                .hint("name another place, or write over it with `--force`; nothing was written")),
        }
    }

    /// Puts the new folder in the place of the old one, which goes.
    fn exchange(&self, part: &Path) -> Result<()> {
        let (old, new) = (names_in(self.path)?, names_in(part)?);
        if let Some(strange) = old.difference(&new).next() {
            let strange = strange.display().to_string();
            let reason = format!("it holds `{}`, which this export does not write", strange.escape_debug());
            return Err(self.refused(&reason));
        }
        match self.disk.exchange(part, self.path) {
            Err(cause) if cause.kind() == io::ErrorKind::Unsupported => {}
            exchanged => return exchanged.map_err(not_written),
        }
        let aside = temporary_name(self.path);
        self.disk.rename(self.path, &aside).map_err(not_written)?;
        if let Err(cause) = self.disk.rename(part, self.path) {
            let back = self.disk.rename(&aside, self.path);
            return Err(match back {
                Ok(()) => not_written(cause),
                Err(_) => not_written(cause).hint(format!("the older export lies at `{}`", aside.display())),
            });
        }
        // What cannot be removed is in nobody's way but the disk's.
        let _ = fs::remove_dir_all(&aside);
        Ok(())
    }

    /// Forces the entries of a folder and of those in it to the disk, the deepest first.
    fn force_names_in(&self, part: &Path) -> Result<()> {
        let names = names_in(part)?;
        let folders = names.iter().rev().map(|name| part.join(name)).filter(|place| place.is_dir());
        folders
            .chain([part.to_owned()])
            .try_for_each(|folder| self.disk.sync_folder(&folder))
            .map_err(not_written)
    }

    fn force_name(&self) -> Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        self.disk.sync_folder(folder.unwrap_or(Path::new("."))).map_err(not_written)
    }

    fn refused(&self, reason: &str) -> Error {
        Error::request(format!("`{}` is not written over", self.shown()))
            .because(reason.to_owned())
            .hint("name another place; nothing was changed")
    }

    fn shown(&self) -> String {
        self.path.display().to_string().escape_debug().to_string()
    }
}

/// Returns the names of all that lies in a folder and the folders in it.
fn names_in(root: &Path) -> Result<BTreeSet<PathBuf>> {
    let (mut names, mut frontier) = (BTreeSet::new(), vec![PathBuf::new()]);
    while let Some(folder) = frontier.pop() {
        for entry in fs::read_dir(root.join(&folder)).map_err(not_written)? {
            let entry = entry.map_err(not_written)?;
            let name = folder.join(entry.file_name());
            if entry.file_type().map_err(not_written)?.is_dir() {
                frontier.push(name.clone());
            }
            names.insert(name);
            if names.len() > OLD_FILES_MAX {
                let shown = root.display().to_string();
                return Err(Error::request(format!("`{}` holds too many files", shown.escape_debug()))
                    .hint("name another place; nothing was changed"));
            }
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::disk::{Faults, Operation, TEMPORARY_PREFIX};

    #[test]
    fn only_an_older_export_is_replaced_and_what_fails_leaves_it() {
        let (folder, disk) = (tempfile::tempdir().unwrap(), Disk::new());
        let path = folder.path().join("tables");
        let out = |force| Out { path: &path, force, disk: &disk };
        let write = |names: &'static [&'static str]| {
            move |folder: &Path| {
                names.iter().try_for_each(|name| fs::write(folder.join(name), name)).map_err(not_written)
            }
        };
        out(false).folder(write(&["a.csv", "b.csv"])).unwrap();
        assert!(
            out(false).folder(write(&["a.csv", "b.csv"])).unwrap_err().message().contains("there already")
        );
        out(true).folder(write(&["a.csv", "b.csv", "c.csv"])).unwrap();
        fs::write(path.join("mine.txt"), "mine").unwrap();
        let refused = out(true).folder(write(&["a.csv", "b.csv", "c.csv"])).unwrap_err();
        assert!(refused.in_full().contains("`mine.txt`, which this export does not write"), "{refused}");
        assert!(out(true).file(|_| Ok(())).unwrap_err().in_full().contains("no file"));
        fs::remove_file(path.join("mine.txt")).unwrap();
        let failed = out(true).folder(|folder| {
            fs::write(folder.join("a.csv"), "half").unwrap();
            Err::<(), _>(not_written("the disk is full"))
        });
        assert_eq!(failed.unwrap_err().kind().exit_code(), 3);
        assert_eq!(fs::read(path.join("a.csv")).unwrap(), b"a.csv");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left over");
    }

    /// Writes down which names were forced to the disk and which were given, and knows no exchange where that is said.
    struct Seen {
        seen: Mutex<Vec<String>>,
        knows_exchange: bool,
    }

    impl Faults for Seen {
        fn before(&self, operation: Operation, path: &Path, from: Option<&Path>) -> io::Result<usize> {
            let name = |path: &Path| match path.file_name().unwrap().to_string_lossy() {
                hidden if hidden.starts_with(TEMPORARY_PREFIX) => "part".to_owned(),
                name if name.starts_with(".tmp") => "above".to_owned(),
                name => name.into_owned(),
            };
            let is_exchange =
                operation == Operation::Rename && from.is_some_and(Path::is_dir) && path.is_dir();
            if is_exchange && !self.knows_exchange {
                return Err(io::ErrorKind::Unsupported.into());
            }
            let from = from.map(|from| format!("{} ", name(from))).unwrap_or_default();
            self.seen.lock().unwrap().push(format!("{operation:?} {from}{}", name(path)));
            Ok(usize::MAX)
        }
    }

    #[test]
    fn a_folder_has_its_name_only_when_those_of_all_in_it_are_on_the_disk_and_no_moment_is_without_one() {
        for knows_exchange in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("n".repeat(240));
            let seen = Arc::new(Seen { seen: Mutex::default(), knows_exchange });
            let disk = Disk::with_faults(seen.clone());
            let write = |part: &Path| {
                fs::create_dir_all(part.join("data/raw")).unwrap();
                fs::write(part.join("data/raw/a"), "a").map_err(not_written)
            };
            Out { path: &path, force: false, disk: &disk }.folder(write).unwrap();
            let name = "n".repeat(240);
            let forced = ["SyncFolder raw", "SyncFolder data", "SyncFolder part"].map(str::to_owned);
            let named = [format!("Rename part {name}"), "SyncFolder above".to_owned()];
            let first = seen.seen.lock().unwrap().split_off(0);
            assert_eq!(first, [&forced[..], &named].concat());
            Out { path: &path, force: true, disk: &disk }.folder(write).unwrap();
            let again = seen.seen.lock().unwrap().split_off(0);
            let exchanged = if knows_exchange {
                vec![format!("Rename part {name}")]
            } else {
                vec![format!("Rename {name} part"), format!("Rename part {name}")]
            };
            assert_eq!(again, [&forced[..], &exchanged, &named[1..]].concat());
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left over");
        }
    }

    #[test]
    fn a_file_is_replaced_whole_or_not() {
        use std::io::Write as _;
        let (folder, disk) = (tempfile::tempdir().unwrap(), Disk::new());
        let path = folder.path().join("facts.jsonl");
        fs::write(&path, "old").unwrap();
        let out = Out { path: &path, force: true, disk: &disk };
        let failed = out.file(|mut file| {
            file.write_all(b"ne").unwrap();
            Err::<(), _>(not_written("the disk is full"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        out.file(|mut file| file.write_all(b"new").map_err(not_written)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
