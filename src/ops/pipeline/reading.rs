//! Reading a filing: all of it is hashed, but of a large submission only what the main document takes is held in memory.

use std::io::{self, Read as _};
use std::path::Path;

use memchr::memmem;

use crate::disk::open_regular;
use crate::model::Digest;

/// A filing as it was read.
pub struct FilingBytes {
    /// Its bytes from the first on; all of them, or as many as decide what is parsed.
    pub front: Vec<u8>,
    /// The digest of all its bytes.
    pub digest: Digest,
    /// How many bytes it has.
    pub size_bytes: u64,
}

/// So many bytes are read at once.
const CHUNK_BYTES: usize = 1 << 20;
/// A file is held whole up to this size; the head in which the form of a file is looked for is far shorter.
const FRONT_MIN_BYTES: usize = 4 << 20;

/// Reads a filing.
///
/// # Errors
/// As the system gives them.
pub fn read(file: &Path) -> io::Result<FilingBytes> {
    let mut file = open_regular(file)?;
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let mut hasher = blake3::Hasher::new();
    // One byte more than there should be, so that the end is seen without making room.
    let mut front: Vec<u8> = Vec::with_capacity(length.min(FRONT_MIN_BYTES + CHUNK_BYTES) + 1);
    if length < FRONT_MIN_BYTES {
        // The usual case: all of it by one call.
        file.read_to_end(&mut front)?;
        hasher.update(&front);
    }
    let mut look_at_bytes = FRONT_MIN_BYTES;
    while front.len() < look_at_bytes || !front_suffices(&front) {
        if front.len() >= look_at_bytes {
            // Looked at again when it has doubled, so that all looks together cost no more than two of the whole.
            look_at_bytes = front.len().saturating_mul(2);
        }
        let before = front.len();
        (&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut front)?;
        if front.len() == before {
            let size_bytes = front.len() as u64;
            return Ok(FilingBytes { front, digest: digest_of(&hasher), size_bytes });
        }
        hasher.update(&front[before..]);
    }
    // What is behind the front is hashed alone.
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => hasher.update(&chunk[..read]),
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
            Err(cause) => return Err(cause),
        };
    }
    Ok(FilingBytes { front, digest: digest_of(&hasher), size_bytes: hasher.count() })
}

fn digest_of(hasher: &blake3::Hasher) -> Digest {
    Digest::from_bytes(*hasher.finalize().as_bytes())
}

/// The types of main documents after which a submission need not be searched further. A type that is missing here costs
/// memory, never a different result.
const MAIN_TYPES: [&str; 5] = ["10-K", "10-K405", "10-KSB", "10-KT", "10-Q"];
/// The tags before a document's text take no more than this.
const DOCUMENT_HEAD_BYTES: usize = 8 << 10;

/// Returns true where no byte behind `front` can change what the file is parsed to: it is a submission whose main document,
/// of the lowest sequence there is, ends in `front`.
fn front_suffices(front: &[u8]) -> bool {
    let mut from = 0;
    while let Some(at) = find_document(front, from) {
        let head = &front[at..front.len().min(at + DOCUMENT_HEAD_BYTES)];
        let Some(text) = memmem::find(head, b"<TEXT>") else {
            return false;
        };
        let tags = &head[..text];
        let first = value(tags, b"<SEQUENCE>").parse().is_ok_and(|sequence: u32| sequence <= 1);
        let form = value(tags, b"<TYPE>").to_ascii_uppercase();
        let main = MAIN_TYPES.contains(&form.strip_suffix("/A").unwrap_or(&form));
        from = at + text;
        if first && main {
            return memmem::find(&front[from..], b"\n</DOCUMENT>").is_some();
        }
    }
    false
}

/// Finds the next `<DOCUMENT>` that begins a line.
fn find_document(front: &[u8], from: usize) -> Option<usize> {
    let rest = front.get(from..)?;
    memmem::find(rest, b"\n<DOCUMENT>").map(|found| from + found + 1)
}

