//! What is known of a command while it runs, in a file under `.lineage/under_way`, for whoever finds that this process has died.
//!
//! The file begins with a line of JSON that says what it takes to make a record of the rest; then come checkpoints, each with
//! its length and a checksum. It is only appended to, and goes when the end of the run is in the journal; its folder goes with the
//! last one, so that to look for what is left costs next to nothing where nothing is.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::fs::Permissions;
use std::io::{self, BufRead as _, BufReader, Read, Seek};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use memchr::memmem;
use serde::{Deserialize, Serialize};

use crate::capture::ignored::IgnoreRules;
use crate::disk::{Disk, DiskFile, LockFile, Locked};
use crate::model::{Digest, NodeId, Run};
use crate::ops::host::host;
use crate::ops::keep::Settled;
use crate::ops::run::{CommandRequest, CopiedTree, FileClock, Ground, WorkspaceCopy, environment, home};
use crate::ops::{Clock, Workspace};

/// The form of the file. It is raised when what stands in it, or in a checkpoint, changes its meaning.
pub const FORMAT: u32 = 4;
/// How long a command must run before anything is written down, so that short ones pay nothing.
pub const FIRST: Duration = Duration::from_millis(500);
/// How long nothing is written down after that, at the least.
pub const APART: Duration = Duration::from_secs(1);
/// How long nothing can be written down before that is worth a remark.
const SILENT_MAX: Duration = Duration::from_secs(60);
/// The ending of such a file.
const ENDING: &str = "run";
/// No longer line stands at the beginning of one.
const LINE_MAX_BYTES: u64 = 16 << 20;
/// As often the folder is made that others remove meanwhile.
const TRIES_MAX: u32 = 100;
/// Length and checksum before each checkpoint.
const FRONT_BYTES: usize = 12;

/// What stands at the beginning of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Beginning {
    /// See [`FORMAT`].
    pub format: u32,
    /// The program that writes it.
    pub program: String,
    /// The run.
    pub run: String,
    /// The journal's segment that its writer holds while it lives.
    pub segment: String,
    /// The journal's segment that the end of the run will be in.
    pub end: String,
    /// The file's own inode: a copy of it has another, and says nothing of the run where it lies.
    pub inode: u64,
    /// The machine, and when it was started, as far as it says so itself: elsewhere nobody can tell whether the writer lives.
    pub machine: Machine,
    /// How far the run's clock is ahead of the one that stamps files, in microseconds.
    pub behind_us: i64,
    /// When the run began, by the clock that stamps files, in nanoseconds since 1970.
    pub started_ns: i64,
    /// What was asked for.
    pub asked: Asked,
}

/// What of a request is needed to make a record. Names of files are bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Asked {
    inputs: Vec<Vec<u8>>,
    outputs: Vec<Vec<u8>>,
    metrics: Option<Vec<u8>>,
    folder: Vec<u8>,
    variables: Vec<(String, String)>,
    home: Option<Vec<u8>>,
    with_arguments: bool,
    copy: Option<(Vec<u8>, String)>,
    /// Work trees of other repositories, and their copies.
    #[serde(default)]
    copied: Vec<(Vec<u8>, Vec<u8>)>,
    streams: Vec<Vec<u8>>,
}

/// A machine, and one stretch of its being up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    name: String,
    id: String,
    boot: String,
}

