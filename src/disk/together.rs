//! Many files forced to the disk together, so that the disk is waited for once and not once for each.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::{Disk, Operation, give_new_file, temporary_name};

#[cfg(target_os = "linux")]
mod whole;
#[cfg(not(target_os = "linux"))]
#[path = "together/no_whole.rs"]
mod whole;

/// Files that are written under temporary names by whoever has them, forced to the disk together, and then given their names.
///
/// Where it is sure and cheap, a whole file system is forced to the disk by one call; else the files are, one by one, several at
/// a time.
#[derive(Debug)]
pub struct Together {
    disk: Disk,
    folders: Mutex<Folders>,
    /// One for each file system, opened before the first file on it is written.
    witnesses: RwLock<BTreeMap<u64, Arc<Mutex<whole::Witness>>>>,
}

#[derive(Debug, Default)]
struct Folders {
    /// Those that are there.
    known: HashSet<PathBuf>,
    /// Those whose new entries are not on the disk yet.
    owing: BTreeSet<PathBuf>,
    /// Those whose entries could not be forced to the disk, and why.
    failed: BTreeMap<PathBuf, (io::ErrorKind, String)>,
}

/// A file that is written and has not got its name yet; when dropped, it is removed.
#[derive(Debug)]
pub struct Staged {
    temporary: Temporary,
    path: PathBuf,
    /// Further names that it gets.
    also: Vec<PathBuf>,
    device: u64,
    /// What became of forcing it to the disk; `None` where that was not tried yet.
    synced: Option<io::Result<()>>,
}

impl Staged {
    /// Returns the places the file is meant for, the first one first.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(&self.path).chain(&self.also).map(PathBuf::as_path)
    }
}

#[derive(Debug)]
struct Temporary {
    disk: Disk,
    /// `None` when the file has its name.
    path: Option<PathBuf>,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // Nobody takes a leftover temporary file for anything else.
            let _ = self.disk.remove(path);
        }
    }
}

/// So many files are forced to the disk at the same time where they are forced one by one.
const SYNCS_AT_ONCE: usize = 8;
/// Fewer files are forced one by one.
const WHOLE_MIN: usize = 3;

impl Together {
    /// Begins with no files.
    pub fn new(disk: &Disk) -> Self {
        Together { disk: disk.clone(), folders: Mutex::default(), witnesses: RwLock::default() }
    }

    /// Writes a temporary file beside `path`, without forcing it to the disk; makes the folder where it is missing.
    ///
    /// # Errors
    /// As the system gives them; nothing is left of the file then.
    pub fn stage(&self, path: &Path, bytes: &[u8]) -> io::Result<Staged> {
        self.stage_prepared(path, bytes, &|file| {
            give_new_file(file, path);
            Ok(())
        })
    }

    /// Does what [`Together::stage`] does with a file that `prepare` has seen while it was empty, and gives to whom it belongs.
    ///
    /// # Errors
    /// As the system gives them, and those of `prepare`; nothing is left of the file then.
    pub fn stage_prepared(
        &self,
        path: &Path,
        bytes: &[u8],
        prepare: &dyn Fn(&File) -> io::Result<()>,
    ) -> io::Result<Staged> {
        let folder = folder_of(path);
        self.make_folder(folder)?;
        let name = temporary_name(path);
        let disk = self.disk.ungiving();
        let created = disk.create_new(&name).or_else(|cause| {
            // Somebody has removed a folder that was there.
            let again = cause.kind() == io::ErrorKind::NotFound && self.forget(folder);
            if again { self.make_folder(folder).and_then(|()| disk.create_new(&name)) } else { Err(cause) }
        });
        let mut file = created?;
        let temporary = Temporary { disk: self.disk.clone(), path: Some(name) };
        let device = file.file().metadata()?.dev();
        self.watch(device, folder)?;
        prepare(file.file())?;
        file.append(bytes)?;
        Ok(Staged { temporary, path: path.to_owned(), also: Vec::new(), device, synced: None })
    }

