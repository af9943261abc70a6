//! What was projected, path by path: a cache, which may be deleted at any time.
//!
//! It says what the store cannot know: that bytes which are no longer wanted are ours, and nobody's edit. Projected files are made to be
//! committed, and git brings back earlier ones. Without it, such bytes are in doubt left alone.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::disk::{Disk, read_regular};
use crate::model::{ArtifactPath, Digest};

const MAGIC: &[u8; 9] = b"LINEAGEW\x01";
const SUM_BYTES: usize = 8;

/// As many contents of one file are remembered.
const EARLIER_MAX: usize = 64;

/// The files that were projected, and what was in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The last content of each file at the end.
    files: BTreeMap<ArtifactPath, Vec<Digest>>,
}

impl Record {
    /// Reads the record at `path`; an empty one where there is none, or none that can be believed.
    pub fn load(path: &Path) -> Self {
        read_regular(path).ok().and_then(|bytes| Self::decode(&bytes)).unwrap_or_default()
    }

    /// Writes the record to `path`.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn save(&self, disk: &Disk, path: &Path) -> io::Result<()> {
        disk.replace(path, &self.encode())
    }

    /// Returns what was in a file when it was last found or put right.
    pub fn get(&self, path: &ArtifactPath) -> Option<&Digest> {
        self.files.get(path)?.last()
    }

    /// Returns true where this was in a file at any time that is remembered.
    pub fn knows(&self, path: &ArtifactPath, digest: &Digest) -> bool {
        self.files.get(path).is_some_and(|digests| digests.contains(digest))
    }

    /// Remembers a file, and what it held before.
    pub fn insert(&mut self, path: ArtifactPath, digest: Digest) {
        let digests = self.files.entry(path).or_default();
        digests.retain(|earlier| *earlier != digest);
        digests.push(digest);
        let over = digests.len().saturating_sub(EARLIER_MAX);
        digests.drain(..over);
    }

    /// Forgets a file.
    pub fn remove(&mut self, path: &ArtifactPath) {
        self.files.remove(path);
    }

    /// Lists the files, by path, each with what was in it last.
    pub fn files(&self) -> impl Iterator<Item = (&ArtifactPath, &Digest)> {
        self.files.iter().filter_map(|(path, digests)| Some((path, digests.last()?)))
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.files.len() * 128 + 32);
        bytes.extend_from_slice(MAGIC);
        // Who knows of one content for each file takes the last.
        let contents =
            self.files.iter().flat_map(|(path, digests)| digests.iter().map(move |one| (path, one)));
        for (path, digest) in contents {
            bytes.extend_from_slice(&(path.as_bytes().len() as u32).to_le_bytes());
            bytes.extend_from_slice(path.as_bytes());
            bytes.extend_from_slice(digest.as_bytes());
        }
        let sum = Digest::of(&bytes);
        bytes.extend_from_slice(&sum.as_bytes()[..SUM_BYTES]);
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, sum) = bytes.split_at_checked(bytes.len().checked_sub(SUM_BYTES)?)?;
        if Digest::of(body).as_bytes()[..SUM_BYTES] != *sum {
            return None;
        }
        let mut rest = body.strip_prefix(MAGIC)?;
        let mut take = |count: usize| {
            let (front, behind) = rest.split_at_checked(count)?;
            rest = behind;
            Some(front)
        };
        let mut record = Record::default();
        while let Some(length) = take(4) {
            let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
            let path = ArtifactPath::from_bytes(take(length)?.to_vec()).ok()?;
            record.insert(path, Digest::from_bytes(take(32)?.try_into().ok()?));
        }
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_and_a_damaged_one_not_at_all() {
        let mut record = Record::default();
        for name in [&b"data/a"[..], b"data/\xff\n", b"models/m/1.0.0/metadata.json"] {
            let path = ArtifactPath::from_bytes(name.to_vec()).unwrap();
            for content in [&b"earlier"[..], name, b"earlier", name] {
                record.insert(path.clone(), Digest::of(content));
            }
            assert_eq!(record.get(&path), Some(&Digest::of(name)));
            assert!(
                record.knows(&path, &Digest::of(b"earlier")) && !record.knows(&path, &Digest::of(b"other"))
            );
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("projected");
        assert_eq!(Record::load(&path), Record::default());
        record.save(&Disk::new(), &path).unwrap();
        assert_eq!(Record::load(&path), record);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, &damaged).unwrap();
            assert_eq!(Record::load(&path), Record::default(), "byte {at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(Record::load(&path), Record::default(), "cut at {at}");
        }
    }
}