impl Machine {
    /// Returns this machine.
    pub fn this() -> Self {
        let read = |text: io::Result<String>| text.unwrap_or_default().trim().to_owned();
        Machine {
            name: host(),
            id: read(std::fs::read_to_string("/etc/machine-id")),
            boot: read(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")),
        }
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells whether what ran there would be seen here if it still ran: it is this machine now, or was before it was started anew.
    pub fn is_this(&self) -> bool {
        let this = Machine::this();
        let is_same = |theirs: &str, ours: &str| !theirs.is_empty() && theirs == ours;
        // Machines that are copies of another may have its number.
        is_same(&self.boot, &this.boot) || is_same(&self.id, &this.id) && is_same(&self.name, &this.name)
    }
}

impl Beginning {
    /// Gathers what is said of a run; the file's inode is known once there is a file.
    pub fn of(clock: &Clock, request: &CommandRequest, run: &Run, ground: &Ground<'_>) -> Self {
        let bytes = |path: &Path| path.as_os_str().as_bytes().to_vec();
        let words = |words: &[OsString]| words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let end = NodeId::new(clock.now()).as_u128();
        Beginning {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            run: run.id.hex(),
            segment: format!("{:032x}", run.segment),
            end: format!("{end:032x}"),
            inode: 0,
            machine: Machine::this(),
            behind_us: FileClock::now(clock).behind_us,
            started_ns: ground.started_ns,
            asked: Asked {
                inputs: words(&request.inputs),
                outputs: words(&request.outputs),
                metrics: request.metrics.as_deref().map(bytes),
                folder: bytes(&request.folder),
                variables: environment::variables(&request.environment).into_iter().collect(),
                home: ground.home.as_deref().map(bytes),
                with_arguments: request.with_arguments,
                copy: request.copy.as_ref().map(|copy| (bytes(&copy.root), copy.name.clone())),
                copied: request
                    .copy
                    .iter()
                    .flat_map(|copy| &copy.others)
                    .map(|tree| (bytes(&tree.there), bytes(&tree.copy)))
                    .collect(),
                streams: ground.streams.iter().map(|path| bytes(path)).collect(),
            },
        }
    }

    /// Returns where the command runs, to which `root` is the workspace's root.
    pub fn ground<'a>(&self, root: &'a Path, request: &CommandRequest) -> Ground<'a> {
        Ground {
            root,
            home: home(&request.environment),
            rules: IgnoreRules::of(root),
            streams: self.asked.streams().collect(),
            started_ns: self.started_ns,
        }
    }

    /// Returns the segment that the run's writer holds.
    pub fn segment(&self) -> Option<u128> {
        u128::from_str_radix(&self.segment, 16).ok()
    }

    /// Returns the segment that the run's end will be in.
    pub fn end(&self) -> Option<u128> {
        u128::from_str_radix(&self.end, 16).ok()
    }
}

impl Asked {
    /// Makes the request anew, as far as a record of it needs it.
    pub fn request(&self, run: &Run) -> CommandRequest {
        let words = |words: &[Vec<u8>]| words.iter().map(|word| OsString::from_vec(word.clone())).collect();
        let home = self.home.iter().map(|home| ("HOME".into(), OsString::from_vec(home.clone())));
        let variables = self.variables.iter().map(|(name, value)| (name.into(), value.into()));
        CommandRequest {
            arguments: run.arguments.iter().map(OsString::from).collect(),
            name: Some(run.name.clone()),
            parameters: run.parameters.clone(),
            inputs: words(&self.inputs),
            outputs: words(&self.outputs),
            metrics: self.metrics.clone().map(path_of),
            folder: path_of(self.folder.clone()),
            environment: home.chain(variables).collect(),
            allow_io_uring: false,
            with_arguments: self.with_arguments,
            parent: run.parent,
            rerun_of: run.rerun_of,
            streams: None,
            copy: self.copy.as_ref().map(|(root, name)| WorkspaceCopy {
                root: path_of(root.clone()),
                name: name.clone(),
                others: self
                    .copied
                    .iter()
                    .cloned()
                    .map(|(there, copy)| CopiedTree { there: path_of(there), copy: path_of(copy) })
                    .collect(),
            }),
            host: run.host.clone(),
        }
    }

    /// Returns true where the command runs in a copy that stands for the workspace.
    pub fn is_in_copy(&self) -> bool {
        self.copy.is_some()
    }

    /// Returns what the streams of the run's writer led to.
    pub fn streams(&self) -> impl Iterator<Item = PathBuf> {
        self.streams.iter().cloned().map(path_of)
    }
}

fn path_of(bytes: Vec<u8>) -> PathBuf {
    OsString::from_vec(bytes).into()
}

/// Returns the files of runs that are under way, or broke off.
pub fn files(workspace: &Workspace) -> Vec<PathBuf> {
    let folder = folder(workspace);
    let Ok(entries) = std::fs::read_dir(&folder) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|ending| ending == ENDING)).collect();
    files.sort();
    files
}

