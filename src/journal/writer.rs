//! Writing one segment.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::disk::{Disk, DiskFile};
use crate::error::{Error, Result};
use crate::journal::codec;
use crate::journal::frame::{FRAME_OVERHEAD_BYTES, Header, PAYLOAD_MAX_BYTES, write_frame};
use crate::journal::parts::parts;
use crate::journal::segments;
use crate::model::{Fact, Timestamp};

/// Bytes that are gathered before they are written without being asked.
const BUFFER_BYTES: usize = 1 << 20;
/// Bytes not yet forced to the disk that are held in memory before they are forced without being asked.
const UNSYNCED_MAX_BYTES: usize = 16 << 20;

/// As many points of metrics stand in one record, whatever their names.
const POINTS_MAX: usize = 100_000;

/// Appends facts to a segment of its own. The segment's file is locked as long as the writer lives, which is how others
/// tell a writer that works from one that died.
pub struct Writer {
    file: DiskFile,
    segment: u128,
    /// Header and whole frames that are not known to be on the disk; the file holds the first `written` bytes of them.
    ///
    /// They are kept until a sync has succeeded: after one that failed, the system may have dropped what it could not
    /// write and call the next sync a success, so everything since the last good one is written again.
    unsynced: Vec<u8>,
    written: usize,
    /// Bytes of the file that are on the disk.
    synced: u64,
    /// Where the file is to be seen once all is in it; `None` where it is seen already.
    hidden_until_whole: Option<PathBuf>,
    /// Whether the folder's entry for the file is on the disk.
    placed: bool,
    /// Whether the file may hold bytes past `synced + written`, to be cut off before anything is written.
    ragged: bool,
    /// How many syncs have failed: what a sync that began before one of them says is worth nothing.
    failures: u64,
    /// The sync points that are not settled: of each, whether forcing it to the disk was begun.
    outstanding: Vec<Arc<AtomicBool>>,
    /// Bytes of `unsynced` that were forced to the disk, and that are held until no sync point is outstanding.
    committed: usize,
}

/// What a writer has handed to the system and not yet forced to the disk, apart from the writer, which can go on meanwhile.
pub struct SyncPoint {
    file: DiskFile,
    end: u64,
    failures: u64,
    /// Whether forcing it to the disk was begun.
    begun: Arc<AtomicBool>,
}

impl SyncPoint {
    /// Forces it to the disk; [`Writer::settle`] takes what came of it.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn sync(&mut self) -> std::io::Result<()> {
        self.begun.store(true, Ordering::Release);
        self.file.sync()
    }
}

impl Writer {
    /// Begins the segment `segment` in the journal at `folder`.
    ///
    /// Others see the file only when it is locked and has its header, so that nobody takes it for a dead writer's.
    ///
    /// # Errors
    /// A store error where the file cannot be made.
    pub fn create(disk: &Disk, folder: &Path, segment: u128) -> Result<Self> {
        Writer::begin(disk, folder, segment, |path, header| {
            disk.create_prepared(path, |file| {
                // Without locks (some network file systems) the writer still works; others then take it for alive, which is
                // safe.
                let _ = file.file().try_lock();
                file.append(header)
            })
        })
    }

    /// Begins the segment `segment` as [`Writer::create`] does, but others see nothing of it until [`Writer::publish`]: it is
    /// there as a whole, or not at all.
    ///
    /// # Errors
    /// As [`Writer::create`].
    pub fn create_hidden(disk: &Disk, folder: &Path, segment: u128) -> Result<Self> {
        let mut writer = Writer::begin(disk, folder, segment, |path, header| {
            let mut file = disk.create_temporary(path)?;
            // As with any other, its lock says that it is not forgotten.
            let _ = file.file().try_lock();
            if let Err(cause) = file.append(header) {
                let _ = file.remove();
                return Err(cause);
            }
            Ok(file)
        })?;
        writer.hidden_until_whole = Some(folder.join(segments::file_name(segment)));
        Ok(writer)
    }

    fn begin(
        disk: &Disk,
        folder: &Path,
        segment: u128,
        make: impl FnOnce(&Path, &[u8]) -> std::io::Result<DiskFile>,
    ) -> Result<Self> {
        let path = folder.join(segments::file_name(segment));
        let failed = |cause| {
            Error::store(format!("cannot begin journal segment `{}`", path.display()))
                .because(cause)
                .hint("nothing was recorded, and nothing was changed")
        };
        if path.exists() {
            return Err(failed(std::io::ErrorKind::AlreadyExists.into()));
        }
        let header = Header { segment, program: program_version() }.to_bytes();
        disk.create_folders(folder).map_err(failed)?;
        let made = make(&path, &header);
        // That it is there is forced to the disk with the first facts: nothing counts before them.
        let file = made.map_err(failed)?;
        let mut unsynced = Vec::with_capacity(4096);
        unsynced.extend_from_slice(&header);
        Ok(Writer {
            file,
            segment,
            written: unsynced.len(),
            unsynced,
            synced: 0,
            hidden_until_whole: None,
            placed: false,
            ragged: false,
            failures: 0,
            outstanding: Vec::new(),
            committed: 0,
        })
    }