    /// Lets a file get a further name when it gets its own; makes the folder where it is missing.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn name_also(&self, staged: &mut Staged, path: &Path) -> io::Result<()> {
        self.make_folder(folder_of(path))?;
        staged.also.push(path.to_owned());
        Ok(())
    }

    /// Forces files to the disk; [`Together::publish`] says what became of it.
    pub fn sync(&self, staged: Vec<&mut Staged>) {
        let named: Vec<(&Path, u64)> =
            staged.iter().filter_map(|file| Some((file.temporary.path.as_deref()?, file.device))).collect();
        let forced = self.force(Operation::Sync, &named);
        for (file, forced) in staged.into_iter().zip(forced) {
            file.synced = Some(forced);
        }
    }

    /// Gives a file that was forced to the disk its name, in place of an older file if there is one, and before that its further
    /// names. The folders are still to be forced to the disk.
    ///
    /// # Errors
    /// As the system gives them, now and when the file was forced to the disk; the old file, if there was one, is intact then.
    pub fn publish(&self, staged: Staged) -> io::Result<()> {
        let Staged { mut temporary, path, also, synced, .. } = staged;
        synced.unwrap_or_else(|| Err(io::Error::other("it was not forced to the disk")))?;
        if let Some(name) = &temporary.path {
            for other in &also {
                self.link(name, other)?;
                self.folders().owing.insert(folder_of(other).to_owned());
            }
            self.disk.rename(name, &path)?;
            temporary.path = None;
            self.folders().owing.insert(folder_of(&path).to_owned());
        }
        Ok(())
    }

    /// Forces the entries of all folders that have new ones to the disk; returns the folders for which that has ever failed,
    /// each with the reason: what a later attempt says of them is worth nothing.
    pub fn sync_folders(&self) -> Vec<(PathBuf, io::Error)> {
        let owing = std::mem::take(&mut self.folders().owing);
        // The deepest first. A folder that cannot be asked is on no device known here, and is forced by itself.
        let device = |folder: &Path| folder.metadata().map_or(0, |metadata| metadata.dev());
        let named: Vec<(&Path, u64)> =
            owing.iter().rev().map(|folder| (folder.as_path(), device(folder))).collect();
        let forced = self.force(Operation::SyncFolder, &named);
        let mut folders = self.folders();
        for ((folder, _), forced) in named.iter().zip(forced) {
            if let Err(cause) = forced {
                folders.failed.insert((*folder).to_owned(), (cause.kind(), cause.to_string()));
            }
        }
        let failed = folders.failed.iter();
        failed.map(|(folder, (kind, text))| (folder.clone(), io::Error::new(*kind, text.as_str()))).collect()
    }

    /// Gives a file that was forced to the disk a further name, in place of an older file if there is one. Where the file system
    /// has no further names, the file is copied.
    fn link(&self, file: &Path, name: &Path) -> io::Result<()> {
        let linked = self.disk.link(file, name).or_else(|cause| match cause.kind() {
            // Somebody has removed a folder that was there.
            io::ErrorKind::NotFound if self.forget(folder_of(name)) => {
                self.make_folder(folder_of(name))?;
                self.disk.link(file, name)
            }
            io::ErrorKind::AlreadyExists => {
                let temporary = Temporary { disk: self.disk.clone(), path: Some(temporary_name(name)) };
                self.move_link(file, name, temporary)
            }
            _ => Err(cause),
        });
        match linked {
            Err(cause) if cannot_link(&cause) => self.copy(file, name),
            linked => linked,
        }
    }

    fn move_link(&self, file: &Path, name: &Path, mut temporary: Temporary) -> io::Result<()> {
        if let Some(link) = &temporary.path {
            self.disk.link(file, link)?;
            self.disk.rename(link, name)?;
            temporary.path = None;
        }
        Ok(())
    }

    /// Copies a file that was forced to the disk, and forces the copy to the disk.
    fn copy(&self, file: &Path, name: &Path) -> io::Result<()> {
        let metadata = file.metadata()?;
        let prepare = |copy: &File| {
            // Where the file system knows no such owner, what was made stays ours.
            let _ = fchown(copy, Some(metadata.uid()), Some(metadata.gid()));
            copy.set_permissions(metadata.permissions())
        };
        self.disk.write_whole_prepared(name, &fs::read(file)?, &prepare)
    }

    fn folders(&self) -> MutexGuard<'_, Folders> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a folder and those above it. Nobody sees it as made before it is known which folders owe an entry for it.
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        let mut folders = self.folders();
        if !folders.known.contains(folder) {
            let changed = self.disk.make_folders(folder)?;
            folders.owing.extend(changed);
            folders.known.insert(folder.to_owned());
        }
        Ok(())
    }

    /// Forgets that a folder is there; returns whether that was known.
    fn forget(&self, folder: &Path) -> bool {
        self.folders().known.remove(folder)
    }

    /// Opens a witness of the file system that `folder` lies on, unless there is one.
    fn watch(&self, device: u64, folder: &Path) -> io::Result<()> {
        if self.witness(device).is_none() {
            let mut witnesses = self.witnesses.write().unwrap_or_else(PoisonError::into_inner);
            if let Entry::Vacant(entry) = witnesses.entry(device) {
                let witness = whole::Witness::open(folder)?;
                entry.insert(Arc::new(Mutex::new(witness)));
            }
        }
        Ok(())
    }

    fn witness(&self, device: u64) -> Option<Arc<Mutex<whole::Witness>>> {
        self.witnesses.read().unwrap_or_else(PoisonError::into_inner).get(&device).cloned()
    }

    /// Forces files or folders to the disk, of each of which the device is known.
    fn force(&self, operation: Operation, named: &[(&Path, u64)]) -> Vec<io::Result<()>> {
        let mut results: Vec<io::Result<()>> =
            named.iter().map(|(path, _)| self.disk.ask(operation, path).map(drop)).collect();
        let mut of_device: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (at, (_, device)) in named.iter().enumerate().filter(|(at, _)| results[*at].is_ok()) {
            of_device.entry(*device).or_default().push(at);
        }
        let mut single = Vec::new();
        for (device, group) in of_device {
            let witness = self.witness(device).filter(|_| group.len() >= WHOLE_MIN);
            // Those who write meanwhile do not wait for the lock of a witness.
            let force = |witness: Arc<Mutex<whole::Witness>>| {
                witness.lock().unwrap_or_else(PoisonError::into_inner).force()
            };
            if !witness.is_some_and(force) {
                single.extend(group);
            }
        }
        let paths: Vec<&Path> = single.iter().map(|at| named[*at].0).collect();
        for (at, forced) in single.iter().zip(force_singly(operation, &paths)) {
            results[*at] = forced;
        }
        results
    }
}