/// Returns the folder of these files, which is there only while one of them is.
pub fn folder(workspace: &Workspace) -> PathBuf {
    workspace.folder().join("under_way")
}

/// Returns the file of a run.
fn file(workspace: &Workspace, run: NodeId) -> PathBuf {
    folder(workspace).join(run.hex()).with_extension(ENDING)
}

/// Who has locked the file of a run.
pub enum Held {
    /// Nobody else does as long as this is open; `None` where there is no such file.
    Ours(Option<LockFile>),
    /// Somebody else, who takes the run over.
    ByOthers,
}

/// Locks the file of a run, if nobody else has.
///
/// # Errors
/// As the system gives them.
pub fn hold(workspace: &Workspace, run: NodeId) -> io::Result<Held> {
    let lock = match LockFile::open(&file(workspace, run)) {
        Ok(lock) => lock,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Held::Ours(None)),
        Err(cause) => return Err(cause),
    };
    Ok(match lock.try_lock()? {
        Locked::Ours => Held::Ours(Some(lock)),
        Locked::ByOthers => Held::ByOthers,
        // Whoever took the run over is through.
        Locked::Replaced => Held::Ours(None),
    })
}

/// Removes such a file, and the folder with the last of them.
///
/// # Errors
/// As the system gives them for the file.
pub fn remove(disk: &Disk, file: &Path) -> io::Result<()> {
    disk.remove(file)?;
    // Where another run has its own there, the folder stays.
    let _ = disk.remove_folder(file.parent().unwrap_or(file));
    Ok(())
}

/// Makes such a file, and the folder, which others may remove as long as it is empty.
fn create(
    disk: &Disk,
    file: &Path,
    begin: &mut dyn FnMut(&mut DiskFile) -> io::Result<()>,
) -> io::Result<DiskFile> {
    let folder = file.parent().unwrap_or(file);
    let mut tries = 0;
    loop {
        tries += 1;
        let made = disk.create_folders(folder).and_then(|()| disk.create_prepared(file, &mut *begin));
        match made {
            // It was removed after it was made, or found there and gone the next moment.
            Err(cause)
                if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists)
                    && tries < TRIES_MAX => {}
            Err(cause) => {
                let _ = disk.remove_folder(folder);
                return Err(cause);
            }
            made => return made,
        }
    }
}

/// Takes checkpoints, and has a thread of its own write them down, which is started with the first.
pub struct UnderWay {
    path: PathBuf,
    disk: Disk,
    beginning: Beginning,
    /// Checkpoints for which there could be no thread: those that come later make no sense without them.
    waiting: RefCell<Vec<Checkpoint>>,
    writing: RefCell<Option<Writing>>,
}

/// What has become known, and what must be on the disk before it may be.
struct Checkpoint {
    bytes: Vec<u8>,
    behind: Option<Settled>,
}

struct Writing {
    checkpoints: Sender<Checkpoint>,
    is_busy: Arc<AtomicBool>,
    thread: JoinHandle<Option<Unwritten>>,
}

/// What was written down of a run while it went on.
pub struct Written {
    /// The file.
    pub file: PathBuf,
    /// The segment for the end of the run.
    pub end: u128,
    /// The longest time for which nothing was, where that is worth a remark.
    pub unwritten: Option<Unwritten>,
}

/// A time in which a kill would have lost what was seen.
#[derive(Debug)]
pub struct Unwritten {
    lasted: Duration,
    cause: io::Error,
}

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unwritten { lasted, cause } = self;
        write!(f, "for {} s what was seen was not written down while it ran: {cause}", lasted.as_secs())
    }
}

impl UnderWay {
    /// Names the file for a run; there is none before the first checkpoint.
    pub fn new(workspace: &Workspace, run: &Run, beginning: Beginning) -> Self {
        UnderWay {
            path: file(workspace, run.id),
            disk: workspace.disk().clone(),
            beginning,
            waiting: RefCell::default(),
            writing: RefCell::new(None),
        }
    }

    /// Tells whether the last checkpoint has been written, so that no two are held in memory. One that the disk does not take is
    /// tried until it does; what is seen meanwhile comes with the next.
    pub fn is_ready(&self) -> bool {
        self.writing.borrow().as_ref().is_none_or(|writing| !writing.is_busy.load(Ordering::Acquire))
    }

