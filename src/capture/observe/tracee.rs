//! One stopped thread: its memory, and what its paths mean where it stands.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use super::calls::Abi;
use super::folders::Folders;
use super::place::{Base, Place};
use super::stamp::Look;
use super::{mounts, sys};

/// How long a thread is trusted to be the same without asking. Thread ids come round again only after all
/// others have been given away, which takes longer.
const TRUST: Duration = Duration::from_millis(500);

/// Longest path that the kernel takes, with its final zero.
const PATH_MAX: usize = 4096;

/// A thread of the command.
#[derive(Debug)]
pub(super) struct Thread {
    pub(super) tid: i32,
    /// Its process.
    pub(super) tgid: i32,
    /// The parent of its process when the thread was met.
    pub(super) parent: i32,
    /// `/proc/TID`, which leads nowhere once the thread is dead, even if its number is given to another.
    folder: OwnedFd,
    /// Its root, where that is not ours: another mount namespace, or `chroot`.
    foreign_root: Option<OwnedFd>,
    trusted_until: Instant,
    /// Which of the run's stopped calls was its last, and under which convention.
    pub(super) last_trap: u64,
    pub(super) abi: Abi,
}

/// A file that was found, and its path as this process sees it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) look: Look,
    pub(super) path: PathBuf,
    /// It has no name: made without one, or all of them removed.
    pub(super) is_nameless: bool,
}

/// An open file of a thread.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) descriptor: i32,
    pub(super) look: Look,
    /// This process has the same opening under the same number.
    is_ours: bool,
}

impl Thread {
    /// Finds out about a thread; an error if it is gone or out of reach.
    pub(super) fn meet(tid: i32, now: Instant, own_root: &Look) -> Result<Thread> {
        let path = CString::new(format!("/proc/{tid}"))?;
        let folder = sys::open(sys::here(), &path, libc::O_PATH | libc::O_DIRECTORY)?;
        let (tgid, parent) = match sys::kinship(tid) {
            Some(kinship) => kinship,
            None => kinship_in(&read_file(&folder, "status")?)?,
        };
        let mut thread = Thread {
            tid,
            tgid,
            parent,
            folder,
            foreign_root: None,
            trusted_until: now + TRUST,
            last_trap: 0,
            abi: Abi::X64,
        };
        thread.review(own_root);
        Ok(thread)
    }

    /// Tells whether this is still the thread of its number; asks only if it was not asked for a while.
    pub(super) fn is_current(&mut self, now: Instant) -> bool {
        if now >= self.trusted_until {
            if sys::look(self.folder.as_fd(), c"comm", true).is_err() {
                return false;
            }
            self.trusted_until = now + TRUST;
        }
        true
    }

    /// The descriptor of this process by which it is known, which names a place and nothing else.
    pub(super) fn descriptor(&self) -> RawFd {
        self.folder.as_raw_fd()
    }

    /// Looks again whether its root and its mounts are ours.
    pub(super) fn review(&mut self, own_root: &Look) {
        let root = sys::look(self.folder.as_fd(), c"root", true);
        // The number of a mount is another in each namespace.
        let is_ours = root.is_ok_and(|root| root.is_same_file(own_root) && root.mount == own_root.mount);
        self.foreign_root = if is_ours {
            None
        } else {
            sys::open(self.folder.as_fd(), c"root", libc::O_PATH | libc::O_DIRECTORY).ok()
        };
    }

    /// Reads a string of at most `PATH_MAX` bytes.
    pub(super) fn read_path(&self, address: u64) -> Result<Vec<u8>> {
        // Few paths are longer than this, and pages beyond need not be touched.
        let mut room = [0_u8; 256];
        let read = sys::read_memory(self.tid, address, &mut room)?;
        match string_in(&room[..read]) {
            Some(path) => Ok(path.to_vec()),
            None if read == room.len() => self.read_long_path(address),
            None => Err(Error::from(ErrorKind::InvalidData)),
        }
    }

    fn read_long_path(&self, address: u64) -> Result<Vec<u8>> {
        let mut room = [0_u8; PATH_MAX];
        let read = sys::read_memory(self.tid, address, &mut room)?;
        string_in(&room[..read]).map(<[u8]>::to_vec).ok_or_else(|| Error::from(ErrorKind::InvalidData))
    }