/// Returns true where the system says that a file has no further name, rather than that something went wrong: the file system
/// knows none, or no more of them (`link(2)`).
fn cannot_link(cause: &io::Error) -> bool {
    let codes = [libc::EPERM, libc::EOPNOTSUPP, libc::ENOSYS, libc::EMLINK];
    cause.raw_os_error().is_some_and(|code| codes.contains(&code))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Forces files or folders to the disk one by one, several at the same time: the file system's journal then takes them in one
/// commit, and the disk empties its cache once for them.
fn force_singly(operation: Operation, paths: &[&Path]) -> Vec<io::Result<()>> {
    let force = |paths: &[&Path]| -> Vec<io::Result<()>> {
        // Opened anew: what could not be written meanwhile is told of to whoever asks first, which nobody has done.
        let force = |path: &&Path| match operation {
            Operation::SyncFolder => File::open(path)?.sync_all(),
            _ => File::open(path)?.sync_data(),
        };
        paths.iter().map(force).collect()
    };
    if paths.len() < WHOLE_MIN {
        return force(paths);
    }
    if operation == Operation::Sync {
        paths.iter().for_each(|path| whole::begin_writing(path));
    }
    let share = paths.len().div_ceil(SYNCS_AT_ONCE);
    std::thread::scope(|scope| {
        let force = &force;
        let start = |paths| std::thread::Builder::new().spawn_scoped(scope, move || force(paths));
        let threads: Vec<_> = paths.chunks(share).map(|paths| (paths, start(paths))).collect();
        let ended = threads.into_iter().flat_map(|(paths, thread)| match thread {
            Ok(thread) => thread.join().expect("a sync does not panic"),
            // There may be no further thread.
            Err(_) => force(paths),
        });
        ended.collect()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::disk::Faults;
    use crate::disk::tests::FailOnce;

    /// Fails one operation on one path, every time.
    struct FailFor(&'static str, Operation);

    impl Faults for FailFor {
        fn before(&self, operation: Operation, path: &Path, _: Option<&Path>) -> io::Result<usize> {
            let fails = operation == self.1 && path.ends_with(self.0);
            if fails { Err(io::Error::other("input/output error")) } else { Ok(usize::MAX) }
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn stage(together: &Together, folder: &Path, count: usize) -> Vec<Staged> {
        let stage = |number: usize| {
            let bytes = format!("file {number}").into_bytes();
            together.stage(&folder.join(format!("{}/{number}", number % 2)), &bytes).unwrap()
        };
        (0..count).map(stage).collect()
    }

    #[test]
    fn files_have_their_names_when_they_were_forced_to_the_disk_and_not_before() {
        for count in [1, WHOLE_MIN, 40] {
            let folder = tempfile::tempdir().unwrap();
            let together = Together::new(&Disk::new());
            let mut staged = stage(&together, folder.path(), count);
            let of_even = names(&folder.path().join("0"));
            assert_eq!(of_even.len(), count.div_ceil(2));
            assert!(of_even.iter().all(|name| name.starts_with(crate::disk::TEMPORARY_PREFIX)));
            together.sync(staged.iter_mut().collect());
            staged.into_iter().for_each(|file| together.publish(file).unwrap());
            assert!(together.sync_folders().is_empty());
            for number in 0..count {
                let path = folder.path().join(format!("{}/{number}", number % 2));
                assert_eq!(fs::read_to_string(path).unwrap(), format!("file {number}"));
            }
        }
    }

    #[test]
    fn a_file_that_was_not_forced_to_the_disk_gets_no_name_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "old").unwrap();
        let together = Together::new(&Disk::new());
        together.publish(together.stage(&path, b"new").unwrap()).unwrap_err();
        drop(together.stage(&path, b"new").unwrap());
        let failing = Disk::with_faults(FailOnce::at(0, |operation| operation == Operation::Sync));
        let together = Together::new(&failing);
        let mut staged = together.stage(&path, b"new").unwrap();
        together.sync(vec![&mut staged]);
        assert_eq!(together.publish(staged).unwrap_err().to_string(), "input/output error");
        assert_eq!(
            (names(folder.path()), fs::read_to_string(&path).unwrap()),
            (vec!["file".to_owned()], "old".to_owned())
        );
    }

    #[test]
    fn of_many_files_only_the_one_that_fails_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let failing = Disk::with_faults(FailOnce::at(5, |operation| operation == Operation::Sync));
        let together = Together::new(&failing);
        let mut staged = stage(&together, folder.path(), 20);
        together.sync(staged.iter_mut().collect());
        let published: Vec<bool> = staged.into_iter().map(|file| together.publish(file).is_ok()).collect();
        assert_eq!(published.iter().position(|is_there| !is_there), Some(5));
        assert_eq!(published.iter().filter(|is_there| **is_there).count(), 19);
        assert!(!folder.path().join("1/5").exists());
    }

    #[test]
    fn a_folder_that_could_not_be_forced_to_the_disk_is_told_of_from_then_on() {
        let folder = tempfile::tempdir().unwrap();
        let together = Together::new(&Disk::with_faults(Arc::new(FailFor("1", Operation::SyncFolder))));
        for _ in 0..2 {
            let mut staged = stage(&together, folder.path(), 4);
            together.sync(staged.iter_mut().collect());
            staged.into_iter().for_each(|file| together.publish(file).unwrap());
            let failed: Vec<PathBuf> =
                together.sync_folders().into_iter().map(|(folder, _)| folder).collect();
            assert_eq!(failed, [folder.path().join("1")]);
        }
    }

    #[test]
    fn a_folder_that_somebody_removed_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let together = Together::new(&Disk::new());
        let path = folder.path().join("a/b/file");
        drop(together.stage(&path, b"one").unwrap());
        fs::remove_dir_all(folder.path().join("a")).unwrap();
        let mut staged = together.stage(&path, b"two").unwrap();
        together.sync(vec![&mut staged]);
        together.publish(staged).unwrap();
        assert_eq!(fs::read_to_string(path).unwrap(), "two");
    }

    #[test]
    fn forced_one_by_one_each_file_has_its_own_outcome() {
        let folder = tempfile::tempdir().unwrap();
        let there: Vec<PathBuf> = (0..30).map(|number| folder.path().join(number.to_string())).collect();
        for (number, path) in there.iter().enumerate().filter(|(number, _)| number % 7 != 3) {
            fs::write(path, number.to_string()).unwrap();
        }
        let paths: Vec<&Path> = there.iter().map(PathBuf::as_path).collect();
        let forced = force_singly(Operation::Sync, &paths);
        let failed: Vec<usize> = (0..30).filter(|number| forced[*number].is_err()).collect();
        assert_eq!(failed, [3, 10, 17, 24]);
        assert!(force_singly(Operation::SyncFolder, &[folder.path()])[0].is_ok());
    }
}