    /// Hands a checkpoint to whoever writes it down, once what it must not come before is settled.
    pub fn take(&self, bytes: Vec<u8>, behind: Option<Settled>) {
        let mut waiting = self.waiting.borrow_mut();
        waiting.push(Checkpoint { bytes, behind });
        let mut writing = self.writing.borrow_mut();
        if writing.is_none() {
            *writing = self.start().ok();
        }
        if let Some(writing) = &*writing {
            writing.is_busy.store(true, Ordering::Release);
            for checkpoint in waiting.drain(..) {
                // Somebody listens as long as this can be sent.
                let _ = writing.checkpoints.send(checkpoint);
            }
        }
    }

    fn start(&self) -> io::Result<Writing> {
        let (checkpoints, taken) = channel();
        let is_busy = Arc::new(AtomicBool::new(false));
        let file = WayFile::new(&self.path, &self.disk, self.beginning.clone());
        let busy = Arc::clone(&is_busy);
        let thread = std::thread::Builder::new().spawn(move || write(file, &taken, &busy))?;
        Ok(Writing { checkpoints, is_busy, thread })
    }

    /// Waits for what is still to be written; returns what came of it, if anything was to be written down.
    pub fn end(self) -> Option<Written> {
        let Writing { checkpoints, thread, .. } = self.writing.into_inner()?;
        drop(checkpoints);
        let unwritten = thread.join().ok().flatten().filter(|unwritten| unwritten.lasted >= SILENT_MAX);
        Some(Written { file: self.path, end: self.beginning.end()?, unwritten })
    }
}

/// Writes checkpoints down as they come, and tries each until the disk takes it: what comes later would make no sense without it.
/// Returns the longest time for which it did not.
fn write(mut file: WayFile, checkpoints: &Receiver<Checkpoint>, is_busy: &AtomicBool) -> Option<Unwritten> {
    let mut due = VecDeque::new();
    let (mut longest, mut since, mut has_ended) = (None::<Unwritten>, None, false);
    loop {
        let Some(checkpoint) = due.front_mut() else {
            is_busy.store(false, Ordering::Release);
            match checkpoints.recv() {
                Ok(checkpoint) => due.push_back(checkpoint),
                Err(_) => return longest,
            }
            continue;
        };
        if let Some(behind) = checkpoint.behind.take() {
            behind.wait();
        }
        let Err(cause) = file.add(&checkpoint.bytes) else {
            since = None;
            due.pop_front();
            continue;
        };
        let lasted = since.get_or_insert_with(Instant::now).elapsed();
        if longest.as_ref().is_none_or(|longest| lasted >= longest.lasted) {
            longest = Some(Unwritten { lasted, cause });
        }
        if has_ended {
            return longest;
        }
        match checkpoints.recv_timeout(APART) {
            Ok(checkpoint) => due.push_back(checkpoint),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => has_ended = true,
        }
    }
}

/// The file, as it is written.
struct WayFile {
    path: PathBuf,
    disk: Disk,
    beginning: Beginning,
    file: Option<DiskFile>,
    /// How many bytes of it are its beginning and whole checkpoints.
    whole: u64,
    /// Whether there may be others behind them.
    is_ragged: bool,
    is_placed: bool,
}

impl WayFile {
    fn new(path: &Path, disk: &Disk, beginning: Beginning) -> Self {
        let (path, disk) = (path.to_owned(), disk.clone());
        WayFile { path, disk, beginning, file: None, whole: 0, is_ragged: false, is_placed: false }
    }

