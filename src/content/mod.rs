//! Kept bytes, addressed by digest, compressed, verified on every read.
//!
//! ```text
//! objects/ab/cdef…    magic "LINEAGEO" | format:u8 | codec:u8 | size:u64 little-endian | body
//! ```
//! The name is the BLAKE3 digest of the bytes as they were given, not as they are stored. Codec 0 keeps them as they are,
//! codec 1 is one zstd frame. Codec 2 keeps them as they are from byte 4096 on, so that a file system that can lets them share
//! their place on the disk with the file they came from, and with the one they are restored to.

use std::cell::RefCell;
use std::fs;
use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use crate::disk::{Disk, SHARED_ALIGNMENT, Staged, Together};
use crate::error::{Error, Result};
use crate::model::Digest;

const MAGIC: &[u8; 8] = b"LINEAGEO";
const FORMAT: u8 = 1;
const CODEC_PLAIN: u8 = 0;
const CODEC_ZSTD: u8 = 1;
/// The body begins at [`SHARED_ALIGNMENT`].
const CODEC_SHARED: u8 = 2;
const HEADER_BYTES: usize = 18;
/// Smaller files are compressed rather than shared: a shared one costs a block more, and is not compressed.
pub const SHARED_MIN_BYTES: u64 = 1 << 20;
/// The level of compression: 1 packs text to a fifth at several hundred megabytes a second and core.
const ZSTD_LEVEL: i32 = 1;
/// Shorter contents are kept as they are.
const COMPRESS_MIN_BYTES: usize = 128;
/// No content of more bytes is kept or read back.
const CONTENT_MAX_BYTES: u64 = 16 << 30;

/// The kept contents of a workspace.
#[derive(Debug, Clone)]
pub struct Contents {
    disk: Disk,
    folder: PathBuf,
}

/// A content that is written and does not count yet.
#[derive(Debug)]
pub struct StagedContent {
    file: Staged,
    size_bytes: usize,
}

impl StagedContent {
    /// Returns its file, to be forced to the disk together with others.
    pub fn file(&mut self) -> &mut Staged {
        &mut self.file
    }
}

fn not_kept(size_bytes: usize, path: &Path, cause: io::Error) -> Error {
    Error::store(format!("cannot keep a content of {size_bytes} bytes at `{}`", path.display()))
        .because(cause)
        .hint("what was recorded before is not harmed")
}

/// What became of keeping a file by letting it share its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// It is kept; on return it survives a crash.
    Done,
    /// The file system cannot share these bytes: nothing was kept.
    Cannot,
    /// The file holds other bytes than were to be kept: nothing was kept.
    OtherBytes,
}

/// A kept content that is not what its name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: String,
}

impl Contents {
    /// Names the contents kept in `folder`.
    pub fn at(disk: Disk, folder: impl Into<PathBuf>) -> Self {
        Contents { disk, folder: folder.into() }
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.folder.join(&hex[..2]).join(&hex[2..])
    }

    /// Returns the file that a content of this digest is kept in, whether it is there or not.
    pub fn file(&self, digest: &Digest) -> PathBuf {
        self.path(digest)
    }

    /// Returns true where a content of this digest is kept; whether it is whole, only reading tells.
    pub fn holds(&self, digest: &Digest) -> bool {
        self.path(digest).is_file()
    }

    /// Keeps `bytes`; on return they survive a crash. What is kept already and whole is not written again.
    ///
    /// # Errors
    /// A store error where the disk does not take them; nothing else is harmed then.
    pub fn keep(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        self.keep_as(&digest, bytes)?;
        Ok(digest)
    }

    /// Keeps `bytes` whose digest the caller has computed already.
    ///
    /// # Errors
    /// As [`Contents::keep`].
    pub fn keep_as(&self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        let together = Together::new(&self.disk);
        match self.stage(&together, digest, bytes)? {
            Some(mut staged) => {
                together.sync(vec![staged.file()]);
                self.publish(&together, vec![staged]).into_iter().collect()
            }
            None => Ok(()),
        }
    }

    /// Writes `bytes`, compressed, so that they can be kept together with others: they are when their file was forced to the disk and
    /// [`Contents::publish`] has returned. `None` where they are kept already and whole.
    ///
    /// # Errors
    /// A store error where the disk does not take them; nothing else is harmed then.
    pub fn stage(&self, together: &Together, digest: &Digest, bytes: &[u8]) -> Result<Option<StagedContent>> {
        let path = self.path(digest);
        // A stored copy is never trusted unread: a damaged one is written again.
        if path.is_file() && self.read(digest).is_ok_and(|kept| kept.is_some()) {
            // Whoever lets old contents go must see that this one is wanted again.
            let _ = fs::File::open(&path).and_then(|file| file.set_modified(std::time::SystemTime::now()));
            return Ok(None);
        }
        let staged = encoded(bytes, |stored| together.stage(&path, stored));
        let file = staged.map_err(|cause| not_kept(bytes.len(), &path, cause))?;
        Ok(Some(StagedContent { file, size_bytes: bytes.len() }))
    }