fn value(tags: &[u8], tag: &[u8]) -> String {
    let Some(found) = memmem::find(tags, tag) else {
        return String::new();
    };
    let rest = &tags[found + tag.len()..];
    let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r' | b'<'));
    String::from_utf8_lossy(rest[..end.unwrap_or(rest.len())].trim_ascii()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filings;

    /// A submission whose main document is followed by `exhibits` bytes of others.
    fn submission(sequence: u32, form: &str, exhibits: usize) -> Vec<u8> {
        let main = "<html><body><p>FORM 10-K</p><p><b>Item 1A. Risk Factors</b></p><p>We may fail.</p></body></html>";
        let mut bytes = format!(
            "<SEC-HEADER>\nACCESSION NUMBER: 0000000000-24-000001\n</SEC-HEADER>\n<DOCUMENT>\n<TYPE>{form}\n<SEQUENCE>{sequence}\n\
             <FILENAME>a.htm\n<TEXT>\n{main}\n</TEXT>\n</DOCUMENT>\n<DOCUMENT>\n<TYPE>EX-99\n<SEQUENCE>2\n<TEXT>\n"
        )
        .into_bytes();
        let line = b"M exhibit, uuencoded, of no interest to anybody whatsoever\n";
        while bytes.len() < exhibits {
            bytes.extend_from_slice(line);
        }
        bytes.extend_from_slice(b"</TEXT>\n</DOCUMENT>\n");
        bytes
    }

    fn read_bytes(bytes: &[u8]) -> FilingBytes {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        read(file.path()).unwrap()
    }

    #[test]
    fn of_a_large_submission_only_the_front_is_held_and_all_is_hashed() {
        let bytes = submission(1, "10-K", 20 << 20);
        let found = read_bytes(&bytes);
        assert!(found.front.len() <= FRONT_MIN_BYTES + CHUNK_BYTES, "{}", found.front.len());
        assert_eq!(found.digest, Digest::of(&bytes));
        assert_eq!(found.size_bytes, bytes.len() as u64);
        let from_front = filings::parse(&found.front).unwrap().to_json();
        assert!(from_front == filings::parse(&bytes).unwrap().to_json());
    }

    #[test]
    fn what_may_be_decided_further_back_is_held_whole() {
        for bytes in [
            // A later document could have a lower sequence.
            submission(2, "10-K", 6 << 20),
            // A later document could be the main one.
            submission(1, "EX-1", 6 << 20),
            // No submission at all.
            vec![b'x'; 6 << 20],
        ] {
            assert!(read_bytes(&bytes).front == bytes);
        }
    }

    #[test]
    fn the_front_of_every_real_filing_that_suffices_is_parsed_as_the_whole() {
        let folder = crate::machine::data("filings");
        let Ok(entries) = std::fs::read_dir(&folder) else {
            crate::machine::skipped(
                crate::machine::Lack::Data,
                format!("the real filings are not at {}", folder.display()),
            );
            return;
        };
        let mut looked_at = 0;
        for entry in entries {
            let path = entry.unwrap().path();
            let Ok(bytes) = std::fs::read(&path) else { continue };
            if bytes.len() > 2_000_000 || !front_suffices(&bytes) {
                continue;
            }
            // The least front that suffices, found by halving.
            let (mut low, mut high) = (0, bytes.len());
            while low + 1 < high {
                let middle = low.midpoint(high);
                if front_suffices(&bytes[..middle]) {
                    high = middle;
                } else {
                    low = middle;
                }
            }
            let whole = filings::parse(&bytes).map(|parsed| parsed.to_json()).ok();
            let front = filings::parse(&bytes[..high.max(256 << 10).min(bytes.len())]);
            let front = front.map(|parsed| parsed.to_json()).ok();
            assert!(front == whole, "{}", path.display());
            looked_at += 1;
        }
        assert!(looked_at > 0);
    }
}