    /// Adds a checkpoint so that it survives a power cut; makes the file where there is none yet.
    fn add(&mut self, checkpoint: &[u8]) -> io::Result<()> {
        let length = u32::try_from(checkpoint.len()).map_err(io::Error::other)?.to_le_bytes();
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let mut begin = |file: &mut DiskFile| {
                    // Arguments of programs stand in it that never come into the record so.
                    file.file().set_permissions(Permissions::from_mode(0o600))?;
                    self.beginning.inode = file.file().metadata()?.ino();
                    let mut line = serde_json::to_vec(&self.beginning).map_err(io::Error::other)?;
                    line.push(b'\n');
                    file.append(&line)?;
                    // A power cut must not leave a name without it.
                    file.sync()
                };
                let file = none.insert(create(&self.disk, &self.path, &mut begin)?);
                self.whole = file.length();
                file
            }
        };
        if self.is_ragged {
            file.truncate(self.whole)?;
            self.is_ragged = false;
        }
        let added = file.append(&[&length[..], &checksum(checkpoint), checkpoint].concat());
        if let Err(cause) = added.and_then(|()| file.sync()) {
            // Half a checkpoint hides what comes behind it; what cannot be cut off now is cut off before more is added.
            self.is_ragged = file.truncate(self.whole).is_err();
            return Err(cause);
        }
        self.whole = file.length();
        if !self.is_placed {
            self.is_placed = file.sync_entry().is_ok();
        }
        Ok(())
    }
}

fn checksum(checkpoint: &[u8]) -> [u8; 8] {
    let mut front = [0; 8];
    front.copy_from_slice(&Digest::of(checkpoint).as_bytes()[..8]);
    front
}

/// A file as it is read back.
pub struct Kept {
    /// What stands at its beginning.
    pub beginning: Beginning,
    bytes: Vec<u8>,
    /// Where the checkpoints begin.
    start: usize,
}

/// Why a file cannot be read back.
#[derive(Debug)]
pub enum Unreadable {
    /// Another version of the program wrote it: this one.
    Another(String),
    /// It is damaged, or cannot be read at all.
    Damaged(io::Error),
}

