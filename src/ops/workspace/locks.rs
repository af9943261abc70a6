//! The locks of a workspace: who applies facts, and who writes projected files. To start a run takes neither.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::disk::{LockFile, Locked};
use crate::error::{Error, Kind, Result};
use crate::ops::Workspace;

/// How long it is waited for where nothing can be done without.
const LONG_WAIT: Duration = Duration::from_secs(60);
/// How long the right to write files is waited for where these can be written later as well.
const PROJECT_WAIT: Duration = Duration::from_secs(10);
/// So often is a lock's file opened again that somebody has replaced meanwhile.
const REPLACED_MAX: u32 = 16;
/// So long is waited in silence.
const SILENT_WAIT: Duration = Duration::from_secs(2);

/// The right to apply facts; given up when dropped.
pub struct StoreLock {
    _file: LockFile,
}

/// The right to write projected files; given up when dropped.
pub struct ProjectionLock {
    _file: LockFile,
}

/// What came of an attempt to take a lock.
pub enum Attempt<L> {
    /// It was taken.
    Taken(L),
    /// Somebody else held it all the time.
    HeldBy(Holder),
}

impl<L> Attempt<L> {
    /// Returns the lock, or the error that `describe` makes of who holds it.
    ///
    /// # Errors
    /// Where somebody else holds it.
    pub fn or(self, describe: impl FnOnce(Holder) -> Error) -> Result<L> {
        match self {
            Attempt::Taken(lock) => Ok(lock),
            Attempt::HeldBy(holder) => Err(describe(holder)),
        }
    }

    fn map<M>(self, change: impl FnOnce(L) -> M) -> Attempt<M> {
        match self {
            Attempt::Taken(lock) => Attempt::Taken(change(lock)),
            Attempt::HeldBy(holder) => Attempt::HeldBy(holder),
        }
    }
}

/// Who holds a lock, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder(String);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Workspace {
    /// Takes the lock for a change that nobody else may make at the same time.
    ///
    /// # Errors
    /// A store error where the lock cannot be had in a minute.
    pub fn lock_to_change(&self) -> Result<StoreLock> {
        self.lock(LONG_WAIT)?.or(|holder| {
            Error::new(Kind::Busy, format!("the store is busy: {holder} has held its lock for a minute"))
                .hint("nothing was recorded, and nothing was changed; try again")
        })
    }

    /// Takes the lock, waiting for at most `wait`.
    ///
    /// # Errors
    /// A store error where the lock's file cannot be made.
    pub fn lock(&self, wait: Duration) -> Result<Attempt<StoreLock>> {
        let attempt = self.lock_file("lock", wait, "to let go of the store")?;
        Ok(attempt.map(|file| StoreLock { _file: file }))
    }

    /// Takes the right to write projected files, so that whoever writes last has planned last.
    ///
    /// # Errors
    /// A store error where it cannot be had in a minute.
    pub fn lock_to_project(&self) -> Result<ProjectionLock> {
        self.lock_to_project_within(LONG_WAIT)
    }

    /// Takes the right to write projected files that are written later where it cannot be had soon.
    ///
    /// # Errors
    /// A store error where it cannot be had in some seconds.
    pub fn lock_to_project_soon(&self) -> Result<ProjectionLock> {
        self.lock_to_project_within(PROJECT_WAIT)
    }

    fn lock_to_project_within(&self, wait: Duration) -> Result<ProjectionLock> {
        let attempt = self.lock_file("projecting", wait, "to be through with writing files")?;
        attempt.map(|file| ProjectionLock { _file: file }).or(|holder| {
            let seconds = wait.as_secs();
            Error::new(
                Kind::Busy,
                format!("cannot write files: {holder} has been writing files for {seconds} s"),
            )
            .hint("nothing was changed; try again when it is through")
        })
    }

    fn lock_file(&self, name: &str, wait: Duration, to_do: &str) -> Result<Attempt<LockFile>> {
        let path = self.folder().join(name);
        let failed = |cause| Error::store(format!("cannot lock `{}`", path.display())).because(cause);
        let mut file = open(&path).map_err(failed)?;
        let begun = Instant::now();
        let mut hear = self.waits.filter(|_| wait > SILENT_WAIT);
        let mut pause = Duration::from_micros(200);
        let mut replaced = 0;
        loop {
            match file.try_lock().map_err(failed)? {
                // Where somebody has put another file there, that one is what others lock from now on.
                Locked::Replaced if replaced < REPLACED_MAX => {
                    replaced += 1;
                    file = open(&path).map_err(failed)?;
                }
                Locked::Ours | Locked::Replaced => break,
                Locked::ByOthers if begun.elapsed() >= wait => {
                    return Ok(Attempt::HeldBy(holder_of(file.file())));
                }
                Locked::ByOthers => {
                    if let Some(hear) = hear.take_if(|_| begun.elapsed() >= SILENT_WAIT) {
                        hear(&format!("waiting for {} {to_do}", holder_of(file.file())));
                    }
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(20));
                }
            }
        }
        // Who holds it is for messages only; failing to write it down harms nothing. Written over what is there, all of one
        // length: some file systems force a file that was cut to nothing to the disk, for which the next holder would wait.
        let holder = format!("{:<48}", format!("`lineage` ({PROCESS}{})", std::process::id()));
        let mut open = file.file();
        let _ = open.rewind().and_then(|()| open.write_all(holder.as_bytes()));
        Ok(Attempt::Taken(file))
    }
}

