//! Faults and crashes to put under everything that writes, and tests of the layer itself.

use std::collections::HashMap;
use std::io::Seek as _;
use std::sync::Mutex;

use super::*;

/// What a power cut leaves of what was not forced to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaves {
    /// All of it: a crash of the process alone.
    Everything,
    /// The entries of folders, but not the bytes of files.
    Entries,
    /// Neither.
    Nothing,
}

impl Leaves {
    pub(crate) const ALL: [Leaves; 3] = [Leaves::Everything, Leaves::Entries, Leaves::Nothing];
}

/// Lets so many operations happen, then stops everything: a crash, as far as files are concerned.
///
/// [`Crash::settle`] then takes away what a power cut may take of all that was not forced to the disk.
pub(crate) struct Crash {
    countdown: Mutex<i64>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Files made or appended to, and how many of their bytes were forced to the disk.
    synced: HashMap<PathBuf, u64>,
    /// What files held before they were cut, where the cut was not forced to the disk.
    cuts: HashMap<PathBuf, Vec<u8>>,
    /// How to take back the changes of folders that were not forced to the disk, the oldest first.
    changes: Vec<Change>,
}

struct Change {
    folder: PathBuf,
    undo: Undo,
}

enum Undo {
    Remove(PathBuf),
    RemoveFolder(PathBuf),
    Restore(PathBuf, Vec<u8>),
    Rename { from: PathBuf, to: PathBuf, old: Option<Vec<u8>> },
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().unwrap().to_owned()
}

impl Crash {
    pub(crate) fn after(operations: i64) -> Arc<Self> {
        Arc::new(Crash { countdown: Mutex::new(operations), state: Mutex::default() })
    }

    pub(crate) fn happened(&self) -> bool {
        *self.countdown.lock().unwrap() < 0
    }

    /// Takes away what a power cut takes.
    pub(crate) fn settle(&self, leaves: Leaves) {
        let mut state = self.state.lock().unwrap();
        if leaves == Leaves::Everything {
            return;
        }
        for (path, length) in &state.synced {
            if let Ok(file) = OpenOptions::new().write(true).open(path)
                && file.metadata().unwrap().len() > *length
            {
                file.set_len(*length).unwrap();
            }
        }
        for (path, old) in &state.cuts {
            let forced = state.synced.get(path).map_or(old.len(), |length| *length as usize);
            if path.is_file() {
                fs::write(path, &old[..forced.min(old.len())]).unwrap();
            }
        }
        if leaves == Leaves::Entries {
            return;
        }
        while let Some(Change { undo, .. }) = state.changes.pop() {
            match undo {
                Undo::Remove(path) => drop(fs::remove_file(path)),
                // With it goes whatever is in it, forced to the disk or not: nothing leads there.
                Undo::RemoveFolder(path) => drop(fs::remove_dir_all(path)),
                Undo::Restore(path, bytes) => {
                    // The folder may have been removed after it.
                    fs::create_dir_all(folder_of(&path)).unwrap();
                    fs::write(path, bytes).unwrap();
                }
                Undo::Rename { from, to, old } => {
                    if fs::rename(&to, from).is_ok()
                        && let Some(old) = old
                    {
                        fs::write(to, old).unwrap();
                    }
                }
            }
        }
    }
}

