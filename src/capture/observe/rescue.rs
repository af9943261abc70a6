//! Pre-images: the bytes of a file that a stopped call is about to write over or to take away, read before it goes on.
//!
//! What is small is read at once. What is not is read by a few threads beside the net, while other calls are answered; and what would
//! take too long for whoever waits for it is not read at all, which is said.

use std::os::fd::AsFd as _;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::body::Bytes;
use super::digest;
use super::ledger::What;
use super::net::{Net, open_same};
use super::reply::Reply;
use super::stamp::Look;
use super::{Evidence, GapSort, Set, sys};

/// Files above this size are read beside the net.
const AT_ONCE_BYTES: u64 = 1 << 20;
/// As many threads read them.
const THREADS: usize = 4;
/// All files of a run that are read beside the net may be as large together as so many of the largest.
const LARGEST_FILES: u64 = 16;

/// Pre-images that are to be taken, and those that are being taken.
pub(super) struct Rescue {
    /// What the present call endangers.
    endangered: Vec<Endangered>,
    threads: Option<ThreadPool>,
    results: (Sender<Taken>, Receiver<Taken>),
    in_flight: usize,
    /// How much was read beside the net so far.
    read_bytes: u64,
    /// What was not read, as it would have taken too long.
    left: Set<(What, u32)>,
}

impl Default for Rescue {
    fn default() -> Self {
        Rescue {
            endangered: vec![],
            threads: None,
            results: channel(),
            in_flight: 0,
            read_bytes: 0,
            left: Set::default(),
        }
    }
}

/// A pre-image to be taken: file, version, where it lies.
struct Endangered {
    what: What,
    version: u32,
    path: PathBuf,
    look: Look,
}

/// A pre-image that was taken beside the net.
struct Taken {
    what: What,
    version: u32,
    path: PathBuf,
    read: Option<digest::Read>,
}

/// How the bytes of a version are to be had.
enum How {
    Known(Bytes),
    AtOnce,
    Beside,
    /// Not in any time that somebody would wait.
    NotAtAll,
}

/// Takes pre-images that are still waiting for it, and lets the call go on that waits for them.
fn take_all(waiting: &Mutex<Option<(Vec<Endangered>, Reply)>>, results: &Sender<Taken>, keep_max: u64) {
    let taken = waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some((endangered, reply)) = taken else { return };
    for Endangered { what, version, path, look } in endangered {
        // A result comes of each, whatever happens on the way: it is waited for.
        let read =
            catch_unwind(|| open_same(&path, &look).and_then(|file| digest::read(&file, keep_max).ok()));
        // Nobody listens any more only if the run has been given up.
        let _ = results.send(Taken { what, version, path, read: read.ok().flatten() });
    }
    drop(reply);
}

