//! Computing the digest of an open file: on all cores, and read, never mapped, so that a file that shrinks meanwhile cannot
//! end this process.

use std::cell::RefCell;
use std::fs::File;
use std::io::{Error, ErrorKind, Result, Seek as _};
use std::os::unix::fs::FileExt;

use blake3::hazmat::{self, HasherExt as _, Mode};
use blake3::{CHUNK_LEN, Hasher};

use crate::model::Digest;

/// A piece that one core reads and hashes: large enough that handing it out costs nothing, small enough to stay in the core's
/// own cache between the two. A power of two, as the tree of BLAKE3 wants it.
const PIECE_BYTES: usize = 256 << 10;
/// Up to here one core is done before others could help.
const SMALL_BYTES: u64 = 1 << 20;

thread_local! {
    /// Room for one piece, kept by each thread: to ask for memory and to touch it first costs more than to hash a small file.
    static ROOM: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Returns the digest of the first `size` bytes of `file`, which must be all there are.
///
/// # Errors
/// As the system gives them; `Interrupted` where the file turns out to be shorter or longer.
pub(super) fn of_size(file: &File, size: u64) -> Result<Digest> {
    let digest = if size <= PIECE_BYTES as u64 {
        with_piece(file, 0, size as usize, |bytes| *blake3::hash(bytes).as_bytes())?
    } else if size <= SMALL_BYTES {
        return sequential(file, size);
    } else {
        let left = hazmat::left_subtree_len(size);
        let (one, other) = rayon::join(|| subtree(file, 0, left), || subtree(file, left, size - left));
        *hazmat::merge_subtrees_root(&one?, &other?, Mode::Hash).as_bytes()
    };
    ends_at(file, size)?;
    Ok(Digest::from_bytes(digest))
}

/// Returns the digest of everything that can be read of a file whose size is not known before.
pub(super) fn of_stream(mut file: &File) -> Result<Digest> {
    let mut hasher = Hasher::new();
    file.rewind()?;
    hasher.update_reader(&mut file)?;
    Ok(Digest::from_bytes(*hasher.finalize().as_bytes()))
}

fn sequential(file: &File, size: u64) -> Result<Digest> {
    let mut hasher = Hasher::new();
    let mut offset = 0;
    while offset < size {
        let length = (size - offset).min(PIECE_BYTES as u64) as usize;
        with_piece(file, offset, length, |bytes| {
            hasher.update(bytes);
        })?;
        offset += length as u64;
    }
    ends_at(file, size)?;
    Ok(Digest::from_bytes(*hasher.finalize().as_bytes()))
}

/// Computes the chaining value of a part of the file that is a subtree of its own.
fn subtree(file: &File, offset: u64, length: u64) -> Result<hazmat::ChainingValue> {
    if length <= PIECE_BYTES as u64 {
        return with_piece(file, offset, length as usize, |bytes| {
            let mut hasher = Hasher::new();
            hasher.set_input_offset(offset).update(bytes);
            hasher.finalize_non_root()
        });
    }
    let left = hazmat::left_subtree_len(length);
    let (one, other) =
        rayon::join(|| subtree(file, offset, left), || subtree(file, offset + left, length - left));
    Ok(hazmat::merge_subtrees_non_root(&one?, &other?, Mode::Hash))
}

/// Reads one piece and hands it to `take`; `Interrupted` where the file ends before it is full.
fn with_piece<T>(file: &File, offset: u64, length: usize, take: impl FnOnce(&[u8]) -> T) -> Result<T> {
    const { assert!(PIECE_BYTES.is_power_of_two() && PIECE_BYTES >= CHUNK_LEN) };
    ROOM.with_borrow_mut(|room| {
        if room.len() < length {
            room.resize(if length > 16 << 10 { PIECE_BYTES } else { 16 << 10 }, 0);
        }
        let piece = &mut room[..length];
        match fill(file, piece, offset)? {
            read if read == length => Ok(take(piece)),
            _ => Err(Error::from(ErrorKind::Interrupted)),
        }
    })
}

fn ends_at(file: &File, size: u64) -> Result<()> {
    match fill(file, &mut [0], size)? {
        0 => Ok(()),
        _ => Err(Error::from(ErrorKind::Interrupted)),
    }
}

/// Reads until the room is full or the file ends.
fn fill(file: &File, room: &mut [u8], offset: u64) -> Result<usize> {
    let mut done = 0;
    while done < room.len() {
        match file.read_at(&mut room[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file_of(bytes: &[u8]) -> File {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, bytes).unwrap();
        File::open(path).unwrap()
    }

    fn check(size: usize) {
        let bytes: Vec<u8> = (0..size).map(|i| ((i * i) >> 7) as u8).collect();
        let file = file_of(&bytes);
        assert_eq!(of_size(&file, size as u64).unwrap(), Digest::of(&bytes), "{size}");
        assert_eq!(of_stream(&file).unwrap(), Digest::of(&bytes), "{size}");
    }

    #[test]
    fn the_digest_is_that_of_the_bytes_at_every_border() {
        let (piece, small) = (PIECE_BYTES, SMALL_BYTES as usize);
        for size in [0, 1, piece - 1, piece, piece + 1, small, small + 1, 2 * small, 9 * piece + 77] {
            check(size);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_digest_is_that_of_the_bytes_at_any_size(size in 0usize..6_000_000) {
            check(size);
        }
    }

    #[test]
    fn a_file_of_another_size_than_said_has_no_digest() {
        for size in [100, 3 << 20] {
            let file = file_of(&vec![7; size]);
            for said in [size as u64 - 1, size as u64 + 1] {
                assert_eq!(of_size(&file, said).unwrap_err().kind(), ErrorKind::Interrupted);
            }
        }
    }
}