impl State {
    fn note(&mut self, operation: Operation, path: &Path, from: Option<&Path>) {
        let folder = folder_of(path);
        match operation {
            Operation::Create => {
                self.synced.insert(path.to_owned(), 0);
                let undo = Undo::Remove(path.to_owned());
                self.changes.push(Change { folder, undo });
            }
            Operation::Sync => {
                let length = fs::metadata(path).map_or(0, |m| m.len());
                self.synced.insert(path.to_owned(), length);
                self.cuts.remove(path);
            }
            Operation::Remove => {
                if let Ok(bytes) = fs::read(path) {
                    let undo = Undo::Restore(path.to_owned(), bytes);
                    self.changes.push(Change { folder, undo });
                }
                self.synced.remove(path);
                self.cuts.remove(path);
            }
            Operation::Rename => {
                let from = from.expect("a rename has a source").to_owned();
                let (to, old) = (path.to_owned(), fs::read(path).ok());
                if let Some(length) = self.synced.remove(&from) {
                    self.synced.insert(to.clone(), length);
                }
                let undo = Undo::Rename { from, to, old };
                self.changes.push(Change { folder, undo });
            }
            Operation::Link => {
                let from = from.expect("a link has a source");
                if let Some(length) = self.synced.get(from).copied() {
                    self.synced.insert(path.to_owned(), length);
                }
                let undo = Undo::Remove(path.to_owned());
                self.changes.push(Change { folder, undo });
            }
            Operation::SyncFolder => self.changes.retain(|change| change.folder != path),
            Operation::CreateFolders => {
                let missing = path.ancestors().take_while(|folder| !folder.is_dir());
                let made: Vec<PathBuf> = missing.map(Path::to_owned).collect();
                for folder in made.into_iter().rev() {
                    let undo = Undo::RemoveFolder(folder.clone());
                    self.changes.push(Change { folder: folder_of(&folder), undo });
                }
            }
            Operation::Truncate => {
                if let Ok(bytes) = fs::read(path) {
                    self.cuts.entry(path.to_owned()).or_insert(bytes);
                }
            }
            Operation::Append(_) | Operation::Share => {}
        }
    }
}

impl Faults for Crash {
    fn before(&self, operation: Operation, path: &Path, from: Option<&Path>) -> io::Result<usize> {
        let mut left = self.countdown.lock().unwrap();
        *left -= 1;
        if *left < 0 {
            return match operation {
                // The operation that the crash hits is done by half.
                Operation::Append(length) if *left == -1 => Ok(length / 2),
                _ => Err(io::Error::other("crashed")),
            };
        }
        self.state.lock().unwrap().note(operation, path, from);
        Ok(usize::MAX)
    }
}

/// Gives no file a further name, for a reason of the system.
pub(crate) struct NoLinks(i32);

impl NoLinks {
    /// The file system knows none, as FAT; says so in other words; or has no more of them.
    pub(crate) const ALL: [NoLinks; 3] =
        [NoLinks(libc::EPERM), NoLinks(libc::EOPNOTSUPP), NoLinks(libc::EMLINK)];
}

impl Faults for NoLinks {
    fn before(&self, operation: Operation, _: &Path, _: Option<&Path>) -> io::Result<usize> {
        if operation == Operation::Link {
            return Err(io::Error::from_raw_os_error(self.0));
        }
        Ok(usize::MAX)
    }
}

/// A disk that takes so many bytes and no more, until it is given more.
pub(crate) struct Full {
    room: Mutex<usize>,
}

impl Full {
    pub(crate) fn with_room(bytes: usize) -> Arc<Self> {
        Arc::new(Full { room: Mutex::new(bytes) })
    }

    pub(crate) fn give(&self, bytes: usize) {
        *self.room.lock().unwrap() += bytes;
    }
}

impl Faults for Full {
    fn before(&self, operation: Operation, _: &Path, _: Option<&Path>) -> io::Result<usize> {
        let Operation::Append(length) = operation else {
            return Ok(usize::MAX);
        };
        let mut room = self.room.lock().unwrap();
        let taken = length.min(*room);
        *room -= taken;
        Ok(taken)
    }
}

/// Fails the n-th operation of a sort, once. Of what a failed sync did not force to the disk, nulls are left in the file, and
/// the next sync is a success: the system calls its pages clean.
pub(crate) struct FailOnce {
    wanted: fn(Operation) -> bool,
    left: Mutex<i64>,
    /// How many bytes of each file were forced to the disk.
    synced: Mutex<HashMap<PathBuf, u64>>,
}

impl FailOnce {
    pub(crate) fn at(number: i64, wanted: fn(Operation) -> bool) -> Arc<Self> {
        Arc::new(FailOnce { wanted, left: Mutex::new(number), synced: Mutex::default() })
    }

    fn synced(&self, path: &Path) {
        let length = fs::metadata(path).map_or(0, |metadata| metadata.len());
        self.synced.lock().unwrap().insert(path.to_owned(), length);
    }

    fn drop_unsynced(&self, path: &Path) {
        let synced = self.synced.lock().unwrap().get(path).copied().unwrap_or(0);
        let Ok(mut bytes) = fs::read(path) else { return };
        bytes[synced as usize..].fill(0);
        fs::write(path, bytes).unwrap();
    }
}