    /// Gives contents whose files were forced to the disk their names; returns what became of each, in order. On return, those
    /// without an error survive a crash.
    pub fn publish(&self, together: &Together, staged: Vec<StagedContent>) -> Vec<Result<()>> {
        let publish = |StagedContent { file, size_bytes }: StagedContent| {
            let path = file.path().to_owned();
            match together.publish(file) {
                Ok(()) => Ok((path, size_bytes)),
                Err(cause) => Err(not_kept(size_bytes, &path, cause)),
            }
        };
        let published: Vec<Result<(PathBuf, usize)>> = staged.into_iter().map(publish).collect();
        let unsure = together.sync_folders();
        let results = published.into_iter().map(|published| {
            let (path, size_bytes) = published?;
            match unsure.iter().find(|(folder, _)| path.starts_with(folder)) {
                Some((_, cause)) => {
                    Err(not_kept(size_bytes, &path, io::Error::new(cause.kind(), cause.to_string())))
                }
                None => Ok(()),
            }
        });
        results.collect()
    }

    /// Keeps the bytes of an open file without copying them, where the file system can. What it holds then is read and held against
    /// `digest` before it counts.
    ///
    /// # Errors
    /// A store error where something went wrong other than that bytes cannot be shared; nothing else is harmed then.
    pub fn keep_shared(&self, digest: &Digest, source: &fs::File, size_bytes: u64) -> Result<Sharing> {
        let path = self.path(digest);
        let folder = path.parent().unwrap_or(&self.folder);
        let failed = |cause| not_kept(usize::try_from(size_bytes).unwrap_or(usize::MAX), &path, cause);
        self.disk.create_folders(folder).map_err(failed)?;
        let mut front = header(CODEC_SHARED, size_bytes);
        front.resize(SHARED_ALIGNMENT as usize, 0);
        let mut is_other = false;
        let kept = self.disk.replace_shared(&path, &front, source, 0, |file| {
            is_other = digest_from(file, SHARED_ALIGNMENT)? != (*digest, size_bytes);
            if is_other { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
        });
        match kept {
            Ok(true) => {
                self.disk.sync_folder(folder).map_err(failed)?;
                Ok(Sharing::Done)
            }
            Ok(false) => Ok(Sharing::Cannot),
            Err(_) if is_other => Ok(Sharing::OtherBytes),
            Err(cause) => Err(failed(cause)),
        }
    }

    /// Writes a kept content to `place` without copying it; false where it is not kept so, or the file system cannot: nothing was
    /// written then. What is written is read and held against `digest` before it takes its name. The caller forces the folder to
    /// the disk.
    ///
    /// # Errors
    /// As the system gives them; `InvalidData` where the kept copy is damaged.
    pub fn write_shared(&self, digest: &Digest, place: &Path) -> io::Result<bool> {
        let mut object = match fs::File::open(self.path(digest)) {
            Ok(object) => object,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(cause) => return Err(cause),
        };
        let mut front = [0; HEADER_BYTES];
        let is_shared = object.read_exact(&mut front).is_ok()
            && front[..8] == *MAGIC
            && (front[8], front[9]) == (FORMAT, CODEC_SHARED);
        if !is_shared {
            return Ok(false);
        }
        self.disk.replace_shared(place, &[], &object, SHARED_ALIGNMENT, |file| match digest_from(file, 0)? {
            (found, _) if found == *digest => Ok(()),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the kept copy is damaged")),
        })
    }

    /// Reads a kept content and checks it against its digest; `None` where it is not kept.
    ///
    /// # Errors
    /// A store error where the copy is damaged: it is never handed out.
    pub fn read(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        let path = self.path(digest);
        let stored = match fs::read(&path) {
            Ok(stored) => stored,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => {
                return Err(
                    Error::store(format!("cannot read the kept content `{}`", path.display())).because(cause)
                );
            }
        };
        let damaged = |fault: String| {
            Error::store(format!("the kept content `{}` is damaged", path.display()))
                .because(fault)
                .hint("it is not used; `lineage verify` lists all that is damaged")
        };
        let bytes = decode(&stored).map_err(damaged)?;
        if Digest::of(&bytes) != *digest {
            return Err(damaged("its bytes have another digest".to_owned()));
        }
        Ok(Some(bytes))
    }

    /// Lists the digests of all kept contents, and the files that are none.
    ///
    /// # Errors
    /// A store error where the folder cannot be read.
    pub fn list(&self) -> Result<(Vec<Digest>, Vec<PathBuf>)> {
        let (mut digests, mut strangers) = (Vec::new(), Vec::new());
        for folder in entries(&self.folder)? {
            if !folder.is_dir() {
                strangers.push(folder);
                continue;
            }
            for file in entries(&folder)? {
                match digest_of_path(&file) {
                    Some(digest) => digests.push(digest),
                    None => strangers.push(file),
                }
            }
        }
        digests.sort();
        strangers.sort();
        Ok((digests, strangers))
    }

    /// Reads every kept content, on all cores, and lists those that are damaged.
    ///
    /// # Errors
    /// A store error where the folder cannot be read.
    pub fn verify(&self) -> Result<(u64, Vec<Damage>)> {
        use rayon::prelude::*;
        let (digests, _) = self.list()?;
        let damage = digests.par_iter().filter_map(|digest| {
            let fault = match self.read(digest) {
                Ok(_) => return None,
                Err(error) => error.causes().first().cloned().unwrap_or_else(|| error.to_string()),
            };
            Some(Damage { path: self.path(digest), fault })
        });
        Ok((digests.len() as u64, damage.collect()))
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |cause| Error::store(format!("cannot read `{}`", folder.display())).because(cause);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(failed(cause)),
    };
    entries.map(|entry| Ok(entry.map_err(failed)?.path())).collect()
}

fn digest_of_path(path: &Path) -> Option<Digest> {
    let folder = path.parent()?.file_name()?.to_str()?;
    format!("blake3:{folder}{}", path.file_name()?.to_str()?).parse().ok()
}

/// What a thread compresses with; made once for all contents that it keeps.
struct Press {
    compressor: Option<zstd::bulk::Compressor<'static>>,
    /// Room for a content as it is stored; what is in it is of no matter.
    room: Vec<u8>,
}

/// No more room is held by a thread that compresses nothing just now.
const ROOM_MAX_BYTES: usize = 4 << 20;

thread_local! {
    static PRESS: RefCell<Press> = const { RefCell::new(Press { compressor: None, room: Vec::new() }) };
}

/// Hands bytes as they are stored to `take`.
fn encoded<T>(bytes: &[u8], take: impl FnOnce(&[u8]) -> T) -> T {
    PRESS.with_borrow_mut(|press| {
        let room = &mut press.room;
        room.resize(room.len().max(HEADER_BYTES + zstd::zstd_safe::compress_bound(bytes.len())), 0);
        let (header_room, body) = room.split_at_mut(HEADER_BYTES);
        let compressed = compress(&mut press.compressor, bytes, body).filter(|length| *length < bytes.len());
        let (codec, length) = match compressed {
            Some(length) => (CODEC_ZSTD, length),
            None => {
                body[..bytes.len()].copy_from_slice(bytes);
                (CODEC_PLAIN, bytes.len())
            }
        };
        header_room.copy_from_slice(&header(codec, bytes.len() as u64));
        let taken = take(&room[..HEADER_BYTES + length]);
        room.truncate(ROOM_MAX_BYTES);
        room.shrink_to(ROOM_MAX_BYTES);
        taken
    })
}

/// Compresses `bytes` into `room`; `None` where that is not worth while, or does not work.
fn compress(
    compressor: &mut Option<zstd::bulk::Compressor<'static>>,
    bytes: &[u8],
    room: &mut [u8],
) -> Option<usize> {
    if bytes.len() < COMPRESS_MIN_BYTES {
        return None;
    }
    if compressor.is_none() {
        *compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL).ok();
    }
    compressor.as_mut()?.compress_to_buffer(bytes, room).ok()
}

