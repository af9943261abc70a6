//! Archives of gzip that hold the same and differ in their headers, which name the time at which they were made.

use std::collections::BTreeSet;
use std::path::Path;

use crate::disk::read_regular;
use crate::model::{Artifact, ArtifactPath, Digest};
use crate::ops::Workspace;

/// Larger archives are not looked into.
const SIZE_MAX_BYTES: u64 = 256 << 20;

/// Returns which of the files that differ are such, by the paths of then. Those of now lie in `copy` without the front of their
/// names.
pub(super) fn among(
    workspace: &Workspace,
    differs: &[[Artifact; 2]],
    front: &str,
    copy: &Path,
) -> BTreeSet<ArtifactPath> {
    let held_then = |artifact: &Artifact| {
        let kept = workspace.contents().read(&artifact.digest).ok().flatten();
        kept.or_else(|| read_as(&artifact.path.on_disk(workspace.root())?, artifact))
    };
    let held_now = |artifact: &Artifact| {
        let bytes = artifact.path.as_bytes();
        let name = bytes.strip_prefix(front.as_bytes()).and_then(|name| name.strip_prefix(b"/"));
        let name = ArtifactPath::from_bytes(name.unwrap_or(bytes).to_vec()).ok()?;
        read_as(&name.on_disk(copy)?, artifact)
    };
    let repacked = differs.iter().filter(|pair| {
        let is_gzip = pair.iter().all(|artifact| artifact.path.file_name().ends_with(b".gz"));
        let is_small = pair.iter().all(|artifact| artifact.size_bytes <= SIZE_MAX_BYTES);
        let [then, now] = pair;
        is_gzip && is_small && is_same_behind_header(held_then(then), held_now(now))
    });
    repacked.map(|[then, _]| then.path.clone()).collect()
}

/// Reads a file that has the bytes of an artifact; one of another size is not read.
fn read_as(place: &Path, artifact: &Artifact) -> Option<Vec<u8>> {
    let digest = &artifact.digest;
    place.metadata().ok().filter(|found| found.len() == artifact.size_bytes)?;
    read_regular(place).ok().filter(|bytes| Digest::of(bytes) == *digest)
}

fn is_same_behind_header(then: Option<Vec<u8>>, now: Option<Vec<u8>>) -> bool {
    let (Some(then), Some(now)) = (then, now) else { return false };
    match (behind_header(&then), behind_header(&now)) {
        (Some(then), Some(now)) => then == now,
        _ => false,
    }
}

/// Returns what follows the first header (RFC 1952): compressed data, its checksum and its length.
fn behind_header(archive: &[u8]) -> Option<&[u8]> {
    const CHECKSUM: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    let (header, mut rest) = archive.split_at_checked(10)?;
    let [0x1f, 0x8b, 8, flags, ..] = header else { return None };
    if flags & EXTRA != 0 {
        let (length, more) = rest.split_first_chunk()?;
        rest = more.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = &rest[end + 1..];
        }
    }
    if flags & CHECKSUM != 0 {
        rest = rest.get(2..)?;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_passed_over_with_all_that_may_stand_in_it() {
        let plain = b"\x1f\x8b\x08\x00\x01\x02\x03\x04\x00\x03data";
        let named = b"\x1f\x8b\x08\x1e\x00\x00\x00\x00\x00\x03\x02\x00exa.csv\0by me\0crdata";
        assert_eq!(behind_header(plain), Some(&b"data"[..]));
        assert_eq!(behind_header(named), Some(&b"data"[..]));
        assert!(is_same_behind_header(Some(plain.to_vec()), Some(named.to_vec())));
        for none in [&b""[..], b"\x1f\x8b\x08", b"PK\x03\x04\0\0\0\0\0\0data", &named[..20], &named[..11]] {
            assert_eq!(behind_header(none), None);
        }
    }
}