    /// Reads the strings of a list of pointers that ends in null, up to `bytes_max`; tells whether it was cut.
    pub(super) fn read_strings(
        &self,
        address: u64,
        pointer_bytes: usize,
        bytes_max: usize,
    ) -> (Vec<OsString>, bool) {
        let (mut strings, mut total, mut at) = (vec![], 0, address);
        let mut room = [0_u8; 64 * 8];
        while at != 0 {
            let Ok(read) = sys::read_memory(self.tid, at, &mut room) else {
                return (strings, true);
            };
            let pointers: Vec<u64> = room[..read].chunks_exact(pointer_bytes).map(pointer_in).collect();
            if pointers.is_empty() {
                return (strings, true);
            }
            let end = pointers.iter().position(|pointer| *pointer == 0);
            let block = self.read_block(&pointers[..end.unwrap_or(pointers.len())]);
            for pointer in &pointers[..end.unwrap_or(pointers.len())] {
                let near = block.as_ref().and_then(|block| block.string(*pointer));
                let Some(string) = near.or_else(|| self.read_string(*pointer, bytes_max - total)) else {
                    return (strings, true);
                };
                total += string.len() + 1;
                strings.push(OsString::from_vec(string));
                if total >= bytes_max {
                    return (strings, true);
                }
            }
            if end.is_some() {
                return (strings, false);
            }
            at += (read - read % pointer_bytes) as u64;
        }
        (strings, false)
    }

    /// Reads at once what all these pointers point to, where they are close together, as arguments mostly are.
    fn read_block(&self, pointers: &[u64]) -> Option<Block> {
        let (start, last) = (*pointers.iter().min()?, *pointers.iter().max()?);
        let mut bytes = vec![0; usize::try_from(last - start).ok().filter(|span| *span < 8192)? + 256];
        let read = sys::read_memory(self.tid, start, &mut bytes).ok()?;
        bytes.truncate(read);
        Some(Block { start, bytes })
    }

    fn read_string(&self, address: u64, bytes_max: usize) -> Option<Vec<u8>> {
        let mut string = vec![];
        let mut room = [0_u8; 256];
        loop {
            let read = sys::read_memory(self.tid, address + string.len() as u64, &mut room).ok()?;
            if let Some(end) = string_in(&room[..read]) {
                string.extend_from_slice(end);
                return Some(string);
            }
            string.extend_from_slice(&room[..read]);
            if string.len() > bytes_max {
                return None;
            }
        }
    }

    /// Reads a few bytes at `address`.
    pub(super) fn read_bytes<const N: usize>(&self, address: u64) -> Result<[u8; N]> {
        let mut room = [0_u8; N];
        let read = sys::read_memory(self.tid, address, &mut room)?;
        if read == N { Ok(room) } else { Err(Error::from(ErrorKind::UnexpectedEof)) }
    }

    /// Returns the working folder as this process sees it.
    pub(super) fn working_folder(&self) -> Result<PathBuf> {
        sys::read_link(self.folder.as_fd(), c"cwd").map(|path| PathBuf::from(OsString::from_vec(path)))
    }

    /// Returns a place as an absolute path, without a look at what stands there: symbolic links in it are not followed.
    pub(super) fn named(&self, place: &Place) -> Result<PathBuf> {
        let link = |name: &CStr| {
            sys::read_link(self.folder.as_fd(), name).map(|path| PathBuf::from(OsString::from_vec(path)))
        };
        let rest = Path::new(OsStr::from_bytes(&place.path));
        let path = match place.base {
            Base::Root => rest.to_path_buf(),
            Base::WorkingFolder => self.working_folder()?.join(rest),
            Base::Descriptor(descriptor) => link(&CString::new(format!("fd/{descriptor}"))?)?.join(rest),
            Base::Process => link(&CString::new(place.path.clone())?)?,
        };
        let mut named = PathBuf::new();
        for part in path.components() {
            match part {
                Component::ParentDir => drop(named.pop()),
                Component::CurDir => {}
                part => named.push(part),
            }
        }
        Ok(named)
    }