fn header(codec: u8, size_bytes: u64) -> Vec<u8> {
    [MAGIC.as_slice(), &[FORMAT, codec], &size_bytes.to_le_bytes()].concat()
}

/// Returns the digest of what a file holds from `offset` on, and how many bytes that are.
fn digest_from(mut file: &fs::File, offset: u64) -> io::Result<(Digest, u64)> {
    file.seek(io::SeekFrom::Start(offset))?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file)?;
    Ok((Digest::from_bytes(*hasher.finalize().as_bytes()), hasher.count()))
}

fn decode(stored: &[u8]) -> Result<Vec<u8>, String> {
    let (header, body) = stored.split_first_chunk::<HEADER_BYTES>().ok_or("it is cut off in its header")?;
    if &header[..8] != MAGIC {
        return Err("it does not begin as a kept content does".to_owned());
    }
    if header[8] != FORMAT {
        return Err(format!("its format {} is newer than this `lineage` knows", header[8]));
    }
    let mut size = [0; 8];
    size.copy_from_slice(&header[10..]);
    let size = u64::from_le_bytes(size);
    if size > CONTENT_MAX_BYTES {
        return Err(format!("it claims to hold {size} bytes"));
    }
    let mut bytes = Vec::new();
    match header[9] {
        CODEC_PLAIN => bytes.extend_from_slice(body),
        CODEC_SHARED => {
            let body = body.get(SHARED_ALIGNMENT as usize - HEADER_BYTES..);
            bytes.extend_from_slice(body.ok_or("it is cut off before its body")?);
        }
        CODEC_ZSTD => {
            // Read through a limit, so that a forged size cannot make us allocate more than the body really holds.
            let decoder = zstd::stream::read::Decoder::new(body).map_err(|cause| cause.to_string())?;
            decoder.take(size + 1).read_to_end(&mut bytes).map_err(|cause| cause.to_string())?;
        }
        other => return Err(format!("its codec {other} is not known")),
    }
    if bytes.len() as u64 != size {
        return Err(format!("it holds {} bytes instead of {size}", bytes.len()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::disk::tests::{Crash, Leaves};

    fn contents(folder: &Path) -> Contents {
        Contents::at(Disk::new(), folder.join("objects"))
    }

    proptest! {
        #[test]
        fn what_is_kept_is_read_back(bytes in proptest::collection::vec(any::<u8>(), 0..2000), times in 1usize..20) {
            let folder = tempfile::tempdir().unwrap();
            let contents = contents(folder.path());
            let bytes = bytes.repeat(times);
            let digest = contents.keep(&bytes).unwrap();
            prop_assert_eq!(contents.read(&digest).unwrap(), Some(bytes));
        }
    }

    /// Sees whether it was asked for shared bytes.
    #[derive(Default)]
    struct Asked(std::sync::atomic::AtomicBool);

    impl crate::disk::Faults for Asked {
        fn before(&self, operation: crate::disk::Operation, _: &Path, _: Option<&Path>) -> io::Result<usize> {
            if operation == crate::disk::Operation::Share {
                self.0.store(true, std::sync::atomic::Ordering::Relaxed);
            }
            Ok(usize::MAX)
        }
    }

    fn names_in(folder: &Path) -> Vec<PathBuf> {
        entries(folder).unwrap().iter().flat_map(|folder| entries(folder).unwrap()).collect()
    }

    #[test]
    fn a_file_is_shared_where_the_file_system_can_and_else_nothing_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let objects = folder.path().join("objects");
        let asked = std::sync::Arc::new(Asked::default());
        let contents = Contents::at(Disk::with_faults(asked.clone()), &objects);
        let bytes: Vec<u8> = (0..SHARED_MIN_BYTES + 77).map(|at| ((at * at) >> 7) as u8).collect();
        let (source, place) = (folder.path().join("source"), folder.path().join("back"));
        fs::write(&source, &bytes).unwrap();
        let file = fs::File::open(&source).unwrap();
        let digest = Digest::of(&bytes);
        let other = contents.keep_shared(&Digest::of(b"other"), &file, bytes.len() as u64).unwrap();
        assert!(asked.0.load(std::sync::atomic::Ordering::Relaxed), "the file system was asked");
        assert_eq!(names_in(&objects), Vec::<PathBuf>::new());
        match contents.keep_shared(&digest, &file, bytes.len() as u64).unwrap() {
            Sharing::Done => {
                assert_eq!(other, Sharing::OtherBytes);
                fs::write(&source, "changed").unwrap();
                assert_eq!(contents.read(&digest).unwrap().as_deref(), Some(bytes.as_slice()));
                assert!(contents.write_shared(&digest, &place).unwrap());
                assert_eq!(fs::read(&place).unwrap(), bytes);
            }
            answer => {
                assert_eq!((answer, other), (Sharing::Cannot, Sharing::Cannot));
                assert_eq!(names_in(&objects), Vec::<PathBuf>::new(), "nothing is left over");
                assert!(!contents.write_shared(&digest, &place).unwrap() && !place.exists());
            }
        }
    }

    #[test]
    fn what_was_kept_by_sharing_is_read_on_every_file_system() {
        let folder = tempfile::tempdir().unwrap();
        let contents = contents(folder.path());
        let bytes = b"shared once".repeat(500);
        let digest = Digest::of(&bytes);
        let mut stored = header(CODEC_SHARED, bytes.len() as u64);
        stored.resize(SHARED_ALIGNMENT as usize, 0);
        stored.extend_from_slice(&bytes);
        fs::create_dir_all(contents.file(&digest).parent().unwrap()).unwrap();
        for cut in
            [stored.len(), stored.len() - 1, SHARED_ALIGNMENT as usize, SHARED_ALIGNMENT as usize - 1, 20]
        {
            fs::write(contents.file(&digest), &stored[..cut]).unwrap();
            match contents.read(&digest) {
                Ok(read) => assert_eq!((read, cut), (Some(bytes.clone()), stored.len())),
                Err(error) => assert!(error.message().contains("is damaged"), "{error}"),
            }
        }
    }

    #[test]
    fn a_damaged_copy_is_never_handed_out_and_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let contents = contents(folder.path());
        let bytes = b"all work and no play ".repeat(100);
        let digest = contents.keep(&bytes).unwrap();
        let path = contents.path(&digest);
        let stored = fs::read(&path).unwrap();
        for at in 0..stored.len() {
            let mut flipped = stored.clone();
            flipped[at] ^= 0x10;
            fs::write(&path, &flipped).unwrap();
            match contents.read(&digest) {
                // A flip that the decoder does not look at, in zstd's own header, harms nothing.
                Ok(read) => assert_eq!(read, Some(bytes.clone()), "byte {at}"),
                Err(error) => assert_eq!(error.kind().exit_code(), 3),
            }
        }
        for length in 0..stored.len() {
            fs::write(&path, &stored[..length]).unwrap();
            assert!(contents.read(&digest).is_err(), "cut at {length}");
        }
        assert_eq!(contents.verify().unwrap().1.len(), 1);
        contents.keep(&bytes).unwrap();
        assert_eq!(contents.verify().unwrap(), (1, Vec::new()));
    }

    fn keep_together(
        contents: &Contents,
        together: &Together,
        digests: &[Digest],
        texts: &[Vec<u8>],
    ) -> Vec<Result<()>> {
        let staged = digests.iter().zip(texts).map(|(digest, text)| contents.stage(together, digest, text));
        let mut staged: Vec<Result<Option<StagedContent>>> = staged.collect();
        together.sync(staged.iter_mut().flatten().flatten().map(StagedContent::file).collect());
        let (mut ready, mut kept) = (Vec::new(), Vec::new());
        for staged in staged {
            kept.push(staged.map(|staged| ready.extend(staged)));
        }
        let mut published = contents.publish(together, ready).into_iter();
        // In these tests nothing is kept already.
        let settle = |kept: Result<()>| kept.and_then(|()| published.next().unwrap());
        kept.into_iter().map(settle).collect()
    }

    #[test]
    fn contents_kept_together_survive_a_power_cut_or_are_not_acknowledged() {
        let texts: Vec<Vec<u8>> = (0..5u8).map(|at| [b'a' + at; 300].to_vec()).collect();
        let digests: Vec<Digest> = texts.iter().map(|text| Digest::of(text)).collect();
        for leaves in Leaves::ALL {
            for operations in 0..60 {
                let folder = tempfile::tempdir().unwrap();
                fs::create_dir_all(folder.path().join("objects")).unwrap();
                let crash = Crash::after(operations);
                let faulty = Contents::at(Disk::with_faults(crash.clone()), folder.path().join("objects"));
                let together = Together::new(&faulty.disk);
                let results = keep_together(&faulty, &together, &digests, &texts);
                crash.settle(leaves);
                let whole = contents(folder.path());
                for ((digest, text), result) in digests.iter().zip(&texts).zip(results) {
                    let read = whole.read(digest).unwrap_or(None);
                    assert!(read.is_none() || read.as_ref() == Some(text));
                    assert!(
                        result.is_err() || read.is_some(),
                        "lost after {operations} operations, {leaves:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_crash_while_keeping_leaves_all_or_nothing() {
        for operations in 0..12 {
            let folder = tempfile::tempdir().unwrap();
            let crash = Crash::after(operations);
            let faulty = Contents::at(Disk::with_faults(crash), folder.path().join("objects"));
            let bytes = b"some bytes that matter".repeat(50);
            let kept = faulty.keep(&bytes);
            let read = contents(folder.path()).read(&Digest::of(&bytes)).unwrap();
            assert!(read.is_none() || read.as_deref() == Some(bytes.as_slice()));
            assert!(kept.is_err() || read.is_some(), "acknowledged and lost after {operations} operations");
        }
    }
}
