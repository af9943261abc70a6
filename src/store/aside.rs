//! Files of facts outside of the journal: a segment by itself, in which facts are set aside that the journal has lost, or a whole
//! store.

use std::collections::HashSet;
use std::fs::{self, DirEntry};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::disk::{Disk, TEMPORARY_PREFIX, open_regular};
use crate::error::{Error, Result};
use crate::journal::{self, SegmentRef, Writer};
use crate::model::{Digest, Fact, NodeId};
use crate::store::feed::{Lacking, feed};
use crate::store::{Snapshot, Store, damaged};

/// The folder beside the store that lost facts are kept in.
const FOLDER: &str = "lost-facts";
/// As many old stores are kept there.
const STORES_MAX: usize = 1000;
/// How a file of the database begins.
const STORE_FRONT: &[u8; 9] = b"redb\x1a\x0a\xa9\x0d\x0a";

/// A file of facts outside of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactsFile {
    path: PathBuf,
    /// Its id, where it is a segment; else it is a store.
    segment: Option<u128>,
}

impl FactsFile {
    /// Looks at the first bytes of a file, and its name; `None` where it is neither a segment nor a store.
    pub fn at(path: &Path) -> Option<Self> {
        // A segment whose header is damaged is still called what it is.
        let segment = journal::segment_of_file(path).or_else(|| journal::segment_called(path));
        (segment.is_some() || is_store(path)).then(|| FactsFile { path: path.to_owned(), segment })
    }

    /// Returns the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Calls `visit` with every fact that can be read; returns what is damaged.
    ///
    /// # Errors
    /// Those of `visit`, and a store error where the file cannot be read at all.
    pub fn facts(&self, visit: &mut dyn FnMut(Fact) -> Result<()>) -> Result<Vec<Error>> {
        let Some(segment) = self.segment else {
            // Of a copy: to open one that was not closed may repair it.
            let name = format!("reading-{:x}", NodeId::new(Default::default()).as_u128());
            let copy = |place: PathBuf| Store::at(Disk::new(), &self.path).nameless_copy(&place);
            let store = copy(self.path.with_file_name(&name))
                .or_else(|_| copy(std::env::temp_dir().join(format!("lineage-{name}"))))?;
            let snapshot = store.snapshot()?.ok_or_else(|| store.why_unreadable(&self.path))?;
            return snapshot.facts(visit).map(|()| Vec::new());
        };
        let length = fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        let segment = SegmentRef { segment, path: self.path.clone(), start: 0, length, packed: false };
        let mut damaged = Vec::new();
        feed(&[Lacking { segment, applied: 0 }], |chunks| {
            while let Ok(chunk) = chunks.recv() {
                damaged.extend(chunk.unreadable.into_iter().map(|part| part.error));
                damaged.extend(chunk.damage.map(|damage| damage.to_error()));
                chunk.facts.into_iter().try_for_each(|(fact, _)| visit(fact))?;
            }
            Ok(())
        })?;
        Ok(damaged)
    }

    /// Returns how many facts a state of a store lacks; of a metric, all points of one owner are one fact. Linear in both.
    ///
    /// # Errors
    /// A store error where one of them cannot be read, or is damaged.
    pub fn facts_beyond(&self, other: &Snapshot) -> Result<u64> {
        let known = digests(other)?;
        let mut beyond = 0;
        let damaged = self.facts(&mut |fact| {
            beyond += u64::from(!known.contains(&Digest::of(&journal::encode(&fact)?)));
            Ok(())
        })?;
        damaged.into_iter().next().map_or(Ok(beyond), Err)
    }
}

impl Store {
    /// Returns the files of facts that the journal has lost.
    pub fn set_aside(&self) -> Vec<FactsFile> {
        let entries = fs::read_dir(self.folder_aside()).into_iter().flatten().flatten();
        // One whose front is damaged is not passed over.
        let damaged = |path: PathBuf| {
            path.extension()
                .is_some_and(|ending| ending == "redb")
                .then_some(FactsFile { path, segment: None })
        };
        let mut files: Vec<FactsFile> = entries
            .filter(|entry| !is_temporary(entry))
            .filter_map(|entry| FactsFile::at(&entry.path()).or_else(|| damaged(entry.path())))
            .collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files
    }

