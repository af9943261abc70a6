//! Hears that files in some folders were closed for good by whoever had them open for writing (`inotify(7)`).

use std::collections::{HashMap, HashSet};
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{Error, ErrorKind, Read as _, Result};
use std::os::fd::{AsRawFd as _, FromRawFd as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// The kernel counts the folders that a user listens in.
const FOLDERS_MAX: usize = 500;
/// Number, mask, cookie and length of the name come before the name, four bytes each.
const FRONT_BYTES: usize = 16;
const ROOM_BYTES: usize = 4096;

/// What was heard since it was asked last.
#[derive(Debug, Default)]
pub(in crate::capture::observe) struct Heard {
    /// The files that were closed, in order. Of several closings of one file in a row one may be heard alone.
    pub(in crate::capture::observe) closed: Vec<PathBuf>,
    /// Something was missed, or a folder has another path now: what was heard before is worth nothing from now on.
    pub(in crate::capture::observe) is_broken: bool,
}

/// The folders that are listened in.
#[derive(Debug)]
pub(in crate::capture::observe) struct Ears {
    file: File,
    folders: HashMap<i32, PathBuf>,
    known: HashSet<OsString>,
    /// It is read into this, at each stopped call.
    room: Box<[u8]>,
}

impl Ears {
    /// Begins, with no folder.
    ///
    /// # Errors
    /// As the system gives them.
    pub(in crate::capture::observe) fn new() -> Result<Ears> {
        // SAFETY: plain flags.
        let descriptor = super::check(unsafe { libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC) })?;
        // SAFETY: the descriptor is new, and nobody else's.
        let file = unsafe { File::from_raw_fd(descriptor) };
        let room = vec![0; ROOM_BYTES].into_boxed_slice();
        Ok(Ears { file, folders: HashMap::new(), known: HashSet::new(), room })
    }

    /// Listens in a folder from now on.
    ///
    /// # Errors
    /// As the system gives them, and where there are too many.
    pub(in crate::capture::observe) fn listen(&mut self, folder: &Path) -> Result<()> {
        if self.known.contains(folder.as_os_str()) {
            return Ok(());
        }
        if self.known.len() >= FOLDERS_MAX {
            return Err(Error::from(ErrorKind::QuotaExceeded));
        }
        let path = CString::new(folder.as_os_str().as_bytes())?;
        let mask = libc::IN_CLOSE_WRITE | libc::IN_MOVE_SELF | libc::IN_ONLYDIR;
        // SAFETY: `path` ends in NUL.
        let added = unsafe { libc::inotify_add_watch(self.file.as_raw_fd(), path.as_ptr(), mask) };
        let number = super::check(added)?;
        self.folders.insert(number, folder.to_owned());
        self.known.insert(folder.as_os_str().to_owned());
        Ok(())
    }

    /// Returns what was heard since it was asked last.
    pub(in crate::capture::observe) fn heard(&mut self) -> Heard {
        let mut heard = Heard::default();
        let mut room = std::mem::take(&mut self.room);
        loop {
            match self.file.read(&mut room) {
                Ok(0) => break,
                Ok(length) => self.take(&room[..length], &mut heard),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    heard.is_broken |= error.kind() != ErrorKind::WouldBlock;
                    break;
                }
            }
        }
        self.room = room;
        heard
    }

    fn take(&mut self, mut events: &[u8], heard: &mut Heard) {
        while let Some((front, rest)) = events.split_at_checked(FRONT_BYTES) {
            let word = |at: usize| u32::from_ne_bytes([0, 1, 2, 3].map(|byte| front[4 * at + byte]));
            let (number, mask, length) = (word(0) as i32, word(1), word(3) as usize);
            let Some((name, rest)) = rest.split_at_checked(length) else { return };
            events = rest;
            if mask & (libc::IN_Q_OVERFLOW | libc::IN_MOVE_SELF) != 0 {
                heard.is_broken = true;
            } else if mask & libc::IN_IGNORED != 0 {
                // The folder was removed; one that is made under its name is another.
                if let Some(folder) = self.folders.remove(&number) {
                    self.known.remove(folder.as_os_str());
                }
            } else if let Some(folder) = self.folders.get(&number) {
                let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
                heard.closed.push(folder.join(OsStr::from_bytes(&name[..end])));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_was_open_for_writing_is_heard_when_the_last_of_its_descriptors_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let mut ears = Ears::new().unwrap();
        ears.listen(folder.path()).unwrap();
        ears.listen(folder.path()).unwrap();
        let path = folder.path().join("a\nb");
        let mut file = File::create(&path).unwrap();
        let second = file.try_clone().unwrap();
        file.write_all(b"1").unwrap();
        drop(file);
        assert_eq!(ears.heard().closed, Vec::<PathBuf>::new());
        drop(second);
        // What another test forks just now has it open, too, until it runs its program.
        let mut closed = Vec::new();
        for _ in 0..10_000 {
            closed = ears.heard().closed;
            if !closed.is_empty() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert_eq!(closed, [path.as_path()]);
        drop(File::open(&path).unwrap());
        let heard = ears.heard();
        assert!(heard.closed.is_empty() && !heard.is_broken);
        ears.listen(&folder.path().join("none")).unwrap_err();
    }

    #[test]
    fn a_folder_that_is_removed_or_moved_is_no_longer_the_one_that_was_listened_in() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        let mut ears = Ears::new().unwrap();
        fs::create_dir(&a).unwrap();
        ears.listen(&a).unwrap();
        fs::remove_dir(&a).unwrap();
        assert!(!ears.heard().is_broken);
        fs::create_dir(&a).unwrap();
        ears.listen(&a).unwrap();
        fs::write(a.join("x"), "").unwrap();
        assert_eq!(ears.heard().closed, [a.join("x")]);
        fs::rename(&a, &b).unwrap();
        assert!(ears.heard().is_broken);
    }
}