impl Kept {
    /// Reads what stands at the beginning of a file.
    pub fn beginning(file: &mut impl Read) -> Result<Beginning, Unreadable> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
            program: String,
        }
        let damaged = Unreadable::Damaged;
        let mut line = Vec::new();
        let mut front = BufReader::new(file.take(LINE_MAX_BYTES));
        front.read_until(b'\n', &mut line).map_err(damaged)?;
        if line.pop() != Some(b'\n') {
            return Err(damaged(io::ErrorKind::InvalidData.into()));
        }
        let invalid = |cause: serde_json::Error| damaged(io::Error::new(io::ErrorKind::InvalidData, cause));
        let version: Version = serde_json::from_slice(&line).map_err(invalid)?;
        if version.format != FORMAT {
            return Err(Unreadable::Another(version.program));
        }
        serde_json::from_slice(&line).map_err(invalid)
    }

    /// Reads the whole of a file, wherever in it somebody has read up to.
    pub fn read(file: &mut (impl Read + Seek)) -> Result<Self, Unreadable> {
        file.rewind().map_err(Unreadable::Damaged)?;
        let beginning = Kept::beginning(file)?;
        let mut bytes = Vec::new();
        file.rewind().and_then(|()| file.read_to_end(&mut bytes)).map_err(Unreadable::Damaged)?;
        let start = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1);
        Ok(Kept { beginning, bytes, start })
    }

    /// Returns true where `word` stands somewhere in it, be it in the middle of another.
    pub fn names(&self, word: &[u8]) -> bool {
        memmem::find(&self.bytes[self.start..], word).is_some()
    }

    /// Returns the checkpoints, up to the first that is not whole.
    pub fn checkpoints(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.bytes[self.start..];
        std::iter::from_fn(move || {
            let (front, behind) = rest.split_at_checked(FRONT_BYTES)?;
            let length = u32::from_le_bytes(front[..4].try_into().ok()?) as usize;
            let (checkpoint, behind) = behind.split_at_checked(length)?;
            rest = behind;
            (checksum(checkpoint) == front[4..]).then_some(checkpoint)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::disk::tests::{FailOnce, Full};
    use crate::disk::{Faults, Operation};
    use crate::model::{RunKind, Timestamp};

    /// Writes `checkpoints` down on a disk with `faults`, `meanwhile` something happens, and returns what is read back.
    fn written(faults: Arc<dyn Faults>, checkpoints: &[&[u8]], meanwhile: &dyn Fn()) -> Vec<Vec<u8>> {
        let place = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(place.path(), Disk::with_faults(faults));
        let id = NodeId::from_u128(7);
        let label = "20251212_174218".parse().unwrap();
        let run = Run::new(id, label, "sh".to_owned(), RunKind::Command, Timestamp::from_micros(0), 8);
        let beginning = Beginning {
            format: FORMAT,
            program: String::new(),
            run: run.id.hex(),
            segment: format!("{:032x}", 8),
            end: format!("{:032x}", 9),
            inode: 0,
            machine: Machine::this(),
            behind_us: 0,
            started_ns: 0,
            asked: Asked {
                inputs: Vec::new(),
                outputs: Vec::new(),
                metrics: None,
                folder: Vec::new(),
                variables: Vec::new(),
                home: None,
                with_arguments: true,
                copy: None,
                copied: Vec::new(),
                streams: Vec::new(),
            },
        };
        let under_way = UnderWay::new(&workspace, &run, beginning);
        for checkpoint in checkpoints {
            under_way.take(checkpoint.to_vec(), None);
        }
        meanwhile();
        let file = under_way.end().unwrap().file;
        let kept = Kept::read(&mut File::open(&file).unwrap()).unwrap();
        assert_eq!(kept.beginning.inode, std::fs::metadata(&file).unwrap().ino());
        kept.checkpoints().map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn what_the_disk_does_not_take_is_written_down_when_it_does() {
        let checkpoints: [&[u8]; 3] = [&[1; 100], &[2; 100], &[3; 100]];
        // No room for the file, for its beginning alone, for the first checkpoint and a part of the second.
        for room in [0, 400, 700] {
            let full = Full::with_room(room);
            let read = written(full.clone(), &checkpoints, &|| full.give(1 << 20));
            assert_eq!(read, checkpoints, "{room}");
        }
    }

    #[test]
    fn whatever_fails_once_is_done_again() {
        let checkpoints: [&[u8]; 3] = [b"one", b"two", b"three"];
        let wanted: [fn(Operation) -> bool; 3] = [
            |operation| operation == Operation::Create,
            |operation| matches!(operation, Operation::Append(_)),
            |operation| operation == Operation::Sync,
        ];
        for (wanted, number) in wanted.into_iter().flat_map(|wanted| [0, 1, 2].map(|n| (wanted, n))) {
            let read = written(FailOnce::at(number, wanted), &checkpoints, &|| {});
            assert_eq!(read, checkpoints, "{number}");
        }
    }

    #[test]
    fn what_cannot_be_cut_off_is_cut_off_before_more_is_added() {
        /// Takes the first bytes of the third append alone, and does not cut them off at once.
        struct Ragged(std::sync::Mutex<(u32, u32)>);
        impl Faults for Ragged {
            fn before(&self, operation: Operation, _: &Path, _: Option<&Path>) -> io::Result<usize> {
                let mut counts = self.0.lock().unwrap();
                match operation {
                    Operation::Append(_) => counts.0 += 1,
                    Operation::Truncate => counts.1 += 1,
                    _ => return Ok(usize::MAX),
                }
                match (operation, *counts) {
                    (Operation::Append(_), (3, _)) => Ok(5),
                    (Operation::Truncate, (_, 1)) => Err(io::ErrorKind::PermissionDenied.into()),
                    _ => Ok(usize::MAX),
                }
            }
        }
        let checkpoints: [&[u8]; 3] = [b"one", b"two", b"three"];
        let read = written(Arc::new(Ragged(Default::default())), &checkpoints, &|| {});
        assert_eq!(read, checkpoints);
    }

    #[test]
    fn runs_that_begin_and_end_at_the_same_time_share_the_folder() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("under_way");
        std::thread::scope(|scope| {
            for run in ["a", "b", "c"] {
                let file = folder.join(run);
                scope.spawn(move || {
                    for _ in 0..30 {
                        let made = create(&Disk::new(), &file, &mut |file| file.append(b"x"));
                        made.unwrap_or_else(|cause| panic!("{run}: {cause}"));
                        assert_eq!(std::fs::read(&file).unwrap(), b"x");
                        remove(&Disk::new(), &file).unwrap();
                    }
                });
            }
        });
        assert!(!folder.exists());
    }
}