    /// Returns the segment's id.
    pub fn segment(&self) -> u128 {
        self.segment
    }

    /// Adds a fact; it counts when [`Writer::commit`] has returned. A step of more files than a record takes is added as several
    /// that say the same, and so are points of metrics.
    ///
    /// # Errors
    /// A store error where the fact is too long: it is not added. A store error where the file cannot be written: it is
    /// added, and tried again at the next commit.
    pub fn append(&mut self, fact: &Fact) -> Result<()> {
        let parts: Vec<Fact> = match fact {
            Fact::StepDone(step) => parts(step).into_iter().flatten().map(Fact::StepDone).collect(),
            Fact::Metrics(points) if points.len() > POINTS_MAX => {
                points.chunks(POINTS_MAX).map(|points| Fact::Metrics(points.to_vec())).collect()
            }
            _ => Vec::new(),
        };
        if parts.is_empty() {
            return self.append_whole(fact);
        }
        // After an error the others are added nevertheless, as it is itself.
        let added = parts.iter().map(|part| self.append_whole(part));
        added.collect::<Vec<_>>().into_iter().collect()
    }

    fn append_whole(&mut self, fact: &Fact) -> Result<()> {
        let (kind, version, payload) = codec::encode_parts(fact)?;
        self.append_record(kind, version, &payload)
    }

    /// Adds a fact that was encoded before, as [`Writer::append`] does.
    ///
    /// # Errors
    /// As [`Writer::append`].
    pub(crate) fn append_record(&mut self, kind: u8, version: u8, payload: &[u8]) -> Result<()> {
        if payload.len() > PAYLOAD_MAX_BYTES {
            return Err(Error::store(format!(
                "a record of {} bytes is longer than a journal takes ({PAYLOAD_MAX_BYTES})",
                payload.len()
            ))
            .hint("what was recorded before is not harmed"));
        }
        let offset = self.synced + self.unsynced.len() as u64;
        self.unsynced.reserve(payload.len() + FRAME_OVERHEAD_BYTES);
        write_frame(&mut self.unsynced, self.segment, offset, kind, version, payload);
        if self.unsynced.len() - self.committed >= UNSYNCED_MAX_BYTES {
            self.commit()
        } else if self.unsynced.len() - self.written >= BUFFER_BYTES {
            self.write_out()
        } else {
            Ok(())
        }
    }

    /// Forces all facts added so far to the disk: after this they survive a crash.
    ///
    /// As long as a sync point is not settled nothing is forgotten: it may be the one that is told of an error, and then all is
    /// written again.
    ///
    /// # Errors
    /// A store error where the disk does not take them; facts committed before are not harmed, and the same facts are tried
    /// again at the next commit.
    pub fn commit(&mut self) -> Result<()> {
        self.doubt_given_up();
        self.write_out()?;
        if let Err(cause) = self.file.sync() {
            return Err(self.sync_failed(cause));
        }
        self.forced(self.written);
        self.place()
    }

    /// Notes that the first `end` bytes of `unsynced` are on the disk.
    fn forced(&mut self, end: usize) {
        self.committed = self.committed.max(end);
        if self.outstanding.is_empty() {
            let end = std::mem::take(&mut self.committed);
            self.unsynced.drain(..end);
            self.written -= end;
            self.synced += end as u64;
        }
    }

    /// Has all written again where a sync point was begun and never settled: what came of it nobody knows.
    fn doubt_given_up(&mut self) {
        let mut is_doubtful = false;
        // A point that is gone has left its mark to the writer alone.
        self.outstanding.retain_mut(|begun| match Arc::get_mut(begun) {
            Some(begun) => {
                is_doubtful |= *begun.get_mut();
                false
            }
            None => true,
        });
        if is_doubtful {
            self.write_again();
        }
    }

    /// Forces the folder's entry for the file to the disk, if that was not done before.
    fn place(&mut self) -> Result<()> {
        if !self.placed && self.hidden_until_whole.is_none() {
            self.file.sync_entry().map_err(|cause| self.failed(cause))?;
            self.placed = true;
        }
        Ok(())
    }

