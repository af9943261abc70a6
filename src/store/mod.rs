//! The store: every fact as nodes and edges, indexed, in one redb database; the only place that names redb.
//!
//! It is a function of the journal: whoever deletes it loses nothing but the time to rebuild it.

mod apply;
mod aside;
mod batch;
mod damage;
mod edges;
mod feed;
mod files;
mod links;
mod lost;
mod memo;
mod models;
mod nameless;
mod notes;
mod numbers;
mod overwritten;
mod pages;
mod reading;
mod records;
mod rows;
mod runs;
mod schema;
mod search;
mod snapshot;
mod summary;
mod terms;

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{Builder, ConcurrencyMode, Database, DatabaseError, ReadOnlyDatabase, StorageError};

use crate::disk::{Disk, give_new_file, open_regular_with};
use crate::error::{Error, Kind, Result};

pub use apply::{Applied, Unreadable};
pub use aside::FactsFile;
pub use damage::damaged_packs;
pub use edges::{Edge, Edges};
pub use lost::{Loss, LostSegment, describe_lost};
pub use memo::{Holders, StateReads};
pub use models::ChangeOrder;
use pages::CheckedFile;
pub use reading::{GO_ON, Order};
pub use search::MetricNo;
pub use snapshot::{ArtifactNo, PathNo, RunNo, Snapshot, StepNo};
pub use summary::{MetricEnd, MetricSummary, OrderedBy};
pub use terms::Term;

/// Bytes of redb's page cache; its default of 1 GiB is too much for a program that lives for milliseconds.
const CACHE_BYTES: usize = 48 << 20;

/// The database file of a workspace, or a temporary one.
#[derive(Debug, Clone)]
pub struct Store {
    path: PathBuf,
    /// The way to what lies beside the database: redb writes that itself, and it can be built anew; facts set aside cannot.
    disk: Disk,
    /// The file of a store without a name; `path` is what it was called.
    nameless: Option<Arc<File>>,
}

/// How the store's file was found.
enum Found {
    Usable(ReadOnlyDatabase),
    Absent,
    /// Of another format, damaged, or not a database: to be built anew.
    Unusable,
}

impl Store {
    /// Names the store at `path`; opens nothing.
    pub fn at(disk: Disk, path: impl Into<PathBuf>) -> Self {
        Store { path: path.into(), disk, nameless: None }
    }

    /// Returns the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the store for reading; `None` where there is none, or one that must be rebuilt first.
    ///
    /// # Errors
    /// A store error where the file is there and cannot be opened for a reason that rebuilding would not mend.
    pub fn snapshot(&self) -> Result<Option<Snapshot>> {
        let Found::Usable(database) = self.find()? else {
            return Ok(None);
        };
        match guarded(|| Snapshot::of(&database)) {
            Err(error) if is_damage(&error) => Ok(None),
            found => found,
        }
    }

    fn find(&self) -> Result<Found> {
        match guarded(|| self.find_trusting()) {
            Err(error) if is_damage(&error) => Ok(Found::Unusable),
            found => found,
        }
    }

    fn find_trusting(&self) -> Result<Found> {
        let mut opened = self.open_to_read();
        if matches!(opened, Err(DatabaseError::RepairAborted)) {
            // After an unclean end a reader may not repair; a writable open does.
            opened = self.open_to_write().map(drop).and_then(|()| self.open_to_read());
        }
        match opened {
            Ok(database) => Ok(Found::Usable(database)),
            Err(DatabaseError::Storage(StorageError::Io(cause)))
                if cause.kind() == io::ErrorKind::NotFound =>
            {
                Ok(Found::Absent)
            }
            // What is no file is none of ours, and is built in the place of.
            Err(DatabaseError::Storage(StorageError::Io(cause)))
                if cause.kind() == io::ErrorKind::InvalidInput =>
            {
                Ok(Found::Unusable)
            }
            Err(cause) => {
                let cause = redb::Error::from(cause);
                if says_damage(&cause) { Ok(Found::Unusable) } else { Err(self.failed("open", cause)) }
            }
        }
    }

    fn open_to_read(&self) -> Result<ReadOnlyDatabase, DatabaseError> {
        builder().open_read_only_with_backend(self.pages(File::options().read(true))?)
    }

    /// Opens the file, which is there, for writing; others may read it meanwhile.
    fn open_to_write(&self) -> Result<Database, DatabaseError> {
        builder().create_with_backend(self.pages(File::options().read(true).write(true))?)
    }

    /// Opens the file so that each page is checked when it is read.
    fn pages(&self, options: &mut OpenOptions) -> Result<CheckedFile, DatabaseError> {
        let file = match &self.nameless {
            None => open_regular_with(&self.path, options),
            // One handle after the other: they share its locks, and so do not keep each other out.
            Some(file) => file.try_clone(),
        };
        Ok(CheckedFile::new(FileBackend::new(file.map_err(StorageError::Io)?)?))
    }

