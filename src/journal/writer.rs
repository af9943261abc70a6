//! Writing one segment.

use std::path::Path;

use crate::disk::{Disk, DiskFile};
use crate::error::{Error, Result};
use crate::journal::codec;
use crate::journal::frame::{HEADER_BYTES, Header, PAYLOAD_MAX_BYTES, write_frame};
use crate::journal::segments;
use crate::model::Fact;

/// Bytes that are gathered before they are written without being asked.
const BUFFER_BYTES: usize = 1 << 20;

/// Appends facts to a segment of its own. The segment's file is locked as long as the writer lives, which is how others
/// tell a writer that works from one that died.
pub struct Writer {
    file: DiskFile,
    segment: u128,
    buffer: Vec<u8>,
}

impl Writer {
    /// Begins the segment `segment` in the journal at `folder`.
    ///
    /// # Errors
    /// A store error where the file cannot be made.
    pub fn create(disk: &Disk, folder: &Path, segment: u128) -> Result<Self> {
        let path = folder.join(segments::file_name(segment));
        let failed = |cause| {
            Error::store(format!("cannot begin journal segment `{}`", path.display()))
                .because(cause)
                .hint("nothing was recorded, and nothing was changed")
        };
        disk.create_folders(folder).map_err(failed)?;
        let mut file = disk.create_new(&path).map_err(failed)?;
        // Without locks (some network file systems) the writer still works; others then take it for alive, which is safe.
        let _ = file.file().try_lock();
        let header = Header { segment, program: program_version() }.to_bytes();
        if let Err(cause) = file.append(&header) {
            // No whole header, no segment: nobody misses it.
            let _ = disk.remove(&path);
            return Err(failed(cause));
        }
        disk.sync_folder(folder).map_err(failed)?;
        Ok(Writer { file, segment, buffer: Vec::with_capacity(4096) })
    }

    /// Returns the segment's id.
    pub fn segment(&self) -> u128 {
        self.segment
    }

    /// Adds a fact; it counts when [`Writer::commit`] has returned.
    ///
    /// # Errors
    /// A store error where the fact is too long or the file cannot be written.
    pub fn append(&mut self, fact: &Fact) -> Result<()> {
        let (kind, version, payload) = codec::encode_parts(fact)?;
        if payload.len() > PAYLOAD_MAX_BYTES {
            return Err(Error::store(format!(
                "a record of {} bytes is longer than a journal takes ({PAYLOAD_MAX_BYTES})",
                payload.len()
            )));
        }
        let offset = self.file.length() + self.buffer.len() as u64;
        write_frame(&mut self.buffer, self.segment, offset, kind, version, &payload);
        if self.buffer.len() >= BUFFER_BYTES { self.write_out() } else { Ok(()) }
    }

    /// Forces all facts added so far to the disk: after this they survive a crash.
    ///
    /// # Errors
    /// A store error where the disk does not take them; facts committed before are not harmed, and the same facts are tried
    /// again at the next commit.
    pub fn commit(&mut self) -> Result<()> {
        self.write_out()?;
        self.file.sync().map_err(|cause| self.failed(cause))
    }

    fn write_out(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let before = self.file.length();
        if let Err(cause) = self.file.append(&self.buffer) {
            // A half frame in the middle would hide what comes after it, so the file is cut back to its last whole frame.
            let _ = self.file.truncate(before);
            return Err(self.failed(cause));
        }
        self.buffer.clear();
        Ok(())
    }

    fn failed(&self, cause: std::io::Error) -> Error {
        Error::store(format!("cannot write journal segment `{}`", self.file.path().display()))
            .because(cause)
            .hint("what was recorded before is not harmed")
    }

    /// Returns how many bytes the segment has on disk.
    pub fn length(&self) -> u64 {
        self.file.length().max(HEADER_BYTES as u64)
    }
}

fn program_version() -> (u16, u16, u16) {
    let number = |text: &str| text.parse().unwrap_or(0);
    (
        number(env!("CARGO_PKG_VERSION_MAJOR")),
        number(env!("CARGO_PKG_VERSION_MINOR")),
        number(env!("CARGO_PKG_VERSION_PATCH")),
    )
}
