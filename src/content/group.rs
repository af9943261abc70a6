//! Contents that are written at one time and kept in one file, which has a name for each of them.
//!
//! ```text
//! objects/ab/cdef…    magic "LINEAGEO" | format 2:u8 | member …
//! member              digest, 32 bytes | codec:u8 | size:u64 | size as stored:u64 | body
//! ```
//! Numbers are little-endian. A file costs an inode, a block of the disk and a wait for it; a further name costs none of these.
//! Each member is stored by itself, so that damage to one harms no other. When a content is let go, its name goes; the bytes go
//! with the last of the names. Codecs 0 and 1 are those of a content that has its file for itself; codec 3 is one LZ4 block: its
//! time counts here, since every output of a pipeline is kept.

use std::io::Read as _;

use super::encoding::{HEADER_BYTES, MAGIC, OTHER_DIGEST, compressed, decompressed};
use super::{Access, Contents, Digest, StagedContent, Together, not_kept};
use crate::error::Result;

/// The format of a file that holds several contents.
pub(super) const FORMAT: u8 = 2;
const FRONT_BYTES: usize = MAGIC.len() + 1;
const MEMBER_HEAD_BYTES: usize = 32 + 1 + 8 + 8;

/// Contents on their way into one file.
#[derive(Debug)]
pub struct Group {
    /// Who may read them all.
    access: Access,
    members: Vec<Digest>,
    /// The file as it will be written.
    stored: Vec<u8>,
    size_bytes: usize,
}

impl Group {
    /// Begins with none, for contents that those may read whom `access` names.
    pub fn new(access: Access) -> Self {
        Group { access, members: Vec::new(), stored: Vec::new(), size_bytes: 0 }
    }

    /// Returns the bytes that its contents have together.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    fn holds(&self, digest: &Digest) -> bool {
        self.members.contains(digest)
    }

    fn push(&mut self, digest: &Digest, bytes: &[u8]) {
        if self.stored.is_empty() {
            self.stored.extend_from_slice(MAGIC);
            self.stored.push(FORMAT);
        }
        let stored = &mut self.stored;
        compressed(bytes, |codec, body| {
            stored.reserve(MEMBER_HEAD_BYTES + body.len());
            stored.extend_from_slice(digest.as_bytes());
            stored.push(codec);
            stored.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            stored.extend_from_slice(&(body.len() as u64).to_le_bytes());
            stored.extend_from_slice(body);
        });
        self.members.push(*digest);
        self.size_bytes += bytes.len();
    }
}

impl Contents {
    /// Puts a content into `group`, compressed; nothing where it is kept already, whole and for all whom that of the group names.
    pub fn add_to(&self, group: &mut Group, digest: &Digest, bytes: &[u8]) {
        if !group.holds(digest) && !self.is_kept(digest, group.access) {
            group.push(digest, bytes);
        }
    }

    /// Reads the whole file that holds a content, where it is that of a group and can be read.
    pub(super) fn group_of(&self, digest: &Digest) -> Option<Vec<u8>> {
        let mut file = self.open(digest).ok()?;
        let mut stored = vec![0; HEADER_BYTES];
        file.read_exact(&mut stored).ok()?;
        if !stored.starts_with(MAGIC) || stored[MAGIC.len()] != FORMAT {
            return None;
        }
        file.read_to_end(&mut stored).ok()?;
        Some(stored)
    }

    /// Writes the contents of a group into one file, so that they can be kept as [`Contents::stage`] says; `None` where there are
    /// none.
    ///
    /// # Errors
    /// A store error where the disk does not take them; nothing else is harmed then.
    pub fn stage_group(&self, together: &Together, group: Group) -> Result<Option<StagedContent>> {
        let Group { access, members, stored, size_bytes } = group;
        let Some((first, others)) = members.split_first() else { return Ok(None) };
        let path = self.path(first);
        let failed = |cause| not_kept(size_bytes, &path, cause);
        let owner = self.close().map_err(failed)?;
        let prepare = |file: &std::fs::File| self.prepare(file, &path, access, owner);
        let mut file = together.stage_prepared(&path, &stored, &prepare).map_err(failed)?;
        for other in others {
            let name = self.path(other);
            together.name_also(&mut file, &name).map_err(failed)?;
            if let (Some(owner), Some(folder)) = (owner, name.parent()) {
                owner.give(folder);
            }
        }
        Ok(Some(StagedContent { file, size_bytes }))
    }
}

/// Reads one content out of a file that holds several, and holds it against its digest; the error says what is wrong with it.
pub(super) fn check(stored: &[u8], digest: &Digest) -> Result<(), String> {
    if Digest::of(&decode(stored, digest)?) == *digest { Ok(()) } else { Err(OTHER_DIGEST.to_owned()) }
}

/// Reads one content out of a file that holds several; the error says what is wrong with it.
pub(super) fn decode(stored: &[u8], digest: &Digest) -> Result<Vec<u8>, String> {
    let mut rest = stored.get(FRONT_BYTES..).unwrap_or(&[]);
    while !rest.is_empty() {
        let (member, behind) = Member::split(rest)?;
        if member.digest == digest.as_bytes() {
            return decompressed(member.codec, member.body, member.size_bytes);
        }
        rest = behind;
    }
    Err("it does not hold this content".to_owned())
}

struct Member<'a> {
    digest: &'a [u8],
    codec: u8,
    size_bytes: u64,
    body: &'a [u8],
}

impl<'a> Member<'a> {
    /// Takes the first member off the front of `stored`.
    fn split(stored: &'a [u8]) -> Result<(Member<'a>, &'a [u8]), String> {
        let cut_off = || "it is cut off in the head of a member".to_owned();
        let (digest, rest) = stored.split_first_chunk::<32>().ok_or_else(cut_off)?;
        let (codec, rest) = rest.split_first().ok_or_else(cut_off)?;
        let (size_bytes, rest) = rest.split_first_chunk::<8>().ok_or_else(cut_off)?;
        let (stored_bytes, rest) = rest.split_first_chunk::<8>().ok_or_else(cut_off)?;
        let stored_bytes = usize::try_from(u64::from_le_bytes(*stored_bytes)).unwrap_or(usize::MAX);
        let (body, behind) =
            rest.split_at_checked(stored_bytes).ok_or("it is cut off in the body of a member")?;
        let member = Member { digest, codec: *codec, size_bytes: u64::from_le_bytes(*size_bytes), body };
        Ok((member, behind))
    }
}

#[cfg(test)]
mod tests;