    /// Forces all facts added so far to the disk, and shows the segment to others if it was hidden.
    ///
    /// # Errors
    /// As [`Writer::commit`]; a hidden segment stays hidden then.
    pub fn publish(&mut self) -> Result<()> {
        self.commit()?;
        if let Some(path) = self.hidden_until_whole.take() {
            if let Err(cause) = self.file.move_to(&path) {
                let failed = self.failed(cause);
                self.hidden_until_whole = Some(path);
                return Err(failed);
            }
            self.place()?;
        }
        Ok(())
    }

    /// Hands all facts added so far to the system: others see them, and they survive the end of this process, but not yet a
    /// power cut.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub fn hand_over(&mut self) -> Result<()> {
        self.write_out()
    }

    /// Begins a commit of all facts added so far that others do the waiting of: [`SyncPoint::sync`] needs no writer.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub fn sync_point(&mut self) -> Result<SyncPoint> {
        self.doubt_given_up();
        self.write_out()?;
        let file = self.file.again().map_err(|cause| self.failed(cause))?;
        let begun = Arc::new(AtomicBool::new(false));
        self.outstanding.push(Arc::clone(&begun));
        Ok(SyncPoint { file, end: self.length(), failures: self.failures, begun })
    }

    /// Ends a commit that [`Writer::sync_point`] began: on return, the facts added before that survive a crash.
    ///
    /// # Errors
    /// As [`Writer::commit`].
    pub fn settle(&mut self, point: &SyncPoint, outcome: std::io::Result<()>) -> Result<()> {
        self.outstanding.retain(|begun| !Arc::ptr_eq(begun, &point.begun));
        if let Err(cause) = outcome {
            return Err(self.sync_failed(cause));
        }
        if point.failures != self.failures {
            // Cut off and written again meanwhile, perhaps after the sync.
            return Err(self.failed(std::io::ErrorKind::Interrupted.into()));
        }
        self.forced(point.end.saturating_sub(self.synced) as usize);
        self.place()
    }

    /// Returns how many bytes are held in memory since they are not known to be on the disk.
    pub fn unsynced_bytes(&self) -> usize {
        self.unsynced.len()
    }

    fn sync_failed(&mut self, cause: std::io::Error) -> Error {
        self.write_again();
        self.failed(cause)
    }

    /// Has everything since the last bytes that are known to be on the disk cut off and written again.
    fn write_again(&mut self) {
        self.written = 0;
        self.committed = 0;
        self.ragged = true;
        self.failures += 1;
    }

    fn write_out(&mut self) -> Result<()> {
        if self.ragged {
            // A half frame would hide what comes after it, so the file is cut back to its last whole frame first.
            let whole = self.synced + self.written as u64;
            self.file.truncate(whole).map_err(|cause| self.failed(cause))?;
            self.ragged = false;
        }
        if self.written == self.unsynced.len() {
            return Ok(());
        }
        if let Err(cause) = self.file.append(&self.unsynced[self.written..]) {
            // Better now than later, since a reader may come by; what fails here is tried again before the next write.
            let whole = self.synced + self.written as u64;
            self.ragged = self.file.truncate(whole).is_err();
            return Err(self.failed(cause));
        }
        self.written = self.unsynced.len();
        Ok(())
    }

    /// Says by the time of the file that what is in it is as late as `at`, for those who look at files alone. Where the system
    /// does not take that, they think it earlier.
    pub fn date(&self, at: Timestamp) {
        let since = std::time::Duration::from_micros(u64::try_from(at.micros()).unwrap_or(0));
        let _ = self.file.file().set_modified(std::time::UNIX_EPOCH + since);
    }

    fn failed(&self, cause: std::io::Error) -> Error {
        Error::store(format!("cannot write journal segment `{}`", self.file.path().display()))
            .because(cause)
            .hint("what was recorded before is not harmed")
    }

    /// Returns how many bytes the segment has on disk, at the least.
    pub fn length(&self) -> u64 {
        self.synced + self.written as u64
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.hidden_until_whole.is_some() {
            // Nobody will ever see it, and a disk may be short of just this room.
            let _ = self.file.remove();
        }
    }
}

/// Returns the version of this program.
pub(crate) fn program_version() -> (u16, u16, u16) {
    let number = |text: &str| text.parse().unwrap_or(0);
    (
        number(env!("CARGO_PKG_VERSION_MAJOR")),
        number(env!("CARGO_PKG_VERSION_MINOR")),
        number(env!("CARGO_PKG_VERSION_PATCH")),
    )
}