    /// Writes the facts of this store that `fresh` lacks to a segment by itself; returns how many they are, and where they lie.
    /// What a record of the journal says can be read for ever, and a store by one version of the program.
    ///
    /// # Errors
    /// A store error where one of them cannot be read, or the segment not be written.
    pub(super) fn set_facts_aside(&self, fresh: &Store) -> Result<Option<(u64, PathBuf)>> {
        let known = fresh.snapshot()?.map_or(Ok(HashSet::new()), |fresh| digests(&fresh))?;
        let snapshot = self.snapshot()?.ok_or_else(|| damaged("page"))?;
        let folder = self.folder_aside();
        let id = NodeId::new(snapshot.latest()).as_u128();
        let mut writer: Option<Writer> = None;
        let mut count = 0;
        let mut take = |fact: Fact| {
            if known.contains(&Digest::of(&journal::encode(&fact)?)) {
                return Ok(());
            }
            count += 1;
            let writer = match &mut writer {
                Some(writer) => writer,
                // It is there as a whole or not at all: one that was begun would be told of as if it had what was lost.
                None => writer.insert(Writer::create_hidden(&self.disk, &folder, id)?),
            };
            writer.append(&fact)
        };
        snapshot.facts(&mut take)?;
        writer.as_mut().map_or(Ok(()), Writer::publish)?;
        let path = folder.join(journal::segment_name(id));
        Ok(writer.map(|_| (count, path)))
    }

    /// Moves the file of this store to where lost facts are kept.
    pub(super) fn move_aside(&self) -> Result<PathBuf> {
        let moved = self.free_name_aside().and_then(|path| {
            self.disk.rename(&self.path, &path)?;
            // The new name first: a power cut between the two may leave both, and not neither.
            self.disk.sync_folder(&self.folder_aside())?;
            self.sync_folder()?;
            Ok(path)
        });
        moved.map_err(|cause| self.failed("set aside", cause))
    }

    /// Removes what whoever set facts aside and was killed has left. The lock says that nobody is at it.
    pub(super) fn remove_leftovers_aside(&self) {
        let entries = fs::read_dir(self.folder_aside()).into_iter().flatten().flatten();
        for entry in entries.filter(is_temporary) {
            let _ = self.disk.remove(&entry.path());
        }
    }

    fn folder_aside(&self) -> PathBuf {
        self.path.with_file_name(FOLDER)
    }

    /// Forces the entries of the store's folder to the disk.
    pub(super) fn sync_folder(&self) -> io::Result<()> {
        self.disk.sync_folder(self.path.parent().unwrap_or(Path::new(".")))
    }

    fn free_name_aside(&self) -> io::Result<PathBuf> {
        let folder = self.folder_aside();
        self.disk.create_folders(&folder)?;
        let mut names = (1..=STORES_MAX).map(|number| folder.join(format!("store-{number}.redb")));
        names.find(|path| !path.exists()).ok_or_else(|| io::ErrorKind::AlreadyExists.into())
    }
}

/// Returns true for what whoever sets facts aside has begun to write.
fn is_temporary(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(TEMPORARY_PREFIX.as_bytes())
}

fn is_store(path: &Path) -> bool {
    let mut front = [0; STORE_FRONT.len()];
    let read = open_regular(path).and_then(|mut file| file.read_exact(&mut front));
    read.is_ok() && &front == STORE_FRONT
}

/// Returns the digest of every fact.
fn digests(snapshot: &Snapshot) -> Result<HashSet<Digest>> {
    let mut digests = HashSet::new();
    snapshot.facts(&mut |fact| {
        digests.insert(Digest::of(&journal::encode(&fact)?));
        Ok(())
    })?;
    Ok(digests)
}