    /// Looks at an open file of the thread.
    pub(super) fn look_at_descriptor(&self, descriptor: i32) -> Result<Look> {
        sys::look(self.folder.as_fd(), &CString::new(format!("fd/{descriptor}"))?, true)
    }

    /// Looks at a standard stream of the thread; `own` is this process.
    ///
    /// Mostly it is the one that this process was given itself and has handed down, which is asked for less here: the kernel makes
    /// the paths in `/proc` anew for each process.
    pub(super) fn look_at_stream(&self, descriptor: i32, own: i32) -> Result<Opened> {
        // Looked at before it is compared: a program that uses this library may put another file there meanwhile.
        if let Some(look) = sys::own_stream(descriptor).and_then(|stream| sys::look(stream, c"", true).ok())
            && sys::have_in_common(descriptor, own, self.tid)
        {
            return Ok(Opened { descriptor, look, is_ours: true });
        }
        self.look_at_opened(descriptor)
    }

    /// Looks at an open file of the thread.
    pub(super) fn look_at_opened(&self, descriptor: i32) -> Result<Opened> {
        let look = self.look_at_descriptor(descriptor)?;
        Ok(Opened { descriptor, look, is_ours: false })
    }

    /// Tells whether an open file can be read and written.
    pub(super) fn modes(&self, opened: &Opened) -> Result<(bool, bool)> {
        match sys::own_stream(opened.descriptor).filter(|_| opened.is_ours) {
            Some(stream) => sys::modes(stream),
            None => self.descriptor_modes(opened.descriptor),
        }
    }

    /// Finds an open file of the thread.
    pub(super) fn find_descriptor(&self, descriptor: i32) -> Result<Found> {
        self.find(&Place { base: Base::Process, path: format!("fd/{descriptor}").into_bytes() }, true)
    }

    /// Tells whether a descriptor can be read and written.
    pub(super) fn descriptor_modes(&self, descriptor: i32) -> Result<(bool, bool)> {
        // The link in `/proc` has the permissions of the descriptor.
        let link = sys::look(self.folder.as_fd(), &CString::new(format!("fd/{descriptor}"))?, false)?;
        Ok((link.mode & 0o400 != 0, link.mode & 0o200 != 0))
    }