impl Net<'_> {
    /// Asks for the bytes of a version before the present call goes on.
    pub(super) fn endanger(&mut self, what: What, version: Option<u32>, look: &Look, path: &Path) {
        if let Some(version) = version {
            let path = path.to_path_buf();
            self.rescue.endangered.push(Endangered { what, version, path, look: *look });
        }
    }

    /// Takes the bytes of all versions that the present call endangers, and lets it go on then.
    pub(super) fn rescue_before(&mut self, reply: Reply) {
        let endangered = std::mem::take(&mut self.rescue.endangered);
        if endangered.is_empty() || !sys::still_waits(reply.listener.as_fd(), reply.id) {
            return;
        }
        let mut later = vec![];
        for item in endangered {
            let bytes = match self.how_to_take(&item) {
                How::Known(bytes) => bytes,
                How::AtOnce => self.take_at_once(&item),
                How::Beside => {
                    self.rescue.read_bytes += item.look.size;
                    later.push(item);
                    continue;
                }
                How::NotAtAll => {
                    self.rescue.left.insert((item.what, item.version));
                    continue;
                }
            };
            self.ledger.set_bytes(item.what, item.version, bytes);
        }
        if later.is_empty() {
            return;
        }
        let (results, keep_max) = (self.rescue.results.0.clone(), self.options.pre_image_max_bytes);
        self.rescue.in_flight += later.len();
        let waiting = Arc::new(Mutex::new(Some((later, reply))));
        if self.rescue.threads.is_none() {
            self.rescue.threads = ThreadPoolBuilder::new().num_threads(THREADS).build().ok();
        }
        match &self.rescue.threads {
            Some(threads) => threads.spawn(move || take_all(&waiting, &results, keep_max)),
            // Where there may be no further thread, other calls wait as well.
            None => take_all(&waiting, &results, keep_max),
        }
    }

    fn how_to_take(&mut self, item: &Endangered) -> How {
        let stamp = item.look.stamp();
        if !(self.options.is_wanted)(&item.path) {
            return How::Known(Bytes::Unwanted);
        }
        if item.look.is_link() {
            let digest = digest::of_link(&item.path);
            return How::Known(digest.map_or(Bytes::Unreadable, |digest| Bytes::Hashed {
                digest,
                stamp,
                evidence: Evidence::PreImage,
            }));
        }
        let size = item.look.size;
        if size > self.options.pre_image_max_bytes
            && let Some(digest) = (self.options.known_digest)(&stamp)
        {
            return How::Known(Bytes::Hashed { digest, stamp, evidence: Evidence::Known });
        }
        let largest = self.options.waited_for_max_bytes;
        if size <= AT_ONCE_BYTES.min(largest) {
            How::AtOnce
        } else if size <= largest && self.rescue.read_bytes + size <= largest.saturating_mul(LARGEST_FILES) {
            How::Beside
        } else {
            How::NotAtAll
        }
    }

    fn take_at_once(&mut self, item: &Endangered) -> Bytes {
        let read = open_same(&item.path, &item.look)
            .and_then(|file| digest::read(&file, self.options.pre_image_max_bytes).ok());
        self.enter_pre_image(item.what, &item.path, read)
    }

    /// Hands the bytes out to be kept, and returns what the ledger shall know.
    fn enter_pre_image(&mut self, what: What, path: &Path, read: Option<digest::Read>) -> Bytes {
        let Some(digest::Read { digest, bytes, stamp }) = read else {
            return Bytes::Unreadable;
        };
        let existed = self.ledger.bodies[what as usize].as_ref().is_some_and(|body| body.existed);
        if let Some(bytes) = bytes.filter(|_| existed) {
            (self.keep)(path, &digest, bytes);
        }
        Bytes::Hashed { digest, stamp, evidence: Evidence::PreImage }
    }

    /// Enters what was read beside the net; with `all`, waits for what is still being read.
    pub(super) fn collect(&mut self, all: bool) {
        while self.rescue.in_flight > 0 {
            let results = &self.rescue.results.1;
            let taken = if all { results.recv().ok() } else { results.try_recv().ok() };
            let Some(Taken { what, version, path, read }) = taken else {
                return;
            };
            self.rescue.in_flight -= 1;
            let bytes = self.enter_pre_image(what, &path, read);
            self.ledger.set_bytes(what, version, bytes);
        }
    }

    /// Says of each file that was too large to be read before it was written over or removed that nobody knows what lay there; what
    /// stands as it stood has been read by now.
    pub(super) fn say_what_was_left(&mut self) {
        let mut left: Vec<(What, u32)> = std::mem::take(&mut self.rescue.left).into_iter().collect();
        left.sort_unstable();
        for (what, version) in left {
            if self.ledger.is_forgotten(what) {
                continue;
            }
            let body = self.ledger.body(what);
            let path = body.main_name().map(|name| name.path.clone());
            let Some(path) = path.filter(|_| body.version(version).bytes == Bytes::Unread) else { continue };
            body.version(version).bytes = Bytes::Lost;
            let size = body.version(version).stamp.size_bytes;
            // What has been read of it since may be other bytes, and nothing is left to compare them with.
            if let Some(next) = body.versions.get_mut(version as usize + 1) {
                next.tentative = next.tentative.filter(|_| !matches!(next.bytes, Bytes::Hashed { .. }));
            }
            let text = format!(
                "`{}` was written over or removed: which bytes lay there is not known, as to read {size} bytes before that \
                 would have taken too long",
                self.shown(&path).display()
            );
            self.gap_of(GapSort::Overwritten, text);
        }
    }
}