/// Opens a lock's file, which is made where it is missing. To hold the lock of a file that belongs to another user, it is enough to
/// read it.
fn open(path: &Path) -> io::Result<LockFile> {
    LockFile::open_or_make(path).or_else(|cause| LockFile::open_to_read(path).map_err(|_| cause))
}

/// What stands before the number of the process that holds a lock.
const PROCESS: &str = "process ";

/// Describes who holds a lock, by what they wrote into its file.
fn holder_of(mut file: &File) -> Holder {
    let mut holder = String::new();
    let _ = file.rewind().and_then(|()| file.read_to_string(&mut holder));
    let holder: String = holder.chars().filter(|c| !c.is_control()).take(200).collect();
    let holder = holder.trim_end();
    if holder.is_empty() {
        return Holder("another `lineage`".to_owned());
    }
    let process = holder.split_once(PROCESS).and_then(|(_, rest)| rest.strip_suffix(')'));
    Holder(match process.filter(|process| is_stopped(process)) {
        Some(process) => holder.replace(process, &format!("{process}, which is stopped")),
        None => holder.to_owned(),
    })
}

/// Returns true for a process of this machine that was stopped by a signal, or is held by a debugger.
fn is_stopped(process: &str) -> bool {
    let is_number = process.bytes().all(|byte| byte.is_ascii_digit());
    let state = is_number.then(|| fs::read_to_string(format!("/proc/{process}/stat")).ok()).flatten();
    let state = state.as_deref().and_then(|line| line.rsplit_once(')')).map(|(_, rest)| rest.trim_start());
    state.is_some_and(|state| state.starts_with(['T', 't']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_holds_a_lock_holds_the_file_that_lies_there() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::init(folder.path()).unwrap();
        let path = workspace.folder().join("lock");
        let first = workspace.lock(Duration::ZERO).unwrap();
        assert!(matches!(first, Attempt::Taken(_)));
        assert!(matches!(workspace.lock(Duration::ZERO).unwrap(), Attempt::HeldBy(_)));
        // Whoever waited while the file was removed locks what lies there now.
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| workspace.lock(LONG_WAIT).unwrap());
            fs::remove_file(&path).unwrap();
            let other = workspace.lock(Duration::ZERO).unwrap();
            drop(first);
            drop(other);
            let Attempt::Taken(lock) = waiting.join().unwrap() else { panic!("it is free") };
            assert_eq!(lock._file.try_lock().unwrap(), Locked::Ours);
        });
    }

    #[test]
    fn no_link_is_followed_to_a_lock() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::init(folder.path()).unwrap();
        let (path, other) = (workspace.folder().join("lock"), folder.path().join("notes.txt"));
        for is_there in [false, true] {
            if is_there {
                fs::write(&other, "mine").unwrap();
            }
            let _ = fs::remove_file(&path);
            std::os::unix::fs::symlink(&other, &path).unwrap();
            let error = workspace.lock(Duration::ZERO).map(drop).unwrap_err();
            assert!(error.in_full().contains("symbolic link"), "{error}");
        }
        assert_eq!(fs::read_to_string(&other).unwrap(), "mine");
    }
}