    /// Returns the path that leads to an open file of the thread.
    pub(super) fn descriptor_path(&self, descriptor: i32) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{descriptor}", self.tid))
    }

    /// Tells whether somebody may still write to a pipe.
    pub(super) fn is_fed(&self, descriptor: i32) -> bool {
        let flags = libc::O_RDONLY | libc::O_NONBLOCK;
        let Ok(path) = CString::new(format!("fd/{descriptor}")) else { return true };
        let pipe = sys::open(self.folder.as_fd(), &path, flags);
        let ready = pipe.and_then(|pipe| sys::wait([Some(pipe.as_fd())], 0));
        ready.map_or(true, |[pipe]| !pipe.hung_up)
    }

    /// Returns the numbers of all open files of the thread.
    pub(super) fn descriptors(&self) -> Vec<i32> {
        let folder = format!("/proc/self/fd/{}/fd", self.folder.as_raw_fd());
        let Ok(entries) = std::fs::read_dir(folder) else {
            return vec![];
        };
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
    }

    /// Opens the mount that a descriptor lies on.
    pub(super) fn open_descriptor(&self, descriptor: i32) -> Result<OwnedFd> {
        let path = if descriptor == libc::AT_FDCWD { "cwd".to_string() } else { format!("fd/{descriptor}") };
        sys::open(self.folder.as_fd(), &CString::new(path)?, libc::O_RDONLY | libc::O_NONBLOCK)
    }

    /// Returns the program that the process runs.
    pub(super) fn program(&self) -> Result<Look> {
        sys::look(self.folder.as_fd(), c"exe", true)
    }

    /// Looks at what a place leads to.
    pub(super) fn look(&self, place: &Place, follows: bool) -> Result<Look> {
        let follows = follows || place.is_empty();
        match self.route(place)? {
            Route::Absolute(path) => sys::look(sys::here(), &path, follows),
            Route::BelowProcess(path) => sys::look(self.folder.as_fd(), &path, follows),
            Route::BelowForeignRoot(path) => {
                let file = sys::open_in_root(self.foreign_root()?, &path, follows)?;
                sys::look(file.as_fd(), c"", false)
            }
        }
    }

    /// Finds what a place leads to, and the path under which this process sees it.
    pub(super) fn find(&self, place: &Place, follows: bool) -> Result<Found> {
        // A descriptor without a path is a link in `/proc` that must be followed.
        let follows = follows || place.is_empty();
        let flags = libc::O_PATH | if follows { 0 } else { libc::O_NOFOLLOW };
        let file = match self.route(place)? {
            Route::Absolute(path) => sys::open(sys::here(), &path, flags),
            Route::BelowProcess(path) => sys::open(self.folder.as_fd(), &path, flags),
            Route::BelowForeignRoot(path) => sys::open_in_root(self.foreign_root()?, &path, follows),
        }?;
        self.identify(&file)
    }

    /// Returns look and path of an open place.
    pub(super) fn identify(&self, file: &OwnedFd) -> Result<Found> {
        let look = sys::look(file.as_fd(), c"", false)?;
        let link = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        let path = PathBuf::from(OsString::from_vec(sys::read_link(sys::here(), &link)?));
        let is_removed = path.as_os_str().as_bytes().ends_with(b" (deleted)");
        let is_nameless = look.links == 0 || (is_removed && !leads_to(&path, &look));
        let path =
            if self.foreign_root.is_some() && !is_nameless { self.in_our_view(path, &look) } else { path };
        Ok(Found { look, path, is_nameless })
    }

    /// Returns the path that a file which is not there yet will have; its folder must be there.
    pub(super) fn find_new(&self, place: &Place, folders: &mut Folders, us: i64) -> Result<PathBuf> {
        let (folder, name) = place.split().ok_or_else(|| Error::from(ErrorKind::InvalidInput))?;
        let key = self.folder_key(&folder);
        if let Some(path) = key.as_ref().and_then(|key| folders.get(key, us)) {
            return Ok(path.join(name));
        }
        let folder = self.find(&folder, true)?;
        if !folder.look.is_folder() || folder.is_nameless {
            return Err(Error::from(ErrorKind::NotADirectory));
        }
        let path = folder.path.join(name);
        if let Some(key) = key {
            folders.put(key, folder.path, us);
        }
        Ok(path)
    }

    /// Returns the path that a file will have as [`Thread::find_new`] does; where its folder is not there yet either, as it will be
    /// when somebody else makes that before the call is done; and whether its folder is there.
    pub(super) fn find_to_come(
        &self,
        place: &Place,
        folders: &mut Folders,
        us: i64,
    ) -> Result<(PathBuf, bool)> {
        let mut names = Vec::new();
        let mut at = place.clone();
        loop {
            match self.find_new(&at, folders, us) {
                Ok(path) => {
                    let has_folder = names.is_empty();
                    let path = names.into_iter().rev().fold(path, |path, name| path.join(name));
                    return Ok((path, has_folder));
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let Some((folder, name)) = at.split() else { return Err(error) };
                    names.push(name);
                    at = folder;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns an absolute path of a folder as it is written, which may lead through links.
    pub(super) fn folder_key(&self, folder: &Place) -> Option<Vec<u8>> {
        match folder.base {
            _ if self.foreign_root.is_some() => None,
            Base::Root => Some(folder.path.clone()),
            Base::WorkingFolder => {
                let start = sys::read_link(self.folder.as_fd(), c"cwd").ok()?;
                Some([&start[..], b"/", &folder.path].concat())
            }
            Base::Descriptor(_) | Base::Process => None,
        }
    }

    /// Finds a regular file that was looked at under its own name, which is no link.
    pub(super) fn find_direct(
        &self,
        place: &Place,
        look: Look,
        folders: &mut Folders,
        us: i64,
    ) -> Result<Found> {
        let is_nameless = look.links == 0;
        if is_nameless
            || !matches!(place.base, Base::Root | Base::WorkingFolder)
            || self.foreign_root.is_some()
        {
            return self.find(place, true);
        }
        match self.find_new(place, folders, us) {
            Ok(path) => Ok(Found { look, path, is_nameless }),
            Err(_) => self.find(place, true),
        }
    }

    /// Finds a file by the name it stands under, without following the name if it is a link itself.
    pub(super) fn find_name(&self, place: &Place, folders: &mut Folders, us: i64) -> Result<Found> {
        let path = self.find_new(place, folders, us)?;
        let look = sys::look(sys::here(), &super::digest::c_path(&path)?, false).or_else(|error| {
            if self.foreign_root.is_some() { self.look(place, false) } else { Err(error) }
        })?;
        Ok(Found { look, path, is_nameless: false })
    }

    /// Tells whether this process, which mostly has the rights of the command, may use a place so.
    pub(super) fn may(&self, place: &Place, mode: i32) -> bool {
        match self.route(place) {
            Ok(Route::Absolute(path)) => sys::may(sys::here(), &path, mode),
            Ok(Route::BelowProcess(path)) => sys::may(self.folder.as_fd(), &path, mode),
            _ => true,
        }
    }

    /// Returns the session of the process, which outlives its parents.
    pub(super) fn session(&self) -> Option<i32> {
        let stat = read_file(&self.folder, "stat").ok()?;
        let after_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
        std::str::from_utf8(&stat[after_name..]).ok()?.split_whitespace().nth(3)?.parse().ok()
    }

    /// Returns how many descriptors are open, if the kernel says (Linux 6.2 or newer).
    pub(super) fn descriptor_count(&self) -> Option<u64> {
        sys::look(self.folder.as_fd(), c"fd", true).ok().map(|look| look.size).filter(|count| *count > 0)
    }

    /// Its root or its mounts are not ours.
    pub(super) fn is_foreign(&self) -> bool {
        self.foreign_root.is_some()
    }

    fn foreign_root(&self) -> Result<std::os::fd::BorrowedFd<'_>> {
        self.foreign_root.as_ref().map(AsFd::as_fd).ok_or_else(|| Error::from(ErrorKind::NotFound))
    }

    fn route(&self, place: &Place) -> Result<Route> {
        let text = |path: Vec<u8>| CString::new(path).map_err(|_| Error::from(ErrorKind::InvalidInput));
        let below = match place.base {
            Base::Process => return Ok(Route::BelowProcess(text(place.path.clone())?)),
            Base::Root if self.foreign_root.is_none() => {
                return Ok(Route::Absolute(text(place.path.clone())?));
            }
            Base::Root => return Ok(Route::BelowForeignRoot(text(place.path.clone())?)),
            Base::WorkingFolder => "cwd".to_string(),
            Base::Descriptor(descriptor) => format!("fd/{descriptor}"),
        };
        if place.path.is_empty() {
            return Ok(Route::BelowProcess(text(below.into_bytes())?));
        }
        if self.foreign_root.is_none() {
            return Ok(Route::BelowProcess(text([below.as_bytes(), b"/", &place.path].concat())?));
        }
        // Links on the way must start from the foreign root, so the whole path is walked from there.
        let start = sys::read_link(self.folder.as_fd(), &CString::new(below)?)?;
        let root = sys::read_link(self.folder.as_fd(), c"root")?;
        let inside = if root == b"/" { &start[..] } else { start.strip_prefix(&root[..]).unwrap_or(&start) };
        Ok(Route::BelowForeignRoot(text([inside, b"/", &place.path].concat())?))
    }

    fn in_our_view(&self, path: PathBuf, look: &Look) -> PathBuf {
        if leads_to(&path, look) {
            return path;
        }
        let (theirs, ours) = (mounts::of(&self.tid.to_string()), mounts::of("self"));
        // Their mounts are named from their root, which may lie deeper than ours.
        let root = sys::read_link(self.folder.as_fd(), c"root").map(OsString::from_vec).unwrap_or_default();
        let seen = path.strip_prefix(root).map_or_else(|_| path.clone(), |rest| Path::new("/").join(rest));
        let candidates = mounts::candidates(&seen, look.mount, &theirs, &ours);
        candidates.into_iter().find(|candidate| leads_to(candidate, look)).unwrap_or(path)
    }
}

/// A piece of another thread's memory.
struct Block {
    start: u64,
    bytes: Vec<u8>,
}

impl Block {
    /// Returns the string at an address, if it ends within the block.
    fn string(&self, address: u64) -> Option<Vec<u8>> {
        let rest = self.bytes.get(usize::try_from(address.checked_sub(self.start)?).ok()?..)?;
        string_in(rest).map(<[u8]>::to_vec)
    }
}

/// Returns the bytes before the first zero, if there is one.
fn string_in(bytes: &[u8]) -> Option<&[u8]> {
    CStr::from_bytes_until_nul(bytes).ok().map(CStr::to_bytes)
}

fn pointer_in(bytes: &[u8]) -> u64 {
    let mut wide = [0_u8; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(wide)
}

enum Route {
    Absolute(CString),
    BelowProcess(CString),
    BelowForeignRoot(CString),
}

/// Tells whether `path`, as this process sees it, is this very file.
fn leads_to(path: &Path, look: &Look) -> bool {
    super::digest::c_path(path)
        .and_then(|path| sys::look(sys::here(), &path, false))
        .is_ok_and(|found| found.is_same_file(look))
}

/// Returns the parent of a process, if it is there.
pub(super) fn parent_of(process: i32) -> Option<i32> {
    if let Some((_, parent)) = sys::kinship(process) {
        return Some(parent);
    }
    let path = CString::new(format!("/proc/{process}")).ok()?;
    let folder = sys::open(sys::here(), &path, libc::O_PATH | libc::O_DIRECTORY).ok()?;
    kinship_in(&read_file(&folder, "status").ok()?).ok().map(|(_, parent)| parent)
}

/// Returns where a process stands in a file that is its standard input, in bytes from the beginning.
pub(super) fn position_in_input(process: i32, file: &Look) -> Option<u64> {
    let path = CString::new(format!("/proc/{process}/fd/0")).ok()?;
    sys::look(sys::here(), &path, true).ok().filter(|look| look.is_same_file(file))?;
    let text = std::fs::read_to_string(format!("/proc/{process}/fdinfo/0")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("pos:"))?.trim().parse().ok()
}

/// Reads process and parent out of `/proc/TID/status`.
fn kinship_in(status: &[u8]) -> Result<(i32, i32)> {
    let number = |key: &str| {
        let line = status.split(|byte| *byte == b'\n').find(|line| line.starts_with(key.as_bytes()))?;
        std::str::from_utf8(&line[key.len()..]).ok()?.trim().parse().ok()
    };
    number("Tgid:").zip(number("PPid:")).ok_or_else(|| Error::from(ErrorKind::InvalidData))
}

/// Reads a file of `/proc`, which is given whole at the first read.
fn read_file(folder: &OwnedFd, name: &str) -> Result<Vec<u8>> {
    use std::io::Read as _;
    let fd = sys::open(folder.as_fd(), &CString::new(name)?, libc::O_RDONLY)?;
    let mut bytes = vec![0; 4096];
    let read = std::fs::File::from(fd).read(&mut bytes)?;
    bytes.truncate(read);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinship_is_the_same_in_text_and_from_the_kernel() {
        let status = std::fs::read("/proc/self/status").unwrap();
        let expected = (std::process::id() as i32, std::os::unix::process::parent_id() as i32);
        assert_eq!(kinship_in(&status).unwrap(), expected);
        assert!(sys::kinship(expected.0).is_none_or(|kinship| kinship == expected));
    }

    #[test]
    fn a_stream_that_was_handed_down_is_the_same_seen_from_here() {
        use std::process::{Command, Stdio};
        let own_root = sys::look(sys::here(), c"/", true).unwrap();
        for input in [Stdio::null(), Stdio::inherit(), Stdio::piped()] {
            let mut child = Command::new("sleep").arg("9").stdin(input).spawn().unwrap();
            let thread = Thread::meet(child.id() as i32, Instant::now(), &own_root).unwrap();
            for descriptor in 0..3 {
                let opened = thread.look_at_stream(descriptor, std::process::id() as i32).unwrap();
                let seen = thread.look_at_descriptor(descriptor).unwrap();
                assert!(opened.look.is_same_file(&seen) && opened.look.mode == seen.mode, "{descriptor}");
                let modes = thread.modes(&opened).unwrap();
                assert_eq!(modes, thread.descriptor_modes(descriptor).unwrap(), "{descriptor}");
            }
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