impl Faults for FailOnce {
    fn before(&self, operation: Operation, path: &Path, from: Option<&Path>) -> io::Result<usize> {
        let fails = (self.wanted)(operation) && {
            let mut left = self.left.lock().unwrap();
            *left -= 1;
            *left == -1
        };
        match operation {
            Operation::Append(length) if fails => return Ok(length / 2),
            Operation::Sync if fails => self.drop_unsynced(path),
            _ if fails => {}
            Operation::Sync => self.synced(path),
            Operation::Rename => {
                let mut synced = self.synced.lock().unwrap();
                let moved = from.and_then(|from| synced.remove(from)).unwrap_or(0);
                synced.insert(path.to_owned(), moved);
            }
            _ => {}
        }
        if fails { Err(io::Error::other("input/output error")) } else { Ok(usize::MAX) }
    }
}

#[test]
fn a_second_way_to_a_file_has_an_opening_of_its_own_while_the_file_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let mut file = Disk::new().create_new(&path).unwrap();
    file.append(b"12345").unwrap();
    let place = |file: &DiskFile| file.file().stream_position().unwrap();
    assert_eq!((place(&file), place(&file.again().unwrap())), (5, 0), "a copy would share the place");
    fs::remove_file(&path).unwrap();
    file.again().unwrap().sync().unwrap();
    fs::write(&path, "another's").unwrap();
    assert_eq!(place(&file.again().unwrap()), 5, "not the file of somebody else");
}

#[test]
fn a_power_cut_takes_folders_and_cuts_that_were_not_forced_to_the_disk() {
    for (is_forced, leaves) in [(false, Leaves::Nothing), (false, Leaves::Entries), (true, Leaves::Nothing)] {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("a/b");
        let crash = Crash::after(i64::MAX);
        let disk = Disk::with_faults(crash.clone());
        let mut file = disk.create_new(&folder.path().join("file")).unwrap();
        file.append(b"12345").unwrap();
        file.sync().unwrap();
        file.sync_entry().unwrap();
        file.truncate(2).unwrap();
        if is_forced {
            file.sync().unwrap();
            disk.create_folders(&new).unwrap();
        } else {
            disk.make_folders(&new).unwrap();
        }
        // Whatever is forced to the disk in a folder to which nothing leads is lost with it.
        disk.write_whole(&new.join("inside"), b"bytes").unwrap();
        crash.settle(leaves);
        let (cut, is_lost) = (fs::read(file.path()).unwrap(), !folder.path().join("a").exists());
        assert_eq!(cut, if is_forced { &b"12"[..] } else { b"12345" });
        assert_eq!(is_lost, !is_forced && leaves == Leaves::Nothing);
        assert!(is_lost || fs::read(new.join("inside")).unwrap() == b"bytes");
    }
}

#[test]
fn a_crash_at_any_operation_leaves_the_old_file_or_the_new_one() {
    for (operations, leaves) in (0..12).flat_map(|n| Leaves::ALL.map(|leaves| (n, leaves))) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        Disk::new().write_whole(&path, b"old").unwrap();
        let crash = Crash::after(operations);
        let outcome = Disk::with_faults(crash.clone()).write_whole(&path, b"new and longer");
        crash.settle(leaves);
        let found = fs::read(&path).unwrap();
        assert!(found == b"old" || found == b"new and longer", "{operations} {leaves:?}: {found:?}");
        assert_eq!(outcome.is_err(), crash.happened(), "{operations}");
        if outcome.is_ok() {
            assert_eq!(found, b"new and longer");
        }
    }
}

#[test]
fn a_new_folder_is_forced_to_the_disk_with_those_above_it() {
    #[derive(Default)]
    struct Log(Mutex<Vec<PathBuf>>);
    impl Faults for Log {
        fn before(&self, operation: Operation, path: &Path, _: Option<&Path>) -> io::Result<usize> {
            if operation == Operation::SyncFolder {
                self.0.lock().unwrap().push(path.to_owned());
            }
            Ok(usize::MAX)
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(Log::default());
    let disk = Disk::with_faults(log.clone());
    disk.create_folders(&folder.path().join("a/b")).unwrap();
    disk.create_folders(&folder.path().join("a/b")).unwrap();
    let expected = [folder.path().join("a"), folder.path().to_owned()];
    assert_eq!(*log.0.lock().unwrap(), expected);
}