    /// Makes a database that nobody else sees: in a new file, or in the empty one without a name.
    fn create(&self) -> Result<Database> {
        let made = match &self.nameless {
            None => self.create_file(),
            Some(file) => file.try_clone(),
        };
        let backend =
            made.map_err(|cause| DatabaseError::from(StorageError::Io(cause))).and_then(FileBackend::new);
        let mut alone = builder();
        alone.set_concurrency_mode(ConcurrencyMode::ExclusiveWriter);
        let created = backend.and_then(|backend| alone.create_with_backend(backend));
        created.map_err(|cause| self.failed("make", cause))
    }

    fn create_file(&self) -> io::Result<File> {
        let file = File::options().read(true).write(true).create_new(true).open(&self.path)?;
        give_new_file(&file, &self.path);
        Ok(file)
    }

    /// Says of the store called `name` why [`Store::snapshot`] gave nothing.
    fn why_unreadable(&self, name: &Path) -> Error {
        let name = name.display();
        let format = match self.find() {
            Ok(Found::Usable(database)) => guarded(|| Snapshot::format_of(&database)).ok().flatten(),
            _ => None,
        };
        match format {
            Some(format) => Error::request(format!(
                "`{name}` is a store of format {format}, and this `lineage` reads those of format {}",
                schema::FORMAT
            ))
            .hint(
                "the `lineage` that made it can merge it into a workspace, and `export --format jsonl` that",
            ),
            None => {
                Error::request(format!("`{name}` is no store this `lineage` can read")).hint("it is damaged")
            }
        }
    }

    fn failed(&self, what: &str, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
        let hint = match is_full(&cause) {
            true => "make room on the disk; nothing that is recorded is harmed",
            false => "the journal is not harmed: delete the file and it is rebuilt",
        };
        Error::store(format!("cannot {what} the store `{}`", self.path.display())).because(cause).hint(hint)
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES).set_concurrency_mode(ConcurrencyMode::MultiWriter);
    builder
}

/// Wraps any error of redb.
fn broken(cause: impl Into<redb::Error>) -> Error {
    let cause = cause.into();
    let is_full = is_full(&cause);
    let kind = match says_damage(&cause) {
        true => Kind::Damage,
        false if is_full => Kind::Full,
        false => Kind::Store,
    };
    let hint = match is_full {
        true => "make room on the disk; nothing that is recorded is harmed",
        false => "the journal is not harmed: delete `.lineage/store.redb` and it is rebuilt",
    };
    Error::new(kind, "cannot read or write the store").because(cause).hint(hint)
}

/// Returns true where an error comes of a disk that takes no more, or no more of this user.
fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    let mut cause = Some(error);
    while let Some(one) = cause {
        // Errors of redb do not give what is in them as their source.
        let of_database = match one.downcast_ref::<DatabaseError>() {
            Some(DatabaseError::Storage(StorageError::Io(cause))) => Some(cause),
            _ => None,
        };
        let of_redb = match one.downcast_ref::<redb::Error>() {
            Some(redb::Error::Io(cause)) => Some(cause),
            _ => None,
        };
        let io = one.downcast_ref::<io::Error>().or(of_database).or(of_redb);
        if io.is_some_and(|io| matches!(io.kind(), StorageFull | QuotaExceeded | FileTooLarge)) {
            return true;
        }
        cause = one.source();
    }
    false
}

/// Returns true where an error says that the database, or a record in it, is not what it must be: building it anew helps then,
/// as it does not help against a full disk.
fn is_damage(error: &Error) -> bool {
    error.kind() == Kind::Damage
}

fn says_damage(cause: &redb::Error) -> bool {
    use redb::Error as E;
    match cause {
        E::Io(cause) => matches!(cause.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof),
        E::DatabaseAlreadyOpen | E::LockProtocolMismatch | E::PreviousIo | E::LockPoisoned(_) => false,
        _ => true,
    }
}

/// A record whose checksum or shape is wrong.
fn damaged(what: &str) -> Error {
    Error::new(Kind::Damage, format!("a record of the store is damaged ({what})"))
        .hint("the journal is not harmed: delete `.lineage/store.redb` and it is rebuilt")
}

/// Calls redb, which trusts its pages and panics on some that are damaged.
fn guarded<T>(read: impl FnOnce() -> Result<T>) -> Result<T> {
    let depth = GUARDED.with(|guarded| guarded.replace(guarded.get() + 1));
    // What `read` borrows is read-only, or given up by whoever gets the error.
    let result = catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(damaged("page")));
    GUARDED.set(depth);
    result
}

thread_local! {
    /// In how many guarded calls, one in another, this thread is.
    static GUARDED: Cell<u32> = const { Cell::new(0) };
}

/// Returns true where a panic of this thread is caught here, and becomes an error about the store.
pub(crate) fn is_guarded() -> bool {
    GUARDED.get() > 0
}

#[cfg(test)]
pub(crate) mod tests;
